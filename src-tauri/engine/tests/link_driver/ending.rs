//! How a socket ends: on our word, on the peer's, and when something breaks.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use heartwire_core::view::LinkState;
use heartwire_engine::driver::{Command, DriverEventKind};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::rig::{
    AGES, Clock, Link, accept, accept_raw, accept_tcp, connection, frame, listener, patient, read_to_end, request,
};

#[tokio::test]
async fn invariant_4_pausing_closes_with_1000_and_stopping_with_1001() {
    for (command, code) in [(Command::Pause, 1000), (Command::Stop, 1001)] {
        let (listener, port) = listener().await;
        let mut link = Link::start(patient(port));
        let mut server = accept(&listener).await;
        link.until(LinkState::Connected).await;
        link.handle.command(command);
        match timeout(AGES, server.next()).await.unwrap() {
            Some(Ok(Message::Close(Some(frame)))) => assert_eq!(u16::from(frame.code), code),
            other => panic!("{other:?}"),
        }
        // In good order: the end comes after the handshake, and as an end, not as a reset.
        assert!(timeout(AGES, server.next()).await.unwrap().is_none());
        link.until(if code == 1000 { LinkState::Paused } else { LinkState::Stopped }).await;
    }
}

#[tokio::test]
async fn invariant_4_a_peer_that_does_not_answer_the_close_is_left_after_a_second() {
    let (listener, port) = listener().await;
    let mut link = Link::start(patient(port));
    let mut server = accept_raw(&listener).await;
    link.until(LinkState::Connected).await;
    let asked = Clock::start();
    link.handle.command(Command::Stop);
    let (came, _) = read_to_end(&mut server).await;
    crate::rig::assert_about(asked.elapsed(), Duration::from_secs(1));
    assert_eq!(came[0], 0x88, "a close frame");
    let code = [came[6] ^ came[2], came[7] ^ came[3]];
    assert_eq!(u16::from_be_bytes(code), 1001);
    link.handle.join().await;
    assert!(asked.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn invariant_30_stopping_takes_at_most_a_second_from_any_state() {
    // While it dials, and while a consumer takes nothing.
    let (listener, port) = listener().await;
    let mut connection = connection(port);
    connection.connect_timeout = Duration::from_secs(600);
    let link = Link::with(connection, heartwire_engine::tls::TlsConfig::platform(), 1);
    let mut server = accept_tcp(&listener).await;
    request(&mut server).await;
    let asked = Clock::start();
    link.handle.command(Command::Stop);
    link.handle.join().await;
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    read_to_end(&mut server).await;

    // While it waits, and the driver says that it was the end.
    let mut waiting = patient(port);
    drop(listener);
    waiting.backoff.fixed = Some(Duration::from_secs(600));
    let mut link = Link::start(waiting);
    assert_eq!(link.lost().await.0, "refused");
    link.handle.command(Command::Stop);
    link.until(LinkState::Stopped).await;
    assert_eq!(link.next().await, DriverEventKind::Stopped);
    assert!(timeout(AGES, link.events.recv()).await.unwrap().is_none());
    assert!(!link.handle.command(Command::Start), "it has ended");
}

#[tokio::test]
async fn pausing_a_dial_drops_it_at_once_and_a_start_dials_again() {
    let (listener, port) = listener().await;
    let mut link = Link::start(patient(port));
    let mut server = accept_tcp(&listener).await;
    request(&mut server).await;
    link.handle.command(Command::Pause);
    let asked = Clock::start();
    read_to_end(&mut server).await;
    assert!(asked.elapsed() < Duration::from_millis(900), "{:?}", asked.elapsed());
    link.until(LinkState::Paused).await;
    link.handle.command(Command::Start);
    let _server = accept(&listener).await;
    link.until(LinkState::Connected).await;
}

#[tokio::test]
async fn dropping_the_handle_or_the_events_stops_the_driver() {
    let (listener, port) = listener().await;
    for drop_events in [false, true] {
        let mut link = Link::start(connection(port));
        let mut server = accept(&listener).await;
        link.until(LinkState::Connected).await;
        let Link { handle, events, .. } = link;
        let _kept = if drop_events {
            drop(events);
            // It notices when it has something to say, at the latest at the next state or message.
            server.send(Message::text("anyone?")).await.unwrap();
            (Some(handle), None)
        } else {
            drop(handle);
            (None, Some(events))
        };
        let close = loop {
            match timeout(AGES, server.next()).await.unwrap() {
                Some(Ok(Message::Close(Some(frame)))) => break frame,
                Some(Ok(Message::Text(_))) => {}
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(u16::from(close.code), 1001);
    }
}

#[tokio::test]
async fn invariant_20_a_close_by_the_peer_is_answered_and_dialled_again() {
    let (listener, port) = listener().await;
    let mut link = Link::start(patient(port));
    for (code, cause) in [(Some(1000), "closed-1000"), (Some(1011), "closed-1011"), (None, "closed-1005")] {
        let mut server = accept(&listener).await;
        let reason = "so \u{202e}long\n".into();
        let close = code.map(|code: u16| CloseFrame { code: code.into(), reason });
        server.close(close).await.unwrap();
        match timeout(AGES, server.next()).await.unwrap() {
            Some(Ok(Message::Close(answer))) => assert_eq!(answer.map(|frame| u16::from(frame.code)), code),
            other => panic!("{other:?}"),
        }
        let (code, text) = link.lost().await;
        assert_eq!(code, cause);
        assert!(text.starts_with("the server closed the connection"), "{text}");
        assert!(!text.contains(['\n', '\u{202e}']), "{text:?}");
    }
    accept(&listener).await;
}

#[tokio::test]
async fn a_connection_that_ends_without_a_word_is_dialled_again() {
    let (listener, port) = listener().await;
    let mut link = Link::start(patient(port));
    for reset in [true, false] {
        let server = accept_raw(&listener).await;
        link.until(LinkState::Connected).await;
        if reset {
            server.set_zero_linger().unwrap();
        }
        drop(server);
        let (code, text) = link.lost().await;
        assert_eq!(code, "reset", "{text}");
    }
    accept(&listener).await;
}

#[tokio::test]
async fn a_panic_costs_the_socket_and_not_the_link() {
    let (listener, port) = listener().await;
    let mut link = Link::start(patient(port));
    for _ in 0..2 {
        let mut server = accept_raw(&listener).await;
        link.until(LinkState::Connected).await;
        tokio::io::AsyncWriteExt::write_all(&mut server, &frame(1, b"boom")).await.unwrap();
        let (code, text) = link.lost().await;
        assert_eq!(code, "protocol", "{text}");
        read_to_end(&mut server).await;
    }
    let mut server = accept(&listener).await;
    server.send(Message::text("alive")).await.unwrap();
    assert_eq!(link.message().await, "alive");
}
