//! A fix that changes nothing and says whose file is to blame: that one is asked next, before the next build, with these words.
//!
//! Nobody is asked about the same error twice between two builds in this way, and the same pair hands it on once a round, so it ends.

use std::collections::BTreeSet;

use proto::diagnostic::Diagnostic;
use proto::event::FixStep;

use super::board::{Board, Known, Said};
use super::writing::Written;
use crate::answer::{bare, looks_like_path};
use crate::blame::{self, Assignment, INTEGRATOR};
use crate::relpath::RelPath;

/// Files of others that are shown to whom it is handed on.
const SHOWN: usize = 8;

/// Remembers what a fix that changed nothing says of another's file.
pub(super) fn note(board: &Board, owner: &str, assignment: &Assignment, remarks: &str, written: &Written) {
    if !written.changed().is_empty() {
        return;
    }
    let mut known = board.lock();
    let tried = written.refused.iter().filter_map(|refusal| RelPath::parse(&refusal.path).ok());
    let foreign = |path: &RelPath| known.owners.owner_of(path).is_some_and(|other| other != owner);
    let found = match tried.into_iter().find(foreign) {
        // It did what the owner should do.
        Some(path) => Some((path.clone(), format!("{path} must change: {}", remarks))),
        None => named(&known, owner, assignment, remarks),
    };
    if let Some((path, words)) = found {
        let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
        known.said.push(Said { from: owner.to_owned(), path, words });
    }
}

/// Words of whoever handed something on to this owner.
pub(super) fn words_for(board: &Board, owner: &str) -> Vec<String> {
    let known = board.lock();
    let mine = known.handed.iter().filter(|(to, _)| to == owner);
    mine.map(|(_, said)| format!("{} was asked first and says: {}", said.from, said.words)).collect()
}

/// The fixes that follow from what was said, instead of the next rung. `asked`: which errors, by their fingerprints, went to whom since
/// the last build; `changed`: who has just changed something, so that a build comes first.
pub(super) fn handed_on(
    board: &Board,
    assignments: &[Assignment],
    asked: &mut BTreeSet<(String, String)>,
    changed: &BTreeSet<String>,
) -> Vec<Assignment> {
    let prints = |one: &Assignment| one.diagnostics.iter().map(blame::fingerprint).collect::<Vec<_>>();
    for one in assignments {
        asked.extend(prints(one).into_iter().map(|print| (print, one.owner.clone())));
    }
    let mut known = board.lock();
    known.handed.clear();
    let mut said = std::mem::take(&mut known.said);
    // They answered at the same time.
    said.sort_by(|one, two| one.from.cmp(&two.from));
    let mut next: Vec<Assignment> = Vec::new();
    for said in said {
        let Some(from) = assignments.iter().find(|one| one.owner == said.from) else { continue };
        let to = known.owners.owner_of(&said.path).unwrap_or(INTEGRATOR).to_owned();
        if to == said.from || changed.contains(&to) {
            continue;
        }
        let open: Vec<Diagnostic> = from
            .diagnostics
            .iter()
            .filter(|one| !asked.contains(&(blame::fingerprint(one), to.clone())))
            .filter(|one| !known.handed_before.contains(&(blame::fingerprint(one), said.from.clone(), to.clone())))
            .cloned()
            .collect();
        if open.is_empty() {
            continue;
        }
        for one in &open {
            known.handed_before.insert((blame::fingerprint(one), said.from.clone(), to.clone()));
        }
        let files = if to == INTEGRATOR { vec![said.path.clone()] } else { known.owners.files_of(&to) };
        let why = format!("{} says that {} must change", said.from, said.path);
        let steps = vec![FixStep::OtherSide; open.len()];
        let show: Vec<RelPath> = from.files.iter().filter(|path| !files.contains(path)).take(SHOWN).cloned().collect();
        match next.iter_mut().find(|one| one.owner == to) {
            Some(one) => {
                one.files.extend(files.into_iter().filter(|path| !one.files.contains(path)).collect::<Vec<_>>());
                one.show.extend(show.into_iter().filter(|path| !one.show.contains(path)).collect::<Vec<_>>());
                let fresh = |new: &Diagnostic| one.diagnostics.iter().all(|known| known != new);
                let open: Vec<Diagnostic> = open.into_iter().filter(fresh).collect();
                one.steps.extend(vec![FixStep::OtherSide; open.len()]);
                one.diagnostics.extend(open);
                one.why.push_str(&format!("; {why}"));
            }
            None => {
                let step = FixStep::OtherSide;
                next.push(Assignment { owner: to.clone(), step, files, show, diagnostics: open, steps, why });
            }
        }
        known.handed.push((to, said));
    }
    next
}

/// The file of another that a text says must change, with the sentence.
fn named(known: &Known, owner: &str, assignment: &Assignment, remarks: &str) -> Option<(RelPath, String)> {
    let sentences = remarks.split('\n').flat_map(|line| line.split_inclusive(". ")).map(str::trim);
    let mut found = None;
    for sentence in sentences {
        let Some(path) = sentence.split(char::is_whitespace).find_map(|word| foreign(known, owner, assignment, word))
        else {
            continue;
        };
        let lower = sentence.to_lowercase();
        let must =
            ["must", "should", "need", "has to", "have to", "change", "cause", "missing", "lacks", "wrong", "add "];
        if must.iter().any(|word| lower.contains(word)) {
            return Some((path, sentence.to_owned()));
        }
        found.get_or_insert((path, sentence.to_owned()));
    }
    // That it names a file at all is what it was asked for, where somebody owns that.
    found.filter(|(path, _)| known.owners.owner_of(path).is_some())
}

/// The file that a word means, if it isn't this owner's.
fn foreign(known: &Known, owner: &str, assignment: &Assignment, word: &str) -> Option<RelPath> {
    let word = bare(word.trim_matches(|c: char| "`*\"'(),;".contains(c)).trim_end_matches(['.', ':', '!', '?']));
    // `store.go:12`
    let word = word.split(':').next().unwrap_or(word).trim_start_matches("./").trim_end_matches("'s");
    if !looks_like_path(word) && !word.contains('.') && !word.ends_with("file") {
        return None;
    }
    let means = |path: &RelPath| {
        let path = path.as_str();
        path == word || path.ends_with(&format!("/{word}")) || word.ends_with(&format!("/{path}"))
    };
    let mine = |path: &RelPath| known.owners.owner_of(path) == Some(owner) || assignment.files.contains(path);
    let all: BTreeSet<&RelPath> = known.owners.paths().chain(known.files.keys()).collect();
    if let Some(path) = all.iter().find(|path| path.as_str() == word) {
        return Some((**path).clone()).filter(|path| !mine(path));
    }
    let meant: Vec<&&RelPath> = all.iter().filter(|path| means(path)).collect();
    match meant.as_slice() {
        [path] => Some((**path).clone()).filter(|path| !mine(path)),
        // One that nobody owns, new ones included.
        [] if looks_like_path(word) => RelPath::parse(word).ok().filter(|path| !mine(path)),
        _ => None,
    }
}
