//! Runs fetches, each confined, with the network and without the work dir.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use proto::config::SandboxWish;
use proto::report::SandboxLevel;
use tokio_util::sync::CancellationToken;

use super::{Fetch, TARGET};
use crate::check::Cancelled;
use crate::sandbox::{Children, Command, Ended, Jail, Profile, RunError, Wish};

/// Longest time for one fetch.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long a fetch that failed isn't tried again for the same manifests.
const REST: Duration = Duration::from_secs(300);
/// Bytes of its words.
const WORDS: usize = 16 << 10;

/// Where and how it is fetched.
#[derive(Clone, Debug)]
pub struct FetchSite {
    /// The work dir, whose caches are filled.
    pub work_dir: PathBuf,
    /// What the configuration says.
    pub sandbox: SandboxWish,
    /// The caller's variables.
    pub env: BTreeMap<String, String>,
    /// Proxy and CA settings.
    pub network: BTreeMap<String, String>,
    /// Dirs that must not be seen.
    pub secret: Vec<PathBuf>,
    /// For all of it.
    pub timeout: Duration,
}

/// Fetches what isn't there. Returns a sentence for each fetch that failed. Without any confinement nothing is done: a build then has the
/// network itself.
///
/// # Errors
/// If `cancel` came: then nothing is left running.
pub async fn fetch(
    children: &Children,
    fetches: Vec<Fetch>,
    site: &FetchSite,
    cancel: &CancellationToken,
) -> Result<Vec<String>, Cancelled> {
    let mut notes = Vec::new();
    for fetch in fetches {
        let mut env = site.env.clone();
        env.extend(site.network.clone());
        let wish = Wish {
            sandbox: site.sandbox,
            profile: Profile::Fetch,
            work_dir: Some(site.work_dir.clone()),
            env,
            secret: site.secret.clone(),
            named: Vec::new(),
        };
        let jail = match children.jail(wish).await {
            Ok(jail) if jail.level() != SandboxLevel::None => jail,
            Ok(_) => return Ok(notes),
            Err(error) => {
                notes.push(format!("Nothing could be fetched: {error}."));
                return Ok(notes);
            }
        };
        let Some(own) = jail.own().cloned() else { return Ok(notes) };
        let marker = own.marker(&fetch.fingerprint());
        if !due(&marker) {
            continue;
        }
        let run = Run { children, fetch: &fetch, jail: &jail, cancel, timeout: site.timeout.min(PATIENCE) };
        let why = match own.disarm().and_then(|()| stage(&own.stage(), &fetch.files)) {
            Ok(()) => run.fetch(&own.cache("pydeps")).await?,
            Err(error) => Some(error.to_string()),
        };
        if why.is_none() && fetch.tool == "cargo" && jail.env().get("CARGO_HOME").is_some_and(|home| run.filled(home)) {
            let _ = own.use_private_registry();
        }
        let _ = std::fs::write(&marker, if why.is_none() { "fetched" } else { "" });
        if let Some(why) = why {
            notes.push(format!(
                "Dependencies couldn't be fetched ({}): {why}",
                fetch.argv[..fetch.argv.len().min(4)].join(" ")
            ));
        }
        let closing = tokio::task::spawn_blocking(move || jail.close());
        let _ = closing.await;
    }
    Ok(notes)
}

/// Whether it wasn't fetched yet, nor tried just now.
fn due(marker: &Path) -> bool {
    let Ok(text) = std::fs::read_to_string(marker) else { return true };
    let tried = marker.metadata().and_then(|meta| meta.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    text.is_empty() && tried.elapsed().is_ok_and(|ago| ago > REST)
}

/// Puts copies where the fetch sees them. The dir is new and nothing runs in it yet.
fn stage(dir: &Path, files: &BTreeMap<String, String>) -> io::Result<()> {
    for (path, text) in files {
        let at = dir.join(path);
        if let Some(above) = at.parent() {
            std::fs::create_dir_all(above)?;
        }
        std::fs::write(at, text)?;
    }
    Ok(())
}

struct Run<'a> {
    children: &'a Children,
    fetch: &'a Fetch,
    jail: &'a Jail,
    cancel: &'a CancellationToken,
    timeout: Duration,
}

impl Run<'_> {
    /// Why it failed.
    async fn fetch(&self, pydeps: &Path) -> Result<Option<String>, Cancelled> {
        if !self.fetch.satisfied.is_empty() && self.run(&self.fetch.satisfied, pydeps, true).await?.is_none() {
            return Ok(None);
        }
        self.run(&self.fetch.argv, pydeps, false).await
    }

    /// Whether cargo's own home has a registry now, and it isn't the user's that was enough.
    fn filled(&self, home: &str) -> bool {
        Path::new(home).join("registry").is_dir()
    }

    async fn run(&self, argv: &[String], pydeps: &Path, offline: bool) -> Result<Option<String>, Cancelled> {
        let Some(own) = self.jail.own() else { return Ok(Some("no dir for it".to_owned())) };
        let argv =
            argv.iter().map(|word| if word == TARGET { pydeps.display().to_string() } else { word.clone() }).collect();
        let mut env = self.jail.env().clone();
        let mut confinement = (*self.jail.confinement).clone();
        if offline {
            // What the user has, or what was fetched before.
            env.insert("CARGO_HOME".to_owned(), own.cargo_home().display().to_string());
            confinement.network = false;
        }
        let dir = own.stage().join(&self.fetch.dir);
        let command = Command {
            argv,
            root: own.stage(),
            dir,
            env,
            timeout: self.timeout,
            output_limit: WORDS,
            input: Vec::new(),
            confinement: Some(confinement.into()),
        };
        match self.children.run(command, self.cancel).await {
            Ok(output) if output.ended == Ended::Code(0) => Ok(None),
            Ok(output) if output.ended == Ended::TimedOut => Ok(Some("it took too long".to_owned())),
            Ok(output) => {
                let words = if output.stderr.trim().is_empty() { output.stdout } else { output.stderr };
                let last = words.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it failed");
                Ok(Some(last.trim().chars().take(300).collect()))
            }
            Err(RunError::Cancelled) => Err(Cancelled),
            Err(error) => Ok(Some(error.to_string())),
        }
    }
}
