//! What a command knows about the process it runs in: environment, current directory, and the flags every command takes.

use std::path::PathBuf;

use proto::message::{Provide, Request};

use crate::config::recall;
use crate::link::{ConnectOptions, Link, LinkError};

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
        let secrets = recall::find(&link.welcome().needs, &Self::var);
        if !secrets.is_empty() {
            link.call(Request::Provide(Provide { secrets })).await?;
        }
        Ok(link)
    }
}
