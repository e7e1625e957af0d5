//! The work dir: the only module that reads and writes below it, through one directory handle, crossing no symlink.
//!
//! It promises that nothing outside the work dir is read or written whatever a path says and whatever stands in the tree, that a file is
//! replaced as a whole or not at all, and that a file which changed since it was read isn't overwritten. It must never follow a
//! symlink, open something that isn't a regular file, or hand a file that holds secrets to a prompt.
//!
//! Everything here blocks; async callers use `spawn_blocking`.
//!
//! | module | what it does |
//! |---|---|
//! | [`policy`] | which paths may be written and read; pure |
//! | [`content`] | how new text takes over the form of the old file; pure |
//! | `open` | which dirs are taken as a work dir |
//! | `walk` | from a path to handles, component by component |
//! | `read`, `apply`, `tree` | files in, files out, the listing |

mod apply;
pub mod content;
mod open;
pub mod policy;
mod read;
#[cfg(test)]
mod tests;
mod tree;
mod walk;

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::relpath::RelPath;

pub use apply::{Applied, ApplyError};
pub use open::WorkspaceError;
pub use read::{Content, ReadError};
pub use tree::Listing;

/// SHA-256 of a file's bytes, in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Hash(pub String);

impl Hash {
    /// The hash of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self::from_digest(&Sha256::digest(bytes))
    }

    fn from_digest(digest: &[u8]) -> Self {
        use fmt::Write as _;
        let mut text = String::with_capacity(digest.len() * 2);
        for byte in digest {
            // Writing to a string can't fail.
            let _ = write!(text, "{byte:02x}");
        }
        Self(text)
    }
}

/// One wanted change of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Where.
    pub path: RelPath,
    /// The content that the writer saw; none: the file wasn't there.
    pub before: Option<Hash>,
    /// The content to be; none: the file is deleted.
    pub after: Option<Hash>,
}

/// One file of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeFile {
    /// Where.
    pub path: RelPath,
    /// Size in bytes.
    pub bytes: u64,
}

/// Bytes of all these files. A sparse file may claim any size.
#[must_use]
pub fn total_bytes(files: &[TreeFile]) -> u64 {
    files.iter().fold(0, |sum, file| sum.saturating_add(file.bytes))
}

/// An open work dir.
pub struct Workspace {
    dir: cap_std::fs::Dir,
    root: PathBuf,
    name: String,
    identity: (u64, u64),
}

impl Workspace {
    /// Its canonical path, for people and for children that run in it. Nothing here opens a file by it.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Device and inode of the dir: the same for every name that it has.
    #[must_use]
    pub fn identity(&self) -> (u64, u64) {
        self.identity
    }

    /// Whether its path still leads to it: nobody removed, moved or replaced it.
    #[must_use]
    pub fn is_in_place(&self) -> bool {
        use std::os::unix::fs::MetadataExt as _;
        std::fs::metadata(&self.root).is_ok_and(|found| (found.dev(), found.ino()) == self.identity)
    }

    /// The last part of its path.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Debug for Workspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Workspace").field(&self.root).finish()
    }
}
