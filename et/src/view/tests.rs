#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

use std::cell::RefCell;
use std::io::Write;
use std::rc::Rc;

use proto::event::{Event, NoteLevel, SCHEMA};
use proto::id::SessionId;

use super::json::Json;
use super::plain::Plain;
use super::*;

#[derive(Clone, Default)]
struct Screen(Rc<RefCell<Vec<u8>>>);

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Screen {
    fn text(&self) -> String {
        String::from_utf8(self.0.borrow().clone()).unwrap()
    }
}

/// A reader that went away.
struct Gone;

impl Write for Gone {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::BrokenPipe.into())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Err(std::io::ErrorKind::BrokenPipe.into())
    }
}

fn session() -> SessionId {
    "11111111-2222-4333-8444-555555555555".parse().unwrap()
}

fn line(event: Event) -> EventLine {
    EventLine { schema: SCHEMA.into(), session: session(), round: 1, seq: Some(1), at: "t".into(), event }
}

fn report(outcome: &str) -> RoundReport {
    serde_json::from_value(serde_json::json!({
        "outcome": outcome, "exit_code": 1, "iterations": 3, "best_iteration": 2, "log_dir": "/l", "next": "Look at a.rs.",
        "duration_ms": 61_000, "subtasks": [{ "id": "2", "title": "t", "state": "failed", "files": [] }],
        "files": [{ "path": "a.rs", "action": "written", "worker": "1", "sha256": "00" }],
        "refused": [{ "path": "../x", "reason": "outside", "worker": "1" }],
        "check": { "command": "cargo build", "source": "detected", "sandbox": "none", "status": "red", "diagnostics": [{
            "tool": "cargo", "file": "a.rs", "line": 3, "column": 5, "severity": "error", "code": "E0425",
            "message": "cannot find\nvalue \u{1b}[31mx", "related": [], "owner": "1" }] },
        "usage": { "calls": 4, "repeated_calls": 0, "tokens_in": 12_000, "tokens_cached": 0, "tokens_out": 900,
            "cost_usd": 0.25, "estimated": true, "by_role": {}, "by_model": {} },
    }))
    .unwrap()
}

fn plain(quiet: bool, plan: bool, events: Vec<Event>) -> (String, String) {
    let (out, err) = (Screen::default(), Screen::default());
    let mut view = Plain::new(Box::new(out.clone()), Box::new(err.clone()), quiet, plan);
    for event in events {
        view.event(&line(event), "");
    }
    view.end(None);
    (out.text(), err.text())
}

#[test]
fn json_lines_are_those_that_are_stored() {
    let (out, err) = (Screen::default(), Screen::default());
    let mut view = Json::new(session(), 1, Box::new(out.clone()), Box::new(err.clone()));
    let raw = "{\"type\":\"note\",  \"as\":\"stored\"}";
    view.event(&line(Event::Note { level: NoteLevel::Info, text: "x".into() }), raw);
    view.heartbeat(&Heartbeat { state: "running".into(), round: 1 });
    let piece = "fn main".to_owned();
    view.live(&LiveText { round: 1, worker: "2".into(), model: "p/m".into(), restart: false, text: piece, tokens: 2 });
    view.notice("detached");
    view.end(None);
    let text = out.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], raw);
    for (line, kind) in [(lines[1], "heartbeat"), (lines[2], "text")] {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(value["type"], kind);
        assert_eq!(value["schema"], SCHEMA);
        assert!(value["seq"].is_null() && value.as_object().unwrap().contains_key("seq"));
        let at = value["at"].as_str().unwrap();
        assert!(at.ends_with('Z') && at.len() == "2025-01-01T00:00:00.000Z".len(), "{at}");
    }
    assert_eq!(lines.len(), 3);
    assert_eq!(err.text(), "detached\n");
}

#[test]
fn a_broken_pipe_is_no_error() {
    let mut view = Json::new(session(), 1, Box::new(Gone), Box::new(Gone));
    view.event(&line(Event::Synthesis { text: "x".into() }), "{}");
    view.notice("x");
    let mut view = Plain::new(Box::new(Gone), Box::new(Gone), false, false);
    view.event(&line(Event::Synthesis { text: "x".into() }), "{}");
    view.event(&line(Event::Result(Box::new(report("check_failed")))), "{}");
    view.end(None);
}

#[test]
fn what_was_asked_for_is_on_stdout_and_the_rest_is_not() {
    let note = || Event::Note { level: NoteLevel::Warning, text: "odd\u{1b}[2J".into() };
    let events = || {
        vec![note(), Event::Synthesis { text: "Built it.\n".into() }, Event::Result(Box::new(report("check_failed")))]
    };
    let (out, err) = plain(false, false, events());
    assert_eq!(out, "Built it.\na.rs:3:5: error[E0425]: cannot find value ␛[31mx\n");
    for part in [
        "warning: odd␛[2J",
        "outcome: check_failed (exit code 1)",
        "not delivered: 2 (t)",
        "check: red, cargo build (3 builds, the tree is that of build 2)",
        "files: 1\n  a.rs\n",
        "refused: ../x",
        "took 1m 01s, 4 model calls, 12.0k tokens in and 900 out, $0.25, partly estimated",
        "logs: /l",
        "next: Look at a.rs.",
    ] {
        assert!(err.contains(part), "{part} not in {err}");
    }
    let (quiet_out, quiet_err) = plain(true, false, events());
    assert_eq!((quiet_out, quiet_err.as_str()), (out, "error: check_failed (exit code 1): odd␛[2J\n"));
    let (_, quiet_green) = plain(true, false, vec![note(), Event::Result(Box::new(report("passed")))]);
    assert_eq!(quiet_green, "");
    let (green, _) = plain(false, false, vec![Event::Result(Box::new(report("passed")))]);
    assert_eq!(green, "");
}

#[test]
fn a_daemon_in_trouble_is_told_once() {
    let err = Screen::default();
    let mut view = Plain::new(Box::new(Screen::default()), Box::new(err.clone()), true, false);
    for state in ["running", "stuck: no room", "stuck: no room", "running", "stuck: no room"] {
        view.heartbeat(&Heartbeat { state: state.into(), round: 1 });
    }
    assert_eq!(err.text(), "the round is stuck: no room\n".repeat(2));
}

#[test]
fn a_dry_run_prints_the_plan() {
    let subtask = || Event::PlanSubtask {
        id: "2".into(),
        title: "Server".into(),
        owns: vec!["a.go".into(), "b.go".into()],
        reads: vec![],
        after: vec!["1".into()],
        specialist: None,
    };
    assert_eq!(plain(false, true, vec![subtask()]).0, "2. Server: a.go, b.go (after 1)\n");
    assert_eq!(plain(false, false, vec![subtask()]).0, "");
}

#[test]
fn lines_say_who_and_which_round() {
    let note = |worker: &str| Event::FileDeleted { path: "a.rs".into(), worker: worker.into() };
    let queued =
        |other: &str| Event::RoundQueued { task: "t".into(), work_dir: None, waits_for: Some(other.parse().unwrap()) };
    for (event, expected) in [
        (note("2"), "deleted a.rs (worker 2)\n"),
        (note("integrator"), "deleted a.rs (the integrator)\n"),
        (note("tester"), "deleted a.rs (the tester)\n"),
        (queued("99999999-2222-4333-8444-555555555555"), "round 1 queued behind session 99999999: t\n"),
        (queued(&session().to_string()), "round 1 queued behind an earlier round: t\n"),
    ] {
        assert_eq!(plain(false, false, vec![event]).1, expected);
    }
}
