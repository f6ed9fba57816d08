//! Coming back.

use std::time::Duration;

use futures_util::StreamExt;
use heartwire_core::link::NotSent;
use heartwire_core::view::LinkState;
use heartwire_engine::driver::{Command, DriverEventKind};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::rig::{AGES, Clock, Link, accept, accept_raw, connection, listener, patient};

#[tokio::test]
async fn invariant_11_the_old_socket_is_gone_when_the_next_one_comes() {
    let (listener, port) = listener().await;
    let mut link = Link::start(patient(port));
    let mut old: Option<TcpStream> = None;
    for _ in 0..6 {
        let new = accept_raw(&listener).await;
        if let Some(old) = &mut old {
            // Everything it will ever say is already here.
            let mut rest = Vec::new();
            let _ = timeout(Duration::from_millis(50), old.read_to_end(&mut rest)).await.expect("it is still open");
        }
        old = Some(new);
        link.until(LinkState::Connected).await;
        link.dial_now();
    }
}

#[tokio::test]
async fn invariant_22_wake_network_change_and_reconnect_now_together_cause_one_dial() {
    let (listener, port) = listener().await;
    let mut connection = patient(port);
    connection.backoff.fixed = Some(Duration::from_secs(600));
    let mut link = Link::start(connection);
    drop(accept(&listener).await);
    link.until(LinkState::Waiting).await;
    for command in [
        Command::Resumed(Duration::ZERO),
        Command::NetworkChanged,
        Command::Reconnect,
        Command::Resumed(Duration::ZERO),
    ] {
        link.handle.command(command);
    }
    let _server = accept(&listener).await;
    link.until(LinkState::Connected).await;
    assert!(timeout(Duration::from_millis(500), listener.accept()).await.is_err(), "a second dial");
}

#[tokio::test]
async fn a_server_that_comes_back_is_found_by_itself() {
    let (first, port) = listener().await;
    let mut link = Link::start(connection(port));
    drop(accept(&first).await);
    drop(first);
    assert_eq!(link.lost().await.0, "reset");
    assert_eq!(link.lost().await.0, "refused");
    // The port may be taken by the link's own dials for a moment: a dial to itself is what TCP allows.
    let second = loop {
        match tokio::net::TcpListener::bind(("127.0.0.1", port)).await {
            Ok(listener) => break listener,
            Err(_) => sleep(Duration::from_millis(20)).await,
        }
    };
    let _server = accept(&second).await;
    let status = link.until(LinkState::Connected).await;
    assert_eq!((status.attempt, status.cause), (0, None));
}

#[tokio::test]
async fn what_waits_says_for_how_long() {
    let (listener, port) = listener().await;
    let mut connection = patient(port);
    connection.backoff.fixed = Some(Duration::from_secs(60));
    let mut link = Link::start(connection);
    drop(accept(&listener).await);
    let retry_in = loop {
        if let DriverEventKind::Status(status, retry_in) = link.next().await
            && status.state == LinkState::Waiting
        {
            break retry_in.unwrap();
        }
    };
    assert!((Duration::from_secs(54)..=Duration::from_secs(66)).contains(&retry_in), "{retry_in:?}");
}

#[tokio::test]
async fn invariant_27_what_one_socket_did_not_get_rid_of_is_told_and_never_said_again() {
    let (listener, port) = listener().await;
    let mut link = Link::start(connection(port));
    let silent = accept_raw(&listener).await;
    link.until(LinkState::Connected).await;
    let stalled = link.send("x".repeat(12 << 20));
    let behind = link.send("behind it");
    let too_much = link.send("y".repeat(12 << 20));
    assert_eq!(too_much.await.unwrap(), Err(NotSent::Full), "what waits is bounded");
    link.lost().await;
    assert_eq!(stalled.await.unwrap(), Err(NotSent::Lost));
    assert_eq!(behind.await.unwrap(), Err(NotSent::NotConnected));
    let meanwhile = link.send("while it waits");
    drop(silent);

    let mut server = accept(&listener).await;
    let first = timeout(AGES, server.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(first.to_text().unwrap(), "while it waits", "nothing of the socket before");
    assert_eq!(meanwhile.await.unwrap(), Ok(()));
    let second = timeout(AGES, server.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(second.to_text().unwrap(), "beat");
}

#[tokio::test]
async fn invariant_27_a_paused_link_takes_no_text_and_gives_up_those_that_wait() {
    let (listener, port) = listener().await;
    let mut connection = patient(port);
    connection.backoff.fixed = Some(Duration::from_secs(600));
    let mut link = Link::start(connection);
    drop(accept(&listener).await);
    link.until(LinkState::Waiting).await;
    let waiting = link.send("one");
    link.handle.command(Command::Pause);
    let late = link.send("two");
    assert_eq!(waiting.await.unwrap(), Err(NotSent::NotConnected));
    assert_eq!(late.await.unwrap(), Err(NotSent::NotConnected));
}

/// Descriptors and tasks come back: a small stand-in for the ten thousand cycles.
#[tokio::test]
async fn invariant_29_many_reconnects_leave_nothing_behind() {
    let (listener, port) = listener().await;
    let server = tokio::spawn(async move {
        loop {
            drop(accept_raw(&listener).await);
        }
    });
    let mut links: Vec<_> = (0..20).map(|_| Link::start(connection(port))).collect();
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let took = Clock::start();
    for _ in 0..8 {
        for link in &mut links {
            link.until(LinkState::Connected).await;
        }
    }
    assert!(took.elapsed() >= Duration::from_millis(7 * 250), "never two dials within a quarter of a second");
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), tasks);
    for link in links {
        link.handle.command(Command::Stop);
        link.handle.join().await;
    }
    server.abort();
}
