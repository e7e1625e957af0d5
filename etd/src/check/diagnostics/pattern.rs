//! Regular expressions that are compiled on first use.

use std::sync::OnceLock;

use regex::{Captures, Regex};

/// A constant pattern. One that doesn't compile never matches; the tables of tests hold each to its work.
///
/// `\w`, `\d`, `\s` and `\b` don't know all of Unicode, only what names and paths are made of: the full tables are most of what
/// compiling a pattern takes.
pub(crate) struct Pattern {
    /// One of these is in every text that it matches; none: unknown. Without them it isn't even compiled.
    needles: &'static [&'static str],
    text: &'static str,
    regex: OnceLock<Option<Regex>>,
}

impl Pattern {
    pub(crate) const fn new(text: &'static str) -> Self {
        Self::with(&[], text)
    }

    /// A pattern whose matches all contain one of `needles`.
    pub(crate) const fn with(needles: &'static [&'static str], text: &'static str) -> Self {
        Self { needles, text, regex: OnceLock::new() }
    }

    fn regex(&self, text: &str) -> Option<&Regex> {
        if !self.needles.is_empty() && !self.needles.iter().any(|needle| text.contains(needle)) {
            return None;
        }
        self.regex
            .get_or_init(|| {
                let regex = Regex::new(&plain(self.text));
                debug_assert!(regex.is_ok(), "{}", self.text);
                regex.ok()
            })
            .as_ref()
    }

    /// The groups of the first match.
    pub(crate) fn captures<'t>(&self, text: &'t str) -> Option<Captures<'t>> {
        self.regex(text)?.captures(text)
    }

    /// The groups of each match.
    pub(crate) fn all<'t>(&'t self, text: &'t str) -> impl Iterator<Item = Captures<'t>> {
        self.regex(text).into_iter().flat_map(move |regex| regex.captures_iter(text))
    }

    /// Whether it occurs.
    pub(crate) fn matches(&self, text: &str) -> bool {
        self.regex(text).is_some_and(|regex| regex.is_match(text))
    }

    /// The text with each match replaced.
    pub(crate) fn replace_all(&self, text: &str, with: &str) -> String {
        match self.regex(text) {
            Some(regex) => regex.replace_all(text, with).into_owned(),
            None => text.to_owned(),
        }
    }
}

/// The pattern with small classes instead of those of Unicode.
fn plain(pattern: &str) -> String {
    // Letters of most scripts, without the signs and arrows that tools draw with.
    const WORD: &str = r"0-9A-Za-z_\u{C0}-\u{D6}\u{D8}-\u{F6}\u{F8}-\u{1FFF}\u{3040}-\u{D7FF}";
    const SPACE: &str = r"\t\n\x0B\x0C\r ";
    let mut out = String::with_capacity(pattern.len() * 2);
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            out.push(character);
            continue;
        }
        match characters.next() {
            Some('d') => out.push_str("[0-9]"),
            Some('w') => out.push_str(&format!("[{WORD}]")),
            Some('W') => out.push_str(&format!("[^{WORD}]")),
            Some('s') => out.push_str(&format!("[{SPACE}]")),
            Some('S') => out.push_str(&format!("[^{SPACE}]")),
            Some('b') => out.push_str(r"(?-u:\b)"),
            other => {
                out.push('\\');
                out.extend(other);
            }
        }
    }
    out
}

/// Group `index` as text; empty if it took no part.
pub(crate) fn group<'t>(captures: &Captures<'t>, index: usize) -> &'t str {
    captures.get(index).map_or("", |found| found.as_str())
}

/// Group `index` as a number.
pub(crate) fn number(captures: &Captures<'_>, index: usize) -> Option<u32> {
    group(captures, index).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_know_what_names_and_paths_are_made_of() {
        static NAME: Pattern = Pattern::new(r"^(\w+)\s(\S+)\b [\w.-]+ \d+\\d$");
        assert!(NAME.matches("größe_1\tsrc/日本.go x.y-é 12\\d"));
        for wrong in ["a‘ b c 1\\d", "× b c 1\\d", "a b c x\\d", "a b c 1\\5"] {
            assert!(!NAME.matches(wrong), "{wrong}");
        }
        static NEEDED: Pattern = Pattern::with(&["x", "y"], r"^[xy]+$");
        assert!(NEEDED.matches("yy") && !NEEDED.matches("z") && NEEDED.captures("").is_none());
        assert_eq!(NEEDED.replace_all("z", ""), "z");
    }
}
