//! What a request wants, as a reader of its words understands it.

use std::sync::LazyLock;

use regex::Regex;

use super::project::Project;
use crate::model::{Asked, Kind};

macro_rules! pattern {
    ($name:ident, $text:literal) => {
        static $name: LazyLock<Regex> = LazyLock::new(|| Regex::new($text).expect("a pattern"));
    };
}

pattern!(WANTS_JSON, r"(?i)\b(answer|respond|reply|return|output|give)\b[^.\n]{0,60}\bJSON\b");
pattern!(OF_PLANS, r"(?i)\b(subtasks?|plan)\b");
pattern!(OF_SCORES, r"(?i)\b(score|rating|rate|grade)\b");
pattern!(WANTS_FILES, r"(?i)\b(whole|complete|full|each|changed|write (the )?) ?(content of )?(the |each )?files?\b");
pattern!(LOOKS_BACK, r"(?i)\bwas built\b|\bwere written\b|\bsummar|\bclose\b");
pattern!(OF_TESTS, r"(?i)\byou are the tester\b|\bwrite (unit )?tests\b");
pattern!(FAILING, r"(?i)(\b(build|check|tests?|compilation|command)|`) (fails|failed|is red|exits? with)\b");
pattern!(
    PLACE,
    r#"(?im)^\W*(File ")?[\w./-]+\.\w+("?, line \d+|[:(]\d+)[^\n]*(error|undefined|cannot|unexpected|expected|fail|missing|not found|no such|undeclared|unresolved|redeclared|invalid|syntax|\bin\b)"#
);
pattern!(GO_ON, r"(?i)\b(continue|go on|carry on|resume)\b");
pattern!(EDITS, r"(?i)\b(by|as|with|in|use) (edits|SEARCH)\b");
pattern!(NOTHING, r#"answer(?: with)?:? "?([A-Z][A-Z ]+[A-Z])\b"#);
pattern!(PATH_WORD, r"[\w./-]*\bpath\b[\w./-]*");
pattern!(NUMBERED, r"(?m)^[ >]*\d+ ?[|:] ?");

/// How a prompt shows that a file is to be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    /// What stands around the path in the line above the content.
    pub(crate) open: (String, String),
    /// The line below the content; none: the content stands in a fence.
    pub(crate) close: Option<String>,
}

/// Words, with white space and marks of Markdown made one blank: what was quoted is found again.
pub(crate) fn plain(text: &str) -> String {
    let clean: String = text.chars().map(|char| if matches!(char, '`' | '*') { ' ' } else { char }).collect();
    clean.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The parts whose instructions are the ones to follow: those that stand there most often, of these the last, and what belongs to it because it
/// stands right before it. (A client that shows the whole plan repeats the part that it asks for; one that hands over two parts joins them.)
pub(crate) fn parts(project: &Project, text: &str) -> Vec<usize> {
    let text = plain(text);
    let mut found: Vec<(usize, usize, usize, usize)> = Vec::new();
    for (index, part) in project.parts.iter().enumerate() {
        let words = plain(part.instructions);
        let places: Vec<usize> = text.match_indices(&words).map(|(at, _)| at).collect();
        if let Some(last) = places.last() {
            found.push((*last, last + words.len(), places.len(), index));
        }
    }
    let most = found.iter().map(|(_, _, count, _)| *count).max().unwrap_or(0);
    found.retain(|(_, _, count, _)| *count == most);
    found.sort_unstable();
    let Some((mut start, _, _, last)) = found.pop() else { return Vec::new() };
    let mut out = vec![last];
    while let Some((from, to, _, index)) = found.pop() {
        let between = text.get(to..start).unwrap_or_default();
        if between.len() > 300 || between.contains("\"instructions\"") {
            break;
        }
        out.push(index);
        start = from;
    }
    out.reverse();
    out
}

/// What was said without the parts that quote the project: its task, instructions and conventions.
pub(crate) fn without_quotes(project: &Project, text: &str) -> String {
    let mut text = text.to_owned();
    let parts = project.parts.iter().flat_map(|part| [part.instructions, part.title]);
    for quote in parts.chain([project.task, project.shared]).chain(project.conventions.iter().copied()) {
        // A title of one word may as well be the name of a class.
        if quote.trim().contains(' ') {
            text = text.replace(quote.trim(), " ");
        }
    }
    text
}

/// What a request is. `said` is its text without quotes and without the files that it shows; `told`: it reveals a known mistake.
pub(crate) fn kind(project: &Project, asked: &Asked, said: &str, told: bool) -> Kind {
    let text = asked.text();
    let has_task = plain(&text).contains(&plain(project.task));
    let by_words = || OF_PLANS.is_match(said) && WANTS_JSON.is_match(said) && parts(project, &text).is_empty();
    if asked.schema || (has_task && by_words()) {
        return Kind::Plan;
    }
    let rules = rules(asked);
    if template(asked).is_none() && !WANTS_FILES.is_match(rules) {
        return if OF_SCORES.is_match(rules) {
            Kind::Review
        } else if LOOKS_BACK.is_match(rules) {
            Kind::Synthesis
        } else if OF_PLANS.is_match(rules) || rules.contains("agree") {
            Kind::Coordinate
        } else {
            Kind::Unknown
        };
    }
    if told || FAILING.is_match(said) || PLACE.is_match(said) {
        Kind::Fix
    } else if parts(project, &text).is_empty() && OF_TESTS.is_match(said) {
        Kind::Test
    } else {
        Kind::Work
    }
}

/// The example of a file in the rules of a prompt: a line with decoration around the word "path", then its counterpart below the content.
pub(crate) fn template(asked: &Asked) -> Option<Template> {
    template_in(rules(asked))
}

/// Where a client says how to answer: its system part, or what it begins with.
fn rules(asked: &Asked) -> &str {
    let first = asked.turns.first().map_or("", |(_, text)| text.as_str());
    if asked.system.is_empty() { first } else { &asked.system }
}

fn template_in(text: &str) -> Option<Template> {
    let lines: Vec<&str> = text.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        let line = line.trim();
        let decoration: String = line.chars().take_while(|char| "=#<*`-[@~".contains(*char)).collect();
        let Some(path) = PATH_WORD.find_iter(line).last().filter(|_| !decoration.is_empty() && line.len() < 80) else {
            continue;
        };
        if !line.contains('/') && decoration.len() < 2 {
            continue;
        }
        let open = (line[..path.start()].to_owned(), line[path.end()..].to_owned());
        let below = &lines[index + 1..lines.len().min(index + 12)];
        if below.first().is_some_and(|next| next.trim().starts_with("```")) {
            return Some(Template { open, close: None });
        }
        let same: String = decoration.chars().take(2).collect();
        let close = below.iter().map(|line| line.trim()).find(|line| line.starts_with(&same) && !line.contains("path"));
        if let Some(close) = close {
            return Some(Template { open, close: Some(close.to_owned()) });
        }
    }
    None
}

/// The words for "nothing is to change".
pub(crate) fn nothing(text: &str) -> String {
    NOTHING.captures(text).map_or_else(|| "Nothing needs to change.".to_owned(), |found| found[1].to_owned())
}

/// Whether the prompt shows how to edit, and its last turn asks for that in this file: a sentence about edits names it, or no file at all.
pub(crate) fn wants_edits(asked: &Asked, path: &str) -> bool {
    let first = asked.turns.first().map_or("", |(_, text)| text.as_str());
    let shown = [asked.system.as_str(), first].iter().any(|text| {
        let line = |mark: &str, word: &str| text.lines().any(|line| line.starts_with(mark) && line.contains(word));
        line("<<<<<", "SEARCH") && line(">>>>>", "REPLACE")
    });
    let last = asked.turns.last().map_or("", |(_, text)| text.as_str());
    let mut sentences = last.lines().flat_map(|line| line.split(". ")).filter(|sentence| EDITS.is_match(sentence));
    shown && sentences.any(|sentence| names(sentence, path) || !sentence.trim_end_matches('.').contains(['.', '/']))
}

/// The answer so far that is to be continued.
pub(crate) fn to_continue(asked: &Asked) -> Option<&str> {
    let [.., (speaker, before), (_, last)] = asked.turns.as_slice() else { return None };
    // What it quotes below of code may have such words too.
    let said = last.lines().next().unwrap_or_default();
    (speaker == "assistant" && GO_ON.is_match(said)).then_some(before.as_str())
}

/// The text without line numbers in front of lines.
pub(crate) fn unnumbered(text: &str) -> String {
    NUMBERED.replace_all(text, "").into_owned()
}

/// A review in the form that the prompt shows: a line `WORD: N`, and lines of words behind it; JSON where that is shown.
pub(crate) fn review(asked: &Asked) -> String {
    const REASON: &str = "It does what its part asks.";
    let rules = rules(asked);
    if rules.contains("\"score\"") {
        return format!("{{\"score\": 9, \"reason\": \"{REASON}\"}}");
    }
    let mut out = Vec::new();
    for line in rules.lines() {
        let Some((word, rest)) = line.split_once(':') else { continue };
        if word.is_empty() || !word.chars().all(|char| char.is_ascii_uppercase()) {
            continue;
        }
        let number = rest.trim_start().starts_with('N');
        out.push(format!("{word}: {}", if number { "9" } else { REASON }));
    }
    if out.is_empty() { format!("9 of 10. {REASON}") } else { out.join("\n") }
}

/// Whether a text names a path that isn't only part of a longer one.
pub(crate) fn names(text: &str, path: &str) -> bool {
    text.match_indices(path).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + path.len()..].chars().next();
        let part = |char: Option<char>| char.is_some_and(|char| char.is_alphanumeric() || matches!(char, '_' | '-'));
        !part(before) && !part(after)
    })
}
