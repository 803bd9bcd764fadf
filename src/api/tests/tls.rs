//! TLS: both versions of HTTP, a certificate that is replaced, and who speaks something else.

use std::{path::Path, sync::Arc};

use hyper::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use serde_json::json;
use tern_api::Tls;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::support::{
    ask,
    live::{Live, read_until},
};

fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/tls").join(name)
}

/// A connection of a client that trusts the certificate and speaks one version of HTTP.
async fn connect(live: &Live, version: &str) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(fixture("cert.pem")).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![version.as_bytes().to_vec()];
    let socket = TcpStream::connect(live.address).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), socket).await
}

async fn start() -> Live {
    let tls = Tls::load(&fixture("cert.pem"), &fixture("key.pem")).unwrap();
    Live::with_tls(Arc::new(tls)).await
}

#[tokio::test]
async fn http_1_1_is_spoken_over_tls() {
    let live = start().await;
    let mut stream = connect(&live, "http/1.1").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    stream.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"status\":\"ok\""), "{answer}");
    drop(stream);
    live.shut_down().await;
}

#[tokio::test]
async fn http_2_is_spoken_where_the_client_can() {
    let live = start().await;
    let stream = connect(&live, "h2").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.unwrap();
    let connection = tokio::spawn(connection);
    let ask = |body: String| {
        let uri = "https://localhost/v1/chat/completions";
        Request::post(uri).header("content-type", "application/json").body(body).unwrap()
    };
    // Two at once on one connection.
    let (one, two) = (ask(ask_echo("one")), ask(ask_echo("two")));
    let one = sender.send_request(one);
    let two = sender.send_request(two);
    let (one, two) = (one.await.unwrap(), two.await.unwrap());
    assert_eq!((one.status().as_u16(), two.status().as_u16()), (200, 200));
    drop((sender, one, two));
    let _ = connection.await;
    live.shut_down().await;
}

fn ask_echo(text: &str) -> String {
    ask("echo", text).to_string()
}

#[tokio::test]
async fn plain_http_gets_no_answer_and_stops_nobody() {
    let live = start().await;
    let mut plain = TcpStream::connect(live.address).await.unwrap();
    plain.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    // One that never shakes hands does not hold the others up.
    let silent = TcpStream::connect(live.address).await.unwrap();
    let mut stream = connect(&live, "http/1.1").await.unwrap();
    stream.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    drop(silent);
}

#[tokio::test]
async fn a_new_certificate_is_for_new_connections() {
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    std::fs::copy(fixture("cert.pem"), &certificate).unwrap();
    std::fs::copy(fixture("key.pem"), &key).unwrap();
    let tls = Arc::new(Tls::load(&certificate, &key).unwrap());
    let live = Live::with_tls(tls.clone()).await;
    connect(&live, "http/1.1").await.unwrap();
    // One whose file is broken is not taken; the old one stays.
    std::fs::write(&key, "nothing").unwrap();
    assert!(tls.reload().unwrap_err().to_string().contains("key.pem"));
    connect(&live, "http/1.1").await.unwrap();
    std::fs::copy(fixture("key.pem"), &key).unwrap();
    tls.reload().unwrap();
    connect(&live, "http/1.1").await.unwrap();
}

#[tokio::test]
async fn a_stream_over_tls_is_cancelled_with_its_connection() {
    let live = start().await;
    let mut stream = connect(&live, "http/1.1").await.unwrap();
    let body = crate::support::with(ask("echo-long", "go on"), json!({"stream": true})).to_string();
    let head =
        format!("POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all((head + &body).as_bytes()).await.unwrap();
    read_until(&mut stream, " the").await;
    drop(stream);
    let registry = live.registry.clone();
    crate::support::until("it is cancelled", move || crate::support::stats(&registry, "echo-long").cancelled == 1)
        .await;
}
