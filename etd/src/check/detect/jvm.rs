//! Java and its kin: Maven, Gradle, and `javac` for sources without either.

use super::{BUILD_DIR, CheckStep, Project, StepKind, Survey};

const MAVEN: &[&str] = &["pom.xml"];
const GRADLE: &[&str] = &["build.gradle", "build.gradle.kts", "settings.gradle", "settings.gradle.kts"];

pub(super) fn detect(survey: &Survey<'_>, _: &[Project]) -> Vec<Project> {
    let mut projects = Vec::new();
    for dir in survey.outermost_with(MAVEN) {
        projects.push(project(survey, dir, "mvn", &["mvn", "-q", "-B", "test-compile"], &["mvn", "-q", "-B", "test"]));
    }
    for dir in survey.outermost_with(GRADLE).into_iter().filter(|dir| !survey.has(dir, "pom.xml")) {
        let program = if survey.has(dir, "gradlew") { "./gradlew" } else { "gradle" };
        let build = [program, "--console=plain", "-q", "assemble", "testClasses"];
        projects.push(project(survey, dir, "gradle", &build, &[program, "--console=plain", "-q", "test"]));
    }
    let bare: Vec<&str> =
        survey.below("").filter(|path| path.extension() == "java").map(|path| path.as_str()).collect();
    if projects.is_empty() && !bare.is_empty() {
        let mut argv = vec!["javac", "-Xlint", "-d", BUILD_DIR];
        argv.extend(bare);
        projects.push(Project { dir: String::new(), steps: vec![CheckStep::new(StepKind::Build, "javac", "", &argv)] });
    }
    projects
}

fn project(survey: &Survey<'_>, dir: &str, tool: &str, build: &[&str], test: &[&str]) -> Project {
    let has_tests = survey.below(dir).any(|path| path.as_str().contains("src/test/"));
    let mut steps = vec![CheckStep::new(StepKind::Build, tool, dir, build)];
    if survey.tests && has_tests {
        steps.push(CheckStep::new(StepKind::Test, tool, dir, test));
    }
    Project { dir: dir.to_owned(), steps }
}
