//! What to run for a tree. Pure: a list of files and a function that reads one.
//!
//! One file per family of toolchains, one line each in `ROWS`. To add a toolchain, write a function that returns a list of steps
//! per sub-project and add it there.

mod cargo;
mod go;
mod jvm;
mod manifests;
mod native;
mod node;
mod python;
#[cfg(test)]
mod tests;

use proto::report::CheckSource;

use super::{CheckPlan, CheckStep, StepKind};
use crate::plan::CheckHint;
use crate::relpath::RelPath;
use crate::workspace::TreeFile;

pub(super) use manifests::imports as go_imports;
pub use manifests::missing_manifests;

/// What the caller wants.
#[derive(Clone, Copy, Debug)]
pub struct DetectOptions<'a> {
    /// Whether tests are part of the check.
    pub tests: bool,
    /// What the planner proposed. It may add tests of a tool that was found anyway, and never replaces anything.
    pub hint: &'a CheckHint,
}

/// Steps of one sub-project.
struct Project {
    dir: String,
    steps: Vec<CheckStep>,
}

type Row = fn(&Survey<'_>, found: &[Project]) -> Vec<Project>;

/// The toolchains. Those that others may wrap, or that need no manifest, stand last and see what was found before.
const ROWS: &[Row] =
    &[go::detect, cargo::detect, jvm::detect, native::cmake, node::detect, python::detect, native::make, native::bare];

/// Dirs whose content isn't the project's own.
const FOREIGN: &[&str] = &[
    "node_modules",
    "vendor",
    "target",
    "venv",
    ".venv",
    "site-packages",
    "__pycache__",
    "testdata",
    ".git",
    BUILD_DIR,
];

/// Where builds go that need a dir of their own. Hidden, and no model may write there.
const BUILD_DIR: &str = ".et-build";

/// Says how to check a tree. None if there is nothing in it that one of the known tools could build.
///
/// `read` returns the content of a file of the tree, none if it isn't text.
#[must_use]
pub fn detect(
    tree: &[TreeFile],
    read: &dyn Fn(&RelPath) -> Option<String>,
    options: &DetectOptions<'_>,
) -> Option<CheckPlan> {
    let survey = Survey::new(tree, read, options.tests);
    let mut found: Vec<Project> = Vec::new();
    for row in ROWS {
        let more = row(&survey, &found);
        found.extend(more.into_iter().filter(|project| !project.steps.is_empty()));
    }
    add_hint(&mut found, options);
    let numbered = (0..)
        .zip(found)
        .flat_map(|(number, project)| project.steps.into_iter().map(move |step| CheckStep { project: number, ..step }));
    let steps: Vec<CheckStep> = numbered.collect();
    (!steps.is_empty()).then_some(CheckPlan { source: CheckSource::Detected, steps })
}

/// Adds the planner's test command where its tool has a project at the top and no tests of it were found. Only tools for which
/// a test run without tests is no failure: a hint alone must not turn a check red.
fn add_hint(found: &mut [Project], options: &DetectOptions<'_>) {
    let [program, verb, ..] = options.hint.test.as_slice() else { return };
    if !options.tests || !matches!((program.as_str(), verb.as_str()), ("go" | "cargo", "test")) {
        return;
    }
    let own = |step: &CheckStep| step.tool == *program;
    if let Some(project) = found.iter_mut().find(|project| project.dir.is_empty() && project.steps.iter().any(own))
        && !project.steps.iter().any(|step| step.kind == StepKind::Test)
    {
        let env = project.steps.first().map(|step| step.env.clone()).unwrap_or_default();
        let step = CheckStep::new(StepKind::Test, program, "", &[program, verb]);
        let mut argv = options.hint.test.clone();
        if program == "go" && !argv.iter().any(|word| word == "-json") {
            argv.insert(2, "-json".to_owned());
        }
        project.steps.push(CheckStep { argv, env, label: Some(super::typed(&options.hint.test)), ..step });
    }
}

/// The tree as the rows see it.
struct Survey<'a> {
    all: &'a [TreeFile],
    files: Vec<&'a RelPath>,
    read: &'a dyn Fn(&RelPath) -> Option<String>,
    tests: bool,
}

impl<'a> Survey<'a> {
    fn new(tree: &'a [TreeFile], read: &'a dyn Fn(&RelPath) -> Option<String>, tests: bool) -> Self {
        let own = |path: &&RelPath| !path.parent().split('/').any(|part| FOREIGN.contains(&part));
        let mut files: Vec<&RelPath> = tree.iter().map(|file| &file.path).filter(own).collect();
        files.sort_unstable();
        Self { all: tree, files, read, tests }
    }

    fn text(&self, path: &RelPath) -> String {
        (self.read)(path).unwrap_or_default()
    }

    fn text_at(&self, dir: &str, name: &str) -> Option<String> {
        let wanted = join(dir, name);
        self.files.iter().find(|path| path.as_str() == wanted).map(|path| self.text(path))
    }

    fn has(&self, dir: &str, name: &str) -> bool {
        let wanted = join(dir, name);
        self.files.iter().any(|path| path.as_str() == wanted)
    }

    /// Like [`Survey::has`], for dirs whose content isn't the project's own too.
    fn has_foreign(&self, dir: &str, name: &str) -> bool {
        let wanted = join(dir, name);
        self.all.iter().any(|file| file.path.as_str() == wanted)
    }

    /// Files at or below a dir.
    fn below(&self, dir: &str) -> impl Iterator<Item = &'a RelPath> {
        self.files.iter().copied().filter(move |path| is_below(path.parent(), dir))
    }

    /// Dirs that hold a file of one of these names, in order, those above first.
    fn dirs_with(&self, names: &[&str]) -> Vec<&'a str> {
        let mut dirs: Vec<&str> =
            self.files.iter().filter(|path| names.contains(&path.file_name())).map(|path| path.parent()).collect();
        dirs.sort_unstable();
        dirs.dedup();
        dirs
    }

    /// The same without those that lie below another one.
    fn outermost_with(&self, names: &[&str]) -> Vec<&'a str> {
        let dirs = self.dirs_with(names);
        dirs.iter().copied().filter(|dir| nearest(&dirs, parent(dir)).is_none() || dir.is_empty()).collect()
    }

    /// Whether a file's text fulfils something, for any of these files.
    fn any_text<'b>(&self, mut files: impl Iterator<Item = &'b RelPath>, test: impl Fn(&str) -> bool) -> bool {
        files.any(|path| test(&self.text(path)))
    }
}

fn join(dir: &str, name: &str) -> String {
    if dir.is_empty() { name.to_owned() } else { format!("{dir}/{name}") }
}

fn parent(dir: &str) -> &str {
    dir.rsplit_once('/').map_or("", |(above, _)| above)
}

/// Whether `dir` is `top` or below it.
fn is_below(dir: &str, top: &str) -> bool {
    top.is_empty() || dir == top || dir.strip_prefix(top).is_some_and(|rest| rest.starts_with('/'))
}

/// The innermost of `dirs` that `dir` is in.
fn nearest<'a>(dirs: &[&'a str], dir: &str) -> Option<&'a str> {
    dirs.iter().copied().filter(|top| is_below(dir, top)).max_by_key(|top| top.len())
}

/// A path below `dir`, relative to it.
fn relative<'a>(path: &'a str, dir: &str) -> &'a str {
    path.strip_prefix(dir).map_or(path, |rest| rest.trim_start_matches('/'))
}
