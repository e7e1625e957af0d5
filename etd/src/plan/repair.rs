//! How a complete plan is mended without its planner, and which of its subtasks may start.

use std::collections::{BTreeMap, BTreeSet};

use super::find::{Finding, findings, fitting, reaches};
use super::language::{self, LANGUAGES};
use super::signature::Signature;
use super::{CheckHint, Contract, Overlap, Plan, PlanForm, Subtask, Tree};
use crate::relpath::RelPath;

/// A plan of one subtask that does it all, for an answer that can't be read.
#[must_use]
pub fn single(task: &str) -> Plan {
    let main = Subtask {
        id: "main".to_owned(),
        title: "The whole task".to_owned(),
        instructions: task.to_owned(),
        owns: Vec::new(),
        reads: Vec::new(),
        after: Vec::new(),
        provides: Vec::new(),
        requires: Vec::new(),
        specialist: None,
    };
    Plan {
        contract: Contract::default(),
        subtasks: vec![main],
        check: CheckHint::default(),
        form: PlanForm::Single,
        notes: vec!["The plan could not be read; one worker does it all.".to_owned()],
    }
}

/// The note for a plan with more subtasks than were asked for; nothing is cut off.
#[must_use]
pub fn over_limit(subtasks: usize, max: usize) -> Option<String> {
    (subtasks > max)
        .then(|| format!("The plan has {subtasks} subtasks where at most {max} were asked for; all of them are done."))
}

/// The ids of subtasks that may start now, in the plan's order: all that they wait for has `ended`, done or failed.
///
/// An id in `after` that isn't in the plan holds a subtask back until the plan is `complete`, and is then ignored.
#[must_use]
pub fn ready(
    subtasks: &[Subtask],
    started: &BTreeSet<String>,
    ended: &BTreeSet<String>,
    complete: bool,
) -> Vec<String> {
    let planned: BTreeSet<&str> = subtasks.iter().map(|subtask| subtask.id.as_str()).collect();
    let free = |id: &String| ended.contains(id) || complete && !planned.contains(id.as_str());
    let waits = |subtask: &&Subtask| !started.contains(&subtask.id) && !ended.contains(&subtask.id);
    let may = subtasks.iter().filter(waits).filter(|subtask| subtask.after.iter().all(free));
    may.map(|subtask| subtask.id.clone()).collect()
}

/// Mends a complete plan as far as it can be mended without the planner: overlaps, unknown ids and cycles in `after`, signatures that
/// differ or that nobody provides, and files that nobody owns. What has `begun` stays as it is.
///
/// Returns the ownership that it added, by subtask; such files don't count for what a subtask delivered. What it did stands in the
/// plan's notes.
pub fn repair(
    plan: &mut Plan,
    task: &str,
    begun: &BTreeSet<String>,
    tree: &Tree,
    overlaps: &[Overlap],
) -> Vec<(String, RelPath)> {
    let mut added = Vec::new();
    for finding in findings(plan, task, begun, tree, overlaps) {
        match finding {
            Finding::Overlap { overlap, .. } => disjoint(plan, &overlap, begun),
            Finding::Unknown { id, other } => no_wait(plan, &id, &other, begun),
            Finding::Cycle { .. } => {}
            Finding::Differs { id, requires, provider, provides } => {
                agree(plan, &id, &requires, &provider, &provides, begun);
            }
            Finding::Unprovided { id, signature } => provide(plan, &id, &signature, begun),
            Finding::Manifest { path } => added.extend(give(plan, path, begun, "")),
            Finding::Entry { path } => {
                let words = format!("{path}: the entry point, which starts the program from what the others define");
                added.extend(give(plan, path, begun, &words));
            }
            Finding::Unowned { path, .. } => {
                let words = path.to_string();
                added.extend(give(plan, path, begun, &words));
            }
        }
    }
    cycles(plan, begun);
    added
}

/// Takes a file from the later of two; the earlier keeps it.
fn disjoint(plan: &mut Plan, overlap: &Overlap, begun: &BTreeSet<String>) {
    let Some(loses) = plan.subtasks.iter_mut().find(|one| one.id == overlap.loses && !begun.contains(&one.id)) else {
        return;
    };
    let before = loses.owns.len();
    loses.owns.retain(|path| path.folded() != overlap.path.folded());
    if loses.owns.len() < before {
        plan.notes.push(format!("{} stays with {}, which came before {}.", overlap.path, overlap.keeps, overlap.loses));
    }
}

fn no_wait(plan: &mut Plan, id: &str, other: &str, begun: &BTreeSet<String>) {
    let Some(subtask) = plan.subtasks.iter_mut().find(|one| one.id == id && !begun.contains(id)) else { return };
    subtask.after.retain(|one| one != other);
    plan.notes.push(format!("{id} waits for {other}, which isn't in the plan: it doesn't wait for it."));
}

/// Both sides of an interface say the same: the provider's text counts, unless only the provider can still be told.
fn agree(plan: &mut Plan, id: &str, requires: &str, provider: &str, provides: &str, begun: &BTreeSet<String>) {
    let open = |who: &str| !begun.contains(who);
    let counts = if open(id) {
        provides
    } else if open(provider) {
        requires
    } else {
        let text = format!("{id} requires `{requires}`, but {provider} provides `{provides}`, and both have started.");
        return plan.notes.push(text);
    };
    for one in plan.subtasks.iter_mut().filter(|one| open(&one.id)) {
        let list = if one.id == id {
            &mut one.requires
        } else if one.id == provider {
            &mut one.provides
        } else {
            continue;
        };
        list.iter_mut().filter(|text| *text == requires || *text == provides).for_each(|text| counts.clone_into(text));
    }
    plan.notes.push(format!("{id} requires `{requires}`, but {provider} provides `{provides}`: `{counts}` counts."));
}

/// What nobody provides is defined by whoever's files fit, else by the first that uses it.
fn provide(plan: &mut Plan, id: &str, signature: &str, begun: &BTreeSet<String>) {
    let Some(wanted) = Signature::read(signature) else { return };
    let same = |text: &String| Signature::read(text).is_some_and(|one| one.same_symbol(&wanted));
    // Somebody may have got it for another subtask that uses it.
    if plan.subtasks.iter().any(|one| one.provides.iter().any(same)) {
        return;
    }
    let open = |one: &&Subtask| !begun.contains(&one.id);
    let fits = |one: &&Subtask| {
        wanted.holder.as_ref().is_some_and(|holder| {
            let provides = one.provides.iter().filter_map(|text| Signature::read(text));
            let named =
                provides.into_iter().any(|other| other.symbol == *holder || other.holder.as_ref() == Some(holder));
            named || one.owns.iter().any(|path| language::stem(path) == holder.to_lowercase())
        })
    };
    let uses = |one: &&Subtask| {
        one.id == id
            || one.requires.iter().any(|text| Signature::read(text).is_some_and(|one| one.same_symbol(&wanted)))
    };
    let owner = plan.subtasks.iter().filter(open).find(fits).or_else(|| plan.subtasks.iter().filter(open).find(uses));
    let Some(owner) = owner.map(|one| one.id.clone()) else {
        plan.notes.push(format!("{id} requires `{signature}`, which nobody provides, and all who could have started."));
        return;
    };
    let Some(subtask) = plan.subtasks.iter_mut().find(|one| one.id == owner) else { return };
    subtask.requires.retain(|text| !Signature::read(text).is_some_and(|one| one.same_symbol(&wanted)));
    subtask.provides.push(signature.to_owned());
    let more = format!("\nNobody else defines `{signature}`: define it in your files, unless a library does.");
    subtask.instructions.push_str(&more);
    plan.notes.push(format!("{id} requires `{signature}`, which nobody provided: {owner} defines it."));
}

/// Gives a file that nobody owns to whom it fits best, and tells them in `words` to write it.
fn give(plan: &mut Plan, path: RelPath, begun: &BTreeSet<String>, words: &str) -> Option<(String, RelPath)> {
    let fits = fitting(plan, &path, begun);
    let language = LANGUAGES.iter().find(|one| one.manifest == path.file_name());
    let is_entry = |own: &RelPath| LANGUAGES.iter().any(|one| one.entries.contains(&own.file_name()));
    let rank = |one: &Subtask| {
        let first = match language {
            // Whoever has the entry point knows what the manifest needs.
            Some(_) => one.owns.iter().any(is_entry),
            None => fits.as_ref() == Some(&one.id),
        };
        let beside = one.owns.iter().filter(|own| language.is_none() && own.parent() == path.parent()).count();
        let alike = |own: &&RelPath| match language {
            Some(language) => language.has(own),
            None => own.extension() == path.extension(),
        };
        (first, beside, one.owns.iter().filter(alike).count())
    };
    let open = plan.subtasks.iter_mut().filter(|one| !begun.contains(&one.id) && !one.owns.is_empty());
    // The first of the best.
    let best = open.rev().max_by_key(|one| rank(one)).filter(|one| rank(one) > (false, 0, 0));
    let Some(subtask) = best else {
        plan.notes.push(format!("Nobody owns {path}, and all who could have started."));
        return None;
    };
    subtask.owns.push(path.clone());
    subtask.reads.retain(|one| one.folded() != path.folded());
    if !words.is_empty() {
        subtask.instructions.push_str(&format!("\nBesides, write {words}."));
    }
    plan.notes.push(format!("Nobody owned {path}: {} writes it.", subtask.id));
    Some((subtask.id.clone(), path))
}

/// Breaks cycles so that the earlier subtask goes first: waiting for an earlier one always holds, waiting for a later one if it closes
/// no cycle.
fn cycles(plan: &mut Plan, started: &BTreeSet<String>) {
    let place: BTreeMap<String, usize> =
        plan.subtasks.iter().enumerate().map(|(place, subtask)| (subtask.id.clone(), place)).collect();
    let mut edges: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); plan.subtasks.len()];
    let mut forward = Vec::new();
    for (from, subtask) in plan.subtasks.iter().enumerate().filter(|(_, subtask)| !started.contains(&subtask.id)) {
        for to in subtask.after.iter().filter_map(|other| place.get(other).copied()) {
            if to < from {
                if let Some(edges) = edges.get_mut(from) {
                    edges.insert(to);
                }
            } else {
                forward.push((from, to));
            }
        }
    }
    for (from, to) in forward {
        if !reaches(&edges, to, from) {
            if let Some(edges) = edges.get_mut(from) {
                edges.insert(to);
            }
            continue;
        }
        let other = plan.subtasks.get(to).map(|subtask| subtask.id.clone()).unwrap_or_default();
        if let Some(subtask) = plan.subtasks.get_mut(from) {
            subtask.after.retain(|id| *id != other);
            plan.notes.push(format!("{} and {other} wait for one another: {} goes first.", subtask.id, subtask.id));
        }
    }
}
