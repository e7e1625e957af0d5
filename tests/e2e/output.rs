//! What is shown where: JSON lines, plain lines, the terminal.

use std::collections::BTreeSet;

use proto::event::{Event, SCHEMA};
use tests::env::{Config, Env, KEY};
use tests::model::{Model, Point, Story, Sub, Wire};
use tests::projects::stories::{TINY_BROKEN, TINY_CHECK, tiny, tiny_unfixable};

const ITERATE: [&str; 6] = ["run", "-o", ".", "--iterate", "--check", TINY_CHECK];

fn iterate<'a>(more: &[&'a str]) -> Vec<&'a str> {
    ITERATE.into_iter().chain(more.iter().copied()).chain(["write both files"]).collect()
}

#[test]
fn json_lines_are_events_in_order() {
    let env = Env::new();
    let model = Model::start(tiny().synthesis("Two files were written."));
    env.config(&model);
    let out = env.et(iterate(&["--json"])).run();
    let events = out.assert_ok().events();
    let numbers: Vec<u64> = events.iter().filter_map(|line| line.seq).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    assert!(events.iter().all(|line| line.schema == SCHEMA && line.round == 1));
    assert!(events.iter().all(|line| line.seq.is_some() || matches!(line.event, Event::Heartbeat { .. })));
    assert!(matches!(events.last().unwrap().event, Event::Result(_)));
    // Every line has all fields of the type that it says, and no others.
    for (line, event) in out.stdout.lines().zip(&events) {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(value, serde_json::to_value(event).unwrap());
    }
    let types: BTreeSet<String> = out
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["type"].as_str().unwrap().to_owned())
        .collect();
    for name in [
        "round.queued",
        "round.started",
        "plan.subtask",
        "plan.ready",
        "worker.started",
        "worker.finished",
        "file.written",
        "check.started",
        "check.finished",
        "fix.assigned",
        "fix.finished",
        "synthesis",
        "result",
    ] {
        assert!(types.contains(name), "{name} is missing: {types:?}");
    }
    // The same lines, byte for byte, for whoever comes later.
    let durable =
        |text: &str| text.lines().filter(|line| !line.contains("\"seq\":null")).map(str::to_owned).collect::<Vec<_>>();
    let again = env.et(["session", "attach", "last", "--json"]).run();
    assert_eq!(durable(&again.assert_ok().stdout), durable(&out.stdout));
    let tail = env.et(["session", "attach", "last", "--json", "--from", "3"]).run();
    assert_eq!(durable(&tail.assert_ok().stdout), durable(&out.stdout)[2..]);
}

#[test]
fn a_stream_brings_the_models_text() {
    let env = Env::new();
    let model = Model::start(tiny().hold_at("work/one", Point::AfterText("the first file".to_owned())));
    env.config(&model);
    let running = env.et_spawn(["run", "-o", ".", "--json", "--stream", "write both files"]);
    // It comes while the answer is still being written.
    running.wait_for_event(
        |line| matches!(&line.event, Event::Text { worker, text, .. } if worker == "one" && text.contains("first file")),
    );
    model.release("work/one");
    let out = running.wait();
    let text: String = out
        .assert_ok()
        .events()
        .iter()
        .filter_map(|line| match &line.event {
            Event::Text { worker, text, .. } if worker == "one" => Some(text.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(text, model.calls("work/one")[0].answer);
    // Who didn't ask for it gets none.
    let out = env.et(["session", "attach", "last", "--json"]).run();
    assert!(!out.assert_ok().events().iter().any(|line| matches!(line.event, Event::Text { .. })));
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let env = Env::new();
    let model = Model::start(tiny());
    env.config(&model);
    for flags in ["--json", ""] {
        let line = format!("et run -o . --no-synthesize {flags} --dry-run 'write' | head -1; exit ${{PIPESTATUS[0]}}");
        let out = env.command("/bin/bash", ["-c", line.as_str()]).env("PATH", env_path(&env)).run();
        assert_eq!(out.assert_ok().stdout.lines().count(), 1);
        out.assert_nowhere("panic").assert_nowhere("roken pipe");
    }
    let line = "et completions bash | head -1; et session list | head -1; et run --help | head -1";
    let out = env.command("/bin/bash", ["-c", line]).env("PATH", env_path(&env)).run();
    out.assert_ok().assert_nowhere("panic").assert_nowhere("roken pipe");
}

fn env_path(env: &Env) -> String {
    format!("{}:{}", env.et_path().parent().unwrap().display(), env.vars()["PATH"])
}

#[test]
fn plain_lines_are_told_once_and_results_stand_on_stdout() {
    let env = Env::new();
    let model = Model::start(tiny().synthesis("Two files were written, and they fit."));
    env.config(&model);
    let out = env.et(iterate(&[])).run();
    assert_eq!(out.assert_ok().stdout, "Two files were written, and they fit.\n");
    for part in [
        "subtask one: The first file [one.txt]",
        "worker two started: The second file",
        "build 1: red",
        "two.txt:2: error: count is wrong",
        "to worker two",
        "build 2: green",
        "outcome: passed (exit code 0)",
        "logs: ",
    ] {
        out.assert_stderr(part);
    }
    let lines: Vec<&str> = out.stderr.lines().collect();
    let mut seen = BTreeSet::new();
    let doubled: Vec<&&str> = lines.iter().filter(|line| !seen.insert(**line)).collect();
    assert!(doubled.is_empty(), "{doubled:?}\n{out}");
    out.assert_nowhere("\u{1b}");
    let quiet = env.et(iterate(&["--quiet"])).run();
    assert_eq!(
        (quiet.assert_ok().stderr.as_str(), quiet.stdout.as_str()),
        ("", "Two files were written, and they fit.\n")
    );
    let silent = env.et(iterate(&["--quiet", "--no-synthesize"])).run();
    assert_eq!((silent.assert_ok().stderr.as_str(), silent.stdout.as_str()), ("", ""));
}

#[test]
fn what_stays_red_stands_on_stdout() {
    let env = Env::new();
    let model = Model::start(tiny_unfixable().synthesis("One file is still wrong."));
    env.config(&model);
    let out = env.et(iterate(&["--max-iterations", "2"])).run();
    assert!(matches!(out.code, Some(1 | 6)), "{out}");
    let mut lines: Vec<&str> = out.stdout.lines().collect();
    assert_eq!(lines.pop(), Some("two.txt:2: error: count is wrong"));
    assert_eq!(lines, ["One file is still wrong."]);
    assert_eq!(env.read("two.txt"), TINY_BROKEN);
}

/// Words with everything that could steer a terminal.
const HOSTILE: &str = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{1b}[31mcrimson\u{9b}31m\u{202e}back\r";

fn hostile_story() -> Story {
    let second = format!("the second {HOSTILE} file\nand more of it");
    Story::new()
        .plan([
            Sub::new("one", &format!("First {HOSTILE} title")).instructions("Write the first.").owns(["one.txt"]),
            Sub::new("two", "Second").owns(["two.txt"]),
        ])
        .says(
            "work/one",
            &format!(
                "===FILE: one.txt===\nfine\n===ENDFILE===\n\n===FILE: ../x{HOSTILE}y.txt===\nbad\n===ENDFILE===\n"
            ),
        )
        .file("two", "two.txt", &second)
        .no_fix()
        .synthesis(&format!("It is {HOSTILE} done"))
}

/// A check whose output is as hostile as can be.
const HOSTILE_CHECK: &str = r"printf 'two.txt:1: error: bad \033[2J\033]0;owned\007 \033[31mend\033[0m\n'; exit 1";

#[test]
fn hostile_words_never_reach_a_pipe_or_a_terminal_raw() {
    let env = Env::new();
    let model = Model::start(hostile_story());
    env.config(&model);
    let args = ["run", "-o", ".", "--iterate", "--max-iterations", "1", "--check", HOSTILE_CHECK, "write"];
    let out = env.et(args).run();
    assert!(matches!(out.code, Some(1 | 8)), "{out}");
    for bad in ['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}', '\r'] {
        assert!(!out.stdout.contains(bad) && !out.stderr.contains(bad), "{bad:?}\n{out}");
    }
    out.assert_stdout("It is").assert_stdout("two.txt:1: error: bad");
    // Also what a worker is just writing is shown.
    model.hold("work/two", Point::AfterText("and more".to_owned()));
    let mut terminal = env.et_on_terminal(args, 40, 100);
    model.wait_for_held("work/two");
    terminal.wait_for("the worker that writes", |text| text.contains("two Second"));
    model.release("work/two");
    terminal.screen_contains("check failed");
    terminal.wait();
    let raw = terminal.raw();
    for bad in ["\u{1b}[2J", "\u{1b}]0;", "\u{7}", "\u{9b}", "\u{202e}", "\u{1b}[31mcrimson"] {
        assert!(!raw.contains(bad), "{bad:?} reached the terminal: {raw:?}");
    }
    for command in [&["session", "show", "last"][..], &["session", "list"], &["session", "attach", "last"]] {
        let out = env.et(command).run();
        assert!(!out.stdout.contains('\u{1b}') && !out.stderr.contains('\u{1b}'), "{out}");
    }
}

#[test]
fn a_terminal_shows_workers_builds_and_the_end() {
    let env = Env::new();
    let story =
        tiny().synthesis("Both files are there.").hold("work/one").hold("work/two").hold_at("fix/two", Point::Start);
    let model = Model::start(story);
    env.config(&model);
    let mut terminal = env.et_on_terminal(iterate(&[]), 40, 110);
    model.wait_for_held("work/one");
    model.wait_for_held("work/two");
    terminal.wait_for("both workers", |text| text.contains("The first file") && text.contains("The second file"));
    model.release("work/one");
    model.release("work/two");
    model.wait_for_held("fix/two");
    terminal.wait_for("the red build, its error and who got it", |text| {
        text.contains("red") && text.contains("two.txt:2") && text.contains("count is wrong") && text.contains("two")
    });
    model.release("fix/two");
    terminal.screen_contains("✓ passed");
    assert_eq!(terminal.wait(), 0);
    terminal.wait_for("the closing text", |text| text.contains("Both files are there."));
    // The cursor is back, and the line is the caller's again.
    let raw = terminal.raw();
    assert_eq!(raw.matches("\u{1b}[?25l").count() > 0, raw.contains("\u{1b}[?25h"), "{raw:?}");
    // NO_COLOR: no colours, whatever else the view needs.
    env.set("NO_COLOR", "1");
    let mut terminal = env.et_on_terminal(iterate(&[]), 40, 110);
    assert_eq!(terminal.wait(), 0);
    let coloured = regex::Regex::new("\u{1b}\\[[0-9;]*(3[0-7]|9[0-7]|38;|4[0-7])[0-9;]*m").unwrap();
    assert!(!coloured.is_match(&terminal.raw()), "{:?}", terminal.raw());
}

#[test]
fn commands_that_only_tell() {
    let env = Env::new();
    let model = Model::start(tiny().models(["scripted", "another"]));
    let config = Config::one(&model, Wire::OpenAi).provider("dead", Wire::OpenAi, &Model::nobody());
    env.write_config(&config);
    env.et(["session", "list"]).run().assert_ok().assert_stderr("no sessions yet");
    env.et(["run", "-o", "first", "the first task"]).run().assert_ok();
    env.et(["run", "-o", "second", "the second task"]).run().assert_ok();
    let list = env.et(["session", "list", "--json"]).run().assert_ok().json();
    let tasks: Vec<&str> =
        list["sessions"].as_array().unwrap().iter().map(|session| session["task"].as_str().unwrap()).collect();
    assert_eq!(tasks, ["the second task", "the first task"]);
    let plain = env.et(["session", "list"]).run();
    let lines: Vec<&str> = plain.assert_ok().stdout.lines().collect();
    assert!(lines.len() == 2 && lines[0].contains("completed") && lines[1].contains("the first task"), "{plain}");
    let id = list["sessions"][1]["id"].as_str().unwrap();
    let shown = env.et(["session", "show", &id[..8], "--json"]).run().assert_ok().json();
    assert_eq!(shown["session"]["id"], id);
    assert_eq!(shown["rounds"][0]["report"]["outcome"], "completed");
    env.et(["session", "show", "ffffffff"]).run().assert_code(2);

    let models = env.et(["models", "--json"]).run().assert_ok().json();
    assert_eq!(models["roles"]["mayor"]["pool"][0], "scripted/scripted");
    let providers = models["providers"].as_array().unwrap();
    let find = |name: &str| providers.iter().find(|one| one["provider"] == name).unwrap();
    assert_eq!(find("scripted")["models"], serde_json::json!(["scripted", "another"]));
    assert!(find("dead")["error"].is_string());
    env.et(["models"]).run().assert_ok().assert_stdout("  scripted/another");
    let nodes = env.et(["nodes"]).run();
    nodes.assert_ok().assert_stdout("answers in").assert_nowhere(KEY);
    assert_eq!(nodes.stdout.lines().count(), 2);

    env.et(["completions", "bash"]).run().assert_ok().assert_stdout("complete -F");
    env.et(["completions", "tcsh"]).run().assert_code(2);
    let version = env.et(["version", "--json"]).run().assert_ok().json();
    assert!(version["version"].is_string() && version["protocol"].is_u64(), "{version}");
    let version = version["version"].as_str().unwrap().to_owned();
    env.et(["--version"]).run().assert_ok().assert_stdout(&version);
}
