//! Starting a daemon when there is none: one client at a time, under `spawn.lock`.
//!
//! Whoever waits for that lock looks for the daemon meanwhile. The lock of the daemon itself is never touched here: whether another
//! one has it is found out by the daemon that is started, which says so.

use std::fs::TryLockError;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use proto::endpoint::DaemonState;
use proto::message::Welcome;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

use super::attempt::{self, Refused};
use super::control;
use super::error::{LinkError, LinkErrorKind};
use super::place::{ConnectOptions, is_alive};
use super::wire::Wire;

type Connected = (Arc<Wire>, Welcome);

/// Time between two looks at something that nobody announces.
const LOOK: Duration = Duration::from_millis(10);

/// Connects; starts a daemon if there is none and that is allowed.
pub(crate) async fn connect(options: &ConnectOptions) -> Result<Connected, LinkError> {
    let refused = match reach(options).await {
        Ok(connected) => return Ok(connected),
        Err(refused) => refused,
    };
    check(options, &refused)?;
    proto::hooks::pause("client.spawn_lock").await;
    let lock = options.open_spawn_lock()?;
    let deadline = Instant::now() + options.deadlines.start;
    // The lock goes with `lock`, at every way out of this function.
    loop {
        match lock.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => {
                return Err(LinkError::new(LinkErrorKind::StateDir, format!("spawn.lock: {error}")));
            }
        }
        if Instant::now() >= deadline {
            return Err(unavailable("another client has been starting the daemon for too long"));
        }
        sleep(LOOK).await;
        let ready = options.record().is_some_and(|record| record.state == DaemonState::Ready && is_alive(&record));
        if ready && let Ok(connected) = reach(options).await {
            return Ok(connected);
        }
    }
    match reach(options).await {
        Ok(connected) => return Ok(connected),
        Err(refused) => {
            check(options, &refused)?;
            if let Refused::OtherVersion { .. } = refused {
                control::stop_and_wait(options).await?;
                // A service manager starts the new one, if there is one.
                if let Ok(connected) = reach(options).await {
                    return Ok(connected);
                }
            }
        }
    }
    start(options).await
}

async fn reach(options: &ConnectOptions) -> Result<Connected, Refused> {
    match options.endpoint(!options.autostart) {
        Some(path) => attempt::data(&path, &options.deadlines).await,
        None => Err(Refused::Absent("no daemon has been started yet".to_owned())),
    }
}

/// Whether starting a daemon could help.
fn check(options: &ConnectOptions, refused: &Refused) -> Result<(), LinkError> {
    match refused {
        Refused::Overloaded => {
            Err(LinkError::new(LinkErrorKind::Overloaded, refused.why()).hint("try again in a moment"))
        }
        Refused::OtherVersion { version, build, busy } => {
            let newer = proto::hooks::protocol_version() > *version;
            let ours = proto::BUILD;
            if newer && !busy && options.autostart {
                return Ok(());
            }
            let message = format!("a daemon of version {build} is at work; this is et {ours}");
            let hint = if newer {
                format!(
                    "wait until its rounds have ended, use et {build}, or run `et daemon restart`: its rounds go on afterwards"
                )
            } else {
                format!("use et {build} or newer")
            };
            Err(LinkError::new(LinkErrorKind::OtherVersion, message).hint(hint))
        }
        _ if !options.autostart => {
            Err(LinkError::new(LinkErrorKind::Unavailable, format!("no daemon to be reached: {}", refused.why()))
                .hint("`et daemon start` starts it; here autostart is switched off"))
        }
        _ => Ok(()),
    }
}

fn unavailable(message: impl Into<String>) -> LinkError {
    LinkError::new(LinkErrorKind::Unavailable, message).hint("`et daemon logs` shows what the daemon says")
}

/// What a daemon that was started says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Report {
    Ready(PathBuf),
    Already {
        pid: u32,
        socket: PathBuf,
    },
    Failed {
        stage: String,
        cause: String,
    },
    /// It ended without a word.
    Died,
}

fn parse(line: &str) -> Report {
    let line = line.trim_end_matches('\n');
    match line.split_once(' ') {
        Some(("ready", path)) => Report::Ready(PathBuf::from(path)),
        Some(("already", rest)) => {
            let (pid, socket) = rest.split_once(' ').unwrap_or((rest, ""));
            Report::Already { pid: pid.parse().unwrap_or(0), socket: PathBuf::from(socket) }
        }
        Some(("failed", rest)) => {
            let (stage, cause) = rest.split_once(": ").unwrap_or(("start", rest));
            Report::Failed { stage: stage.to_owned(), cause: cause.to_owned() }
        }
        _ => Report::Died,
    }
}

async fn start(options: &ConnectOptions) -> Result<Connected, LinkError> {
    let deadline = Instant::now() + options.deadlines.start;
    let mut deaths = 0;
    loop {
        proto::hooks::pause("client.spawn").await;
        match spawn(options, deadline).await? {
            Report::Ready(path) => {
                if let Some(connected) = settle(options, &path, deadline).await? {
                    return Ok(connected);
                }
                deaths += 1;
            }
            Report::Already { pid: _, socket } => {
                if let Some(connected) = settle(options, &socket, deadline).await? {
                    return Ok(connected);
                }
                // Whoever had the lock is gone, and it wasn't ours: that isn't a death of the one that we start.
            }
            Report::Failed { stage, cause } if stage == "state-dir" => {
                return Err(LinkError::new(LinkErrorKind::StateDir, cause).hint(
                    "make it writable, with room on its disk, or set ET_STATE_DIR to another directory of yours",
                ));
            }
            Report::Failed { stage, cause } if stage == "socket" => {
                return Err(
                    unavailable(cause).hint("set ET_SOCKET to a path in a directory of yours that others can't enter")
                );
            }
            Report::Failed { stage, cause } => {
                return Err(unavailable(format!("the daemon can't start ({stage}): {cause}")));
            }
            Report::Died => deaths += 1,
        }
        if deaths > 1 {
            return Err(unavailable("the daemon died twice while it started"));
        }
        if Instant::now() >= deadline {
            return Err(unavailable("no daemon got ready in time"));
        }
    }
}

/// Starts `etd` off our session, terminal, descriptors and environment, and waits for its first line.
async fn spawn(options: &ConnectOptions, deadline: Instant) -> Result<Report, LinkError> {
    let Some(program) = &options.program else {
        return Err(unavailable("the daemon's program `etd` is neither beside et nor on PATH"));
    };
    let mut child = Command::new(program)
        .arg("--background")
        .arg("--state-dir")
        .arg(&options.state_dir)
        .env_clear()
        .envs(options.env.iter().map(|(name, value)| (name, value)))
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| unavailable(format!("can't start {}: {error}", program.display())))?;
    let Some(stdout) = child.stdout.take() else { return Ok(Report::Died) };
    let mut line = String::new();
    let read = async {
        let mut stdout = BufReader::new(stdout);
        stdout.read_line(&mut line).await
    };
    match timeout(deadline.saturating_duration_since(Instant::now()), read).await {
        // The runtime reaps the child once it ends, if we are still there then.
        Ok(Ok(_)) => Ok(parse(&line)),
        Ok(Err(_)) => Ok(Report::Died),
        Err(_) => {
            let limit = options.deadlines.start.as_secs();
            Err(unavailable(format!("the daemon (pid {}) wasn't ready within {limit} s", child.id().unwrap_or(0))))
        }
    }
}

/// Connects to a daemon that has the lock, as soon as it answers. None: it is gone.
async fn settle(options: &ConnectOptions, path: &Path, deadline: Instant) -> Result<Option<Connected>, LinkError> {
    let mut silent_since: Option<Instant> = None;
    loop {
        let record = options.record();
        let path = record.as_ref().map_or(path, |record| &record.endpoint);
        let refused = match attempt::data(path, &options.deadlines).await {
            Ok(connected) => return Ok(Some(connected)),
            Err(refused) => refused,
        };
        check(options, &refused)?;
        if let Refused::OtherVersion { .. } = refused {
            // It came up meanwhile; it is replaced as any other is.
            control::stop_and_wait(options).await?;
            return Ok(None);
        }
        let now = Instant::now();
        match record {
            Some(record) if !is_alive(&record) => return Ok(None),
            // It promised to answer and doesn't; or it was ready to go and doesn't.
            Some(record) if record.state == DaemonState::Ready => {
                let since = *silent_since.get_or_insert(now);
                if now - since >= options.deadlines.wedged {
                    return Err(wedged(record.pid, &refused));
                }
            }
            _ => silent_since = None,
        }
        if now >= deadline {
            return Err(match options.record() {
                Some(record) => wedged(record.pid, &refused),
                None => unavailable(refused.why()),
            });
        }
        sleep(LOOK).await;
    }
}

fn wedged(pid: u32, refused: &Refused) -> LinkError {
    LinkError::new(
        LinkErrorKind::Unavailable,
        format!("the daemon (pid {pid}) holds the lock and doesn't answer: {}", refused.why()),
    )
    .hint(format!(
        "if it is stopped, `kill -CONT {pid}`; else end it with `kill {pid}`, and its rounds go on with the next one"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_read() {
        let table = [
            ("ready /run/a b/etd.sock\n", Report::Ready(PathBuf::from("/run/a b/etd.sock"))),
            ("already 7 /x y\n", Report::Already { pid: 7, socket: PathBuf::from("/x y") }),
            ("already 0 \n", Report::Already { pid: 0, socket: PathBuf::new() }),
            ("failed store: no: really\n", Report::Failed { stage: "store".into(), cause: "no: really".into() }),
            ("", Report::Died),
            ("Segmentation fault\n", Report::Died),
        ];
        for (line, expected) in table {
            assert_eq!(parse(line), expected, "{line:?}");
        }
    }

    fn options(autostart: bool) -> ConnectOptions {
        ConnectOptions {
            autostart,
            state_dir: PathBuf::from("/nowhere"),
            socket: None,
            activation: None,
            program: None,
            env: Vec::new(),
            deadlines: super::super::place::Deadlines::default(),
        }
    }

    #[test]
    fn only_an_older_idle_daemon_is_replaced() {
        let other = |version, busy| Refused::OtherVersion { version, build: "0".to_owned(), busy };
        let (older, newer) = (proto::PROTOCOL_VERSION - 1, proto::PROTOCOL_VERSION + 1);
        let table = [
            (other(older, false), true, None),
            (other(older, true), true, Some(76)),
            (other(older, false), false, Some(76)),
            (other(newer, false), true, Some(76)),
            (other(newer, true), true, Some(76)),
            (Refused::Overloaded, true, Some(75)),
            (Refused::Absent(String::new()), true, None),
            (Refused::Absent(String::new()), false, Some(69)),
            (Refused::Passing(String::new()), true, None),
            (Refused::Silent(String::new()), false, Some(69)),
        ];
        for (refused, autostart, code) in table {
            let found = check(&options(autostart), &refused).err().map(|error| error.exit_code);
            assert_eq!(found, code, "{refused:?} {autostart}");
        }
    }
}
