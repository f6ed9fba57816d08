//! Why a link is not connected: a stable code for programs, a sentence for people.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The reason for a disconnect or a failed dial. The codes are a promise to everyone who reads `listen --json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CauseCode {
    /// The host name has no address.
    Dns,
    /// Nobody listens at the address.
    Refused,
    /// No route leads to the address.
    Unreachable,
    /// The connection was not ready within the connect deadline.
    ConnectTimeout,
    /// The certificate or the TLS handshake was refused.
    Tls,
    /// A proxy refused or failed.
    Proxy,
    /// The upgrade was answered with this HTTP status.
    Http(u16),
    /// The upgrade was answered with 401 or 403, or the dialect refused the credentials.
    Unauthorized,
    /// Nothing came within the heartbeat's timeout.
    HeartbeatTimeout,
    /// The server closed with this code (RFC 6455, section 7.4); 1005 when it gave none.
    Closed(u16),
    /// The transport ended without a close frame.
    Reset,
    /// What came is not WebSocket or not the dialect.
    Protocol,
    /// A frame or message was larger than the limit.
    TooLarge,
    /// This computer was asleep.
    Slept,
    /// This computer's address changed.
    NetworkChanged,
    /// The person asked for it.
    ByPerson,
    /// The settings cannot work.
    Configuration,
}

impl fmt::Display for CauseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns => f.write_str("dns"),
            Self::Refused => f.write_str("refused"),
            Self::Unreachable => f.write_str("unreachable"),
            Self::ConnectTimeout => f.write_str("connect-timeout"),
            Self::Tls => f.write_str("tls"),
            Self::Proxy => f.write_str("proxy"),
            Self::Http(status) => write!(f, "http-{status}"),
            Self::Unauthorized => f.write_str("unauthorized"),
            Self::HeartbeatTimeout => f.write_str("heartbeat-timeout"),
            Self::Closed(code) => write!(f, "closed-{code}"),
            Self::Reset => f.write_str("reset"),
            Self::Protocol => f.write_str("protocol"),
            Self::TooLarge => f.write_str("too-large"),
            Self::Slept => f.write_str("slept"),
            Self::NetworkChanged => f.write_str("network-changed"),
            Self::ByPerson => f.write_str("by-person"),
            Self::Configuration => f.write_str("configuration"),
        }
    }
}

/// A reason with its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// What happened, for programs.
    pub code: CauseCode,
    /// What happened, as one English sentence without a full stop. Made safe: it may hold the server's words.
    pub text: String,
    /// The earliest next dial the server asked for (`Retry-After`, RFC 9110 section 10.2.3).
    pub retry_after: Option<Duration>,
    /// This computer has no network at all, so that nothing can be said of the server.
    pub offline: bool,
}

impl Cause {
    /// A cause without a `Retry-After`, of a computer with a network.
    pub fn new(code: CauseCode, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), retry_after: None, offline: false }
    }

    /// A message came that is longer than is taken: of so many bytes, or more.
    pub fn too_large(bytes: usize, limit: usize) -> Self {
        Self::new(
            CauseCode::TooLarge,
            format!("the server sent a message of at least {bytes} bytes; the limit is {limit}"),
        )
    }

    /// The same with half a sentence more.
    #[must_use]
    pub fn with(self, advice: Option<String>) -> Self {
        match advice {
            Some(advice) => Self { text: format!("{}; {advice}", self.text), ..self },
            None => self,
        }
    }

    /// How it is shown and stored.
    pub fn view(&self) -> CauseView {
        CauseView { code: self.code.to_string(), text: self.text.clone() }
    }
}

/// A cause as it leaves the program: in JSON lines, in the store, in the window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(export, export_to = "bindings.ts"))]
pub struct CauseView {
    /// A cause code, such as `heartbeat-timeout` or `closed-1012`.
    pub code: String,
    /// One English sentence; the window has its own words for the codes it knows.
    pub text: String,
}
