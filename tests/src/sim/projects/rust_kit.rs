//! A ledger in plain text, in Rust: a library with a program, no dependencies.

use crate::sim::project::{Part, Project, sources};

mod faults;

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
        faults: faults::faults(),
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
