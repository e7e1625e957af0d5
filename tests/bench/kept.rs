//! Start-up, `list` and `show` with a database at the limits of retention, and what others wait while it makes room.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use proto::endpoint::DATABASE_FILE;
use proto::event::{Event, EventLine};
use rusqlite::{Connection, params};
use tests::env::{Config, Env, poll};
use tests::model::{Model, Wire};

use crate::beyond::eight;
use crate::startup::timed;
use crate::table::{Table, median, millis};

/// Rounds, as many as are kept by default; half of them are their sessions' second one.
const ROUNDS: usize = 500;
/// Events of each.
const EVENTS: u64 = 300;
/// Steps of each, and their size in bytes.
const STEPS: usize = 80;
const STEP: usize = 8_000;
/// Contents of files that each recorded, and their size in bytes. Together a little less than is kept by default.
const CONTENTS: usize = 130;
const CONTENT: usize = 24_000;
/// Starts of which the middle one counts.
const STARTS: usize = 9;
/// Sessions that are spawned while rounds go.
const SPAWNS: usize = 20;
/// Lists of which the middle one counts.
const LISTS: usize = 50;

pub(crate) fn measure(table: &mut Table) {
    let env = Env::new();
    let model = Model::start(eight());
    env.config(&model);
    let output = env.et(["run", "--json", "--output-dir", ".", "eight parts"]).run();
    output.assert_ok();
    env.et(["session", "send", "last", "eight parts"]).run().assert_ok();
    env.et(["session", "wait", "last"]).run().assert_ok();
    env.et(["daemon", "stop"]).run().assert_ok();
    fill(&env, output.events().last().expect("a run with events"));
    let bytes = fs::metadata(env.state_dir().join(DATABASE_FILE)).expect("the database").len();
    let size = format!("{ROUNDS} rounds, {:.2} GiB", bytes as f64 / f64::from(1 << 30));

    let mut ready = Vec::new();
    let mut cold = Vec::new();
    for _ in 0..STARTS {
        ready.push(start(&env));
        env.et(["daemon", "stop"]).run().assert_ok();
        cold.push(timed(&env, env.et_path(), &["session", "list"]));
        env.et(["daemon", "stop"]).run().assert_ok();
    }
    table.row(&format!("daemon ready, {size}"), millis(median(&mut ready)), "< 300 ms");
    table.row(&format!("`et session list`, no daemon yet, {size}"), millis(median(&mut cold)), "-");
    env.et(["daemon", "start"]).run().assert_ok();
    for (args, goal) in [(["session", "list"].as_slice(), "< 50 ms"), (&["session", "show", "last"], "-")] {
        let mut times: Vec<Duration> = (0..LISTS).map(|_| timed(&env, env.et_path(), args)).collect();
        table.row(&format!("`et {}`, {size}", args.join(" ")), millis(median(&mut times)), goal);
    }
    env.et(["daemon", "stop"]).run().assert_ok();
    remove(&env, &model, table);
    env.et(["daemon", "stop"]).run().assert_ok();
}

/// How long a client that writes waits while a fifth of all goes.
fn remove(env: &Env, model: &Model, table: &mut Table) {
    let database = Connection::open(env.state_dir().join(DATABASE_FILE)).expect("the database");
    database.execute("UPDATE round SET ended_ms = ended_ms - 86400000", []).expect("they are older");
    drop(database);
    let keep = ROUNDS - ROUNDS / 5;
    env.write_config(&Config::one(model, Wire::OpenAi).extra(&format!("limits: {{ keep_rounds: {keep} }}")));
    let spawn = |number: usize| {
        let dir = format!("s{number}");
        timed(
            env,
            env.et_path(),
            &["session", "spawn", "--no-iterate", "--no-synthesize", "--work-dir", &dir, "eight parts"],
        )
    };
    spawn(0);
    env.et(["session", "wait", "last"]).run().assert_ok();
    let clock = Instant::now();
    let mut waits = Vec::new();
    let rounds =
        || env.et(["daemon", "status", "--json"]).run().assert_ok().json()["rounds"].as_u64().expect("a number");
    for number in 1..=SPAWNS {
        waits.push(spawn(number));
    }
    // Those that have just ended stay, so as many old ones go.
    assert!(poll(Duration::from_secs(300), || rounds() <= keep as u64), "{} rounds are left", rounds());
    let gone = clock.elapsed();
    waits.sort_unstable();
    let (middle, longest) = (median(&mut waits), waits[waits.len() - 1]);
    table.row(
        "`et session spawn` while a fifth of the rounds goes: median, longest",
        format!("{}, {} (all gone after {:.1} s)", millis(middle), millis(longest), gone.as_secs_f64()),
        "-",
    );
}

/// Copies the session at hand, with other ids and with as much as a large round leaves, until there are enough rounds.
fn fill(env: &Env, line: &EventLine) {
    let mut database = Connection::open(env.state_dir().join(DATABASE_FILE)).expect("the database");
    // Speed of making it is no part of the measure.
    database.pragma_update(None, "synchronous", "off").expect("a setting");
    let mut line = line.clone();
    line.event = Event::FileWritten {
        path: "src/module/some_file.rs".to_owned(),
        worker: "part1".to_owned(),
        sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned(),
        bytes: CONTENT as u64,
        created: true,
        attention: None,
    };
    let json = serde_json::to_string(&line).expect("an event as JSON");
    for number in 1..ROUNDS / 2 {
        let id = |kind: &str, round: usize| format!("{kind}{number:06x}{round}-0000-4000-8000-000000000000");
        let session = id("a", 0);
        let transaction = database.transaction().expect("a transaction");
        transaction
            .execute(
                "INSERT INTO session SELECT ?1, created_ms - ?2, updated_ms, work_dir, spec, spec_version FROM session
                 ORDER BY rowid LIMIT 1",
                params![session, number],
            )
            .expect("a session");
        for round in 1..=2 {
            let name = id("b", round);
            transaction
                .execute(
                    "INSERT INTO round (session, round, id, state, task, spec, spec_version, log_dir, queued_ms, started_ms,
                       ended_ms, active_ms, outcome, report)
                     SELECT ?1, ?2, ?3, state, task, spec, spec_version, log_dir, queued_ms, started_ms, ended_ms, active_ms,
                       outcome, report FROM round WHERE round = ?2 ORDER BY rowid LIMIT 1",
                    params![session, round, name],
                )
                .expect("a round");
            contents(&transaction, &session, round, &name, &json);
        }
        transaction.commit().expect("it is stored");
    }
    database.pragma_update(None, "wal_checkpoint", "truncate").expect("a checkpoint");
}

/// Events, steps and contents of a round.
fn contents(database: &Connection, session: &str, round: usize, name: &str, json: &str) {
    let mut event = database
        .prepare_cached("INSERT INTO event (session, seq, round, key, json) VALUES (?1, ?2, ?3, ?4, ?5)")
        .expect("a statement");
    for seq in 1..=EVENTS {
        let seq = (round as u64 - 1) * EVENTS + seq;
        event.execute(params![session, seq, round, format!("bench/{seq}"), json]).expect("an event");
    }
    let mut step = database
        .prepare_cached("INSERT INTO step (round, key, position, value, version, at_ms) VALUES (?1, ?2, ?3, ?4, 1, 0)")
        .expect("a statement");
    let value = format!("\"{}\"", "x".repeat(STEP));
    for number in 0..STEPS {
        step.execute(params![name, format!("work/{number}"), number, value]).expect("a step");
    }
    let mut blob = database.prepare_cached("INSERT INTO blob (hash, bytes) VALUES (?1, ?2)").expect("a statement");
    let mut used = database.prepare_cached("INSERT INTO blob_use (round, hash) VALUES (?1, ?2)").expect("a statement");
    for number in 0..CONTENTS {
        let hash = format!("{name}{number:028x}");
        blob.execute(params![hash, vec![number as u8; CONTENT]]).expect("a content");
        used.execute(params![name, hash]).expect("its use");
    }
}

/// How long a daemon takes from its start to the line that says that it is ready. It goes on running.
fn start(env: &Env) -> Duration {
    let mut command = Command::new(env.et_path().with_file_name("etd"));
    command.args(["--background", "--state-dir"]).arg(env.state_dir());
    command.env_clear().envs(env.vars()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let clock = Instant::now();
    let mut child = command.spawn().expect("etd");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("a line");
    let time = clock.elapsed();
    assert!(line.starts_with("ready "), "{line}");
    // Reaped when it ends.
    std::thread::spawn(move || child.wait());
    time
}
