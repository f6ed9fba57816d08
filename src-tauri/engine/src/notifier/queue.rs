//! The popups that wait to be shown: a bounded number, and beyond it only how many messages there were.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use heartwire_core::attention::Summary;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::Popup;

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
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Waiting>,
    /// What came after the queue was full; told when everything before it has been.
    folded: Option<Folded>,
}

#[derive(Debug)]
struct Folded {
    summary: Summary,
    since: Instant,
}

impl Queue {
    pub(super) fn push(&self, popup: Popup) {
        self.lock().push(popup, Instant::now());
        self.pushed.notify_one();
    }

    /// The next popup; waits for one. Only one task may wait.
    pub(super) async fn next(&self) -> Waiting {
        loop {
            if let Some(waiting) = self.lock().pop() {
                return waiting;
            }
            self.pushed.notified().await;
        }
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
    fn push(&mut self, popup: Popup, now: Instant) {
        if self.folded.is_none() && self.waiting.len() < WAITING {
            self.waiting.push_back(Waiting { popup, since: now });
            return;
        }
        let folded = self.folded.get_or_insert_with(|| Folded {
            summary: Summary { counts: BTreeMap::new(), latest_title: String::new() },
            since: now,
        });
        let counts = &mut folded.summary.counts;
        let known = counts.len() < COUNTED_CONNECTIONS || counts.contains_key(&popup.connection);
        *counts.entry(if known { popup.connection } else { String::new() }).or_default() += popup.messages;
        folded.summary.latest_title = popup.title;
        folded.since = now;
    }

    fn pop(&mut self) -> Option<Waiting> {
        self.waiting.pop_front().or_else(|| {
            let folded = self.folded.take()?;
            Some(Waiting { popup: Popup::summary(&folded.summary), since: folded.since })
        })
    }
}
