//! A service manager listens and starts the daemon for whoever connects. This test is the manager: it binds the socket, hands it over
//! as descriptor 3, and hears what the daemon says of itself.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll as wait_for};
use nix::sys::signal::Signal;
use proto::endpoint::ACTIVATION_FILE;
use tests::env::{Env, Output};
use tests::model::{Model, PATIENCE};
use tests::projects::stories;

use crate::aftermath::{assert_nothing_left, daemons};

/// As systemd starts a service: descriptor 3, the service's own process id, and an environment that nobody chose for it.
const HAND_OVER: &str = r#"exec 3<&0 0</dev/null; export LISTEN_PID=$$; exec "$@""#;
/// What is in the environment of many a user's session.
const LEAK: (&str, &str) = ("VENDOR_API_KEY", "sk-of-the-session-1");

struct Manager {
    dir: PathBuf,
    etd: PathBuf,
    state_dir: PathBuf,
    vars: BTreeMap<String, String>,
    notify: UnixDatagram,
}

impl Manager {
    fn new(env: &Env) -> Self {
        let dir = env.root().join("run/et");
        fs::create_dir_all(&dir).unwrap();
        fs::set_permissions(&dir, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let notify = UnixDatagram::bind(env.root().join("run/notify")).unwrap();
        notify.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut vars = env.vars();
        vars.insert("NOTIFY_SOCKET".to_owned(), env.root().join("run/notify").to_string_lossy().into_owned());
        vars.insert("LISTEN_FDS".to_owned(), "1".to_owned());
        vars.insert("LISTEN_FDNAMES".to_owned(), "etd.socket".to_owned());
        vars.insert(LEAK.0.to_owned(), LEAK.1.to_owned());
        Self { dir, etd: env.et_path().with_file_name("etd"), state_dir: env.state_dir(), vars, notify }
    }

    fn path(&self) -> PathBuf {
        self.dir.join(ACTIVATION_FILE)
    }

    fn bind(&self) -> UnixListener {
        UnixListener::bind(self.path()).unwrap()
    }

    /// As a manager does that stops listening.
    fn unbind(&self) {
        let _ = fs::remove_file(self.path());
    }

    fn start(&self, handed: impl Into<OwnedFd>) -> Child {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", HAND_OVER, "sh"])
            .arg(&self.etd)
            .arg("--state-dir")
            .arg(&self.state_dir)
            .env_clear()
            .envs(&self.vars)
            .process_group(0);
        command.stdin(Stdio::from(handed.into())).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// What the daemon says next.
    fn hear(&self) -> String {
        let mut text = [0; 1024];
        let length = self.notify.recv(&mut text).expect("the daemon says something");
        String::from_utf8(text[..length].to_vec()).unwrap()
    }
}

/// Waits for a daemon's end; exit code and what it said.
fn ended(mut child: Child) -> (Option<i32>, String) {
    let mut text = String::new();
    child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    (child.wait().unwrap().code(), text)
}

/// Waits until somebody wants to be let in.
fn somebody_waits(listener: &UnixListener) -> bool {
    use std::os::fd::AsFd as _;
    let mut waiting = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
    wait_for(&mut waiting, PollTimeout::try_from(PATIENCE).unwrap()).is_ok_and(|count| count == 1)
}

fn sessions(out: &Output) -> usize {
    out.assert_ok().json()["sessions"].as_array().unwrap().len()
}

#[test]
fn who_connects_is_served_and_the_socket_stays() {
    let env = Env::new();
    let model = Model::start(stories::wide(1));
    env.config(&model);
    let manager = Manager::new(&env);
    let listener = manager.bind();
    let inode = fs::metadata(manager.path()).unwrap().ino();
    // A test's state dir isn't the one that the unit stands for, so the client is told.
    env.set("ET_SOCKET", manager.path().to_string_lossy());
    let clients: Vec<_> = (0..3).map(|_| env.et_spawn(["session", "list", "--json"])).collect();
    assert!(somebody_waits(&listener));
    let daemon = manager.start(listener.try_clone().unwrap());
    assert_eq!(manager.hear(), format!("READY=1\nSTATUS=ready at {}", manager.path().display()));
    for client in clients {
        assert_eq!(sessions(&client.wait()), 0);
    }
    let record = env.lock_record().unwrap();
    assert_eq!((record.pid, record.endpoint, record.activated), (daemon.id(), manager.path(), true));
    assert_eq!(daemons(&env).len(), 1, "nobody else was started: {:#?}", daemons(&env));

    // What the manager's session has in its environment reaches no build.
    env.et([
        "run",
        "-o",
        "out",
        "--check",
        "env; test -z \"$VENDOR_API_KEY$LISTEN_FDS$LISTEN_PID$NOTIFY_SOCKET\"",
        "Write a part",
    ])
    .run()
    .assert_ok();
    assert!(env.files_with(&[LEAK.1, "LISTEN_FDS=", "NOTIFY_SOCKET="]).is_empty());

    // Its name may go: it is the manager's, who may put another one there.
    fs::rename(manager.path(), manager.dir.join("aside")).unwrap();
    let other = UnixListener::bind(manager.path()).unwrap();
    let others = fs::metadata(manager.path()).unwrap().ino();
    env.et(["daemon", "stop"]).env("ET_SOCKET", manager.dir.join("aside").to_string_lossy()).run().assert_ok();
    assert_eq!(manager.hear(), "STOPPING=1");
    assert_eq!(ended(daemon).0, Some(0));
    assert_eq!(fs::metadata(manager.path()).unwrap().ino(), others);
    drop(other);
    fs::rename(manager.dir.join("aside"), manager.path()).unwrap();
    assert_eq!(fs::metadata(manager.path()).unwrap().ino(), inode);

    // The record leads there, without being told; asking how it is starts nothing, nor does a client that must not.
    env.unset("ET_SOCKET");
    env.et(["daemon", "status"]).run().assert_code(69).assert_stdout("no daemon runs");
    env.et(["session", "list", "--no-autostart"]).run().assert_code(69).assert_stderr("no daemon");
    let client = env.et_spawn(["session", "list", "--json"]);
    assert!(somebody_waits(&listener));
    let daemon = manager.start(listener.try_clone().unwrap());
    assert!(manager.hear().starts_with("READY=1"));
    assert_eq!(sessions(&client.wait()), 1);
    env.et(["daemon", "status"]).run().assert_ok().assert_stdout(&manager.path().to_string_lossy());
    // As the manager stops a service.
    env.signal_daemon(Signal::SIGTERM);
    assert_eq!(manager.hear(), "STOPPING=1");
    assert_eq!(ended(daemon).0, Some(0));
    assert_eq!(fs::metadata(manager.path()).unwrap().ino(), inode);
    manager.unbind();
    assert_nothing_left(env);
}

#[test]
fn one_that_autostart_has_started_keeps_the_work_and_gets_the_clients() {
    let env = Env::new();
    env.et(["daemon", "start"]).run().assert_ok();
    let first = env.lock_record().unwrap();
    let manager = Manager::new(&env);
    let listener = manager.bind();
    let mut waiting = UnixStream::connect(manager.path()).unwrap();
    waiting.set_read_timeout(Some(PATIENCE)).unwrap();
    env.set("ET_SOCKET", manager.path().to_string_lossy());
    let client = env.et_spawn(["session", "list", "--json"]);
    // As systemd does: whenever somebody waits, the service is started.
    let mut starts = 0;
    let mut client = client;
    while client.is_running() {
        use std::os::fd::AsFd as _;
        let mut ready = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
        if wait_for(&mut ready, PollTimeout::from(20_u8)).is_ok_and(|count| count == 1) {
            starts += 1;
            let (code, text) = ended(manager.start(listener.try_clone().unwrap()));
            assert_eq!(code, Some(69));
            let word = format!("another daemon is at work in {}", env.state_dir().display());
            assert!(text.contains(&word) && text.contains(&format!("pid {}", first.pid)), "{text}");
            assert!(manager.hear().contains("STATUS=already"));
        }
    }
    // It was turned away, and found the one that has the lock.
    assert_eq!(sessions(&client.wait()), 0);
    assert!((1..=4).contains(&starts), "{starts} starts for two who waited");
    assert_eq!(waiting.read(&mut [0]).unwrap(), 0, "nobody waits for ever");
    assert_eq!(env.lock_record().unwrap().pid, first.pid);
    env.unset("ET_SOCKET");
    manager.unbind();
    assert_nothing_left(env);
}

#[test]
fn what_is_no_socket_for_a_daemon_is_refused_with_a_word() {
    let env = Env::new();
    let mut manager = Manager::new(&env);
    let refused = |manager: &Manager, handed: OwnedFd, word: &str| {
        let (code, text) = ended(manager.start(handed));
        assert_eq!(code, Some(69), "{text}");
        assert!(text.contains(word), "{word:?} is missing: {text}");
        let said = manager.hear();
        assert!(said.starts_with("STATUS=failed socket: ") && said.contains(word), "{said}");
        assert!(env.lock_record().is_none(), "nothing was begun");
    };
    refused(&manager, TcpListener::bind("127.0.0.1:0").unwrap().into(), "is no Unix socket");
    refused(&manager, UnixDatagram::bind(manager.dir.join("datagram")).unwrap().into(), "is no stream socket");
    refused(&manager, UnixStream::pair().unwrap().0.into(), "doesn't listen");
    refused(&manager, fs::File::open("/dev/null").unwrap().into(), "is no socket");
    let listener = manager.bind();
    for garbage in ["2", "0", "one", "", "-1", "1 1", "18446744073709551617"] {
        manager.vars.insert("LISTEN_FDS".to_owned(), garbage.to_owned());
        refused(&manager, listener.try_clone().unwrap().into(), "exactly one socket");
    }
    manager.vars.insert("LISTEN_FDS".to_owned(), "1".to_owned());
    fs::set_permissions(&manager.dir, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    refused(&manager, listener.try_clone().unwrap().into(), "others have access");
    assert!(manager.path().exists());
    manager.unbind();
    assert_nothing_left(env);
}

#[test]
fn a_start_that_fails_lets_nobody_wait_and_the_client_says_why() {
    let env = Env::new();
    // A log that can't be written.
    fs::create_dir(env.state_dir().join("etd.log")).unwrap();
    let manager = Manager::new(&env);
    let listener = manager.bind();
    env.set("ET_SOCKET", manager.path().to_string_lossy());
    let client = env.et_spawn(["session", "list"]);
    assert!(somebody_waits(&listener));
    let (code, text) = ended(manager.start(listener.try_clone().unwrap()));
    assert_eq!(code, Some(74), "{text}");
    assert!(text.contains("Is a directory"), "{text}");
    assert!(manager.hear().starts_with("STATUS=failed state-dir: "));
    drop(listener);
    // Turned away, it tries for itself, and says what it hears.
    client.wait().assert_code(74).assert_stderr("Is a directory");
    env.unset("ET_SOCKET");
    manager.unbind();
    assert_nothing_left(env);
}

#[test]
fn the_unit_names_what_the_client_looks_for_and_leaves_namespaces_alone() {
    let socket = include_str!("../../etd/systemd/etd.socket");
    let service = include_str!("../../etd/systemd/etd.service");
    let has = |text: &str, line: &str| text.lines().any(|one| one == line);
    assert!(has(socket, &format!("ListenStream=%t/et/{ACTIVATION_FILE}")));
    assert!(has(socket, "SocketMode=0600") && has(socket, "DirectoryMode=0700"));
    let set = service.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
    let allowed = [
        "Description",
        "Requires",
        "After",
        "Type",
        "ExecStart",
        "Restart",
        "RestartSec",
        "RestartPreventExitStatus",
        "KillMode",
        "TimeoutStopSec",
        "LimitCORE",
        "WantedBy",
        "Also",
    ];
    for (name, _) in set {
        assert!(allowed.contains(&name), "{name}: does bubblewrap still work with it?");
    }
    let exit = proto::outcome::exit::UNAVAILABLE;
    assert!(has(service, &format!("RestartPreventExitStatus={exit} {}", proto::outcome::exit::STATE)));
    // And it is installed with its paths right.
    let env = Env::new();
    let prefix = env.root().join("a b%c&d");
    let top = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let make = ["-s", "-C", &top.to_string_lossy(), "install-unit"].map(str::to_owned);
    env.command("make", make).env("PREFIX", prefix.to_string_lossy()).run().assert_ok();
    let installed = fs::read_to_string(prefix.join("share/systemd/user/etd.service")).unwrap();
    let line = format!("ExecStart=\"{}/a b%%c&d/bin/etd\" --state-dir %h/.local/state/et", env.root().display());
    assert!(has(&installed, &line), "{installed}");
    assert!(prefix.join("share/systemd/user/etd.socket").is_file());
}
