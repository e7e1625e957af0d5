//! The actor of one session: plays its rounds one after the other until none is queued.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use proto::event::{Event, NoteLevel};
use proto::id::SessionId;
use proto::outcome::Outcome;
use tokio_util::sync::CancellationToken;

use super::{Engine, Entry, secrets};
use crate::round::{self, Journal, RoundContext};
use crate::store::{NewEvent, OpenRound, StoreError};

/// Unclean stops in a row, without a step in between, after which a round isn't tried again.
const MAX_UNCLEAN: u32 = 3;
/// How long steps may take to reach their boundary when the daemon stops.
const BOUNDARY: Duration = Duration::from_secs(2);

/// Plays rounds until none is queued or the daemon stops.
pub(super) async fn run(engine: Arc<Engine>, session: SessionId) {
    while let Some(entry) = next(&engine, session) {
        let number = entry.round.round;
        tracing::info!(%session, round = number, "round taken up");
        match play(&engine, entry).await {
            Ok(Played::Ended) => {}
            Ok(Played::Left) => return,
            Err(error) => {
                // Nothing of this round can be recorded any more; it stays open, and the next daemon takes it up.
                tracing::error!(%session, round = number, %error, "round given up");
            }
        }
    }
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
    if let Some(ticket) = &ticket {
        tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(Played::Left),
            () = cancel.cancelled() => return end(engine, &round, Outcome::Cancelled).await,
            () = ticket.turn() => {}
        }
    }
    if round.unclean >= MAX_UNCLEAN {
        return end(engine, &round, Outcome::Crashed).await;
    }
    if cancel.is_cancelled() && !round.started {
        return end(engine, &round, Outcome::Cancelled).await;
    }
    let names: Vec<_> = secrets(&round.spec).cloned().collect();
    let missing = engine.vault.missing(session, names.iter());
    if !missing.is_empty() {
        mark(engine, session, |active| active.needs_credentials = true);
        let listed: Vec<String> = missing.iter().map(ToString::to_string).collect();
        let note = Event::Note {
            level: NoteLevel::Warning,
            text: format!(
                "waiting for credentials: {}; any et command that has them hands them over",
                listed.join(", ")
            ),
        };
        let journal = Journal::load(&engine.store, session, round.round, round.id, round.active_ms).await?;
        tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(Played::Left),
            () = cancel.cancelled() => return end(engine, &round, Outcome::Cancelled).await,
            result = async {
                // It is said anew at each wait.
                journal.emit(vec![NewEvent::new(format!("needs/{}", crate::store::now_ms()), note)]).await?;
                engine.vault.wait_for(session, &names).await;
                Ok::<(), StoreError>(())
            } => result?,
        }
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
    let earlier = earlier.into_iter().filter(|row| row.round < own).map(|row| (row.task, row.report)).collect();
    let secret = |name: &proto::config::SecretRef| engine.vault.get(session, name);
    let log_dir = round.log_dir.clone().map(PathBuf::from);
    Ok(RoundContext::new(engine, round, journal, earlier, &secret, log_dir, cancel))
}

/// Ends a round in which nothing runs.
async fn end(engine: &Engine, round: &OpenRound, outcome: Outcome) -> Result<Played, StoreError> {
    let journal = Journal::load(&engine.store, round.session, round.round, round.id, round.active_ms).await?;
    round::end_unplayed(&journal, round, outcome).await?;
    Ok(Played::Ended)
}

fn mark(engine: &Engine, session: SessionId, change: impl FnOnce(&mut super::Active)) {
    if let Some(active) = engine.active.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&session) {
        change(active);
    }
    engine.changed();
}
