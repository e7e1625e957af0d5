//! One round, from its task to its result, phase after phase.
//!
//! It is straight code that awaits durable steps ([`Journal`]): to resume a round is to run the same function again. What is recorded is
//! not done twice; what isn't is done, recorded, and only then has effects.

mod ablation;
mod board;
mod checking;
mod closing;
mod context;
mod continuing;
mod fixing;
mod handing;
mod integrating;
mod journal;
mod judging;
mod landing;
mod logs;
mod looking;
mod net;
mod planning;
mod resolving;
mod reviewing;
mod settling;
mod testing;
#[cfg(test)]
pub(crate) mod tests;
mod verdict;
mod working;
mod writing;

use proto::event::{Event, NoteLevel};
use tokio::sync::watch;

use board::{Board, Progress};
pub(crate) use closing::end_unplayed;
pub use context::RoundContext;
use context::Stop;
pub(crate) use context::{Earlier, Resources};
pub use journal::Journal;
use logs::Decision;
pub(crate) use net::{Net, NetFile, net};
use proto::config::{SandboxWish, role};
use proto::report::SandboxLevel;
use verdict::Halt;

use crate::calls::Priority;
use crate::prompt::{self, CoordinateBrief};
use crate::store::{NewEvent, StoreError};

/// Plays a round to its end, and records its result.
///
/// Dropping the future leaves the round open; running it again goes on from what is recorded.
///
/// # Errors
/// If nothing can be recorded any more; the round then stays open.
pub(crate) async fn run(mut cx: RoundContext) -> Result<(), StoreError> {
    let opened = cx.open_workspace().await;
    let board = Board::default();
    let ended = async {
        begin(&cx).await?;
        if let Err(why) = opened {
            cx.note("work-dir", why).await?;
            return closing::close(&cx, &board, None).await;
        }
        let halt = match Box::pin(phases(&cx, &board)).await {
            Ok(()) => None,
            Err(Stop::Halt(halt)) => Some(halt),
            Err(stop) => return Err(stop),
        };
        closing::close(&cx, &board, halt).await
    };
    match Box::pin(ended).await {
        Ok(()) => Ok(()),
        Err(Stop::Store(error)) => Err(error),
        Err(Stop::Halt(halt)) => {
            Err(StoreError::Content { what: "the end of a round".to_owned(), why: format!("{halt:?}") })
        }
    }
}

/// The phases: plan and work overlap, then tests, then the check with its fixes beside the mayor's words.
async fn phases(cx: &RoundContext, board: &Board) -> Result<(), Stop> {
    let settings = &cx.spec.settings;
    if cx.spec.config.sandbox == SandboxWish::Require && (settings.iterate || settings.check.is_some()) {
        let probe = cx.children.probe().await;
        if probe.level != SandboxLevel::Full {
            // Before anything is paid for: the check that this round is about would run less confined than it must.
            cx.note("sandbox", format!("no full sandbox: {}", probe.why().unwrap_or_default())).await?;
            return Err(Halt::Unsafe.into());
        }
    }
    claims_of_before(cx, board)?;
    let progress = watch::channel(0).0;
    if cx.spec.settings.dry_run {
        return planning::plan(cx, board, &progress).await;
    }
    let planning = async {
        planning::plan(cx, board, &progress).await?;
        coordinate(cx, board).await
    };
    let planning = async {
        let planned = planning.await;
        if planned.is_err() {
            board.lock().abandoned = true;
            progress.send_modify(|version| *version += 1);
        }
        planned
    };
    let working = working::work(cx, board, &progress);
    Box::pin(both(planning, working)).await?;
    testing::test(cx, board).await?;
    let checking = Box::pin(checking::check(cx, board));
    let synthesising = Box::pin(closing::synthesise(cx, board));
    // The mayor's words never change what the check decides.
    let (checked, synthesised) = tokio::join!(checking, synthesising);
    checked?;
    match synthesised {
        Err(Stop::Halt(Halt::Budget(..) | Halt::Deadline)) => Ok(()),
        other => other,
    }
}

/// Waits for both the plan and the work: what is in flight is paid for, so neither is dropped because the other one halts.
async fn both(
    planning: impl Future<Output = Result<(), Stop>>,
    working: impl Future<Output = Result<(), Stop>>,
) -> Result<(), Stop> {
    tokio::pin!(planning);
    tokio::pin!(working);
    let (first, second) = tokio::select! {
        planned = &mut planning => match planned {
            Err(stop @ Stop::Store(_)) => return Err(stop),
            planned => (planned, working.await),
        },
        worked = &mut working => match worked {
            Err(stop @ Stop::Store(_)) => return Err(stop),
            worked => (worked, planning.await),
        },
    };
    match (first, second) {
        (_, Err(stop @ Stop::Store(_))) => Err(stop),
        (first, second) => first.and(second),
    }
}

/// Shows that the round began.
async fn begin(cx: &RoundContext) -> Result<(), Stop> {
    let config = &cx.spec.config;
    let names = |role: Option<&proto::config::RoleConfig>| -> Vec<String> {
        let pool = role.map(|role| role.pool.as_slice()).unwrap_or_default();
        let models = pool.iter().filter_map(|alias| config.models.get(alias));
        models.map(|model| format!("{}/{}", model.provider, model.model)).collect()
    };
    let event = Event::RoundStarted {
        log_dir: cx.logs.dir(),
        planner: names(cx.role(&cx.spec.settings.role)),
        workers: names(cx.role(role::WORKER)),
        parallel: cx.spec.settings.workers,
        recorded: cx.recorded(),
    };
    cx.journal.started(cx.logs.dir(), NewEvent::new("round.started", event)).await?;
    if let Some(why) = &cx.log_trouble {
        let event = Event::Note { level: NoteLevel::Warning, text: why.clone() };
        cx.journal.say("note/log-dir", event).await?;
    }
    Ok(())
}

/// Files that workers claimed before the daemon died stay theirs, whoever is quicker now.
fn claims_of_before(cx: &RoundContext, board: &Board) -> Result<(), Stop> {
    for key in cx.journal.recorded_before() {
        if let Some((worker, _)) = key.strip_prefix("write/work/").and_then(|rest| rest.rsplit_once('/')) {
            writing::claims(cx, board, key, worker)?;
        }
    }
    Ok(())
}

/// A prose plan brings no contract: one call makes a short one for the workers that haven't started.
async fn coordinate(cx: &RoundContext, board: &Board) -> Result<(), Stop> {
    let (subtasks, wanted) = {
        let known = board.lock();
        // One that was asked before the daemon died doesn't wait.
        let asked = |id: &str| cx.journal.recorded_before().contains(&format!("work/{id}/1"));
        let waiting = |piece: &board::Piece| piece.progress == Progress::Waiting && !asked(&piece.subtask.id);
        let waiting = known.pieces.iter().any(waiting);
        let subtasks: Vec<_> = known.pieces.iter().map(|piece| piece.subtask.clone()).collect();
        (subtasks, waiting && known.form == "prose" && known.contract.shared.is_empty())
    };
    let recorded = cx.journal.recorded::<serde_json::Value>("coordinate")?.is_some();
    if cx.spec.settings.skip.coordinate || !(wanted || recorded) {
        return Ok(());
    }
    let Some(by) = cx.role(&cx.spec.settings.role) else { return Err(Halt::Provider(String::new()).into()) };
    let question = context::Question {
        key: "coordinate".to_owned(),
        worker: "planner",
        role: role::PLANNER,
        by,
        avoid: Vec::new(),
        prompt: Box::new(|window| {
            prompt::coordinate(&CoordinateBrief { task: &cx.spec.task, subtasks: &subtasks }, window)
        }),
        schema: None,
        priority: Priority::Critical,
        events: Vec::new(),
        seen: context::Seen::new(),
        listener: None,
    };
    let (asked, fresh) = match cx.ask(board, question).await {
        // The work can be done without.
        Err(Stop::Halt(Halt::Budget(limit, _))) => {
            return cx.note("coordinate", format!("no coordination: the {limit} limit is met")).await;
        }
        asked => asked?,
    };
    if fresh {
        cx.logs.decide(Decision::asked("coordinate", "planner", "agree on names and types", &asked.result));
    }
    match asked.result {
        Ok(record) => board.lock().brief = Some(record.text),
        Err(failure) => {
            cx.note("coordinate", format!("no coordination: {failure}")).await?;
        }
    }
    Ok(())
}
