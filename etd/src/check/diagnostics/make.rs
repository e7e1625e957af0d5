//! make and CMake.

use proto::diagnostic::{Related, Severity};

use super::log::{Log, Out, error};
use super::pattern::{Pattern, group, number};

static TARGET: Pattern =
    Pattern::with(&["*** "], r"^(?:g?make)(?:\[\d+\])?: \*\*\* \[(?:(\S+?):(\d+): )?(.+)\] (?:Error \d+|\S+)");
static MAKEFILE: Pattern = Pattern::with(&["*** "], r"^(\S+?):(\d+): \*\*\* (.+?)\.?(?:  Stop\.)?$");
static PLAIN: Pattern = Pattern::with(&["*** "], r"^g?make(?:\[\d+\])?: \*\*\* (.+?)\.?(?:  Stop\.)?$");
static OTHER: Pattern = Pattern::with(&["make"], r"^g?make(?:\[\d+\])?: ");
static CMAKE: Pattern = Pattern::with(
    &["CMake "],
    r"^CMake (Error|Warning|Deprecation Warning)(?: \(dev\))?(?: at (\S+?):(\d+)(?: \((\w+)\))?| in (\S+))?:(?: (.+))?$",
);

pub(super) fn take(log: &Log<'_>, at: usize, out: &mut Out) -> Option<usize> {
    let text = log.text(at);
    if let Some(found) = TARGET.captures(text) {
        // Only the echo of what failed before; the place helps if that said nothing.
        if let Some(file) = log.find(group(&found, 1), at) {
            out.hints.push(Related {
                file,
                line: number(&found, 2),
                message: format!("the recipe of {}", group(&found, 3)),
            });
        }
        return Some(at + 1);
    }
    if let Some(found) = MAKEFILE.captures(text) {
        let mut diagnostic = error("make", group(&found, 3));
        diagnostic.file = Some(log.find(group(&found, 1), at)?);
        diagnostic.line = number(&found, 2);
        out.push(diagnostic);
        return Some(at + 1);
    }
    if let Some(found) = PLAIN.captures(text) {
        let mut diagnostic = error("make", group(&found, 1));
        if !group(&found, 1).contains("no makefile found") {
            diagnostic.file = ["Makefile", "makefile", "GNUmakefile"].iter().find_map(|name| log.find(name, at));
        }
        out.push(diagnostic);
        return Some(at + 1);
    }
    if OTHER.matches(text) {
        return Some(at + 1);
    }
    let found = CMAKE.captures(text)?;
    // The text is indented, with blank lines in it; two blank lines or the next thing at the margin end it.
    let mut end = at + 1;
    let mut lines = Vec::new();
    while end < log.lines.len() && end < at + 60 {
        let text = log.text(end);
        if text.is_empty() {
            if !log.text(end + 1).starts_with("  ") {
                break;
            }
        } else if text.starts_with("  ") {
            lines.push(text.trim());
        } else {
            break;
        }
        end += 1;
    }
    let mut message = group(&found, 6).to_owned();
    for line in lines {
        if !message.is_empty() {
            message.push('\n');
        }
        message.push_str(line);
    }
    if message.is_empty() {
        message = format!("{} failed", group(&found, 4));
    }
    let mut diagnostic = error("cmake", message);
    if group(&found, 1) != "Error" {
        diagnostic.severity = Severity::Warning;
    }
    let named = if group(&found, 2).is_empty() { group(&found, 5) } else { group(&found, 2) };
    diagnostic.file = log.find(named, at);
    diagnostic.line = number(&found, 3).filter(|_| diagnostic.file.is_some());
    out.push(diagnostic);
    Some(end)
}
