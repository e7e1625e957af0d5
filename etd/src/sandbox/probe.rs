//! Which level of confinement there is on this machine: found by trying.

use std::path::{Path, PathBuf};

use proto::report::SandboxLevel;

/// Where bubblewrap may be. Not on PATH: whoever can put a file there could stand in for it.
const BWRAP: &[&str] = &["/usr/bin/bwrap", "/bin/bwrap", "/usr/local/bin/bwrap"];

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The best level.
    pub level: SandboxLevel,
    /// Why it isn't the full one.
    pub why_not_full: Option<String>,
    /// Why it wouldn't even be a partial one; none where the full one was found and nothing else was tried.
    pub why_not_partial: Option<String>,
}

impl Probe {
    /// Nothing is to be had, for this reason.
    #[must_use]
    pub fn none(why: &str) -> Self {
        Self { level: SandboxLevel::None, why_not_full: Some(why.to_owned()), why_not_partial: Some(why.to_owned()) }
    }

    /// Why not more than this, for people; none if it is the full level.
    #[must_use]
    pub fn why(&self) -> Option<String> {
        match (&self.why_not_full, &self.why_not_partial) {
            (None, _) => None,
            (Some(full), Some(partial)) if partial != full => Some(format!("full: {full}; partial: {partial}")),
            (Some(full), _) => Some(full.clone()),
        }
    }
}

/// bubblewrap, if it is installed.
pub(super) fn bwrap() -> Option<PathBuf> {
    BWRAP.iter().map(Path::new).find(|path| path.is_file()).map(Path::to_path_buf)
}
