//! Plans of `sh` steps, run for real, and the judging of made-up ones.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

use proto::report::CheckSource;

use super::*;
use crate::check::{Probe, Retry, command_plan};

fn sh(project: u32, kind: StepKind, script: &str) -> CheckStep {
    CheckStep { project, ..CheckStep::new(kind, "tool", "", &["sh", "-c", script]) }
}

fn environment() -> BTreeMap<String, String> {
    BTreeMap::from([("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned())])
}

async fn run_in(dir: &Path, steps: Vec<CheckStep>, timeout: Duration) -> Vec<StepRun> {
    let children = Children::start(Arc::new(())).unwrap();
    let plan = CheckPlan { source: CheckSource::Detected, steps };
    run(&children, &plan, dir, &Jail::open(environment()), timeout, &CancellationToken::new()).await.unwrap()
}

async fn run_all(steps: Vec<CheckStep>) -> Vec<StepRun> {
    run_in(tempfile::tempdir().unwrap().path(), steps, Duration::from_secs(60)).await
}

fn nothing(_: &StepRun) -> StepReading {
    StepReading::default()
}

#[tokio::test]
async fn a_failed_build_stops_its_own_project_only() {
    use StepKind::{Build, Lint, Test};
    let steps = vec![
        sh(0, Build, "exit 2"),
        sh(0, Test, "echo never"),
        sh(1, Build, "true"),
        sh(1, Lint, "exit 1"),
        sh(1, Test, "echo yes"),
    ];
    let runs = run_all(steps).await;
    let codes: Vec<_> = runs.iter().map(|run| (run.step.project, run.ended)).collect();
    let code = |code| Some(Ended::Code(code));
    assert_eq!(codes, [(0, code(2)), (1, code(0)), (1, code(1)), (1, code(0))]);
    let check = CheckRun::conclude(runs, nothing);
    assert_eq!((check.status, check.exit_code, check.builds), (CheckStatus::Red, Some(2), false));
}

#[tokio::test]
async fn a_missing_tool_is_named_and_never_green() {
    let absent = CheckStep::new(StepKind::Build, "zig", "", &["no-zig", "build"]);
    let optional = CheckStep { needs: false, project: 1, ..absent.clone() };
    let required = CheckStep { requires: vec!["no-node".to_owned()], ..sh(2, StepKind::Build, "true") };
    let probe = Probe { argv: vec!["false".to_owned()], missing: "pytest".to_owned() };
    let probed = CheckStep { probe: Some(probe), ..sh(3, StepKind::Test, "true") };
    let fine = sh(4, StepKind::Build, "true");
    let table = [
        (vec![absent.clone()], CheckStatus::None, vec!["no-zig"]),
        (vec![optional.clone()], CheckStatus::None, vec![]),
        (vec![optional, fine.clone()], CheckStatus::Green, vec![]),
        (vec![absent, fine.clone()], CheckStatus::Red, vec!["no-zig"]),
        (vec![required, fine.clone()], CheckStatus::Red, vec!["no-node"]),
        (vec![probed, fine.clone()], CheckStatus::Red, vec!["pytest"]),
        (vec![fine], CheckStatus::Green, vec![]),
    ];
    for (steps, status, missing) in table {
        let shown = format!("{steps:?}");
        let check = CheckRun::conclude(run_all(steps).await, nothing);
        assert_eq!(check.status, status, "{shown}");
        assert_eq!(check.missing_tools().collect::<Vec<_>>(), missing, "{shown}");
        assert_eq!(check.diagnostics.len(), missing.len(), "{shown}");
    }
    assert_eq!(CheckRun::conclude(Vec::new(), nothing).status, CheckStatus::None);
}

#[tokio::test]
async fn a_second_way_is_tried_for_its_reason_only_and_counts_if_it_comes_further() {
    // By `$1`: as it stands, with the first retry, with both.
    let table = [
        ("echo E1 >&2; exit 1", Some(Ended::Code(1)), ""),
        ("echo one", Some(Ended::Code(0)), "one\n"),
        ("[ \"$*\" = offline ] && echo two || { echo no net >&2; exit 1; }", Some(Ended::Code(0)), "two\n"),
        (
            "[ \"$*\" = offline ] && { echo two; exit 3; } || { echo no net >&2; exit 1; }",
            Some(Ended::Code(3)),
            "two\n",
        ),
        ("echo no net >&2; [ \"$*\" != offline ] || echo two; exit 3", Some(Ended::Code(3)), ""),
        // What is too new is left out before anything else is tried.
        (
            "[ \"$*\" != keep ] || { echo keep what? >&2; exit 1; }; [ \"$*\" = offline ] && echo three || { echo no net >&2; exit 1; }",
            Some(Ended::Code(0)),
            "three\n",
        ),
        ("[ \"$*\" = keep ] && { echo keep what? >&2; exit 1; } || echo old", Some(Ended::Code(0)), "old\n"),
    ];
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    let unknown = Retry { when: words(&["keep what"]), without: words(&["keep"]), with: Vec::new() };
    let offline = Retry { when: words(&["no net"]), without: words(&["keep"]), with: words(&["offline"]) };
    for (script, ended, stdout) in table {
        let argv = words(&["sh", "-c", script, "sh", "keep"]);
        let retries = vec![unknown.clone(), offline.clone()];
        let runs = run_all(vec![CheckStep { argv, retries, ..sh(0, StepKind::Build, script) }]).await;
        assert_eq!((runs[0].ended, runs[0].stdout.as_str()), (ended, stdout), "{script}");
    }
}

#[tokio::test]
async fn a_second_way_that_has_no_time_left_replaces_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let offline = Retry { when: vec!["no net".to_owned()], without: Vec::new(), with: vec!["offline".to_owned()] };
    let step = CheckStep {
        retries: vec![offline],
        ..sh(0, StepKind::Build, "[ $0 = offline ] || echo no net >&2; exec sleep 60")
    };
    let runs = run_in(dir.path(), vec![step], Duration::from_secs(2)).await;
    assert_eq!((runs[0].ended, runs[0].stderr.trim()), (Some(Ended::TimedOut), "no net"));
}

#[tokio::test]
async fn steps_get_their_dir_and_what_quietens_them_but_the_callers_word_counts() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("sub")).unwrap();
    let step = CheckStep {
        dir: "sub".to_owned(),
        ..sh(0, StepKind::Build, "basename \"$PWD\"; echo $A $NO_COLOR; echo ${PATH%%:*}")
    };
    let runs = run_in(dir.path(), vec![step.env("A", "b").env("PATH", "/nowhere")], Duration::from_secs(60)).await;
    assert_eq!(runs[0].stdout, "sub\nb 1\n/usr/local/bin\n");
}

#[tokio::test]
async fn a_local_tool_of_node_is_found_up_to_the_work_dir() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let bin = dir.path().join("node_modules/.bin");
    std::fs::create_dir_all(&bin).unwrap();
    std::fs::create_dir_all(dir.path().join("a/b")).unwrap();
    std::fs::write(bin.join("tsc"), "#!/bin/sh\necho local\n").unwrap();
    std::fs::set_permissions(bin.join("tsc"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let step = CheckStep { local_bin: true, ..CheckStep::new(StepKind::Build, "tsc", "a/b", &["tsc"]) };
    let runs = run_in(dir.path(), vec![step], Duration::from_secs(60)).await;
    assert_eq!(runs[0].stdout, "local\n");
    assert_eq!(local_bin(&dir.path().join("a"), "b", "tsc"), None);
}

#[tokio::test]
async fn the_time_is_for_all_steps() {
    let steps = vec![sh(0, StepKind::Lint, "echo on; exec sleep 100"), sh(0, StepKind::Test, "true")];
    let runs = run_in(tempfile::tempdir().unwrap().path(), steps, Duration::from_millis(300)).await;
    assert!(runs.iter().all(|run| run.ended == Some(Ended::TimedOut)));
    let check = CheckRun::conclude(runs, nothing);
    assert_eq!((check.status, check.exit_code, check.notes.len()), (CheckStatus::Red, None, 2));
}

#[tokio::test]
async fn cancel_ends_the_check() {
    let children = Children::start(Arc::new(())).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let cancel = CancellationToken::new();
    cancel.cancel();
    let plan = command_plan("exec sleep 100", CheckSource::Flag);
    let run = run(&children, &plan, dir.path(), &Jail::open(environment()), Duration::from_secs(60), &cancel).await;
    assert_eq!(run, Err(Cancelled));
}

#[tokio::test]
async fn the_log_shows_commands_and_both_streams() {
    let plan = command_plan("echo out; printf err >&2; exit 3", CheckSource::Flag);
    let absent = CheckStep::new(StepKind::Lint, "x", "", &["no-such-tool"]);
    let mut runs = run_all([plan.steps, vec![CheckStep { project: 1, ..absent }]].concat()).await;
    runs[0].duration_ms = 7;
    let expected = "$ echo out; printf err >&2; exit 3\nexit status 3 (7 ms)\n=== stdout ===\nout\n=== stderr ===\nerr\n\n\
                    $ no-such-tool\nnot run: no-such-tool isn't installed or isn't on PATH (0 ms)\n=== stdout ===\n=== stderr ===\n\n";
    assert_eq!(log(&runs), expected);
}

#[test]
fn cargos_json_is_logged_as_text() {
    let stdout = "{\"reason\":\"compiler-artifact\"}\nplain\n{\"reason\":\"compiler-message\",\"message\":{\"rendered\":\"error: x\\n\"}}\n{\"a\":1}\n";
    assert_eq!(readable(stdout), "plain\nerror: x\n{\"a\":1}\n");
}

#[test]
fn gos_json_is_logged_as_text() {
    let event = |action: &str, test: &str, output: &str| {
        let value = serde_json::json!({ "Action": action, "Package": "app", "Test": test, "Output": output });
        format!("{value}\n").replace("\"Test\":\"\"", "\"Elapsed\":0")
    };
    let stdout = [
        event("output", "TestA", "=== RUN   TestA\n"),
        event("output", "TestB", "=== RUN   TestB\n"),
        event("output", "TestA", "    a_test.go:3: no\n"),
        event("output", "TestB", "printed\n"),
        event("output", "TestA", "--- FAIL: TestA (0.10s)\n"),
        event("output", "TestB", "--- PASS: TestB (0.00s)\n"),
        event("output", "", "FAIL\tapp\t0.1s\n"),
        event("fail", "", ""),
        "plain\n".to_owned(),
    ];
    let text = "--- FAIL: TestA (0.10s)\n    a_test.go:3: no\n--- PASS: TestB (0.00s)\nFAIL\tapp\t0.1s\nplain\n";
    assert_eq!(readable(&stdout.concat()), text);
}

fn finding(severity: Severity, code: Option<&str>, message: &str) -> Diagnostic {
    Diagnostic { severity, code: code.map(str::to_owned), message: message.to_owned(), ..missing_tool("t") }
}

#[test]
fn findings_are_counted_once_and_sorted() {
    let run = |kind, ended| StepRun { ended: Some(ended), ..StepRun::not_run(&sh(0, kind, ""), None, String::new()) };
    let steps = vec![run(StepKind::Build, Ended::Code(0)), run(StepKind::Test, Ended::Signal(11))];
    let check = CheckRun::conclude(steps, |_| StepReading {
        diagnostics: vec![finding(Severity::Warning, None, "w"), finding(Severity::Error, None, "e")],
        tests_passed: Some(2),
        tests_failed: None,
    });
    let messages: Vec<_> = check.diagnostics.iter().map(|found| found.message.as_str()).collect();
    assert_eq!(messages, ["e", "w"]);
    assert_eq!((check.tests_passed, check.tests_failed), (Some(4), None));
    assert_eq!((check.status, check.exit_code, check.builds, check.parses), (CheckStatus::Red, None, true, true));
    let text = serde_json::to_string(&check).unwrap();
    assert_eq!(serde_json::from_str::<CheckRun>(&text).unwrap(), check);
}
