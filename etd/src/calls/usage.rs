//! The accounts of a round, from its recorded calls. Pure.

use std::collections::BTreeMap;

use proto::report::{Usage, UsageShare};

use super::{CallFailure, CallRecord, FailedAttempt};
use crate::provider::TokenUsage;

/// What a recorded call came to.
pub type CallResult = Result<CallRecord, CallFailure>;

/// One request that was sent, whatever became of it.
struct Sent<'a> {
    model: &'a str,
    usage: &'a TokenUsage,
    micros: Option<u64>,
}

/// Calls, tokens and cost of recorded calls, each with the name of its role; `repeated` is the number of calls that were sent a second
/// time because the daemon died. Attempts that failed count, those that never left don't. A cost is none where a price isn't known.
pub fn usage<'a>(calls: impl IntoIterator<Item = (&'a str, &'a CallResult)>, repeated: u64) -> Usage {
    let mut total = Books::default();
    let mut by_role = BTreeMap::<String, Books>::new();
    let mut by_model = BTreeMap::<String, Books>::new();
    let mut estimated = false;
    for (role, call) in calls {
        for sent in sent(call) {
            estimated |= sent.usage.estimated;
            total.add(&sent);
            by_role.entry(role.to_owned()).or_default().add(&sent);
            by_model.entry(sent.model.to_owned()).or_default().add(&sent);
        }
    }
    let shares =
        |books: BTreeMap<String, Books>| books.into_iter().map(|(name, books)| (name, books.close())).collect();
    let total = total.close();
    Usage {
        calls: total.calls,
        repeated_calls: repeated,
        tokens_in: total.tokens_in,
        tokens_cached: total.tokens_cached,
        tokens_out: total.tokens_out,
        cost_usd: total.cost_usd,
        estimated,
        by_role: shares(by_role),
        by_model: shares(by_model),
    }
}

/// What recorded calls have spent of a budget, in tokens and in millionths of a US dollar (an unknown price counts as nothing), for
/// [`Budget::with_spent`](super::Budget::with_spent).
pub fn spent<'a>(calls: impl IntoIterator<Item = &'a CallResult>) -> (u64, u64) {
    let mut spent = (0u64, 0u64);
    for sent in calls.into_iter().flat_map(sent) {
        spent.0 = spent.0.saturating_add(sent.usage.input).saturating_add(sent.usage.output);
        spent.1 = spent.1.saturating_add(sent.micros.unwrap_or(0));
    }
    spent
}

fn sent(call: &CallResult) -> impl Iterator<Item = Sent<'_>> {
    let (failed, answer) = match call {
        Ok(record) => {
            let answer = Sent { model: &record.model, usage: &record.usage, micros: record.cost_micros };
            (record.failed.as_slice(), Some(answer))
        }
        Err(failure) => (failure.attempts(), None),
    };
    let failed = failed.iter().filter(|attempt| attempt.sent);
    failed
        .map(|FailedAttempt { model, usage, cost_micros, .. }| Sent { model, usage, micros: *cost_micros })
        .chain(answer)
}

struct Books {
    share: UsageShare,
    micros: Option<u64>,
}

impl Default for Books {
    fn default() -> Self {
        Self { share: UsageShare::default(), micros: Some(0) }
    }
}

impl Books {
    fn add(&mut self, sent: &Sent<'_>) {
        self.share.calls += 1;
        self.share.tokens_in = self.share.tokens_in.saturating_add(sent.usage.input);
        self.share.tokens_cached = self.share.tokens_cached.saturating_add(sent.usage.cached);
        self.share.tokens_out = self.share.tokens_out.saturating_add(sent.usage.output);
        self.micros = self.micros.zip(sent.micros).map(|(sum, micros)| sum.saturating_add(micros));
    }

    fn close(self) -> UsageShare {
        UsageShare { cost_usd: self.micros.map(|micros| micros as f64 / 1e6), ..self.share }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::{FailureKind, StopReason};

    fn tokens(input: u64, cached: u64, output: u64) -> TokenUsage {
        TokenUsage { input, cached, written: 0, output, estimated: false }
    }

    fn failed(model: &str, sent: bool, usage: TokenUsage, cost_micros: Option<u64>) -> FailedAttempt {
        let kind = Some(FailureKind::Server);
        FailedAttempt { model: model.into(), kind, message: "503".into(), sent, usage, cost_micros }
    }

    fn answered(model: &str, usage: TokenUsage, cost_micros: Option<u64>, failed: Vec<FailedAttempt>) -> CallResult {
        Ok(CallRecord {
            text: "hi".into(),
            model: model.into(),
            alias: "m".into(),
            stop: StopReason::End,
            usage,
            cost_micros,
            duration_ms: 1,
            first_token_ms: Some(1),
            failed,
            request_hash: String::new(),
        })
    }

    #[test]
    fn by_role_and_by_model() {
        let calls = [
            ("mayor", answered("o/big", tokens(100, 50, 10), Some(1_500_000), vec![])),
            (
                "polecat",
                answered(
                    "l/small",
                    tokens(10, 0, 20),
                    Some(0),
                    vec![
                        failed("o/big", true, tokens(5, 0, 0), Some(500_000)),
                        failed("l/dead", false, tokens(0, 0, 0), Some(0)),
                    ],
                ),
            ),
            ("polecat", Err(CallFailure::NoModel { attempts: vec![failed("o/big", true, tokens(1, 0, 0), Some(1))] })),
        ];
        let usage = usage(calls.iter().map(|(role, call)| (*role, call)), 2);
        assert_eq!((usage.calls, usage.repeated_calls), (4, 2));
        assert_eq!((usage.tokens_in, usage.tokens_cached, usage.tokens_out), (116, 50, 30));
        assert_eq!(usage.cost_usd, Some(2.000_001));
        assert!(!usage.estimated);
        assert_eq!(usage.by_role["mayor"].calls, 1);
        assert_eq!(usage.by_role["polecat"].cost_usd, Some(0.500_001));
        assert_eq!(usage.by_model.keys().collect::<Vec<_>>(), ["l/small", "o/big"]);
        assert_eq!(usage.by_model["o/big"].calls, 3);
        assert_eq!(usage.by_model["o/big"].tokens_in, 106);
        assert_eq!(spent(calls.iter().map(|(_, call)| call)), (146, 2_000_001));
    }

    #[test]
    fn an_unknown_price_and_an_estimate_are_said_so() {
        let estimate = TokenUsage { estimated: true, ..tokens(1, 0, 1) };
        let calls = [answered("a/x", estimate, None, vec![]), answered("b/y", tokens(1, 0, 1), Some(7), vec![])];
        let usage = usage(calls.iter().map(|call| ("polecat", call)), 0);
        assert_eq!(usage.cost_usd, None);
        assert!(usage.estimated);
        assert_eq!(usage.by_model["a/x"].cost_usd, None);
        assert_eq!(usage.by_model["b/y"].cost_usd, Some(0.000_007));
    }

    #[test]
    fn the_most_that_can_be_counted_adds_up_to_itself() {
        let most = || tokens(u64::MAX, u64::MAX, u64::MAX);
        let calls = [answered("a/x", most(), Some(u64::MAX), vec![]), answered("a/x", most(), Some(1), vec![])];
        let usage = usage(calls.iter().map(|call| ("polecat", call)), 0);
        assert_eq!((usage.tokens_in, usage.tokens_cached, usage.tokens_out), (u64::MAX, u64::MAX, u64::MAX));
        assert_eq!(usage.by_role["polecat"].tokens_in, u64::MAX);
        assert_eq!(spent(&calls), (u64::MAX, u64::MAX));
    }

    #[test]
    fn no_calls_cost_nothing() {
        let usage = usage([], 0);
        assert_eq!((usage.calls, usage.cost_usd), (0, Some(0.0)));
    }
}
