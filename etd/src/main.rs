//! `etd`: reads its arguments and runs the daemon in the foreground.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use etd::daemon::activation::{self, Handed};
use etd::daemon::{self, Options, Readiness, RunError, StartContext, StartError, Stop};
use etd::handlers::Handlers;
use etd::sandbox::Children;
use etd::session::{self, Engine};
use etd::store::{Store, StoreError};
use proto::outcome::exit;

/// Threads that serve clients, sessions and streams at most; what blocks has threads of its own.
const MAX_THREADS: usize = 4;

/// The daemon of electrictown. `et` starts it by itself.
#[derive(Debug, Parser)]
#[command(name = "etd", version = proto::BUILD)]
struct Args {
    /// Where it keeps its state [default: ET_STATE_DIR, $XDG_STATE_HOME/et or ~/.local/state/et]
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Leave the caller's session and descriptors; the first line on stdout says how the start went
    #[arg(long, hide = true)]
    background: bool,
}

fn main() -> ExitCode {
    #[cfg(target_os = "linux")]
    if etd::sandbox::warden::is_wanted() {
        return etd::sandbox::warden::main();
    }
    etd::memory::share_arenas();
    let args = Args::parse();
    // Before there is another descriptor, or a second thread.
    let handed = if args.background {
        daemon::process::leave_caller();
        Handed::default()
    } else {
        Handed::take(&|name| std::env::var(name).ok())
    };
    activation::forget_variables();
    daemon::process::keep_memory_private();
    daemon::process::allow_descriptors();
    match run(args, handed) {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, message)) => {
            // Nobody may be listening.
            let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("etd: {message}\n").as_bytes());
            ExitCode::from(code)
        }
    }
}

fn run(args: Args, handed: Handed) -> Result<(), (u8, String)> {
    let var = |name: &str| std::env::var(name).ok();
    let no_home = || (exit::STATE, "no state dir: neither HOME nor ET_STATE_DIR is set".to_owned());
    let state_dir = args.state_dir.or_else(|| proto::endpoint::state_dir(&var)).ok_or_else(no_home)?;
    let failed = |error: std::io::Error| (exit::UNAVAILABLE, error.to_string());
    let state_dir = std::path::absolute(&state_dir).map_err(failed)?;
    // It waits far more than it computes: more threads than this only cost memory, on a large machine a lot of it.
    let threads = std::thread::available_parallelism().map_or(2, usize::from).clamp(2, MAX_THREADS);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build().map_err(failed)?;
    let ended = runtime.block_on(async {
        let stop = Stop::new();
        let signals = tokio::spawn(stop.on_signals().map_err(failed)?);
        let Handed { socket, notify } = handed;
        let activated = socket.is_some();
        let notify = notify.map(Arc::new);
        let manager = notify.clone();
        let ready = move |readiness: &Readiness| {
            match (manager, readiness) {
                (Some(manager), Readiness::Ready(socket)) => manager.ready(socket),
                (Some(manager), other) => manager.failed(&other.to_string()),
                (None, _) => {}
            }
            report(readiness);
        };
        let told = stop.clone();
        let leaving = tokio::spawn(async move {
            told.draining().await;
            if let Some(manager) = notify {
                manager.stopping();
            }
        });
        let options = Options {
            state_dir,
            var: Box::new(var),
            ready: Box::new(ready),
            limits: daemon::Limits::default(),
            patience: daemon::lock::Patience::default(),
            stop,
        };
        let ended = daemon::run_at(options, socket, start).await;
        signals.abort();
        leaving.abort();
        ended.map_err(|error| {
            let code = match &error {
                RunError::Lock(daemon::lock::LockError::StateDir { .. }) => exit::STATE,
                RunError::Start(error) if error.stage == "state-dir" => exit::STATE,
                _ => exit::UNAVAILABLE,
            };
            (code, explain(&error, activated))
        })
    });
    // The lock is given back only when no task can write any more.
    runtime.shutdown_timeout(Duration::from_millis(500));
    ended.map(drop)
}

/// What is told of a daemon that didn't run.
fn explain(error: &RunError, activated: bool) -> String {
    let RunError::Lock(daemon::lock::LockError::Held { record: Some(record), .. }) = error else {
        return error.to_string();
    };
    let advice = if activated {
        "; who connected here is served there, and once `et daemon stop` has ended it, the next one is ours"
    } else {
        ""
    };
    format!("{error} (pid {}, socket {}){advice}", record.pid, record.endpoint.display())
}

/// Says how the start went, to whoever reads our standard output, and lets go of it.
fn report(readiness: &Readiness) {
    let _ = std::io::Write::write_all(&mut std::io::stdout(), format!("{readiness}\n").as_bytes());
    let _ = std::io::Write::flush(&mut std::io::stdout());
    daemon::process::drop_stdout();
}

async fn start(context: StartContext) -> Result<Arc<impl daemon::Service>, StartError> {
    let level = std::env::var("ET_LOG").ok();
    daemon::log::open(&context.state_dir, level.as_deref()).map_err(|error| StartError {
        stage: "state-dir",
        cause: format!("{}: {error}", context.state_dir.display()),
    })?;
    let failed = |stage: &'static str| move |cause: String| StartError { stage, cause };
    let state_dir = context.state_dir.clone();
    let opening = tokio::task::spawn_blocking(move || Store::open(&state_dir)).await;
    let of_store = |stage: &'static str| {
        let dir = context.state_dir.clone();
        move |error: StoreError| match error {
            StoreError::Unwritable(_) => failed("state-dir")(format!("state dir {}: {error}", dir.display())),
            StoreError::Network { .. } => failed("state-dir")(error.to_string()),
            StoreError::Spoiled(_) => failed("database")(error.to_string()),
            other => failed(stage)(other.to_string()),
        }
    };
    let opened = opening.map_err(|error| failed("database")(error.to_string()))?;
    let store = opened.map_err(of_store("database"))?;
    let ledger = Arc::new(session::ChildLedger::new(store.clone()));
    let socket_dir = context.socket.parent().map(std::path::Path::to_path_buf);
    let children =
        Children::confining(ledger, "/proc/self/exe".into(), &context.state_dir, socket_dir.into_iter().collect());
    let children = children.map_err(|error| failed("children")(error.to_string()))?;
    let engine = Engine::start(store, Arc::new(children)).await.map_err(of_store("recovery"))?;
    Ok(Arc::new(Handlers::new(engine)))
}
