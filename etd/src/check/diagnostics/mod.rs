//! From the output of build, test and lint tools to diagnostics. Pure: no I/O, no clock.
//!
//! Readers are chosen by what a line looks like, never by the name of the tool alone, so that a script that calls three tools is
//! read as well. A place counts only if its file is in the tree. A failed command always yields at least one error, and one
//! that succeeded none. Never panics, whatever a tool prints.

mod gcc;
mod generic;
mod go;
mod go_json;
mod go_vet;
mod java;
mod jest;
pub(crate) mod log;
mod make;
mod node;
mod paths;
pub(crate) mod pattern;
mod pycheck;
mod python;
mod rust;
mod tsc;

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::HashMap;

use proto::diagnostic::{Diagnostic, Severity};

pub(crate) use self::go_json::readable;
use self::log::{Log, Out};
pub use self::paths::Paths;

/// Lines of the end of a log that stand for a failure without a place.
const TAIL: usize = 20;

/// What a reader says of a file that a tool can't find although it is in the tree: the import is wrong, not the file.
pub(crate) const IS_THERE: &str = "is in the tree";

/// What a command printed.
#[derive(Clone, Copy, Debug)]
pub struct ToolOutput<'a> {
    /// Name of the tool; only a hint.
    pub tool: &'a str,
    /// Its standard output.
    pub stdout: &'a str,
    /// Its standard error.
    pub stderr: &'a str,
    /// The dir it ran in: absolute, or relative to the work dir (empty: the work dir).
    pub dir: &'a str,
    /// Whether its exit status was 0.
    pub success: bool,
}

/// What an output says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Each finding once, errors first, otherwise in the order of the output.
    pub diagnostics: Vec<Diagnostic>,
    /// Tests that passed, where the output says so. Go counts packages where neither `-v` nor `-json` lists its tests.
    pub tests_passed: Option<u32>,
    /// Tests that failed, where the output says so.
    pub tests_failed: Option<u32>,
}

/// A reader looks at line `at` and says where to go on, or that the line isn't its own.
type Reader = fn(&Log<'_>, usize, &mut Out) -> Option<usize>;

/// In order: the more particular ones first.
const READERS: &[Reader] = &[
    rust::take,
    python::take,
    pycheck::take,
    go::take,
    tsc::take,
    java::take,
    gcc::take,
    make::take,
    jest::take,
    node::take,
    generic::take,
];

/// Reads an output.
#[must_use]
pub fn read(output: &ToolOutput<'_>, paths: &Paths) -> Reading {
    let stdout = log::clean(output.stdout);
    let stderr = log::clean(output.stderr);
    let log = Log::new(output.tool, output.dir, paths, [&stdout, &stderr]);
    let mut out = Out::default();
    let mut at = 0;
    // What is full takes no more: the work stays bounded, whatever is printed.
    while at < log.lines.len() && out.found.len() < log::MAX_FOUND {
        let next = READERS.iter().find_map(|reader| reader(&log, at, &mut out));
        at = next.unwrap_or(at + 1).max(at + 1);
    }
    let (named, packages) = out.go;
    if named + packages > 0 {
        out.count(if named > 0 { named } else { packages }, 0);
    }

    let mut found = out.found;
    let is_error = |diagnostic: &Diagnostic| diagnostic.severity == Severity::Error;
    if !output.success && !found.iter().any(is_error) {
        found.extend(out.weak);
    }
    if output.success {
        for diagnostic in &mut found {
            diagnostic.severity = diagnostic.severity.min(Severity::Warning);
        }
    } else if !found.iter().any(is_error) {
        let mut last = log::error(output.tool, tail(&stdout, &stderr));
        last.related = out.hints;
        found.push(last);
    }
    let mut diagnostics = unique(found);
    diagnostics.sort_by_key(|diagnostic| Reverse(diagnostic.severity));
    Reading { diagnostics, tests_passed: out.passed, tests_failed: out.failed }
}

/// Each finding once; the places that its repetitions name are kept.
fn unique(found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut seen: HashMap<(Option<String>, Option<u32>, String), usize> = HashMap::new();
    let mut kept: Vec<Diagnostic> = Vec::new();
    for diagnostic in found {
        let first = diagnostic.message.lines().next().unwrap_or_default().to_owned();
        let key = (diagnostic.file.clone(), diagnostic.line, first);
        if let Some(earlier) = seen.get(&key).and_then(|&index| kept.get_mut(index)) {
            earlier.severity = earlier.severity.max(diagnostic.severity);
            for related in diagnostic.related {
                if !earlier.related.contains(&related) {
                    earlier.related.push(related);
                }
            }
            continue;
        }
        seen.insert(key, kept.len());
        kept.push(diagnostic);
    }
    kept
}

/// The end of the log: mostly of stderr, where there is any.
fn tail(stdout: &str, stderr: &str) -> String {
    let last = |text: &str, most: usize| {
        let lines: Vec<String> = text
            .lines()
            .filter(|line| line.chars().any(char::is_alphanumeric))
            .map(|line| line.trim_end().chars().take(400).collect())
            .collect();
        let skip = lines.len().saturating_sub(most);
        lines.into_iter().skip(skip).collect::<Vec<_>>()
    };
    let errors = last(stderr, TAIL - 6);
    let mut lines = last(stdout, TAIL - errors.len());
    lines.extend(errors);
    if lines.is_empty() { "the command failed and printed nothing".to_owned() } else { lines.join("\n") }
}
