//! Started by a service manager: the socket that it hands over, and what it wants to hear. See sd_listen_fds(3) and sd_notify(3).
//!
//! Promises: what was handed over is taken as a whole or refused with a word that says why, never half used; the name of a socket that
//! was handed over is never bound, renamed or unlinked here; whoever connected to a daemon that can't start is turned away at once
//! instead of waiting in a queue that nobody empties.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};

use nix::sys::socket::{SockType, getsockopt, sockopt};

use crate::sandbox::adopt;

/// Number of the first descriptor that is handed over.
const FIRST: RawFd = 3;
/// Variables of the protocol.
const PROTOCOL: &[&str] = &["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "NOTIFY_SOCKET"];

/// Why what was handed over can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ActivationError {
    /// Not exactly one.
    #[error("LISTEN_FDS is {0:?}, and exactly one socket can be taken")]
    Count(String),
    /// It isn't what a daemon listens on.
    #[error("descriptor {FIRST} that the service manager handed over {0}")]
    NoListener(String),
    /// Others could reach it, or nobody.
    #[error("the socket {} that the service manager handed over can't be used: {why}", path.display())]
    Place {
        /// Its path.
        path: PathBuf,
        /// What is wrong with its dir.
        why: String,
    },
}

/// A listening socket that somebody else bound, and whose name is theirs.
#[derive(Debug)]
pub struct Activated {
    listener: UnixListener,
    path: PathBuf,
}

/// What a service manager handed to this process.
#[derive(Debug, Default)]
pub struct Handed {
    /// The socket, or why it can't be used; none: this process looks after its socket itself.
    pub socket: Option<Result<Activated, ActivationError>>,
    /// Where the manager listens, if it does.
    pub notify: Option<Notify>,
}

impl Handed {
    /// Takes what the environment speaks of. To be called once, and before anything opens a descriptor.
    #[must_use]
    pub fn take(var: &dyn Fn(&str) -> Option<String>) -> Self {
        let mine = var("LISTEN_PID").and_then(|pid| pid.parse().ok()) == Some(std::process::id());
        let socket = var("LISTEN_FDS").filter(|_| mine).map(|count| {
            if count.trim() != "1" {
                return Err(ActivationError::Count(count));
            }
            // What isn't open must not be taken for ours.
            if !["/proc/self/fd", "/dev/fd"].iter().any(|dir| {
                let path = Path::new(dir).join(FIRST.to_string());
                path.symlink_metadata().is_ok()
            }) {
                return Err(ActivationError::NoListener("isn't open".to_owned()));
            }
            Activated::from_descriptor(OwnedFd::from(adopt(FIRST)))
        });
        Self { socket, notify: var("NOTIFY_SOCKET").as_deref().and_then(Notify::new) }
    }
}

impl Activated {
    /// Checks that it is a listening Unix stream socket with a name in a dir that is ours alone.
    fn from_descriptor(descriptor: OwnedFd) -> Result<Self, ActivationError> {
        let wrong = |why: &str| ActivationError::NoListener(why.to_owned());
        let kind = getsockopt(&descriptor, sockopt::SockType).map_err(|_| wrong("is no socket"))?;
        if kind != SockType::Stream {
            return Err(wrong("is no stream socket"));
        }
        if !getsockopt(&descriptor.as_fd(), sockopt::AcceptConn).unwrap_or(false) {
            return Err(wrong("doesn't listen"));
        }
        let listener = UnixListener::from(descriptor);
        let address = listener.local_addr().map_err(|_| wrong("is no Unix socket"))?;
        let path = address.as_pathname().filter(|path| path.is_absolute());
        let path = path.ok_or_else(|| wrong("has no path in the file system"))?.to_owned();
        let place = |why: String| ActivationError::Place { path: path.clone(), why };
        match path.symlink_metadata() {
            Ok(metadata) if metadata.file_type().is_socket() => {}
            Ok(_) => return Err(place("there is something else at its path".to_owned())),
            Err(error) => return Err(place(error.to_string())),
        }
        let dir = path.parent().unwrap_or(Path::new("/"));
        super::endpoint::check_dir(dir, nix::unistd::geteuid().as_raw())
            .map_err(|why| place(format!("its dir: {why}")))?;
        listener.set_nonblocking(true).map_err(|error| place(error.to_string()))?;
        Ok(Self { listener, path })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Closes what waits to be let in. Otherwise the service manager would start us again for it, and again, while its client waits; as it
    /// is, the client looks for the daemon that has the lock, or starts one and hears why it can't.
    pub(crate) fn turn_away(&self) {
        while self.listener.accept().is_ok() {}
    }

    /// The listener, for the runtime.
    pub(crate) fn listener(&self) -> io::Result<tokio::net::UnixListener> {
        tokio::net::UnixListener::from_std(self.listener.try_clone()?)
    }
}

/// Removes what only we were to hear, and all else that autostart wouldn't have handed on: children must not learn it by any way.
///
/// To be called before there is a second thread; nothing is removed otherwise. Returns whether it was.
pub fn forget_variables() -> bool {
    let kept = |name: &std::ffi::OsStr| {
        let known = proto::endpoint::DAEMON_ENV.iter().chain(proto::hooks::ENV);
        !PROTOCOL.iter().any(|one| name == *one) && known.into_iter().any(|one| name == *one)
    };
    crate::sandbox::keep_variables(&kept)
}

/// Where the service manager hears how we are.
#[derive(Debug)]
pub struct Notify {
    socket: UnixDatagram,
}

impl Notify {
    /// `name` is the value of `NOTIFY_SOCKET`: a path, or `@` and an abstract name. None if nobody can be told there.
    fn new(name: &str) -> Option<Self> {
        let socket = UnixDatagram::unbound().ok()?;
        match name.strip_prefix('@') {
            #[cfg(target_os = "linux")]
            Some(name) => {
                use std::os::linux::net::SocketAddrExt as _;
                let address = std::os::unix::net::SocketAddr::from_abstract_name(name).ok()?;
                socket.connect_addr(&address).ok()?;
            }
            #[cfg(not(target_os = "linux"))]
            Some(_) => return None,
            None => socket.connect(Path::new(name)).ok()?,
        }
        // A manager that reads nothing must not hold us up.
        socket.set_nonblocking(true).ok()?;
        Some(Self { socket })
    }

    /// We answer at this socket.
    pub fn ready(&self, socket: &Path) {
        let mut text = b"READY=1\nSTATUS=ready at ".to_vec();
        text.extend(socket.as_os_str().as_bytes().iter().map(|byte| if *byte == b'\n' { b' ' } else { *byte }));
        self.tell(&text);
    }

    /// We are going away.
    pub fn stopping(&self) {
        self.tell(b"STOPPING=1");
    }

    /// Why we can't run.
    pub fn failed(&self, why: &str) {
        self.tell(format!("STATUS={}", why.replace(['\n', '\r'], " ")).as_bytes());
    }

    fn tell(&self, text: &[u8]) {
        // Nobody may be listening any more.
        let _ = self.socket.send(text);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

    use std::net::TcpListener;
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn refused(descriptor: impl Into<OwnedFd>) -> String {
        Activated::from_descriptor(descriptor.into()).unwrap_err().to_string()
    }

    #[test]
    fn only_a_listening_unix_stream_socket_with_a_path_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let file = std::fs::File::create(dir.path().join("file")).unwrap();
        assert!(refused(file).contains("is no socket"));
        assert!(refused(TcpListener::bind("127.0.0.1:0").unwrap()).contains("is no Unix socket"));
        assert!(refused(UnixDatagram::bind(dir.path().join("d")).unwrap()).contains("is no stream socket"));
        assert!(refused(UnixStream::pair().unwrap().0).contains("doesn't listen"));
        let gone = UnixListener::bind(dir.path().join("gone")).unwrap();
        std::fs::remove_file(dir.path().join("gone")).unwrap();
        assert!(refused(gone).contains("No such file"));
        let listener = UnixListener::bind(dir.path().join("s")).unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        assert!(refused(listener.try_clone().unwrap()).contains("others have access"));
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let taken = Activated::from_descriptor(listener.into()).unwrap();
        assert_eq!(taken.path(), dir.path().join("s"));
        let waiting = UnixStream::connect(taken.path()).unwrap();
        taken.turn_away();
        assert_eq!(io::Read::read(&mut &waiting, &mut [0]).unwrap(), 0);
    }

    #[test]
    fn what_is_meant_for_another_process_is_left_alone() {
        let me = std::process::id().to_string();
        let take = |pid: &str, count: &str| {
            let var = |name: &str| match name {
                "LISTEN_PID" => Some(pid.to_owned()),
                "LISTEN_FDS" => Some(count.to_owned()),
                _ => None,
            };
            Handed::take(&var).socket.map(|socket| socket.unwrap_err().to_string())
        };
        for pid in ["1", "", "x", "-1"] {
            assert_eq!(take(pid, "1"), None, "{pid}");
        }
        for count in ["0", "2", "x", "", "-1", "99999999999999999999"] {
            assert!(take(&me, count).unwrap().contains("exactly one socket"), "{count}");
        }
    }

    #[test]
    fn the_manager_hears_it_at_a_path_and_at_an_abstract_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let there = UnixDatagram::bind(&path).unwrap();
        let notify = Notify::new(path.to_str().unwrap()).unwrap();
        notify.ready(Path::new("/run/a\nb"));
        notify.failed("no\nroom");
        notify.stopping();
        let mut heard = Vec::new();
        for _ in 0..3 {
            let mut text = [0; 200];
            let length = there.recv(&mut text).unwrap();
            heard.push(String::from_utf8(text[..length].to_vec()).unwrap());
        }
        assert_eq!(heard, ["READY=1\nSTATUS=ready at /run/a b", "STATUS=no room", "STOPPING=1"]);
        assert!(Notify::new("/nowhere/at/all").is_none());
        #[cfg(target_os = "linux")]
        {
            use std::os::linux::net::SocketAddrExt as _;
            let name = format!("et-test-{}", std::process::id());
            let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
            let there = UnixDatagram::bind_addr(&address).unwrap();
            Notify::new(&format!("@{name}")).unwrap().stopping();
            assert_eq!(there.recv(&mut [0; 20]).unwrap(), "STOPPING=1".len());
        }
    }
}
