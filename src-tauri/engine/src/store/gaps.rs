//! What is known of the messages of each outage, and since when they may be missing.

use heartwire_core::dialect::Missing;
use heartwire_core::view::GapView;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::query::{span_kind, writing};
use super::{GapRows, Life, marks};

/// The rows of the history: an outage, or a time in which the program did not run.
pub(super) const IS_OUTAGE: &str = "kind IN ('down', 'off') AND cause_code IS NOT NULL";

/// Ends open gaps of the connection. Each row gets the messages that were sent in its time and came afterwards.
pub(super) fn close_gaps(
    database: &mut Connection,
    connection: &str,
    GapRows { since_ms: first_since_ms, before_ms }: GapRows,
    missing: Option<Missing>,
) -> rusqlite::Result<Vec<(i64, GapView)>> {
    let transaction = writing(database)?;
    let open = transaction
        .prepare_cached(&format!(
            "SELECT id, from_ms FROM span
             WHERE connection = ?1 AND {IS_OUTAGE} AND gap IS NULL AND until_ms IS NOT NULL
             AND (?2 IS NULL OR from_ms < ?2)
             ORDER BY id"
        ))?
        .query_map(params![connection, before_ms], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<Vec<(i64, i64)>>>()?;
    let mut closed = Vec::with_capacity(open.len());
    for (at, &(id, begun_ms)) in open.iter().enumerate() {
        // The first has all that was sent since messages were last known to be complete, the last all that is newer.
        let since_ms = first_since_ms.filter(|_| at == 0).map_or(begun_ms, |since_ms| since_ms.min(begun_ms));
        let until_ms = open.get(at + 1).map_or(i64::MAX, |(_, next_ms)| *next_ms);
        let recovered: i64 = transaction
            .prepare_cached(
                "SELECT count(*) FROM message
                 WHERE connection = ?1 AND arrival = 1 AND at_ms >= ?2 AND at_ms < ?3",
            )?
            .query_row(params![connection, since_ms, until_ms], |row| row.get(0))?;
        let state = if missing.is_some() { "incomplete" } else { "complete" };
        transaction
            .prepare_cached("UPDATE span SET gap = ?2, recovered = ?3, missing = ?4 WHERE id = ?1")?
            .execute(params![id, state, recovered, missing.map(Missing::word)])?;
        closed.push((id, view(recovered, missing)));
    }
    transaction.commit()?;
    Ok(closed)
}

/// The gap of a row whose columns `gap`, `recovered` and `missing` begin at `column`.
pub(super) fn gap(row: &Row<'_>, column: usize) -> rusqlite::Result<GapView> {
    let Some(state) = row.get::<_, Option<String>>(column)? else { return Ok(GapView::Open) };
    let recovered = row.get(column + 1)?;
    let missing: Option<String> = row.get(column + 2)?;
    // A word that a later version wrote still says that something may be missing.
    let missing = missing.map(|word| Missing::from_word(&word).unwrap_or(Missing::NoReplay));
    Ok(view(recovered, missing.or((state != "complete").then_some(Missing::NoReplay))))
}

fn view(recovered: i64, missing: Option<Missing>) -> GapView {
    let recovered = u64::try_from(recovered).unwrap_or_default();
    missing.map_or(GapView::Complete { recovered }, |missing| GapView::Incomplete { recovered, missing })
}

/// How each connection was left that was ever up.
pub(super) fn lives(database: &Connection) -> rusqlite::Result<Vec<(String, Life)>> {
    let mut names = database.prepare_cached("SELECT DISTINCT connection FROM span WHERE kind = 'up'")?;
    let names = names.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
    let alive_ms = marks::alive_at(database)?;
    names.into_iter().map(|name| life(database, &name, alive_ms).map(|life| (name, life))).collect()
}

fn life(database: &Connection, connection: &str, alive_ms: i64) -> rusqlite::Result<Life> {
    let up_ms: i64 = database
        .prepare_cached("SELECT max(coalesce(until_ms, from_ms)) FROM span WHERE connection = ?1 AND kind = 'up'")?
        .query_row([connection], |row| row.get(0))?;
    let open_ms: Option<i64> = database
        .prepare_cached(&format!(
            "SELECT min(from_ms) FROM span WHERE connection = ?1 AND {IS_OUTAGE} AND gap IS NULL"
        ))?
        .query_row([connection], |row| row.get(0))?;
    let last = database
        .prepare_cached(
            "SELECT kind, coalesce(until_ms, from_ms) FROM span WHERE connection = ?1 ORDER BY id DESC LIMIT 1",
        )?
        .query_row([connection], |row| Ok((span_kind(row, 0)?, row.get(1)?)))
        .optional()?;
    let (last, ended_ms) = last.map_or((None, up_ms), |(kind, ended_ms)| (Some(kind), ended_ms));
    let missing_since_ms = open_ms.map_or(up_ms, |open_ms| open_ms.min(up_ms));
    Ok(Life { missing_since_ms, last, ended_ms, ran_to_the_end: ended_ms >= alive_ms })
}
