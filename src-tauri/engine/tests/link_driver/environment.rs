//! Sleep and hints from this computer. The clock sleeps when a test says so.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use heartwire_core::cause::CauseCode;
use heartwire_core::view::LinkState;
use heartwire_engine::clock;
use heartwire_engine::driver::Command;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::rig::{AGES, Link, accept, accept_raw, listener, patient};

const HOUR: Duration = Duration::from_secs(3600);

async fn heard(server: &mut WebSocketStream<TcpStream>) -> String {
    let message = timeout(AGES, server.next()).await.expect("nothing is said").unwrap().unwrap();
    message.into_text().unwrap().to_string()
}

#[tokio::test]
async fn invariant_23_a_long_sleep_ends_the_socket_and_the_next_dial_starts_at_once() {
    let (listener, port) = listener().await;
    let (clock, leap) = clock::Clock::leaping();
    let mut link = Link::sleeping(patient(port), clock);
    let mut old = accept_raw(&listener).await;
    link.until(LinkState::Connected).await;
    leap.sleep(2 * HOUR);
    link.handle.command(Command::Resumed(Duration::ZERO));
    let (code, words) = link.lost().await;
    assert_eq!((code.as_str(), words.as_str()), ("slept", "this computer was asleep for 2 h 0 min"));
    let _new = accept(&listener).await;
    link.until(LinkState::Connected).await;
    assert!(old.read_u8().await.is_err(), "the old socket is gone");
}

#[tokio::test]
async fn invariant_23_the_clock_itself_is_enough_and_what_came_before_the_sleep_is_kept() {
    let (listener, port) = listener().await;
    let (clock, leap) = clock::Clock::leaping();
    let mut link = Link::sleeping(patient(port), clock);
    let mut server = accept(&listener).await;
    link.until(LinkState::Connected).await;
    // Nobody tells of the wake: the driver runs because something came, and sees that time is missing.
    leap.sleep(2 * HOUR);
    server.send(Message::text("before the sleep")).await.unwrap();
    assert_eq!(link.message().await, "before the sleep");
    let status = link.until(LinkState::Waiting).await;
    assert_eq!(status.cause.unwrap().code, CauseCode::Slept);
    assert!(status.silent_for >= 2 * HOUR, "what was read came before the sleep: {:?}", status.silent_for);
    let _new = accept(&listener).await;
    link.until(LinkState::Connected).await;
}

#[tokio::test]
async fn invariant_23_after_a_short_sleep_the_peer_is_asked_at_once() {
    let (listener, port) = listener().await;
    let (clock, leap) = clock::Clock::leaping();
    let mut link = Link::sleeping(patient(port), clock);
    let mut server = accept(&listener).await;
    link.until(LinkState::Connected).await;
    leap.sleep(HOUR / 2);
    link.handle.command(Command::Resumed(Duration::ZERO));
    assert_eq!(heard(&mut server).await, "beat");
    server.send(Message::text("beat")).await.unwrap();
    link.round_trip().await;
    assert_eq!(link.times(LinkState::Waiting), 0);
}

#[tokio::test]
async fn invariant_23_a_wake_told_twice_or_without_missing_time_costs_nothing() {
    let (listener, port) = listener().await;
    let (clock, leap) = clock::Clock::leaping();
    let mut link = Link::sleeping(patient(port), clock);
    let _old = accept_raw(&listener).await;
    link.until(LinkState::Connected).await;
    leap.sleep(2 * HOUR);
    for _ in 0..3 {
        link.handle.command(Command::Resumed(Duration::ZERO));
        link.handle.command(Command::NetworkChanged);
    }
    let mut server = accept(&listener).await;
    link.until(LinkState::Connected).await;
    link.handle.command(Command::Resumed(Duration::ZERO));
    assert_eq!(heard(&mut server).await, "beat");
    server.send(Message::text("beat")).await.unwrap();
    assert!(timeout(Duration::from_millis(500), listener.accept()).await.is_err(), "a second dial");
}

#[tokio::test]
async fn invariant_24_a_network_change_that_leaves_the_path_only_asks() {
    let (listener, port) = listener().await;
    let mut link = Link::start(patient(port));
    let mut server = accept(&listener).await;
    link.until(LinkState::Connected).await;
    link.handle.command(Command::NetworkChanged);
    assert_eq!(heard(&mut server).await, "beat");
    server.send(Message::text("beat")).await.unwrap();
    link.round_trip().await;
    assert_eq!(link.times(LinkState::Waiting), 0);
}

#[tokio::test]
async fn invariant_23_a_sleep_that_no_clock_shows_is_taken_from_whoever_tells_of_it() {
    let (listener, port) = listener().await;
    let mut connection = patient(port);
    connection.heartbeat.every = Duration::from_millis(50);
    connection.heartbeat.timeout = Duration::from_secs(1);
    let mut link = Link::start(connection);
    let mut server = accept(&listener).await;
    link.until(LinkState::Connected).await;
    let up = Instant::now();
    let slept = Duration::from_millis(1_100);
    while up.elapsed() < slept {
        heard(&mut server).await;
        server.send(Message::text("beat")).await.unwrap();
        link.round_trip().await;
    }
    // On such a computer this time was slept through.
    link.handle.command(Command::Resumed(slept));
    assert_eq!(link.lost().await.0, "slept");
    let _new = accept(&listener).await;
    // News that is older than the socket says nothing of it.
    link.until(LinkState::Connected).await;
    link.handle.command(Command::Resumed(2 * HOUR));
    assert!(timeout(Duration::from_millis(300), listener.accept()).await.is_err(), "it is dialled again");
}
