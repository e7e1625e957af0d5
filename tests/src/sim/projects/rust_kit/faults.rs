//! Mistakes that fit the ledger.

use crate::sim::project::{Fault, FaultKind, Tier};
use crate::sim::projects::make::fault;

pub(super) fn faults() -> Vec<Fault> {
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
            // Any call without a month tells it.
            Some(("src/main.rs", ", None)")),
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
