//! The lines of `heartwire listen --json`: a promise to every program that reads them.

use jiff::{Timestamp, Unit};
use serde::{Deserialize, Serialize};

use crate::cause::CauseView;
use crate::dialect::Missing;
use crate::view::LinkState;

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A link changed its state.
    State {
        /// When.
        #[serde(with = "rfc3339_millis")]
        at: Timestamp,
        /// The connection's name.
        connection: String,
        /// The new state.
        state: LinkState,
        /// The number of the dial; not while connected.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        attempt: Option<u32>,
        /// How long until the next dial.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        retry_in_ms: Option<u64>,
        /// Why.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        cause: Option<CauseView>,
    },
    /// A heartbeat was answered.
    Heartbeat {
        /// When.
        #[serde(with = "rfc3339_millis")]
        at: Timestamp,
        /// The connection's name.
        connection: String,
        /// From sending it to its answer, in milliseconds with one decimal.
        rtt_ms: f64,
    },
    /// A message was committed.
    Message {
        /// When it came.
        #[serde(with = "rfc3339_millis")]
        at: Timestamp,
        /// The connection's name.
        connection: String,
        /// The server's id; `null` if it gives none.
        id: Option<String>,
        /// One line.
        title: String,
        /// The body; for a binary frame a word on its size.
        body: String,
        /// 1 to 5.
        priority: u8,
        /// Whether it was fetched after a gap.
        caught_up: bool,
    },
    /// The server took messages back.
    Withdrawn {
        /// When Heartwire learnt of it.
        #[serde(with = "rfc3339_millis")]
        at: Timestamp,
        /// The connection's name.
        connection: String,
        /// What the server calls what the messages were about.
        key: String,
    },
    /// The end of a time without a socket, once what can be known about its messages is known.
    Gap {
        /// When that was known.
        #[serde(with = "rfc3339_millis")]
        at: Timestamp,
        /// The connection's name.
        connection: String,
        /// When the link was lost.
        #[serde(with = "rfc3339_millis")]
        from: Timestamp,
        /// When it was back.
        #[serde(with = "rfc3339_millis")]
        to: Timestamp,
        /// How many messages were fetched for it.
        recovered: u64,
        /// Whether nothing can be missing.
        complete: bool,
        /// Why something can: `no-replay`, `expired`, `cursor-lost`, `refused`.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        missing: Option<Missing>,
    },
}

/// RFC 3339 in UTC with exactly three decimals.
mod rfc3339_millis {
    use super::{Timestamp, Unit};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        let rounded = at.round(Unit::Millisecond).unwrap_or(*at);
        to.collect_str(&format_args!("{rounded:.3}"))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}
