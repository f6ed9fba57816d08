//! A million clients whose server restarts: how hard their dials hit it, and how soon all are back.

mod clients;
mod plot;
mod report;
mod server;

use std::path::Path;
use std::time::Duration;
use std::{fs, io};

pub use clients::{Recipe, default_connection};
use server::Server;

/// The clients.
pub const CLIENTS: u32 = 1_000_000;
/// How long the server is away, from 0 on.
pub const AWAY: Duration = Duration::from_secs(20);
/// The accepts a second of the server that has a limit.
pub const ACCEPTS: u32 = 20_000;
/// How many connections wait in its listen queue: Linux's usual limit (`net.core.somaxconn` since 5.4).
pub const LISTEN_QUEUE: u32 = 4_096;
/// From a client to the server, each its own, in milliseconds.
pub const ONE_WAY_MS: (u32, u32) = (10, 150);
/// Who is not back after this is not waited for.
pub const PATIENCE: Duration = Duration::from_secs(1_800);

/// What one herd did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Who they are.
    pub recipe: Recipe,
    /// Accepts a second, if they are limited.
    pub accepts: Option<u32>,
    /// Dials that reached the server, in each tenth of a second.
    pub dials: Vec<u32>,
    /// When half, 99 % and all of them were back, in milliseconds. None: not within [`PATIENCE`].
    pub back_ms: [Option<u32>; 3],
}

impl Outcome {
    /// The most dials in any second while the server is away.
    pub fn peak_away(&self) -> u32 {
        most_in_a_second(&self.dials[..self.returns()])
    }

    /// The most dials in any second from its return on.
    pub fn peak_back(&self) -> u32 {
        most_in_a_second(&self.dials[self.returns()..])
    }

    /// Second by second.
    pub fn seconds(&self) -> impl Iterator<Item = u32> + '_ {
        self.dials.chunks(TENTHS).map(|second| second.iter().sum())
    }

    /// All dials.
    pub fn total(&self) -> u64 {
        self.dials.iter().map(|dials| u64::from(*dials)).sum()
    }

    /// The tenth in which the server returns.
    fn returns(&self) -> usize {
        usize::try_from(AWAY.as_millis() / 100).unwrap_or(usize::MAX).min(self.dials.len())
    }
}

/// The tenths of a second.
const TENTHS: usize = 10;

/// In any ten tenths in a row: a second of the clock could cut a peak in two.
fn most_in_a_second(tenths: &[u32]) -> u32 {
    let seconds = tenths.windows(TENTHS.min(tenths.len()).max(1));
    seconds.map(|second| second.iter().sum()).max().unwrap_or(0)
}

/// Every recipe against both servers.
pub fn all(clients: u32, seed: u64) -> Result<Vec<Outcome>, String> {
    let mut outcomes = Vec::new();
    let connection = default_connection()?;
    for recipe in Recipe::ALL {
        let herd = clients::Herd::new(recipe, clients, seed, &connection);
        for accepts in [None, Some(ACCEPTS)] {
            outcomes.push(server::meet(&herd, Server::new(accepts), accepts));
        }
    }
    Ok(outcomes)
}

/// Writes `herd.md` and `herd.svg` into this folder.
pub fn write(outcomes: &[Outcome], clients: u32, seed: u64, folder: &Path) -> io::Result<()> {
    let connection = default_connection().map_err(io::Error::other)?;
    fs::create_dir_all(folder)?;
    fs::write(folder.join("herd.md"), report::page(outcomes, clients, seed, &connection))?;
    plot::draw(outcomes, clients, &folder.join("herd.svg")).map_err(io::Error::other)
}

/// The table alone.
pub fn table(outcomes: &[Outcome]) -> String {
    report::table(outcomes)
}
