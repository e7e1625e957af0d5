//! The accept loop: lets in who may come in, keeps the socket published, and drains.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::codec::MAX_FRAME;
use proto::preamble::{Kind, Preamble, Status};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval_at, sleep, timeout};

use super::connection;
use super::endpoint::Published;
use super::service::Service;
use super::stop::Stop;

/// Connections above the limit that are still listened to for a moment.
const ABOVE: usize = 64;

/// Bounds of the server.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once; more are told that it is overloaded.
    pub connections: usize,
    /// Requests at once on one connection.
    pub requests: usize,
    /// Requests at once on all of them.
    pub all_requests: usize,
    /// Bytes that wait for one client.
    pub buffered: usize,
    /// Bytes of long frames that are read or being answered, of all clients together. At least as much as one frame.
    pub incoming: usize,
    /// Time for a frame that has begun.
    pub frame: Duration,
    /// Time for the preamble.
    pub preamble: Duration,
    /// Time between the preamble and the first message.
    pub hello: Duration,
    /// A client that takes nothing for this long is closed.
    pub write_stall: Duration,
    /// How often the socket is looked at.
    pub watch: Duration,
    /// Time for steps to reach their boundary when the daemon stops.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            requests: 64,
            all_requests: 1024,
            buffered: 256 * 1024,
            incoming: 4 * MAX_FRAME,
            frame: Duration::from_secs(30),
            preamble: Duration::from_secs(2),
            hello: Duration::from_secs(5),
            write_stall: proto::hooks::limit("daemon.write_stall").unwrap_or(Duration::from_secs(30)),
            watch: Duration::from_secs(5),
            drain: Duration::from_secs(5),
        }
    }
}

/// What every connection knows.
#[derive(Debug)]
pub(crate) struct Shared<S> {
    pub(crate) service: Arc<S>,
    pub(crate) limits: Limits,
    pub(crate) stop: Stop,
    pub(crate) socket: PathBuf,
    pub(crate) state_dir: PathBuf,
    pub(crate) began: Instant,
    /// Room for long frames, in bytes.
    pub(crate) room: Arc<Semaphore>,
    /// Places for requests.
    pub(crate) places: Arc<Semaphore>,
}

impl<S: Service> Shared<S> {
    pub(crate) fn new(
        service: Arc<S>,
        limits: Limits,
        stop: Stop,
        socket: PathBuf,
        state_dir: PathBuf,
        began: Instant,
    ) -> Self {
        let room = Arc::new(Semaphore::new(limits.incoming.clamp(MAX_FRAME, Semaphore::MAX_PERMITS)));
        let places = Arc::new(Semaphore::new(limits.all_requests.min(Semaphore::MAX_PERMITS)));
        Self { service, limits, stop, socket, state_dir, began, room, places }
    }

    /// What `status` answers: `key=value` lines.
    pub(crate) async fn status_text(&self) -> String {
        use std::fmt::Write as _;
        let more = self.service.status().await;
        let counts = self.service.counts();
        let state = if self.stop.is_draining() { "draining" } else { "ready" };
        let mut text = format!(
            "pid={}\nbuild={}\nversion={}\nstate={state}\nsessions={}\nrunning={}\nuptime_s={}\nsocket={}\nstate_dir={}\n",
            std::process::id(),
            proto::BUILD,
            proto::hooks::protocol_version(),
            counts.sessions,
            counts.running,
            self.began.elapsed().as_secs(),
            self.socket.display(),
            self.state_dir.display(),
        );
        if let Some(why) = self.service.trouble() {
            let _ = writeln!(text, "trouble={}", why.replace(['\n', '\r'], " "));
        }
        for (name, value) in more {
            // Writing to a string can't fail.
            let _ = writeln!(text, "{name}={value}");
        }
        text
    }
}

/// Tells a client, without a look at what it wants, that there are too many.
fn turn_away(stream: UnixStream) {
    let text = "too many connections".to_owned();
    let answer = Preamble { kind: Kind::Data, version: proto::PROTOCOL_VERSION, status: Status::Overloaded, text };
    if let Ok(mut stream) = stream.into_std() {
        // The buffer of a new connection has room for it, so this doesn't wait.
        let _ = stream.write_all(&answer.encode());
    }
}

/// Serves until told to stop, drains, and gives the socket's name back. `draining` is called once, when it is told.
pub(crate) async fn serve<S: Service>(
    mut listener: UnixListener,
    mut published: Published,
    shared: Arc<Shared<S>>,
    draining: impl FnOnce(),
) {
    let uid = nix::unistd::geteuid().as_raw();
    let limits = shared.limits;
    let mut connections = JoinSet::new();
    // Not at once: it was published a moment ago.
    let mut watch = interval_at(tokio::time::Instant::now() + limits.watch, limits.watch);
    watch.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut draining = Some(draining);
    let mut drained = JoinSet::new();
    let in_order = loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    while connections.try_join_next().is_some() {}
                    // Not a byte is read from, nor written to, anybody else.
                    let ours = stream.peer_cred().is_ok_and(|peer| peer.uid() == uid);
                    // Those above the limit may still ask for the status or stop it; of these, too, there is a limit.
                    if ours && connections.len() < limits.connections + ABOVE {
                        let overloaded = connections.len() >= limits.connections;
                        connections.spawn(connection::serve(stream, Arc::clone(&shared), overloaded));
                    } else if ours {
                        turn_away(stream);
                    }
                }
                Err(error) => {
                    tracing::warn!("accept: {error}");
                    sleep(Duration::from_millis(50)).await;
                }
            },
            _ = connections.join_next(), if !connections.is_empty() => {}
            _ = watch.tick() => {
                if !published.intact() {
                    tracing::warn!("the socket is gone or replaced; publishing it again");
                    match Published::publish(&shared.socket).await {
                        Ok(fresh) => (listener, published) = fresh,
                        Err(error) => tracing::error!("{error}"),
                    }
                }
            }
            () = shared.stop.draining(), if draining.is_some() => {
                if let Some(draining) = draining.take() {
                    draining();
                }
                let drain = shared.service.drain();
                drained.spawn(async move {
                    if timeout(limits.drain, drain).await.is_err() {
                        tracing::warn!("steps didn't reach their boundary in time");
                    }
                });
            }
            // One that panics counts as drained.
            _ = drained.join_next(), if !drained.is_empty() => break true,
            () = shared.stop.forced() => break false,
        }
    };
    if in_order {
        // What was answered still goes out, to those who take it.
        let flush = async { while connections.join_next().await.is_some() {} };
        let _ = timeout(Duration::from_secs(1).min(limits.drain), flush).await;
    }
    published.remove();
    tracing::info!("{}", if in_order { "stopped" } else { "stopped at once" });
    drained.shutdown().await;
    connections.shutdown().await;
}
