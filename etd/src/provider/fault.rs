//! What a refusal means, from its status and body, in each vendor's words. Pure.
//!
//! | status | kind |
//! |---|---|
//! | 401, 403; no credit left (`insufficient_quota`, billing), whatever the status | `Auth`: asking again with this key helps nobody |
//! | 429 | `RateLimited` |
//! | 408, 409 while a model loads, 5xx, 529 | `Server` |
//! | 404 that speaks of the model | `UnknownModel` |
//! | 4xx that says the prompt is too long | `ContextOverflow` |
//! | 3xx, other 4xx | `Rejected` |

use std::time::Duration;

use serde_json::Value;

use super::{FailureKind, wait};

/// A refusal, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// What kind.
    pub(crate) kind: FailureKind,
    /// The HTTP status, or the one that the body names.
    pub(crate) status: Option<u16>,
    /// How long the body demands to wait.
    pub(crate) retry_after: Option<Duration>,
    /// The vendor's words, unmasked.
    pub(crate) message: String,
}

const OVERFLOW: &[&str] = &[
    "exceed_context_size",
    "context_length_exceeded",
    "context_window_exceeded",
    "contextwindowexceeded",
    "request_too_large",
    "prompt is too long",
    "input is too long",
    "input length and `max_tokens` exceed",
    "maximum context length",
    "exceeds the available context",
    "exceeds the context",
    "exceed context",
    "exceeds context",
    "context length exceeded",
    "context window",
    "larger than the context",
    "greater than the context",
    "prompt too long",
    "reduce the length of the messages",
];
const NO_CREDIT: &[&str] = &[
    "insufficient_quota",
    "billing_hard_limit",
    "billing_not_active",
    "billing_error",
    "credit balance is too low",
    "insufficient credit",
    "insufficient balance",
];
const BAD_KEY: &[&str] = &["invalid_api_key", "api_key_invalid", "api key not valid", "authentication_error"];

impl Fault {
    /// Reads a refusal. `status` is none for an error inside a stream that began well.
    pub(crate) fn read(status: Option<u16>, body: &str) -> Self {
        let json: Option<Value> = serde_json::from_str(body.trim()).ok();
        let json = json.map(|json| match json {
            // Gemini may wrap its error in an array.
            Value::Array(items) => items.into_iter().next().unwrap_or(Value::Null),
            other => other,
        });
        let error = json.as_ref().map(|json| json.get("error").unwrap_or(json));
        let text = |key: &str| error.and_then(|error| error.get(key)).and_then(Value::as_str).unwrap_or("");
        let message = match error {
            Some(Value::String(message)) => message.clone(),
            Some(error) if !text("message").is_empty() => unwrap_nested(error, text("message")),
            Some(_) if !text("detail").is_empty() => text("detail").to_owned(),
            Some(error) => error.to_string(),
            None => strip_tags(body),
        };
        let code = error.and_then(|error| error.get("code"));
        let code_text = code.and_then(Value::as_str).unwrap_or("");
        let code_number = code.and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
        let code_number = code_number.or_else(|| code_text.parse().ok()).filter(|code| (400..600).contains(code));
        let kind_text = format!("{} {} {}", text("type"), text("status"), code_text).to_ascii_lowercase();
        let status = status.filter(|status| *status >= 300).or(code_number).or_else(|| status_of(&kind_text));

        let words = format!("{kind_text} {}", message.to_ascii_lowercase());
        let says = |list: &[&str]| list.iter().any(|word| words.contains(word));
        let gemini_overflow = words.contains("token count") && words.contains("exceeds the maximum");
        let kind = match status {
            _ if says(NO_CREDIT) => FailureKind::Auth,
            Some(429) => FailureKind::RateLimited,
            Some(status) if status < 500 && says(BAD_KEY) => FailureKind::Auth,
            Some(401 | 403) => FailureKind::Auth,
            Some(413) => FailureKind::ContextOverflow,
            None | Some(400..=500) if says(OVERFLOW) || gemini_overflow => FailureKind::ContextOverflow,
            Some(404) if words.contains("model") => FailureKind::UnknownModel,
            Some(400..=499) if words.contains("model_not_found") => FailureKind::UnknownModel,
            Some(408 | 425) => FailureKind::Server,
            Some(409) if words.contains("load") => FailureKind::Server,
            Some(300..=499) => FailureKind::Rejected,
            _ => FailureKind::Server,
        };
        let details = error.and_then(|error| error.get("details")).and_then(Value::as_array);
        let delay = details.into_iter().flatten().find_map(|detail| detail.get("retryDelay")?.as_str());
        let retry_after = delay.and_then(wait::span);
        Self { kind, status, retry_after, message }
    }
}

/// Proxies put the vendor's own error, as JSON, into the message of theirs.
fn unwrap_nested(error: &Value, message: &str) -> String {
    let raw = error.get("metadata").and_then(|metadata| metadata.get("raw")).and_then(Value::as_str);
    match raw {
        Some(raw) => format!("{message}: {raw}"),
        None => message.to_owned(),
    }
}

/// The status that a vendor's error type stands for.
fn status_of(kind: &str) -> Option<u16> {
    let table = [
        ("overloaded", 529),
        ("rate_limit", 429),
        ("resource_exhausted", 429),
        ("too_many_requests", 429),
        ("authentication", 401),
        ("unauthenticated", 401),
        ("permission", 403),
        ("model_not_found", 404),
        ("not_found", 404),
        ("unavailable", 503),
        ("api_error", 500),
        ("server_error", 500),
        ("timeout", 504),
        ("deadline_exceeded", 504),
        ("invalid_request", 400),
        ("invalid_argument", 400),
        ("failed_precondition", 400),
    ];
    table.iter().find(|(word, _)| kind.contains(word)).map(|(_, status)| *status)
}

/// The words of an HTML page, such as a proxy in between answers with.
fn strip_tags(body: &str) -> String {
    if !body.trim_start().starts_with('<') {
        return body.to_owned();
    }
    let mut out = String::new();
    let mut tag = false;
    for c in body.chars() {
        match c {
            '<' => tag = true,
            '>' if tag => {
                tag = false;
                out.push(' ');
            }
            c if !tag => out.push(c),
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use FailureKind::{Auth, ContextOverflow, RateLimited, Rejected, Server, UnknownModel};

    #[test]
    fn a_wait_that_stands_in_the_body_is_read() {
        let gemini = r#"{"error":{"code":429,"message":"You exceeded your current quota. Please retry in 45.83s.","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[]},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"45.83s"}]}}"#;
        let fault = Fault::read(Some(429), gemini);
        assert_eq!((fault.kind, fault.retry_after), (RateLimited, Some(Duration::from_millis(45_830))));
        for odd in [r#"{"error":{"details":[{"retryDelay":"soon"}]}}"#, r#"{"error":{"details":[{"retryDelay":7}]}}"#] {
            assert_eq!(Fault::read(Some(429), odd).retry_after, None);
        }
    }

    #[test]
    fn each_vendors_words_are_understood() {
        /// Status, body; kind, status and words that are expected.
        type Case = (Option<u16>, &'static str, FailureKind, Option<u16>, &'static str);
        let table: &[Case] = &[
            (
                Some(400),
                r#"{"error":{"code":400,"message":"request (3031 tokens) exceeds the available context size (2048 tokens), try increasing it","type":"exceed_context_size_error","n_prompt_tokens":3031,"n_ctx":2048}}"#,
                ContextOverflow,
                Some(400),
                "3031 tokens",
            ),
            (
                Some(400),
                r#"{"error":{"code":"context_length_exceeded","message":"too much","type":"invalid_request_error"}}"#,
                ContextOverflow,
                Some(400),
                "too much",
            ),
            (
                Some(400),
                r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"}}"#,
                ContextOverflow,
                Some(400),
                "prompt is",
            ),
            (
                Some(400),
                r#"[{"error":{"code":400,"message":"The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).","status":"INVALID_ARGUMENT"}}]"#,
                ContextOverflow,
                Some(400),
                "The input",
            ),
            (
                Some(413),
                r#"{"type":"error","error":{"type":"request_too_large","message":"Request exceeds the maximum size"}}"#,
                ContextOverflow,
                Some(413),
                "Request",
            ),
            (
                Some(400),
                r#"{"error":{"code":400,"message":"[json.exception.parse_error.101] parse error","type":"invalid_request_error"}}"#,
                Rejected,
                Some(400),
                "[json",
            ),
            (
                Some(500),
                r#"{"error":{"code":500,"message":"Failed to parse messages: Missing 'role'","type":"server_error"}}"#,
                Server,
                Some(500),
                "Failed",
            ),
            (
                Some(503),
                r#"{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}"#,
                Server,
                Some(503),
                "Loading model",
            ),
            (
                Some(529),
                r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
                Server,
                Some(529),
                "Overloaded",
            ),
            (
                None,
                r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
                Server,
                Some(529),
                "Overloaded",
            ),
            (None, r#"{"error":{"code":503,"message":"busy","status":"UNAVAILABLE"}}"#, Server, Some(503), "busy"),
            (
                None,
                r#"{"error":{"message":"slow down","type":"rate_limit_error","code":null}}"#,
                RateLimited,
                Some(429),
                "slow down",
            ),
            (None, r#"{"error":"llama runner process has terminated"}"#, Server, None, "llama runner"),
            (Some(404), r#"{"error":"model 'qwen' not found"}"#, UnknownModel, Some(404), "model 'qwen'"),
            (
                Some(404),
                r#"{"type":"error","error":{"type":"not_found_error","message":"model: claude-0"}}"#,
                UnknownModel,
                Some(404),
                "model: claude-0",
            ),
            (
                Some(400),
                r#"{"error":{"code":"model_not_found","message":"no such thing","type":"invalid_request_error"}}"#,
                UnknownModel,
                Some(400),
                "no such",
            ),
            (Some(404), "404 page not found", Rejected, Some(404), "404 page"),
            (
                Some(429),
                r#"{"error":{"code":"rate_limit_exceeded","message":"Limit 10 context window requests","type":"requests"}}"#,
                RateLimited,
                Some(429),
                "Limit",
            ),
            (
                Some(429),
                r#"{"error":{"code":"insufficient_quota","message":"You exceeded your current quota","type":"insufficient_quota"}}"#,
                Auth,
                Some(429),
                "You",
            ),
            (
                Some(400),
                r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low"}}"#,
                Auth,
                Some(400),
                "Your credit",
            ),
            (
                Some(400),
                r#"{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT"}}"#,
                Auth,
                Some(400),
                "API key",
            ),
            (Some(401), "", Auth, Some(401), ""),
            (Some(403), r#"{"detail":"no"}"#, Auth, Some(403), "no"),
            (Some(408), "", Server, Some(408), ""),
            (Some(502), "<html><h1>502 Bad Gateway</h1></html>", Server, Some(502), "  502 Bad"),
            (Some(422), r#"{"message":"bad field"}"#, Rejected, Some(422), "bad field"),
            (Some(307), "", Rejected, Some(307), ""),
        ];
        for (status, body, kind, expected, message) in table {
            let fault = Fault::read(*status, body);
            assert_eq!((fault.kind, fault.status), (*kind, *expected), "{status:?} {body}");
            assert!(fault.message.contains(message), "{}", fault.message);
        }
    }
}
