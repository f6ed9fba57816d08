//! What a message deserves: a popup of its own, a place in a summary, or silence. Nothing is dropped: each message is
//! notified, silent by its kind or age, counted in exactly one summary, or no news any more before it could be told,
//! because the server replaced it or took it back.
//!
//! At most [`PER_CONNECTION`] popups of a connection and [`IN_ALL`] together come in any [`WINDOW`]; a summary is a
//! popup too. While messages of a connection wait for a summary, its later ones join them, so that no message is told
//! before an older one. What a connection missed is held until it has caught up: only then it is known whether those
//! messages are few or are told in one popup; live ones are not kept waiting by them. Whether notifications are wanted
//! at all is the caller's question.

mod summary;
#[cfg(test)]
mod tests;
mod waiting;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::message::{Arrival, Message, MessageKind};
use crate::time::Moment;

pub use summary::{Summary, Words};
use waiting::{Counted, Held};

/// The time in which popups are counted.
pub const WINDOW: Duration = Duration::from_secs(10);
/// The most popups of one connection in a window.
pub const PER_CONNECTION: usize = 5;
/// The most popups in a window.
pub const IN_ALL: usize = 10;
/// How many messages that were caught up are told one by one; more are one popup.
pub const CAUGHT_UP: usize = 5;
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
    /// It waits for the rest of what its connection missed; [`Attention::caught_up`] will decide.
    Hold,
    /// It is kept in the history only.
    Silent,
}

/// What to show at once of what a connection missed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaughtUp {
    /// These with their rows, oldest first; none if there were none or all of them wait for a summary.
    Each(Vec<(i64, Message)>),
    /// One popup for all.
    Together(Summary),
}

/// Decides for all connections.
#[derive(Debug, Default)]
pub struct Attention {
    in_all: Popups,
    connections: BTreeMap<String, Connection>,
    /// Rises with each message that waits, to find the newest of a summary.
    waited_so_far: u64,
}

#[derive(Debug, Default)]
struct Connection {
    popups: Popups,
    /// What waits for a summary.
    folded: Counted,
    /// What waits until all that was missed is there.
    held: Held,
}

impl Attention {
    /// With nothing shown yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What a message of this connection deserves. `Notify` counts as shown at `now`. `id` is the message's row, or
    /// [`NOT_STORED`].
    pub fn decide(&mut self, now: Moment, connection: &str, id: i64, message: &Message) -> Decision {
        if message.kind == MessageKind::Binary || message.arrival == Arrival::Old {
            return Decision::Silent;
        }
        if let Some(key) = &message.key {
            // Whatever is held was sent before.
            self.withdraw(connection, key);
        }
        if message.arrival == Arrival::Live && self.takes_popup(now, connection, message.priority) {
            return Decision::Notify;
        }
        self.waited_so_far = self.waited_so_far.saturating_add(1);
        let own = self.connections.entry(connection.to_owned()).or_default();
        if message.arrival == Arrival::CaughtUp {
            own.held.add(self.waited_so_far, id, message);
            return Decision::Hold;
        }
        own.folded.add(Counted::one(self.waited_so_far, id, message));
        Decision::Fold
    }

    /// All that this connection missed was decided on, or no more of it will come now: its link is down, or the server
    /// cannot tell. What is returned counts as shown at `now`.
    pub fn caught_up(&mut self, now: Moment, connection: &str) -> CaughtUp {
        let held = self.connections.get_mut(connection).map(|own| std::mem::take(&mut own.held)).unwrap_or_default();
        match held {
            Held::Few(few) => {
                let mut shown = Vec::new();
                for whole in few {
                    if self.takes_popup(now, connection, whole.message.priority) {
                        shown.push((whole.id, whole.message));
                    } else {
                        self.connections.entry(connection.to_owned()).or_default().folded.add(whole.into());
                    }
                }
                CaughtUp::Each(shown)
            }
            Held::Many(many) if self.takes_popup(now, connection, 3) => CaughtUp::Together(Summary {
                counts: BTreeMap::from([(connection.to_owned(), many.count)]),
                missed: true,
                latest_title: many.latest.1,
                first_id: many.first_id,
            }),
            Held::Many(many) => {
                self.connections.entry(connection.to_owned()).or_default().folded.add(many);
                CaughtUp::Each(Vec::new())
            }
        }
    }

    /// The server took back what it said under this key: if that still waits whole, it will not be told.
    pub fn withdraw(&mut self, connection: &str, key: &str) {
        if let Some(own) = self.connections.get_mut(connection) {
            own.held.withdraw(key);
        }
    }

    /// When [`Self::take_summary`] will have something; none while nothing is folded. It may be in the past.
    pub fn poll_timeout(&self) -> Option<Moment> {
        let in_all = self.in_all.room_at(IN_ALL);
        let folded = self.connections.values().filter(|connection| !connection.folded.is_empty());
        folded.map(|connection| connection.popups.room_at(PER_CONNECTION).max(in_all)).min()
    }

    /// The smallest row among the messages that wait for a summary or for the rest of what was missed: none is told yet.
    pub fn oldest_folded(&self) -> Option<i64> {
        let waiting = self.connections.values().map(|own| own.folded.first_id.min(own.held.first_id()));
        waiting.filter(|&id| id != NOT_STORED).min()
    }

    /// The messages folded so far of every connection that may have a popup again; none while there is no room.
    pub fn take_summary(&mut self, now: Moment) -> Option<Summary> {
        self.forget_old(now);
        if self.in_all.count() >= IN_ALL {
            return None;
        }
        let mut counts = BTreeMap::new();
        let mut all = Counted::default();
        for (name, connection) in &mut self.connections {
            if !connection.folded.is_empty() && connection.popups.count() < PER_CONNECTION {
                let folded = std::mem::take(&mut connection.folded);
                counts.insert(name.clone(), folded.count);
                all.add(folded);
                connection.popups.add(now);
            }
        }
        if counts.is_empty() {
            return None;
        }
        self.in_all.add(now);
        Some(Summary { counts, missed: false, latest_title: all.latest.1, first_id: all.first_id })
    }

    /// Takes the room of one popup of this priority, if there is any.
    fn takes_popup(&mut self, now: Moment, connection: &str, priority: u8) -> bool {
        self.forget_old(now);
        // One popup of the window is kept for a summary that waits.
        let kept = usize::from(self.connections.values().any(|other| !other.folded.is_empty()));
        let room_in_all = self.in_all.count() + kept < IN_ALL;
        let own = self.connections.entry(connection.to_owned()).or_default();
        let room = priority >= URGENT || (own.folded.is_empty() && own.popups.count() < PER_CONNECTION);
        if room_in_all && room {
            own.popups.add(now);
            self.in_all.add(now);
        }
        room_in_all && room
    }

    fn forget_old(&mut self, now: Moment) {
        self.in_all.forget_old(now);
        self.connections.retain(|_, connection| {
            connection.popups.forget_old(now);
            !connection.folded.is_empty() || !connection.held.is_empty() || connection.popups.count() > 0
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
