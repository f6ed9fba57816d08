//! The popups that wait to be shown: a bounded number, and beyond it only how many messages there were.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use heartwire_core::attention::{NOT_STORED, Summary, Words};
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
    settled: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Waiting>,
    /// What came after the queue was full; told when everything before it has been.
    folded: Option<Folded>,
    /// The smallest row of the popup that was taken out and is being shown.
    in_hand: Option<i64>,
    /// The language of what was folded here.
    words: Words,
}

#[derive(Debug)]
struct Folded {
    summary: Summary,
    since: Instant,
}

impl Queue {
    pub(super) fn new(words: Words) -> Self {
        Self { state: Mutex::new(State { words, ..State::default() }), ..Self::default() }
    }

    pub(super) fn push(&self, popup: Popup) {
        self.lock().push(popup, Instant::now());
        self.pushed.notify_one();
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

    /// The popup that was taken last needs nothing more.
    pub(super) fn settle(&self) {
        self.lock().in_hand = None;
        self.settled.notify_one();
    }

    /// Returns when [`Self::settle`] was called since the last return. Only one task may wait.
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
    fn push(&mut self, popup: Popup, now: Instant) {
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
        self.in_hand = Some(next.popup.first_id);
        Some(next)
    }

    fn oldest(&self) -> Option<i64> {
        let waiting = self.waiting.iter().map(|waiting| waiting.popup.first_id);
        let folded = self.folded.iter().map(|folded| folded.summary.first_id);
        waiting.chain(folded).chain(self.in_hand).filter(|&id| id != NOT_STORED).min()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_does_not_fit_is_counted_by_connection_and_told_after_what_did() {
        let mut state = State::default();
        for number in 0..WAITING {
            state.push(popup("crm", &number.to_string()), Instant::now());
        }
        state.push(popup("crm", "folded"), Instant::now());
        state.push(Popup { messages: 7, ..popup("gate", "a summary") }, Instant::now());
        assert_eq!(title(state.pop()), "0");
        state.push(popup("crm", "there is room, but older ones are counted"), Instant::now());
        for number in 1..WAITING {
            assert_eq!(title(state.pop()), number.to_string());
        }
        let counted = state.pop().unwrap().popup;
        assert_eq!(counted.title, "9 more messages from 2 connections");
        assert_eq!((counted.messages, counted.connection.as_str()), (9, ""));
        assert!(state.pop().is_none());
    }

    #[test]
    fn however_many_connections_there_are_the_counts_are_bounded() {
        let mut state = State::default();
        for number in 0..10_000 {
            state.push(popup(&number.to_string(), "title"), Instant::now());
        }
        let folded = state.folded.unwrap().summary;
        assert!(folded.counts.len() <= COUNTED_CONNECTIONS + 1);
        assert_eq!(folded.total(), 10_000 - WAITING as u64);
    }

    #[test]
    fn what_is_too_old_is_taken_out_and_counted() {
        let queue = Queue::default();
        let begin = Instant::now();
        for second in 0..10 {
            queue.lock().push(popup("crm", &second.to_string()), begin + Duration::from_secs(second));
        }
        assert_eq!(queue.take_older_than(begin + Duration::from_secs(4)), 4);
        assert_eq!(title(queue.lock().pop()), "4");
    }

    proptest! {
        #[test]
        fn the_oldest_waiting_is_the_smallest_row_that_is_not_settled(
            steps in prop::collection::vec((0_u8..10, 0_i64..50), 1..500),
        ) {
            let queue = Queue::default();
            let begin = Instant::now();
            // What a queue without bounds would have: each popup's row, oldest first.
            let mut unsettled: VecDeque<i64> = VecDeque::new();
            let mut in_hand = 0;
            for (step, (action, id)) in (0..).zip(steps) {
                match action {
                    0..=6 => {
                        let id = if id == 0 { NOT_STORED } else { id };
                        queue.lock().push(Popup { first_id: id, ..popup("crm", "t") }, begin + Duration::from_secs(step));
                        unsettled.push_back(id);
                    }
                    7 if in_hand == 0 => {
                        in_hand = queue.lock().pop().map_or(0, |waiting| waiting.popup.messages);
                    }
                    8 if in_hand > 0 => {
                        queue.settle();
                        unsettled.drain(..usize::try_from(std::mem::take(&mut in_hand)).unwrap());
                    }
                    9 => {
                        let count = queue.take_older_than(begin + Duration::from_secs(step / 2));
                        let first = usize::try_from(in_hand).unwrap();
                        unsettled.drain(first..first + usize::try_from(count).unwrap());
                    }
                    _ => {}
                }
                let expected = unsettled.iter().copied().filter(|&id| id != NOT_STORED).min();
                prop_assert_eq!(queue.oldest_waiting(), expected);
            }
        }
    }

    fn title(waiting: Option<Waiting>) -> String {
        waiting.unwrap().popup.title
    }

    fn popup(connection: &str, title: &str) -> Popup {
        Popup {
            connection: connection.to_owned(),
            title: title.to_owned(),
            body: String::new(),
            priority: 3,
            messages: 1,
            first_id: 1,
        }
    }
}
