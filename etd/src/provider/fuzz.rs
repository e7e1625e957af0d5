//! What the fuzz targets of `crate::fuzz` drive: the pure half of a call, as `endpoint` puts it together.

use super::fault::Fault;
use super::frames::Frames;
use super::mask::Masker;
use super::wait::retry_after;
use super::wire::tests::{request, with_schema};
use super::wire::{Answer, Quirks, Sink};
use super::{StopReason, TokenUsage, anthropic, gemini, ollama, openai};

/// What a reader makes of a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) text: String,
    /// Bytes of thinking.
    pub(crate) thinking: usize,
    pub(crate) stop: Option<StopReason>,
    pub(crate) usage: TokenUsage,
    /// Whether it ended as an answer does.
    pub(crate) good: bool,
}

/// Reads a body that comes in these pieces, in one of the four formats.
pub(crate) fn read(format: usize, pieces: &[&[u8]]) -> Read {
    let outgoing = match format {
        0 => openai::build(&request(), Quirks::default(), None),
        1 => anthropic::build(&with_schema(), Quirks::default()),
        2 => gemini::build(&request(), Quirks::default()),
        _ => ollama::build(&request(), Quirks::default()),
    };
    let mut reader = outgoing.reader;
    let mut frames = Frames::new(outgoing.framing);
    let mut answer = Answer::default();
    let mut on = |_: super::Piece<'_>| {};
    let mut sink = Sink { answer: &mut answer, on: &mut on, lively: false };
    let mut good = true;
    for piece in pieces {
        let mut events = Vec::new();
        let fed = frames.feed(piece, &mut events).is_ok();
        for event in events {
            if good && !sink.answer.done {
                good &= reader.event(&event, &mut sink).is_ok();
            }
        }
        good &= fed || sink.answer.done;
        if !good || sink.answer.done {
            break;
        }
    }
    if good && !sink.answer.done {
        if let Some(tail) = frames.finish() {
            let _ = reader.event(&tail, &mut sink);
        }
        good = sink.answer.done || sink.answer.stop.is_some();
    }
    if good {
        good = reader.end(&mut sink).is_ok();
    }
    let usage = answer.usage(10, good);
    Read { thinking: answer.thinking, stop: answer.stop, usage, good, text: answer.text }
}

/// The text that people get to see of a refusal.
pub(crate) fn refusal(status: Option<u16>, body: &str, key: &str) -> String {
    let fault = Fault::read(status, body);
    let headers = body.lines().filter_map(|line| line.split_once(':'));
    let now = jiff::Timestamp::UNIX_EPOCH;
    let _ = retry_after(headers.chain([("retry-after", body.trim()), ("x-ratelimit-reset", body.trim())]), now);
    let sent = serde_json::json!({"max_tokens": 1, "stream_options": {}, "response_format": {}, "temperature": 0});
    let _ = Quirks::default().learn(&fault, &sent);
    Masker::new([key]).clean(&format!("acme: HTTP {}: {}", status.unwrap_or(0), fault.message))
}
