//! What a body is worth: a whole file, one that leaves something out, or a mere remark.

use std::sync::LazyLock;

use regex::Regex;

use crate::relpath::RelPath;

/// What a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// A whole file.
    Whole,
    /// It leaves something out.
    Elided,
    /// It says that nothing needs to change.
    NoChange,
}

/// A pattern of this file; one that doesn't compile matches nothing, and the tests would show it.
fn pattern(text: &str) -> Option<Regex> {
    Regex::new(text).ok()
}

static NO_CHANGE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(concat!(
        r"(?i)\bno (?:further |additional |other |code |more )*(?:changes?|modifications?|edits?|updates?|fix(?:es)?)",
        r"(?: (?:to|in|for) (?:this|the) file)?(?: (?:is|are|was|were))? ?(?:needed|required|necessary|here\b|made\b)",
        r"|^\W*no[ _-]?changes?\W*$|\bnothing (?:needs to|has to|to|must) (?:be )?changed?\b",
        r"|\b(?:does not|doesn't|do not|don't) (?:need|require) (?:any |further )*(?:changes?|modifications?|fixes)",
        r"|\b(?:file|code|it|everything) (?:is|was) already (?:correct|complete|in place|up to date|as required|fine)",
        r"|\bcan (?:stay|remain) (?:as (?:it|they) (?:is|are)|unchanged)",
    ))
});

static UNCHANGED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(concat!(
        r"(?i)^(?:this |the )?(?:file |code |content )?(?:is |remains? |stays? )?(?:exactly )?",
        r"(?:unchanged|the same|same as (?:before|above)|as before)$",
    ))
});

/// With dots: what is left out.
static DOTTED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(concat!(
        r"(?i)\brest of (?:the |your |this |my )?(?:\w+ )?",
        r"(?:code|file|function|class|method|implementation|module|program|component|content|logic|struct|tests?)\b",
        r"|\b(?:existing|previous|remaining|original|other|same|unchanged) ",
        r"(?:\w+ )?(?:code|content|methods?|functions?|handlers?|routes?|imports?|fields?|implementations?|logic|tests?|lines?|as before)\b",
        r"|\b(?:remains?|is|are|stays?|kept) (?:exactly )?(?:the same|unchanged|as before)\b",
        r"|^unchanged$|\bomitted\b|\bfor brevity\b|\bsame as (?:before|above)\b",
    ))
});

/// Without dots: the whole remark must say it.
static PLAIN: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(concat!(
        r"(?i)^(?:(?:the )?rest of (?:the |your |this )?(?:\w+ )?(?:code|file|function|class|method|implementation|module|content)",
        r"(?: (?:remains?|is|stays?|goes)(?: \w+)* ?(?:the same|unchanged|here|as before)?)?",
        r"|(?:the )?(?:existing|previous|remaining|original|other) (?:\w+ )?(?:code|content|methods?|functions?|handlers?|imports?|implementation|logic)",
        r"(?: (?:here|unchanged|omitted|as before|stays?|(?:remains?|is|are)(?: exactly)?(?: the)? (?:same|unchanged|here|as before)))?",
        r"|unchanged|same as (?:before|above)|(?:code|content|implementation) (?:unchanged|omitted)(?: for brevity)?)$",
    ))
});

fn hits(pattern: &Option<Regex>, text: &str) -> bool {
    pattern.as_ref().is_some_and(|pattern| pattern.is_match(text))
}

/// Whether the prose says that nothing needs to change.
pub(super) fn says_no_change(prose: &str) -> bool {
    prose.lines().any(|line| hits(&NO_CHANGE, line))
}

/// Files whose text is for people: a remark in it may be meant.
pub(super) fn is_text(extension: &str) -> bool {
    matches!(extension, "md" | "mdx" | "markdown" | "txt" | "rst" | "adoc" | "html" | "diff" | "patch" | "csv" | "tmpl")
}

/// Languages in which an empty file is a mistake.
fn needs_body(path: &RelPath) -> bool {
    let code = matches!(
        path.extension(),
        "go" | "mod"
            | "rs"
            | "c"
            | "cc"
            | "cpp"
            | "java"
            | "kt"
            | "ts"
            | "tsx"
            | "js"
            | "jsx"
            | "json"
            | "py"
            | "html"
            | "toml"
            | "xml"
    );
    code && !matches!(path.file_name(), "__init__.py" | "conftest.py" | "Cargo.toml.orig")
}

/// The text of a line that is a comment and nothing else.
fn comment(line: &str) -> Option<&str> {
    let line = line.trim();
    let line = line.strip_prefix('{').and_then(|line| line.strip_suffix('}')).map_or(line, str::trim);
    for (open, close) in [("<!--", "-->"), ("/*", "*/"), ("//", ""), ("#", ""), ("--", ""), (";", ""), ("%", "")] {
        if let Some(rest) = line.strip_prefix(open) {
            let rest = rest.trim().trim_start_matches(['/', '#', '*', '!']);
            return Some(rest.strip_suffix(close).unwrap_or(rest).trim());
        }
    }
    None
}

fn elided(path: &RelPath, lines: &[&str]) -> bool {
    let text = is_text(path.extension());
    let dots = |text: &str| text.contains("...") || text.contains('…');
    lines.iter().enumerate().any(|(number, line)| {
        let line = line.trim();
        let bracketed = line
            .strip_prefix('[')
            .and_then(|line| line.strip_suffix(']'))
            .or_else(|| line.strip_prefix('(').and_then(|line| line.strip_suffix(')')));
        if let Some(inner) = bracketed {
            let words = inner.trim_matches(|c: char| c == '.' || c == '…' || c.is_whitespace());
            if words.contains(' ')
                && !words.contains(['"', '\'', '='])
                && (hits(&PLAIN, words) || dots(inner) && hits(&DOTTED, words))
            {
                return true;
            }
        }
        if text {
            return false;
        }
        // In Python a lone `...` is a body, in YAML the end of a document.
        if matches!(line, "..." | "…") {
            return matches!(
                path.extension(),
                "go" | "rs" | "ts" | "tsx" | "js" | "jsx" | "c" | "cc" | "cpp" | "h" | "java" | "json"
            );
        }
        let Some(remark) = comment(line) else {
            return false;
        };
        let words = remark.trim_matches(|c: char| !c.is_alphanumeric());
        if words.is_empty() {
            let beside = |other: Option<&&str>| {
                other.is_some_and(|line| comment(line).is_some() || line.trim_start().starts_with('*'))
            };
            let above = number.checked_sub(1).and_then(|above| lines.get(above));
            return matches!(remark, "..." | "…") && !beside(above) && !beside(lines.get(number + 1));
        }
        // A remark about what is left out stands at an end of its line's dots, not in the middle of a sentence about something else.
        let framed = remark.trim_start_matches(['(', '[']).starts_with(['.', '…'])
            || remark.trim_end_matches([')', ']']).ends_with("...")
            || remark.ends_with('…');
        hits(&PLAIN, words) || dots(remark) && framed && hits(&DOTTED, words)
    })
}

/// What a body is that was given for a path.
pub(super) fn judge(path: &RelPath, body: &str) -> Body {
    let lines: Vec<&str> = body.lines().collect();
    let full: Vec<&str> = lines.iter().copied().filter(|line| !line.trim().is_empty()).collect();
    if full.is_empty() {
        return if needs_body(path) { Body::Elided } else { Body::Whole };
    }
    if full.len() <= 3 {
        let words: Vec<String> = full
            .iter()
            .map(|line| comment(line).unwrap_or(line).trim_matches(|c: char| !c.is_alphanumeric()).to_owned())
            .collect();
        let remark = |words: &String| hits(&NO_CHANGE, words) || hits(&UNCHANGED, words);
        let only = full.iter().all(|line| comment(line).is_some()) || full.len() == 1;
        if only && words.iter().any(remark) {
            return Body::NoChange;
        }
    }
    // What stands at the head of a change wasn't read as one: it can't be written as it is.
    let patch = matches!(path.extension(), "diff" | "patch");
    let search = full.iter().any(|line| line.starts_with("<<<<<<< SEARCH") || line.starts_with("<<<<<<< ORIGINAL"));
    if !patch && !is_text(path.extension()) && search || elided(path, &lines) {
        return Body::Elided;
    }
    Body::Whole
}

/// Whether a change puts a remark in place of code that it leaves out.
pub(super) fn elides(path: &RelPath, search: &str, replace: &str) -> bool {
    let old: Vec<&str> = search.lines().collect();
    let added: Vec<&str> = replace.lines().filter(|line| !old.contains(line)).collect();
    elided(path, &added)
}
