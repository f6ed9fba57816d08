//! This computer's keyring. A question may take as long as a person does; whoever asks decides how long to wait for it,
//! and every call on the way to the person has a time limit.

#[cfg(not(all(unix, not(target_os = "macos"))))]
mod native;
#[cfg(all(unix, not(target_os = "macos")))]
mod secret_service;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use heartwire_core::secret::Secret;

#[cfg(not(all(unix, not(target_os = "macos"))))]
use native::Platform;
#[cfg(all(unix, not(target_os = "macos")))]
use secret_service::Platform;

/// How long a keyring that cannot be reached is looked for before the question is given up.
const LOOK_FOR: Duration = Duration::from_secs(30);
/// How long to wait before looking again: at the start of a session the keyring may come later than we do.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// The keyring; clones are the same one. Nothing is opened before the first question.
#[derive(Clone)]
pub struct Keyring {
    shared: Arc<Shared>,
}

struct Shared {
    /// Under which name this program's entries are.
    service: String,
    platform: Platform,
    /// Held while a person may be looking at a prompt: there is one at a time, whoever asks.
    prompt: Mutex<()>,
    /// The person dismissed the last prompt; there is no other until they ask for one.
    dismissed: AtomicBool,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// The keyring has no such entry.
    #[error("the keyring has no such entry")]
    NoEntry,
    /// The keyring is locked, and the person does not want to unlock it now.
    #[error("the keyring is locked and its prompt was dismissed")]
    Dismissed,
    /// It could not be reached.
    #[error("{0}")]
    Unreachable(Obstacle),
    /// It refused.
    #[error("{0}")]
    Failed(String),
}

/// What stands between a question and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// It has not answered.
    Silent,
    /// It is locked, and a person must unlock it.
    Locked,
    /// Nobody is a keyring here.
    Absent,
    /// There is no session bus to look for it on.
    NoBus,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Silent => "the keyring does not answer; if it hangs, start it again",
            Self::Locked => "the keyring is locked; unlock it",
            Self::Absent => "no keyring is running; start one, or keep the secret in a file or behind a command",
            Self::NoBus => {
                "there is no session bus and so no keyring; start Heartwire from a desktop session, or keep the secret \
                 in a file or behind a command"
            }
        })
    }
}

/// What to do with an entry.
enum Act<'a> {
    Get,
    Set(&'a Secret),
    Delete,
}

/// How an attempt failed: for good, or so that another one makes sense.
enum Fault {
    Final(KeyringError),
    Obstacle(Obstacle),
}

/// Hears what a question is waiting for.
pub(super) type Told<'a> = &'a (dyn Fn(Obstacle) + Send + Sync);

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("service", &self.shared.service).finish_non_exhaustive()
    }
}

impl Keyring {
    /// That of this person's session. `service` tells the entries of this installation from others'.
    pub fn session(service: impl Into<String>) -> Self {
        Self::on(service, Platform::session())
    }

    /// That on the bus at this address.
    #[cfg(all(unix, not(target_os = "macos")))]
    pub fn on_bus(service: impl Into<String>, address: impl Into<String>) -> Self {
        Self::on(service, Platform::on_bus(address.into()))
    }

    fn on(service: impl Into<String>, platform: Platform) -> Self {
        let service = service.into();
        let shared = Shared { service, platform, prompt: Mutex::new(()), dismissed: AtomicBool::new(false) };
        Self { shared: Arc::new(shared) }
    }

    /// A person asks: a prompt that was dismissed may come back.
    pub fn ask_again(&self) {
        self.shared.dismissed.store(false, Ordering::Relaxed);
    }

    /// The secret of a connection. Waits for a person to unlock the keyring, however long that takes; `told` hears it.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn get(&self, connection: &str, told: Told<'_>) -> Result<Secret, KeyringError> {
        let found = self.act(connection, &Act::Get, told).await?;
        found.ok_or(KeyringError::NoEntry)
    }

    /// Stores the secret of a connection in place of an earlier one. A person has asked for it, so a prompt may come.
    ///
    /// # Errors
    /// Why it is not stored.
    pub async fn set(&self, connection: &str, secret: &Secret, told: Told<'_>) -> Result<(), KeyringError> {
        self.ask_again();
        self.act(connection, &Act::Set(secret), told).await.map(drop)
    }

    /// Removes the secret of a connection; that there is none is no error.
    ///
    /// # Errors
    /// Why it is still there.
    pub async fn delete(&self, connection: &str, told: Told<'_>) -> Result<(), KeyringError> {
        match self.act(connection, &Act::Delete, told).await {
            Ok(_) | Err(KeyringError::NoEntry) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Moves the secret of a connection to its new name. The old entry goes only once the new one is there.
    ///
    /// # Errors
    /// Why it is still under the old name; that there is none is no error.
    pub async fn rename(&self, from: &str, to: &str, told: Told<'_>) -> Result<(), KeyringError> {
        let secret = match self.get(from, told).await {
            Ok(secret) => secret,
            Err(KeyringError::NoEntry) => return Ok(()),
            Err(error) => return Err(error),
        };
        self.set(to, &secret, told).await?;
        self.delete(from, told).await
    }

    /// Tries until there is an answer, or until it is clear that there is nobody to answer.
    async fn act(&self, connection: &str, act: &Act<'_>, told: Told<'_>) -> Result<Option<Secret>, KeyringError> {
        let give_up = Instant::now() + LOOK_FOR;
        // Only here: what stood in the way of an attempt is what is known until the next one knows better.
        told(Obstacle::Silent);
        loop {
            let obstacle = match self.shared.platform.attempt(&self.shared, connection, act, told).await {
                Ok(found) => return Ok(found),
                Err(Fault::Final(error)) => return Err(error),
                Err(Fault::Obstacle(obstacle)) => obstacle,
            };
            told(obstacle);
            if Instant::now() + LOOK_AGAIN >= give_up {
                return Err(KeyringError::Unreachable(obstacle));
            }
            sleep(LOOK_AGAIN).await;
        }
    }
}

impl Shared {
    fn was_dismissed(&self) -> bool {
        self.dismissed.load(Ordering::Relaxed)
    }

    fn dismiss(&self) -> Fault {
        self.dismissed.store(true, Ordering::Relaxed);
        Fault::Final(KeyringError::Dismissed)
    }
}
