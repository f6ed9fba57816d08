//! What is committed in order: cursors with the messages before them, ids apart from the messages that are kept, and what
//! the server takes back.

use heartwire_core::dialect::Withdrawal;
use heartwire_core::link::ResumeData;
use heartwire_core::message::Arrival;
use heartwire_engine::store::{Entry, NewMessage, Store, Written};

use super::{NOW, commit, place, text, with_id};

fn cursor(to: &str) -> Entry {
    Entry::Cursor("crm".to_owned(), Some(ResumeData(to.to_owned())))
}

fn source(of: &str) -> Entry {
    Entry::Source("crm".to_owned(), of.to_owned())
}

/// What is known of the only connection's server.
async fn known(store: &Store) -> (String, String, Option<String>) {
    let [(name, source, cursor)] = <[_; 1]>::try_from(store.sources().await.unwrap()).unwrap();
    (name, source, cursor.map(|cursor| cursor.0))
}

fn keyed(key: &str, title: &str) -> NewMessage {
    let mut message = text("crm", title);
    message.message.key = Some(key.to_owned());
    message
}

#[tokio::test]
async fn a_cursor_is_on_disk_with_what_came_before_it_and_survives_a_restart() {
    let (_folder, path) = place();
    let (store, _) = Store::open(&path).unwrap();
    let written = store.commit(vec![source("a"), with_id("crm", "1").into(), cursor("one")]).await.unwrap();
    assert!(matches!(&written[..], [Written::Done, Written::Stored(_), Written::Done]), "{written:?}");
    store.commit(vec![with_id("crm", "2").into(), cursor("two")]).await.unwrap();
    store.close().await.unwrap();
    let (store, _) = Store::open(&path).unwrap();
    assert_eq!(known(&store).await, ("crm".into(), "a".into(), Some("two".into())));
    store.commit(vec![Entry::Cursor("crm".into(), None)]).await.unwrap();
    assert_eq!(known(&store).await.2, None, "it can be dropped");
}

#[tokio::test]
async fn another_server_has_neither_the_cursor_nor_the_ids_of_the_one_before() {
    let store = Store::in_memory().unwrap();
    store.commit(vec![source("a"), with_id("crm", "1").into(), cursor("one")]).await.unwrap();
    store.commit(vec![source("a")]).await.unwrap();
    assert_eq!(known(&store).await.2.as_deref(), Some("one"), "the same server again");
    assert_eq!(commit(&store, vec![with_id("crm", "1")]).await.len(), 0);
    store.commit(vec![source("b")]).await.unwrap();
    assert_eq!(known(&store).await, ("crm".into(), "b".into(), None));
    assert_eq!(commit(&store, vec![with_id("crm", "1")]).await.len(), 1, "it is another message");
}

#[tokio::test]
async fn a_renamed_connection_goes_on_where_it_was() {
    let store = Store::in_memory().unwrap();
    store.commit(vec![source("a"), with_id("crm", "1").into(), cursor("one")]).await.unwrap();
    store.commit(vec![Entry::Renamed { from: "crm".into(), to: "office".into() }]).await.unwrap();
    assert_eq!(known(&store).await, ("office".into(), "a".into(), Some("one".into())));
    assert_eq!(commit(&store, vec![with_id("office", "1")]).await.len(), 0);
    assert_eq!(commit(&store, vec![with_id("crm", "1")]).await.len(), 1);
}

#[tokio::test]
async fn an_id_is_remembered_when_its_message_is_not_kept_any_more() {
    let store = Store::in_memory().unwrap();
    let many = (0..50).map(|number| with_id("crm", &number.to_string()));
    assert_eq!(commit(&store, many.clone().collect()).await.len(), 50);
    assert_eq!(store.prune(10).await.unwrap(), 40);
    assert_eq!(commit(&store, many.collect()).await.len(), 0);
}

#[tokio::test]
async fn what_is_taken_back_is_marked_once_and_only_where_its_key_stands() {
    let store = Store::in_memory().unwrap();
    let mut other = keyed("order", "another connection");
    other.connection = "gate".to_owned();
    let stored = commit(&store, vec![keyed("order", "1"), keyed("order", "2"), keyed("bill", "3"), other]).await;
    let back = |key: &str| Entry::Withdrawn {
        connection: "crm".to_owned(),
        withdrawal: Withdrawal { key: key.to_owned(), at_ms: None },
        at_ms: NOW,
    };
    let written = store.commit(vec![back("order"), back("order"), back("nothing")]).await.unwrap();
    let rows = |key: &str, rows: &[i64]| Written::Withdrawn("crm".to_owned(), key.to_owned(), rows.to_vec());
    let of_order = [stored[0].id, stored[1].id];
    assert_eq!(written, [rows("order", &of_order), rows("order", &[]), rows("nothing", &[])]);
    let (shown, _) = store.messages(None, None, 10).await.unwrap();
    let marked: Vec<_> = shown.iter().filter(|message| message.withdrawn).map(|message| message.id).collect();
    assert_eq!(marked, [stored[1].id, stored[0].id]);
    let (due, total) = store.due_after(0, 10).await.unwrap();
    assert_eq!((due.len(), total), (2, 2), "nobody is told of it any more");
}

#[tokio::test]
async fn what_was_caught_up_stands_where_it_belongs_and_pages_go_on_there() {
    let store = Store::in_memory().unwrap();
    let at = |title: &str, at_ms: i64, arrival| {
        let mut message = text("crm", title);
        message.at_ms = NOW + at_ms;
        message.message.arrival = arrival;
        message
    };
    let live = [at("1", 0, Arrival::Live), at("5", 50, Arrival::Live), at("6", 50, Arrival::Live)];
    commit(&store, live.to_vec()).await;
    let missed = (2..5).map(|number| at(&number.to_string(), 10 * number, Arrival::CaughtUp));
    commit(&store, missed.collect()).await;
    let (mut titles, mut before) = (Vec::new(), None);
    loop {
        let (rows, more) = store.messages(Some("crm".to_owned()), before, 2).await.unwrap();
        titles.extend(rows.iter().map(|row| row.title.clone()));
        before = rows.last().map(|row| row.id);
        if !more {
            break;
        }
    }
    assert_eq!(titles, ["6", "5", "4", "3", "2", "1"]);
    assert_eq!(store.messages(None, None, 10).await.unwrap().0.len(), 6);
    assert_eq!(store.last_message("crm".to_owned()).await.unwrap().unwrap().title, "6");
}
