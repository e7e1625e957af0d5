//! Whatever dies, the round goes on: no recorded answer is bought again, and every reader sees the same whole log.

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use proto::outcome::Outcome;
use tests::env::{Env, KEY, KEY_VARIABLE, Output, Running, poll};
use tests::model::{Model, PATIENCE, Point, Story, Sub};
use tests::projects::stories;

use crate::aftermath::{
    assert_nothing_left, assert_same_log, children, daemons, durable, wait_for_file, wait_for_type,
};

/// `et run` of [`stories::tiny`], watched.
fn run_tiny(env: &Env, check: &str) -> Running {
    env.et_spawn(["run", "-o", ".", "--json", "--iterate", "--no-synthesize", "--check", check, "Write two files"])
}

/// Lets go what was held when the daemon died, once the server has seen that nobody takes it.
fn release_for_nobody(model: &Model, on: &str) {
    model.wait_until("the death to be seen", |records| {
        // The next daemon may have sent it again by then.
        records.iter().find(|record| record.is(on) && !record.complete).filter(|record| record.gone).map(|_| ())
    });
    model.release(on);
}

/// Fails unless the round ended green, as everybody sees it, with this many calls sent again.
#[track_caller]
fn assert_survived(env: &Env, model: &Model, out: &Output, repeated: u64) {
    out.assert_ok();
    assert_same_log(env, out);
    let result = out.result();
    assert_eq!((result.outcome, result.usage.repeated_calls), (Outcome::Passed, repeated), "{}", model.summary());
    model.no_call_twice();
    assert_eq!(env.read("two.txt"), stories::TINY_MENDED);
}

#[test]
fn a_death_while_the_plan_streams() {
    let env = Env::new();
    let model = Model::start(stories::tiny().hold_at("plan", Point::AfterSubtasks(1)));
    env.config(&model);
    let run = run_tiny(&env, stories::TINY_CHECK);
    wait_for_type(&run, "file.written", "one.txt");
    let first = env.kill_daemon();
    release_for_nobody(&model, "plan");
    let out = run.wait();
    assert_ne!(env.daemon_pid(), Some(first));
    assert_survived(&env, &model, &out, 1);
    // What was recorded of the plan keeps its worker's answer; only the rest is asked for.
    assert_eq!((model.count("plan"), model.count("work/one"), model.count("work/two")), (2, 1, 1));
    assert_eq!(env.read("one.txt"), stories::TINY_ONE);
    assert_nothing_left(env);
}

#[test]
fn a_death_while_workers_write() {
    let env = Env::new();
    let model = Model::start(stories::tiny().hold("work/two"));
    env.config(&model);
    let run = run_tiny(&env, stories::TINY_CHECK);
    wait_for_type(&run, "plan.ready", "");
    wait_for_type(&run, "worker.finished", "\"worker\":\"one\"");
    model.wait_for_held("work/two");
    env.kill_daemon();
    release_for_nobody(&model, "work/two");
    assert_survived(&env, &model, &run.wait(), 1);
    assert_eq!((model.count("plan"), model.count("work/one"), model.count("work/two")), (1, 1, 2));
    assert_nothing_left(env);
}

/// A round with one file and one fix, whose daemon dies at this point.
fn survives_a_death_at(point: &str) {
    let env = Env::new();
    let story = Story::new()
        .contract("Text", "", [])
        .plan([Sub::new("two", "The only file").owns(["two.txt"])])
        .file("two", "two.txt", stories::TINY_BROKEN)
        .fix("two.txt", "count is wrong", stories::TINY_MENDED)
        .hold_at("plan", Point::End)
        .hold_at("work", Point::Headers);
    let model = Model::start(story);
    env.config(&model);
    env.set("ET_TEST_ABORT", point);
    env.set("ET_TEST_ABORT_ONCE", env.root().join("tmp").to_string_lossy());
    let run = run_tiny(&env, "grep -q 'count = 2' two.txt || { echo 'two.txt:2: error: count is wrong'; exit 1; }");
    // The plan's end comes when its worker is at work, and the worker's answer when nothing else is in flight.
    model.wait_for_held("work");
    model.release("plan");
    let name = point.split('#').next().unwrap();
    let died = || env.root().join("tmp").join(name).exists();
    let plan_dies = point == "round.call_recorded#1";
    if plan_dies {
        assert!(poll(PATIENCE, died), "it never died at {point}");
        release_for_nobody(&model, "work");
    } else {
        wait_for_type(&run, "plan.ready", "");
        model.release("work");
    }
    let out = run.wait();
    assert!(died(), "it never died at {point}");
    assert_survived(&env, &model, &out, u64::from(plan_dies));
    assert_eq!((model.count("plan"), model.count("fix")), (1, 1), "{point}\n{}", model.summary());
    std::fs::remove_file(env.root().join("tmp").join(name)).unwrap();
    assert_nothing_left(env);
}

#[test]
fn a_death_right_after_an_answer_is_recorded() {
    // The plan, the worker's answer, the fix.
    survives_a_death_at("round.call_recorded#1");
    survives_a_death_at("round.call_recorded#2");
    survives_a_death_at("round.call_recorded#3");
}

#[test]
fn a_death_right_before_files_are_written() {
    survives_a_death_at("round.write_intended#1");
    survives_a_death_at("round.write_intended#2");
}

#[test]
fn a_death_before_it_is_recorded_that_files_are_written() {
    survives_a_death_at("round.written#1");
    survives_a_death_at("round.written#2");
}

#[test]
fn a_death_while_the_check_runs() {
    let env = Env::new();
    let model = Model::start(stories::tiny());
    env.config(&model);
    mkfifo(&env.work().join("gate"), Mode::S_IRWXU).unwrap();
    // A child, and a child of it that leaves its group.
    let check =
        format!("(setsid sh -c 'echo in > inner; read x < gate; :') & echo out > outer; wait; {}", stories::TINY_CHECK);
    let run = run_tiny(&env, &check);
    wait_for_file(&env, "inner");
    wait_for_file(&env, "outer");
    let before = children(&env);
    assert!(!before.is_empty(), "no child is seen");
    std::fs::remove_file(env.work().join("inner")).unwrap();
    env.kill_daemon();
    let left = || before.iter().filter(|child| child.is_alive()).collect::<Vec<_>>();
    assert!(poll(PATIENCE, || left().is_empty()), "outlived the daemon: {:#?}", left());
    // The build is run again by the next daemon, and so is what waits in it; after the fix it runs once more.
    for _ in 0..2 {
        wait_for_file(&env, "inner");
        std::fs::remove_file(env.work().join("inner")).unwrap();
        std::fs::write(env.work().join("gate"), "go\n").unwrap();
    }
    assert_survived(&env, &model, &run.wait(), 0);
    assert_nothing_left(env);
}

#[test]
fn a_death_while_a_fix_is_asked_for() {
    let env = Env::new();
    let model = Model::start(stories::tiny().hold("fix"));
    env.config(&model);
    let run = run_tiny(&env, stories::TINY_CHECK);
    model.wait_for_held("fix");
    env.kill_daemon();
    release_for_nobody(&model, "fix");
    assert_survived(&env, &model, &run.wait(), 1);
    assert_eq!((model.count("plan"), model.count("work"), model.count("fix")), (1, 2, 2));
    assert_nothing_left(env);
}

#[test]
fn a_killed_client_stops_nothing() {
    let env = Env::new();
    let model = Model::start(stories::tiny().hold("work/two"));
    env.config(&model);
    let run = run_tiny(&env, stories::TINY_CHECK);
    model.wait_for_held("work/two");
    run.kill9();
    model.release("work/two");
    let waited = env.et(["session", "wait", "last", "--json"]).run();
    assert_eq!(waited.assert_ok().json()["outcome"], "passed");
    let shown = env.et(["session", "show", "last", "--json"]).run().json();
    assert_eq!(shown["rounds"][0]["report"]["exit_code"], 0, "{shown}");
    assert_eq!(env.read("two.txt"), stories::TINY_MENDED);
    assert_nothing_left(env);
}

#[test]
fn a_round_without_its_key_waits_for_it() {
    let env = Env::new();
    let model = Model::start(stories::wide(1).hold("work"));
    env.config(&model);
    env.et(["session", "spawn", "--work-dir", ".", "--no-iterate", "Write a part"]).run().assert_ok();
    model.wait_for_held("work");
    env.kill_daemon();
    release_for_nobody(&model, "work");
    let keyless = |args: &[&str]| env.et(args).env_remove(KEY_VARIABLE).run();
    let state = || keyless(&["session", "list", "--json"]).json()["sessions"][0]["state"].clone();
    assert!(poll(PATIENCE, || state() == "needs_credentials"), "{}", state());
    let shown = keyless(&["session", "show", "last", "--json"]).json();
    assert_eq!(shown["rounds"][0]["state"], "needs_credentials", "{shown}");
    assert_eq!(shown["rounds"][0]["needs"][0], format!("env:{KEY_VARIABLE}"));
    keyless(&["session", "wait", "last", "--timeout", "1s"]).assert_code(75).assert_stderr(KEY_VARIABLE);
    let waiting = env.et(["session", "attach", "last"]).env_remove(KEY_VARIABLE).spawn();
    waiting.wait_for_line(KEY_VARIABLE);
    assert_eq!(model.count("work"), 1);
    // Whatever command has it.
    env.et(["session", "list"]).run().assert_ok();
    waiting.wait().assert_ok();
    keyless(&["session", "wait", "last"]).assert_ok();
    assert_eq!((model.count("plan"), model.count("work")), (1, 2));
    assert_eq!(env.files_with(&[KEY]), Vec::<std::path::PathBuf>::new());
    assert_nothing_left(env);
}

#[test]
fn the_first_command_with_the_key_is_enough() {
    let env = Env::new();
    let model = Model::start(stories::wide(1).hold("work"));
    env.config(&model);
    env.et(["session", "spawn", "--work-dir", ".", "--no-iterate", "Write a part"]).run().assert_ok();
    model.wait_for_held("work");
    env.kill_daemon();
    release_for_nobody(&model, "work");
    // It starts the daemon, whose rounds may not have come to look for their key by then.
    env.et(["session", "list"]).run().assert_ok();
    env.et(["session", "wait", "last"]).env_remove(KEY_VARIABLE).run().assert_ok();
    assert_nothing_left(env);
}

#[test]
fn a_round_that_kills_the_daemon_again_and_again_is_given_up() {
    let env = Env::new();
    let model = Model::start(stories::wide(1));
    env.config(&model);
    env.set("ET_TEST_ABORT", "round.write_intended");
    let run = env.et_spawn(["run", "-o", "here", "--json", "--no-synthesize", "Write a part"]);
    let out = run.wait();
    out.assert_code(70);
    assert_eq!(out.result().outcome, Outcome::Crashed);
    assert_same_log(&env, &out);
    model.no_call_twice();
    // The daemon that gave it up serves others.
    env.unset("ET_TEST_ABORT");
    env.et(["daemon", "restart"]).run().assert_ok();
    env.et(["run", "-o", "elsewhere", "--quiet", "Write a part"]).run().assert_ok();
    assert_nothing_left(env);
}

#[test]
fn a_stop_in_good_order_loses_nothing() {
    let env = Env::new();
    let model = Model::start(stories::tiny().hold("work/two"));
    env.config(&model);
    let run = run_tiny(&env, stories::TINY_CHECK);
    wait_for_type(&run, "plan.ready", "");
    wait_for_type(&run, "worker.finished", "\"worker\":\"one\"");
    model.wait_for_held("work/two");
    let began = std::time::Instant::now();
    env.et(["daemon", "stop"]).run().assert_ok();
    assert!(began.elapsed().as_secs() < 15, "{:?}", began.elapsed());
    assert!(daemons(&env).is_empty());
    run.wait_for_line("the daemon was stopped");
    env.et(["daemon", "status"]).run().assert_code(69);
    release_for_nobody(&model, "work/two");
    let attached = env.et(["session", "attach", "last", "--json"]).run();
    let out = run.wait();
    assert_eq!(durable(&attached.assert_ok().stdout), durable(&out.stdout));
    assert_survived(&env, &model, &out, 1);
    assert_nothing_left(env);
}

#[test]
fn what_was_spent_before_a_death_counts() {
    let env = Env::new();
    let story = stories::wide(2)
        .usage("plan", 500, 500)
        .usage("work/part-1", 40_000, 2_000)
        .usage("work/part-2", 1_000, 100)
        .hold("work/part-1")
        .hold("work/part-2");
    let model = Model::start(story);
    env.write_config(
        &tests::env::Config::one(&model, tests::model::Wire::OpenAi).extra("defaults: { max_tokens: 1000 }"),
    );
    let run = env.et_spawn(["run", "-o", ".", "--json", "--no-synthesize", "--max-tokens", "43500", "Write two parts"]);
    wait_for_type(&run, "plan.ready", "");
    // Both were let in before the first was found to be dear.
    model.wait_for_held("work/part-1");
    model.wait_for_held("work/part-2");
    model.release("work/part-1");
    wait_for_type(&run, "worker.finished", "\"worker\":\"part-1\"");
    env.kill_daemon();
    release_for_nobody(&model, "work/part-2");
    let out = run.wait();
    out.assert_code(4);
    assert_same_log(&env, &out);
    let usage = out.result().usage;
    assert!(usage.tokens_in >= 40_500 && usage.tokens_out >= 2_500, "{usage:?}");
    assert_eq!((model.count("work/part-1"), model.count("work/part-2")), (1, 1), "{}", model.summary());
    assert_nothing_left(env);
}

#[test]
fn a_second_death_in_another_phase() {
    let env = Env::new();
    let model = Model::start(stories::tiny().hold("work/two").hold("fix"));
    env.config(&model);
    let run = run_tiny(&env, stories::TINY_CHECK);
    wait_for_type(&run, "plan.ready", "");
    wait_for_type(&run, "file.written", "one.txt");
    model.wait_for_held("work/two");
    env.kill_daemon();
    release_for_nobody(&model, "work/two");
    model.wait_for_held("fix");
    env.kill_daemon();
    release_for_nobody(&model, "fix");
    assert_survived(&env, &model, &run.wait(), 2);
    assert_nothing_left(env);
}
