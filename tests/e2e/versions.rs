//! An `et` and an `etd` of different versions. Both are this build; one is told to speak another version of the protocol.

use proto::outcome::Outcome;
use tests::env::{Env, Et};
use tests::model::Model;
use tests::projects::stories;

use crate::aftermath::{assert_nothing_left, daemons};

/// A client of an older version, and the daemon that it starts.
fn older(et: Et) -> Et {
    et.env("ET_TEST_PROTOCOL", "1")
}

#[test]
fn a_newer_client_restarts_an_idle_daemon_by_itself() {
    let env = Env::new();
    older(env.et(["daemon", "start"])).run().assert_ok();
    let first = env.daemon_pid();
    // It isn't to start a daemon, so it isn't to replace one either.
    env.et(["session", "list", "--no-autostart"]).run().assert_code(76);
    assert_eq!(env.daemon_pid(), first);
    env.et(["session", "list"]).run().assert_ok();
    let second = env.daemon_pid();
    assert!(second.is_some() && second != first);
    let status = env.et(["daemon", "status", "--json"]).run().assert_ok().json();
    assert_eq!(status["version"], proto::PROTOCOL_VERSION, "{status}");
    assert_eq!(daemons(&env).len(), 1);
    assert_nothing_left(env);
}

#[test]
fn a_newer_client_leaves_a_busy_daemon_alone_and_says_what_to_do() {
    let env = Env::new();
    let model = Model::start(stories::wide(1).hold("work"));
    env.config(&model);
    older(env.et(["session", "spawn", "--work-dir", ".", "--no-iterate", "Write a part"])).run().assert_ok();
    model.wait_for_held("work");
    let first = env.daemon_pid();
    for command in [&["session", "list"][..], &["run", "-o", "b", "Write a part"], &["session", "kill", "last"]] {
        let out = env.et(command).run();
        out.assert_code(76).assert_stderr("is at work").assert_stderr("`et daemon restart`");
    }
    let status = env.et(["daemon", "status", "--json"]).run().assert_ok().json();
    assert_eq!((&status["version"], &status["running"]), (&1.into(), &1.into()), "{status}");
    assert_eq!(env.daemon_pid(), first);
    // What it names helps, and the round goes on.
    env.et(["daemon", "restart"]).run().assert_ok();
    assert_ne!(env.daemon_pid(), first);
    model.release("work");
    let out = env.et(["session", "attach", "last", "--json"]).run();
    assert_eq!(out.assert_ok().result().outcome, Outcome::Completed);
    assert_nothing_left(env);
}

#[test]
fn an_older_client_never_restarts_a_newer_daemon() {
    let env = Env::new();
    let model = Model::start(stories::wide(1).hold("work"));
    env.config(&model);
    env.et(["daemon", "start"]).run().assert_ok();
    let pid = env.daemon_pid();
    for busy in [false, true] {
        if busy {
            env.et(["session", "spawn", "--work-dir", ".", "--no-iterate", "Write a part"]).run().assert_ok();
            model.wait_for_held("work");
        }
        let out = older(env.et(["session", "list"])).run();
        out.assert_code(76).assert_stderr(&format!("use et {}", proto::BUILD)).assert_nowhere("daemon restart");
        let status = older(env.et(["daemon", "status", "--json"])).run().assert_ok().json();
        assert_eq!(status["version"], proto::PROTOCOL_VERSION, "{status}");
        assert_eq!(env.daemon_pid(), pid);
    }
    older(env.et(["daemon", "stop"])).run().assert_ok();
    assert_eq!(env.daemon_pid(), None);
    older(env.et(["daemon", "status"])).run().assert_code(69);
    assert_nothing_left(env);
}
