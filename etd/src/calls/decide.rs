//! What follows a failed attempt. Pure: from what is known of the failure to the next step.

use std::time::Duration;

use super::gate::believed;
use crate::provider::FailureKind;

/// Failed attempts after which a call gives a model up: the first one and four more tries.
const MAX_TRIES: u32 = 5;
/// How long a call keeps trying a model that doesn't say when to come back, from its first failure on.
const MAX_ELAPSED: Duration = Duration::from_secs(30);
/// A longer wait isn't worth it where another model could be asked.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

const FIRST_BACKOFF: Duration = Duration::from_millis(500);
/// Limits are counted by the minute: it takes longer until they let somebody in.
const FIRST_BACKOFF_RATE_LIMITED: Duration = Duration::from_millis(1500);
const LONGEST_BACKOFF: Duration = Duration::from_secs(12);

/// A failed attempt, and what else could be done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Situation {
    pub(super) kind: FailureKind,
    /// Whether anything came back at all. A network failure without is a connection that never stood.
    pub(super) heard: bool,
    /// What the provider demands.
    pub(super) retry_after: Option<Duration>,
    /// Failed attempts of this call at this model, this one included.
    pub(super) tries: u32,
    /// Since the first of them failed.
    pub(super) elapsed: Duration,
    /// Until the deadline.
    pub(super) left: Duration,
    /// Whether another pool member is healthy.
    pub(super) peer: bool,
    /// Whether any other candidate, fallbacks included, is healthy.
    pub(super) other: bool,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The same model again, after this wait.
    Retry(Duration),
    /// Another model at once; this one may be asked again later in this call.
    Another,
    /// Another model at once; this one is done with for this call.
    GiveUp,
}

/// Decides what follows a failed attempt. `random` in thousandths spreads the retries of many workers.
pub(super) fn decide(situation: Situation, random: u32) -> Next {
    let Situation { kind, heard, retry_after, tries, elapsed, left, peer, other } = situation;
    let max_tries = match kind {
        FailureKind::Auth
        | FailureKind::NoSecret
        | FailureKind::Rejected
        | FailureKind::UnknownModel
        | FailureKind::ContextOverflow => 1,
        // The timer has cost enough already.
        FailureKind::Timeout if other => 1,
        // A server that is down rarely comes back within a backoff.
        FailureKind::Network if !heard && other => 2,
        FailureKind::Malformed => 2,
        FailureKind::RateLimited | FailureKind::Server | FailureKind::Network | FailureKind::Timeout => MAX_TRIES,
    };
    if tries >= max_tries {
        return Next::GiveUp;
    }
    // A demand of nothing says nothing.
    let retry_after = retry_after.filter(|wait| !wait.is_zero());
    let first = if kind == FailureKind::RateLimited { FIRST_BACKOFF_RATE_LIMITED } else { FIRST_BACKOFF };
    let wait = retry_after.unwrap_or_else(|| backoff(first, tries, random));
    // With nobody else to ask, a backoff may run into the deadline, which then ends the call by its own name.
    if wait >= left && (retry_after.is_some() || other) {
        return Next::GiveUp;
    }
    if peer {
        return Next::Another;
    }
    let worth_it = !other || wait <= PATIENCE;
    let in_time = retry_after.is_some() || elapsed + wait <= MAX_ELAPSED;
    if worth_it && in_time { Next::Retry(wait) } else { Next::GiveUp }
}

/// The wait after the `tries`th failure: doubling from `first` on, and between a half and the whole of it by `random` thousandths.
fn backoff(first: Duration, tries: u32, random: u32) -> Duration {
    let whole = first.saturating_mul(1 << tries.saturating_sub(1).min(16)).min(LONGEST_BACKOFF);
    whole / 2 + whole / 2 * random.min(1000) / 1000
}

/// How long an endpoint is preferably not asked after its `failures`th failure in a row; none: the failure says nothing about it.
pub(super) fn rest(kind: FailureKind, heard: bool, retry_after: Option<Duration>, failures: u32) -> Option<Duration> {
    let (first, longest) = match kind {
        FailureKind::Rejected | FailureKind::ContextOverflow | FailureKind::NoSecret => return None,
        // Not longer: whoever mends the key or pulls the model wants to see that it helped.
        FailureKind::Auth | FailureKind::UnknownModel => (30, 30),
        FailureKind::Network | FailureKind::Timeout if !heard => (30, 120),
        FailureKind::RateLimited
        | FailureKind::Server
        | FailureKind::Network
        | FailureKind::Timeout
        | FailureKind::Malformed => (2, 60),
    };
    let seconds = u64::min(first << failures.saturating_sub(1).min(16), longest);
    Some(Duration::from_secs(seconds).max(retry_after.map(believed).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use FailureKind::*;
    use Next::*;

    const fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn decisions() {
        let ms = Duration::from_millis;
        let base = Situation {
            kind: Server,
            heard: false,
            retry_after: None,
            tries: 1,
            elapsed: secs(0),
            left: secs(600),
            peer: false,
            other: false,
        };
        let alone = |kind, tries| Situation { kind, tries, ..base };
        let peer = |kind| Situation { kind, peer: true, other: true, ..base };
        let fallback = |kind, tries| Situation { kind, tries, other: true, ..base };
        let demanded = |after, other| Situation { kind: RateLimited, retry_after: Some(after), other, ..base };
        let table = [
            ("alone: the first backoff", alone(Server, 1), Retry(ms(500))),
            ("alone: the fourth", alone(Server, 4), Retry(secs(4))),
            ("alone: four more tries are enough", alone(Server, 5), GiveUp),
            ("alone: 429 without a wait", alone(RateLimited, 1), Retry(ms(1500))),
            ("alone: refused", alone(Network, 3), Retry(secs(2))),
            ("alone: time-out", alone(Timeout, 1), Retry(ms(500))),
            ("alone: malformed once", alone(Malformed, 1), Retry(ms(500))),
            ("alone: malformed twice", alone(Malformed, 2), GiveUp),
            ("30 s are over", Situation { elapsed: secs(30), ..base }, GiveUp),
            ("30 s would be over", Situation { elapsed: ms(29_600), ..base }, GiveUp),
            ("a peer: at once", peer(Server), Another),
            ("a peer: cut in mid-stream", Situation { heard: true, ..peer(Network) }, Another),
            ("a peer: 429 with a wait", Situation { retry_after: Some(secs(1)), ..peer(RateLimited) }, Another),
            ("a peer: time-out", peer(Timeout), GiveUp),
            ("fallback: 503 is retried first", fallback(Server, 1), Retry(ms(500))),
            ("fallback: refused once more", fallback(Network, 1), Retry(ms(500))),
            ("fallback: refused twice", fallback(Network, 2), GiveUp),
            ("fallback: cut twice", Situation { heard: true, ..fallback(Network, 2) }, Retry(secs(1))),
            ("fallback: time-out", fallback(Timeout, 1), GiveUp),
            ("demanded: alone waits", demanded(secs(90), false), Retry(secs(90))),
            ("demanded: 30 s don't count", Situation { elapsed: secs(90), ..demanded(secs(9), false) }, Retry(secs(9))),
            ("demanded: short, then the same", demanded(secs(2), true), Retry(secs(2))),
            ("demanded: long, then the other", demanded(secs(6), true), GiveUp),
            ("demanded: beyond the deadline", demanded(secs(600), false), GiveUp),
            ("demanded: a year", demanded(secs(365 * 86_400), false), GiveUp),
            ("demanded: for ever", demanded(secs(u64::MAX), true), GiveUp),
            ("demanded: nothing", demanded(secs(0), false), Retry(ms(1500))),
            ("backoff beyond the deadline", Situation { left: ms(100), ..base }, Retry(ms(500))),
            ("the same with a fallback", Situation { left: ms(100), ..fallback(Server, 1) }, GiveUp),
            ("fallback: 429 twice", fallback(RateLimited, 2), Retry(secs(3))),
            ("fallback: 429 three times", fallback(RateLimited, 3), GiveUp),
            ("auth", alone(Auth, 1), GiveUp),
            ("auth with a peer", peer(Auth), GiveUp),
            ("rejected", alone(Rejected, 1), GiveUp),
            ("unknown model", alone(UnknownModel, 1), GiveUp),
            ("overflow", alone(ContextOverflow, 1), GiveUp),
            ("no secret", alone(NoSecret, 1), GiveUp),
        ];
        for (name, situation, next) in table {
            assert_eq!(decide(situation, 1000), next, "{name}");
        }
    }

    #[test]
    fn backoffs_double_to_a_limit_and_are_spread() {
        let table = [(1, 500), (2, 1000), (3, 2000), (4, 4000), (5, 8000), (6, 12_000), (u32::MAX, 12_000)];
        for (tries, most) in table {
            assert_eq!(backoff(FIRST_BACKOFF, tries, 1000), Duration::from_millis(most));
            assert_eq!(backoff(FIRST_BACKOFF, tries, 0), Duration::from_millis(most / 2));
            assert_eq!(backoff(FIRST_BACKOFF, tries, 500), Duration::from_millis(most / 4 * 3));
        }
    }

    #[test]
    fn rests_grow() {
        for (kind, heard, after, failures, expected) in [
            (Server, false, None, 1, Some(2)),
            (Server, false, None, 3, Some(8)),
            (Server, false, None, 60, Some(60)),
            (Server, false, Some(90), 1, Some(90)),
            (Server, false, Some(365 * 86_400), 1, Some(60)),
            (RateLimited, false, Some(u64::MAX), 1, Some(60)),
            (Network, true, None, 1, Some(2)),
            (Network, false, None, 1, Some(30)),
            (Network, false, None, 9, Some(120)),
            (Timeout, false, None, 1, Some(30)),
            (Timeout, true, None, 1, Some(2)),
            (Auth, true, None, 9, Some(30)),
            (Rejected, true, None, 1, None),
            (ContextOverflow, true, None, 1, None),
        ] {
            assert_eq!(rest(kind, heard, after.map(secs), failures), expected.map(secs), "{kind:?} {failures}");
        }
    }
}
