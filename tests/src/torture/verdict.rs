//! What must hold at the end, whoever died on the way.

use std::collections::BTreeMap;

use proto::outcome::Outcome;
use proto::report::RoundReport;

use super::guard::Seen;
use super::play::{Played, Tree};
use super::scenario::Scenario;
use super::snapshot::Snapshot;
use super::{Fault, Finding};
use crate::model::{Kind, Record};

/// Unclean stops without a step in between after which a round may be given up.
const HOPELESS: usize = 3;

/// The answer to a fix that nobody scripted.
const NOTHING: &str = "NO CHANGE NEEDED";

/// Whether a round saw so many deaths without a step that it may be given up.
pub(super) fn hopeless(session: &str, round: u32, seen: &Seen) -> bool {
    let key = (session.to_owned(), round);
    let (mut steps, mut times) = (None, 0);
    let mut most = 0;
    for death in &seen.deaths {
        let Some(row) = death.left.rounds.get(&key).filter(|row| row.state == "running") else { continue };
        times = if steps == Some(row.steps) { times + 1 } else { 1 };
        steps = Some(row.steps);
        most = most.max(times);
    }
    most + seen.unseen >= HOPELESS
}

/// Whether the log dir says what the report says.
pub(super) fn logged(report: &RoundReport) -> Option<Finding> {
    let path = format!("{}/_result.json", report.log_dir.as_ref()?);
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let same = serde_json::from_str::<RoundReport>(&text).is_ok_and(|logged| logged == *report);
    (!same).then(|| Finding::new(Fault::End, format!("{path} isn't the report {report:?}: {text}")))
}

/// Whether a round that says that its check is green left a tree that passes it.
pub(super) fn truthful(scenario: &Scenario, at: usize, played: &Played) -> Option<Finding> {
    let (session, tree) = (&scenario.sessions[at], &played.trees[at]);
    let report = played.reports[at].last().filter(|report| report.exit_code == 0)?;
    // Another one may be wrong by the same tree.
    if session.undo || scenario.shared || !session.rounds.last().is_some_and(|round| round.check) {
        return None;
    }
    let wrong = tree.iter().find(|(path, file)| {
        let text = file.as_ref().map(|(_, bytes)| String::from_utf8_lossy(bytes));
        path.ends_with(".txt") && text.is_some_and(|text| !text.contains("count = 2"))
    });
    let (path, _) = wrong?;
    Some(Finding::new(Fault::End, format!("it isn't green, by {path}: {report:?}")))
}

/// Whether an answer was bought again that was recorded by then, or more often than kills explain.
pub(super) fn purchases(records: &[Record], seen: &Seen, last: &Snapshot, played: &mut Played) {
    let chats: Vec<&Record> = records.iter().filter(|record| record.kind != Kind::Models).collect();
    for death in &seen.deaths {
        for record in chats.iter().filter(|record| record.index >= death.asked) {
            if record.answer != NOTHING && death.left.answers.contains(record.answer.trim()) {
                let text = format!("recorded, and bought again: {}", record.summary());
                played.findings.push(Finding::new(Fault::Repeated, text));
            }
        }
    }
    let mut bought: BTreeMap<String, Vec<&Record>> = BTreeMap::new();
    for record in &chats {
        // This one says nothing about what was asked.
        let own = if record.answer == NOTHING { &record.text } else { &record.answer };
        bought.entry(own.trim().to_owned()).or_default().push(record);
    }
    for (answer, times) in &bought {
        // In flight: cut off by a death, or sent to its end before one that found it unrecorded.
        let gone = times.iter().filter(|record| record.gone && !record.complete).count();
        let mut from = 0;
        let mut allowed = 1 + seen.unseen + gone;
        for death in &seen.deaths {
            let sent = times.iter().any(|record| !record.gone && (from..death.asked).contains(&record.index));
            allowed += usize::from(sent && !death.left.answers.contains(answer));
            from = death.asked;
        }
        if times.len() > allowed {
            let all: Vec<String> = times.iter().map(|record| record.summary()).collect();
            let text = format!("bought {} times, {allowed} at most:\n{}", times.len(), all.join("\n"));
            played.findings.push(Finding::new(Fault::Repeated, text));
        }
        if played.hopeless.is_empty()
            && times[0].answer != NOTHING
            && !last.answers.contains(answer)
            && times.iter().any(|record| record.complete)
            && times[0].kind != Kind::Plan
        {
            let text = format!("bought and never recorded: {}", times[0].summary());
            played.findings.push(Finding::new(Fault::Lost, text));
        }
    }
    played.repeated = bought.values().map(|times| times.len() - 1).sum();
    let told: u64 = played.reports.iter().flatten().map(|report| report.usage.repeated_calls).sum();
    if (told as usize) < played.repeated && played.hopeless.is_empty() {
        let text = format!("{} calls were sent again, and {told} are told of", played.repeated);
        played.findings.push(Finding::new(Fault::Repeated, text));
    }
    played.bought = bought.into_iter().map(|(answer, times)| (answer, times.len())).collect();
}

/// Whether the end is that of the undisturbed play.
pub(super) fn compare(scenario: &Scenario, expected: &Played, played: &mut Played) {
    let mut found = Vec::new();
    let mut trees = Vec::new();
    let mut given_up = false;
    for at in 0..scenario.sessions.len() {
        let hopeless: Vec<u32> =
            played.hopeless.iter().filter(|(one, _)| *one == at).map(|(_, round)| *round).collect();
        let (wanted, got) = (ends(expected.reports.get(at)), ends(played.reports.get(at)));
        if wanted != got {
            // What comes behind a round that was given up finds another tree.
            let first = got.iter().zip(&wanted).position(|(got, wanted)| got != wanted);
            let crashed = first.is_some_and(|index| {
                got[index].0 == Outcome::Crashed && hopeless.contains(&(index as u32 + 1)) && got.len() == wanted.len()
            });
            if crashed {
                given_up = true;
                continue;
            }
            found.push(Finding::new(Fault::End, format!("session {at} ended {got:?} and not {wanted:?}")));
        }
        let (wanted, got) = (expected.trees.get(at), played.trees.get(at));
        if let (Some(wanted), Some(got)) = (wanted, got)
            && wanted != got
        {
            trees.push(Finding::new(Fault::Tree, format!("the tree of session {at}: {}", differing(wanted, got))));
        }
        let (wanted, got) = (expected.said.get(at), played.said.get(at));
        if let (Some(wanted), Some(got)) = (wanted, got)
            && (wanted.last != got.last
                || wanted.undone != got.undone
                || got.first.is_some_and(|code| Some(code) != wanted.first))
        {
            found.push(Finding::new(Fault::End, format!("clients said {got:?} and not {wanted:?}")));
        }
    }
    // In one dir for all, every tree has the files of the round that was given up, or lacks them.
    if !(scenario.shared && given_up) {
        found.append(&mut trees);
    }
    // What remains of a plan that was cut by a death is an answer of its own.
    if given_up {
        played.findings.extend(found);
        return;
    }
    let missing: Vec<&String> = expected.bought.keys().filter(|answer| !played.bought.contains_key(*answer)).collect();
    if !missing.is_empty() && !missing.iter().all(|answer| answer.starts_with("{\"contract\"")) {
        found.push(Finding::new(Fault::End, format!("never asked for: {missing:?}")));
    }
    let more = played.bought.keys().filter(|answer| !expected.bought.contains_key(*answer));
    let more: Vec<&String> = more.filter(|answer| !answer.starts_with("{\"contract\"")).collect();
    if !more.is_empty() {
        found.push(Finding::new(Fault::Repeated, format!("asked for what wasn't needed undisturbed: {more:?}")));
    }
    played.findings.extend(found);
}

fn ends(reports: Option<&Vec<RoundReport>>) -> Vec<(Outcome, u8)> {
    reports.into_iter().flatten().map(|report| (report.outcome, report.exit_code)).collect()
}

fn differing(wanted: &Tree, got: &Tree) -> String {
    let show = |file: Option<&Option<(u32, Vec<u8>)>>| match file {
        None => "nothing".to_owned(),
        Some(None) => "a dir".to_owned(),
        Some(Some((mode, bytes))) => format!("{mode:o} {:?}", String::from_utf8_lossy(bytes)),
    };
    let paths: std::collections::BTreeSet<&String> = wanted.keys().chain(got.keys()).collect();
    let lines = paths.into_iter().filter(|path| wanted.get(*path) != got.get(*path));
    let lines = lines.map(|path| format!("{path} is {} and not {}", show(got.get(path)), show(wanted.get(path))));
    lines.collect::<Vec<_>>().join("\n")
}
