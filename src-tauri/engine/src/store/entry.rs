//! What is committed together and in order: messages, what the server took back, and how far a connection is complete. A
//! cursor is on disk with everything before it, or not at all.

use heartwire_core::dialect::Withdrawal;
use heartwire_core::link::ResumeData;
use heartwire_core::message::Message;
use rusqlite::{Connection, Transaction, params};

use super::query::{arrival_number, message_kind_name, writing};
use super::{NewMessage, StoreError, Stored};

/// One step of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A message; dropped if one with its (connection, server id) was there before.
    Message(NewMessage),
    /// The messages of this connection that have this key are taken back.
    Withdrawn {
        /// The connection's name.
        connection: String,
        /// What is taken back; at this time, if the server says none.
        withdrawal: Withdrawal,
        /// When Heartwire learnt of it, in milliseconds since the Unix epoch.
        at_ms: i64,
    },
    /// Everything before this is complete up to this cursor; none: nobody knows how far.
    Cursor(String, Option<ResumeData>),
    /// The connection of this name speaks with this server from now on. If it was another before, its cursor and its
    /// messages' ids mean nothing any more.
    Source(String, String),
    /// The connection has a new name: what is known of its server goes along. Its history does not.
    Renamed {
        /// The old one.
        from: String,
        /// The new one.
        to: String,
    },
}

impl From<NewMessage> for Entry {
    fn from(message: NewMessage) -> Self {
        Self::Message(message)
    }
}

/// What came of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// The message is new.
    Stored(Stored),
    /// The message was there before.
    Duplicate,
    /// The connection, the key, and the rows of the messages that were not withdrawn before.
    Withdrawn(String, String, Vec<i64>),
    /// It is on disk.
    Done,
}

/// Entries that were not written, and why. All of them, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unwritten {
    /// Why.
    pub error: StoreError,
    /// What was not written.
    pub entries: Vec<Entry>,
}

/// What the database made of an entry.
pub(super) enum Made {
    Row(i64),
    Duplicate,
    Withdrawn(Vec<i64>),
    Done,
}

impl Made {
    pub(super) fn of(self, entry: Entry) -> Written {
        match (self, entry) {
            (Self::Row(id), Entry::Message(NewMessage { connection, at_ms, message })) => {
                Written::Stored(Stored { id, connection, at_ms, message })
            }
            (Self::Withdrawn(rows), Entry::Withdrawn { connection, withdrawal, .. }) => {
                Written::Withdrawn(connection, withdrawal.key, rows)
            }
            (Self::Duplicate, _) => Written::Duplicate,
            (Self::Row(_) | Self::Withdrawn(_) | Self::Done, _) => Written::Done,
        }
    }
}

/// Writes all entries of all requests in one transaction; the answers are in their order.
pub(super) fn commit(database: &mut Connection, requests: &[&[Entry]]) -> rusqlite::Result<Vec<Vec<Made>>> {
    let transaction = writing(database)?;
    let write = |entries: &&[Entry]| entries.iter().map(|entry| write(&transaction, entry)).collect();
    let made = requests.iter().map(write).collect::<Result<_, _>>()?;
    transaction.commit()?;
    Ok(made)
}

fn write(transaction: &Transaction<'_>, entry: &Entry) -> rusqlite::Result<Made> {
    match entry {
        Entry::Message(new) => insert(transaction, new),
        Entry::Withdrawn { connection, withdrawal, at_ms } => {
            let sql = "UPDATE message SET withdrawn_ms = ?3
                       WHERE connection = ?1 AND key = ?2 AND withdrawn_ms IS NULL RETURNING id";
            let at_ms = withdrawal.at_ms.unwrap_or(*at_ms);
            let mut statement = transaction.prepare_cached(sql)?;
            let rows = statement.query_map(params![connection, withdrawal.key, at_ms], |row| row.get(0))?;
            rows.collect::<rusqlite::Result<_>>().map(Made::Withdrawn)
        }
        Entry::Cursor(connection, cursor) => {
            let sql = "UPDATE source SET cursor = ?2 WHERE connection = ?1";
            let cursor = cursor.as_ref().map(|cursor| &cursor.0);
            transaction.prepare_cached(sql)?.execute(params![connection, cursor])?;
            Ok(Made::Done)
        }
        Entry::Source(connection, source) => {
            let forget = "DELETE FROM seen WHERE connection = ?1
                          AND EXISTS (SELECT 1 FROM source WHERE connection = ?1 AND source <> ?2)";
            transaction.prepare_cached(forget)?.execute([connection, source])?;
            let sql = "INSERT INTO source (connection, source) VALUES (?1, ?2) ON CONFLICT (connection)
                       DO UPDATE SET source = ?2, cursor = NULL WHERE source <> ?2";
            transaction.prepare_cached(sql)?.execute([connection, source])?;
            Ok(Made::Done)
        }
        Entry::Renamed { from, to } => {
            for table in ["source", "seen"] {
                transaction.execute(&format!("DELETE FROM {table} WHERE connection = ?1"), [to])?;
                transaction
                    .execute(&format!("UPDATE {table} SET connection = ?2 WHERE connection = ?1"), [from, to])?;
            }
            Ok(Made::Done)
        }
    }
}

fn insert(transaction: &Transaction<'_>, new: &NewMessage) -> rusqlite::Result<Made> {
    let NewMessage { connection, at_ms, message } = new;
    if let Some(id) = &message.id {
        // Apart from the messages, of which a person may want to keep few: a server may send old ones again.
        let sql = "INSERT INTO seen VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
        if transaction.prepare_cached(sql)?.execute(params![connection, id, at_ms])? == 0 {
            return Ok(Made::Duplicate);
        }
    }
    let Message { id, key, title, body, priority, kind, size, sent_ms: _, arrival } = message;
    transaction
        .prepare_cached(
            "INSERT INTO message (connection, server_id, key, at_ms, title, body, priority, kind, size, arrival)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            connection,
            id,
            key,
            at_ms,
            title,
            body,
            priority,
            message_kind_name(*kind),
            i64::try_from(*size).unwrap_or(i64::MAX),
            arrival_number(*arrival),
        ])?;
    Ok(Made::Row(transaction.last_insert_rowid()))
}

/// What is known of the server that each connection speaks with.
pub(super) fn sources(database: &Connection) -> rusqlite::Result<Vec<(String, String, Option<ResumeData>)>> {
    let mut statement = database.prepare_cached("SELECT connection, source, cursor FROM source")?;
    let rows = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, Option<String>>(2)?.map(ResumeData))))?;
    rows.collect()
}
