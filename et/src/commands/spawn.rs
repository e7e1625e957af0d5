//! `et session spawn`: starts a session and prints its id once it is durable.

use super::run::{print_queued, spawn_request};
use super::{Ended, notes, provide, queue};
use crate::args::Spawn;
use crate::config;
use crate::context::Context;
use crate::request::{self, Verb};

pub(super) async fn run(context: &Context, args: &Spawn) -> Ended {
    let work_dir = request::work_dir(Some(&args.work_dir), &context.cwd, &Context::var)?;
    let flags = request::flags(&args.round, Verb::Spawn, true)?;
    let task = request::task(&args.task, &context.cwd, &mut std::io::stdin())?;
    let loaded = config::load(args.round.config.as_deref(), &context.cwd, &Context::var)?;
    notes(context, &loaded.notes);
    request::check_against(&flags, &loaded.config)?;
    let queued = queue(context, spawn_request(task, work_dir, flags, loaded)).await?;
    provide(context, &queued).await?;
    print_queued(context, &queued);
    Ok(0)
}
