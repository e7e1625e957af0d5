//! Dirs in the state dir that belong to one work dir: a temporary one and a home, empty whenever a check begins, and build caches that
//! stay warm.
//!
//! What runs may write in these dirs, so their content is hostile: the daemon makes and removes them as a whole, follows no link in them
//! and reads nothing from them. Each is handed out by itself; the dir that holds them isn't, so none can be replaced.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::confine::environment::Profile;
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
/// What is about to be removed has a name that begins so.
const GONE: &str = "gone-";
/// Dirs in one another that are walked in place; what lies deeper is moved up first, so that no depth is too deep.
const DEPTH: usize = 32;

/// A dir that shows what another one has, and keeps for itself what is written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Overlay {
    /// Where it is seen. Without the kernel's help it is a dir like any other.
    pub at: PathBuf,
    /// What is shown and never changed.
    pub lower: PathBuf,
    /// What was written.
    pub upper: PathBuf,
    /// A dir for the kernel.
    pub work: PathBuf,
}

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
            let dir = self.top.join(name);
            if let Err(error) = remove(&dir) {
                // A check must not be able to make that nothing is checked any more.
                tracing::warn!("{} is set aside: {error}", dir.display());
                std::fs::rename(&dir, self.top.join(format!("{GONE}{}", uuid::Uuid::new_v4().simple())))?;
            }
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

    /// Removes what isn't a download from the home of cargo that a fetch uses: a check may write there, and settings that it left would say
    /// where a fetch connects to and what it runs. Blocks.
    ///
    /// # Errors
    /// If the disk doesn't let it.
    pub(crate) fn disarm(&self) -> io::Result<()> {
        let home = self.cache("cargo");
        for entry in std::fs::read_dir(&home)? {
            let entry = entry?;
            let download = ["registry", "git"].iter().any(|name| entry.file_name() == *name);
            if !(download && entry.file_type()?.is_dir()) {
                remove(&entry.path())?;
            }
        }
        Ok(())
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

    /// Empties the fleeting dirs. Blocks. What can't be removed now is when the next check begins, or set aside then.
    pub(crate) fn clean(&self) {
        let fleeting = FLEETING.iter().chain(&[STAGE]).map(|name| self.top.join(name));
        let entries = std::fs::read_dir(&self.top).into_iter().flatten().filter_map(Result::ok);
        let aside = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(GONE));
        for dir in fleeting.chain(aside.map(|entry| entry.path())) {
            if let Err(error) = remove(&dir) {
                tracing::warn!("{}: {error}", dir.display());
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

/// Where the private dirs of one work dir are, as retention sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cache {
    /// The dir that holds them.
    pub(crate) top: PathBuf,
    /// When something was last prepared or emptied there.
    pub(crate) used: SystemTime,
}

/// All of them, the least recently used first. What was about to be removed when a daemon died is removed now. Blocks.
pub(crate) fn caches(state_dir: &Path) -> Vec<Cache> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(state_dir.join(TOP)).into_iter().flatten().filter_map(Result::ok) {
        let top = entry.path();
        if entry.file_name().to_string_lossy().starts_with(GONE) {
            if let Err(error) = remove(&top) {
                tracing::warn!("{}: {error}", top.display());
            }
        } else if let Ok(meta) = top.symlink_metadata()
            && let Ok(used) = meta.modified()
        {
            found.push(Cache { top, used });
        }
    }
    found.sort_by(|one, other| (one.used, &one.top).cmp(&(other.used, &other.top)));
    found
}

impl Cache {
    /// Whether it is that of a work dir (canonical).
    #[must_use]
    pub(crate) fn is_of(&self, state_dir: &Path, work_dir: &Path) -> bool {
        self.top == Own::of(state_dir, work_dir).top
    }

    /// Bytes on disk, of files with several names once for each. Blocks, for as long as there are files to look at.
    #[must_use]
    pub(crate) fn bytes(&self) -> u64 {
        use std::os::unix::fs::MetadataExt as _;
        let mut bytes = 0;
        let mut dirs = vec![self.top.clone()];
        while let Some(dir) = dirs.pop() {
            // What can't be looked at isn't counted; it can be removed all the same.
            for entry in std::fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok) {
                let Ok(meta) = entry.metadata() else { continue };
                bytes += meta.blocks() * 512;
                if meta.is_dir() {
                    dirs.push(entry.path());
                }
            }
        }
        bytes
    }

    /// Takes it out of use at once: nothing that begins now finds it. [`Doomed::remove`] does the rest.
    ///
    /// # Errors
    /// If the disk doesn't let it, or what was taken away before can't be removed.
    pub(crate) fn doom(&self) -> io::Result<Doomed> {
        let name = self.top.file_name().unwrap_or_default().to_string_lossy();
        let gone = self.top.with_file_name(format!("{GONE}{name}"));
        std::fs::rename(&self.top, &gone)?;
        Ok(Doomed { top: gone })
    }
}

/// Dirs that nobody uses any more.
pub(crate) struct Doomed {
    top: PathBuf,
}

impl Doomed {
    /// Removes them. Blocks.
    ///
    /// # Errors
    /// If the disk doesn't let it; then it is tried again by the next [`caches`].
    pub(crate) fn remove(self) -> io::Result<()> {
        remove(&self.top)
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
            bring_up(top, &entry.path(), moved)?;
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

/// Moves a dir to the top, under a name that nothing there has.
fn bring_up(top: &Path, dir: &Path, moved: &mut u64) -> io::Result<()> {
    use io::ErrorKind::{AlreadyExists, DirectoryNotEmpty, NotADirectory};
    // A dir that can't be written to can't get another parent.
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700))?;
    loop {
        *moved += 1;
        match std::fs::rename(dir, top.join(format!("moved-{moved}"))) {
            Err(error) if matches!(error.kind(), AlreadyExists | DirectoryNotEmpty | NotADirectory) => {}
            other => return other,
        }
    }
}

/// Makes the dirs of a work dir, for tests of others.
#[cfg(test)]
pub(crate) fn make_caches(state_dir: &Path, work_dir: &Path) -> io::Result<()> {
    Own::of(state_dir, work_dir).prepare()
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

    /// Names that the removal itself would use, and dirs without permissions where they are moved; as a user whom permissions stop.
    #[test]
    fn no_check_makes_a_dir_that_stays() {
        let as_a_user = || {
            if nix::unistd::geteuid().is_root() {
                // For this thread alone.
                nix::unistd::setfsuid(nix::unistd::Uid::from_raw(65534));
            }
            let room = tempfile::tempdir_in("/tmp").unwrap();
            let own = Own::of(room.path(), Path::new("/work"));
            own.prepare().unwrap();
            let mut deep = own.tmp().join("moved-1");
            std::fs::create_dir(&deep).unwrap();
            std::fs::write(own.tmp().join("moved-2"), "").unwrap();
            for _ in 0..DEPTH {
                deep.push("d");
                std::fs::create_dir(&deep).unwrap();
            }
            std::fs::write(deep.join("file"), "").unwrap();
            std::fs::set_permissions(&deep, std::fs::Permissions::from_mode(0o555)).unwrap();
            own.clean();
            assert!(!own.tmp().exists());
            own.prepare().unwrap();
        };
        std::thread::spawn(as_a_user).join().unwrap();
    }

    #[test]
    fn settings_that_a_check_left_say_nothing_to_a_fetch() {
        let room = tempfile::tempdir().unwrap();
        let own = Own::of(room.path(), Path::new("/work"));
        own.prepare().unwrap();
        let cargo = own.cache("cargo");
        std::fs::create_dir_all(cargo.join("registry/cache")).unwrap();
        std::fs::create_dir_all(cargo.join("bin")).unwrap();
        for file in ["config.toml", "config", "credentials.toml", "bin/rustc", "registry/cache/a.crate"] {
            std::fs::write(cargo.join(file), "").unwrap();
        }
        std::os::unix::fs::symlink(room.path(), cargo.join("git")).unwrap();
        own.disarm().unwrap();
        let left: Vec<_> = std::fs::read_dir(&cargo).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["registry"]);
        assert!(cargo.join("registry/cache/a.crate").exists() && own.top.exists());
    }

    #[test]
    fn what_was_set_aside_goes_later() {
        let room = tempfile::tempdir().unwrap();
        let own = Own::of(room.path(), Path::new("/work"));
        own.prepare().unwrap();
        let aside = own.top.join("gone-1");
        std::fs::create_dir(&aside).unwrap();
        own.clean();
        assert!(!aside.exists());
    }

    #[test]
    fn caches_are_known_by_their_work_dir_and_last_use() {
        let room = tempfile::tempdir().unwrap();
        let [one, other] = ["/one", "/other"].map(Path::new);
        for (dir, age) in [(one, 10), (other, 20)] {
            let own = Own::of(room.path(), dir);
            own.prepare().unwrap();
            std::fs::write(own.cache("cargo").join("warm"), vec![7; 100_000]).unwrap();
            let used = SystemTime::now() - std::time::Duration::from_secs(age);
            std::fs::File::open(&own.top).unwrap().set_modified(used).unwrap();
        }
        let found = caches(room.path());
        assert_eq!(found.len(), 2);
        assert!(found[0].is_of(room.path(), other) && found[1].is_of(room.path(), one));
        assert!((100_000..400_000).contains(&found[0].bytes()), "{}", found[0].bytes());
        // The daemon dies before it has removed what it took away.
        drop(found[0].doom().unwrap());
        assert!(!found[0].top.exists());
        assert_eq!(caches(room.path()), found[1..]);
        assert_eq!(std::fs::read_dir(room.path().join(TOP)).unwrap().count(), 1);
        found[1].doom().unwrap().remove().unwrap();
        assert!(caches(room.path()).is_empty());
        assert_eq!(std::fs::read_dir(room.path().join(TOP)).unwrap().count(), 0);
    }
}
