//! Command lines: run to their end, or watched while they run.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use proto::event::{Event, EventLine};
use proto::report::RoundReport;

use super::poll;
use crate::model::PATIENCE;

/// How long a command may take before the test fails. A cold build cache on a busy machine takes minutes.
const LIMIT: Duration = Duration::from_secs(300);

/// A command line that wasn't started yet.
#[derive(Clone, Debug)]
#[must_use]
pub struct Et {
    program: PathBuf,
    args: Vec<String>,
    vars: BTreeMap<String, String>,
    dir: PathBuf,
    stdin: Option<String>,
    limit: Duration,
}

impl Et {
    pub(super) fn new(program: PathBuf, args: Vec<String>, vars: BTreeMap<String, String>, dir: PathBuf) -> Self {
        Self { program, args, vars, dir, stdin: None, limit: LIMIT }
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl AsRef<str>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    pub fn args<S: AsRef<str>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets a variable.
    pub fn env(mut self, name: &str, value: impl AsRef<str>) -> Self {
        self.vars.insert(name.to_owned(), value.as_ref().to_owned());
        self
    }

    /// Removes a variable.
    pub fn env_remove(mut self, name: &str) -> Self {
        self.vars.remove(name);
        self
    }

    /// The dir in which it runs; the work dir of the environment if it isn't said.
    pub fn dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dir = dir.into();
        self
    }

    /// What it finds on stdin; nothing if it isn't said.
    pub fn stdin(mut self, text: &str) -> Self {
        self.stdin = Some(text.to_owned());
        self
    }

    /// How long it may take.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// If it takes longer than its limit.
    #[must_use]
    pub fn run(self) -> Output {
        self.spawn().wait()
    }

    /// Runs it to its end. None: it couldn't be started or took too long.
    pub(super) fn try_run(self) -> Option<Output> {
        let mut running = self.start().ok()?;
        running.end()
    }

    /// Starts it, in a process group of its own.
    ///
    /// # Panics
    /// If it can't be started.
    #[must_use]
    pub fn spawn(self) -> Running {
        let program = self.program.clone();
        self.start().unwrap_or_else(|error| panic!("{}: {error}", program.display()))
    }

    fn start(self) -> std::io::Result<Running> {
        let mut command = Command::new(&self.program);
        command.args(&self.args).env_clear().envs(&self.vars).current_dir(&self.dir).process_group(0);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.stdin(if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
        let mut child = command.spawn()?;
        if let (Some(mut pipe), Some(text)) = (child.stdin.take(), self.stdin.clone()) {
            // A command that doesn't read it is no fault of the harness.
            std::thread::spawn(move || drop(pipe.write_all(text.as_bytes())));
        }
        let text = Arc::new((Mutex::new(Text::default()), Condvar::new()));
        if let Some(pipe) = child.stdout.take() {
            read(pipe, Arc::clone(&text), false);
        }
        if let Some(pipe) = child.stderr.take() {
            read(pipe, Arc::clone(&text), true);
        }
        Ok(Running { child, text, limit: self.limit, line: self.args.join(" "), status: None })
    }
}

/// What came so far.
#[derive(Default)]
struct Text {
    stdout: String,
    stderr: String,
    /// Streams that have ended.
    ended: usize,
}

type Shared = Arc<(Mutex<Text>, Condvar)>;

fn read(pipe: impl Read + Send + 'static, text: Shared, stderr: bool) {
    std::thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        loop {
            line.clear();
            let count = pipe.read_until(b'\n', &mut line).unwrap_or(0);
            let mut text_now = text.0.lock().unwrap_or_else(PoisonError::into_inner);
            if count == 0 {
                text_now.ended += 1;
                text.1.notify_all();
                return;
            }
            let stream = if stderr { &mut text_now.stderr } else { &mut text_now.stdout };
            stream.push_str(&String::from_utf8_lossy(&line));
            text.1.notify_all();
        }
    });
}

/// A command that was started. Dropping it kills its process group.
pub struct Running {
    child: Child,
    text: Shared,
    limit: Duration,
    line: String,
    status: Option<ExitStatus>,
}

impl Running {
    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What can still be asked when somebody else waits for it.
    #[must_use]
    pub fn tap(&self) -> Tap {
        Tap { pid: self.child.id(), text: Arc::clone(&self.text) }
    }

    /// What it wrote to stdout so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        self.text.0.lock().unwrap_or_else(PoisonError::into_inner).stdout.clone()
    }

    /// What it wrote to stderr so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.text.0.lock().unwrap_or_else(PoisonError::into_inner).stderr.clone()
    }

    /// Waits for a whole line, on stdout or stderr, with this text in it, and returns the line.
    ///
    /// # Panics
    /// If it ends without one, or takes longer than [`PATIENCE`].
    pub fn wait_for_line(&self, part: &str) -> String {
        self.wait_for(&format!("a line with {part:?}"), |line| line.contains(part))
    }

    /// Waits for an event on stdout (with `--json`) and returns it.
    ///
    /// # Panics
    /// If it ends without one, or takes longer than [`PATIENCE`].
    pub fn wait_for_event(&self, wanted: impl Fn(&EventLine) -> bool) -> EventLine {
        let line =
            self.wait_for("an event", |line| serde_json::from_str::<EventLine>(line).is_ok_and(|event| wanted(&event)));
        serde_json::from_str(&line).expect("an event")
    }

    fn wait_for(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut text = self.text.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            // A line that isn't ended may go on.
            let lines = text.stdout.split_inclusive('\n').chain(text.stderr.split_inclusive('\n'));
            let found = lines.filter(|line| line.ends_with('\n') || text.ended == 2).find(|line| wanted(line));
            if let Some(line) = found {
                return line.trim_end_matches('\n').to_owned();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero() && text.ended < 2,
                "`{}` {} without {what}\n--- stdout ---\n{}\n--- stderr ---\n{}",
                self.line,
                if text.ended == 2 { "ended" } else { "went on too long" },
                text.stdout,
                text.stderr
            );
            text = self.text.1.wait_timeout(text, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Sends its process a signal.
    ///
    /// # Panics
    /// If it has ended.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).expect("a signal to a running command");
    }

    /// Kills it with SIGKILL, and waits for its end.
    pub fn kill9(mut self) -> Output {
        let _ = self.child.kill();
        self.end().unwrap_or_else(|| panic!("`{}` doesn't die", self.line))
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        if self.status.is_none() {
            self.status = self.child.try_wait().ok().flatten();
        }
        self.status.is_none()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it takes longer than its limit, or if something that it started keeps its output open.
    #[must_use]
    pub fn wait(mut self) -> Output {
        match self.end() {
            Some(output) => output,
            None => panic!(
                "`{}` {} after {:?}\n--- stdout ---\n{}\n--- stderr ---\n{}",
                self.line,
                if self.status.is_some() { "has ended, but its output is still held open" } else { "still runs" },
                self.limit,
                self.stdout(),
                self.stderr()
            ),
        }
    }

    fn end(&mut self) -> Option<Output> {
        let deadline = Instant::now() + self.limit;
        {
            let mut text = self.text.0.lock().unwrap_or_else(PoisonError::into_inner);
            while text.ended < 2 {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    drop(text);
                    self.is_running();
                    return None;
                }
                text = self.text.1.wait_timeout(text, left).unwrap_or_else(PoisonError::into_inner).0;
            }
        }
        // Its output is closed: only the exit is to come.
        let left = deadline.saturating_duration_since(Instant::now());
        if !poll(left, || !self.is_running()) {
            return None;
        }
        let status = self.status?;
        Some(Output {
            code: status.code(),
            signal: status.signal(),
            stdout: self.stdout(),
            stderr: self.stderr(),
            line: self.line.clone(),
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.is_running() {
            let _ = killpg(Pid::from_raw(self.child.id() as i32), Signal::SIGKILL);
            let _ = self.child.wait();
        }
    }
}

/// A look at a command that was started.
#[derive(Clone)]
pub struct Tap {
    /// Its process id.
    pub pid: u32,
    text: Shared,
}

impl Tap {
    /// Lines that it wrote to stdout so far, whole ones only.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let text = self.text.0.lock().unwrap_or_else(PoisonError::into_inner);
        let whole = text.stdout.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        whole.map(|line| line.trim_end_matches('\n').to_owned()).collect()
    }

    /// How many.
    #[must_use]
    pub fn count(&self) -> usize {
        let text = self.text.0.lock().unwrap_or_else(PoisonError::into_inner);
        text.stdout.bytes().filter(|byte| *byte == b'\n').count()
    }
}

/// What a command left behind.
#[derive(Clone, Debug)]
pub struct Output {
    /// Exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// All of stdout.
    pub stdout: String,
    /// All of stderr.
    pub stderr: String,
    /// Its arguments.
    pub line: String,
}

impl Output {
    /// Fails if the exit code is another one.
    ///
    /// # Panics
    /// If so.
    #[track_caller]
    pub fn assert_code(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// Fails if the exit code isn't 0.
    ///
    /// # Panics
    /// If so.
    #[track_caller]
    pub fn assert_ok(&self) -> &Self {
        self.assert_code(0)
    }

    /// Fails if stdout lacks this text.
    ///
    /// # Panics
    /// If so.
    #[track_caller]
    pub fn assert_stdout(&self, part: &str) -> &Self {
        assert!(self.stdout.contains(part), "stdout lacks {part:?}\n{self}");
        self
    }

    /// Fails if stderr lacks this text.
    ///
    /// # Panics
    /// If so.
    #[track_caller]
    pub fn assert_stderr(&self, part: &str) -> &Self {
        assert!(self.stderr.contains(part), "stderr lacks {part:?}\n{self}");
        self
    }

    /// Fails if stdout or stderr has this text.
    ///
    /// # Panics
    /// If so.
    #[track_caller]
    pub fn assert_nowhere(&self, part: &str) -> &Self {
        assert!(!self.stdout.contains(part) && !self.stderr.contains(part), "{part:?} is in the output\n{self}");
        self
    }

    /// The events that `--json` printed.
    ///
    /// # Panics
    /// If a line is none.
    #[must_use]
    #[track_caller]
    pub fn events(&self) -> Vec<EventLine> {
        let read =
            |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("no event: {line}\n{error}\n{self}"));
        self.stdout.lines().map(read).collect()
    }

    /// The result of the last round that `--json` printed.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    #[track_caller]
    pub fn result(&self) -> RoundReport {
        let mut results = self.events().into_iter().rev().filter_map(|line| match line.event {
            Event::Result(report) => Some(*report),
            _ => None,
        });
        results.next().unwrap_or_else(|| panic!("no result\n{self}"))
    }

    /// Stdout as one JSON value.
    ///
    /// # Panics
    /// If it is none.
    #[must_use]
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no JSON: {error}\n{self}"))
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "`{}` ended with code {:?}, signal {:?}\n--- stdout ---\n{}\n--- stderr ---\n{}",
            self.line, self.code, self.signal, self.stdout, self.stderr
        )
    }
}
