//! Small answers, cut at every byte; and bytes that are no text.

use super::super::FailureKind;
use super::*;

const TEXT: &str = "Hello, wörld";

/// A whole answer with [`TEXT`] in it, in each format.
fn body(kind: ProviderKind) -> String {
    match kind {
        ProviderKind::Anthropic => concat!(
            "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":9}}}\n\n",
            "data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"Hello, \"}}\n\n",
            "data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"wörld\"}}\n\n",
            "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":3}}\n\n",
            "data: {\"type\":\"message_stop\"}\n\n",
        ),
        ProviderKind::Gemini => concat!(
            "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Hello, \"}]}}]}\r\n\r\n",
            "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"wörld\"}]},\"finishReason\":\"STOP\"}],",
            "\"usageMetadata\":{\"promptTokenCount\":9,\"candidatesTokenCount\":3}}\r\n\r\n",
        ),
        ProviderKind::Ollama => concat!(
            "{\"message\":{\"content\":\"Hello, \"},\"done\":false}\n",
            "{\"message\":{\"content\":\"wörld\"},\"done\":false}\n",
            "{\"message\":{\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\",\"eval_count\":3}\n",
        ),
        ProviderKind::Openai | ProviderKind::Recorded => concat!(
            "data: {\"choices\":[{\"delta\":{\"content\":\"Hello, \"}}]}\n\n",
            "data: {\"choices\":[{\"delta\":{\"content\":\"wörld\"}}]}\n\n",
            "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
            "data: [DONE]\n\n",
        ),
    }
    .to_owned()
}

/// The bytes of a whole answer: in chunks, with a length, or up to the end of the connection.
fn whole(kind: ProviderKind, form: usize) -> Vec<u8> {
    let body = body(kind);
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {}\r\n", content_type(kind));
    match form {
        0 => {
            let chunks: String =
                body.split_inclusive('\n').map(|part| format!("{:x}\r\n{part}\r\n", part.len())).collect();
            format!("{head}transfer-encoding: chunked\r\n\r\n{chunks}0\r\n\r\n")
        }
        1 => format!("{head}content-length: {}\r\n\r\n{body}", body.len()),
        _ => format!("{head}\r\n{body}"),
    }
    .into_bytes()
}

/// Whatever is missing, the answer is whole or there is none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_cut_at_any_byte_is_whole_or_none() {
    let mut tasks = Vec::new();
    for kind in KINDS {
        for form in 0..3 {
            tasks.push(tokio::spawn(async move {
                let bytes = Arc::new(whole(kind, form));
                let length = bytes.len();
                let server = Server::start(move |number, mut peer| {
                    let bytes = Arc::clone(&bytes);
                    async move {
                        peer.send(&bytes[..number.min(bytes.len())]).await?;
                        if number % 2 == 0 {
                            // A reset instead of an end.
                            peer.stream.set_zero_linger()?;
                        }
                        Ok(())
                    }
                })
                .await;
                let provider = open(kind, &server.url(), &PATIENT, &[]);
                let mut good = 0;
                for at in 0..=length {
                    match ask(provider.as_ref()).await {
                        Ok(answer) => {
                            assert_eq!(answer.text, TEXT, "{kind:?} {form} cut at {at} of {length}");
                            good += 1;
                        }
                        Err(error) => {
                            is_clean(&error);
                            let kinds = [FailureKind::Network, FailureKind::Malformed];
                            assert!(kinds.contains(&error.kind), "{kind:?} {form} cut at {at} of {length}: {error:?}");
                        }
                    }
                }
                // The last one had it all.
                assert!(good >= 1 && good < length / 2, "{kind:?} {form} {good}");
            }));
        }
    }
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_are_told_for_what_they_are() {
    let zip = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xed\xc1\x01\x0d\x00\x00\x00\xc2\xa0\xf7Om\x0e7\xa0";
    let gzip = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\nconnection: close\r\n\r\n";
    let refused = "HTTP/1.1 503 Service Unavailable\r\ncontent-encoding: br\r\nconnection: close\r\n\r\n";
    let table: [(&str, String, &[u8], FailureKind, &str); 6] = [
        (
            "a compressed body",
            gzip.to_owned(),
            zip,
            FailureKind::Malformed,
            "Content-Encoding gzip, which wasn't asked for",
        ),
        ("one that doesn't say so", good(ProviderKind::Openai), zip, FailureKind::Malformed, "isn't UTF-8"),
        ("a compressed refusal", refused.to_owned(), zip, FailureKind::Server, "HTTP 503: Service Unavailable"),
        (
            "no UTF-8",
            good(ProviderKind::Openai),
            b"data: {\"a\":\"\xc3\x28\"}\n\n",
            FailureKind::Malformed,
            "isn't UTF-8",
        ),
        (
            "no UTF-8 in a refusal",
            String::new(),
            b"HTTP/1.1 400 Bad Request\r\nx-a: \xc3\x28\r\nlocation: \xff\r\nconnection: close\r\n\r\n\xff\xfe no",
            FailureKind::Rejected,
            "no",
        ),
        (
            "no HTTP",
            String::new(),
            b"SSH-2.0-OpenSSH_9.9\r\n",
            FailureKind::Network,
            "should base_url begin with https:// instead?",
        ),
    ];
    for (name, head, bytes, kind, part) in table {
        let server = Server::start(move |_, mut peer| {
            let head = head.clone();
            async move {
                peer.send(head).await?;
                peer.send(bytes).await
            }
        })
        .await;
        let error = ask(open(ProviderKind::Openai, &server.url(), &PATIENT, &[]).as_ref()).await.unwrap_err();
        is_clean(&error);
        assert_eq!(error.kind, kind, "{name} {error:?}");
        assert!(error.message.contains(part), "{name} {error:?}");
    }
    // Nothing asks for it, either.
    let server = Server::start(|_, mut peer| async move { peer.send(whole(ProviderKind::Openai, 1)).await }).await;
    ask(open(ProviderKind::Openai, &server.url(), &PATIENT, &[]).as_ref()).await.unwrap();
    assert!(!server.seen.lock().unwrap()[0].to_ascii_lowercase().contains("accept-encoding"));
}

#[tokio::test]
async fn an_event_of_many_values_is_given_up_before_it_is_taken_apart() {
    // In memory this would be half a gigabyte.
    let crowd = format!("{{\"choices\":[{}0]}}", "0,".repeat(7 * 1024 * 1024));
    let text = format!("data: {crowd}\n\n");
    let server = Server::start(move |_, mut peer| {
        let text = text.clone();
        async move {
            peer.send(good(ProviderKind::Openai)).await?;
            peer.send(text).await
        }
    })
    .await;
    let error = ask(open(ProviderKind::Openai, &server.url(), &PATIENT, &[]).as_ref()).await.unwrap_err();
    assert_eq!(error.kind, FailureKind::Malformed, "{error:?}");
    assert!(error.message.contains("more parts than any answer"), "{error:?}");
    // A long text is no crowd, whatever is in it.
    let long = format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n", "[,{\\\",".repeat(100_000));
    let server = Server::start(move |_, mut peer| {
        let text = long.clone() + "data: {\"choices\":[{\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
        async move {
            peer.send(good(ProviderKind::Openai)).await?;
            peer.send(text).await
        }
    })
    .await;
    let answer = ask(open(ProviderKind::Openai, &server.url(), &PATIENT, &[]).as_ref()).await.unwrap();
    assert_eq!(answer.text.len(), 500_000);
}
