//! A server that answers each request with the next of its tricks.

use std::io::{Read as _, Result, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// What is done with a connection once a request has been read from it.
pub(crate) type Trick = fn(&mut TcpStream) -> Result<()>;

/// The server; it ends when this is dropped.
pub(crate) struct Hostile {
    address: SocketAddr,
    played: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl Hostile {
    pub(crate) fn start(tricks: &'static [(&'static str, Trick)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (played, over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, end) = (Arc::clone(&played), Arc::clone(&over));
        let accepting = std::thread::spawn(move || {
            let mut connections = Vec::new();
            for stream in listener.incoming() {
                if end.load(Ordering::Acquire) {
                    break;
                }
                let (mut stream, count) = (stream.unwrap(), Arc::clone(&count));
                connections.push(std::thread::spawn(move || {
                    // Nobody is kept longer than a test may take.
                    let _ = stream.set_read_timeout(Some(Duration::from_secs(60)));
                    let _ = stream.set_write_timeout(Some(Duration::from_secs(60)));
                    if request(&mut stream).is_ok() {
                        let (_, trick) = tricks[count.fetch_add(1, Ordering::AcqRel) % tricks.len()];
                        let _ = trick(&mut stream);
                    }
                }));
            }
            for connection in connections {
                let _ = connection.join();
            }
        });
        Self { address, played, over, accepting: Some(accepting) }
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many requests came.
    pub(crate) fn played(&self) -> usize {
        self.played.load(Ordering::Acquire)
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        let _ = TcpStream::connect(self.address);
        if let Some(accepting) = self.accepting.take().filter(|_| !std::thread::panicking()) {
            let _ = accepting.join();
        }
    }
}

/// Reads one request, head and body.
fn request(stream: &mut TcpStream) -> Result<()> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&buffer[..count]);
        let Some(end) = bytes.windows(4).position(|end| end == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
        if bytes.len() >= end + 4 + length.unwrap_or(0) {
            return Ok(());
        }
    }
}

/// Sends the same until the other side has had enough.
fn endless(stream: &mut TcpStream, head: &str, bytes: &[u8]) -> Result<()> {
    stream.write_all(head.as_bytes())?;
    let bytes = bytes.repeat((64 * 1024 / bytes.len()).max(1));
    loop {
        stream.write_all(&bytes)?;
    }
}

fn sends(stream: &mut TcpStream, bytes: &[u8]) -> Result<()> {
    stream.write_all(bytes)?;
    stream.shutdown(std::net::Shutdown::Write)
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";

/// Tricks that end a call at once or after what an answer may have at most: nobody waits for a timer.
pub(crate) const TRICKS: &[(&str, Trick)] = &[
    ("a line without an end", |to| endless(to, &format!("{OK}data: "), b"x")),
    ("JSON without an end", |to| endless(to, &format!("{OK}{{\"choices\":[{{\"message\":{{\"content\":\""), b"x")),
    ("text without an end", |to| {
        let text = "y".repeat(60_000);
        endless(to, OK, format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n").as_bytes())
    }),
    ("a crowd of values", |to| {
        let crowd = "0,".repeat(7 * 1024 * 1024);
        sends(to, format!("{OK}data: {{\"choices\":[{crowd}0]}}\n\n").as_bytes())
    }),
    ("a chunk of half a gigabyte", |to| {
        endless(to, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n20000000\r\ndata: ", b"z")
    }),
    ("a compressed bomb", |to| {
        endless(to, "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n\x1f", b"\x08\x00\x00\x00\x00\x00")
    }),
    ("no UTF-8", |to| sends(to, &[OK.as_bytes(), b"data: \xff\xfe\n\n"].concat())),
    ("a redirect to a file", |to| {
        sends(to, b"HTTP/1.1 307 Go\r\nlocation: file:///etc/passwd\r\ncontent-length: 0\r\n\r\n")
    }),
    ("a redirect to metadata", |to| {
        sends(to, b"HTTP/1.1 302 Go\r\nlocation: http://169.254.169.254/latest\r\ncontent-length: 0\r\n\r\n")
    }),
    ("a refusal without an end", |to| endless(to, "HTTP/1.1 400 Bad Request\r\n\r\n", b"<p>no, \x1b[31mno</p>")),
    ("a web page", |to| sends(to, b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n<html>welcome")),
];
