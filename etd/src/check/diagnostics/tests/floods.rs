//! Whatever a tool repeats, reading it stays fast: nothing looks back or ahead over all of it, line by line.

use std::time::{Duration, Instant};

use super::{paths, run};
use crate::check::diagnostics::readable;

/// `#` is the number of the repetition.
const FLOODS: &[&str] = &[
    "compiling module # of the project",
    "--- FAIL: Test# (0.00s)",
    "=== RUN   Test#",
    "    main_test.go:#: wrong",
    "panic: #",
    "{",
    "{\n\t\"app#\": {",
    "{\"Action\":\"output\",\"Package\":\"p#\",\"Test\":\"T#\",\"Output\":\"x\\n\"}",
    "  ● suite › test #",
    " FAIL  a.js > test #",
    "    at f (a.js:#:1)",
    "Error: #",
    "a.js:#",
    "Traceback (most recent call last):",
    "  File \"main.py\", line #",
    "Sorry: SyntaxError: x (main.py, line #)",
    "In file included from main.c:#:",
    "main.c:#:1: note: x",
    "main.c: In function 'f#':",
    "make[1]: Entering directory '/w/proj/dir#'\nmain.c:#:1: error: e#",
    "[ERROR]   CalcTest.x#:9 y",
    "CalcTest.java:#: error: x",
    "CalcTest > t# FAILED",
    "[ERROR] a.b.t# -- Time elapsed: 1 s <<< FAILURE!",
    "java.lang.Error: #",
    "main.py:#: error: long",
    "____ test_# ____",
    "FAILED main.py::t# - x",
    "ERROR: test_# (x)\n-----",
    "error: number #",
    "error[E0001]: number #\n --> main.c:#:1",
    "---- t# stdout ----",
    "thread 't#' panicked at main.c:#:1:",
    "not ok # - x\n  ---",
    "✖ test #",
    "npm ERR! #",
    "main.c(#,2): error TS2304: x",
    "main.c:#:2 - error TS2304: x",
    "CMake Error at CMakeLists.txt:# (x):",
    "package p#\n\timports q#",
    "ok  \tp#\t0.1s",
    "F401 x#\n --> main.py:#:1",
    "  main.py:#:1 - error: x",
    "main.c:(.text+0x5): undefined reference to `f#'",
    "main.c:#: word",
    "\u{1b}[31mx#\u{1b}[0m\r#",
    "TAP version 13\n# x#",
    "Caused by: #",
    "Build file '/w/proj/main.c' line: #",
];

/// Each takes a few tenths of a second where it is slow; one that is quadratic takes many seconds.
#[test]
fn floods_are_read_fast() {
    let files = ["main.c", "main.py", "a.js", "CalcTest.java", "main_test.go", "CMakeLists.txt"];
    for flood in FLOODS {
        let text: String = (1..6_000).map(|index| format!("{}\n", flood.replace('#', &index.to_string()))).collect();
        let start = Instant::now();
        let found = run("sh", &text, &files, false).diagnostics.len();
        assert!((1..=1000).contains(&found), "{flood}: {found}");
        assert!(start.elapsed() < Duration::from_secs(5), "{flood}: {:?}", start.elapsed());
    }
}

#[test]
fn one_endless_line_is_cut() {
    let start = Instant::now();
    for piece in
        ["a.c:1:1: error: ", "\u{1b}[1m", "at f (a.js:1:1) ", "{\"Action\":", "File \"a.py\", line 1 ", " → ‘x’ "]
    {
        let text = piece.repeat((1 << 20) / piece.len());
        assert!(run("sh", &text, &["a.c"], false).diagnostics.iter().all(|found| found.message.len() < 10_000));
        assert_eq!(readable(&text), text);
    }
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert_eq!(paths(&["a.c"]).resolve(&"x/".repeat(1 << 20), ""), None);
}
