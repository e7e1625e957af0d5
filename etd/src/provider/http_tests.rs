#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::super::wire::tests::{request, with_schema};
use super::super::{ChatRequest, Completion, Piece, StopReason};
use super::*;

const KEY: &str = "sk-test/1234567890+abc";

/// What a connection does after it read a request.
#[derive(Clone)]
enum Do {
    /// Sends these bytes.
    Send(String),
    /// Sends these bytes again and again until the peer goes.
    Endless(String),
    /// Keeps the connection open until the peer goes.
    Hold,
}

struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Plays one script per connection, the last one again and again.
    async fn start(scripts: Vec<Vec<Do>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let requests = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            for at in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                let script = scripts[at.min(scripts.len() - 1)].clone();
                let _ = play(stream, &script, &requests).await;
            }
        });
        Self { address, seen, task }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

async fn play(mut stream: TcpStream, script: &[Do], seen: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut request = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer).await?;
        request.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&request);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if read == 0 || body.len() >= length.unwrap_or(0) {
            break;
        }
    }
    seen.lock().unwrap().push(String::from_utf8_lossy(&request).into_owned());
    for step in script {
        match step {
            Do::Send(bytes) => stream.write_all(bytes.as_bytes()).await?,
            Do::Endless(bytes) => loop {
                stream.write_all(bytes.as_bytes()).await?;
                tokio::task::yield_now().await;
            },
            Do::Hold => while stream.read(&mut [0; 64]).await? > 0 {},
        }
    }
    stream.shutdown().await
}

fn head(status: &str, headers: &str) -> String {
    format!("HTTP/1.1 {status}\r\nconnection: close\r\n{headers}\r\n")
}

fn ok(body: &str) -> Do {
    Do::Send(head("200 OK", "content-type: text/event-stream\r\n") + body)
}

fn whole(status: &str, headers: &str, body: &str) -> Vec<Do> {
    vec![Do::Send(head(status, &format!("{headers}content-length: {}\r\n", body.len())) + body)]
}

const TEXT: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hello\"}}]}\n\n";
const END: &str = "data: {\"choices\":[{\"finish_reason\":\"stop\",\"index\":0,\"delta\":{}}]}\n\ndata: [DONE]\n\n";

fn config(kind: ProviderKind, base_url: &str) -> ProviderConfig {
    ProviderConfig { kind, base_url: base_url.to_owned(), auth: Auth::Key(SecretRef("env:KEY".to_owned())), org: None }
}

const QUICK: Timeouts =
    Timeouts { connect_ms: 2_000, first_token_ms: 10_000, between_tokens_ms: 10_000, call_ms: 20_000 };

fn open_with(
    config: &ProviderConfig,
    timeouts: &Timeouts,
    network: &[(&str, &str)],
) -> Result<Arc<dyn Provider>, ProviderError> {
    let network = network.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Clients::new().open("acme", config, timeouts, &network, &|_| Some(Secret::new(KEY.to_owned())))
}

async fn ask(provider: &dyn Provider, request: &ChatRequest) -> Result<Completion, ProviderError> {
    provider.chat(request, &mut |_| {}).await
}

async fn fails(script: Vec<Do>, timeouts: Timeouts) -> ProviderError {
    let server = Server::start(vec![script]).await;
    let provider = open_with(&config(ProviderKind::Openai, &server.url()), &timeouts, &[]).unwrap();
    ask(provider.as_ref(), &request()).await.unwrap_err()
}

#[tokio::test]
async fn a_stream_ends_at_its_terminal_event_though_the_socket_stays_open() {
    let (first, second) = TEXT.split_at(30);
    let script = vec![
        ok(": hi\n\n"),
        Do::Send(first.to_owned()),
        Do::Send(second.to_owned()),
        Do::Send(END.to_owned()),
        Do::Hold,
    ];
    let server = Server::start(vec![script]).await;
    let provider = open_with(&config(ProviderKind::Openai, &format!("{}/v1/", server.url())), &QUICK, &[]).unwrap();
    let pieces = Mutex::new(Vec::new());
    let mut on = |piece: Piece<'_>| match piece {
        Piece::Text(text) | Piece::Thinking(text) => pieces.lock().unwrap().push(text.to_owned()),
    };
    let completion = provider.chat(&request(), &mut on).await.unwrap();
    assert_eq!((completion.text.as_str(), completion.stop), ("Hello", StopReason::End));
    assert!(completion.usage.estimated && completion.usage.output > 0 && completion.usage.input > 0);
    assert_eq!(*pieces.lock().unwrap(), ["Hello"]);
    let seen = server.seen();
    assert!(seen[0].starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{}", seen[0]);
    assert!(seen[0].contains(&format!("authorization: Bearer {KEY}\r\n")), "{}", seen[0]);
}

#[tokio::test]
async fn an_answer_is_not_given_up_for_a_missing_end() {
    let stop = END.split("\n\n").next().unwrap().to_owned() + "\n\n";
    let limits = Timeouts { between_tokens_ms: 150, ..QUICK };
    let floods = Do::Endless(": keep-alive\n\n".to_owned());
    for last in [vec![], vec![Do::Hold], vec![floods]] {
        let script = [vec![ok(&format!("{TEXT}{stop}"))], last].concat();
        let server = Server::start(vec![script]).await;
        let provider = open_with(&config(ProviderKind::Openai, &server.url()), &limits, &[]).unwrap();
        assert_eq!(ask(provider.as_ref(), &request()).await.unwrap().text, "Hello");
    }
}

#[tokio::test]
async fn each_vendor_gets_its_path_and_key() {
    let table = [
        (
            ProviderKind::Anthropic,
            "/v1",
            "POST /v1/messages ",
            format!("x-api-key: {KEY}\r\n"),
            "data: {\"type\":\"message_stop\"}\n\n",
        ),
        (
            ProviderKind::Anthropic,
            "",
            "POST /v1/messages ",
            "anthropic-version: 2023-06-01\r\n".to_owned(),
            "data: {\"type\":\"message_stop\"}\n\n",
        ),
        (
            ProviderKind::Gemini,
            "/",
            "POST /v1beta/models/m:streamGenerateContent?alt=sse ",
            format!("x-goog-api-key: {KEY}\r\n"),
            "data: {\"candidates\":[{\"finishReason\":\"STOP\"}]}\n\n",
        ),
        (
            ProviderKind::Ollama,
            "/v1/",
            "POST /api/chat ",
            format!("authorization: Bearer {KEY}\r\n"),
            "{\"done\":true}\n",
        ),
        (
            ProviderKind::Openai,
            "/x/v1",
            "POST /x/v1/chat/completions ",
            format!("authorization: Bearer {KEY}\r\n"),
            END,
        ),
    ];
    for (kind, base, path, key, body) in table {
        let server = Server::start(vec![vec![ok(body)]]).await;
        let provider = open_with(&config(kind, &format!("{}{base}", server.url())), &QUICK, &[]).unwrap();
        ask(provider.as_ref(), &request()).await.unwrap();
        let seen = &server.seen()[0];
        assert!(seen.starts_with(path) && seen.contains(&key), "{kind:?} {seen}");
        assert!(!seen.lines().next().unwrap().contains("sk-test"), "{seen}");
    }
}

#[tokio::test]
async fn basic_auth_and_none_are_sent_as_asked() {
    for (auth, expected) in [
        (Auth::Basic(SecretRef("k".to_owned())), Some(format!("authorization: Basic {}\r\n", STANDARD.encode(KEY)))),
        (Auth::None, None),
    ] {
        let server = Server::start(vec![vec![ok("{\"done\":true}\n")]]).await;
        let provider =
            open_with(&ProviderConfig { auth, ..config(ProviderKind::Ollama, &server.url()) }, &QUICK, &[]).unwrap();
        ask(provider.as_ref(), &request()).await.unwrap();
        let seen = &server.seen()[0];
        match expected {
            Some(expected) => assert!(seen.contains(&expected), "{seen}"),
            None => assert!(!seen.to_ascii_lowercase().contains("authorization"), "{seen}"),
        }
    }
}

#[tokio::test]
async fn broken_streams_are_told_for_what_they_are() {
    let table = [
        (vec![ok(TEXT)], FailureKind::Network, "cut off"),
        (vec![ok("")], FailureKind::Network, "cut off"),
        (vec![ok(TEXT), Do::Send("data: {\"choi".to_owned())], FailureKind::Network, "cut off"),
        (vec![ok("data: {oops}\n\n"), Do::Hold], FailureKind::Malformed, "isn't JSON"),
        (
            vec![ok("data: {\"error\":{\"code\":429,\"message\":\"later\"}}\n\n"), Do::Hold],
            FailureKind::RateLimited,
            "later",
        ),
        (vec![Do::Send(head("200 OK", "content-length: 9999\r\n") + TEXT)], FailureKind::Network, "broke"),
    ];
    for (script, kind, part) in table {
        let error = fails(script, QUICK).await;
        assert_eq!(error.kind, kind, "{error:?}");
        assert!(error.message.contains(part) && error.message.starts_with("acme: "), "{error:?}");
    }
    let page = Do::Send(head("200 OK", "content-type: text/html; charset=utf-8\r\n") + "<html>");
    assert!(fails(vec![page], QUICK).await.message.contains("web page"));
    let cut = fails(vec![ok(TEXT)], QUICK).await;
    assert!(cut.usage.estimated && cut.usage.input > 0 && cut.usage.output > 0, "what it took is told: {cut:?}");
    let mut bytes = head("200 OK", "") + "data: ";
    bytes.push('\u{0}');
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let provider =
        open_with(&config(ProviderKind::Openai, &format!("http://{}", server.local_addr().unwrap())), &QUICK, &[])
            .unwrap();
    let serve = async {
        let (mut stream, _) = server.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await;
        stream.write_all(bytes.as_bytes()).await.unwrap();
        stream.write_all(b"\xff\xfe\n\n").await.unwrap();
        stream
    };
    let request = request();
    let (answer, _stream) = tokio::join!(ask(provider.as_ref(), &request), serve);
    assert_eq!(answer.unwrap_err().kind, FailureKind::Malformed);
}

#[tokio::test]
async fn an_endless_answer_is_stopped() {
    let big = format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n", "x".repeat(1024 * 1024));
    let error = fails(vec![ok(""), Do::Endless(big)], Timeouts { call_ms: 120_000, ..QUICK }).await;
    assert_eq!(error.kind, FailureKind::Malformed, "{error:?}");
    assert!(error.message.contains("larger than 16 MiB"), "{error:?}");
}

#[tokio::test]
async fn each_timer_fires_and_keep_alives_stop_none_of_them() {
    let alive = || Do::Endless(": keep-alive\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"\"}}]}\n\n".to_owned());
    let first = Timeouts { first_token_ms: 150, ..QUICK };
    let between = Timeouts { between_tokens_ms: 150, ..QUICK };
    let call = Timeouts { call_ms: 150, ..QUICK };
    let table = [
        (vec![Do::Hold], first, "no token within 150 ms"),
        (vec![ok(""), Do::Hold], first, "no token within 150 ms"),
        (vec![ok(""), alive()], first, "no token within 150 ms"),
        (vec![ok(TEXT), Do::Hold], between, "nothing more for 150 ms"),
        (vec![ok(TEXT), alive()], between, "nothing more for 150 ms"),
        (vec![ok(""), Do::Endless(TEXT.to_owned())], call, "no complete answer within 150 ms"),
    ];
    for (script, timeouts, part) in table {
        let error = fails(script, timeouts).await;
        assert_eq!(error.kind, FailureKind::Timeout, "{error:?}");
        assert!(error.message.contains(part), "{error:?}");
        assert!(error.usage.estimated && error.usage.input > 0, "{error:?}");
    }
}

#[tokio::test]
async fn nobody_there_is_a_network_failure_that_took_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let provider = open_with(&config(ProviderKind::Openai, &url), &QUICK, &[]).unwrap();
    let error = ask(provider.as_ref(), &request()).await.unwrap_err();
    assert_eq!((error.kind, error.usage), (FailureKind::Network, crate::provider::TokenUsage::default()));
    assert!(error.message.contains("can't connect to 127.0.0.1:"), "{error:?}");
}

#[tokio::test]
async fn refusals_carry_status_wait_and_no_key() {
    let echo = format!(
        "{{\"error\":{{\"message\":\"key {KEY} ({}) at https://u:p@x.example/?k=v is\\nwrong\",\"type\":\"t\"}}}}",
        STANDARD.encode(KEY)
    );
    let table = [
        ("401 Unauthorized", "", FailureKind::Auth, None),
        ("403 Forbidden", "", FailureKind::Auth, None),
        ("429 Too Many Requests", "retry-after: 7\r\n", FailureKind::RateLimited, Some(7)),
        ("429 Too Many Requests", "x-ratelimit-reset-tokens: 1m0s\r\n", FailureKind::RateLimited, Some(60)),
        ("503 Service Unavailable", "retry-after: 3\r\nx-ratelimit-reset: 9\r\n", FailureKind::Server, Some(3)),
        ("500 Internal Server Error", "x-ratelimit-reset-tokens: 1m0s\r\n", FailureKind::Server, None),
        ("529 ", "", FailureKind::Server, None),
        ("418 I'm a teapot", "", FailureKind::Rejected, None),
    ];
    for (status, headers, kind, wait) in table {
        let error = fails(whole(status, headers, &echo), QUICK).await;
        assert_eq!((error.kind, error.status), (kind, status[..3].parse().ok()), "{error:?}");
        assert_eq!(error.retry_after, wait.map(Duration::from_secs), "{error:?}");
        assert!(
            !error.message.contains("1234567890") && !error.message.contains("u:p") && !error.message.contains("k=v"),
            "{error:?}"
        );
        assert!(error.message.contains("key *** (***) at https://x.example/ is wrong"), "{error:?}");
    }
}

#[tokio::test]
async fn a_key_never_follows_a_redirect_to_another_place() {
    let other = Server::start(vec![vec![ok(END)]]).await;
    for status in ["302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let error = fails(whole(status, &format!("location: {}/v1?x={KEY}\r\n", other.url()), ""), QUICK).await;
        assert_eq!(error.kind, FailureKind::Rejected);
        assert!(error.message.contains("isn't followed") && !error.message.contains("sk-test"), "{error:?}");
    }
    assert!(other.seen().is_empty());

    let here = Server::start(vec![
        whole("307 Temporary Redirect", "location: /elsewhere\r\n", ""),
        vec![ok(TEXT), Do::Send(END.to_owned())],
    ])
    .await;
    let provider = open_with(&config(ProviderKind::Openai, &here.url()), &QUICK, &[]).unwrap();
    assert_eq!(ask(provider.as_ref(), &request()).await.unwrap().text, "Hello");
    assert!(here.seen()[1].starts_with("POST /elsewhere "), "{}", here.seen()[1]);
}

#[tokio::test]
async fn what_a_server_does_not_take_is_left_out_and_remembered() {
    let refuse = |what: &str| {
        whole("400 Bad Request", "", &format!("{{\"error\":{{\"message\":\"Unsupported parameter: {what}\"}}}}"))
    };
    let answer = vec![ok(TEXT), Do::Send(END.to_owned())];
    let server =
        Server::start(vec![refuse("'max_tokens', use 'max_completion_tokens'"), refuse("'response_format'"), answer])
            .await;
    let clients = Clients::new();
    for _ in 0..2 {
        let config = config(ProviderKind::Openai, &server.url());
        let provider =
            clients.open("acme", &config, &QUICK, &BTreeMap::new(), &|_| Some(Secret::new(KEY.to_owned()))).unwrap();
        ask(provider.as_ref(), &with_schema()).await.unwrap();
    }
    let seen = server.seen();
    assert_eq!(seen.len(), 4, "the second call asks once");
    for request in &seen[2..] {
        assert!(request.contains("max_completion_tokens") && !request.contains("response_format"), "{request}");
    }

    let always = Server::start(vec![refuse("'temperature'")]).await;
    let provider = open_with(&config(ProviderKind::Openai, &always.url()), &QUICK, &[]).unwrap();
    assert_eq!(ask(provider.as_ref(), &request()).await.unwrap_err().kind, FailureKind::Rejected);
    assert_eq!(always.seen().len(), 2);
}

#[tokio::test]
async fn loopback_never_goes_through_a_proxy_and_other_hosts_do() {
    let proxy = Server::start(vec![vec![ok(TEXT), Do::Send(END.to_owned())]]).await;
    let server = Server::start(vec![vec![ok(TEXT), Do::Send(END.to_owned())]]).await;
    let through = proxy.url().replace("http://", "http://me:pass@");
    let network = [("http_proxy", through.as_str()), ("HTTPS_PROXY", through.as_str()), ("NO_PROXY", "direct.example")];
    let provider = open_with(&config(ProviderKind::Openai, &server.url()), &QUICK, &network).unwrap();
    ask(provider.as_ref(), &request()).await.unwrap();
    assert!(proxy.seen().is_empty());
    let provider = open_with(&config(ProviderKind::Openai, "http://model.example"), &QUICK, &network).unwrap();
    ask(provider.as_ref(), &request()).await.unwrap();
    let seen = proxy.seen();
    assert!(seen[0].starts_with("POST http://model.example/chat/completions "), "{}", seen[0]);
    assert!(seen[0].to_ascii_lowercase().contains("proxy-authorization: basic "), "{}", seen[0]);
}

#[test]
fn what_cannot_be_opened_says_why() {
    let none = |config: &ProviderConfig, value: Option<&str>| {
        let secret = value.map(|value| Secret::new(value.to_owned()));
        Clients::new().open("acme", config, &QUICK, &BTreeMap::new(), &|_| secret.clone()).err().unwrap()
    };
    let plain = config(ProviderKind::Openai, "http://127.0.0.1:1");
    for value in [None, Some(""), Some(" \n")] {
        let error = none(&plain, value);
        assert_eq!(error.kind, FailureKind::NoSecret);
        assert_eq!(error.message, "acme: env:KEY has no value");
    }
    let table = [
        (config(ProviderKind::Openai, "ftp://x"), KEY),
        (config(ProviderKind::Openai, "x y"), KEY),
        (plain.clone(), "sk-a\nb-secret"),
        (config(ProviderKind::Recorded, "/nonexistent"), ""),
    ];
    for (config, value) in table {
        let error = none(&config, Some(value));
        assert_eq!(error.kind, FailureKind::Rejected, "{error:?}");
        assert!(!error.message.contains("b-secret"), "{error:?}");
    }
    let far = config(ProviderKind::Openai, "https://model.example");
    for network in [[("SSL_CERT_FILE", "/nonexistent")], [("HTTPS_PROXY", "::")]] {
        let error = open_with(&far, &QUICK, &network).err().unwrap();
        assert_eq!(error.kind, FailureKind::Rejected);
        assert!(error.message.contains(network[0].0), "{error:?}");
    }
}

#[test]
fn clients_are_shared_per_setting() {
    let clients = Clients::new();
    let opened = AtomicUsize::new(0);
    for base in ["http://127.0.0.1:1", "http://127.0.0.1:2", "http://localhost:3"] {
        clients
            .open("a", &config(ProviderKind::Openai, base), &QUICK, &BTreeMap::new(), &|_| {
                opened.fetch_add(1, Ordering::Relaxed);
                Some(Secret::new(KEY.to_owned()))
            })
            .unwrap();
    }
    assert_eq!((clients.clients.lock().unwrap().len(), opened.into_inner()), (1, 3));
}

#[tokio::test]
async fn each_vendors_list_of_models_is_read() {
    let table = [
        (ProviderKind::Openai, "GET /models ", r#"{"object":"list","data":[{"id":"a"},{"id":"b"}]}"#),
        (ProviderKind::Ollama, "GET /api/tags ", r#"{"models":[{"name":"a","size":1},{"name":"b"}]}"#),
        (ProviderKind::Anthropic, "GET /v1/models?limit=1000 ", r#"{"data":[{"id":"a"},{"id":"b"}],"has_more":false}"#),
        (
            ProviderKind::Gemini,
            "GET /v1beta/models?pageSize=1000 ",
            r#"{"models":[{"name":"models/a"},{"name":"models/b","supportedGenerationMethods":["generateContent"]},{"name":"models/c","supportedGenerationMethods":["embedContent"]}]}"#,
        ),
    ];
    for (kind, line, body) in table {
        let server = Server::start(vec![whole("200 OK", "", body)]).await;
        let provider = open_with(&config(kind, &server.url()), &QUICK, &[]).unwrap();
        assert_eq!(provider.models().await.unwrap(), ["a", "b"]);
        assert!(server.seen()[0].starts_with(line), "{}", server.seen()[0]);
    }
    let server = Server::start(vec![whole("200 OK", "", "<html>")]).await;
    let provider = open_with(&config(ProviderKind::Openai, &server.url()), &QUICK, &[]).unwrap();
    assert_eq!(provider.models().await.unwrap_err().kind, FailureKind::Malformed);
}
