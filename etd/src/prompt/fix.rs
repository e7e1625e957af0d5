//! A fix: all diagnostics of one owner in one prompt.
//!
//! Fixes are the calls that repeat, so they are shown what a fix needs and no more: own files whole while they are short, larger ones
//! around the diagnostics; own files that no diagnostic is about, and the other side, as declarations with what is named.

use proto::diagnostic::{Diagnostic, Severity};

use super::fit::{self, Body, Rank, Section, budget, fit_in};
use super::worker::{is_large, system};
use super::{FileView, Retry, Window, show, sketch};
use crate::blame::{self, REACHED};
use crate::plan::{Contract, Subtask};
use crate::provider::{Prompt, Speaker, Turn};
use crate::source::imports::is_test;

/// Diagnostics shown at most; the first ones cause the rest.
const MAX_DIAGNOSTICS: usize = 20;
/// Lines of an own file that is shown whole.
const WHOLE: usize = 150;
/// The same where more is shown, and of files of the other side then.
const WIDE: (usize, usize) = (400, 150);
/// Lines of a file without declarations, such as a manifest, that is shown whole.
const DATA: usize = 80;
/// Lines of an own file without any diagnostic, and of a file of the other side, that is shown whole.
const SHORT: usize = 15;
/// Lines and bytes above which a file is to be changed by edits: a fix changes a few lines.
const LARGE: (usize, usize) = (40, 1_500);
/// Bytes of a message whose quotes are looked up, and lines that hold one at most.
const QUOTED: usize = 300;
const RARE: usize = 6;
/// Bytes of the task where the fixer has a subtask, and of its instructions.
const TASK: usize = 400;
const INSTRUCTIONS: usize = 2_000;

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
    /// Earlier tries after this build changed nothing, or this is the last one: more is shown.
    pub wide: bool,
    /// It is asked again.
    pub retry: Option<Retry<'a>>,
}

/// What a fix prompt shows, before any cut to a window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FixShown {
    /// Files that may be written, whole.
    pub whole: Vec<String>,
    /// Files that may be written, in part.
    pub part: Vec<String>,
    /// Files of the other side.
    pub other: Vec<String>,
}

/// What the prompt shows a model that is or isn't asked for edits.
#[must_use]
pub fn fix_shown(brief: &FixBrief<'_>, edits: bool) -> FixShown {
    let mut shown = FixShown::default();
    for (view, part) in own_parts(brief, edits) {
        let list = if part.is_some() { &mut shown.part } else { &mut shown.whole };
        list.push(view.path.to_string());
    }
    shown.other = others(brief).map(|view| view.path.to_string()).collect();
    shown
}

/// The prompt that sends diagnostics back to the owner of their files. Its `system` is that of the round's workers. With [`Retry`], the
/// earlier answer and the reason follow as further turns.
#[must_use]
pub fn fix(brief: &FixBrief<'_>, window: Window) -> Prompt {
    let system = system(brief.contract, window);
    let mut sections = Vec::new();
    let task = fit::task(brief.task, window);
    let task = if brief.subtask.is_some() { show::middle_out(&task, TASK) } else { task };
    sections.push(Section::text("the task", "The task that all work on:", task, Rank::Task));
    if let Some(subtask) = brief.subtask {
        let short = Subtask { instructions: show::middle_out(&subtask.instructions, INSTRUCTIONS), ..subtask.clone() };
        sections.push(Section::text("the subtask", "", show::subtask(&short), Rank::Shared));
    }
    let names = names(brief);
    for (index, view) in others(brief).enumerate() {
        let places = lines_in(view, brief.diagnostics);
        let part = other_part(view, &places, &bodies_in(view, brief.diagnostics), &names, brief.wide);
        let mut section = section(view, places, part, Rank::Reference);
        if index == 0 {
            section.head = "The other side, not yours to write, its declarations and what is named (data):".to_owned();
        }
        sections.push(section);
    }
    for (index, (view, part)) in own_parts(brief, window.edits).into_iter().enumerate() {
        let mut section = section(view, lines_in(view, brief.diagnostics), part, Rank::Own);
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
    sections.push(Section::text("the request", "", request(brief, window.edits), Rank::Task));
    let total = budget(window).saturating_sub(system.len());
    let Some(retry) = brief.retry else { return fit_in(system, sections, total, window.edits) };

    // As for a worker: a third of the window for the answer, a tenth for the reason.
    let reason = show::middle_out(retry.reason.trim(), total / 10);
    let answer = show::middle_out(retry.answer, total / 3);
    let again = format!("That answer can't be used as it is: {reason}\nAnswer again; what did apply is kept.");
    let answer = if answer.trim().is_empty() { "(no answer)".to_owned() } else { answer };
    let mut prompt = fit_in(system, sections, total.saturating_sub(answer.len() + again.len()), window.edits);
    prompt.turns.push(Turn { speaker: Speaker::Assistant, text: answer });
    prompt.turns.push(Turn { speaker: Speaker::User, text: again });
    prompt
}

/// A section for a file, whole or in part.
fn section(view: &FileView, places: Vec<u32>, part: Option<String>, rank: Rank) -> Section {
    let mut section = Section::file(view, places, rank);
    if let Some(shown) = part
        && let Body::File { path, text, around } = section.body
    {
        section.body = Body::Part { path, shown, text, around };
    }
    section
}

/// The other side without what is the fixer's own.
fn others<'a>(brief: &FixBrief<'a>) -> impl Iterator<Item = &'a FileView> {
    let files = brief.files;
    brief.show.iter().filter(move |view| !contains(files, view))
}

/// A file of the other side in part; none: it is short and shown whole.
fn other_part(view: &FileView, places: &[u32], bodies: &[u32], names: &[&str], wide: bool) -> Option<String> {
    let text = view.text.replace("\r\n", "\n");
    let lines = text.lines().count();
    if lines <= if wide { WIDE.1 } else { SHORT }
        || lines <= DATA && !sketch::declares_anything(view.path.as_str(), &text)
    {
        return None;
    }
    sketch::part(view.path.as_str(), &text, &sketch::Wish { places, bodies, names, own: false })
}

/// The fixer's own files, each with its text where it is shown in part. Whoever can only give whole files is shown whole ones.
fn own_parts<'a>(brief: &FixBrief<'a>, edits: bool) -> Vec<(&'a FileView, Option<String>)> {
    let names = names(brief);
    let mentioned = |view: &FileView| sketch::declares_any(view.path.as_str(), &view.text, &names);
    let placed = |view: &FileView| !lines_in(view, brief.diagnostics).is_empty();
    let about = |view: &FileView| {
        let path = view.path.as_str();
        brief.diagnostics.iter().any(|one| {
            one.file.as_deref() == Some(path)
                || one.related.iter().any(|place| place.file == path && place.line.is_none())
        })
    };
    let tested = brief.files.iter().any(|view| !bodies_in(view, brief.diagnostics).is_empty());
    // Where nothing tells which of them is meant, all may be.
    let blind = !brief.files.iter().any(|view| placed(view) || about(view));
    brief
        .files
        .iter()
        .map(|view| {
            if !edits {
                return (view, None);
            }
            let text = view.text.replace("\r\n", "\n");
            let meant = placed(view) || about(view) || blind && (mentioned(view) || !brief.files.iter().any(mentioned));
            // What isn't closed may be open anywhere above.
            let unclosed = |one: &Diagnostic| {
                one.file.as_deref() == Some(view.path.as_str())
                    && blame::is_syntax(one)
                    && (one.line.is_none_or(|line| line as usize + 2 >= text.lines().count())
                        || says_unclosed(&one.message))
            };
            // What makes a test fail can stand anywhere in what it reaches.
            let reached = !bodies_in(view, brief.diagnostics).is_empty();
            let wide = brief.wide || reached || brief.diagnostics.iter().any(unclosed);
            let whole = match (meant, wide) {
                (true, true) => WIDE.0,
                (true, false) => WHOLE,
                (false, true) => WIDE.1,
                // Nor is it sure that it stands in what a test is known to reach.
                (false, false) if tested => DATA,
                (false, false) => SHORT,
            };
            if text.lines().count() <= whole {
                return (view, None);
            }
            let mut places = lines_in(view, brief.diagnostics);
            if places.is_empty() || reached {
                places.extend(quoted_in(&text, brief.diagnostics));
            }
            (
                view,
                sketch::part(
                    view.path.as_str(),
                    &text,
                    &sketch::Wish { places: &places, bodies: &[], names: &names, own: true },
                ),
            )
        })
        .collect()
}

/// Lines, from 1, that hold what failing tests quote, the rarest first: in a table of data no name leads to the line that is wrong.
fn quoted_in(text: &str, diagnostics: &[Diagnostic]) -> Vec<u32> {
    let mut found: Vec<(usize, u32)> = Vec::new();
    for message in diagnostics.iter().take(MAX_DIAGNOSTICS).map(|one| one.message.as_str()) {
        let start = &message[..message.floor_char_boundary(QUOTED)];
        for word in start.split(['\'', '"', '`']).skip(1).step_by(2).filter(|word| word.len() > 2) {
            let lines: Vec<u32> =
                (1..).zip(text.lines()).filter(|(_, line)| line.contains(word)).map(|(number, _)| number).collect();
            if lines.len() <= RARE {
                found.extend(lines.iter().map(|line| (lines.len(), *line)));
            }
        }
    }
    found.sort_unstable();
    let mut lines: Vec<u32> = Vec::new();
    for (_, line) in found {
        if lines.len() < RARE && !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

/// Whether a parser came to the end before something was closed.
fn says_unclosed(message: &str) -> bool {
    ["end of input", "end of file", "unexpected EOF", "unclosed", "unterminated", "never closed"]
        .iter()
        .any(|words| message.contains(words))
}

/// What diagnostics may be about: the identifiers in their words and in the lines that they point to.
fn names<'a>(brief: &FixBrief<'a>) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for diagnostic in brief.diagnostics.iter().take(MAX_DIAGNOSTICS) {
        let message = diagnostic.message.as_str();
        let message = &message[..message.floor_char_boundary(2_000)];
        let views = brief.files.iter().chain(brief.show);
        let place = diagnostic.file.as_deref().zip(diagnostic.line);
        let line = place.and_then(|(file, line)| {
            let view = views.into_iter().find(|view| view.path.as_str() == file)?;
            view.text.lines().nth((line as usize).saturating_sub(1))
        });
        let words = [message, line.unwrap_or_default()].into_iter().flat_map(sketch::identifiers);
        for word in words {
            if !names.contains(&word) {
                names.push(word);
            }
        }
    }
    names
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

fn request(brief: &FixBrief<'_>, edits: bool) -> String {
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
    let own = own_parts(brief, edits);
    let by_edits: Vec<&str> = own
        .iter()
        .filter(|(view, part)| edits && (part.is_some() || is_large(view, LARGE)))
        .map(|(view, _)| view.path.as_str())
        .collect();
    let mut form = match by_edits.as_slice() {
        [] => "Give each file that you change whole.".to_owned(),
        paths => format!("Change by edits, not whole: {}. Give other files that you change whole.", paths.join(", ")),
    };
    if own.iter().any(|(_, part)| part.is_some()) {
        form.push_str(" Of files in part, edit only lines that you see; those as `12| …` are an outline.");
    }
    format!(
        "{what}, {whose}. Keep what works; don't weaken or remove tests; keep to the contract. {form} If the cause is in a file that isn't \
         yours, answer NO CHANGE NEEDED and say in a sentence which file must change, and how."
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

/// Lines of this file whose functions tell why a test fails: the test, and what it reaches.
fn bodies_in(view: &FileView, diagnostics: &[Diagnostic]) -> Vec<u32> {
    let path = view.path.as_str();
    let test = |one: &Diagnostic| one.line.filter(|_| one.file.as_deref() == Some(path) && is_test(path));
    let reached = diagnostics.iter().flat_map(|one| &one.related).filter(|place| place.file == path);
    let reached =
        reached.filter(|place| place.message.ends_with(REACHED) || is_test(path)).filter_map(|place| place.line);
    diagnostics.iter().filter_map(test).chain(reached).collect()
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
