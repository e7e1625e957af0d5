//! What the caller's environment and paths mean.

use std::path::{Path, PathBuf};

/// Looks up an environment variable; empty ones count as unset.
pub(crate) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// `~` and `~/x` in terms of the home dir; other paths as they are, relative ones below `base`. Without `.` and doubled slashes.
pub(crate) fn absolute(path: &str, base: &Path, var: Lookup<'_>) -> PathBuf {
    let home = var("HOME").map(PathBuf::from);
    let path = match (path, home) {
        ("~", Some(home)) => home,
        (path, Some(home)) if path.starts_with("~/") => home.join(path.trim_start_matches("~/")),
        (path, _) => base.join(path),
    };
    // Rebuilding from components drops `.`; `..` stays, since only the file system knows what it means behind a symlink.
    path.components().collect()
}
