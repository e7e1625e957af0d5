//! The workers: each subtask starts when its place in the plan allows it, answers, is reviewed where a reviewer is configured, and its
//! files land.

use std::collections::BTreeSet;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use proto::event::Event;
use tokio::sync::watch;

use super::board::{Board, Progress};
use super::context::{Asked, Question, RoundContext, Seen, Stop};
use super::continuing;
use super::integrating;
use super::judging::{Given, Lacking, judged};
use super::landing::{self, Candidate};
use super::logs::Decision;
use super::looking::Syntax;
use super::resolving::{self, Kept};
use super::reviewing;
use super::verdict::Halt;
use super::writing::Shrink;
use crate::calls::{CallRecord, Priority};
use crate::plan::{self, Subtask};
use crate::prompt::{self, Retry, WorkerBrief};
use crate::relpath::RelPath;
use crate::store::NewEvent;

/// Times that an answer without usable files, and one whose files changed meanwhile, is asked again.
const RETRIES: u32 = 1;
/// Further times for one in words alone: it takes little, and all that waits for the part fails without it.
const WORDS: u32 = 2;

/// Works until every subtask has ended. Subtasks start while the plan still grows; `progress` tells when there may be more.
pub(super) async fn work(cx: &RoundContext, board: &Board, progress: &watch::Sender<u64>) -> Result<(), Stop> {
    let mut news = progress.subscribe();
    let mut running = FuturesUnordered::new();
    let mut halted = None;
    loop {
        news.borrow_and_update();
        let over = halted.is_some() || board.lock().abandoned;
        if !over {
            for subtask in startable(cx, board, running.len()) {
                board.lock().progress(&subtask.id, Progress::Running);
                running.push(with_its_parts(cx, board, subtask));
            }
        }
        if running.is_empty() && (over || board.lock().planned) {
            break;
        }
        tokio::select! {
            Some(result) = running.next() => {
                match result {
                    Ok(()) => {}
                    // What is in flight is paid for: it may end, nothing new starts.
                    Err(Stop::Halt(halt)) => { halted.get_or_insert(halt); }
                    Err(stop) => return Err(stop),
                }
            }
            // The sender is the caller's.
            _ = news.changed(), if halted.is_none() => {}
        }
    }
    match halted {
        Some(halt) => Err(halt.into()),
        None => integrating::integrate(cx, board).await,
    }
}

/// Subtasks that may start now, as far as there is room.
fn startable(cx: &RoundContext, board: &Board, running: usize) -> Vec<Subtask> {
    let room = usize::try_from(cx.spec.settings.workers).unwrap_or(usize::MAX).saturating_sub(running);
    let known = board.lock();
    if known.settling {
        return Vec::new();
    }
    let subtasks: Vec<Subtask> = known.pieces.iter().map(|piece| piece.subtask.clone()).collect();
    let ids = |wanted: &dyn Fn(Progress) -> bool| -> BTreeSet<String> {
        let pieces = known.pieces.iter().filter(|piece| wanted(piece.progress));
        pieces.map(|piece| piece.subtask.id.clone()).collect()
    };
    let started = ids(&|progress| progress != Progress::Waiting);
    let ended = ids(&Progress::is_over);
    let ready = plan::ready(&subtasks, &started, &ended, known.planned);
    subtasks.into_iter().filter(|subtask| ready.contains(&subtask.id)).take(room).collect()
}

/// Does a subtask that may stand for several: those are shown beside it, at no cost of their own.
async fn with_its_parts(cx: &RoundContext, board: &Board, subtask: Subtask) -> Result<(), Stop> {
    let id = subtask.id.clone();
    let parts: Vec<Subtask> = {
        let known = board.lock();
        let parts = known.piece(&id).map(|piece| piece.parts.clone()).unwrap_or_default();
        parts.into_iter().filter(|part| part.id != id).collect()
    };
    for part in &parts {
        let event = Event::WorkerStarted { worker: part.id.clone(), title: part.title.clone(), attempt: 1 };
        cx.journal.say(format!("worker.started/{}/1", part.id), event).await?;
    }
    subtask_to_its_end(cx, board, subtask).await?;
    let mut model = String::new();
    for attempt in (1..).take_while(|_| !parts.is_empty()) {
        let Some(asked) = cx.journal.recorded::<Asked>(&format!("work/{id}/{attempt}"))? else { break };
        model = asked.result.map_or(model, |record| record.model);
    }
    for part in &parts {
        let (usable, files) = {
            let known = board.lock();
            let there = |path: &&RelPath| known.files.get(*path).is_some_and(|file| file.current.is_some());
            let files = part.owns.iter().filter(there).map(ToString::to_string).collect();
            let usable = known.piece(&id).is_some_and(|piece| piece.progress == Progress::Usable);
            (usable, files)
        };
        let (key, event) = if usable {
            let event = Event::WorkerFinished {
                worker: part.id.clone(),
                attempt: 1,
                model: model.clone(),
                tokens_in: 0,
                tokens_out: 0,
                duration_ms: 0,
                files,
                spent: board.lock().spent(),
            };
            ("finished", event)
        } else {
            let reason = format!("{id}, with which it was done, gave no usable answer");
            ("failed", Event::WorkerFailed { worker: part.id.clone(), attempt: 1, reason, again: false })
        };
        cx.journal.say(format!("worker.{key}/{}/1", part.id), event).await?;
    }
    Ok(())
}

async fn subtask_to_its_end(cx: &RoundContext, board: &Board, subtask: Subtask) -> Result<(), Stop> {
    let id = subtask.id.clone();
    let mut tries =
        Tries { unusable: RETRIES, words: WORDS, conflict: RETRIES, low: cx.spec.settings.guardrail_retries };
    let mut attempt = 0;
    let mut retry: Option<(String, String)> = None;
    let mut best: Option<Candidate> = None;
    let mut syntax = Syntax::new(format!("work/{id}"), &id, &[]);
    // What doesn't parse, while it is asked for again.
    let mut spare: Option<Candidate> = None;
    let mut late = None;
    let mut shrink = Shrink::Ask;
    // Complete files of answers that weren't complete themselves.
    let mut kept = Kept::default();
    loop {
        attempt += 1;
        let asked = ask(cx, board, &subtask, attempt, retry.as_ref()).await;
        if !matches!(asked, Ok(Some(_))) {
            best = best.or(spare.take());
        }
        let (record, seen) = match asked {
            Ok(Some(asked)) => asked,
            Ok(None) => {
                let progress = if best.is_some() { break } else { Progress::Unserved };
                board.lock().progress(&id, progress);
                return Ok(());
            }
            // What there is is paid for: it lands.
            Err(Stop::Halt(halt @ (Halt::Budget(..) | Halt::Deadline))) if best.is_some() => {
                late = Some(halt);
                break;
            }
            Err(stop) => return Err(stop),
        };
        let owns = owned(board, &id);
        let answer = resolving::read(cx, &record, &owns);
        let key = format!("work/{id}/{attempt}");
        let mut resolved = resolving::resolve(cx, &key, &answer, &seen, &kept.still(&seen)).await?;
        resolving::note(&mut board.lock(), &record.model, &resolved);
        kept.refused.extend(resolving::not_mine(&board.lock(), &id, &[], &mut resolved));
        kept.take(resolved.files, &answer.moves, &seen);
        let given = Given { answer: &answer, failed: &resolved.failed, files: &kept.files };
        let lacking = judged(cx, board, &subtask, attempt, &record, given).await?;
        if let Some(Lacking { reason, .. }) = &lacking {
            // Words alone are cheap, and say nothing of whether it can: another question is better than a part that is missing.
            let words = answer.files.is_empty() && answer.edits.is_empty() && answer.problems.is_empty();
            let words = words && kept.files.is_empty() && tries.words > 0 && !built_without(cx, &id, attempt + 1)?;
            let again = tries.unusable > 0 || words;
            failed(cx, &id, attempt, reason, again).await?;
            if again {
                match tries.unusable.checked_sub(1) {
                    Some(left) => tries.unusable = left,
                    None => tries.words -= 1,
                }
                retry = Some((record.text, reason.clone()));
                continue;
            }
            if best.is_some() {
                // A low score is better than half an answer.
                break;
            }
            if kept.files.is_empty() {
                board.lock().progress(&id, Progress::Unusable);
                return landing::refuse(cx, board, &id, &answer, kept.refused).await;
            }
        }
        if let Some(reason) = syntax.judge(cx, board, attempt, &mut kept).await? {
            failed(cx, &id, attempt, &reason, true).await?;
            retry = Some((record.text, reason));
            // If nothing better comes.
            spare = Some(Candidate::unreviewed(&kept, answer, seen, lacking.is_some_and(|one| one.stale)));
            continue;
        }
        spare = None;
        let Kept { files, moves, based, refused } = std::mem::take(&mut kept);
        let mut seen = seen;
        seen.extend(based);
        let score = match reviewing::review(cx, board, &subtask, attempt, &record.text).await {
            Ok(score) => score,
            // The answer is paid for: it lands without a review.
            Err(Stop::Halt(Halt::Budget(limit, _))) => {
                let text = format!("{id} wasn't reviewed: the {limit} limit is met");
                cx.note(&format!("review/{id}/{attempt}"), text).await?;
                None
            }
            Err(Stop::Halt(halt @ Halt::Deadline)) => {
                late = Some(halt);
                None
            }
            Err(stop) => return Err(stop),
        };
        let points = score.as_ref().map(|(score, _)| *score);
        let better = best.as_ref().is_none_or(|best| points > best.score);
        if better {
            let stale = lacking.is_some_and(|one| one.stale);
            best = Some(Candidate { score: points, files, moves, answer, refused, seen, stale });
        }
        if let Some((score, reason)) = score
            && score < cx.spec.settings.guardrail_threshold
            && tries.low > 0
        {
            tries.low -= 1;
            retry = Some((record.text, format!("a reviewer gave it {score} of 10: {reason}")));
            continue;
        }
        let Some(candidate) = best.take() else { break };
        let written = landing::land(cx, board, &id, attempt, &candidate, shrink).await?;
        if let Some(halt) = late {
            landing::settle(cx, board, &subtask, candidate, &written).await?;
            return Err(halt.into());
        }
        let names = |paths: &[RelPath]| paths.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let reason = if !written.conflicts.is_empty() && tries.conflict > 0 {
            tries.conflict -= 1;
            format!("{} changed meanwhile; the current content is shown now", names(&written.conflicts))
        } else if !written.shrunk.is_empty() {
            // Asked once; what it says then is meant.
            shrink = Shrink::Allow;
            format!(
                "{} would have less than half of what is there now; give the whole file, or the same again if it is meant to be that short",
                names(&written.shrunk)
            )
        } else {
            return landing::settle(cx, board, &subtask, candidate, &written).await;
        };
        failed(cx, &id, attempt, &reason, true).await?;
        retry = Some((record.text, reason));
    }
    if let Some(candidate) = best {
        // Nobody is asked any more.
        let shrink = if shrink == Shrink::Ask { Shrink::Refuse } else { shrink };
        let written = landing::land(cx, board, &id, attempt, &candidate, shrink).await?;
        landing::settle(cx, board, &subtask, candidate, &written).await?;
    }
    late.map_or(Ok(()), |halt| Err(halt.into()))
}

/// Whether a build is recorded that didn't wait for this attempt: a daemon that tries more often than the one before it changes no tree
/// behind a build's back.
fn built_without(cx: &RoundContext, id: &str, attempt: u32) -> Result<bool, Stop> {
    let built = cx.journal.recorded::<serde_json::Value>("build/1")?.is_some();
    Ok(built && cx.journal.recorded::<Asked>(&format!("work/{id}/{attempt}"))?.is_none())
}

struct Tries {
    unusable: u32,
    /// Further ones for answers in words alone.
    words: u32,
    conflict: u32,
    low: u32,
}

/// One question to a worker. None: no model would serve it.
async fn ask(
    cx: &RoundContext,
    board: &Board,
    subtask: &Subtask,
    attempt: u32,
    retry: Option<&(String, String)>,
) -> Result<Option<(CallRecord, Seen)>, Stop> {
    let (by, role) = cx.worker_role(subtask.specialist.as_deref())?;
    let (plan, contract, brief) = {
        let known = board.lock();
        let plan: Vec<Subtask> = known.pieces.iter().map(|piece| piece.subtask.clone()).collect();
        (plan, known.contract.clone(), known.brief.clone())
    };
    let own_paths = owned(board, &subtask.id);
    let (own, mut seen) = cx.views(own_paths.clone()).await?;
    let (reads, reads_seen) = cx.views(subtask.reads.clone()).await?;
    seen.extend(reads_seen);
    let shown = own_paths.iter().cloned().chain(subtask.reads.iter().cloned()).collect();
    let neighbours = cx.neighbours(&own, shown, subtask.instructions.clone()).await?;
    let key = format!("work/{}/{attempt}", subtask.id);
    let event = Event::WorkerStarted { worker: subtask.id.clone(), title: subtask.title.clone(), attempt };
    let question = Question {
        key: key.clone(),
        worker: &subtask.id,
        role,
        by,
        avoid: Vec::new(),
        prompt: Box::new(|window| {
            let brief = WorkerBrief {
                task: &cx.spec.task,
                contract: &contract,
                plan: &plan,
                subtask,
                own: &own,
                reads: &reads,
                neighbours: &neighbours,
                brief: brief.as_deref(),
                earlier: &cx.earlier,
                retry: retry.map(|(answer, reason)| Retry { answer, reason }),
            };
            prompt::worker(&brief, window)
        }),
        schema: None,
        priority: Priority::Normal,
        events: vec![NewEvent::new(format!("worker.started/{}/{attempt}", subtask.id), event)],
        seen,
        listener: None,
    };
    let (asked, fresh) = continuing::ask(cx, board, question, &own_paths).await?;
    let (outcome, detail, tokens) = match &asked.result {
        Ok(record) => ("answered", record.model.clone(), record.usage.input + record.usage.output),
        Err(failure) => ("no answer", failure.to_string(), 0),
    };
    if fresh {
        cx.logs.decide(Decision {
            timestamp: String::new(),
            phase: "work",
            agent: &subtask.id,
            intent: &subtask.title,
            action: format!("attempt {attempt}"),
            outcome,
            detail,
            token_cost: tokens,
        });
    }
    match asked.result {
        Ok(record) => {
            if let Some(number) = board.lock().number(&subtask.id) {
                cx.logs.answer(number, &record.text);
            }
            Ok(Some((record, asked.seen)))
        }
        Err(failure) => {
            failed(cx, &subtask.id, attempt, &failure.to_string(), false).await?;
            Ok(None)
        }
    }
}

/// Files that a worker may write: what it owns by the plan and by earlier claims.
fn owned(board: &Board, worker: &str) -> Vec<RelPath> {
    board.lock().owners.files_of(worker)
}

async fn failed(cx: &RoundContext, worker: &str, attempt: u32, reason: &str, again: bool) -> Result<(), Stop> {
    // What follows the first line is for the model.
    let reason = reason.lines().next().unwrap_or_default().to_owned();
    let event = Event::WorkerFailed { worker: worker.to_owned(), attempt, reason, again };
    cx.journal.say(format!("worker.failed/{worker}/{attempt}"), event).await?;
    Ok(())
}
