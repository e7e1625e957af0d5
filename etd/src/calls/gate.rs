//! How many calls may be at one provider with one key at a time: additive increase, multiplicative decrease.
//!
//! Shared by all sessions. A provider that says "too many" halves the limit, and closes the gate for as long as it demands; each
//! clean interval raises the limit by one. Waiting calls come in critical first, then in order. A waiter that goes away leaves no
//! hole, and a permit that nobody takes is given back.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep_until};

use super::Priority;

/// Calls at once before a provider has complained: more than the workers of several rounds, so that nobody waits without cause.
const MOST: usize = 64;
/// Without a complaint for this long, one more call is let in.
const CLEAN_INTERVAL: Duration = Duration::from_secs(5);

/// A demand that is longer sets no pace: it is a quota, or nonsense.
const LONGEST_PACE: Duration = Duration::from_secs(3600);
/// For how long such a demand is believed. Then the next call asks again, for itself: one answer, perhaps of something in between, must not
/// shut out every round until the daemon ends.
const PROBE: Duration = Duration::from_secs(60);

/// For how long a provider's demand holds for other calls than the one that it was made to.
pub(super) fn believed(demand: Duration) -> Duration {
    if demand <= LONGEST_PACE { demand } else { PROBE }
}

/// One gate.
#[derive(Debug)]
pub(super) struct Gate {
    state: Mutex<State>,
    /// Changes when the gate is closed, so that waiters set their timers anew.
    closed: watch::Sender<Option<Instant>>,
}

#[derive(Debug)]
struct State {
    limit: usize,
    running: usize,
    /// When the limit was last lowered or raised.
    changed: Instant,
    halved: Option<Instant>,
    closed_until: Option<Instant>,
    critical: VecDeque<Waiter>,
    normal: VecDeque<Waiter>,
    next_id: u64,
}

#[derive(Debug)]
struct Waiter {
    id: u64,
    admit: oneshot::Sender<Permit>,
}

/// The right to be at the provider; given back when dropped.
#[derive(Debug)]
pub(super) struct Permit {
    gate: Option<Arc<Gate>>,
    since: Instant,
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(gate) = self.gate.take() {
            gate.lock().running -= 1;
            gate.admit();
        }
    }
}

/// Takes a waiter out of its queue when its future is dropped.
struct Place<'a> {
    gate: &'a Arc<Gate>,
    id: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.gate.lock();
        state.critical.retain(|waiter| waiter.id != self.id);
        state.normal.retain(|waiter| waiter.id != self.id);
    }
}

impl Gate {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                limit: MOST,
                running: 0,
                changed: Instant::now(),
                halved: None,
                closed_until: None,
                critical: VecDeque::new(),
                normal: VecDeque::new(),
                next_id: 0,
            }),
            closed: watch::Sender::new(None),
        }
    }

    /// Waits for the turn of this call.
    ///
    /// # Errors
    /// When the gate opens again, as soon as that is later than `not_after`: then another provider is the better choice.
    ///
    /// Cancel-safe: a dropped waiter loses its place and nothing else.
    pub(super) async fn enter(self: &Arc<Self>, priority: Priority, not_after: Instant) -> Result<Permit, Instant> {
        let mut closed = self.closed.subscribe();
        let (admit, mut admitted) = oneshot::channel();
        let id = {
            let mut state = self.lock();
            let id = state.next_id;
            state.next_id += 1;
            match priority {
                Priority::Critical => state.critical.push_back(Waiter { id, admit }),
                Priority::Normal => state.normal.push_back(Waiter { id, admit }),
            }
            id
        };
        // Declared after `admitted`, so dropped before it: first the place is given up, then a permit that came meanwhile.
        let _place = Place { gate: self, id };
        loop {
            self.admit();
            if let Ok(permit) = admitted.try_recv() {
                return Ok(permit);
            }
            let now = Instant::now();
            let (open_at, timer) = self.timer(now);
            if let Some(until) = open_at.filter(|until| *until > not_after) {
                return Err(until);
            }
            tokio::select! {
                biased;
                permit = &mut admitted => if let Ok(permit) = permit { return Ok(permit) },
                _ = closed.changed() => {}
                () = sleep_until(timer) => {}
            }
        }
    }

    /// When the gate opens again; none if it is open.
    pub(super) fn closed_until(&self, now: Instant) -> Option<Instant> {
        self.lock().closed_until.filter(|until| *until > now)
    }

    /// The provider said "too many" to the holder of `permit`, and perhaps for how long.
    pub(super) fn too_many(&self, permit: &Permit, retry_after: Option<Duration>) {
        let now = Instant::now();
        let until = retry_after.and_then(|wait| now.checked_add(believed(wait))).filter(|until| *until > now);
        {
            let mut state = self.lock();
            state.raise(now);
            // A burst that was let in together is one complaint.
            if state.halved.is_none_or(|halved| permit.since > halved) {
                state.halved = Some(now);
                state.limit = (state.limit.min(state.running) / 2).max(1);
            }
            state.changed = now;
            state.closed_until = state.closed_until.max(until);
        }
        if let Some(until) = until {
            self.closed.send_replace(Some(until));
        }
    }

    /// When the gate opens, and when a waiter should look again: then, or when the limit is next raised.
    fn timer(&self, now: Instant) -> (Option<Instant>, Instant) {
        let state = self.lock();
        let open_at = state.closed_until.filter(|until| *until > now);
        (open_at, open_at.unwrap_or(state.changed + CLEAN_INTERVAL))
    }

    /// Lets in whoever may come in.
    fn admit(self: &Arc<Self>) {
        let now = Instant::now();
        loop {
            let waiter = {
                let mut state = self.lock();
                state.raise(now);
                if state.running >= state.limit || state.closed_until.is_some_and(|until| until > now) {
                    return;
                }
                let Some(waiter) = state.critical.pop_front().or_else(|| state.normal.pop_front()) else { return };
                state.running += 1;
                waiter
            };
            if let Err(mut permit) = waiter.admit.send(Permit { gate: Some(Arc::clone(self)), since: now }) {
                // Its receiver went away between the queue and here. Not through `drop`, which would come back to this function.
                permit.gate = None;
                self.lock().running -= 1;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// One more for each clean interval that has passed.
    fn raise(&mut self, now: Instant) {
        while self.limit < MOST && now.saturating_duration_since(self.changed) >= CLEAN_INTERVAL {
            self.limit += 1;
            self.changed += CLEAN_INTERVAL;
        }
        if self.limit == MOST {
            self.changed = now;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

    use super::*;
    use futures_util::FutureExt;
    use futures_util::future::BoxFuture;

    fn far() -> Instant {
        Instant::now() + Duration::from_secs(100_000)
    }

    type Entering = BoxFuture<'static, Result<Permit, Instant>>;

    fn entering(gate: &Arc<Gate>, priority: Priority) -> Entering {
        let gate = Arc::clone(gate);
        let mut future = async move { gate.enter(priority, far()).await }.boxed();
        assert!((&mut future).now_or_never().is_none(), "it has to wait");
        future
    }

    async fn enter(gate: &Arc<Gate>) -> Permit {
        gate.enter(Priority::Normal, far()).await.unwrap()
    }

    fn is_in(future: &mut Entering) -> Option<Permit> {
        future.now_or_never().map(Result::unwrap)
    }

    #[tokio::test(start_paused = true)]
    async fn a_generous_start_and_a_halving_of_what_runs() {
        let gate = Arc::new(Gate::new());
        let mut permits = Vec::new();
        for _ in 0..8 {
            permits.push(enter(&gate).await);
        }
        gate.too_many(&permits[0], None);
        assert_eq!(gate.lock().limit, 4);
        // The rest of the burst says the same.
        tokio::time::advance(Duration::from_millis(10)).await;
        gate.too_many(&permits[1], None);
        assert_eq!(gate.lock().limit, 4);
        let mut next = entering(&gate, Priority::Normal);
        permits.truncate(4);
        assert!(is_in(&mut next).is_none());
        permits.truncate(3);
        let late = is_in(&mut next).expect("one left");
        gate.too_many(&late, None);
        assert_eq!(gate.lock().limit, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn clean_intervals_raise_it_and_waiters_notice() {
        let gate = Arc::new(Gate::new());
        let first = enter(&gate).await;
        gate.too_many(&first, None);
        assert_eq!(gate.lock().limit, 1);
        let start = Instant::now();
        let _second = enter(&gate).await;
        assert_eq!(start.elapsed(), CLEAN_INTERVAL);
        let _third = enter(&gate).await;
        assert_eq!(start.elapsed(), 2 * CLEAN_INTERVAL);
        tokio::time::advance(1000 * CLEAN_INTERVAL).await;
        gate.admit();
        assert_eq!(gate.lock().limit, MOST);
    }

    #[tokio::test(start_paused = true)]
    async fn closed_until_the_demanded_time_also_for_those_who_waited_before() {
        let gate = Arc::new(Gate::new());
        let first = enter(&gate).await;
        gate.too_many(&first, None);
        let mut waiting = entering(&gate, Priority::Normal);
        let start = Instant::now();
        gate.too_many(&first, Some(Duration::from_secs(20)));
        drop(first);
        assert!(is_in(&mut waiting).is_none());
        waiting.await.unwrap();
        assert_eq!(start.elapsed(), Duration::from_secs(20));
    }

    #[tokio::test(start_paused = true)]
    async fn a_demand_of_a_year_shuts_nobody_out_for_a_year() {
        for (demand, closed) in [(3600, 3600), (3601, 60), (365 * 86_400, 60), (u64::MAX, 60)] {
            let gate = Arc::new(Gate::new());
            let first = enter(&gate).await;
            let start = Instant::now();
            gate.too_many(&first, Some(Duration::from_secs(demand)));
            assert_eq!(gate.closed_until(start).unwrap() - start, Duration::from_secs(closed), "{demand}");
            drop(first);
            enter(&gate).await;
            assert_eq!(start.elapsed(), Duration::from_secs(closed), "{demand}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_can_go_elsewhere_does_not_wait_for_a_closed_gate() {
        let gate = Arc::new(Gate::new());
        let first = enter(&gate).await;
        gate.too_many(&first, None);
        let not_after = Instant::now() + Duration::from_secs(5);
        let impatient = Arc::clone(&gate);
        let mut waiting = async move { impatient.enter(Priority::Normal, not_after).await }.boxed();
        assert!((&mut waiting).now_or_never().is_none());
        gate.too_many(&first, Some(Duration::from_secs(6)));
        assert_eq!(waiting.await.unwrap_err(), Instant::now() + Duration::from_secs(6));
    }

    #[tokio::test(start_paused = true)]
    async fn critical_first_then_in_order() {
        let gate = Arc::new(Gate::new());
        let first = enter(&gate).await;
        gate.too_many(&first, None);
        let mut a = entering(&gate, Priority::Normal);
        let mut b = entering(&gate, Priority::Normal);
        let mut critical = entering(&gate, Priority::Critical);
        drop(first);
        assert!(is_in(&mut a).is_none() && is_in(&mut b).is_none());
        drop(is_in(&mut critical).expect("critical first"));
        assert!(is_in(&mut b).is_none());
        drop(is_in(&mut a).expect("then in order"));
        is_in(&mut b).expect("then the last");
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_waiter_leaves_no_hole() {
        let gate = Arc::new(Gate::new());
        let first = enter(&gate).await;
        gate.too_many(&first, None);
        let queued = entering(&gate, Priority::Normal);
        let admitted = entering(&gate, Priority::Normal);
        let mut last = entering(&gate, Priority::Normal);
        drop(queued);
        assert_eq!(gate.lock().normal.len(), 2);
        drop(first); // lets `admitted` in, which never looks
        assert!(is_in(&mut last).is_none());
        drop(admitted);
        drop(is_in(&mut last).expect("its permit came back"));
        assert_eq!(gate.lock().running, 0);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nothing_leaks_when_waiters_come_and_go_in_parallel() {
        let start = Instant::now();
        let gate = Arc::new(Gate::new());
        let first = enter(&gate).await;
        gate.too_many(&first, None);
        let most = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let tasks: Vec<_> = (0..400)
            .map(|n| {
                let (gate, most) = (Arc::clone(&gate), Arc::clone(&most));
                let priority = if n % 3 == 0 { Priority::Critical } else { Priority::Normal };
                tokio::spawn(async move {
                    let _permit = gate.enter(priority, far()).await;
                    most.fetch_max(gate.lock().running, std::sync::atomic::Ordering::Relaxed);
                    tokio::task::yield_now().await;
                })
            })
            .collect();
        tokio::task::yield_now().await;
        tasks.iter().step_by(2).for_each(tokio::task::JoinHandle::abort);
        drop(first);
        for task in tasks {
            let _ = task.await;
        }
        let state = gate.lock();
        assert_eq!((state.running, state.normal.len(), state.critical.len()), (0, 0, 0));
        let raised = usize::try_from(start.elapsed().as_secs() / CLEAN_INTERVAL.as_secs()).unwrap();
        assert!((1..=1 + raised).contains(&most.load(std::sync::atomic::Ordering::Relaxed)));
    }
}
