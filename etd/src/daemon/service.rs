//! The line between the wire and what the daemon does: [`Service`] is asked, [`Responder`] carries its answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::BoxFuture;
use proto::codec::{CodecError, FrameKind, split};
use proto::config::SecretRef;
use proto::message::{Failed, Reply, Request};
use proto::outcome::exit;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// What the daemon has in hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Sessions that are known.
    pub sessions: u64,
    /// Rounds that run or are queued: with none, the daemon may be replaced.
    pub running: u64,
}

/// What answers requests.
pub trait Service: Send + Sync + 'static {
    /// What there is to do. Must not wait.
    fn counts(&self) -> Counts;

    /// More for `status`: names and values, each on one line. It must take no more than a moment.
    fn status(&self) -> BoxFuture<'static, Vec<(&'static str, String)>> {
        Box::pin(std::future::ready(Vec::new()))
    }

    /// Told once, when clients can come. Must not wait.
    fn ready(&self) {}

    /// Why nothing can be stored at the moment, if so. Must not wait.
    fn trouble(&self) -> Option<String> {
        None
    }

    /// Secrets that rounds wait for. Must not wait.
    fn needs(&self) -> Vec<SecretRef>;

    /// Answers one request. Never sees `Hello` or `Cancel`.
    ///
    /// The future is dropped when the request is cancelled, the client vanishes or the daemon ends: it must own nothing that a
    /// session needs. One that ends without [`Responder::finish`] is answered with a failure.
    fn handle(&self, request: Request, responder: Responder) -> BoxFuture<'static, ()>;

    /// Takes no new work, ends what attached clients read, and lets steps reach their boundary. Dropped when its time is over.
    fn drain(&self) -> BoxFuture<'static, ()>;
}

/// The client isn't there any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client is gone")]
pub struct Gone;

/// Carries the answers to one request.
#[derive(Debug)]
pub struct Responder {
    outbox: Outbox,
    request: u32,
    finished: Arc<AtomicBool>,
}

impl Responder {
    /// A responder whose answers come out of the other half, for tests of handlers. Up to `room` bytes wait unread.
    #[must_use]
    pub fn pair(room: usize) -> (Self, Answers) {
        let (outbox, receiver) = Outbox::new(room);
        (Self::new(outbox, 1), Answers { receiver })
    }

    pub(crate) fn new(outbox: Outbox, request: u32) -> Self {
        Self { outbox, request, finished: Arc::default() }
    }

    /// A second handle for the server, that answers if the service didn't.
    pub(crate) fn watch(&self) -> Self {
        Self { outbox: self.outbox.clone(), request: self.request, finished: Arc::clone(&self.finished) }
    }

    /// Whether the last answer was given.
    pub(crate) fn is_finished(&self) -> bool {
        self.finished.load(Ordering::Acquire)
    }

    /// Sends one of several answers. Waits until the client has taken enough of what was sent before.
    ///
    /// Cancel-safe: the answer is queued whole or not at all.
    ///
    /// # Errors
    /// If the client is gone, or the answer doesn't fit into a frame (then the request has failed).
    pub async fn item(&self, reply: Reply) -> Result<(), Gone> {
        match reply.encode(FrameKind::Item, self.request) {
            Ok(frame) => self.outbox.send(frame).await,
            Err(error) => {
                self.fail(&error).await;
                Err(Gone)
            }
        }
    }

    /// Sends one of several answers if there is room at once; otherwise it is skipped. Returns whether it was sent.
    #[must_use]
    pub fn try_item(&self, reply: Reply) -> bool {
        reply.encode(FrameKind::Item, self.request).is_ok_and(|frame| self.outbox.try_send(frame))
    }

    /// Sends the last answer. Waits as [`Responder::item`] does.
    ///
    /// Not cancel-safe: if the future is dropped the answer may be lost.
    pub async fn finish(self, reply: Reply) {
        match reply.encode(FrameKind::Reply, self.request) {
            Ok(frame) => {
                if !self.finished.swap(true, Ordering::AcqRel) {
                    // A client that is gone needs no answer.
                    let _ = self.outbox.send(frame).await;
                }
            }
            Err(error) => self.fail(&error).await,
        }
    }

    /// Answers with a failure that isn't the caller's.
    pub(crate) async fn fail(&self, why: &(dyn std::fmt::Display + Sync)) {
        if self.finished.swap(true, Ordering::AcqRel) {
            return;
        }
        let failed = Reply::Failed(Failed { exit_code: exit::SOFTWARE, message: why.to_string(), hint: None });
        if let Ok(frame) = failed.encode(FrameKind::Reply, self.request) {
            let _ = self.outbox.send(frame).await;
        }
    }
}

/// The other half of [`Responder::pair`].
#[derive(Debug)]
pub struct Answers {
    receiver: mpsc::Receiver<Outgoing>,
}

impl Answers {
    /// The next answer, and whether it is the last; none when the responder is gone. Cancel-safe.
    ///
    /// # Errors
    /// If the bytes aren't a reply.
    pub async fn next(&mut self) -> Option<Result<(bool, Reply), CodecError>> {
        let frame = self.receiver.recv().await?;
        Some(split(&frame.bytes).and_then(|(header, body)| {
            Reply::decode(header.message, body).map(|reply| (header.kind == FrameKind::Reply, reply))
        }))
    }
}

/// A frame on its way; its room is free again once it is dropped.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) bytes: Vec<u8>,
    _room: OwnedSemaphorePermit,
}

/// What waits to be written to one connection: bounded in frames and in bytes.
#[derive(Clone, Debug)]
pub(crate) struct Outbox {
    frames: mpsc::Sender<Outgoing>,
    room: Arc<Semaphore>,
    limit: u32,
}

impl Outbox {
    pub(crate) fn new(room: usize) -> (Self, mpsc::Receiver<Outgoing>) {
        let limit = u32::try_from(room.max(1)).unwrap_or(u32::MAX);
        let (frames, receiver) = mpsc::channel(1024);
        (Self { frames, room: Arc::new(Semaphore::new(limit as usize)), limit }, receiver)
    }

    /// Frees whoever waits for room; called when nobody writes any more.
    pub(crate) fn close(&self) {
        self.room.close();
    }

    async fn send(&self, bytes: Vec<u8>) -> Result<(), Gone> {
        let room = Arc::clone(&self.room).acquire_many_owned(self.weight(&bytes)).await.map_err(|_| Gone)?;
        self.frames.send(Outgoing { bytes, _room: room }).await.map_err(|_| Gone)
    }

    fn try_send(&self, bytes: Vec<u8>) -> bool {
        let Ok(room) = Arc::clone(&self.room).try_acquire_many_owned(self.weight(&bytes)) else { return false };
        self.frames.try_send(Outgoing { bytes, _room: room }).is_ok()
    }

    /// A frame that is larger than the room takes all of it.
    fn weight(&self, bytes: &[u8]) -> u32 {
        u32::try_from(bytes.len()).unwrap_or(u32::MAX).min(self.limit)
    }
}
