//! What comes of many messages.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

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

#[test]
fn a_message_is_owed_from_its_folding_until_its_summary_is_taken() {
    let mut attention = Attention::new();
    for id in 1..=5 {
        assert_eq!(attention.decide(at(0), "crm", id, &text(3)), Decision::Notify);
    }
    assert_eq!(attention.oldest_folded(), None, "what is to be shown at once is the caller's");
    attention.decide(at(1), "crm", NOT_STORED, &text(3));
    assert_eq!(attention.oldest_folded(), None, "nothing to repeat");
    for id in 6..=9 {
        attention.decide(at(1), "crm", id, &text(3));
    }
    assert_eq!(attention.oldest_folded(), Some(6));
    let summary = attention.take_summary(at(10_000)).unwrap();
    assert_eq!((summary.first_id, summary.total()), (6, 5));
    assert_eq!(attention.oldest_folded(), None);
}

#[test]
fn the_oldest_of_several_connections_is_owed_whatever_their_order() {
    let mut attention = Attention::new();
    for (connection, ids) in [("b", [21, 20, 22]), ("a", [12, 10, 11])] {
        while attention.decide(at(0), connection, NOT_STORED, &text(3)) == Decision::Notify {}
        for id in ids {
            assert_eq!(attention.decide(at(0), connection, id, &text(3)), Decision::Fold);
        }
    }
    assert_eq!(attention.oldest_folded(), Some(10));
    assert_eq!(attention.take_summary(at(10_000)).unwrap().first_id, 10);
}

#[test]
fn what_was_there_before_the_first_contact_is_silent() {
    let old = Message { arrival: Arrival::Old, ..text(5) };
    assert_eq!(Attention::new().decide(at(0), "crm", 1, &old), Decision::Silent);
}

#[test]
fn a_few_missed_messages_are_told_one_by_one_once_all_are_there() {
    let mut attention = Attention::new();
    let missed: Vec<_> = (1..=5).map(|id| (id, titled(&id.to_string()))).collect();
    for (id, message) in &missed {
        assert_eq!(attention.decide(at(0), "crm", *id, message), Decision::Hold);
    }
    assert_eq!((attention.oldest_folded(), attention.poll_timeout()), (Some(1), None), "owed, but not due by itself");
    assert_eq!(attention.decide(at(1), "crm", 6, &text(3)), Decision::Notify, "a live message is not kept waiting");
    assert_eq!(attention.caught_up(at(60_000), "other"), CaughtUp::Each(vec![]));
    assert_eq!(attention.caught_up(at(60_000), "crm"), CaughtUp::Each(missed));
    assert_eq!(attention.oldest_folded(), None);
    assert_eq!(attention.caught_up(at(60_000), "crm"), CaughtUp::Each(vec![]), "each message is told once");
    assert_eq!(attention.decide(at(60_000), "crm", 7, &text(3)), Decision::Fold, "they counted as shown");
}

#[test]
fn many_missed_messages_are_one_popup() {
    let mut attention = Attention::new();
    for id in 1..=12 {
        assert_eq!(attention.decide(at(0), "crm", id, &titled(&id.to_string())), Decision::Hold);
    }
    assert_eq!(attention.oldest_folded(), Some(1));
    let CaughtUp::Together(summary) = attention.caught_up(at(1), "crm") else { panic!("one by one") };
    assert_eq!(summary.title(Words::English), "12 missed messages from crm");
    assert_eq!((summary.body(Words::English).as_str(), summary.first_id), ("Latest: 12", 1));
    assert_eq!(attention.oldest_folded(), None);
    for _ in 0..4 {
        assert_eq!(attention.decide(at(2), "crm", 13, &text(3)), Decision::Notify);
    }
    assert_eq!(attention.decide(at(2), "crm", 13, &text(3)), Decision::Fold, "the popup counted");
}

#[test]
fn missed_messages_for_which_there_is_no_room_join_the_summary() {
    for missed in [2, 12] {
        let mut attention = Attention::new();
        for id in 1..=missed {
            attention.decide(at(0), "crm", id, &titled("missed"));
        }
        while attention.decide(at(1), "crm", 20, &text(3)) == Decision::Notify {}
        assert_eq!(attention.caught_up(at(2), "crm"), CaughtUp::Each(vec![]));
        assert_eq!(attention.oldest_folded(), Some(1));
        let summary = attention.take_summary(at(10_001)).unwrap();
        assert_eq!(summary.title(Words::English), format!("{} more messages from crm", missed + 1));
        assert_eq!((summary.latest_title.as_str(), summary.first_id), ("title", 1), "the live one came last");
    }
}

#[test]
fn a_few_missed_messages_do_not_pass_the_limits() {
    let mut attention = Attention::new();
    attention.decide(at(0), "crm", 1, &text(3));
    attention.decide(at(0), "crm", 2, &text(3));
    for id in 3..=7 {
        attention.decide(at(0), "crm", id, &titled(&id.to_string()));
    }
    let CaughtUp::Each(shown) = attention.caught_up(at(1), "crm") else { panic!("together") };
    assert_eq!(shown.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [3, 4, 5]);
    assert_eq!(attention.oldest_folded(), Some(6));
    assert_eq!(attention.take_summary(at(10_000)).unwrap().total(), 2);
}

#[test]
fn what_was_replaced_or_taken_back_before_it_could_be_told_is_no_news() {
    let mut attention = Attention::new();
    let keyed = |key: &str, title: &str| Message { key: Some(key.to_owned()), ..titled(title) };
    for percent in 1..=99 {
        let progress = keyed("progress", &format!("{percent} %"));
        assert_eq!(attention.decide(at(0), "crm", percent, &progress), Decision::Hold);
    }
    attention.decide(at(0), "crm", 100, &keyed("door", "open"));
    attention.withdraw("crm", "door");
    attention.withdraw("crm", "never said");
    attention.withdraw("other", "progress");
    let told = (99, keyed("progress", "99 %"));
    assert_eq!(attention.oldest_folded(), Some(99));
    assert_eq!(attention.caught_up(at(0), "crm"), CaughtUp::Each(vec![told]));
}

#[test]
fn what_was_missed_does_not_take_the_place_of_what_came_live_after_it() {
    let mut attention = Attention::new();
    let keyed = |key: &str, arrival: Arrival| Message { key: Some(key.to_owned()), arrival, ..text(3) };
    for (id, key) in [(1, "progress"), (2, "door")] {
        assert_eq!(attention.decide(at(0), "crm", id, &keyed(key, Arrival::CaughtUp)), Decision::Hold);
    }
    assert_eq!(attention.decide(at(1), "crm", 3, &keyed("progress", Arrival::Live)), Decision::Notify);
    assert_eq!(attention.decide(at(1), "other", 4, &keyed("door", Arrival::Live)), Decision::Notify);
    assert_eq!(attention.caught_up(at(2), "crm"), CaughtUp::Each(vec![(2, keyed("door", Arrival::CaughtUp))]));
}

#[test]
fn a_connection_is_not_forgotten_while_something_of_it_is_held() {
    let mut attention = Attention::new();
    attention.decide(at(0), "crm", 1, &titled("missed"));
    attention.decide(at(3_600_000), "other", 2, &text(3));
    assert!(matches!(attention.caught_up(at(3_600_000), "crm"), CaughtUp::Each(told) if told.len() == 1));
}

proptest! {
    #[test]
    fn every_message_is_shown_or_counted_once_and_no_window_has_too_many_popups(
        steps in prop::collection::vec(
            (0_u64..1_500, 0_usize..4, 1_u8..=5, any::<bool>(), 0_u8..10, 0_u8..20),
            1..400,
        ),
    ) {
        let names = ["a", "b", "c", "d"];
        let mut attention = Attention::new();
        let mut run = Run::default();
        let mut now = 0;
        for (number, (pause, name, priority, prompt, luck, action)) in (1..).zip(steps) {
            // Now and then one is not stored, or an older one comes again.
            let id = match luck { 0 => NOT_STORED, 1 => number / 2, _ => number };
            // A prompt caller takes summaries when they are due; a late one only at the end.
            while let Some(due) = attention.poll_timeout().filter(|&due| prompt && due <= at(now + pause)) {
                let due = due.max(at(now));
                let summary = attention.take_summary(due);
                prop_assert!(summary.is_some(), "nothing was due at {due:?}");
                run.took(due, summary)?;
                prop_assert_eq!(attention.oldest_folded(), run.oldest_folded());
            }
            now += pause;
            if action == 0 {
                run.caught_up(at(now), names[name], attention.caught_up(at(now), names[name]))?;
            } else {
                let arrival = if action < 10 { Arrival::Live } else { Arrival::CaughtUp };
                let message = Message { arrival, ..text(priority) };
                let decision = attention.decide(at(now), names[name], id, &message);
                run.decided(at(now), names[name], id, &message, decision);
            }
            prop_assert_eq!(attention.oldest_folded(), run.oldest_folded());
        }
        for name in names {
            run.caught_up(at(now), name, attention.caught_up(at(now), name))?;
        }
        while let Some(due) = attention.poll_timeout() {
            let due = due.max(at(now));
            let summary = attention.take_summary(due);
            prop_assert!(summary.is_some(), "nothing was due at {due:?}");
            run.took(due, summary)?;
            prop_assert_eq!(attention.oldest_folded(), run.oldest_folded());
        }
        prop_assert!(run.folded.values().all(Vec::is_empty), "never told: {:?}", run.folded);
        prop_assert!(run.held.values().all(Vec::is_empty), "never decided on: {:?}", run.held);
        within(&run.in_all, IN_ALL)?;
        for popups in run.ordinary.values() {
            within(popups, PER_CONNECTION)?;
        }
    }
}

/// What a run of decisions came to.
#[derive(Default)]
struct Run {
    /// The rows of what waits for a summary.
    folded: BTreeMap<String, Vec<i64>>,
    /// The rows and priorities of what waits for the rest of what was missed.
    held: BTreeMap<String, Vec<(i64, u8)>>,
    in_all: Vec<Moment>,
    /// The popups that are bound to the limit of their connection.
    ordinary: BTreeMap<String, Vec<Moment>>,
}

impl Run {
    fn decided(&mut self, now: Moment, name: &str, id: i64, message: &Message, decision: Decision) {
        match (decision, message.arrival) {
            (Decision::Notify, Arrival::Live) => self.showed(now, name, message.priority),
            (Decision::Fold, Arrival::Live) => self.folded.entry(name.to_owned()).or_default().push(id),
            (Decision::Hold, Arrival::CaughtUp) => {
                self.held.entry(name.to_owned()).or_default().push((id, message.priority));
            }
            (decision, arrival) => panic!("{decision:?} of {arrival:?}"),
        }
    }

    fn caught_up(&mut self, now: Moment, name: &str, told: CaughtUp) -> Result<(), TestCaseError> {
        let held = self.held.remove(name).unwrap_or_default();
        let few = held.len() <= CAUGHT_UP;
        match told {
            CaughtUp::Each(shown) => {
                prop_assert!(few || shown.is_empty(), "{} of {} were shown", shown.len(), held.len());
                let mut shown = shown.into_iter().peekable();
                for (id, priority) in held {
                    if shown.next_if(|(next, message)| (*next, message.priority) == (id, priority)).is_some() {
                        self.showed(now, name, priority);
                    } else {
                        self.folded.entry(name.to_owned()).or_default().push(id);
                    }
                }
                prop_assert_eq!(shown.next(), None, "not held, or not in order");
            }
            CaughtUp::Together(summary) => {
                prop_assert!(!few && summary.missed);
                prop_assert_eq!(summary.counts.get(name), Some(&(held.len() as u64)));
                prop_assert_eq!(
                    (summary.counts.len(), Some(summary.first_id)),
                    (1, held.iter().map(|(id, _)| *id).min())
                );
                self.showed(now, name, 3);
            }
        }
        Ok(())
    }

    fn showed(&mut self, now: Moment, name: &str, priority: u8) {
        self.in_all.push(now);
        if priority < URGENT {
            self.ordinary.entry(name.to_owned()).or_default().push(now);
        }
    }

    fn took(&mut self, now: Moment, summary: Option<Summary>) -> Result<(), TestCaseError> {
        let Some(summary) = summary else { return Ok(()) };
        self.in_all.push(now);
        let mut ids = BTreeSet::new();
        for (name, count) in summary.counts {
            let told = self.folded.remove(&name).unwrap_or_default();
            prop_assert_eq!(told.len() as u64, count, "{}", &name);
            ids.extend(told);
            self.ordinary.entry(name).or_default().push(now);
        }
        prop_assert_eq!(Some(summary.first_id), ids.first().copied());
        Ok(())
    }

    fn oldest_folded(&self) -> Option<i64> {
        let held = self.held.values().flatten().map(|(id, _)| id);
        self.folded.values().flatten().chain(held).copied().filter(|&id| id != NOT_STORED).min()
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
    Message { priority, ..Message::new("title", "", "body", 4) }
}

/// A message that was missed.
fn titled(title: &str) -> Message {
    Message { title: title.to_owned(), arrival: Arrival::CaughtUp, ..text(3) }
}
