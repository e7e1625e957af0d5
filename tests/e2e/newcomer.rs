//! What somebody meets who doesn't know `et` yet: a wrong name, a dead server, a dir that went away, a round that never began. A
//! test here pins words that once led astray.

use std::fs;

use proto::event::Event;
use proto::outcome::Outcome;
use tests::env::{Config, Env};
use tests::model::{Model, Wire};
use tests::projects::stories;

/// A config whose only provider is an address where nobody listens.
fn nobody_there(env: &Env) {
    let config = Config::new().provider("dead", Wire::Ollama, &Model::nobody()).model("m", "dead", "m");
    env.write_config(&config.role("mayor", ["m"], []).role("polecat", ["m"], []));
}

#[test]
fn a_provider_that_does_not_answer_is_named_once() {
    let env = Env::new();
    nobody_there(&env);
    for command in ["nodes", "models"] {
        let out = env.et([command]).run();
        let line = out.stdout.lines().find(|line| line.contains("can't connect")).expect("it says why");
        assert_eq!(line.matches("dead").count(), 1, "{out}");
    }
}

#[test]
fn a_model_that_the_provider_does_not_have_is_told() {
    let model = Model::start(stories::tiny().models(["scripted-2"]));
    let env = Env::new();
    let config = Config::new().provider("p", Wire::OpenAi, &model.base_url(Wire::OpenAi));
    let config = config.model("there", "p", "scripted-2").model("wrong", "p", "typo");
    env.write_config(&config.role("mayor", ["there"], []).role("polecat", ["wrong"], []));
    let out = env.et(["models"]).run();
    out.assert_ok()
        .assert_stdout("polecat: p/typo (not in its provider's list)")
        .assert_stdout("mayor: p/scripted-2\n");
}

#[test]
fn a_quiet_failure_says_why() {
    let env = Env::new();
    nobody_there(&env);
    let out = env.et(["run", "-o", ".", "--quiet", "two files"]).run();
    out.assert_code(3);
    assert!(out.stderr.starts_with("error: provider (exit code 3): no model would serve it"), "{out}");
    assert_eq!(out.stderr.lines().count(), 1, "{out}");
}

#[test]
fn a_work_dir_that_is_removed_meanwhile_is_what_is_missing() {
    let model = Model::start(stories::tiny().hold("work/one").hold("work/two"));
    let env = Env::new();
    env.config(&model);
    let run = env.et_spawn(["run", "-o", "a", "--json", "two files"]);
    model.wait_for_held("work/one");
    model.wait_for_held("work/two");
    fs::remove_dir_all(env.work().join("a")).expect("it is there");
    model.release("work/one");
    model.release("work/two");
    let out = run.wait();
    let report = out.assert_code(8).result();
    assert_eq!(report.outcome, Outcome::Partial);
    let reasons: Vec<&str> = report.refused.iter().map(|refused| refused.reason.as_str()).collect();
    assert_eq!(reasons.len(), 2, "{out}");
    assert!(reasons.iter().all(|reason| reason.contains("the work dir was removed")), "{reasons:?}");
    assert!(!env.has("a"), "it isn't made again in secret");
}

#[test]
fn a_round_that_never_began_cost_nothing_and_waited_for_its_own_session() {
    let model = Model::start(stories::tiny().hold("plan"));
    let env = Env::new();
    env.config(&model);
    let id = env.et(["session", "spawn", "--work-dir", "a", "two files"]).run().assert_ok().stdout.trim().to_owned();
    model.wait_for_held("plan");
    env.et(["session", "send", &id, "two more"]).run().assert_ok();
    env.et(["session", "kill", &id]).run().assert_ok();
    env.et(["session", "wait", &id]).run().assert_code(130);
    let out = env.et(["session", "attach", &id, "--from", "start", "--json"]).run();
    let report = out.result();
    assert_eq!((report.usage.calls, report.usage.cost_usd), (0, Some(0.0)), "{out}");
    let queued =
        out.events().into_iter().any(|line| matches!(line.event, Event::RoundQueued { .. }) && line.round == 2);
    assert!(queued, "{out}");
    let plain = env.et(["session", "attach", &id, "--from", "start"]).run();
    plain.assert_stderr("round 2 queued behind an earlier round: two more").assert_stderr("0 tokens in and 0 out, $0");
    model.release("plan");
}

#[test]
fn a_plan_alone_misses_nothing() {
    let model = Model::start(stories::tiny());
    let env = Env::new();
    env.config(&model);
    let out = env.et(["run", "-o", "a", "--dry-run", "two files"]).run();
    out.assert_ok().assert_nowhere("not delivered").assert_stderr("leave out --dry-run");
}

#[test]
fn a_task_that_the_planner_saw_only_in_part_is_told() {
    let model = Model::start(stories::tiny());
    let env = Env::new();
    let config = Config::new().provider("p", Wire::OpenAi, &model.base_url(Wire::OpenAi));
    let config = config.model_with("m", "p", "scripted", "context: 16000");
    env.write_config(&config.role("mayor", ["m"], []).role("polecat", ["m"], []));
    let told = "saw the beginning and the end of it, not the middle";
    env.et(["run", "-o", "a", "two files"]).run().assert_ok().assert_nowhere(told);
    env.write("task.md", &format!("two files\n{}\nthat is all", "and a thing to think of\n".repeat(20_000)));
    env.et(["run", "-o", "b", "--task-file", "task.md"]).run().assert_ok().assert_stderr(told);
}
