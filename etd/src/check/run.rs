//! Runs a plan below the sandbox and judges what came of it. Starting processes is `sandbox`'s; the judging is pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::diagnostic::{Diagnostic, Severity};
use proto::report::CheckStatus;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::{CheckPlan, CheckStep, StepKind, diagnostics};
use crate::blame;
use crate::sandbox::{Children, Command, Ended, Jail, RunError, find_program};

#[cfg(test)]
mod tests;

/// Bytes kept of each stream of a step.
const OUTPUT_LIMIT: usize = 4 << 20;
/// Longest time for a probe.
const PROBE_TIMEOUT: Duration = Duration::from_secs(30);
/// Code of the diagnostic that stands for a tool that isn't there.
const MISSING_TOOL: &str = "missing-tool";

/// The check was cancelled and its processes are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the check was cancelled")]
pub struct Cancelled;

/// What became of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRun {
    /// The step.
    pub step: CheckStep,
    /// How it ended. None: it couldn't be started, and `missing` or `stderr` says why.
    pub ended: Option<Ended>,
    /// What it printed, or its head and tail.
    pub stdout: String,
    /// What it printed as errors, or its head and tail.
    pub stderr: String,
    /// Wall time in milliseconds.
    pub duration_ms: u64,
    /// The tool that isn't there.
    pub missing: Option<String>,
}

impl StepRun {
    /// Whether it ran and exited 0.
    #[must_use]
    pub fn success(&self) -> bool {
        self.ended == Some(Ended::Code(0))
    }

    /// Whether nothing speaks against a green check.
    fn acceptable(&self) -> bool {
        self.success() || (self.missing.is_some() && !self.step.needs)
    }

    fn not_run(step: &CheckStep, missing: Option<String>, stderr: String) -> Self {
        Self { step: step.clone(), ended: None, stdout: String::new(), stderr, duration_ms: 0, missing }
    }
}

/// What the readers of diagnostics found in a step's output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StepReading {
    /// Errors and warnings.
    pub diagnostics: Vec<Diagnostic>,
    /// Tests that passed, where the output says so.
    pub tests_passed: Option<u32>,
    /// Tests that failed, where the output says so.
    pub tests_failed: Option<u32>,
}

/// A check that was run, as it is recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckRun {
    /// Its colour.
    pub status: CheckStatus,
    /// Exit code of the first step that failed; 0 if all passed. None if that step has none.
    pub exit_code: Option<i32>,
    /// The steps that were run, or couldn't be.
    pub steps: Vec<StepRun>,
    /// What was found, worst first, each once.
    pub diagnostics: Vec<Diagnostic>,
    /// Tests that passed, where a tool says so.
    pub tests_passed: Option<u32>,
    /// Tests that failed, where a tool says so.
    pub tests_failed: Option<u32>,
    /// Wall time of all steps in milliseconds.
    pub duration_ms: u64,
    /// Whether no syntax error was found.
    pub parses: bool,
    /// Whether every step that builds passed.
    pub builds: bool,
    /// For people, a sentence each: what was left out and why.
    pub notes: Vec<String>,
}

impl CheckRun {
    /// Judges what was run. `read` is asked for each step that ended; pure if it is.
    ///
    /// Green: every step that is needed exited 0, and one at least ran. None: not one ran. Red otherwise; then there is an error among
    /// the diagnostics for each missing tool that is needed, with the code `missing-tool` and no file.
    #[must_use]
    pub fn conclude(steps: Vec<StepRun>, mut read: impl FnMut(&StepRun) -> StepReading) -> Self {
        let mut diagnostics: Vec<Diagnostic> = Vec::new();
        let (mut tests_passed, mut tests_failed) = (None, None);
        let mut notes = BTreeSet::new();
        for run in &steps {
            if let Some(missing) = &run.missing {
                let so = if run.step.needs { "can't be run" } else { "was left out" };
                notes.insert(format!("`{}` {so}: {missing} isn't installed or isn't on PATH.", run.step.display()));
                if run.step.needs {
                    diagnostics.push(missing_tool(missing));
                }
            }
            if run.ended == Some(Ended::TimedOut) {
                let seconds = run.duration_ms / 1000;
                notes.insert(format!("`{}` was ended after {seconds} s: its time was over.", run.step.display()));
            }
            if run.ended.is_some() {
                let reading = read(run);
                diagnostics.extend(reading.diagnostics);
                add(&mut tests_passed, reading.tests_passed);
                add(&mut tests_failed, reading.tests_failed);
            }
        }
        // The same file is often compiled twice, for a build and for its tests.
        let mut seen = BTreeSet::new();
        diagnostics.retain(|found| {
            seen.insert((found.file.clone(), found.line, found.column, found.severity, found.message.clone()))
        });
        diagnostics.sort_by_key(|found| std::cmp::Reverse(found.severity));
        let failed = steps.iter().find(|run| !run.acceptable());
        let status = if !steps.iter().any(|run| run.ended.is_some()) {
            CheckStatus::None
        } else if failed.is_none() {
            CheckStatus::Green
        } else {
            CheckStatus::Red
        };
        let exit_code = match failed {
            None => (status == CheckStatus::Green).then_some(0),
            Some(run) => match run.ended {
                Some(Ended::Code(code)) => Some(code),
                _ => None,
            },
        };
        // A command that a person gave is one step; if it came as far as its tests, it built.
        let built = |run: &StepRun| run.acceptable() || (run.step.tool == "sh" && tests_failed.is_some());
        let builds =
            status != CheckStatus::None && steps.iter().filter(|run| run.step.kind == StepKind::Build).all(built);
        Self {
            status,
            exit_code,
            parses: !diagnostics.iter().any(blame::is_syntax),
            builds,
            diagnostics,
            tests_passed,
            tests_failed,
            duration_ms: steps.iter().map(|run| run.duration_ms).sum(),
            notes: notes.into_iter().collect(),
            steps,
        }
    }

    /// Tools that the check needs and that aren't there.
    pub fn missing_tools(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().filter(|run| run.step.needs).filter_map(|run| run.missing.as_deref())
    }
}

fn add(sum: &mut Option<u32>, more: Option<u32>) {
    if let Some(more) = more {
        *sum = Some(sum.unwrap_or(0).saturating_add(more));
    }
}

fn missing_tool(tool: &str) -> Diagnostic {
    Diagnostic {
        tool: tool.to_owned(),
        file: None,
        line: None,
        column: None,
        severity: Severity::Error,
        code: Some(MISSING_TOOL.to_owned()),
        message: format!("{tool} isn't installed or isn't on PATH"),
        related: Vec::new(),
        owner: None,
    }
}

/// Runs a plan, step after step. `root` is the work dir, absolute; `timeout` is for all of it.
///
/// The environment is exactly that of `jail`, plus what quietens the tools where it says nothing. After a failed build the rest of the same
/// sub-project is left out; others go on. Steps behind the end of the time count as timed out.
///
/// # Errors
/// If `cancel` came: then nothing is left running. Dropping the future has the same effect.
pub async fn run(
    children: &Children,
    plan: &CheckPlan,
    root: &Path,
    jail: &Jail,
    timeout: Duration,
    cancel: &CancellationToken,
) -> Result<Vec<StepRun>, Cancelled> {
    let deadline = Instant::now().checked_add(timeout);
    let place = Place { children, root, jail, env: jail.env(), cancel };
    let mut runs = Vec::new();
    let mut broken = BTreeSet::new();
    for step in &plan.steps {
        if broken.contains(&step.project) {
            continue;
        }
        let left = deadline.map_or(timeout, |deadline| deadline.saturating_duration_since(Instant::now()));
        let run = place.run(step, left).await?;
        if step.kind == StepKind::Build && !run.success() {
            broken.insert(step.project);
        }
        runs.push(run);
    }
    Ok(runs)
}

struct Place<'a> {
    children: &'a Children,
    root: &'a Path,
    jail: &'a Jail,
    env: &'a BTreeMap<String, String>,
    cancel: &'a CancellationToken,
}

impl Place<'_> {
    async fn run(&self, step: &CheckStep, timeout: Duration) -> Result<StepRun, Cancelled> {
        let path = self.env.get("PATH").map(String::as_str);
        if let Some(missing) = step.requires.iter().find(|tool| find_program(tool, path, self.root).is_none()) {
            return Ok(StepRun::not_run(step, Some(missing.clone()), String::new()));
        }
        if timeout.is_zero() {
            let stderr = "the check's time was over before this step\n".to_owned();
            return Ok(StepRun { ended: Some(Ended::TimedOut), ..StepRun::not_run(step, None, stderr) });
        }
        if let Some(probe) = &step.probe {
            match self.command(step, probe.argv.clone(), timeout.min(PROBE_TIMEOUT)).await {
                Err(RunError::Cancelled) => return Err(Cancelled),
                Ok(output) if output.ended == Ended::Code(0) => {}
                // That the probe's own program is missing, the step itself will say.
                Err(RunError::NotFound(_)) => {}
                _ => return Ok(StepRun::not_run(step, Some(probe.missing.clone()), String::new())),
            }
        }
        let mut argv = step.argv.clone();
        if let (true, Some(program)) = (step.local_bin, argv.first_mut())
            && let Some(local) = local_bin(self.root, &step.dir, program)
        {
            *program = local.to_string_lossy().into_owned();
        }
        let until = Instant::now() + timeout;
        let mut run = self.attempt(step, argv.clone(), timeout).await?;
        for retry in &step.retries {
            let left = until.saturating_duration_since(Instant::now());
            if run.success() || !retry.fits(&run.stderr) || left.is_zero() {
                continue;
            }
            argv.retain(|word| !retry.without.contains(word));
            argv.extend(retry.with.iter().cloned());
            let next = self.attempt(step, argv.clone(), left).await?;
            // Code that doesn't compile is what the first try couldn't even get to: it counts. No dependencies either way doesn't.
            if next.success() || next.ended != Some(Ended::TimedOut) && !retry.fits(&next.stderr) {
                run = next;
            }
        }
        Ok(run)
    }

    async fn attempt(&self, step: &CheckStep, argv: Vec<String>, timeout: Duration) -> Result<StepRun, Cancelled> {
        match self.command(step, argv, timeout).await {
            Ok(output) => Ok(StepRun {
                step: step.clone(),
                ended: Some(output.ended),
                stdout: output.stdout,
                stderr: output.stderr,
                duration_ms: u64::try_from(output.duration.as_millis()).unwrap_or(u64::MAX),
                missing: None,
            }),
            Err(RunError::Cancelled) => Err(Cancelled),
            Err(RunError::NotFound(program)) => Ok(StepRun::not_run(step, Some(program), String::new())),
            Err(error @ (RunError::Spawn { .. } | RunError::Unconfined { .. })) => {
                Ok(StepRun::not_run(step, None, format!("{error}\n")))
            }
        }
    }

    async fn command(
        &self,
        step: &CheckStep,
        argv: Vec<String>,
        timeout: Duration,
    ) -> Result<crate::sandbox::Output, RunError> {
        let mut env = BTreeMap::from([("NO_COLOR".to_owned(), "1".to_owned())]);
        env.extend(step.env.clone());
        env.extend(self.env.clone());
        if let Some(fetched) = self.jail.python_packages() {
            // Behind the step's own, so that nothing fetched stands in for what is in the tree.
            let own = env.get("PYTHONPATH").map(|path| format!("{path}:")).unwrap_or_default();
            env.insert("PYTHONPATH".to_owned(), format!("{own}{}", fetched.display()));
        }
        let dir = if step.dir.is_empty() { self.root.to_path_buf() } else { self.root.join(&step.dir) };
        let root = self.root.to_path_buf();
        let confinement = Some(Arc::clone(&self.jail.confinement));
        let command =
            Command { argv, dir, root, env, timeout, output_limit: OUTPUT_LIMIT, input: Vec::new(), confinement };
        self.children.run(command, self.cancel).await
    }
}

/// The nearest `node_modules/.bin/NAME`, from a dir up to the work dir.
fn local_bin(root: &Path, dir: &str, name: &str) -> Option<PathBuf> {
    let dir = if dir.is_empty() { root.to_path_buf() } else { root.join(dir) };
    dir.ancestors()
        .take_while(|above| above.starts_with(root))
        .map(|above| above.join("node_modules/.bin").join(name))
        .find(|file| file.is_file())
}

/// The text of `_build_iterN.log`: for each step the command and how it ended, then both streams.
#[must_use]
pub fn log(steps: &[StepRun]) -> String {
    let mut text = String::new();
    for run in steps {
        let how = match (&run.missing, run.ended) {
            (Some(missing), _) => format!("not run: {missing} isn't installed or isn't on PATH"),
            (None, None) => "not run".to_owned(),
            (None, Some(Ended::Code(code))) => format!("exit status {code}"),
            (None, Some(Ended::Signal(signal))) => format!("killed by signal {signal}"),
            (None, Some(Ended::TimedOut)) => "killed: its time was over".to_owned(),
        };
        let blocks = [("stdout", readable(&run.stdout)), ("stderr", run.stderr.clone())];
        // Writing to a string can't fail.
        let _ = writeln!(text, "$ {}\n{how} ({} ms)", run.step.display(), run.duration_ms);
        for (name, block) in blocks {
            let end = if block.is_empty() || block.ends_with('\n') { "" } else { "\n" };
            let _ = write!(text, "=== {name} ===\n{block}{end}");
        }
        text.push('\n');
    }
    text
}

/// What cargo and go say in JSON, as they would have said it to a person; other lines as they are.
fn readable(stdout: &str) -> String {
    let mut text = String::with_capacity(stdout.len());
    for line in stdout.split_inclusive('\n') {
        let message =
            line.starts_with("{\"reason\":").then(|| serde_json::from_str::<serde_json::Value>(line).ok()).flatten();
        match message {
            Some(message) => text.push_str(message["message"]["rendered"].as_str().unwrap_or_default()),
            None => text.push_str(line),
        }
    }
    diagnostics::readable(&text)
}
