//! Cutting a prompt to a window.
//!
//! A prompt is a list of sections in reading order, each with a rank. While it is too long, sections are shortened or left out, lowest
//! rank first and within a rank from the last to the first (what is asked: from the first to the last). A note in the prompt names each of them.

use super::show;
use super::{FileView, Window};
use crate::provider::{Prompt, Speaker, Turn};

/// Prompt tokens where a model's window isn't known.
const DEFAULT_TOKENS: u64 = 100_000;
/// Prompt tokens below which nothing sensible can be asked.
const LEAST_TOKENS: u64 = 2_000;
/// Bytes kept free for the note on what was cut.
const NOTE_BYTES: usize = 600;
/// A section that would get shorter than this is left out.
const LEAST_SECTION: usize = 200;

/// What goes first when the window is small. The order of the variants is the order of cutting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// Nice to have: outlines, earlier rounds, the log's tail.
    Background,
    /// Files that are only read.
    Reference,
    /// What others do and agreed on.
    Shared,
    /// Files that are written.
    Own,
    /// What is asked. It is shortened if nothing else helps, and never left out.
    Task,
}

/// How a section is shortened.
pub(super) enum Body {
    /// Text: its middle goes.
    Text(String),
    /// Lines of equal worth: the last go.
    Lines(Vec<String>),
    /// A file: lines far from those `around` go; with none, those after its head and before its end.
    File { path: String, text: String, around: Vec<u32> },
    /// A file in part, ready to be shown; where that doesn't fit it is cut as a file is.
    Part { path: String, shown: String, text: String, around: Vec<u32> },
}

pub(super) struct Section {
    /// How the note on cuts calls it.
    pub(super) name: String,
    /// Stands before the body; empty: nothing does.
    pub(super) head: String,
    pub(super) body: Body,
    pub(super) rank: Rank,
}

impl Section {
    pub(super) fn text(name: &str, head: &str, text: impl Into<String>, rank: Rank) -> Self {
        Self { name: name.to_owned(), head: head.to_owned(), body: Body::Text(text.into()), rank }
    }

    pub(super) fn lines(name: &str, head: &str, lines: Vec<String>, rank: Rank) -> Self {
        Self { name: name.to_owned(), head: head.to_owned(), body: Body::Lines(lines), rank }
    }

    /// A file. Line ends are shown as LF; `workspace::content` brings them back.
    pub(super) fn file(view: &FileView, around: Vec<u32>, rank: Rank) -> Self {
        let path = view.path.to_string();
        Self {
            name: format!("`{path}`"),
            head: String::new(),
            body: Body::File { path, text: view.text.replace("\r\n", "\n"), around },
            rank,
        }
    }

    fn is_empty(&self) -> bool {
        match &self.body {
            Body::Text(text) => text.trim().is_empty(),
            Body::Lines(lines) => lines.is_empty(),
            Body::File { .. } | Body::Part { .. } => false,
        }
    }

    /// The section in at most `limit` bytes.
    fn render(&self, limit: usize) -> String {
        let mut out = String::new();
        if !self.head.is_empty() {
            out.push_str(&self.head);
            out.push('\n');
        }
        let room = limit.saturating_sub(out.len());
        match &self.body {
            Body::Text(text) => out.push_str(&show::middle_out(text.trim_end(), room)),
            Body::Lines(lines) => out.push_str(&show::first_lines(lines, room)),
            Body::File { path, text, around } => out.push_str(&show::file(path, text, around, room)),
            Body::Part { path, shown, text, around } => {
                let part = show::part(path, shown);
                out.push_str(&if part.len() <= room { part } else { show::file(path, text, around, room) });
            }
        }
        out
    }
}

/// Sections for files under one heading, those in `except` left out.
pub(super) fn files(sections: &mut Vec<Section>, heading: &str, views: &[FileView], except: &[FileView], rank: Rank) {
    let mut first = true;
    for view in views.iter().filter(|view| !except.iter().any(|other| other.path == view.path)) {
        let mut section = Section::file(view, Vec::new(), rank);
        if first {
            section.head = heading.to_owned();
        }
        first = false;
        sections.push(section);
    }
}

/// The user's task where it is background to something smaller: at most a quarter of the prompt, so that it doesn't push out the files.
pub(super) fn task(task: &str, window: Window) -> String {
    show::middle_out(task.trim(), budget(window) / 4)
}

/// Bytes of prompt that fit the window, by four bytes a token, less a tenth for what that estimate misses.
pub(super) fn budget(window: Window) -> usize {
    let output = u64::from(window.output);
    let tokens = match window.context.map(u64::from) {
        // A limit on the answer that takes the whole window is no limit: half of it is kept for the prompt.
        Some(context) => ((context - output.min(context / 2)) * 9 / 10).max(LEAST_TOKENS.min(context)),
        None => DEFAULT_TOKENS,
    };
    usize::try_from(tokens * 4).unwrap_or(usize::MAX)
}

/// Puts the sections together in as many bytes as the window leaves beside `system`. Empty sections are left out.
pub(super) fn fit(system: String, sections: Vec<Section>, window: Window) -> Prompt {
    let room = budget(window).saturating_sub(system.len());
    fit_in(system, sections, room, window.edits)
}

/// The same with the bytes for the sections given.
pub(super) fn fit_in(system: String, sections: Vec<Section>, room: usize, edits: bool) -> Prompt {
    let text = assemble(sections, room, edits);
    Prompt { system, turns: vec![Turn { speaker: Speaker::User, text }] }
}

fn assemble(sections: Vec<Section>, room: usize, edits: bool) -> String {
    let sections: Vec<Section> = sections.into_iter().filter(|section| !section.is_empty()).collect();
    let mut shown: Vec<String> = sections.iter().map(|section| section.render(usize::MAX)).collect();
    // Two bytes for the empty line between sections.
    let length =
        |shown: &[String]| shown.iter().filter(|text| !text.is_empty()).map(|text| text.len() + 2).sum::<usize>();
    if length(&shown) <= room {
        return join(&shown);
    }
    let room = room.saturating_sub(NOTE_BYTES);
    let mut order: Vec<usize> = (0..sections.len()).collect();
    // What is asked stands last and is the most important; of all else, the first is.
    order.sort_by_key(|index| match sections[*index].rank {
        Rank::Task => (Rank::Task, *index),
        rank => (rank, usize::MAX - *index),
    });
    let mut cut = Vec::new();
    for index in order {
        let over = length(&shown).saturating_sub(room);
        if over == 0 {
            break;
        }
        let section = &sections[index];
        let wanted = shown[index].len().saturating_sub(over);
        if section.rank == Rank::Task && shown[index].len() <= LEAST_SECTION {
            continue;
        }
        if wanted < LEAST_SECTION && section.rank != Rank::Task {
            shown[index].clear();
            cut.push(format!("{} (left out)", section.name));
        } else {
            shown[index] = section.render(wanted.max(LEAST_SECTION));
            cut.push(format!("{} (shortened)", section.name));
        }
    }
    let mut out = note(&cut, edits);
    out.push_str("\n\n");
    out.push_str(&join(&shown));
    out
}

/// What was cut, in fewer than [`NOTE_BYTES`].
fn note(cut: &[String], edits: bool) -> String {
    const START: &str = "Not everything fits your window. Cut: ";
    let end = if edits {
        ". Where lines of a file are left out, don't give that file whole: change it by edits of lines that you see."
    } else {
        ". Where lines of a file are left out, don't give that file whole: leave it as it is and say what must change in it."
    };
    let mut names = String::new();
    for (index, name) in cut.iter().enumerate() {
        if START.len() + names.len() + name.len() + end.len() + 40 > NOTE_BYTES {
            names.push_str(&format!(" and {} more", cut.len() - index));
            break;
        }
        if index > 0 {
            names.push_str(", ");
        }
        names.push_str(name);
    }
    format!("{START}{names}{end}")
}

fn join(shown: &[String]) -> String {
    let parts: Vec<&str> = shown.iter().map(String::as_str).filter(|text| !text.is_empty()).collect();
    parts.join("\n\n")
}
