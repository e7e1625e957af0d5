//! A tree and what is run for it, row by row.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::collections::BTreeMap;

use super::*;

type Files<'a> = &'a [(&'a str, &'a str)];

fn plan(files: Files<'_>, tests: bool, hint: &[&str]) -> Option<CheckPlan> {
    let texts: BTreeMap<RelPath, String> =
        files.iter().map(|(path, text)| (RelPath::parse(path).unwrap(), (*text).to_owned())).collect();
    let tree: Vec<TreeFile> = texts.keys().map(|path| TreeFile { path: path.clone(), bytes: 1 }).collect();
    let hint = CheckHint { build: Vec::new(), test: hint.iter().map(|&word| word.to_owned()).collect() };
    detect(&tree, &|path| texts.get(path).cloned(), &DetectOptions { tests, hint: &hint })
}

fn shown(files: Files<'_>) -> String {
    plan(files, true, &[]).map_or_else(|| "nothing".to_owned(), |plan| plan.display())
}

const GO: &str = "go build -o /dev/null ./... && go vet ./...";
const PYTHON: &str = "python3 -m compileall -q .";
const PYTEST: &str = "python3 -m pytest -q --color=no -p no:cacheprovider";
const CMAKE: &str = "cmake -S . -B .et-build && cmake --build .et-build";
const INSTALL: &str = "npm install --ignore-scripts --no-audit --no-fund --prefer-offline";
const TSC: &str = "tsc --noEmit --pretty false -p .";

#[test]
fn each_toolchain_is_found_by_its_files() {
    let table: &[(Files<'_>, String)] = &[
        (&[("README.md", "x"), ("a.txt", "")], "nothing".into()),
        // Go
        (&[("go.mod", ""), ("main.go", "")], GO.into()),
        (&[("main.go", "")], GO.into()),
        (&[("go.mod", "")], "nothing".into()),
        (&[("go.mod", ""), ("a/a_test.go", "")], format!("{GO} && go test ./...")),
        (
            &[("api/go.mod", ""), ("api/a.go", ""), ("cli/go.mod", ""), ("cli/a_test.go", "")],
            "(cd api && go build -o /dev/null ./...) && (cd api && go vet ./...) && (cd cli && go build -o /dev/null ./...) \
             && (cd cli && go vet ./...) && (cd cli && go test ./...)"
                .into(),
        ),
        (&[("go.mod", ""), ("a.go", ""), ("vendor/x/x_test.go", ""), ("Makefile", "test:")], GO.into()),
        // Rust
        (&[("Cargo.toml", ""), ("src/main.rs", "fn main() {}")], "cargo build --message-format=json --keep-going".into()),
        (
            &[("Cargo.toml", ""), ("src/lib.rs", "#[test]")],
            "cargo build --message-format=json --keep-going --all-targets && cargo test --no-fail-fast".into(),
        ),
        (
            &[("Cargo.toml", "[workspace]\nmembers = [\"a\"]"), ("a/Cargo.toml", ""), ("a/tests/t.rs", "")],
            "cargo build --message-format=json --keep-going --workspace --all-targets && cargo test --no-fail-fast --workspace".into(),
        ),
        // JavaScript and TypeScript
        (&[("a.js", ""), ("b c.mjs", "")], "node --check a.js 'b c.mjs'".into()),
        (&[("web/a.js", "import x from 'x'"), ("go.mod", ""), ("a.go", "")], GO.into()),
        (&[("package.json", r#"{"type":"module"}"#), ("a.js", "import x")], "node --check a.js".into()),
        (
            &[("package.json", r#"{"scripts":{"test":"echo no test specified"}}"#), ("a.test.js", "")],
            "node --check a.test.js && node --test".into(),
        ),
        (
            &[("package.json", r#"{"scripts":{"build":"vite build","test":"vitest"},"dependencies":{"x":"1"}}"#), ("a.js", "")],
            format!("{INSTALL} && npm run build && npm run test"),
        ),
        (
            &[("package.json", r#"{"devDependencies":{"x":"1"}}"#), ("tsconfig.json", ""), ("pnpm-lock.yaml", "")],
            format!("pnpm install --ignore-scripts && {TSC}"),
        ),
        (&[("tsconfig.json", ""), ("a.ts", "")], TSC.into()),
        (&[("package.json", "not json"), ("a.js", "")], "node --check a.js".into()),
        // Python
        (&[("a.py", ""), (".venv/b/test_x.py", "")], PYTHON.into()),
        (&[("a.py", ""), ("tests/test_a.py", "def test_a(): pass")], format!("{PYTHON} && {PYTEST}")),
        (
            &[("a.py", ""), ("test_a.py", "import unittest"), ("tests/b_test.py", "import unittest")],
            format!("{PYTHON} && python3 -m unittest discover && python3 -m unittest discover -s tests -p '*_test.py'"),
        ),
        (
            &[("tests/__init__.py", ""), ("tests/test_a.py", "import unittest")],
            format!("{PYTHON} && python3 -m unittest discover"),
        ),
        (&[("py/setup.py", ""), ("py/a.py", "")], format!("(cd py && {PYTHON})")),
        // C and C++
        (&[("Makefile", "all:\n"), ("a.c", "")], "make -k".into()),
        (&[("Makefile", "all:\ncheck: all\n"), ("a.c", "")], "make -k && make check".into()),
        (&[("CMakeLists.txt", "project(x)"), ("a.c", ""), ("Makefile", "")], CMAKE.into()),
        (
            &[("CMakeLists.txt", "Enable_Testing ()"), ("lib/CMakeLists.txt", "")],
            format!("{CMAKE} && ctest --test-dir .et-build --output-on-failure"),
        ),
        (
            &[("src/a.c", ""), ("b.cpp", ""), ("include/a.h", "")],
            "gcc -fsyntax-only -Wall -I. -Iinclude -Isrc src/a.c && g++ -fsyntax-only -Wall -I. -Iinclude -Isrc b.cpp".into(),
        ),
        // Java
        (&[("pom.xml", ""), ("src/test/java/T.java", "")], "mvn -q -B test-compile && mvn -q -B test".into()),
        (&[("build.gradle", ""), ("gradlew", "")], "./gradlew --console=plain -q assemble testClasses".into()),
        (&[("A.java", "")], "javac -Xlint -d .et-build A.java".into()),
    ];
    for (files, expected) in table {
        assert_eq!(shown(files), *expected, "{files:?}");
    }
}

#[test]
fn several_projects_stand_beside_each_other() {
    let files = [
        ("server/go.mod", ""),
        ("server/a.go", ""),
        ("web/package.json", "{}"),
        ("web/tsconfig.json", ""),
        ("tool.py", ""),
    ];
    let plan = plan(&files, true, &[]).unwrap();
    let steps: Vec<_> = plan.steps.iter().map(|s| (s.tool.as_str(), s.dir.as_str(), s.project, s.needs)).collect();
    assert_eq!(
        steps,
        [("go", "server", 0, true), ("go", "server", 0, true), ("tsc", "web", 1, true), ("python", "", 2, false)]
    );
}

#[test]
fn without_tests_none_are_run() {
    let trees: &[Files<'_>] = &[
        &[("go.mod", ""), ("a_test.go", "")],
        &[("Cargo.toml", ""), ("tests/a.rs", "#[test]")],
        &[("package.json", r#"{"scripts":{"test":"jest"}}"#), ("a.js", "")],
        &[("test_a.py", "")],
        &[("Makefile", "test:")],
        &[("CMakeLists.txt", "enable_testing()")],
        &[("pom.xml", ""), ("src/test/java/T.java", "")],
    ];
    for files in trees {
        let without = plan(files, false, &["go", "test", "./..."]).unwrap();
        assert!(without.steps.iter().all(|step| step.kind != StepKind::Test), "{files:?}");
        let with = plan(files, true, &[]).unwrap();
        assert_eq!(with.steps.iter().filter(|step| step.kind == StepKind::Test).count(), 1, "{files:?}");
    }
}

#[test]
fn the_planners_hint_only_adds() {
    let go: Files<'_> = &[("go.mod", ""), ("a.go", "")];
    let tested: Files<'_> = &[("go.mod", ""), ("a_test.go", "")];
    let race = &["go", "test", "-race", "./..."];
    let table: &[(Files<'_>, &[&str], String)] = &[
        (go, race, format!("{GO} && go test -race ./...")),
        (tested, race, format!("{GO} && go test ./...")),
        (go, &["cargo", "test"], GO.into()),
        (go, &["go", "run", "."], GO.into()),
        (go, &["sh", "-c", "true"], GO.into()),
        (&[("a.py", "")], &["python3", "-c", "x"], PYTHON.into()),
    ];
    for (files, hint, expected) in table {
        assert_eq!(plan(files, true, hint).unwrap().display(), *expected, "{files:?} {hint:?}");
    }
    assert_eq!(plan(&[("README.md", "")], true, race), None);
}
