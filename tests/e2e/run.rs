//! The main job as callers type it: the command lines of the README's task list with Go, from a shell and from Python.

use proto::event::Event;
use proto::outcome::Outcome;
use proto::report::CheckStatus;
use tests::env::{Env, Output};
use tests::model::Model;
use tests::projects::{gaps, rest_api, shutdown, stories, tasks, watcher};
use tests::require_tool;

/// Whether `go build ./...` is green in a dir below the work dir.
fn go_build(env: &Env, dir: &str) -> Output {
    env.command(tests::env::tool("go").expect("go"), ["build", "./..."]).dir(env.work().join(dir)).run()
}

/// An environment whose log dirs are where the README says.
fn env_with_logs_at_home() -> Env {
    let env = Env::new();
    env.unset("ET_LOG_DIR");
    env
}

#[test]
fn without_iterate_files_are_written_and_nothing_is_built() {
    let model = Model::start(stories::downloader());
    let env = env_with_logs_at_home();
    env.config(&model);
    let line = format!("et run --output-dir ./build/ \"{}\"", tasks::DOWNLOADER);
    let out = env.sh(&line).run();
    out.assert_ok().assert_stdout("A downloader with retries");
    for file in ["go.mod", "fetch.go", "checksum.go", "progress.go", "main.go"] {
        assert!(env.has(&format!("build/{file}")), "{file} is there\n{out}");
    }
    assert!(!out.stderr.contains('\u{1b}'), "no colours where there is no terminal\n{out}");
    // The newest log dir as the README finds it, with a real shell.
    let script = "LOGDIR=$(ls -td ~/Documents/electrictown-logs/*/ | head -1); cat \"${LOGDIR}/_synthesis.md\"";
    let words = env.sh(script).run();
    words.assert_ok().assert_stdout("Outcome: completed").assert_stdout("fetch.go").assert_stdout("A downloader with");
    let builds = env.sh("ls ~/Documents/electrictown-logs/*/ | grep -c _build_").run();
    assert_eq!(builds.stdout.trim(), "0", "{builds}");
}

#[test]
fn with_iterate_it_ends_green_and_gaps_are_fixed_in_the_tree_that_is_there() {
    require_tool!("go");
    let model = Model::start(stories::rest_api().and(stories::gaps()));
    let env = env_with_logs_at_home();
    env.config(&model);
    let out = env.sh(&format!("et run --json --output-dir ./build/ --iterate \"{}\"", tasks::REST_API)).run();
    let report = out.assert_ok().result();
    assert_eq!((report.outcome, report.iterations), (Outcome::Passed, 2), "{out}");
    assert_eq!(report.check.status, CheckStatus::Green);
    go_build(&env, "build").assert_ok();
    // The diagnostic went to the worker whose file caused it.
    let fixes = model.calls("fix");
    assert_eq!(fixes.len(), 1, "{}", model.summary());
    assert_eq!(fixes[0].subtask.as_deref(), Some("handlers"));
    assert!(fixes[0].text.contains(rest_api::HANDLERS_ERROR));
    // Flags after the task; what is there is read and changed.
    let task = tasks::GAPS;
    let out = env.sh(&format!("et run --json --output-dir ./build/ \"{task}\" --max-iterations 5 --iterate")).run();
    let report = out.assert_ok().result();
    assert_eq!(report.outcome, Outcome::Passed, "{out}");
    assert_eq!(env.read("build/store.go"), gaps::STORE);
    assert_eq!(env.read("build/handlers.go"), gaps::HANDLERS);
    assert_eq!(env.read("build/main.go"), rest_api::MAIN, "what needs no change is left alone");
    go_build(&env, "build").assert_ok();
    let plan = model.calls("plan").pop().expect("a plan");
    assert!(plan.text.contains("main.go") && plan.text.contains("handlers.go"), "the planner sees the tree");
    let listed = env.et(["session", "list", "--json"]).run();
    let sessions = listed.assert_ok().json()["sessions"].as_array().map(Vec::len);
    assert_eq!(sessions, Some(2), "a run is a session of its own\n{listed}");
}

#[test]
fn limits_and_flags_before_the_task() {
    require_tool!("go");
    let model = Model::start(stories::watcher());
    let env = env_with_logs_at_home();
    env.config(&model);
    let task = tasks::WATCHER;
    let out = env.sh(&format!("et run --output-dir ./src/ --iterate --max-iterations 5 --timeout 60 \"{task}\"")).run();
    out.assert_ok().assert_stdout("A watcher.");
    assert_eq!(env.read("src/webhook.go"), watcher::WEBHOOK);
    go_build(&env, "src").assert_ok();
}

#[test]
fn a_session_is_spawned_sent_to_and_attached() {
    require_tool!("go");
    let model = Model::start(stories::queue().and(stories::shutdown()));
    let env = env_with_logs_at_home();
    env.config(&model);
    let out = env.sh(&format!("et session spawn --work-dir ./myproject/ \"{}\"", tasks::QUEUE)).run();
    let id = out.assert_ok().stdout.trim().to_owned();
    assert_eq!(out.stdout.lines().count(), 1, "the id and nothing else\n{out}");
    let message = tasks::SHUTDOWN;
    env.sh(&format!("et session send {id} \"{message}\"")).run().assert_ok();
    let out = env.sh(&format!("et session attach {id} --from start --json")).run();
    out.assert_ok();
    let results: Vec<_> = out
        .events()
        .into_iter()
        .filter_map(|line| match line.event {
            Event::Result(report) => Some((line.round, report.outcome)),
            _ => None,
        })
        .collect();
    assert_eq!(results, [(1, Outcome::Passed), (2, Outcome::Passed)], "{out}");
    assert_eq!(env.read("myproject/pool.go"), shutdown::POOL);
    assert_eq!(env.read("myproject/main.go"), shutdown::MAIN);
    go_build(&env, "myproject").assert_ok();
    // The second round knows of the first.
    let plan = model.calls("plan").pop().expect("a plan");
    assert!(plan.text.contains(tasks::QUEUE), "earlier messages are shown to the planner");
    env.sh(&format!("et session attach {id}")).run().assert_ok();
    env.sh("et session attach last").run().assert_ok();
}

#[test]
fn python_sees_the_exit_code_and_comes_back() {
    require_tool!("go");
    require_tool!("python3");
    let script = r#"
import subprocess, sys
done = subprocess.run(["et", "run", "--output-dir", sys.argv[1], "--timeout", "60", "--iterate", "--max-iterations", "4", sys.argv[2]], capture_output=True)
print(done.returncode)
print(done.stdout.decode())
print(done.stderr.decode(), file=sys.stderr)
"#;
    for (story, code) in [(stories::watcher(), "0"), (stories::rest_api_unfixable(), "6")] {
        let task = if code == "0" { tasks::WATCHER } else { tasks::REST_API };
        let model = Model::start(story);
        let env = env_with_logs_at_home();
        env.config(&model);
        env.write("call.py", script);
        assert!(env.daemon_pid().is_none(), "no daemon runs");
        let out = env.sh(&format!("python3 call.py ./out \"{task}\"")).run();
        assert_eq!(out.assert_ok().stdout.lines().next(), Some(code), "{out}");
        assert!(env.daemon_pid().is_some(), "the daemon stays, and holds no pipe open");
    }
}

#[test]
fn the_same_task_with_errors_that_nobody_mends_is_red_and_says_so() {
    require_tool!("go");
    let model = Model::start(stories::rest_api_unfixable());
    let env = Env::new();
    env.config(&model);
    let out = env.et(["run", "--output-dir", "build", "--iterate", tasks::REST_API]).run();
    assert!(matches!(out.code, Some(1 | 6)), "{out}");
    out.assert_stdout(rest_api::HANDLERS_ERROR);
    assert_eq!(env.read("build/handlers.go"), rest_api::HANDLERS_BROKEN, "the best tree is in place");
    let dir = env.newest_log_dir();
    let words = std::fs::read_to_string(dir.join("_synthesis.md")).expect("_synthesis.md");
    for part in ["Check: red", "## Remaining errors", rest_api::HANDLERS_ERROR, "the tree is that of build 1"] {
        assert!(words.contains(part), "{part:?} is missing in\n{words}");
    }
    assert_ne!(go_build(&env, "build").code, Some(0));
}

#[test]
fn a_task_comes_from_a_file_and_from_stdin() {
    let model = Model::start(stories::tiny().expects("plan", "write two files, please"));
    let env = Env::new();
    env.config(&model);
    env.write("task.txt", "write two files, please\n");
    env.et(["run", "-o", "a", "--task-file", "task.txt"]).run().assert_ok();
    env.et(["run", "-o", "b", "-"]).stdin("write two files, please\n").run().assert_ok();
    env.et(["run", "-o", "c", "--task-file", "-"]).stdin("write two files, please\n").run().assert_ok();
    assert_eq!(model.count("plan"), 3);
}

#[test]
fn without_a_dir_answers_go_to_the_log_dir_only() {
    let model = Model::start(stories::tiny());
    let env = Env::new();
    env.config(&model);
    let out = env.et(["run", "--json", "two files"]).run();
    let report = out.assert_ok().result();
    assert_eq!(report.outcome, Outcome::Completed);
    assert!(report.files.is_empty(), "{out}");
    let dir = env.newest_log_dir();
    let answer = std::fs::read_to_string(dir.join("worker-2.out")).expect("worker-2.out");
    assert!(answer.contains(stories::TINY_BROKEN));
    assert_eq!(std::fs::read_dir(env.work()).expect("the work dir").count(), 0, "nothing is written here");
}
