//! Signatures compared by what callers depend on: how many parameters, which of them may be left out, their types, the result. Pure.
//!
//! By the look of the text, like all of [`crate::source`]: what can't be read is taken for agreement, so that nobody is blamed for layout.

/// Lines that a signature may take.
const LINES: usize = 16;

/// A parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Param {
    /// Without white space and the names of packages; empty where none is said.
    kind: String,
    /// Whether a call may leave it out.
    optional: bool,
}

/// What callers depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    params: Vec<Param>,
    /// Empty where none is said.
    result: String,
    /// Whether "none is said" means that there is none.
    told: bool,
}

/// A place in a file that defines or declares a symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// From 1.
    pub(super) line: u32,
    pub(super) shape: Shape,
    /// The class, type or receiver around it, empty if there is none.
    pub(super) holder: String,
}

impl Shape {
    /// Whether a call written for one of them may not fit the other.
    pub(super) fn differs(&self, other: &Self) -> bool {
        let params = self.params.len() != other.params.len()
            || self.params.iter().zip(&other.params).any(|(one, two)| {
                one.optional != two.optional || !one.kind.is_empty() && !two.kind.is_empty() && one.kind != two.kind
            });
        let results = self.result != other.result
            && (self.told && other.told || !self.result.is_empty() && !other.result.is_empty());
        params || results
    }
}

/// Where a file defines `symbol` as something that is called. `agreed`: it is a contract, whose lines have no bodies and few keywords.
pub(super) fn find(path: &str, text: &str, symbol: &str, agreed: bool) -> Vec<Found> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let Some(at) = callable(line, symbol) else { continue };
        let head = joined(&lines[index..]);
        if !(defines(path, line, &head, at) || agreed && declares(line, at)) {
            continue;
        }
        let Some(shape) = shape(&head, at, symbol.len()) else { continue };
        let holder = holder(&lines, index, at);
        found.push(Found { line: u32::try_from(index + 1).unwrap_or(u32::MAX), shape, holder });
    }
    found
}

/// Where `symbol` stands before its parameters.
fn callable(line: &str, symbol: &str) -> Option<usize> {
    line.match_indices(symbol).map(|(at, _)| at).find(|at| {
        let rest = &line[at + symbol.len()..];
        let part = |c: char| c.is_alphanumeric() || c == '_';
        !line[..*at].chars().next_back().is_some_and(part)
            && (rest.starts_with('(') || rest.starts_with('<') && rest.contains(">("))
    })
}

fn defines(path: &str, line: &str, head: &str, at: usize) -> bool {
    let text = line.trim_start();
    if text.starts_with("//") || text.starts_with(['#', '*']) {
        return false;
    }
    let first = text.split_whitespace().next().unwrap_or("");
    if matches!(first, "func" | "fn" | "def" | "function" | "export" | "public" | "static" | "async" | "private")
        || first.starts_with("pub")
    {
        // `export const x = f(1)` calls it.
        return !line[..at].contains('=') && !line[..at].contains('(') || first == "func" || first.starts_with("pub(");
    }
    let before = line[..at].trim();
    let ending = |ends: &[&str]| ends.iter().any(|end| path.ends_with(end));
    // In C a result may be `const`; elsewhere that begins a value.
    let value = first == "const" && !ending(&[".h", ".hpp", ".hh", ".c", ".cc", ".cpp"]);
    let typed = !before.is_empty()
        && before.chars().all(|c| c.is_alphanumeric() || " _*<>[],&:".contains(c))
        && !value
        && !matches!(first, "return" | "new" | "else" | "await" | "let" | "var" | "throw" | "case" | "raise");
    let open = head.trim_end().ends_with('{');
    if ending(&[".h", ".hpp", ".hh"]) {
        return typed;
    }
    if ending(&[".c", ".cc", ".cpp", ".java"]) {
        return typed && (open || head.trim_end().ends_with(')') && !line.starts_with([' ', '\t']));
    }
    // A method of a class in JavaScript: its name, and an open body.
    let plain =
        before.is_empty() && !matches!(first.split('(').next(), Some("if" | "for" | "while" | "switch" | "catch"));
    let plain = plain && ending(&[".ts", ".tsx", ".js", ".mjs", ".jsx"]);
    !ending(&[".go", ".rs", ".py"]) && open && (plain || typed) && !head.contains("=>")
}

/// Whether a line of a contract says how `symbol` is called.
fn declares(line: &str, at: usize) -> bool {
    let before = line[..at].trim_end();
    !before.trim_start().starts_with("//") && !before.ends_with(['.', '=', ',']) && !before.ends_with("return")
}

/// A head over several lines as one.
fn joined(lines: &[&str]) -> String {
    let mut out = String::new();
    let mut depth = 0_i32;
    for line in lines.iter().take(LINES) {
        let line = line.split(" // ").next().unwrap_or(line);
        out.push_str(line);
        out.push(' ');
        depth += line.chars().map(|c| i32::from(c == '(') - i32::from(c == ')')).sum::<i32>();
        if depth <= 0 {
            break;
        }
    }
    out
}

fn shape(head: &str, at: usize, length: usize) -> Option<Shape> {
    let open = at + length + head.get(at + length..)?.find('(')?;
    let mut depth = 0_i32;
    let close = head[open..].char_indices().find_map(|(index, c)| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        (depth == 0).then_some(open + index)
    })?;
    let go = head.trim_start().starts_with("func");
    let params = params(&head[open + 1..close], go);
    let mut behind = head[close + 1..].trim();
    for cut in [" {", ": ...", " where ", "  #", " #", " //", " /*", ";"] {
        behind = behind.split(cut).next().unwrap_or(behind);
    }
    let behind = behind.trim_end_matches(['{', ';', ':', ' ']).trim();
    let behind = behind.trim_start_matches("->").trim_start_matches(':').trim_start_matches("const").trim();
    let before: Vec<&str> = head[..at].split_whitespace().filter(|word| !TASTE.contains(word)).collect();
    let before = before.concat();
    let before = if before.contains(['(', ')', ':']) { String::new() } else { before };
    let result = if behind.is_empty() || behind.starts_with('=') || behind.starts_with("throws") {
        normal(&before)
    } else {
        normal(behind)
    };
    let result =
        if matches!(result.as_str(), "None" | "void" | "()") && !behind.is_empty() { String::new() } else { result };
    Some(Shape { params, result, told: go || head.trim_start().starts_with("fn ") || head.contains("pub fn ") })
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
    "private",
    "protected",
    "override",
    "extern",
    "inline",
    "unsafe",
    "const fn",
    "class",
    "record",
    "abstract",
];

fn params(text: &str, go: bool) -> Vec<Param> {
    let mut out: Vec<Param> = Vec::new();
    let pieces: Vec<&str> = split(text);
    let last = pieces.len();
    let mut open = Vec::new();
    for (index, piece) in pieces.into_iter().enumerate() {
        let piece = piece.trim();
        let bare = piece.trim_start_matches(['&', ' ']).trim_start_matches("mut ").trim();
        if piece.is_empty()
            || piece == "void"
            || index == 0 && matches!(bare.split(':').next(), Some("self" | "cls" | "this"))
        {
            continue;
        }
        let (told, default) = match piece.split_once('=') {
            Some((told, _)) if !told.ends_with(['<', '>', '!']) => (told.trim(), true),
            _ => (piece, false),
        };
        let (kind, optional) = if let Some((name, kind)) = told.split_once(": ").or_else(|| told.split_once(':')) {
            (kind.trim(), name.trim_end().ends_with('?'))
        } else if go {
            match told.split_once(' ') {
                Some((_, kind)) => (kind.trim(), false),
                None => {
                    // `path, mode string`: the type follows.
                    open.push(out.len());
                    (if index + 1 == last { told } else { "" }, false)
                }
            }
        } else {
            // The name stands last, if there is one.
            let end = told.trim_end_matches(|c: char| c.is_alphanumeric() || c == '_').trim_end();
            (end, false)
        };
        let kind = normal(kind);
        if go && told.contains(' ') {
            for slot in open.drain(..) {
                if let Some(param) = out.get_mut(slot) {
                    param.kind.clone_from(&kind);
                }
            }
        }
        out.push(Param { kind, optional: optional || default });
    }
    out
}

/// At commas that stand in no bracket.
fn split(text: &str) -> Vec<&str> {
    let mut depth = 0_i32;
    let mut from = 0;
    let mut out = Vec::new();
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        match c {
            '(' | '[' | '{' | '<' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            '>' if !matches!(before, '-' | '=') => depth -= 1,
            ',' if depth <= 0 => {
                out.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
        before = c;
    }
    out.push(&text[from..]);
    out
}

/// A type without white space, quotes, lifetimes' and packages' names.
fn normal(kind: &str) -> String {
    let mut out = String::new();
    let mut word = String::new();
    let mut rest = kind.chars().filter(|c| !c.is_whitespace() && !matches!(c, '"' | '\'')).peekable();
    while let Some(c) = rest.next() {
        if c.is_alphanumeric() || c == '_' {
            word.push(c);
        } else if c == '.' && rest.peek() != Some(&'.') && !word.is_empty() {
            word.clear();
        } else if c == ':' && rest.peek() == Some(&':') {
            rest.next();
            word.clear();
        } else {
            out.push_str(&word);
            word.clear();
            out.push(c);
        }
    }
    out + &word
}

/// The class, type or receiver that a line's declaration belongs to.
fn holder(lines: &[&str], index: usize, at: usize) -> String {
    let line = lines[index];
    if let Some(receiver) = line.trim_start().strip_prefix("func (").and_then(|rest| rest.split_once(')')) {
        let name = receiver.0.rsplit([' ', '*']).next().unwrap_or_default();
        return name.split('[').next().unwrap_or(name).to_owned();
    }
    let indent = |line: &str| line.len() - line.trim_start().len();
    let own = indent(line);
    let opens = |line: &str| {
        let words: Vec<&str> =
            line.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|one| !one.is_empty()).collect();
        let key = words.iter().position(|word| {
            matches!(*word, "class" | "impl" | "trait" | "interface" | "struct" | "record" | "enum")
        })?;
        // `impl<T> Trait for Type`
        let named = words.iter().position(|word| *word == "for").filter(|at| *at > key).unwrap_or(key);
        words.get(named + 1).map(|word| (*word).to_owned())
    };
    // `class Report: def new(…)` in one line.
    if let Some(name) = opens(&line[..at]) {
        return name;
    }
    let above = lines[..index].iter().rev().filter(|above| !above.trim().is_empty() && indent(above) < own);
    above.into_iter().find_map(|above| opens(above)).filter(|_| own > 0).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn what_defines_a_name() {
        let table = [
            ("a.h", "const char *name(enum kind kind);", true),
            ("a.c", "const char *name(enum kind kind)\n{", true),
            ("a.c", "    return name(kind);", false),
            ("a.ts", "const one = name(kind);", false),
            ("a.go", "func name(kind Kind) string {", true),
            ("a.rs", "pub const fn name(kind: Kind) -> u8 {", true),
        ];
        for (path, text, defines) in table {
            assert_eq!(!find(path, text, "name", false).is_empty(), defines, "{path}: {text}");
        }
    }
}
