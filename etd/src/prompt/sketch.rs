//! A file in part: the lines that matter as they are, of the rest its declarations. Pure.
//!
//! Promises: shown lines are byte for byte those of the file; every gap says which lines are left out; what is left out of an outline is
//! only ever missing, never invented.

use crate::source::outline::{OutlineLine, outline};
use crate::source::words;

/// Lines of an enclosing function or type that are shown whole; of a longer one those near the place.
const BLOCK: usize = 60;
/// Lines that are shown behind it: an empty one, and the next declaration's first.
const AFTER: usize = 2;
/// Lines on each side of a place in something longer, or in nothing.
const NEAR: usize = 12;
/// Lines on each side of a place in a file that is only read.
const GLANCE: usize = 3;
/// Lines of a type that a diagnostic mentions.
const TYPE: usize = 25;
/// Lines of the head: package clause and imports.
const HEAD: usize = 40;
/// Declarations of the rest that are listed.
const LISTED: usize = 30;
/// Longest line of a list, in bytes.
const LONG: usize = 120;

/// What a prompt wants of a file.
pub(super) struct Wish<'a> {
    /// Lines that matter, from 1.
    pub(super) places: &'a [u32],
    /// Lines whose function matters as a whole, though it isn't to be changed.
    pub(super) bodies: &'a [u32],
    /// Words that diagnostics say: what declares them matters.
    pub(super) names: &'a [&'a str],
    /// Whether it may be changed: then the functions around the places are shown, and the imports.
    pub(super) own: bool,
}

/// A file in part; none if hardly anything would be left out.
pub(super) fn part(path: &str, text: &str, wish: &Wish<'_>) -> Option<String> {
    let lines: Vec<&str> = text.lines().collect();
    let declared = outline(path, text);
    let mut keep = vec![false; lines.len()];
    let mut mark = |from: usize, to: usize| {
        for slot in keep.iter_mut().take(to).skip(from) {
            *slot = true;
        }
    };
    if wish.own {
        mark(0, head(&lines));
    }
    for place in wish.places {
        let at = (*place as usize).saturating_sub(1).min(lines.len().saturating_sub(1));
        if wish.own {
            let (from, to) = around(&lines, &declared, at);
            mark(from, to);
            mark(at.saturating_sub(2), at + 3);
        } else {
            mark(at.saturating_sub(GLANCE), at + GLANCE + 1);
        }
    }
    for place in wish.bodies {
        let at = (*place as usize).saturating_sub(1).min(lines.len().saturating_sub(1));
        let (from, to) = around(&lines, &declared, at);
        mark(from, to);
    }
    for one in declared.iter().filter(|one| declares(&one.text, wish.names)) {
        let (line, end) = (one.line as usize - 1, one.end as usize);
        let length = end.saturating_sub(line);
        if is_type(&one.text) || wish.own && length <= BLOCK {
            mark(above(&lines, line), end.min(line + if wish.own { BLOCK } else { TYPE }));
        } else {
            mark(line, signature_end(&lines, line));
        }
    }
    // A gap of a line or two costs as much as what says so.
    let mut gap = 0;
    for at in 0..keep.len() {
        if !keep[at] {
            gap += 1;
        } else {
            if gap > 0 && gap < 3 {
                keep[at - gap..at].fill(true);
            }
            gap = 0;
        }
    }
    let shown = render(&lines, &keep, &declared);
    (shown.len() * 10 < text.len() * 8).then_some(shown)
}

/// The lines that are kept, and for each gap its numbers and what it declares.
fn render(lines: &[&str], keep: &[bool], declared: &[OutlineLine]) -> String {
    let mut out = String::new();
    let mut listed = 0;
    let mut at = 0;
    while at < lines.len() {
        let end = (at..lines.len()).find(|index| keep[*index] != keep[at]).unwrap_or(lines.len());
        if keep[at] {
            for line in &lines[at..end] {
                out.push_str(line);
                out.push('\n');
            }
        } else {
            out.push_str(&format!("[… lines {}-{end} of {} left out …]\n", at + 1, lines.len()));
            for one in declared.iter().filter(|one| (at..end).contains(&(one.line as usize - 1))) {
                listed += 1;
                if listed <= LISTED {
                    let text = one.text.trim_end_matches(['{', ' ']);
                    let text = &text[..text.floor_char_boundary(LONG)];
                    out.push_str(&format!("{:>5}| {text}\n", one.line));
                }
            }
        }
        at = end;
    }
    if listed > LISTED {
        out.push_str(&format!("[… {} more declarations left out …]\n", listed - LISTED));
    }
    out
}

/// Words of a text that may be names of something declared.
pub(super) fn identifiers(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    words.filter(|word| {
        word.len() > 1
            && !word.starts_with(|c: char| c.is_ascii_digit())
            && !FIRST.contains(word)
            && !FLOW.contains(word)
            && !BUILT_IN.contains(word)
    })
}

/// Whether a text declares one of these names.
pub(super) fn declares_any(path: &str, text: &str, names: &[&str]) -> bool {
    outline(path, text).iter().any(|one| declares(&one.text, names))
}

/// Whether a text declares anything at all: a manifest doesn't.
pub(super) fn declares_anything(path: &str, text: &str) -> bool {
    !outline(path, text).is_empty()
}

/// Whether a line declares one of these names, as far as its words before any body or parameter tell.
fn declares(line: &str, names: &[&str]) -> bool {
    // A receiver stands before the name.
    let line = line.trim_start();
    let line = line.strip_prefix("func (").and_then(|rest| rest.split_once(')')).map_or(line, |(_, rest)| rest);
    let until = line.find(['(', '=', '{', '<']).unwrap_or(line.len());
    names.iter().any(|name| words::has(&line[..until], name, words::in_name, words::in_name))
}

const FIRST: &[&str] = &[
    "func",
    "fn",
    "pub",
    "def",
    "class",
    "struct",
    "type",
    "interface",
    "enum",
    "trait",
    "impl",
    "export",
    "union",
    "public",
    "private",
    "protected",
    "abstract",
    "final",
    "static",
    "async",
    "function",
    "mod",
    "module",
    "typedef",
    "macro_rules!",
    "#define",
    "namespace",
    "template",
    "record",
    "extern",
    "inline",
    "object",
    "const",
    "var",
    "let",
];
const FLOW: &[&str] = &[
    "if", "for", "while", "switch", "catch", "return", "else", "do", "match", "case", "new", "throw", "await", "yield",
    "assert", "try", "with", "elif", "except", "del", "raise", "print", "super", "defer", "go", "select", "unsafe",
    "loop",
];

const BUILT_IN: &[&str] = &[
    "int",
    "string",
    "bool",
    "boolean",
    "char",
    "void",
    "float",
    "double",
    "long",
    "short",
    "unsigned",
    "signed",
    "size_t",
    "number",
    "any",
    "unknown",
    "never",
    "self",
    "this",
    "str",
    "None",
    "null",
    "nil",
    "true",
    "false",
    "True",
    "False",
    "String",
    "Self",
    "usize",
    "u8",
    "u16",
    "u32",
    "u64",
    "i8",
    "i16",
    "i32",
    "i64",
    "f32",
    "f64",
    "error",
    "the",
    "of",
    "to",
    "in",
    "is",
    "not",
    "no",
    "a",
    "and",
    "or",
    "has",
    "default",
    "implements",
    "extends",
];

fn is_type(line: &str) -> bool {
    ["struct", "class", "interface", "enum", "type", "trait", "record", "union", "typedef"]
        .iter()
        .any(|word| words::has(line, word, words::in_name, words::in_name))
}

/// The first of the attributes above a declaration.
fn above(lines: &[&str], at: usize) -> usize {
    let attribute = |line: &str| line.trim_start().starts_with(['@']) || line.trim_start().starts_with("#[");
    let mut first = at;
    while first > 0 && attribute(lines[first - 1]) {
        first -= 1;
    }
    first
}

/// The line behind a declaration's signature.
fn signature_end(lines: &[&str], at: usize) -> usize {
    let end = |line: &str| line.trim_end().ends_with(['{', ';', ':', '}', ')']);
    (at..lines.len().min(at + 8)).find(|index| end(lines[*index])).map_or(at + 1, |index| index + 1)
}

/// The function or type around a line; of one that is too long the lines near it.
fn around(lines: &[&str], declared: &[OutlineLine], at: usize) -> (usize, usize) {
    let range = |one: &OutlineLine| (one.line as usize - 1, one.end as usize);
    let holds = |(from, to): &(usize, usize)| (*from..*to).contains(&at) && to - from > 1;
    match declared.iter().map(range).filter(holds).min_by_key(|(from, to)| to - from) {
        // With the start of what follows, so that it can be taken out between its neighbours.
        Some((from, to)) if to - from <= BLOCK => (above(lines, from), (to + AFTER).min(lines.len())),
        _ => (at.saturating_sub(NEAR), (at + NEAR + 1).min(lines.len())),
    }
}

/// How many lines from the start hold the package clause and the imports.
fn head(lines: &[&str]) -> usize {
    const WORDS: &[&str] = &["package", "import", "use", "from", "#include", "require", "extern", "mod", "pub"];
    let mut end = 0;
    let mut open = false;
    for (at, line) in lines.iter().enumerate().take(HEAD) {
        let text = line.trim();
        let word = text.split(|c: char| c.is_whitespace() || c == '(').next().unwrap_or("");
        let imports = WORDS.contains(&word) && (word != "pub" || text.contains(" mod ") || text.contains(" use "))
            || text.contains("require(");
        if imports {
            open = text.ends_with(['(', '{']) && !text.contains([')', '}']);
        }
        if imports || open {
            end = at + 1;
        }
        if open && text.starts_with([')', '}']) {
            open = false;
        }
    }
    end
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]
    use super::*;

    fn functions(count: usize) -> String {
        let one = |n| format!("func F{n}(a int) int {{\n\tx := a\n\ty := x\n\tz := y\n\treturn z + {n}\n}}\n\n");
        let types = "type Box struct {\n\tW int\n\tH int\n}\n\n";
        format!("package a\n\nimport (\n\t\"fmt\"\n)\n\n{types}{}", (1..=count).map(one).collect::<String>())
    }

    #[test]
    fn a_place_brings_its_function_the_imports_and_an_outline() {
        let text = functions(40);
        // Line 16 stands in F1, whose first line is 12.
        let at = text.lines().position(|line| line.starts_with("func F20(")).unwrap() as u32 + 3;
        let shown = part("a.go", &text, &Wish { places: &[at], bodies: &[], names: &[], own: true }).unwrap();
        assert!(shown.starts_with("package a\n\nimport (\n\t\"fmt\"\n)\n[… lines 6-"), "{shown}");
        assert!(
            shown.contains(
                "\nfunc F20(a int) int {\n\tx := a\n\ty := x\n\tz := y\n\treturn z + 20\n}\n\nfunc F21(a int) int {\n[…"
            ),
            "{shown}"
        );
        assert!(shown.contains("| func F22(a int) int\n"), "{shown}");
        assert!(!shown.contains("return z + 21"), "{shown}");
        assert!(shown.len() * 5 < text.len() * 3);
    }

    #[test]
    fn the_other_side_is_its_declarations_and_what_is_named() {
        let text = functions(30);
        let shown = part("a.go", &text, &Wish { places: &[], bodies: &[], names: &["Box", "F7"], own: false }).unwrap();
        assert!(shown.contains("\ntype Box struct {\n\tW int\n\tH int\n}\n"), "{shown}");
        assert!(shown.contains("\nfunc F7(a int) int {\n[…"), "{shown}");
        assert!(shown.contains("| func F8("), "{shown}");
        assert!(!shown.contains("return z + 7"), "{shown}");
    }

    #[test]
    fn what_is_mostly_shown_is_shown_whole() {
        assert!(part("a.go", "a\nb\nc\n", &Wish { places: &[2], bodies: &[], names: &[], own: true }).is_none());
    }

    #[test]
    fn shown_lines_are_those_of_the_file_and_gaps_are_counted() {
        let text = functions(50);
        for at in [1_u32, 17, 99, 200, 9999] {
            let shown = part("a.go", &text, &Wish { places: &[at], bodies: &[], names: &["F3"], own: true }).unwrap();
            let lines: Vec<&str> = text.lines().collect();
            let mut next = 0;
            for line in shown.lines() {
                if let Some(gap) = line.strip_prefix("[… lines ") {
                    let (from, rest) = gap.split_once('-').unwrap();
                    assert_eq!(from.parse::<usize>().unwrap(), next + 1);
                    next = rest.split_once(' ').unwrap().0.parse().unwrap();
                } else if !line.contains("| ") && !line.starts_with("[…") {
                    assert_eq!(line, lines[next]);
                    next += 1;
                }
            }
            assert_eq!(next, lines.len());
        }
    }
}
