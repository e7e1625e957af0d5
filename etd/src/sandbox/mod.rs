//! Child processes. No other module starts one.
//!
//! Promises, for each child of [`Children::run`]:
//! - it has a session and a process group of its own, stdin holds what was handed in and then ends, no core dump, no file above 4 GiB, and exactly the environment
//!   that was handed in, plus [`MARK`];
//! - when `run` returns, or its future is dropped, nothing of it lives on: the group is ended on cancel and time-out (TERM, KILL
//!   after [`GRACE`]), what is left of it is killed after its own end, and so is a grandchild that made a session of its own (found by
//!   [`MARK`] in its environment; Linux only). A grandchild that leaves the group *and* clears its environment escapes: that takes a
//!   PID namespace;
//! - it is reaped, its output is read while it runs and kept within a limit, and a grandchild that holds a pipe open delays nobody;
//! - when the daemon dies, the kernel kills it (Linux; elsewhere, and for its own children, [`kill_leftover`] at the next start).
//!
//! It must never block the runtime on a child, let a child read the daemon's own input, or hand on the daemon's own environment.
//!
//! The settings between `fork` and `exec` are made by a hook (`preexec.rs`, the one place with `unsafe`) and not by a re-executed
//! helper: four system calls that are safe there need no second binary start, and no path to a binary that an update may have replaced.

mod lookup;
mod output;
mod preexec;
mod process;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::process::Child;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

pub use lookup::find_program;
use output::Bounded;
pub use process::{ChildRecord, boot_id, kill_leftover, start_time};

/// Variable in each child's environment whose value is unique to that child, and which its own children inherit.
pub const MARK: &str = "ET_CHILD";
/// How long a group has between TERM and KILL.
pub const GRACE: Duration = Duration::from_secs(2);
/// How long a grandchild may hold the pipes open after its parent's end.
const PIPE_GRACE: Duration = Duration::from_millis(500);
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
    runtime: Handle,
    /// What comes back ends its child when it is dropped, on the way too.
    reply: oneshot::Sender<std::io::Result<Running>>,
}

/// Starts children. Lives as long as the daemon: on Linux its end is the end of each child.
pub struct Children {
    requests: Option<mpsc::Sender<Request>>,
    spawner: Option<JoinHandle<()>>,
}

impl Children {
    /// Starts the thread that all children are started from. It is always the same one, since the kernel ties a child's life to
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
                let running = child.map(|child| Running::new(child, request.mark, Arc::clone(&ledger)));
                // If nobody waits for it any more, it is dropped here and so ended.
                drop(request.reply.send(running));
            }
        })?;
        Ok(Self { requests: Some(requests), spawner: Some(spawner) })
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
        let mut running = self.spawn(&command, &program).await.map_err(failed)?;
        let output = running.supervise(&command, cancel, began).await;
        running.sweep().await;
        match output {
            Ok(Some(output)) => Ok(output),
            Ok(None) => Err(RunError::Cancelled),
            Err(source) => Err(failed(source)),
        }
    }

    async fn spawn(&self, command: &Command, program: &Path) -> std::io::Result<Running> {
        let mark = uuid::Uuid::new_v4().simple().to_string();
        let mut prepared = tokio::process::Command::new(program);
        prepared
            .args(command.argv.iter().skip(1))
            .current_dir(&command.dir)
            .env_clear()
            .envs(&command.env)
            .env(MARK, &mark)
            .stdin(if command.input.is_empty() { Stdio::null() } else { Stdio::piped() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if let Some(name) = command.argv.first() {
            prepared.arg0(name);
        }
        preexec::prepare(&mut prepared);
        let gone = || std::io::Error::other("the thread that starts children has ended");
        let (reply, answer) = oneshot::channel();
        let requests = self.requests.as_ref().ok_or_else(gone)?;
        let request = Request { command: prepared, mark, runtime: Handle::current(), reply };
        requests.send(request).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
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

/// A child that may still be alive. Dropped, it takes everything that came of it along.
struct Running {
    child: Child,
    record: ChildRecord,
    ledger: Arc<dyn Ledger>,
    swept: bool,
}

/// Why the first wait is over.
enum First {
    Ended(ExitStatus),
    TimedOut,
    Cancelled,
}

impl Running {
    fn new(child: Child, mark: String, ledger: Arc<dyn Ledger>) -> Self {
        let record = ChildRecord::of(child.id().unwrap_or(0), mark);
        ledger.on_start(&record);
        Self { child, record, ledger, swept: false }
    }

    /// None: cancelled.
    async fn supervise(
        &mut self,
        command: &Command,
        cancel: &CancellationToken,
        began: Instant,
    ) -> std::io::Result<Option<Output>> {
        let group = Some(self.record.pid);
        let (mut stdout, mut stderr) = (Bounded::new(command.output_limit), Bounded::new(command.output_limit));
        let pipes = (self.child.stdout.take(), self.child.stderr.take());
        let stdin = self.child.stdin.take();
        let first = {
            let reading = async {
                let both = async { tokio::join!(drain(pipes.0, &mut stdout), drain(pipes.1, &mut stderr)) };
                tokio::join!(both, feed(stdin, &command.input))
            };
            tokio::pin!(reading);
            let mut read = false;
            let deadline = tokio::time::sleep(command.timeout.saturating_sub(began.elapsed()));
            tokio::pin!(deadline);
            let first = loop {
                tokio::select! {
                    biased;
                    () = cancel.cancelled() => break First::Cancelled,
                    status = self.child.wait() => break First::Ended(status?),
                    _ = &mut reading, if !read => read = true,
                    () = &mut deadline => break First::TimedOut,
                }
            };
            let mut ended = matches!(first, First::Ended(_));
            if !ended {
                signal_group(group, Signal::SIGTERM);
            }
            let grace = tokio::time::sleep(if ended { PIPE_GRACE } else { GRACE });
            tokio::pin!(grace);
            // Reading goes on meanwhile: a child that ends in good order may have a full pipe to empty first.
            while !(ended && read) {
                tokio::select! {
                    status = self.child.wait(), if !ended => { status?; ended = true; }
                    _ = &mut reading, if !read => read = true,
                    () = cancel.cancelled(), if matches!(first, First::Ended(_)) => break,
                    () = &mut grace => break,
                }
            }
            kill_group(group);
            if !ended {
                self.child.wait().await?;
            }
            self.kill_strays().await;
            if !read {
                // All that we know of is dead; whoever still holds a pipe isn't waited for.
                let _ = tokio::time::timeout(PIPE_GRACE, &mut reading).await;
            }
            first
        };
        let ended = match first {
            First::Cancelled => return Ok(None),
            First::TimedOut => Ended::TimedOut,
            First::Ended(status) => how(status),
        };
        Ok(Some(Output { ended, stdout: stdout.finish(), stderr: stderr.finish(), duration: began.elapsed() }))
    }

    /// Kills what left the group. Looking through all processes takes milliseconds: not on the runtime's threads.
    async fn kill_strays(&self) {
        let mark = self.record.mark.clone();
        let _ = tokio::task::spawn_blocking(move || process::kill_marked(&mark)).await;
    }

    async fn sweep(&mut self) {
        // Nothing to do on the usual way: `supervise` has killed and reaped, and only an error of the wait leaves something.
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            kill_group(Some(self.record.pid));
            let _ = self.child.wait().await;
            self.kill_strays().await;
        }
        self.swept = true;
        self.ledger.on_end(&self.record);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.swept {
            kill_group(Some(self.record.pid));
            process::kill_marked(&self.record.mark);
            self.ledger.on_end(&self.record);
        }
    }
}

fn how(status: ExitStatus) -> Ended {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Code(code),
        (None, Some(signal)) => Ended::Signal(signal),
        (None, None) => Ended::Code(-1),
    }
}

/// Writes all of it and closes the pipe. A child that doesn't want it is free to.
async fn feed(pipe: Option<impl AsyncWrite + Unpin>, input: &[u8]) {
    if let Some(mut pipe) = pipe {
        let _ = pipe.write_all(input).await;
    }
}

/// Reads to the end, or to the first error, which for a pipe is an end as well.
async fn drain(pipe: Option<impl AsyncRead + Unpin>, into: &mut Bounded) {
    let Some(mut pipe) = pipe else { return };
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read) = pipe.read(&mut buffer).await {
        if read == 0 {
            break;
        }
        into.push(&buffer[..read]);
    }
}

fn kill_group(pid: Option<u32>) {
    signal_group(pid, Signal::SIGKILL);
}

/// Groups 0 and 1 are never meant: they are our own and everybody.
fn signal_group(pid: Option<u32>, signal: Signal) {
    if let Some(pid) = pid.and_then(|pid| i32::try_from(pid).ok()).filter(|pid| *pid > 1) {
        // No such group: it is gone already, which is what we want.
        let _ = killpg(Pid::from_raw(pid), signal);
    }
}
