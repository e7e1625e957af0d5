//! `et session list`.

use std::sync::Arc;

use proto::message::{Reply, SessionSummary, Sessions};

use crate::session::{Engine, SessionError};
use crate::store::SessionRow;

/// Sessions in one answer at most: it must fit a frame.
const MAX_SESSIONS: usize = 5_000;
/// Characters of a task in a list.
pub(super) const MAX_TASK: usize = 500;

pub(super) async fn handle(engine: &Arc<Engine>) -> Result<Reply, SessionError> {
    let rows = engine.store.read(|reader| reader.sessions()).await?;
    let sessions = rows.into_iter().take(MAX_SESSIONS).map(|row| summary(engine, row)).collect();
    Ok(Reply::Sessions(Sessions { sessions }))
}

/// A session as lists show it.
pub(super) fn summary(engine: &Engine, row: SessionRow) -> SessionSummary {
    SessionSummary {
        id: row.id,
        state: engine.state(row.id),
        work_dir: row.work_dir,
        task: row.task.chars().take(MAX_TASK).collect(),
        rounds: row.rounds,
        outcome: row.outcome,
        created_ms: row.created_ms,
        updated_ms: row.updated_ms,
    }
}
