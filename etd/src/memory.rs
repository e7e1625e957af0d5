//! What the allocator keeps of memory that was freed. glibc's keeps it all, in arenas that threads share: with the many threads of a hundred
//! rounds, 74 MiB of which 9 were in use. Other allocators give back what they don't need by themselves.

/// Arenas at most. glibc would make eight a core, each with its own remains; small allocations are served by a thread's own cache anyway.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const ARENAS: std::ffi::c_int = 2;

/// Lets threads share few arenas. To be called before there is a second thread.
pub fn share_arenas() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        #[allow(unsafe_code, reason = "the only way to this function")]
        // SAFETY: it sets a number of the allocator's; there is one thread.
        let _ = unsafe { nix::libc::mallopt(nix::libc::M_ARENA_MAX, ARENAS) };
    }
}

/// Gives free pages back to the system. Takes milliseconds, in which other threads may wait for memory.
pub(crate) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        #[allow(unsafe_code, reason = "the only way to this function")]
        // SAFETY: it takes the allocator's own locks and touches nothing that is in use.
        let _ = unsafe { nix::libc::malloc_trim(0) };
    }
}
