//! `system`: the environment and the desktop's portal. Both belong to the whole process and may not be changed in it, so
//! each test runs itself again as a process of its own that has them set.
#![cfg(all(unix, not(target_os = "macos")))]

use std::process::Command;

use heartwire_core::settings::Proxy;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use xtask::test::lacks;
use zbus::connection::Builder;
use zbus::interface;
use zbus::object_server::Interface;

use crate::dbus_daemon::Bus;
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

/// What a desktop answers.
enum Answer {
    /// What its settings say of a kind of server.
    Settings(&'static str, Vec<String>),
    Refusal(Refusal),
    Never,
}

#[derive(Clone, Debug, zbus::DBusError)]
#[zbus(prefix = "org.freedesktop")]
enum Refusal {
    #[zbus(error)]
    ZBus(zbus::Error),
    #[zbus(name = "DBus.Error.ServiceUnknown")]
    Unknown(String),
    #[zbus(name = "DBus.Error.NameHasNoOwner")]
    Unowned(String),
    #[zbus(name = "DBus.Error.UnknownObject")]
    NoObject(String),
    #[zbus(name = "DBus.Error.UnknownInterface")]
    NoInterface(String),
    #[zbus(name = "DBus.Error.UnknownMethod")]
    NoMethod(String),
    #[zbus(name = "DBus.Error.Spawn.ChildExited")]
    Fallen(String),
    #[zbus(name = "systemd1.UnitMasked")]
    Masked(String),
    #[zbus(name = "DBus.Error.Failed")]
    Failed(String),
    #[zbus(name = "DBus.Error.NoReply")]
    Silent(String),
}

/// A desktop whose portal knows of proxies.
struct Desktop(Answer);

#[interface(name = "org.freedesktop.portal.ProxyResolver")]
impl Desktop {
    async fn lookup(&self, uri: &str) -> Result<Vec<String>, Refusal> {
        match &self.0 {
            Answer::Settings(of, found) if uri == *of => Ok(found.clone()),
            Answer::Settings(..) => Ok(vec!["direct://".to_owned()]),
            Answer::Refusal(refusal) => Err(refusal.clone()),
            Answer::Never => std::future::pending().await,
        }
    }
}

/// A portal that knows of other things.
struct Other(&'static str);

#[interface(name = "org.freedesktop.portal.Settings")]
impl Other {
    fn lookup(&self, key: &str) -> Vec<String> {
        vec![format!("{}?{key}", self.0)]
    }
}

/// Runs the test again with a message bus of its own, which it has in that run.
async fn on_a_bus(name: &'static str) -> Option<Bus> {
    if let Some(folder) = std::env::var_os(AGAIN) {
        return Some(Bus::start(std::path::Path::new(&folder)));
    }
    if lacks(name, "dbus-daemon") {
        return None;
    }
    let folder = TempDir::new().unwrap();
    let address = format!("unix:path={}", folder.path().join("bus").display());
    let folder_path = folder.path().to_str().unwrap().to_owned();
    let run = move || again(name, &folder_path, &[("DBUS_SESSION_BUS_ADDRESS", &address)]);
    tokio::task::spawn_blocking(run).await.unwrap();
    None
}

/// Dials while this object has the portal's name at this place.
async fn asked_of(object: impl Interface, place: &str) -> (String, String) {
    let service = Builder::session().unwrap().name("org.freedesktop.portal.Desktop").unwrap();
    let service = service.serve_at(place, object).unwrap().build().await.unwrap();
    let answer = asked("ws://crm.invalid/x").await;
    service.close().await.unwrap();
    answer
}

const PLACE: &str = "/org/freedesktop/portal/desktop";

async fn asked_of_desktop(answer: Answer) -> (String, String) {
    asked_of(Desktop(answer), PLACE).await
}

#[tokio::test]
async fn the_desktops_proxy_is_used() {
    let Some(_bus) = on_a_bus("system_proxy::the_desktops_proxy_is_used").await else { return };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(pretend(listener));
    let check = async |uri: &'static str, settings: &[&str], expected: Option<(&str, &str)>| {
        let settings = Answer::Settings(uri, settings.iter().map(ToString::to_string).collect());
        let (code, text) = asked_of_desktop(settings).await;
        match expected {
            Some((expected, words)) => assert!(code == expected && text.contains(words), "{code}: {text}"),
            None => assert!(is_straight(&code, &text), "{code}: {text}"),
        }
    };
    // RFC 6455, section 4.1: the proxy for HTTPS before the one for HTTP.
    let (https, http) = ("https://crm.invalid:80/", "http://crm.invalid:80/");
    check(https, &[&proxy, "direct://"], Some(("http-404", &answered_through(&proxy)))).await;
    check(http, &[&proxy], Some(("http-404", &answered_through(&proxy)))).await;
    check(https, &["direct://", &proxy], None).await;
    check(https, &["socks://127.0.0.1:1"], Some(("proxy", "this computer's proxy socks5h://127.0.0.1:1 cannot"))).await;
    check(https, &["gopher://p"], Some(("proxy", "the proxy in the desktop's settings cannot be used"))).await;
}

#[tokio::test]
async fn a_desktop_that_does_not_say_which_proxy_it_wants_is_not_gone_around() {
    let name = "system_proxy::a_desktop_that_does_not_say_which_proxy_it_wants_is_not_gone_around";
    let Some(_bus) = on_a_bus(name).await else { return };
    let help = "; if there is none, set this connection's proxy.url to \"none\"";
    let (code, text) = asked_of_desktop(Answer::Never).await;
    let silent = format!("the desktop did not say within 3 s which proxy to use{help}");
    assert_eq!((code.as_str(), text), ("proxy", silent));
    for refusal in [Refusal::Failed("no PAC".to_owned()), Refusal::Silent("no PAC".to_owned())] {
        let (code, text) = asked_of_desktop(Answer::Refusal(refusal)).await;
        assert!(code == "proxy" && text.starts_with("the desktop did not say which proxy to use ("), "{code}: {text}");
        assert!(text.contains("no PAC") && text.ends_with(help), "{text}");
    }
}

#[tokio::test]
async fn where_no_desktop_knows_of_proxies_the_way_is_straight() {
    let Some(_bus) = on_a_bus("system_proxy::where_no_desktop_knows_of_proxies_the_way_is_straight").await else {
        return;
    };
    let check = |(code, text): (String, String)| assert!(is_straight(&code, &text), "{code}: {text}");
    let other = || Other("http://other.invalid/");
    check(asked("ws://crm.invalid/x").await);
    check(asked_of(other(), PLACE).await);
    check(asked_of(other(), "/elsewhere").await);
    let nobody = [
        Refusal::Unknown,
        Refusal::Unowned,
        Refusal::NoObject,
        Refusal::NoInterface,
        Refusal::NoMethod,
        Refusal::Fallen,
        Refusal::Masked,
    ];
    for refusal in nobody {
        check(asked_of_desktop(Answer::Refusal(refusal("nobody".to_owned()))).await);
    }
}
