//! What a hostile or broken server may send, through the plain dialect as people use it.

use futures_util::{SinkExt, StreamExt};
use heartwire_core::settings::{Connection, MessageSettings};
use heartwire_core::view::LinkState;
use heartwire_engine::driver::{ConnectionId, DriverOptions};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::rig::{AGES, Link, accept, accept_raw, frame, listener, patient};

const MIB: usize = 1 << 20;

/// The plain dialect with the templates of `config/default.toml`.
fn plain(port: u16) -> Connection {
    let mut connection = patient(port);
    connection.dialect.message = MessageSettings {
        title: "{{ json.title | default(connection) }}".to_owned(),
        body: "{{ json.text | default(text) }}".to_owned(),
        id: "{{ json.id }}".to_owned(),
        ignore: vec!["json.type == 'ack'".to_owned()],
    };
    connection
}

fn start(port: u16) -> Link {
    Link::made_of(DriverOptions::new(ConnectionId(7), plain(port)), 64)
}

#[tokio::test]
async fn a_frame_of_64_mib_is_refused_with_1009_and_the_next_message_is_unaffected() {
    let (listener, port) = listener().await;
    let mut link = start(port);
    let (mut reading, mut writing) = accept_raw(&listener).await.into_split();
    // All of it is sent, for as long as somebody takes it.
    let flood = tokio::spawn(async move { writing.write_all(&frame(1, &vec![b'x'; 64 * MIB])).await.is_ok() });
    assert_eq!(close_in(&mut reading).await, 1009);
    let (code, text) = link.lost().await;
    assert_eq!(code, "too-large");
    assert!(text.ends_with("the limit is 1048576"), "{text}");
    timeout(AGES, flood).await.expect("the server is held up for ever").unwrap();
    next_is_unaffected(&listener, &mut link).await;
}

#[tokio::test]
async fn text_that_is_not_utf_8_is_refused_with_1007_and_the_next_message_is_unaffected() {
    let (listener, port) = listener().await;
    let mut link = start(port);
    let bad: [&[u8]; 5] = [b"\xff", b"fine \xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf"];
    for text in bad {
        let mut server = accept_raw(&listener).await;
        server.write_all(&frame(1, text)).await.unwrap();
        assert_eq!(close_in(&mut server).await, 1007, "{text:?}");
        drop(server);
        assert_eq!(link.lost().await.0, "protocol");
    }
    next_is_unaffected(&listener, &mut link).await;
}

/// Whatever it is, it is told as text, and the socket stays.
#[tokio::test]
async fn json_100_000_deep_is_a_message_like_any_text() {
    const DEEP: usize = 100_000;
    let (listener, port) = listener().await;
    let mut link = start(port);
    let mut server = accept(&listener).await;
    let (open, close) = (r#"{"a":"#, "}");
    let deep = [
        "[".repeat(DEEP) + &"]".repeat(DEEP),
        open.repeat(DEEP) + "1" + &close.repeat(DEEP),
        // It never ends.
        "[".repeat(DEEP),
        open.repeat(DEEP),
        format!(r#"{{"text":{}{}}}"#, "[".repeat(DEEP), "]".repeat(DEEP)),
    ];
    for text in deep {
        server.send(Message::text(text.clone())).await.unwrap();
        assert!(!link.message().await.is_empty());
        server.send(Message::text(r#"{"text":"unaffected"}"#)).await.unwrap();
        assert_eq!(link.message().await, "unaffected");
    }
    assert_eq!(link.times(LinkState::Waiting), 0);
    server.close(None).await.unwrap();
    while server.next().await.is_some_and(|message| message.is_ok()) {}
}

async fn next_is_unaffected(listener: &TcpListener, link: &mut Link) {
    let mut server = accept(listener).await;
    server.send(Message::text(r#"{"text":"unaffected"}"#)).await.unwrap();
    assert_eq!(link.message().await, "unaffected");
}

/// The code of the close frame that the client sends.
async fn close_in(stream: &mut (impl AsyncRead + Unpin)) -> u16 {
    let mut frame = [0; 8];
    timeout(AGES, stream.read_exact(&mut frame)).await.unwrap().unwrap();
    assert_eq!(frame[0], 0x88, "{frame:?}");
    u16::from_be_bytes([frame[6] ^ frame[2], frame[7] ^ frame[3]])
}
