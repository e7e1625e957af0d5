//! What a round changed, and taking it back.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use proto::event::Event;
use proto::outcome::Outcome;
use tests::env::{Env, poll};
use tests::model::{Model, PATIENCE, Story, Sub};
use tests::projects::stories;

use crate::aftermath::assert_nothing_left;

/// Everything below a dir: mode and bytes of each file, nothing for a dir.
pub(crate) fn tree(dir: &Path) -> BTreeMap<String, Option<(u32, Vec<u8>)>> {
    let mut found = BTreeMap::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(below) = dirs.pop() {
        for entry in fs::read_dir(below).unwrap().flatten() {
            let path = entry.path();
            let name = path.strip_prefix(dir).unwrap().to_string_lossy().into_owned();
            let meta = path.symlink_metadata().unwrap();
            if meta.is_dir() {
                dirs.push(path);
                found.insert(name, None);
            } else {
                found.insert(name, Some((meta.permissions().mode() & 0o777, fs::read(&path).unwrap())));
            }
        }
    }
    found
}

/// Creates `new/deep/one.txt`, changes `two.txt`, deletes `three.sh`; a check finds a mistake in `two.txt`, which is mended.
fn rework() -> Story {
    Story::new()
        .task("Rework the files")
        .contract("Text", "", [])
        .plan([
            Sub::new("one", "A new file").owns(["new/deep/one.txt"]),
            Sub::new("two", "A changed file").owns(["two.txt"]),
            Sub::new("three", "A deleted file").owns(["three.sh"]),
        ])
        .file("one", "new/deep/one.txt", "brand new\n")
        .file("two", "two.txt", "first\ncount = 1\nlast\n")
        .says("work/three", "===DELETE: three.sh===\n\nIt isn't needed any more.")
        .fix("two.txt", "count is wrong", "first\ncount = 2\nlast\n")
}

const CHECK: &str = "grep -q 'count = 2' two.txt || { echo 'two.txt:2: error: count is wrong'; exit 1; }";

/// A tree with the files that [`rework`] is about, in forms of their own: CRLF, no newline at the end, an executable.
fn old_tree(env: &Env) {
    env.write("a/two.txt", "first\r\ncount = 0\r\nlast");
    env.write("a/three.sh", "#!/bin/sh\necho \u{1b}[31mred\n");
    env.write("a/other/kept.txt", "not ours\n");
    fs::set_permissions(env.work().join("a/three.sh"), fs::Permissions::from_mode(0o750)).unwrap();
    fs::set_permissions(env.work().join("a/two.txt"), fs::Permissions::from_mode(0o600)).unwrap();
}

fn run_rework(env: &Env) {
    env.et(["run", "-o", "a", "--quiet", "--iterate", "--check", CHECK, "Rework the files"]).run().assert_ok();
}

#[test]
fn a_diff_is_from_before_the_round_to_its_end() {
    let model = Model::start(rework());
    let env = Env::new();
    env.config(&model);
    old_tree(&env);
    let before = tree(&env.work().join("a"));
    run_rework(&env);
    let out = env.et(["session", "diff", "last"]).run();
    let expected = "--- /dev/null\n+++ b/new/deep/one.txt\n@@ -0,0 +1 @@\n+brand new\n\
                    --- a/three.sh\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-#!/bin/sh\n-echo ␛[31mred\n\
                    --- a/two.txt\n+++ b/two.txt\n@@ -1,3 +1,3 @@\n first\r\n-count = 0\r\n+count = 2\r\n last\n\
                    \\ No newline at end of file\n";
    assert_eq!(out.assert_ok().stdout, expected);
    out.assert_stderr("round 1 of").assert_stderr("changed 3 files");
    let json = env.et(["session", "diff", "last", "1", "--json"]).run().assert_ok().json();
    assert_eq!(json["round"], 1);
    let actions: Vec<_> = json["files"].as_array().unwrap().iter().map(|file| &file["action"]).collect();
    assert_eq!(actions, ["created", "deleted", "changed"]);
    let (created, deleted) = (&json["files"][0], &json["files"][1]);
    assert!(created["before_sha256"].is_null() && deleted["after_sha256"].is_null(), "{json}");
    assert_eq!(created["after_sha256"].as_str().map(str::len), Some(64));
    assert!(deleted["diff"].as_str().unwrap().contains("\u{1b}[31m"), "as it is: {json}");
    // It is about the round, whatever the tree is now; and a reader that goes away is no error.
    env.write("a/two.txt", "by hand\n");
    let script = "{ et session diff last; echo code $? >&2; } | head -n 1";
    env.sh(script).run().assert_ok().assert_stdout("--- /dev/null").assert_stderr("code 0");
    // On a terminal in colour, unless that isn't wanted.
    let mut terminal = env.et_on_terminal(["session", "diff", "last"], 40, 80);
    assert_eq!(terminal.wait(), 0);
    terminal.wait_for("a red line", |_| true);
    assert!(terminal.raw().contains("\u{1b}[31m-count = 0"), "{:?}", terminal.raw());
    env.set("NO_COLOR", "1");
    let mut terminal = env.et_on_terminal(["session", "diff", "last"], 40, 80);
    assert_eq!(terminal.wait(), 0);
    assert!(!terminal.raw().contains("\u{1b}["), "{:?}", terminal.raw());
    assert_ne!(tree(&env.work().join("a")), before);
    for (args, code, says) in [
        (&["session", "diff", "last", "7"][..], 2, "no round 7"),
        (&["session", "undo", "last", "7"], 2, "no round 7"),
        (&["session", "undo", "last", "0"], 2, "'0'"),
        (&["session", "diff", "ffffffff-none"], 2, "isn't the id"),
    ] {
        env.et(args).run().assert_code(code).assert_stderr(says);
    }
}

#[test]
fn undo_brings_the_tree_back_byte_for_byte() {
    let model = Model::start(rework());
    let env = Env::new();
    env.config(&model);
    old_tree(&env);
    let before = tree(&env.work().join("a"));
    run_rework(&env);
    assert_ne!(tree(&env.work().join("a")), before);
    let out = env.et(["session", "undo", "last"]).run();
    out.assert_ok().assert_stdout("undid round 1").assert_stdout("3 files").assert_stdout("new/deep/one.txt");
    assert_eq!(tree(&env.work().join("a")), before, "modes, line ends and dirs as well");
    let shown = env.et(["session", "show", "last"]).run();
    shown.assert_ok().assert_stdout("round 1 (undone)");
    // Its log says so, once, behind its result.
    let log = env.et(["session", "attach", "last", "--json"]).run();
    let undone: Vec<_> = log
        .assert_ok()
        .events()
        .into_iter()
        .filter_map(|line| match line.event {
            Event::RoundUndone { files } => Some((line.round, files)),
            _ => None,
        })
        .collect();
    assert_eq!(undone, [(1, ["new/deep/one.txt", "three.sh", "two.txt"].map(str::to_owned).to_vec())]);
    // A second time it is no error, and touches nothing.
    env.write("a/two.txt", "by hand\n");
    let again = env.et(["session", "undo", "last", "--json"]).run().assert_ok().json();
    assert_eq!((&again["already"], &again["round"]), (&true.into(), &1.into()), "{again}");
    env.et(["session", "undo", "last"]).run().assert_ok().assert_stdout("already undone");
    assert_eq!(env.read("a/two.txt"), "by hand\n");
    assert_nothing_left(env);
}

#[test]
fn a_file_that_changed_since_stops_all_of_it() {
    let model = Model::start(rework());
    let env = Env::new();
    env.config(&model);
    old_tree(&env);
    let before = tree(&env.work().join("a"));
    run_rework(&env);
    for (path, text) in [("a/two.txt", "edited by hand\n"), ("a/three.sh", "there again\n")] {
        let kept = fs::read(env.work().join(path)).ok();
        env.write(path, text);
        let found = tree(&env.work().join("a"));
        let out = env.et(["session", "undo", "last"]).run();
        out.assert_code(2).assert_stderr(&path[2..]).assert_stderr("nothing was touched").assert_stderr("hint: ");
        out.assert_nowhere("one.txt");
        assert_eq!(tree(&env.work().join("a")), found);
        match kept {
            Some(bytes) => fs::write(env.work().join(path), bytes).unwrap(),
            None => fs::remove_file(env.work().join(path)).unwrap(),
        }
    }
    // What somebody has put back already counts as done.
    fs::remove_file(env.work().join("a/new/deep/one.txt")).unwrap();
    env.et(["session", "undo", "last"]).run().assert_ok();
    assert_eq!(tree(&env.work().join("a")), before);
}

#[test]
fn a_symlink_in_the_place_of_a_file_is_not_followed() {
    let model = Model::start(rework());
    let env = Env::new();
    env.config(&model);
    old_tree(&env);
    run_rework(&env);
    // The very content that the round left, outside of the work dir.
    fs::rename(env.work().join("a/two.txt"), env.work().join("outside.txt")).unwrap();
    std::os::unix::fs::symlink(env.work().join("outside.txt"), env.work().join("a/two.txt")).unwrap();
    env.et(["session", "undo", "last"]).run().assert_code(2).assert_stderr("two.txt");
    assert_eq!(env.read("outside.txt"), "first\r\ncount = 2\r\nlast");
    assert!(env.has("a/new/deep/one.txt"));
}

#[test]
fn nothing_is_undone_while_a_round_is_at_work() {
    let second = Story::new()
        .task("Second round")
        .plan([Sub::new("more", "One more file").owns(["more.txt"])])
        .file("more", "more.txt", "more\n")
        .hold("work/more");
    let model = Model::start(rework().and(second));
    let env = Env::new();
    env.config(&model);
    old_tree(&env);
    run_rework(&env);
    let first =
        env.et(["session", "show", "last", "--json"]).run().json()["session"]["id"].as_str().unwrap().to_owned();
    let changed = tree(&env.work().join("a"));
    // In the same session, then in the same dir by another one.
    for other in [false, true] {
        if other {
            env.et(["session", "spawn", "--work-dir", "a", "--no-iterate", "Second round"]).run().assert_ok();
        } else {
            env.et(["session", "send", &first, "--no-iterate", "Second round"]).run().assert_ok();
        }
        model.wait_for_held("work/more");
        let undo = env.et(["session", "undo", &first, "1"]).run();
        undo.assert_code(75).assert_stderr("hint: `et session wait ");
        env.et(["session", "diff", &first, "1"]).run().assert_ok();
        if !other {
            env.et(["session", "diff", &first, "2"]).run().assert_code(75).assert_stderr("hasn't ended");
        }
        assert_eq!(tree(&env.work().join("a")), changed);
        env.et(["session", "kill", "last"]).run().assert_ok();
        assert!(poll(PATIENCE, || {
            let list = env.et(["session", "list", "--json"]).run().json();
            list["sessions"].as_array().unwrap().iter().all(|session| session["state"] == "ended")
        }));
    }
    env.et(["session", "undo", &first]).run().assert_ok().assert_stdout("undid round 1");
}

#[test]
fn rounds_are_undone_one_after_the_other_and_the_session_goes_on() {
    let chapter = |task: &str, path: &str| {
        Story::new()
            .task(task)
            .plan([Sub::new("w", "A file").owns([path, "shared.txt"])])
            .file("w", path, &format!("{task}\n"))
            .file("w", "shared.txt", &format!("by {task}\n"))
    };
    let lone = Story::new()
        .task("third task")
        .plan([Sub::new("l", "A file of its own").owns(["lone.txt"])])
        .file("l", "lone.txt", "alone\n");
    let model = Model::start(
        chapter("first task", "1.txt")
            .and(chapter("second task", "2.txt"))
            .and(lone)
            .and(chapter("fourth task", "4.txt")),
    );
    let env = Env::new();
    env.config(&model);
    fs::create_dir(env.work().join("a")).unwrap();
    let work = env.work().join("a");
    let mut trees = vec![tree(&work)];
    env.et(["run", "-o", "a", "--quiet", "first task"]).run().assert_ok();
    trees.push(tree(&work));
    for task in ["second task", "third task"] {
        env.et(["session", "send", "last", task]).run().assert_ok();
        env.et(["session", "wait", "last"]).run().assert_ok();
        trees.push(tree(&work));
    }
    // Round 2 changed a file of round 1; nobody touched those of round 3 and 2 since.
    env.et(["session", "undo", "last", "1"]).run().assert_code(2).assert_stderr("shared.txt");
    env.et(["session", "undo", "last", "2"]).run().assert_ok();
    assert!(env.has("a/lone.txt") && !env.has("a/2.txt"));
    assert_eq!(env.read("a/shared.txt"), "by first task\n");
    let out = env.et(["session", "undo", "last"]).run();
    out.assert_ok().assert_stdout("undid round 3").assert_stdout("1 takes back the round before it");
    assert_eq!(tree(&work), trees[1]);
    // The next round is told, and sees the tree that there is.
    env.et(["session", "send", "last", "fourth task"]).run().assert_ok();
    env.et(["session", "wait", "last"]).run().assert_ok();
    assert_eq!(env.read("a/shared.txt"), "by fourth task\n");
    let plan = &model.calls("plan")[3].text;
    assert_eq!(plan.matches("undone: these files are as they were before it").count(), 2, "{plan}");
    env.et(["session", "undo", "last"]).run().assert_ok().assert_stdout("undid round 4");
    env.et(["session", "undo", "last", "1"]).run().assert_ok();
    assert_eq!(tree(&work), trees[0]);
    env.et(["session", "undo", "last", "2"]).run().assert_ok().assert_stdout("already undone");
}

#[test]
fn a_death_in_the_middle_of_an_undo_is_made_good() {
    for by_itself in [false, true] {
        let model = Model::start(rework());
        let env = Env::new();
        env.config(&model);
        old_tree(&env);
        let before = tree(&env.work().join("a"));
        env.set("ET_TEST_ABORT", "undo.applied#1");
        env.set("ET_TEST_ABORT_ONCE", env.root().join("tmp").to_string_lossy());
        run_rework(&env);
        let died = || env.root().join("tmp/undo.applied").exists();
        if by_itself {
            // The client comes back by itself, and asks again.
            env.et(["session", "undo", "last"]).run().assert_ok().assert_stdout("3 files");
        } else {
            env.et(["session", "undo", "last", "--no-autostart"]).run().assert_code(69);
            assert!(!env.has("a/new/deep/one.txt") && !env.has("a/three.sh"), "one of three");
            env.et(["session", "show", "last"]).run().assert_ok().assert_stdout("undo isn't finished");
            // Another round on top of it would make both of them final.
            let sent = env.et(["session", "send", "last", "Rework the files"]).run();
            sent.assert_code(2).assert_stderr("isn't finished").assert_stderr("hint: `et session undo ");
            // Still as a whole: what a person did meanwhile isn't overwritten.
            let left = fs::read(env.work().join("a/two.txt")).unwrap();
            env.write("a/two.txt", "by hand\n");
            env.et(["session", "undo", "last"]).run().assert_code(2).assert_stderr("two.txt");
            assert!(!env.has("a/three.sh"));
            fs::write(env.work().join("a/two.txt"), left).unwrap();
            env.et(["session", "undo", "last"]).run().assert_ok().assert_stdout("undid round 1");
        }
        assert!(died());
        assert_eq!(tree(&env.work().join("a")), before);
        env.et(["session", "show", "last"]).run().assert_ok().assert_stdout("round 1 (undone)");
        env.et(["session", "undo", "last"]).run().assert_ok().assert_stdout("already undone");
        assert_nothing_left(env);
    }
}

#[test]
fn a_write_whose_end_was_never_recorded_is_undone_as_well() {
    let env = Env::new();
    let model = Model::start(stories::wide(1));
    env.config(&model);
    env.set("ET_TEST_ABORT", "round.written");
    let out = env.et(["run", "-o", "a", "--json", "--no-synthesize", "Write a part"]).run();
    assert_eq!(out.assert_code(70).result().outcome, Outcome::Crashed);
    assert!(env.has("a/part-1.txt"));
    env.et(["session", "diff", "last"]).run().assert_ok().assert_stdout("+line 1 of part 1");
    env.et(["session", "undo", "last"]).run().assert_ok().assert_stdout("part-1.txt");
    assert!(!env.has("a/part-1.txt"));
    env.et(["session", "undo", "last"]).run().assert_ok().assert_stdout("already undone");
}

#[test]
fn a_round_without_changes_has_nothing_to_undo() {
    let model = Model::start(stories::tiny().no_change("one").no_change("two"));
    let env = Env::new();
    env.config(&model);
    env.write("a/one.txt", "there\n");
    env.write("a/two.txt", "there\n");
    env.et(["run", "-o", "a", "--quiet", "two files"]).run().assert_ok();
    for verb in ["diff", "undo"] {
        env.et(["session", verb, "last"]).run().assert_code(2).assert_stderr("changed a file");
    }
    env.et(["session", "undo", "last", "1"]).run().assert_code(2).assert_stderr("nothing to undo");
    assert_eq!(env.et(["session", "diff", "last", "1"]).run().assert_ok().stdout, "");
    // Without a work dir as well.
    let model = Model::start(stories::tiny());
    env.config(&model);
    env.et(["run", "--quiet", "two files"]).run().assert_ok();
    env.et(["session", "undo", "last"]).run().assert_code(2).assert_stderr("no work dir");
}
