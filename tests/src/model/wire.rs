//! The four wire formats: what was asked, and the bytes of an answer. Nothing here does I/O.

use serde_json::{Value, json};

use super::fault::Echo;

/// A wire format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wire {
    /// OpenAI chat completions.
    OpenAi,
    /// Ollama's own.
    Ollama,
    /// Anthropic Messages.
    Anthropic,
    /// Google's Gemini.
    Gemini,
}

impl Wire {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::OpenAi, Self::Ollama, Self::Anthropic, Self::Gemini];

    /// The `type` of such a provider in the config.
    #[must_use]
    pub fn provider_type(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Ollama => "ollama",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
        }
    }
}

/// What a path and method mean.
pub(crate) enum Route {
    /// A chat; Gemini has the model in the path.
    Chat(Wire, Option<String>),
    /// The list of models.
    Models(Wire),
    /// Nothing of ours.
    Nothing,
}

pub(crate) fn route(method: &str, target: &str, header: impl Fn(&str) -> Option<String>) -> Route {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    match (method, path) {
        ("POST", "/v1/chat/completions") => Route::Chat(Wire::OpenAi, None),
        ("POST", "/api/chat") => Route::Chat(Wire::Ollama, None),
        ("POST", "/v1/messages") => Route::Chat(Wire::Anthropic, None),
        ("GET", "/v1/models") if header("anthropic-version").is_some() => Route::Models(Wire::Anthropic),
        ("GET", "/v1/models") => Route::Models(Wire::OpenAi),
        ("GET", "/api/tags") => Route::Models(Wire::Ollama),
        ("GET", "/v1beta/models") => Route::Models(Wire::Gemini),
        ("POST", path) => {
            let model =
                path.strip_prefix("/v1beta/models/").and_then(|rest| rest.strip_suffix(":streamGenerateContent"));
            match model {
                Some(model) if query.split('&').any(|part| part == "alt=sse") => {
                    let model = percent_encoding::percent_decode_str(model).decode_utf8_lossy().into_owned();
                    Route::Chat(Wire::Gemini, Some(model))
                }
                _ => Route::Nothing,
            }
        }
        _ => Route::Nothing,
    }
}

/// A chat request, whatever its format.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// The model's name.
    pub model: String,
    /// The system part.
    pub system: String,
    /// Speaker (`user`, `assistant`) and text.
    pub turns: Vec<(String, String)>,
    /// Whether JSON by a schema is asked for.
    pub schema: bool,
    /// The tool that must be called (Anthropic).
    pub tool: Option<String>,
    /// Whether a stream reports its usage.
    pub wants_usage: bool,
}

impl Asked {
    /// Reads a body. What is wrong with it is said in a sentence.
    pub(crate) fn read(wire: Wire, model: Option<String>, body: &[u8]) -> Result<Self, String> {
        let body: Value = serde_json::from_slice(body).map_err(|error| format!("the body is no JSON: {error}"))?;
        let mut asked = Self { wants_usage: true, ..Self::default() };
        asked.model = match model {
            Some(model) => model,
            None => body["model"].as_str().ok_or("the body names no model")?.to_owned(),
        };
        if wire != Wire::Gemini && body["stream"] != Value::Bool(true) {
            return Err("the request doesn't ask for a stream".to_owned());
        }
        let turns = body[if wire == Wire::Gemini { "contents" } else { "messages" }].as_array();
        for turn in turns.ok_or("the body has no turns")? {
            let text = text(if wire == Wire::Gemini { &turn["parts"] } else { &turn["content"] });
            match turn["role"].as_str() {
                Some("system") => asked.system.push_str(&text),
                Some("assistant" | "model") => asked.turns.push(("assistant".to_owned(), text)),
                Some("user") => asked.turns.push(("user".to_owned(), text)),
                role => return Err(format!("a turn has the role {role:?}")),
            }
        }
        match wire {
            Wire::OpenAi => {
                asked.schema = body["response_format"]["type"] == "json_schema";
                asked.wants_usage = body["stream_options"]["include_usage"] == Value::Bool(true);
            }
            Wire::Ollama => {
                asked.schema = body["format"].is_object();
                if !body["options"]["num_ctx"].is_u64() {
                    return Err("the request sets no num_ctx".to_owned());
                }
            }
            Wire::Anthropic => {
                asked.system = text(&body["system"]);
                asked.tool = body["tool_choice"]["name"].as_str().map(str::to_owned);
                asked.schema = asked.tool.is_some();
                if !body["max_tokens"].is_u64() {
                    return Err("the request sets no max_tokens".to_owned());
                }
            }
            Wire::Gemini => {
                asked.system = text(&body["systemInstruction"]["parts"]);
                asked.schema = body["generationConfig"]["responseSchema"].is_object();
            }
        }
        Ok(asked)
    }

    /// System part and turns as one text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = self.system.clone();
        for (_, text) in &self.turns {
            out.push_str("\n\n");
            out.push_str(text);
        }
        out
    }
}

/// The text of a string, or of parts with a text each.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ => String::new(),
    }
}

/// Token counts to report.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tokens {
    pub(crate) input: u64,
    pub(crate) cached: u64,
    pub(crate) output: u64,
}

/// Writes one answer.
pub(crate) struct Encoder {
    pub(crate) wire: Wire,
    pub(crate) model: String,
    pub(crate) tool: Option<String>,
    pub(crate) tokens: Option<Tokens>,
}

impl Encoder {
    pub(crate) fn content_type(&self) -> &'static str {
        if self.wire == Wire::Ollama { "application/x-ndjson" } else { "text/event-stream" }
    }

    fn line(&self, value: &Value) -> String {
        match self.wire {
            Wire::Ollama => format!("{value}\n"),
            Wire::Anthropic => format!("event: {}\ndata: {value}\n\n", value["type"].as_str().unwrap_or_default()),
            Wire::OpenAi | Wire::Gemini => format!("data: {value}\n\n"),
        }
    }

    fn chunk(&self, delta: Value, finish: Option<&str>) -> Value {
        json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": self.model,
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
    }

    /// What stands before the text.
    pub(crate) fn start(&self) -> String {
        match self.wire {
            Wire::OpenAi => self.line(&self.chunk(json!({"role": "assistant", "content": ""}), None)),
            Wire::Ollama | Wire::Gemini => String::new(),
            Wire::Anthropic => {
                let tokens = self.tokens.unwrap_or(Tokens { input: 0, cached: 0, output: 0 });
                let mut usage = json!({"input_tokens": tokens.input.saturating_sub(tokens.cached), "output_tokens": 1,
                    "cache_read_input_tokens": tokens.cached, "cache_creation_input_tokens": 0});
                if self.tokens.is_none() {
                    usage = Value::Null;
                }
                let message = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": self.model, "content": [],
                    "stop_reason": null, "stop_sequence": null, "usage": usage});
                let block = match &self.tool {
                    Some(tool) => json!({"type": "tool_use", "id": "toolu_1", "name": tool, "input": {}}),
                    None => json!({"type": "text", "text": ""}),
                };
                let start = self.line(&json!({"type": "message_start", "message": message}));
                start + &self.line(&json!({"type": "content_block_start", "index": 0, "content_block": block}))
            }
        }
    }

    /// A piece of the text.
    pub(crate) fn piece(&self, text: &str) -> String {
        let value = match self.wire {
            Wire::OpenAi => self.chunk(json!({"content": text}), None),
            Wire::Ollama => json!({"model": self.model, "created_at": "2026-01-01T00:00:00Z",
                "message": {"role": "assistant", "content": text}, "done": false}),
            Wire::Anthropic => {
                let delta = match &self.tool {
                    Some(_) => json!({"type": "input_json_delta", "partial_json": text}),
                    None => json!({"type": "text_delta", "text": text}),
                };
                json!({"type": "content_block_delta", "index": 0, "delta": delta})
            }
            Wire::Gemini => {
                json!({"candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}],
                "modelVersion": self.model})
            }
        };
        self.line(&value)
    }

    /// What keeps a connection alive and says nothing.
    pub(crate) fn keep_alive(&self) -> String {
        match self.wire {
            Wire::OpenAi | Wire::Gemini => ": keep-alive\n\n".to_owned(),
            Wire::Ollama => "\n".to_owned(),
            Wire::Anthropic => self.line(&json!({"type": "ping"})),
        }
    }

    /// The end of a good answer; `cut` by the token limit.
    pub(crate) fn end(&self, cut: bool) -> String {
        match self.wire {
            Wire::OpenAi => {
                let mut out = self.line(&self.chunk(json!({}), Some(if cut { "length" } else { "stop" })));
                if let Some(tokens) = self.tokens {
                    let mut last = self.chunk(json!({}), None);
                    last["choices"] = json!([]);
                    last["usage"] = json!({"prompt_tokens": tokens.input, "completion_tokens": tokens.output,
                        "total_tokens": tokens.input.saturating_add(tokens.output), "prompt_tokens_details": {"cached_tokens": tokens.cached}});
                    out += &self.line(&last);
                }
                out + "data: [DONE]\n\n"
            }
            Wire::Ollama => {
                let mut last = json!({"model": self.model, "created_at": "2026-01-01T00:00:00Z",
                    "message": {"role": "assistant", "content": ""}, "done": true,
                    "done_reason": if cut { "length" } else { "stop" }, "total_duration": 1});
                if let Some(tokens) = self.tokens {
                    last["prompt_eval_count"] = tokens.input.into();
                    last["eval_count"] = tokens.output.into();
                }
                self.line(&last)
            }
            Wire::Anthropic => {
                let stop = match (cut, &self.tool) {
                    (true, _) => "max_tokens",
                    (false, Some(_)) => "tool_use",
                    (false, None) => "end_turn",
                };
                let usage = self.tokens.map_or(Value::Null, |tokens| json!({"output_tokens": tokens.output}));
                let delta = json!({"stop_reason": stop, "stop_sequence": null});
                let stop = self.line(&json!({"type": "content_block_stop", "index": 0}));
                let delta = self.line(&json!({"type": "message_delta", "delta": delta, "usage": usage}));
                stop + &delta + &self.line(&json!({"type": "message_stop"}))
            }
            Wire::Gemini => {
                let mut last = json!({"candidates": [{"content": {"parts": [{"text": ""}], "role": "model"},
                    "finishReason": if cut { "MAX_TOKENS" } else { "STOP" }, "index": 0}], "modelVersion": self.model});
                if let Some(tokens) = self.tokens {
                    last["usageMetadata"] = json!({"promptTokenCount": tokens.input, "candidatesTokenCount": tokens.output,
                        "cachedContentTokenCount": tokens.cached, "totalTokenCount": tokens.input.saturating_add(tokens.output)});
                }
                self.line(&last)
            }
        }
    }

    /// A piece that isn't JSON.
    pub(crate) fn malformed(&self) -> String {
        match self.wire {
            Wire::Ollama => "{\"model\":\"x\",\"mess\n".to_owned(),
            _ => "data: {\"choices\":[{\"del\n\n".to_owned(),
        }
    }

    /// An error in a stream that began well.
    pub(crate) fn error(&self) -> String {
        self.line(&error_value(self.wire, 503, "the model is overloaded"))
    }
}

fn error_value(wire: Wire, status: u16, message: &str) -> Value {
    let kind = match (wire, status) {
        (Wire::Gemini, 429) => "RESOURCE_EXHAUSTED",
        (Wire::Gemini, 500) => "INTERNAL",
        (Wire::Gemini, 503) => "UNAVAILABLE",
        (Wire::Gemini, 401) => "UNAUTHENTICATED",
        (Wire::Gemini, _) => "INVALID_ARGUMENT",
        (_, 401) => "authentication_error",
        (_, 429) => "rate_limit_error",
        (Wire::Anthropic, 503 | 529) => "overloaded_error",
        (_, 500..) => "api_error",
        _ => "invalid_request_error",
    };
    match wire {
        Wire::OpenAi => json!({"error": {"message": message, "type": kind, "param": null, "code": null}}),
        Wire::Ollama => json!({"error": message}),
        Wire::Anthropic => json!({"type": "error", "error": {"type": kind, "message": message}}),
        Wire::Gemini => json!({"error": {"code": status, "message": message, "status": kind}}),
    }
}

/// The body of a refusal.
pub(crate) fn error_body(wire: Wire, status: u16, message: &str) -> String {
    error_value(wire, status, message).to_string()
}

/// The body that says that a prompt is too long.
pub(crate) fn overflow_body(wire: Wire) -> String {
    match wire {
        Wire::OpenAi => json!({"error": {"message": "This model's maximum context length is 8192 tokens. Please reduce the length of the messages.",
            "type": "invalid_request_error", "param": "messages", "code": "context_length_exceeded"}})
        .to_string(),
        Wire::Ollama => error_body(wire, 400, "the input length exceeds the context length"),
        Wire::Anthropic => error_body(wire, 400, "prompt is too long: 210000 tokens > 200000 maximum"),
        Wire::Gemini => error_body(wire, 400, "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."),
    }
}

/// The list of models.
pub(crate) fn models_body(wire: Wire, names: &[String]) -> String {
    let list: Vec<Value> = names
        .iter()
        .map(|name| match wire {
            Wire::OpenAi => json!({"id": name, "object": "model", "created": 1, "owned_by": "tests"}),
            Wire::Ollama => json!({"name": name, "model": name, "size": 1}),
            Wire::Anthropic => {
                json!({"type": "model", "id": name, "display_name": name, "created_at": "2026-01-01T00:00:00Z"})
            }
            Wire::Gemini => json!({"name": format!("models/{name}"), "displayName": name,
                "supportedGenerationMethods": ["generateContent"]}),
        })
        .collect();
    match wire {
        Wire::OpenAi => json!({"object": "list", "data": list}).to_string(),
        Wire::Anthropic => {
            json!({"data": list, "has_more": false, "first_id": names.first(), "last_id": names.last()}).to_string()
        }
        Wire::Ollama | Wire::Gemini => json!({"models": list}).to_string(),
    }
}

/// The key that came with a request, in the form of an echo; empty if there is none.
pub(crate) fn echo(form: Echo, header: impl Fn(&str) -> Option<String>) -> String {
    use base64::Engine as _;
    let key = header("x-api-key").or_else(|| header("x-goog-api-key")).or_else(|| {
        let value = header("authorization")?;
        Some(value.split_once(' ').map_or(value.clone(), |(_, key)| key.to_owned()))
    });
    let key = key.unwrap_or_default();
    match form {
        Echo::Plain => key,
        Echo::Url => percent_encoding::utf8_percent_encode(&key, percent_encoding::NON_ALPHANUMERIC).to_string(),
        Echo::Base64 => base64::engine::general_purpose::STANDARD.encode(key),
    }
}
