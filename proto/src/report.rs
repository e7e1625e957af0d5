//! The `result` of a round: what `--json` prints last, `_result.json` holds and the store keeps.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::diagnostic::Diagnostic;
use crate::outcome::Outcome;

/// State of a subtask at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SubtaskState {
    /// Every file that the plan gave it exists and its answer was usable.
    Delivered,
    /// It didn't deliver.
    Failed,
    /// It never ran.
    Pending,
}

/// One subtask at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SubtaskReport {
    /// Its id in the plan.
    pub id: String,
    /// Its title.
    pub title: String,
    /// How it ended.
    pub state: SubtaskState,
    /// The files that it owns.
    pub files: Vec<String>,
}

/// What was done to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileAction {
    /// Created or changed.
    Written,
    /// Removed.
    Deleted,
    /// Renamed to this path.
    Moved,
}

/// One file that the round changed, as it is in the tree left behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileReport {
    /// Path relative to the work dir.
    pub path: String,
    /// What was done.
    pub action: FileAction,
    /// Subtask id of the last writer, or `integrator`, `tester`.
    pub worker: String,
    /// SHA-256 of the content in hexadecimal; none for a deleted file.
    pub sha256: Option<String>,
}

/// Where the check came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckSource {
    /// `--check`.
    Flag,
    /// The trusted config.
    Config,
    /// Found in the tree.
    Detected,
    /// No check was asked for, or nothing to build was found.
    None,
}

/// Colour of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckStatus {
    /// Passed.
    Green,
    /// Failed.
    Red,
    /// Wasn't run.
    None,
}

/// How strongly a check was confined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SandboxLevel {
    /// bwrap with seccomp.
    Full,
    /// landlock with seccomp.
    Partial,
    /// Not at all.
    None,
}

/// The check on the final tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckReport {
    /// The command, as a person would type it.
    pub command: Option<String>,
    /// Where it came from.
    pub source: CheckSource,
    /// How strongly it was confined.
    pub sandbox: SandboxLevel,
    /// Its colour.
    pub status: CheckStatus,
    /// What it found, worst first.
    pub diagnostics: Vec<Diagnostic>,
}

/// A path that a model wanted and didn't get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Refusal {
    /// The path as the model wrote it.
    pub path: String,
    /// Why not.
    pub reason: String,
    /// Who asked.
    pub worker: String,
}

/// Calls, tokens and cost of a part of a round.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UsageShare {
    /// Model calls, failed ones included.
    pub calls: u64,
    /// Prompt tokens, cached ones included.
    pub tokens_in: u64,
    /// Prompt tokens that the provider read from its cache.
    pub tokens_cached: u64,
    /// Answer tokens, thinking included.
    pub tokens_out: u64,
    /// US dollars; none if the price of a model isn't known.
    pub cost_usd: Option<f64>,
}

/// Calls, tokens and cost of a round.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    /// Model calls, failed ones included.
    pub calls: u64,
    /// Calls sent a second time because the daemon died while they were in flight.
    pub repeated_calls: u64,
    /// Prompt tokens, cached ones included.
    pub tokens_in: u64,
    /// Prompt tokens that the provider read from its cache.
    pub tokens_cached: u64,
    /// Answer tokens, thinking included.
    pub tokens_out: u64,
    /// US dollars; none if the price of a model isn't known.
    pub cost_usd: Option<f64>,
    /// Whether a provider reported no usage, so that some of it is an estimate.
    pub estimated: bool,
    /// By role.
    pub by_role: BTreeMap<String, UsageShare>,
    /// By `provider/model`.
    pub by_model: BTreeMap<String, UsageShare>,
}

/// The result of a round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RoundReport {
    /// How it ended.
    pub outcome: Outcome,
    /// The exit code that goes with it.
    pub exit_code: u8,
    /// Builds that were run.
    pub iterations: u32,
    /// The build whose tree was left behind, from 1.
    pub best_iteration: Option<u32>,
    /// Where the logs are.
    pub log_dir: Option<String>,
    /// What the caller might do next, one sentence.
    pub next: String,
    /// Wall time in milliseconds, without the time in which the daemon was down.
    pub duration_ms: u64,
    /// The subtasks of the plan.
    pub subtasks: Vec<SubtaskReport>,
    /// The files that were changed.
    pub files: Vec<FileReport>,
    /// The check on the final tree.
    pub check: CheckReport,
    /// What was refused.
    pub refused: Vec<Refusal>,
    /// What it took.
    pub usage: Usage,
}
