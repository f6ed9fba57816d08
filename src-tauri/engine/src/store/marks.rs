//! The two marks that are kept beside the rows: when the program last ran, and up to where messages were notified.

use heartwire_core::message::Message;
use rusqlite::{Connection, Row};

use super::Stored;
use super::query::{arrival, message_kind};

pub(super) fn alive(database: &Connection, at_ms: i64) -> rusqlite::Result<()> {
    // After a power cut an outage that was going on may end a minute early.
    write_unsynced(database, "INSERT INTO alive VALUES (1, ?1) ON CONFLICT DO UPDATE SET at_ms = ?1", at_ms)
}

/// When the program last said that it runs; 0 in a new database.
pub(super) fn alive_at(database: &Connection) -> rusqlite::Result<i64> {
    database.prepare_cached("SELECT coalesce((SELECT at_ms FROM alive), 0)")?.query_row([], |row| row.get(0))
}

pub(super) fn notified_up_to(database: &Connection) -> rusqlite::Result<i64> {
    // The row is there from the first moment. Where it is missing nevertheless, nobody wants to see everything again.
    let sql = "SELECT coalesce((SELECT up_to FROM notified), (SELECT max(id) FROM message), 0)";
    database.prepare_cached(sql)?.query_row([], |row| row.get(0))
}

pub(super) fn set_notified_up_to(database: &Connection, id: i64) -> rusqlite::Result<()> {
    // After a power cut some popups may be repeated.
    let sql = "INSERT INTO notified VALUES (1, ?1) ON CONFLICT DO UPDATE SET up_to = max(up_to, ?1)";
    write_unsynced(database, sql, id)
}

/// Writes what is not worth a sync of the disk. It survives the end of the process, and a power cut leaves an earlier
/// value.
fn write_unsynced(database: &Connection, sql: &str, value: i64) -> rusqlite::Result<()> {
    database.pragma_update(None, "synchronous", "NORMAL")?;
    let written = database.prepare_cached(sql).and_then(|mut statement| statement.execute([value]));
    database.pragma_update(None, "synchronous", "FULL")?;
    written.map(drop)
}

pub(super) fn due_after(database: &Connection, id: i64, limit: usize) -> rusqlite::Result<(Vec<Stored>, u64)> {
    let total: i64 = database
        .prepare_cached(
            "SELECT count(*) FROM message
                           WHERE id > ?1 AND kind = 'text' AND arrival <> 2 AND withdrawn_ms IS NULL",
        )?
        .query_row([id], |row| row.get(0))?;
    let mut statement = database.prepare_cached(
        "SELECT id, connection, at_ms, server_id, title, body, priority, kind, size, key, arrival FROM message
         WHERE id > ?1 AND kind = 'text' AND arrival <> 2 AND withdrawn_ms IS NULL ORDER BY id LIMIT ?2",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let due = statement.query_map([id, limit], stored)?.collect::<rusqlite::Result<_>>()?;
    Ok((due, u64::try_from(total).unwrap_or_default()))
}

fn stored(row: &Row<'_>) -> rusqlite::Result<Stored> {
    let message = Message {
        id: row.get(3)?,
        title: row.get(4)?,
        body: row.get(5)?,
        priority: row.get(6)?,
        kind: message_kind(row, 7)?,
        size: u64::try_from(row.get::<_, i64>(8)?).unwrap_or_default(),
        key: row.get(9)?,
        // The row's time was made of it.
        sent_ms: None,
        arrival: arrival(row, 10)?,
    };
    Ok(Stored { id: row.get(0)?, connection: row.get(1)?, at_ms: row.get(2)?, message })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::schema;

    #[test]
    fn after_a_write_without_a_sync_commits_are_synced_as_before() {
        let database = schema::open_in_memory().unwrap();
        let check = |written: rusqlite::Result<()>, succeeds: bool| {
            assert_eq!(written.is_ok(), succeeds);
            let full: i64 = database.pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap();
            assert_eq!(full, 2);
        };
        check(alive(&database, 1), true);
        check(set_notified_up_to(&database, 1), true);
        database.execute_batch("DROP TABLE alive; DROP TABLE notified").unwrap();
        check(alive(&database, 1), false);
        check(set_notified_up_to(&database, 1), false);
    }
}
