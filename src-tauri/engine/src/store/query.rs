//! What is asked of the database.

use heartwire_core::cause::CauseView;
use heartwire_core::message::{Arrival, MessageKind};
use heartwire_core::view::{LastMessage, MessageView, OutageView, Span, SpanKind};
use rusqlite::types::{FromSqlError, Type};
use rusqlite::{Connection, OptionalExtension, Row, ToSql, Transaction, TransactionBehavior, params};

use super::{BeginSpan, gaps};

/// The spans kept of each connection: a link that fails every half minute makes about 6,000 a day.
const SPANS_KEPT: u32 = 20_000;

/// The ids kept of each connection's messages, so that none is stored twice: more than any server sends again.
const SEEN_KEPT: u32 = 200_000;

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
    let select = "SELECT id, connection, from_ms, until_ms, cause_code, cause_text, attempts, gap, recovered, missing
                  FROM span";
    let order = Order { before: "id < :before", by: "id DESC", always: Some(gaps::IS_OUTAGE) };
    page(database, select, &order, (connection, before, limit), |row| {
        Ok(OutageView {
            id: row.get(0)?,
            connection: row.get(1)?,
            from_ms: row.get(2)?,
            until_ms: row.get(3)?,
            cause: CauseView { code: row.get(4)?, text: row.get::<_, Option<String>>(5)?.unwrap_or_default() },
            attempts: row.get(6)?,
            gap: gaps::gap(row, 7)?,
        })
    })
}

pub(super) fn messages(
    database: &Connection,
    connection: Option<&str>,
    before: Option<i64>,
    limit: usize,
) -> rusqlite::Result<(Vec<MessageView>, bool)> {
    let select = "SELECT id, connection, at_ms, title, body, priority, kind, size, arrival, withdrawn_ms FROM message";
    let before_row = "(at_ms, id) < (SELECT at_ms, id FROM message WHERE id = :before)";
    let order = Order { before: before_row, by: "at_ms DESC, id DESC", always: None };
    page(database, select, &order, (connection, before, limit), |row| {
        Ok(MessageView {
            id: row.get(0)?,
            connection: row.get(1)?,
            at_ms: row.get(2)?,
            title: row.get(3)?,
            body: row.get(4)?,
            priority: row.get(5)?,
            kind: message_kind(row, 6)?,
            size: u64::try_from(row.get::<_, i64>(7)?).unwrap_or_default(),
            arrival: arrival(row, 8)?,
            withdrawn: row.get::<_, Option<i64>>(9)?.is_some(),
        })
    })
}

/// The order of a page's rows.
struct Order {
    /// What is true of the rows behind the row `:before`.
    before: &'static str,
    by: &'static str,
    always: Option<&'static str>,
}

/// A page of rows, newest first, and whether there are older ones. Each filter has its own statement, so that each
/// finds its index.
fn page<T>(
    database: &Connection,
    select: &str,
    order: &Order,
    (connection, before, limit): (Option<&str>, Option<i64>, usize),
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<(Vec<T>, bool)> {
    let mut filters = vec![order.always.unwrap_or("TRUE")];
    filters.extend(before.map(|_| order.before));
    filters.extend(connection.map(|_| "connection = :connection"));
    let sql = format!("{select} WHERE {} ORDER BY {} LIMIT :limit", filters.join(" AND "), order.by);
    let mut statement = database.prepare_cached(&sql)?;
    // One more than asked for tells whether there are older ones.
    let asked = i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX);
    let mut parameters: Vec<(&str, &dyn ToSql)> = vec![(":limit", &asked)];
    if let Some(before) = &before {
        parameters.push((":before", before));
    }
    if let Some(connection) = &connection {
        parameters.push((":connection", connection));
    }
    let mut rows = statement.query_map(parameters.as_slice(), read)?.collect::<rusqlite::Result<Vec<T>>>()?;
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
        "SELECT at_ms, title, kind, size FROM message WHERE connection = ?1 ORDER BY at_ms DESC, id DESC LIMIT 1",
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
    keep_seen(&transaction)?;
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

/// Forgets the oldest ids. What a server sends again is far younger.
fn keep_seen(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let full = transaction
        .prepare_cached("SELECT connection FROM seen GROUP BY connection HAVING count(*) > ?1")?
        .query_map([SEEN_KEPT], |row| row.get(0))?
        .collect::<rusqlite::Result<Vec<String>>>()?;
    let mut delete = transaction.prepare_cached(
        "DELETE FROM seen WHERE connection = ?1 AND at_ms <
         (SELECT at_ms FROM seen WHERE connection = ?1 ORDER BY at_ms DESC LIMIT 1 OFFSET ?2)",
    )?;
    for connection in full {
        delete.execute(params![connection, SEEN_KEPT])?;
    }
    Ok(())
}

/// A transaction that takes the write lock at once, so that it cannot fail for it halfway.
pub(super) fn writing(database: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    database.transaction_with_behavior(TransactionBehavior::Immediate)
}

pub(super) fn message_kind_name(kind: MessageKind) -> &'static str {
    match kind {
        MessageKind::Text => "text",
        MessageKind::Binary => "binary",
    }
}

pub(super) fn arrival_number(arrival: Arrival) -> i64 {
    match arrival {
        Arrival::Live => 0,
        Arrival::CaughtUp => 1,
        Arrival::Old => 2,
    }
}

pub(super) fn arrival(row: &Row<'_>, column: usize) -> rusqlite::Result<Arrival> {
    match row.get(column)? {
        0 => Ok(Arrival::Live),
        1 => Ok(Arrival::CaughtUp),
        2 => Ok(Arrival::Old),
        other => Err(unknown(column, &i64::to_string(&other))),
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

pub(super) fn span_kind(row: &Row<'_>, column: usize) -> rusqlite::Result<SpanKind> {
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
