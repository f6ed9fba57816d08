//! Consumers that block or fail, and dialects that fail.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use heartwire_core::link::{DIAL_GAP, Jitter};
use heartwire_core::view::LinkState;
use heartwire_engine::driver::DriverEventKind;
use heartwire_engine::tls::TlsConfig;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::rig::{AGES, EVERY, Link, TIMEOUT, accept_raw, connection, frame, listener, patient, read_to_end};
use crate::server::{seen, serve};

/// How late a busy machine may be.
const BUSY: Duration = Duration::from_secs(2);

#[tokio::test]
async fn invariant_30_a_consumer_that_takes_nothing_delays_no_dial() {
    let (listener, port) = listener().await;
    let mut link = Link::with(connection(port), TlsConfig::platform(), 1);
    for _ in 0..8 {
        let begun = Instant::now();
        drop(accept_raw(&listener).await);
        assert!(begun.elapsed() <= DIAL_GAP + BUSY, "{:?}", begun.elapsed());
    }
    // What it missed is not kept for it without end, but the newest is.
    let _server = accept_raw(&listener).await;
    let mut last = link.next().await;
    while let Ok(next) = timeout(EVERY / 2, link.next()).await {
        last = next;
    }
    let is_connected = matches!(&last, DriverEventKind::Status(status, _) if status.state == LinkState::Connected);
    assert!(is_connected, "{last:?}");
}

#[tokio::test]
async fn invariant_30_a_consumer_that_takes_no_message_delays_no_heartbeat() {
    let (listener, port) = listener().await;
    let seen = seen();
    let mut tasks = JoinSet::new();
    tasks.spawn(serve(listener, seen, Some(Duration::from_millis(20))));
    let link = Link::with(connection(port), TlsConfig::platform(), 1);
    sleep(EVERY).await;
    // The link reads nothing more, but its peer still hears from it.
    for _ in 0..4 {
        let before = seen.beats.load(Ordering::Relaxed);
        let begun = Instant::now();
        while seen.beats.load(Ordering::Relaxed) == before {
            assert!(begun.elapsed() <= EVERY + BUSY, "no heartbeat for {:?}", begun.elapsed());
            sleep(Duration::from_millis(5)).await;
        }
    }
    assert_eq!(seen.dials.load(Ordering::Relaxed), 1);
    drop(link);
}

#[tokio::test]
async fn invariant_30_a_consumer_that_panics_ends_its_own_link_and_no_other() {
    let (mut tasks, mut witness) = undisturbed().await;
    let (listener, port) = listener().await;
    let mut link = Link::start(patient(port));
    let mut server = accept_raw(&listener).await;
    link.until(LinkState::Connected).await;
    let Link { handle, mut events, .. } = link;
    let consumer = tokio::spawn(async move {
        events.recv().await;
        panic!("the consumer fails, as the test wants it");
    });
    server.write_all(&frame(1, b"the first")).await.unwrap();
    assert!(consumer.await.is_err());
    // It is found out when there is something to tell.
    server.write_all(&frame(1, b"the second")).await.unwrap();
    let asked = Instant::now();
    read_to_end(&mut server).await;
    timeout(AGES, handle.join()).await.unwrap();
    assert!(asked.elapsed() <= Duration::from_secs(1) + BUSY, "{:?}", asked.elapsed());
    still_undisturbed(&mut witness).await;
    tasks.abort_all();
}

/// A server that always sends what the dialect fails on. Its link is dialled again each time, ever more rarely, and the
/// link beside it notices nothing.
#[tokio::test]
async fn invariant_30_a_panic_in_one_link_restarts_that_link_alone_and_ever_more_rarely() {
    const FIRST: Duration = Duration::from_millis(200);
    let (mut tasks, mut witness) = undisturbed().await;
    let (listener, port) = listener().await;
    let mut connection = patient(port);
    connection.backoff.first = FIRST;
    connection.backoff.cap = Duration::from_secs(60);
    connection.backoff.jitter = Jitter::None;
    let mut link = Link::start(connection);
    let mut server = accept_raw(&listener).await;
    for failures in 0..4 {
        let sent = Instant::now();
        server.write_all(&frame(1, b"boom")).await.unwrap();
        assert_eq!(link.lost().await.0, "protocol");
        server = accept_raw(&listener).await;
        assert!(sent.elapsed() >= FIRST * (1 << failures), "dial {failures} after {:?}", sent.elapsed());
    }
    still_undisturbed(&mut witness).await;
    tasks.abort_all();
}

/// A link whose server answers every heartbeat.
async fn undisturbed() -> (JoinSet<()>, Link) {
    let (listener, port) = listener().await;
    let mut tasks = JoinSet::new();
    tasks.spawn(serve(listener, seen(), None));
    let mut connection = connection(port);
    connection.heartbeat.timeout = AGES;
    let mut link = Link::start(connection);
    link.round_trip().await;
    (tasks, link)
}

/// It has lost nothing, and its heart still beats.
async fn still_undisturbed(link: &mut Link) {
    while timeout(Duration::ZERO, link.next()).await.is_ok() {}
    let begun = Instant::now();
    link.round_trip().await;
    assert!(begun.elapsed() <= EVERY + TIMEOUT + BUSY, "{:?}", begun.elapsed());
    assert_eq!((link.times(LinkState::Waiting), link.times(LinkState::Connected)), (0, 1), "{:?}", link.seen);
}
