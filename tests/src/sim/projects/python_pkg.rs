//! A Python package with unittest tests: balances, budgets and reports from a plain text journal.

use super::make::fault;
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
        fault(
            Syntax,
            Tier::Syntax,
            "tally/model.py",
            r#"    def month(self) -> str:
        """The month as in `2024-03`.""""#,
            r#"    def month(self) -> str
        """The month as in `2024-03`.""""#,
            "SyntaxError: expected ':'",
            None,
        ),
        fault(
            Syntax,
            Tier::Syntax,
            "tally/journal.py",
            r#"        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)"#,
            r#"        blocks.append("\n".join(lines) + "\n"
    return "\n".join(blocks)"#,
            r"SyntaxError: '\(' was never closed",
            None,
        ),
        fault(
            Syntax,
            Tier::Syntax,
            "tests/test_book.py",
            r#"            spend(date(2024, 3, 31), 1000, "expenses:food", "weekly"),"#,
            r#"            spend(date(2024, 3, 31), 1000, "expenses:food" "weekly","#,
            r"SyntaxError: closing parenthesis '\]' does not match opening parenthesis '\('",
            None,
        ),
        fault(
            MissingImport,
            Tier::Names,
            "tally/money.py",
            r#""""Amounts of money: from text to whole cents and back. No floats."""

import re"#,
            r#""""Amounts of money: from text to whole cents and back. Never floats.""""#,
            "name 're' is not defined",
            None,
        ),
        fault(
            MissingImport,
            Tier::Tests,
            "tally/book.py",
            "from .model import BalanceError, Entry, TallyError, cut_account, is_below",
            "from .model import Entry, TallyError, cut_account, is_below",
            "name 'BalanceError' is not defined",
            Some(("tally/model.py", "class BalanceError(TallyError):")),
        ),
        fault(
            MissingImport,
            Tier::Tests,
            "tally/report.py",
            r#""""Books as text: tables for people, CSV for programs."""

import csv
import io"#,
            r#""""Books as text: tables for people, CSV for programs."""

import io"#,
            "name 'csv' is not defined",
            None,
        ),
        fault(
            MissingImport,
            Tier::Tests,
            "tests/test_journal.py",
            r#"from tally.journal import parse_journal, render_journal

WEEK = """"#,
            r#"from tally.journal import parse_journal

WEEK = """"#,
            "name 'render_journal' is not defined",
            Some(("tally/journal.py", "def render_journal(entries: list[Entry]) -> str:")),
        ),
        fault(
            UndefinedSymbol,
            Tier::Tests,
            "tally/model.py",
            r#"        super().__init__(f"line {line}: {reason}")"#,
            r#"        super().__init__(f"line {number}: {reason}")"#,
            "name 'number' is not defined",
            None,
        ),
        fault(
            UndefinedSymbol,
            Tier::Tests,
            "tally/cli.py",
            r#"    return "".join(f"{format_amount(share)}\n" for share in shares)"#,
            r#"    return "".join(f"{format_cents(share)}\n" for share in shares)"#,
            "name 'format_cents' is not defined",
            Some(("tally/money.py", "def format_amount(cents: int, grouped: bool = True) -> str:")),
        ),
        fault(
            UndefinedSymbol,
            Tier::Tests,
            "tally/journal.py",
            r#"            raise ParseError(number, f"more than one amount: {' '.join(amount)}")"#,
            r#"            raise ParseError(number, f"more than one amount: {' '.join(amounts)}")"#,
            "name 'amounts' is not defined",
            None,
        ),
        fault(
            WrongType,
            Tier::Tests,
            "tally/book.py",
            "        return [entry for entry in self if entry.touches(account) and (tag is None or tag in entry.tags)]",
            "        return (entry for entry in self if entry.touches(account) and (tag is None or tag in entry.tags))",
            r"TypeError: object of type 'generator' has no len\(\)",
            None,
        ),
        fault(
            WrongType,
            Tier::Tests,
            "tally/cli.py",
            r#"    split.add_argument("parts", type=int)"#,
            r#"    split.add_argument("parts", help="how many")"#,
            "TypeError: '<' not supported between instances of 'str' and 'int'",
            Some(("tally/money.py", "def split_fairly(cents: int, parts: int) -> list[int]:")),
        ),
        fault(
            WrongType,
            Tier::Tests,
            "tally/report.py",
            r#"    rows.append(["total", format_amount(sum(balances.values()))])"#,
            r#"    rows.append(["total", sum(balances.values())])"#,
            r"TypeError: object of type 'int' has no len\(\)",
            None,
        ),
        fault(
            Signature,
            Tier::Tests,
            "tally/money.py",
            r#"def format_amount(cents: int, grouped: bool = True) -> str:
    """An amount with two decimals; thousands are set apart if `grouped`."""
    sign = "-" if cents < 0 else ""
    whole, part = divmod(abs(cents), 100)
    digits = f"{whole:,}" if grouped else str(whole)"#,
            r#"def format_amount(cents: int, separator: str = ",") -> str:
    """An amount with two decimals; `separator` sets thousands apart."""
    sign = "-" if cents < 0 else ""
    whole, part = divmod(abs(cents), 100)
    digits = f"{whole:,}".replace(",", separator)"#,
            r"format_amount\(\) got an unexpected keyword argument 'grouped'",
            Some(("tally/report.py", "            amount = format_amount(posting.cents, grouped=False)")),
        ),
        fault(
            Signature,
            Tier::Tests,
            "tally/book.py",
            "    def set_budget(self, account: str, cents: int) -> None:",
            "    def set_budget(self, account: str, month: str, cents: int) -> None:",
            r"set_budget\(\) missing 1 required positional argument: 'cents'",
            Some(("tally/cli.py", "        book.set_budget(account, parse_amount(amount))")),
        ),
        fault(
            Signature,
            Tier::Tests,
            "tally/cli.py",
            "    return month_report(book, options.month or book.months()[-1])",
            "    return month_report(options.month or book.months()[-1], book)",
            "'str' object has no attribute 'balances'",
            Some(("tally/report.py", "def month_report(book: Book, month: str) -> str:")),
        ),
        fault(
            Signature,
            Tier::Tests,
            "tally/journal.py",
            r#"        raise ParseError(number, f"not a day: {first}") from None"#,
            r#"        raise ParseError(f"line {number}: not a day: {first}") from None"#,
            r"__init__\(\) missing 1 required positional argument: 'reason'",
            Some(("tally/model.py", "    def __init__(self, line: int, reason: str) -> None:")),
        ),
        fault(
            ModulePath,
            Tier::Names,
            "tally/journal.py",
            "from .model import BalanceError, Entry, ParseError, Posting",
            "from .models import BalanceError, Entry, ParseError, Posting",
            r"No module named 'tally\.models'",
            None,
        ),
        fault(
            ModulePath,
            Tier::Names,
            "tally/report.py",
            "from .book import Book",
            "from .core.book import Book",
            r"No module named 'tally\.core'",
            None,
        ),
        fault(
            ManifestEntry,
            Tier::Tests,
            "pyproject.toml",
            r#"[project.scripts]
tally = "tally.cli:main"

[tool.setuptools]"#,
            r"[tool.setuptools]
zip-safe = true",
            "KeyError: 'scripts'",
            Some(("tests/test_cli.py", r#"self.project["scripts"]["tally"]"#)),
        ),
        fault(
            ManifestEntry,
            Tier::Tests,
            "pyproject.toml",
            r#"version = "0.3.0""#,
            r#"version = "0.1.0""#,
            r"AssertionError: '0\.1\.0' != '0\.3\.0'",
            Some(("tally/__init__.py", r#"__version__ = "0.3.0""#)),
        ),
        fault(
            FailingTest,
            Tier::Tests,
            "tally/money.py",
            "    return (200 * part + whole) // (2 * whole)",
            "    return 100 * part // whole",
            r"AssertionError: 'expenses:food      125\.00    13%' not found in",
            Some(("tests/test_report.py", "expenses:food      125.00    13%")),
        ),
        fault(
            FailingTest,
            Tier::Tests,
            "tally/model.py",
            r#"    return not top or account == top or account.startswith(top + ":")"#,
            "    return not top or account.startswith(top)",
            "AssertionError: 1300 != 0",
            Some(("tests/test_book.py", r#"book.balance("expenses:foo"), 0)"#)),
        ),
        fault(
            FailingTest,
            Tier::Tests,
            "tally/model.py",
            r#"        super().__init__(f"{entry.day} {entry.payee}: off by {entry.total()} cents")"#,
            r#"        super().__init__(f"{entry.day} {entry.payee}: off by {abs(entry.total())} cents")"#,
            "AssertionError: '2024-03-01 x: off by 100 cents' != '2024-03-01 x: off by -100 cents'",
            Some(("tests/test_journal.py", "2024-03-01 x: off by -100 cents")),
        ),
        fault(
            FailingTest,
            Tier::Tests,
            "tally/book.py",
            "        return [account for account, spent, limit in self.budgets(month) if spent > limit]",
            "        return [account for account, spent, limit in self.budgets(month) if spent >= limit]",
            r"AssertionError: Lists differ: \['expenses'\] != \[\]",
            Some(("tests/test_book.py", r#"book.set_budget("expenses", 1250)"#)),
        ),
        fault(
            FailingTest,
            Tier::Tests,
            "tally/journal.py",
            r##"    return day, payee, frozenset(word[1:] for word in words if word.startswith("#"))"##,
            r##"    return day, payee, frozenset(word for word in words if word.startswith("#"))"##,
            r"AssertionError: Lists differ: \['#food', '#weekly'\] != \['food', 'weekly'\]",
            Some(("tests/test_journal.py", r#"["food", "weekly"]"#)),
        ),
        fault(
            FailingTest,
            Tier::Tests,
            "tally/report.py",
            "    ranked = sorted(spent.items(), key=lambda item: (-item[1], item[0]))",
            "    ranked = sorted(spent.items(), key=lambda item: (item[1], item[0]))",
            r"AssertionError: Lists differ: \['expenses:travel', 'expenses:food', 'expens",
            Some(("tests/test_report.py", r#"["expenses:rent", "expenses:food", "expenses:travel", "total"]"#)),
        ),
    ]
}
