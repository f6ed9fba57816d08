//! One task a link: it feeds the link with what happens on its socket and does what the link says. In every round the
//! deadline comes first, then a bounded amount of reading, then writing; nothing in it ever awaits a send or a consumer.
//!
//! A connection that stays, in the program's defaults (`examples/keep_alive.rs` is the whole program):
//!
//! ```no_run
//! use heartwire_core::settings::{ConnectionForm, resolve};
//! use heartwire_engine::driver::{Command, ConnectionId, DriverEventKind, DriverOptions, spawn};
//! use heartwire_engine::settings_file::{defaults, presets};
//!
//! # async fn keep() {
//! let (name, url) = (Some("events".to_owned()), Some("wss://events.example/".to_owned()));
//! let form = ConnectionForm { name, url, ..ConnectionForm::default() };
//! let connection = resolve(&form, &defaults(), &presets()).expect("a name and a URL are enough");
//! let (sender, mut events) = tokio::sync::mpsc::channel(64);
//! let driver = spawn(DriverOptions::new(ConnectionId(1), connection), sender);
//! driver.command(Command::Start);
//! while let Some(event) = events.recv().await {
//!     match event.kind {
//!         DriverEventKind::Received(_, items) => println!("{items:?}"),
//!         DriverEventKind::Status(status, _) => println!("{:?}", status.state),
//!         _ => {}
//!     }
//! }
//! # }
//! ```
//!
//! The driver sees by its clock that this computer slept; who learns of a wake or of another network sooner tells it with
//! [`Command::Resumed`] and [`Command::NetworkChanged`]. Dropping the handle ends the connection in good order.

mod closed;
mod greet;
mod open;
mod outbox;
mod path;
mod run;
mod sends;
mod timer;

use std::time::Duration;

use futures_channel::mpsc::{UnboundedSender, unbounded};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use heartwire_core::cause::Cause;
use heartwire_core::dialect::{Dialect, Dialects, Item};
use heartwire_core::link::{Generation, LinkStatus, NotSent, ResumeData};
use heartwire_core::settings::Connection;

use crate::clock::Clock;
use crate::dial::DialRequest;
use crate::tls::TlsConfig;
use run::Driver;

/// Which link an event belongs to. Chosen by whoever starts drivers and never used twice, so that late events of a
/// removed connection can be told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// What a driver is told.
#[derive(Debug)]
pub enum Command {
    /// Before the first socket: up to where an earlier driver of this connection was complete.
    GoOnFrom(ResumeData),
    /// Begin, or undo a pause.
    Start,
    /// Close and stay closed until `Start`.
    Pause,
    /// The person wants a dial now.
    Reconnect,
    /// This computer woke after so long asleep. Zero: nobody can tell how long. Where the driver's clock shows a sleep, that
    /// counts instead.
    Resumed(Duration),
    /// This computer's network changed.
    NetworkChanged,
    /// The credentials were changed: a blocked link dials.
    CredentialsChanged,
    /// Send a text frame, as soon as there is a socket. The answer comes when the whole frame has been handed to the
    /// network, or will not be any more.
    Send(String, oneshot::Sender<Result<(), NotSent>>),
    /// Everything of the socket of this generation up to [`Item::Mark`] of this number is on disk.
    Committed(Generation, u64),
    /// Close for good, within [`heartwire_core::link::CLOSE_LIMIT`]; the driver ends.
    Stop,
}

/// Something people or the store should know.
#[derive(Clone, Debug, PartialEq)]
pub struct DriverEvent {
    /// Whose it is.
    pub id: ConnectionId,
    /// What it is.
    pub kind: DriverEventKind,
}

/// What a driver tells.
#[derive(Clone, Debug, PartialEq)]
pub enum DriverEventKind {
    /// The link's state changed; while it waits or is blocked, how long it is until the next dial.
    Status(LinkStatus, Option<Duration>),
    /// A heartbeat was answered after this time.
    RoundTrip(Duration),
    /// The server did not take this cursor: the next socket begins anew, and what lies between is a gap. Only of dialects
    /// whose handshake goes on from a cursor.
    ResumeDropped(ResumeData),
    /// What the dialect fetches beside the socket could not be had, and is asked for again.
    FetchFailed(Cause),
    /// What the dialect made of what came on the socket of this generation, in this order. Until this is taken from the
    /// channel nothing more is read.
    Received(Generation, Vec<Item>),
}

/// A running driver. Dropping the handle stops it as [`Command::Stop`] does.
#[derive(Debug)]
pub struct DriverHandle {
    commands: UnboundedSender<Command>,
    task: JoinHandle<()>,
}

impl DriverHandle {
    /// Gives a command. False: the driver has ended.
    pub fn command(&self, command: Command) -> bool {
        self.commands.unbounded_send(command).is_ok()
    }

    /// Stops the driver, if that was not done yet, and waits until its socket is closed: at most about a second.
    pub async fn join(self) {
        let Self { commands, task } = self;
        drop(commands);
        if let Err(error) = task.await
            && error.is_panic()
        {
            tracing::error!("a link's driver ended by a panic");
        }
    }
}

/// Makes the dialect of a new socket.
pub type DialectMaker = Box<dyn Fn() -> Box<dyn Dialect> + Send>;

/// What a driver is made of.
pub struct DriverOptions {
    /// Whose events it tells.
    pub id: ConnectionId,
    /// What is kept alive.
    pub connection: Connection,
    /// How it is dialled.
    pub request: DialRequest,
    /// What its link takes for the time.
    pub clock: Clock,
    /// Decides every delay that its link draws.
    pub seed: u64,
    /// Makes the dialect of each new socket.
    pub dialect: DialectMaker,
    /// Up to where an earlier driver of this connection was complete.
    pub cursor: Option<ResumeData>,
    /// Nothing of what comes can be kept: the connection is only tried out, beside the one that runs, or there is no disk.
    pub passing: bool,
}

impl DriverOptions {
    /// This computer's clock and trust, the connection's dialect, and delays that nobody can foretell.
    pub fn new(id: ConnectionId, connection: Connection) -> Self {
        Self {
            id,
            request: DialRequest::new(&connection, TlsConfig::platform()),
            clock: Clock::system(),
            seed: rand::random(),
            dialect: Box::new(Dialects::default().of(&connection)),
            cursor: None,
            passing: false,
            connection,
        }
    }
}

/// Starts a driver. It waits for [`Command::Start`], and ends with [`Command::Stop`] or when its events are dropped.
pub fn spawn(options: DriverOptions, events: mpsc::Sender<DriverEvent>) -> DriverHandle {
    let (commands, inbox) = unbounded();
    let mut driver = Driver::new(options, inbox, events);
    DriverHandle { commands, task: tokio::spawn(async move { driver.run().await }) }
}
