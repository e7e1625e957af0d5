//! The declarations of a source file, by the look of its lines: no parser, no grammar.
//!
//! Promises: never panics, takes time in proportion to the text, shows no bodies, and every line of it stands in the file at the number
//! told (a signature over several lines is joined). It is a help for the reader of a prompt and may miss or invent a line where code is
//! laid out in an unusual way; nothing that is written may depend on it.

mod braces;
mod indent;
mod mask;
#[cfg(test)]
mod tests;

use std::ops::Range;

use mask::{Marks, mask};

/// Bytes of an outline's line at most.
const LONG: usize = 160;
/// Lines that a signature may take.
const HEAD_LINES: usize = 16;

/// A declaration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OutlineLine {
    /// Where it begins, from 1.
    pub(crate) line: u32,
    /// Its head, indented by two blanks for each declaration around it.
    pub(crate) text: String,
}

/// A declaration with its body; lines from 0, `end` is the last one.
struct Item {
    start: usize,
    end: usize,
    depth: usize,
    head: String,
}

/// How a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Language {
    Go,
    Rust,
    Js,
    Java,
    C,
    /// Braces, one statement a line: Kotlin, Swift, C# and their like.
    Braces,
    Python,
    /// Bodies are indented, whatever closes them.
    Words,
    Sql,
    Markdown,
}

impl Language {
    /// None: it holds data or prose.
    fn of(path: &str) -> Option<Self> {
        let name = path.rsplit('/').next().unwrap_or(path);
        let (_, extension) = name.rsplit_once('.')?;
        Some(match extension.to_ascii_lowercase().as_str() {
            "go" => Self::Go,
            "rs" => Self::Rust,
            "js" | "jsx" | "ts" | "tsx" | "mjs" | "cjs" | "mts" | "cts" => Self::Js,
            "java" => Self::Java,
            "c" | "h" | "cc" | "cpp" | "cxx" | "hh" | "hpp" | "hxx" | "inl" | "m" => Self::C,
            "cs" | "kt" | "kts" | "swift" | "scala" | "php" | "dart" | "groovy" | "zig" | "proto" => Self::Braces,
            "py" | "pyi" => Self::Python,
            "sql" => Self::Sql,
            "md" | "markdown" => Self::Markdown,
            "json" | "yaml" | "yml" | "toml" | "lock" | "txt" | "csv" | "svg" | "xml" | "html" | "css" | "sum"
            | "mod" | "log" | "ini" | "cfg" | "rst" | "snap" => return None,
            _ => Self::Words,
        })
    }
}

/// The declarations of a file, in its order. Empty for data, prose without headings, and languages that aren't known.
pub(crate) fn outline(path: &str, text: &str) -> Vec<OutlineLine> {
    let Some(language) = Language::of(path) else { return Vec::new() };
    let shown = items(language, text).into_iter().filter(|item| !item.head.is_empty());
    shown
        .map(|item| OutlineLine {
            line: number(item.start),
            text: short(&format!("{}{}", "  ".repeat(item.depth.min(6)), item.head)),
        })
        .collect()
}

/// The lines (from 1, the end excluded) of the innermost function or type around a line, with the comments and attributes right above
/// it; where there is none, of the lines around it that no empty line separates. Empty for a line that isn't there.
pub(crate) fn enclosing(path: &str, text: &str, line: u32) -> Range<u32> {
    let lines: Vec<&str> = text.lines().collect();
    let Some(at) = (line as usize).checked_sub(1).filter(|at| *at < lines.len()) else { return line..line };
    let items = Language::of(path).map(|language| items(language, text)).unwrap_or_default();
    let around = items.iter().filter(|item| item.start < item.end && (item.start..=item.end).contains(&at));
    let (mut start, end) = match around.min_by_key(|item| item.end - item.start) {
        Some(item) => (item.start, item.end),
        None => {
            let empty = |line: &&str| line.trim().is_empty();
            let start = at - lines[..at].iter().rev().take_while(|line| !empty(line)).count();
            let end = at + lines[at + 1..].iter().take_while(|line| !empty(line)).count();
            return number(start)..number(end + 1);
        }
    };
    let above = |line: &str| {
        let line = line.trim_start();
        ["//", "/*", "*", "#", "@", "--"].iter().any(|mark| line.starts_with(mark))
    };
    while start > 0 && above(lines[start - 1]) {
        start -= 1;
    }
    number(start)..number(end + 1)
}

fn items(language: Language, text: &str) -> Vec<Item> {
    let marks = match language {
        Language::Go => Marks::Go,
        Language::Rust => Marks::Rust,
        Language::Js => Marks::Js,
        Language::Java | Language::C | Language::Braces => Marks::C,
        Language::Python | Language::Words => Marks::Hash,
        Language::Sql => Marks::Sql,
        Language::Markdown => return headings(text),
    };
    let source: Vec<&str> = text.lines().collect();
    let masked = mask(text, marks);
    match language {
        Language::Python | Language::Words => indent::items(language, &source, &masked),
        _ => braces::items(language, &source, &masked),
    }
}

fn headings(text: &str) -> Vec<Item> {
    let mut items = Vec::new();
    let mut fenced = false;
    for (start, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        let level = line.bytes().take_while(|byte| *byte == b'#').count();
        if !fenced && (1..=6).contains(&level) && line[level..].starts_with(' ') {
            items.push(Item { start, end: start, depth: 0, head: line.trim().to_owned() });
        }
    }
    items
}

/// The words of lines `from..=to`, the last one up to `column`, without what the mask blanked at the ends of lines.
fn joined<S: AsRef<str>>(source: &[S], masked: &[String], from: usize, to: usize, column: usize) -> String {
    let mut head = String::new();
    let lines = source.iter().enumerate().take(to.saturating_add(1)).skip(from);
    for (at, line) in lines {
        let code = masked.get(at).map_or("", String::as_str);
        let limit = if at == to { column.min(code.len()) } else { code.len() };
        let code = code.get(..limit).unwrap_or(code);
        let (start, end) = (code.len() - code.trim_start().len(), code.trim_end().len());
        let piece = line.as_ref().get(start..end).unwrap_or_default();
        // A list that was spread over lines is one again.
        let tight = head.ends_with(['(', '[', '<']) || piece.starts_with([')', ']', '>', ',']);
        if !head.is_empty() && !piece.is_empty() && !tight {
            head.push(' ');
        }
        head.push_str(piece);
        if head.len() > 2 * LONG {
            break;
        }
    }
    head.replace(",)", ")").replace('\t', " ")
}

fn short(text: &str) -> String {
    if text.len() <= LONG {
        return text.to_owned();
    }
    format!("{} …", text[..text.floor_char_boundary(LONG - 4)].trim_end())
}

fn number(at: usize) -> u32 {
    u32::try_from(at + 1).unwrap_or(u32::MAX)
}
