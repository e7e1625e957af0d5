//! How a daemon is told to go.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Serve,
    Drain,
    Now,
}

/// Tells a daemon to stop; every clone tells and hears the same.
#[derive(Clone, Debug)]
pub struct Stop(Arc<watch::Sender<Level>>);

impl Default for Stop {
    fn default() -> Self {
        Self::new()
    }
}

impl Stop {
    /// One that hasn't been told.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Level::Serve)))
    }

    /// Stops in good order. Again: no change.
    pub fn drain(&self) {
        self.raise(Level::Drain);
    }

    /// Stops at once.
    pub fn now(&self) {
        self.raise(Level::Now);
    }

    /// Whether it has been told.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        *self.0.borrow() >= Level::Drain
    }

    /// Returns when it has been told. Cancel-safe.
    pub async fn draining(&self) {
        self.reached(Level::Drain).await;
    }

    /// Returns when it has been told to stop at once. Cancel-safe.
    pub async fn forced(&self) {
        self.reached(Level::Now).await;
    }

    /// Listens to TERM, INT and HUP: the first drains, the second stops at once. Runs until it is dropped.
    ///
    /// # Errors
    /// If the signals can't be listened to.
    pub fn on_signals(&self) -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let stop = self.clone();
        Ok(async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                    _ = hangup.recv() => {}
                }
                if stop.is_draining() {
                    stop.now();
                } else {
                    stop.drain();
                }
            }
        })
    }

    fn raise(&self, level: Level) {
        self.0.send_if_modified(|current| {
            let higher = level > *current;
            if higher {
                *current = level;
            }
            higher
        });
    }

    async fn reached(&self, level: Level) {
        // The sender lives as long as `self`, so this can't fail.
        let _ = self.0.subscribe().wait_for(|current| *current >= level).await;
    }
}
