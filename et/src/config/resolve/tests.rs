#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

use super::*;
use proto::config::SecretRef;

/// The sample of the documentation.
const SAMPLE: &str = r#"
providers:
  ollama-local: { type: ollama, base_url: http://localhost:11434 }
  openai:       { type: openai, base_url: https://api.openai.com/v1, api_key: $OPENAI_API_KEY }
  anthropic:    { type: anthropic, api_key: $ANTHROPIC_API_KEY }
  gemini:       { type: gemini, api_key: $GEMINI_API_KEY }
models:
  qwen: { provider: ollama-local, model: "qwen3-coder:32b" }
  qwen-ai01: { provider: ollama-local, model: "qwen3-coder:30b", price: { input: 0.5, output: 1 } }
  sonnet: { provider: anthropic, model: claude-sonnet-4-5 }
  gpt4o: { provider: openai, model: gpt-4o }
roles:
  mayor:    { model: sonnet, fallbacks: [gpt4o] }
  worker:   { model: qwen, pool: [qwen, qwen-ai01], fallbacks: [sonnet] }
  witness:  { model: gpt4o }
  refinery: { model: gemini/gemini-2.5-pro }
specialists: { sql: { model: sonnet, description: "SQL and schema work" } }
defaults: { model: qwen, fallbacks: [], max_tokens: 4096, temperature: 0.7, log_dir: ~/logs }
check:   { command: "go test ./...", env: [GOFLAGS], fetch: true, timeout: 10m }
sandbox: require
timeouts: { connect: 5s, first_token: 5m, between_tokens: 2m, call: 20m }
limits:  { keep_rounds: 500, keep_days: 365, state_bytes: 2GiB }
"#;

fn var(name: &str) -> Option<String> {
    match name {
        "OPENAI_API_KEY" | "ANTHROPIC_API_KEY" | "GEMINI_API_KEY" => Some(format!("value-of-{name}")),
        "HOME" => Some("/home/u".to_owned()),
        "HTTPS_PROXY" => Some("http://user:pw@proxy:1".to_owned()),
        _ => None,
    }
}

fn load(text: &str, trusted: bool) -> Result<Loaded, Problem> {
    let source = Source { path: Path::new("/c/electrictown.yaml"), text, trusted, pairs: Pairs::new() };
    resolve(&source, &var)
}

#[test]
fn the_documented_sample() {
    let loaded = load(SAMPLE, true).unwrap();
    let config = &loaded.config;
    assert_eq!(config.roles.keys().collect::<Vec<_>>(), ["mayor", "polecat", "reviewer", "tester"]);
    assert_eq!(config.roles["mayor"].pool, ["sonnet"]);
    assert_eq!(config.roles["mayor"].fallbacks, ["gpt4o"]);
    assert_eq!(config.roles["polecat"].pool, ["qwen", "qwen-ai01"]);
    assert_eq!(config.roles["tester"].pool, ["gemini/gemini-2.5-pro"]);
    assert_eq!(config.roles["tester"].max_tokens, 4096);
    assert_eq!(config.roles["tester"].temperature_milli, 700);
    assert_eq!(config.models["gemini/gemini-2.5-pro"].provider, "gemini");
    assert_eq!(config.models["qwen"].price, Some(Price::FREE));
    assert_eq!(config.models["qwen-ai01"].price, Some(Price { input: 500_000, cached: 500_000, output: 1_000_000 }));
    assert_eq!(config.models["sonnet"].context, Some(200_000));
    assert_eq!(config.specialists["sql"].role.pool, ["sonnet"]);
    assert_eq!(config.check.command.as_deref(), Some("go test ./..."));
    assert_eq!(config.check.timeout_ms, Some(600_000));
    assert_eq!(config.sandbox, SandboxWish::Require);
    assert_eq!(config.timeouts.connect_ms, 5_000);
    assert_eq!(config.keep, Some(Keep { rounds: 500, days: 365, bytes: 2 << 30 }));
    assert_eq!(config.log_dir, "/home/u/logs");
    assert_eq!(config.providers["openai"].auth, Auth::Key(SecretRef("env:OPENAI_API_KEY".into())));
    assert_eq!(config.network["HTTPS_PROXY"], SecretRef("env:HTTPS_PROXY".into()));
    assert!(loaded.notes.is_empty());
    // No value of a secret is in what the daemon keeps.
    let kept = format!("{config:?}");
    assert!(!kept.contains("value-of") && !kept.contains("user:pw"), "{kept}");
    assert_eq!(loaded.secrets.len(), 4);
}

/// A file with this in place of its only model.
fn with(line: &str) -> String {
    format!("providers:\n  p: {{ type: openai, base_url: http://localhost:1/v1 }}\n{line}\n")
}

#[test]
fn errors_name_the_place_and_the_nearest_name() {
    for (text, place, message, hint) in [
        (with("models: { a: { provider: q, model: m } }"), "3:", "unknown provider `q`", Some("known here: p")),
        (with("modles: {}"), "3:1", "unknown key `modles`", Some("`models`")),
        (with("models:\n  a: { provider: p, modle: m }"), "4:", "unknown key `modle`", Some("`model`")),
        (
            with("models:\n  qwen: { provider: p, model: m }\nroles:\n  mayor: { model: qwne }"),
            "6:19",
            "unknown model `qwne`",
            Some("`qwen`"),
        ),
        (
            with("models: { a: { provider: p, model: m } }\nroles: { mayro: { model: a } }"),
            "4:",
            "unknown role `mayro`",
            Some("`mayor`"),
        ),
        (with("models: { a: { provider: p, model: '' } }"), "3:", "`model` is empty", None),
        (
            with("models: { a: { provider: p, model: m } }\nroles: { mayor: { pool: [a, a] } }"),
            "4:",
            "`a` stands twice",
            None,
        ),
        (
            with("models: { a: { provider: p, model: m } }\nroles: { worker: { model: a }, polecat: { model: a } }"),
            "4:",
            "given twice",
            None,
        ),
        (
            with("models: { a: { provider: p, model: m } }\nsandbox: requir"),
            "4:10",
            "unknown sandbox `requir`",
            Some("`require`"),
        ),
        (
            with("models: { a: { provider: p, model: m } }\ntimeouts: { connect: soon }"),
            "4:",
            "isn't a time",
            Some("90s"),
        ),
        (
            with("models: { a: { provider: p, model: m } }\ntimeouts: { connect: 10 }"),
            "4:",
            "isn't a time",
            Some("90s"),
        ),
        (with("roles: { mayor: { model: q/m } }"), "3:", "unknown provider `q`", None),
        (with("models: { a: { provider: p, model: m }, a: { provider: p, model: n } }"), "3:", "duplicate", None),
        (
            "providers:\n  p: { type: openai-compatible }\nmodels: {}\n".to_owned(),
            "2:",
            "unknown type `openai-compatible`",
            Some("type `openai`, with a `base_url`"),
        ),
        ("providers:\n  p: { type: opnai }\nmodels: {}\n".to_owned(), "2:", "unknown type `opnai`", Some("`openai`")),
        ("providers:\n  p: { type: anthropic }\n".to_owned(), "2:", "has no api_key", Some("$ANTHROPIC_API_KEY")),
        ("providers:\n  p: { type: openai, base_url: 'ftp://x' }\n".to_owned(), "2:", "http://", None),
        (
            "providers:\n  p: { type: openai, base_url: 'https://u:secret@x' }\n".to_owned(),
            "2:",
            "password",
            Some("basic"),
        ),
        (
            "providers:\n  p: { type: openai, base_url: $NOPE }\n".to_owned(),
            "2:",
            "$NOPE, which isn't set",
            Some("set NOPE"),
        ),
        ("providers: [\n".to_owned(), "", "", None),
    ] {
        let problem = load(&text, true).unwrap_err();
        assert_eq!(problem.exit_code, 2, "{text}: {problem:?}");
        let start = format!("/c/electrictown.yaml:{place}");
        assert!(problem.message.starts_with(&start), "{text}: {problem:?}");
        assert!(problem.message.contains(message), "{text}: {problem:?}");
        assert!(!problem.message.contains("u:secret"), "{problem:?}");
        if let Some(hint) = hint {
            assert!(problem.hint.as_deref().unwrap_or_default().contains(hint), "{text}: {problem:?}");
        }
    }
}

#[test]
fn a_quoted_line_shows_where_and_hides_keys() {
    let text = "providers:\n  p: { type: openai, api_key: sk-very-secret, orgg: x }\n";
    let problem = load(text, true).unwrap_err();
    assert!(problem.message.contains("2 |   p: { type: openai, api_key: ***, orgg: x }"), "{problem}");
    assert!(!problem.message.contains("very-secret"));
    let text = "providers:\n  p: { type: openai, api_key: [sk-very-secret] }\n";
    assert!(!load(text, true).unwrap_err().message.contains("very-secret"));
    let problem = load(&with("sandbox: maybe"), true).unwrap_err();
    // Without a model the roles come first; the caret stands below what is wrong.
    assert!(problem.message.contains("has no model"), "{problem}");
    let problem = load(&with("models: { a: { provider: p, model: m } }\nsandbox: maybe"), true).unwrap_err();
    assert!(problem.message.ends_with("  4 | sandbox: maybe\n    |          ^"), "{problem}");
}

#[test]
fn literal_keys_become_references() {
    let text = "providers:\n  p: { type: openai, api_key: sk-lit, org: o }\n  b: { type: ollama, auth_type: basic, api_key: 'u:$OPENAI_API_KEY' }\n\
        models:\n  a: { provider: p, model: m }\n";
    let loaded = load(text, true).unwrap();
    assert_eq!(
        loaded.config.providers["p"].auth,
        Auth::Key(SecretRef("file:/c/electrictown.yaml#providers.p.api_key".into()))
    );
    assert!(matches!(loaded.config.providers["b"].auth, Auth::Basic(_)));
    assert!(!format!("{:?}", loaded.config).contains("sk-lit"));
    assert!(loaded.secrets.iter().any(|secret| secret.value.expose() == "sk-lit"));
    assert!(loaded.secrets.iter().any(|secret| secret.value.expose() == "u:value-of-OPENAI_API_KEY"));
}

#[test]
fn a_key_that_is_not_set_matters_where_it_is_used() {
    let file = |model: &str| {
        format!(
            "providers:\n  p: {{ type: openai, api_key: $UNSET_KEY }}\n  q: {{ type: ollama }}\n\
             models:\n  a: {{ provider: p, model: m }}\n  b: {{ provider: q, model: m }}\ndefaults: {{ model: {model} }}\n"
        )
    };
    let problem = load(&file("a"), true).unwrap_err();
    assert_eq!(problem.exit_code, 3);
    assert!(problem.message.contains("$UNSET_KEY") && problem.hint.unwrap().contains("set UNSET_KEY"));
    let loaded = load(&file("b"), true).unwrap();
    assert!(!loaded.config.providers.contains_key("p") && !loaded.config.models.contains_key("a"));
    assert_eq!(loaded.notes.len(), 1);
}

#[test]
fn no_providers_is_no_provider() {
    for text in ["", "providers: {}", "models: {}"] {
        assert_eq!(load(text, true).unwrap_err().exit_code, 3, "{text}");
    }
}

#[test]
fn an_untrusted_file_sets_no_rules() {
    let loaded = load(SAMPLE, false).unwrap();
    assert_eq!(loaded.config.check, CheckConfig::default());
    assert_eq!(loaded.config.sandbox, SandboxWish::Prefer);
    assert_eq!(loaded.config.log_dir, "/home/u/Documents/electrictown-logs");
    assert_eq!(loaded.config.keep, None);
    assert_eq!(loaded.notes.len(), 4);
    assert!(loaded.notes.iter().all(|note| note.contains("et trust")));
}

#[test]
fn an_untrusted_file_sends_no_variable_elsewhere() {
    let tail = "models:\n  a: { provider: p, model: m }\n";
    for (provider, fine) in [
        ("{ type: openai, base_url: https://evil.example/v1, api_key: $OPENAI_API_KEY }", false),
        ("{ type: openai, base_url: https://evil.example/v1, api_key: '${OPENAI_API_KEY}' }", false),
        ("{ type: openai, base_url: https://evil.example/v1, api_key: 'x$OPENAI_API_KEY' }", false),
        ("{ type: openai, base_url: https://evil.example/v1, api_key: k, org: $OPENAI_API_KEY }", false),
        ("{ type: openai, base_url: 'https://evil.example/$OPENAI_API_KEY', api_key: k }", false),
        ("{ type: openai, base_url: 'https://$OPENAI_API_KEY.evil.example/', api_key: k }", false),
        ("{ type: openai, base_url: 'https://x/$NOT_SET_AT_ALL', api_key: k }", false),
        ("{ type: anthropic, base_url: https://evil.example, api_key: $NOT_SET_AT_ALL }", false),
        ("{ type: anthropic, api_key: $OPENAI_API_KEY }", false),
        ("{ type: openai, api_key: $OPENAI_API_KEY }", true),
        ("{ type: openai, base_url: http://127.0.0.1:9/v1, api_key: $OPENAI_API_KEY }", true),
        ("{ type: openai, base_url: https://evil.example/v1, api_key: literal }", true),
    ] {
        let text = format!("providers:\n  p: {provider}\n{tail}");
        match load(&text, false) {
            Ok(_) => assert!(fine, "{provider}"),
            Err(problem) => {
                assert!(!fine, "{provider}: {problem:?}");
                assert_eq!(problem.exit_code, 2, "{provider}");
                assert!(problem.hint.unwrap().contains("et trust /c/electrictown.yaml"), "{provider}");
                // Not even where a variable is part of the host.
                let value = var("OPENAI_API_KEY").unwrap().to_lowercase();
                assert!(!problem.message.to_lowercase().contains(&value), "{}", problem.message);
            }
        }
    }
    let text =
        format!("providers:\n  p: {{ type: openai, base_url: https://own.example, api_key: $OPENAI_API_KEY }}\n{tail}");
    let pairs = Pairs::from([("OPENAI_API_KEY".to_owned(), "https://own.example".to_owned())]);
    let source = Source { path: Path::new("/c/electrictown.yaml"), text: &text, trusted: false, pairs };
    assert!(resolve(&source, &var).is_ok());
}

#[test]
fn limits_are_read() {
    let tail = "models:\n  a: { provider: p, model: m }\n";
    let keep = |line: &str| load(&with(&format!("{tail}{line}")), true).map(|loaded| loaded.config.keep);
    assert_eq!(keep("").unwrap(), None, "who says nothing changes nothing");
    let days = Keep { days: 30, ..Keep::default() };
    assert_eq!(keep("limits: { keep_days: 30 }").unwrap(), Some(days));
    let size = Keep { bytes: 1_500_000_000, ..Keep::default() };
    assert_eq!(keep("limits: { state_bytes: 1.5 GB }").unwrap(), Some(size));
    for (line, says) in [
        ("limits: { keep_rounds: 0 }", "must be at least 1"),
        ("limits: { keep_days: 0 }", "must be at least 1"),
        ("limits: { state_bytes: 2 }", "isn't a size"),
        ("limits: { state_bytes: 10kB }", "isn't a size"),
        ("limits: { state_bytes: lots }", "isn't a size"),
        ("limits: { state_bytes: '' }", "is empty"),
    ] {
        let problem = keep(line).unwrap_err();
        assert_eq!(problem.exit_code, 2, "{line}");
        assert!(problem.message.contains(says), "{line}: {problem}");
    }
}
