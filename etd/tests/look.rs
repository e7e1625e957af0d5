//! Attempts to get out of a quick look at one text: without the work dir, at both levels.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use etd::sandbox::{Children, Command, Ended, Profile, Wish};
use proto::config::SandboxWish;
use proto::report::SandboxLevel;
use tokio_util::sync::CancellationToken;

const ATTEMPTS: &str = include_str!("../../tests/e2e/escape/attempts.py");
/// What Landlock has no say in, see `SECURITY.md`.
const PARTIAL: &[&str] = &["chmod_outside", "read_sibling_cmdline", "stat_secret", "touch_outside", "xattr_outside"];

#[tokio::test(flavor = "multi_thread")]
async fn nothing_gets_out_of_a_look() {
    let room = tempfile::Builder::new().prefix("et-look-").tempdir_in("/tmp").unwrap();
    let at = |name: &str| room.path().join(name);
    for dir in [
        "state/sandbox/other",
        "home/.ssh",
        "home/.cargo/registry",
        "home/.cache/go-build",
        "outside",
        "logs",
        "tools/bin",
        "work",
    ] {
        std::fs::create_dir_all(at(dir)).unwrap();
    }
    for file in [
        "state/etd.lock",
        "home/.ssh/id_ed25519",
        "home/.netrc",
        "outside/target.txt",
        "outside/spare.txt",
        "tools/bin/tool",
    ] {
        std::fs::write(at(file), "mine").unwrap();
    }
    let mut sibling = std::process::Command::new("/bin/sleep").arg("600.0515").spawn().unwrap();
    let helper = PathBuf::from(env!("CARGO_BIN_EXE_etd"));
    let children = Children::confining(Arc::new(()), helper, &at("state"), Vec::new()).unwrap();
    let env = BTreeMap::from([
        ("PATH".to_owned(), format!("{}:/usr/bin:/bin", at("tools/bin").display())),
        ("HOME".to_owned(), at("home").display().to_string()),
        ("ET_TEST_KEY".to_owned(), "secret".to_owned()),
    ]);
    let wish = Wish {
        sandbox: SandboxWish::Prefer,
        profile: Profile::Look,
        work_dir: Some(at("work")),
        env,
        secret: vec![at("logs")],
        named: Vec::new(),
    };
    let jail = children.jail(wish).await.unwrap();
    for level in [SandboxLevel::Full, SandboxLevel::Partial] {
        if level == SandboxLevel::Full && jail.level() != level {
            assert!(std::env::var_os("CI").is_none(), "bubblewrap is missing, and in CI it must be there");
            continue;
        }
        let mut confinement = (*jail.confinement).clone();
        confinement.level = level;
        let path = |name: &str| at(name).display().to_string();
        let targets = serde_json::json!({
            "level": level, "work": path("work"), "home": path("home"), "state": path("state"), "logs": path("logs"),
            "outside": path("outside"), "tools": path("tools"), "other_cache": path("state/sandbox/other"),
            "gocache": path("home/.cache/go-build"), "socket": path("state/no.sock"), "daemon": std::process::id(),
            "sibling": sibling.id(), "tcp": 9, "tcp6": 9, "udp": 9, "abstract": "et-look", "token": "et-look-token",
            "address": "127.0.0.1", "key_variable": "ET_TEST_KEY", "uid": nix::unistd::getuid().as_raw(),
            "root": nix::unistd::getuid().is_root(), "shm_key": 0x6574_0001,
        });
        let command = Command {
            argv: ["python3", "-c", ATTEMPTS, &targets.to_string()].map(str::to_owned).to_vec(),
            dir: "/".into(),
            root: at("work"),
            env: confinement.env.clone(),
            timeout: Duration::from_secs(120),
            output_limit: 1 << 20,
            input: b"the text".to_vec(),
            confinement: Some(Arc::new(confinement)),
        };
        let output = children.run(command, &CancellationToken::new()).await.unwrap();
        assert_eq!(output.ended, Ended::Code(0), "{level:?} {output:?}");
        let lines: Vec<&str> = output.stdout.lines().filter_map(|line| line.strip_prefix("ATTEMPT ")).collect();
        assert!(lines.len() >= 80, "{output:?}");
        let open: BTreeSet<&str> = lines.iter().filter_map(|line| Some(line.split_once(" open")?.0)).collect();
        let expected: BTreeSet<&str> = PARTIAL.iter().copied().filter(|_| level == SandboxLevel::Partial).collect();
        assert_eq!(open, expected, "{level:?}\n{}", output.stdout);
    }
    assert_eq!(std::fs::read_to_string(at("outside/target.txt")).unwrap(), "mine");
    sibling.kill().unwrap();
    sibling.wait().unwrap();
}
