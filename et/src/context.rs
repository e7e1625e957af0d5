//! What a command knows about the process it runs in: environment, current directory, and the flags every command takes.

use std::path::{Path, PathBuf};

use proto::message::{Provide, Request};

use crate::config::secrets;
use crate::link::{ConnectOptions, Link, LinkError};

/// Looks up an environment variable; empty ones count as unset.
pub(crate) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The surroundings of a command.
pub(crate) struct Context {
    /// Current directory, absolute.
    pub(crate) cwd: PathBuf,
    /// JSON on stdout.
    pub(crate) json: bool,
    /// Only stdout content and errors.
    pub(crate) quiet: bool,
    /// Start a daemon if there is none.
    pub(crate) autostart: bool,
    /// State dir of the daemon to talk to, if it isn't the user's own one.
    pub(crate) state_dir: Option<PathBuf>,
}

impl Context {
    /// Looks up a variable of this process.
    pub(crate) fn var(name: &str) -> Option<String> {
        std::env::var(name).ok().filter(|value| !value.is_empty())
    }

    /// How to reach the daemon.
    ///
    /// # Errors
    /// If the environment names no place for the state.
    pub(crate) fn connect_options(&self) -> Result<ConnectOptions, LinkError> {
        let options = ConnectOptions::from_env(&Self::var, self.autostart)?;
        Ok(match &self.state_dir {
            Some(dir) => options.for_state_dir(dir.clone()),
            None => options,
        })
    }

    /// Connects to the daemon, starting it where that is allowed, and hands over what its rounds wait for and this environment has.
    pub(crate) async fn connect(&self) -> Result<Link, LinkError> {
        let link = Link::connect(&self.connect_options()?).await?;
        let secrets = secrets::find(&link.welcome().needs, &Self::var);
        if !secrets.is_empty() {
            link.call(Request::Provide(Provide { secrets })).await?;
        }
        Ok(link)
    }
}

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
