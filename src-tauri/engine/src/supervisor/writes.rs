//! What goes to the store, in order and one at a time: the supervisor never waits for a disk. What the store answers
//! comes back as an [`Outcome`], and only then is it shown. What the disk refused is kept and tried again.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::Instant;

use crate::driver::ConnectionId;
use crate::store::{BeginSpan, NewMessage, Store, StoreError, Stored};

/// Messages waiting for the store above which links stop reading.
const MOST_MESSAGES: usize = 10_000;
/// Other writes that may wait while the disk refuses them.
const MOST_QUEUED: usize = 1_000;
/// How long to wait before trying again what the disk refused.
const RETRY: Duration = Duration::from_secs(5);

/// Something to store.
#[derive(Clone)]
pub enum Write {
    BeginSpan(ConnectionId, BeginSpan),
    /// The connection was removed at this time.
    EndSpan(String, i64),
    /// Attempts of the outage whose row is `open_row` of the connection by then.
    Attempts(ConnectionId, u32),
    Paused(String, bool),
    Alive(i64),
    Prune(u32),
    /// Messages that the disk refused before; they were notified then.
    Again(Vec<NewMessage>),
}

/// What came of a write.
pub enum Outcome {
    Committed(Vec<Stored>),
    /// The messages come back, so that none is lost with the disk.
    NotCommitted(Vec<NewMessage>, StoreError),
    CommittedLate(Vec<Stored>),
    SpanBegun(ConnectionId, i64, BeginSpan),
    SpanEnded(String, i64),
    Done,
    Failed(Write, StoreError),
}

type InFlight = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// The queue of writes.
pub struct Writes {
    store: Store,
    messages: Vec<NewMessage>,
    queue: VecDeque<Write>,
    in_flight: Option<InFlight>,
    held_until: Option<Instant>,
}

impl Writes {
    pub fn new(store: Store) -> Self {
        Self { store, messages: Vec::new(), queue: VecDeque::new(), in_flight: None, held_until: None }
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    pub fn push(&mut self, write: Write) {
        if self.queue.len() < MOST_QUEUED {
            self.queue.push_back(write);
        } else {
            tracing::error!("storage: too much waits for the disk; part of the reconnect history is lost");
        }
    }

    pub fn push_messages(&mut self, messages: impl IntoIterator<Item = NewMessage>) {
        self.messages.extend(messages);
    }

    /// Keeps what the disk refused, to try it again in a while.
    pub fn hold(&mut self, write: Write) {
        self.held_until = Some(Instant::now() + RETRY);
        let room = self.queue.len() < MOST_QUEUED;
        match (write, self.queue.front_mut()) {
            (Write::Again(newer), Some(Write::Again(older))) if older.len() + newer.len() <= MOST_MESSAGES => {
                older.extend(newer);
            }
            (write, _) if room => self.queue.push_front(write),
            _ => tracing::error!("storage: too much waits for the disk; the newest of it is lost"),
        }
    }

    /// Whether links should stop reading until the store has caught up.
    pub fn full(&self) -> bool {
        self.messages.len() >= MOST_MESSAGES
    }

    /// Whether nothing is left that can be written now.
    pub fn idle(&self) -> bool {
        self.in_flight.is_none() && self.messages.is_empty() && (self.queue.is_empty() || self.held_until.is_some())
    }

    /// When what is held may be tried again.
    pub fn retry_at(&self) -> Option<Instant> {
        self.held_until
    }

    /// Tries again what is held.
    pub fn release(&mut self) {
        self.held_until = None;
    }

    /// Starts the next write unless one is under way. `open_row` gives the row of a connection's open outage.
    pub fn launch(&mut self, open_row: impl Fn(ConnectionId) -> Option<i64>) {
        if self.in_flight.is_some() {
            return;
        }
        let store = self.store.clone();
        if !self.messages.is_empty() {
            let messages = std::mem::take(&mut self.messages);
            self.in_flight = Some(Box::pin(async move {
                match store.commit(messages.clone()).await {
                    Ok(stored) => Outcome::Committed(stored),
                    Err(error) => Outcome::NotCommitted(messages, error),
                }
            }));
        } else if self.held_until.is_none()
            && let Some(write) = self.queue.pop_front()
        {
            let row = match &write {
                Write::Attempts(id, _) => open_row(*id),
                _ => None,
            };
            self.in_flight = Some(Box::pin(async move {
                match perform(store, write.clone(), row).await {
                    Ok(outcome) => outcome,
                    Err(error) => Outcome::Failed(write, error),
                }
            }));
        }
    }

    /// Waits for the write under way; for ever if there is none.
    pub async fn outcome(&mut self) -> Outcome {
        let Some(in_flight) = &mut self.in_flight else { return std::future::pending().await };
        let outcome = in_flight.await;
        self.in_flight = None;
        outcome
    }
}

async fn perform(store: Store, write: Write, row: Option<i64>) -> Result<Outcome, StoreError> {
    match write {
        Write::BeginSpan(id, span) => {
            let row = store.begin_span(span.clone()).await?;
            return Ok(Outcome::SpanBegun(id, row, span));
        }
        Write::Again(messages) => return store.commit(messages).await.map(Outcome::CommittedLate),
        Write::Attempts(_, attempts) => {
            if let Some(row) = row {
                store.set_attempts(row, attempts).await?;
            }
        }
        Write::EndSpan(connection, at_ms) => {
            store.end_span(connection.clone(), at_ms).await?;
            return Ok(Outcome::SpanEnded(connection, at_ms));
        }
        Write::Paused(connection, paused) => store.set_paused(connection, paused).await?,
        Write::Alive(at_ms) => store.alive(at_ms).await?,
        Write::Prune(keep) => {
            let gone = store.prune(keep).await?;
            tracing::debug!("storage: {gone} old messages removed");
        }
    }
    Ok(Outcome::Done)
}
