//! Where the daemon of a user is found: state dir, socket, and what the lock file says.
//!
//! Everything here is computed from a lookup function for environment variables, so that tests need no process environment.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// File in the state dir whose lock makes a daemon the only one. Never deleted.
pub const LOCK_FILE: &str = "etd.lock";
/// File in the state dir that clients lock while they start a daemon.
pub const SPAWN_LOCK_FILE: &str = "spawn.lock";
/// The database in the state dir.
pub const DATABASE_FILE: &str = "et.db";
/// The daemon's own log in the state dir.
pub const DAEMON_LOG_FILE: &str = "etd.log";
/// Name of the socket in its dir.
pub const SOCKET_FILE: &str = "etd.sock";
/// Name of the socket that a service manager listens at for the default state dir. A name of its own: a daemon that was started otherwise
/// never takes it away.
pub const ACTIVATION_FILE: &str = "activated.sock";

/// Variables that autostart hands to the daemon; everything else is cleared.
pub const DAEMON_ENV: &[&str] =
    &["HOME", "PATH", "USER", "LANG", "TZ", "XDG_RUNTIME_DIR", "XDG_STATE_HOME", "ET_STATE_DIR", "ET_SOCKET", "ET_LOG"];

/// Variables that a check may see, besides those with the prefix `LC_` and those that `check.env` names.
pub const CHECK_ENV: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "TZ",
    "TERM",
    "GOPATH",
    "GOROOT",
    "GOCACHE",
    "GOMODCACHE",
    "GOPROXY",
    "GOFLAGS",
    "GOTOOLCHAIN",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "JAVA_HOME",
    "VIRTUAL_ENV",
    "PYENV_ROOT",
    "NVM_DIR",
    "NPM_CONFIG_CACHE",
    "CC",
    "CXX",
    "PKG_CONFIG_PATH",
];

/// Proxy and CA settings that model calls follow.
pub const NETWORK_ENV: &[&str] = &[
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
    "SSL_CERT_FILE",
];

/// State of a daemon, as its lock file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DaemonState {
    /// Migrating, recovering.
    Starting,
    /// Answers.
    Ready,
    /// Going away.
    Draining,
}

/// What the lock file holds, as one line of JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockRecord {
    /// Process id.
    pub pid: u32,
    /// Start time of the process in clock ticks since boot; 0 where it isn't known.
    pub start_time: u64,
    /// Id of the boot; empty where it isn't known.
    pub boot_id: String,
    /// Path of the socket.
    pub endpoint: PathBuf,
    /// State.
    pub state: DaemonState,
    /// Version of the binary.
    pub build: String,
    /// Whether a service manager listens at the socket and starts a daemon for whoever connects.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub activated: bool,
}

/// The state dir: `ET_STATE_DIR`, else `$XDG_STATE_HOME/et`, else `~/.local/state/et`; none without a home.
#[must_use]
pub fn state_dir(var: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    if let Some(dir) = set(var, "ET_STATE_DIR") {
        return Some(PathBuf::from(dir));
    }
    if let Some(dir) = set(var, "XDG_STATE_HOME").filter(|dir| Path::new(dir).is_absolute()) {
        return Some(Path::new(&dir).join("et"));
    }
    set(var, "HOME").map(|home| Path::new(&home).join(".local/state/et"))
}

/// Dirs in which the socket may be, best first; `ET_SOCKET` isn't among them, see [`explicit_socket`].
#[must_use]
pub fn socket_dirs(var: &dyn Fn(&str) -> Option<String>, uid: u32) -> Vec<PathBuf> {
    let mut dirs = Vec::new();
    if let Some(dir) = set(var, "XDG_RUNTIME_DIR").filter(|dir| Path::new(dir).is_absolute()) {
        dirs.push(Path::new(&dir).join("et"));
    }
    dirs.push(PathBuf::from(format!("/run/user/{uid}/et")));
    dirs.push(PathBuf::from(format!("/tmp/et-{uid}")));
    dirs.dedup();
    dirs
}

/// Where a service manager may listen for the daemon of the default state dir.
#[must_use]
pub fn activation_socket(var: &dyn Fn(&str) -> Option<String>, uid: u32) -> PathBuf {
    let runtime = set(var, "XDG_RUNTIME_DIR").filter(|dir| Path::new(dir).is_absolute());
    let runtime = runtime.map_or_else(|| PathBuf::from(format!("/run/user/{uid}")), PathBuf::from);
    runtime.join("et").join(ACTIVATION_FILE)
}

/// The socket that `ET_SOCKET` names.
#[must_use]
pub fn explicit_socket(var: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    set(var, "ET_SOCKET").map(PathBuf::from)
}

/// Name of the socket of a state dir that isn't the default one, so that two daemons of one user don't share a name.
///
/// The default state dir has plain [`SOCKET_FILE`]; another one has a suffix that depends on its path (FNV-1a, 64 bit).
#[must_use]
pub fn socket_file(state_dir: &Path, is_default: bool) -> String {
    if is_default {
        return SOCKET_FILE.to_owned();
    }
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in state_dir.as_os_str().as_encoded_bytes() {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("etd-{hash:016x}.sock")
}

fn set(var: &dyn Fn(&str) -> Option<String>, name: &str) -> Option<String> {
    var(name).filter(|value| !value.is_empty())
}
