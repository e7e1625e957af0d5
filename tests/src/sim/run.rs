//! A case played with the real `et`, and what it took.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use proto::diagnostic::{Diagnostic, Severity};
use proto::event::{Event, EventLine};
use proto::outcome::Outcome;
use regex::Regex;

use super::case::{Case, kind, spoil};
use super::mind::{Entry, Lack, Sim};
use super::project::Project;
use crate::env::{Env, Output};
use crate::model::{Kind, Model, Record};

/// Builds at most.
pub const MAX_BUILDS: u32 = 8;

/// How a case is played.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// The part of the daemon that is left out (`ET_TEST_WITHOUT`).
    pub without: Option<&'a str>,
    /// Where all requests go.
    pub dump: Option<&'a Path>,
}

/// What a case took.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// The client says that all is well.
    pub green: bool,
    /// The check, run once more on the tree that was left, agrees.
    pub honest: bool,
    /// In the client's words.
    pub outcome: String,
    /// Builds.
    pub builds: u32,
    /// Builds that are owed: one for each time that the tools reveal something, and the last.
    pub owed: u32,
    /// Requests.
    pub calls: usize,
    /// Tokens of all prompts.
    pub prompt: u64,
    /// Tokens of all answers.
    pub completion: u64,
    /// Tokens of the prompts that ask for a fix.
    pub fix_prompt: u64,
    /// Mistakes between files: those whose owner was asked first, and all.
    pub attribution: (usize, usize),
    /// What prompts lacked, a line each.
    pub lacked: Vec<String>,
    /// Requests that the programmer didn't understand.
    pub unknown: usize,
    /// Errors that are left, in the client's words.
    pub left: u64,
    /// Wall time.
    pub seconds: f64,
}

/// The check of a project, as `sh` runs it.
#[must_use]
pub fn check(project: &Project) -> String {
    if let Some(check) = project.check {
        return check.to_owned();
    }
    let has = |wanted: &str| project.files.iter().any(|(path, _)| path.rsplit('/').next() == Some(wanted));
    let command = if has("go.mod") {
        "go build ./... && go vet ./... && go test ./..."
    } else if has("Cargo.toml") {
        "cargo build --offline && cargo test --offline"
    } else if has("tsconfig.json") {
        "tsc --noEmit --pretty false -p . && npm run test"
    } else if has("Makefile") {
        "make && make test"
    } else if has("pom.xml") {
        "mvn -q -o test"
    } else if project.language.starts_with("Java") {
        "javac -d .out $(find . -name '*.java')"
    } else {
        "python3 -m compileall -q . && python3 -m unittest discover -s tests"
    };
    command.to_owned()
}

/// The part that owns a file.
#[must_use]
pub fn owner<'a>(project: &'a Project, path: &str) -> Option<&'a str> {
    project.parts.iter().find(|part| part.owns.contains(&path)).map(|part| part.id)
}

/// Plays a case with `et run --iterate`.
///
/// # Panics
/// If `et` can't be run, takes too long, or prints what is no event.
#[must_use]
pub fn with_et(case: &Case, options: Options<'_>) -> Measured {
    let began = Instant::now();
    let sim = Arc::new(Sim::new(case.clone()));
    let model = Model::start_with(Arc::clone(&sim) as Arc<dyn crate::model::Mind>);
    let env = Env::new();
    if let Some(part) = options.without {
        env.set("ET_TEST_WITHOUT", part);
    }
    env.config(&model);
    for (path, text) in &case.project.given {
        env.write(&format!("tree/{path}"), text);
    }
    let limit = MAX_BUILDS.to_string();
    let mut args = vec!["run", "--output-dir", "tree", "--iterate", "--max-iterations", &limit, "--json"];
    if let Some(check) = case.project.check {
        args.extend(["--check", check]);
    }
    args.push(case.project.task);
    let out = env.et(&args).run();
    let entries = sim.log();
    let mut measured = counted(case, &model.records(), &entries);
    let events = out.events();
    let result = events.iter().rev().find_map(|line| match &line.event {
        Event::Result(report) => Some(report),
        _ => None,
    });
    match result {
        Some(report) => {
            measured.green = report.outcome == Outcome::Passed;
            measured.outcome = serde_json::to_value(report.outcome).map_or_else(
                |_| format!("{:?}", report.outcome),
                |value| value.as_str().unwrap_or_default().to_owned(),
            );
            measured.builds = report.iterations;
            measured.left =
                report.check.diagnostics.iter().filter(|one| one.severity == Severity::Error).count() as u64;
        }
        None => measured.outcome = format!("no result, exit code {:?}: {}", out.code, out.stderr.trim()),
    }
    measured.attribution = attribution(case, &events, &entries);
    measured.honest = measured.green && checked(&env, case).code == Some(0);
    measured.seconds = began.elapsed().as_secs_f64();
    measured.owed = case.tiers() as u32 + 1;
    if measured.green && measured.builds > measured.owed {
        measured.owed = measured.owed.max(revealed(&env, case) + 1);
    }
    if let Some(dir) = options.dump {
        dump(dir, &model.records());
        fs::write(dir.join("events.jsonl"), &out.stdout).expect("the events");
        fs::write(dir.join("log.txt"), env.daemon_log()).expect("the daemon's log");
        let _ = env.command("cp", ["-r", "tree", &dir.to_string_lossy()]).run();
    }
    measured
}

/// The check on what is left, by nobody's word but the tools'.
fn checked(env: &Env, case: &Case) -> Output {
    env.sh(&check(&case.project)).dir(env.work().join("tree")).run()
}

/// How many times the tools reveal something until nothing is left, if all that they reveal is undone at once. Mistakes hide one another, and not
/// by tiers alone: a module that can't be imported hides what is wrong in those that import it.
fn revealed(env: &Env, case: &Case) -> u32 {
    let mut left = case.clone();
    let mut rounds = 0;
    while !left.faults.is_empty() {
        let here = |path: &str| {
            left.mistakes().filter(|(_, fault)| fault.file == path).map(|(_, fault)| fault).collect::<Vec<_>>()
        };
        for (path, text) in case.project.given.iter().chain(&case.project.files) {
            env.write(&format!("revealed/{path}"), &spoil(text, here(path)).unwrap_or_else(|| text.clone()));
        }
        let out = env.sh(&format!("({}) 2>&1", check(&case.project))).dir(env.work().join("revealed")).run();
        let said =
            |index: &usize| Regex::new(case.project.faults[*index].reveals).expect("a pattern").is_match(&out.stdout);
        let before = left.faults.len();
        left.faults.retain(|index| !said(index));
        if left.faults.len() == before {
            // Reported in other words: the next tier is taken for it.
            let next = left.mistakes().min_by_key(|(_, fault)| fault.tier).map(|(index, _)| index);
            left.faults.retain(|index| Some(*index) != next);
        }
        rounds += 1;
    }
    rounds
}

/// What requests and answers took.
#[must_use]
pub fn counted(case: &Case, records: &[Record], entries: &[Entry]) -> Measured {
    let chats: Vec<&Record> = records.iter().filter(|record| record.kind != Kind::Models).collect();
    let tokens = |record: &&Record| record.tokens.unwrap_or_default();
    let mut lacks: BTreeMap<(usize, Lack), usize> = BTreeMap::new();
    for lack in entries.iter().flat_map(|entry| &entry.lacked) {
        *lacks.entry(*lack).or_default() += 1;
    }
    let lacked = lacks.into_iter().map(|((index, lack), times)| {
        let fault = &case.project.faults[index];
        let what = match lack {
            Lack::Content => format!("the content of {}", fault.file),
            Lack::Other => {
                format!("{:?} of {}", fault.other.map_or("", |other| other.1), fault.other.map_or("", |other| other.0))
            }
        };
        format!("{}: {} in {}: {times}x without {what}", case.name, kind(fault.kind), fault.file)
    });
    Measured {
        calls: chats.len(),
        prompt: chats.iter().map(|record| tokens(record).0).sum(),
        completion: chats.iter().map(|record| tokens(record).1).sum(),
        fix_prompt: chats.iter().filter(|record| record.kind == Kind::Fix).map(|record| tokens(record).0).sum(),
        unknown: chats.iter().filter(|record| record.kind == Kind::Unknown).count(),
        lacked: lacked.collect(),
        ..Measured::default()
    }
}

/// Of the mistakes between files, how many were first told to the owner of the file that is wrong. A mistake counts if a file of
/// another part must be seen, or if the tool reports it there. Those that are told to several parts after one build count as told at once.
fn attribution(case: &Case, events: &[EventLine], entries: &[Entry]) -> (usize, usize) {
    let builds: Vec<u128> = events
        .iter()
        .filter(|line| matches!(line.event, Event::CheckStarted { .. }))
        .filter_map(|line| millis(&line.at))
        .collect();
    let found: Vec<&Diagnostic> = events
        .iter()
        .filter_map(|line| match &line.event {
            Event::CheckFinished { diagnostics, .. } => Some(diagnostics),
            _ => None,
        })
        .flatten()
        .collect();
    let (mut right, mut all) = (0, 0);
    for (index, fault) in case.mistakes() {
        let Some(owner_of) = owner(&case.project, fault.file) else { continue };
        let pattern = Regex::new(fault.reveals).expect("a pattern");
        let reported = found.iter().find(|diagnostic| pattern.is_match(&diagnostic.message));
        let elsewhere = reported
            .and_then(|diagnostic| diagnostic.file.as_deref())
            .and_then(|file| owner(&case.project, file))
            .is_some_and(|other| other != owner_of);
        let told: Vec<&Entry> =
            entries.iter().filter(|entry| entry.kind == Kind::Fix && entry.told.contains(&index)).collect();
        let between =
            fault.other.is_some_and(|(path, _)| owner(&case.project, path).is_some_and(|other| other != owner_of));
        let Some(first) = told.first().filter(|_| elsewhere || between) else { continue };
        let round = |entry: &Entry| {
            let at = since_epoch(entry.at);
            builds.iter().filter(|build| **build <= at).count()
        };
        all += 1;
        let asked =
            told.iter().filter(|entry| round(entry) == round(first)).any(|entry| entry.parts.contains(&owner_of));
        right += usize::from(asked);
    }
    (right, all)
}

fn since_epoch(at: SystemTime) -> u128 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis())
}

/// `2026-01-01T00:00:00.000Z` as milliseconds since 1970.
fn millis(text: &str) -> Option<u128> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    // Days of the Gregorian calendar, years counted from March.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
    let seconds = days * 86_400 + number(11, 13)? * 3_600 + number(14, 16)? * 60 + number(17, 19)?;
    u128::try_from(seconds * 1_000 + number(20, 23).unwrap_or(0)).ok()
}

/// Writes every request and its answer to a dir.
///
/// # Panics
/// If it can't.
pub fn dump(dir: &Path, records: &[Record]) {
    fs::create_dir_all(dir).expect("the dir for requests");
    for record in records.iter().filter(|record| record.kind != Kind::Models) {
        let name = format!("{:03}-{}.txt", record.index, record.label().replace(['/', '+'], "-"));
        let mut text = format!("{}\n\n=== system\n{}\n", record.summary(), record.system);
        for (speaker, words) in &record.turns {
            text.push_str(&format!("\n=== {speaker}\n{words}\n"));
        }
        text.push_str(&format!("\n=== answer\n{}\n", record.answer));
        fs::write(dir.join(name), text).expect("a request is written");
    }
}

#[cfg(test)]
mod tests {
    use super::millis;

    #[test]
    fn times_are_read() {
        let table = [
            ("1970-01-01T00:00:00.000Z", Some(0)),
            ("2000-02-29T12:00:00.250Z", Some(951_825_600_250)),
            ("2099-12-31T23:59:59.000Z", Some(4_102_444_799_000)),
            ("soon", None),
        ];
        for (text, expected) in table {
            assert_eq!(millis(text), expected, "{text}");
        }
    }
}
