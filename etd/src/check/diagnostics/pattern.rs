//! Regular expressions that are compiled on first use.

use std::sync::OnceLock;

use regex::{Captures, Regex};

/// A constant pattern. One that doesn't compile never matches; the tables of tests hold each to its work.
pub(crate) struct Pattern {
    text: &'static str,
    regex: OnceLock<Option<Regex>>,
}

impl Pattern {
    pub(crate) const fn new(text: &'static str) -> Self {
        Self { text, regex: OnceLock::new() }
    }

    fn regex(&self) -> Option<&Regex> {
        self.regex
            .get_or_init(|| {
                let regex = Regex::new(self.text);
                debug_assert!(regex.is_ok(), "{}", self.text);
                regex.ok()
            })
            .as_ref()
    }

    /// The groups of the first match.
    pub(crate) fn captures<'t>(&self, text: &'t str) -> Option<Captures<'t>> {
        self.regex()?.captures(text)
    }

    /// The groups of each match.
    pub(crate) fn all<'t>(&'t self, text: &'t str) -> impl Iterator<Item = Captures<'t>> {
        self.regex().into_iter().flat_map(move |regex| regex.captures_iter(text))
    }

    /// Whether it occurs.
    pub(crate) fn matches(&self, text: &str) -> bool {
        self.regex().is_some_and(|regex| regex.is_match(text))
    }

    /// The text with each match replaced.
    pub(crate) fn replace_all(&self, text: &str, with: &str) -> String {
        match self.regex() {
            Some(regex) => regex.replace_all(text, with).into_owned(),
            None => text.to_owned(),
        }
    }
}

/// Group `index` as text; empty if it took no part.
pub(crate) fn group<'t>(captures: &Captures<'t>, index: usize) -> &'t str {
    captures.get(index).map_or("", |found| found.as_str())
}

/// Group `index` as a number.
pub(crate) fn number(captures: &Captures<'_>, index: usize) -> Option<u32> {
    group(captures, index).parse().ok()
}
