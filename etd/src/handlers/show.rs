//! `et session show`.

use std::sync::Arc;

use proto::message::{Reply, RoundSummary, Show, Shown};

use super::list::{MAX_TASK, summary};
use crate::session::{Engine, SessionError};

/// Rounds in one answer at most, the newest: it must fit a frame.
const MAX_ROUNDS: usize = 100;
/// Bytes of reports in one answer at most; older rounds come without theirs.
const MAX_REPORTS: usize = 4 << 20;

pub(super) async fn handle(engine: &Arc<Engine>, request: Show) -> Result<Reply, SessionError> {
    let row = engine.resolve(&request.session).await?;
    let session = row.id;
    let rounds = engine.store.read(move |reader| reader.rounds(session)).await?;
    let needs = engine.vault.needs_of(session);
    let state = engine.state(session);
    let skip = rounds.len().saturating_sub(MAX_ROUNDS);
    let mut room = MAX_REPORTS;
    let mut rounds: Vec<_> = rounds.into_iter().skip(skip).collect();
    for round in rounds.iter_mut().rev() {
        let bytes = round.report.as_ref().map_or(0, String::len);
        match room.checked_sub(bytes) {
            Some(left) => room = left,
            None => (room, round.report) = (0, None),
        }
        round.task = round.task.chars().take(MAX_TASK).collect();
    }
    let rounds = rounds
        .into_iter()
        .map(|round| {
            let waits = !needs.is_empty() && round.state != "ended";
            RoundSummary {
                round: round.round,
                id: round.id,
                state: if waits { state.clone() } else { round.shown_state().to_owned() },
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
