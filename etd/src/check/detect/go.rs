//! Go: build, vet, test per module.

use super::{CheckStep, Project, StepKind, Survey, nearest};

pub(super) fn detect(survey: &Survey<'_>, _: &[Project]) -> Vec<Project> {
    let mut modules = survey.dirs_with(&["go.mod"]);
    let sources: Vec<_> = survey.files.iter().filter(|path| path.extension() == "go").collect();
    if sources.iter().any(|path| nearest(&modules, path.parent()).is_none()) {
        modules.insert(0, "");
    }
    let workspace = !survey.dirs_with(&["go.work"]).is_empty();
    modules
        .iter()
        .map(|&dir| {
            let own: Vec<_> = sources.iter().filter(|path| nearest(&modules, path.parent()) == Some(dir)).collect();
            if own.is_empty() {
                return Project { dir: dir.to_owned(), steps: Vec::new() };
            }
            // Models rarely write go.sum. Not in a workspace, where the flag is refused, nor past what is vendored.
            let fixed = workspace || survey.has_foreign(dir, "vendor/modules.txt");
            let tidy = |step: CheckStep| if fixed { step } else { step.env("GOFLAGS", "-mod=mod") };
            let step = |kind, argv: &[&str]| tidy(CheckStep::new(kind, "go", dir, argv).env("GOTOOLCHAIN", "local"));
            // With one main package `go build ./...` leaves a binary in the tree; to /dev/null it builds the same.
            let mut steps = vec![
                step(StepKind::Build, &["go", "build", "-o", "/dev/null", "./..."]),
                step(StepKind::Lint, &["go", "vet", "./..."]),
            ];
            if survey.tests && own.iter().any(|path| path.file_name().ends_with("_test.go")) {
                // In JSON tests are counted one by one, not by package.
                let test = step(StepKind::Test, &["go", "test", "-json", "./..."]);
                steps.push(CheckStep { label: Some("go test ./...".to_owned()), ..test });
            }
            Project { dir: dir.to_owned(), steps }
        })
        .collect()
}
