//! The log dir of a round: what a person or a script reads afterwards. Format: the documented one of the Go tool of the same name.
//!
//! Nothing here is needed to go on: a log that can't be written is reported once and otherwise ignored.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use proto::id::RoundId;
use serde::Serialize;

use crate::calls::CallResult;

/// One line of `_decisions.jsonl`.
#[derive(Serialize)]
pub(super) struct Decision<'a> {
    /// When, RFC 3339.
    pub timestamp: String,
    /// `plan`, `coordinate`, `work`, `look`, `review`, `write`, `test`, `check`, `fix`, `synthesis`.
    pub phase: &'a str,
    /// Who: subtask id, `planner`, `integrator`, `et` …
    pub agent: &'a str,
    /// What was wanted.
    pub intent: &'a str,
    /// What was done.
    pub action: String,
    /// How it went.
    pub outcome: &'a str,
    /// More, in words.
    pub detail: String,
    /// Tokens that it took, prompt and answer.
    pub token_cost: u64,
}

impl<'a> Decision<'a> {
    /// A call that was made, with what came of it.
    pub(super) fn asked(phase: &'a str, agent: &'a str, intent: &'a str, result: &CallResult) -> Self {
        let (action, outcome, detail, token_cost) = match result {
            Ok(record) => (
                format!("asked {}", record.model),
                "answered",
                format!("{} ms", record.duration_ms),
                record.usage.input + record.usage.output,
            ),
            Err(failure) => ("asked".to_owned(), "no answer", failure.to_string(), 0),
        };
        Self { timestamp: String::new(), phase, agent, intent, action, outcome, detail, token_cost }
    }
}

/// The log dir.
pub(super) struct Logs {
    dir: Option<PathBuf>,
    answers: Mutex<BTreeMap<usize, Vec<String>>>,
    lost: Mutex<Option<String>>,
}

/// Path of the log dir of a round that begins now.
pub(super) fn path(base: &str, id: RoundId) -> PathBuf {
    let date = jiff::Zoned::now().date();
    Path::new(base).join(format!("{date}_{}", id.short()))
}

impl Logs {
    /// Makes the dir, private to the user. Without one, nothing is logged, and the reason is returned.
    pub(super) fn create(dir: PathBuf) -> (Self, Option<String>) {
        match std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir) {
            Ok(()) => (Self { dir: Some(dir), answers: Mutex::default(), lost: Mutex::default() }, None),
            Err(error) => {
                let why = format!("no logs: {} can't be made: {error}", dir.display());
                (Self { dir: None, answers: Mutex::default(), lost: Mutex::default() }, Some(why))
            }
        }
    }

    /// Where it is.
    pub(super) fn dir(&self) -> Option<String> {
        self.dir.as_ref().map(|dir| dir.display().to_string())
    }

    /// What couldn't be written first, and why; none if everything could.
    pub(super) fn lost(&self) -> Option<String> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn lose(&self, name: &str, error: &std::io::Error) {
        tracing::warn!(%error, name, "a log isn't written");
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| format!("{name}: {error}"));
    }

    /// The newest raw answer of worker `number` (from 1); earlier ones are kept as attempts.
    pub(super) fn answer(&self, number: usize, text: &str) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let known = answers.entry(number).or_default();
        if let Some(last) = known.last() {
            self.write(&format!("worker-{number}.attempt{}.out", known.len()), last);
        }
        self.write(&format!("worker-{number}.out"), text);
        known.push(text.to_owned());
    }

    /// The log of build `iteration`.
    pub(super) fn build(&self, iteration: u32, text: &str) {
        self.write(&format!("_build_iter{iteration}.log"), text);
    }

    /// A file of its own.
    pub(super) fn file(&self, name: &str, text: &str) {
        self.write(name, text);
    }

    /// A line of `_decisions.jsonl`.
    pub(super) fn decide(&self, mut decision: Decision<'_>) {
        let Some(dir) = &self.dir else { return };
        decision.timestamp = format!("{:.3}", jiff::Timestamp::now());
        let Ok(mut line) = serde_json::to_string(&decision) else { return };
        line.push('\n');
        let opened =
            std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(dir.join("_decisions.jsonl"));
        if let Err(error) = opened.and_then(|mut file| file.write_all(line.as_bytes())) {
            self.lose("_decisions.jsonl", &error);
        }
    }

    fn write(&self, name: &str, text: &str) {
        let Some(dir) = &self.dir else { return };
        let opened =
            std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(dir.join(name));
        if let Err(error) = opened.and_then(|mut file| file.write_all(text.as_bytes())) {
            self.lose(name, &error);
        }
    }
}
