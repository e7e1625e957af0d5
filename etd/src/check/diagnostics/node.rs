//! Node: syntax errors, stacks, missing modules, its test runner (TAP and spec), and npm.

use proto::diagnostic::{Diagnostic, Related};

use super::log::{Log, Out, error, place, test_message};
use super::pattern::{Pattern, group, number};

static HEADER: Pattern = Pattern::new(r"^(?:Uncaught )?((?:file://)?/\S.*|node:\S+|\S+\.[cm]?[jt]sx?):(\d+)$");
static ERROR: Pattern =
    Pattern::with(&["Error"], r"^\s*(?:Uncaught )?((?:\w+Error|Error|AggregateError)(?: \[\w+\])?): (.*)$");
static FRAME: Pattern = Pattern::with(&["at "], r"^\s+at (?:.*\()?((?:file://)?[^()\s]+?):(\d+):(\d+)\)?(?: \{)?$");
static BARE_FRAME: Pattern = Pattern::with(&[":"], r"^\s+(?:.*\()?((?:file://)?[^()\s]+?):(\d+):(\d+)\)?$");
static REQUIRE: Pattern = Pattern::with(&["- "], r"^- (\S.*)$");
static IMPORTED: Pattern = Pattern::with(&["imported from"], r"imported from (\S+?)(?:$|[\s'])");
static MODULE: Pattern = Pattern::with(&["module '"], r"(?:requested module|Cannot find module) '(\.[^']*)'");
static NOT_OK: Pattern = Pattern::with(&["not ok "], r"^(\s*)not ok \d+ (?:- )?(.*)$");
static FIELD: Pattern = Pattern::with(&[": "], r#"^\s*(error|location|failureType|name): (.*)$"#);
static CROSS: Pattern = Pattern::with(&["✖"], r"^(\s*)✖ (.+?)(?: \(\d[\d.]*ms\))?$");
static COUNT: Pattern = Pattern::with(&[" pass ", " fail "], r"^(?:#|ℹ) (pass|fail) (\d+)$");
static NPM: Pattern = Pattern::with(&["npm "], r"^npm (?:error|ERR!)(?: (.*))?$");

pub(super) fn take(log: &Log<'_>, at: usize, out: &mut Out) -> Option<usize> {
    let text = log.text(at);
    if let Some(found) = COUNT.captures(text) {
        let count = number(&found, 2).unwrap_or(0);
        if group(&found, 1) == "pass" {
            out.count(count, 0)
        } else {
            out.count(0, count)
        }
        return Some(at + 1);
    }
    if NOT_OK.matches(text) {
        return Some(tap(log, at, out));
    }
    if CROSS.matches(text) {
        return Some(spec(log, at, out));
    }
    if NPM.matches(text) {
        return Some(npm(log, at, out));
    }
    if text.ends_with(|c: char| c.is_ascii_digit())
        && let Some(found) = HEADER.captures(text)
    {
        let start = log.until(at + 1, 12, |text| ERROR.matches(text));
        if ERROR.matches(log.text(start)) {
            let file = log.find(group(&found, 1), at);
            return Some(thrown(log, start, file.map(|file| (file, number(&found, 2))), out));
        }
        return None;
    }
    if ERROR.matches(text) {
        let next = log.until(at + 1, 12, |text| FRAME.matches(text) || text == "Require stack:");
        let next = log.text(next);
        if FRAME.matches(next) || next == "Require stack:" {
            return Some(thrown(log, at, None, out));
        }
    }
    None
}

/// An error with its stack. `header` is the place that node prints above it.
fn thrown(log: &Log<'_>, at: usize, header: Option<(String, Option<u32>)>, out: &mut Out) -> usize {
    let Some(found) = ERROR.captures(log.text(at)) else { return at + 1 };
    let (kind, mut message) = (group(&found, 1), group(&found, 2).to_owned());
    let stack = log.until(at + 1, 40, |text| text.is_empty() || FRAME.matches(text) || text == "Require stack:");
    for index in at + 1..stack {
        message.push_str(&format!("\n{}", log.text(index).trim_end()));
    }
    let mut diagnostic = error("node", format!("{kind}: {message}"));
    let over = |text: &str| text.is_empty() || text.starts_with("Node.js v") || text.starts_with("# Subtest: ");
    let end = log.until(stack, 200, over);
    let mut frames = Vec::new();
    let syntax = kind.starts_with("SyntaxError");
    for index in stack..end {
        let text = log.text(index);
        if let Some(frame) = FRAME.captures(text) {
            frames.extend(log.related(group(&frame, 1), index, number(&frame, 2), "called from here"));
        } else if let Some(required) = REQUIRE.captures(text) {
            frames.extend(log.related(group(&required, 1), index, None, "requires it"));
        }
    }
    // A stack knows the line that the list of modules doesn't.
    for index in 0..frames.len() {
        let with_line = frames
            .iter()
            .find(|other| other.line.is_some() && Some(&other.file) == frames.get(index).map(|frame| &frame.file));
        let line = with_line.and_then(|other| other.line);
        if let Some(frame) = frames.get_mut(index) {
            frame.line = frame.line.or(line);
        }
    }
    if let Some(importer) = IMPORTED.captures(&diagnostic.message)
        && let Some(place) = log.related(group(&importer, 1), at, None, "imports it")
    {
        frames.insert(0, place);
    }
    if let Some((file, line)) = header
        && (syntax || frames.is_empty())
    {
        (diagnostic.file, diagnostic.line) = (Some(file), line);
    }
    place(&mut diagnostic, frames);
    module_places(log, at, &mut diagnostic);
    out.push(diagnostic);
    end
}

/// The module of the tree that an import means is a place too.
pub(super) fn module_places(log: &Log<'_>, at: usize, diagnostic: &mut Diagnostic) {
    let Some(module) = MODULE.captures(&diagnostic.message) else { return };
    let from = diagnostic
        .file
        .clone()
        .or_else(|| IMPORTED.captures(&diagnostic.message).and_then(|importer| log.find(group(&importer, 1), at)));
    let Some(from) = from else { return };
    if let Some(file) = log.paths.module(group(&module, 1), &from) {
        place(diagnostic, vec![Related { file, line: None, message: "the module that is imported".to_owned() }]);
    }
}

fn tap(log: &Log<'_>, at: usize, out: &mut Out) -> usize {
    let Some(found) = NOT_OK.captures(log.text(at)) else { return at + 1 };
    let name = group(&found, 2);
    if name.contains("# TODO") || name.contains("# SKIP") || log.text(at + 1).trim() != "---" {
        if log.text(at + 1).trim() != "---" && !name.contains("# ") {
            out.push(error("tap", test_message(name, "")));
        }
        return at + 1;
    }
    let end = log.until(at + 2, 400, |text| text.trim() == "...");
    let mut said = Vec::new();
    let mut frames = Vec::new();
    let mut location = None;
    let mut in_error = false;
    let mut children = false;
    for index in at + 2..end {
        let text = log.text(index);
        if let Some(field) = FIELD.captures(text) {
            let value = group(&field, 2).trim_matches(['\'', '"']);
            in_error = group(&field, 1) == "error" && value.starts_with(['|', '>']);
            match group(&field, 1) {
                "error" if !in_error => said.push(value),
                "failureType" => children = value == "subtestsFailed",
                "location" => {
                    let mut parts = value.rsplitn(3, ':');
                    let line = parts.nth(1).and_then(|line| line.parse().ok());
                    location = parts.next().and_then(|file| log.related(file, index, line, "the test"));
                }
                _ => {}
            }
            continue;
        }
        if in_error && text.trim_start().starts_with("code:") {
            in_error = false;
        }
        if in_error {
            said.push(text.trim());
        } else if let Some(frame) = BARE_FRAME.captures(text) {
            frames.extend(log.related(group(&frame, 1), index, number(&frame, 2), "called from here"));
        }
    }
    if !children && !is_echo(log, at, name, &said.join(" "), out) {
        said.retain(|line| !line.is_empty());
        let mut diagnostic = error("node", test_message(name, &said.join("\n")));
        frames.extend(location);
        place(&mut diagnostic, frames);
        out.push(diagnostic);
    }
    end
}

/// Whether a test is a file that couldn't even be run: why was said before.
fn is_echo(log: &Log<'_>, at: usize, name: &str, said: &str, out: &Out) -> bool {
    said.trim_matches('\'') == "test failed"
        && log.find(name, at).is_some_and(|file| {
            let touches = |found: &&Diagnostic| {
                found.file.as_ref() == Some(&file) || found.related.iter().any(|related| related.file == file)
            };
            // What it imports may be what was wrong.
            out.found.iter().any(|found| touches(&found)) || out.found.last().is_some_and(|last| last.tool == "node")
        })
}

fn spec(log: &Log<'_>, at: usize, out: &mut Out) -> usize {
    let Some(found) = CROSS.captures(log.text(at)) else { return at + 1 };
    let (indent, name) = (group(&found, 1).len(), group(&found, 2));
    let inner = |text: &str| text.is_empty() || text.len() - text.trim_start().len() > indent;
    let end = log.until(at + 1, 200, |text| !inner(text) || CROSS.matches(text));
    let mut said = Vec::new();
    let mut frames = Vec::new();
    for index in at + 1..end {
        let text = log.text(index);
        if let Some(frame) = FRAME.captures(text) {
            frames.extend(log.related(group(&frame, 1), index, number(&frame, 2), "called from here"));
        } else if frames.is_empty() && !text.trim().is_empty() && !text.trim_start().starts_with("at ") {
            said.push(text.trim());
        }
    }
    let message = said.join("\n");
    if message.is_empty()
        || message.contains("subtest failed")
        || message.contains("subtests failed")
        || is_echo(log, at, name, &message, out)
    {
        return end;
    }
    let mut diagnostic = error("node", test_message(name, &message));
    place(&mut diagnostic, frames);
    out.push(diagnostic);
    end
}

/// npm's own errors; those of a script that failed are only an echo.
fn npm(log: &Log<'_>, at: usize, out: &mut Out) -> usize {
    let end = log.until(at, 60, |text| !NPM.matches(text));
    let lines: Vec<&str> = (at..end)
        .filter_map(|index| NPM.captures(log.text(index)).map(|found| group(&found, 1)))
        .filter(|text| !text.contains("complete log of this run") && !text.contains("_logs/"))
        .collect();
    let all = lines.join("\n");
    let own = [
        "EJSONPARSE",
        "Missing script",
        "code E404",
        "code ERESOLVE",
        "code ENOENT",
        "code EUSAGE",
        "code ETARGET",
        "code ENOTCACHED",
    ];
    if own.iter().any(|sign| all.contains(sign)) {
        let mut diagnostic = error("npm", all);
        diagnostic.file = log.find("package.json", at);
        out.push(diagnostic);
    }
    end
}
