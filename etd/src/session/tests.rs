#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

use std::collections::BTreeMap;

use proto::config::Auth;
use proto::message::{Attach, EndReason, From, Reply, Secret};
use proto::outcome::Outcome;
use proto::report::RoundReport;
use proto::settings::Flags;

use super::*;
use crate::daemon::{Responder, Service as _};
use crate::round::tests::{PLAN, Scene, WORDS, WORK};

const KEY: &str = "env:KEY";

pub(super) async fn engine(scene: &Scene) -> Arc<Engine> {
    let children = Arc::new(Children::start(Arc::new(())).unwrap());
    Engine::start(Store::open(&scene.at("state")).unwrap(), children).await.unwrap()
}

pub(super) fn scene() -> Scene {
    Scene::new(&[PLAN, WORK, WORDS], Flags::default())
}

pub(super) fn request(scene: &Scene, key: &str, needs_key: bool) -> Spawn {
    let mut config = scene.config();
    if needs_key {
        config.providers.get_mut("p").unwrap().auth = Auth::Key(SecretRef(KEY.to_owned()));
    }
    Spawn {
        task: "two files".to_owned(),
        work_dir: Some(scene.at("work").display().to_string()),
        flags: Flags::default(),
        config,
        env: BTreeMap::new(),
        secret_env: BTreeMap::new(),
        secrets: Vec::new(),
        idempotency_key: key.to_owned(),
    }
}

fn secrets() -> Vec<SecretValue> {
    vec![SecretValue { name: SecretRef(KEY.to_owned()), value: Secret::new("secret".to_owned()) }]
}

pub(super) async fn until(engine: &Engine, is: impl Fn() -> bool) {
    let mut changes = engine.changes();
    while !is() {
        changes.changed().await.unwrap();
    }
}

/// Another round of a session.
pub(super) fn more(session: SessionId, key: &str) -> Send {
    Send {
        session: SessionName::Prefix(session.to_string()),
        message: "more".to_owned(),
        flags: Flags::default(),
        config: None,
        env: BTreeMap::new(),
        secret_env: BTreeMap::new(),
        secrets: Vec::new(),
        idempotency_key: key.to_owned(),
    }
}

async fn report(engine: &Engine, session: SessionId, round: usize) -> RoundReport {
    let rounds = engine.store.read(move |reader| reader.rounds(session)).await.unwrap();
    serde_json::from_str(rounds[round - 1].report.as_ref().unwrap()).unwrap()
}

#[tokio::test]
async fn the_same_request_twice_at_once_is_one_session() {
    let scene = scene();
    let engine = engine(&scene).await;
    let (one, other) =
        tokio::join!(engine.spawn(request(&scene, "k", false)), engine.spawn(request(&scene, "k", false)),);
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!((one.session, one.round_id), (other.session, other.round_id));
    assert_eq!(engine.counts().0, 1);
    until(&engine, || engine.is_idle(one.session)).await;
    assert_eq!(report(&engine, one.session, 1).await.outcome, Outcome::Completed);
    // And once more when it is long over.
    assert_eq!(engine.spawn(request(&scene, "k", false)).await.unwrap().round_id, one.round_id);
    engine.drain().await;
}

#[tokio::test]
async fn a_round_waits_for_its_secrets_and_forgets_them() {
    let scene = scene();
    let engine = engine(&scene).await;
    let queued = engine.spawn(request(&scene, "k", true)).await.unwrap();
    assert_eq!(queued.needs, [SecretRef(KEY.to_owned())]);
    until(&engine, || engine.state(queued.session) == "needs_credentials").await;
    // Whoever sees the state sees what is wanted.
    assert_eq!(engine.vault.needs_of(queued.session), [SecretRef(KEY.to_owned())]);
    engine.vault.provide(&secrets());
    until(&engine, || engine.is_idle(queued.session)).await;
    assert_eq!(report(&engine, queued.session, 1).await.outcome, Outcome::Completed);
    assert!(engine.vault.get(queued.session, &SecretRef(KEY.to_owned())).is_none());
    engine.drain().await;
}

#[tokio::test]
async fn rounds_in_one_dir_stand_in_line_and_can_be_killed_there() {
    let scene = scene();
    let engine = engine(&scene).await;
    let holder = engine.spawn(request(&scene, "1", true)).await.unwrap().session;
    let behind = engine.spawn(request(&scene, "2", false)).await.unwrap().session;
    until(&engine, || engine.state(holder) == "needs_credentials").await;
    assert_eq!(engine.state(behind), "queued");
    let events = engine.store.events_after(behind, 0, 1 << 20).await.unwrap();
    assert!(events[0].json.contains(&holder.to_string()), "{events:?}");
    let (second, third) = tokio::join!(engine.send(more(behind, "3")), engine.send(more(behind, "4")));
    let mut rounds = [second.unwrap().round, third.unwrap().round];
    rounds.sort_unstable();
    assert_eq!(rounds, [2, 3]);
    assert_eq!(engine.kill(behind, None).await.unwrap(), [1, 2, 3]);
    until(&engine, || engine.is_idle(behind)).await;
    for round in 1..=3 {
        assert_eq!(report(&engine, behind, round).await.outcome, Outcome::Cancelled);
    }
    assert_eq!(engine.kill(holder, None).await.unwrap(), [1]);
    until(&engine, || engine.is_idle(holder)).await;
    assert_eq!(engine.kill(holder, None).await.unwrap(), [0_u32; 0]);
    engine.drain().await;
}

#[test]
fn waiting_is_no_reason_to_give_a_round_up() {
    let scene = scene();
    let mut session = None;
    // Dies again and again, without a clean stop; the round only ever waits for its secrets.
    for life in 0..6 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let store = runtime.block_on(async {
            let engine = engine(&scene).await;
            let session = match session {
                Some(session) => session,
                None => engine.spawn(request(&scene, "k", true)).await.unwrap().session,
            };
            if life == 0 {
                // It had begun once.
                let rounds = engine.store.read(move |reader| reader.rounds(session)).await.unwrap();
                engine.store.commit(vec![Change::RoundStarted { id: rounds[0].id, log_dir: None }]).await.unwrap();
            }
            until(&engine, || engine.state(session) == "needs_credentials" || engine.is_idle(session)).await;
            assert_eq!(engine.state(session), "needs_credentials", "life {life}");
            engine.store.clone()
        });
        session = session.or_else(|| Some(runtime.block_on(async { newest(&store).await })));
        drop(runtime);
        store.close();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let engine = engine(&scene).await;
        let session = newest(&engine.store).await;
        until(&engine, || engine.state(session) == "needs_credentials").await;
        engine.vault.provide(&secrets());
        until(&engine, || engine.is_idle(session)).await;
        assert_eq!(report(&engine, session, 1).await.outcome, Outcome::Completed);
        engine.drain().await;
    });
}

async fn newest(store: &Store) -> SessionId {
    store.read(|reader| reader.newest_session()).await.unwrap().unwrap().id
}

#[tokio::test]
async fn an_attach_shows_every_event_once_and_ends() {
    let scene = scene();
    let engine = engine(&scene).await;
    let handlers = crate::handlers::Handlers::new(Arc::clone(&engine));
    let session = engine.spawn(request(&scene, "k", false)).await.unwrap().session;
    // The second one looks when all is over.
    for _ in 0..2 {
        let (responder, mut answers) = Responder::pair(1 << 20);
        let request =
            Attach { session: SessionName::Last, from: From::Start, follow: false, text: true, until_round: Some(1) };
        let handling = tokio::spawn(handlers.handle(proto::message::Request::Attach(request), responder));
        let mut positions = Vec::new();
        let end = loop {
            match answers.next().await.unwrap().unwrap() {
                (false, Reply::Events(events)) => positions.extend(events.lines.iter().map(|line| line.seq)),
                (false, _) => {}
                (true, Reply::AttachEnd(end)) => break end,
                (true, other) => panic!("{other:?}"),
            }
        };
        handling.await.unwrap();
        assert_eq!((end.reason, end.exit_code), (EndReason::Idle, Some(0)));
        assert_eq!(positions, (1..=end.seq).collect::<Vec<_>>());
        assert!(end.seq > 5);
    }
    until(&engine, || engine.is_idle(session)).await;
    engine.drain().await;
}

#[tokio::test]
async fn a_database_that_cannot_be_read_for_a_moment_ends_no_round() {
    let scene = scene();
    let engine = engine(&scene).await;
    let session = engine.spawn(request(&scene, "k", true)).await.unwrap().session;
    let mut head = engine.store.head(session).await.unwrap();
    // It is queued, and says what it waits for.
    while *head.borrow_and_update() < 2 {
        head.changed().await.unwrap();
    }
    // The round reads again once it has its secrets, and no connection for that can be opened.
    engine.store.close_readers();
    let (path, aside) = (scene.at("state").join(proto::endpoint::DATABASE_FILE), scene.at("aside"));
    std::fs::rename(&path, &aside).unwrap();
    engine.vault.provide(&secrets());
    let given_up = until(&engine, || engine.is_idle(session) || engine.state(session).starts_with("stuck: "));
    tokio::time::timeout(std::time::Duration::from_secs(10), given_up).await.unwrap();
    assert!(!engine.is_idle(session));
    std::fs::rename(&aside, &path).unwrap();
    until(&engine, || engine.is_idle(session)).await;
    assert_eq!(report(&engine, session, 1).await.outcome, Outcome::Completed);
    engine.drain().await;
}

#[tokio::test]
async fn a_round_that_is_left_open_has_no_result_of_another_one() {
    let scene = scene();
    let engine = engine(&scene).await;
    let handlers = crate::handlers::Handlers::new(Arc::clone(&engine));
    let session = engine.spawn(request(&scene, "k", false)).await.unwrap().session;
    until(&engine, || engine.is_idle(session)).await;
    let name = || SessionName::Prefix(session.to_string());
    let wait = || proto::message::Request::Wait(proto::message::Wait { session: name() });
    let attach = |until_round| {
        proto::message::Request::Attach(Attach {
            session: name(),
            from: From::Now,
            follow: false,
            text: false,
            until_round,
        })
    };
    // Stored, but nobody plays it.
    let ask = async |request| {
        let (responder, mut answers) = Responder::pair(1 << 20);
        let handling = tokio::spawn(handlers.handle(request, responder));
        let last = loop {
            if let (true, reply) = answers.next().await.unwrap().unwrap() {
                break reply;
            }
        };
        handling.await.unwrap();
        last
    };
    assert!(matches!(ask(wait()).await, Reply::Waited(waited) if waited.round == 1));
    let spec = engine.store.read(move |reader| reader.session_spec(session)).await.unwrap().unwrap();
    let spec = RoundSpec {
        task: "more".to_owned(),
        work_dir: None,
        settings: spec.flags.resolve(),
        config: spec.config,
        env: BTreeMap::new(),
        secret_env: BTreeMap::new(),
    };
    let left = Change::NewRound { session, round: 2, id: RoundId::random(), spec: Box::new(spec) };
    engine.store.commit(vec![left]).await.unwrap();
    for request in [wait(), attach(None), attach(Some(2))] {
        let answer = ask(request).await;
        let Reply::Failed(error) = answer else { panic!("{answer:?}") };
        assert_eq!(error.exit_code, exit::SOFTWARE, "{error:?}");
        assert!(error.message.contains("round 2 of session"), "{error:?}");
    }
    assert!(matches!(ask(attach(Some(1))).await, Reply::AttachEnd(end) if end.exit_code == Some(0)));
    engine.drain().await;
}

#[tokio::test]
async fn nothing_is_queued_while_an_undo_makes_up_its_mind() {
    let scene = scene();
    let engine = engine(&scene).await;
    let session = engine.spawn(request(&scene, "k", false)).await.unwrap().session;
    until(&engine, || engine.is_idle(session)).await;
    let row = engine.resolve(&SessionName::Last).await.unwrap();
    let order = engine.sends.lock().await;
    let undoing = tokio::spawn({
        let engine = Arc::clone(&engine);
        async move { engine.undo(row, Some(1)).await }
    });
    tokio::pin!(undoing);
    let moment = std::time::Duration::from_millis(500);
    assert!(tokio::time::timeout(moment, undoing.as_mut()).await.is_err(), "it doesn't wait for what is being sent");
    // A round that came in between: it would find half of the other one.
    let spec = engine.store.read(move |reader| reader.session_spec(session)).await.unwrap().unwrap();
    let spec = RoundSpec {
        task: "more".to_owned(),
        work_dir: None,
        settings: spec.flags.resolve(),
        config: spec.config,
        env: BTreeMap::new(),
        secret_env: BTreeMap::new(),
    };
    let between = Change::NewRound { session, round: 2, id: RoundId::random(), spec: Box::new(spec) };
    engine.store.commit(vec![between]).await.unwrap();
    drop(order);
    let refused = undoing.await.unwrap().unwrap_err();
    assert_eq!(refused.exit_code, exit::TRY_AGAIN, "{refused}");
    assert!(scene.at("work/a.c").exists());
    assert_eq!(engine.store.read(move |reader| reader.unfinished_undo(session)).await.unwrap(), None);
    engine.drain().await;
}

#[tokio::test]
async fn an_undo_that_cannot_be_finished_any_more_is_given_up_when_it_is_asked_for_again() {
    let scene = scene();
    let engine = engine(&scene).await;
    let session = engine.spawn(request(&scene, "k", false)).await.unwrap().session;
    until(&engine, || engine.is_idle(session)).await;
    let row = engine.resolve(&SessionName::Last).await.unwrap();
    // It came half-way, then somebody else changed what was left.
    let rounds = engine.store.read(move |reader| reader.rounds(session)).await.unwrap();
    engine.store.commit(vec![Change::UndoBegun { id: rounds[0].id }]).await.unwrap();
    std::fs::remove_file(scene.at("work/a.c")).unwrap();
    std::fs::write(scene.at("work/b.c"), "other").unwrap();
    let refused = engine.send(more(session, "2")).await.unwrap_err();
    assert!(refused.hint.unwrap().contains("gives it up"));
    let refused = engine.undo(row.clone(), Some(1)).await.unwrap_err();
    assert!(refused.message.contains("b.c") && refused.message.contains("given up"), "{refused}");
    assert_eq!(std::fs::read_to_string(scene.at("work/b.c")).unwrap(), "other");
    // Its files can still be made what the round left, and then it goes on.
    std::fs::write(scene.at("work/b.c"), "int b(void) { return c(); }\n").unwrap();
    let undone = engine.undo(row, Some(1)).await.unwrap();
    assert_eq!((undone.files.len(), scene.at("work/b.c").exists()), (2, false));
    assert_eq!(engine.send(more(session, "2")).await.unwrap().round, 2);
    until(&engine, || engine.is_idle(session)).await;
    engine.drain().await;
}

#[tokio::test]
async fn there_is_an_end_to_what_waits_in_memory() {
    let scene = scene();
    let engine = engine(&scene).await;
    let others: Vec<SessionId> = (0..MAX_ACTIVE).map(|_| SessionId::random()).collect();
    engine.active.lock().unwrap().extend(others.iter().map(|id| (*id, Active::default())));
    let refused = engine.spawn(request(&scene, "k", false)).await.unwrap_err();
    assert_eq!(refused.exit_code, exit::TRY_AGAIN, "{refused}");
    engine.active.lock().unwrap().remove(&others[0]);
    let session = engine.spawn(request(&scene, "k", false)).await.unwrap().session;
    until(&engine, || engine.is_idle(session)).await;
    engine.drain().await;
}
