//! What the server was asked, and what became of each answer.

use std::time::Duration;

use super::on::{Kind, On};
use super::wire::Wire;

/// One request.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its place among all requests, from 0.
    pub index: usize,
    /// When it had arrived, since the server's start.
    pub at: Duration,
    /// When its answer ended, well or not, since the server's start.
    pub ended: Option<Duration>,
    /// Format; none for a path that nobody knows.
    pub wire: Option<Wire>,
    /// Method, path and query.
    pub target: String,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The model that was asked.
    pub model: String,
    /// What for.
    pub kind: Kind,
    /// Subtask, or `integrator`; none where there is none.
    pub subtask: Option<String>,
    /// The system part.
    pub system: String,
    /// Speaker (`user`, `assistant`) and text of each turn.
    pub turns: Vec<(String, String)>,
    /// System part and turns.
    pub text: String,
    /// Whether JSON by a schema was asked for.
    pub schema: bool,
    /// The status that was sent; 0 while there is none.
    pub status: u16,
    /// The text that the answer has, or was to have.
    pub answer: String,
    /// Pieces of the text that were sent.
    pub pieces: usize,
    /// Bytes of the text that were sent.
    pub sent: usize,
    /// Whether a good answer was sent to its end.
    pub complete: bool,
    /// Whether the client went away before the end.
    pub gone: bool,
    /// Whether it waits at a hold.
    pub held: bool,
    /// The number that a mind gave its answer.
    pub mark: Option<usize>,
    /// Tokens of the prompt and of the answer, as they are reported.
    pub tokens: Option<(u64, u64)>,
}

impl Record {
    /// `KIND/SUBTASK`, or `KIND`.
    #[must_use]
    pub fn label(&self) -> String {
        match &self.subtask {
            Some(subtask) => format!("{}/{subtask}", self.kind.name()),
            None => self.kind.name().to_owned(),
        }
    }

    /// Whether a selector means it (a `#N` in it is not looked at).
    #[must_use]
    pub fn is(&self, on: &str) -> bool {
        On::from(on).selects(self.kind, self.subtask.as_deref(), &self.model)
    }

    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// One line for people.
    #[must_use]
    pub fn summary(&self) -> String {
        let state = match (self.complete, self.gone, self.held, self.ended) {
            (true, ..) => "complete",
            (_, true, ..) => "client gone",
            (_, _, true, None) => "held",
            (_, _, _, None) => "running",
            _ => "ended early",
        };
        format!(
            "#{} {:>7.3}s {} {} model={} status={} pieces={} {state}",
            self.index,
            self.at.as_secs_f64(),
            self.label(),
            self.target,
            self.model,
            self.status,
            self.pieces
        )
    }
}
