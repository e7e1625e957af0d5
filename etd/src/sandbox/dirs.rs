//! Dirs in the state dir that belong to one work dir: a temporary one and a home, empty whenever a check begins, and build caches that
//! stay warm.
//!
//! What runs may write in these dirs, so their content is hostile: the daemon makes and removes them as a whole, follows no link in them
//! and reads nothing from them. Each is handed out by itself; the dir that holds them isn't, so none can be replaced.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::confine::{Overlay, Profile};
use super::places::Places;

/// Where they are in the state dir.
const TOP: &str = "sandbox";
/// Emptied before and after each use.
const FLEETING: &[&str] = &["home", "tmp", "shm"];
/// Kept: what toolchains download and compile.
const CACHES: &[&str] = &["cargo", "go", "go-build", "go-mod", "npm", "pip", "pydeps", "m2", "gradle", "xdg"];
/// Where manifests are put for a fetch.
const STAGE: &str = "fetch";
/// Layers of Go's build cache.
const LAYERS: &str = "go-layers";
/// A file that says that cargo's own registry is used.
const PRIVATE_REGISTRY: &str = "cargo-is-private";
/// Dirs in one another that are walked in place; what lies deeper is moved up first, so that no depth is too deep.
const DEPTH: usize = 32;

/// The dirs of one work dir.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Own {
    top: PathBuf,
}

impl Own {
    /// Where the dirs of a work dir (canonical) are. Touches nothing.
    #[must_use]
    pub(crate) fn of(state_dir: &Path, work_dir: &Path) -> Self {
        use std::fmt::Write as _;
        let digest = Sha256::digest(std::os::unix::ffi::OsStrExt::as_bytes(work_dir.as_os_str()));
        let key = digest.iter().take(10).fold(String::new(), |mut key, byte| {
            // Writing to a string can't fail.
            let _ = write!(key, "{byte:02x}");
            key
        });
        Self { top: state_dir.join(TOP).join(key) }
    }

    /// Home.
    #[must_use]
    pub(crate) fn home(&self) -> PathBuf {
        self.top.join("home")
    }

    /// What stands for `/tmp`.
    #[must_use]
    pub(crate) fn tmp(&self) -> PathBuf {
        self.top.join("tmp")
    }

    /// What stands for `/dev/shm`.
    #[must_use]
    pub(crate) fn shm(&self) -> PathBuf {
        self.top.join("shm")
    }

    /// One of the caches.
    #[must_use]
    pub(crate) fn cache(&self, name: &str) -> PathBuf {
        self.top.join(name)
    }

    /// Where manifests are put for a fetch.
    #[must_use]
    pub(crate) fn stage(&self) -> PathBuf {
        self.top.join(STAGE)
    }

    /// A home for cargo whose registry is the user's, to be read only. The check can't change it.
    #[must_use]
    pub(crate) fn cargo_user(&self) -> PathBuf {
        self.top.join("cargo-user")
    }

    /// The home of cargo that a build uses: its own if a fetch filled it, else the one with the user's registry.
    #[must_use]
    pub(crate) fn cargo_home(&self) -> PathBuf {
        if self.has_private_registry() { self.cache("cargo") } else { self.cargo_user() }
    }

    /// A file of the daemon's that remembers a fetch.
    #[must_use]
    pub(crate) fn marker(&self, fingerprint: &str) -> PathBuf {
        self.top.join(format!("fetched-{fingerprint}"))
    }

    /// What a profile may write to.
    pub(super) fn writable(&self, profile: Profile) -> BTreeSet<PathBuf> {
        let mut dirs: BTreeSet<PathBuf> = [FLEETING, CACHES].concat().iter().map(|name| self.top.join(name)).collect();
        if profile == Profile::Fetch {
            dirs.insert(self.stage());
        }
        dirs
    }

    /// Makes the dirs that aren't there and empties the fleeting ones. Blocks.
    ///
    /// # Errors
    /// If the disk doesn't let it.
    pub(crate) fn prepare(&self) -> io::Result<()> {
        for name in FLEETING.iter().chain(&[STAGE]) {
            remove(&self.top.join(name))?;
        }
        for name in FLEETING.iter().chain(CACHES).chain(&[STAGE, "cargo-user", "go-layers/upper", "go-layers/work"]) {
            make_private(&self.top.join(name))?;
        }
        Ok(())
    }

    /// Takes up what the user has already, to be read only: cargo's registry by a link.
    ///
    /// # Errors
    /// If the disk doesn't let it.
    pub(super) fn adopt(&self, places: &Places) -> io::Result<()> {
        for name in ["registry", "git"] {
            let (link, target) = (self.cargo_user().join(name), places.cargo.as_ref().map(|cargo| cargo.join(name)));
            let known = std::fs::read_link(&link).ok();
            if known.as_ref() != target.as_ref().filter(|target| target.is_dir()) {
                if known.is_some() {
                    std::fs::remove_file(&link)?;
                }
                if let Some(target) = target.filter(|target| target.is_dir()) {
                    std::os::unix::fs::symlink(target, link)?;
                }
            }
        }
        Ok(())
    }

    /// Whether a fetch has filled a registry of its own.
    #[must_use]
    pub(super) fn has_private_registry(&self) -> bool {
        self.top.join(PRIVATE_REGISTRY).exists()
    }

    /// Marks that it has.
    pub(crate) fn use_private_registry(&self) -> io::Result<()> {
        std::fs::write(self.top.join(PRIVATE_REGISTRY), "")
    }

    /// Go's build cache above the user's: the layers of a file system in which what is written stays here.
    #[must_use]
    pub(super) fn overlay(&self, user: &Path) -> Overlay {
        let layer = |name: &str| self.top.join(LAYERS).join(name);
        Overlay { at: self.cache("go-build"), lower: user.to_path_buf(), upper: layer("upper"), work: layer("work") }
    }

    /// Empties the fleeting dirs. Blocks. What can't be removed now is when the next check begins.
    pub(crate) fn clean(&self) {
        for name in FLEETING.iter().chain(&[STAGE]) {
            if let Err(error) = remove(&self.top.join(name)) {
                tracing::warn!("{}: {error}", self.top.join(name).display());
            }
        }
    }
}

fn make_private(dir: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Empties the fleeting dirs of all work dirs: what a daemon that was killed left. Nothing may be confined meanwhile. Blocks.
pub(super) fn sweep(state_dir: &Path) {
    for entry in std::fs::read_dir(state_dir.join(TOP)).into_iter().flatten().filter_map(Result::ok) {
        Own { top: entry.path() }.clean();
    }
}

/// Removes a dir whose content is hostile: no link is followed, nothing is too deep, and dirs without permissions are entered.
pub(super) fn remove(top: &Path) -> io::Result<()> {
    let mut moved = 0_u64;
    // Each pass removes what is less deep than DEPTH and brings the rest up.
    while let Some(()) = remove_pass(top, top, 0, &mut moved)? {}
    Ok(())
}

/// None: it is gone.
fn remove_pass(top: &Path, dir: &Path, depth: usize, moved: &mut u64) -> io::Result<Option<()>> {
    let meta = match dir.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    if !meta.is_dir() {
        std::fs::remove_file(dir)?;
        return Ok(None);
    }
    if meta.permissions().mode() & 0o700 != 0o700 {
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700))?;
    }
    let mut left = false;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if depth >= DEPTH && entry.file_type()?.is_dir() {
            *moved += 1;
            std::fs::rename(entry.path(), top.join(format!("moved-{moved}")))?;
            left = true;
        } else if remove_pass(top, &entry.path(), depth + 1, moved)?.is_some() {
            left = true;
        }
    }
    if left && depth == 0 {
        return Ok(Some(()));
    }
    std::fs::remove_dir(dir).map(|()| left.then_some(()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    #[test]
    fn nothing_is_too_deep_too_closed_or_a_way_out() {
        let room = tempfile::tempdir().unwrap();
        let kept = room.path().join("kept");
        std::fs::create_dir(&kept).unwrap();
        std::fs::write(kept.join("file"), "mine").unwrap();
        let own = Own::of(room.path(), Path::new("/work"));
        own.prepare().unwrap();
        let mut deep = own.tmp();
        for _ in 0..200 {
            deep.push("d");
            std::fs::create_dir(&deep).unwrap();
        }
        std::os::unix::fs::symlink(&kept, own.home().join("link")).unwrap();
        std::fs::create_dir(own.home().join("closed")).unwrap();
        std::fs::write(own.home().join("closed/file"), "").unwrap();
        std::fs::set_permissions(own.home().join("closed"), std::fs::Permissions::from_mode(0o000)).unwrap();
        std::fs::write(own.cache("cargo").join("warm"), "").unwrap();
        own.clean();
        for dir in [own.tmp(), own.home(), own.shm()] {
            assert!(!dir.exists(), "{}", dir.display());
        }
        assert!(kept.join("file").exists() && own.cache("cargo").join("warm").exists());
        own.prepare().unwrap();
        assert_eq!(std::fs::read_dir(own.home()).unwrap().count(), 0);
        assert_eq!(std::fs::metadata(own.home()).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
