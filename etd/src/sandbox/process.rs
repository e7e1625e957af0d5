//! Which process is which: identity of children across a restart, and finding those that left their group.
//!
//! Everything here reads `/proc` and so is for Linux; elsewhere no start time is known and nothing is found, so nothing is killed that
//! might be somebody else's.

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::MARK;

/// Times that the processes are looked through at most: one that forks while it is killed is found the next time.
const PASSES: usize = 10;

/// A child as the store remembers it. Names one process for ever, although pids are used again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildRecord {
    /// Its process id, and that of its group and session.
    pub pid: u32,
    /// Its start in clock ticks since boot; 0 where it isn't known.
    pub start_time: u64,
    /// The boot that it ran in; empty where it isn't known.
    pub boot_id: String,
    /// Its value of [`MARK`].
    pub mark: String,
}

impl ChildRecord {
    pub(super) fn of(pid: u32, mark: String) -> Self {
        Self { pid, start_time: start_time(pid).unwrap_or(0), boot_id: boot_id().unwrap_or_default(), mark }
    }
}

/// When a process started, in clock ticks since boot. None if it is gone, or where the platform doesn't say.
#[must_use]
pub fn start_time(pid: u32) -> Option<u64> {
    parse_start_time(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Field 22 of `/proc/PID/stat`, see proc(5). The name in field 2 may hold spaces and brackets, so counting starts at its end.
fn parse_start_time(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// Names the current boot. None where the platform doesn't say.
#[must_use]
pub fn boot_id() -> Option<String> {
    Some(std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned())
}

/// Kills what is left of a child of a daemon that died: its group if pid, start time and boot id match, and whatever carries
/// its mark in the same boot. Returns whether there was anything. Blocks for some milliseconds.
#[must_use]
pub fn kill_leftover(record: &ChildRecord) -> bool {
    if record.boot_id.is_empty() || boot_id().as_ref() != Some(&record.boot_id) {
        return false;
    }
    let same =
        record.start_time != 0 && record.pid != std::process::id() && start_time(record.pid) == Some(record.start_time);
    if same {
        kill_group(Some(record.pid));
    }
    kill_marked(&record.mark) || same
}

/// Kills every process of ours whose environment carries this mark. Returns whether there was one.
pub(super) fn kill_marked(mark: &str) -> bool {
    // An empty mark would be in every environment.
    if mark.is_empty() {
        return false;
    }
    let wanted = format!("{MARK}={mark}");
    let own = std::process::id();
    let (mut any, mut clean) = (false, 0);
    for _ in 0..PASSES {
        let mut found = false;
        // The environment of another user's process can't be read, and that of a zombie is empty.
        for pid in pids().filter(|pid| *pid != own && carries(*pid, wanted.as_bytes())) {
            if let Ok(pid) = i32::try_from(pid) {
                found |= kill(Pid::from_raw(pid), Signal::SIGKILL).is_ok();
            }
        }
        any |= found;
        // In the middle of an exec a process has no environment to read: only the second time in a row nothing means nothing.
        clean = if found { 0 } else { clean + 1 };
        if clean == 2 {
            break;
        }
    }
    any
}

fn pids() -> impl Iterator<Item = u32> {
    std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| *pid > 1)
}

fn carries(pid: u32, wanted: &[u8]) -> bool {
    std::fs::read(format!("/proc/{pid}/environ"))
        .is_ok_and(|environ| environ.split(|byte| *byte == 0).any(|variable| variable == wanted))
}

pub(super) fn kill_group(pid: Option<u32>) {
    signal_group(pid, Signal::SIGKILL);
}

/// Groups 0 and 1 are never meant: they are our own and everybody.
pub(super) fn signal_group(pid: Option<u32>, signal: Signal) {
    if let Some(pid) = pid.and_then(|pid| i32::try_from(pid).ok()).filter(|pid| *pid > 1) {
        // No such group: it is gone already, which is what we want.
        let _ = killpg(Pid::from_raw(pid), signal);
    }
}

pub(super) fn signal_one(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().filter(|pid| *pid > 1) {
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_time_is_read_behind_the_name() {
        let fields = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20";
        for name in ["sh", "a b", "x) S 9 (y", "((("] {
            assert_eq!(parse_start_time(&format!("42 ({name}) {fields}")), Some(4711), "{name}");
        }
        assert_eq!(parse_start_time("42 (sh) S 1"), None);
        assert_eq!(parse_start_time(""), None);
    }
}
