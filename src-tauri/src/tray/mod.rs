//! The tray: a model made of the snapshot (pure data) and a backend that shows it. No server text comes near it: only
//! the connections' names, which the person chose, made safe.

mod model;
mod words;

pub use words::summary_words;

#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod backend;
#[cfg(not(target_os = "linux"))]
#[path = "other.rs"]
mod backend;

pub use backend::start;
pub use model::{Action, Entry, Icon, TrayModel};

/// Whether the desktop shows the tray.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// It has not answered yet.
    Unknown,
    /// It does.
    There,
    /// There is nothing that would.
    Missing,
}

impl Host {
    /// Tells whoever follows it, if it is news.
    fn tell(self, to: &tokio::sync::watch::Sender<Self>) {
        to.send_if_modified(|known| std::mem::replace(known, self) != self);
    }
}
