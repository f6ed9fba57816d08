//! What goes to the store, in order and one at a time: the supervisor never waits for a disk. What the store answers
//! comes back as an [`Outcome`], and only then is it shown. What the disk refused is kept, within bounds, and tried again.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::Instant;

use crate::store::{BeginSpan, NewMessage, Store, StoreError, Stored};

/// Messages waiting for the store above which links stop reading; and the most that are kept while the disk refuses them.
const MOST_MESSAGES: usize = 10_000;
/// Spans that may wait while the disk refuses them.
const MOST_SPANS: usize = 1_000;
/// How long to wait before trying again what the disk refused.
const RETRY: Duration = Duration::from_secs(5);

/// Something to store in its turn.
#[derive(Clone)]
pub enum Write {
    BeginSpan(BeginSpan),
    /// The connection was removed at this time, or its computer slept since then.
    EndSpan(String, i64),
    /// Attempts of the connection's outage that lasts.
    Attempts(String, u32),
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
    Committed(Vec<Stored>),
    /// The disk refused these messages; they are tried again.
    Refused(Vec<NewMessage>, StoreError),
    /// Messages that it refused before.
    CommittedLate(Vec<Stored>),
    /// With its row.
    SpanBegun(i64, BeginSpan),
    /// Of the outage in this row.
    Attempts(i64, u32),
    SpanEnded(String, i64),
    Done,
    /// The disk refused something else; it is tried again.
    Failed(StoreError),
}

enum Job {
    New(Vec<NewMessage>),
    Again(Vec<NewMessage>),
    Queued(Write),
    Latest(Latest),
}

type Done = Result<Outcome, (Job, StoreError)>;

/// The queue of writes.
pub struct Writes {
    store: Store,
    messages: Vec<NewMessage>,
    refused: Vec<NewMessage>,
    lost: u64,
    queue: VecDeque<Write>,
    alive: Option<i64>,
    prune: Option<u32>,
    notified: Option<i64>,
    in_flight: Option<Pin<Box<dyn Future<Output = Done> + Send>>>,
    held_until: Option<Instant>,
    /// The rows of the spans that last, by connection.
    open_rows: BTreeMap<String, i64>,
}

impl Writes {
    pub fn new(store: Store) -> Self {
        Self {
            store,
            messages: Vec::new(),
            refused: Vec::new(),
            lost: 0,
            queue: VecDeque::new(),
            alive: None,
            prune: None,
            notified: None,
            in_flight: None,
            held_until: None,
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

    pub fn push_messages(&mut self, messages: impl IntoIterator<Item = NewMessage>) {
        self.messages.extend(messages);
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
        self.messages.len() >= MOST_MESSAGES
    }

    /// How many messages found no place while the disk refused them.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Whether nothing is left that can be written now.
    pub fn idle(&self) -> bool {
        let latest = self.alive.is_some() || self.prune.is_some() || self.notified.is_some();
        let nothing = self.queue.is_empty() && self.refused.is_empty() && !latest;
        self.in_flight.is_none() && self.messages.is_empty() && (nothing || self.held_until.is_some())
    }

    /// When what the disk refused may be tried again.
    pub fn retry_at(&self) -> Option<Instant> {
        self.held_until
    }

    /// Tries again what is held.
    pub fn release(&mut self) {
        self.held_until = None;
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

    /// New messages are tried at once, whatever the disk said before: they are notified when it has answered.
    fn next(&mut self) -> Option<Job> {
        if !self.messages.is_empty() {
            return Some(Job::New(std::mem::take(&mut self.messages)));
        }
        if self.held_until.is_some() {
            return None;
        }
        if !self.refused.is_empty() {
            return Some(Job::Again(std::mem::take(&mut self.refused)));
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
            Ok(Outcome::SpanBegun(row, span)) => drop(self.open_rows.insert(span.connection.clone(), *row)),
            Ok(Outcome::SpanEnded(connection, _)) => drop(self.open_rows.remove(connection)),
            _ => {}
        }
        done.unwrap_or_else(|(job, error)| self.keep(job, error))
    }

    /// Keeps what the disk refused.
    fn keep(&mut self, job: Job, error: StoreError) -> Outcome {
        self.held_until = Some(Instant::now() + RETRY);
        match job {
            Job::New(messages) => {
                let room = MOST_MESSAGES.saturating_sub(self.refused.len());
                self.lost += messages.len().saturating_sub(room) as u64;
                self.refused.extend(messages.iter().take(room).cloned());
                return Outcome::Refused(messages, error);
            }
            Job::Again(mut messages) => {
                // What came meanwhile is newer.
                messages.append(&mut self.refused);
                self.lost += messages.len().saturating_sub(MOST_MESSAGES) as u64;
                messages.truncate(MOST_MESSAGES);
                self.refused = messages;
            }
            Job::Queued(write) => self.queue.push_front(write),
            Job::Latest(Latest::Alive(at_ms)) => self.alive = self.alive.or(Some(at_ms)),
            Job::Latest(Latest::Prune(keep)) => self.prune = self.prune.or(Some(keep)),
            Job::Latest(Latest::Notified(id)) => self.notified = self.notified.or(Some(id)),
        }
        Outcome::Failed(error)
    }
}

async fn perform(store: Store, job: Job, row: Option<i64>) -> Done {
    let done = match &job {
        Job::New(messages) => store.commit(messages.clone()).await.map(Outcome::Committed),
        Job::Again(messages) => store.commit(messages.clone()).await.map(Outcome::CommittedLate),
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
        Write::Paused(connection, paused) => store.set_paused(connection.clone(), *paused).await?,
    }
    Ok(Outcome::Done)
}
