//! Fifty links whose server restarts.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use heartwire_core::view::LinkState;
use heartwire_engine::driver::{ConnectionId, DriverEventKind, DriverOptions};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::ALONE;
use crate::proxy::Port;
use crate::rig::{AGES, Link, connection};
use crate::server::{seen, serve};

const LINKS: usize = 50;

/// The longest first delay, the longest of all, and how long the server is away.
const FIRST: Duration = Duration::from_secs(1);
const CAP: Duration = Duration::from_secs(2);
const AWAY: Duration = Duration::from_millis(1_500);

/// How late a busy machine may be.
const BUSY: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_links_whose_server_restarts_come_back_one_by_one() {
    let _alone = ALONE.lock().await;
    let port = Port::take();
    let seen = seen();
    let mut server = JoinSet::new();
    server.spawn(serve(port.listen(), seen, None));
    let mut links = Vec::new();
    for _ in 0..LINKS {
        let mut connection = connection(port.number);
        connection.heartbeat.timeout = AGES;
        (connection.backoff.first, connection.backoff.cap) = (FIRST, CAP);
        let mut link = Link::made_of(DriverOptions::new(ConnectionId(7), connection), 64);
        link.until(LinkState::Connected).await;
        link.forget();
        links.push(link);
    }
    assert_eq!(seen.dials.load(Ordering::Relaxed), LINKS);

    server.shutdown().await;
    let mut running = JoinSet::new();
    for link in links {
        running.spawn(back(link));
    }
    sleep(AWAY).await;
    server.spawn(serve(port.listen(), seen, None));
    let returned = Instant::now();
    let all = running.join_all().await;
    assert!(returned.elapsed() <= CAP + BUSY, "all are back after {:?}", returned.elapsed());

    // All lost their socket in the same moment: what each drew is what the server would have met.
    let first: Vec<_> = all.iter().map(|(waits, _)| waits[0]).collect();
    let busiest = (0..FIRST.as_millis()).map(|from| {
        let from = Duration::from_millis(u64::try_from(from).unwrap());
        first.iter().filter(|wait| (from..from + Duration::from_millis(100)).contains(*wait)).count()
    });
    // Five on average; one in a thousand million runs has twenty.
    assert!(busiest.max().unwrap() < 20, "a storm: {first:?}");
    let dials: usize = all.iter().map(|(_, dials)| dials).sum();
    assert!(dials <= LINKS * 7, "{dials} dials to come back {LINKS} times");
}

/// What a link drew after each loss, and how often it dialled, until it is up again.
async fn back(mut link: Link) -> (Vec<Duration>, usize) {
    let (mut waits, mut dials) = (Vec::new(), 0);
    loop {
        if let DriverEventKind::Status(status, retry_in) = link.next().await {
            match status.state {
                LinkState::Connected => return (waits, dials),
                LinkState::Connecting => dials += 1,
                LinkState::Waiting => waits.push(retry_in.unwrap()),
                LinkState::Blocked | LinkState::Paused | LinkState::Stopped => panic!("{status:?}"),
            }
        }
    }
}
