//! Test runners and checkers of JavaScript and Python, with colour and without.

use super::check;

const JEST: &[&str] = &[
    "src/sum.js",
    "src/sum.mjs",
    "tests/sum.test.js",
    "tests/broken.test.js",
    "tests/syntax.test.js",
    "tests/sum.test.mjs",
    "tests/broken.test.mjs",
    "tests/syntax.test.mjs",
];
const NODE: &[&str] = &["lib/b.mjs", "test/b.test.mjs", "test/broken.test.mjs", "test/syntax.test.mjs"];
const PYTHON: &[&str] =
    &["app/core.py", "app/__init__.py", "main.py", "bad.py", "tests/test_core.py", "tests/test_broken.py"];

#[test]
fn jest() {
    check(
        "jest",
        sample!("jest"),
        JEST,
        Some((1, 3)),
        &[
            "tests/sum.test.js:5 test sum › adds failed: expect(received).toBe(expected) // Object.is equality",
            "src/sum.js:5 test goes deep failed: TypeError: Cannot read properties of undefined (reading 'y') <tests/sum.test.js:13>",
            "tests/sum.test.js:17 test equals failed: expect(received).toEqual(expected) // deep equality",
            "tests/broken.test.js:1 Cannot find module '../src/nope' from 'tests/broken.test.js'",
            "tests/syntax.test.js:2 SyntaxError: Unexpected token",
        ],
    );
    check(
        "jest",
        sample!("jest_color"),
        JEST,
        Some((1, 3)),
        &[
            "tests/sum.test.js:5 test sum › adds failed: expect(received).toBe(expected) // Object.is equality",
            "src/sum.js:5 test goes deep failed: TypeError: Cannot read properties of undefined (reading 'y') <tests/sum.test.js:13>",
            "tests/sum.test.js:17 test equals failed: expect(received).toEqual(expected) // deep equality",
            "tests/syntax.test.js:2 SyntaxError: Unexpected token",
            "tests/broken.test.js:1 Cannot find module '../src/nope' from 'tests/broken.test.js'",
        ],
    );
}

#[test]
fn vitest() {
    for sample in [sample!("vitest"), sample!("vitest_color")] {
        check(
            "vitest",
            sample,
            JEST,
            Some((1, 3)),
            &[
                "tests/broken.test.mjs:2 Error: Cannot find module '../src/nope.mjs' imported from /w/proj/tests/broken.test.mjs",
                "tests/syntax.test.mjs:3 SyntaxError: Unexpected token",
                "tests/sum.test.mjs:6 test adds failed: AssertionError: expected -1 to be 3 // Object.is equality",
                "src/sum.mjs:5 test goes deep failed: TypeError: Cannot read properties of undefined (reading 'y') <tests/sum.test.mjs:14>",
                "tests/sum.test.mjs:18 test equals failed: AssertionError: expected { a: 1, b: [ 1, 2 ] } to deeply equal { a: 1, b: [ 1, 3 ] }",
            ],
        );
    }
}

#[test]
fn node_test() {
    check(
        "node",
        sample!("nodetest_tap"),
        NODE,
        Some((1, 5)),
        &[
            "test/b.test.mjs:5 test adds failed: Expected values to be strictly equal:",
            "test/b.test.mjs:7 test deep failed: Expected values to be strictly deep-equal:",
            "test/b.test.mjs:9 test later failed: no",
            "test/broken.test.mjs Error [ERR_MODULE_NOT_FOUND]: Cannot find module '/w/proj/lib/gone.mjs' imported from /w/proj/test/broken.test.mjs",
            "test/syntax.test.mjs:1 SyntaxError: Unexpected token ';'",
        ],
    );
    check(
        "node",
        sample!("nodetest_spec"),
        NODE,
        Some((1, 5)),
        &[
            "test/b.test.mjs:5 test adds failed: AssertionError [ERR_ASSERTION]: Expected values to be strictly equal:",
            "test/b.test.mjs:7 test deep failed: AssertionError [ERR_ASSERTION]: Expected values to be strictly deep-equal:",
            "test/b.test.mjs:9 test later failed: TypeError [Error]: no",
            "test/broken.test.mjs Error [ERR_MODULE_NOT_FOUND]: Cannot find module '/w/proj/lib/gone.mjs' imported from /w/proj/test/broken.test.mjs",
            "test/syntax.test.mjs:1 SyntaxError: Unexpected token ';'",
        ],
    );
}

#[test]
fn mypy() {
    for sample in [sample!("mypy"), sample!("mypy_color"), sample!("mypy_pretty")] {
        check(
            "mypy",
            sample,
            PYTHON,
            None,
            &[
                "app/core.py:9 Incompatible return value type (got \"int\", expected \"str\")",
                "main.py:1 Module \"app.core\" has no attribute \"gone\" <app/core.py>",
                "main.py:2 Cannot find implementation or library stub for module named \"app.nope\"",
                "main.py:4 Incompatible types in assignment (expression has type \"int\", variable has type \"str\")",
                "main.py:5 Argument 1 to \"add\" has incompatible type \"str\"; expected \"int\"",
                "main.py:5 Name \"undefined_thing\" is not defined",
            ],
        );
    }
    check(
        "mypy",
        sample!("mypy_syntax"),
        PYTHON,
        None,
        &["bad.py:1 Expected a parameter or the end of the parameter list", "bad.py:1 Expected `)`, found newline"],
    );
}

#[test]
fn ruff() {
    for sample in [sample!("ruff"), sample!("ruff_full"), sample!("ruff_color")] {
        check(
            "ruff",
            sample,
            PYTHON,
            None,
            &[
                "app/core.py:1 `os` imported but unused",
                "bad.py:1 Expected a parameter or the end of the parameter list",
                "bad.py:1 Expected `)`, found newline",
                "main.py:1 Import block is un-sorted or un-formatted",
                "main.py:1 `app.core.gone` imported but unused",
                "main.py:2 `app.nope` imported but unused",
                "main.py:5 Undefined name `undefined_thing`",
            ],
        );
    }
}

#[test]
fn pyright() {
    check(
        "pyright",
        sample!("pyright"),
        PYTHON,
        None,
        &[
            "app/core.py:9 Type \"int\" is not assignable to return type \"str\"",
            "bad.py:1 \"(\" was not closed",
            "bad.py:1 Expected parameter name",
            "bad.py:1 Position-only parameter separator not allowed as first parameter",
            "bad.py:2 Expected expression",
            "bad.py:3 Expected \":\"",
            "bad.py:3 Expected expression",
            "bad.py:3 Statements must be separated by newlines or semicolons",
            "main.py:1 \"gone\" is unknown import symbol",
            "main.py:2 Import \"app.nope\" could not be resolved",
            "main.py:4 Type \"int\" is not assignable to declared type \"str\"",
            "main.py:5 Argument of type \"Literal['a']\" cannot be assigned to parameter \"a\" of type \"int\" in function \"add\"",
            "main.py:5 \"undefined_thing\" is not defined",
        ],
    );
}

#[test]
fn pytest() {
    check(
        "pytest",
        sample!("pytest_full"),
        PYTHON,
        Some((0, 1)),
        &[
            "tests/test_broken.py:1 ImportError: cannot import name 'nothere' from 'app.core' (/w/proj/app/core.py) <app/core.py>",
        ],
    );
    for sample in [sample!("pytest_quiet"), sample!("pytest_color")] {
        check(
            "pytest",
            sample,
            PYTHON,
            Some((1, 5)),
            &[
                "app/core.py:13 test test_store failed: FileNotFoundError: x.db <tests/test_core.py:8>",
                "tests/test_core.py:21 test test_unknown failed: fixture 'nofixture' not found",
                "tests/test_core.py:14 test test_add[1-2-3] failed: AssertionError: sum is off",
                "tests/test_core.py:27 test test_keys failed: AssertionError: assert {'a': 1, 'b': [1, 2, 3]} == {'a': 1, 'b': [1, 2, 4]}",
                "tests/test_core.py:31 test test_raises failed: Failed: DID NOT RAISE ValueError",
            ],
        );
    }
    check(
        "pytest",
        sample!("pytest_tbno"),
        PYTHON,
        Some((1, 5)),
        &[
            "tests/test_core.py test test_store failed: FileNotFoundError: x.db",
            "tests/test_core.py:21 test test_unknown failed: fixture 'nofixture' not found",
            "tests/test_core.py:14 test test_add[1-2-3] failed: AssertionError: sum is off",
            "tests/test_core.py:27 test test_keys failed: AssertionError: assert {'a'...",
            "tests/test_core.py:31 test test_raises failed: Failed: DID NOT RAISE ValueError",
        ],
    );
}
