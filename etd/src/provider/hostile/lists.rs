//! Lists of models that lie.

use super::super::FailureKind;
use super::*;

async fn models(kind: ProviderKind, body: Vec<u8>) -> Result<Vec<String>, ProviderError> {
    let body = Arc::new(body);
    let server = Server::start(move |_, mut peer| {
        let body = Arc::clone(&body);
        async move {
            peer.send("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").await?;
            peer.send(body.as_slice()).await
        }
    })
    .await;
    let provider = open(kind, &server.url(), &PATIENT, &[]);
    tokio::time::timeout(HANG, provider.models()).await.expect("it hangs")
}

#[tokio::test]
async fn only_names_that_can_be_names_are_taken() {
    let hostile = ["", "\u{1b}]0;owned\u{7}", "a\nb", "a\u{202e}b", "\0", &"x".repeat(1000)];
    let list: Vec<_> =
        hostile.iter().chain(&["honest:7b"]).map(|id| serde_json::json!({"id": id, "name": id})).collect();
    let odd = serde_json::json!([1, null, "text", {"id": 7, "name": {}}, [], {"id": ["a"]}]);
    let list: Vec<_> = list.into_iter().chain(odd.as_array().unwrap().clone()).collect();
    for kind in KINDS {
        let body = serde_json::json!({"data": list, "models": list}).to_string();
        assert_eq!(models(kind, body.into_bytes()).await.unwrap(), ["honest:7b"], "{kind:?}");
    }
}

#[tokio::test]
async fn a_list_has_an_end() {
    let many = format!("{{\"data\":[{}{{\"id\":\"z\"}}]}}", "{\"id\":\"a\"},".repeat(20_000));
    assert_eq!(models(ProviderKind::Openai, many.into_bytes()).await.unwrap().len(), 5_000);
    for body in [
        // Half a gigabyte in memory.
        format!("{{\"data\":[{}0]}}", "0,".repeat(7 * 1024 * 1024)).into_bytes(),
        vec![b' '; 17 * 1024 * 1024],
        b"{\"data\":{\"id\":\"a\"}}".to_vec(),
        b"[".repeat(100_000),
        b"\xff\xfe".to_vec(),
        Vec::new(),
    ] {
        let error = models(ProviderKind::Openai, body).await.unwrap_err();
        assert_eq!(error.kind, FailureKind::Malformed, "{error:?}");
        is_clean(&error);
    }
}
