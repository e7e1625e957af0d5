//! What a worker's answer becomes: files of its own, refusals, offers to the integrator, and a subtask that is delivered or isn't.

use proto::report::Refusal;

use super::ablation::{Part, without};
use super::board::{Board, Progress};
use super::context::{RoundContext, Seen, Stop};
use super::resolving::{self, Contents, Kept};
use super::writing::{self, Shrink, Wanted, Written};
use crate::answer::{Answer, Problem};
use crate::plan::Subtask;
use crate::relpath::RelPath;

/// An answer that could be used.
pub(super) struct Candidate {
    pub(super) score: Option<u32>,
    pub(super) files: Contents,
    pub(super) moves: Vec<(RelPath, RelPath)>,
    pub(super) answer: Answer,
    pub(super) refused: Vec<Refusal>,
    /// What the worker was shown when it gave the files.
    pub(super) seen: Seen,
    /// Whether a file that was there already should have changed and didn't arrive whole.
    pub(super) stale: bool,
}

impl Candidate {
    pub(super) fn unreviewed(kept: &Kept, answer: Answer, mut seen: Seen, stale: bool) -> Self {
        seen.extend(kept.based.clone());
        let (files, moves, refused) = (kept.files.clone(), kept.moves.clone(), kept.refused.clone());
        Self { score: None, files, moves, answer, refused, seen, stale }
    }
}

/// What of an answer may be written by whom; the rest is refused or offered to the integrator.
pub(super) fn share_out(
    board: &Board,
    worker: &str,
    files: &Contents,
    moves: &[(RelPath, RelPath)],
    may_claim: bool,
) -> (Vec<Wanted>, Vec<Refusal>) {
    let anybody = without(Part::Ownership);
    let may_claim = may_claim || anybody;
    let mut known = board.lock();
    let mut wanted = Vec::new();
    let may_write = |path: &RelPath| known.owners.owner_of(path).map_or(may_claim, |owner| anybody || owner == worker);
    let (files, mut refused) = resolving::without_foreign_moves(files, moves, worker, &may_write);
    for (path, content) in &files {
        if may_claim {
            known.owners.claim(path.clone(), worker);
        }
        match known.owners.owner_of(path) {
            Some(owner) if anybody || owner == worker => {
                let moved_to = resolving::moved_to(path, &files, moves);
                wanted.push(Wanted { path: path.clone(), content: content.clone(), shrink: Shrink::Refuse, moved_to })
            }
            Some(owner) => refused.push(Refusal {
                path: path.to_string(),
                reason: format!("it belongs to {owner}"),
                worker: worker.to_owned(),
            }),
            None => match content {
                Some(content) => known.offers.push((worker.to_owned(), path.clone(), content.clone())),
                None => refused.push(Refusal {
                    path: path.to_string(),
                    reason: "only its owner may delete a file".to_owned(),
                    worker: worker.to_owned(),
                }),
            },
        }
    }
    (wanted, refused)
}

/// Refusals that come from the reading of an answer.
pub(super) fn unsafe_paths(worker: &str, answer: &Answer) -> Vec<Refusal> {
    let unsafe_path = |problem: &Problem| match problem {
        Problem::UnsafePath(path, reason) => {
            Some(Refusal { path: path.clone(), reason: reason.clone(), worker: worker.to_owned() })
        }
        _ => None,
    };
    answer.problems.iter().filter_map(unsafe_path).collect()
}

pub(super) async fn land(
    cx: &RoundContext,
    board: &Board,
    worker: &str,
    attempt: u32,
    candidate: &Candidate,
    shrink: Shrink,
) -> Result<Written, Stop> {
    // A subtask that owns nothing by the plan may claim what nobody owns; the first complete answer has it.
    let may_claim = board.lock().piece(worker).is_some_and(|piece| piece.subtask.owns.is_empty());
    let (mut wanted, mut refused) = share_out(board, worker, &candidate.files, &candidate.moves, may_claim);
    wanted.iter_mut().for_each(|one| one.shrink = shrink);
    refused.extend(unsafe_paths(worker, &candidate.answer));
    refused.extend(candidate.refused.iter().cloned());
    if cx.workspace.is_none() {
        return Ok(Written::default());
    }
    writing::write(cx, board, &format!("work/{worker}/{attempt}"), worker, wanted, &candidate.seen, refused).await
}

pub(super) async fn refuse(
    cx: &RoundContext,
    board: &Board,
    worker: &str,
    answer: &Answer,
    mut refused: Vec<Refusal>,
) -> Result<(), Stop> {
    refused.extend(unsafe_paths(worker, answer));
    if !refused.is_empty() && cx.workspace.is_some() {
        writing::write(cx, board, &format!("work/{worker}/refused"), worker, Vec::new(), &Seen::new(), refused).await?;
    }
    Ok(())
}

pub(super) async fn settle(
    cx: &RoundContext,
    board: &Board,
    subtask: &Subtask,
    candidate: Candidate,
    written: &Written,
) -> Result<(), Stop> {
    let mut known = board.lock();
    // Only paths that can't be taken were in it.
    let offered = known.offers.iter().any(|(worker, ..)| *worker == subtask.id);
    let arrived = cx.workspace.is_none() || offered || !written.done.is_empty() || candidate.answer.no_change;
    // A file of its own that didn't land isn't delivered, even where an older one is in its place.
    let own =
        |path: &str| RelPath::parse(path).is_ok_and(|path| known.owners.owner_of(&path) == Some(subtask.id.as_str()));
    let left = !written.conflicts.is_empty() || !written.shrunk.is_empty();
    let lost = candidate.stale || left || written.refused.iter().any(|refusal| own(&refusal.path));
    known.progress(&subtask.id, if arrived && !lost { Progress::Usable } else { Progress::Unusable });
    if !candidate.answer.remarks.is_empty() {
        known.notes.push((subtask.id.clone(), candidate.answer.remarks));
    }
    Ok(())
}
