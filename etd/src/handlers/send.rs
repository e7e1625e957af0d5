//! `et session send`: another round.

use std::sync::Arc;

use proto::message::{Reply, Send};

use crate::session::{Engine, SessionError};

pub(super) async fn handle(engine: &Arc<Engine>, request: Send) -> Result<Reply, SessionError> {
    engine.send(request).await.map(Reply::Queued)
}
