//! The way to the daemon: finds it, starts it if need be, asks it.
//!
//! Promises: every wait has a deadline; a daemon is never doubled and a socket never unlinked by a client; keys are sent to a process of
//! the same user only; what fails carries its exit code and what to do. Nothing here prints.

mod attempt;
mod control;
mod error;
mod place;
mod start;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use proto::message::{Reply, Request, Welcome};
use tokio::time::timeout;

pub use control::{DaemonStatus, status, stop, wait_gone};
pub use error::{LinkError, LinkErrorKind};
pub use place::{ConnectOptions, Deadlines};
use wire::{Exchange, Wire};

/// A connection to a daemon. Requests may run side by side; it closes when the link and all its streams are dropped.
#[derive(Debug)]
pub struct Link {
    wire: Arc<Wire>,
    welcome: Welcome,
    deadlines: Deadlines,
}

impl Link {
    /// Connects; starts a daemon if there is none and `options` allow it.
    ///
    /// If the future is dropped, a daemon that was being started goes on starting.
    ///
    /// # Errors
    /// If there is no daemon at the end, with the reason.
    pub async fn connect(options: &ConnectOptions) -> Result<Self, LinkError> {
        let (wire, welcome) = start::connect(options).await?;
        Ok(Self { wire, welcome, deadlines: options.deadlines })
    }

    /// What the daemon said first.
    #[must_use]
    pub fn welcome(&self) -> &Welcome {
        &self.welcome
    }

    /// Asks for one answer, within the usual deadline.
    ///
    /// If the future is dropped, the request is cancelled; what it did already stays done.
    ///
    /// # Errors
    /// If the daemon says no ([`LinkErrorKind::Failed`], with its exit code), or doesn't answer ([`LinkErrorKind::Lost`]).
    pub async fn call(&self, request: Request) -> Result<Reply, LinkError> {
        self.call_within(request, self.deadlines.call).await
    }

    /// As [`Link::call`], within `limit`.
    ///
    /// # Errors
    /// As [`Link::call`].
    pub async fn call_within(&self, request: Request, limit: Duration) -> Result<Reply, LinkError> {
        let answer = async {
            let mut exchange = self.wire.ask(&request, true).await?;
            loop {
                match exchange.next(limit).await? {
                    Some((true, Reply::Failed(failed))) => return Err(LinkError::from(failed)),
                    Some((true, reply)) => return Ok(reply),
                    Some((false, _)) => {}
                    None => return Err(LinkError::lost("the daemon gave no answer")),
                }
            }
        };
        timeout(limit, answer)
            .await
            .map_err(|_| LinkError::lost(format!("the daemon gave no answer within {} s", limit.as_secs())))?
    }

    /// Asks for a stream of answers. Other requests may run beside it.
    ///
    /// # Errors
    /// If the connection is lost.
    pub async fn open(&self, request: Request) -> Result<Stream, LinkError> {
        let exchange = self.wire.ask(&request, false).await?;
        Ok(Stream { exchange, silence: self.deadlines.silence })
    }
}

/// The answers to one request. Dropping it cancels the request, which ends no session.
#[derive(Debug)]
pub struct Stream {
    exchange: Exchange,
    silence: Duration,
}

impl Stream {
    /// The next answer: items, then the last one, then none. Cancel-safe.
    ///
    /// # Errors
    /// If the daemon says no ([`LinkErrorKind::Failed`]); or if the connection broke or fell silent ([`LinkErrorKind::Lost`]).
    pub async fn next(&mut self) -> Result<Option<Reply>, LinkError> {
        match self.exchange.next(self.silence).await? {
            Some((true, Reply::Failed(failed))) => Err(LinkError::from(failed)),
            Some((_, reply)) => Ok(Some(reply)),
            None => Ok(None),
        }
    }
}
