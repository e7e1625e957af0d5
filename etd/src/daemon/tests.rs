#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

mod hostile;

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use proto::codec::{FrameKind, Header, MAX_FIRST_FRAME, MAX_FRAME, join, split};
use proto::config::SecretRef;
use proto::message::{Cancel, Done, Hello, List, LiveText, Reply, Request, SessionName, Show, Wait};
use proto::outcome::exit;
use proto::preamble::{FIXED, Fixed, Kind, Preamble, Status};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;

/// Longer than anything takes here: only a hang meets it.
const HANG: Duration = Duration::from_secs(20);

/// Answers `List` at once, `Wait` never (it tells when it begins and when it is dropped), `Show` with items without end, and panics at
/// `Kill`.
struct Scripted {
    running: u64,
    waits: watch::Sender<i64>,
    drained: Notify,
    /// How many items a `Show` could send so far.
    items: watch::Sender<u64>,
}

struct Waiting(watch::Sender<i64>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.send_modify(|waits| *waits -= 1);
    }
}

impl Service for Scripted {
    fn counts(&self) -> Counts {
        Counts { sessions: 3, running: self.running }
    }

    fn needs(&self) -> Vec<SecretRef> {
        vec![SecretRef("env:KEY".to_owned())]
    }

    fn handle(&self, request: Request, responder: Responder) -> BoxFuture<'static, ()> {
        let (waits, items) = (self.waits.clone(), self.items.clone());
        async move {
            match request {
                Request::Wait(_) => {
                    waits.send_modify(|waits| *waits += 1);
                    let _waiting = Waiting(waits);
                    std::future::pending::<()>().await;
                }
                Request::Show(_) => {
                    while responder.item(piece()).await.is_ok() {
                        items.send_modify(|items| *items += 1);
                    }
                }
                Request::Kill(_) => panic!("scripted"),
                _ => responder.finish(Reply::Done(Done {})).await,
            }
        }
        .boxed()
    }

    fn drain(&self) -> BoxFuture<'static, ()> {
        self.drained.notify_one();
        std::future::ready(()).boxed()
    }
}

fn piece() -> Reply {
    Reply::LiveText(LiveText {
        round: 1,
        worker: "1".to_owned(),
        model: "m".to_owned(),
        restart: false,
        text: "x".repeat(32 * 1024),
        tokens: 1,
    })
}

struct Daemon {
    dir: tempfile::TempDir,
    service: Arc<Scripted>,
    stop: Stop,
    task: JoinHandle<Result<Ended, RunError>>,
}

impl Daemon {
    fn socket(&self) -> PathBuf {
        self.dir.path().join("run/s")
    }

    fn record(&self) -> LockRecord {
        serde_json::from_slice(&std::fs::read(self.dir.path().join("state/etd.lock")).unwrap()).unwrap()
    }

    async fn start() -> Self {
        Self::start_with(Limits::default(), 0).await
    }

    async fn start_with(limits: Limits, running: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let service = Arc::new(Scripted {
            running,
            waits: watch::Sender::new(0),
            drained: Notify::new(),
            items: watch::Sender::new(0),
        });
        let stop = Stop::new();
        let (task, readiness) = launch(dir.path(), limits, Patience::default(), &stop, &service);
        let daemon = Self { dir, service, stop, task };
        assert_eq!(timeout(HANG, readiness).await.unwrap().unwrap(), Readiness::Ready(daemon.socket()));
        daemon
    }

    async fn end(self) {
        self.stop.drain();
        timeout(HANG, self.task).await.unwrap().unwrap().unwrap();
    }
}

type Launched = (JoinHandle<Result<Ended, RunError>>, tokio::sync::oneshot::Receiver<Readiness>);

fn launch(dir: &Path, limits: Limits, patience: Patience, stop: &Stop, service: &Arc<Scripted>) -> Launched {
    let (tell, readiness) = tokio::sync::oneshot::channel();
    let socket = dir.join("run/s").to_str().unwrap().to_owned();
    let options = Options {
        state_dir: dir.join("state"),
        var: Box::new(move |name| (name == "ET_SOCKET").then(|| socket.clone())),
        ready: Box::new(move |readiness| tell.send(readiness.clone()).unwrap()),
        limits,
        patience,
        stop: stop.clone(),
    };
    let service = Arc::clone(service);
    (tokio::spawn(run(options, async move |_| Ok(service))), readiness)
}

/// A client made of bytes.
struct Client(UnixStream);

impl Client {
    async fn preamble(path: &Path, kind: Kind, version: u16) -> (UnixStream, Preamble) {
        let mut stream = UnixStream::connect(path).await.unwrap();
        let asked = Preamble { kind, version, status: Status::Ok, text: "0".to_owned() };
        stream.write_all(&asked.encode()).await.unwrap();
        let mut fixed = [0; FIXED];
        timeout(HANG, stream.read_exact(&mut fixed)).await.unwrap().unwrap();
        let fixed = Fixed::decode(&fixed).unwrap();
        let mut text = vec![0; fixed.text_len];
        stream.read_exact(&mut text).await.unwrap();
        (stream, fixed.with_text(text).unwrap())
    }

    async fn bare(daemon: &Daemon) -> Self {
        let (stream, answer) = Self::preamble(&daemon.socket(), Kind::Data, proto::PROTOCOL_VERSION).await;
        assert_eq!(answer.status, Status::Ok);
        Self(stream)
    }

    async fn greeted(daemon: &Daemon) -> Self {
        let mut client = Self::bare(daemon).await;
        client.ask(1, &Request::Hello(Hello { build: "0".to_owned() })).await;
        let Some((1, FrameKind::Reply, Reply::Welcome(welcome))) = client.answer().await else { panic!("no welcome") };
        assert_eq!((welcome.pid, welcome.needs.len()), (std::process::id(), 1));
        client
    }

    async fn ask(&mut self, number: u32, request: &Request) {
        self.send(&request.encode(FrameKind::Request, number).unwrap()).await;
    }

    async fn send(&mut self, content: &[u8]) {
        let mut bytes = (content.len() as u32).to_le_bytes().to_vec();
        bytes.extend_from_slice(content);
        self.0.write_all(&bytes).await.unwrap();
    }

    /// The next answer; none if the connection ended.
    async fn answer(&mut self) -> Option<(u32, FrameKind, Reply)> {
        timeout(HANG, async {
            let length = self.0.read_u32_le().await.ok()?;
            let mut bytes = vec![0; length as usize];
            self.0.read_exact(&mut bytes).await.ok()?;
            let (header, body) = split(&bytes).unwrap();
            Some((header.request, header.kind, Reply::decode(header.message, body).unwrap()))
        })
        .await
        .expect("the daemon neither answers nor closes")
    }

    async fn failure(&mut self) -> (u32, u8) {
        match self.answer().await {
            Some((number, FrameKind::Reply, Reply::Failed(failed))) => (number, failed.exit_code),
            other => panic!("{other:?}"),
        }
    }

    async fn still_works(&mut self) {
        self.ask(99, &Request::List(List {})).await;
        assert_eq!(self.answer().await, Some((99, FrameKind::Reply, Reply::Done(Done {}))));
    }
}

fn wait() -> Request {
    Request::Wait(Wait { session: SessionName::Last })
}

fn show() -> Request {
    Request::Show(Show { session: SessionName::Last })
}

#[tokio::test]
async fn lock_and_socket_are_private_and_tell_the_state() {
    let daemon = Daemon::start().await;
    let record = daemon.record();
    assert_eq!((record.pid, record.state), (std::process::id(), DaemonState::Ready));
    assert_eq!(record.endpoint, daemon.socket());
    let mode = |path: &str| std::fs::metadata(daemon.dir.path().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!([mode("state"), mode("state/etd.lock"), mode("run"), mode("run/s")], [0o700, 0o600, 0o700, 0o600]);

    daemon.stop.drain();
    let ended = timeout(HANG, daemon.task).await.unwrap().unwrap().unwrap();
    assert_eq!(std::fs::read_dir(daemon.dir.path().join("run")).unwrap().count(), 0);
    let record = std::fs::read(daemon.dir.path().join("state/etd.lock")).unwrap();
    assert_eq!(serde_json::from_slice::<LockRecord>(&record).unwrap().state, DaemonState::Draining);
    drop(ended);
}

#[tokio::test]
async fn two_daemons_never_share_a_state_dir() {
    let first = Daemon::start().await;
    let patience = Patience { draining: HANG, other: Duration::ZERO };
    let stop = Stop::new();
    let (task, readiness) = launch(first.dir.path(), Limits::default(), patience, &stop, &first.service);
    let expected = Readiness::Already { pid: std::process::id(), socket: first.socket() };
    assert_eq!(readiness.await.unwrap(), expected);
    assert!(matches!(task.await.unwrap(), Err(RunError::Lock(LockError::Held { .. }))));
    Client::greeted(&first).await.still_works().await;

    // One that is going away is waited for.
    first.stop.drain();
    let mut first_task = first.task;
    let ended = (&mut first_task).await.unwrap().unwrap();
    let (second, readiness) = launch(first.dir.path(), Limits::default(), patience, &stop, &first.service);
    tokio::task::yield_now().await;
    assert!(!second.is_finished());
    drop(ended);
    assert!(matches!(timeout(HANG, readiness).await.unwrap().unwrap(), Readiness::Ready(_)));
    stop.drain();
    second.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_service_that_fails_leaves_no_socket_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("run/s").to_str().unwrap().to_owned();
    let (tell, readiness) = tokio::sync::oneshot::channel();
    let options = Options {
        state_dir: dir.path().join("state"),
        var: Box::new(move |name| (name == "ET_SOCKET").then(|| socket.clone())),
        ready: Box::new(move |readiness| tell.send(readiness.to_string()).unwrap()),
        limits: Limits::default(),
        patience: Patience::default(),
        stop: Stop::new(),
    };
    let failing = async |_| -> Result<Arc<Scripted>, StartError> {
        Err(StartError { stage: "store", cause: "too\nnew".to_owned() })
    };
    assert!(run(options, failing).await.is_err());
    assert_eq!(readiness.await.unwrap(), "failed store: too new");
    assert_eq!(std::fs::read_dir(dir.path().join("run")).unwrap().count(), 0);
}

#[tokio::test]
async fn dirs_that_others_can_enter_hold_no_socket() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let chosen = |socket: PathBuf| {
        endpoint::choose(&|name| (name == "ET_SOCKET").then(|| socket.to_str().unwrap().to_owned()), &state)
    };
    let open = dir.path().join("open");
    std::fs::create_dir(&open).unwrap();
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert!(matches!(chosen(open.join("s")), Err(EndpointError::NoDir(_))));
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o700)).unwrap();
    assert!(chosen(open.join("s")).is_ok());
    std::os::unix::fs::symlink(&open, dir.path().join("link")).unwrap();
    assert!(matches!(chosen(dir.path().join("link/s")), Err(EndpointError::NoDir(_))));
    let long = chosen(open.join("s".repeat(100))).unwrap_err();
    assert!(long.to_string().contains("ET_SOCKET"), "{long}");

    // An unusable dir isn't the end: the next one is taken.
    let runtime = dir.path().join("runtime");
    std::fs::create_dir(&runtime).unwrap();
    let var = |name: &str| (name == "XDG_RUNTIME_DIR").then(|| runtime.to_str().unwrap().to_owned());
    let path = endpoint::choose(&var, &state).unwrap();
    assert!(path.starts_with(runtime.join("et")));
    assert_ne!(path.file_name().unwrap(), proto::endpoint::SOCKET_FILE);
    std::fs::set_permissions(runtime.join("et"), std::fs::Permissions::from_mode(0o711)).unwrap();
    assert!(!endpoint::choose(&var, &state).is_ok_and(|path| path.starts_with(&runtime)));
}

#[tokio::test]
async fn a_socket_that_is_gone_or_replaced_is_published_again() {
    let limits = Limits { watch: Duration::from_millis(10), ..Limits::default() };
    let daemon = Daemon::start_with(limits, 0).await;
    let socket = daemon.socket();
    let replaced = async |former: u64| {
        while !std::fs::metadata(&socket).is_ok_and(|now| now.ino() != former) {
            tokio::task::yield_now().await;
        }
    };
    let first = std::fs::metadata(&socket).unwrap().ino();
    // The name is kept busy elsewhere, so that the inode isn't used again.
    std::fs::rename(&socket, daemon.dir.path().join("run/moved")).unwrap();
    timeout(HANG, replaced(first)).await.unwrap();
    Client::greeted(&daemon).await.still_works().await;

    std::fs::rename(&socket, daemon.dir.path().join("run/moved2")).unwrap();
    std::fs::write(daemon.dir.path().join("run/file"), "").unwrap();
    let file = std::fs::metadata(daemon.dir.path().join("run/file")).unwrap().ino();
    std::fs::rename(daemon.dir.path().join("run/file"), &socket).unwrap();
    timeout(HANG, replaced(file)).await.unwrap();
    while UnixStream::connect(&socket).await.is_err() {
        tokio::task::yield_now().await;
    }
    daemon.end().await;
}

#[tokio::test]
async fn somebody_elses_socket_is_left_alone_at_the_end() {
    let daemon = Daemon::start().await;
    let socket = daemon.socket();
    std::fs::rename(&socket, daemon.dir.path().join("run/moved")).unwrap();
    std::fs::write(&socket, "not a socket").unwrap();
    daemon.stop.drain();
    timeout(HANG, daemon.task).await.unwrap().unwrap().unwrap();
    assert_eq!(std::fs::read(&socket).unwrap(), b"not a socket");
}

#[tokio::test]
async fn status_and_stop_are_answered_to_any_version() {
    let daemon = Daemon::start_with(Limits::default(), 2).await;
    let (mut stream, status) = Client::preamble(&daemon.socket(), Kind::ControlStatus, 999).await;
    assert_eq!(status.status, Status::Ok);
    for line in ["state=ready", "sessions=3", "running=2", &format!("pid={}", std::process::id())] {
        assert!(status.text.lines().any(|found| found == line), "{line} in {}", status.text);
    }
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
    let (_, answer) = Client::preamble(&daemon.socket(), Kind::ControlStop, 999).await;
    assert_eq!(answer.status, Status::Ok);
    timeout(HANG, daemon.task).await.unwrap().unwrap().unwrap();
    timeout(HANG, daemon.service.drained.notified()).await.unwrap();
}

#[tokio::test]
async fn another_version_hears_whether_it_may_be_replaced() {
    for (running, word) in [(0, "idle"), (1, "busy")] {
        let daemon = Daemon::start_with(Limits::default(), running).await;
        let (_, answer) = Client::preamble(&daemon.socket(), Kind::Data, proto::PROTOCOL_VERSION + 1).await;
        assert_eq!(answer.status, Status::OtherVersion);
        assert_eq!(answer.text, format!("{word} {}", proto::BUILD));
        daemon.end().await;
    }
}

#[tokio::test]
async fn too_many_connections_are_told_so_and_status_still_answers() {
    let limits = Limits { connections: 1, ..Limits::default() };
    let daemon = Daemon::start_with(limits, 0).await;
    let mut first = Client::greeted(&daemon).await;
    let (_second, answer) = Client::preamble(&daemon.socket(), Kind::Data, proto::PROTOCOL_VERSION).await;
    assert_eq!(answer.status, Status::Overloaded);
    let (_third, answer) = Client::preamble(&daemon.socket(), Kind::ControlStatus, proto::PROTOCOL_VERSION).await;
    assert_eq!(answer.status, Status::Ok);
    first.still_works().await;
    daemon.end().await;
}

#[tokio::test]
async fn who_says_nothing_or_nonsense_is_closed() {
    let short = Duration::from_millis(30);
    let limits = Limits { preamble: short, hello: short, ..Limits::default() };
    let daemon = Daemon::start_with(limits, 0).await;
    let mut silent = UnixStream::connect(daemon.socket()).await.unwrap();
    assert_eq!(timeout(HANG, silent.read(&mut [0])).await.unwrap().unwrap(), 0);
    let mut foreign = UnixStream::connect(daemon.socket()).await.unwrap();
    foreign.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    assert!(matches!(timeout(HANG, foreign.read(&mut [0])).await.unwrap(), Ok(0) | Err(_)));
    assert!(Client::bare(&daemon).await.answer().await.is_none());
    daemon.end().await;
}

#[tokio::test]
async fn the_first_frame_is_short_and_a_hello() {
    let daemon = Daemon::start().await;
    let mut client = Client::bare(&daemon).await;
    client.send(&vec![1; MAX_FIRST_FRAME + 1]).await;
    assert!(client.answer().await.is_none());
    let mut client = Client::bare(&daemon).await;
    client.ask(5, &Request::List(List {})).await;
    assert_eq!(client.failure().await, (5, exit::SOFTWARE));
    assert!(client.answer().await.is_none());
    daemon.end().await;
}

#[tokio::test]
async fn unknown_and_malformed_messages_fail_and_the_connection_lives() {
    let daemon = Daemon::start().await;
    let mut client = Client::greeted(&daemon).await;
    client.send(&join(Header { kind: FrameKind::Request, message: 7777, request: 2 }, b"")).await;
    assert_eq!(client.failure().await, (2, exit::SOFTWARE));
    client.send(&join(Header { kind: FrameKind::Request, message: 5, request: 3 }, b"left over")).await;
    assert_eq!(client.failure().await, (3, exit::SOFTWARE));
    let kill = proto::message::Kill { session: SessionName::Last, round: None };
    client.ask(4, &Request::Kill(kill)).await;
    assert_eq!(client.failure().await, (4, exit::SOFTWARE));
    client.still_works().await;
    // A frame longer than the first may be is fine by now.
    let long = Request::Show(Show { session: SessionName::Prefix("x".repeat(2 * MAX_FIRST_FRAME)) });
    client.ask(5, &long).await;
    assert!(matches!(client.answer().await, Some((5, FrameKind::Item, _))));
    daemon.end().await;
}

#[tokio::test]
async fn garbage_framing_closes_the_connection() {
    let daemon = Daemon::start().await;
    let too_long = ((MAX_FRAME + 1) as u32).to_le_bytes().to_vec();
    let too_short = [&3_u32.to_le_bytes()[..], b"abc"].concat();
    let reply = Reply::Done(Done {}).encode(FrameKind::Reply, 2).unwrap();
    let reply = [&(reply.len() as u32).to_le_bytes()[..], &reply].concat();
    for bytes in [too_long, too_short, reply] {
        let mut client = Client::greeted(&daemon).await;
        client.0.write_all(&bytes).await.unwrap();
        assert!(client.answer().await.is_none(), "{bytes:?}");
    }
    Client::greeted(&daemon).await.still_works().await;
    daemon.end().await;
}

#[tokio::test]
async fn requests_run_side_by_side_up_to_a_number() {
    let limits = Limits { requests: 2, ..Limits::default() };
    let daemon = Daemon::start_with(limits, 0).await;
    let mut waits = daemon.service.waits.subscribe();
    let mut client = Client::greeted(&daemon).await;
    client.ask(2, &wait()).await;
    client.still_works().await;
    client.ask(3, &wait()).await;
    timeout(HANG, waits.wait_for(|waits| *waits == 2)).await.unwrap().unwrap();
    client.ask(4, &wait()).await;
    assert_eq!(client.failure().await, (4, exit::TRY_AGAIN));

    client.ask(0, &Request::Cancel(Cancel { request: 2 })).await;
    timeout(HANG, waits.wait_for(|waits| *waits == 1)).await.unwrap().unwrap();
    drop(client);
    timeout(HANG, waits.wait_for(|waits| *waits == 0)).await.unwrap().unwrap();
    daemon.end().await;
}

#[tokio::test]
async fn a_number_that_is_in_use_breaks_the_connection() {
    let daemon = Daemon::start().await;
    let mut client = Client::greeted(&daemon).await;
    client.ask(2, &wait()).await;
    client.ask(2, &wait()).await;
    assert!(client.answer().await.is_none());
    daemon.end().await;
}

#[tokio::test]
async fn a_client_that_reads_nothing_holds_little_and_is_closed() {
    let limits = Limits { write_stall: Duration::from_millis(200), buffered: 256 * 1024, ..Limits::default() };
    let daemon = Daemon::start_with(limits, 0).await;
    let mut slow = Client::greeted(&daemon).await;
    slow.ask(2, &show()).await;
    slow.ask(3, &wait()).await;
    let mut waits = daemon.service.waits.subscribe();
    timeout(HANG, waits.wait_for(|waits| *waits == 1)).await.unwrap().unwrap();
    // Others aren't delayed meanwhile.
    Client::greeted(&daemon).await.still_works().await;
    // Closed, and its requests with it.
    timeout(HANG, waits.wait_for(|waits| *waits == 0)).await.unwrap().unwrap();
    // What waited is what the kernel's buffer, the writer and the queue hold: well below 2 MiB of 32 KiB pieces.
    assert!(*daemon.service.items.borrow() < 64, "{}", *daemon.service.items.borrow());
    daemon.end().await;
}

#[tokio::test]
async fn live_text_is_skipped_without_room_and_items_wait() {
    let (responder, mut answers) = Responder::pair(40 * 1024);
    assert!(responder.try_item(piece()));
    assert!(!responder.try_item(piece()));
    let mut waiting = Box::pin(responder.item(piece()));
    assert!(waiting.as_mut().now_or_never().is_none());
    assert!(matches!(answers.next().await, Some(Ok((false, Reply::LiveText(_))))));
    assert_eq!(waiting.as_mut().await, Ok(()));
    drop(waiting);
    assert!(answers.next().await.is_some());
    responder.finish(Reply::Done(Done {})).await;
    assert_eq!(answers.next().await, Some(Ok((true, Reply::Done(Done {})))));
    assert_eq!(answers.next().await, None);
}

#[tokio::test]
async fn draining_ends_idle_connections_and_refuses_new_ones() {
    struct Slow(mpsc::Sender<()>, Arc<Notify>);
    impl Service for Slow {
        fn counts(&self) -> Counts {
            Counts::default()
        }
        fn needs(&self) -> Vec<SecretRef> {
            vec![SecretRef("env:KEY".to_owned())]
        }
        fn handle(&self, _: Request, responder: Responder) -> BoxFuture<'static, ()> {
            responder.finish(Reply::Done(Done {})).boxed()
        }
        fn drain(&self) -> BoxFuture<'static, ()> {
            let (began, go) = (self.0.clone(), Arc::clone(&self.1));
            async move {
                began.send(()).await.unwrap();
                go.notified().await;
            }
            .boxed()
        }
    }

    let dir = tempfile::tempdir().unwrap();
    let (began, mut draining) = mpsc::channel(1);
    let go = Arc::new(Notify::new());
    let service = Arc::new(Slow(began, Arc::clone(&go)));
    let socket = dir.path().join("run/s");
    let name = socket.to_str().unwrap().to_owned();
    let (tell, readiness) = tokio::sync::oneshot::channel();
    let stop = Stop::new();
    let options = Options {
        state_dir: dir.path().join("state"),
        var: Box::new(move |var| (var == "ET_SOCKET").then(|| name.clone())),
        ready: Box::new(move |readiness| tell.send(readiness.clone()).unwrap()),
        limits: Limits { drain: HANG, ..Limits::default() },
        patience: Patience::default(),
        stop: stop.clone(),
    };
    let task = tokio::spawn(run(options, async move |_| Ok(service)));
    readiness.await.unwrap();
    let (stream, _) = Client::preamble(&socket, Kind::Data, proto::PROTOCOL_VERSION).await;
    let mut idle = Client(stream);
    idle.ask(1, &Request::Hello(Hello { build: "0".to_owned() })).await;
    assert!(idle.answer().await.is_some());

    stop.drain();
    timeout(HANG, draining.recv()).await.unwrap().unwrap();
    assert!(idle.answer().await.is_none());
    let (_, answer) = Client::preamble(&socket, Kind::Data, proto::PROTOCOL_VERSION).await;
    assert_eq!(answer.status, Status::Draining);
    let (_, answer) = Client::preamble(&socket, Kind::ControlStatus, proto::PROTOCOL_VERSION).await;
    assert!(answer.text.contains("state=draining"), "{}", answer.text);
    go.notify_one();
    timeout(HANG, task).await.unwrap().unwrap().unwrap();
    assert!(!socket.exists());
}

#[tokio::test]
async fn a_second_word_ends_it_at_once() {
    let daemon = Daemon::start().await;
    let mut client = Client::greeted(&daemon).await;
    let mut waits = daemon.service.waits.subscribe();
    client.ask(2, &wait()).await;
    timeout(HANG, waits.wait_for(|waits| *waits == 1)).await.unwrap().unwrap();
    let socket = daemon.socket();
    daemon.stop.now();
    timeout(HANG, daemon.task).await.unwrap().unwrap().unwrap();
    assert!(!socket.exists());
    assert!(client.answer().await.is_none());
}
