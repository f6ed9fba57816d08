//! The log: lines on stderr, chosen by `HEARTWIRE_LOG` (`info` unless it says otherwise). What may be in them is
//! decided where they are written: no secrets, no message bodies above DEBUG.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Starts the log for this process.
pub fn start() {
    let (filter, problem) = match std::env::var("HEARTWIRE_LOG") {
        Ok(wanted) => match EnvFilter::try_new(&wanted) {
            Ok(filter) => (filter, None),
            Err(error) => (EnvFilter::new("info"), Some(error)),
        },
        Err(_) => (EnvFilter::new("info"), None),
    };
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = log.with_ansi(std::io::stderr().is_terminal()).with_target(false).try_init();
    if let Err(error) = started {
        crate::out::error(&format!("the log could not be started: {error}"));
    }
    if let Some(error) = problem {
        tracing::warn!(%error, "HEARTWIRE_LOG is not a filter such as `info` or `heartwire_engine=debug`: using `info`");
    }
}
