//! The popups that wait to be shown: a bounded number, and beyond it only how many messages there were. And those that
//! were shown under a key, which may be replaced or have to be closed.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use heartwire_core::attention::{NOT_STORED, Summary, Words};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::Popup;
use super::desktop::{Service, Shown};
use super::remembered::{Key, Remembered};

/// How many popups wait in full.
const WAITING: usize = 64;
/// How many connections are told apart among those that are only counted.
const COUNTED_CONNECTIONS: usize = 256;

/// A popup and since when it waits.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) popup: Popup,
    pub(super) since: Instant,
}

/// A queue whose pushing end never waits. The lock is held for a few moves in memory, never across an await.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    pushed: Notify,
    settled: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Waiting>,
    /// What came after the queue was full; told when everything before it has been.
    folded: Option<Folded>,
    /// The popup that was taken out and is being shown.
    in_hand: Option<InHand>,
    remembered: Remembered,
    /// The language of what was folded here.
    words: Words,
}

#[derive(Debug)]
struct Folded {
    summary: Summary,
    since: Instant,
}

#[derive(Debug)]
struct InHand {
    first_id: i64,
    key: Option<Key>,
    fate: Fate,
}

/// What became of a popup while it was being shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Wanted,
    /// A newer one has its key. If it is shown after all, the newer one replaces it.
    Replaced,
    /// If it is shown after all, it is closed.
    Withdrawn,
}

impl Queue {
    pub(super) fn new(words: Words) -> Self {
        Self { state: Mutex::new(State { words, ..State::default() }), ..Self::default() }
    }

    pub(super) fn push(&self, popup: Popup) {
        let replaced = self.lock().push(popup, Instant::now());
        self.pushed.notify_one();
        if replaced {
            self.settled.notify_one();
        }
    }

    /// The server took back what has this key: it needs no popup any more, and one that is shown is to be closed.
    pub(super) fn withdraw(&self, connection: &str, key: &str) {
        let key = (connection.to_owned(), key.to_owned());
        let settled = self.lock().withdraw(&key);
        self.pushed.notify_one();
        if settled {
            self.settled.notify_one();
        }
    }

    /// The next popup; waits for one. It counts as waiting until [`Self::settle`]. Only one task may wait.
    pub(super) async fn next(&self) -> Waiting {
        loop {
            if let Some(waiting) = self.lock().pop() {
                return waiting;
            }
            self.pushed.notified().await;
        }
    }

    /// The next popup as from [`Self::next`], or none as soon as there is something to close.
    pub(super) async fn next_or_close(&self) -> Option<Waiting> {
        loop {
            {
                let mut state = self.lock();
                if state.remembered.has_to_close() {
                    return None;
                }
                if let Some(waiting) = state.pop() {
                    return Some(waiting);
                }
            }
            self.pushed.notified().await;
        }
    }

    /// Whether the popup that was taken last is still to be shown.
    pub(super) fn is_wanted(&self) -> bool {
        self.lock().in_hand.as_ref().is_some_and(|in_hand| in_hand.fate == Fate::Wanted)
    }

    /// The popup that was taken last needs nothing more; how it was shown, if it was and the desktop can name it.
    pub(super) fn settle(&self, shown: Option<Shown>) {
        self.lock().settle(shown);
        self.settled.notify_one();
    }

    /// What the popup that was taken last is shown in the place of.
    pub(super) fn replaces(&self) -> Option<u32> {
        let state = self.lock();
        let key = state.in_hand.as_ref()?.key.as_ref()?;
        state.remembered.id(key)
    }

    /// Forgets what the popup that was taken last would replace.
    pub(super) fn forget_replaced(&self) {
        let mut state = self.lock();
        if let Some(key) = state.in_hand.as_ref().and_then(|in_hand| in_hand.key.clone()) {
            state.remembered.forget(&key);
        }
    }

    /// What is to be closed on this service. What another one showed has gone with it and is forgotten.
    pub(super) fn take_to_close(&self, service: &Service) -> Vec<Shown> {
        self.lock().remembered.take_to_close(service)
    }

    /// Returns when something was settled since the last return. Only one task may wait.
    pub(super) async fn settled(&self) {
        self.settled.notified().await;
    }

    /// The smallest row among all that is not settled.
    pub(super) fn oldest_waiting(&self) -> Option<i64> {
        self.lock().oldest()
    }

    pub(super) fn set_words(&self, words: Words) {
        self.lock().words = words;
    }

    /// Takes out what waits since before `limit`, and tells how many messages that were.
    pub(super) fn take_older_than(&self, limit: Instant) -> u64 {
        let mut state = self.lock();
        let mut messages = 0;
        let old = state.waiting.partition_point(|waiting| waiting.since < limit);
        messages += state.waiting.drain(..old).map(|waiting| waiting.popup.messages).sum::<u64>();
        if let Some(old) = state.folded.take_if(|folded| folded.since < limit) {
            messages += old.summary.total();
        }
        messages
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code under the lock can panic halfway through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Returns whether something older has become needless by it.
    fn push(&mut self, popup: Popup, now: Instant) -> bool {
        let replaced = popup.full_key().is_some_and(|key| self.drop_waiting(&key, Fate::Replaced));
        self.add(popup, now);
        replaced
    }

    /// Returns whether something that waited has become needless.
    fn withdraw(&mut self, key: &Key) -> bool {
        let settled = self.drop_waiting(key, Fate::Withdrawn);
        if let Some(shown) = self.remembered.forget(key) {
            self.remembered.close(shown);
        }
        settled
    }

    /// Takes out what waits under this key and tells what became of it to the one that is being shown.
    fn drop_waiting(&mut self, key: &Key, fate: Fate) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|waiting| !waiting.popup.has_key(key));
        let Some(in_hand) = self.in_hand.as_mut().filter(|in_hand| in_hand.key.as_ref() == Some(key)) else {
            return self.waiting.len() < before;
        };
        // A newer one of the same key does not bring back what was withdrawn before it came.
        if in_hand.fate != Fate::Withdrawn {
            in_hand.fate = fate;
        }
        in_hand.first_id = NOT_STORED;
        true
    }

    fn settle(&mut self, shown: Option<Shown>) {
        let Some(in_hand) = self.in_hand.take() else { return };
        let (Some(key), Some(shown)) = (in_hand.key, shown) else { return };
        if in_hand.fate == Fate::Withdrawn {
            self.remembered.close(shown);
        } else {
            self.remembered.showed(key, shown);
        }
    }

    fn add(&mut self, popup: Popup, now: Instant) {
        if self.folded.is_none() && self.waiting.len() < WAITING {
            self.waiting.push_back(Waiting { popup, since: now });
            return;
        }
        let folded = self.folded.get_or_insert_with(|| Folded {
            summary: Summary {
                counts: BTreeMap::new(),
                missed: false,
                latest_title: String::new(),
                first_id: NOT_STORED,
            },
            since: now,
        });
        let counts = &mut folded.summary.counts;
        let known = counts.len() < COUNTED_CONNECTIONS || counts.contains_key(&popup.connection);
        *counts.entry(if known { popup.connection } else { String::new() }).or_default() += popup.messages;
        folded.summary.latest_title = popup.title;
        folded.summary.first_id = folded.summary.first_id.min(popup.first_id);
        folded.since = now;
    }

    fn pop(&mut self) -> Option<Waiting> {
        let next = self.waiting.pop_front().or_else(|| {
            let folded = self.folded.take()?;
            Some(Waiting { popup: Popup::summary(&folded.summary, self.words), since: folded.since })
        })?;
        self.in_hand = Some(InHand { first_id: next.popup.first_id, key: next.popup.full_key(), fate: Fate::Wanted });
        Some(next)
    }

    fn oldest(&self) -> Option<i64> {
        let waiting = self.waiting.iter().map(|waiting| waiting.popup.first_id);
        let folded = self.folded.iter().map(|folded| folded.summary.first_id);
        let in_hand = self.in_hand.iter().map(|in_hand| in_hand.first_id);
        waiting.chain(folded).chain(in_hand).filter(|&id| id != NOT_STORED).min()
    }
}

impl Popup {
    fn full_key(&self) -> Option<Key> {
        self.key.as_ref().map(|key| (self.connection.clone(), key.clone()))
    }

    fn has_key(&self, (connection, key): &Key) -> bool {
        self.connection == *connection && self.key.as_ref() == Some(key)
    }
}
