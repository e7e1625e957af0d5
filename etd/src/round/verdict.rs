//! How a round ends: one pure function from its final state to its outcome, first rule that fits.

use proto::outcome::Outcome;
use proto::report::CheckStatus;

/// What ended the phases early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Halt {
    /// Somebody asked for it.
    Cancelled,
    /// The time limit.
    Deadline,
    /// The token or cost limit, with its name and what was spent.
    Budget(String, String),
    /// No model would serve the planner.
    Provider(String),
    /// The configuration requires a sandbox that isn't to be had.
    Unsafe,
}

/// The final state.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    /// What ended the phases early.
    pub halt: Option<Halt>,
    /// Whether a check was asked for.
    pub check_asked: bool,
    /// Colour of the check on the final tree.
    pub check: CheckStatus,
    /// Whether every subtask delivered.
    pub delivered: bool,
    /// Whether there are workers and no model would serve any of them.
    pub unserved: bool,
    /// Whether every way of fixing was tried.
    pub exhausted: bool,
}

/// The outcome.
pub(super) fn outcome(facts: &Facts) -> Outcome {
    match &facts.halt {
        Some(Halt::Cancelled) => Outcome::Cancelled,
        _ if facts.check_asked && facts.check == CheckStatus::Green && facts.delivered => Outcome::Passed,
        // A limit that is met when everything is there changes nothing.
        None | Some(Halt::Budget(..) | Halt::Deadline) if !facts.check_asked && facts.delivered => Outcome::Completed,
        Some(Halt::Budget(..)) => Outcome::Budget,
        Some(Halt::Deadline) => Outcome::Deadline,
        Some(Halt::Provider(_)) => Outcome::Provider,
        Some(Halt::Unsafe) => Outcome::Unsafe,
        None if facts.unserved => Outcome::Provider,
        None if facts.exhausted && facts.check == CheckStatus::Red => Outcome::NoProgress,
        None if facts.check == CheckStatus::Red => Outcome::CheckFailed,
        None => Outcome::Partial,
    }
}

/// What the caller might do next.
pub(super) fn next(outcome: Outcome, session: &str, errors: usize) -> String {
    match outcome {
        Outcome::Passed => format!("Go on with `et session send {session} \"…\"`."),
        Outcome::Completed => {
            format!("Nothing was built: add --iterate to build and mend, or `et session send {session} \"…\"`.")
        }
        Outcome::CheckFailed => format!(
            "{}: `et session send {session} \"fix the remaining errors\" --max-iterations 5` goes on from here.",
            left(errors)
        ),
        Outcome::NoProgress => format!(
            "The same errors came back after every way of fixing: look at them, or say what to do with `et session send {session} \"…\"`."
        ),
        Outcome::Provider => {
            "No model would serve it, the notes say why: `et nodes` shows which providers answer, `et models` which models they offer.".to_owned()
        }
        Outcome::Budget => {
            format!("Raise --max-tokens or --max-cost and go on with `et session send {session} \"go on\"`.")
        }
        Outcome::Deadline => format!("Raise --timeout and go on with `et session send {session} \"go on\"`."),
        Outcome::Unsafe => {
            "The configuration requires the full sandbox and it isn't to be had, the notes say why: install bubblewrap, or set \
             `sandbox: prefer`."
                .to_owned()
        }
        Outcome::Partial => format!(
            "Some of the plan wasn't delivered, see the subtasks: `et session send {session} \"…\"` asks for the rest."
        ),
        Outcome::Crashed => {
            "The daemon died three times at this round: `et daemon logs` shows why; please report it.".to_owned()
        }
        Outcome::Cancelled => format!("`et session send {session} \"go on\"` starts another round on what is there."),
    }
}

fn left(errors: usize) -> String {
    match errors {
        // The check fails and names no place.
        0 => "The check still fails".to_owned(),
        1 => "1 error is left".to_owned(),
        n => format!("{n} errors are left"),
    }
}

/// The same where everything was delivered and no check could tell whether it builds; `known` is whether there is one.
pub(super) fn next_unchecked(known: bool) -> String {
    let what = if known {
        "but the check couldn't be run: install what it needs, or name another one"
    } else {
        "but nothing to build was found: name a check"
    };
    format!("Everything was delivered, {what} with --check.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_counted_as_people_count() {
        for (errors, words) in [(0, "The check still fails: `"), (1, "1 error is left: `"), (7, "7 errors are left: `")]
        {
            let next = next(Outcome::CheckFailed, "abc", errors);
            assert!(next.starts_with(words), "{next}");
        }
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        use CheckStatus::{Green, None as NotRun, Red};
        use Outcome as O;
        let budget = || Some(Halt::Budget("tokens".to_owned(), "10".to_owned()));
        // halt, check asked, check, delivered, unserved, exhausted → outcome
        let table = [
            (None, true, Green, true, false, false, O::Passed),
            (None, false, NotRun, true, false, false, O::Completed),
            (Some(Halt::Cancelled), true, Green, true, false, false, O::Cancelled),
            (budget(), true, Green, true, false, false, O::Passed),
            (budget(), true, Red, true, false, false, O::Budget),
            (budget(), false, NotRun, true, false, false, O::Completed),
            (budget(), false, NotRun, false, false, false, O::Budget),
            (Some(Halt::Deadline), true, Red, true, false, true, O::Deadline),
            (Some(Halt::Provider(String::new())), false, NotRun, false, false, false, O::Provider),
            (Some(Halt::Unsafe), true, NotRun, false, false, false, O::Unsafe),
            (None, true, NotRun, false, true, false, O::Provider),
            (None, true, Red, true, false, true, O::NoProgress),
            (None, true, Red, true, false, false, O::CheckFailed),
            (None, true, Red, false, false, false, O::CheckFailed),
            (None, true, Green, false, false, false, O::Partial),
            (None, true, NotRun, true, false, false, O::Partial),
            (None, false, NotRun, false, false, false, O::Partial),
        ];
        for (halt, check_asked, check, delivered, unserved, exhausted, expected) in table {
            let facts = Facts { halt, check_asked, check, delivered, unserved, exhausted };
            assert_eq!(outcome(&facts), expected, "{facts:?}");
        }
    }
}
