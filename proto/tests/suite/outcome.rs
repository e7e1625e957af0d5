//! The exit codes that callers rely on.

use proto::outcome::{Outcome, exit};

#[test]
fn each_outcome_has_its_name_and_code() {
    let table = [
        (Outcome::Cancelled, "cancelled", 130),
        (Outcome::Passed, "passed", 0),
        (Outcome::Completed, "completed", 0),
        (Outcome::Budget, "budget", 4),
        (Outcome::Deadline, "deadline", 5),
        (Outcome::Provider, "provider", 3),
        (Outcome::Unsafe, "unsafe", 7),
        (Outcome::NoProgress, "no_progress", 6),
        (Outcome::CheckFailed, "check_failed", 1),
        (Outcome::Partial, "partial", 8),
        (Outcome::Crashed, "crashed", 70),
    ];
    for (outcome, name, code) in table {
        assert_eq!(outcome.exit_code(), code, "{name}");
        assert_eq!(outcome.as_str(), name);
        assert_eq!(serde_json::to_value(outcome).unwrap(), name);
        assert_eq!(serde_json::from_value::<Outcome>(name.into()).unwrap(), outcome);
        assert_eq!(outcome.is_success(), code == 0);
    }
    let schema = schemars::schema_for!(Outcome).to_value();
    let variants = schema["oneOf"].as_array().or_else(|| schema["enum"].as_array()).unwrap().len();
    assert_eq!(variants, table.len(), "an outcome is missing in the table");
}

#[test]
fn the_other_codes() {
    assert_eq!(
        [exit::USAGE, exit::PROVIDER, exit::UNAVAILABLE, exit::SOFTWARE, exit::STATE, exit::TRY_AGAIN, exit::VERSION],
        [2, 3, 69, 70, 74, 75, 76]
    );
    assert_eq!(exit::INTERRUPTED, Outcome::Cancelled.exit_code());
    assert_eq!(exit::PROVIDER, Outcome::Provider.exit_code());
}
