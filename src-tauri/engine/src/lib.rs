//! Heartwire's outside world: sockets, time, storage, notifications and the supervisor. It knows no Tauri, and it
//! decides nothing that core can decide.

pub mod dial;
pub mod driver;

pub mod socket;
pub mod tls;
