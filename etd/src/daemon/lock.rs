//! The lock that makes a daemon the only one of its state dir.
//!
//! Whoever holds the lock on `etd.lock` may write the database; nobody else may. The file is never deleted and never replaced, so
//! that everybody locks the same inode; its one line of JSON says who holds it.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use proto::endpoint::{DaemonState, LOCK_FILE, LockRecord};

use super::process;

/// How long a lock in other hands is tried.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// If its holder is going away.
    pub draining: Duration,
    /// Otherwise: only as long as a holder needs that is about to vanish.
    pub other: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { draining: Duration::from_secs(10), other: Duration::from_millis(300) }
    }
}

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The state dir can't be used.
    #[error("state dir {}: {why}", path.display())]
    StateDir {
        /// The state dir.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Another daemon has it.
    #[error("another daemon is at work in {}", path.display())]
    Held {
        /// The state dir.
        path: PathBuf,
        /// What that daemon says about itself; none while it writes it.
        record: Option<Box<LockRecord>>,
    },
}

/// The lock, held until it is dropped.
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: PathBuf,
    record: LockRecord,
}

impl Lock {
    /// Prepares the state dir and takes its lock. Also returns what the last holder left in the file.
    ///
    /// Cancel-safe: the lock goes with the future.
    ///
    /// # Errors
    /// If the state dir can't be used, or somebody else holds the lock for longer than `patience`.
    pub async fn acquire(state_dir: &Path, patience: Patience) -> Result<(Self, Option<LockRecord>), LockError> {
        prepare_state_dir(state_dir)?;
        let path = state_dir.join(LOCK_FILE);
        let wrong = |error: io::Error| LockError::StateDir { path: path.clone(), why: error.to_string() };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits())
            .open(&path)
            .map_err(wrong)?;
        let began = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(wrong(error)),
            }
            let record = read_record(&file);
            let going = record.as_ref().is_some_and(|record| record.state == DaemonState::Draining);
            if began.elapsed() >= if going { patience.draining } else { patience.other } {
                return Err(LockError::Held { path: state_dir.to_owned(), record: record.map(Box::new) });
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        proto::hooks::pause("daemon.locked").await;
        let previous = read_record(&file);
        let record = LockRecord {
            pid: std::process::id(),
            start_time: process::start_time(),
            boot_id: process::boot_id(),
            endpoint: PathBuf::new(),
            state: DaemonState::Starting,
            build: proto::BUILD.to_owned(),
            activated: false,
        };
        Ok((Self { file, path, record }, previous))
    }

    /// What the file says.
    #[must_use]
    pub fn record(&self) -> &LockRecord {
        &self.record
    }

    /// From now on the file says that the socket is another's, who starts a daemon for whoever connects.
    pub(crate) fn mark_activated(&mut self) {
        self.record.activated = true;
    }

    /// Writes state and socket into the file.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn write(&mut self, state: DaemonState, endpoint: &Path) -> Result<(), LockError> {
        self.record.state = state;
        self.record.endpoint = endpoint.to_owned();
        self.store().map_err(|error| LockError::StateDir { path: self.path.clone(), why: error.to_string() })
    }

    fn store(&self) -> io::Result<()> {
        let mut line = serde_json::to_vec(&self.record).map_err(io::Error::other)?;
        line.push(b'\n');
        // Readers take the first line: the rest of a longer one is cut only after the new one stands.
        self.file.write_all_at(&line, 0)?;
        self.file.set_len(line.len() as u64)
    }
}

/// What a lock file says; none if it is empty or half written.
fn read_record(file: &File) -> Option<LockRecord> {
    let mut bytes = vec![0; 16 * 1024];
    let length = file.read_at(&mut bytes, 0).ok()?;
    let line = bytes.get(..length)?.split(|byte| *byte == b'\n').next()?;
    serde_json::from_slice(line).ok()
}

/// Makes the state dir if it is missing, and sees that it is ours and only ours.
fn prepare_state_dir(path: &Path) -> Result<(), LockError> {
    let wrong = |why: String| LockError::StateDir { path: path.to_owned(), why };
    if !path.is_absolute() {
        return Err(wrong("the path isn't absolute".to_owned()));
    }
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| wrong(error.to_string()))?;
    let metadata = std::fs::metadata(path).map_err(|error| wrong(error.to_string()))?;
    if metadata.uid() != nix::unistd::geteuid().as_raw() {
        return Err(wrong("it belongs to another user".to_owned()));
    }
    if metadata.mode() & 0o077 != 0 {
        let private = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(path, private).map_err(|error| wrong(error.to_string()))?;
    }
    Ok(())
}
