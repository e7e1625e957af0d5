//! Chains: subtasks that wait for one another gain nothing by being several, so one worker does them in one call.

use std::collections::BTreeSet;

use super::{Merged, Overlap, Plan, Subtask, Tree};

/// Subtasks that one call does at most.
const SUBTASKS: usize = 4;
/// Files that one call writes at most.
const FILES: usize = 8;
/// Bytes of existing files that one call changes at most.
const BYTES: u64 = 48 * 1024;

/// Gives each chain of subtasks to one worker: where one has a single dependent that waits for nothing else, both are one question, with
/// the first one's id, all their files and their instructions in order. What has `begun` stays as it is, so a chain whose head is at
/// work begins behind it. Subtasks for different specialists, without files of their own, or too big for one answer stay apart.
///
/// A subtask without a file of its own because others have them all (`overlaps`) joins the first of those.
pub fn merge(plan: &mut Plan, begun: &BTreeSet<String>, tree: &Tree, overlaps: &[Overlap]) -> Vec<Merged> {
    let mut merged: Vec<Merged> = Vec::new();
    for Overlap { keeps, loses, .. } in overlaps {
        if plan.subtasks.iter().any(|one| one.id == *loses && one.owns.is_empty()) {
            join(plan, &mut merged, keeps, loses, begun, &|_, _| true);
        }
    }
    let fits = |parts: &[Subtask], next: &Subtask| {
        let all = || parts.iter().chain([next]).flat_map(|one| &one.owns);
        let bytes: u64 = all().filter_map(|path| tree.files.get(&path.folded())).sum();
        parts.len() < SUBTASKS
            && all().count() <= FILES
            && bytes <= BYTES
            && !next.owns.is_empty()
            && parts.iter().all(|one| !one.owns.is_empty() && one.specialist == next.specialist)
    };
    let mut at = 0;
    while let Some(head) = plan.subtasks.get(at).map(|one| one.id.clone()) {
        let dependents: Vec<&Subtask> = plan.subtasks.iter().filter(|one| one.after.contains(&head)).collect();
        let only = match dependents.as_slice() {
            [one] if one.after.len() == 1 => Some(one.id.clone()),
            _ => None,
        };
        let joined = only.is_some_and(|next| join(plan, &mut merged, &head, &next, begun, &fits));
        // The same one again while its chain goes on; what stood before it has moved then.
        at = if joined { plan.subtasks.iter().position(|one| one.id == head).unwrap_or(at) } else { at + 1 };
    }
    for one in &merged {
        let ids: Vec<&str> = one.parts.iter().map(|part| part.id.as_str()).collect();
        plan.notes.push(format!("{} go to one worker, one after the other.", ids.join(", ")));
    }
    merged
}

/// Makes `next` a part of `head`, if both are open and `fits` allows it.
fn join(
    plan: &mut Plan,
    merged: &mut Vec<Merged>,
    head: &str,
    next: &str,
    begun: &BTreeSet<String>,
    fits: &dyn Fn(&[Subtask], &Subtask) -> bool,
) -> bool {
    if head == next || begun.contains(head) || begun.contains(next) {
        return false;
    }
    let place = |id: &str| plan.subtasks.iter().position(|one| one.id == id);
    let (Some(at), Some(from)) = (place(head), place(next)) else { return false };
    let (Some(host), Some(guest)) = (plan.subtasks.get(at).cloned(), plan.subtasks.get(from).cloned()) else {
        return false;
    };
    let parts_of = |one: &Subtask| {
        let known = merged.iter().find(|known| known.into == one.id);
        known.map_or_else(|| vec![one.clone()], |known| known.parts.clone())
    };
    let mut parts = parts_of(&host);
    for part in parts_of(&guest) {
        if !fits(&parts, &part) {
            return false;
        }
        parts.push(part);
    }
    let one = joined(&host.id, &host.after, &parts);
    for other in &mut plan.subtasks {
        for id in other.after.iter_mut().filter(|id| *id == next) {
            head.clone_into(id);
        }
    }
    if let Some(slot) = plan.subtasks.get_mut(at) {
        *slot = one;
    }
    plan.subtasks.remove(from);
    merged.retain(|known| known.into != head && known.into != next);
    merged.push(Merged { into: head.to_owned(), parts });
    true
}

/// Several subtasks as one.
fn joined(id: &str, after: &[String], parts: &[Subtask]) -> Subtask {
    let mut one = Subtask {
        id: id.to_owned(),
        title: parts.iter().map(|part| part.title.as_str()).collect::<Vec<_>>().join("; "),
        instructions: "These parts follow on one another; do them all, in this order.".to_owned(),
        owns: Vec::new(),
        reads: Vec::new(),
        after: after.to_vec(),
        provides: Vec::new(),
        requires: Vec::new(),
        specialist: parts.first().and_then(|part| part.specialist.clone()),
    };
    for (number, part) in parts.iter().enumerate() {
        one.instructions.push_str(&format!("\n\n{}. {}\n{}", number + 1, part.title, part.instructions));
        one.owns.extend(part.owns.iter().cloned());
        one.provides.extend(part.provides.iter().cloned());
    }
    let own: BTreeSet<String> = one.owns.iter().map(|path| path.folded()).collect();
    for part in parts {
        for path in part.reads.iter().filter(|path| !own.contains(&path.folded())) {
            if !one.reads.contains(path) {
                one.reads.push(path.clone());
            }
        }
        for text in &part.requires {
            if !one.provides.contains(text) && !one.requires.contains(text) {
                one.requires.push(text.clone());
            }
        }
    }
    one
}
