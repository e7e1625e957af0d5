//! Whether an answer is enough. The judgement is a step: what it is measured by changes when the answer's files land, and a round
//! that is resumed must come to the same one.

use proto::event::Event;
use serde::{Deserialize, Serialize};

use super::board::Board;
use super::context::{RoundContext, Stop};
use super::resolving::{self, Contents};
use crate::answer::{Answer, Failed, Problem};
use crate::calls::CallRecord;
use crate::plan::Subtask;
use crate::relpath::RelPath;
use crate::store::NewEvent;

/// Why an answer isn't enough, as recorded: what it is measured by changes when its files land.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lacking {
    /// In words for the worker.
    pub reason: String,
    /// Whether the file that it is about is there already, so that its presence says nothing.
    pub stale: bool,
}

/// What a worker gave.
#[derive(Clone, Copy)]
pub(super) struct Given<'a> {
    /// The newest answer.
    pub answer: &'a Answer,
    /// What of its edits didn't apply.
    pub failed: &'a [Failed],
    /// Complete files, those of earlier answers included.
    pub files: &'a Contents,
}

/// Why an answer isn't enough, if so; recorded together with the event that the worker has finished.
pub(super) async fn judged(
    cx: &RoundContext,
    board: &Board,
    subtask: &Subtask,
    attempt: u32,
    record: &CallRecord,
    given: Given<'_>,
) -> Result<Option<Lacking>, Stop> {
    let key = format!("read/{}/{attempt}", subtask.id);
    if let Some(judged) = cx.journal.recorded::<Option<Lacking>>(&key)? {
        return Ok(judged);
    }
    let lacking = lacking(cx, given, subtask).await?;
    let event = Event::WorkerFinished {
        worker: subtask.id.clone(),
        attempt,
        model: record.model.clone(),
        tokens_in: record.usage.input,
        tokens_out: record.usage.output,
        duration_ms: record.duration_ms,
        files: given.files.keys().map(ToString::to_string).collect(),
        spent: board.lock().spent(),
    };
    let events = vec![NewEvent::new(format!("worker.finished/{}/{attempt}", subtask.id), event)];
    cx.journal.record(&key, None, &lacking, events, Vec::new()).await?;
    Ok(lacking)
}

async fn lacking(
    cx: &RoundContext,
    Given { answer, failed, files }: Given<'_>,
    subtask: &Subtask,
) -> Result<Option<Lacking>, Stop> {
    if !failed.is_empty() {
        return Ok(Some(Lacking { reason: resolving::reasons(failed), stale: true }));
    }
    for problem in &answer.problems {
        let (path, reason) = match problem {
            Problem::Truncated(path) if !files.contains_key(path) => (path, format!("{path} was cut off")),
            Problem::Placeholder(path) if !files.contains_key(path) => {
                (path, format!("{path} leaves code out; give the whole file"))
            }
            _ => continue,
        };
        let (_, seen) = cx.views(vec![path.clone()]).await?;
        return Ok(Some(Lacking { reason, stale: !seen.get(path).is_some_and(Option::is_none) }));
    }
    let fresh = |reason| Some(Lacking { reason, stale: false });
    if files.is_empty() {
        return Ok(if answer.no_change { None } else { fresh("the answer has no file in it".to_owned()) });
    }
    if answer.no_change {
        return Ok(None);
    }
    let missing: Vec<RelPath> = subtask.owns.iter().filter(|path| !files.contains_key(*path)).cloned().collect();
    let (_, seen) = cx.views(missing.clone()).await?;
    let missing: Vec<String> = missing
        .iter()
        .filter(|path| cx.workspace.is_none() || seen.get(*path).is_some_and(Option::is_none))
        .map(ToString::to_string)
        .collect();
    Ok(if missing.is_empty() { None } else { fresh(format!("{} is missing in the answer", missing.join(", "))) })
}
