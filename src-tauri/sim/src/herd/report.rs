//! The page about the herd: assumptions, formulas, table, command.

use std::fmt::Write;

use heartwire_core::settings::Connection;

use super::{ACCEPTS, AWAY, LISTEN_QUEUE, ONE_WAY_MS, Outcome, PATIENCE};

/// `docs/herd.md`.
pub(super) fn page(outcomes: &[Outcome], clients: u32, seed: u64, connection: &Connection) -> String {
    let (away, patience) = (AWAY.as_secs(), PATIENCE.as_secs() / 60);
    let (first, cap) = (connection.backoff.first, connection.backoff.cap);
    let (least, most) = ONE_WAY_MS;
    let (clients, accepts, queue) = (number(clients), number(ACCEPTS), number(LISTEN_QUEUE));
    let table = table(outcomes);
    format!(
        "<!-- Written by `cargo xtask herd`; change src-tauri/sim/src/herd/report.rs instead. -->
# The herd: {clients} clients whose server restarts

![Dials a second over time](herd.svg)

{table}
Peaks are the most dials that reach the server in any second. Times are counted from the server's return, {away} s
after it went.

## What is assumed
- All {clients} clients are connected and steady when the server goes, at 0 s. Each hears of it after its own way of
  {least} to {most} ms, drawn evenly; its dials take that way too, and so do their refusals.
- The server is away for {away} s and refuses every dial at once. Then it accepts either everyone, or {accepts} a
  second, with {queue} more in its listen queue (Linux's usual limit); a dial that finds the queue full is refused at
  once. (A real Linux drops it instead, and the client's system asks again after 1 s, 3 s and 7 s; that is left out.)
- An accepted client stays. Nobody gives up; who is not back after {patience} minutes is not waited for.
- Nobody is told by the network that the server is back, and no person presses a button.

## Who the clients are
| clients | the wait before a dial | where it stands |
| --- | --- | --- |
| classic | 3 s, always | the recipe of many tutorials: `setTimeout(…, 3000)` behind a `lockReconnect` flag |
| socket.io-client | 1 s × 2^failures, moved by up to ±50 % at random, then clamped to 5 s: from the fifth wait on it is 5 s for all | `reconnectionDelay` 1000, `reconnectionDelayMax` 5000, `randomizationFactor` 0.5 in [manager.ts](https://github.com/socketio/socket.io/blob/main/packages/socket.io-client/lib/manager.ts), the formula in [backo2.ts](https://github.com/socketio/socket.io/blob/main/packages/socket.io-client/lib/contrib/backo2.ts), 4.7.5 |
| reconnecting-websocket | 1 s to 5 s, drawn once a page, × 1.3^failures, at most 10 s | [reconnecting-websocket.ts](https://github.com/pladaria/reconnecting-websocket/blob/master/reconnecting-websocket.ts), 4.4.0 |
| Heartwire, reset | drawn evenly between nothing and {first:?} × 2^failures, at most {cap:?}, with 250 ms at least from dial to dial | {clients} real links (`heartwire_core::link::Link`) with the defaults of [config/default.toml](../config/default.toml) |
| Heartwire, closed with 1012 | 5 s to 30 s, drawn evenly; after a refused dial as above | the same, when the server says \"service restart\" (RFC 6455, section 7.4, and its registry) before it goes |

The others take no notice of the close code, so for them both ways to go are the same.

## What it shows
{findings}
Why: a reset says nothing of how long the server will be away, and Heartwire's first waits are short so that a break of a
second costs a second; a million of them at once is the price, paid while nobody listens. Waits then double up to
{cap:?} and stay spread, so the returning server meets the gentlest crowd, and the last client comes late. A server that
says 1012 before it goes is spared the first wave too; whoever comes too early begins with short waits again, and
that is the second wave in the plot.

## Run it
```sh
cargo xtask herd    # --seed N for other dice; this page has seed {seed}
```
",
        findings = findings(outcomes),
    )
}

/// One row for each herd and server.
pub(super) fn table(outcomes: &[Outcome]) -> String {
    let mut table = String::from(
        "| clients | accepts/s | dials in all | peak dials/s, server away | peak dials/s, server back | half back | 99 % back | all back |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for outcome in ordered(outcomes) {
        let accepts = outcome.accepts.map_or_else(|| "no limit".to_owned(), number);
        let [half, most, all] = outcome.back_ms.map(after_return);
        // Writing into a String cannot fail.
        let _ = writeln!(
            table,
            "| {} | {accepts} | {:.2} million | {} | {} | {half} | {most} | {all} |",
            outcome.recipe.name(),
            millions(outcome.total()),
            number(outcome.peak_away()),
            number(outcome.peak_back()),
        );
    }
    table
}

/// First all without a limit, then all with one.
fn ordered(outcomes: &[Outcome]) -> impl Iterator<Item = &Outcome> {
    let (free, limited): (Vec<_>, Vec<_>) = outcomes.iter().partition(|outcome| outcome.accepts.is_none());
    free.into_iter().chain(limited)
}

/// Where Heartwire is the best and where it is not, counted and not claimed.
fn findings(outcomes: &[Outcome]) -> String {
    let mut findings = String::new();
    for (accepts, against) in [(None, "With no limit"), (Some(ACCEPTS), "With the limit")] {
        for (what, value) in COLUMNS {
            let rows: Vec<_> = outcomes.iter().filter(|outcome| outcome.accepts == accepts).collect();
            let best = rows.iter().min_by_key(|outcome| value(outcome));
            let worst = rows.iter().max_by_key(|outcome| value(outcome));
            if let (Some(best), Some(worst)) = (best, worst) {
                let (best, worst) = (best.recipe.name(), worst.recipe.name());
                let _ = writeln!(findings, "- {against}, {what}: best is {best}, worst {worst}.");
            }
        }
    }
    findings
}

type Column = (&'static str, fn(&Outcome) -> u64);

const COLUMNS: [Column; 4] = [
    ("the peak while the server is away", |outcome| u64::from(outcome.peak_away())),
    ("the peak once it is back", |outcome| u64::from(outcome.peak_back())),
    ("the time until half are back", |outcome| outcome.back_ms[0].map_or(u64::MAX, u64::from)),
    ("the time until all are back", |outcome| outcome.back_ms[2].map_or(u64::MAX, u64::from)),
];

fn after_return(back_ms: Option<u32>) -> String {
    match back_ms {
        Some(at) => format!("{:.1} s", (f64::from(at) / 1_000.0) - AWAY.as_secs_f64()),
        None => format!("not in {} min", PATIENCE.as_secs() / 60),
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown with two decimals")]
fn millions(count: u64) -> f64 {
    count as f64 / 1e6
}

/// With a comma before every three digits.
pub(super) fn number(number: u32) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::super::clients::Recipe;
    use super::*;

    fn outcome(recipe: Recipe, accepts: Option<u32>, all: Option<u32>) -> Outcome {
        Outcome { recipe, accepts, dials: vec![1_234_567, 5], back_ms: [Some(20_400), Some(21_000), all] }
    }

    #[test]
    fn a_row_says_what_happened_and_what_did_not() {
        let rows = [outcome(Recipe::Classic, Some(ACCEPTS), None), outcome(Recipe::HeartwireReset, None, Some(50_000))];
        let table = table(&rows);
        let lines: Vec<_> = table.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                "| Heartwire, reset | no limit | 1.23 million | 1,234,572 | 0 | 0.4 s | 1.0 s | 30.0 s |",
                "| classic, fixed 3 s | 20,000 | 1.23 million | 1,234,572 | 0 | 0.4 s | 1.0 s | not in 30 min |",
            ]
        );
    }

    #[test]
    fn the_findings_name_the_best_and_the_worst_whoever_they_are() {
        let rows = [outcome(Recipe::Classic, None, Some(21_500)), outcome(Recipe::HeartwireReset, None, Some(50_000))];
        let wanted =
            "- With no limit, the time until all are back: best is classic, fixed 3 s, worst Heartwire, reset.";
        assert!(findings(&rows).contains(wanted), "{}", findings(&rows));
    }
}
