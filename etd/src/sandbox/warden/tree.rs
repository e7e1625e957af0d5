//! Processes that came of this one, found by their parents in `/proc`.

use std::collections::{HashMap, HashSet};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use proto::report::SandboxLevel;

use crate::sandbox::confine::Limits;

/// A process as `/proc/PID/stat` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Process {
    pid: i32,
    parent: i32,
    pages: u64,
}

/// Fields 1, 4 and 24, see proc(5). The name in field 2 may hold anything.
fn parse(stat: &str) -> Option<Process> {
    let pid = stat.split_ascii_whitespace().next()?.parse().ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    Some(Process { pid, parent: fields.get(1)?.parse().ok()?, pages: fields.get(21)?.parse().unwrap_or(0) })
}

/// All that came of this process, parents before their children.
fn descendants() -> Vec<Process> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    let pids = entries.filter(|entry| entry.file_name().as_encoded_bytes().first().is_some_and(u8::is_ascii_digit));
    let stats = pids.filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
    below(std::process::id().cast_signed(), stats.filter_map(|stat| parse(&stat)).collect())
}

fn below(top: i32, all: Vec<Process>) -> Vec<Process> {
    let mut children: HashMap<i32, Vec<Process>> = HashMap::new();
    for process in all {
        children.entry(process.parent).or_default().push(process);
    }
    let (mut found, mut seen) = (children.remove(&top).unwrap_or_default(), HashSet::from([top]));
    let mut next = 0;
    while let Some(process) = found.get(next).copied() {
        next += 1;
        if seen.insert(process.pid) {
            found.extend(children.remove(&process.pid).unwrap_or_default());
        }
    }
    found
}

/// Kills `child` and everything else that came of this process. With bubblewrap the first kill is enough: its namespace goes with it.
pub(super) fn kill_all(child: Pid) {
    if child != Pid::this() {
        let _ = kill(child, Signal::SIGKILL);
    }
    let all = descendants();
    // Stopped first, so that none forks while another one is killed.
    for signal in [Signal::SIGSTOP, Signal::SIGKILL] {
        for process in &all {
            let _ = kill(Pid::from_raw(process.pid), signal);
        }
    }
}

/// Sends TERM to everything but bubblewrap's own two processes, which would take the rest along at once.
pub(super) fn ask_to_end(child: Pid, level: SandboxLevel) {
    let full = level == SandboxLevel::Full;
    for process in descendants() {
        let own = full && (process.pid == child.as_raw() || process.parent == child.as_raw());
        if !own {
            let _ = kill(Pid::from_raw(process.pid), Signal::SIGTERM);
        }
    }
}

/// Why it must end, if it takes more than it may.
pub(super) fn excess(limits: &Limits) -> Option<String> {
    let all = descendants();
    if all.len() > limits.processes as usize {
        return Some(format!("more than {} processes", limits.processes));
    }
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE)
        .ok()
        .flatten()
        .and_then(|size| u64::try_from(size).ok());
    let resident = all.iter().map(|process| process.pages).sum::<u64>().saturating_mul(page.unwrap_or(4096));
    if resident <= limits.memory {
        return None;
    }
    // Pages that several share were counted for each: the slow look counts them once.
    let shares =
        all.iter().map(|process| share(process.pid).unwrap_or(process.pages.saturating_mul(page.unwrap_or(4096))));
    (shares.sum::<u64>() > limits.memory).then(|| format!("more than {} MiB of memory", limits.memory >> 20))
}

/// Bytes of a process, pages that it shares with others divided among them.
fn share(pid: i32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.trim().trim_end_matches("kB").trim().parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    #[test]
    fn descendants_are_found_whatever_their_names() {
        let line = |pid: i32, parent: i32| {
            format!("{pid} (a ) b (c) S {parent} 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 99 4096 7 0")
        };
        let all: Vec<Process> = [(5, 1), (10, 5), (11, 10), (12, 11), (13, 1), (14, 13)]
            .map(|(pid, parent)| parse(&line(pid, parent)).unwrap())
            .into();
        assert_eq!(all[0].pages, 7);
        let found: Vec<i32> = below(5, all).iter().map(|process| process.pid).collect();
        assert_eq!(found, [10, 11, 12]);
    }
}
