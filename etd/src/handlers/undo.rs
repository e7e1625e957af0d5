//! `et session undo`: the files of a round are put back to what they were before it.

use std::sync::Arc;
use std::time::Duration;

use proto::message::{Heartbeat, Reply, Undo};

use crate::daemon::Responder;
use crate::session::{Engine, SessionError};

/// Silence that a client may take for life.
const HEARTBEAT: Duration = Duration::from_secs(10);

pub(super) async fn handle(engine: &Arc<Engine>, request: Undo, responder: &Responder) -> Result<Reply, SessionError> {
    let row = engine.resolve(&request.session).await?;
    let (session, rounds) = (row.id, row.rounds);
    let mut undoing = std::pin::pin!(engine.undo(row, request.round));
    loop {
        if let Ok(undone) = tokio::time::timeout(HEARTBEAT, &mut undoing).await {
            return undone.map(Reply::Undone);
        }
        // A client that is gone needs none; what was begun goes on all the same.
        let beat = Heartbeat { state: engine.state(session), round: rounds };
        let _ = responder.item(Reply::Heartbeat(beat)).await;
    }
}
