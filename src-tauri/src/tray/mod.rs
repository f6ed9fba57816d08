//! The tray: a model made of the snapshot (pure data) and a backend that shows it. No server text comes near it: only
//! the connections' names, which the person chose, made safe.

mod model;
mod words;

#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod backend;
#[cfg(not(target_os = "linux"))]
#[path = "other.rs"]
mod backend;

pub use backend::start;
pub use model::{Action, Entry, Icon, TrayModel};
