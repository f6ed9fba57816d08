//! The time from the subscription until everything that was missed was given.

use std::collections::BTreeMap;
use std::mem;
use std::time::Duration;

use super::event::{Event, Kind};
use super::place::{Place, RACE};
use crate::dialect::{CaughtUp, Missing};

/// How long a server keeps messages that was not heard to say anything else (`DefaultCacheDuration` in server/config.go).
const KEEPS: Duration = Duration::from_secs(12 * 60 * 60);

/// Of how many sequences it is remembered what came live while what was missed is fetched. Beyond them what is fetched counts
/// as newer, though it is older.
pub(super) const MOST_LIVE: usize = 1_000;

pub(super) struct CatchUp {
    /// Where the last socket ended.
    pub(super) earlier: Place,
    /// The server's time when the subscription stood.
    pub(super) now: i64,
    /// The newest of its times since.
    pub(super) clock: i64,
    /// Nothing older is news.
    pub(super) since: i64,
    /// The second answer is awaited.
    again: bool,
    /// Must be in the answer, since the server keeps it still: else the server has lost messages.
    proof: Option<String>,
    /// The newest time of what was fetched, or given before.
    reached: i64,
    /// What came live meanwhile by its key, as far as it is remembered: what is fetched is older.
    live: BTreeMap<String, Newest>,
    /// Something in the answer could not be read.
    pub(super) unread: bool,
    /// The server left something out.
    pub(super) cut: bool,
}

/// The newest of a sequence that came live.
#[derive(Clone, Copy)]
pub(super) struct Newest {
    pub(super) time: i64,
    pub(super) withdrawn: bool,
}

impl CatchUp {
    /// From where the last socket ended, on a server whose clock says `now`.
    pub(super) fn new(earlier: Place, now: i64) -> Self {
        Self {
            now,
            clock: now,
            since: earlier.since(now),
            again: false,
            proof: earlier.proof(now),
            reached: earlier.time,
            live: BTreeMap::new(),
            unread: false,
            cut: false,
            earlier,
        }
    }

    /// Whether what stands in an answer was not given before.
    pub(super) fn is_news(&mut self, event: &Event) -> bool {
        if self.proof.as_ref() == Some(&event.id) {
            self.proof = None;
        }
        let given = event.time < self.since || self.earlier.knows(event);
        // Answers are in the order of time. A withdrawal that is given once more would take back what came after it.
        let repeated = event.is_withdrawal() && event.time < self.reached.saturating_sub(RACE);
        self.reached = self.reached.max(event.time);
        let outlived = event.is_withdrawal() && event.key().is_some_and(|key| self.live.contains_key(&key));
        !given && !repeated && !outlived
    }

    /// What came live of the message's sequence, if that is newer: the answer may also be sooner than the socket.
    pub(super) fn newer(&self, event: &Event) -> Option<Newest> {
        let newest = self.live.get(&event.key()?).copied();
        newest.filter(|newest| {
            event.kind == Kind::Message && event.time < newest.time.saturating_add(i64::from(newest.withdrawn))
        })
    }

    pub(super) fn came_live(&mut self, event: &Event) {
        self.clock = self.clock.max(event.time);
        let Some(key) = event.key().filter(|_| event.kind == Kind::Message || event.is_withdrawal()) else { return };
        let known = self.live.get(&key).map(|newest| newest.time);
        if known.map_or(self.live.len() < MOST_LIVE, |known| known <= event.time) {
            self.live.insert(key, Newest { time: event.time, withdrawn: event.is_withdrawal() });
        }
    }

    /// Since when it has to be asked for once more. None: it was, or there is no use.
    pub(super) fn again(&mut self) -> Option<i64> {
        let first = !mem::replace(&mut self.again, true);
        // What was left out once would be again.
        let since =
            if self.proof.is_some() && !self.cut { self.since } else { self.since.max(self.now.saturating_sub(RACE)) };
        (first && !self.unread).then_some(since)
    }

    pub(super) fn word(&self, now: &Place) -> CaughtUp {
        if self.unread || self.cut {
            CaughtUp::Missing(Missing::Refused)
        } else if self.proof.is_some() || self.earlier.is_ahead_of(self.now) {
            CaughtUp::Missing(Missing::CursorLost)
        } else {
            let keeps = [self.earlier.keeps, now.keeps].into_iter().flatten().min();
            CaughtUp::Recovered { keeps: Some(keeps.map_or(KEEPS, Duration::from_secs)) }
        }
    }
}
