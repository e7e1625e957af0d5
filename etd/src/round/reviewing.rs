//! A reviewer's word on an answer, where one is configured.

use proto::config::role;
use proto::event::Event;

use super::board::Board;
use super::context::{Question, RoundContext, Seen, Stop};
use super::logs::Decision;
use crate::calls::Priority;
use crate::plan::Subtask;
use crate::prompt::{self, ReviewBrief};

/// The reviewer's score of an answer; none without a reviewer, or if it can't be read.
pub(super) async fn review(
    cx: &RoundContext,
    board: &Board,
    subtask: &Subtask,
    attempt: u32,
    text: &str,
) -> Result<Option<(u32, String)>, Stop> {
    let Some(by) = cx.role(role::REVIEWER) else { return Ok(None) };
    let question = Question {
        key: format!("review/{}/{attempt}", subtask.id),
        worker: "reviewer",
        role: role::REVIEWER,
        by,
        avoid: Vec::new(),
        prompt: Box::new(|window| prompt::review(&ReviewBrief { task: &cx.spec.task, subtask, answer: text }, window)),
        schema: None,
        priority: Priority::Normal,
        events: Vec::new(),
        seen: Seen::new(),
        listener: None,
    };
    let (asked, fresh) = cx.ask(board, question).await?;
    let record = match asked.result {
        Ok(record) => record,
        Err(failure) => {
            let key = format!("review/{}/{attempt}", subtask.id);
            cx.note(&key, format!("{} wasn't reviewed: {failure}", subtask.id)).await?;
            return Ok(None);
        }
    };
    let Some((score, reason)) = prompt::parse_review(&record.text) else { return Ok(None) };
    let accepted = score >= cx.spec.settings.guardrail_threshold;
    let event = Event::ReviewScored { worker: subtask.id.clone(), attempt, score, reason: reason.clone(), accepted };
    cx.journal.say(format!("review.scored/{}/{attempt}", subtask.id), event).await?;
    if fresh {
        cx.logs.decide(Decision {
            timestamp: String::new(),
            phase: "review",
            agent: "reviewer",
            intent: &subtask.id,
            action: format!("scored {score}"),
            outcome: if accepted { "accepted" } else { "asked again" },
            detail: reason.clone(),
            token_cost: record.usage.input + record.usage.output,
        });
    }
    Ok(Some((score, reason)))
}
