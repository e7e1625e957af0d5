//! One call over HTTP: send, read the stream, keep the timers, and tell truthfully what came of it.

use std::sync::PoisonError;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use proto::config::{ProviderKind, Timeouts};
use reqwest::Response;
use reqwest::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, LOCATION};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::fault::Fault;
use super::frames::Frames;
use super::mask::{Masker, is_invisible};
use super::tls;
use super::wait::retry_after;
use super::wire::{Answer, Lessons, Outgoing, Quirks, Sink, Trouble, is_crowded, prompt_tokens, text_at};
use super::{ChatRequest, Completion, FailureKind, Piece, Provider, ProviderError, StopReason, TokenUsage};
use super::{anthropic, gemini, ollama, openai};

/// How long the usage may lag behind the reason to stop.
const GRACE: Duration = Duration::from_secs(3);
/// How long the end of a body may lag behind the terminal event, so that its connection can be used again.
const DRAIN: Duration = Duration::from_millis(10);
/// How much of a refusal's body is read, and for how long.
const MAX_REFUSAL: usize = 64 * 1024;
const REFUSAL_TIME: Duration = Duration::from_secs(10);
/// Longest list of models in bytes, and the longest wait for it.
const MAX_MODELS: usize = 16 * 1024 * 1024;
const MODELS_TIME: Duration = Duration::from_secs(30);
/// Most values in its JSON, most models that are taken from it, and the longest name of one in bytes.
const MODELS_VALUES: usize = 256 * 1024;
const MODELS_COUNT: usize = 5_000;
const MODELS_NAME: usize = 200;
/// Things that a server may turn out not to take, one after the other.
const MAX_LESSONS: usize = 4;

/// A provider behind HTTP.
pub(crate) struct Endpoint {
    pub(crate) name: String,
    pub(crate) kind: ProviderKind,
    pub(crate) base: Url,
    pub(crate) auth: HeaderMap,
    pub(crate) org: Option<String>,
    pub(crate) timeouts: Timeouts,
    pub(crate) client: reqwest::Client,
    pub(crate) masker: Masker,
    pub(crate) lessons: Lessons,
}

/// Why an attempt failed, and what may be left out to make the next one succeed.
struct Failed {
    error: ProviderError,
    lesson: Option<Quirks>,
}

impl From<ProviderError> for Failed {
    fn from(error: ProviderError) -> Self {
        Self { error, lesson: None }
    }
}

impl Provider for Endpoint {
    fn chat<'a>(
        &'a self,
        request: &'a ChatRequest,
        on: &'a mut (dyn FnMut(Piece<'_>) + Send),
    ) -> BoxFuture<'a, Result<Completion, ProviderError>> {
        Box::pin(async move {
            let deadline = Instant::now() + Duration::from_millis(self.timeouts.call_ms);
            let key = (self.base.as_str().to_owned(), request.model.clone());
            let known = self.lessons.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied();
            let mut quirks = known.unwrap_or_default();
            let mut lessons = 0;
            loop {
                match self.attempt(request, quirks, on, deadline).await {
                    Ok(completion) => {
                        if lessons > 0 {
                            self.lessons.lock().unwrap_or_else(PoisonError::into_inner).insert(key, quirks.lasting());
                        }
                        return Ok(completion);
                    }
                    Err(Failed { lesson: Some(next), .. }) if lessons < MAX_LESSONS => {
                        quirks = next;
                        lessons += 1;
                    }
                    Err(Failed { error, .. }) => return Err(error),
                }
            }
        })
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<String>, ProviderError>> {
        Box::pin(self.list_models())
    }
}

impl Endpoint {
    async fn attempt(
        &self,
        request: &ChatRequest,
        quirks: Quirks,
        on: &mut (dyn FnMut(Piece<'_>) + Send),
        deadline: Instant,
    ) -> Result<Completion, Failed> {
        let outgoing = match self.kind {
            ProviderKind::Ollama => ollama::build(request, quirks),
            ProviderKind::Anthropic => anthropic::build(request, quirks),
            ProviderKind::Gemini => gemini::build(request, quirks),
            ProviderKind::Openai | ProviderKind::Recorded => openai::build(request, quirks, self.org.as_deref()),
        };
        let prompt = prompt_tokens(request);
        let first = Instant::now() + Duration::from_millis(self.timeouts.first_token_ms);
        let mut http = self.client.post(self.url(&outgoing.path)).headers(self.auth.clone());
        for (name, value) in &outgoing.headers {
            http = http.header(*name, value.as_str());
        }
        http = http.header(CONTENT_TYPE, "application/json").header(ACCEPT, "text/event-stream, application/json");
        let sending = http.body(outgoing.body.to_string()).send();
        let response = match timeout_at(first.min(deadline), sending).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(self.transport(error, TokenUsage::default()).into()),
            // The prompt may have been read, and paid for.
            Err(_) => return Err(self.timed_out(first, deadline, Answer::default().usage(prompt, false)).into()),
        };
        if !response.status().is_success() {
            let (error, fault) = self.refusal(response, deadline).await;
            return Err(Failed { error, lesson: quirks.learn(&fault, &outgoing.body) });
        }
        if let Some(encoding) = encoding(&response) {
            let message = format!("the server sends {encoding}, which wasn't asked for; what stands before it?");
            return Err(self.error(FailureKind::Malformed, None, message, TokenUsage::default()).into());
        }
        let page = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
        if page {
            let message = "the server answers with a web page; is base_url right?".to_owned();
            return Err(self.error(FailureKind::Malformed, None, message, TokenUsage::default()).into());
        }
        Ok(self.stream(response, outgoing, prompt, on, (first, deadline)).await?)
    }

    /// Reads the body to the terminal event.
    async fn stream(
        &self,
        mut response: Response,
        outgoing: Outgoing,
        prompt: u64,
        on: &mut (dyn FnMut(Piece<'_>) + Send),
        (first, deadline): (Instant, Instant),
    ) -> Result<Completion, ProviderError> {
        let Outgoing { framing, mut reader, .. } = outgoing;
        let mut frames = Frames::new(framing);
        let mut answer = Answer::default();
        let mut patience = first;
        let mut events = Vec::new();
        while !answer.done {
            let chunk = timeout_at(patience.min(deadline), response.chunk()).await;
            let ended = match chunk {
                Ok(Ok(Some(bytes))) => {
                    if let Err(error) = frames.feed(&bytes, &mut events) {
                        return Err(self.trouble(Trouble::Malformed(error.to_string()), &answer, prompt));
                    }
                    false
                }
                Ok(Ok(None)) => true,
                // What follows the reason to stop is only the usage: an answer isn't given up for it.
                Ok(Err(_)) | Err(_) if answer.stop.is_some() => break,
                Ok(Err(error)) => return Err(self.transport(error, answer.usage(prompt, false))),
                Err(_) => return Err(self.timed_out(patience, deadline, answer.usage(prompt, false))),
            };
            let stopped = answer.stop;
            let mut sink = Sink { answer: &mut answer, on: &mut *on, lively: false };
            for event in events.drain(..) {
                if let Err(trouble) = reader.event(&event, &mut sink) {
                    return Err(self.trouble(trouble, &answer, prompt));
                }
                if sink.answer.done {
                    break;
                }
            }
            if ended {
                if let Some(tail) = frames.finish().filter(|_| !sink.answer.done) {
                    match reader.event(&tail, &mut sink) {
                        // A tail that can't be read was cut, which is told below.
                        Ok(()) | Err(Trouble::Malformed(_)) => {}
                        Err(trouble) => return Err(self.trouble(trouble, &answer, prompt)),
                    }
                }
                if !sink.answer.done && sink.answer.stop.is_none() {
                    let message = "the answer was cut off: the stream ended before its end".to_owned();
                    return Err(self.error(FailureKind::Network, None, message, answer.usage(prompt, false)));
                }
                break;
            }
            let now = Instant::now();
            let lively = sink.lively;
            if lively {
                patience = now + Duration::from_millis(self.timeouts.between_tokens_ms);
            }
            if answer.stop.is_some() && (lively || stopped.is_none()) {
                patience = patience.min(now + GRACE);
            }
            // A flood of keep-alives is always ready to be read, and would never let the timer fire.
            if now >= patience.min(deadline) && !answer.done {
                if answer.stop.is_some() {
                    break;
                }
                return Err(self.timed_out(patience, deadline, answer.usage(prompt, false)));
            }
        }
        let mut sink = Sink { answer: &mut answer, on, lively: false };
        if let Err(trouble) = reader.end(&mut sink) {
            return Err(self.trouble(trouble, &answer, prompt));
        }
        let drain = Instant::now() + DRAIN;
        while let Ok(Ok(Some(_))) = timeout_at(drain, response.chunk()).await {
            if Instant::now() >= drain {
                break;
            }
        }
        let usage = answer.usage(prompt, true);
        Ok(Completion { text: answer.text, stop: answer.stop.unwrap_or(StopReason::End), usage })
    }

    async fn list_models(&self) -> Result<Vec<String>, ProviderError> {
        let (path, list, key, headers) = match self.kind {
            ProviderKind::Ollama => ("/api/tags", "models", "name", Vec::new()),
            ProviderKind::Anthropic => ("/v1/models?limit=1000", "data", "id", anthropic::headers()),
            ProviderKind::Gemini => ("/v1beta/models?pageSize=1000", "models", "name", Vec::new()),
            ProviderKind::Openai | ProviderKind::Recorded => ("/models", "data", "id", Vec::new()),
        };
        let mut http = self.client.get(self.url(path)).headers(self.auth.clone()).header(ACCEPT, "application/json");
        for (name, value) in &headers {
            http = http.header(*name, value.as_str());
        }
        if let (Some(org), ProviderKind::Openai) = (&self.org, self.kind) {
            http = http.header("openai-organization", org);
        }
        let first = Instant::now() + Duration::from_millis(self.timeouts.first_token_ms).min(MODELS_TIME);
        let none = TokenUsage::default();
        let mut response = match timeout_at(first, http.send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(self.transport(error, none)),
            Err(_) => return Err(self.timed_out(first, first, none)),
        };
        if !response.status().is_success() {
            return Err(self.refusal(response, first).await.0);
        }
        if let Some(encoding) = encoding(&response) {
            let message = format!("the server sends {encoding}, which wasn't asked for");
            return Err(self.error(FailureKind::Malformed, None, message, none));
        }
        let mut body = Vec::new();
        loop {
            match timeout_at(first, response.chunk()).await {
                Ok(Ok(Some(bytes))) => body.extend_from_slice(&bytes),
                Ok(Ok(None)) => break,
                Ok(Err(error)) => return Err(self.transport(error, none)),
                Err(_) => return Err(self.timed_out(first, first, none)),
            }
            if body.len() > MAX_MODELS || Instant::now() >= first {
                return Err(self.error(FailureKind::Malformed, None, "the list of models has no end".to_owned(), none));
            }
        }
        let crowded = is_crowded(&body, MODELS_VALUES);
        let json: Option<Value> = (!crowded).then(|| serde_json::from_slice(&body).ok()).flatten();
        let Some(items) = json.as_ref().and_then(|json| json.get(list)).and_then(Value::as_array) else {
            let message = "what came isn't a list of models".to_owned();
            return Err(self.error(FailureKind::Malformed, None, message, none));
        };
        let answers = |item: &&Value| match item.get("supportedGenerationMethods").and_then(Value::as_array) {
            Some(methods) => methods.iter().any(|method| method == "generateContent"),
            None => true,
        };
        let name = |item: &Value| {
            let name = text_at(item, key);
            name.strip_prefix("models/").unwrap_or(name).to_owned()
        };
        let sane = |name: &String| {
            !name.is_empty() && name.len() <= MODELS_NAME && !name.chars().any(|c| c.is_control() || is_invisible(c))
        };
        Ok(items.iter().filter(answers).map(name).filter(sane).take(MODELS_COUNT).collect())
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        let query: Vec<&str> = self.base.query().into_iter().chain(query).collect();
        url.set_query((!query.is_empty()).then(|| query.join("&")).as_deref());
        url
    }

    /// Reads an answer that isn't a success.
    async fn refusal(&self, mut response: Response, deadline: Instant) -> (ProviderError, Fault) {
        let status = response.status();
        let until = deadline.min(Instant::now() + REFUSAL_TIME);
        let mut body = Vec::new();
        while let Ok(Ok(Some(bytes))) = timeout_at(until, response.chunk()).await {
            body.extend_from_slice(&bytes);
            if body.len() >= MAX_REFUSAL || Instant::now() >= until {
                break;
            }
        }
        let encoded = encoding(&response).is_some();
        let body = if encoded { String::new() } else { String::from_utf8_lossy(&body).into_owned() };
        let mut fault = Fault::read(Some(status.as_u16()), &body);
        if status.is_redirection() {
            let target = response.headers().get(LOCATION).and_then(|value| value.to_str().ok()).unwrap_or("nowhere");
            fault.message = format!("the server sends on to {target}; a redirect to another place isn't followed");
        }
        let said = if fault.message.trim().is_empty() {
            status.canonical_reason().unwrap_or("no reason given")
        } else {
            fault.message.as_str()
        };
        let code = status.as_u16();
        let mut error = self.error(fault.kind, Some(code), format!("HTTP {code}: {said}"), TokenUsage::default());
        // Vendors send the reset family with every answer; it says something only where the limit was met.
        let limited = fault.kind == FailureKind::RateLimited;
        if limited || fault.kind == FailureKind::Server {
            let headers = response.headers().iter();
            let headers = headers.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
            let headers = headers.filter(|(name, _)| limited || name.starts_with("retry-after"));
            error.retry_after = retry_after(headers, Timestamp::now()).or(fault.retry_after);
        }
        (error, fault)
    }

    fn trouble(&self, trouble: Trouble, answer: &Answer, prompt: u64) -> ProviderError {
        let usage = answer.usage(prompt, answer.done);
        match trouble {
            Trouble::Malformed(message) => self.error(FailureKind::Malformed, None, message, usage),
            Trouble::Fault(fault) => {
                let error = self.error(fault.kind, fault.status, fault.message, usage);
                ProviderError { retry_after: fault.retry_after, ..error }
            }
        }
    }

    fn timed_out(&self, patience: Instant, deadline: Instant, usage: TokenUsage) -> ProviderError {
        let message = if deadline <= patience {
            format!("no complete answer within {}", span(self.timeouts.call_ms))
        } else if usage.output == 0 {
            format!("no token within {}", span(self.timeouts.first_token_ms))
        } else {
            format!("the answer stalled: nothing more for {}", span(self.timeouts.between_tokens_ms))
        };
        self.error(FailureKind::Timeout, None, message, usage)
    }

    fn transport(&self, error: reqwest::Error, usage: TokenUsage) -> ProviderError {
        let error = error.without_url();
        let host = self.base.host_str().unwrap_or("the server");
        let port = self.base.port_or_known_default().unwrap_or_default();
        let (kind, message) = if error.is_connect() && error.is_timeout() {
            (FailureKind::Timeout, format!("no connection to {host}:{port} within {}", span(self.timeouts.connect_ms)))
        } else if let Some(why) = tls::trouble(&error) {
            // Asked again, it would show the same certificate.
            (FailureKind::Rejected, format!("no TLS connection to {host}:{port}: {why}"))
        } else if error.is_connect() {
            (FailureKind::Network, format!("can't connect to {host}:{port}: {}", causes(&error)))
        } else if error.is_builder() {
            (FailureKind::Rejected, format!("the request can't be made: {}", causes(&error)))
        } else {
            let why = causes(&error);
            // As hyper says it of bytes that begin otherwise than with `HTTP/1`.
            let foreign = self.base.scheme() == "http" && why.contains("invalid HTTP version");
            let hint = if foreign { "; is it TLS, and should base_url begin with https:// instead?" } else { "" };
            (FailureKind::Network, format!("the connection to {host}:{port} broke: {why}{hint}"))
        };
        self.error(kind, None, message, usage)
    }

    fn error(&self, kind: FailureKind, status: Option<u16>, message: String, usage: TokenUsage) -> ProviderError {
        let message = self.masker.clean(&format!("{}: {message}", self.name));
        ProviderError { status, usage, ..ProviderError::free(kind, message) }
    }
}

/// The compression of a body, if it has one. None was asked for, and nothing here unpacks: what is small on its way may be endless.
fn encoding(response: &Response) -> Option<String> {
    let value = response.headers().get(CONTENT_ENCODING)?;
    let value = String::from_utf8_lossy(value.as_bytes());
    (!value.trim().is_empty() && !value.trim().eq_ignore_ascii_case("identity"))
        .then(|| format!("its answer with Content-Encoding {}", value.trim()))
}

fn span(ms: u64) -> String {
    if ms >= 1000 && ms.is_multiple_of(1000) { format!("{} s", ms / 1000) } else { format!("{ms} ms") }
}

/// What caused an error of the HTTP client; its own outer words say nothing.
pub(crate) fn causes(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        let line = cause.to_string();
        if !line.starts_with("client error (") && !text.contains(&line) {
            text.push_str(if text.is_empty() { "" } else { ": " });
            text.push_str(&line);
        }
        next = cause.source();
    }
    if text.is_empty() { error.to_string() } else { text }
}
