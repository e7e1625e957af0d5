//! `et session wait`: until nothing runs or is queued.
//!
//! The answer is the result of the newest round. Where that one hasn't ended although nothing runs, there is none: the result of the round
//! before it would pass for its own.

use std::sync::Arc;
use std::time::Duration;

use proto::id::SessionId;
use proto::message::{Heartbeat, Needs, Reply, Wait, Waited};
use proto::outcome::exit;

use crate::daemon::Responder;
use crate::session::{Engine, SessionError};

/// Silence that a client may take for life.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// Time in which a round that is stored comes to be queued.
const QUEUEING: Duration = Duration::from_secs(2);

pub(super) async fn handle(engine: &Arc<Engine>, request: Wait, responder: &Responder) -> Result<Reply, SessionError> {
    let row = engine.resolve(&request.session).await?;
    let session = row.id;
    let mut changes = engine.changes();
    let mut told = Vec::new();
    loop {
        if engine.is_idle(session) {
            none_left_open(engine, session, None).await?;
            if engine.is_idle(session) {
                break;
            }
        }
        let needs = engine.vault.needs_of(session);
        if needs != told {
            told.clone_from(&needs);
            if !needs.is_empty() && responder.item(Reply::Needs(Needs { names: needs })).await.is_err() {
                break;
            }
        }
        if engine.stopping().is_cancelled() {
            return Err(SessionError {
                exit_code: exit::UNAVAILABLE,
                message: "the daemon is going away".to_owned(),
                hint: Some("the session goes on when it is back; wait again".to_owned()),
            });
        }
        if tokio::time::timeout(HEARTBEAT, changes.changed()).await.is_err() {
            let beat = Heartbeat { state: engine.state(session), round: row.rounds };
            if responder.item(Reply::Heartbeat(beat)).await.is_err() {
                break;
            }
        }
    }
    let rounds = engine.store.read(move |reader| reader.rounds(session)).await?;
    let newest = rounds.into_iter().rev().find_map(|round| Some((round.round, round.report?)));
    let (round, report) = newest.ok_or_else(|| SessionError {
        exit_code: exit::SOFTWARE,
        message: format!("session {session} has no round that ended"),
        hint: None,
    })?;
    Ok(Reply::Waited(Waited { session, round, report }))
}

/// Fails if a round (without a number: the newest one) hasn't ended although nothing runs or is queued in its session.
pub(super) async fn none_left_open(
    engine: &Engine,
    session: SessionId,
    round: Option<u32>,
) -> Result<(), SessionError> {
    let deadline = tokio::time::Instant::now() + QUEUEING;
    let mut changes = engine.changes();
    loop {
        changes.borrow_and_update();
        let idle = engine.is_idle(session);
        let open = engine.store.read(move |reader| {
            let Some(number) = round.map_or_else(|| reader.newest_round(session), |round| Ok(Some(round)))? else {
                return Ok(None);
            };
            Ok(reader.has_ended(session, number)?.filter(|ended| !ended).map(|_| number))
        });
        let Some(number) = open.await? else { return Ok(()) };
        if !idle {
            return Ok(());
        }
        // It may be on its way from the database to its actor.
        let changed = tokio::time::timeout_at(deadline, changes.changed()).await;
        if matches!(changed, Ok(Ok(()))) && tokio::time::Instant::now() < deadline {
            continue;
        }
        let short = session.short();
        return Err(SessionError {
            exit_code: exit::SOFTWARE,
            message: format!("round {number} of session {short} hasn't ended, and nothing runs there"),
            hint: Some(format!(
                "`et daemon restart` takes it up again; `et session attach {short}` shows how far it came, `et session send {short}` \
                 begins another one"
            )),
        });
    }
}
