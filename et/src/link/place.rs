//! Where the daemon is: what the environment and the lock record say.

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use proto::endpoint::{self, DAEMON_ENV, LOCK_FILE, LockRecord, SPAWN_LOCK_FILE};

use super::error::{LinkError, LinkErrorKind};

/// How a daemon is found, and started if need be.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    /// Whether a daemon may be started.
    pub autostart: bool,
    /// The state dir; absolute.
    pub state_dir: PathBuf,
    /// The socket, where the environment names one; absolute.
    pub socket: Option<PathBuf>,
    /// Where a service manager may listen and start a daemon for whoever connects; only for the default state dir.
    pub activation: Option<PathBuf>,
    /// The `etd` to start.
    pub program: Option<PathBuf>,
    /// The whole environment of a daemon that is started.
    pub env: Vec<(String, String)>,
    /// Bounds of waiting.
    pub deadlines: Deadlines,
}

/// Bounds of waiting.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// For the connection.
    pub connect: Duration,
    /// For preamble and handshake.
    pub handshake: Duration,
    /// For another client that starts the daemon, and for the daemon to be ready.
    pub start: Duration,
    /// A daemon that lives and doesn't answer for this long is wedged. Longer than it needs to notice that its socket is gone.
    pub wedged: Duration,
    /// For the answer to a request.
    pub call: Duration,
    /// A stream without even a heartbeat for this long has lost its daemon.
    pub silence: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(1),
            handshake: Duration::from_secs(2),
            start: Duration::from_secs(30),
            wedged: Duration::from_secs(8),
            call: Duration::from_secs(30),
            silence: Duration::from_secs(45),
        }
    }
}

impl ConnectOptions {
    /// What the environment says. `autostart` is the flag; `ET_NO_AUTOSTART=1` overrules it.
    ///
    /// # Errors
    /// If there is neither a state dir nor a home, or the current directory is gone and a path is relative.
    pub fn from_env(var: &dyn Fn(&str) -> Option<String>, autostart: bool) -> Result<Self, LinkError> {
        let absolute = |path: &Path| {
            std::path::absolute(path)
                .map_err(|error| LinkError::new(LinkErrorKind::StateDir, format!("{}: {error}", path.display())))
        };
        let state_dir = endpoint::state_dir(var).ok_or_else(|| {
            LinkError::new(LinkErrorKind::StateDir, "no state dir: neither HOME nor ET_STATE_DIR is set")
                .hint("set ET_STATE_DIR to a directory of yours")
        })?;
        let state_dir = absolute(&state_dir)?;
        let socket = endpoint::explicit_socket(var).map(|path| absolute(&path)).transpose()?;
        let forbidden = var("ET_NO_AUTOSTART").is_some_and(|value| !value.is_empty() && value != "0");
        let mut env: Vec<(String, String)> = DAEMON_ENV
            .iter()
            .chain(proto::hooks::ENV)
            .filter(|name| !matches!(**name, "ET_STATE_DIR" | "ET_SOCKET"))
            .filter_map(|name| Some(((*name).to_owned(), var(name)?)))
            .collect();
        if let Some(path) = socket.as_ref().and_then(|path| path.to_str()) {
            env.push(("ET_SOCKET".to_owned(), path.to_owned()));
        }
        let program = find_program(var("PATH").as_deref());
        let deadlines = Deadlines::default();
        let account = nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten().map(|user| user.dir);
        let activation = activation(var, &state_dir, account.as_deref());
        Ok(Self { autostart: autostart && !forbidden, state_dir, socket, activation, program, env, deadlines })
    }

    /// The same for another state dir (absolute), whose daemon has a socket of its own.
    #[must_use]
    pub fn for_state_dir(mut self, dir: PathBuf) -> Self {
        self.state_dir = dir;
        self.socket = None;
        self.activation = None;
        self.env.retain(|(name, _)| name != "ET_SOCKET");
        self
    }

    /// What the lock file says; none if there never was a daemon, or it is just writing.
    pub(crate) fn record(&self) -> Option<LockRecord> {
        let bytes = std::fs::read(self.state_dir.join(LOCK_FILE)).ok()?;
        serde_json::from_slice(bytes.split(|byte| *byte == b'\n').next()?).ok()
    }

    /// Where the daemon should answer: where the environment says; else where one that lives says; else where a service manager listens for
    /// it. Without all of these there is no daemon, and only a daemon chooses. Connecting may start one, unless `running` is asked for:
    /// then a socket that isn't a living daemon's is none.
    pub(crate) fn endpoint(&self, running: bool) -> Option<PathBuf> {
        let record = self.record().filter(|record| record.endpoint.is_absolute());
        let alive = record.as_ref().is_some_and(is_alive);
        if let Some(socket) = self.socket.clone().filter(|path| path.is_absolute()) {
            let starts = record.is_some_and(|record| record.activated && record.endpoint == socket);
            return Some(socket).filter(|_| !(running && starts && !alive));
        }
        match record {
            Some(record) if alive => Some(record.endpoint),
            Some(record) if record.activated && running => None,
            record => {
                let is_socket = |path: &PathBuf| path.symlink_metadata().is_ok_and(|meta| meta.file_type().is_socket());
                let activation = self.activation.clone().filter(|path| !running && is_socket(path));
                activation.or(record.map(|record| record.endpoint))
            }
        }
    }

    /// Opens the file that clients lock while they start a daemon, in a state dir that is made if it is missing.
    pub(crate) fn open_spawn_lock(&self) -> Result<File, LinkError> {
        let dir = &self.state_dir;
        let wrong = |why: &dyn std::fmt::Display| {
            LinkError::new(LinkErrorKind::StateDir, format!("state dir {}: {why}", dir.display()))
                .hint("make it writable, with room on its disk, or set ET_STATE_DIR to another directory of yours")
        };
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| wrong(&error))?;
        let metadata = std::fs::metadata(dir).map_err(|error| wrong(&error))?;
        if metadata.uid() != nix::unistd::geteuid().as_raw() {
            return Err(wrong(&"it belongs to another user"));
        }
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits())
            .open(dir.join(SPAWN_LOCK_FILE))
            .map_err(|error| wrong(&error))
    }
}

/// Where a service manager may listen for the daemon of this state dir: nowhere, unless it is the one of the account's own home, which is
/// what the unit says.
fn activation(var: &dyn Fn(&str) -> Option<String>, state_dir: &Path, account: Option<&Path>) -> Option<PathBuf> {
    let uid = nix::unistd::geteuid().as_raw();
    account.filter(|home| home.join(".local/state/et") == state_dir).map(|_| endpoint::activation_socket(var, uid))
}

/// `etd` beside this program, else on PATH.
fn find_program(path: Option<&str>) -> Option<PathBuf> {
    let sibling = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join("etd")));
    let on_path = path.into_iter().flat_map(|path| std::env::split_paths(path).map(|dir| dir.join("etd")));
    sibling.into_iter().chain(on_path.filter(|path| path.is_absolute())).find(|path| path.is_file())
}

/// Whether the process that a record names is still there, and not another one with its number.
pub(crate) fn is_alive(record: &LockRecord) -> bool {
    let Ok(pid) = i32::try_from(record.pid) else { return false };
    if pid <= 0 || nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None) == Err(nix::errno::Errno::ESRCH) {
        return false;
    }
    if record.start_time == 0 {
        return true;
    }
    match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => runs_since(&stat, record.start_time),
        // It ended meanwhile, or there is no such file system.
        Err(_) => !Path::new("/proc/self/stat").exists(),
    }
}

/// Whether a line of `/proc/PID/stat` (see proc(5)) is of a process with this start time that hasn't ended.
fn runs_since(stat: &str, start_time: u64) -> bool {
    let Some((_, fields)) = stat.rsplit_once(')') else { return false };
    let mut fields = fields.split_ascii_whitespace();
    let ended = matches!(fields.next(), None | Some("Z" | "X"));
    !ended && fields.nth(18).and_then(|field| field.parse().ok()) == Some(start_time)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]
    use proto::endpoint::DaemonState;

    use super::*;

    fn options(vars: &[(&str, &str)]) -> Result<ConnectOptions, LinkError> {
        let find = |name: &str| vars.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        ConnectOptions::from_env(&find, true)
    }

    #[test]
    fn the_daemon_sees_the_allow_list_only() {
        let options = options(&[
            ("HOME", "/home/a"),
            ("OPENAI_API_KEY", "sk-1"),
            ("ET_STATE_DIR", "/s"),
            ("ET_SOCKET", "/run/x.sock"),
            ("LD_PRELOAD", "/evil.so"),
        ])
        .unwrap();
        let mut names: Vec<&str> = options.env.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["ET_SOCKET", "HOME"]);
        assert_eq!(options.state_dir, Path::new("/s"));
        assert_eq!(options.endpoint(true).as_deref(), Some(Path::new("/run/x.sock")));
        let other = options.for_state_dir(PathBuf::from("/demo"));
        assert_eq!((other.socket, other.env.len()), (None, 1));
    }

    #[test]
    fn a_service_manager_listens_for_the_default_state_dir_only() {
        let var = |name: &str| (name == "XDG_RUNTIME_DIR").then(|| "/run/me".to_owned());
        let home = Path::new("/home/a");
        let own = Path::new("/home/a/.local/state/et");
        assert_eq!(activation(&var, own, Some(home)).as_deref(), Some(Path::new("/run/me/et/activated.sock")));
        for (state_dir, account) in [("/s", Some(home)), ("/home/b/.local/state/et", Some(home)), ("/s", None)] {
            assert_eq!(activation(&var, Path::new(state_dir), account), None);
        }
    }

    #[test]
    fn a_living_daemon_comes_first_and_then_the_service_manager() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let mut options = options(&[("ET_STATE_DIR", dir.path().to_str().unwrap())]).unwrap();
        let write = |pid: u32, activated: bool| {
            let (endpoint, state) = (at("old.sock"), DaemonState::Ready);
            let (start_time, boot_id, build) = (0, String::new(), String::new());
            let record = LockRecord { pid, start_time, boot_id, endpoint, state, build, activated };
            std::fs::write(at(LOCK_FILE), serde_json::to_string(&record).unwrap()).unwrap();
        };
        let (me, dead) = (std::process::id(), i32::MAX as u32);
        let _listener = std::os::unix::net::UnixListener::bind(at("activated.sock")).unwrap();
        std::fs::write(at("file"), "").unwrap();
        let (old, new) = (Some(at("old.sock")), Some(at("activated.sock")));
        // Record, socket of a service manager, whether only a running daemon counts, where.
        for (record, activation, running, expected) in [
            (None, None, false, None),
            (None, new.clone(), false, new.clone()),
            (None, new.clone(), true, None),
            (None, Some(at("file")), false, None),
            (Some((me, false)), new.clone(), false, old.clone()),
            (Some((me, true)), new.clone(), true, old.clone()),
            (Some((dead, false)), new.clone(), false, new.clone()),
            (Some((dead, false)), new.clone(), true, old.clone()),
            (Some((dead, false)), Some(at("gone")), false, old.clone()),
            (Some((dead, true)), None, false, old.clone()),
            (Some((dead, true)), None, true, None),
        ] {
            let _ = std::fs::remove_file(at(LOCK_FILE));
            if let Some((pid, activated)) = record {
                write(pid, activated);
            }
            options.activation.clone_from(&activation);
            assert_eq!(options.endpoint(running), expected, "{record:?} {activation:?} {running}");
        }
        options.socket = Some(at("old.sock"));
        assert_eq!((options.endpoint(false), options.endpoint(true)), (old, None));
    }

    #[test]
    fn autostart_is_forbidden_by_the_environment() {
        for (value, allowed) in [("1", false), ("yes", false), ("0", true), ("", true)] {
            let options = options(&[("HOME", "/h"), ("ET_NO_AUTOSTART", value)]).unwrap();
            assert_eq!(options.autostart, allowed, "{value:?}");
        }
    }

    #[test]
    fn no_home_is_a_state_dir_error() {
        assert_eq!(options(&[]).unwrap_err().exit_code, proto::outcome::exit::STATE);
    }

    #[test]
    fn a_process_is_known_by_its_start() {
        let table = [
            ("7 (a ) b) S 1 7 7 0 -1 0 1 0 0 0 0 0 0 0 20 0 1 0 4242 1 1", true),
            ("7 (a) Z 1 7 7 0 -1 0 1 0 0 0 0 0 0 0 20 0 1 0 4242 1 1", false),
            ("7 (a) S 1 7 7 0 -1 0 1 0 0 0 0 0 0 0 20 0 1 0 4243 1 1", false),
            ("7 (cut", false),
        ];
        for (stat, alive) in table {
            assert_eq!(runs_since(stat, 4242), alive, "{stat}");
        }
    }
}
