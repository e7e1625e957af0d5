//! JavaScript and TypeScript: scripts of `package.json` with the package manager that the lock file names, `tsc`, and plain `node`.

use serde_json::Value;

use super::{CheckStep, Project, StepKind, Survey, nearest, parent, relative};
use crate::relpath::RelPath;

/// Lock file → package manager.
const LOCKS: &[(&str, &str)] =
    &[("pnpm-lock.yaml", "pnpm"), ("yarn.lock", "yarn"), ("bun.lock", "bun"), ("bun.lockb", "bun")];

/// Dirs that hold what a build made.
const MADE: &[&str] = &["dist", "build", "out", "coverage"];

pub(super) fn detect(survey: &Survey<'_>, found: &[Project]) -> Vec<Project> {
    let packages = survey.dirs_with(&["package.json"]);
    let manifest = |dir: &str| -> Value {
        survey.text_at(dir, "package.json").and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
    };
    let workspaces: Vec<&str> = packages
        .iter()
        .copied()
        .filter(|dir| !manifest(dir)["workspaces"].is_null() || survey.has(dir, "pnpm-workspace.yaml"))
        .collect();
    // What lies in a workspace is installed, built and tested from its top.
    let mut dirs: Vec<&str> =
        packages.iter().copied().filter(|dir| dir.is_empty() || nearest(&workspaces, parent(dir)).is_none()).collect();
    let mut projects: Vec<Project> = dirs.iter().map(|dir| package(survey, dir, &manifest(dir), &dirs)).collect();
    for dir in survey.dirs_with(&["tsconfig.json"]) {
        if nearest(&dirs, dir).is_none() {
            projects.push(Project { dir: dir.to_owned(), steps: vec![tsc(dir)] });
            dirs.push(dir);
        }
    }
    let loose = own_sources(survey, "", &dirs, false);
    if loose.iter().any(|path| nearest(&dirs, path.parent()).is_none()) {
        let mut steps = plain(survey, "", &loose, false);
        let needs = found.is_empty() && projects.is_empty();
        steps.iter_mut().for_each(|step| step.needs = needs);
        projects.push(Project { dir: String::new(), steps });
    }
    projects
}

fn package(survey: &Survey<'_>, dir: &str, manifest: &Value, dirs: &[&str]) -> Project {
    let manager = LOCKS.iter().find(|(lock, _)| survey.has(dir, lock)).map_or("npm", |(_, manager)| manager);
    let script = |name: &str| {
        let script = manifest["scripts"][name].as_str().unwrap_or_default().trim();
        (!script.is_empty() && !script.contains("no test specified")).then_some(script)
    };
    let step = |kind, argv: &[&str]| CheckStep::new(kind, manager, dir, argv).env("CI", "1");
    let mut steps = Vec::new();
    let has_entries = |key: &str| manifest[key].as_object().is_some_and(|entries| !entries.is_empty());
    if has_entries("dependencies") || has_entries("devDependencies") || !manifest["workspaces"].is_null() {
        // Scripts of packages from elsewhere don't run; with everything in place it takes a moment and no network.
        let mut install = vec![manager, "install", "--ignore-scripts"];
        if manager == "npm" {
            install.extend(["--no-audit", "--no-fund", "--prefer-offline"]);
        }
        steps.push(step(StepKind::Build, &install));
    }
    let build = script("build");
    if survey.has(dir, "tsconfig.json") && !build.is_some_and(|script| script.contains("tsc")) {
        steps.push(CheckStep { needs: build.is_none(), ..tsc(dir) });
    }
    if build.is_some() {
        steps.push(step(StepKind::Build, &[manager, "run", "build"]));
    }
    let module = manifest["type"] == "module";
    let sources = own_sources(survey, dir, dirs, module);
    let mut own = plain(survey, dir, &sources, script("test").is_some());
    if build.is_some() || survey.has(dir, "tsconfig.json") {
        own.retain(|step| step.kind == StepKind::Test);
    }
    steps.extend(own);
    if survey.tests && script("test").is_some() {
        steps.push(step(StepKind::Test, &[manager, "run", "test"]));
    }
    Project { dir: dir.to_owned(), steps }
}

fn tsc(dir: &str) -> CheckStep {
    let argv = ["tsc", "--noEmit", "--pretty", "false", "-p", "."];
    CheckStep { local_bin: true, ..CheckStep::new(StepKind::Build, "tsc", dir, &argv) }
}

/// Sources of this package that node can check: not those that use `import` where node takes a file for a script.
fn own_sources<'a>(survey: &Survey<'a>, dir: &str, dirs: &[&str], module: bool) -> Vec<&'a RelPath> {
    let top = nearest(dirs, dir);
    survey
        .below(dir)
        .filter(|path| nearest(dirs, path.parent()) == top)
        .filter(|path| !relative(path.parent(), dir).split('/').any(|part| MADE.contains(&part)))
        .filter(|path| match path.extension() {
            "mjs" | "cjs" => true,
            "js" => module || !is_module(&survey.text(path)),
            _ => false,
        })
        .collect()
}

fn is_module(text: &str) -> bool {
    text.lines().any(|line| line.starts_with("import ") || line.starts_with("import{") || line.starts_with("export "))
}

fn plain(survey: &Survey<'_>, dir: &str, sources: &[&RelPath], has_test_script: bool) -> Vec<CheckStep> {
    let names: Vec<&str> = sources.iter().map(|path| relative(path.as_str(), dir)).collect();
    if names.is_empty() {
        return Vec::new();
    }
    // node looks at one file per call.
    let each = r#"s=0; for f do node --check "$f" || s=1; done; exit $s"#;
    let argv = [&["sh", "-c", each, "sh"], names.as_slice()].concat();
    let label =
        format!("node --check {}", super::super::typed(&names.iter().map(|&n| n.to_owned()).collect::<Vec<_>>()));
    let check = CheckStep {
        requires: vec!["node".to_owned()],
        label: Some(label),
        ..CheckStep::new(StepKind::Build, "node", dir, &argv)
    };
    let is_test =
        |path: &&RelPath| path.file_name().contains(".test.") || path.parent().rsplit('/').next() == Some("test");
    let mut steps = vec![check];
    if survey.tests && !has_test_script && sources.iter().any(is_test) {
        steps.push(CheckStep::new(StepKind::Test, "node", dir, &["node", "--test"]));
    }
    steps
}
