//! Dials: through proxies, with the person's own trust in certificates, after redirects; each way to fail with its code
//! and its words. The proxies and `openssl` are independent programs where a test says so, and fakes written here where
//! it needs a wrong answer.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests fail the test")]

#[cfg(all(unix, not(target_os = "macos")))]
#[path = "../common/dbus_daemon.rs"]
mod dbus_daemon;
mod fake_proxies;
#[cfg(target_os = "linux")]
mod offline;
mod pins;
#[path = "../common/pki.rs"]
mod pki;
mod real_proxies;
mod redirects;
#[path = "../common/rig.rs"]
mod rig;
mod system_proxy;
mod tls;

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use heartwire_core::cause::Cause;
use heartwire_core::settings::{Proxy, ProxyAddress};
use heartwire_engine::dial::{DialRequest, dial};
use heartwire_engine::tls::TlsConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_tungstenite::accept_async;

use rig::{AGES, accept_tcp, connection};

/// A straight dial to this URL with only what the platform trusts.
fn to(url: &str) -> DialRequest {
    by(Proxy::None, url)
}

fn through(proxy: &str, url: &str) -> DialRequest {
    by(Proxy::Through(ProxyAddress::parse(proxy).unwrap()), url)
}

fn by(proxy: Proxy, url: &str) -> DialRequest {
    let mut connection = connection(1);
    connection.url = url.parse().unwrap();
    connection.connect_timeout = AGES;
    connection.proxy = proxy;
    DialRequest::new(&connection, TlsConfig::platform())
}

/// Why it fails: the code and the words.
async fn fails(request: &DialRequest) -> (String, String) {
    let Cause { code, text, .. } = dial(request).await.expect_err("it must fail");
    assert!(!text.contains("secret"), "{text}");
    (code.to_string(), text)
}

fn cause(code: &str, text: &str) -> (String, String) {
    (code.to_owned(), text.to_owned())
}

/// An upgraded socket that says one thing. Its end is the end of the client's socket.
async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut socket = accept_async(stream).await.unwrap();
    socket.send("hello".into()).await.unwrap();
    let _ = timeout(AGES, socket.next()).await;
}

/// Dials a plain server and hears it speak.
async fn reaches(request: &DialRequest, listener: &TcpListener) {
    let (dialled, ()) = tokio::join!(heard(request), async { serve(accept_tcp(listener).await).await });
    dialled.unwrap();
}

/// Dials and waits for bytes from an upgraded server.
async fn heard(request: &DialRequest) -> Result<(), Cause> {
    // The answer to the upgrade came through.
    dial(request).await.map(|socket| assert!(socket.received() > 0))
}

#[test]
fn the_kernel_has_twice_the_patience_of_the_heartbeat_so_that_the_heartbeat_decides() {
    let mut connection = connection(1);
    connection.heartbeat.every = Duration::from_secs(30);
    connection.heartbeat.timeout = Duration::from_secs(10);
    let request = DialRequest::new(&connection, TlsConfig::platform());
    assert_eq!(request.unacknowledged, Duration::from_secs(80));
}
