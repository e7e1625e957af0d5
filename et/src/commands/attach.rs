//! `et session attach`: watches a session.

use proto::outcome::exit;

use super::{Ended, Showing, follow, shown, view};
use crate::args::Attach;
use crate::context::Context;
use crate::exit::Problem;
use crate::request;
use crate::watch::{ProcessSignals, Watch};

pub(super) async fn run(context: &Context, args: &Attach) -> Ended {
    if args.stream && !context.json {
        return Err(Problem::new(exit::USAGE, "--stream needs --json"));
    }
    let from = request::from(args.from.as_deref())?;
    // The name is looked up once, so that `last` stays the same session across reconnects.
    let shown = shown(context, request::session(&args.id)?).await?;
    let session = shown.summary.id;
    let mut signals = ProcessSignals::new(false)?;
    let showing = Showing { stream: args.stream, ..Showing::default() };
    let (mut view, text) = view(context, session, shown.summary.rounds, showing);
    let what = Watch { session, from, follow: args.follow, text, round: None, interrupted: false };
    follow(context, what, &mut signals, view.as_mut()).await
}
