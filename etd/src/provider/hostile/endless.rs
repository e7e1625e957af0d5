//! What has no end: bodies, lines, events, heads, refusals, redirects.

use super::super::FailureKind;
use super::super::frames::MAX_EVENT;
use super::super::wire::MAX_ANSWER;
use super::*;

/// More than is ever taken of one answer: what is kept, and what lies in buffers of the kernel and of the client.
const MOST: u64 = (MAX_ANSWER + MAX_EVENT) as u64 + 24 * 1024 * 1024;

/// One piece of text in each format.
fn piece(kind: ProviderKind, text: &str) -> String {
    match kind {
        ProviderKind::Anthropic => format!(
            "data: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"{text}\"}}}}\n\n"
        ),
        ProviderKind::Gemini => {
            format!("data: {{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":\"{text}\"}}]}}}}]}}\n\n")
        }
        ProviderKind::Ollama => format!("{{\"message\":{{\"content\":\"{text}\"}},\"done\":false}}\n"),
        ProviderKind::Openai | ProviderKind::Recorded => {
            format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n")
        }
    }
}

/// Asks a server that sends `head` and then `bytes` for ever; the error, and how much it took.
async fn flood(kind: ProviderKind, timeouts: Timeouts, head: String, bytes: Vec<u8>) -> (ProviderError, u64) {
    let bytes = Arc::new(bytes);
    let server = Server::start(move |_, mut peer| {
        let (head, bytes) = (head.clone(), Arc::clone(&bytes));
        async move {
            peer.send(head).await?;
            peer.endless(bytes.as_slice()).await
        }
    })
    .await;
    let error = ask(open(kind, &server.url(), &timeouts, &[]).as_ref()).await.unwrap_err();
    is_clean(&error);
    // It is hung up on.
    tokio::time::timeout(HANG, server.ended.notified()).await.expect("the connection is closed");
    (error, server.taken.load(Ordering::Relaxed))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_without_an_end_is_given_up_in_every_format() {
    for kind in KINDS {
        let (error, taken) = flood(kind, PATIENT, good(kind), piece(kind, &"x".repeat(60_000)).into_bytes()).await;
        assert_eq!(error.kind, FailureKind::Malformed, "{kind:?} {error:?}");
        assert!(error.message.contains("larger than 16 MiB") && taken < MOST, "{kind:?} {taken} {error:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_without_an_end_is_given_up() {
    let openai = || good(ProviderKind::Openai);
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n20000000\r\n".to_owned();
    let long = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", i64::MAX);
    let lines = format!("data: {}\n", "x".repeat(1000));
    let table: Vec<(&str, ProviderKind, String, &[u8])> = vec![
        ("a line", ProviderKind::Openai, openai() + "data: {\"choices\":[{\"delta\":{\"content\":\"", b"x"),
        ("a line of JSON", ProviderKind::Ollama, good(ProviderKind::Ollama) + "{\"message\":{\"content\":\"", b"x"),
        ("a body of JSON", ProviderKind::Openai, openai() + "{\"choices\":[{\"message\":{\"content\":\"", b"\\n"),
        ("nests", ProviderKind::Gemini, openai(), b"[{\"a\":"),
        ("lines of one event", ProviderKind::Anthropic, openai(), lines.as_bytes()),
        ("a chunk of half a gigabyte", ProviderKind::Openai, chunked + "data: ", b"x"),
        ("a body of all there is", ProviderKind::Openai, long + "data: ", b"x"),
        ("zeros", ProviderKind::Openai, openai(), b"\0"),
    ];
    for (name, kind, head, bytes) in table {
        let (error, taken) = flood(kind, PATIENT, head, bytes.to_vec()).await;
        assert_eq!(error.kind, FailureKind::Malformed, "{name} {error:?}");
        assert!(error.message.contains("larger than any answer") && taken < MOST, "{name} {taken} {error:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_says_nothing_for_ever_meets_the_timer() {
    let quick = Timeouts { first_token_ms: 300, ..PATIENT };
    let ok = || good(ProviderKind::Openai);
    let table: Vec<(&str, String, Vec<u8>)> = vec![
        ("interim answers", String::new(), b"HTTP/1.1 100 Continue\r\n\r\n".to_vec()),
        ("early hints", String::new(), b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n".to_vec()),
        ("empty events", ok(), b"data:\n\n".to_vec()),
        ("comments", ok(), b":\n".to_vec()),
        ("white space", ok(), b" \r\n".to_vec()),
        ("other events", ok(), b"event: ping\nid: 7\n\n".to_vec()),
        ("empty chunks of text", ok(), piece(ProviderKind::Openai, "").into_bytes()),
        ("commas of an array", ok() + "[", b",".to_vec()),
    ];
    for (name, head, bytes) in table {
        let (error, _) = flood(ProviderKind::Openai, quick, head, bytes).await;
        assert_eq!(error.kind, FailureKind::Timeout, "{name} {error:?}");
        assert!(error.message.contains("no token within 300 ms"), "{name} {error:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_without_an_end_is_given_up() {
    let table: [(&str, &str, &[u8]); 4] = [
        ("headers", "HTTP/1.1 200 OK\r\n", b"x-a: b\r\n"),
        ("a header", "HTTP/1.1 200 OK\r\nx-a: ", b"b"),
        ("a status line", "HTTP/1.1 200 ", b"O"),
        ("an extension of a chunk", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;a=", b"b"),
    ];
    for (name, head, bytes) in table {
        let (error, taken) = flood(ProviderKind::Openai, PATIENT, head.to_owned(), bytes.to_vec()).await;
        assert_eq!(error.kind, FailureKind::Network, "{name} {error:?}");
        assert!(taken < MOST, "{name} {taken}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_without_an_end_is_read_in_part() {
    for (status, kind) in [
        ("400 Bad Request", FailureKind::Rejected),
        ("401 Unauthorized", FailureKind::Auth),
        ("429 Too Many Requests", FailureKind::RateLimited),
        ("500 Internal Server Error", FailureKind::Server),
        ("302 Found", FailureKind::Rejected),
    ] {
        for bytes in [&b"<p>no</p>"[..], b"[", b"\xff\x00\x1b[31m", KEY.as_bytes()] {
            let (error, taken) =
                flood(ProviderKind::Openai, PATIENT, format!("HTTP/1.1 {status}\r\n\r\n"), bytes.to_vec()).await;
            assert_eq!(error.kind, kind, "{status} {error:?}");
            assert!(taken < 24 * 1024 * 1024, "{status} {taken}");
        }
    }
}

#[tokio::test]
async fn a_refusal_or_a_list_that_drips_is_not_waited_for() {
    let drip = async |head: &'static str| {
        Server::start(move |_, mut peer| async move {
            peer.send(head).await?;
            loop {
                peer.send("x").await?;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await
    };
    let server = drip("HTTP/1.1 500 Internal Server Error\r\n\r\n").await;
    let call = Timeouts { call_ms: 300, ..PATIENT };
    let error = ask(open(ProviderKind::Openai, &server.url(), &call, &[]).as_ref()).await.unwrap_err();
    assert_eq!(error.kind, FailureKind::Server, "{error:?}");
    let server = drip("HTTP/1.1 200 OK\r\n\r\n{\"data\":[\"").await;
    let first = Timeouts { first_token_ms: 300, ..PATIENT };
    let provider = open(ProviderKind::Openai, &server.url(), &first, &[]);
    let error = tokio::time::timeout(HANG, provider.models()).await.unwrap().unwrap_err();
    assert_eq!(error.kind, FailureKind::Timeout, "{error:?}");
    is_clean(&error);
}

#[tokio::test]
async fn redirects_lead_nowhere_else_and_end() {
    let there = Server::start(|_, mut peer| async move { peer.send(good(ProviderKind::Openai)).await }).await;
    let elsewhere = there.url();
    let same = |location: String| async move {
        let server = Server::start(move |_, mut peer| {
            let location = location.replace("HERE", &peer.stream.local_addr().unwrap().to_string());
            async move {
                let head = format!("HTTP/1.1 307 Temporary Redirect\r\nlocation: {location}\r\n");
                peer.send(head + "content-length: 0\r\nconnection: close\r\n\r\n").await
            }
        })
        .await;
        let error = ask(open(ProviderKind::Openai, &server.url(), &PATIENT, &[]).as_ref()).await.unwrap_err();
        is_clean(&error);
        assert_eq!(error.kind, FailureKind::Rejected, "{error:?}");
        (server.seen.lock().unwrap().len(), error)
    };
    for location in [
        "file:///etc/passwd".to_owned(),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "https://HERE/v1".to_owned(),
        "ftp://HERE/".to_owned(),
        "data:text/plain,x".to_owned(),
        "unix:/run/x".to_owned(),
        "gopher://x".to_owned(),
        "http://[::1".to_owned(),
        format!("{elsewhere}/v1?key={KEY}"),
        format!("//{}/v1", elsewhere.trim_start_matches("http://")),
        format!("http://HERE@{}/", elsewhere.trim_start_matches("http://")),
        "http://".to_owned(),
        String::new(),
    ] {
        let (asked, _) = same(location.clone()).await;
        assert!(asked <= 6, "{location} {asked}");
        if !location.is_empty() {
            assert_eq!(asked, 1, "{location}");
        }
    }
    assert!(there.seen.lock().unwrap().is_empty());
    // To itself: followed a few times, then told.
    for location in ["/v1", "http://user:password@HERE/again", "?a"] {
        let (asked, error) = same(location.to_owned()).await;
        assert_eq!(asked, 6, "{location}");
        assert!(!error.message.contains("password"), "{error:?}");
    }
}
