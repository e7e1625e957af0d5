//! What a refusal says about the length of the answer that was asked for. Pure.
//!
//! Servers name their limit in words of their own; the numbers in them are understood by what was sent. Sources are the refusals of
//! DeepSeek, Groq, OpenAI, Anthropic and vLLM, as quoted in the tests.

use super::FailureKind;

/// Words for the length of an answer.
const NAMES: &[&str] =
    &["max_tokens", "max_completion_tokens", "max_output_tokens", "maxoutputtokens", "output tokens", "completion"];
/// Words for a window that prompt and answer share.
const WINDOW: &[&str] = &["maximum context length is", "context length is", "context window is", "context size is"];
/// An answer below so many tokens isn't worth its prompt.
const LEAST: u64 = 512;
/// Tokens that are left free: servers count what they put around a prompt, too.
const SPARE: u64 = 64;

/// How long an answer may be, in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    /// Whatever the prompt.
    Always(u32),
    /// Beside this prompt.
    Here(u32),
}

/// Reads a refusal of a request that asked for answers of up to `asked` tokens. None: it is about something else, or no answer worth
/// its prompt is to be had.
pub(super) fn read(message: &str, kind: FailureKind, asked: u32) -> Option<Bound> {
    let words = message.to_ascii_lowercase();
    let asked = u64::from(asked);
    let about = matches!(kind, FailureKind::Rejected | FailureKind::ContextOverflow);
    if !about || !NAMES.iter().any(|name| words.contains(name)) {
        return None;
    }
    let numbers = numbers(&words);
    let window = WINDOW.iter().find_map(|name| words.split_once(name)).and_then(|(_, rest)| first(rest));
    let (bound, here) = match window {
        Some(window) => {
            let others = || numbers.iter().copied().filter(|number| ![window, asked].contains(number));
            // The largest number is that of both together, if they are named together.
            let both = others().filter(|number| *number > asked).max();
            let prompt = match both {
                Some(both) => both - asked,
                None => others().filter(|number| *number < window).max()?,
            };
            (window.checked_sub(prompt)?.checked_sub(SPARE)?, true)
        }
        None if kind == FailureKind::Rejected => (numbers.into_iter().filter(|number| *number < asked).max()?, false),
        None => return None,
    };
    if bound >= asked || bound < LEAST {
        return None;
    }
    let bound = u32::try_from(bound).ok()?;
    Some(if here { Bound::Here(bound) } else { Bound::Always(bound) })
}

/// The whole numbers of a text; digits may be parted by commas.
fn numbers(text: &str) -> Vec<u64> {
    let parts = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == ',' || c == '_'));
    parts.filter_map(|part| part.trim_matches(',').replace(',', "").parse().ok()).collect()
}

fn first(text: &str) -> Option<u64> {
    numbers(text).first().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Bound::{Always, Here};
    use FailureKind::{ContextOverflow, Rejected, Server};

    #[test]
    fn limits_are_read_in_the_words_of_many() {
        let table = [
            (Rejected, "Invalid max_tokens value, the valid range of max_tokens is [1, 8192]", Some(Always(8192))),
            (
                Rejected,
                "`max_tokens` must be less than or equal to `8192`, the maximum value for `max_tokens` is less than the `context_window` for this model",
                Some(Always(8192)),
            ),
            (
                Rejected,
                "max_tokens is too large: 16384. This model supports at most 4096 completion tokens, whereas you provided 16384.",
                Some(Always(4096)),
            ),
            (
                Rejected,
                "max_tokens: 16384 > 8192, which is the maximum allowed number of output tokens for claude-3-5-sonnet-20241022",
                Some(Always(8192)),
            ),
            (Rejected, "max_tokens: 16384 > 8,192", Some(Always(8192))),
            (
                ContextOverflow,
                "This model's maximum context length is 8192 tokens. However, you requested 16884 tokens (500 in the messages, 16384 in the completion). Please reduce the length of the messages or completion.",
                Some(Here(7628)),
            ),
            (
                ContextOverflow,
                "'max_tokens' or 'max_completion_tokens' is too large: 16384. This model's maximum context length is 8192 tokens and your request has 500 input tokens (16384 > 8192 - 500).",
                Some(Here(7628)),
            ),
            // The prompt alone is too long, or leaves nothing that is worth it.
            (
                ContextOverflow,
                "maximum context length is 8192 tokens. However, you requested 36384 tokens (20000 in the messages, 16384 in the completion).",
                None,
            ),
            (
                ContextOverflow,
                "maximum context length is 8192 tokens. However, you requested 24484 tokens (8100 in the messages, 16384 in the completion).",
                None,
            ),
            (ContextOverflow, "prompt is too long: 210000 tokens > 200000 maximum", None),
            (ContextOverflow, "request (3031 tokens) exceeds the available context size (2048 tokens)", None),
            (ContextOverflow, "input length and `max_tokens` exceed context limit: 188240 + 16384 > 200000", None),
            // About the parameter itself, or about something else.
            (
                Rejected,
                "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
                None,
            ),
            (Rejected, "temperature must be below 2", None),
            (Rejected, "max_tokens must be at least 1", None),
            (Server, "max_tokens: 16384 > 8192", None),
        ];
        for (kind, message, expected) in table {
            assert_eq!(read(message, kind, 16_384), expected, "{message}");
        }
    }
}
