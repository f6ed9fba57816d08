//! How a socket ends: on our word, on the peer's, and when something breaks.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{FutureExt, SinkExt, StreamExt};
use heartwire_core::view::LinkState;
use heartwire_engine::driver::Command;
use heartwire_engine::tls::TlsConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};

use crate::rig::{
    AGES, Clock, EVERY, Link, Words, accept, accept_raw, accept_tcp, connection, frame, listener, patient, read_to_end,
    request,
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
async fn invariant_4_after_the_handshake_the_connection_ends_without_a_reset() {
    let (listener, port) = listener().await;
    let mut link = Link::start(patient(port));
    let mut server = accept_raw(&listener).await;
    link.until(LinkState::Connected).await;
    link.handle.command(Command::Pause);
    let mut close = [0; 8];
    server.read_exact(&mut close).await.unwrap();
    server.write_all(&frame(8, &1000_u16.to_be_bytes())).await.unwrap();
    assert_eq!(read_to_end(&mut server).await, (Vec::new(), false));
}

#[tokio::test]
async fn invariant_4_what_was_not_begun_is_not_sent_before_the_close() {
    let (listener, port) = listener().await;
    let mut link = Link::start(patient(port));
    let tcp = accept_raw(&listener).await;
    link.until(LinkState::Connected).await;
    let answer = link.send("x".repeat(12 << 20));
    // Long enough to fill what the system buffers; then the peer reads again.
    tokio::time::sleep(Duration::from_millis(200)).await;
    link.handle.command(Command::Pause);
    assert!(answer.await.unwrap().is_err());
    let mut server = WebSocketStream::from_raw_socket(tcp, Role::Server, None).await;
    match timeout(AGES, server.next()).await.unwrap() {
        Some(Ok(Message::Close(Some(frame)))) => assert_eq!(u16::from(frame.code), 1000),
        other => panic!("{:?}", other.map(|message| message.map(|message| message.len()))),
    }
}

#[tokio::test]
async fn invariant_30_stopping_takes_at_most_a_second_from_any_state() {
    // While it dials, and while a consumer takes nothing.
    let (listener, port) = listener().await;
    let mut connection = connection(port);
    connection.connect_timeout = Duration::from_secs(600);
    let link = Link::with(connection, TlsConfig::platform(), 1);
    let mut server = accept_tcp(&listener).await;
    request(&mut server).await;
    let asked = Clock::start();
    link.handle.command(Command::Stop);
    link.handle.join().await;
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    read_to_end(&mut server).await;

    // While it waits.
    let mut waiting = patient(port);
    drop(listener);
    waiting.backoff.fixed = Some(Duration::from_secs(600));
    let mut link = Link::start(waiting);
    assert_eq!(link.lost().await.0, "refused");
    link.handle.command(Command::Stop);
    link.until(LinkState::Stopped).await;
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
        server.write_all(&frame(1, b"boom")).await.unwrap();
        let (code, text) = link.lost().await;
        assert_eq!(code, "protocol", "{text}");
        read_to_end(&mut server).await;
    }
    let mut server = accept(&listener).await;
    server.send(Message::text("alive")).await.unwrap();
    assert_eq!(link.message().await, "alive");
}

#[tokio::test]
async fn a_panic_closes_the_socket_at_once_and_keeps_what_came_before_it() {
    let (listener, port) = listener().await;
    let mut link = Link::start(patient(port));
    let mut at_once = 0;
    for _ in 0..4 {
        let mut server = accept_raw(&listener).await;
        link.until(LinkState::Connected).await;
        let one_batch = [frame(1, b"before"), frame(1, b"it"), frame(1, b"boom"), frame(1, b"after")].concat();
        server.write_all(&one_batch).await.unwrap();
        read_to_end(&mut server).await;
        // The link tells of it after a rest. On a busy machine we may come as late as that, but not always.
        while link.next().now_or_never().is_some() {}
        let told = link.times(LinkState::Waiting);
        assert_eq!([link.message().await, link.message().await], ["before", "it"]);
        if told == 0 {
            at_once += 1;
            assert_eq!(link.lost().await.0, "protocol");
        }
        link.forget();
    }
    assert!(at_once > 0, "the socket is open while the link rests");
}

#[tokio::test]
async fn a_link_that_cannot_recover_from_a_panic_says_so_before_it_ends() {
    let (listener, port) = listener().await;
    let made = AtomicUsize::new(0);
    // One for the beginning and one for the socket; the one for the time after the panic fails.
    let maker = move || match made.fetch_add(1, Ordering::Relaxed) {
        0 | 1 => Words::boxed(),
        _ => panic!("there are no more dialects, as the test wants it"),
    };
    let mut link = Link::speaking(patient(port), TlsConfig::platform(), 1, Box::new(maker));
    let mut server = accept_raw(&listener).await;
    server.write_all(&frame(1, b"boom")).await.unwrap();
    let status = link.until(LinkState::Blocked).await;
    assert_eq!((status.retry_at, status.cause.unwrap().view().code.as_str()), (None, "protocol"));
    assert!(timeout(AGES, link.events.recv()).await.unwrap().is_none(), "that was its last word");
    read_to_end(&mut server).await;
    timeout(AGES, link.handle.join()).await.unwrap();
}

#[tokio::test]
async fn what_was_said_before_the_peer_left_is_read_though_nothing_can_be_written() {
    let (listener, port) = listener().await;
    // Nothing is taken for a while, so that nothing is read while heartbeats are sent into the void.
    let mut link = Link::with(connection(port), TlsConfig::platform(), 1);
    let mut server = accept_raw(&listener).await;
    server.write_all(&frame(1, b"first")).await.unwrap();
    tokio::time::sleep(EVERY).await;
    server.write_all(&[frame(1, b"second"), frame(9, b"ping"), frame(1, b"third")].concat()).await.unwrap();
    server.write_all(&frame(8, &1012_u16.to_be_bytes())).await.unwrap();
    drop(server);
    tokio::time::sleep(4 * EVERY).await;
    for expected in ["first", "second", "third"] {
        assert_eq!(link.message().await, expected);
    }
    assert_eq!(link.lost().await.0, "closed-1012");
}

#[tokio::test]
async fn what_waits_at_the_end_is_handed_over_to_a_consumer_that_still_takes() {
    let (listener, port) = listener().await;
    let mut link = Link::with(patient(port), TlsConfig::platform(), 1);
    let mut server = accept(&listener).await;
    server.send(Message::text("the last word")).await.unwrap();
    let read = async { while server.next().await.is_some_and(|message| message.is_ok()) {} };
    tokio::time::sleep(EVERY).await;
    link.handle.command(Command::Stop);
    let (message, ()) = tokio::join!(link.message(), read);
    assert_eq!(message, "the last word");
    link.until(LinkState::Stopped).await;
    assert!(timeout(AGES, link.events.recv()).await.unwrap().is_none());
}
