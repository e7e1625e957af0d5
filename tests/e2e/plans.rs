//! Plans that aren't what they should be: what the planner is asked about, what goes to one worker, and what the integrator is for.

use proto::event::{Event, EventLine};
use proto::outcome::Outcome;
use proto::report::{CheckStatus, SubtaskState};
use serde_json::json;
use tests::env::Env;
use tests::model::{Model, Point, Story, Sub};
use tests::projects::stories::{self, TINY_BROKEN, TINY_MENDED, TINY_ONE};

use crate::aftermath::{assert_nothing_left, assert_same_log, wait_for_type};

/// A plan as a text; `layout` as the planner says it, whoever owns what.
fn raw(layout: &[&str], subs: &[serde_json::Value]) -> String {
    json!({"subtasks": subs, "contract": {"language": "Text", "layout": layout, "shared": "", "conventions": []}})
        .to_string()
}

/// A subtask as in [`Sub::new`].
fn sub(id: &str, title: &str, owns: &[&str], after: &[&str]) -> serde_json::Value {
    let text = format!("Part {id} of the work: {title}; complete and precise.");
    json!({"id": id, "title": title, "instructions": text, "owns": owns, "reads": [], "after": after, "provides": [], "requires": [], "specialist": null})
}

fn notes(events: &[EventLine]) -> String {
    let read = |line: &EventLine| match &line.event {
        Event::PlanReady { notes, .. } => Some(notes.join("\n")),
        _ => None,
    };
    events.iter().find_map(read).expect("a plan.ready")
}

/// Two subtasks, and a file of the layout that nobody owns.
fn forgotten() -> Story {
    let plan = raw(
        &["one.txt", "two.txt", "three.txt"],
        &[sub("one", "The first file", &["one.txt"], &[]), sub("two", "The second file", &["two.txt"], &["one"])],
    );
    let mended = raw(&["one.txt", "two.txt", "three.txt"], &[sub("three", "The third file", &["three.txt"], &[])]);
    Story::new()
        .plan([
            Sub::new("one", "The first file").owns(["one.txt"]),
            Sub::new("two", "The second file").owns(["two.txt"]).after(["one"]),
            Sub::new("three", "The third file").owns(["three.txt"]),
        ])
        .raw_plan(&plan)
        .says("plan#2", &mended)
        // Asked again after a death, it is told that more is under way.
        .says("plan#3", &mended)
        .expects("plan#2", "three.txt is in the layout, and nobody owns it")
        .file("one", "one.txt", TINY_ONE)
        .file("two", "two.txt", TINY_MENDED)
        .file("three", "three.txt", "the third\n")
}

#[test]
fn work_that_nobody_has_is_asked_about_once() {
    let model = Model::start(forgotten().hold_at("plan#2", Point::Headers));
    let env = Env::new();
    env.config(&model);
    let run = env.et_spawn(["run", "-o", "a", "--json", "three files"]);
    // Who can start starts meanwhile.
    model.wait_for_held("plan#2");
    model.wait_for_complete("work/one");
    model.release("plan#2");
    let out = run.wait();
    let report = out.assert_ok().result();
    assert_eq!(env.read("a/three.txt"), "the third\n");
    let ids: Vec<&str> = report.subtasks.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids, ["one", "two", "three"], "{out}");
    assert!(report.subtasks.iter().all(|one| one.state == SubtaskState::Delivered), "{out}");
    assert_eq!((model.count("plan"), model.count("work")), (2, 3), "{}", model.summary());
    assert!(notes(&out.events()).contains("changed: three"), "{out}");
}

#[test]
fn a_planner_that_dies_over_its_repair_is_asked_again() {
    let model = Model::start(forgotten().hold_at("plan#2", Point::Half));
    let env = Env::new();
    env.config(&model);
    let run = env.et_spawn(["run", "-o", ".", "--json", "--no-synthesize", "three files"]);
    model.wait_for_held("plan#2");
    // Nothing else is in flight.
    wait_for_type(&run, "file.written", "two.txt");
    env.kill_daemon();
    model.wait_until("the death to be seen", |records| {
        records.iter().find(|record| record.is("plan") && !record.complete).filter(|record| record.gone).map(|_| ())
    });
    model.release("plan#2");
    let out = run.wait();
    out.assert_ok();
    assert_same_log(&env, &out);
    model.no_call_twice();
    assert_eq!((model.count("plan"), model.count("work")), (3, 3), "{}", model.summary());
    assert_eq!(out.result().usage.repeated_calls, 1);
    assert_eq!(env.read("three.txt"), "the third\n");
    assert_nothing_left(env);
}

#[test]
fn what_can_be_mended_is_not_asked_about() {
    // Waiting for what isn't there and in a circle, a file with two owners, docs that nobody owns.
    let plan = raw(
        &["one.txt", "two.txt", "README.md"],
        &[
            sub("one", "The first file", &["one.txt"], &["two", "ghost"]),
            sub("two", "The second file", &["two.txt", "ONE.txt"], &["one"]),
        ],
    );
    // Mended, one waits for the other, and neither could start before: one worker does both.
    let model = Model::start(stories::tiny().raw_plan(&plan).file("one", "two.txt", TINY_MENDED));
    let env = Env::new();
    env.config(&model);
    let out = env.et(["run", "-o", "a", "--json", "two files"]).run();
    let report = out.assert_ok().result();
    assert_eq!((report.outcome, report.subtasks.len()), (Outcome::Completed, 2), "{out}");
    assert_eq!((model.count("plan"), model.count("work")), (1, 1), "{}", model.summary());
    let notes = notes(&out.events());
    for words in ["ghost", "wait for one another", "ONE.txt stays with one"] {
        assert!(notes.contains(words), "{words}: {notes}");
    }
}

#[test]
fn a_chain_of_three_is_one_call() {
    let story = Story::new()
        .contract("Text", "", [])
        .plan([
            Sub::new("first", "The first file").owns(["first.txt"]),
            Sub::new("a", "The file a").owns(["a.txt"]).after(["first"]),
            Sub::new("b", "The file b").owns(["b.txt"]).after(["a"]),
            Sub::new("c", "The file c").owns(["c.txt"]).after(["b"]),
        ])
        .file("first", "first.txt", TINY_ONE)
        .file("a", "a.txt", "a\n")
        .file("a", "b.txt", "b\n")
        .file("a", "c.txt", "c\n")
        .expects("work/a", "Part c of the work")
        .hold_at("work/first", Point::End);
    let model = Model::start(story);
    let env = Env::new();
    env.config(&model);
    let run = env.et_spawn(["run", "-o", "a", "--json", "--no-synthesize", "a chain"]);
    model.wait_for_held("work/first");
    // The head is at work when the plan is complete: the rest goes to one worker. A death changes nothing about that.
    let ready = run.wait_for_event(|line| matches!(line.event, Event::PlanReady { .. }));
    assert!(matches!(&ready.event, Event::PlanReady { subtasks: 4, .. }), "{ready:?}");
    env.kill_daemon();
    model.wait_until("the death to be seen", |records| {
        records.iter().find(|record| record.is("work") && !record.complete).filter(|record| record.gone).map(|_| ())
    });
    model.release("work/first");
    let out = run.wait();
    let report = out.assert_ok().result();
    assert_same_log(&env, &out);
    assert_eq!(
        (model.count("work/first"), model.count("work/a"), model.count("work")),
        (2, 1, 3),
        "{}",
        model.summary()
    );
    let subtasks: Vec<(&str, &[String], SubtaskState)> =
        report.subtasks.iter().map(|one| (one.id.as_str(), one.files.as_slice(), one.state)).collect();
    let file = |path: &str| vec![path.to_owned()];
    let expected = [("first", file("first.txt")), ("a", file("a.txt")), ("b", file("b.txt")), ("c", file("c.txt"))];
    for ((id, files, state), (wanted, owned)) in subtasks.iter().zip(&expected) {
        assert_eq!((*id, *files, *state), (*wanted, owned.as_slice(), SubtaskState::Delivered), "{out}");
    }
    assert_eq!((subtasks.len(), env.read("a/c.txt").as_str()), (4, "c\n"));
    for id in ["b", "c"] {
        let events = out.events();
        let of = |line: &&EventLine| match &line.event {
            Event::WorkerStarted { worker, .. } => worker == id,
            Event::WorkerFinished { worker, tokens_out, .. } => worker == id && *tokens_out == 0,
            _ => false,
        };
        assert_eq!(events.iter().filter(of).count(), 2, "{id}: {out}");
    }
    assert_nothing_left(env);
}

#[test]
fn the_integrator_writes_what_nobody_has() {
    // The planner leaves its gap as it is, and both have started by then.
    let plan = raw(
        &["one.txt", "two.txt", "settings.toml"],
        &[sub("one", "The first file", &["one.txt"], &[]), sub("two", "The second file", &["two.txt"], &[])],
    );
    let story = stories::tiny_unfixable()
        .raw_plan(&plan)
        .says("plan#2", &raw(&[], &[]))
        .file("integrator", "settings.toml", "all = true\n")
        .expects("work/integrator", "nobody wrote settings.toml")
        .hold_at("plan#2", Point::Headers);
    let model = Model::start(story);
    let env = Env::new();
    env.config(&model);
    let run = env.et_spawn(["run", "-o", "a", "--json", "two files"]);
    model.wait_for_held("plan#2");
    model.wait_for_complete("work/one");
    model.wait_for_complete("work/two");
    model.release("plan#2");
    let out = run.wait();
    let report = out.assert_ok().result();
    assert_eq!(env.read("a/settings.toml"), "all = true\n");
    let file = report.files.iter().find(|file| file.path == "settings.toml").expect("it is in the result");
    assert_eq!((file.worker.as_str(), report.subtasks.len()), ("integrator", 2), "{out}");
    assert_eq!((model.count("plan"), model.count("work/integrator")), (2, 1), "{}", model.summary());
}

#[test]
fn a_file_that_two_give_differently_goes_to_the_integrator() {
    let story = stories::tiny_unfixable()
        .file("one", "extra.txt", "of one\n")
        .file("two", "extra.txt", "of two\n")
        .file("integrator", "extra.txt", "of both\n")
        .expects("work/integrator", "of one")
        .expects("work/integrator", "of two");
    let model = Model::start(story);
    let env = Env::new();
    env.config(&model);
    env.et(["run", "-o", "a", "two files"]).run().assert_ok();
    assert_eq!(env.read("a/extra.txt"), "of both\n");
    // What both give alike costs nothing.
    let model =
        Model::start(stories::tiny_unfixable().file("one", "extra.txt", "same\n").file("two", "extra.txt", "same\n"));
    env.config(&model);
    env.et(["run", "-o", "b", "two files"]).run().assert_ok();
    assert_eq!((env.read("b/extra.txt").as_str(), model.count("work/integrator")), ("same\n", 0));
}

#[test]
fn a_fix_that_names_anothers_file_goes_there_at_once() {
    let check = "grep -q 'count = 2' two.txt || { echo 'one.txt:1: error: the count is wrong'; exit 1; }";
    let story = stories::tiny_unfixable()
        .says("fix/one", "NO CHANGE NEEDED\nThe count must be 2 in `two.txt`, which isn't mine.")
        .fix("two.txt", "the count is wrong", TINY_MENDED)
        .expects("fix/two", "The count must be 2 in `two.txt`");
    let model = Model::start(story);
    let env = Env::new();
    env.config(&model);
    let out = env.et(["run", "-o", "a", "--json", "--iterate", "--check", check, "two files"]).run();
    let report = out.assert_ok().result();
    assert_eq!((report.outcome, report.iterations), (Outcome::Passed, 2), "{out}");
    assert_eq!((model.count("fix/one"), model.count("fix/two")), (1, 1), "{}", model.summary());
    let why = out.events().iter().find_map(|line| match &line.event {
        Event::FixAssigned { owner, why, .. } if owner == "two" => Some(why.clone()),
        _ => None,
    });
    assert_eq!(why.as_deref(), Some("one says that two.txt must change"), "{out}");
    assert_eq!(report.check.status, CheckStatus::Green);
    assert_ne!(env.read("a/two.txt"), TINY_BROKEN);
}
