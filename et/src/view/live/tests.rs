#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use proto::event::SCHEMA;
use serde_json::{Value, json};

use super::*;

/// A terminal, a stdout and a clock that the test holds.
#[derive(Clone)]
struct Bench {
    terminal: Rc<RefCell<vt100::Parser>>,
    out: Rc<RefCell<Vec<u8>>>,
    now: Rc<Cell<i64>>,
    /// Writes to the terminal.
    writes: Rc<Cell<usize>>,
}

struct Terminal(Bench);

impl Write for Terminal {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.writes.set(self.0.writes.get() + 1);
        self.0.terminal.borrow_mut().process(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A stdout that is the same terminal.
struct Out(Bench);

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.out.borrow_mut().extend_from_slice(bytes);
        let text = String::from_utf8_lossy(bytes).replace('\n', "\r\n");
        self.0.terminal.borrow_mut().process(text.as_bytes());
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Bench {
    fn new(columns: u16, rows: u16) -> (Self, Live) {
        let bench = Self {
            terminal: Rc::new(RefCell::new(vt100::Parser::new(rows, columns, 0))),
            out: Rc::default(),
            now: Rc::new(Cell::new(0)),
            writes: Rc::default(),
        };
        let size = {
            let bench = bench.clone();
            move || {
                let (rows, columns) = bench.terminal.borrow().screen().size();
                (usize::from(columns), usize::from(rows))
            }
        };
        let now = {
            let bench = bench.clone();
            move || bench.now.get()
        };
        let view = Live::with(
            Box::new(Out(bench.clone())),
            Box::new(Terminal(bench.clone())),
            Box::new(size),
            false,
            Some(3),
            Box::new(now),
        );
        (bench, view)
    }

    /// The screen without empty lines at its end.
    fn shown(&self) -> String {
        let screen = self.terminal.borrow().screen().contents();
        screen.lines().map(str::trim_end).collect::<Vec<_>>().join("\n").trim_end().to_owned()
    }
}

fn line(at: i64, mut event: Value) -> EventLine {
    let fields = json!({ "schema": SCHEMA, "session": "11111111-2222-4333-8444-555555555555", "round": 1, "seq": 1,
        "at": jiff::Timestamp::from_millisecond(at).unwrap().to_string() });
    for (name, value) in fields.as_object().unwrap() {
        event[name] = value.clone();
    }
    serde_json::from_value(event).unwrap()
}

fn piece(worker: &str, text: &str, tokens: u64, restart: bool) -> LiveText {
    LiveText { round: 1, worker: worker.into(), model: "p/big-coder:32b".into(), restart, text: text.into(), tokens }
}

/// What a test does, each at its time in milliseconds.
enum Step {
    Event(i64, Value),
    Text(i64, LiveText),
}

fn started() -> Value {
    json!({ "type": "round.started", "log_dir": null, "planner": ["p/planner"], "workers": ["p/big-coder:32b"],
        "parallel": 8, "recorded": true })
}

fn subtask(id: &str, title: &str, owns: &[&str], after: &[&str]) -> Value {
    json!({ "type": "plan.subtask", "id": id, "title": title, "owns": owns, "reads": [], "after": after, "specialist": null })
}

fn asked(worker: &str, title: &str, attempt: u32) -> Value {
    json!({ "type": "worker.started", "worker": worker, "title": title, "attempt": attempt })
}

fn finished(worker: &str, files: &[&str]) -> Value {
    json!({ "type": "worker.finished", "worker": worker, "attempt": 1, "model": "p/big-coder:32b", "tokens_in": 2000,
        "tokens_out": 400, "duration_ms": 4200, "files": files })
}

/// An event with what the round has spent by then.
fn spent(mut event: Value, tokens_in: u64, tokens_out: u64, cost_usd: Option<f64>) -> Value {
    event["spent"] = json!({ "calls": 1, "tokens_in": tokens_in, "tokens_cached": 0, "tokens_out": tokens_out,
        "cost_usd": cost_usd });
    event
}

fn ready(subtasks: u32) -> Value {
    json!({ "type": "plan.ready", "subtasks": subtasks, "form": "json", "notes": [] })
}

fn building(iteration: u32) -> Value {
    json!({ "type": "check.started", "iteration": iteration, "command": "cargo build", "source": "detected" })
}

fn diagnostic() -> Value {
    json!({ "tool": "cargo", "file": "src/report.rs", "line": 12, "column": 9, "severity": "error", "code": "E0061",
        "message": "this function takes 2 arguments but 1 was supplied", "related": [], "owner": "2" })
}

fn built(iteration: u32, red: bool) -> Value {
    json!({ "type": "check.finished", "iteration": iteration, "status": if red { "red" } else { "green" },
        "exit_code": 0, "duration_ms": 2100, "errors": u32::from(red), "warnings": 1, "tests_passed": null,
        "tests_failed": null, "diagnostics": if red { vec![diagnostic()] } else { vec![] } })
}

fn fix() -> Value {
    json!({ "type": "fix.assigned", "iteration": 1, "owner": "2", "files": ["src/report.rs"], "diagnostics": 1,
        "first": "src/report.rs:12: this function", "step": "owner", "why": "it owns src/report.rs" })
}

fn fixed() -> Value {
    json!({ "type": "fix.finished", "iteration": 1, "owner": "2", "model": "p/big-coder:32b",
        "files": ["src/report.rs"], "failed": null })
}

fn ended(outcome: &str) -> Value {
    let red = outcome != "passed";
    json!({ "type": "result", "outcome": outcome, "exit_code": u8::from(red), "iterations": 2, "best_iteration": 2,
        "log_dir": "/logs/2025-01-01_ab12", "next": "Look at src/report.rs.", "duration_ms": 61_000,
        "subtasks": [{ "id": "1", "title": "Ledger", "state": "delivered", "files": ["src/ledger.rs"] }],
        "files": [{ "path": "src/ledger.rs", "action": "written", "worker": "1", "sha256": "00" },
            { "path": "src/report.rs", "action": "written", "worker": "2", "sha256": "00" }],
        "refused": [{ "path": "../evil", "reason": "outside", "worker": "1" }],
        "check": { "command": "cargo build", "source": "detected", "sandbox": "none",
            "status": if red { "red" } else { "green" }, "diagnostics": if red { vec![diagnostic()] } else { vec![] } },
        "usage": { "calls": 4, "repeated_calls": 0, "tokens_in": 12_000, "tokens_cached": 0, "tokens_out": 900,
            "cost_usd": 0.25, "estimated": false, "by_role": {}, "by_model": {} } })
}

/// A round with one mistake across files.
fn story() -> Vec<Step> {
    use Step::{Event, Text};
    vec![
        Event(0, json!({ "type": "round.queued", "task": "t", "work_dir": "/w", "waits_for": null })),
        Event(0, started()),
        Text(100, piece("planner", "{", 10, true)),
        Event(800, subtask("1", "Ledger", &["src/ledger.rs", "src/lib.rs"], &[])),
        Event(900, asked("1", "Ledger", 1)),
        Event(1500, subtask("2", "Monthly report", &["src/report.rs"], &[])),
        Event(1600, subtask("3", "Command line", &["src/main.rs"], &["1"])),
        Text(1700, piece("planner", "}", 300, false)),
        Event(2000, spent(ready(3), 0, 300, None)),
        Event(2000, asked("2", "Monthly report", 1)),
        Text(2200, piece("1", "===FILE: src/led", 40, true)),
        Text(3200, piece("1", "ger.rs===\nfn a() {}\n", 140, false)),
        Event(4000, spent(finished("1", &["src/ledger.rs", "src/lib.rs"]), 2000, 700, None)),
        Event(4100, asked("3", "Command line", 1)),
        Text(4200, piece("3", "===FILE: src/main.rs===\n", 40, true)),
        Event(
            5000,
            json!({ "type": "worker.failed", "worker": "2", "attempt": 1, "reason": "it ends within a file", "again": true }),
        ),
        Event(5600, asked("2", "Monthly report", 2)),
        Text(5700, piece("2", "===FILE: src/report.rs===\n", 10, true)),
        Text(6700, piece("2", "x\n", 95, false)),
        Event(7000, spent(finished("2", &["src/report.rs"]), 4000, 1100, Some(0.0))),
        Event(
            7000,
            json!({ "type": "file.refused", "path": "../ev\u{1b}[2Jil", "worker": "2", "reason": "it is outside the work dir" }),
        ),
        Event(7500, spent(finished("3", &["src/main.rs"]), 6000, 1500, Some(0.25))),
        Event(8000, building(1)),
        Event(10000, spent(built(1, true), 6000, 1500, Some(0.25))),
        Event(10100, fix()),
        Text(10300, piece("2", "===FILE: src/report.rs===\n", 10, true)),
        Event(12000, spent(fixed(), 6000, 1510, Some(0.3))),
        Event(12100, building(2)),
        Event(14000, spent(built(2, false), 6000, 1510, Some(0.3))),
        Event(14500, json!({ "type": "synthesis", "text": "# Built\nRun it." })),
        Event(15000, ended("passed")),
    ]
}

/// Plays the story up to a time and looks at the screen then.
fn play(bench: &Bench, view: &mut Live, steps: Vec<Step>, until: i64) {
    for step in steps {
        match step {
            Step::Event(at, event) if at <= until => {
                bench.now.set(at);
                view.event(&line(at, event), "");
            }
            Step::Text(at, text) if at <= until => {
                bench.now.set(at);
                view.live(&text);
            }
            _ => {}
        }
    }
    bench.now.set(until);
    view.draw();
}

/// The block alone, the spinner as a star.
fn block(columns: usize, rows: usize, steps: Vec<Step>, until: i64) -> Vec<String> {
    let mut model = Model::default();
    for step in steps {
        match step {
            Step::Event(at, event) if at <= until => model.event(&line(at, event), at),
            Step::Text(at, text) if at <= until => model.live(&text, at),
            _ => {}
        }
    }
    plain(&render::render(&model, until, columns, rows))
}

fn plain(lines: &[Line]) -> Vec<String> {
    let spinner = |c: char| if "⠋⠙⠸⠴⠦⠇⠏⠹".contains(c) { '*' } else { c };
    lines.iter().map(|line| line.paint(false).chars().map(spinner).collect::<String>().trim_end().to_owned()).collect()
}

#[test]
fn the_block_at_each_phase() {
    let wide: [(i64, &[&str]); 9] = [
        (0, &["* planning · 0s · recorded"]),
        (
            1_000,
            &[
                "* planning, 1 subtask so far · 1s · recorded · 10 tokens out · big-coder:32b",
                "* 1 Ledger  thinking 0s",
            ],
        ),
        (
            3_300,
            &[
                "* working, 0 of 3 done · 3s · recorded · 440 tokens out",
                "* 1 Ledger          writing src/ledger.rs                    91/s  big-coder:32b",
                "* 2 Monthly report  thinking 1s",
                "· 3 Command line    waiting for 1",
            ],
        ),
        (
            5_000,
            &[
                "* working, 1 of 3 done · 5s · recorded · 740 tokens out · 2000 in",
                "✓ 1 Ledger          done src/ledger.rs +1                          big-coder:32b",
                "↻ 2 Monthly report  asked again: it ends within a file",
                "* 3 Command line    writing src/main.rs                            big-coder:32b",
            ],
        ),
        (
            6_700,
            &[
                "* working, 1 of 3 done · 6s · recorded · 835 tokens out · 2000 in",
                "✓ 1 Ledger          done src/ledger.rs +1                          big-coder:32b",
                "* 2 Monthly report  writing, attempt 2 src/report.rs         85/s  big-coder:32b",
                "* 3 Command line    writing src/main.rs                            big-coder:32b",
            ],
        ),
        (
            9_000,
            &[
                "* building 1 · 9s · recorded · $0.25 · 1500 tokens out · 6000 in · cargo build",
                "✓ 1 Ledger          done src/ledger.rs +1                          big-coder:32b",
                "✓ 2 Monthly report  done src/report.rs                             big-coder:32b",
                "✓ 3 Command line    done src/main.rs                               big-coder:32b",
            ],
        ),
        (
            10_400,
            &[
                "* mending 1 error of build 1 · 10s · recorded · $0.25 · 1510 tokens out",
                "✓ 1 Ledger          done src/ledger.rs +1                          big-coder:32b",
                "* 2 Monthly report  mending 1 src/report.rs                        big-coder:32b",
                "✓ 3 Command line    done src/main.rs                               big-coder:32b",
            ],
        ),
        (
            14_000,
            &[
                "* finishing · 14s · recorded · $0.30 · 1510 tokens out · 6000 in",
                "✓ 1 Ledger          done src/ledger.rs +1                          big-coder:32b",
                "✓ 2 Monthly report  done src/report.rs                             big-coder:32b",
                "✓ 3 Command line    done src/main.rs                               big-coder:32b",
            ],
        ),
        (15_000, &[]),
    ];
    for (until, expected) in wide {
        assert_eq!(block(80, 20, story(), until), expected, "at {until}");
    }
    let narrow = [
        "* working, 0 of 3 done · 3s · recorded",
        "* 1 Ledger     src/ledger.rs       91/s",
        "* 2 Monthly …  thinking 1s",
        "· 3 Command …  waiting for 1",
    ];
    assert_eq!(block(39, 8, story(), 3_300), narrow);
}

#[test]
fn states_that_the_story_lacks() {
    let waits = "aaaaaaaa-2222-4333-8444-555555555555";
    let queued = json!({ "type": "round.queued", "task": "t", "work_dir": null, "waits_for": waits });
    let queued = block(80, 20, vec![Step::Event(0, queued)], 5_000);
    assert!(queued[0].starts_with("* queued behind aaaaaaaa") && queued[0].ends_with(" · 5s"), "{queued:?}");
    let failed = json!({ "type": "worker.failed", "worker": "1", "attempt": 1, "reason": "no model", "again": false });
    let start = || vec![Step::Event(0, started()), Step::Event(0, subtask("1", "Ledger", &["a.rs"], &[]))];
    let with = |more: Vec<Step>| block(80, 20, start().into_iter().chain(more).collect(), 1_000);
    assert_eq!(with(vec![])[1], "· 1 Ledger  waiting");
    assert_eq!(with(vec![Step::Event(0, failed)])[1], "✗ 1 Ledger  failed: no model");
    let scored =
        json!({ "type": "review.scored", "worker": "1", "attempt": 1, "score": 3, "reason": "r", "accepted": false });
    let reviewing = vec![Step::Event(0, finished("1", &["a.rs"])), Step::Text(0, piece("reviewer", "3", 9, true))];
    let lines = with(reviewing);
    assert!(lines[2].starts_with("* reviewer  reviewing"), "{lines:?}");
    let lines = with(vec![
        Step::Event(0, finished("1", &["a.rs"])),
        Step::Text(0, piece("reviewer", "3", 9, true)),
        Step::Event(0, scored),
    ]);
    assert!(lines.len() == 2 && lines[1].starts_with("↻ 1 Ledger  asked again: review 3/10"), "{lines:?}");
    let mut model = Model::default();
    model.event(&line(0, started()), 0);
    model.heartbeat("needs_credentials");
    assert_eq!(plain(&render::render(&model, 0, 80, 9)), ["* waiting for credentials · 0s · recorded"]);
    model.heartbeat("stuck: no room");
    assert_eq!(plain(&render::render(&model, 0, 80, 9)), ["* stuck: no room · 0s · recorded"]);
    model.heartbeat("running");
    assert!(!plain(&render::render(&model, 0, 80, 9))[0].contains("stuck"));
    // Attached in the middle, and not brought back by what comes after the end.
    assert_eq!(block(80, 20, vec![Step::Event(0, ready(2))], 0), ["* working"]);
    let joined = block(80, 20, vec![Step::Text(0, piece("1", "x", 9, true))], 0);
    assert_eq!(joined[1], format!("* 1  writing{}big-coder:32b", " ".repeat(55)));
    let known =
        vec![Step::Text(0, piece("1", "x", 9, true)), Step::Event(0, spent(finished("1", &["a.rs"]), 9, 400, None))];
    assert_eq!(block(39, 20, known, 0), ["* working, 1 of 1 done · 400 tokens out", "✓ 1  done"]);
    let late =
        vec![Step::Event(0, started()), Step::Event(0, ended("passed")), Step::Text(0, piece("1", "x", 1, true))];
    assert!(block(80, 20, late, 0).is_empty());
}

#[test]
fn many_workers_are_capped() {
    let mut steps = vec![Step::Event(0, started())];
    for n in 1..=11 {
        steps.push(Step::Event(0, subtask(&n.to_string(), "Part", &[&format!("src/{n}.rs")], &[])));
    }
    steps.push(Step::Event(0, finished("2", &["src/2.rs"])));
    steps.push(Step::Event(0, asked("11", "Part", 1)));
    let lines = block(80, 20, steps, 0);
    assert_eq!(lines.len(), 10, "{lines:#?}");
    assert!(lines[8].starts_with("* 11 Part"), "{lines:#?}");
    assert_eq!(lines[9], "  … and 3 more (2 waiting, 1 done)");
}

#[test]
fn it_fits_every_terminal() {
    let hostile = |text: &str| format!("\u{1b}[2J\u{202e}{text}\n文字列 {}", "x".repeat(300));
    let mut steps = story();
    steps.insert(
        2,
        Step::Event(0, subtask(&hostile("id"), &hostile("title"), &[&hostile("path")], &[&hostile("after")])),
    );
    steps.insert(3, Step::Event(0, asked(&hostile("id"), &hostile("title"), 1)));
    steps.insert(
        4,
        Step::Text(0, piece(&hostile("id"), "===FILE: \u{1b}]0;文文文文文文\u{7}.rs===\n", u64::MAX / 4, true)),
    );
    for until in [0, 3_300, 9_000, 10_400] {
        let mut model = Model::default();
        for step in &steps {
            match step {
                Step::Event(at, event) if *at <= until => model.event(&line(*at, event.clone()), *at),
                Step::Text(at, text) if *at <= until => model.live(text, *at),
                _ => {}
            }
        }
        for columns in 0..130 {
            for rows in 0..14 {
                let lines = render::render(&model, until, columns, rows);
                assert!(lines.len() <= rows);
                for line in lines {
                    assert!(line.width() <= columns, "{columns}: {line:?}");
                    assert!(!line.paint(false).contains(|c: char| c.is_control() || c == '\u{202e}'));
                }
            }
        }
    }
}

#[test]
fn the_screen_at_the_end() {
    let (bench, mut view) = Bench::new(80, 40);
    play(&bench, &mut view, story(), 20_000);
    view.end(None);
    let end = "\
! The model's answers are recordings. Planning, writing, building and mending
    are real.
  plan by p/planner, work by p/big-coder:32b
✓ plan ready: 3 subtasks
✓ 1 Ledger: src/ledger.rs, src/lib.rs · 400 tokens in 4.2s from p/big-coder:32b
✗ 2 Monthly report failed: it ends within a file; asked again
✓ 2 Monthly report: src/report.rs · 400 tokens in 4.2s from p/big-coder:32b
! refused ../ev␛[2Jil, wanted by 2 Monthly report: it is outside the work dir
✓ 3 Command line: src/main.rs · 400 tokens in 4.2s from p/big-coder:32b
✗ build 1 red: 1 error, 1 warning · 2.1s
  src/report.rs:12:9 this function takes 2 arguments but 1 was supplied → 2
    Monthly report
→ 2 Monthly report mends 1 diagnostic · it owns src/report.rs
✓ 2 Monthly report changed src/report.rs
✓ build 2 green: 1 warning · 2.1s
# Built
Run it.

✓ passed: everything was delivered and the check is green
  check   green cargo build · 2 builds
  files   2 files: src/ledger.rs, src/report.rs
  refused ../evil
  took    1m 01s · 4 model calls · 12.0k tokens in, 900 out · $0.25
  logs    /logs/2025-01-01_ab12
  next    Look at src/report.rs.";
    assert_eq!(bench.shown(), end);
    assert_eq!(String::from_utf8(bench.out.borrow().clone()).unwrap(), "# Built\nRun it.\n");
    let terminal = bench.terminal.borrow();
    assert_eq!(terminal.screen().cursor_position().1, 0);
    assert!(!terminal.screen().hide_cursor());
}

#[test]
fn what_remains_is_on_stdout() {
    let (bench, mut view) = Bench::new(80, 24);
    view.event(&line(0, started()), "");
    view.event(&line(0, ended("check_failed")), "");
    view.end(None);
    let out = String::from_utf8(bench.out.borrow().clone()).unwrap();
    assert_eq!(out, "src/report.rs:12:9: error[E0061]: this function takes 2 arguments but 1 was supplied\n");
    assert!(bench.shown().contains("✗ check failed: the builds are used up and the check is still red"));
}

#[test]
fn the_block_goes_away_and_nothing_else_does() {
    for small in [(80, 24), (40, 12), (20, 3), (8, 2)] {
        let (bench, mut view) = Bench::new(small.0, small.1);
        play(&bench, &mut view, story(), 3_300);
        assert!(bench.shown().contains('⠋') || small.1 < 12, "{}", bench.shown());
        view.notice("detached; the work goes on");
        drop(view);
        assert!(!bench.shown().contains('⠋'), "{small:?}: {}", bench.shown());
        assert!(bench.shown().contains("goes on") || small.0 < 20, "{small:?}: {}", bench.shown());
    }
}

#[test]
fn a_narrower_terminal_has_wrapped_the_block() {
    let size = Rc::new(Cell::new((80, 24)));
    let written = Rc::new(RefCell::new(Vec::new()));
    struct Bytes(Rc<RefCell<Vec<u8>>>);
    impl Write for Bytes {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.borrow_mut().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let now = {
        let size = Rc::clone(&size);
        move || size.get()
    };
    let mut screen = Screen::new(Box::new(Bytes(Rc::clone(&written))), Box::new(now), false);
    let lines = [Line::new(Tone::Plain, &"a".repeat(70)), Line::new(Tone::Plain, "b"), Line::default()];
    screen.draw(&[], &lines);
    for (columns, rows) in [(80, 3), (40, 4), (30, 5)] {
        size.set((columns, 24));
        written.borrow_mut().clear();
        screen.draw(&[], &lines);
        let bytes = String::from_utf8(written.borrow().clone()).unwrap();
        assert!(bytes.starts_with(&format!("\r\u{1b}[{rows}A")), "{columns}: {bytes:?}");
    }
}

#[test]
fn it_draws_at_most_ten_times_a_second() {
    let (bench, mut view) = Bench::new(80, 24);
    view.event(&line(0, started()), "");
    view.event(&line(0, asked("1", "Ledger", 1)), "");
    bench.writes.set(0);
    for at in 0..1_000 {
        bench.now.set(at);
        view.live(&piece("1", "x", at.unsigned_abs(), false));
        view.tick();
    }
    assert!((5..=10).contains(&bench.writes.get()), "{}", bench.writes.get());
}

#[test]
fn a_terminal_that_is_gone_is_no_error() {
    struct Gone;
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
    }
    let mut view = Live::with(Box::new(Gone), Box::new(Gone), Box::new(|| (80, 24)), true, None, Box::new(|| 0));
    view.event(&line(0, started()), "");
    view.event(&line(0, ended("check_failed")), "");
    view.end(None);
}
