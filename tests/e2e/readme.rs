//! The README's first steps are run as they stand, by a real shell.

use std::collections::BTreeMap;

use proto::outcome::Outcome;
use tests::env::Env;
use tests::model::{Model, Story, Sub};
use tests::projects::stories;
use tests::require_tool;

const README: &str = include_str!("../../README.md");

/// The blocks of this language in a section.
fn blocks(section: &str, language: &str) -> Vec<String> {
    let (_, rest) = README.split_once(&format!("\n## {section}\n")).expect("the section");
    let mut found: Vec<String> = Vec::new();
    let mut within = false;
    let mut fenced = false;
    for line in rest.lines() {
        if let Some(info) = line.strip_prefix("```") {
            fenced = !fenced;
            within = fenced && info == language;
            if within {
                found.push(String::new());
            }
        } else if let Some(block) = found.last_mut().filter(|_| within) {
            block.push_str(line);
            block.push('\n');
        } else if !fenced && line.starts_with("## ") {
            break;
        }
    }
    found
}

/// The command lines of a section's `sh` blocks, without their remarks.
fn commands(section: &str) -> Vec<String> {
    let blocks = blocks(section, "sh");
    let lines = blocks.iter().flat_map(|block| block.lines());
    let bare = lines.map(|line| line.split("    # ").next().unwrap_or(line).trim_end().to_owned());
    bare.filter(|line| !line.is_empty()).collect()
}

#[test]
fn first_steps_run_as_they_stand() {
    require_tool!("go");
    let commands = commands("First steps");
    let model = Model::start(
        stories::downloader()
            .and(stories::rest_api())
            .and(stories::gaps())
            .and(stories::watcher())
            .and(stories::queue())
            .and(stories::shutdown()),
    );
    let env = Env::new();
    env.unset("ET_LOG_DIR");
    env.config(&model);
    let mut ran: BTreeMap<String, usize> = BTreeMap::new();
    for command in &commands {
        let out = env.sh(command).run();
        out.assert_ok();
        let verbs = ["run", "session spawn", "session send", "session attach", "session diff", "session undo"];
        let name = verbs.map(|verb| format!("et {verb}")).into_iter().chain(["LOGDIR=".to_owned()]);
        let name = name.into_iter().find(|name| command.starts_with(name.as_str()));
        *ran.entry(name.unwrap_or_else(|| panic!("what is this? {command}"))).or_default() += 1;
        if command.starts_with("LOGDIR=") {
            out.assert_stdout("- Outcome: passed");
        }
    }
    let expected = "LOGDIR= 1, et run 4, et session attach 1, et session diff 1, et session send 1, et session spawn 1, \
                    et session undo 1";
    let ran: Vec<String> = ran.into_iter().map(|(name, times)| format!("{name} {times}")).collect();
    assert_eq!(ran.join(", "), expected, "the README's commands: {commands:#?}");
    for dir in ["build", "src", "myproject"] {
        let go = tests::env::tool("go").expect("go");
        env.command(go, ["build", "./..."]).dir(env.work().join(dir)).run().assert_ok();
    }
}

#[test]
fn an_agent_calls_it_from_a_shell_and_from_python() {
    require_tool!("python3");
    // Any task of that section: a small program in Python, with a mistake that is mended.
    let story = || {
        Story::new()
            .contract("Python", "", [])
            .plan([Sub::new("words", "Count words").owns(["count_words.py"])])
            .file("words", "count_words.py", "def count(text):\n    return len(text.split()\n")
            .fix("count_words.py", "was never closed", "def count(text):\n    return len(text.split())\n")
    };
    let model = Model::start(story());
    let env = Env::new();
    env.config(&model);
    let shell = blocks("From an agent", "sh");
    assert_eq!(shell.len(), 2, "{shell:?}");
    for block in &shell {
        // As a script, line by line: the id goes from one to the next.
        env.sh(&format!("set -e\n{block}")).run().assert_ok();
    }
    let python = blocks("From an agent", "python");
    assert_eq!(python.len(), 1);
    env.write("call.py", &python[0]);
    env.sh("python3 call.py").run().assert_ok().assert_stdout("['count_words.py']");
    // And red: the diagnostics are printed.
    let model = Model::start(story().fix("count_words.py", "was never closed", "def count(text:\n"));
    env.config(&model);
    std::fs::remove_dir_all(env.work().join("build")).expect("the dir of before");
    env.sh("python3 call.py").run().assert_ok().assert_stdout("count_words.py").assert_stdout("et session send");
}

#[test]
fn the_table_of_exit_codes_has_every_outcome() {
    let (_, section) = README.split_once("\n## Exit codes\n").expect("the section");
    for outcome in [
        Outcome::Passed,
        Outcome::Completed,
        Outcome::CheckFailed,
        Outcome::Provider,
        Outcome::Budget,
        Outcome::Deadline,
        Outcome::NoProgress,
        Outcome::Unsafe,
        Outcome::Partial,
        Outcome::Crashed,
        Outcome::Cancelled,
    ] {
        let row = format!("| {} | `{}` |", outcome.exit_code(), outcome.as_str());
        assert!(section.contains(&row), "{row} is missing");
    }
}
