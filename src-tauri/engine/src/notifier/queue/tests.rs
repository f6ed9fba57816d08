//! What waits, in what order, and what of it is owed.

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

#[test]
fn a_newer_popup_takes_the_place_of_one_that_waits_under_the_same_key() {
    let queue = Queue::default();
    queue.push(Popup { first_id: 1, ..keyed("door", "opened") });
    queue.push(Popup { first_id: 2, ..keyed("bell", "rang") });
    queue.push(Popup { first_id: 3, ..keyed("door", "closed") });
    queue.push(Popup { connection: "other".to_owned(), ..keyed("door", "another's") });
    assert_eq!(queue.oldest_waiting(), Some(1), "the other's");
    let titles = std::iter::from_fn(|| queue.lock().pop()).map(|waiting| waiting.popup.title);
    assert_eq!(titles.collect::<Vec<_>>(), ["rang", "closed", "another's"]);
}

#[test]
fn what_is_withdrawn_while_it_waits_or_is_being_shown_is_owed_no_more() {
    let queue = Queue::default();
    queue.push(Popup { first_id: 1, ..keyed("door", "opened") });
    queue.push(Popup { first_id: 2, ..keyed("bell", "rang") });
    queue.lock().pop();
    assert!(queue.is_wanted());
    queue.withdraw("crm", "door");
    assert!(!queue.is_wanted());
    assert_eq!(queue.oldest_waiting(), Some(2));
    queue.withdraw("crm", "bell");
    queue.withdraw("crm", "bell");
    queue.withdraw("crm", "unknown");
    assert_eq!(queue.oldest_waiting(), None);
    assert_eq!(queue.take_to_close(&Service::default()), [], "nothing was shown yet");
    queue.settle(Some(Shown { service: Service::default(), id: 7 }));
    let shown_after_all = queue.take_to_close(&Service::default());
    assert_eq!(shown_after_all.iter().map(|shown| shown.id).collect::<Vec<_>>(), [7]);
}

proptest! {
    #[test]
    fn in_the_end_the_newest_popup_of_each_key_is_shown_unless_it_was_withdrawn(
        steps in prop::collection::vec((0_u8..9, 0_usize..3), 1..64),
    ) {
        let queue = Queue::default();
        let mut screen = Screen::default();
        let mut expected: BTreeMap<usize, String> = BTreeMap::new();
        for (number, (action, key)) in steps.into_iter().enumerate() {
            match action {
                0..=2 => {
                    let title = number.to_string();
                    queue.push(keyed(&key.to_string(), &title));
                    expected.insert(key, title);
                }
                3..=4 => {
                    queue.withdraw("crm", &key.to_string());
                    expected.remove(&key);
                }
                5..=6 => screen.takes(&queue),
                7 => screen.shows(&queue),
                _ => screen.closes(&queue),
            }
        }
        for _ in 0..100 {
            screen.closes(&queue);
            screen.takes(&queue);
            screen.shows(&queue);
        }
        screen.closes(&queue);
        let mut shown: Vec<_> = screen.shown.into_values().collect();
        let mut expected: Vec<_> = expected.into_values().collect();
        shown.sort();
        expected.sort();
        prop_assert_eq!(shown, expected);
        prop_assert_eq!(queue.oldest_waiting(), None);
    }

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
                    queue.settle(None);
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
        key: None,
        title: title.to_owned(),
        body: String::new(),
        priority: 3,
        messages: 1,
        first_id: 1,
    }
}

fn keyed(key: &str, title: &str) -> Popup {
    Popup { key: Some(key.to_owned()), ..popup("crm", title) }
}

/// A desktop: what it shows by id, and what it is just about to show.
#[derive(Default)]
struct Screen {
    last_id: u32,
    shown: BTreeMap<u32, String>,
    coming: Option<(String, Option<u32>)>,
}

impl Screen {
    fn takes(&mut self, queue: &Queue) {
        if self.coming.is_none() {
            let next = queue.lock().pop();
            self.coming = next.map(|waiting| (waiting.popup.title, queue.replaces()));
        }
    }

    fn shows(&mut self, queue: &Queue) {
        let Some((title, replaces)) = self.coming.take() else { return };
        self.last_id += 1;
        let id = replaces.unwrap_or(self.last_id);
        self.shown.insert(id, title);
        queue.settle(Some(Shown { service: Service::default(), id }));
    }

    fn closes(&mut self, queue: &Queue) {
        // As the notifier's task, which does one thing after the other.
        if self.coming.is_none() {
            for shown in queue.take_to_close(&Service::default()) {
                self.shown.remove(&shown.id);
            }
        }
    }
}
