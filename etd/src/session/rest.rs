//! A daemon with nothing to do is small: what rounds took is given back a moment after the last one.

use std::sync::Arc;
use std::time::Duration;

use super::Engine;
use crate::memory;

/// Nothing has happened for so long. Longer than threads for blocking work wait for more of it.
const MOMENT: Duration = Duration::from_secs(15);

/// Watches over the sessions until the daemon stops.
pub(super) async fn run(engine: Arc<Engine>) {
    let mut changes = engine.changes();
    let watching = async {
        while changes.changed().await.is_ok() {
            while let Ok(Ok(())) = tokio::time::timeout(MOMENT, changes.changed()).await {}
            if engine.counts().1 == 0 {
                engine.store.close_readers();
                // A panic is impossible there, and nothing would depend on it.
                let _ = tokio::task::spawn_blocking(memory::give_back).await;
            }
        }
    };
    tokio::select! {
        () = engine.stop.cancelled() => {}
        () = watching => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

    use super::*;
    use crate::session::tests::{engine, request, scene, until};

    #[tokio::test]
    async fn connections_for_reading_are_closed_once_nothing_is_to_be_done() {
        let scene = scene();
        let engine = engine(&scene).await;
        let resting = tokio::spawn(run(Arc::clone(&engine)));
        let session = engine.spawn(request(&scene, "k", true)).await.unwrap().session;
        until(&engine, || engine.state(session) == "needs_credentials").await;
        let look = || engine.store.read(|reader| reader.newest_session());
        assert!(look().await.unwrap().is_some());
        tokio::time::pause();
        tokio::time::sleep(MOMENT * 2).await;
        assert!(engine.store.idle_readers() > 0, "a round waits");
        tokio::time::resume();
        engine.kill(session, None).await.unwrap();
        until(&engine, || engine.is_idle(session)).await;
        assert!(look().await.unwrap().is_some());
        assert!(engine.store.idle_readers() > 0);
        tokio::time::pause();
        tokio::time::sleep(MOMENT * 2).await;
        assert_eq!(engine.store.idle_readers(), 0);
        engine.drain().await;
        resting.await.unwrap();
    }
}
