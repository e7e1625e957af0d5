//! Checkers of Python: mypy, ruff (and flake8, pylint, which print alike), pyright.

use proto::diagnostic::{Diagnostic, Related, Severity};

use super::IS_THERE;
use super::log::{Log, Out, error};
use super::pattern::{Pattern, group, number};
use super::python;

static MYPY: Pattern = Pattern::with(
    &[": error: ", ": warning: ", ": note: "],
    r"^(\S[^:]*\.pyi?):(\d+)(?::(\d+))?(?::\d+:\d+)?: (error|warning|note): (.+)$",
);
static MYPY_CODE: Pattern = Pattern::with(&["  ["], r"^(.*?)  \[([\w-]+)\]$");
static RUFF: Pattern = Pattern::with(
    &[".py:", ".pyi:", ".ipynb:"],
    r"^(\S[^:]*\.(?:pyi?|ipynb)):(\d+):(\d+): ([A-Z]{1,6}\d{2,5}|invalid-syntax|SyntaxError)\b:?(?: \[\*\])? (.+)$",
);
static RUFF_HEADER: Pattern = Pattern::new(r"^([A-Z]{1,6}\d{2,5}|invalid-syntax|SyntaxError)\b:?(?: \[\*\])? (.+)$");
static ARROW: Pattern = Pattern::with(&["--> "], r"^\s*--> (\S.*?):(\d+):(\d+)$");
static PYRIGHT: Pattern = Pattern::with(
    &[" - error", " - warning", " - information"],
    r"^\s+(\S.*\.pyi?):(\d+):(\d+) - (error|warning|information)\b[^:]*: (.+)$",
);
static RULE: Pattern = Pattern::with(&["(report"], r"^((?s:.*)) \((report\w+)\)$");
static MODULE: Pattern = Pattern::with(&["odule ", "Import "], r#"(?:[Mm]odule(?: named)?|Import) "([\w.]+)""#);

pub(super) fn take(log: &Log<'_>, at: usize, out: &mut Out) -> Option<usize> {
    let text = log.text(at);
    if let Some(found) = MYPY.captures(text) {
        let file = log.find(group(&found, 1), at)?;
        return Some(mypy(log, at, file, &found, out));
    }
    if let Some(found) = RUFF.captures(text) {
        let file = log.find(group(&found, 1), at)?;
        let place = (file, number(&found, 2), number(&found, 3));
        out.push(finding(log, at, ruff_tool(log), place, group(&found, 4), group(&found, 5)));
        return Some(at + 1);
    }
    if let Some(arrow) = ARROW.captures(log.text(at + 1))
        && let Some(found) = RUFF_HEADER.captures(text)
    {
        let file = log.find(group(&arrow, 1), at + 1)?;
        let place = (file, number(&arrow, 2), number(&arrow, 3));
        out.push(finding(log, at, ruff_tool(log), place, group(&found, 1), group(&found, 2)));
        return Some(log.until(at + 2, 60, str::is_empty));
    }
    let found = PYRIGHT.captures(text)?;
    let file = log.find(group(&found, 1), at)?;
    // It indents with spaces that don't break.
    let end = log.until(at + 1, 30, |text| text.chars().take(4).filter(|c| c.is_whitespace()).count() < 4);
    let mut message = group(&found, 5).to_owned();
    for index in at + 1..end {
        message.push_str(&format!("\n{}", log.text(index).trim()));
    }
    let (message, rule) = match RULE.captures(&message) {
        Some(ruled) => (group(&ruled, 1).to_owned(), group(&ruled, 2).to_owned()),
        None => (message.clone(), String::new()),
    };
    // What its parser says has no rule.
    let is_error = group(&found, 4) == "error";
    let code = if rule.is_empty() && is_error { "SyntaxError" } else { &rule };
    let mut diagnostic = finding(log, at, "pyright", (file, number(&found, 2), number(&found, 3)), code, &message);
    diagnostic.severity = match group(&found, 4) {
        "error" => Severity::Error,
        "warning" => Severity::Warning,
        _ => Severity::Note,
    };
    out.push(diagnostic);
    Some(end)
}

/// The rule's letters are shared by several tools; whoever ran it knows best.
fn ruff_tool<'a>(log: &Log<'a>) -> &'a str {
    if matches!(log.tool, "flake8" | "pylint" | "pycodestyle" | "pyflakes") { log.tool } else { "ruff" }
}

type Place = (String, Option<u32>, Option<u32>);

fn finding(log: &Log<'_>, at: usize, tool: &str, place: Place, code: &str, message: &str) -> Diagnostic {
    let mut diagnostic = error(tool, message);
    (diagnostic.line, diagnostic.column) = (place.1, place.2);
    // A file that can't be parsed is the same to each of them.
    let code = if matches!(code, "syntax" | "invalid-syntax" | "E999") { "SyntaxError" } else { code };
    diagnostic.code = Some(code).filter(|code| !code.is_empty()).map(str::to_owned);
    if let Some(module) = MODULE.captures(message)
        && let Some(file) = python::module_file(log, at, group(&module, 1))
        && file != place.0
    {
        let note = if message.contains("no attribute") { "the module that is imported" } else { IS_THERE };
        diagnostic.related.push(Related { file, line: None, message: note.to_owned() });
    }
    diagnostic.file = Some(place.0);
    diagnostic
}

fn mypy(log: &Log<'_>, at: usize, file: String, found: &regex::Captures<'_>, out: &mut Out) -> usize {
    let mut message = group(found, 5).to_owned();
    let mut end = at + 1;
    // The pretty form wraps what is long, up to the code, and shows the line below it, indented.
    if MYPY_CODE.captures(&message).is_none() {
        let is_more = |text: &str| !text.is_empty() && !text.starts_with(' ') && !MYPY.matches(text);
        let last = log.until(end, 6, |text| !is_more(text) || MYPY_CODE.matches(text));
        if MYPY_CODE.matches(log.text(last)) && is_more(log.text(last)) {
            for index in end..=last {
                message.push_str(&format!(" {}", log.text(index)));
            }
            end = last + 1;
        }
    }
    if log.text(end).starts_with("    ") {
        end = log.until(end, 2, |text| !text.starts_with("    "));
    }
    let line = number(found, 2);
    if group(found, 4) == "note" {
        // Only what helps to understand the error above it.
        if let Some(last) = out.found.last_mut()
            && (last.file.as_ref(), last.line) == (Some(&file), line)
            && !message.contains("://")
        {
            last.message.push_str(&format!("\nnote: {message}"));
        }
        return end;
    }
    let (message, code) = match MYPY_CODE.captures(&message) {
        Some(coded) => (group(&coded, 1).to_owned(), group(&coded, 2).to_owned()),
        None => (message.clone(), String::new()),
    };
    let mut diagnostic = finding(log, at, "mypy", (file, line, number(found, 3)), &code, &message);
    if group(found, 4) == "warning" {
        diagnostic.severity = Severity::Warning;
    }
    out.push(diagnostic);
    end
}
