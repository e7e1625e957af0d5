//! Recorded answers that stand outside of the repository: every one is read as its careful reader reads it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::*;

fn folder() -> PathBuf {
    match std::env::var_os("ET_CORPUS") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus/answers"),
    }
}

/// One expectation leaves out the last line that stands in its fence, and says `lines: [2, 14]` where the fence holds 2 to 15: the call
/// of `main`, without which the file is no Python. Every reading by the fence has it.
const WRONG: &[(&str, &str, &str)] = &[("r056", "main.py", "    main()\n")];

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or("")
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn flag(value: &Value, key: &str) -> bool {
    value.get(key).is_some_and(|value| *value != Value::Bool(false) && !value.is_null())
}

/// With LF and one final newline.
fn normal(text: &str) -> String {
    format!("{}\n", text.replace("\r\n", "\n").trim_end_matches('\n'))
}

fn check(id: &str, answer: &Answer, expected: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let optional: Vec<&str> = list(expected, "optional_files")
        .iter()
        .map(|file| file.as_str().unwrap_or_else(|| text(file, "path")))
        .collect();
    let files = list(expected, "files");
    let paths = |path: &RelPath| path.as_str().to_owned();
    for file in files {
        let path = text(file, "path");
        let Some(found) = answer.files.iter().find(|found| found.path.as_str() == path) else {
            if !flag(expected, "accept_none") {
                wrong.push(format!("{path} is missing: {:?}", answer.problems));
            }
            continue;
        };
        let mut content = text(file, "content").to_owned();
        for (_, _, line) in WRONG.iter().filter(|(at, file, _)| *at == id && *file == path) {
            assert!(!content.ends_with(line), "{id}: the expectation was mended");
            content.push_str(line);
        }
        let without = content.split_once('\n').map_or("", |(_, rest)| rest);
        let same = normal(&found.content) == normal(&content)
            || flag(file, "path_comment")
                && normal(found.content.trim_start_matches('\n')) == normal(without.trim_start_matches('\n'));
        if !same {
            wrong.push(format!("{path} is read as\n{}", found.content));
        }
    }
    for found in answer.files.iter().map(|file| paths(&file.path)) {
        if !files.iter().any(|file| text(file, "path") == found) && !optional.contains(&found.as_str()) {
            wrong.push(format!("{found} isn't a file"));
        }
    }
    let edits = list(expected, "edits");
    for edit in edits {
        let path = text(edit, "path");
        let Some(found) = answer.edits.iter().find(|found| found.path.as_str() == path) else {
            wrong.push(format!("{path} isn't edited: {:?}", answer.problems));
            continue;
        };
        if let Some(hunks) = edit.get("hunks").and_then(Value::as_u64)
            && found.hunks.len() as u64 != hunks
        {
            wrong.push(format!("{path} has {} hunks", found.hunks.len()));
        }
        let lines = |text: fn(&Hunk) -> &str| -> Vec<String> {
            found.hunks.iter().flat_map(|hunk| text(hunk).lines()).map(|line| line.trim_end().to_owned()).collect()
        };
        let (old, new) = (lines(|hunk| &hunk.search), lines(|hunk| &hunk.replace));
        for (key, there) in [("removed", &old), ("added", &new)] {
            for line in list(edit, key).iter().filter_map(Value::as_str) {
                if !there.iter().any(|other| other == line.trim_end()) {
                    wrong.push(format!("{path}: not {key}: {line}"));
                }
            }
        }
        for (key, there) in [("search", &old), ("replace", &new)] {
            for line in text(edit, key).lines() {
                if !there.iter().any(|other| other == line.trim_end()) {
                    wrong.push(format!("{path}: not in {key}: {line}"));
                }
            }
        }
    }
    for found in answer.edits.iter().map(|edit| paths(&edit.path)) {
        if !edits.iter().any(|edit| text(edit, "path") == found) {
            wrong.push(format!("{found} isn't edited there"));
        }
    }
    if flag(expected, "none") && !(answer.files.is_empty() && answer.edits.is_empty() && answer.deletions.is_empty()) {
        wrong.push("nothing may be written".to_owned());
    }
    let reported = |is: fn(&Problem) -> bool| answer.problems.iter().any(is);
    if flag(expected, "truncated") && !reported(|problem| matches!(problem, Problem::Truncated(_) | Problem::NoPath)) {
        wrong.push("it is cut off, and nothing says so".to_owned());
    }
    if flag(expected, "elided") && !reported(|problem| matches!(problem, Problem::Placeholder(_))) {
        wrong.push("it leaves something out, and nothing says so".to_owned());
    }
    if flag(expected, "malformed") && answer.problems.is_empty() {
        wrong.push("it is malformed, and nothing says so".to_owned());
    }
    if !answer.deletions.is_empty() || !answer.moves.is_empty() {
        wrong.push("nothing is to be deleted or moved".to_owned());
    }
    wrong
}

#[test]
fn every_recorded_answer_is_read_right() {
    let folder = folder();
    let Ok(entries) = std::fs::read_dir(&folder) else {
        // Not a failure: the answers are not a part of the repository.
        println!("did not run: there are no recorded answers in {}", folder.display());
        return;
    };
    let mut names: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    names.retain(|name| name.extension().is_some_and(|ending| ending == "txt"));
    names.sort();
    assert!(!names.is_empty(), "{}", folder.display());
    let mut wrong = Vec::new();
    for name in &names {
        let id = name.file_stem().unwrap().to_str().unwrap();
        let raw = String::from_utf8_lossy(&std::fs::read(name).unwrap()).into_owned();
        let expected: Value =
            serde_json::from_slice(&std::fs::read(name.with_extension("expected.json")).unwrap()).unwrap();
        // A careful reader knows no owner.
        let answer = read(&raw, &Expected { owns: &[], work_dir_name: "build", cut: false });
        wrong.extend(check(id, &answer, &expected).into_iter().map(|what| format!("{id}: {what}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{} recorded answers were read", names.len());
}
