#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]
use std::collections::BTreeMap;

use proto::diagnostic::{Diagnostic, Severity};

use super::*;
use crate::blame::tests::subtask;
use crate::plan::Contract;

/// Contract, definition, caller's line, message → whether the definer deviates.
#[test]
fn who_deviates() {
    let table: &[(&str, &str, &str, &str, bool)] = &[
        (
            "func Open(path string) error",
            "func Open(path string, mode int) error {",
            "store.Open(p)",
            "not enough arguments in call to store.Open",
            true,
        ),
        (
            "func Open(path string) error",
            "func Open(path string) error {",
            "store.Open(p, 1)",
            "too many arguments in call to store.Open",
            false,
        ),
        (
            "func Get(id int) (User, error)",
            "func (s *Store) Get(id int) User {",
            "u, err := s.Get(1)",
            "assignment mismatch: 2 variables but s.Get returns 1 value",
            true,
        ),
        (
            "func (s *Store) Get(id int) User",
            "func (db *Store) Get(id int) User {",
            "s.Get(\"1\")",
            "cannot use \"1\" (untyped string constant) as int value in argument to s.Get",
            false,
        ),
        (
            "fn open(path: &str) -> u32",
            "pub fn open(path: String) -> u32 {",
            "open(\"a\", 1)",
            "this function takes 1 argument but 2 arguments were supplied",
            true,
        ),
        (
            "pub fn open(path: &str) -> u32",
            "pub fn open(path: &str) -> u32 {",
            "open(1)",
            "arguments to this function are incorrect",
            false,
        ),
        (
            "int add(int a, int b)",
            "int add(int a, int b, int c) {",
            "add(1, 2);",
            "too few arguments to function 'add'",
            true,
        ),
        ("int add(int a, int b);", "int add(int a, int b)", "add(1);", "too few arguments to function ‘add’", false),
        (
            "def add(a, b)",
            "def add(a, b, c):",
            "add(1, 2)",
            "TypeError: add() missing 1 required positional argument: 'c'",
            true,
        ),
        (
            "def add(a, b):",
            "def add(a, b):",
            "add(1)",
            "TypeError: add() missing 1 required positional argument: 'b'",
            false,
        ),
        (
            "def add(a: int) -> int",
            "def add(a: str) -> int:",
            "add(1)",
            "Argument 1 to \"add\" has incompatible type \"int\"; expected \"str\"",
            true,
        ),
        (
            "export function add(a: number): number",
            "export function add(a: string): number {",
            "  add(1);",
            "Argument of type 'number' is not assignable to parameter of type 'string'.",
            true,
        ),
        (
            "function add(a: number): number",
            "export function add(a: number): number {",
            "  add(1, 2);",
            "Expected 1 arguments, but got 2.",
            false,
        ),
        (
            "public int get(String key)",
            "    public int get(int key) {",
            "s.get(\"a\");",
            "method get in class Store cannot be applied to given types;",
            true,
        ),
        ("type T struct", "func Open() {", "Open(1)", "too many arguments in call to Open", false),
        ("func Open(path string)", "func Open(path, mode string) {", "Open(1)", "missing return", false),
    ];
    for (agreed, defined, caller, message, deviates) in table {
        let path = |text: &str| RelPath::parse(text).unwrap();
        let texts = BTreeMap::from([
            (path("caller.x"), format!("{caller}\n")),
            (path("callee.x"), format!("first line\n{defined}\n")),
        ]);
        let contract = Contract { shared: format!("{agreed}\n"), ..Contract::default() };
        let mut all = [error("caller.x", 1, message)];
        add_leads(&mut all, &Owners::default(), &[], &contract, &texts);
        assert_eq!(likely(&all[0]), if *deviates { vec!["callee.x"] } else { vec![] }, "{defined}: {message}");
    }
}

/// A file of a tree, a diagnostic's place and message, and who is likely to be wrong.
#[test]
fn manifests_and_linkers() {
    let tree = [
        ("Makefile", "OBJECTS = build/main.o build/add.o\n"),
        ("src/main.c", "#include \"add.h\"\nint main(void) { return add(1, 2) + mul(2, 3) + gone(); }\n"),
        ("src/add.c", "int add(int a, int b)\n{\n"),
        ("src/mul.c", "int mul(int a, int b)\n{\n"),
        ("src/odd.h", "int gone(void);\n"),
        ("src/odd.c", "int away(void)\n{\n"),
        ("go.mod", "module github.com/other/app\n\ngo 1.20\n"),
        ("main.go", "import \"example.com/app/store\"\n"),
        ("store/store.go", "package store\n"),
        ("Cargo.toml", "[package]\nname = \"purse\"\n"),
        ("src/lib.rs", "#[cfg(feature = \"export\")]\npub mod export;\n"),
        ("src/bin.rs", "use purse::export::run;\n"),
        ("tsconfig.json", "{}"),
        ("package.json", "{ \"name\": \"graph\" }"),
        ("a.ts", "import { x } from \"graph\";\n"),
        ("pyproject.toml", "version = \"0.1.0\"\n"),
        ("tests/test_all.py", "open(\"pyproject.toml\")\nassertEqual(version, \"0.3.0\")\n"),
    ];
    let texts: BTreeMap<RelPath, String> =
        tree.iter().map(|(path, text)| (RelPath::parse(path).unwrap(), (*text).to_owned())).collect();
    let table: &[(&str, &str, &[&str])] = &[
        ("src/main.c", "undefined reference to `mul'", &["Makefile"]),
        ("src/main.c", "undefined reference to `pow'", &["Makefile"]),
        ("src/main.c", "undefined reference to `gone'", &["src/odd.c"]),
        ("src/main.c", "undefined reference to `nobody'", &[]),
        (
            "store/store.go",
            "cannot range over 10: requires go1.22 or later (-lang was set to go1.20; check go.mod)",
            &["go.mod"],
        ),
        ("main.go", "no required module provides package example.com/app/store; to add it:", &["go.mod"]),
        ("main.go", "no required module provides package example.com/app/stores; to add it:", &[]),
        ("src/bin.rs", "environment variable `CARGO_BIN_EXE_purse` not defined at compile time", &["Cargo.toml"]),
        ("src/bin.rs", "unresolved import `purse`", &["Cargo.toml"]),
        ("src/bin.rs", "unresolved import `purse::export`", &["Cargo.toml"]),
        ("src/bin.rs", "unresolved import `crate::other`", &[]),
        (
            "src/bin.rs",
            "cannot find module or crate `rand` in this scope\nuse of unresolved module or unlinked crate `rand`",
            &["Cargo.toml"],
        ),
        // The file forgot `use std::fmt`.
        (
            "src/bin.rs",
            "cannot find module or crate `fmt` in this scope\nuse of unresolved module or unlinked crate `fmt`\nhelp: use `cargo add fmt`",
            &[],
        ),
        (
            "a.ts",
            "Property 'flat' does not exist on type 'X[]'. Do you need to change your target library? Try changing the 'lib' compiler option to 'es2019' or later.",
            &["tsconfig.json"],
        ),
        ("a.ts", "Cannot find module 'graph' or its corresponding type declarations.", &["package.json"]),
        ("a.ts", "Cannot find module './other.js' or its corresponding type declarations.", &[]),
        (
            "tests/test_all.py",
            "test test_all.T.test_version failed: AssertionError: '0.1.0' != '0.3.0'",
            &["pyproject.toml"],
        ),
        ("tests/test_all.py", "test test_all.T.test_version failed: KeyError: 'scripts'", &[]),
    ];
    for (file, message, expected) in table {
        let mut all = [error(file, 1, message)];
        add_leads(&mut all, &Owners::default(), &[], &Contract::default(), &texts);
        assert_eq!(&likely(&all[0]), expected, "{file}: {message}: {all:?}");
    }
}

#[test]
fn callers_and_packages() {
    let tree = [
        ("src/a/Main.java", "package a;\n"),
        ("src/a/Options.java", "package a.cli;\n"),
        ("src/a/Good.java", "package a;\n"),
        ("app/report.py", "def month(book: Book, name: str) -> str:\n    return book.balances(name)\n"),
        ("app/cli.py", "print(month(\"x\", book))\n"),
    ];
    let texts: BTreeMap<RelPath, String> =
        tree.iter().map(|(path, text)| (RelPath::parse(path).unwrap(), (*text).to_owned())).collect();
    let table: &[(&str, u32, &str, &[&str])] = &[
        ("src/a/Main.java", 1, "package Options does not exist", &["src/a/Options.java"]),
        (
            "src/a/Main.java",
            1,
            "cannot find symbol\nsymbol: class Options\nlocation: class Main",
            &["src/a/Options.java"],
        ),
        ("src/a/Main.java", 1, "package Good does not exist", &[]),
        (
            "app/report.py",
            2,
            "test t failed: AttributeError: 'str' object has no attribute 'balances'",
            &["app/cli.py"],
        ),
        ("app/report.py", 2, "test t failed: AttributeError: 'Book' object has no attribute 'balances'", &[]),
    ];
    for (file, line, message, expected) in table {
        let frame = Related { file: "app/cli.py".to_owned(), line: Some(1), message: "called from here".to_owned() };
        let mut all = [error(file, *line, message)];
        all[0].related.push(frame);
        add_leads(&mut all, &Owners::default(), &[], &Contract::default(), &texts);
        assert_eq!(&likely(&all[0]), expected, "{file}: {message}: {all:?}");
    }
}

#[test]
fn what_is_defined_twice_belongs_somewhere() {
    let tree = [
        ("src/eval.h", "const char *eval_message(int code);\n"),
        ("src/eval.c", "const char *eval_message(int code)\n{\n}\n"),
        ("src/main.c", "const char *eval_message(int code)\n{\n}\n"),
        ("store/store.go", "package app\n\nfunc storePath() {}\n"),
        ("store/paths.go", "package app\n\nfunc storePath() {}\n"),
        ("store/other.go", "package app\n\nfunc storePath() {}\n"),
    ];
    let texts: BTreeMap<RelPath, String> =
        tree.iter().map(|(path, text)| (RelPath::parse(path).unwrap(), (*text).to_owned())).collect();
    let (linked, built) = ("multiple definition of `eval_message'", "storePath redeclared in this block");
    let provides = subtask("store", &[], &["func storePath()"]);
    // Where it is reported, what is said, the other place, what the plan says, and who is likely to be wrong.
    type Row<'a> = (&'a str, &'a str, &'a str, &'a [Subtask], &'a [&'a str]);
    let table: &[Row<'_>] = &[
        ("src/eval.c", linked, "src/main.c", &[], &["src/main.c"]),
        ("src/main.c", linked, "src/eval.c", &[], &[]),
        ("store/store.go", built, "store/paths.go", &[], &["store/paths.go"]),
        ("store/paths.go", built, "store/other.go", &[], &[]),
        ("store/store.go", built, "store/paths.go", &[provides], &[]),
    ];
    for (file, message, other, subtasks, expected) in table {
        let mut all = [error(file, 1, message)];
        let there = Related { file: (*other).to_owned(), line: Some(1), message: "first defined here".to_owned() };
        all[0].related.push(there);
        add_leads(&mut all, &Owners::default(), subtasks, &Contract::default(), &texts);
        assert_eq!(&likely(&all[0]), expected, "{file}: {message}: {all:?}");
    }
}

#[test]
fn a_definition_that_fits_nobody_is_wrong_if_nothing_is_agreed() {
    let texts = |calls: &str| {
        BTreeMap::from([
            (RelPath::parse("src/report.rs").unwrap(), "pub fn report(month: Month) {\n}\n".to_owned()),
            (RelPath::parse("src/main.rs").unwrap(), calls.to_owned()),
        ])
    };
    let contract = |shared: &str| Contract { shared: shared.to_owned(), ..Contract::default() };
    let three = "report(None);\nreport(Some(1));\nreport(None);\n";
    let six = format!("{three}report(MAY);\nreport(JUNE);\nreport(JULY);\n");
    let table = [
        (three, "", 3, true),
        (three, "", 2, false),
        // As many fit.
        (six.as_str(), "", 3, false),
        (three, "pub fn report(month: Month)\n", 3, false),
    ];
    for (calls, agreed, errors, wrong) in table {
        let mut all: Vec<Diagnostic> = (1..=errors)
            .map(|line| error("src/main.rs", line, "mismatched types\nexpected `Month`, found `Option<_>`"))
            .collect();
        add_leads(&mut all, &Owners::default(), &[], &contract(agreed), &texts(calls));
        for one in &all {
            assert_eq!(likely(one), if wrong { vec!["src/report.rs"] } else { vec![] }, "{calls}: {one:?}");
        }
    }
}

#[test]
fn what_is_added_is_no_frame_of_a_failing_test() {
    let texts = BTreeMap::from([
        (RelPath::parse("app/sums.py").unwrap(), "def total(rows):\n    return 0\n".to_owned()),
        (
            RelPath::parse("tests/test_sums.py").unwrap(),
            "from app.sums import total\n\ndef shown(text):\n    return str(total(text))\n\ndef test_all():\n    assert shown('1') == '1'\n"
                .to_owned(),
        ),
    ]);
    let mut owners = Owners::default();
    owners.claim(RelPath::parse("app/sums.py").unwrap(), "sums");
    // `shown` is called in the line, and where it is defined is told as well.
    let mut all = [error("tests/test_sums.py", 7, "test test_all failed: AssertionError: expected '1', found '0'")];
    add_leads(&mut all, &owners, &[], &Contract::default(), &texts);
    assert_eq!(likely(&all[0]), ["app/sums.py"], "{all:?}");
}

fn error(file: &str, line: u32, message: &str) -> Diagnostic {
    Diagnostic {
        tool: "x".to_owned(),
        file: Some(file.to_owned()),
        line: Some(line),
        column: None,
        severity: Severity::Error,
        code: None,
        message: message.to_owned(),
        related: Vec::new(),
        owner: None,
    }
}

fn likely(diagnostic: &Diagnostic) -> Vec<&str> {
    let likely = diagnostic.related.iter().filter(|place| place.message.starts_with(LIKELY));
    likely.map(|place| place.file.as_str()).collect()
}
