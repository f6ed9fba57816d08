//! What the window and the tray show: whole, bounded snapshots, never deltas. Times are milliseconds since the Unix
//! epoch; the receiver counts down and up on its own clock, so a snapshot is sent only when something changed.

mod secret;
mod strip;

use serde::{Deserialize, Serialize};

use crate::cause::CauseView;
use crate::dialect::Missing;
use crate::message::{Arrival, MessageKind};

pub use secret::{SecretKind, SecretPlace, SecretView};

/// How many history rows and messages a snapshot carries; older ones are asked for page by page.
pub const SNAPSHOT_ROWS: usize = 100;

/// The state of a link, in the words used everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(export, export_to = "bindings.ts"))]
pub enum LinkState {
    /// A dial is under way.
    Connecting,
    /// The upgrade is done and no deadline has passed.
    Connected,
    /// A retry is scheduled.
    Waiting,
    /// Only the person can help: bad credentials, a refused request.
    Blocked,
    /// Stopped by the person.
    Paused,
    /// Not running.
    Stopped,
}

/// Everything the window shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(export, export_to = "bindings.ts"))]
pub struct Snapshot {
    /// Rises with every snapshot of this run.
    pub revision: u64,
    /// When it was made, for the receiver's clock offset.
    pub at_ms: i64,
    /// In the order of the settings file.
    pub connections: Vec<ConnectionView>,
    /// The newest first, at most [`SNAPSHOT_ROWS`].
    pub history: Vec<OutageView>,
    /// The newest first, at most [`SNAPSHOT_ROWS`].
    pub messages: Vec<MessageView>,
    /// What is wrong with the settings, the disk, the notifications: each with what to do.
    pub problems: Vec<Problem>,
    /// The general settings, as they are in force.
    pub general: crate::settings::General,
    /// Whether this is the built-in demo, because no connection is configured.
    pub demo: bool,
    /// Where the person's settings file is.
    pub settings_file: String,
}

/// One connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(export, export_to = "bindings.ts"))]
pub struct ConnectionView {
    /// Unique.
    pub name: String,
    /// As it may be shown: without user information.
    pub url: String,
    /// `plain`, ….
    pub dialect: String,
    /// The preset it came from.
    pub preset: Option<String>,
    /// The state of its link.
    pub state: LinkState,
    /// Since when it has been in this state.
    pub since_ms: i64,
    /// What its credentials need; none without credentials.
    pub secret: Option<SecretView>,
    /// Why it is waiting or blocked, or why the last dial failed.
    pub cause: Option<CauseView>,
    /// When the outage that lasts began; none while connected, paused or stopped.
    pub down_since_ms: Option<i64>,
    /// When the next dial is, while waiting or blocked.
    pub retry_at_ms: Option<i64>,
    /// Dials since the link was last up; 0 while connected.
    pub attempt: u32,
    /// The last answered heartbeat.
    pub heartbeat: Option<HeartbeatView>,
    /// The last message.
    pub last_message: Option<LastMessage>,
    /// The last 24 hours.
    pub strip: Strip,
}

/// An answered heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(export, export_to = "bindings.ts"))]
pub struct HeartbeatView {
    /// When the answer came.
    pub at_ms: i64,
    /// From sending it to its answer, in milliseconds.
    pub rtt_ms: f64,
}

/// The newest message of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(export, export_to = "bindings.ts"))]
pub struct LastMessage {
    /// When it came.
    pub at_ms: i64,
    /// Its title, or its size if it was binary.
    pub title: String,
}

impl LastMessage {
    /// What is shown of a message of this kind and size.
    pub fn new(at_ms: i64, kind: MessageKind, title: &str, size: u64) -> Self {
        let title = match kind {
            MessageKind::Text => title.to_owned(),
            MessageKind::Binary => format!("{size} bytes"),
        };
        Self { at_ms, title }
    }
}

/// The last 24 hours of a connection, oldest first. The parts' lengths add up to the strip's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(export, export_to = "bindings.ts"))]
pub struct Strip {
    /// At most 200; parts too short to be seen are joined with their neighbours, except outages.
    pub parts: Vec<StripPart>,
    /// Time up over time up or down, in percent; none where there was neither.
    pub up_percent: Option<f64>,
}

/// A part of a strip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(export, export_to = "bindings.ts"))]
pub struct StripPart {
    /// What it was.
    pub kind: SpanKind,
    /// For how long, in milliseconds.
    pub length_ms: i64,
}

/// What a span of time was for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(export, export_to = "bindings.ts"))]
pub enum SpanKind {
    /// Connected.
    Up,
    /// An outage.
    Down,
    /// Paused by the person.
    Paused,
    /// Heartwire was not running, or this computer was asleep.
    Off,
}

/// A span of a connection's life, as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// What it was.
    pub kind: SpanKind,
    /// When it began.
    pub from_ms: i64,
    /// When it ended; none while it lasts.
    pub until_ms: Option<i64>,
}

/// A row of the reconnect history: an outage of a connection, or a time that is no outage because there was no link that
/// could have been lost: Heartwire did not run (its cause has the code `not-running`), or the settings did not have the
/// connection (`not-configured`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(export, export_to = "bindings.ts"))]
pub struct OutageView {
    /// Rises with time; the key for paging.
    pub id: i64,
    /// The connection's name.
    pub connection: String,
    /// When the link was lost.
    pub from_ms: i64,
    /// When it was back; none while it lasts.
    pub until_ms: Option<i64>,
    /// Why it was lost.
    pub cause: CauseView,
    /// Dials it took, so far.
    pub attempts: u32,
    /// Whether messages may be missing from this span.
    pub gap: GapView,
}

/// What is known about the messages of an outage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(export, export_to = "bindings.ts"))]
pub enum GapView {
    /// Nothing yet: the outage lasts, or what was missed is being fetched.
    Open,
    /// Nothing is missing.
    Complete {
        /// How many messages of this time were fetched afterwards.
        recovered: u64,
    },
    /// Messages may be missing.
    Incomplete {
        /// How many messages of this time were fetched all the same.
        recovered: u64,
        /// Why it cannot be said that these are all.
        missing: Missing,
    },
}

/// A message as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(export, export_to = "bindings.ts"))]
pub struct MessageView {
    /// Rises with time; the key for paging.
    pub id: i64,
    /// The connection's name.
    pub connection: String,
    /// When it came; of one that was caught up, when the server says it was sent.
    pub at_ms: i64,
    /// One line.
    pub title: String,
    /// At most [`crate::text::BODY_SHOWN`] characters.
    pub body: String,
    /// 1 to 5.
    pub priority: u8,
    /// Text or binary.
    pub kind: MessageKind,
    /// Bytes on the wire.
    pub size: u64,
    /// How it came.
    pub arrival: Arrival,
    /// Whether the server took it back since.
    pub withdrawn: bool,
}

/// Something that is wrong, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(export, export_to = "bindings.ts"))]
pub struct Problem {
    /// Which part speaks.
    pub kind: ProblemKind,
    /// The file and, if known, the line (from 1).
    pub file: Option<String>,
    /// See `file`.
    pub line: Option<u32>,
    /// What is wrong and what to do, in English; it may name fields and values.
    pub message: String,
}

/// Where a problem lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(export, export_to = "bindings.ts"))]
pub enum ProblemKind {
    /// In the settings file.
    Settings,
    /// The database.
    Storage,
    /// The notification daemon.
    Notifications,
    /// The tray host.
    Tray,
    /// The keyring.
    Keyring,
}
