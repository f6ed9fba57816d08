//! What a server sent for a person to read.

use serde::{Deserialize, Serialize};

use crate::text::{BODY_SHOWN, TITLE_SHOWN, lines, one_line};

/// The longest id, in characters. What is longer would have to be cut, and two messages could become one.
const ID_MAX: usize = 256;

/// A message as a dialect decoded it: its texts are already safe and capped (see [`crate::text`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The server's id, if it gives one; duplicates are dropped by (connection, id).
    pub id: Option<String>,
    /// What the message is about, if the server says so: a later one with the same key takes its place, and a withdrawal
    /// names it.
    pub key: Option<String>,
    /// One line.
    pub title: String,
    /// May have several lines; empty for a binary frame.
    pub body: String,
    /// 1 (least) to 5 (most urgent); 3 where the dialect has none.
    pub priority: u8,
    /// Text, or a binary frame that is kept but not shown as a notification.
    pub kind: MessageKind,
    /// The bytes the frame's payload had on the wire.
    pub size: u64,
    /// When the server says it was sent, in milliseconds since the Unix epoch.
    pub sent_ms: Option<i64>,
    /// How it came.
    pub arrival: Arrival,
}

/// How a message came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(export, export_to = "bindings.ts"))]
pub enum Arrival {
    /// When it was sent.
    #[default]
    Live,
    /// It was sent while there was no socket, and fetched or sent again afterwards.
    CaughtUp,
    /// It was there before the first contact, or what takes its place came before it did: no news, and never notified.
    Old,
}

/// What a message was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(export, export_to = "bindings.ts"))]
pub enum MessageKind {
    /// A text frame.
    Text,
    /// A binary frame: only its size is kept.
    Binary,
}

impl Message {
    /// A live message of these texts, which need not be safe yet. An empty title becomes `otherwise`.
    pub fn new(title: &str, otherwise: &str, body: &str, size: usize) -> Self {
        let line = one_line(title, TITLE_SHOWN);
        Self {
            id: None,
            key: None,
            title: if line.is_empty() { one_line(otherwise, TITLE_SHOWN) } else { line },
            body: lines(body, BODY_SHOWN),
            priority: 3,
            kind: MessageKind::Text,
            size: size as u64,
            sent_ms: None,
            arrival: Arrival::Live,
        }
    }

    /// A binary frame that no dialect reads.
    pub fn binary(size: usize) -> Self {
        Self { kind: MessageKind::Binary, ..Self::new("Binary frame", "", "", size) }
    }
}

/// An id or a key that is kept whole, or none: a changed one could be another message's.
pub fn usable_id(given: &str) -> Option<String> {
    let id = given.trim();
    (!id.is_empty() && one_line(id, ID_MAX) == id).then(|| id.to_owned())
}
