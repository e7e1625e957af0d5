//! Databases of earlier versions, kept in `tests/fixtures/`: this version reads them, and goes on where they stopped.
//!
//! A fixture is what a real daemon left that was killed while a round ran. [`written`] makes one of the version at hand; `make fixture`
//! keeps it. Paths and addresses in it are placeholders, which [`open`] fills in.

use std::fs;
use std::path::{Path, PathBuf};

use proto::endpoint::DATABASE_FILE;
use proto::event::Event;
use proto::outcome::Outcome;
use rusqlite::Connection;
use tests::env::Env;
use tests::model::{Model, Story, Sub, Wire};

use crate::aftermath::{assert_nothing_left, durable};

/// Stands for the dir of the environment.
const ROOT: &str = "/ET-FIXTURE-ROOT";
/// Stands for the address of the model server.
const MODEL: &str = "http://et-fixture-model.invalid/v1";
/// Columns with text in which these may stand.
const TEXTS: [(&str, &str); 7] = [
    ("session", "work_dir"),
    ("session", "spec"),
    ("round", "spec"),
    ("round", "log_dir"),
    ("round", "report"),
    ("event", "json"),
    ("step", "value"),
];
const CHECK: &str = "grep -q 'count = 2' two.txt || { echo 'two.txt:2: error: count is wrong'; exit 1; }";

/// What the tree held before the first round.
fn old_tree(env: &Env) {
    env.write("a/two.txt", "first\ncount = 0\nlast\n");
    env.write("a/three.sh", "#!/bin/sh\necho three\n");
}

/// What it holds after it.
fn new_tree(env: &Env) {
    env.write("a/new/one.txt", "brand new\n");
    env.write("a/two.txt", "first\ncount = 2\nlast\n");
}

fn assert_old(env: &Env) {
    assert_eq!(env.read("a/two.txt"), "first\ncount = 0\nlast\n");
    assert_eq!(env.read("a/three.sh"), "#!/bin/sh\necho three\n");
    assert!(!env.has("a/new"));
}

fn story() -> Story {
    let first = Story::new()
        .task("Rework the files")
        .contract("Text", "", [])
        .plan([
            Sub::new("one", "A new file").owns(["new/one.txt"]),
            Sub::new("two", "A changed file").owns(["two.txt"]),
            Sub::new("three", "A deleted file").owns(["three.sh"]),
        ])
        .file("one", "new/one.txt", "brand new\n")
        .file("two", "two.txt", "first\ncount = 1\nlast\n")
        .says("work/three", "===DELETE: three.sh===\n\nIt isn't needed any more.")
        .fix("two.txt", "count is wrong", "first\ncount = 2\nlast\n");
    let file = |task: &str, id: &str, path: &str, content: &str| {
        Story::new().task(task).plan([Sub::new(id, "One file").owns([path])]).file(id, path, content)
    };
    first.and(file("Add a fourth file", "four", "four.txt", "four\n")).and(file(
        "Write a note",
        "note",
        "note.txt",
        "a note\n",
    ))
}

/// Lets a daemon work, kills it in the middle, and makes a fixture of its database. Returns where it is.
fn written(env: &Env) -> PathBuf {
    let model = Model::start(story().hold("work/note"));
    env.config(&model);
    // Nothing of this machine goes into the fixture.
    for (name, value) in env.vars() {
        match name.as_str() {
            "PATH" => env.set("PATH", "/usr/bin:/bin"),
            "USER" => env.set("USER", "tester"),
            _ if !value.starts_with(&*env.root().to_string_lossy()) && name.starts_with(['G', 'C', 'R']) => {
                env.unset(&name);
            }
            _ => {}
        }
    }
    old_tree(env);
    env.et(["run", "-o", "a", "--quiet", "--iterate", "--check", CHECK, "Rework the files"]).run().assert_ok();
    env.et(["session", "send", "last", "--no-iterate", "Add a fourth file"]).run().assert_ok();
    env.et(["session", "wait", "last"]).run().assert_ok();
    env.et(["session", "undo", "last", "2"]).run().assert_ok();
    env.et(["session", "spawn", "--work-dir", "b", "--no-iterate", "Write a note"]).run().assert_ok();
    model.wait_for_held("work/note");
    env.kill_daemon();

    let path = env.state_dir().join(DATABASE_FILE);
    let database = Connection::open(&path).unwrap();
    fill(&database, &env.root().to_string_lossy(), ROOT, &model.base_url(Wire::OpenAi), MODEL);
    database.pragma_update(None, "journal_mode", "delete").unwrap();
    database.execute_batch("VACUUM").unwrap();
    path
}

/// Puts other paths and addresses into a database.
fn fill(database: &Connection, root: &str, new_root: &str, model: &str, new_model: &str) {
    for (table, column) in TEXTS {
        let sql = format!("UPDATE {table} SET {column} = replace(replace({column}, ?1, ?2), ?3, ?4)");
        database.execute(&sql, [root, new_root, model, new_model]).unwrap();
    }
}

/// Makes a fixture the database of an environment, as the daemon left it that was killed, with the tree of then.
fn open(env: &Env, model: &Model, fixture: &Path) {
    let path = env.state_dir().join(DATABASE_FILE);
    fs::copy(fixture, &path).unwrap();
    fill(&Connection::open(&path).unwrap(), ROOT, &env.root().to_string_lossy(), MODEL, &model.base_url(Wire::OpenAi));
    fs::create_dir_all(env.work().join("b")).unwrap();
    new_tree(env);
}

/// Lists, shows, attaches, diffs, sends, undoes; and the round that ran goes on.
fn works(fixture: &Path) {
    let name = fixture.display();
    let env = Env::new();
    let model = Model::start(story());
    env.config(&model);
    open(&env, &model, fixture);
    let listed = env.et(["session", "list", "--json"]).run().assert_ok().json();
    let sessions = listed["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 2, "{name}: {listed}");
    let old = sessions[1]["id"].as_str().unwrap().to_owned();
    // The one that ran is bought to its end, and what was recorded of it isn't bought again.
    let out = env.et(["session", "attach", "last", "--json", "--from", "start"]).run();
    assert_eq!(out.assert_ok().result().outcome, Outcome::Completed, "{name}");
    assert_eq!((model.count("plan"), model.count("work/note")), (0, 1), "{name}\n{}", model.summary());
    assert_eq!(env.read("b/note.txt"), "a note\n", "{name}");

    let shown = env.et(["session", "show", &old, "--json"]).run().assert_ok().json();
    let states: Vec<_> = shown["rounds"].as_array().unwrap().iter().map(|round| &round["state"]).collect();
    assert_eq!(states, ["ended", "undone"], "{name}: {shown}");
    let log = env.et(["session", "attach", &old, "--json", "--from", "start"]).run();
    let types = |wanted: fn(&Event) -> bool| log.events().iter().filter(|line| wanted(&line.event)).count();
    assert_eq!(types(|event| matches!(event, Event::Result(_))), 2, "{name}: {log}");
    assert_eq!(types(|event| matches!(event, Event::RoundUndone { .. })), 1, "{name}: {log}");
    assert!(durable(&log.stdout).len() > 20, "{name}: {log}");
    let diff = env.et(["session", "diff", &old, "1"]).run();
    diff.assert_ok().assert_stdout("+brand new").assert_stdout("-count = 0").assert_stdout("-echo three");

    // Its third round, with the flags and the configuration that it had.
    env.et(["session", "send", &old, "Add a fourth file"]).run().assert_ok();
    env.et(["session", "wait", &old, "--timeout", "60s"]).run().assert_ok();
    assert_eq!(env.read("a/four.txt"), "four\n", "{name}");
    env.et(["session", "undo", &old, "3"]).run().assert_ok();
    env.et(["session", "undo", &old, "1"]).run().assert_ok();
    assert_old(&env);
    assert_nothing_left(env);
}

#[test]
fn databases_of_earlier_versions_are_read() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut found: Vec<PathBuf> = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.extension().is_some_and(|extension| extension == "db"));
    assert!(!found.is_empty(), "no fixture in {}", dir.display());
    for fixture in found {
        works(&fixture);
    }
}

/// With `ET_FIXTURE_DIR` set (`make fixture`) it is kept there as `schema-N.db`.
#[test]
fn a_fixture_of_this_version_can_be_made_and_read() {
    let env = Env::new();
    let path = written(&env);
    let version: i64 =
        Connection::open(&path).unwrap().pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    let bytes = fs::read(&path).unwrap();
    assert!(bytes.len() < 200_000, "{} bytes", bytes.len());
    let root = env.root().to_string_lossy().into_owned();
    assert!(!bytes.windows(root.len()).any(|window| window == root.as_bytes()), "a path of this machine is in it");
    if let Some(dir) = std::env::var_os("ET_FIXTURE_DIR") {
        fs::write(Path::new(&dir).join(format!("schema-{version}.db")), bytes).unwrap();
    }
    works(&path);
}
