#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]
//! What real tools say of wrong files on their standard input (`samples/`), and who is asked about which file.

use super::*;

macro_rules! sample {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/check/look/samples/", $name, ".txt"))
    };
}

fn rel(path: &str) -> RelPath {
    RelPath::parse(path).unwrap()
}

fn attempts(path: &str, content: &str) -> Vec<Attempt> {
    match way(&rel(path), content) {
        Some(Way::Tools(attempts)) => attempts,
        other => panic!("{path}: {other:?}"),
    }
}

#[test]
fn what_tools_say_is_read() {
    let table: &[(&str, &str, &[&str])] = &[
        (
            "cmd/main.go",
            sample!("gofmt"),
            &[
                "cmd/main.go:5: expected operand, found '}'",
                "cmd/main.go:6: expected ';', found 'EOF'",
                "cmd/main.go:6: expected '}', found 'EOF'",
            ],
        ),
        (
            "src/lib.rs",
            sample!("rustfmt"),
            &["src/lib.rs:2: expected `;`, found keyword `let`", "src/lib.rs:5: expected `,`, or `}`, found `c`"],
        ),
        ("src/a.rs", sample!("rustfmt_string"), &["src/a.rs:2: unterminated double quote string"]),
        ("a b/x.py", sample!("python"), &["a b/x.py:1: SyntaxError: invalid syntax"]),
        (
            "x.py",
            sample!("python_indent"),
            &["x.py:3: IndentationError: unindent does not match any outer indentation level"],
        ),
        ("x.py", sample!("python_string"), &["x.py:1: SyntaxError: unterminated string literal (detected at line 1)"]),
        ("lib/c.js", sample!("node"), &["lib/c.js:4: SyntaxError: Unexpected token '}'"]),
        ("e.js", sample!("node_end"), &["e.js:3: SyntaxError: Unexpected end of input"]),
        ("m.mjs", sample!("node_module"), &["m.mjs:2: SyntaxError: Unexpected token ';'"]),
        ("t.cjs", sample!("node_twice"), &["t.cjs:2: SyntaxError: Identifier 'a' has already been declared"]),
        // Another grammar may be meant, and a tool may fail for reasons of its own.
        ("view.js", sample!("node_jsx"), &[]),
        ("a.js", "node: bad option: --input-type=module\n", &[]),
        ("a.rs", "error: toolchain 'stable' is not installed\n", &[]),
        ("a.py", "pyenv: python3: command not found\n", &[]),
        ("a.go", "", &[]),
    ];
    for (path, stderr, expected) in table {
        let attempt = &attempts(path, "x")[0];
        let found = read(attempt, &rel(path), stderr, false);
        let lines: Vec<String> = found.iter().map(Diagnostic::headline).collect();
        assert_eq!(lines, *expected, "{path}");
        assert!(found.iter().all(|one| one.related.is_empty() && one.severity == Severity::Error));
        assert_eq!(read(attempt, &rel(path), stderr, true), [], "{path}: a tool that succeeds found nothing");
    }
}

#[test]
fn each_file_has_its_tool() {
    let programs = |path: &str, content: &str| -> Vec<String> {
        attempts(path, content).iter().map(|attempt| format!("{} {}", attempt.tool, attempt.argv.join(" "))).collect()
    };
    assert_eq!(programs("a/b.go", "package a"), ["gofmt gofmt -e -l"]);
    assert_eq!(programs("a.rs", "fn f() {}").len(), 3);
    assert!(programs("a.py", "x = 1")[0].starts_with("python python3 -I -S -B "));
    let ways = |path: &str, content: &str| -> Vec<bool> {
        programs(path, content).iter().map(|argv| argv.contains("=module")).collect()
    };
    assert_eq!(ways("a.mjs", "x"), [true]);
    assert_eq!(ways("a.cjs", "import x"), [false]);
    assert_eq!(ways("a.js", "const a = require('a');\n"), [false, true]);
    assert_eq!(ways("a.js", "// x\nexport const a = 1;\n"), [true, false]);
    assert_eq!(way(&rel("web/package.json"), "{}"), Some(Way::Json));
    let long = "x".repeat(MAX_CONTENT + 1);
    let nobody = [
        ("a.ts", "x"),
        ("tsconfig.json", "{ // a\n}"),
        ("Makefile", "x"),
        ("a.go", " \n"),
        ("a.go", long.as_str()),
        ("parser/testdata/broken.go", "x"),
        ("tests/fixtures/broken.py", "x"),
        ("a.js", "// @flow\nlet a: number = 1;\n"),
    ];
    for (path, content) in nobody {
        assert_eq!(way(&rel(path), content), None, "{path}");
    }
}

#[test]
fn json_is_read_by_ourselves() {
    let path = rel("package.json");
    for right in ["{}", "\u{feff}{ \"name\": \"a\" }\n"] {
        assert_eq!(json(&path, right), None, "{right}");
    }
    let table = [
        ("{\n  \"name\": \"a\",\n}\n", "package.json:3: invalid JSON: key must be a string"),
        ("{\n  // mine\n}\n", "package.json:2: invalid JSON: key must be a string"),
        ("{ \"a\": 1 ", "package.json:1: invalid JSON: EOF while parsing an object"),
    ];
    for (wrong, expected) in table {
        assert_eq!(json(&path, wrong).unwrap().headline(), expected);
    }
}

#[test]
fn a_worker_is_told_the_place_and_the_line() {
    let content = "package main\n\nfunc main() {\n\tx := \n}\nfunc b( {\n";
    let found = read(&attempts("main.go", content)[0], &rel("main.go"), sample!("gofmt"), false);
    let told = reason(&found, &|file| (file == "main.go").then_some(content));
    let expected = "syntax: main.go:5: expected operand, found '}' (and 2 more)\nThese files don't parse:\n\
                    main.go:5: expected operand, found '}'\n    }\nmain.go:6: expected ';', found 'EOF'\n    func b( {\n\
                    main.go:6: expected '}', found 'EOF'\n    func b( {";
    assert_eq!(told, expected);
    assert_eq!(reason(&[], &|_| None), "");
}
