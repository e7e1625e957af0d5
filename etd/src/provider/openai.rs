//! `POST /chat/completions`, streamed: OpenAI and everything compatible with it. Pure.

use serde_json::{Value, json};

use super::frames::Framing;
use super::wire::{Outgoing, Quirks, Reader, Sink, Trouble, count_at, is_error, parse, temperature, text_at};
use super::{ChatRequest, OutputSchema, Speaker, StopReason};

/// The request for a prompt.
pub(crate) fn build(request: &ChatRequest, quirks: Quirks, org: Option<&str>) -> Outgoing {
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
    let mut body = json!({"model": request.model, "messages": messages, "stream": true});
    body[if quirks.completion_tokens { "max_completion_tokens" } else { "max_tokens" }] =
        quirks.longest(request).into();
    if !quirks.no_temperature {
        body["temperature"] = temperature(request).into();
    }
    if !quirks.no_stream_options {
        body["stream_options"] = json!({"include_usage": true});
    }
    if let Some(schema) = request.schema.as_deref().filter(|_| !quirks.no_schema) {
        body["response_format"] = response_format(schema);
    }
    let headers = org.map(|org| ("openai-organization", org.to_owned())).into_iter().collect();
    Outgoing { path: "/chat/completions".to_owned(), headers, body, framing: Framing::Sse, reader: Box::new(Chunks) }
}

fn response_format(schema: &OutputSchema) -> Value {
    json!({
        "type": "json_schema",
        "json_schema": {"name": schema.name, "strict": is_strict(&schema.schema), "schema": schema.schema},
    })
}

/// Whether a schema keeps to what `strict` asks for: every object lists all its properties as required and allows no others.
fn is_strict(schema: &Value) -> bool {
    match schema {
        Value::Object(map) => {
            let object_ok = match map.get("properties") {
                Some(Value::Object(properties)) => {
                    let required = map.get("required").and_then(Value::as_array);
                    map.get("additionalProperties") == Some(&Value::Bool(false))
                        && properties.keys().all(|key| {
                            required.is_some_and(|required| required.iter().any(|name| name.as_str() == Some(key)))
                        })
                        && properties.values().all(is_strict)
                }
                _ => true,
            };
            object_ok && map.iter().filter(|(key, _)| *key != "properties").all(|(_, value)| is_strict(value))
        }
        Value::Array(items) => items.iter().all(is_strict),
        _ => true,
    }
}

struct Chunks;

impl Reader for Chunks {
    fn event(&mut self, data: &str, sink: &mut Sink<'_>) -> Result<(), Trouble> {
        if data.trim() == "[DONE]" {
            sink.answer.done = true;
            return Ok(());
        }
        if data.trim().is_empty() {
            return Ok(());
        }
        let chunk = parse(data)?;
        if is_error(&chunk) {
            return Err(Trouble::in_stream(data));
        }
        let choices = chunk.get("choices").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        if let Some(choice) = choices.first() {
            // A server that doesn't stream sends the whole message.
            let delta = choice.get("delta").filter(|delta| delta.is_object()).or_else(|| choice.get("message"));
            if let Some(delta) = delta {
                for key in ["reasoning_content", "reasoning"] {
                    if let Some(thought) = delta.get(key).and_then(Value::as_str) {
                        sink.thinking(thought)?;
                        break;
                    }
                }
                content(delta, sink)?;
                let refusal = text_at(delta, "refusal");
                if !refusal.is_empty() {
                    sink.thinking(refusal)?;
                    sink.answer.stop = Some(StopReason::Filtered);
                }
            }
            let stop = match text_at(choice, "finish_reason") {
                "" => None,
                "length" | "max_tokens" => Some(StopReason::Length),
                "content_filter" => Some(StopReason::Filtered),
                "error" => return Err(Trouble::in_stream(data)),
                // DeepSeek under load; vLLM and SGLang.
                reason @ ("insufficient_system_resource" | "abort") => return Err(Trouble::broken_off(reason)),
                _ => Some(StopReason::End),
            };
            if sink.answer.stop != Some(StopReason::Filtered) {
                sink.answer.stop = stop.or(sink.answer.stop);
            }
        }
        if let Some(usage) = chunk.get("usage").filter(|usage| usage.is_object()) {
            sink.answer.input = count_at(usage, "/prompt_tokens").or(sink.answer.input);
            // Some leave reasoning out of the answer's tokens, and only the total has it.
            let total = count_at(usage, "/total_tokens").zip(count_at(usage, "/prompt_tokens"));
            let rest = total.map(|(total, prompt)| total.saturating_sub(prompt));
            sink.answer.output = count_at(usage, "/completion_tokens").max(rest).or(sink.answer.output);
            sink.answer.cached = count_at(usage, "/prompt_tokens_details/cached_tokens")
                .or_else(|| count_at(usage, "/prompt_cache_hit_tokens"))
                .unwrap_or(sink.answer.cached);
            // The usage chunk is the last that says anything; some servers never send `[DONE]`.
            sink.answer.done |=
                sink.answer.stop.is_some() && (choices.is_empty() || choices[0].get("message").is_some());
        }
        Ok(())
    }
}

/// The content of a piece: a text, or with Mistral's reasoning models a list of texts and thoughts.
fn content(delta: &Value, sink: &mut Sink<'_>) -> Result<(), Trouble> {
    let Some(items) = delta.get("content").and_then(Value::as_array) else {
        return sink.text(text_at(delta, "content"));
    };
    for item in items {
        sink.text(text_at(item, "text"))?;
        for thought in item.get("thinking").and_then(Value::as_array).into_iter().flatten() {
            sink.thinking(text_at(thought, "text"))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

    use super::super::FailureKind;
    use super::super::wire::tests::{Read, read, request, with_schema};
    use super::*;

    fn reads(body: &str) -> Read {
        read(|| build(&request(), Quirks::default(), None), body)
    }

    #[test]
    fn the_request_says_what_was_asked() {
        let out = build(&with_schema(), Quirks::default(), Some("org-1"));
        assert_eq!(out.path, "/chat/completions");
        assert_eq!(out.headers, [("openai-organization", "org-1".to_owned())]);
        assert_eq!(out.body["messages"][0], json!({"role": "system", "content": "Be brief."}));
        assert_eq!(out.body["messages"][2], json!({"role": "assistant", "content": "hi"}));
        assert_eq!(out.body["max_tokens"], 64);
        assert_eq!(out.body["temperature"], 0.7);
        assert_eq!(out.body["stream_options"]["include_usage"], true);
        assert_eq!(out.body["response_format"]["json_schema"]["name"], "plan");
        assert_eq!(out.body["response_format"]["json_schema"]["strict"], true);
        let quirks = Quirks {
            no_schema: true,
            no_stream_options: true,
            completion_tokens: true,
            no_temperature: true,
            longest: Some(32),
            room: None,
        };
        let body = build(&with_schema(), quirks, None).body;
        assert_eq!(body["max_completion_tokens"], 32);
        for key in ["max_tokens", "temperature", "stream_options", "response_format"] {
            assert!(body.get(key).is_none(), "{key}");
        }
    }

    #[test]
    fn strict_is_asked_for_only_where_the_schema_is() {
        let loose = json!({"type": "object", "additionalProperties": false, "required": [], "properties": {"a": {}}});
        assert!(!is_strict(&loose));
        assert!(!is_strict(&json!({"type": "array", "items": loose})));
    }

    #[test]
    fn a_stream_with_usage_is_read() {
        let body = concat!(
            r#"data: {"choices":[{"finish_reason":null,"index":0,"delta":{"role":"assistant","content":null}}],"usage":null}"#,
            "\n\n: keep-alive\n\n",
            r#"data: {"choices":[{"finish_reason":null,"index":0,"delta":{"reasoning_content":"hm"}}]}"#,
            "\n\n",
            r#"data: {"choices":[{"finish_reason":null,"index":0,"delta":{"content":"Rü"}}]}"#,
            "\n\n",
            r#"data: {"choices":[{"index":0,"delta":{"content":"st"}}]}"#,
            "\n\n",
            r#"data: {"choices":[{"finish_reason":"stop","index":0,"delta":{}}]}"#,
            "\n\n",
            r#"data: {"choices":[],"usage":{"completion_tokens":37,"prompt_tokens":24,"total_tokens":61,"prompt_tokens_details":{"cached_tokens":5}}}"#,
            "\n\ndata: [DONE]\n\n",
        );
        let expected = Read {
            text: "Rüst".to_owned(),
            thinking: "hm".to_owned(),
            stop: Some(StopReason::End),
            usage: (Some(24), 5, Some(37)),
            written: 0,
            done: true,
            trouble: None,
        };
        assert_eq!(reads(body), expected);
    }

    #[test]
    fn a_stream_without_usage_ends_at_done() {
        let body = concat!(
            r#"data: {"choices":[{"index":0,"delta":{"content":"{\"a\":"}}]}"#,
            "\n\n",
            r#"data: {"choices":[{"finish_reason":"length","index":0,"delta":{}}]}"#,
            "\n\ndata: [DONE]\n\n",
        );
        let read = reads(body);
        assert_eq!((read.text.as_str(), read.stop, read.done), ("{\"a\":", Some(StopReason::Length), true));
        assert_eq!(read.usage, (None, 0, None));
    }

    #[test]
    fn an_answer_that_does_not_stream_is_read() {
        let body = r#"{"choices":[{"finish_reason":"length","index":0,"message":{"role":"assistant","content":"A rusty"}}],"usage":{"completion_tokens":32,"prompt_tokens":36,"prompt_tokens_details":{"cached_tokens":24}}}"#;
        let read = reads(body);
        assert_eq!((read.text.as_str(), read.stop, read.done), ("A rusty", Some(StopReason::Length), true));
        assert_eq!(read.usage, (Some(36), 24, Some(32)));
    }

    #[test]
    fn reasoning_that_only_the_total_counts_is_counted() {
        let body = r#"{"choices":[{"finish_reason":"stop","index":0,"message":{"content":"A"}}],"usage":{"completion_tokens":1,"prompt_tokens":12,"total_tokens":399}}"#;
        assert_eq!(reads(body).usage, (Some(12), 0, Some(387)));
    }

    #[test]
    fn content_that_comes_in_a_list_is_read() {
        let body = concat!(
            r#"data: {"choices":[{"index":0,"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]}]}}]}"#,
            "\n\n",
            r#"data: {"choices":[{"index":0,"delta":{"content":[{"type":"text","text":"A"}]},"finish_reason":"stop"}]}"#,
            "\n\ndata: [DONE]\n\n",
        );
        let read = reads(body);
        assert_eq!((read.text.as_str(), read.thinking.as_str(), read.stop), ("A", "hm", Some(StopReason::End)));
    }

    #[test]
    fn errors_in_the_stream_are_told() {
        let table = [
            (
                "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"insufficient_system_resource\"}]}\n\n",
                FailureKind::Server,
            ),
            ("data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"abort\"}]}\n\n", FailureKind::Server),
            ("data: {\"error\":{\"code\":503,\"message\":\"busy\"}}\n\n", FailureKind::Server),
            ("data: {\"error\":{\"code\":\"rate_limit_exceeded\",\"message\":\"slow\"}}\n\n", FailureKind::RateLimited),
        ];
        for (body, kind) in table {
            assert!(matches!(reads(body).trouble, Some(Trouble::Fault(fault)) if fault.kind == kind), "{body}");
        }
        for body in ["data: {\"choices\":\n\n", "data: 7\n\n"] {
            assert!(matches!(reads(body).trouble, Some(Trouble::Malformed(_))), "{body}");
        }
    }
}
