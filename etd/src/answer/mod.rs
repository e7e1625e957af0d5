//! From a worker's answer to the files that it means. Pure: no I/O; the tree's part (hashes, policy) is `workspace`.
//!
//! Promises: it never panics, never yields a path that leaves the work dir, and never takes a block that isn't closed, that leaves
//! something out, or whose path it would have to guess. Who may write a path is decided elsewhere.
//!
//! [`read`] tells what an answer means; [`resolve()`] makes whole contents of it, given what the files are now.
//!
//! | module | what it does |
//! |---|---|
//! | `scan` | cuts the text into blocks (`block`) with the names that stand at them (`names`) |
//! | `paths` | what is a path, and which |
//! | `judge` | what a body is worth |
//! | `changes` | reads SEARCH/REPLACE, unified diffs and patches |
//! | `reading` | puts what the blocks say together, path by path |
//! | `edit` | applies edits to a text |
//! | `join` | an answer that was cut, and what it went on with |
//! | `resolve` | applies an answer's edits and moves to what is there |

mod block;
mod changes;
mod edit;
mod join;
mod judge;
mod names;
mod paths;
mod reading;
mod resolve;
mod scan;

#[cfg(test)]
mod cases;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod tests;

use crate::relpath::RelPath;
pub use changes::Hunk;
pub use edit::{Applied, FailedHunk, apply};
pub use join::join;
pub(crate) use paths::bare;
pub use resolve::{Current, Failed, Resolved, resolve};

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

/// Edits of one file, in the order in which they are to be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEdit {
    /// Where.
    pub path: RelPath,
    /// What becomes what.
    pub hunks: Vec<Hunk>,
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
    /// Edits of files, one entry per path. Where `files` has the path too, they are for that content.
    pub edits: Vec<FileEdit>,
    /// Files that get another path: from, to. Edits of the new path are for the moved content.
    pub moves: Vec<(RelPath, RelPath)>,
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

/// Reads an answer.
#[must_use]
pub fn read(text: &str, expected: &Expected<'_>) -> Answer {
    reading::read(&scan::scan(text, expected.owns), expected)
}
