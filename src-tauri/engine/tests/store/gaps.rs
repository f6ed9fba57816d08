//! What is known of the messages of each outage.

use heartwire_core::cause::CauseView;
use heartwire_core::dialect::Missing;
use heartwire_core::message::Arrival;
use heartwire_core::view::{GapView, SpanKind};
use heartwire_engine::store::{BeginSpan, Entry, GapRows, Life, Store};

use super::{NOW, commit, outage, place, span, text};

/// The gaps of the history's rows, oldest first.
async fn gaps(store: &Store) -> Vec<GapView> {
    let (rows, _) = store.history(None, None, 100).await.unwrap();
    rows.iter().rev().map(|row| row.gap).collect()
}

async fn caught_up(store: &Store, at_ms: &[i64]) {
    let message = |at_ms: &i64| {
        let mut message = text("crm", "what was missed");
        message.at_ms = NOW + at_ms;
        message.message.arrival = Arrival::CaughtUp;
        message
    };
    commit(store, at_ms.iter().map(message).collect()).await;
}

fn between(since_ms: i64, before_ms: i64) -> GapRows {
    GapRows { since_ms: Some(NOW + since_ms), before_ms: Some(NOW + before_ms) }
}

#[tokio::test]
async fn each_outage_has_the_messages_that_were_sent_in_its_time() {
    let store = Store::in_memory().unwrap();
    for begin in [
        span("crm", NOW, SpanKind::Up),
        outage("crm", NOW + 100, "reset"),
        span("crm", NOW + 200, SpanKind::Up),
        outage("crm", NOW + 300, "reset"),
        span("crm", NOW + 400, SpanKind::Up),
    ] {
        store.begin_span(begin).await.unwrap();
    }
    assert_eq!(gaps(&store).await, [GapView::Open, GapView::Open]);
    // The first since the connection was heard before the outage, the second whatever is newer.
    caught_up(&store, &[90, 150, 299, 350, 450]).await;
    commit(&store, vec![text("crm", "live")]).await;
    let closed = store.close_gaps("crm".to_owned(), between(80, 400), None).await.unwrap();
    assert_eq!(closed.len(), 2);
    let complete = |recovered| GapView::Complete { recovered };
    assert_eq!(gaps(&store).await, [complete(3), complete(2)]);

    store.begin_span(outage("crm", NOW + 500, "reset")).await.unwrap();
    caught_up(&store, &[550]).await;
    assert_eq!(store.close_gaps("crm".to_owned(), between(500, 600), None).await.unwrap(), [], "it lasts");
    store.begin_span(span("crm", NOW + 600, SpanKind::Up)).await.unwrap();
    store.begin_span(outage("crm", NOW + 700, "reset")).await.unwrap();
    store.begin_span(span("crm", NOW + 800, SpanKind::Up)).await.unwrap();
    let missing = Some(Missing::Expired);
    store.close_gaps("crm".to_owned(), between(500, 600), missing).await.unwrap();
    let incomplete = GapView::Incomplete { recovered: 1, missing: Missing::Expired };
    assert_eq!(gaps(&store).await[2..], [incomplete, GapView::Open], "the later one is not known yet");
}

#[tokio::test]
async fn what_an_earlier_outage_recovered_is_not_counted_again() {
    let store = Store::in_memory().unwrap();
    for begin in [outage("crm", NOW, "reset"), span("crm", NOW + 100, SpanKind::Up)] {
        store.begin_span(begin).await.unwrap();
    }
    caught_up(&store, &[50]).await;
    store.close_gaps("crm".to_owned(), GapRows::default(), None).await.unwrap();
    store.begin_span(outage("crm", NOW + 300, "reset")).await.unwrap();
    // The connection is removed.
    store.end_span("crm".to_owned(), NOW + 400).await.unwrap();
    let missing = Missing::CursorLost;
    store.close_gaps("crm".to_owned(), GapRows::default(), Some(missing)).await.unwrap();
    assert_eq!(gaps(&store).await[1], GapView::Incomplete { recovered: 0, missing });
}

#[tokio::test]
async fn a_time_in_which_the_program_did_not_run_is_a_row_and_its_gap_goes_on_after_a_crash() {
    let (_folder, path) = place();
    let (store, _) = Store::open(&path).unwrap();
    store.begin_span(span("crm", NOW, SpanKind::Up)).await.unwrap();
    store.alive(NOW + 10).await.unwrap();
    let mut last = text("crm", "the last before the crash");
    last.at_ms = NOW + 70;
    commit(&store, vec![last]).await;
    drop(store);

    let (store, _) = Store::open(&path).unwrap();
    let lives = store.lives().await.unwrap();
    let life = Life { missing_since_ms: NOW + 70, last: Some(SpanKind::Up), ended_ms: NOW + 70, ran_to_the_end: true };
    assert_eq!(lives, [("crm".to_owned(), life)], "it ran when the last message came");
    let cause = Some(CauseView { code: "not-running".to_owned(), text: "Heartwire was not running".to_owned() });
    let off = BeginSpan { connection: "crm".into(), at_ms: NOW + 70, kind: SpanKind::Off, cause, attempts: 0 };
    store.begin_span(off).await.unwrap();
    store.begin_span(span("crm", NOW + 500, SpanKind::Up)).await.unwrap();
    store.alive(NOW + 550).await.unwrap();
    drop(store);

    let (store, _) = Store::open(&path).unwrap();
    assert_eq!(gaps(&store).await, [GapView::Open]);
    let [(_, life)] = <[_; 1]>::try_from(store.lives().await.unwrap()).unwrap();
    assert_eq!((life.missing_since_ms, life.ended_ms), (NOW + 70, NOW + 550), "the first gap was never closed");
    store.close_gaps("crm".to_owned(), between(70, 600), Some(Missing::NoReplay)).await.unwrap();
    assert_eq!(gaps(&store).await, [GapView::Incomplete { recovered: 0, missing: Missing::NoReplay }]);
}

#[tokio::test]
async fn what_was_removed_while_the_program_ran_did_not_run_to_its_end() {
    for orderly in [true, false] {
        let (_folder, path) = place();
        let (store, _) = Store::open(&path).unwrap();
        for name in ["kept", "removed"] {
            store.begin_span(span(name, NOW, SpanKind::Up)).await.unwrap();
        }
        store.alive(NOW + 10).await.unwrap();
        store.end_span("removed".to_owned(), NOW + 20).await.unwrap();
        if orderly {
            store.close_spans(NOW + 30).await.unwrap();
        } else {
            store.alive(NOW + 30).await.unwrap();
        }
        drop(store);
        let (store, _) = Store::open(&path).unwrap();
        let lives: Vec<_> =
            store.lives().await.unwrap().into_iter().map(|(name, life)| (name, life.ran_to_the_end)).collect();
        assert_eq!(lives, [("kept".to_owned(), true), ("removed".to_owned(), false)], "orderly: {orderly}");
    }
}

#[tokio::test]
async fn a_connection_that_was_never_up_missed_nothing() {
    let store = Store::in_memory().unwrap();
    store.begin_span(outage("crm", NOW, "refused")).await.unwrap();
    store.commit(vec![Entry::Source("crm".into(), "a".into())]).await.unwrap();
    assert_eq!(store.lives().await.unwrap(), []);
}
