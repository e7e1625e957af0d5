//! Files that don't parse go back to whoever wrote them before anything is built.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use proto::event::{Event, EventLine};
use proto::outcome::Outcome;
use tests::env::{Env, Output};
use tests::model::{Model, Story, Sub};
use tests::{env, require_tool};

use crate::aftermath::{assert_nothing_left, assert_same_log};

/// A task with two subtasks: `broken` gives a file that doesn't parse, and at its second attempt one that does.
struct Case {
    path: &'static str,
    wrong: &'static str,
    right: &'static str,
    /// What stands in the first line of the reason.
    said: &'static str,
    /// The rest of the tree: path, content.
    others: &'static [(&'static str, &'static str)],
}

const GO: Case = Case {
    path: "sum.go",
    wrong: "package main\n\nfunc sum(a, b int) int {\n\treturn a +\n}\n",
    right: "package main\n\nfunc sum(a, b int) int {\n\treturn a + b\n}\n",
    said: "syntax: sum.go:5: expected operand, found '}'",
    others: &[
        ("go.mod", "module example.com/app\n\ngo 1.21\n"),
        ("main.go", "package main\n\nfunc main() { println(sum(1, 2)) }\n"),
    ],
};
const RUST: Case = Case {
    path: "src/sum.rs",
    wrong: "pub fn sum(a: u32, b: u32) -> u32 {\n    let c = a + b\n    c\n}\n",
    right: "pub fn sum(a: u32, b: u32) -> u32 {\n    a + b\n}\n",
    said: "syntax: src/sum.rs:2: expected",
    others: &[
        ("Cargo.toml", "[package]\nname = \"sum\"\nversion = \"0.1.0\"\nedition = \"2021\"\n"),
        ("src/lib.rs", "pub mod sum;\n"),
    ],
};
const PYTHON: Case = Case {
    path: "sum.py",
    wrong: "def sum(a, b:\n    return a + b\n",
    right: "def sum(a, b):\n    return a + b\n",
    said: "syntax: sum.py:1: SyntaxError: ",
    others: &[("main.py", "import sum\n"), ("notes.txt", "none\n")],
};
const NODE: Case = Case {
    path: "sum.js",
    wrong: "exports.sum = (a, b) => {\n  return a + b;\n\n",
    right: "exports.sum = (a, b) => {\n  return a + b;\n};\n",
    said: "syntax: sum.js:4: SyntaxError: Unexpected end of input",
    others: &[
        (
            "package.json",
            "{ \"name\": \"sum\", \"version\": \"1.0.0\", \"scripts\": { \"test\": \"node main.js\" } }\n",
        ),
        ("main.js", "if (require('./sum').sum(1, 2) !== 3) process.exit(1);\n"),
    ],
};
/// A manifest that nobody can parse.
const JSON: Case = Case {
    path: "package.json",
    wrong: "{ \"name\": \"sum\", \"version\": \"1.0.0\", \"scripts\": { \"test\": \"node main.js\" }\n",
    right: "{ \"name\": \"sum\", \"version\": \"1.0.0\", \"scripts\": { \"test\": \"node main.js\" } }\n",
    said: "syntax: package.json:2: invalid JSON: ",
    others: &[("main.js", "process.exit(0);\n")],
};

impl Case {
    fn story(&self) -> Story {
        let story = Story::new()
            .plan([
                Sub::new("broken", "The file in question").owns([self.path]),
                Sub::new("rest", "The rest").owns(self.others.iter().map(|(path, _)| *path)),
            ])
            .file("broken", self.path, self.wrong)
            .file_at("broken", 2, self.path, self.right);
        self.others.iter().fold(story, |story, (path, content)| story.file("rest", path, content))
    }

    /// The round ends green in one build, and the worker was told why it was asked again.
    #[track_caller]
    fn is_mended(&self, env: &Env, out: &Output, model: &Model) {
        let result = out.assert_ok().result();
        assert_eq!((result.outcome, result.iterations), (Outcome::Passed, 1), "{out}");
        assert_eq!(env.read(self.path), self.right);
        assert_eq!((model.count("work/broken"), model.count("work/rest"), model.count("fix")), (2, 1, 0));
        let told = failures(&out.events());
        let [(worker, reason, true)] = told.as_slice() else { panic!("{told:?}\n{out}") };
        assert!(worker == "broken" && reason.starts_with(self.said), "{told:?}");
        let decisions = std::fs::read_to_string(env.newest_log_dir().join("_decisions.jsonl")).unwrap();
        assert!(decisions.contains("\"phase\":\"look\"") && decisions.contains("syntax errors"), "{decisions}");
    }
}

fn failures(events: &[EventLine]) -> Vec<(String, String, bool)> {
    let failures = events.iter().filter_map(|line| match &line.event {
        Event::WorkerFailed { worker, reason, again, .. } => Some((worker.clone(), reason.clone(), *again)),
        _ => None,
    });
    failures.collect()
}

fn files(dir: &Path) -> Vec<String> {
    let mut found: Vec<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    found.sort();
    found
}

const RUN: [&str; 6] = ["run", "-o", ".", "--iterate", "--json", "build it"];

fn mended_before_the_first_build(case: &Case) {
    let env = Env::new();
    let model = Model::start(case.story());
    env.config(&model);
    let out = env.et(RUN).run();
    case.is_mended(&env, &out, &model);
    assert_eq!(files(&env.root().join("tmp")), Vec::<String>::new());
    assert_nothing_left(env);
}

#[test]
fn go() {
    require_tool!("go");
    require_tool!("gofmt");
    mended_before_the_first_build(&GO);
}

#[test]
fn rust() {
    require_tool!("cargo");
    require_tool!("rustfmt");
    mended_before_the_first_build(&RUST);
}

#[test]
fn python() {
    require_tool!("python3");
    mended_before_the_first_build(&PYTHON);
}

#[test]
fn node() {
    require_tool!("node");
    require_tool!("npm");
    mended_before_the_first_build(&NODE);
    mended_before_the_first_build(&JSON);
}

#[test]
fn a_look_leaves_nothing_and_uses_nothing_of_the_tree() {
    require_tool!("python3");
    let env = Env::new();
    // Things that a tool which looks at its surroundings would trip over, and tools of other makes.
    env.write("sitecustomize.py", "raise SystemExit('planted')\n");
    env.write("traceback.py", "open('planted', 'w')\n");
    for tool in ["python3", "gofmt", "rustfmt"] {
        for dir in ["", "bin/"] {
            env.write(&format!("{dir}{tool}"), "#!/bin/sh\necho planted > \"$HOME/planted\"\n");
            let path = env.work().join(format!("{dir}{tool}"));
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
    env.write("rustfmt.toml", "this is no configuration\n");
    let path = env.vars()["PATH"].clone();
    env.set("PATH", format!(".:{}:bin:{path}", env.work().join("bin").display()));
    let before = files(&env.work());
    let story = Story::new()
        .plan([Sub::new("one", "One").owns(["one.py"]), Sub::new("two", "Two").owns(["lib.rs"])])
        .file("one", "one.py", "def one(:\n    pass\n")
        .file_at("one", 2, "one.py", "def one():\n    pass\n")
        .file("two", "lib.rs", "fn two( {}\n")
        .file_at("two", 2, "lib.rs", "fn two() {}\n");
    let model = Model::start(story);
    env.config(&model);
    let check = ["run", "-o", ".", "--check", "true", "--json", "write"];
    env.et(check).run().assert_ok();
    let with_rust = env::tool("rustfmt").is_some();
    assert_eq!((model.count("work/one"), model.count("work/two")), (2, if with_rust { 2 } else { 1 }));
    assert!(!env.home().join("planted").exists(), "a planted tool was run");
    let mut after = before;
    after.extend(["lib.rs", "one.py"].map(str::to_owned));
    after.sort();
    assert_eq!(files(&env.work()), after);
    assert_nothing_left(env);
}

#[test]
fn a_missing_tool_is_fine() {
    let env = Env::new();
    let model = Model::start(PYTHON.story());
    env.config(&model);
    let bin = env.root().join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink("/bin/sh", bin.join("sh")).unwrap();
    env.set("PATH", bin.to_str().unwrap());
    let out = env.et(["run", "-o", ".", "--check", "true", "--json", "build it"]).run();
    out.assert_ok();
    assert_eq!((model.count("work"), failures(&out.events())), (2, Vec::new()));
    assert_eq!(env.read(PYTHON.path), PYTHON.wrong);
}

#[test]
fn without_a_check_nothing_is_run() {
    let env = Env::new();
    let model = Model::start(PYTHON.story());
    env.config(&model);
    env.et(["run", "-o", ".", "build it"]).run().assert_ok();
    assert_eq!((model.count("work"), env.read(PYTHON.path)), (2, PYTHON.wrong.to_owned()));
}

#[test]
fn a_second_broken_answer_lands_if_it_is_the_better_one() {
    require_tool!("node");
    let lands = |second: &'static str, expected: &str| {
        let env = Env::new();
        let story = Story::new()
            .plan([Sub::new("one", "One").owns(["one.py"])])
            .file("one", "one.py", "def one(:\n    pass\n")
            .file_at("one", 2, "one.py", second)
            .fix("one.py", "SyntaxError", "def one():\n    pass\n");
        let model = Model::start(story);
        env.config(&model);
        let out = env.et(["run", "-o", ".", "--check", "cat one.py >&2; false", "--json", "build it"]).run();
        out.assert_code(1);
        assert_eq!((env.read("one.py").as_str(), model.count("work")), (expected, 2), "{out}");
    };
    // As many errors: the later one counts.
    lands("def two(:\n    pass\n", "def two(:\n    pass\n");
    lands("def one():\n    pass\n", "def one():\n    pass\n");
}

#[test]
fn a_fix_that_breaks_the_syntax_is_asked_again() {
    require_tool!("python3");
    let env = Env::new();
    let story = Story::new()
        .plan([Sub::new("one", "One").owns(["one.py"])])
        .file("one", "one.py", "VALUE = 1\n")
        .fix("one.py", "value is wrong", "VALUE = (2\n")
        .fix("one.py", "was never closed", "VALUE = 2\n");
    let model = Model::start(story);
    env.config(&model);
    let check = "grep -q 'VALUE = 2' one.py || { echo 'one.py:1: error: value is wrong'; exit 1; }";
    let out = env.et(["run", "-o", ".", "--iterate", "--check", check, "--json", "build it"]).run();
    let result = out.assert_ok().result();
    assert_eq!((result.outcome, result.iterations), (Outcome::Passed, 2), "{out}");
    assert_eq!((model.count("work"), model.count("fix")), (1, 2), "{}", model.summary());
    assert_eq!(env.read("one.py"), "VALUE = 2\n");
    let told = out.events().into_iter().any(|line| match line.event {
        Event::Note { text, .. } => text.contains("the fix of one is asked for again, syntax: one.py:1: SyntaxError"),
        _ => false,
    });
    assert!(told, "{out}");
}

#[test]
fn a_fix_that_stays_broken_is_not_built() {
    require_tool!("python3");
    let env = Env::new();
    let story = Story::new()
        .plan([Sub::new("one", "One").owns(["one.py"])])
        .file("one", "one.py", "VALUE = 1\n")
        .fix("one.py", "value is wrong", "VALUE = (2\n")
        .fix("one.py", "was never closed", "VALUE = [2\n");
    let model = Model::start(story);
    env.config(&model);
    let check = "cat one.py >> seen; echo 'one.py:1: error: value is wrong'; exit 1";
    let out = env.et(["run", "-o", ".", "--iterate", "--check", check, "--json", "build it"]).run();
    out.assert_code(6);
    assert_eq!(out.result().outcome, Outcome::NoProgress);
    assert_eq!((env.read("one.py").as_str(), env.read("seen").as_str()), ("VALUE = 1\n", "VALUE = 1\n"));
}

#[test]
fn a_death_between_a_look_and_what_follows_buys_nothing_twice() {
    require_tool!("python3");
    // One worker: what another one was just asked would rightly be asked again.
    let story = || {
        Story::new()
            .plan([Sub::new("broken", "The file in question").owns([PYTHON.path])])
            .file("broken", PYTHON.path, PYTHON.wrong)
            .file_at("broken", 2, PYTHON.path, PYTHON.right)
    };
    for point in ["round.look_recorded#1", "round.call_recorded#3"] {
        let env = Env::new();
        env.write("main.py", "import sum\n");
        let model = Model::start(story());
        env.config(&model);
        env.set("ET_TEST_ABORT", point);
        env.set("ET_TEST_ABORT_ONCE", env.root().join("tmp").to_string_lossy());
        let out = env.et(["run", "-o", ".", "--iterate", "--json", "--no-synthesize", "build it"]).run();
        let result = out.assert_ok().result();
        assert_eq!((result.outcome, result.iterations), (Outcome::Passed, 1), "{out}");
        assert_eq!(env.read(PYTHON.path), PYTHON.right);
        assert_eq!((model.count("plan"), model.count("work/broken"), model.count("fix")), (1, 2, 0));
        assert_same_log(&env, &out);
        model.no_call_twice();
        let died = env.root().join("tmp").join(point.split('#').next().unwrap());
        std::fs::remove_file(died).expect("it never died");
        assert_nothing_left(env);
    }
}

#[test]
fn parts_can_be_left_out_to_see_what_they_are_worth() {
    require_tool!("python3");
    let env = Env::new();
    let story = PYTHON.story().fix(PYTHON.path, "SyntaxError", PYTHON.right);
    let model = Model::start(story);
    env.config(&model);
    // Handed on to the daemon that the first command starts.
    env.set("ET_TEST_WITHOUT", "quick-looks");
    let out = env.et(RUN).run();
    let result = out.assert_ok().result();
    assert_eq!((result.outcome, result.iterations), (Outcome::Passed, 2), "{out}");
    assert_eq!((model.count("work/broken"), model.count("fix")), (1, 1));
}

#[test]
fn without_ownership_the_last_answer_has_a_file() {
    let env = Env::new();
    let story = Story::new()
        .plan([Sub::new("one", "One").owns(["one.txt"]), Sub::new("two", "Two").owns(["two.txt"]).after(["one"])])
        .file("one", "one.txt", "of one\n")
        .file("two", "two.txt", "of two\n")
        .file("two", "one.txt", "of two as well\n");
    let model = Model::start(story);
    env.config(&model);
    env.et(["run", "-o", "a", "write"]).run().assert_ok();
    assert_eq!(env.read("a/one.txt"), "of one\n");
    env.set("ET_TEST_WITHOUT", "ownership");
    env.et(["daemon", "stop"]).run().assert_ok();
    env.et(["run", "-o", "b", "write"]).run().assert_ok();
    assert_eq!(env.read("b/one.txt"), "of two as well\n");
}

#[test]
fn without_the_best_tree_the_last_one_stays() {
    let ends = |without: &str| {
        let env = Env::new();
        let story = Story::new()
            .plan([Sub::new("one", "One").owns(["one.txt"])])
            .file("one", "one.txt", "1\n")
            .fix("one.txt", "just one", "2\n")
            .fix("one.txt", "even two", "3\n");
        let model = Model::start(story);
        env.config(&model);
        env.set("ET_TEST_WITHOUT", without);
        let check = "grep -q 1 one.txt && { echo 'one.txt:1: error: just one'; exit 1; }
            echo 'one.txt:1: error: even two'; echo 'one.txt:1: error: and a third'; exit 1";
        let run = ["run", "-o", ".", "--iterate", "--max-iterations", "2", "--check", check, "write"];
        env.et(run).run().assert_code(1);
        env.read("one.txt")
    };
    assert_eq!((ends("").as_str(), ends("keep-best").as_str()), ("1\n", "2\n"));
}
