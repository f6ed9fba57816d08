//! Links with the settings that the program ships.

use std::io::Write;
use std::time::Duration;

use heartwire_core::link::LinkStatus;
use heartwire_core::settings::Connection;
use heartwire_core::view::LinkState;
use heartwire_engine::driver::{
    Command, ConnectionId, DriverEvent, DriverEventKind, DriverHandle, DriverOptions, spawn,
};
use heartwire_engine::settings_file::{self, Environment, Loaded};
use tokio::sync::mpsc;

use crate::figures::Failure;

/// What differs from the shipped settings, in whole milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    pub every: Duration,
    pub timeout: Duration,
    /// The first delay's bound, and every delay's.
    pub reconnect: (Duration, Duration),
}

impl Default for Times {
    /// As shipped, with a heartbeat every 30 s.
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { every: seconds(30), timeout: seconds(10), reconnect: (Duration::from_millis(500), seconds(30)) }
    }
}

/// The settings of this many equal connections to a port of this computer, read as the program reads them.
pub fn settings(port: u16, count: usize, times: &Times) -> Result<Loaded, Failure> {
    let mut file = tempfile::NamedTempFile::with_suffix(".toml")?;
    for number in 1..=count {
        write!(
            file,
            "[[connections]]\nname = \"c{number}\"\nurl = \"ws://127.0.0.1:{port}/\"\n\
             heartbeat = {{ every = \"{}ms\", timeout = \"{}ms\" }}\n\
             reconnect = {{ first = \"{}ms\", cap = \"{}ms\" }}\n",
            times.every.as_millis(),
            times.timeout.as_millis(),
            times.reconnect.0.as_millis(),
            times.reconnect.1.as_millis(),
        )?;
    }
    file.flush()?;
    let loaded = settings_file::load_file(file.path(), &Environment::new());
    match loaded.problems.first() {
        None => Ok(loaded),
        Some(problem) => Err(format!("the bench's own settings: {}", problem.message).into()),
    }
}

/// One such connection.
pub fn connection(port: u16, times: &Times) -> Result<Connection, Failure> {
    settings(port, 1, times)?.connections.pop().ok_or_else(|| "there is no connection".into())
}

/// A driver with its events.
pub struct Link {
    pub driver: DriverHandle,
    pub events: mpsc::Receiver<DriverEvent>,
}

impl Link {
    /// Starts one; the seed decides its delays.
    pub fn start(connection: Connection, seed: u64) -> Self {
        Self::with(DriverOptions { seed, ..DriverOptions::new(ConnectionId(seed), connection) })
    }

    /// Starts one with these options.
    pub fn with(options: DriverOptions) -> Self {
        let (sender, events) = mpsc::channel(64);
        let driver = spawn(options, sender);
        driver.command(Command::Start);
        Self { driver, events }
    }

    /// The next event.
    pub async fn next(&mut self) -> Result<DriverEventKind, Failure> {
        Ok(self.events.recv().await.ok_or("the link has ended")?.kind)
    }

    /// The next status of this state.
    pub async fn until(&mut self, state: LinkState) -> Result<LinkStatus, Failure> {
        loop {
            if let DriverEventKind::Status(status, _) = self.next().await?
                && status.state == state
            {
                return Ok(status);
            }
        }
    }

    /// Ends it, and waits until its socket is closed.
    pub async fn end(self) {
        let Self { driver, events } = self;
        // The channel is dropped first: a link whose consumer is gone has nothing to wait for.
        drop(events);
        driver.join().await;
    }
}
