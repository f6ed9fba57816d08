//! The life of one connection as a state machine without sockets and clocks: [`Link::handle`] takes what happened and
//! when, [`Link::poll_output`] says what to do, [`Link::poll_timeout`] when to come back. It never decodes a message.
//!
//! Whoever drives it opens the sockets and reads the clock. Here both are made up: a server that falls silent.
//!
//! ```
//! use std::time::Duration;
//! use heartwire_core::link::{Backoff, Heartbeat, HeartbeatKind, Input, Jitter, Link, LinkSettings, Output};
//! use heartwire_core::time::Moment;
//!
//! let (every, timeout) = (Duration::from_secs(30), Duration::from_secs(10));
//! let mut link = Link::new(
//!     LinkSettings {
//!         heartbeat: Heartbeat { kind: HeartbeatKind::Ping, every, timeout, always: false },
//!         backoff: Backoff { first: Duration::from_millis(500), cap: every, fixed: None, jitter: Jitter::Full },
//!         connect_timeout: timeout,
//!         on_open: Vec::new(),
//!     },
//!     7, // Decides every random delay: the same seed, the same life.
//! );
//! let mut now = Moment::default();
//! link.handle(now, Input::Start);
//! let found = loop {
//!     match link.poll_output() {
//!         Some(Output::Dial(generation)) => link.handle(now, Input::DialOk(generation)),
//!         Some(Output::Abort(_)) => break now,
//!         Some(Output::Send(..) | Output::Status(_)) => {} // A real driver writes the one and shows the other.
//!         Some(other) => panic!("{other:?} is not for a server that says nothing"),
//!         None => {
//!             now = link.poll_timeout().expect("a link that runs waits for something");
//!             link.handle(now, Input::Timeout);
//!         }
//!     }
//! };
//! assert_eq!(found.since_origin(), every + timeout, "dead, and not a moment later");
//! ```

mod backoff;
mod heartbeat;
mod machine;
mod queue;
mod resume;
mod verdict;

use std::time::Duration;

pub use backoff::{Backoff, Jitter};
pub use heartbeat::{Heartbeat, HeartbeatKind};
pub use machine::{CLOSE_LIMIT, CONNECT_GRACE, DIAL_GAP, Link, WAKE_PROBE};
pub use queue::{NotSent, QUEUE_AGE, QUEUE_BYTES, QUEUE_TEXTS, SendId};
pub use resume::{RESUME_TRIES, ResumeData};
pub use verdict::Verdict;

use crate::cause::Cause;
use crate::time::Moment;
use crate::view::LinkState;

/// One socket of a link, numbered from 1. Whatever belongs to an older generation is ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u64);

/// What a link needs to know of its connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkSettings {
    /// How the link is proved.
    pub heartbeat: Heartbeat,
    /// When to dial again.
    pub backoff: Backoff,
    /// DNS, TCP, TLS and upgrade together.
    pub connect_timeout: Duration,
    /// Sent after each opening, in order.
    pub on_open: Vec<String>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Begin, or undo a pause.
    Start,
    /// Close and stay closed until `Start`.
    Pause,
    /// Close for good: Heartwire ends or the connection was removed.
    Stop,
    /// The person wants a dial now: also a `Retry-After` does not hold.
    Reconnect,
    /// This computer was asleep for so long; `now` counts that time. Told before anything else of that `now`, or it
    /// would be taken for the peer's silence. Zero: it is said to have woken, and no time is missing.
    Resumed(Duration),
    /// This computer's network changed: a hint that a `Retry-After` outweighs.
    NetworkChanged(Path),
    /// The person gave new credentials.
    CredentialsChanged,
    /// The dial of this generation succeeded: the upgrade is done, and the handshake that the dialect may have of its own.
    DialOk(Generation),
    /// The dial of this generation failed; its descriptor is closed.
    DialFailed(Generation, Cause),
    /// Bytes arrived, be they a whole frame or not. Those that came together with the end are told at the same moment as
    /// it.
    Bytes(Generation),
    /// The dialect recognised the answer to a heartbeat, or the pong of our ping came.
    HeartbeatAnswered(Generation),
    /// The person sends a text frame. While there is hope of a socket soon it is kept for that.
    Send(SendId, String),
    /// The two sides of this socket agreed to prove it in this way.
    Agreed(Generation, Heartbeat),
    /// From now on a handshake can go on from here, until something newer is known; none: from the beginning.
    ResumeFrom(Option<ResumeData>),
    /// The driver stopped reading because its consumer is full: until it reads again no silence is the peer's.
    ReadingPaused(Generation),
    /// The driver reads again.
    ReadingResumed(Generation),
    /// The dialect found the server's word that makes going on pointless (bad credentials and the like).
    Fatal(Generation, Cause),
    /// The socket is gone, its descriptor closed: by the peer, by an error, or after our close.
    Closed(Generation, Cause),
    /// A deadline of `poll_timeout` may have passed.
    Timeout,
}

/// The way to the peer after the network changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// As before, or nobody knows: a link that is up is not replaced, but probed at once.
    Same,
    /// From another local address: what the old one sends arrives nowhere, so a link that is up dials anew.
    Moved,
}

/// What the driver must do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Open a socket and report `DialOk` or `DialFailed`. No other socket of this link is open. The handshake goes on
    /// from [`Link::resume_data`], if there is any.
    Dial(Generation),
    /// Queue a frame; never wait for it. The id is that of the `Send` it comes from.
    Send(Generation, Frame, Option<SendId>),
    /// Begin the closing handshake; report `Closed` when it is done.
    Close(Generation, u16),
    /// Drop the dial or the socket at once, without a closing handshake. It counts as closed; nothing is reported.
    Abort(Generation),
    /// What people should see has changed.
    Status(LinkStatus),
    /// A heartbeat was answered after this time.
    RoundTrip(Duration),
    /// A `Send` was not done and will not be.
    SendRefused(SendId, NotSent),
    /// The server refused these resume data, which only dialects that can go on give, too often: the next handshake begins anew, and what lies between is a gap.
    ResumeDropped(ResumeData),
}

/// A frame to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A text frame.
    Text(String),
    /// A ping whose payload names the heartbeat, so that only its own pong answers it.
    Ping(Vec<u8>),
    /// The dialect's own heartbeat.
    Heartbeat,
}

/// What people see of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkStatus {
    /// The state.
    pub state: LinkState,
    /// The generation it speaks of.
    pub generation: Generation,
    /// The number of the dial under way, or of the dials since the link was last up; 0 while connected.
    pub attempt: u32,
    /// When the next dial is, while waiting or blocked.
    pub retry_at: Option<Moment>,
    /// Why it is not connected.
    pub cause: Option<Cause>,
    /// How long nothing had been heard when the link was found dead: messages may be missing since then. Zero in every
    /// other status.
    pub silent_for: Duration,
}
