//! Disks that are full or can't be written, and databases that aren't what they were. Nothing acknowledged is lost, what can't be stored
//! isn't acknowledged, reads go on, and it recovers by itself.
//!
//! Small disks are file systems in memory, in a mount namespace of the test's own: it runs itself again inside.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use proto::endpoint::DATABASE_FILE;
use proto::outcome::Outcome;
use tests::env::{Env, Output, poll};
use tests::model::{Model, PATIENCE};
use tests::projects::stories;

use crate::aftermath::{assert_nothing_left, assert_same_log, wait_for_type};

/// Set for a test that runs inside.
const INSIDE: &str = "ET_TEST_OWN_MOUNTS";

/// Whether the test may mount things. If not, it was run again where it may, or it says that it can't run; in CI that fails.
fn may_mount(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let unshare = |program: &Path| {
        let mut command = Command::new("unshare");
        if !nix::unistd::geteuid().is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        // What is left when the test ends, ends with it.
        command.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]).arg(program);
        command
    };
    if !unshare(Path::new("/bin/true")).output().is_ok_and(|output| output.status.success()) {
        let ci = std::env::var("CI").is_ok_and(|ci| !ci.is_empty() && ci != "false" && ci != "0");
        assert!(!ci, "a mount namespace isn't to be had, and in CI it must be");
        eprintln!("NOT RUN: a mount namespace isn't to be had");
        return false;
    }
    let mut again = unshare(&std::env::current_exe().unwrap());
    let output = again.args([test, "--exact", "--nocapture"]).env(INSIDE, "1").output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "inside:\n{}", String::from_utf8_lossy(&text));
    false
}

/// A small disk over a dir of an environment.
struct Small {
    dir: PathBuf,
}

impl Small {
    /// With what the dir has, of so many KiB.
    fn over(dir: PathBuf, kib: u32) -> Self {
        let options = format!("size={kib}k,mode=0700");
        mount(Some("none"), &dir, Some("tmpfs"), MsFlags::empty(), Some(options.as_str())).unwrap();
        Self { dir }
    }

    fn filler(&self) -> PathBuf {
        self.dir.join("filler")
    }

    /// Fills it to the last byte.
    fn fill(&self) {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(self.filler()).unwrap();
        for size in [65536, 4096, 1] {
            while file.write_all(&vec![b'.'; size]).is_ok() {}
        }
    }

    fn clear(&self) {
        fs::remove_file(self.filler()).unwrap();
    }

    fn read_only(&self, read_only: bool) {
        let flags = if read_only { MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY } else { MsFlags::MS_REMOUNT };
        mount(None::<&str>, &self.dir, None::<&str>, flags, None::<&str>).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = umount2(&self.dir, MntFlags::MNT_DETACH);
    }
}

fn status(env: &Env) -> serde_json::Value {
    env.et(["daemon", "status", "--json"]).run().json()
}

fn sessions(env: &Env) -> usize {
    env.et(["session", "list", "--json"]).run().assert_ok().json()["sessions"].as_array().unwrap().len()
}

fn spawn(env: &Env) -> Output {
    env.et(["session", "spawn", "--work-dir", "elsewhere", "--no-iterate", "Write a part"]).run()
}

/// Nobody asks for anything: the daemon finds out by itself that it can write again.
fn assert_recovers(env: &Env) {
    assert!(poll(PATIENCE, || status(env).get("trouble").is_none()), "{}", status(env));
}

#[test]
fn a_full_disk_below_the_state_dir() {
    if !may_mount("disk::a_full_disk_below_the_state_dir") {
        return;
    }
    let env = Env::new();
    let disk = Small::over(env.state_dir(), 6 * 1024);
    let model = Model::start(stories::tiny().hold("work/two"));
    env.config(&model);
    let run = env.et_spawn([
        "run",
        "-o",
        ".",
        "--json",
        "--iterate",
        "--no-synthesize",
        "--check",
        stories::TINY_CHECK,
        "Write two files",
    ]);
    wait_for_type(&run, "file.written", "one.txt");
    model.wait_for_held("work/two");
    disk.fill();
    model.release("work/two");
    // The answer has come and can't be recorded: it has no effects.
    assert!(poll(PATIENCE, || status(&env).get("trouble").is_some()), "{}", status(&env));
    assert!(status(&env)["trouble"].as_str().unwrap().contains("full"), "{}", status(&env));
    let finished = |line: &str| line.contains("worker.finished") && line.contains("\"worker\":\"two\"");
    assert!(!env.has("two.txt") && !run.stdout().lines().any(finished), "{}", run.stdout());
    // Reads go on, and what can't be stored isn't acknowledged.
    let listed = env.et(["session", "list", "--json"]).run().json();
    assert!(listed["sessions"][0]["state"].as_str().unwrap().starts_with("stuck: "), "{listed}");
    let refused = spawn(&env);
    refused.assert_code(74).assert_stderr("full").assert_stderr("make room");
    assert_eq!((refused.stdout.as_str(), sessions(&env)), ("", 1));
    env.et(["session", "kill", "last"]).run().assert_code(74);
    disk.clear();
    let out = run.wait();
    out.assert_ok();
    assert_same_log(&env, &out);
    assert_eq!((out.result().outcome, out.result().usage.repeated_calls), (Outcome::Passed, 0), "{}", model.summary());
    model.no_call_twice();
    assert_eq!(env.read("two.txt"), stories::TINY_MENDED);
    assert_recovers(&env);

    // Nobody retries what was refused; still it shows when there is room again.
    disk.fill();
    spawn(&env).assert_code(74);
    assert!(status(&env).get("trouble").is_some());
    disk.clear();
    assert_recovers(&env);

    // A daemon that can't start says so, and loses nothing.
    env.et(["daemon", "stop"]).run().assert_ok();
    disk.fill();
    env.et(["session", "list"]).run().assert_code(74).assert_stderr("state dir").assert_stderr("room on its disk");
    disk.clear();
    assert_eq!(sessions(&env), 1);
    assert_same_log(&env, &out);
    assert_nothing_left(env);
}

#[test]
fn a_disk_that_is_full_again_and_again() {
    if !may_mount("disk::a_disk_that_is_full_again_and_again") {
        return;
    }
    let env = Env::new();
    let disk = Small::over(env.state_dir(), 6 * 1024);
    let model = Model::start(stories::wide(4));
    env.config(&model);
    let check = "test -s part-1.txt -a -s part-4.txt";
    let mut run = env.et_spawn([
        "run",
        "-o",
        ".",
        "--json",
        "--iterate",
        "--no-synthesize",
        "--check",
        check,
        "Write four parts",
    ]);
    wait_for_type(&run, "round.started", "");
    let mut times = 0;
    while run.is_running() {
        disk.fill();
        let full = poll(PATIENCE, || !run.is_running() || status(&env).get("trouble").is_some());
        assert!(full, "it neither ends nor is stuck");
        if times == 1 && run.is_running() {
            // What waits for the disk doesn't hold up a stop, and the client waits for the next daemon.
            let began = std::time::Instant::now();
            env.et(["daemon", "stop"]).run().assert_ok();
            assert!(began.elapsed().as_secs() < 15, "{:?}", began.elapsed());
        }
        disk.clear();
        env.et(["session", "list"]).run().assert_ok();
        assert_recovers(&env);
        times += 1;
    }
    assert!(times > 1, "the disk was full once only");
    let out = run.wait();
    out.assert_ok();
    assert_same_log(&env, &out);
    assert_nothing_left(env);
}

#[test]
fn a_full_disk_below_the_work_dir() {
    if !may_mount("disk::a_full_disk_below_the_work_dir") {
        return;
    }
    let env = Env::new();
    let disk = Small::over(env.work(), 512);
    let model = Model::start(stories::wide(2));
    env.config(&model);
    let run = || env.et(["run", "-o", ".", "--json", "--no-synthesize", "Write two parts"]).run();
    disk.fill();
    let out = run();
    let result = out.assert_code(8).result();
    assert_eq!(result.outcome, Outcome::Partial);
    assert_eq!(result.files, []);
    assert!(result.refused.iter().all(|one| one.reason.contains("No space left")), "{:?}", result.refused);
    assert!(!out.stdout.contains("file.written"));
    assert_eq!(fs::read_dir(env.work()).unwrap().count(), 1);
    disk.clear();
    run().assert_ok();
    assert!(env.has("part-1.txt") && env.has("part-2.txt"));
    assert_nothing_left(env);
}

#[test]
fn a_full_disk_below_the_log_dir() {
    if !may_mount("disk::a_full_disk_below_the_log_dir") {
        return;
    }
    let env = Env::new();
    let disk = Small::over(env.log_dir(), 512);
    let model = Model::start(stories::wide(1).hold("work"));
    env.config(&model);
    let run = env.et_spawn(["run", "-o", ".", "--json", "--no-synthesize", "Write a part"]);
    model.wait_for_held("work");
    disk.fill();
    model.release("work");
    // Logs are for people: the round is what it would be without them, and says what it lacks.
    let out = run.wait();
    assert_eq!(out.assert_ok().result().outcome, Outcome::Completed);
    assert!(out.stdout.contains("the logs aren't complete") && out.stdout.contains("No space left"), "{out}");
    assert_same_log(&env, &out);
    disk.clear();
    let out = env.et(["run", "-o", ".", "--json", "--no-synthesize", "Write a part"]).run();
    assert!(!out.assert_ok().stdout.contains("the logs aren't complete"), "{out}");
    assert!(env.newest_log_dir().join("_synthesis.md").exists());
    assert_nothing_left(env);
}

#[test]
fn a_disk_that_becomes_read_only_below_the_state_dir() {
    if !may_mount("disk::a_disk_that_becomes_read_only_below_the_state_dir") {
        return;
    }
    let env = Env::new();
    let disk = Small::over(env.state_dir(), 6 * 1024);
    let model = Model::start(stories::wide(1));
    env.config(&model);
    disk.read_only(true);
    let refused = env.et(["session", "list"]).run();
    refused.assert_code(74).assert_stderr("Read-only").assert_stderr("ET_STATE_DIR");
    disk.read_only(false);
    env.et(["run", "-o", ".", "--quiet", "Write a part"]).run().assert_ok();
    // Nothing is open for writing while nothing is stored.
    env.et(["daemon", "stop"]).run().assert_ok();
    disk.read_only(true);
    env.et(["session", "list"]).run().assert_code(74).assert_stderr("Read-only");
    disk.read_only(false);
    assert_eq!(sessions(&env), 1);
    assert_nothing_left(env);
}

#[test]
fn a_damaged_database_is_kept_and_named() {
    let env = Env::new();
    let model = Model::start(stories::wide(1));
    env.config(&model);
    env.et(["run", "-o", ".", "--quiet", "Write a part"]).run().assert_ok();
    env.et(["daemon", "stop"]).run().assert_ok();
    let path = env.state_dir().join(DATABASE_FILE);
    let whole = fs::read(&path).unwrap();

    // Of a newer version: it isn't touched.
    let db = rusqlite::Connection::open(&path).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    drop(db);
    env.et(["session", "list"]).run().assert_code(69).assert_stderr("version 99").assert_stderr("versions up to");
    fs::write(&path, &whole).unwrap();
    assert_eq!(sessions(&env), 1);
    env.et(["daemon", "stop"]).run().assert_ok();

    let middle = whole.len() / 2;
    let mut garbage = whole.clone();
    garbage[middle..].fill(0xa5);
    let damaged: [&[u8]; 3] = [&garbage, &whole[..middle], b""];
    for damaged in damaged {
        fs::write(&path, damaged).unwrap();
        let out = env.et(["session", "list"]).run();
        out.assert_code(69).assert_stderr("is damaged").assert_stderr("it was kept as ");
        let (_, kept) = out.stderr.split_once("it was kept as ").unwrap();
        let (kept, _) = kept.split_once(", and the next start begins with an empty one").unwrap();
        assert_eq!(fs::read(kept).unwrap(), damaged, "{kept}");
        // Whoever goes on after these words begins anew.
        assert_eq!(sessions(&env), 0);
        env.et(["daemon", "stop"]).run().assert_ok();
        assert!(Path::new(kept).exists());
    }
    assert_nothing_left(env);
}

#[test]
fn a_database_that_another_program_has_locked() {
    let env = Env::new();
    let model = Model::start(stories::wide(1));
    env.config(&model);
    env.et(["run", "-o", ".", "--quiet", "Write a part"]).run().assert_ok();
    let path = env.state_dir().join(DATABASE_FILE);
    let lock = rusqlite::Connection::open(&path).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = spawn(&env);
    refused.assert_code(74).assert_stderr("another program holds a lock");
    assert!(status(&env)["trouble"].as_str().unwrap().contains("lock"), "{}", status(&env));
    assert_eq!(sessions(&env), 1);
    lock.execute_batch("ROLLBACK").unwrap();
    assert_recovers(&env);
    drop(lock);
    env.et(["daemon", "stop"]).run().assert_ok();

    // One that lets nobody even read: the database isn't taken for a damaged one.
    let lock = rusqlite::Connection::open(&path).unwrap();
    lock.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; DELETE FROM mark WHERE key = '-'; COMMIT")
        .unwrap();
    env.et(["session", "list"]).run().assert_code(74).assert_stderr("another program holds a lock");
    drop(lock);
    assert_eq!(sessions(&env), 1);
    assert_nothing_left(env);
}
