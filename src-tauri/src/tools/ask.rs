//! The commands that ask the running app: `send` and `status`.

use std::future::Future;
use std::time::{SystemTime, UNIX_EPOCH};

use heartwire_core::control::{Reply, Request};
use heartwire_core::view::{ConnectionView, Snapshot};
use heartwire_engine::control::{Client, ControlError};
use heartwire_engine::paths::Paths;

use crate::exit::{Ended, Failure, of_reply};
use crate::out;

/// `heartwire send`.
pub fn send(connection: String, text: String) -> Ended {
    of_reply(ask(Request::Send { connection, text })?)
}

/// `heartwire status`.
pub fn status(json: bool) -> Ended {
    let snapshot = match ask(Request::Status)? {
        Reply::Snapshot { snapshot } => snapshot,
        other => return of_reply(other),
    };
    let text = if json {
        serde_json::to_string(&snapshot).map_err(|error| Failure::wrong(error.to_string()))?
    } else {
        words(&snapshot, now_ms())
    };
    out::only_line(&text)
}

pub(super) fn ask(request: Request) -> Result<Reply, Failure> {
    let paths = Paths::new()?;
    let asked = async { Client::connect(&paths.control_socket).await?.request(request).await };
    Ok(block_on(asked)??)
}

/// These commands are over before a second thread would be of use.
fn block_on(asked: impl Future<Output = Result<Reply, ControlError>>) -> Result<Result<Reply, ControlError>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Ok(runtime.map_err(|error| Failure::wrong(error.to_string()))?.block_on(asked))
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// One line a connection, in columns, then the problems.
fn words(snapshot: &Snapshot, now_ms: i64) -> String {
    if snapshot.connections.is_empty() && snapshot.problems.is_empty() {
        return format!("no connection is configured: add one in the window or in {}", snapshot.settings_file);
    }
    let names = snapshot.connections.iter().map(|connection| connection.name.chars().count());
    let width = names.max().unwrap_or_default();
    let connections = snapshot.connections.iter().map(|connection| line(connection, width, now_ms));
    let problems = snapshot.problems.iter().map(|problem| format!("problem: {}", super::check::line(problem)));
    connections.chain(problems).collect::<Vec<_>>().join("\n")
}

fn line(connection: &ConnectionView, width: usize, now_ms: i64) -> String {
    let (state, since) = (super::state(connection.state), lasting(now_ms - connection.since_ms));
    let retry = connection.retry_at_ms.map(|at_ms| format!(", next dial in {}", lasting(at_ms - now_ms)));
    let heartbeat = connection.heartbeat.map(|heartbeat| format!(", heartbeat {:.1} ms", heartbeat.rtt_ms));
    let said = connection.cause.as_ref().map(super::cause);
    let first = format!("{:width$}  {state:10}  for {since}", connection.name);
    [Some(first), retry, heartbeat, said].into_iter().flatten().collect()
}

/// The two largest units of a time.
fn lasting(ms: i64) -> String {
    let seconds = ms.max(0) / 1000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_their_two_largest_units() {
        let check = |ms, shown: &str| assert_eq!(lasting(ms), shown, "{ms}");
        check(-5, "0 s");
        check(59_999, "59 s");
        check(61_000, "1 min 1 s");
        check(3_600_000, "1 h 0 min");
        check(90_000_000, "1 d 1 h");
    }
}
