//! What the adapters of the four wire formats have in common. Pure.
//!
//! An adapter turns a request into path and body, and the events of a stream into an [`Answer`]. It never sees a socket, a key or
//! a clock.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::bound::{self, Bound};
use super::fault::Fault;
use super::frames::Framing;
use super::{ChatRequest, FailureKind, Piece, StopReason, TokenUsage};

/// Longest answer in bytes, thinking included.
pub(crate) const MAX_ANSWER: usize = 16 * 1024 * 1024;
/// Most values in the JSON of one event. In memory each takes some thirty times its shortest text.
pub(crate) const MAX_VALUES: usize = 64 * 1024;
/// More tokens than any call takes: a larger count is none.
pub(crate) const MAX_COUNT: u64 = 1_000_000_000;

/// What a server turned out not to take. Remembered for its model, so that only the first call pays for the lesson.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Quirks {
    /// No structured output.
    pub(crate) no_schema: bool,
    /// No `stream_options`.
    pub(crate) no_stream_options: bool,
    /// `max_completion_tokens` in place of `max_tokens`.
    pub(crate) completion_tokens: bool,
    /// No `temperature`.
    pub(crate) no_temperature: bool,
    /// No longer answers, in tokens.
    pub(crate) longest: Option<u32>,
    /// Beside this prompt no longer answer, in tokens: for one call only.
    pub(crate) room: Option<u32>,
}

/// What servers turned out not to take, by base URL and model.
pub(crate) type Lessons = Arc<Mutex<HashMap<(String, String), Quirks>>>;

impl Quirks {
    /// The longest answer to ask for, in tokens.
    pub(crate) fn longest(self, request: &ChatRequest) -> u32 {
        let bounds = self.longest.into_iter().chain(self.room);
        bounds.fold(request.max_output, u32::min).max(1)
    }

    /// What of it holds for calls with other prompts.
    pub(crate) fn lasting(self) -> Self {
        Self { room: None, ..self }
    }

    /// What a refusal teaches, if it names something that we sent and can leave out, or make smaller.
    pub(crate) fn learn(self, fault: &Fault, sent: &Value) -> Option<Self> {
        if let Some(asked) = asked(sent) {
            match bound::read(&fault.message, fault.kind, asked) {
                Some(Bound::Always(longest)) => return Some(Self { longest: Some(longest), ..self }),
                Some(Bound::Here(room)) => return Some(Self { room: Some(room), ..self }),
                None => {}
            }
        }
        if fault.kind != FailureKind::Rejected || !matches!(fault.status, Some(400 | 404 | 422)) {
            return None;
        }
        let words = fault.message.to_ascii_lowercase();
        let has = |key: &str| sent.get(key).is_some();
        let named = |list: &[&str]| list.iter().any(|word| words.contains(word));
        let generation = sent.get("generationConfig");
        let mut next = self;
        if has("stream_options") && named(&["stream_options", "include_usage"]) {
            next.no_stream_options = true;
        } else if has("max_tokens") && words.contains("max_completion_tokens") {
            next.completion_tokens = true;
        } else if has("max_completion_tokens") && words.contains("max_completion_tokens") {
            next.completion_tokens = false;
        } else if has("max_tokens") && words.contains("max_tokens") && unsupported(&words) {
            next.completion_tokens = true;
        } else if (has("response_format") || has("tool_choice") || has("format"))
            && named(&["response_format", "tool", "format", "schema", "grammar"])
            || generation.is_some_and(|generation| generation.get("responseSchema").is_some())
                && named(&["schema", "mime", "json mode"])
        {
            next.no_schema = true;
        } else if (has("temperature") || generation.is_some_and(|generation| generation.get("temperature").is_some()))
            && words.contains("temperature")
        {
            next.no_temperature = true;
        }
        (next != self).then_some(next)
    }
}

/// The longest answer that a request asked for.
fn asked(sent: &Value) -> Option<u32> {
    let places = ["/max_tokens", "/max_completion_tokens", "/generationConfig/maxOutputTokens"];
    let asked = places.iter().find_map(|place| sent.pointer(place))?;
    asked.as_u64().and_then(|asked| u32::try_from(asked).ok())
}

fn unsupported(words: &str) -> bool {
    ["not support", "unsupported", "unrecognized", "unknown", "not permitted", "extra"]
        .iter()
        .any(|word| words.contains(word))
}

/// A request, ready but for host and authentication.
pub(crate) struct Outgoing {
    /// Path and query below the base URL, with a slash in front.
    pub(crate) path: String,
    /// Headers that are no secret.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// The JSON body.
    pub(crate) body: Value,
    /// How the answer is cut.
    pub(crate) framing: Framing,
    /// What reads it.
    pub(crate) reader: Box<dyn Reader>,
}

/// Why an event can't be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It isn't what the format says.
    Malformed(String),
    /// The provider says that something went wrong.
    Fault(Fault),
}

impl Trouble {
    /// An error object in a stream.
    pub(crate) fn in_stream(data: &str) -> Self {
        Self::Fault(Fault::read(None, data))
    }

    /// The server ended the answer before the model did.
    pub(crate) fn broken_off(reason: &str) -> Self {
        let message = format!("the server broke the answer off: {reason}");
        Self::Fault(Fault { kind: FailureKind::Server, status: None, retry_after: None, message })
    }
}

/// Reads one stream, event after event.
pub(crate) trait Reader: Send {
    /// Takes the data of one event.
    fn event(&mut self, data: &str, sink: &mut Sink<'_>) -> Result<(), Trouble>;

    /// The stream ended, or its answer is known to be complete: whatever was held back comes out.
    fn end(&mut self, _sink: &mut Sink<'_>) -> Result<(), Trouble> {
        Ok(())
    }
}

/// An answer as it grows.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// The text so far.
    pub(crate) text: String,
    /// Bytes of thinking so far.
    pub(crate) thinking: usize,
    /// Why the model stopped, once it has.
    pub(crate) stop: Option<StopReason>,
    /// Prompt tokens, cached ones included, if reported.
    pub(crate) input: Option<u64>,
    /// Cached prompt tokens, if reported.
    pub(crate) cached: u64,
    /// Prompt tokens written to the cache, if reported.
    pub(crate) written: u64,
    /// Answer tokens, if reported.
    pub(crate) output: Option<u64>,
    /// The terminal event came: nothing follows that matters.
    pub(crate) done: bool,
}

impl Answer {
    /// What the call took. `prompt` is the estimate for the prompt; `whole`: the stream came to its end, so that the provider's last
    /// word on the answer's tokens counts.
    pub(crate) fn usage(&self, prompt: u64, whole: bool) -> TokenUsage {
        let guess = tokens(self.text.len() + self.thinking);
        let input = self.input.filter(|input| *input > 0);
        let output = match self.output {
            Some(output) if whole && (output > 0 || guess == 0) => Some(output),
            _ => None,
        };
        TokenUsage {
            input: input.unwrap_or(prompt),
            cached: self.cached.min(input.unwrap_or(prompt)),
            written: self.written.min(input.unwrap_or(prompt)),
            output: output.unwrap_or(guess.max(self.output.unwrap_or(0))),
            estimated: input.is_none() || output.is_none(),
        }
    }
}

/// Where readers put what they read.
pub(crate) struct Sink<'a> {
    /// The answer as it grows.
    pub(crate) answer: &'a mut Answer,
    /// Told of each piece.
    pub(crate) on: &'a mut (dyn FnMut(Piece<'_>) + Send),
    /// Set when a piece came.
    pub(crate) lively: bool,
}

impl Sink<'_> {
    /// More text. Empty text is no sign of life.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), Trouble> {
        if text.is_empty() {
            return Ok(());
        }
        self.room(text)?;
        self.lively = true;
        self.answer.text.push_str(text);
        (self.on)(Piece::Text(text));
        Ok(())
    }

    /// More thinking.
    pub(crate) fn thinking(&mut self, text: &str) -> Result<(), Trouble> {
        if text.is_empty() {
            return Ok(());
        }
        self.room(text)?;
        self.lively = true;
        self.answer.thinking += text.len();
        (self.on)(Piece::Thinking(text));
        Ok(())
    }

    fn room(&self, text: &str) -> Result<(), Trouble> {
        if self.answer.text.len() + self.answer.thinking + text.len() > MAX_ANSWER {
            return Err(Trouble::Malformed(format!("the answer is larger than {} MiB", MAX_ANSWER / 1024 / 1024)));
        }
        Ok(())
    }
}

/// Roughly the tokens of so many bytes.
pub(crate) fn tokens(bytes: usize) -> u64 {
    bytes.div_ceil(4) as u64
}

/// Roughly the tokens of a request's prompt.
pub(crate) fn prompt_tokens(request: &ChatRequest) -> u64 {
    tokens(request.prompt.system.len() + request.prompt.turns.iter().map(|turn| turn.text.len()).sum::<usize>())
}

/// The temperature as vendors want it.
pub(crate) fn temperature(request: &ChatRequest) -> f64 {
    f64::from(request.temperature_milli) / 1000.0
}

/// Whether JSON has more values than `most`, by the look of it. Pure; what it counts is never less than what there is.
pub(crate) fn is_crowded(json: &[u8], most: usize) -> bool {
    // A value takes at least its own character and one that parts it from the next.
    if json.len() / 2 < most {
        return false;
    }
    let (mut count, mut string, mut escaped) = (1, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = string,
            b'"' => string = !string,
            b',' | b'[' | b'{' if !string => count += 1,
            _ => {}
        }
    }
    count > most
}

/// Parses the data of an event.
pub(crate) fn parse(data: &str) -> Result<Value, Trouble> {
    if is_crowded(data.as_bytes(), MAX_VALUES) {
        return Err(Trouble::Malformed("an event of the stream has more parts than any answer".to_owned()));
    }
    match serde_json::from_str(data) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(Trouble::Malformed("an event of the stream isn't a JSON object".to_owned())),
        Err(error) => Err(Trouble::Malformed(format!("an event of the stream isn't JSON: {error}"))),
    }
}

/// The text at a key; absent, null and anything else is empty.
pub(crate) fn text_at<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or("")
}

/// The count at a JSON pointer; none for what can't be one.
pub(crate) fn count_at(value: &Value, pointer: &str) -> Option<u64> {
    let value = value.pointer(pointer)?;
    // Some write 12.0.
    let count = value.as_u64().or_else(|| value.as_f64().filter(|count| *count >= 0.0).map(|count| count as u64));
    count.filter(|count| *count <= MAX_COUNT)
}

/// Whether an event is an error and nothing else.
pub(crate) fn is_error(value: &Value) -> bool {
    value.get("error").is_some_and(|error| !error.is_null()) || text_at(value, "type") == "error"
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

    use std::sync::Arc;

    use super::super::frames::Frames;
    use super::super::{OutputSchema, Prompt, Speaker, Turn};
    use super::*;

    /// A small request.
    pub(crate) fn request() -> ChatRequest {
        ChatRequest {
            step: "work/a/1".to_owned(),
            model: "m".to_owned(),
            prompt: Prompt {
                system: "Be brief.".to_owned(),
                turns: vec![
                    Turn { speaker: Speaker::User, text: "Say hi".to_owned() },
                    Turn { speaker: Speaker::Assistant, text: "hi".to_owned() },
                    Turn { speaker: Speaker::User, text: "Again".to_owned() },
                ],
            },
            max_output: 64,
            temperature_milli: 700,
            schema: None,
            context: None,
        }
    }

    /// The small request with a schema.
    pub(crate) fn with_schema() -> ChatRequest {
        let schema = serde_json::json!({
            "type": "object", "additionalProperties": false, "required": ["file"],
            "properties": {"file": {"type": ["string", "null"], "maxLength": 20}},
        });
        ChatRequest { schema: Some(Arc::new(OutputSchema { name: "plan", schema })), ..request() }
    }

    /// What a reader makes of a body.
    #[derive(Debug, PartialEq, Eq)]
    pub(crate) struct Read {
        pub(crate) text: String,
        pub(crate) thinking: String,
        pub(crate) stop: Option<StopReason>,
        pub(crate) usage: (Option<u64>, u64, Option<u64>),
        pub(crate) written: u64,
        pub(crate) done: bool,
        pub(crate) trouble: Option<Trouble>,
    }

    fn read_split(outgoing: &mut Outgoing, body: &[u8], split: usize) -> Read {
        let mut answer = Answer::default();
        let (mut text, mut thinking) = (String::new(), String::new());
        let mut on = |piece: Piece<'_>| match piece {
            Piece::Text(piece) => text.push_str(piece),
            Piece::Thinking(piece) => thinking.push_str(piece),
        };
        let mut sink = Sink { answer: &mut answer, on: &mut on, lively: false };
        let mut frames = Frames::new(outgoing.framing);
        let mut trouble = None;
        'read: {
            for part in [&body[..split], &body[split..]] {
                let mut events = Vec::new();
                frames.feed(part, &mut events).unwrap();
                for event in events {
                    trouble = outgoing.reader.event(&event, &mut sink).err();
                    if trouble.is_some() || sink.answer.done {
                        break 'read;
                    }
                }
            }
        }
        if trouble.is_none() {
            trouble = outgoing.reader.end(&mut sink).err();
        }
        assert_eq!(answer.text, text);
        let usage = (answer.input, answer.cached, answer.output);
        Read { text, thinking, stop: answer.stop, usage, written: answer.written, done: answer.done, trouble }
    }

    /// Reads a body split at every place; all must give the same.
    pub(crate) fn read(build: impl Fn() -> Outgoing, body: &str) -> Read {
        let whole = read_split(&mut build(), body.as_bytes(), 0);
        for split in 1..body.len() {
            assert_eq!(read_split(&mut build(), body.as_bytes(), split), whole, "split at {split}");
        }
        whole
    }

    #[test]
    fn usage_is_the_providers_or_an_estimate() {
        let answer = |input, output| Answer {
            text: "12345678".to_owned(),
            input,
            output,
            cached: 3,
            written: 2,
            ..Answer::default()
        };
        let usage = |input, output, estimated| TokenUsage { input, cached: 3, written: 2, output, estimated };
        assert_eq!(answer(Some(10), Some(7)).usage(99, true), usage(10, 7, false));
        assert_eq!(answer(None, None).usage(99, true), usage(99, 2, true));
        assert_eq!(answer(Some(0), Some(0)).usage(99, true), usage(99, 2, true));
        assert_eq!(
            answer(Some(10), Some(1)).usage(99, false),
            usage(10, 2, true),
            "cut off: the last word isn't known"
        );
    }

    #[test]
    fn a_refusal_teaches_what_it_names() {
        let fault = |status, message: &str| Fault {
            kind: FailureKind::Rejected,
            status: Some(status),
            retry_after: None,
            message: message.to_owned(),
        };
        let sent = serde_json::json!({"max_tokens": 1, "stream_options": {}, "response_format": {}, "temperature": 0});
        let learn = |message: &str| Quirks::default().learn(&fault(400, message), &sent);
        let none = Quirks::default();
        assert_eq!(learn("bad prompt"), None);
        assert_eq!(
            learn(
                "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
            ),
            Some(Quirks { completion_tokens: true, ..none })
        );
        assert_eq!(
            learn("Unrecognized request argument: stream_options"),
            Some(Quirks { no_stream_options: true, ..none })
        );
        assert_eq!(learn("response_format is unavailable"), Some(Quirks { no_schema: true, ..none }));
        assert_eq!(learn("'temperature' does not support 0"), Some(Quirks { no_temperature: true, ..none }));
        assert_eq!(Quirks::default().learn(&fault(400, "temperature"), &serde_json::json!({})), None, "it wasn't sent");
        assert_eq!(Quirks::default().learn(&fault(403, "temperature"), &sent), None);
    }
}
