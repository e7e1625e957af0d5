//! What stays on the screen: a line for each milestone, and the closing summary. Pure.

use proto::diagnostic::{Diagnostic, Severity};
use proto::event::{Event, EventLine, NoteLevel};
use proto::outcome::Outcome;
use proto::report::{CheckReport, CheckStatus, FileAction, RoundReport, SubtaskState};

use super::line::{Line, Tone};
use super::model::Model;
use crate::text::{cost, count, duration, one_line, plural};
use crate::view::plain::progress;

/// Longest part of a model's or tool's words.
const WORDS: usize = 160;
/// Diagnostics shown of one build.
const SHOWN: usize = 5;
/// Files named by the summary.
const FILES: usize = 6;

/// The lines that stay for an event; none for what only the block shows.
pub(super) fn milestone(line: &EventLine, model: &Model) -> Vec<Line> {
    match &line.event {
        Event::RoundStarted { planner, workers, recorded, .. } => {
            let mut lines = Vec::new();
            if *recorded {
                let text = "The model's answers are recordings. Planning, writing, building and mending are real.";
                lines.push(Line::new(Tone::Odd, "! ").with(Tone::Strong, text));
            }
            lines.push(
                Line::new(Tone::Dim, "  plan by ")
                    .with(Tone::Plain, &planner.join(", "))
                    .with(Tone::Dim, ", work by ")
                    .with(Tone::Plain, &workers.join(", ")),
            );
            lines
        }
        Event::RoundQueued { waits_for: None, .. }
        | Event::PlanSubtask { .. }
        | Event::WorkerStarted { .. }
        | Event::FileWritten { attention: None, .. }
        | Event::FileDeleted { .. }
        | Event::CheckStarted { .. } => Vec::new(),
        Event::ReviewScored { accepted: true, .. } => Vec::new(),
        Event::PlanReady { subtasks, notes, .. } => {
            let mut line =
                good("plan ready").with(Tone::Plain, &format!(": {}", plural(*subtasks as usize, "subtask")));
            if !notes.is_empty() {
                line = line.with(Tone::Dim, &format!(" ({})", one_line(&notes.join("; "), WORDS)));
            }
            vec![line]
        }
        Event::WorkerFinished { worker, model: name, tokens_out, duration_ms, files, .. } => {
            vec![good(&named(model, worker)).with(Tone::Plain, &format!(": {}", listed(files))).with(
                Tone::Dim,
                &format!(" · {} tokens in {} from {name}", count(*tokens_out), duration(*duration_ms)),
            )]
        }
        Event::WorkerFailed { worker, reason, again, .. } => {
            let line = bad(&named(model, worker)).with(Tone::Plain, &format!(" failed: {}", one_line(reason, WORDS)));
            vec![if *again { line.with(Tone::Dim, "; asked again") } else { line }]
        }
        Event::FileRefused { path, worker, reason } => vec![
            odd("refused ")
                .with(Tone::Place, &one_line(path, WORDS))
                .with(Tone::Plain, &format!(", wanted by {}: {}", named(model, worker), one_line(reason, WORDS))),
        ],
        Event::CheckFinished {
            iteration,
            status,
            duration_ms,
            errors,
            warnings,
            tests_passed,
            tests_failed,
            diagnostics,
            ..
        } => {
            let mut found = Vec::new();
            if *errors > 0 {
                found.push(plural(*errors as usize, "error"));
            }
            if *warnings > 0 {
                found.push(plural(*warnings as usize, "warning"));
            }
            found.extend(tests_passed.map(|passed| format!("{} passed", plural(passed as usize, "test"))));
            found.extend(tests_failed.filter(|failed| *failed > 0).map(|failed| format!("{failed} failed")));
            let found = if found.is_empty() { String::new() } else { format!(": {}", found.join(", ")) };
            let build = format!("build {iteration} ");
            let line = match status {
                CheckStatus::Green => good(&build).with(Tone::Good, "green"),
                CheckStatus::Red => bad(&build).with(Tone::Bad, "red"),
                CheckStatus::None => odd(&build).with(Tone::Odd, "not run"),
            };
            let mut lines =
                vec![line.with(Tone::Plain, &found).with(Tone::Dim, &format!(" · {}", duration(*duration_ms)))];
            if *status == CheckStatus::Red {
                lines.extend(diagnosed(diagnostics, model));
            }
            lines
        }
        Event::FixAssigned { owner, diagnostics, why, .. } => vec![
            Line::new(Tone::Odd, "→ ")
                .with(Tone::Strong, &named(model, owner))
                .with(Tone::Plain, &format!(" mends {}", plural(*diagnostics as usize, "diagnostic")))
                .with(Tone::Dim, &format!(" · {}", one_line(why, WORDS))),
        ],
        Event::FixFinished { owner, files, failed, .. } => vec![match failed {
            Some(why) => {
                bad(&named(model, owner)).with(Tone::Plain, &format!(" mended nothing: {}", one_line(why, WORDS)))
            }
            None => good(&named(model, owner)).with(Tone::Plain, &format!(" changed {}", listed(files))),
        }],
        Event::Note { level: NoteLevel::Info, text } => {
            vec![Line::new(Tone::Dim, "  ").with(Tone::Dim, &one_line(text, 500))]
        }
        Event::Note { level: NoteLevel::Warning, text } => vec![odd(&one_line(text, 500))],
        // The words of the plain view do for the rest.
        _ => progress(line).map(|text| odd(&one_line(&text, 500))).into_iter().collect(),
    }
}

fn good(text: &str) -> Line {
    Line::new(Tone::Good, "✓ ").with(Tone::Strong, text)
}

fn bad(text: &str) -> Line {
    Line::new(Tone::Bad, "✗ ").with(Tone::Strong, text)
}

fn odd(text: &str) -> Line {
    Line::new(Tone::Odd, "! ").with(Tone::Plain, text)
}

/// A worker's id and title.
fn named(model: &Model, id: &str) -> String {
    match model.workers.iter().find(|worker| worker.id == id) {
        Some(worker) if !worker.title.is_empty() && worker.title != id => {
            format!("{} {}", one_line(id, 40), one_line(&worker.title, 40))
        }
        _ => one_line(id, 40),
    }
}

/// The first few names and how many more there are.
fn listed(files: &[String]) -> String {
    let mut names: Vec<String> = files.iter().take(3).map(|file| one_line(file, 80)).collect();
    if files.len() > names.len() {
        names.push(format!("{} more", files.len() - names.len()));
    }
    if names.is_empty() { "no files".to_owned() } else { names.join(", ") }
}

/// The first errors, each with who gets it.
fn diagnosed(diagnostics: &[Diagnostic], model: &Model) -> Vec<Line> {
    let errors: Vec<&Diagnostic> = diagnostics.iter().filter(|one| one.severity == Severity::Error).collect();
    let mut lines: Vec<Line> = errors
        .iter()
        .take(SHOWN)
        .map(|one| {
            let mut place = one.file.clone().unwrap_or_else(|| one.tool.clone());
            for number in [one.line, one.column].into_iter().flatten() {
                place.push_str(&format!(":{number}"));
            }
            let line = Line::new(Tone::Plain, "  ")
                .with(Tone::Place, &one_line(&place, WORDS))
                .with(Tone::Plain, &format!(" {}", one_line(&one.message, WORDS)));
            match &one.owner {
                Some(owner) => line.with(Tone::Dim, " → ").with(Tone::Strong, &named(model, owner)),
                None => line,
            }
        })
        .collect();
    if errors.len() > SHOWN {
        lines.push(Line::new(Tone::Dim, &format!("  … and {} more", errors.len() - SHOWN)));
    }
    lines
}

/// An outcome in words.
fn in_words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "everything was delivered and the check is green",
        Outcome::Completed => "everything was delivered; no check was asked for",
        Outcome::CheckFailed => "the builds are used up and the check is still red",
        Outcome::Provider => "no model would do the work",
        Outcome::Budget => "the limit on tokens or cost ended it",
        Outcome::Deadline => "the time limit ended it",
        Outcome::NoProgress => "the same errors came back after every way of fixing",
        Outcome::Unsafe => "the sandbox that the config requires isn't to be had",
        Outcome::Partial => "not everything was delivered",
        Outcome::Crashed => "the daemon died again and again at this round",
        Outcome::Cancelled => "it was cancelled before its end",
    }
}

fn entry(name: &str, text: &str) -> Line {
    Line::new(Tone::Dim, &format!("  {name:<8}")).with(Tone::Plain, text)
}

/// The closing summary.
pub(super) fn summary(report: &RoundReport) -> Vec<Line> {
    let (tone, glyph) = match report.outcome {
        outcome if outcome.is_success() => (Tone::Good, "✓ "),
        Outcome::Partial | Outcome::Cancelled => (Tone::Odd, "! "),
        _ => (Tone::Bad, "✗ "),
    };
    let mut lines = vec![
        Line::default(),
        Line::new(tone, glyph)
            .with(tone, &report.outcome.as_str().replace('_', " "))
            .with(Tone::Plain, &format!(": {}", in_words(report.outcome))),
    ];
    let failed: Vec<String> = report
        .subtasks
        .iter()
        // A plan alone succeeds without any.
        .filter(|subtask| subtask.state != SubtaskState::Delivered && !report.outcome.is_success())
        .map(|subtask| format!("{} {}", one_line(&subtask.id, 40), one_line(&subtask.title, 40)))
        .collect();
    if !failed.is_empty() {
        lines.push(entry("missing", &failed.join(", ")));
    }
    lines.extend(check(&report.check, report));
    let files: Vec<String> = report
        .files
        .iter()
        .take(FILES)
        .map(|file| match file.action {
            FileAction::Written => one_line(&file.path, 80),
            FileAction::Deleted => format!("{} (deleted)", one_line(&file.path, 80)),
            FileAction::Moved => format!("{} (moved)", one_line(&file.path, 80)),
        })
        .collect();
    let mut text = plural(report.files.len(), "file");
    if !files.is_empty() {
        text.push_str(&format!(": {}", files.join(", ")));
    }
    if report.files.len() > FILES {
        text.push_str(&format!(" and {} more", report.files.len() - FILES));
    }
    lines.push(entry("files", &text));
    if !report.refused.is_empty() {
        let mut paths: Vec<String> = report.refused.iter().take(FILES).map(|one| one_line(&one.path, 60)).collect();
        if report.refused.len() > FILES {
            paths.push(format!("{} more", report.refused.len() - FILES));
        }
        lines.push(entry("refused", &paths.join(", ")));
    }
    let usage = &report.usage;
    lines.push(entry(
        "took",
        &format!(
            "{} · {} · {} tokens in, {} out · {}{}",
            duration(report.duration_ms),
            plural(usize::try_from(usage.calls).unwrap_or(usize::MAX), "model call"),
            count(usage.tokens_in),
            count(usage.tokens_out),
            cost(usage.cost_usd),
            if usage.estimated { " (partly estimated)" } else { "" },
        ),
    ));
    if let Some(dir) = &report.log_dir {
        lines.push(entry("logs", dir));
    }
    lines.push(entry("next", &one_line(&report.next, 300)));
    lines
}

fn check(check: &CheckReport, report: &RoundReport) -> Option<Line> {
    let command = check.command.as_ref()?;
    let (tone, colour) = match check.status {
        CheckStatus::Green => (Tone::Good, "green"),
        CheckStatus::Red => (Tone::Bad, "red"),
        CheckStatus::None => (Tone::Odd, "not run"),
    };
    let best = match report.best_iteration {
        Some(best) if best != report.iterations => format!(", the tree is that of build {best}"),
        _ => String::new(),
    };
    Some(
        entry("check", "")
            .with(tone, colour)
            .with(Tone::Plain, &format!(" {}", one_line(command, WORDS)))
            .with(Tone::Dim, &format!(" · {}{best}", plural(report.iterations as usize, "build"))),
    )
}
