//! Every cause code that can be provoked from outside, in the lines of `heartwire listen`. `docs/causes.md` has the same
//! faults as commands for the hand.

use std::net::TcpListener;
use std::process::Command;
use std::thread;

use heartwire_core::listen::Event;
use heartwire_core::view::LinkState;
use xtask::process::tied;
use xtask::server::{SOON, Server};

use crate::listen::{HEARTWIRE, Listen};

/// The first reason that `listen` gives for not being connected, with the state it leads to.
fn first_cause(command: Command, url: &str, more: &str) -> (LinkState, String, String) {
    let config = format!(
        "[[connections]]\nname = \"it\"\nurl = \"{url}\"\nconnect_timeout = \"2s\"\n\
         heartbeat = {{ every = \"500ms\", timeout = \"500ms\" }}\n{more}\n"
    );
    let mut listen = Listen::start_by(command, &config);
    listen.wait_for(&format!("a cause at {url}"), SOON, |event| match event {
        Event::State { state: state @ (LinkState::Waiting | LinkState::Blocked), cause: Some(cause), .. } => {
            Some((*state, cause.code.clone(), cause.text.clone()))
        }
        _ => None,
    })
}

/// Runs them side by side: most of their time is waiting.
fn check_all(faults: Vec<(String, &'static str, LinkState, &'static str, &'static str)>) {
    let check = |(url, more, state, code, part): (String, &str, LinkState, &str, &str)| {
        let (found_state, found_code, text) = first_cause(tied(HEARTWIRE), &url, more);
        assert_eq!((found_state, found_code.as_str()), (state, code), "{url} {more}: {text}");
        assert!(text.contains(part), "{url} {more}: {text}");
    };
    thread::scope(|scope| {
        for fault in faults {
            scope.spawn(move || check(fault));
        }
    });
}

#[test]
fn listen_names_what_a_server_does_wrong() {
    use LinkState::{Blocked, Waiting};
    let server = Server::python("faults.py", &[]);
    let at = |path: &str| format!("ws://127.0.0.1:{}/{path}", server.port);
    check_all(vec![
        (at("http/404"), "", Waiting, "http-404", "404 Not Found"),
        (at("http/503"), "", Waiting, "http-503", "503 Service Unavailable"),
        (at("elsewhere"), "", Waiting, "http-302", "elsewhere.example"),
        (at("http/401"), "", Blocked, "unauthorized", "401 Unauthorized"),
        (at("http/403"), "", Blocked, "unauthorized", "403 Forbidden"),
        (at("no-websocket"), "", Waiting, "http-200", "200 OK"),
        (at("no-answer"), "", Waiting, "connect-timeout", "no answer to the upgrade request within 2 s"),
        (at("deaf"), "", Waiting, "heartbeat-timeout", "within 500 ms"),
        (at("close/1000"), "", Waiting, "closed-1000", "it is done"),
        (at("close/1005"), "", Waiting, "closed-1005", "it gave no code"),
        (at("close/1012"), "", Waiting, "closed-1012", "it restarts"),
        (at("close/1013"), "", Waiting, "closed-1013", "it is overloaded"),
        (at("close/1008"), "", Blocked, "closed-1008", "against its rules"),
        (at("close/4500"), "", Blocked, "closed-4500", "code 4500"),
        (at("abort"), "", Waiting, "reset", "ended without a closing handshake"),
        (at("large"), "", Waiting, "too-large", "at least 2097152 bytes; the limit is 1048576"),
        (at("bad-text"), "", Waiting, "protocol", "not UTF-8"),
    ]);
}

#[test]
fn listen_names_what_is_in_the_way_to_a_server() {
    use LinkState::{Blocked, Waiting};
    let server = Server::python("faults.py", &[]);
    let url = format!("ws://127.0.0.1:{}/", server.port);
    // Nobody listens at this port while it is held like this.
    let held = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let nobody = held.local_addr().unwrap().port();
    drop(held);
    let wss = url.replace("ws://", "wss://");
    check_all(vec![
        ("ws://no-such-host.invalid/".to_owned(), "proxy = { url = \"none\" }", Waiting, "dns", "no-such-host.invalid"),
        (format!("ws://127.0.0.1:{nobody}/"), "", Waiting, "refused", "nobody listens"),
        (wss.clone(), "", Waiting, "tls", "TLS handshake"),
        (url.clone(), "proxy = { url = \"socks5h://127.0.0.1:1\" }", Waiting, "proxy", "127.0.0.1:1"),
        (wss, "tls = { ca_file = \"/no/such/ca.pem\" }", Blocked, "configuration", "/no/such/ca.pem"),
        (
            url,
            "auth = { kind = \"token\", secret = { env = \"NO_SUCH_VARIABLE\" } }",
            Blocked,
            "configuration",
            "NO_SUCH_VARIABLE",
        ),
    ]);
}

#[test]
fn listen_names_a_computer_without_a_network() {
    let name = "listen_names_a_computer_without_a_network";
    if !rustix::process::geteuid().is_root() {
        return xtask::test::skip(name, "a network namespace needs root");
    }
    let mut alone = tied("unshare");
    alone.args(["--net", HEARTWIRE]);
    let (state, code, text) = first_cause(alone, "ws://192.0.2.1/", "");
    assert_eq!((state, code.as_str()), (LinkState::Waiting, "unreachable"), "{text}");
    assert!(text.contains("no network"), "{text}");
}
