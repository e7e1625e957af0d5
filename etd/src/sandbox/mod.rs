//! Child processes. No other module starts one.
//!
//! Promises, for each child of [`Children::run`]:
//! - it has a session and a process group of its own, stdin holds what was handed in and then ends, no core dump, no file above 4 GiB,
//!   and exactly the environment that was handed in, plus [`MARK`];
//! - when `run` returns, or its future is dropped, nothing of it lives on: the group is ended on cancel and time-out (TERM, KILL
//!   after [`GRACE`]), what is left of it is killed after its own end, and so is a grandchild that made a session of its own (found by
//!   [`MARK`] in its environment; Linux only). An unconfined grandchild that leaves the group *and* clears its environment escapes; a
//!   confined one doesn't, since it comes to the helper;
//! - with a [`Confinement`] it sees and does what that says, or isn't started ([`RunError::Unconfined`]);
//! - it is reaped, its output is read while it runs and kept within a limit, and a grandchild that holds a pipe open delays nobody;
//! - when the daemon dies, the kernel kills it (Linux; elsewhere, and for its own children, [`kill_leftover`] at the next start).
//!
//! It must never block the runtime on a child, let a child read the daemon's own input, or hand on the daemon's own environment.
//!
//! The settings between `fork` and `exec` are made by a hook (`preexec.rs`, the one place with `unsafe`): system calls that are safe there.
//! Everything else that a confinement takes is done by a re-executed helper with one thread (`warden`).

mod confine;
mod dirs;
mod lookup;
mod output;
mod places;
mod preexec;
mod probe;
mod process;
mod running;
mod site;
#[cfg(test)]
mod tests;
mod toolchain;
#[cfg(target_os = "linux")]
pub mod warden;

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use proto::report::SandboxLevel;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

pub use confine::{Confinement, Limits, Profile};
#[cfg(test)]
pub(crate) use dirs::make_caches;
pub(crate) use dirs::{Cache, Doomed, caches};
pub use lookup::find_program;
pub(crate) use preexec::{adopt, keep_variables};
pub use probe::Probe;
pub use process::{ChildRecord, boot_id, kill_leftover, start_time};
use running::Running;
use site::Site;
pub use site::{Jail, Wish};

/// Variable in each child's environment whose value is unique to that child, and which its own children inherit.
pub const MARK: &str = "ET_CHILD";
/// How long a group has between TERM and KILL.
pub const GRACE: Duration = Duration::from_secs(2);
/// Children that wait to be started.
const QUEUE: usize = 16;

/// A command to run to its end.
#[derive(Clone, Debug)]
pub struct Command {
    /// Program and arguments. A program without a slash is looked up with [`find_program`]; a relative path counts from `dir`.
    pub argv: Vec<String>,
    /// Where it runs; absolute.
    pub dir: PathBuf,
    /// The work dir, absolute. No program is looked up below it.
    pub root: PathBuf,
    /// Its whole environment, but for [`MARK`].
    pub env: BTreeMap<String, String>,
    /// Its group is killed after this.
    pub timeout: Duration,
    /// Bytes kept of each stream: the head and the tail of longer ones.
    pub output_limit: usize,
    /// What it may read on its standard input.
    pub input: Vec<u8>,
    /// What it may see and do; none: what the daemon may.
    pub confinement: Option<Arc<Confinement>>,
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// Its time was over and its group was killed.
    TimedOut,
}

/// What a child left behind.
#[derive(Clone, Debug)]
pub struct Output {
    /// How it ended.
    pub ended: Ended,
    /// Standard output, lossy UTF-8.
    pub stdout: String,
    /// Standard error, lossy UTF-8.
    pub stderr: String,
    /// How long it took.
    pub duration: Duration,
}

/// Why a child didn't run to its end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The program isn't there; nothing was started.
    #[error("{0} isn't installed or isn't on PATH")]
    NotFound(String),
    /// The kernel said no.
    #[error("can't start {program}: {source}")]
    Spawn {
        /// The program.
        program: String,
        /// The kernel's words.
        source: std::io::Error,
    },
    /// It couldn't be confined as it must be, and nothing was run.
    #[error("can't confine {program}: {why}")]
    Unconfined {
        /// The program.
        program: String,
        /// What was in the way.
        why: String,
    },
    /// The round was cancelled; the group was killed.
    #[error("cancelled")]
    Cancelled,
}

/// Told of each child, so that leftovers can be found after a crash. Must return at once: it is called between other work.
pub trait Ledger: Send + Sync {
    /// A child was started.
    fn on_start(&self, record: &ChildRecord);
    /// A child and all that came of it are gone.
    fn on_end(&self, record: &ChildRecord);
}

/// Keeps nothing.
impl Ledger for () {
    fn on_start(&self, _: &ChildRecord) {}
    fn on_end(&self, _: &ChildRecord) {}
}

struct Request {
    command: tokio::process::Command,
    mark: String,
    /// Where its helper says how it went.
    report: Option<OwnedFd>,
    runtime: Handle,
    /// What comes back ends its child when it is dropped, on the way too.
    reply: oneshot::Sender<std::io::Result<Running>>,
}

/// Starts children. Lives as long as the daemon: on Linux its end is the end of each child.
pub struct Children {
    requests: Option<mpsc::Sender<Request>>,
    spawner: Option<JoinHandle<()>>,
    site: Option<Site>,
}

impl Children {
    /// Starts the thread that all children are started from; none of them can be confined. It is always the same one, since the kernel ties a child's life to
    /// the thread that forked it.
    ///
    /// # Errors
    /// If there can't be one more thread.
    pub fn start(ledger: Arc<dyn Ledger>) -> std::io::Result<Self> {
        let (requests, mut inbox) = mpsc::channel::<Request>(QUEUE);
        let spawner = std::thread::Builder::new().name("children".to_owned()).spawn(move || {
            while let Some(mut request) = inbox.blocking_recv() {
                let _runtime = request.runtime.enter();
                let child = request.command.spawn();
                let running = child.map(|child| Running::new(child, request.mark, request.report, Arc::clone(&ledger)));
                // If nobody waits for it any more, it is dropped here and so ended.
                drop(request.reply.send(running));
            }
        })?;
        Ok(Self { requests: Some(requests), spawner: Some(spawner), site: None })
    }

    /// The same, able to confine. `helper` is a program that does what `etd confine` does, best `/proc/self/exe`, which stays the same when
    /// an update replaces the file. `secret` are dirs that no confined child may see, besides the state dir.
    ///
    /// # Errors
    /// If there can't be one more thread.
    pub fn confining(
        ledger: Arc<dyn Ledger>,
        helper: PathBuf,
        state_dir: &Path,
        secret: Vec<PathBuf>,
    ) -> std::io::Result<Self> {
        let mut children = Self::start(ledger)?;
        children.site = Some(Site::new(helper, state_dir, secret));
        Ok(children)
    }

    /// Runs a command to its end. A failing command is no error. What it printed is kept when its time was over, too.
    ///
    /// Cancellation: on `cancel` its group is ended and `Cancelled` comes within about [`GRACE`]; dropping the future kills
    /// all of it at once. Needs a tokio runtime with I/O and time.
    ///
    /// # Errors
    /// If the program isn't there, can't be started, or `cancel` came first.
    pub async fn run(&self, command: Command, cancel: &CancellationToken) -> Result<Output, RunError> {
        if cancel.is_cancelled() {
            return Err(RunError::Cancelled);
        }
        let began = Instant::now();
        let name = command.argv.first().cloned().unwrap_or_default();
        let program = if name.contains('/') {
            Some(command.dir.join(&name)).filter(|path| path.is_file())
        } else {
            find_program(&name, command.env.get("PATH").map(String::as_str), &command.root)
        };
        let program = program.ok_or_else(|| RunError::NotFound(name.clone()))?;
        let failed = |source| RunError::Spawn { program: name.clone(), source };
        let confinement = command.confinement.clone().filter(|confinement| confinement.level != SandboxLevel::None);
        let confined = confinement.is_some();
        let (mut running, input) = match confinement {
            Some(confinement) => self.spawn_confined(&command, program, &confinement).await.map_err(failed)?,
            None => (self.spawn(&command, &program).await.map_err(failed)?, command.input.clone()),
        };
        proto::hooks::pause("child.started").await;
        let output = running.supervise(&command, &input, cancel, began).await;
        proto::hooks::pause("child.ended").await;
        running.sweep().await;
        let mut output = output.map_err(failed)?.ok_or(RunError::Cancelled)?;
        if confined && output.ended != Ended::TimedOut {
            let why = running.report(&mut output);
            why.map_or(Ok(output), |why| Err(RunError::Unconfined { program: name, why }))
        } else {
            Ok(output)
        }
    }

    async fn spawn(&self, command: &Command, program: &Path) -> std::io::Result<Running> {
        let mark = new_mark();
        let mut prepared = tokio::process::Command::new(program);
        prepared
            .args(command.argv.iter().skip(1))
            .current_dir(&command.dir)
            .env_clear()
            .envs(&command.env)
            .env(MARK, &mark)
            .stdin(if command.input.is_empty() { Stdio::null() } else { Stdio::piped() });
        if let Some(name) = command.argv.first() {
            prepared.arg0(name);
        }
        self.request(prepared, mark, None).await
    }

    /// Starts the helper and tells it what to start. Comes with what the helper is to read: that, then the child's own input.
    #[cfg(target_os = "linux")]
    async fn spawn_confined(
        &self,
        command: &Command,
        program: PathBuf,
        confinement: &Confinement,
    ) -> std::io::Result<(Running, Vec<u8>)> {
        let site = self.site.as_ref().ok_or_else(|| std::io::Error::other("nothing to confine it with"))?;
        let mark = new_mark();
        let (report, theirs) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
        let mut env = command.env.clone();
        env.insert(MARK.to_owned(), mark.clone());
        let spec = warden::Spec {
            program,
            name: command.argv.first().cloned().unwrap_or_default(),
            args: command.argv.iter().skip(1).cloned().collect(),
            dir: command.dir.clone(),
            env,
            confinement: confinement.clone(),
            bwrap: probe::bwrap(),
            input: !command.input.is_empty(),
            report: preexec::number(&theirs),
        };
        let mut input = spec.encode()?;
        input.extend_from_slice(&command.input);
        let mut prepared = tokio::process::Command::new(&site.helper);
        prepared.arg0("etd").arg(warden::ARGUMENT).current_dir("/").env_clear().env(MARK, &mark).stdin(Stdio::piped());
        let running = self.request(prepared, mark, Some((report, theirs))).await?;
        Ok((running, input))
    }

    #[cfg(not(target_os = "linux"))]
    async fn spawn_confined(&self, _: &Command, _: PathBuf, _: &Confinement) -> std::io::Result<(Running, Vec<u8>)> {
        Err(std::io::Error::other("there is a sandbox for Linux only"))
    }

    /// Has it started by the thread that starts all of them. The pair is a pipe: our end and that of the child.
    async fn request(
        &self,
        mut command: tokio::process::Command,
        mark: String,
        pipe: Option<(OwnedFd, OwnedFd)>,
    ) -> std::io::Result<Running> {
        let (report, theirs) = pipe.map_or((None, None), |(report, theirs)| (Some(report), Some(theirs)));
        // A helper ends its children before itself, when it is told to; killed, it couldn't.
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(report.is_none());
        preexec::prepare(&mut command, theirs.as_ref().map(preexec::number));
        let gone = || std::io::Error::other("the thread that starts children has ended");
        let (reply, answer) = oneshot::channel();
        let requests = self.requests.as_ref().ok_or_else(gone)?;
        let request = Request { command, mark, report, runtime: Handle::current(), reply };
        requests.send(request).await.map_err(|_| gone())?;
        let running = answer.await.map_err(|_| gone())?;
        drop(theirs);
        running
    }
}

fn new_mark() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

impl Drop for Children {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(spawner) = self.spawner.take() {
            // It ends with the channel; a panic in it has been reported already.
            let _ = spawner.join();
        }
    }
}
