//! One thing that the store is asked, and what came of it.

use std::collections::{BTreeMap, VecDeque};

use super::step::{Done, Step, Then};
use super::{Latest, Lossy, Outcome, Write};
use crate::store::{Store, StoreError, Unwritten};

pub(super) enum Job {
    /// The first of them, so many, were refused before.
    Steps(Vec<Step>, usize),
    /// They have to wait behind what was refused for this.
    Behind(Vec<Step>, StoreError),
    /// How far these are on disk, of which something was lost since then.
    Lossy(BTreeMap<String, i64>),
    Queued(Write),
    Latest(Latest),
}

pub(super) type Performed = Result<Outcome, (Job, StoreError)>;

pub(super) async fn perform(store: Store, job: Job, row: Option<i64>) -> Performed {
    let done = match &job {
        Job::Steps(..) => return commit(&store, job).await,
        Job::Behind(_, error) => Err(error.clone()),
        Job::Lossy(since) => store.sources().await.map(|sources| {
            let mut cursors: BTreeMap<_, _> = sources.into_iter().map(|(name, _, cursor)| (name, cursor)).collect();
            let lossy = since.iter().map(|(name, since_ms)| {
                let cursor = cursors.remove(name).flatten();
                Lossy { connection: name.clone(), since_ms: *since_ms, cursor }
            });
            Outcome::Lossy(lossy.collect())
        }),
        Job::Queued(write) => store_one(&store, write, row).await,
        Job::Latest(Latest::Alive(at_ms)) => store.alive(*at_ms).await.map(|()| Outcome::Done),
        Job::Latest(Latest::Notified(id)) => store.set_notified_up_to(*id).await.map(|()| Outcome::Done),
        Job::Latest(Latest::Prune(keep)) => store.prune(*keep).await.map(|gone| {
            tracing::debug!("storage: {gone} old messages removed");
            Outcome::Done
        }),
    };
    done.map_err(|error| (job, error))
}

/// Commits the entries, and gives the steps back with what came of them.
async fn commit(store: &Store, job: Job) -> Performed {
    let Job::Steps(steps, refused) = job else { return Ok(Outcome::Done) };
    let mut entries = Vec::with_capacity(steps.len());
    let mut others = VecDeque::new();
    for (at, step) in steps.into_iter().enumerate() {
        match step {
            Step::Entry(entry) => entries.push(entry),
            Step::Then(then) => others.push_back((at, then)),
        }
    }
    let count = entries.len();
    match if entries.is_empty() { Ok(Vec::new()) } else { store.commit(entries).await } {
        Ok(written) => {
            let done = woven(written.into_iter().map(Done::Written), others, Done::Then);
            Ok(Outcome::Committed(done, refused))
        }
        Err(Unwritten { error, entries }) => {
            if entries.len() < count {
                // The store's thread has died with them. Alone, what is behind them would count as done.
                let alone = |(at, then)| match then {
                    Then::Committed(..) => None,
                    Then::CaughtUp(name, ..) | Then::Told(name) => Some((at, Then::Told(name))),
                };
                others = others.into_iter().filter_map(alone).collect();
            }
            let steps = woven(entries.into_iter().map(Step::Entry), others, Step::Then);
            Err((Job::Steps(steps, refused), error))
        }
    }
}

/// One list again of what was taken apart: `others` with their places in it.
fn woven<T>(list: impl Iterator<Item = T>, mut others: VecDeque<(usize, Then)>, as_item: fn(Then) -> T) -> Vec<T> {
    let mut woven = Vec::with_capacity(list.size_hint().0 + others.len());
    for item in list {
        while others.front().is_some_and(|(at, _)| *at == woven.len()) {
            woven.extend(others.pop_front().map(|(_, then)| as_item(then)));
        }
        woven.push(item);
    }
    woven.extend(others.into_iter().map(|(_, then)| as_item(then)));
    woven
}

async fn store_one(store: &Store, write: &Write, row: Option<i64>) -> Result<Outcome, StoreError> {
    match write {
        Write::BeginSpan(span) => {
            let row = store.begin_span(span.clone()).await?;
            return Ok(Outcome::SpanBegun(row, span.clone()));
        }
        Write::EndSpan(connection, at_ms) => {
            store.end_span(connection.clone(), *at_ms).await?;
            return Ok(Outcome::SpanEnded(connection.clone(), *at_ms));
        }
        Write::Attempts(_, attempts) => {
            if let Some(row) = row {
                store.set_attempts(row, *attempts).await?;
                return Ok(Outcome::Attempts(row, *attempts));
            }
        }
        Write::Gaps(connection, rows, missing) => {
            return Ok(Outcome::Gaps(store.close_gaps(connection.clone(), *rows, *missing).await?));
        }
        Write::Paused(connection, paused) => store.set_paused(connection.clone(), *paused).await?,
    }
    Ok(Outcome::Done)
}
