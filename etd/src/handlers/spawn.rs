//! `et run` and `et session spawn`: a new session with its first round.

use std::sync::Arc;

use proto::message::{Reply, Spawn};

use crate::session::{Engine, SessionError};

pub(super) async fn handle(engine: &Arc<Engine>, request: Spawn) -> Result<Reply, SessionError> {
    engine.spawn(request).await.map(Reply::Queued)
}
