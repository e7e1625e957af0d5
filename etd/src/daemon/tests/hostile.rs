//! Clients that mean no good.

use super::*;

#[tokio::test]
async fn a_frame_may_come_byte_by_byte_and_has_to_come_to_an_end() {
    let limits = Limits { frame: Duration::from_millis(100), ..Limits::default() };
    let daemon = Daemon::start_with(limits, 0).await;
    let mut client = Client::greeted(&daemon).await;
    let content = Request::List(List {}).encode(FrameKind::Request, 7).unwrap();
    for byte in (content.len() as u32).to_le_bytes().iter().chain(&content) {
        client.0.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert!(matches!(client.answer().await, Some((7, FrameKind::Reply, Reply::Done(_)))));
    for half in [&[1][..], &[100, 0, 0, 0], &[100, 0, 0, 0, 1, 5]] {
        let mut client = Client::greeted(&daemon).await;
        client.0.write_all(half).await.unwrap();
        assert!(client.answer().await.is_none(), "{half:?}");
    }
    // Between frames nobody is hurried.
    client.still_works().await;
    daemon.end().await;
}

#[tokio::test]
async fn long_frames_of_all_clients_share_one_room() {
    let limits = Limits { incoming: MAX_FRAME, ..Limits::default() };
    let daemon = Daemon::start_with(limits, 0).await;
    let mut holder = Client::greeted(&daemon).await;
    let mut half = (MAX_FRAME as u32).to_le_bytes().to_vec();
    half.resize(100_000, 1);
    holder.0.write_all(&half).await.unwrap();
    // It has begun: what follows here is more than the buffers between us hold.
    holder.0.write_all(&vec![1; 1024 * 1024]).await.unwrap();
    let mut second = Client::greeted(&daemon).await;
    let long = Request::Show(Show { session: SessionName::Prefix("x".repeat(100_000)) });
    second.ask(2, &long).await;
    // What is short needs no room.
    Client::greeted(&daemon).await.still_works().await;
    let mut sent = daemon.service.items.subscribe();
    assert_eq!(*sent.borrow_and_update(), 0);
    drop(holder);
    timeout(HANG, sent.changed()).await.unwrap().unwrap();
    assert!(matches!(second.answer().await, Some((2, FrameKind::Item, _))));
    daemon.end().await;
}

#[tokio::test]
async fn requests_of_all_clients_have_a_limit() {
    let limits = Limits { all_requests: 2, ..Limits::default() };
    let daemon = Daemon::start_with(limits, 0).await;
    let mut waits = daemon.service.waits.subscribe();
    let (mut one, mut other) = (Client::greeted(&daemon).await, Client::greeted(&daemon).await);
    one.ask(2, &wait()).await;
    one.ask(3, &wait()).await;
    timeout(HANG, waits.wait_for(|waits| *waits == 2)).await.unwrap().unwrap();
    other.ask(2, &wait()).await;
    assert_eq!(other.failure().await, (2, exit::TRY_AGAIN));
    drop(one);
    timeout(HANG, waits.wait_for(|waits| *waits == 0)).await.unwrap().unwrap();
    // The place is given back with the task, a moment after its end was told.
    loop {
        other.ask(4, &Request::List(List {})).await;
        match other.answer().await {
            Some((4, _, Reply::Done(_))) => break,
            Some((4, _, Reply::Failed(failed))) => assert_eq!(failed.exit_code, exit::TRY_AGAIN),
            answer => panic!("{answer:?}"),
        }
    }
    daemon.end().await;
}

#[tokio::test]
async fn a_number_is_free_again_once_it_is_answered_or_cancelled() {
    let daemon = Daemon::start().await;
    let mut client = Client::greeted(&daemon).await;
    for _ in 0..300 {
        client.still_works().await;
    }
    let mut waits = daemon.service.waits.subscribe();
    for _ in 0..50 {
        client.ask(2, &wait()).await;
        client.ask(0, &Request::Cancel(Cancel { request: 2 })).await;
    }
    client.ask(2, &wait()).await;
    client.still_works().await;
    timeout(HANG, waits.wait_for(|waits| *waits == 1)).await.unwrap().unwrap();
    // It is the last one's: that can be cancelled, and not be doubled.
    client.ask(0, &Request::Cancel(Cancel { request: 2 })).await;
    timeout(HANG, waits.wait_for(|waits| *waits == 0)).await.unwrap().unwrap();
    client.ask(2, &wait()).await;
    client.ask(2, &wait()).await;
    assert!(client.answer().await.is_none());
    daemon.end().await;
}

#[tokio::test]
async fn whoever_is_far_too_many_is_told_without_a_word() {
    let limits = Limits { connections: 1, preamble: HANG, ..Limits::default() };
    let daemon = Daemon::start_with(limits, 0).await;
    let mut first = Client::greeted(&daemon).await;
    let mut crowd = Vec::new();
    for _ in 0..200 {
        crowd.push(UnixStream::connect(daemon.socket()).await.unwrap());
    }
    let mut late = UnixStream::connect(daemon.socket()).await.unwrap();
    let mut fixed = [0; FIXED];
    timeout(HANG, late.read_exact(&mut fixed)).await.unwrap().unwrap();
    assert_eq!(Fixed::decode(&fixed).unwrap().status, Status::Overloaded);
    first.still_works().await;
    drop(crowd);
    // Their places are free as soon as the daemon has seen them go.
    loop {
        let (_, answer) = Client::preamble(&daemon.socket(), Kind::ControlStatus, 1).await;
        if answer.status == Status::Ok {
            break;
        }
    }
    daemon.end().await;
}

#[tokio::test]
async fn a_dir_of_somebody_else_holds_no_socket() {
    if !nix::unistd::geteuid().is_root() {
        println!("not run: only root can give a dir away");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let theirs = dir.path().join("theirs");
    std::fs::create_dir(&theirs).unwrap();
    std::fs::set_permissions(&theirs, std::fs::Permissions::from_mode(0o700)).unwrap();
    let nobody = nix::unistd::Uid::from_raw(65_534);
    nix::unistd::chown(&theirs, Some(nobody), None).unwrap();
    let name = theirs.join("s").to_str().unwrap().to_owned();
    let error = endpoint::choose(&|var| (var == "ET_SOCKET").then(|| name.clone()), dir.path()).unwrap_err();
    assert!(error.to_string().contains("belongs to another user"), "{error}");
    // Under XDG_RUNTIME_DIR it is passed over, and nothing is left in it.
    std::fs::rename(&theirs, dir.path().join("et")).unwrap();
    let runtime = dir.path().to_str().unwrap().to_owned();
    let var = |name: &str| (name == "XDG_RUNTIME_DIR").then(|| runtime.clone());
    assert!(!endpoint::choose(&var, dir.path()).is_ok_and(|path| path.starts_with(dir.path())));
    assert_eq!(std::fs::read_dir(dir.path().join("et")).unwrap().count(), 0);
}
