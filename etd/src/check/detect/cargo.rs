//! Rust with cargo: build, then the tests, per package or workspace.

use super::{CheckStep, Project, StepKind, Survey, nearest, parent};
use crate::check::Retry;

/// What cargo says when it can't reach the registry, and when the cache isn't enough without it.
const UNREACHABLE: &[&str] =
    &["failed to get `", "failed to download", "spurious network error", "you're using offline mode"];

/// Shows the errors of all targets, not just of the one that fails first. Before 1.74 cargo doesn't know it.
const ALL_ERRORS: &str = "--keep-going";

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

/// Without a network the crates that are in the cache have to do.
fn offline() -> Retry {
    Retry { when: words(UNREACHABLE), without: Vec::new(), with: words(&["--offline"]) }
}

pub(super) fn detect(survey: &Survey<'_>, _: &[Project]) -> Vec<Project> {
    let manifests = survey.dirs_with(&["Cargo.toml"]);
    let is_workspace = |dir: &str| {
        survey.text_at(dir, "Cargo.toml").is_some_and(|text| text.lines().any(|line| line.trim() == "[workspace]"))
    };
    let workspaces: Vec<&str> = manifests.iter().copied().filter(|dir| is_workspace(dir)).collect();
    // What lies in a workspace is built with it.
    let tops = manifests.iter().copied().filter(|dir| dir.is_empty() || nearest(&workspaces, parent(dir)).is_none());
    tops.map(|dir| {
        let step = |kind, argv: &[&str]| {
            let step = CheckStep::new(kind, "cargo", dir, argv);
            step.env("CARGO_TERM_COLOR", "never").env("CARGO_TERM_PROGRESS_WHEN", "never")
        };
        let whole: &[&str] = if workspaces.contains(&dir) { &["--workspace"] } else { &[] };
        let own = || survey.below(dir).filter(|path| path.extension() == "rs");
        let in_tests_dir = own().any(|path| path.parent().rsplit('/').next() == Some("tests"));
        let tests = survey.tests && (in_tests_dir || survey.any_text(own(), |text| text.contains("test]")));
        let mut build = vec!["cargo", "build", "--message-format=json", ALL_ERRORS];
        build.extend(whole);
        // The code of the tests is built here too, where its errors come in a form that is read exactly.
        build.extend(tests.then_some("--all-targets"));
        let unknown = Retry { when: words(&[ALL_ERRORS]), without: words(&[ALL_ERRORS]), with: Vec::new() };
        let build = step(StepKind::Build, &build);
        let mut steps = vec![CheckStep { retries: vec![unknown, offline()], ..build }];
        if tests {
            let mut test = vec!["cargo", "test", "--no-fail-fast"];
            test.extend(whole);
            steps.push(CheckStep { retries: vec![offline()], ..step(StepKind::Test, &test) });
        }
        Project { dir: dir.to_owned(), steps }
    })
    .collect()
}
