//! The thread that owns the database. Commits that wait together go into one transaction, so that a flood costs one
//! sync of the disk rather than one a message.

use std::thread;

use tokio::sync::{mpsc, oneshot};

use super::error::StoreError;
use super::query;
use super::{NewMessage, Stored};

/// The most messages that are gathered into one transaction; a single commit may have more.
const BATCH: usize = 10_000;

/// Something else than a commit.
type Work = Box<dyn FnOnce(&mut rusqlite::Connection, &str) + Send>;

type CommitReply = oneshot::Sender<Result<Vec<Stored>, StoreError>>;

/// What the thread is asked.
pub(super) enum Job {
    /// Store messages.
    Commit(Vec<NewMessage>, CommitReply),
    /// Do this with the database and its place.
    Run(Work),
    /// Close and end.
    Close(oneshot::Sender<Result<(), StoreError>>),
}

/// Starts the thread. `place` is what errors call the database.
pub(super) fn spawn(
    database: rusqlite::Connection,
    place: String,
    jobs: mpsc::Receiver<Job>,
) -> Result<(), StoreError> {
    let failed = |error: std::io::Error| StoreError::Failed {
        place: "the store's thread".to_owned(),
        reason: error.to_string(),
    };
    thread::Builder::new().name("store".to_owned()).spawn(move || serve(database, &place, jobs)).map_err(failed)?;
    Ok(())
}

fn serve(mut database: rusqlite::Connection, place: &str, mut jobs: mpsc::Receiver<Job>) {
    let mut next = jobs.blocking_recv();
    while let Some(job) = next {
        next = match job {
            Job::Commit(messages, reply) => {
                let (batch, after) = gather(messages, reply, &mut jobs);
                commit(&mut database, place, batch);
                after
            }
            Job::Run(work) => {
                work(&mut database, place);
                None
            }
            Job::Close(reply) => {
                jobs.close();
                let closed = database.close().map_err(|(_, error)| StoreError::from_sqlite(place, &error));
                let _ = reply.send(closed);
                return;
            }
        }
        .or_else(|| jobs.blocking_recv());
    }
}

/// The commits that wait directly behind this one, and the first job that is none.
fn gather(
    messages: Vec<NewMessage>,
    reply: CommitReply,
    jobs: &mut mpsc::Receiver<Job>,
) -> (Vec<(Vec<NewMessage>, CommitReply)>, Option<Job>) {
    let mut count = messages.len();
    let mut batch = vec![(messages, reply)];
    while count < BATCH {
        match jobs.try_recv() {
            Ok(Job::Commit(messages, reply)) => {
                count += messages.len();
                batch.push((messages, reply));
            }
            Ok(other) => return (batch, Some(other)),
            Err(_) => break,
        }
    }
    (batch, None)
}

fn commit(database: &mut rusqlite::Connection, place: &str, batch: Vec<(Vec<NewMessage>, CommitReply)>) {
    let (requests, replies): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
    match query::commit(database, requests) {
        Ok(stored) => {
            for (stored, reply) in stored.into_iter().zip(replies) {
                let _ = reply.send(Ok(stored));
            }
        }
        Err(error) => {
            let error = StoreError::from_sqlite(place, &error);
            for reply in replies {
                let _ = reply.send(Err(error.clone()));
            }
        }
    }
}
