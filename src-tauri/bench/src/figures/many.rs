//! Ten thousand connections in one process, each with a heartbeat every 30 s: whether all stay alive, and what they cost.
//! The server has a process of its own.

use std::thread;
use std::time::Duration;

use xtask::bench::{Row, Target};

use super::{Failure, Measure, show};
use crate::child::Server;
use crate::client::{Client, State, Way};
use crate::links::Times;
use crate::process::{cpu, memory, want_descriptors};
use crate::stats::float64;

const CONNECTIONS: usize = 10_000;
/// Connections, and what a process needs besides.
const DESCRIPTORS: u64 = 10_500;
const TARGET_PERCENT: f64 = 25.0;
const SHORT: Duration = Duration::from_secs(60);
const LONG: Duration = Duration::from_secs(300);

/// What a way came to.
struct Seen {
    state: State,
    /// Answered within the window.
    answered: usize,
    /// Of one core.
    percent: f64,
    rss_mib: f64,
}

pub fn many(how: Measure) -> Result<(), Failure> {
    want_descriptors(DESCRIPTORS)?;
    let window = if how.long { LONG } else { SHORT };
    let mut link = Held::open(Way::Link)?;
    // Beside it and not after it, so that both meet the same machine; neither takes a core's half from the other.
    let mut peer = Held::open(Way::Ezsockets);
    link.begin()?;
    if let Ok(held) = &mut peer {
        held.begin()?;
    }
    thread::sleep(window);
    let link = link.seen(window)?;
    let peer = match peer.and_then(|mut held| held.seen(window)) {
        Ok(seen) => format!("ezsockets: {}", words(&seen)),
        Err(failure) => format!("ezsockets: {failure}"),
    };
    let seconds = window.as_secs();
    let beats = CONNECTIONS * usize::try_from(seconds / Times::default().every.as_secs())?;
    let alive = link.state.up == CONNECTIONS && link.state.lost == 0;
    // A heartbeat is due 30 s after the last answer, so a few are not yet answered at the end.
    let beating = link.answered * 100 >= beats * 95;
    show(&Row {
        figure: format!("{CONNECTIONS} connections, heartbeats every 30 s, seen for {seconds} s"),
        seen: format!("{}, {} heartbeats answered", words(&link), link.answered),
        target: Some(Target::when(
            format!("all alive, under {TARGET_PERCENT} % of one core"),
            alive && beating && link.percent < TARGET_PERCENT,
        )),
        peer,
    });
    Ok(())
}

fn words(seen: &Seen) -> String {
    let Seen { state: State { up, lost, .. }, percent, rss_mib, .. } = seen;
    format!("{up} up, {lost} lost, {percent:.1} % of one core, RSS {rss_mib:.0} MiB")
}

/// A client's process that holds them, with its server's.
struct Held {
    _server: Server,
    client: Client,
    /// What it was at the beginning of the window.
    before: State,
    used: Duration,
}

impl Held {
    fn open(way: Way) -> Result<Self, Failure> {
        let server = Server::friendly()?;
        let mut client = Client::start(way, server.port)?;
        let before = client.open(CONNECTIONS)?;
        Ok(Self { _server: server, client, before, used: Duration::ZERO })
    }

    /// The window begins.
    fn begin(&mut self) -> Result<(), Failure> {
        self.before = self.client.state()?;
        self.used = cpu(self.client.id())?;
        Ok(())
    }

    /// The window is over.
    fn seen(&mut self, window: Duration) -> Result<Seen, Failure> {
        let used = cpu(self.client.id())?.saturating_sub(self.used);
        let state = self.client.state()?;
        Ok(Seen {
            state,
            answered: state.answered - self.before.answered,
            percent: 100.0 * used.as_secs_f64() / window.as_secs_f64(),
            rss_mib: float64(memory(self.client.id())?.rss) / 1024.0,
        })
    }
}
