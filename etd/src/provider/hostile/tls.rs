//! TLS that doesn't come about.

use std::io::{Read as _, Write as _};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::super::FailureKind;
use super::*;

/// The key of all these certificates. It is no secret: nobody trusts what it signs but these tests.
const SERVER_KEY: &[u8] = include_bytes!("tls/server.key.der");

/// A TLS server with this certificate that answers each request well. Returns its port; it ends with the test.
fn serve(certificate: &'static [u8]) -> u16 {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let chain = vec![CertificateDer::from_pem_slice(certificate).unwrap()];
    let key = PrivateKeyDer::try_from(SERVER_KEY).unwrap();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    let config = Arc::new(config);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // A thread that only waits for connections; the end of the process is its own.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut tls = StreamOwned::new(connection, stream.unwrap());
            let mut request = Vec::new();
            let mut buffer = [0; 4096];
            while !request.ends_with(b"\"stream\":true}") && !request.windows(4).any(|end| end == b"}}\r\n") {
                match tls.read(&mut buffer) {
                    Ok(count) if count > 0 => request.extend_from_slice(&buffer[..count]),
                    _ => break,
                }
                if request.ends_with(b"}") {
                    break;
                }
            }
            let body =
                "data: {\"choices\":[{\"delta\":{\"content\":\"hi\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            let _ = tls.write_all((head + body).as_bytes());
            let _ = tls.flush();
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_trouble_with_a_certificate_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let authority = dir.path().join("authority.pem");
    std::fs::write(&authority, include_bytes!("tls/authority.pem")).unwrap();
    let authority = authority.to_str().unwrap();
    let trusting = [("SSL_CERT_FILE", authority)];
    /// Certificate of the server, settings of the network; a part of the text.
    type Case<'a> = (&'static [u8], &'a [(&'a str, &'a str)], &'a str);
    let table: [Case<'_>; 5] = [
        (
            include_bytes!("tls/good.pem"),
            &[],
            "isn't signed by an authority that is trusted here; if it is one of your own, set SSL_CERT_FILE",
        ),
        (include_bytes!("tls/selfsigned.pem"), &trusting, "isn't signed by an authority that is trusted"),
        (include_bytes!("tls/selfsigned-ca.pem"), &trusting, "one that signs itself has to be replaced"),
        (
            include_bytes!("tls/expired.pem"),
            &trusting,
            "has expired; it has to be renewed, or this machine's clock is wrong",
        ),
        (include_bytes!("tls/elsewhere.pem"), &trusting, "is for another name; is the host in base_url right?"),
    ];
    for (certificate, network, part) in table {
        let url = format!("https://localhost:{}", serve(certificate));
        let error = ask(open(ProviderKind::Openai, &url, &PATIENT, network).as_ref()).await.unwrap_err();
        is_clean(&error);
        // Nobody asks a second time, and nothing was paid for.
        assert_eq!((error.kind, error.usage.input), (FailureKind::Rejected, 0), "{error:?}");
        assert!(error.message.contains(part) && error.message.contains("localhost:"), "{error:?}");
    }
    let url = format!("https://localhost:{}", serve(include_bytes!("tls/good.pem")));
    let answer = ask(open(ProviderKind::Openai, &url, &PATIENT, &trusting).as_ref()).await.unwrap();
    assert_eq!(answer.text, "hi");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_wrong_scheme_says_which_is_right() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n").await;
        }
    });
    let url = format!("https://127.0.0.1:{port}");
    let error = ask(open(ProviderKind::Openai, &url, &PATIENT, &[]).as_ref()).await.unwrap_err();
    assert_eq!(error.kind, FailureKind::Rejected, "{error:?}");
    assert!(error.message.contains("should base_url begin with http:// instead?"), "{error:?}");

    let url = format!("http://localhost:{}", serve(include_bytes!("tls/good.pem")));
    let error = ask(open(ProviderKind::Openai, &url, &PATIENT, &[]).as_ref()).await.unwrap_err();
    assert_eq!(error.kind, FailureKind::Network, "{error:?}");
    assert!(error.message.contains("should base_url begin with https:// instead?"), "{error:?}");
}
