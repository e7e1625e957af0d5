//! Where the user's toolchains and caches are. Reads dirs and links, and nothing in files.
//!
//! A dir on PATH is shown, and with it the toolchain that it belongs to: never a dir that holds the home, the state or the logs, and of
//! dirs that mix programs with keys (`~/.cargo`, `~/.local`) only the part with the programs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Places of the system that programs need to start at all. None of them holds anything of a user.
///
/// Of `/etc` only what name look-up, TLS, the loader and the toolchains of distributions read: the rest of it has keys and passwords
/// that root could read.
pub(super) const SYSTEM: &[&str] = &[
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/nix/store",
    "/gnu/store",
    "/sys/devices/system/cpu",
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/debian_version",
    "/etc/group",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/java",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/lsb-release",
    "/etc/maven",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/os-release",
    "/etc/passwd",
    "/etc/pki",
    "/etc/protocols",
    "/etc/python3",
    "/etc/resolv.conf",
    "/etc/services",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/terminfo",
    "/etc/timezone",
];
/// Entries of a dir on PATH that are looked at for links to elsewhere.
const MAX_ENTRIES: usize = 2_000;
/// Dirs that are never shown as a whole.
const SHALLOW: &[&str] = &[
    "/", "/home", "/root", "/tmp", "/var", "/var/tmp", "/etc", "/opt", "/srv", "/run", "/mnt", "/media", "/dev",
    "/proc", "/sys",
];
/// Below the home: never shown, whatever points there.
const PRIVATE: &[&str] = &[
    ".ssh",
    ".gnupg",
    ".aws",
    ".azure",
    ".config",
    ".docker",
    ".kube",
    ".netrc",
    ".npmrc",
    ".pypirc",
    ".git-credentials",
    ".mozilla",
    ".password-store",
    ".local/state",
    ".local/share/keyrings",
    "Documents",
    "Desktop",
    "Downloads",
];

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Places {
    /// PATH without entries that are relative, in the tree, or not to be shown.
    pub(super) path: String,
    /// Toolchains and caches, to be read.
    pub(super) read_only: BTreeSet<PathBuf>,
    /// The home of rustup, if it is in use.
    pub(super) rustup: Option<PathBuf>,
    /// The home of cargo, if it has a registry.
    pub(super) cargo: Option<PathBuf>,
    /// Go's module cache.
    pub(super) go_mod: Option<PathBuf>,
    /// Go's build cache.
    pub(super) go_build: Option<PathBuf>,
    /// Maven's local repository.
    pub(super) maven: Option<PathBuf>,
    /// Gradle's caches.
    pub(super) gradle: Option<PathBuf>,
    /// The home of pyenv, if it is in use.
    pub(super) pyenv: Option<PathBuf>,
    /// Where `pip install --user` puts packages.
    pub(super) python_user: Option<PathBuf>,
}

/// What must not become visible.
struct Closed {
    /// No dir that is one of these or holds one is shown as a whole.
    above: Vec<PathBuf>,
    /// Nothing at or below these.
    below: Vec<PathBuf>,
}

impl Closed {
    fn may_show(&self, place: &Path) -> bool {
        place.is_absolute()
            && !SHALLOW.iter().any(|shallow| place == Path::new(shallow))
            && !self.above.iter().any(|inner| inner.starts_with(place))
            && !self.below.iter().any(|outer| place.starts_with(outer))
    }
}

/// Looks for toolchains. `home` is the caller's; `work_dir` and `secret` are canonical; `named` are files
/// that a person's command names, which it may read. Blocks for some milliseconds.
#[must_use]
pub(super) fn places(
    env: &BTreeMap<String, String>,
    home: Option<&Path>,
    work_dir: Option<&Path>,
    secret: &[PathBuf],
    named: &[PathBuf],
) -> Places {
    let var =
        |name: &str| env.get(name).filter(|value| !value.is_empty()).map(PathBuf::from).filter(|p| p.is_absolute());
    let in_home = |name: &str| home.map(|home| real(&home.join(name)));
    let cargo_home = var("CARGO_HOME").or_else(|| in_home(".cargo"));
    let go_path = var("GOPATH").or_else(|| in_home("go"));
    let mut above: Vec<PathBuf> = secret.to_vec();
    above.extend(home.map(real));
    above.extend(work_dir.map(Path::to_path_buf));
    // Programs and keys, or programs and all the sources that were ever downloaded, in one dir.
    above.extend(cargo_home.as_deref().map(real));
    above.extend(go_path.as_deref().map(real));
    above.extend(in_home(".local"));
    let mut below: Vec<PathBuf> = secret.to_vec();
    below.extend(work_dir.map(Path::to_path_buf));
    below.extend(home.into_iter().flat_map(|home| PRIVATE.iter().map(|name| real(home).join(name))));
    let closed = Closed { above, below };
    let mut found = Places::default();
    let mut path = Vec::new();
    for entry in env.get("PATH").map(String::as_str).unwrap_or_default().split(':') {
        let dir = Path::new(entry);
        let Ok(canonical) = dir.canonicalize() else { continue };
        if !dir.is_absolute() || work_dir.is_some_and(|work_dir| dir.starts_with(work_dir)) || path.contains(&entry) {
            continue;
        }
        if is_system(&canonical) {
            path.push(entry);
        } else if closed.may_show(&canonical) {
            path.push(entry);
            found.read_only.insert(dir.to_path_buf());
            found.read_only.insert(toolchain(&canonical, &closed));
            found.read_only.extend(linked(&canonical, &closed));
        }
    }
    found.path = path.join(":");
    let named = named.iter().filter_map(|path| path.canonicalize().ok()).filter(|path| path.is_file());
    found.read_only.extend(named.filter(|path| closed.may_show(path)));
    let uses = |program: &str| path.iter().any(|dir| Path::new(dir).join(program).exists());
    let mut show = |place: Option<PathBuf>| {
        let place = place.filter(|place| place.is_dir() && closed.may_show(&real(place)))?;
        found.read_only.extend([place.clone(), real(&place)]);
        Some(place)
    };
    for name in ["GOROOT", "JAVA_HOME", "NVM_DIR"] {
        show(var(name));
    }
    // Debian keeps the settings of each JDK there, and without them none starts.
    let settings = std::fs::read_dir("/etc").into_iter().flatten().flatten();
    for dir in settings.filter(|entry| entry.file_name().to_string_lossy().starts_with("java-")) {
        show(Some(dir.path()).filter(|_| uses("java")));
    }
    let python = show(var("VIRTUAL_ENV"));
    show(
        python.and_then(|venv| venv.join("bin/python3").canonicalize().ok()?.parent()?.parent().map(Path::to_path_buf)),
    );
    let packages = env.get("PKG_CONFIG_PATH").map(String::as_str).unwrap_or_default();
    for dir in packages.split(':').map(PathBuf::from) {
        show(Some(dir));
    }
    for compiler in ["CC", "CXX"].iter().filter_map(|name| var(name)) {
        show(compiler.parent().map(Path::to_path_buf));
    }
    let rustup = uses("rustup").then(|| var("RUSTUP_HOME").or_else(|| in_home(".rustup"))).flatten();
    let (rustup, pyenv) =
        (show(rustup), show(uses("pyenv").then(|| var("PYENV_ROOT").or_else(|| in_home(".pyenv"))).flatten()));
    let cargo = cargo_home.filter(|cargo| show(Some(cargo.join("registry"))).is_some());
    if let Some(cargo) = &cargo {
        show(Some(cargo.join("git")));
    }
    let go_mod =
        show(var("GOMODCACHE").or_else(|| Some(go_path?.join("pkg/mod"))).map(|cache| cache.join("cache/download")));
    let go_build = show(var("GOCACHE").or_else(|| in_home(".cache/go-build")));
    let (maven, gradle) = (show(in_home(".m2/repository")), show(in_home(".gradle/caches")));
    let python_user = show(in_home(".local/lib")).and_then(|lib| Some(lib.parent()?.to_path_buf()));
    Places { rustup, cargo, go_mod, go_build, maven, gradle, pyenv, python_user, ..found }
}

fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
}

/// Whether it is visible anyway.
fn is_system(dir: &Path) -> bool {
    SYSTEM.iter().any(|place| dir.starts_with(place))
}

/// The toolchain that a dir with programs belongs to, or only the dir.
fn toolchain(dir: &Path, closed: &Closed) -> PathBuf {
    let name = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let whole = ["bin", "sbin", "shims", ".bin"].contains(&name.as_str());
    let above = dir.parent().filter(|above| whole && closed.may_show(above));
    above.unwrap_or(dir).to_path_buf()
}

/// The toolchains of programs that stand in a dir only as links.
fn linked(dir: &Path, closed: &Closed) -> BTreeSet<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok).take(MAX_ENTRIES);
    let links = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_symlink()));
    let targets = links.filter_map(|entry| entry.path().canonicalize().ok());
    let elsewhere = targets.filter(|target| !target.starts_with(dir) && !is_system(target));
    let dirs = elsewhere.filter_map(|target| Some(toolchain(target.parent()?, closed)));
    dirs.filter(|dir| closed.may_show(dir)).collect()
}
