//! Model providers: one request, streamed. No other module knows a vendor's JSON.
//!
//! Retries, pools, fallbacks and budgets are `calls`; here one call is sent once and what comes back is told truthfully. (A request
//! that is refused for a parameter that the server doesn't know is sent again without it; nothing was paid for it.)
//!
//! Adapters (`openai`, `ollama`, `anthropic`, `gemini`) and all that they stand on (`wire`, `frames`, `fault`, `wait`, `mask`) are pure;
//! `http` makes clients and `endpoint` does the I/O. No key may end in a URL, at another host, or in an error text.

mod anthropic;
mod bound;
mod endpoint;
mod fault;
mod frames;
#[cfg(test)]
pub(crate) mod fuzz;
mod gemini;
#[cfg(test)]
mod hostile;
mod http;
mod mask;
mod ollama;
mod openai;
mod recorded;
mod tls;
mod wait;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

pub use http::Clients;

/// Who said something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    /// Us.
    User,
    /// The model.
    Assistant,
}

/// One turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// Who.
    pub speaker: Speaker,
    /// What.
    pub text: String,
}

/// What a model is asked. The stable part is `system`; the task stands last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    /// Same for all workers of a round, so that provider caches hit.
    pub system: String,
    /// User and assistant in turn; the last is the user's.
    pub turns: Vec<Turn>,
}

/// A JSON schema that the answer must keep to, where the provider can enforce one.
#[derive(Clone, Debug)]
pub struct OutputSchema {
    /// A short name, letters and `_`.
    pub name: &'static str,
    /// The schema.
    pub schema: serde_json::Value,
}

/// One request.
#[derive(Clone, Debug)]
pub struct ChatRequest {
    /// Key of the durable step; only recordings look at it.
    pub step: String,
    /// The vendor's name of the model.
    pub model: String,
    /// What it is asked.
    pub prompt: Prompt,
    /// Longest answer in tokens.
    pub max_output: u32,
    /// In thousandths.
    pub temperature_milli: u32,
    /// Structured output, if wanted.
    pub schema: Option<Arc<OutputSchema>>,
    /// The model's window in tokens, if known (Ollama's `num_ctx`).
    pub context: Option<u32>,
}

/// Tokens of one call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenUsage {
    /// Prompt tokens, cached ones included.
    pub input: u64,
    /// Prompt tokens read from the provider's cache.
    pub cached: u64,
    /// Prompt tokens written to the provider's cache, where it says so: they cost more than others.
    #[serde(default)]
    pub written: u64,
    /// Answer tokens, thinking included.
    pub output: u64,
    /// Whether the provider said nothing and this is an estimate.
    pub estimated: bool,
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The model was done.
    End,
    /// The token limit cut it.
    Length,
    /// The provider withheld it.
    Filtered,
}

/// A complete answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completion {
    /// The text, without thinking.
    pub text: String,
    /// Why it ended.
    pub stop: StopReason,
    /// What it took.
    pub usage: TokenUsage,
}

/// Kind of a failure; what `calls` decides by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The key was refused (401, 403), or its account has no credit left, whatever the status: waiting doesn't help.
    Auth,
    /// Too many requests (429).
    RateLimited,
    /// The server is in trouble (5xx, overloaded, a model that loads).
    Server,
    /// No connection, or it broke.
    Network,
    /// One of our timers fired.
    Timeout,
    /// The prompt doesn't fit the model's window.
    ContextOverflow,
    /// The request is wrong (other 4xx): the same request will fail again.
    Rejected,
    /// The model doesn't exist there.
    UnknownModel,
    /// The stream isn't what the format says, or is larger than any answer.
    Malformed,
    /// The secret isn't there.
    NoSecret,
}

/// A call that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{message}")]
pub struct ProviderError {
    /// What kind.
    pub kind: FailureKind,
    /// HTTP status, if there was one.
    pub status: Option<u16>,
    /// How long the provider wants us to wait.
    pub retry_after: Option<Duration>,
    /// One line for people; every known secret in it is masked.
    pub message: String,
    /// What it took nevertheless, as far as known.
    pub usage: TokenUsage,
}

impl ProviderError {
    /// One that took nothing.
    pub(crate) fn free(kind: FailureKind, message: String) -> Self {
        Self { kind, status: None, retry_after: None, message, usage: TokenUsage::default() }
    }
}

/// A piece of a streaming answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Text of the answer.
    Text(&'a str),
    /// Thinking: it counts as a sign of life and as tokens, and isn't part of the answer.
    Thinking(&'a str),
}

/// Something that answers chat requests.
pub trait Provider: Send + Sync {
    /// Sends one request, hands each piece to `on` as it comes and returns the complete answer.
    ///
    /// Cancel-safe in that dropping the future closes the connection; what was answered so far is lost.
    fn chat<'a>(
        &'a self,
        request: &'a ChatRequest,
        on: &'a mut (dyn FnMut(Piece<'_>) + Send),
    ) -> BoxFuture<'a, Result<Completion, ProviderError>>;

    /// The vendor's names of the models that it offers.
    fn models(&self) -> BoxFuture<'_, Result<Vec<String>, ProviderError>>;
}
