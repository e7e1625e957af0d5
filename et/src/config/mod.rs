//! The configuration: found, read, trusted, resolved. What leaves this module is a [`Config`] without secrets, and their
//! values apart.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use nix::fcntl::OFlag;
use proto::config::{Config, SecretRef};
use proto::endpoint::NETWORK_ENV;
use proto::message::SecretValue;
use proto::outcome::exit;

use crate::caller::{Lookup, absolute};
use crate::exit::Problem;

pub(crate) mod detect;
pub(crate) mod discover;
mod file;
#[cfg(test)]
mod fuzz;
mod mask;
pub(crate) mod prices;
pub(crate) mod recall;
mod resolve;
mod secrets;
pub(crate) mod trust;

/// A configuration and what belongs to it.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// What the daemon gets and may keep.
    pub(crate) config: Config,
    /// What it gets and must not keep.
    pub(crate) secrets: Vec<SecretValue>,
    /// What the user should know: parts that were ignored or left out.
    pub(crate) notes: Vec<String>,
}

/// The configuration that counts: that of a file, or else what can be detected.
///
/// # Errors
/// What is wrong in the file (exit code 2); no provider at all, or a missing key (3).
pub(crate) fn load(flag: Option<&Path>, cwd: &Path, var: Lookup<'_>) -> Result<Loaded, Problem> {
    let Some(found) = discover::find(flag, cwd, var)? else { return detect::detect(var, &detect::ask_ollama) };
    let text = read(&found.path)?;
    let trusted = found.origin != discover::Origin::Here || trust::is_trusted(&found.path, &text, var);
    let pairs = if trusted { trust::Pairs::new() } else { trust::own_pairs(var) };
    resolve::resolve(&resolve::Source { path: &found.path, text: &text, trusted, pairs }, var)
}

/// Longest config in bytes.
const LONGEST: u64 = 1024 * 1024;

/// The text of a config file. Never waits for a pipe, and never reads more than a config may have.
///
/// # Errors
/// If it can't be read, is no regular file, isn't UTF-8, or is longer than any config should be.
pub(crate) fn read(path: &Path) -> Result<String, Problem> {
    let wrong = |why: &dyn std::fmt::Display| Problem::usage(format!("reading the config {}: {why}", path.display()));
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path).map_err(|error| wrong(&error))?;
    if !file.metadata().map_err(|error| wrong(&error))?.is_file() {
        return Err(wrong(&"it is no regular file"));
    }
    let mut bytes = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(|error| wrong(&error))?;
    if bytes.len() as u64 > LONGEST {
        return Err(Problem::usage(format!("the config {} is longer than 1 MiB", path.display())));
    }
    String::from_utf8(bytes).map_err(|_| wrong(&"it isn't UTF-8 text"))
}

/// Whether a text is a config that could be used, apart from keys and trust; for `et trust`.
///
/// # Errors
/// As [`load`], without missing keys.
pub(crate) fn validate(path: &Path, text: &str, var: Lookup<'_>) -> Result<(), Problem> {
    let source = resolve::Source { path, text, trusted: true, pairs: trust::Pairs::new() };
    match resolve::resolve(&source, var) {
        Err(problem) if problem.exit_code == exit::USAGE => Err(problem),
        _ => Ok(()),
    }
}

/// Whether a config file is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It was named, or lies in a place of the user's own.
    Own,
    /// It was found in the current directory, and `et trust` was said about it.
    Trusted,
    /// It was found in the current directory, and may have come from anybody.
    Untrusted,
}

/// The config file that counts, and whether it is believed; none if there is none.
///
/// # Errors
/// If a named one isn't there, or can't be read.
pub(crate) fn standing(
    flag: Option<&Path>,
    cwd: &Path,
    var: Lookup<'_>,
) -> Result<Option<(std::path::PathBuf, Standing)>, Problem> {
    let Some(found) = discover::find(flag, cwd, var)? else { return Ok(None) };
    let standing = match found.origin {
        discover::Origin::Named | discover::Origin::User => Standing::Own,
        discover::Origin::Here if trust::is_trusted(&found.path, &read(&found.path)?, var) => Standing::Trusted,
        discover::Origin::Here => Standing::Untrusted,
    };
    Ok(Some((found.path, standing)))
}

/// Where log dirs are made if no config says otherwise.
pub(crate) fn default_log_dir(base: &Path, var: Lookup<'_>) -> String {
    log_dir(None, base, var)
}

/// Proxy and CA settings of this process: references, and their values, which may hold passwords.
fn network(var: Lookup<'_>) -> (BTreeMap<String, SecretRef>, Vec<SecretValue>) {
    let mut references = BTreeMap::new();
    let mut values = Vec::new();
    for name in NETWORK_ENV {
        if let Some(value) = var(name) {
            let reference = secrets::env_ref(name);
            references.insert((*name).to_owned(), reference.clone());
            values.push(secrets::value(reference, value));
        }
    }
    (references, values)
}

/// Where log dirs are made: `ET_LOG_DIR`, else what a config says, else below the user's documents.
fn log_dir(own: Option<&str>, base: &Path, var: Lookup<'_>) -> String {
    let dir = var("ET_LOG_DIR");
    let dir = dir.as_deref().or(own).unwrap_or("~/Documents/electrictown-logs");
    absolute(dir, base, var).to_string_lossy().into_owned()
}

/// What a newcomer is told.
fn no_provider(why: &str) -> Problem {
    Problem::new(exit::PROVIDER, format!("no model provider is configured: {why}")).hint(
        "do one of these:\n  \
         export ANTHROPIC_API_KEY=...   (or OPENAI_API_KEY, or GEMINI_API_KEY)\n  \
         start Ollama on this machine and pull a model, or set OLLAMA_HOST to one that runs elsewhere\n  \
         write ~/.config/electrictown/electrictown.yaml with your providers, models and roles\n\
         or see it work first, offline and without a key: et demo",
    )
}

/// A trusted config from its text.
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may")]
pub(crate) fn test_config(text: &str) -> Config {
    let source =
        resolve::Source { path: Path::new("/c/electrictown.yaml"), text, trusted: true, pairs: trust::Pairs::new() };
    resolve::resolve(&source, &|_| None).unwrap().config
}
