//! The lines that `--json` prints: their names, their schema, and that a reader gets back what was written.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use proto::event::{Event, EventLine, FixStep, NoteLevel, SCHEMA};
use proto::outcome::Outcome;
use proto::report::{
    CheckReport, CheckSource, CheckStatus, FileAction, FileReport, Refusal, RoundReport, SandboxLevel, SubtaskReport,
    SubtaskState, Usage, UsageShare,
};
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use crate::samples::{diagnostic, session};
use crate::update;

fn share(calls: u64) -> UsageShare {
    UsageShare { calls, tokens_in: 20, tokens_cached: 5, tokens_out: 9, cost_usd: Some(0.25) }
}

fn report() -> RoundReport {
    RoundReport {
        outcome: Outcome::CheckFailed,
        exit_code: 1,
        iterations: 3,
        best_iteration: Some(2),
        log_dir: Some("/home/u/logs/2026-01-01_fedcba98".into()),
        next: "Send the remaining error back with et session send.".into(),
        duration_ms: 61_500,
        subtasks: vec![SubtaskReport {
            id: "2".into(),
            title: "The server".into(),
            state: SubtaskState::Delivered,
            files: vec!["src/main.rs".into()],
        }],
        files: vec![FileReport {
            path: "src/main.rs".into(),
            action: FileAction::Written,
            worker: "2".into(),
            sha256: Some("ab".into()),
        }],
        check: CheckReport {
            command: Some("cargo build".into()),
            source: CheckSource::Detected,
            sandbox: SandboxLevel::None,
            status: CheckStatus::Red,
            diagnostics: vec![diagnostic()],
        },
        refused: vec![Refusal {
            path: "../../evil".into(),
            reason: "outside of the work dir".into(),
            worker: "1".into(),
        }],
        usage: Usage {
            calls: 7,
            repeated_calls: 1,
            tokens_in: 20,
            tokens_cached: 5,
            tokens_out: 9,
            cost_usd: Some(0.25),
            estimated: true,
            by_role: BTreeMap::from([("polecat".into(), share(6))]),
            by_model: BTreeMap::from([("openai/gpt".into(), share(7))]),
        },
    }
}

/// Every event with the name of its type.
fn events() -> Vec<(&'static str, Event)> {
    let worker = || "2".to_owned();
    let paths = || vec!["src/main.rs".to_owned()];
    vec![
        (
            "round.queued",
            Event::RoundQueued { task: "build it".into(), work_dir: Some("/w".into()), waits_for: Some(session()) },
        ),
        (
            "round.started",
            Event::RoundStarted {
                log_dir: Some("/l".into()),
                planner: vec!["a/m".into()],
                workers: vec!["o/g".into()],
                parallel: 8,
                recorded: true,
            },
        ),
        (
            "plan.subtask",
            Event::PlanSubtask {
                id: worker(),
                title: "The server".into(),
                owns: paths(),
                reads: vec!["go.mod".into()],
                after: vec!["1".into()],
                specialist: Some("sql".into()),
            },
        ),
        (
            "plan.ready",
            Event::PlanReady { subtasks: 4, form: "json".into(), notes: vec!["one".into()], spent: spent() },
        ),
        ("worker.started", Event::WorkerStarted { worker: worker(), title: "The server".into(), attempt: 1 }),
        (
            "worker.finished",
            Event::WorkerFinished {
                worker: worker(),
                attempt: 1,
                model: "o/g".into(),
                tokens_in: 1,
                tokens_out: 2,
                duration_ms: 3,
                files: paths(),
                spent: spent(),
            },
        ),
        ("worker.failed", Event::WorkerFailed { worker: worker(), attempt: 1, reason: "no file".into(), again: true }),
        (
            "review.scored",
            Event::ReviewScored { worker: worker(), attempt: 1, score: 4, reason: "thin".into(), accepted: false },
        ),
        (
            "file.written",
            Event::FileWritten {
                path: "AGENTS.md".into(),
                worker: worker(),
                sha256: "ab".into(),
                bytes: 12,
                created: true,
                attention: Some("agents read it".into()),
            },
        ),
        ("file.deleted", Event::FileDeleted { path: "old.rs".into(), worker: worker() }),
        (
            "file.refused",
            Event::FileRefused { path: "../x".into(), worker: worker(), reason: "outside of the work dir".into() },
        ),
        (
            "check.started",
            Event::CheckStarted { iteration: 1, command: "cargo build".into(), source: CheckSource::Detected },
        ),
        (
            "check.finished",
            Event::CheckFinished {
                iteration: 1,
                status: CheckStatus::Red,
                exit_code: Some(101),
                duration_ms: 900,
                errors: 1,
                warnings: 2,
                tests_passed: Some(3),
                tests_failed: Some(4),
                diagnostics: vec![diagnostic()],
                spent: spent(),
            },
        ),
        (
            "fix.assigned",
            Event::FixAssigned {
                iteration: 1,
                owner: worker(),
                files: paths(),
                diagnostics: 1,
                first: "src/main.rs:7: cannot find value `x`".into(),
                step: FixStep::Owner,
                why: "owns src/main.rs".into(),
                whole: paths(),
                part: vec!["src/large.rs".into()],
                other_side: vec!["src/lib.rs".into()],
            },
        ),
        (
            "fix.finished",
            Event::FixFinished {
                iteration: 1,
                owner: worker(),
                model: Some("o/g".into()),
                files: paths(),
                failed: Some("no file".into()),
                not_applied: Some("1 of 2 edits".into()),
                lines_added: 3,
                lines_removed: 1,
                tokens_in: 900,
                tokens_out: 80,
                spent: spent(),
            },
        ),
        ("round.undone", Event::RoundUndone { files: paths() }),
        ("tree.restored", Event::TreeRestored { iteration: 2, files: paths() }),
        ("synthesis", Event::Synthesis { text: "# Done".into() }),
        ("budget", Event::Budget { limit: "cost".into(), spent: "$2.00".into() }),
        ("note", Event::Note { level: NoteLevel::Warning, text: "no tests".into() }),
        ("result", Event::Result(Box::new(report()))),
        ("heartbeat", Event::Heartbeat { state: "running".into() }),
        ("text", Event::Text { worker: worker(), model: "p/m".into(), restart: true, text: "fn".into() }),
    ]
}

fn line(event: Event, seq: Option<u64>) -> EventLine {
    EventLine { schema: SCHEMA.into(), session: session(), round: 1, seq, at: "2026-01-01T00:00:00.000Z".into(), event }
}

/// The schema of what is written: there, a field whose value isn't known is null and not absent.
fn schema() -> Value {
    SchemaSettings::default().for_serialize().into_generator().into_root_schema_for::<EventLine>().to_value()
}

#[test]
fn each_event_has_its_name_and_round_trips() {
    for (name, event) in events() {
        let line = line(event, Some(u64::MAX));
        let text = serde_json::to_string(&line).unwrap();
        assert!(!text.contains('\n'), "{name}: one line");
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["type"], name);
        assert_eq!(serde_json::from_str::<EventLine>(&text).unwrap(), line, "{name}");
    }
}

#[test]
fn the_table_is_complete() {
    let schema = schema();
    let variants = schema["oneOf"].as_array().expect("one schema for each type of event");
    let named = |variant: &Value| variant["properties"]["type"]["const"].as_str().unwrap_or_default().to_owned();
    let in_schema: BTreeSet<String> = variants.iter().map(named).collect();
    let here: BTreeSet<String> = events().into_iter().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(here, in_schema);
    assert_eq!(here.len(), events().len());
}

#[test]
fn the_envelope() {
    let value = serde_json::to_value(line(Event::Heartbeat { state: "running".into() }, None)).unwrap();
    let expected = json!({
        "schema": "et.event/1", "session": "01234567-89ab-4cde-8f01-23456789abcd", "round": 1, "seq": null,
        "at": "2026-01-01T00:00:00.000Z", "type": "heartbeat", "state": "running",
    });
    assert_eq!(value, expected);
}

#[test]
fn a_new_field_does_no_harm() {
    for (name, event) in events() {
        let line = line(event, Some(1));
        let mut value = serde_json::to_value(&line).unwrap();
        value["added_later"] = json!({ "a": [1] });
        assert_eq!(serde_json::from_value::<EventLine>(value).unwrap(), line, "{name}");
    }
}

/// Field by field what the documentation promises of a result.
#[test]
fn the_result_as_documented() {
    let diagnostic = json!({
        "tool": "cargo", "file": "src/main.rs", "line": 7, "column": 13, "severity": "error", "code": "E0425",
        "message": "cannot find value `x`", "owner": "2",
        "related": [{ "file": "src/lib.rs", "line": 2, "message": "similar name here" }],
    });
    let share =
        |calls: u64| json!({ "calls": calls, "tokens_in": 20, "tokens_cached": 5, "tokens_out": 9, "cost_usd": 0.25 });
    let expected = json!({
        "outcome": "check_failed", "exit_code": 1, "iterations": 3, "best_iteration": 2,
        "log_dir": "/home/u/logs/2026-01-01_fedcba98", "next": "Send the remaining error back with et session send.",
        "duration_ms": 61_500,
        "subtasks": [{ "id": "2", "title": "The server", "state": "delivered", "files": ["src/main.rs"] }],
        "files": [{ "path": "src/main.rs", "action": "written", "worker": "2", "sha256": "ab" }],
        "check": {
            "command": "cargo build", "source": "detected", "sandbox": "none", "status": "red",
            "diagnostics": [diagnostic],
        },
        "refused": [{ "path": "../../evil", "reason": "outside of the work dir", "worker": "1" }],
        "usage": {
            "calls": 7, "repeated_calls": 1, "tokens_in": 20, "tokens_cached": 5, "tokens_out": 9, "cost_usd": 0.25,
            "estimated": true, "by_role": { "polecat": share(6) }, "by_model": { "openai/gpt": share(7) },
        },
    });
    assert_eq!(serde_json::to_value(report()).unwrap(), expected);
}

#[test]
fn what_is_unknown_is_null() {
    let mut unknown = report();
    unknown.best_iteration = None;
    unknown.log_dir = None;
    unknown.files[0].sha256 = None;
    unknown.check.command = None;
    unknown.usage.cost_usd = None;
    let found = &mut unknown.check.diagnostics[0];
    (found.file, found.line, found.column, found.code, found.owner) = (None, None, None, None, None);
    found.related[0].line = None;
    let value = serde_json::to_value(&unknown).unwrap();
    for pointer in [
        "/best_iteration",
        "/log_dir",
        "/files/0/sha256",
        "/check/command",
        "/usage/cost_usd",
        "/check/diagnostics/0/file",
        "/check/diagnostics/0/line",
        "/check/diagnostics/0/column",
        "/check/diagnostics/0/code",
        "/check/diagnostics/0/owner",
        "/check/diagnostics/0/related/0/line",
    ] {
        assert_eq!(value.pointer(pointer), Some(&Value::Null), "{pointer}");
    }
    assert_eq!(serde_json::from_value::<RoundReport>(value).unwrap(), unknown);
}

#[test]
fn the_words_of_closed_sets() {
    fn words<T: serde::Serialize>(values: &[T]) -> String {
        let words: Vec<String> =
            values.iter().map(|value| serde_json::to_value(value).unwrap().as_str().unwrap().to_owned()).collect();
        words.join("|")
    }
    assert_eq!(
        words(&[SubtaskState::Delivered, SubtaskState::Failed, SubtaskState::Pending]),
        "delivered|failed|pending"
    );
    assert_eq!(words(&[FileAction::Written, FileAction::Deleted, FileAction::Moved]), "written|deleted|moved");
    assert_eq!(
        words(&[CheckSource::Flag, CheckSource::Config, CheckSource::Detected, CheckSource::None]),
        "flag|config|detected|none"
    );
    assert_eq!(words(&[CheckStatus::Green, CheckStatus::Red, CheckStatus::None]), "green|red|none");
    assert_eq!(words(&[SandboxLevel::Full, SandboxLevel::Partial, SandboxLevel::None]), "full|partial|none");
    assert_eq!(words(&[NoteLevel::Info, NoteLevel::Warning]), "info|warning");
    assert_eq!(
        words(&[FixStep::Owner, FixStep::OtherSide, FixStep::StrongerModel, FixStep::Integrator]),
        "owner|other_side|stronger_model|integrator"
    );
    use proto::diagnostic::Severity;
    assert_eq!(words(&[Severity::Note, Severity::Warning, Severity::Error]), "note|warning|error");
}

/// The committed schema is that of the types. A new field or type: write it again. A changed or removed one: a new [`SCHEMA`]
/// and a new file.
#[test]
fn the_schema_is_the_committed_one() {
    let name = SCHEMA.replace('/', "-");
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("schema/{name}.json"));
    let now = schema();
    let committed = std::fs::read_to_string(&path).ok();
    if let Some(committed) = &committed {
        let committed: Value = serde_json::from_str(committed).unwrap();
        let mut lost = Vec::new();
        missing(&committed, &now, "", &mut lost);
        assert!(lost.is_empty(), "readers of {SCHEMA} rely on {lost:?}: raise SCHEMA in proto/src/event.rs");
    }
    let text = format!("{}\n", serde_json::to_string_pretty(&now).unwrap());
    if committed.as_deref() == Some(text.as_str()) {
        return;
    }
    assert!(update(), "{} isn't that of the types: run UPDATE_GOLDEN=1 cargo test -p proto", path.display());
    std::fs::write(path, text).unwrap();
}

/// Collects where `new` lacks a part of `old` that readers rely on. Descriptions may change; lists may grow.
fn missing(old: &Value, new: &Value, at: &str, lost: &mut Vec<String>) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (key, value) in old {
                let here = format!("{at}/{key}");
                match new.get(key) {
                    // A property may be called so as well; that one holds a schema.
                    _ if key == "description" && value.is_string() => {}
                    Some(now) => missing(value, now, &here, lost),
                    None => lost.push(here),
                }
            }
        }
        (Value::Array(old), Value::Array(new)) => {
            for value in old {
                let kept = new.iter().any(|now| {
                    let mut lost = Vec::new();
                    missing(value, now, at, &mut lost);
                    lost.is_empty()
                });
                if !kept {
                    let name = value.pointer("/properties/type/const").unwrap_or(value);
                    lost.push(format!("{at}: {name}"));
                }
            }
        }
        _ if old == new => {}
        _ => lost.push(at.to_owned()),
    }
}

#[test]
fn a_lost_field_is_seen() {
    let old = json!({ "properties": { "a": { "type": "string", "description": "x" } }, "required": ["a"] });
    for (new, expected) in [
        (json!({ "properties": { "a": { "type": "string" }, "b": {} }, "required": ["b", "a"] }), 0),
        (json!({ "properties": { "a": { "type": "integer" } }, "required": ["a"] }), 1),
        (json!({ "properties": { "b": { "type": "string" } }, "required": ["b"] }), 2),
    ] {
        let mut lost = Vec::new();
        missing(&old, &new, "", &mut lost);
        assert_eq!(lost.len(), expected, "{lost:?}");
    }
}

fn spent() -> UsageShare {
    UsageShare { calls: 1, tokens_in: 2, tokens_cached: 1, tokens_out: 3, cost_usd: Some(0.5) }
}
