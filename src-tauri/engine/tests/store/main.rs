//! What the store keeps, and that it keeps it: across restarts, crashes, damage and a full disk.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "the helpers are test code too")]

mod crash;
mod damage;
mod disk;
mod entries;
mod gaps;
mod notified;
#[cfg(target_os = "linux")]
#[path = "../common/small_disk.rs"]
mod small_disk;

use std::fs;
use std::path::{Path, PathBuf};

use heartwire_core::cause::CauseView;
use heartwire_core::message::{Arrival, Message, MessageKind};
use heartwire_core::view::{LastMessage, Span, SpanKind};
use heartwire_engine::store::{BeginSpan, Entry, NewMessage, Store, StoreError, Stored, Written};
use tempfile::TempDir;

const NOW: i64 = 1_800_000_000_000;

#[tokio::test]
async fn messages_come_back_as_they_were_committed() {
    let store = Store::in_memory().unwrap();
    let text = NewMessage {
        connection: "crm".to_owned(),
        at_ms: NOW,
        message: Message {
            id: Some("a-1".to_owned()),
            title: "Order 7 — \u{8ba2}\u{5355}".to_owned(),
            body: "two\nlines".to_owned(),
            priority: 5,
            kind: MessageKind::Text,
            size: 4_096,
            key: Some("order".to_owned()),
            sent_ms: Some(NOW - 1),
            arrival: Arrival::CaughtUp,
        },
    };
    let stored = commit(&store, vec![text.clone(), binary("crm", 17)]).await;
    assert_eq!(stored[0].message, text.message);
    assert!(stored[0].id < stored[1].id);

    let (rows, more) = store.messages(None, None, 10).await.unwrap();
    assert!(!more);
    assert_eq!((rows[0].kind, rows[0].size, rows[0].id), (MessageKind::Binary, 17, stored[1].id));
    assert_eq!((rows[1].title.as_str(), rows[1].body.as_str()), ("Order 7 — \u{8ba2}\u{5355}", "two\nlines"));
    assert_eq!((rows[1].priority, rows[1].size, rows[1].at_ms), (5, 4_096, NOW));
    let last = store.last_message("crm".to_owned()).await.unwrap();
    assert_eq!(last, Some(LastMessage { at_ms: NOW, title: "17 bytes".to_owned() }));
    assert_eq!(store.last_message("other".to_owned()).await.unwrap(), None);
}

#[tokio::test]
async fn a_server_id_is_stored_once_a_connection_also_across_restarts_and_within_one_commit() {
    let (_folder, path) = place();
    let (store, _) = Store::open(&path).unwrap();
    let first = commit(&store, vec![with_id("crm", "1"), with_id("crm", "1"), with_id("gate", "1")]).await;
    assert_eq!(first.iter().map(|stored| stored.connection.as_str()).collect::<Vec<_>>(), ["crm", "gate"]);
    store.close().await.unwrap();

    let (store, _) = Store::open(&path).unwrap();
    let again = commit(&store, vec![with_id("crm", "1"), with_id("crm", "2"), text("crm", "no id")]).await;
    assert_eq!(again.len(), 2);
    assert_eq!(commit(&store, vec![text("crm", "no id")]).await.len(), 1, "without an id nothing is a duplicate");
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_overlap() {
    let store = Store::in_memory().unwrap();
    let mixed = (0..50).map(|number| text(if number % 2 == 0 { "crm" } else { "gate" }, &number.to_string()));
    commit(&store, mixed.collect()).await;
    for (connection, expected) in [(None, 50), (Some("crm"), 25), (Some("nobody"), 0)] {
        let mut titles = Vec::new();
        let mut before = None;
        loop {
            let (rows, more) = store.messages(connection.map(str::to_owned), before, 7).await.unwrap();
            before = rows.last().map(|row| row.id);
            titles.extend(rows.into_iter().map(|row| row.title.parse::<i32>().unwrap()));
            if !more {
                break;
            }
        }
        assert_eq!(titles.len(), expected);
        assert!(titles.is_sorted_by(|newer, older| newer > older), "{titles:?}");
    }
    let (rows, more) = store.messages(Some("crm".to_owned()), None, 25).await.unwrap();
    assert_eq!((rows.len(), more), (25, false), "a page that is exactly full has nothing behind it");
}

#[tokio::test]
async fn ten_thousand_messages_are_one_batch_and_waiting_commits_are_answered_each_with_its_own() {
    let (_folder, path) = place();
    let (store, _) = Store::open(&path).unwrap();
    let flood = (0..10_000).map(|number| with_id("crm", &number.to_string())).collect();
    assert_eq!(commit(&store, flood).await.len(), 10_000);

    let mut tasks = Vec::new();
    for number in 0..200 {
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            let title = format!("one of many {number}");
            let stored = commit(&store, vec![text("crm", &title)]).await;
            assert_eq!(stored.iter().map(|stored| &stored.message.title).collect::<Vec<_>>(), [&title]);
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(store.prune(1_000).await.unwrap(), 9_200);
    let (rows, more) = store.messages(Some("crm".to_owned()), None, 2_000).await.unwrap();
    assert_eq!((rows.len(), more), (1_000, false));
    assert!(rows.iter().any(|row| row.title == "one of many 0"), "the newest stay");
}

#[tokio::test]
async fn pruning_counts_each_connection_for_itself_and_ids_are_never_used_again() {
    let store = Store::in_memory().unwrap();
    commit(&store, vec![text("quiet", "old"), text("noisy", "1"), text("noisy", "2")]).await;
    let newest = commit(&store, vec![text("noisy", "3")]).await[0].id;
    assert_eq!(store.prune(1).await.unwrap(), 2);
    let (rows, _) = store.messages(None, None, 10).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.title.as_str()).collect::<Vec<_>>(), ["3", "old"]);
    assert_eq!(store.prune(0).await.unwrap(), 2);
    assert!(commit(&store, vec![text("noisy", "4")]).await[0].id > newest);
}

#[tokio::test]
async fn a_span_ends_when_the_next_one_of_its_connection_begins() {
    let store = Store::in_memory().unwrap();
    let up = store.begin_span(span("crm", NOW, SpanKind::Up)).await.unwrap();
    store.begin_span(span("gate", NOW, SpanKind::Up)).await.unwrap();
    let down = store.begin_span(outage("crm", NOW + 1_000, "heartbeat-timeout")).await.unwrap();
    assert!(up < down);
    store.set_attempts(down, 4).await.unwrap();

    let spans = [
        Span { kind: SpanKind::Up, from_ms: NOW, until_ms: Some(NOW + 1_000) },
        Span { kind: SpanKind::Down, from_ms: NOW + 1_000, until_ms: None },
    ];
    assert_eq!(store.spans_since("crm".to_owned(), NOW).await.unwrap(), spans);
    assert_eq!(store.spans_since("crm".to_owned(), NOW + 1_000).await.unwrap(), spans[1..]);

    let (rows, more) = store.history(Some("crm".to_owned()), None, 10).await.unwrap();
    assert_eq!((rows.len(), more), (1, false));
    assert_eq!((rows[0].until_ms, rows[0].attempts), (None, 4), "an outage that lasts has its row");
    assert_eq!(rows[0].cause.code, "heartbeat-timeout");

    store.begin_span(span("crm", NOW + 9_000, SpanKind::Up)).await.unwrap();
    let (rows, _) = store.history(None, None, 10).await.unwrap();
    assert_eq!((rows[0].from_ms, rows[0].until_ms), (NOW + 1_000, Some(NOW + 9_000)));
}

#[tokio::test]
async fn history_has_only_outages_newest_first_page_by_page() {
    let store = Store::in_memory().unwrap();
    store.begin_span(span("crm", NOW - 10, SpanKind::Down)).await.unwrap();
    for turn in 0..10 {
        store.begin_span(outage("crm", NOW + turn * 20, "reset")).await.unwrap();
        store.begin_span(span("crm", NOW + turn * 20 + 10, SpanKind::Up)).await.unwrap();
    }
    let (first, more) = store.history(None, None, 6).await.unwrap();
    assert!(more);
    assert_eq!(first[0].from_ms, NOW + 180);
    let (rest, more) = store.history(None, first.last().map(|row| row.id), 6).await.unwrap();
    assert_eq!((rest.len(), more), (4, false));
    assert_eq!(rest[3].from_ms, NOW);
}

#[tokio::test]
async fn a_wall_clock_that_jumps_back_ends_no_span_before_it_began() {
    let store = Store::in_memory().unwrap();
    store.begin_span(span("crm", NOW, SpanKind::Up)).await.unwrap();
    store.begin_span(outage("crm", NOW - 86_400_000, "reset")).await.unwrap();
    store.close_spans(NOW - 2 * 86_400_000).await.unwrap();
    let spans = store.spans_since("crm".to_owned(), i64::MIN).await.unwrap();
    assert_eq!(spans.iter().map(|span| span.until_ms).collect::<Vec<_>>(), [Some(NOW), Some(NOW - 86_400_000)]);
}

#[tokio::test]
async fn an_orderly_end_closes_every_span_and_a_removed_connection_only_its_own() {
    let store = Store::in_memory().unwrap();
    for connection in ["a", "b", "c"] {
        store.begin_span(span(connection, NOW, SpanKind::Up)).await.unwrap();
    }
    store.end_span("a".to_owned(), NOW + 5).await.unwrap();
    store.close_spans(NOW + 7).await.unwrap();
    for (connection, end) in [("a", 5), ("b", 7), ("c", 7)] {
        let spans = store.spans_since(connection.to_owned(), 0).await.unwrap();
        assert_eq!(spans[0].until_ms, Some(NOW + end), "{connection}");
    }
}

#[tokio::test]
async fn who_is_paused_is_remembered() {
    let (_folder, path) = place();
    let (store, _) = Store::open(&path).unwrap();
    for (connection, paused) in [("b", true), ("a", true), ("a", true), ("c", true), ("c", false), ("d", false)] {
        store.set_paused(connection.to_owned(), paused).await.unwrap();
    }
    store.close().await.unwrap();
    let (store, _) = Store::open(&path).unwrap();
    assert_eq!(store.paused().await.unwrap(), ["a", "b"]);
}

#[tokio::test]
async fn after_closing_everything_is_in_the_one_file_and_requests_fail() {
    let (folder, path) = place();
    let (store, _) = Store::open(&path).unwrap();
    commit(&store, vec![text("crm", "kept")]).await;
    store.close().await.unwrap();
    assert_eq!(names(folder.path()), ["heartwire.db"]);
    let late = vec![Entry::from(text("crm", "late"))];
    let refused = store.commit(late.clone()).await.unwrap_err();
    assert_eq!((refused.error, refused.entries), (StoreError::Closed, late));
    assert_eq!(store.close().await, Err(StoreError::Closed));
}

fn place() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("heartwire.db");
    (folder, path)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", path.display()))
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn text(connection: &str, title: &str) -> NewMessage {
    NewMessage { connection: connection.to_owned(), at_ms: NOW, message: Message::new(title, "", "a body", 6) }
}

/// Commits messages; those that are new.
async fn commit(store: &Store, messages: Vec<NewMessage>) -> Vec<Stored> {
    let entries = messages.into_iter().map(Entry::from).collect();
    let written = store.commit(entries).await.unwrap();
    let new = |written| match written {
        Written::Stored(stored) => Some(stored),
        _ => None,
    };
    written.into_iter().filter_map(new).collect()
}

fn with_id(connection: &str, id: &str) -> NewMessage {
    let mut message = text(connection, "with an id");
    message.message.id = Some(id.to_owned());
    message
}

fn binary(connection: &str, size: u64) -> NewMessage {
    let mut message = text(connection, "");
    message.message = Message { body: String::new(), kind: MessageKind::Binary, size, ..message.message };
    message
}

fn span(connection: &str, at_ms: i64, kind: SpanKind) -> BeginSpan {
    BeginSpan { connection: connection.to_owned(), at_ms, kind, cause: None, attempts: 0 }
}

fn outage(connection: &str, at_ms: i64, code: &str) -> BeginSpan {
    let cause = CauseView { code: code.to_owned(), text: "it was lost".to_owned() };
    BeginSpan { cause: Some(cause), attempts: 1, ..span(connection, at_ms, SpanKind::Down) }
}
