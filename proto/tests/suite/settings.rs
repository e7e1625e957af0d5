//! Flags as typed and as they count, and the names of roles.

use proto::config::role::{self, canonical};
use proto::settings::{Flags, Settings, Skip};

use crate::samples::flags;

#[test]
fn the_documented_defaults() {
    let expected = Settings {
        iterate: false,
        max_iterations: 3,
        timeout_ms: 30 * 60 * 1000,
        workers: 8,
        max_subtasks: 10,
        check: None,
        tests: true,
        role: "mayor".into(),
        skip: Skip::default(),
        guardrail_retries: 1,
        guardrail_threshold: 6,
        max_cost_micros: None,
        max_tokens: None,
        dry_run: false,
    };
    assert_eq!(Flags::default().resolve(), expected);
}

#[test]
fn what_is_given_counts() {
    let given = flags();
    let expected = Settings {
        iterate: true,
        max_iterations: 4,
        timeout_ms: 3_600_000,
        workers: 6,
        max_subtasks: 12,
        check: Some("go test ./...".into()),
        tests: false,
        role: "mayor".into(),
        skip: given.skip,
        guardrail_retries: 2,
        guardrail_threshold: 7,
        max_cost_micros: Some(2_500_000),
        max_tokens: Some(900_000),
        dry_run: true,
    };
    assert_eq!(given.resolve(), expected);
    let none = Flags { max_iterations: Some(0), workers: Some(0), max_subtasks: Some(0), ..Flags::default() }.resolve();
    assert_eq!((none.max_iterations, none.workers, none.max_subtasks), (1, 1, 1));
}

#[test]
fn what_is_given_again_replaces() {
    let base = flags();
    // Nothing given: all as before, but a dry run is asked for each time.
    assert_eq!(Flags::default().over(&base), Flags { dry_run: false, ..base.clone() });
    assert_eq!(base.clone().over(&Flags::default()), base);
    let given = Flags {
        iterate: Some(false),
        max_iterations: Some(1),
        timeout_ms: Some(1),
        workers: Some(2),
        max_subtasks: Some(3),
        check: Some("true".into()),
        tests: Some(true),
        role: Some("worker".into()),
        skip: Skip { reviewer: true, coordinate: true, ..Skip::default() },
        guardrail_retries: Some(0),
        guardrail_threshold: Some(1),
        max_cost_micros: Some(5),
        max_tokens: Some(6),
        dry_run: false,
    };
    let all = Skip { synthesize: true, reviewer: true, tester: true, coordinate: true, specialists: true };
    assert_eq!(given.clone().over(&base), Flags { skip: all, ..given.clone() });
    // Each phase for itself stays off.
    for off in [
        Skip { synthesize: true, ..Skip::default() },
        Skip { reviewer: true, ..Skip::default() },
        Skip { tester: true, ..Skip::default() },
        Skip { coordinate: true, ..Skip::default() },
        Skip { specialists: true, ..Skip::default() },
    ] {
        let base = Flags { skip: off, ..Flags::default() };
        assert_eq!(Flags::default().over(&base).skip, off);
        assert_eq!(base.over(&Flags::default()).skip, off);
    }
}

#[test]
fn roles_have_one_name() {
    for (typed, name) in [
        ("mayor", role::PLANNER),
        ("planner", role::PLANNER),
        ("polecat", role::WORKER),
        ("worker", role::WORKER),
        ("reviewer", role::REVIEWER),
        ("witness", role::REVIEWER),
        ("tester", role::TESTER),
        ("refinery", role::TESTER),
        ("architect", "architect"),
        ("", ""),
        ("Worker", "Worker"),
    ] {
        assert_eq!(canonical(typed), name, "{typed}");
        assert_eq!(canonical(canonical(typed)), name, "{typed}");
    }
}
