//! Death at every named point, of clients and of builds: `make torture` in small, with kills that are the same each time.

use std::collections::BTreeSet;
use std::fs;
use std::sync::OnceLock;
use std::time::Duration;

use proto::outcome::Outcome;
use tests::env::{Env, KEY, poll};
use tests::model::{Model, PATIENCE};
use tests::projects::stories;
use tests::require_tool;
use tests::torture::{
    CHECK, Deed, First, Kills, POINTS, Played, Round, SLOW_CHECK, Scenario, Session, Strike, Victim, When, play,
};

use crate::aftermath::{assert_nothing_left, assert_same_log};

fn round(check: bool, deeds: &[Deed]) -> Round {
    Round { check, deeds: deeds.to_vec() }
}

fn scenario(name: &str, sessions: Vec<Session>) -> Scenario {
    Scenario { name: name.to_owned(), sessions, shared: false, pace: Duration::ZERO, level: "partial", command: CHECK }
}

/// A round with everything that can be done to files, and one that is checked and mended; then the last one is taken back.
fn mixed() -> (Scenario, &'static OnceLock<Played>) {
    static UNDISTURBED: OnceLock<Played> = OnceLock::new();
    let rounds = vec![
        round(false, &[Deed::Deep, Deed::Two, Deed::Change, Deed::Delete]),
        round(true, &[Deed::Broken, Deed::Change]),
    ];
    (scenario("mixed", vec![Session { first: First::Run, rounds, undo: true }]), &UNDISTURBED)
}

/// One that is looked at before it is checked.
fn looked_at() -> (Scenario, &'static OnceLock<Played>) {
    static UNDISTURBED: OnceLock<Played> = OnceLock::new();
    let rounds = vec![round(true, &[Deed::Look, Deed::Broken])];
    (scenario("looked at", vec![Session { first: First::Spawn, rounds, undo: false }]), &UNDISTURBED)
}

/// Kills a small piece of work at these points, one after the other; all of them must be hit.
struct Case {
    work: fn() -> (Scenario, &'static OnceLock<Played>),
    points: &'static [&'static str],
}

/// 41 kills. Each line begins with at most one death of a daemon that starts: of two in a row the client says that it gives up.
const CASES: &[&[Case]] = &[
    &[
        Case {
            work: mixed,
            points: &["daemon.locked#1", "round.subtask_recorded#1", "file.linked#1", "round.ended#1", "undo.begun#1"],
        },
        Case {
            work: mixed,
            points: &["daemon.bind#1", "round.call_noted#2", "file.temporary#2", "child.started#2", "undo.applied#1"],
        },
        Case {
            work: looked_at,
            points: &["store.migrating#1", "round.look_recorded#1", "round.check_ran#1", "daemon.draining#1"],
        },
    ],
    &[
        Case {
            work: mixed,
            points: &["daemon.rename#1", "round.answered#3", "file.published#2", "child.ended#2", "undo.files_back#1"],
        },
        Case {
            work: mixed,
            points: &[
                "daemon.ready#1",
                "file.dir_made#1",
                "round.written#1",
                "round.build_recorded#1",
                "undo.recorded#1",
            ],
        },
        Case { work: looked_at, points: &["store.migrated#1", "round.plan_recorded#1", "client.spawn#1"] },
    ],
    &[
        Case {
            work: mixed,
            points: &["recovery.begun#1", "file.deleted#1", "round.call_recorded#3", "round.check_begun#1"],
        },
        Case {
            work: mixed,
            points: &["recovery.recorded#1", "round.file_applied#1", "round.write_intended#1", "round.ending#1"],
        },
        Case { work: looked_at, points: &["store.commit#4", "round.write_recorded#1", "client.spawn_lock#1"] },
        Case { work: looked_at, points: &["session.stored#1", "store.committed#7", "client.connected#1"] },
    ],
];

/// Fails if anything was found.
#[track_caller]
fn assert_as_undisturbed(played: &Played, how: &str) {
    let findings: Vec<String> =
        played.findings.iter().map(|finding| format!("{:?}: {}", finding.fault, finding.text)).collect();
    assert!(findings.is_empty(), "{how}\n{}\n{}", findings.join("\n"), played.told);
}

fn survives(cases: &[Case]) {
    for case in cases {
        let (scenario, undisturbed) = (case.work)();
        let kills = Kills::at(case.points.iter().copied());
        // Once for all tests.
        let expected = undisturbed.get_or_init(|| {
            let expected = play(&scenario, &Kills::default(), None);
            assert_as_undisturbed(&expected, &format!("{} undisturbed", scenario.name));
            assert!(expected.reports.iter().flatten().all(|report| report.exit_code == 0), "{expected:?}");
            expected
        });
        let played = play(&scenario, &kills, Some(expected));
        assert_as_undisturbed(&played, &format!("{} with {kills}", scenario.name));
        let wanted: BTreeSet<&str> = case.points.iter().filter_map(|point| point.split('#').next()).collect();
        let hit: BTreeSet<&str> = played.points.iter().map(String::as_str).collect();
        assert_eq!(hit, wanted, "{}\n{}", scenario.name, played.told);
    }
}

#[test]
fn at_named_points_one() {
    require_tool!("python3");
    survives(CASES[0]);
}

#[test]
fn at_named_points_two() {
    require_tool!("python3");
    survives(CASES[1]);
}

#[test]
fn at_named_points_three() {
    require_tool!("python3");
    survives(CASES[2]);
}

#[test]
fn every_point_is_tried() {
    let tried: BTreeSet<&str> = CASES
        .iter()
        .copied()
        .flatten()
        .flat_map(|case| case.points)
        .filter_map(|point| point.split('#').next())
        .collect();
    let all = POINTS.iter().filter(|(_, when)| *when != When::Cancel);
    let all: BTreeSet<&str> = all.map(|(name, _)| *name).collect();
    assert_eq!(tried, all);
}

#[test]
fn of_clients_at_any_time() {
    let rounds = vec![round(true, &[Deed::New, Deed::Broken])];
    let scenario = scenario("clients", vec![Session { first: First::Run, rounds, undo: true }]);
    let expected = play(&scenario, &Kills::default(), None);
    assert_as_undisturbed(&expected, "undisturbed");
    let strike = |after| Strike { victim: Victim::Client, after, delay: Duration::ZERO };
    let kills = Kills { strikes: vec![strike(2), strike(12)], ..Kills::default() };
    let played = play(&scenario, &kills, Some(&expected));
    assert_as_undisturbed(&played, &kills.to_string());
    assert_eq!(played.strikes, [0, 2, 0]);
    assert_eq!(played.repeated, 0, "a client's death costs nothing");
}

#[test]
fn of_a_build_by_whichever_process() {
    for number in 0..3 {
        let rounds = vec![round(true, &[Deed::New, Deed::Broken])];
        let session = Session { first: First::Run, rounds, undo: false };
        let level = if number % 2 == 0 { "full" } else { "partial" };
        let scenario = Scenario { command: SLOW_CHECK, level, ..scenario("a build", vec![session]) };
        let strike = Strike { victim: Victim::Build(number), after: 0, delay: Duration::ZERO };
        let kills = Kills { strikes: vec![strike], ..Kills::default() };
        let played = play(&scenario, &kills, None);
        assert_as_undisturbed(&played, &kills.to_string());
        assert_eq!(played.strikes, [0, 0, 1]);
    }
}

#[test]
fn what_is_given_up_leaves_no_temporary_file() {
    // Again and again, so that the round is given up in the middle of a write, and of a check.
    for point in ["file.temporary", "round.check_ran"] {
        let env = Env::new();
        let model = Model::start(stories::wide(1));
        env.config(&model);
        env.set("ET_TEST_ABORT", point);
        let run = ["run", "-o", "here", "--json", "--no-synthesize", "--check", "true", "Write a part"];
        let out = env.et(run).run();
        assert_eq!(out.assert_code(70).result().outcome, Outcome::Crashed);
        assert_same_log(&env, &out);
        let left = || {
            let private = fs::read_dir(env.state_dir().join("sandbox")).into_iter().flatten().flatten();
            let private = private.flat_map(|own| ["home", "tmp", "shm", "fetch"].map(|name| own.path().join(name)));
            let tree = fs::read_dir(env.work().join("here")).unwrap().flatten().map(|entry| entry.path());
            let temporary = tree.filter(|path| !path.ends_with("part-1.txt"));
            private.filter(|path| path.exists()).chain(temporary).collect::<Vec<_>>()
        };
        assert!(poll(PATIENCE, || left().is_empty()), "{point}: {:?}", left());
        assert_eq!(env.files_with(&[KEY]), Vec::<std::path::PathBuf>::new());
        assert_nothing_left(env);
    }
}

#[test]
fn a_cancel_that_is_stored_counts() {
    let env = Env::new();
    let model = Model::start(stories::tiny().hold("work/two"));
    env.config(&model);
    env.set("ET_TEST_ABORT", "session.cancelled");
    env.set("ET_TEST_ABORT_ONCE", env.root().join("tmp").to_string_lossy());
    let run = env.et_spawn(["run", "-o", "here", "--json", "two files"]);
    model.wait_for_held("work/two");
    env.et(["session", "kill", "last"]).run().assert_ok();
    let out = run.wait();
    assert!(env.root().join("tmp/session.cancelled").exists(), "it never died");
    assert_eq!(out.assert_code(130).result().outcome, Outcome::Cancelled);
    assert_same_log(&env, &out);
    assert_eq!(model.count("work/two"), 1, "nothing more is bought\n{}", model.summary());
    assert_nothing_left(env);
}
