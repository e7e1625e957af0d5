//! `et session wait`: until nothing runs or is queued.

use std::sync::Arc;
use std::time::Duration;

use proto::message::{Heartbeat, Needs, Reply, Wait, Waited};
use proto::outcome::exit;

use crate::daemon::Responder;
use crate::session::{Engine, SessionError};

/// Silence that a client may take for life.
const HEARTBEAT: Duration = Duration::from_secs(10);

pub(super) async fn handle(engine: &Arc<Engine>, request: Wait, responder: &Responder) -> Result<Reply, SessionError> {
    let row = engine.resolve(&request.session).await?;
    let session = row.id;
    let mut changes = engine.changes();
    let mut told = Vec::new();
    while !engine.is_idle(session) {
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
