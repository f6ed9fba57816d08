//! What is too much, or not WebSocket at all.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use heartwire_core::dialect::{Dialect, Effects, Incoming, Opening};
use heartwire_core::view::LinkState;
use heartwire_engine::tls::TlsConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::rig::{
    AGES, Clock, Link, accept, accept_raw, assert_about, connection, frame, listener, patient, read_to_end,
};

const MIB: usize = 1 << 20;

#[tokio::test]
async fn invariant_28_a_message_above_the_limit_closes_with_1009_and_the_next_is_unaffected() {
    let (listener, port) = listener().await;
    let mut link = Link::start(patient(port));
    let mut server = accept(&listener).await;
    server.send(Message::text("x".repeat(MIB))).await.unwrap();
    assert_eq!(link.message().await.len(), MIB, "the limit itself is allowed");

    let (mut sink, mut stream) = server.split();
    // The server is still writing when it is told.
    let write = tokio::spawn(async move {
        let _ = sink.send(Message::text("x".repeat(MIB + 1))).await;
        sink
    });
    assert_eq!(close_code(timeout(AGES, stream.next()).await.unwrap()), 1009);
    let (code, text) = link.lost().await;
    assert_eq!(code, "too-large");
    assert_eq!(text, "the server sent a message of at least 1048577 bytes; the limit is 1048576");
    let _sink = write.await.unwrap();

    let mut server = accept(&listener).await;
    server.send(Message::text("small")).await.unwrap();
    assert_eq!(link.message().await, "small");
}

#[tokio::test]
async fn invariant_28_the_limit_holds_for_a_message_in_fragments() {
    let (listener, port) = listener().await;
    let mut link = Link::start(patient(port));
    let mut server = accept_raw(&listener).await;
    let half = vec![b'x'; MIB / 2];
    let (mut first, mut more) = (frame(1, &half), frame(0, &half));
    (first[0], more[0]) = (0x01, 0x00);
    let sent = [first, more.clone(), more].concat();
    let writing = async {
        // It may be cut off in the middle.
        let _ = server.write_all(&sent).await;
        close_in(&mut server).await
    };
    let (code, (cause, _)) = tokio::join!(writing, link.lost());
    assert_eq!((code, cause.as_str()), (1009, "too-large"));
}

#[tokio::test]
async fn invariant_28_a_peer_in_the_middle_of_writing_is_heard_out_so_that_it_reads_why() {
    let (listener, port) = listener().await;
    let mut link = Link::start(patient(port));
    let mut server = accept_raw(&listener).await;
    // Closing with unread data would reset the connection, and this write would fail.
    server.write_all(&frame(1, &vec![b'x'; 8 * MIB])).await.unwrap();
    assert_eq!(close_in(&mut server).await, 1009);
    drop(server);
    assert_eq!(link.lost().await.0, "too-large");
}

#[tokio::test]
async fn invariant_28_a_peer_that_ignores_our_close_is_left_after_a_second() {
    let (listener, port) = listener().await;
    let mut connection = connection(port);
    connection.heartbeat.timeout = Duration::from_secs(3600);
    let mut link = Link::start(connection);
    let mut server = accept_raw(&listener).await;
    link.until(LinkState::Connected).await;
    // A frame that says it has 2^40 bytes; then nothing is read any more. A heartbeat that falls due is not sent.
    server.write_all(&[0x82, 127, 0, 0, 1, 0, 0, 0, 0, 0]).await.unwrap();
    let told = Clock::start();
    assert_eq!(link.lost().await.0, "too-large");
    assert_about(told.elapsed(), Duration::from_millis(950));
    let (came, reset) = read_to_end(&mut server).await;
    assert_eq!((came.len(), reset), (8, true), "the close frame and nothing else, and then the end");
}

#[tokio::test]
async fn invariant_28_a_peer_that_broke_a_rule_is_left_though_its_messages_are_not_taken() {
    let (listener, port) = listener().await;
    let mut link = Link::with(patient(port), heartwire_engine::tls::TlsConfig::platform(), 1);
    let mut server = accept_raw(&listener).await;
    // A message that nobody takes, and in the same breath a frame that says it has 2^40 bytes.
    let sent = [frame(1, b"hello"), vec![0x82, 127, 0, 0, 1, 0, 0, 0, 0, 0]].concat();
    let told = Clock::start();
    server.write_all(&sent).await.unwrap();
    let (came, reset) = read_to_end(&mut server).await;
    assert!(told.elapsed() >= Duration::from_secs(1), "{:?}", told.elapsed());
    assert_eq!((came.len(), reset), (8, true), "the close frame, and the end");
    assert_eq!(link.message().await, "hello");
    assert_eq!(link.lost().await.0, "too-large");
}

#[tokio::test]
async fn what_is_not_websocket_is_refused_with_its_code() {
    let (listener, port) = listener().await;
    let mut link = Link::start(patient(port));
    let bad: [(&[u8], u16); 6] = [
        (&frame(1, b"\xff\xfe"), 1007),
        (&[0xc1, 1, 0x78], 1002),
        (&[0x81, 0x80, 0, 0, 0, 0], 1002),
        (&frame(0, b"continues nothing"), 1002),
        (&frame(3, b"reserved"), 1002),
        (&frame(9, &[b'p'; 126]), 1002),
    ];
    for (bytes, expected) in bad {
        let mut server = accept_raw(&listener).await;
        server.write_all(bytes).await.unwrap();
        assert_eq!(close_in(&mut server).await, expected, "{bytes:?}");
        drop(server);
        let (code, text) = link.lost().await;
        assert_eq!(code, "protocol", "{text}");
    }
    let mut server = accept(&listener).await;
    server.send(Message::text("fine")).await.unwrap();
    assert_eq!(link.message().await, "fine");
}

#[tokio::test]
async fn a_binary_frame_and_strange_texts_are_handed_on() {
    let (listener, port) = listener().await;
    let mut link = Link::start(patient(port));
    let mut server = accept(&listener).await;
    for text in ["", "\0", "<b>\u{202e}"] {
        server.send(Message::text(text)).await.unwrap();
        assert_eq!(link.message().await, text);
    }
    server.send(Message::binary(vec![0; 1000])).await.unwrap();
    assert_eq!(link.message().await, "");
}

fn close_code(message: Option<Result<Message, tokio_tungstenite::tungstenite::Error>>) -> u16 {
    match message {
        Some(Ok(Message::Close(Some(frame)))) => frame.code.into(),
        other => panic!("{other:?}"),
    }
}

/// The code of the close frame that the client sends.
pub async fn close_in(stream: &mut TcpStream) -> u16 {
    let mut frame = [0; 8];
    timeout(AGES, stream.read_exact(&mut frame)).await.unwrap().unwrap();
    assert_eq!(frame[0], 0x88, "{frame:?}");
    u16::from_be_bytes([frame[6] ^ frame[2], frame[7] ^ frame[3]])
}

/// Takes two milliseconds for a frame, and counts them.
struct Slow(Arc<AtomicUsize>);

impl Dialect for Slow {
    fn opened(&mut self, _: &Opening<'_>, effects: &mut Effects) {
        effects.ready = true;
    }

    fn frame(&mut self, _: Incoming<'_>, _: &mut Effects) {
        thread::sleep(Duration::from_millis(2));
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn much_to_read_leaves_others_their_turn_however_slow_the_dialect() {
    const FRAMES: usize = 200;
    let (listener, port) = listener().await;
    let read = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&read);
    let dialect = move || Box::new(Slow(Arc::clone(&counter))) as Box<dyn Dialect>;
    let _link = Link::speaking(patient(port), TlsConfig::platform(), 64, Box::new(dialect));
    let mut server = accept_raw(&listener).await;
    server.write_all(&frame(1, b"x").repeat(FRAMES)).await.unwrap();
    // They share one thread: this is polled between two turns of the link.
    let others = tokio::spawn(async move {
        let mut seen = BTreeSet::new();
        poll_fn(|cx| {
            seen.insert(read.load(Ordering::Relaxed));
            cx.waker().wake_by_ref();
            if seen.contains(&FRAMES) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        seen
    });
    let seen = timeout(AGES, others).await.unwrap().unwrap();
    assert!(seen.len() > 4, "all was read in {seen:?}");
}

/// Says how many frames it has when it is quiet. Each takes so long that they share no turn with many others.
struct Counting(usize);

impl Dialect for Counting {
    fn opened(&mut self, _: &Opening<'_>, effects: &mut Effects) {
        effects.ready = true;
    }

    fn frame(&mut self, _: Incoming<'_>, _: &mut Effects) {
        thread::sleep(Duration::from_micros(100));
        self.0 += 1;
    }

    fn quiet(&mut self, effects: &mut Effects) {
        effects.message(heartwire_core::message::Message::new("", "", &self.0.to_string(), 0));
    }
}

#[tokio::test]
async fn quiet_is_told_after_every_burst_whatever_its_length() {
    // A turn may end exactly with the last frame of some of these.
    for burst in (30..=33).chain(61..=64) {
        let (listener, port) = listener().await;
        let dialect = || Box::new(Counting(0)) as Box<dyn Dialect>;
        let mut link = Link::speaking(patient(port), TlsConfig::platform(), 64, Box::new(dialect));
        let mut server = accept_raw(&listener).await;
        server.write_all(&frame(1, b"x").repeat(burst)).await.unwrap();
        let told = timeout(AGES, async { while link.message().await != burst.to_string() {} }).await;
        assert!(told.is_ok(), "never quiet after {burst} frames");
    }
}
