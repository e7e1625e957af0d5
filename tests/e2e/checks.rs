//! Real tools: what they say goes to the worker whose file caused it, and its fix makes the build green.

use proto::event::{Event, EventLine};
use proto::outcome::Outcome;
use proto::report::CheckSource;
use tests::env::{Env, Output};
use tests::model::{Model, Story, Sub};
use tests::projects::stories;
use tests::require_tool;

/// Runs a story to green in two builds. `wrong` is the place that the first build must blame, `owner` who must get it.
fn mended(env: &Env, story: Story, wrong: (&str, u32), owner: &str) -> Output {
    let model = Model::start(story);
    env.config(&model);
    let out = env.et(["run", "-o", ".", "--iterate", "--json", "build it"]).run();
    let result = out.assert_ok().result();
    assert_eq!((result.outcome, result.iterations), (Outcome::Passed, 2));
    assert_eq!(result.check.source, CheckSource::Detected);
    let events = out.events();
    let first = red(&events).unwrap_or_else(|| panic!("no red build\n{out}"));
    assert_eq!((first.0.as_str(), first.1), wrong, "{out}");
    let owners: Vec<&str> = assigned(&events);
    assert_eq!(owners, [owner], "{out}");
    // Nobody else was asked for anything.
    assert_eq!(model.count("fix"), 1, "{}", model.summary());
    assert_eq!(model.count(&format!("fix/{owner}")), 1, "{}", model.summary());
    out
}

/// File and line of the first diagnostic of the first build.
fn red(events: &[EventLine]) -> Option<(String, u32)> {
    events.iter().find_map(|line| match &line.event {
        Event::CheckFinished { iteration: 1, diagnostics, .. } => {
            let first = diagnostics.first()?;
            Some((first.file.clone()?, first.line?))
        }
        _ => None,
    })
}

fn assigned(events: &[EventLine]) -> Vec<&str> {
    let owners = events.iter().filter_map(|line| match &line.event {
        Event::FixAssigned { owner, .. } => Some(owner.as_str()),
        _ => None,
    });
    owners.collect()
}

#[test]
fn cargo() {
    require_tool!("cargo");
    let env = Env::new();
    let area = "/// The area of a rectangle.\npub fn area(width: u32, height: u32) -> u32 {\n    width * height\n}\n";
    let story = Story::new()
        .contract("Rust", "pub fn area(width: u32, height: u32) -> u32", [])
        .plan([
            Sub::new("manifest", "Manifest and root").owns(["Cargo.toml", "src/lib.rs"]),
            Sub::new("shapes", "Shapes").owns(["src/shapes.rs"]),
        ])
        .file("manifest", "Cargo.toml", "[package]\nname = \"shapes\"\nversion = \"0.1.0\"\nedition = \"2021\"\n")
        .file(
            "manifest",
            "src/lib.rs",
            "pub mod shapes;\n\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn area() {\n        assert_eq!(super::shapes::area(2, 3), 6);\n    }\n}\n",
        )
        .file("shapes", "src/shapes.rs", "pub fn area(width: u32, height: u32) -> u32 {\n    width * hight\n}\n")
        .fix("src/shapes.rs", "hight", area);
    let out = mended(&env, story, ("src/shapes.rs", 2), "shapes");
    let tests = out.events().iter().rev().find_map(|line| match &line.event {
        Event::CheckFinished { tests_passed, .. } => Some(*tests_passed),
        _ => None,
    });
    assert_eq!(tests, Some(Some(1)), "{out}");
    let diagnostic = out.events().into_iter().find_map(|line| match line.event {
        Event::CheckFinished { iteration: 1, diagnostics, .. } => diagnostics.into_iter().next(),
        _ => None,
    });
    let diagnostic = diagnostic.unwrap();
    assert_eq!((diagnostic.code.as_deref(), diagnostic.owner.as_deref()), (Some("E0425"), Some("shapes")));
}

#[test]
fn go() {
    require_tool!("go");
    let env = Env::new();
    let story = Story::new()
        .plan([
            Sub::new("module", "Module and entry").owns(["go.mod", "main.go"]),
            Sub::new("sums", "Sums").owns(["sums/sums.go", "sums/sums_test.go"]),
        ])
        .file("module", "go.mod", "module example.com/app\n\ngo 1.21\n")
        .file(
            "module",
            "main.go",
            "package main\n\nimport \"example.com/app/sums\"\n\nfunc main() { println(sums.Sum(1, 2)) }\n",
        )
        .file("sums", "sums/sums.go", "package sums\n\nfunc Sum(a, b int) int { return a - b }\n")
        .file(
            "sums",
            "sums/sums_test.go",
            "package sums\n\nimport \"testing\"\n\nfunc TestNothing(t *testing.T) {\n\tif Sum(0, 0) != 0 {\n\t\tt.Fatal(\"nothing\")\n\t}\n}\n\nfunc TestOne(t *testing.T) {\n\tif got := Sum(1, 0); got != 1 {\n\t\tt.Fatal(got)\n\t}\n}\n\nfunc TestSum(t *testing.T) {\n\tif got := Sum(1, 2); got != 3 {\n\t\tt.Errorf(\"got %d, want 3\", got)\n\t}\n}\n",
        )
        .fix("sums/sums.go", "want 3", "package sums\n\nfunc Sum(a, b int) int { return a + b }\n");
    let out = mended(&env, story, ("sums/sums_test.go", 19), "sums");
    // Tests are counted, not packages.
    let events = out.events();
    let counts: Vec<_> = events
        .iter()
        .filter_map(|line| match &line.event {
            Event::CheckFinished { tests_passed, .. } => Some(*tests_passed),
            _ => None,
        })
        .collect();
    assert_eq!(counts, [Some(2), Some(3)], "{out}");
    let log = std::fs::read_to_string(env.newest_log_dir().join("_build_iter1.log")).unwrap();
    assert!(log.contains("$ go test ./...\n") && log.contains("--- FAIL: TestSum ("), "{log}");
    assert!(!log.contains("\"Action\""), "{log}");
}

#[test]
fn python() {
    require_tool!("python3");
    let env = Env::new();
    let story = Story::new()
        .plan([
            Sub::new("maths", "The maths").owns(["maths.py"]),
            Sub::new("proof", "The tests").owns(["test_maths.py"]),
        ])
        .file("maths", "maths.py", "def double(n):\n    return n + 3\n")
        .file(
            "proof",
            "test_maths.py",
            "import unittest\n\nfrom maths import double\n\n\nclass TestMaths(unittest.TestCase):\n    def test_double(self):\n        self.assertEqual(double(4), 8)\n\n    def test_zero(self):\n        self.assertRaises(TypeError, double, None)\n\n\nif __name__ == \"__main__\":\n    unittest.main()\n",
        )
        .fix("maths.py", "7 != 8", "def double(n):\n    return n * 2 if n is not None else n + n\n")
        .no_fix();
    let model = Model::start(story);
    env.config(&model);
    let out = env.et(["run", "-o", ".", "--iterate", "--json", "--max-iterations", "5", "build it"]).run();
    let result = out.assert_ok().result();
    assert_eq!((result.outcome, result.check.source), (Outcome::Passed, CheckSource::Detected));
    // A failing test is first looked at where it stands, then on the other side of the interface.
    assert!(model.count("fix/maths") >= 1, "{}", model.summary());
    let syntax = Env::new();
    let story = Story::new()
        .plan([Sub::new("one", "One").owns(["one.py"]), Sub::new("two", "Two").owns(["two.py"])])
        .file("one", "one.py", "VALUE = 1\n")
        .file("two", "two.py", "def broken(:\n    pass\n")
        .fix("two.py", "invalid syntax", "def mended():\n    pass\n");
    mended(&syntax, story, ("two.py", 1), "two");
}

#[test]
fn c_with_make() {
    require_tool!("gcc");
    require_tool!("make");
    let env = Env::new();
    let story = Story::new()
        .plan([
            Sub::new("rules", "Makefile and main").owns(["Makefile", "main.c"]),
            Sub::new("count", "The counter").owns(["count.c", "count.h"]),
        ])
        .file("rules", "Makefile", "CC ?= gcc\nprog: main.o count.o\n\t$(CC) -o $@ $^\nclean:\n\trm -f *.o prog\n")
        .file("rules", "main.c", "#include \"count.h\"\nint main(void) { return count(2) - 3; }\n")
        .file("count", "count.h", "int count(int n);\n")
        .file("count", "count.c", "#include \"count.h\"\nint count(int n) {\n    return n + one;\n}\n")
        .fix("count.c", "undeclared", "#include \"count.h\"\nint count(int n) {\n    return n + 1;\n}\n");
    let out = mended(&env, story, ("count.c", 3), "count");
    assert!(out.result().check.command.unwrap().contains("make"));
}

#[test]
fn c_with_cmake() {
    require_tool!("cmake");
    require_tool!("gcc");
    let env = Env::new();
    let story = Story::new()
        .plan([
            Sub::new("rules", "CMake and main").owns(["CMakeLists.txt", "main.c"]),
            Sub::new("greet", "The greeting").owns(["src/greet.c", "src/greet.h"]),
        ])
        .file(
            "rules",
            "CMakeLists.txt",
            "cmake_minimum_required(VERSION 3.10)\nproject(greeting C)\nadd_executable(greeting main.c src/greet.c)\n",
        )
        .file("rules", "main.c", "#include \"src/greet.h\"\nint main(void) { return greet()[0] == 0; }\n")
        .file("greet", "src/greet.h", "#pragma once\nconst char *greet(void);\n")
        .file("greet", "src/greet.c", "#include \"greet.h\"\nconst char *greet(void) {\n    return \"hello\"\n}\n")
        .fix("src/greet.c", "expected", "#include \"greet.h\"\nconst char *greet(void) {\n    return \"hello\";\n}\n");
    let out = mended(&env, story, ("src/greet.c", 3), "greet");
    assert!(out.result().check.command.unwrap().contains("cmake"));
}

#[test]
fn typescript() {
    require_tool!("node");
    require_tool!("tsc");
    let env = Env::new();
    let story = Story::new()
        .contract("TypeScript", "export function add(a: number, b: number): number", [])
        .plan([
            Sub::new("root", "Configuration and entry").owns(["package.json", "tsconfig.json", "src/index.ts"]),
            Sub::new("sum", "The sum").owns(["src/sum.ts"]),
        ])
        .file("root", "package.json", "{ \"name\": \"sum\", \"version\": \"1.0.0\", \"private\": true }\n")
        .file(
            "root",
            "tsconfig.json",
            "{ \"compilerOptions\": { \"strict\": true, \"noEmit\": true, \"target\": \"es2020\", \"module\": \"commonjs\", \"types\": [] }, \"include\": [\"src\"] }\n",
        )
        .file("root", "src/index.ts", "import { add } from \"./sum\";\nexport const three: number = add(1, 2);\n")
        .file("sum", "src/sum.ts", "export function add(a: number, b: number): number {\n  return `${a + b}`;\n}\n")
        .fix("src/sum.ts", "TS2322", "export function add(a: number, b: number): number {\n  return a + b;\n}\n");
    mended(&env, story, ("src/sum.ts", 2), "sum");
}

#[test]
fn node_scripts() {
    require_tool!("node");
    require_tool!("npm");
    let env = Env::new();
    let story = Story::new()
        .plan([
            Sub::new("root", "Manifest and test").owns(["package.json", "test.js"]),
            Sub::new("sum", "The sum").owns(["sum.js"]),
        ])
        .file(
            "root",
            "package.json",
            "{ \"name\": \"sum\", \"version\": \"1.0.0\", \"scripts\": { \"test\": \"node test.js\" } }\n",
        )
        .file("root", "test.js", "const { add } = require('./sum');\nif (add(1, 2) !== 3) process.exit(1);\n")
        .file("sum", "sum.js", "function add(a, b) {\n  return a + c;\n}\nmodule.exports = { add };\n")
        .fix("sum.js", "c is not defined", "function add(a, b) {\n  return a + b;\n}\nmodule.exports = { add };\n");
    mended(&env, story, ("sum.js", 2), "sum");
}

#[test]
fn a_missing_tool_is_named() {
    let env = Env::new();
    let story = Story::new()
        .plan([Sub::new("all", "The crate").owns(["Cargo.toml", "src/lib.rs"])])
        .file("all", "Cargo.toml", "[package]\nname = \"a\"\nversion = \"0.1.0\"\nedition = \"2021\"\n")
        .file("all", "src/lib.rs", "pub fn one() -> u32 {\n    1\n}\n")
        .no_fix();
    let model = Model::start(story);
    env.config(&model);
    let bin = env.root().join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink("/bin/sh", bin.join("sh")).unwrap();
    env.set("PATH", bin.to_str().unwrap());
    let out = env.et(["run", "-o", ".", "--iterate", "build it"]).run();
    // Everything is there, but nothing says that it builds.
    out.assert_code(8).assert_stderr("next: Everything was delivered, but the check couldn't be run");
    let told = out
        .stdout
        .lines()
        .chain(out.stderr.lines())
        .any(|line| line.contains("cargo isn't installed or isn't on PATH"));
    assert!(told, "{out}");
    // No model can mend that, and none is asked to.
    assert_eq!(model.count("fix"), 0, "{}", model.summary());
}

#[test]
fn any_script_that_names_file_and_line_is_read() {
    let env = Env::new();
    let story = Story::new()
        .plan([
            Sub::new("poem", "The poem").owns(["poem.txt"]),
            Sub::new("prose", "The prose").owns(["text/prose.txt"]),
        ])
        .file("poem", "poem.txt", "roses are red\n")
        .file("prose", "text/prose.txt", "once upon a time\nthere was a teh\n")
        .fix("text/prose.txt", "spelling of teh", "once upon a time\nthere was a the\n");
    let model = Model::start(story);
    env.config(&model);
    env.write(
        "lint.sh",
        "echo checking\nif grep -q teh text/prose.txt; then echo './text/prose.txt:2: spelling of teh'; exit 1; fi\n",
    );
    let out = env.et(["run", "-o", ".", "--iterate", "--json", "--check", "sh lint.sh", "write"]).run();
    assert_eq!(out.assert_ok().result().check.source, CheckSource::Flag);
    let events = out.events();
    assert_eq!(red(&events), Some(("text/prose.txt".to_owned(), 2)));
    assert_eq!(assigned(&events), ["prose"]);
}

#[test]
fn nothing_to_build_is_said() {
    let env = Env::new();
    let model = Model::start(tests::projects::stories::tiny());
    env.config(&model);
    let out = env.et(["run", "-o", ".", "--iterate", "write"]).run();
    out.assert_code(8).assert_stderr("next: Everything was delivered, but nothing to build was found");
}

#[test]
fn a_check_hears_signals() {
    let model = Model::start(stories::wide(1));
    for level in ["full", "partial"] {
        let env = Env::new();
        env.config(&model);
        env.set(proto::hooks::SANDBOX, level);
        // A shell that can't be told of the end of its children waits for ever.
        let check = "trap 'sleep 0.01 & wait; exit 0' TERM; kill -TERM $$; exit 1";
        env.et(["run", "-o", "a", "--no-synthesize", "--check", check, "Write a part"]).run().assert_ok();
    }
}
