//! Everything else: `file:line[:col]: message` and `file(line[,col]): message`, where the file is in the tree.

use proto::diagnostic::Severity;

use super::log::{Log, Out, error};
use super::pattern::{Pattern, group, number};

static COLONS: Pattern = Pattern::with(
    &[":1", ":2", ":3", ":4", ":5", ":6", ":7", ":8", ":9"],
    r"^\s*(?:\[?\w+\]?:? )?([^\s:()]+[./][^\s:()]*|[A-Z]\w+):(\d+)(?:[:.](\d+))?(?:-\d+(?::\d+)?)?:?\s+(.+)$",
);
static PARENS: Pattern = Pattern::with(
    &["(1", "(2", "(3", "(4", "(5", "(6", "(7", "(8", "(9"],
    r"^\s*([^\s:()]+\.\w+)\((\d+)(?:,\s*(\d+))?(?:,\d+,\d+)?\)\s*:\s*(.+)$",
);
static LEVEL: Pattern =
    Pattern::new(r"(?i)^\W*(?:(fatal|error|failed|failure|panic)|(warning|warn)|(note|info|hint))\b");
static WORD: Pattern =
    Pattern::new(r"(?i)\b(?:(error|fatal|failed|undefined|unexpected|invalid|cannot|missing)|(warning))\b");

pub(super) fn take(log: &Log<'_>, at: usize, out: &mut Out) -> Option<usize> {
    let text = log.text(at);
    let found = COLONS.captures(text).or_else(|| PARENS.captures(text))?;
    let file = log.find(group(&found, 1), at)?;
    let message = group(&found, 4);
    let mut diagnostic = error(log.tool, message);
    (diagnostic.file, diagnostic.line, diagnostic.column) = (Some(file), number(&found, 2), number(&found, 3));
    let level = LEVEL.captures(message).or_else(|| WORD.captures(message));
    match level {
        Some(level) if level.get(2).is_some() => diagnostic.severity = Severity::Warning,
        Some(level) if level.get(3).is_some() => diagnostic.severity = Severity::Note,
        Some(_) => {}
        None => {
            // It may be an ordinary log line: it counts only where nothing better is to be had.
            out.weak(diagnostic);
            return Some(at + 1);
        }
    }
    out.push(diagnostic);
    Some(at + 1)
}
