//! Rounds in a tree that is there already, what callers ask for with flags, and what waits in line.

use proto::event::Event;
use proto::outcome::Outcome;
use proto::report::{CheckStatus, FileAction, SubtaskState};
use tests::env::{Config, Env};
use tests::model::{Fault, Model, Point, Story, Sub, Wire};
use tests::projects::stories::{self, TINY_BROKEN, TINY_MENDED, TINY_ONE};
use tests::require_tool;

#[test]
fn a_file_that_a_person_changes_meanwhile_is_asked_again_with_the_new_content() {
    let model = Model::start(stories::tiny().hold_at("work/two#1", Point::Headers).expects("work/two#2", "by hand"));
    let env = Env::new();
    env.config(&model);
    env.write("a/two.txt", "as it was\n");
    let run = env.et_spawn(["run", "-o", "a", "--json", "two files"]);
    model.wait_for_held("work/two");
    env.write("a/two.txt", "changed by hand\n");
    model.release("work/two#1");
    let out = run.wait();
    assert_eq!(out.assert_ok().result().outcome, Outcome::Completed);
    assert_eq!(model.count("work/two"), 2, "{}", model.summary());
    assert_eq!(env.read("a/two.txt"), TINY_BROKEN);
}

#[test]
fn no_change_needed_is_an_answer() {
    let model = Model::start(stories::tiny().no_change("two"));
    let env = Env::new();
    env.config(&model);
    env.write("a/two.txt", "good as it is\n");
    let out = env.et(["run", "-o", "a", "--json", "two files"]).run();
    let report = out.assert_ok().result();
    assert_eq!(report.subtasks[1].state, SubtaskState::Delivered);
    assert_eq!(env.read("a/two.txt"), "good as it is\n");
    assert_eq!(report.files.len(), 1, "what didn't change isn't listed: {out}");
    // Where the file is missing, it is no answer.
    let out = env.et(["run", "-o", "b", "--json", "two files"]).run();
    assert_eq!(out.assert_code(8).result().subtasks[1].state, SubtaskState::Failed, "{out}");
}

#[test]
fn a_file_is_deleted_by_its_owner() {
    let model = Model::start(stories::tiny().says("work/two", "===DELETE: two.txt===\n\nIt isn't needed any more."));
    let env = Env::new();
    env.config(&model);
    env.write("a/two.txt", "old\n");
    let out = env.et(["run", "-o", "a", "--json", "remove the second file"]).run();
    let report = out.assert_ok().result();
    assert!(!env.has("a/two.txt"));
    let two = report.files.iter().find(|file| file.path == "two.txt").expect("it is in the result");
    assert_eq!((two.action, &two.sha256), (FileAction::Deleted, &None), "{out}");
}

#[test]
fn a_subtask_that_owns_nothing_claims_what_it_writes() {
    let model = Model::start(
        Story::new()
            .plan([Sub::new("one", "The first file").owns(["one.txt"]), Sub::new("free", "Whatever else is needed")])
            .file("one", "one.txt", TINY_ONE)
            .file("free", "notes/two.txt", TINY_BROKEN)
            .fix("notes/two.txt", "count is wrong", TINY_MENDED),
    );
    let env = Env::new();
    env.config(&model);
    let check = "grep -q 'count = 2' notes/two.txt || { echo 'notes/two.txt:2: error: count is wrong'; exit 1; }";
    let out = env.et(["run", "-o", "a", "--json", "--iterate", "--check", check, "some files"]).run();
    assert_eq!(out.assert_ok().result().outcome, Outcome::Passed);
    let owner = out.events().into_iter().find_map(|line| match line.event {
        Event::FixAssigned { owner, .. } => Some(owner),
        _ => None,
    });
    assert_eq!(owner.as_deref(), Some("free"), "what it wrote is its own to mend");
}

#[test]
fn errors_of_two_owners_are_mended_at_the_same_time() {
    let model = Model::start(
        stories::tiny_unfixable()
            .fix("one.txt", "name is wrong", "the first file\nname = two\n")
            .fix("two.txt", "count is wrong", TINY_MENDED)
            .hold("fix"),
    );
    let env = Env::new();
    env.config(&model);
    // A script, so that the command doesn't name the errors.
    let check = "rc=0; grep -q 'name = two' one.txt || { echo 'one.txt:2: error: name is wrong'; rc=1; }; \
                 grep -q 'count = 2' two.txt || { echo 'two.txt:2: error: count is wrong'; rc=1; }; exit $rc";
    env.write("check.sh", check);
    let run = env.et_spawn(["run", "-o", "a", "--json", "--iterate", "--check", "sh ../check.sh", "two files"]);
    model.wait_until("both fixes", |records| {
        (records.iter().filter(|record| record.is("fix") && record.held).count() == 2).then_some(())
    });
    for (one, other) in [("one", "count is wrong"), ("two", "name is wrong")] {
        let call = &model.calls(&format!("fix/{one}"))[0];
        assert!(!call.text.contains(other), "each is sent its own errors only");
    }
    model.release("fix");
    assert_eq!(run.wait().assert_ok().result().iterations, 2);
}

#[test]
fn no_test_leaves_tests_out() {
    require_tool!("python3");
    let test = "import unittest\n\n\nclass T(unittest.TestCase):\n    def test_it(self):\n        self.fail('never')\n";
    let story = Story::new()
        .plan([Sub::new("code", "Code and test").owns(["code.py", "test_code.py"])])
        .file("code", "code.py", "def one():\n    return 1\n")
        .file("code", "test_code.py", test)
        .no_fix();
    let model = Model::start(story);
    let env = Env::new();
    env.config(&model);
    let out = env.et(["run", "-o", "a", "--json", "--iterate", "some code"]).run();
    assert_eq!(out.assert_code(6).result().check.status, CheckStatus::Red, "{out}");
    let out = env.et(["run", "-o", "b", "--json", "--iterate", "--no-test", "some code"]).run();
    assert_eq!(out.assert_ok().result().outcome, Outcome::Passed);
}

#[test]
fn another_role_plans() {
    let model = Model::start(stories::tiny().models(["scripted", "big"]));
    let env = Env::new();
    let config = Config::one(&model, Wire::OpenAi).model("big", "scripted", "big").role("architect", ["big"], []);
    env.write_config(&config);
    env.et(["run", "-o", "a", "--role", "architect", "two files"]).run().assert_ok();
    assert_eq!((model.count("plan@big"), model.count("plan@scripted"), model.count("work@scripted")), (1, 0, 2));
}

#[test]
fn detached_it_says_the_id_and_goes_on() {
    let model = Model::start(stories::tiny().hold("work/two"));
    let env = Env::new();
    env.config(&model);
    let id = env.et(["run", "-o", "a", "--detach", "two files"]).run().assert_ok().stdout.trim().to_owned();
    model.wait_for_held("work/two");
    let json = env.et(["run", "-o", "b", "--detach", "--json", "two files"]).run().assert_ok().json();
    assert_eq!(json["round"], 1);
    let spawned = env.et(["session", "spawn", "-o", "c", "--no-iterate", "--json", "two files"]).run();
    let spawned = spawned.assert_ok().json();
    assert!(spawned["session"].as_str().is_some_and(|id| id.len() == 36) && spawned["round"] == 1, "{spawned}");
    model.release("work/two");
    env.et(["session", "wait", &id]).run().assert_ok();
    env.et(["session", "wait", json["session"].as_str().expect("an id")]).run().assert_ok();
    env.et(["session", "wait", "last"]).run().assert_ok();
    assert_eq!(env.read("c/two.txt"), TINY_BROKEN);
}

#[test]
fn one_that_waits_in_line_can_be_cancelled() {
    let model = Model::start(stories::tiny().hold("work/two"));
    let env = Env::new();
    env.config(&model);
    let first = env.et_spawn(["run", "-o", "a", "--json", "two files"]);
    model.wait_for_held("work/two");
    let second = env.et_spawn(["run", "-o", "a", "--json", "two files"]);
    second.wait_for_event(|line| matches!(line.event, Event::RoundQueued { .. }));
    env.et(["session", "kill", "last"]).run().assert_ok();
    let out = second.wait();
    assert_eq!(out.assert_code(130).result().outcome, Outcome::Cancelled);
    model.release("work/two");
    first.wait().assert_ok();
    assert_eq!(model.count("plan"), 1, "the cancelled one never began");
}

#[test]
fn messages_are_played_in_their_order_and_see_what_came_before() {
    let chapter = |task: &str| {
        Story::new().task(task).plan([Sub::new("one", "The first file").owns(["one.txt"])]).file(
            "one",
            "one.txt",
            &format!("{task}, done\n"),
        )
    };
    let model = Model::start(
        chapter("write the first version")
            .and(chapter("write the second version"))
            .and(chapter("write the third version"))
            .hold_at("plan#1", Point::Headers),
    );
    let env = Env::new();
    env.config(&model);
    let spawn = ["session", "spawn", "-o", "a", "--no-iterate", "write the first version"];
    let id = env.et(spawn).run().assert_ok().stdout.trim().to_owned();
    model.wait_for_held("plan");
    env.et(["session", "send", &id, "write the second version"]).run().assert_ok();
    env.et(["session", "send", &id[..8], "write the third version"]).run().assert_ok();
    model.release("plan#1");
    let out = env.et(["session", "attach", &id, "--from", "start", "--json"]).run();
    let rounds: Vec<u32> = out
        .assert_ok()
        .events()
        .into_iter()
        .filter(|line| matches!(line.event, Event::Result(_)))
        .map(|line| line.round)
        .collect();
    assert_eq!(rounds, [1, 2, 3]);
    let seqs: Vec<u64> = out.events().iter().filter_map(|line| line.seq).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>(), "events count from 1 without a gap");
    let plans = model.calls("plan");
    assert_eq!(plans.len(), 3);
    assert!(plans[1].text.contains("one.txt"), "the second planner sees the tree of the first");
    assert!(plans[1].text.contains("write the first version") && plans[2].text.contains("write the second version"));
    assert_eq!(env.read("a/one.txt"), "write the third version, done\n");
}

#[test]
fn a_tester_and_a_reviewer_that_nobody_serves_stop_nothing() {
    let model = Model::start(
        stories::tiny()
            .scores(8)
            .tests("t.txt", "a test")
            .fail_always("review", Fault::Status(403))
            .fail_always("test", Fault::Status(403))
            .fail_always("synthesis", Fault::Status(403)),
    );
    let env = Env::new();
    env.write_config(&Config::one(&model, Wire::OpenAi).reviewer("main").tester("main"));
    let out = env.et(["run", "-o", "a", "--json", "two files"]).run();
    assert_eq!(out.assert_ok().result().outcome, Outcome::Completed);
    let notes: Vec<String> = out
        .events()
        .into_iter()
        .filter_map(|line| match line.event {
            Event::Note { text, .. } => Some(text),
            _ => None,
        })
        .collect();
    for part in ["wasn't reviewed", "no tests were written", "no synthesis"] {
        assert!(notes.iter().any(|note| note.contains(part)), "{part:?} isn't said: {notes:?}");
    }
}
