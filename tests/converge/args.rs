//! What was typed.

use std::time::{SystemTime, UNIX_EPOCH};

/// What is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Only {
    All,
    Et,
    Baseline,
    Ablations,
}

#[derive(Clone, Debug)]
pub(crate) struct Args {
    pub(crate) seed: u64,
    pub(crate) cases: usize,
    pub(crate) project: Option<String>,
    pub(crate) case: Option<String>,
    pub(crate) only: Only,
    pub(crate) slice: bool,
    pub(crate) without: Option<String>,
}

const USAGE: &str =
    "usage: converge [--seed N] [--cases N] [--project NAME] [--case NAME] [--only et|baseline|ablations] [--slice] \
                     [--without PART]
  --seed     draws the cases; the clock gives one if it isn't said
  --cases    at least so many cases for each project (9)
  --project  only this one
  --case     only the first case with this in its name; its requests go to a dir
  --only     leave out the others
  --slice    three cases for each project, without ablations
  --without  leave a part of the daemon out: ownership, attribution, keep-best, edits, quick-looks";

impl Args {
    pub(crate) fn read(words: impl Iterator<Item = String>) -> Result<Self, String> {
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let mut args =
            Self { seed: clock, cases: 9, project: None, case: None, only: Only::All, slice: false, without: None };
        let mut words = words;
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value\n{USAGE}"));
            let number = |text: String| text.parse::<u64>().map_err(|_| format!("{text} is no number\n{USAGE}"));
            match word.as_str() {
                "--seed" => args.seed = number(value()?)?,
                "--cases" => args.cases = number(value()?)? as usize,
                "--project" => args.project = Some(value()?),
                "--case" => args.case = Some(value()?),
                "--without" => args.without = Some(value()?),
                "--slice" => args.slice = true,
                "--only" => {
                    args.only = match value()?.as_str() {
                        "et" => Only::Et,
                        "baseline" => Only::Baseline,
                        "ablations" => Only::Ablations,
                        other => return Err(format!("--only {other}: unknown\n{USAGE}")),
                    }
                }
                "--help" | "-h" => return Err(USAGE.to_owned()),
                other => return Err(format!("{other}: unknown\n{USAGE}")),
            }
        }
        Ok(args)
    }
}
