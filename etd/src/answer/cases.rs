//! Answers that change what is there: what each makes of a tree. With the whole files of `tests` these are the project's own answers.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

use super::*;

/// Path and text.
type Tree<'a> = &'a [(&'a str, &'a str)];

struct Case<'a> {
    name: &'a str,
    answer: &'a str,
    before: Tree<'a>,
    /// What the answer makes of it: only what it touches; `-` where the file goes.
    after: Tree<'a>,
    /// What each trouble must say.
    trouble: &'a [&'a str],
}

fn case<'a>(name: &'a str, answer: &'a str, before: Tree<'a>, after: Tree<'a>, trouble: &'a [&'a str]) -> Case<'a> {
    Case { name, answer, before, after, trouble }
}

const X: Tree<'_> = &[("x.go", "package x\n\nfunc a() int {\n\treturn 1\n}\n")];
const X2: Tree<'_> = &[("x.go", "package x\n\nfunc a() int {\n\treturn 2\n}\n")];
const TWICE: Tree<'_> = &[("x.py", "def a():\n    return 1\n\ndef b():\n    return 1\n")];
const TWO: Tree<'_> = &[("a.py", "a = 1\n"), ("b.py", "b = 1\n")];
const TWO2: Tree<'_> = &[("a.py", "a = 2\n"), ("b.py", "b = 2\n")];
const A2: Tree<'_> = &[("a.py", "a = 2\n")];
const B2: Tree<'_> = &[("b.py", "b = 2\n")];
const X_AND_A: Tree<'_> = &[("x.go", "package x\n\nfunc a() int {\n\treturn 1\n}\n"), ("a.py", "a = 1\n")];
const DEEP: Tree<'_> =
    &[("s/x.py", "class A:\n    def f(self):\n        if self.x:\n            return 1\n        return 0\n")];
const DEEP2: Tree<'_> = &[(
    "s/x.py",
    "class A:\n    def f(self):\n        if self.x:\n            log()\n            return 2\n        return 0\n",
)];
const README: Tree<'_> = &[("R.md", "# T\n\n```sh\nmake\n```\n\nend\n")];

/// SEARCH/REPLACE.
fn searches() -> Vec<Case<'static>> {
    let edit = "<<<<<<< SEARCH\n\treturn 1\n=======\n\treturn 2\n>>>>>>> REPLACE";
    let owned = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
    vec![
        case("in a file block", owned(format!("===FILE: x.go===\n{edit}\n===ENDFILE===\nDone.")), X, X2, &[]),
        case(
            "fenced in a file block",
            owned(format!("===FILE: x.go===\n```go\n{edit}\n```\n===ENDFILE===")),
            X,
            X2,
            &[],
        ),
        case("path line, then bare", owned(format!("x.go\n{edit}\n")), X, X2, &[]),
        case("path line, then a fence", owned(format!("x.go\n```go\n{edit}\n```\n")), X, X2, &[]),
        case("path in the fence", owned(format!("```go\nx.go\n{edit}\n```\n")), X, X2, &[]),
        case("path in the info string", owned(format!("```go x.go\n{edit}\n```\n")), X, X2, &[]),
        case("path in a comment", owned(format!("```go\n// x.go\n{edit}\n```\n")), X, X2, &[]),
        case("heading", owned(format!("### `x.go`\n\nThe sum was wrong.\n\n```go\n{edit}\n```\n")), X, X2, &[]),
        case("a sentence", owned(format!("Now change `x.go` like this:\n\n```go\n{edit}\n```\n")), X, X2, &[]),
        case("the only file, no name", owned(format!("Sure:\n```\n{edit}\n```\n")), X, X2, &[]),
        case("no name, two files", owned(format!("```\n{edit}\n```\n")), X_AND_A, &[], &["NoPath"]),
        case("unsafe path", owned(format!("../x.go\n```\n{edit}\n```\n")), X, &[], &["UnsafePath"]),
        case("app before the path", owned(format!("===FILE: /app/x.go===\n{edit}\n===ENDFILE===")), X, X2, &[]),
        case(
            "prose before it in the block",
            owned(format!("===FILE: x.go===\nI change it:\n{edit}\n===ENDFILE===")),
            X,
            &[],
            &["Placeholder"],
        ),
        case(
            "second divider for the end",
            "x.go\n<<<<<<< SEARCH\n\treturn 1\n=======\n\treturn 2\n=======\n\nThat is all.",
            X,
            X2,
            &[],
        ),
        case(
            "second divider in a fence, then another block",
            "```\na.py\n<<<<<<< SEARCH\na = 1\n=======\na = 2\n=======\nb.py\n<<<<<<< SEARCH\nb = 1\n=======\nb = 2\n>>>>>>> REPLACE\n```",
            TWO,
            TWO2,
            &[],
        ),
        case(
            "other words",
            "x.go\n```\n<<<<<<< ORIGINAL\n\treturn 1\n=======\n\treturn 2\n>>>>>>> UPDATED\n```",
            X,
            X2,
            &[],
        ),
        case("dashes", "x.go\n```\n------- SEARCH\n\treturn 1\n=======\n\treturn 2\n+++++++ REPLACE\n```", X, X2, &[]),
        case(
            "crlf",
            "x.go\r\n```\r\n<<<<<<< SEARCH\r\n\treturn 1\r\n=======\r\n\treturn 2\r\n>>>>>>> REPLACE\r\n```",
            X,
            X2,
            &[],
        ),
        case(
            "the second has no name",
            "x.go\n<<<<<<< SEARCH\nfunc a() int {\n=======\nfunc b() int {\n>>>>>>> REPLACE\n\n<<<<<<< SEARCH\n\treturn 1\n=======\n\treturn 2\n>>>>>>> REPLACE\n",
            X_AND_A,
            &[("x.go", "package x\n\nfunc b() int {\n\treturn 2\n}\n")],
            &[],
        ),
        case(
            "fences within",
            "R.md\n```markdown\n<<<<<<< SEARCH\n```sh\nmake\n```\n=======\n```sh\nmake all\n```\n>>>>>>> REPLACE\n```\n",
            README,
            &[("R.md", "# T\n\n```sh\nmake all\n```\n\nend\n")],
            &[],
        ),
        case(
            "trailing white space",
            "x.go\n<<<<<<< SEARCH\nfunc a() int {  \n\treturn 1\n=======\nfunc a() int {\n\treturn 2\n>>>>>>> REPLACE",
            X,
            X2,
            &[],
        ),
        case(
            "a uniform indent",
            "s/x.py\n<<<<<<< SEARCH\nif self.x:\n    return 1\n=======\nif self.x:\n    log()\n    return 2\n>>>>>>> REPLACE",
            DEEP,
            DEEP2,
            &[],
        ),
        case(
            "too deep an indent",
            "s/x.py\n<<<<<<< SEARCH\n            if self.x:\n                return 1\n=======\n            if self.x:\n                log()\n                return 2\n>>>>>>> REPLACE",
            DEEP,
            DEEP2,
            &[],
        ),
        case(
            "another indent",
            "s/x.py\n<<<<<<< SEARCH\n    if self.x:\n      return 1\n=======\n    if self.x:\n      log()\n      return 2\n>>>>>>> REPLACE",
            DEEP,
            DEEP2,
            &[],
        ),
        case(
            "spaces for a tab",
            "x.go\n<<<<<<< SEARCH\nfunc a() int {\n    return 1\n}\n=======\nfunc a() int {\n    return 2\n}\n>>>>>>> REPLACE",
            X,
            X2,
            &[],
        ),
        case(
            "blank lines around",
            "x.go\n<<<<<<< SEARCH\n\n\n\treturn 1\n\n=======\n\n\n\treturn 2\n\n>>>>>>> REPLACE",
            X,
            X2,
            &[],
        ),
        case(
            "more than one place",
            "x.py\n<<<<<<< SEARCH\n    return 1\n=======\n    return 2\n>>>>>>> REPLACE",
            TWICE,
            &[],
            &["more than one place of x.py (lines 2, 5)"],
        ),
        case(
            "the nearest lines",
            "x.go\n<<<<<<< SEARCH\nfunc a() string {\n\treturn 7\n=======\nfunc b() {\n>>>>>>> REPLACE",
            X,
            &[],
            &["3: func a() int {"],
        ),
        case(
            "what applies is kept",
            "x.go\n<<<<<<< SEARCH\n\treturn 1\n=======\n\treturn 2\n>>>>>>> REPLACE\nx.go\n<<<<<<< SEARCH\nvar z int\n=======\nvar y int\n>>>>>>> REPLACE",
            X,
            X2,
            &["1 of 2 edits of x.go don't apply. The other 1 did"],
        ),
        case("applied before", owned(format!("x.go\n{edit}")), X2, X2, &[]),
        case(
            "an insertion that was made before",
            "a.py\n<<<<<<< SEARCH\na = 1\n=======\na = 1\nb = 1\n>>>>>>> REPLACE",
            &[("a.py", "a = 1\nb = 1\n")],
            &[("a.py", "a = 1\nb = 1\n")],
            &[],
        ),
        case("the same twice", owned(format!("x.go\n{edit}\n\nx.go\n{edit}\n")), X, X2, &[]),
        case(
            "lines go",
            "x.py\n<<<<<<< SEARCH\n\ndef b():\n    return 1\n=======\n>>>>>>> REPLACE",
            TWICE,
            &[("x.py", "def a():\n    return 1\n")],
            &[],
        ),
        case(
            "lines that aren't there can't go",
            "x.py\n<<<<<<< SEARCH\ndef c():\n    return 9\n=======\n>>>>>>> REPLACE",
            TWICE,
            &[],
            &["This isn't in x.py"],
        ),
        case("a new file", "n.py\n<<<<<<< SEARCH\n=======\na = 1\n>>>>>>> REPLACE", &[], &[("n.py", "a = 1\n")], &[]),
        case(
            "no search in a file that is there",
            "a.py\n<<<<<<< SEARCH\n=======\nz = 1\n>>>>>>> REPLACE",
            TWO,
            &[],
            &["1 of 1 edits"],
        ),
        case("a file that isn't there", owned(format!("y.go\n{edit}")), X, &[], &["y.go isn't there"]),
        case("cut in a block", "x.go\n<<<<<<< SEARCH\n\treturn 1\n=======\n\tret", X, &[], &["Truncated"]),
        case(
            "cut in the second block",
            "a.py\n<<<<<<< SEARCH\na = 1\n=======\na = 2\n>>>>>>> REPLACE\nb.py\n<<<<<<< SEARCH\nb = 1\n====",
            TWO,
            A2,
            &["Truncated"],
        ),
        case(
            "a placeholder",
            "x.go\n<<<<<<< SEARCH\n\treturn 1\n=======\n\t// ... rest of the code\n>>>>>>> REPLACE",
            X,
            &[],
            &["Placeholder"],
        ),
        case(
            "whole, then edited",
            owned(format!("===FILE: x.go===\n{}===ENDFILE===\nx.go\n{edit}", X[0].1)),
            &[],
            X2,
            &[],
        ),
        case(
            "edited, then whole",
            owned(format!("x.go\n{edit}\n===FILE: x.go===\npackage x\n===ENDFILE===\n")),
            X,
            &[("x.go", "package x\n")],
            &[],
        ),
        case(
            "a file about edits",
            "===FILE: R.md===\n# How\n<<<<<<< SEARCH\na\n=======\nb\n>>>>>>> REPLACE\n===ENDFILE===",
            &[],
            &[("R.md", "# How\n<<<<<<< SEARCH\na\n=======\nb\n>>>>>>> REPLACE\n")],
            &[],
        ),
    ]
}

/// Unified diffs and patches.
fn diffs() -> Vec<Case<'static>> {
    const GIT: &str = "diff --git a/x.go b/x.go\nindex 1..2 100644\n--- a/x.go\n+++ b/x.go\n@@ -3,3 +3,3 @@ package x\n func a() int {\n-\treturn 1\n+\treturn 2\n }\n";
    let owned = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
    vec![
        case("git's", owned(format!("Here:\n```diff\n{GIT}```\n")), X, X2, &[]),
        case("bare", owned(format!("Here:\n\n{GIT}\nThat is all.")), X, X2, &[]),
        case("bare, at the end", GIT, X, X2, &[]),
        case("in a file block", owned(format!("===FILE: x.go===\n{GIT}===ENDFILE===")), X, X2, &[]),
        case(
            "without prefixes",
            "```diff\n--- x.go\n+++ x.go\n@@ -1,2 +1,2 @@\n-\treturn 1\n+\treturn 2\n```",
            X,
            X2,
            &[],
        ),
        case(
            "wrong numbers",
            "```diff\n--- a/x.go\n+++ b/x.go\n@@ -90,12 +3,1 @@\n-\treturn 1\n+\treturn 2\n```",
            X,
            X2,
            &[],
        ),
        case("no numbers", "```diff\n--- a/x.go\n+++ b/x.go\n@@\n-\treturn 1\n+\treturn 2\n```", X, X2, &[]),
        case(
            "time stamps",
            "```diff\n--- x.go\t2020-01-01\n+++ x.go\t2020-01-02\n@@ -1 +1 @@\n-\treturn 1\n+\treturn 2\n```",
            X,
            X2,
            &[],
        ),
        case("heading only", "### x.go\n```diff\n@@ -4 +4 @@\n-\treturn 1\n+\treturn 2\n```", X, X2, &[]),
        case("signs only", "### x.go\n```diff\n-\treturn 1\n+\treturn 2\n```", X, X2, &[]),
        case(
            "heading has the longer path",
            "### s/x.py\n```diff\n--- x.py\n+++ x.py\n@@ -4 +4,2 @@\n-            return 1\n+            log()\n+            return 2\n```",
            DEEP,
            DEEP2,
            &[],
        ),
        case(
            "blank context without its space",
            "```diff\n--- a/x.go\n+++ b/x.go\n@@ -1,4 +1,4 @@\n package x\n\n func a() int {\n-\treturn 1\n+\treturn 2\n```",
            X,
            X2,
            &[],
        ),
        case(
            "no final newline",
            "```diff\n--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-a = 1\n\\ No newline at end of file\n+a = 2\n\\ No newline at end of file\n```",
            TWO,
            A2,
            &[],
        ),
        case(
            "two files",
            "```diff\n--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-a = 1\n+a = 2\n--- a/b.py\n+++ b/b.py\n@@ -1 +1 @@\n-b = 1\n+b = 2\n```",
            TWO,
            TWO2,
            &[],
        ),
        case(
            "a new file",
            "```diff\n--- /dev/null\n+++ b/n.py\n@@ -0,0 +1,2 @@\n+a = 1\n+b = 1\n```",
            &[],
            &[("n.py", "a = 1\nb = 1\n")],
            &[],
        ),
        case(
            "a file goes",
            "```diff\ndiff --git a/a.py b/a.py\ndeleted file mode 100644\n--- a/a.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-a = 1\n```",
            TWO,
            &[("a.py", "-")],
            &[],
        ),
        case(
            "a rename",
            "```diff\ndiff --git a/a.py b/c.py\nsimilarity index 90%\nrename from a.py\nrename to c.py\n--- a/a.py\n+++ b/c.py\n@@ -1 +1 @@\n-a = 1\n+c = 1\n```",
            TWO,
            &[("a.py", "-"), ("c.py", "c = 1\n")],
            &[],
        ),
        case(
            "lines that look like headers",
            "```diff\n--- a/x.sql\n+++ b/x.sql\n@@ -1,2 +1,2 @@\n select 1;\n--- old\n+-- new\n```",
            &[("x.sql", "select 1;\n-- old\n")],
            &[("x.sql", "select 1;\n-- new\n")],
            &[],
        ),
        case(
            "one of equal places, by its number",
            "```diff\n--- a/x.py\n+++ b/x.py\n@@ -5 +5 @@\n-    return 1\n+    return 2\n```",
            TWICE,
            &[("x.py", "def a():\n    return 1\n\ndef b():\n    return 2\n")],
            &[],
        ),
        case(
            "equal places, a number of neither",
            "```diff\n--- a/x.py\n+++ b/x.py\n@@ -4 +4 @@\n-    return 1\n+    return 2\n```",
            TWICE,
            &[],
            &["lines 2, 5"],
        ),
        case("unsafe", "```diff\n--- a/../x\n+++ b/../x\n@@ -1 +1 @@\n-a\n+b\n```", &[], &[], &["UnsafePath"]),
        case("nothing in it", "### x.go\n```diff\n```\nNothing.", X, &[], &[]),
        case(
            "a patch is a file",
            "===FILE: fix.patch===\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n===ENDFILE===",
            &[],
            &[("fix.patch", "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n")],
            &[],
        ),
        case(
            "a fence that isn't closed",
            "```diff\n--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-a = 1\n+a =",
            TWO,
            &[],
            &["Truncated"],
        ),
        case(
            "begin patch",
            "*** Begin Patch\n*** Update File: x.go\n@@ func a() int {\n-\treturn 1\n+\treturn 2\n*** Add File: n.go\n+package x\n+\n*** Delete File: a.py\n*** End Patch\nDone.",
            X_AND_A,
            &[("a.py", "-"), ("n.go", "package x\n\n"), ("x.go", "package x\n\nfunc a() int {\n\treturn 2\n}\n")],
            &[],
        ),
        case(
            "patch in a fence",
            "```\n*** Begin Patch\n*** Update File: x.go\n@@\n func a() int {\n-\treturn 1\n+\treturn 2\n }\n*** End Patch\n```",
            X,
            X2,
            &[],
        ),
        case(
            "an anchor decides",
            "*** Begin Patch\n*** Update File: x.py\n@@ def b():\n-    return 1\n+    return 2\n*** End Patch",
            TWICE,
            &[("x.py", "def a():\n    return 1\n\ndef b():\n    return 2\n")],
            &[],
        ),
        case(
            "patch with a move",
            "*** Begin Patch\n*** Update File: a.py\n*** Move to: c.py\n@@\n-a = 1\n+c = 1\n*** End Patch",
            TWO,
            &[("a.py", "-"), ("c.py", "c = 1\n")],
            &[],
        ),
        case(
            "a patch that is cut",
            "*** Begin Patch\n*** Update File: a.py\n@@\n-a = 1\n+a = 2\n*** Update File: b.py\n@@\n-b = 1",
            TWO,
            A2,
            &["Truncated"],
        ),
    ]
}

/// Moves, elements, and the rest.
fn others() -> Vec<Case<'static>> {
    vec![
        case("a move", "===MOVE: a.py -> lib/a.py===\nMoved.", TWO, &[("a.py", "-"), ("lib/a.py", "a = 1\n")], &[]),
        case("a move with marks", "===MOVE: `a.py` → `c.py`===", TWO, &[("a.py", "-"), ("c.py", "a = 1\n")], &[]),
        case(
            "a move and an edit",
            "===MOVE: a.py -> c.py===\n===FILE: c.py===\n<<<<<<< SEARCH\na = 1\n=======\nc = 1\n>>>>>>> REPLACE\n===ENDFILE===",
            TWO,
            &[("a.py", "-"), ("c.py", "c = 1\n")],
            &[],
        ),
        case(
            "a move and a whole file",
            "===MOVE: a.py -> c.py===\n===FILE: c.py===\nc = 1\n===ENDFILE===",
            TWO,
            &[("a.py", "-"), ("c.py", "c = 1\n")],
            &[],
        ),
        case(
            "a move keeps the form",
            "===MOVE: w.py -> v.py===",
            &[("w.py", "\u{feff}w = 1\r\nz")],
            &[("v.py", "\u{feff}w = 1\r\nz"), ("w.py", "-")],
            &[],
        ),
        case(
            "a move and an edit keep the form",
            "*** Begin Patch\n*** Update File: w.py\n*** Move to: v.py\n@@\n-w = 1\n+w = 2\n*** End Patch",
            &[("w.py", "\u{feff}w = 1\r\nz")],
            &[("v.py", "\u{feff}w = 2\r\nz"), ("w.py", "-")],
            &[],
        ),
        case(
            "an edit of CRLF",
            "w.py\n<<<<<<< SEARCH\nw = 1\n=======\nw = 2\n>>>>>>> REPLACE",
            &[("w.py", "w = 1\r\nz = 1\r\n")],
            &[("w.py", "w = 2\nz = 1\n")],
            &[],
        ),
        case(
            "a swap",
            "===MOVE: a.py -> b.py===\n===MOVE: b.py -> a.py===",
            TWO,
            &[("a.py", "b = 1\n"), ("b.py", "a = 1\n")],
            &[],
        ),
        case("a move of nothing", "===MOVE: z.py -> y.py===", TWO, &[], &["z.py isn't there"]),
        case("a move that was made", "===MOVE: z.py -> a.py===", TWO, &[], &[]),
        case("a move out of the tree", "===MOVE: a.py -> ../a.py===", TWO, &[], &["UnsafePath"]),
        case("an element", "<file path=\"x.go\">\npackage x\n</file>\nDone.", &[], &[("x.go", "package x\n")], &[]),
        case(
            "elements in a fence",
            "```xml\n<file path='a.py'>\na = 2\n</file>\n<file path='b.py'>\nb = 2\n</file>\n```",
            TWO,
            TWO2,
            &[],
        ),
        case(
            "an element around CDATA",
            "<file name=\"x.go\">\n<![CDATA[\npackage x\n]]>\n</file>",
            &[],
            &[("x.go", "package x\n")],
            &[],
        ),
        case(
            "an element with an edit",
            "<file path=\"a.py\">\n<<<<<<< SEARCH\na = 1\n=======\na = 2\n>>>>>>> REPLACE\n</file>",
            TWO,
            A2,
            &[],
        ),
        case("an open element", "<file path=\"x.go\">\npackage x\n", &[], &[], &["Truncated"]),
        case(
            "an open element before another",
            "<file path=\"a.py\">\na =\n<file path=\"b.py\">\nb = 2\n</file>",
            TWO,
            B2,
            &["Truncated"],
        ),
        case(
            "source",
            "R.md\n<source>\n# T\n```sh\nmake\n```\n</source>\n",
            &[],
            &[("R.md", "# T\n```sh\nmake\n```\n")],
            &[],
        ),
        case(
            "source names, content holds",
            "<document>\n<source>x.go</source>\n<document_content>\npackage x\n</document_content>\n</document>",
            &[],
            &[("x.go", "package x\n")],
            &[],
        ),
        case(
            "path and content",
            "<file>\n<path>x.go</path>\n<content>\npackage x\n</content>\n</file>",
            &[],
            &[("x.go", "package x\n")],
            &[],
        ),
        case(
            "source in HTML",
            "===FILE: x.html===\n<video>\n<source>\n</video>\n===ENDFILE===",
            &[],
            &[("x.html", "<video>\n<source>\n</video>\n")],
            &[],
        ),
        case(
            "deleted, then edited",
            "===DELETE: a.py===\na.py\n<<<<<<< SEARCH\na = 1\n=======\na = 2\n>>>>>>> REPLACE",
            TWO,
            A2,
            &[],
        ),
    ]
}

#[test]
fn changes_are_read_and_applied() {
    let table: Vec<Case<'_>> = searches().into_iter().chain(diffs()).chain(others()).collect();
    assert!(table.len() >= 80, "{}", table.len());
    let mut wrong = Vec::new();
    for Case { name, answer, before, after, trouble } in table {
        let owns: Vec<RelPath> = before.iter().map(|(path, _)| RelPath::parse(path).unwrap()).collect();
        let answer = read(answer, &Expected { owns: &owns, work_dir_name: "build", cut: false });
        let resolved = resolve(&answer, &|path| {
            let there = before.iter().find(|(name, _)| *name == path.as_str());
            there.map_or(Current::Absent, |(_, text)| Current::Text((*text).to_owned()))
        });
        let found: Vec<(&str, &str)> =
            resolved.files.iter().map(|(path, text)| (path.as_str(), text.as_deref().unwrap_or("-"))).collect();
        let mut said: Vec<String> = answer.problems.iter().map(|problem| format!("{problem:?}")).collect();
        said.extend(resolved.failed.iter().map(|failed| failed.reason.clone()));
        let told = said.len() == trouble.len() && said.iter().zip(trouble).all(|(said, what)| said.contains(what));
        if found != after || !told {
            wrong.push(format!("{name}: {found:?}\n  {said:?}\n  {:?}", answer.edits));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
