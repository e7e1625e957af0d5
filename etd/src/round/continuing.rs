//! An answer that the token limit cut within a block is continued once. Both calls are steps of their own; the text of the answer
//! follows from the two.

use std::sync::Arc;

use super::board::Board;
use super::context::{Asked, Question, RoundContext, Stop};
use super::verdict::Halt;
use crate::answer::{self, Expected, Problem};
use crate::calls::CallRecord;
use crate::prompt::{self, Window};
use crate::provider::{Prompt, StopReason};
use crate::relpath::RelPath;

/// Asks as [`RoundContext::ask`] does, and for the rest of an answer that was cut.
pub(super) async fn ask<'a>(
    cx: &RoundContext,
    board: &Board,
    question: Question<'a>,
    owns: &[RelPath],
) -> Result<(Asked, bool), Stop> {
    let prompt: Arc<dyn Fn(Window) -> Prompt + Send + Sync + 'a> = Arc::from(question.prompt);
    let first = Arc::clone(&prompt);
    let (key, worker, role, by) = (question.key.clone(), question.worker, question.role, question.by);
    let (avoid, priority, seen) = (question.avoid.clone(), question.priority, question.seen.clone());
    let (mut asked, fresh) =
        cx.ask(board, Question { prompt: Box::new(move |window| first(window)), ..question }).await?;
    let Ok(record) = &mut asked.result else { return Ok((asked, fresh)) };
    if !open(cx, record, owns) {
        return Ok((asked, fresh));
    }
    // Whoever began it goes on with it, if it can.
    let mut by = by.clone();
    by.pool.retain(|alias| *alias != record.alias);
    by.fallbacks.retain(|alias| *alias != record.alias);
    by.fallbacks.splice(0..0, std::mem::take(&mut by.pool));
    by.pool = vec![record.alias.clone()];
    let partial = record.text.clone();
    let rest = Question {
        key: format!("{key}/more"),
        worker,
        role,
        by: &by,
        avoid,
        prompt: Box::new(move |window| prompt::go_on(&*prompt, &partial, window)),
        schema: None,
        priority,
        events: Vec::new(),
        seen,
        listener: None,
    };
    match cx.ask(board, rest).await {
        Ok((Asked { result: Ok(rest), .. }, _)) => {
            let expected = Expected { owns, work_dir_name: cx.work_dir_name(), cut: true };
            record.text = answer::join(&record.text, &rest.text, &expected);
            record.stop = rest.stop;
            record.usage.input += rest.usage.input;
            record.usage.cached += rest.usage.cached;
            record.usage.output += rest.usage.output;
            record.usage.estimated |= rest.usage.estimated;
            record.duration_ms += rest.duration_ms;
        }
        // What is there is used, and the rest asked for as a whole where that is still possible.
        Ok(_) | Err(Stop::Halt(Halt::Budget(..))) => {}
        Err(stop) => return Err(stop),
    }
    Ok((asked, fresh))
}

/// Whether the token limit cut an answer within a block.
fn open(cx: &RoundContext, record: &CallRecord, owns: &[RelPath]) -> bool {
    if record.stop != StopReason::Length {
        return false;
    }
    let read = answer::read(&record.text, &Expected { owns, work_dir_name: cx.work_dir_name(), cut: true });
    read.problems.iter().any(|problem| matches!(problem, Problem::Truncated(_)))
}
