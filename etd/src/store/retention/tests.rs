#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

use proto::event::{Event, NoteLevel};
use proto::id::RoundId;
use proto::settings::Flags;

use super::*;
use crate::round::tests::Scene;
use crate::store::{Change, NewEvent, RoundSpec, SessionSpec};

const DAY: i64 = 86_400_000;

/// A store with rounds in it.
struct Room {
    dir: tempfile::TempDir,
    store: Store,
}

/// Limits that nothing here reaches.
fn plenty() -> Keep {
    Keep { rounds: 100, days: 100, bytes: u64::MAX }
}

impl Room {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        Self { dir, store }
    }

    fn sql(&self, sql: &str) -> i64 {
        let db = Connection::open(self.dir.path().join(proto::endpoint::DATABASE_FILE)).unwrap();
        db.busy_timeout(Duration::from_secs(10)).unwrap();
        db.query_row(sql, [], |row| row.get(0)).optional().unwrap().unwrap_or(0)
    }

    /// A round that ended so many days ago, with two events, a step, a call, a content of its own and one that all of them share.
    async fn round(&self, session: SessionId, round: u32, days: i64) -> RoundId {
        let id = RoundId::random();
        let flags = Flags::default();
        let config = Scene::new(&[], flags.clone()).config();
        let spec = RoundSpec {
            task: "a".to_owned(),
            work_dir: None,
            settings: flags.resolve(),
            config: config.clone(),
            env: std::collections::BTreeMap::new(),
            secret_env: std::collections::BTreeMap::new(),
        };
        let mut changes = Vec::new();
        if round == 1 {
            let spec = Box::new(SessionSpec { flags, config });
            changes.push(Change::NewSession { id: session, work_dir: None, spec });
        }
        changes.push(Change::NewRound { session, round, id, spec: Box::new(spec) });
        changes.push(Change::Idempotency { key: id.to_string(), session, round });
        for key in ["a", "b"] {
            let event = Event::Note { level: NoteLevel::Warning, text: format!("{round}{key}") };
            changes.push(Change::Event { session, round, event: Box::new(NewEvent::new(key, event)) });
        }
        changes.push(Change::CallSent { round: id, key: "plan".to_owned() });
        let step = ("plan".to_owned(), "{}".to_owned());
        changes.push(Change::Step { round: id, key: step.0, request_hash: None, value: step.1 });
        changes.push(Change::Blob { round: id, hash: id.to_string(), bytes: vec![1] });
        changes.push(Change::Blob { round: id, hash: "shared".to_owned(), bytes: vec![2] });
        self.store.commit(changes).await.unwrap();
        self.sql(&format!(
            "UPDATE round SET state = 'ended', ended_ms = {} WHERE id = '{id}' RETURNING 1",
            now_ms() - days * DAY - 3_600_000
        ));
        id
    }

    /// Removes what is beyond the limits, with all that is left; which rounds it was.
    async fn remove(&self, keep: Keep, any: bool, most: usize) -> Vec<(SessionId, u32)> {
        let mut gone = Vec::new();
        while gone.len() < most
            && let Some((removed, _)) = self.store.remove_oldest(keep, any).await.unwrap()
        {
            gone.push((removed.session, removed.round));
            while self.store.clear().await.unwrap() {}
        }
        gone
    }

    /// Fails unless there is exactly what so many rounds of so many sessions have.
    fn assert_whole(&self, sessions: i64, rounds: i64) {
        for (table, count) in [
            ("session", sessions),
            ("round", rounds),
            ("event", rounds * 2),
            ("step", rounds),
            ("call", rounds),
            ("idempotency", rounds),
            ("blob_use", rounds * 2),
            ("blob", if rounds > 0 { rounds + 1 } else { 0 }),
            ("removed WHERE pending", 0),
        ] {
            assert_eq!(self.sql(&format!("SELECT count(*) FROM {table}")), count, "{table}");
        }
    }
}

#[tokio::test]
async fn the_oldest_go_first_and_take_all_that_is_theirs() {
    let room = Room::new();
    let [one, other] = [SessionId::random(), SessionId::random()];
    room.round(one, 1, 50).await;
    room.round(other, 1, 40).await;
    room.round(one, 2, 30).await;
    room.round(other, 2, 20).await;
    room.assert_whole(2, 4);
    assert_eq!(room.remove(plenty(), false, 9).await, []);
    // By number, by age, and because there is too much.
    assert_eq!(room.remove(Keep { rounds: 3, ..plenty() }, false, 9).await, [(one, 1)]);
    room.assert_whole(2, 3);
    assert_eq!(room.remove(Keep { days: 35, ..plenty() }, false, 9).await, [(other, 1)]);
    room.assert_whole(2, 2);
    assert_eq!(room.remove(plenty(), true, 1).await, [(one, 2)]);
    room.assert_whole(1, 1);
    // A session without rounds is gone, and says so; of the other one a round is.
    let read = room.store.read(move |reader| {
        Ok((
            reader.sessions_by_prefix(&one.to_string())?.len(),
            reader.removed_by_prefix(&one.to_string()[..8])?,
            reader.removed_round(other, 1)?,
            reader.removed_round(other, 2)?,
            reader.holdings()?,
        ))
    });
    let (found, removed, first, second, holdings) = read.await.unwrap();
    assert_eq!((found, removed.len(), removed[0].round), (0, 1, 2));
    assert!(first.is_some_and(|first| first.when().starts_with("removed by retention on 2")));
    assert_eq!((second, holdings.sessions, holdings.rounds), (None, 1, 1));
    // What is left of a log keeps its positions, and what comes goes on from there.
    room.round(other, 3, 0).await;
    let events = room.store.events_after(other, 0, 1 << 20).await.unwrap();
    assert_eq!(events.iter().map(|event| event.seq).collect::<Vec<_>>(), [3, 4, 5, 6]);
    assert_eq!(room.remove(plenty(), true, 9).await, [(other, 2), (other, 3)]);
    room.assert_whole(0, 0);
}

#[tokio::test]
async fn what_is_at_work_or_looked_at_stays() {
    let none = Keep { rounds: 1, days: 1, bytes: 0 };
    let table = [
        ("UPDATE round SET state = 'running' RETURNING 1", false),
        ("UPDATE round SET state = 'queued' RETURNING 1", false),
        ("UPDATE round SET ended_ms = ended_ms + 9 * 86400000 + 3300000 RETURNING 1", false),
        ("UPDATE round SET undo_ms = 1 RETURNING 1", false),
        ("UPDATE round SET undo_ms = 1, undone_ms = 2 RETURNING 1", true),
    ];
    for (sql, goes) in table {
        let room = Room::new();
        let session = SessionId::random();
        room.round(session, 1, 9).await;
        assert_eq!(room.sql(sql), 1);
        assert_eq!(room.remove(none, true, 9).await.len(), usize::from(goes), "{sql}");
    }
    let room = Room::new();
    let session = SessionId::random();
    room.round(session, 1, 9).await;
    // The one before it is at work still, whatever that may be: what is kept has no holes.
    room.round(session, 2, 9).await;
    room.sql("UPDATE round SET undo_ms = 1 WHERE round = 1 RETURNING 1");
    assert_eq!(room.remove(none, true, 9).await, []);
    room.sql("UPDATE round SET undo_ms = NULL WHERE round = 1 RETURNING 1");
    let reading = room.store.head(session).await.unwrap();
    assert_eq!(room.remove(none, true, 9).await, []);
    drop(reading);
    assert_eq!(room.remove(none, true, 9).await, [(session, 1), (session, 2)]);
}

#[tokio::test]
async fn a_removal_that_was_cut_short_is_finished_and_seen_by_nobody() {
    let room = Room::new();
    let session = SessionId::random();
    room.round(session, 1, 9).await;
    room.round(session, 2, 9).await;
    assert!(room.store.remove_oldest(plenty(), true).await.unwrap().is_some());
    // The first batch has not been taken yet, and a reader of the log finds none of it.
    assert_eq!(room.sql("SELECT count(*) FROM event"), 4);
    let events = room.store.events_after(session, 0, 1 << 20).await.unwrap();
    assert_eq!(events.iter().map(|event| event.seq).collect::<Vec<_>>(), [3, 4]);
    room.store.close();
    let room = Room { store: Store::open(room.dir.path()).unwrap(), ..room };
    while room.store.clear().await.unwrap() {}
    room.assert_whole(1, 1);
}

#[tokio::test]
async fn no_position_in_a_log_is_given_twice() {
    let room = Room::new();
    let session = SessionId::random();
    room.round(session, 1, 9).await;
    let second = room.round(session, 2, 9).await;
    let event = |round: u32, key: &str| {
        let event = Event::Note { level: NoteLevel::Warning, text: key.to_owned() };
        Change::Event { session, round, event: Box::new(NewEvent::new(key, event)) }
    };
    // The last word on the first round comes behind those on the second one.
    room.store.commit(vec![event(1, "late")]).await.unwrap();
    assert_eq!(room.remove(plenty(), true, 1).await, [(session, 1)]);
    room.store.close();
    let room = Room { store: Store::open(room.dir.path()).unwrap(), ..room };
    let seen = |events: Vec<proto::message::StoredEvent>| events.iter().map(|event| event.seq).collect::<Vec<_>>();
    assert_eq!(seen(room.store.events_after(session, 0, 1 << 20).await.unwrap()), [3, 4]);
    assert_eq!(*room.store.head(session).await.unwrap().borrow(), 5);
    room.store.commit(vec![event(2, "next"), Change::CallSent { round: second, key: "x".to_owned() }]).await.unwrap();
    assert_eq!(seen(room.store.events_after(session, 0, 1 << 20).await.unwrap()), [3, 4, 6]);
    assert_eq!(room.remove(plenty(), true, 9).await, [(session, 2)]);
    room.assert_whole(0, 0);
}

#[tokio::test]
async fn a_clock_that_steps_back_changes_no_order() {
    let room = Room::new();
    let [one, other] = [SessionId::random(), SessionId::random()];
    room.round(one, 1, 0).await;
    room.round(other, 1, 0).await;
    room.sql(&format!("UPDATE session SET created_ms = 1 WHERE id = '{other}' RETURNING 1"));
    room.sql(&format!("UPDATE round SET queued_ms = 1 WHERE session = '{other}' RETURNING 1"));
    room.sql("UPDATE round SET state = 'queued' RETURNING 1");
    let read = room.store.read(|reader| Ok((reader.newest_session()?, reader.sessions()?, reader.open_rounds()?.0)));
    let (newest, sessions, open) = read.await.unwrap();
    assert_eq!(newest.unwrap().id, other);
    assert_eq!(sessions.iter().map(|row| row.id).collect::<Vec<_>>(), [other, one]);
    assert_eq!(open.iter().map(|round| round.session).collect::<Vec<_>>(), [one, other]);
}

#[tokio::test]
async fn the_newest_round_keeps_its_number_and_an_undo_needs_its_round() {
    let room = Room::new();
    let session = SessionId::random();
    let gone = room.round(session, 1, 9).await;
    let kept = room.round(session, 2, 9).await;
    assert_eq!(room.remove(plenty(), true, 1).await, [(session, 1)]);
    let numbers =
        || room.store.read(move |reader| Ok((reader.newest_round(session)?, reader.unfinished_undo(session)?)));
    assert_eq!(numbers().await.unwrap(), (Some(2), None));
    room.store.commit(vec![Change::UndoBegun { id: kept }]).await.unwrap();
    assert_eq!(numbers().await.unwrap(), (Some(2), Some(2)));
    room.store.commit(vec![Change::UndoGivenUp { id: kept }]).await.unwrap();
    assert_eq!(numbers().await.unwrap(), (Some(2), None));
    room.store.commit(vec![Change::UndoBegun { id: kept }, Change::RoundUndone { id: kept }]).await.unwrap();
    assert_eq!(numbers().await.unwrap(), (Some(2), None));
    assert!(room.store.commit(vec![Change::UndoBegun { id: gone }]).await.is_err());
    assert!(room.store.commit(vec![Change::RoundUndone { id: gone }]).await.is_err());
    let other = SessionId::random();
    assert_eq!(room.store.read(move |reader| reader.newest_round(other)).await.unwrap(), None);
}

#[tokio::test]
async fn the_files_really_shrink() {
    let room = Room::new();
    let (kept, gone) = (SessionId::random(), SessionId::random());
    let round = room.round(gone, 1, 9).await;
    room.round(kept, 1, 5).await;
    for number in 0..100 {
        let bytes = vec![number; 300_000];
        let hash = format!("large{number}");
        room.store.commit(vec![Change::Blob { round, hash, bytes }]).await.unwrap();
    }
    let size = |name: &str| std::fs::metadata(room.dir.path().join(name)).map_or(0, |meta| meta.len());
    let both = || size("et.db") + size("et.db-wal");
    assert!(both() > 30_000_000, "{}", both());
    assert_eq!(room.remove(plenty(), true, 1).await, [(gone, 1)]);
    let mut batches = 0;
    while room.store.shrink().await.unwrap() {
        batches += 1;
    }
    room.store.checkpoint().await.unwrap();
    assert!(batches > 10, "{batches}");
    assert!(both() < 6_000_000, "{} and {}", size("et.db"), size("et.db-wal"));
    room.assert_whole(1, 1);
}

#[tokio::test]
async fn limits_are_those_that_were_said_last() {
    let room = Room::new();
    let keep = || room.store.read(|reader| reader.keep());
    assert_eq!(keep().await.unwrap(), Keep::default());
    for rounds in [7, 8] {
        room.store.commit(vec![Change::Keep(Keep { rounds, ..plenty() })]).await.unwrap();
    }
    assert_eq!(keep().await.unwrap(), Keep { rounds: 8, ..plenty() });
    room.sql("UPDATE mark SET value = '{}' WHERE key = 'keep' RETURNING 1");
    assert_eq!(keep().await.unwrap(), Keep::default());
}

#[test]
fn some_databases_that_were_set_aside_are_kept_for_some_time() {
    let dir = tempfile::tempdir().unwrap();
    let day = |days: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(days * 86_400);
    let name = |days: u64, end: &str| format!("et.damaged-{}{end}", days * 86_400_000);
    let left = || {
        let mut names: Vec<String> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    for days in 100..105 {
        std::fs::write(dir.path().join(name(days, "")), "").unwrap();
        std::fs::write(dir.path().join(name(days, "-wal")), "").unwrap();
    }
    std::fs::write(dir.path().join("et.damaged-by-hand"), "").unwrap();
    drop_set_aside(dir.path(), day(106));
    let kept = [102, 103, 104].into_iter().flat_map(|days| [name(days, ""), name(days, "-wal")]);
    assert_eq!(left(), kept.chain(["et.damaged-by-hand".to_owned()]).collect::<Vec<_>>());
    drop_set_aside(dir.path(), day(133));
    assert_eq!(
        left(),
        [&*name(103, ""), &*name(103, "-wal"), &*name(104, ""), &*name(104, "-wal"), "et.damaged-by-hand"]
    );
}
