//! `et run`: `session spawn` with an attach in the foreground.

use proto::config::Config;
use proto::message::{From, Queued, Request, SecretValue, Spawn};
use proto::outcome::exit;
use proto::settings::Flags;

use super::{Ended, Showing, follow, idempotency_key, note, notes, provide, queue, variable_names, view};
use crate::args::Run;
use crate::config::{self, Loaded};
use crate::context::Context;
use crate::env::check_env;
use crate::exit::Problem;
use crate::request::{self, Verb};
use crate::watch::{ProcessSignals, Signal, Signals, Watch};

pub(super) async fn run(context: &Context, args: &Run) -> Ended {
    if args.stream && !context.json {
        return Err(Problem::usage("--stream needs --json").hint("without it the text isn't shown piece by piece"));
    }
    let work_dir = request::work_dir(args.output_dir.as_deref(), &context.cwd, &Context::var)?;
    let flags = request::flags(&args.round, Verb::Run, work_dir.is_some())?;
    let task = request::task(&args.task, &context.cwd, &mut std::io::stdin())?;
    let loaded = config::load(args.round.config.as_deref(), &context.cwd, &Context::var)?;
    notes(context, &loaded.notes);
    request::check_against(&flags, &loaded.config)?;
    let request = spawn_request(task, work_dir, flags.clone(), loaded);
    if args.detach {
        let queued = queue(context, request).await?;
        provide(context, &queued).await?;
        print_queued(context, &queued);
        return Ok(0);
    }
    let settings = flags.resolve();
    let showing = Showing {
        plan: flags.dry_run,
        stream: args.stream,
        max_builds: settings.iterate.then_some(settings.max_iterations),
    };
    let come_back =
        |queued: &Queued| format!("session {} (et session attach {})", queued.session, queued.session.short());
    watch_round(context, request, showing, &come_back).await
}

/// The request of a first round.
pub(super) fn spawn_request(task: String, work_dir: Option<String>, flags: Flags, loaded: Loaded) -> Request {
    let Loaded { config, mut secrets, notes: _ } = loaded;
    let env = environment(&config, &mut secrets);
    Request::Spawn(Spawn {
        task,
        work_dir,
        flags,
        config,
        env: env.plain,
        secret_env: env.secret,
        secrets,
        idempotency_key: idempotency_key(),
    })
}

/// What checks may see; the secret part joins the other secrets.
pub(super) fn environment(config: &Config, secrets: &mut Vec<SecretValue>) -> crate::env::CheckEnv {
    let mut env = check_env(&Context::var, &variable_names(), &config.check.env);
    secrets.append(&mut env.values);
    secrets.sort_by(|a, b| a.name.cmp(&b.name));
    secrets.dedup_by(|a, b| a.name == b.name);
    env
}

/// The ids of what was queued: the session alone on stdout, or both as JSON.
pub(super) fn print_queued(context: &Context, queued: &Queued) {
    if context.json {
        super::print_json(&serde_json::json!({ "session": queued.session, "round": queued.round }));
    } else {
        super::print(&queued.session.to_string());
    }
}

/// Queues a round and watches it to its end. `opening` is the first line for people.
pub(super) async fn watch_round(
    context: &Context,
    request: Request,
    showing: Showing,
    opening: &dyn Fn(&Queued) -> String,
) -> Ended {
    let mut signals = ProcessSignals::new(true)?;
    let mut interrupted = false;
    let queued = {
        let queueing = queue(context, request);
        tokio::pin!(queueing);
        loop {
            tokio::select! {
                queued = &mut queueing => break queued?,
                signal = signals.next() => match signal {
                    // The round may be there already: it is cancelled as soon as its id is known.
                    Signal::Interrupt if !interrupted => interrupted = true,
                    Signal::Interrupt => return Ok(exit::INTERRUPTED),
                    Signal::Leave => return Ok(exit::TRY_AGAIN),
                },
            }
        }
    };
    if !context.json {
        note(context, &opening(&queued));
    }
    let (mut view, text) = view(context, queued.session, queued.round, showing);
    let what = Watch {
        session: queued.session,
        from: From::NewestRound,
        follow: false,
        text,
        round: Some(queued.round),
        interrupted,
    };
    follow(context, what, &mut signals, view.as_mut()).await
}
