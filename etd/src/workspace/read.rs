//! Files in.

use std::fs::File;
use std::io::{self, Read as _};

use sha2::{Digest as _, Sha256};

use super::walk::{Kind, Walked, kind, open_file, walk};
use super::{Hash, Workspace, policy};
use crate::relpath::RelPath;

/// Largest file that goes into a prompt, in bytes. What fits a model's window is smaller by far.
const MAX_READ: u64 = 4 << 20;
/// Largest file that is kept as a before-image, in bytes.
pub(super) const MAX_IMAGE: u64 = 64 << 20;

/// A file's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Their hash, for [`Change::before`](super::Change).
    pub hash: Hash,
}

/// Why a file isn't read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Its name says that it holds secrets or belongs to git or to et.
    #[error("{path} isn't read: {reason}")]
    Refused {
        /// The file.
        path: RelPath,
        /// Why, a clause.
        reason: String,
    },
    /// It, or a directory above it, is a symlink or no file.
    #[error("{path} isn't read: {found} is {what}")]
    NotAFile {
        /// The file.
        path: RelPath,
        /// The component that is wrong.
        found: String,
        /// What that is.
        what: &'static str,
    },
    /// It is larger than anything that is worth reading.
    #[error("{path} isn't read: it is larger than {limit} bytes")]
    TooLarge {
        /// The file.
        path: RelPath,
        /// The limit.
        limit: u64,
    },
    /// The system said no.
    #[error("can't read {path}: {source}")]
    Io {
        /// The file.
        path: RelPath,
        /// The system's words.
        source: io::Error,
    },
}

impl Workspace {
    /// A file for a prompt; `None` if it isn't there.
    ///
    /// # Errors
    /// If [`policy::may_read`] says no, if the path crosses a symlink or isn't a regular file, if it is larger than 4 MiB, or if the
    /// system refuses.
    pub fn read(&self, path: &RelPath) -> Result<Option<Content>, ReadError> {
        policy::may_read(path).map_err(|reason| ReadError::Refused { path: path.clone(), reason })?;
        self.content(path, MAX_READ)
    }

    /// A file for et's own use, such as a before-image or a look of its own; `None` if it isn't there. It may hold
    /// secrets: it never goes into a prompt.
    ///
    /// # Errors
    /// As [`Workspace::read`], without the policy and up to 64 MiB.
    pub fn image(&self, path: &RelPath) -> Result<Option<Content>, ReadError> {
        self.content(path, MAX_IMAGE)
    }

    /// The hash of a file; `None` if it isn't there.
    ///
    /// # Errors
    /// As [`Workspace::image`].
    pub fn hash(&self, path: &RelPath) -> Result<Option<Hash>, ReadError> {
        let Some(file) = self.file(path)? else { return Ok(None) };
        match hash_of(file) {
            Ok(Some(hash)) => Ok(Some(hash)),
            Ok(None) => Err(ReadError::TooLarge { path: path.clone(), limit: MAX_IMAGE }),
            Err(source) => Err(ReadError::Io { path: path.clone(), source }),
        }
    }

    /// Mode bits of a file (at most 0777); `None` if it isn't there or isn't a regular file.
    pub fn mode(&self, path: &RelPath) -> Option<u32> {
        use std::os::unix::fs::PermissionsExt as _;
        let file = self.file(path).ok()??;
        file.metadata().ok().map(|metadata| metadata.permissions().mode() & 0o777)
    }

    /// Directories above a path that aren't there, the topmost first.
    pub fn missing_dirs(&self, path: &RelPath) -> Vec<RelPath> {
        let parent = path.parent();
        let ends = parent.match_indices('/').map(|(at, _)| at).chain((!parent.is_empty()).then_some(parent.len()));
        ends.filter_map(|end| parent.get(..end))
            .filter(|dir| matches!(walk(&self.dir, dir, false), Ok(Walked::Missing)))
            .filter_map(|dir| RelPath::parse(dir).ok())
            .collect()
    }

    fn content(&self, path: &RelPath, limit: u64) -> Result<Option<Content>, ReadError> {
        let Some(file) = self.file(path)? else { return Ok(None) };
        let too_large = || ReadError::TooLarge { path: path.clone(), limit };
        if file.metadata().is_ok_and(|metadata| metadata.len() > limit) {
            return Err(too_large());
        }
        let mut bytes = Vec::new();
        // The size that the system tells may be outdated by the time we read.
        file.take(limit + 1).read_to_end(&mut bytes).map_err(|source| ReadError::Io { path: path.clone(), source })?;
        if bytes.len() as u64 > limit {
            return Err(too_large());
        }
        let hash = Hash::of(&bytes);
        Ok(Some(Content { bytes, hash }))
    }

    fn file(&self, path: &RelPath) -> Result<Option<File>, ReadError> {
        let io = |source| ReadError::Io { path: path.clone(), source };
        let not_a_file =
            |found: String, kind: Kind| ReadError::NotAFile { path: path.clone(), found, what: kind.words() };
        let dir = match walk(&self.dir, path.parent(), false).map_err(io)? {
            Walked::There(dir) => dir,
            Walked::Missing | Walked::Twin(_) => return Ok(None),
            // `a/b` with a file `a`: there is no such file, and nothing was crossed.
            Walked::Blocked(_, Kind::File) => return Ok(None),
            Walked::Blocked(found, kind) => return Err(not_a_file(found, kind)),
        };
        match kind(&dir, path.file_name()).map_err(io)? {
            Kind::Missing => Ok(None),
            Kind::File => match open_file(&dir, path.file_name()) {
                Ok(Some(file)) => Ok(Some(file)),
                Ok(None) => Err(not_a_file(path.to_string(), Kind::Other)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(io(error)),
            },
            other => Err(not_a_file(path.to_string(), other)),
        }
    }
}

/// The hash of a file's content; `None` if that is larger than a before-image may be: nothing of ours is, and a sparse file has no end
/// to speak of.
pub(super) fn hash_of(file: File) -> io::Result<Option<Hash>> {
    if file.metadata()?.len() > MAX_IMAGE {
        return Ok(None);
    }
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    // It may grow while it is read.
    let mut file = file.take(MAX_IMAGE + 1);
    loop {
        match file.read(&mut buffer) {
            Ok(0) if file.limit() == 0 => return Ok(None),
            Ok(0) => return Ok(Some(Hash::from_digest(&digest.finalize()))),
            Ok(n) => digest.update(&buffer[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
