//! What a link told over some time, and whether that is what the network brought it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use heartwire_core::dialect::Item;
use heartwire_core::link::DIAL_GAP;
use heartwire_core::view::LinkState;
use heartwire_engine::driver::{Command, DriverEventKind};
use tokio::time::timeout;

use crate::proxy::Passed;
use crate::rig::{AGES, Link};

/// The longest a stop may take.
const STOP: Duration = Duration::from_secs(1);

/// How late a busy machine may be.
const BUSY: Duration = Duration::from_secs(8);

/// Messages are taken for what [`crate::server::serve`] says: `connection number`.
#[derive(Debug, Default)]
pub struct Heard {
    /// In the order in which they came: connection, number, and the generation that was up.
    messages: Vec<(usize, usize, u64)>,
    /// Why each generation ended.
    causes: BTreeMap<u64, String>,
    dials: usize,
    /// When the next dial is, while the link waits.
    due: Option<Instant>,
    generation: u64,
    round_trips: usize,
}

impl Heard {
    /// Listens for so long.
    pub async fn listen(&mut self, link: &mut Link, lasting: Duration, cap: Duration) {
        let end = Instant::now() + lasting;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            if let Ok(kind) = timeout(left, link.next()).await {
                self.take(kind, cap);
            }
        }
        self.is_on_time();
    }

    /// Listens to one event.
    pub async fn next(&mut self, link: &mut Link, cap: Duration) {
        let kind = link.next().await;
        self.take(kind, cap);
    }

    /// Listens until the link is in this state.
    pub async fn until(&mut self, link: &mut Link, state: LinkState, cap: Duration) {
        loop {
            let kind = link.next().await;
            let reached = matches!(&kind, DriverEventKind::Status(status, _) if status.state == state);
            self.take(kind, cap);
            if reached {
                return;
            }
        }
    }

    /// Listens until the next message.
    pub async fn message(&mut self, link: &mut Link, cap: Duration) {
        let before = self.messages.len();
        while self.messages.len() == before {
            self.next(link, cap).await;
        }
    }

    /// Stops the link, which takes a second at most, and listens until it has ended.
    pub async fn stop(&mut self, mut link: Link, cap: Duration) {
        let asked = Instant::now();
        link.handle.command(Command::Stop);
        while let Some(event) = timeout(AGES, link.events.recv()).await.unwrap() {
            self.take(event.kind, cap);
        }
        timeout(AGES, link.handle.join()).await.unwrap();
        assert!(asked.elapsed() <= STOP + BUSY, "{:?}", asked.elapsed());
    }

    fn take(&mut self, kind: DriverEventKind, cap: Duration) {
        match kind {
            DriverEventKind::Received(_, items) => {
                for item in items {
                    let Item::Message(message) = item else { continue };
                    let (connection, number) = message.body.split_once(' ').expect("nobody said this");
                    self.messages.push((connection.parse().unwrap(), number.parse().unwrap(), self.generation));
                }
            }
            DriverEventKind::Status(status, retry_in) => {
                assert!(status.generation.0 >= self.generation, "an older generation speaks");
                self.generation = status.generation.0;
                match status.state {
                    LinkState::Connecting => {
                        self.dials += 1;
                        self.is_on_time();
                        self.due = None;
                    }
                    LinkState::Waiting => {
                        self.causes.insert(status.generation.0, status.cause.unwrap().view().code);
                        let retry_in = retry_in.unwrap();
                        assert!(retry_in <= cap.max(DIAL_GAP), "{retry_in:?}");
                        self.due = Some(Instant::now() + retry_in);
                    }
                    LinkState::Stopped => {
                        self.causes.insert(status.generation.0, "stopped".to_owned());
                    }
                    LinkState::Connected | LinkState::Paused => {}
                    LinkState::Blocked => panic!("blocked: {:?}", status.cause),
                }
            }
            DriverEventKind::RoundTrip(_) => self.round_trips += 1,
            DriverEventKind::ResumeDropped(_) | DriverEventKind::FetchFailed(_) => {}
        }
    }

    /// No dial is missing.
    pub fn is_on_time(&self) {
        let late = self.due.map(|due| Instant::now().saturating_duration_since(due)).unwrap_or_default();
        assert!(late <= BUSY, "the dial comes {late:?} after its time");
    }

    /// How often the link dialled.
    pub fn dials(&self) -> usize {
        self.dials
    }

    /// How often a heartbeat was answered.
    pub fn round_trips(&self) -> usize {
        self.round_trips
    }

    /// How many messages came, and for what reasons sockets were lost.
    pub fn summary(&self) -> (usize, BTreeMap<&str, usize>) {
        let mut causes = BTreeMap::new();
        for cause in self.causes.values() {
            *causes.entry(cause.as_str()).or_default() += 1;
        }
        (self.messages.len(), causes)
    }

    /// Each connection's messages were told from the first, once each and in order, by the generation that it is.
    pub fn is_in_order(&self) {
        for (at, (connection, number, generation)) in self.messages.iter().enumerate() {
            let expected = match at.checked_sub(1).map(|before| self.messages[before]) {
                Some((before, last, old)) if before == *connection => (last + 1, old),
                Some((before, ..)) if before > *connection => panic!("an older connection speaks: {:?}", self.messages),
                _ => (0, *generation),
            };
            assert_eq!((*number, *generation), expected, "connection {connection}");
        }
        let generations = |pair: &[(usize, usize, u64)]| pair[0].0 == pair[1].0 || pair[0].2 < pair[1].2;
        assert!(self.messages.windows(2).all(generations), "two connections of one generation: {:?}", self.messages);
    }

    /// Every message that reached this computer whole was told once and in order, and nothing else was. What came after
    /// the link had stopped, or had found the peer dead, is the one exception: it belongs to a socket that is no more.
    pub fn agrees_with(&self, passed: &[Passed]) {
        self.is_in_order();
        for passed in passed {
            let came: Vec<_> = passed.texts().into_iter().filter(|text| text != "beat").collect();
            let Some(connection): Option<usize> =
                came.first().and_then(|text| text.split(' ').next()?.parse::<usize>().ok())
            else {
                continue;
            };
            let of_it = || self.messages.iter().filter(|message| message.0 == connection);
            let told: Vec<_> = of_it().map(|(connection, number, _)| format!("{connection} {number}")).collect();
            assert_eq!(told, came[..told.len().min(came.len())], "connection {connection}");
            if told.len() < came.len() {
                let given_up = match of_it().next() {
                    Some((_, _, generation)) => self.causes.get(generation).map(String::as_str),
                    // Its dial was given up in the moment in which it succeeded.
                    None => self.causes.values().map(String::as_str).find(|cause| *cause == "connect-timeout"),
                };
                assert!(
                    matches!(given_up, Some("heartbeat-timeout" | "connect-timeout" | "stopped")),
                    "connection {connection} ended ({given_up:?}) after {} messages; {} had come",
                    told.len(),
                    came.len()
                );
            }
        }
        let known: usize =
            passed.iter().map(|passed| passed.texts().iter().filter(|text| *text != "beat").count()).sum();
        assert!(self.messages.len() <= known, "messages that nobody sent");
    }
}
