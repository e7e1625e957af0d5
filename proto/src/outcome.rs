//! How a round ended, and the exit codes of `et`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a round ended. Decided once, from the round's final state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A check was asked for, is green on the final tree, and every subtask delivered.
    Passed,
    /// No check was asked for and every subtask delivered.
    Completed,
    /// Iterations used up, still red.
    CheckFailed,
    /// No provider is configured, or no model would serve the planner or any worker at all.
    Provider,
    /// The token or cost limit ended it.
    Budget,
    /// The time limit ended it.
    Deadline,
    /// The same errors came back after every way of fixing was tried.
    NoProgress,
    /// The sandbox that the config requires isn't to be had.
    Unsafe,
    /// Some subtask didn't deliver, or a check was asked for and nothing to build was found.
    Partial,
    /// The daemon died three times in a row at this round without a step recorded in between.
    Crashed,
    /// Cancelled or killed before its end.
    Cancelled,
}

impl Outcome {
    /// The exit code of `et run`, `wait` and `attach` for this outcome.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Passed | Self::Completed => 0,
            Self::CheckFailed => 1,
            Self::Provider => 3,
            Self::Budget => 4,
            Self::Deadline => 5,
            Self::NoProgress => 6,
            Self::Unsafe => 7,
            Self::Partial => 8,
            Self::Crashed => 70,
            Self::Cancelled => 130,
        }
    }

    /// Whether the caller got what was asked for.
    #[must_use]
    pub fn is_success(self) -> bool {
        self.exit_code() == 0
    }

    /// The name as it stands in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Completed => "completed",
            Self::CheckFailed => "check_failed",
            Self::Provider => "provider",
            Self::Budget => "budget",
            Self::Deadline => "deadline",
            Self::NoProgress => "no_progress",
            Self::Unsafe => "unsafe",
            Self::Partial => "partial",
            Self::Crashed => "crashed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Exit codes that aren't the outcome of a round.
pub mod exit {
    /// A line of `doctor` fails.
    pub const UNWELL: u8 = 1;
    /// A flag, the config, the task, a path or an id is wrong.
    pub const USAGE: u8 = 2;
    /// No provider is configured.
    pub const PROVIDER: u8 = 3;
    /// The daemon can't be started or reached.
    pub const UNAVAILABLE: u8 = 69;
    /// A defect of ours.
    pub const SOFTWARE: u8 = 70;
    /// The state dir can't be written.
    pub const STATE: u8 = 74;
    /// Too many connections or requests; or `wait --timeout` is over and the round still runs.
    pub const TRY_AGAIN: u8 = 75;
    /// A daemon of another version is at work.
    pub const VERSION: u8 = 76;
    /// Ctrl-C before there was a round.
    pub const INTERRUPTED: u8 = 130;
}
