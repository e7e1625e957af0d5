//! What must be so when a daemon has been stopped, whatever happened before.

use super::play::leftovers;
use super::{Fault, Finding, process, snapshot};
use crate::env::{Env, poll};

use std::time::Duration;

/// How long those who are to go may take.
const GOING: Duration = Duration::from_secs(10);

/// Looks at an environment whose daemon was stopped: logs without gaps, every round with a report, no process and no temporary file left.
/// Old rounds may have been removed within the limits, so a log may begin later, and lack what was said of them after that.
#[must_use]
pub fn audit(env: &Env) -> Vec<Finding> {
    let mut found = leftovers(env);
    let program = env.et_path().with_file_name("etd");
    let mut left = Vec::new();
    if !poll(GOING, || {
        left = process::orphans(env.root(), &program);
        left.is_empty()
    }) {
        found.push(Finding::new(Fault::Orphan, format!("still there: {left:#?}")));
    }
    match snapshot::read(&env.state_dir(), &env.root().join("scratch")) {
        Ok(Some(last)) => {
            for (session, events) in &last.events {
                // What was said of a removed round behind the first event of another one goes with it.
                let whole = last.rounds.contains_key(&(session.clone(), 1));
                if whole && !events.windows(2).all(|pair| pair[1].0 == pair[0].0 + 1) {
                    found.push(Finding::new(Fault::Log, format!("gaps or repetitions in the log of {session}")));
                }
            }
            for ((session, round), row) in last.rounds.iter().filter(|(_, row)| row.report.is_none()) {
                let text = format!("round {round} of {session} is {} and has no report", row.state);
                found.push(Finding::new(Fault::End, text));
            }
        }
        Ok(None) => found.push(Finding::new(Fault::Lost, "there is no database")),
        Err(why) => found.push(Finding::new(Fault::Log, format!("the database can't be read: {why}"))),
    }
    found
}
