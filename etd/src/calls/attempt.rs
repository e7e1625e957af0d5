//! One attempt at one model: prompt, reservation, gate, request, settlement.

use std::sync::Arc;
use std::time::Duration;

use proto::config::{ModelConfig, Price};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::gate::{Gate, Permit};
use super::{BudgetLimit, CallSpec, FailedAttempt, Observer, Reservation, RoundCalls, price, read, tokens};
use crate::prompt::Window;
use crate::provider::{
    ChatRequest, Completion, FailureKind, Piece, Prompt, Provider, ProviderError, StopReason, TokenUsage,
};

/// Whom to ask, and how long to wait for being let in.
pub(super) struct Target<'a> {
    /// `provider/model`.
    pub(super) name: &'a str,
    pub(super) model: &'a ModelConfig,
    pub(super) provider: &'a Arc<dyn Provider>,
    pub(super) gate: &'a Arc<Gate>,
    /// A gate that opens later than this isn't waited for.
    pub(super) not_after: Instant,
}

/// What came of it.
pub(super) enum Attempt {
    Answered(Answered),
    /// It was sent and failed.
    Failed(Failed),
    /// It wasn't sent: the budget is in the way.
    NoBudget(BudgetLimit),
    /// It wasn't sent: the provider lets nobody in before this.
    Closed(Instant),
}

pub(super) struct Answered {
    pub(super) completion: Completion,
    pub(super) cost_micros: Option<u64>,
    pub(super) duration: Duration,
    pub(super) first_token: Option<Duration>,
    pub(super) request_hash: String,
}

pub(super) struct Failed {
    pub(super) error: ProviderError,
    pub(super) record: FailedAttempt,
    /// Whether anything came back.
    pub(super) heard: bool,
    pub(super) started: Instant,
    /// Tokens that would have been needed, estimated.
    pub(super) needed: u64,
    pub(super) permit: Permit,
}

/// A request that was sent and hasn't ended. It lives outside the future that waits for it, so that a cancelled call is accounted for.
pub(super) struct InFlight {
    model: String,
    price: Option<Price>,
    reservation: Reservation,
    prompt_tokens: u64,
    /// Characters of text and thinking so far.
    streamed: u64,
    heard: bool,
}

impl InFlight {
    /// What has been taken so far, as an estimate.
    fn so_far(&self) -> TokenUsage {
        TokenUsage {
            input: self.prompt_tokens,
            cached: 0,
            written: 0,
            output: self.streamed.div_ceil(4),
            estimated: true,
        }
    }

    /// We hang up: what was taken is settled and told.
    pub(super) fn hang_up(self, message: &str) -> FailedAttempt {
        let usage = self.so_far();
        let cost_micros = price::cost(&usage, self.price);
        self.reservation.settle(&usage);
        FailedAttempt { model: self.model, kind: None, message: message.to_owned(), sent: true, usage, cost_micros }
    }
}

/// Longest answer to ask for: what is wanted, what the model can, and never more than half of its window.
pub(super) fn longest_answer(wanted: u32, model: &ModelConfig) -> u32 {
    let half = model.context.map_or(u32::MAX, |context| context / 2);
    wanted.min(model.max_output.unwrap_or(u32::MAX)).min(half).max(1)
}

/// What a failed attempt took: what the provider says; otherwise an estimate, if the model had begun.
fn taken(error: &ProviderError, heard: bool, so_far: TokenUsage) -> TokenUsage {
    if error.usage.input > 0 || error.usage.output > 0 {
        return error.usage;
    }
    // A refusal by status, and a connection that never stood, are free. A stream that broke or a server that kept us waiting isn't.
    let begun = match error.kind {
        FailureKind::Timeout | FailureKind::Malformed => true,
        FailureKind::Network => heard || error.status.is_some(),
        FailureKind::Server | FailureKind::RateLimited => heard,
        FailureKind::Auth
        | FailureKind::ContextOverflow
        | FailureKind::Rejected
        | FailureKind::UnknownModel
        | FailureKind::NoSecret => false,
    };
    if begun { so_far } else { TokenUsage::default() }
}

/// SHA-256 of a prompt, in hexadecimal.
fn hash(prompt: &Prompt) -> String {
    let mut hasher = Sha256::new();
    let speakers = prompt.turns.iter().map(|turn| (format!("{:?}", turn.speaker), turn.text.as_str()));
    for (speaker, text) in std::iter::once(("System".to_owned(), prompt.system.as_str())).chain(speakers) {
        // Lengths keep neighbours apart.
        hasher.update(format!("{speaker} {}\n", text.len()));
        hasher.update(text);
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Asks one model once. While the request is under way, it stands in `in_flight`.
pub(super) async fn attempt(
    round: &RoundCalls,
    spec: &CallSpec<'_>,
    target: &Target<'_>,
    observer: &dyn Observer,
    in_flight: &mut Option<InFlight>,
) -> Attempt {
    let model = target.model;
    let found = round.read.window(target.name);
    let context = found.map_or(model.context, |found| Some(model.context.map_or(found, |context| context.min(found))));
    let half = found.map_or(u32::MAX, |found| (found / 2).max(1));
    let output = longest_answer(spec.max_output, model).min(half);
    let edits = model.edits.unwrap_or(true) && !spec.whole.iter().any(|name| name == target.name);
    let prompt = (spec.prompt)(Window { context, output, edits });
    let prompt_tokens = tokens::of_prompt(&prompt);
    let mut reservation = match round.budget.reserve(prompt_tokens, output, model.price).await {
        Ok(reservation) => reservation,
        Err(limit) => return Attempt::NoBudget(limit),
    };
    let permit = match target.gate.enter(spec.priority, target.not_after).await {
        Ok(permit) => permit,
        Err(until) => return Attempt::Closed(until),
    };
    let request_hash = hash(&prompt);
    let bytes = (prompt.system.len() + prompt.turns.iter().map(|turn| turn.text.len()).sum::<usize>()) as u64;
    let request = ChatRequest {
        step: spec.step.clone(),
        model: model.model.clone(),
        prompt,
        max_output: reservation.output(),
        temperature_milli: spec.temperature_milli,
        schema: spec.schema.clone(),
        context: model.context,
    };
    observer.attempt(target.name);
    reservation.sent();
    let flight = in_flight.insert(InFlight {
        model: target.name.to_owned(),
        price: model.price,
        reservation,
        prompt_tokens,
        streamed: 0,
        heard: false,
    });
    let started = Instant::now();
    let mut first_token = None;
    let result = target
        .provider
        .chat(&request, &mut |piece| {
            let (Piece::Text(text) | Piece::Thinking(text)) = piece;
            flight.heard = true;
            flight.streamed += text.chars().count() as u64;
            first_token.get_or_insert_with(|| started.elapsed());
            match piece {
                Piece::Text(text) => observer.text(text),
                Piece::Thinking(_) => observer.thinking(),
            }
        })
        .await;
    let duration = started.elapsed();
    let (so_far, heard) = (flight.so_far(), flight.heard);
    let mut settle = |usage: &TokenUsage| {
        if let Some(flight) = in_flight.take() {
            flight.reservation.settle(usage);
        }
        price::cost(usage, model.price)
    };
    let error = match result {
        Ok(mut completion) => {
            if completion.usage.input == 0 && completion.usage.output == 0 {
                let output = so_far.output.max(tokens::estimate(&completion.text));
                completion.usage = TokenUsage { output, ..so_far };
            }
            let kind = round.config.providers.get(&model.provider).map(|provider| provider.kind);
            if kind.is_some_and(|kind| round.read.drops(target.name, kind, found, bytes, &completion.usage)) {
                round.read.learn(target.name, completion.usage.input);
                let message = read::message(&completion.usage, bytes);
                let usage = completion.usage;
                ProviderError { kind: FailureKind::ContextOverflow, status: None, retry_after: None, message, usage }
            } else if completion.text.trim().is_empty() {
                empty(&completion)
            } else {
                let cost_micros = settle(&completion.usage);
                return Attempt::Answered(Answered { completion, cost_micros, duration, first_token, request_hash });
            }
        }
        Err(error) => error,
    };
    let usage = taken(&error, heard, so_far);
    let cost_micros = settle(&usage);
    let record = FailedAttempt {
        model: target.name.to_owned(),
        kind: Some(error.kind),
        message: error.message.clone(),
        sent: true,
        usage,
        cost_micros,
    };
    let heard = heard || error.status.is_some();
    let needed = prompt_tokens.saturating_add(u64::from(output));
    Attempt::Failed(Failed { error, record, heard, started, needed, permit })
}

/// An answer without text is no answer. Where the model said all that it would say, asking it the same again would only be paid for again.
fn empty(completion: &Completion) -> ProviderError {
    let (kind, message) = match completion.stop {
        StopReason::End => (FailureKind::Malformed, "the answer is empty"),
        StopReason::Length => (FailureKind::Rejected, "the token limit was met before the answer began"),
        StopReason::Filtered => (FailureKind::Rejected, "the provider withheld the answer"),
    };
    ProviderError { kind, status: None, retry_after: None, message: message.to_owned(), usage: completion.usage }
}

#[cfg(test)]
mod tests {
    use super::*;
    use FailureKind::*;

    #[test]
    fn what_a_failure_took() {
        let so_far = TokenUsage { input: 100, cached: 0, written: 0, output: 5, estimated: true };
        let said = TokenUsage { input: 7, cached: 0, written: 0, output: 1, estimated: false };
        let none = TokenUsage::default();
        for (kind, status, heard, usage, expected) in [
            (Server, Some(500), false, said, said),
            (Network, None, false, none, none),
            (Network, None, true, none, so_far),
            (Network, Some(200), false, none, so_far),
            (Timeout, None, false, none, so_far),
            (Malformed, Some(200), true, none, so_far),
            (RateLimited, Some(429), false, none, none),
            (Server, Some(503), false, none, none),
            (Server, Some(200), true, none, so_far),
            (Auth, Some(401), false, none, none),
            (Rejected, Some(400), false, none, none),
        ] {
            let error = ProviderError { kind, status, retry_after: None, message: String::new(), usage };
            assert_eq!(taken(&error, heard, so_far), expected, "{kind:?} {status:?} {heard}");
        }
    }

    #[test]
    fn the_longest_answer() {
        let model = |context, max_output| ModelConfig {
            provider: "p".into(),
            model: "m".into(),
            context,
            max_output,
            price: None,
            edits: None,
        };
        for (wanted, context, most, expected) in [
            (4096, None, None, 4096),
            (4096, None, Some(1000), 1000),
            (4096, Some(4096), None, 2048),
            (4096, Some(200_000), Some(8192), 4096),
            (4096, Some(0), None, 1),
        ] {
            assert_eq!(longest_answer(wanted, &model(context, most)), expected);
        }
    }

    #[test]
    fn neighbours_are_kept_apart() {
        let prompt = |system: &str| Prompt { system: system.into(), turns: vec![] };
        assert_eq!(hash(&prompt("a")).len(), 64);
        assert_ne!(hash(&prompt("a")), hash(&prompt("b")));
    }
}
