//! Servers that break every rule there is, and what comes of it: an error with words, in bounded time and memory, and no secret in it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

mod cut;
mod endless;
mod lists;
mod tls;
mod usage;

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proto::config::{Auth, ProviderConfig, ProviderKind, SecretRef, Timeouts};
use proto::message::Secret;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::wire::tests::request;
use super::{Clients, Completion, Provider, ProviderError};

/// Longer than anything takes here: only a hang meets it.
const HANG: Duration = Duration::from_secs(60);
const KEY: &str = "sk-test/1234567890+abc";
const KINDS: [ProviderKind; 4] =
    [ProviderKind::Openai, ProviderKind::Anthropic, ProviderKind::Gemini, ProviderKind::Ollama];
const PATIENT: Timeouts =
    Timeouts { connect_ms: 10_000, first_token_ms: 60_000, between_tokens_ms: 60_000, call_ms: 120_000 };

/// A server for one test.
struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    taken: Arc<AtomicU64>,
    ended: Arc<tokio::sync::Notify>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A connection on which a request has been read.
struct Peer {
    stream: TcpStream,
    taken: Arc<AtomicU64>,
}

impl Peer {
    /// Sends bytes as long as somebody takes them.
    async fn send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.stream.write_all(bytes.as_ref()).await?;
        self.taken.fetch_add(bytes.as_ref().len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Sends the same again and again until the peer goes.
    async fn endless(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        let bytes = bytes.as_ref().repeat((64 * 1024 / bytes.as_ref().len()).max(1));
        loop {
            self.send(&bytes).await?;
        }
    }
}

impl Server {
    /// `serve` gets each connection with its number once a request has been read from it.
    async fn start<F, Done>(serve: F) -> Self
    where
        F: Fn(usize, Peer) -> Done + Send + Sync + 'static,
        Done: Future<Output = std::io::Result<()>> + Send,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, taken) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicU64::new(0)));
        let ended = Arc::new(tokio::sync::Notify::new());
        let (requests, count, told) = (Arc::clone(&seen), Arc::clone(&taken), Arc::clone(&ended));
        let task = tokio::spawn(async move {
            let number = AtomicUsize::new(0);
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                if let Some(request) = read(&mut stream).await {
                    requests.lock().unwrap().push(request);
                    let peer = Peer { stream, taken: Arc::clone(&count) };
                    let _ = serve(number.fetch_add(1, Ordering::Relaxed), peer).await;
                    told.notify_one();
                }
            }
        });
        Self { address, seen, taken, ended, task }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// The request that stands first on a connection.
async fn read(stream: &mut TcpStream) -> Option<String> {
    let mut request = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
        request.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&request);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            return Some(text.into_owned());
        }
    }
}

fn open(kind: ProviderKind, url: &str, timeouts: &Timeouts, network: &[(&str, &str)]) -> Arc<dyn Provider> {
    let auth = Auth::Key(SecretRef("env:KEY".to_owned()));
    let config = ProviderConfig { kind, base_url: url.to_owned(), auth, org: None };
    let network: BTreeMap<_, _> =
        network.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Clients::new().open("acme", &config, timeouts, &network, &|_| Some(Secret::new(KEY.to_owned()))).unwrap()
}

async fn ask(provider: &dyn Provider) -> Result<Completion, ProviderError> {
    tokio::time::timeout(HANG, provider.chat(&request(), &mut |_| {})).await.expect("it hangs")
}

/// The head of a good answer whose body ends with the connection.
fn good(kind: ProviderKind) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-type: {}\r\nconnection: close\r\n\r\n", content_type(kind))
}

fn content_type(kind: ProviderKind) -> &'static str {
    if kind == ProviderKind::Ollama { "application/x-ndjson" } else { "text/event-stream" }
}

/// What every error text keeps to.
fn is_clean(error: &ProviderError) {
    let text = &error.message;
    assert!(text.starts_with("acme: ") && text.len() > 10, "{error:?}");
    assert!(text.chars().count() <= 300 && !text.chars().any(char::is_control), "{error:?}");
    for part in ["1234567890", "sk-test", "MTIzNDU2Nzg5M"] {
        assert!(!text.contains(part), "{error:?}");
    }
}
