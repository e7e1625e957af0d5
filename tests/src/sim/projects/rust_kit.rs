//! A ledger in plain text, in Rust: a library with a program, no dependencies.

use super::make::fault;
use crate::sim::project::{Fault, FaultKind, Part, Project, Tier, sources};

/// The project.
#[must_use]
pub fn project() -> Project {
    Project {
        name: "rust_kit",
        language: "Rust",
        task: "Write a Rust library and command line tool for a plain text ledger: parse entries, report by category and month, check a budget, \
               export as CSV and JSON",
        tools: &["cargo"],
        check: None,
        shared: SHARED,
        conventions: &[
            "The package is pocket-ledger, edition 2021, without dependencies; its library and its program are both named pocket",
            "The module export stands behind the feature export, which is on by default",
            "Tests stand in tests/, one file for each module, and use only what is public; an assertion names what it looks at",
            "Amounts are whole cents, never floating point; errors are enums with Display, nothing panics on bad input",
        ],
        parts: parts(),
        files: sources("rust_kit", "tree"),
        given: Vec::new(),
        faults: faults(),
    }
}

const SHARED: &str = r#"// src/money.rs
/// An amount, negative for what is spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money {
    cents: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MoneyError {
    NotANumber(String),
    TooManyDecimals(String),
    TooLarge(String),
}

// src/date.rs
/// A month of a year.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month {
    year: u16,
    month: u8,
}

/// A day that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    month: Month,
    day: u8,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DateError {
    pub text: String,
}

// src/parse.rs
/// A line of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub date: Date,
    pub category: String,
    pub amount: Money,
    pub note: Option<String>,
}

// src/lib.rs
pub use date::{Date, Month};
pub use money::Money;
pub use parse::{parse, Entry};
pub use report::{Budget, Report};
"#;

fn parts() -> Vec<Part> {
    vec![
        Part {
            id: "money",
            title: "Amounts in cents",
            instructions: "Write module money: Money with parsing, Display, arithmetic and Sum. A text has an optional sign, digits, and at most \
                           two decimals; anything else is a MoneyError. Display keeps two decimals and pads to a width. percent_of rounds.",
            owns: &["src/money.rs", "tests/money.rs"],
            reads: &[],
            after: &[],
            provides: &[
                "impl FromStr for Money { type Err = MoneyError; }",
                "impl Display for Money",
                "impl Sum for Money",
                "pub const fn from_cents(cents: i64) -> Self",
                "pub const fn cents(self) -> i64",
                "pub const fn is_negative(self) -> bool",
                "pub fn percent_of(self, whole: Self) -> Option<i64>",
            ],
            requires: &[],
        },
        Part {
            id: "date",
            title: "Days and months",
            instructions: "Write module date: Month and Date, which exist only if the calendar has them, leap years included. They are read from \
                           and written as 2024-02 and 2024-02-29, with exactly as many digits. A month knows how many days it has, and which \
                           month is next.",
            owns: &["src/date.rs", "tests/date.rs"],
            reads: &[],
            after: &[],
            provides: &[
                "impl FromStr for Date { type Err = DateError; }",
                "impl FromStr for Month { type Err = DateError; }",
                "pub fn month(self) -> Month",
                "pub fn days(self) -> u8",
                "pub fn next(self) -> Self",
            ],
            requires: &[],
        },
        Part {
            id: "parse",
            title: "Entries from text",
            instructions: "Write module parse: parse_line reads date, category, amount and an optional note, parse reads a whole text and sorts it by \
                           date, keeping the order of a day. Empty lines and comments with # are skipped, categories are lowered. An error says \
                           its line, counted from 1.",
            owns: &["src/parse.rs", "tests/parse.rs"],
            reads: &[],
            after: &[],
            provides: &[
                "pub fn parse(text: &str) -> Result<Vec<Entry>, ParseError>",
                "pub fn parse_line(line: &str) -> Result<Option<Entry>, LineError>",
            ],
            requires: &[
                "impl FromStr for Date { type Err = DateError; }",
                "impl FromStr for Money { type Err = MoneyError; }",
            ],
        },
        Part {
            id: "report",
            title: "Totals and budgets",
            instructions: "Write module report: Report sums entries by category, of all or of one month, knows income and spending, ranks categories \
                           with the greatest spending first, and prints a table with shares of the spending. Budget holds limits by category and \
                           says which were exceeded, and by how much.",
            owns: &["src/report.rs", "tests/report.rs"],
            reads: &[],
            after: &[],
            provides: &[
                "pub fn new(entries: &[Entry], month: Option<Month>) -> Self",
                "pub fn total(&self, category: &str) -> Money",
                "pub fn limit(mut self, category: &str, amount: Money) -> Self",
                "pub fn exceeded(&self, report: &Report) -> Vec<(String, Money)>",
                "impl Display for Report",
            ],
            requires: &[
                "pub fn parse(text: &str) -> Result<Vec<Entry>, ParseError>",
                "pub fn month(self) -> Month",
                "pub const fn is_negative(self) -> bool",
                "pub fn percent_of(self, whole: Self) -> Option<i64>",
                "impl Sum for Money",
                "impl Display for Money",
            ],
        },
        Part {
            id: "export",
            title: "CSV and JSON",
            instructions: "Write module export: Format is read from csv or json, export writes entries in their order. CSV has a header line and quotes \
                           fields with a comma, a quote or a line break. JSON is an array of objects with the amount in cents, and escapes control \
                           characters.",
            owns: &["src/export.rs", "tests/export.rs"],
            reads: &[],
            after: &[],
            provides: &[
                "pub fn export(entries: &[Entry], format: Format) -> String",
                "impl FromStr for Format { type Err = String; }",
            ],
            requires: &[
                "pub fn parse(text: &str) -> Result<Vec<Entry>, ParseError>",
                "pub const fn cents(self) -> i64",
            ],
        },
        Part {
            id: "app",
            title: "The package and the program",
            instructions: "Write Cargo.toml, lib.rs with the modules and re-exports, and the program pocket with the commands report, budget and export. \
                           Mistakes go to stderr as `pocket: MESSAGE`, with exit code 1; no known command gives the usage. Test the program as a \
                           process in tests/cli.rs.",
            owns: &["Cargo.toml", "src/lib.rs", "src/main.rs", "tests/cli.rs"],
            reads: &[],
            after: &[],
            provides: &["pub use report::{Budget, Report};", "pub use parse::{parse, Entry};"],
            requires: &[
                "pub fn parse(text: &str) -> Result<Vec<Entry>, ParseError>",
                "pub fn new(entries: &[Entry], month: Option<Month>) -> Self",
                "pub fn limit(mut self, category: &str, amount: Money) -> Self",
                "pub fn exceeded(&self, report: &Report) -> Vec<(String, Money)>",
                "pub fn export(entries: &[Entry], format: Format) -> String",
                "impl FromStr for Format { type Err = String; }",
                "impl FromStr for Month { type Err = DateError; }",
                "impl FromStr for Money { type Err = MoneyError; }",
            ],
        },
    ]
}

fn faults() -> Vec<Fault> {
    vec![
        fault(
            FaultKind::Syntax,
            Tier::Syntax,
            "src/date.rs",
            r#"            _ => 31,
        }
    }"#,
            r#"            _ => 31,
    }"#,
            "unclosed delimiter|mismatched closing delimiter",
            None,
        ),
        fault(
            FaultKind::Syntax,
            Tier::Syntax,
            "src/parse.rs",
            r#"    let date: Date = date.parse()?;
    let (category, rest) = field(rest);"#,
            r#"    let date: Date = date.parse()?
    let (category, rest) = field(rest);"#,
            "expected `;`, found keyword `let`",
            None,
        ),
        fault(
            FaultKind::Syntax,
            Tier::Syntax,
            "tests/report.rs",
            r#"    assert_eq!(january().total("travel"), Money::ZERO);"#,
            r#"    assert_eq!(january().total("travel", Money::ZERO);"#,
            "unclosed delimiter|mismatched closing delimiter",
            None,
        ),
        fault(
            FaultKind::MissingImport,
            Tier::Names,
            "src/report.rs",
            r#"use std::collections::BTreeMap;
use std::fmt;

use crate::date::Month;"#,
            r#"use std::collections::BTreeMap;

use crate::date::Month;"#,
            "cannot find module or crate `fmt`|unlinked crate `fmt`",
            None,
        ),
        fault(
            FaultKind::MissingImport,
            Tier::Names,
            "src/main.rs",
            "use pocket::{parse, Budget, Entry, Money, Month, Report};",
            "use pocket::{parse, Budget, Entry, Money, Report};",
            "cannot find type `Month` in this scope",
            None,
        ),
        fault(
            FaultKind::MissingImport,
            Tier::Types,
            "src/export.rs",
            r#"//! Entries for other programs.

use std::fmt::Write as _;
use std::str::FromStr;"#,
            r#"//! Entries for other programs.

use std::str::FromStr;"#,
            "cannot write into `String`",
            None,
        ),
        fault(
            FaultKind::MissingImport,
            Tier::Names,
            "src/money.rs",
            "use std::ops::{Add, AddAssign, Neg, Sub};",
            "use std::ops::{Add, Neg, Sub};",
            "cannot find trait `AddAssign` in this scope",
            None,
        ),
        fault(
            FaultKind::MissingImport,
            Tier::Names,
            "tests/parse.rs",
            "use pocket::{parse, Entry, Money};",
            "use pocket::{parse, Entry};",
            "cannot find type `Money` in this scope",
            None,
        ),
        fault(
            FaultKind::WrongType,
            Tier::Types,
            "src/money.rs",
            "        Ok(Self::from_cents(if negative { -cents } else { cents }))",
            "        Ok(if negative { -cents } else { cents })",
            "expected `Money`, found `i64`",
            None,
        ),
        fault(
            FaultKind::WrongType,
            Tier::Types,
            "src/parse.rs",
            "        note: (!note.is_empty()).then(|| note.to_string()),",
            "        note: note.to_string(),",
            "expected `Option<String>`, found `String`",
            None,
        ),
        fault(
            FaultKind::WrongType,
            Tier::Types,
            "src/report.rs",
            "            if spent > *limit {",
            "            if spent > limit {",
            "expected `Money`, found `&Money`",
            None,
        ),
        fault(
            FaultKind::WrongType,
            Tier::Types,
            "src/export.rs",
            r#"        let comma = if index == 0 { "" } else { "," };"#,
            r#"        let comma = if index == 0 { "" } else { ',' };"#,
            "expected `&str`, found `char`",
            None,
        ),
        fault(
            FaultKind::UndefinedSymbol,
            Tier::Types,
            "src/date.rs",
            "        (1..=month.days())",
            "        (1..=month.days_in_month())",
            "no method named `days_in_month` found",
            None,
        ),
        fault(
            FaultKind::UndefinedSymbol,
            Tier::Names,
            "src/main.rs",
            r#"        ["report", file] => Ok(Report::new(&read(file)?, None).to_string()),"#,
            r#"        ["report", file] => Ok(Report::new(&load(file)?, None).to_string()),"#,
            "cannot find function `load` in this scope",
            None,
        ),
        fault(
            FaultKind::UndefinedSymbol,
            Tier::Types,
            "src/money.rs",
            "            _ => return Err(MoneyError::TooManyDecimals(text.to_string())),",
            "            _ => return Err(MoneyError::Precision(text.to_string())),",
            "named `Precision` found for enum `(money::)?MoneyError`",
            None,
        ),
        fault(
            FaultKind::Signature,
            Tier::Types,
            "src/report.rs",
            r#"    pub fn new(entries: &[Entry], month: Option<Month>) -> Self {
        let mut totals: BTreeMap<String, Money> = BTreeMap::new();
        for entry in entries {
            if month.is_none_or(|month| entry.date.month() == month) {"#,
            r#"    pub fn new(entries: &[Entry], month: Month) -> Self {
        let mut totals: BTreeMap<String, Money> = BTreeMap::new();
        for entry in entries {
            if entry.date.month() == month {"#,
            "expected `Month`, found `Option<",
            Some(("src/main.rs", "Report::new(&read(file)?, Some(month_of(month)?))")),
        ),
        fault(
            FaultKind::Signature,
            Tier::Types,
            "src/parse.rs",
            "pub fn parse(text: &str) -> Result<Vec<Entry>, ParseError> {",
            "pub fn parse(text: String) -> Result<Vec<Entry>, ParseError> {",
            "expected `String`, found `&",
            Some(("src/main.rs", "parse(&text)")),
        ),
        fault(
            FaultKind::Signature,
            Tier::Types,
            "src/money.rs",
            r#"    pub fn percent_of(self, whole: Self) -> Option<i64> {
        if whole.cents == 0 {
            return None;
        }
        let share = self.cents as f64 * 100.0 / whole.cents as f64;
        Some(share.round() as i64)"#,
            r#"    pub fn percent_of(self, whole: Self) -> i64 {
        if whole.cents == 0 {
            return 0;
        }
        let share = self.cents as f64 * 100.0 / whole.cents as f64;
        share.round() as i64"#,
            "expected `i64`, found `Option<",
            Some(("src/report.rs", "match amount.percent_of(spent) {")),
        ),
        fault(
            FaultKind::Signature,
            Tier::Types,
            "src/export.rs",
            "        let cents = entry.amount.cents();",
            "        let cents = entry.amount.cents;",
            "field `cents` of struct `(money::)?Money` is private",
            Some(("src/money.rs", "pub const fn cents(self) -> i64 {")),
        ),
        fault(
            FaultKind::Signature,
            Tier::Types,
            "src/main.rs",
            "        budget = budget.limit(category, amount);",
            "        budget = budget.limit(category, amount.cents());",
            "expected `Money`, found `i64`",
            Some(("src/report.rs", "pub fn limit(mut self, category: &str, amount: Money) -> Self {")),
        ),
        fault(
            FaultKind::Signature,
            Tier::Types,
            "tests/report.rs",
            r#"    Report::new(&entries(), Some("2024-01".parse().expect("a month")))"#,
            r#"    Report::new(entries(), Some("2024-01".parse().expect("a month")))"#,
            r#"expected `&\[Entry\]`, found `Vec<Entry>`"#,
            Some(("src/report.rs", "pub fn new(entries: &[Entry], month: Option<Month>) -> Self {")),
        ),
        fault(
            FaultKind::ModulePath,
            Tier::Names,
            "src/parse.rs",
            "use crate::date::{Date, DateError};",
            "use crate::calendar::{Date, DateError};",
            "unresolved import `crate::calendar`",
            None,
        ),
        fault(
            FaultKind::ModulePath,
            Tier::Names,
            "src/main.rs",
            "use pocket::export::{export, Format};",
            "use pocket::exporter::{export, Format};",
            "unresolved import `pocket::exporter`",
            None,
        ),
        fault(
            FaultKind::ModulePath,
            Tier::Names,
            "tests/parse.rs",
            "use pocket::parse::{parse_line, LineError};",
            "use pocket::parser::{parse_line, LineError};",
            "unresolved import `pocket::parser`",
            None,
        ),
        fault(
            FaultKind::ModulePath,
            Tier::Names,
            "src/lib.rs",
            "pub mod report;",
            "pub mod reports;",
            "file not found for module `reports`",
            None,
        ),
        fault(
            FaultKind::ManifestEntry,
            Tier::Names,
            "Cargo.toml",
            r#"[lib]
name = "pocket""#,
            r#"[lib]
path = "src/lib.rs""#,
            "unlinked crate `pocket`|unresolved import `pocket`|module or crate `pocket`",
            Some(("src/main.rs", "use pocket::export::{export, Format};")),
        ),
        fault(
            FaultKind::ManifestEntry,
            Tier::Names,
            "Cargo.toml",
            r#"default = ["export"]"#,
            "default = []",
            "unresolved import `pocket::export`|could not find `export` in `pocket`",
            Some(("src/lib.rs", r#"#[cfg(feature = "export")]"#)),
        ),
        fault(
            FaultKind::ManifestEntry,
            Tier::Names,
            "Cargo.toml",
            r#"[[bin]]
name = "pocket""#,
            r#"[[bin]]
name = "pocket-ledger""#,
            "environment variable `CARGO_BIN_EXE_pocket` not defined",
            Some(("tests/cli.rs", r#"env!("CARGO_BIN_EXE_pocket")"#)),
        ),
        fault(
            FaultKind::Duplicate,
            Tier::Names,
            "src/lib.rs",
            "pub use parse::{parse, Entry};",
            r#"pub use parse::{parse, Entry};

/// A line of the ledger.
pub struct Entry {
    pub date: Date,
    pub category: String,
    pub amount: Money,
}
"#,
            "the name `Entry` is defined multiple times",
            Some(("src/parse.rs", "pub struct Entry {")),
        ),
        fault(
            FaultKind::Duplicate,
            Tier::Types,
            "src/report.rs",
            "impl fmt::Display for Report {",
            r#"impl std::iter::Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, |sum, amount| sum + amount)
    }
}

impl fmt::Display for Report {"#,
            "conflicting implementations of trait `(std::iter::)?Sum`",
            Some(("src/money.rs", "impl Sum for Money {")),
        ),
        fault(
            FaultKind::FailingTest,
            Tier::Tests,
            "src/money.rs",
            "            1 => cents *= 10,",
            "            1 => {}",
            r#"cents of 12\.5|left: .*-1205|left: .*-12\.05"#,
            Some(("tests/money.rs", r#"("12.5", 1250)"#)),
        ),
        fault(
            FaultKind::FailingTest,
            Tier::Tests,
            "src/money.rs",
            r#"        f.pad(&format!("{sign}{}.{:02}", cents / 100, cents % 100))"#,
            r#"        write!(f, "{sign}{}.{:02}", cents / 100, cents % 100)"#,
            r#"left: "food        -8\.00"#,
            Some(("tests/cli.rs", r#""food             -8.00  100%"#)),
        ),
        fault(
            FaultKind::FailingTest,
            Tier::Tests,
            "src/date.rs",
            r#"    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}"#,
            r#"    year % 4 == 0
}"#,
            "days of 1900-02",
            Some(("tests/date.rs", r#"("1900-02", 28)"#)),
        ),
        fault(
            FaultKind::FailingTest,
            Tier::Tests,
            "src/date.rs",
            r#"                year: self.year + 1,
                month: 1,"#,
            r#"                year: self.year,
                month: 1,"#,
            "the month after December",
            Some((
                "tests/date.rs",
                r#"month("2024-12").next(),
        month("2025-01"),"#,
            )),
        ),
        fault(
            FaultKind::FailingTest,
            Tier::Tests,
            "src/parse.rs",
            "        category: category.to_lowercase(),",
            "        category: category.to_string(),",
            "the category is in lower case",
            Some(("tests/parse.rs", r#"entry.category, "groceries""#)),
        ),
        fault(
            FaultKind::FailingTest,
            Tier::Tests,
            "src/parse.rs",
            "                    line: index + 1,",
            "                    line: index,",
            "line 0: the amount is missing",
            Some(("tests/cli.rs", "line 1: the amount is missing")),
        ),
        fault(
            FaultKind::FailingTest,
            Tier::Tests,
            "src/report.rs",
            "        ranked.sort_by_key(|(_, amount)| *amount);",
            "        ranked.sort_by_key(|(_, amount)| std::cmp::Reverse(*amount));",
            "failed: ranking",
            Some(("tests/report.rs", r#"["rent", "food", "salary"], "ranking""#)),
        ),
        fault(
            FaultKind::FailingTest,
            Tier::Tests,
            "src/report.rs",
            "        self.limits.insert(category.to_lowercase(), amount);",
            "        self.limits.insert(category.to_string(), amount);",
            "failed: what is over the budget",
            Some(("tests/report.rs", r#".limit("Food", Money::from_cents(5000))"#)),
        ),
        fault(
            FaultKind::FailingTest,
            Tier::Tests,
            "src/export.rs",
            r#"        format!("\"{}\"", text.replace('"', "\"\""))"#,
            r#"        format!("\"{text}\"")"#,
            r#"left: .*bread, \\"fresh"#,
            Some(("tests/export.rs", r#""bread, \"\"fresh\"\"\""#)),
        ),
    ]
}
