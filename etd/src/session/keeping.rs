//! Keeps the state dir within its limits: old rounds, build caches of work dirs that nobody works in, databases that were set aside.
//!
//! The limits are those of the last client that named some, kept in the database: whoever starts rounds decides, the daemon has no
//! configuration of its own, and a client that names none changes nothing. They count all rounds, and the bytes of the database and of
//! build caches together. Build caches go first, the least recently used one first, since they can be made again; then the oldest rounds.
//! No round goes because of a cache that can't: that would cost history and bring the sum no nearer to the limit.
//! Log dirs of rounds belong to the user and are never touched.
//!
//! It looks once clients can come, whenever a round has ended, and now and then; it works in small pieces, and a daemon that stops
//! doesn't wait for it. What it can't do now, it does the next time.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime};

use proto::config::Keep;

use super::Engine;
use crate::sandbox::{Cache, caches};
use crate::store::StoreError;
use crate::store::retention::drop_set_aside;

/// Time between two looks where no round ends.
const NOW_AND_THEN: Duration = Duration::from_secs(3600);
/// Time for the numbers of [`Engine::holdings`].
const PATIENCE: Duration = Duration::from_millis(500);

/// Sizes of caches that weren't used since they were measured.
type Sizes = HashMap<PathBuf, (SystemTime, u64)>;

impl Engine {
    /// Keeps within the limits from now on, and small while there is nothing to do, until the daemon stops.
    pub fn begin_keeping(self: &Arc<Self>) {
        self.tasks.spawn(super::rest::run(Arc::clone(self)));
        self.tasks.spawn(run(Arc::clone(self)));
    }

    /// What is kept and how much of it, as `name` and value for `et daemon status`. What can't be found out in a moment is left out.
    pub async fn holdings(&self) -> Vec<(&'static str, String)> {
        let mut fields = Vec::new();
        let read = self.store.read(|reader| Ok((reader.holdings()?, reader.keep()?)));
        if let Ok(Ok((holdings, keep))) = tokio::time::timeout(PATIENCE, read).await {
            fields.push(("rounds", holdings.rounds.to_string()));
            let oldest = holdings.oldest_ms.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
            fields.extend(oldest.map(|at| ("oldest_round", format!("{at:.0}"))));
            fields.push(("limit_rounds", keep.rounds.to_string()));
            fields.push(("limit_days", keep.days.to_string()));
            fields.push(("limit_bytes", keep.bytes.to_string()));
        }
        let dir = self.store.dir();
        let size = |name: String| std::fs::metadata(dir.join(name)).map_or(0, |meta| meta.len());
        let database = proto::endpoint::DATABASE_FILE;
        fields.push(("database_bytes", (size(database.to_owned()) + size(format!("{database}-wal"))).to_string()));
        let caches = *self.cache_bytes.lock().unwrap_or_else(PoisonError::into_inner);
        fields.extend(caches.map(|bytes| ("cache_bytes", bytes.to_string())));
        if let Ok(stat) = nix::sys::statvfs::statvfs(dir) {
            fields.push(("disk_free_bytes", (stat.blocks_available() * stat.fragment_size()).to_string()));
        }
        fields
    }
}

async fn run(engine: Arc<Engine>) {
    let mut sizes = Sizes::new();
    loop {
        let wait = tokio::select! {
            biased;
            () = engine.stop.cancelled() => return,
            swept = sweep(&engine, &mut sizes) => {
                if let Err(error) = swept {
                    tracing::warn!(%error, "the limits can't be kept now");
                }
                tokio::time::sleep(NOW_AND_THEN)
            }
        };
        tokio::select! {
            () = engine.stop.cancelled() => return,
            () = engine.round_ended.notified() => {}
            () = wait => {}
        }
    }
}

async fn sweep(engine: &Arc<Engine>, sizes: &mut Sizes) -> Result<(), StoreError> {
    let store = &engine.store;
    let keep = store.read(|reader| reader.keep()).await?;
    // On a full disk it fails, and the caches are what makes room.
    let mut gone = 0;
    let removed = remove_beyond(engine, keep, &mut gone).await;
    let dir = store.dir().to_path_buf();
    let known = std::mem::take(sizes);
    let measured = blocking(move || {
        drop_set_aside(&dir, SystemTime::now());
        caches(&dir).into_iter().map(|cache| (measure(&cache, &known), cache)).collect::<Vec<_>>()
    });
    let caches = measured.await?;
    *sizes = caches.iter().map(|(bytes, cache)| (cache.top.clone(), (cache.used, *bytes))).collect();

    let longest = Duration::from_secs(u64::from(keep.days) * 86_400);
    let mut total: u64 = caches.iter().map(|(bytes, _)| bytes).sum();
    let mut used = store.read(|reader| reader.holdings()).await?.bytes;
    for (bytes, cache) in caches {
        let old = cache.used.elapsed().is_ok_and(|age| age > longest);
        if (old || total.saturating_add(used) > keep.bytes) && remove_cache(engine, cache).await? {
            total -= bytes;
        }
    }
    *engine.cache_bytes.lock().unwrap_or_else(PoisonError::into_inner) = Some(total);
    removed?;
    // Beyond the limit, what is left of the caches is what a round works with or what can't be removed: only the database counts.
    while used > keep.bytes && remove_oldest(engine, keep, true).await? {
        gone += 1;
        used = store.read(|reader| reader.holdings()).await?.bytes;
    }
    // What was freed otherwise.
    if tidy(engine).await? || gone > 0 {
        store.checkpoint().await?;
    }
    Ok(())
}

/// Removes what an earlier daemon didn't get to, and the rounds that are too many or too old; counts these.
async fn remove_beyond(engine: &Engine, keep: Keep, gone: &mut usize) -> Result<(), StoreError> {
    tidy(engine).await?;
    while remove_oldest(engine, keep, false).await? {
        *gone += 1;
    }
    Ok(())
}

/// Removes what removed rounds left, and gives the room back; one round after the other, as that is quick where little is free. Returns
/// whether room was given back.
async fn tidy(engine: &Engine) -> Result<bool, StoreError> {
    while engine.store.clear().await? {}
    let mut shrunk = false;
    while engine.store.shrink().await? {
        shrunk = true;
    }
    Ok(shrunk)
}

/// Removes the oldest round with all that is its own. Returns whether there was one to be removed.
async fn remove_oldest(engine: &Engine, keep: Keep, any: bool) -> Result<bool, StoreError> {
    let removed = {
        // Nothing is sent to a session that is on its way out.
        let _order = engine.sends.lock().await;
        engine.store.remove_oldest(keep, any).await?
    };
    let Some((removed, session_too)) = removed else { return Ok(false) };
    tracing::info!(session = %removed.session, round = removed.round, "round removed by retention");
    if session_too {
        engine.sessions.fetch_sub(1, Ordering::Relaxed);
    }
    tidy(engine).await?;
    Ok(true)
}

fn measure(cache: &Cache, known: &Sizes) -> u64 {
    match known.get(&cache.top) {
        Some((used, bytes)) if *used == cache.used => *bytes,
        _ => cache.bytes(),
    }
}

/// Removes the build caches of a work dir, unless a round is at work there or waits to be. Returns whether they are gone.
async fn remove_cache(engine: &Arc<Engine>, cache: Cache) -> Result<bool, StoreError> {
    let engine = Arc::clone(engine);
    blocking(move || {
        let state_dir = engine.store.dir();
        let doomed = engine.dirs.unless_in_line(|path| cache.is_of(state_dir, path), || cache.doom());
        let removed = match doomed {
            None => return false,
            Some(doomed) => doomed.and_then(crate::sandbox::Doomed::remove),
        };
        match &removed {
            Ok(()) => tracing::info!("build caches {} removed by retention", cache.top.display()),
            Err(error) => tracing::warn!("{}: {error}", cache.top.display()),
        }
        removed.is_ok()
    })
    .await
}

/// Runs what blocks on a thread for it.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| StoreError::Closed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

    use super::*;
    use crate::session::tests::{engine, request, scene, until};

    /// Makes the build caches of a work dir; returns where they are.
    fn warm(state_dir: &std::path::Path, work_dir: &std::path::Path) -> PathBuf {
        let known: Vec<PathBuf> = caches(state_dir).into_iter().map(|cache| cache.top).collect();
        crate::sandbox::make_caches(state_dir, work_dir).unwrap();
        let made = caches(state_dir).into_iter().map(|cache| cache.top).find(|top| !known.contains(top)).unwrap();
        std::fs::write(made.join("cargo/warm"), vec![7; 100_000]).unwrap();
        made
    }

    #[tokio::test]
    async fn caches_of_a_work_dir_with_a_round_are_never_removed() {
        let scene = scene();
        let engine = engine(&scene).await;
        let session = engine.spawn(request(&scene, "k", true)).await.unwrap().session;
        until(&engine, || engine.state(session) == "needs_credentials").await;
        let (state, work) = (scene.at("state"), scene.at("work").canonicalize().unwrap());
        let (used, other) = (warm(&state, &work), warm(&state, &scene.at("logs")));
        let keep = Keep { bytes: 1, ..Keep::default() };
        engine.store.commit(vec![crate::store::Change::Keep(keep)]).await.unwrap();
        let mut sizes = Sizes::new();
        sweep(&engine, &mut sizes).await.unwrap();
        assert!(used.exists() && !other.exists());
        let fields = engine.holdings().await;
        let cached = fields.iter().find(|(name, _)| *name == "cache_bytes").unwrap().1.parse::<u64>().unwrap();
        assert!(cached >= 100_000, "{fields:?}");
        // Neither is its round.
        assert!(fields.contains(&("rounds", "1".to_owned())), "{fields:?}");
        engine.kill(session, None).await.unwrap();
        until(&engine, || engine.is_idle(session)).await;
        sweep(&engine, &mut sizes).await.unwrap();
        assert!(!used.exists());
        engine.drain().await;
    }

    #[tokio::test]
    async fn no_round_goes_because_of_a_cache_that_stays() {
        let scene = scene();
        let engine = engine(&scene).await;
        let done = engine.spawn(request(&scene, "done", false)).await.unwrap().session;
        until(&engine, || engine.is_idle(done)).await;
        engine.store.settle_all().await;
        let session = engine.spawn(request(&scene, "k", true)).await.unwrap().session;
        until(&engine, || engine.state(session) == "needs_credentials").await;
        let cache = warm(&scene.at("state"), &scene.at("work").canonicalize().unwrap());
        let bytes = || async { engine.store.read(|reader| reader.holdings()).await.unwrap() };
        let keep = |bytes| Keep { bytes, ..Keep::default() };
        engine.store.commit(vec![crate::store::Change::Keep(keep(bytes().await.bytes + 50_000))]).await.unwrap();
        sweep(&engine, &mut Sizes::new()).await.unwrap();
        assert!(cache.exists());
        assert_eq!(bytes().await.rounds, 2);
        // What the database holds still counts.
        engine.store.commit(vec![crate::store::Change::Keep(keep(1))]).await.unwrap();
        sweep(&engine, &mut Sizes::new()).await.unwrap();
        assert_eq!(bytes().await.rounds, 1);
        engine.drain().await;
    }
}
