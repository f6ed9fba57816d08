//! Messages a second on one connection, beside bare tokio-tungstenite.
//!
//! Another process writes ready-made frames as fast as the socket takes them, so that the reading side is what is
//! measured. The ways of reading take turns, so that whatever else the machine does meets all of them; each round of a way
//! is compared with a bare round beside it, before or after it by turns, and the median of these ratios counts. The
//! processor time of a message says the same where the machine is busy, and reading is not what is waited for.

mod load;

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use heartwire_core::dialect::{Dialect, Dialects, Effects, Incoming, Item, Opening};
use heartwire_core::message::Message;
use heartwire_core::settings::Connection;
use heartwire_core::view::LinkState;
use heartwire_engine::driver::{ConnectionId, DialectMaker, DriverEventKind, DriverOptions};
use tokio::net::TcpStream;
use tokio_tungstenite::client_async_with_config;
use xtask::bench::{Row, Target};

pub use load::pour;

use super::{Failure, Measure, show};
use crate::child::Role;
use crate::client::buffers;
use crate::links::{Link, Times, connection};
use crate::process::cpu;
use crate::stats::{Sorted, float};
use load::Load;

/// The loads: bytes of text in a message, messages in a round, and what the link is to reach of bare tokio-tungstenite in
/// percent when both only count frames.
const LOADS: [(usize, usize, f64); 2] = [(64, 1_000_000, 90.0), (4_096, 100_000, 90.0)];
/// With every way: what the others are to reach. They do more than the bare loop does at all.
const TARGET_WITH_MESSAGES: f64 = 80.0;
/// Rounds of each way; the median counts.
const ROUNDS: usize = 9;
/// A way that is slower by this factor reads as many messages less.
const SLOWER: usize = 10;

/// The ways of reading. The first two do the same with each frame, so that their ratio is what the link itself costs; the
/// others make messages of the frames and hand them to another task, which the bare loop does not do at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Bare,
    Link,
    LinkAndMessages,
    LinkAndPlain,
}

impl Way {
    const LINKS: [Self; 3] = [Self::Link, Self::LinkAndMessages, Self::LinkAndPlain];

    fn words(self) -> &'static str {
        match self {
            Self::Bare => "bare tokio-tungstenite, frames counted",
            Self::Link => "the link, frames counted",
            Self::LinkAndMessages => "each frame made a message and handed to another task",
            Self::LinkAndPlain => "the plain dialect's default templates",
        }
    }
}

/// All ways with all loads.
pub async fn messages(_: Measure) -> Result<(), Failure> {
    for (size, messages, target) in LOADS {
        measure(size, messages, target).await?;
    }
    Ok(())
}

async fn measure(size: usize, messages: usize, target: f64) -> Result<(), Failure> {
    let long = Source::start(Load::new(messages, size)?)?;
    let short = Source::start(Load::new(messages / SLOWER, size)?)?;
    let mut pairs = Way::LINKS.map(|way| (way, Vec::new()));
    for number in 0..ROUNDS {
        for (way, pairs) in &mut pairs {
            let source = if *way == Way::LinkAndPlain { &short } else { &long };
            let pair = if number % 2 == 0 {
                let bare = long.round(Way::Bare).await?;
                (bare, source.round(*way).await?)
            } else {
                let link = source.round(*way).await?;
                (long.round(Way::Bare).await?, link)
            };
            pairs.push(pair);
        }
    }
    let bare: Vec<Round> = pairs.iter().flat_map(|(_, pairs)| pairs.iter().map(|(bare, _)| *bare)).collect();
    let peer = format!("{}: {}", Way::Bare.words(), words(&bare));
    for (way, pairs) in pairs {
        let percent = pairs.iter().map(|(bare, link)| 100.0 * link.rate / bare.rate).collect::<Sorted>().median();
        let target = if way == Way::Link { target } else { TARGET_WITH_MESSAGES };
        let link: Vec<Round> = pairs.into_iter().map(|(_, link)| link).collect();
        show(&Row {
            figure: format!("messages of {size} bytes, {}", way.words()),
            seen: format!("{}, {percent:.0} % of bare", words(&link)),
            target: Some(Target::at_least(format!("at least {target} % of bare"), percent, target)),
            peer: peer.clone(),
        });
    }
    Ok(())
}

/// The medians.
fn words(rounds: &[Round]) -> String {
    let median = |what: fn(&Round) -> f64| rounds.iter().map(what).collect::<Sorted>().median();
    let (rate, cpu) = (median(|round| round.rate), median(|round| round.cpu_ns));
    format!("{:.0} thousand a second, {cpu:.0} ns of processor time each", rate / 1e3)
}

/// What reading a load once came to.
#[derive(Clone, Copy, Debug)]
struct Round {
    /// Messages a second.
    rate: f64,
    /// Processor time of this process for each, the system's work for it included.
    cpu_ns: f64,
}

/// A server of a load, and the connection to it.
struct Source {
    load: Load,
    connection: Connection,
    /// The server's process.
    _server: Option<Role>,
}

impl Source {
    fn start(load: Load) -> Result<Self, Failure> {
        let mut server = Role::start(&["pour", &load.size.to_string(), &load.messages.to_string()])?;
        let connection = connection(server.hear()?.parse()?, &Times::default())?;
        Ok(Self { load, connection, _server: Some(server) })
    }

    async fn round(&self, way: Way) -> Result<Round, Failure> {
        let used = cpu(std::process::id())?;
        let rate = float(self.load.messages) / self.read(way).await?.as_secs_f64();
        let used = cpu(std::process::id())?.saturating_sub(used);
        Ok(Round { rate, cpu_ns: used.as_secs_f64() * 1e9 / float(self.load.messages) })
    }

    /// How long it takes to read everything.
    async fn read(&self, way: Way) -> Result<Duration, Failure> {
        let Self { load, connection, .. } = self;
        match way {
            Way::Bare => {
                let port = connection.url.port().ok_or("a URL without a port")?;
                tokio::spawn(read_bare(port, load.clone())).await?
            }
            Way::Link => {
                let left = load.messages;
                let dialect = move || Box::new(Count { left, bytes: 0 }) as Box<dyn Dialect>;
                read_link(connection, Box::new(dialect), load).await
            }
            Way::LinkAndMessages => {
                let dialect = || Box::new(AsItIs) as Box<dyn Dialect>;
                read_link(connection, Box::new(dialect), load).await
            }
            Way::LinkAndPlain => read_link(connection, Box::new(Dialects::default().of(connection)), load).await,
        }
    }
}

async fn read_bare(port: u16, load: Load) -> Result<Duration, Failure> {
    let tcp = TcpStream::connect(("127.0.0.1", port)).await?;
    tcp.set_nodelay(true)?;
    let (mut socket, _) = client_async_with_config(format!("ws://127.0.0.1:{port}/"), tcp, Some(buffers())).await?;
    let started = Instant::now();
    let (mut seen, mut bytes) = (0, 0);
    while seen < load.messages {
        let message = socket.next().await.ok_or("the server closed early")??;
        seen += 1;
        bytes += message.into_text()?.len();
    }
    load.check(bytes)?;
    Ok(started.elapsed())
}

async fn read_link(connection: &Connection, dialect: DialectMaker, load: &Load) -> Result<Duration, Failure> {
    let options = DriverOptions::new(ConnectionId(1), connection.clone());
    let mut link = Link::with(DriverOptions { dialect, ..options });
    link.until(LinkState::Connected).await?;
    let started = Instant::now();
    let mut bytes = 0;
    while bytes < load.messages * load.size {
        if let DriverEventKind::Received(_, batch) = link.next().await? {
            let size = |item: &Item| match item {
                Item::Message(message) => usize::try_from(message.size).unwrap_or(usize::MAX),
                _ => 0,
            };
            bytes += batch.iter().map(size).sum::<usize>();
        }
    }
    let took = started.elapsed();
    link.end().await;
    load.check(bytes)?;
    Ok(took)
}

/// Does with a frame what [`read_bare`] does, and says at the end how many bytes there were.
struct Count {
    left: usize,
    bytes: u64,
}

impl Dialect for Count {
    fn opened(&mut self, _: &Opening<'_>, effects: &mut Effects) {
        effects.ready = true;
    }

    fn frame(&mut self, frame: Incoming<'_>, effects: &mut Effects) {
        let Incoming::Text(text) = frame else { return };
        self.bytes += text.len() as u64;
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            effects.message(message(String::new(), self.bytes));
        }
    }
}

/// No templates: a message is the frame's text.
struct AsItIs;

impl Dialect for AsItIs {
    fn opened(&mut self, _: &Opening<'_>, effects: &mut Effects) {
        effects.ready = true;
    }

    fn frame(&mut self, frame: Incoming<'_>, effects: &mut Effects) {
        let Incoming::Text(text) = frame else { return };
        effects.message(message(text.to_owned(), text.len() as u64));
    }
}

fn message(body: String, size: u64) -> Message {
    Message { body, size, ..Message::new("", "", "", 0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn every_way_reads_every_message() {
        for size in [64, 4_096] {
            let load = Load::new(2_000, size).unwrap();
            assert_eq!(load.size, size);
            let port = load::serve(load.clone()).unwrap();
            let source = Source { load, connection: connection(port, &Times::default()).unwrap(), _server: None };
            for way in [Way::Bare].into_iter().chain(Way::LINKS) {
                assert!(source.round(way).await.unwrap().rate > 0.0, "{way:?}");
            }
        }
    }
}
