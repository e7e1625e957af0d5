//! Which candidate is asked. Pure: from what is measured to an index.

use std::time::Duration;

/// What is known of a candidate at the moment of choice.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    /// 0 for a pool member, then the fallbacks in order.
    pub(super) rank: usize,
    /// Whether it failed at this before: others come first.
    pub(super) avoided: bool,
    /// How long it still rests.
    pub(super) rest: Duration,
    /// Failed attempts of this call.
    pub(super) tries: u32,
    /// Failures in a row, of all calls.
    pub(super) failures: u32,
    /// Calls at it now, of all sessions.
    pub(super) running: usize,
    /// What an answer of ordinary length takes, in milliseconds, if it was ever measured.
    pub(super) latency_ms: Option<f64>,
}

impl Standing {
    /// Classes are asked in order; within one, load and latency decide. A short rest is only a preference among pool members; a
    /// long one (longer than `patience`) puts a candidate behind all fallbacks.
    fn class(&self, patience: Duration) -> (bool, bool, usize, u32, bool) {
        (self.rest > patience, self.avoided, self.rank, self.tries, !self.rest.is_zero())
    }
}

/// Index of the candidate to ask: of the best class, an idle one if there is one (the quickest; one never measured before it), else the
/// better of two drawn at random. `draw(n)` returns a number below `n`. None if there are no candidates.
pub(super) fn choose(
    candidates: &[(usize, Standing)],
    patience: Duration,
    mut draw: impl FnMut(usize) -> usize,
) -> Option<usize> {
    let best = candidates.iter().map(|(_, standing)| standing.class(patience)).min()?;
    let class: Vec<_> = candidates.iter().filter(|(_, standing)| standing.class(patience) == best).collect();
    let idle: Vec<_> = class.iter().filter(|(_, standing)| standing.running == 0).collect();
    if !idle.is_empty() {
        let start = draw(idle.len());
        return (0..idle.len())
            .map(|offset| idle[(start + offset) % idle.len()])
            .min_by(|(_, a), (_, b)| {
                let key = |s: &Standing| (s.failures > 0, s.latency_ms.unwrap_or(0.0));
                key(a).partial_cmp(&key(b)).unwrap_or(std::cmp::Ordering::Equal)
            })
            .map(|(index, _)| *index);
    }
    if class.len() == 1 {
        return class.first().map(|(index, _)| *index);
    }
    let first = draw(class.len());
    let second = (first + 1 + draw(class.len() - 1)) % class.len();
    let (a, b) = (class[first], class[second]);
    Some(if expected(&b.1, &a.1) < expected(&a.1, &b.1) { b.0 } else { a.0 })
}

/// How long a new call would take here, roughly; where one of the two isn't measured, only the load counts.
fn expected(standing: &Standing, against: &Standing) -> f64 {
    let load = (standing.running + 1) as f64;
    match (standing.latency_ms, against.latency_ms) {
        (Some(latency), Some(_)) => latency.max(1.0) * load,
        _ => load,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUSY: Standing = Standing {
        rank: 0,
        avoided: false,
        rest: Duration::ZERO,
        tries: 0,
        failures: 0,
        running: 3,
        latency_ms: Some(1000.0),
    };
    const IDLE: Standing = Standing { running: 0, ..BUSY };

    #[test]
    fn choices() {
        let secs = Duration::from_secs;
        let table: Vec<(&str, Vec<Standing>, Option<usize>)> = vec![
            ("nobody", vec![], None),
            ("the only one", vec![Standing { rest: secs(99), ..BUSY }], Some(0)),
            ("idle first", vec![Standing { latency_ms: Some(1.0), ..BUSY }, IDLE], Some(1)),
            ("the quicker idle one", vec![IDLE, Standing { latency_ms: Some(500.0), ..IDLE }], Some(1)),
            ("an idle one never measured", vec![IDLE, Standing { latency_ms: None, ..IDLE }], Some(1)),
            ("not the one that just failed", vec![IDLE, Standing { latency_ms: None, failures: 1, ..IDLE }], Some(0)),
            ("less load", vec![BUSY, Standing { running: 2, ..BUSY }], Some(1)),
            ("much quicker, more load", vec![BUSY, Standing { running: 5, latency_ms: Some(100.0), ..BUSY }], Some(1)),
            ("not measured: load", vec![BUSY, Standing { running: 5, latency_ms: None, ..BUSY }], Some(0)),
            ("a pool member before a fallback", vec![Standing { rank: 1, ..IDLE }, BUSY], Some(1)),
            ("fallbacks in order", vec![Standing { rank: 2, ..IDLE }, Standing { rank: 1, ..BUSY }], Some(1)),
            ("a rested one after its peer", vec![Standing { rest: secs(1), ..IDLE }, BUSY], Some(1)),
            (
                "a short rest before a fallback",
                vec![Standing { rest: secs(5), ..BUSY }, Standing { rank: 1, ..IDLE }],
                Some(0),
            ),
            (
                "a long rest after a fallback",
                vec![Standing { rest: secs(6), ..BUSY }, Standing { rank: 1, ..IDLE }],
                Some(1),
            ),
            (
                "avoided after a fallback",
                vec![Standing { avoided: true, ..IDLE }, Standing { rank: 1, ..BUSY }],
                Some(1),
            ),
            (
                "avoided before one that rests long",
                vec![Standing { avoided: true, ..IDLE }, Standing { rest: secs(60), ..IDLE }],
                Some(0),
            ),
            ("tried less", vec![Standing { tries: 1, ..IDLE }, BUSY], Some(1)),
        ];
        for (name, standings, expected) in table {
            let candidates: Vec<_> = standings.into_iter().enumerate().collect();
            for seed in 0..3 {
                let index = choose(&candidates, secs(5), |n| seed % n);
                assert_eq!(index, expected, "{name}, {seed}");
            }
        }
    }

    #[test]
    fn two_draws_are_never_the_same_member() {
        let candidates = [(7, BUSY), (8, Standing { running: 1, ..BUSY })];
        for first in 0..2 {
            let mut draws = [first, 0].into_iter();
            assert_eq!(choose(&candidates, Duration::ZERO, |_| draws.next().unwrap_or(0)), Some(8));
        }
    }
}
