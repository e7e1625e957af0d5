//! Words of models, tools, providers, files and configs: none of them steers a terminal.

use std::fs;

use tests::env::{Config, Env, Output};
use tests::model::{Fault, Model, Point, Story, Sub, Wire};

/// Sets colours, the title, a link and the clipboard, asks for an answer, turns the line around, and rings; in seven and in eight bits.
const STEERING: &str = "\u{1b}[2J\u{1b}[31mcrimson\u{1b}]0;owned\u{7}\u{1b}]8;;http://evil.invalid\u{1b}\\link\u{1b}]8;;\u{1b}\\\
    \u{1b}]52;c;cm0gLXJm\u{7}\u{1b}[6n\u{1b}P$q\"p\u{1b}\\\u{9b}31m\u{9d}52;c;eA==\u{9c}\u{202e}drowkcab\u{2066}\u{61c}\u{200f}\u{2028}\
    \u{8}\u{8}\u{7f}\u{85}\u{90}\rover";
/// The same as a check prints it.
const PRINTF: &str = r#"printf 'one.txt:1: error: E \033[2J\033[31mcrimson\033]0;owned\007\033]8;;http://evil.invalid\033\\link\033]52;c;cm0gLXJm\007\033[6n\302\2333\302\235\342\200\256\r\n'; printf '\233raw\377\n' >&2; exit 1"#;

/// Whether a terminal obeys a character that isn't of our own making.
fn obeyed(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\t')
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[track_caller]
fn harmless(out: &Output) {
    for (name, stream) in [("stdout", &out.stdout), ("stderr", &out.stderr)] {
        if let Some(at) = stream.find(obeyed) {
            let from = stream.floor_char_boundary(at.saturating_sub(80));
            let to = stream.ceil_char_boundary((at + 80).min(stream.len()));
            panic!("`{}` lets {:?} through on {name}", out.line, &stream[from..to]);
        }
    }
}

fn story() -> Story {
    let answer = format!(
        "It is {STEERING} done\n===FILE: one.txt===\nfine {STEERING}\nmore of it\n===ENDFILE===\n\n\
         ===FILE: ../x{STEERING}y.txt===\nbad\n===ENDFILE===\n\nNotes: {STEERING}\n"
    );
    let two = format!("two{STEERING}");
    Story::new()
        .plan([
            Sub::new("one", &format!("First {STEERING} title"))
                .instructions(&format!("Write {STEERING}"))
                .owns(["one.txt"])
                .reads([format!("r{STEERING}.txt").as_str()])
                .provides([format!("def f{STEERING}()").as_str()]),
            Sub::new(&two, "Second").owns(["two.txt"]),
        ])
        .says("work/one", &answer)
        .file(&two, "two.txt", "the second\n")
        .score("one", 9, &format!("good {STEERING}"))
        .scores(9)
        .no_fix()
        .models([format!("model{STEERING}\nscripted: 9 models").as_str(), "scripted"])
        .synthesis(&format!("It is {STEERING} done"))
        .lenient()
}

#[test]
fn nothing_that_a_terminal_obeys_comes_out_of_any_command() {
    let env = Env::new();
    let model = Model::start(story());
    // A config's own path and a work dir may have such names as well.
    let path = env.root().join("conf\u{1b}]0;x\u{7}\u{202e}.yaml");
    let yaml = Config::one(&model, Wire::OpenAi).reviewer("main").yaml();
    fs::write(&path, yaml.replace("$ET_TEST_KEY", "literal-key")).unwrap();
    env.set("ET_CONFIG", path.to_str().unwrap());
    let dir = "dir\u{1b}]0;x\u{7}\u{9b}31m\u{202e}".to_owned();
    env.write(&format!("{dir}/name\u{1b}[31m.txt"), "x\n");
    let task = format!("write {STEERING}");
    let args = [
        "run",
        "-o",
        &dir,
        "--iterate",
        "--max-iterations",
        "1",
        "--check",
        PRINTF,
        "--guardrail-threshold",
        "5",
        &task,
    ];
    let run = env.et(args).run();
    assert!(matches!(run.code, Some(1 | 6 | 8)), "{run}");
    run.assert_stdout("one.txt:1: error: E").assert_stdout("crimson");
    harmless(&run);
    let json = env.et(args).arg("--json").arg("--stream").run();
    harmless(&json);
    // Nothing is lost by it: a reader of JSON has the words as they are.
    assert!(json.result().check.diagnostics[0].message.contains("crimson"), "{json}");
    let told = json.events().iter().any(|line| serde_json::to_string(line).unwrap().contains("\u{202e}"));
    assert!(told, "{json}");
    for command in [
        &["session", "attach", "last", "--from", "start"][..],
        &["session", "list"],
        &["session", "show", "last"],
        &["session", "diff", "last"],
        &["session", "wait", "last"],
        &["models"],
        &["nodes"],
        &["daemon", "status"],
        &["daemon", "logs"],
        &["trust", path.to_str().unwrap()],
        &["run", "-o", "x", "--dry-run", &task],
        // What a person typed comes back in errors.
        &["run", "-o", "x", &format!("--fl{STEERING}"), "x"],
        &["run", "-o", &format!("{dir}/name\u{1b}[31m.txt"), "x"],
        &["run", "-o", "x", "--config", &format!("no{STEERING}.yaml"), "x"],
        &["run", "-o", "x", "--timeout", &format!("1{STEERING}"), "x"],
        &["run", "-o", "x", "--role", &format!("r{STEERING}"), "x"],
        &["run", "-o", "x", "--task-file", &format!("no{STEERING}")],
        &["session", "show", &format!("a{STEERING}")],
        &[&format!("verb{STEERING}")],
        &["completions", &format!("sh{STEERING}")],
        &["session", "undo", "last"],
    ] {
        harmless(&env.et(command).run());
        harmless(&env.et(command).arg("--json").run());
    }
    // A model's name of two lines is one line.
    let names = env.et(["models"]).run();
    assert!(names.assert_ok().stdout.lines().all(|line| line != "scripted: 9 models"), "{names}");
    // What a provider answers in its errors.
    for fault in [
        Fault::Text(STEERING.to_owned()),
        Fault::Redirect(format!("http://127.0.0.1:1/{}", STEERING.replace(['\r', '\u{7f}'], ""))),
    ] {
        model.fail("plan", fault);
        harmless(&env.et(["run", "-o", "x", "once more"]).run());
    }
    // A round that waits for its key names the file of the key.
    model.hold("plan", Point::Start);
    let running = env.et_spawn(["run", "-o", "x", "--detach", "wait for it"]);
    harmless(&running.wait());
    model.wait_for_held("plan");
    env.kill_daemon();
    fs::remove_file(&path).unwrap();
    env.unset("ET_CONFIG");
    let waits = env.et(["session", "wait", "last", "--timeout", "1s"]).run();
    waits.assert_code(75).assert_stderr("waits for credentials");
    harmless(&waits);
    harmless(&env.et(["session", "show", "last"]).run());
    harmless(&env.et(["session", "list"]).run());
}

#[test]
fn on_a_terminal_every_sequence_is_our_own() {
    let env = Env::new();
    let model = Model::start(story());
    env.config(&model);
    let task = format!("write {STEERING}");
    let run = ["run", "-o", ".", "--iterate", "--max-iterations", "1", "--check", PRINTF, &task];
    // Cursor, erasing to the end, colours; nothing else is ever drawn.
    let own = regex::Regex::new("\u{1b}\\[[0-9;?]*[A-HJKlmh]|\r").unwrap();
    let commands: [(&[&str], &str); 4] = [
        (&run, "check failed"),
        (&["session", "diff", "last"], "more of it"),
        (&["session", "attach", "last", "--from", "start"], "check failed"),
        (&["run", "-o", "x", "--config", "no\u{1b}]0;x\u{7}", "x"], "there is no file"),
    ];
    for (args, shown) in commands {
        let mut terminal = env.et_on_terminal(args, 40, 100);
        terminal.wait();
        let raw = terminal.raw();
        let rest = own.replace_all(&raw, "");
        assert!(rest.contains(shown), "{args:?}: {raw:?}");
        let found = rest.find(obeyed).map(|at| rest[at..].chars().take(40).collect::<String>());
        assert_eq!(found, None, "{args:?}: {raw:?}");
        for planted in ["\u{1b}[2J", "\u{1b}[31mcrimson", "\u{1b}[6n", "\u{1b}]"] {
            assert!(!raw.contains(planted), "{args:?}: {planted:?} in {raw:?}");
        }
    }
}
