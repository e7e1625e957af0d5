//! `et demo`: the real pipeline and a real `cargo build`, with recorded model answers, offline.
//!
//! It has a state dir and a daemon of its own, so that it doesn't appear among the user's sessions; that daemon is stopped at
//! the end.

use std::collections::BTreeMap;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use proto::config::{
    Auth, CheckConfig, Config, ModelConfig, Price, ProviderConfig, ProviderKind, RoleConfig, SandboxWish, Timeouts,
    role,
};
use proto::endpoint::state_dir;
use proto::message::Queued;
use proto::settings::Flags;

use super::run::{spawn_request, watch_round};
use super::{Ended, Showing, daemon};
use crate::args::Demo;
use crate::caller::absolute;
use crate::config::Loaded;
use crate::context::Context;
use crate::exit::Problem;
use crate::request;

/// The task that the recording answers.
const TASK: &str =
    "Build a small Rust command line tool that prints the ten most frequent words of a text, with unit tests";

pub(super) async fn run(mut context: Context, args: &Demo) -> Ended {
    if !has_cargo(Context::var("PATH").as_deref()) {
        return Err(Problem::usage("the demo builds a Rust program, and cargo isn't on PATH")
            .hint("install Rust (https://rustup.rs) or add ~/.cargo/bin to PATH"));
    }
    let recording = args.recording.as_deref().map(|file| recording(file, &context)).transpose()?;
    let Some(state) = state_dir(&Context::var).map(|dir| absolute(&dir.to_string_lossy(), &context.cwd, &Context::var))
    else {
        return Err(Problem::state("HOME isn't set, so there is no state dir"));
    };
    let state = state.join("demo");
    make_dir(&state)?;
    let work_dir = match &args.dir {
        Some(dir) => request::work_dir(Some(dir), &context.cwd, &Context::var)?,
        None => Some(temp_dir()?),
    };
    let log_dir = state.join("logs").to_string_lossy().into_owned();
    let loaded =
        Loaded { config: config(log_dir, recording.unwrap_or_default()), secrets: Vec::new(), notes: Vec::new() };
    let flags = Flags { iterate: Some(true), ..Flags::default() };
    let place = work_dir.clone().unwrap_or_default();
    let opening = |_: &Queued| {
        format!(
            "demo: the model's answers are recordings; planning, writing, cargo and fixing are real\nfiles go to {place}"
        )
    };
    let showing = Showing { max_builds: Some(flags.resolve().max_iterations), ..Showing::default() };
    context.state_dir = Some(state);
    context.autostart = true;
    let request = spawn_request(TASK.to_owned(), work_dir, flags, loaded);
    let ended = watch_round(&context, request, showing, &opening).await;
    daemon::stop_quietly(&context).await;
    ended
}

fn has_cargo(path: Option<&str>) -> bool {
    let dirs = path.map(|path| std::env::split_paths(path).collect::<Vec<_>>()).unwrap_or_default();
    dirs.iter().any(|dir| is_executable(&dir.join("cargo")))
}

fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

fn recording(file: &Path, context: &Context) -> Result<String, Problem> {
    let path = context.cwd.join(file);
    if path.is_file() {
        Ok(path.to_string_lossy().into_owned())
    } else {
        Err(Problem::usage(format!("--recording: there is no file {}", path.display())))
    }
}

fn make_dir(dir: &Path) -> Result<(), Problem> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|error| Problem::state(format!("making {}: {error}", dir.display())))
}

/// A new dir below the temp dir, private to the user. It stays: it is what the demo built.
fn temp_dir() -> Result<String, Problem> {
    let dir: PathBuf = std::env::temp_dir().join(format!("et-demo-{}", uuid::Uuid::new_v4().simple()));
    std::fs::DirBuilder::new()
        .mode(0o700)
        .create(&dir)
        .map_err(|error| Problem::state(format!("making {}: {error}", dir.display())))?;
    Ok(dir.to_string_lossy().into_owned())
}

/// One provider, whose answers are recordings.
fn config(log_dir: String, recording: String) -> Config {
    let provider = ProviderConfig { kind: ProviderKind::Recorded, base_url: recording, auth: Auth::None, org: None };
    let mut models = BTreeMap::new();
    let mut roles = BTreeMap::new();
    for name in [role::PLANNER, role::WORKER] {
        let alias = format!("recorded/{name}");
        let model = ModelConfig {
            provider: "recorded".to_owned(),
            model: name.to_owned(),
            context: None,
            max_output: None,
            price: Some(Price::FREE),
            edits: Some(false),
        };
        models.insert(alias.clone(), model);
        let role = RoleConfig { pool: vec![alias], fallbacks: Vec::new(), max_tokens: 16_384, temperature_milli: 0 };
        roles.insert(name.to_owned(), role);
    }
    Config {
        source: "demo".to_owned(),
        providers: BTreeMap::from([("recorded".to_owned(), provider)]),
        models,
        roles,
        specialists: BTreeMap::new(),
        check: CheckConfig::default(),
        sandbox: SandboxWish::Prefer,
        timeouts: Timeouts::default(),
        log_dir,
        network: BTreeMap::new(),
        keep: None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

    use super::*;

    #[test]
    fn the_demo_needs_no_key_and_no_network() {
        let config = config("/s/demo/logs".into(), String::new());
        assert_eq!(config.secrets().count(), 0);
        assert_eq!(config.roles["mayor"].pool, ["recorded/mayor"]);
        assert!(config.roles.values().flat_map(|role| &role.pool).all(|alias| config.models.contains_key(alias)));
        assert_eq!(request::check_against(&Flags { max_cost_micros: Some(1), ..Flags::default() }, &config), Ok(()));
    }

    #[test]
    fn cargo_is_looked_for() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().to_str().unwrap();
        assert!(!has_cargo(Some(path)));
        std::fs::write(dir.path().join("cargo"), "").unwrap();
        assert!(!has_cargo(Some(path)));
        std::fs::set_permissions(dir.path().join("cargo"), std::fs::Permissions::from_mode(0o755)).unwrap();
        assert!(has_cargo(Some(&format!("/none:{path}"))));
        assert!(!has_cargo(None));
    }
}
