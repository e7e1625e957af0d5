//! `status` and `stop`: what any client can ask of any daemon, whatever their versions.

use std::collections::BTreeMap;

use proto::preamble::{Kind, Status};
use tokio::time::{Duration, Instant, sleep};

use super::attempt::{self, Refused};
use super::error::{LinkError, LinkErrorKind};
use super::place::{ConnectOptions, is_alive};

/// What a daemon says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DaemonStatus {
    /// All that it said, by name: `pid`, `build`, `version`, `state`, `sessions`, `running`, `uptime_s`, `socket`, `state_dir`, and
    /// what it keeps: `rounds`, `oldest_round`, `database_bytes`, `cache_bytes`, `disk_free_bytes`, `limit_rounds`, `limit_days`, `limit_bytes`.
    pub fields: BTreeMap<String, String>,
}

impl DaemonStatus {
    /// One of the fields.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    /// A field that is a number.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }

    fn parse(text: &str) -> Self {
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        Self { fields: pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect() }
    }
}

/// Asks the daemon how it is; none if there is none. Never starts one.
///
/// # Errors
/// If there is one and it doesn't answer.
pub async fn status(options: &ConnectOptions) -> Result<Option<DaemonStatus>, LinkError> {
    Ok(ask(options, Kind::ControlStatus).await?.map(|text| DaemonStatus::parse(&text)))
}

/// Asks the daemon to stop in good order; returns whether there is one. It may take some seconds to go, see [`wait_gone`].
///
/// # Errors
/// If there is one and it doesn't answer.
pub async fn stop(options: &ConnectOptions) -> Result<bool, LinkError> {
    Ok(ask(options, Kind::ControlStop).await?.is_some())
}

/// Waits until the daemon that the lock record names now is gone; returns at once if none is alive.
///
/// # Errors
/// If it is still there after `limit`.
pub async fn wait_gone(options: &ConnectOptions, limit: Duration) -> Result<(), LinkError> {
    let deadline = Instant::now() + limit;
    let Some(record) = options.record() else { return Ok(()) };
    while is_alive(&record) {
        if Instant::now() >= deadline {
            let message = format!("the daemon (pid {}) is still there after {} s", record.pid, limit.as_secs());
            return Err(LinkError::new(LinkErrorKind::Unavailable, message)
                .hint(format!("`kill {}` a second time ends it at once", record.pid)));
        }
        sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// Stops the daemon and waits until it is gone.
pub(crate) async fn stop_and_wait(options: &ConnectOptions) -> Result<(), LinkError> {
    stop(options).await?;
    wait_gone(options, Duration::from_secs(15)).await
}

async fn ask(options: &ConnectOptions, kind: Kind) -> Result<Option<String>, LinkError> {
    let Some(path) = options.endpoint(true) else { return Ok(None) };
    match attempt::control(&path, kind, &options.deadlines).await {
        // Said without a look at what was asked: nothing was done.
        Ok(answer) if answer.status == Status::Overloaded => {
            let why = Refused::Overloaded.why();
            Err(LinkError::new(LinkErrorKind::Overloaded, why).hint("try again in a moment"))
        }
        Ok(answer) => Ok(Some(answer.text)),
        Err(Refused::Absent(_)) => Ok(None),
        Err(refused) => Err(LinkError::new(LinkErrorKind::Unavailable, refused.why())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_lines_are_read() {
        let status = DaemonStatus::parse("pid=7\nsocket=/a=b\nnoise\nrunning=2\n");
        assert_eq!(status.number("pid"), Some(7));
        assert_eq!(status.get("socket"), Some("/a=b"));
        assert_eq!(status.number("running"), Some(2));
        assert_eq!(status.get("noise"), None);
    }
}
