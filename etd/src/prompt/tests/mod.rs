#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

mod fitting;
mod fixes;
mod workers;

use std::collections::BTreeSet;

use proptest::prelude::*;
use proto::diagnostic::{Diagnostic, Related, Severity};

use super::choice::Outlined;
use super::fit::budget;
use super::*;
use crate::plan::{Contract, Subtask};
use crate::provider::{Prompt, Speaker};
use crate::workspace::TreeFile;

const WIDE: Window = Window { context: None, output: 4096, edits: true };

fn rel(path: &str) -> RelPath {
    RelPath::parse(path).unwrap()
}

fn view(path: &str, text: &str) -> FileView {
    FileView { path: rel(path), text: text.to_owned() }
}

fn subtask(id: &str, owns: &str) -> Subtask {
    Subtask {
        id: id.to_owned(),
        title: format!("title of {id}"),
        instructions: format!("instructions of {id}"),
        owns: vec![rel(owns)],
        reads: vec![],
        after: vec![],
        provides: vec![format!("func Provided{id}()")],
        requires: vec![format!("func Required{id}()")],
        specialist: None,
    }
}

fn contract() -> Contract {
    Contract {
        language: "Go".to_owned(),
        layout: vec!["main.go".to_owned()],
        shared: "type User struct{}".to_owned(),
        conventions: vec!["module example".to_owned()],
    }
}

fn diagnostic(file: &str, line: u32, message: &str) -> Diagnostic {
    Diagnostic {
        tool: "go".to_owned(),
        file: Some(file.to_owned()),
        line: Some(line),
        column: Some(7),
        severity: Severity::Error,
        code: Some("E1".to_owned()),
        message: message.to_owned(),
        related: vec![],
        owner: None,
    }
}

fn numbered(lines: usize) -> String {
    (1..=lines).map(|n| format!("line number {n} of the file\n")).collect()
}

fn size(prompt: &Prompt) -> usize {
    prompt.system.len() + prompt.turns.iter().map(|turn| turn.text.len()).sum::<usize>()
}

fn has(prompt: &Prompt, wanted: &[&str]) {
    let all =
        format!("{}\n{}", prompt.system, prompt.turns.iter().map(|t| t.text.as_str()).collect::<Vec<_>>().join("\n"));
    for text in wanted {
        assert!(all.contains(text), "no {text:?} in:\n{all}");
    }
}

/// A window whose prompt has about this many bytes.
fn window(bytes: usize) -> Window {
    Window { context: Some(u32::try_from(bytes / 4 * 10 / 9).unwrap() + 1000), output: 1000, edits: true }
}

fn fix_brief<'a>(
    contract: &'a Contract,
    files: &'a [FileView],
    show: &'a [FileView],
    diagnostics: &'a [Diagnostic],
) -> FixBrief<'a> {
    FixBrief {
        task: "Build an API",
        contract,
        subtask: None,
        files,
        show,
        diagnostics,
        tried: &[],
        log_tail: None,
        command: "go build ./...",
        wide: false,
        retry: None,
    }
}
