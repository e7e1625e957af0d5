//! Attempts to get out of what runs in the work dir: none gets through at `full`, and at `partial` exactly those that `SECURITY.md` lists.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::symlink;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::path::Path;
use std::process::Stdio;

use proto::outcome::Outcome;
use proto::report::SandboxLevel;
use tests::env::{Config, Env, KEY_VARIABLE, Output};
use tests::model::{Model, Wire};
use tests::projects::stories::tiny;
use tests::require_tool;

const ATTEMPTS: &str = include_str!("escape/attempts.py");

/// What `partial` lets through: each has a line in `SECURITY.md`.
const PARTIAL: &[&str] = &[
    "chmod_outside",
    "read_sibling_cmdline",
    "replace_git",
    "stat_secret",
    "touch_outside",
    "write_git_config",
    "write_git_hook",
    "xattr_outside",
];

/// The argument of a process beside the daemon: seconds that tell it from others.
const SIBLING: &str = "600.0515";

/// An environment with things to be stolen, and listeners to be reached.
struct Bank {
    env: Env,
    sibling: std::process::Child,
    tcp: TcpListener,
    tcp6: Option<TcpListener>,
    udp: UdpSocket,
    unix: UnixListener,
    abstract_unix: UnixListener,
    datagram: UnixDatagram,
    /// Key and number of a segment of memory.
    memory: (i32, String),
    token: String,
}

/// Calls the C library, for what has no command on every machine: the first word is the function, the others are numbers. What it returns.
fn libc(words: &[&str]) -> String {
    let script = "import ctypes, sys; print(getattr(ctypes.CDLL(None), sys.argv[1])(*map(int, sys.argv[2:])))";
    let out = std::process::Command::new("/usr/bin/python3").arg("-c").arg(script).args(words).output().unwrap();
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

impl Drop for Bank {
    fn drop(&mut self) {
        let _ = self.sibling.kill();
        let _ = self.sibling.wait();
        // IPC_RMID
        libc(&["shmctl", &self.memory.1, "0", "0"]);
        for dir in ["/tmp", "/dev/shm"] {
            let _ = fs::remove_file(Path::new(dir).join(&self.token));
        }
    }
}

impl Bank {
    fn new(level: &str) -> Self {
        let env = Env::new();
        env.set(proto::hooks::SANDBOX, level);
        let home = env.home();
        let outside = env.root().join("outside");
        for dir in [".ssh", ".aws", ".cargo/registry", ".config/electrictown", ".cache/go-build"] {
            fs::create_dir_all(home.join(dir)).unwrap();
        }
        for file in
            [".ssh/id_ed25519", ".netrc", ".npmrc", ".cargo/credentials.toml", ".aws/credentials", ".git-credentials"]
        {
            fs::write(home.join(file), "MARK-SECRET\n").unwrap();
        }
        fs::create_dir(&outside).unwrap();
        for file in ["target.txt", "spare.txt"] {
            fs::write(outside.join(file), "mine").unwrap();
        }
        let tools = env.root().join("tools/bin");
        fs::create_dir_all(&tools).unwrap();
        fs::write(tools.join("tool"), "#!/bin/sh\n").unwrap();
        fs::create_dir_all(env.work().join(".git/hooks")).unwrap();
        fs::write(env.work().join(".git/config"), "[core]\n").unwrap();
        symlink(home.join(".ssh/id_ed25519"), env.work().join("planted-link")).unwrap();
        let path = env.vars()["PATH"].clone();
        env.set("PATH", format!("{}:bin:{}:{path}", tools.display(), env.work().display()));
        env.set("CARGO_HOME", home.join(".cargo").to_string_lossy());
        env.set("GOCACHE", home.join(".cache/go-build").to_string_lossy());
        let token = format!("et-escape-{}", uuid::Uuid::new_v4().simple());
        let name = SocketAddr::from_abstract_name(&token).unwrap();
        // IPC_CREAT | IPC_EXCL | 0600
        let key = i32::from_ne_bytes(*uuid::Uuid::new_v4().as_bytes().first_chunk().unwrap()) | 1;
        let memory = libc(&["shmget", &key.to_string(), "4096", &0o3600.to_string()]);
        assert!(memory.parse::<i32>().unwrap() >= 0, "{memory}");
        let sibling = std::process::Command::new("/bin/sleep")
            .arg(SIBLING)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .env("SECRET", "MARK-SECRET")
            .current_dir(&outside)
            .spawn()
            .unwrap();
        Self {
            tcp: TcpListener::bind("0.0.0.0:0").unwrap(),
            tcp6: TcpListener::bind("[::1]:0").ok(),
            udp: UdpSocket::bind("127.0.0.1:0").unwrap(),
            unix: UnixListener::bind(outside.join("unix.sock")).unwrap(),
            abstract_unix: UnixListener::bind_addr(&name).unwrap(),
            datagram: UnixDatagram::bind(outside.join("datagram.sock")).unwrap(),
            memory: (key, memory),
            token,
            sibling,
            env,
        }
    }

    /// What the attempts aim at. The daemon runs by then.
    fn targets(&self, level: &str) -> serde_json::Value {
        let env = &self.env;
        let other = env.state_dir().join("sandbox/other-project");
        fs::create_dir_all(&other).unwrap();
        let socket = env.lock_record().unwrap().endpoint;
        serde_json::json!({
            "level": level, "work": env.work(), "home": env.home(), "state": env.state_dir(), "logs": env.log_dir(),
            "outside": env.root().join("outside"), "tools": env.root().join("tools"), "other_cache": other,
            "gocache": env.home().join(".cache/go-build"), "socket": socket, "daemon": env.daemon_pid().unwrap(),
            "sibling": self.sibling.id(), "tcp": self.tcp.local_addr().unwrap().port(),
            "tcp6": self.tcp6.as_ref().map_or(9, |listener| listener.local_addr().unwrap().port()),
            "udp": self.udp.local_addr().unwrap().port(), "abstract": self.token, "token": self.token,
            "address": own_address(), "key_variable": KEY_VARIABLE, "uid": nix::unistd::getuid().as_raw(),
            "root": nix::unistd::getuid().is_root(), "shm_key": self.memory.0,
        })
    }

    /// Nothing reached a listener, and nothing outside was changed.
    fn assert_untouched(&self) {
        let outside = self.env.root().join("outside");
        let mut names: Vec<_> =
            fs::read_dir(&outside).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names, ["datagram.sock", "spare.txt", "target.txt", "unix.sock"]);
        assert_eq!(fs::read_to_string(outside.join("target.txt")).unwrap(), "mine");
        assert!(!self.env.home().join(".profile-evil").exists());
        for dir in ["/tmp", "/dev/shm"] {
            assert!(!Path::new(dir).join(&self.token).exists(), "{dir}");
        }
        self.tcp.set_nonblocking(true).unwrap();
        self.udp.set_nonblocking(true).unwrap();
        self.unix.set_nonblocking(true).unwrap();
        self.abstract_unix.set_nonblocking(true).unwrap();
        self.datagram.set_nonblocking(true).unwrap();
        let mut buffer = [0; 16];
        assert!(self.tcp.accept().is_err() && self.unix.accept().is_err() && self.abstract_unix.accept().is_err());
        assert!(self.udp.recv(&mut buffer).is_err() && self.datagram.recv(&mut buffer).is_err());
        if let Some(tcp6) = &self.tcp6 {
            tcp6.set_nonblocking(true).unwrap();
            assert!(tcp6.accept().is_err());
        }
    }
}

/// The address by which this machine would talk to others; loopback if it has none.
fn own_address() -> String {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    // Nothing is sent: it only makes the kernel choose.
    let found = socket.connect("192.0.2.1:9").and_then(|()| socket.local_addr());
    found.map_or("127.0.0.1".to_owned(), |address| address.ip().to_string())
}

fn run_check(env: &Env, check: &str) -> Output {
    let model = Model::start(tiny());
    env.config(&model);
    env.et(["run", "-o", ".", "--json", "--no-synthesize", "--check", check, "two files"]).run()
}

/// Results of the attempts in the log of the newest build: name → whether it got through, and why.
fn results(env: &Env) -> BTreeMap<String, (bool, String)> {
    let log = fs::read_to_string(env.newest_log_dir().join("_build_iter1.log")).unwrap();
    let lines = log.lines().filter_map(|line| line.strip_prefix("ATTEMPT "));
    let parsed = lines.map(|line| {
        let mut words = line.splitn(3, ' ');
        let (name, result) = (words.next().unwrap(), words.next().unwrap());
        (name.to_owned(), (result == "open", words.next().unwrap_or_default().to_owned()))
    });
    let found: BTreeMap<_, _> = parsed.collect();
    assert!(found.len() >= 80, "only {} attempts were made:\n{log}", found.len());
    found
}

fn attempt_all(level: &str, expected: SandboxLevel) -> (Bank, BTreeSet<String>) {
    let bank = Bank::new(level);
    bank.env.et(["daemon", "start"]).run().assert_ok();
    bank.env.write("attempts.py", ATTEMPTS);
    bank.env.write("targets.json", &bank.targets(level).to_string());
    let out = run_check(&bank.env, "/usr/bin/python3 attempts.py");
    let result = out.assert_ok().result();
    assert_eq!((result.outcome, result.check.sandbox), (Outcome::Passed, expected), "{out}");
    let found = results(&bank.env);
    for (name, (open, why)) in &found {
        eprintln!("{level} {name} {} {why}", if *open { "OPEN" } else { "shut" });
    }
    // Nothing that it left behind lives: a process that holds the lock would refuse it.
    let lock = fs::File::open(bank.env.work().join("survivor.lock")).unwrap();
    lock.try_lock().unwrap();
    let open = found.into_iter().filter(|(_, (open, _))| *open).map(|(name, _)| name).collect();
    (bank, open)
}

#[test]
fn nothing_gets_out_at_full() {
    require_tool!("bwrap");
    let (bank, open) = attempt_all("full", SandboxLevel::Full);
    assert!(open.is_empty(), "{open:?}");
    bank.assert_untouched();
    assert_eq!(bank.env.read(".git/config"), "[core]\n");
    assert!(!bank.env.has(".git/hooks/post-checkout"));
}

#[test]
fn at_partial_exactly_what_is_documented_gets_out() {
    let (bank, open) = attempt_all("partial", SandboxLevel::Partial);
    let expected: BTreeSet<String> = PARTIAL.iter().map(|&name| name.to_owned()).collect();
    assert_eq!(open, expected);
    bank.assert_untouched();
}

/// Ways that a network opens, which a fetch has by design.
const NETWORK: &[&str] = &[
    "metadata_service",
    "netlink_routes",
    "tcp6_loopback",
    "tcp_hosts_address",
    "tcp_loopback",
    "udp_loopback",
    "udp_outwards",
];

/// From a fetch: the program that fetches is replaced by the attempts. It has the network, and neither the tree nor anything of the user's.
#[test]
fn nothing_gets_out_of_a_fetch() {
    for level in ["full", "partial"] {
        if level == "full" {
            require_tool!("bwrap");
        }
        let bank = Bank::new(level);
        bank.env.et(["daemon", "start"]).run().assert_ok();
        let targets = bank.targets(level).to_string();
        let prelude = format!(
            "#!/usr/bin/python3\nimport os, sys\nsys.argv = ['npm', {targets:?}]\n\
             sys.stdout = open(os.environ['NPM_CONFIG_CACHE'] + '/attempts', 'w')\n"
        );
        let npm = bank.env.root().join("tools/bin/npm");
        fs::write(&npm, prelude + ATTEMPTS).unwrap();
        fs::set_permissions(&npm, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        bank.env.write(
            "package.json",
            "{ \"dependencies\": { \"a\": \"1\" }, \"scripts\": { \"preinstall\": \"touch ran\" } }",
        );
        bank.env.write(".npmrc", "script-shell=./evil\n");
        let out = run_check(&bank.env, "test ! -e ran");
        out.assert_ok();
        let dirs = fs::read_dir(bank.env.state_dir().join("sandbox")).unwrap().map(|entry| entry.unwrap().path());
        let text: String = dirs.filter_map(|dir| fs::read_to_string(dir.join("npm/attempts")).ok()).collect();
        let open: BTreeSet<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("ATTEMPT ")?.split_once(" open"))
            .map(|(name, _)| name)
            .filter(|name| !NETWORK.contains(name))
            .collect();
        assert!(text.lines().count() >= 80, "{text}\n{out}");
        // The tree isn't there, so what is done to its `.git` isn't either.
        let git = ["replace_git", "write_git_config", "write_git_hook"];
        let expected: BTreeSet<&str> =
            PARTIAL.iter().copied().filter(|name| level == "partial" && !git.contains(name)).collect();
        assert_eq!(open, expected, "{level}\n{text}");
    }
}

/// What is taken without end is ended, with a word on why; at both levels.
#[test]
fn greed_is_ended() {
    let bomb =
        "import os, time\nfor _ in range(400):\n    if os.fork() == 0:\n        time.sleep(600)\ntime.sleep(600)\n";
    let memory = "kept = []\nwhile True:\n    kept.append(bytearray(8 << 20))\n";
    for level in ["full", "partial"] {
        if level == "full" {
            require_tool!("bwrap");
        }
        let env = Env::new();
        env.set(proto::hooks::SANDBOX, format!("{level},procs=100,mem=300"));
        env.write("bomb.py", bomb);
        env.write("memory.py", memory);
        for (script, why) in [("bomb.py", "more than 100 processes"), ("memory.py", "more than 300 MiB of memory")] {
            let out = run_check(&env, &format!("/usr/bin/python3 {script}"));
            assert_eq!(out.assert_code(1).result().outcome, Outcome::CheckFailed, "{level} {script}");
            let log = fs::read_to_string(env.newest_log_dir().join("_build_iter1.log")).unwrap();
            assert!(log.contains("killed by signal 9") && log.contains(why), "{level} {script}\n{log}");
        }
        let out = run_check(&env, "yes 0123456789 | head -c 40000000; echo last");
        out.assert_ok();
        let size = fs::metadata(env.newest_log_dir().join("_build_iter1.log")).unwrap().len();
        assert!(size < 16 << 20, "{size}");
    }
}

/// A file that `git` or `et` would believe later is set aside, and said so.
#[test]
fn what_a_check_plants_for_others_is_set_aside() {
    for level in ["full", "partial"] {
        if level == "full" {
            require_tool!("bwrap");
        }
        let env = Env::new();
        env.set(proto::hooks::SANDBOX, level);
        let check = "mkdir -p .git/hooks && echo evil > .git/hooks/post-checkout && echo evil > electrictown.yaml";
        let out = run_check(&env, check);
        out.assert_ok();
        assert!(!env.has(".git") && !env.has("electrictown.yaml"), "{level}");
        assert!(env.has(".git.from-check/hooks/post-checkout") && env.has("electrictown.yaml.from-check"), "{level}");
        assert!(out.stdout.contains("was renamed to `electrictown.yaml.from-check`"), "{out}");
    }
}

/// A log dir deep in the work dir: whoever moved a dir above it could put another one there, with links to what the daemon shall write to.
#[test]
fn a_dir_above_the_logs_cannot_be_moved() {
    require_tool!("bwrap");
    let env = Env::new();
    env.set(proto::hooks::SANDBOX, "full");
    let logs = env.work().join("build/out/logs");
    env.set("ET_LOG_DIR", logs.to_string_lossy());
    let out = run_check(
        &env,
        "test -d build/out/logs && ! mv build moved && ! mv build/out build/moved && ! rmdir build/out/logs",
    );
    assert_eq!(out.assert_ok().result().check.sandbox, SandboxLevel::Full, "{out}");
    let rounds = fs::read_dir(&logs).unwrap();
    assert_eq!(rounds.filter(|round| round.as_ref().unwrap().path().join("_build_iter1.log").is_file()).count(), 1);
    assert!(!env.has("moved") && !env.has("build/moved"));
}

/// Files of the tree that make tools run something, with the tools that were detected for it.
#[test]
fn planted_configurations_run_confined_only() {
    require_tool!("bwrap");
    require_tool!("cargo");
    let env = Env::new();
    let outside = env.root().join("outside");
    fs::create_dir(&outside).unwrap();
    let evil = format!(
        "#!/bin/sh\necho evil > {0}/evil; touch ran; cat {1}/.netrc; exec \"$@\"\n",
        outside.display(),
        env.home().display()
    );
    fs::write(env.home().join(".netrc"), "MARK-SECRET").unwrap();
    env.write("evil.sh", &evil);
    env.write("evil/bin/cargo", &evil);
    env.write("evil/bin/rustc", &evil);
    for script in ["evil.sh", "evil/bin/cargo", "evil/bin/rustc"] {
        fs::set_permissions(env.work().join(script), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    env.write("rust-toolchain.toml", "[toolchain]\npath = \"evil\"\n");
    env.write(".cargo/config.toml", &format!("[build]\nrustc-wrapper = \"{}/evil.sh\"\n", env.work().display()));
    env.write("Cargo.toml", "[package]\nname = \"a\"\nversion = \"0.1.0\"\nedition = \"2021\"\n");
    let write = format!("std::fs::write(\"{}/evil\", \"\").is_ok()", outside.display());
    env.write("build.rs", &format!("fn main() {{ assert!(!{write}); std::fs::write(\"built\", \"\").unwrap(); }}\n"));
    env.write("src/lib.rs", &format!("#[test]\nfn t() {{ assert!(!{write}); }}\n"));
    env.write("conftest.py", &format!("open('{}/evil', 'w')\n", outside.display()));
    env.write("setup.py", &format!("open('{}/evil', 'w')\n", outside.display()));
    let model = Model::start(tiny());
    env.config(&model);
    let out = env.et(["run", "-o", ".", "--json", "--iterate", "--max-iterations", "1", "two files"]).run();
    let result = out.result();
    assert_eq!(result.check.sandbox, SandboxLevel::Full, "{out}");
    let log = fs::read_to_string(env.newest_log_dir().join("_build_iter1.log")).unwrap();
    // What is planted did run, and reached nothing.
    assert!(env.has("ran") && env.has("built"), "{log}");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0, "{log}");
    assert!(!log.contains("MARK-SECRET"), "{log}");
}

#[test]
fn a_sandbox_that_is_required_is_used() {
    require_tool!("bwrap");
    let env = Env::new();
    let model = Model::start(tiny());
    env.write_config(&Config::one(&model, Wire::OpenAi).extra("sandbox: require"));
    let out = env.et(["run", "-o", ".", "--json", "--check", "test ! -e ../state/etd.lock", "two files"]).run();
    assert_eq!(out.assert_ok().result().check.sandbox, SandboxLevel::Full);
    env.write_config(&Config::one(&model, Wire::OpenAi).extra("sandbox: off"));
    let out = env.et(["run", "-o", ".", "--json", "--check", "test -e ../state/etd.lock", "two files"]).run();
    assert_eq!(out.assert_ok().result().check.sandbox, SandboxLevel::None);
}
