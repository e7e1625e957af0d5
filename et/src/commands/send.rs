//! `et session send`: queues another round in a session, with the flags of its spawn where none are given again.

use proto::message::{Request, Send};

use super::run::environment;
use super::{Ended, idempotency_key, notes, print, print_json, provide, queue};
use crate::args;
use crate::config;
use crate::context::Context;
use crate::exit::Problem;
use crate::request::{self, Verb};

pub(super) async fn run(context: &Context, args: &args::Send) -> Ended {
    let session = request::session(&args.id)?;
    let flags = request::flags(&args.round, Verb::Send, true)?;
    let message = request::task(&args.task, &context.cwd, &mut std::io::stdin())?;
    // The session keeps its own config. One that can be found here only tells which variables a check may see and which keys
    // are at hand, so that it is no error if there is none.
    let given = args.round.config.is_some();
    let loaded = config::load(args.round.config.as_deref(), &context.cwd, &Context::var);
    let (config, secrets, env) = match loaded {
        Ok(loaded) => {
            if given {
                notes(context, &loaded.notes);
                request::check_against(&flags, &loaded.config)?;
            }
            let mut secrets = loaded.secrets;
            let env = environment(&loaded.config, &mut secrets);
            (given.then_some(loaded.config), secrets, env)
        }
        Err(problem) if given => return Err(problem),
        Err(_) => {
            let env = crate::env::check_env(&Context::var, &super::variable_names(), &[]);
            (None, env.values.clone(), env)
        }
    };
    let request = Request::Send(Send {
        session,
        message,
        flags,
        config,
        env: env.plain,
        secret_env: env.secret,
        secrets,
        idempotency_key: idempotency_key(),
    });
    let queued = queue(context, request).await.map_err(|problem| unknown_hint(problem, &args.id))?;
    provide(context, &queued).await?;
    if context.json {
        print_json(&serde_json::json!({ "session": queued.session, "round": queued.round }));
    } else if !context.quiet {
        print(&format!("round {} of {}", queued.round, queued.session));
    }
    Ok(0)
}

/// A refused id gets the hint that helps.
fn unknown_hint(problem: Problem, id: &str) -> Problem {
    if problem.exit_code == proto::outcome::exit::USAGE && problem.hint.is_none() && problem.message.contains(id) {
        return problem.hint("et session list shows the ids");
    }
    problem
}
