//! TLS that goes wrong on the way. The certificate is that of the driver's tests.

use std::sync::Arc;
use std::time::{Duration, Instant};

use heartwire_core::settings::Connection;
use heartwire_core::view::LinkState;
use heartwire_engine::tls::TlsConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::ALONE;
use crate::proxy::{Course, Holes, Kind, Proxy, Way};
use crate::rig::{AGES, EVERY, Link, TIMEOUT, connection, listener};
use crate::server::{Seen, converse, seen};

/// How late a busy machine may be.
const BUSY: Duration = Duration::from_secs(2);

const CONNECT: Duration = Duration::from_millis(700);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tls_handshake_that_is_cut_off_anywhere_is_named_and_dialled_again() {
    let _alone = ALONE.lock().await;
    let mut running = JoinSet::new();
    // The first record's head, in the server's hello, in its certificate.
    for at in [0, 1, 5, 6, 100, 300, 500] {
        for (kind, expected) in [
            (Kind::Close, "tls"),
            (Kind::Reset, "tls"),
            (Kind::HalfClose, "tls"),
            (Kind::Stall { lasting: None, both: false }, "connect-timeout"),
            (Kind::Pieces { size: 1, pause: Duration::from_millis(20) }, "connect-timeout"),
        ] {
            running.spawn(recovers(at, kind, expected));
        }
    }
    running.join_all().await;
}

#[tokio::test]
async fn a_wss_dial_that_meets_no_tls_is_named_and_dialled_again() {
    let plain =
        ["SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n", "\0\0\0\0\0\0\0\0", "220 smtp ready\r\n"];
    for text in plain {
        recovers(0, Kind::Garbage(text.as_bytes().to_vec()), "tls").await;
    }
    // The hello breaks off into something else.
    recovers(40, Kind::Garbage(vec![0xff; 2_000]), "tls").await;
}

#[tokio::test]
async fn invariant_1_holds_over_tls() {
    let (proxy, mut link, _server) = through(AGES, |_| Course::default()).await;
    for holes in [Holes { up: true, down: false }, Holes { up: false, down: true }] {
        link.round_trip().await;
        proxy.swallow(holes);
        let cut = Instant::now();
        let status = link.until(LinkState::Waiting).await;
        let silence = proxy.passed().last().unwrap().last.elapsed();
        assert_eq!(status.cause.unwrap().view().code, "heartbeat-timeout");
        assert!(
            silence >= EVERY + TIMEOUT && status.silent_for >= EVERY + TIMEOUT,
            "{silence:?} {:?}",
            status.silent_for
        );
        assert!(cut.elapsed() <= EVERY + TIMEOUT + BUSY, "{:?}", cut.elapsed());
        proxy.swallow(Holes::NONE);
        link.until(LinkState::Connected).await;
        link.forget();
    }
}

/// The first connection has this fault, and the second none.
async fn recovers(at: usize, kind: Kind, expected: &str) {
    let case = format!("{at} {kind:?}");
    let allowed = if expected == "connect-timeout" { CONNECT } else { AGES };
    let (_proxy, mut link, _server) = through(allowed, move |number| match number {
        0 => Course::one(Way::Down, at, kind.clone()),
        _ => Course::default(),
    })
    .await;
    let begun = Instant::now();
    let (code, text) = link.lost().await;
    assert_eq!(code, expected, "{case}: {text}");
    assert!(begun.elapsed() <= allowed + BUSY, "{case}: {:?}", begun.elapsed());
    link.until(LinkState::Connected).await;
}

async fn through(allowed: Duration, plan: impl Fn(usize) -> Course + Send + 'static) -> (Proxy, Link, JoinSet<()>) {
    let (listener, port) = listener().await;
    let mut server = JoinSet::new();
    server.spawn(serve_tls(listener, seen()));
    let proxy = Proxy::start(port, plan);
    let link = Link::with(secured(proxy.port, allowed), ours(), 64);
    (proxy, link, server)
}

fn secured(port: u16, allowed: Duration) -> Connection {
    let mut connection = connection(port);
    connection.url = format!("wss://localhost:{port}/").parse().unwrap();
    connection.connect_timeout = allowed;
    connection
}

fn ours() -> TlsConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(include_bytes!("../link_driver/tls/ca.pem")).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    TlsConfig::from(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

async fn serve_tls(listener: TcpListener, seen: &'static Seen) {
    let certificate = CertificateDer::from_pem_slice(include_bytes!("../link_driver/tls/server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("../link_driver/tls/server.key")).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let acceptor = TlsAcceptor::from(Arc::new(builder.with_single_cert(vec![certificate], key).unwrap()));
    let mut connections = JoinSet::new();
    for number in 0.. {
        let stream = listener.accept().await.unwrap().0;
        let acceptor = acceptor.clone();
        connections.spawn(async move {
            // A client that gives up is what these tests are about.
            if let Ok(stream) = acceptor.accept(stream).await {
                converse(stream, number, seen, None).await;
            }
        });
    }
}
