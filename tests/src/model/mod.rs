//! A scripted model server: real HTTP on a port of its own, four wire formats, answers that follow from what a request says.
//!
//! A test states a [`Story`]. The server recognises what each request asks for and answers as the story says, at its pace and with its
//! faults. It promises that a prompt which lacks what a model would need (the subtask, the diagnostic, the current file), and a request that
//! nobody scripted, fail the test: [`Model::check`], which dropping the server does as well. Whatever it was asked stands in its [`Record`]s.

mod fault;
mod mind;
mod on;
mod record;
mod serve;
mod shared;
mod story;
mod tell;
#[cfg(test)]
mod tests;
mod wire;

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

pub use fault::{Echo, Fault, RetryAfter};
pub use mind::{Mind, Said};
pub use on::{Kind, On};
pub use record::Record;
pub use story::{Point, Story, Sub};
pub use wire::{Asked, Wire};

use shared::Shared;

/// How long a test waits for an event before it fails. Generous: it bounds a hang, nothing else.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A running server. Dropping it stops it and fails the test if there are complaints.
pub struct Model {
    shared: Arc<Shared>,
    address: SocketAddr,
    runtime: Option<Runtime>,
    accepting: Mutex<Option<JoinHandle<()>>>,
}

impl Model {
    /// Starts a server on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// If it can't.
    #[must_use]
    pub fn start(story: Story) -> Self {
        Self::serve(Shared::new(story, None))
    }

    /// Starts a server whose answers come from a mind instead of a story. Holds and faults work as with a story.
    ///
    /// # Panics
    /// If it can't.
    #[must_use]
    pub fn start_with(mind: Arc<dyn Mind>) -> Self {
        Self::serve(Shared::new(Story::new(), Some(mind)))
    }

    fn serve(shared: Shared) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on 127.0.0.1");
        let address = listener.local_addr().expect("an address");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let model = Self {
            shared: Arc::new(shared),
            address,
            runtime: Some(runtime.expect("a runtime")),
            accepting: Mutex::new(None),
        };
        model.accept(listener);
        model
    }

    fn accept(&self, listener: TcpListener) {
        listener.set_nonblocking(true).expect("a listener that doesn't block");
        let shared = Arc::clone(&self.shared);
        let runtime = self.runtime.as_ref().expect("it runs");
        let task = runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            let mut connections = tokio::task::JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        if let Ok((socket, _)) = accepted {
                            connections.spawn(serve::connection(socket, Arc::clone(&shared)));
                        }
                    }
                    Some(_) = connections.join_next() => {}
                }
            }
        });
        *self.accepting.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
    }

    /// Stops listening and breaks all connections: from now on, connections are refused.
    pub fn stop(&self) {
        let task = self.accepting.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let (Some(task), Some(runtime)) = (task, &self.runtime) {
            task.abort();
            // Until it is gone, so that the next connection is refused.
            let _ = runtime.block_on(task);
        }
    }

    /// Listens again, at the same address.
    ///
    /// # Panics
    /// If the address was taken meanwhile.
    pub fn resume(&self) {
        self.accept(TcpListener::bind(self.address).expect("the same port"));
    }

    /// Host and port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The `base_url` for a provider of this format.
    #[must_use]
    pub fn base_url(&self, wire: Wire) -> String {
        match wire {
            Wire::OpenAi => format!("{}/v1", self.url()),
            _ => self.url(),
        }
    }

    /// The `base_url` of a server that refuses connections: nobody listens there.
    ///
    /// # Panics
    /// If there is no free port.
    #[must_use]
    pub fn nobody() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on 127.0.0.1");
        format!("http://{}/v1", listener.local_addr().expect("an address"))
    }

    /// Requests that a selector means wait there, from now on, until it is released.
    pub fn hold(&self, on: &str, point: Point) {
        self.shared.hold(on, point);
    }

    /// Lets go what a hold with this very selector keeps, now and later.
    pub fn release(&self, on: &str) {
        self.shared.release(on);
    }

    /// Adds a fault to the story: the next such request fails.
    pub fn fail(&self, on: &str, fault: Fault) {
        let mut state = self.shared.lock();
        state.story = std::mem::take(&mut state.story).fail(on, fault);
    }

    /// Every request so far.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        self.shared.lock().records.clone()
    }

    /// Every request so far that a selector means.
    #[must_use]
    pub fn calls(&self, on: &str) -> Vec<Record> {
        self.shared.lock().records.iter().filter(|record| record.is(on)).cloned().collect()
    }

    /// How many of them.
    #[must_use]
    pub fn count(&self, on: &str) -> usize {
        self.shared.lock().records.iter().filter(|record| record.is(on)).count()
    }

    /// Whether no request is being answered.
    #[must_use]
    pub fn at_rest(&self) -> bool {
        self.shared.lock().records.iter().all(|record| record.ended.is_some())
    }

    /// Waits until a request is as wanted, and returns it.
    ///
    /// # Panics
    /// If that takes longer than [`PATIENCE`]; the requests so far are told.
    pub fn wait_for(&self, wanted: impl Fn(&Record) -> bool) -> Record {
        self.wait_until("a request", |records| records.iter().find(|record| wanted(record)).cloned())
    }

    /// Waits until the requests are as wanted. `what` is for the message of a failure.
    ///
    /// # Panics
    /// If that takes longer than [`PATIENCE`].
    pub fn wait_until<T>(&self, what: &str, wanted: impl Fn(&[Record]) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.shared.lock();
        loop {
            if let Some(found) = wanted(&state.records) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                drop(state);
                panic!("waited in vain for {what}; the server was asked:\n{}", self.summary());
            }
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until a request that the selector means has arrived.
    pub fn wait_for_call(&self, on: &str) -> Record {
        self.wait_until(on, |records| records.iter().find(|record| record.is(on)).cloned())
    }

    /// Waits until a request that the selector means waits at a hold.
    pub fn wait_for_held(&self, on: &str) -> Record {
        let what = format!("{on} to be held");
        self.wait_until(&what, |records| records.iter().find(|record| record.is(on) && record.held).cloned())
    }

    /// Waits until a request that the selector means was answered to its end.
    pub fn wait_for_complete(&self, on: &str) -> Record {
        let what = format!("{on} to be complete");
        self.wait_until(&what, |records| records.iter().find(|record| record.is(on) && record.complete).cloned())
    }

    /// Pairs of requests that are the same, word by word, although the first of them was answered to its end.
    #[must_use]
    pub fn calls_twice(&self) -> Vec<(Record, Record)> {
        let records = self.records();
        let mut pairs = Vec::new();
        for (index, first) in records.iter().enumerate().filter(|(_, record)| record.complete) {
            let same = |second: &&Record| {
                second.kind == first.kind
                    && second.kind != Kind::Models
                    && second.subtask == first.subtask
                    && second.text == first.text
                    && first.ended.is_some_and(|ended| ended <= second.at)
            };
            pairs.extend(records[index + 1..].iter().filter(same).map(|second| (first.clone(), second.clone())));
        }
        pairs
    }

    /// Fails if a call was sent again although its answer had been sent to its end.
    ///
    /// # Panics
    /// If so.
    pub fn no_call_twice(&self) {
        let pairs = self.calls_twice();
        let lines: Vec<String> = pairs
            .iter()
            .map(|(first, second)| format!("{}\n  again as {}", first.summary(), second.summary()))
            .collect();
        assert!(pairs.is_empty(), "calls were paid for twice:\n{}", lines.join("\n"));
    }

    /// What the server found wrong so far.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        self.shared.lock().complaints.clone()
    }

    /// Fails if something was wrong with a request.
    ///
    /// # Panics
    /// If so.
    pub fn check(&self) {
        let complaints = self.complaints();
        assert!(complaints.is_empty(), "the scripted model complains:\n{}\n{}", complaints.join("\n"), self.summary());
    }

    /// A line per request.
    #[must_use]
    pub fn summary(&self) -> String {
        self.records().iter().map(|record| record.summary() + "\n").collect()
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        let lenient = self.shared.lock().story.lenient;
        if std::thread::panicking() {
            eprintln!("--- what the scripted model was asked ---\n{}", self.summary());
            for complaint in self.complaints() {
                eprintln!("--- complaint ---\n{complaint}");
            }
        } else if !lenient {
            self.check();
        }
    }
}
