//! A Python package with unittest tests: balances, budgets and reports from a plain text journal.

use crate::sim::project::FaultKind::{
    FailingTest, ManifestEntry, MissingImport, ModulePath, Signature, Syntax, UndefinedSymbol, WrongType,
};
use crate::sim::project::{Fault, Part, Project, Tier, sources};

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
        faults: faults(),
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

fn faults() -> Vec<Fault> {
    vec![
        Fault {
            kind: Syntax,
            tier: Tier::Syntax,
            file: "tally/model.py",
            find: r#"    def month(self) -> str:
        """The month as in `2024-03`.""""#,
            put: r#"    def month(self) -> str
        """The month as in `2024-03`.""""#,
            reveals: "SyntaxError: expected ':'",
            other: None,
        },
        Fault {
            kind: Syntax,
            tier: Tier::Syntax,
            file: "tally/journal.py",
            find: r#"        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)"#,
            put: r#"        blocks.append("\n".join(lines) + "\n"
    return "\n".join(blocks)"#,
            reveals: r"SyntaxError: '\(' was never closed",
            other: None,
        },
        Fault {
            kind: Syntax,
            tier: Tier::Syntax,
            file: "tests/test_book.py",
            find: r#"            spend(date(2024, 3, 31), 1000, "expenses:food", "weekly"),"#,
            put: r#"            spend(date(2024, 3, 31), 1000, "expenses:food" "weekly","#,
            reveals: r"SyntaxError: closing parenthesis '\]' does not match opening parenthesis '\('",
            other: None,
        },
        Fault {
            kind: MissingImport,
            tier: Tier::Names,
            file: "tally/money.py",
            find: r#""""Amounts of money: from text to whole cents and back. No floats."""

import re"#,
            put: r#""""Amounts of money: from text to whole cents and back. Never floats.""""#,
            reveals: "name 're' is not defined",
            other: None,
        },
        Fault {
            kind: MissingImport,
            tier: Tier::Tests,
            file: "tally/book.py",
            find: "from .model import BalanceError, Entry, TallyError, cut_account, is_below",
            put: "from .model import Entry, TallyError, cut_account, is_below",
            reveals: "name 'BalanceError' is not defined",
            other: Some(("tally/model.py", "class BalanceError(TallyError):")),
        },
        Fault {
            kind: MissingImport,
            tier: Tier::Tests,
            file: "tally/report.py",
            find: r#""""Books as text: tables for people, CSV for programs."""

import csv
import io"#,
            put: r#""""Books as text: tables for people, CSV for programs."""

import io"#,
            reveals: "name 'csv' is not defined",
            other: None,
        },
        Fault {
            kind: MissingImport,
            tier: Tier::Tests,
            file: "tests/test_journal.py",
            find: r#"from tally.journal import parse_journal, render_journal

WEEK = """"#,
            put: r#"from tally.journal import parse_journal

WEEK = """"#,
            reveals: "name 'render_journal' is not defined",
            other: Some(("tally/journal.py", "def render_journal(entries: list[Entry]) -> str:")),
        },
        Fault {
            kind: UndefinedSymbol,
            tier: Tier::Tests,
            file: "tally/model.py",
            find: r#"        super().__init__(f"line {line}: {reason}")"#,
            put: r#"        super().__init__(f"line {number}: {reason}")"#,
            reveals: "name 'number' is not defined",
            other: None,
        },
        Fault {
            kind: UndefinedSymbol,
            tier: Tier::Tests,
            file: "tally/cli.py",
            find: r#"    return "".join(f"{format_amount(share)}\n" for share in shares)"#,
            put: r#"    return "".join(f"{format_cents(share)}\n" for share in shares)"#,
            reveals: "name 'format_cents' is not defined",
            other: Some(("tally/money.py", "def format_amount(cents: int, grouped: bool = True) -> str:")),
        },
        Fault {
            kind: UndefinedSymbol,
            tier: Tier::Tests,
            file: "tally/journal.py",
            find: r#"            raise ParseError(number, f"more than one amount: {' '.join(amount)}")"#,
            put: r#"            raise ParseError(number, f"more than one amount: {' '.join(amounts)}")"#,
            reveals: "name 'amounts' is not defined",
            other: None,
        },
        Fault {
            kind: WrongType,
            tier: Tier::Tests,
            file: "tally/book.py",
            find: "        return [entry for entry in self if entry.touches(account) and (tag is None or tag in entry.tags)]",
            put: "        return (entry for entry in self if entry.touches(account) and (tag is None or tag in entry.tags))",
            reveals: r"TypeError: object of type 'generator' has no len\(\)",
            other: None,
        },
        Fault {
            kind: WrongType,
            tier: Tier::Tests,
            file: "tally/cli.py",
            find: r#"    split.add_argument("parts", type=int)"#,
            put: r#"    split.add_argument("parts", help="how many")"#,
            reveals: "TypeError: '<' not supported between instances of 'str' and 'int'",
            other: Some(("tally/money.py", "def split_fairly(cents: int, parts: int) -> list[int]:")),
        },
        Fault {
            kind: WrongType,
            tier: Tier::Tests,
            file: "tally/report.py",
            find: r#"    rows.append(["total", format_amount(sum(balances.values()))])"#,
            put: r#"    rows.append(["total", sum(balances.values())])"#,
            reveals: r"TypeError: object of type 'int' has no len\(\)",
            other: None,
        },
        Fault {
            kind: Signature,
            tier: Tier::Tests,
            file: "tally/money.py",
            find: r#"def format_amount(cents: int, grouped: bool = True) -> str:
    """An amount with two decimals; thousands are set apart if `grouped`."""
    sign = "-" if cents < 0 else ""
    whole, part = divmod(abs(cents), 100)
    digits = f"{whole:,}" if grouped else str(whole)"#,
            put: r#"def format_amount(cents: int, separator: str = ",") -> str:
    """An amount with two decimals; `separator` sets thousands apart."""
    sign = "-" if cents < 0 else ""
    whole, part = divmod(abs(cents), 100)
    digits = f"{whole:,}".replace(",", separator)"#,
            reveals: r"format_amount\(\) got an unexpected keyword argument 'grouped'",
            other: Some(("tally/report.py", "            amount = format_amount(posting.cents, grouped=False)")),
        },
        Fault {
            kind: Signature,
            tier: Tier::Tests,
            file: "tally/book.py",
            find: "    def set_budget(self, account: str, cents: int) -> None:",
            put: "    def set_budget(self, account: str, month: str, cents: int) -> None:",
            reveals: r"set_budget\(\) missing 1 required positional argument: 'cents'",
            other: Some(("tally/cli.py", "        book.set_budget(account, parse_amount(amount))")),
        },
        Fault {
            kind: Signature,
            tier: Tier::Tests,
            file: "tally/cli.py",
            find: "    return month_report(book, options.month or book.months()[-1])",
            put: "    return month_report(options.month or book.months()[-1], book)",
            reveals: "'str' object has no attribute 'balances'",
            other: Some(("tally/report.py", "def month_report(book: Book, month: str) -> str:")),
        },
        Fault {
            kind: Signature,
            tier: Tier::Tests,
            file: "tally/journal.py",
            find: r#"        raise ParseError(number, f"not a day: {first}") from None"#,
            put: r#"        raise ParseError(f"line {number}: not a day: {first}") from None"#,
            reveals: r"__init__\(\) missing 1 required positional argument: 'reason'",
            other: Some(("tally/model.py", "    def __init__(self, line: int, reason: str) -> None:")),
        },
        Fault {
            kind: ModulePath,
            tier: Tier::Names,
            file: "tally/journal.py",
            find: "from .model import BalanceError, Entry, ParseError, Posting",
            put: "from .models import BalanceError, Entry, ParseError, Posting",
            reveals: r"No module named 'tally\.models'",
            other: None,
        },
        Fault {
            kind: ModulePath,
            tier: Tier::Names,
            file: "tally/report.py",
            find: "from .book import Book",
            put: "from .core.book import Book",
            reveals: r"No module named 'tally\.core'",
            other: None,
        },
        Fault {
            kind: ManifestEntry,
            tier: Tier::Tests,
            file: "pyproject.toml",
            find: r#"[project.scripts]
tally = "tally.cli:main"

[tool.setuptools]"#,
            put: r"[tool.setuptools]
zip-safe = true",
            reveals: "KeyError: 'scripts'",
            other: Some(("tests/test_cli.py", r#"self.project["scripts"]["tally"]"#)),
        },
        Fault {
            kind: ManifestEntry,
            tier: Tier::Tests,
            file: "pyproject.toml",
            find: r#"version = "0.3.0""#,
            put: r#"version = "0.1.0""#,
            reveals: r"AssertionError: '0\.1\.0' != '0\.3\.0'",
            other: Some(("tally/__init__.py", r#"__version__ = "0.3.0""#)),
        },
        Fault {
            kind: FailingTest,
            tier: Tier::Tests,
            file: "tally/money.py",
            find: "    return (200 * part + whole) // (2 * whole)",
            put: "    return 100 * part // whole",
            reveals: r"AssertionError: 'expenses:food      125\.00    13%' not found in",
            other: Some(("tests/test_report.py", "expenses:food      125.00    13%")),
        },
        Fault {
            kind: FailingTest,
            tier: Tier::Tests,
            file: "tally/model.py",
            find: r#"    return not top or account == top or account.startswith(top + ":")"#,
            put: "    return not top or account.startswith(top)",
            reveals: "AssertionError: 1300 != 0",
            other: Some(("tests/test_book.py", r#"book.balance("expenses:foo"), 0)"#)),
        },
        Fault {
            kind: FailingTest,
            tier: Tier::Tests,
            file: "tally/model.py",
            find: r#"        super().__init__(f"{entry.day} {entry.payee}: off by {entry.total()} cents")"#,
            put: r#"        super().__init__(f"{entry.day} {entry.payee}: off by {abs(entry.total())} cents")"#,
            reveals: "AssertionError: '2024-03-01 x: off by 100 cents' != '2024-03-01 x: off by -100 cents'",
            other: Some(("tests/test_journal.py", "2024-03-01 x: off by -100 cents")),
        },
        Fault {
            kind: FailingTest,
            tier: Tier::Tests,
            file: "tally/book.py",
            find: "        return [account for account, spent, limit in self.budgets(month) if spent > limit]",
            put: "        return [account for account, spent, limit in self.budgets(month) if spent >= limit]",
            reveals: r"AssertionError: Lists differ: \['expenses'\] != \[\]",
            other: Some(("tests/test_book.py", r#"book.set_budget("expenses", 1250)"#)),
        },
        Fault {
            kind: FailingTest,
            tier: Tier::Tests,
            file: "tally/journal.py",
            find: r##"    return day, payee, frozenset(word[1:] for word in words if word.startswith("#"))"##,
            put: r##"    return day, payee, frozenset(word for word in words if word.startswith("#"))"##,
            reveals: r"AssertionError: Lists differ: \['#food', '#weekly'\] != \['food', 'weekly'\]",
            other: Some(("tests/test_journal.py", r#"["food", "weekly"]"#)),
        },
        Fault {
            kind: FailingTest,
            tier: Tier::Tests,
            file: "tally/report.py",
            find: "    ranked = sorted(spent.items(), key=lambda item: (-item[1], item[0]))",
            put: "    ranked = sorted(spent.items(), key=lambda item: (item[1], item[0]))",
            reveals: r"AssertionError: Lists differ: \['expenses:travel', 'expenses:food', 'expens",
            other: Some(("tests/test_report.py", r#"["expenses:rent", "expenses:food", "expenses:travel", "total"]"#)),
        },
    ]
}
