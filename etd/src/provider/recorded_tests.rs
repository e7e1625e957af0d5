#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

use std::path::Path;
use std::process::Command;

use super::super::wire::tests::request;
use super::*;

const SMALL: &str =
    "a remark\n@@ step plan\n@@ seconds 0\nthe plan\n\nends\n@@ step fix/*/report\n@@ needs E0061\nfixed\n";

async fn ask(recording: &Recording, step: &str, text: &str) -> Result<Completion, ProviderError> {
    let mut request = request();
    request.step = step.to_owned();
    request.prompt.turns.last_mut().unwrap().text = text.to_owned();
    let mut streamed = String::new();
    let mut on = |piece: Piece<'_>| match piece {
        Piece::Text(text) | Piece::Thinking(text) => streamed.push_str(text),
    };
    let answer = recording.chat(&request, &mut on).await;
    if let Ok(completion) = &answer {
        assert_eq!(completion.text, streamed);
    }
    answer
}

#[tokio::test]
async fn a_step_answers_what_it_was_recorded_for_and_nothing_else() {
    let recording = Recording::parse(SMALL).unwrap();
    let plan = ask(&recording, "plan", "go").await.unwrap();
    assert_eq!((plan.text.as_str(), plan.stop), ("the plan\n\nends\n", StopReason::End));
    assert!(plan.usage.estimated && plan.usage.output == 4);
    assert_eq!(ask(&recording, "fix/2/report", "error E0061: …").await.unwrap().text, "fixed\n");
    for (step, text, part) in [
        ("fix/1/report", "error E0308", "lacks what it was recorded for: E0061"),
        ("fix/1/stats", "E0061", "no answer for the step fix/1/stats"),
        ("fix/1", "E0061", "no answer"),
        ("planning", "go", "no answer"),
    ] {
        let error = ask(&recording, step, text).await.unwrap_err();
        assert_eq!(error.kind, FailureKind::Rejected);
        assert!(error.message.contains(part), "{}", error.message);
    }
}

#[test]
fn a_recording_that_is_none_is_refused() {
    for text in
        ["", "remark", "@@ step a\n", "@@ seconds 1\n", "@@ step a\n@@ seconds x\nb\n", "@@ step a\n@@ other\nb\n"]
    {
        assert!(Recording::parse(text).is_err(), "{text:?}");
    }
    assert!(Recording::read(Path::new("/nonexistent/x")).unwrap_err().contains("can't be read"));
}

fn step<'a>(recording: &'a Recording, key: &str) -> &'a Step {
    recording.steps.iter().find(|step| step.key == key).unwrap()
}

/// Writes the files of an answer.
fn write(dir: &Path, text: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for block in text.split("===FILE: ").skip(1) {
        let (path, rest) = block.split_once("===\n").unwrap();
        let (content, _) = rest.split_once("===ENDFILE===").unwrap();
        let target = dir.join(path);
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::write(target, content).unwrap();
        paths.push(path.to_owned());
    }
    paths
}

fn cargo(dir: &Path, command: &str) -> (bool, String) {
    let output = Command::new(env!("CARGO"))
        .args([command, "--offline"])
        .current_dir(dir)
        .env("CARGO_TARGET_DIR", dir.join("target"))
        .output()
        .unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn the_demo_is_red_once_and_green_after_its_fix() {
    let recording = Recording::demo().unwrap();
    let plan: serde_json::Value = serde_json::from_str(&step(&recording, "plan").text).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut owners = Vec::new();
    for subtask in plan["subtasks"].as_array().unwrap() {
        let id = subtask["id"].as_str().unwrap();
        let owns: Vec<&str> = subtask["owns"].as_array().unwrap().iter().map(|path| path.as_str().unwrap()).collect();
        let written = write(dir.path(), &step(&recording, &format!("work/{id}/1")).text);
        assert_eq!(written, owns, "{id} writes what it owns");
        owners.extend(owns.iter().map(|path| (path.to_string(), id.to_owned())));
    }
    let layout: Vec<&str> =
        plan["contract"]["layout"].as_array().unwrap().iter().map(|path| path.as_str().unwrap()).collect();
    assert_eq!(owners.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(), layout);

    let (green, log) = cargo(dir.path(), "build");
    assert!(!green, "{log}");
    assert_eq!(log.matches("error[").count(), 1, "{log}");
    let place = log.lines().find_map(|line| line.trim().strip_prefix("--> ")).unwrap();
    let (_, owner) = owners.iter().find(|(path, _)| place.starts_with(path.as_str())).unwrap();
    let fix = step(&recording, &format!("fix/1/{owner}"));
    let current = std::fs::read_to_string(dir.path().join("src/report.rs")).unwrap();
    for need in &fix.needs {
        assert!(log.contains(need.as_str()) || current.contains(need.as_str()), "{need}");
    }

    write(dir.path(), &fix.text);
    for command in ["build", "test"] {
        let (green, log) = cargo(dir.path(), command);
        assert!(green && !log.contains("warning"), "{log}");
    }
}

#[test]
fn the_demo_takes_a_few_seconds() {
    let recording = Recording::demo().unwrap();
    let workers = recording.steps.iter().filter(|step| step.key.starts_with("work/"));
    let slowest = workers.map(|step| step.seconds).fold(0.0, f64::max);
    let others = recording.steps.iter().filter(|step| !step.key.starts_with("work/"));
    let whole = slowest + others.map(|step| step.seconds).sum::<f64>();
    assert!((3.0..6.0).contains(&whole), "{whole}");
}
