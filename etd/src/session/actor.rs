//! The actor of one session: plays its rounds one after the other until none is queued.
//!
//! A disk that fails for a moment ends no round: it is waited for, and then the round goes on from its record.

use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use proto::event::{Event, NoteLevel};
use proto::id::{RoundId, SessionId};
use proto::outcome::Outcome;
use tokio_util::sync::CancellationToken;

use super::{Engine, Entry, secrets};
use crate::round::{self, Journal, RoundContext};
use crate::store::{Change, NewEvent, OpenRound, Store, StoreError};
use crate::workspace::Workspace;

/// Unclean stops in a row, without a step in between, after which a round isn't tried again.
const MAX_UNCLEAN: u32 = 3;
/// How long steps may take to reach their boundary when the daemon stops.
const BOUNDARY: Duration = Duration::from_secs(2);
/// Time before a round is played again that couldn't be read or written: the first time, and at most. What was in flight is asked again
/// each time, so it becomes long.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(60));

/// Plays rounds until none is queued or the daemon stops.
pub(super) async fn run(engine: Arc<Engine>, session: SessionId) {
    while let Some(mut entry) = next(&engine, session) {
        let number = entry.round.round;
        tracing::info!(%session, round = number, "round taken up");
        let (id, log_dir) = (entry.round.id, entry.round.log_dir.clone());
        let mut pause = PAUSE.0;
        let why = match persist(&engine, &mut entry, &mut pause).await {
            Ok(Played::Ended) => {
                // Its place in the line is free.
                drop(entry);
                engine.round_ended.notify_one();
                continue;
            }
            Ok(Played::Left) => return,
            Err(why) => why,
        };
        tracing::error!(%session, round = number, why, "round given up");
        while let Err(error) = give_up(&engine.store, session, number, id, log_dir.clone(), &why).await {
            if !matches!(error, StoreError::Unwritable(_)) {
                // It stays open, and the next daemon takes it up.
                tracing::error!(%session, round = number, %error, "the end of the round isn't recorded");
                break;
            }
            if !wait(&engine, &entry, &mut pause, &error).await {
                return;
            }
        }
    }
}

/// Plays a round, and again from its record whenever the disk failed for a moment; its place in the work dir's line is kept meanwhile.
/// Fails with the reason why it can't go on.
async fn persist(engine: &Arc<Engine>, entry: &mut Entry, pause: &mut Duration) -> Result<Played, String> {
    let mut again = false;
    loop {
        let attempt = async {
            if again && !refresh(engine, &mut entry.round).await? {
                return Ok(Played::Ended);
            }
            play(engine, entry).await
        };
        // A fault in one round ends that round, visibly, and nothing else.
        let error = match AssertUnwindSafe(attempt).catch_unwind().await {
            Ok(Ok(played)) => return Ok(played),
            // The next daemon takes it up, or says where its record is kept.
            Ok(Err(StoreError::Closed | StoreError::Spoiled(_))) => return Ok(Played::Left),
            Ok(Err(error @ StoreError::Unwritable(_))) => error,
            Ok(Err(error)) => return Err(error.to_string()),
            Err(_) => return Err("a fault in the daemon, see its log".to_owned()),
        };
        if !wait(engine, entry, pause, &error).await {
            return Ok(Played::Left);
        }
        again = true;
    }
}

/// Waits a while for the disk, longer each time. Returns whether to go on: the daemon doesn't stop.
async fn wait(engine: &Engine, entry: &Entry, pause: &mut Duration, error: &StoreError) -> bool {
    let session = entry.round.session;
    tracing::warn!(%session, round = entry.round.round, %error, "the round waits for the disk");
    mark(engine, session, |active| active.stuck = Some(error.to_string()));
    let was_cancelled = entry.cancel.is_cancelled();
    let on = tokio::select! {
        biased;
        () = engine.stop.cancelled() => false,
        // Its end is asked for, which may need less.
        () = entry.cancel.cancelled(), if !was_cancelled => true,
        () = tokio::time::sleep(*pause) => true,
    };
    *pause = (*pause * 2).min(PAUSE.1);
    mark(engine, session, |active| active.stuck = None);
    on
}

/// Reads how far a round came. Returns whether it is open still.
async fn refresh(engine: &Engine, round: &mut OpenRound) -> Result<bool, StoreError> {
    let id = round.id;
    let Some((started, log_dir, active_ms)) = engine.store.read(move |reader| reader.progress(id)).await? else {
        return Ok(false);
    };
    round.started = started;
    round.log_dir = log_dir;
    round.active_ms = active_ms;
    Ok(true)
}

/// Ends a round that can't go on, and says why.
pub(super) async fn give_up(
    store: &Store,
    session: SessionId,
    round: u32,
    id: RoundId,
    log_dir: Option<String>,
    why: &str,
) -> Result<(), StoreError> {
    let journal = Journal::load(store, session, round, id, 0).await?;
    let note = Event::Note { level: NoteLevel::Warning, text: format!("the round can't go on: {why}") };
    journal.say("note/given-up", note).await?;
    round::end_unplayed(&journal, session, "A round that can't be read", log_dir, Outcome::Crashed).await
}

fn next(engine: &Engine, session: SessionId) -> Option<Entry> {
    let mut active = engine.active.lock().unwrap_or_else(PoisonError::into_inner);
    let entry = active.get_mut(&session).and_then(|active| {
        let entry = active.queue.pop_front()?;
        active.running = Some((entry.round.round, entry.cancel.clone()));
        active.stuck = None;
        active.working = false;
        active.needs_credentials = false;
        Some(entry)
    });
    if entry.is_none() {
        // Under the same lock as the look at the queue, so that no round is queued at an actor that has gone.
        active.remove(&session);
        engine.vault.forget(session);
    }
    drop(active);
    engine.changed();
    entry
}

enum Played {
    Ended,
    Left,
}

async fn play(engine: &Arc<Engine>, entry: &Entry) -> Result<Played, StoreError> {
    let Entry { round, cancel, ticket } = entry;
    let session = round.session;
    let stop = engine.stop.clone();
    if stop.is_cancelled() {
        return Ok(Played::Left);
    }
    if let Some(ticket) = ticket {
        tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(Played::Left),
            () = cancel.cancelled(), if !round.started => return end(engine, round, Outcome::Cancelled).await,
            () = ticket.turn() => {}
        }
    }
    if round.unclean >= MAX_UNCLEAN {
        sweep(round).await;
        return end(engine, round, Outcome::Crashed).await;
    }
    if cancel.is_cancelled() && !round.started {
        return end(engine, round, Outcome::Cancelled).await;
    }
    let names: Vec<_> = secrets(&round.spec).cloned().collect();
    let missing = engine.vault.missing(session, names.iter());
    // One that is cancelled asks nobody anything: it says what it did so far.
    if !missing.is_empty() && !cancel.is_cancelled() {
        let listed: Vec<String> =
            missing.iter().map(|name| name.0.strip_prefix("env:").unwrap_or(&name.0).to_owned()).collect();
        let waiting = engine.vault.waiting(session, missing);
        mark(engine, session, |active| active.needs_credentials = true);
        let note = Event::Note {
            level: NoteLevel::Warning,
            text: format!(
                "waiting for credentials: {}; any `et` command whose environment has them hands them over",
                listed.join(", ")
            ),
        };
        let journal = Journal::load(&engine.store, session, round.round, round.id, round.active_ms).await?;
        tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(Played::Left),
            () = cancel.cancelled() => if !round.started {
                return end(engine, round, Outcome::Cancelled).await;
            },
            result = async {
                // It is said anew at each wait.
                journal.emit(vec![NewEvent::new(format!("needs/{}", crate::store::now_ms()), note)]).await?;
                waiting.over().await;
                Ok::<(), StoreError>(())
            } => result?,
        }
    }
    if round.started {
        let change = || vec![Change::Unclean { id: round.id, count: round.unclean, steps: round.steps_seen }];
        engine.store.commit_patiently(change).await?;
    }
    mark(engine, session, |active| {
        active.needs_credentials = false;
        active.working = true;
    });
    let context = context(engine, round, cancel.clone()).await?;
    let mut playing = Box::pin(round::run(context));
    tokio::select! {
        biased;
        result = &mut playing => result.map(|()| Played::Ended),
        () = stop.cancelled() => {
            // Steps that are about to be recorded get a moment; what is in flight then is asked again by the next daemon.
            match tokio::time::timeout(BOUNDARY, &mut playing).await {
                Ok(result) => result.map(|()| Played::Ended),
                Err(_) => Ok(Played::Left),
            }
        }
    }
}

async fn context(
    engine: &Arc<Engine>,
    round: &OpenRound,
    cancel: CancellationToken,
) -> Result<RoundContext, StoreError> {
    let journal = Journal::load(&engine.store, round.session, round.round, round.id, round.active_ms).await?;
    let session = round.session;
    let own = round.round;
    let earlier = engine.store.read(move |reader| reader.rounds(session)).await?;
    let earlier = earlier.into_iter().filter(|row| row.round < own).map(round::Earlier::from).collect();
    let secret = |name: &proto::config::SecretRef| engine.vault.get(session, name);
    let log_dir = round.log_dir.clone().map(PathBuf::from);
    Ok(RoundContext::new(engine.resources(session), round, journal, earlier, &secret, log_dir, cancel))
}

/// Removes the temporary files of a round that isn't taken up again: its turn in the work dir is ours.
async fn sweep(round: &OpenRound) {
    let Some(dir) = round.spec.work_dir.clone() else { return };
    let home = round.spec.env.get("HOME").map(PathBuf::from);
    let swept = tokio::task::spawn_blocking(move || {
        // One that is gone isn't made for this.
        if std::fs::metadata(&dir).is_ok_and(|metadata| metadata.is_dir()) {
            Workspace::open(Path::new(&dir), home.as_deref()).map_or(0, |workspace| workspace.sweep())
        } else {
            0
        }
    });
    // What stays behind is swept by the next round.
    let _ = swept.await;
}

/// Ends a round in which nothing runs.
async fn end(engine: &Engine, round: &OpenRound, outcome: Outcome) -> Result<Played, StoreError> {
    let journal = Journal::load(&engine.store, round.session, round.round, round.id, round.active_ms).await?;
    round::end_unplayed(&journal, round.session, &round.spec.task, round.log_dir.clone(), outcome).await?;
    Ok(Played::Ended)
}

fn mark(engine: &Engine, session: SessionId, change: impl FnOnce(&mut super::Active)) {
    if let Some(active) = engine.active.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&session) {
        change(active);
    }
    engine.changed();
}
