//! `et doctor`: each line says what is so, and what to do where it isn't as it should be.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;
use tests::env::{Config, Env, KEY, KEY_VARIABLE, Output, tool};
use tests::model::{Echo, Fault, Model, Story, Wire};

/// The findings about a topic, as grade, subject and text.
fn about<'a>(out: &'a Value, topic: &str) -> Vec<(&'a str, &'a str, &'a str)> {
    let findings = out["findings"].as_array().expect("findings");
    let text = |finding: &'a Value, name: &str| finding[name].as_str().unwrap_or_default();
    let of_topic = findings.iter().filter(|finding| finding["topic"] == topic);
    of_topic.map(|finding| (text(finding, "grade"), text(finding, "subject"), text(finding, "text"))).collect()
}

/// Fails unless there is such a finding. Whatever isn't ok says what to do.
#[track_caller]
fn found(out: &Output, topic: &str, grade: &str, words: &str) {
    let json = out.json();
    let all = about(&json, topic);
    let is = |(one, subject, text): &(&str, &str, &str)| *one == grade && format!("{subject} {text}").contains(words);
    assert!(all.iter().any(is), "no {grade} of {topic} with {words:?} in {all:#?}");
    for finding in json["findings"].as_array().expect("findings") {
        assert!(finding["grade"] == "ok" || finding["advice"].is_string() || topic != "config", "{finding}");
        assert!(finding["grade"] != "fail" || finding["advice"].is_string(), "{finding}");
    }
    let fails = json["findings"].as_array().expect("findings").iter().any(|finding| finding["grade"] == "fail");
    assert_eq!((json["ok"] == false, out.code), (fails, Some(i32::from(fails))), "{out}");
}

fn doctor(env: &Env) -> Output {
    env.et(["doctor", "--json"]).run()
}

#[test]
fn a_place_where_all_is_well() {
    let env = Env::new();
    let model = Model::start(Story::new());
    env.config(&model);
    let out = doctor(&env);
    found(&out, "versions", "ok", "etd is the same");
    found(&out, "daemon", "ok", "started just now, 0 sessions, 0 at work");
    found(&out, "socket", "ok", "mode 0600");
    found(&out, "systemd unit", "ok", "not installed");
    found(&out, "state dir", "ok", "can be written");
    found(&out, "log dir", "ok", &env.log_dir().to_string_lossy());
    found(&out, "config", "ok", "(yours)");
    found(&out, "provider", "ok", "scripted answers in");
    found(&out, "provider", "ok", "takes its key, 1 model");
    found(&out, "database", "ok", "0 sessions");
    let json = out.json();
    assert_eq!(about(&json, "sandbox").len(), 1);
    assert!(!about(&json, "disk").is_empty());
    // Every tool that is there says its version, confined as it is.
    for (grade, name, text) in about(&json, "toolchain") {
        assert_eq!(grade, "ok", "{name}: {text}");
        let program = if name == "python" { "python3" } else { name };
        assert_eq!(text.contains("isn't on PATH"), tool(program).is_none(), "{name}: {text}");
    }
    // No round was begun, nothing was bought.
    assert_eq!(env.et(["session", "list", "--json"]).run().json()["sessions"], serde_json::json!([]));
    assert!(model.records().iter().all(|record| record.label() == "models"), "{}", model.summary());
    let text = env.et(["doctor"]).run();
    text.assert_ok().assert_stdout("ok    config: ").assert_stderr("nothing stands in the way of a round");
    text.assert_nowhere(KEY);
    assert!(env.files_with(&[KEY]).is_empty());
}

#[test]
fn each_provider_has_its_own_words() {
    let env = Env::new();
    let refusing = Model::start(Story::new().fail_always("models", Fault::EchoKey(401, Echo::Plain)));
    let good = Model::start(Story::new().models(["scripted-2"]));
    let silent = Model::start(Story::new().fail_always("models", Fault::HangUp));
    // No name server needs to be asked about a name that is too long for one. And somebody who speaks plain text where TLS is expected.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let plain = format!("https://{}/v1", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 512]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let key = format!("api_key: ${KEY_VARIABLE}");
    let openai = |url: &str| format!("type: openai, base_url: \"{url}\", {key}");
    let mut config = Config::new()
        .provider_yaml("refusing", &openai(&refusing.base_url(Wire::OpenAi)))
        .provider_yaml("good", &openai(&good.base_url(Wire::OpenAi)))
        .provider_yaml("hangs", &openai(&silent.base_url(Wire::OpenAi)))
        .provider_yaml("tls", &openai(&plain))
        .provider_yaml("lost", &openai(&format!("http://{}.invalid/v1", "a".repeat(64))))
        .provider_yaml("closed", &openai(&Model::nobody()));
    for name in ["refusing", "hangs", "tls", "lost", "closed"] {
        config = config.model(name, name, "m");
    }
    let config = config.model("there", "good", "scripted-2").model("typo", "good", "scripted-3");
    let pool = ["there", "typo", "refusing", "hangs", "tls", "lost", "closed"];
    env.write_config(&config.role("mayor", ["there"], []).role("polecat", pool, []));
    let out = doctor(&env);
    found(&out, "provider", "ok", "good answers in");
    found(&out, "provider", "fail", "good has no model `scripted-3` (for polecat)");
    found(&out, "provider", "fail", "refusing wrong key: ");
    found(&out, "provider", "fail", "tls TLS error: ");
    found(&out, "provider", "fail", "lost wrong host: ");
    found(&out, "provider", "fail", "closed not to be reached: ");
    found(&out, "provider", "fail", "hangs not to be reached: ");
    out.assert_nowhere(KEY);
    let text = env.et(["doctor"]).run();
    text.assert_code(1).assert_stdout(&format!("into ${KEY_VARIABLE}")).assert_stderr("lines fail").assert_nowhere(KEY);
}

#[test]
fn what_the_project_here_needs_is_more_than_information() {
    let env = Env::new();
    let model = Model::start(Story::new());
    env.config(&model);
    let bare = env.root().join("bin");
    fs::create_dir(&bare).unwrap();
    env.set("PATH", bare.to_string_lossy());
    found(&doctor(&env), "toolchain", "ok", "go isn't on PATH");
    env.write("go.mod", "module a\n");
    env.write("main.go", "package main\nfunc main() {}\n");
    let out = doctor(&env);
    found(&out, "toolchain", "fail", "go isn't on PATH, and the project here needs it");
    found(&out, "toolchain", "ok", "cargo isn't on PATH");
    // A program that a repository brings isn't the tool.
    env.write("tools/go", "#!/bin/sh\necho pwned >../../pwned\n");
    fs::set_permissions(env.work().join("tools/go"), fs::Permissions::from_mode(0o755)).unwrap();
    env.set("PATH", format!("{}:{}", env.work().join("tools").display(), bare.display()));
    found(&doctor(&env), "toolchain", "fail", "go isn't on PATH");
    assert!(!env.root().join("pwned").exists());
    // The home is no project: what lies below it are tools.
    let own = env.home().join("tools");
    fs::create_dir(&own).unwrap();
    fs::write(own.join("cmake"), "#!/bin/sh\necho cmake of mine\n").unwrap();
    fs::set_permissions(own.join("cmake"), fs::Permissions::from_mode(0o755)).unwrap();
    env.set("PATH", own.to_string_lossy());
    found(&env.et(["doctor", "--json"]).dir(env.home()).run(), "toolchain", "ok", "cmake cmake of mine");
}

#[test]
fn what_is_wrong_with_the_place_is_told_with_and_without_a_daemon() {
    let env = Env::new();
    let model = Model::start(Story::new());
    let own = env.config(&model);
    let out = env.et(["doctor", "--json", "--no-autostart"]).run();
    out.assert_ok();
    found(&out, "daemon", "warn", "providers, sandbox, database and toolchains weren't looked at");
    found(&out, "socket", "ok", "no daemon listens");
    assert!(env.lock_record().is_none(), "nothing was started");

    // A config of the place, and what is wrong with it.
    fs::copy(&own, env.work().join("electrictown.yaml")).unwrap();
    let out = env.et(["doctor", "--json", "--no-autostart"]).run();
    found(&out, "config", "ok", "not trusted");
    env.write("electrictown.yaml", "providers: { \u{1b}[31mp: { type: oolama } }\n");
    let out = env.et(["doctor", "--no-autostart"]).run();
    out.assert_code(1).assert_stdout("fail  config: ").assert_nowhere("\u{1b}");
    fs::remove_file(env.work().join("electrictown.yaml")).unwrap();

    // A unit that names a daemon that isn't there.
    let units = env.home().join(".config/systemd/user");
    fs::create_dir_all(units.join("sockets.target.wants")).unwrap();
    fs::write(units.join("etd.socket"), "").unwrap();
    fs::write(units.join("etd.service"), "[Service]\nExecStart=/nowhere/etd\n").unwrap();
    std::os::unix::fs::symlink(units.join("etd.socket"), units.join("sockets.target.wants/etd.socket")).unwrap();
    let out = env.et(["doctor", "--json", "--no-autostart"]).run();
    found(&out, "systemd unit", "fail", "/nowhere/etd, which isn't there");
    fs::remove_dir_all(&units).unwrap();

    // A log dir that can't be one.
    env.set("ET_LOG_DIR", env.work().join("file/logs").to_string_lossy());
    env.write("file", "");
    found(&env.et(["doctor", "--json", "--no-autostart"]).run(), "log dir", "fail", "Not a directory");
    env.set("ET_LOG_DIR", env.log_dir().to_string_lossy());

    // A daemon that can't start, and why.
    fs::create_dir(env.state_dir().join("etd.log")).unwrap();
    found(&doctor(&env), "daemon", "fail", "Is a directory");
    fs::remove_dir(env.state_dir().join("etd.log")).unwrap();
    fs::set_permissions(env.state_dir(), fs::Permissions::from_mode(0o755)).unwrap();
    found(&doctor(&env), "state dir", "warn", "others may look in");
    found(&doctor(&env), "daemon", "ok", "up ");
}
