//! What is visible for whom, as tables.
#![allow(clippy::unwrap_used, reason = "a test may")]

use super::*;
use crate::sandbox::dirs::Own;
use crate::sandbox::places::Places;

fn parts(level: SandboxLevel, profile: Profile) -> Parts {
    let work = PathBuf::from("/home/u/work");
    let own = Own::of(Path::new("/home/u/.local/state/et"), &work);
    let places = Places {
        path: "/home/u/.cargo/bin:/usr/bin".to_owned(),
        read_only: ["/home/u/.cargo/bin", "/home/u/.rustup", "/home/u/work/.cache"].map(PathBuf::from).into(),
        rustup: Some("/home/u/.rustup".into()),
        go_build: Some("/home/u/.cache/go-build".into()),
        ..Places::default()
    };
    let env = [
        ("HOME", "/home/u"),
        ("PATH", "bin:/home/u/work/bin:/usr/bin"),
        ("MY_TOKEN", "t"),
        ("GOPROXY", "https://user:pw@proxy"),
        ("HTTPS_PROXY", "http://proxy"),
        ("LANG", "C"),
    ];
    Parts {
        level,
        profile,
        work_dir: (profile == Profile::Check).then_some(work),
        names: [".git", "src", ".et-build", ".et-tmp-1", "electrictown.yaml", "Electrictown.YAML"]
            .map(str::to_owned)
            .into(),
        own: (profile != Profile::Look).then_some(own),
        toolchain: Some("stable".to_owned()),
        places,
        env: env.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        secret: vec!["/home/u/.local/state/et".into()],
        limits: Limits::default(),
    }
}

#[test]
fn a_check_sees_the_tree_its_tools_and_nothing_else() {
    for level in [SandboxLevel::Full, SandboxLevel::Partial] {
        let made = confinement(&parts(level, Profile::Check)).unwrap();
        let table = [
            ("/home/u/work/src/a.rs", true),
            ("/home/u/.rustup/toolchains", true),
            ("/usr/bin/cc", true),
            ("/etc/passwd", true),
            ("/etc/shadow", false),
            ("/home/u", false),
            ("/home/u/.ssh/id", false),
            ("/home/u/.cargo/credentials.toml", false),
            ("/home/u/.local/state/et/etd.db", false),
            ("/home/u/other", false),
        ];
        for (path, visible) in table {
            assert_eq!(made.shows(Path::new(path)), visible, "{path}");
        }
        assert!(!made.network && made.hidden.is_empty());
        let names: Vec<_> = made.protected.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, [".et-tmp-1", ".git", "Electrictown.YAML", "electrictown.yaml"]);
        // What lies in the tree is the tree's, not a place of its own.
        assert!(!made.read_only.contains(Path::new("/home/u/work/.cache")));
        assert_eq!(made.overlays.len(), usize::from(level == SandboxLevel::Full));
    }
}

#[test]
fn each_profile_has_its_environment() {
    let env = |profile| confinement(&parts(SandboxLevel::Full, profile)).unwrap().env;
    let (check, fetch, look) = (env(Profile::Check), env(Profile::Fetch), env(Profile::Look));
    for env in [&check, &fetch, &look] {
        assert_eq!(env["PATH"], "/home/u/.cargo/bin:/usr/bin");
        assert_ne!(env["HOME"], "/home/u");
        assert_eq!(env["RUSTUP_TOOLCHAIN"], "stable");
        assert_eq!(env["LANG"], "C");
    }
    assert_eq!(
        (check.get("MY_TOKEN").map(String::as_str), fetch.get("MY_TOKEN"), look.get("MY_TOKEN")),
        (Some("t"), None, None)
    );
    assert_eq!((fetch.contains_key("HTTPS_PROXY"), look.get("HTTPS_PROXY")), (true, None));
    assert!(check["GOPROXY"].starts_with("file:///") && !check["GOPROXY"].contains("https"));
    assert!(fetch["GOPROXY"].starts_with("file:///") && fetch["GOPROXY"].ends_with(",https://user:pw@proxy"));
    assert_eq!(check["CARGO_NET_OFFLINE"], "true");
    assert!(!fetch.contains_key("CARGO_NET_OFFLINE"));
}

#[test]
fn only_a_fetch_has_the_network_and_only_a_check_the_tree() {
    for (profile, network, tree, own) in
        [(Profile::Check, false, true, true), (Profile::Fetch, true, false, true), (Profile::Look, false, false, false)]
    {
        let made = confinement(&parts(SandboxLevel::Full, profile)).unwrap();
        assert_eq!(made.network, network, "{profile:?}");
        assert_eq!(made.shows(Path::new("/home/u/work/src")), tree, "{profile:?}");
        assert_eq!(!made.read_write.is_empty(), own, "{profile:?}");
    }
}

/// A work dir that holds the state dir: bubblewrap shows it empty, Landlock can't.
#[test]
fn what_must_stay_hidden_is_hidden_or_nothing_is() {
    let inside = |level| {
        let secret = vec!["/home/u/work/state".into(), "/home/u/logs".into()];
        confinement(&Parts { secret, ..parts(level, Profile::Check) })
    };
    let made = inside(SandboxLevel::Full).unwrap();
    assert_eq!(made.hidden, BTreeSet::from([PathBuf::from("/home/u/work/state")]));
    assert!(!made.shows(Path::new("/home/u/work/state/etd.db")));
    assert_eq!(inside(SandboxLevel::Partial), None);
}

/// Each of them becomes a mount, and what is protected stays so.
#[test]
fn dirs_above_a_hidden_one_are_known() {
    let secret = ["build/logs/deep", ".et/logs/deep", "top"].map(|name| PathBuf::from("/home/u/work").join(name));
    let mut parts = Parts { secret: secret.into(), ..parts(SandboxLevel::Full, Profile::Check) };
    parts.names.push(".et".to_owned());
    let made = confinement(&parts).unwrap();
    assert_eq!(made.hidden.len(), 3);
    assert_eq!(made.above_hidden(), ["/home/u/work/build", "/home/u/work/build/logs"].map(PathBuf::from).into());
}

#[test]
fn what_git_and_et_believe_is_protected() {
    let table = [
        (".git", true),
        (".GIT", true),
        (".et", true),
        (".et-tmp-1", true),
        (".et-build", false),
        ("electrictown.yaml", true),
    ];
    for (name, protected) in [table.as_slice(), &[("src", false), (".gitignore", false), (".env", false)]].concat() {
        assert_eq!(is_protected(name), protected, "{name}");
    }
}
