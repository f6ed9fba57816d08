//! Heartwire's outside world: sockets, storage, notifications, settings on disk, and the supervisor that owns all
//! state. It knows nothing of Tauri; every rule that needs no I/O is in `heartwire-core`.

pub mod clock;
pub mod control;
pub mod demo_server;
pub mod dial;
pub mod driver;
pub mod environment;
pub mod fetch;
pub mod notifier;
pub mod paths;
#[cfg(target_os = "linux")]
mod readable;
pub mod secrets;
pub mod settings_file;
pub mod socket;
pub mod store;
pub mod supervisor;
pub mod tls;
pub mod trial;
