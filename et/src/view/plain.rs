//! Plain lines: progress on stderr, the mayor's text and remaining diagnostics on stdout. No colour, nothing repeated.

use std::io::Write;

use proto::diagnostic::{Diagnostic, Severity};
use proto::event::{Event, EventLine, NoteLevel};
use proto::message::{Heartbeat, LiveText};
use proto::report::{CheckStatus, FileAction, RoundReport, SubtaskState};

use super::{STUCK, View};
use crate::text::{cost, count, duration, one_line, plural, sanitize};

/// Longest part of a model's or tool's words in one line of progress.
const LINE: usize = 160;
/// Most files and refusals that the summary names.
const NAMED: usize = 20;

/// The view for pipes, logs and simple terminals.
pub(crate) struct Plain {
    out: Box<dyn Write>,
    err: Box<dyn Write>,
    quiet: bool,
    /// `--dry-run`: the plan is the result.
    plan_to_stdout: bool,
    /// The newest warning: why a round failed, as far as one line can say it.
    warning: Option<String>,
    /// The daemon's trouble that was told last.
    stuck: Option<String>,
}

impl Plain {
    pub(crate) fn new(out: Box<dyn Write>, err: Box<dyn Write>, quiet: bool, plan_to_stdout: bool) -> Self {
        Self { out, err, quiet, plan_to_stdout, warning: None, stuck: None }
    }

    /// A line of progress. A reader that went away is no error.
    fn say(&mut self, line: &str) {
        if !self.quiet {
            let _ = writeln!(self.err, "{}", sanitize(line));
        }
    }

    fn result(&mut self, line: &str) {
        let _ = writeln!(self.out, "{}", sanitize(line));
        let _ = self.out.flush();
    }

    fn report(&mut self, report: &RoundReport) {
        if !report.outcome.is_success() {
            for diagnostic in report.check.diagnostics.iter().filter(|d| d.severity == Severity::Error) {
                let line = diagnostic_line(diagnostic);
                self.result(&line);
            }
        }
        if self.quiet && !report.outcome.is_success() {
            // A failure is never without a word.
            let warning = self.warning.take().map(|text| format!(": {}", one_line(&text, 500))).unwrap_or_default();
            let _ = writeln!(
                self.err,
                "error: {} (exit code {}){}",
                report.outcome.as_str(),
                report.exit_code,
                sanitize(&warning)
            );
        }
        for line in summary(report) {
            self.say(&line);
        }
    }
}

impl View for Plain {
    fn event(&mut self, line: &EventLine, _raw: &str) {
        match &line.event {
            Event::Synthesis { text } => self.result(text.trim_end()),
            Event::Result(report) => self.report(report),
            Event::PlanSubtask { id, title, owns, after, .. } if self.plan_to_stdout => {
                let mut text = format!("{id}. {}: {}", one_line(title, LINE), owns.join(", "));
                if !after.is_empty() {
                    text.push_str(&format!(" (after {})", after.join(", ")));
                }
                self.result(&text);
            }
            event => {
                if let Event::Note { level: NoteLevel::Warning, text } = event {
                    self.warning = Some(text.clone());
                }
                if let Some(text) = progress(line) {
                    self.say(&text);
                }
            }
        }
    }

    fn live(&mut self, _text: &LiveText) {}

    fn heartbeat(&mut self, beat: &Heartbeat) {
        let stuck = beat.state.starts_with(STUCK).then(|| one_line(&beat.state, 200));
        if stuck != self.stuck {
            if let Some(why) = &stuck {
                self.notice(&format!("the round is {why}"));
            }
            self.stuck = stuck;
        }
    }

    fn notice(&mut self, text: &str) {
        // What a person must do or know about the connection is no progress: it is said even when quiet.
        let _ = writeln!(self.err, "{}", sanitize(text));
    }

    fn tick(&mut self) {}

    fn end(&mut self, _report: Option<&RoundReport>) {
        let _ = self.out.flush();
    }
}

/// A diagnostic on one line, as compilers write it.
pub(crate) fn diagnostic_line(diagnostic: &Diagnostic) -> String {
    let mut line = diagnostic.file.clone().unwrap_or_else(|| diagnostic.tool.clone());
    for number in [diagnostic.line, diagnostic.column].into_iter().flatten() {
        line.push_str(&format!(":{number}"));
    }
    let severity = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    let code = diagnostic.code.as_ref().map(|code| format!("[{}]", one_line(code, LINE))).unwrap_or_default();
    format!("{line}: {severity}{code}: {}", one_line(&diagnostic.message, 1000))
}

/// A worker as a person reads it: the integrator and the tester have names for ids.
fn who(worker: &str) -> String {
    match worker {
        "integrator" | "tester" => format!("the {worker}"),
        id => format!("worker {id}"),
    }
}

/// One line of progress for an event; none for those that are shown elsewhere.
pub(crate) fn progress(line: &EventLine) -> Option<String> {
    let round = line.round;
    let text = match &line.event {
        Event::RoundQueued { task, waits_for, .. } => match waits_for {
            Some(own) if *own == line.session => {
                format!("round {round} queued behind an earlier round: {}", one_line(task, LINE))
            }
            Some(other) => format!("round {round} queued behind session {}: {}", other.short(), one_line(task, LINE)),
            None => format!("round {round}: {}", one_line(task, LINE)),
        },
        Event::RoundStarted { planner, workers, parallel, recorded, .. } => {
            let recorded = if *recorded { " (the model's answers are recordings)" } else { "" };
            // The first one follows its task at once; later ones may stand in the middle of another.
            let of = if round > 1 { format!("round {round}: ") } else { String::new() };
            format!(
                "{of}planning with {}; up to {parallel} workers on {}{recorded}",
                planner.join(", "),
                workers.join(", ")
            )
        }
        Event::PlanSubtask { id, title, owns, .. } => {
            format!("subtask {id}: {} [{}]", one_line(title, LINE), owns.join(", "))
        }
        Event::PlanReady { subtasks, notes, .. } => {
            let notes =
                if notes.is_empty() { String::new() } else { format!(" ({})", one_line(&notes.join("; "), LINE)) };
            format!("plan ready: {}{notes}", plural(*subtasks as usize, "subtask"))
        }
        Event::WorkerStarted { worker, title, attempt } => {
            let again = if *attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
            format!("{} started{again}: {}", who(worker), one_line(title, LINE))
        }
        Event::WorkerFinished { worker, model, tokens_out, duration_ms, .. } => {
            format!(
                "{} finished: {} tokens in {} from {}",
                who(worker),
                count(*tokens_out),
                duration(*duration_ms),
                one_line(model, LINE)
            )
        }
        Event::WorkerFailed { worker, reason, again, .. } => {
            let again = if *again { "; asked again" } else { "" };
            format!("{} failed: {}{again}", who(worker), one_line(reason, LINE))
        }
        Event::ReviewScored { worker, score, reason, accepted, .. } => {
            let verdict = if *accepted { "accepted" } else { "too low" };
            format!("review of {}: {score}/10, {verdict}: {}", who(worker), one_line(reason, LINE))
        }
        Event::FileWritten { path, worker, bytes, created, attention, .. } => {
            let verb = if *created { "created" } else { "changed" };
            let attention =
                attention.as_ref().map(|why| format!("; look at it: {}", one_line(why, LINE))).unwrap_or_default();
            format!("{verb} {path} ({bytes} bytes, {}){attention}", who(worker))
        }
        Event::FileDeleted { path, worker } => format!("deleted {path} ({})", who(worker)),
        Event::FileRefused { path, worker, reason } => {
            format!("refused {} ({}): {}", one_line(path, LINE), who(worker), one_line(reason, LINE))
        }
        Event::CheckStarted { iteration, command, .. } => format!("build {iteration}: {}", one_line(command, LINE)),
        Event::CheckFinished {
            iteration,
            status,
            duration_ms,
            errors,
            tests_passed,
            tests_failed,
            diagnostics,
            ..
        } => {
            let colour = match status {
                CheckStatus::Green => "green",
                CheckStatus::Red => "red",
                CheckStatus::None => "not run",
            };
            let mut line = format!("build {iteration}: {colour} in {}", duration(*duration_ms));
            if *errors > 0 {
                line.push_str(&format!(", {}", plural(*errors as usize, "error")));
            }
            if let Some(passed) = tests_passed {
                line.push_str(&format!(", {} passed", plural(*passed as usize, "test")));
            }
            if let Some(failed) = tests_failed.filter(|failed| *failed > 0) {
                line.push_str(&format!(", {failed} failed"));
            }
            for diagnostic in diagnostics.iter().filter(|d| d.severity == Severity::Error).take(NAMED) {
                line.push_str(&format!("\n  {}", diagnostic_line(diagnostic)));
            }
            line
        }
        Event::FixAssigned { owner, diagnostics, first, why, .. } => {
            let more = if *diagnostics > 1 { format!(" and {} more", diagnostics - 1) } else { String::new() };
            format!("to {} ({}): {}{more}", who(owner), one_line(why, LINE), one_line(first, LINE))
        }
        Event::FixFinished { owner, files, failed, .. } => match failed {
            Some(why) => format!("{} fixed nothing: {}", who(owner), one_line(why, LINE)),
            None => format!("{} changed {}", who(owner), files.join(", ")),
        },
        Event::TreeRestored { iteration, files } => {
            format!("put back the tree of build {iteration}: {}", plural(files.len(), "file"))
        }
        Event::RoundUndone { files } => format!("round {round} undone: {} as before it", plural(files.len(), "file")),
        Event::Budget { limit, spent } => format!("the limit on {limit} is met: {}", one_line(spent, LINE)),
        Event::Note { level, text } => match level {
            NoteLevel::Info => format!("note: {}", one_line(text, 500)),
            NoteLevel::Warning => format!("warning: {}", one_line(text, 500)),
        },
        Event::Synthesis { .. } | Event::Result(_) | Event::Heartbeat { .. } | Event::Text { .. } => return None,
    };
    Some(text)
}

/// The closing summary.
pub(crate) fn summary(report: &RoundReport) -> Vec<String> {
    let mut lines = vec![format!("outcome: {} (exit code {})", report.outcome.as_str(), report.exit_code)];
    let failed: Vec<_> = report.subtasks.iter().filter(|subtask| subtask.state != SubtaskState::Delivered).collect();
    // A plan alone succeeds without any.
    if !failed.is_empty() && !report.outcome.is_success() {
        let names: Vec<_> =
            failed.iter().map(|subtask| format!("{} ({})", subtask.id, one_line(&subtask.title, 40))).collect();
        lines.push(format!("not delivered: {}", names.join(", ")));
    }
    if let Some(command) = &report.check.command {
        let colour = match report.check.status {
            CheckStatus::Green => "green",
            CheckStatus::Red => "red",
            CheckStatus::None => "not run",
        };
        let best = match report.best_iteration {
            Some(best) if best != report.iterations => format!(", the tree is that of build {best}"),
            _ => String::new(),
        };
        lines.push(format!(
            "check: {colour}, {} ({}{best})",
            one_line(command, LINE),
            plural(report.iterations as usize, "build")
        ));
    }
    lines.push(format!("files: {}", report.files.len()));
    for file in report.files.iter().take(NAMED) {
        let mark = match file.action {
            FileAction::Written => "",
            FileAction::Deleted => " (deleted)",
            FileAction::Moved => " (moved)",
        };
        lines.push(format!("  {}{mark}", file.path));
    }
    if report.files.len() > NAMED {
        lines.push(format!("  and {} more", report.files.len() - NAMED));
    }
    if !report.refused.is_empty() {
        let paths: Vec<_> = report.refused.iter().take(NAMED).map(|refused| one_line(&refused.path, 60)).collect();
        lines.push(format!("refused: {}", paths.join(", ")));
    }
    let usage = &report.usage;
    let estimated = if usage.estimated { ", partly estimated" } else { "" };
    lines.push(format!(
        "took {}, {}, {} tokens in and {} out, {}{estimated}",
        duration(report.duration_ms),
        plural(usage.calls as usize, "model call"),
        count(usage.tokens_in),
        count(usage.tokens_out),
        cost(usage.cost_usd),
    ));
    if let Some(dir) = &report.log_dir {
        lines.push(format!("logs: {dir}"));
    }
    lines.push(format!("next: {}", one_line(&report.next, 300)));
    lines
}
