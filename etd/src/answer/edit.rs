//! Applies edits to a text. Pure.
//!
//! Promises: nothing but the lines that a hunk names changes; a hunk that fits at more than one place changes nothing; a hunk that was
//! applied before is a success; what applies is kept, whatever becomes of the others.

use super::changes::Hunk;

/// What came of the edits of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The text with all that applied.
    pub content: String,
    /// What didn't.
    pub failed: Vec<FailedHunk>,
}

/// A hunk that doesn't apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedHunk {
    /// What was searched.
    pub search: String,
    /// Lines, from 1, at which it fits, if there is more than one; none: it fits nowhere.
    pub lines: Vec<usize>,
    /// The lines of the text that are most like what was searched, each with its number.
    pub nearest: String,
}

/// How a line of the text may differ from one that is searched.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Exact,
    Trailing,
    /// All lines are indented by the same more or less.
    Indent,
    BothEnds,
}

const LEVELS: [Level; 4] = [Level::Exact, Level::Trailing, Level::Indent, Level::BothEnds];
/// Lines and bytes of [`FailedHunk::nearest`].
const NEAREST: (usize, usize) = (30, 2_000);

/// Applies hunks one after the other to a text with LF line ends.
#[must_use]
pub fn apply(hunks: &[Hunk], current: &str) -> Applied {
    let mut lines: Vec<String> = current.lines().map(str::to_owned).collect();
    let mut failed = Vec::new();
    // By how much earlier hunks moved what is below them.
    let mut moved = 0_isize;
    for hunk in hunks {
        let before = lines.len();
        match one(hunk, &mut lines, moved) {
            Ok(()) => moved += isize::try_from(lines.len()).unwrap_or(0) - isize::try_from(before).unwrap_or(0),
            Err(places) => failed.push(FailedHunk {
                search: hunk.search.clone(),
                nearest: if places.is_empty() { nearest(hunk, &lines) } else { String::new() },
                lines: places,
            }),
        }
    }
    let mut content = lines.join("\n");
    if !content.is_empty() {
        content.push('\n');
    }
    Applied { content, failed }
}

fn rows(text: &str) -> Vec<&str> {
    text.lines().collect()
}

/// Without the blank lines at both ends.
fn core<'a, 'b>(lines: &'b [&'a str]) -> &'b [&'a str] {
    let full = |line: &&str| !line.trim().is_empty();
    match (lines.iter().position(full), lines.iter().rposition(full)) {
        (Some(first), Some(last)) => lines.get(first..=last).unwrap_or(&[]),
        _ => &[],
    }
}

/// Applies one hunk. The error holds the lines at which it fits if there is more than one.
fn one(hunk: &Hunk, lines: &mut Vec<String>, moved: isize) -> Result<(), Vec<usize>> {
    let (search, replace) = (rows(&hunk.search), rows(&hunk.replace));
    if search == replace {
        return Ok(());
    }
    if core(&search).is_empty() {
        // A new file; as the change of one that is there it would name no place.
        let same = core(&replace)
            .iter()
            .copied()
            .eq(core(&lines.iter().map(String::as_str).collect::<Vec<_>>()).iter().copied());
        if lines.iter().all(|line| line.trim().is_empty()) {
            *lines = replace.into_iter().map(str::to_owned).collect();
            return Ok(());
        }
        return if same { Ok(()) } else { Err(Vec::new()) };
    }
    match place(hunk, &search, &replace, lines, moved) {
        Err(places) if places.is_empty() && core(&search).len() < search.len() => {
            // Blank lines at its ends may be the format's, not the file's.
            let (search, replace) = (core(&search).to_vec(), core(&replace).to_vec());
            place(hunk, &search, &replace, lines, moved)
        }
        other => other,
    }
}

fn place(
    hunk: &Hunk,
    search: &[&str],
    replace: &[&str],
    lines: &mut Vec<String>,
    moved: isize,
) -> Result<(), Vec<usize>> {
    for level in LEVELS {
        let found = matches(lines, search, level);
        if found.is_empty() {
            continue;
        }
        // Where the new text contains the old, a place that has the new text already isn't one to change.
        let grows = replace.len() > search.len();
        let done = if grows { matches(lines, replace, level) } else { Vec::new() };
        let open: Vec<usize> = found
            .into_iter()
            .filter(|at| !done.iter().any(|done| *done <= *at && at + search.len() <= done + replace.len()))
            .collect();
        let at = match open.as_slice() {
            [] => return Ok(()),
            [at] => *at,
            _ => chosen(hunk, lines, &open, moved).ok_or_else(|| open.iter().map(|at| at + 1).collect::<Vec<_>>())?,
        };
        let old: Vec<String> = lines.iter().skip(at).take(search.len()).cloned().collect();
        let new = fitted(replace, search, &old, level);
        lines.splice(at..at + search.len(), new);
        return Ok(());
    }
    // Applied before: the new text stands there, once.
    let telling = replace.iter().any(|line| line.chars().filter(|c| c.is_alphanumeric()).count() > 3);
    let done = |level| matches(lines, replace, level).len() == 1;
    if telling && (done(Level::Exact) || done(Level::Trailing)) { Ok(()) } else { Err(Vec::new()) }
}

/// The one of several equal places that the hunk itself tells.
fn chosen(hunk: &Hunk, lines: &[String], open: &[usize], moved: isize) -> Option<usize> {
    if let Some(anchor) = &hunk.anchor {
        let anchors: Vec<usize> =
            lines.iter().enumerate().filter(|(_, line)| line.trim() == anchor.trim()).map(|(at, _)| at).collect();
        if let [above] = anchors.as_slice() {
            return open.iter().copied().find(|at| at > above);
        }
    }
    let line = isize::try_from(hunk.line?).ok()? - 1 + moved;
    open.iter().copied().find(|at| isize::try_from(*at).is_ok_and(|at| at == line))
}

/// Where lines stand in a text.
fn matches(lines: &[String], wanted: &[&str], level: Level) -> Vec<usize> {
    if wanted.is_empty() || wanted.len() > lines.len() {
        return Vec::new();
    }
    let mut found: Vec<usize> = Vec::new();
    for at in 0..=lines.len() - wanted.len() {
        let window = lines.get(at..at + wanted.len()).unwrap_or(&[]);
        let same = |equal: fn(&str, &str) -> bool| window.iter().zip(wanted).all(|(line, wanted)| equal(line, wanted));
        let fits = match level {
            Level::Exact => same(|line, wanted| line == wanted),
            Level::Trailing => same(|line, wanted| line.trim_end() == wanted.trim_end()),
            Level::Indent => same(|line, wanted| line.trim() == wanted.trim()) && shift(window, wanted).is_some(),
            Level::BothEnds => same(|line, wanted| line.trim() == wanted.trim()),
        };
        // Places that overlap are one text's, as with blank lines.
        if fits {
            found.push(at);
        }
    }
    found
}

fn indent(line: &str) -> &str {
    &line[..line.len() - line.trim_start().len()]
}

/// How a text is indented against what was searched.
#[derive(Clone, PartialEq, Eq)]
enum Shift {
    More(String),
    Less(String),
}

/// The one shift by which all lines differ, if there is one.
fn shift(window: &[String], wanted: &[&str]) -> Option<Shift> {
    let mut all: Option<Shift> = None;
    for (line, wanted) in window.iter().zip(wanted).filter(|(_, wanted)| !wanted.trim().is_empty()) {
        let (there, here) = (indent(line), indent(wanted));
        let this = match (there.strip_suffix(here), here.strip_suffix(there)) {
            (Some(more), _) => Shift::More(more.to_owned()),
            (None, Some(less)) => Shift::Less(less.to_owned()),
            (None, None) => return None,
        };
        match &all {
            None => all = Some(this),
            Some(known) if *known == this => {}
            Some(_) => return None,
        }
    }
    all
}

/// The new lines in the form of those that they replace.
fn fitted(replace: &[&str], search: &[&str], old: &[String], level: Level) -> Vec<String> {
    let shifted = if level == Level::Indent { shift(old, search) } else { None };
    let known: Vec<(&str, &str)> = search
        .iter()
        .zip(old)
        .filter(|(line, _)| !line.trim().is_empty())
        .map(|(line, old)| (indent(line), indent(old)))
        .collect();
    let mut from = 0;
    replace
        .iter()
        .map(|line| {
            // A line that stays, stays as it is.
            let stays = search.iter().skip(from).position(|other| other == line).map(|at| at + from);
            if let Some(at) = stays.filter(|_| !line.trim().is_empty() && level != Level::Exact)
                && let Some(old) = old.get(at)
            {
                from = at + 1;
                return old.clone();
            }
            if line.trim().is_empty() {
                return (*line).to_owned();
            }
            match (&shifted, level) {
                (Some(Shift::More(more)), _) => format!("{more}{line}"),
                (Some(Shift::Less(less)), _) => {
                    line.strip_prefix(less.as_str()).unwrap_or(line.trim_start()).to_owned()
                }
                (None, Level::BothEnds) => {
                    // By the deepest indent of the search that it begins with.
                    let own = indent(line);
                    let deepest =
                        known.iter().filter(|(here, _)| own.starts_with(here)).max_by_key(|(here, _)| here.len());
                    match deepest {
                        Some((here, there)) => format!("{there}{}", &line[here.len()..]),
                        None => (*line).to_owned(),
                    }
                }
                (None, _) => (*line).to_owned(),
            }
        })
        .collect()
}

/// How alike two lines are, from 0 to 100: by the words that they share.
fn alike(a: &[&str], b: &[&str]) -> usize {
    let shared = a.iter().filter(|word| b.contains(word)).count();
    if a.is_empty() || b.is_empty() { 0 } else { 200 * shared / (a.len() + b.len()) }
}

fn words(line: &str) -> Vec<&str> {
    line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty()).take(40).collect()
}

/// The lines that are most like what was searched.
fn nearest(hunk: &Hunk, lines: &[String]) -> String {
    const COMPARED: usize = 12;
    let search = rows(&hunk.search);
    let search = core(&search);
    let wanted: Vec<Vec<&str>> = search.iter().take(COMPARED).map(|line| words(line)).collect();
    let there: Vec<Vec<&str>> = lines.iter().map(|line| words(line)).collect();
    let mut best = (0, 0);
    for at in 0..there.len() {
        let score: usize = wanted.iter().zip(there.iter().skip(at)).map(|(a, b)| alike(a, b)).sum();
        if score > best.0 {
            best = (score, at);
        }
    }
    if best.0 == 0 {
        return String::new();
    }
    let mut out = String::new();
    let until = best.1 + search.len().min(NEAREST.0) + 2;
    for (at, line) in lines.iter().enumerate().take(until).skip(best.1.saturating_sub(2)) {
        let row = format!("{}: {line}\n", at + 1);
        if out.len() + row.len() > NEAREST.1 {
            break;
        }
        out.push_str(&row);
    }
    out
}
