//! `et session undo`: puts the files of a round back to what they were before it.

use proto::message::{Reply, Request, Undo, Undone};

use super::{Ended, answers, print, print_json};
use crate::args::IdRound;
use crate::context::Context;
use crate::exit::Problem;
use crate::request;
use crate::text::plural;

/// Files that are named.
const NAMED: usize = 20;

pub(super) async fn run(context: &Context, args: &IdRound) -> Ended {
    let session = request::session(&args.id)?;
    // Asked again after a lost connection it goes on, or says that it is done.
    let request = Request::Undo(Undo { session, round: args.round });
    let (_, reply) = answers(context, request).await?;
    let Reply::Undone(undone) = reply else { return Err(Problem::unexpected(&reply)) };
    if context.json {
        let Undone { session, round, files, already, earlier } = &undone;
        let value = serde_json::json!({
            "session": session, "round": round, "files": files, "already": already, "earlier": earlier,
        });
        print_json(&value);
    } else if !context.quiet {
        print(&text(&undone));
    }
    Ok(0)
}

fn text(undone: &Undone) -> String {
    let short = undone.session.short();
    let mut lines = Vec::new();
    if undone.already {
        lines.push(format!("round {} of {short} is already undone", undone.round));
    } else {
        let files = plural(undone.files.len(), "file");
        lines.push(format!("undid round {} of {short}: {files} as before it", undone.round));
        lines.extend(undone.files.iter().take(NAMED).map(|file| format!("  {file}")));
        if undone.files.len() > NAMED {
            lines.push(format!("  and {} more", undone.files.len() - NAMED));
        }
    }
    if let Some(earlier) = undone.earlier {
        lines.push(format!("et session undo {short} {earlier} takes back the round before it"));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]
    use super::*;

    #[test]
    fn it_says_what_is_undone_and_what_could_be() {
        let session: proto::id::SessionId = "01234567-89ab-4cde-8f01-23456789abcd".parse().unwrap();
        let undone = |files: usize, already, earlier| Undone {
            session,
            round: 2,
            files: (0..files).map(|n| format!("f{n}")).collect(),
            already,
            earlier,
        };
        let short = session.short();
        let many = text(&undone(22, false, None));
        assert!(many.ends_with("  f19\n  and 2 more"), "{many}");
        for (undone, expected) in [
            (undone(1, false, None), format!("undid round 2 of {short}: 1 file as before it\n  f0")),
            (
                undone(1, true, Some(1)),
                format!(
                    "round 2 of {short} is already undone\net session undo {short} 1 takes back the round before it"
                ),
            ),
        ] {
            assert_eq!(text(&undone), expected);
        }
    }
}
