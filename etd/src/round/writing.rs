//! Files land: what was decided is recorded with the hashes before and after, then done, then recorded as done.
//!
//! A crash between the two records is mended by doing it again: the same change is no change the second time.

use std::collections::{BTreeMap, BTreeSet};

use proto::event::Event;
use proto::report::Refusal;
use serde::{Deserialize, Serialize};

use super::ablation::{Part, without};
use super::board::{Board, Touched};
use super::context::{RoundContext, Seen, Stop};
use super::logs::Decision;
use crate::blame::INTEGRATOR;
use crate::relpath::RelPath;
use crate::store::NewEvent;
use crate::workspace::{Applied, ApplyError, Change, Hash, Workspace, content, policy};

/// A file that a worker wants written, or deleted where there is no content.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// Where.
    pub path: RelPath,
    /// With LF line ends.
    pub content: Option<String>,
    /// If it has less than half of the file that is there, though the task doesn't ask for less.
    pub shrink: Shrink,
    /// Deleted because it moves there: it stays if that can't be written.
    pub moved_to: Option<RelPath>,
}

/// What becomes of a file that would shrink a lot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shrink {
    /// It is refused.
    Refuse,
    /// It isn't written, and its worker is to be asked whether it is meant so.
    Ask,
    /// It is meant so.
    Allow,
}

/// What is about to be done.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Intent {
    pub(super) changes: Vec<Change>,
    refused: Vec<Refusal>,
    attention: BTreeMap<RelPath, String>,
    /// Files whose content isn't what the worker saw.
    conflicts: Vec<RelPath>,
    /// Files that would shrink a lot.
    #[serde(default)]
    shrunk: Vec<RelPath>,
    /// Mode bits of files that are to be deleted: whoever puts them back needs them.
    #[serde(default)]
    pub(super) modes: BTreeMap<RelPath, u32>,
    /// Dirs that come into being with new files.
    #[serde(default)]
    pub(super) dirs: Vec<RelPath>,
    /// Files that are deleted because they move there: only once they have landed.
    #[serde(default)]
    moves: BTreeMap<RelPath, RelPath>,
}

/// What was done.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Written {
    /// Changes that were made, those that changed nothing included.
    pub done: Vec<Change>,
    /// What was refused, as written by the model.
    pub refused: Vec<Refusal>,
    /// Files that changed after the worker saw them: they weren't touched.
    pub conflicts: Vec<RelPath>,
    /// Files that would shrink a lot, and whose worker is to be asked: they weren't touched.
    #[serde(default)]
    pub shrunk: Vec<RelPath>,
}

impl Written {
    /// Files whose content is another one now.
    pub(super) fn changed(&self) -> Vec<String> {
        self.done.iter().filter(|change| change.before != change.after).map(|change| change.path.to_string()).collect()
    }
}

/// Writes what a worker wants, as far as policy and the tree allow. `seen` is what the worker was shown; `refused` comes from the reading
/// of the answer.
pub(super) async fn write(
    cx: &RoundContext,
    board: &Board,
    key: &str,
    worker: &str,
    wanted: Vec<Wanted>,
    seen: &Seen,
    refused: Vec<Refusal>,
) -> Result<Written, Stop> {
    let intent_key = format!("write/{key}");
    let intent = match cx.journal.recorded::<Intent>(&intent_key)? {
        Some(intent) => intent,
        None => {
            let (task, seen, who) = (cx.spec.task.clone(), seen.clone(), worker.to_owned());
            let decided = cx.on_workspace(move |workspace| decide(workspace, &task, &who, wanted, &seen)).await;
            let (mut intent, blobs) = decided?.unwrap_or_default();
            intent.refused.extend(refused);
            let events = intent.refused.iter().enumerate().map(|(number, refusal)| {
                let event = Event::FileRefused {
                    path: refusal.path.clone(),
                    worker: refusal.worker.clone(),
                    reason: refusal.reason.clone(),
                };
                NewEvent::new(format!("file.refused/{key}/{number}"), event)
            });
            cx.journal.record(&intent_key, None, &intent, events.collect(), blobs).await?;
            intent
        }
    };
    for (path, mode) in &intent.modes {
        board.lock().modes.entry(path.clone()).or_insert(*mode);
    }
    proto::hooks::pause("round.write_intended").await;
    let written = carry_out(cx, key, worker, intent).await?;
    note(board, worker, &written);
    Ok(written)
}

/// Gives a worker the files of a recorded write that nobody owns.
pub(super) fn claims(cx: &RoundContext, board: &Board, key: &str, worker: &str) -> Result<(), Stop> {
    if let Some(intent) = cx.journal.recorded::<Intent>(key)? {
        let mut known = board.lock();
        let changes = intent.changes.into_iter().map(|change| change.path);
        for path in changes.chain(intent.conflicts) {
            known.owners.claim(path, worker);
        }
    }
    Ok(())
}

/// Files that weren't there before the round's recorded writes, by their folded paths.
pub(super) fn created_before(cx: &RoundContext) -> Result<BTreeSet<String>, Stop> {
    let mut created = BTreeSet::new();
    for key in cx.journal.recorded_before().iter().filter(|key| key.starts_with("write/")) {
        let intent = cx.journal.recorded::<Intent>(key)?.unwrap_or_default();
        let new = intent.changes.iter().filter(|change| change.before.is_none());
        created.extend(new.map(|change| change.path.folded()));
    }
    Ok(created)
}

/// Puts files back to recorded contents; those that come back get the mode bits that they were deleted with.
pub(super) async fn restore(
    cx: &RoundContext,
    board: &Board,
    key: &str,
    changes: Vec<(Change, String)>,
) -> Result<Written, Stop> {
    let intent_key = format!("write/{key}");
    let workers: BTreeMap<RelPath, String> =
        changes.iter().map(|(change, worker)| (change.path.clone(), worker.clone())).collect();
    let intent = match cx.journal.recorded::<Intent>(&intent_key)? {
        Some(intent) => intent,
        None => {
            let changes = changes.into_iter().map(|(change, _)| change).collect();
            let modes = board.lock().modes.clone();
            let intent = Intent { changes, modes, ..Intent::default() };
            cx.journal.record(&intent_key, None, &intent, Vec::new(), Vec::new()).await?;
            intent
        }
    };
    let written = carry_out(cx, key, INTEGRATOR, intent).await?;
    for change in &written.done {
        let worker = workers.get(&change.path).map_or(INTEGRATOR, String::as_str);
        touch(board, worker, change);
    }
    Ok(written)
}

/// What is to be done about each file, with the contents to keep.
fn decide(
    workspace: &Workspace,
    task: &str,
    worker: &str,
    wanted: Vec<Wanted>,
    seen: &Seen,
) -> (Intent, Vec<(String, Vec<u8>)>) {
    let mut intent = Intent::default();
    let mut blobs = Vec::new();
    let mut moves = Vec::new();
    for Wanted { path, content, shrink, moved_to } in wanted {
        moves.extend(moved_to.map(|to| (path.clone(), to)));
        let refuse = |intent: &mut Intent, reason: String| {
            intent.refused.push(Refusal { path: path.to_string(), reason, worker: worker.to_owned() });
        };
        match policy::may_write(&path, task) {
            Ok(Some(attention)) => {
                intent.attention.insert(path.clone(), attention);
            }
            Ok(None) => {}
            Err(reason) => {
                refuse(&mut intent, reason);
                continue;
            }
        }
        let current = match workspace.image(&path) {
            Ok(current) => current,
            Err(error) => {
                refuse(&mut intent, error.to_string());
                continue;
            }
        };
        let before = seen.get(&path).cloned().flatten();
        let before =
            if without(Part::Ownership) { current.as_ref().map(|current| current.hash.clone()) } else { before };
        let found = current.as_ref().map(|current| current.hash.clone());
        let after = content.map(|content| content::adapt(&content, current.as_ref().map(|c| c.bytes.as_slice())));
        let after_hash = after.as_deref().map(Hash::of);
        if found != before && found != after_hash {
            intent.conflicts.push(path);
            continue;
        }
        if let (Some(after), Some(current)) = (&after, &current)
            && shrink != Shrink::Allow
            && content::shrunk(&String::from_utf8_lossy(after), &current.bytes, task)
        {
            if shrink == Shrink::Ask {
                intent.shrunk.push(path);
                continue;
            }
            refuse(
                &mut intent,
                "the answer has less than half of the file, and the task doesn't ask for less".to_owned(),
            );
            continue;
        }
        if after.is_none()
            && let Some(mode) = workspace.mode(&path)
        {
            intent.modes.insert(path.clone(), mode);
        }
        if found.is_none() && after.is_some() {
            intent.dirs.extend(workspace.missing_dirs(&path));
        }
        if let Some(current) = current {
            blobs.push((current.hash.0, current.bytes));
        }
        if let (Some(after), Some(hash)) = (after, &after_hash) {
            blobs.push((hash.0.clone(), after));
        }
        intent.changes.push(Change { path, before: found, after: after_hash });
    }
    for (from, to) in moves {
        if !intent.changes.iter().any(|change| change.path == to && change.after.is_some()) {
            intent.changes.retain(|change| change.path != from);
            intent.refused.push(Refusal { path: from.to_string(), reason: stays(&to), worker: worker.to_owned() });
        } else {
            intent.moves.insert(from, to);
        }
    }
    // What moves away goes last.
    intent.changes.sort_by_key(|change| intent.moves.contains_key(&change.path));
    (intent, blobs)
}

fn stays(to: &RelPath) -> String {
    format!("it stays, as {to} can't be written")
}

/// Makes changes in their order. A file stays where the one that it moves to didn't land.
fn apply_all(workspace: &Workspace, intent: &Intent, contents: &[Option<Vec<u8>>]) -> Vec<Result<Applied, ApplyError>> {
    let changes = &intent.changes;
    let mut results: Vec<Result<Applied, ApplyError>> = Vec::with_capacity(changes.len());
    for (change, content) in changes.iter().zip(contents) {
        let lost = intent.moves.get(&change.path).filter(|to| {
            let landed = changes.iter().zip(&results).any(|(one, result)| one.path == **to && result.is_ok());
            !landed
        });
        // Of a file that comes back; one that is there has its own.
        let mode = intent.modes.get(&change.path).copied().filter(|_| change.before.is_none());
        results.push(match lost {
            Some(to) => Err(ApplyError::Refused { path: change.path.clone(), reason: stays(to) }),
            None => workspace.apply_as(change, content.as_deref(), mode),
        });
        proto::hooks::pause_blocking("round.file_applied");
    }
    results
}

/// Makes the changes of an intent, and records what came of them.
async fn carry_out(cx: &RoundContext, key: &str, worker: &str, intent: Intent) -> Result<Written, Stop> {
    let done_key = format!("wrote/{key}");
    if let Some(written) = cx.journal.recorded::<Written>(&done_key)? {
        return Ok(written);
    }
    let mut contents = Vec::new();
    for change in &intent.changes {
        contents.push(match &change.after {
            Some(hash) => Some(cx.journal.blob(&hash.0).await?),
            None => None,
        });
    }
    let sizes: Vec<u64> =
        contents.iter().map(|content| content.as_ref().map_or(0, |bytes| bytes.len() as u64)).collect();
    let done = intent.clone();
    let results = cx.on_workspace(move |workspace| apply_all(workspace, &done, &contents)).await?.unwrap_or_default();
    proto::hooks::pause("round.written").await;
    let mut written =
        Written { done: Vec::new(), refused: intent.refused, conflicts: intent.conflicts, shrunk: intent.shrunk };
    let mut events = Vec::new();
    for ((change, result), bytes) in intent.changes.into_iter().zip(results).zip(sizes) {
        let path = change.path.to_string();
        match result {
            Ok(Applied::Written | Applied::Deleted | Applied::Already) => {
                let event = match &change.after {
                    Some(hash) => Event::FileWritten {
                        path: path.clone(),
                        worker: worker.to_owned(),
                        sha256: hash.0.clone(),
                        bytes,
                        created: change.before.is_none(),
                        attention: intent.attention.get(&change.path).cloned(),
                    },
                    None => Event::FileDeleted { path: path.clone(), worker: worker.to_owned() },
                };
                if change.before != change.after {
                    events.push(NewEvent::new(format!("file/{key}/{path}"), event));
                }
                written.done.push(change);
            }
            Err(ApplyError::Conflict { .. }) => written.conflicts.push(change.path),
            Err(error) => {
                let reason = error.to_string();
                let event =
                    Event::FileRefused { path: path.clone(), worker: worker.to_owned(), reason: reason.clone() };
                events.push(NewEvent::new(format!("file/{key}/{path}"), event));
                written.refused.push(Refusal { path, reason, worker: worker.to_owned() });
            }
        }
    }
    cx.journal.record(&done_key, None, &written, events, Vec::new()).await?;
    proto::hooks::pause("round.write_recorded").await;
    let files = written.changed();
    cx.logs.decide(Decision {
        timestamp: String::new(),
        phase: "write",
        agent: worker,
        intent: key,
        action: format!("wrote {} file(s): {}", files.len(), files.join(", ")),
        outcome: if written.refused.is_empty() && written.conflicts.is_empty() && written.shrunk.is_empty() {
            "written"
        } else {
            "in part"
        },
        detail: written
            .refused
            .iter()
            .map(|one| format!("{}: {}", one.path, one.reason))
            .collect::<Vec<_>>()
            .join("; "),
        token_cost: 0,
    });
    Ok(written)
}

fn note(board: &Board, worker: &str, written: &Written) {
    for change in &written.done {
        touch(board, worker, change);
    }
    board.lock().refused.extend(written.refused.iter().cloned());
}

fn touch(board: &Board, worker: &str, change: &Change) {
    let mut known = board.lock();
    if change.before == change.after && !known.files.contains_key(&change.path) {
        return;
    }
    let touched = known.files.entry(change.path.clone()).or_insert_with(|| Touched {
        original: change.before.clone(),
        current: None,
        worker: String::new(),
    });
    touched.current.clone_from(&change.after);
    worker.clone_into(&mut touched.worker);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]
    use super::*;

    #[test]
    fn a_file_stays_where_the_one_it_moves_to_does_not_land() {
        let hash = |text: &str| Some(Hash::of(text.as_bytes()));
        // What stands at the new place by then → whether the old one goes.
        for (there, moved) in [(None, true), (Some("by hand"), false)] {
            let dir = tempfile::tempdir().unwrap();
            std::fs::write(dir.path().join("a.c"), "old").unwrap();
            if let Some(text) = there {
                std::fs::write(dir.path().join("b.c"), text).unwrap();
            }
            let workspace = Workspace::open(dir.path(), None).unwrap();
            let path = |text: &str| RelPath::parse(text).unwrap();
            let changes = vec![
                Change { path: path("b.c"), before: None, after: hash("old") },
                Change { path: path("a.c"), before: hash("old"), after: None },
            ];
            let moves = BTreeMap::from([(path("a.c"), path("b.c"))]);
            let intent = Intent { changes, moves, ..Intent::default() };
            let results = apply_all(&workspace, &intent, &[Some(b"old".to_vec()), None]);
            assert_eq!(results.iter().all(Result::is_ok), moved);
            assert_eq!(dir.path().join("a.c").exists(), !moved);
        }
    }
}
