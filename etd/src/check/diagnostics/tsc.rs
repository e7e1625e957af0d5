//! The TypeScript compiler, plain and pretty.

use proto::diagnostic::{Related, Severity};

use super::IS_THERE;
use super::log::{Log, Out, error, place};
use super::pattern::{Pattern, group, number};

static PLAIN: Pattern = Pattern::with(&[" TS"], r"^(\S.*?)\((\d+),(\d+)\): (error|warning|info) (TS\d+): (.+)$");
static PRETTY: Pattern = Pattern::with(&[" TS"], r"^(\S.*?):(\d+):(\d+) - (error|warning|info) (TS\d+): (.+)$");
static GLOBAL: Pattern = Pattern::with(&["error TS"], r"^error (TS\d+): (.+)$");
static OTHER: Pattern = Pattern::with(&[":"], r"^\s+(\S.*?):(\d+):(\d+)(?: - .*)?$");
static EXCERPT: Pattern = Pattern::new(r"^(?:\d+ |\s*~+$|\s+\d+ )");
static MODULE: Pattern = Pattern::with(&["'.", "\"."], r#"['"]+(\.[^'"]*)['"]+"#);

pub(super) fn take(log: &Log<'_>, at: usize, out: &mut Out) -> Option<usize> {
    let text = log.text(at);
    let mut diagnostic = error("tsc", "");
    let pretty = PRETTY.matches(text);
    let mut message = if let Some(found) = PLAIN.captures(text).or_else(|| PRETTY.captures(text)) {
        diagnostic.severity = match group(&found, 4) {
            "error" => Severity::Error,
            "warning" => Severity::Warning,
            _ => Severity::Note,
        };
        diagnostic.code = Some(group(&found, 5).to_owned());
        if let Some(file) = log.find(group(&found, 1), at) {
            (diagnostic.file, diagnostic.line, diagnostic.column) = (Some(file), number(&found, 2), number(&found, 3));
        }
        match diagnostic.file {
            Some(_) => group(&found, 6).to_owned(),
            None => format!("{}:{}: {}", group(&found, 1), group(&found, 2), group(&found, 6)),
        }
    } else {
        let found = GLOBAL.captures(text)?;
        diagnostic.code = Some(group(&found, 1).to_owned());
        diagnostic.file = log.find("tsconfig.json", at);
        group(&found, 2).to_owned()
    };
    // Lines that go on are indented; in the pretty form an excerpt and other places follow behind a blank line.
    let mut end = log.until(at + 1, 40, |text| !text.starts_with("  "));
    for index in at + 1..end {
        message.push_str(&format!("\n{}", log.text(index).trim()));
    }
    let mut related = Vec::new();
    if pretty {
        let stop =
            log.until(end, 60, |text| PRETTY.matches(text) || GLOBAL.matches(text) || text.starts_with("Found "));
        let mut index = end;
        while index < stop {
            if let Some(other) = OTHER.captures(log.text(index)) {
                let inner = log.until(index + 1, 10, |text| !text.starts_with("  "));
                let said = (index + 1..inner).map(|line| log.text(line).trim()).rfind(|line| !EXCERPT.matches(line));
                related.extend(log.related(group(&other, 1), index, number(&other, 2), said.unwrap_or_default()));
            }
            index += 1;
        }
        end = stop;
    }
    if let (Some(from), Some(module)) = (&diagnostic.file, MODULE.captures(&message))
        && let Some(file) = log.paths.module(group(&module, 1), from)
    {
        let message = if message.starts_with("Cannot find module") { IS_THERE } else { "the module that is imported" };
        related.push(Related { file, line: None, message: message.to_owned() });
    }
    diagnostic.message = message;
    place(&mut diagnostic, related);
    out.push(diagnostic);
    Some(end)
}
