//! From a checked path to handles, one component at a time and never through a symlink.
//!
//! Each step opens a single name relative to the handle before it, with `O_NOFOLLOW`: a name swapped for a symlink between two steps
//! makes the step fail, it doesn't lead elsewhere.

use std::ffi::OsStr;
use std::fs::File;
use std::io;

use cap_std::fs::Dir;
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;

use crate::relpath::fold_case;

/// What a name in a directory stands for, itself and not what it may point to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Missing,
    File,
    Dir,
    Symlink,
    Other,
}

impl Kind {
    /// For messages.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Missing => "nothing",
            Self::File => "a file",
            Self::Dir => "a directory",
            Self::Symlink => "a symbolic link",
            Self::Other => "a pipe, socket or device",
        }
    }
}

pub(super) fn kind(dir: &Dir, name: &str) -> io::Result<Kind> {
    match dir.symlink_metadata(name) {
        Ok(metadata) if metadata.is_file() => Ok(Kind::File),
        Ok(metadata) if metadata.is_dir() => Ok(Kind::Dir),
        Ok(metadata) if metadata.is_symlink() => Ok(Kind::Symlink),
        Ok(_) => Ok(Kind::Other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Kind::Missing),
        Err(error) => Err(error),
    }
}

/// Opens the directory of this name; [`Err`] with its kind if it isn't one.
pub(super) fn enter(dir: &Dir, name: &OsStr) -> io::Result<Dir> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let handle = openat(dir, name, flags, Mode::empty())?;
    Ok(Dir::from_std_file(File::from(handle)))
}

/// Opens the regular file of this name for reading. It never blocks on a pipe; anything but a regular file is `None`.
pub(super) fn open_file(dir: &Dir, name: &str) -> io::Result<Option<File>> {
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    match openat(dir, name, flags, Mode::empty()) {
        Ok(handle) => {
            let file = File::from(handle);
            Ok(file.metadata()?.is_file().then_some(file))
        }
        // A symlink, or a socket: both since we looked.
        Err(Errno::ELOOP | Errno::ENXIO) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// How far a walk came.
pub(super) enum Walked {
    /// To its end.
    There(Dir),
    /// A component isn't there.
    Missing,
    /// A component, named by its path, isn't a directory.
    Blocked(String, Kind),
    /// A component that is missing differs only by case from one that is there.
    Twin(String),
}

/// Goes from `top` to the directory `parent` (with slashes, empty: `top` itself); with `create`, makes what is missing.
pub(super) fn walk(top: &Dir, parent: &str, create: bool) -> io::Result<Walked> {
    let mut dir = top.try_clone()?;
    let mut done = String::new();
    for part in parent.split('/').filter(|part| !part.is_empty()) {
        if !done.is_empty() {
            done.push('/');
        }
        if create && let Some(twin) = twin(&dir, part)? {
            return Ok(Walked::Twin(done + &twin));
        }
        done.push_str(part);
        let next = match enter(&dir, OsStr::new(part)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if !create {
                    return Ok(Walked::Missing);
                }
                match dir.create_dir(part) {
                    Ok(()) => {
                        proto::hooks::pause_blocking("file.dir_made");
                        sync(&dir)?;
                    }
                    // Somebody was faster; whether it is a directory shows at once.
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                    Err(error) => return Err(error),
                }
                enter(&dir, OsStr::new(part))
            }
            other => other,
        };
        dir = match next {
            Ok(next) => next,
            // Systems differ in what they answer for a symlink (ELOOP, ENOTDIR): look.
            Err(error) => match kind(&dir, part)? {
                blocked @ (Kind::File | Kind::Symlink | Kind::Other) => return Ok(Walked::Blocked(done, blocked)),
                Kind::Dir | Kind::Missing => return Err(error),
            },
        };
    }
    Ok(Walked::There(dir))
}

/// The name in `dir` that a case-insensitive file system takes for `name`, unless `name` itself is there.
pub(super) fn twin(dir: &Dir, name: &str) -> io::Result<Option<String>> {
    let folded = fold_case(name);
    let mut found = None;
    for entry in dir.entries()? {
        let entry = entry?.file_name();
        match entry.to_str() {
            Some(entry) if entry == name => return Ok(None),
            Some(entry) if fold_case(entry) == folded => found = Some(entry.to_owned()),
            _ => {}
        }
    }
    Ok(found)
}

/// Makes the names in a directory survive a power cut. File systems that can't are left alone.
pub(super) fn sync(dir: &Dir) -> io::Result<()> {
    match nix::unistd::fsync(dir) {
        Ok(()) | Err(Errno::EINVAL | Errno::ENOTSUP | Errno::EBADF) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
