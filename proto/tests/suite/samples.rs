//! Values with every field set and, taken together, every variant of every enum that goes over the wire.
//!
//! Numbers differ from field to field, so that two fields that changed places are seen.

use std::collections::BTreeMap;

use proto::config::{
    Auth, CheckConfig, Config, Keep, ModelConfig, Price, ProviderConfig, ProviderKind, RoleConfig, SandboxWish,
    SecretRef, SpecialistConfig, Timeouts,
};
use proto::diagnostic::{Diagnostic, Related, Severity};
use proto::id::{RoundId, SessionId};
use proto::message::{
    Attach, AttachEnd, Cancel, Diff, DiffAction, Diffed, Doctor, Done, EndReason, Events, Examined, Failed, FileDiff,
    Finding, From, Grade, Heartbeat, Hello, Kill, Killed, List, LiveText, ModelList, Models, Needs, Provide,
    ProviderModels, Queued, Reply, Request, RoundSummary, Secret, SecretValue, Send, SessionName, SessionSummary,
    Sessions, Show, Shown, Spawn, StoredEvent, Undo, Undone, Wait, Waited, Welcome,
};
use proto::settings::{Flags, Skip};

pub(crate) fn session() -> SessionId {
    "01234567-89ab-4cde-8f01-23456789abcd".parse().unwrap()
}

pub(crate) fn round_id() -> RoundId {
    "fedcba98-7654-4321-8fed-cba987654321".parse().unwrap()
}

fn secret_ref(name: &str) -> SecretRef {
    SecretRef(format!("env:{name}"))
}

/// Value of the secrets in these messages.
pub(crate) const SECRET: &str = "not-a-key";

fn secrets() -> Vec<SecretValue> {
    vec![SecretValue { name: secret_ref("OPENAI_API_KEY"), value: Secret::new(SECRET.into()) }]
}

fn role(name: &str, max_tokens: u32, temperature_milli: u32) -> RoleConfig {
    RoleConfig {
        pool: vec![name.into(), "openai/gpt".into()],
        fallbacks: vec!["spare".into()],
        max_tokens,
        temperature_milli,
    }
}

pub(crate) fn config(sandbox: SandboxWish) -> Config {
    let provider = |kind, url: &str, auth, org: Option<&str>| ProviderConfig {
        kind,
        base_url: url.into(),
        auth,
        org: org.map(Into::into),
    };
    let model = |name: &str, price, edits| ModelConfig {
        provider: "openai".into(),
        model: name.into(),
        context: Some(131_072),
        max_output: Some(8_192),
        price,
        edits,
    };
    Config {
        source: "/home/u/electrictown.yaml".into(),
        providers: BTreeMap::from([
            (
                "anthropic".into(),
                provider(ProviderKind::Anthropic, "https://a.example", Auth::Key(secret_ref("A")), None),
            ),
            ("demo".into(), provider(ProviderKind::Recorded, "", Auth::None, None)),
            ("gemini".into(), provider(ProviderKind::Gemini, "https://g.example", Auth::Bearer(secret_ref("G")), None)),
            ("ollama".into(), provider(ProviderKind::Ollama, "http://o.example", Auth::Basic(secret_ref("O")), None)),
            (
                "openai".into(),
                provider(ProviderKind::Openai, "https://p.example", Auth::Key(secret_ref("P")), Some("org")),
            ),
        ]),
        models: BTreeMap::from([
            (
                "openai/gpt".into(),
                model("gpt", Some(Price { input: 3_000_000, cached: 300_000, output: 15_000_000 }), Some(true)),
            ),
            ("spare".into(), model("mini", Some(Price::FREE), Some(false))),
        ]),
        roles: BTreeMap::from([
            ("mayor".into(), role("spare", 4_096, 0)),
            ("polecat".into(), role("spare", 16_384, 700)),
        ]),
        specialists: BTreeMap::from([(
            "sql".into(),
            SpecialistConfig { description: "SQL and schema work".into(), role: role("spare", 2_048, 100) },
        )]),
        check: CheckConfig {
            command: Some("make test".into()),
            env: vec!["GOFLAGS".into()],
            timeout_ms: Some(600_000),
            no_fetch: true,
        },
        sandbox,
        timeouts: Timeouts::default(),
        log_dir: "/home/u/logs".into(),
        network: BTreeMap::from([("HTTPS_PROXY".into(), secret_ref("HTTPS_PROXY"))]),
        keep: Some(Keep { rounds: 100, days: 30, bytes: 1 << 30 }),
    }
}

pub(crate) fn flags() -> Flags {
    Flags {
        iterate: Some(true),
        max_iterations: Some(4),
        timeout_ms: Some(3_600_000),
        workers: Some(6),
        max_subtasks: Some(12),
        check: Some("go test ./...".into()),
        tests: Some(false),
        role: Some("planner".into()),
        skip: Skip { synthesize: true, reviewer: false, tester: true, coordinate: false, specialists: true },
        guardrail_retries: Some(2),
        guardrail_threshold: Some(7),
        max_cost_micros: Some(2_500_000),
        max_tokens: Some(900_000),
        dry_run: true,
    }
}

fn summary() -> SessionSummary {
    SessionSummary {
        id: session(),
        state: "running".into(),
        work_dir: Some("/home/u/project".into()),
        task: "build it".into(),
        rounds: 2,
        outcome: Some("check_failed".into()),
        created_ms: 1_767_225_600_000,
        updated_ms: -1,
    }
}

fn file_diff(action: DiffAction) -> Reply {
    Reply::FileDiff(FileDiff {
        path: "src/main.rs".into(),
        action,
        before_sha256: (action != DiffAction::Created).then(|| "ab".into()),
        after_sha256: (action != DiffAction::Deleted).then(|| "cd".into()),
        diff: Some("@@ -1 +1 @@\n".into()),
        note: Some("cut".into()),
    })
}

fn examined(grade: Grade) -> Reply {
    Reply::Examined(Examined {
        findings: vec![Finding {
            topic: "provider".into(),
            subject: "openai".into(),
            grade,
            text: "answers".into(),
            advice: (grade == Grade::Fail).then(|| "set the key".into()),
        }],
    })
}

fn attach(from: From, name: SessionName) -> Request {
    Request::Attach(Attach { session: name, from, follow: true, text: false, until_round: Some(3) })
}

/// Requests, each with a name that says what is particular to it.
pub(crate) fn requests() -> Vec<(&'static str, Request)> {
    let prefix = || SessionName::Prefix("0123".into());
    let env = || BTreeMap::from([("PATH".to_owned(), "/usr/bin".to_owned())]);
    let secret_env = || BTreeMap::from([("GOPROXY".to_owned(), secret_ref("GOPROXY"))]);
    vec![
        ("hello", Request::Hello(Hello { build: "0.1.0".into() })),
        (
            "spawn",
            Request::Spawn(Spawn {
                task: "build it — now".into(),
                work_dir: Some("/home/u/project".into()),
                flags: flags(),
                config: config(SandboxWish::Require),
                env: env(),
                secret_env: secret_env(),
                secrets: secrets(),
                idempotency_key: "key-1".into(),
            }),
        ),
        (
            "send",
            Request::Send(Send {
                session: SessionName::Last,
                message: "add tests".into(),
                flags: Flags::default(),
                config: Some(config(SandboxWish::Prefer)),
                env: env(),
                secret_env: secret_env(),
                secrets: secrets(),
                idempotency_key: "key-2".into(),
            }),
        ),
        ("attach.newest_round", attach(From::NewestRound, prefix())),
        ("attach.start", attach(From::Start, SessionName::Last)),
        ("attach.now", attach(From::Now, prefix())),
        ("attach.seq", attach(From::Seq(70_000), prefix())),
        ("list", Request::List(List {})),
        ("show", Request::Show(Show { session: prefix() })),
        ("kill", Request::Kill(Kill { session: prefix(), round: Some(2) })),
        ("wait", Request::Wait(Wait { session: prefix() })),
        ("provide", Request::Provide(Provide { secrets: secrets() })),
        ("models", Request::Models(Models { config: config(SandboxWish::Off), secrets: secrets() })),
        ("cancel", Request::Cancel(Cancel { request: 300 })),
        ("diff", Request::Diff(Diff { session: prefix(), round: Some(2) })),
        (
            "doctor",
            Request::Doctor(Doctor {
                config: Some(config(SandboxWish::Off)),
                secrets: secrets(),
                env: env(),
                dir: "/home/u/project".into(),
            }),
        ),
        ("undo", Request::Undo(Undo { session: SessionName::Last, round: None })),
    ]
}

/// Replies, each with a name that says what is particular to it.
pub(crate) fn replies() -> Vec<(&'static str, Reply)> {
    let end = |reason| Reply::AttachEnd(AttachEnd { reason, exit_code: Some(8), seq: 251 });
    vec![
        ("welcome", Reply::Welcome(Welcome { build: "0.1.0".into(), pid: 4_242, needs: vec![secret_ref("A")] })),
        (
            "queued",
            Reply::Queued(Queued { session: session(), round: 2, round_id: round_id(), needs: vec![secret_ref("P")] }),
        ),
        (
            "events",
            Reply::Events(Events {
                session: session(),
                lines: vec![
                    StoredEvent { seq: 9, json: "{}".into() },
                    StoredEvent { seq: 10, json: "{\"a\":1}".into() },
                ],
            }),
        ),
        (
            "live_text",
            Reply::LiveText(LiveText {
                round: 2,
                worker: "3".into(),
                model: "openai/gpt".into(),
                restart: true,
                text: "fn main".into(),
                tokens: 65_536,
            }),
        ),
        ("heartbeat", Reply::Heartbeat(Heartbeat { state: "running".into(), round: 2 })),
        ("needs", Reply::Needs(Needs { names: vec![secret_ref("A"), secret_ref("P")] })),
        ("attach_end.idle", end(EndReason::Idle)),
        ("attach_end.draining", end(EndReason::Draining)),
        ("attach_end.slow", end(EndReason::Slow)),
        ("sessions", Reply::Sessions(Sessions { sessions: vec![summary()] })),
        (
            "shown",
            Reply::Shown(Shown {
                summary: summary(),
                rounds: vec![RoundSummary {
                    round: 1,
                    id: round_id(),
                    state: "ended".into(),
                    task: "build it".into(),
                    log_dir: Some("/home/u/logs/2026-01-01_fedcba98".into()),
                    started_ms: Some(1_767_225_600_500),
                    ended_ms: Some(1_767_225_660_000),
                    report: Some("{}".into()),
                    needs: vec![secret_ref("G")],
                }],
            }),
        ),
        ("killed", Reply::Killed(Killed { session: session(), rounds: vec![2, 3] })),
        ("waited", Reply::Waited(Waited { session: session(), round: 2, report: "{}".into() })),
        (
            "model_list",
            Reply::ModelList(ModelList {
                providers: vec![ProviderModels {
                    provider: "openai".into(),
                    models: vec!["gpt".into(), "mini".into()],
                    error: Some("refused".into()),
                    latency_ms: 1_250,
                }],
            }),
        ),
        ("done", Reply::Done(Done {})),
        ("file_diff.created", file_diff(DiffAction::Created)),
        ("file_diff.changed", file_diff(DiffAction::Changed)),
        ("file_diff.deleted", file_diff(DiffAction::Deleted)),
        ("diffed", Reply::Diffed(Diffed { session: session(), round: 2 })),
        (
            "undone",
            Reply::Undone(Undone {
                session: session(),
                round: 2,
                files: vec!["src/main.rs".into()],
                already: true,
                earlier: Some(1),
            }),
        ),
        ("examined.ok", examined(Grade::Ok)),
        ("examined.warn", examined(Grade::Warn)),
        ("examined.fail", examined(Grade::Fail)),
        (
            "failed",
            Reply::Failed(Failed {
                exit_code: 75,
                message: "too many requests".into(),
                hint: Some("try again".into()),
            }),
        ),
    ]
}

pub(crate) fn diagnostic() -> Diagnostic {
    Diagnostic {
        tool: "cargo".into(),
        file: Some("src/main.rs".into()),
        line: Some(7),
        column: Some(13),
        severity: Severity::Error,
        code: Some("E0425".into()),
        message: "cannot find value `x`".into(),
        related: vec![Related { file: "src/lib.rs".into(), line: Some(2), message: "similar name here".into() }],
        owner: Some("2".into()),
    }
}
