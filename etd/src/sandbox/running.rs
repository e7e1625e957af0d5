//! A child that runs: read, waited for, ended in time, and gone with all that came of it.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::process::Child;
use tokio_util::sync::CancellationToken;

use super::output::Bounded;
use super::process::{kill_group, signal_group, signal_one};
use super::{ChildRecord, Command, Ended, GRACE, Ledger, Output, process};

/// How long a grandchild may hold the pipes open after its parent's end.
const PIPE_GRACE: Duration = Duration::from_millis(500);
/// Longest report of a helper in bytes.
const MAX_REPORT: u64 = 64 << 10;

/// A child that may still be alive. Dropped, it takes everything that came of it along.
pub(super) struct Running {
    pub(super) child: Child,
    record: ChildRecord,
    /// Of a confined child: it is a helper's, and ends everything that came of it by itself.
    report: Option<File>,
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
    pub(super) fn new(child: Child, mark: String, report: Option<OwnedFd>, ledger: Arc<dyn Ledger>) -> Self {
        let record = ChildRecord::of(child.id().unwrap_or(0), mark);
        ledger.on_start(&record);
        Self { child, record, report: report.map(File::from), ledger, swept: false }
    }

    /// Asks it to end. A helper passes it on to all that came of it, whatever their groups are.
    fn ask_to_end(&self) {
        if self.report.is_some() {
            signal_one(self.record.pid, Signal::SIGTERM);
        } else {
            signal_group(Some(self.record.pid), Signal::SIGTERM);
        }
    }

    /// None: cancelled.
    pub(super) async fn supervise(
        &mut self,
        command: &Command,
        input: &[u8],
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
                tokio::join!(both, feed(stdin, input))
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
                self.ask_to_end();
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

    pub(super) async fn sweep(&mut self) {
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

#[cfg(target_os = "linux")]
impl Running {
    /// How its helper says that it went: mends `output`. Some: it couldn't be confined, for this reason. To be called when it is gone.
    pub(super) fn report(&mut self, output: &mut Output) -> Option<String> {
        use super::warden::Report;
        let mut text = Vec::new();
        let channel = self.report.as_mut()?;
        // All who could write to it are gone, so this doesn't wait.
        let _ = channel.take(MAX_REPORT).read_to_end(&mut text);
        match serde_json::from_slice(&text) {
            Ok(Report::Code(code)) => output.ended = Ended::Code(code),
            Ok(Report::Signal(signal)) => output.ended = Ended::Signal(signal),
            Ok(Report::Limit(why)) => {
                output.ended = Ended::Signal(Signal::SIGKILL as i32);
                output.stderr.push_str(&format!("\net: ended by the sandbox: {why}\n"));
            }
            Ok(Report::Failed(why)) => return Some(format!("{why} {}", output.stderr.trim())),
            Err(_) if output.ended == Ended::Code(0) => return Some("its helper said nothing".to_owned()),
            // Killed, and so was all that it had started.
            Err(_) => {}
        }
        None
    }
}

#[cfg(not(target_os = "linux"))]
impl Running {
    /// Nothing is confined here.
    pub(super) fn report(&mut self, _: &mut Output) -> Option<String> {
        let channel = self.report.as_mut()?;
        let _ = channel.take(MAX_REPORT).read_to_end(&mut Vec::new());
        None
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.swept {
            if self.report.is_some() {
                // It ends all of them, which a killed one couldn't.
                signal_one(self.record.pid, Signal::SIGUSR1);
            } else {
                kill_group(Some(self.record.pid));
                process::kill_marked(&self.record.mark);
            }
            self.ledger.on_end(&self.record);
        }
    }
}

pub(super) fn how(status: ExitStatus) -> Ended {
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
