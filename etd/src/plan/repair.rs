//! What a plan needs once it is complete, and which of its subtasks may start.

use std::collections::{BTreeMap, BTreeSet};

use super::{CheckHint, Contract, Plan, PlanForm, Subtask};
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

/// Repairs a complete plan: unknown ids and cycles in `after`, and a manifest that nobody owns. What has `started` stays as it is.
///
/// Returns the ownership that it added, by subtask; such files don't count for what a subtask delivered. `existing` tells which files
/// are there already. What it did stands in the plan's notes.
pub fn validate(
    plan: &mut Plan,
    started: &BTreeSet<String>,
    existing: &dyn Fn(&RelPath) -> bool,
) -> Vec<(String, RelPath)> {
    unknown(plan, started);
    cycles(plan, started);
    manifests(plan, started, existing)
}

fn unknown(plan: &mut Plan, started: &BTreeSet<String>) {
    let ids: BTreeSet<String> = plan.subtasks.iter().map(|subtask| subtask.id.clone()).collect();
    for subtask in plan.subtasks.iter_mut().filter(|subtask| !started.contains(&subtask.id)) {
        let id = subtask.id.clone();
        subtask.after.retain(|other| {
            let kept = ids.contains(other) && *other != id;
            if !kept {
                plan.notes.push(format!("{id} waits for {other}, which isn't in the plan: it doesn't wait for it."));
            }
            kept
        });
    }
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

fn reaches(edges: &[BTreeSet<usize>], from: usize, to: usize) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = vec![from];
    while let Some(at) = open.pop() {
        if at == to {
            return true;
        }
        if seen.insert(at) {
            open.extend(edges.get(at).into_iter().flatten());
        }
    }
    false
}

struct Language {
    manifest: &'static str,
    /// Words by which a planner calls it.
    words: &'static [&'static str],
    extensions: &'static [&'static str],
    entries: &'static [&'static str],
    /// Whether files alone tell that a manifest is needed, where the planner named no language.
    certain: bool,
}

const LANGUAGES: &[Language] = &[
    Language {
        manifest: "go.mod",
        words: &["go", "golang"],
        extensions: &["go"],
        entries: &["main.go"],
        certain: true,
    },
    Language {
        manifest: "Cargo.toml",
        words: &["rust"],
        extensions: &["rs"],
        entries: &["main.rs", "lib.rs"],
        certain: true,
    },
    Language {
        manifest: "package.json",
        words: &["typescript", "javascript", "node", "nodejs", "js", "ts"],
        extensions: &["ts", "tsx", "js", "jsx", "mjs", "cjs"],
        entries: &[
            "index.ts",
            "main.ts",
            "server.ts",
            "app.ts",
            "cli.ts",
            "index.js",
            "main.js",
            "server.js",
            "app.js",
            "cli.js",
        ],
        certain: false,
    },
];

fn manifests(
    plan: &mut Plan,
    started: &BTreeSet<String>,
    existing: &dyn Fn(&RelPath) -> bool,
) -> Vec<(String, RelPath)> {
    let named = plan.contract.language.to_lowercase();
    let words: BTreeSet<&str> = named.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let mut added = Vec::new();
    for language in LANGUAGES {
        let called = language.words.iter().any(|word| words.contains(word)) || words.is_empty() && language.certain;
        let has = |path: &&RelPath| language.extensions.contains(&path.extension());
        let files: Vec<RelPath> = plan.subtasks.iter().flat_map(|subtask| &subtask.owns).filter(has).cloned().collect();
        let owned =
            plan.subtasks.iter().flat_map(|subtask| &subtask.owns).any(|path| path.file_name() == language.manifest);
        if !called || files.is_empty() || owned {
            continue;
        }
        // Where the planner wants it, else at the top.
        let laid = plan.contract.layout.iter().filter_map(|path| RelPath::parse(path).ok());
        let laid = laid.filter(|path| path.file_name() == language.manifest).min_by_key(|path| path.as_str().len());
        let Some(manifest) = laid.or_else(|| RelPath::parse(language.manifest).ok()) else {
            continue;
        };
        if existing(&manifest) || files.iter().any(|path| above(path, language.manifest).any(|path| existing(&path))) {
            continue;
        }
        let rank = |subtask: &Subtask| {
            let entry = subtask.owns.iter().any(|path| language.entries.contains(&path.file_name()));
            (entry, subtask.owns.iter().filter(has).count())
        };
        let open = plan.subtasks.iter_mut().filter(|subtask| !started.contains(&subtask.id));
        // The first of the best.
        let best = open.rev().max_by_key(|subtask| rank(subtask)).filter(|subtask| rank(subtask).1 > 0);
        let Some(subtask) = best else {
            plan.notes.push(format!("Nobody owns {manifest}, and all who could have started."));
            continue;
        };
        subtask.owns.push(manifest.clone());
        subtask.reads.retain(|path| path.folded() != manifest.folded());
        plan.notes.push(format!("Nobody owned {manifest}: {} writes it.", subtask.id));
        added.push((subtask.id.clone(), manifest));
    }
    added
}

/// The places of a manifest in the directories around a file.
fn above<'a>(path: &'a RelPath, manifest: &'a str) -> impl Iterator<Item = RelPath> + 'a {
    let up = |parent: &&'a str| (!parent.is_empty()).then(|| parent.rsplit_once('/').map_or("", |(above, _)| above));
    let parents = std::iter::successors(Some(path.parent()), up);
    parents.filter_map(move |parent| RelPath::parse(&format!("./{parent}/{manifest}")).ok())
}
