//! Whether a dir is on a file system of the network.
//!
//! The database's log is shared between connections through memory that is mapped from a file, and its locks must hold. Neither is so
//! where another machine has a say: SQLite's own documentation rules it out, and what goes wrong there is lost data, not an error.

use std::path::Path;

/// The magic number of FUSE, whose file systems may be anything.
const FUSE: i64 = 0x6573_5546;

/// File systems of the network by their magic number in `statfs`, see `statfs(2)`.
const NETWORK: &[(i64, &str)] = &[
    (0x6969, "nfs"),
    (0x517b, "smb"),
    (0xff53_4d42, "cifs"),
    (0xfe53_4d42, "smb3"),
    (0x564c, "ncp"),
    (0x5346_414f, "afs"),
    (0x6b41_4653, "afs"),
    (0x7375_7245, "coda"),
    (0x00c3_6400, "ceph"),
    (0x0bd0_0bd0, "lustre"),
    (0x4750_4653, "gpfs"),
    (0x1983_0326, "beegfs"),
    (0x0116_1970, "gfs2"),
    (0x7461_636f, "ocfs2"),
];

/// FUSE file systems that are local for sure, or pass a local one on.
const LOCAL_FUSE: &[&str] =
    &["fuseblk", "fuse.fuse-overlayfs", "fuse.bindfs", "fuse.lxcfs", "fuse.gocryptfs", "fuse.encfs"];
/// And those that aren't.
const NETWORK_FUSE: &[&str] = &[
    "sshfs",
    "rclone",
    "s3fs",
    "gcsfuse",
    "goofys",
    "mount-s3",
    "blobfuse",
    "blobfuse2",
    "davfs",
    "davfs2",
    "curlftpfs",
    "smbnetfs",
    "glusterfs",
    "ceph-fuse",
    "ceph",
    "juicefs",
    "seaweedfs",
    "moosefs",
    "mfs",
    "lizardfs",
    "gvfsd-fuse",
    "google-drive-ocamlfuse",
    "onedriver",
    "hdfs",
    "nfs",
    "cifs",
    "beegfs",
    "cvmfs2",
    "9pfs",
];

/// What kind of file system of the network a dir is on; none if it is a local one, or nobody can tell.
#[must_use]
pub fn network(dir: &Path) -> Option<String> {
    #[cfg(target_os = "linux")]
    {
        let magic = nix::sys::statfs::statfs(dir).ok()?.filesystem_type().0;
        // A 32-bit machine says it with a sign.
        #[allow(clippy::unnecessary_cast, reason = "its type is another one on other machines")]
        let magic = magic as i64 & 0xffff_ffff;
        let mounts = if magic == FUSE { std::fs::read_to_string("/proc/self/mountinfo").ok() } else { None };
        let device = std::fs::metadata(dir).map(|meta| std::os::unix::fs::MetadataExt::dev(&meta)).unwrap_or(0);
        let device = format!("{}:{}", nix::sys::stat::major(device), nix::sys::stat::minor(device));
        kind(magic, mounts.as_deref().and_then(|mounts| mounted(mounts, &device)))
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = dir;
        None
    }
}

/// What kind of file system of the network this is, by its magic number and, for FUSE, by its name in the table of mounts.
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
fn kind(magic: i64, mounted: Option<&str>) -> Option<String> {
    if magic == FUSE {
        let name = mounted?;
        let short = name.strip_prefix("fuse.").unwrap_or(name);
        let is_network = !LOCAL_FUSE.contains(&name) && NETWORK_FUSE.contains(&short);
        return is_network.then(|| name.to_owned());
    }
    NETWORK.iter().find(|(known, _)| *known == magic).map(|(_, name)| (*name).to_owned())
}

/// The type of what is mounted with this device number, from the text of `/proc/self/mountinfo`, see `proc_pid_mountinfo(5)`.
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
fn mounted<'a>(mounts: &'a str, device: &str) -> Option<&'a str> {
    // The number of optional fields varies; a hyphen ends them.
    let (_, behind) = mounts.lines().find(|line| line.split(' ').nth(2) == Some(device))?.split_once(" - ")?;
    behind.split(' ').next()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]
    use super::*;

    #[test]
    fn file_systems_of_the_network_are_known() {
        let table = [
            (0x6969, None, Some("nfs")),
            (0xff53_4d42, None, Some("cifs")),
            (0xfe53_4d42, None, Some("smb3")),
            (0x00c3_6400, None, Some("ceph")),
            (FUSE, Some("fuse.sshfs"), Some("fuse.sshfs")),
            (FUSE, Some("fuse.rclone"), Some("fuse.rclone")),
            (FUSE, Some("fuse.glusterfs"), Some("fuse.glusterfs")),
            // Local disks behind FUSE, and what nobody knows: it is their user's choice.
            (FUSE, Some("fuseblk"), None),
            (FUSE, Some("fuse.fuse-overlayfs"), None),
            (FUSE, Some("fuse.something"), None),
            (FUSE, None, None),
            // ext4, btrfs, xfs, tmpfs, overlayfs, zfs, 9p of a virtual machine.
            (0xef53, None, None),
            (0x9123_683e, None, None),
            (0x5846_5342, None, None),
            (0x0102_1994, None, None),
            (0x794c_7630, None, None),
            (0x2fc1_2fc1, None, None),
            (0x0102_1997, None, None),
        ];
        for (magic, mounted, expected) in table {
            assert_eq!(kind(magic, mounted).as_deref(), expected, "{magic:#x} {mounted:?}");
        }
    }

    #[test]
    fn the_table_of_mounts_is_read() {
        let mounts = "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n\
                      36 22 0:45 / /home/me/far\\040away rw,nosuid - fuse.sshfs me@host:/ rw,user_id=1000\n\
                      37 22 0:46 / /mnt rw shared:7 master:2 - nfs4 host:/ rw\n";
        let table =
            [("254:0", Some("ext4")), ("0:45", Some("fuse.sshfs")), ("0:46", Some("nfs4")), ("0:4", None), ("", None)];
        for (device, expected) in table {
            assert_eq!(mounted(mounts, device), expected, "{device}");
        }
        assert_eq!(mounted("rubbish\n\n1 2 0:1\n", "0:1"), None);
    }

    #[test]
    fn the_usual_places_are_local() {
        assert_eq!(network(tempfile::tempdir().unwrap().path()), None);
        assert_eq!(network(Path::new("/proc")), None);
        assert_eq!(network(Path::new("/there/is/none")), None);
    }
}
