//! Rules of RFC 6455 that the Autobahn suite does not ask for, or asks for so well that they are kept here too, where they are
//! asked each time. The whole suite is `cargo xtask autobahn`.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::limits::close_in;
use crate::rig::{AGES, Link, accept_raw, accept_tcp, frame, listener, patient, request};

/// Accepts the upgrade with one more header field.
async fn granted_with(field: &str) -> Link {
    let (listener, port) = listener().await;
    let link = Link::start(patient(port));
    let mut server = accept_tcp(&listener).await;
    let request = request(&mut server).await;
    assert!(!request.to_lowercase().contains("sec-websocket-extensions"), "{request}");
    let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    let accept = derive_accept_key(key.as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{field}\r\n\r\n"
    );
    server.write_all(answer.as_bytes()).await.unwrap();
    server.write_all(&frame(1, b"hello")).await.unwrap();
    // It stays until the link has decided.
    tokio::spawn(async move { server.read_to_end(&mut Vec::new()).await });
    link
}

#[tokio::test]
async fn an_extension_that_was_not_offered_is_refused() {
    let mut link = granted_with("Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=15").await;
    let (code, text) = link.lost().await;
    assert_eq!(code, "protocol");
    let words = "the server uses an extension of WebSocket that was not offered \
                 (permessage-deflate; server_max_window_bits=15)";
    assert_eq!(text, words);
}

#[tokio::test]
async fn an_empty_list_of_extensions_is_none() {
    let mut link = granted_with("Sec-WebSocket-Extensions: ").await;
    assert_eq!(link.message().await, "hello");
}

#[tokio::test]
async fn a_close_frame_that_breaks_a_rule_is_answered_with_its_code() {
    let (listener, port) = listener().await;
    let mut link = Link::start(patient(port));
    let with_code = |code: u16, reason: &[u8]| frame(8, &[&code.to_be_bytes(), reason].concat());
    let bad = [
        (frame(8, b"\x03"), 1002),
        (with_code(999, b""), 1002),
        (with_code(1005, b""), 1002),
        (with_code(1006, b""), 1002),
        (with_code(1015, b""), 1002),
        (with_code(5000, b""), 1002),
        (with_code(1000, b"\xff\xfe"), 1007),
        (with_code(1000, &[b'x'; 124]), 1002),
    ];
    for (bytes, expected) in bad {
        let mut server = accept_raw(&listener).await;
        server.write_all(&bytes).await.unwrap();
        assert_eq!(close_in(&mut server).await, expected, "{bytes:?}");
        drop(server);
        let (cause, text) = link.lost().await;
        // The library reports a code that may not be sent as 1002, as if the server had said that.
        assert!(["protocol", "closed-1002"].contains(&cause.as_str()), "{bytes:?}: {cause}, {text}");
    }
}

#[tokio::test]
async fn a_message_in_fragments_is_one_whatever_comes_between_and_wherever_it_is_cut() {
    let (listener, port) = listener().await;
    let mut link = Link::start(patient(port));
    let mut server = accept_raw(&listener).await;
    // The euro sign has three bytes; the cuts are inside it, an empty fragment and a ping between them.
    let (mut first, mut more) = (frame(1, b"5 \xe2"), frame(0, b"\x82"));
    (first[0], more[0]) = (0x01, 0x00);
    let mut empty = frame(0, b"");
    empty[0] = 0x00;
    let sent = [first, empty, frame(9, b"there?"), more, frame(0, b"\xac\n")].concat();
    // One byte at a time, as a network may.
    server.set_nodelay(true).unwrap();
    for byte in sent {
        server.write_all(&[byte]).await.unwrap();
    }
    assert_eq!(link.message().await, "5 €\n");
    let mut pong = [0; 12];
    timeout(AGES, server.read_exact(&mut pong)).await.unwrap().unwrap();
    let payload: Vec<u8> = pong[6..].iter().zip(pong[2..6].iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    assert_eq!((pong[0], pong[1], payload.as_slice()), (0x8a, 0x86, b"there?".as_slice()));
}

#[tokio::test]
async fn every_message_before_a_broken_frame_is_delivered_though_both_came_in_one_piece() {
    let (listener, port) = listener().await;
    let mut link = Link::start(patient(port));
    let mut server = accept_raw(&listener).await;
    let mut reserved = frame(1, b"reserved bit");
    reserved[0] |= 0x40;
    let sent = [frame(1, b"one"), frame(1, b"two"), reserved, frame(1, b"three")].concat();
    server.write_all(&sent).await.unwrap();
    assert_eq!((link.message().await, link.message().await), ("one".to_owned(), "two".to_owned()));
    assert_eq!(close_in(&mut server).await, 1002);
    drop(server);
    assert_eq!(link.lost().await.0, "protocol");
    // What came behind the broken frame is not read as if nothing had been.
    let mut server = accept_raw(&listener).await;
    server.write_all(&frame(1, b"anew")).await.unwrap();
    assert_eq!(link.message().await, "anew");
}
