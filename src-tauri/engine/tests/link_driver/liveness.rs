//! Life and death on a real socket.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use heartwire_core::dialect::{Dialect, Effects, Incoming, Opening};
use heartwire_core::link::HeartbeatKind;
use heartwire_core::view::LinkState;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;

use crate::rig::{
    AGES, Clock, EVERY, Link, TIMEOUT, Words, accept, accept_raw, assert_about, connection, frame, listener, patient,
    read_to_end,
};

#[tokio::test]
async fn invariant_1_a_silent_peer_is_noticed_in_time_and_not_before() {
    let kinds = [HeartbeatKind::Text("beat".to_owned()), HeartbeatKind::Ping, HeartbeatKind::Own, HeartbeatKind::None];
    for kind in kinds {
        let (listener, port) = listener().await;
        let mut connection = connection(port);
        connection.heartbeat.kind = kind.clone();
        let mut link = Link::start(connection);
        // It neither reads nor answers, and it does not close.
        let _silent = accept_raw(&listener).await;
        let up = Clock::start();
        link.until(LinkState::Connected).await;
        let (code, text) = link.lost().await;
        // The clock here starts a little before the link's.
        assert_about(up.elapsed(), EVERY + TIMEOUT);
        assert_eq!(code, "heartbeat-timeout", "{kind:?}");
        let expected = match kind {
            HeartbeatKind::None => "nothing received for 600 ms",
            HeartbeatKind::Text(_) | HeartbeatKind::Ping | HeartbeatKind::Own => {
                "no answer to the heartbeat within 300 ms"
            }
        };
        assert_eq!(text, expected);
        let _again = accept_raw(&listener).await;
    }
}

/// The server has a thread of its own; the link's thread is kept from running in the worst moment.
#[tokio::test]
async fn invariant_1_our_own_lateness_is_not_the_peers_death() {
    const LATENESS: [u64; 5] = [100, 2, 5, 10, 300];
    let (listener, port) = listener().await;
    let mut link = Link::start(connection(port));
    let (asked, mut answering) = tokio::sync::mpsc::unbounded_channel();
    let server = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let mut server = accept(&listener).await;
            for _ in 0..=LATENESS.len() {
                assert_eq!(timeout(AGES, server.next()).await.unwrap().unwrap().unwrap(), Message::text("beat"));
                asked.send(()).unwrap();
                server.send(Message::text("beat")).await.unwrap();
            }
        });
    });
    link.until(LinkState::Connected).await;
    for late in LATENESS {
        timeout(AGES, answering.recv()).await.unwrap().unwrap();
        // The answer is there, but the deadline has passed when it can be read, be it long ago or just now.
        std::thread::sleep(TIMEOUT + Duration::from_millis(late));
        link.round_trip().await;
        assert_eq!(link.times(LinkState::Waiting), 0);
    }
    timeout(AGES, answering.recv()).await.unwrap().unwrap();
    server.join().unwrap();
}

#[tokio::test]
async fn invariant_2_the_bound_holds_while_a_large_send_is_stalled() {
    let (listener, port) = listener().await;
    let mut link = Link::start(connection(port));
    let silent = accept_raw(&listener).await;
    let up = Clock::start();
    link.until(LinkState::Connected).await;
    let answer = link.send("x".repeat(8 << 20));
    assert_eq!(link.lost().await.0, "heartbeat-timeout");
    assert_about(up.elapsed(), EVERY + TIMEOUT);
    assert!(answer.await.unwrap().is_err(), "whoever sent it is told that it did not go out");
    drop(silent);
}

#[tokio::test]
async fn invariant_3_a_dead_sockets_descriptor_is_closed_at_once_with_a_reset() {
    let (listener, port) = listener().await;
    let mut link = Link::start(connection(port));
    let mut silent = accept_raw(&listener).await;
    link.lost().await;
    let told = Clock::start();
    let (_, reset) = read_to_end(&mut silent).await;
    assert!(reset, "closed by a reset, not in good order with a handshake that nobody answers");
    assert!(told.elapsed() < Duration::from_millis(500), "{:?}", told.elapsed());
}

#[tokio::test]
async fn invariant_5_a_large_message_that_trickles_in_is_alive() {
    let (listener, port) = listener().await;
    let mut link = Link::start(connection(port));
    let mut server = accept_raw(&listener).await;
    let whole = frame(1, "slow but steady ".repeat(60).as_bytes());
    let trickle = async {
        for piece in whole.chunks(whole.len() / 20) {
            server.write_all(piece).await.unwrap();
            sleep(Duration::from_millis(75)).await;
        }
    };
    let took = Clock::start();
    let (message, ()) = tokio::join!(link.message(), trickle);
    assert!(took.elapsed() > 2 * (EVERY + TIMEOUT), "slow enough to matter: {:?}", took.elapsed());
    assert_eq!(message.len(), 960);
    assert_eq!(link.times(LinkState::Waiting), 0);
}

#[tokio::test]
async fn invariant_6_what_arrives_does_not_suppress_a_keepalive_that_the_server_needs() {
    let (listener, port) = listener().await;
    let mut connection = connection(port);
    connection.heartbeat.always = true;
    let mut link = Link::start(connection);
    let (mut sink, mut stream) = accept(&listener).await.split();
    let talk = async {
        loop {
            sink.send(Message::text("news")).await.unwrap();
            sleep(Duration::from_millis(40)).await;
        }
    };
    let hear = async {
        for _ in 0..3 {
            assert_eq!(timeout(AGES, stream.next()).await.unwrap().unwrap().unwrap(), Message::text("beat"));
        }
    };
    let read = async {
        loop {
            link.message().await;
        }
    };
    tokio::select! {
        () = hear => {}
        () = talk => {}
        () = read => {}
    }
}

#[tokio::test]
async fn invariant_7_an_answer_is_a_round_trip_and_no_message_and_everything_else_is_one() {
    let (listener, port) = listener().await;
    let mut link = Link::start(connection(port));
    let mut server = accept(&listener).await;
    for round in 0..3 {
        assert_eq!(timeout(AGES, server.next()).await.unwrap().unwrap().unwrap(), Message::text("beat"));
        server.send(Message::text("beat")).await.unwrap();
        server.send(Message::text(format!("beat {round}"))).await.unwrap();
        let time = link.round_trip().await;
        assert!(time < Duration::from_secs(1), "{time:?}");
        assert_eq!(link.message().await, format!("beat {round}"));
    }
    assert_eq!(link.times(LinkState::Waiting), 0);
}

#[tokio::test]
async fn a_pong_answers_only_the_ping_it_belongs_to() {
    let (listener, port) = listener().await;
    let mut connection = connection(port);
    connection.heartbeat.kind = HeartbeatKind::Ping;
    let mut link = Link::start(connection);
    let mut server = accept_raw(&listener).await;
    let mut ping = [0; 14];
    server.read_exact(&mut ping).await.unwrap();
    assert_eq!(ping[0], 0x89);
    let payload: Vec<u8> = ping[6..].iter().zip(ping[2..6].iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    server.write_all(&frame(10, b"unasked")).await.unwrap();
    server.write_all(&frame(1, b"first")).await.unwrap();
    assert_eq!(link.message().await, "first");
    assert!(!link.seen.iter().any(|kind| matches!(kind, heartwire_engine::driver::DriverEventKind::RoundTrip(_))));
    server.write_all(&frame(10, &payload)).await.unwrap();
    link.round_trip().await;
}

#[tokio::test]
async fn invariant_9_a_servers_ping_is_answered_while_the_link_is_idle() {
    let (listener, port) = listener().await;
    let mut link = Link::start(patient(port));
    let mut server = accept(&listener).await;
    link.until(LinkState::Connected).await;
    for payload in ["one", "two", "three"] {
        server.send(Message::Ping(payload.into())).await.unwrap();
        let pong = timeout(AGES, server.next()).await.expect("no pong").unwrap().unwrap();
        assert_eq!(pong, Message::Pong(payload.into()));
    }
}

#[tokio::test]
async fn invariant_10_a_slow_consumer_stops_the_reading_and_not_the_link() {
    const COUNT: usize = 20_000;
    let (listener, port) = listener().await;
    let mut link = Link::with(connection(port), heartwire_engine::tls::TlsConfig::platform(), 1);
    let (mut sink, mut stream) = accept(&listener).await.split();
    // Somebody reads our side, so that heartbeats do not fill the pipe.
    tokio::spawn(async move { while stream.next().await.is_some_and(|message| message.is_ok()) {} });
    let padding = "x".repeat(1_000);
    let flood = tokio::spawn(async move {
        for number in 0..COUNT {
            sink.send(Message::text(format!("{number} {padding}"))).await.unwrap();
        }
        sink
    });
    // Nobody takes an event for several times as long as a dead link is given.
    sleep(3 * (EVERY + TIMEOUT)).await;
    assert!(!flood.is_finished(), "what is not taken is not read either");
    for number in 0..COUNT {
        let message = link.message().await;
        assert_eq!(message.split(' ').next(), Some(number.to_string().as_str()), "in order, and none is missing");
    }
    assert_eq!(link.times(LinkState::Waiting), 0, "our own paused reading is not the peer's death: {:?}", link.seen);
    let _sink = flood.await.unwrap();
}

#[tokio::test]
async fn invariant_10_a_handshake_does_not_fail_while_nobody_takes_what_came_before() {
    const CONNECT: Duration = Duration::from_millis(500);
    let (listener, port) = listener().await;
    let mut connection = patient(port);
    connection.connect_timeout = CONNECT;
    let handshake: fn() -> Box<dyn Dialect> = || Box::new(Shaken);
    let mut link = Link::speaking(connection, heartwire_engine::tls::TlsConfig::platform(), 1, Box::new(handshake));
    let mut first = accept_raw(&listener).await;
    // In one piece, so that the socket is over before anybody could have taken the message.
    let last_words = [frame(1, b"shaken"), frame(1, b"one"), frame(8, &1001_u16.to_be_bytes())].concat();
    first.write_all(&last_words).await.unwrap();
    let mut second = accept_raw(&listener).await;
    second.write_all(&frame(1, b"shaken")).await.unwrap();
    assert!(timeout(4 * CONNECT, listener.accept()).await.is_err(), "our own paused reading is not the peer's failure");
    link.until(LinkState::Connected).await;
    assert_eq!(link.message().await, "one");
    link.until(LinkState::Connected).await;
    assert_eq!(link.times(LinkState::Waiting), 1, "{:?}", link.seen);
}

/// Connected with the text `shaken`; everything else is for [`Words`].
struct Shaken;

impl Dialect for Shaken {
    fn opened(&mut self, _: &Opening<'_>, _: &mut Effects) {}

    fn frame(&mut self, frame: Incoming<'_>, effects: &mut Effects) {
        match frame {
            Incoming::Text("shaken") => effects.ready = true,
            _ => Words.frame(frame, effects),
        }
    }
}

#[tokio::test]
async fn a_text_that_is_sent_arrives_whole_whatever_its_size() {
    let (listener, port) = listener().await;
    let mut link = Link::start(patient(port));
    let mut server = accept(&listener).await;
    link.until(LinkState::Connected).await;
    for size in [0, 1, 65_535, 65_536, 65_537, 3 << 20] {
        let text = "ä".repeat(size / 2) + &"b".repeat(size % 2);
        let answer = link.send(text.clone());
        let came = timeout(AGES, server.next()).await.unwrap().unwrap().unwrap();
        assert!(came == Message::text(text), "{size} bytes");
        assert_eq!(answer.await.unwrap(), Ok(()));
    }
}

#[tokio::test]
async fn a_slow_reader_sees_a_ping_between_the_fragments_of_a_long_text() {
    let (listener, port) = listener().await;
    // So that the system does not take the whole text at once.
    SockRef::from(&listener).set_recv_buffer_size(64 * 1024).unwrap();
    let mut connection = connection(port);
    connection.heartbeat.kind = HeartbeatKind::Ping;
    connection.heartbeat.timeout = Duration::from_secs(3600);
    let mut link = Link::start(connection);
    let mut server = accept_raw(&listener).await;
    link.until(LinkState::Connected).await;
    let text = link.send("x".repeat(12 << 20));
    // Nothing is read until a heartbeat is due.
    sleep(2 * EVERY).await;
    let mut opcodes = Vec::new();
    let mut whole = 0;
    loop {
        let (first, length) = masked_frame(&mut server).await;
        opcodes.push(first);
        whole += if first & 0x0f == 9 { 0 } else { length };
        if [0x80, 0x81].contains(&first) {
            break;
        }
    }
    assert_eq!(whole, 12 << 20);
    assert_eq!(opcodes.first(), Some(&0x01), "the text is in fragments");
    assert!(opcodes.contains(&0x89), "the ping waits behind all of them");
    assert_eq!(timeout(AGES, text).await.unwrap().unwrap(), Ok(()));
}

/// Reads one frame of a client: its first byte, and how long it was.
async fn masked_frame(stream: &mut TcpStream) -> (u8, u64) {
    let (first, short) = (stream.read_u8().await.unwrap(), stream.read_u8().await.unwrap() & 0x7f);
    let length = match short {
        126 => u64::from(stream.read_u16().await.unwrap()),
        127 => stream.read_u64().await.unwrap(),
        short => u64::from(short),
    };
    let mut payload = vec![0; 4 + usize::try_from(length).unwrap()];
    timeout(AGES, stream.read_exact(&mut payload)).await.unwrap().unwrap();
    (first, length)
}

#[tokio::test]
async fn the_opening_frames_are_sent_after_each_opening() {
    let (listener, port) = listener().await;
    let mut connection = patient(port);
    connection.on_open = vec![r#"{"id":"a1b2c3"}"#.to_owned(), "second".to_owned()];
    let _link = Link::start(connection);
    for _ in 0..2 {
        let mut server = accept(&listener).await;
        for expected in [r#"{"id":"a1b2c3"}"#, "second"] {
            assert_eq!(timeout(AGES, server.next()).await.unwrap().unwrap().unwrap(), Message::text(expected));
        }
    }
}
