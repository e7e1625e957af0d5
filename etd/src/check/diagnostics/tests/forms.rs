//! Forms of many tools in short.

use super::{C, GO, RUST, run, short};

/// Forms that the tools at hand don't print any more, or that aren't at hand.
#[test]
fn other_forms() {
    let table: &[(&str, &[&str], &[&str])] = &[
        (
            "thread 'tests::a' panicked at 'boom', src/lib.rs:4:9\nnote: run with `RUST_BACKTRACE=1`\n",
            RUST,
            &["src/lib.rs:4 test tests::a failed: boom"],
        ),
        (
            "error: failed to parse manifest at `/w/proj/Cargo.toml`\n\nCaused by:\n  no targets specified in the manifest\n",
            RUST,
            &["Cargo.toml failed to parse manifest at `/w/proj/Cargo.toml`"],
        ),
        (
            "main.c:(.text+0x5): undefined reference to `add'\ncollect2: error: ld returned 1 exit status\n",
            C,
            &["main.c undefined reference to `add'"],
        ),
        (
            "/usr/bin/ld: util.o:(.bss+0x0): multiple definition of `n'; main.o:(.bss+0x0): first defined here\n",
            C,
            &["util.c multiple definition of `n' <main.c>"],
        ),
        (
            "In file included from util.h:3,\n                 from main.c:1:\n/usr/include/x.h:7:1: error: unknown type name ‘foo’\n",
            C,
            &["util.h:3 unknown type name ‘foo’ <main.c:1>"],
        ),
        (
            "main.c:1:1: error: expected expression\n    1 | }\n      | ^\nutil.h:2:3: note: to match this\n1 error generated.\n",
            C,
            &["main.c:1 expected expression <util.h:2>"],
        ),
        (
            "CMake Error at CMakeLists.txt:5 (add_executable):\n  Cannot find source file:\n\n    nope.c\n\n\n-- Configuring incomplete, errors occurred!\n",
            &["CMakeLists.txt"],
            &["CMakeLists.txt:5 Cannot find source file:"],
        ),
        (
            "CMake Error: The source directory \"/w/proj\" does not appear to contain CMakeLists.txt.\n",
            &["main.c"],
            &["- The source directory \"/w/proj\" does not appear to contain CMakeLists.txt."],
        ),
        (
            "go: cannot find main module, but found .git/config in /w\n",
            &["main.go"],
            &["- cannot find main module, but found .git/config in /w"],
        ),
        (
            "go: downloading example.com/x v1.0.0\ngo: go.mod file not found in current directory or any parent directory; see 'go help modules'\n",
            &["main.go"],
            &["- go.mod file not found in current directory or any parent directory; see 'go help modules'"],
        ),
        (
            "lib/thing.rb:12: syntax error, unexpected end\n",
            &["lib/thing.rb"],
            &["lib/thing.rb:12 syntax error, unexpected end"],
        ),
        ("src/Main.java:3: error: ';' expected\n", &["src/Main.java"], &["src/Main.java:3 ';' expected"]),
        ("Program.cs(4,2): error CS1002: ; expected\n", &["Program.cs"], &["Program.cs:4 error CS1002: ; expected"]),
        (
            "main.go:4:2: no required module provides package other.org/app/internal/store; to add it:\n\tgo get other.org/app/internal/store\n",
            GO,
            &[
                "main.go:4 no required module provides package other.org/app/internal/store <go.mod> <internal/store/other.go>",
            ],
        ),
        ("thing.xyz:3: odd\n", &["thing.xyz"], &["thing.xyz:3 odd"]),
        ("thing.xyz:3: odd\nthing.xyz:4: error: wrong\n", &["thing.xyz"], &["thing.xyz:4 wrong"]),
        ("/etc/passwd:3: error: wrong\n", &["thing.xyz"], &["- /etc/passwd:3: wrong"]),
        (
            "\u{1b}[1m\u{1b}[31mmain.c:2:1: \u{1b}[0merror: expected ‘;’ before ‘}’\u{1b}[K\n",
            C,
            &["main.c:2 expected ‘;’ before ‘}’"],
        ),
        ("", C, &["- the command failed and printed nothing"]),
        ("boom\nmake: *** [Makefile:3: all] Error 1\n", C, &["- boom <Makefile:3>"]),
    ];
    for (text, files, expected) in table {
        let found: Vec<String> = run("sh", text, files, false).diagnostics.iter().map(short).collect();
        assert_eq!(&found, expected, "{text}");
    }
}
