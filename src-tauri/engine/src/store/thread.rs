//! The thread that owns the database. Commits that wait together go into one transaction, so that a flood costs one
//! sync of the disk rather than one a message.

use std::path::PathBuf;
use std::thread;

use tokio::sync::{mpsc, oneshot};

use super::error::StoreError;
use super::{Entry, Unwritten, Written, entry, set_aside};

/// The most entries that are gathered into one transaction; a single commit may have more.
const BATCH: usize = 10_000;

type Reply<T> = oneshot::Sender<Result<T, StoreError>>;
type CommitReply = oneshot::Sender<Result<Vec<Written>, Unwritten>>;
/// What is committed together, each part with its asker.
type Batch = Vec<(Vec<Entry>, CommitReply)>;

/// What the thread is asked.
pub(super) enum Job {
    /// Write entries.
    Commit(Vec<Entry>, CommitReply),
    /// Do something else.
    Run(Box<dyn FnOnce(&mut Database) + Send>),
    /// Close and end.
    Close(Reply<()>),
}

/// The database and what is known about it.
pub(super) struct Database {
    connection: rusqlite::Connection,
    /// None for one in memory.
    path: Option<PathBuf>,
}

/// Starts the thread.
pub(super) fn spawn(
    connection: rusqlite::Connection,
    path: Option<PathBuf>,
    jobs: mpsc::Receiver<Job>,
) -> Result<(), StoreError> {
    let failed = |error: std::io::Error| StoreError::Failed {
        place: "the store's thread".to_owned(),
        reason: error.to_string(),
    };
    let database = Database { connection, path };
    thread::Builder::new().name("store".to_owned()).spawn(move || serve(database, jobs)).map_err(failed)?;
    Ok(())
}

fn serve(mut database: Database, mut jobs: mpsc::Receiver<Job>) {
    let mut next = jobs.blocking_recv();
    while let Some(job) = next {
        next = match job {
            Job::Commit(entries, reply) => {
                let (batch, after) = gather(entries, reply, &mut jobs);
                database.commit(batch);
                after
            }
            Job::Run(work) => {
                work(&mut database);
                None
            }
            Job::Close(reply) => {
                jobs.close();
                // The asker may be gone; it is closed all the same.
                let _ = reply.send(database.close());
                return;
            }
        }
        .or_else(|| jobs.blocking_recv());
    }
}

/// The commits that wait directly behind this one, and the first job that is none.
fn gather(entries: Vec<Entry>, reply: CommitReply, jobs: &mut mpsc::Receiver<Job>) -> (Batch, Option<Job>) {
    let mut count = entries.len();
    let mut batch = vec![(entries, reply)];
    while count < BATCH {
        match jobs.try_recv() {
            Ok(Job::Commit(entries, reply)) => {
                count += entries.len();
                batch.push((entries, reply));
            }
            Ok(other) => return (batch, Some(other)),
            Err(_) => break,
        }
    }
    (batch, None)
}

impl Database {
    /// Does this with the connection. Damage is remembered for the next start.
    pub(super) fn run<T>(
        &mut self,
        work: impl FnOnce(&mut rusqlite::Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        work(&mut self.connection).map_err(|error| {
            let error = StoreError::from_sqlite(&self.place(), &error);
            if let (StoreError::Damaged { .. }, Some(path)) = (&error, &self.path) {
                set_aside::suspect(path);
            }
            error
        })
    }

    fn commit(&mut self, batch: Batch) {
        let requests: Vec<_> = batch.iter().map(|(entries, _)| entries.as_slice()).collect();
        match self.run(|connection| entry::commit(connection, &requests)) {
            Ok(made) => {
                for (made, (entries, reply)) in made.into_iter().zip(batch) {
                    let written = made.into_iter().zip(entries).map(|(made, entry)| made.of(entry));
                    let _ = reply.send(Ok(written.collect()));
                }
            }
            Err(error) => {
                for (entries, reply) in batch {
                    let _ = reply.send(Err(Unwritten { error: error.clone(), entries }));
                }
            }
        }
    }

    fn close(self) -> Result<(), StoreError> {
        let place = self.place();
        self.connection.close().map_err(|(_, error)| StoreError::from_sqlite(&place, &error))
    }

    fn place(&self) -> String {
        self.path.as_ref().map_or_else(|| super::IN_MEMORY.to_owned(), |path| path.display().to_string())
    }
}
