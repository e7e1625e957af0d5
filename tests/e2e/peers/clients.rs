//! Whatever a client does, the others are served, and the daemon stays small.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use proto::codec::{FrameKind, Header, MAX_FRAME, join, split};
use proto::message::{Attach, From, List, Reply, Request, SessionName};
use proto::preamble::{Kind, Preamble, Status};
use tests::env::{Env, poll};
use tests::model::{Model, PATIENCE};
use tests::projects::stories;

use super::memory;
use crate::aftermath::assert_nothing_left;
use crate::daemon::Raw;

/// Connections that the daemon serves at once.
const CONNECTIONS: usize = 512;
/// What hostile clients may make the daemon take beyond what it has.
const MOST_MORE: u64 = 96 * 1024 * 1024;

fn started() -> (Env, Raw, u64) {
    let env = Env::new();
    env.et(["daemon", "start"]).run().assert_ok();
    let mut neighbour = Raw::open(&env);
    list(&mut neighbour);
    let before = memory(&env, "VmRSS");
    (env, neighbour, before)
}

fn list(neighbour: &mut Raw) {
    assert!(matches!(neighbour.ask(&Request::List(List {}), 2), Reply::Sessions(_)));
}

#[track_caller]
fn assert_small(env: &Env, before: u64) {
    let now = memory(env, "VmRSS");
    assert!(now < before + MOST_MORE, "{before} bytes became {now}");
}

#[test]
fn thousands_of_connections_delay_nobody() {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard.min(soft.max(8192)), hard).unwrap();
    let (env, mut neighbour, before) = started();
    let mut crowd: Vec<Raw> = (1..CONNECTIONS).map(|_| Raw::open(&env)).collect();
    // All places are taken: who comes now is told to try again, and the status is still there.
    env.et(["session", "list"]).run().assert_code(75).assert_stderr("too many connections");
    env.et(["daemon", "status"]).run().assert_ok();
    let endpoint = env.lock_record().unwrap().endpoint;
    let silent: Vec<UnixStream> = (0..2000).map(|_| UnixStream::connect(&endpoint).unwrap()).collect();
    env.et(["session", "list"]).run().assert_code(75).assert_stderr("too many connections");
    for raw in crowd.iter_mut().step_by(50) {
        list(raw);
    }
    let begun = Instant::now();
    list(&mut neighbour);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_small(&env, before);
    drop((silent, crowd));
    assert!(poll(PATIENCE, || env.et(["session", "list"]).run().code == Some(0)));
    assert_nothing_left(env);
}

#[test]
fn half_of_many_long_frames_takes_little() {
    let (env, mut neighbour, before) = started();
    let mut half = (MAX_FRAME as u32).to_le_bytes().to_vec();
    half.resize(4 + MAX_FRAME - 1, 1);
    let mut clients: Vec<(UnixStream, usize)> = (0..60).map(|_| (Raw::open(&env).0, 0)).collect();
    for (stream, _) in &clients {
        stream.set_nonblocking(true).unwrap();
    }
    // Until the daemon takes no more: it has answered many times since it last did.
    let mut still = 0;
    while still < 100 {
        still += 1;
        for (stream, sent) in &mut clients {
            while *sent < half.len() {
                match stream.write(&half[*sent..]) {
                    Ok(count) => {
                        *sent += count;
                        still = 0;
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
        list(&mut neighbour);
    }
    assert_small(&env, before);
    // Some got in, and the others wait for them.
    assert!(clients.iter().filter(|(_, sent)| *sent == half.len()).count() >= 3);
    drop(clients);
    list(&mut neighbour);
    drop(neighbour);
    assert_nothing_left(env);
}

#[test]
fn writing_without_reading_ends_by_itself() {
    let (env, mut neighbour, before) = started();
    let mut flood = Raw::open(&env);
    flood.0.set_nonblocking(true).unwrap();
    let mut bytes = Vec::new();
    for number in 3..10_000 {
        let ask = Request::List(List {}).encode(FrameKind::Request, number).unwrap();
        bytes.extend((ask.len() as u32).to_le_bytes());
        bytes.extend(ask);
    }
    let (mut sent, mut still) = (0, 0);
    while still < 100 {
        still += 1;
        match flood.0.write(&bytes[sent % bytes.len()..]) {
            Ok(count) => (sent, still) = (sent + count, 0),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        list(&mut neighbour);
    }
    assert!(sent > 0);
    assert_small(&env, before);
    drop(flood);
    list(&mut neighbour);
    drop(neighbour);
    assert_nothing_left(env);
}

/// The whole frames in these bytes, as far as they answer this request: positions of events.
fn positions(mut bytes: &[u8], request: u32) -> Vec<u64> {
    let mut found = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let Some((frame, rest)) = rest.split_at_checked(u32::from_le_bytes(*length) as usize) else { break };
        bytes = rest;
        let (header, body) = split(frame).unwrap();
        if header.request == request
            && let Ok(Reply::Events(events)) = Reply::decode(header.message, body)
        {
            found.extend(events.lines.iter().map(|line| line.seq));
        }
    }
    found
}

#[test]
fn who_reads_nothing_is_closed_and_goes_on_where_it_was() {
    let env = Env::new();
    env.set("ET_TEST_PAUSES", "daemon.write_stall=300ms");
    let model = Model::start(stories::wide(8));
    env.config(&model);
    env.et(["run", "-o", ".", "--quiet", "write the parts"]).run().assert_ok();
    let before = memory(&env, "VmRSS");
    let mut neighbour = Raw::open(&env);
    let attach = |from, follow| {
        Request::Attach(Attach { session: SessionName::Last, from, follow, text: true, until_round: None })
    };
    let mut deaf = Raw::open(&env);
    for request in 2..62 {
        deaf.send(&attach(From::Start, true).encode(FrameKind::Request, request).unwrap());
    }
    let closed = poll(PATIENCE, || {
        list(&mut neighbour);
        env.daemon_log().contains("whose client took nothing")
    });
    assert!(closed, "{}", env.daemon_log());
    assert_small(&env, before);
    let seen = positions(&deaf.rest(), 2);
    let mut again = Raw::open(&env);
    let next = seen.last().map_or(1, |last| last + 1);
    again.send(&attach(From::Seq(next), false).encode(FrameKind::Request, 2).unwrap());
    let mut rest = Vec::new();
    let mut chunk = [0; 64 * 1024];
    let whole = env.et(["session", "attach", "last", "--json", "--from", "start"]).run().events();
    let last = whole.iter().filter_map(|line| line.seq).max().unwrap();
    while seen.last().copied().or(Some(0)).max(positions(&rest, 2).last().copied()) < Some(last) {
        let count = again.0.read(&mut chunk).unwrap();
        assert!(count > 0, "closed before all was sent");
        rest.extend_from_slice(&chunk[..count]);
    }
    let all: Vec<u64> = seen.into_iter().chain(positions(&rest, 2)).collect();
    assert_eq!(all, (1..=last).collect::<Vec<_>>());
    drop((again, neighbour));
    assert_nothing_left(env);
}

#[test]
fn who_vanishes_midway_leaves_nothing() {
    let (env, mut neighbour, before) = started();
    let ours = Preamble { kind: Kind::Data, version: proto::PROTOCOL_VERSION, status: Status::Ok, text: String::new() };
    let hello = ours.encode();
    let ask = Request::List(List {}).encode(FrameKind::Request, 2).unwrap();
    let ask = [&(ask.len() as u32).to_le_bytes()[..], &ask].concat();
    let endpoint = env.lock_record().unwrap().endpoint;
    for round in 0..300_usize {
        // Half a preamble; half a frame; answers that nobody takes.
        let mut early = UnixStream::connect(&endpoint).unwrap();
        early.write_all(&hello[..round % hello.len()]).unwrap();
        if round % 10 == 0 {
            let mut late = Raw::open(&env).0;
            for _ in 0..5 {
                late.write_all(&ask).unwrap();
            }
            late.write_all(&ask[..round % ask.len()]).unwrap();
        }
    }
    list(&mut neighbour);
    assert_small(&env, before);
    let pid = env.daemon_pid().unwrap();
    let open = || std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    assert!(poll(PATIENCE, || open() < 40), "{} descriptors", open());
    drop(neighbour);
    assert_nothing_left(env);
}

#[test]
fn bodies_that_are_none_of_ours_harm_nobody() {
    let (env, mut neighbour, before) = started();
    // Lengths that claim more than there is, in each width; values that begin again and again; nothing.
    let claims =
        [&[0xfb; 64][..], &[0xfc; 64], &[0xfd; 64], &[0xff; 64], &[0; 64], &[1; 4096], &[2; 64 * 1024], b"{[", b""];
    for message in (0..64).chain([999, u16::MAX]) {
        let mut raw = Raw::open(&env);
        for (number, body) in (2..).zip(claims) {
            raw.send(&join(Header { kind: FrameKind::Request, message, request: number }, body));
        }
        // Those that mean something are answered as well; what counts is that this one is.
        raw.send(&Request::List(List {}).encode(FrameKind::Request, 77).unwrap());
        assert!(matches!(raw.reply(77), Reply::Sessions(_)), "message {message}");
    }
    list(&mut neighbour);
    assert_small(&env, before);
    drop(neighbour);
    assert_nothing_left(env);
}

/// A program that sends these bytes to a socket and says how many came back.
const STRANGER: &str = r#"
    use IO::Socket::UNIX;
    my $socket = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die "no connection: $!";
    $SIG{PIPE} = 'IGNORE';
    syswrite($socket, pack("H*", $ARGV[1]));
    my $count = sysread($socket, my $answer, 100);
    print "got ", ($count // 0), "\n";
"#;

#[test]
fn another_user_gets_not_a_byte() {
    if !nix::unistd::geteuid().is_root() {
        println!("not run: only root can become another user");
        return;
    }
    let (env, mut neighbour, _) = started();
    let pid = env.daemon_pid();
    let endpoint = env.lock_record().unwrap().endpoint;
    let talk = |uid: u32, kind: Kind| {
        let text = String::new();
        let bytes = Preamble { kind, version: proto::PROTOCOL_VERSION, status: Status::Ok, text }.encode();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut command = Command::new("/usr/bin/perl");
        command.args(["-e", STRANGER]).arg(&endpoint).arg(hex).env_clear().current_dir("/");
        let out = command.uid(uid).gid(uid).output().expect("perl is there");
        (out.status.success(), String::from_utf8_lossy(&out.stdout).into_owned())
    };
    // As things are, they don't even reach it.
    assert_eq!(talk(65_534, Kind::Data), (false, String::new()));
    let open = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    for path in endpoint.ancestors().skip(1).take_while(|path| path.starts_with(env.root())) {
        open(path, 0o755);
    }
    open(&endpoint, 0o666);
    for kind in [Kind::Data, Kind::ControlStatus, Kind::ControlStop] {
        assert_eq!(talk(65_534, kind), (true, "got 0\n".to_owned()), "{kind:?}");
    }
    // The same bytes from us are answered.
    let (ok, said) = talk(0, Kind::Data);
    assert!(ok && said.starts_with("got ") && said != "got 0\n", "{said}");
    list(&mut neighbour);
    assert_eq!(env.daemon_pid(), pid);
    drop(neighbour);
    assert_nothing_left(env);
}

#[test]
fn planted_socket_dirs_are_not_used() {
    let root = nix::unistd::geteuid().is_root();
    let plants: &[(&str, &str)] = &[
        ("a symlink", "not a dir"),
        ("a file", "not a dir"),
        ("open to others", "others have access"),
        ("somebody else's", "belongs to another user"),
    ];
    for (plant, why) in plants {
        if *plant == "somebody else's" && !root {
            println!("not run: only root can give a dir away");
            continue;
        }
        let env = Env::new();
        let (place, trap) = (env.root().join("run/et"), env.root().join("trap"));
        std::fs::create_dir(&trap).unwrap();
        std::fs::set_permissions(&trap, std::fs::Permissions::from_mode(0o700)).unwrap();
        match *plant {
            "a symlink" => symlink(&trap, &place).unwrap(),
            "a file" => std::fs::write(&place, "").unwrap(),
            "open to others" => {
                std::fs::create_dir(&place).unwrap();
                std::fs::set_permissions(&place, std::fs::Permissions::from_mode(0o777)).unwrap();
            }
            _ => {
                std::fs::create_dir(&place).unwrap();
                std::fs::set_permissions(&place, std::fs::Permissions::from_mode(0o700)).unwrap();
                std::os::unix::fs::chown(&place, Some(65_534), None).unwrap();
            }
        }
        // The first place is passed over for another one.
        env.et(["session", "list"]).run().assert_ok();
        let endpoint = env.lock_record().unwrap().endpoint;
        assert!(!endpoint.starts_with(env.root()), "{plant}: {}", endpoint.display());
        env.et(["daemon", "stop"]).run().assert_ok();
        // The one that was asked for isn't.
        let named = place.join("s").to_string_lossy().into_owned();
        env.et(["session", "list"]).env("ET_SOCKET", named).run().assert_code(69).assert_stderr(why);
        assert_eq!(std::fs::read_dir(&trap).unwrap().count(), 0, "{plant}");
        if place.is_dir() && !place.is_symlink() {
            assert_eq!(std::fs::read_dir(&place).unwrap().count(), 0, "{plant}");
        }
    }
}
