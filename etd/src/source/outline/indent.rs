//! Python, and languages whose bodies are indented between words.

use super::{HEAD_LINES, Item, Language, joined};

struct Open {
    indent: usize,
    item: usize,
    /// What stands in it is shown.
    is_type: bool,
}

pub(super) fn items(language: Language, source: &[&str], masked: &[String]) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    let mut last = 0;
    let mut at = 0;
    while at < masked.len() {
        let code = masked[at].trim();
        if code.is_empty() {
            at += 1;
            continue;
        }
        let indent = masked[at].len() - masked[at].trim_start().len();
        let closer = language == Language::Words && matches!(code, "end" | "}" | "fi" | "done");
        while let Some(top) = open.last()
            && indent <= top.indent
        {
            items[top.item].end = if closer && indent == top.indent { at } else { last };
            open.pop();
        }
        let hidden = open.iter().any(|open| !open.is_type);
        let kind = if hidden { None } else { kind(language, code, !open.is_empty()) };
        let end = end_of_head(masked, at);
        if let Some(kind) = kind {
            let depth = open.len();
            let column = match kind {
                Kind::Value => masked[at].find(" = ").filter(|_| source[at].len() > 80).unwrap_or(usize::MAX),
                _ => usize::MAX,
            };
            let to = if kind == Kind::Value { at } else { end };
            let head = joined(source, masked, at, to, column);
            let head = head.trim_end().trim_end_matches([':', '{']).trim_end().to_owned();
            items.push(Item { start: at, end, depth, head });
            if matches!(kind, Kind::Function | Kind::Type) {
                open.push(Open { indent, item: items.len() - 1, is_type: kind == Kind::Type });
            }
        }
        last = end;
        at = end + 1;
    }
    for open in open {
        items[open.item].end = last;
    }
    // A decorator is part of what it decorates.
    for index in (1..items.len()).rev() {
        if items[index - 1].head.starts_with('@') && items[index - 1].end + 1 == items[index].start {
            items[index - 1].end = items[index].end;
        }
    }
    items
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Function,
    Type,
    /// A constant, or a field of a type.
    Value,
    Decorator,
}

fn kind(language: Language, code: &str, inside: bool) -> Option<Kind> {
    let mut words = code.split(|c: char| c.is_whitespace() || c == '(' || c == ':');
    let mut word = words.next()?;
    if language == Language::Python {
        if word == "async" {
            word = words.next()?;
        }
        return match word {
            "def" => Some(Kind::Function),
            "class" => Some(Kind::Type),
            _ if word.starts_with('@') => Some(Kind::Decorator),
            _ => value(code, inside),
        };
    }
    while matches!(word, "export" | "public" | "private" | "protected" | "local" | "static" | "pub" | "async") {
        word = words.next()?;
    }
    match word {
        "def" | "defp" | "defmacro" | "function" | "func" | "fn" | "fun" | "sub" | "proc" => Some(Kind::Function),
        "class" | "module" | "defmodule" | "interface" | "struct" | "trait" | "type" | "enum"
            if code.split_whitespace().count() < 8 =>
        {
            Some(Kind::Type)
        }
        // A function of a shell.
        _ => (code.ends_with("() {") && !code.contains('=')).then_some(Kind::Function),
    }
}

/// `name: type`, `name: type = …`, `NAME = …`.
fn value(code: &str, inside: bool) -> Option<Kind> {
    let name = code.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(code.len());
    let rest = code[name..].trim_start();
    let constant = code[..name].chars().any(char::is_uppercase) && !code[..name].chars().any(char::is_lowercase);
    let annotated = rest.starts_with(':') && rest.len() > 1 && !code.ends_with(':');
    let assigned = rest.starts_with('=') && !rest.starts_with("==");
    let keyword = matches!(&code[..name], "else" | "try" | "finally" | "except" | "lambda" | "return");
    (name > 0 && !keyword && (annotated || assigned && (constant || inside))).then_some(Kind::Value)
}

/// The line on which the brackets that open here are closed.
fn end_of_head(masked: &[String], at: usize) -> usize {
    let mut depth = 0_i32;
    // What a bracket that is never closed may swallow.
    let reach = HEAD_LINES * 8;
    for (offset, line) in masked[at..].iter().take(reach).enumerate() {
        for byte in line.bytes() {
            match byte {
                b'(' | b'[' | b'{' => depth += 1,
                b')' | b']' | b'}' => depth -= 1,
                _ => {}
            }
        }
        let block = offset == 0 && line.trim_end().ends_with('{');
        if depth <= 0 && !line.trim_end().ends_with('\\') || block {
            return at + offset;
        }
    }
    at
}
