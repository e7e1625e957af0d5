//! What is known of each endpoint (a model at a provider with a key), measured by the calls of all sessions.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use proto::config::{ModelConfig, ProviderConfig, ProviderKind, SecretRef};
use tokio::time::Instant;

use super::gate::Gate;

/// Weight of the newest measurement.
const NEWEST: f64 = 0.3;
/// Tokens of an answer of ordinary length, by which endpoints are compared.
const ORDINARY_ANSWER: f64 = 500.0;

type GateKey = (ProviderKind, String, Option<SecretRef>);

/// All endpoints. Endpoints are never removed: there are as many as configurations name.
#[derive(Debug, Default)]
pub(super) struct Endpoints {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    gates: HashMap<GateKey, Arc<Gate>>,
    ids: HashMap<(GateKey, String), EndpointId>,
    health: Vec<Health>,
}

/// Names an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EndpointId(usize);

/// What is known of one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Health {
    /// Calls that chose it and haven't ended.
    pub(super) running: usize,
    /// In a row.
    pub(super) failures: u32,
    rested_at: Option<Instant>,
    rest_until: Option<Instant>,
    first_token_ms: Option<f64>,
    token_ms: Option<f64>,
}

impl Health {
    /// How long it is still preferably not asked.
    pub(super) fn rest(&self, now: Instant) -> Duration {
        self.rest_until.map(|until| until.saturating_duration_since(now)).unwrap_or_default()
    }

    /// What an answer of ordinary length takes, in milliseconds.
    pub(super) fn latency_ms(&self) -> Option<f64> {
        Some(self.first_token_ms? + ORDINARY_ANSWER * self.token_ms.unwrap_or(0.0))
    }

    /// An attempt that was sent at `started` failed. The rest grows once per rest: calls that were under way when it began are part of
    /// the same trouble.
    pub(super) fn failed(&mut self, started: Instant, now: Instant, rest: impl Fn(u32) -> Option<Duration>) {
        let same = self.rested_at.is_some_and(|at| started <= at);
        let failures = if same { self.failures.max(1) } else { self.failures.saturating_add(1) };
        let Some(until) = rest(failures).and_then(|rest| now.checked_add(rest)) else { return };
        self.failures = failures;
        if !same {
            self.rested_at = Some(now);
        }
        self.rest_until = self.rest_until.max(Some(until));
    }

    /// An attempt was answered.
    pub(super) fn answered(&mut self, total: Duration, first: Option<Duration>, tokens: u64) {
        self.failures = 0;
        self.rested_at = None;
        self.rest_until = None;
        let first = first.unwrap_or(total);
        blend(&mut self.first_token_ms, first.as_secs_f64() * 1000.0);
        if tokens > 0 && total > first {
            blend(&mut self.token_ms, (total - first).as_secs_f64() * 1000.0 / tokens as f64);
        }
    }
}

fn blend(average: &mut Option<f64>, newest: f64) {
    *average = Some(average.map_or(newest, |old| old + NEWEST * (newest - old)));
}

/// Access to all that is known, for as long as it is held; never across an await.
pub(super) struct Known<'a>(MutexGuard<'a, Inner>);

impl Known<'_> {
    pub(super) fn of(&mut self, id: EndpointId) -> &mut Health {
        &mut self.0.health[id.0]
    }
}

/// A call that has chosen an endpoint counts as running there until this is dropped.
pub(super) struct Running<'a> {
    endpoints: &'a Endpoints,
    id: EndpointId,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.endpoints.known().of(self.id).running -= 1;
    }
}

impl Endpoints {
    /// The endpoint of a model, and the gate that it shares with the other models of its provider and key.
    pub(super) fn of(&self, provider: &ProviderConfig, model: &ModelConfig) -> (EndpointId, Arc<Gate>) {
        let key = (provider.kind, provider.base_url.clone(), provider.auth.secret().cloned());
        let Inner { gates, ids, health } = &mut *self.known().0;
        let gate = Arc::clone(gates.entry(key.clone()).or_insert_with(|| Arc::new(Gate::new())));
        let id = *ids.entry((key, model.model.clone())).or_insert_with(|| {
            health.push(Health::default());
            EndpointId(health.len() - 1)
        });
        (id, gate)
    }

    pub(super) fn known(&self) -> Known<'_> {
        Known(self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Counts a call at `id`; `known` is the access by which it was chosen, so that no two choose by the same numbers.
    pub(super) fn run(&self, mut known: Known<'_>, id: EndpointId) -> Running<'_> {
        known.of(id).running += 1;
        Running { endpoints: self, id }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_trouble_is_one_failure_and_the_next_rests_longer() {
        let rest = |failures: u32| Some(Duration::from_secs(2 << (failures - 1)));
        let mut health = Health::default();
        let start = Instant::now();
        for _ in 0..8 {
            health.failed(start, start, rest);
        }
        assert_eq!((health.failures, health.rest(start)), (1, Duration::from_secs(2)));
        let later = start + Duration::from_secs(3);
        assert_eq!(health.rest(later), Duration::ZERO);
        health.failed(later, later, rest);
        assert_eq!((health.failures, health.rest(later)), (2, Duration::from_secs(4)));
        health.failed(later, later, |_| None);
        assert_eq!(health.failures, 2, "a wrong request says nothing about the endpoint");
        health.answered(Duration::from_secs(1), None, 1);
        assert_eq!((health.failures, health.rest(later)), (0, Duration::ZERO));
    }

    #[test]
    fn latency_is_a_moving_average() {
        let mut health = Health::default();
        assert_eq!(health.latency_ms(), None);
        health.answered(Duration::from_millis(1100), Some(Duration::from_millis(100)), 100);
        assert_eq!(health.latency_ms(), Some(100.0 + 500.0 * 10.0));
        health.answered(Duration::from_millis(1200), Some(Duration::from_millis(200)), 100);
        assert_eq!(health.latency_ms(), Some(130.0 + 500.0 * 10.0));
    }
}
