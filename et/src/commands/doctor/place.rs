//! The dirs and the socket: whether they are there, ours, closed to others, and have room.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::sys::statvfs::statvfs;
use nix::unistd::{AccessFlags, access};
use proto::message::{Finding, Grade};

use super::{bad, finding};

/// Files of a state dir that are counted at most.
const MOST: usize = 200_000;
/// With less room than this nothing goes on for long.
const NO_ROOM: u64 = 200 << 20;
/// With less than this a build may fill it.
const LITTLE_ROOM: u64 = 2 << 30;
/// File systems on which a database and its locks aren't safe.
const NETWORK: &[&str] =
    &["nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "glusterfs", "beegfs"];
/// Those that are empty after a restart.
const PASSING: &[&str] = &["tmpfs", "ramfs"];

/// The state dir: whether it can be written, who may enter, on what file system, how large.
pub(super) fn state_dir(path: &Path) -> Vec<Finding> {
    let mut findings = vec![writable("state dir", path)];
    let Ok(metadata) = path.metadata() else { return findings };
    findings.extend(private("state dir", path, &metadata));
    let (bytes, cut) = size(path);
    let more = if cut { "more than " } else { "" };
    let kind = mount_type(path);
    let kind = kind.as_deref().unwrap_or("an unknown file system");
    let text = format!("{more}{}, on {kind}", amount(bytes));
    findings.push(if NETWORK.contains(&kind) || is_network_fuse(kind) {
        let advice =
            "set ET_STATE_DIR to a dir on a disk of this machine: a database on a network file system may be damaged";
        bad("state dir", Grade::Fail, text, advice)
    } else if PASSING.contains(&kind) {
        let advice = "set ET_STATE_DIR to a dir on a disk, if sessions are to survive a restart of the machine";
        bad("state dir", Grade::Warn, text, advice)
    } else {
        finding("state dir", "", Grade::Ok, text)
    });
    findings
}

fn is_network_fuse(kind: &str) -> bool {
    kind.strip_prefix("fuse.").is_some_and(|kind| ["sshfs", "s3fs", "rclone", "glusterfs", "gcsfuse"].contains(&kind))
}

/// The dir of the logs.
pub(super) fn log_dir(path: &Path) -> Vec<Finding> {
    vec![writable("log dir", path)]
}

/// Whether a dir can be written, or made where it isn't there.
fn writable(topic: &str, path: &Path) -> Finding {
    let advice = || {
        let variable = if topic == "log dir" { "ET_LOG_DIR" } else { "ET_STATE_DIR" };
        format!("make it a dir of yours that you can write, or set {variable} to one")
    };
    let shown = path.display();
    let may = AccessFlags::W_OK | AccessFlags::X_OK;
    match path.metadata() {
        Ok(metadata) if !metadata.is_dir() => bad(topic, Grade::Fail, format!("{shown} isn't a dir"), advice()),
        Ok(_) => match access(path, may) {
            Ok(()) => finding(topic, "", Grade::Ok, format!("{shown} can be written")),
            Err(error) => bad(topic, Grade::Fail, format!("{shown} can't be written: {}", error.desc()), advice()),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let above = path.ancestors().skip(1).find(|dir| dir.exists()).unwrap_or(Path::new("/"));
            match access(above, may) {
                Ok(()) if above.is_dir() => finding(topic, "", Grade::Ok, format!("{shown} will be made")),
                _ => bad(topic, Grade::Fail, format!("{shown} can't be made in {}", above.display()), advice()),
            }
        }
        Err(error) => bad(topic, Grade::Fail, format!("{shown}: {error}"), advice()),
    }
}

/// Whether others may enter a dir.
fn private(topic: &str, path: &Path, metadata: &Metadata) -> Option<Finding> {
    let shown = path.display();
    if metadata.uid() != nix::unistd::geteuid().as_raw() {
        let text = format!("{shown} belongs to another user ({})", metadata.uid());
        return Some(bad(topic, Grade::Fail, text, "use a dir of yours"));
    }
    let mode = metadata.mode() & 0o777;
    (mode & 0o077 != 0).then(|| {
        bad(
            topic,
            Grade::Warn,
            format!("{shown} has mode {mode:04o}, so others may look in"),
            format!("chmod 700 {shown}"),
        )
    })
}

/// The socket of the daemon that runs.
pub(super) fn socket(path: Option<&Path>) -> Finding {
    let Some(path) = path else { return finding("socket", "", Grade::Ok, "none: no daemon listens") };
    let shown = path.display();
    let again = "`et daemon restart` makes it anew; ET_SOCKET may name another place";
    let metadata = match path.symlink_metadata() {
        Ok(metadata) if metadata.file_type().is_socket() => metadata,
        Ok(_) => return bad("socket", Grade::Fail, format!("{shown} is no socket"), again),
        Err(error) => return bad("socket", Grade::Fail, format!("{shown}: {error}"), again),
    };
    if let Some(dir) = path.parent()
        && let Ok(about) = dir.symlink_metadata()
        && let Some(found) = private("socket", dir, &about)
    {
        // Only the daemon that runs has taken it, and none would take it anew.
        return Finding { grade: Grade::Fail, ..found };
    }
    let (mode, owner) = (metadata.mode() & 0o777, metadata.uid());
    let text = format!("{shown}, mode {mode:04o}, owner {owner}");
    if owner != nix::unistd::geteuid().as_raw() {
        return bad("socket", Grade::Fail, text, again);
    }
    if mode & 0o077 != 0 {
        return bad("socket", Grade::Warn, text, format!("chmod 600 {shown}"));
    }
    finding("socket", "", Grade::Ok, text)
}

/// Room on the file systems of these places, each once.
pub(super) fn disks(places: &[&Path]) -> Vec<Finding> {
    let mut seen = Vec::new();
    let mut findings = Vec::new();
    for place in places {
        let Some(dir) = place.ancestors().find(|dir| dir.exists()) else { continue };
        let Ok(device) = dir.metadata().map(|metadata| metadata.dev()) else { continue };
        if seen.contains(&device) {
            continue;
        }
        seen.push(device);
        findings.push(match statvfs(dir) {
            Ok(about) => {
                // The fields' types differ from system to system.
                #[allow(clippy::useless_conversion, clippy::unnecessary_cast, reason = "not everywhere")]
                let (blocks, block, files) =
                    (about.blocks_available() as u64, about.fragment_size() as u64, about.files_available() as u64);
                let no_files = files == 0 && about.files() > 0;
                room(dir, blocks.saturating_mul(block), no_files)
            }
            Err(error) => {
                bad("disk", Grade::Warn, format!("{}: {}", dir.display(), error.desc()), "see what it is mounted from")
            }
        });
    }
    findings
}

fn room(dir: &Path, free: u64, no_files: bool) -> Finding {
    let text = format!("{} free at {}", amount(free), dir.display());
    let advice = format!("make room on the disk of {}: what can't be stored isn't done", dir.display());
    match free {
        _ if no_files => bad("disk", Grade::Fail, format!("no more files fit at {}", dir.display()), advice),
        0..NO_ROOM => bad("disk", Grade::Fail, text, advice),
        NO_ROOM..LITTLE_ROOM => bad("disk", Grade::Warn, text, advice),
        _ => finding("disk", "", Grade::Ok, text),
    }
}

/// Bytes of the files below a dir, and whether there are more than are counted.
fn size(dir: &Path) -> (u64, bool) {
    let (mut bytes, mut count) = (0_u64, 0);
    let mut dirs: Vec<PathBuf> = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            count += 1;
            if count > MOST {
                return (bytes, true);
            }
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                dirs.push(entry.path());
            } else {
                bytes = bytes.saturating_add(metadata.blocks().saturating_mul(512));
            }
        }
    }
    (bytes, false)
}

/// The type of the file system that a path is on; none where the kernel doesn't tell.
fn mount_type(path: &Path) -> Option<String> {
    let real = path.canonicalize().ok()?;
    type_of(&std::fs::read_to_string("/proc/self/mountinfo").ok()?, &real)
}

/// Finds it in the text of `/proc/self/mountinfo`, see proc(5): of the mounts above the path the deepest, and of those the last.
fn type_of(mounts: &str, path: &Path) -> Option<String> {
    let read = |line: &str| {
        let (about, source) = line.split_once(" - ")?;
        let point = about.split(' ').nth(4)?;
        let point = point.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\");
        Some((point, source.split(' ').next()?.to_owned()))
    };
    let above = mounts.lines().filter_map(read).filter(|(point, _)| path.starts_with(point));
    above.max_by_key(|(point, _)| Path::new(point).components().count()).map(|(_, kind)| kind)
}

/// `512 KiB`, `3.4 GiB`.
fn amount(bytes: u64) -> String {
    let units = [("GiB", 1_u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match units.into_iter().find(|(_, unit)| bytes >= *unit) {
        Some((name, unit)) => format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_deepest_mount_says_the_type() {
        let mounts = "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
                      21 20 0:30 / /home rw,nosuid shared:1 - nfs4 server:/home rw\n\
                      22 21 0:31 / /home/a\\040b rw - xfs /dev/sdb rw\n\
                      23 20 0:32 / /home rw - tmpfs tmpfs rw\n\
                      cut\n";
        for (path, kind) in [("/var", "ext4"), ("/home/x", "tmpfs"), ("/home/a b/c", "xfs"), ("/homely", "ext4")] {
            assert_eq!(type_of(mounts, Path::new(path)).as_deref(), Some(kind), "{path}");
        }
        assert_eq!(type_of("", Path::new("/")), None);
        assert!(is_network_fuse("fuse.sshfs") && !is_network_fuse("fuse.overlayfs") && !is_network_fuse("fuseblk"));
    }

    #[test]
    fn room_is_graded() {
        for (free, no_files, grade) in [
            (0, false, Grade::Fail),
            (NO_ROOM - 1, false, Grade::Fail),
            (NO_ROOM, false, Grade::Warn),
            (LITTLE_ROOM, false, Grade::Ok),
            (u64::MAX, true, Grade::Fail),
        ] {
            assert_eq!(room(Path::new("/x"), free, no_files).grade, grade, "{free}");
        }
        assert_eq!([amount(0), amount(2048), amount(3_650_722_201)], ["0 bytes", "2.0 KiB", "3.3 GiB"]);
    }

    #[test]
    fn dirs_and_sockets_are_graded() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let mode = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        std::fs::write(at("file"), "").unwrap();
        assert_eq!(writable("state dir", dir.path()).grade, Grade::Ok);
        assert_eq!(writable("state dir", &at("new/one")).grade, Grade::Ok);
        assert_eq!(writable("state dir", &at("file")).grade, Grade::Fail);
        let below = writable("log dir", &at("file/below"));
        assert!(below.grade == Grade::Fail && below.advice.unwrap().contains("ET_LOG_DIR"));

        mode(dir.path(), 0o755);
        let open = private("state dir", dir.path(), &dir.path().metadata().unwrap()).unwrap();
        assert!(open.grade == Grade::Warn && open.advice.unwrap().starts_with("chmod 700 "));
        let listener = std::os::unix::net::UnixListener::bind(at("s")).unwrap();
        assert_eq!(socket(Some(&at("s"))).grade, Grade::Fail);
        mode(dir.path(), 0o700);
        mode(&at("s"), 0o666);
        assert_eq!(socket(Some(&at("s"))).grade, Grade::Warn);
        mode(&at("s"), 0o600);
        assert_eq!(socket(Some(&at("s"))).grade, Grade::Ok);
        assert_eq!(socket(Some(&at("file"))).grade, Grade::Fail);
        assert_eq!(socket(Some(&at("gone"))).grade, Grade::Fail);
        assert_eq!(socket(None).grade, Grade::Ok);
        drop(listener);
        assert!(size(dir.path()).0 == 0 && !size(dir.path()).1);
    }
}
