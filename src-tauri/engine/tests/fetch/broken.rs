//! Answers that are none: each with its code and its words, and nothing of a line that did not end.

use heartwire_core::dialect::Answer;
use heartwire_engine::fetch::Event;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::rig::{accept_tcp, listener, request};
use crate::{OK, answer, answer_and_close, breaks, fetching, is_over, next};

async fn check(said: &str, lines: &[&str], code: &str, words: &str) {
    let (listener, port) = listener().await;
    for wanted in [Answer::Lines, Answer::Whole] {
        let mut fetching = fetching(port, wanted);
        let (seen, _) = tokio::join!(breaks(&mut fetching), answer_and_close(&listener, said));
        let lines = if wanted == Answer::Lines { lines } else { &[] };
        let expected = (lines.iter().map(ToString::to_string).collect(), code.to_owned(), words.to_owned());
        assert_eq!(seen, expected, "{said}");
    }
}

#[tokio::test]
async fn an_answer_that_ends_too_early_is_broken_and_not_at_its_end() {
    let early = "the server ended the connection before its answer was whole";
    check("", &[], "reset", early).await;
    check("HTTP/1.1 200", &[], "reset", early).await;
    check(&format!("{OK}Content-Length: 5\r\n\r\n"), &[], "reset", early).await;
    check(&format!("{OK}Content-Length: 5\r\n\r\na\nb"), &["a"], "reset", early).await;
    let chunked = format!("{OK}Transfer-Encoding: chunked\r\n\r\n");
    check(&format!("{chunked}3\r\na\nb\r\n"), &["a"], "reset", early).await;
    check(&format!("{chunked}9\r\na\nb"), &["a"], "reset", early).await;
    check(&format!("{chunked}3\r\na\nb\r\n0"), &["a"], "reset", early).await;
}

/// The words are the library's from there on.
#[tokio::test]
async fn what_is_not_http_is_told_as_such() {
    let check = async |said: &str, lines: &[&str]| {
        let (listener, port) = listener().await;
        let mut fetching = fetching(port, Answer::Lines);
        let ((given, code, words), _) = tokio::join!(breaks(&mut fetching), answer_and_close(&listener, said));
        assert_eq!(given, lines, "{said}");
        assert_eq!(code, "protocol", "{said}");
        assert!(words.starts_with("the answer to the request for messages is wrong: "), "{words}");
    };
    check("SSH-2.0-OpenSSH_9.2\r\n\r\n", &[]).await;
    check("HTTP/1.1 200 OK\r\nno field\r\n\r\n", &[]).await;
    check(&format!("{OK}X: {}\r\n\r\n", "x".repeat(100_000)), &[]).await;
    check(&format!("{OK}Content-Length: x\r\n\r\n"), &[]).await;
    let chunked = format!("{OK}Transfer-Encoding: chunked\r\n\r\n");
    check(&format!("{chunked}zz\r\n"), &[]).await;
    check(&format!("{chunked}2\r\na\nbc\r\n"), &["a"]).await;
}

#[tokio::test]
async fn what_was_not_asked_for_is_refused() {
    let said = format!("{OK}Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx");
    check(&said, &[], "protocol", "the server encodes its answer (gzip), which was not asked for").await;
    let words = "the server answered the request for messages with 101 Switching Protocols";
    check("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", &[], "http-101", words).await;
}

#[tokio::test]
async fn a_port_that_refuses_or_resets_is_told_as_the_dial_tells_it() {
    let (refusing, port) = listener().await;
    drop(refusing);
    let (_, code, text) = breaks(&mut fetching(port, Answer::Whole)).await;
    assert_eq!((code.as_str(), text), ("refused", format!("nobody listens at 127.0.0.1:{port}")));
    let (listener, port) = listener().await;
    let mut fetching = fetching(port, Answer::Lines);
    let resetting = async {
        let (stream, _) = answer(&listener, &format!("{OK}Content-Length: 5\r\n\r\na\nb")).await;
        stream.set_zero_linger().unwrap();
    };
    let ((_, code, text), ()) = tokio::join!(breaks(&mut fetching), resetting);
    assert_eq!((code.as_str(), text.as_str()), ("reset", "the connection was reset"));
}

/// Sends until nobody listens any more.
async fn flood(listener: &TcpListener, head: &str, body: &[u8], most: usize) -> usize {
    let mut stream = accept_tcp(listener).await;
    request(&mut stream).await;
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut sent = 0;
    while sent < most && stream.write_all(body).await.is_ok() {
        sent += body.len();
    }
    let _ = stream.read_to_end(&mut Vec::new()).await;
    sent
}

#[tokio::test]
async fn a_line_that_does_not_end_ends_the_try() {
    const MIB: usize = 1024 * 1024;
    let (listener, port) = listener().await;
    let mut fetching = fetching(port, Answer::Lines);
    let head = format!("{OK}\r\nfirst\n");
    let flooding = flood(&listener, &head, &[b'x'; 4096], 64 * MIB);
    let trying = async {
        let seen = breaks(&mut fetching).await;
        drop(fetching);
        seen
    };
    let (seen, sent) = tokio::join!(trying, flooding);
    let words = "a line of the answer to the request for messages has more than 1048576 bytes";
    assert_eq!(seen, (vec!["first".to_owned()], "too-large".to_owned(), words.to_owned()));
    assert!(sent < 64 * MIB, "{sent}");
}

#[tokio::test]
async fn a_whole_answer_has_a_largest_size_and_may_be_that_large() {
    const MIB: usize = 1024 * 1024;
    let (listener, port) = listener().await;
    let piece = vec![b'x'; 64 * 1024];
    let words = "the answer to the request for messages has more than 32 MiB";
    for head in [format!("{OK}\r\n"), format!("{OK}Content-Length: {}\r\n\r\n", 32 * MIB + 1)] {
        let mut fetching = fetching(port, Answer::Whole);
        let trying = async {
            let seen = breaks(&mut fetching).await;
            drop(fetching);
            seen
        };
        let (seen, _) = tokio::join!(trying, flood(&listener, &head, &piece, 64 * MIB));
        assert_eq!(seen, (Vec::new(), "too-large".to_owned(), words.to_owned()), "{head}");
    }
    let mut fetching = fetching(port, Answer::Whole);
    let head = format!("{OK}Content-Length: {}\r\n\r\n", 32 * MIB);
    let trying = async {
        let seen = next(&mut fetching).await;
        drop(fetching);
        seen
    };
    match tokio::join!(trying, flood(&listener, &head, &piece, 32 * MIB)).0 {
        Event::Part(whole) => assert_eq!(whole.len(), 32 * MIB),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn statuses_that_will_not_change_are_final() {
    for status in [400, 404, 405, 410, 422] {
        let (listener, port) = listener().await;
        let mut fetching = fetching(port, Answer::Lines);
        let said = format!("HTTP/1.1 {status} No\r\nContent-Length: 5\r\n\r\nsorry");
        let (seen, _) = tokio::join!(next(&mut fetching), answer(&listener, &said));
        assert_eq!(seen, Event::Refused(status));
        is_over(&mut fetching).await;
    }
}

#[tokio::test]
async fn other_statuses_are_failures_that_may_pass() {
    let check = async |status: &str, code: &str, words: &str| {
        check(&format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n"), &[], code, words).await;
    };
    check("401 Unauthorized", "unauthorized", "the server refused the credentials (401 Unauthorized)").await;
    check("403 Forbidden", "unauthorized", "the server refused the credentials (403 Forbidden)").await;
    let words = |status: &str| format!("the server answered the request for messages with {status}");
    for (status, code) in [
        ("304 Not Modified", "http-304"),
        ("409 Conflict", "http-409"),
        ("429 Too Many Requests", "http-429"),
        ("500 Internal Server Error", "http-500"),
        ("503 Service Unavailable", "http-503"),
    ] {
        check(status, code, &words(status)).await;
    }
}
