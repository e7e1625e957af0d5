//! Whoever works with one session at a time: begins it, sends to it, watches it, and looks whether what is said of its end is true.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tests::env::{Env, Output};
use tests::sim::case::Dice;

use crate::chaos::Clients;
use crate::crew::{CHECK, PARTS, file, task};

/// How long one command may take; a round waits behind many others.
const LIMIT: Duration = Duration::from_secs(300);
/// Rounds of a session.
const ROUNDS: usize = 4;
/// Times that something is tried which the disk, a kill or an overload hinders.
const TRIES: usize = 200;
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(200);

/// What came of all rounds.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Rounds by their outcome.
    pub(crate) outcomes: BTreeMap<String, usize>,
    /// What isn't true.
    pub(crate) lies: Vec<String>,
    /// Commands that had to be repeated, by their exit code.
    pub(crate) again: BTreeMap<String, usize>,
}

pub(crate) struct Driver<'a> {
    pub(crate) env: &'a Env,
    pub(crate) clients: &'a Clients,
    pub(crate) tally: &'a Mutex<Tally>,
    pub(crate) until: Instant,
}

impl Driver<'_> {
    /// Sessions number `number`, `number + step`, … one after the other, until the time is over.
    pub(crate) fn drive(&self, seed: u64, number: usize, step: usize) {
        let mut dice = Dice::new(seed, &format!("driver {number}"));
        let mut session = number;
        while Instant::now() < self.until {
            self.session(session, &mut dice);
            session += step;
        }
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lie(&self, text: String) {
        println!("NOT TRUE: {text}");
        self.tally().lies.push(text);
    }

    fn session(&self, number: usize, dice: &mut Dice) {
        let dir = format!("s{number}");
        let check = dice.below(2) == 0;
        let mut flags = vec!["--no-synthesize"];
        flags.extend(if check { ["--iterate", "--check", CHECK].as_slice() } else { ["--no-iterate"].as_slice() });
        let first = task(number, 1);
        let spawn: Vec<&str> =
            ["session", "spawn", "-o", &dir].into_iter().chain(flags).chain([first.as_str()]).collect();
        let Some(out) = self.insist(&spawn) else { return };
        let id = out.stdout.trim().to_owned();
        for round in 1..=ROUNDS {
            if round > 1 {
                if Instant::now() >= self.until {
                    return;
                }
                let message = task(number, round);
                let Some(out) = self.insist(&["session", "send", &id, "--json", &message]) else { return };
                // One whose client was killed behind its acknowledgement may stand there twice; the tree is the same.
                if out.json()["round"].as_u64().is_none_or(|taken| taken < round as u64) {
                    self.lie(format!("round {round} of {id} was taken as {}", out.stdout));
                }
            }
            let code = self.watch(&id, dice);
            self.judge(&id, number, round, check, code);
        }
    }

    /// Runs a command until it is acknowledged.
    fn insist(&self, args: &[&str]) -> Option<Output> {
        for _ in 0..TRIES {
            let out = self.env.et(args).timeout(LIMIT).run();
            match out.code {
                Some(0) => return Some(out),
                // No daemon, a full disk, an overload: it says so, and nothing was taken.
                Some(69 | 74 | 75) | None => self.once_more(&out),
                _ => {
                    self.lie(format!("unexpected: {out}"));
                    return None;
                }
            }
        }
        self.lie(format!("never acknowledged: {args:?}"));
        None
    }

    fn once_more(&self, out: &Output) {
        let code = out.code.map_or("killed".to_owned(), |code| code.to_string());
        *self.tally().again.entry(code).or_default() += 1;
        std::thread::sleep(PAUSE);
    }

    /// Watches or waits for the end of what runs; the exit code.
    fn watch(&self, id: &str, dice: &mut Dice) -> i32 {
        let watches = dice.below(3) > 0;
        for _ in 0..TRIES {
            let out = if watches {
                let running = self.env.et(["session", "attach", id, "--json"]).timeout(LIMIT).spawn();
                self.clients.add(running.pid());
                running.wait()
            } else {
                self.env.et(["session", "wait", id]).timeout(LIMIT).run()
            };
            match out.code {
                Some(69 | 74 | 75) | None => self.once_more(&out),
                Some(code) => return code,
            }
        }
        self.lie(format!("nobody could wait for {id}"));
        -1
    }

    /// Whether what is said is so.
    fn judge(&self, id: &str, number: usize, round: usize, check: bool, code: i32) {
        let Some(shown) = self.insist(&["session", "show", id, "--json"]) else { return };
        let shown = shown.json();
        let rounds = shown["rounds"].as_array().cloned().unwrap_or_default();
        let Some(last) = rounds.last() else { return self.lie(format!("{id} has no rounds: {shown}")) };
        let outcome = last["report"]["outcome"].as_str().unwrap_or("none").to_owned();
        *self.tally().outcomes.entry(outcome.clone()).or_default() += 1;
        let said = last["report"]["exit_code"].as_i64();
        if said != Some(i64::from(code)) {
            return self.lie(format!("{id} round {round} ended {outcome} with {said:?}, and its client with {code}"));
        }
        let dir = self.dir(number);
        let missing: Vec<String> =
            (0..PARTS).map(|part| file(number, round, part)).filter(|name| !dir.join(name).is_file()).collect();
        let green =
            || Command::new("sh").args(["-c", CHECK]).current_dir(&dir).output().is_ok_and(|out| out.status.success());
        match outcome.as_str() {
            "passed" if !check || !missing.is_empty() || !green() => {
                self.lie(format!("{id} round {round} passed: check {check}, missing {missing:?}, green {}", green()));
            }
            "completed" if check || !missing.is_empty() => {
                self.lie(format!("{id} round {round} completed: check {check}, missing {missing:?}"));
            }
            "check_failed" | "no_progress" if green() => {
                self.lie(format!("{id} round {round} is green, and {outcome}"))
            }
            "passed" | "completed" | "check_failed" | "no_progress" | "partial" | "provider" | "crashed" => {}
            _ => self.lie(format!("{id} round {round} ended as {outcome}")),
        }
    }

    fn dir(&self, number: usize) -> PathBuf {
        self.env.work().join(format!("s{number}"))
    }
}
