//! Caches of the user's below private ones, by the kernel's overlay file system in a mount namespace of the helper's own.
//!
//! Only for speed: where it can't be had, a cache is what it is without, private and cold.

use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use crate::sandbox::dirs::Overlay;

/// Mounts them for this process and what it starts. To be called while it has one thread, and before anything is started.
pub(super) fn lay<'a>(overlays: impl IntoIterator<Item = &'a Overlay>) -> nix::Result<()> {
    let mut overlays = overlays.into_iter().filter(|overlay| overlay.lower.is_dir() && overlay.at.is_dir()).peekable();
    if overlays.peek().is_none() {
        return Ok(());
    }
    let (user, group) = (nix::unistd::getuid(), nix::unistd::getgid());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)?;
    // Ourselves, as ourselves: files keep their owner.
    for (file, text) in [
        ("setgroups", "deny".to_owned()),
        ("uid_map", format!("{user} {user} 1")),
        ("gid_map", format!("{group} {group} 1")),
    ] {
        std::fs::write(Path::new("/proc/self").join(file), text).map_err(|_| nix::errno::Errno::EPERM)?;
    }
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_SLAVE, None::<&str>)?;
    for overlay in overlays {
        let paths = [&overlay.lower, &overlay.upper, &overlay.work].map(|path| path.to_string_lossy());
        // Its options have no quoting that old kernels know.
        if paths.iter().any(|path| path.contains([',', ':', '\\', '"'])) {
            continue;
        }
        let options = format!("lowerdir={},upperdir={},workdir={},userxattr", paths[0], paths[1], paths[2]);
        mount(Some("overlay"), &overlay.at, Some("overlay"), MsFlags::empty(), Some(options.as_str()))?;
    }
    Ok(())
}
