//! `POST /v1/messages`, streamed: Anthropic and what is compatible with it. Pure.

use serde_json::{Value, json};

use super::frames::Framing;
use super::wire::{Outgoing, Quirks, Reader, Sink, Trouble, count_at, is_error, parse, temperature, text_at};
use super::{ChatRequest, Speaker, StopReason};

/// Version of the API that this speaks.
const VERSION: &str = "2023-06-01";

/// Headers of every request.
pub(crate) fn headers() -> Vec<(&'static str, String)> {
    vec![("anthropic-version", VERSION.to_owned())]
}

/// The request for a prompt. A schema becomes a tool that must be called; what it is called with is the answer's text.
pub(crate) fn build(request: &ChatRequest, quirks: Quirks) -> Outgoing {
    let turns: Vec<Value> = request
        .prompt
        .turns
        .iter()
        .map(|turn| {
            let role = match turn.speaker {
                Speaker::User => "user",
                Speaker::Assistant => "assistant",
            };
            json!({"role": role, "content": turn.text})
        })
        .collect();
    let mut body =
        json!({"model": request.model, "messages": turns, "max_tokens": quirks.longest(request), "stream": true});
    if !request.prompt.system.is_empty() {
        // The mark covers everything up to it: tools and system, the part that all workers share.
        let mark = json!({"type": "ephemeral"});
        body["system"] = json!([{"type": "text", "text": request.prompt.system, "cache_control": mark}]);
    }
    if !quirks.no_temperature {
        // Anthropic's scale ends at 1.
        body["temperature"] = temperature(request).min(1.0).into();
    }
    let schema = request.schema.as_deref().filter(|_| !quirks.no_schema);
    if let Some(schema) = schema {
        body["tools"] =
            json!([{"name": schema.name, "description": "Gives the answer.", "input_schema": schema.schema}]);
        body["tool_choice"] = json!({"type": "tool", "name": schema.name});
    }
    let reader = Events { schema: schema.is_some(), ..Events::default() };
    Outgoing {
        path: "/v1/messages".to_owned(),
        headers: headers(),
        body,
        framing: Framing::Sse,
        reader: Box::new(reader),
    }
}

#[derive(Default)]
struct Events {
    /// The answer is asked for as a tool's input.
    schema: bool,
    /// Text beside the tool. It is the answer if the tool isn't called.
    aside: String,
    /// The input that came with the start of the tool's block, in case nothing follows.
    input: Option<Value>,
}

impl Events {
    fn text(&mut self, text: &str, sink: &mut Sink<'_>) -> Result<(), Trouble> {
        if !self.schema {
            return sink.text(text);
        }
        self.aside.push_str(text);
        sink.thinking(text)
    }

    /// A content block as it starts, or whole.
    fn block(&mut self, block: &Value, sink: &mut Sink<'_>) -> Result<(), Trouble> {
        match text_at(block, "type") {
            "text" => self.text(text_at(block, "text"), sink),
            "thinking" => sink.thinking(text_at(block, "thinking")),
            "tool_use" => {
                self.input =
                    block.get("input").filter(|input| input.as_object().is_some_and(|map| !map.is_empty())).cloned();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn block_stop(&mut self, sink: &mut Sink<'_>) -> Result<(), Trouble> {
        match self.input.take() {
            Some(input) => sink.text(&input.to_string()),
            None => Ok(()),
        }
    }
}

impl Reader for Events {
    fn event(&mut self, data: &str, sink: &mut Sink<'_>) -> Result<(), Trouble> {
        if data.trim().is_empty() || data.trim() == "[DONE]" {
            return Ok(());
        }
        let event = parse(data)?;
        if is_error(&event) {
            return Err(Trouble::in_stream(data));
        }
        match text_at(&event, "type") {
            "message_start" => usage(event.pointer("/message/usage"), sink),
            "content_block_start" => {
                if let Some(block) = event.get("content_block") {
                    self.block(block, sink)?;
                }
            }
            "content_block_delta" => {
                let delta = event.get("delta").unwrap_or(&Value::Null);
                match text_at(delta, "type") {
                    "text_delta" => self.text(text_at(delta, "text"), sink)?,
                    "thinking_delta" => sink.thinking(text_at(delta, "thinking"))?,
                    "input_json_delta" => {
                        let json = text_at(delta, "partial_json");
                        if !json.is_empty() {
                            self.input = None;
                        }
                        sink.text(json)?;
                    }
                    _ => {}
                }
            }
            "content_block_stop" => self.block_stop(sink)?,
            "message_delta" => {
                sink.answer.stop = stop(event.pointer("/delta/stop_reason")).or(sink.answer.stop);
                usage(event.get("usage"), sink);
            }
            "message_stop" => sink.answer.done = true,
            // A server that doesn't stream.
            "message" => {
                for block in event.get("content").and_then(Value::as_array).into_iter().flatten() {
                    self.block(block, sink)?;
                    self.block_stop(sink)?;
                }
                sink.answer.stop = stop(event.get("stop_reason"));
                usage(event.get("usage"), sink);
                sink.answer.done = true;
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, sink: &mut Sink<'_>) -> Result<(), Trouble> {
        if sink.answer.text.is_empty() && !self.aside.is_empty() {
            let aside = std::mem::take(&mut self.aside);
            sink.answer.thinking -= aside.len().min(sink.answer.thinking);
            return sink.text(&aside);
        }
        Ok(())
    }
}

fn stop(reason: Option<&Value>) -> Option<StopReason> {
    match reason?.as_str()? {
        "max_tokens" | "model_context_window_exceeded" => Some(StopReason::Length),
        "refusal" => Some(StopReason::Filtered),
        _ => Some(StopReason::End),
    }
}

/// `input_tokens` leaves out what was read from or written to the cache; the last report counts, and may name only a part.
fn usage(usage: Option<&Value>, sink: &mut Sink<'_>) {
    let Some(usage) = usage else { return };
    if let Some(input) = count_at(usage, "/input_tokens") {
        let read = count_at(usage, "/cache_read_input_tokens").unwrap_or(0);
        let written = count_at(usage, "/cache_creation_input_tokens").unwrap_or(0);
        (sink.answer.cached, sink.answer.written) = (read, written);
        sink.answer.input = Some(input + read + written);
    }
    sink.answer.output = count_at(usage, "/output_tokens").or(sink.answer.output);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

    use super::super::FailureKind;
    use super::super::wire::tests::{Read, read, request, with_schema};
    use super::*;

    const START: &str = concat!(
        "event: message_start\n",
        r#"data: {"type":"message_start","message":{"id":"x","type":"message","role":"assistant","content":[],"model":"m","stop_reason":null,"usage":{"cache_read_input_tokens":18,"cache_creation_input_tokens":2,"input_tokens":1,"output_tokens":0}}}"#,
        "\n\nevent: ping\ndata: {\"type\": \"ping\"}\n\n",
    );
    const STOP: &str = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

    fn delta(delta: &str) -> String {
        format!(
            "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{delta}}}\n\n"
        )
    }

    fn end(reason: &str) -> String {
        format!(
            "data: {{\"type\":\"content_block_stop\",\"index\":0}}\n\nevent: message_delta\ndata: {{\"type\":\"message_delta\",\"delta\":{{\"stop_reason\":\"{reason}\"}},\"usage\":{{\"output_tokens\":24}}}}\n\n{STOP}"
        )
    }

    #[test]
    fn the_request_says_what_was_asked() {
        let out = build(&with_schema(), Quirks::default());
        assert_eq!(out.path, "/v1/messages");
        assert_eq!(out.headers, [("anthropic-version", "2023-06-01".to_owned())]);
        assert_eq!(out.body["system"][0]["cache_control"]["type"], "ephemeral");
        assert_eq!(out.body["messages"].as_array().unwrap().len(), 3);
        assert_eq!(out.body["tool_choice"], json!({"type": "tool", "name": "plan"}));
        assert_eq!(out.body["tools"][0]["input_schema"]["type"], "object");
        let plain = build(&request(), Quirks { no_temperature: true, ..Quirks::default() }).body;
        assert!(plain.get("tools").is_none() && plain.get("temperature").is_none());
    }

    #[test]
    fn a_stream_is_read() {
        let body = [
            START,
            "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
            &delta(r#"{"type":"thinking_delta","thinking":"hm"}"#),
            &delta(r#"{"type":"signature_delta","signature":"x"}"#),
            &delta(r#"{"type":"text_delta","text":"I"}"#),
            &delta(r#"{"type":"text_delta","text":"'m hère"}"#),
            &end("max_tokens"),
        ]
        .concat();
        let expected = Read {
            text: "I'm hère".to_owned(),
            thinking: "hm".to_owned(),
            stop: Some(StopReason::Length),
            usage: (Some(21), 18, Some(24)),
            written: 2,
            done: true,
            trouble: None,
        };
        assert_eq!(read(|| build(&request(), Quirks::default()), &body), expected);
    }

    #[test]
    fn the_tools_input_is_the_answer() {
        let tool = |input: &str| {
            format!(
                "data: {{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{{\"type\":\"tool_use\",\"id\":\"1\",\"name\":\"plan\"{input}}}}}\n\n"
            )
        };
        let first = delta(r#"{"type":"input_json_delta","partial_json":"{\"a\""}"#);
        let second = delta(r#"{"type":"input_json_delta","partial_json":":1}"}"#);
        let aside = delta(r#"{"type":"text_delta","text":"{\"a\":1}"}"#);
        let table = [
            ("start without input", [START, &tool(""), &first, &second, &end("tool_use")].concat()),
            ("empty input", [START, &aside, &tool(",\"input\":{}"), &first, &second, &end("tool_use")].concat()),
            ("whole input", [START, &tool(",\"input\":{\"a\":1}"), &end("tool_use")].concat()),
            ("no tool at all", [START, &aside, &end("end_turn")].concat()),
        ];
        for (name, body) in table {
            let read = read(|| build(&with_schema(), Quirks::default()), &body);
            assert_eq!((read.text.as_str(), read.stop), ("{\"a\":1}", Some(StopReason::End)), "{name}");
            assert_eq!(read.trouble, None, "{name}");
        }
    }

    #[test]
    fn an_answer_that_does_not_stream_is_read() {
        let body = r#"{"id":"x","type":"message","role":"assistant","content":[{"type":"text","text":"Hello there"}],"stop_reason":"refusal","usage":{"cache_read_input_tokens":3,"input_tokens":16,"output_tokens":24}}"#;
        let read = read(|| build(&request(), Quirks::default()), body);
        assert_eq!((read.text.as_str(), read.stop, read.done), ("Hello there", Some(StopReason::Filtered), true));
        assert_eq!(read.usage, (Some(19), 3, Some(24)));
    }

    #[test]
    fn a_later_report_counts() {
        let body = [START, "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"input_tokens\":5,\"output_tokens\":16,\"cache_read_input_tokens\":32}}\n\n", STOP].concat();
        assert_eq!(read(|| build(&request(), Quirks::default()), &body).usage, (Some(37), 32, Some(16)));
    }

    #[test]
    fn overload_in_the_stream_is_told() {
        let body = [START, "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n"].concat();
        let read = read(|| build(&request(), Quirks::default()), &body);
        assert!(
            matches!(read.trouble, Some(Trouble::Fault(fault)) if fault.kind == FailureKind::Server && fault.status == Some(529))
        );
        assert_eq!((read.usage, read.written), ((Some(21), 18, Some(0)), 2));
    }
}
