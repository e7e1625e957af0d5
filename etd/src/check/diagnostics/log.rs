//! What the readers share: the lines of an output, and the collection of what was found.

use std::borrow::Cow;

use proto::diagnostic::{Diagnostic, Related, Severity};

use super::go_json;
use super::paths::Paths;
use super::pattern::{Pattern, group};

static ANSI: Pattern =
    Pattern::new("\u{1b}(?:\\[[0-9;:?]*[ -/]*[@-~]|\\][^\u{7}\u{1b}]*(?:\u{7}|\u{1b}\\\\)|[()][A-Z0-9]|[=>])");
static TAP_OWN: Pattern =
    Pattern::new(r"^# (?:Subtest: |(?:tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) [\d.]+$)");
static ENTERING: Pattern =
    Pattern::with(&[" directory "], r"^g?make(?:\[\d+\])?: (Entering|Leaving) directory [`'](.+)'$");

/// Longest part of a line that is looked at, in bytes.
const MAX_LINE: usize = 4000;
/// The same for a line that may be JSON.
const MAX_JSON: usize = 1024 * 1024;
/// Most findings that are kept of one output.
pub(super) const MAX_FOUND: usize = 1000;

/// One line of an output.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    pub(super) text: &'a str,
    /// Index into [`Log::dirs`]: where the tool was when it printed it.
    dir: usize,
}

/// An output, line by line: first stdout, then stderr.
pub(super) struct Log<'a> {
    pub(super) lines: Vec<Line<'a>>,
    pub(super) paths: &'a Paths,
    pub(super) tool: &'a str,
    pub(super) dir: &'a str,
    dirs: Vec<String>,
}

/// The text without colour and other terminal commands.
pub(crate) fn uncoloured(text: &str) -> String {
    if text.contains('\u{1b}') { ANSI.replace_all(text, "") } else { text.to_owned() }
}

/// The same; what `go … -json` wraps is unwrapped.
pub(super) fn clean(text: &str) -> String {
    let text = uncoloured(text);
    let mut out = String::with_capacity(text.len());
    let mut go = go_json::Unwrapper::default();
    let tap = text.contains("TAP version 1");
    for line in text.split('\n') {
        // A carriage return draws a line anew; what stands last is what a person sees.
        let line = line.trim_end_matches('\r');
        let line = line.rsplit('\r').next().unwrap_or(line);
        if tap && let Some(printed) = line.strip_prefix("# ").filter(|_| !TAP_OWN.matches(line)) {
            // What a test file printed as errors is a comment here.
            out.push_str(&printed.replace("\\#", "#"));
            out.push('\n');
        } else if !go.take(line, &mut out) {
            out.push_str(line);
            out.push('\n');
        }
    }
    go.finish(&mut out);
    if out.lines().any(|line| line.len() > MAX_LINE) {
        out = out.lines().flat_map(|line| [shortened(line), "\n".into()]).collect();
    }
    out
}

/// A line of a length that can be looked at: what a test says of its own comes last, behind the values that it compares.
fn shortened(line: &str) -> Cow<'_, str> {
    // A JSON message is one line and is of no use cut.
    let most = if line.starts_with('{') { MAX_JSON } else { MAX_LINE };
    if line.len() <= most {
        return line.into();
    }
    let head = line.floor_char_boundary(most * 3 / 4);
    let tail = line.ceil_char_boundary(line.len() - most / 5);
    format!("{} … {}", &line[..head], &line[tail..]).into()
}

impl<'a> Log<'a> {
    pub(super) fn new(tool: &'a str, dir: &'a str, paths: &'a Paths, streams: [&'a str; 2]) -> Self {
        let mut log = Self { lines: Vec::new(), paths, tool, dir, dirs: vec![dir.to_owned()] };
        for stream in streams {
            let mut stack = vec![0];
            for text in stream.lines() {
                let text = text.trim_end();
                if let Some(found) = ENTERING.captures(text) {
                    if group(&found, 1) == "Entering" {
                        log.dirs.push(group(&found, 2).to_owned());
                        stack.push(log.dirs.len() - 1);
                    } else if stack.len() > 1 {
                        stack.pop();
                    }
                }
                log.lines.push(Line { text, dir: stack.last().copied().unwrap_or(0) });
            }
            // Blocks never go on from one stream into the other.
            log.lines.push(Line { text: "", dir: 0 });
        }
        log
    }

    /// Line `at`; empty behind the end.
    pub(super) fn text(&self, at: usize) -> &'a str {
        self.lines.get(at).map_or("", |line| line.text)
    }

    /// The first line from `from` on for which `stop` holds, or the end; `most` lines at most.
    pub(super) fn until(&self, from: usize, most: usize, stop: impl Fn(&str) -> bool) -> usize {
        let end = self.lines.len().min(from.saturating_add(most));
        (from..end).find(|&at| stop(self.text(at))).unwrap_or(end.max(from.min(self.lines.len())))
    }

    /// The file that line `at` means by `printed`.
    pub(super) fn find(&self, printed: &str, at: usize) -> Option<String> {
        let here = self.lines.get(at).map_or(0, |line| line.dir);
        let first = self.dirs.get(here).map_or(self.dir, String::as_str);
        // A sub-make names its dir on stdout while its compiler complains on stderr: the other dirs count too.
        let exact = |dir: &String| {
            let dir = self.paths.below(dir)?;
            let path = if dir.is_empty() { printed.to_owned() } else { format!("{dir}/{printed}") };
            self.paths.exact(path.trim_start_matches("./"))
        };
        self.dirs
            .get(here)
            .and_then(exact)
            .or_else(|| self.dirs.iter().find_map(exact))
            .or_else(|| self.paths.find(printed, first))
    }

    /// Another place, if it is in the tree.
    pub(super) fn related(&self, printed: &str, at: usize, line: Option<u32>, message: &str) -> Option<Related> {
        Some(Related { file: self.find(printed, at)?, line, message: message.trim().to_owned() })
    }
}

/// What was found so far.
#[derive(Default)]
pub(super) struct Out {
    pub(super) found: Vec<Diagnostic>,
    /// Findings that count only where nothing better was found.
    pub(super) weak: Vec<Diagnostic>,
    /// Places for a failure that has none of its own.
    pub(super) hints: Vec<Related>,
    pub(super) passed: Option<u32>,
    pub(super) failed: Option<u32>,
    /// Tests of Go that were listed by name, and packages that passed.
    pub(super) go: (u32, u32),
    /// File of the suite that a runner for JavaScript reports on.
    pub(super) suite: Option<String>,
}

impl Out {
    pub(super) fn push(&mut self, diagnostic: Diagnostic) {
        if self.found.len() < MAX_FOUND {
            self.found.push(diagnostic);
        }
    }

    pub(super) fn weak(&mut self, diagnostic: Diagnostic) {
        if self.weak.len() < MAX_FOUND {
            self.weak.push(diagnostic);
        }
    }

    pub(super) fn count(&mut self, passed: u32, failed: u32) {
        self.passed = Some(self.passed.unwrap_or(0).saturating_add(passed));
        self.failed = Some(self.failed.unwrap_or(0).saturating_add(failed));
    }
}

/// An error without a place.
pub(super) fn error(tool: &str, message: impl Into<String>) -> Diagnostic {
    Diagnostic {
        tool: tool.to_owned(),
        file: None,
        line: None,
        column: None,
        severity: Severity::Error,
        code: None,
        message: message.into().trim().to_owned(),
        related: Vec::new(),
        owner: None,
    }
}

/// Stack frames, innermost first, become the place and the other places of `diagnostic`.
pub(super) fn place(diagnostic: &mut Diagnostic, frames: Vec<Related>) {
    let mut frames = frames.into_iter();
    if diagnostic.file.is_none()
        && let Some(first) = frames.next()
    {
        diagnostic.file = Some(first.file);
        diagnostic.line = first.line;
    }
    for frame in frames {
        let known = diagnostic.related.iter().any(|other| other.file == frame.file && other.line == frame.line);
        let itself = diagnostic.file.as_ref() == Some(&frame.file) && diagnostic.line == frame.line;
        if !known && !itself && diagnostic.related.len() < 12 {
            diagnostic.related.push(frame);
        }
    }
}

/// The message of a failed test. `blame` knows tests by this form.
pub(super) fn test_message(name: &str, what: &str) -> String {
    format!("test {} failed: {}", name.trim(), what.trim())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]
    use super::*;

    #[test]
    fn of_a_long_line_both_ends_are_kept() {
        let long = format!("AssertionError: 'ä' not found in [{}] : it lacks", "'ö', ".repeat(9_000));
        let json = format!("{{\"message\": \"{}\"}}", "x".repeat(9_000));
        let text = clean(&format!("one\n{long}\n{json}\nlast\n"));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines[0], lines[2], lines[3]), ("one", json.as_str(), "last"));
        assert!(lines[1].len() <= MAX_LINE);
        assert!(lines[1].starts_with("AssertionError: 'ä' not") && lines[1].ends_with(": it lacks"));
    }
}
