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

proptest! {
    #[test]
    fn every_message_is_shown_or_counted_once_and_no_window_has_too_many_popups(
        steps in prop::collection::vec((0_u64..1_500, 0_usize..4, 1_u8..=5, any::<bool>(), 0_u8..10), 1..400),
    ) {
        let names = ["a", "b", "c", "d"];
        let mut attention = Attention::new();
        let mut run = Run::default();
        let mut now = 0;
        for (number, (pause, name, priority, prompt, luck)) in (1..).zip(steps) {
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
            let decision = attention.decide(at(now), names[name], id, &text(priority));
            run.decided(at(now), names[name], priority, id, decision);
            prop_assert_eq!(attention.oldest_folded(), run.oldest_folded());
        }
        while let Some(due) = attention.poll_timeout() {
            let due = due.max(at(now));
            let summary = attention.take_summary(due);
            prop_assert!(summary.is_some(), "nothing was due at {due:?}");
            run.took(due, summary)?;
            prop_assert_eq!(attention.oldest_folded(), run.oldest_folded());
        }
        prop_assert!(run.folded.is_empty(), "never told: {:?}", run.folded);
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
    in_all: Vec<Moment>,
    /// The popups that are bound to the limit of their connection.
    ordinary: BTreeMap<String, Vec<Moment>>,
}

impl Run {
    fn decided(&mut self, now: Moment, name: &str, priority: u8, id: i64, decision: Decision) {
        match decision {
            Decision::Notify => {
                self.in_all.push(now);
                if priority < URGENT {
                    self.ordinary.entry(name.to_owned()).or_default().push(now);
                }
            }
            Decision::Fold => self.folded.entry(name.to_owned()).or_default().push(id),
            Decision::Silent => panic!("a text message is never silent"),
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
        self.folded.values().flatten().copied().filter(|&id| id != NOT_STORED).min()
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
