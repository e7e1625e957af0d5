//! rustc and cargo: JSON messages, text, manifests, and the test runner.

use proto::diagnostic::{Diagnostic, Related, Severity};
use serde::Deserialize;

use super::log::{Log, Out, error, place, test_message};
use super::pattern::{Pattern, group, number};

static HEADER: Pattern = Pattern::with(&["error", "warning"], r"^(error|warning)(?:\[(\w+)\])?: (.+)$");
static ARROW: Pattern = Pattern::with(&["-->", ":::"], r"^\s*(-->|:::) (.+?)(?::(\d+):(\d+))?$");
static LABEL: Pattern = Pattern::with(&["^"], r"^\s*\|.*?\^+ [-\s^]*(.+)$");
static CHILD: Pattern = Pattern::with(&["note: ", "help: "], r"^\s*(?:= )?(note|help): (.+)$");
static TEST_BLOCK: Pattern = Pattern::with(&["stdout ----"], r"^---- (.+?) stdout ----$");
static PANIC: Pattern =
    Pattern::with(&["panicked at "], r"^thread '(.*?)'(?: \(\d+\))? panicked at (.+?):(\d+):(\d+):$");
static OLD_PANIC: Pattern = Pattern::with(&["panicked at "], r"^thread '(.*?)' panicked at '(.*)', (.+?):(\d+):(\d+)$");
static FRAME: Pattern = Pattern::with(&["at "], r"^\s+at (.+?):(\d+)(?::\d+)?$");
static RESULT: Pattern = Pattern::with(&["test result: "], r"^test result: \S+ (\d+) passed; (\d+) failed;");
static QUOTED_PATH: Pattern = Pattern::with(&[".toml`"], r"`([^`]*/[^`]*\.toml)`");
static REQUIRED_BY: Pattern =
    Pattern::with(&["package `"], r"(?:required by package|in the package) `[^`]*\((/[^)`]+)\)");
static MEMBER: Pattern = Pattern::with(&["workspace member `"], r"workspace member `(/[^`]+)`");
static TOLD_AT: Pattern = Pattern::with(&[" at "], r" at (\S+\.rs):(\d+):(\d+)$");
static NOISE: Pattern = Pattern::new(
    r"^(?:aborting due to|could not compile|test failed, to rerun|\d+ target|\d+ warnings? emitted|\d+ positional|process didn't exit|build failed|doctest failed|`.*` \(.*\) generated \d+ warning|unused manifest key|For more information)",
);

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    message: String,
    code: Option<Code>,
    #[serde(default)]
    level: String,
    #[serde(default)]
    spans: Vec<Span>,
    #[serde(default)]
    children: Vec<Message>,
}

#[derive(Deserialize)]
struct Code {
    code: String,
}

#[derive(Deserialize)]
struct Span {
    file_name: String,
    line_start: u32,
    column_start: u32,
    #[serde(default)]
    is_primary: bool,
    label: Option<String>,
    expansion: Option<Box<Expansion>>,
}

#[derive(Deserialize)]
struct Expansion {
    span: Span,
}

pub(super) fn take(log: &Log<'_>, at: usize, out: &mut Out) -> Option<usize> {
    let text = log.text(at);
    if text.starts_with('{') {
        return json(log, at, out);
    }
    if let Some(found) = RESULT.captures(text) {
        out.count(number(&found, 1).unwrap_or(0), number(&found, 2).unwrap_or(0));
        return Some(at + 1);
    }
    if let Some(found) = TEST_BLOCK.captures(text) {
        return Some(test_block(log, at, group(&found, 1), out));
    }
    if PANIC.matches(text) || OLD_PANIC.matches(text) {
        let (next, diagnostic) = panic(log, at, None)?;
        out.push(diagnostic);
        return Some(next);
    }
    header(log, at, out)
}

fn json(log: &Log<'_>, at: usize, out: &mut Out) -> Option<usize> {
    #[derive(Deserialize)]
    struct Wrapper {
        reason: String,
        message: Option<Message>,
    }
    let text = log.lines.get(at)?.text;
    let message = if let Ok(wrapper) = serde_json::from_str::<Wrapper>(text) {
        if wrapper.reason != "compiler-message" {
            return Some(at + 1);
        }
        wrapper.message?
    } else if text.contains("\"$message_type\"") {
        serde_json::from_str::<Message>(text).ok()?
    } else {
        return None;
    };
    if let Some(diagnostic) = from_message(log, at, &message) {
        out.push(diagnostic);
    }
    Some(at + 1)
}

fn from_message(log: &Log<'_>, at: usize, message: &Message) -> Option<Diagnostic> {
    let severity = match message.level.as_str() {
        "warning" => Severity::Warning,
        level if level.starts_with("error") => Severity::Error,
        _ => return None,
    };
    if NOISE.matches(&message.message) {
        return None;
    }
    let mut diagnostic = error("cargo", message.message.as_str());
    diagnostic.severity = severity;
    diagnostic.code = message.code.as_ref().map(|code| code.code.clone());
    let primary = message.spans.iter().find(|span| span.is_primary).or_else(|| message.spans.first());
    if let Some(primary) = primary {
        if let Some((file, line, column)) = outermost(log, at, primary) {
            (diagnostic.file, diagnostic.line, diagnostic.column) = (Some(file), Some(line), Some(column));
        }
        if let Some(label) = primary.label.as_deref().filter(|label| !label.is_empty()) {
            diagnostic.message.push('\n');
            diagnostic.message.push_str(label);
        }
    }
    let mut related = Vec::new();
    for span in &message.spans {
        let label = span.label.clone().unwrap_or_default();
        // Of a macro both ends count: where it is used (the place itself) and where it is written.
        if let Some(file) = log.find(&span.file_name, at) {
            related.push(Related { file, line: Some(span.line_start), message: label });
        }
    }
    for child in &message.children {
        let mut placed = false;
        for span in &child.spans {
            if let Some((file, line, _)) = outermost(log, at, span) {
                placed = true;
                if child.level != "help" || diagnostic.file.as_ref() != Some(&file) {
                    related.push(Related { file, line: Some(line), message: child.message.clone() });
                }
            }
        }
        if !placed && !child.message.starts_with("`#[") && !child.message.contains("RUST_BACKTRACE") {
            diagnostic.message.push_str(&format!("\n{}: {}", child.level, child.message));
        }
    }
    place(&mut diagnostic, related);
    Some(diagnostic)
}

/// Where a span is for whoever wrote the call: the outermost expansion in the tree.
fn outermost(log: &Log<'_>, at: usize, span: &Span) -> Option<(String, u32, u32)> {
    let outer = span.expansion.as_ref().and_then(|expansion| outermost(log, at, &expansion.span));
    outer.or_else(|| Some((log.find(&span.file_name, at)?, span.line_start, span.column_start)))
}

fn header(log: &Log<'_>, at: usize, out: &mut Out) -> Option<usize> {
    let found = HEADER.captures(log.text(at))?;
    let message = group(&found, 3);
    if NOISE.matches(message) {
        return Some(at + 1);
    }
    // `Caused by:` stands behind a blank line and belongs to it.
    let starts = |text: &str| {
        HEADER.matches(text) || text.starts_with("Some errors have") || text.starts_with("For more information")
    };
    let mut end = log.until(at + 1, 200, |text| text.is_empty() || starts(text));
    while log.text(end).is_empty() && log.text(end + 1).starts_with("Caused by:") {
        end = log.until(end + 1, 60, str::is_empty);
    }
    // Why no version fits stands in paragraphs of its own.
    if message.starts_with("failed to select a version") {
        end = log.until(end, 20, |text| HEADER.matches(text));
    }
    if let Some(member) = MEMBER.captures(message)
        && !log.text(end.saturating_sub(1)).starts_with(' ')
    {
        // What is wrong with it was said above.
        let manifest = log.find(&format!("{}/Cargo.toml", group(&member, 1)), at);
        if out.found.last().is_some_and(|last| last.file.is_some() && last.file == manifest) {
            return Some(end);
        }
    }
    let mut diagnostic = error("cargo", message);
    diagnostic.severity = if group(&found, 1) == "error" { Severity::Error } else { Severity::Warning };
    diagnostic.code = found.get(2).map(|code| code.as_str().to_owned());
    let mut arrows = 0;
    let mut note = String::new();
    let mut related = Vec::new();
    for index in at + 1..end {
        let text = log.text(index);
        if let Some(arrow) = ARROW.captures(text) {
            let file = log.find(group(&arrow, 2), index);
            arrows += 1;
            match file {
                Some(file) if diagnostic.file.is_none() => {
                    (diagnostic.file, diagnostic.line, diagnostic.column) =
                        (Some(file), number(&arrow, 3), number(&arrow, 4));
                }
                Some(file) => related.push(Related { file, line: number(&arrow, 3), message: note.clone() }),
                None => {}
            }
        } else if let Some(child) = CHILD.captures(text) {
            note = group(&child, 2).to_owned();
            let follows = ARROW.matches(log.text(index + 1));
            if !follows && !note.starts_with("`#[") {
                diagnostic.message.push_str(&format!("\n{}: {note}", group(&child, 1)));
            }
        } else if arrows == 1 && note.is_empty() {
            if let Some(label) = LABEL.captures(text) {
                diagnostic.message.push_str(&format!("\n{}", group(&label, 1)));
            }
        } else if arrows == 0 && !text.trim().is_empty() {
            diagnostic.message.push_str(&format!("\n{}", text.trim_end()));
        }
    }
    if diagnostic.file.is_none() {
        // Of a manifest only the name may be said.
        let whole = diagnostic.message.clone();
        let member = MEMBER.captures(&whole).and_then(|dir| log.find(&format!("{}/Cargo.toml", group(&dir, 1)), at));
        diagnostic.file =
            member.or_else(|| QUOTED_PATH.captures(&whole).and_then(|path| log.find(group(&path, 1), at))).or_else(
                || REQUIRED_BY.captures(&whole).and_then(|dir| log.find(&format!("{}/Cargo.toml", group(&dir, 1)), at)),
            );
        let rusty = arrows > 0
            || diagnostic.code.is_some()
            || whole.contains("Cargo.toml")
            || whole.contains("crate")
            || whole.contains("package `");
        if !rusty && log.tool != "cargo" && log.tool != "rustc" {
            diagnostic.tool = log.tool.to_owned();
            out.weak(diagnostic);
            return Some(at + 1);
        }
    }
    place(&mut diagnostic, related);
    out.push(diagnostic);
    Some(end)
}

/// One `---- name stdout ----` block.
fn test_block(log: &Log<'_>, at: usize, name: &str, out: &mut Out) -> usize {
    let end = log.until(at + 1, 400, |text| TEST_BLOCK.matches(text) || text == "failures:" || RESULT.matches(text));
    let panicked = (at + 1..end).find(|&index| PANIC.matches(log.text(index)) || OLD_PANIC.matches(log.text(index)));
    if let Some((_, diagnostic)) = panicked.and_then(|index| panic(log, index, Some(name))) {
        out.push(diagnostic);
    } else {
        let lines: Vec<&str> =
            (at + 1..end).map(|index| log.text(index)).filter(|text| !text.is_empty()).take(20).collect();
        let mut diagnostic = error("cargo", test_message(name, &lines.join("\n")));
        let told = lines.iter().find_map(|line| TOLD_AT.captures(line));
        if let Some(told) = told
            && let Some(file) = log.find(group(&told, 1), at)
        {
            (diagnostic.file, diagnostic.line, diagnostic.column) = (Some(file), number(&told, 2), number(&told, 3));
        }
        out.push(diagnostic);
    }
    end
}

/// A panic: where it was raised, what it says, and its frames in the tree.
fn panic(log: &Log<'_>, at: usize, test: Option<&str>) -> Option<(usize, Diagnostic)> {
    let text = log.text(at);
    let ends = |text: &str| {
        text.is_empty()
            || text.starts_with("stack backtrace:")
            || text.starts_with("note: ")
            || text.starts_with("----")
    };
    let (thread, said, file, line, column, mut next) = if let Some(found) = PANIC.captures(text) {
        let end = log.until(at + 1, 40, ends);
        let said = (at + 1..end).map(|index| log.text(index)).collect::<Vec<_>>().join("\n");
        (group(&found, 1), said, group(&found, 2), number(&found, 3), number(&found, 4), end)
    } else {
        let found = OLD_PANIC.captures(text)?;
        (group(&found, 1), group(&found, 2).to_owned(), group(&found, 3), number(&found, 4), number(&found, 5), at + 1)
    };
    let mut frames = Vec::new();
    if log.text(next).starts_with("stack backtrace:") {
        let end = log.until(next + 1, 300, |text| !text.starts_with(' '));
        for index in next + 1..end {
            if let Some(frame) = FRAME.captures(log.text(index)) {
                frames.extend(log.related(group(&frame, 1), index, number(&frame, 2), "called from here"));
            }
        }
        next = end;
    }
    let message = match test {
        Some(name) => test_message(name, &said),
        None if thread.contains("::") => test_message(thread, &said),
        None => format!("thread '{thread}' panicked: {said}"),
    };
    let mut diagnostic = error("cargo", message);
    if let Some(file) = log.find(file, at) {
        (diagnostic.file, diagnostic.line, diagnostic.column) = (Some(file), line, column);
    }
    place(&mut diagnostic, frames);
    Some((next, diagnostic))
}
