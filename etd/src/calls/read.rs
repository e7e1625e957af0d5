//! Servers that read less of a prompt than they were sent, without a word: some local ones drop its head when their window is small.
//!
//! They tell by their own count of the prompt's tokens. Such an answer was given to half a question, so it counts as a failed attempt with
//! what it took, the count is taken for the model's window from then on in the round, and the call is asked once more with a prompt that
//! fits. A record of the attempt is enough to know all of it again.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use proto::config::ProviderKind;

use super::{CallResult, FailedAttempt};
use crate::provider::{FailureKind, TokenUsage};

/// Prompts below this many bytes fit every window that is worth a call.
const SMALL: u64 = 16_000;
/// What a token has at most on average, in bytes: more than any text that a model is sent here.
const BYTES_A_TOKEN: u64 = 5;
/// The smallest part of that in hundredths, below which a count can't be one of the whole prompt.
const LEAST: u64 = 60;

/// What the models of a round were found to read, by `provider/model`.
#[derive(Debug, Default)]
pub struct Read {
    known: Mutex<BTreeMap<String, Known>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Known {
    /// The most tokens of a prompt that it counted.
    most: u64,
    /// What it was found to drop heads at.
    window: Option<u32>,
}

impl Read {
    /// With what calls tell that were recorded before.
    #[must_use]
    pub fn of(results: &[CallResult]) -> Self {
        let read = Self::default();
        for result in results {
            for attempt in attempts(result).iter().filter(|attempt| was_cut(attempt)) {
                read.learn(&attempt.model, attempt.usage.input);
            }
            if let Ok(record) = result
                && !record.usage.estimated
            {
                let mut known = read.known.lock().unwrap_or_else(PoisonError::into_inner);
                let most = &mut known.entry(record.model.clone()).or_default().most;
                *most = record.usage.input.max(*most);
            }
        }
        read
    }

    /// The window that a model was found to have, in tokens.
    #[must_use]
    pub fn window(&self, model: &str) -> Option<u32> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(model).and_then(|known| known.window)
    }

    /// Takes note of a server's count of a prompt with so many bytes, which was cut to `window` if that was known. True: it dropped a part of
    /// it. Once a prompt was cut to what is known, its answer counts, whatever the server counts.
    ///
    /// A model that counted more before can read more: then the count leaves out what the server had in a cache.
    pub(super) fn drops(
        &self,
        model: &str,
        kind: ProviderKind,
        window: Option<u32>,
        prompt: u64,
        usage: &TokenUsage,
    ) -> bool {
        // The others refuse a prompt that is too long.
        if usage.estimated || !matches!(kind, ProviderKind::Ollama | ProviderKind::Openai) {
            return false;
        }
        let counted = usage.input;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.entry(model.to_owned()).or_default();
        let before = known.most;
        known.most = before.max(counted);
        let short = counted.saturating_mul(100) < (prompt / BYTES_A_TOKEN).saturating_mul(LEAST);
        prompt >= SMALL
            && short
            && usage.cached == 0
            && window.is_none()
            && before.saturating_mul(4) <= counted.saturating_mul(5)
    }

    /// From now on a model's window is this many tokens at most.
    pub(super) fn learn(&self, model: &str, tokens: u64) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let window = &mut known.entry(model.to_owned()).or_default().window;
        let tokens = u32::try_from(tokens).unwrap_or(u32::MAX);
        *window = Some(window.map_or(tokens, |known| known.min(tokens)));
    }
}

/// What failed on the way to a result.
fn attempts(result: &CallResult) -> &[FailedAttempt] {
    match result {
        Ok(record) => &record.failed,
        Err(failure) => failure.attempts(),
    }
}

/// The models of which a call found that they read less than they were sent, and how many tokens that was.
#[must_use]
pub fn cut_by(result: &CallResult) -> Vec<(&str, u64)> {
    let cut = attempts(result).iter().filter(|attempt| was_cut(attempt));
    cut.map(|attempt| (attempt.model.as_str(), attempt.usage.input)).collect()
}

/// Whether an attempt failed since the server had dropped a part of the prompt; its count is the attempt's usage.
#[must_use]
pub(super) fn was_cut(attempt: &FailedAttempt) -> bool {
    attempt.kind == Some(FailureKind::ContextOverflow) && attempt.message.starts_with(CUT)
}

/// How the message of such an attempt begins.
const CUT: &str = "the server read only ";

/// The message of such an attempt.
pub(super) fn message(usage: &TokenUsage, prompt: u64) -> String {
    format!("{CUT}{} tokens of a prompt of {prompt} bytes: its window is smaller, and it dropped the rest", usage.input)
}

#[cfg(test)]
mod tests {
    use super::super::CallFailure;
    use super::*;

    #[test]
    fn a_count_that_cannot_be_the_whole_prompt() {
        let usage = |input, cached, estimated| TokenUsage { input, cached, written: 0, output: 5, estimated };
        let openai = ProviderKind::Openai;
        let table = [
            (openai, 40_000, usage(2048, 0, false), true),
            (ProviderKind::Ollama, 40_000, usage(4096, 0, false), true),
            // As a server counts that has read all of it.
            (openai, 40_000, usage(8000, 0, false), false),
            (openai, 40_000, usage(4900, 0, false), false),
            (openai, 12_000, usage(500, 0, false), false),
            (openai, 40_000, usage(2048, 1500, false), false),
            (openai, 40_000, usage(2048, 0, true), false),
            (ProviderKind::Anthropic, 40_000, usage(2048, 0, false), false),
            // As nobody counts.
            (openai, 40_000, usage(u64::MAX, 0, false), false),
            (openai, u64::MAX, usage(u64::MAX / 1000, 0, false), true),
        ];
        for (kind, prompt, usage, cut) in table {
            assert_eq!(Read::default().drops("p/m", kind, None, prompt, &usage), cut, "{kind:?} {prompt} {usage:?}");
        }
    }

    #[test]
    fn a_model_that_read_more_before_has_a_cache() {
        let read = Read::default();
        let usage = |input| TokenUsage { input, cached: 0, written: 0, output: 5, estimated: false };
        assert!(!read.drops("p/m", ProviderKind::Openai, None, 40_000, &usage(9000)));
        assert!(!read.drops("p/m", ProviderKind::Openai, None, 40_000, &usage(300)));
        assert!(!read.drops("p/liar", ProviderKind::Openai, None, 40_000, &usage(u64::MAX)));
        assert!(!read.drops("p/liar", ProviderKind::Openai, None, 40_000, &usage(300)));
        assert!(read.drops("p/other", ProviderKind::Openai, None, 40_000, &usage(300)));
        read.learn("p/other", 300);
        // Another prompt was under way already when that was found.
        assert!(read.drops("p/other", ProviderKind::Openai, None, 40_000, &usage(300)));
        assert!(!read.drops("p/other", ProviderKind::Openai, Some(300), 40_000, &usage(300)));
        assert_eq!((read.window("p/other"), read.window("p/m")), (Some(300), None));
    }

    #[test]
    fn a_record_tells_it_again() {
        let usage = TokenUsage { input: 2048, cached: 0, written: 0, output: 5, estimated: false };
        let attempt = |kind, message: &str| FailedAttempt {
            model: "p/m".to_owned(),
            kind: Some(kind),
            message: message.to_owned(),
            sent: true,
            usage,
            cost_micros: None,
        };
        let cut = attempt(FailureKind::ContextOverflow, &message(&usage, 40_000));
        let other = attempt(FailureKind::ContextOverflow, "too long");
        let result = |attempts: Vec<FailedAttempt>| Err(CallFailure::NoModel { attempts });
        assert_eq!(Read::of(&[result(vec![other.clone()])]).window("p/m"), None);
        let results = [result(vec![other, cut])];
        assert_eq!(Read::of(&results).window("p/m"), Some(2048));
        assert_eq!(cut_by(&results[0]), [("p/m", 2048)]);
    }
}
