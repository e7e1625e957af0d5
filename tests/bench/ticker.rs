//! A model server whose answers are ticks at a set pace, each with the moment at which it was sent.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tests::env::{Config, Env};
use tests::model::{Model, Wire};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// A running server that speaks OpenAI's format. Answers tick until [`Ticker::finish`] and then say that nothing needs to change.
pub(crate) struct Ticker {
    address: SocketAddr,
    shared: Arc<Shared>,
    _runtime: Runtime,
}

struct Shared {
    origin: Instant,
    interval: Duration,
    open: AtomicUsize,
    finish: watch::Sender<bool>,
}

impl Ticker {
    /// Ticks are `@N`, nanoseconds since `origin`.
    pub(crate) fn start(origin: Instant, interval: Duration) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("its address");
        let shared =
            Arc::new(Shared { origin, interval, open: AtomicUsize::new(0), finish: watch::Sender::new(false) });
        let serving = Arc::clone(&shared);
        runtime.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(connection(socket, Arc::clone(&serving)));
            }
        });
        Self { address, shared, _runtime: runtime }
    }

    /// Answers that tick now.
    pub(crate) fn open(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// Ends all answers.
    pub(crate) fn finish(&self) {
        self.shared.finish.send_replace(true);
    }

    /// Writes a config in which `model` plans and this server works, as so many providers.
    pub(crate) fn config(&self, env: &Env, model: &Model, providers: usize) {
        let names: Vec<String> = (0..providers).map(|number| format!("ticker{number}")).collect();
        let mut config = Config::one(model, Wire::OpenAi);
        for name in &names {
            let base = format!("http://{}/{name}/v1", self.address);
            config = config.provider(name, Wire::OpenAi, &base).model(name, name, "ticks");
        }
        env.write_config(&config.role("polecat", names.iter().map(String::as_str), []));
    }
}

async fn connection(mut socket: TcpStream, shared: Arc<Shared>) {
    let _ = socket.set_nodelay(true);
    while request(&mut socket).await.is_some() {
        shared.open.fetch_add(1, Ordering::SeqCst);
        let sent = answer(&mut socket, &shared).await;
        shared.open.fetch_sub(1, Ordering::SeqCst);
        if sent.is_err() {
            return;
        }
    }
}

/// Reads a request to its end. None: there is no more.
async fn request(socket: &mut TcpStream) -> Option<()> {
    let mut bytes = Vec::new();
    let mut chunk = vec![0; 16 * 1024];
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
            if bytes.len() >= end + 4 + length.unwrap_or(0) {
                return Some(());
            }
        }
        match socket.read(&mut chunk).await {
            Ok(count) if count > 0 => bytes.extend_from_slice(&chunk[..count]),
            _ => return None,
        }
    }
}

fn event(delta: &str, finish: &str) -> String {
    let data = format!(
        "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"ticks\",\
         \"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n"
    );
    format!("{:x}\r\n{data}\r\n", data.len())
}

async fn answer(socket: &mut TcpStream, shared: &Shared) -> std::io::Result<()> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    socket.write_all(head.as_bytes()).await?;
    let mut finish = shared.finish.subscribe();
    let mut ticks = tokio::time::interval(shared.interval);
    while !*finish.borrow_and_update() {
        tokio::select! {
            _ = ticks.tick() => {
                let tick = event(&format!("{{\"content\":\"@{}\\n\"}}", shared.origin.elapsed().as_nanos()), "null");
                socket.write_all(tick.as_bytes()).await?;
            }
            _ = finish.changed() => {}
        }
    }
    let last = event("{\"content\":\"NO CHANGE NEEDED\\n\"}", "null") + &event("{}", "\"stop\"");
    socket.write_all((last + "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n").as_bytes()).await
}
