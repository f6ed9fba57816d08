//! Many links at once, each through a proxy that breaks its connections at random. The seed decides every fault, so that
//! a seed that fails can be run again by itself: `HEARTWIRE_CHAOS_SEED=17 cargo test -p heartwire-engine --test
//! link_faults chaos`.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use heartwire_core::link::{CONNECT_GRACE, DIAL_GAP};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::ALONE;
use crate::heard::Heard;
use crate::proxy::{Course, Proxy};
use crate::rig::{Link, connection, listener};
use crate::server::{seen, serve};
use crate::tcp_table::{Entry, held_at_once};

const SEEDS: u64 = 40;

/// How long the network is broken.
const LASTING: Duration = Duration::from_secs(6);

const EVERY: Duration = Duration::from_millis(200);
const TIMEOUT: Duration = Duration::from_millis(300);
const CONNECT: Duration = Duration::from_millis(800);
const CAP: Duration = Duration::from_millis(100);

/// How often the server says something.
const TALKS: Duration = Duration::from_millis(20);

/// How late a busy machine may be.
const BUSY: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chaos_leaves_every_link_connected_with_every_message_once() {
    let _alone = ALONE.lock().await;
    let one =
        std::env::var("HEARTWIRE_CHAOS_SEED").ok().map(|seed| seed.parse().expect("HEARTWIRE_CHAOS_SEED is a number"));
    let mut running = JoinSet::new();
    for seed in one.map_or(0..SEEDS, |seed| seed..seed + 1) {
        // A task of its own, so that the others end before the failure is told.
        running.spawn(async move { (seed, tokio::spawn(run(seed)).await.ok()) });
    }
    let done = running.join_all().await;
    let failed: Vec<_> = done.iter().filter(|(_, dials)| dials.is_none()).map(|(seed, _)| seed).collect();
    assert!(failed.is_empty(), "seeds {failed:?} failed; HEARTWIRE_CHAOS_SEED runs one of them again");
    let dials: usize = done.iter().filter_map(|(_, dials)| *dials).sum();
    assert!(one.is_some() || dials > 3 * done.len(), "only {dials} dials: that was no chaos");
}

/// How often the link dialled.
async fn run(seed: u64) -> usize {
    let (listener, port) = listener().await;
    let mut tasks = JoinSet::new();
    tasks.spawn(serve(listener, seen(), Some(TALKS)));
    let (proxy_port, most_at_once) = (Arc::new(OnceLock::new()), Arc::new(AtomicUsize::new(0)));
    let (at, most) = (Arc::clone(&proxy_port), Arc::clone(&most_at_once));
    let plan = move |number| {
        most.fetch_max(at.get().map_or(0, |port| held_at_once(*port)), Ordering::Relaxed);
        Course::drawn(seed, number)
    };
    let proxy = Proxy::start(port, plan);
    proxy_port.set(proxy.port).unwrap();
    let mut connection = connection(proxy.port);
    (connection.heartbeat.every, connection.heartbeat.timeout) = (EVERY, TIMEOUT);
    // The client must say something as well, or no fault on its way is ever met.
    connection.heartbeat.always = true;
    (connection.backoff.cap, connection.connect_timeout) = (CAP, CONNECT);
    let mut link = Link::start(connection);
    let mut heard = Heard::default();
    let started = Instant::now();
    heard.listen(&mut link, LASTING, CAP).await;

    // From a fault to its notice, to the dial, to the message: once, and if that dial meets the last fault, twice.
    proxy.calm();
    link.forget();
    let once = EVERY + TIMEOUT + CAP.max(DIAL_GAP) + CONNECT + CONNECT_GRACE;
    timeout(2 * once + BUSY, heard.message(&mut link, CAP)).await.unwrap_or_else(|_| panic!("not back: {heard:?}"));
    heard.listen(&mut link, 10 * TALKS, CAP).await;

    heard.stop(link, CAP).await;
    let passed = proxy.passed();
    let dials = heard.dials();
    let most = 1 + started.elapsed().as_millis() / DIAL_GAP.as_millis();
    assert!(dials as u128 <= most, "{dials} dials in {:?}", started.elapsed());
    let most = most_at_once.load(Ordering::Relaxed);
    assert!(most <= 1, "{most} sockets at once");
    heard.agrees_with(&passed);
    let left: Vec<_> = Entry::to_port(proxy.port).into_iter().filter(|socket| socket.held).collect();
    assert_eq!(left, [], "descriptors are left");
    dials
}

#[test]
fn the_same_seed_breaks_the_same_connections_in_the_same_way() {
    let courses = |seed| (0..50).map(|number| Course::drawn(seed, number)).collect::<Vec<_>>();
    assert_eq!(courses(7), courses(7));
    assert_ne!(courses(7), courses(8));
}
