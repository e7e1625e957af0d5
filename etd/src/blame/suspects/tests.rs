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
fn words_have_what_stands_before_them() {
    type Words<'a> = &'a [(Option<&'a str>, &'a str)];
    let table: &[(&str, Words<'_>)] = &[
        ("store.New(now)", &[(None, "store"), (Some("store"), "New"), (None, "now")]),
        ("Money::parse(text)?", &[(None, "Money"), (Some("Money"), "parse"), (None, "text")]),
        ("f().go(p->next)", &[(Some(""), "go"), (Some("p"), "next")]),
        ("12 + x1", &[(None, "x1")]),
    ];
    for (code, expected) in table {
        assert_eq!(words(code), *expected, "{code}");
    }
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
