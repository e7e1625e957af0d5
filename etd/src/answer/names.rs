//! The names that stand at fences: in the line before, in the info string, in the first comment.

use crate::relpath::RelPath;

use super::paths;

/// The name that stands at a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// In a marker, a heading, a line of its own, the info string or the first comment.
    Strong(String),
    /// In the sentence before it.
    Weak(String),
    /// There is none.
    None,
}

/// What an info string names.
pub(super) enum Info {
    Path(String),
    /// `12:40:path`: a piece of a file.
    Excerpt,
    Nothing,
}

/// What a fence's info string names.
pub(super) fn in_info(info: &str, owns: &[RelPath]) -> Info {
    let words = info.split(|c: char| c.is_whitespace() || ",{}".contains(c)).filter(|word| !word.is_empty());
    for (number, word) in words.enumerate() {
        if let Some((key, value)) = word.split_once('=') {
            let key = key.to_lowercase();
            let value = paths::bare(value);
            if matches!(key.as_str(), "title" | "file" | "filename" | "path" | "filepath" | "name")
                && paths::looks_like(value, owns)
            {
                return Info::Path(value.to_owned());
            }
            continue;
        }
        if let Some((start, rest)) = word.split_once(':')
            && !start.is_empty()
        {
            if start.bytes().all(|byte| byte.is_ascii_digit()) && rest.starts_with(|c: char| c.is_ascii_digit()) {
                return Info::Excerpt;
            }
            if start.len() > 1 && paths::looks_like(paths::bare(rest), owns) {
                return Info::Path(paths::bare(rest).to_owned());
            }
        }
        let path = paths::bare(word);
        // The first word is a language, which may be called like a file (`Makefile`).
        let named = path.contains(['.', '/', '\\']) || number > 0;
        if named && paths::looks_like(path, owns) {
            return Info::Path(path.to_owned());
        }
    }
    Info::Nothing
}

/// Elements that hold a path alone.
const TAGS: &[&str] = &["source", "path", "file_path", "filepath", "filename", "name"];

/// Words before a path that name it, without their colon.
fn is_label(text: &str) -> bool {
    matches!(
        text.trim().to_lowercase().as_str(),
        "file" | "filename" | "file name" | "path" | "filepath" | "file path" | "name" | "title"
    )
}

/// The path in a comment line that holds nothing else.
pub(super) fn in_comment(line: &str, owns: &[RelPath]) -> Option<String> {
    let line = line.trim();
    let (open, close) =
        [("<!--", "-->"), ("{/*", "*/}"), ("/*", "*/"), ("//", ""), ("#", ""), ("--", ""), (";", ""), ("%", "")]
            .into_iter()
            .find(|(open, close)| {
                line.starts_with(open) && line.ends_with(close) && line.len() > open.len() + close.len()
            })?;
    let inner = line.get(open.len()..line.len() - close.len())?.trim_start_matches(['#', '/', '*', '!']).trim();
    let inner = match inner.split_once(':') {
        Some((label, rest)) if is_label(label) => rest,
        _ => inner,
    };
    let path = paths::bare(without_aside(inner));
    (paths::looks_like(path, owns) && !path.contains(['[', '('])).then(|| path.to_owned())
}

/// The path in a line that holds nothing else.
pub(super) fn path_line(line: &str) -> Option<&str> {
    let path = paths::bare(line.trim());
    paths::looks_like(path, &[]).then_some(path)
}

/// Whether a line before a change may stand there: a path, a comment with one, the edge of a fence.
pub(super) fn beside_change(line: &str) -> bool {
    let line = line.trim();
    line.is_empty()
        || line.starts_with("```")
        || line.starts_with("~~~")
        || path_line(line).is_some()
        || in_comment(line, &[]).is_some()
}

/// Without what stands in brackets behind a path: `main.go (new file)`.
fn without_aside(text: &str) -> &str {
    let text = text.trim().trim_end_matches(':').trim();
    match text.rsplit_once(" (") {
        Some((before, aside)) if aside.trim_end_matches(['*', ':']).ends_with(')') => before.trim(),
        _ => text,
    }
}

/// The name that a line before a fence gives.
pub(super) fn in_line(line: &str, owns: &[RelPath]) -> Name {
    let heading = line.starts_with('#');
    let mut text = line.trim_start_matches('#').trim();
    // A bullet or a number.
    if let Some(rest) = text.strip_prefix("- ").or_else(|| text.strip_prefix("* ")).or_else(|| text.strip_prefix("+ "))
    {
        text = rest.trim();
    }
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if digits > 0
        && let Some(rest) = text.get(digits..)
        && let Some(rest) = rest.strip_prefix(". ").or_else(|| rest.strip_prefix(") "))
    {
        text = rest.trim();
    }
    let text = without_aside(text);
    let text = TAGS
        .iter()
        .find_map(|tag| text.strip_prefix(&format!("<{tag}>"))?.strip_suffix(&format!("</{tag}>")))
        .map_or(text, str::trim);
    let whole = paths::bare(text);
    let alone = |word: &str| paths::looks_like(word, owns);
    if alone(whole) {
        return Name::Strong(whole.to_owned());
    }
    // A path that is named as one, whatever it looks like.
    let stripped = text.trim_matches('*');
    if let Some((label, rest)) = stripped.split_once(':') {
        let words = label.split_whitespace().count();
        let path = paths::bare(without_aside(rest.trim().trim_matches('*')));
        if alone(path) && (is_label(label.trim_matches(['*', ' '])) || words <= 4) {
            return Name::Strong(path.to_owned());
        }
    }
    let marked: Vec<&str> = text.split('`').skip(1).step_by(2).map(paths::bare).filter(|word| alone(word)).collect();
    let title = heading || text.starts_with("**") && text.ends_with("**") || text.starts_with('`');
    if let [path] = marked.as_slice() {
        if title {
            return Name::Strong((*path).to_owned());
        }
        let lower = text.to_lowercase();
        let other = [
            "usage",
            "use it",
            "run ",
            "for example",
            "e.g.",
            "instead of",
            "currently",
            "before:",
            "snippet",
            "call it",
            "output",
        ];
        return if other.iter().any(|word| lower.contains(word)) { Name::None } else { Name::Weak((*path).to_owned()) };
    }
    if title && marked.is_empty() {
        let words: Vec<&str> = text.split_whitespace().map(paths::bare).filter(|word| alone(word)).collect();
        if let [path] = words.as_slice() {
            return Name::Strong((*path).to_owned());
        }
    }
    Name::None
}
