//! What a server sent for a person to read.

use serde::{Deserialize, Serialize};

/// A message as a dialect decoded it: its texts are already safe and capped (see [`crate::text`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The server's id, if it gives one; duplicates are dropped by (connection, id).
    pub id: Option<String>,
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
    /// Whether it was fetched after a gap rather than received live.
    pub caught_up: bool,
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
