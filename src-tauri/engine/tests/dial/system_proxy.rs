//! `system`: the environment and the desktop's portal. Both belong to the whole process and may not be changed in it, so
//! each test runs itself again as a process of its own that has them set.
#![cfg(all(unix, not(target_os = "macos")))]

use std::process::Command;

use heartwire_core::settings::Proxy;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use zbus::connection::Builder;
use zbus::interface;

use crate::common::skip;
use crate::dbus_daemon::{Bus, is_installed};
use crate::rig::{accept_tcp, request};

/// Tells the second run of a test that it is one; its value is for the test.
const AGAIN: &str = "HEARTWIRE_TEST_AGAIN";

const VARIABLES: [&str; 4] = ["https_proxy", "http_proxy", "all_proxy", "no_proxy"];

/// Runs the test again in this environment, without other proxies.
fn again(name: &str, value: &str, environment: &[(&str, &str)]) {
    let mut run = Command::new(std::env::current_exe().unwrap());
    for variable in VARIABLES {
        run.env_remove(variable).env_remove(variable.to_uppercase());
    }
    run.args(["--exact", name, "--nocapture"]).env(AGAIN, value).envs(environment.iter().copied());
    let run = run.output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success() && said.contains("1 passed"), "{environment:?}: {said}");
}

/// Dials a server that does not exist; gives the code and the words.
async fn asked(url: &str) -> (String, String) {
    crate::fails(&crate::by(Proxy::System, url)).await
}

/// Whether the server's own name was looked for, in vain. Where no name server answers, the deadline is what ends that.
fn is_straight(code: &str, text: &str) -> bool {
    ["dns", "connect-timeout"].contains(&code) && !text.contains("proxy")
}

/// An HTTP proxy that gives itself for the server, which has nothing.
async fn pretend(listener: TcpListener) {
    loop {
        let mut stream = accept_tcp(&listener).await;
        let connect = request(&mut stream).await;
        assert!(connect.starts_with("CONNECT crm.invalid:"), "{connect}");
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        let get = request(&mut stream).await;
        assert!(get.starts_with("GET /x HTTP/1.1\r\n"), "{get}");
        stream.write_all(b"HTTP/1.1 404 No\r\n\r\n").await.unwrap();
    }
}

fn answered_through(proxy: &str) -> String {
    format!("the server answered the upgrade request with 404 Not Found (through this computer's proxy {proxy})")
}

#[tokio::test]
async fn the_environments_proxy_is_used_and_named() {
    let name = "system_proxy::the_environments_proxy_is_used_and_named";
    if let Some(expected) = std::env::var_os(AGAIN) {
        let (code, text) = asked("ws://crm.invalid/x").await;
        match expected.to_str().unwrap() {
            "straight" => assert!(is_straight(&code, &text), "{code}: {text}"),
            "unusable" => {
                assert!(code == "proxy" && text.starts_with("the proxy in all_proxy cannot be used"), "{code}: {text}");
            }
            proxy => assert_eq!((code.as_str(), text.as_str()), ("http-404", answered_through(proxy).as_str())),
        }
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = format!("http://{}", listener.local_addr().unwrap());
    let with_credentials = proxy.replace("http://", "http://me:secret@");
    let pretending = tokio::spawn(pretend(listener));
    let no_bus = ("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere");
    let runs = tokio::task::spawn_blocking(move || {
        again(name, &proxy, &[("HTTP_PROXY", &with_credentials), no_bus]);
        again(name, &proxy, &[("https_proxy", proxy.strip_prefix("http://").unwrap()), no_bus]);
        again(name, "straight", &[("all_proxy", &proxy), ("no_proxy", ".invalid"), no_bus]);
        again(name, "unusable", &[("all_proxy", "https://me:secret@127.0.0.1"), no_bus]);
        again(name, "straight", &[no_bus]);
    });
    runs.await.unwrap();
    assert!(!pretending.is_finished());
}

/// What the desktop's settings say of a kind of server.
struct Settings(&'static str, Vec<String>);

#[interface(name = "org.freedesktop.portal.ProxyResolver")]
impl Settings {
    async fn lookup(&self, uri: &str) -> Vec<String> {
        if self.1.is_empty() {
            std::future::pending::<()>().await;
        }
        if uri == self.0 { self.1.clone() } else { vec!["direct://".to_owned()] }
    }
}

#[tokio::test]
async fn the_desktops_proxy_is_used_and_a_portal_that_hangs_is_not_waited_for() {
    let name = "system_proxy::the_desktops_proxy_is_used_and_a_portal_that_hangs_is_not_waited_for";
    if let Some(folder) = std::env::var_os(AGAIN) {
        let _bus = Bus::start(std::path::Path::new(&folder));
        return with_a_portal().await;
    }
    if !is_installed("dbus-daemon") {
        return skip(name, "dbus-daemon is not installed");
    }
    let folder = TempDir::new().unwrap();
    let address = format!("unix:path={}", folder.path().join("bus").display());
    let folder_path = folder.path().to_str().unwrap().to_owned();
    let run = move || again(name, &folder_path, &[("DBUS_SESSION_BUS_ADDRESS", &address)]);
    tokio::task::spawn_blocking(run).await.unwrap();
}

async fn with_a_portal() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(pretend(listener));
    let (code, text) = asked("ws://crm.invalid/x").await;
    assert!(is_straight(&code, &text), "nobody to ask: {code}: {text}");
    let check = async |uri: &'static str, settings: &[&str], expected: Option<(&str, &str)>| {
        let settings = Settings(uri, settings.iter().map(ToString::to_string).collect());
        let service = Builder::session().unwrap().name("org.freedesktop.portal.Desktop").unwrap();
        let service = service.serve_at("/org/freedesktop/portal/desktop", settings).unwrap().build().await.unwrap();
        let (code, text) = asked("ws://crm.invalid/x").await;
        match expected {
            Some((expected, words)) => assert!(code == expected && text.contains(words), "{code}: {text}"),
            None => assert!(is_straight(&code, &text), "{code}: {text}"),
        }
        service.close().await.unwrap();
    };
    // RFC 6455, section 4.1: the proxy for HTTPS before the one for HTTP.
    let (https, http) = ("https://crm.invalid:80/", "http://crm.invalid:80/");
    check(https, &[&proxy, "direct://"], Some(("http-404", &answered_through(&proxy)))).await;
    check(http, &[&proxy], Some(("http-404", &answered_through(&proxy)))).await;
    check(https, &["direct://", &proxy], None).await;
    check(https, &["socks://127.0.0.1:1"], Some(("proxy", "this computer's proxy socks5h://127.0.0.1:1 cannot"))).await;
    check(https, &["gopher://p"], Some(("proxy", "the proxy in the desktop's settings cannot be used"))).await;
    check(https, &[], None).await;
}
