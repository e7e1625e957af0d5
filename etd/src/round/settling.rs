//! The complete plan: validated, repaired with the planner's help where work would be left undone, and put on the board as what counts.
//!
//! Workers start while the planner is asked about its plan; what has started is never changed. Nothing starts between the moment at
//! which that is looked at and the one at which the plan is recorded.

use std::collections::BTreeSet;
use std::sync::Arc;

use proto::config::role;
use proto::event::Event;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::board::{self, Board, Progress};
use super::context::{Question, RoundContext, Seen, Stop};
use super::logs::Decision;
use super::verdict::Halt;
use super::writing;
use crate::calls::Priority;
use crate::plan::{self, Contract, Finding, Item, Known, Merged, Overlap, Plan, PlanForm, PlanReader, Subtask, Tree};
use crate::prompt::{self, RepairBrief};
use crate::provider::OutputSchema;
use crate::relpath::RelPath;
use crate::store::NewEvent;
use crate::workspace::total_bytes;

/// Bytes of an existing tree whose words are known.
const KNOWN: u64 = 200_000;

/// The plan as recorded once it is complete.
#[derive(Serialize, Deserialize)]
struct Complete {
    plan: Plan,
    added: Vec<(String, RelPath)>,
    #[serde(default)]
    merged: Vec<Merged>,
}

/// A plan as the planner gave it.
pub(super) struct Drafted {
    pub(super) plan: Plan,
    /// Files that two subtasks named.
    pub(super) overlaps: Vec<Overlap>,
    /// Whether the planner came to its end.
    pub(super) whole: bool,
}

/// Holds back what a recorded plan may have made a part of another subtask.
pub(super) fn hold_back(cx: &RoundContext, board: &Board) -> Result<(), Stop> {
    if cx.journal.recorded::<serde_json::Value>("plan/complete")?.is_some() {
        board.lock().settling = true;
    }
    Ok(())
}

/// Validates, repairs and records a plan; then it is what counts.
pub(super) async fn complete(
    cx: &RoundContext,
    board: &Board,
    progress: &watch::Sender<u64>,
    drafted: Drafted,
) -> Result<(), Stop> {
    let answer = question(cx, board, &drafted).await?;
    let complete = match cx.journal.recorded::<Complete>("plan/complete")? {
        Some(complete) => complete,
        None => {
            let tree = tree(cx, board).await?;
            board.lock().settling = true;
            let begun = begun(cx, board);
            let (complete, mut events) = settle(cx, drafted, answer, &begun, &tree);
            let parts = |one: &Subtask| {
                complete.merged.iter().find(|merged| merged.into == one.id).map_or(1, |merged| merged.parts.len())
            };
            let event = Event::PlanReady {
                subtasks: u32::try_from(complete.plan.subtasks.iter().map(parts).sum::<usize>()).unwrap_or(u32::MAX),
                form: form_name(complete.plan.form).to_owned(),
                notes: complete.plan.notes.clone(),
                spent: board.lock().spent(),
            };
            events.push(NewEvent::new("plan.ready", event));
            cx.journal.record("plan/complete", None, &complete, events, Vec::new()).await?;
            proto::hooks::pause("round.plan_recorded").await;
            complete
        }
    };
    if let Ok(text) = serde_json::to_string_pretty(&complete.plan) {
        cx.logs.file("_plan.json", &text);
    }
    adopt(&mut board.lock(), complete);
    progress.send_modify(|version| *version += 1);
    Ok(())
}

/// The event that shows a subtask as it is now.
pub(super) fn shown(key: String, subtask: &Subtask) -> NewEvent {
    let paths = |paths: &[RelPath]| paths.iter().map(ToString::to_string).collect();
    let event = Event::PlanSubtask {
        id: subtask.id.clone(),
        title: subtask.title.clone(),
        owns: paths(&subtask.owns),
        reads: paths(&subtask.reads),
        after: subtask.after.clone(),
        specialist: subtask.specialist.clone(),
    };
    NewEvent::new(key, event)
}

/// Subtasks that can't be changed any more: they were asked, now or before the daemon died.
fn begun(cx: &RoundContext, board: &Board) -> BTreeSet<String> {
    let known = board.lock();
    let asked = |piece: &&board::Piece| {
        piece.progress != Progress::Waiting || cx.journal.was_sent(&format!("work/{}/1", piece.subtask.id))
    };
    known.pieces.iter().filter(asked).map(|piece| piece.subtask.id.clone()).collect()
}

/// The tree as it was before the round.
pub(super) async fn tree(cx: &RoundContext, board: &Board) -> Result<Tree, Stop> {
    let mut ours: BTreeSet<String> = writing::created_before(cx)?;
    let touched = |known: &board::Known| -> Vec<String> {
        let new = known.files.iter().filter(|(_, file)| file.original.is_none());
        new.map(|(path, _)| path.folded()).collect()
    };
    ours.extend(touched(&board.lock()));
    let read = cx.on_workspace(move |workspace| {
        let mut files = workspace.list().files;
        files.retain(|file| !ours.contains(&file.path.folded()));
        let mut words = (total_bytes(&files) <= KNOWN).then(BTreeSet::new);
        if let Some(words) = &mut words {
            for file in &files {
                let Ok(Some(content)) = workspace.read(&file.path) else { continue };
                let text = String::from_utf8_lossy(&content.bytes);
                let all = text.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty());
                words.extend(all.map(str::to_owned));
            }
        }
        Tree { files: files.into_iter().map(|file| (file.path.folded(), file.bytes)).collect(), words }
    });
    Ok(read.await?.unwrap_or_else(|| Tree { words: Some(BTreeSet::new()), ..Tree::default() }))
}

/// What the planner answers about its plan. None: it wasn't asked, or gave nothing that can be used.
async fn question(cx: &RoundContext, board: &Board, drafted: &Drafted) -> Result<Option<String>, Stop> {
    // A plan that was settled without an answer stays so.
    let settled = cx.journal.recorded::<serde_json::Value>("plan/complete")?.is_some();
    if settled && cx.journal.recorded::<serde_json::Value>("plan/repair")?.is_none() {
        return Ok(None);
    }
    let known = match cx.journal.recorded::<Vec<String>>("plan/findings")? {
        Some(known) => known,
        None if !drafted.whole => return Ok(None),
        None => {
            let tree = tree(cx, board).await?;
            let begun = begun(cx, board);
            let found = plan::findings(&drafted.plan, &cx.spec.task, &begun, &tree, &drafted.overlaps);
            if !found.iter().any(Finding::is_worth_a_question) {
                return Ok(None);
            }
            // The harmless ones go along: the same call mends them.
            let found: Vec<String> = found.iter().map(ToString::to_string).collect();
            cx.journal.record("plan/findings", None, &found, Vec::new(), Vec::new()).await?;
            found
        }
    };
    let Some(by) = cx.role(&cx.spec.settings.role) else { return Ok(None) };
    let begun = begun(cx, board);
    let question = Question {
        key: "plan/repair".to_owned(),
        worker: "planner",
        role: role::PLANNER,
        by,
        avoid: Vec::new(),
        prompt: Box::new(|window| {
            let brief = RepairBrief { task: &cx.spec.task, plan: &drafted.plan, begun: &begun, findings: &known };
            prompt::repair(&brief, window)
        }),
        schema: Some(Arc::new(OutputSchema { name: "plan", schema: plan::schema() })),
        priority: Priority::Critical,
        events: Vec::new(),
        seen: Seen::new(),
        listener: None,
    };
    let asked = match cx.ask(board, question).await {
        Ok((asked, fresh)) => {
            if fresh {
                cx.logs.decide(Decision::asked("plan", "planner", "mend the plan", &asked.result));
            }
            asked
        }
        // The plan can be carried out as far as it goes.
        Err(Stop::Halt(Halt::Budget(limit, _))) => {
            cx.note("plan/repair", format!("the plan wasn't mended: the {limit} limit is met")).await?;
            return Ok(None);
        }
        Err(stop) => return Err(stop),
    };
    match asked.result {
        Ok(record) => Ok(Some(record.text)),
        Err(failure) => {
            cx.note("plan/repair", format!("the plan wasn't mended: {failure}")).await?;
            Ok(None)
        }
    }
}

/// The plan that counts, and events that show what is other than it was.
fn settle(
    cx: &RoundContext,
    drafted: Drafted,
    answer: Option<String>,
    begun: &BTreeSet<String>,
    tree: &Tree,
) -> (Complete, Vec<NewEvent>) {
    let Drafted { mut plan, mut overlaps, .. } = drafted;
    let mut events = Vec::new();
    let mut changed = Vec::new();
    if let Some(text) = answer {
        let (subtasks, contract) = read(&text);
        changed = plan::amend(&mut plan, &subtasks, contract.as_ref(), begun, &mut overlaps);
        plan.notes.push(if changed.is_empty() {
            "The planner was asked about gaps in its plan and changed nothing.".to_owned()
        } else {
            format!("The planner was asked about gaps in its plan and changed: {}.", changed.join(", "))
        });
    }
    let max = usize::try_from(cx.spec.settings.max_subtasks).unwrap_or(usize::MAX);
    plan.notes.extend(plan::over_limit(plan.subtasks.len(), max));
    let added = plan::repair(&mut plan, &cx.spec.task, begun, tree, &overlaps);
    for subtask in plan.subtasks.iter().filter(|one| changed.contains(&one.id)) {
        events.push(shown(format!("plan.subtask/{}/2", subtask.id), subtask));
    }
    let merged = plan::merge(&mut plan, begun, tree, &overlaps);
    (Complete { plan, added, merged }, events)
}

fn read(text: &str) -> (Vec<Subtask>, Option<Contract>) {
    let mut reader = PlanReader::new(Known::default());
    let mut items = reader.push(text);
    // A subtask that was cut isn't in it; the others count.
    items.extend(reader.finish(true).items);
    let mut subtasks = Vec::new();
    let mut contract = None;
    for item in items {
        match item {
            Item::Contract(new) => contract = Some(new),
            Item::Subtask(subtask) => subtasks.push(subtask),
        }
    }
    (subtasks, contract)
}

/// Puts the plan that counts on the board; what has begun keeps its progress.
fn adopt(known: &mut board::Known, complete: Complete) {
    let Complete { plan, added, mut merged } = complete;
    known.contract = plan.contract;
    known.hint = plan.check;
    known.form = form_name(plan.form).to_owned();
    for piece in known.pieces.iter().filter(|piece| piece.progress == Progress::Waiting) {
        piece.subtask.owns.iter().for_each(|path| known.owners.release(path, &piece.subtask.id));
    }
    known.pieces.retain(|piece| plan.subtasks.iter().any(|one| one.id == piece.subtask.id));
    for subtask in plan.subtasks {
        let parts = merged.iter().position(|one| one.into == subtask.id).map(|at| merged.swap_remove(at).parts);
        if known.piece(&subtask.id).is_none() {
            known.add(subtask.clone());
        }
        for path in &subtask.owns {
            known.owners.claim(path.clone(), &subtask.id);
        }
        let added: BTreeSet<RelPath> =
            added.iter().map(|(_, path)| path).filter(|path| subtask.owns.contains(path)).cloned().collect();
        if let Some(piece) = known.pieces.iter_mut().find(|piece| piece.subtask.id == subtask.id) {
            piece.subtask = subtask;
            piece.added = added;
            piece.parts = parts.unwrap_or_default();
        }
    }
    known.planned = true;
    known.settling = false;
}

fn form_name(form: PlanForm) -> &'static str {
    match form {
        PlanForm::Json => "json",
        PlanForm::Prose => "prose",
        PlanForm::Single => "single",
    }
}
