//! What is asked of the database.

use heartwire_core::cause::CauseView;
use heartwire_core::message::{Arrival, MessageKind};
use heartwire_core::view::{GapView, LastMessage, MessageView, OutageView, Span, SpanKind};
use rusqlite::types::{FromSqlError, Type};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, named_params, params};

use super::{BeginSpan, NewMessage, Stored};

/// The spans kept of each connection: a link that fails every half minute makes about 6,000 a day.
const SPANS_KEPT: u32 = 20_000;

/// Stores all messages of all requests in one transaction; the answers are in the order of the requests.
pub(super) fn commit(database: &mut Connection, requests: Vec<Vec<NewMessage>>) -> rusqlite::Result<Vec<Vec<Stored>>> {
    let transaction = writing(database)?;
    let stored = requests.into_iter().map(|messages| insert(&transaction, messages)).collect::<Result<_, _>>()?;
    transaction.commit()?;
    Ok(stored)
}

fn insert(transaction: &Transaction<'_>, messages: Vec<NewMessage>) -> rusqlite::Result<Vec<Stored>> {
    let mut insert = transaction.prepare_cached(
        "INSERT INTO message (connection, server_id, at_ms, title, body, priority, kind, size, caught_up)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (connection, server_id) WHERE server_id IS NOT NULL DO NOTHING
         RETURNING id",
    )?;
    let mut stored = Vec::with_capacity(messages.len());
    for NewMessage { connection, at_ms, message } in messages {
        let values = params![
            connection,
            message.id,
            at_ms,
            message.title,
            message.body,
            message.priority,
            message_kind_name(message.kind),
            i64::try_from(message.size).unwrap_or(i64::MAX),
            message.arrival == Arrival::CaughtUp,
        ];
        let id: Option<i64> = insert.query_row(values, |row| row.get(0)).optional()?;
        if let Some(id) = id {
            stored.push(Stored { id, connection, at_ms, message });
        }
    }
    Ok(stored)
}

pub(super) fn begin_span(database: &mut Connection, span: &BeginSpan) -> rusqlite::Result<i64> {
    let transaction = writing(database)?;
    end_spans(&transaction, Some(&span.connection), span.at_ms)?;
    transaction
        .prepare_cached(
            "INSERT INTO span (connection, kind, from_ms, cause_code, cause_text, attempts)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            span.connection,
            span_kind_name(span.kind),
            span.at_ms,
            span.cause.as_ref().map(|cause| &cause.code),
            span.cause.as_ref().map(|cause| &cause.text),
            span.attempts,
        ])?;
    let id = transaction.last_insert_rowid();
    transaction.commit()?;
    Ok(id)
}

/// Ends the open span of one connection or of all; never before it began.
pub(super) fn end_spans(database: &Connection, connection: Option<&str>, at_ms: i64) -> rusqlite::Result<()> {
    database
        .prepare_cached(
            "UPDATE span SET until_ms = max(from_ms, ?2)
             WHERE until_ms IS NULL AND (?1 IS NULL OR connection = ?1)",
        )?
        .execute(params![connection, at_ms])?;
    Ok(())
}

pub(super) fn set_attempts(database: &Connection, span_id: i64, attempts: u32) -> rusqlite::Result<()> {
    database.prepare_cached("UPDATE span SET attempts = ?2 WHERE id = ?1")?.execute(params![span_id, attempts])?;
    Ok(())
}

pub(super) fn history(
    database: &Connection,
    connection: Option<&str>,
    before: Option<i64>,
    limit: usize,
) -> rusqlite::Result<(Vec<OutageView>, bool)> {
    let select = "SELECT id, connection, from_ms, until_ms, cause_code, cause_text, attempts FROM span";
    page(database, select, Some("kind = 'down' AND cause_code IS NOT NULL"), (connection, before, limit), |row| {
        Ok(OutageView {
            id: row.get(0)?,
            connection: row.get(1)?,
            from_ms: row.get(2)?,
            until_ms: row.get(3)?,
            cause: CauseView { code: row.get(4)?, text: row.get::<_, Option<String>>(5)?.unwrap_or_default() },
            attempts: row.get(6)?,
            gap: GapView::Open,
        })
    })
}

pub(super) fn messages(
    database: &Connection,
    connection: Option<&str>,
    before: Option<i64>,
    limit: usize,
) -> rusqlite::Result<(Vec<MessageView>, bool)> {
    let select = "SELECT id, connection, at_ms, title, body, priority, kind, size FROM message";
    page(database, select, None, (connection, before, limit), |row| {
        Ok(MessageView {
            id: row.get(0)?,
            connection: row.get(1)?,
            at_ms: row.get(2)?,
            title: row.get(3)?,
            body: row.get(4)?,
            priority: row.get(5)?,
            kind: message_kind(row, 6)?,
            size: u64::try_from(row.get::<_, i64>(7)?).unwrap_or_default(),
            arrival: Arrival::Live,
            withdrawn: false,
        })
    })
}

/// A page of rows, newest first, and whether there are older ones. Each filter has its own statement, so that each
/// finds its index.
fn page<T>(
    database: &Connection,
    select: &str,
    always: Option<&str>,
    (connection, before, limit): (Option<&str>, Option<i64>, usize),
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<(Vec<T>, bool)> {
    let mut filters = vec!["id < :before"];
    filters.extend(always);
    filters.extend(connection.map(|_| "connection = :connection"));
    let sql = format!("{select} WHERE {} ORDER BY id DESC LIMIT :limit", filters.join(" AND "));
    let mut statement = database.prepare_cached(&sql)?;
    let before = before.unwrap_or(i64::MAX);
    // One more than asked for tells whether there are older ones.
    let asked = i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX);
    let rows = match connection {
        Some(connection) => statement
            .query_map(named_params! { ":before": before, ":limit": asked, ":connection": connection }, read)?
            .collect::<rusqlite::Result<Vec<T>>>(),
        None => statement.query_map(named_params! { ":before": before, ":limit": asked }, read)?.collect(),
    };
    let mut rows = rows?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    Ok((rows, more))
}

pub(super) fn spans_since(database: &Connection, connection: &str, at_ms: i64) -> rusqlite::Result<Vec<Span>> {
    let mut statement = database.prepare_cached(
        "SELECT kind, from_ms, until_ms FROM span
         WHERE connection = ?1 AND (until_ms IS NULL OR until_ms > ?2) ORDER BY id",
    )?;
    let spans = statement.query_map(params![connection, at_ms], |row| {
        Ok(Span { kind: span_kind(row, 0)?, from_ms: row.get(1)?, until_ms: row.get(2)? })
    })?;
    spans.collect()
}

pub(super) fn last_message(database: &Connection, connection: &str) -> rusqlite::Result<Option<LastMessage>> {
    let mut statement = database.prepare_cached(
        "SELECT at_ms, title, kind, size FROM message WHERE connection = ?1 ORDER BY id DESC LIMIT 1",
    )?;
    let read = |row: &Row<'_>| {
        let size = u64::try_from(row.get::<_, i64>(3)?).unwrap_or_default();
        Ok(LastMessage::new(row.get(0)?, message_kind(row, 2)?, &row.get::<_, String>(1)?, size))
    };
    statement.query_row([connection], read).optional()
}

pub(super) fn paused(database: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = database.prepare_cached("SELECT connection FROM paused ORDER BY connection")?;
    let names = statement.query_map([], |row| row.get(0))?;
    names.collect()
}

pub(super) fn set_paused(database: &Connection, connection: &str, paused: bool) -> rusqlite::Result<()> {
    let sql = if paused {
        "INSERT INTO paused VALUES (?1) ON CONFLICT DO NOTHING"
    } else {
        "DELETE FROM paused WHERE connection = ?1"
    };
    database.prepare_cached(sql)?.execute([connection])?;
    Ok(())
}

pub(super) fn prune(database: &mut Connection, keep_per_connection: u32) -> rusqlite::Result<u64> {
    let transaction = writing(database)?;
    let deleted = keep_newest(&transaction, "message", keep_per_connection)?;
    keep_newest(&transaction, "span", SPANS_KEPT)?;
    transaction.commit()?;
    Ok(deleted)
}

/// Deletes all but the newest rows of each connection; returns how many went.
fn keep_newest(transaction: &Transaction<'_>, table: &str, keep: u32) -> rusqlite::Result<u64> {
    let connections = transaction
        .prepare_cached(&format!("SELECT DISTINCT connection FROM {table}"))?
        .query_map([], |row| row.get::<_, String>(0))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let mut delete = transaction.prepare_cached(&format!(
        "DELETE FROM {table} WHERE connection = ?1 AND id <=
         (SELECT id FROM {table} WHERE connection = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)"
    ))?;
    let mut deleted = 0;
    for connection in connections {
        deleted += delete.execute(params![connection, keep])?;
    }
    Ok(deleted as u64)
}

/// A transaction that takes the write lock at once, so that it cannot fail for it halfway.
fn writing(database: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    database.transaction_with_behavior(TransactionBehavior::Immediate)
}

fn message_kind_name(kind: MessageKind) -> &'static str {
    match kind {
        MessageKind::Text => "text",
        MessageKind::Binary => "binary",
    }
}

pub(super) fn message_kind(row: &Row<'_>, column: usize) -> rusqlite::Result<MessageKind> {
    match row.get_ref(column)?.as_str()? {
        "text" => Ok(MessageKind::Text),
        "binary" => Ok(MessageKind::Binary),
        other => Err(unknown(column, other)),
    }
}

fn span_kind_name(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Up => "up",
        SpanKind::Down => "down",
        SpanKind::Paused => "paused",
        SpanKind::Off => "off",
    }
}

fn span_kind(row: &Row<'_>, column: usize) -> rusqlite::Result<SpanKind> {
    match row.get_ref(column)?.as_str()? {
        "up" => Ok(SpanKind::Up),
        "down" => Ok(SpanKind::Down),
        "paused" => Ok(SpanKind::Paused),
        "off" => Ok(SpanKind::Off),
        other => Err(unknown(column, other)),
    }
}

fn unknown(column: usize, word: &str) -> rusqlite::Error {
    let error = FromSqlError::Other(format!("`{word}` is unknown").into());
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}
