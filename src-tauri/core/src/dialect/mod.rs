//! What a server speaks: how its frames become messages, and which of them answer a heartbeat. A dialect holds what it
//! needs to know of its own socket and nothing else; it never sends, waits or stores.

mod plain;
pub(crate) mod template;

pub use plain::Plain;

use crate::cause::Cause;
use crate::message::Message;
use crate::settings::{Connection, DialectSettings};

/// One data frame as it came: whole, unmasked, its text already known to be UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// A text frame.
    Text(&'a str),
    /// A binary frame.
    Binary(&'a [u8]),
}

/// What a frame means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decoded {
    /// The frame answers a heartbeat, and is nothing else.
    pub heartbeat_reply: bool,
    /// What it has for a person to read, in order; may be nothing.
    pub messages: Vec<Message>,
    /// The server's word that makes going on pointless.
    pub fatal: Option<Cause>,
    /// Something in the settings did not work for this frame: one English sentence for the log. No message is lost by it.
    pub trouble: Option<String>,
}

/// What a server speaks. One value lives as long as one socket.
pub trait Dialect {
    /// What this frame means.
    fn decode(&mut self, frame: Incoming<'_>) -> Decoded;
}

/// The dialect of a connection, at the beginning of a socket.
pub fn new(connection: &Connection) -> Box<dyn Dialect + Send> {
    match &connection.dialect {
        DialectSettings::Plain(settings) => Box::new(Plain::new(settings)),
    }
}
