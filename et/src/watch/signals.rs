//! The signals of this process, taken even where whoever reads its output has stalled and writing waits for it.

use std::io::Write as _;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
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
    guard: Arc<Guard>,
}

impl ProcessSignals {
    /// Takes them over; from now on they no longer end the process. One that isn't taken for a second, most likely because the process waits for
    /// a reader of its output, is taken by a thread. Where Ctrl-C `cancels` a round, the first one says so there, and a second one ends the
    /// process with 130; any other signal ends it with 75. Dropped, it leaves signals alone.
    ///
    /// # Errors
    /// If the system refuses.
    pub(crate) fn new(cancels: bool) -> Result<Self, Problem> {
        let listeners = Listeners::new()?;
        let guard = Arc::new(Guard { cancels, ..Guard::default() });
        let own = Arc::clone(&guard);
        let watch = move || {
            // Without a runtime there is no guard; the process takes its signals itself.
            if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() {
                runtime.block_on(own.watch());
            }
        };
        thread::Builder::new().name("signals".to_owned()).spawn(watch).map_err(|error| refused(&error))?;
        Ok(Self { listeners, guard })
    }
}

impl Drop for ProcessSignals {
    fn drop(&mut self) {
        self.guard.over.store(true, Ordering::Release);
    }
}

impl Signals for ProcessSignals {
    async fn next(&mut self) -> Signal {
        loop {
            tokio::select! {
                signal = self.listeners.next() => {
                    self.guard.taken.fetch_add(1, Ordering::AcqRel);
                    return signal;
                }
                () = self.guard.asks.notified() => {
                    self.guard.answered.store(self.guard.asked.load(Ordering::Acquire), Ordering::Release);
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

/// Asks whether somebody still takes signals.
#[derive(Default)]
struct Guard {
    /// Ctrl-C cancels a round, and is pressed again to leave at once.
    cancels: bool,
    /// Nobody takes signals any more, nor has to.
    over: AtomicBool,
    /// Signals that were taken.
    taken: AtomicU64,
    asks: Notify,
    /// Questions, and the last one that was answered.
    asked: AtomicU64,
    answered: AtomicU64,
}

impl Guard {
    /// Until the process ends, or ends it.
    async fn watch(&self) {
        // Without its own listeners there is no guard, either.
        let Ok(mut listeners) = Listeners::new() else { return };
        let mut pressed = false;
        loop {
            let taken = self.taken.load(Ordering::Acquire);
            let signal = listeners.next().await;
            let question = self.asked.fetch_add(1, Ordering::AcqRel) + 1;
            self.asks.notify_one();
            tokio::time::sleep(GRACE).await;
            if self.over.load(Ordering::Acquire) {
                return;
            }
            if self.taken.load(Ordering::Acquire) != taken || self.answered.load(Ordering::Acquire) >= question {
                pressed = false;
                continue;
            }
            match signal {
                Signal::Interrupt if self.cancels && !pressed => {
                    pressed = true;
                    last_word(
                        "Ctrl-C can't be taken up now, perhaps because nobody reads what is printed; Ctrl-C again leaves at once, and `et session kill` ends the round",
                    );
                }
                Signal::Interrupt if self.cancels => process::exit(exit::INTERRUPTED.into()),
                Signal::Interrupt | Signal::Leave => {
                    last_word(
                        "left while it waited, perhaps because nobody reads what is printed; the work goes on: `et session list` shows it",
                    );
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
