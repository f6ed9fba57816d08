//! What happens to this computer, seen on a private bus and in network namespaces of the tests' own.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "the helpers are test code too")]

#[path = "../common/dbus_daemon.rs"]
mod dbus_daemon;
mod logind;
#[path = "../common/netns.rs"]
mod netns;
mod network;
mod sleep;
#[path = "../common/tcp_table.rs"]
mod tcp_table;

use std::time::Duration;

use heartwire_engine::environment::{Environment, EnvironmentEvent};

/// Far more than anything here takes; a test that waits this long has failed.
const LIMIT: Duration = Duration::from_secs(30);
/// Long enough to see that nothing more comes.
const QUIET: Duration = Duration::from_millis(800);

/// The next event that is wanted.
async fn next(environment: &mut Environment, wanted: impl Fn(&EnvironmentEvent) -> bool) -> EnvironmentEvent {
    let next = async {
        loop {
            let event = environment.next().await;
            if wanted(&event) {
                return event;
            }
        }
    };
    tokio::time::timeout(LIMIT, next).await.unwrap_or_else(|_| panic!("nothing was told"))
}

/// How many events that are wanted come until there is none for a while.
async fn count(environment: &mut Environment, wanted: impl Fn(&EnvironmentEvent) -> bool) -> usize {
    let mut count = 0;
    while let Ok(event) = tokio::time::timeout(QUIET, environment.next()).await {
        count += usize::from(wanted(&event));
    }
    count
}
