//! `et` and `etd` as real processes in an environment of their own.
//!
//! An [`Env`] has its own home, state dir, socket, log dir and work dir, and children see nothing of the caller's environment but what is
//! named in [`Env::vars`]. Dropping it stops its daemon; a test that fails shows the daemon's log.

mod command;
mod config;
mod terminal;
mod tools;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use proto::endpoint::{DAEMON_LOG_FILE, LOCK_FILE, LockRecord};
use tempfile::TempDir;

pub use command::{Et, Output, Running, Tap};
pub use config::Config;
pub use terminal::Terminal;
pub use tools::{require_tool, tool};

use crate::model::{Model, PATIENCE, Wire};

/// The key that providers are configured with. It has characters that percent-encoding changes.
pub const KEY: &str = "sk-test-4f9a+Zq/7Lw=c0ffee";
/// The variable that holds it.
pub const KEY_VARIABLE: &str = "ET_TEST_KEY";

/// An environment for `et` and its daemon.
pub struct Env {
    root: TempDir,
    vars: Mutex<BTreeMap<String, String>>,
    et: PathBuf,
}

impl Default for Env {
    fn default() -> Self {
        Self::new()
    }
}

impl Env {
    /// A new one. Nothing is started.
    ///
    /// # Panics
    /// If there are no binaries to test.
    #[must_use]
    pub fn new() -> Self {
        // Sockets have short names only (108 bytes), so not below a deep target dir.
        let root = tempfile::Builder::new().prefix("et-").tempdir_in("/tmp").expect("a dir in /tmp");
        let env = Self { et: tools::binary("et"), root, vars: Mutex::default() };
        let _ = tools::binary("etd");
        for dir in ["home", "state", "run", "logs", "work", "tmp"] {
            fs::create_dir(env.root().join(dir)).expect("a dir");
        }
        use std::os::unix::fs::PermissionsExt as _;
        for dir in ["state", "run"] {
            fs::set_permissions(env.root().join(dir), fs::Permissions::from_mode(0o700)).expect("its mode");
        }
        let path = |dir: &str| env.root().join(dir).to_string_lossy().into_owned();
        let vars = [
            ("HOME", path("home")),
            ("PATH", tools::path()),
            ("LANG", "C.UTF-8".to_owned()),
            ("TZ", "UTC".to_owned()),
            ("USER", std::env::var("USER").unwrap_or_else(|_| "tester".to_owned())),
            ("TMPDIR", path("tmp")),
            ("ET_STATE_DIR", path("state")),
            ("XDG_RUNTIME_DIR", path("run")),
            ("ET_LOG_DIR", path("logs")),
            (KEY_VARIABLE, KEY.to_owned()),
        ];
        let vars = vars.into_iter().map(|(name, value)| (name.to_owned(), value));
        *env.locked() = vars.chain(tools::toolchain_vars()).collect();
        env
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, String>> {
        self.vars.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The dir that holds all of it.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// `$HOME`.
    #[must_use]
    pub fn home(&self) -> PathBuf {
        self.root().join("home")
    }

    /// The daemon's state dir.
    #[must_use]
    pub fn state_dir(&self) -> PathBuf {
        self.root().join("state")
    }

    /// The base of the log dirs.
    #[must_use]
    pub fn log_dir(&self) -> PathBuf {
        self.root().join("logs")
    }

    /// An empty dir in which commands run, unless they say otherwise.
    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.root().join("work")
    }

    /// The log dir of the round that began last, as `ls -td` finds it.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn newest_log_dir(&self) -> PathBuf {
        let dirs = fs::read_dir(self.log_dir()).expect("the log dir").filter_map(Result::ok).map(|entry| entry.path());
        let newest = dirs.max_by_key(|path| fs::metadata(path).and_then(|meta| meta.modified()).ok());
        newest.expect("a log dir")
    }

    /// What children see of the environment.
    #[must_use]
    pub fn vars(&self) -> BTreeMap<String, String> {
        self.locked().clone()
    }

    /// Sets a variable for all commands from now on.
    pub fn set(&self, name: &str, value: impl AsRef<str>) {
        self.locked().insert(name.to_owned(), value.as_ref().to_owned());
    }

    /// Removes a variable for all commands from now on.
    pub fn unset(&self, name: &str) {
        self.locked().remove(name);
    }

    /// Writes a file below the work dir; dirs are made.
    pub fn write(&self, path: &str, content: &str) {
        let path = self.work().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("dirs");
        fs::write(path, content).expect("a file is written");
    }

    /// Reads a file below the work dir.
    ///
    /// # Panics
    /// If it can't be read.
    #[must_use]
    pub fn read(&self, path: &str) -> String {
        let path = self.work().join(path);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Whether there is such a path below the work dir.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        self.work().join(path).symlink_metadata().is_ok()
    }

    /// The user's config for this model server: one OpenAI provider `scripted`, one model for planner and workers. Returns its path.
    pub fn config(&self, model: &Model) -> PathBuf {
        self.config_for(model, Wire::OpenAi)
    }

    /// The same in another wire format.
    pub fn config_for(&self, model: &Model, wire: Wire) -> PathBuf {
        self.write_config(&Config::one(model, wire))
    }

    /// Writes a config as the user's own (`~/.config/electrictown/electrictown.yaml`), which is trusted. Returns its path.
    pub fn write_config(&self, config: &Config) -> PathBuf {
        self.config_text(&config.yaml())
    }

    /// Writes this text as the user's own config. Returns its path.
    pub fn config_text(&self, yaml: &str) -> PathBuf {
        let dir = self.home().join(".config/electrictown");
        fs::create_dir_all(&dir).expect("the config's dir");
        let path = dir.join("electrictown.yaml");
        fs::write(&path, yaml).expect("the config");
        path
    }

    /// A command line of `et`, to be run or spawned.
    pub fn et<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Et {
        self.command(&self.et, args)
    }

    /// The same for any program.
    pub fn command<S: AsRef<str>>(&self, program: impl AsRef<Path>, args: impl IntoIterator<Item = S>) -> Et {
        let args = args.into_iter().map(|arg| arg.as_ref().to_owned()).collect();
        Et::new(program.as_ref().to_owned(), args, self.vars(), self.work())
    }

    /// A script for `sh`, with `et` and `etd` in PATH.
    pub fn sh(&self, script: &str) -> Et {
        let bin = self.et.parent().unwrap_or(Path::new("/")).to_string_lossy().into_owned();
        let path = format!("{bin}:{}", self.vars().get("PATH").cloned().unwrap_or_default());
        self.command("/bin/sh", ["-c", script]).env("PATH", path)
    }

    /// Starts `et`.
    #[must_use]
    pub fn et_spawn<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Running {
        self.et(args).spawn()
    }

    /// Starts `et` on a terminal of its own.
    #[must_use]
    pub fn et_on_terminal<S: AsRef<str>>(
        &self,
        args: impl IntoIterator<Item = S>,
        rows: u16,
        columns: u16,
    ) -> Terminal {
        self.on_terminal(&self.et, args, rows, columns)
    }

    /// Starts any program on a terminal of its own.
    #[must_use]
    pub fn on_terminal<S: AsRef<str>>(
        &self,
        program: impl AsRef<Path>,
        args: impl IntoIterator<Item = S>,
        rows: u16,
        columns: u16,
    ) -> Terminal {
        let args: Vec<String> = args.into_iter().map(|arg| arg.as_ref().to_owned()).collect();
        Terminal::start(program.as_ref(), &args, &self.vars(), &self.work(), rows, columns)
    }

    /// The path of `et`.
    #[must_use]
    pub fn et_path(&self) -> &Path {
        &self.et
    }

    /// What the daemon wrote about itself, if it ever started.
    #[must_use]
    pub fn lock_record(&self) -> Option<LockRecord> {
        let text = fs::read_to_string(self.state_dir().join(LOCK_FILE)).ok()?;
        serde_json::from_str(text.lines().next()?).ok()
    }

    /// The lock records of all state dirs below this environment.
    fn lock_records(&self) -> Vec<LockRecord> {
        let mut records = Vec::new();
        let mut dirs = vec![self.root().to_owned()];
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok) {
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    dirs.push(entry.path());
                } else if entry.file_name() == LOCK_FILE {
                    let text = fs::read_to_string(entry.path()).unwrap_or_default();
                    records.extend(text.lines().next().and_then(|line| serde_json::from_str(line).ok()));
                }
            }
        }
        records
    }

    /// The daemon's process id, if it runs.
    #[must_use]
    pub fn daemon_pid(&self) -> Option<u32> {
        let record = self.lock_record()?;
        alive(record.pid, record.start_time).then_some(record.pid)
    }

    /// Kills the daemon with SIGKILL and waits until it is gone. Returns its process id.
    ///
    /// # Panics
    /// If none runs, or if it stays.
    pub fn kill_daemon(&self) -> u32 {
        let pid = self.daemon_pid().expect("a daemon runs");
        self.signal_daemon(Signal::SIGKILL);
        self.wait_daemon_gone(pid);
        pid
    }

    /// Sends the daemon a signal.
    ///
    /// # Panics
    /// If none runs.
    pub fn signal_daemon(&self, signal: Signal) {
        let pid = self.daemon_pid().expect("a daemon runs");
        kill(Pid::from_raw(pid as i32), signal).expect("a signal to the daemon");
    }

    /// Waits until this process is gone.
    ///
    /// # Panics
    /// If it stays.
    pub fn wait_daemon_gone(&self, pid: u32) {
        let start_time = self.lock_record().filter(|record| record.pid == pid).map_or(0, |record| record.start_time);
        let gone = poll(PATIENCE, || !alive(pid, start_time));
        assert!(gone, "the daemon {pid} doesn't go away");
    }

    /// The daemon's own log.
    #[must_use]
    pub fn daemon_log(&self) -> String {
        fs::read(self.state_dir().join(DAEMON_LOG_FILE))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Files below the state, log, home and work dirs that have one of these byte strings in them. For keys that must be nowhere.
    #[must_use]
    pub fn files_with(&self, needles: &[&str]) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut dirs = vec![self.state_dir(), self.log_dir(), self.home(), self.work(), self.root().join("run")];
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok) {
                let path = entry.path();
                let Ok(meta) = path.symlink_metadata() else { continue };
                if meta.is_dir() {
                    dirs.push(path);
                } else if meta.is_file() {
                    let bytes = fs::read(&path).unwrap_or_default();
                    let has = |needle: &&str| bytes.windows(needle.len()).any(|window| window == needle.as_bytes());
                    if needles.iter().any(has) {
                        found.push(path);
                    }
                }
            }
        }
        found
    }
}

impl Drop for Env {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.daemon_log();
            let lines: Vec<&str> = log.lines().collect();
            let from = lines.len().saturating_sub(200);
            eprintln!("--- the daemon's log, its end ---\n{}", lines[from..].join("\n"));
        }
        if let Some(pid) = self.daemon_pid() {
            // Gently, if it listens; it may be stopped, or of another mind.
            let _ = self.et(["daemon", "stop"]).env("ET_NO_AUTOSTART", "1").timeout(Duration::from_secs(5)).try_run();
            let start_time = self.lock_record().map_or(0, |record| record.start_time);
            poll(Duration::from_secs(2), || !alive(pid, start_time));
        }
        // What is left, of state dirs that commands made for themselves as well.
        for record in self.lock_records() {
            if alive(record.pid, record.start_time) {
                let _ = kill(Pid::from_raw(record.pid as i32), Signal::SIGKILL);
                poll(Duration::from_secs(5), || !alive(record.pid, record.start_time));
            }
        }
    }
}

/// Whether the process with this id and start time (0: any) runs. One that has ended and wasn't reaped doesn't.
#[must_use]
pub fn alive(pid: u32, start_time: u64) -> bool {
    if pid == 0 || kill(Pid::from_raw(pid as i32), None).is_err() {
        return false;
    }
    match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => {
            // The name in parentheses may hold anything; fields are counted behind it.
            let fields: Vec<&str> =
                stat.rsplit_once(')').map_or(Vec::new(), |(_, rest)| rest.split_whitespace().collect());
            let ended = fields.first().is_none_or(|state| *state == "Z" || *state == "X");
            let started = fields.get(19).and_then(|ticks| ticks.parse().ok()).unwrap_or(0);
            !ended && (start_time == 0 || start_time == started)
        }
        // No such file system: the signal said it.
        Err(_) => !Path::new("/proc/self/stat").exists(),
    }
}

/// Asks again and again, for what no event tells (another process's end, a file): true as soon as it holds.
pub fn poll(patience: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + patience;
    loop {
        if holds() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
