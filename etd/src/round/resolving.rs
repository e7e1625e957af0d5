//! An answer is read, and its edits and moves become whole contents, by what the worker was shown. A step: what is there changes when they land, and a
//! round that is resumed must come to the same contents.

use std::collections::{BTreeMap, BTreeSet};

use proto::report::Refusal;
use serde::{Deserialize, Serialize};

use super::ablation::{Part, without};
use super::board::Known;
use super::context::{RoundContext, Seen, Stop};
use crate::answer::{self, Answer, Current, Expected, Failed, Resolved};
use crate::calls::CallRecord;
use crate::provider::StopReason;
use crate::relpath::RelPath;
use crate::store::StoreError;
use crate::workspace::{Hash, Workspace};

/// Contents by path; none: the file goes.
pub(super) type Contents = BTreeMap<RelPath, Option<String>>;

#[derive(Serialize, Deserialize)]
struct Recorded {
    files: BTreeMap<RelPath, Option<Hash>>,
    failed: Vec<(RelPath, String)>,
    unseen: Vec<RelPath>,
    #[serde(default)]
    misapplied: bool,
}

/// Reads an answer for the files that it means.
pub(super) fn read(cx: &RoundContext, record: &CallRecord, owns: &[RelPath]) -> Answer {
    let cut = record.stop != StopReason::End;
    answer::read(&record.text, &Expected { owns, work_dir_name: cx.work_dir_name(), cut })
}

/// What an answer makes of the tree. `seen` is what the worker was shown, `kept` what it gave before and that hasn't landed.
pub(super) async fn resolve(
    cx: &RoundContext,
    key: &str,
    answer: &Answer,
    seen: &Seen,
    kept: &Contents,
) -> Result<Resolved, Stop> {
    if answer.edits.is_empty() && answer.moves.is_empty() {
        return Ok(answer::resolve(answer, &|_| Current::Unseen));
    }
    let key = format!("edits/{key}");
    if let Some(recorded) = cx.journal.recorded::<Recorded>(&key)? {
        return restored(cx, recorded).await;
    }
    let edited = answer.edits.iter().map(|edit| &edit.path);
    let moved = answer.moves.iter().flat_map(|(from, to)| [from, to]);
    let paths: Vec<RelPath> = edited.chain(moved).cloned().collect();
    let shown = seen.clone();
    let read = cx.on_workspace(move |workspace| {
        paths.into_iter().map(|path| (path.clone(), current(workspace, &path, &shown))).collect::<BTreeMap<_, _>>()
    });
    let there = read.await?.unwrap_or_default();
    let resolved = fitting(answer, &there, kept);
    let mut blobs = Vec::new();
    let mut files = BTreeMap::new();
    for (path, content) in &resolved.files {
        let hash = content.as_ref().map(|content| Hash::of(content.as_bytes()));
        if let (Some(content), Some(hash)) = (content, &hash) {
            blobs.push((hash.0.clone(), content.clone().into_bytes()));
        }
        files.insert(path.clone(), hash);
    }
    let failed = resolved.failed.iter().map(|failed| (failed.path.clone(), failed.reason.clone())).collect();
    let recorded = Recorded { files, failed, unseen: resolved.unseen.clone(), misapplied: resolved.misapplied };
    cx.journal.record(&key, None, &recorded, Vec::new(), blobs).await?;
    Ok(resolved)
}

/// Edits for what was kept of earlier answers, or else for what is in the tree: who is asked again may repeat all edits of a file, mended.
fn fitting(answer: &Answer, there: &BTreeMap<RelPath, Current>, kept: &Contents) -> Resolved {
    let resolve = |anew: &BTreeSet<RelPath>| {
        answer::resolve(answer, &|path| match kept.get(path).filter(|_| !anew.contains(path)) {
            Some(content) => content.clone().map_or(Current::Absent, Current::Text),
            // Without a work dir nothing is there.
            None => there.get(path).cloned().unwrap_or(Current::Absent),
        })
    };
    let failed = |resolved: &Resolved| -> BTreeSet<RelPath> {
        resolved.failed.iter().map(|failed| failed.path.clone()).collect()
    };
    let first = resolve(&BTreeSet::new());
    let mut anew: BTreeSet<RelPath> = failed(&first).into_iter().filter(|path| kept.contains_key(path)).collect();
    if anew.is_empty() {
        return first;
    }
    let bad = failed(&resolve(&anew));
    anew.retain(|path| !bad.contains(path));
    if anew.is_empty() { first } else { resolve(&anew) }
}

async fn restored(cx: &RoundContext, recorded: Recorded) -> Result<Resolved, Stop> {
    let mut resolved = Resolved {
        failed: recorded.failed.into_iter().map(|(path, reason)| Failed { path, reason }).collect(),
        unseen: recorded.unseen,
        misapplied: recorded.misapplied,
        ..Resolved::default()
    };
    for (path, hash) in recorded.files {
        let content = match hash {
            Some(hash) => {
                let bytes = cx.journal.blob(&hash.0).await?;
                let text = String::from_utf8(bytes).map_err(|error| StoreError::Content {
                    what: format!("content {}", hash.0),
                    why: error.to_string(),
                })?;
                Some(text)
            }
            None => None,
        };
        resolved.files.insert(path, content);
    }
    Ok(resolved)
}

/// What a file is, against what was shown of it.
fn current(workspace: &Workspace, path: &RelPath, seen: &Seen) -> Current {
    let Ok(found) = workspace.image(path) else { return Current::Unseen };
    let hash = found.as_ref().map(|found| &found.hash);
    match seen.get(path) {
        Some(shown) if shown.as_ref() != hash => Current::Changed,
        None if hash.is_some() => Current::Unseen,
        _ => match found.map(|found| String::from_utf8(found.bytes)) {
            None => Current::Absent,
            Some(Ok(text)) => Current::Text(text),
            // Only text is shown.
            Some(Err(_)) => Current::Unseen,
        },
    }
}

/// Notes whose edits didn't apply: a model that fails at it is asked for whole files.
pub(super) fn note(known: &mut Known, model: &str, resolved: &Resolved) {
    if resolved.misapplied {
        *known.misapplied.entry(model.to_owned()).or_default() += 1;
    }
}

/// Takes what isn't this worker's from what failed or wasn't shown; it is refused, not asked again. `lent`: files that it may write besides
/// its own.
pub(super) fn not_mine(known: &Known, worker: &str, lent: &[RelPath], resolved: &mut Resolved) -> Vec<Refusal> {
    let mut refused = Vec::new();
    let mut refuse = |path: &RelPath, reason: String| {
        refused.push(Refusal { path: path.to_string(), reason, worker: worker.to_owned() });
    };
    let other = |path: &RelPath| {
        let owner = known.owners.owner_of(path).filter(|owner| *owner != worker && !lent.contains(path));
        owner.filter(|_| !without(Part::Ownership)).map(str::to_owned)
    };
    for path in std::mem::take(&mut resolved.unseen) {
        let reason = match other(&path) {
            Some(owner) => format!("it belongs to {owner}"),
            None => "its content wasn't shown".to_owned(),
        };
        refuse(&path, reason);
    }
    resolved.failed.retain(|failed| match other(&failed.path) {
        Some(owner) => {
            refuse(&failed.path, format!("it belongs to {owner}"));
            false
        }
        None => true,
    });
    refused
}

/// What a worker gave in answers that weren't enough.
#[derive(Default)]
pub(super) struct Kept {
    /// Complete files.
    pub files: Contents,
    /// From, to.
    pub moves: Vec<(RelPath, RelPath)>,
    /// What it was shown of them when it gave them.
    pub based: Seen,
    /// What it may not change.
    pub refused: Vec<Refusal>,
}

impl Kept {
    /// Those of which the same is shown now: edits are for them.
    pub(super) fn still(&self, seen: &Seen) -> Contents {
        let same = |path: &RelPath| self.based.get(path) == seen.get(path);
        self.files.iter().filter(|(path, _)| same(path)).map(|(path, text)| (path.clone(), text.clone())).collect()
    }

    /// Adds what an answer makes of the tree.
    pub(super) fn take(&mut self, files: Contents, moves: &[(RelPath, RelPath)], seen: &Seen) {
        for path in files.keys() {
            match seen.get(path) {
                Some(shown) => self.based.insert(path.clone(), shown.clone()),
                None => self.based.remove(path),
            };
        }
        self.files.extend(files);
        self.moves.extend(moves.iter().cloned());
    }
}

/// All that failed, for the question that follows.
pub(super) fn reasons(failed: &[Failed]) -> String {
    failed.iter().map(|failed| failed.reason.as_str()).collect::<Vec<_>>().join("\n")
}

/// Takes moves out of `files` of which a worker may not write both paths; they are refused as a whole.
pub(super) fn without_foreign_moves(
    files: &Contents,
    moves: &[(RelPath, RelPath)],
    worker: &str,
    may_write: &dyn Fn(&RelPath) -> bool,
) -> (Contents, Vec<Refusal>) {
    let mut files = files.clone();
    let mut refused = Vec::new();
    for (from, to) in moves {
        if may_write(from) && may_write(to) || !files.contains_key(from) {
            continue;
        }
        files.remove(from);
        files.remove(to);
        let reason = format!("it can't be moved to {to}: both must be the worker's");
        refused.push(Refusal { path: from.to_string(), reason, worker: worker.to_owned() });
    }
    (files, refused)
}

/// Where a file goes that is deleted because it moves.
pub(super) fn moved_to(path: &RelPath, files: &Contents, moves: &[(RelPath, RelPath)]) -> Option<RelPath> {
    let gone = files.get(path).is_some_and(Option::is_none);
    moves.iter().find(|(from, _)| gone && from == path).map(|(_, to)| to.clone())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]
    use super::*;
    use crate::answer::Expected;

    #[test]
    fn edits_are_for_what_was_kept_or_else_for_the_tree() {
        let path = RelPath::parse("a.py").unwrap();
        let tree = "one = 1\ntwo = 2\nlast = 9\n";
        let kept = "one = 1\ntwo = (2\nlast = 8\n";
        let edit = |pairs: &[(&str, &str)]| {
            let hunk = |(old, new): &(&str, &str)| format!("<<<<<<< SEARCH\n{old}\n=======\n{new}\n>>>>>>> REPLACE\n");
            format!("===FILE: a.py===\n{}===ENDFILE===\n", pairs.iter().map(hunk).collect::<String>())
        };
        // What is edited, what comes of it, whether all applied.
        let table = [
            // Only what was wrong, on top of what was given before.
            (edit(&[("two = (2", "two = (2)")]), "one = 1\ntwo = (2)\nlast = 8\n", true),
            // All of it once more.
            (edit(&[("two = 2", "two = (2)"), ("last = 9", "last = 8")]), "one = 1\ntwo = (2)\nlast = 8\n", true),
            // Neither: what was given before stays.
            (edit(&[("two = 5", "two = (2)"), ("one = 1", "one = 0")]), "one = 0\ntwo = (2\nlast = 8\n", false),
        ];
        for (text, expected, all) in table {
            let owns = [path.clone()];
            let answer = answer::read(&text, &Expected { owns: &owns, work_dir_name: "work", cut: false });
            let there = BTreeMap::from([(path.clone(), Current::Text(tree.to_owned()))]);
            let kept = Contents::from([(path.clone(), Some(kept.to_owned()))]);
            let resolved = fitting(&answer, &there, &kept);
            assert_eq!(resolved.files[&path].as_deref(), Some(expected), "{text}");
            assert_eq!(resolved.failed.is_empty(), all, "{text}");
        }
    }
}
