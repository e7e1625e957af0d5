//! One error or warning of a build, test or lint tool.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How bad a diagnostic is. Only [`Severity::Error`] makes a check red.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Suspicious, not fatal.
    Warning,
    /// Fatal.
    Error,
}

/// Another place that a diagnostic names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Related {
    /// Path relative to the work dir, with slashes.
    pub file: String,
    /// Line, from 1.
    pub line: Option<u32>,
    /// What the tool says about that place.
    pub message: String,
}

/// One finding of a tool.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Diagnostic {
    /// The tool that says it: `go`, `cargo`, `tsc`, `pytest` …
    pub tool: String,
    /// Path relative to the work dir, with slashes; none if the tool names no file of the tree.
    pub file: Option<String>,
    /// Line, from 1.
    pub line: Option<u32>,
    /// Column, from 1, in the tool's own unit.
    pub column: Option<u32>,
    /// How bad it is.
    pub severity: Severity,
    /// The tool's code, such as `E0425` or `TS2304`.
    pub code: Option<String>,
    /// The tool's words, without colour; several lines at times.
    pub message: String,
    /// Other places that it names.
    pub related: Vec<Related>,
    /// The subtask that owns the file, or `integrator`.
    pub owner: Option<String>,
}

impl Diagnostic {
    /// `file:line: message`, with the first line of the message; what isn't known is left out.
    #[must_use]
    pub fn headline(&self) -> String {
        let message = self.message.lines().next().unwrap_or_default();
        match (&self.file, self.line) {
            (Some(file), Some(line)) => format!("{file}:{line}: {message}"),
            (Some(file), None) => format!("{file}: {message}"),
            (None, _) => message.to_owned(),
        }
    }
}
