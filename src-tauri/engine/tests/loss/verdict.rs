//! What the database has in the end, beside what was sent.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use heartwire_core::message::Arrival;
use heartwire_core::view::{GapView, MessageView, OutageView};
use heartwire_engine::store::Store;
use tokio::runtime::Runtime;

use crate::child;
use crate::run::{Size, Trial};

/// What was found.
pub struct Found {
    stored: usize,
    caught_up: usize,
    lost: usize,
    gaps: usize,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stored, caught_up, lost, gaps } = self;
        write!(f, "{stored} stored once ({caught_up} caught up), {lost} lost, in {gaps} gaps")
    }
}

/// Panics unless everything is as it should be.
pub fn judge(runtime: &Runtime, home: &Path, trial: &Trial, size: &Size) -> Found {
    let (messages, outages) = runtime.block_on(read(home));
    let number = |message: &MessageView| message.body.parse::<u32>().expect("nobody sent this");
    let mut by_number = BTreeMap::new();
    for message in &messages {
        assert!(by_number.insert(number(message), message).is_none(), "{} is there twice", message.body);
    }
    let lost: Vec<u32> = (1..=size.messages).filter(|number| !by_number.contains_key(number)).collect();
    let seed = size.seed;
    if trial.replays {
        assert!(lost.is_empty(), "HEARTWIRE_LOSS_SEED={seed} lost {} of {}: {lost:?}", lost.len(), size.messages);
    }
    all_in_gaps(&lost, &by_number, &outages, seed);
    in_order(&messages, trial, seed);
    let caught_up = messages.iter().filter(|message| message.arrival == Arrival::CaughtUp).count();
    assert_eq!(caught_up > 0, trial.replays, "HEARTWIRE_LOSS_SEED={seed}: nothing was caught up, so nothing was tried");
    Found { stored: by_number.len(), caught_up, lost: lost.len(), gaps: outages.len() }
}

/// Every message in the order of the window's list, oldest first, and every row of the history.
async fn read(home: &Path) -> (Vec<MessageView>, Vec<OutageView>) {
    let (store, set_aside) = Store::open(&child::paths(home).database).unwrap();
    assert_eq!(set_aside, None);
    let (mut messages, mut outages) = (Vec::new(), Vec::new());
    loop {
        let before = messages.last().map(|message: &MessageView| message.id);
        let (rows, more) = store.messages(None, before, 1_000).await.unwrap();
        messages.extend(rows);
        if !more {
            break;
        }
    }
    loop {
        let before = outages.last().map(|outage: &OutageView| outage.id);
        let (rows, more) = store.history(None, before, 1_000).await.unwrap();
        outages.extend(rows);
        if !more {
            break;
        }
    }
    messages.reverse();
    (messages, outages)
}

/// Between the last message before a loss and the first one after it, the history shows a gap that is not complete.
fn all_in_gaps(lost: &[u32], stored: &BTreeMap<u32, &MessageView>, outages: &[OutageView], seed: u64) {
    for number in lost {
        let before = stored.range(..number).next_back().map_or(i64::MIN, |(_, message)| message.at_ms);
        let after = stored.range(number..).next().map_or(i64::MAX, |(_, message)| message.at_ms);
        let covers = |outage: &&OutageView| {
            let until_ms = outage.until_ms.unwrap_or(i64::MAX);
            !matches!(outage.gap, GapView::Complete { .. }) && outage.from_ms <= after && until_ms >= before
        };
        assert!(
            outages.iter().any(|outage| covers(&outage)),
            "HEARTWIRE_LOSS_SEED={seed}: {number} is lost between {before} and {after}, and no gap says so: {outages:#?}"
        );
    }
}

/// How far from its place a message may stand: a live one has the time when it came, which the proxy may hold up for three
/// seconds, and one that was fetched that of the server, which may know whole seconds only.
const COARSE_MS: i64 = 6_000;

/// In the list as the window has it the numbers rise; where a server's time has a coarse unit, within that.
fn in_order(messages: &[MessageView], trial: &Trial, seed: u64) {
    let number = |message: &MessageView| message.body.parse::<u32>().expect("nobody sent this");
    let rising = |what: &str, messages: &[&MessageView]| {
        for pair in messages.windows(2) {
            assert!(number(pair[0]) < number(pair[1]), "HEARTWIRE_LOSS_SEED={seed} {what}: {pair:#?}");
        }
    };
    let mut stored: Vec<&MessageView> = messages.iter().collect();
    stored.sort_by_key(|message| message.id);
    if trial.in_stored_order {
        return rising("as they came", &stored);
    }
    for arrival in [Arrival::Live, Arrival::CaughtUp] {
        let of = stored.iter().copied().filter(|message| message.arrival == arrival).collect::<Vec<_>>();
        rising("of one arrival", &of);
    }
    let mut newest = BTreeMap::new();
    for message in messages {
        newest.insert(number(message), message.at_ms);
    }
    let mut latest = i64::MIN;
    for (number, at_ms) in newest {
        assert!(
            at_ms > latest.saturating_sub(COARSE_MS),
            "HEARTWIRE_LOSS_SEED={seed}: {number} stands {} ms too early",
            latest - at_ms
        );
        latest = latest.max(at_ms);
    }
}
