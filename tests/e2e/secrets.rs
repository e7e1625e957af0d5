//! Keys are in no file, no event, no log line and no output, whatever goes wrong.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proto::event::Event;
use tests::env::{Config, Env, KEY, KEY_VARIABLE, Output, poll};
use tests::model::{Echo, Fault, Model, PATIENCE, RetryAfter, Story, Sub, Wire};
use tests::projects::stories::tiny;

/// A secret in every form in which it may turn up.
fn forms(secret: &str) -> Vec<String> {
    let mut forms = vec![
        secret.to_owned(),
        utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string(),
        STANDARD.encode(secret),
        URL_SAFE.encode(secret),
        serde_json::to_string(secret).unwrap(),
    ];
    // The part that everybody would recognise.
    forms.push(secret[secret.len() - 12..].to_owned());
    forms
}

/// Fails if a secret is in a file (but in `allowed`) or in the output of these commands.
fn assert_nowhere(env: &Env, secret: &str, allowed: &[&std::path::Path], outputs: &[Output]) {
    let forms = forms(secret);
    let needles: Vec<&str> = forms.iter().map(String::as_str).collect();
    let found: Vec<_> =
        env.files_with(&needles).into_iter().filter(|path| !allowed.contains(&path.as_path())).collect();
    assert!(found.is_empty(), "the secret is in {found:?}");
    for output in outputs {
        for form in &forms {
            output.assert_nowhere(form);
        }
    }
}

/// What a provider may do to one call each; all happen in one round.
fn faults(secret: &str) -> Vec<(&'static str, Fault)> {
    vec![
        ("echo-401", Fault::EchoKey(401, Echo::Plain)),
        ("echo-400", Fault::EchoKey(400, Echo::Url)),
        ("echo-403", Fault::EchoKey(403, Echo::Base64)),
        ("echo-500", Fault::EchoKey(500, Echo::Plain)),
        ("echo-503", Fault::EchoKey(503, Echo::Url)),
        ("echo-502", Fault::EchoKey(502, Echo::Base64)),
        ("rate", Fault::RateLimited(RetryAfter::Millis(10))),
        ("overflow", Fault::ContextOverflow),
        ("hang-up", Fault::HangUp),
        ("cut", Fault::Cut),
        ("malformed", Fault::Malformed),
        ("in-stream", Fault::ErrorInStream),
        ("redirect", Fault::Redirect("http://127.0.0.1:1/v1".to_owned())),
        (
            "redirect-key",
            Fault::Redirect(format!("http://127.0.0.1:1/{}/{secret}", utf8_percent_encode(secret, NON_ALPHANUMERIC))),
        ),
        ("unauthorised", Fault::Status(401)),
        ("not-found", Fault::Status(404)),
        ("down", Fault::Status(503)),
        ("empty", Fault::Empty),
        ("length", Fault::LengthCut),
        ("stall", Fault::Stall),
        ("silent", Fault::Silent),
    ]
}

/// A round in which every fault happens to a worker of its own, with a reviewer beside it.
fn story_of_faults(secret: &str) -> Story {
    let faults = faults(secret);
    let subs: Vec<Sub> =
        faults.iter().map(|(id, _)| Sub::new(id, "A part").owns([format!("{id}.txt").as_str()])).collect();
    faults.iter().fold(Story::new().plan(subs), |story, (id, fault)| {
        let path = format!("{id}.txt");
        story.file(id, &path, "the content of a part\n").fail(&format!("work/{id}"), fault.clone())
    })
}

/// Lets every fault happen to a provider of this format and looks for its secret everywhere.
fn every_fault(wire: Wire, provider: &str, secret: &str) {
    let env = Env::new();
    let model = Model::start(story_of_faults(secret));
    let fields = format!("type: {}, base_url: \"{}\", {provider}", wire.provider_type(), model.base_url(wire));
    let config = Config::new()
        .provider_yaml("scripted", &fields)
        .model("main", "scripted", "scripted")
        .role("mayor", ["main"], [])
        .role("polecat", ["main"], [])
        .extra("timeouts: { first_token: 1s, between_tokens: 200ms }");
    let own = env.write_config(&config);
    env.set("ET_LOG", "debug");
    let run = env.et(["run", "-o", ".", "--json", "--check", "env; false", "--workers", "21", "do all parts"]).run();
    // Three are refused for their key or request, and the check is red anyway.
    assert_ne!(run.code, Some(0), "{run}");
    let failed = run.events().iter().filter(|line| matches!(line.event, Event::WorkerFailed { .. })).count();
    assert!(failed >= 3, "{run}");
    let mut outputs = vec![run];
    // A planner that fails in front of people.
    for echo in [Echo::Plain, Echo::Url, Echo::Base64] {
        model.fail("plan", Fault::EchoKey(401, echo));
        let out = env.et(["run", "-o", ".", "once more"]).run();
        outputs.push(out.assert_code(3).clone());
        model.fail("models", Fault::EchoKey(401, echo));
        outputs.push(env.et(["nodes"]).run());
        model.fail("models", Fault::EchoKey(500, echo));
        outputs.push(env.et(["models", "--json"]).run());
    }
    for command in [
        &["session", "show", "last", "--json"][..],
        &["session", "show", "last"],
        &["session", "list", "--json"],
        &["session", "attach", "last", "--from", "start", "--json"],
        &["daemon", "status"],
        &["daemon", "logs"],
    ] {
        outputs.push(env.et(command).run());
    }
    // The database is closed, and its write-ahead log folded in; before and after count.
    let literal = config.yaml().contains(secret);
    let allowed: &[&std::path::Path] = if literal { &[&own] } else { &[] };
    assert_nowhere(&env, secret, allowed, &outputs);
    env.et(["daemon", "stop"]).run().assert_ok();
    assert_nowhere(&env, secret, allowed, &[]);
    for record in model.records() {
        for form in forms(secret) {
            assert!(!record.target.contains(&form), "the key is in {}", record.target);
        }
    }
    // It was there to be leaked.
    assert!(model.count("plan") >= 4);
}

#[test]
fn an_openai_key_leaks_nowhere() {
    every_fault(Wire::OpenAi, &format!("api_key: ${KEY_VARIABLE}"), KEY);
}

#[test]
fn an_anthropic_key_leaks_nowhere() {
    every_fault(Wire::Anthropic, &format!("api_key: \"${{{KEY_VARIABLE}}}\""), KEY);
}

#[test]
fn a_gemini_key_leaks_nowhere_and_is_in_no_url() {
    every_fault(Wire::Gemini, "api_key: AIza-literal+key/in=the-config-file", "AIza-literal+key/in=the-config-file");
}

#[test]
fn a_password_of_basic_auth_leaks_nowhere() {
    let secret = "user-name:pass+word/with=signs";
    every_fault(Wire::Ollama, &format!("auth_type: basic, api_key: \"{secret}\""), secret);
}

#[test]
fn a_check_that_prints_its_environment_prints_no_key() {
    let env = Env::new();
    let model = Model::start(tiny());
    env.config(&model);
    env.set("OTHER_TOKEN", "a-token-that-nobody-named");
    let out = env.et(["run", "-o", ".", "--iterate", "--json", "--check", "env | sort; env > seen.txt", "write"]).run();
    out.assert_ok();
    let seen = env.read("seen.txt");
    assert!(seen.contains("PATH=") && seen.contains("LANG=C.UTF-8"), "{seen}");
    // Home is one of its own.
    assert!(!seen.contains(&format!("HOME={}\n", env.home().display())), "{seen}");
    assert!(!seen.contains(KEY_VARIABLE) && !seen.contains("OTHER_TOKEN") && !seen.contains("ET_STATE_DIR"), "{seen}");
    assert_nowhere(&env, KEY, &[], std::slice::from_ref(&out));
    let logs = std::fs::read_to_string(env.newest_log_dir().join("_build_iter1.log")).unwrap();
    assert!(logs.contains("PATH=") && !logs.contains("a-token-that-nobody-named"), "{logs}");
}

#[test]
fn the_password_of_a_proxy_leaks_nowhere() {
    let env = Env::new();
    let password = "proxy-pass+word-0123456789";
    let dead = Model::nobody().replace("http://", &format!("http://proxy-user:{}@", password.replace('+', "%2B")));
    env.set("HTTP_PROXY", dead.trim_end_matches("/v1"));
    env.write_config(
        &Config::new()
            .provider("remote", Wire::OpenAi, "http://elsewhere.invalid/v1")
            .model("main", "remote", "any")
            .role("mayor", ["main"], [])
            .role("polecat", ["main"], []),
    );
    let mut outputs = vec![env.et(["nodes"]).run(), env.et(["models", "--json"]).run()];
    outputs.push(env.et(["run", "-o", ".", "write", "--timeout", "1s"]).run());
    for output in &outputs {
        assert!(matches!(output.code, Some(0 | 3 | 5)), "{output}");
        output.assert_nowhere("proxy-pass");
    }
    outputs[0].assert_code(3).assert_stdout("remote  http://elsewhere.invalid/v1");
    assert_nowhere(&env, password, &[], &outputs);
    assert_nowhere(&env, "proxy-pass%2Bword-0123456789", &[], &outputs);
}

/// The processes that descend from this one, itself included.
fn descendants(of: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse::<u32>().ok())
        .filter_map(|pid| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            // The name in parentheses may hold anything; fields are counted behind it.
            Some((pid, stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?))
        })
        .collect();
    let mut found = vec![of];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    found
}

#[test]
fn no_process_shows_a_key_or_leaves_a_core() {
    if !cfg!(target_os = "linux") {
        // There is no such file system to look at.
        return;
    }
    let env = Env::new();
    let model = Model::start(tiny());
    env.write_config(&Config::one(&model, Wire::OpenAi).extra("check: { env: [NAMED_TOKEN] }"));
    env.set("NAMED_TOKEN", "a-token-that-the-config-names");
    env.set("OTHER_TOKEN", "a-token-that-nobody-named");
    let check = "touch began; while ! test -e go; do sleep 0.05; done";
    let running = env.et_spawn(["run", "-o", ".", "--iterate", "--json", "--check", check, "write"]);
    running.wait_for_event(|line| matches!(line.event, Event::CheckStarted { .. }));
    assert!(poll(PATIENCE, || env.has("began")));
    let daemon = env.daemon_pid().unwrap();
    let all = descendants(daemon);
    // The daemon, what confines, and the check.
    assert!(all.len() >= 3, "{all:?}");
    let mut named = false;
    for pid in all {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap_or_default();
        // A `sleep` may have ended by now.
        if let Some(core) = limits.lines().find(|line| line.starts_with("Max core file size")) {
            assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{name}: {core}");
        }
        for file in ["cmdline", "environ"] {
            let bytes = std::fs::read(format!("/proc/{pid}/{file}"));
            if pid == daemon && file == "environ" && !nix::unistd::geteuid().is_root() {
                assert!(bytes.is_err(), "the daemon's memory and environment are open to other processes of the user");
            }
            let text = String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned();
            for form in forms(KEY) {
                assert!(!text.contains(&form), "{file} of {name} ({pid}) shows the key");
            }
            assert!(!text.contains("a-token-that-nobody-named"), "{file} of {name} ({pid})");
            named |= file == "environ" && text.contains("a-token-that-the-config-names");
            // Only what is asked for goes to a check, and not by way of the daemon.
            assert!(pid != daemon || !text.contains("a-token-that-the-config-names"), "{file} of the daemon");
        }
        // What is open leads to nothing that holds a key.
        for entry in std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten() {
            let leads = std::fs::read_link(entry.path()).unwrap_or_default();
            let own = pid == daemon || !leads.starts_with(env.state_dir());
            assert!(own && !leads.ends_with("electrictown.yaml"), "{name} ({pid}) has {} open", leads.display());
        }
    }
    assert!(named, "nobody has what the config names");
    env.write("go", "");
    running.wait().assert_ok();
}

#[test]
fn a_panic_tells_its_place_and_not_its_words() {
    let env = Env::new();
    let model = Model::start(tiny());
    env.config(&model);
    env.et(["session", "list"]).run().assert_ok();
    // In the client, with the key in the words.
    let mut outputs = Vec::new();
    for args in [&["session", "list"][..], &["session", "list", "--json"], &["run", "-o", ".", "write"]] {
        let out = env.et(args).env("ET_TEST_PANIC", format!("client.connected=about {KEY}")).run();
        out.assert_code(70).assert_stderr("error: et itself failed, at proto/src/hooks.rs:");
        outputs.push(out);
    }
    assert_eq!(outputs[1].json()["exit_code"], 70);
    env.et(["daemon", "stop"]).run().assert_ok();
    // In the daemon, in the middle of a round.
    env.set("ET_TEST_PANIC", format!("round.write_intended=about {KEY}"));
    let running = env.et_spawn(["run", "-o", ".", "--json", "write"]);
    assert!(poll(PATIENCE, || env.daemon_log().contains("panic at ")));
    env.unset("ET_TEST_PANIC");
    for args in
        [&["session", "list"][..], &["session", "show", "last"], &["daemon", "logs"], &["session", "kill", "last"]]
    {
        outputs.push(env.et(args).run().assert_ok().clone());
    }
    outputs.push(running.wait());
    env.et(["daemon", "stop"]).run().assert_ok();
    assert_nowhere(&env, KEY, &[], &outputs);
    assert!(!env.daemon_log().contains("about "), "{}", env.daemon_log());
}
