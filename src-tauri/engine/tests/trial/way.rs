//! Steps that fail before there is a socket.

use std::sync::Arc;

use heartwire_core::trial::Step;
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::pki::{Authority, shown, tls_server, written};
use crate::rig::{accept_tcp, listener, request};
use crate::{connection, fails, step, walk, words};

/// Answers each upgrade request with this head, until it is dropped.
async fn answers(head: &'static str) -> u16 {
    let (listener, port) = listener().await;
    tokio::spawn(async move {
        loop {
            let mut stream = accept_tcp(&listener).await;
            request(&mut stream).await;
            stream.write_all(format!("HTTP/1.1 {head}\r\nContent-Length: 0\r\n\r\n").as_bytes()).await.unwrap();
        }
    });
    port
}

#[tokio::test]
async fn a_secret_that_is_not_there() {
    let keys = json!({
        "url": "ws://127.0.0.1:9/",
        "auth": { "kind": "token", "secret": { "command": ["sh", "-c", "echo hunter2; exit 1"] } },
    });
    fails(keys, &[], Step::Secret, "unauthorized", "the command", "heartwire secret").await;
}

#[tokio::test]
async fn a_name_that_nobody_knows() {
    // Where no name server answers at all, the deadline is what ends it.
    let keys = json!({ "url": "ws://no-such-host.invalid/" });
    let steps = walk(connection(keys)).await;
    assert_eq!(words(&steps), ["(secret)", "proxy", "dns FAILED"]);
    let advice = steps.last().unwrap().advice.clone().unwrap();
    assert!(advice.contains("spelt right") || advice.contains("Connect this computer"), "{advice}");
}

#[tokio::test]
async fn a_port_that_nobody_listens_at() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let keys = json!({ "url": format!("ws://127.0.0.1:{port}/") });
    fails(keys, &["(secret)", "proxy", "dns"], Step::Tcp, "refused", "nobody listens at", "port").await;
}

#[tokio::test]
async fn a_proxy_that_is_not_there_and_one_that_does_not_want() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let through = |port: u16| json!({ "url": "ws://crm.example/", "proxy": { "url": format!("http://me:hunter2@127.0.0.1:{port}") } });
    fails(through(closed), &["(secret)", "proxy", "dns"], Step::Tcp, "proxy", "cannot be reached", "proxy.url").await;
    let port = answers("403 Forbidden").await;
    let before = ["(secret)", "proxy", "dns", "tcp"];
    fails(through(port), &before, Step::Tunnel, "proxy", "does not allow crm.example:80", "proxy.url").await;
}

#[tokio::test]
async fn a_certificate_for_another_name_and_a_port_without_tls() {
    let (authority, folder) = (Authority::new("ours"), TempDir::new().unwrap());
    let ca_file = shown(&written(folder.path(), "ca.pem", &authority.pem()));
    let (listener, port) = listener().await;
    tls_server(listener, authority.server_config(&["elsewhere"]));
    let keys = |port: u16| json!({ "url": format!("wss://localhost:{port}/"), "tls": { "ca_file": ca_file } });
    let before = ["(secret)", "proxy", "dns", "tcp"];
    fails(keys(port), &before, Step::Tls, "tls", "for another name", "tls.ca_file").await;
    let plain = answers("400 Bad Request").await;
    let steps = walk(connection(json!({ "url": format!("ws://localhost:{plain}/") }))).await;
    assert_eq!(words(&steps), ["(secret)", "proxy", "dns", "tcp", "(tls)", "upgrade FAILED"]);
    let (listener, plain) = crate::rig::listener().await;
    tokio::spawn(async move {
        let mut stream = accept_tcp(&listener).await;
        let _ = stream.read(&mut [0; 16]).await;
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    });
    fails(keys(plain), &before, Step::Tls, "tls", "does not speak TLS", "tls.ca_file").await;
}

#[tokio::test]
async fn upgrades_that_are_not_granted() {
    let before = ["(secret)", "proxy", "dns", "tcp", "(tls)"];
    for (head, code, part, advice) in [
        ("401 Unauthorized", "unauthorized", "refused the credentials (401", "token or password"),
        ("404 Not Found", "http-404", "404 Not Found", "path"),
        ("200 OK", "http-200", "200 OK", "ws or wss"),
        ("503 Service Unavailable", "http-503", "503", "log of the server"),
        ("302 Found\r\nLocation: ws://elsewhere.example/", "http-302", "elsewhere.example", "redirects"),
    ] {
        let keys = json!({ "url": format!("ws://127.0.0.1:{}/", answers(head).await) });
        fails(keys, &before, Step::Upgrade, code, part, advice).await;
    }
}

/// A redirect to wss, a certificate, a secret and a subprotocol: everything that there is to be told.
#[tokio::test]
async fn what_is_found_on_the_way_is_told() {
    let (authority, folder) = (Authority::new("ours"), TempDir::new().unwrap());
    let ca_file = shown(&written(folder.path(), "ca.pem", &authority.pem()));
    let acceptor = TlsAcceptor::from(Arc::new(authority.server_config(&["localhost", "crm.example"])));
    let (tls, tls_port) = listener().await;
    let (plain, port) = listener().await;
    let serving = tokio::spawn(async move {
        let mut stream = accept_tcp(&plain).await;
        request(&mut stream).await;
        let head = format!("HTTP/1.1 301 Moved\r\nLocation: https://localhost:{tls_port}/ws\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut stream = acceptor.accept(accept_tcp(&tls).await).await.unwrap();
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") {
            asked.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n").await.unwrap();
        String::from_utf8(asked).unwrap()
    });
    let keys = json!({
        "url": format!("ws://localhost:{port}/"),
        "tls": { "ca_file": ca_file },
        "auth": { "kind": "token", "secret": { "command": ["echo", "hunter2"] } },
    });
    let steps = walk(connection(keys)).await;
    assert!(serving.await.unwrap().to_lowercase().contains("authorization: bearer hunter2"));
    let wanted = ["secret", "proxy", "dns", "tcp", "(tls)", "upgrade", "proxy", "dns", "tcp", "tls", "upgrade FAILED"];
    assert_eq!(words(&steps), wanted);
    assert_eq!(step(&steps, Step::Upgrade).detail, "redirected (301 Moved Permanently)");
    assert_eq!(steps[9].detail, "TLS 1.3, a certificate for localhost, crm.example");
    assert_eq!(steps[8].detail, format!("connected to 127.0.0.1:{tls_port}"));
    assert!(steps[2].detail.contains("127.0.0.1"), "{:?}", steps[2]);
}
