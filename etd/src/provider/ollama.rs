//! `POST /api/chat`, a JSON object a line: Ollama's own format. Pure. Source: Ollama's API documentation.

use serde_json::{Value, json};

use super::fault::Fault;
use super::frames::Framing;
use super::wire::{
    Outgoing, Quirks, Reader, Sink, Trouble, count_at, is_error, parse, prompt_tokens, temperature, text_at,
};
use super::{ChatRequest, FailureKind, Speaker, StopReason};

/// The smallest window that is asked for when the model's own isn't known, in tokens.
const MIN_CONTEXT: u64 = 8 * 1024;

/// The request for a prompt.
pub(crate) fn build(request: &ChatRequest, quirks: Quirks) -> Outgoing {
    let mut messages = Vec::new();
    if !request.prompt.system.is_empty() {
        messages.push(json!({"role": "system", "content": request.prompt.system}));
    }
    for turn in &request.prompt.turns {
        let role = match turn.speaker {
            Speaker::User => "user",
            Speaker::Assistant => "assistant",
        };
        messages.push(json!({"role": role, "content": turn.text}));
    }
    let context = request.context.map_or_else(|| context_for(request), u64::from);
    let mut options = json!({"num_ctx": context, "num_predict": request.max_output});
    if !quirks.no_temperature {
        options["temperature"] = temperature(request).into();
    }
    let mut body = json!({"model": request.model, "messages": messages, "stream": true, "options": options});
    if let Some(schema) = request.schema.as_deref().filter(|_| !quirks.no_schema) {
        body["format"] = schema.schema.clone();
    }
    Outgoing {
        path: "/api/chat".to_owned(),
        headers: Vec::new(),
        body,
        framing: Framing::Lines,
        reader: Box::new(Lines { context }),
    }
}

/// A window that holds prompt and answer, so that the server never drops the prompt's head in silence. Code has more tokens a byte
/// than prose, hence a third more than the usual estimate. A power of two: each new size makes the server load the model again.
fn context_for(request: &ChatRequest) -> u64 {
    let need = prompt_tokens(request) * 4 / 3 + u64::from(request.max_output) + 256;
    need.next_power_of_two().max(MIN_CONTEXT)
}

struct Lines {
    context: u64,
}

impl Reader for Lines {
    fn event(&mut self, data: &str, sink: &mut Sink<'_>) -> Result<(), Trouble> {
        let line = parse(data)?;
        if is_error(&line) {
            return Err(Trouble::in_stream(data));
        }
        if let Some(message) = line.get("message") {
            sink.thinking(text_at(message, "thinking"))?;
            sink.text(text_at(message, "content"))?;
        }
        if line.get("done").and_then(Value::as_bool) != Some(true) {
            return Ok(());
        }
        sink.answer.input = count_at(&line, "/prompt_eval_count");
        sink.answer.output = count_at(&line, "/eval_count");
        sink.answer.stop = Some(match text_at(&line, "done_reason") {
            "length" => StopReason::Length,
            _ => StopReason::End,
        });
        sink.answer.done = true;
        if let Some(count) = sink.answer.input.filter(|count| *count >= self.context) {
            return Err(Trouble::Fault(Fault {
                kind: FailureKind::ContextOverflow,
                status: None,
                retry_after: None,
                message: format!(
                    "the prompt fills the window of {} tokens (counted: {count}); its head was dropped",
                    self.context
                ),
            }));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

    use super::super::wire::tests::{Read, read, request, with_schema};
    use super::*;

    fn reads(body: &str) -> Read {
        read(|| build(&request(), Quirks::default()), body)
    }

    #[test]
    fn the_request_says_what_was_asked() {
        let out = build(&with_schema(), Quirks::default());
        assert_eq!(out.path, "/api/chat");
        assert_eq!(out.body["options"], json!({"num_ctx": 8192, "num_predict": 64, "temperature": 0.7}));
        assert_eq!(out.body["format"]["type"], "object");
        assert_eq!(out.body["messages"][3], json!({"role": "user", "content": "Again"}));
        assert!(build(&request(), Quirks::default()).body.get("format").is_none());
    }

    #[test]
    fn the_window_holds_prompt_and_answer() {
        let mut request = request();
        let table = [(100, 64, 8192), (30_000, 4096, 16_384), (100_000, 4096, 65_536)];
        for (bytes, max_output, expected) in table {
            request.prompt.system = "x".repeat(bytes);
            request.max_output = max_output;
            assert_eq!(build(&request, Quirks::default()).body["options"]["num_ctx"], expected, "{bytes}");
        }
        request.context = Some(4096);
        assert_eq!(build(&request, Quirks::default()).body["options"]["num_ctx"], 4096);
    }

    #[test]
    fn a_stream_is_read() {
        let body = concat!(
            r#"{"model":"m","created_at":"t","message":{"role":"assistant","content":"","thinking":"hm"},"done":false}"#,
            "\n",
            r#"{"model":"m","message":{"role":"assistant","content":"Hé"},"done":false}"#,
            "\n",
            r#"{"model":"m","message":{"role":"assistant","content":"llo"},"done":false}"#,
            "\n",
            r#"{"model":"m","message":{"role":"assistant","content":""},"done":true,"done_reason":"length","total_duration":5,"prompt_eval_count":26,"eval_count":298}"#,
            "\n",
        );
        let expected = Read {
            text: "Héllo".to_owned(),
            thinking: "hm".to_owned(),
            stop: Some(StopReason::Length),
            usage: (Some(26), 0, Some(298)),
            written: 0,
            done: true,
            trouble: None,
        };
        assert_eq!(reads(body), expected);
    }

    #[test]
    fn a_dropped_head_is_told() {
        let body = "{\"message\":{\"content\":\"x\"},\"done\":true,\"prompt_eval_count\":8192,\"eval_count\":1}\n";
        let read = reads(body);
        assert_eq!(read.usage, (Some(8192), 0, Some(1)));
        assert!(matches!(read.trouble, Some(Trouble::Fault(fault)) if fault.kind == FailureKind::ContextOverflow));
    }

    #[test]
    fn errors_in_the_stream_are_told() {
        let read = reads("{\"error\":\"llama runner process has terminated\"}\n");
        assert!(matches!(read.trouble, Some(Trouble::Fault(fault)) if fault.kind == FailureKind::Server));
        assert!(matches!(reads("{\"message\":\n{}\n").trouble, Some(Trouble::Malformed(_))));
    }
}
