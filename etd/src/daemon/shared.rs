//! What every connection knows: whom it serves, its bounds, and where the daemon lives.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::codec::MAX_FRAME;
use tokio::sync::Semaphore;

use super::service::Service;
use super::stop::Stop;

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
