//! What the process is: where it belongs, what it may leak, and when it started.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Leaves the caller's session and closes every descriptor above 2, so that whoever started us isn't held by us.
///
/// To be called first of all, before anything opens a descriptor.
pub fn leave_caller() {
    // Fails only for a leader of a process group, which autostart never makes.
    let _ = nix::unistd::setsid();
    let mut inherited = Vec::new();
    for dir in ["/proc/self/fd", "/dev/fd"] {
        if let Ok(entries) = std::fs::read_dir(dir) {
            inherited.extend(entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok()));
            break;
        }
    }
    for descriptor in inherited {
        if descriptor > 2 {
            // The one of the listing itself is closed already: that error is expected.
            let _ = nix::unistd::close(descriptor);
        }
    }
}

/// Keeps keys in memory from core files and from other processes of the user.
pub fn keep_memory_private() {
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_dumpable(false);
}

/// Descriptors that clients, model calls and checks may need together when all bounds are reached.
const DESCRIPTORS: u64 = 4096;

/// Allows this process that many, where the usual 1024 would be too few; less if the system says so.
pub fn allow_descriptors() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < DESCRIPTORS
    {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard.min(DESCRIPTORS), hard);
    }
}

/// Writes nothing more to whoever reads our standard output: a pipe that autostart waits on ends here.
pub fn drop_stdout() {
    if let Ok(null) = std::fs::OpenOptions::new().write(true).open("/dev/null") {
        let _ = nix::unistd::dup2_stdout(&null);
    }
}

/// Start time of this process in clock ticks since boot; 0 where it isn't known.
pub(crate) fn start_time() -> u64 {
    std::fs::read_to_string("/proc/self/stat").ok().and_then(|stat| parse_start_time(&stat)).unwrap_or(0)
}

/// Id of the boot; empty where it isn't known.
pub(crate) fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}

/// Field 22 of `/proc/PID/stat`, see proc(5); the name in field 2 may contain anything, so we start behind it.
fn parse_start_time(stat: &str) -> Option<u64> {
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_time_is_read_behind_the_name() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4242 1 1";
        assert_eq!(parse_start_time(stat), Some(4242));
        assert_eq!(parse_start_time("7 (cut"), None);
    }
}
