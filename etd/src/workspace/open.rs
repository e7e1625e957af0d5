//! Which dirs are taken as a work dir.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use super::Workspace;

/// Why a dir isn't taken as a work dir.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// Only a client knows what a relative path is relative to.
    #[error("the work dir {0} isn't an absolute path")]
    Relative(PathBuf),
    /// `/`.
    #[error("the work dir can't be the root of the file system")]
    Root,
    /// `$HOME` itself.
    #[error("the work dir can't be your home directory {0} itself")]
    Home(PathBuf),
    /// Somebody else's.
    #[error("the work dir {path} belongs to user {owner}, not to you")]
    NotOurs {
        /// The dir.
        path: PathBuf,
        /// Its owner's number.
        owner: u32,
    },
    /// A file or the like.
    #[error("the work dir {0} isn't a directory")]
    NotADirectory(PathBuf),
    /// The system said no.
    #[error("can't {doing} the work dir {path}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// With which dir.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
}

impl WorkspaceError {
    /// What a person can do about it, a clause.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Relative(_) => "give a path that starts with /",
            Self::Root | Self::Home(_) => "give a directory of its own, such as ./build",
            Self::NotOurs { .. } => "give a directory that you own, or run et as its owner",
            Self::NotADirectory(_) => "give a directory, or a path where one can be created",
            Self::Io { .. } => "check that the directory, or the one above it, exists and that you may write there",
        }
    }
}

impl Workspace {
    /// Opens a work dir, and creates it (mode 0755 less the umask, with those above it) if it isn't there.
    ///
    /// `home` is the caller's home directory, if it has one.
    ///
    /// # Errors
    /// If the path is relative, `/`, `home` itself, no directory or somebody else's, or if the system refuses.
    pub fn open(path: &Path, home: Option<&Path>) -> Result<Self, WorkspaceError> {
        if !path.is_absolute() {
            return Err(WorkspaceError::Relative(path.to_owned()));
        }
        let failed = |doing| move |source| WorkspaceError::Io { doing, path: path.to_owned(), source };
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => return Err(WorkspaceError::NotADirectory(path.to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                DirBuilder::new().recursive(true).mode(0o755).create(path).map_err(failed("create"))?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                return Err(WorkspaceError::NotADirectory(path.to_owned()));
            }
            Err(error) => return Err(failed("look at")(error)),
        }
        let root = fs::canonicalize(path).map_err(failed("look at"))?;
        if root.parent().is_none() {
            return Err(WorkspaceError::Root);
        }
        let handle = open_dir(&root).map_err(failed("open"))?;
        let metadata = handle.metadata().map_err(failed("look at"))?;
        let identity = (metadata.dev(), metadata.ino());
        if let Some(home) = home
            && fs::metadata(home).is_ok_and(|home| (home.dev(), home.ino()) == identity)
        {
            return Err(WorkspaceError::Home(root));
        }
        if metadata.uid() != nix::unistd::geteuid().as_raw() {
            return Err(WorkspaceError::NotOurs { path: root, owner: metadata.uid() });
        }
        let name = root.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Self { dir: cap_std::fs::Dir::from_std_file(handle), root, name, identity })
    }
}

fn open_dir(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags((OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW).bits()).open(path)
}
