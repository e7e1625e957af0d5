//! The phases between a task and its result: plan, workers, reviews, tests, fixes, keep-best, logs, sessions.

use proto::event::{Event, EventLine};
use proto::outcome::Outcome;
use proto::report::{CheckStatus, RoundReport, SubtaskState};
use serde_json::Value;
use tests::env::{Config, Env};
use tests::model::{Fault, Model, Point, Story, Sub, Wire};
use tests::projects::stories::{self, TINY_BROKEN, TINY_CHECK, TINY_MENDED, TINY_ONE};
use tests::require_tool;

fn failures(events: &[EventLine]) -> Vec<(String, String, bool)> {
    let read = |line: &EventLine| match &line.event {
        Event::WorkerFailed { worker, reason, again, .. } => Some((worker.clone(), reason.clone(), *again)),
        _ => None,
    };
    events.iter().filter_map(read).collect()
}

fn scores(events: &[EventLine]) -> Vec<(String, u32, bool)> {
    let read = |line: &EventLine| match &line.event {
        Event::ReviewScored { worker, score, accepted, .. } => Some((worker.clone(), *score, *accepted)),
        _ => None,
    };
    events.iter().filter_map(read).collect()
}

fn fixes(events: &[EventLine]) -> Vec<String> {
    let read = |line: &EventLine| match &line.event {
        Event::FixAssigned { owner, .. } => Some(owner.clone()),
        _ => None,
    };
    events.iter().filter_map(read).collect()
}

fn checks(events: &[EventLine]) -> Vec<CheckStatus> {
    let read = |line: &EventLine| match &line.event {
        Event::CheckFinished { status, .. } => Some(*status),
        _ => None,
    };
    events.iter().filter_map(read).collect()
}

fn is_result(line: &EventLine, outcome: Outcome) -> bool {
    matches!(&line.event, Event::Result(report) if report.outcome == outcome)
}

#[test]
fn a_low_score_changes_the_file() {
    let better = "the second file, written with more care\ncount = 2\n";
    let model = Model::start(
        stories::tiny()
            .file_at("two", 2, "two.txt", better)
            .score("two", 3, "the count is missing its reason")
            .score("two", 9, "good")
            .scores(8)
            .expects("work/two#2", "the count is missing its reason"),
    );
    let env = Env::new();
    env.write_config(&Config::one(&model, Wire::OpenAi).reviewer("main"));
    let out = env.et(["run", "-o", "a", "--json", "two files"]).run();
    assert_eq!(out.assert_ok().result().outcome, Outcome::Completed);
    assert_eq!(env.read("a/two.txt"), better);
    let mut seen = scores(&out.events());
    seen.sort();
    let expected = [("one".to_owned(), 8, true), ("two".to_owned(), 3, false), ("two".to_owned(), 9, true)];
    assert_eq!(seen, expected, "{out}");
    let dir = env.newest_log_dir();
    let log = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(log("worker-2.out").contains("with more care"));
    assert!(log("worker-2.attempt1.out").contains(TINY_BROKEN));
    // Skipped, nobody is asked for a score.
    let asked = model.count("review");
    env.et(["run", "-o", "b", "--no-reviewer", "two files"]).run().assert_ok();
    assert_eq!(model.count("review"), asked);
    assert_eq!(env.read("b/two.txt"), TINY_BROKEN);
}

#[test]
fn the_better_answer_stays() {
    let worse = "the second file\nwritten in a hurry\n";
    let story = || {
        stories::tiny().file_at("two", 2, "two.txt", worse).score("two", 5, "so so").score("two", 2, "worse").scores(8)
    };
    let model = Model::start(story());
    let env = Env::new();
    env.write_config(&Config::one(&model, Wire::OpenAi).reviewer("main"));
    env.et(["run", "-o", "a", "two files"]).run().assert_ok();
    assert_eq!(env.read("a/two.txt"), TINY_BROKEN, "the first one was better");
    assert_eq!(model.count("work/two"), 2);
    // A lower bar accepts it at once, and no retries are none.
    for flags in [["--guardrail-threshold", "5"], ["--guardrail-retries", "0"]] {
        let model = Model::start(story());
        env.write_config(&Config::one(&model, Wire::OpenAi).reviewer("main"));
        env.et(["run", "-o", "b", "two files"]).arg(flags[0]).arg(flags[1]).run().assert_ok();
        assert_eq!(model.count("work/two"), 1, "{flags:?}");
    }
}

/// A test that the tester writes, which `sh` runs.
const TESTED: &str = "sh two_test.sh; rc=$?; test -s one.txt && exit $rc";

#[test]
fn a_test_that_fails_turns_the_round_red_and_is_mended() {
    let wrong = "grep -q 'count = 7' two.txt || { echo 'two_test.sh:1: error: the test says 7'; exit 1; }\n";
    let right = "grep -q 'count = 1' two.txt || { echo 'two_test.sh:1: error: the test says 1'; exit 1; }\n";
    let story = || stories::tiny_unfixable().tests("two_test.sh", wrong);
    // Nobody mends it.
    let model = Model::start(story());
    let env = Env::new();
    env.write_config(&Config::one(&model, Wire::OpenAi).tester("main"));
    let args = |dir: &'static str| ["run", "-o", dir, "--json", "--iterate", "--check", TESTED, "two files"];
    let out = env.et(args("a")).run();
    let report = out.result();
    assert_eq!(report.outcome, Outcome::NoProgress, "{out}");
    assert_eq!(report.check.diagnostics[0].owner.as_deref(), Some("tester"));
    assert_eq!(env.read("a/two_test.sh"), wrong);
    // The tester mends what is its own.
    let model = Model::start(story().fix("two_test.sh", "the test says 7", right));
    env.write_config(&Config::one(&model, Wire::OpenAi).tester("main"));
    let out = env.et(args("b")).run();
    assert_eq!(out.assert_ok().result().outcome, Outcome::Passed);
    assert_eq!(fixes(&out.events()), ["tester"]);
    assert_eq!(env.read("b/two_test.sh"), right);
    let asked = model.count("test");
    // Skipped, nobody writes tests.
    env.et(["run", "-o", "c", "--no-tester", "two files"]).run().assert_ok();
    assert_eq!(model.count("test"), asked);
    assert!(!env.has("c/two_test.sh"));
}

#[test]
fn a_test_of_the_tester_finds_a_mistake_in_the_code() {
    require_tool!("python3");
    let wrong = "def add(a, b):\n    return a - b\n";
    let right = "def add(a, b):\n    return a + b\n";
    let test = "import unittest\n\nfrom adder import add\n\n\nclass AddTest(unittest.TestCase):\n    def test_add(self):\n        self.assertEqual(add(2, 3), 5)\n";
    let model = Model::start(
        Story::new()
            .contract("Python", "def add(a, b)", [])
            .plan([Sub::new("adder", "An adder").owns(["adder.py"])])
            .file("adder", "adder.py", wrong)
            .tests("test_adder.py", test)
            .fix("adder.py", "AssertionError", right)
            .no_fix(),
    );
    let env = Env::new();
    env.write_config(&Config::one(&model, Wire::OpenAi).tester("main"));
    let out = env.et(["run", "-o", "a", "--json", "--iterate", "--max-iterations", "4", "an adder"]).run();
    assert_eq!(out.assert_ok().result().outcome, Outcome::Passed, "{out}");
    assert_eq!(checks(&out.events()).first(), Some(&CheckStatus::Red), "{out}");
    assert_eq!(env.read("a/adder.py"), right);
    assert_eq!(env.read("a/test_adder.py"), test, "the test stays");
}

#[test]
fn specialists_do_what_the_plan_gives_them() {
    let story = || {
        Story::new()
            .models(["scripted", "expert"])
            .contract("Text", "", [])
            .plan([
                Sub::new("one", "The first file").owns(["one.txt"]),
                Sub::new("two", "The second file").owns(["two.txt"]).specialist("sql"),
            ])
            .file("one", "one.txt", TINY_ONE)
            .file("two", "two.txt", TINY_MENDED)
    };
    let model = Model::start(story().expects("plan", "SQL and schema work"));
    let env = Env::new();
    let config = |model: &Model| {
        Config::one(model, Wire::OpenAi).model("expert", "scripted", "expert").specialist(
            "sql",
            "SQL and schema work",
            "expert",
        )
    };
    env.write_config(&config(&model));
    env.et(["run", "-o", "a", "two files"]).run().assert_ok();
    assert_eq!((model.count("work/one@scripted"), model.count("work/two@expert")), (1, 1), "{}", model.summary());
    let model = Model::start(story());
    env.write_config(&config(&model));
    env.et(["run", "-o", "b", "--no-specialists", "two files"]).run().assert_ok();
    assert_eq!((model.count("work/two@scripted"), model.count("*@expert")), (1, 0));
    assert!(!model.calls("plan")[0].text.contains("SQL and schema work"));
}

#[test]
fn a_plan_in_prose_is_read_and_agreed_upon() {
    let story = || {
        Story::new()
            .prose()
            .contract("Text", "the name is one", ["count from 1"])
            .plan([
                Sub::new("1", "The first file").owns(["one.txt"]).instructions("It holds the name that others use."),
                Sub::new("2", "The second file")
                    .owns(["two.txt"])
                    .after(["1"])
                    .instructions("It holds the count of the first."),
            ])
            .file("1", "one.txt", TINY_ONE)
            .file("2", "two.txt", TINY_MENDED)
            .lenient()
    };
    let model = Model::start(story().hold_at("work/1", Point::Headers));
    let env = Env::new();
    env.config(&model);
    let run = env.et_spawn(["run", "-o", "a", "--json", "two files"]);
    model.wait_for_held("work/1");
    let ready = run.wait_for_event(|line| matches!(line.event, Event::PlanReady { .. }));
    assert!(matches!(&ready.event, Event::PlanReady { form, subtasks: 2, .. } if form == "prose"), "{ready:?}");
    model.wait_for_complete("coordinate");
    assert_eq!(model.count("work/2"), 0, "it waits for the first");
    model.release("work/1");
    let out = run.wait();
    assert_eq!(out.assert_ok().result().outcome, Outcome::Completed);
    assert_eq!(env.read("a/two.txt"), TINY_MENDED);
    assert!(model.calls("work/2")[0].text.contains("count from 1"), "who hadn't started sees what was agreed");
    let model = Model::start(story());
    env.config(&model);
    env.et(["run", "-o", "b", "--no-coordinate", "two files"]).run().assert_ok();
    assert_eq!(model.count("coordinate"), 0);
}

#[test]
fn an_answer_that_is_not_whole_is_asked_again() {
    let lazy = "===FILE: two.py===\ndef first():\n    return 1\n\n# ... rest of the code\n===ENDFILE===\n";
    let whole = "def first():\n    return 1\n\n\ndef second():\n    return 2\n";
    for fault in [Fault::LengthCut, Fault::Empty, Fault::Text(lazy.to_owned())] {
        let story = Story::new()
            .plan([
                Sub::new("one", "The first file").owns(["one.txt"]),
                Sub::new("two", "Two functions").owns(["two.py"]),
            ])
            .file("one", "one.txt", TINY_ONE)
            .file("two", "two.py", whole);
        let model = Model::start(story.fail("work/two", fault.clone()));
        let env = Env::new();
        env.config(&model);
        let out = env.et(["run", "-o", "a", "--json", "two files"]).run();
        assert_eq!(out.assert_ok().result().outcome, Outcome::Completed, "{fault:?}");
        assert_eq!(env.read("a/two.py"), whole, "{fault:?}");
        assert_eq!(model.count("work/two"), 2, "{fault:?}: {}", model.summary());
        let failures = failures(&out.events());
        if matches!(fault, Fault::LengthCut) {
            assert_eq!(failures, [], "it goes on: {out}");
        } else if !matches!(fault, Fault::Empty) {
            assert_eq!(failures.len(), 1, "{fault:?}: {out}");
            assert!(failures[0].0 == "two" && failures[0].2, "{failures:?}");
        }
    }
}

#[test]
fn a_worker_that_never_answers_whole_is_not_asked_for_ever() {
    let model = Model::start(stories::tiny().fail_always("work/two", Fault::LengthCut));
    let env = Env::new();
    env.config(&model);
    let out = env.et(["run", "-o", "a", "--json", "two files"]).run();
    let report = out.assert_code(8).result();
    assert_eq!(report.subtasks[1].state, SubtaskState::Failed);
    assert!(!env.has("a/two.txt"), "half a file is never written");
    assert!(model.count("work/two") <= 5, "{}", model.summary());
}

#[test]
fn what_comes_after_sees_what_came_before() {
    let story = Story::new()
        .contract("Text", "", [])
        .plan([
            Sub::new("one", "The first file").owns(["one.txt"]),
            Sub::new("two", "The second file").owns(["two.txt"]).reads(["one.txt"]).after(["one"]),
        ])
        .file("one", "one.txt", TINY_ONE)
        .file("two", "two.txt", TINY_MENDED)
        .expects("work/two", "name = one")
        .hold_at("work/one", Point::End);
    let model = Model::start(story);
    let env = Env::new();
    env.config(&model);
    let run = env.et_spawn(["run", "-o", "a", "--json", "two files"]);
    model.wait_for_held("work/one");
    run.wait_for_event(|line| matches!(line.event, Event::PlanReady { .. }));
    assert_eq!(model.count("work/two"), 0);
    model.release("work/one");
    run.wait().assert_ok();
    assert_eq!(model.count("work/two"), 1);
}

#[test]
fn what_nobody_owns_is_taken_over_and_mended_by_the_integrator() {
    // The first worker gives a file besides its own.
    let check = "grep -q good extra.txt || { echo 'extra.txt:1: error: extra is bad'; exit 1; }";
    let model = Model::start(stories::tiny_unfixable().file("one", "extra.txt", "extra and bad\n").fix(
        "extra.txt",
        "extra is bad",
        "good\n",
    ));
    let env = Env::new();
    env.config(&model);
    let out = env.et(["run", "-o", "a", "--json", "--iterate", "--check", check, "two files"]).run();
    let report = out.assert_ok().result();
    assert_eq!(fixes(&out.events()), ["integrator"], "{out}");
    assert_eq!(env.read("a/extra.txt"), "good\n");
    let extra = report.files.iter().find(|file| file.path == "extra.txt").expect("it is in the result");
    assert_eq!(extra.worker, "integrator");
}

#[test]
fn a_file_of_another_worker_is_refused() {
    let model = Model::start(stories::tiny().file("one", "two.txt", "mine now\n"));
    let env = Env::new();
    env.config(&model);
    let out = env.et(["run", "-o", "a", "--json", "two files"]).run();
    let report = out.assert_ok().result();
    assert_eq!(env.read("a/two.txt"), TINY_BROKEN);
    assert_eq!((report.refused[0].path.as_str(), report.refused[0].worker.as_str()), ("two.txt", "one"), "{out}");
}

#[test]
fn a_file_that_would_shrink_a_lot_is_asked_for_again() {
    let long: String = (1..=80).map(|line| format!("line {line} of what is there\n")).collect();
    let whole: String = (1..=80).map(|line| format!("line {line}, changed\n")).collect();
    // Given short by mistake: the whole file comes with the second answer.
    let model =
        Model::start(stories::tiny().file_at("two", 2, "two.txt", &whole).expects("work/two#2", "less than half"));
    let env = Env::new();
    env.config(&model);
    env.write("a/two.txt", &long);
    env.et(["run", "-o", "a", "two files"]).run().assert_ok();
    assert_eq!(env.read("a/two.txt"), whole);
    // Meant so: the second answer says the same.
    let model = Model::start(stories::tiny());
    env.config(&model);
    env.write("b/two.txt", &long);
    let out = env.et(["run", "-o", "b", "--json", "two files"]).run();
    let report = out.assert_ok().result();
    assert_eq!(env.read("b/two.txt"), TINY_BROKEN);
    assert!(report.refused.is_empty(), "{out}");
    assert_eq!(model.count("work/two"), 2);
    // A fix is never that short.
    let model =
        Model::start(stories::tiny_unfixable().file("two", "two.txt", &long).fix("two.txt", "too long", "short\n"));
    env.config(&model);
    let check = "test $(wc -l < two.txt) -lt 9 || { echo 'two.txt:9: error: too long'; exit 1; }";
    let out = env.et(["run", "-o", "c", "--json", "--iterate", "--check", check, "two files"]).run();
    let report = out.assert_code(6).result();
    assert_eq!(env.read("c/two.txt"), long);
    assert!(report.refused.iter().any(|refusal| refusal.path == "two.txt"), "{out}");
}

#[test]
fn a_fix_that_makes_it_worse_is_undone() {
    let check = "grep -q 'count = 2' two.txt && exit 0; grep -q worse two.txt && { echo 'two.txt:1: error: worse now'; echo 'two.txt:3: error: and more'; }; echo 'two.txt:2: error: count is wrong'; exit 1";
    let model = Model::start(stories::tiny_unfixable().fix("two.txt", "count is wrong", "worse\n\n\n"));
    let env = Env::new();
    env.config(&model);
    let args = ["run", "-o", "a", "--json", "--iterate", "--max-iterations", "2", "--check", check, "two files"];
    let out = env.et(args).run();
    let report = out.assert_code(1).result();
    assert_eq!((report.iterations, report.best_iteration), (2, Some(1)));
    assert_eq!(env.read("a/two.txt"), TINY_BROKEN, "the best tree is in place");
    let restored = out
        .events()
        .into_iter()
        .any(|line| matches!(line.event, Event::TreeRestored { iteration: 1, ref files } if *files == ["two.txt"]));
    assert!(restored, "{out}");
    assert_eq!(report.check.diagnostics.len(), 1, "the result is that of the best tree: {out}");
    let file = report.files.iter().find(|file| file.path == "two.txt").expect("it was written");
    let sum = env.command("/usr/bin/sha256sum", ["a/two.txt"]).run();
    assert_eq!(file.sha256.as_deref(), sum.stdout.split_whitespace().next());
}

#[test]
fn a_check_without_iterate_runs_once_and_mends_nothing() {
    let model = Model::start(stories::tiny());
    let env = Env::new();
    env.config(&model);
    let out = env.et(["run", "-o", "a", "--json", "--check", TINY_CHECK, "two files"]).run();
    let report = out.assert_code(1).result();
    assert_eq!((report.outcome, report.iterations), (Outcome::CheckFailed, 1));
    assert_eq!(checks(&out.events()), [CheckStatus::Red]);
    assert_eq!(model.count("fix"), 0);
    assert_eq!(env.read("a/two.txt"), TINY_BROKEN);
}

#[test]
fn a_dry_run_plans_and_writes_nothing() {
    let model = Model::start(stories::tiny());
    let env = Env::new();
    env.config(&model);
    let out = env.et(["run", "-o", "a", "--dry-run", "--iterate", "two files"]).run();
    out.assert_ok().assert_stdout("The first file").assert_stdout("two.txt");
    assert_eq!((model.count("plan"), model.count("*")), (1, 1), "only the planner is asked");
    assert!(!env.has("a/one.txt"));
    let out = env.et(["run", "-o", "a", "--dry-run", "--json", "two files"]).run();
    let report = out.assert_ok().result();
    assert_eq!(report.subtasks.len(), 2);
    assert_ne!(report.subtasks[0].state, SubtaskState::Delivered, "nothing was done: {out}");
}

#[test]
fn no_synthesize_is_silent() {
    let model = Model::start(stories::tiny());
    let env = Env::new();
    env.config(&model);
    let out = env.et(["run", "-o", "a", "--no-synthesize", "two files"]).run();
    assert_eq!(out.assert_ok().stdout, "");
    assert_eq!(model.count("synthesis"), 0);
    assert!(env.newest_log_dir().join("_synthesis.md").is_file());
    // Quiet is silent on stderr as well.
    let out = env.et(["run", "-o", "b", "--quiet", "two files"]).run();
    assert_eq!(out.assert_ok().stderr, "");
}

#[test]
fn the_planner_is_told_how_many_subtasks_and_none_is_dropped() {
    let model = Model::start(stories::wide(6).expects("plan", "4"));
    let env = Env::new();
    env.config(&model);
    let out = env.et(["run", "-o", "a", "--json", "--max-subtasks", "4", "many parts"]).run();
    let report = out.assert_ok().result();
    assert_eq!(report.subtasks.len(), 6);
    for number in 1..=6 {
        assert!(env.has(&format!("a/part-{number}.txt")));
    }
}

#[test]
fn workers_at_once_are_as_many_as_asked_for() {
    let model = Model::start(stories::wide(5).hold("work"));
    let env = Env::new();
    env.config(&model);
    let run = env.et_spawn(["run", "-o", "a", "--json", "--workers", "2", "many parts"]);
    let held =
        |records: &[tests::model::Record]| records.iter().filter(|record| record.is("work") && record.held).count();
    model.wait_until("two workers", |records| (held(records) == 2).then_some(()));
    run.wait_for_event(|line| matches!(line.event, Event::PlanReady { .. }));
    assert_eq!(model.count("work"), 2);
    model.release("work");
    run.wait().assert_ok();
    assert_eq!(model.count("work"), 5);
}

#[test]
fn the_log_dir_holds_what_it_promises() {
    let model = Model::start(stories::tiny());
    let env = Env::new();
    env.config(&model);
    let out = env.et(["run", "-o", "a", "--json", "--iterate", "--check", TINY_CHECK, "two files"]).run();
    let report = out.assert_ok().result();
    let dir = env.newest_log_dir();
    assert_eq!(report.log_dir.as_deref(), dir.to_str());
    let read = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    // The date, the local one, and the round's short id.
    let name = dir.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
    let (date, id) = name.split_once('_').expect("date and id");
    assert!(date.len() == 10 && date.chars().filter(|c| *c == '-').count() == 2 && id.len() == 8, "{name}");
    use std::os::unix::fs::PermissionsExt as _;
    for entry in std::fs::read_dir(&dir).expect("the dir").filter_map(Result::ok) {
        assert_eq!(entry.metadata().expect("meta").permissions().mode() & 0o077, 0, "{entry:?} is private");
    }
    assert_eq!(std::fs::metadata(&dir).expect("meta").permissions().mode() & 0o077, 0, "the dir is private");
    assert!(read("worker-1.out").contains(TINY_ONE));
    assert!(read("worker-2.out").contains(TINY_MENDED), "the last answer of the second");
    assert!(read("worker-2.attempt1.out").contains(TINY_BROKEN));
    let log = read("_build_iter1.log");
    let parts = ["$ grep -q", "exit status 1", "=== stdout ===", "count is wrong", "=== stderr ==="];
    let mut from = 0;
    for part in parts {
        let at = log[from..].find(part).unwrap_or_else(|| panic!("{part:?} is missing, or stands before, in\n{log}"));
        from += at;
    }
    assert!(read("_build_iter2.log").contains("=== stdout ==="));
    for line in read("_decisions.jsonl").lines() {
        let decision: Value = serde_json::from_str(line).expect("a line of JSON");
        let keys: Vec<&str> = decision.as_object().expect("an object").keys().map(String::as_str).collect();
        let mut expected = ["timestamp", "phase", "agent", "intent", "action", "outcome", "detail", "token_cost"];
        expected.sort_unstable();
        let mut keys = keys;
        keys.sort_unstable();
        assert_eq!(keys, expected, "{line}");
    }
    let phases = ["plan", "work", "write", "check", "fix", "synthesis"];
    for phase in phases {
        assert!(
            read("_decisions.jsonl").contains(&format!("\"phase\":\"{phase}\"")),
            "{phase} is missing in\n{}",
            read("_decisions.jsonl")
        );
    }
    let plan: Value = serde_json::from_str(&read("_plan.json")).expect("JSON");
    assert_eq!(plan["subtasks"].as_array().map(Vec::len), Some(2), "{plan}");
    // The file is the last line that was printed, but for what every line has.
    let file: RoundReport = serde_json::from_str(&read("_result.json")).expect("a result");
    assert_eq!(file, report);
    let words = read("_synthesis.md");
    for part in ["- Outcome: passed (exit code 0)", "- Check: green", "`one.txt`", "## What was built"] {
        assert!(words.contains(part), "{part:?} is missing in\n{words}");
    }
}

#[test]
fn one_round_at_a_time_in_a_dir_and_below_it() {
    for below in ["a", "a/deep/down"] {
        let model = Model::start(stories::tiny().hold("work/two"));
        let env = Env::new();
        env.config(&model);
        let first = env.et_spawn(["run", "-o", "a", "--json", "first task"]);
        model.wait_for_held("work/two");
        let second = env.et_spawn(["run", "-o", below, "--json", "second task"]);
        let queued = second.wait_for_event(|line| matches!(line.event, Event::RoundQueued { .. }));
        let Event::RoundQueued { waits_for: Some(waits_for), .. } = queued.event else {
            panic!("it doesn't say what it waits for: {queued:?}")
        };
        let list = env.et(["session", "list", "--json"]).run().json();
        let states: Vec<&str> =
            list["sessions"].as_array().expect("a list").iter().filter_map(|one| one["state"].as_str()).collect();
        assert_eq!(states, ["queued", "running"], "{list}");
        assert_eq!(model.count("plan"), 1, "it doesn't begin");
        model.release("work/two");
        let out = first.wait();
        assert_eq!(out.assert_ok().events()[0].session, waits_for);
        let out = second.wait();
        assert_eq!(out.assert_ok().result().outcome, Outcome::Completed);
        assert_eq!(env.read(&format!("{below}/two.txt")), TINY_BROKEN);
    }
}

#[test]
fn dirs_beside_one_another_do_not_wait() {
    let model = Model::start(stories::tiny().hold("work/two#1"));
    let env = Env::new();
    env.config(&model);
    let first = env.et_spawn(["run", "-o", "a", "--json", "two files"]);
    model.wait_for_held("work/two");
    let second = env.et_spawn(["run", "-o", "ab", "--json", "two files"]);
    second.wait_for_event(|line| matches!(line.event, Event::RoundStarted { .. }));
    model.release("work/two#1");
    first.wait().assert_ok();
    second.wait().assert_ok();
}

#[test]
fn a_message_has_the_flags_of_the_spawn_and_its_own() {
    let model = Model::start(stories::tiny_unfixable().fix_any("two.txt", "the second file\ncount = 3\n"));
    let env = Env::new();
    env.config(&model);
    let spawn =
        ["session", "spawn", "-o", "a", "--check", TINY_CHECK, "--max-iterations", "1", "--no-synthesize", "two files"];
    let id = env.et(spawn).run().assert_ok().stdout.trim().to_owned();
    env.et(["session", "wait", &id]).run().assert_code(1);
    assert_eq!((model.count("fix"), model.count("synthesis")), (0, 0));
    // The check and --no-synthesize are still those of the spawn.
    env.et(["session", "send", &id, "go on", "--max-iterations", "2"]).run().assert_ok();
    let out = env.et(["session", "attach", &id, "--json"]).run();
    let report = out.assert_code(1).result();
    assert_eq!(report.iterations, 2, "{out}");
    assert!(report.check.command.as_deref().is_some_and(|command| command.contains("count = 2")), "{out}");
    assert_eq!(model.count("synthesis"), 0);
    // What a message said is said for itself only... and its own limit is back for the next one.
    env.et(["session", "send", "last", "and on", "--check", "true"]).run().assert_ok();
    let out = env.et(["session", "attach", "last", "--json"]).run();
    assert!(out.events().iter().any(|line| is_result(line, Outcome::Passed)), "{out}");
}
