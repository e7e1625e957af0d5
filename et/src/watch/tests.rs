#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use proto::event::{NoteLevel, SCHEMA};
use proto::message::{AttachEnd, Done, Heartbeat, Killed, LiveText, StoredEvent};

use super::*;
use crate::link::LinkErrorKind;

/// What a scripted connection does next.
enum Step {
    Item(Reply),
    /// The connection breaks.
    Break,
    /// Time goes by.
    Pass(Duration),
    /// Waits until a signal was handled.
    Signal(Signal),
}

/// A clock that doesn't go, until this is dropped: a wait for something else may cut the wait for it short.
struct StoppedClock;

impl StoppedClock {
    fn new() -> Self {
        tokio::time::pause();
        Self
    }
}

impl Drop for StoppedClock {
    fn drop(&mut self) {
        tokio::time::resume();
    }
}

/// What each connection in turn does, or why it can't be made.
type Connections = VecDeque<Result<VecDeque<Step>, LinkError>>;

/// A daemon that plays one script for each connection.
#[derive(Clone, Default)]
struct Script {
    connections: Rc<RefCell<Connections>>,
    asked: Rc<RefCell<Vec<String>>>,
    signals: Rc<RefCell<VecDeque<Signal>>>,
}

struct Connection(Script, RefCell<Option<VecDeque<Step>>>);
struct Playing(Script, VecDeque<Step>);

fn lost() -> LinkError {
    LinkError { kind: LinkErrorKind::Lost, exit_code: exit::UNAVAILABLE, message: "lost".into(), hint: None }
}

impl Connect for Script {
    type Session = Connection;
    async fn connect(&self, autostart: bool) -> Result<Connection, LinkError> {
        self.asked.borrow_mut().push(format!("connect autostart={autostart}"));
        let steps = self.connections.borrow_mut().pop_front().expect("one connection too many")?;
        Ok(Connection(self.clone(), RefCell::new(Some(steps))))
    }
}

impl Session for Connection {
    type Items = Playing;
    async fn call(&self, request: Request) -> Result<Reply, LinkError> {
        let (text, reply) = match request {
            Request::Kill(kill) => {
                (format!("kill {:?}", kill.round), Reply::Killed(Killed { session: session(), rounds: vec![] }))
            }
            Request::Provide(provide) => (format!("provide {}", provide.secrets.len()), Reply::Done(Done {})),
            other => panic!("{other:?}"),
        };
        self.0.asked.borrow_mut().push(text);
        Ok(reply)
    }
    async fn open(&self, request: Request) -> Result<Playing, LinkError> {
        let Request::Attach(attach) = request else { panic!("{request:?}") };
        self.0.asked.borrow_mut().push(format!("attach {:?}", attach.from));
        Ok(Playing(self.0.clone(), self.1.borrow_mut().take().unwrap()))
    }
}

impl Items for Playing {
    async fn next(&mut self) -> Result<Option<Reply>, LinkError> {
        match self.1.pop_front() {
            Some(Step::Item(reply)) => Ok(Some(reply)),
            Some(Step::Break) => Err(lost()),
            Some(Step::Pass(time)) => {
                {
                    let _stopped = StoppedClock::new();
                    // The time has gone by before this is first waited for: it doesn't matter whether it is waited for to its end.
                    tokio::time::advance(time).await;
                }
                Box::pin(self.next()).await
            }
            Some(Step::Signal(signal)) => {
                self.0.signals.borrow_mut().push_back(signal);
                // Cancelled by the signal, which is ready at the next poll.
                std::future::pending::<()>().await;
                Ok(None)
            }
            None => std::future::pending().await,
        }
    }
}

struct Fired(Rc<RefCell<VecDeque<Signal>>>);

impl Signals for Fired {
    async fn next(&mut self) -> Signal {
        std::future::poll_fn(|context| match self.0.borrow_mut().pop_front() {
            Some(signal) => std::task::Poll::Ready(signal),
            None => {
                context.waker().wake_by_ref();
                std::task::Poll::Pending
            }
        })
        .await
    }
}

#[derive(Default)]
struct Seen {
    seqs: Vec<u64>,
    notices: Vec<String>,
    report: Option<u8>,
    ended: bool,
}

impl View for Seen {
    fn event(&mut self, line: &EventLine, _raw: &str) {
        self.seqs.push(line.seq.unwrap());
    }
    fn live(&mut self, _: &LiveText) {}
    fn heartbeat(&mut self, _: &Heartbeat) {}
    fn notice(&mut self, text: &str) {
        self.notices.push(text.to_owned());
    }
    fn tick(&mut self) {}
    fn end(&mut self, report: Option<&RoundReport>) {
        self.ended = true;
        self.report = report.map(|report| report.exit_code);
    }
}

fn session() -> SessionId {
    "11111111-2222-4333-8444-555555555555".parse().unwrap()
}

fn stored(seq: u64, round: u32, event: Event) -> StoredEvent {
    let line = EventLine { schema: SCHEMA.into(), session: session(), round, seq: Some(seq), at: String::new(), event };
    StoredEvent { seq, json: serde_json::to_string(&line).unwrap() }
}

fn notes(seqs: std::ops::RangeInclusive<u64>) -> Step {
    let lines = seqs.map(|seq| stored(seq, 1, Event::Note { level: NoteLevel::Info, text: "x".into() })).collect();
    Step::Item(Reply::Events(Events { session: session(), lines }))
}

fn result(seq: u64, round: u32, code: u8) -> Step {
    let report = serde_json::json!({
        "outcome": "check_failed", "exit_code": code, "iterations": 1, "best_iteration": null, "log_dir": null, "next": "",
        "duration_ms": 1, "subtasks": [], "files": [], "refused": [],
        "check": { "command": null, "source": "none", "sandbox": "none", "status": "none", "diagnostics": [] },
        "usage": { "calls": 0, "repeated_calls": 0, "tokens_in": 0, "tokens_cached": 0, "tokens_out": 0, "cost_usd": null,
            "estimated": false, "by_role": {}, "by_model": {} },
    });
    let report = serde_json::from_value(report).unwrap();
    let lines = vec![stored(seq, round, Event::Result(report))];
    Step::Item(Reply::Events(Events { session: session(), lines }))
}

fn end(reason: EndReason, exit_code: Option<u8>) -> Step {
    Step::Item(Reply::AttachEnd(AttachEnd { reason, exit_code, seq: 0 }))
}

struct Played {
    ended: Result<u8, Problem>,
    seen: Seen,
    asked: Vec<String>,
}

fn play(round: Option<u32>, interrupted: bool, connections: Vec<Result<Vec<Step>, LinkError>>) -> Played {
    let script = Script::default();
    script.connections.borrow_mut().extend(connections.into_iter().map(|steps| steps.map(VecDeque::from)));
    let mut seen = Seen::default();
    let mut signals = Fired(script.signals.clone());
    let what = Watch { session: session(), from: From::NewestRound, follow: false, text: false, round, interrupted };
    let find = |names: &[SecretRef]| {
        let has = names.iter().filter(|name| name.0 == "env:HAS");
        has.map(|name| SecretValue { name: name.clone(), value: proto::message::Secret::new("v".into()) }).collect()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let ended = runtime.block_on(watch(what, &script, &mut signals, &find, &mut seen));
    assert!(seen.ended);
    Played { ended, seen, asked: script.asked.take() }
}

#[test]
fn a_lost_daemon_costs_no_event_and_repeats_none() {
    let played = play(
        Some(1),
        false,
        vec![
            Ok(vec![notes(4..=6), Step::Break]),
            Err(lost()),
            // This one begins too early: what was shown isn't shown again.
            Ok(vec![notes(5..=8), end(EndReason::Slow, None)]),
            Ok(vec![notes(9..=9), result(10, 1, 1), end(EndReason::Idle, Some(1))]),
        ],
    );
    assert_eq!(played.ended, Ok(1));
    assert_eq!(played.seen.seqs, [4, 5, 6, 7, 8, 9, 10]);
    assert_eq!(played.seen.report, Some(1));
    let attaches: Vec<_> = played.asked.iter().filter(|asked| asked.starts_with("attach")).collect();
    assert_eq!(attaches, ["attach NewestRound", "attach Seq(7)", "attach Seq(9)"]);
}

#[test]
fn patience_begins_anew_with_each_loss() {
    let beat = || Step::Item(Reply::Heartbeat(Heartbeat { state: "running".to_owned(), round: 1 }));
    let played = play(
        Some(1),
        false,
        vec![
            Ok(vec![notes(1..=1), Step::Break]),
            // Nothing durable happens for long, but it is there.
            Ok(vec![beat(), Step::Pass(PATIENCE * 2), beat(), Step::Break]),
            Ok(vec![result(2, 1, 0), end(EndReason::Idle, Some(0))]),
        ],
    );
    assert_eq!(played.ended, Ok(0));
}

#[test]
fn what_began_now_goes_on_where_it_was_broken_off() {
    let broken_off = Step::Item(Reply::AttachEnd(AttachEnd { reason: EndReason::Draining, exit_code: None, seq: 7 }));
    let played =
        play(None, false, vec![Ok(vec![broken_off]), Ok(vec![result(8, 1, 0), end(EndReason::Idle, Some(0))])]);
    assert_eq!(played.asked[3], "attach Seq(8)");
}

#[test]
fn a_daemon_that_was_stopped_is_not_started() {
    let played = play(
        Some(1),
        false,
        vec![
            Ok(vec![notes(1..=1), end(EndReason::Draining, None)]),
            Ok(vec![result(2, 1, 0), end(EndReason::Idle, Some(0))]),
        ],
    );
    assert_eq!(played.ended, Ok(0));
    assert_eq!(
        played.asked,
        ["connect autostart=true", "attach NewestRound", "connect autostart=false", "attach Seq(2)"]
    );
}

#[test]
fn only_the_awaited_round_decides() {
    let played = play(Some(1), false, vec![Ok(vec![result(1, 1, 6), result(2, 2, 0), end(EndReason::Idle, Some(0))])]);
    assert_eq!((played.ended, played.seen.report), (Ok(6), Some(6)));
    let played = play(None, false, vec![Ok(vec![result(1, 1, 6), result(2, 2, 8), end(EndReason::Idle, Some(8))])]);
    assert_eq!((played.ended, played.seen.report), (Ok(8), Some(8)));
    let played = play(None, false, vec![Ok(vec![end(EndReason::Idle, Some(4))])]);
    assert_eq!((played.ended, played.seen.report), (Ok(4), None));
}

#[test]
fn ctrl_c_cancels_and_waits_for_the_result() {
    let interrupted =
        vec![notes(1..=1), Step::Signal(Signal::Interrupt), result(2, 1, 130), end(EndReason::Idle, Some(130))];
    let played = play(Some(1), false, vec![Ok(interrupted)]);
    assert_eq!(played.ended, Ok(130));
    assert!(played.asked.contains(&"kill Some(1)".to_owned()));
    assert_eq!(played.seen.seqs, [1, 2]);
    let twice = vec![Step::Signal(Signal::Interrupt), Step::Signal(Signal::Interrupt)];
    assert_eq!(play(Some(1), false, vec![Ok(twice)]).ended, Ok(130));
    // Pressed before there was a connection to say it on.
    let played = play(Some(1), true, vec![Ok(vec![result(1, 1, 130), end(EndReason::Idle, Some(130))])]);
    assert_eq!(played.asked[1], "kill Some(1)");
}

#[test]
fn leaving_cancels_nothing() {
    for (round, signal) in [(Some(1), Signal::Leave), (None, Signal::Leave), (None, Signal::Interrupt)] {
        let played = play(round, false, vec![Ok(vec![notes(1..=1), Step::Signal(signal)])]);
        assert_eq!(played.ended, Ok(exit::TRY_AGAIN));
        assert!(!played.asked.iter().any(|asked| asked.starts_with("kill")));
        assert!(played.seen.notices[0].contains("et session attach 11111111"), "{:?}", played.seen.notices);
    }
}

#[test]
fn credentials_are_handed_over() {
    let needs = || {
        let names = ["env:HAS", "env:HASNT"].map(|name| SecretRef(name.to_owned())).into();
        Step::Item(Reply::Needs(Needs { names }))
    };
    let played = play(Some(1), false, vec![Ok(vec![needs(), needs(), result(1, 1, 0), end(EndReason::Idle, Some(0))])]);
    assert_eq!(played.asked.iter().filter(|asked| *asked == "provide 1").count(), 2);
    assert_eq!(played.seen.notices.len(), 1);
    assert!(played.seen.notices[0].contains("HASNT") && !played.seen.notices[0].contains("HAS,"));
}

#[test]
fn a_refusal_ends_it() {
    let failed = proto::message::Failed { exit_code: 2, message: "no such session".into(), hint: None };
    let played = play(None, false, vec![Ok(vec![Step::Item(Reply::Failed(failed))])]);
    assert_eq!(played.ended.unwrap_err().exit_code, 2);
    let version = LinkError { kind: LinkErrorKind::OtherVersion, exit_code: 76, message: "other".into(), hint: None };
    assert_eq!(play(None, false, vec![Err(version)]).ended.unwrap_err().exit_code, 76);
}
