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

use std::ops::{Range, RangeInclusive};

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
    /// Its last line.
    pub(crate) end: u32,
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

impl Language {
    fn marks(self) -> Marks {
        match self {
            Self::Go => Marks::Go,
            Self::Rust => Marks::Rust,
            Self::Js => Marks::Js,
            Self::Java | Self::C | Self::Braces => Marks::C,
            Self::Python | Self::Words | Self::Markdown => Marks::Hash,
            Self::Sql => Marks::Sql,
        }
    }
}

/// The declarations of a file, in its order. Empty for data, prose without headings, and languages that aren't known.
pub(crate) fn outline(path: &str, text: &str) -> Vec<OutlineLine> {
    let Some(language) = Language::of(path) else { return Vec::new() };
    let shown = items(language, text).into_iter().filter(|item| !item.head.is_empty());
    shown
        .map(|item| OutlineLine {
            line: number(item.start),
            end: number(item.end),
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

/// A declaration with what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Body {
    /// What it declares; for an `impl` the type.
    pub(crate) name: String,
    /// The type that it belongs to.
    pub(crate) within: Option<String>,
    /// Its first and last line, from 0.
    pub(crate) lines: RangeInclusive<usize>,
    /// Whether it is a function, and no type or field.
    pub(crate) does: bool,
}

/// The declarations of a file with their bodies, in its order, and its lines without what strings and comments hold.
pub(crate) fn bodies(path: &str, text: &str) -> (Vec<Body>, Vec<String>) {
    let Some(language) = Language::of(path).filter(|language| *language != Language::Markdown) else {
        return (Vec::new(), Vec::new());
    };
    let mut open: Vec<(usize, String)> = Vec::new();
    let mut found = Vec::new();
    let mut decorated = None;
    for item in items(language, text) {
        // A decorator declares nothing; it belongs to what follows.
        if language == Language::Python && item.head.starts_with('@') {
            decorated.get_or_insert(item.start);
            continue;
        }
        let start = decorated.take().unwrap_or(item.start);
        let Some((receiver, name)) = named(language, &item.head) else { continue };
        open.retain(|(end, _)| *end >= item.end);
        let within = receiver.or_else(|| open.last().map(|(_, name)| name.clone()));
        open.push((item.end, name.clone()));
        let (before, called) = item.head.split_once('(').map_or((item.head.as_str(), false), |(head, _)| (head, true));
        let type_ = TYPES.iter().any(|word| before.split(|c: char| !c.is_alphanumeric()).any(|one| one == *word));
        // In C a function says `struct` of what it returns.
        let does = called && (!type_ || language == Language::C) && item.end > item.start;
        found.push(Body { name, within, lines: start..=item.end, does });
    }
    (found, mask(text, language.marks()))
}

/// Words in the heads of types.
const TYPES: [&str; 9] = ["class", "interface", "struct", "enum", "trait", "record", "union", "namespace", "impl"];

/// The receiver and the name of a declaration's head.
fn named(language: Language, head: &str) -> Option<(Option<String>, String)> {
    let part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
    if let Some(rest) = head.strip_prefix("#define ") {
        let name = rest.trim_start().split(|c| !part(c)).next().filter(|name| !name.is_empty())?;
        return Some((None, name.to_owned()));
    }
    let (receiver, head) = match head.strip_prefix("func (").and_then(|rest| rest.split_once(')')) {
        Some((receiver, rest)) => (receiver.rsplit([' ', '*']).next().map(str::to_owned), rest),
        None => (None, head),
    };
    // `impl Display for Money`
    let head = head.rsplit_once(" for ").filter(|_| head.starts_with("impl")).map_or(head, |(_, name)| name);
    let head = &without_arguments(head);
    // A path goes on behind its colons.
    let ends = |(at, _): &(usize, &str)| !head[*at..].starts_with("::") && !head[..=*at].ends_with("::");
    let until = head.match_indices(['(', '<', '{', '=', ':', '[', ';']).find(ends).map(|(at, _)| at);
    let until = until.filter(|at| *at > 0).unwrap_or(head.len());
    let words: Vec<&str> = head[..until].split(|c| !part(c)).filter(|word| !word.is_empty()).collect();
    // `type User struct`, `class A extends B`, `function f`, `const f`
    const KINDS: [&str; 14] = [
        "class",
        "interface",
        "struct",
        "enum",
        "trait",
        "type",
        "record",
        "union",
        "module",
        "mod",
        "namespace",
        "impl",
        "def",
        "fn",
    ];
    let returns = language == Language::C && head[until..].starts_with('(');
    let kind = words.iter().position(|word| KINDS.contains(word) && !returns).and_then(|at| words.get(at + 1));
    let name = kind.or(words.last())?;
    Some((receiver.filter(|name| !name.is_empty()), (*name).to_owned()))
}

/// A head without the types between `<` and `>` in front of its name: `List<Token> tokens(` declares `tokens`.
fn without_arguments(head: &str) -> String {
    let (mut out, mut depth) = (String::new(), 0_usize);
    let end = head.find(['(', '{', '=', ';']).unwrap_or(head.len());
    for part in head[..end].chars() {
        match part {
            '<' => depth += 1,
            '>' if depth > 0 => depth -= 1,
            _ if depth == 0 => out.push(part),
            _ => {}
        }
    }
    // What isn't closed compares or is an operator.
    if depth > 0 { head.to_owned() } else { out + &head[end..] }
}

fn items(language: Language, text: &str) -> Vec<Item> {
    if language == Language::Markdown {
        return headings(text);
    }
    let source: Vec<&str> = text.lines().collect();
    let masked = mask(text, language.marks());
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
