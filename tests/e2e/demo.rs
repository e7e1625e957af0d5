//! `et demo`: a recording that goes wrong and is mended, with the real pipeline and a real cargo.

use proto::event::Event;
use proto::outcome::Outcome;
use proto::report::CheckStatus;
use tests::env::Env;
use tests::require_tool;

/// The recording that ships in the binary.
const RECORDING: &str = include_str!("../../etd/recordings/demo.txt");

#[test]
fn it_sends_the_error_to_its_worker_and_ends_green() {
    require_tool!("cargo");
    let env = Env::new();
    let out = env.et(["demo", "--json", "--dir", "demo"]).run();
    let report = out.assert_ok().result();
    assert_eq!((report.outcome, report.iterations), (Outcome::Passed, 2), "{out}");
    let events: Vec<Event> = out.events().into_iter().map(|line| line.event).collect();
    let checks: Vec<CheckStatus> = events
        .iter()
        .filter_map(|event| match event {
            Event::CheckFinished { status, .. } => Some(*status),
            _ => None,
        })
        .collect();
    assert_eq!(checks, [CheckStatus::Red, CheckStatus::Green]);
    let fixes: Vec<(&str, &str)> = events
        .iter()
        .filter_map(|event| match event {
            Event::FixAssigned { owner, first, .. } => Some((owner.as_str(), first.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(fixes.len(), 1, "{fixes:?}");
    assert_eq!(fixes[0].0, "report");
    assert!(fixes[0].1.contains("this function takes 2 arguments"), "{fixes:?}");
    assert!(events.iter().any(|event| matches!(event, Event::RoundStarted { recorded: true, .. })));
    assert!(env.read("demo/src/report.rs").contains("stats::top(words, limit)"));
    // The user's own sessions know nothing of it, and its daemon is gone.
    let list = env.et(["session", "list", "--json"]).run();
    assert_eq!(list.assert_ok().json()["sessions"], serde_json::json!([]), "{list}");
    env.et(["session", "show", "last"]).run().assert_code(2);
    let demo = env.sh("for pid in /proc/[0-9]*; do tr '\\0' '\\n' < $pid/environ 2>/dev/null | grep -q \"^ET_STATE_DIR=$ET_STATE_DIR/demo$\" && echo $pid; done; true").run();
    assert_eq!(demo.stdout, "", "the demo's daemon ends with it");
}

#[test]
fn for_people_it_says_that_the_answers_are_recordings() {
    require_tool!("cargo");
    let env = Env::new();
    let out = env.et(["demo"]).run();
    out.assert_ok().assert_stderr("recordings").assert_stderr("report").assert_stdout("wordstats");
}

#[test]
fn a_wrong_fix_ends_red_with_1() {
    require_tool!("cargo");
    // The fix passes an argument too many now, at every step of fixing.
    let (before, fix) = RECORDING.split_once("@@ step fix/1/report\n").expect("the recorded fix");
    let fix = fix.replace("stats::top(words, limit)", "stats::top(words, limit, 0)");
    let lines = fix.lines().filter(|line| !line.starts_with("@@ needs")).map(|line| format!("{line}\n"));
    let recording = format!("{before}@@ step fix/*/report\n{}", lines.collect::<String>());
    assert!(recording.contains("stats::top(words, limit, 0)"));
    let env = Env::new();
    env.write("wrong.txt", &recording);
    let out = env.et(["demo", "--json", "--dir", "demo", "--recording", "wrong.txt"]).run();
    let report = out.assert_code(1).result();
    assert_eq!((report.outcome, report.check.status), (Outcome::CheckFailed, CheckStatus::Red), "{out}");
}

#[test]
fn a_wrong_fix_in_the_recording_that_ships_ends_red_with_1() {
    require_tool!("cargo");
    // Nothing else is changed: later steps of fixing have no recorded answer.
    let (before, fix) = RECORDING.split_once("@@ step fix/1/report\n").expect("the recorded fix");
    let fix = fix.replace("stats::top(words, limit)", "stats::top(words, limit, 0)");
    let env = Env::new();
    env.write("wrong.txt", &format!("{before}@@ step fix/1/report\n{fix}"));
    let out = env.et(["demo", "--json", "--dir", "demo", "--recording", "wrong.txt"]).run();
    let report = out.assert_code(1).result();
    assert_eq!(report.check.status, CheckStatus::Red, "{out}");
}

#[test]
fn a_recording_that_is_not_there_is_2() {
    let env = Env::new();
    env.et(["demo", "--recording", "nowhere.txt"]).run().assert_code(2).assert_stderr("nowhere.txt");
}
