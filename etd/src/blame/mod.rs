//! From diagnostics to the workers that mend them. Pure: no I/O, no clock; the same input gives the same assignments.
//!
//! Promises: all errors of one owner come in one assignment; no two assignments may write the same file; an error that comes
//! back climbs one step of the ladder (owner, other side, stronger model, integrator) and never takes the same step twice, so it ends.

pub mod class;
mod leads;
mod owners;
pub mod rank;
mod shape;
mod sides;
mod signature;
mod suspects;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use proto::diagnostic::{Diagnostic, Severity};
use proto::event::FixStep;

pub use self::class::{Class, class, fingerprint, is_syntax};
#[cfg(test)]
use self::leads::LIKELY;
pub use self::leads::{REACHED, add_leads};
pub use self::owners::{Owners, set_owners};
use self::sides::{Sides, sides};
use crate::plan::Subtask;
use crate::relpath::RelPath;
use crate::source::words::mentions;

/// The owner of every file that no subtask owns.
pub const INTEGRATOR: &str = "integrator";

/// Most files that the integrator may write of both sides.
const MAX_WRITTEN: usize = 12;

/// Most files that are shown besides those that may be written.
const MAX_SHOWN: usize = 8;

/// One fix: who does it, what it may write, what it sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Subtask id, or [`INTEGRATOR`].
    pub owner: String,
    /// The strongest step of its diagnostics.
    pub step: FixStep,
    /// What it may write: what it owns; for the integrator the files involved that no subtask owns, and at
    /// [`FixStep::Integrator`] both sides.
    pub files: Vec<RelPath>,
    /// Other places, read-only.
    pub show: Vec<RelPath>,
    /// All of the owner's errors that go out now, with the owner of each one's file filled in.
    pub diagnostics: Vec<Diagnostic>,
    /// The step of each diagnostic, in the same order.
    pub steps: Vec<FixStep>,
    /// Why this owner, a clause each.
    pub why: String,
}

/// Which steps were taken for which error.
#[derive(Clone, Debug, Default)]
pub struct History {
    tried: HashMap<(String, String), HashSet<(FixStep, String)>>,
}

impl History {
    /// Nothing was tried.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Remembers what goes out.
    pub fn record(&mut self, assignments: &[Assignment]) {
        for assignment in assignments {
            for (diagnostic, step) in assignment.diagnostics.iter().zip(&assignment.steps) {
                let owner = diagnostic.owner.clone().unwrap_or_default();
                self.tried
                    .entry((owner, fingerprint(diagnostic)))
                    .or_default()
                    .insert((*step, assignment.owner.clone()));
            }
        }
    }

    fn steps(&self, owner: &str, fingerprint: &str) -> Option<&HashSet<(FixStep, String)>> {
        self.tried.get(&(owner.to_owned(), fingerprint.to_owned()))
    }
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// These fixes, at the same time.
    Fix(Vec<Assignment>),
    /// Every way of fixing was tried for every error, or there is no error.
    Exhausted,
}

/// Says who mends what. `stronger_model`: whether there is one besides the workers' own. `last_build_next`: only one more
/// build can follow, so errors that came back skip to their strongest untried step; a first one still goes to its owner.
#[must_use]
pub fn assign(
    diagnostics: &[Diagnostic],
    owners: &Owners,
    subtasks: &[Subtask],
    history: &History,
    stronger_model: bool,
    last_build_next: bool,
) -> Verdict {
    let mut parts: BTreeMap<String, Vec<Part>> = BTreeMap::new();
    let mut order: Vec<String> = Vec::new();
    for diagnostic in worth_mending(diagnostics) {
        let sides = sides(diagnostic, owners, subtasks);
        let Some((step, target)) = next_step(diagnostic, &sides, history, stronger_model, last_build_next) else {
            continue;
        };
        let mut diagnostic = diagnostic.clone();
        diagnostic.owner = Some(sides.primary.clone());
        let besides = if step == FixStep::Owner { sides.besides.clone() } else { Vec::new() };
        let also = besides.into_iter().filter(|(owner, _)| *owner != target).map(|(owner, why)| {
            (owner, Part { diagnostic: diagnostic.clone(), sides: Sides { why, ..sides.clone() }, step })
        });
        let also: Vec<(String, Part)> = also.collect();
        for (target, part) in std::iter::once((target, Part { diagnostic, sides, step })).chain(also) {
            if !order.contains(&target) {
                order.push(target.clone());
            }
            parts.entry(target).or_default().push(part);
        }
    }
    yield_to_integrator(&mut parts, owners);
    let assignments: Vec<Assignment> = order
        .into_iter()
        .filter_map(|owner| {
            let parts = parts.remove(&owner).filter(|parts| !parts.is_empty())?;
            Some(assignment(owner, parts, owners))
        })
        .collect();
    if assignments.is_empty() { Verdict::Exhausted } else { Verdict::Fix(without_overlap(assignments)) }
}

/// One diagnostic on its way to its target.
struct Part {
    diagnostic: Diagnostic,
    sides: Sides,
    step: FixStep,
}

/// The errors that aren't plausibly a consequence of others.
fn worth_mending(diagnostics: &[Diagnostic]) -> Vec<&Diagnostic> {
    let errors: Vec<(&Diagnostic, Class)> = diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity == Severity::Error)
        .map(|diagnostic| (diagnostic, class(diagnostic)))
        .collect();
    let syntax: Vec<&Diagnostic> = of(&errors, Class::Syntax).collect();
    if !syntax.is_empty() {
        // What isn't found anywhere, and not for want of a file that doesn't parse, is no consequence.
        let of_its_own = |one: &&Diagnostic| {
            syntax.iter().all(|broken| {
                let module = broken.file.as_deref().map(class::module);
                broken.file != one.file && module.is_some_and(|module| !mentions(&one.message, module))
            })
        };
        return syntax.iter().copied().chain(of(&errors, Class::Imports).filter(of_its_own)).collect();
    }
    // A name that no import that failed speaks of is missing for another reason, if all of them speak of names: a package may have held it.
    let of_its_own = |one: &Diagnostic| {
        class::missing(one).is_some_and(|missing| {
            let mut broken = of(&errors, Class::Imports).filter(|broken| broken.file == one.file);
            broken.all(|broken| class::names_type(broken) && !mentions(&broken.message, &missing.symbol))
        })
    };
    let broken: HashSet<&Option<String>> = of(&errors, Class::Imports).map(|diagnostic| &diagnostic.file).collect();
    let mut kept: Vec<(&Diagnostic, Class)> = errors
        .iter()
        .copied()
        .filter(|(diagnostic, class)| {
            *class == Class::Imports
                || diagnostic.file.is_none()
                || !broken.contains(&diagnostic.file)
                || *class == Class::Names && of_its_own(diagnostic)
        })
        .collect();
    kept.sort_by_key(|(_, class)| *class);
    kept.into_iter().map(|(diagnostic, _)| diagnostic).collect()
}

/// Those of a class.
fn of<'a>(errors: &[(&'a Diagnostic, Class)], wanted: Class) -> impl Iterator<Item = &'a Diagnostic> {
    errors.iter().filter(move |(_, class)| *class == wanted).map(|(diagnostic, _)| *diagnostic)
}

/// The next rung for this error; none if all were tried.
fn next_step(
    diagnostic: &Diagnostic,
    sides: &Sides,
    history: &History,
    stronger_model: bool,
    last_build_next: bool,
) -> Option<(FixStep, String)> {
    let integrator = (FixStep::Integrator, INTEGRATOR.to_owned());
    let ladder: Vec<(FixStep, String)> = if sides.nowhere {
        vec![integrator]
    } else {
        let others = sides.others.iter().map(|other| (FixStep::OtherSide, other.clone()));
        let stronger = stronger_model.then(|| (FixStep::StrongerModel, sides.first.clone()));
        std::iter::once((FixStep::Owner, sides.first.clone()))
            .chain(others)
            .chain(stronger)
            .chain([integrator])
            .collect()
    };
    let Some(tried) = history.steps(&sides.primary, &fingerprint(diagnostic)) else { return ladder.into_iter().next() };
    // Whoever was asked as the owner isn't asked again as the other side.
    let asked = |to: &String| tried.iter().any(|(step, other)| other == to && *step < FixStep::StrongerModel);
    let mut untried = ladder
        .into_iter()
        .filter(|rung| !tried.contains(rung) && (rung.0 >= FixStep::StrongerModel || !asked(&rung.1)));
    if last_build_next { untried.next_back() } else { untried.next() }
}

/// The files that an error at [`FixStep::Integrator`] is about, on both sides.
fn involved(part: &Part, owners: &Owners) -> BTreeSet<RelPath> {
    let mut files: BTreeSet<RelPath> = named(&part.diagnostic).collect();
    for side in std::iter::once(&part.sides.first).chain(&part.sides.others) {
        // A side without a place of its own comes in with what it owns, any other one as far as it isn't too much.
        let own = owners.files_of(side);
        if !files.iter().any(|file| owners.of_file(file.as_str()) == side)
            || !part.sides.others.is_empty() && files.len() + own.len() <= MAX_WRITTEN
        {
            files.extend(own);
        }
    }
    files
}

fn named(diagnostic: &Diagnostic) -> impl Iterator<Item = RelPath> {
    let places = diagnostic.file.iter().chain(diagnostic.related.iter().map(|place| &place.file));
    places.filter_map(|file| RelPath::parse(file).ok())
}

/// Where the integrator writes files of a subtask, that subtask's errors in them go to the integrator too.
fn yield_to_integrator(parts: &mut BTreeMap<String, Vec<Part>>, owners: &Owners) {
    let Some(mut taken) = parts.remove(INTEGRATOR) else { return };
    let files: BTreeSet<RelPath> =
        taken.iter().filter(|part| part.step == FixStep::Integrator).flat_map(|part| involved(part, owners)).collect();
    for (owner, theirs) in parts.iter_mut() {
        let own = owners.files_of(owner);
        for mut part in std::mem::take(theirs) {
            let place = part.diagnostic.file.as_deref().and_then(|file| RelPath::parse(file).ok());
            // Nothing would be left to write, or just the file that is written elsewhere is wrong.
            let all = !own.is_empty() && own.iter().all(|file| files.contains(file));
            if all || place.is_some_and(|place| own.contains(&place) && files.contains(&place)) {
                part.sides.why.push_str(", which the integrator writes meanwhile");
                taken.push(part);
            } else {
                theirs.push(part);
            }
        }
    }
    parts.insert(INTEGRATOR.to_owned(), taken);
}

fn assignment(owner: String, parts: Vec<Part>, owners: &Owners) -> Assignment {
    let mut files: BTreeSet<RelPath> = BTreeSet::new();
    let mut shown: Vec<RelPath> = Vec::new();
    let mut why: Vec<String> = Vec::new();
    if owner != INTEGRATOR {
        files.extend(owners.files_of(&owner));
    }
    for part in &parts {
        if owner == INTEGRATOR {
            if part.step == FixStep::Integrator {
                files.extend(involved(part, owners));
            } else {
                files.extend(named(&part.diagnostic).filter(|file| owners.owner_of(file).is_none()));
                files.extend(manifest(&part.diagnostic).filter(|file| owners.owner_of(file).is_none()));
            }
        }
        shown.extend(named(&part.diagnostic));
        // What a failing test reaches is named already.
        let sides = std::iter::once(&part.sides.first).chain(&part.sides.others);
        for side in sides.filter(|_| class(&part.diagnostic) != Class::Tests) {
            shown.extend(owners.files_of(side).into_iter().take(4));
        }
        let reason = match part.step {
            FixStep::Owner => part.sides.why.clone(),
            FixStep::OtherSide => format!("the other side of the interface; {} was asked before", part.sides.first),
            FixStep::StrongerModel => format!("{}; the same error came back, a stronger model", part.sides.why),
            FixStep::Integrator if part.sides.nowhere => "the failure names no file".to_owned(),
            FixStep::Integrator => "the same error came back; the integrator, with both sides".to_owned(),
        };
        if !why.contains(&reason) {
            why.push(reason);
        }
    }
    let mut show = Vec::new();
    for file in shown {
        if !files.contains(&file) && !show.contains(&file) && show.len() < MAX_SHOWN {
            show.push(file);
        }
    }
    let step = parts.iter().map(|part| part.step).max().unwrap_or(FixStep::Owner);
    let (diagnostics, steps) = parts.into_iter().map(|part| (part.diagnostic, part.step)).unzip();
    Assignment { owner, step, files: files.into_iter().collect(), show, diagnostics, steps, why: why.join("; ") }
}

/// A manifest that the message says is missing.
fn manifest(diagnostic: &Diagnostic) -> impl Iterator<Item = RelPath> {
    let missing = class::missing_module(diagnostic).filter(|module| matches!(module.as_str(), "go.mod" | "Cargo.toml"));
    missing.into_iter().filter_map(|name| RelPath::parse(&name).ok())
}

/// What the integrator writes nobody else does.
fn without_overlap(mut assignments: Vec<Assignment>) -> Vec<Assignment> {
    let taken: Vec<RelPath> = assignments
        .iter()
        .filter(|assignment| assignment.owner == INTEGRATOR)
        .flat_map(|assignment| assignment.files.clone())
        .collect();
    for assignment in assignments.iter_mut().filter(|assignment| assignment.owner != INTEGRATOR) {
        let (gone, kept): (Vec<_>, Vec<_>) = assignment.files.drain(..).partition(|file| taken.contains(file));
        assignment.files = kept;
        assignment.show.extend(gone);
    }
    assignments
}
