#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

use proto::diagnostic::{Diagnostic, Related, Severity};
use proto::event::FixStep;

use super::*;

fn diagnostic(file: &str, message: &str, related: &[&str]) -> Diagnostic {
    Diagnostic {
        tool: "x".to_owned(),
        file: Some(file.to_owned()).filter(|file| !file.is_empty()),
        line: Some(3),
        column: None,
        severity: Severity::Error,
        code: None,
        message: message.to_owned(),
        related: related
            .iter()
            .map(|file| Related { file: (*file).to_owned(), line: Some(1), message: String::new() })
            .collect(),
        owner: None,
    }
}

pub(super) fn subtask(id: &str, owns: &[&str], provides: &[&str]) -> Subtask {
    Subtask {
        id: id.to_owned(),
        title: String::new(),
        instructions: String::new(),
        owns: owns.iter().map(|path| RelPath::parse(path).unwrap()).collect(),
        reads: Vec::new(),
        after: Vec::new(),
        provides: provides.iter().map(|&text| text.to_owned()).collect(),
        requires: Vec::new(),
        specialist: None,
    }
}

fn crew() -> Vec<Subtask> {
    vec![
        subtask(
            "api",
            &["main.go", "api/api.go", "src/a.ts", "app/main.py", "main.c"],
            &["func Serve(addr string) error"],
        ),
        subtask(
            "store",
            &["store/store.go", "src/b.ts", "app/core.py", "util.c", "util.h"],
            &["func Open(path string) (*DB, error)", "func add(a, b int) int"],
        ),
        subtask("tests", &["store/store_test.go", "tests/test_all.py"], &[]),
    ]
}

fn verdict(diagnostics: &[Diagnostic], history: &History, stronger: bool, last: bool) -> Verdict {
    let subtasks = crew();
    assign(diagnostics, &Owners::new(&subtasks), &subtasks, history, stronger, last)
}

fn fixes(diagnostics: &[Diagnostic], history: &History) -> Vec<Assignment> {
    match verdict(diagnostics, history, true, false) {
        Verdict::Fix(assignments) => assignments,
        Verdict::Exhausted => Vec::new(),
    }
}

fn strings(paths: &[RelPath]) -> Vec<&str> {
    paths.iter().map(RelPath::as_str).collect()
}

#[test]
fn the_right_one_is_asked_first() {
    let table: &[(&str, &str, &[&str], &str)] = &[
        ("main.go", "cannot use x as int value in assignment", &[], "api"),
        ("main.go", "undefined: store.Open", &[], "store"),
        ("main.go", "undefined: Open", &[], "api"),
        ("main.go", "undefined: store.Unheard", &[], "api"),
        ("main.go", "too many arguments in call to store.Open", &[], "api"),
        ("store/store_test.go", "undefined: Open", &[], "store"),
        ("src/a.ts", "Cannot find module './b.js' or its corresponding type declarations.", &[], "store"),
        (
            "app/main.py",
            "ImportError: cannot import name 'add' from 'app.core' (/w/proj/app/core.py)",
            &["app/core.py"],
            "store",
        ),
        ("app/main.py", "ModuleNotFoundError: No module named 'app.core'", &[], "store"),
        ("app/main.py", "ModuleNotFoundError: No module named 'requests'", &[], "api"),
        ("main.c", "undefined reference to `add'", &[], "store"),
        ("main.c", "util.h: No such file or directory", &[], "store"),
        ("main.go", "no required module provides package example.com/app/store", &["go.mod"], "store"),
        ("main.go", "no required module provides package github.com/x/store", &["go.mod"], "api"),
        ("go.mod", "unknown directive: modul", &[], INTEGRATOR),
        ("README.md", "odd", &[], INTEGRATOR),
        ("", "something failed", &[], INTEGRATOR),
        ("", "No such thing while reading util.c, giving up", &[], "store"),
        ("store/store.go", "test TestX failed: panic: nil map", &["store/store_test.go"], "store"),
        ("store/store_test.go", "test TestX failed: got 1, want 2", &[], "store"),
        ("tests/test_all.py", "test test_x failed: assert -1 == 3\n+  where -1 = add(1, 2)", &[], "store"),
        ("tests/test_all.py", "test test_x failed: boom", &["app/main.py"], "api"),
        ("tests/test_all.py", "test test_x failed: boom", &[], "tests"),
        // The contract says whose it is.
        ("store/store.go", "Open redeclared in this block", &["main.go"], "api"),
        ("main.go", "Open redeclared in this block", &["store/store.go"], "api"),
        ("util.c", "multiple definition of `add'", &["main.c"], "api"),
        ("util.c", "duplicate symbol: add", &["main.c"], "api"),
        ("main.c", "undefined symbol: add", &[], "store"),
        ("main.c", "no member named 'add' in 'struct util'", &["util.h"], "store"),
        (
            "main.c",
            "call to undeclared function 'add'; ISO C99 and later do not support implicit function declarations",
            &[],
            "api",
        ),
        ("main.go", "cannot find symbol\nsymbol: method add(int,int)\nlocation: class Util", &[], "store"),
        ("main.go", "cannot find symbol\nsymbol: variable add\nlocation: class main", &[], "api"),
        (
            "main.go",
            "cannot find symbol\nsymbol: method add(int)\nlocation: variable store of type Store",
            &[],
            "store",
        ),
        ("app/main.py", "Module \"app.core\" has no attribute \"add\"", &[], "store"),
        ("app/main.py", "\"add\" is unknown import symbol", &[], "store"),
        ("app/main.py", "Cannot access attribute \"add\" for class \"Core\"", &[], "store"),
        ("app/main.py", "\"add\" is not a known attribute of module \"app.core\"", &[], "store"),
        ("app/main.py", "Undefined name `add`", &[], "api"),
        ("app/main.py", "Name \"add\" is not defined", &[], "api"),
        ("app/main.py", "AttributeError: module 'app.core' has no attribute 'add'", &[], "store"),
        ("src/a.ts", "Module '\"./b\"' has no exported member 'add'.", &[], "store"),
        ("src/a.ts", "TypeError: (0 , _b.add) is not a function", &[], "store"),
        ("src/a.ts", "SyntaxError: The requested module './b.js' does not provide an export named 'add'", &[], "store"),
        ("src/a.ts", "\"add\" is not exported by \"src/b.ts\", imported by \"src/a.ts\".", &[], "store"),
        ("src/a.ts", "Failed to resolve import \"./b\" from \"src/a.ts\". Does the file exist?", &[], "store"),
        ("CMakeLists.txt", "Cannot find source file:\n\n  util.c", &[], "store"),
    ];
    for (file, message, related, owner) in table {
        let found = fixes(&[diagnostic(file, message, related)], &History::new());
        let owners: Vec<&str> = found.iter().map(|assignment| assignment.owner.as_str()).collect();
        assert_eq!(owners, [*owner], "{file} {message}: {found:#?}");
    }
}

#[test]
fn a_place_that_is_likely_wrong_is_asked_first() {
    let mut call = diagnostic("main.c", "too few arguments to function 'add'", &["util.h"]);
    assert_eq!(fixes(&[call.clone()], &History::new()).first().unwrap().owner, "api");
    call.related[0].message = format!("{LIKELY}`add` is defined otherwise than the contract says");
    assert_eq!(fixes(&[call], &History::new()).first().unwrap().owner, "store");
}

#[test]
fn every_other_side_is_asked_before_the_integrator() {
    let error = [diagnostic("main.go", "odd", &["store/store.go", "store/store_test.go"])];
    let mut history = History::new();
    let mut asked = Vec::new();
    while let Verdict::Fix(found) = verdict(&error, &history, false, false) {
        history.record(&found);
        asked.extend(found.into_iter().map(|one| one.owner));
    }
    assert_eq!(asked, ["api", "store", "tests", INTEGRATOR]);
}

#[test]
fn a_file_that_is_there_is_not_blamed_for_a_wrong_import() {
    let mut wrong = diagnostic("main.go", "no required module provides package other.org/store", &["store/store.go"]);
    wrong.related[0].message = crate::check::diagnostics::IS_THERE.to_owned();
    assert_eq!(fixes(&[wrong], &History::new()).first().unwrap().owner, "api");
}

#[test]
fn errors_of_one_owner_are_one_assignment_and_others_go_out_beside_it() {
    let all = [
        diagnostic("main.go", "cannot use x as int", &["store/store.go"]),
        diagnostic("api/api.go", "declared and not used: n", &[]),
        diagnostic("store/store.go", "missing return", &[]),
        diagnostic("Makefile", "odd", &[]),
    ];
    let found = fixes(&all, &History::new());
    let table: Vec<_> = found.iter().map(|one| (one.owner.as_str(), one.step, one.diagnostics.len())).collect();
    assert_eq!(table, [("api", FixStep::Owner, 2), ("store", FixStep::Owner, 1), (INTEGRATOR, FixStep::Owner, 1)]);
    let api = found.first().unwrap();
    assert_eq!(strings(&api.files), ["api/api.go", "app/main.py", "main.c", "main.go", "src/a.ts"]);
    assert!(strings(&api.show).contains(&"store/store.go"), "{api:?}");
    assert_eq!(strings(&found.get(2).unwrap().files), ["Makefile"]);
    assert_eq!(api.diagnostics.first().unwrap().owner.as_deref(), Some("api"));
}

#[test]
fn what_follows_from_a_worse_error_waits() {
    let syntax = diagnostic("main.go", "syntax error: unexpected }", &[]);
    let types = diagnostic("store/store.go", "missing return", &[]);
    let found = fixes(&[types.clone(), syntax], &History::new());
    assert_eq!(found.len(), 1);
    assert_eq!(found.first().unwrap().owner, "api");

    let import = diagnostic("main.go", "package foo/bar is not in std", &[]);
    let same_file = diagnostic("main.go", "cannot use x as int", &[]);
    let found = fixes(&[same_file, types, import], &History::new());
    let count: usize = found.iter().map(|one| one.diagnostics.len()).sum();
    assert_eq!((found.len(), count), (2, 2), "{found:#?}");
}

#[test]
fn what_is_missing_for_another_reason_does_not_wait() {
    let syntax = || diagnostic("main.go", "syntax error: unexpected }", &[]);
    let package = || diagnostic("Main.java", "package a.Options does not exist", &[]);
    let told = |all: &[Diagnostic]| {
        let found = fixes(all, &History::new());
        found.iter().flat_map(|one| &one.diagnostics).map(|one| one.message.clone()).collect::<Vec<_>>()
    };
    // The worse error, another one, and whether that is told with it.
    let table = [
        (syntax(), "store/store.go", "file not found for module `reports`", true),
        (syntax(), "store/store.go", "file not found for module `main`", false),
        (syntax(), "main.go", "file not found for module `reports`", false),
        (
            diagnostic("store/mod.rs", "expected `;`, found `}`", &[]),
            "main.go",
            "unresolved import `crate::store`",
            false,
        ),
        (
            diagnostic("store/mod.rs", "expected `;`, found `}`", &[]),
            "main.go",
            "unresolved import `crate::calendar`",
            true,
        ),
        // The package may have held it.
        (
            diagnostic("Main.java", "package com.x.store does not exist", &[]),
            "Main.java",
            "cannot find symbol\nsymbol: class Disk\nlocation: class Main",
            false,
        ),
        (package(), "Main.java", "cannot find symbol\nsymbol: class Options\nlocation: class Main", false),
        (package(), "Main.java", "cannot find symbol\nsymbol: variable Path\nlocation: class Main", true),
        (package(), "Main.java", "incompatible types: int cannot be converted to String", false),
    ];
    for (worse, file, message, expected) in table {
        let all = [worse, diagnostic(file, message, &[])];
        assert_eq!(told(&all).contains(&message.to_owned()), expected, "{message}: {:?}", told(&all));
    }
}

#[test]
fn an_error_that_comes_back_climbs_and_ends() {
    let error = [diagnostic("main.go", "cannot use x (line 12) as int", &["store/store.go"])];
    let mut history = History::new();
    let mut taken = Vec::new();
    while let Verdict::Fix(found) = verdict(&error, &history, true, false) {
        taken.push((found.first().unwrap().owner.clone(), found.first().unwrap().step));
        history.record(&found);
        assert!(taken.len() < 9);
    }
    let expected = [
        ("api", FixStep::Owner),
        ("store", FixStep::OtherSide),
        ("api", FixStep::StrongerModel),
        (INTEGRATOR, FixStep::Integrator),
    ];
    assert_eq!(taken, expected.map(|(owner, step)| (owner.to_owned(), step)));

    // Line numbers and digits don't make it another error.
    let mut moved = error.clone();
    moved[0].line = Some(99);
    moved[0].message = "cannot use x (line 13) as int".to_owned();
    assert_eq!(verdict(&moved, &history, true, false), Verdict::Exhausted);
    // Another error starts at its owner.
    let other = [diagnostic("main.go", "declared and not used: y", &[])];
    assert_eq!(fixes(&other, &history).first().unwrap().step, FixStep::Owner);
}

#[test]
fn rungs_that_are_not_there_are_left_out() {
    let error = [diagnostic("main.go", "cannot use x as int", &[])];
    let mut history = History::new();
    history.record(&fixes(&error, &history));
    let Verdict::Fix(found) = verdict(&error, &history, false, false) else { panic!("exhausted") };
    assert_eq!(found.first().unwrap().step, FixStep::Integrator);
    assert_eq!(strings(&found.first().unwrap().files), ["main.go"]);
}

#[test]
fn before_the_last_build_the_strongest_step_is_next() {
    let error = [diagnostic("main.go", "cannot use x as int", &["store/store.go"])];
    let mut history = History::new();
    let step = |history: &History| match verdict(&error, history, true, true) {
        Verdict::Fix(found) => Some(found.first().unwrap().step),
        Verdict::Exhausted => None,
    };
    assert_eq!(step(&history), Some(FixStep::Owner));
    history.record(&fixes(&error, &history));
    assert_eq!(step(&history), Some(FixStep::Integrator));
}

#[test]
fn no_place_gets_one_look() {
    let error = [diagnostic("", "Killed", &[])];
    let mut history = History::new();
    let found = fixes(&error, &history);
    assert_eq!(found.first().unwrap().step, FixStep::Integrator);
    history.record(&found);
    assert_eq!(verdict(&error, &history, true, false), Verdict::Exhausted);
}

#[test]
fn a_missing_manifest_is_the_integrators_to_write() {
    let found = fixes(&[diagnostic("", "cannot find main module\ngo.mod is missing", &[])], &History::new());
    assert_eq!(found.first().unwrap().owner, INTEGRATOR);
    assert!(matches!(verdict(&[], &History::new(), true, true), Verdict::Exhausted));
}

#[test]
fn no_two_assignments_write_one_file() {
    let old = diagnostic("main.go", "cannot use x as int", &["store/store.go"]);
    let mut history = History::new();
    for _ in 0..3 {
        history.record(&fixes(std::slice::from_ref(&old), &history));
    }
    let all = [
        old,
        diagnostic("main.go", "declared and not used: y", &[]),
        diagnostic("api/api.go", "declared and not used: z", &[]),
        diagnostic("store/store.go", "missing return", &[]),
        diagnostic("util.c", "too few arguments", &[]),
    ];
    let found = fixes(&all, &history);
    let mut seen = BTreeSet::new();
    for file in found.iter().flat_map(|one| &one.files) {
        assert!(seen.insert(file.clone()), "{file}: {found:#?}");
    }
    let count: usize = found.iter().map(|one| one.diagnostics.len()).sum();
    assert_eq!(count, all.len());
    for one in &found {
        assert!(!one.files.is_empty());
        let own = one
            .diagnostics
            .iter()
            .all(|found| one.files.iter().any(|file| Some(file.as_str()) == found.file.as_deref()));
        assert!(own, "{one:#?}");
    }
}

#[test]
fn classes() {
    let table: &[(Option<&str>, &str, Class)] = &[
        (None, "syntax error: unexpected }, expected expression", Class::Syntax),
        (None, "expected operand, found '}' (and 1 more errors)", Class::Syntax),
        (None, "mismatched closing delimiter: `}`", Class::Syntax),
        (None, "expected one of `!` or `::`, found `x`", Class::Syntax),
        (None, "expected ‘;’ before ‘}’ token", Class::Syntax),
        (None, "missing separator", Class::Syntax),
        (Some("TS1005"), "')' expected.", Class::Syntax),
        (None, "SyntaxError: Unexpected token ';'", Class::Syntax),
        (Some("IndentationError"), "IndentationError: unexpected indent", Class::Syntax),
        (None, "SyntaxError: The requested module './c.mjs' does not provide an export named 'z'", Class::Imports),
        (Some("E0308"), "mismatched types", Class::Types),
        (Some("TS2322"), "Type 'string' is not assignable to type 'number'.", Class::Types),
        (Some("E0432"), "unresolved import `crate::nope`", Class::Imports),
        (Some("TS2307"), "Cannot find module './missing.js'", Class::Imports),
        (None, "nope.h: No such file or directory", Class::Imports),
        (None, "undefined: a", Class::Names),
        (None, "undefined reference to `gone'", Class::Names),
        (Some("E0425"), "cannot find function `f` in this scope", Class::Names),
        (None, "test TestAdd failed: got syntax error", Class::Tests),
        (None, "missing return", Class::Types),
        (None, "syntax error: unexpected newline, expected }", Class::Syntax),
        (None, "SyntaxError: invalid syntax", Class::Syntax),
        (None, "expected one of `;` or `}`, found `let`", Class::Syntax),
        (None, "expected ';' before '}' token", Class::Syntax),
        (Some("TS2304"), "Cannot find name 'x'.", Class::Names),
        (Some("E0308"), "expected `u32`, found `&str`", Class::Types),
        (None, "expected 3 to be 4", Class::Types),
        (None, "';' expected", Class::Syntax),
        (None, "class, interface, enum, or record expected", Class::Syntax),
        (None, "reached end of file while parsing", Class::Syntax),
        (None, "Parse error.  Function missing ending \")\".", Class::Syntax),
        (None, "incompatible types: String cannot be converted to int", Class::Types),
        (None, "package app.missing does not exist", Class::Imports),
        (None, "cannot find symbol\nsymbol: class Nope\nlocation: package java.io", Class::Imports),
        (None, "cannot find symbol\nsymbol: class Nope\nlocation: class Main", Class::Names),
        (Some("reportMissingImports"), "Import \"app.nope\" could not be resolved", Class::Imports),
        (Some("F821"), "Undefined name `x`", Class::Names),
        (Some("attr-defined"), "Module \"app.core\" has no attribute \"gone\"", Class::Names),
    ];
    for (code, message, expected) in table {
        let mut found = diagnostic("a", message, &[]);
        found.code = code.map(str::to_owned);
        assert_eq!(class(&found), *expected, "{message}");
        assert_eq!(is_syntax(&found), *expected == Class::Syntax);
        found.severity = Severity::Warning;
        assert!(!is_syntax(&found), "{message}");
    }
}

#[test]
fn owners_and_fingerprints() {
    let mut owners = Owners::new(&crew());
    let path = |text: &str| RelPath::parse(text).unwrap();
    assert_eq!(owners.owner_of(&path("Main.go")), Some("api"));
    assert!(!owners.claim(path("main.go"), "store"));
    assert!(owners.claim(path("new.go"), "store"));
    assert!(strings(&owners.files_of("store")).contains(&"new.go"));
    let mut found = [diagnostic("new.go", "x", &[]), diagnostic("else.go", "x", &[]), diagnostic("", "x", &[])];
    set_owners(&mut found, &owners);
    assert_eq!(found.map(|found| found.owner.unwrap()), ["store", INTEGRATOR, INTEGRATOR]);

    let one = diagnostic("a.go", "at /w/proj/a.go:12: got 0xdead 3", &[]);
    let two = diagnostic("a.go", "at /other/dir/a.go:7: got 0xbeef 45", &[]);
    assert_eq!(fingerprint(&one), fingerprint(&two));
    assert_ne!(fingerprint(&one), fingerprint(&diagnostic("b.go", &one.message, &[])));
}
