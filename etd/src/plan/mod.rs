//! From what a planner says to subtasks that own files. Pure: no I/O, no clock.
//!
//! The planner is asked for JSON and may answer in prose; either way its answer is read while it streams, and each subtask comes out
//! as soon as it is complete, normalised and free of conflicts with those before it.
//!
//! A complete plan is validated: [`findings`] tells what is wrong with it. The planner is asked once about those that leave work without
//! anybody to do it ([`Finding::is_worth_a_question`]): a file of the layout or an entry point that nobody owns, a subtask all of whose
//! files are another's. The rest is mended without a question, as nothing is lost by it: an overlap (the earlier subtask keeps the
//! file), waiting for what isn't there or in a circle (the contract is there so that all can start at once), a signature that two
//! sides write differently (the provider's counts) or that nobody provides (its user defines it, or whoever's files fit), a manifest
//! (whoever has the entry point writes it). [`amend()`] takes the planner's answer in, [`repair()`] mends what is left, and [`merge`] gives
//! a chain of subtasks that wait for one another to one worker. What has started stays as it is in all of them.
//!
//! Promises: the same answer gives the same plan however it was cut into chunks; no path leaves the work dir; no file has two owners;
//! nothing is dropped without a note (except what a model repeats of what is known). It must never drop or change what came out before.

mod amend;
mod chain;
mod find;
mod json;
mod language;
mod normal;
mod prose;
mod reader;
mod repair;
mod schema;
mod signature;

#[cfg(test)]
mod tests;

pub use amend::amend;
pub use chain::merge;
pub use find::{Finding, findings};
pub use reader::{Finished, Item, PlanReader};
pub use repair::{over_limit, ready, repair, single};
pub use schema::schema;
pub(crate) use signature::{defines, symbol};

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::relpath::RelPath;

/// What all workers share.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contract {
    /// Programming language, in the planner's words.
    pub language: String,
    /// Files of the finished tree.
    pub layout: Vec<String>,
    /// Source of the shared types and signatures.
    pub shared: String,
    /// Rules that everybody keeps.
    pub conventions: Vec<String>,
}

/// One piece of work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subtask {
    /// Unique in the plan; letters, digits, `-`, `_` and `.` only, so that it can be part of a step key.
    pub id: String,
    /// A line for people.
    pub title: String,
    /// What to do.
    pub instructions: String,
    /// Files that it alone may write. Empty: it may claim any file that nobody owns.
    pub owns: Vec<RelPath>,
    /// Files that it is shown.
    pub reads: Vec<RelPath>,
    /// Ids of subtasks that must have ended before.
    pub after: Vec<String>,
    /// Signatures that it defines.
    pub provides: Vec<String>,
    /// Signatures that it uses.
    pub requires: Vec<String>,
    /// Name of the specialist that should do it.
    pub specialist: Option<String>,
}

/// The planner's own idea of a check: a hint to detection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckHint {
    /// Arguments of the build.
    pub build: Vec<String>,
    /// Arguments of the tests.
    pub test: Vec<String>,
}

/// How the plan came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanForm {
    /// As JSON.
    Json,
    /// As a list in prose.
    Prose,
    /// Nothing could be read: one subtask does it all.
    Single,
}

/// A complete plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What all workers share.
    pub contract: Contract,
    /// In the planner's order.
    pub subtasks: Vec<Subtask>,
    /// The planner's own idea of a check.
    pub check: CheckHint,
    /// How it came.
    pub form: PlanForm,
    /// What was repaired or dropped, a sentence each.
    pub notes: Vec<String>,
}

/// What was recorded before, when a planner is asked again after a crash.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Subtasks that have come out before; they stay as they are, and conflicts resolve in their favour.
    pub subtasks: Vec<Subtask>,
    /// Whether the contract has come out before.
    pub contract: bool,
}

/// A file that two subtasks named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlap {
    /// Which.
    pub path: RelPath,
    /// Who has it.
    pub keeps: String,
    /// Who named it, too.
    pub loses: String,
}

/// Subtasks that one worker does in one call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merged {
    /// The id of the subtask that stands for all in the plan: that of the first.
    pub into: String,
    /// The subtasks as they were planned, in the order in which they are to be done.
    pub parts: Vec<Subtask>,
}

/// The tree as it is before the plan is carried out.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    /// Files by their folded paths, with their sizes in bytes.
    pub files: BTreeMap<String, u64>,
    /// Words in them; none: the tree is too large to know them all.
    pub words: Option<BTreeSet<String>>,
}

impl Tree {
    /// Whether a file is there.
    #[must_use]
    pub fn has(&self, path: &RelPath) -> bool {
        self.files.contains_key(&path.folded())
    }

    fn has_language(&self, extensions: &[&str]) -> bool {
        let extension = |path: &String| path.rsplit_once('.').map_or("", |(_, end)| end).to_owned();
        self.files.keys().any(|path| extensions.contains(&extension(path).as_str()))
    }

    fn knows(&self, word: &str) -> bool {
        self.words.as_ref().is_none_or(|words| words.contains(word))
    }
}
