//! The tables, and how a database is brought to the present format.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

/// Marks the file as Heartwire's (`HRTW`).
const APPLICATION_ID: i64 = 0x4852_5457;
/// How long another process may hold the file before a request fails.
const BUSY: Duration = Duration::from_secs(5);
/// The write-ahead log is cut back to this after it grew in a flood.
const LOG_KEPT_BYTES: i64 = 4 * 1024 * 1024;

/// Each brings a database from the format of its place to the next; `user_version` counts them.
const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE message (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        connection TEXT NOT NULL,
        server_id TEXT,
        at_ms INTEGER NOT NULL,
        title TEXT NOT NULL,
        body TEXT NOT NULL,
        priority INTEGER NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('text', 'binary')),
        size INTEGER NOT NULL,
        caught_up INTEGER NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX message_server_id ON message (connection, server_id) WHERE server_id IS NOT NULL;
    CREATE INDEX message_connection ON message (connection, id);

    CREATE TABLE span (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        connection TEXT NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('up', 'down', 'paused', 'off')),
        from_ms INTEGER NOT NULL,
        until_ms INTEGER CHECK (until_ms >= from_ms),
        cause_code TEXT,
        cause_text TEXT,
        attempts INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX span_connection ON span (connection, id);
    CREATE INDEX span_down ON span (id) WHERE kind = 'down';
    CREATE INDEX span_open ON span (connection) WHERE until_ms IS NULL;

    CREATE TABLE paused (connection TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;

    CREATE TABLE alive (one INTEGER PRIMARY KEY CHECK (one = 1), at_ms INTEGER NOT NULL) STRICT;

    CREATE TABLE notified (one INTEGER PRIMARY KEY CHECK (one = 1), up_to INTEGER NOT NULL) STRICT;
    INSERT INTO notified VALUES (1, 0);
",
    "
    -- 0: live, 1: caught up, 2: from before the first contact.
    ALTER TABLE message RENAME COLUMN caught_up TO arrival;
    ALTER TABLE message ADD COLUMN key TEXT;
    ALTER TABLE message ADD COLUMN withdrawn_ms INTEGER;
    DROP INDEX message_server_id;
    DROP INDEX message_connection;
    CREATE INDEX message_time ON message (at_ms, id);
    CREATE INDEX message_connection ON message (connection, at_ms, id);
    CREATE INDEX message_key ON message (connection, key) WHERE key IS NOT NULL AND withdrawn_ms IS NULL;

    -- The ids of messages, also of those that are not kept any more.
    CREATE TABLE seen (
        connection TEXT NOT NULL,
        server_id TEXT NOT NULL,
        at_ms INTEGER NOT NULL,
        PRIMARY KEY (connection, server_id)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO seen SELECT connection, server_id, at_ms FROM message WHERE server_id IS NOT NULL;

    -- Which server a connection speaks with, and up to where its messages are complete.
    CREATE TABLE source (connection TEXT PRIMARY KEY, source TEXT NOT NULL, cursor TEXT) STRICT, WITHOUT ROWID;

    -- What is known of an outage's messages; NULL: nothing yet.
    ALTER TABLE span ADD COLUMN gap TEXT CHECK (gap IN ('complete', 'incomplete'));
    ALTER TABLE span ADD COLUMN recovered INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE span ADD COLUMN missing TEXT;
    UPDATE span SET gap = 'incomplete', missing = 'no-replay' WHERE kind = 'down';
    CREATE INDEX span_outage ON span (id) WHERE kind IN ('down', 'off') AND cause_code IS NOT NULL;
    DROP INDEX span_down;
",
];

/// Why a database was not opened.
pub(super) enum Refusal {
    /// SQLite said so.
    Sqlite(rusqlite::Error),
    /// It is not sound: what `quick_check` found.
    Unsound(String),
    /// Its format is this one, which is unknown.
    Newer(i64),
    /// Another program's.
    Foreign,
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// The newest format known.
pub(super) fn known_version() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// Opens a database and brings it to the present format. Whatever is refused stays as it was.
pub(super) fn open(path: &Path, check: bool) -> Result<Connection, Refusal> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut database = Connection::open_with_flags(path, flags)?;
    database.busy_timeout(BUSY)?;
    // Closing a refused database must not write its log into it.
    database.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    refuse_unknown(&database)?;
    if check {
        quick_check(&database)?;
    }
    prepare(&mut database)?;
    database.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    Ok(database)
}

/// An empty database in memory.
pub(super) fn open_in_memory() -> rusqlite::Result<Connection> {
    let mut database = Connection::open_in_memory()?;
    prepare(&mut database)?;
    Ok(database)
}

fn refuse_unknown(database: &Connection) -> Result<(), Refusal> {
    let tables: i64 = database.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let application: i64 = database.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if tables > 0 && application != APPLICATION_ID {
        return Err(Refusal::Foreign);
    }
    let version: i64 = database.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version > known_version() {
        return Err(Refusal::Newer(version));
    }
    Ok(())
}

fn quick_check(database: &Connection) -> Result<(), Refusal> {
    let found: String = database.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if found == "ok" { Ok(()) } else { Err(Refusal::Unsound(found)) }
}

fn prepare(database: &mut Connection) -> rusqlite::Result<()> {
    database.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    database.pragma_update_and_check(None, "journal_size_limit", LOG_KEPT_BYTES, |_| Ok(()))?;
    // FULL, so that a message that was shown is still there after a power cut: a server that cannot replay would never
    // send it again. One sync a batch is affordable.
    database.pragma_update(None, "synchronous", "FULL")?;
    database.pragma_update(None, "foreign_keys", true)?;
    migrate(database)?;
    end_spans_of_crash(database)
}

fn migrate(database: &mut Connection) -> rusqlite::Result<()> {
    let version: i64 = database.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let done = usize::try_from(version).unwrap_or(0);
    let transaction = database.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    for migration in MIGRATIONS.iter().skip(done) {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", known_version())?;
    transaction.commit()
}

/// Ends the spans that a crash left open at the last moment the program is known to have run: when it said so, or when
/// the connection's last message came. Writes in any case, so that a file that cannot be written is noticed now and not
/// with the first message.
fn end_spans_of_crash(database: &Connection) -> rusqlite::Result<()> {
    database.execute(
        "UPDATE span SET until_ms = max(
             from_ms,
             coalesce((SELECT at_ms FROM alive), from_ms),
             coalesce(
                 (SELECT at_ms FROM message WHERE message.connection = span.connection AND arrival = 0
                  ORDER BY at_ms DESC LIMIT 1),
                 from_ms
             )
         ) WHERE until_ms IS NULL",
        [],
    )?;
    Ok(())
}
