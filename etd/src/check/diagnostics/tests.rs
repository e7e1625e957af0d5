#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]
//! Captured output of real tools on small broken projects (`samples/`), and what a careful reader takes from it.

use proptest::prelude::*;
use proto::diagnostic::{Diagnostic, Severity};

use super::{Paths, Reading, ToolOutput, read};
use crate::relpath::RelPath;

macro_rules! sample {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/check/diagnostics/samples/", $name, ".txt"))
    };
}

mod compilers;
mod floods;
mod forms;
mod go;
mod runners;
mod rust;

fn paths(files: &[&str]) -> Paths {
    Paths::new("/w/proj", files.iter().map(|file| RelPath::parse(file).unwrap()).collect())
}

fn reading(tool: &str, sample: &str, files: &[&str]) -> Reading {
    let (stdout, stderr) = sample.split_once("=== stderr ===\n").unwrap_or((sample, ""));
    let apart = read(&ToolOutput { tool, stdout, stderr, dir: "/w/proj", success: false }, &paths(files));
    // A script may send both into one stream: nothing may get lost by that.
    let together = sample.replace("=== stderr ===\n", "");
    let joined =
        read(&ToolOutput { tool: "sh", stdout: &together, stderr: "", dir: "", success: false }, &paths(files));
    let errors =
        |reading: &Reading| reading.diagnostics.iter().filter(|found| found.severity == Severity::Error).count();
    assert_eq!(errors(&apart), errors(&joined), "{tool}: {apart:#?}\n{joined:#?}");
    apart
}

fn short(diagnostic: &Diagnostic) -> String {
    let place = |file: &str, line: Option<u32>| line.map_or(file.to_owned(), |line| format!("{file}:{line}"));
    let at = diagnostic.file.as_deref().map_or("-".to_owned(), |file| place(file, diagnostic.line));
    let mut text = format!("{at} {}", diagnostic.message.lines().next().unwrap_or_default());
    if diagnostic.severity != Severity::Error {
        text.insert_str(0, "(w) ");
    }
    for related in &diagnostic.related {
        text.push_str(&format!(" <{}>", place(&related.file, related.line)));
    }
    text
}

/// Each expectation is the whole line that `short` makes; `counts`: tests that passed and failed.
fn check(tool: &str, sample: &str, files: &[&str], counts: Option<(u32, u32)>, expected: &[&str]) {
    let reading = reading(tool, sample, files);
    let found: Vec<String> = reading.diagnostics.iter().map(short).collect();
    let same = found.len() == expected.len() && found.iter().zip(expected).all(|(found, expected)| found == expected);
    assert!(same, "expected {expected:#?}\nfound {found:#?}");
    assert_eq!(reading.tests_passed.zip(reading.tests_failed), counts, "{found:#?}");
}

const GO: &[&str] =
    &["go.mod", "main.go", "main_test.go", "internal/store/store.go", "internal/store/other.go", "a/a.go", "b/b.go"];
const RUST: &[&str] = &["Cargo.toml", "src/lib.rs", "src/store.rs", "src/m.rs"];
const C: &[&str] = &["Makefile", "main.c", "util.c", "util.h"];
const SUB: &[&str] = &["Makefile", "sub/Makefile", "sub/main.c", "sub/util.c", "sub/util2.c", "sub/util.h"];
const TS: &[&str] = &["tsconfig.json", "src/a.ts", "src/b.ts"];
const JS: &[&str] = &["package.json", "a.js", "a.mjs", "lib/b.js", "lib/c.mjs", "test/b.test.js"];
const PY: &[&str] = &[
    "main.py",
    "bad.py",
    "bad2.py",
    "useb.py",
    "app/__init__.py",
    "app/core.py",
    "tests/test_x.py",
    "tests/test_y.py",
    "tests/test_z.py",
];

#[test]
fn cargo() {
    check("cargo", sample!("cargo_dep"), RUST, None, &["Cargo.toml no matching package named `nosuchcrate_zz` found"]);
    check(
        "cargo",
        sample!("cargo_json"),
        RUST,
        None,
        &[
            "src/lib.rs:9 this function takes 1 argument but 2 arguments were supplied <src/store.rs:1>",
            "src/lib.rs:10 cannot find function `missing_fn` in this scope",
            "src/lib.rs:11 mismatched types",
            "(w) src/lib.rs:4 unused variable: `unused`",
        ],
    );
    check(
        "cargo",
        sample!("cargo_macro"),
        RUST,
        None,
        &[
            "src/lib.rs:3 unresolved import `crate::nope`",
            "src/lib.rs:4 unresolved import `serde`",
            "src/lib.rs:6 mismatched types <src/m.rs:3>",
        ],
    );
    check(
        "cargo",
        sample!("cargo_macro_json"),
        RUST,
        None,
        &[
            "src/lib.rs:3 unresolved import `crate::nope`",
            "src/lib.rs:4 unresolved import `serde`",
            "src/lib.rs:6 mismatched types <src/m.rs:3>",
        ],
    );
    check(
        "cargo",
        sample!("cargo_manifest"),
        RUST,
        None,
        &["Cargo.toml:3 string values must be quoted, expected literal string"],
    );
    check(
        "cargo",
        sample!("cargo_manifest2"),
        RUST,
        None,
        &["Cargo.toml can't find bin `x` at path `/w/proj/src/nope.rs`"],
    );
    check(
        "cargo",
        sample!("cargo_nomanifest"),
        RUST,
        None,
        &["- could not find `Cargo.toml` in `/w/proj` or any parent directory"],
    );
    check("cargo", sample!("cargo_syntax"), RUST, None, &["src/lib.rs:2 mismatched closing delimiter: `}`"]);
    check(
        "cargo",
        sample!("cargo_test"),
        RUST,
        Some((1, 2)),
        &[
            "src/lib.rs:9 test tests::adds failed: assertion `left == right` failed <src/lib.rs:8>",
            "src/lib.rs:4 test tests::booms failed: index out of bounds: the len is 0 but the index is 3 <src/lib.rs:12>",
        ],
    );
    check(
        "cargo",
        sample!("cargo_text"),
        RUST,
        None,
        &[
            "src/lib.rs:9 this function takes 1 argument but 2 arguments were supplied <src/store.rs:1>",
            "src/lib.rs:10 cannot find function `missing_fn` in this scope",
            "src/lib.rs:11 mismatched types",
            "(w) src/lib.rs:4 unused variable: `unused`",
        ],
    );
}

#[test]
fn c_and_make() {
    check(
        "make",
        sample!("make_c"),
        SUB,
        None,
        &[
            "sub/util.h:1 expected ‘;’, ‘,’ or ‘)’ before ‘int’ <sub/main.c:1>",
            "(w) sub/main.c:2 implicit declaration of function ‘add’",
            "(w) sub/main.c:2 implicit declaration of function ‘gone’",
        ],
    );
    check(
        "make",
        sample!("make_gcc"),
        C,
        None,
        &[
            "main.c:5 too few arguments to function ‘add’ <util.h:1>",
            "util.c:2 expected ‘;’ before ‘}’ token",
            "(w) main.c:4 initialization of ‘int’ from ‘char *’ makes integer from pointer without a cast",
            "(w) main.c:4 unused variable ‘x’",
        ],
    );
    check("make", sample!("make_include"), C, None, &["main.c:2 nope.h: No such file or directory"]);
    check("make", sample!("make_link"), C, None, &["main.c undefined reference to `gone'"]);
    check("make", sample!("make_multi"), SUB, None, &["sub/util2.c:1 multiple definition of `add' <sub/util.c:1>"]);
    check("make", sample!("make_norule"), C, None, &["Makefile No rule to make target 'nope.c', needed by 'all'"]);
    check("make", sample!("make_syntax"), C, None, &["Makefile:1 missing separator"]);
}

#[test]
fn typescript() {
    check(
        "tsc",
        sample!("tsc_config"),
        TS,
        None,
        &["tsconfig.json File '/w/proj/nope.ts' not found.", "tsconfig.json:1 Unknown compiler option 'strikt'."],
    );
    check(
        "tsc",
        sample!("tsc_plain"),
        TS,
        None,
        &[
            "src/a.ts:1 Module '\"./b.js\"' has no exported member 'nope'. <src/b.ts>",
            "src/a.ts:2 Cannot find module './missing.js' or its corresponding type declarations.",
            "src/a.ts:3 Type 'string' is not assignable to type 'number'.",
            "src/a.ts:4 Cannot find name 'foo'.",
            "src/a.ts:5 Expected 1 arguments, but got 2.",
        ],
    );
    check(
        "tsc",
        sample!("tsc_pretty"),
        TS,
        None,
        &[
            "src/a.ts:1 Module '\"./b.js\"' has no exported member 'nope'. <src/b.ts>",
            "src/a.ts:2 Cannot find module './missing.js' or its corresponding type declarations.",
            "src/a.ts:3 Type 'string' is not assignable to type 'number'.",
            "src/a.ts:4 Cannot find name 'foo'.",
            "src/a.ts:5 Expected 1 arguments, but got 2.",
        ],
    );
    check(
        "tsc",
        sample!("tsc_syntax"),
        TS,
        None,
        &["src/a.ts:1 ')' expected.", "src/a.ts:2 Identifier expected.", "src/a.ts:4 '}' expected."],
    );
}

#[test]
fn node() {
    check(
        "node",
        sample!("node_esm"),
        JS,
        None,
        &["a.mjs Error [ERR_MODULE_NOT_FOUND]: Cannot find module '/w/proj/lib/c.mjs' imported from /w/proj/a.mjs"],
    );
    check(
        "node",
        sample!("node_esm_export"),
        JS,
        None,
        &["a.mjs:1 SyntaxError: The requested module './lib/c.mjs' does not provide an export named 'z' <lib/c.mjs>"],
    );
    check("node", sample!("node_module"), JS, None, &["lib/b.js:1 Error: Cannot find module './nope' <a.js>"]);
    check("node", sample!("node_pkg"), JS, None, &["package.json code EJSONPARSE"]);
    check(
        "node",
        sample!("node_spec"),
        JS,
        Some((1, 2)),
        &[
            "test/b.test.js:3 test adds failed: AssertionError [ERR_ASSERTION]: Expected values to be strictly equal:",
            "lib/b.js:1 test throws failed: TypeError [Error]: Cannot read properties of null (reading 'x') <test/b.test.js:4>",
        ],
    );
    check("node", sample!("node_syntax"), JS, None, &["a.js:1 SyntaxError: Unexpected token ';'"]);
    check(
        "node",
        sample!("node_tap"),
        JS,
        Some((1, 2)),
        &[
            "test/b.test.js:3 test adds failed: Expected values to be strictly equal:",
            "lib/b.js:1 test throws failed: Cannot read properties of null (reading 'x') <test/b.test.js:4>",
        ],
    );
    check(
        "node",
        sample!("node_throw"),
        JS,
        None,
        &["lib/b.js:1 TypeError: Cannot read properties of null (reading 'x') <a.js:2>"],
    );
}

#[test]
fn python() {
    check("python", sample!("py_compile"), PY, None, &["bad.py:1 SyntaxError: invalid syntax"]);
    check(
        "python",
        sample!("py_compileall"),
        PY,
        None,
        &[
            "bad.py:1 SyntaxError: invalid syntax",
            "bad2.py:2 IndentationError: expected an indented block after function definition on line 1",
        ],
    );
    check(
        "python",
        sample!("py_importname"),
        PY,
        None,
        &["main.py:1 ImportError: cannot import name 'nothere' from 'app.core' (/w/proj/app/core.py) <app/core.py>"],
    );
    check("python", sample!("py_importsyntax"), PY, None, &["bad.py:1 SyntaxError: invalid syntax <useb.py:1>"]);
    check("python", sample!("py_module"), PY, None, &["main.py:1 ModuleNotFoundError: No module named 'app.nope'"]);
    check("python", sample!("py_trace"), PY, None, &["app/core.py:5 KeyError: 'x' <main.py:4> <main.py:6>"]);
    check(
        "python",
        sample!("pytest"),
        PY,
        Some((0, 1)),
        &[
            "tests/test_y.py:1 ImportError: cannot import name 'nothere' from 'app.core' (/w/proj/app/core.py) <app/core.py>",
        ],
    );
    check(
        "python",
        sample!("pytest2"),
        PY,
        Some((1, 2)),
        &[
            "tests/test_x.py:4 test test_add failed: assert -1 == 3",
            "app/core.py:5 test test_boom failed: KeyError: 'x' <tests/test_x.py:7>",
        ],
    );
    check(
        "python",
        sample!("pytest_no"),
        PY,
        Some((1, 2)),
        &[
            "tests/test_x.py test test_add failed: assert -1 == 3",
            "tests/test_x.py test test_boom failed: KeyError: 'x'",
        ],
    );
    check(
        "python",
        sample!("pytest_q"),
        PY,
        Some((1, 2)),
        &[
            "tests/test_x.py:4 test test_add failed: assert -1 == 3",
            "app/core.py:5 test test_boom failed: KeyError: 'x' <tests/test_x.py:7>",
        ],
    );
    check(
        "python",
        sample!("pytest_short"),
        PY,
        Some((1, 2)),
        &[
            "tests/test_x.py:4 test test_add failed: assert -1 == 3",
            "app/core.py:5 test test_boom failed: KeyError: 'x' <tests/test_x.py:7>",
        ],
    );
    check(
        "python",
        sample!("unittest"),
        PY,
        Some((1, 3)),
        &[
            "app/core.py:5 test test_boom failed: KeyError: 'x' <tests/test_x.py:9>",
            "tests/test_z.py:1 ModuleNotFoundError: No module named 'nosuchmod'",
            "tests/test_x.py:6 test test_add failed: AssertionError: -1 != 3",
        ],
    );
}

fn run(tool: &str, stderr: &str, files: &[&str], success: bool) -> Reading {
    read(&ToolOutput { tool, stdout: "", stderr, dir: "", success }, &paths(files))
}

#[test]
fn a_command_that_succeeded_has_no_errors() {
    let reading = run("make", "main.c:2:1: error: odd\nutil.c:1:1: warning: meh [-Wmeh]\n", C, true);
    assert!(reading.diagnostics.iter().all(|found| found.severity == Severity::Warning), "{reading:?}");
    assert_eq!(reading.diagnostics.get(1).and_then(|found| found.code.as_deref()), Some("-Wmeh"));
    assert!(run("make", "all is well\n", C, true).diagnostics.is_empty());
}

#[test]
fn a_script_that_calls_three_tools_is_read() {
    let text = "# example.com/app\n./main.go:3:1: undefined: x\nerror[E0425]: cannot find value `y` in this scope\n --> src/lib.rs:2:5\n  |\n\nsrc/a.ts(1,2): error TS2304: Cannot find name 'z'.\n";
    let reading = run("sh", text, &["main.go", "src/lib.rs", "src/a.ts"], false);
    let tools: Vec<_> = reading.diagnostics.iter().map(|found| found.tool.as_str()).collect();
    assert_eq!(tools, ["go", "cargo", "tsc"]);
}

#[test]
fn a_long_json_message_is_not_cut() {
    let long = "x".repeat(60_000);
    let text = sample!("cargo_json").replace("\"explanation\":null", &format!("\"explanation\":\"{long}\""));
    assert!(text.len() > 60_000);
    let whole = reading("cargo", &text, RUST);
    assert_eq!(whole.diagnostics, reading("cargo", sample!("cargo_json"), RUST).diagnostics);
}

#[test]
fn a_flood_is_bounded() {
    let text: String =
        (0..20_000).map(|index| format!("--- FAIL: Test{index} (0.00s)\nmain.c:{index}:1: error: e\n")).collect();
    assert!(run("sh", &text, C, false).diagnostics.len() <= 1000);
}

#[test]
fn go_json_is_unwrapped() {
    let text = "{\"ImportPath\":\"example.com/app\",\"Action\":\"build-output\",\"Output\":\"# example.com/app\\n\"}\n{\"ImportPath\":\"example.com/app\",\"Action\":\"build-output\",\"Output\":\"./main.go:4:2: undefined: x\\n\"}\n{\"ImportPath\":\"example.com/app\",\"Action\":\"build-fail\"}\n";
    let found: Vec<String> = run("go", text, GO, false).diagnostics.iter().map(short).collect();
    assert_eq!(found, ["main.go:4 undefined: x"]);
}

#[test]
fn the_same_error_of_two_tools_is_one() {
    let text = "./main.go:4:2: undefined: x\nvet: ./main.go:4:2: undefined: x\n";
    assert_eq!(run("sh", text, GO, false).diagnostics.len(), 1);
}

#[test]
fn the_end_of_a_log_is_cut() {
    let text: String = (0..500).map(|line| format!("line {line}\n\n")).collect();
    let reading = run("sh", &text, GO, false);
    let message = &reading.diagnostics.first().unwrap().message;
    assert!(message.lines().count() <= 20 && message.ends_with("line 499"), "{message}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    /// Whatever is cut out of real outputs and put together, reading it ends, finds an error, and names files of the tree only.
    #[test]
    fn any_output_is_read(cuts in prop::collection::vec((0usize..16, any::<u16>(), any::<u16>(), "[\\PC\t]{0,20}"), 1..8)) {
        let samples = [sample!("go_test_panic"), sample!("cargo_test"), sample!("make_gcc"), sample!("node_tap"), sample!("unittest"), sample!("tsc_pretty"), sample!("jest"), sample!("vitest"), sample!("javac"), sample!("mypy_pretty"), sample!("ruff_full"), sample!("go_test_json"), sample!("go_vet_json"), sample!("pytest_quiet"), sample!("nodetest_tap"), sample!("cargo_path")];
        let mut text = String::new();
        for (which, from, length, noise) in cuts {
            let characters = samples[which].chars().skip(usize::from(from) % 2000).take(usize::from(length) % 600);
            text.extend(characters);
            text.push_str(&noise);
        }
        let tree = paths(PY);
        let reading = read(&ToolOutput { tool: "sh", stdout: &text, stderr: &text, dir: "", success: false }, &tree);
        prop_assert!(reading.diagnostics.iter().any(|found| found.severity == Severity::Error));
        for found in reading.diagnostics {
            for file in found.file.iter().chain(found.related.iter().map(|related| &related.file)) {
                prop_assert!(PY.contains(&file.as_str()), "{file}");
            }
        }
    }
}
