//! What a dialect has to say about what happened on its socket.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::cause::Cause;
use crate::link::ResumeData;
use crate::message::Message;

/// Everything that follows from one thing that happened.
#[derive(Debug, Default)]
pub struct Effects {
    /// For people and the store, in this order.
    pub items: Vec<Item>,
    /// To be sent, in this order.
    pub frames: Vec<Outgoing>,
    /// The server has taken our subscriptions: the handshake is done.
    pub ready: bool,
    /// The frame answers a heartbeat of ours.
    pub heartbeat_answered: bool,
    /// How the two sides agreed to prove this socket; counts where the settings say `kind = "auto"`.
    pub keep_alive: Option<KeepAlive>,
    /// To be asked of the server beside the socket. It takes the place of an earlier one that still runs.
    pub fetch: Option<Fetch>,
    /// How long the fetch waits before it is asked.
    pub fetch_after: Duration,
    /// The server's word that makes going on pointless.
    pub fatal: Option<Cause>,
    /// The server's word, or a breach of the protocol, that ends this socket but not the connection.
    pub end: Option<Cause>,
    /// Something in the settings did not work for this frame: one English sentence for the log, without the frame's
    /// content. No message is lost by it.
    pub trouble: Option<String>,
}

impl Effects {
    /// Adds a message.
    pub fn message(&mut self, message: Message) {
        self.items.push(Item::Message(message));
    }

    /// Adds a text frame to send.
    pub fn send(&mut self, text: impl Into<String>) {
        self.frames.push(Outgoing::Text(text.into()));
    }

    /// The messages among the items.
    pub fn messages(&self) -> impl Iterator<Item = &Message> {
        self.items.iter().filter_map(|item| match item {
            Item::Message(message) => Some(message),
            _ => None,
        })
    }
}

/// Something for people and the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// What a server sent for a person to read.
    Message(Message),
    /// The server takes a message back.
    Withdrawn(Withdrawal),
    /// From here a later socket can go on: everything before it is complete. Kept with the items before it, or not at
    /// all.
    Cursor(ResumeData),
    /// What is known of the messages between the last socket and this one, once for each socket.
    CaughtUp(CaughtUp),
    /// [`committed`](super::Dialect::committed) is told of this number when everything before it is on disk. Rises.
    Mark(u64),
}

/// A data frame to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// A text frame.
    Text(String),
    /// A binary frame.
    Binary(Vec<u8>),
}

/// A message that nobody needs to see any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withdrawal {
    /// The [`Message::key`] of what is withdrawn: every message that has it.
    pub key: String,
    /// When the server says it was, in milliseconds since the Unix epoch.
    pub at_ms: Option<i64>,
}

/// What a dialect knows of the time between the last socket and this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaughtUp {
    /// There was no cursor: this is the first contact, and nothing older was asked for.
    FirstContact,
    /// Everything since the cursor was given, as far as the server still had it.
    Recovered {
        /// How long the server keeps messages; none: no longer than needed.
        keeps: Option<Duration>,
    },
    /// Messages may be missing.
    Missing(Missing),
}

/// Why messages may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS), ts(export, export_to = "bindings.ts"))]
pub enum Missing {
    /// The server has no way to send again what was missed, or this dialect of it has none.
    NoReplay,
    /// The time was longer than the server keeps messages.
    Expired,
    /// The server did not know any more how far we were, or we did not; or nobody will ask any more.
    CursorLost,
    /// The server refused to give what was missed.
    Refused,
}

impl Missing {
    /// Its word, as it is serialized.
    pub const fn word(self) -> &'static str {
        match self {
            Self::NoReplay => "no-replay",
            Self::Expired => "expired",
            Self::CursorLost => "cursor-lost",
            Self::Refused => "refused",
        }
    }

    /// The same for people: half a sentence.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NoReplay => "this server cannot send again what was missed",
            Self::Expired => "it was longer than the server keeps messages",
            Self::CursorLost => "it was no longer known how far the connection was",
            Self::Refused => "the server does not give what was missed",
        }
    }

    /// The one of this word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::NoReplay, Self::Expired, Self::CursorLost, Self::Refused].into_iter().find(|it| it.word() == word)
    }
}

/// How a socket is proved by agreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    /// Idle time before a heartbeat of ours; where the server sends them, the silence that is still normal.
    pub every: Duration,
    /// Silence after that which means dead.
    pub timeout: Duration,
    /// Send one at least once every `every`, whatever arrives, since the server counts what it receives.
    pub always: bool,
    /// Whether we send any; false: only silence is watched.
    pub ours: bool,
}

/// What the socket itself does not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A message above [`Spec::longest_message`](super::Spec::longest_message).
    TooLarge,
    /// A text frame that is not UTF-8.
    NotUtf8,
}

/// A request beside the socket, to the same server by the same way, with the same headers and credentials. It is tried
/// again, ever more rarely, until the server answers it.
#[derive(Clone, PartialEq, Eq)]
pub struct Fetch {
    /// `http` or `https`.
    pub url: Url,
    /// Fields of a form to POST; none: GET.
    pub form: Option<Vec<(String, String)>>,
    /// How the answer is handed over.
    pub answer: Answer,
    /// The header field of an answer from which the server left something out; none: it gives all, or no answer.
    pub cut: Option<&'static str>,
}

/// Neither the path nor the query nor the form: any of them may hold a secret.
impl std::fmt::Debug for Fetch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Fetch").field(&self.url.host_str()).finish_non_exhaustive()
    }
}

/// How the answer to a fetch is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Line by line, as they come.
    Lines,
    /// In one piece.
    Whole,
}

/// What came of a fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetched<'a> {
    /// The server says, before the first part, that the answer is not all: see [`Fetch::cut`].
    Cut,
    /// A line of the answer, or all of it.
    Part(&'a str),
    /// The answer is complete. A new fetch may follow.
    End,
    /// The answer broke off or there was none; the same is asked again, from its beginning.
    Broken,
    /// The server does not answer such a request: 400, 404, 405, 410 or 422. It is not asked again.
    Refused(u16),
}
