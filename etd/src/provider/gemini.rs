//! `POST …:streamGenerateContent`, streamed: Google's Gemini. Pure. The key travels in a header, never in the URL.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::frames::Framing;
use super::wire::{Outgoing, Quirks, Reader, Sink, Trouble, count_at, is_error, parse, temperature, text_at};
use super::{ChatRequest, Speaker, StopReason};

/// What a model's name may hold in a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// What Gemini's dialect of JSON schema knows and needs no change.
const KEYS: &[&str] = &[
    "format",
    "title",
    "description",
    "nullable",
    "enum",
    "maxItems",
    "minItems",
    "required",
    "minLength",
    "maxLength",
    "pattern",
    "minimum",
    "maximum",
    "propertyOrdering",
];
/// How deep references are followed.
const MAX_DEPTH: usize = 32;

/// The request for a prompt.
pub(crate) fn build(request: &ChatRequest, quirks: Quirks) -> Outgoing {
    let contents: Vec<Value> = request
        .prompt
        .turns
        .iter()
        .map(|turn| {
            let role = match turn.speaker {
                Speaker::User => "user",
                Speaker::Assistant => "model",
            };
            json!({"role": role, "parts": [{"text": turn.text}]})
        })
        .collect();
    let mut generation = json!({"maxOutputTokens": quirks.longest(request)});
    if !quirks.no_temperature {
        generation["temperature"] = temperature(request).into();
    }
    if let Some(schema) = request.schema.as_deref().filter(|_| !quirks.no_schema) {
        generation["responseMimeType"] = "application/json".into();
        generation["responseSchema"] = dialect(&schema.schema, &schema.schema, 0);
    }
    let mut body = json!({"contents": contents, "generationConfig": generation});
    if !request.prompt.system.is_empty() {
        body["systemInstruction"] = json!({"parts": [{"text": request.prompt.system}]});
    }
    let model = request.model.strip_prefix("models/").unwrap_or(&request.model);
    let model = utf8_percent_encode(model, SEGMENT);
    Outgoing {
        path: format!("/v1beta/models/{model}:streamGenerateContent?alt=sse"),
        headers: Vec::new(),
        body,
        framing: Framing::Sse,
        reader: Box::new(Chunks),
    }
}

/// A schema in Gemini's dialect: no `additionalProperties`, no references, no lists of types.
fn dialect(schema: &Value, root: &Value, depth: usize) -> Value {
    let Some(map) = schema.as_object().filter(|_| depth < MAX_DEPTH) else { return json!({}) };
    if let Some(reference) = map.get("$ref").and_then(Value::as_str) {
        let target = reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        return target.map_or_else(|| json!({}), |target| dialect(target, root, depth + 1));
    }
    let mut out: Map<String, Value> =
        KEYS.iter().filter_map(|key| Some(((*key).to_owned(), map.get(*key)?.clone()))).collect();
    match map.get("type") {
        Some(Value::Array(types)) => {
            if types.iter().any(|name| name == "null") {
                out.insert("nullable".to_owned(), true.into());
            }
            if let Some(name) = types.iter().find(|name| *name != "null") {
                out.insert("type".to_owned(), name.clone());
            }
        }
        Some(name) => {
            out.insert("type".to_owned(), name.clone());
        }
        None => {}
    }
    if let Some(constant) = map.get("const") {
        out.insert("enum".to_owned(), json!([constant]));
    }
    if let Some(items) = map.get("items") {
        out.insert("items".to_owned(), dialect(items, root, depth + 1));
    }
    if let Some(Value::Object(properties)) = map.get("properties") {
        if !out.contains_key("propertyOrdering") {
            // Gemini would sort by name; the order of `required` is the order that was meant.
            let required = map.get("required").and_then(Value::as_array).into_iter().flatten();
            let mut order: Vec<&str> =
                required.filter_map(Value::as_str).filter(|name| properties.contains_key(*name)).collect();
            for name in properties.keys() {
                if !order.contains(&name.as_str()) {
                    order.push(name);
                }
            }
            out.insert("propertyOrdering".to_owned(), json!(order));
        }
        let properties: Map<String, Value> =
            properties.iter().map(|(name, schema)| (name.clone(), dialect(schema, root, depth + 1))).collect();
        out.insert("properties".to_owned(), Value::Object(properties));
    }
    if let Some(Value::Array(choices)) = map.get("anyOf").or_else(|| map.get("oneOf")) {
        let null = |choice: &&Value| text_at(choice, "type") == "null";
        let rest: Vec<Value> =
            choices.iter().filter(|choice| !null(choice)).map(|choice| dialect(choice, root, depth + 1)).collect();
        if rest.len() < choices.len() {
            out.insert("nullable".to_owned(), true.into());
        }
        out.insert("anyOf".to_owned(), Value::Array(rest));
    }
    Value::Object(out)
}

struct Chunks;

impl Reader for Chunks {
    fn event(&mut self, data: &str, sink: &mut Sink<'_>) -> Result<(), Trouble> {
        if data.trim().is_empty() || data.trim() == "[DONE]" {
            return Ok(());
        }
        let chunk = parse(data)?;
        if is_error(&chunk) {
            return Err(Trouble::in_stream(data));
        }
        let candidate = chunk.pointer("/candidates/0");
        let parts = candidate.and_then(|candidate| candidate.pointer("/content/parts")).and_then(Value::as_array);
        for part in parts.into_iter().flatten() {
            let text = text_at(part, "text");
            if part.get("thought").and_then(Value::as_bool) == Some(true) {
                sink.thinking(text)?;
            } else {
                sink.text(text)?;
            }
        }
        let stop = match candidate.map_or("", |candidate| text_at(candidate, "finishReason")) {
            "" | "FINISH_REASON_UNSPECIFIED" => None,
            "MAX_TOKENS" => Some(StopReason::Length),
            "SAFETY" | "RECITATION" | "LANGUAGE" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII" | "IMAGE_SAFETY" => {
                Some(StopReason::Filtered)
            }
            reason @ ("OTHER" | "MALFORMED_RESPONSE" | "MALFORMED_FUNCTION_CALL" | "UNEXPECTED_TOOL_CALL") => {
                return Err(Trouble::broken_off(reason));
            }
            _ => Some(StopReason::End),
        };
        let blocked = chunk.pointer("/promptFeedback/blockReason").and_then(Value::as_str);
        let stop = stop.or_else(|| blocked.map(|_| StopReason::Filtered));
        sink.answer.stop = stop.or(sink.answer.stop);
        if let Some(usage) = chunk.get("usageMetadata").filter(|usage| usage.is_object()) {
            let output = count_at(usage, "/candidatesTokenCount");
            let thoughts = count_at(usage, "/thoughtsTokenCount");
            sink.answer.input = count_at(usage, "/promptTokenCount").or(sink.answer.input);
            sink.answer.cached = count_at(usage, "/cachedContentTokenCount").unwrap_or(sink.answer.cached);
            if output.is_some() || thoughts.is_some() {
                sink.answer.output = Some(output.unwrap_or(0) + thoughts.unwrap_or(0));
            }
            // There is no terminal event: a reason to stop together with the usage is the last chunk.
            sink.answer.done |= sink.answer.stop.is_some();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

    use super::super::FailureKind;
    use super::super::wire::tests::{Read, read, request, with_schema};
    use super::*;

    fn reads(body: &str) -> Read {
        read(|| build(&request(), Quirks::default()), body)
    }

    #[test]
    fn the_request_says_what_was_asked() {
        let mut request = with_schema();
        request.model = "models/gemini-x/../y".to_owned();
        let out = build(&request, Quirks::default());
        assert_eq!(out.path, "/v1beta/models/gemini-x%2F..%2Fy:streamGenerateContent?alt=sse");
        assert_eq!(out.body["contents"][1]["role"], "model");
        assert_eq!(out.body["systemInstruction"]["parts"][0]["text"], "Be brief.");
        let expected = json!({
            "type": "object", "required": ["file"], "propertyOrdering": ["file"],
            "properties": {"file": {"type": "string", "nullable": true, "maxLength": 20}},
        });
        assert_eq!(out.body["generationConfig"]["responseSchema"], expected);
        assert_eq!(out.body["generationConfig"]["maxOutputTokens"], 64);
    }

    #[test]
    fn a_schema_is_put_into_geminis_dialect() {
        let table = [
            (
                json!({"$ref": "#/$defs/a", "$defs": {"a": {"type": "integer", "minimum": 1}}}),
                json!({"type": "integer", "minimum": 1}),
            ),
            (
                json!({"anyOf": [{"type": "string"}, {"type": "null"}]}),
                json!({"anyOf": [{"type": "string"}], "nullable": true}),
            ),
            (json!({"const": "x", "$schema": "y"}), json!({"enum": ["x"]})),
            (
                json!({"type": "array", "items": {"type": "object", "properties": {"a": {}, "b": {}}, "required": ["b"]}}),
                json!({"type": "array", "items": {"type": "object", "properties": {"a": {}, "b": {}}, "required": ["b"], "propertyOrdering": ["b", "a"]}}),
            ),
        ];
        for (schema, expected) in table {
            assert_eq!(dialect(&schema, &schema, 0), expected, "{schema}");
        }
        let endless = json!({"$ref": "#"});
        assert_eq!(dialect(&endless, &endless, 0), json!({}));
    }

    #[test]
    fn a_stream_is_read() {
        let chunks = [
            r#"{"candidates": [{"content": {"parts": [{"text": "hm", "thought": true}], "role": "model"}, "finishReason": null, "index": 0}]}"#,
            r#"{"candidates": [{"content": {"parts": [{"text": "hi"}, {"text": " thére"}], "role": "model"}, "index": 0, "safetyRatings": []}], "usageMetadata": {"promptTokenCount": 12}}"#,
            r#"{"candidates": [{"content": {"parts": [], "role": "model"}, "finishReason": "MAX_TOKENS", "index": 0}], "usageMetadata": {"promptTokenCount": 12, "cachedContentTokenCount": 4, "candidatesTokenCount": 8, "thoughtsTokenCount": 30, "totalTokenCount": 50}}"#,
        ];
        let stream: String = chunks.iter().map(|chunk| format!("data: {chunk}\r\n\r\n")).collect();
        let array = format!("[{}\n]\n", chunks.join("\n,\r\n"));
        for body in [stream, array] {
            let expected = Read {
                text: "hi thére".to_owned(),
                thinking: "hm".to_owned(),
                stop: Some(StopReason::Length),
                usage: (Some(12), 4, Some(38)),
                written: 0,
                done: true,
                trouble: None,
            };
            assert_eq!(reads(&body), expected);
        }
    }

    #[test]
    fn what_was_withheld_is_told() {
        let table = [
            r#"{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":3}}"#,
            r#"{"candidates":[{"finishReason":"RECITATION"}],"usageMetadata":{"promptTokenCount":3}}"#,
        ];
        for chunk in table {
            let read = reads(&format!("data: {chunk}\n\n"));
            assert_eq!((read.stop, read.done), (Some(StopReason::Filtered), true), "{chunk}");
        }
    }

    #[test]
    fn errors_in_the_stream_are_told() {
        for body in [
            "data: {\"error\":{\"code\":503,\"status\":\"UNAVAILABLE\",\"message\":\"x\"}}\n\n",
            "[{\"error\":{\"code\":503,\"message\":\"x\"}}]",
        ] {
            let read = reads(body);
            assert!(matches!(read.trouble, Some(Trouble::Fault(fault)) if fault.kind == FailureKind::Server), "{body}");
        }
    }
}
