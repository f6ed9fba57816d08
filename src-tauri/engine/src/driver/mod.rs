//! One task a link: it feeds the link with what happens on its socket and does what the link says. In every round the
//! deadline comes first, then a bounded amount of reading, then writing; nothing in it ever awaits a send or a consumer.

mod closed;
mod open;
mod outbox;
mod run;
mod sends;
mod timer;

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use heartwire_core::dialect::{Dialect, Dialects};
use heartwire_core::link::{LinkStatus, ReconnectReason};
use heartwire_core::message::Message;
use heartwire_core::settings::Connection;

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
    /// Begin, or undo a pause.
    Start,
    /// Close and stay closed until `Start`.
    Pause,
    /// Dial now, or as soon as may be.
    Reconnect(ReconnectReason),
    /// The credentials were changed: a blocked link dials.
    CredentialsChanged,
    /// Send a text frame. The answer comes when the whole frame has been handed to the network, or cannot be any more.
    Send(String, oneshot::Sender<Result<(), NotConnected>>),
    /// Close for good, within [`heartwire_core::link::CLOSE_LIMIT`]; the driver ends.
    Stop,
}

/// The frame was not sent: the link is not connected, lost its socket before the frame was on its way, or is so far
/// behind with earlier frames that this one was not taken. It will not be sent later either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the link is not connected")]
pub struct NotConnected;

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
    /// Messages came, in this order. Until this is taken from the channel nothing more is read.
    Messages(Vec<Message>),
}

/// A running driver. Dropping the handle stops it as [`Command::Stop`] does.
#[derive(Debug)]
pub struct DriverHandle {
    commands: mpsc::UnboundedSender<Command>,
    task: JoinHandle<()>,
}

impl DriverHandle {
    /// Gives a command. False: the driver has ended.
    pub fn command(&self, command: Command) -> bool {
        self.commands.send(command).is_ok()
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
pub type DialectMaker = Box<dyn Fn() -> Box<dyn Dialect + Send> + Send>;

/// Starts the driver of a connection. It waits for [`Command::Start`].
pub fn spawn(
    id: ConnectionId,
    connection: Connection,
    tls: TlsConfig,
    seed: u64,
    events: mpsc::Sender<DriverEvent>,
) -> DriverHandle {
    let dialect = Dialects::default().of(&connection);
    spawn_with(id, connection, tls, seed, events, Box::new(dialect))
}

/// The same with a dialect of the caller's own, or one that shares what it can with other connections'.
pub fn spawn_with(
    id: ConnectionId,
    connection: Connection,
    tls: TlsConfig,
    seed: u64,
    events: mpsc::Sender<DriverEvent>,
    dialect: DialectMaker,
) -> DriverHandle {
    let (commands, inbox) = mpsc::unbounded_channel();
    let request = DialRequest::new(&connection, tls);
    let driver = Driver::new(id, connection, request, seed, inbox, events, dialect);
    DriverHandle { commands, task: tokio::spawn(driver.run()) }
}
