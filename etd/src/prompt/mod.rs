//! What the models are asked. Pure: from what is known of a round to a [`Prompt`](crate::provider::Prompt), cut to the window of the model in hand.
//!
//! The stable part stands first and the task last. Workers, fixes and tests of a round share one `system`, byte for byte, so that
//! provider caches hit. What stands in the tree is fenced and called data. What doesn't fit is cut in a stated order, least important
//! first, and the prompt says what was cut; nothing is cut silently.
//!
//! | module | what it holds |
//! |---|---|
//! | `fit` | the cutting |
//! | `show` | how files, lists and diagnostics look in a prompt |
//! | `sketch` | a file in part: what matters whole, of the rest its declarations |
//! | `choice` | what of an existing tree is shown |
//! | the others | one role each |

pub(crate) mod choice;
mod coordinate;
mod fit;
mod fix;
mod go_on;
mod integrator;
mod planner;
mod review;
mod show;
mod sketch;
mod synthesis;
mod tester;
#[cfg(test)]
mod tests;
mod worker;

use crate::relpath::RelPath;

pub use coordinate::{CoordinateBrief, coordinate};
pub use fix::{FixBrief, FixShown, fix, fix_shown};
pub use go_on::go_on;
pub use integrator::{IntegratorBrief, integrator};
pub use planner::{PlannerBrief, RepairBrief, planner, repair};
pub use review::{ReviewBrief, parse_review, review};
pub use synthesis::{SynthesisBrief, synthesis};
pub use tester::{TesterBrief, tester};
pub use worker::{Retry, WorkerBrief, worker};

/// The room that a model has. Below 2,000 tokens of context less the answer, a prompt may exceed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its context window in tokens; none: not known, and nothing is cut below a generous default.
    pub context: Option<u32>,
    /// Tokens kept free for the answer.
    pub output: u32,
    /// Whether it is asked for edits of large files; otherwise for whole files only.
    pub edits: bool,
}

/// A file as a prompt shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileView {
    /// Where.
    pub path: RelPath,
    /// Its text, or its beginning.
    pub text: String,
}
