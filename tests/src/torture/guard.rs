//! Stands beside a play: kills, sees each death of the daemon, and looks at what it left before the next one starts.
//!
//! It holds `spawn.lock` while a daemon runs, as a client does that starts one. So nobody starts the next before the database of the dead
//! one was read; then it lets go, and whichever client waits starts it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use proto::endpoint::{DaemonState, LOCK_FILE, LockRecord, SPAWN_LOCK_FILE};
use proto::event::EventLine;

use super::kills::{Strike, Victim};
use super::process::{self, Process};
use super::snapshot::{self, Snapshot};
use super::{Fault, Finding};
use crate::env::{Tap, alive, poll};
use crate::model::Model;

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(1);

/// Time for the server to see that a daemon is gone.
const SETTLING: Duration = Duration::from_millis(100);

/// What was there when a daemon had died.
pub(super) struct Death {
    pub(super) left: Snapshot,
    /// Calls that the server had been sent.
    pub(super) asked: usize,
}

/// What was seen so far.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) deaths: Vec<Death>,
    pub(super) findings: Vec<Finding>,
    /// Daemons that died before anybody could look.
    pub(super) unseen: usize,
    pub(super) daemons: usize,
    pub(super) clients: usize,
    pub(super) builds: usize,
    taps: Vec<Tap>,
    acknowledged: Vec<(String, u32)>,
    strikes: Vec<Strike>,
}

impl Seen {
    /// The clients that were watched.
    pub(super) fn taps(&self) -> &[Tap] {
        &self.taps
    }
}

struct Shared {
    state_dir: PathBuf,
    scratch: PathBuf,
    model: Arc<Model>,
    ended: AtomicBool,
    seen: Mutex<Seen>,
}

/// The one who stands there. Dropping it ends it.
pub(super) struct Guard {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Guard {
    pub(super) fn start(root: &Path, state_dir: PathBuf, model: Arc<Model>, strikes: Vec<Strike>) -> Self {
        let shared = Arc::new(Shared {
            state_dir,
            scratch: root.join("scratch"),
            model,
            ended: AtomicBool::new(false),
            seen: Mutex::new(Seen { strikes, ..Seen::default() }),
        });
        let theirs = Arc::clone(&shared);
        let thread = std::thread::spawn(move || Watch { shared: theirs, gate: None, up: None, due: None }.run());
        Self { shared, thread: Some(thread) }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Seen> {
        self.shared.lock()
    }

    /// A client whose events count, and which may be killed.
    pub(super) fn watch(&self, tap: Tap) {
        self.lock().taps.push(tap);
    }

    /// A client was told that this round is stored.
    pub(super) fn acknowledged(&self, session: &str, round: u32) {
        self.lock().acknowledged.push((session.to_owned(), round));
    }

    /// No more strikes.
    pub(super) fn disarm(&self) {
        self.lock().strikes.clear();
    }

    /// Calls and events that were seen so far.
    pub(super) fn shown(&self) -> usize {
        self.shared.shown()
    }

    /// Ends it; what it saw is left to the caller.
    pub(super) fn end(mut self) -> Seen {
        self.stop();
        std::mem::take(&mut *self.shared.lock())
    }

    fn stop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shown(&self) -> usize {
        let events: usize = self.lock().taps.iter().map(Tap::count).sum();
        self.model.count("*") + events
    }
}

/// A daemon that was seen alive.
struct Up {
    record: LockRecord,
    /// Whether what it left was looked at.
    looked: bool,
}

struct Watch {
    shared: Arc<Shared>,
    gate: Option<File>,
    up: Option<Up>,
    /// When the next strike is due.
    due: Option<Instant>,
}

impl Watch {
    fn run(mut self) {
        while !self.shared.ended.load(Ordering::Relaxed) {
            self.look();
            std::thread::sleep(LOOK);
        }
        // The last one, which was stopped.
        self.look();
    }

    fn look(&mut self) {
        let text = std::fs::read_to_string(self.shared.state_dir.join(LOCK_FILE)).unwrap_or_default();
        let Some(record) = text.lines().next().and_then(|line| serde_json::from_str::<LockRecord>(line).ok()) else {
            return;
        };
        if alive(record.pid, record.start_time) {
            if self.up.as_ref().is_none_or(|up| up.record.pid != record.pid) {
                if self.up.as_ref().is_some_and(|up| !up.looked) {
                    self.shared.lock().unseen += 1;
                }
                self.up = Some(Up { record: record.clone(), looked: false });
            }
            if self.gate.is_none() && record.state == DaemonState::Ready {
                self.gate = self.take_gate();
            }
            self.strike(&record);
            return;
        }
        let Some(up) = self.up.as_mut().filter(|up| up.record.pid == record.pid && !up.looked) else { return };
        up.looked = true;
        if self.gate.is_none() {
            self.gate = self.take_gate();
        }
        if self.gate.is_none() {
            // A client is starting the next one, and may have done so by now.
            self.shared.lock().unseen += 1;
            return;
        }
        self.after_death();
        self.gate = None;
    }

    fn take_gate(&self) -> Option<File> {
        let path = self.shared.state_dir.join(SPAWN_LOCK_FILE);
        let file = File::options().create(true).truncate(false).read(true).write(true).open(path).ok()?;
        file.try_lock().ok().map(|()| file)
    }

    fn strike(&mut self, record: &LockRecord) {
        let Some(next) = self.shared.lock().strikes.first().copied() else { return };
        if self.due.is_none() && self.shared.shown() >= next.after {
            self.due = Some(Instant::now() + next.delay);
        }
        if self.due.is_none_or(|due| Instant::now() < due) {
            return;
        }
        let mut hit = true;
        let struck = match next.victim {
            Victim::Daemon => {
                // Held meanwhile: once disarmed, nobody is struck any more.
                let seen = self.shared.lock();
                !seen.strikes.is_empty() && Process::of(record.pid).is_some_and(|daemon| daemon.kill())
            }
            Victim::Client => {
                let taps: Vec<u32> = self.shared.lock().taps.iter().rev().map(|tap| tap.pid).collect();
                let client = taps.into_iter().filter_map(Process::of).find(|one| one.command.contains("/et "));
                // Where none is watching any more there is nothing to be killed.
                hit = client.is_some_and(|client| client.kill());
                true
            }
            Victim::Build(number) => {
                let below = process::descendants(record.pid);
                let runs = below.iter().any(|process| process.command.starts_with("sleep"));
                runs && below.get(number % below.len().max(1)).is_some_and(Process::kill)
            }
        };
        if !struck {
            return;
        }
        self.due = None;
        let mut seen = self.shared.lock();
        if !seen.strikes.is_empty() {
            seen.strikes.remove(0);
        }
        match next.victim {
            _ if !hit => {}
            Victim::Daemon => seen.daemons += 1,
            Victim::Client => seen.clients += 1,
            Victim::Build(_) => seen.builds += 1,
        }
    }

    /// Everything that was said is there, and everything that was there still is.
    fn after_death(&self) {
        // What it had sent the server may still be on its way to be read there.
        poll(SETTLING, || self.shared.model.at_rest());
        let asked = self.shared.model.count("*");
        let left = match snapshot::read(&self.shared.state_dir, &self.shared.scratch) {
            Ok(Some(left)) => left,
            Ok(None) => Snapshot::default(),
            Err(why) => {
                self.shared
                    .lock()
                    .findings
                    .push(Finding::new(Fault::Log, format!("the database can't be read: {why}")));
                return;
            }
        };
        let mut seen = self.shared.lock();
        let mut found = whole(&left);
        for tap in &seen.taps {
            found.extend(printed(&tap.lines(), &left));
        }
        for (session, round) in &seen.acknowledged {
            if !left.rounds.contains_key(&(session.clone(), *round)) {
                let text = format!("round {round} of {session} was acknowledged and isn't there");
                found.push(Finding::new(Fault::Lost, text));
            }
        }
        if let Some(before) = seen.deaths.last() {
            found.extend(kept(&before.left, &left));
        }
        seen.findings.extend(found);
        seen.deaths.push(Death { left, asked });
    }
}

/// Whether the positions of each log are 1, 2, 3 …
pub(super) fn whole(left: &Snapshot) -> Vec<Finding> {
    let mut found = Vec::new();
    for (session, events) in &left.events {
        if !events.iter().map(|(seq, _)| *seq).eq(1..=events.len() as u64) {
            let seqs: Vec<u64> = events.iter().map(|(seq, _)| *seq).collect();
            found.push(Finding::new(Fault::Log, format!("gaps or repetitions in the log of {session}: {seqs:?}")));
        }
    }
    found
}

/// Whether what a client printed stands in the logs, once, in order.
pub(super) fn printed(lines: &[String], left: &Snapshot) -> Vec<Finding> {
    let mut last = 0;
    for line in lines {
        let Ok(event) = serde_json::from_str::<EventLine>(line) else { continue };
        let Some(seq) = event.seq else { continue };
        let stored = left.events.get(&event.session.to_string()).and_then(|events| events.get(seq as usize - 1));
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap_or_default();
        match stored {
            None => return vec![Finding::new(Fault::Lost, format!("it was shown and isn't there: {line}"))],
            Some((_, json)) if value(json) != value(line) => {
                return vec![Finding::new(Fault::Log, format!("it was shown as\n{line}\nand now is\n{json}"))];
            }
            Some(_) if last != 0 && seq != last + 1 => {
                return vec![Finding::new(Fault::Log, format!("{seq} was shown behind {last}: {line}"))];
            }
            Some(_) => last = seq,
        }
    }
    Vec::new()
}

/// Whether what was there before still is.
pub(super) fn kept(before: &Snapshot, left: &Snapshot) -> Vec<Finding> {
    let mut found = Vec::new();
    for (session, events) in &before.events {
        let now = left.events.get(session).map_or(&[][..], Vec::as_slice);
        if !now.starts_with(events) {
            found.push(Finding::new(Fault::Log, format!("the log of {session} isn't what it was before")));
        }
    }
    for (round, before) in &before.rounds {
        match left.rounds.get(round) {
            None => found.push(Finding::new(Fault::Lost, format!("round {round:?} was there and isn't any more"))),
            Some(now) if now.steps < before.steps || (before.report.is_some() && now.report != before.report) => {
                found.push(Finding::new(Fault::Log, format!("round {round:?} was {before:?} and is {now:?}")));
            }
            Some(_) => {}
        }
    }
    found
}
