//! What may go wrong in it.

use crate::sim::project::FaultKind::{
    FailingTest, ManifestEntry, MissingImport, ModulePath, Signature, Syntax, UndefinedSymbol, WrongType,
};
use crate::sim::project::{Fault, Tier};
use crate::sim::projects::make::fault;

/// All mistakes, by kind.
pub(super) fn faults() -> Vec<Fault> {
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
