//! What is asked: the request line, the connection's headers and credentials where they belong, and forms.

use std::collections::BTreeMap;

use heartwire_core::dialect::{Answer, Fetch, Login};
use heartwire_core::settings::{Auth, SecretSource};
use heartwire_engine::dial::DialRequest;
use heartwire_engine::fetch::{Event, Fetching};
use heartwire_engine::secrets::{Credentials, Keyring};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::rig::{accept_tcp, connection, listener, request};
use crate::{OK, answer, breaks, dial, field, get, next, post};

/// A socket with a header and with credentials in its URL.
fn socket(port: u16) -> DialRequest {
    let mut socket = dial(&format!("ws://me:se%20cret@localhost:{port}/ws?token=secret"));
    socket.headers = BTreeMap::from([("X-Tenant".to_owned(), "blue".to_owned())]);
    socket
}

/// The request of this fetch, which is answered well.
async fn asked(listener: &tokio::net::TcpListener, socket: &DialRequest, fetch: Fetch) -> String {
    let mut fetching = Fetching::new(socket, fetch, 1);
    let said = format!("{OK}Content-Length: 1\r\n\r\nx");
    let (seen, (_, asked)) = tokio::join!(next(&mut fetching), answer(listener, &said));
    assert_eq!(seen, Event::Part("x".to_owned()));
    asked
}

#[tokio::test]
async fn a_request_has_the_headers_and_credentials_of_the_socket_and_asks_for_no_compression() {
    let (listener, port) = listener().await;
    let url = format!("http://localhost:{port}/a%20b/json?since=1&x=%C3%A9#part");
    let asked = asked(&listener, &socket(port), get(&url, Answer::Lines)).await;
    assert!(asked.starts_with("GET /a%20b/json?since=1&x=%C3%A9 HTTP/1.1\r\n"), "{asked}");
    assert_eq!(field(&asked, "host"), Some(format!("localhost:{port}").as_str()));
    // "me:se cret"
    assert_eq!(field(&asked, "authorization"), Some("Basic bWU6c2UgY3JldA=="));
    assert_eq!(field(&asked, "x-tenant"), Some("blue"));
    assert_eq!(field(&asked, "accept-encoding"), Some("identity"));
    assert_eq!(field(&asked, "connection"), Some("close"));
    assert_eq!(field(&asked, "content-length"), None);
    assert_eq!(field(&asked, "upgrade"), None);
    assert!(!asked.contains("token=secret"), "{asked}");
}

#[tokio::test]
async fn configured_credentials_count_and_those_of_the_headers_before_them() {
    let (listener, port) = listener().await;
    let url = format!("http://localhost:{port}/");
    let mut configured = connection(port);
    configured.auth = Auth::Token(SecretSource::Command(vec!["echo".to_owned(), "t0ken".to_owned()]));
    let mut socket = socket(port);
    socket.credentials = Credentials::new(&configured, &Keyring::session("heartwire test"));
    let asked_first = asked(&listener, &socket, get(&url, Answer::Lines)).await;
    assert_eq!(field(&asked_first, "authorization"), Some("Bearer t0ken"));
    socket.headers.insert("authorization".to_owned(), "Own words".to_owned());
    let asked_then = asked(&listener, &socket, get(&url, Answer::Lines)).await;
    assert_eq!(field(&asked_then, "authorization"), Some("Own words"));
}

#[tokio::test]
async fn credentials_that_the_dialect_sends_itself_are_in_no_request() {
    let (listener, port) = listener().await;
    let mut socket = socket(port);
    socket.login = Login::InFrames;
    let asked = asked(&listener, &socket, get(&format!("http://localhost:{port}/"), Answer::Lines)).await;
    assert_eq!(field(&asked, "authorization"), None);
    assert_eq!(field(&asked, "x-tenant"), Some("blue"));
}

#[tokio::test]
async fn another_server_gets_neither_headers_nor_credentials() {
    let (listener, port) = listener().await;
    let check = async |socket: &str, url: &str| {
        let mut socket = DialRequest { url: socket.parse().unwrap(), ..self::socket(port) };
        socket.credentials = {
            let mut configured = connection(port);
            configured.auth = Auth::Token(SecretSource::Command(vec!["echo".to_owned(), "t0ken".to_owned()]));
            Credentials::new(&configured, &Keyring::session("heartwire test"))
        };
        let asked = asked(&listener, &socket, get(&format!("http://{url}:{port}/"), Answer::Lines)).await;
        assert_eq!(field(&asked, "authorization"), None, "{url}");
        assert_eq!(field(&asked, "x-tenant"), None, "{url}");
    };
    check(&format!("ws://me:secret@localhost:{port}/"), "127.0.0.1").await;
    check("ws://me:secret@localhost:1/", "localhost").await;
    check(&format!("wss://me:secret@localhost:{port}/"), "localhost").await;
    check(&format!("ws://me:secret@localhost:{port}/"), "other:words@127.0.0.1").await;
}

#[tokio::test]
async fn a_form_is_posted() {
    let (listener, port) = listener().await;
    let fetch = post(&format!("http://localhost:{port}/read"), &[("secret", "a b&c"), ("id", "é+")]);
    let mut fetching = Fetching::new(&socket(port), fetch, 1);
    let serving = async {
        let mut stream = accept_tcp(&listener).await;
        let asked = request(&mut stream).await;
        assert!(asked.starts_with("POST /read HTTP/1.1\r\n"), "{asked}");
        assert_eq!(field(&asked, "content-type"), Some("application/x-www-form-urlencoded"));
        assert!(field(&asked, "authorization").is_some());
        let mut form = vec![0; field(&asked, "content-length").unwrap().parse().unwrap()];
        stream.read_exact(&mut form).await.unwrap();
        stream.write_all(format!("{OK}Content-Length: 4\r\n\r\ndone").as_bytes()).await.unwrap();
        (stream, String::from_utf8(form).unwrap())
    };
    let (seen, (_, form)) = tokio::join!(next(&mut fetching), serving);
    assert_eq!(seen, Event::Part("done".to_owned()));
    assert_eq!(form, "secret=a+b%26c&id=%C3%A9%2B");
}

#[tokio::test]
async fn a_redirect_within_the_server_is_followed_with_all_that_was_asked() {
    let (listener, port) = listener().await;
    let fetch = post(&format!("http://localhost:{port}/old"), &[("a", "b")]);
    let mut fetching = Fetching::new(&socket(port), fetch, 1);
    let serving = async {
        let methods = [(307, "POST /old", "/a"), (303, "POST /a", "b?c=d"), (301, "GET /b?c=d", "/e")];
        for (status, first, to) in methods {
            let said = format!("HTTP/1.1 {status} Moved\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
            let (_, asked) = answer(&listener, &said).await;
            assert!(asked.starts_with(&format!("{first} HTTP/1.1\r\n")), "{asked}");
            assert_eq!(field(&asked, "authorization"), Some("Basic bWU6c2UgY3JldA=="));
        }
        answer(&listener, &format!("{OK}Content-Length: 4\r\n\r\ndone")).await
    };
    let (seen, (_, asked)) = tokio::join!(next(&mut fetching), serving);
    assert_eq!(seen, Event::Part("done".to_owned()));
    assert!(asked.starts_with("GET /e HTTP/1.1\r\n"), "{asked}");
}

#[tokio::test]
async fn a_redirect_to_another_server_is_not_followed() {
    let (listener, port) = listener().await;
    let (other, other_port) = crate::rig::listener().await;
    let mut fetching = Fetching::new(&socket(port), get(&format!("http://localhost:{port}/"), Answer::Lines), 1);
    let said = format!("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{other_port}/?x=secret\r\n\r\n");
    let ((_, code, text), _) = tokio::join!(breaks(&mut fetching), answer(&listener, &said));
    let words = "the server redirects to another host, 127.0.0.1 (302 Found), which is not followed";
    assert_eq!((code.as_str(), text.as_str()), ("http-302", words));
    assert!(futures_util::FutureExt::now_or_never(other.accept()).is_none(), "nobody dials it");
}

#[tokio::test]
async fn a_circle_of_redirects_ends_after_five() {
    let (listener, port) = listener().await;
    let mut fetching = Fetching::new(&socket(port), get(&format!("http://localhost:{port}/"), Answer::Lines), 1);
    let serving = async {
        for _ in 0..6 {
            answer(&listener, "HTTP/1.1 308 Moved\r\nLocation: /\r\n\r\n").await;
        }
    };
    let ((_, code, text), ()) = tokio::join!(breaks(&mut fetching), serving);
    let words = "the server redirects more than 5 times (308 Permanent Redirect), which is not followed";
    assert_eq!((code.as_str(), text.as_str()), ("http-308", words));
}
