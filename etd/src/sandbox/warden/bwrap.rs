//! From a confinement to the options of bubblewrap. Pure, but for links at the top of the file system.

use std::path::{Path, PathBuf};

use super::Spec;
use crate::sandbox::places::SYSTEM;

/// One thing to be mounted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Mount {
    /// Memory.
    Memory,
    ReadOnly(PathBuf),
    ReadWrite(PathBuf),
    /// An empty dir in memory.
    Hidden,
}

/// The options, each ended by NUL as `--args` reads them. `rules` and `status` are descriptors.
pub(super) fn options(spec: &Spec, rules: i32, status: i32) -> Vec<u8> {
    let confinement = &spec.confinement;
    let mut words: Vec<String> =
        ["--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-uts", "--unshare-cgroup-try"]
            .iter()
            .chain(&["--die-with-parent", "--new-session", "--cap-drop", "ALL", "--hostname", "sandbox"])
            .map(|&word| word.to_owned())
            .collect();
    if !confinement.network {
        words.push("--unshare-net".to_owned());
    }
    let mut add = |list: &[&str]| words.extend(list.iter().map(|&word| word.to_owned()));
    add(&["--seccomp", &rules.to_string(), "--json-status-fd", &status.to_string()]);
    // Links at the top (/bin → usr/bin) stay links, since programs find their own place by them.
    for place in SYSTEM.iter().filter(|place| Path::new(place).components().count() == 2) {
        if let Ok(target) = std::fs::read_link(place) {
            add(&["--symlink", &target.to_string_lossy(), place]);
        }
    }
    add(&["--proc", "/proc", "--dev", "/dev"]);
    for (place, mount) in mounts(spec) {
        let at = place.to_string_lossy().into_owned();
        match mount {
            Mount::Memory | Mount::Hidden => add(&["--tmpfs", &at]),
            Mount::ReadOnly(from) => add(&["--ro-bind-try", &from.to_string_lossy(), &at]),
            Mount::ReadWrite(from) => add(&["--bind", &from.to_string_lossy(), &at]),
        }
    }
    // Only now, since places of our own may be in them.
    for place in &confinement.hidden {
        add(&["--remount-ro", &place.to_string_lossy()]);
    }
    // What bubblewrap itself made in memory to mount on is no place to write. Nor is `/proc`: without any capability, root still owns
    // /proc/sys/kernel/core_pattern, and with it the machine.
    add(&[
        "--remount-ro",
        "/proc",
        "--remount-ro",
        "/dev",
        "--remount-ro",
        "/",
        "--chdir",
        &spec.dir.to_string_lossy(),
    ]);
    let mut bytes = Vec::new();
    for word in words {
        bytes.extend_from_slice(word.as_bytes());
        bytes.push(0);
    }
    bytes
}

/// What is mounted where, outer places first, so that nothing covers what is in it.
fn mounts(spec: &Spec) -> Vec<(PathBuf, Mount)> {
    let confinement = &spec.confinement;
    let mut mounts = Vec::new();
    for place in &confinement.read_only {
        let top_link = place.components().count() == 2 && place.is_symlink();
        if place.starts_with("/dev") || top_link || !place.exists() {
            continue;
        }
        mounts.push((place.clone(), Mount::ReadOnly(place.clone())));
        // What a link leads to is where programs that resolve their own path look.
        if let Some(target) = place.canonicalize().ok().filter(|target| target != place && !place.starts_with("/etc")) {
            mounts.push((target.clone(), Mount::ReadOnly(target)));
        }
    }
    mounts.extend(confinement.read_write.iter().map(|place| (place.clone(), Mount::ReadWrite(place.clone()))));
    // A link can't be mounted on, and what it leads to isn't the tree's.
    let protected = confinement.protected.iter().filter(|place| !place.is_symlink());
    mounts.extend(protected.map(|place| (place.clone(), Mount::ReadOnly(place.clone()))));
    mounts.extend(confinement.hidden.iter().map(|place| (place.clone(), Mount::Hidden)));
    // A mount can't be renamed: whoever moved a dir above it could put another one, with a link in it, where the daemon writes.
    mounts.extend(confinement.above_hidden().into_iter().map(|place| (place.clone(), Mount::ReadWrite(place))));
    for (own, place) in [(&confinement.tmp, "/tmp"), (&confinement.shm, "/dev/shm")] {
        mounts.push((place.into(), own.clone().map_or(Mount::Memory, Mount::ReadWrite)));
    }
    mounts.sort_by_key(|(place, mount)| (place.components().count(), mount.clone()));
    mounts.dedup();
    mounts
}

/// The program's exit code in what `--json-status-fd` brought; none if it never ran.
pub(super) fn exit_code(status: &str) -> Option<i32> {
    let values = serde_json::Deserializer::from_str(status).into_iter::<serde_json::Value>().map_while(Result::ok);
    values.filter_map(|value| value["exit-code"].as_i64()).last().and_then(|code| i32::try_from(code).ok())
}
