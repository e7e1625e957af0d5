//! Answers that were recorded: what `et demo` runs on. Everything else in a demo is real.
//!
//! A recording is a text file. Lines that start with `@@ ` give it structure, all others are text:
//!
//! ```text
//! what stands before the first step is a remark
//! @@ step fix/1/report
//! @@ seconds 0.8
//! @@ needs a text that the prompt must contain
//! the answer, line by line, up to the next step
//! ```
//!
//! A `*` in a step's key stands for one part of it; the first step that fits answers. A step that no recording fits, and a prompt that
//! lacks what the recording needs, are refused: a recording never answers a question that wasn't asked.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep_until};

use super::wire::{prompt_tokens, tokens};
use super::{ChatRequest, Completion, FailureKind, Piece, Provider, ProviderError, StopReason, TokenUsage};

/// The recording that ships in the binary.
const DEMO: &str = include_str!("../../recordings/demo.txt");
/// Characters of one piece.
const PIECE: usize = 16;
/// Longest time that a step may take to stream.
const MAX_SECONDS: f64 = 60.0;

#[derive(Debug, Default)]
struct Step {
    key: String,
    seconds: f64,
    needs: Vec<String>,
    text: String,
}

/// A provider that answers from a recording.
#[derive(Clone, Debug)]
pub(crate) struct Recording {
    steps: Arc<Vec<Step>>,
}

impl Recording {
    /// The one that ships in the binary.
    pub(crate) fn demo() -> Result<Self, String> {
        Self::parse(DEMO)
    }

    /// Reads a recording from a file.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("the recording {} can't be read: {error}", path.display()))?;
        Self::parse(&text).map_err(|message| format!("{}: {message}", path.display()))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut steps: Vec<Step> = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let at = at + 1;
            let Some(mark) = line.strip_prefix("@@ ") else {
                if let Some(step) = steps.last_mut() {
                    step.text.push_str(line);
                    step.text.push('\n');
                }
                continue;
            };
            let (word, rest) = mark.trim_end().split_once(' ').unwrap_or((mark.trim_end(), ""));
            match (word, steps.last_mut()) {
                ("step", _) if !rest.is_empty() => steps.push(Step { key: rest.to_owned(), ..Step::default() }),
                ("seconds", Some(step)) => {
                    let seconds = rest.parse().ok().filter(|seconds| (0.0..=MAX_SECONDS).contains(seconds));
                    step.seconds = seconds.ok_or_else(|| format!("line {at}: how many seconds?"))?;
                }
                ("needs", Some(step)) if !rest.is_empty() => step.needs.push(rest.to_owned()),
                _ => return Err(format!("line {at}: not a line of a recording: @@ {mark}")),
            }
        }
        match steps.iter().find(|step| step.text.trim().is_empty()) {
            _ if steps.is_empty() => Err("there is no step in the recording".to_owned()),
            Some(step) => Err(format!("the step {} has no answer", step.key)),
            None => Ok(Self { steps: Arc::new(steps) }),
        }
    }

    fn answer(&self, request: &ChatRequest) -> Result<&Step, ProviderError> {
        let step = self.steps.iter().find(|step| fits(&step.key, &request.step));
        let refuse = |message| ProviderError::free(FailureKind::Rejected, message);
        let step = step.ok_or_else(|| refuse(format!("the recording has no answer for the step {}", request.step)))?;
        let prompt = &request.prompt;
        let holds = |need: &&String| {
            prompt.system.contains(need.as_str()) || prompt.turns.iter().any(|turn| turn.text.contains(need.as_str()))
        };
        match step.needs.iter().find(|need| !holds(need)) {
            Some(need) => {
                Err(refuse(format!("the prompt of the step {} lacks what it was recorded for: {need}", request.step)))
            }
            None => Ok(step),
        }
    }
}

fn fits(pattern: &str, key: &str) -> bool {
    let (mut pattern, mut key) = (pattern.split('/'), key.split('/'));
    loop {
        match (pattern.next(), key.next()) {
            (None, None) => return true,
            (Some(want), Some(part)) if want == "*" || want == part => {}
            _ => return false,
        }
    }
}

impl Provider for Recording {
    fn chat<'a>(
        &'a self,
        request: &'a ChatRequest,
        on: &'a mut (dyn FnMut(Piece<'_>) + Send),
    ) -> BoxFuture<'a, Result<Completion, ProviderError>> {
        Box::pin(async move {
            let step = self.answer(request)?;
            let start = Instant::now();
            let whole = step.text.chars().count().max(1) as f64;
            let mut rest = step.text.as_str();
            let mut sent = 0;
            while !rest.is_empty() {
                let end = rest.char_indices().nth(PIECE).map_or(rest.len(), |(at, _)| at);
                let (piece, tail) = rest.split_at(end);
                sent += piece.chars().count();
                let due = Duration::from_secs_f64(step.seconds * sent as f64 / whole);
                if !due.is_zero() {
                    sleep_until(start + due).await;
                }
                on(Piece::Text(piece));
                rest = tail;
            }
            let usage = TokenUsage {
                input: prompt_tokens(request),
                cached: 0,
                written: 0,
                output: tokens(step.text.len()),
                estimated: true,
            };
            Ok(Completion { text: step.text.clone(), stop: StopReason::End, usage })
        })
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<String>, ProviderError>> {
        Box::pin(async { Ok(vec!["recording".to_owned()]) })
    }
}

#[cfg(test)]
#[path = "recorded_tests.rs"]
mod tests;
