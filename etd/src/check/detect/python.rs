//! Python: every file is compiled, then pytest or unittest where there are tests.

use std::collections::BTreeSet;

use super::{CheckStep, Project, StepKind, Survey, nearest, parent, relative};
use crate::check::Probe;
use crate::relpath::RelPath;

const MANIFESTS: &[&str] = &["pyproject.toml", "setup.py", "setup.cfg", "requirements.txt", "Pipfile"];

/// What `compileall` does, without leaving `.pyc` files in the tree. `-I`: nothing of the tree is imported by it.
const COMPILE: &str = "import sys, traceback, warnings
warnings.simplefilter('ignore')
bad = 0
for name in sys.argv[1:]:
    try:
        with open(name, 'rb') as file:
            compile(file.read(), name, 'exec', dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        bad = 1
        traceback.print_exception(type(error), error, None)
sys.exit(bad)";

pub(super) fn detect(survey: &Survey<'_>, found: &[Project]) -> Vec<Project> {
    let sources: Vec<&RelPath> = survey.files.iter().copied().filter(|path| path.extension() == "py").collect();
    let mut dirs = survey.outermost_with(MANIFESTS);
    let loose = sources.iter().any(|path| nearest(&dirs, path.parent()).is_none());
    if loose {
        dirs.push("");
    }
    let project = |&dir: &&str| {
        let own: Vec<&RelPath> =
            sources.iter().copied().filter(|path| nearest(&dirs, path.parent()) == Some(dir)).collect();
        let mut steps = steps(survey, dir, &own);
        // A script beside another language's project isn't what its check stands or falls with.
        if loose && dir.is_empty() && !found.is_empty() {
            steps.iter_mut().for_each(|step| step.needs = false);
        }
        Project { dir: dir.to_owned(), steps }
    };
    dirs.iter().map(project).collect()
}

fn steps(survey: &Survey<'_>, dir: &str, own: &[&RelPath]) -> Vec<CheckStep> {
    if own.is_empty() {
        return Vec::new();
    }
    let names: Vec<&str> = own.iter().map(|path| relative(path.as_str(), dir)).collect();
    let argv = [&["python3", "-I", "-c", COMPILE], names.as_slice()].concat();
    let compile = CheckStep {
        label: Some("python3 -m compileall -q .".to_owned()),
        ..CheckStep::new(StepKind::Build, "python", dir, &argv)
    };
    let mut steps = vec![compile];
    let is_test = |path: &&&RelPath| {
        let name = path.file_name();
        name.starts_with("test_") || name.ends_with("_test.py")
    };
    let tests: Vec<&RelPath> = own.iter().filter(is_test).copied().collect();
    if !survey.tests || tests.is_empty() {
        return steps;
    }
    // The layout with `src/` works uninstalled only this way.
    let source_dir = super::join(dir, "src");
    let has_source_dir = own.iter().any(|path| super::is_below(path.parent(), &source_dir));
    let step = |tool, argv: &[&str]| {
        let step = CheckStep::new(StepKind::Test, tool, dir, argv).env("PYTHONDONTWRITEBYTECODE", "1");
        if has_source_dir { step.env("PYTHONPATH", "src") } else { step }
    };
    let pytest = ["python3", "-m", "pytest", "-q", "--color=no", "-p", "no:cacheprovider"];
    // Tests that know nothing of unittest can't be run by it: it would find none and be content.
    let needs_pytest = tests.iter().any(|path| {
        let text = survey.text(path);
        text.contains("pytest") || !text.contains("unittest")
    });
    if needs_pytest {
        let probe = ["python3", "-c", "import pytest"].map(str::to_owned).to_vec();
        let probe = Probe { argv: probe, missing: "pytest".to_owned() };
        steps.push(CheckStep { probe: Some(probe), ..step("pytest", &pytest) });
    } else {
        let commands = unittest_commands(survey, dir, &tests);
        steps.extend(commands.iter().map(|argv| step("unittest", argv)));
    }
    steps
}

/// Discovery per dir that isn't a package, and per naming pattern.
fn unittest_commands<'a>(survey: &Survey<'_>, dir: &str, tests: &[&'a RelPath]) -> Vec<Vec<&'a str>> {
    let start = |path: &&'a RelPath| {
        let mut top = path.parent();
        while top != dir && survey.has(top, "__init__.py") {
            top = parent(top);
        }
        (relative(top, dir), path.file_name().starts_with("test"))
    };
    let starts: BTreeSet<(&str, bool)> = tests.iter().map(start).collect();
    let command = |(start, usual): (&'a str, bool)| {
        let mut argv = vec!["python3", "-m", "unittest", "discover"];
        if !start.is_empty() {
            argv.extend(["-s", start]);
        }
        if !usual {
            argv.extend(["-p", "*_test.py"]);
        }
        argv
    };
    starts.into_iter().map(command).collect()
}
