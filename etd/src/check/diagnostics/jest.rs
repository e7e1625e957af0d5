//! jest and vitest: failing tests, suites that can't be loaded, and their counts.

use proto::diagnostic::{Diagnostic, Related};

use super::log::{Log, Out, error, place, test_message};
use super::node;
use super::pattern::{Pattern, group, number};

static BULLET: Pattern = Pattern::with(&["● "], r"^\s{0,4}● (.+)$");
static SUITE: Pattern =
    Pattern::with(&["FAIL"], r"^ ?FAIL {1,2}(?:\|[^|]+\| )?(\S[^>\[(]*?\.\w+)(?: > (.+)| \[ .* \]| \(.*\))?$");
static COUNTS: Pattern = Pattern::with(&["Tests"], r"^\s*Tests:?\s+(\d.*(?:\d total|\(\d+\)))$");
static COUNT: Pattern = Pattern::with(&["passed", "failed"], r"(\d+) (passed|failed)");
static ENDS: Pattern = Pattern::with(
    &["FAIL", "PASS", "Test", "⎯", "Snapshots"],
    r"^(?:\s*(?:FAIL|PASS) |\s*Test(?:s|\s?Suites|\s?Files):? |Snapshots: |⎯{4})",
);
static CODE: Pattern = Pattern::with(&["|"], r"^\s*(?:> ?)?\s*\d*\s*\|");
static FRAME: Pattern = Pattern::with(&["at ", "❯ "], r"^\s*(?:at|❯) (?:.*[ (])?([^\s()]+?):(\d+):(\d+)\)?$");
static PARSED: Pattern = Pattern::with(&["SyntaxError: "], r"^\s*SyntaxError: (\S+?): (.+) \((\d+):(\d+)\)$");
static AT_FILE: Pattern = Pattern::with(&["ile: "], r"^\s*(?:At file|File): (\S+?):(\d+):(\d+)$");
static TRANSFORM: Pattern = Pattern::with(&[": ERROR: "], r"^\s*(\S+?):(\d+):(\d+): ERROR: (.+)$");

pub(super) fn take(log: &Log<'_>, at: usize, out: &mut Out) -> Option<usize> {
    let text = log.text(at);
    if let Some(found) = COUNTS.captures(text) {
        let (mut passed, mut failed) = (0u32, 0u32);
        for count in COUNT.all(group(&found, 1)) {
            let value = number(&count, 1).unwrap_or(0);
            if group(&count, 2) == "passed" { passed = value } else { failed = value }
        }
        out.count(passed, failed);
        return Some(at + 1);
    }
    if let Some(found) = BULLET.captures(text) {
        return jest(log, at, group(&found, 1), out);
    }
    if let Some(found) = SUITE.captures(text) {
        return vitest(log, at, group(&found, 1), out);
    }
    None
}

/// `● suite › test` and what follows, indented.
fn jest(log: &Log<'_>, at: usize, title: &str, out: &mut Out) -> Option<usize> {
    let end = log.until(at + 1, 400, |text| BULLET.matches(text) || ENDS.matches(text));
    if title == "Console" {
        return Some(at + 1);
    }
    let block = Block::read(log, at + 1, end);
    let suite = out.suite.clone().map(|file| Related { file, line: None, message: String::new() });
    // A bullet in other tools' output has neither.
    if suite.is_none() && block.frames.is_empty() && block.parsed.is_none() {
        return None;
    }
    let name = (title != "Test suite failed to run").then_some(title);
    out.push(block.diagnostic(log, at, "jest", name, suite));
    Some(end)
}

/// ` FAIL  file > suite > test`, its error, frames and code. Tests that fail the same way share one block.
fn vitest(log: &Log<'_>, at: usize, file: &str, out: &mut Out) -> Option<usize> {
    let start = log.until(at, 200, |text| !SUITE.matches(text));
    // jest has such a line above its bullets.
    out.suite = log.find(file, at);
    if log.text(start).is_empty() || BULLET.matches(log.text(start)) {
        return Some(at + 1);
    }
    let end = log.until(start, 400, |text| ENDS.matches(text));
    for index in at..start {
        let Some(found) = SUITE.captures(log.text(index)) else { continue };
        let suite = log.related(group(&found, 1), index, None, "");
        let name = found.get(2).map(|name| name.as_str().rsplit(" > ").next().unwrap_or_default());
        let block = Block::read(log, start, end);
        if suite.is_none() && block.frames.is_empty() && block.parsed.is_none() {
            return out.suite.as_ref().map(|_| end);
        }
        out.push(block.diagnostic(log, index, "vitest", name, suite));
    }
    Some(end)
}

/// What stands below the name of a failure.
struct Block {
    said: Vec<String>,
    frames: Vec<Related>,
    /// Where a file can't be parsed, and why.
    parsed: Option<(Related, Option<u32>, String)>,
}

impl Block {
    fn read(log: &Log<'_>, from: usize, end: usize) -> Self {
        let mut block = Self { said: Vec::new(), frames: Vec::new(), parsed: None };
        for index in from..end {
            let text = log.text(index);
            let at_file = |file: &str, line| {
                log.related(file, index, line, "")
                    .or_else(|| log.related(file.trim_start_matches('/'), index, line, ""))
            };
            if let Some(found) = PARSED.captures(text) {
                let place = at_file(group(&found, 1), number(&found, 3));
                block.parsed = place.map(|place| (place, number(&found, 4), group(&found, 2).to_owned()));
            } else if let Some(found) = AT_FILE.captures(text).or_else(|| TRANSFORM.captures(text)) {
                let why = found.get(4).map_or_else(
                    || block.said.get(1).cloned().unwrap_or_else(|| "it can't be parsed".to_owned()),
                    |why| why.as_str().to_owned(),
                );
                let place = at_file(group(&found, 1), number(&found, 2));
                block.parsed = block.parsed.take().or_else(|| place.map(|place| (place, number(&found, 3), why)));
            } else if let Some(found) = FRAME.captures(text) {
                if !group(&found, 1).contains("node_modules/") {
                    block.frames.extend(log.related(group(&found, 1), index, number(&found, 2), "called from here"));
                }
            } else if !CODE.matches(text) && block.frames.is_empty() && !text.trim().is_empty() && block.said.len() < 30
            {
                block.said.push(text.trim().to_owned());
            }
        }
        block
    }

    fn diagnostic(
        self,
        log: &Log<'_>,
        at: usize,
        tool: &str,
        test: Option<&str>,
        suite: Option<Related>,
    ) -> Diagnostic {
        if let Some((place, column, why)) = self.parsed {
            let mut diagnostic = error(tool, format!("SyntaxError: {why}"));
            diagnostic.code = Some("SyntaxError".to_owned());
            (diagnostic.file, diagnostic.line, diagnostic.column) = (Some(place.file), place.line, column);
            return diagnostic;
        }
        let said = self.said.join("\n");
        let mut diagnostic = error(tool, test.map_or_else(|| said.clone(), |name| test_message(name, &said)));
        place(&mut diagnostic, self.frames);
        // The suite's own file helps only where no frame is known.
        if diagnostic.file.is_none() {
            place(&mut diagnostic, suite.into_iter().collect());
        }
        node::module_places(log, at, &mut diagnostic);
        diagnostic
    }
}
