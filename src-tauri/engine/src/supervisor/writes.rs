//! What goes to the store, in order and one at a time: the supervisor never waits for a disk. What the store answers
//! comes back as an [`Outcome`], and only then is it shown. What the disk refused is kept, within bounds, and tried again
//! together with what came meanwhile, so that nothing is on disk before what came before it.

mod job;
mod refused;
mod step;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use heartwire_core::dialect::Missing;
use heartwire_core::link::ResumeData;
use heartwire_core::view::GapView;
use tokio::time::Instant;

pub use step::{Done, Step, Then};

use job::{Job, Performed, perform};

use crate::store::{BeginSpan, Entry, GapRows, Store, StoreError};

/// Steps waiting for the store above which links stop reading; and the most that are kept while the disk refuses them.
const MOST_STEPS: usize = 10_000;
/// Spans that may wait while the disk refuses them.
const MOST_SPANS: usize = 1_000;
/// How long to wait before trying again what the disk refused, unless something new comes.
const RETRY: Duration = Duration::from_secs(5);

/// Something to store in its turn.
#[derive(Clone)]
pub enum Write {
    BeginSpan(BeginSpan),
    /// The connection was removed at this time, or its computer slept since then.
    EndSpan(String, i64),
    /// Attempts of the connection's outage that lasts.
    Attempts(String, u32),
    /// What is missing from the gaps of these rows of the connection.
    Gaps(String, GapRows, Option<Missing>),
    Paused(String, bool),
}

/// Of these only the newest counts.
#[derive(Clone, Copy)]
enum Latest {
    Alive(i64),
    Prune(u32),
    Notified(i64),
}

/// What came of a write.
pub enum Outcome {
    /// Steps in their order; so many of them, the first, were refused before.
    Committed(Vec<Done>, usize),
    /// The disk refused these steps for the first time; they are tried again.
    Refused(Vec<Step>, StoreError),
    /// With its row.
    SpanBegun(i64, BeginSpan),
    /// Of the outage in this row.
    Attempts(i64, u32),
    SpanEnded(String, i64),
    /// The rows of gaps, and what is known of them now.
    Gaps(Vec<(i64, GapView)>),
    /// Connections of which something found no place, now that the disk takes something again. They count as sound from now
    /// on.
    Lossy(Vec<Lossy>),
    Done,
    /// The disk refused something else; it is tried again.
    Failed(StoreError),
}

/// A connection of which something found no place on the disk.
#[derive(Debug, PartialEq, Eq)]
pub struct Lossy {
    pub connection: String,
    /// When the first of it came.
    pub since_ms: i64,
    /// How far it is on disk.
    pub cursor: Option<ResumeData>,
}

/// The queue of writes.
pub struct Writes {
    store: Store,
    steps: Vec<Step>,
    refused: Vec<Step>,
    /// How many messages found no place, by connection.
    lost: BTreeMap<String, u64>,
    /// Connections of which something was lost here, and since when: their cursors would say that nothing is missing.
    lossy: BTreeMap<String, i64>,
    /// Something else may be written before the next steps.
    turn: bool,
    queue: VecDeque<Write>,
    alive: Option<i64>,
    prune: Option<u32>,
    notified: Option<i64>,
    in_flight: Option<Pin<Box<dyn Future<Output = Performed> + Send>>>,
    /// What the disk refused is tried again at this time, and why it was.
    held: Option<(Instant, StoreError)>,
    /// The rows of the spans that last, by connection.
    open_rows: BTreeMap<String, i64>,
}

impl Writes {
    pub fn new(store: Store) -> Self {
        Self {
            store,
            steps: Vec::new(),
            refused: Vec::new(),
            lost: BTreeMap::new(),
            lossy: BTreeMap::new(),
            turn: false,
            queue: VecDeque::new(),
            alive: None,
            prune: None,
            notified: None,
            in_flight: None,
            held: None,
            open_rows: BTreeMap::new(),
        }
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    pub fn push(&mut self, write: Write) {
        if let (Write::Attempts(name, _), Some(Write::Attempts(last, _))) = (&write, self.queue.back())
            && name == last
        {
            self.queue.pop_back();
        }
        // What the person did is small and never dropped.
        if self.queue.len() < MOST_SPANS || matches!(write, Write::Paused(..)) {
            self.queue.push_back(write);
        } else {
            tracing::error!("storage: too much waits for the disk; part of the reconnect history is lost");
        }
    }

    pub fn push_steps(&mut self, steps: impl IntoIterator<Item = Step>) {
        for step in steps {
            if let Step::Entry(Entry::Renamed { from, to }) = &step {
                let (since_ms, lost) = (self.lossy.remove(from), self.lost.remove(from));
                self.lossy.extend(since_ms.map(|since_ms| (to.clone(), since_ms)));
                self.lost.extend(lost.map(|lost| (to.clone(), lost)));
            }
            self.steps.extend(step.sound(&self.lossy));
        }
    }

    /// Heartwire ran at this time.
    pub fn alive(&mut self, at_ms: i64) {
        self.alive = Some(at_ms);
    }

    /// Old messages may go.
    pub fn prune(&mut self, keep: u32) {
        self.prune = Some(keep);
    }

    /// No popup is owed for messages up to this one.
    pub fn notified(&mut self, id: i64) {
        self.notified = Some(id);
    }

    /// Whether links should stop reading until the store has caught up.
    pub fn full(&self) -> bool {
        self.steps.len() >= MOST_STEPS
    }

    /// Whether nothing is left that can be written now.
    pub fn idle(&self) -> bool {
        let latest = self.alive.is_some() || self.prune.is_some() || self.notified.is_some();
        let nothing = self.queue.is_empty() && self.refused.is_empty() && self.lossy.is_empty() && !latest;
        self.in_flight.is_none() && self.steps.is_empty() && (nothing || self.held.is_some())
    }

    /// When what the disk refused may be tried again.
    pub fn retry_at(&self) -> Option<Instant> {
        self.held.as_ref().map(|(at, _)| *at)
    }

    /// Tries again what is held.
    pub fn release(&mut self) {
        self.held = None;
    }

    /// Starts the next write unless one is under way.
    pub fn launch(&mut self) {
        if self.in_flight.is_some() {
            return;
        }
        let Some(job) = self.next() else { return };
        let row = match &job {
            Job::Queued(Write::Attempts(name, _)) => self.open_rows.get(name).copied(),
            _ => None,
        };
        self.in_flight = Some(Box::pin(perform(self.store.clone(), job, row)));
    }

    /// What waits behind something that the disk refused is refused with it, so that messages are notified at once.
    fn next(&mut self) -> Option<Job> {
        if let Some((_, error)) = &self.held {
            let error = error.clone();
            return (!self.steps.is_empty()).then(|| Job::Behind(std::mem::take(&mut self.steps), error));
        }
        let latest = self.notified.is_some() || self.alive.is_some() || self.prune.is_some();
        // Not before all that was kept is on disk.
        let lossy = self.refused.is_empty() && !self.lossy.is_empty();
        let others = !self.queue.is_empty() || lossy || latest;
        let turn = std::mem::take(&mut self.turn) && others;
        let waiting = !self.steps.is_empty() || !self.refused.is_empty();
        if waiting && !turn {
            self.turn = true;
            let mut steps = std::mem::take(&mut self.refused);
            let refused = steps.len();
            // Some came before it was known that something is lost.
            let lossy = &self.lossy;
            steps.extend(std::mem::take(&mut self.steps).into_iter().filter_map(|step| step.sound(lossy)));
            return Some(Job::Steps(steps, refused));
        }
        if lossy {
            return Some(Job::Lossy(self.lossy.clone()));
        }
        if let Some(write) = self.queue.pop_front() {
            return Some(Job::Queued(write));
        }
        let notified = self.notified.take().map(Latest::Notified);
        let latest = notified.or_else(|| self.alive.take().map(Latest::Alive));
        latest.or_else(|| self.prune.take().map(Latest::Prune)).map(Job::Latest)
    }

    /// Waits for the write under way; for ever if there is none.
    pub async fn outcome(&mut self) -> Outcome {
        let Some(in_flight) = &mut self.in_flight else { return std::future::pending().await };
        let done = in_flight.await;
        self.in_flight = None;
        match &done {
            Ok(Outcome::Lossy(known)) => {
                self.lossy.retain(|name, _| known.iter().all(|lossy| lossy.connection != *name));
            }
            Ok(Outcome::SpanBegun(row, span)) => drop(self.open_rows.insert(span.connection.clone(), *row)),
            Ok(Outcome::SpanEnded(connection, _)) => drop(self.open_rows.remove(connection)),
            _ => {}
        }
        done.unwrap_or_else(|(job, error)| self.keep(job, error))
    }
}
