//! What happens at the demo server, for whoever watches.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use heartwire_core::text;

/// The most characters of a text that are shown.
const SHOWN: usize = 100;

/// Something that happened to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The client's number, from 1 in the order in which they came.
    pub client: u64,
    /// What happened.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// It connected.
    Came(SocketAddr),
    /// It was sent a text.
    Sent(String),
    /// It sent a heartbeat, which was answered.
    Beat,
    /// It sent another text.
    Said(String),
    /// From now on it is neither read nor answered, for this long.
    Silent(Duration),
    /// The silence is over.
    Back,
    /// The server closed it with this code.
    Closed(u16),
    /// The server dropped it without a close frame.
    Dropped,
    /// It left.
    Left(String),
    /// A connection could not be accepted.
    NotAccepted(String),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client {}: ", self.client)?;
        match &self.what {
            What::Came(from) => write!(f, "connected from {from}"),
            What::Sent(said) => write!(f, "sent {}", text::one_line(said, SHOWN)),
            What::Beat => f.write_str("heartbeat answered"),
            What::Said(said) => write!(f, "received {}", text::one_line(said, SHOWN)),
            What::Silent(time) => write!(f, "falling silent for {} s without closing", time.as_secs_f64()),
            What::Back => f.write_str("silence over"),
            What::Closed(code) => write!(f, "closed with {code}"),
            What::Dropped => f.write_str("dropped without a word"),
            What::Left(how) => write!(f, "left ({})", text::one_line(how, SHOWN)),
            What::NotAccepted(why) => write!(f, "could not be accepted: {}", text::one_line(why, SHOWN)),
        }
    }
}
