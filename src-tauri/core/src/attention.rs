//! What a message deserves: a popup of its own, a place in a summary, or silence. Nothing is dropped: each message is
//! notified, silent by its kind, or counted in exactly one summary.
//!
//! At most [`PER_CONNECTION`] popups of a connection and [`IN_ALL`] together come in any [`WINDOW`]; a summary is a
//! popup too. While messages of a connection wait for a summary, its later ones join them, so that no message is told
//! before an older one. Whether notifications are wanted at all is the caller's question.

mod summary;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::message::{Message, MessageKind};
use crate::time::Moment;

pub use summary::{Summary, Words};

/// The time in which popups are counted.
pub const WINDOW: Duration = Duration::from_secs(10);
/// The most popups of one connection in a window.
pub const PER_CONNECTION: usize = 5;
/// The most popups in a window.
pub const IN_ALL: usize = 10;
/// The row of a message that has none (yet): its popup cannot be repeated after a crash.
pub const NOT_STORED: i64 = i64::MAX;
/// The priority that passes its connection's limit, but not the one of all.
const URGENT: u8 = 5;

/// What to do with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Show it now.
    Notify,
    /// It is counted; [`Attention::take_summary`] will tell of it.
    Fold,
    /// It is kept in the history only.
    Silent,
}

/// Decides for all connections.
#[derive(Debug, Default)]
pub struct Attention {
    in_all: Popups,
    connections: BTreeMap<String, Connection>,
    /// Rises with each folded message, to find the newest of a summary.
    folded_so_far: u64,
}

#[derive(Debug, Default)]
struct Connection {
    popups: Popups,
    /// How many messages wait for a summary.
    folded: u64,
    /// The smallest row among them; meaningless while there are none.
    first_id: i64,
    /// The place among all folded messages and the title of the newest of them.
    latest: (u64, String),
}

impl Attention {
    /// With nothing shown yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What a message of this connection deserves. `Notify` counts as shown at `now`. `id` is the message's row, or
    /// [`NOT_STORED`].
    pub fn decide(&mut self, now: Moment, connection: &str, id: i64, message: &Message) -> Decision {
        if message.kind == MessageKind::Binary {
            return Decision::Silent;
        }
        self.forget_old(now);
        // One popup of the window is kept for a summary that waits.
        let kept = usize::from(self.connections.values().any(|other| other.folded > 0));
        let room_in_all = self.in_all.count() + kept < IN_ALL;
        let own = self.connections.entry(connection.to_owned()).or_default();
        let room = message.priority >= URGENT || (own.folded == 0 && own.popups.count() < PER_CONNECTION);
        if room_in_all && room {
            own.popups.add(now);
            self.in_all.add(now);
            return Decision::Notify;
        }
        own.first_id = if own.folded == 0 { id } else { own.first_id.min(id) };
        own.folded = own.folded.saturating_add(1);
        self.folded_so_far = self.folded_so_far.saturating_add(1);
        own.latest = (self.folded_so_far, message.title.clone());
        Decision::Fold
    }

    /// When [`Self::take_summary`] will have something; none while nothing is folded. It may be in the past.
    pub fn poll_timeout(&self) -> Option<Moment> {
        let in_all = self.in_all.room_at(IN_ALL);
        let folded = self.connections.values().filter(|connection| connection.folded > 0);
        folded.map(|connection| connection.popups.room_at(PER_CONNECTION).max(in_all)).min()
    }

    /// The smallest row among the messages that wait for a summary: none is told yet.
    pub fn oldest_folded(&self) -> Option<i64> {
        let folded = self.connections.values().filter(|connection| connection.folded > 0);
        folded.map(|connection| connection.first_id).filter(|&id| id != NOT_STORED).min()
    }

    /// The messages folded so far of every connection that may have a popup again; none while there is no room.
    pub fn take_summary(&mut self, now: Moment) -> Option<Summary> {
        self.forget_old(now);
        if self.in_all.count() >= IN_ALL {
            return None;
        }
        let mut counts = BTreeMap::new();
        let mut latest = (0, String::new());
        let mut first_id = NOT_STORED;
        for (name, connection) in &mut self.connections {
            if connection.folded > 0 && connection.popups.count() < PER_CONNECTION {
                counts.insert(name.clone(), std::mem::take(&mut connection.folded));
                latest = latest.max(std::mem::take(&mut connection.latest));
                first_id = first_id.min(connection.first_id);
                connection.popups.add(now);
            }
        }
        if counts.is_empty() {
            return None;
        }
        self.in_all.add(now);
        Some(Summary { counts, latest_title: latest.1, first_id })
    }

    fn forget_old(&mut self, now: Moment) {
        self.in_all.forget_old(now);
        self.connections.retain(|_, connection| {
            connection.popups.forget_old(now);
            connection.folded > 0 || connection.popups.count() > 0
        });
    }
}

/// When the popups of the running window were, oldest first.
#[derive(Debug, Default)]
struct Popups(VecDeque<Moment>);

impl Popups {
    fn add(&mut self, now: Moment) {
        self.0.push_back(now);
    }

    fn count(&self) -> usize {
        self.0.len()
    }

    fn forget_old(&mut self, now: Moment) {
        while self.0.front().is_some_and(|&shown| now.since(shown) >= WINDOW) {
            self.0.pop_front();
        }
    }

    /// When fewer than `limit` of them are left in the window.
    fn room_at(&self, limit: usize) -> Moment {
        let last_in_the_way = self.0.len().checked_sub(limit).and_then(|index| self.0.get(index));
        last_in_the_way.map_or_else(Moment::default, |&shown| shown + WINDOW)
    }
}
