//! Every row of the table of outcomes and exit codes, by a story that ends so.

use proto::event::Event;
use proto::outcome::Outcome;
use proto::report::{CheckStatus, RoundReport, SubtaskState};
use tests::env::{Config, Env, Output};
use tests::model::{Fault, Model, Point, Story, Wire};
use tests::projects::stories::{self, TINY_BROKEN, TINY_CHECK, TINY_MENDED, TINY_ONE};

/// The exit code, the result and `_result.json` agree.
#[track_caller]
fn assert_ended(out: &Output, outcome: Outcome) -> RoundReport {
    out.assert_code(i32::from(outcome.exit_code()));
    let report = out.result();
    assert_eq!(report.outcome, outcome, "{out}");
    assert_eq!(report.exit_code, outcome.exit_code(), "{out}");
    if let Some(dir) = &report.log_dir {
        let text = std::fs::read_to_string(format!("{dir}/_result.json")).expect("_result.json");
        let stored: RoundReport = serde_json::from_str(&text).expect("a result");
        assert_eq!(stored, report, "the file says what was printed");
        let words = std::fs::read_to_string(format!("{dir}/_synthesis.md")).expect("_synthesis.md");
        assert!(
            words.contains(&format!("- Outcome: {} (exit code {})", outcome.as_str(), report.exit_code)),
            "{words}"
        );
    }
    report
}

fn state_of(report: &RoundReport, id: &str) -> SubtaskState {
    report.subtasks.iter().find(|subtask| subtask.id == id).expect("the subtask is in the result").state
}

#[test]
fn passed_is_0_and_completed_is_0() {
    let model = Model::start(stories::tiny());
    let env = Env::new();
    env.config(&model);
    let out = env.et(["run", "-o", "a", "--json", "--iterate", "--check", TINY_CHECK, "two files"]).run();
    let report = assert_ended(&out, Outcome::Passed);
    assert_eq!((report.iterations, report.best_iteration), (2, Some(2)));
    assert_eq!(env.read("a/two.txt"), TINY_MENDED);
    let out = env.et(["run", "-o", "b", "--json", "two files"]).run();
    let report = assert_ended(&out, Outcome::Completed);
    assert_eq!(report.check.status, CheckStatus::None);
    assert_eq!(env.read("b/two.txt"), TINY_BROKEN);
}

#[test]
fn killed_is_130() {
    let model = Model::start(stories::tiny().hold("work/two"));
    let env = Env::new();
    env.config(&model);
    let run = env.et_spawn(["run", "-o", "out", "--json", "two files"]);
    model.wait_for_held("work/two");
    env.et(["session", "kill", "last"]).run().assert_ok();
    assert_ended(&run.wait(), Outcome::Cancelled);
    env.et(["session", "wait", "last"]).run().assert_code(130);
    env.et(["session", "attach", "last"]).run().assert_code(130);
}

#[test]
fn ctrl_c_is_130_while_workers_write_and_before_there_is_a_plan() {
    for (on, point) in [("work/two", Point::Half), ("plan", Point::Headers)] {
        let model = Model::start(stories::tiny().hold_at(on, point));
        let env = Env::new();
        env.config(&model);
        let run = env.et_spawn(["run", "-o", "out", "--json", "two files"]);
        model.wait_for_held(on);
        run.signal(nix::sys::signal::Signal::SIGINT);
        assert_ended(&run.wait(), Outcome::Cancelled);
        env.et(["session", "wait", "last"]).run().assert_code(130);
    }
}

#[test]
fn a_check_that_runs_is_ended_by_ctrl_c() {
    let model = Model::start(stories::tiny());
    let env = Env::new();
    env.config(&model);
    let run = env.et_spawn([
        "run",
        "-o",
        "out",
        "--json",
        "--check",
        "exec 9>lock; flock 9; echo 1 > there; exec sleep 600",
        "two files",
    ]);
    run.wait_for_event(|line| matches!(line.event, Event::CheckStarted { .. }));
    assert!(tests::env::poll(tests::model::PATIENCE, || env.has("out/there")));
    run.signal(nix::sys::signal::Signal::SIGINT);
    assert_ended(&run.wait(), Outcome::Cancelled);
    // A process id of the check's own namespace says nothing here; a lock goes with its last holder.
    let lock = std::fs::File::open(env.work().join("out/lock")).unwrap();
    lock.try_lock().expect("the check's process is gone");
}

#[test]
fn budgets_are_4() {
    let model = Model::start(stories::tiny());
    let env = Env::new();
    let priced = |name: &str| {
        Config::one(&model, Wire::OpenAi)
            .model_with(name, "scripted", "scripted", "price: { input: 1, output: 2 }")
            .role("mayor", [name], [])
            .role("polecat", [name], [])
    };
    env.write_config(&priced("priced"));
    // Not even the plan fits.
    let out = env.et(["run", "-o", "a", "--json", "--max-tokens", "10", "two files"]).run();
    let report = assert_ended(&out, Outcome::Budget);
    assert_eq!(report.usage.calls, 0, "nothing was spent");
    assert!(out.events().iter().any(|line| matches!(line.event, Event::Budget { .. })), "{out}");
    assert_eq!(model.count("*"), 0, "nothing was asked");
    let out = env.et(["run", "-o", "b", "--json", "--max-cost", "0.000001", "two files"]).run();
    assert_ended(&out, Outcome::Budget);
    assert_eq!(model.count("*"), 0, "nothing was asked");
}

#[test]
fn a_budget_that_a_worker_uses_up_is_4_and_nobody_is_asked_any_more() {
    let model = Model::start(stories::tiny().usage("work/one", 600_000, 10));
    let env = Env::new();
    env.config(&model);
    let out = env.et(["run", "-o", "a", "--json", "--workers", "1", "--max-tokens", "500000", "two files"]).run();
    let report = assert_ended(&out, Outcome::Budget);
    assert_eq!((model.count("work/one"), model.count("work/two"), model.count("synthesis")), (1, 0, 0));
    assert!(report.usage.tokens_in >= 600_000, "what was spent is said: {out}");
    assert_eq!(env.read("a/one.txt"), TINY_ONE, "what was paid for is there");
    assert_eq!(state_of(&report, "one"), SubtaskState::Delivered);
    assert_ne!(state_of(&report, "two"), SubtaskState::Delivered);
}

#[test]
fn a_cost_limit_needs_prices() {
    let model = Model::start(stories::tiny());
    let env = Env::new();
    // What runs on this machine is free; elsewhere a price must be known.
    let config = Config::new()
        .provider("far", Wire::OpenAi, "https://models.example.com/v1")
        .model("main", "far", "nobody-knows-it")
        .role("mayor", ["main"], [])
        .role("polecat", ["main"], []);
    env.write_config(&config);
    env.et(["run", "-o", "a", "--max-cost", "1", "two files"]).run().assert_code(2).assert_stderr("price");
    assert_eq!(model.count("*"), 0);
}

#[test]
fn deadlines_are_5() {
    // While a worker writes.
    let model = Model::start(stories::tiny().hold("work/two"));
    let env = Env::new();
    env.config(&model);
    let out = env.et(["run", "-o", "a", "--json", "--timeout", "1s", "two files"]).run();
    let report = assert_ended(&out, Outcome::Deadline);
    assert_eq!(state_of(&report, "one"), SubtaskState::Delivered);
    assert_ne!(state_of(&report, "two"), SubtaskState::Delivered);
    assert_eq!(env.read("a/one.txt"), TINY_ONE, "what was done by then stays");
    // While the check runs.
    model.release("work/two");
    let out = env.et(["run", "-o", "b", "--json", "--check", "sleep 60", "--timeout", "2s", "two files"]).run();
    assert_ended(&out, Outcome::Deadline);
    assert_eq!(env.read("b/one.txt"), TINY_ONE);
}

#[test]
fn no_model_that_serves_is_3() {
    let model = Model::start(stories::tiny().fail_always("*", Fault::Status(401)));
    let env = Env::new();
    env.config(&model);
    let out = env.et(["run", "-o", "a", "--json", "two files"]).run();
    assert_ended(&out, Outcome::Provider);
    assert_eq!(model.count("plan"), 1, "a wrong key isn't tried again");
    out.assert_stdout("401");
    // A plan, and nobody who would work.
    let model = Model::start(stories::tiny().fail_always("work", Fault::Status(403)));
    env.config(&model);
    let out = env.et(["run", "-o", "b", "--json", "two files"]).run();
    let report = assert_ended(&out, Outcome::Provider);
    assert_eq!(report.subtasks.len(), 2);
}

#[test]
fn a_server_that_is_not_there_is_3() {
    let env = Env::new();
    let config = Config::new()
        .provider("scripted", Wire::OpenAi, &Model::nobody())
        .model("main", "scripted", "scripted")
        .role("mayor", ["main"], [])
        .role("polecat", ["main"], []);
    env.write_config(&config);
    let out = env.et(["run", "-o", "a", "--json", "two files"]).run();
    assert_ended(&out, Outcome::Provider);
    let text = env.et(["session", "show", "last"]).run();
    text.assert_ok();
}

#[test]
fn no_config_is_3_and_says_what_to_do() {
    let env = Env::new();
    env.set("OLLAMA_HOST", Model::nobody().trim_end_matches("/v1"));
    let out = env.et(["run", "-o", "a", "two files"]).run();
    out.assert_code(3).assert_stderr("ANTHROPIC_API_KEY").assert_stderr("et demo");
    assert!(!env.has("a"), "no dir is made for nothing");
}

#[test]
fn errors_that_come_back_are_6_and_the_tree_stays() {
    let model = Model::start(stories::tiny_unfixable());
    let env = Env::new();
    env.config(&model);
    let out = env.et(["run", "-o", "a", "--json", "--iterate", "--check", TINY_CHECK, "two files"]).run();
    let report = assert_ended(&out, Outcome::NoProgress);
    assert_eq!(report.check.status, CheckStatus::Red);
    assert_eq!(report.check.diagnostics[0].message, "count is wrong");
    assert_eq!(report.check.diagnostics[0].owner.as_deref(), Some("two"));
    assert_eq!(env.read("a/two.txt"), TINY_BROKEN);
}

#[test]
fn iterations_used_up_are_1() {
    let model = Model::start(stories::tiny_unfixable().fix_any("two.txt", "the second file\ncount = 3\n"));
    let env = Env::new();
    env.config(&model);
    let args = ["run", "-o", "a", "--iterate", "--max-iterations", "2", "--check", TINY_CHECK, "two files"];
    let report = assert_ended(&env.et(args).arg("--json").run(), Outcome::CheckFailed);
    assert_eq!(report.iterations, 2);
    // For people, the errors that are left stand on stdout.
    env.et(args).run().assert_code(1).assert_stdout("two.txt:2").assert_stdout("count is wrong");
}

#[test]
fn answers_that_cannot_be_taken_are_8() {
    let evil = "===FILE: ../../evil===\nout of the dir\n===ENDFILE===\n";
    let prose = "I would rather not write a file.";
    for (answer, refused) in [(evil, 1), (prose, 0)] {
        let model = Model::start(stories::tiny().says("work/two", answer));
        let env = Env::new();
        env.config(&model);
        let out = env.et(["run", "-o", "deep/a", "--json", "two files"]).run();
        let report = assert_ended(&out, Outcome::Partial);
        assert_eq!(state_of(&report, "two"), SubtaskState::Failed, "{out}");
        assert_eq!(state_of(&report, "one"), SubtaskState::Delivered, "{out}");
        assert_eq!(report.refused.len(), refused, "{out}");
        assert!(!env.has("evil") && !env.root().join("evil").exists());
        // A green check doesn't make it whole.
        let out = env.et(["run", "-o", "deep/b", "--json", "--check", "true", "two files"]).run();
        let report = assert_ended(&out, Outcome::Partial);
        assert_eq!(report.check.status, CheckStatus::Green);
    }
}

#[test]
fn a_worker_that_nobody_serves_is_8() {
    let model = Model::start(stories::tiny().fail_always("work/two", Fault::Status(403)));
    let env = Env::new();
    env.config(&model);
    let report = assert_ended(&env.et(["run", "-o", "a", "--json", "two files"]).run(), Outcome::Partial);
    assert_eq!(state_of(&report, "two"), SubtaskState::Failed);
    assert_eq!(env.read("a/one.txt"), TINY_ONE);
}

#[test]
fn nothing_to_build_is_8() {
    let model = Model::start(stories::tiny());
    let env = Env::new();
    env.config(&model);
    let out = env.et(["run", "-o", "a", "--json", "--iterate", "two files"]).run();
    let report = assert_ended(&out, Outcome::Partial);
    assert_eq!(report.check.status, CheckStatus::None);
    out.assert_stdout("nothing that could be built");
    assert_eq!(env.read("a/two.txt"), TINY_BROKEN);
}

#[test]
fn a_daemon_that_dies_three_times_without_a_step_is_70() {
    let model = Model::start(stories::tiny().hold_at("plan", Point::Headers));
    let env = Env::new();
    env.config(&model);
    let run = env.et_spawn(["run", "-o", "a", "--json", "two files"]);
    for time in 1..=3 {
        model.wait_until("the plan to be asked for", |records| {
            (records.iter().filter(|record| record.is("plan") && record.held).count() == time).then_some(())
        });
        env.kill_daemon();
    }
    assert_ended(&run.wait(), Outcome::Crashed);
    assert_eq!(model.count("plan"), 3, "it isn't tried again");
    env.et(["session", "wait", "last"]).run().assert_code(70);
    // The daemon itself is well.
    let model = Model::start(stories::tiny());
    env.config(&model);
    env.et(["run", "-o", "a", "two files"]).run().assert_ok();
}

#[test]
fn usage_is_2() {
    let model = Model::start(Story::new());
    let env = Env::new();
    env.config(&model);
    env.write("file", "a file");
    let home = env.home().to_string_lossy().into_owned();
    let table: &[&[&str]] = &[
        &["run", "-o", "a"],
        &["run", "-o", "a", ""],
        &["run", "-o", "a", "--no-such-flag", "task"],
        &["run", "--iterate", "task"],
        &["run", "-o", "a", "--timeout", "soon", "task"],
        &["run", "-o", "a", "--max-iterations", "0", "task"],
        &["run", "-o", "a", "--workers", "0", "task"],
        &["run", "-o", "a", "--guardrail-threshold", "11", "task"],
        &["run", "-o", "a", "--max-cost", "-1", "task"],
        &["run", "-o", "a", "--config", "no-such.yaml", "task"],
        &["run", "-o", "a", "--task-file", "no-such.txt"],
        &["run", "-o", "a", "--role", "nobody", "task"],
        &["run", "-o", "/", "task"],
        &["run", "-o", &home, "task"],
        &["run", "-o", "file", "task"],
        &["session", "spawn", "task"],
        &["session", "show", "no-such-id"],
        &["session", "show", "0123"],
        &["session", "attach", "last"],
        &["session", "send", "last", "task"],
        &["no-such-command"],
    ];
    for args in table {
        let out = env.et(*args).run();
        out.assert_code(2);
        assert!(!out.stderr.trim().is_empty() && out.stdout.is_empty(), "{out}");
        let out = env.et(*args).arg("--json").run();
        out.assert_code(2);
    }
    assert_eq!(model.count("*"), 0);
}

#[test]
fn an_error_before_there_is_a_round_is_a_line_of_json() {
    let env = Env::new();
    let out = env.et(["session", "show", "0123", "--json"]).run();
    let line = out.assert_code(2).json();
    assert_eq!(line["type"], "error");
    assert_eq!(line["exit_code"], 2);
    assert!(line["message"].is_string() && !out.stderr.is_empty(), "{out}");
}

#[test]
fn no_daemon_is_69() {
    let model = Model::start(Story::new());
    let env = Env::new();
    env.config(&model);
    env.et(["run", "-o", "a", "--no-autostart", "task"]).run().assert_code(69);
    env.et(["session", "list"]).env("ET_NO_AUTOSTART", "1").run().assert_code(69);
    assert!(env.daemon_pid().is_none(), "none was started");
}

#[test]
fn a_state_dir_that_cannot_be_written_is_74() {
    let model = Model::start(Story::new());
    let env = Env::new();
    env.config(&model);
    env.write("file", "no dir");
    env.set("ET_STATE_DIR", env.work().join("file/state").to_string_lossy());
    let out = env.et(["run", "-o", "a", "task"]).run();
    out.assert_code(74).assert_stderr("file/state");
    env.et(["session", "list"]).run().assert_code(74);
}

#[test]
fn a_wait_that_is_over_is_75() {
    let model = Model::start(stories::tiny().hold("work/two"));
    let env = Env::new();
    env.config(&model);
    let id = env.et(["session", "spawn", "--work-dir", "a", "--no-iterate", "two files"]).run();
    let id = id.assert_ok().stdout.trim();
    model.wait_for_held("work/two");
    env.et(["session", "wait", id, "--timeout", "0.1s"]).run().assert_code(75);
    model.release("work/two");
    env.et(["session", "wait", id, "--timeout", "60s"]).run().assert_code(0);
}

#[test]
fn a_sandbox_that_is_required_and_not_there_is_7() {
    let model = Model::start(stories::tiny());
    let env = Env::new();
    env.set(proto::hooks::SANDBOX, "partial");
    env.write_config(&Config::one(&model, Wire::OpenAi).extra("sandbox: require"));
    let out = env.et(["run", "-o", "a", "--json", "--check", "echo ran > ran", "two files"]).run();
    assert_ended(&out, Outcome::Unsafe);
    assert_eq!(model.count("*"), 0, "nothing is paid for a round that can't be checked");
    assert!(!env.has("a/ran"));
    // Without a check nothing is built, so nothing needs it.
    let out = env.et(["run", "-o", "a", "--json", "two files"]).run();
    assert_ended(&out, Outcome::Completed);
}
