#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

use proto::event::NoteLevel;

use super::*;

fn note(session: SessionId, key: &str) -> Change {
    let event = Event::Note { level: NoteLevel::Warning, text: key.to_owned() };
    Change::Event { session, round: 1, event: Box::new(NewEvent::new(key, event)) }
}

fn key(key: &str, session: SessionId) -> Change {
    Change::Idempotency { key: key.to_owned(), session, round: 1 }
}

async fn keys(store: &Store, session: SessionId) -> Vec<String> {
    store.read(move |reader| reader.event_keys(session, 1)).await.unwrap()
}

#[tokio::test]
async fn positions_have_no_gap_where_a_commit_is_rolled_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let session = SessionId::random();
    store.commit(vec![note(session, "a"), key("k", session)]).await.unwrap();
    // In one batch: the second fails at its last change, and takes its event with it.
    let (first, second, third) = tokio::join!(
        store.commit(vec![note(session, "b")]),
        store.commit(vec![note(session, "lost"), key("k", session)]),
        store.commit(vec![note(session, "c"), note(session, "d")]),
    );
    first.unwrap();
    assert!(matches!(second, Err(StoreError::Sqlite(_))), "{second:?}");
    third.unwrap();
    let events = store.events_after(session, 0, 1 << 20).await.unwrap();
    assert_eq!(events.iter().map(|event| event.seq).collect::<Vec<_>>(), [1, 2, 3, 4]);
    let mut found = keys(&store, session).await;
    found.sort();
    assert_eq!(found, ["a", "b", "c", "d"]);
    assert_eq!(store.trouble(), None);
}

#[tokio::test]
async fn readers_of_a_log_hear_of_commits_that_nobody_waits_for() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let session = SessionId::random();
    store.commit(vec![note(session, "a")]).await.unwrap();
    let mut head = store.head(session).await.unwrap();
    assert_eq!(*head.borrow_and_update(), 1);
    {
        let commit = store.commit(vec![note(session, "b")]);
        tokio::pin!(commit);
        // Handed to the writer, then forgotten.
        assert!(futures_util::poll!(commit.as_mut()).is_pending());
    }
    head.changed().await.unwrap();
    assert_eq!(*head.borrow_and_update(), 2);
}

#[tokio::test]
async fn events_come_in_batches_of_a_size() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let session = SessionId::random();
    store.commit((0..10).map(|number| note(session, &number.to_string())).collect()).await.unwrap();
    assert_eq!(store.events_after(session, 3, 1).await.unwrap().len(), 1);
    assert_eq!(store.events_after(session, 3, 1).await.unwrap()[0].seq, 4);
    assert_eq!(store.events_after(session, 3, 1 << 20).await.unwrap().len(), 7);
    assert!(store.events_after(session, 10, 1 << 20).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_new_start() {
    let dir = tempfile::tempdir().unwrap();
    let session = SessionId::random();
    let store = Store::open(dir.path()).unwrap();
    store.commit(vec![note(session, "a")]).await.unwrap();
    store.close();
    assert!(matches!(store.commit(vec![note(session, "late")]).await, Err(StoreError::Closed)));
    let store = Store::open(dir.path()).unwrap();
    store.commit(vec![note(session, "b")]).await.unwrap();
    let events = store.events_after(session, 0, 1 << 20).await.unwrap();
    assert_eq!(events.iter().map(|event| event.seq).collect::<Vec<_>>(), [1, 2]);
}

#[tokio::test]
async fn a_round_whose_record_cannot_be_read_stops_only_itself() {
    let dir = tempfile::tempdir().unwrap();
    let scene = crate::round::tests::Scene::new(&[], proto::settings::Flags::default());
    let store = Store::open(dir.path()).unwrap();
    let (session, id) = (SessionId::random(), RoundId::random());
    let flags = proto::settings::Flags::default();
    let spec = RoundSpec {
        task: "a".to_owned(),
        work_dir: None,
        settings: flags.resolve(),
        config: scene.config(),
        env: std::collections::BTreeMap::new(),
        secret_env: std::collections::BTreeMap::new(),
    };
    let keep = Box::new(SessionSpec { flags, config: scene.config() });
    let changes = vec![
        Change::NewSession { id: session, work_dir: None, spec: keep },
        Change::NewRound { session, round: 1, id, spec: Box::new(spec) },
    ];
    store.commit(changes).await.unwrap();
    store.close();
    rusqlite::Connection::open(dir.path().join(proto::endpoint::DATABASE_FILE))
        .unwrap()
        .execute("UPDATE round SET spec = '{}'", [])
        .unwrap();
    let store = Store::open(dir.path()).unwrap();
    let children = Arc::new(crate::sandbox::Children::start(Arc::new(())).unwrap());
    let engine = crate::session::Engine::start(store.clone(), children).await.unwrap();
    assert_eq!(engine.state(session), "ended");
    let rounds = store.read(move |reader| reader.rounds(session)).await.unwrap();
    assert!(rounds[0].report.as_ref().unwrap().contains("crashed"), "{rounds:?}");
    assert!(keys(&store, session).await.contains(&"note/given-up".to_owned()));
    engine.drain().await;
}

#[tokio::test]
async fn only_so_many_queries_run_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let (running, most) = (Arc::new(std::sync::atomic::AtomicUsize::new(0)), Arc::new(Mutex::new(0)));
    let reads = (0..READS * 8).map(|_| {
        let (running, most) = (Arc::clone(&running), Arc::clone(&most));
        store.read(move |reader| {
            let now = running.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1;
            {
                let mut most = most.lock().unwrap();
                *most = now.max(*most);
            }
            let count = reader.sessions()?.len();
            running.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
            Ok(count)
        })
    });
    for count in futures_util::future::join_all(reads).await {
        assert_eq!(count.unwrap(), 0);
    }
    assert!((1..=READS).contains(&*most.lock().unwrap()));
}

#[tokio::test]
async fn damage_that_is_met_in_use_stops_all_writing_and_is_looked_into_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(proto::endpoint::DATABASE_FILE);
    let session = SessionId::random();
    let store = Store::open(dir.path()).unwrap();
    // Larger than what is looked through at every start.
    store
        .commit(vec![Change::Blob { round: RoundId::random(), hash: "h".to_owned(), bytes: vec![0; 33 << 20] }])
        .await
        .unwrap();
    for number in 0..200 {
        store.commit(vec![note(session, &format!("{number}/{}", "x".repeat(200)))]).await.unwrap();
    }
    store.close();
    let mut bytes = std::fs::read(&path).unwrap();
    let end = bytes.len();
    // The newest pages are those of the events.
    bytes[end - 10 * 4096..].fill(0xa5);
    std::fs::write(&path, bytes).unwrap();
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.trouble(), None);
    let read = store.events_after(session, 0, usize::MAX).await;
    assert!(matches!(read, Err(StoreError::Spoiled(_))), "{read:?}");
    assert!(store.trouble().unwrap().contains("damaged"));
    let written = store.commit(vec![key("k", session)]).await;
    assert!(matches!(written, Err(StoreError::Spoiled(_))), "{written:?}");
    store.close();
    let Err(StoreError::Damaged { kept, .. }) = Store::open(dir.path()) else { panic!("it isn't set aside") };
    assert!(std::path::Path::new(&kept).exists());
    assert!(Store::open(dir.path()).is_ok());
}
