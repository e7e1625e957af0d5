//! What a child does to itself between `fork` and `exec`. The only module with `unsafe`.
//!
//! Between the two only async-signal-safe calls are allowed: no allocation, no lock, no formatting. The hook below makes plain
//! system calls with values that were computed before, and returns errors that need no memory.
#![allow(unsafe_code, reason = "pre_exec is the only way to make these settings in the child without a helper binary")]

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::setsid;

/// Largest file that a child may write, in bytes.
const MAX_FILE: u64 = 4 << 30;

/// Makes the child of this command the leader of a session and group of its own, ties its life to the starting thread (Linux),
/// and sets its limits.
pub(super) fn prepare(command: &mut tokio::process::Command) {
    #[cfg(target_os = "linux")]
    let parent = nix::unistd::getpid();
    let hook = move || {
        setsid()?;
        #[cfg(target_os = "linux")]
        {
            nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
            // The parent may have died before the line above: then no signal will ever come.
            if nix::unistd::getppid() != parent {
                return Err(std::io::Error::from_raw_os_error(nix::libc::ESRCH));
            }
        }
        limit(Resource::RLIMIT_CORE, 0)?;
        limit(Resource::RLIMIT_FSIZE, MAX_FILE)?;
        Ok(())
    };
    // SAFETY: the hook calls setsid, prctl, getppid, getrlimit and setrlimit and nothing else; it allocates nothing, takes no lock and
    // touches no memory that other threads of the parent could have left half written.
    unsafe {
        command.pre_exec(hook);
    }
}

/// Lowers a limit; one that is lower already stays.
fn limit(resource: Resource, most: u64) -> nix::Result<()> {
    let (_, hard) = getrlimit(resource)?;
    let most = most.min(hard);
    setrlimit(resource, most, most)
}
