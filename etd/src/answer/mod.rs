//! From a worker's answer to the files that it means. Pure: no I/O; the tree's part (hashes, policy) is `workspace`.
//!
//! Promises: it never panics, never yields a path that leaves the work dir, and never takes a block that isn't closed, that leaves
//! something out, or whose path it would have to guess. Who may write a path is decided elsewhere.
//!
//! It works in three steps, a file each: `blocks` cuts the text into blocks with the names that stand at them (`names`), `paths` tells what is
//! a path, `judge` tells what a body is worth.

mod blocks;
mod judge;
mod names;
mod paths;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::relpath::RelPath;
use blocks::{Block, Kind};
use judge::Body;
use names::Name;
pub(crate) use paths::bare;

/// What the reader must know besides the text.
#[derive(Clone, Debug)]
pub struct Expected<'a> {
    /// Files that the worker owns.
    pub owns: &'a [RelPath],
    /// Last part of the work dir's path: models put it before their paths.
    pub work_dir_name: &'a str,
    /// Whether the token limit cut the answer.
    pub cut: bool,
}

/// One whole file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileBlock {
    /// Where.
    pub path: RelPath,
    /// The content, with LF line ends and, unless it is empty, a final newline.
    pub content: String,
}

/// Something in an answer that can't be taken as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The last block isn't closed, or the token limit cut it.
    Truncated(RelPath),
    /// The body leaves something out (`// ... rest of the code`), or is only a remark.
    Placeholder(RelPath),
    /// A path that isn't one below the work dir, as written, with the reason.
    UnsafePath(String, String),
    /// A block whose path can't be told.
    NoPath,
}

/// What an answer means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Whole files, one per path (the last complete block wins).
    pub files: Vec<FileBlock>,
    /// Files to delete.
    pub deletions: Vec<RelPath>,
    /// What can't be taken.
    pub problems: Vec<Problem>,
    /// The worker says that nothing needs to change.
    pub no_change: bool,
    /// What it says outside the blocks, shortened: its closing notes.
    pub remarks: String,
}

/// Longest text of [`Answer::remarks`], in characters.
const REMARKS: usize = 600;

/// Whether a word of a text is meant as a file's path, be it a safe one or not.
pub(crate) fn looks_like_path(word: &str) -> bool {
    paths::looks_like(word, &[])
}

/// What became of a path so far.
struct Taken {
    content: String,
    /// Named by a mere sentence: never replaces what was named properly.
    weak: bool,
}

/// Reads an answer.
#[must_use]
pub fn read(text: &str, expected: &Expected<'_>) -> Answer {
    let scanned = blocks::scan(text, expected.owns);
    let mut reading = Reading::new(expected);
    let mut unnamed = Vec::new();
    for block in &scanned.blocks {
        match reading.path_of(block) {
            Some(Some((path, weak))) => reading.take(&path, block, weak),
            Some(None) => {}
            None if block.is_code() => unnamed.push(block),
            None => {}
        }
    }
    reading.place(&unnamed);
    reading.finish(&scanned)
}

struct Reading<'a> {
    expected: &'a Expected<'a>,
    files: BTreeMap<RelPath, Taken>,
    /// Paths in the order in which they came first.
    order: Vec<RelPath>,
    deletions: Vec<RelPath>,
    problems: Vec<Problem>,
    unchanged: Vec<RelPath>,
}

impl<'a> Reading<'a> {
    fn new(expected: &'a Expected<'a>) -> Self {
        Self {
            expected,
            files: BTreeMap::new(),
            order: Vec::new(),
            deletions: Vec::new(),
            problems: Vec::new(),
            unchanged: Vec::new(),
        }
    }

    /// The path that a block is for and whether it is weakly named. `None`: it has no name; `Some(None)`: it is no file.
    fn path_of(&mut self, block: &Block) -> Option<Option<(RelPath, bool)>> {
        let (raw, weak) = match &block.name {
            Name::Strong(raw) => (raw, false),
            Name::Weak(raw) => (raw, true),
            Name::None => return None,
        };
        match paths::clean(raw, self.expected) {
            Ok(path) if block.kind == Kind::Fence && !block.may_be(&path, self.expected.owns) => Some(None),
            Ok(path) => Some(Some((path, weak))),
            Err(_) if weak => None,
            Err(reason) => {
                self.problem(Problem::UnsafePath(paths::shown(raw), reason.to_string()));
                Some(None)
            }
        }
    }

    fn take(&mut self, path: &RelPath, block: &Block, weak: bool) {
        if block.kind == Kind::Delete {
            self.files.remove(path);
            if !self.deletions.contains(path) {
                self.deletions.push(path.clone());
            }
            return;
        }
        if !block.closed {
            self.problem(Problem::Truncated(path.clone()));
            return;
        }
        let owned = self.expected.owns.contains(path);
        match judge::judge(path, &block.body) {
            Body::Whole if block.is_change(path) => self.problem(Problem::Placeholder(path.clone())),
            Body::Whole => {
                if weak && self.files.get(path).is_some_and(|taken| !taken.weak) {
                    return;
                }
                self.deletions.retain(|deleted| deleted != path);
                if !self.order.contains(path) {
                    self.order.push(path.clone());
                }
                self.files.insert(path.clone(), Taken { content: block.body.clone(), weak });
            }
            Body::NoChange if owned => self.unchanged.push(path.clone()),
            Body::NoChange | Body::Elided => self.problem(Problem::Placeholder(path.clone())),
        }
    }

    /// The blocks without a name: one such block of a worker with one file is that file.
    fn place(&mut self, unnamed: &[&Block]) {
        if let [path] = self.expected.owns
            && !self.files.contains_key(path)
            && !self.deletions.contains(path)
            && !self.unchanged.contains(path)
        {
            let mut fitting = unnamed.iter().filter(|block| block.fits(path));
            if let (Some(block), None) = (fitting.next(), fitting.next()) {
                self.take(path, block, false);
                return;
            }
        }
        let missing = self.expected.owns.iter().any(|path| !self.files.contains_key(path));
        if self.files.is_empty() || missing {
            for _ in unnamed {
                self.problem(Problem::NoPath);
            }
        }
    }

    fn problem(&mut self, problem: Problem) {
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    fn finish(mut self, scanned: &blocks::Scanned) -> Answer {
        let files = &self.files;
        // A complete block of the same path makes up for a broken one.
        self.problems.retain(|problem| match problem {
            Problem::Truncated(path) | Problem::Placeholder(path) => !files.contains_key(path),
            Problem::UnsafePath(..) | Problem::NoPath => true,
        });
        let mut remarks = scanned.remarks();
        let nothing = self.files.is_empty() && self.deletions.is_empty() && self.problems.is_empty();
        let no_change =
            nothing && !self.expected.cut && (!self.unchanged.is_empty() || judge::says_no_change(&scanned.prose()));
        if !nothing {
            for path in self.unchanged.iter().filter(|path| !self.files.contains_key(path)) {
                remarks = format!("{remarks}\n{path}: no change needed");
            }
        }
        let mut order = self.order;
        let mut files = Vec::new();
        for path in order.drain(..) {
            if let Some(taken) = self.files.remove(&path) {
                files.push(FileBlock { path, content: taken.content });
            }
        }
        Answer { files, deletions: self.deletions, problems: self.problems, no_change, remarks: shorten(&remarks) }
    }
}

fn shorten(text: &str) -> String {
    let text = text.trim();
    match text.char_indices().nth(REMARKS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or(text).trim_end()),
        None => text.to_owned(),
    }
}
