//! The store and the journal of steps on a disk that loses everything after any sync.
//!
//! Random histories go through the real store (writer thread, group commit, checkpoints) and the real journal while every operation of
//! SQLite on its files is recorded. From the record come the disks that a crash may leave, at every sync and between: what was synced is
//! there; of the rest nothing, or any part of it, single sectors of a page included. Each of them is opened by the real store. It must
//! open; what was acknowledged before is there; positions are whole; a request is there as a whole or not at all; and it goes on. Some
//! are lived on, so that crashes during recovery come up as well.
//!
//! `ET_DISK_CASES` asks for more histories, `ET_DISK_SEED` for one again. Which requests share a commit depends on threads too, so a
//! seed doesn't repeat everything.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

mod disk;
mod history;

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use disk::{Entry, Fate, Files, Op};
use history::World;
use tokio::runtime::Runtime;

/// Histories in a usual run.
const CASES: u64 = 3;
/// Lives of one history: between two of them is a crash.
const LIVES: usize = 3;
/// Moments of a crash that are tried in each life.
const MOMENTS: usize = 6;

#[test]
fn nothing_acknowledged_is_lost_by_a_crash_at_any_moment() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let (first, cases) = match number("ET_DISK_SEED") {
        Some(seed) => (seed, 1),
        None => (fastrand::u64(..u64::MAX / 2), number("ET_DISK_CASES").unwrap_or(CASES)),
    };
    let (_alone, runtime) = (alone(), runtime());
    let mut crashes = 0;
    for seed in first..first + cases {
        println!("ET_DISK_SEED={seed}");
        crashes += runtime.block_on(history(seed));
    }
    println!("{cases} histories, {crashes} crashes");
}

/// The record is one for the whole process.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// The same checks see a disk that only says that it syncs, and a row that is gone.
#[test]
fn the_checks_see_what_is_lost() {
    let _alone = alone();
    runtime().block_on(async {
        let (mut world, mut rng) = (World::default(), fastrand::Rng::with_seed(7));
        let dir = lay_out(&Files::new());
        disk::record(dir.path(), &Files::new());
        world.live(dir.path(), &mut rng).await.unwrap();
        let log = disk::taken();
        let mut left = |log: &[Entry]| lay_out(&disk::after_crash(&Files::new(), log, log.len(), Fate::Lost, &mut rng));
        world.check(left(&log).path(), log.len()).await.unwrap();
        let is_kept = |entry: &&Entry| !(entry.file.ends_with("-wal") && matches!(entry.op, Op::Synced));
        let lying: Vec<Entry> = log.iter().filter(is_kept).cloned().collect();
        let wrong = world.check(left(&lying).path(), log.len()).await.unwrap_err();
        assert!(wrong.contains("acknowledged and lost"), "{wrong}");
        for (rows, says) in [
            ("event WHERE seq = (SELECT max(seq) FROM event)", "half of it is there"),
            ("step WHERE position = 1", "positions of steps have gaps"),
            ("idempotency", "half of it is there"),
        ] {
            let image = left(&log);
            let db = rusqlite::Connection::open(image.path().join(proto::endpoint::DATABASE_FILE)).unwrap();
            db.execute(&format!("DELETE FROM {rows}"), []).unwrap();
            drop(db);
            let wrong = world.check(image.path(), log.len()).await.unwrap_err();
            assert!(wrong.contains(says), "{rows}: {wrong}");
        }
    });
}

/// Plays a history; how many crashes were looked at.
async fn history(seed: u64) -> usize {
    let mut rng = fastrand::Rng::with_seed(seed);
    let (mut world, mut files, mut crashes) = (World::default(), Files::new(), 0);
    for life in 0..LIVES {
        let dir = lay_out(&files);
        disk::record(dir.path(), &files);
        let lived = world.live(dir.path(), &mut rng).await;
        let log = disk::taken();
        lived.unwrap_or_else(|error| panic!("seed {seed}, life {life}: {error}"));
        let moments = moments(&log, &mut rng);
        for moment in &moments {
            for fate in [Fate::Lost, Fate::Kept, Fate::Drawn] {
                let left = disk::after_crash(&files, &log, *moment, fate, &mut rng);
                let image = lay_out(&left);
                if let Err(wrong) = world.check(image.path(), *moment).await {
                    let near = log[moment.saturating_sub(12)..*moment].iter().map(line).collect::<Vec<_>>().join("\n");
                    panic!(
                        "seed {seed}, life {life}, a crash behind {moment} of {} operations, {fate:?}:\n{wrong}\nthe last:\n{near}",
                        log.len()
                    );
                }
                crashes += 1;
            }
        }
        // The next life begins on one of these disks.
        let moment = moments[rng.usize(..moments.len())];
        files = disk::after_crash(&files, &log, moment, Fate::Drawn, &mut rng);
        let image = lay_out(&files);
        if let Err(wrong) = world.check(image.path(), moment).await {
            panic!("seed {seed}, life {life}, a crash behind {moment} operations:\n{wrong}");
        }
        let image = lay_out(&files);
        world.settle(image.path()).await.unwrap();
    }
    crashes
}

/// Where to crash: before and behind syncs, at the very end, and anywhere.
fn moments(log: &[Entry], rng: &mut fastrand::Rng) -> Vec<usize> {
    let synced = |entry: &Entry| matches!(entry.op, Op::Synced | Op::Removed(_) | Op::Came(_));
    let syncs = log.iter().enumerate().filter(|(_, entry)| synced(entry)).flat_map(|(at, _)| [at, at + 1]);
    let mut all: Vec<usize> = syncs.collect();
    rng.shuffle(&mut all);
    all.truncate(MOMENTS);
    all.extend((0..MOMENTS / 2).map(|_| rng.usize(..=log.len())));
    all.push(log.len());
    all
}

fn lay_out(files: &Files) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        std::fs::write(Path::new(dir.path()).join(name), bytes).unwrap();
    }
    dir
}

fn line(entry: &Entry) -> String {
    let what = match &entry.op {
        Op::Wrote(at, bytes) => format!("wrote {} bytes at {at}", bytes.len()),
        Op::Came(bytes) => format!("came with {} bytes", bytes.len()),
        other => format!("{other:?}"),
    };
    format!("  {}: {what}", entry.file)
}
