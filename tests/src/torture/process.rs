//! Who runs: by `/proc`.

use std::fs;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::env::alive;

/// A process, known for ever by its id and its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    start: u64,
    parent: u32,
    /// Its arguments.
    pub command: String,
}

impl Process {
    /// None: it has ended.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may hold anything; fields are counted behind it.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        if matches!(*fields.first()?, "Z" | "X") {
            return None;
        }
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        Some(Self { pid, start: fields.get(19)?.parse().ok()?, parent: fields.get(1)?.parse().ok()?, command })
    }

    /// Whether it still runs.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        alive(self.pid, self.start)
    }

    /// Kills it with SIGKILL, and nobody who has its number by now. Whether it was there.
    #[must_use]
    pub fn kill(&self) -> bool {
        self.is_alive() && kill(Pid::from_raw(self.pid as i32), Signal::SIGKILL).is_ok()
    }

    /// Whether it confines checks for a daemon of this program.
    fn confines(&self, program: &Path) -> bool {
        self.command.starts_with("etd confine")
            && fs::read_link(format!("/proc/{}/exe", self.pid)).is_ok_and(|exe| exe == program)
    }

    /// Whether it is of this environment: it names it, works in it, or has it among its variables.
    pub(crate) fn belongs(&self, root: &Path) -> bool {
        let name = root.to_string_lossy();
        let proc = |file: &str| format!("/proc/{}/{file}", self.pid);
        self.command.contains(name.as_ref())
            || fs::read_link(proc("cwd")).is_ok_and(|cwd| cwd.starts_with(root))
            || fs::read(proc("environ")).is_ok_and(|all| String::from_utf8_lossy(&all).contains(name.as_ref()))
    }
}

fn all() -> impl Iterator<Item = Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| Process::of(entry.file_name().to_str()?.parse().ok()?))
}

/// Whoever came of a process, the nearest first.
pub(super) fn descendants(of: u32) -> Vec<Process> {
    let all: Vec<Process> = all().collect();
    let mut found: Vec<Process> = Vec::new();
    let mut above = vec![of];
    while let Some(parent) = above.pop() {
        let below = all.iter().filter(|process| process.parent == parent);
        above.extend(below.clone().map(|process| process.pid));
        found.extend(below.cloned());
    }
    found
}

/// Processes of an environment that should have gone, and those that confine for nobody.
pub(super) fn orphans(root: &Path, program: &Path) -> Vec<Process> {
    let all: Vec<Process> = all().collect();
    let lone = |process: &Process| {
        let parent = all.iter().find(|one| one.pid == process.parent);
        process.confines(program) && parent.is_none_or(|parent| !parent.command.contains("etd"))
    };
    all.iter().filter(|process| process.belongs(root) || lone(process)).cloned().collect()
}
