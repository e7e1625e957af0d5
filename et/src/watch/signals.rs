//! The signals of this process, taken even where whoever reads its output has stalled and writing waits for it.

use std::io::Write as _;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use proto::outcome::exit;
use tokio::signal::unix::{Signal as Listener, SignalKind, signal};
use tokio::sync::Notify;

use super::{Signal, Signals};
use crate::exit::Problem;

/// How long a signal may wait before it counts as not taken.
const GRACE: Duration = Duration::from_secs(1);
/// How long a last word may take: the errors may go where nobody reads, too.
const LAST_WORD: Duration = Duration::from_millis(200);

/// The signals of this process.
pub(crate) struct ProcessSignals {
    listeners: Listeners,
    /// The guard asks whether somebody still takes signals.
    guard: Arc<Guard>,
}

impl ProcessSignals {
    /// Takes them over; from now on they no longer end the process. One that isn't taken for a second, because the process waits for a reader
    /// of its output, is taken by a thread: the first Ctrl-C says so there, a second one ends the process with 130, any other with 75.
    ///
    /// # Errors
    /// If the system refuses.
    pub(crate) fn new() -> Result<Self, Problem> {
        let listeners = Listeners::new()?;
        let guard = Arc::new(Guard::default());
        let own = Arc::clone(&guard);
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| refused(&error))?;
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || runtime.block_on(own.watch()))
            .map_err(|error| refused(&error))?;
        Ok(Self { listeners, guard })
    }
}

impl Signals for ProcessSignals {
    async fn next(&mut self) -> Signal {
        loop {
            tokio::select! {
                signal = self.listeners.next() => return signal,
                () = self.guard.asked.notified() => {
                    self.guard.answers.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }
}

struct Listeners {
    interrupt: Listener,
    terminate: Listener,
    hang_up: Listener,
}

impl Listeners {
    fn new() -> Result<Self, Problem> {
        let take = |kind| signal(kind).map_err(|error| refused(&error));
        Ok(Self {
            interrupt: take(SignalKind::interrupt())?,
            terminate: take(SignalKind::terminate())?,
            hang_up: take(SignalKind::hangup())?,
        })
    }

    /// The next one. Cancel safe.
    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Leave,
            _ = self.hang_up.recv() => Signal::Leave,
        }
    }
}

fn refused(error: &std::io::Error) -> Problem {
    Problem::new(exit::SOFTWARE, format!("signals can't be received: {error}"))
}

#[derive(Default)]
struct Guard {
    asked: Notify,
    answers: AtomicU64,
}

impl Guard {
    /// Until the process ends, or ends it.
    async fn watch(&self) {
        // Without its own listeners there is no guard; the process takes its signals itself.
        let Ok(mut listeners) = Listeners::new() else { return };
        let mut pressed = false;
        loop {
            let signal = listeners.next().await;
            let before = self.answers.load(Ordering::Relaxed);
            self.asked.notify_one();
            tokio::time::sleep(GRACE).await;
            if self.answers.load(Ordering::Relaxed) != before {
                pressed = false;
                continue;
            }
            match signal {
                Signal::Interrupt if !pressed => {
                    pressed = true;
                    last_word(
                        "nobody reads what is printed, so the round can't be cancelled from here; Ctrl-C again leaves at once, and `et session kill` ends it",
                    );
                }
                Signal::Interrupt => process::exit(exit::INTERRUPTED.into()),
                Signal::Leave => {
                    last_word("left, since nobody reads what is printed; the work goes on: `et session list` shows it");
                    process::exit(exit::TRY_AGAIN.into());
                }
            }
        }
    }
}

/// Says something to whoever reads the errors, if they take it soon.
fn last_word(text: &'static str) {
    let (said, heard) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let _ = writeln!(std::io::stderr(), "et: {text}");
        let _ = said.send(());
    });
    let _ = heard.recv_timeout(LAST_WORD);
}
