//! The daemon's own log. It names what failed and where; no request, answer or secret is ever written to it.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Mutex;

use proto::endpoint::DAEMON_LOG_FILE;
use tracing_subscriber::EnvFilter;

/// A log that is longer than this in bytes at the start is set aside.
const LONGEST: u64 = 10 * 1024 * 1024;

/// Opens the log of a state dir, whose lock must be held, and sends panics there as well. `level` is `ET_LOG`: `info` if there is none.
///
/// # Errors
/// If the file can't be opened. That a subscriber is set already is none: the first one stays.
pub fn open(state_dir: &Path, level: Option<&str>) -> io::Result<()> {
    let path = state_dir.join(DAEMON_LOG_FILE);
    if std::fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.len() > LONGEST) {
        std::fs::rename(&path, state_dir.join(format!("{DAEMON_LOG_FILE}.1")))?;
    }
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits())
        .open(&path)?;
    let filter = EnvFilter::try_new(level.unwrap_or("info")).unwrap_or_else(|_| EnvFilter::new("info"));
    let set =
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(Mutex::new(file)).try_init();
    if set.is_ok() {
        std::panic::set_hook(Box::new(|panic| {
            // Only the place: the message may quote what was being worked on.
            let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
            tracing::error!("panic at {place}");
        }));
    }
    Ok(())
}
