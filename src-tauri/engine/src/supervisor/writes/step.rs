//! What is committed, and what follows from it, in one order.

use std::collections::BTreeMap;

use heartwire_core::dialect::CaughtUp;
use heartwire_core::link::Generation;

use crate::driver::ConnectionId;
use crate::store::{Entry, Written};

/// What is committed, and what is to be done when everything before it is on disk.
#[derive(Clone)]
pub enum Step {
    Entry(Entry),
    Then(Then),
}

impl Step {
    /// Without what it says of a connection that has lost something: that nothing is missing.
    pub(super) fn sound(self, lossy: &BTreeMap<String, i64>) -> Option<Self> {
        match self {
            Self::Entry(Entry::Cursor(name, _)) | Self::Then(Then::Committed(name, ..))
                if lossy.contains_key(&name) =>
            {
                None
            }
            Self::Then(Then::CaughtUp(name, .., CaughtUp::Recovered { .. })) if lossy.contains_key(&name) => {
                Some(Self::Then(Then::Told(name)))
            }
            sound @ (Self::Entry(_) | Self::Then(_)) => Some(sound),
        }
    }
}

/// What follows from a commit.
#[derive(Clone)]
pub enum Then {
    /// All that this connection missed has been given, or cannot be.
    CaughtUp(String, ConnectionId, Generation, CaughtUp),
    /// What has come by now of what it missed is all for a while.
    Told(String),
    /// Its dialect may acknowledge to its server.
    Committed(String, ConnectionId, Generation, u64),
}

/// A step that was done.
pub enum Done {
    Written(Written),
    Then(Then),
}
