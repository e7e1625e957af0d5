//! Quick looks: whether a single file parses, by a tool that says so in milliseconds. Pure: which tool, and what its words mean; others
//! run it.
//!
//! Promises: a content travels by standard input, so no command here names a file of the tree; only errors of syntax are reported, and
//! only those that the tool places in the file. Where there is doubt (a language with several grammars, a file that is meant to be
//! broken), nothing is reported: the check looks at everything anyway.

#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use proto::diagnostic::{Diagnostic, Severity};

use super::diagnostics::{self, Paths, ToolOutput};
use crate::relpath::RelPath;

/// Longest content that is looked at, in bytes.
const MAX_CONTENT: usize = 1 << 20;
/// Findings that a worker is shown.
const SHOWN: usize = 8;
/// Dirs whose files are often broken on purpose, or aren't code yet.
const ON_PURPOSE: &[&str] = &["testdata", "fixtures", "templates"];

/// Prints what `py_compile` would, for standard input. `-I` and `-S`: nothing of the tree or the user's is imported.
const PYTHON: &str = "import sys
try:
    compile(sys.stdin.buffer.read(), sys.argv[1], 'exec', dont_inherit=True)
except (SyntaxError, ValueError) as error:
    import traceback
    sys.stderr.write(''.join(traceback.format_exception_only(type(error), error)))
    sys.exit(1)";

/// A command that reads a file on its standard input and says whether it parses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The tool whose words it prints.
    pub tool: &'static str,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// How the tool calls its standard input.
    stands_for: &'static str,
}

/// How a file is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// By tools: it is broken if each of these says so. What the first one says counts.
    Tools(Vec<Attempt>),
    /// By ourselves: it is JSON.
    Json,
}

/// How this file can be looked at; none if nothing tells in milliseconds.
#[must_use]
pub fn way(path: &RelPath, content: &str) -> Option<Way> {
    let on_purpose = |part: &str| ON_PURPOSE.contains(&part);
    if content.trim().is_empty() || content.len() > MAX_CONTENT || path.parent().split('/').any(on_purpose) {
        return None;
    }
    if matches!(path.file_name(), "package.json" | "composer.json") {
        return Some(Way::Json);
    }
    let attempts = match path.extension() {
        "go" => vec![attempt("gofmt", "<standard input>", &["gofmt", "-e", "-l"])],
        // Without a manifest nobody knows the edition. `--config-path`: no configuration is looked for.
        "rs" => ["2021", "2024", "2015"]
            .map(|edition| {
                let options = ["--edition", edition, "--config-path", "/dev/null", "--color", "never"];
                attempt("rustfmt", "<stdin>", &[["rustfmt", "--check"].as_slice(), &options].concat())
            })
            .to_vec(),
        "py" => {
            // The name only makes the lines look like those of the check.
            let options = ["-I", "-S", "-B", "-W", "ignore", "-c", PYTHON, STAND_IN_PYTHON];
            vec![attempt("python", STAND_IN_PYTHON, &[["python3"].as_slice(), &options].concat())]
        }
        "mjs" => vec![node("module")],
        "cjs" => vec![node("commonjs")],
        "js" if content.contains("@flow") => return None,
        "js" if is_module(content) => vec![node("module"), node("commonjs")],
        "js" => vec![node("commonjs"), node("module")],
        _ => return None,
    };
    Some(Way::Tools(attempts))
}

const STAND_IN_PYTHON: &str = "stdin.py";

fn attempt(tool: &'static str, stands_for: &'static str, argv: &[&str]) -> Attempt {
    Attempt { tool, argv: argv.iter().map(|&word| word.to_owned()).collect(), stands_for }
}

fn node(kind: &str) -> Attempt {
    attempt("node", "[stdin]", &["node", "--no-warnings", "--check", &format!("--input-type={kind}"), "-"])
}

/// Whether a script looks like an ES module.
fn is_module(content: &str) -> bool {
    content.lines().any(|line| line.starts_with("import ") || line.starts_with("export "))
}

/// What a tool says of a file on its standard error. Empty: it parses, or the tool says nothing of it.
#[must_use]
pub fn read(attempt: &Attempt, path: &RelPath, stderr: &str, success: bool) -> Vec<Diagnostic> {
    if success {
        return Vec::new();
    }
    // The readers know files by their names, so the file has a plain one for them, whatever it is called.
    let Ok(plain) = RelPath::parse(&format!("looked.{}", path.extension())) else { return Vec::new() };
    let stderr = stderr.replace(attempt.stands_for, plain.as_str());
    let output = ToolOutput { tool: attempt.tool, stdout: "", stderr: &stderr, dir: "", success };
    let found = diagnostics::read(&output, &Paths::new("/", vec![plain.clone()])).diagnostics;
    let counts = |one: &Diagnostic| {
        one.severity == Severity::Error && one.file.as_deref() == Some(plain.as_str()) && !is_doubtful(one)
    };
    found
        .into_iter()
        .filter(counts)
        .map(|mut one| {
            one.file = Some(path.to_string());
            one.related.clear();
            one
        })
        .collect()
}

/// Findings that another grammar or a file elsewhere may explain.
fn is_doubtful(diagnostic: &Diagnostic) -> bool {
    // JSX in a `.js` file.
    diagnostic.message.starts_with("SyntaxError: Unexpected token '<'")
        || diagnostic.message.contains("file not found for module")
}

/// What is wrong with a JSON file; none if nothing is.
#[must_use]
pub fn json(path: &RelPath, content: &str) -> Option<Diagnostic> {
    let content = content.strip_prefix('\u{feff}').unwrap_or(content);
    let error = serde_json::from_str::<serde::de::IgnoredAny>(content).err()?;
    let place = |number: usize| u32::try_from(number).ok();
    let message = error.to_string();
    let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
    Some(Diagnostic {
        tool: "json".to_owned(),
        file: Some(path.to_string()),
        line: place(error.line()),
        column: place(error.column()),
        severity: Severity::Error,
        code: None,
        message: format!("invalid JSON: {message}"),
        related: Vec::new(),
        owner: None,
    })
}

/// What a worker is told: in the first line what is wrong, then each finding with its line of code.
#[must_use]
pub fn reason<'a>(found: &[Diagnostic], content: &dyn Fn(&str) -> Option<&'a str>) -> String {
    let Some(first) = found.first() else { return String::new() };
    let mut text = format!("syntax: {}", first.headline());
    if found.len() > 1 {
        // Writing to a string can't fail.
        let _ = write!(text, " (and {} more)", found.len() - 1);
    }
    text.push_str("\nThese files don't parse:");
    for one in found.iter().take(SHOWN) {
        let _ = write!(text, "\n{}", one.headline());
        let file = one.file.as_deref().and_then(content);
        let line = one.line.and_then(|line| file?.lines().nth(usize::try_from(line).ok()?.checked_sub(1)?));
        if let Some(line) = line.map(str::trim_end).filter(|line| !line.trim().is_empty()) {
            let line: String = line.chars().take(200).collect();
            let _ = write!(text, "\n    {line}");
        }
    }
    if found.len() > SHOWN {
        let _ = write!(text, "\n[… {} more left out …]", found.len() - SHOWN);
    }
    text
}
