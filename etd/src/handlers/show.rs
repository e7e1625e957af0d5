//! `et session show`.

use std::sync::Arc;

use proto::message::{Reply, RoundSummary, Show, Shown};

use super::list::summary;
use crate::session::{Engine, SessionError};

/// Rounds in one answer at most, the newest: it must fit a frame.
const MAX_ROUNDS: usize = 100;

pub(super) async fn handle(engine: &Arc<Engine>, request: Show) -> Result<Reply, SessionError> {
    let row = engine.resolve(&request.session).await?;
    let session = row.id;
    let rounds = engine.store.read(move |reader| reader.rounds(session)).await?;
    let needs = engine.vault.needs_of(session);
    let state = engine.state(session);
    let skip = rounds.len().saturating_sub(MAX_ROUNDS);
    let rounds = rounds
        .into_iter()
        .skip(skip)
        .map(|round| {
            let waits = !needs.is_empty() && round.state != "ended";
            RoundSummary {
                round: round.round,
                id: round.id,
                state: if waits { state.clone() } else { round.state },
                task: round.task,
                log_dir: round.log_dir,
                started_ms: round.started_ms,
                ended_ms: round.ended_ms,
                report: round.report,
                needs: if waits { needs.clone() } else { Vec::new() },
            }
        })
        .collect();
    Ok(Reply::Shown(Shown { summary: summary(engine, row), rounds }))
}
