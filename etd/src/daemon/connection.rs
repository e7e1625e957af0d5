//! One connection: preamble, handshake, then requests side by side.
//!
//! A client that vanishes takes its requests' tasks with it and nothing else. A client that doesn't read holds one batch and its own
//! requests, nobody else's.

mod incoming;

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use proto::codec::{FrameKind, MAX_FIRST_FRAME, MAX_FRAME, split};
use proto::message::{Failed, Reply, Request, Welcome};
use proto::outcome::exit;
use proto::preamble::{FIXED, Fixed, Kind, Preamble, Status};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;
use tokio_util::codec::{Encoder, LengthDelimitedCodec};

use super::service::{Outbox, Outgoing, Responder, Service};
use super::shared::Shared;
use incoming::{Frame, Frames};

/// Frames are written together up to about this many bytes.
const WRITE_BATCH: usize = 64 * 1024;

/// Serves one connection to its end. Dropping the future closes it.
pub(crate) async fn serve<S: Service>(mut stream: UnixStream, shared: Arc<Shared<S>>, overloaded: bool) {
    let limits = shared.limits;
    let Ok(Some(asked)) = timeout(limits.preamble, read_preamble(&mut stream)).await else { return };
    let (status, text) = match asked.kind {
        Kind::ControlStatus => (Status::Ok, shared.status_text().await),
        Kind::ControlStop => (Status::Ok, "stopping".to_owned()),
        Kind::Data if overloaded => (Status::Overloaded, "too many connections".to_owned()),
        Kind::Data if shared.stop.is_draining() => (Status::Draining, "the daemon is going away".to_owned()),
        Kind::Data if asked.version != proto::hooks::protocol_version() => {
            let busy = if shared.service.counts().running > 0 { "busy" } else { "idle" };
            (Status::OtherVersion, format!("{busy} {}", proto::BUILD))
        }
        Kind::Data => (Status::Ok, proto::BUILD.to_owned()),
    };
    let answer = Preamble { kind: asked.kind, version: proto::hooks::protocol_version(), status, text }.encode();
    let written = timeout(limits.preamble, stream.write_all(&answer)).await;
    if asked.kind == Kind::ControlStop {
        tracing::info!("asked to stop");
        shared.stop.drain();
    }
    if asked.kind == Kind::Data && status == Status::Ok && matches!(written, Ok(Ok(()))) {
        frames(stream, shared).await;
    }
}

async fn read_preamble(stream: &mut UnixStream) -> Option<Preamble> {
    let mut fixed = [0; FIXED];
    stream.read_exact(&mut fixed).await.ok()?;
    let fixed = Fixed::decode(&fixed).ok()?;
    let mut text = vec![0; fixed.text_len];
    stream.read_exact(&mut text).await.ok()?;
    fixed.with_text(text).ok()
}

fn framing() -> LengthDelimitedCodec {
    LengthDelimitedCodec::builder().little_endian().length_field_length(4).max_frame_length(MAX_FRAME).new_codec()
}

/// The part behind the preamble. The writer is a task of its own, owned by this function.
async fn frames<S: Service>(stream: UnixStream, shared: Arc<Shared<S>>) {
    let (read, write) = stream.into_split();
    let (outbox, queue) = Outbox::new(shared.limits.buffered);
    let mut writer = JoinSet::new();
    writer.spawn(write_all(write, queue, shared.limits.write_stall));
    let mut frames = Frames::new(read, MAX_FIRST_FRAME, shared.limits.frame, Arc::clone(&shared.room));
    let clean = tokio::select! {
        // The writer ends first only if the client takes nothing or is gone.
        _ = writer.join_next() => false,
        clean = requests(&mut frames, &outbox, &shared) => clean,
    };
    outbox.close();
    drop(outbox);
    if clean {
        // What was answered still goes out, as long as the client takes it.
        while writer.join_next().await.is_some() {}
    }
}

/// Requests that are being answered.
#[derive(Default)]
struct Running {
    tasks: JoinSet<u32>,
    by_number: HashMap<u32, (AbortHandle, Responder)>,
}

impl Running {
    /// Forgets a task that has ended, unless its number is another's by now.
    fn ended(&mut self, task: tokio::task::Id, number: u32) {
        if self.by_number.get(&number).is_some_and(|(running, _)| running.id() == task) {
            self.by_number.remove(&number);
        }
    }

    /// Whether a request with this number is still to be answered.
    fn has(&self, number: u32) -> bool {
        self.by_number.get(&number).is_some_and(|(_, responder)| !responder.is_finished())
    }
}

/// Handshake and requests. Returns whether the connection ended in good order, so that what is queued should still be written.
async fn requests<S: Service>(frames: &mut Frames, outbox: &Outbox, shared: &Shared<S>) -> bool {
    let Ok(Some(first)) = timeout(shared.limits.hello, frames.next()).await else { return false };
    match greet(&first.bytes, outbox, shared).await {
        Some(true) => {}
        Some(false) => return true,
        None => return false,
    }
    frames.allow(MAX_FRAME);

    // Dropped at every way out of this function, and with it all tasks.
    let mut running = Running::default();
    let mut draining = false;
    loop {
        if draining && running.tasks.is_empty() {
            return true;
        }
        tokio::select! {
            ended = running.tasks.join_next_with_id(), if !running.tasks.is_empty() => {
                if let Some(Ok((task, number))) = ended {
                    running.ended(task, number);
                }
            }
            () = shared.stop.draining(), if !draining => draining = true,
            // While draining nothing more is read: the client sees the end and asks the next daemon.
            frame = frames.next(), if !draining => {
                let Some(frame) = frame else { return false };
                if !accept(frame, outbox, shared, &mut running).await {
                    return false;
                }
            }
        }
    }
}

/// Answers the first frame: some(true) after a Hello, some(false) after another message, none for garbage.
async fn greet<S: Service>(frame: &[u8], outbox: &Outbox, shared: &Shared<S>) -> Option<bool> {
    let (header, body) = split(frame).ok().filter(|(header, _)| header.kind == FrameKind::Request)?;
    let responder = Responder::new(outbox.clone(), header.request);
    let greeted = matches!(Request::decode(header.message, body), Ok(Request::Hello(_)));
    if greeted {
        let needs = shared.service.needs();
        let welcome = Welcome { build: proto::BUILD.to_owned(), pid: std::process::id(), needs };
        responder.finish(Reply::Welcome(welcome)).await;
    } else {
        responder.fail(&"the first message must be Hello").await;
    }
    Some(greeted)
}

/// Takes one frame. Returns false if it breaks the rules of the connection.
async fn accept<S: Service>(frame: Frame, outbox: &Outbox, shared: &Shared<S>, running: &mut Running) -> bool {
    let Frame { bytes, room } = frame;
    let Ok((header, body)) = split(&bytes) else { return false };
    if header.kind != FrameKind::Request {
        return false;
    }
    let request = match Request::decode(header.message, body) {
        Ok(request) => request,
        Err(error) => {
            Responder::new(outbox.clone(), header.request).fail(&error).await;
            return true;
        }
    };
    if let Request::Cancel(cancel) = request {
        if let Some((task, _)) = running.by_number.remove(&cancel.request) {
            task.abort();
        }
        return true;
    }
    if running.has(header.request) {
        // Its answers couldn't be told apart.
        return false;
    }
    let responder = Responder::new(outbox.clone(), header.request);
    if let Request::Hello(_) = request {
        responder.fail(&"Hello was said already").await;
        return true;
    }
    let mine = running.tasks.len() < shared.limits.requests;
    let place = mine.then(|| Arc::clone(&shared.places).try_acquire_owned().ok()).flatten();
    let Some(place) = place else {
        let message = if mine {
            format!("more than {} requests at once", shared.limits.all_requests)
        } else {
            format!("more than {} requests at once on one connection", shared.limits.requests)
        };
        let hint = Some("try again when others have ended".to_owned());
        responder.finish(Reply::Failed(Failed { exit_code: exit::TRY_AGAIN, message, hint })).await;
        return true;
    };
    drop(bytes);
    let number = header.request;
    let (watch, kept) = (responder.watch(), responder.watch());
    // Built here, polled there: a panic in either is a failed request.
    let handling = std::panic::catch_unwind(AssertUnwindSafe(|| shared.service.handle(request, responder)));
    let task = running.tasks.spawn(async move {
        if let Ok(handling) = handling {
            let _ = AssertUnwindSafe(handling).catch_unwind().await;
        }
        watch.fail(&"the daemon failed at this request; its log says where").await;
        // What the request takes is its own until it has ended.
        drop((place, room));
        number
    });
    running.by_number.insert(number, (task, kept));
    true
}

/// Writes what is queued until the queue or the connection ends; gives up when the client takes nothing for `stall`.
async fn write_all(mut write: OwnedWriteHalf, mut queue: mpsc::Receiver<Outgoing>, stall: Duration) {
    let mut codec = framing();
    let mut buffer = BytesMut::new();
    let mut written = Vec::new();
    while let Some(first) = queue.recv().await {
        let mut next = Some(first);
        while let Some(mut frame) = next {
            let bytes = Bytes::from(std::mem::take(&mut frame.bytes));
            if codec.encode(bytes, &mut buffer).is_err() {
                return;
            }
            written.push(frame);
            next = if buffer.len() < WRITE_BATCH { queue.try_recv().ok() } else { None };
        }
        while !buffer.is_empty() {
            match timeout(stall, write.write_buf(&mut buffer)).await {
                Ok(Ok(taken)) if taken > 0 => {}
                Ok(_) => return,
                Err(_) => {
                    tracing::info!("closed a connection whose client took nothing for {} s", stall.as_secs());
                    return;
                }
            }
        }
        // Their room is free again only now.
        written.clear();
        if buffer.capacity() > 4 * WRITE_BATCH {
            buffer = BytesMut::new();
        }
    }
}
