#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use super::*;

mod hostile;

struct Room {
    base: tempfile::TempDir,
    ws: Workspace,
}

impl Room {
    fn new() -> Self {
        let base = tempfile::tempdir().unwrap();
        let ws = Workspace::open(&base.path().join("work"), None).unwrap();
        fs::create_dir(base.path().join("outside")).unwrap();
        fs::write(base.path().join("outside/secret"), "secret").unwrap();
        Self { base, ws }
    }

    fn at(&self, path: &str) -> std::path::PathBuf {
        self.ws.root().join(path)
    }

    fn put(&self, path: &str, text: &str) {
        fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
        fs::write(self.at(path), text).unwrap();
    }

    fn outside(&self) -> std::path::PathBuf {
        self.base.path().join("outside")
    }

    fn write(&self, path: &str, before: Option<&str>, after: Option<&str>) -> Result<Applied, ApplyError> {
        let change = Change {
            path: rel(path),
            before: before.map(|text| Hash::of(text.as_bytes())),
            after: after.map(|text| Hash::of(text.as_bytes())),
        };
        self.ws.apply(&change, after.map(str::as_bytes))
    }

    /// Nothing outside has changed, and no temporary file is left.
    fn unharmed(&self) {
        let names: Vec<_> = fs::read_dir(self.outside()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["secret"]);
        assert_eq!(fs::read_to_string(self.outside().join("secret")).unwrap(), "secret");
        assert_eq!(self.ws.sweep(), 0);
    }
}

fn rel(path: &str) -> RelPath {
    RelPath::parse(path).unwrap()
}

fn names(listing: &Listing) -> Vec<&str> {
    listing.files.iter().map(|file| file.path.as_str()).collect()
}

#[test]
fn the_hash_is_sha256() {
    let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(Hash::of(b"abc"), Hash(expected.to_owned()));
}

#[test]
fn a_missing_work_dir_is_created_and_has_one_identity() {
    let base = tempfile::tempdir().unwrap();
    let path = base.path().join("a/b");
    let ws = Workspace::open(&path, Some(base.path())).unwrap();
    assert_eq!(ws.name(), "b");
    assert!(path.is_dir());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o022, 0);
    symlink(&path, base.path().join("link")).unwrap();
    let same = Workspace::open(&base.path().join("link"), None).unwrap();
    assert_eq!((same.identity(), same.root()), (ws.identity(), ws.root()));
}

#[test]
fn dirs_that_are_no_work_dirs_are_refused_with_a_hint() {
    let base = tempfile::tempdir().unwrap();
    let home = base.path().join("home");
    fs::create_dir(&home).unwrap();
    symlink(&home, base.path().join("link")).unwrap();
    symlink(base.path().join("nowhere"), base.path().join("dangling")).unwrap();
    fs::write(base.path().join("file"), "").unwrap();
    let open = |path: &Path| Workspace::open(path, Some(&home)).unwrap_err();
    assert!(matches!(open(Path::new("/")), WorkspaceError::Root));
    assert!(matches!(open(Path::new("/tmp/..")), WorkspaceError::Root));
    assert!(matches!(open(Path::new("build")), WorkspaceError::Relative(_)));
    assert!(matches!(open(&home), WorkspaceError::Home(_)));
    assert!(matches!(open(&base.path().join("link")), WorkspaceError::Home(_)));
    assert!(matches!(open(&base.path().join("file")), WorkspaceError::NotADirectory(_)));
    assert!(matches!(open(&base.path().join("file/sub")), WorkspaceError::NotADirectory(_)));
    assert!(matches!(open(&base.path().join("dangling")), WorkspaceError::Io { .. }));
    // A dir of somebody else: `/` is root's, so for anybody else any dir of root's will do.
    let foreign = base.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    let path = if std::os::unix::fs::chown(&foreign, Some(12345), None).is_ok() {
        foreign.as_path()
    } else {
        Path::new("/usr")
    };
    let error = open(path);
    assert!(matches!(error, WorkspaceError::NotOurs { .. }), "{error}");
    assert!(!error.hint().is_empty());
}

#[test]
fn a_file_is_created_changed_and_deleted_once() {
    let room = Room::new();
    let deep = "a/b/c/d/e/f/g/h/i/j/k/x.go";
    assert_eq!(room.write(deep, None, Some("one")).unwrap(), Applied::Written);
    assert_eq!(room.write(deep, None, Some("one")).unwrap(), Applied::Already);
    assert_eq!(room.write(deep, Some("one"), Some("two")).unwrap(), Applied::Written);
    assert_eq!(room.write(deep, Some("one"), Some("two")).unwrap(), Applied::Already);
    let content = room.ws.read(&rel(deep)).unwrap().unwrap();
    assert_eq!((content.bytes.as_slice(), content.hash), (b"two".as_slice(), Hash::of(b"two")));
    assert_eq!(room.ws.hash(&rel(deep)).unwrap(), Some(Hash::of(b"two")));
    assert_eq!(room.write(deep, Some("two"), None).unwrap(), Applied::Deleted);
    assert_eq!(room.write(deep, Some("two"), None).unwrap(), Applied::Already);
    assert_eq!(room.write("gone/x", Some("two"), None).unwrap(), Applied::Already);
    assert_eq!(room.ws.read(&rel(deep)).unwrap(), None);
    assert!(room.at("a/b/c").is_dir());
    room.unharmed();
}

#[test]
fn a_file_that_changed_meanwhile_is_not_overwritten() {
    let room = Room::new();
    room.put("x", "by hand");
    for (before, after) in [(None, Some("new")), (Some("old"), Some("new")), (Some("old"), None)] {
        match room.write("x", before, after) {
            Err(ApplyError::Conflict { found, .. }) => assert_eq!(found, Some(Hash::of(b"by hand"))),
            other => panic!("{other:?}"),
        }
    }
    for path in ["gone", "no/such/dir/gone"] {
        match room.write(path, Some("old"), Some("new")) {
            Err(ApplyError::Conflict { found, .. }) => assert_eq!(found, None),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(fs::read_to_string(room.at("x")).unwrap(), "by hand");
    assert!(!room.at("no").exists());
    room.unharmed();
}

#[test]
fn content_that_was_not_recorded_is_not_written() {
    let room = Room::new();
    let change = Change { path: rel("x"), before: None, after: Some(Hash::of(b"a")) };
    assert!(matches!(room.ws.apply(&change, Some(b"b")), Err(ApplyError::Content { .. })));
    assert!(matches!(room.ws.apply(&change, None), Err(ApplyError::Content { .. })));
    assert!(!room.at("x").exists());
}

#[test]
fn mode_bits_are_kept() {
    let room = Room::new();
    for mode in [0o755, 0o600, 0o444] {
        room.put("run.sh", "old");
        fs::set_permissions(room.at("run.sh"), fs::Permissions::from_mode(mode)).unwrap();
        room.write("run.sh", Some("old"), Some("new")).unwrap();
        assert_eq!(fs::metadata(room.at("run.sh")).unwrap().permissions().mode() & 0o7777, mode);
        fs::remove_file(room.at("run.sh")).unwrap();
    }
}

#[test]
fn a_hard_link_is_replaced_not_written_through() {
    let room = Room::new();
    fs::hard_link(room.outside().join("secret"), room.at("x")).unwrap();
    room.write("x", Some("secret"), Some("new")).unwrap();
    room.unharmed();
}

#[test]
fn no_symlink_is_crossed_at_any_level() {
    let room = Room::new();
    room.put("real/in/x", "in");
    symlink(room.outside(), room.at("dir")).unwrap();
    symlink(room.outside(), room.at("real/dir")).unwrap();
    symlink(room.outside().join("secret"), room.at("file")).unwrap();
    symlink(room.outside().join("new"), room.at("dangling")).unwrap();
    symlink("real", room.at("inside")).unwrap();
    symlink("real/in/x", room.at("inside-file")).unwrap();
    symlink("loop", room.at("loop")).unwrap();
    let paths = [
        "dir/secret",
        "dir/new",
        "dir/sub/new",
        "real/dir/secret",
        "real/dir/new",
        "file",
        "dangling",
        "dangling/x",
        "inside/in/x",
        "inside/new",
        "inside-file",
        "loop",
        "loop/x",
    ];
    for path in paths {
        for (before, after) in [(None, Some("evil")), (Some("secret"), Some("evil")), (Some("secret"), None)] {
            let found = room.write(path, before, after);
            assert!(matches!(found, Err(ApplyError::Blocked { what: "a symbolic link", .. })), "{path}: {found:?}");
        }
        let found = room.ws.read(&rel(path));
        assert!(matches!(found, Err(ReadError::NotAFile { what: "a symbolic link", .. })), "{path}: {found:?}");
        assert!(room.ws.image(&rel(path)).is_err(), "{path}");
    }
    assert_eq!(names(&room.ws.list()), ["real/in/x"]);
    assert_eq!(fs::read_to_string(room.at("real/in/x")).unwrap(), "in");
    room.unharmed();
}

#[test]
fn a_directory_swapped_for_a_symlink_leads_nowhere() {
    let room = Room::new();
    room.put("dir/secret", "secret");
    let secret = room.ws.read(&rel("dir/secret")).unwrap().unwrap();
    fs::rename(room.at("dir"), room.at("moved")).unwrap();
    symlink(room.outside(), room.at("dir")).unwrap();
    // The hash of the file outside is the very one that the worker saw.
    let change = Change { path: rel("dir/secret"), before: Some(secret.hash), after: Some(Hash::of(b"evil")) };
    assert!(matches!(room.ws.apply(&change, Some(b"evil")), Err(ApplyError::Blocked { .. })));
    room.unharmed();
}

#[test]
fn while_a_directory_is_swapped_all_the_time_nothing_gets_out() {
    let room = Room::new();
    fs::create_dir(room.at("a")).unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let _ = fs::rename(room.at("a"), room.at("b"));
                let _ = symlink(room.outside(), room.at("a"));
                let _ = fs::remove_file(room.at("a"));
                let _ = fs::rename(room.at("b"), room.at("a"));
            }
        });
        for n in 0..300 {
            let _ = room.write(&format!("a/evil{n}"), None, Some("evil"));
            assert!(!matches!(room.ws.read(&rel("a/secret")), Ok(Some(_))));
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    room.unharmed();
}

#[test]
fn a_work_dir_that_was_removed_is_named_as_what_is_missing() {
    let room = Room::new();
    fs::remove_dir_all(room.ws.root()).unwrap();
    for path in ["a.txt", "deep/down/a.txt"] {
        let error = room.write(path, None, Some("x")).unwrap_err();
        assert!(error.to_string().contains("the work dir was removed"), "{error}");
    }
    assert!(!room.ws.root().exists());
}

#[test]
fn a_work_dir_whose_name_stands_for_another_one_is_written_no_more() {
    let room = Room::new();
    room.put("old", "old");
    let moved = room.base.path().join("moved");
    let gone = |what: &str| {
        for (path, before) in [("x", None), ("old", Some("old")), ("deep/down/x", None)] {
            let found = room.write(path, before, Some("here"));
            assert!(matches!(found, Err(ApplyError::Gone { .. })), "{what}, {path}: {found:?}");
        }
        assert!(!room.ws.is_in_place());
    };
    fs::rename(room.ws.root(), &moved).unwrap();
    gone("nothing");
    symlink(room.outside(), room.ws.root()).unwrap();
    gone("a symlink to another dir");
    fs::remove_file(room.ws.root()).unwrap();
    fs::create_dir(room.ws.root()).unwrap();
    gone("another dir");
    fs::remove_dir(room.ws.root()).unwrap();
    fs::write(room.ws.root(), "").unwrap();
    gone("a file");
    fs::remove_file(room.ws.root()).unwrap();
    // A dir that only moved house, with a link where it was, is the same one.
    symlink(&moved, room.ws.root()).unwrap();
    room.write("x", None, Some("here")).unwrap();
    assert_eq!(fs::read_to_string(moved.join("x")).unwrap(), "here");
    assert!(!moved.join("deep").exists());
    room.unharmed();
}

#[test]
fn what_is_no_regular_file_is_left_alone() {
    let room = Room::new();
    nix::unistd::mkfifo(&room.at("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(room.at("socket")).unwrap();
    room.put("dir/x", "x");
    room.put("file", "x");
    for path in ["fifo", "socket", "dir"] {
        assert!(matches!(room.ws.read(&rel(path)), Err(ReadError::NotAFile { .. })), "{path}");
        assert!(matches!(room.ws.hash(&rel(path)), Err(ReadError::NotAFile { .. })), "{path}");
        for after in [Some("new"), None] {
            let found = room.write(path, after.is_none().then_some("x"), after);
            assert!(matches!(found, Err(ApplyError::Blocked { .. })), "{path}: {found:?}");
        }
    }
    // A file where a directory is needed.
    let found = room.write("file/sub/x", None, Some("new"));
    assert!(matches!(found, Err(ApplyError::Blocked { what: "a file", .. })), "{found:?}");
    assert_eq!(room.ws.read(&rel("file/sub/x")).unwrap(), None);
    assert_eq!(names(&room.ws.list()), ["dir/x", "file"]);
}

#[test]
fn the_never_paths_hold_in_apply_too() {
    let room = Room::new();
    for path in [".git/hooks/pre-commit", "sub/.GIT/config", ".et/x", "electrictown.yaml"] {
        assert!(matches!(room.write(path, None, Some("x")), Err(ApplyError::Refused { .. })), "{path}");
    }
    assert_eq!(fs::read_dir(room.ws.root()).unwrap().count(), 0);
}

#[test]
fn a_twin_by_case_is_refused() {
    let room = Room::new();
    room.put("src/Main.go", "x");
    for path in ["src/main.go", "SRC/other.go", "src/MAIN.go"] {
        match room.write(path, None, Some("new")) {
            Err(ApplyError::Twin { existing, .. }) => assert!(["src", "src/Main.go"].contains(&existing.as_str())),
            other => panic!("{path}: {other:?}"),
        }
    }
    assert_eq!(room.write("src/Main.go", Some("x"), Some("new")).unwrap(), Applied::Written);
}

#[test]
fn an_unreadable_file_is_an_error_that_names_it() {
    let room = Room::new();
    room.put("x", "old");
    fs::set_permissions(room.at("x"), fs::Permissions::from_mode(0o000)).unwrap();
    let read = room.ws.read(&rel("x"));
    let written = room.write("x", Some("old"), Some("new"));
    if nix::unistd::geteuid().is_root() {
        // Nothing is unreadable to root.
        assert_eq!((read.unwrap().unwrap().bytes.as_slice(), written.unwrap()), (b"old".as_slice(), Applied::Written));
    } else {
        assert!(read.unwrap_err().to_string().starts_with("can't read x: "));
        assert!(written.unwrap_err().to_string().starts_with("can't read x: "));
    }
}

#[test]
fn secrets_and_huge_files_are_not_read() {
    let room = Room::new();
    room.put(".env", "KEY=1");
    assert!(matches!(room.ws.read(&rel(".env")), Err(ReadError::Refused { .. })));
    assert_eq!(room.ws.image(&rel(".env")).unwrap().unwrap().bytes, b"KEY=1");
    // So what a worker couldn't see it can't replace.
    assert!(matches!(room.write(".env", None, Some("KEY=2")), Err(ApplyError::Conflict { .. })));
    fs::File::create(room.at("huge")).unwrap().set_len(5 << 20).unwrap();
    assert!(matches!(room.ws.read(&rel("huge")), Err(ReadError::TooLarge { .. })));
    assert!(room.ws.hash(&rel("huge")).unwrap().is_some());
}

#[test]
fn leftovers_of_a_crash_are_swept() {
    let room = Room::new();
    room.put(".et-tmp-0123", "half");
    room.put("a/b/.et-tmp-4567", "half");
    room.put("a/keep", "whole");
    fs::create_dir(room.at(".et-tmp-dir")).unwrap();
    assert_eq!(names(&room.ws.list()), ["a/keep"]);
    assert_eq!(room.ws.sweep(), 2);
    assert_eq!(room.ws.sweep(), 0);
    assert!(room.at("a/keep").exists());
}

#[test]
fn the_listing_leaves_out_what_git_ignores() {
    let room = Room::new();
    for path in [
        "main.go",
        "b/z.go",
        "b/a.go",
        ".git/config",
        "node_modules/x/index.js",
        "sub/node_modules/y",
        "target/debug/x",
        ".venv/bin/python",
        "p/__pycache__/x.pyc",
        "out/x",
        "keep/out/y",
        "x.log",
        "sub/x.log",
        "sub/important.log",
        "sub/local",
        "local",
        "top",
        "sub/top",
        ".github/ci.yml",
    ] {
        room.put(path, "x");
    }
    room.put(".gitignore", "# built\nout/\n*.log\n/top\n!keep/out/\n");
    room.put("sub/.gitignore", "\u{feff}!important.log\nlocal\n");
    let expected = [
        ".github/ci.yml",
        ".gitignore",
        "b/a.go",
        "b/z.go",
        "keep/out/y",
        "local",
        "main.go",
        "sub/.gitignore",
        "sub/important.log",
        "sub/top",
    ];
    let listing = room.ws.list();
    assert_eq!(names(&listing), expected);
    assert_eq!((listing.cut, listing.skipped), (false, 0));
    assert_eq!(listing.files[2].bytes, 1);
}

#[test]
fn names_that_are_no_text_are_counted_not_listed() {
    let room = Room::new();
    room.put("good", "x");
    for name in [b"bad\xff".as_slice(), b"back\\slash", b"line\nbreak"] {
        fs::write(room.ws.root().join(std::ffi::OsStr::from_bytes(name)), "x").unwrap();
    }
    let listing = room.ws.list();
    assert_eq!((names(&listing), listing.skipped), (vec!["good"], 3));
    // They don't get in the way of writing beside them.
    room.write("new", None, Some("x")).unwrap();
}

#[test]
fn a_tree_without_end_is_cut() {
    let room = Room::new();
    let deep = "d/".repeat(80) + "x";
    room.put(&deep, "x");
    room.put("top", "x");
    let listing = room.ws.list();
    assert_eq!((names(&listing), listing.cut), (vec!["top"], true));
}

#[test]
fn a_file_is_put_back_with_its_mode_and_its_dirs_are_known() {
    let room = Room::new();
    room.put("bin/run.sh", "#!/bin/sh\n");
    fs::set_permissions(room.at("bin/run.sh"), fs::Permissions::from_mode(0o750)).unwrap();
    symlink(room.outside(), room.at("link")).unwrap();
    assert_eq!(room.ws.mode(&rel("bin/run.sh")), Some(0o750));
    for path in ["bin", "nothing", "link/secret", "link"] {
        assert_eq!(room.ws.mode(&rel(path)), None, "{path}");
    }
    for (path, missing) in [
        ("f", &[][..]),
        ("bin/f", &[]),
        ("bin/a/f", &["bin/a"]),
        ("a/b/c/f", &["a", "a/b", "a/b/c"]),
        ("link/a/f", &[]),
        ("bin/run.sh/f", &[]),
    ] {
        assert_eq!(room.ws.missing_dirs(&rel(path)), missing.iter().map(|dir| rel(dir)).collect::<Vec<_>>(), "{path}");
    }
    fs::remove_file(room.at("bin/run.sh")).unwrap();
    let change = Change { path: rel("bin/run.sh"), before: None, after: Some(Hash::of(b"#!/bin/sh\n")) };
    // Whatever the mask of the process says.
    assert_eq!(room.ws.apply_as(&change, Some(b"#!/bin/sh\n"), Some(0o777)).unwrap(), Applied::Written);
    assert_eq!(room.ws.mode(&rel("bin/run.sh")), Some(0o777));
    fs::create_dir_all(room.at("empty/below")).unwrap();
    fs::create_dir(room.outside().join("empty")).unwrap();
    for (dir, removed) in [
        ("bin", false),
        ("bin/run.sh", false),
        ("link", false),
        ("link/empty", false),
        ("empty", false),
        ("empty/below", true),
        ("empty", true),
        ("empty", false),
    ] {
        assert_eq!(room.ws.remove_empty_dir(&rel(dir)), removed, "{dir}");
    }
    fs::remove_dir(room.outside().join("empty")).unwrap();
    room.unharmed();
}
