//! What was typed.

use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Clone, Debug)]
pub(crate) struct Args {
    pub(crate) seed: u64,
    pub(crate) kills: usize,
    pub(crate) scenario: Option<usize>,
    pub(crate) at_once: usize,
}

const USAGE: &str = "usage: torture [--kills N] [--seed N] [--scenario N] [--at-once N]
  --kills     until so many processes were killed (2000)
  --seed      draws scenarios and kills; the clock gives one if it isn't said
  --scenario  only this one; what it is and each of its plays is printed
  --at-once   scenarios that are played at the same time (2)";

impl Args {
    pub(crate) fn read(words: impl Iterator<Item = String>) -> Result<Self, String> {
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let mut args = Self { seed: clock, kills: 2000, scenario: None, at_once: 2 };
        let mut words = words;
        while let Some(word) = words.next() {
            let mut number = || {
                let text = words.next().ok_or_else(|| format!("{word} needs a value\n{USAGE}"))?;
                text.parse::<u64>().map_err(|_| format!("{text} is no number\n{USAGE}"))
            };
            match word.as_str() {
                "--seed" => args.seed = number()?,
                "--kills" => args.kills = number()? as usize,
                "--scenario" => args.scenario = Some(number()? as usize),
                "--at-once" => args.at_once = (number()? as usize).max(1),
                "--help" | "-h" => return Err(USAGE.to_owned()),
                other => return Err(format!("{other}: unknown\n{USAGE}")),
            }
        }
        Ok(args)
    }
}
