//! Builds and tests the tree with the project's real toolchain.
//!
//! Three parts: [`mod@detect`] says from the list of files what to run (pure), [`mod@run`] runs it below the sandbox, and the outcome is
//! judged together with what the readers of diagnostics found in the output. Before all that, [`mod@look`] says which tool can tell at
//! once whether a single file parses.
//!
//! A check is green only if every step that is needed ran and exited 0. It must never be green because nothing ran, and a missing
//! tool is always named.

pub mod detect;
pub mod diagnostics;
pub mod fetch;
pub mod look;
pub mod run;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use proto::report::CheckSource;
use serde::{Deserialize, Serialize};

pub use detect::{DetectOptions, detect, missing_manifests};
pub use run::{Cancelled, CheckRun, StepReading, StepRun, log, run};

/// What a step is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// Without it the rest of its sub-project makes no sense.
    Build,
    /// Looks at the code.
    Lint,
    /// Runs tests.
    Test,
}

/// A command that tells, by whether it exits 0, if a step can run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// The command; its output is dropped.
    pub argv: Vec<String>,
    /// The tool that is missing if it fails.
    pub missing: String,
}

/// Another way to run a step that failed for a reason of the tool's own. If it can't do better, the run before it counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// It is tried if one of these stands in what the step printed as errors.
    pub when: Vec<String>,
    /// Arguments that are left out then.
    pub without: Vec<String>,
    /// Arguments that are added at the end.
    pub with: Vec<String>,
}

impl Retry {
    fn fits(&self, stderr: &str) -> bool {
        self.when.iter().any(|words| stderr.contains(words))
    }
}

/// One command of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckStep {
    /// The tool whose words it prints: `go`, `cargo`, `tsc`, `pytest` …
    pub tool: String,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Where it runs, relative to the work dir, with slashes; empty at its top.
    pub dir: String,
    /// What it is for.
    pub kind: StepKind,
    /// Whether the check is red if its tool is missing; otherwise it is left out then, with a note.
    pub needs: bool,
    /// Number of its sub-project: after a failed build the rest of that one is left out.
    pub project: u32,
    /// Variables that it gets unless the caller's environment has them.
    pub env: BTreeMap<String, String>,
    /// Programs that must be there besides that of `argv`.
    pub requires: Vec<String>,
    /// Whether `node_modules/.bin` of its dir and those above it, up to the work dir, is looked through for the program first.
    pub local_bin: bool,
    /// Asked before it runs.
    pub probe: Option<Probe>,
    /// Tried when it failed, each once, in addition to those before it.
    #[serde(default)]
    pub retries: Vec<Retry>,
    /// What a person would type, where `argv` is longer than that.
    pub label: Option<String>,
}

impl CheckStep {
    fn new(kind: StepKind, tool: &str, dir: &str, argv: &[&str]) -> Self {
        Self {
            tool: tool.to_owned(),
            argv: argv.iter().map(|&word| word.to_owned()).collect(),
            dir: dir.to_owned(),
            kind,
            needs: true,
            project: 0,
            env: BTreeMap::new(),
            requires: Vec::new(),
            local_bin: false,
            probe: None,
            retries: Vec::new(),
            label: None,
        }
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    /// As a person would type it at the top of the work dir.
    #[must_use]
    pub fn display(&self) -> String {
        let command = self.label.clone().unwrap_or_else(|| typed(&self.argv));
        if self.dir.is_empty() { command } else { format!("(cd {} && {command})", quoted(&self.dir)) }
    }
}

/// What to run, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckPlan {
    /// Where it came from.
    pub source: CheckSource,
    /// The commands.
    pub steps: Vec<CheckStep>,
}

impl CheckPlan {
    /// Files that a person's command names by a path. None for a command that was detected: what names those is the tree.
    #[must_use]
    pub fn named_files(&self, root: &Path) -> Vec<PathBuf> {
        if !matches!(self.source, CheckSource::Flag | CheckSource::Config) {
            return Vec::new();
        }
        let words = self.steps.iter().flat_map(|step| step.argv.iter()).flat_map(|text| {
            text.split(|c: char| c.is_whitespace() || "'\"`;&|()<>=$".contains(c)).filter(|word| word.contains('/'))
        });
        words.map(|word| root.join(word)).filter(|path| path.is_file()).collect()
    }

    /// As a person would type it at the top of the work dir.
    #[must_use]
    pub fn display(&self) -> String {
        self.steps.iter().map(CheckStep::display).collect::<Vec<_>>().join(" && ")
    }
}

/// A plan of one command that a person gave: `sh -c` at the top of the work dir.
#[must_use]
pub fn command_plan(command: &str, source: CheckSource) -> CheckPlan {
    let step = CheckStep {
        label: Some(command.to_owned()),
        ..CheckStep::new(StepKind::Build, "sh", "", &["sh", "-c", command])
    };
    CheckPlan { source, steps: vec![step] }
}

fn typed(argv: &[String]) -> String {
    argv.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./=:,@+%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_are_shown_as_a_person_would_type_them() {
        let given = command_plan("make && ./t 'a b'", CheckSource::Flag);
        assert_eq!(given.display(), "make && ./t 'a b'");
        let build = CheckStep::new(StepKind::Build, "go", "", &["go", "build", "./..."]);
        let test = CheckStep::new(StepKind::Test, "go", "a b", &["go", "test", "it's", ""]);
        let plan = CheckPlan { source: CheckSource::Detected, steps: vec![build, test] };
        assert_eq!(plan.display(), r"go build ./... && (cd 'a b' && go test 'it'\''s' '')");
    }
}
