//! Where the user's toolchains and caches are. Reads dirs and links, and nothing in files.
//!
//! A dir on PATH is shown, and with it the toolchain that it belongs to: never a dir that holds the home, the state or the logs, and in a
//! home only what toolchains keep beside their programs, since keys and whole projects stand beside a `bin` as well.

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

/// Names of dirs with programs that belong to what stands beside them.
const PROGRAMS: &[&str] = &["bin", "sbin", "shims", ".bin"];
/// What stands beside programs of any kind and belongs to them.
const BESIDE: &[&str] = &["lib", "lib32", "lib64", "libexec", "share", "include", "pyvenv.cfg", "init.d"];
/// What stands beside programs of one kind, by a sign of it.
const KINDS: &[(&str, &[&str])] = &[
    // Go.
    ("src/runtime", &["api", "go.env", "misc", "pkg", "src", "test", "VERSION"]),
    // A JDK, since 9 and before.
    ("lib/modules", &["conf", "jmods", "legal", "release"]),
    ("jre/lib", &["jre", "release"]),
    // Maven, without its settings.
    ("boot", &["boot", "conf/logging"]),
    // Volta.
    ("tools/image", &["tools"]),
    // Conda.
    ("conda-meta", &["compiler_compat", "conda-meta", "ssl"]),
];
/// What stands beside `shims`.
const SHIMMED: &[&str] = &["bin", "installs", "plugins", "version", "versions"];
/// Where homes are, whoever's.
const HOMES: &[&str] = &["/home", "/root"];

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
    /// The caller's home.
    home: Option<PathBuf>,
}

impl Closed {
    fn may_show(&self, place: &Path) -> bool {
        place.is_absolute()
            && !SHALLOW.iter().any(|shallow| place == Path::new(shallow))
            && !self.above.iter().any(|inner| inner.starts_with(place))
            && !self.below.iter().any(|outer| place.starts_with(outer))
    }

    /// Whether it lies in a home, where a dir may hold anything.
    fn in_a_home(&self, place: &Path) -> bool {
        let others = HOMES.iter().any(|homes| place.starts_with(homes));
        others || self.home.as_ref().is_some_and(|home| place.starts_with(home))
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
    let closed = Closed { above, below, home: home.map(real) };
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
            // A profile of Nix: a link in the home.
            if !is_system(dir) && !secret.iter().any(|secret| dir.starts_with(secret)) {
                found.read_only.insert(dir.to_path_buf());
            }
            // What an administrator has put to the system's programs often stands elsewhere.
            if canonical.starts_with("/usr/local") {
                found.read_only.extend(linked(&canonical, &closed));
            }
        } else if closed.may_show(&canonical) {
            path.push(entry);
            found.read_only.insert(dir.to_path_buf());
            found.read_only.extend(toolchain(&canonical, &closed));
            // Programs look beside the path that they were called by.
            if dir.parent().map(real).as_deref() == canonical.parent() {
                found.read_only.extend(toolchain(dir, &closed));
            }
            found.read_only.extend(linked(&canonical, &closed));
        }
    }
    found.path = path.join(":");
    let named = named.iter().filter_map(|path| path.canonicalize().ok()).filter(|path| path.is_file());
    found.read_only.extend(named.filter(|path| closed.may_show(path)));
    let uses = |program: &str| path.iter().any(|dir| Path::new(dir).join(program).exists());
    let base = var("VIRTUAL_ENV").and_then(|venv| venv.join("bin/python3").canonicalize().ok());
    let compilers = ["CC", "CXX"].iter().filter_map(|name| var(name)?.canonicalize().ok());
    for program in base.into_iter().chain(compilers).filter(|program| !is_system(program)) {
        found.read_only.extend(program_with_its_own(&program, &closed));
    }
    let mut show = |place: Option<PathBuf>| {
        let place = place.filter(|place| place.is_dir() && closed.may_show(&real(place)))?;
        found.read_only.extend([place.clone(), real(&place)]);
        Some(place)
    };
    for name in ["GOROOT", "JAVA_HOME", "NVM_DIR", "VIRTUAL_ENV"] {
        show(var(name));
    }
    // Debian keeps the settings of each JDK there, and without them none starts.
    let settings = std::fs::read_dir("/etc").into_iter().flatten().flatten();
    for dir in settings.filter(|entry| entry.file_name().to_string_lossy().starts_with("java-")) {
        show(Some(dir.path()).filter(|_| uses("java")));
    }
    let packages = env.get("PKG_CONFIG_PATH").map(String::as_str).unwrap_or_default();
    for dir in packages.split(':').map(PathBuf::from) {
        show(Some(dir));
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
fn toolchain(dir: &Path, closed: &Closed) -> BTreeSet<PathBuf> {
    let name = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let alone = BTreeSet::from([dir.to_path_buf()]);
    let may_show = |place: &Path| closed.may_show(place) && closed.may_show(&real(place));
    let Some(above) = dir.parent().filter(|above| PROGRAMS.contains(&name.as_str()) && may_show(above)) else {
        return alone;
    };
    let packages = name == ".bin" && above.ends_with("node_modules");
    if packages || !(closed.in_a_home(above) || closed.in_a_home(&real(above))) {
        return BTreeSet::from([above.to_path_buf()]);
    }
    let kinds = KINDS.iter().filter(|(sign, _)| above.join(sign).exists()).flat_map(|(_, names)| *names);
    let shimmed = SHIMMED.iter().filter(|_| name == "shims");
    let beside = BESIDE.iter().chain(kinds).chain(shimmed).map(|name| above.join(name));
    beside.filter(|place| place.exists() && may_show(place)).chain(alone).collect()
}

/// A program (canonical), with the toolchain or the packages that it belongs to.
fn program_with_its_own(program: &Path, closed: &Closed) -> BTreeSet<PathBuf> {
    let packages = program.ancestors().filter(|above| above.ends_with("node_modules")).last();
    let mut found: BTreeSet<PathBuf> = match (packages, program.parent()) {
        (Some(packages), _) => BTreeSet::from([packages.to_path_buf()]),
        (None, Some(dir)) if PROGRAMS.iter().any(|name| dir.ends_with(name)) => toolchain(dir, closed),
        // What doesn't come from packages of the system, but is put where they may be.
        (None, Some(dir)) if dir.starts_with("/opt") => BTreeSet::from([dir.to_path_buf()]),
        _ => BTreeSet::from([program.to_path_buf()]),
    };
    found.retain(|place| closed.may_show(place));
    found
}

/// The programs that stand in a dir only as links.
fn linked(dir: &Path, closed: &Closed) -> BTreeSet<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok).take(MAX_ENTRIES);
    let links = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_symlink()));
    let targets = links.filter_map(|entry| entry.path().canonicalize().ok());
    let elsewhere = targets.filter(|target| !target.starts_with(dir) && !is_system(target) && target.is_file());
    elsewhere.flat_map(|target| program_with_its_own(&target, closed)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    struct Machine {
        room: tempfile::TempDir,
        home: PathBuf,
    }

    impl Machine {
        /// A home with these files.
        fn new(files: &[&str]) -> Self {
            let room = tempfile::tempdir().unwrap();
            let home = room.path().canonicalize().unwrap().join("home");
            let machine = Self { room, home };
            for file in files {
                let at = machine.home.join(file);
                std::fs::create_dir_all(at.parent().unwrap()).unwrap();
                std::fs::write(at, "").unwrap();
            }
            machine
        }

        fn link(&self, at: &str, target: &str) {
            let at = self.home.join(at);
            std::fs::create_dir_all(at.parent().unwrap()).unwrap();
            std::os::unix::fs::symlink(self.home.join(target), at).unwrap();
        }

        /// With these on PATH, relative to the home.
        fn places(&self, path: &[&str]) -> Places {
            let path: Vec<String> = path.iter().map(|dir| self.home.join(dir).display().to_string()).collect();
            let env = [("PATH".to_owned(), path.join(":"))].into();
            places(&env, Some(&self.home), None, &[self.room.path().join("state")], &[])
        }

        #[track_caller]
        fn assert_shows(&self, places: &Places, shown: &[&str], closed: &[&str]) {
            let visible = |file: &&str| places.read_only.iter().any(|place| self.home.join(file).starts_with(place));
            for file in shown {
                assert!(self.home.join(file).exists() && visible(file), "{file}: {:?}", places.read_only);
            }
            for file in closed {
                assert!(self.home.join(file).exists() && !visible(file), "{file}: {:?}", places.read_only);
            }
        }
    }

    #[test]
    fn beside_a_bin_in_the_home_only_what_belongs_to_programs_is_shown() {
        let closed = [".pulumi/credentials.json", "dotfiles/secrets.env", "dotfiles/conf/key", "dotfiles/src/a.c"];
        let shown = [".pulumi/bin/pulumi", "dotfiles/bin/x", "dotfiles/lib/x.sh"];
        let machine = Machine::new(&[closed.as_slice(), &shown].concat());
        machine.assert_shows(&machine.places(&[".pulumi/bin", "dotfiles/bin"]), &shown, &closed);
    }

    #[test]
    fn toolchains_in_the_home_are_shown_as_far_as_they_need() {
        let table: &[(&str, &[&str])] = &[
            ("sdk/go1/bin", &["bin/go", "pkg/tool/t", "src/runtime/r.go", "lib/time/z", "go.env", "VERSION"]),
            (".nvm/versions/node/v2/bin", &["bin/node", "lib/node_modules/npm/bin/npm-cli.js", "include/node.h"]),
            (".sdkman/java/21/bin", &["bin/java", "lib/modules", "conf/security/p", "jmods/j", "legal/l", "release"]),
            ("jdk8/bin", &["bin/java", "jre/lib/rt.jar", "lib/tools.jar", "release"]),
            ("maven/bin", &["bin/mvn", "boot/b.jar", "lib/m.jar", "conf/logging/l"]),
            (".rustup/toolchains/stable/bin", &["bin/cargo", "lib/rustlib/r", "libexec/p", "share/doc"]),
            ("venv/bin", &["bin/python3", "lib/python3/site.py", "pyvenv.cfg"]),
            (".pyenv/shims", &["shims/python3", "libexec/pyenv", "versions/3/bin/python3", "version"]),
            ("web/node_modules/.bin", &[".bin/tsc", "typescript/lib/tsc.js", "other/index.js"]),
        ];
        for (bin, files) in table {
            let above = bin.rsplit_once('/').unwrap().0;
            let files: Vec<String> = files.iter().map(|file| format!("{above}/{file}")).collect();
            let files: Vec<&str> = files.iter().map(String::as_str).collect();
            let mut keys =
                vec![format!("{}key", above.rsplit_once('/').map_or(String::new(), |(up, _)| format!("{up}/")))];
            // Packages are shown as a whole.
            keys.extend((!above.ends_with("node_modules")).then(|| format!("{above}/key")));
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            let machine = Machine::new(&[files.as_slice(), &keys].concat());
            machine.assert_shows(&machine.places(&[bin]), &files, &keys);
        }
        let maven = Machine::new(&["maven/bin/mvn", "maven/boot/b.jar", "maven/conf/settings.xml"]);
        maven.assert_shows(&maven.places(&["maven/bin"]), &[], &["maven/conf/settings.xml"]);
    }

    /// As with `current` of SDKMAN: programs look beside the path by which they were called.
    #[test]
    fn a_toolchain_behind_a_link_is_shown_at_both_places() {
        let machine = Machine::new(&["java/21/bin/java", "java/21/lib/modules", "java/21/conf/c"]);
        machine.link("java/current", "java/21");
        let places = machine.places(&["java/current/bin"]);
        machine.assert_shows(&places, &["java/21/lib/modules", "java/current/lib/modules", "java/current/conf/c"], &[]);
    }

    #[test]
    fn of_what_a_link_leads_to_only_the_program_is_shown() {
        let machine = Machine::new(&[
            "work/other/x.sh",
            "work/other/secret",
            "tools/bin/y",
            "tools/lib/y.so",
            "tools/secret",
            "npm/node_modules/p/cli.js",
            "npm/node_modules/q/index.js",
            "npm/.npmrc",
            "bin/z",
        ]);
        for (link, target) in
            [("bin/x", "work/other/x.sh"), ("bin/y", "tools/bin/y"), ("bin/p", "npm/node_modules/p/cli.js")]
        {
            machine.link(link, target);
        }
        let places = machine.places(&["bin"]);
        let shown = ["work/other/x.sh", "tools/bin/y", "tools/lib/y.so", "npm/node_modules/q/index.js", "bin/z"];
        machine.assert_shows(&places, &shown, &["work/other/secret", "tools/secret", "npm/.npmrc"]);
    }

    /// As a profile of Nix is one: the entry itself must be there, or nothing on it is found.
    #[test]
    fn an_entry_that_leads_to_the_system_is_shown() {
        let machine = Machine::new(&["file"]);
        std::os::unix::fs::symlink("/usr", machine.home.join(".nix-profile")).unwrap();
        let places = machine.places(&[".nix-profile/bin"]);
        assert!(places.read_only.contains(&machine.home.join(".nix-profile/bin")), "{places:?}");
        assert!(places.path.ends_with(".nix-profile/bin"));
    }
}
