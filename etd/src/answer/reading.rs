//! Puts together what the blocks of an answer say, path by path.

use std::collections::BTreeMap;

use crate::relpath::RelPath;

use super::block::{Block, Kind};
use super::changes::{Hunk, Named, Part};
use super::judge::{self, Body};
use super::names::Name;
use super::scan::Scanned;
use super::{Answer, Expected, FileBlock, FileEdit, Problem, REMARKS, paths};

/// What became of a path so far.
struct Taken {
    content: String,
    /// Named by a mere sentence: never replaces what was named properly.
    weak: bool,
}

/// What scanned blocks mean.
pub(super) fn read(scanned: &Scanned, expected: &Expected<'_>) -> Answer {
    let mut reading = Reading::new(expected);
    let mut unnamed = Vec::new();
    // The file that the block before changes.
    let mut before: Option<RelPath> = None;
    for block in &scanned.blocks {
        if let Some(parts) = block.changes() {
            let last = reading.change(block, parts, before.as_ref());
            before = last.or(before);
            continue;
        }
        before = None;
        match reading.path_of(block) {
            Some(Some((path, weak))) => reading.take(&path, block, weak),
            Some(None) => {}
            None if block.is_code() => unnamed.push(block),
            None => {}
        }
    }
    reading.place(&unnamed);
    reading.finish(scanned)
}

struct Reading<'a> {
    expected: &'a Expected<'a>,
    files: BTreeMap<RelPath, Taken>,
    /// Paths in the order in which they came first.
    order: Vec<RelPath>,
    edits: Vec<FileEdit>,
    moves: Vec<(RelPath, RelPath)>,
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
            edits: Vec::new(),
            moves: Vec::new(),
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
        match block.kind {
            Kind::Delete => return self.delete(path),
            Kind::Move => return self.rename(path, &block.body),
            Kind::File | Kind::Fence | Kind::Bare => {}
        }
        if !block.closed {
            self.problem(Problem::Truncated(path.clone()));
            return;
        }
        if block.is_change(path) {
            self.problem(Problem::Placeholder(path.clone()));
            return;
        }
        self.whole(path, &block.body, weak);
    }

    /// Takes a whole file.
    fn whole(&mut self, path: &RelPath, body: &str, weak: bool) {
        match judge::judge(path, body) {
            Body::Whole => {
                let named = self.files.get(path).is_some_and(|taken| !taken.weak);
                if weak && (named || self.edits.iter().any(|edit| edit.path == *path)) {
                    return;
                }
                self.deletions.retain(|deleted| deleted != path);
                self.edits.retain(|edit| edit.path != *path);
                if !self.order.contains(path) {
                    self.order.push(path.clone());
                }
                self.files.insert(path.clone(), Taken { content: body.to_owned(), weak });
            }
            Body::NoChange if self.expected.owns.contains(path) => self.unchanged.push(path.clone()),
            Body::NoChange | Body::Elided => self.problem(Problem::Placeholder(path.clone())),
        }
    }

    fn delete(&mut self, path: &RelPath) {
        self.files.remove(path);
        self.edits.retain(|edit| edit.path != *path);
        if !self.deletions.contains(path) {
            self.deletions.push(path.clone());
        }
    }

    fn rename(&mut self, from: &RelPath, to: &str) {
        if let Some(to) = self.clean(to)
            && to != *from
        {
            self.moves.retain(|(old, new)| old != from && *new != to);
            self.moves.push((from.clone(), to));
        }
    }

    fn clean(&mut self, raw: &str) -> Option<RelPath> {
        match paths::clean(raw, self.expected) {
            Ok(path) => Some(path),
            Err(reason) => {
                self.problem(Problem::UnsafePath(paths::shown(raw), reason.to_string()));
                None
            }
        }
    }

    /// Takes the changes of a block; returns the last file that it is about.
    fn change(&mut self, block: &Block, parts: Vec<Named>, before: Option<&RelPath>) -> Option<RelPath> {
        let around = match &block.name {
            Name::Strong(raw) | Name::Weak(raw) => paths::clean(raw, self.expected).ok(),
            Name::None => None,
        };
        let unsafe_name = around.is_none() && matches!(block.name, Name::Strong(_));
        let mut last = None;
        // Of an open one the last change may lack its end. A bare diff has no other end than the text's.
        let open = !block.closed && (block.kind != Kind::Bare || self.expected.cut || !is_diff(&block.body));
        let count = parts.len();
        for (number, (raw, part)) in parts.into_iter().enumerate() {
            let own = match raw {
                Some(raw) => match self.clean(&raw) {
                    Some(path) => Some(longer(path, around.as_ref(), self.expected.owns)),
                    None => continue,
                },
                None if unsafe_name => {
                    if let Name::Strong(raw) = &block.name {
                        self.clean(raw);
                    }
                    continue;
                }
                None => around.clone().or_else(|| before.cloned()),
            };
            let Some(path) = own.or_else(|| match self.expected.owns {
                [path] => Some(path.clone()),
                _ => None,
            }) else {
                self.problem(Problem::NoPath);
                continue;
            };
            last = Some(path.clone());
            if open && number + 1 == count {
                self.problem(Problem::Truncated(path));
                continue;
            }
            match part {
                Part::Hunk(hunk) => self.edit(path, hunk),
                Part::New(content) => self.whole(&path, &content, false),
                Part::Delete => self.delete(&path),
                Part::Move(to) => self.rename(&path, &to),
                Part::Broken => self.problem(Problem::Truncated(path)),
            }
        }
        last
    }

    fn edit(&mut self, path: RelPath, hunk: Hunk) {
        if judge::elides(&path, &hunk.search, &hunk.replace) {
            self.problem(Problem::Placeholder(path));
            return;
        }
        self.deletions.retain(|deleted| *deleted != path);
        match self.edits.iter_mut().find(|edit| edit.path == path) {
            // The same answer comes twice at times.
            Some(edit) if edit.hunks.contains(&hunk) => {}
            Some(edit) => edit.hunks.push(hunk),
            None => self.edits.push(FileEdit { path, hunks: vec![hunk] }),
        }
    }

    /// The blocks without a name: one such block of a worker with one file is that file.
    fn place(&mut self, unnamed: &[&Block]) {
        if let [path] = self.expected.owns
            && !self.files.contains_key(path)
            && !self.deletions.contains(path)
            && !self.unchanged.contains(path)
            && !self.changed(path)
        {
            let mut fitting = unnamed.iter().filter(|block| block.fits(path));
            if let (Some(block), None) = (fitting.next(), fitting.next()) {
                self.take(path, block, false);
                return;
            }
        }
        let missing = self.expected.owns.iter().any(|path| !self.files.contains_key(path) && !self.changed(path));
        if self.files.is_empty() && self.edits.is_empty() || missing {
            for _ in unnamed {
                self.problem(Problem::NoPath);
            }
        }
    }

    /// Whether something else than a whole file is wanted for a path.
    fn changed(&self, path: &RelPath) -> bool {
        self.edits.iter().any(|edit| edit.path == *path)
            || self.moves.iter().any(|(from, to)| from == path || to == path)
    }

    fn problem(&mut self, problem: Problem) {
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    fn finish(mut self, scanned: &Scanned) -> Answer {
        let files = &self.files;
        // A complete block of the same path makes up for a broken one.
        self.problems.retain(|problem| match problem {
            Problem::Truncated(path) | Problem::Placeholder(path) => !files.contains_key(path),
            Problem::UnsafePath(..) | Problem::NoPath => true,
        });
        let mut remarks = scanned.remarks();
        let nothing = self.files.is_empty()
            && self.edits.is_empty()
            && self.moves.is_empty()
            && self.deletions.is_empty()
            && self.problems.is_empty();
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
        Answer {
            files,
            edits: self.edits,
            moves: self.moves,
            deletions: self.deletions,
            problems: self.problems,
            no_change,
            remarks: shorten(&remarks),
        }
    }
}

fn shorten(text: &str) -> String {
    let text = text.trim();
    match text.char_indices().nth(REMARKS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or(text).trim_end()),
        None => text.to_owned(),
    }
}

/// Whether a bare change is a unified diff, whose end nothing marks.
fn is_diff(body: &str) -> bool {
    body.starts_with("diff --git ") || body.starts_with("--- ")
}

/// The path of a block where the change within names its end only.
fn longer(path: RelPath, around: Option<&RelPath>, owns: &[RelPath]) -> RelPath {
    match around {
        Some(around) if !owns.contains(&path) && around.as_str().ends_with(&format!("/{path}")) => around.clone(),
        _ => path,
    }
}
