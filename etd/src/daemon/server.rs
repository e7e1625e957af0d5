//! The accept loop: lets in who may come in, keeps the socket published, and drains.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use proto::preamble::{Kind, Preamble, Status};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval_at, sleep, timeout};

use super::connection;
use super::endpoint::Published;
use super::service::Service;
use super::shared::Shared;

/// Connections above the limit that are still listened to for a moment.
const ABOVE: usize = 64;

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
