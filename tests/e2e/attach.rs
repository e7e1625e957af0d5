//! Side by side: calls in flight together, and readers of one log that don't disturb one another.

use nix::sys::signal::Signal;
use tests::env::Env;
use tests::model::{Model, Point};
use tests::projects::stories;

use crate::aftermath::{assert_nothing_left, assert_whole, durable, wait_for_type};

#[test]
fn eight_workers_are_in_flight_together() {
    let env = Env::new();
    let model = Model::start(stories::wide(8).hold_at("work", Point::Headers));
    env.config(&model);
    let run = env.et_spawn(["run", "-o", ".", "--json", "Write eight parts"]);
    model.wait_until("all eight at once", |records| {
        (records.iter().filter(|record| record.is("work") && record.held && record.ended.is_none()).count() == 8)
            .then_some(())
    });
    model.release("work");
    run.wait().assert_ok();
    assert_eq!(model.count("work"), 8);
    for number in 1..=8 {
        assert!(env.read(&format!("part-{number}.txt")).starts_with(&format!("line 1 of part {number}")));
    }
    assert_nothing_left(env);
}

#[test]
fn a_worker_starts_while_the_plan_still_streams() {
    let env = Env::new();
    let model = Model::start(stories::wide(3).hold_at("plan", Point::AfterSubtasks(1)));
    env.config(&model);
    let run = env.et_spawn(["run", "-o", ".", "--json", "Write three parts"]);
    model.wait_for_complete("work/part-1");
    let plan = model.calls("plan").remove(0);
    assert!(!plan.complete && plan.held, "{}", plan.summary());
    assert_eq!(model.count("work"), 1);
    model.release("plan");
    run.wait().assert_ok();
    assert_eq!((model.count("plan"), model.count("work")), (1, 3));
    assert_nothing_left(env);
}

#[test]
fn every_reader_prints_the_same_log() {
    let env = Env::new();
    let model = Model::start(stories::tiny().hold("work/two"));
    env.config(&model);
    let spawned =
        env.et(["session", "spawn", "--work-dir", ".", "--check", stories::TINY_CHECK, "Write two files"]).run();
    let id = spawned.assert_ok().stdout.trim().to_owned();
    let attach = || env.et(["session", "attach", &id, "--json", "--from", "start"]);
    let readers = [attach().spawn(), attach().spawn()];
    for reader in &readers {
        wait_for_type(reader, "worker.finished", "\"worker\":\"one\"");
    }
    model.release("work/two");
    let mut logs: Vec<Vec<String>> =
        readers.into_iter().map(|reader| durable(&reader.wait().assert_ok().stdout)).collect();
    // One comes after the end, one only wants the rest, and `last` is the same session.
    logs.push(durable(&attach().run().assert_ok().stdout));
    logs.push(durable(&env.et(["session", "attach", "last", "--json"]).run().assert_ok().stdout));
    assert_whole(&logs[0]);
    assert!(logs.iter().all(|log| *log == logs[0]), "{logs:#?}");
    let rest = env.et(["session", "attach", &id, "--json", "--from", "5"]).run();
    assert_eq!(durable(&rest.assert_ok().stdout), logs[0][4..]);
    assert_nothing_left(env);
}

#[test]
fn a_stopped_reader_delays_nobody_and_catches_up() {
    let env = Env::new();
    // More than sockets, pipes and one batch hold together.
    let words = "What was built, at length.\n".repeat(100_000);
    let model = Model::start(stories::wide(2).hold("work/part-2").synthesis(&words));
    env.config(&model);
    let id = env.et(["session", "spawn", "--work-dir", ".", "--no-iterate", "Write two parts"]).run();
    let id = id.assert_ok().stdout.trim().to_owned();
    let attach = || env.et(["session", "attach", &id, "--json", "--stream", "--from", "start"]);
    let stopped = attach().spawn();
    let reader = attach().spawn();
    for one in [&stopped, &reader] {
        wait_for_type(one, "worker.finished", "\"worker\":\"part-1\"");
    }
    stopped.signal(Signal::SIGSTOP);
    model.release("work/part-2");
    let log = durable(&reader.wait().assert_ok().stdout);
    assert_whole(&log);
    env.et(["session", "list"]).run().assert_ok().assert_stdout("completed");
    assert!(!stopped.stdout().contains("\"type\":\"result\""), "it was stopped before");
    stopped.signal(Signal::SIGCONT);
    assert_eq!(durable(&stopped.wait().assert_ok().stdout), log);
    assert_nothing_left(env);
}
