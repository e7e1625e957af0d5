#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

use proptest::prelude::*;

use super::*;

mod hostile;

fn path(text: &str) -> RelPath {
    RelPath::parse(text).unwrap()
}

fn ask(text: &str, owns: &[&str]) -> Answer {
    let owns: Vec<RelPath> = owns.iter().map(|text| path(text)).collect();
    read(text, &Expected { owns: &owns, work_dir_name: "build", cut: false })
}

/// Name, answer, what the worker owns, files as `path=content`.
type Case = (&'static str, &'static str, &'static [&'static str], &'static [(&'static str, &'static str)]);

#[test]
fn formats_are_read() {
    let table: &[Case] = &[
        ("marker", "Here:\n===FILE: a/x.go===\npackage a\n===ENDFILE===\nDone.", &[], &[("a/x.go", "package a\n")]),
        ("spaces", "=== FILE: `x.go` ===\npackage a\n=== ENDFILE ===", &[], &[("x.go", "package a\n")]),
        (
            "end at header",
            "===FILE: a.c===\nint a;\n===FILE: b.c===\nint b;\n===ENDFILE===",
            &[],
            &[("a.c", "int a;\n"), ("b.c", "int b;\n")],
        ),
        ("wrapped", "===FILE: x.go===\n```go\npackage a\n```\n===ENDFILE===", &[], &[("x.go", "package a\n")]),
        (
            "all in a fence",
            "```\n===FILE: x.go===\npackage a\n===ENDFILE===\n```\nBye.",
            &[],
            &[("x.go", "package a\n")],
        ),
        ("end on the line", "===FILE: x.c===\nint a;===ENDFILE===", &[], &[("x.c", "int a;\n")]),
        (
            "fences in it",
            "===FILE: R.md===\n# T\n```sh\nmake\n```\nend\n===ENDFILE===",
            &[],
            &[("R.md", "# T\n```sh\nmake\n```\nend\n")],
        ),
        (
            "raw string",
            "===FILE: x.go===\npackage a\nvar s = `\n```\n===\n`\n===ENDFILE===",
            &[],
            &[("x.go", "package a\nvar s = `\n```\n===\n`\n")],
        ),
        ("heading", "### cmd/x.go\n\n```go\npackage a\n```", &[], &[("cmd/x.go", "package a\n")]),
        ("heading, words", "## Code: x.py\nThis is it.\n\n```python\na = 1\n```", &[], &[("x.py", "a = 1\n")]),
        ("heading, number", "### 2. `x.py` - the model\n```python\na = 1\n```", &[], &[("x.py", "a = 1\n")]),
        ("bold", "**src/x.rs**\n```rust\nfn a() {}\n```", &[], &[("src/x.rs", "fn a() {}\n")]),
        ("bold, colon", "**`src/x.rs`:**\n```rust\nfn a() {}\n```", &[], &[("src/x.rs", "fn a() {}\n")]),
        ("ticks", "`src/x.rs`\n```rust\nfn a() {}\n```", &[], &[("src/x.rs", "fn a() {}\n")]),
        ("colon", "src/x.rs:\n```rust\nfn a() {}\n```", &[], &[("src/x.rs", "fn a() {}\n")]),
        ("label", "File: src\\x.rs (new)\n```rust\nfn a() {}\n```", &[], &[("src/x.rs", "fn a() {}\n")]),
        ("sentence", "Now the `x.py` file, as asked:\n\n```python\na = 1\n```", &[], &[("x.py", "a = 1\n")]),
        ("info", "```go cmd/x.go\npackage a\n```", &[], &[("cmd/x.go", "package a\n")]),
        ("info, colon", "```go:cmd/x.go\npackage a\n```", &[], &[("cmd/x.go", "package a\n")]),
        ("info, title", "```go title=\"x.go\"\npackage a\n```", &[], &[("x.go", "package a\n")]),
        ("info, file", "```go {file=x.go}\npackage a\n```", &[], &[("x.go", "package a\n")]),
        ("info alone", "```x.go\npackage a\n```", &[], &[("x.go", "package a\n")]),
        ("comment //", "```go\n// cmd/x.go\npackage a\n```", &[], &[("cmd/x.go", "// cmd/x.go\npackage a\n")]),
        ("comment #", "```python\n# x.py\na = 1\n```", &[], &[("x.py", "# x.py\na = 1\n")]),
        ("comment <!--", "```html\n<!-- x.html -->\n<p>\n```", &[], &[("x.html", "<!-- x.html -->\n<p>\n")]),
        ("comment /*", "```c\n/* x.c */\nint a;\n```", &[], &[("x.c", "/* x.c */\nint a;\n")]),
        ("comment in json", "```json\n// package.json\n{}\n```", &[], &[("package.json", "{}\n")]),
        ("four ticks", "R.md\n````markdown\n```sh\nmake\n```\n````", &[], &[("R.md", "```sh\nmake\n```\n")]),
        (
            "markdown in three",
            "### R.md\n```markdown\n# T\n```sh\nmake\n```\nend\n```\nBye.",
            &[],
            &[("R.md", "# T\n```sh\nmake\n```\nend\n")],
        ),
        ("tildes", "x.py\n~~~python\na = 1\n```\n~~~", &[], &[("x.py", "a = 1\n```\n")]),
        ("indented", "1. x.py\n   ```python\n   a = 1\n     b\n   ```", &[], &[("x.py", "a = 1\n  b\n")]),
        ("only one", "Sure:\n```go\npackage a\n```\nRun:\n```sh\ngo run .\n```", &["x.go"], &[("x.go", "package a\n")]),
        ("shell", "Run `main.py`:\n```sh\npython main.py\n```", &["a.py", "b.py"], &[]),
        ("script", "### run.sh\n```bash\necho\n```", &[], &[("run.sh", "echo\n")]),
        (
            "thoughts",
            "<think>\n===FILE: x.go===\nbad\n===ENDFILE===\n</think>\n===FILE: x.go===\npackage a\n===ENDFILE===",
            &[],
            &[("x.go", "package a\n")],
        ),
        ("open thoughts", "<think>\n===FILE: x.go===\nbad\n===ENDFILE===\n", &[], &[]),
        (
            "closed thoughts",
            "hm\n```go\nbad\n```\n</think>\nx.go\n```go\npackage a\n```",
            &[],
            &[("x.go", "package a\n")],
        ),
        ("last wins", "x.c\n```c\nint a;\n```\nBetter:\n\nx.c\n```c\nint b;\n```", &[], &[("x.c", "int b;\n")]),
        (
            "weak never wins",
            "===FILE: x.py===\na = 1\n===ENDFILE===\nNow `x.py` can be imported:\n```python\nimport x\n```",
            &[],
            &[("x.py", "a = 1\n")],
        ),
        ("app", "===FILE: /app/x.py===\na = 1\n===ENDFILE===", &["x.py"], &[("x.py", "a = 1\n")]),
        ("work dir", "===FILE: build/x.py===\na = 1\n===ENDFILE===", &["x.py"], &[("x.py", "a = 1\n")]),
        ("not owned", "===FILE: build/y.py===\na = 1\n===ENDFILE===", &["x.py"], &[("build/y.py", "a = 1\n")]),
        ("crlf, bom", "\u{feff}===FILE: x.py===\r\n\u{feff}a = 1\r\n===ENDFILE===\r\n", &[], &[("x.py", "a = 1\n")]),
        ("stray fence", "```python\n# x.py\na = 1\n```\n```", &[], &[("x.py", "# x.py\na = 1\n")]),
        (
            "tree",
            "### Structure\n```\nsrc/\n  main.go\n```\n### src/main.go\n```go\npackage main\n```",
            &[],
            &[("src/main.go", "package main\n")],
        ),
        ("empty", "===FILE: a/__init__.py===\n===ENDFILE===", &[], &[("a/__init__.py", "")]),
        (
            "python's dots",
            "===FILE: a.py===\nclass A:\n    ...\n===ENDFILE===",
            &[],
            &[("a.py", "class A:\n    ...\n")],
        ),
        (
            "honest dots",
            "===FILE: a.go===\n// Run passes the rest of the arguments... to exec.\nfunc a(x ...int) {}\n===ENDFILE===",
            &[],
            &[("a.go", "// Run passes the rest of the arguments... to exec.\nfunc a(x ...int) {}\n")],
        ),
        (
            "honest remark",
            "===FILE: a.go===\n// Existing code paths call this.\n// Unchanged rows are kept.\nfunc a() {}\n===ENDFILE===",
            &[],
            &[("a.go", "// Existing code paths call this.\n// Unchanged rows are kept.\nfunc a() {}\n")],
        ),
        ("other language", "```json\n{\"a\": 1}\n```", &["main.go"], &[]),
        (
            "stray fence before markers",
            "```\n\nHere:\n===FILE: x.c===\nint a;\n===ENDFILE===\n",
            &[],
            &[("x.c", "int a;\n")],
        ),
        ("excerpt", "```12:15:src/x.ts\nlet a = 1\n```", &["src/x.ts"], &[]),
    ];
    for (name, text, owns, files) in table {
        let answer = ask(text, owns);
        let found: Vec<(&str, &str)> =
            answer.files.iter().map(|file| (file.path.as_str(), file.content.as_str())).collect();
        assert_eq!(found, *files, "{name}: {:?}", answer.problems);
    }
}

#[test]
fn what_cannot_be_taken_is_said() {
    let truncated = |text: &str| vec![Problem::Truncated(path(text))];
    let placeholder = |text: &str| vec![Problem::Placeholder(path(text))];
    let unsafe_path = |text: &str, reason: PathError| vec![Problem::UnsafePath(text.to_owned(), reason.to_string())];
    use crate::relpath::PathError;
    let table: &[(&str, &[&str], Vec<Problem>)] = &[
        ("===FILE: x.go===\npackage a\n", &[], truncated("x.go")),
        ("x.go\n```go\npackage a\n", &[], truncated("x.go")),
        ("```go\npackage a\n", &["x.go"], truncated("x.go")),
        ("===FILE: x.go===\nfunc a() {\n\t// ... rest of the code\n}\n===ENDFILE===", &[], placeholder("x.go")),
        ("===FILE: x.py===\n# ... existing code ...\na = 1\n===ENDFILE===", &[], placeholder("x.py")),
        ("===FILE: x.c===\n/* unchanged */\nint a;\n===ENDFILE===", &[], placeholder("x.c")),
        (
            "===FILE: x.html===\n[Previous content remains exactly the same]\n<p>\n===ENDFILE===",
            &[],
            placeholder("x.html"),
        ),
        ("===FILE: x.ts===\nlet a = 1;\n...\n===ENDFILE===", &[], placeholder("x.ts")),
        ("===FILE: x.ts===\n// Rest of the code remains the same\nlet a = 1;\n===ENDFILE===", &[], placeholder("x.ts")),
        ("===FILE: x.go===\n// No changes needed in this file\n===ENDFILE===", &[], placeholder("x.go")),
        ("===FILE: x.go===\n===ENDFILE===", &[], placeholder("x.go")),
        ("===FILE: ../../evil===\na\n===ENDFILE===", &[], unsafe_path("../../evil", PathError::Parent)),
        ("===FILE: /etc/passwd===\na\n===ENDFILE===", &[], unsafe_path("/etc/passwd", PathError::Absolute)),
        ("===FILE: /app/y.py===\na\n===ENDFILE===", &["x.py"], unsafe_path("/app/y.py", PathError::Absolute)),
        ("===DELETE: C:\\x===", &[], unsafe_path("C:\\x", PathError::Absolute)),
        ("```diff\n-a\n+b\n```", &["x.go", "y.go"], vec![Problem::NoPath]),
        ("```go\npackage a\n```", &[], vec![Problem::NoPath]),
        ("```go\npackage a\n```\n```go\npackage b\n```", &["x.go"], vec![Problem::NoPath]),
    ];
    for (text, owns, problems) in table {
        let answer = ask(text, owns);
        assert_eq!(answer.files, [], "{text}");
        assert_eq!(&answer.problems, problems, "{text}");
        assert!(!answer.no_change, "{text}");
    }
}

#[test]
fn a_complete_block_makes_up_for_a_broken_one() {
    let answer = ask("===FILE: x.c===\nint a;\n===ENDFILE===\n===FILE: x.c===\nint", &["x.c"]);
    assert_eq!((answer.files.len(), answer.problems.len()), (1, 0));
    let answer = ask("===FILE: ../x===\na\n===ENDFILE===\n===FILE: x.c===\nint a;\n===ENDFILE===", &["x.c"]);
    assert_eq!((answer.files.len(), answer.problems.len()), (1, 1));
}

#[test]
fn no_change_is_an_answer() {
    for text in [
        "No changes are needed.",
        "The file is already correct.",
        "I looked at it; no further changes required here.",
        "===FILE: x.go===\n// No changes needed in this file\n===ENDFILE===",
        "x.go\n```go\n// unchanged\n```",
        "NO_CHANGE",
    ] {
        let answer = ask(text, &["x.go"]);
        assert!(answer.no_change && answer.files.is_empty() && answer.problems.is_empty(), "{text}: {answer:?}");
    }
    for text in [
        "I can't do that.",
        "",
        "Some changes are needed.",
        "===FILE: x.go===\npackage a\n===ENDFILE===\nNo changes needed.",
    ] {
        assert!(!ask(text, &["x.go"]).no_change, "{text}");
    }
}

#[test]
fn deletions_and_remarks_are_read() {
    let answer = ask("===DELETE: old.go===\n===FILE: x.go===\npackage a\n===ENDFILE===\nI removed the old one.", &[]);
    assert_eq!(answer.deletions, [path("old.go")]);
    assert_eq!(answer.remarks, "I removed the old one.");
    assert!(ask("===DELETE: x.go===\n===FILE: x.go===\npackage a\n===ENDFILE===", &[]).deletions.is_empty());
}

proptest! {
    #[test]
    fn nothing_makes_it_panic_or_leave_the_work_dir(
        parts in proptest::collection::vec(
            prop_oneof![
                Just("===FILE: ".to_owned()), Just("===\n".to_owned()), Just("===ENDFILE===\n".to_owned()), Just("```go\n".to_owned()),
                Just("```\n".to_owned()), Just("../".to_owned()), Just("/app/".to_owned()), Just("x.go".to_owned()), Just("**".to_owned()),
                Just("`".to_owned()), Just("\n".to_owned()), Just("<think>".to_owned()), Just("</think>\n".to_owned()), Just("// ".to_owned()),
                Just("===DELETE: ".to_owned()), Just("===MOVE: a -> ".to_owned()), Just("<<<<<<< SEARCH\n".to_owned()),
                Just("=======\n".to_owned()), Just(">>>>>>> REPLACE\n".to_owned()), Just("--- a/x.go\n+++ b/".to_owned()), Just("@@ -1,2 +1 @@\n".to_owned()),
                Just("\n+".to_owned()), Just("\n-".to_owned()), Just("diff --git ".to_owned()), Just("*** Begin Patch\n".to_owned()),
                Just("*** Update File: ".to_owned()), Just("*** Move to: ".to_owned()), Just("<file path=\"".to_owned()), Just("\">\n".to_owned()),
                Just("</file>\n".to_owned()), Just("<source>\n".to_owned()), Just("# ".to_owned()), Just(":".to_owned()), Just("\\".to_owned()), Just("é…".to_owned()), ".{0,12}",
            ],
            0..40,
        ),
        cut: bool,
    ) {
        let owns = [path("x.go")];
        let answer = read(&parts.concat(), &Expected { owns: &owns, work_dir_name: "build", cut });
        let moved = answer.moves.iter().flat_map(|(from, to)| [from, to]);
        let edited = answer.edits.iter().map(|edit| &edit.path);
        let written = answer.files.iter().map(|file| &file.path);
        for path in written.chain(&answer.deletions).chain(edited).chain(moved) {
            prop_assert_eq!(RelPath::parse(path.as_str()).unwrap(), path.clone());
        }
        let there = Current::Text("package a\n\nx.go\n".to_owned());
        let resolved = resolve(&answer, &|_| there.clone());
        for text in resolved.files.values().flatten() {
            prop_assert!(text.is_empty() || text.ends_with('\n'));
        }
        for file in &answer.files {
            prop_assert!(file.content.is_empty() || file.content.ends_with('\n'));
        }
    }

    #[test]
    fn a_file_reads_back_byte_for_byte(
        name in "[a-z]{1,8}(/[a-z]{1,8}){0,2}\\.(go|rs|py|ts|c)",
        head in "[a-z]{1,8}\\([a-z ]{0,8}\\) \\{",
        lines in proptest::collection::vec("[ -~é\t]{0,30}", 0..12),
        format in 0..14_u8,
    ) {
        let content: String = std::iter::once(&head).chain(&lines).map(|line| format!("{line}\n")).collect();
        prop_assume!(!content.contains("===") && !content.contains("...") && !content.contains("~~~~~"));
        let ticks = "~~~~~~";
        let text = match format {
            0 => format!("===FILE: {name}===\n{content}===ENDFILE===\n"),
            1 => format!("===FILE: {name}===\n{ticks}\n{content}{ticks}\n===ENDFILE===\n"),
            2 => format!("### {name}\n{ticks}\n{content}{ticks}\n"),
            3 => format!("**{name}**\n{ticks}\n{content}{ticks}\n"),
            4 => format!("`{name}`:\n\n{ticks}\n{content}{ticks}\n"),
            5 => format!("{ticks}go:{name}\n{content}{ticks}\n"),
            6 => format!("{ticks}go title=\"{name}\"\n{content}{ticks}\n"),
            7 => format!("Here is the file `{name}` as it is:\n{ticks}\n{content}{ticks}\n"),
            8 => format!("{ticks}\n// {name}\n{content}{ticks}\n"),
            9 => format!("<file path=\"{name}\">\n{content}</file>\n"),
            10 => format!("{name}\n<source>\n{content}</source>\n"),
            11 => format!("{ticks}diff\n--- /dev/null\n+++ b/{name}\n@@ -0,0 +1 @@\n{}{ticks}\n", signed(&content, '+')),
            12 => format!("*** Begin Patch\n*** Add File: {name}\n{}*** End Patch\n", signed(&content, '+')),
            _ => format!("{name}\n{ticks}\n<<<<<<< SEARCH\n=======\n{content}>>>>>>> REPLACE\n{ticks}\n"),
        };
        let answer = ask(&text, &[]);
        if format == 13 {
            let resolved = resolve(&answer, &|_| Current::Absent);
            prop_assert_eq!(resolved.files, [(path(&name), Some(content))].into(), "{:?}", answer.problems);
            return Ok(());
        }
        let content = if format == 8 { format!("// {name}\n{content}") } else { content };
        prop_assert_eq!(answer.files, vec![FileBlock { path: path(&name), content }], "{:?}", answer.problems);
    }

    #[test]
    fn an_edit_changes_its_lines_and_no_others(
        lines in proptest::collection::vec("[ -~é\t]{0,12}", 1..20),
        at in 0..20_usize,
        length in 1..6_usize,
        new in proptest::collection::vec("[ -~é\t]{0,12}", 0..5),
        format in 0..4_u8,
    ) {
        // Every line is another, so that every place is one.
        let mut lines: Vec<String> = lines.iter().enumerate().map(|(n, line)| format!("old{n}{line}")).collect();
        let new: Vec<String> = new.iter().enumerate().map(|(n, line)| format!("new{n}{line}")).collect();
        let at = at.min(lines.len() - 1);
        let length = length.min(lines.len() - at);
        let text = |lines: &[String]| -> String { lines.iter().map(|line| format!("{line}\n")).collect() };
        let before = text(&lines);
        prop_assume!(!before.contains("...") && !new.concat().contains("...") && !before.contains("~~~~~"));
        prop_assume!(!new.concat().contains("~~~~~"));
        let (old, new_text) = (text(&lines[at..at + length]), text(&new));
        let block = format!("<<<<<<< SEARCH\n{old}=======\n{new_text}>>>>>>> REPLACE\n");
        let signs = format!("{}{}", signed(&old, '-'), signed(&new_text, '+'));
        let answer = match format {
            0 => format!("===FILE: s/x.c===\n{block}===ENDFILE===\n"),
            1 => format!("s/x.c\n{block}"),
            2 => format!("~~~~~~diff\n--- a/s/x.c\n+++ b/s/x.c\n@@ -1 +1 @@\n{signs}~~~~~~\n"),
            _ => format!("*** Begin Patch\n*** Update File: s/x.c\n@@\n{signs}*** End Patch\n"),
        };
        let answer = ask(&answer, &["s/x.c"]);
        let resolved = resolve(&answer, &|_| Current::Text(before.clone()));
        lines.splice(at..at + length, new);
        prop_assert_eq!(resolved.failed, vec![]);
        prop_assert_eq!(resolved.files, [(path("s/x.c"), Some(text(&lines)))].into(), "{:?}", answer.problems);
    }
}

fn signed(text: &str, sign: char) -> String {
    text.lines().map(|line| format!("{sign}{line}\n")).collect()
}
