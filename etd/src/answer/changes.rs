//! Reads a body that holds changes in place of a file: SEARCH/REPLACE blocks, unified diffs, `*** Begin Patch`.
//!
//! Promises: what it yields stands in the body, line for line; a change that isn't complete isn't yielded, and the reader says so. Paths
//! are as written; what they mean is told elsewhere.

use super::names;

/// Lines to be replaced by others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hunk {
    /// What must be there, each line with its LF. Empty: the file is made.
    pub search: String,
    /// What takes its place.
    pub replace: String,
    /// Line, from 1, at which the model believes that it begins. It decides only between equal places.
    pub line: Option<usize>,
    /// A line above the place, which decides between equal places.
    pub anchor: Option<String>,
}

/// A part of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Hunk(Hunk),
    /// A whole new file.
    New(String),
    Delete,
    /// To the path.
    Move(String),
    /// A change that ends in the middle, or that can't be told.
    Broken,
}

/// A part with the path that it names, if it does.
pub(super) type Named = (Option<String>, Part);

/// What form a body has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Search,
    Diff,
    Patch,
}

fn marked(line: &str, signs: &[char], words: &[&str]) -> bool {
    let line = line.trim();
    let Some(sign) = line.chars().next().filter(|sign| signs.contains(sign)) else { return false };
    let rest = line.trim_start_matches(sign);
    let word = rest.trim_start().split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or("");
    (5..=9).contains(&(line.len() - rest.len())) && words.contains(&word)
}

/// The first line of a SEARCH/REPLACE block.
pub(super) fn opens_search(line: &str) -> bool {
    marked(line, &['<', '-'], &["SEARCH", "ORIGINAL"])
}

/// The last line of a SEARCH/REPLACE block.
pub(super) fn closes_search(line: &str) -> bool {
    marked(line, &['>', '+'], &["REPLACE", "UPDATED"])
}

fn divides(line: &str) -> bool {
    let line = line.trim_end();
    (5..=9).contains(&line.len()) && line.bytes().all(|byte| byte == b'=')
}

/// The line behind the SEARCH/REPLACE block that opens at a line, and whether it is complete. Some models put a second divider in place of
/// the closing marker.
pub(super) fn search_end(lines: &[&str], open: usize) -> (usize, bool) {
    let mut dividers = Vec::new();
    let mut at = open + 1;
    while let Some(line) = lines.get(at) {
        if closes_search(line) {
            return (at + 1, !dividers.is_empty());
        }
        if opens_search(line) {
            break;
        }
        if divides(line) {
            dividers.push(at);
        }
        at += 1;
    }
    match dividers.as_slice() {
        [_, .., last] => (last + 1, true),
        _ => (at, false),
    }
}

/// The first line of an unfenced unified diff.
pub(super) fn opens_diff(lines: &[&str], at: usize) -> bool {
    let line = |at: usize| lines.get(at).copied().unwrap_or("");
    line(at).starts_with("diff --git ")
        || line(at).starts_with("--- ") && line(at + 1).starts_with("+++ ") && line(at + 2).starts_with("@@")
}

/// The line behind the unfenced unified diff that begins at a line.
pub(super) fn diff_end(lines: &[&str], open: usize) -> usize {
    let of_diff = |line: &str| {
        line.starts_with([' ', '+', '-', '\\', '@', '\t'])
            || ["diff --git ", "index ", "new file", "deleted file", "rename ", "similarity ", "old mode", "new mode"]
                .iter()
                .any(|start| line.starts_with(start))
    };
    let mut end = open;
    for (at, line) in lines.iter().enumerate().skip(open) {
        if of_diff(line) {
            end = at + 1;
        } else if !line.trim().is_empty() {
            break;
        }
    }
    end
}

/// The first line of a `*** Begin Patch`.
pub(super) fn opens_patch(line: &str) -> bool {
    line.trim_end() == "*** Begin Patch" || file_line(line).is_some()
}

/// `*** Update File: path` and its like: the word and the path.
fn file_line(line: &str) -> Option<(&str, &str)> {
    let (word, path) = line.trim_end().strip_prefix("*** ")?.split_once(" File: ")?;
    matches!(word, "Update" | "Add" | "Delete").then_some((word, path.trim()))
}

/// The line behind the patch that begins at a line, and whether its end is marked.
pub(super) fn patch_end(lines: &[&str], open: usize) -> (usize, bool) {
    let fence = |line: &str| line.starts_with("```") || line.starts_with("~~~");
    for (at, line) in lines.iter().enumerate().skip(open) {
        if line.trim_end() == "*** End Patch" {
            return (at + 1, true);
        }
        if fence(line) {
            return (at, true);
        }
    }
    (lines.len(), false)
}

fn form(lines: &[&str], language: &str, text: bool) -> Option<Form> {
    let first = lines.iter().position(|line| !line.trim().is_empty())?;
    let line = |at: usize| lines.get(at).copied().unwrap_or("");
    let start = line(first);
    if opens_patch(start) {
        return Some(Form::Patch);
    }
    let search = lines.iter().position(|line| opens_search(line));
    // In other places than the head they may be the file's own.
    if let Some(search) = search
        && (search == first || !text && lines.iter().take(search).all(|line| names::beside_change(line)))
    {
        return Some(Form::Search);
    }
    let header = start.starts_with("diff --git ")
        || start.starts_with("--- ") && line(first + 1).starts_with("+++ ")
        || start.starts_with("@@ ");
    let spoken = matches!(language, "diff" | "patch")
        && lines.iter().any(|line| line.starts_with(['+', '-']) || line.starts_with("@@"));
    (header && !text || spoken).then_some(Form::Diff)
}

/// The changes that a body holds; none: it is no change. `text`: the file is one for people, which may show changes.
pub(super) fn parse(body: &str, language: &str, text: bool) -> Option<Vec<Named>> {
    let lines: Vec<&str> = body.lines().collect();
    Some(match form(&lines, language, text)? {
        Form::Search => searches(&lines),
        Form::Diff => diffs(&lines),
        Form::Patch => patches(&lines),
    })
}

fn join(lines: &[&str]) -> String {
    lines.iter().flat_map(|line| [line, "\n"]).collect()
}

fn searches(lines: &[&str]) -> Vec<Named> {
    let mut parts = Vec::new();
    let mut path: Option<String> = None;
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        if !opens_search(line) {
            if let Some(named) = names::path_line(line) {
                path = Some(named.to_owned());
            }
            at += 1;
            continue;
        }
        let (end, complete) = search_end(lines, at);
        let inner = lines.get(at + 1..end.saturating_sub(1)).unwrap_or(&[]);
        let part = match inner.iter().position(|line| divides(line)) {
            Some(middle) if complete => {
                let (search, replace) = inner.split_at(middle);
                Part::Hunk(Hunk { search: join(search), replace: join(&replace[1..]), ..Hunk::default() })
            }
            _ => Part::Broken,
        };
        parts.push((path.clone(), part));
        at = end.max(at + 1);
    }
    parts
}

/// The path in a header of a diff, without a time stamp.
fn header_path(text: &str) -> &str {
    let text = text.split('\t').next().unwrap_or(text).trim();
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

/// Both paths of a diff without the `a/` and `b/` that tools put before them.
fn sides<'a>(old: &'a str, new: &'a str) -> (&'a str, &'a str) {
    let nothing = |path: &str| path == "/dev/null";
    match (old.strip_prefix("a/"), new.strip_prefix("b/")) {
        (Some(old), Some(new)) => (old, new),
        (None, Some(stripped)) if nothing(old) || old == stripped => (old, stripped),
        (Some(stripped), None) if nothing(new) || new == stripped => (stripped, new),
        _ => (old, new),
    }
}

fn diffs(lines: &[&str]) -> Vec<Named> {
    let mut parts = Vec::new();
    let mut path: Option<String> = None;
    let (mut from_nothing, mut to_nothing) = (false, false);
    let mut at = 0;
    let line = |at: usize| lines.get(at).copied().unwrap_or("");
    let header = |at: usize| line(at).starts_with("--- ") && line(at + 1).starts_with("+++ ");
    let begins = |at: usize| line(at).starts_with("@@") || line(at).starts_with("diff --git ") || header(at);
    while at < lines.len() {
        let text = line(at);
        if let Some(rest) = text.strip_prefix("diff --git ") {
            (from_nothing, to_nothing) = (false, false);
            let words: Vec<&str> = rest.split_whitespace().collect();
            path = match words.as_slice() {
                [old, new] => Some(sides(header_path(old), header_path(new)).0.to_owned()),
                _ => None,
            };
        } else if header(at) {
            let (old, new) = (header_path(&text[4..]), header_path(&line(at + 1)[4..]));
            from_nothing = old == "/dev/null";
            to_nothing = new == "/dev/null";
            let (old, new) = sides(old, new);
            if to_nothing {
                parts.push((Some(old.to_owned()), Part::Delete));
            }
            // A rename without its own line: the change is for the new path.
            path = Some(if to_nothing { old } else { new }.to_owned());
            at += 1;
        } else if text.starts_with("deleted file mode") {
            parts.push((path.clone(), Part::Delete));
            to_nothing = true;
        } else if let Some(new) = text.strip_prefix("rename to ") {
            let new = header_path(new).to_owned();
            parts.push((path.clone(), Part::Move(new.clone())));
            path = Some(new);
        } else if text.starts_with("@@") || text.starts_with(['+', '-', ' ']) {
            let numbered = text.starts_with("@@");
            let from = if numbered { at + 1 } else { at };
            let mut end = from;
            while end < lines.len() && (end == at || !begins(end)) {
                end += 1;
            }
            let hunk = hunk(lines.get(from..end).unwrap_or(&[]));
            let numbers = if numbered { old_range(text) } else { None };
            let made = from_nothing || numbers.is_some_and(|(start, count)| start == 0 && count == 0);
            if to_nothing {
            } else if made && hunk.search.trim().is_empty() {
                parts.push((path.clone(), Part::New(hunk.replace)));
            } else {
                let line = numbers.map(|(start, _)| start).filter(|start| *start > 0);
                parts.push((path.clone(), Part::Hunk(Hunk { line, ..hunk })));
            }
            at = end;
            continue;
        }
        at += 1;
    }
    parts
}

/// First line and count of the old side: `@@ -12,3 +14,5 @@`.
fn old_range(line: &str) -> Option<(usize, usize)> {
    let range = line.trim_start_matches('@').trim_start().strip_prefix('-')?.split_whitespace().next()?;
    match range.split_once(',') {
        Some((start, count)) => Some((start.parse().ok()?, count.parse().ok()?)),
        None => Some((range.parse().ok()?, 1)),
    }
}

/// The two sides of a hunk's lines. A blank line, and one that lost its space, is context.
fn hunk(lines: &[&str]) -> Hunk {
    let (mut search, mut replace) = (Vec::new(), Vec::new());
    for line in lines {
        match line.chars().next() {
            Some('+') => replace.push(&line[1..]),
            Some('-') => search.push(&line[1..]),
            Some('\\') => {}
            Some(' ') => {
                search.push(&line[1..]);
                replace.push(&line[1..]);
            }
            _ => {
                search.push(line);
                replace.push(line);
            }
        }
    }
    Hunk { search: join(&search), replace: join(&replace), ..Hunk::default() }
}

fn patches(lines: &[&str]) -> Vec<Named> {
    let mut parts = Vec::new();
    let mut at = 0;
    let section = |line: &str| line.starts_with("*** ") && line.trim_end() != "*** End of File";
    while let Some(line) = lines.get(at) {
        at += 1;
        let Some((word, path)) = file_line(line) else { continue };
        let from = at;
        while lines.get(at).is_some_and(|line| !section(line) || line.starts_with("*** Move to: ")) {
            at += 1;
        }
        let body = lines.get(from..at).unwrap_or(&[]);
        let path = path.to_owned();
        match word {
            "Add" => {
                let content: Vec<&str> = body.iter().map(|line| line.strip_prefix('+').unwrap_or(line)).collect();
                parts.push((Some(path), Part::New(join(&content))));
            }
            "Delete" => parts.push((Some(path), Part::Delete)),
            _ => update(&path, body, &mut parts),
        }
    }
    parts
}

/// The hunks of one file in a patch; `@@ line` stands before those below that line.
fn update(path: &str, body: &[&str], parts: &mut Vec<Named>) {
    let mut moved = None;
    let mut anchor = None;
    let mut lines: Vec<&str> = Vec::new();
    let mut flush = |lines: &mut Vec<&str>, anchor: &Option<String>| {
        let found = hunk(lines);
        if !lines.iter().all(|line| line.trim().is_empty()) {
            parts.push((Some(path.to_owned()), Part::Hunk(Hunk { anchor: anchor.clone(), ..found })));
        }
        lines.clear();
    };
    for line in body {
        if let Some(new) = line.strip_prefix("*** Move to: ") {
            moved = Some(new.trim().to_owned());
        } else if let Some(rest) = line.strip_prefix("@@") {
            flush(&mut lines, &anchor);
            let rest = rest.trim().trim_end_matches("@@").trim();
            anchor = (!rest.is_empty() && !rest.starts_with('-')).then(|| rest.to_owned());
        } else if !line.starts_with("*** ") {
            lines.push(line);
        }
    }
    flush(&mut lines, &anchor);
    if let Some(new) = moved {
        parts.push((Some(path.to_owned()), Part::Move(new)));
    }
}
