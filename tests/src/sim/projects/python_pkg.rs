//! A Python package with unittest tests: balances, budgets and reports from a plain text journal.

mod faults;

use crate::sim::project::{Part, Project, sources};

/// The project with all that may go wrong in it.
#[must_use]
pub fn project() -> Project {
    Project {
        name: "python_pkg",
        language: "Python",
        task: r#"A Python package "tally" (standard library only, Python 3.11, pyproject.toml, unittest tests) that reads a plain text journal of expenses and shows balances, months, budgets and CSV on the command line"#,
        tools: &["python3"],
        check: None,
        shared: SHARED,
        conventions: &[
            "Python 3.11, standard library only; the package is tally/, tests are unittest classes in tests/test_NAME.py (no __init__.py there)",
            "Amounts are ints of cents everywhere; only tally/money.py reads and writes amounts as text",
            "Inside the package imports are relative (from .model import Entry); tests import from tally",
            "Accounts are names with colons (expenses:food:out); a month is a string such as 2024-03; days are datetime.date",
            "The version is 0.3.0, in pyproject.toml and as tally.__version__",
        ],
        parts: parts(),
        files: sources("python_pkg", "tree"),
        given: Vec::new(),
        faults: faults::faults(),
    }
}

const SHARED: &str = r#"# tally/model.py
class TallyError(Exception): ...

class ParseError(TallyError):
    def __init__(self, line: int, reason: str) -> None: ...  # .line, .reason; text: "line 3: reason"

class BalanceError(TallyError):
    def __init__(self, entry: "Entry") -> None: ...  # text: "2024-03-01 PAYEE: off by -100 cents"

@dataclass(frozen=True)
class Posting:
    account: str
    cents: int

@dataclass(frozen=True)
class Entry:
    day: date
    payee: str
    postings: tuple[Posting, ...]
    tags: frozenset[str] = frozenset()
    def total(self) -> int: ...
    def touches(self, account: str) -> bool: ...
    def month(self) -> str: ...

def is_below(account: str, top: str) -> bool: ...
def cut_account(account: str, depth: int) -> str: ...

# tally/money.py
def parse_amount(text: str) -> int: ...
def format_amount(cents: int, grouped: bool = True) -> str: ...
def split_fairly(cents: int, parts: int) -> list[int]: ...
def percent(part: int, whole: int) -> int: ...

# tally/book.py
class Book:
    def __init__(self, entries: Iterable[Entry] = ()) -> None: ...
    def add(self, entry: Entry) -> None: ...
    def accounts(self) -> list[str]: ...
    def months(self) -> list[str]: ...
    def find(self, account: str = "", tag: str | None = None) -> list[Entry]: ...
    def balance(self, account: str, until: date | None = None) -> int: ...
    def balances(self, depth: int = 0, month: str | None = None) -> dict[str, int]: ...
    def set_budget(self, account: str, cents: int) -> None: ...
    def budgets(self, month: str) -> list[tuple[str, int, int]]: ...
    def over_budget(self, month: str) -> list[str]: ...
"#;

fn parts() -> Vec<Part> {
    vec![
        Part {
            id: "model",
            title: "Manifest and shared types",
            instructions: "Write the manifest (name tally, version 0.3.0, script tally = tally.cli:main) and the package itself, which exports the types of tally.model and __version__. Write tally/model.py: the errors, the frozen dataclasses Posting and Entry, and the two functions on names of accounts. Everything is below the empty name; `expenses:foo` is not above `expenses:food`.",
            owns: &["pyproject.toml", "tally/__init__.py", "tally/model.py"],
            reads: &[],
            after: &[],
            provides: &[
                "class TallyError(Exception)",
                "class ParseError(TallyError): def __init__(self, line: int, reason: str) -> None",
                r#"class BalanceError(TallyError): def __init__(self, entry: "Entry") -> None"#,
                "class Posting: account: str, cents: int",
                "class Entry: day: date, payee: str, postings: tuple[Posting, ...], tags: frozenset[str]",
                "def is_below(account: str, top: str) -> bool",
                "def cut_account(account: str, depth: int) -> str",
            ],
            requires: &[],
        },
        Part {
            id: "money",
            title: "Amounts",
            instructions: "Write the functions that read an amount (`12`, `-3.5`, `1,234.50`) as cents and format cents as text, split an amount fairly and give a percentage rounded half up. Anything else than an amount raises ValueError. Test them, negative amounts and round trips too.",
            owns: &["tally/money.py", "tests/test_money.py"],
            reads: &[],
            after: &[],
            provides: &[
                "def parse_amount(text: str) -> int",
                "def format_amount(cents: int, grouped: bool = True) -> str",
                "def split_fairly(cents: int, parts: int) -> list[int]",
                "def percent(part: int, whole: int) -> int",
            ],
            requires: &[],
        },
        Part {
            id: "journal",
            title: "The journal format",
            instructions: "Write the reader of journals: a line with day, payee and #tags, indented postings below it, `;` for remarks, one posting may leave out its amount. Every mistake raises ParseError with the number of its line. Write the renderer whose text reads back as the same entries, and tests of both.",
            owns: &["tally/journal.py", "tests/test_journal.py"],
            reads: &[],
            after: &[],
            provides: &[
                "def parse_journal(text: str) -> list[Entry]",
                "def render_journal(entries: list[Entry]) -> str",
            ],
            requires: &[
                "class ParseError(TallyError): def __init__(self, line: int, reason: str) -> None",
                r#"class BalanceError(TallyError): def __init__(self, entry: "Entry") -> None"#,
                "class Posting: account: str, cents: int",
                "def parse_amount(text: str) -> int",
                "def format_amount(cents: int, grouped: bool = True) -> str",
            ],
        },
        Part {
            id: "book",
            title: "Books of entries",
            instructions: "Write the class Book: entries kept by day, balances of accounts and of all that is below them, by depth, day and month, searching by tag. A budget is what may be spent at an account in a month; what is just used up is not over it. Test each question with a small book.",
            owns: &["tally/book.py", "tests/test_book.py"],
            reads: &[],
            after: &[],
            provides: &[
                "class Book: def __init__(self, entries: Iterable[Entry] = ()) -> None",
                "def balances(self, depth: int = 0, month: str | None = None) -> dict[str, int]",
                "def set_budget(self, account: str, cents: int) -> None",
                "def budgets(self, month: str) -> list[tuple[str, int, int]]",
                "def months(self) -> list[str]",
            ],
            requires: &[
                r#"class BalanceError(TallyError): def __init__(self, entry: "Entry") -> None"#,
                "def is_below(account: str, top: str) -> bool",
                "def cut_account(account: str, depth: int) -> str",
            ],
        },
        Part {
            id: "report",
            title: "Reports",
            instructions: "Write the reports on a book: a text table with a rule below its header, balances with their sum, what was spent in a month by size with shares in percent, bars of twenty signs for budgets, and CSV with plain amounts. Test the exact text of each.",
            owns: &["tally/report.py", "tests/test_report.py"],
            reads: &[],
            after: &[],
            provides: &[
                "def balance_report(book: Book, depth: int = 0) -> str",
                "def month_report(book: Book, month: str) -> str",
                "def budget_report(book: Book, month: str) -> str",
                "def csv_report(book: Book) -> str",
            ],
            requires: &[
                "def format_amount(cents: int, grouped: bool = True) -> str",
                "def percent(part: int, whole: int) -> int",
                "def balances(self, depth: int = 0, month: str | None = None) -> dict[str, int]",
                "def budgets(self, month: str) -> list[tuple[str, int, int]]",
            ],
        },
        Part {
            id: "cli",
            title: "The command line",
            instructions: "Write the command line with argparse: balance, month, budget, csv and split, each on the file of a journal. What a user gave wrong is one line on stderr and code 1. Its tests run every command on a journal in a temporary folder, and check that the script and the version in pyproject.toml are right.",
            owns: &["tally/cli.py", "tests/test_cli.py"],
            reads: &[],
            after: &["report"],
            provides: &[
                "def main(argv: list[str] | None = None, out: TextIO | None = None, err: TextIO | None = None) -> int",
            ],
            requires: &[
                "def parse_journal(text: str) -> list[Entry]",
                "class Book: def __init__(self, entries: Iterable[Entry] = ()) -> None",
                "def months(self) -> list[str]",
                "def set_budget(self, account: str, cents: int) -> None",
                "def split_fairly(cents: int, parts: int) -> list[int]",
                "def balance_report(book: Book, depth: int = 0) -> str",
                "def month_report(book: Book, month: str) -> str",
                "def budget_report(book: Book, month: str) -> str",
                "def csv_report(book: Book) -> str",
            ],
        },
    ]
}
