//! The daemon as a process: the only one of its state dir, found through its socket, asked through frames.
//!
//! Promises: no two daemons write one state dir ([`lock`]); whoever can connect finds a daemon that is ready ([`endpoint`]); no other
//! user gets a byte in or out; no client delays another; a client that vanishes stops no session. What the requests mean is the
//! [`Service`]'s business: nothing here knows a session.
//!
//! [`run`] is the whole life of a daemon and starts and stops within one test as well as in `main`.

pub mod activation;
mod connection;
pub mod endpoint;
#[cfg(test)]
mod fuzz;
pub mod lock;
pub mod log;
pub mod process;
mod server;
mod service;
mod shared;
mod stop;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use proto::endpoint::{DaemonState, LockRecord};

use activation::{Activated, ActivationError};
use endpoint::{EndpointError, Published};
use lock::{Lock, LockError, Patience};
pub use service::{Answers, Counts, Gone, Responder, Service};
pub use shared::Limits;
use shared::Shared;
pub use stop::Stop;

/// How a start went: one line for whoever started the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It answers at this socket.
    Ready(PathBuf),
    /// Another one has the lock.
    Already {
        /// Its process id; 0 if it didn't say.
        pid: u32,
        /// Its socket; empty if it has none yet.
        socket: PathBuf,
    },
    /// It can't run.
    Failed {
        /// One word: `state-dir`, `socket`, or what [`StartError`] says.
        stage: String,
        /// Why.
        cause: String,
    },
}

impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(socket) => write!(f, "ready {}", socket.display()),
            Self::Already { pid, socket } => write!(f, "already {pid} {}", socket.display()),
            Self::Failed { stage, cause } => write!(f, "failed {stage}: {}", cause.replace(['\n', '\r'], " ")),
        }
    }
}

/// Looks up an environment variable.
pub type Var = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// What a daemon needs.
pub struct Options {
    /// Its state dir; absolute.
    pub state_dir: PathBuf,
    /// Looks up environment variables.
    pub var: Var,
    /// Told once how the start went, whichever way.
    pub ready: Box<dyn FnOnce(&Readiness) + Send>,
    /// Bounds of the server.
    pub limits: Limits,
    /// How long a lock in other hands is tried.
    pub patience: Patience,
    /// Tells it to stop.
    pub stop: Stop,
}

/// What the service knows when it starts; the lock is held by then.
#[derive(Clone, Debug)]
pub struct StartContext {
    /// The state dir.
    pub state_dir: PathBuf,
    /// Where the socket will be.
    pub socket: PathBuf,
    /// What the last holder of the lock left in the file.
    pub previous: Option<LockRecord>,
    /// Hears when the daemon is told to stop.
    pub stop: Stop,
}

/// Why the service can't start.
#[derive(Debug, thiserror::Error)]
#[error("{stage}: {cause}")]
pub struct StartError {
    /// One word; `state-dir` if the state dir can't be written.
    pub stage: &'static str,
    /// Why, one line.
    pub cause: String,
}

/// Why a daemon didn't run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// No lock.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// No socket.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// No use for the socket that was handed over.
    #[error(transparent)]
    Activation(#[from] ActivationError),
    /// No service.
    #[error(transparent)]
    Start(#[from] StartError),
}

impl RunError {
    fn readiness(&self) -> Readiness {
        let stage = match self {
            Self::Lock(LockError::Held { record, .. }) => {
                let (pid, socket) = record.as_ref().map(|r| (r.pid, r.endpoint.clone())).unwrap_or_default();
                return Readiness::Already { pid, socket };
            }
            Self::Lock(LockError::StateDir { .. }) => "state-dir",
            Self::Endpoint(_) | Self::Activation(_) => "socket",
            Self::Start(error) => {
                return Readiness::Failed { stage: error.stage.to_owned(), cause: error.cause.clone() };
            }
        };
        Readiness::Failed { stage: stage.to_owned(), cause: self.to_string() }
    }
}

/// A daemon that has ended. It still holds the lock: drop it when nothing can write the state dir any more.
#[derive(Debug)]
pub struct Ended {
    _lock: Lock,
}

/// Runs a daemon to its end: lock, `start` (migrate, recover), publish, serve, drain.
///
/// Dropping the future ends it at once, as a crash does: the socket's name stays behind.
///
/// # Errors
/// If it can't start; [`Options::ready`] was told as well.
pub async fn run<S, F, R>(options: Options, start: F) -> Result<Ended, RunError>
where
    S: Service,
    F: FnOnce(StartContext) -> R,
    R: Future<Output = Result<Arc<S>, StartError>>,
{
    run_at(options, None, start).await
}

/// The same at a socket that a service manager handed over, if it did.
///
/// # Errors
/// As [`run`]; who had connected meanwhile is turned away.
pub async fn run_at<S, F, R>(
    options: Options,
    activated: Option<Result<Activated, ActivationError>>,
    start: F,
) -> Result<Ended, RunError>
where
    S: Service,
    F: FnOnce(StartContext) -> R,
    R: Future<Output = Result<Arc<S>, StartError>>,
{
    let Options { state_dir, var, ready, limits, patience, stop } = options;
    let began = Instant::now();
    let activated = match activated.transpose() {
        Ok(activated) => activated,
        Err(error) => {
            let error = RunError::from(error);
            ready(&error.readiness());
            return Err(error);
        }
    };
    let started = async {
        let (mut lock, previous) = Lock::acquire(&state_dir, patience).await?;
        // Known before the first write, so that the record never names another daemon's socket.
        let socket = match &activated {
            Some(activated) => {
                lock.mark_activated();
                activated.path().to_owned()
            }
            None => endpoint::choose(&*var, &state_dir)?,
        };
        lock.write(DaemonState::Starting, &socket)?;
        let context =
            StartContext { state_dir: state_dir.clone(), socket: socket.clone(), previous, stop: stop.clone() };
        let service = start(context).await?;
        let (listener, published) = match &activated {
            Some(activated) => {
                let wrong = |source| EndpointError::Io { path: socket.clone(), source };
                (activated.listener().map_err(wrong)?, Published::by_another(&socket))
            }
            None => Published::publish(&socket).await?,
        };
        proto::hooks::pause("daemon.ready").await;
        if let Err(error) = lock.write(DaemonState::Ready, &socket) {
            published.remove();
            return Err(error.into());
        }
        Ok::<_, RunError>((lock, service, listener, published, socket))
    };
    let (mut lock, service, listener, published, socket) = match started.await {
        Ok(started) => started,
        Err(error) => {
            if let Some(activated) = activated {
                activated.turn_away();
            }
            ready(&error.readiness());
            return Err(error);
        }
    };
    // The copy in the server is the one that counts.
    drop(activated);
    tracing::info!("ready at {} as {}", socket.display(), proto::BUILD);
    ready(&Readiness::Ready(socket.clone()));
    service.ready();
    let shared = Arc::new(Shared::new(service, limits, stop, socket.clone(), state_dir, began));
    let draining = || {
        tracing::info!("draining");
        if let Err(error) = lock.write(DaemonState::Draining, &socket) {
            tracing::warn!("{error}");
        }
        proto::hooks::pause_blocking("daemon.draining");
    };
    server::serve(listener, published, shared, draining).await;
    Ok(Ended { _lock: lock })
}
