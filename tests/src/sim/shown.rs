//! Which files a request shows, which mistakes are in them, and what it says of mistakes.

use std::collections::{BTreeMap, BTreeSet};

use super::case::{Case, spoil};

/// A content that a file may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) text: String,
    /// The mistakes in it.
    pub(crate) faults: BTreeSet<usize>,
    /// As it was before the task.
    pub(crate) given: bool,
    /// Something of it was lost, apart from mistakes.
    pub(crate) damaged: bool,
}

/// All contents that a file may have, as far as they follow from the case.
pub(crate) fn versions(case: &Case, path: &str) -> Vec<Version> {
    let mut out = Vec::new();
    if let Some((_, text)) = case.project.given.iter().find(|(given, _)| given == path) {
        out.push(Version { text: lf(text), faults: BTreeSet::new(), given: true, damaged: false });
    }
    let Some((_, right)) = case.project.files.iter().find(|(file, _)| file == path) else { return out };
    let here: Vec<usize> = case.mistakes().filter(|(_, fault)| fault.file == path).map(|(index, _)| index).collect();
    for set in 0_u32..1 << here.len() {
        let chosen: BTreeSet<usize> =
            here.iter().enumerate().filter(|(bit, _)| set & (1 << bit) != 0).map(|(_, index)| *index).collect();
        if let Some(text) = spoil(right, chosen.iter().map(|index| &case.project.faults[*index])) {
            out.push(Version { text: lf(&text), faults: chosen, given: false, damaged: false });
        }
    }
    out
}

/// Prompts show line ends as LF.
pub(crate) fn lf(text: &str) -> String {
    text.replace("\r\n", "\n")
}

/// The version of each file that a text shows whole: the last one that stands there.
pub(crate) fn whole(text: &str, known: &BTreeMap<String, Vec<Version>>) -> BTreeMap<String, Version> {
    let mut out = BTreeMap::new();
    for (path, versions) in known {
        let place = |version: &&Version| {
            let needle = version.text.trim_end_matches('\n');
            let at = if needle.is_empty() { None } else { text.rfind(needle) }?;
            // Of several at one place, the longest: a version may be the beginning of another.
            Some((at, needle.len()))
        };
        let best = versions.iter().filter(|version| place(version).is_some()).max_by_key(place);
        if let Some(version) = best {
            out.insert(path.clone(), version.clone());
        }
    }
    out
}

/// The text without the files that it shows whole.
pub(crate) fn without(text: &str, known: &BTreeMap<String, Vec<Version>>) -> String {
    let mut needles: Vec<&str> = known
        .values()
        .flatten()
        .map(|version| version.text.trim_end_matches('\n'))
        .filter(|text| text.len() > 20)
        .collect();
    needles.sort_unstable_by_key(|needle| std::cmp::Reverse(needle.len()));
    needles.dedup();
    let mut text = text.to_owned();
    for needle in needles {
        if text.contains(needle) {
            text = text.replace(needle, "\n");
        }
    }
    text
}

/// Whether all lines of `part` stand in `text` in one piece, whatever white space is at their ends and in front.
pub(crate) fn has_lines(text: &str, part: &str) -> bool {
    let lines = |text: &str| -> Vec<String> {
        text.lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .filter(|line| !line.is_empty())
            .collect()
    };
    let wanted = lines(part);
    let there = lines(text);
    !wanted.is_empty()
        && there.windows(wanted.len()).any(|window| window.iter().zip(&wanted).all(|(one, other)| one == other))
}
