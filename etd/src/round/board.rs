//! What is known of a round while it runs: subtasks, owners, files, calls. In memory; all of it follows from recorded steps.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use proto::report::{CheckReport, CheckStatus, Refusal, UsageShare};

use super::ablation::{Part, without};
use crate::blame::Owners;
use crate::calls::{self, CallResult};
use crate::plan::{CheckHint, Contract, Subtask};
use crate::relpath::RelPath;
use crate::workspace::{Change, Hash};

/// State of one subtask.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    /// What it is.
    pub subtask: Subtask,
    /// Files that the repair of the plan added: they don't count for its delivery.
    pub added: BTreeSet<RelPath>,
    /// How far it is.
    pub progress: Progress,
    /// The subtasks that it stands for, as they were planned, if it is more than itself.
    pub parts: Vec<Subtask>,
}

impl Piece {
    /// The subtasks as they were planned: itself, or its parts.
    pub(super) fn planned(&self) -> &[Subtask] {
        if self.parts.is_empty() { std::slice::from_ref(&self.subtask) } else { &self.parts }
    }
}

/// How far a subtask is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Not begun.
    Waiting,
    /// At work.
    Running,
    /// Its answer was usable.
    Usable,
    /// It gave no usable answer.
    Unusable,
    /// No model would serve it.
    Unserved,
}

impl Progress {
    /// Whether it has ended.
    pub(super) fn is_over(self) -> bool {
        !matches!(self, Self::Waiting | Self::Running)
    }
}

/// A file that the round touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Touched {
    /// Content before the round; none: it wasn't there.
    pub original: Option<Hash>,
    /// Content now; none: it isn't there.
    pub current: Option<Hash>,
    /// Who wrote last.
    pub worker: String,
}

/// A build as far as later decisions need it.
#[derive(Clone, Debug)]
pub(super) struct Built {
    /// From 1.
    pub iteration: u32,
    /// How good its tree is.
    pub rank: crate::blame::rank::Rank,
    /// The tree that it saw: path → content.
    pub tree: BTreeMap<RelPath, Option<Hash>>,
    /// What it found.
    pub check: CheckReport,
}

/// What a fix said instead of changing anything.
#[derive(Clone, Debug)]
pub(super) struct Said {
    /// Who.
    pub from: String,
    /// The file that must change.
    pub path: RelPath,
    /// In its words.
    pub words: String,
}

/// An earlier fix, for those that follow.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Told {
    /// The build that it followed, and the round of fixes behind that build, both from 1.
    pub iteration: u32,
    pub round: u32,
    /// Who was asked.
    pub owner: String,
    /// What came of it.
    pub line: String,
}

/// Answers with edits that don't apply after which a model is asked for whole files.
const MISAPPLIED: u32 = 2;

/// The board. Every lock is held for a moment only, never across an await.
#[derive(Default)]
pub(super) struct Board {
    inner: Mutex<Known>,
}

/// What is on it.
#[derive(Default)]
pub(super) struct Known {
    /// Shared by all workers.
    pub contract: Contract,
    /// The planner's idea of a check.
    pub hint: CheckHint,
    /// In the planner's order.
    pub pieces: Vec<Piece>,
    /// Ids in the order in which the subtasks became known: it never changes.
    order: Vec<String>,
    /// Whether the plan is being decided on: nothing starts meanwhile.
    pub settling: bool,
    /// Whether the plan is complete.
    pub planned: bool,
    /// Whether planning ended without a plan: nothing new starts.
    pub abandoned: bool,
    /// Whether the planner couldn't finish: what it left out can't be delivered.
    pub unfinished: bool,
    /// How the plan came.
    pub form: String,
    /// What the coordination call said.
    pub brief: Option<String>,
    /// Who may write which file.
    pub owners: Owners,
    /// Files that the round touched.
    pub files: BTreeMap<RelPath, Touched>,
    /// Mode bits of files that were deleted.
    pub modes: BTreeMap<RelPath, u32>,
    /// What was refused.
    pub refused: Vec<Refusal>,
    /// Every model call: accounting role, result.
    pub calls: Vec<(String, CallResult)>,
    /// Answers of each model whose edits didn't apply.
    pub misapplied: BTreeMap<String, u32>,
    /// Closing notes of the workers.
    pub notes: Vec<(String, String)>,
    /// Files that nobody owns and that a worker offered: worker, path, content.
    pub offers: Vec<(String, RelPath, String)>,
    /// Whether a check was asked for.
    pub check_asked: bool,
    /// Builds, oldest first.
    pub builds: Vec<Built>,
    /// What the fixes of this moment said instead of changing anything.
    pub said: Vec<Said>,
    /// What of it the next fixes are about: to whom, what.
    pub handed: Vec<(String, Said)>,
    /// Errors that were handed on before: fingerprint, from, to.
    pub handed_before: BTreeSet<(String, String, String)>,
    /// What fixes did.
    pub fixes: Vec<Told>,
    /// Whether every way of fixing was tried.
    pub exhausted: bool,
    /// Whether the best tree couldn't be put back as a whole.
    pub unrestored: bool,
    /// The mayor's words.
    pub synthesis: Option<String>,
}

impl Board {
    /// Looks at it or changes it.
    pub(super) fn lock(&self) -> MutexGuard<'_, Known> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// What the calls that have come back took.
    pub(super) fn spent(&self) -> UsageShare {
        let usage = calls::usage(self.calls.iter().map(|(role, result)| (role.as_str(), result)), 0);
        UsageShare {
            calls: usage.calls,
            tokens_in: usage.tokens_in,
            tokens_cached: usage.tokens_cached,
            tokens_out: usage.tokens_out,
            cost_usd: usage.cost_usd,
        }
    }

    /// Models whose edits failed too often in this round: they are asked for whole files.
    pub(super) fn asked_for_whole(&self) -> Vec<String> {
        self.misapplied.iter().filter(|(_, times)| **times >= MISAPPLIED).map(|(model, _)| model.clone()).collect()
    }

    /// Number of a subtask, from 1.
    pub(super) fn number(&self, id: &str) -> Option<usize> {
        self.order.iter().position(|known| known == id).map(|index| index + 1)
    }

    /// The subtask with an id.
    pub(super) fn piece(&self, id: &str) -> Option<&Piece> {
        self.pieces.iter().find(|piece| piece.subtask.id == id)
    }

    /// The contract, with what the coordination call said in its place where a plan in prose brought none.
    pub(super) fn agreed(&self) -> Contract {
        let mut contract = self.contract.clone();
        if contract.shared.is_empty()
            && let Some(brief) = &self.brief
        {
            contract.shared.clone_from(brief);
        }
        contract
    }

    /// Notes how far a subtask is.
    pub(super) fn progress(&mut self, id: &str, progress: Progress) {
        if let Some(piece) = self.pieces.iter_mut().find(|piece| piece.subtask.id == id) {
            piece.progress = progress;
        }
    }

    /// A worker that gave nothing, and in a fix all that the plan gave it: none of it was there before.
    pub(super) fn made_good(&mut self, id: &str, written: &[Change]) {
        let made = |path: &RelPath| {
            written.iter().any(|change| change.path == *path && change.before.is_none() && change.after.is_some())
        };
        if let Some(piece) = self.pieces.iter_mut().find(|piece| piece.subtask.id == id) {
            let failed = matches!(piece.progress, Progress::Unusable | Progress::Unserved);
            if failed && !piece.subtask.owns.is_empty() && piece.subtask.owns.iter().all(made) {
                piece.progress = Progress::Usable;
            }
        }
    }

    /// Takes a subtask into the plan.
    pub(super) fn add(&mut self, subtask: Subtask) {
        for path in &subtask.owns {
            self.owners.claim(path.clone(), &subtask.id);
        }
        self.order.push(subtask.id.clone());
        self.pieces.push(Piece { subtask, added: BTreeSet::new(), progress: Progress::Waiting, parts: Vec::new() });
    }

    /// Whether a subtask, which may be a part of a piece, delivered: the answer was usable, and every file that the plan gave it exists.
    ///
    /// `exists` looks at the tree; a file that was there before the round and isn't any more was deleted as the task wanted.
    pub(super) fn delivered(&self, piece: &Piece, subtask: &Subtask, exists: &dyn Fn(&RelPath) -> bool) -> bool {
        let present = |path: &RelPath| match self.files.get(path) {
            Some(touched) if touched.current.is_none() => touched.original.is_some(),
            _ => exists(path),
        };
        piece.progress == Progress::Usable
            && subtask.owns.iter().filter(|path| !piece.added.contains(path)).all(present)
    }

    /// The tree as far as the round touched it.
    pub(super) fn tree(&self) -> BTreeMap<RelPath, Option<Hash>> {
        self.files.iter().map(|(path, touched)| (path.clone(), touched.current.clone())).collect()
    }

    /// The best build so far; of equal ones the first. Green is better than anything that isn't, whatever was counted.
    pub(super) fn best(&self) -> Option<&Built> {
        if without(Part::KeepBest) {
            return self.builds.last();
        }
        let rank = |built: &Built| (built.check.status == CheckStatus::Green, built.rank);
        let mut best: Option<&Built> = None;
        for built in &self.builds {
            if best.is_none_or(|best| rank(built) > rank(best)) {
                best = Some(built);
            }
        }
        best
    }
}
