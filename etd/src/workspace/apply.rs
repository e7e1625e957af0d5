//! Files out: compare-and-swap and atomic replace.
//!
//! New content is written to a temporary file in the same directory, flushed and renamed over the old one. A file that wasn't there
//! appears by a hard link, which fails if somebody created it meanwhile. Between the last comparison and the rename of an existing
//! file lies a window of microseconds that POSIX gives no way to close.

use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt as _};

use super::read::{MAX_IMAGE, hash_of};
use super::walk::{Kind, Walked, kind, open_file, sync, twin, walk};
use super::{Change, Hash, Workspace, policy};
use crate::relpath::RelPath;

/// What the name of a temporary file starts with.
pub(super) const TEMP_PREFIX: &str = ".et-tmp-";

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// The file has the new content, and will have it after a power cut.
    Written,
    /// The file is gone.
    Deleted,
    /// The tree already was as the change wants it.
    Already,
}

/// Why a change wasn't made. The tree is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The file isn't what the writer saw.
    #[error("{path} has changed since it was read")]
    Conflict {
        /// The file.
        path: RelPath,
        /// What it is now; none: it isn't there.
        found: Option<Hash>,
    },
    /// Nothing writes there, whatever the task says.
    #[error("{path} isn't written: {reason}")]
    Refused {
        /// The file.
        path: RelPath,
        /// Why, a clause.
        reason: String,
    },
    /// The path, or a directory above it, is a symlink, a directory or no file.
    #[error("{path} isn't written: {found} is {what}")]
    Blocked {
        /// The file.
        path: RelPath,
        /// The component that is wrong.
        found: String,
        /// What that is.
        what: &'static str,
    },
    /// It differs only by case from a path that is there.
    #[error("{path} isn't written: it differs only by case from {existing}")]
    Twin {
        /// The file.
        path: RelPath,
        /// What is there.
        existing: String,
    },
    /// The content handed over isn't the one that the change names: a mistake of the caller.
    #[error("{path} isn't written: the content isn't the one that was recorded")]
    Content {
        /// The file.
        path: RelPath,
    },
    /// What is there is larger than anything that is kept for an undo.
    #[error("{path} isn't written: what is there is larger than {limit} bytes")]
    TooLarge {
        /// The file.
        path: RelPath,
        /// The limit.
        limit: u64,
    },
    /// The work dir itself is gone, or its name stands for another one.
    #[error("{path} isn't written: the work dir was removed or replaced in the meantime")]
    Gone {
        /// The file.
        path: RelPath,
    },
    /// The system said no.
    #[error("can't {doing} {path}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: RelPath,
        /// The system's words.
        source: io::Error,
    },
}

impl Workspace {
    /// Makes a change, if the file still is what the writer saw. Doing the same change again is [`Applied::Already`].
    ///
    /// Directories above are created as needed; those that a refused change created stay. Mode bits of an existing file are kept.
    ///
    /// # Errors
    /// See [`ApplyError`]; the file is then as it was.
    pub fn apply(&self, change: &Change, content: Option<&[u8]>) -> Result<Applied, ApplyError> {
        self.apply_as(change, content, None)
    }

    /// As [`Workspace::apply`], but the file gets these mode bits if it is written.
    ///
    /// # Errors
    /// See [`ApplyError`]; the file is then as it was.
    pub fn apply_as(&self, change: &Change, content: Option<&[u8]>, mode: Option<u32>) -> Result<Applied, ApplyError> {
        // Else files would land in a dir that nobody looks at, and the check would run in another one.
        if !self.is_in_place() {
            return Err(ApplyError::Gone { path: change.path.clone() });
        }
        self.apply_if_there(change, content, mode).map_err(|error| match error {
            ApplyError::Io { path, source, .. } if source.kind() == io::ErrorKind::NotFound && !self.is_in_place() => {
                ApplyError::Gone { path }
            }
            error => error,
        })
    }

    fn apply_if_there(
        &self,
        change: &Change,
        content: Option<&[u8]>,
        mode: Option<u32>,
    ) -> Result<Applied, ApplyError> {
        let path = &change.path;
        policy::never(path).map_err(|reason| ApplyError::Refused { path: path.clone(), reason })?;
        if content.map(Hash::of) != change.after {
            return Err(ApplyError::Content { path: path.clone() });
        }
        let io = |doing| move |source| ApplyError::Io { doing, path: path.clone(), source };
        // Only what is new needs new directories.
        let create = change.before.is_none() && change.after.is_some();
        let dir = match walk(&self.dir, path.parent(), create).map_err(io("reach"))? {
            Walked::There(dir) => dir,
            Walked::Missing if change.after.is_none() => return Ok(Applied::Already),
            Walked::Missing => return Err(ApplyError::Conflict { path: path.clone(), found: None }),
            Walked::Twin(existing) => return Err(ApplyError::Twin { path: path.clone(), existing }),
            Walked::Blocked(found, kind) => {
                return Err(ApplyError::Blocked { path: path.clone(), found, what: kind.words() });
            }
        };
        let place = Place { dir, path };
        place.no_twin()?;
        let found = place.current()?;
        if found == change.after {
            return Ok(Applied::Already);
        }
        if found != change.before {
            return Err(ApplyError::Conflict { path: path.clone(), found });
        }
        match content {
            Some(bytes) => place.replace(change, bytes, mode),
            None => {
                place.dir.remove_file(path.file_name()).map_err(io("delete"))?;
                proto::hooks::pause_blocking("file.deleted");
                sync(&place.dir).map_err(io("flush"))?;
                Ok(Applied::Deleted)
            }
        }
    }

    /// Removes a directory if it is there and empty; returns whether it did.
    pub fn remove_empty_dir(&self, path: &RelPath) -> bool {
        let Ok(Walked::There(dir)) = walk(&self.dir, path.parent(), false) else { return false };
        // Only an empty directory can be removed, and a symlink is none.
        kind(&dir, path.file_name()).is_ok_and(|kind| kind == Kind::Dir)
            && dir.remove_dir(path.file_name()).is_ok()
            && sync(&dir).is_ok()
    }
}

/// A path whose parent is open.
struct Place<'a> {
    dir: Dir,
    path: &'a RelPath,
}

impl Place<'_> {
    fn io(&self, doing: &'static str) -> impl Fn(io::Error) -> ApplyError + '_ {
        move |source| ApplyError::Io { doing, path: self.path.clone(), source }
    }

    fn no_twin(&self) -> Result<(), ApplyError> {
        match twin(&self.dir, self.path.file_name()).map_err(self.io("look at"))? {
            None => Ok(()),
            Some(name) => {
                let parent = self.path.parent();
                let existing = if parent.is_empty() { name } else { format!("{parent}/{name}") };
                Err(ApplyError::Twin { path: self.path.clone(), existing })
            }
        }
    }

    fn blocked(&self, kind: Kind) -> ApplyError {
        ApplyError::Blocked { path: self.path.clone(), found: self.path.to_string(), what: kind.words() }
    }

    /// The hash of what is there.
    fn current(&self) -> Result<Option<Hash>, ApplyError> {
        let name = self.path.file_name();
        match kind(&self.dir, name).map_err(self.io("look at"))? {
            Kind::Missing => Ok(None),
            Kind::File => match open_file(&self.dir, name) {
                Ok(Some(file)) => match hash_of(file).map_err(self.io("read"))? {
                    Some(hash) => Ok(Some(hash)),
                    None => Err(ApplyError::TooLarge { path: self.path.clone(), limit: MAX_IMAGE }),
                },
                Ok(None) => Err(self.blocked(Kind::Other)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(self.io("read")(error)),
            },
            other => Err(self.blocked(other)),
        }
    }

    fn replace(&self, change: &Change, bytes: &[u8], mode: Option<u32>) -> Result<Applied, ApplyError> {
        let temp = format!("{TEMP_PREFIX}{:016x}", fastrand::u64(..));
        let done =
            self.write_temp(&temp, change.before.is_some(), bytes, mode).and_then(|()| self.publish(&temp, change));
        if done.is_err() {
            // What stays behind is swept by the next round.
            let _ = self.dir.remove_file(&temp);
        }
        done?;
        proto::hooks::pause_blocking("file.published");
        sync(&self.dir).map_err(self.io("flush"))?;
        Ok(Applied::Written)
    }

    fn write_temp(&self, temp: &str, existing: bool, bytes: &[u8], mode: Option<u32>) -> Result<(), ApplyError> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o666);
        let mut file = self.dir.open_with(temp, &options).map_err(self.io("write"))?.into_std();
        file.write_all(bytes).map_err(self.io("write"))?;
        let mode = match mode {
            None if existing => {
                let old = self.dir.symlink_metadata(self.path.file_name()).map_err(self.io("look at"))?;
                Some(cap_std::fs::PermissionsExt::mode(&old.permissions()) & 0o777)
            }
            mode => mode,
        };
        if let Some(mode) = mode {
            file.set_permissions(std::fs::Permissions::from_mode(mode)).map_err(self.io("set the mode of"))?;
        }
        proto::hooks::pause_blocking("file.temporary");
        file.sync_all().map_err(self.io("flush"))
    }

    fn publish(&self, temp: &str, change: &Change) -> Result<(), ApplyError> {
        let name = self.path.file_name();
        if change.before.is_none() {
            match self.dir.hard_link(temp, &self.dir, name) {
                Ok(()) => {
                    proto::hooks::pause_blocking("file.linked");
                    return self.dir.remove_file(temp).map_err(self.io("tidy up after"));
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    return Err(ApplyError::Conflict { path: self.path.clone(), found: self.current()? });
                }
                // No hard links on this file system: compare once more and rename, as for an existing file.
                Err(_) => {}
            }
        }
        let found = self.current()?;
        if found != change.before {
            return Err(ApplyError::Conflict { path: self.path.clone(), found });
        }
        self.dir.rename(temp, &self.dir, name).map_err(self.io("replace"))
    }
}
