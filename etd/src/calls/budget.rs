//! The hard limits of a round: tokens, and millionths of a US dollar.
//!
//! What a call may take at most is reserved before it is sent and settled with what it took. So the calls of a round together can't
//! promise more than there is, however many run at once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proto::config::Price;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::price::{answer_for, cost};
use crate::provider::TokenUsage;

/// An answer is cut down to this at most, to fit what is left.
const SHORTEST_ANSWER: u32 = 1024;

/// The limit that a call would break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BudgetLimit {
    /// Of tokens.
    #[error("{spent} of {limit} tokens are spent, and the next call doesn't fit into the rest")]
    Tokens {
        /// The limit.
        limit: u64,
        /// Spent so far.
        spent: u64,
    },
    /// Of money, in millionths of a US dollar.
    #[error("${} of ${} are spent, and the next call doesn't fit into the rest", dollars(*.spent), dollars(*.limit))]
    Cost {
        /// The limit.
        limit: u64,
        /// Spent so far.
        spent: u64,
    },
    /// There is a limit of money and a model of unknown price.
    #[error("there is a cost limit, and the price of the model isn't known")]
    UnknownPrice,
}

impl BudgetLimit {
    /// `tokens` or `cost`, as in the event.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Tokens { .. } => "tokens",
            Self::Cost { .. } | Self::UnknownPrice => "cost",
        }
    }
}

fn dollars(micros: u64) -> String {
    format!("{}.{:04}", micros / 1_000_000, micros % 1_000_000 / 100)
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Amount {
    tokens: u64,
    micros: u64,
}

impl Amount {
    fn plus(self, other: Self) -> Self {
        Self { tokens: self.tokens.saturating_add(other.tokens), micros: self.micros.saturating_add(other.micros) }
    }

    fn minus(self, other: Self) -> Self {
        Self { tokens: self.tokens.saturating_sub(other.tokens), micros: self.micros.saturating_sub(other.micros) }
    }

    fn of(usage: &TokenUsage, price: Option<Price>) -> Self {
        Self { tokens: usage.input.saturating_add(usage.output), micros: cost(usage, price).unwrap_or(0) }
    }
}

#[derive(Debug, Default)]
struct State {
    spent: Amount,
    reserved: Amount,
    open: usize,
}

/// The budget of a round, shared by its calls.
#[derive(Debug)]
pub struct Budget {
    max_tokens: Option<u64>,
    max_micros: Option<u64>,
    state: Mutex<State>,
    settled: Notify,
}

/// What one call may take at most. Settle it with what the call took; when dropped instead, it is charged with the estimate of the
/// prompt if that was sent, and with nothing if it wasn't.
#[derive(Debug)]
pub struct Reservation {
    budget: Option<Arc<Budget>>,
    amount: Amount,
    output: u32,
    input: u64,
    price: Option<Price>,
    sent: bool,
}

/// How much of an answer fits.
#[derive(Debug, PartialEq, Eq)]
enum Room {
    All,
    Some(u32),
    None(BudgetLimit),
}

impl Budget {
    /// A budget of which nothing is spent; `None` is no limit.
    #[must_use]
    pub fn new(max_tokens: Option<u64>, max_cost_micros: Option<u64>) -> Self {
        Self { max_tokens, max_micros: max_cost_micros, state: Mutex::default(), settled: Notify::new() }
    }

    /// The same with what was spent before (in tokens and in millionths of a US dollar), for a round that goes on after a restart.
    #[must_use]
    pub fn with_spent(self, tokens: u64, cost_micros: u64) -> Self {
        self.lock().spent = Amount { tokens, micros: cost_micros };
        self
    }

    /// Spent so far, in tokens and in millionths of a US dollar; zero where there is no limit to hold.
    #[must_use]
    pub fn spent(&self) -> (u64, u64) {
        let spent = self.lock().spent;
        (spent.tokens, spent.micros)
    }

    /// Reserves a prompt of about `input` tokens and an answer of up to `output`, less if only less is left. While other calls hold
    /// reservations that leave under half of that, it waits for them to settle.
    ///
    /// # Errors
    /// The limit that even a short answer would break, once no other call holds a reservation.
    ///
    /// Cancel-safe: nothing is reserved before it returns.
    pub async fn reserve(
        self: &Arc<Self>,
        input: u64,
        output: u32,
        price: Option<Price>,
    ) -> Result<Reservation, BudgetLimit> {
        if self.max_tokens.is_none() && self.max_micros.is_none() {
            return Ok(Reservation { budget: None, amount: Amount::default(), output, input, price, sent: false });
        }
        if self.max_micros.is_some() && price.is_none() {
            return Err(BudgetLimit::UnknownPrice);
        }
        loop {
            let settled = self.settled.notified();
            tokio::pin!(settled);
            settled.as_mut().enable();
            if let Some(result) = self.try_reserve(input, output, price) {
                return result;
            }
            settled.await;
        }
    }

    /// None: others must settle first.
    fn try_reserve(
        self: &Arc<Self>,
        input: u64,
        output: u32,
        price: Option<Price>,
    ) -> Option<Result<Reservation, BudgetLimit>> {
        let mut state = self.lock();
        let granted = match self.room(&state, input, output, price) {
            Room::All => output,
            Room::Some(less) if state.open == 0 || less >= output / 2 => less,
            Room::None(limit) if state.open == 0 => return Some(Err(limit)),
            Room::Some(_) | Room::None(_) => return None,
        };
        let most = TokenUsage { input, cached: 0, written: 0, output: u64::from(granted), estimated: true };
        let amount = Amount::of(&most, price);
        state.reserved = state.reserved.plus(amount);
        state.open += 1;
        let budget = Some(Arc::clone(self));
        Some(Ok(Reservation { budget, amount, output: granted, input, price, sent: false }))
    }

    fn room(&self, state: &State, input: u64, output: u32, price: Option<Price>) -> Room {
        let taken = state.spent.plus(state.reserved);
        let prompt = TokenUsage { input, ..TokenUsage::default() };
        let shortest = u64::from(output.min(SHORTEST_ANSWER));
        let mut room = u64::from(output);
        if let Some(limit) = self.max_tokens {
            room = room.min(limit.saturating_sub(taken.tokens).saturating_sub(input));
            if room < shortest {
                return Room::None(BudgetLimit::Tokens { limit, spent: state.spent.tokens });
            }
        }
        if let (Some(limit), Some(price)) = (self.max_micros, price) {
            let left = limit.saturating_sub(taken.micros);
            let prompt = cost(&prompt, Some(price)).unwrap_or(u64::MAX);
            room = room.min(left.checked_sub(prompt).map_or(0, |left| answer_for(left, price).unwrap_or(u64::MAX)));
            if room < shortest {
                return Room::None(BudgetLimit::Cost { limit, spent: state.spent.micros });
            }
        }
        match u32::try_from(room) {
            Ok(room) if room < output => Room::Some(room),
            _ => Room::All,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reservation {
    /// The longest answer that it pays for, in tokens.
    #[must_use]
    pub fn output(&self) -> u32 {
        self.output
    }

    /// From now on the prompt counts as spent, whatever becomes of the call.
    pub fn sent(&mut self) {
        self.sent = true;
    }

    /// Charges what the call took and gives back the rest.
    pub fn settle(mut self, usage: &TokenUsage) {
        self.close(usage);
    }

    fn close(&mut self, usage: &TokenUsage) {
        let Some(budget) = self.budget.take() else { return };
        {
            let mut state = budget.lock();
            state.reserved = state.reserved.minus(self.amount);
            state.open -= 1;
            state.spent = state.spent.plus(Amount::of(usage, self.price));
        }
        budget.settled.notify_waiters();
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let input = if self.sent { self.input } else { 0 };
        self.close(&TokenUsage { input, estimated: true, ..TokenUsage::default() });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

    use super::*;
    use futures_util::FutureExt;

    const PRICE: Price = Price { input: 1_000_000, cached: 100_000, output: 10_000_000 };

    fn took(input: u64, output: u64) -> TokenUsage {
        TokenUsage { input, cached: 0, written: 0, output, estimated: false }
    }

    #[test]
    fn room() {
        let tokens = |limit, spent| BudgetLimit::Tokens { limit, spent };
        let money = |limit, spent| BudgetLimit::Cost { limit, spent };
        let table = [
            (Some(10_000), None, 0, 1000, 4096, Room::All),
            (Some(5096), None, 0, 1000, 4096, Room::All),
            (Some(5000), None, 0, 1000, 4096, Room::Some(4000)),
            (Some(10_000), None, 7000, 1000, 4096, Room::Some(2000)),
            (Some(10_000), None, 7977, 1000, 4096, Room::None(tokens(10_000, 7977))),
            (Some(10_000), None, 8900, 1000, 100, Room::All),
            (Some(10_000), None, 8901, 1000, 100, Room::None(tokens(10_000, 8901))),
            (Some(10), None, 0, 1000, 100, Room::None(tokens(10, 0))),
            (None, Some(100_000), 0, 1000, 4096, Room::All),
            (None, Some(21_000), 0, 1000, 4096, Room::Some(2000)),
            (None, Some(11_000), 0, 1000, 4096, Room::None(money(11_000, 0))),
            (None, Some(10), 0, 1000, 4096, Room::None(money(10, 0))),
            (Some(4000), Some(21_000), 0, 1000, 4096, Room::Some(2000)),
        ];
        for (max_tokens, max_micros, spent, input, output, expected) in table {
            let budget = Budget::new(max_tokens, max_micros).with_spent(spent, 0);
            let state = budget.lock();
            assert_eq!(budget.room(&state, input, output, Some(PRICE)), expected, "{max_tokens:?} {max_micros:?}");
        }
    }

    #[tokio::test]
    async fn settling_gives_back_the_rest() {
        let budget = Arc::new(Budget::new(Some(10_000), Some(1_000_000)));
        let reservation = budget.reserve(1000, 4000, Some(PRICE)).await.unwrap();
        assert_eq!(budget.lock().reserved, Amount { tokens: 5000, micros: 41_000 });
        reservation.settle(&took(1100, 200));
        assert_eq!(budget.lock().reserved, Amount::default());
        assert_eq!(budget.spent(), (1300, 3100));
    }

    #[tokio::test]
    async fn a_dropped_reservation_pays_for_a_prompt_that_was_sent() {
        let budget = Arc::new(Budget::new(Some(10_000), None));
        drop(budget.reserve(1000, 4000, None).await.unwrap());
        assert_eq!(budget.spent(), (0, 0));
        let mut reservation = budget.reserve(1000, 4000, None).await.unwrap();
        reservation.sent();
        drop(reservation);
        assert_eq!(budget.spent(), (1000, 0));
        assert_eq!(budget.lock().open, 0);
    }

    #[tokio::test]
    async fn who_finds_little_waits_for_others_before_giving_up() {
        let budget = Arc::new(Budget::new(Some(10_000), None));
        let first = budget.reserve(1000, 4000, None).await.unwrap();
        let second = budget.reserve(1000, 4000, None).await.unwrap();
        assert_eq!(second.output(), 4000);
        let waiting = budget.reserve(1000, 4000, None);
        tokio::pin!(waiting);
        assert!(waiting.as_mut().now_or_never().is_none());
        first.settle(&took(1000, 1000)); // 3000 free: half of the answer
        let third = waiting.await.unwrap();
        assert_eq!(third.output(), 2000);
        second.settle(&took(1000, 4000));
        third.settle(&took(1000, 1000));
        let last = budget.reserve(500, 4000, None).await;
        assert_eq!(last.unwrap_err(), BudgetLimit::Tokens { limit: 10_000, spent: 9000 });
    }

    #[tokio::test]
    async fn no_limit_no_books() {
        let budget = Arc::new(Budget::new(None, None));
        let reservation = budget.reserve(u64::MAX, u32::MAX, None).await.unwrap();
        assert!(reservation.budget.is_none());
        reservation.settle(&took(1, 1));
        assert_eq!(budget.spent(), (0, 0));
    }

    #[tokio::test]
    async fn a_cost_limit_needs_a_price() {
        let budget = Arc::new(Budget::new(None, Some(1)));
        assert_eq!(budget.reserve(0, 1, None).await.unwrap_err(), BudgetLimit::UnknownPrice);
    }

    #[test]
    fn limits_in_words() {
        let limit = BudgetLimit::Cost { limit: 2_500_000, spent: 2_450_000 };
        assert_eq!(limit.to_string(), "$2.4500 of $2.5000 are spent, and the next call doesn't fit into the rest");
        assert_eq!(limit.name(), "cost");
    }
}
