//! From what a planner says to subtasks that own files. Pure: no I/O, no clock.
//!
//! The planner is asked for JSON and may answer in prose; either way its answer is read while it streams, and each subtask comes out
//! as soon as it is complete, normalised and free of conflicts with those before it.
//!
//! Promises: the same answer gives the same plan however it was cut into chunks; no path leaves the work dir; no file has two owners;
//! nothing is dropped without a note (except what a model repeats of what is known). It must never drop or change what came out before.

mod json;
mod normal;
mod prose;
mod reader;
mod repair;
mod schema;

#[cfg(test)]
mod tests;

pub use reader::{Finished, Item, PlanReader};
pub use repair::{over_limit, ready, single, validate};
pub use schema::schema;

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
}
