//! The daemon's own log. It names what failed and where; no request, answer or secret is ever written to it.
//!
//! One that has become long is set aside as `etd.log.1`, in place of the last one that was: both together stay within a bound.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use proto::endpoint::DAEMON_LOG_FILE;
use tracing_subscriber::EnvFilter;

/// A log that is longer than this in bytes is set aside.
const LONGEST: u64 = 10 * 1024 * 1024;

/// A file that is set aside when it has become long.
struct Bounded {
    path: PathBuf,
    longest: u64,
    file: File,
    bytes: u64,
}

impl Bounded {
    fn open(path: PathBuf, longest: u64) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o600).custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits());
        let mut file = options.open(&path)?;
        let mut bytes = file.metadata()?.len();
        if bytes > longest {
            let mut aside = path.clone().into_os_string();
            aside.push(".1");
            std::fs::rename(&path, aside)?;
            file = options.open(&path)?;
            bytes = 0;
        }
        Ok(Self { path, longest, file, bytes })
    }
}

impl io::Write for Bounded {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        if self.bytes > self.longest {
            match Self::open(self.path.clone(), self.longest) {
                Ok(fresh) => *self = fresh,
                // It goes on in the long one, and tries again when that has become as long again.
                Err(_) => self.bytes = 0,
            }
        }
        let written = self.file.write(text)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Opens the log of a state dir, whose lock must be held, and sends panics there as well. `level` is `ET_LOG`: `info` if there is none.
///
/// # Errors
/// If the file can't be opened. That a subscriber is set already is none: the first one stays.
pub fn open(state_dir: &Path, level: Option<&str>) -> io::Result<()> {
    let file = Bounded::open(state_dir.join(DAEMON_LOG_FILE), LONGEST)?;
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may")]

    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_long_log_is_set_aside_while_it_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("etd.log");
        let mut log = Bounded::open(path.clone(), 100).unwrap();
        for number in 0..100 {
            log.write_all(format!("line {number:02} of the log\n").as_bytes()).unwrap();
        }
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        let (now, before) = (read("etd.log"), read("etd.log.1"));
        assert!(now.ends_with("line 99 of the log\n"), "{now}");
        assert!(now.len() < 130 && before.len() < 130, "{now}{before}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
        // Lines stand in one of them, whole and in order.
        let both = format!("{before}{now}");
        let numbers: Vec<u32> = both.lines().map(|line| line[5..7].parse().unwrap()).collect();
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
        // One that is long at the start is set aside as well.
        drop(log);
        std::fs::write(&path, "x".repeat(200)).unwrap();
        Bounded::open(path, 100).unwrap();
        assert_eq!((read("etd.log").len(), read("etd.log.1").len()), (0, 200));
    }
}
