//! What passes between a link and the world, in words of our own: the checker hears nothing else. They say what was told
//! and said, never what a link thinks.

use std::time::Duration;

use heartwire_core::cause::CauseCode;
use heartwire_core::time::Moment;
use heartwire_core::view::LinkState;

/// The number of a socket.
pub type Generation = u64;

/// The number of a text that the person sends, from 1.
pub type TextId = u64;

/// What the link is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Begin.
    Start,
    /// Close until `Start`.
    Pause,
    /// Close for good.
    Stop,
    /// The person wants a dial now.
    Reconnect,
    /// The computer slept for so long.
    Resumed(Duration),
    /// The network changed; true: the local address towards the server is another one.
    NetworkChanged(bool),
    /// The person gave other credentials.
    CredentialsChanged,
    /// The upgrade is done.
    DialOk(Generation),
    /// There is no socket.
    DialFailed(Generation, Why),
    /// Bytes came.
    Bytes(Generation),
    /// The answer to a heartbeat was among them.
    Answered(Generation),
    /// The person sends a text.
    Send(TextId),
    /// A handshake can go on from data of this length.
    ResumeFrom(usize),
    /// The consumer is full.
    ReadingPaused(Generation),
    /// It has room again.
    ReadingResumed(Generation),
    /// The server's word that makes going on pointless.
    Fatal(Generation, Why),
    /// The socket is gone.
    Closed(Generation, Why),
    /// Time passed.
    Timeout,
}

/// Why a socket is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Why {
    /// What happened.
    pub code: CauseCode,
    /// The server asked for this wait.
    pub retry_after: Option<Duration>,
    /// This computer has no network at all.
    pub offline: bool,
}

impl Why {
    /// Just the code.
    pub const fn new(code: CauseCode) -> Self {
        Self { code, retry_after: None, offline: false }
    }
}

/// What the link says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// Open a socket.
    Dial(Generation),
    /// A heartbeat is to be sent.
    Beat(Generation),
    /// A text of the person is to be sent.
    Text(Generation, TextId),
    /// Close politely.
    Close(Generation, u16),
    /// Drop the socket.
    Abort(Generation),
    /// What people see.
    Status(Status),
    /// A heartbeat was answered after this time.
    RoundTrip(Duration),
    /// A text will not be sent.
    Refused(TextId),
    /// Resume data of this length were refused too often.
    ResumeDropped(usize),
}

/// What people see of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// The state.
    pub state: LinkState,
    /// The socket it speaks of.
    pub generation: Generation,
    /// The dials since the link was last up.
    pub attempt: u32,
    /// When the next dial is.
    pub retry_at: Option<Moment>,
    /// Why it is not connected.
    pub cause: Option<CauseCode>,
}
