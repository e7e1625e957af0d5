//! What is killed, and when.

use std::time::Duration;

use super::points::{POINTS, When};
use super::scenario::Scenario;
use crate::sim::case::Dice;

/// What a kill hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victim {
    /// The daemon.
    Daemon,
    /// A client that watches.
    Client,
    /// A process of a check: this one of those that came of the daemon.
    Build(usize),
}

/// A kill at no named point.
#[derive(Clone, Copy, Debug)]
pub struct Strike {
    /// Whom.
    pub victim: Victim,
    /// So many calls and events must have been seen before.
    pub after: usize,
    /// And so long ago.
    pub delay: Duration,
}

/// All kills of a play.
#[derive(Clone, Debug, Default)]
pub struct Kills {
    /// As `ET_TEST_ABORT` wants them; each kills once.
    pub points: Vec<String>,
    /// The others, in their order.
    pub strikes: Vec<Strike>,
}

impl Kills {
    /// Kills at these points only.
    pub fn at<'a>(points: impl IntoIterator<Item = &'a str>) -> Self {
        Self { points: points.into_iter().map(str::to_owned).collect(), strikes: Vec::new() }
    }

    /// One process of a build, drawn.
    #[must_use]
    pub fn build(dice: &mut Dice) -> Self {
        let delay = Duration::from_micros(dice.below(100_000) as u64);
        Self { points: Vec::new(), strikes: vec![Strike { victim: Victim::Build(dice.below(8)), after: 0, delay }] }
    }

    /// Draws some for a scenario that showed so many calls and events when nobody disturbed it.
    #[must_use]
    pub fn draw(scenario: &Scenario, dice: &mut Dice, shown: usize) -> Self {
        let mut kills = Self::default();
        let fitting: Vec<(&str, When)> = POINTS.iter().copied().filter(|(_, when)| scenario.has(*when)).collect();
        let mut started = false;
        for _ in 0..2 + dice.below(5) {
            let (name, when) = fitting[dice.below(fitting.len())];
            // Two deaths in one start are too many for the client that starts it, and it says so: not what is tried here.
            let starts = matches!(when, When::Start | When::Client) || name.starts_with("store.");
            let known = kills.points.iter().any(|point| point.split('#').next() == Some(name));
            if known || (starts && started) {
                continue;
            }
            started |= starts;
            let most = match when {
                When::Start | When::Client | When::Undo | When::Stop | When::Look => 2,
                _ => 4,
            };
            kills.points.push(format!("{name}#{}", 1 + dice.below(most)));
        }
        let strike = |victim, dice: &mut Dice| Strike {
            victim,
            after: 1 + dice.below(shown.max(1)),
            delay: Duration::from_micros(dice.below(12_000) as u64),
        };
        for _ in 0..1 + dice.below(5) {
            kills.strikes.push(strike(Victim::Daemon, dice));
        }
        if dice.below(3) == 0 {
            kills.strikes.push(strike(Victim::Client, dice));
        }
        kills.strikes.sort_by_key(|strike| strike.after);
        kills
    }
}

impl std::fmt::Display for Kills {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let strikes = self
            .strikes
            .iter()
            .map(|strike| format!("{:?} after {} and {} µs", strike.victim, strike.after, strike.delay.as_micros()));
        let all: Vec<String> = self.points.iter().cloned().chain(strikes).collect();
        f.write_str(&all.join(", "))
    }
}
