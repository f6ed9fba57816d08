//! tinyproxy and microsocks, which nobody here has written.

use std::net::{SocketAddr, TcpListener as StdListener, TcpStream as StdStream};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use heartwire_engine::dial::DialRequest;
use heartwire_engine::tls::TlsConfig;
use tempfile::TempDir;
use xtask::test::lacks;

use crate::pki::{Authority, tls_server};
use crate::rig::{AGES, listener};
use crate::{fails, reaches, through};

/// A program that listens on loopback; its port is free until it takes it.
struct Running {
    child: Child,
    at: SocketAddr,
    _folder: Option<TempDir>,
}

impl Running {
    fn start(program: &str, arguments: &[&str], at: SocketAddr, folder: Option<TempDir>) -> Self {
        let child = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let running = Self { child, at, _folder: folder };
        let started = Instant::now();
        while StdStream::connect(at).is_err() {
            assert!(started.elapsed() < AGES, "{program} does not listen");
            sleep(Duration::from_millis(5));
        }
        running
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free() -> SocketAddr {
    StdListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn tinyproxy(more: &str) -> Running {
    let (at, folder) = (free(), TempDir::new().unwrap());
    let file = folder.path().join("tinyproxy.conf");
    let settings = format!("Port {}\nListen 127.0.0.1\nAllow 127.0.0.1\nTimeout 60\n{more}\n", at.port());
    std::fs::write(&file, settings).unwrap();
    Running::start("tinyproxy", &["-d", "-c", file.to_str().unwrap()], at, Some(folder))
}

fn microsocks(more: &[&str]) -> Running {
    let at = free();
    let port = at.port().to_string();
    Running::start("microsocks", &[&["-i", "127.0.0.1", "-p", &port], more].concat(), at, None)
}

#[tokio::test]
async fn a_websocket_goes_through_tinyproxy() {
    if lacks("a_websocket_goes_through_tinyproxy", "tinyproxy") {
        return;
    }
    let proxy = tinyproxy("");
    let (listener, port) = listener().await;
    reaches(&through(&format!("http://{}", proxy.at), &format!("ws://localhost:{port}/x")), &listener).await;
}

#[tokio::test]
async fn tls_goes_end_to_end_through_tinyproxy() {
    if lacks("tls_goes_end_to_end_through_tinyproxy", "tinyproxy") {
        return;
    }
    let (proxy, authority) = (tinyproxy(""), Authority::new("ours"));
    let (listener, port) = listener().await;
    tls_server(listener, authority.server_config(&["localhost"]));
    let wanted = through(&format!("http://{}", proxy.at), &format!("wss://localhost:{port}/x"));
    let folder = TempDir::new().unwrap();
    let tls = TlsConfig::of(authority.trusted_in(&folder));
    crate::heard(&DialRequest { tls, ..wanted.clone() }).await.unwrap();
    // Whoever stands in the way is not trusted either, and is named.
    let (code, text) = fails(&wanted).await;
    assert_eq!(code, "tls", "{text}");
    assert!(text.ends_with(&format!(" (through the proxy http://{})", proxy.at)), "{text}");
}

#[tokio::test]
async fn tinyproxy_with_basic_auth_takes_the_right_credentials_only() {
    if lacks("tinyproxy_with_basic_auth_takes_the_right_credentials_only", "tinyproxy") {
        return;
    }
    let proxy = tinyproxy("BasicAuth me secret");
    let (listener, port) = listener().await;
    let (at, target) = (proxy.at, format!("ws://localhost:{port}/x"));
    reaches(&through(&format!("http://me:secret@{at}"), &target), &listener).await;
    let (code, text) = fails(&through(&format!("http://me:wrong@{at}"), &target)).await;
    assert_eq!(code, "proxy");
    assert!(text.starts_with(&format!("the proxy http://{at} refused the user and password (4")), "{text}");
    let (code, text) = fails(&through(&format!("http://{at}"), &target)).await;
    assert_eq!(code, "proxy");
    assert!(text.contains("wants a user and a password"), "{text}");
}

#[tokio::test]
async fn tinyproxy_says_that_nobody_listens() {
    if lacks("tinyproxy_says_that_nobody_listens", "tinyproxy") {
        return;
    }
    let (proxy, nobody) = (tinyproxy(""), free());
    let (code, text) = fails(&through(&format!("http://{}", proxy.at), &format!("ws://{nobody}/"))).await;
    assert_eq!(code, "proxy", "{text}");
    assert!(text.starts_with(&format!("the proxy http://{} ", proxy.at)), "{text}");
    assert!(text.contains(&nobody.to_string()), "{text}");
}

#[tokio::test]
async fn a_websocket_goes_through_microsocks() {
    if lacks("a_websocket_goes_through_microsocks", "microsocks") {
        return;
    }
    let proxy = microsocks(&[]);
    let (listener, port) = listener().await;
    for kind in ["socks5", "socks5h"] {
        let wanted = through(&format!("{kind}://{}", proxy.at), &format!("ws://localhost:{port}/x"));
        reaches(&wanted, &listener).await;
    }
    let (code, text) = fails(&through(&format!("socks5h://{}", proxy.at), &format!("ws://{}/", free()))).await;
    assert_eq!(code, "proxy", "{text}");
    assert!(text.ends_with("nobody listens there"), "{text}");
}

#[tokio::test]
async fn microsocks_with_a_user_takes_the_right_credentials_only() {
    if lacks("microsocks_with_a_user_takes_the_right_credentials_only", "microsocks") {
        return;
    }
    let proxy = microsocks(&["-u", "me", "-P", "secret"]);
    let (listener, port) = listener().await;
    let (at, target) = (proxy.at, format!("ws://localhost:{port}/x"));
    reaches(&through(&format!("socks5h://me:secret@{at}"), &target), &listener).await;
    let (code, text) = fails(&through(&format!("socks5h://me:wrong@{at}"), &target)).await;
    assert_eq!(
        (code.as_str(), text.as_str()),
        ("proxy", format!("the proxy socks5h://{at} refused the user and password").as_str())
    );
    let (code, text) = fails(&through(&format!("socks5h://{at}"), &target)).await;
    assert_eq!(code, "proxy");
    assert!(text.contains("wants a user and a password"), "{text}");
}
