//! Languages whose bodies stand in braces.

use super::{HEAD_LINES, Item, Language, joined};

/// What the lines between two brackets are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    /// Like the top: what begins with the word of a declaration.
    Items,
    /// Members of a type: every line is one.
    Members,
    /// Code.
    Body,
}

struct Open {
    scope: Scope,
    item: Option<usize>,
    /// The line isn't indented.
    outer: bool,
}

/// Where a declaration's head ends.
struct Head {
    line: usize,
    column: usize,
    /// A brace stands there.
    opens: bool,
}

struct Reader<'a> {
    language: Language,
    masked: &'a [String],
    items: Vec<Item>,
    open: Vec<Open>,
}

pub(super) fn items(language: Language, source: &[&str], masked: &[String]) -> Vec<Item> {
    let mut reader = Reader { language, masked, items: Vec::new(), open: Vec::new() };
    let mut at = 0;
    while at < masked.len() {
        at = reader.line(source, at);
    }
    let last = masked.len().saturating_sub(1);
    for open in std::mem::take(&mut reader.open) {
        if let Some(item) = open.item {
            reader.items[item].end = last;
        }
    }
    reader.items
}

impl Reader<'_> {
    /// Reads from a line on and returns the next one to read.
    fn line(&mut self, source: &[&str], at: usize) -> usize {
        let code = self.masked[at].as_str();
        let trimmed = code.trim();
        if code.starts_with('}') && matches!(trimmed, "}" | "};" | "});" | "})") {
            // Whatever was misread inside, here ends what began at the margin.
            while let Some(open) = self.open.pop() {
                let outer = open.outer;
                self.close(open, at);
                if outer {
                    break;
                }
            }
            self.brackets(at, 1);
            return at + 1;
        }
        let scope = self.open.last().map_or(Scope::Items, |open| open.scope);
        if scope == Scope::Body || trimmed.is_empty() || trimmed.starts_with(['}', ')', ']', '{']) {
            self.brackets(at, 0);
            return at + 1;
        }
        if self.language == Language::Go && matches!(trimmed, "type (" | "const (" | "var (") {
            self.open.push(Open { scope: Scope::Members, item: None, outer: true });
            return at + 1;
        }
        if self.language == Language::C && trimmed.starts_with('#') {
            return self.directive(source, at);
        }
        if self.language == Language::C && trimmed.ends_with(':') && !trimmed.contains([' ', '(']) {
            return at + 1;
        }
        if is_attribute(self.language, trimmed) {
            if trimmed.starts_with('@') && trimmed.contains(['"', '\'']) {
                let head = joined(source, self.masked, at, at, usize::MAX);
                self.items.push(Item { start: at, end: at, depth: self.depth(), head });
            }
            self.brackets(at, 0);
            return at + 1;
        }
        let head = self.head(at, scope);
        let bare = joined(self.masked, self.masked, at, head.line, head.column);
        let Some(inner) = declared(self.language, scope, &bare, head.opens) else {
            self.brackets(at, 0);
            return at + 1;
        };
        let text = joined(source, self.masked, at, head.line, head.column);
        let text = text.trim().trim_end_matches([';', ',', '=']).trim_end().to_owned();
        self.items.push(Item { start: at, end: head.line, depth: self.depth(), head: text });
        if head.opens {
            let outer = !code.starts_with(char::is_whitespace);
            self.open.push(Open { scope: inner, item: Some(self.items.len() - 1), outer });
            self.brackets(head.line, head.column + 1);
        } else {
            (at..=head.line).for_each(|line| self.brackets(line, 0));
        }
        head.line + 1
    }

    fn depth(&self) -> usize {
        self.open.iter().filter(|open| open.item.is_some()).count()
    }

    /// A line of the C preprocessor, which is no code. A definition without a value guards a header and isn't shown.
    fn directive(&mut self, source: &[&str], at: usize) -> usize {
        let head = joined(source, self.masked, at, at, usize::MAX);
        let mut words = head[1..].split_whitespace();
        if words.next() == Some("define") && words.count() > 1 {
            let head = head.trim_end_matches('\\').trim_end().to_owned();
            self.items.push(Item { start: at, end: at, depth: self.depth(), head });
        }
        let goes_on = |line: &&String| line.trim_end().ends_with('\\');
        at + 1 + self.masked[at..].iter().take_while(goes_on).count()
    }

    /// Opens and closes what the line's brackets do from a column on.
    fn brackets(&mut self, at: usize, column: usize) {
        let outer = !self.masked[at].starts_with(char::is_whitespace);
        let code: &[u8] = self.masked[at].as_bytes();
        for byte in code.get(column..).unwrap_or_default() {
            match byte {
                b'{' | b'(' | b'[' => self.open.push(Open { scope: Scope::Body, item: None, outer }),
                b'}' | b')' | b']' => {
                    if let Some(open) = self.open.pop() {
                        self.close(open, at);
                    }
                }
                _ => {}
            }
        }
    }

    fn close(&mut self, open: Open, at: usize) {
        if let Some(item) = open.item {
            self.items[item].end = at;
        }
    }

    /// Whether the `{}` at a place is part of a type: more of the head follows, or Go's words stand before it.
    fn is_type(&self, code: &[u8], place: usize) -> bool {
        let (before, after) = code.split_at(place);
        let after = String::from_utf8_lossy(&after[2..]);
        let after = after.trim();
        let word = self.language == Language::Go && (before.ends_with(b"struct") || before.ends_with(b"interface"));
        word || !after.is_empty() && !after.starts_with([';', '}', ')'])
    }

    /// Where the head of what begins on this line ends.
    fn head(&self, from: usize, scope: Scope) -> Head {
        let mut depth = 0_usize;
        let mut value = false;
        let by_line = matches!(self.language, Language::Go | Language::Js | Language::Braces);
        let mut column = 0;
        let mut line = from;
        for at in from..self.masked.len().min(from + HEAD_LINES) {
            let code = self.masked[at].as_bytes();
            (line, column) = (at, code.len());
            let mut place = 0;
            while place < code.len() {
                match code[place] {
                    b'(' | b'[' => depth += 1,
                    b')' | b']' => depth = depth.saturating_sub(1),
                    // `interface{}`, `struct{}`, `{}` as a type.
                    b'{' if code.get(place + 1) == Some(&b'}') && depth == 0 && self.is_type(code, place) => place += 1,
                    b'{' if depth == 0 => return Head { line: at, column: place, opens: true },
                    b'{' => depth += 1,
                    b'}' if depth > 0 => depth -= 1,
                    b'}' => return Head { line: at, column: place, opens: false },
                    b';' if depth == 0 => return Head { line: at, column: place + 1, opens: false },
                    b'=' if depth == 0 && is_value(code, place) => value = true,
                    _ => {}
                }
                place += 1;
            }
            let end = self.masked[at].trim_end();
            if depth > 0 && !value {
                continue;
            }
            if value {
                break;
            }
            if by_line {
                if self.masked.get(at + 1).is_some_and(|next| next.trim() == "{") {
                    continue;
                }
                if !end.ends_with(['=', '|', '&', '<']) && (scope == Scope::Members || !end.ends_with(',')) {
                    break;
                }
            } else if scope == Scope::Members && end.ends_with(',') {
                break;
            }
        }
        Head { line, column, opens: false }
    }
}

/// Whether this `=` stands before a value, which isn't part of a head; a function is.
fn is_value(code: &[u8], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|at| code.get(at));
    let after = code.get(at + 1);
    if matches!(after, Some(b'=' | b'>')) || matches!(before, Some(b'=' | b'<' | b'>' | b'!')) {
        return false;
    }
    let rest = String::from_utf8_lossy(code.get(at + 1..).unwrap_or_default());
    let rest = rest.trim_start();
    !rest.is_empty()
        && !["(", "async", "function", "<", "{", "class", "struct"].iter().any(|start| rest.starts_with(start))
}

/// What stands inside of a declaration with this head; none: it is no declaration.
fn declared(language: Language, scope: Scope, head: &str, opens: bool) -> Option<Scope> {
    let head = head.trim();
    let word = |wanted: &[&str]| {
        let before = head.split(['(', '=', '{']).next().unwrap_or_default();
        before.split_whitespace().any(|word| wanted.contains(&word))
    };
    let first = head.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
    match (language, scope) {
        (Language::Go, scope) => {
            let is_type = opens && (head.ends_with("struct") || head.ends_with("interface"));
            let known = scope == Scope::Members || matches!(first, "func" | "type" | "const" | "var");
            known.then_some(if is_type && first != "func" { Scope::Members } else { Scope::Body })
        }
        (Language::Rust, Scope::Members) => Some(Scope::Body),
        (Language::Rust, _) => rust(head),
        (Language::Js, Scope::Members) => Some(Scope::Body),
        (Language::Js, _) => js(head, opens),
        (Language::Java | Language::Braces, scope) => {
            if word(&["namespace", "module", "package"]) {
                return opens.then_some(Scope::Items);
            }
            let types = [
                "class",
                "interface",
                "enum",
                "record",
                "@interface",
                "struct",
                "protocol",
                "trait",
                "extension",
                "message",
                "service",
                "actor",
            ];
            let object = first == "object" || head.contains(" object") && !head.contains('(');
            if (word(&types) || object) && opens {
                return Some(Scope::Members);
            }
            let functions = ["fun", "func", "function", "fn", "def", "init", "rpc", "typealias", "const"];
            let member = scope == Scope::Members && !matches!(head, "static" | "init");
            (member || word(&functions) || word(&types)).then_some(Scope::Body)
        }
        (Language::C, scope) => c(head, scope, opens, &word),
        (Language::Sql, _) => {
            let first = first.to_ascii_lowercase();
            matches!(first.as_str(), "create" | "alter").then_some(Scope::Body)
        }
        _ => None,
    }
}

/// Whether a line is an attribute or annotation and nothing else. One over several lines is as well: what follows stands in its brackets.
fn is_attribute(language: Language, line: &str) -> bool {
    match language {
        Language::Rust => line.starts_with('#') && line.ends_with([']', '[', '(', ',']),
        Language::Java | Language::Js | Language::Braces
            if line.starts_with('@') && !line.starts_with("@interface") =>
        {
            let name = line[1..].find(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '.'));
            let Some(rest) = name.map(|at| &line[1 + at..]) else { return true };
            let mut depth = 0_i32;
            for (at, c) in rest.char_indices() {
                match c {
                    '(' | '{' | '[' => depth += 1,
                    ')' | '}' | ']' => depth -= 1,
                    _ => {}
                }
                if depth <= 0 {
                    return rest[at + c.len_utf8()..].trim().is_empty() && c == ')';
                }
            }
            true
        }
        // C#
        Language::Braces => line.starts_with('[') && line.ends_with(']'),
        _ => false,
    }
}

fn rust(head: &str) -> Option<Scope> {
    let mut public = false;
    for word in head.split(|c: char| c.is_whitespace() || c == '(' || c == '<' || c == '!') {
        match word {
            "pub" => public = true,
            "" | "crate)" | "super)" | "in" | "default" | "async" | "unsafe" | "extern" | "\"C\"" => {}
            "const" => {}
            "fn" | "type" | "static" => return Some(Scope::Body),
            "macro_rules" => return Some(Scope::Body),
            "struct" | "enum" | "union" => return Some(Scope::Members),
            "trait" | "impl" => return Some(Scope::Items),
            "mod" => {
                let tests = head.contains("mod tests");
                return Some(if tests { Scope::Body } else { Scope::Items });
            }
            "use" => return public.then_some(Scope::Body),
            _ if word.starts_with('"') || word.ends_with(')') => {}
            _ => return head.contains("const ").then_some(Scope::Body).filter(|_| head.contains(':')),
        }
    }
    None
}

fn js(head: &str, opens: bool) -> Option<Scope> {
    let mut exported = false;
    for word in head.split(|c: char| c.is_whitespace() || c == '(' || c == '<' || c == '*' || c == '{') {
        match word {
            "export" => exported = true,
            "" | "declare" | "async" | "abstract" => {}
            "default" => {}
            "function" => return Some(Scope::Body),
            "class" | "interface" | "enum" => return Some(Scope::Members),
            "type" => return Some(if opens && head.trim_end().ends_with('=') { Scope::Members } else { Scope::Body }),
            "namespace" | "module" | "global" if opens => return Some(Scope::Items),
            "const" | "let" | "var" => {
                let function = head.contains("=>") || head.contains("function");
                return (exported || function).then_some(Scope::Body);
            }
            _ if word.starts_with("module.exports") || word.starts_with("exports.") => return Some(Scope::Body),
            _ if word.starts_with('@') => return head.contains("('").then_some(Scope::Body),
            _ => return exported.then_some(Scope::Body),
        }
    }
    (exported && head != "export").then_some(Scope::Body)
}

fn c(head: &str, scope: Scope, opens: bool, word: &dyn Fn(&[&str]) -> bool) -> Option<Scope> {
    if opens && (word(&["namespace"]) || head.starts_with("extern")) && !head.contains('(') {
        return Some(Scope::Items);
    }
    let ends_type = !head.ends_with(')') && !head.ends_with("const") && !head.contains('=');
    if opens && word(&["struct", "class", "union", "enum"]) && ends_type {
        return Some(Scope::Members);
    }
    let known = scope == Scope::Members
        || opens
        || head.contains('(')
        || word(&["typedef", "extern", "using", "const", "static", "struct", "class", "enum"]);
    (known && head.starts_with(|c: char| c.is_alphabetic() || matches!(c, '_' | '~' | '@' | '-' | '+')))
        .then_some(Scope::Body)
}
