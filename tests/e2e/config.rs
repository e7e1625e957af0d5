//! Configuration: found, refused with its line, trusted, and what roles and models it makes.

use tests::env::{Config, Env, KEY, KEY_VARIABLE};
use tests::model::{Fault, Model, Story, Sub, Wire};
use tests::projects::stories::tiny;

/// A variable that is known to belong to a vendor's own host.
const VENDOR_KEY: &str = "sk-vendor-5d41402abc4b2a76";

#[test]
fn without_config_and_keys_help_is_given() {
    let env = Env::new();
    // A local Ollama of the machine would be found.
    env.set("OLLAMA_HOST", "127.0.0.1:1");
    let out = env.et(["run", "-o", ".", "x"]).run();
    out.assert_code(3).assert_stderr("error: no model provider is configured");
    for part in ["ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY", "Ollama", "electrictown.yaml", "et demo"] {
        out.assert_stderr(part);
    }
    assert!(out.stdout.is_empty());
    let out = env.et(["run", "-o", ".", "--json", "x"]).run();
    let line = out.assert_code(3).json();
    assert_eq!((&line["type"], &line["exit_code"]), (&"error".into(), &3.into()));
    assert!(line["hint"].as_str().unwrap().contains("et demo"));
    // A config whose key isn't set says which.
    env.config_text(
        "providers: { o: { type: openai, api_key: $NOT_SET_KEY } }\nmodels: { m: { provider: o, model: x } }\n",
    );
    env.et(["run", "-o", ".", "x"]).run().assert_code(3).assert_stderr("$NOT_SET_KEY");
}

#[test]
fn an_error_shows_its_line_without_the_secret() {
    let env = Env::new();
    let path = env.config_text(
        "providers:\n  o: { type: openai, api_key: sk-literal-1234567890, bse_url: \"http://localhost:1\" }\nmodels:\n  m: { provider: o, model: x }\n",
    );
    let out = env.et(["run", "-o", ".", "x"]).run();
    out.assert_code(2).assert_stderr(&format!("{}:2:", path.display())).assert_stderr("unknown key `bse_url`");
    out.assert_stderr("did you mean `base_url`?").assert_stderr("api_key: ***").assert_nowhere("sk-literal");
    for (yaml, place, message, hint) in [
        ("roles: { mayor: { model: mian } }", "roles", "unknown model `mian`", "did you mean `main`?"),
        ("roles: { polecat: { model: scriptd/x } }", "roles", "unknown provider `scriptd`", "did you mean `scripted`?"),
        ("roles: { mayer: { model: main } }", "roles", "unknown role `mayer`", "did you mean `mayor`?"),
        ("roles: { worker: { model: main }, polecat: { model: main } }", "roles", "given twice", ""),
        ("roles: { polecat: { pool: [main, main] } }", "roles", "`main` stands twice in `pool`", ""),
        ("defaults: { model: \"\" }", "defaults", "`model` is empty", ""),
        ("timeouts: { call: soon }", "timeouts", "isn't a time", "90s"),
        ("sandbox: mabye", "sandbox", "unknown sandbox `mabye`", "prefer"),
    ] {
        let text = "providers:\n  scripted: { type: ollama, base_url: \"http://127.0.0.1:1\" }\nmodels:\n  main: { provider: scripted, model: x }\n";
        let path = env.config_text(&format!("{text}{yaml}\n"));
        let out = env.et(["run", "-o", ".", "x"]).run();
        out.assert_code(2).assert_stderr(&format!("{}:5:", path.display())).assert_stderr(message).assert_stderr(hint);
        out.assert_stderr(place);
    }
}

#[test]
fn a_config_of_a_clone_sends_no_key_elsewhere_until_it_is_trusted() {
    let env = Env::new();
    // All ways to hosts that aren't this machine go through the scripted server, which keeps what comes.
    let proxy = Model::start(Story::new().lenient());
    env.set("HTTP_PROXY", proxy.url());
    env.set("OPENAI_API_KEY", VENDOR_KEY);
    env.write(
        "electrictown.yaml",
        "providers:\n  o: { type: openai, base_url: \"http://elsewhere.invalid/v1\", api_key: $OPENAI_API_KEY }\nmodels:\n  m: { provider: o, model: x }\n",
    );
    for command in
        [&["run", "-o", "out", "x"][..], &["models"], &["nodes"], &["session", "spawn", "--work-dir", "out", "x"]]
    {
        let out = env.et(command).run();
        out.assert_code(2).assert_stderr("electrictown.yaml:2:").assert_stderr("$OPENAI_API_KEY to elsewhere.invalid");
        out.assert_stderr("et trust ").assert_nowhere(VENDOR_KEY);
    }
    assert!(proxy.records().is_empty(), "{}", proxy.summary());
    env.et(["trust", "electrictown.yaml"]).run().assert_ok();
    // The host doesn't exist; but the key is on its way to it now.
    env.et(["run", "-o", "out", "x"]).run().assert_code(3).assert_nowhere(VENDOR_KEY);
    let sent = proxy.records();
    assert!(sent.iter().any(|one| one.target.contains("elsewhere.invalid")), "{}", proxy.summary());
    assert!(sent.iter().any(|one| one.header("authorization") == Some(&format!("Bearer {VENDOR_KEY}"))));
    // Trust is for this content.
    env.write("electrictown.yaml", &(env.read("electrictown.yaml") + "# changed\n"));
    let before = proxy.records().len();
    env.et(["run", "-o", "out", "x"]).run().assert_code(2);
    assert_eq!(proxy.records().len(), before);
}

#[test]
fn a_config_of_a_clone_sets_no_check_and_no_log_dir() {
    let env = Env::new();
    let model = Model::start(tiny());
    let extra = "check: { command: \"touch pwned\" }\nsandbox: off\ndefaults: { log_dir: /tmp/et-never-made }";
    env.unset("ET_LOG_DIR");
    env.write("electrictown.yaml", &Config::one(&model, Wire::OpenAi).extra(extra).yaml());
    let out = env.et(["run", "-o", "out", "--iterate", "x"]).run();
    // Nothing else says how to build it.
    out.assert_code(8);
    for part in ["`check` in", "`sandbox` in", "`log_dir` in", "et trust"] {
        out.assert_stderr(part);
    }
    assert!(!env.has("out/pwned") && !env.has("pwned"));
    assert!(!std::path::Path::new("/tmp/et-never-made").exists());
    assert!(env.home().join("Documents/electrictown-logs").is_dir());
    // Named by the user it is trusted.
    let config = env.work().join("electrictown.yaml").to_string_lossy().into_owned();
    let config_text = env.read("electrictown.yaml").replace("/tmp/et-never-made", "logs-of-mine");
    env.write("electrictown.yaml", &config_text);
    env.et(["run", "-o", "out", "--iterate", "--config", &config, "x"]).run().assert_ok().assert_nowhere("is ignored");
    assert!(env.has("out/pwned") && env.has("logs-of-mine"));
}

#[test]
fn a_redirect_carries_no_key_to_another_host() {
    let env = Env::new();
    let thief = Model::start(Story::new().lenient());
    let target = format!("{}/v1/chat/completions", thief.url());
    let model = Model::start(tiny().fail_always("*", Fault::Redirect(target)));
    env.config(&model);
    env.et(["run", "-o", ".", "x"]).run().assert_code(3).assert_stderr("redirect").assert_nowhere(KEY);
    assert!(model.count("plan") >= 1);
    assert!(thief.records().is_empty(), "{}", thief.summary());
}

#[test]
fn aliases_pools_specialists_and_defaults_mean_what_they_say() {
    let env = Env::new();
    let model = Model::start(
        Story::new()
            .plan([
                Sub::new("one", "The first file").owns(["one.txt"]),
                Sub::new("two", "The second file").owns(["two.txt"]),
                Sub::new("tables", "The tables").owns(["tables.sql"]).specialist("sql"),
            ])
            .file("one", "one.txt", "one\n")
            .file("two", "two.txt", "two\n")
            .file("tables", "tables.sql", "create table t (id int);\n")
            .scores(9)
            .tests("check.txt", "a test\n")
            .models(["big", "small", "other"]),
    );
    let url = model.base_url(Wire::OpenAi);
    env.config_text(&format!(
        "providers:
  a: {{ type: openai, base_url: \"{url}\", api_key: ${KEY_VARIABLE} }}
  b: {{ type: openai, base_url: \"{url}\", api_key: ${KEY_VARIABLE} }}
models:
  big: {{ provider: a, model: big-model }}
  small: {{ provider: a, model: small-model }}
roles:
  planner: {{ model: big }}
  worker: {{ pool: [small, b/other-small], fallbacks: [big, small] }}
  witness: {{ model: a/judge }}
  refinery: {{ model: big, max_tokens: 777 }}
specialists:
  sql: {{ model: a/sql-model, description: \"SQL and schema work\" }}
defaults: {{ model: small, temperature: 0.5 }}
"
    ));
    let out = env.et(["run", "-o", ".", "--json", "write all of it"]).run();
    let usage = out.assert_ok().result().usage;
    assert!(model.calls("plan").iter().all(|one| one.model == "big-model" && one.text.contains("SQL and schema work")));
    let mut pool: Vec<String> = ["work/one", "work/two"].iter().map(|on| model.calls(on)[0].model.clone()).collect();
    pool.sort();
    // Two at once, two in the pool: each gets one.
    assert_eq!(pool, ["other-small", "small-model"]);
    assert_eq!(model.calls("work/tables")[0].model, "sql-model");
    assert!(model.count("review") >= 3 && model.calls("review").iter().all(|one| one.model == "judge"));
    assert!(model.calls("test").iter().all(|one| one.model == "big-model"));
    assert_eq!(model.count("test"), 1);
    let roles: Vec<&str> = usage.by_role.keys().map(String::as_str).collect();
    for role in ["mayor", "polecat", "reviewer", "tester"] {
        assert!(roles.contains(&role), "{roles:?}");
    }
    let names = env.et(["models", "--json"]).run().assert_ok().json();
    assert_eq!(names["roles"]["mayor"]["pool"][0], "a/big-model");
    assert_eq!(names["roles"]["polecat"]["pool"][1], "b/other-small");
    assert_eq!(names["roles"]["polecat"]["fallbacks"][0], "a/big-model");
}
