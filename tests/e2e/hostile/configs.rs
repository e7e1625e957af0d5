//! Configs.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use tests::env::Env;
use tests::model::Model;
use tests::projects::stories::tiny;

/// Far longer than `et` takes to say no, far shorter than for ever.
const SOON: Duration = Duration::from_secs(20);

#[test]
fn a_config_that_is_no_small_file_is_refused_at_once() {
    let env = Env::new();
    let at = |name: &str| env.root().join(name);
    nix::unistd::mkfifo(&at("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    fs::create_dir(at("dir")).unwrap();
    fs::File::create(at("huge")).unwrap().set_len(1 << 42).unwrap();
    fs::write(at("binary"), b"\xff\xfe\0\0").unwrap();
    fs::write(at("nul"), "providers:\0\n").unwrap();
    fs::write(at("deep"), "[".repeat(900_000)).unwrap();
    let aliases: String =
        (1..30).map(|n| format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 9].join(", "))).collect();
    fs::write(at("aliases"), format!("a0: &a0 [x, x, x]\n{aliases}")).unwrap();
    fs::write(at("esc\u{1b}]0;x\u{7}"), "provders: \"\u{1b}[31m\"\n").unwrap();
    fs::write(at("name"), "providers: { \"p\\e]52;c;eA==\\a\": { type: ollama } }\ndefaults: { model: p/m }\n")
        .unwrap();
    symlink("/dev/zero", at("zero-link")).unwrap();
    let mut names: Vec<String> =
        ["fifo", "dir", "huge", "binary", "nul", "deep", "aliases", "esc\u{1b}]0;x\u{7}", "name", "zero-link"]
            .iter()
            .map(|name| at(name).to_str().unwrap().to_owned())
            .collect();
    names.push("/dev/zero".to_owned());
    for name in &names {
        let begin = Instant::now();
        let outputs = [
            env.et(["run", "-o", "out", "--config", name, "x"]).timeout(SOON).run(),
            env.et(["models", "--json"]).env("ET_CONFIG", name).timeout(SOON).run(),
            env.et(["trust", name]).timeout(SOON).run(),
        ];
        for out in outputs {
            out.assert_code(2).assert_stderr("error: ");
            let raw =
                out.stdout.chars().chain(out.stderr.chars()).find(|c| c.is_control() && !matches!(c, '\n' | '\t'));
            assert_eq!(raw, None, "{out}");
        }
        assert!(begin.elapsed() < SOON, "{name}: {:?}", begin.elapsed());
    }
    assert!(env.daemon_pid().is_none(), "a daemon was started for nothing");
    // One that lies in a clone and is no file is none: the user's own counts.
    let model = Model::start(tiny());
    env.config(&model);
    for plant in [
        (|path| nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap()) as fn(&std::path::Path),
        |path| fs::create_dir(path).unwrap(),
        |path| symlink("/dev/zero", path).unwrap(),
    ] {
        let here = env.work().join("electrictown.yaml");
        plant(&here);
        env.et(["models"]).timeout(SOON).run().assert_ok();
        let _ = fs::remove_file(&here).or_else(|_| fs::remove_dir(&here));
    }
}
