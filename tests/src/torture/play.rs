//! Plays a scenario with real processes, with kills or without.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::endpoint::DATABASE_FILE;
use proto::event::{Event, EventLine};
use proto::outcome::Outcome;
use proto::report::RoundReport;

use super::guard::{self, Guard, Seen};
use super::kills::Kills;
use super::scenario::{First, Scenario, Session};
use super::snapshot::{self, Snapshot};
use super::{Fault, Finding, process, verdict};
use crate::env::{Env, Output, poll};
use crate::model::{Model, Record};

/// How long one command may take.
const LIMIT: Duration = Duration::from_secs(60);
/// How long those who are to go may take.
const GOING: Duration = Duration::from_secs(10);
/// Times that a client which was killed is followed by another one.
const AGAIN: usize = 6;

/// Mode and bytes of each file of a tree, nothing for a dir.
pub type Tree = BTreeMap<String, Option<(u32, Vec<u8>)>>;

/// What clients said at the end of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Exit code of the `et run` that began it, if one did and lived.
    pub first: Option<i32>,
    /// That of who watched to the end.
    pub last: Option<i32>,
    /// That of `session undo`.
    pub undone: Option<i32>,
}

/// What came of a play.
#[derive(Clone, Debug, Default)]
pub struct Played {
    /// Kills of daemons, clients and builds at no named point.
    pub strikes: [usize; 3],
    /// Named points at which a process died.
    pub points: Vec<String>,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// Calls and events that were seen.
    pub shown: usize,
    /// Calls that were sent again because they were in flight.
    pub repeated: usize,
    /// The trees at the end, by session.
    pub trees: Vec<Tree>,
    /// Reports of all rounds, by session.
    pub reports: Vec<Vec<RoundReport>>,
    /// What clients said, by session.
    pub said: Vec<Said>,
    /// Answers that were bought, with how often.
    pub bought: BTreeMap<String, usize>,
    /// Rounds that were given up.
    pub given_up: usize,
    /// Rounds that may have been: three deaths without progress.
    pub hopeless: Vec<(usize, u32)>,
    /// How long it took.
    pub took: Duration,
    /// The end of the daemon's log, and what the server was asked.
    pub told: String,
}

impl Played {
    /// All kills.
    #[must_use]
    pub fn kills(&self) -> usize {
        self.points.len() + self.strikes.iter().sum::<usize>()
    }
}

/// Plays it. With `expected`, what came of it undisturbed, the end must be the same.
#[must_use]
pub fn play(scenario: &Scenario, kills: &Kills, expected: Option<&Played>) -> Played {
    let began = Instant::now();
    let env = Env::new();
    let model = Arc::new(Model::start(scenario.story()));
    env.config(&model);
    env.set(proto::hooks::SANDBOX, scenario.level);
    let once = env.root().join("once");
    fs::create_dir(&once).expect("a dir");
    if !kills.points.is_empty() {
        env.set("ET_TEST_ABORT", kills.points.join(","));
        env.set("ET_TEST_ABORT_ONCE", once.to_string_lossy());
    }
    scenario.prepare(&env.work());
    let guard = Guard::start(env.root(), env.state_dir(), Arc::clone(&model), kills.strikes.clone());
    let mut played = Played::default();
    match catch_unwind(AssertUnwindSafe(|| drive(&env, &guard, scenario))) {
        Ok(said) => played.said = said,
        Err(why) => {
            let text = why.downcast_ref::<String>().cloned();
            let text = text.or_else(|| why.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            played.findings.push(Finding::new(Fault::End, text.unwrap_or_default()));
        }
    }
    played.shown = guard.shown();
    guard.disarm();
    stop(&env, kills, &mut played);
    let mut seen = guard.end();
    played.points = names(&once);
    // Nobody may have seen one that died while it started. The last ones were stopped.
    let killed = seen.daemons + played.points.iter().filter(|point| !point.starts_with("client.")).count();
    let stopped = 1 + usize::from(kills.points.iter().any(|point| point.starts_with("daemon.draining")));
    seen.unseen = seen.unseen.max(killed.saturating_sub(seen.deaths.len().saturating_sub(stopped)));
    played.strikes = [seen.daemons, seen.clients, seen.builds];
    played.findings.extend(leftovers(&env));
    finish(scenario, &env, &model, seen, &mut played);
    if let Some(expected) = expected {
        verdict::compare(scenario, expected, &mut played);
    }
    played.told = format!("{}\n--- asked ---\n{}", tail(&env.daemon_log(), 120), model.summary());
    played.took = began.elapsed();
    played
}

fn tail(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// All sessions at the same time, each to its end.
fn drive(env: &Env, guard: &Guard, scenario: &Scenario) -> Vec<Said> {
    std::thread::scope(|scope| {
        let at_work: Vec<_> = scenario
            .sessions
            .iter()
            .enumerate()
            .map(|(at, session)| scope.spawn(move || Driver { env, guard, scenario, at, session }.drive()))
            .collect();
        let ends: Vec<_> = at_work.into_iter().map(|one| one.join()).collect();
        ends.into_iter().map(|end| end.unwrap_or_else(|why| std::panic::resume_unwind(why))).collect()
    })
}

struct Driver<'a> {
    env: &'a Env,
    guard: &'a Guard,
    scenario: &'a Scenario,
    at: usize,
    session: &'a Session,
}

impl Driver<'_> {
    fn drive(&self) -> Said {
        let mut said = Said::default();
        let (id, running) = self.begin();
        for round in 2..=self.session.rounds.len() {
            self.send(&id, round);
        }
        if let Some(running) = running {
            said.first = running.wait().code;
        }
        said.last = Some(self.attach(&id));
        if self.session.undo {
            said.undone = Some(self.surely(&["session", "undo", &id]).code.unwrap_or(-1));
        }
        said
    }

    /// Flags and task of a round, from 1.
    fn round(&self, round: usize) -> Vec<String> {
        let mut args = vec!["--no-iterate".to_owned()];
        if self.session.rounds[round - 1].check {
            args = ["--iterate", "--check", self.scenario.command].map(str::to_owned).to_vec();
        }
        args.push(Scenario::task(self.at, round - 1));
        args
    }

    /// Starts the session. Comes with its id, and who watches it.
    fn begin(&self) -> (String, Option<crate::env::Running>) {
        let dir = self.scenario.dir(self.at);
        for _ in 0..AGAIN {
            if self.session.first == First::Spawn {
                let out = self.env.et(["session", "spawn", "-o", &dir]).args(self.round(1)).timeout(LIMIT).run();
                if out.code == Some(0) {
                    let id = out.stdout.trim().to_owned();
                    self.guard.acknowledged(&id, 1);
                    return (id, None);
                }
                assert!(cut_off(&out), "{out}");
            } else {
                let mut running = self.env.et(["run", "-o", &dir, "--json"]).args(self.round(1)).timeout(LIMIT).spawn();
                let tap = running.tap();
                self.guard.watch(tap.clone());
                poll(LIMIT, || tap.count() > 0 || !running.is_running());
                // An error is a line as well.
                let first = tap.lines().first().and_then(|line| serde_json::from_str::<EventLine>(line).ok());
                if let Some(event) = first {
                    let id = event.session.to_string();
                    self.guard.acknowledged(&id, 1);
                    return (id, Some(running));
                }
                let out = running.wait();
                assert!(cut_off(&out), "{out}");
            }
            // It was killed before it could say whether the session is there.
            if let Some(id) = self.find(&dir) {
                return (id, None);
            }
        }
        panic!("session {} never began", self.at);
    }

    /// The session in this dir, if there is one.
    fn find(&self, dir: &str) -> Option<String> {
        let list = self.surely(&["session", "list", "--json"]).assert_ok().json();
        let sessions = list["sessions"].as_array().cloned().unwrap_or_default();
        let path = self.env.work().canonicalize().expect("the work dir").join(dir).to_string_lossy().into_owned();
        let task = Scenario::task(self.at, 0);
        let ours =
            |session: &&serde_json::Value| session["work_dir"] == path.as_str() && session["task"] == task.as_str();
        let found = sessions.iter().find(ours)?;
        found["id"].as_str().map(str::to_owned)
    }

    /// A command, run again if it is killed. Only for what may be repeated.
    fn surely(&self, args: &[&str]) -> Output {
        let mut out = self.env.et(args).timeout(LIMIT).run();
        for _ in 0..AGAIN {
            if !cut_off(&out) {
                break;
            }
            out = self.env.et(args).timeout(LIMIT).run();
        }
        out
    }

    fn send(&self, id: &str, round: usize) {
        for _ in 0..AGAIN {
            let out = self.env.et(["session", "send", id, "--json"]).args(self.round(round)).timeout(LIMIT).run();
            if out.code == Some(0) {
                assert_eq!(out.json()["round"], round, "{out}");
                self.guard.acknowledged(id, round as u32);
                return;
            }
            assert!(cut_off(&out), "{out}");
            let shown = self.surely(&["session", "show", id, "--json"]).assert_ok().json();
            if shown["rounds"].as_array().is_some_and(|rounds| rounds.len() >= round) {
                return;
            }
        }
        panic!("round {round} of session {} was never taken", self.at);
    }

    /// Watches to the end; the exit code.
    fn attach(&self, id: &str) -> i32 {
        for _ in 0..AGAIN {
            let running = self.env.et(["session", "attach", id, "--json", "--from", "start"]).timeout(LIMIT).spawn();
            self.guard.watch(running.tap());
            let out = running.wait();
            if !cut_off(&out) {
                let rounds = out.events().iter().filter(|line| matches!(line.event, Event::Result(_))).count();
                assert_eq!(rounds, self.session.rounds.len(), "it ended before its rounds did: {out}");
                return out.code.unwrap_or_default();
            }
        }
        panic!("nobody could watch session {}", self.at);
    }
}

/// Whether a client didn't come to its end: it was killed, or so many daemons were while it asked that it gave up, and said so.
fn cut_off(out: &Output) -> bool {
    let gave_up = [
        "the daemon died twice while it started",
        "the daemon closed the connection",
        "the connection to the daemon broke",
    ];
    out.code.is_none() || (out.code == Some(69) && gave_up.iter().any(|words| out.stderr.contains(words)))
}

/// Stops the daemon; nothing may be left of it.
fn stop(env: &Env, kills: &Kills, played: &mut Played) {
    let stop = || env.et(["daemon", "stop"]).timeout(LIMIT).run();
    if env.daemon_pid().is_none() {
        // One that was killed last leaves its socket to the next.
        let _ = env.et(["daemon", "start"]).timeout(LIMIT).run();
    }
    // A daemon sweeps the private dirs of checks that died with the last one when it has the time.
    poll(GOING, || fleeting(env).is_empty());
    let mut out = stop();
    // One that died on its way, or was about to, leaves its socket; the next one tidies up.
    let draining = kills.points.iter().any(|point| point.starts_with("daemon.draining"));
    if draining || out.code != Some(0) || has_socket(&env.root().join("run")) {
        let started = env.et(["daemon", "start"]).timeout(LIMIT).run();
        out = if started.code == Some(0) { stop() } else { started };
    }
    if out.code != Some(0) {
        played.findings.push(Finding::new(Fault::End, format!("the daemon doesn't stop: {out}")));
    }
    let program = env.et_path().with_file_name("etd");
    let mut left = Vec::new();
    let gone = poll(GOING, || {
        left = process::orphans(env.root(), &program);
        left.is_empty()
    });
    if !gone {
        played.findings.push(Finding::new(Fault::Orphan, format!("still there: {left:#?}")));
        for process in left.iter().filter(|process| process.belongs(env.root())) {
            let _ = process.kill();
        }
    }
}

/// Whether a dir, or one below it, holds the socket of a daemon.
fn has_socket(dir: &Path) -> bool {
    fs::read_dir(dir).into_iter().flatten().flatten().any(|entry| {
        entry.file_name().to_string_lossy().ends_with(".sock")
            || entry.file_type().is_ok_and(|kind| kind.is_dir()) && has_socket(&entry.path())
    })
}

/// Private dirs of checks.
fn fleeting(env: &Env) -> Vec<PathBuf> {
    let all = fs::read_dir(env.state_dir().join("sandbox")).into_iter().flatten().flatten();
    let dirs = all.flat_map(|own| ["home", "tmp", "shm", "fetch"].map(|name| own.path().join(name)));
    dirs.filter(|dir| dir.exists()).collect()
}

/// Temporary files that are still there.
pub(super) fn leftovers(env: &Env) -> Vec<Finding> {
    let left = |path: &Path| Finding::new(Fault::Temporary, format!("{} is left", path.display()));
    let mut found: Vec<Finding> = fleeting(env).iter().map(|path| left(path)).collect();
    let mut dirs = vec![env.work(), env.root().join("run"), env.root().join("tmp"), env.state_dir()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if name.starts_with(".et-tmp") || name.contains(".tmp") || name.contains(".sock") {
                found.push(left(&path));
            } else if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                dirs.push(path);
            }
        }
    }
    found
}

/// What there is at the end.
fn finish(scenario: &Scenario, env: &Env, model: &Model, seen: Seen, played: &mut Played) {
    let last = match snapshot::read(&env.state_dir(), &env.root().join("scratch")) {
        Ok(Some(last)) => last,
        Ok(None) => {
            played.findings.push(Finding::new(Fault::Lost, format!("there is no {DATABASE_FILE}")));
            Snapshot::default()
        }
        Err(why) => {
            played.findings.push(Finding::new(Fault::Log, format!("the database can't be read: {why}")));
            Snapshot::default()
        }
    };
    played.findings.extend(guard::whole(&last));
    played.findings.extend(seen.findings.iter().cloned());
    played.findings.extend(seen.taps().iter().flat_map(|tap| guard::printed(&tap.lines(), &last)));
    if let Some(before) = seen.deaths.last() {
        played.findings.extend(guard::kept(&before.left, &last));
    }
    for at in 0..scenario.sessions.len() {
        played.trees.push(tree(&env.work().join(scenario.dir(at))));
        let task = Scenario::task(at, 0);
        let ids: Vec<&String> = last.tasks.iter().filter(|(_, own)| **own == task).map(|(id, _)| id).collect();
        if ids.len() != 1 {
            played.findings.push(Finding::new(Fault::End, format!("sessions with {task:?}: {ids:?}")));
        }
        let mut reports = Vec::new();
        for ((session, round), row) in last.rounds.iter().filter(|((session, _), _)| ids.contains(&session)) {
            let report = row.report.as_deref().and_then(|text| serde_json::from_str::<RoundReport>(text).ok());
            match report {
                Some(report) => {
                    played.findings.extend(verdict::logged(&report));
                    if verdict::hopeless(session, *round, &seen) {
                        played.hopeless.push((at, *round));
                    }
                    reports.push(report);
                }
                None => {
                    let text = format!("round {round} of {session} is {} and has no report", row.state);
                    played.findings.push(Finding::new(Fault::End, text));
                }
            }
        }
        played.given_up += reports.iter().filter(|report| report.outcome == Outcome::Crashed).count();
        played.reports.push(reports);
        played.findings.extend(verdict::truthful(scenario, at, played));
    }
    let records: Vec<Record> = model.records();
    for complaint in model.complaints() {
        played.findings.push(Finding::new(Fault::End, format!("the model complains: {complaint}")));
    }
    verdict::purchases(&records, &seen, &last, played);
}

/// Everything below a dir.
#[must_use]
pub fn tree(dir: &Path) -> Tree {
    let mut found = Tree::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(below) = dirs.pop() {
        for entry in fs::read_dir(below).into_iter().flatten().flatten() {
            let path = entry.path();
            let Ok(meta) = path.symlink_metadata() else { continue };
            let name = path.strip_prefix(dir).unwrap_or(&path).to_string_lossy().into_owned();
            if meta.is_dir() {
                dirs.push(path);
                found.insert(name, None);
            } else {
                found.insert(name, Some((meta.permissions().mode() & 0o777, fs::read(&path).unwrap_or_default())));
            }
        }
    }
    found
}
