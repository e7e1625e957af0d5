//! The actor of one session: plays its rounds one after the other until none is queued.

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

/// Plays rounds until none is queued or the daemon stops.
pub(super) async fn run(engine: Arc<Engine>, session: SessionId) {
    while let Some(entry) = next(&engine, session) {
        let number = entry.round.round;
        tracing::info!(%session, round = number, "round taken up");
        let (id, log_dir) = (entry.round.id, entry.round.log_dir.clone());
        // A fault in one round ends that round, visibly, and nothing else.
        let why = match AssertUnwindSafe(play(&engine, entry)).catch_unwind().await {
            Ok(Ok(Played::Ended)) => {
                engine.round_ended.notify_one();
                continue;
            }
            Ok(Ok(Played::Left)) => return,
            // The next daemon takes it up, or says where its record is kept.
            Ok(Err(StoreError::Closed | StoreError::Spoiled(_))) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "a fault in the daemon, see its log".to_owned(),
        };
        tracing::error!(%session, round = number, why, "round given up");
        if let Err(error) = give_up(&engine.store, session, number, id, log_dir, &why).await {
            // It stays open, and the next daemon takes it up.
            tracing::error!(%session, round = number, %error, "the end of the round isn't recorded");
        }
    }
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

async fn play(engine: &Arc<Engine>, entry: Entry) -> Result<Played, StoreError> {
    let Entry { round, cancel, ticket } = entry;
    let session = round.session;
    let stop = engine.stop.clone();
    if stop.is_cancelled() {
        return Ok(Played::Left);
    }
    if let Some(ticket) = &ticket {
        tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(Played::Left),
            () = cancel.cancelled(), if !round.started => return end(engine, &round, Outcome::Cancelled).await,
            () = ticket.turn() => {}
        }
    }
    if round.unclean >= MAX_UNCLEAN {
        sweep(&round).await;
        return end(engine, &round, Outcome::Crashed).await;
    }
    if cancel.is_cancelled() && !round.started {
        return end(engine, &round, Outcome::Cancelled).await;
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
                return end(engine, &round, Outcome::Cancelled).await;
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
    let context = context(engine, &round, cancel).await?;
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
