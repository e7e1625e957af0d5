//! What was typed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[derive(Clone, Debug)]
pub(crate) struct Args {
    pub(crate) seed: u64,
    pub(crate) length: Duration,
    pub(crate) sessions: usize,
}

const USAGE: &str = "usage: soak [--seconds N] [--sessions N] [--seed N]
  --seconds   how long new rounds begin (600)
  --sessions  that are at work at the same time, each with eight workers (100)
  --seed      draws what happens to them; the clock gives one if it isn't said";

impl Args {
    pub(crate) fn read(words: impl Iterator<Item = String>) -> Result<Self, String> {
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let mut args = Self { seed: clock, length: Duration::from_secs(600), sessions: 100 };
        let mut words = words;
        while let Some(word) = words.next() {
            let mut number = || {
                let text = words.next().ok_or_else(|| format!("{word} needs a value\n{USAGE}"))?;
                text.parse::<u64>().map_err(|_| format!("{text} is no number\n{USAGE}"))
            };
            match word.as_str() {
                "--seed" => args.seed = number()?,
                "--seconds" => args.length = Duration::from_secs(number()?),
                "--sessions" => args.sessions = (number()? as usize).max(1),
                "--help" | "-h" => return Err(USAGE.to_owned()),
                other => return Err(format!("{other}: unknown\n{USAGE}")),
            }
        }
        Ok(args)
    }
}
