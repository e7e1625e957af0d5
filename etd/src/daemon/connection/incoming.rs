//! Frames as clients send them: bounded in length, in time, and together with those of all other connections in bytes.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::unix::OwnedReadHalf;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// Frames up to this long need no room of their own: as many as there may be connections are still little.
const SMALL: usize = 64 * 1024;
/// A buffer grows by this at least. What a client only announces takes nothing.
const STEP: usize = 4 * 1024;

/// The content of a frame.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) bytes: Vec<u8>,
    /// Its part of the room for long frames; given back when dropped.
    pub(crate) room: Option<OwnedSemaphorePermit>,
}

/// Reads the frames of one connection.
#[derive(Debug)]
pub(crate) struct Frames {
    read: OwnedReadHalf,
    longest: usize,
    patience: Duration,
    shared: Arc<Semaphore>,
    /// The length of the next frame as far as it is there.
    length: Vec<u8>,
    bytes: Vec<u8>,
    room: Option<OwnedSemaphorePermit>,
    begun: Option<Instant>,
}

impl Frames {
    /// Reads frames of up to `longest` bytes; each has to be whole within `patience` once it has begun. `room` is for the bytes of long
    /// frames of all connections.
    pub(crate) fn new(read: OwnedReadHalf, longest: usize, patience: Duration, room: Arc<Semaphore>) -> Self {
        let (length, bytes) = (Vec::with_capacity(4), Vec::new());
        Self { read, longest, patience, shared: room, length, bytes, room: None, begun: None }
    }

    /// From now on frames may be this long.
    pub(crate) fn allow(&mut self, longest: usize) {
        self.longest = longest;
    }

    /// The next frame; none when the client is gone, breaks the rules or takes too long.
    ///
    /// Cancel-safe: what was read of a frame is kept.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        if self.length.is_empty() {
            // Between frames a client may be silent for as long as it likes.
            self.more_of_length().await?;
        }
        let deadline = *self.begun.get_or_insert_with(Instant::now) + self.patience;
        let frame = timeout_at(deadline, self.rest()).await.ok()??;
        self.begun = None;
        Some(frame)
    }

    async fn rest(&mut self) -> Option<Frame> {
        while self.length.len() < 4 {
            self.more_of_length().await?;
        }
        let length = u32::from_le_bytes(self.length.as_slice().try_into().ok()?);
        let wanted = usize::try_from(length).ok().filter(|wanted| *wanted <= self.longest)?;
        if wanted > SMALL && self.room.is_none() {
            self.room = Some(Arc::clone(&self.shared).acquire_many_owned(length).await.ok()?);
        }
        while self.bytes.len() < wanted {
            let left = wanted - self.bytes.len();
            if self.bytes.len() == self.bytes.capacity() {
                self.bytes.reserve_exact(left.min(self.bytes.len().max(STEP)));
            }
            let mut read = (&mut self.read).take(left as u64);
            if read.read_buf(&mut self.bytes).await.ok()? == 0 {
                return None;
            }
        }
        self.length.clear();
        Some(Frame { bytes: std::mem::take(&mut self.bytes), room: self.room.take() })
    }

    async fn more_of_length(&mut self) -> Option<()> {
        let mut read = (&mut self.read).take(4 - self.length.len() as u64);
        (read.read_buf(&mut self.length).await.ok()? > 0).then_some(())
    }
}
