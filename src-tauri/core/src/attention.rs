//! What a message deserves: a popup of its own, a place in a summary, or silence. Nothing is dropped: each message is
//! notified, silent by its kind, or counted in exactly one summary.
//!
//! At most [`PER_CONNECTION`] popups of a connection and [`IN_ALL`] together come in any [`WINDOW`]; a summary is a
//! popup too. While messages of a connection wait for a summary, its later ones join them, so that no message is told
//! before an older one. Whether notifications are wanted at all is the caller's question.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::message::{Message, MessageKind};
use crate::time::Moment;

/// The time in which popups are counted.
pub const WINDOW: Duration = Duration::from_secs(10);
/// The most popups of one connection in a window.
pub const PER_CONNECTION: usize = 5;
/// The most popups in a window.
pub const IN_ALL: usize = 10;
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

/// One popup for many messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// How many messages of which connection, by name.
    pub counts: BTreeMap<String, u64>,
    /// The title of the newest of them.
    pub latest_title: String,
}

impl Summary {
    /// How many messages it stands for.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// The popup's title, such as `37 more messages from crm`.
    pub fn title(&self) -> String {
        let total = self.total();
        let messages = if total == 1 { "message" } else { "messages" };
        let mut names = self.counts.keys();
        match (names.next(), names.len()) {
            (Some(name), 0) => format!("{total} more {messages} from {name}"),
            (Some(_), others) => format!("{total} more {messages} from {} connections", others + 1),
            (None, _) => format!("{total} more {messages}"),
        }
    }

    /// The popup's body: the newest title and, of several connections, how many messages each had.
    pub fn body(&self) -> String {
        let mut lines = Vec::new();
        if !self.latest_title.is_empty() {
            lines.push(format!("Latest: {}", self.latest_title));
        }
        if self.counts.len() > 1 {
            lines.extend(self.counts.iter().map(|(name, count)| format!("{name}: {count}")));
        }
        lines.join("\n")
    }
}

/// Decides for all connections.
#[derive(Debug, Default)]
pub struct Attention {
    in_all: Popups,
    connections: BTreeMap<String, Connection>,
    /// The title of the message that was folded last.
    latest_title: String,
}

#[derive(Debug, Default)]
struct Connection {
    popups: Popups,
    folded: u64,
}

impl Attention {
    /// With nothing shown yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What a message of this connection deserves. `Notify` counts as shown at `now`.
    pub fn decide(&mut self, now: Moment, connection: &str, message: &Message) -> Decision {
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
        own.folded = own.folded.saturating_add(1);
        self.latest_title.clone_from(&message.title);
        Decision::Fold
    }

    /// When [`Self::take_summary`] will have something; none while nothing is folded. It may be in the past.
    pub fn poll_timeout(&self) -> Option<Moment> {
        let in_all = self.in_all.room_at(IN_ALL);
        let folded = self.connections.values().filter(|connection| connection.folded > 0);
        folded.map(|connection| connection.popups.room_at(PER_CONNECTION).max(in_all)).min()
    }

    /// The messages folded so far of every connection that may have a popup again; none while there is no room.
    pub fn take_summary(&mut self, now: Moment) -> Option<Summary> {
        self.forget_old(now);
        if self.in_all.count() >= IN_ALL {
            return None;
        }
        let mut counts = BTreeMap::new();
        for (name, connection) in &mut self.connections {
            if connection.folded > 0 && connection.popups.count() < PER_CONNECTION {
                counts.insert(name.clone(), std::mem::take(&mut connection.folded));
                connection.popups.add(now);
            }
        }
        if counts.is_empty() {
            return None;
        }
        self.in_all.add(now);
        Some(Summary { counts, latest_title: self.latest_title.clone() })
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
