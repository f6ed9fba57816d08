//! Links on a network that fails in every way it can: through a proxy that breaks connections, on computers of the test's
//! own between which the wires are cut, and against servers that are stopped. Lower bounds are exact, upper ones generous:
//! the exact ones are held in virtual time by core's tests.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests fail the test")]

mod chaos;
mod cuts;
mod faults;
mod heard;
mod herd;
mod hostile;
#[cfg(target_os = "linux")]
mod namespaces;
#[cfg(target_os = "linux")]
#[path = "../common/netns.rs"]
mod netns;
mod panics;
#[path = "../common/proxy/mod.rs"]
mod proxy;
#[path = "../common/rig.rs"]
mod rig;
mod secure;
mod server;
#[cfg(unix)]
mod stopped;
#[path = "../common/tcp_table.rs"]
mod tcp_table;

/// Tests with many links at once take turns, so that they do not take each other's processor for a fault of the network.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
