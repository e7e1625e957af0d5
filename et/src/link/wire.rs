//! One connection: requests side by side, each with an inbox of its own.
//!
//! One task reads and one writes; both end with the last handle. The reader stops while nobody takes what it has read, unless somebody
//! waits for an answer: then it goes on, so that an answer is never stuck behind a stream that its owner doesn't read meanwhile.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use proto::codec::{FrameKind, MAX_FRAME, split};
use proto::message::{Cancel, Reply, Request};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::error::LinkError;

/// The reader stops when this many bytes wait to be taken.
const ENOUGH: usize = 1024 * 1024;
/// More than this while an answer is awaited breaks the connection.
const TOO_MUCH: usize = 64 * 1024 * 1024;

/// An open connection. Requests may run side by side.
#[derive(Debug)]
pub(crate) struct Wire {
    shared: Arc<Shared>,
    outgoing: mpsc::Sender<Vec<u8>>,
    reader: JoinHandle<()>,
    writer: JoinHandle<()>,
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.reader.abort();
        self.writer.abort();
    }
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    room: Notify,
}

#[derive(Debug, Default)]
struct State {
    last_number: u32,
    inboxes: HashMap<u32, Inbox>,
    /// Bytes in all inboxes.
    waiting: usize,
    /// Requests whose owner does nothing but wait for the answer.
    calls: usize,
    lost: Option<String>,
}

#[derive(Debug)]
struct Inbox {
    queue: VecDeque<(bool, Reply, usize)>,
    arrived: Arc<Notify>,
    last: Instant,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lose(&self, why: &str) {
        let mut state = self.lock();
        state.lost.get_or_insert_with(|| why.to_owned());
        for inbox in state.inboxes.values() {
            inbox.arrived.notify_one();
        }
    }
}

impl Wire {
    /// Takes over a connection whose preambles have been exchanged. Must be called within a runtime.
    pub(crate) fn new(stream: UnixStream) -> Self {
        let (read, write) = stream.into_split();
        let shared = Arc::new(Shared::default());
        let (outgoing, queue) = mpsc::channel(64);
        let reader = tokio::spawn(read_all(read, Arc::clone(&shared)));
        let writer = tokio::spawn(write_all(write, queue, Arc::clone(&shared)));
        Self { shared, outgoing, reader, writer }
    }

    /// Opens an inbox for answers that somebody else has asked for already, under number `number`.
    pub(crate) fn expect(self: &Arc<Self>, number: u32, call: bool) -> Exchange {
        let mut state = self.shared.lock();
        state.last_number = state.last_number.max(number);
        let arrived = Arc::new(Notify::new());
        let inbox = Inbox { queue: VecDeque::new(), arrived: Arc::clone(&arrived), last: Instant::now() };
        state.inboxes.insert(number, inbox);
        if call {
            state.calls += 1;
            self.shared.room.notify_one();
        }
        Exchange { wire: Arc::clone(self), number, call, ended: false, arrived }
    }

    /// Sends a request. If the future is dropped, the request is cancelled.
    pub(crate) async fn ask(self: &Arc<Self>, request: &Request, call: bool) -> Result<Exchange, LinkError> {
        let number = {
            let mut state = self.shared.lock();
            if let Some(why) = &state.lost {
                return Err(LinkError::lost(why.clone()));
            }
            state.last_number = state.last_number.wrapping_add(1).max(1);
            state.last_number
        };
        let frame = frame(request, number)?;
        let exchange = self.expect(number, call);
        if self.outgoing.send(frame).await.is_err() {
            return Err(LinkError::lost("the connection to the daemon broke"));
        }
        Ok(exchange)
    }
}

/// A request with its length before it.
pub(crate) fn frame(request: &Request, number: u32) -> Result<Vec<u8>, LinkError> {
    let content = request.encode(FrameKind::Request, number).map_err(|error| {
        let mut error = LinkError::new(super::LinkErrorKind::Failed, format!("the request can't be sent: {error}"));
        error.exit_code = proto::outcome::exit::USAGE;
        error
    })?;
    let mut bytes = Vec::with_capacity(4 + content.len());
    // At most MAX_FRAME, so it fits.
    bytes.extend_from_slice(&(content.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&content);
    Ok(bytes)
}

/// One request and what comes back. Dropping it before its end cancels the request.
#[derive(Debug)]
pub(crate) struct Exchange {
    wire: Arc<Wire>,
    number: u32,
    call: bool,
    ended: bool,
    arrived: Arc<Notify>,
}

impl Exchange {
    /// The next answer, and whether it is the last one; none after that. Cancel-safe.
    ///
    /// `silence` counts from the last answer, or from the request.
    pub(crate) async fn next(&mut self, silence: Duration) -> Result<Option<(bool, Reply)>, LinkError> {
        if self.ended {
            return Ok(None);
        }
        let mut grace = Duration::ZERO;
        loop {
            let deadline = {
                let mut state = self.wire.shared.lock();
                let state = &mut *state;
                let Some(inbox) = state.inboxes.get_mut(&self.number) else { return Ok(None) };
                if let Some((last, reply, bytes)) = inbox.queue.pop_front() {
                    state.waiting -= bytes;
                    self.wire.shared.room.notify_one();
                    self.ended = last;
                    return Ok(Some((last, reply)));
                }
                if let Some(why) = &state.lost {
                    return Err(LinkError::lost(why.clone()));
                }
                inbox.last + silence + grace
            };
            if timeout_at(deadline.max(Instant::now() + grace), self.arrived.notified()).await.is_err() {
                if !grace.is_zero() {
                    return Err(LinkError::lost(format!("the daemon said nothing for {} s", silence.as_secs())));
                }
                // We may have been stopped meanwhile ourselves: what arrived then is looked at before the verdict.
                grace = Duration::from_secs(1);
            }
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let mut state = self.wire.shared.lock();
        if let Some(inbox) = state.inboxes.remove(&self.number) {
            state.waiting -= inbox.queue.iter().map(|(_, _, bytes)| bytes).sum::<usize>();
            self.ended |= inbox.queue.iter().any(|(last, ..)| *last);
        }
        if self.call {
            state.calls -= 1;
        }
        drop(state);
        self.wire.shared.room.notify_one();
        if !self.ended
            && let Ok(frame) = frame(&Request::Cancel(Cancel { request: self.number }), 0)
        {
            // Without room the answers are dropped as they come.
            let _ = self.wire.outgoing.try_send(frame);
        }
    }
}

async fn read_all(read: OwnedReadHalf, shared: Arc<Shared>) {
    let mut read = BufReader::with_capacity(64 * 1024, read);
    loop {
        loop {
            let (waiting, calls) = {
                let state = shared.lock();
                (state.waiting, state.calls)
            };
            if waiting > TOO_MUCH {
                return shared.lose("the daemon sent more than anybody takes");
            }
            if waiting < ENOUGH || calls > 0 {
                break;
            }
            shared.room.notified().await;
        }
        if let Err(why) = read_frame(&mut read, &shared).await {
            return shared.lose(&why);
        }
    }
}

async fn read_frame(read: &mut BufReader<OwnedReadHalf>, shared: &Shared) -> Result<(), String> {
    let broken = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => "the daemon closed the connection".to_owned(),
        _ => format!("the connection to the daemon broke: {error}"),
    };
    let length = read.read_u32_le().await.map_err(broken)? as usize;
    if length > MAX_FRAME {
        return Err(format!("the daemon sent a frame of {length} bytes"));
    }
    let mut bytes = vec![0; length];
    read.read_exact(&mut bytes).await.map_err(broken)?;
    let unreadable = |error| format!("the daemon sent something unreadable: {error}");
    let (header, body) = split(&bytes).map_err(unreadable)?;
    let reply = Reply::decode(header.message, body).map_err(unreadable)?;
    let mut state = shared.lock();
    let state = &mut *state;
    // Answers to what was cancelled meanwhile are nobody's.
    if let Some(inbox) = state.inboxes.get_mut(&header.request) {
        inbox.queue.push_back((header.kind == FrameKind::Reply, reply, length));
        inbox.last = Instant::now();
        inbox.arrived.notify_one();
        state.waiting += length;
    }
    Ok(())
}

async fn write_all(mut write: OwnedWriteHalf, mut queue: mpsc::Receiver<Vec<u8>>, shared: Arc<Shared>) {
    while let Some(frame) = queue.recv().await {
        if let Err(error) = write.write_all(&frame).await {
            return shared.lose(&format!("the connection to the daemon broke: {error}"));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]
    use super::*;
    use proto::message::{Done, Kill, List, LiveText, SessionName, Show};

    const LONG: Duration = Duration::from_secs(20);

    fn show() -> Request {
        Request::Show(Show { session: SessionName::Last })
    }

    /// A daemon made of bytes.
    struct Daemon(UnixStream);

    impl Daemon {
        async fn asked(&mut self) -> (u32, Request) {
            let length = self.0.read_u32_le().await.unwrap();
            let mut bytes = vec![0; length as usize];
            self.0.read_exact(&mut bytes).await.unwrap();
            let (header, body) = split(&bytes).unwrap();
            (header.request, Request::decode(header.message, body).unwrap())
        }

        async fn send(&mut self, number: u32, kind: FrameKind, reply: &Reply) {
            let content = reply.encode(kind, number).unwrap();
            self.0.write_u32_le(content.len() as u32).await.unwrap();
            self.0.write_all(&content).await.unwrap();
        }
    }

    fn pair() -> (Arc<Wire>, Daemon) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Arc::new(Wire::new(ours)), Daemon(theirs))
    }

    fn piece() -> Reply {
        let text = "x".repeat(ENOUGH / 4);
        Reply::LiveText(LiveText { round: 1, worker: "1".into(), model: "m".into(), restart: false, text, tokens: 1 })
    }

    #[tokio::test]
    async fn an_answer_is_never_stuck_behind_a_stream_that_nobody_reads() {
        let (wire, mut daemon) = pair();
        let mut stream = wire.ask(&show(), false).await.unwrap();
        let (streaming, _) = daemon.asked().await;
        let daemon = tokio::spawn(async move {
            for _ in 0..16 {
                daemon.send(streaming, FrameKind::Item, &piece()).await;
            }
            let (number, request) = daemon.asked().await;
            assert!(matches!(request, Request::Kill(_)));
            daemon.send(number, FrameKind::Reply, &Reply::Done(Done {})).await;
            daemon.send(streaming, FrameKind::Reply, &Reply::Done(Done {})).await;
            daemon
        });
        let kill = Request::Kill(Kill { session: SessionName::Last, round: None });
        let mut call = wire.ask(&kill, true).await.unwrap();
        assert_eq!(call.next(LONG).await.unwrap(), Some((true, Reply::Done(Done {}))));
        for _ in 0..16 {
            assert!(matches!(stream.next(LONG).await.unwrap(), Some((false, Reply::LiveText(_)))));
        }
        assert!(matches!(stream.next(LONG).await.unwrap(), Some((true, _))));
        assert_eq!(stream.next(LONG).await.unwrap(), None);
        drop(daemon);
    }

    #[tokio::test]
    async fn an_unread_stream_holds_the_daemon_back() {
        let (wire, mut daemon) = pair();
        let mut stream = wire.ask(&show(), false).await.unwrap();
        let (number, _) = daemon.asked().await;
        let sent = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let count = Arc::clone(&sent);
        let writer = tokio::spawn(async move {
            loop {
                daemon.send(number, FrameKind::Item, &piece()).await;
                count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
        });
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
        assert!(sent.load(std::sync::atomic::Ordering::Relaxed) < 16);
        for _ in 0..32 {
            assert!(stream.next(LONG).await.unwrap().is_some());
        }
        writer.abort();
    }

    #[tokio::test]
    async fn what_is_dropped_is_cancelled_and_what_ended_is_not() {
        let (wire, mut daemon) = pair();
        let mut ended = wire.ask(&Request::List(List {}), true).await.unwrap();
        let (number, _) = daemon.asked().await;
        daemon.send(number, FrameKind::Reply, &Reply::Done(Done {})).await;
        assert!(ended.next(LONG).await.unwrap().is_some());
        drop(ended);
        let dropped = wire.ask(&show(), false).await.unwrap();
        let (number, request) = daemon.asked().await;
        assert_eq!(request, show());
        drop(dropped);
        assert_eq!(daemon.asked().await.1, Request::Cancel(Cancel { request: number }));
        // Its late answer is nobody's; others are heard.
        daemon.send(number, FrameKind::Item, &Reply::Done(Done {})).await;
        let mut next = wire.ask(&Request::List(List {}), true).await.unwrap();
        let (number, _) = daemon.asked().await;
        daemon.send(number, FrameKind::Reply, &Reply::Done(Done {})).await;
        assert!(next.next(LONG).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_lost_daemon_is_told_from_one_that_says_no() {
        let (wire, mut daemon) = pair();
        let mut stream = wire.ask(&show(), false).await.unwrap();
        let (number, _) = daemon.asked().await;
        daemon.send(number, FrameKind::Item, &Reply::Done(Done {})).await;
        drop(daemon);
        assert!(stream.next(LONG).await.unwrap().is_some());
        assert!(stream.next(LONG).await.unwrap_err().is_lost());
        assert!(wire.ask(&show(), false).await.is_err_and(|error| error.is_lost()));
    }

    #[tokio::test]
    async fn silence_and_nonsense_are_a_loss() {
        let (wire, mut daemon) = pair();
        let mut stream = wire.ask(&show(), false).await.unwrap();
        assert!(stream.next(Duration::from_millis(1)).await.unwrap_err().is_lost());
        daemon.0.write_all(&u32::MAX.to_le_bytes()).await.unwrap();
        assert!(stream.next(LONG).await.unwrap_err().is_lost());
    }
}
