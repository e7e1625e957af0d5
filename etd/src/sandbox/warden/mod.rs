//! The process between the daemon and what it runs: `etd confine`, started by `Children` only.
//!
//! It reads a `Spec` from its standard input, starts the program below bubblewrap or restricted by Landlock, and stays until every
//! process that came of it is gone: orphans come to it (it is their subreaper), so neither `setsid` nor a cleared environment hides one.
//! It is single-threaded, so it may fork and restrict its child before `exec`, which the daemon may not.
//!
//! TERM asks all of them to end and ends them after a moment; USR1, which also comes when the daemon dies, ends them at once. How it went
//! is told on a descriptor of its own that the program doesn't have, so nothing that it prints can pretend.

mod bwrap;
mod landlock;
mod overlay;
mod seccomp;
mod tree;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use proto::report::SandboxLevel;
use serde::{Deserialize, Serialize};

use super::confine::Confinement;
use super::preexec;

/// The argument that makes `etd` one of these.
pub const ARGUMENT: &str = "confine";
/// How long the processes have between TERM and KILL; shorter than the daemon's patience.
const GRACE: Duration = Duration::from_millis(1500);
/// How often it is looked at what they take.
const TICK: Duration = Duration::from_millis(250);
/// Longest spec in bytes.
const MAX_SPEC: u32 = 64 << 20;

/// What to start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Spec {
    /// The program, absolute.
    pub(super) program: PathBuf,
    /// The name that it was called by.
    pub(super) name: String,
    /// Its arguments.
    pub(super) args: Vec<String>,
    /// Where it runs.
    pub(super) dir: PathBuf,
    /// Its whole environment.
    pub(super) env: BTreeMap<String, String>,
    /// What it may see and do.
    pub(super) confinement: Confinement,
    /// bubblewrap, for the full level.
    pub(super) bwrap: Option<PathBuf>,
    /// Whether the rest of standard input is the program's.
    pub(super) input: bool,
    /// Descriptor for the [`Report`].
    pub(super) report: i32,
}

impl Spec {
    /// As it is read: its length, then JSON.
    pub(super) fn encode(&self) -> std::io::Result<Vec<u8>> {
        let text = serde_json::to_vec(self)?;
        let length = u32::try_from(text.len()).ok().filter(|length| *length <= MAX_SPEC);
        let length = length.ok_or_else(|| std::io::Error::other("the command is too long"))?;
        Ok([length.to_be_bytes().as_slice(), &text].concat())
    }

    fn read() -> std::io::Result<Self> {
        // Unbuffered, so that what follows stays for the program.
        let mut input = File::from(std::io::stdin().as_fd().try_clone_to_owned()?);
        let mut length = [0; 4];
        input.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length);
        if length > MAX_SPEC {
            return Err(std::io::Error::other("not a spec"));
        }
        let mut text = vec![0; length as usize];
        input.read_exact(&mut text)?;
        Ok(serde_json::from_slice(&text)?)
    }
}

/// How it went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Report {
    /// It exited with this code.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
    /// It couldn't be confined, and nothing was run.
    Failed(String),
    /// It took more than it may, and was ended.
    Limit(String),
}

/// Whether this process was started to confine another one. Nothing else of the command line counts then.
#[must_use]
pub fn is_wanted() -> bool {
    std::env::args_os().nth(1).is_some_and(|argument| argument == ARGUMENT)
}

/// Does it: to be called first of all in `main`, before there is a second thread.
#[must_use]
pub fn main() -> ExitCode {
    let spec = match Spec::read() {
        Ok(spec) => spec,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "etd confine: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut channel = preexec::adopt(spec.report);
    let report = run(&spec).unwrap_or_else(|error| Report::Failed(error.to_string()));
    if let Ok(text) = serde_json::to_vec(&report) {
        let _ = channel.write_all(&text);
    }
    ExitCode::SUCCESS
}

fn run(spec: &Spec) -> std::io::Result<Report> {
    if spec.confinement.level == SandboxLevel::Full {
        // Without them it is only slower.
        let _ = overlay::lay(&spec.confinement.overlays);
    }
    // Whoever reads our memory reads the environment of the check before it is confined.
    nix::sys::prctl::set_dumpable(false)?;
    nix::sys::prctl::set_child_subreaper(true)?;
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGCHLD] {
        signals.add(signal);
    }
    signals.thread_block()?;
    let events = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
    // From here on the daemon's end is a signal that is heard, so that nothing is left behind.
    nix::sys::prctl::set_pdeathsig(Signal::SIGUSR1)?;
    let mut started = start(spec)?;
    let outcome = supervise(spec, &events, started.pid);
    tree::kill_all(started.pid);
    reap_all();
    outcome.map(|outcome| match outcome {
        Outcome::Limit(why) => Report::Limit(why),
        Outcome::Ended(status) => started.report(status),
    })
}

/// The program, or bubblewrap around it.
struct Started {
    pid: Pid,
    /// bubblewrap's words on how it went; none without it.
    status: Option<File>,
}

impl Started {
    fn report(&mut self, status: ExitStatus) -> Report {
        let Some(channel) = &mut self.status else { return plain(status) };
        let mut text = String::new();
        // Everybody who could write to it is gone.
        let _ = channel.read_to_string(&mut text);
        match bwrap::exit_code(&text) {
            Some(code) => Report::Code(code),
            // It was killed itself, which ends what is in it as well.
            None if status.signal().is_some() || text.contains("child-pid") => plain(status),
            None => Report::Failed("bubblewrap couldn't set it up, see above".to_owned()),
        }
    }
}

fn plain(status: ExitStatus) -> Report {
    match (status.code(), status.signal()) {
        (_, Some(signal)) => Report::Signal(signal),
        (code, None) => Report::Code(code.unwrap_or(-1)),
    }
}

fn start(spec: &Spec) -> std::io::Result<Started> {
    let stdin = if spec.input { Stdio::inherit() } else { Stdio::null() };
    let filter = seccomp::filter(spec.confinement.level, spec.confinement.network)?;
    let limit = preexec::ChildLimits::for_processes(spec.confinement.limits.processes);
    match spec.confinement.level {
        SandboxLevel::Full => {
            let bwrap = spec.bwrap.as_ref().ok_or_else(|| std::io::Error::other("bubblewrap isn't known"))?;
            let rules = memory("seccomp", &seccomp::bytes(&filter))?;
            let (status, theirs) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
            let options = bwrap::options(spec, preexec::number(&rules), preexec::number(&theirs));
            let options = memory("options", &options)?;
            let mut command = std::process::Command::new(bwrap);
            command
                .arg("--args")
                .arg(preexec::number(&options).to_string())
                .arg("--")
                .arg(&spec.program)
                .args(&spec.args);
            command.env_clear().envs(&spec.env).stdin(stdin);
            preexec::inherit(&mut command, [&rules, &theirs, &options].map(preexec::number), limit);
            let child = command.spawn()?;
            drop(theirs);
            Ok(Started { pid: pid(&child), status: Some(File::from(status)) })
        }
        SandboxLevel::Partial => {
            let rules = landlock::rules(&spec.confinement)?;
            let mut command = std::process::Command::new(&spec.program);
            command.arg0(&spec.name).args(&spec.args).current_dir(&spec.dir).env_clear().envs(&spec.env).stdin(stdin);
            let restrict = move || {
                landlock::restrict(&rules)?;
                seccomp::apply(&filter)
            };
            preexec::restricted(&mut command, limit, restrict);
            Ok(Started { pid: pid(&command.spawn()?), status: None })
        }
        SandboxLevel::None => Err(std::io::Error::other("nothing to confine by")),
    }
}

fn pid(child: &std::process::Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap_or(-1))
}

/// Bytes that a child can read from a descriptor.
fn memory(name: &str, bytes: &[u8]) -> std::io::Result<OwnedFd> {
    let mut file = File::from(memfd_create(name, MFdFlags::MFD_CLOEXEC)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file.into())
}

/// Why the waiting is over.
enum Outcome {
    Ended(ExitStatus),
    Limit(String),
}

fn supervise(spec: &Spec, events: &SignalFd, child: Pid) -> std::io::Result<Outcome> {
    let mut end = None;
    let mut looked = Instant::now();
    loop {
        if let Some(status) = reap(child) {
            return Ok(Outcome::Ended(status));
        }
        while let Some(event) = events.read_signal()? {
            let signal = i32::try_from(event.ssi_signo).unwrap_or(0);
            if signal == Signal::SIGUSR1 as i32 {
                tree::kill_all(child);
            } else if signal != Signal::SIGCHLD as i32 {
                tree::ask_to_end(child, spec.confinement.level);
                end.get_or_insert(Instant::now() + GRACE);
            }
        }
        if end.is_some_and(|end| Instant::now() >= end) {
            tree::kill_all(child);
        }
        if looked.elapsed() >= TICK {
            looked = Instant::now();
            if let Some(why) = tree::excess(&spec.confinement.limits) {
                tree::kill_all(child);
                return Ok(Outcome::Limit(why));
            }
        }
        let wait = PollTimeout::try_from(TICK).unwrap_or(PollTimeout::ZERO);
        match poll(&mut [PollFd::new(events.as_fd(), PollFlags::POLLIN)], wait) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Reaps whoever has ended. Some: the child itself did.
fn reap(child: Pid) -> Option<ExitStatus> {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) if pid == child => return Some(ExitStatus::from_raw(code << 8)),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == child => {
                return Some(ExitStatus::from_raw(signal as i32));
            }
            Ok(WaitStatus::StillAlive) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}

/// Until nobody is left. Those that were forked meanwhile are found the next time.
fn reap_all() {
    let own = Pid::this();
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Err(Errno::ECHILD) => return,
            Ok(WaitStatus::StillAlive) => {
                tree::kill_all(own);
                // A moment for the kernel to end them; each end is a signal that is blocked, so this waits for time alone.
                let _ = poll(&mut [], PollTimeout::from(2_u8));
            }
            _ => {}
        }
    }
}
