//! A second source of answers beside a story: whoever reads a request and says something.

use super::on::Kind;
use super::wire::Asked;

/// Answers requests. Calls may come at the same time.
pub trait Mind: Send + Sync {
    /// The answer to one request. It depends on the request and on what the mind remembers, not on a clock.
    fn answer(&self, asked: &Asked) -> Said;
}

/// An answer, and how its request was understood.
#[derive(Clone, Debug)]
pub struct Said {
    /// What the request asks for, in the mind's view.
    pub kind: Kind,
    /// Whose part of the work it is about.
    pub subtask: Option<String>,
    /// The text.
    pub text: String,
    /// Whether the token limit ends it.
    pub cut: bool,
    /// A number of the mind's own for this answer; it stands in the record.
    pub mark: Option<usize>,
}
