//! The supervisor: one task that owns all state. Drivers, the store, the notifier and every request speak to it by
//! messages, and everybody else sees whole snapshots. It never opens a socket, writes SQL or shows a popup itself.

mod changes;
mod demo;
mod environment;
mod gaps;
mod links;
mod popups;
mod requests;
mod run;
mod secrets;
mod settings;
mod state;
mod writes;

use std::path::PathBuf;
use std::sync::Arc;

use heartwire_core::attention::Words;
use heartwire_core::control::{FailCode, Reply, Request};
use heartwire_core::listen::Event;
use heartwire_core::view::Snapshot;
use tokio::sync::{mpsc, oneshot, watch};

use crate::environment::EnvironmentSource;
use crate::paths::Paths;
use crate::secrets::Keyring;
use crate::settings_file::Loaded;

/// What to supervise.
pub struct Options {
    /// Where the connections come from.
    pub settings: Source,
    /// The database file; none keeps history in memory only.
    pub database: Option<PathBuf>,
    /// Where the secrets are that the settings say are in the keyring.
    pub keyring: Keyring,
    /// Whether messages become notifications, with this icon.
    pub notify: Option<NotifyOptions>,
    /// Whether the built-in demo runs while no connection is configured.
    pub demo: bool,
    /// Receives every event in order. While it is full, links stop reading, so nothing is lost and nothing grows.
    pub events: Option<mpsc::Sender<Event>>,
    /// Who tells that this computer woke and that its network changed.
    pub environment: EnvironmentSource,
}

/// How notifications look.
#[derive(Clone, Debug, Default)]
pub struct NotifyOptions {
    /// An icon name or the path of an image file.
    pub icon: Option<String>,
    /// The words for the language "system".
    pub system_words: Words,
}

/// Where settings come from.
pub enum Source {
    /// The layers on disk; connections can be added, changed and removed.
    Files {
        /// Where the files are.
        paths: Paths,
        /// The process's environment.
        environment: crate::settings_file::Environment,
    },
    /// Settings that were read already and cannot be changed.
    Given(Box<Loaded>),
}

/// Speaks to the supervisor; cheap to clone.
#[derive(Clone)]
pub struct Handle {
    requests: mpsc::Sender<Asked>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
}

/// What reaches the supervisor from a [`Handle`].
enum Asked {
    Request { request: Request, reply: oneshot::Sender<Reply> },
    Stop { done: oneshot::Sender<()> },
}

/// Starts the supervisor and every connection. What does not work is a problem in the snapshot.
///
/// # Errors
/// Only when not even a database in memory can be had.
pub async fn start(options: Options) -> Result<Handle, crate::store::StoreError> {
    let (requests, asked) = mpsc::channel(64);
    let (run, snapshots) = run::Run::new(options, asked).await?;
    tokio::spawn(run.run());
    Ok(Handle { requests, snapshots })
}

impl Handle {
    /// Asks; answers [`FailCode::Stopping`] once the supervisor ends.
    pub async fn request(&self, request: Request) -> Reply {
        let (reply, answer) = oneshot::channel();
        let sent = self.requests.send(Asked::Request { request, reply }).await;
        match (sent, answer.await) {
            (Ok(()), Ok(reply)) => reply,
            _ => Reply::Failed { code: FailCode::Stopping, message: "Heartwire is ending".to_owned() },
        }
    }

    /// The newest snapshot, and a wake-up for each later one, at most four a second.
    pub fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshots.clone()
    }

    /// Closes every socket with 1001 within a second, writes what is pending and ends, all within a second and a half.
    pub async fn stop(&self) {
        let (done, ended) = oneshot::channel();
        if self.requests.send(Asked::Stop { done }).await.is_ok() {
            // The supervisor drops the sender when it is gone already: both mean that it has ended.
            let _ = ended.await;
        }
    }
}
