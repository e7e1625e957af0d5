//! Caller and callee disagree: who deviates from the contract? Pure.
//!
//! Looked up when the build is recorded, because the fixes that follow change the text.

use std::collections::BTreeMap;

use proto::diagnostic::Diagnostic;
use serde::{Deserialize, Serialize};

use super::sides::mentions;
use crate::check::diagnostics::pattern::Pattern;
use crate::plan::{Contract, Subtask};
use crate::relpath::RelPath;

/// A symbol that is defined otherwise than the contract says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deviant {
    /// Its name.
    pub symbol: String,
    /// Where it is defined.
    pub file: RelPath,
}

/// Each with the symbol where the message has it.
static SIGNATURE: [Pattern; 13] = [
    Pattern::new(r"^(?:not enough|too many) arguments in call to (?:\w+\.)*(?P<symbol>\w+)"),
    Pattern::new(r"^cannot use .+ as .+ value in argument to (?:\w+\.)*(?P<symbol>\w+)"),
    Pattern::new(r"^assignment mismatch: .+ but (?:\w+\.)*(?P<symbol>\w+)(?:\(.*\))? returns"),
    Pattern::new(r"too (?:few|many) arguments to (?:function |method )?(?:call)?[`'‘]?(?P<symbol>\w*)"),
    Pattern::new(r"(?:method|constructor) (?P<symbol>\w+) in (?:class|interface|record|enum) \S+ cannot be applied"),
    Pattern::new(r"(?P<symbol>\w+)\(\) (?:takes|missing|got an unexpected|got multiple)"),
    Pattern::new(
        r#"^(?:Too many|Too few|Missing|Unexpected) .*(?:arguments?|argument ".*") (?:for|in call to) "(?P<symbol>\w+)""#,
    ),
    Pattern::new(r#"^Argument \S+ to "(?P<symbol>\w+)" (?:of "\S+" )?has incompatible type"#),
    Pattern::new(r"^Expected \d+(?:-\d+)? (?:positional )?arguments?"),
    Pattern::new(r"^Argument of type .+ is not assignable to parameter"),
    Pattern::new(r"^this (?:function|method|associated function) takes \d+ "),
    Pattern::new(r"^arguments to this (?:function|method) are incorrect"),
    Pattern::new(r"^no matching (?:member )?function for call to [`'‘](?P<symbol>\w+)"),
];

/// Whether a diagnostic says that a call doesn't fit what is called; with the symbol's name, empty where the message lacks it.
pub(super) fn disagreement(diagnostic: &Diagnostic) -> Option<String> {
    let message = diagnostic.message.lines().next().unwrap_or_default();
    let found = SIGNATURE.iter().find_map(|pattern| pattern.captures(message))?;
    Some(found.name("symbol").map_or("", |symbol| symbol.as_str()).to_owned())
}

/// The symbols that calls in `diagnostics` don't fit and that are defined otherwise than the contract says. `texts`: the files as they are.
#[must_use]
pub fn deviants(
    diagnostics: &[Diagnostic],
    subtasks: &[Subtask],
    contract: &Contract,
    texts: &BTreeMap<RelPath, String>,
) -> Vec<Deviant> {
    let agreed: Vec<&str> =
        subtasks.iter().flat_map(|one| &one.provides).map(String::as_str).chain(contract.shared.lines()).collect();
    let mut found: Vec<Deviant> = Vec::new();
    for diagnostic in diagnostics {
        let Some(named) = disagreement(diagnostic) else { continue };
        let line = place(diagnostic, texts).unwrap_or_default();
        let symbols: Vec<&str> = if named.is_empty() { called(line) } else { vec![named.as_str()] };
        for symbol in symbols {
            // Two signatures of one name tell nothing.
            let mut wanted: Vec<String> = agreed.iter().filter_map(|line| signature(line, symbol)).collect();
            wanted.dedup();
            let [wanted] = wanted.as_slice() else { continue };
            let definitions: Vec<(&RelPath, String)> = texts
                .iter()
                .flat_map(|(path, text)| text.lines().filter_map(move |line| Some((path, definition(line, symbol)?))))
                .collect();
            if let [(file, there)] = definitions.as_slice()
                && there != wanted
            {
                let deviant = Deviant { symbol: symbol.to_owned(), file: (*file).clone() };
                if !found.contains(&deviant) {
                    found.push(deviant);
                }
            }
        }
    }
    found
}

/// The line that a diagnostic points to.
fn place<'a>(diagnostic: &Diagnostic, texts: &'a BTreeMap<RelPath, String>) -> Option<&'a str> {
    let path = RelPath::parse(diagnostic.file.as_deref()?).ok()?;
    texts.get(&path)?.lines().nth((diagnostic.line? as usize).checked_sub(1)?)
}

/// Whether `diagnostic` is about this deviant.
pub(super) fn is_about(diagnostic: &Diagnostic, deviant: &Deviant) -> bool {
    disagreement(diagnostic).is_some_and(|symbol| symbol.is_empty() || symbol == deviant.symbol)
}

/// The names that a line calls.
fn called(line: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for (at, _) in line.match_indices('(') {
        let before = &line[..at];
        let start = before
            .rfind(|c: char| !(c.is_alphanumeric() || c == '_'))
            .map_or(0, |found| found + before[found..].chars().next().map_or(1, char::len_utf8));
        if start < at {
            names.push(&before[start..]);
        }
    }
    names
}

/// A signature's name, parameters and result without what differs by taste; none if the line isn't one of this symbol.
fn signature(line: &str, symbol: &str) -> Option<String> {
    let line = line.trim();
    let at = line.find(&format!("{symbol}("))?;
    if !mentions(&line[..at + symbol.len()], symbol) || line[..at].trim_end().ends_with(['.', '=', ':']) {
        return None;
    }
    let text = line.split("//").next().unwrap_or(line).trim_end_matches(['{', ';', ':', ' ']);
    // Receivers, visibility and the like stand before the name; C's result does too.
    let before: Vec<&str> = line[..at].split_whitespace().filter(|word| !TASTE.contains(word)).collect();
    let before = if before.iter().any(|word| word.starts_with('(') || word.ends_with(')')) {
        String::new()
    } else {
        before.concat()
    };
    let behind: String = text.get(at..)?.split_whitespace().collect();
    Some(format!("{before}|{behind}"))
}

const TASTE: &[&str] = &[
    "pub",
    "pub(crate)",
    "export",
    "default",
    "async",
    "func",
    "fn",
    "def",
    "function",
    "public",
    "static",
    "final",
    "const",
    "extern",
    "inline",
];

/// The same of a line of code that defines the symbol, and doesn't call it.
fn definition(line: &str, symbol: &str) -> Option<String> {
    let text = line.trim();
    if text.starts_with("//") || text.starts_with(['#', '*']) {
        return None;
    }
    let first = text.split_whitespace().next().unwrap_or("");
    let keyword = matches!(first, "func" | "fn" | "def" | "function" | "export" | "public" | "static" | "async")
        || first.starts_with("pub");
    // In C, and in methods: a type or nothing before the name, and an open body.
    let at = text.find(&format!("{symbol}("))?;
    let before = text[..at].trim_end();
    let typed = !before.is_empty()
        && before.chars().all(|c| c.is_alphanumeric() || " _*<>[],".contains(c))
        && !matches!(first, "return" | "new" | "else" | "await" | "let" | "var" | "const");
    let opens = text.ends_with('{') || text.ends_with(')');
    (keyword || typed && opens).then(|| signature(text, symbol))?
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]
    use proto::diagnostic::Severity;

    use super::*;

    /// Contract, definition, caller's line, message → whether the definer deviates.
    #[test]
    fn who_deviates() {
        let table: &[(&str, &str, &str, &str, bool)] = &[
            (
                "func Open(path string) error",
                "func Open(path string, mode int) error {",
                "store.Open(p)",
                "not enough arguments in call to store.Open",
                true,
            ),
            (
                "func Open(path string) error",
                "func Open(path string) error {",
                "store.Open(p, 1)",
                "too many arguments in call to store.Open",
                false,
            ),
            (
                "func Get(id int) (User, error)",
                "func (s *Store) Get(id int) User {",
                "u, err := s.Get(1)",
                "assignment mismatch: 2 variables but s.Get returns 1 value",
                true,
            ),
            (
                "func (s *Store) Get(id int) User",
                "func (db *Store) Get(id int) User {",
                "s.Get(\"1\")",
                "cannot use \"1\" (untyped string constant) as int value in argument to s.Get",
                false,
            ),
            (
                "fn open(path: &str) -> u32",
                "pub fn open(path: String) -> u32 {",
                "open(\"a\", 1)",
                "this function takes 1 argument but 2 arguments were supplied",
                true,
            ),
            (
                "pub fn open(path: &str) -> u32",
                "pub fn open(path: &str) -> u32 {",
                "open(1)",
                "arguments to this function are incorrect",
                false,
            ),
            (
                "int add(int a, int b)",
                "int add(int a, int b, int c) {",
                "add(1, 2);",
                "too few arguments to function 'add'",
                true,
            ),
            (
                "int add(int a, int b);",
                "int add(int a, int b)",
                "add(1);",
                "too few arguments to function ‘add’",
                false,
            ),
            (
                "def add(a, b)",
                "def add(a, b, c):",
                "add(1, 2)",
                "TypeError: add() missing 1 required positional argument: 'c'",
                true,
            ),
            (
                "def add(a, b):",
                "def add(a, b):",
                "add(1)",
                "TypeError: add() missing 1 required positional argument: 'b'",
                false,
            ),
            (
                "def add(a: int) -> int",
                "def add(a: str) -> int:",
                "add(1)",
                "Argument 1 to \"add\" has incompatible type \"int\"; expected \"str\"",
                true,
            ),
            (
                "export function add(a: number): number",
                "export function add(a: string): number {",
                "  add(1);",
                "Argument of type 'number' is not assignable to parameter of type 'string'.",
                true,
            ),
            (
                "function add(a: number): number",
                "export function add(a: number): number {",
                "  add(1, 2);",
                "Expected 1 arguments, but got 2.",
                false,
            ),
            (
                "public int get(String key)",
                "    public int get(int key) {",
                "s.get(\"a\");",
                "method get in class Store cannot be applied to given types;",
                true,
            ),
            ("type T struct", "func Open() {", "Open(1)", "too many arguments in call to Open", false),
            ("func Open(path string)", "func Open(path, mode string) {", "Open(1)", "missing return", false),
        ];
        for (agreed, defined, caller, message, deviates) in table {
            let diagnostic = Diagnostic {
                tool: "x".to_owned(),
                file: Some("caller.x".to_owned()),
                line: Some(1),
                column: None,
                severity: Severity::Error,
                code: None,
                message: (*message).to_owned(),
                related: Vec::new(),
                owner: None,
            };
            let path = |text: &str| RelPath::parse(text).unwrap();
            let texts = BTreeMap::from([
                (path("caller.x"), format!("{caller}\n")),
                (path("callee.x"), format!("first line\n{defined}\n")),
            ]);
            let contract = Contract { shared: format!("{agreed}\n"), ..Contract::default() };
            let found = deviants(&[diagnostic], &[], &contract, &texts);
            let files: Vec<&str> = found.iter().map(|one| one.file.as_str()).collect();
            assert_eq!(files, if *deviates { vec!["callee.x"] } else { vec![] }, "{defined}: {message}");
        }
    }
}
