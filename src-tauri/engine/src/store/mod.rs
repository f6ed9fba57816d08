//! The store: messages, how far they were notified, up to where each connection is complete, the spans of its life and
//! who is paused, in one SQLite file. One thread owns the
//! database; a [`Store`] is a handle that asks it. It decides nothing about what is stored and shows nothing.
//!
//! A commit that was answered survives the end of the process and of the computer: the write-ahead log is synced before
//! the answer, once for all commits that waited together. A request that is dropped while it waits is still done.

mod entry;
mod error;
mod gaps;
mod marks;
mod query;
mod schema;
mod set_aside;
mod thread;

use std::path::{Path, PathBuf};

use heartwire_core::cause::CauseView;
use heartwire_core::dialect::Missing;
use heartwire_core::link::ResumeData;
use heartwire_core::message::Message;
use heartwire_core::view::{GapView, LastMessage, MessageView, OutageView, Span, SpanKind};
use tokio::sync::mpsc::error::SendError;
use tokio::sync::{mpsc, oneshot};

pub use entry::{Entry, Unwritten, Written};
pub use error::StoreError;
pub use set_aside::SetAside;

use thread::Job;

/// How many requests may wait; further ones wait to be asked.
const WAITING: usize = 256;
/// What errors call a store without a file.
const IN_MEMORY: &str = "the store in memory";

/// A handle to the store's thread. The thread ends when the last handle is gone or [`Store::close`] was called.
#[derive(Clone, Debug)]
pub struct Store {
    jobs: mpsc::Sender<Job>,
}

/// A message to be committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMessage {
    /// The connection's name.
    pub connection: String,
    /// When it came, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// What came.
    pub message: Message,
}

/// A message that was committed and is no duplicate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Rises with each message; never used twice.
    pub id: i64,
    /// The connection's name.
    pub connection: String,
    /// When it came, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// What came.
    pub message: Message,
}

/// How a connection was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// Since when its messages are not known to be complete, in milliseconds since the Unix epoch.
    pub missing_since_ms: i64,
    /// What its last span was.
    pub last: Option<SpanKind>,
    /// When that ended.
    pub ended_ms: i64,
    /// The program ended with it; else it was removed before.
    pub ran_to_the_end: bool,
}

/// Rows of a connection whose open gaps end together: unless it is said otherwise, all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GapRows {
    /// Messages may be missing since then though the first row begins later: it has what was sent in between.
    pub since_ms: Option<i64>,
    /// Those of rows that begin before this.
    pub before_ms: Option<i64>,
}

/// A span of a connection's life that begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BeginSpan {
    /// The connection's name.
    pub connection: String,
    /// When it begins, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// What it is.
    pub kind: SpanKind,
    /// Why, for an outage.
    pub cause: Option<CauseView>,
    /// Dials so far.
    pub attempts: u32,
}

impl Store {
    /// Opens the file, or makes it and its folder, readable by this user only. Spans that a crash left open are ended
    /// at the last [`Store::alive`]. A file that is no sound database is moved aside, never deleted. Blocks on the disk.
    ///
    /// # Errors
    /// The folder or file cannot be read and written, the disk is full, or the file is another program's or a newer
    /// version's; then it is left as it was.
    pub fn open(path: &Path) -> Result<(Self, Option<SetAside>), StoreError> {
        let (database, set_aside) = set_aside::open_or_replace(path)?;
        Ok((Self::start(database, Some(path.to_owned()))?, set_aside))
    }

    /// A store that is gone with its last handle: for tests, and for a run whose file cannot be used.
    pub fn in_memory() -> Result<Self, StoreError> {
        let database = schema::open_in_memory().map_err(|error| StoreError::from_sqlite(IN_MEMORY, &error))?;
        Self::start(database, None)
    }

    fn start(database: rusqlite::Connection, path: Option<PathBuf>) -> Result<Self, StoreError> {
        let (jobs, requests) = mpsc::channel(WAITING);
        thread::spawn(database, path, requests)?;
        Ok(Self { jobs })
    }

    /// Writes entries in their order, all or none; the answers are in the same order.
    ///
    /// # Errors
    /// The entries, as they were.
    pub async fn commit(&self, entries: Vec<Entry>) -> Result<Vec<Written>, Unwritten> {
        let closed = |entries| Unwritten { error: StoreError::Closed, entries };
        let (reply, answer) = oneshot::channel();
        match self.jobs.send(Job::Commit(entries, reply)).await {
            Ok(()) => answer.await.unwrap_or_else(|_| Err(closed(Vec::new()))),
            Err(SendError(Job::Commit(entries, _))) => Err(closed(entries)),
            Err(_) => Err(closed(Vec::new())),
        }
    }

    /// Of each connection that has ever run: its name, the server it speaks with, and the cursor there.
    pub async fn sources(&self) -> Result<Vec<(String, String, Option<ResumeData>)>, StoreError> {
        self.run(|database| entry::sources(database)).await
    }

    /// Ends open gaps of the connection: what is missing from them, if anything is. Returns their rows.
    pub async fn close_gaps(
        &self,
        connection: String,
        rows: GapRows,
        missing: Option<Missing>,
    ) -> Result<Vec<(i64, GapView)>, StoreError> {
        self.run(move |database| gaps::close_gaps(database, &connection, rows, missing)).await
    }

    /// How each connection was left that was ever up.
    pub async fn lives(&self) -> Result<Vec<(String, Life)>, StoreError> {
        self.run(|database| gaps::lives(database)).await
    }

    /// Ends the connection's open span at `at_ms` and begins this one; returns its id. When the wall clock jumped back,
    /// the old span ends where it began.
    pub async fn begin_span(&self, span: BeginSpan) -> Result<i64, StoreError> {
        self.run(move |database| query::begin_span(database, &span)).await
    }

    /// Records how many dials an outage has taken so far.
    pub async fn set_attempts(&self, span_id: i64, attempts: u32) -> Result<(), StoreError> {
        self.run(move |database| query::set_attempts(database, span_id, attempts)).await
    }

    /// Ends the connection's open span without beginning another: for one that is removed or renamed.
    pub async fn end_span(&self, connection: String, at_ms: i64) -> Result<(), StoreError> {
        self.run(move |database| query::end_spans(database, Some(&connection), at_ms)).await
    }

    /// Notes that the program runs; to be called every minute or so. Costs no sync of the disk.
    pub async fn alive(&self, at_ms: i64) -> Result<(), StoreError> {
        self.run(move |database| marks::alive(database, at_ms)).await
    }

    /// Every message up to this row needs no popup any more; 0 in a new database. A database that has lost this number
    /// counts as notified.
    pub async fn notified_up_to(&self) -> Result<i64, StoreError> {
        self.run(|database| marks::notified_up_to(database)).await
    }

    /// Records that every message up to this row needs no popup any more; a smaller number than before changes nothing.
    /// Costs no sync of the disk: a power cut may bring an earlier number back, a crash of the process does not.
    pub async fn set_notified_up_to(&self, id: i64) -> Result<(), StoreError> {
        self.run(move |database| marks::set_notified_up_to(database, id)).await
    }

    /// The newest row of all messages; 0 if there is none.
    pub async fn newest(&self) -> Result<i64, StoreError> {
        self.run(|database| database.query_row("SELECT coalesce(max(id), 0) FROM message", [], |row| row.get(0))).await
    }

    /// The text messages after this row, oldest first and at most `limit`, and how many there are in all.
    pub async fn due_after(&self, id: i64, limit: usize) -> Result<(Vec<Stored>, u64), StoreError> {
        self.run(move |database| marks::due_after(database, id, limit)).await
    }

    /// Ends every open span, and notes that the program ran until then: before its orderly end.
    pub async fn close_spans(&self, at_ms: i64) -> Result<(), StoreError> {
        self.run(move |database| {
            query::end_spans(database, None, at_ms)?;
            marks::alive(database, at_ms)
        })
        .await
    }

    /// Up to `limit` outages with ids below `before`, newest first, and whether there are older ones; among them the times
    /// in which the program did not run. A span without a cause is no outage: nothing was lost before the first dial.
    pub async fn history(
        &self,
        connection: Option<String>,
        before: Option<i64>,
        limit: usize,
    ) -> Result<(Vec<OutageView>, bool), StoreError> {
        self.run(move |database| query::history(database, connection.as_deref(), before, limit)).await
    }

    /// Up to `limit` messages behind the row `before`, newest first, and whether there are older ones. What was caught up
    /// stands where it belongs by the time it was sent.
    pub async fn messages(
        &self,
        connection: Option<String>,
        before: Option<i64>,
        limit: usize,
    ) -> Result<(Vec<MessageView>, bool), StoreError> {
        self.run(move |database| query::messages(database, connection.as_deref(), before, limit)).await
    }

    /// The spans of a connection that lasted after `at_ms`, in the order they were begun.
    pub async fn spans_since(&self, connection: String, at_ms: i64) -> Result<Vec<Span>, StoreError> {
        self.run(move |database| query::spans_since(database, &connection, at_ms)).await
    }

    /// The newest message of a connection.
    pub async fn last_message(&self, connection: String) -> Result<Option<LastMessage>, StoreError> {
        self.run(move |database| query::last_message(database, &connection)).await
    }

    /// The connections the person paused, by name.
    pub async fn paused(&self) -> Result<Vec<String>, StoreError> {
        self.run(|database| query::paused(database)).await
    }

    /// Records that the person paused a connection, or undid it.
    pub async fn set_paused(&self, connection: String, paused: bool) -> Result<(), StoreError> {
        self.run(move |database| query::set_paused(database, &connection, paused)).await
    }

    /// Deletes all but the newest messages of each connection, and spans beyond a number no window shows; returns how
    /// many messages went.
    pub async fn prune(&self, keep_per_connection: u32) -> Result<u64, StoreError> {
        self.run(move |database| query::prune(database, keep_per_connection)).await
    }

    /// Writes everything into the one file and ends the thread; later requests fail with [`StoreError::Closed`].
    pub async fn close(&self) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        self.jobs.send(Job::Close(reply)).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Has the thread do something with its database.
    async fn run<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Job::Run(Box::new(move |database| {
            // The asker may be gone; the work is done all the same.
            let _ = reply.send(database.run(work));
        }));
        self.jobs.send(job).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}
