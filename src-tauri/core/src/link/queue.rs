//! Texts that wait for a socket. They belong to no generation until they are handed to one, and to that one only: what
//! a lost socket did not get rid of is never said again on the next, because nobody knows how much of it arrived.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::time::Moment;

/// The most texts that wait.
pub const QUEUE_TEXTS: usize = 64;

/// The most bytes of text that wait.
pub const QUEUE_BYTES: usize = 1024 * 1024;

/// The longest that a text waits: whoever sends one waits for the answer, and what is said now may be wrong later.
pub const QUEUE_AGE: Duration = Duration::from_secs(20);

/// Which send an answer belongs to. Chosen by the driver, and never twice for one link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SendId(pub u64);

/// Why a text was not sent. It will not be sent later either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotSent {
    /// The link is stopped, paused or blocked.
    NotConnected,
    /// Too much waits already.
    Full,
    /// No socket came in time.
    TooLate,
    /// The socket was lost before the whole text was on its way. Part of it may have arrived.
    Lost,
}

impl Error for NotSent {}

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConnected => {
                f.write_str("it is not connected, so the text was not sent; send it again once it is")
            }
            Self::Full => f.write_str("too many texts wait to be sent, so this one was not taken; send it again later"),
            Self::TooLate => {
                write!(f, "it was not connected within {} s, so the text was not sent", QUEUE_AGE.as_secs())
            }
            Self::Lost => {
                f.write_str("the connection was lost while the text was being sent, and it may not have arrived")
            }
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<Waiting>,
    bytes: usize,
}

#[derive(Clone, Debug)]
struct Waiting {
    id: SendId,
    text: String,
    until: Moment,
}

impl Queue {
    /// Keeps a text, if there is room.
    pub(super) fn push(&mut self, now: Moment, id: SendId, text: String) -> Result<(), NotSent> {
        let bytes = self.bytes.saturating_add(text.len());
        if self.waiting.len() >= QUEUE_TEXTS || bytes > QUEUE_BYTES {
            return Err(NotSent::Full);
        }
        self.bytes = bytes;
        self.waiting.push_back(Waiting { id, text, until: now + QUEUE_AGE });
        Ok(())
    }

    /// When the oldest has waited too long.
    pub(super) fn deadline(&self) -> Option<Moment> {
        self.waiting.front().map(|oldest| oldest.until)
    }

    /// The oldest, if it has waited too long.
    pub(super) fn expired(&mut self, now: Moment) -> Option<SendId> {
        self.deadline().filter(|until| *until <= now)?;
        self.pop().map(|(id, _)| id)
    }

    /// The oldest.
    pub(super) fn pop(&mut self) -> Option<(SendId, String)> {
        let Waiting { id, text, .. } = self.waiting.pop_front()?;
        self.bytes -= text.len();
        Some((id, text))
    }
}
