//! The log dir of a round: what a person or a script reads afterwards. Format: the documented one of the Go tool of the same name.
//!
//! Nothing here is needed to go on: a log that can't be written is reported once and otherwise ignored. The dir may lie in the work dir,
//! where others plant things: it is opened once, and nothing is written through a link.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt as _};
use nix::fcntl::OFlag;
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
    dir: Option<(PathBuf, Dir)>,
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
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir);
        let (dir, why) = match made.and_then(|()| open(&dir)) {
            Ok(opened) => (Some((dir, opened)), None),
            Err(error) => (None, Some(format!("no logs: {} can't be made: {error}", dir.display()))),
        };
        (Self { dir, answers: Mutex::default(), lost: Mutex::default() }, why)
    }

    /// Where it is.
    pub(super) fn dir(&self) -> Option<String> {
        self.dir.as_ref().map(|(path, _)| path.display().to_string())
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
        decision.timestamp = format!("{:.3}", jiff::Timestamp::now());
        let Ok(mut line) = serde_json::to_string(&decision) else { return };
        line.push('\n');
        self.put("_decisions.jsonl", &line, OpenOptions::new().append(true));
    }

    fn write(&self, name: &str, text: &str) {
        self.put(name, text, OpenOptions::new().write(true).truncate(true));
    }

    fn put(&self, name: &str, text: &str, options: &mut OpenOptions) {
        let Some((_, dir)) = &self.dir else { return };
        // A fifo would be waited for.
        let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
        let opened = dir.open_with(name, options.create(true).mode(0o600).custom_flags(flags.bits()));
        if let Err(error) = opened.and_then(|mut file| file.write_all(text.as_bytes())) {
            self.lose(name, &error);
        }
    }
}

/// The dir itself, whatever is put at its name later.
fn open(path: &Path) -> std::io::Result<Dir> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
    let opened = std::fs::OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)?;
    Ok(Dir::from_std_file(opened))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may")]

    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn nothing_is_written_through_what_is_planted() {
        let room = tempfile::tempdir().unwrap();
        let (home, dir) = (room.path().join("home"), room.path().join("work/build/logs/round"));
        std::fs::create_dir(&home).unwrap();
        std::fs::write(home.join("rc"), "mine").unwrap();
        let (logs, why) = Logs::create(dir.clone());
        assert_eq!(why, None);
        symlink(home.join("rc"), dir.join("_build_iter1.log")).unwrap();
        symlink("gone", dir.join("_build_iter2.log")).unwrap();
        logs.build(1, "evil");
        logs.build(2, "evil");
        assert!(logs.lost().is_some() && !dir.join("gone").exists());
        // Another dir in its place.
        std::fs::rename(room.path().join("work/build"), room.path().join("work/moved")).unwrap();
        symlink(&home, room.path().join("work/build")).unwrap();
        std::fs::create_dir_all(&dir).unwrap();
        symlink(home.join("rc"), dir.join("worker-1.out")).unwrap();
        logs.answer(1, "an answer");
        assert_eq!(std::fs::read_to_string(home.join("rc")).unwrap(), "mine");
        let written = room.path().join("work/moved/logs/round/worker-1.out");
        assert_eq!(std::fs::read_to_string(written).unwrap(), "an answer");
    }

    #[test]
    fn a_link_is_no_log_dir() {
        let room = tempfile::tempdir().unwrap();
        std::fs::create_dir(room.path().join("elsewhere")).unwrap();
        symlink(room.path().join("elsewhere"), room.path().join("round")).unwrap();
        let (logs, why) = Logs::create(room.path().join("round"));
        assert!(logs.dir().is_none() && why.is_some());
    }
}
