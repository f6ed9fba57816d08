//! What is kept while the disk refuses everything, and what goes on when it does not any more.

use heartwire_core::dialect::{CaughtUp, Withdrawal};
use heartwire_core::link::Generation;
use heartwire_core::message::Message;
use heartwire_core::view::SpanKind;

use super::*;
use crate::driver::ConnectionId;
use crate::store::{NewMessage, Written};

/// Two steps each fill what is kept.
const HALF: usize = MOST_STEPS / 2;

fn source(connection: &str) -> Step {
    Step::Entry(Entry::Source(connection.to_owned(), "server".to_owned()))
}

fn message(connection: &str, number: usize) -> Step {
    let message = Message { id: Some(number.to_string()), ..Message::new("", connection, "", 0) };
    Step::Entry(Entry::Message(NewMessage { connection: connection.to_owned(), at_ms: 0, message }))
}

fn cursor(connection: &str, number: usize) -> Step {
    Step::Entry(Entry::Cursor(connection.to_owned(), Some(ResumeData(number.to_string()))))
}

fn withdrawal(connection: &str, key: usize) -> Step {
    let (connection, withdrawal) = (connection.to_owned(), Withdrawal { key: key.to_string(), at_ms: None });
    Step::Entry(Entry::Withdrawn { connection, withdrawal, at_ms: 0 })
}

fn mark(connection: &str, mark: usize) -> Step {
    Step::Then(Then::Committed(connection.to_owned(), ConnectionId(1), Generation(1), mark as u64))
}

/// A message and a cursor behind it.
fn complete_up_to(connection: &str, number: usize) -> [Step; 2] {
    [message(connection, number), cursor(connection, number)]
}

fn span() -> Write {
    let (connection, kind) = ("crm".to_owned(), SpanKind::Up);
    Write::BeginSpan(BeginSpan { connection, at_ms: 1, kind, cause: None, attempts: 0 })
}

impl Writes {
    /// On a database in memory, which knows these connections.
    async fn knowing(connections: &[&str]) -> Self {
        let mut writes = Self::new(Store::in_memory().unwrap());
        writes.push_steps(connections.iter().flat_map(|name| [source(name), cursor(name, 0)]));
        writes.written().await;
        writes
    }

    /// The disk is full when these are to be written.
    fn refused(&mut self, steps: impl IntoIterator<Item = Step>) {
        self.push_steps(steps);
        let job = self.next().unwrap();
        let outcome = self.keep(job, StoreError::Full { place: "disk".to_owned() });
        assert!(matches!(outcome, Outcome::Refused(..)));
    }

    /// The disk takes all there is.
    async fn written(&mut self) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        loop {
            self.launch();
            if self.idle() {
                return outcomes;
            }
            outcomes.push(self.outcome().await);
        }
    }

    async fn on_disk(&self, connection: &str) -> Option<String> {
        let sources = self.store.sources().await.unwrap();
        sources.into_iter().find(|(name, ..)| name == connection).unwrap().2.map(|cursor| cursor.0)
    }
}

fn lossy(outcomes: &[Outcome]) -> Vec<(&str, Option<&str>)> {
    let told =
        outcomes.iter().filter_map(|outcome| if let Outcome::Lossy(known) = outcome { Some(known) } else { None });
    told.flatten().map(|it| (it.connection.as_str(), it.cursor.as_ref().map(|cursor| cursor.0.as_str()))).collect()
}

/// What was said of what was missed.
fn words(outcomes: &[Outcome]) -> Vec<Option<CaughtUp>> {
    let mut words = Vec::new();
    for outcome in outcomes {
        let Outcome::Committed(done, _) = outcome else { continue };
        words.extend(done.iter().filter_map(|done| match done {
            Done::Then(Then::CaughtUp(.., word)) => Some(Some(*word)),
            Done::Then(Then::Told(_)) => Some(None),
            _ => None,
        }));
    }
    words
}

fn marks(outcomes: &[Outcome]) -> Vec<u64> {
    let mut marks = Vec::new();
    for outcome in outcomes {
        let Outcome::Committed(done, _) = outcome else { continue };
        marks.extend(done.iter().filter_map(|done| match done {
            Done::Then(Then::Committed(.., mark)) => Some(*mark),
            _ => None,
        }));
    }
    marks
}

#[tokio::test]
async fn a_cursor_after_the_disk_is_back_does_not_pass_lost_messages() {
    let mut writes = Writes::knowing(&["crm"]).await;
    for number in 1..=HALF + 3 {
        writes.refused(complete_up_to("crm", number));
    }
    assert_eq!(writes.lost(), 3);
    writes.release();
    writes.push_steps([message("crm", 999_998), cursor("crm", 999_998), mark("crm", 1)]);
    let outcomes = writes.written().await;
    let kept = HALF.to_string();
    assert_eq!(lossy(&outcomes), [("crm", Some(kept.as_str()))], "it is said once where to begin again");
    assert_eq!((writes.on_disk("crm").await, marks(&outcomes)), (Some(kept), vec![]));

    writes.push_steps([message("crm", 999_999), cursor("crm", 999_999), mark("crm", 2)]);
    let outcomes = writes.written().await;
    assert_eq!((lossy(&outcomes), marks(&outcomes)), (vec![], vec![2]), "it counts as sound again");
    assert_eq!(writes.on_disk("crm").await.as_deref(), Some("999999"));
}

#[tokio::test]
async fn what_came_before_a_loss_was_known_does_not_pass_it_either() {
    let mut writes = Writes::knowing(&["crm"]).await;
    for number in 1..=HALF {
        writes.refused(complete_up_to("crm", number));
    }
    writes.push_steps(complete_up_to("crm", HALF + 1));
    let job = writes.next().unwrap();
    writes.push_steps([message("crm", HALF + 2), cursor("crm", HALF + 2), mark("crm", 1)]);
    writes.keep(job, StoreError::Full { place: "disk".to_owned() });
    assert_eq!(writes.lost(), 1);
    writes.release();
    let outcomes = writes.written().await;
    let kept = HALF.to_string();
    assert_eq!((lossy(&outcomes), marks(&outcomes)), (vec![("crm", Some(kept.as_str()))], vec![]));
    assert_eq!(writes.on_disk("crm").await, Some(kept));
}

#[tokio::test]
async fn what_has_lost_something_is_not_said_to_be_complete() {
    let missing = CaughtUp::Missing(Missing::NoReplay);
    let word = |word| Step::Then(Then::CaughtUp("crm".to_owned(), ConnectionId(1), Generation(1), word));
    let recovered = || word(CaughtUp::Recovered { keeps: None });
    let mut writes = Writes::knowing(&["crm"]).await;
    writes.refused([recovered()]);
    writes.refused((2..=MOST_STEPS).map(|number| message("crm", number)));
    writes.refused([message("crm", 999_998)]);
    // What came before the loss counts, and what came after it only if it says that something is missing.
    writes.refused([recovered(), word(missing)]);
    assert_eq!(writes.refused.len(), MOST_STEPS + 1, "also where nothing else finds a place");
    writes.release();
    writes.push_steps([recovered()]);
    let outcomes = writes.written().await;
    assert_eq!(words(&outcomes), [Some(CaughtUp::Recovered { keeps: None }), Some(missing), None]);
}

#[tokio::test]
async fn what_is_lost_is_lost_since_the_first_of_it_and_until_it_came_again() {
    let mut writes = Writes::knowing(&["crm"]).await;
    let at = |at_ms, number| match message("crm", number) {
        Step::Entry(Entry::Message(new)) => Step::Entry(Entry::Message(NewMessage { at_ms, ..new })),
        other => other,
    };
    writes.refused((1..=MOST_STEPS).map(|number| at(10, number)));
    writes.refused([at(30, 999_997), at(20, 999_998), cursor("crm", 999_998)]);
    writes.refused([at(40, 999_999)]);
    writes.made_good("crm");
    assert_eq!(writes.lost(), 3, "it did not come again yet");
    writes.release();
    let outcomes = writes.written().await;
    let since: Vec<_> = outcomes
        .iter()
        .filter_map(|outcome| if let Outcome::Lossy(lossy) = outcome { Some(lossy[0].since_ms) } else { None })
        .collect();
    assert_eq!((since, writes.lost()), (vec![20], 3));
    writes.made_good("crm");
    assert_eq!(writes.lost(), 0);
}

#[tokio::test]
async fn a_connection_that_another_one_left_no_place_begins_again_from_an_earlier_runs_cursor() {
    let store = Writes::knowing(&["crm", "flood"]).await.store;
    let mut writes = Writes::new(store);
    for number in 1..=MOST_STEPS {
        writes.refused([message("flood", number)]);
    }
    writes.refused(complete_up_to("crm", 1));
    writes.release();
    assert_eq!(lossy(&writes.written().await), [("crm", Some("0"))]);
}

#[tokio::test]
async fn a_new_name_begins_again_from_the_cursor_of_the_old_one() {
    let mut writes = Writes::knowing(&["old"]).await;
    for number in 1..=MOST_STEPS + 1 {
        writes.refused([message("old", number)]);
    }
    writes.push_steps([Step::Entry(Entry::Renamed { from: "old".to_owned(), to: "new".to_owned() })]);
    writes.push_steps(complete_up_to("new", 999_999));
    writes.release();
    assert_eq!(lossy(&writes.written().await), [("new", Some("0"))]);
    assert_eq!(writes.on_disk("new").await.as_deref(), Some("0"));
}

#[tokio::test]
async fn withdrawals_and_marks_are_bounded_while_the_disk_refuses() {
    for step in [withdrawal, mark, cursor] {
        let mut writes = Writes::knowing(&["crm"]).await;
        writes.refused((0..MOST_STEPS + 1_000).map(|number| step("crm", number)));
        assert_eq!((writes.refused.len(), writes.lost()), (MOST_STEPS, 0));
        writes.refused([message("crm", 1), cursor("crm", 999_999)]);
        assert_eq!((writes.refused.len(), writes.lost()), (MOST_STEPS, 1));
        writes.release();
        assert_eq!(lossy(&writes.written().await).len(), 1, "the server is asked for them again");
    }
}

#[tokio::test]
async fn the_queue_has_its_turn_while_messages_flow() {
    let mut writes = Writes::knowing(&["crm"]).await;
    writes.push(span());
    writes.push(span());
    writes.alive(1);
    writes.prune(10);
    let mut commits = Vec::new();
    for number in 0..9 {
        writes.push_steps([message("crm", number)]);
        writes.launch();
        commits.push(matches!(writes.outcome().await, Outcome::Committed(..)));
    }
    assert_eq!(commits.iter().filter(|commit| !**commit).count(), 4, "{commits:?}");
    assert!(writes.queue.is_empty() && writes.alive.is_none() && writes.prune.is_none());
    assert!(commits.windows(2).all(|two| two[0] || two[1]), "and the messages have theirs: {commits:?}");
}

#[tokio::test]
async fn a_retry_of_the_disk_is_not_put_off_by_what_waits_behind() {
    let mut writes = Writes::knowing(&["crm"]).await;
    writes.refused([message("crm", 1)]);
    writes.push_steps([message("crm", 2)]);
    writes.launch();
    writes.push_steps([message("crm", 3)]);
    writes.release();
    assert!(matches!(writes.outcome().await, Outcome::Done), "nothing is refused that was not tried");
    assert_eq!(writes.retry_at(), None);
    let outcomes = writes.written().await;
    let [Outcome::Committed(done, 1)] = &outcomes[..] else { panic!("one commit of all, of which one was refused") };
    let ids = done.iter().map(|done| match done {
        Done::Written(Written::Stored(stored)) => stored.message.id.as_deref(),
        _ => None,
    });
    assert_eq!(ids.collect::<Vec<_>>(), [Some("1"), Some("2"), Some("3")]);
}

#[tokio::test]
async fn what_died_with_the_stores_thread_is_neither_acknowledged_nor_called_complete() {
    let mut writes = Writes::knowing(&["crm"]).await;
    let store = writes.store().clone();
    let word = Then::CaughtUp("crm".to_owned(), ConnectionId(1), Generation(1), CaughtUp::Recovered { keeps: None });
    writes.push_steps([message("crm", 1), mark("crm", 1), Step::Then(word)]);
    writes.launch();
    // It ends while the message waits behind these.
    let before = (2..5_000).map(|number| match message("crm", number) {
        Step::Entry(entry) => entry,
        Step::Then(_) => panic!("a message is an entry"),
    });
    let (before, closed, died) = tokio::join!(store.commit(before.collect()), store.close(), writes.outcome());
    assert!(before.is_ok() && closed.is_ok() && matches!(died, Outcome::Refused(_, StoreError::Closed)));
    writes.release();
    let outcomes = writes.written().await;
    assert_eq!((marks(&outcomes), words(&outcomes)), (vec![], vec![None]));
}
