//! From an answer with edits and moves to whole contents. Pure: the caller looks up what stands in the tree.

use std::collections::BTreeMap;

use crate::relpath::RelPath;

use super::edit::{self, FailedHunk};
use super::{Answer, FileEdit};

/// What a file is before an answer's edits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Current {
    /// Its text, as the worker was shown it.
    Text(String),
    /// It isn't there.
    Absent,
    /// The worker wasn't shown it: it can't know what it changes.
    Unseen,
    /// It isn't what the worker was shown.
    Changed,
}

/// An edit or a move that wasn't done, or not all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// The file.
    pub path: RelPath,
    /// For the question that follows.
    pub reason: String,
}

/// What an answer makes of the tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    /// Contents with LF line ends, but as they were in a file that moves; none: the file goes.
    pub files: BTreeMap<RelPath, Option<String>>,
    /// What of the edits didn't apply; what did is in `files`.
    pub failed: Vec<Failed>,
    /// Files that it would change without having been shown them.
    pub unseen: Vec<RelPath>,
    /// Whether some of `failed` is an edit that doesn't fit the file that its worker was shown.
    pub misapplied: bool,
}

const BOM: &str = "\u{feff}";
/// Longest text of a search that is quoted, in bytes.
const QUOTED: usize = 600;

/// Applies edits and moves. `current` tells what a file is before them.
#[must_use]
pub fn resolve(answer: &Answer, current: &dyn Fn(&RelPath) -> Current) -> Resolved {
    let mut resolving = Resolving { answer, current, resolved: Resolved::default(), moved: BTreeMap::new() };
    for file in &answer.files {
        resolving.resolved.files.insert(file.path.clone(), Some(file.content.clone()));
    }
    let target = |path: &RelPath| answer.moves.iter().any(|(_, to)| to == path);
    let (late, early): (Vec<&FileEdit>, Vec<&FileEdit>) = answer.edits.iter().partition(|edit| target(&edit.path));
    early.into_iter().for_each(|edit| resolving.edit(edit));
    resolving.moves();
    late.into_iter().for_each(|edit| resolving.edit(edit));
    for path in &answer.deletions {
        resolving.resolved.files.insert(path.clone(), None);
    }
    resolving.resolved
}

struct Resolving<'a> {
    answer: &'a Answer,
    current: &'a dyn Fn(&RelPath) -> Current,
    resolved: Resolved,
    /// Contents that moves brought.
    moved: BTreeMap<RelPath, String>,
}

impl Resolving<'_> {
    fn base(&self, path: &RelPath) -> Current {
        match self.resolved.files.get(path) {
            Some(Some(text)) => Current::Text(text.clone()),
            Some(None) => Current::Absent,
            None => (self.current)(path),
        }
    }

    fn fail(&mut self, path: &RelPath, reason: String) {
        self.resolved.failed.push(Failed { path: path.clone(), reason });
    }

    fn unseen(&mut self, path: &RelPath) {
        if !self.resolved.unseen.contains(path) {
            self.resolved.unseen.push(path.clone());
        }
    }

    fn edit(&mut self, edit: &FileEdit) {
        let path = &edit.path;
        let base = match self.base(path) {
            Current::Text(text) => text,
            Current::Absent if edit.hunks.iter().any(|hunk| hunk.search.trim().is_empty()) => String::new(),
            Current::Absent => return self.fail(path, format!("{path} isn't there, so it can't be edited")),
            Current::Unseen => return self.unseen(path),
            Current::Changed => {
                return self.fail(path, format!("{path} changed meanwhile; the current content is shown now"));
            }
        };
        let plain = base.replace("\r\n", "\n");
        let applied = edit::apply(&edit.hunks, plain.strip_prefix(BOM).unwrap_or(&plain));
        if applied.failed.len() < edit.hunks.len() {
            let moves = self.answer.moves.iter().any(|(from, to)| from == path || to == path);
            let content = if moves { in_form_of(&base, applied.content) } else { applied.content };
            self.resolved.files.insert(path.clone(), Some(content));
        }
        if !applied.failed.is_empty() {
            self.resolved.misapplied = true;
            let (count, all) = (applied.failed.len(), edit.hunks.len());
            let reasons: Vec<String> = applied.failed.iter().map(|failed| reason(path, failed)).collect();
            let kept =
                if count < all { format!(" The other {} did and are kept.", all - count) } else { String::new() };
            self.fail(path, format!("{count} of {all} edits of {path} don't apply.{kept}\n{}", reasons.join("\n")));
        }
    }

    fn moves(&mut self) {
        let mut gone = Vec::new();
        for (from, to) in &self.answer.moves {
            match self.base(from) {
                Current::Text(text) => {
                    self.moved.insert(to.clone(), text);
                    gone.push(from);
                }
                Current::Absent => match self.base(to) {
                    // Done before.
                    Current::Text(_) => {}
                    _ => self.fail(from, format!("{from} isn't there, so it can't be moved")),
                },
                Current::Unseen => self.unseen(from),
                Current::Changed => {
                    self.fail(from, format!("{from} changed meanwhile; the current content is shown now"));
                }
            }
        }
        for from in gone {
            self.resolved.files.insert(from.clone(), None);
        }
        let whole = |path: &RelPath| self.answer.files.iter().any(|file| file.path == *path);
        for (to, text) in std::mem::take(&mut self.moved) {
            if !whole(&to) {
                self.resolved.files.insert(to, Some(text));
            }
        }
    }
}

/// A text in the form of the one that it was: where the file moves, nothing at its new place tells.
fn in_form_of(base: &str, mut text: String) -> String {
    if !base.is_empty() && !base.ends_with('\n') && text.ends_with('\n') {
        text.pop();
    }
    if base.contains("\r\n") {
        text = text.replace('\n', "\r\n");
    }
    if base.starts_with(BOM) {
        text.insert_str(0, BOM);
    }
    text
}

/// Why a hunk doesn't apply, for the model that gave it.
fn reason(path: &RelPath, failed: &FailedHunk) -> String {
    let cut = failed.search.floor_char_boundary(QUOTED);
    let quoted = failed.search.get(..cut).unwrap_or_default().trim_end_matches('\n');
    let more = if cut < failed.search.len() { "\n…" } else { "" };
    if !failed.lines.is_empty() {
        let lines: Vec<String> = failed.lines.iter().take(20).map(ToString::to_string).collect();
        return format!(
            "This stands at more than one place of {path} (lines {}); give more of the lines around it:\n{quoted}{more}",
            lines.join(", ")
        );
    }
    let nearest = match failed.nearest.trim_end() {
        "" => String::new(),
        nearest => format!("\nThe nearest lines of {path} are:\n{nearest}"),
    };
    format!("This isn't in {path}:\n{quoted}{more}{nearest}")
}
