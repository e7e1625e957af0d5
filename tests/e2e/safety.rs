//! Nothing outside the work dir is read or written, and no person's edit is overwritten.

use std::fs;
use std::os::unix::fs::symlink;

use proto::outcome::Outcome;
use proto::report::SubtaskState;
use tests::env::Env;
use tests::model::{Model, Point, Story, Sub};
use tests::projects::stories::{TINY_ONE, tiny};

fn block(path: &str, content: &str) -> String {
    format!("===FILE: {path}===\n{content}\n===ENDFILE===\n\n")
}

#[test]
fn paths_that_lead_out_are_refused_and_the_rest_counts() {
    let env = Env::new();
    let outside = env.root().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("target.txt"), "mine").unwrap();
    symlink(&outside, env.work().join("lane")).unwrap();
    symlink(outside.join("target.txt"), env.work().join("alias.txt")).unwrap();
    fs::create_dir_all(env.work().join(".git/hooks")).unwrap();
    let absolute = outside.join("absolute.txt").to_string_lossy().into_owned();
    let hostile =
        ["../../evil.txt", "../outside/evil.txt", absolute.as_str(), ".git/hooks/post-commit", ".cargo/config.toml"];
    let mut answer = block("good.txt", "this is good");
    for path in hostile {
        answer += &block(path, "evil content");
    }
    let through_links = block("lane/evil.txt", "evil content") + &block("alias.txt", "evil content");
    let model = Model::start(
        Story::new()
            .plan([
                Sub::new("plain", "The plain file").owns(["good.txt"]),
                Sub::new("linked", "Files behind links").owns(["lane/evil.txt", "alias.txt"]),
            ])
            .says("work/plain", &answer)
            .says("work/linked", &through_links),
    );
    env.config(&model);
    let out = env.et(["run", "-o", ".", "--json", "write the files"]).run();
    // What the plan promised behind the links can't be delivered.
    let result = out.assert_code(8).result();
    assert_eq!(result.outcome, Outcome::Partial);
    assert_eq!(env.read("good.txt"), "this is good\n");
    let state = |id: &str| result.subtasks.iter().find(|subtask| subtask.id == id).unwrap().state;
    assert_eq!((state("plain"), state("linked")), (SubtaskState::Delivered, SubtaskState::Failed));
    for path in hostile {
        let refusal = result.refused.iter().find(|refusal| refusal.path == path);
        let refusal = refusal.unwrap_or_else(|| panic!("{path} isn't refused: {:?}", result.refused));
        assert!(!refusal.reason.is_empty());
        assert_eq!(refusal.worker, "plain", "{path}");
    }
    for path in ["lane/evil.txt", "alias.txt"] {
        assert!(result.refused.iter().any(|one| one.path == path && one.worker == "linked"), "{:?}", result.refused);
    }
    assert_eq!(result.files.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(), ["good.txt"]);
    // Nothing of it is anywhere but in the logs and in the database, where the answer is kept.
    let logs = [env.log_dir(), env.state_dir()];
    let leaked: Vec<_> = env
        .files_with(&["evil content"])
        .into_iter()
        .filter(|path| !logs.iter().any(|dir| path.starts_with(dir)))
        .collect();
    assert!(leaked.is_empty(), "{leaked:?}");
    assert_eq!(fs::read_to_string(outside.join("target.txt")).unwrap(), "mine");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    assert!(!env.root().join("evil.txt").exists() && !env.has(".git/hooks/post-commit") && !env.has(".cargo"));
    // People are told as well.
    let shown = env.et(["session", "attach", "last"]).run();
    shown.assert_code(8).assert_stderr("refused ../../evil.txt (worker plain)");
}

#[test]
fn secrets_and_files_outside_are_never_shown_to_a_model() {
    let env = Env::new();
    fs::create_dir(env.home().join(".ssh")).unwrap();
    fs::write(env.home().join(".ssh/id_rsa"), "MARK-KEY-OUTSIDE\n").unwrap();
    env.write(".env", "TOKEN=MARK-DOTENV\n");
    env.write("server.pem", "MARK-PEM\n");
    env.write("config/.env.local", "TOKEN=MARK-LOCAL\n");
    env.write("notes.md", "the MARK-NOTES of the project\n");
    symlink(env.home().join(".ssh/id_rsa"), env.work().join("linked.md")).unwrap();
    let reads = [
        "../../.ssh/id_rsa",
        "../home/.ssh/id_rsa",
        "~/.ssh/id_rsa",
        ".env",
        "server.pem",
        "config/.env.local",
        "linked.md",
        "notes.md",
    ];
    let model = Model::start(
        Story::new()
            .plan([Sub::new("doc", "The document").owns(["doc.md"]).reads(reads)])
            .file("doc", "doc.md", "a document\n")
            .expects("work/doc", "MARK-NOTES"),
    );
    env.config(&model);
    env.et(["run", "-o", ".", "write the document"]).run().assert_ok();
    for record in model.records() {
        for mark in ["MARK-KEY-OUTSIDE", "MARK-DOTENV", "MARK-PEM", "MARK-LOCAL"] {
            assert!(!record.text.contains(mark), "{} shows {mark}:\n{}", record.label(), record.text);
        }
    }
}

#[test]
fn an_edit_made_while_the_worker_writes_isnt_overwritten() {
    let env = Env::new();
    env.write("list.txt", "first line\nsecond line\n");
    let edited = "first line\nsecond line, as a person left it\n";
    let merged = "first line\nsecond line, as a person left it\nthird line\n";
    let model = Model::start(
        Story::new()
            .plan([Sub::new("list", "The list").owns(["list.txt"])])
            .says("work/list#1", &block("list.txt", "first line\nsecond line\nthird line"))
            .says("work/list#2", &block("list.txt", merged.trim_end()))
            .expects("work/list#1", "second line")
            .expects("work/list#2", "as a person left it")
            .hold("work/list"),
    );
    env.config(&model);
    let running = env.et_spawn(["run", "-o", ".", "--json", "add the third line"]);
    model.wait_for_held("work/list");
    env.write("list.txt", edited);
    model.release("work/list");
    let out = running.wait();
    assert_eq!(out.assert_ok().result().outcome, Outcome::Completed);
    assert_eq!(env.read("list.txt"), merged);
    assert_eq!(model.count("work/list"), 2);
}

#[test]
fn edits_that_go_on_and_on_win() {
    let env = Env::new();
    env.write("list.txt", "first line\n");
    let model = Model::start(
        Story::new()
            .plan([Sub::new("list", "The list").owns(["list.txt"])])
            .file("list", "list.txt", "first line\nby the model\n")
            .hold("work/list"),
    );
    env.config(&model);
    let running = env.et_spawn(["run", "-o", ".", "--json", "add a line"]);
    model.wait_for_held("work/list");
    env.write("list.txt", "a person's first edit\n");
    // The selector is another text, so it holds what comes later.
    model.hold("work/list@scripted", Point::Half);
    model.release("work/list");
    model.wait_until("the second answer to be held", |records| {
        records.iter().rfind(|one| one.held && one.index > 1).cloned()
    });
    env.write("list.txt", "a person's second edit\n");
    model.release("work/list@scripted");
    let out = running.wait();
    assert_eq!(out.assert_code(8).result().outcome, Outcome::Partial);
    assert_eq!(env.read("list.txt"), "a person's second edit\n");
}

#[test]
fn places_that_are_no_work_dir_are_refused() {
    let env = Env::new();
    let model = Model::start(tiny());
    env.config(&model);
    env.write("a-file", "mine");
    // A dir of somebody else: root's own, or, for root, one that is given away.
    let foreign = if nix::unistd::getuid().is_root() {
        let dir = env.root().join("foreign");
        fs::create_dir(&dir).unwrap();
        nix::unistd::chown(&dir, Some(nix::unistd::Uid::from_raw(65534)), None).unwrap();
        dir
    } else {
        "/usr".into()
    };
    let home = env.home();
    let places = ["/", home.to_str().unwrap(), "a-file", "a-file/below", foreign.to_str().unwrap()];
    for place in places {
        for command in [&["run", "-o", place, "x"][..], &["session", "spawn", "--work-dir", place, "x"]] {
            let out = env.et(command).run();
            out.assert_code(2).assert_stderr("error: ");
            assert!(out.stdout.is_empty(), "{out}");
        }
    }
    assert!(model.records().is_empty());
    // One that isn't there is made.
    env.et(["run", "-o", "deep/new", "x"]).run().assert_ok();
    assert_eq!(env.read("deep/new/one.txt"), TINY_ONE);
}

#[test]
fn ids_and_paths_of_a_hostile_plan_lead_nowhere() {
    let env = Env::new();
    let outside = env.root().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("target.txt"), "mine").unwrap();
    env.write("kept.txt", "this stays as it is\n");
    let answer = block("good.txt", "this is good")
        + "===DELETE: ../outside/target.txt===\n\n===DELETE: kept.txt===\n\n===MOVE: ../outside/target.txt -> stolen.txt===\n\n"
        + "===MOVE: good.txt -> ../outside/moved.txt===\n\n";
    let model = Model::start(
        Story::new()
            .plan([
                Sub::new("../../../outside/evil", "An id that is a path").owns(["first.txt", "../outside/planned.txt"]),
                Sub::new("plain", "The plain file").owns(["good.txt", "/etc/et-evil"]),
            ])
            .file("../../../outside/evil", "first.txt", "first\n")
            .says("work/plain", &answer)
            .lenient(),
    );
    env.config(&model);
    let out = env.et(["run", "-o", "here", "--json", "write the files"]).run();
    let result = out.result();
    assert!(matches!(out.code, Some(0 | 8)), "{out}");
    assert_eq!(env.read("here/first.txt"), "first\n");
    assert_eq!(env.read("kept.txt"), "this stays as it is\n");
    assert_eq!(fs::read_to_string(outside.join("target.txt")).unwrap(), "mine");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1, "{:?}", fs::read_dir(&outside).unwrap().collect::<Vec<_>>());
    assert!(!env.has("here/stolen.txt"), "{:?}", result.files);
    assert!(result.refused.iter().any(|one| one.path.contains("../outside/target.txt")), "{:?}", result.refused);
    // The log of that worker stands in the log dir as any other.
    let logs = env.newest_log_dir();
    let names: Vec<String> =
        fs::read_dir(&logs).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(
        names.iter().filter(|name| name.starts_with("worker-") && name.ends_with(".out")).count(),
        2,
        "{names:?}"
    );
    let beside: Vec<_> = fs::read_dir(env.log_dir()).unwrap().collect();
    assert_eq!(beside.len(), 1, "{beside:?}");
}
