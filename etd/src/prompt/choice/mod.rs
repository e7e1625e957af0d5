//! What of an existing tree a model is shown: files whole, in outline, or by name only, chosen by what the task is about. Pure.
//!
//! Promises: the same tree, task and history give the same choice; no more bytes than the limits say; a file is shown whole or not at
//! all. Relevance is told by words: it may miss a file, so the list of files always stands beside it.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use super::FileView;
use crate::relpath::RelPath;
use crate::source::imports::{Paths, imports, is_test};
use crate::source::outline::{OutlineLine, outline};
use crate::workspace::TreeFile;

/// Bytes of whole files for a planner. A tree that is smaller is shown whole.
pub(crate) const WHOLE: usize = 24 * 1024;
/// Bytes of outlines for a planner.
pub(crate) const OUTLINES: usize = 14 * 1024;
/// Bytes of the list of files.
const LISTED: usize = 12 * 1024;
/// The largest file that is shown whole in a tree that isn't.
const LARGE: usize = WHOLE / 2;
/// A file with a smaller part of the best one's score isn't shown whole.
const WORTH: f64 = 0.15;
/// Lines of one outline at most.
const LINES: usize = 60;
/// Files in a list with a line each at most; more are grouped by dir.
const SINGLE: usize = 40;
/// Names in a dir's line at most.
const NAMES: usize = 40;

/// The outline of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outlined {
    /// Whose.
    pub(crate) path: RelPath,
    /// Its declarations, as many as there is room for.
    pub(crate) lines: Vec<OutlineLine>,
    /// Those that were left out.
    pub(crate) left: usize,
}

impl Outlined {
    /// The outline of a file, of at most so many lines and levels.
    pub(crate) fn of(view: &FileView, limit: usize, depth: usize) -> Self {
        let mut lines = outline(view.path.as_str(), &view.text);
        let all = lines.len();
        let shallow = |line: &OutlineLine| line.text.len() - line.text.trim_start().len() < 2 * depth;
        lines.retain(shallow);
        lines.truncate(limit);
        Self { path: view.path.clone(), left: all - lines.len(), lines }
    }

    /// As a prompt shows it.
    pub(crate) fn shown(&self) -> String {
        let mut out = format!("{}:", self.path);
        for line in &self.lines {
            out.push_str(&format!("\n{:>5}| {}", line.line, line.text));
        }
        if self.left > 0 {
            out.push_str(&format!("\n  [… {} more left out …]", self.left));
        }
        out
    }
}

/// What was chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Choice {
    /// Shown whole, the most relevant first.
    pub(crate) whole: Vec<FileView>,
    /// Shown in outline, the most relevant first.
    pub(crate) outlines: Vec<Outlined>,
    /// Dirs with files that the task may be about.
    pub(crate) dirs: BTreeSet<String>,
}

/// Chooses from the files that can be shown. `recent`: changed in earlier rounds, the newest first.
pub(crate) fn choose(task: &str, recent: &[RelPath], files: Vec<FileView>) -> Choice {
    let bytes: usize = files.iter().map(|view| view.text.len()).sum();
    if bytes <= WHOLE {
        return Choice { whole: files, ..Choice::default() };
    }
    let scores = scores(task, recent, &files);
    let best = scores.iter().copied().fold(0.0, f64::max);
    let mut order: Vec<usize> = (0..files.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]).then_with(|| files[*a].path.cmp(&files[*b].path)));
    let mut choice = Choice::default();
    let mut room = WHOLE;
    let mut rest = Vec::new();
    for at in order {
        let length = files[at].text.len();
        if scores[at] > 0.0 {
            choice.dirs.insert(files[at].path.parent().to_owned());
        }
        if scores[at] > best * WORTH && length <= LARGE.min(room) {
            room -= length;
            choice.whole.push(files[at].clone());
        } else {
            rest.push(at);
        }
    }
    let mut room = OUTLINES;
    for at in rest {
        // Of what hardly matters only what stands at the margin.
        let (lines, depth) = if scores[at] > best * WORTH { (LINES, 9) } else { (LINES / 4, 1) };
        let outlined = Outlined::of(&files[at], lines, depth);
        let length = outlined.shown().len() + 1;
        if is_dull(files[at].path.as_str()) || outlined.lines.is_empty() || length > room {
            continue;
        }
        room -= length;
        choice.outlines.push(outlined);
    }
    choice
}

/// Whether the path of a file has a word of the task: read first where not all can be read.
pub(crate) fn is_likely(task: &str, path: &RelPath) -> bool {
    let wanted: BTreeSet<String> = words(task).filter(|word| !COMMON.contains(&word.as_str())).collect();
    words(path.as_str()).any(|word| wanted.contains(&word))
}

/// How much each file has to do with the task; 0: nothing that is known.
fn scores(task: &str, recent: &[RelPath], files: &[FileView]) -> Vec<f64> {
    let wanted: BTreeSet<String> = words(task).filter(|word| !COMMON.contains(&word.as_str())).collect();
    let mut found: Vec<BTreeMap<String, u32>> = Vec::with_capacity(files.len());
    let mut spread: BTreeMap<&str, usize> = BTreeMap::new();
    for view in files {
        let mut counts: BTreeMap<String, u32> = BTreeMap::new();
        for word in words(&view.text).chain(words(view.path.as_str())) {
            if wanted.contains(&word) {
                *counts.entry(word).or_default() += 1;
            }
        }
        for word in wanted.iter().filter(|word| counts.contains_key(*word)) {
            *spread.entry(word).or_default() += 1;
        }
        found.push(counts);
    }
    let total = files.len() as f64;
    // A word that stands in every file tells nothing.
    let weight = |word: &str| (1.0 + total / spread.get(word).copied().unwrap_or(1) as f64).ln() - 0.69;
    let own: Vec<f64> = files
        .iter()
        .zip(&found)
        .map(|(view, counts)| {
            let path = view.path.as_str();
            let in_path: BTreeSet<String> = words(path).collect();
            let heads = outline(path, &view.text);
            let heads: BTreeSet<String> = heads.iter().flat_map(|line| words(&line.text)).collect();
            let mut score = 0.0;
            for (word, count) in counts {
                let mut times = f64::from((*count).min(4)) * 0.4;
                times += if heads.contains(word) { 2.0 } else { 0.0 };
                times += if in_path.contains(word) { 4.0 } else { 0.0 };
                score += weight(word).max(0.0) * times;
            }
            if task.contains(path) {
                score += 40.0;
            } else if path.contains('.') && task.contains(view.path.file_name()) {
                score += 20.0;
            }
            if is_dull(path) { score * 0.1 } else { score }
        })
        .collect();
    let best = own.iter().copied().fold(0.0, f64::max);
    let mut scores = own.clone();
    // What a relevant file takes from, and who takes from it; its tests are among them.
    let paths = Paths::new(files.iter().map(|view| view.path.as_str()));
    for (at, view) in files.iter().enumerate() {
        let near = imports(view.path.as_str(), &view.text, &paths);
        // An import by everybody, or of everything, is no sign.
        let share = if is_test(view.path.as_str()) { 0.3 } else { 0.25 };
        for other in near {
            scores[other] = scores[other].max(own[other] + own[at] * 0.25);
            scores[at] = scores[at].max(own[at] + own[other] * share);
        }
    }
    for (at, view) in files.iter().enumerate() {
        let path = view.path.as_str();
        if is_manifest(view.path.file_name()) && view.text.len() < 4096 {
            scores[at] += best * if view.path.parent().is_empty() { 0.3 } else { 0.05 };
        }
        if let Some(place) = recent.iter().position(|one| *one == view.path) {
            // Where the task names nothing, what was done last is what it is about.
            scores[at] += (best * 0.4).max(1.0) / (1.0 + place as f64 * 0.02);
        }
        if is_test(path) && !task.to_ascii_lowercase().contains("test") {
            scores[at] *= 0.7;
        }
    }
    scores
}

/// The words of a text, in lower case, names of several words taken apart, a plural as its singular.
fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric()).flat_map(parts).filter_map(|part| {
        let word = part.to_lowercase();
        let word = match word.strip_suffix("ies") {
            Some(stem) if stem.len() > 2 => format!("{stem}y"),
            _ => {
                word.strip_suffix('s').filter(|stem| stem.len() > 2 && !stem.ends_with('s')).unwrap_or(&word).to_owned()
            }
        };
        (word.chars().count() > 2).then_some(word)
    })
}

/// `getUserName` → `get`, `User`, `Name`; `HTTPServer` → `HTTP`, `Server`.
fn parts(word: &str) -> impl Iterator<Item = &str> {
    let chars: Vec<(usize, char)> = word.char_indices().collect();
    let starts = |at: usize| {
        let (_, c) = chars[at];
        let after_lower = at > 0 && chars[at - 1].1.is_lowercase();
        let before_lower = chars.get(at + 1).is_some_and(|(_, next)| next.is_lowercase());
        at > 0 && c.is_uppercase() && (after_lower || before_lower)
    };
    let mut cuts = vec![0];
    cuts.extend((0..chars.len()).filter(|at| starts(*at)).map(|at| chars[at].0));
    cuts.push(word.len());
    let pairs: Vec<(usize, usize)> = cuts.windows(2).map(|pair| (pair[0], pair[1])).collect();
    pairs.into_iter().map(move |(from, to)| &word[from..to])
}

/// Words of tasks that say nothing of a file.
const COMMON: &[&str] = &[
    "add",
    "all",
    "and",
    "any",
    "are",
    "build",
    "can",
    "change",
    "code",
    "create",
    "each",
    "every",
    "file",
    "fix",
    "for",
    "from",
    "get",
    "has",
    "have",
    "implement",
    "into",
    "its",
    "make",
    "more",
    "must",
    "new",
    "not",
    "one",
    "please",
    "project",
    "remove",
    "should",
    "some",
    "that",
    "the",
    "their",
    "them",
    "then",
    "there",
    "they",
    "thi",
    "this",
    "update",
    "use",
    "when",
    "which",
    "with",
    "work",
    "write",
    "you",
    "your",
];

fn is_manifest(name: &str) -> bool {
    matches!(
        name,
        "go.mod"
            | "Cargo.toml"
            | "package.json"
            | "pyproject.toml"
            | "setup.py"
            | "requirements.txt"
            | "tsconfig.json"
            | "Makefile"
            | "CMakeLists.txt"
            | "pom.xml"
            | "build.gradle"
            | "build.gradle.kts"
    )
}

/// What tools write or nobody reads: locks, minified and recorded files, data.
fn is_dull(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let locks = ["package-lock.json", "yarn.lock", "pnpm-lock.yaml", "Cargo.lock", "go.sum", "poetry.lock", "LICENSE"];
    let ends = [".min.js", ".min.css", ".map", ".svg", ".csv", ".snap", ".log", ".lock", ".pb.go", "_pb2.py", ".jsonl"];
    locks.contains(&name) || ends.iter().any(|end| name.ends_with(end))
}

/// The list of files: a line each, or grouped by dir where there are many. Sizes stand where a file is large, or its only description.
pub(crate) fn listed(tree: &[TreeFile], dirs: &BTreeSet<String>) -> Vec<String> {
    if tree.len() <= SINGLE {
        return tree.iter().map(|file| format!("{} ({} bytes)", file.path, file.bytes)).collect();
    }
    let mut groups: BTreeMap<&str, Vec<&TreeFile>> = BTreeMap::new();
    for file in tree {
        groups.entry(file.path.parent()).or_default().push(file);
    }
    let full: Vec<(&str, String)> = groups.iter().map(|(dir, files)| (*dir, group(dir, files))).collect();
    let mut over = full.iter().map(|(_, line)| line.len() + 1).sum::<usize>().saturating_sub(LISTED);
    // Where that is too long, dirs that the task isn't about are counted, the deepest first.
    let mut order: Vec<usize> = (0..full.len()).filter(|at| !dirs.contains(full[*at].0)).collect();
    order.sort_by_key(|at| (usize::MAX - full[*at].0.matches('/').count(), usize::MAX - at));
    let mut lines: Vec<String> = full.iter().map(|(_, line)| line.clone()).collect();
    for at in order {
        if over == 0 {
            break;
        }
        let (dir, line) = &full[at];
        let short = format!("{dir}/: {} files", groups[dir].len());
        over = over.saturating_sub(line.len().saturating_sub(short.len()));
        lines[at] = short;
    }
    lines
}

fn group(dir: &str, files: &[&TreeFile]) -> String {
    let name = |file: &&TreeFile| {
        let name = file.path.file_name();
        if file.bytes > LARGE as u64 { format!("{name} ({} KB)", file.bytes / 1024) } else { name.to_owned() }
    };
    let mut names: Vec<String> = files.iter().take(NAMES).map(name).collect();
    if files.len() > NAMES {
        names.push(format!("… {} more", files.len() - NAMES));
    }
    let dir = if dir.is_empty() { ".".to_owned() } else { format!("{dir}/") };
    format!("{dir}: {}", names.join(", "))
}

/// Outlines of the files that `own` imports and of those that `said` names, without those that are shown anyway, in at most `limit`
/// bytes. `read` gives a file's text.
pub(crate) fn neighbours(
    own: &[FileView],
    shown: &[RelPath],
    said: &str,
    tree: &[TreeFile],
    limit: usize,
    read: &dyn Fn(&RelPath) -> Option<String>,
) -> Vec<Outlined> {
    let paths = Paths::new(tree.iter().map(|file| file.path.as_str()));
    let mut wanted: BTreeSet<usize> = (0..tree.len()).filter(|at| names_path(said, tree[*at].path.as_str())).collect();
    for view in own {
        wanted.extend(imports(view.path.as_str(), &view.text, &paths));
    }
    let mut out = Vec::new();
    let mut room = limit;
    for at in wanted {
        let path = &tree[at].path;
        if shown.contains(path) || is_dull(path.as_str()) || tree[at].bytes > 512 << 10 {
            continue;
        }
        let Some(text) = read(path) else { continue };
        let view = FileView { path: path.clone(), text };
        let whole = Outlined::of(&view, LINES, 9);
        let small = || Outlined::of(&view, LINES / 4, 1);
        let outlined = if whole.shown().len() < room { whole } else { small() };
        let length = outlined.shown().len() + 1;
        if !outlined.lines.is_empty() && length <= room {
            room -= length;
            out.push(outlined);
        }
    }
    out
}

/// Whether a text names a path, as a whole word.
fn names_path(text: &str, path: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || matches!(c, '/' | '_' | '-');
    path.contains(['/', '.'])
        && text
            .match_indices(path)
            .any(|(at, _)| !text[..at].ends_with(part) && !text[at + path.len()..].starts_with(part))
}
