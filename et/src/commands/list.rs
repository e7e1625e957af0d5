//! `et session list`.

use proto::message::{List, Reply, Request, SessionSummary};

use super::{Ended, ago, ask, note, print, print_json};
use crate::context::Context;
use crate::exit::Problem;
use crate::text::one_line;

pub(super) async fn run(context: &Context) -> Ended {
    let sessions = match ask(context, Request::List(List {})).await? {
        Reply::Sessions(sessions) => sessions.sessions,
        other => return Err(Problem::unexpected(&other)),
    };
    if context.json {
        print_json(&serde_json::json!({ "sessions": sessions }));
        return Ok(0);
    }
    if sessions.is_empty() {
        note(context, "no sessions yet; et run \"task\" makes one");
        return Ok(0);
    }
    let lines: Vec<String> = sessions.iter().map(line).collect();
    print(&lines.join("\n"));
    Ok(0)
}

/// One session on one line.
fn line(session: &SessionSummary) -> String {
    let state = match (&session.outcome, session.state.as_str()) {
        (Some(outcome), "ended") => outcome.as_str(),
        (_, state) => state,
    };
    format!(
        "{}  {:<17}  {:>2} {}  {:>8}  {}",
        session.id.short(),
        one_line(state, 40),
        session.rounds,
        if session.rounds == 1 { "round " } else { "rounds" },
        ago(session.updated_ms),
        one_line(&session.task, 70),
    )
}
