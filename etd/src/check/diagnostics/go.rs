//! Go: build, vet, test and module errors.

use proto::diagnostic::{Diagnostic, Related};

use super::log::{Log, Out, error, place, test_message};
use super::pattern::{Pattern, group, number};
use super::{IS_THERE, go_vet};

static PACKAGE: Pattern = Pattern::with(&["# "], r"^# \[?[\w.~/-]+\]?(?: \[[\w.~/-]+\])?$");
static PLACED: Pattern = Pattern::with(
    &[".go:", "go.mod:", "go.work:", "go.sum:"],
    r"^(?:vet: )?(\S[^:]*\.go|(?:\S*/)?go\.(?:mod|work|sum)):(\d+)(?::(\d+))?: (.+)$",
);
static WANTED: Pattern =
    Pattern::with(&["package "], r"(?:no required module provides package|^package) ([^\s;:]+)(?: is not in std)?");
static CONTINUED: Pattern = Pattern::with(&[".go:"], r"^\s+(\S[^:]*\.go):(\d+)(?::(\d+))?: (.+)$");
static FOUND_PACKAGES: Pattern =
    Pattern::with(&["found packages"], r"found packages (\w+) \(([^)]+)\) and (\w+) \(([^)]+)\) in (\S+)");
static CYCLE: Pattern =
    Pattern::with(&["imports "], r"^\s+imports (\S+?)(?: from (\S+?))?(: import cycle not allowed.*)?$");
static TEST: Pattern = Pattern::with(&["--- "], r"^(\s*)--- (FAIL|PASS|SKIP): (\S+)");
static TEST_LINE: Pattern = Pattern::with(&[".go:"], r"^\s+(\S[^:]*\.go):(\d+): ?(.*)$");
static RUN: Pattern = Pattern::with(&["=== "], r"^=== (?:RUN|PAUSE|CONT|NAME)\s+(\S+)$");
static FRAME: Pattern = Pattern::with(&[".go:"], r"^\t(\S.*\.go):(\d+)(?: \+0x[0-9a-f]+)?$");
static PACKAGE_RESULT: Pattern = Pattern::with(&["\t"], r"^(ok  |FAIL|---|\?   )\t(\S+)(?:\t|\s+\[)");
static PROGRESS: Pattern = Pattern::with(
    &["go: "],
    r"^go: (?:downloading|finding|added|upgraded|downgraded|creating|to add|warning|extracting|found)\b",
);

pub(super) fn take(log: &Log<'_>, at: usize, out: &mut Out) -> Option<usize> {
    let text = log.text(at);
    if PACKAGE.matches(text)
        || text == "FAIL"
        || text == "PASS"
        || text == "go: errors parsing go.mod:"
        || PROGRESS.matches(text)
    {
        return Some(at + 1);
    }
    if let Some(found) = PACKAGE_RESULT.captures(text) {
        out.go.1 += u32::from(group(&found, 1).starts_with("ok"));
        return Some(at + 1);
    }
    if let Some(found) = RUN.captures(text) {
        // With -v a test's lines come before its verdict, which looks back for them.
        let _ = found;
        return Some(log.until(at + 1, 500, |text| !TEST_LINE.matches(text) && !text.starts_with("        ")));
    }
    if TEST.matches(text) {
        return Some(test(log, at, out));
    }
    if text == "{" {
        return go_vet::vet(log, at, out);
    }
    if text.starts_with("panic: ") || text.starts_with("fatal error: ") {
        return panic(log, at, "", "", out);
    }
    if let Some(next) = found_packages(log, at, out) {
        return Some(next);
    }
    if let Some(found) = PLACED.captures(text) {
        let message = group(&found, 4);
        // A C compiler may complain about cgo; a traceback in Go has another form.
        let file = log.find(group(&found, 1), at)?;
        return Some(placed(log, at, file, number(&found, 2), number(&found, 3), message, out));
    }
    if text.starts_with("package ") && CYCLE.matches(log.text(at + 1)) {
        return Some(cycle(log, at, out));
    }
    if text.starts_with("go: ") || text.starts_with("pattern ") || text.starts_with("no Go files in") {
        let mut diagnostic = error("go", text.strip_prefix("go: ").unwrap_or(text));
        let end = log.until(at + 1, 20, |text| !text.starts_with('\t'));
        for index in at + 1..end {
            diagnostic.message.push_str(&format!("\n{}", log.text(index).trim()));
        }
        diagnostic.file = log.find("go.mod", at);
        if diagnostic.file.is_none() && text.contains("main module") {
            diagnostic.message.push_str("\ngo.mod is missing");
        }
        out.push(diagnostic);
        return Some(end);
    }
    None
}

fn placed(
    log: &Log<'_>,
    at: usize,
    file: String,
    line: Option<u32>,
    column: Option<u32>,
    message: &str,
    out: &mut Out,
) -> usize {
    let end = log.until(at + 1, 40, |text| !text.starts_with('\t'));
    if message == "too many errors" {
        return end;
    }
    let mut diagnostic = error("go", message.strip_suffix("; to add it:").unwrap_or(message));
    let mut related = Vec::new();
    for index in at + 1..end {
        let text = log.text(index);
        if let Some(other) = CONTINUED.captures(text) {
            related.extend(log.related(group(&other, 1), index, number(&other, 2), group(&other, 4)));
        } else if !text.trim().starts_with("go get ") {
            diagnostic.message.push_str(&format!("\n{}", text.trim()));
        }
    }
    if message.contains("no required module provides") || message.contains("missing go.sum entry") {
        related.extend(log.related("go.mod", at, None, "the module's manifest"));
    }
    if let Some(dir) = WANTED.captures(message).and_then(|found| log.paths.package_dir(group(&found, 1))) {
        related.extend(log.paths.first_in(&dir, ".go").map(|file| Related {
            file,
            line: None,
            message: IS_THERE.to_owned(),
        }));
    }
    (diagnostic.file, diagnostic.line, diagnostic.column) = (Some(file), line, column);
    place(&mut diagnostic, related);
    out.push(diagnostic);
    end
}

/// Two packages in one dir: the file to blame is the one whose package isn't named as the dir is.
fn found_packages(log: &Log<'_>, at: usize, out: &mut Out) -> Option<usize> {
    let text = log.text(at);
    let found = FOUND_PACKAGES.captures(text)?;
    let dir = group(&found, 5);
    let name = dir.rsplit('/').next().unwrap_or(dir);
    let file = |index: usize| {
        log.find(&format!("{dir}/{}", group(&found, index)), at).or_else(|| log.find(group(&found, index), at))
    };
    let (first, second) = (file(2), file(4));
    let first_is_odd = group(&found, 3) == name || (group(&found, 3) == "main" && group(&found, 1) != name);
    let (odd, other) = if first_is_odd { (first, second) } else { (second, first) };
    let message = text.find("found packages").and_then(|start| text.get(start..)).unwrap_or(text);
    let mut diagnostic = error("go", message);
    diagnostic.file = odd;
    diagnostic.line = Some(1).filter(|_| diagnostic.file.is_some());
    let mut related: Vec<Related> = other
        .into_iter()
        .map(|file| Related { file, line: Some(1), message: "is of another package".to_owned() })
        .collect();
    if let Some(importer) = PLACED.captures(text) {
        related.extend(log.related(group(&importer, 1), at, number(&importer, 2), "imports it"));
    }
    place(&mut diagnostic, related);
    out.push(diagnostic);
    Some(at + 1)
}

fn cycle(log: &Log<'_>, at: usize, out: &mut Out) -> usize {
    let mut package = log.text(at).trim_start_matches("package ").to_owned();
    let end = log.until(at + 1, 60, |text| !CYCLE.matches(text));
    let mut message = log.text(at).to_owned();
    let mut files = Vec::new();
    for index in at + 1..end {
        message.push_str(&format!("\n{}", log.text(index).trim()));
        if let Some(found) = CYCLE.captures(log.text(index)) {
            let dir = log.paths.package_dir(&package).unwrap_or_default();
            let printed = group(&found, 2);
            let path = if dir.is_empty() { printed.to_owned() } else { format!("{dir}/{printed}") };
            if let Some(file) = log.paths.exact(&path).or_else(|| log.find(printed, index)) {
                files.push(Related { file, line: None, message: format!("imports {}", group(&found, 1)) });
            }
            package = group(&found, 1).to_owned();
        }
    }
    let mut diagnostic = error("go", format!("import cycle not allowed\n{message}"));
    // The import that closes the circle comes last.
    files.reverse();
    place(&mut diagnostic, files);
    out.push(diagnostic);
    end
}

/// The dir of the package whose test prints line `at`: it is named behind them.
fn test_dir(log: &Log<'_>, at: usize) -> String {
    let verdict = log.until(at, 3000, |text| PACKAGE_RESULT.matches(text));
    PACKAGE_RESULT
        .captures(log.text(verdict))
        .and_then(|found| log.paths.package_dir(group(&found, 2)))
        .unwrap_or_default()
}

fn test_file(log: &Log<'_>, at: usize, dir: &str, printed: &str) -> Option<String> {
    let inside = if dir.is_empty() { printed.to_owned() } else { format!("{dir}/{printed}") };
    log.paths.exact(&inside).or_else(|| log.find(printed, at))
}

fn test(log: &Log<'_>, at: usize, out: &mut Out) -> usize {
    let Some(found) = TEST.captures(log.text(at)) else { return at + 1 };
    let (indent, verdict, name) = (group(&found, 1).len(), group(&found, 2), group(&found, 3));
    let inner =
        |text: &str| text.starts_with(' ') && text.len() - text.trim_start().len() > indent && !TEST.matches(text);
    let end = log.until(at + 1, 300, |text| !inner(text));
    if verdict != "FAIL" {
        out.go.0 += u32::from(verdict == "PASS");
        return end;
    }
    let child = TEST.captures(log.text(end)).is_some_and(|next| group(&next, 1).len() > indent);
    let (mut from, mut to) = (at + 1, end);
    if from == to {
        // With -v the lines stand behind `=== RUN name`, before the verdict.
        let named = (0..at)
            .rev()
            .take(3000)
            .find(|&index| RUN.captures(log.text(index)).is_some_and(|run| group(&run, 1) == name));
        if let Some(index) = named {
            from = index + 1;
            to = log.until(from, 300, |text| !text.starts_with("    ") || TEST.matches(text));
        }
    }
    if log.text(end).starts_with("panic: ")
        && let Some(next) = panic(log, end, name, &test_dir(log, at), out)
    {
        return next;
    }
    if from == to && child {
        return end;
    }
    let dir = test_dir(log, at);
    let mut frames = Vec::new();
    let mut said = Vec::new();
    for index in from..to {
        let text = log.text(index);
        match TEST_LINE.captures(text) {
            Some(line) => {
                let what = group(&line, 3);
                if let Some(file) = test_file(log, index, &dir, group(&line, 1)) {
                    frames.push(Related { file, line: number(&line, 2), message: what.to_owned() });
                }
                said.push(what);
            }
            None => said.push(text.trim()),
        }
    }
    said.truncate(30);
    let mut diagnostic = error("go", test_message(name, &said.join("\n")));
    place(&mut diagnostic, frames);
    out.count(0, 1);
    out.push(diagnostic);
    end
}

/// A panic: its first frame in the tree.
fn panic(log: &Log<'_>, at: usize, test: &str, dir: &str, out: &mut Out) -> Option<usize> {
    let start = log.until(at + 1, 12, |text| text.starts_with("goroutine "));
    if !log.text(start).starts_with("goroutine ") {
        return None;
    }
    let end = log
        .until(start, 2000, |text| PACKAGE_RESULT.matches(text) || text.starts_with("exit status") || text == "FAIL");
    let mut frames = Vec::new();
    for index in start..end {
        if let Some(frame) = FRAME.captures(log.text(index))
            && let Some(file) = test_file(log, index, dir, group(&frame, 1))
        {
            frames.push(Related { file, line: number(&frame, 2), message: "called from here".to_owned() });
        }
    }
    let said = log.text(at).replace(" [recovered, repanicked]", "").replace(" [recovered]", "");
    let mut diagnostic: Diagnostic = error("go", if test.is_empty() { said } else { test_message(test, &said) });
    if !test.is_empty() {
        out.count(0, 1);
    }
    place(&mut diagnostic, frames);
    out.push(diagnostic);
    Some(end)
}
