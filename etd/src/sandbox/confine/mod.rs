//! What a child may see and do, as a value. Pure: the places come from [`super::places`], the dirs from [`super::dirs`].
//!
//! A [`Confinement`] names what is visible; everything else isn't there ([`SandboxLevel::Full`]) or can't be opened
//! ([`SandboxLevel::Partial`]). It is an allow-list at both levels: a place that nobody thought of is closed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proto::report::SandboxLevel;
use serde::{Deserialize, Serialize};

pub(super) mod environment;
#[cfg(test)]
mod tests;

pub use environment::Profile;

use super::dirs::{Overlay, Own};
use super::places::{Places, SYSTEM};

/// Devices that are no way out.
pub(super) const DEVICES: &[&str] = &["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];

/// What a tree may take of the machine. Who goes beyond is ended, with a word on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Processes at once.
    pub processes: u32,
    /// Bytes of memory of all of them.
    pub memory: u64,
}

impl Default for Limits {
    /// Enough for a large build with a worker per core, and far below what stops a machine.
    fn default() -> Self {
        Self { processes: 1024, memory: u64::MAX }
    }
}

/// What a child may see and do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// How it is enforced. `None`: not at all, and only `env` counts.
    pub level: SandboxLevel,
    /// Files and dirs that may be read and executed. Those that aren't there are passed over.
    pub read_only: BTreeSet<PathBuf>,
    /// Dirs that may be changed.
    pub read_write: BTreeSet<PathBuf>,
    /// Places in a dir that may be changed which may only be read. At `partial` that can't be enforced.
    pub protected: BTreeSet<PathBuf>,
    /// Caches of the user's below private ones; at `full` only, and only where the kernel lets a user do it. They make it fast, and
    /// nothing else depends on them.
    pub overlays: BTreeSet<Overlay>,
    /// Dirs in a visible one that are shown empty. `partial` isn't to be had with them.
    pub hidden: BTreeSet<PathBuf>,
    /// A dir of its own that stands for `/tmp`; none: one in memory, or at `partial` none.
    pub tmp: Option<PathBuf>,
    /// A dir of its own that stands for `/dev/shm`.
    pub shm: Option<PathBuf>,
    /// The environment.
    pub env: BTreeMap<String, String>,
    /// Whether it may reach the network.
    pub network: bool,
    /// How much it may take.
    pub limits: Limits,
}

impl Confinement {
    /// None at all: the child has the rights of the daemon, and this environment.
    #[must_use]
    pub fn none(env: BTreeMap<String, String>) -> Self {
        Self {
            level: SandboxLevel::None,
            read_only: BTreeSet::new(),
            read_write: BTreeSet::new(),
            protected: BTreeSet::new(),
            overlays: BTreeSet::new(),
            hidden: BTreeSet::new(),
            tmp: None,
            shm: None,
            env,
            network: true,
            limits: Limits::default(),
        }
    }

    /// Whether a path may be read.
    #[must_use]
    pub fn shows(&self, path: &Path) -> bool {
        let all = self.read_only.iter().chain(&self.read_write);
        all.into_iter().any(|place| path.starts_with(place)) && !self.hidden.iter().any(|place| path.starts_with(place))
    }

    /// Dirs that can be changed, between a place that can be changed and one in it that is hidden.
    #[must_use]
    pub(super) fn above_hidden(&self) -> BTreeSet<PathBuf> {
        let mut between = BTreeSet::new();
        for hidden in &self.hidden {
            let Some(outer) = self.read_write.iter().filter(|outer| hidden.starts_with(outer)).max() else { continue };
            let above = hidden.ancestors().skip(1).take_while(|above| *above != outer);
            let protected = |above: &&Path| self.protected.iter().any(|place| above.starts_with(place));
            between.extend(above.filter(|above| !protected(above)).map(Path::to_path_buf));
        }
        between
    }
}

/// Names in a work dir that nothing which runs there may change, and that aren't there for it to make.
pub(super) const GUARDED: &[&str] = &[".git", "electrictown.yaml"];

/// Whether a name at the top of a work dir is protected: what makes `git` run things, what `et` believes, and its own files but for
/// the dir where builds go.
pub(super) fn is_protected(name: &str) -> bool {
    let folded = crate::relpath::fold_case(name);
    GUARDED.contains(&folded.as_str()) || (folded.starts_with(".et") && !folded.starts_with(".et-build"))
}

/// What a confinement is made from. Every path is absolute and canonical.
#[derive(Clone, Debug)]
pub(super) struct Parts {
    /// How it is enforced.
    pub(super) level: SandboxLevel,
    /// What for.
    pub(super) profile: Profile,
    /// The work dir; none: it isn't shown.
    pub(super) work_dir: Option<PathBuf>,
    /// Names at the top of the work dir.
    pub(super) names: Vec<String>,
    /// Dirs of its own; none: a child without any.
    pub(super) own: Option<Own>,
    /// Toolchains and caches of the user.
    pub(super) places: Places,
    /// The toolchain that rustup is to take, whatever the tree says.
    pub(super) toolchain: Option<String>,
    /// The caller's variables, allow-listed.
    pub(super) env: BTreeMap<String, String>,
    /// Dirs that must not be seen: state, logs, socket.
    pub(super) secret: Vec<PathBuf>,
    /// How much it may take.
    pub(super) limits: Limits,
}

/// Puts a confinement together. None: what must stay hidden lies in what must be visible, and the level can't hide it.
#[must_use]
pub(super) fn confinement(parts: &Parts) -> Option<Confinement> {
    let network = parts.profile == Profile::Fetch;
    let mut read_only: BTreeSet<PathBuf> = SYSTEM.iter().map(PathBuf::from).collect();
    read_only.extend(parts.places.read_only.iter().cloned());
    let mut read_write: BTreeSet<PathBuf> = parts.work_dir.iter().cloned().collect();
    let mut protected = BTreeSet::new();
    if let Some(work_dir) = &parts.work_dir {
        // What lies in the tree is part of the tree.
        read_only.retain(|place| !place.starts_with(work_dir));
        protected.extend(parts.names.iter().filter(|name| is_protected(name)).map(|name| work_dir.join(name)));
    }
    for name in ["SSL_CERT_FILE", "SSL_CERT_DIR"] {
        read_only.extend(parts.env.get(name).filter(|_| network).map(PathBuf::from).filter(|path| path.is_absolute()));
    }
    if let Some(own) = &parts.own {
        read_only.insert(own.cargo_user());
        read_write.extend(own.writable(parts.profile));
    }
    // Go has no cache below a cache, and compiles its library anew for an empty one.
    let overlays = parts.own.as_ref().and_then(|own| Some(own.overlay(parts.places.go_build.as_deref()?)));
    let mut made = Confinement {
        level: parts.level,
        read_only,
        read_write,
        protected,
        overlays: overlays.into_iter().filter(|_| parts.level == SandboxLevel::Full).collect(),
        hidden: BTreeSet::new(),
        tmp: parts.own.as_ref().map(|own| own.tmp()),
        shm: parts.own.as_ref().map(|own| own.shm()),
        env: environment::environment(parts),
        network,
        limits: parts.limits,
    };
    made.hidden = parts.secret.iter().filter(|place| made.shows(place)).cloned().collect();
    (made.hidden.is_empty() || made.level == SandboxLevel::Full).then_some(made)
}
