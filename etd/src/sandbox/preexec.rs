//! What a child does to itself between `fork` and `exec`, descriptors by their numbers, and the variables of this process. The only module
//! with `unsafe`.
//!
//! In the daemon, which has many threads, only async-signal-safe calls are allowed between the two: no allocation, no lock, no
//! formatting. [`prepare`] makes plain system calls with values that were computed before, and returns errors that need no memory. The
//! hooks of the helper ([`inherit`], [`restricted`]) run in a process with one thread, where a fork is a whole copy and everything works.
#![allow(unsafe_code, reason = "pre_exec is the only way to make these settings in the child")]

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::process::CommandExt as _;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::SigSet;
use nix::unistd::setsid;

/// Largest file that a child may write, in bytes.
const MAX_FILE: u64 = 4 << 30;

/// Makes the child of this command the leader of a session and group of its own, ties its life to the starting thread (Linux),
/// and sets its limits. `kept` is a descriptor that it inherits.
pub(super) fn prepare(command: &mut tokio::process::Command, kept: Option<RawFd>) {
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
        if let Some(kept) = kept {
            keep(kept)?;
        }
        Ok(())
    };
    // SAFETY: the hook calls setsid, prctl, getppid, getrlimit, setrlimit and fcntl and nothing else; it allocates nothing, takes no lock
    // and touches no memory that other threads of the parent could have left half written.
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

/// Lets a descriptor live through `exec`.
fn keep(number: RawFd) -> nix::Result<()> {
    // SAFETY: the descriptor is open, since whoever made the hook holds it until the child is started; it isn't closed here.
    let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
    fcntl(descriptor, FcntlArg::F_SETFD(FdFlag::empty())).map(drop)
}

/// Makes an inherited descriptor ours, and no child's. It must be open, and nobody else's in this process.
pub(crate) fn adopt(number: RawFd) -> File {
    // SAFETY: whoever started us (the daemon, or a service manager) opened this descriptor for us and told us its number; it is taken
    // once, before anything else in this process could open or know one.
    let owned = unsafe { OwnedFd::from_raw_fd(number) };
    let _ = fcntl(&owned, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC));
    File::from(owned)
}

/// Removes all variables of this process but those for which `kept` says so. Only while there is one thread, or nothing is done. Returns
/// whether it was.
pub(crate) fn keep_variables(kept: &dyn Fn(&std::ffi::OsStr) -> bool) -> bool {
    if std::fs::read_dir("/proc/self/task").is_ok_and(|tasks| tasks.count() > 1) {
        return false;
    }
    for (name, _) in std::env::vars_os().filter(|(name, _)| !kept(name)) {
        // SAFETY: there is no other thread that could read or write the environment at the same time.
        unsafe {
            std::env::remove_var(name);
        }
    }
    true
}

/// The number of a descriptor.
pub(super) fn number(descriptor: &OwnedFd) -> RawFd {
    descriptor.as_raw_fd()
}

/// Limits that the kernel keeps for a confined child.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChildLimits {
    /// Threads of this user at once; none for root, for whom the kernel counts nothing.
    threads: Option<u64>,
}

impl ChildLimits {
    /// So many processes beside those that the user has already, each with some threads.
    pub(super) fn for_processes(processes: u32) -> Self {
        let user = nix::unistd::getuid();
        Self { threads: (!user.is_root()).then(|| threads_of(user.as_raw()).saturating_add(u64::from(processes) * 8)) }
    }

    fn apply(self) -> io::Result<()> {
        // Of all that the machine runs, this goes first when memory is short; and whoever waits for an answer goes before it.
        let _ = std::fs::write("/proc/self/oom_score_adj", "500");
        if let Some(threads) = self.threads {
            limit_threads(threads)?;
        }
        Ok(())
    }
}

#[cfg(target_os = "linux")]
fn limit_threads(threads: u64) -> io::Result<()> {
    Ok(limit(Resource::RLIMIT_NPROC, threads)?)
}

#[cfg(not(target_os = "linux"))]
fn limit_threads(_: u64) -> io::Result<()> {
    Ok(())
}

/// Threads that a user has; 0 where `/proc` doesn't say.
fn threads_of(user: u32) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let entries = std::fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    let own = entries.filter(|entry| entry.metadata().is_ok_and(|meta| meta.uid() == user));
    let tasks = own.filter_map(|entry| std::fs::read_dir(entry.path().join("task")).ok());
    tasks.map(|tasks| tasks.count() as u64).sum()
}

/// Hands descriptors on to the child of a helper, which is to set up the rest itself.
pub(super) fn inherit(command: &mut std::process::Command, kept: [RawFd; 3], limits: ChildLimits) {
    let hook = move || {
        for number in kept {
            keep(number)?;
        }
        hear_signals()?;
        limits.apply()
    };
    // SAFETY: called in the helper only, which has one thread: after its fork everything may be called.
    unsafe {
        command.pre_exec(hook);
    }
}

/// Restricts the child of a helper before `exec`: a session of its own, no capabilities, limits, then `restrict`.
#[cfg(target_os = "linux")]
pub(super) fn restricted(
    command: &mut std::process::Command,
    limits: ChildLimits,
    restrict: impl Fn() -> io::Result<()> + Send + Sync + 'static,
) {
    let hook = move || {
        setsid()?;
        hear_signals()?;
        limits.apply()?;
        drop_capabilities()?;
        restrict()
    };
    // SAFETY: called in the helper only, which has one thread: after its fork everything may be called.
    unsafe {
        command.pre_exec(hook);
    }
}

/// The helper blocks signals to read them, and `exec` keeps that: a shell would never hear that what it waits for has ended, and nothing
/// that TERM asks it to end.
fn hear_signals() -> nix::Result<()> {
    SigSet::empty().thread_set_mask()
}

/// Root's rights beyond those of the owner of its files: gone, and not to be had again by `exec`.
#[cfg(target_os = "linux")]
fn drop_capabilities() -> io::Result<()> {
    use nix::libc;
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    /// `_LINUX_CAPABILITY_VERSION_3`, see capget(2).
    const VERSION_3: u32 = 0x2008_0522;
    for capability in 0..64 {
        // SAFETY: plain numbers. It fails for numbers that this kernel doesn't know, and for whoever has nothing to drop.
        let _ = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
    }
    let header = Header { version: VERSION_3, pid: 0 };
    // Effective, permitted, inheritable; twice 32 bits each.
    let none = [0_u32; 6];
    // SAFETY: both pointers are to memory of the form and size that version 3 asks for, and live through the call.
    let done = unsafe { libc::syscall(libc::SYS_capset, &raw const header, none.as_ptr()) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
