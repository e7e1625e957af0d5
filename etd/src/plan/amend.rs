//! The planner's answer to what was found in its plan.

use std::collections::{BTreeMap, BTreeSet};

use super::{Contract, Overlap, Plan, Subtask};

/// Takes changed and new subtasks into a plan. What has `begun` stays as it is, with its files; between the rest, the answer counts
/// before what was planned first. Files that the answer's layout leaves out and that nobody owns aren't wanted any more.
///
/// Returns the ids of subtasks that are new or other than before, in the plan's order. What couldn't be taken stands in the notes; who
/// lost a file to whom is added to `overlaps`.
pub fn amend(
    plan: &mut Plan,
    answer: &[Subtask],
    contract: Option<&Contract>,
    begun: &BTreeSet<String>,
    overlaps: &mut Vec<Overlap>,
) -> Vec<String> {
    let before = plan.subtasks.clone();
    // Who may have a file: what has begun, then the answer in its order, then the rest.
    let mut owners: BTreeMap<String, String> = BTreeMap::new();
    let claim = |owners: &mut BTreeMap<String, String>, one: &Subtask| {
        for path in &one.owns {
            owners.entry(path.folded()).or_insert_with(|| one.id.clone());
        }
    };
    before.iter().filter(|one| begun.contains(&one.id)).for_each(|one| claim(&mut owners, one));
    let usable: Vec<&Subtask> = answer.iter().filter(|one| !begun.contains(&one.id)).collect();
    usable.iter().for_each(|one| claim(&mut owners, one));
    before.iter().filter(|one| usable.iter().all(|other| other.id != one.id)).for_each(|one| claim(&mut owners, one));
    for one in usable {
        match plan.subtasks.iter_mut().find(|known| known.id == one.id) {
            Some(known) => known.clone_from(one),
            None => plan.subtasks.push(one.clone()),
        }
    }
    let mut homeless = BTreeSet::new();
    for one in plan.subtasks.iter_mut().filter(|one| !begun.contains(&one.id)) {
        let had = one.owns.len();
        let id = one.id.clone();
        one.owns.retain(|path| {
            let mine = owners.get(&path.folded()) == Some(&id);
            if let Some(owner) = owners.get(&path.folded()).filter(|_| !mine) {
                plan.notes.push(format!("{path} belongs to {owner}, not to {id}."));
                overlaps.push(Overlap { path: path.clone(), keeps: owner.clone(), loses: id.clone() });
            }
            mine
        });
        // What it was about somebody else does now.
        if had > 0 && one.owns.is_empty() && before.iter().all(|known| known.id != id) {
            homeless.insert(id);
        }
    }
    plan.subtasks.retain(|one| !homeless.contains(&one.id));
    if let Some(layout) = contract.map(|contract| &contract.layout).filter(|layout| !layout.is_empty()) {
        let wanted =
            |path: &String| layout.contains(path) || owners.contains_key(&path.trim_start_matches("./").to_lowercase());
        plan.contract.layout.retain(wanted);
    }
    let same = |one: &&Subtask| before.iter().any(|known| known == *one);
    plan.subtasks.iter().filter(|one| !same(one)).map(|one| one.id.clone()).collect()
}
