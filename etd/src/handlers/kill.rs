//! `et session kill`, and Ctrl-C in `et run`: rounds are cancelled.

use std::sync::Arc;

use proto::message::{Kill, Killed, Reply};

use crate::session::{Engine, SessionError};

pub(super) async fn handle(engine: &Arc<Engine>, request: Kill) -> Result<Reply, SessionError> {
    let session = engine.resolve(&request.session).await?.id;
    let rounds = engine.kill(session, request.round).await?;
    Ok(Reply::Killed(Killed { session, rounds }))
}
