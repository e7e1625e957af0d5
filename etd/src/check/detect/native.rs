//! C and C++: CMake, Make, and the compiler alone for sources without either.

use super::{BUILD_DIR, CheckStep, Project, StepKind, Survey, is_below, nearest};

const MAKEFILES: &[&str] = &["Makefile", "makefile", "GNUmakefile"];

pub(super) fn cmake(survey: &Survey<'_>, _: &[Project]) -> Vec<Project> {
    let project = |dir: &str| {
        let step = |kind, tool, argv: &[&str]| CheckStep::new(kind, tool, dir, argv);
        let mut steps = vec![
            step(StepKind::Build, "cmake", &["cmake", "-S", ".", "-B", BUILD_DIR]),
            step(StepKind::Build, "cmake", &["cmake", "--build", BUILD_DIR]),
        ];
        let lists = || survey.below(dir).filter(|path| path.file_name() == "CMakeLists.txt");
        let enabled = |text: &str| {
            let text = text.to_lowercase().replace(' ', "");
            text.contains("enable_testing(") || text.contains("include(ctest)")
        };
        if survey.tests && survey.any_text(lists(), enabled) {
            steps.push(step(StepKind::Test, "ctest", &["ctest", "--test-dir", BUILD_DIR, "--output-on-failure"]));
        }
        Project { dir: dir.to_owned(), steps }
    };
    survey.outermost_with(&["CMakeLists.txt"]).into_iter().map(project).collect()
}

/// A makefile next to, above or below a project that has been found only wraps it.
pub(super) fn make(survey: &Survey<'_>, found: &[Project]) -> Vec<Project> {
    let related = |dir: &str| found.iter().any(|other| is_below(&other.dir, dir) || is_below(dir, &other.dir));
    let project = |dir: &str| {
        let text = MAKEFILES.iter().find_map(|name| survey.text_at(dir, name)).unwrap_or_default();
        let mut steps = vec![
            // With -k one build tells what is wrong with every file, not with the first one.
            CheckStep::new(StepKind::Build, "make", dir, &["make", "-k"]),
        ];
        if let Some(target) = ["test", "check"].into_iter().find(|target| survey.tests && has_target(&text, target)) {
            steps.push(CheckStep::new(StepKind::Test, "make", dir, &["make", target]));
        }
        Project { dir: dir.to_owned(), steps }
    };
    survey.outermost_with(MAKEFILES).into_iter().filter(|dir| !related(dir)).map(project).collect()
}

/// Whether a makefile has a rule with this target (`test:`, `check test: all`), not a variable of that name (`test := x`).
fn has_target(makefile: &str, target: &str) -> bool {
    makefile.lines().filter(|line| !line.starts_with(['\t', '#', ' '])).any(|line| {
        line.split_once(':').is_some_and(|(targets, rest)| {
            !rest.starts_with('=')
                && !rest.starts_with(":=")
                && !targets.contains('=')
                && targets.split_whitespace().any(|word| word == target)
        })
    })
}

/// Sources that nobody builds are at least read by the compiler.
pub(super) fn bare(survey: &Survey<'_>, found: &[Project]) -> Vec<Project> {
    let built: Vec<&str> = found.iter().map(|project| project.dir.as_str()).collect();
    let sources = |extensions: &[&str]| -> Vec<&str> {
        survey
            .files
            .iter()
            .filter(|path| extensions.contains(&path.extension()) && nearest(&built, path.parent()).is_none())
            .map(|path| path.as_str())
            .collect()
    };
    let mut include = vec!["-I."];
    for (dir, flag) in [("include", "-Iinclude"), ("src", "-Isrc")] {
        include.extend(survey.below(dir).next().map(|_| flag));
    }
    let mut steps = Vec::new();
    for (program, files) in [("gcc", sources(&["c"])), ("g++", sources(&["cc", "cpp", "cxx"]))] {
        if !files.is_empty() {
            let argv = [&[program, "-fsyntax-only", "-Wall"], include.as_slice(), files.as_slice()].concat();
            steps.push(CheckStep::new(StepKind::Build, "gcc", "", &argv));
        }
    }
    vec![Project { dir: String::new(), steps }]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_told_from_variables() {
        let table = [
            ("all: x\ntest: all\n\t./t\n", true),
            ("check test : all\n", true),
            (".PHONY: test\n", false),
            ("test := a\ntest ::= b\ntest = a:b\n", false),
            ("\ttest: x\n# test: y\n", false),
            ("tests: x\n", false),
        ];
        for (text, expected) in table {
            assert_eq!(has_target(text, "test"), expected, "{text:?}");
        }
    }
}
