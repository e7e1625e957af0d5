//! What tests of death and recovery share: who still runs, whether a log is whole, what is left behind.

use std::fs;
use std::path::{Path, PathBuf};

use proto::event::EventLine;
use tests::env::{Env, Output, Running, poll};
use tests::model::PATIENCE;

/// A process, known by its id and its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    start: String,
    pub(crate) command: String,
}

impl Process {
    fn read(pid: u32) -> Option<(Self, PathBuf)> {
        let dir = PathBuf::from(format!("/proc/{pid}"));
        let command = fs::read(dir.join("cmdline")).ok()?;
        let cwd = fs::read_link(dir.join("cwd")).unwrap_or_default();
        let process = Self { pid, start: start(pid)?, command: String::from_utf8_lossy(&command).replace('\0', " ") };
        Some((process, cwd))
    }

    /// Whether it still runs.
    pub(crate) fn is_alive(&self) -> bool {
        start(self.pid).is_some_and(|now| now == self.start)
    }
}

/// When a process began; none if it has ended.
fn start(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    (!matches!(fields[0], "Z" | "X")).then(|| fields[19].to_owned())
}

/// Every process that names a path of this environment or works in it.
pub(crate) fn processes(env: &Env) -> Vec<Process> {
    let root = env.root().to_string_lossy().into_owned();
    let pids = fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let found = pids.filter_map(Process::read);
    found
        .filter(|(process, cwd)| process.command.contains(&root) || cwd.starts_with(&root))
        .map(|(one, _)| one)
        .collect()
}

/// Those of them that are neither client nor daemon: what checks started.
pub(crate) fn children(env: &Env) -> Vec<Process> {
    let ours = |process: &Process| {
        let program = process.command.split(' ').next().unwrap_or_default();
        matches!(Path::new(program).file_name().and_then(|name| name.to_str()), Some("et" | "etd"))
    };
    processes(env).into_iter().filter(|process| !ours(process)).collect()
}

/// The daemons of this environment that run now.
pub(crate) fn daemons(env: &Env) -> Vec<Process> {
    let is = |process: &Process| process.command.split(' ').next().is_some_and(|program| program.ends_with("/etd"));
    processes(env).into_iter().filter(is).collect()
}

/// The lines that stand in the log, as they were printed; heartbeats don't.
pub(crate) fn durable(stdout: &str) -> Vec<String> {
    let stands = |line: &&str| {
        let event: EventLine = serde_json::from_str(line).unwrap_or_else(|error| panic!("no event: {line}\n{error}"));
        event.seq.is_some()
    };
    stdout.lines().filter(stands).map(str::to_owned).collect()
}

/// Fails unless these lines are a log from its start: 1, 2, 3 …, and the last is a result.
#[track_caller]
pub(crate) fn assert_whole(lines: &[String]) {
    let read = |line: &String| serde_json::from_str::<EventLine>(line).unwrap();
    let seqs: Vec<u64> = lines.iter().filter_map(|line| read(line).seq).collect();
    assert_eq!(seqs, (1..=lines.len() as u64).collect::<Vec<_>>(), "gaps or repetitions in\n{}", lines.join("\n"));
    assert!(
        lines.last().is_some_and(|line| line.contains("\"type\":\"result\"")),
        "no result in\n{}",
        lines.join("\n")
    );
}

/// Fails unless somebody who comes now sees the very log that this client printed, whole.
#[track_caller]
pub(crate) fn assert_same_log(env: &Env, printed: &Output) {
    let printed_lines = durable(&printed.stdout);
    assert_whole(&printed_lines);
    let late = env.et(["session", "attach", "last", "--json", "--from", "start"]).run();
    assert_eq!(durable(&late.stdout), printed_lines, "{late}");
    assert_eq!(late.code, printed.code, "{late}");
}

/// Waits for an event of this type, with this text in its line.
pub(crate) fn wait_for_type(running: &Running, kind: &str, part: &str) -> String {
    let kind = format!("\"type\":\"{kind}\"");
    let found = poll(PATIENCE, || running.stdout().lines().any(|line| line.contains(&kind) && line.contains(part)));
    assert!(found, "no {kind} with {part:?} in\n{}\n{}", running.stdout(), running.stderr());
    running.stdout().lines().find(|line| line.contains(&kind) && line.contains(part)).unwrap().to_owned()
}

/// Waits until a file below the work dir is there.
pub(crate) fn wait_for_file(env: &Env, path: &str) {
    assert!(poll(PATIENCE, || env.has(path)), "{path} never came\n{}", env.daemon_log());
}

/// Stops the daemon, and fails if a process, a socket or a temporary file is left.
#[track_caller]
pub(crate) fn assert_nothing_left(env: Env) {
    env.et(["daemon", "stop"]).run().assert_ok();
    assert!(poll(PATIENCE, || processes(&env).is_empty()), "still there: {:#?}", processes(&env));
    let mut dirs = vec![env.work(), env.root().join("run"), env.root().join("tmp"), env.state_dir()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_leftover = name.starts_with(".et-tmp") || name.contains(".tmp") || name.ends_with(".sock");
            assert!(!is_leftover, "{} is left", entry.path().display());
            if entry.file_type().unwrap().is_dir() {
                dirs.push(entry.path());
            }
        }
    }
}
