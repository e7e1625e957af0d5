//! What a daemon keeps, and for how long.

use std::fs;

use proto::endpoint::DATABASE_FILE;
use rusqlite::Connection;
use serde_json::Value;
use tests::env::{Config, Env, poll};
use tests::model::{Model, PATIENCE, Wire};
use tests::projects::stories;

use crate::aftermath::assert_nothing_left;

fn status(env: &Env) -> Value {
    env.et(["daemon", "status", "--json"]).run().assert_ok().json()
}

/// Waits until the daemon keeps so many rounds.
fn wait_for_rounds(env: &Env, rounds: u64) {
    let found = poll(PATIENCE, || status(env)["rounds"] == rounds);
    assert!(found, "not {rounds} rounds: {}\n{}", status(env), env.daemon_log());
}

/// The id of the newest session.
fn newest(env: &Env) -> String {
    env.et(["session", "show", "last", "--json"]).run().assert_ok().json()["session"]["id"].as_str().unwrap().to_owned()
}

/// Makes rounds end so many days earlier, without a daemon.
fn age(env: &Env, sql: &str, days: u64) {
    env.et(["daemon", "stop"]).run().assert_ok();
    let database = Connection::open(env.state_dir().join(DATABASE_FILE)).unwrap();
    let moved = format!("UPDATE round SET ended_ms = ended_ms - {days} * 86400000 {sql}");
    assert!(database.execute(&moved, []).unwrap() > 0, "{moved}");
}

fn limits(env: &Env, model: &Model, limits: &str) {
    env.write_config(&Config::one(model, Wire::OpenAi).extra(&format!("limits: {{ {limits} }}")));
}

#[test]
fn old_rounds_go_and_what_is_gone_says_so() {
    let env = Env::new();
    let model = Model::start(stories::wide(1));
    limits(&env, &model, "keep_rounds: 2, keep_days: 300");
    let run = |dir: &str| {
        env.et(["run", "-o", dir, "--quiet", "--no-synthesize", "Write a part"]).run().assert_ok();
        newest(&env)
    };
    let one = run("a");
    env.et(["session", "send", &one, "--no-iterate", "Once more"]).run().assert_ok();
    env.et(["session", "wait", &one]).run().assert_ok();
    let other = run("b");
    let logs = fs::read_dir(env.log_dir()).unwrap().count();
    // All of them have just ended: none goes, whatever the limits say.
    assert_eq!(status(&env)["rounds"], 3);

    age(&env, "WHERE session = (SELECT session FROM round WHERE round = 2)", 20);
    env.et(["daemon", "start"]).run().assert_ok();
    wait_for_rounds(&env, 2);
    for verb in ["diff", "undo"] {
        env.et(["session", verb, &one, "1"])
            .run()
            .assert_code(2)
            .assert_stderr("round 1")
            .assert_stderr(" was removed by");
    }
    let shown = env.et(["session", "show", &one, "--json"]).run().assert_ok().json();
    assert_eq!(shown["rounds"].as_array().unwrap().len(), 1, "{shown}");
    let log = env.et(["session", "attach", &one, "--from", "start", "--json"]).run();
    assert!(log.assert_ok().events().iter().all(|line| line.round == 2), "{log}");
    env.et(["session", "diff", &one, "2"]).run().assert_ok();

    // A round ends, and the oldest one goes.
    let third = run("c");
    wait_for_rounds(&env, 2);
    for args in [
        &["show", &one[..8]][..],
        &["attach", &one],
        &["wait", &one],
        &["diff", &one],
        &["undo", &one],
        &["send", &one, "And again"],
        &["kill", &one],
    ] {
        let out = env.et(["session"].iter().chain(args)).run();
        out.assert_code(2).assert_stderr(&one).assert_stderr("removed by retention on 20").assert_stderr("hint: ");
    }
    let listed = env.et(["session", "list", "--json"]).run().assert_ok().json();
    let ids: Vec<&str> =
        listed["sessions"].as_array().unwrap().iter().map(|session| session["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [&third, &other]);
    assert_eq!(newest(&env), third);
    env.et(["session", "diff", &other[..8]]).run().assert_ok();
    assert_eq!(fs::read_dir(env.log_dir()).unwrap().count(), logs + 1, "logs belong to the user");

    // By age, and the limits of before stay those of the daemon: a client without any changes none.
    env.config(&model);
    run("d");
    age(&env, &format!("WHERE session = '{other}'"), 301);
    env.et(["daemon", "start"]).run().assert_ok();
    wait_for_rounds(&env, 2);
    env.et(["session", "show", &other]).run().assert_code(2).assert_stderr("removed by retention");
    let status = status(&env);
    for (name, value) in [("limit_rounds", 2_i64), ("limit_days", 300), ("limit_bytes", 2_i64 << 30), ("sessions", 2)] {
        assert_eq!(status[name], value, "{status}");
    }
    assert!(
        status["database_bytes"].as_u64() > Some(50_000) && status["disk_free_bytes"].as_u64() > Some(0),
        "{status}"
    );
    assert!(status["oldest_round"].as_str().is_some_and(|at| at.starts_with("20")), "{status}");
    let text = env.et(["daemon", "status"]).run();
    text.assert_ok().assert_stdout("limit_bytes: 2.0 GiB").assert_stdout("rounds: 2");
    assert_nothing_left(env);
}

#[test]
fn too_much_is_made_less() {
    let env = Env::new();
    let model = Model::start(stories::wide(1));
    limits(&env, &model, "state_bytes: 3MiB");
    env.et(["run", "-o", "a", "--quiet", "Write a part"]).run().assert_ok();
    let old = newest(&env);
    env.et(["run", "-o", "b", "--quiet", "Write a part"]).run().assert_ok();
    age(&env, "WHERE rowid = 1", 1);
    // A cache of a work dir that was used long ago, in which a check has left what it liked.
    let cache = env.state_dir().join("sandbox/00112233445566778899");
    fs::create_dir_all(cache.join("cargo")).unwrap();
    fs::write(cache.join("cargo/crate"), vec![7; 2 << 20]).unwrap();
    std::os::unix::fs::symlink(env.work(), cache.join("cargo/link")).unwrap();
    env.et(["daemon", "start"]).run().assert_ok();
    assert!(poll(PATIENCE, || status(&env)["cache_bytes"].as_u64() > Some(2 << 20)), "{}", status(&env));
    assert!(cache.exists());
    age(&env, "WHERE rowid = 1", 1);
    fs::write(cache.join("cargo/more"), vec![7; 2 << 20]).unwrap();
    env.et(["daemon", "start"]).run().assert_ok();
    assert!(poll(PATIENCE, || status(&env)["cache_bytes"] == 0), "{}\n{}", status(&env), env.daemon_log());
    assert!(!cache.exists() && env.has("a") && env.has("b"));
    // That was enough.
    assert_eq!(status(&env)["rounds"], 2);

    env.et(["daemon", "stop"]).run().assert_ok();
    let database = Connection::open(env.state_dir().join(DATABASE_FILE)).unwrap();
    database
        .execute_batch(
            "INSERT INTO blob (hash, bytes) VALUES ('large', zeroblob(20000000));
             INSERT INTO blob_use (hash, round) SELECT 'large', id FROM round WHERE rowid = 1;",
        )
        .unwrap();
    drop(database);
    env.et(["daemon", "start"]).run().assert_ok();
    wait_for_rounds(&env, 1);
    assert!(poll(PATIENCE, || status(&env)["database_bytes"].as_u64() < Some(8 << 20)), "{}", status(&env));
    env.et(["session", "show", &old]).run().assert_code(2).assert_stderr("removed by retention on 20");
    env.et(["session", "diff", "last"]).run().assert_ok();
    assert_nothing_left(env);
}
