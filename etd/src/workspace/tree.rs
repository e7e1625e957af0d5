//! The listing, and the sweep of what a crash left.

use std::collections::VecDeque;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use cap_std::fs::Dir;
use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::apply::TEMP_PREFIX;
use super::walk::{Walked, open_file, walk};
use super::{TreeFile, Workspace};
use crate::relpath::RelPath;

/// Files in a listing at most.
const MAX_FILES: usize = 20_000;
/// Names looked at for a listing or a sweep at most.
const MAX_ENTRIES: usize = 200_000;
/// Directories below one another at most.
const MAX_DEPTH: usize = 64;
/// Largest `.gitignore` that is read, in bytes.
const MAX_RULES: u64 = 256 << 10;
/// Directories that hold what tools made, or git's own.
const SKIPPED: &[&str] = &[".git", "node_modules", "target", ".venv", "__pycache__"];
/// Where the tree is said to stand when ignore rules are matched: they are matched as text, nothing is opened by it.
const VIRTUAL_ROOT: &str = "/tree";

/// The files of the tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Sorted by path.
    pub files: Vec<TreeFile>,
    /// There are more, and deeper ones are missing first.
    pub cut: bool,
    /// Names left out because they aren't text, and directories that couldn't be read.
    pub skipped: usize,
}

/// Ignore rules of a directory, with those above it.
struct Rules {
    own: Gitignore,
    above: Option<Arc<Rules>>,
}

impl Rules {
    fn ignored(mut rules: Option<&Arc<Self>>, path: &str, is_dir: bool) -> bool {
        let path = format!("{VIRTUAL_ROOT}/{path}");
        while let Some(level) = rules {
            match level.own.matched(Path::new(&path), is_dir) {
                Match::Ignore(_) => return true,
                Match::Whitelist(_) => return false,
                Match::None => rules = level.above.as_ref(),
            }
        }
        false
    }
}

struct Found<'a> {
    dir: &'a Dir,
    name: &'a str,
    path: &'a str,
    bytes: u64,
}

struct Seen {
    cut: bool,
    skipped: usize,
}

impl Workspace {
    /// The regular files of the tree, without git-ignored ones (with or without a repository), `.git`, `node_modules`, `target`,
    /// `.venv` and `__pycache__`. At most 20,000, those near the top first; no symlink is followed.
    #[must_use]
    pub fn list(&self) -> Listing {
        let mut files = Vec::new();
        let mut full = false;
        let seen = self.visit(true, &mut |found| {
            if found.name.starts_with(TEMP_PREFIX) {
                return true;
            }
            if files.len() >= MAX_FILES {
                full = true;
                return false;
            }
            if let Ok(path) = RelPath::parse(found.path) {
                files.push(TreeFile { path, bytes: found.bytes });
            }
            true
        });
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Listing { files, cut: seen.cut || full, skipped: seen.skipped }
    }

    /// Removes temporary files that a crash left and returns how many there were. To be called only by who holds the work dir's lock.
    pub fn sweep(&self) -> usize {
        let mut swept = 0;
        self.visit(false, &mut |found| {
            if found.name.starts_with(TEMP_PREFIX) && found.dir.remove_file(found.name).is_ok() {
                swept += 1;
            }
            true
        });
        swept
    }

    /// Calls `on` for each regular file, breadth first, until it returns false.
    fn visit(&self, with_rules: bool, on: &mut dyn FnMut(Found<'_>) -> bool) -> Seen {
        let mut seen = Seen { cut: false, skipped: 0 };
        let mut entries_left = MAX_ENTRIES;
        let mut pending: VecDeque<(String, usize, Option<Arc<Rules>>)> = VecDeque::from([(String::new(), 0, None)]);
        while let Some((at, depth, above)) = pending.pop_front() {
            // Handles aren't kept for what is pending: there may be more directories than a process may hold open.
            let Ok(Walked::There(dir)) = walk(&self.dir, &at, false) else {
                seen.skipped += 1;
                continue;
            };
            let rules = if with_rules { rules_of(&dir, &at, above) } else { None };
            let Ok(entries) = dir.entries() else {
                seen.skipped += 1;
                continue;
            };
            for entry in entries {
                if entries_left == 0 {
                    seen.cut = true;
                    return seen;
                }
                entries_left -= 1;
                let Ok(entry) = entry else {
                    seen.skipped += 1;
                    continue;
                };
                let name = entry.file_name();
                let Some(name) = name.to_str() else {
                    seen.skipped += 1;
                    continue;
                };
                let path = if at.is_empty() { name.to_owned() } else { format!("{at}/{name}") };
                // A backslash or control character in a name: it can't be told to anybody.
                if RelPath::parse(&path).is_ok_and(|parsed| parsed.as_str() != path) || RelPath::parse(&path).is_err() {
                    seen.skipped += 1;
                    continue;
                }
                let Ok(metadata) = entry.metadata() else { continue };
                if metadata.is_dir() {
                    if SKIPPED.contains(&name) || Rules::ignored(rules.as_ref(), &path, true) {
                        continue;
                    }
                    if depth >= MAX_DEPTH {
                        seen.cut = true;
                        continue;
                    }
                    pending.push_back((path, depth + 1, rules.clone()));
                } else if metadata.is_file()
                    && !Rules::ignored(rules.as_ref(), &path, false)
                    && !on(Found { dir: &dir, name, path: &path, bytes: metadata.len() })
                {
                    return seen;
                }
            }
        }
        seen
    }
}

/// The rules that hold in `dir`: those of its `.gitignore` before those from above.
fn rules_of(dir: &Dir, at: &str, above: Option<Arc<Rules>>) -> Option<Arc<Rules>> {
    let Ok(Some(file)) = open_file(dir, ".gitignore") else { return above };
    let mut text = Vec::new();
    if file.take(MAX_RULES).read_to_end(&mut text).is_err() {
        return above;
    }
    let root = if at.is_empty() { VIRTUAL_ROOT.to_owned() } else { format!("{VIRTUAL_ROOT}/{at}") };
    let mut builder = GitignoreBuilder::new(root);
    for line in String::from_utf8_lossy(&text).trim_start_matches('\u{feff}').lines() {
        // A line that isn't a pattern ignores nothing, as in git.
        let _ = builder.add_line(None, line);
    }
    match builder.build() {
        Ok(own) => Some(Arc::new(Rules { own, above })),
        Err(_) => above,
    }
}
