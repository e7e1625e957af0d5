//! Secrets for rounds that wait for them.

use std::sync::Arc;

use proto::message::{Done, Provide, Reply};

use crate::session::{Engine, SessionError};

pub(super) fn handle(engine: &Arc<Engine>, request: Provide) -> Result<Reply, SessionError> {
    engine.vault.provide(&request.secrets);
    Ok(Reply::Done(Done {}))
}
