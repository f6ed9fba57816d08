//! Dials that fail, each with its code and its words; and what a dial sends.

use std::time::Duration;

use heartwire_core::cause::Cause;
use heartwire_core::view::LinkState;
use heartwire_engine::dial::{DialRequest, dial};
use heartwire_engine::tls::TlsConfig;
use tokio::io::AsyncWriteExt;

use crate::rig::{Clock, Link, accept_tcp, assert_about, connection, listener, patient, request};

fn dialled(url: &str) -> DialRequest {
    let mut connection = connection(1);
    connection.url = url.parse().unwrap();
    DialRequest::new(&connection, TlsConfig::platform())
}

async fn fails(request: &DialRequest) -> Cause {
    dial(request).await.expect_err("it must fail")
}

/// Dials a server that answers the upgrade request with this.
async fn answered(answer: &str) -> Cause {
    let (listener, port) = listener().await;
    let request_to = dialled(&format!("ws://127.0.0.1:{port}/"));
    let serve = async {
        let mut stream = accept_tcp(&listener).await;
        request(&mut stream).await;
        stream.write_all(answer.as_bytes()).await.unwrap();
    };
    tokio::join!(fails(&request_to), serve).0
}

#[tokio::test]
async fn invariant_13_one_deadline_covers_everything_up_to_the_upgrade() {
    let (listener, port) = listener().await;
    for (url, words) in [
        (format!("ws://127.0.0.1:{port}/"), "no answer to the upgrade request within 0.4 s"),
        (format!("wss://127.0.0.1:{port}/"), "the TLS handshake was not finished within 0.4 s"),
    ] {
        let mut connection = patient(port);
        connection.url = url.parse().unwrap();
        connection.connect_timeout = Duration::from_millis(400);
        let mut link = Link::start(connection);
        link.until(LinkState::Connecting).await;
        let took = Clock::start();
        let _mute = accept_tcp(&listener).await;
        let (code, text) = link.lost().await;
        assert!(took.elapsed() >= Duration::from_millis(350), "{:?}", took.elapsed());
        assert_about(took.elapsed() + Duration::from_millis(50), Duration::from_millis(400));
        assert_eq!(code, "connect-timeout");
        // On a busy machine the link's own deadline, 50 ms later, may speak instead.
        assert!(text == words || text == "no connection within 400 ms", "{text}");
    }
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_refused() {
    let (closed, port) = listener().await;
    drop(closed);
    let cause = fails(&dialled(&format!("ws://127.0.0.1:{port}/"))).await;
    assert_eq!(cause.code.to_string(), "refused");
    assert_eq!(cause.text, format!("nobody listens at 127.0.0.1:{port}"));
}

#[tokio::test]
async fn a_name_without_an_address_is_a_dns_failure() {
    let cause = fails(&dialled("ws://there-is-no-such-host.invalid/")).await;
    // Where no name server answers at all, the deadline is what ends it.
    assert!(matches!(cause.code.to_string().as_str(), "dns" | "connect-timeout"), "{cause:?}");
    if cause.code.to_string() == "dns" {
        assert_eq!(cause.text, "the name there-is-no-such-host.invalid has no address");
    }
}

#[tokio::test]
async fn a_name_with_several_addresses_is_tried_until_one_answers() {
    // `localhost` is 127.0.0.1 and, on most systems, ::1 too, where nobody listens here.
    let (listener, port) = listener().await;
    let request_to = dialled(&format!("ws://localhost:{port}/"));
    let (socket, _server) = tokio::join!(dial(&request_to), crate::rig::accept(&listener));
    assert!(socket.unwrap().received() > 0);
}

#[tokio::test]
async fn an_answer_other_than_101_is_named_by_its_status() {
    let check = async |answer: &str, code: &str, words: &str, retry_after: Option<u64>| {
        let cause = answered(&format!("HTTP/1.1 {answer}\r\n\r\n")).await;
        assert_eq!((cause.code.to_string().as_str(), cause.text.as_str()), (code, words));
        assert_eq!(cause.retry_after.map(|after| after.as_secs()), retry_after, "{answer}");
    };
    let answered = "the server answered the upgrade request with";
    check("404 Not Found", "http-404", &format!("{answered} 404 Not Found"), None).await;
    check("503 Busy\r\nRetry-After: 120", "http-503", &format!("{answered} 503 Service Unavailable"), Some(120)).await;
    let (too_many, past) = (format!("{answered} 429 Too Many Requests"), "Sun, 06 Nov 1994 08:49:37 GMT");
    check(&format!("429 Slow\r\nRetry-After: {past}"), "http-429", &too_many, None).await;
    check("429 Slow\r\nRetry-After: soon", "http-429", &too_many, None).await;
    check("401 No", "unauthorized", "the server refused the credentials (401 Unauthorized)", None).await;
    check("403 No", "unauthorized", "the server refused the credentials (403 Forbidden)", None).await;
    check("300 Choose", "http-300", &format!("{answered} 300 Multiple Choices"), None).await;
    check("200 OK", "http-200", &format!("{answered} 200 OK"), None).await;
}

#[tokio::test]
async fn a_retry_after_with_a_date_is_understood() {
    let at = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(90);
    let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).unwrap();
    let cause = answered(&format!("HTTP/1.1 503 Busy\r\nRetry-After: {date}\r\n\r\n")).await;
    let after = cause.retry_after.unwrap().as_secs();
    assert!((80..=90).contains(&after), "{after}");
}

#[tokio::test]
async fn an_answer_that_is_no_websocket_upgrade_is_a_protocol_failure() {
    let check = async |answer: &str, code: &str| {
        let cause = answered(answer).await;
        assert_eq!(cause.code.to_string(), code, "{}", cause.text);
        assert!(!cause.text.contains(['\n', '\u{7}']), "{}", cause.text);
    };
    check("SSH-2.0-OpenSSH_9.2\r\n\u{7}\r\n\r\n", "protocol").await;
    let upgrade = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
    check(&format!("{upgrade}Sec-WebSocket-Accept: bm90IHRoZSByaWdodCBrZXk=\r\n\r\n"), "protocol").await;
    check(&format!("HTTP/1.1 101 x\r\nFiller: {}\r\n", "x".repeat(80_000)), "protocol").await;
    check("", "reset").await;
}

#[tokio::test]
async fn the_upgrade_request_carries_what_was_configured_and_nothing_else() {
    let (listener, port) = listener().await;
    let mut wanted = dialled(&format!("ws://someone:pass%20word@localhost:{port}/a%20b?jspCode=42&x={{y}}"));
    wanted.headers.insert("X-Tenant".to_owned(), "blue".to_owned());
    wanted.subprotocols = vec!["v2".to_owned(), "v1".to_owned()];
    let serve = async {
        let mut stream = accept_tcp(&listener).await;
        request(&mut stream).await
    };
    let (failed, request) = tokio::join!(fails(&wanted), serve);
    let mut lines: Vec<_> =
        request.trim_end().lines().filter(|line| !line.starts_with("Sec-WebSocket-Key: ")).collect();
    lines[1..].sort_unstable();
    assert_eq!(
        lines,
        [
            "GET /a%20b?jspCode=42&x={y} HTTP/1.1",
            "Connection: Upgrade",
            &format!("Host: localhost:{port}"),
            "Sec-WebSocket-Protocol: v2, v1",
            "Sec-WebSocket-Version: 13",
            "Upgrade: websocket",
            "authorization: Basic c29tZW9uZTpwYXNzIHdvcmQ=",
            "x-tenant: blue",
        ]
    );
    assert!(!failed.text.contains("word"), "no credentials in what is shown: {}", failed.text);
}

#[tokio::test]
async fn an_authorization_of_the_settings_is_kept() {
    let (listener, port) = listener().await;
    let mut wanted = dialled(&format!("ws://someone:secret@127.0.0.1:{port}/"));
    wanted.headers.insert("Authorization".to_owned(), "Bearer token".to_owned());
    let serve = async {
        let mut stream = accept_tcp(&listener).await;
        request(&mut stream).await
    };
    let (_, request) = tokio::join!(fails(&wanted), serve);
    assert_eq!(request.matches("uthorization").count(), 1);
    assert!(request.contains("authorization: Bearer token\r\n"), "{request}");
}

#[tokio::test]
async fn a_header_that_cannot_be_sent_is_a_fault_of_the_configuration() {
    let mut wanted = dialled("ws://127.0.0.1:1/");
    wanted.headers.insert("Bad Name".to_owned(), "x".to_owned());
    assert_eq!(fails(&wanted).await.code.to_string(), "configuration");
}

#[test]
fn a_dial_request_shows_no_secret() {
    let mut wanted = dialled("wss://someone:secret@example.com:8443/x?token=secret");
    wanted.headers.insert("Authorization".to_owned(), "Bearer secret".to_owned());
    assert_eq!(format!("{wanted:?}"), "DialRequest((\"wss\", \"example.com\", Some(8443)), ..)");
}
