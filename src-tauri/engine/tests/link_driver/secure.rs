//! wss. The certificate in `tls/` is for `localhost`, from an authority of its own; its key is worth nothing.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use heartwire_core::settings::Connection;
use heartwire_core::view::LinkState;
use heartwire_engine::tls::TlsConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async};

use crate::rig::{AGES, Link, accept_tcp, connection, listener};

fn secured(port: u16, host: &str) -> Connection {
    let mut connection = connection(port);
    connection.url = format!("wss://{host}:{port}/").parse().unwrap();
    connection
}

fn trusting(roots: &[&[u8]]) -> TlsConfig {
    let mut store = RootCertStore::empty();
    for pem in roots {
        store.add(CertificateDer::from_pem_slice(pem).unwrap()).unwrap();
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    TlsConfig::from(Arc::new(builder.with_root_certificates(store).with_no_client_auth()))
}

fn ours() -> TlsConfig {
    trusting(&[include_bytes!("tls/ca.pem")])
}

fn acceptor() -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_slice(include_bytes!("tls/server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("tls/server.key")).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    TlsAcceptor::from(Arc::new(builder.with_single_cert(vec![certificate], key).unwrap()))
}

async fn accept_tls(listener: &TcpListener) -> WebSocketStream<TlsStream<TcpStream>> {
    let stream = accept_tcp(listener).await;
    accept_async(acceptor().accept(stream).await.unwrap()).await.unwrap()
}

/// Why a dial to a TLS server fails.
async fn refused(connection: Connection, tls: TlsConfig, listener: TcpListener) -> String {
    let mut link = Link::with(connection, tls, 64);
    tokio::spawn(async move {
        loop {
            let stream = accept_tcp(&listener).await;
            let _ = acceptor().accept(stream).await;
        }
    });
    let (code, text) = link.lost().await;
    assert_eq!(code, "tls", "{text}");
    text
}

#[tokio::test]
async fn a_link_over_tls_lives_and_closes_like_any_other() {
    let (listener, port) = listener().await;
    let mut connection = secured(port, "localhost");
    connection.heartbeat.timeout = AGES;
    let mut link = Link::with(connection, ours(), 64);
    let mut server = accept_tls(&listener).await;
    link.until(LinkState::Connected).await;
    server.send(Message::text("secret")).await.unwrap();
    assert_eq!(link.message().await, "secret");
    assert_eq!(timeout(AGES, server.next()).await.unwrap().unwrap().unwrap(), Message::text("beat"));
    server.send(Message::text("beat")).await.unwrap();
    link.round_trip().await;
    let sent = link.send("y".repeat(2 << 20));
    let came = loop {
        match timeout(AGES, server.next()).await.unwrap().unwrap().unwrap() {
            beat if beat == Message::text("beat") => {}
            other => break other,
        }
    };
    assert_eq!(came.len(), 2 << 20);
    assert_eq!(sent.await.unwrap(), Ok(()));

    link.handle.command(heartwire_engine::driver::Command::Stop);
    let close = loop {
        match timeout(AGES, server.next()).await.unwrap() {
            Some(Ok(beat)) if beat == Message::text("beat") => {}
            other => break other,
        }
    };
    assert!(matches!(close, Some(Ok(Message::Close(Some(_))))), "{close:?}");
    assert!(timeout(AGES, server.next()).await.unwrap().is_none(), "in good order");
}

#[tokio::test]
async fn a_silent_peer_over_tls_is_noticed_and_dialled_again() {
    let (listener, port) = listener().await;
    let mut link = Link::with(secured(port, "localhost"), ours(), 64);
    let _silent = accept_tls(&listener).await;
    assert_eq!(link.lost().await.0, "heartbeat-timeout");
    let _again = accept_tls(&listener).await;
    link.until(LinkState::Connected).await;
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused_in_plain_words() {
    let (listener, port) = listener().await;
    let text = refused(secured(port, "127.0.0.1"), ours(), listener).await;
    assert_eq!(text, "the server's certificate is for another name");
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused_in_plain_words() {
    let (listener, port) = listener().await;
    let text = refused(secured(port, "localhost"), trusting(&[]), listener).await;
    assert_eq!(text, "the server's certificate is from an authority that this computer does not trust");
}

#[tokio::test]
async fn the_platforms_roots_do_not_trust_just_anybody() {
    let (listener, port) = listener().await;
    let text = refused(secured(port, "localhost"), TlsConfig::platform(), listener).await;
    // A computer without any roots says so.
    let expected = "the server's certificate is from an authority that this computer does not trust";
    assert!(text == expected || text.starts_with("this computer's trusted certificates cannot be read"), "{text}");
}

#[tokio::test]
async fn a_server_without_tls_is_named_as_such() {
    let (listener, port) = listener().await;
    let mut link = Link::with(secured(port, "localhost"), ours(), 64);
    tokio::spawn(async move {
        loop {
            let mut stream = accept_tcp(&listener).await;
            let answer = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await;
            let mut rest = Vec::new();
            let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest).await;
        }
    });
    let (code, text) = link.lost().await;
    assert_eq!((code.as_str(), text.as_str()), ("tls", "the server does not speak TLS at this port"));
}
