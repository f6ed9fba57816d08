//! What goes to the store, in order and one at a time: the supervisor never waits for a disk. What the store answers
//! comes back as an [`Outcome`], and only then is it shown. What the disk refused is kept, within bounds, and tried again
//! together with what came meanwhile, so that nothing is on disk before what came before it.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use heartwire_core::dialect::{CaughtUp, Missing};
use heartwire_core::link::{Generation, ResumeData};
use heartwire_core::view::GapView;
use tokio::time::Instant;

use super::links::now_ms;
use crate::driver::ConnectionId;
use crate::store::{BeginSpan, Entry, GapRows, NewMessage, Store, StoreError, Unwritten, Written};

/// Steps waiting for the store above which links stop reading; and the most that are kept while the disk refuses them.
const MOST_STEPS: usize = 10_000;
/// Spans that may wait while the disk refuses them.
const MOST_SPANS: usize = 1_000;
/// How long to wait before trying again what the disk refused, unless something new comes.
const RETRY: Duration = Duration::from_secs(5);

/// What is committed, and what is to be done when everything before it is on disk.
#[derive(Clone)]
pub enum Step {
    Entry(Entry),
    Then(Then),
}

impl Step {
    /// Without what it says of a connection that has lost something: that nothing is missing.
    fn sound(self, lossy: &BTreeMap<String, i64>) -> Option<Self> {
        match self {
            Self::Entry(Entry::Cursor(name, _)) | Self::Then(Then::Committed(name, ..))
                if lossy.contains_key(&name) =>
            {
                None
            }
            Self::Then(Then::CaughtUp(name, .., CaughtUp::Recovered { .. })) if lossy.contains_key(&name) => {
                Some(Self::Then(Then::Told(name)))
            }
            sound @ (Self::Entry(_) | Self::Then(_)) => Some(sound),
        }
    }
}

/// What follows from a commit.
#[derive(Clone)]
pub enum Then {
    /// All that this connection missed has been given, or cannot be.
    CaughtUp(String, ConnectionId, Generation, CaughtUp),
    /// What has come by now of what it missed is all for a while.
    Told(String),
    /// Its dialect may acknowledge to its server.
    Committed(String, ConnectionId, Generation, u64),
}

/// A step that was done.
pub enum Done {
    Written(Written),
    Then(Then),
}

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

enum Job {
    /// The first of them, so many, were refused before.
    Steps(Vec<Step>, usize),
    /// They have to wait behind what was refused for this.
    Behind(Vec<Step>, StoreError),
    /// How far these are on disk, of which something was lost since then.
    Lossy(BTreeMap<String, i64>),
    Queued(Write),
    Latest(Latest),
}

type Performed = Result<Outcome, (Job, StoreError)>;

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

    /// How many messages found no place while the disk refused them, and did not come again.
    pub fn lost(&self) -> u64 {
        self.lost.values().sum()
    }

    /// All that this connection missed has come and is on disk.
    pub fn made_good(&mut self, connection: &str) {
        if !self.lossy.contains_key(connection) {
            self.lost.remove(connection);
        }
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

    /// Keeps what the disk refused.
    fn keep_steps(&mut self, new: Vec<Step>, error: StoreError) -> Outcome {
        for step in &new {
            self.keep_step(step);
        }
        Outcome::Refused(new, error)
    }

    fn keep_step(&mut self, step: &Step) {
        let sound = step.clone().sound(&self.lossy);
        let is_rare = matches!(
            sound,
            Some(Step::Then(Then::CaughtUp(..)) | Step::Entry(Entry::Source(..) | Entry::Renamed { .. }))
        );
        if self.refused.len() < MOST_STEPS || is_rare {
            return self.refused.extend(sound);
        }
        // Whatever it is, the connection goes on from before it when the disk takes something again.
        let (name, came_ms) = match step {
            Step::Entry(Entry::Message(NewMessage { connection, at_ms, .. })) => {
                *self.lost.entry(connection.clone()).or_default() += 1;
                (connection, *at_ms)
            }
            Step::Entry(Entry::Withdrawn { connection, at_ms, .. }) => (connection, *at_ms),
            Step::Entry(Entry::Cursor(name, _)) | Step::Then(Then::Committed(name, ..)) => (name, now_ms()),
            Step::Entry(_) | Step::Then(_) => return,
        };
        let since_ms = self.lossy.entry(name.clone()).or_insert(came_ms);
        *since_ms = came_ms.min(*since_ms);
    }

    fn keep(&mut self, job: Job, error: StoreError) -> Outcome {
        if let Job::Behind(mut steps, error) = job {
            if self.held.is_some() {
                return self.keep_steps(steps, error);
            }
            // The disk is asked again meanwhile.
            steps.append(&mut self.steps);
            self.steps = steps;
            return Outcome::Done;
        }
        self.held = Some((Instant::now() + RETRY, error.clone()));
        match job {
            Job::Steps(mut steps, refused) => {
                // The store's thread has died with them where they are fewer.
                let new = steps.split_off(refused.min(steps.len()));
                self.refused = steps;
                return self.keep_steps(new, error);
            }
            Job::Behind(..) | Job::Lossy(_) => {}
            Job::Queued(write) => self.queue.push_front(write),
            Job::Latest(Latest::Alive(at_ms)) => self.alive = self.alive.or(Some(at_ms)),
            Job::Latest(Latest::Prune(keep)) => self.prune = self.prune.or(Some(keep)),
            Job::Latest(Latest::Notified(id)) => self.notified = self.notified.or(Some(id)),
        }
        Outcome::Failed(error)
    }
}

async fn perform(store: Store, job: Job, row: Option<i64>) -> Performed {
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
                others.retain(|(_, then)| !matches!(then, Then::Committed(..)));
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
