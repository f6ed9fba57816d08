//! What a message deserves: a popup of its own, a place in a summary, or silence. Nothing is dropped: each message is
//! notified, silent by its kind, or counted in exactly one summary.
//!
//! At most [`PER_CONNECTION`] popups of a connection and [`IN_ALL`] together come in any [`WINDOW`]; a summary is a
//! popup too. While messages of a connection wait for a summary, its later ones join them, so that no message is told
//! before an older one. Whether notifications are wanted at all is the caller's question.

mod summary;

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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn five_messages_of_a_connection_are_shown_and_the_rest_is_told_in_one_popup_when_there_is_room() {
        let mut attention = Attention::new();
        let decisions: Vec<_> = (0..42).map(|number| attention.decide(at(number), "crm", 1, &text(3))).collect();
        assert!(decisions[..5].iter().all(|&decision| decision == Decision::Notify));
        assert!(decisions[5..].iter().all(|&decision| decision == Decision::Fold));

        assert_eq!(attention.poll_timeout(), Some(at(10_000)), "when the first popup is ten seconds old");
        assert_eq!(attention.take_summary(at(9_999)), None);
        let summary = attention.take_summary(at(10_000)).unwrap();
        assert_eq!(summary.title(Words::English), "37 more messages from crm");
        assert_eq!(summary.body(Words::English), "Latest: title");
        assert_eq!(attention.take_summary(at(10_000)), None, "each message is told once");
        assert_eq!(attention.poll_timeout(), None);
    }

    #[test]
    fn a_later_message_is_not_told_before_an_earlier_one() {
        let mut attention = Attention::new();
        for _ in 0..6 {
            attention.decide(at(0), "crm", 1, &text(3));
        }
        assert_eq!(attention.decide(at(10_000), "crm", 1, &text(3)), Decision::Fold, "one still waits for its summary");
        assert_eq!(attention.take_summary(at(10_000)).unwrap().total(), 2);
        assert_eq!(attention.decide(at(10_000), "crm", 1, &text(3)), Decision::Notify);
    }

    #[test]
    fn ten_popups_are_the_limit_of_all_connections_together_and_urgent_messages_pass_only_their_own() {
        let mut attention = Attention::new();
        let urgent: Vec<_> = (0..12).map(|_| attention.decide(at(0), "pager", 1, &text(5))).collect();
        assert!(urgent[..10].iter().all(|&decision| decision == Decision::Notify));
        assert!(urgent[10..].iter().all(|&decision| decision == Decision::Fold));
        assert_eq!(attention.decide(at(1), "crm", 1, &text(3)), Decision::Fold);

        let summary = attention.take_summary(at(10_000)).unwrap();
        assert_eq!(summary.title(Words::English), "3 more messages from 2 connections");
        assert_eq!(summary.body(Words::English), "Latest: title\ncrm: 1\npager: 2");
    }

    #[test]
    fn a_quiet_connection_is_heard_while_another_floods() {
        let mut attention = Attention::new();
        for _ in 0..1_000 {
            attention.decide(at(0), "noisy", 1, &text(3));
        }
        assert_eq!(attention.decide(at(1), "quiet", 1, &text(3)), Decision::Notify);
    }

    #[test]
    fn a_summary_is_not_kept_waiting_by_the_popups_of_others() {
        let mut attention = Attention::new();
        for number in 0..12 {
            attention.decide(at(0), &format!("c{}", number % 3), 1, &text(3));
        }
        for number in 0..20 {
            attention.decide(at(10_000), &format!("d{number}"), 1, &text(3));
        }
        let summary = attention.take_summary(at(10_000)).unwrap();
        assert_eq!(summary.counts.iter().filter(|(name, _)| name.starts_with('c')).count(), 2);
    }

    #[test]
    fn a_binary_message_is_silent() {
        let binary = Message { kind: MessageKind::Binary, ..text(5) };
        assert_eq!(Attention::new().decide(at(0), "crm", 1, &binary), Decision::Silent);
    }

    #[test]
    fn a_connection_that_fell_quiet_is_forgotten() {
        let mut attention = Attention::new();
        for number in 0..1_000 {
            attention.decide(at(number * 20_000), &format!("c{number}"), 1, &text(3));
        }
        assert_eq!(attention.connections.len(), 1);
    }

    proptest! {
        #[test]
        fn every_message_is_shown_or_counted_once_and_no_window_has_too_many_popups(
            steps in prop::collection::vec((0_u64..1_500, 0_usize..4, 1_u8..=5, any::<bool>()), 1..400),
        ) {
            let names = ["a", "b", "c", "d"];
            let mut attention = Attention::new();
            let mut run = Run::default();
            let mut now = 0;
            for (pause, name, priority, prompt) in steps {
                // A prompt caller takes summaries when they are due; a late one only at the end.
                while let Some(due) = attention.poll_timeout().filter(|&due| prompt && due <= at(now + pause)) {
                    let due = due.max(at(now));
                    let summary = attention.take_summary(due);
                    prop_assert!(summary.is_some(), "nothing was due at {due:?}");
                    run.took(due, summary);
                }
                now += pause;
                let decision = attention.decide(at(now), names[name], 1, &text(priority));
                run.decided(at(now), names[name], priority, decision);
            }
            while let Some(due) = attention.poll_timeout() {
                let due = due.max(at(now));
                let summary = attention.take_summary(due);
                prop_assert!(summary.is_some(), "nothing was due at {due:?}");
                run.took(due, summary);
            }
            prop_assert_eq!(run.folded, run.told);
            within(&run.in_all, IN_ALL)?;
            for popups in run.ordinary.values() {
                within(popups, PER_CONNECTION)?;
            }
        }
    }

    /// What a run of decisions came to.
    #[derive(Default)]
    struct Run {
        folded: BTreeMap<String, u64>,
        told: BTreeMap<String, u64>,
        in_all: Vec<Moment>,
        /// The popups that are bound to the limit of their connection.
        ordinary: BTreeMap<String, Vec<Moment>>,
    }

    impl Run {
        fn decided(&mut self, now: Moment, name: &str, priority: u8, decision: Decision) {
            match decision {
                Decision::Notify => {
                    self.in_all.push(now);
                    if priority < URGENT {
                        self.ordinary.entry(name.to_owned()).or_default().push(now);
                    }
                }
                Decision::Fold => *self.folded.entry(name.to_owned()).or_default() += 1,
                Decision::Silent => panic!("a text message is never silent"),
            }
        }

        fn took(&mut self, now: Moment, summary: Option<Summary>) {
            let Some(summary) = summary else { return };
            self.in_all.push(now);
            for (name, count) in summary.counts {
                self.ordinary.entry(name.clone()).or_default().push(now);
                *self.told.entry(name).or_default() += count;
            }
        }
    }

    fn within(popups: &[Moment], limit: usize) -> Result<(), TestCaseError> {
        for group in popups.windows(limit + 1) {
            prop_assert!(group[limit].since(group[0]) >= WINDOW, "{} popups in a window: {group:?}", limit + 1);
        }
        Ok(())
    }

    fn at(ms: u64) -> Moment {
        Moment::new(Duration::from_millis(ms))
    }

    fn text(priority: u8) -> Message {
        Message {
            id: None,
            title: "title".to_owned(),
            body: "body".to_owned(),
            priority,
            kind: MessageKind::Text,
            size: 4,
            caught_up: false,
        }
    }
}
