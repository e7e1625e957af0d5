//! Work dirs that somebody made to harm: races, files of every type and size, trees without end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::*;

/// Far longer than what is bounded takes on a busy machine, far shorter than what isn't.
const BOUNDED: Duration = Duration::from_secs(30);

/// Does one thing over and over while another goes on.
fn while_it_changes(mut change: impl FnMut() + Send, meanwhile: impl FnOnce()) {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                change();
            }
        });
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(meanwhile));
        stop.store(true, Ordering::Relaxed);
        if let Err(panic) = done {
            std::panic::resume_unwind(panic);
        }
    });
}

#[test]
fn while_a_file_is_swapped_for_a_link_all_the_time_nothing_gets_out_or_in() {
    let room = Room::new();
    let (file, secret) = (room.at("f"), room.outside().join("secret"));
    while_it_changes(
        || {
            let _ = symlink(&secret, room.at("link"));
            let _ = fs::rename(room.at("link"), &file);
            let _ = fs::write(room.at("plain"), "mine");
            let _ = fs::rename(room.at("plain"), &file);
            let _ = fs::remove_file(&file);
        },
        || {
            for _ in 0..300 {
                for (before, after) in [
                    (None, Some("evil")),
                    (Some("mine"), Some("evil")),
                    (Some("secret"), Some("evil")),
                    (Some("secret"), None),
                ] {
                    let _ = room.write("f", before, after);
                }
                if let Ok(Some(content)) = room.ws.read(&rel("f")) {
                    assert_ne!(content.bytes, b"secret");
                }
                assert_ne!(room.ws.hash(&rel("f")).ok().flatten(), Some(Hash::of(b"secret")));
            }
        },
    );
    room.unharmed();
}

#[test]
fn while_every_dir_of_a_path_is_swapped_nothing_gets_out() {
    let room = Room::new();
    fs::create_dir_all(room.at("a/b/c")).unwrap();
    fs::create_dir_all(room.outside().join("b/c")).unwrap();
    let swap = |name: &str| {
        let _ = fs::rename(room.at(name), room.at("aside"));
        let _ = symlink(room.outside(), room.at(name));
        let _ = fs::remove_file(room.at(name));
        let _ = fs::rename(room.at("aside"), room.at(name));
    };
    while_it_changes(
        || {
            swap("a");
            swap("a/b");
            swap("a/b/c");
        },
        || {
            for n in 0..200 {
                let _ = room.write(&format!("a/b/c/evil{n}"), None, Some("evil"));
                let _ = room.write(&format!("a/b/c/evil{n}"), Some("evil"), None);
                let _ = room.write(&format!("a/b/c/d/evil{n}"), None, Some("evil"));
                room.ws.remove_empty_dir(&rel("a/b/c/d"));
                room.ws.sweep();
                assert!(room.ws.list().files.iter().all(|file| !file.path.as_str().ends_with("secret")));
            }
        },
    );
    fs::remove_dir(room.outside().join("b/c")).unwrap();
    fs::remove_dir(room.outside().join("b")).unwrap();
    room.unharmed();
}

#[test]
fn while_a_file_is_swapped_for_a_pipe_all_the_time_nothing_waits() {
    let room = Room::new();
    let begin = Instant::now();
    while_it_changes(
        || {
            let _ = nix::unistd::mkfifo(&room.at("pipe"), nix::sys::stat::Mode::S_IRWXU);
            let _ = fs::rename(room.at("pipe"), room.at("f"));
            let _ = fs::write(room.at("plain"), "mine");
            let _ = fs::rename(room.at("plain"), room.at("f"));
            let _ = nix::unistd::mkfifo(&room.at("pipe"), nix::sys::stat::Mode::S_IRWXU);
            let _ = fs::rename(room.at("pipe"), room.at(".gitignore"));
        },
        || {
            for _ in 0..300 {
                if let Ok(Some(content)) = room.ws.read(&rel("f")) {
                    // Theirs, or what was written here the moment before.
                    assert!([b"mine".as_slice(), b"new"].contains(&content.bytes.as_slice()), "{:?}", content.bytes);
                }
                let _ = room.write("f", Some("mine"), Some("new"));
                let _ = room.ws.list();
            }
        },
    );
    assert!(begin.elapsed() < BOUNDED);
}

#[test]
fn a_device_is_never_opened() {
    use nix::sys::stat::{Mode, SFlag, makedev, mknod};
    let room = Room::new();
    // `/dev/zero` by another name, where one may be made; a link to it where not.
    if mknod(&room.at("zero"), SFlag::S_IFCHR, Mode::S_IRWXU, makedev(1, 5)).is_err() {
        symlink("/dev/zero", room.at("zero")).unwrap();
    }
    assert!(matches!(room.ws.read(&rel("zero")), Err(ReadError::NotAFile { .. })));
    assert!(matches!(room.ws.image(&rel("zero")), Err(ReadError::NotAFile { .. })));
    for (before, after) in [(None, Some("x")), (Some("x"), Some("y")), (Some("x"), None)] {
        assert!(matches!(room.write("zero", before, after), Err(ApplyError::Blocked { .. })));
    }
    assert_eq!(names(&room.ws.list()), Vec::<&str>::new());
    assert!(room.at("zero").symlink_metadata().is_ok());
}

#[test]
fn files_without_an_end_cost_nothing() {
    let room = Room::new();
    for (name, bytes) in [("five", 5_u64 << 30), ("huge", 1 << 42)] {
        fs::File::create(room.at(name)).unwrap().set_len(bytes).unwrap();
        let begin = Instant::now();
        assert!(matches!(room.ws.read(&rel(name)), Err(ReadError::TooLarge { .. })), "{name}");
        assert!(matches!(room.ws.image(&rel(name)), Err(ReadError::TooLarge { .. })), "{name}");
        assert!(matches!(room.ws.hash(&rel(name)), Err(ReadError::TooLarge { .. })), "{name}");
        for (before, after) in [(None, Some("x")), (Some("x"), Some("y")), (Some("x"), None)] {
            let found = room.write(name, before, after);
            assert!(matches!(found, Err(ApplyError::TooLarge { .. })), "{name}: {found:?}");
        }
        assert!(begin.elapsed() < Duration::from_secs(2), "{name} was read");
        assert_eq!(fs::metadata(room.at(name)).unwrap().len(), bytes);
    }
    assert_eq!(names(&room.ws.list()), ["five", "huge"]);
    // Rules that are too long are cut, not read to their end.
    fs::File::create(room.at(".gitignore")).unwrap().set_len(1 << 42).unwrap();
    assert_eq!(names(&room.ws.list()), [".gitignore", "five", "huge"]);
    room.unharmed();
}

#[test]
fn a_dir_of_many_thousand_files_is_listed_in_part_and_written_to() {
    let room = Room::new();
    fs::write(room.at("0"), "x").unwrap();
    for n in 1..50_000 {
        // A name more is cheaper than a file more.
        fs::hard_link(room.at("0"), room.at(&n.to_string())).unwrap();
    }
    let begin = Instant::now();
    let listing = room.ws.list();
    assert_eq!((listing.files.len(), listing.cut), (20_000, true));
    assert_eq!(room.write("new", None, Some("new")).unwrap(), Applied::Written);
    assert_eq!(room.write("NEW2", None, Some("new")).unwrap(), Applied::Written);
    assert!(matches!(room.write("new2", None, Some("new")), Err(ApplyError::Twin { .. })));
    assert_eq!(room.ws.sweep(), 0);
    assert!(begin.elapsed() < BOUNDED, "{:?}", begin.elapsed());
    // The others have their content still.
    assert_eq!(room.write("7", Some("x"), Some("y")).unwrap(), Applied::Written);
    assert_eq!(fs::read_to_string(room.at("8")).unwrap(), "x");
}

#[test]
fn dirs_a_thousand_deep_are_cut_and_get_in_nobodys_way() {
    let room = Room::new();
    let deep = "d/".repeat(1_000);
    fs::create_dir_all(room.at(&deep)).unwrap();
    fs::write(room.at(&deep).join("bottom"), "x").unwrap();
    fs::write(room.at(&deep).join(".et-tmp-1"), "x").unwrap();
    room.put("top", "x");
    let begin = Instant::now();
    let listing = room.ws.list();
    assert_eq!((names(&listing), listing.cut), (vec!["top"], true));
    assert_eq!(room.ws.sweep(), 0);
    // As deep as a path may be.
    let long = "d/".repeat(511) + "x";
    assert_eq!(room.write(&long, None, Some("x")).unwrap(), Applied::Written);
    assert_eq!(room.write(&long, Some("x"), None).unwrap(), Applied::Deleted);
    assert!(RelPath::parse(&("d/".repeat(512) + "x")).is_err());
    assert!(begin.elapsed() < BOUNDED);
}

#[test]
fn names_at_and_beyond_every_limit_are_written_or_refused() {
    let room = Room::new();
    let long = |n: usize| "n".repeat(n);
    let path = |n: usize| format!("{}/{}/{}/{}/x", long(240), long(240), long(240), long(n));
    // Text, whether it is a path, whether it can be written.
    for (text, is, can) in [
        (long(255), true, true),
        (long(256), false, false),
        (long(5_000), false, false),
        // 255 bytes, not characters.
        ("é".repeat(127), true, true),
        ("é".repeat(128), false, false),
        (path(200), true, true),
        (path(5_000), false, false),
        ("d/".repeat(5_000) + "x", false, false),
        ("-rf".to_owned(), true, true),
        ("--help".to_owned(), true, true),
        ("$(touch pwned)".to_owned(), true, true),
        ("a;b|c&d>e*f?".to_owned(), true, true),
        ("%2e%2e%2fx".to_owned(), true, true),
        ("...".to_owned(), true, true),
        (". .".to_owned(), true, true),
        (" ".to_owned(), true, true),
        ("con".to_owned(), true, true),
        ("aux.txt".to_owned(), true, true),
        ("a.txt:stream".to_owned(), true, true),
    ] {
        let parsed = RelPath::parse(&text);
        let short: String = text.chars().take(40).collect();
        assert_eq!(parsed.is_ok(), is, "{short}");
        let Ok(parsed) = parsed else { continue };
        let change = Change { path: parsed.clone(), before: None, after: Some(Hash::of(b"x")) };
        let found = room.ws.apply(&change, Some(b"x"));
        assert_eq!(found.is_ok(), can, "{short}: {found:?}");
        assert!(room.at(parsed.as_str()).is_file(), "{short}");
    }
    room.unharmed();
}

#[test]
fn names_that_look_the_same_are_two_files_or_one_refusal() {
    let room = Room::new();
    // Composed and decomposed: two names here. Where a file system takes them for one, the second is a conflict.
    let (composed, decomposed) = ("ma\u{f1}ana.txt", "man\u{303}ana.txt");
    room.write(composed, None, Some("one")).unwrap();
    match room.write(decomposed, None, Some("two")) {
        Ok(Applied::Written) => assert_eq!(room.ws.list().files.len(), 2),
        Err(ApplyError::Conflict { .. }) => assert_eq!(room.ws.list().files.len(), 1),
        other => panic!("{other:?}"),
    }
    assert_eq!(fs::read_to_string(room.at(composed)).unwrap(), "one");
    // Letters of other scripts whose capital is an ASCII one, and letters that have several small forms.
    room.put("Makefile", "x");
    room.put("\u{3a3}\u{3a3}", "x");
    for path in ["MA\u{212a}EFILE", "make\u{66}ile", "\u{3c3}\u{3c2}", "\u{3c2}\u{3c3}"] {
        assert!(matches!(room.write(path, None, Some("y")), Err(ApplyError::Twin { .. })), "{path}");
    }
}

#[test]
fn a_dir_that_may_not_be_written_is_an_error_that_names_it() {
    let room = Room::new();
    room.put("closed/x", "old");
    fs::set_permissions(room.at("closed"), fs::Permissions::from_mode(0o555)).unwrap();
    let found = room.write("closed/x", Some("old"), Some("new"));
    let made = room.write("closed/sub/y", None, Some("new"));
    fs::set_permissions(room.at("closed"), fs::Permissions::from_mode(0o755)).unwrap();
    if nix::unistd::geteuid().is_root() {
        // Nothing is closed to root.
        assert!(found.is_ok() && made.is_ok());
    } else {
        assert!(found.unwrap_err().to_string().contains("closed/x"));
        assert!(made.unwrap_err().to_string().contains("closed/sub/y"));
        assert_eq!(fs::read_to_string(room.at("closed/x")).unwrap(), "old");
    }
    room.unharmed();
}

#[test]
fn a_special_bit_of_the_old_file_is_not_handed_on() {
    let room = Room::new();
    room.put("x", "old");
    fs::set_permissions(room.at("x"), fs::Permissions::from_mode(0o6755)).unwrap();
    room.write("x", Some("old"), Some("new")).unwrap();
    assert_eq!(fs::metadata(room.at("x")).unwrap().permissions().mode() & 0o7777, 0o755);
}
