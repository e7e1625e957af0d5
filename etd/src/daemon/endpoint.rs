//! The socket: where it is, how it gets its name, and how it keeps it.
//!
//! A socket that can be connected to belongs to a daemon that is ready: it is bound under another name and renamed over the old one
//! only then. Nothing but a daemon ever unlinks one, and a daemon only its own inode. (One that a service manager handed over has its
//! name from there, and keeps it: see [`super::activation`].)

use std::fs::{DirBuilder, Metadata};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};

use interprocess::local_socket::{GenericFilePath, ListenerOptions, prelude::*};
use interprocess::os::unix::local_socket::ListenerOptionsExt as _;
use interprocess::os::unix::uds_local_socket;
use proto::endpoint;
use tokio::net::UnixListener;

/// Longest path of a socket in bytes that every supported system takes, its final NUL not counted.
const MAX_PATH: usize = 103;

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// No dir can be used.
    #[error("no dir for the socket: {0}")]
    NoDir(String),
    /// The path doesn't fit into an address.
    #[error("the socket path {} is too long by {over} bytes; set ET_SOCKET to a shorter one", path.display())]
    TooLong {
        /// The path.
        path: PathBuf,
        /// By how many bytes.
        over: usize,
    },
    /// It can't be made.
    #[error("socket {}: {source}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// The kernel's words.
        source: io::Error,
    },
}

/// Chooses the path of the socket: `ET_SOCKET`, else the first dir that can be used. Makes the dir (0700) if it is missing.
///
/// # Errors
/// If no dir is a real one, ours, and closed to others; or the path is too long.
pub fn choose(var: &dyn Fn(&str) -> Option<String>, state_dir: &Path) -> Result<PathBuf, EndpointError> {
    let uid = nix::unistd::geteuid().as_raw();
    if let Some(path) = endpoint::explicit_socket(var) {
        let (Some(dir), true) = (path.parent(), path.is_absolute()) else {
            return Err(EndpointError::NoDir(format!("ET_SOCKET {} isn't an absolute path", path.display())));
        };
        usable(dir, uid).map_err(|why| EndpointError::NoDir(format!("{}: {why}", dir.display())))?;
        return fitting(path);
    }
    // The home of the account, not `$HOME`: two homes on one machine mustn't share a name.
    let default = nix::unistd::User::from_uid(nix::unistd::geteuid())
        .ok()
        .flatten()
        .is_some_and(|user| user.dir.join(".local/state/et") == state_dir);
    let name = endpoint::socket_file(state_dir, default);
    let mut tried = Vec::new();
    for dir in endpoint::socket_dirs(var, uid) {
        match usable(&dir, uid).and_then(|()| fitting(dir.join(&name)).map_err(|error| error.to_string())) {
            Ok(path) => return Ok(path),
            Err(why) => tried.push(format!("{}: {why}", dir.display())),
        }
    }
    Err(EndpointError::NoDir(tried.join("; ")))
}

fn usable(dir: &Path, uid: u32) -> Result<(), String> {
    match DirBuilder::new().mode(0o700).create(dir) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error.to_string()),
    }
    check_dir(dir, uid)
}

/// Whether a dir is a real one, ours, and closed to others.
pub(crate) fn check_dir(dir: &Path, uid: u32) -> Result<(), String> {
    let metadata = std::fs::symlink_metadata(dir).map_err(|error| error.to_string())?;
    if !metadata.is_dir() {
        return Err("not a dir".to_owned());
    }
    if metadata.uid() != uid {
        return Err("belongs to another user".to_owned());
    }
    if metadata.mode() & 0o077 != 0 {
        return Err("others have access (it must be 0700)".to_owned());
    }
    Ok(())
}

fn fitting(path: PathBuf) -> Result<PathBuf, EndpointError> {
    let longest = temporary(&path).as_os_str().len();
    match longest.checked_sub(MAX_PATH) {
        None | Some(0) => Ok(path),
        Some(over) => Err(EndpointError::TooLong { path, over }),
    }
}

fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".tmp.{}", std::process::id()));
    PathBuf::from(name)
}

/// A socket that has its name.
#[derive(Debug)]
pub(crate) struct Published {
    path: PathBuf,
    /// None: the name is another's, who looks after it.
    inode: Option<(u64, u64)>,
}

impl Published {
    /// A socket whose name is another's: it counts as intact, and is never published again or removed.
    pub(crate) fn by_another(path: &Path) -> Self {
        Self { path: path.to_owned(), inode: None }
    }

    /// Binds, listens, and renames over whatever has the name.
    pub(crate) async fn publish(path: &Path) -> Result<(UnixListener, Self), EndpointError> {
        let wrong = |source: io::Error| EndpointError::Io { path: path.to_owned(), source };
        proto::hooks::pause("daemon.bind").await;
        remove_leftovers(path);
        let temporary = temporary(path);
        let listener = bind(&temporary).map_err(wrong)?;
        let inode = std::fs::symlink_metadata(&temporary).map(|metadata| inode(&metadata)).map_err(wrong)?;
        proto::hooks::pause("daemon.rename").await;
        if let Err(error) = std::fs::rename(&temporary, path) {
            let _ = std::fs::remove_file(&temporary);
            return Err(wrong(error));
        }
        Ok((listener, Self { path: path.to_owned(), inode: Some(inode) }))
    }

    /// Whether the name is still ours.
    pub(crate) fn intact(&self) -> bool {
        let Some(ours) = self.inode else { return true };
        std::fs::symlink_metadata(&self.path).is_ok_and(|metadata| inode(&metadata) == ours)
    }

    /// Gives the name back, if it is still ours.
    pub(crate) fn remove(&self) {
        if self.inode.is_some() && self.intact() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn inode(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

fn bind(path: &Path) -> io::Result<UnixListener> {
    let listener = ListenerOptions::new()
        .name(path.to_fs_name::<GenericFilePath>()?)
        .mode(0o600)
        .reclaim_name(false)
        .create_sync_as::<uds_local_socket::Listener>()?;
    // Only binding needs the crate (the mode is set before the name exists); halves and peer ids are tokio's own.
    let listener = StdListener::from(OwnedFd::from(listener));
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

/// Removes what daemons left that died between bind and rename. Only the holder of the lock uses this name.
fn remove_leftovers(path: &Path) {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else { return };
    let prefix = format!("{name}.tmp.");
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(&prefix));
        if ours && entry.file_type().is_ok_and(|kind| kind.is_socket()) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
