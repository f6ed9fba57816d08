//! Many links at once, each through a proxy that breaks its connections at random. The seed decides every fault, so that
//! a seed that fails can be run again by itself: `HEARTWIRE_CHAOS_SEED=17 cargo test -p heartwire-engine --test
//! link_faults chaos`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use heartwire_core::link::{CONNECT_GRACE, DIAL_GAP};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::ALONE;
use crate::heard::Heard;
use crate::proxy::{Course, Proxy};
use crate::rig::{Link, connection, listener};
use crate::server::{seen, serve};
use crate::tcp_table::{Entry, with_several};

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
const BUSY: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chaos_leaves_every_link_connected_with_every_message_once() {
    let _alone = ALONE.lock().await;
    let one =
        std::env::var("HEARTWIRE_CHAOS_SEED").ok().map(|seed| seed.parse().expect("HEARTWIRE_CHAOS_SEED is a number"));
    let ports = Arc::new(Mutex::new(Vec::new()));
    let watch = Watch::over(Arc::clone(&ports));
    let mut running = JoinSet::new();
    for seed in one.map_or(0..SEEDS, |seed| seed..seed + 1) {
        let ports = Arc::clone(&ports);
        // A task of its own, so that the others end before the failure is told.
        running.spawn(async move { (seed, tokio::spawn(run(seed, ports)).await.ok()) });
    }
    let done = running.join_all().await;
    assert_eq!(watch.end(), [0; 0], "these proxies' links had two sockets at once");
    let failed: Vec<_> = done.iter().filter(|(_, dials)| dials.is_none()).map(|(seed, _)| seed).collect();
    assert!(failed.is_empty(), "seeds {failed:?} failed; HEARTWIRE_CHAOS_SEED runs one of them again");
    let dials: usize = done.iter().filter_map(|(_, dials)| *dials).sum();
    assert!(one.is_some() || dials > 3 * done.len(), "only {dials} dials: that was no chaos");
}

/// A thread that looks again and again whether a link has two sockets at once.
struct Watch {
    ended: Arc<AtomicBool>,
    thread: JoinHandle<Vec<u16>>,
}

impl Watch {
    fn over(ports: Arc<Mutex<Vec<u16>>>) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&ended);
        let thread = thread::spawn(move || {
            let mut guilty = Vec::new();
            while !until.load(Ordering::Relaxed) {
                let begun = Instant::now();
                let all = ports.lock().unwrap().clone();
                guilty.extend(with_several(&all));
                // On a computer with many sockets this takes a while, and must not keep the links from running.
                thread::sleep(4 * begun.elapsed().max(Duration::from_millis(5)));
            }
            guilty
        });
        Self { ended, thread }
    }

    /// The ports to which a link had more than one.
    fn end(self) -> Vec<u16> {
        self.ended.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// How often the link dialled.
async fn run(seed: u64, ports: Arc<Mutex<Vec<u16>>>) -> usize {
    let (listener, port) = listener().await;
    let mut tasks = JoinSet::new();
    tasks.spawn(serve(listener, seen(), Some(TALKS)));
    let proxy = Proxy::start(port, move |number| Course::drawn(seed, number));
    ports.lock().unwrap().push(proxy.port);
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
