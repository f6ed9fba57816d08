//! The way of a fetch is that of the dial: the same proxies, the same trust.

use std::sync::Arc;

use heartwire_core::dialect::Answer;
use heartwire_core::settings::{Proxy, ProxyAddress, TlsSettings};
use heartwire_engine::dial::DialRequest;
use heartwire_engine::fetch::{Event, Fetching};
use heartwire_engine::tls::TlsConfig;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::pki::Authority;
use crate::rig::{accept_tcp, listener, request};
use crate::{OK, breaks, dial, field, get, next, parts};

/// A fetch from a server that only the proxy can find.
fn through(proxy: &str) -> Fetching {
    let socket = DialRequest {
        proxy: Proxy::Through(ProxyAddress::parse(proxy).unwrap()),
        ..dial("ws://me:secret@crm.example:8080/ws")
    };
    Fetching::new(&socket, get("http://crm.example:8080/log", Answer::Lines), 1)
}

async fn read(stream: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await.unwrap();
    bytes
}

/// Plays the server behind a proxy.
async fn serve(mut stream: TcpStream) -> TcpStream {
    let asked = request(&mut stream).await;
    assert!(asked.starts_with("GET /log HTTP/1.1\r\n"), "{asked}");
    assert_eq!(field(&asked, "host"), Some("crm.example:8080"));
    assert_eq!(field(&asked, "authorization"), Some("Basic bWU6c2VjcmV0"));
    stream.write_all(format!("{OK}Content-Length: 4\r\n\r\na\nb\n").as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn an_http_proxy_is_asked_for_a_tunnel() {
    let (listener, port) = listener().await;
    let mut fetching = through(&format!("http://127.0.0.1:{port}"));
    let serving = async {
        let mut stream = accept_tcp(&listener).await;
        let asked = request(&mut stream).await;
        assert!(asked.starts_with("CONNECT crm.example:8080 HTTP/1.1\r\n"), "{asked}");
        stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
        serve(stream).await
    };
    assert_eq!(tokio::join!(parts(&mut fetching), serving).0, ["a", "b"]);
}

#[tokio::test]
async fn a_socks_proxy_is_told_the_name() {
    let (listener, port) = listener().await;
    let mut fetching = through(&format!("socks5h://127.0.0.1:{port}"));
    let serving = async {
        let mut stream = accept_tcp(&listener).await;
        assert_eq!(read(&mut stream, 3).await, [5, 1, 0]);
        stream.write_all(&[5, 0]).await.unwrap();
        let wanted = [&[5, 1, 0, 3, 11][..], b"crm.example", &8080_u16.to_be_bytes()].concat();
        assert_eq!(read(&mut stream, wanted.len()).await, wanted);
        stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
        serve(stream).await
    };
    assert_eq!(tokio::join!(parts(&mut fetching), serving).0, ["a", "b"]);
}

#[tokio::test]
async fn a_failure_behind_a_proxy_names_it() {
    let (listener, port) = listener().await;
    let mut fetching = through(&format!("http://127.0.0.1:{port}"));
    let serving = async {
        let mut stream = accept_tcp(&listener).await;
        request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n").await.unwrap();
    };
    let ((_, code, text), ()) = tokio::join!(breaks(&mut fetching), serving);
    let words = format!(
        "the server answered the request for messages with 502 Bad Gateway (through the proxy http://127.0.0.1:{port})"
    );
    assert_eq!((code.as_str(), text), ("http-502", words));
}

/// Fetches over TLS from a server with a certificate of this authority for these names.
async fn secured(authority: &Authority, names: &[&str], trust: TlsSettings) -> Event {
    let (listener, port) = listener().await;
    let acceptor = TlsAcceptor::from(Arc::new(authority.server_config(names)));
    tokio::spawn(async move {
        let Ok(mut stream) = acceptor.accept(accept_tcp(&listener).await).await else { return };
        let mut asked = [0; 1024];
        let length = stream.read(&mut asked).await.unwrap();
        assert!(asked[..length].starts_with(b"GET /log HTTP/1.1\r\n"));
        stream.write_all(format!("{OK}Content-Length: 2\r\n\r\na\n").as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
    });
    let socket = DialRequest { tls: TlsConfig::of(trust), ..dial(&format!("wss://localhost:{port}/ws")) };
    let fetch = get(&format!("https://localhost:{port}/log"), Answer::Lines);
    next(&mut Fetching::new(&socket, fetch, 1)).await
}

#[tokio::test]
async fn the_persons_own_trust_counts_for_a_fetch_too() {
    let (authority, folder) = (Authority::new("ours"), TempDir::new().unwrap());
    let trust = authority.trusted_in(&folder);
    assert_eq!(secured(&authority, &["localhost"], trust.clone()).await, Event::Part("a".to_owned()));
    let check =
        async |authority: &Authority, names: &[&str], words: &str| match secured(authority, names, trust.clone()).await
        {
            Event::Broken(cause) => assert_eq!((cause.code.to_string().as_str(), cause.text.as_str()), ("tls", words)),
            other => panic!("{other:?}"),
        };
    check(&authority, &["elsewhere"], "the server's certificate is for another name").await;
    let stranger = "the server's certificate is from an authority that this computer does not trust";
    check(&Authority::new("theirs"), &["localhost"], stranger).await;
}
