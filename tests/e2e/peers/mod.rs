//! Peers that mean no good, or are broken: providers, and clients of the daemon's socket.

mod clients;
mod providers;
mod server;

use tests::env::Env;

/// A figure of the daemon's memory in bytes: `VmRSS` (now) or `VmHWM` (the most so far).
fn memory(env: &Env, figure: &str) -> u64 {
    let pid = env.daemon_pid().expect("a daemon runs");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(figure)?.strip_prefix(':')).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}
