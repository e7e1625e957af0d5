//! Go: text and `-json`.

use super::{GO, check};

const GO_JSON: &[&str] = &[
    "go.mod",
    "main.go",
    "main_test.go",
    "boom_test.go",
    "bad_test.go",
    "vet.go",
    "types.go",
    "store/store.go",
    "store/store_test.go",
    "store/dup.go",
];

#[test]
fn go() {
    check("go", sample!("go_cycle"), GO, None, &["b/b.go import cycle not allowed <a/a.go>"]);
    check(
        "go",
        sample!("go_found"),
        GO,
        None,
        &[
            "internal/store/other.go:1 found packages wrong (other.go) and store (store.go) in /w/proj/internal/store <internal/store/store.go:1> <main.go:7>",
        ],
    );
    check(
        "go",
        sample!("go_iface"),
        GO,
        None,
        &[
            "main.go:11 cannot use M{} (value of struct type M) as S value in variable declaration: M does not implement S (wrong type for method Get)",
        ],
    );
    check(
        "go",
        sample!("go_imports"),
        GO,
        None,
        &[
            "main.go:5 no required module provides package example.com/app/nope <go.mod>",
            "main.go:6 package foo/bar is not in std (/usr/local/go/src/foo/bar)",
            "main.go:4 no required module provides package github.com/gorilla/mux <go.mod>",
        ],
    );
    check(
        "go",
        sample!("go_many"),
        GO,
        None,
        &[
            "main.go:4 undefined: a0",
            "main.go:5 undefined: a1",
            "main.go:6 undefined: a2",
            "main.go:7 undefined: a3",
            "main.go:8 undefined: a4",
            "main.go:9 undefined: a5",
            "main.go:10 undefined: a6",
            "main.go:11 undefined: a7",
            "main.go:12 undefined: a8",
            "main.go:13 undefined: a9",
        ],
    );
    check("go", sample!("go_mod"), GO, None, &["go.mod:1 unknown directive: modul"]);
    check(
        "go",
        sample!("go_nomod"),
        GO,
        None,
        &["go.mod pattern ./...: directory prefix . does not contain main module or its selected dependencies"],
    );
    check(
        "go",
        sample!("go_redeclared"),
        GO,
        None,
        &["internal/store/store.go:5 Open redeclared in this block <internal/store/other.go:3>"],
    );
    check(
        "go",
        sample!("go_syntax"),
        GO,
        None,
        &[
            "main.go:5 syntax error: unexpected }, expected expression",
            "main.go:7 syntax error: unexpected name y, expected (",
        ],
    );
    check("go", sample!("go_syntax_vet"), GO, None, &["main.go:5 expected operand, found '}' (and 1 more errors)"]);
    check(
        "go",
        sample!("go_test"),
        GO,
        Some((0, 2)),
        &[
            "main_test.go:7 test TestAdd failed: Add(1, 2) = -1, want 3",
            "main_test.go:14 test TestSub/one failed: sub failed",
        ],
    );
    check("go", sample!("go_test_build"), GO, None, &["main_test.go:6 undefined: Booom"]);
    let found_packages =
        "store/dup.go:1 found packages other (dup.go) and store (store.go) in /w/proj/store <store/store.go:1>";
    check(
        "go",
        sample!("go_build_json"),
        GO_JSON,
        None,
        &[
            "store/store.go:4 Open redeclared in this block <store/dup.go:2>",
            "types.go:2 undefined: Gone",
            "types.go:2 undefined: store",
        ],
    );
    check(
        "go",
        sample!("go_test_json"),
        GO_JSON,
        Some((3, 2)),
        &[
            "main_test.go:7 test TestAdd failed: Add(1, 2) = -1, want 3",
            "main_test.go:14 test TestSub/one failed: sub failed",
        ],
    );
    check(
        "go",
        sample!("go_test_json_panic"),
        GO_JSON,
        Some((1, 1)),
        &["main.go:7 test TestBoom failed: panic: assignment to entry in nil map <boom_test.go:5>"],
    );
    check("go", sample!("go_test_json_build"), GO_JSON, Some((1, 0)), &["bad_test.go:5 undefined: Gone"]);
    check(
        "go",
        sample!("go_test_json_found"),
        GO_JSON,
        None,
        &[found_packages, "types.go:2 undefined: Gone", "types.go:2 undefined: store"],
    );
    check(
        "go",
        sample!("go_vet_json"),
        GO_JSON,
        None,
        &["vet.go:3 fmt.Printf format %d has arg \"x\" of wrong type string", "vet.go:3 unreachable code"],
    );
    check(
        "go",
        sample!("go_test_panic"),
        GO,
        Some((0, 1)),
        &["main.go:5 test TestBoom failed: panic: assignment to entry in nil map <main_test.go:6>"],
    );
    check(
        "go",
        sample!("go_test_v"),
        GO,
        Some((2, 2)),
        &[
            "main_test.go:7 test TestAdd failed: Add(1, 2) = -1, want 3",
            "main_test.go:14 test TestSub/one failed: sub failed",
        ],
    );
    check(
        "go",
        sample!("go_types"),
        GO,
        None,
        &[
            "main.go:5 \"os\" imported and not used",
            "main.go:11 declared and not used: n",
            "main.go:11 cannot use \"x\" (untyped string constant) as int value in variable declaration",
            "main.go:12 undefined: undefinedName",
            "main.go:12 undefined: store.Missing",
            "main.go:13 too many arguments in call to store.Open",
        ],
    );
    check("go", sample!("go_vet"), GO, None, &["main.go:6 fmt.Printf format %d has arg \"x\" of wrong type string"]);
    check("go", sample!("go_vet_type"), GO, None, &["main.go:4 undefined: undefinedA"]);
}
