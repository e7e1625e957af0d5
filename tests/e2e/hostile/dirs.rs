//! Work dirs.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::time::{Duration, Instant};

use proto::event::Event;
use proto::outcome::Outcome;
use proto::report::CheckStatus;
use tests::env::{Env, poll};
use tests::model::{Model, PATIENCE, Story, Sub};
use tests::projects::stories::{TINY_CHECK, TINY_ONE, tiny};

/// A tree with everything in it that isn't a small readable file of text.
fn plant(env: &Env) {
    let at = |path: &str| env.work().join(path);
    let fifo = |path: &str| nix::unistd::mkfifo(&at(path), nix::sys::stat::Mode::S_IRWXU).unwrap();
    // Where a reader expects files, and would wait for ever.
    for path in ["AGENTS.md", "README.md", "go.mod", "Cargo.toml", "package.json", "Makefile", ".gitignore"] {
        fifo(path);
    }
    fs::create_dir_all(at("sub")).unwrap();
    fifo("sub/.gitignore");
    fifo("sub/main.go");
    std::os::unix::net::UnixListener::bind(at("sub/socket.c")).unwrap();
    symlink("/dev/zero", at("sub/zero.py")).unwrap();
    symlink("/proc/self/environ", at("sub/environ.txt")).unwrap();
    symlink("..", at("sub/up")).unwrap();
    symlink("loop.txt", at("loop.txt")).unwrap();
    fs::File::create(at("sparse.txt")).unwrap().set_len(5 << 30).unwrap();
    fs::File::create(at("endless.go")).unwrap().set_len(1 << 42).unwrap();
    for name in
        [b"bad\xff.txt".as_slice(), b"esc\x1b[31m.txt", b"line\nbreak.txt", b"c1\xc2\x9b.txt", b"\xe2\x80\xae.txt"]
    {
        fs::write(env.work().join(std::ffi::OsStr::from_bytes(name)), "x\n").unwrap();
    }
    env.write("closed.txt", "MARK-CLOSED\n");
    fs::set_permissions(at("closed.txt"), fs::Permissions::from_mode(0o000)).unwrap();
    env.write("Twin.txt", "x\n");
    env.write("twin.txt", "y\n");
    fs::create_dir_all(at(&"d/".repeat(1_000))).unwrap();
    env.write("honest.txt", "MARK-HONEST\n");
    for n in 0..3_000 {
        fs::hard_link(at("Twin.txt"), at(&format!("sub/{n}.txt"))).unwrap();
    }
}

#[test]
fn a_tree_of_everything_that_is_no_file_is_worked_in_as_any_other() {
    let env = Env::new();
    plant(&env);
    let secret = env.root().join("hard.txt");
    fs::write(&secret, "a hard link from outside\n").unwrap();
    fs::hard_link(&secret, env.work().join("hard.txt")).unwrap();
    let model = Model::start(
        Story::new()
            .plan([
                Sub::new("new", "The new file").owns(["new.txt"]).reads([
                    "honest.txt",
                    "AGENTS.md",
                    "sparse.txt",
                    "sub/zero.py",
                    "sub/socket.c",
                    "loop.txt",
                    "sub/environ.txt",
                ]),
                Sub::new("hard", "The linked file").owns(["hard.txt"]),
            ])
            .file("new", "new.txt", "new\n")
            .file("hard", "hard.txt", "written here\n")
            .expects("work/new", "MARK-HONEST")
            .lenient(),
    );
    env.config(&model);
    let begin = Instant::now();
    let out = env.et(["run", "-o", ".", "--json", "--check", "cat new.txt hard.txt", "write the files"]).run();
    let result = out.assert_ok().result();
    assert_eq!((result.outcome, result.check.status), (Outcome::Passed, CheckStatus::Green));
    // No more than a machine that is busy with other things takes; one that reads a terabyte takes hours.
    assert!(begin.elapsed() < PATIENCE + Duration::from_secs(60), "{:?}", begin.elapsed());
    assert_eq!((env.read("new.txt"), env.read("hard.txt")), ("new\n".into(), "written here\n".into()));
    assert_eq!(fs::read_to_string(&secret).unwrap(), "a hard link from outside\n", "written through a hard link");
    // Detection looks at manifests that are pipes, and a tool that waits for one is ended when the time is over.
    let out = env.et(["run", "-o", ".", "--json", "--iterate", "--timeout", "4s", "write the files"]).run();
    assert!(matches!(out.result().outcome, Outcome::Deadline | Outcome::Partial), "{out}");
    for command in [&["session", "diff", "last"][..], &["session", "undo", "last"]] {
        let out = env.et(command).run();
        assert!(matches!(out.code, Some(0 | 2)), "{out}");
    }
    for record in model.records() {
        assert!(!record.text.contains("HOME=") && !record.text.contains('\u{1b}'), "{}", record.label());
    }
}

#[test]
fn a_work_dir_that_is_replaced_meanwhile_is_never_called_passed() {
    // Before the files are written, and while the check runs.
    for while_checking in [false, true] {
        let env = Env::new();
        let story = if while_checking { tiny() } else { tiny().hold("work/two") };
        let model = Model::start(story);
        env.config(&model);
        let check = if while_checking { "touch began; while ! test -e go; do sleep 0.05; done" } else { "true" };
        let running = env.et_spawn(["run", "-o", "dir", "--json", "--iterate", "--check", check, "two files"]);
        let dir = env.work().join("dir");
        if while_checking {
            running.wait_for_event(|line| matches!(line.event, Event::CheckStarted { .. }));
            assert!(poll(PATIENCE, || env.has("dir/began")));
        } else {
            model.wait_for_held("work/two");
        }
        fs::rename(&dir, env.work().join("aside")).unwrap();
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("theirs.txt"), "theirs\n").unwrap();
        if while_checking {
            env.write("aside/go", "");
        } else {
            model.release("work/two");
        }
        let out = running.wait();
        let result = out.assert_code(8).result();
        assert_eq!((result.outcome, result.check.status), (Outcome::Partial, CheckStatus::None), "{out}");
        assert!(out.stdout.contains("the work dir was removed or replaced"), "{out}");
        let names: Vec<_> = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["theirs.txt"], "written to a dir that nobody named");
        // The next round takes what is there now.
        env.et(["run", "-o", "dir", "two files"]).run().assert_ok();
        assert_eq!((env.read("dir/one.txt"), env.read("dir/theirs.txt")), (TINY_ONE.into(), "theirs\n".into()));
    }
}

#[test]
fn a_work_dir_may_be_on_another_file_system_than_everything_else() {
    let env = Env::new();
    if !cfg!(target_os = "linux") {
        // There is no such file system.
        return;
    }
    let elsewhere = tempfile::Builder::new().prefix("et-test-").tempdir_in("/dev/shm").unwrap();
    let device = |path: &std::path::Path| fs::metadata(path).unwrap().dev();
    assert_ne!(device(elsewhere.path()), device(&env.state_dir()));
    let model = Model::start(tiny());
    env.config(&model);
    let dir = elsewhere.path().join("work");
    let place = dir.to_str().unwrap();
    let out = env.et(["run", "-o", place, "--json", "--iterate", "--check", TINY_CHECK, "two files"]).run();
    assert_eq!(out.assert_ok().result().outcome, Outcome::Passed);
    assert_eq!(fs::read_to_string(dir.join("one.txt")).unwrap(), TINY_ONE);
    env.et(["session", "undo", "last"]).run().assert_ok();
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
}
