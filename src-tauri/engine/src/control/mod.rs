//! The control socket: how the window, the command line and tests speak with the resident. It belongs to one user: a
//! Unix socket of mode 0600 in a folder of mode 0700, and every peer's user is checked. It only carries
//! [`core::control`](heartwire_core::control) lines; what they mean is the supervisor's business, and a client can
//! neither slow it down nor make it hold more than one snapshot and a handful of replies.

mod client;
mod lines;
mod server;
mod socket;

use heartwire_core::control::{Reply, WindowView};
use tokio::sync::oneshot;

pub use client::{Client, ControlError};
pub use server::{Resident, serve};
pub use socket::{Listener, bind};

/// What a client asks of the shell rather than of the supervisor.
#[derive(Debug)]
pub enum ShellRequest {
    /// Open the window, or bring it to the front; the answer says whether that worked.
    ShowWindow(oneshot::Sender<Reply>),
    /// Close every socket and end.
    Quit,
}

/// What the resident tells the windows that subscribed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Push {
    /// Come to the front.
    Raise,
    /// Show this view and come to the front.
    ShowView(WindowView),
}

#[cfg(test)]
mod tests;
