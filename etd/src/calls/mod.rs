//! Model calls: from "a role wants an answer" to provider requests. Choice of the model, gates, retries, fallbacks, budget, accounts.
//!
//! Promises: a call ends with an answer or with the reason why no model would serve it, never later than the round's deadline, and at
//! once when the round is cancelled. Everything that was sent is in its record, failures included. What a call may cost is reserved
//! before it is sent. One [`Router`] serves all sessions of the daemon, so that they share what is known of each endpoint.
//!
//! It never reads what an answer says, never stores anything, and knows no vendor: requests go through
//! [`Provider`], which also keeps the timers inside a request.

use std::collections::BTreeMap;
use std::sync::Arc;

use proto::config::{Config, SecretRef};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::prompt::Window;
use crate::provider::{FailureKind, OutputSchema, Prompt, Provider, ProviderError, StopReason, TokenUsage};

mod attempt;
mod budget;
mod choose;
mod decide;
mod gate;
mod health;
mod price;
mod read;
mod router;
#[cfg(test)]
mod tests;
pub mod tokens;
mod usage;

pub use budget::{Budget, BudgetLimit, Reservation};
pub use price::cost;
use read::was_cut;
pub use read::{Read, cut_by};
pub use router::Router;
pub use usage::{CallResult, spent, usage};

/// What the calls of a round share.
#[derive(Clone)]
pub struct RoundCalls {
    /// The round's configuration.
    pub config: Arc<Config>,
    /// By the name in [`Config::providers`]: the provider, or why it can't be opened.
    pub providers: BTreeMap<String, Result<Arc<dyn Provider>, ProviderError>>,
    /// The round's budget.
    pub budget: Arc<Budget>,
    /// Ends all calls at once.
    pub cancel: CancellationToken,
    /// No call outlives it.
    pub deadline: Instant,
    /// What servers were found to read of a prompt.
    pub read: Arc<Read>,
}

/// Who is served first where a provider lets only some in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// Others wait for this call: planner, fixes.
    Critical,
    /// In order.
    Normal,
}

/// One question.
pub struct CallSpec<'a> {
    /// Key of the durable step.
    pub step: String,
    /// Name of the role, for people.
    pub role: &'a str,
    /// Keys in [`Config::models`] that share the work.
    pub pool: &'a [String],
    /// Keys in [`Config::models`] that are asked, in order, when no pool member serves.
    pub fallbacks: &'a [String],
    /// Models (aliases or `provider/model`) that failed at this before: all others are asked first.
    pub avoid: &'a [String],
    /// Models (`provider/model`) that are asked for whole files, whatever their configuration says of edits.
    pub whole: &'a [String],
    /// The prompt, cut to the window of the model in hand. Called once per attempt; must be pure.
    pub prompt: &'a (dyn Fn(Window) -> Prompt + Sync),
    /// Structured output, if wanted.
    pub schema: Option<Arc<OutputSchema>>,
    /// Longest answer in tokens; what the model can, half of its window or the budget may make it shorter.
    pub max_output: u32,
    /// In thousandths.
    pub temperature_milli: u32,
    /// Who is served first.
    pub priority: Priority,
}

/// Watches a call while it runs. Its functions are called from the task that reads the stream and must return at once.
pub trait Observer: Send + Sync {
    /// A request is sent to this `provider/model`: the text starts anew, whatever came before.
    fn attempt(&self, model: &str);
    /// More text of the answer.
    fn text(&self, piece: &str);
    /// The model thinks.
    fn thinking(&self);
}

/// Watches nothing.
impl Observer for () {
    fn attempt(&self, _model: &str) {}
    fn text(&self, _piece: &str) {}
    fn thinking(&self) {}
}

/// An attempt that brought no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedAttempt {
    /// `provider/model`, or the alias where that is unknown.
    pub model: String,
    /// What kind of failure; none: it was in flight when the round was cancelled or met its deadline.
    pub kind: Option<FailureKind>,
    /// One line for people, without secrets.
    pub message: String,
    /// Whether a request was sent; otherwise it doesn't count as a call.
    pub sent: bool,
    /// What it took.
    pub usage: TokenUsage,
    /// In millionths of a US dollar; none if the price isn't known.
    pub cost_micros: Option<u64>,
}

/// A call that was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRecord {
    /// The answer; never only white space.
    pub text: String,
    /// `provider/model` that gave it.
    pub model: String,
    /// The key in [`Config::models`].
    pub alias: String,
    /// Why it ended.
    pub stop: StopReason,
    /// What the successful attempt took.
    pub usage: TokenUsage,
    /// What that cost in millionths of a US dollar; none if the price isn't known.
    pub cost_micros: Option<u64>,
    /// From the request to the end of the answer, in milliseconds.
    pub duration_ms: u64,
    /// Until the first piece, thinking included; none if the answer came in one.
    pub first_token_ms: Option<u64>,
    /// What failed before.
    pub failed: Vec<FailedAttempt>,
    /// SHA-256 of the prompt as sent, in hexadecimal.
    pub request_hash: String,
}

/// Why a call has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallFailure {
    /// No model would serve it.
    #[error("no model would serve it{}", last(attempts))]
    NoModel {
        /// What was tried.
        attempts: Vec<FailedAttempt>,
    },
    /// The prompt fits no model that would serve it.
    #[error("the prompt is too long for every model that would serve it{}", last(attempts))]
    ContextOverflow {
        /// What was tried.
        attempts: Vec<FailedAttempt>,
    },
    /// The budget doesn't pay for it.
    #[error("{limit}")]
    Budget {
        /// The limit in the way.
        limit: BudgetLimit,
        /// What was tried before.
        attempts: Vec<FailedAttempt>,
    },
    /// The round's time is over.
    #[error("the time limit was met")]
    Deadline {
        /// What was tried before.
        attempts: Vec<FailedAttempt>,
    },
    /// The round was cancelled.
    #[error("cancelled")]
    Cancelled {
        /// What was tried before.
        attempts: Vec<FailedAttempt>,
    },
    /// No model served it, and one wasn't asked because its secret isn't at hand.
    #[error("the secret {secret} isn't at hand")]
    NoSecret {
        /// Which.
        secret: SecretRef,
        /// What was tried before.
        attempts: Vec<FailedAttempt>,
    },
}

fn last(attempts: &[FailedAttempt]) -> String {
    attempts.last().map(|attempt| format!(" ({}: {})", attempt.model, attempt.message)).unwrap_or_default()
}

impl CallFailure {
    /// What was tried.
    #[must_use]
    pub fn attempts(&self) -> &[FailedAttempt] {
        match self {
            Self::NoModel { attempts }
            | Self::ContextOverflow { attempts }
            | Self::Budget { attempts, .. }
            | Self::Deadline { attempts }
            | Self::Cancelled { attempts }
            | Self::NoSecret { attempts, .. } => attempts,
        }
    }
}
