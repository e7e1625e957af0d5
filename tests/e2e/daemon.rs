//! One daemon per state dir, whoever starts it at whatever moment; and what its socket takes from strangers.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use proto::codec::{FrameKind, Header, join, split};
use proto::message::{Hello, List, Reply, Request, Send, SessionName};
use proto::preamble::{FIXED, Fixed, Kind, Preamble, Status};
use proto::settings::Flags;
use tests::env::{Env, poll};
use tests::model::{Model, PATIENCE};
use tests::projects::stories;

use crate::aftermath::{assert_nothing_left, daemons};

/// Each named point of starting, in client and daemon.
const POINTS: [&str; 7] = [
    "client.connected",
    "client.spawn_lock",
    "client.spawn",
    "daemon.locked",
    "daemon.bind",
    "daemon.rename",
    "daemon.ready",
];

/// Thirty-two clients at once, slowed down everywhere: all are answered, by one daemon.
fn rush(env: &Env) {
    let pauses: Vec<String> = POINTS.iter().map(|point| format!("{point}=30ms")).collect();
    env.set("ET_TEST_PAUSES", pauses.join(","));
    let clients: Vec<_> = (0..32).map(|_| env.et_spawn(["session", "list", "--json"])).collect();
    for client in clients {
        assert_eq!(client.wait().assert_ok().json()["sessions"], serde_json::json!([]));
    }
    env.unset("ET_TEST_PAUSES");
    // Whoever came second says so and goes.
    assert!(poll(PATIENCE, || daemons(env).len() == 1), "{:#?}", daemons(env));
    assert_eq!(env.daemon_pid(), Some(daemons(env)[0].pid));
}

#[test]
fn thirty_two_clients_start_one_daemon() {
    let env = Env::new();
    rush(&env);
    assert_eq!(env.daemon_log().matches("ready at").count(), 1, "{}", env.daemon_log());
    // Again with a record and a socket of one that was killed.
    let dead = env.kill_daemon();
    rush(&env);
    assert_ne!(env.daemon_pid(), Some(dead));
    assert_eq!(env.daemon_log().matches("ready at").count(), 2, "{}", env.daemon_log());
    assert_nothing_left(env);
}

#[test]
fn each_point_alone_makes_no_second_daemon() {
    for point in POINTS {
        let env = Env::new();
        env.set("ET_TEST_PAUSES", format!("{point}=250ms"));
        let clients: Vec<_> = (0..4).map(|_| env.et_spawn(["session", "list", "--json"])).collect();
        for client in clients {
            client.wait().assert_ok();
        }
        env.unset("ET_TEST_PAUSES");
        assert!(poll(PATIENCE, || daemons(&env).len() == 1), "{point}: {:#?}", daemons(&env));
        assert_eq!(env.daemon_log().matches("ready at").count(), 1, "{point}\n{}", env.daemon_log());
        assert_nothing_left(env);
    }
}

#[test]
fn a_daemon_that_dies_while_it_starts_is_started_again() {
    let env = Env::new();
    env.set("ET_TEST_ABORT", "daemon.rename");
    env.et(["session", "list"]).run().assert_code(69).assert_stderr("died twice");
    env.set("ET_TEST_ABORT_ONCE", env.root().join("home").to_string_lossy());
    env.et(["session", "list"]).run().assert_ok();
    env.unset("ET_TEST_ABORT");
    assert_nothing_left(env);
}

#[test]
fn two_state_dirs_are_independent() {
    let env = Env::new();
    let model = Model::start(stories::wide(1));
    env.config(&model);
    let other = env.root().join("other");
    let there = |args: &[&str]| env.et(args).env("ET_STATE_DIR", other.to_string_lossy()).run();
    env.et(["run", "-o", ".", "--quiet", "Write a part"]).run().assert_ok();
    assert_eq!(there(&["session", "list", "--json"]).assert_ok().json()["sessions"], serde_json::json!([]));
    assert_eq!(daemons(&env).len(), 2);
    env.et(["daemon", "stop"]).run().assert_ok();
    there(&["daemon", "status"]).assert_ok();
    assert_eq!(daemons(&env).len(), 1);
    there(&["daemon", "stop"]).assert_ok();
    assert_nothing_left(env);
}

#[test]
fn a_removed_socket_is_published_again() {
    let env = Env::new();
    env.et(["daemon", "start"]).run().assert_ok();
    let record = env.lock_record().unwrap();
    std::fs::remove_file(&record.endpoint).unwrap();
    env.et(["session", "list"]).run().assert_ok();
    assert_eq!(env.lock_record().unwrap().pid, record.pid);
    assert_eq!(daemons(&env).len(), 1);
    assert_nothing_left(env);
}

#[test]
fn a_wedged_daemon_is_named_and_not_doubled() {
    let env = Env::new();
    env.et(["daemon", "start"]).run().assert_ok();
    let pid = env.daemon_pid().unwrap();
    env.signal_daemon(Signal::SIGSTOP);
    let out = env.et(["session", "list"]).run();
    out.assert_code(69).assert_stderr(&format!("pid {pid}"));
    assert_eq!(daemons(&env).len(), 1);
    env.signal_daemon(Signal::SIGCONT);
    env.et(["session", "list"]).run().assert_ok();
    assert_eq!(env.daemon_pid(), Some(pid));
    assert_nothing_left(env);
}

/// A client that says what it likes.
pub(crate) struct Raw(pub(crate) UnixStream);

impl Raw {
    pub(crate) fn connect(env: &Env) -> Self {
        let stream = UnixStream::connect(env.lock_record().unwrap().endpoint).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Self(stream)
    }

    /// A connection that frames may follow.
    pub(crate) fn open(env: &Env) -> Self {
        let mut raw = Self::connect(env);
        assert_eq!(raw.preamble(Kind::Data, proto::PROTOCOL_VERSION).status, Status::Ok);
        raw.send(&Request::Hello(Hello { build: proto::BUILD.to_owned() }).encode(FrameKind::Request, 1).unwrap());
        assert!(matches!(raw.reply(1), Reply::Welcome(_)));
        raw
    }

    pub(crate) fn preamble(&mut self, kind: Kind, version: u16) -> Preamble {
        let ours = Preamble { kind, version, status: Status::Ok, text: proto::BUILD.to_owned() };
        self.0.write_all(&ours.encode()).unwrap();
        let mut fixed = [0; FIXED];
        self.0.read_exact(&mut fixed).unwrap();
        let fixed = Fixed::decode(&fixed).unwrap();
        let mut text = vec![0; fixed.text_len];
        self.0.read_exact(&mut text).unwrap();
        fixed.with_text(text).unwrap()
    }

    pub(crate) fn send(&mut self, frame: &[u8]) {
        self.0.write_all(&(frame.len() as u32).to_le_bytes()).unwrap();
        self.0.write_all(frame).unwrap();
    }

    /// The last answer to a request.
    pub(crate) fn reply(&mut self, request: u32) -> Reply {
        loop {
            let mut length = [0; 4];
            self.0.read_exact(&mut length).unwrap();
            let mut frame = vec![0; u32::from_le_bytes(length) as usize];
            self.0.read_exact(&mut frame).unwrap();
            let (header, body) = split(&frame).unwrap();
            if header.request == request && header.kind == FrameKind::Reply {
                return Reply::decode(header.message, body).unwrap();
            }
        }
    }

    pub(crate) fn ask(&mut self, request: &Request, number: u32) -> Reply {
        self.send(&request.encode(FrameKind::Request, number).unwrap());
        self.reply(number)
    }

    /// Reads until the other side closes; what came.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self.0.read_to_end(&mut bytes) {
            Ok(_) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => bytes,
            Err(error) => panic!("the daemon keeps the connection: {error}"),
        }
    }
}

#[test]
fn a_round_that_is_sent_twice_is_queued_once() {
    let env = Env::new();
    let model = Model::start(stories::wide(1));
    env.config(&model);
    env.et(["session", "spawn", "--work-dir", ".", "--no-iterate", "Write a part"]).run().assert_ok();
    env.et(["session", "wait", "last"]).run().assert_ok();
    let send = |key: &str| {
        Request::Send(Send {
            session: SessionName::Last,
            message: "And once more".to_owned(),
            flags: Flags::default(),
            config: None,
            env: [("PATH".to_owned(), "/usr/bin:/bin".to_owned())].into(),
            secret_env: Default::default(),
            secrets: Vec::new(),
            idempotency_key: key.to_owned(),
        })
    };
    let queued = |reply| match reply {
        Reply::Queued(queued) => (queued.session, queued.round, queued.round_id),
        other => panic!("{other:?}"),
    };
    let first = queued(Raw::open(&env).ask(&send("one"), 2));
    assert_eq!(first.1, 2);
    // On one connection, on another one, and of another daemon.
    let mut raw = Raw::open(&env);
    assert_eq!(queued(raw.ask(&send("one"), 2)), first);
    assert_eq!(queued(raw.ask(&send("one"), 3)), first);
    env.et(["session", "wait", "last"]).run().assert_ok();
    env.kill_daemon();
    env.et(["daemon", "start"]).run().assert_ok();
    assert_eq!(queued(Raw::open(&env).ask(&send("one"), 2)), first);
    assert_eq!(queued(Raw::open(&env).ask(&send("two"), 2)).1, 3);
    env.et(["session", "wait", "last"]).run().assert_ok();
    let shown = env.et(["session", "show", "last", "--json"]).run().json();
    assert_eq!(shown["rounds"].as_array().unwrap().len(), 3, "{shown}");
    assert_eq!(model.count("plan"), 3);
    assert_nothing_left(env);
}

#[test]
fn what_is_no_message_harms_nobody() {
    let env = Env::new();
    env.et(["daemon", "start"]).run().assert_ok();
    let pid = env.daemon_pid();
    let mut neighbour = Raw::open(&env);

    let mut garbage = Raw::connect(&env);
    garbage.0.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert!(garbage.rest().is_empty());

    let mut claim = Raw::open(&env);
    // At once: who claims so much may find the connection closed behind the claim.
    claim.0.write_all(&[&u32::MAX.to_le_bytes()[..], &[0; 64]].concat()).unwrap();
    claim.rest();

    // The same before the handshake, where less is allowed.
    let mut early = Raw::connect(&env);
    assert_eq!(early.preamble(Kind::Data, proto::PROTOCOL_VERSION).status, Status::Ok);
    early.0.write_all(&(1024 * 1024_u32).to_le_bytes()).unwrap();
    early.rest();

    let mut half = Raw::open(&env);
    half.0.write_all(&100_u32.to_le_bytes()).unwrap();
    half.0.write_all(&[1, 5]).unwrap();
    drop(half);

    // An unknown message, and a body that is none: both are answered, and the connection lives.
    let mut odd = Raw::open(&env);
    odd.send(&join(Header { kind: FrameKind::Request, message: 999, request: 2 }, b"what?"));
    assert!(matches!(odd.reply(2), Reply::Failed(_)));
    odd.send(&join(Header { kind: FrameKind::Request, message: 2, request: 3 }, &[0xff; 9]));
    assert!(matches!(odd.reply(3), Reply::Failed(_)));
    assert!(matches!(odd.ask(&Request::List(List {}), 4), Reply::Sessions(_)));

    assert!(matches!(neighbour.ask(&Request::List(List {}), 2), Reply::Sessions(_)));
    assert_eq!(env.daemon_pid(), pid);
    assert_nothing_left(env);
}

#[test]
fn any_version_may_ask_for_the_status_and_stop() {
    let env = Env::new();
    env.et(["daemon", "start"]).run().assert_ok();
    let pid = env.daemon_pid().unwrap();
    let refused = Raw::connect(&env).preamble(Kind::Data, 999);
    assert_eq!((refused.status, refused.text), (Status::OtherVersion, format!("idle {}", proto::BUILD)));
    let status = Raw::connect(&env).preamble(Kind::ControlStatus, 999);
    assert!(status.text.lines().any(|line| line == format!("pid={pid}")), "{status:?}");
    let began = Instant::now();
    assert_eq!(Raw::connect(&env).preamble(Kind::ControlStop, 999).status, Status::Ok);
    env.wait_daemon_gone(pid);
    assert!(began.elapsed() < Duration::from_secs(10));
    assert!(!env.lock_record().unwrap().endpoint.exists());
    assert_nothing_left(env);
}
