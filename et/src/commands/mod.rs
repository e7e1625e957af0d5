//! One file per command, and what they share.

use std::io::Write;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use proto::id::SessionId;
use proto::message::{Provide, Queued, Reply, Request, SecretValue, SessionName, Show, Shown};
use proto::outcome::exit;

use crate::args::{self, Cli, Command, Daemon, Session, Stop};
use crate::config::recall;
use crate::context::Context;
use crate::exit::{Problem, exit_code, tell};
use crate::link::{Link, LinkError};
use crate::text::{harmless_json, sanitize};
use crate::view::View;
use crate::view::json::Json;
use crate::view::live::{self, Live};
use crate::view::plain::Plain;
use crate::watch::{self, ProcessSignals, Watch};

mod attach;
mod completions;
mod daemon;
mod demo;
mod diff;
mod doctor;
mod kill;
mod list;
mod models;
mod nodes;
mod run;
mod send;
mod show;
mod spawn;
mod trust;
mod undo;
mod version;
mod wait;

/// How a command ends: with an exit code, or with a problem that has one.
type Ended = Result<u8, Problem>;

/// Reads the command line, does what it says, and tells what went wrong.
pub fn main() -> ExitCode {
    let words: Vec<std::ffi::OsString> = std::env::args_os().collect();
    let json = args::wants_json(&words);
    // Only the place: the words of a panic may quote what was being worked on, and that may be a key.
    let place = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&place);
    std::panic::set_hook(Box::new(move |panic| {
        let mut first = seen.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string));
    }));
    let parsed = std::panic::catch_unwind(AssertUnwindSafe(|| match args::parse(&words) {
        Ok(cli) => dispatch(cli),
        Err(Stop::Print(text)) => {
            // A broken pipe is no error.
            let _ = text.print();
            Ok(0)
        }
        Err(Stop::Wrong(problem)) => Err(problem),
    }));
    let ended = parsed.unwrap_or_else(|_| {
        let place = place.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default();
        Err(Problem::new(exit::SOFTWARE, format!("et itself failed, at {place}"))
            .hint("a round that was running goes on: et session list shows it"))
    });
    if let Err(problem) = &ended {
        tell(problem, json, &mut std::io::stdout(), &mut std::io::stderr());
    }
    ExitCode::from(exit_code(&ended))
}

fn dispatch(cli: Cli) -> Ended {
    let cwd = std::env::current_dir()
        .map_err(|error| Problem::usage(format!("the current directory can't be used: {error}")))?;
    let context = Context {
        cwd,
        json: cli.common.json,
        quiet: cli.common.quiet,
        autostart: !cli.common.no_autostart,
        state_dir: None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Problem::new(exit::SOFTWARE, format!("the runtime can't be started: {error}")))?;
    let ended = runtime.block_on(async {
        match cli.command {
            Command::Run(run) => run::run(&context, &run).await,
            Command::Session(Session::Spawn(spawn)) => spawn::run(&context, &spawn).await,
            Command::Session(Session::Send(send)) => send::run(&context, &send).await,
            Command::Session(Session::Attach(attach)) => attach::run(&context, &attach).await,
            Command::Session(Session::List) => list::run(&context).await,
            Command::Session(Session::Show(id)) => show::run(&context, &id.id).await,
            Command::Session(Session::Kill(id)) => kill::run(&context, &id.id).await,
            Command::Session(Session::Wait(wait)) => wait::run(&context, &wait).await,
            Command::Session(Session::Diff(args)) => diff::run(&context, &args).await,
            Command::Session(Session::Undo(args)) => undo::run(&context, &args).await,
            Command::Daemon(Daemon::Start) => daemon::start(&context).await,
            Command::Daemon(Daemon::Stop) => daemon::stop(&context).await,
            Command::Daemon(Daemon::Restart) => daemon::restart(&context).await,
            Command::Daemon(Daemon::Status) => daemon::status(&context).await,
            Command::Daemon(Daemon::Logs) => daemon::logs(&context),
            Command::Demo(demo) => demo::run(context, &demo).await,
            Command::Models(with) => models::run(&context, with.config.as_deref()).await,
            Command::Nodes(with) => nodes::run(&context, with.config.as_deref()).await,
            Command::Doctor(with) => doctor::run(&context, with.config.as_deref()).await,
            Command::Trust(trust) => trust::run(&context, &trust.file),
            Command::Completions(completions) => completions::run(completions.shell),
            Command::Version => version::run(&context),
        }
    });
    // Nothing that still waits may keep the process.
    runtime.shutdown_background();
    ended
}

/// Prints lines on stdout, cleaned. A broken pipe is no error.
fn print(text: &str) {
    write_out(&sanitize(text));
}

/// Prints a JSON value on stdout, on one line.
fn print_json(value: &serde_json::Value) {
    write_out(&harmless_json(&value.to_string()));
}

fn write_out(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush());
}

/// Prints a line on stderr, unless quiet.
fn note(context: &Context, text: &str) {
    if !context.quiet {
        let _ = writeln!(std::io::stderr(), "{}", sanitize(text));
    }
}

/// Tells what loading the config brought up.
fn notes(context: &Context, notes: &[String]) {
    for text in notes {
        note(context, &format!("note: {text}"));
    }
}

/// Names of all variables of this process.
fn variable_names() -> Vec<String> {
    std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect()
}

/// A key under which a request is queued once, however often it is sent.
fn idempotency_key() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// One question to the daemon, asked again once if the connection breaks. Only for requests that may be repeated.
async fn ask(context: &Context, request: Request) -> Result<Reply, Problem> {
    let mut tries = 0;
    loop {
        tries += 1;
        let link = context.connect().await?;
        match link.call(request.clone()).await {
            Ok(Reply::Failed(failed)) => return Err(failed.into()),
            Ok(reply) => return Ok(reply),
            Err(error) if error.is_lost() && tries < 3 => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The items of one question (heartbeats left out) and its last answer, asked again if the connection breaks. Only for requests that
/// may be repeated.
async fn answers(context: &Context, request: Request) -> Result<(Vec<Reply>, Reply), Problem> {
    let mut tries = 0;
    loop {
        tries += 1;
        let link = context.connect().await?;
        let gathered = async {
            let mut items = Vec::new();
            let mut stream = link.open(request.clone()).await?;
            while let Some(reply) = stream.next().await? {
                if !matches!(reply, Reply::Heartbeat(_)) {
                    items.push(reply);
                }
            }
            let last = items.pop().ok_or_else(|| LinkError::lost("the daemon gave no answer"))?;
            Ok((items, last))
        };
        match gathered.await {
            Ok(answers) => return Ok(answers),
            Err(error) if LinkError::is_lost(&error) && tries < 3 => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Queues a round; the request carries an idempotency key, so it may be repeated.
async fn queue(context: &Context, request: Request) -> Result<Queued, Problem> {
    match ask(context, request).await? {
        Reply::Queued(queued) => Ok(queued),
        other => Err(Problem::unexpected(&other)),
    }
}

/// A session by its name.
async fn shown(context: &Context, session: SessionName) -> Result<Shown, Problem> {
    match ask(context, Request::Show(Show { session })).await? {
        Reply::Shown(shown) => Ok(shown),
        other => Err(Problem::unexpected(&other)),
    }
}

/// Hands over secrets that the daemon lacks and this environment has.
async fn provide(context: &Context, queued: &Queued) -> Result<(), Problem> {
    let secrets = find_secrets(&queued.needs);
    let lacking: Vec<_> =
        queued.needs.iter().filter(|name| !secrets.iter().any(|secret| secret.name == **name)).cloned().collect();
    if !lacking.is_empty() {
        let come_back = format!("et session attach {}", queued.session.short());
        let _ = writeln!(std::io::stderr(), "{}", watch::needs_text(&lacking, &come_back));
    }
    if !secrets.is_empty() {
        ask(context, Request::Provide(Provide { secrets })).await?;
    }
    Ok(())
}

fn find_secrets(names: &[proto::config::SecretRef]) -> Vec<SecretValue> {
    recall::find(names, &Context::var)
}

/// How a session is to be shown.
#[derive(Clone, Copy, Default)]
struct Showing {
    /// Print the plan: there is nothing else.
    plan: bool,
    /// Pieces of model text in the JSON lines.
    stream: bool,
    /// Builds at most, where that is known.
    max_builds: Option<u32>,
}

/// The view that fits the flags and the terminal, and whether it wants model text.
fn view(context: &Context, session: SessionId, round: u32, show: Showing) -> (Box<dyn View>, bool) {
    let (out, err) = (Box::new(std::io::stdout()), Box::new(std::io::stderr()));
    if context.json {
        return (Box::new(Json::new(session, round, out, err)), show.stream);
    }
    if !context.quiet && !show.plan && live::fits(&Context::var) {
        return (Box::new(Live::new(out, show.max_builds, &Context::var)), true);
    }
    (Box::new(Plain::new(out, err, context.quiet, show.plan)), false)
}

/// Watches a session with the signals of this process.
async fn follow(context: &Context, what: Watch, signals: &mut ProcessSignals, view: &mut dyn View) -> Ended {
    watch::watch(what, &watch::Daemon::new(context)?, signals, &find_secrets, view).await
}

/// How long ago something was, from milliseconds since 1970.
fn ago(ms: i64) -> String {
    let past = jiff::Timestamp::now().as_millisecond().saturating_sub(ms).max(0) / 1000;
    match past {
        0..=59 => format!("{past}s ago"),
        60..=3599 => format!("{}m ago", past / 60),
        3600..=86_399 => format!("{}h ago", past / 3600),
        _ => format!("{}d ago", past / 86_400),
    }
}

/// A connection, when a command needs several requests on one.
async fn connect(context: &Context) -> Result<Link, Problem> {
    Ok(context.connect().await?)
}
