//! `et session show`.

use proto::message::{RoundSummary, Shown};
use proto::report::RoundReport;

use super::{Ended, ago, print, print_json, shown};
use crate::context::Context;
use crate::request;
use crate::text::one_line;
use crate::view::plain::summary;
use crate::watch::credentials;

pub(super) async fn run(context: &Context, id: &str) -> Ended {
    let shown = shown(context, request::session(id)?).await?;
    if context.json {
        print_json(&json(&shown));
    } else {
        print(&text(&shown));
    }
    Ok(0)
}

fn json(shown: &Shown) -> serde_json::Value {
    let rounds: Vec<serde_json::Value> = shown.rounds.iter().map(round_json).collect();
    serde_json::json!({ "session": shown.summary, "rounds": rounds })
}

fn round_json(round: &RoundSummary) -> serde_json::Value {
    // The report is stored as text; here it is part of the object.
    let report = round.report.as_deref().and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok());
    serde_json::json!({
        "round": round.round,
        "id": round.id,
        "state": round.state,
        "task": round.task,
        "log_dir": round.log_dir,
        "started_ms": round.started_ms,
        "ended_ms": round.ended_ms,
        "needs": round.needs,
        "report": report,
    })
}

fn text(shown: &Shown) -> String {
    let summary_line = &shown.summary;
    let mut lines = vec![
        format!("session {}", summary_line.id),
        format!("state: {}, last change {}", summary_line.state, ago(summary_line.updated_ms)),
    ];
    lines.extend(summary_line.work_dir.as_ref().map(|dir| format!("work dir: {dir}")));
    for round in &shown.rounds {
        lines.push(format!("round {} ({}): {}", round.round, round.state, one_line(&round.task, 200)));
        match round.state.as_str() {
            "undone" => lines.push("  undone: its files are as they were before it".to_owned()),
            "undoing" => lines.push(format!(
                "  its undo isn't finished; et session undo {} {} goes on",
                summary_line.id.short(),
                round.round
            )),
            _ => {}
        }
        if !round.needs.is_empty() {
            lines.push(format!("  waits for credentials: {}", credentials(&round.needs)));
        }
        match round.report.as_deref().map(serde_json::from_str::<RoundReport>) {
            Some(Ok(report)) => lines.extend(summary(&report).into_iter().map(|line| format!("  {line}"))),
            Some(Err(error)) => lines.push(format!("  its report can't be read: {error}")),
            None => lines.extend(round.log_dir.as_ref().map(|dir| format!("  logs: {dir}"))),
        }
    }
    lines.join("\n")
}
