//! `et session kill`: cancels what runs or is queued.

use proto::message::{Kill, Reply, Request};

use super::{Ended, ask, print, print_json};
use crate::context::Context;
use crate::exit::Problem;
use crate::request;

pub(super) async fn run(context: &Context, id: &str) -> Ended {
    let session = request::session(id)?;
    let killed = match ask(context, Request::Kill(Kill { session, round: None })).await? {
        Reply::Killed(killed) => killed,
        other => return Err(Problem::unexpected(&other)),
    };
    if context.json {
        print_json(&serde_json::json!({ "session": killed.session, "rounds": killed.rounds }));
    } else if !context.quiet {
        let numbers: Vec<String> = killed.rounds.iter().map(u32::to_string).collect();
        let what = match numbers.as_slice() {
            [] => "nothing ran or was queued".to_owned(),
            [one] => format!("cancelled round {one}"),
            many => format!("cancelled rounds {}", many.join(", ")),
        };
        print(&format!("{what} in {}", killed.session));
    }
    Ok(0)
}
