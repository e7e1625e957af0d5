//! Which functions a failing test may fail because of. Pure.
//!
//! A static stand-in for what coverage tells of failing and passing tests: the functions that a test reaches by the names in it. What failing
//! tests reach and others don't is suspect (Ochiai's coefficient: A. Zoeteweij et al., "On the Accuracy of Spectrum-based Fault
//! Localization", 2007), the nearer to the failing line the more. Names stand for functions, so it is a guess: it decides who is asked first and
//! what is shown, never what is written.

mod graph;
mod slice;
mod ways;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use proto::diagnostic::Diagnostic;

use self::graph::Sources;
use super::{INTEGRATOR, Owners};
use crate::check::diagnostics::pattern::Pattern;
use crate::relpath::RelPath;
use crate::source::outline::bodies;

/// Suspects of one failure at most.
const MOST: usize = 24;
/// What a declaration without a body, or a helper of tests, counts beside a function.
const DATA: f64 = 0.3;
/// What a helper of tests counts where a test fails though it got what it wanted: what compares them may be wrong.
const JUDGE: f64 = 3.0;
/// What counts a function that nobody writes in this round, beside one that somebody does: it did its work before.
const OLD: f64 = 0.5;

/// What a function loses that no other failure reaches.
const ALONE: f64 = 0.4;

/// A function, or the lines of a file outside of any, that may be wrong.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Suspect {
    /// Where.
    pub(super) file: RelPath,
    /// Its first line, from 1.
    pub(super) line: u32,
    /// What it is called; a file for what stands in none of its functions.
    pub(super) name: String,
    /// How suspect; only comparable within one failure.
    pub(super) score: f64,
}

/// Who may be to blame for one failure, as far as suspects tell.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Accused {
    /// Owners, the most likely first; those that are much less likely are left out.
    pub(super) owners: Vec<String>,
    /// Those that are left out, the most likely first.
    pub(super) weaker: Vec<String>,
    /// Functions, the most suspect first.
    pub(super) suspects: Vec<Suspect>,
}

/// Owners of one failure at most.
const ACCUSED: usize = 4;
/// The share of the best one's score below which nobody is accused.
const CLOSE: f64 = 0.4;

/// Who is to blame for each failure. Who explains several of them comes first: one mistake breaks many tests.
pub(super) fn accused(failures: &[&Diagnostic], texts: &BTreeMap<RelPath, String>, owners: &Owners) -> Vec<Accused> {
    let found = suspects(failures, texts, owners);
    let by_owner: Vec<Vec<(String, f64)>> = found
        .iter()
        .map(|suspects| {
            let mut best: Vec<(String, f64)> = Vec::new();
            for one in suspects {
                let owner = owners.of_file(one.file.as_str());
                if owner != INTEGRATOR && best.iter().all(|(known, _)| known != owner) {
                    best.push((owner.to_owned(), one.score));
                }
            }
            best
        })
        .collect();
    let mut explains: BTreeMap<&str, f64> = BTreeMap::new();
    for best in &by_owner {
        let most = best.first().map_or(1.0, |(_, score)| *score);
        for (owner, score) in best {
            *explains.entry(owner).or_default() += score / most;
        }
    }
    let owners: Vec<Vec<String>> = by_owner
        .iter()
        .map(|best| {
            let most = best.first().map_or(0.0, |(_, score)| *score);
            let mut close: Vec<&str> =
                best.iter().filter(|(_, score)| *score >= most * CLOSE).map(|(owner, _)| owner.as_str()).collect();
            let nearest = close.first().copied();
            close.sort_by(|one, two| explains[two].total_cmp(&explains[one]));
            // What only this one goes through explains no other, and isn't left out for that.
            if let Some(at) = close.iter().position(|one| Some(*one) == nearest).filter(|at| *at >= ACCUSED) {
                close.swap(at, ACCUSED - 1);
            }
            close.into_iter().take(ACCUSED).map(str::to_owned).collect()
        })
        .collect();
    let weaker = |owners: &[String], all: &[(String, f64)]| -> Vec<String> {
        all.iter().map(|(owner, _)| owner).filter(|owner| !owners.contains(owner)).cloned().collect()
    };
    let all = owners.into_iter().zip(&by_owner).zip(found);
    all.map(|((owners, all), suspects)| Accused { weaker: weaker(&owners, all), owners, suspects }).collect()
}

/// The suspects of each failure, the most suspect first; none where no test of the tree is found in it. `texts`: the sources of the tree.
fn suspects(failures: &[&Diagnostic], texts: &BTreeMap<RelPath, String>, owners: &Owners) -> Vec<Vec<Suspect>> {
    let read: Vec<_> = texts.iter().map(|(path, text)| bodies(path.as_str(), text)).collect();
    let sources = Sources::new(texts, &read, owners);
    let places: Vec<Vec<(usize, usize)>> = failures.iter().map(|one| sources.places(one)).collect();
    let ways: Vec<HashMap<usize, usize>> =
        failures.iter().zip(&places).map(|(failure, places)| sources.ways(failure, places)).collect();
    let (failed, passed) = (times(&ways), sources.passing(&places.concat()));
    let times = |of: &HashMap<usize, usize>, node| of.get(&node).copied().unwrap_or_default() as f64;
    failures
        .iter()
        .zip(&ways)
        .zip(&places)
        .map(|((failure, costs), places)| {
            let frames = sources.frames(failure);
            let through: BTreeSet<usize> = sources.nodes_of(places).collect();
            let words = telling(&failure.message);
            let judged_wrong = got_what_it_wanted(&failure.message);
            let is_test = |node: usize| {
                let one = &sources.nodes[node];
                let empty = one.top || one.within == Some(one.name);
                sources.tests.contains(&node) || through.contains(&node) || empty && sources.is_test(node)
            };
            let mut found: Vec<(f64, usize)> = costs
                .iter()
                .filter(|(node, _)| !is_test(**node))
                .map(|(node, cost)| {
                    let node = *node;
                    let (failed, passed) = (times(&failed, node).max(1.0), times(&passed, node));
                    // Failures may have a cause each, so what only some of them reach loses less than by Ochiai's own first factor.
                    let shared = 1.0 - ALONE * (1.0 - failed / failures.len() as f64);
                    let ochiai = shared * (failed / (failed + passed)).sqrt();
                    let near = 1.0 / (1.0 + 0.15 * *cost as f64);
                    let frame =
                        frames.iter().position(|frame| *frame == node).map_or(1.0, |at| 3.0 / (1.0 + at as f64) + 1.0);
                    let kind = match (sources.nodes[node].data, sources.is_test(node)) {
                        (_, true) if judged_wrong => JUDGE,
                        (false, false) => 1.0,
                        _ => DATA,
                    };
                    let old = if sources.files[sources.nodes[node].file].owned { 1.0 } else { OLD };
                    (ochiai * near * frame * kind * old, node)
                })
                .collect();
            let by_score = |one: &(f64, usize), two: &(f64, usize)| two.0.total_cmp(&one.0).then(one.1.cmp(&two.1));
            found.sort_by(by_score);
            // What it says doubles a score at most, so hardly anybody comes in from behind these.
            found.truncate(4 * MOST);
            for (score, node) in &mut found {
                *score *= sources.says(*node, &words);
            }
            found.sort_by(by_score);
            found.truncate(MOST);
            found.into_iter().map(|(score, node)| sources.suspect(node, score)).collect()
        })
        .collect()
}

impl Sources<'_> {
    /// How much of what a message says stands in a node.
    fn says(&self, node: usize, words: &[&str]) -> f64 {
        let file = &self.files[self.nodes[node].file];
        let lines: Vec<usize> = self.lines(node).collect();
        let told = words
            .iter()
            .filter(|word| lines.iter().any(|line| file.text.get(*line).is_some_and(|text| text.contains(**word))));
        1.0 + 0.25 * (told.count().min(4) as f64)
    }

    fn suspect(&self, node: usize, score: f64) -> Suspect {
        let one = &self.nodes[node];
        let line = u32::try_from(one.lines.0 + 1).unwrap_or(u32::MAX);
        Suspect { file: self.files[one.file].path.clone(), line, name: one.name.to_owned(), score }
    }
}

/// How many of them reach each node.
fn times(ways: &[HashMap<usize, usize>]) -> HashMap<usize, usize> {
    let mut times = HashMap::new();
    for node in ways.iter().flat_map(HashMap::keys) {
        *times.entry(*node).or_default() += 1;
    }
    times
}

static COMPARED: [Pattern; 4] = [
    Pattern::new(r"\bgot:? (?P<one>.+?)[,;]? (?:but )?(?:want(?:ed)?|expected):? (?P<two>.+)$"),
    Pattern::new(r"(?i)\bexpected:? (?P<one>.+?)[,;]? (?:but )?(?:was|got|found|actual):? (?P<two>.+)$"),
    Pattern::new(r"(?P<one>\S+) != (?P<two>\S+)$"),
    Pattern::new(r"left: (?P<one>.+)\n\s*right: (?P<two>.+)$"),
];

/// Whether a test says that it failed, and shows twice the same value.
fn got_what_it_wanted(message: &str) -> bool {
    let shown = COMPARED.iter().find_map(|pattern| pattern.captures(message.trim_end()));
    shown.is_some_and(|shown| {
        let value = |name: &str| shown.name(name).map_or("", |value| value.as_str().trim());
        value("one") == value("two")
    })
}

/// Words of a message that code would have in strings.
fn telling(message: &str) -> Vec<&str> {
    let mut words: Vec<&str> = message
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| word.len() > 4 && !word.bytes().all(|byte| byte.is_ascii_digit()))
        .take(60)
        .collect();
    words.sort_unstable();
    words.dedup();
    words
}

#[cfg(test)]
mod tests;
