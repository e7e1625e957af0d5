//! A long log for a new client.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use proto::endpoint::DATABASE_FILE;
use proto::event::{Event, EventLine};
use proto::id::SessionId;
use rusqlite::{Connection, params};
use tests::env::Env;
use tests::model::Model;

use crate::beyond::eight;
use crate::table::{Table, median};

/// Events in the log.
const EVENTS: u64 = 100_000;

pub(crate) fn measure(table: &mut Table) {
    let env = Env::new();
    let model = Model::start(eight());
    env.config(&model);
    let output = env.et(["run", "--json", "--output-dir", ".", "eight parts"]).run();
    output.assert_ok();
    env.et(["daemon", "stop"]).run().assert_ok();
    let session = lengthen(&env, &output.events());
    env.et(["daemon", "start"]).run().assert_ok();
    assert_eq!(replay(&env, session, true).1, EVENTS, "events in the replay");
    let mut times: Vec<Duration> = (0..5).map(|_| replay(&env, session, false).0).collect();
    let time = median(&mut times);
    table.row(
        "replay of 100,000 events to a new client",
        format!("{:.2} s, {:.0} events/s", time.as_secs_f64(), EVENTS as f64 / time.as_secs_f64()),
        "-",
    );
}

/// Puts events before the last one, the result, until there are enough. Returns the session.
fn lengthen(env: &Env, events: &[EventLine]) -> SessionId {
    let (last, before) = events.split_last().expect("a run with events");
    assert!(matches!(last.event, Event::Result(_)), "the last event is the result");
    let session = last.session;
    let mut database = Connection::open(env.state_dir().join(DATABASE_FILE)).expect("the database");
    let transaction = database.transaction().expect("a transaction");
    transaction.execute("DELETE FROM event WHERE seq = ?1", [last.seq]).expect("the result makes room");
    {
        let sql = "INSERT INTO event (session, seq, round, key, json) VALUES (?1, ?2, 1, ?3, ?4)";
        let mut insert = transaction.prepare(sql).expect("a statement");
        for seq in before.len() as u64 + 1..=EVENTS {
            let mut line = last.clone();
            line.seq = Some(seq);
            if seq < EVENTS {
                line.event = Event::FileWritten {
                    path: format!("src/module{}/file{seq}.rs", seq % 100),
                    worker: format!("part{}", seq % 8 + 1),
                    sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned(),
                    bytes: 1000 + seq,
                    created: true,
                    attention: None,
                };
            }
            let json = serde_json::to_string(&line).expect("an event as JSON");
            insert.execute(params![session.to_string(), seq, format!("bench/{seq}"), json]).expect("an event");
        }
    }
    transaction.commit().expect("the events are stored");
    session
}

/// Watches the whole log. Returns how long that took, and the number of lines if they are counted.
fn replay(env: &Env, session: SessionId, count: bool) -> (Duration, u64) {
    let mut command = Command::new(env.et_path());
    command.args(["session", "attach", &session.to_string(), "--from", "start", "--json"]);
    command.env_clear().envs(env.vars()).current_dir(env.work()).stdin(Stdio::null());
    command.stdout(if count { Stdio::piped() } else { Stdio::null() });
    let clock = Instant::now();
    let mut child = command.spawn().expect("et");
    let mut lines = 0;
    if let Some(mut pipe) = child.stdout.take() {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("its output");
        lines = bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
    }
    let status = child.wait().expect("its end");
    let time = clock.elapsed();
    assert!(status.success(), "et session attach ended with {status}");
    (time, lines)
}
