//! A fix: all diagnostics of one owner in one prompt.

use proto::diagnostic::{Diagnostic, Severity};

use super::fit::{Rank, Section, budget, fit};
use super::worker::system;
use super::{FileView, Window, show};
use crate::plan::{Contract, Subtask};
use crate::provider::Prompt;

/// Diagnostics shown at most; the first ones cause the rest.
const MAX_DIAGNOSTICS: usize = 40;

/// What the owner of diagnostics is told.
#[derive(Clone, Copy, Debug)]
pub struct FixBrief<'a> {
    /// The user's words.
    pub task: &'a str,
    /// What all workers share.
    pub contract: &'a Contract,
    /// The owner's subtask; none: the integrator, who may write any file that no subtask owns.
    pub subtask: Option<&'a Subtask>,
    /// Current content of the files that it may write.
    pub files: &'a [FileView],
    /// The other side of the interface, read-only.
    pub show: &'a [FileView],
    /// What the check found, most important first.
    pub diagnostics: &'a [Diagnostic],
    /// What was tried before, a line each.
    pub tried: &'a [String],
    /// The end of the check's log, where a failure names no place.
    pub log_tail: Option<&'a str>,
    /// The check.
    pub command: &'a str,
}

/// The prompt that sends diagnostics back to the owner of their files. Its `system` is that of the round's workers.
#[must_use]
pub fn fix(brief: &FixBrief<'_>, window: Window) -> Prompt {
    let system = system(brief.contract, window);
    let mut sections = Vec::new();
    sections.push(Section::text("the task", "The task that all work on:", show::task(brief.task, window), Rank::Task));
    if let Some(subtask) = brief.subtask {
        sections.push(Section::text("the subtask", "", show::subtask(subtask), Rank::Shared));
    }
    for (index, view) in brief.show.iter().filter(|view| !contains(brief.files, view)).enumerate() {
        let mut section = show::file_section(view, lines_in(view, brief.diagnostics), Rank::Reference);
        if index == 0 {
            section.head = "The other side, not yours to write (data):".to_owned();
        }
        sections.push(section);
    }
    for (index, view) in brief.files.iter().enumerate() {
        let mut section = show::file_section(view, lines_in(view, brief.diagnostics), Rank::Own);
        if index == 0 {
            section.head = "Your files as they are now (data):".to_owned();
        }
        sections.push(section);
    }
    sections.push(Section::text(
        "the end of the log",
        "End of the log (data):",
        brief.log_tail.map(tail).unwrap_or_default(),
        if brief.diagnostics.is_empty() { Rank::Own } else { Rank::Background },
    ));
    let tried = brief.tried.iter().map(|line| format!("- {line}")).collect();
    sections.push(Section::lines(
        "what was tried",
        "Tried before, without success; do something else:",
        tried,
        Rank::Shared,
    ));
    let views: Vec<&FileView> = brief.files.iter().chain(brief.show).collect();
    let found = diagnostics(brief.diagnostics, &views, budget(window) * 2 / 5);
    let head = format!("`{}` fails with (data):", show::middle_out(show::one_line(brief.command), 300));
    sections.push(Section::lines("the diagnostics", &head, found, Rank::Task));
    sections.push(Section::text("the request", "", request(brief), Rank::Task));
    fit(system, sections, window)
}

/// The diagnostics, as many as `limit` bytes hold: their files need the rest.
fn diagnostics(all: &[Diagnostic], views: &[&FileView], limit: usize) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut length = 0;
    for diagnostic in all.iter().take(MAX_DIAGNOSTICS) {
        let shown = show::diagnostic(diagnostic, views);
        length += shown.len();
        if !found.is_empty() && length > limit {
            break;
        }
        found.push(shown);
    }
    if found.len() < all.len() {
        found.push(format!("[… {} more left out …]", all.len() - found.len()));
    }
    found
}

fn request(brief: &FixBrief<'_>) -> String {
    let errors = brief.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count();
    let what = match errors {
        0 => "Find what makes the check fail and fix it",
        1 => "Fix this error",
        _ => "Fix all of these errors, their causes first",
    };
    let whose = if brief.subtask.is_some() {
        "in the files that are yours"
    } else {
        "as the integrator: you may write the files shown as yours and any file that nobody owns"
    };
    format!(
        "{what}, {whose}. Keep what works; don't weaken or remove tests; keep to the contract. Give each file that you change whole. If the \
         cause is in a file that isn't yours, answer NO CHANGE NEEDED and say in a sentence which file must change, and how."
    )
}

/// Lines of this file that diagnostics name.
fn lines_in(view: &FileView, diagnostics: &[Diagnostic]) -> Vec<u32> {
    let path = view.path.as_str();
    let mut lines: Vec<u32> = diagnostics
        .iter()
        .flat_map(|diagnostic| {
            let own = diagnostic.line.filter(|_| diagnostic.file.as_deref() == Some(path));
            let related = diagnostic.related.iter().filter(|place| place.file == path).filter_map(|place| place.line);
            own.into_iter().chain(related)
        })
        .collect();
    lines.sort_unstable();
    lines.dedup();
    lines
}

/// The end of a log is what tells; longer ones lose their head, and say so.
fn tail(log: &str) -> String {
    const LINES: usize = 60;
    let lines: Vec<&str> = log.lines().collect();
    let from = lines.len().saturating_sub(LINES);
    let mut out = if from > 0 { format!("[… {from} lines left out …]\n") } else { String::new() };
    out.push_str(&lines[from..].join("\n"));
    out
}

fn contains(views: &[FileView], view: &FileView) -> bool {
    views.iter().any(|other| other.path == view.path)
}
