//! `et session wait`: returns when nothing runs or is queued in a session, with the exit code of its newest round.

use std::io::Write;
use std::time::Duration;

use proto::id::SessionId;
use proto::message::{Needs, Provide, Reply, Request, SessionName, Wait, Waited};
use proto::outcome::exit;
use proto::report::RoundReport;

use super::{Ended, connect, find_secrets, print, print_json, shown};
use crate::args;
use crate::context::Context;
use crate::exit::Problem;
use crate::link::{Link, LinkError};
use crate::request;
use crate::view::plain::summary;
use crate::watch::needs_text;

/// How often a lost daemon is looked for again before giving up, a second apart.
const RETRIES: u32 = 20;

pub(super) async fn run(context: &Context, args: &args::Wait) -> Ended {
    let limit = args.timeout.as_deref().map(|text| request::timeout("--timeout", text)).transpose()?;
    let session = shown(context, request::session(&args.id)?).await?.summary.id;
    let waiting = until_rest(context, session);
    let waited = match limit {
        None => waiting.await?,
        Some(limit) => tokio::time::timeout(limit, waiting).await.map_err(|_| {
            Problem::new(exit::TRY_AGAIN, format!("session {} is still at work", session.short()))
                .hint(format!("et session attach {} shows it", session.short()))
        })??,
    };
    let report: RoundReport = serde_json::from_str(&waited.report)
        .map_err(|error| Problem::new(exit::SOFTWARE, format!("the report can't be read: {error}")))?;
    if context.json {
        let mut value = serde_json::to_value(&report).unwrap_or_default();
        if let Some(object) = value.as_object_mut() {
            object.insert("type".into(), "result".into());
            object.insert("session".into(), waited.session.to_string().into());
            object.insert("round".into(), waited.round.into());
        }
        print_json(&value);
    } else if !context.quiet {
        print(&summary(&report).join("\n"));
    }
    Ok(report.exit_code)
}

/// Waits across lost daemons.
async fn until_rest(context: &Context, session: SessionId) -> Result<Waited, Problem> {
    let mut tries = 0;
    loop {
        let error = match connect_and_wait(context, session).await {
            Ok(waited) => return Ok(waited),
            Err(Lost::No(problem)) => return Err(problem),
            Err(Lost::Yes(problem)) => problem,
        };
        tries += 1;
        if tries > RETRIES {
            return Err(error);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Whether trying again may help.
enum Lost {
    Yes(Problem),
    No(Problem),
}

impl Lost {
    /// A daemon that goes away, or isn't back yet, says so with these codes.
    fn of(problem: Problem) -> Self {
        if matches!(problem.exit_code, exit::UNAVAILABLE | exit::TRY_AGAIN) {
            Self::Yes(problem)
        } else {
            Self::No(problem)
        }
    }
}

impl From<LinkError> for Lost {
    fn from(error: LinkError) -> Self {
        if error.is_lost() { Self::Yes(error.into()) } else { Self::of(error.into()) }
    }
}

async fn connect_and_wait(context: &Context, session: SessionId) -> Result<Waited, Lost> {
    let link = connect(context).await.map_err(Lost::of)?;
    let mut items = link.open(Request::Wait(Wait { session: SessionName::Prefix(session.to_string()) })).await?;
    let mut told = Vec::new();
    loop {
        match items.next().await? {
            Some(Reply::Waited(waited)) => return Ok(waited),
            Some(Reply::Needs(needs)) => provide(&link, &needs, session, &mut told).await?,
            Some(Reply::Failed(failed)) => return Err(Lost::of(failed.into())),
            Some(_) => {}
            None => return Err(Lost::Yes(Problem::new(exit::UNAVAILABLE, "the daemon went away"))),
        }
    }
}

async fn provide(
    link: &Link,
    needs: &Needs,
    session: SessionId,
    told: &mut Vec<proto::config::SecretRef>,
) -> Result<(), LinkError> {
    let secrets = find_secrets(&needs.names);
    let lacking: Vec<_> =
        needs.names.iter().filter(|name| !secrets.iter().any(|secret| secret.name == **name)).cloned().collect();
    if !lacking.is_empty() && lacking != *told {
        let _ =
            writeln!(std::io::stderr(), "{}", needs_text(&lacking, &format!("et session attach {}", session.short())));
        *told = lacking;
    }
    if !secrets.is_empty() {
        link.call(Request::Provide(Provide { secrets })).await?;
    }
    Ok(())
}
