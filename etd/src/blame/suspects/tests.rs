#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]
use proto::diagnostic::{Diagnostic, Related, Severity};

use super::*;

const TREE: &[(&str, &str)] = &[
    (
        "app/money.py",
        "LIMIT = 9\n\ndef cents(text):\n    return round(float(text)) * 100\n\ndef shown(value):\n    return f\"{value / 100:.2f}\"\n",
    ),
    (
        "app/book.py",
        "from app.money import cents, shown\n\nclass Book:\n    def __init__(self):\n        self.rows = []\n\n    def add(self, text):\n        self.rows.append(cents(text))\n\n    def total(self):\n        return shown(sum(self.rows))\n",
    ),
    (
        "app/cli.py",
        "from app.book import Book\n\ndef main(words):\n    book = Book()\n    for word in words:\n        book.add(word)\n    return book.total()\n",
    ),
    (
        "tests/test_book.py",
        "from app.book import Book\nfrom app.money import shown\n\ndef test_total():\n    book = Book()\n    book.add('1.50')\n    assert book.total() == '1.50'\n\ndef test_nothing():\n    assert Book().total() == '0.00'\n\ndef test_shown():\n    assert shown(5) == '0.05'\n",
    ),
    (
        "tests/test_cli.py",
        "import subprocess\n\ndef test_runs():\n    assert subprocess.check_output(['app', '1.50']) == b'1.50'\n",
    ),
    ("tests/test_files.py", "def test_version():\n    assert open('setup.cfg').read() == 'x'\n"),
    ("setup.cfg", "version = 1\n"),
];

fn tree() -> BTreeMap<RelPath, String> {
    TREE.iter().map(|(path, text)| (RelPath::parse(path).unwrap(), (*text).to_owned())).collect()
}

fn failure(file: &str, line: u32, message: &str, related: &[(&str, u32)]) -> Diagnostic {
    let place =
        |(file, line): &(&str, u32)| Related { file: (*file).to_owned(), line: Some(*line), message: String::new() };
    Diagnostic {
        tool: "python".to_owned(),
        file: Some(file.to_owned()),
        line: Some(line),
        column: None,
        severity: Severity::Error,
        code: None,
        message: message.to_owned(),
        related: related.iter().map(place).collect(),
        owner: None,
    }
}

fn owners() -> Owners {
    let mut owners = Owners::default();
    for (path, owner) in
        [("app/money.py", "money"), ("app/book.py", "book"), ("app/cli.py", "cli"), ("setup.cfg", "setup")]
    {
        owners.claim(RelPath::parse(path).unwrap(), owner);
    }
    owners
}

#[test]
fn what_failing_tests_reach_and_others_do_not_is_suspect() {
    // The failing line, what is most suspect, who is accused.
    let table: &[(Diagnostic, &str, &[&str])] = &[
        // `total` is reached by a test that passes, `add` and `cents` aren't.
        (
            failure("tests/test_book.py", 7, "test test_total failed: '2.00' != '1.50'", &[]),
            "total",
            &["book", "money"],
        ),
        (failure("tests/test_book.py", 13, "test test_shown failed: '5' != '0.05'", &[]), "shown", &["money"]),
        // A test that runs the program reaches what its entry reaches.
        (
            failure("tests/test_cli.py", 4, "test test_runs failed: b'2.00' != b'1.50'", &[]),
            "main",
            &["cli", "book", "money"],
        ),
        // A file that a test names.
        (
            failure("tests/test_files.py", 2, "test test_version failed: 'version = 1' != 'x'", &[]),
            "setup.cfg",
            &["setup"],
        ),
        // What it went through counts most.
        (
            failure(
                "app/money.py",
                4,
                "test test_total failed: ValueError: could not convert",
                &[("app/book.py", 8), ("tests/test_book.py", 6)],
            ),
            "cents",
            &["money", "book"],
        ),
    ];
    for (failure, first, accused_owners) in table {
        let found = accused(&[failure], &tree(), &owners());
        assert_eq!(found[0].suspects.first().map(|one| one.name.as_str()), Some(*first), "{failure:?}: {found:#?}");
        assert_eq!(found[0].owners, *accused_owners, "{failure:?}: {found:#?}");
    }
}

#[test]
fn who_explains_several_failures_comes_first() {
    let one = failure("tests/test_book.py", 7, "test test_total failed: '2.00' != '1.50'", &[]);
    let two = failure("tests/test_book.py", 13, "test test_shown failed: '5' != '0.05'", &[]);
    let found = accused(&[&one, &two], &tree(), &owners());
    assert_eq!(found[0].owners.first().map(String::as_str), Some("money"), "{found:#?}");
}

#[test]
fn what_this_round_writes_is_suspect_before_the_rest_of_the_tree() {
    let mut texts = tree();
    let mut add = |path: &str, text: &str| {
        texts.insert(RelPath::parse(path).unwrap(), text.to_owned());
    };
    add("web/router.py", "class Router:\n    def dispatch(self, path):\n        return self.known[path]()\n");
    add("web/page.py", "def register(router):\n    def show():\n        return {}\n    router.known['/'] = show\n");
    // More of the same name than a name may mean.
    for number in 0..8 {
        add(&format!("old{number}/page.py"), "def register(router):\n    router.known = {}\n");
    }
    let test = "from web.router import Router\nfrom web.page import register\n\n\nclass Pages:\n    def setUp(self):\n        self.router = Router()\n        register(self.router)\n\n    def test_show(self):\n        self.assertEqual(self.router.dispatch('/').status, 200)\n";
    add("tests/test_pages.py", test);
    let mut owners = owners();
    owners.claim(RelPath::parse("web/page.py").unwrap(), "page");
    let one = failure("tests/test_pages.py", 11, "test test_show failed: 'dict' object has no attribute 'status'", &[]);
    let found = accused(&[&one], &texts, &owners);
    // Nothing names the function that is at fault; what runs before the test does.
    assert_eq!(found[0].owners, ["page"], "{found:#?}");
    assert!(found[0].suspects.iter().all(|one| !one.file.as_str().starts_with("old")), "{found:#?}");
}

#[test]
fn what_is_no_test_accuses_nobody() {
    let found = accused(
        &[&failure("nowhere.py", 7, "odd", &[]), &failure("tests/test_book.py", 700, "odd", &[])],
        &tree(),
        &owners(),
    );
    assert_eq!(found, [Accused::default(), Accused::default()]);
}

#[test]
fn who_compares_is_suspect_where_both_sides_are_the_same() {
    let table = [
        ("nothing: got \".\", want \".\"", true),
        ("call: got \"n(n,n1).\", want \"n(n,n).\"", false),
        ("expected: 3 but was: 3", true),
        ("AssertionError: '2' != '2'", true),
        ("AssertionError: '2' != '3'", false),
        ("assertion `left == right` failed\n  left: 4\n right: 4", true),
        ("it panicked", false),
    ];
    for (message, same) in table {
        assert_eq!(got_what_it_wanted(message), same, "{message}");
    }
}

#[test]
fn tests_that_are_handed_over_are_told_apart() {
    let files = [
        (
            "src/Words.java",
            "final class Words {\n    static List<String> words(String text) {\n        return split(text);\n    }\n    static List<String> split(String text) {\n        return List.of();\n    }\n}\n",
        ),
        ("src/Sums.java", "final class Sums {\n    static int sum(int one) {\n        return one;\n    }\n}\n"),
        (
            "src/Main.java",
            "final class Main {\n    static int run(String one) {\n        return Sums.sum(1);\n    }\n}\n",
        ),
        (
            "test/Check.java",
            "final class Check {\n    interface Body {\n        void run();\n    }\n    static void test(String name, Body body) {\n        body.run();\n    }\n    static void equal(Object one, Object two) {\n        throw new AssertionError();\n    }\n}\n",
        ),
        (
            "test/AllTest.java",
            "final class AllTest {\n    static void all() {\n        test(\"words\", () -> equal(1, Words.words(\"\")));\n        test(\"sums\", AllTest::sums);\n    }\n    static void sums() {\n        equal(1, Sums.sum(1));\n        equal(2, Words.words(\"\"));\n    }\n}\n",
        ),
        (
            "test/TestMain.java",
            "final class TestMain {\n    static void main() {\n        AllTest.all();\n        OtherTest.all();\n    }\n}\n",
        ),
    ];
    let texts: BTreeMap<RelPath, String> =
        files.iter().map(|(path, text)| (RelPath::parse(path).unwrap(), (*text).to_owned())).collect();
    let mut owners = Owners::default();
    for (path, owner) in [("src/Words.java", "words"), ("src/Sums.java", "sums"), ("src/Main.java", "main")] {
        owners.claim(RelPath::parse(path).unwrap(), owner);
    }
    let fails = |frames: &[(&str, u32)]| failure("test/Check.java", 9, "expected <1> but was <2>", frames);
    let words = fails(&[("test/AllTest.java", 3), ("test/Check.java", 6), ("test/TestMain.java", 3)]);
    let sums =
        fails(&[("test/AllTest.java", 7), ("test/Check.java", 6), ("test/AllTest.java", 4), ("test/TestMain.java", 3)]);
    for (failures, expected) in [
        (vec![&words], vec![vec!["words"]]),
        (vec![&sums], vec![vec!["sums"]]),
        (vec![&words, &sums], vec![vec!["words"], vec!["sums"]]),
    ] {
        let found = accused(&failures, &texts, &owners);
        let found: Vec<_> = found.iter().map(|one| one.owners.clone()).collect();
        assert_eq!(found, expected, "{failures:?}");
    }
}

#[test]
fn failures_may_have_a_cause_each() {
    let shared = "export class Graph {\n  constructor(rows) {\n    this.rows = rows;\n  }\n  tasks() {\n    return this.rows;\n  }\n}\n";
    let error =
        "export class TaskError extends Error {\n  constructor(id, reason) {\n    super(id + reason);\n  }\n}\n";
    let test = "import { Graph } from \"../src/graph.js\";\nimport { TaskError } from \"../src/error.js\";\n\ntest(\"one\", () => {\n  equal(new Graph([1]).tasks(), 1);\n});\n\ntest(\"two\", () => {\n  equal(new Graph([2]).tasks(), 2);\n});\n\ntest(\"three\", () => {\n  const graph = new Graph([]);\n  const error = new TaskError(\"a\", graph.tasks());\n  equal(error.message, \"a: b\");\n});\n";
    let files = [("src/graph.js", shared), ("src/error.js", error), ("test/all.test.js", test)];
    let texts: BTreeMap<RelPath, String> =
        files.iter().map(|(path, text)| (RelPath::parse(path).unwrap(), (*text).to_owned())).collect();
    let mut owners = Owners::default();
    owners.claim(RelPath::parse("src/graph.js").unwrap(), "graph");
    owners.claim(RelPath::parse("src/error.js").unwrap(), "error");
    let failures = [5, 9, 15].map(|line| failure("test/all.test.js", line, "Expected values to be equal", &[]));
    let found = accused(&failures.each_ref(), &texts, &owners);
    let found: Vec<_> = found.iter().map(|one| one.owners.clone()).collect();
    assert_eq!(found, [vec!["graph"], vec!["graph"], vec!["graph", "error"]]);
}

#[test]
fn a_package_of_go_gives_what_begins_with_a_capital() {
    let files = [
        (
            "store/store.go",
            "package store\n\nfunc Open() int {\n\treturn number(1)\n}\n\nfunc number(of int) int {\n\treturn of\n}\n",
        ),
        (
            "config/config.go",
            "package config\n\nfunc number(of int) int {\n\treturn of\n}\n\nfunc Open() int {\n\treturn 1\n}\n",
        ),
        (
            "api/api_test.go",
            "package api\n\nfunc TestApi(t *testing.T) {\n\tnumber := store.Open()\n\tif number != 1 {\n\t\tt.Fatal(number)\n\t}\n}\n",
        ),
    ];
    let texts: BTreeMap<RelPath, String> =
        files.iter().map(|(path, text)| (RelPath::parse(path).unwrap(), (*text).to_owned())).collect();
    let mut owners = Owners::default();
    owners.claim(RelPath::parse("store/store.go").unwrap(), "store");
    owners.claim(RelPath::parse("config/config.go").unwrap(), "config");
    let found = accused(&[&failure("api/api_test.go", 6, "test TestApi failed: 2", &[])], &texts, &owners);
    assert_eq!(found[0].owners, ["store"], "{found:#?}");
}

/// Names that are given on every line stand for one place, whatever takes them up: a list of all of them on every line would fill the memory.
#[test]
fn a_file_of_tests_may_be_long() {
    let test = format!(
        "from app.sums import add\n\ndef test_all():\n    assert add(1, 1) == 2\n\n{}{}",
        "row = add(row, 1)\n".repeat(10_000),
        "it(\"adds\", () => { const result = add(row); });\n".repeat(5_000)
    );
    let files = [("app/sums.py", "def add(one, two):\n    return one\n".to_owned()), ("tests/test_sums.py", test)];
    let texts: BTreeMap<RelPath, String> =
        files.into_iter().map(|(path, text)| (RelPath::parse(path).unwrap(), text)).collect();
    let mut owners = Owners::default();
    owners.claim(RelPath::parse("app/sums.py").unwrap(), "sums");
    let failures: Vec<Diagnostic> =
        (0..200).map(|_| failure("tests/test_sums.py", 4, "test test_all failed: 1 != 2", &[])).collect();
    let found = accused(&failures.iter().collect::<Vec<_>>(), &texts, &owners);
    assert!(found.iter().all(|one| one.owners == ["sums"]));
}
