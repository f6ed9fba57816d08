//! How far a connection to ntfy is known to be complete: its cursor.
//!
//! The server's times are seconds, and a message may become visible after others of the same or a later time: a scheduled
//! one up to `DefaultDelayedSenderInterval`, 10 s, after the time that it bears (server/config.go), one published at the
//! same moment as another by as long as a write takes. So what was missed is asked for from some seconds before the newest
//! time, and what was given of that is known by its id.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::event::Event;
use crate::link::ResumeData;
use crate::message::usable_id;

/// How many seconds a message may bear a time before that of others which came earlier: the 10 s of a scheduled one, and
/// some for the server to do it.
const LATE: i64 = 15;

/// The same for messages that nobody scheduled.
pub(super) const RACE: i64 = 2;

/// How many ids are kept. Of a server with more in [`LATE`] only the newest [`RACE`] seconds are asked for again, and the
/// store knows them by their ids.
const RECENT: usize = 32;

/// A message that expires so soon may be gone when the answer is made (`DefaultManagerInterval` in server/config.go).
const SOON: i64 = 60;

/// A reader of any version takes what it knows; only `time` must be there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// The newest time that the server gave, in Unix seconds.
    pub(super) time: i64,
    /// What is older was given before, or was there before the first contact.
    #[serde(default)]
    pub(super) from: i64,
    /// Time and id of what was given, where it could be given once more.
    #[serde(default)]
    recent: VecDeque<(i64, String)>,
    /// The newest of what the server said to keep.
    #[serde(default)]
    kept: Option<Kept>,
    /// For how many seconds the server keeps messages: the least that it said on the newest socket where it did.
    #[serde(default)]
    pub(super) keeps: Option<u64>,
    /// It was on this socket.
    #[serde(skip)]
    heard: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    id: String,
    time: i64,
    expires: i64,
}

impl Place {
    pub(super) fn read(cursor: &ResumeData) -> Option<Self> {
        serde_json::from_str(&cursor.0).ok()
    }

    pub(super) fn cursor(&self) -> ResumeData {
        // Numbers and texts always become JSON; should they not, an unreadable cursor is told as lost.
        ResumeData(serde_json::to_string(self).unwrap_or_default())
    }

    /// Nothing before this second is news.
    pub(super) fn begin(&mut self, now: i64) {
        (self.time, self.from) = (self.time.max(now), now);
    }

    /// From which second on something may be missing, on a server whose clock says `now`.
    pub(super) fn since(&self, now: i64) -> i64 {
        let last = if self.is_ahead_of(now) { i64::MIN } else { self.time.min(now).saturating_sub(LATE) };
        last.max(self.from).min(now)
    }

    /// Whether the server's clock, which says `now`, went back further than is asked back anyhow: what was missed may bear
    /// any time.
    pub(super) fn is_ahead_of(&self, now: i64) -> bool {
        self.time.saturating_sub(LATE) > now
    }

    /// Everything was given up to here, and the server's clock does not say more than `clock`. What bears a later time is of
    /// before it went back.
    pub(super) fn set_back(&mut self, clock: i64) {
        (self.time, self.from) = (self.time.min(clock), self.from.min(clock));
    }

    /// What the server's answer must hold, unless it has lost messages.
    pub(super) fn proof(&self, now: i64) -> Option<String> {
        let kept = self.kept.as_ref()?;
        let is_asked_for = kept.time >= self.since(now) && kept.expires > now.saturating_add(SOON);
        is_asked_for.then(|| kept.id.clone())
    }

    /// The same, but what came in the [`RACE`] seconds before `now` may not be complete; `from` is what it was before.
    pub(super) fn asked_again(&self, from: i64, now: i64) -> Self {
        Self { from: self.from.min(now.saturating_sub(RACE)).max(from), ..self.clone() }
    }

    pub(super) fn knows(&self, event: &Event) -> bool {
        self.recent.iter().any(|(_, id)| *id == event.id)
    }

    /// It was given.
    pub(super) fn add(&mut self, event: &Event) {
        self.time = self.time.max(event.time);
        let Some(id) = usable_id(&event.id) else { return };
        if let Some(expires) = event.expires {
            if self.kept.as_ref().is_none_or(|kept| kept.time <= event.time) {
                self.kept = Some(Kept { id: id.clone(), time: event.time, expires });
            }
            let keeps = u64::try_from(expires.saturating_sub(event.time)).unwrap_or(0);
            self.keeps = Some(self.keeps.filter(|_| self.heard).map_or(keeps, |least| least.min(keeps)));
            self.heard = true;
        }
        self.recent.push_back((event.time, id));
        let late = self.time.saturating_sub(LATE);
        self.recent.retain(|(time, _)| *time >= late);
        if self.recent.len() > RECENT
            && let Some((time, _)) = self.recent.pop_front()
        {
            self.from = self.from.max(time.min(self.time.saturating_sub(RACE)));
        }
    }
}
