//! Where a daemon is found.

use std::path::{Path, PathBuf};

use proto::endpoint::{
    CHECK_ENV, DAEMON_ENV, DaemonState, LockRecord, NETWORK_ENV, explicit_socket, socket_dirs, socket_file, state_dir,
};

type Set = [(&'static str, &'static str)];

fn lookup(set: &'static Set) -> impl Fn(&str) -> Option<String> {
    move |name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
}

#[test]
fn the_state_dir() {
    let cases: [(&'static Set, Option<&str>); 7] = [
        (&[("HOME", "/h")], Some("/h/.local/state/et")),
        (&[("HOME", "/h"), ("XDG_STATE_HOME", "/x")], Some("/x/et")),
        (&[("HOME", "/h"), ("XDG_STATE_HOME", "/x"), ("ET_STATE_DIR", "/s")], Some("/s")),
        (&[("HOME", "/h"), ("XDG_STATE_HOME", "relative")], Some("/h/.local/state/et")),
        (&[("HOME", "/h"), ("XDG_STATE_HOME", ""), ("ET_STATE_DIR", "")], Some("/h/.local/state/et")),
        (&[("ET_STATE_DIR", "/s")], Some("/s")),
        (&[("HOME", "")], None),
    ];
    for (set, expected) in cases {
        assert_eq!(state_dir(&lookup(set)), expected.map(PathBuf::from), "{set:?}");
    }
}

#[test]
fn the_dirs_of_the_socket() {
    let cases: [(&'static Set, &[&str]); 4] = [
        (&[], &["/run/user/7/et", "/tmp/et-7"]),
        (&[("XDG_RUNTIME_DIR", "/x")], &["/x/et", "/run/user/7/et", "/tmp/et-7"]),
        (&[("XDG_RUNTIME_DIR", "/run/user/7")], &["/run/user/7/et", "/tmp/et-7"]),
        (&[("XDG_RUNTIME_DIR", "relative")], &["/run/user/7/et", "/tmp/et-7"]),
    ];
    for (set, expected) in cases {
        let expected: Vec<PathBuf> = expected.iter().map(PathBuf::from).collect();
        assert_eq!(socket_dirs(&lookup(set), 7), expected, "{set:?}");
    }
    assert_eq!(explicit_socket(&lookup(&[("ET_SOCKET", "/a/b.sock")])), Some(PathBuf::from("/a/b.sock")));
    assert_eq!(explicit_socket(&lookup(&[("ET_SOCKET", "")])), None);
    assert_eq!(explicit_socket(&lookup(&[])), None);
}

#[test]
fn the_name_of_the_socket() {
    assert_eq!(socket_file(Path::new("/anything"), true), "etd.sock");
    // Published vectors of FNV-1a.
    for (path, name) in
        [("", "etd-cbf29ce484222325.sock"), ("a", "etd-af63dc4c8601ec8c.sock"), ("foobar", "etd-85944171f73967e8.sock")]
    {
        assert_eq!(socket_file(Path::new(path), false), name);
    }
}

#[test]
fn the_lock_record_is_one_line_that_any_build_reads() {
    let record = LockRecord {
        pid: 7,
        start_time: 8,
        boot_id: "b".into(),
        endpoint: "/run/user/7/et/etd.sock".into(),
        state: DaemonState::Ready,
        build: "0.1.0".into(),
        activated: false,
    };
    let line = r#"{"pid":7,"start_time":8,"boot_id":"b","endpoint":"/run/user/7/et/etd.sock","state":"ready","build":"0.1.0"}"#;
    assert_eq!(serde_json::to_string(&record).unwrap(), line);
    assert_eq!(serde_json::from_str::<LockRecord>(line).unwrap(), record);
    let activated = LockRecord { activated: true, ..record };
    assert!(serde_json::to_string(&activated).unwrap().ends_with(r#","activated":true}"#));
    for (state, name) in
        [(DaemonState::Starting, "starting"), (DaemonState::Ready, "ready"), (DaemonState::Draining, "draining")]
    {
        assert_eq!(serde_json::to_value(state).unwrap(), name);
    }
}

#[test]
fn no_key_passes_with_the_environment() {
    for name in DAEMON_ENV.iter().chain(CHECK_ENV) {
        for part in ["KEY", "TOKEN", "SECRET", "PASSWORD"] {
            assert!(!name.contains(part), "{name}");
        }
        // A proxy's address may hold a password; model calls alone get it.
        assert!(!NETWORK_ENV.contains(name), "{name}");
    }
}
