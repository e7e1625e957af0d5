//! Fuzzing of what reads a connection: preamble, handshake, frames. Whatever comes, the connection ends or goes on by the rules, nobody
//! else's is touched, and nothing is left behind.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use proto::codec::{FrameKind, MAX_FIRST_FRAME, MAX_FRAME};
use proto::config::SecretRef;
use proto::fuzz::{Rng, Target};
use proto::message::{Cancel, Done, Hello, List, Reply, Request, SessionName, Show};
use proto::preamble::{FIXED, Fixed, Kind, Preamble, Status};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::connection::serve;
use super::service::{Counts, Responder, Service};
use super::shared::Shared;
use super::{Limits, Stop};

/// Longer than a connection takes whose bytes have all come: only a hang meets it.
const HANG: Duration = Duration::from_secs(30);

/// Answers everything at once, and counts.
#[derive(Default)]
struct Counting(AtomicU64);

impl Service for Counting {
    fn counts(&self) -> Counts {
        Counts::default()
    }

    fn needs(&self) -> Vec<SecretRef> {
        Vec::new()
    }

    fn handle(&self, _request: Request, responder: Responder) -> BoxFuture<'static, ()> {
        self.0.fetch_add(1, Ordering::Relaxed);
        responder.finish(Reply::Done(Done {})).boxed()
    }

    fn drain(&self) -> BoxFuture<'static, ()> {
        std::future::ready(()).boxed()
    }
}

fn framed(message: &Request, request: u32) -> Vec<u8> {
    let frame = message.encode(FrameKind::Request, request).unwrap();
    [&u32::try_from(frame.len()).unwrap().to_le_bytes()[..], &frame].concat()
}

/// Pieces that a client sends; joined in order they are a good connection.
fn pieces() -> Vec<Vec<u8>> {
    let preamble = |kind, version| Preamble { kind, version, status: Status::Ok, text: "0.1".to_owned() }.encode();
    let hello = Request::Hello(Hello { build: "0.1".to_owned() });
    let length = |bytes: usize| u32::try_from(bytes).unwrap().to_le_bytes().to_vec();
    vec![
        preamble(Kind::Data, proto::PROTOCOL_VERSION),
        framed(&hello, 1),
        framed(&Request::List(List {}), 2),
        framed(&Request::Show(Show { session: SessionName::Last }), 3),
        framed(&Request::Cancel(Cancel { request: 3 }), 4),
        framed(&Request::List(List {}), u32::MAX),
        // What isn't good in that place, or in any.
        preamble(Kind::ControlStatus, 0),
        preamble(Kind::Data, u16::MAX),
        framed(&Request::Hello(Hello { build: "x".repeat(MAX_FIRST_FRAME) }), 1),
        length(0),
        length(1),
        length(MAX_FIRST_FRAME + 1),
        length(MAX_FRAME),
        length(MAX_FRAME + 1),
        vec![0xff; 4],
        vec![0xff; 64],
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
    ]
}

fn conversation(random: &mut Rng, pieces: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for piece in &pieces[..random.usize(0..=6)] {
        bytes.extend_from_slice(piece);
    }
    for _ in 0..random.usize(0..4) {
        bytes.extend_from_slice(&pieces[random.usize(0..pieces.len())]);
    }
    for _ in 0..random.usize(0..4) {
        let at = random.usize(0..=bytes.len());
        let end = random.usize(at..=bytes.len()).min(at + 40);
        match random.u8(0..4) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 if at < bytes.len() => bytes[at] = random.u8(..),
            _ => {
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
    bytes
}

/// Lets a connection have these bytes and their end, and returns what it answered.
async fn answered(service: &Arc<Counting>, bytes: &[u8], overloaded: bool) -> Vec<u8> {
    let (client, server) = UnixStream::pair().unwrap();
    let (socket, state_dir) = (PathBuf::from("/s"), PathBuf::from("/d"));
    let shared = Shared::new(Arc::clone(service), Limits::default(), Stop::new(), socket, state_dir, Instant::now());
    let serving = tokio::spawn(serve(server, Arc::new(shared), overloaded));
    let (mut read, mut write) = client.into_split();
    let sent = async move {
        // It may hang up before it has taken everything.
        let _ = write.write_all(bytes).await;
        let _ = write.shutdown().await;
    };
    let mut answer = Vec::new();
    let got = async {
        let _ = (&mut read).take(1 << 20).read_to_end(&mut answer).await;
    };
    timeout(HANG, async { tokio::join!(sent, got) }).await.expect("the connection goes on though nobody is there");
    timeout(HANG, serving).await.expect("a task is left behind").expect("it panicked");
    answer
}

#[test]
fn connections() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let service = Arc::new(Counting::default());
    let pieces = pieces();
    let hold = async |bytes: &[u8], overloaded: bool| {
        let answer = answered(&service, bytes, overloaded).await;
        // Nothing, or a preamble; frames only behind one that says so.
        if answer.is_empty() {
            return;
        }
        let (fixed, rest) = answer.split_first_chunk::<FIXED>().expect("half a preamble");
        let fixed = Fixed::decode(fixed).expect("no preamble");
        let mut rest = rest.get(fixed.text_len..).expect("half a text");
        assert!(rest.is_empty() || (fixed.kind == Kind::Data && fixed.status == Status::Ok && !overloaded));
        while let Some((length, frames)) = rest.split_first_chunk::<4>() {
            let length = u32::from_le_bytes(*length) as usize;
            // The last one may be cut: a client that broke the rules is hung up on.
            let Some(frame) = frames.get(..length) else { break };
            let (header, body) = proto::codec::split(frame).expect("no frame");
            assert_eq!(header.kind, FrameKind::Reply);
            Reply::decode(header.message, body).expect("no reply");
            rest = &frames[length..];
        }
    };
    let hold = |bytes: &[u8]| {
        // One in eight comes to a daemon that has enough of them.
        let overloaded = bytes.len() % 8 == 7;
        runtime.block_on(hold(bytes, overloaded));
    };
    // Good ones are served, so that the rest means something.
    let good = pieces[..3].concat();
    runtime.block_on(answered(&service, &good, false));
    assert_eq!(service.0.load(Ordering::Relaxed), 1);
    Target { name: "daemon::fuzz::connections", command: "cargo test -p etd --lib" }
        .run(|random| conversation(random, &pieces), hold);
}
