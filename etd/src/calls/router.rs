//! The loop of one call: choose, attempt, decide, until a model answers or none is left.

use std::time::Duration;

use proto::config::{ModelConfig, SecretRef};
use tokio::time::{Instant, sleep, sleep_until};

use super::attempt::{Answered, Attempt, Failed, InFlight, Target, attempt};
use super::choose::{Standing, choose};
use super::decide::{Next, PATIENCE, Situation, decide, rest};
use super::health::{EndpointId, Endpoints, Running};
use super::{BudgetLimit, CallFailure, CallRecord, CallSpec, FailedAttempt, Observer, RoundCalls, gate, was_cut};
use crate::provider::{FailureKind, Provider, TokenUsage};

/// Routes the calls of all sessions of the daemon: one gate per provider and key, and what is known of each endpoint.
#[derive(Debug, Default)]
pub struct Router {
    endpoints: Endpoints,
}

/// A model that could be asked.
struct Candidate<'a> {
    alias: &'a str,
    /// `provider/model`.
    name: String,
    model: &'a ModelConfig,
    provider: &'a std::sync::Arc<dyn Provider>,
    endpoint: EndpointId,
    gate: std::sync::Arc<gate::Gate>,
    rank: usize,
    avoided: bool,
    tries: u32,
    first_failure: Option<Instant>,
    given_up: bool,
}

/// What has become of a call so far. It outlives the future that works on it, so that a cancelled call is accounted for.
#[derive(Default)]
struct Progress {
    attempts: Vec<FailedAttempt>,
    in_flight: Option<InFlight>,
    no_budget: Option<BudgetLimit>,
    no_secret: Option<SecretRef>,
    overflow: bool,
}

/// Whom to ask next.
#[derive(Clone, Copy)]
enum Wish {
    Any,
    /// This one again.
    Same(usize),
    /// Any but this one, if there is another.
    Not(usize),
}

/// A successful attempt and whose it was.
struct Success {
    alias: String,
    model: String,
    answered: Answered,
}

impl Router {
    /// A router that knows nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the models of `spec` until one answers.
    ///
    /// # Errors
    /// Why there is no answer, with all that was tried.
    ///
    /// Cancel-safe: dropping it closes the request, gives back its places, and charges the budget with the prompt if it was sent.
    pub async fn call(
        &self,
        round: &RoundCalls,
        spec: &CallSpec<'_>,
        observer: &dyn Observer,
    ) -> Result<CallRecord, CallFailure> {
        let mut progress = Progress::default();
        let cancelled = tokio::select! {
            biased;
            () = round.cancel.cancelled() => true,
            // First, so that an answer that has come by the deadline counts.
            result = self.run(round, spec, observer, &mut progress) => return progress.end(result),
            () = sleep_until(round.deadline) => false,
        };
        let message = if cancelled { "cancelled while it was under way" } else { "under way at the time limit" };
        progress.attempts.extend(progress.in_flight.take().map(|flight| flight.hang_up(message)));
        let attempts = progress.attempts;
        Err(if cancelled { CallFailure::Cancelled { attempts } } else { CallFailure::Deadline { attempts } })
    }

    /// None: nobody is left to ask; `progress` says why.
    async fn run(
        &self,
        round: &RoundCalls,
        spec: &CallSpec<'_>,
        observer: &dyn Observer,
        progress: &mut Progress,
    ) -> Option<Success> {
        let mut candidates = self.candidates(round, spec, progress);
        let mut wish = Wish::Any;
        loop {
            let (index, running) = self.pick(&candidates, wish)?;
            wish = Wish::Any;
            let (_, other) = self.alternatives(&candidates, index);
            let candidate = &mut candidates[index];
            let not_after = if other { Instant::now() + PATIENCE } else { round.deadline };
            let target = Target {
                name: &candidate.name,
                model: candidate.model,
                provider: candidate.provider,
                gate: &candidate.gate,
                not_after: not_after.min(round.deadline),
            };
            match attempt(round, spec, &target, observer, &mut progress.in_flight).await {
                Attempt::Answered(answered) => {
                    let tokens = answered.completion.usage.output;
                    let mut known = self.endpoints.known();
                    known.of(candidate.endpoint).answered(answered.duration, answered.first_token, tokens);
                    let (alias, model) = (candidate.alias.to_owned(), candidate.name.clone());
                    drop(known);
                    return Some(Success { alias, model, answered });
                }
                Attempt::NoBudget(limit) => {
                    // Another model may be cheaper.
                    progress.no_budget = Some(limit);
                    candidate.given_up = true;
                }
                Attempt::Closed(until) if until >= round.deadline => {
                    let wait = until.saturating_duration_since(Instant::now()).as_secs();
                    let message = format!("the provider lets nobody in for {wait} s, which is beyond the deadline");
                    progress.not_sent(&candidate.name, FailureKind::RateLimited, message);
                    candidate.given_up = true;
                }
                // Its gate says that it rests now: the next choice sees that.
                Attempt::Closed(_) => {}
                Attempt::Failed(failed) => {
                    let next = self.after(&mut candidates, index, failed, round, progress);
                    let model = &candidates[index].name;
                    tracing::debug!(role = spec.role, step = spec.step, model, ?next, "a model call failed");
                    drop(running);
                    match next {
                        Next::Retry(wait) => {
                            sleep(wait).await;
                            wish = Wish::Same(index);
                        }
                        Next::Another => wish = Wish::Not(index),
                        Next::GiveUp => candidates[index].given_up = true,
                    }
                }
            }
        }
    }

    /// Takes note of a failed attempt and decides what follows.
    fn after(
        &self,
        candidates: &mut [Candidate<'_>],
        index: usize,
        failed: Failed,
        round: &RoundCalls,
        progress: &mut Progress,
    ) -> Next {
        let Failed { error, record, heard, started, needed, permit } = failed;
        let now = Instant::now();
        if was_cut(&record) {
            // Its window is known now: asked again, the prompt fits.
            progress.attempts.push(record);
            return Next::Retry(Duration::ZERO);
        }
        if error.kind == FailureKind::RateLimited {
            candidates[index].gate.too_many(&permit, error.retry_after);
        }
        drop(permit);
        let growing = |failures| rest(error.kind, heard, error.retry_after, failures);
        self.endpoints.known().of(candidates[index].endpoint).failed(started, now, growing);
        progress.attempts.push(record);
        if error.kind == FailureKind::NoSecret {
            progress.no_secret = secret_of(round, candidates[index].model).or(progress.no_secret.take());
        }
        if error.kind == FailureKind::ContextOverflow {
            progress.overflow = true;
            let window = candidates[index].model.context.map_or(needed, u64::from);
            for candidate in candidates.iter_mut() {
                // One whose window isn't known may be asked: a refusal costs nothing.
                candidate.given_up |= candidate.model.context.is_some_and(|context| u64::from(context) <= window);
            }
        }
        let (peer, other) = self.alternatives(candidates, index);
        let candidate = &mut candidates[index];
        candidate.tries += 1;
        let situation = Situation {
            kind: error.kind,
            heard,
            retry_after: error.retry_after,
            tries: candidate.tries,
            elapsed: now - *candidate.first_failure.get_or_insert(now),
            left: round.deadline.saturating_duration_since(now),
            peer,
            other,
        };
        decide(situation, fastrand::u32(0..=1000))
    }

    /// Everybody who could be asked; who can't is noted as not asked.
    fn candidates<'a>(
        &self,
        round: &'a RoundCalls,
        spec: &CallSpec<'a>,
        progress: &mut Progress,
    ) -> Vec<Candidate<'a>> {
        let mut candidates = Vec::<Candidate<'a>>::new();
        let fallbacks = spec.fallbacks.iter().enumerate().map(|(index, alias)| (index + 1, alias));
        for (rank, alias) in spec.pool.iter().map(|alias| (0, alias)).chain(fallbacks) {
            if candidates.iter().any(|candidate| candidate.alias == alias) {
                continue; // a fallback that is also in the pool
            }
            let Some((alias, model)) = round.config.models.get_key_value(alias) else {
                progress.not_sent(alias, FailureKind::Rejected, "there is no such model in the configuration".into());
                continue;
            };
            let name = format!("{}/{}", model.provider, model.model);
            let provider = match round.providers.get(&model.provider) {
                Some(Ok(provider)) => provider,
                Some(Err(error)) => {
                    progress.not_sent(&name, error.kind, error.message.clone());
                    if error.kind == FailureKind::NoSecret {
                        progress.no_secret = secret_of(round, model).or(progress.no_secret.take());
                    }
                    continue;
                }
                None => {
                    progress.not_sent(&name, FailureKind::Rejected, "its provider isn't configured".into());
                    continue;
                }
            };
            let Some(config) = round.config.providers.get(&model.provider) else {
                progress.not_sent(&name, FailureKind::Rejected, "its provider isn't configured".into());
                continue;
            };
            let (endpoint, gate) = self.endpoints.of(config, model);
            let avoided = spec.avoid.iter().any(|avoid| *avoid == name || avoid == alias);
            candidates.push(Candidate {
                alias,
                name,
                model,
                provider,
                endpoint,
                gate,
                rank,
                avoided,
                tries: 0,
                first_failure: None,
                given_up: false,
            });
        }
        candidates
    }

    /// Chooses, and counts the call there in the same breath.
    fn pick(&self, candidates: &[Candidate<'_>], wish: Wish) -> Option<(usize, Running<'_>)> {
        let now = Instant::now();
        let mut known = self.endpoints.known();
        let mut standings: Vec<(usize, Standing)> = Vec::with_capacity(candidates.len());
        for (index, candidate) in candidates.iter().enumerate().filter(|(_, candidate)| !candidate.given_up) {
            let health = *known.of(candidate.endpoint);
            let standing = Standing {
                rank: candidate.rank,
                avoided: candidate.avoided,
                rest: health.rest(now).max(closed_for(candidate, now)),
                tries: candidate.tries,
                failures: health.failures,
                running: health.running,
                latency_ms: health.latency_ms(),
            };
            standings.push((index, standing));
        }
        match wish {
            Wish::Any => {}
            Wish::Same(same) => standings.retain(|(index, _)| *index == same),
            Wish::Not(not) if standings.len() > 1 => standings.retain(|(index, _)| *index != not),
            Wish::Not(_) => {}
        }
        let index = choose(&standings, PATIENCE, |n| fastrand::usize(0..n))?;
        Some((index, self.endpoints.run(known, candidates[index].endpoint)))
    }

    /// Whether another pool member is healthy, and whether anybody else is.
    fn alternatives(&self, candidates: &[Candidate<'_>], index: usize) -> (bool, bool) {
        let now = Instant::now();
        let mut known = self.endpoints.known();
        let (mut peer, mut other) = (false, false);
        let others = candidates.iter().enumerate().filter(|(i, candidate)| *i != index && !candidate.given_up);
        for (_, candidate) in others {
            let rest = known.of(candidate.endpoint).rest(now).max(closed_for(candidate, now));
            let liked = candidate.avoided <= candidates[index].avoided;
            peer |= candidate.rank == 0 && rest.is_zero() && liked;
            other |= rest <= PATIENCE;
        }
        (peer, other)
    }
}

fn closed_for(candidate: &Candidate<'_>, now: Instant) -> Duration {
    candidate.gate.closed_until(now).map(|until| until - now).unwrap_or_default()
}

fn secret_of(round: &RoundCalls, model: &ModelConfig) -> Option<SecretRef> {
    round.config.providers.get(&model.provider).and_then(|provider| provider.auth.secret().cloned())
}

impl Progress {
    fn not_sent(&mut self, model: &str, kind: FailureKind, message: String) {
        self.attempts.push(FailedAttempt {
            model: model.to_owned(),
            kind: Some(kind),
            message,
            sent: false,
            usage: TokenUsage::default(),
            cost_micros: Some(0),
        });
    }

    /// The record of a call that came to its end by itself.
    fn end(self, result: Option<Success>) -> Result<CallRecord, CallFailure> {
        let attempts = self.attempts;
        let Some(Success { alias, model, answered }) = result else {
            return Err(match (self.no_budget, self.no_secret) {
                (Some(limit), _) => CallFailure::Budget { limit, attempts },
                (None, Some(secret)) => CallFailure::NoSecret { secret, attempts },
                (None, None) if self.overflow => CallFailure::ContextOverflow { attempts },
                (None, None) => CallFailure::NoModel { attempts },
            });
        };
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Ok(CallRecord {
            text: answered.completion.text,
            model,
            alias,
            stop: answered.completion.stop,
            usage: answered.completion.usage,
            cost_micros: answered.cost_micros,
            duration_ms: ms(answered.duration),
            first_token_ms: answered.first_token.map(ms),
            failed: attempts,
            request_hash: answered.request_hash,
        })
    }
}
