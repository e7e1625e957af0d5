//! The plan: read off the planner's stream, each subtask recorded before its worker starts.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use proto::config::role;
use tokio::sync::{mpsc, watch};

use super::board::Board;
use super::context::{Listener, Question, RoundContext, Stop};
use super::logs::Decision;
use super::settling::{self, Drafted};
use super::verdict::Halt;
use crate::calls::Priority;
use crate::plan::{self, CheckHint, Contract, Finished, Item, Known, Plan, PlanForm, PlanReader, Subtask};
use crate::prompt::choice::{self, Choice};
use crate::prompt::{self, FileView, PlannerBrief};
use crate::provider::{OutputSchema, StopReason};
use crate::relpath::RelPath;
use crate::workspace::{TreeFile, total_bytes};

/// Items of a plan that may wait to be recorded.
const ITEMS: usize = 1024;
/// Questions to the planner: one, and one for the rest of a plan that was cut.
const QUESTIONS: u32 = 2;
/// Bytes of a tree that are looked at to choose what the planner is shown, and those of the largest file.
const READ: usize = 6 << 20;
const MAX_READ: u64 = 512 << 10;
/// Bytes that are read to find them, those that turn out not to be text included.
const LOOKED_AT: u64 = 64 << 20;
/// Bytes of the head of a README and its like.
const HEAD: usize = 8_000;

/// Plans. Returns once the plan is complete and recorded; `progress` changes whenever a subtask may start.
pub(super) async fn plan(cx: &RoundContext, board: &Board, progress: &watch::Sender<u64>) -> Result<(), Stop> {
    settling::hold_back(cx, board)?;
    let mut known = recorded_subtasks(cx, board, progress)?;
    let mut contract = cx.journal.recorded::<Contract>("plan/contract")?;
    if let Some(contract) = &contract {
        board.lock().contract = contract.clone();
    }
    let mut notes = Vec::new();
    let mut overlaps = Vec::new();
    let mut check = CheckHint::default();
    let mut form = PlanForm::Single;
    let mut whole = true;
    for number in 1..=QUESTIONS {
        let read = ask(cx, board, progress, number, &mut known, &mut contract).await?;
        let Some((finished, cut)) = read else {
            whole = false;
            break;
        };
        whole = !cut;
        notes.extend(finished.notes);
        overlaps.extend(finished.overlaps);
        if form == PlanForm::Single {
            form = finished.form;
        }
        if finished.check != CheckHint::default() {
            check = finished.check;
        }
        if !cut {
            break;
        }
        notes.push("the planner's answer was cut by its token limit".to_owned());
    }
    if known.is_empty() {
        form = PlanForm::Single;
        let single = plan::single(&cx.spec.task);
        notes.extend(single.notes);
        for subtask in single.subtasks {
            take(cx, board, progress, subtask, &mut known).await?;
        }
    } else if !whole {
        board.lock().unfinished = true;
        cx.note("plan/unfinished", "the plan wasn't finished: what it left out isn't done".to_owned()).await?;
    }
    let plan = Plan { contract: contract.unwrap_or_default(), subtasks: known, check, form, notes };
    settling::complete(cx, board, progress, Drafted { plan, overlaps, whole }).await
}

/// Subtasks that an earlier daemon recorded, in order.
fn recorded_subtasks(cx: &RoundContext, board: &Board, progress: &watch::Sender<u64>) -> Result<Vec<Subtask>, Stop> {
    let mut known = Vec::new();
    while let Some(subtask) = cx.journal.recorded::<Subtask>(&format!("plan/subtask/{}", known.len() + 1))? {
        board.lock().add(subtask.clone());
        known.push(subtask);
    }
    if !known.is_empty() {
        progress.send_modify(|version| *version += 1);
    }
    Ok(known)
}

/// One question to the planner. None: it gave up without an answer, and what is known must do.
async fn ask(
    cx: &RoundContext,
    board: &Board,
    progress: &watch::Sender<u64>,
    number: u32,
    known: &mut Vec<Subtask>,
    contract: &mut Option<Contract>,
) -> Result<Option<(Finished, bool)>, Stop> {
    let Some(by) = cx.role(&cx.spec.settings.role) else {
        return Err(Halt::Provider(format!("no model is configured for the role {}", cx.spec.settings.role)).into());
    };
    let key = if number == 1 { "plan".to_owned() } else { format!("plan/{number}") };
    let view = view(cx).await?;
    let before = known.clone();
    let base = Mutex::new(before.clone());
    let has_contract = contract.is_some();
    let specialists: Vec<(String, String)> = if cx.spec.settings.skip.specialists {
        Vec::new()
    } else {
        let all = cx.spec.config.specialists.iter();
        all.map(|(name, specialist)| (name.clone(), specialist.description.clone())).collect()
    };
    let (items, mut inbox) = mpsc::channel(ITEMS);
    let stream = Stream { board, base: &base, reader: Mutex::new(reader(&before, has_contract)), has_contract, items };
    // Of the attempt that was made last. It changes nothing in what is asked.
    let task_was_cut = AtomicBool::new(false);
    let question = Question {
        key: key.clone(),
        worker: "planner",
        role: role::PLANNER,
        by,
        avoid: Vec::new(),
        prompt: Box::new(|window| {
            let prompt = prompt::planner(
                &PlannerBrief {
                    task: &cx.spec.task,
                    max_subtasks: cx.spec.settings.max_subtasks,
                    workers: cx.spec.settings.workers,
                    tree: &view.tree,
                    heads: &view.heads,
                    files: &view.choice.whole,
                    outlines: &view.choice.outlines,
                    dirs: &view.choice.dirs,
                    specialists: &specialists,
                    earlier: &cx.earlier,
                    known: &before,
                },
                window,
            );
            let is_whole = prompt.turns.iter().any(|turn| turn.text.contains(cx.spec.task.trim()));
            task_was_cut.store(!is_whole, Ordering::Relaxed);
            prompt
        }),
        schema: Some(Arc::new(OutputSchema { name: "plan", schema: plan::schema() })),
        priority: Priority::Critical,
        events: Vec::new(),
        seen: super::context::Seen::new(),
        listener: Some(&stream),
    };
    let (asked, fresh) = {
        let taking = async {
            let mut taken = Vec::new();
            while let Some(item) = inbox.recv().await {
                take_item(cx, board, progress, item, known, contract, &mut taken).await?;
            }
            Ok::<_, Stop>(())
        };
        tokio::pin!(taking);
        let asked = {
            let asking = cx.ask(board, question);
            tokio::pin!(asking);
            tokio::select! {
                asked = &mut asking => asked,
                Err(stop) = &mut taking => return Err(stop),
            }
        };
        // No more items come; those that did are recorded, whatever became of the call.
        drop(stream);
        taking.await?;
        asked?
    };
    // The whole text is read again, so that a resumed round sees the same.
    let record = match asked.result {
        Ok(record) => record,
        Err(failure) if known.is_empty() => return Err(Halt::Provider(failure.to_string()).into()),
        Err(failure) => {
            cx.note(&format!("plan/failed/{number}"), format!("the plan wasn't finished: {failure}")).await?;
            return Ok(None);
        }
    };
    if fresh {
        cx.logs.decide(Decision {
            timestamp: String::new(),
            phase: "plan",
            agent: "planner",
            intent: "split the task into subtasks that own files",
            action: format!("asked {}", record.model),
            outcome: "answered",
            detail: format!("{} ms", record.duration_ms),
            token_cost: record.usage.input + record.usage.output,
        });
    }
    if task_was_cut.into_inner() {
        let text =
            "the task is too long for the planner's model: it saw the beginning and the end of it, not the middle";
        cx.note("plan/task_cut", text.to_owned()).await?;
    }
    let cut = record.stop == StopReason::Length;
    let mut whole = reader(&base.into_inner().unwrap_or_else(PoisonError::into_inner), has_contract);
    let mut items = whole.push(&record.text);
    let mut finished = whole.finish(cut);
    items.append(&mut finished.items);
    let mut taken = Vec::new();
    for item in items {
        take_item(cx, board, progress, item, known, contract, &mut taken).await?;
    }
    Ok(Some((finished, cut)))
}

async fn take_item(
    cx: &RoundContext,
    board: &Board,
    progress: &watch::Sender<u64>,
    item: Item,
    known: &mut Vec<Subtask>,
    contract: &mut Option<Contract>,
    taken: &mut Vec<String>,
) -> Result<(), Stop> {
    match item {
        Item::Contract(new) => {
            if contract.is_none() {
                cx.journal.record("plan/contract", None, &new, Vec::new(), Vec::new()).await?;
                board.lock().contract = new.clone();
                *contract = Some(new);
            }
        }
        Item::Subtask(subtask) => {
            if known.iter().all(|one| one.id != subtask.id) && !taken.contains(&subtask.id) {
                taken.push(subtask.id.clone());
                take(cx, board, progress, subtask, known).await?;
            }
        }
    }
    Ok(())
}

/// Records a subtask; then its worker may start.
async fn take(
    cx: &RoundContext,
    board: &Board,
    progress: &watch::Sender<u64>,
    subtask: Subtask,
    known: &mut Vec<Subtask>,
) -> Result<(), Stop> {
    let events = vec![settling::shown(format!("plan.subtask/{}", subtask.id), &subtask)];
    let key = format!("plan/subtask/{}", known.len() + 1);
    cx.journal.record(&key, None, &subtask, events, Vec::new()).await?;
    proto::hooks::pause("round.subtask_recorded").await;
    board.lock().add(subtask.clone());
    known.push(subtask);
    progress.send_modify(|version| *version += 1);
    Ok(())
}

/// Feeds the planner's stream to the reader.
struct Stream<'a> {
    board: &'a Board,
    /// What was known when the text began.
    base: &'a Mutex<Vec<Subtask>>,
    reader: Mutex<PlanReader>,
    /// Whether the contract was known when it began.
    has_contract: bool,
    items: mpsc::Sender<Item>,
}

fn reader(known: &[Subtask], contract: bool) -> PlanReader {
    PlanReader::new(Known { subtasks: known.to_vec(), contract })
}

impl Listener for Stream<'_> {
    fn restart(&self) {
        let known: Vec<Subtask> = self.board.lock().pieces.iter().map(|piece| piece.subtask.clone()).collect();
        *self.reader.lock().unwrap_or_else(PoisonError::into_inner) = reader(&known, self.has_contract);
        *self.base.lock().unwrap_or_else(PoisonError::into_inner) = known;
    }

    fn text(&self, piece: &str) {
        let items = self.reader.lock().unwrap_or_else(PoisonError::into_inner).push(piece);
        for item in items {
            // One that finds no room is read again when the answer is complete.
            if self.items.try_send(item).is_err() {
                return;
            }
        }
    }
}

/// What the planner is shown of an existing tree.
#[derive(Default)]
struct View {
    tree: Vec<TreeFile>,
    heads: Vec<FileView>,
    choice: Choice,
}

async fn view(cx: &RoundContext) -> Result<View, Stop> {
    let (task, recent) = (cx.spec.task.clone(), cx.recent.clone());
    let seen = cx.on_workspace(move |workspace| {
        let tree = workspace.list().files;
        let is_head = |path: &RelPath| matches!(path.as_str(), "AGENTS.md" | "CLAUDE.md" | "README.md" | "README");
        let mut order: Vec<&TreeFile> = tree.iter().filter(|file| file.bytes <= MAX_READ).collect();
        if total_bytes(&tree) > READ as u64 {
            order.sort_by_key(|file| !is_head(&file.path) && !choice::is_likely(&task, &file.path));
        }
        let mut heads = Vec::new();
        let mut files = Vec::new();
        let mut bytes = 0;
        let mut looked_at = 0;
        for file in order {
            if bytes + file.bytes as usize > READ || looked_at + file.bytes > LOOKED_AT {
                continue;
            }
            looked_at += file.bytes;
            let Ok(Some(content)) = workspace.read(&file.path) else { continue };
            let Ok(text) = String::from_utf8(content.bytes) else { continue };
            bytes += text.len();
            let mut view = FileView { path: file.path.clone(), text };
            if is_head(&file.path) {
                if view.text.len() > HEAD {
                    let cut = view.text.floor_char_boundary(HEAD);
                    let left = view.text.split_off(cut).len();
                    view.text.push_str(&format!("\n[… {left} bytes left out …]\n"));
                }
                heads.push(view);
            } else {
                files.push(view);
            }
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        View { choice: choice::choose(&task, &recent, files), tree, heads }
    });
    Ok(seen.await?.unwrap_or_default())
}
