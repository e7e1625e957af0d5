//! The events of a session, as stored, streamed and printed with `--json`.
//!
//! One event is one line of JSON, an [`EventLine`]: what all lines have, then `type`, then the fields of that [`Event`] beside it.
//!
//! ```
//! let line = r#"{"schema":"et.event/1","session":"01234567-89ab-4cde-8f01-23456789abcd","round":1,"seq":7,
//!     "at":"2026-01-01T00:00:00.000Z","type":"worker.started","worker":"2","title":"The server","attempt":1}"#;
//! let line: proto::event::EventLine = serde_json::from_str(line)?;
//! assert_eq!(line.seq, Some(7));
//! # Ok::<(), serde_json::Error>(())
//! ```
//!
//! Durable events have a `seq`: 1, 2, 3 … per session, in commit order. They are the same for every reader for ever.
//! [`Event::Heartbeat`] and [`Event::Text`] are live only: their `seq` is null and they are never replayed.
//!
//! | part of a round | types |
//! |---|---|
//! | accepted, begun | `round.queued`, `round.started` |
//! | plan | `plan.subtask` for each subtask, then `plan.ready`; workers may start in between |
//! | work | `worker.started`, then `worker.finished` or `worker.failed`; `review.scored` |
//! | files | `file.written`, `file.deleted`, `file.refused` |
//! | builds | `check.started`, `check.finished`; `fix.assigned`, `fix.finished`; `tree.restored` |
//! | end | `synthesis`, and always `result` as the last line of the round's work |
//! | after the end | `round.undone`, if somebody takes the round back |
//! | at any time | `budget`, `note`; live: `heartbeat`, `text` |
//!
//! What a reader may rely on: a value that isn't known is null, its field is there all the same; fields and types are added,
//! so unknown ones are to be skipped; a changed or removed one makes a new [`SCHEMA`]. The JSON schema of these types is
//! `proto/schema/et.event-1.json`, held by a test. An error before there is a round is no event: it is one line of type `error`
//! with `exit_code`, `message` and `hint`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::diagnostic::Diagnostic;
use crate::id::SessionId;
use crate::report::{CheckSource, CheckStatus, RoundReport, UsageShare};

/// Name and version of the format.
pub const SCHEMA: &str = "et.event/1";

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EventLine {
    /// Name and version of the format: `et.event/1`.
    pub schema: String,
    /// The session.
    pub session: SessionId,
    /// The round within the session, from 1.
    pub round: u32,
    /// Position in the session's log, from 1; null for live lines.
    pub seq: Option<u64>,
    /// When, RFC 3339 in UTC with milliseconds.
    pub at: String,
    /// What.
    #[serde(flatten)]
    pub event: Event,
}

/// Weight of a note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoteLevel {
    /// Worth knowing.
    Info,
    /// Worth acting on.
    Warning,
}

/// What way of fixing is being tried, mildest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FixStep {
    /// The owner of the file that the diagnostic points to.
    Owner,
    /// The other side of the interface.
    OtherSide,
    /// The owner again, with a stronger model.
    StrongerModel,
    /// The integrator, with all files involved.
    Integrator,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type")]
pub enum Event {
    /// A round was accepted.
    #[serde(rename = "round.queued")]
    RoundQueued {
        /// The task or message.
        task: String,
        /// Where files go.
        work_dir: Option<String>,
        /// Why it waits: the session that holds the work dir.
        waits_for: Option<SessionId>,
    },
    /// A round began.
    #[serde(rename = "round.started")]
    RoundStarted {
        /// Where the logs are.
        log_dir: Option<String>,
        /// Models that plan, as `provider/model`.
        planner: Vec<String>,
        /// Models that work.
        workers: Vec<String>,
        /// Workers at once.
        parallel: u32,
        /// Whether the answers are recordings (`et demo`).
        recorded: bool,
    },
    /// A subtask was read off the plan and recorded.
    #[serde(rename = "plan.subtask")]
    PlanSubtask {
        /// Its id.
        id: String,
        /// Its title.
        title: String,
        /// Files that it owns.
        owns: Vec<String>,
        /// Files that it reads.
        reads: Vec<String>,
        /// Subtasks that it waits for.
        after: Vec<String>,
        /// Who does it, if not a plain worker.
        specialist: Option<String>,
    },
    /// The plan is complete.
    #[serde(rename = "plan.ready")]
    PlanReady {
        /// Number of subtasks.
        subtasks: u32,
        /// How it came: `json`, `prose` or `single` (no plan could be read: one subtask does it all).
        form: String,
        /// What was repaired or dropped.
        notes: Vec<String>,
        /// What the round has spent so far.
        #[serde(default)]
        spent: UsageShare,
    },
    /// A worker was asked.
    #[serde(rename = "worker.started")]
    WorkerStarted {
        /// Subtask id, `tester` or `integrator`.
        worker: String,
        /// What it does.
        title: String,
        /// From 1.
        attempt: u32,
    },
    /// A worker's answer is complete and recorded.
    #[serde(rename = "worker.finished")]
    WorkerFinished {
        /// Subtask id, `tester` or `integrator`.
        worker: String,
        /// From 1.
        attempt: u32,
        /// `provider/model` that answered.
        model: String,
        /// Prompt tokens.
        tokens_in: u64,
        /// Answer tokens.
        tokens_out: u64,
        /// From request to last token.
        duration_ms: u64,
        /// Files in the answer.
        files: Vec<String>,
        /// What the round has spent so far.
        #[serde(default)]
        spent: UsageShare,
    },
    /// A worker gave no usable answer.
    #[serde(rename = "worker.failed")]
    WorkerFailed {
        /// Subtask id, `tester` or `integrator`.
        worker: String,
        /// From 1.
        attempt: u32,
        /// Why.
        reason: String,
        /// Whether it is asked again.
        again: bool,
    },
    /// The reviewer scored an answer.
    #[serde(rename = "review.scored")]
    ReviewScored {
        /// Subtask id.
        worker: String,
        /// The attempt that was scored, from 1.
        attempt: u32,
        /// 1 to 10.
        score: u32,
        /// In the reviewer's words.
        reason: String,
        /// Whether it reached the threshold.
        accepted: bool,
    },
    /// A file was written.
    #[serde(rename = "file.written")]
    FileWritten {
        /// Relative to the work dir.
        path: String,
        /// Subtask id, `tester` or `integrator`.
        worker: String,
        /// SHA-256 in hexadecimal.
        sha256: String,
        /// Size in bytes.
        bytes: u64,
        /// Whether it is new.
        created: bool,
        /// Why a person should look at it (`.github/`, `AGENTS.md`, `CLAUDE.md`).
        attention: Option<String>,
    },
    /// A file was deleted.
    #[serde(rename = "file.deleted")]
    FileDeleted {
        /// Relative to the work dir.
        path: String,
        /// Subtask id, `tester` or `integrator`.
        worker: String,
    },
    /// A path was refused.
    #[serde(rename = "file.refused")]
    FileRefused {
        /// As the model wrote it.
        path: String,
        /// Subtask id, `tester` or `integrator`.
        worker: String,
        /// Why.
        reason: String,
    },
    /// A build began.
    #[serde(rename = "check.started")]
    CheckStarted {
        /// From 1.
        iteration: u32,
        /// The command.
        command: String,
        /// Where it came from.
        source: CheckSource,
    },
    /// A build ended.
    #[serde(rename = "check.finished")]
    CheckFinished {
        /// From 1.
        iteration: u32,
        /// Its colour.
        status: CheckStatus,
        /// Exit code of the command that failed, or 0; null if it was ended by a signal or couldn't be started.
        exit_code: Option<i32>,
        /// How long it took.
        duration_ms: u64,
        /// Errors.
        errors: u32,
        /// Warnings.
        warnings: u32,
        /// Tests that passed, if known.
        tests_passed: Option<u32>,
        /// Tests that failed, if known.
        tests_failed: Option<u32>,
        /// What it found, worst first.
        diagnostics: Vec<Diagnostic>,
        /// What the round has spent so far.
        #[serde(default)]
        spent: UsageShare,
    },
    /// Diagnostics went to a worker.
    #[serde(rename = "fix.assigned")]
    FixAssigned {
        /// The build that found them, from 1.
        iteration: u32,
        /// Subtask id or `integrator`.
        owner: String,
        /// Files that it is shown and may write.
        files: Vec<String>,
        /// How many diagnostics.
        diagnostics: u32,
        /// The first of them, as `file:line: message`.
        first: String,
        /// Which way of fixing.
        step: FixStep,
        /// Why this owner.
        why: String,
        /// Those of `files` that are shown whole.
        #[serde(default)]
        whole: Vec<String>,
        /// Those of `files` that are shown in part: what matters, and of the rest an outline.
        #[serde(default)]
        part: Vec<String>,
        /// Files of the other side that are shown.
        #[serde(default)]
        other_side: Vec<String>,
    },
    /// A fix was answered and written.
    #[serde(rename = "fix.finished")]
    FixFinished {
        /// The build that it answers, from 1.
        iteration: u32,
        /// Subtask id or `integrator`.
        owner: String,
        /// `provider/model` that answered.
        model: Option<String>,
        /// Files that changed.
        files: Vec<String>,
        /// Why nothing changed, if so.
        failed: Option<String>,
        /// What of the answer couldn't be used, though something changed.
        #[serde(default)]
        not_applied: Option<String>,
        /// Lines that the change adds.
        #[serde(default)]
        lines_added: u64,
        /// Lines that the change removes.
        #[serde(default)]
        lines_removed: u64,
        /// Prompt tokens of its calls.
        #[serde(default)]
        tokens_in: u64,
        /// Answer tokens of its calls.
        #[serde(default)]
        tokens_out: u64,
        /// What the round has spent so far.
        #[serde(default)]
        spent: UsageShare,
    },
    /// The best tree was put back.
    #[serde(rename = "tree.restored")]
    TreeRestored {
        /// The build whose tree it is, from 1.
        iteration: u32,
        /// Files that changed back.
        files: Vec<String>,
    },
    /// The mayor's words.
    #[serde(rename = "synthesis")]
    Synthesis {
        /// Markdown.
        text: String,
    },
    /// A limit was met.
    #[serde(rename = "budget")]
    Budget {
        /// Which: `tokens` or `cost`.
        limit: String,
        /// What was spent, in words.
        spent: String,
    },
    /// Something worth saying.
    #[serde(rename = "note")]
    Note {
        /// Weight.
        level: NoteLevel,
        /// One sentence.
        text: String,
    },
    /// The round ended.
    #[serde(rename = "result")]
    Result(Box<RoundReport>),
    /// After the end of a round: its files are as they were before it.
    #[serde(rename = "round.undone")]
    RoundUndone {
        /// They, relative to the work dir.
        files: Vec<String>,
    },
    /// Live only: nothing else happened for a while.
    #[serde(rename = "heartbeat")]
    Heartbeat {
        /// State of the session.
        state: String,
    },
    /// Live only, with `--stream`: a piece of model text.
    #[serde(rename = "text")]
    Text {
        /// Subtask id, `tester`, `integrator`, `planner`, `reviewer`.
        worker: String,
        /// `provider/model` that writes it.
        model: String,
        /// Whether this is the whole answer so far (after attaching, or when it starts anew) or what follows.
        restart: bool,
        /// The piece.
        text: String,
    },
}
