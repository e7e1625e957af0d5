#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

use super::*;
use crate::args::{self, Command, Session};

/// The flags of a line, or the message of what is wrong with it.
fn flags_of(line: &[&str]) -> Result<Flags, String> {
    let words: Vec<std::ffi::OsString> = std::iter::once("et").chain(line.iter().copied()).map(Into::into).collect();
    let flags = match args::parse(&words).unwrap().command {
        Command::Run(run) => flags(&run.round, Verb::Run, run.output_dir.is_some()),
        Command::Session(Session::Spawn(spawn)) => flags(&spawn.round, Verb::Spawn, true),
        Command::Session(Session::Send(send)) => flags(&send.round, Verb::Send, true),
        other => panic!("{other:?}"),
    };
    flags.map_err(|problem| {
        assert_eq!(problem.exit_code, 2);
        problem.message
    })
}

#[test]
fn flags_mean_what_the_table_says() {
    let run = Flags { iterate: Some(false), ..Flags::default() };
    let spawn = Flags { iterate: Some(true), ..Flags::default() };
    for (line, expected) in [
        (&["run", "t"][..], run.clone()),
        (&["run", "t", "-o", "d", "--iterate"], spawn.clone()),
        (&["session", "spawn", "--work-dir", "d", "t"], spawn.clone()),
        (&["session", "spawn", "--dir", "d", "t", "--no-iterate"], run.clone()),
        (&["session", "send", "last", "t"], Flags::default()),
        (&["run", "t", "--timeout", "60"], Flags { timeout_ms: Some(3_600_000), ..run.clone() }),
        (&["run", "t", "--timeout", "90s"], Flags { timeout_ms: Some(90_000), ..run.clone() }),
        (&["run", "t", "--max-cost", "2.5"], Flags { max_cost_micros: Some(2_500_000), ..run.clone() }),
        (&["run", "t", "--role", "planner"], Flags { role: Some("mayor".into()), ..run.clone() }),
        (&["run", "t", "--no-test", "--dry-run"], Flags { tests: Some(false), dry_run: true, ..run.clone() }),
        (
            &["run", "t", "--no-synthesize", "--no-tester", "--workers", "3", "--guardrail-retries", "0"],
            Flags {
                skip: Skip { synthesize: true, tester: true, ..Skip::default() },
                workers: Some(3),
                guardrail_retries: Some(0),
                ..run.clone()
            },
        ),
    ] {
        assert_eq!(flags_of(line), Ok(expected), "{line:?}");
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    for (line, message) in [
        (&["run", "t", "--iterate"][..], "--iterate needs a directory"),
        (&["run", "t", "--check", "make"], "--check needs a directory"),
        (&["run", "t", "-o", "d", "--check", " "], "--check is empty"),
        (&["run", "t", "--max-iterations", "0"], "--max-iterations must be at least 1"),
        (&["run", "t", "--workers", "0"], "--workers must be at least 1"),
        (&["run", "t", "--max-subtasks", "0"], "--max-subtasks must be at least 1"),
        (&["run", "t", "--max-tokens", "0"], "--max-tokens must be at least 1"),
        (&["run", "t", "--guardrail-threshold", "11"], "1 to 10"),
        (&["run", "t", "--timeout", "soon"], "`soon` isn't a time"),
        (&["run", "t", "--timeout", "0"], "isn't a time"),
        (&["run", "t", "--max-cost", "inf"], "isn't an amount"),
        (&["run", "t", "--max-cost", "0"], "isn't an amount"),
    ] {
        let error = flags_of(line).unwrap_err();
        assert!(error.contains(message), "{line:?}: {error}");
    }
}

#[test]
fn the_task_comes_from_where_it_was_said() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("t.md"), "\u{feff} from file\n").unwrap();
    let args = |task: Option<&str>, file: Option<&str>| TaskArgs {
        task: task.map(str::to_owned),
        task_file: file.map(Into::into),
    };
    for (args, expected) in [
        (args(Some("typed"), None), Ok("typed")),
        (args(Some("-"), None), Ok("from stdin")),
        (args(None, Some("-")), Ok("from stdin")),
        (args(None, Some("t.md")), Ok("from file")),
        (args(None, None), Err("missing")),
        (args(Some("  "), None), Err("empty")),
        (args(None, Some("none.md")), Err("none.md")),
    ] {
        let mut stdin: &[u8] = b"from stdin\n";
        match (task(&args, dir.path(), &mut stdin), expected) {
            (Ok(text), Ok(expected)) => assert_eq!(text, expected),
            (Err(problem), Err(word)) => assert!(problem.message.contains(word), "{problem:?}"),
            (got, _) => panic!("{args:?}: {got:?}"),
        }
    }
}

#[test]
fn stdin_is_left_alone_otherwise() {
    struct Never;
    impl Read for Never {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            panic!("stdin was read")
        }
    }
    let args = TaskArgs { task: Some("x".into()), task_file: None };
    assert_eq!(task(&args, Path::new("/"), &mut Never).unwrap(), "x");
}

#[test]
fn work_dirs_are_absolute() {
    let home = tempfile::tempdir().unwrap();
    let home_path = std::fs::canonicalize(home.path()).unwrap();
    std::fs::write(home_path.join("file"), "").unwrap();
    let text = home_path.to_str().unwrap().to_owned();
    let var = |name: &str| (name == "HOME").then(|| text.clone());
    let cwd = home_path.join("work");
    for (dir, expected) in [
        (Some("./build/"), Ok(Some(format!("{text}/work/build")))),
        (Some("~/x"), Ok(Some(format!("{text}/x")))),
        (Some("/srv/x"), Ok(Some("/srv/x".to_owned()))),
        (None, Ok(None)),
        (Some("/"), Err("no place")),
        (Some("~"), Err("no place")),
        (Some(""), Err("empty")),
        (Some("~/file"), Err("not a directory")),
    ] {
        match (work_dir(dir.map(Path::new), &cwd, &var), expected) {
            (Ok(path), Ok(expected)) => assert_eq!(path, expected),
            (Err(problem), Err(word)) => assert!(problem.message.contains(word), "{problem:?}"),
            (got, _) => panic!("{dir:?}: {got:?}"),
        }
    }
}

#[test]
fn sessions_and_starts() {
    assert_eq!(session("last").unwrap(), SessionName::Last);
    assert_eq!(session("AB12").unwrap(), SessionName::Prefix("ab12".into()));
    for wrong in ["", "xyz", "../x", "0123456789012345678901234567890123456789"] {
        assert_eq!(session(wrong).unwrap_err().exit_code, 2, "{wrong}");
    }
    assert_eq!(from(None).unwrap(), From::NewestRound);
    assert_eq!(from(Some("start")).unwrap(), From::Start);
    assert_eq!(from(Some("now")).unwrap(), From::Now);
    assert_eq!(from(Some("17")).unwrap(), From::Seq(17));
    assert!(from(Some("0")).is_err() && from(Some("-1")).is_err() && from(Some("end")).is_err());
}

#[test]
fn the_config_has_a_say() {
    let yaml = "providers:\n  p: { type: openai, base_url: https://x.example/v1, api_key: k }\n\
        models:\n  a: { provider: p, model: unknown-model }\n\
        roles:\n  mayor: { model: a }\n  polecat: { model: a }\n";
    let config = crate::config::test_config(yaml);
    let cost = Flags { max_cost_micros: Some(1), ..Flags::default() };
    let problem = check_against(&cost, &config).unwrap_err();
    assert!(problem.message.contains("p/unknown-model"), "{problem:?}");
    let role = Flags { role: Some("mayr".into()), ..Flags::default() };
    let problem = check_against(&role, &config).unwrap_err();
    assert!(problem.hint.unwrap().contains("mayor"));
    assert_eq!(check_against(&Flags::default(), &config), Ok(()));
}
