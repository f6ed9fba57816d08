//! Connections that are cut at every byte of the handshake and of the first frames.

use std::collections::BTreeMap;
use std::time::Duration;

use heartwire_core::view::LinkState;
use tokio::task::JoinSet;

use crate::ALONE;
use crate::heard::Heard;
use crate::proxy::{Course, Kind, Proxy, Way};
use crate::rig::{Link, listener, patient};
use crate::server::{seen, serve};

/// So many links share the bytes among them.
const LINKS: usize = 40;

/// No dial waits longer than this.
const CAP: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_at_every_byte_of_the_answer_and_of_a_frame_each_message_comes_once() {
    let _alone = ALONE.lock().await;
    let (_, answer) = lengths().await;
    // A few messages more: "12 3" is six bytes.
    every_byte(Way::Down, answer + 40, Kind::Close).await;
    every_byte(Way::Down, answer + 40, Kind::Reset).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_at_every_byte_of_the_request_and_of_a_frame_the_link_comes_back() {
    let _alone = ALONE.lock().await;
    let (request, _) = lengths().await;
    every_byte(Way::Up, request, Kind::Close).await;
    every_byte(Way::Up, request, Kind::Reset).await;
}

/// How many bytes a client sends up to the end of its opening frame, and how long the answer to its upgrade request is.
async fn lengths() -> (usize, usize) {
    let mut tasks = JoinSet::new();
    let (mut link, proxy) = through(&mut tasks, |_| Course::default()).await;
    link.message().await;
    link.message().await;
    let passed = proxy.passed().remove(0);
    (passed.up, passed.head().unwrap())
}

/// Each link's connections are cut one after the other, every `LINKS` bytes later; the one after the last is whole.
async fn every_byte(way: Way, bytes: usize, kind: Kind) {
    let mut running = JoinSet::new();
    for first in 0..LINKS {
        let kind = kind.clone();
        running.spawn(async move {
            let mut tasks = JoinSet::new();
            let plan = move |number| match first + number * LINKS {
                at if at <= bytes => Course::one(way, at, kind.clone()),
                _ => Course::default(),
            };
            let (mut link, proxy) = through(&mut tasks, plan).await;
            let cuts = (first..=bytes).step_by(LINKS).count();
            let mut heard = Heard::default();
            while heard.dials() <= cuts {
                heard.next(&mut link, CAP).await;
            }
            heard.until(&mut link, LinkState::Connected, CAP).await;
            heard.message(&mut link, CAP).await;
            let (_, causes) = heard.summary();
            assert_eq!(causes, BTreeMap::from([("reset", cuts)]));
            heard.stop(link, CAP).await;
            heard.agrees_with(&proxy.passed());
        });
    }
    running.join_all().await;
}

/// A link to a talkative server through a proxy.
async fn through(tasks: &mut JoinSet<()>, plan: impl Fn(usize) -> Course + Send + 'static) -> (Link, Proxy) {
    let (listener, port) = listener().await;
    tasks.spawn(serve(listener, seen(), Some(Duration::from_millis(20))));
    let proxy = Proxy::start(port, plan);
    let mut connection = patient(proxy.port);
    connection.on_open = vec!["opening text".to_owned()];
    (Link::start(connection), proxy)
}
