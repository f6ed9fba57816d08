//! Memory of a connection: how much a client's process grows with 2,000 of them, all idle, each after its first
//! heartbeat. The server has a process of its own.

use std::thread;
use std::time::Duration;

use xtask::bench::{Row, Target};

use super::{Failure, Measure, show};
use crate::child::Server;
use crate::client::{Client, Way};
use crate::process::{Memory, memory as memory_of, want_descriptors};
use crate::stats::{float, float64};

const CONNECTIONS: usize = 2_000;
/// What there is once a process, such as code and tables, is there before the first reading.
const WARM: usize = 100;
const TARGET_KIB: f64 = 8.0;
const SETTLE: Duration = Duration::from_secs(2);
/// Longer than the time to the first heartbeat.
const HEARTBEAT: Duration = Duration::from_secs(33);
const WAYS: [Way; 3] = [Way::Link, Way::Bare, Way::Ezsockets];

/// A client's process with its server's.
struct Pair {
    _server: Server,
    client: Client,
    before: Memory,
}

pub fn memory(_: Measure) -> Result<(), Failure> {
    want_descriptors(4_096)?;
    let mut pairs = Vec::new();
    for way in WAYS {
        pairs.push(Pair::start(way)?);
    }
    thread::sleep(HEARTBEAT);
    let mut seen = Vec::new();
    for pair in &mut pairs {
        seen.push(pair.grown()?);
    }
    let [link, bare, ezsockets] = seen[..] else { return Err("three ways are measured".into()) };
    let words = |(rss, dirty): (f64, f64)| format!("RSS {rss:.1} KiB, private dirty {dirty:.1} KiB");
    show(&Row {
        figure: format!("memory a connection, {CONNECTIONS} plain connections, each after a heartbeat"),
        seen: words(link),
        target: Some(Target::at_most(format!("RSS at most {TARGET_KIB} KiB"), link.0, TARGET_KIB)),
        peer: format!("bare tokio-tungstenite, same buffers: {}; ezsockets: {}", words(bare), words(ezsockets)),
    });
    Ok(())
}

impl Pair {
    fn start(way: Way) -> Result<Self, Failure> {
        let server = Server::friendly()?;
        let mut client = Client::start(way, server.port)?;
        client.open(WARM)?;
        thread::sleep(SETTLE);
        let before = memory_of(client.id())?;
        client.open(CONNECTIONS)?;
        Ok(Self { _server: server, client, before })
    }

    /// By how much a connection has made it grow, in KiB: RSS and private dirty.
    fn grown(&mut self) -> Result<(f64, f64), Failure> {
        let state = self.client.state()?;
        if state.up != WARM + CONNECTIONS || state.lost > 0 {
            return Err(format!("not all connections stayed: {state:?}").into());
        }
        let now = memory_of(self.client.id())?;
        let each = |now: u64, before: u64| float64(now.saturating_sub(before)) / float(CONNECTIONS);
        Ok((each(now.rss, self.before.rss), each(now.private_dirty, self.before.private_dirty)))
    }
}
