//! Model providers: four formats, every failure, pools, fallbacks, accounts and budgets.

use std::time::Duration;

use base64::Engine as _;
use proto::event::Event;
use proto::outcome::Outcome;
use tests::env::{Config, Env, KEY, KEY_VARIABLE};
use tests::model::{Fault, Kind, Model, RetryAfter, Story, Sub, Wire};

/// Independent subtasks with a text file each.
fn parts(ids: &[&str]) -> Story {
    let subs: Vec<Sub> = ids.iter().map(|id| Sub::new(id, "A part").owns([format!("{id}.txt").as_str()])).collect();
    ids.iter().fold(Story::new().plan(subs), |story, id| story.file(id, &format!("{id}.txt"), &content(id)))
}

fn content(id: &str) -> String {
    format!("the content of part {id}\nin two lines\n")
}

/// The story of one format, told with usage; what is common to all is checked here.
fn one_format(wire: Wire, fields: &str, header: (&str, &str)) -> Model {
    let env = Env::new();
    let story = parts(&["a"]).usage("plan", 1000, 100).usage("work/a", 2000, 200).usage("synthesis", 500, 50);
    let model = Model::start(story.cached(400));
    let fields = format!("type: {}, base_url: \"{}\", {fields}", wire.provider_type(), model.base_url(wire));
    env.write_config(
        &Config::new()
            .provider_yaml("vendor", &fields)
            .model_with("main", "vendor", "scripted", "context: 40000, price: { input: 10, cached: 1, output: 100 }")
            .role("mayor", ["main"], [])
            .role("polecat", ["main"], []),
    );
    let out = env.et(["run", "-o", ".", "--json", "write the part"]).run();
    let result = out.assert_ok().result();
    assert_eq!(env.read("a.txt"), content("a"));
    let kinds: Vec<Kind> = model.records().iter().map(|record| record.kind).collect();
    assert_eq!(kinds, [Kind::Plan, Kind::Work, Kind::Synthesis]);
    for record in model.records() {
        assert_eq!(record.wire, Some(wire));
        assert_eq!(record.schema, record.kind == Kind::Plan, "a plan is asked for by a schema, nothing else is");
        assert_eq!(record.header(header.0), Some(header.1), "{}", record.label());
        assert!(!record.target.contains(KEY));
    }
    let usage = result.usage;
    let cached = if wire == Wire::Ollama { 0 } else { 1200 };
    assert_eq!((usage.calls, usage.repeated_calls, usage.estimated), (3, 0, false));
    assert_eq!((usage.tokens_in, usage.tokens_cached, usage.tokens_out), (3500, cached, 350));
    let micros = ((3500 - cached) * 10 + cached + 350 * 100) as f64;
    assert!((usage.cost_usd.unwrap() * 1e6 - micros).abs() < 0.5, "{:?} is not {micros}", usage.cost_usd);
    assert_eq!((usage.by_role["mayor"].calls, usage.by_role["polecat"].tokens_in), (2, 2000));
    assert_eq!(usage.by_model["vendor/scripted"].calls, 3);
    model
}

#[test]
fn openai() {
    let model = one_format(
        Wire::OpenAi,
        &format!("api_key: ${KEY_VARIABLE}, org: org-of-mine"),
        ("authorization", &format!("Bearer {KEY}")),
    );
    assert!(model.records().iter().all(|one| one.header("openai-organization") == Some("org-of-mine")));
}

#[test]
fn anthropic() {
    let model = one_format(Wire::Anthropic, &format!("api_key: ${KEY_VARIABLE}"), ("x-api-key", KEY));
    assert!(model.records().iter().all(|one| one.header("anthropic-version").is_some()));
    assert!(model.records().iter().all(|one| one.header("authorization").is_none()));
}

#[test]
fn gemini() {
    let model = one_format(Wire::Gemini, &format!("api_key: ${KEY_VARIABLE}"), ("x-goog-api-key", KEY));
    assert!(model.records().iter().all(|one| !one.target.contains("key=")));
}

#[test]
fn ollama_with_basic_auth() {
    // That num_ctx is set is what the scripted server insists on.
    let pair = "user:pa:ss word";
    let basic = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair));
    one_format(Wire::Ollama, &format!("auth_type: basic, api_key: \"{pair}\""), ("authorization", &basic));
}

#[test]
fn a_server_without_schemas_is_asked_without() {
    let env = Env::new();
    let model = Model::start(parts(&["a"]).refuses_schema());
    env.config(&model);
    env.et(["run", "-o", ".", "--json", "write"]).run().assert_ok();
    let plans = model.calls("plan");
    assert_eq!(plans.iter().map(|one| one.schema).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn passing_troubles_are_retried() {
    let env = Env::new();
    let faults = [
        ("server", Fault::Status(500)),
        ("hang-up", Fault::HangUp),
        ("cut", Fault::Cut),
        ("stall", Fault::Stall),
        ("malformed", Fault::Malformed),
        ("in-stream", Fault::ErrorInStream),
        ("empty", Fault::Empty),
        ("length", Fault::LengthCut),
    ];
    let ids: Vec<&str> = faults.iter().map(|(id, _)| *id).collect();
    let story = faults.iter().fold(parts(&ids), |story, (id, fault)| story.fail(&format!("work/{id}"), fault.clone()));
    let model = Model::start(story);
    env.write_config(&Config::one(&model, Wire::OpenAi).extra("timeouts: { between_tokens: 1s }"));
    let out = env.et(["run", "-o", ".", "--json", "write all parts"]).run();
    let result = out.assert_ok().result();
    for id in ids {
        assert_eq!(env.read(&format!("{id}.txt")), content(id), "{id}");
        assert_eq!(model.count(&format!("work/{id}")), 2, "{id}\n{}", model.summary());
    }
    // Plan, closing text, and each part twice: those that failed count.
    assert_eq!(result.usage.calls, 18);
    assert_eq!(result.usage.by_role["polecat"].calls, 16);
    // Nobody said what the broken ones took.
    assert!(result.usage.estimated);
}

#[test]
fn a_demanded_wait_is_kept() {
    let env = Env::new();
    let model = Model::start(parts(&["a"]).fail("work/a", Fault::RateLimited(RetryAfter::Seconds(1))));
    env.config(&model);
    env.et(["run", "-o", ".", "write"]).run().assert_ok();
    let calls = model.calls("work/a");
    assert_eq!((calls.len(), calls[0].status), (2, 429));
    let waited = calls[1].at - calls[0].ended.unwrap();
    assert!(waited >= Duration::from_millis(990) && waited < Duration::from_secs(5), "{waited:?}");
}

#[test]
fn an_answer_without_an_end_is_given_up() {
    let env = Env::new();
    let line = "a long line of text that the model repeats for ever and ever and ever\n";
    let model = Model::start(
        Story::new()
            .plan([Sub::new("a", "A part").owns(["a.txt"])])
            .file("a", "a.txt", &line.repeat(20_000))
            .fail("work/a", Fault::Endless),
    );
    env.config(&model);
    env.et(["run", "-o", ".", "--json", "write"]).run().assert_ok();
    let calls = model.calls("work/a");
    assert_eq!(calls.len(), 2, "{}", model.summary());
    // It was hung up on.
    let endless = model.wait_for(|one| one.is("work/a") && one.gone);
    assert!(endless.index == calls[0].index && endless.sent < 64 << 20, "{}", model.summary());
}

/// Two providers, both of the same format.
fn two(first: &str, second: &Model) -> Config {
    Config::new()
        .provider("first", Wire::OpenAi, first)
        .provider("second", Wire::OpenAi, &second.base_url(Wire::OpenAi))
        .model_with("small", "first", "small", "context: 8192")
        .model_with("large", "second", "large", "context: 200000")
}

#[test]
fn nobody_listens_so_the_fallback_is_asked() {
    let env = Env::new();
    let model = Model::start(parts(&["a", "b"]));
    let config = two(&Model::nobody(), &model);
    env.write_config(&config.role("mayor", ["small"], ["large"]).role("polecat", ["small"], ["large"]));
    let usage = env.et(["run", "-o", ".", "--json", "write"]).run().assert_ok().result().usage;
    assert_eq!(usage.by_model["second/large"].calls, 4);
    // Refused connections count as calls that took nothing.
    let refused = &usage.by_model["first/small"];
    assert!(refused.calls >= 1 && refused.tokens_in == 0 && refused.tokens_out == 0, "{usage:?}");
    assert_eq!(usage.calls, 4 + refused.calls);
    let nodes = env.et(["nodes", "--json"]).run().assert_ok().json();
    let answers: Vec<bool> =
        nodes["nodes"].as_array().unwrap().iter().map(|node| node["answers"].as_bool().unwrap()).collect();
    assert_eq!(answers, [false, true]);
    env.et(["nodes"]).run().assert_ok().assert_stdout("second  http://127.0.0.1:");
}

#[test]
fn what_is_too_long_goes_to_the_larger_window() {
    let env = Env::new();
    let first = Model::start(parts(&["a"]).fail_always("work/a", Fault::ContextOverflow));
    let second = Model::start(parts(&["a"]));
    let config = two(&first.base_url(Wire::OpenAi), &second);
    env.write_config(&config.role("mayor", ["small"], []).role("polecat", ["small"], ["large"]));
    env.et(["run", "-o", ".", "--json", "write"]).run().assert_ok();
    // As it is, it is never sent again.
    assert_eq!((first.count("work/a"), second.count("work/a")), (1, 1));
}

#[test]
fn a_dead_pool_members_subtask_goes_to_the_other() {
    let env = Env::new();
    let ids = ["a", "b", "c", "d"];
    let dying = Model::start(parts(&ids).hold("work"));
    let living = Model::start(parts(&ids).hold("work"));
    let config = two(&dying.base_url(Wire::OpenAi), &living);
    env.write_config(&config.role("mayor", ["large"], []).role("polecat", ["small", "large"], []));
    let running = env.et_spawn(["run", "-o", ".", "--json", "write all parts"]);
    // Two each: load is shared.
    for server in [&dying, &living] {
        server.wait_until("two workers", |records| (records.iter().filter(|one| one.held).count() == 2).then_some(()));
    }
    dying.stop();
    living.release("work");
    let result = running.wait().assert_ok().result();
    for id in ids {
        assert_eq!(env.read(&format!("{id}.txt")), content(id));
    }
    assert_eq!(living.count("work"), 4);
    assert!(result.usage.by_model["first/small"].calls >= 2);
}

#[test]
fn nobody_serves_the_planner() {
    let env = Env::new();
    let model = Model::start(parts(&["a"]).fail_always("plan", Fault::Status(401)));
    env.config(&model);
    let out = env.et(["run", "-o", ".", "--json", "write"]).run();
    let result = out.assert_code(3).result();
    assert_eq!((result.outcome, model.count("plan"), model.count("work")), (Outcome::Provider, 1, 0));
    assert_eq!(result.usage.calls, 1);
    assert!(result.next.contains("et nodes"), "{}", result.next);
}

#[test]
fn nobody_serves_any_worker() {
    let env = Env::new();
    let model = Model::start(parts(&["a", "b"]).fail_always("work", Fault::Status(403)));
    env.config(&model);
    let out = env.et(["run", "-o", ".", "--json", "write"]).run();
    assert_eq!(out.assert_code(3).result().outcome, Outcome::Provider);
}

#[test]
fn nobody_serves_one_worker() {
    let env = Env::new();
    let model = Model::start(parts(&["a", "b"]).fail_always("work/b", Fault::Status(400)));
    env.config(&model);
    let out = env.et(["run", "-o", ".", "--json", "write"]).run();
    let result = out.assert_code(8).result();
    assert_eq!(result.outcome, Outcome::Partial);
    assert!(env.has("a.txt") && !env.has("b.txt"));
    let failed = out.events().into_iter().find_map(|line| match line.event {
        Event::WorkerFailed { worker, reason, .. } => Some((worker, reason)),
        _ => None,
    });
    let (worker, reason) = failed.unwrap();
    assert!(worker == "b" && reason.contains("scripted to fail"), "{worker}: {reason}");
}

#[test]
fn without_reported_usage_it_is_estimated() {
    let env = Env::new();
    let model = Model::start(parts(&["a"]).no_usage());
    env.config(&model);
    let usage = env.et(["run", "-o", ".", "--json", "write"]).run().assert_ok().result().usage;
    assert!(usage.estimated && usage.tokens_in > 0 && usage.tokens_out > 0, "{usage:?}");
    // What runs on this machine is free.
    assert_eq!(usage.cost_usd, Some(0.0));
    env.et(["session", "show", "last"]).run().assert_ok().assert_stdout("$0, partly estimated");
}

#[test]
fn a_budget_is_reserved_before_it_is_spent() {
    let env = Env::new();
    let model = Model::start(parts(&["a", "b", "c"]).usage("plan", 3000, 1000).usage("work", 5000, 1000));
    // A plan may take the whole budget, so no worker is let in before it is settled.
    let price = "context: 40000, max_output: 6000, price: { input: 1, output: 1 }";
    env.write_config(
        &Config::new()
            .provider("scripted", Wire::OpenAi, &model.base_url(Wire::OpenAi))
            .model_with("main", "scripted", "scripted", price)
            .role("mayor", ["main"], [])
            .role("polecat", ["main"], []),
    );
    let ask = |flag: &str, limit: &str| {
        let before = model.records().len();
        let out = env.et(["run", "-o", limit, "--json", "write", flag, limit]).run();
        (out, model.records().len() - before)
    };
    // The planner's prompt alone is longer.
    for (flag, limit) in [("--max-tokens", "100"), ("--max-cost", "0.0001")] {
        let (out, calls) = ask(flag, limit);
        assert_eq!((out.assert_code(4).result().outcome, calls), (Outcome::Budget, 0), "{flag}");
        assert!(out.events().iter().any(|line| matches!(line.event, Event::Budget { .. })));
    }
    // After the plan 500 are left, which pays for no worker.
    for (flag, limit) in [("--max-tokens", "4500"), ("--max-cost", "0.0045")] {
        let (out, calls) = ask(flag, limit);
        let result = out.assert_code(4).result();
        assert_eq!((result.outcome, calls, result.usage.calls), (Outcome::Budget, 1, 1), "{flag}\n{}", model.summary());
    }
    // An unknown price and a limit of money don't go together.
    env.write_config(
        &Config::new()
            .provider("remote", Wire::OpenAi, "http://elsewhere.invalid/v1")
            .model("main", "remote", "homemade")
            .role("mayor", ["main"], [])
            .role("polecat", ["main"], []),
    );
    env.et(["run", "-o", ".", "write", "--max-cost", "1"])
        .run()
        .assert_code(2)
        .assert_stderr("remote/homemade isn't known");
}
