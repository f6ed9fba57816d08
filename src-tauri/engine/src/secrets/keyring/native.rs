//! The keyrings of macOS and Windows. Their calls block, and may show a prompt of the system's own, so each runs on a
//! thread of its own, one at a time.

use std::sync::Arc;

use keyring_core::Error;
use keyring_core::api::CredentialStoreApi;
use tokio::sync::oneshot;

use heartwire_core::secret::Secret;

use super::{Act, Fault, KeyringError, Obstacle, Shared, Told};

#[cfg(target_os = "macos")]
use apple_native_keyring_store::keychain::Store;
#[cfg(windows)]
use windows_native_keyring_store::Store;

/// The system's own.
pub(super) struct Platform;

impl Platform {
    pub(super) fn session() -> Self {
        Self
    }

    pub(super) async fn attempt(
        &self,
        shared: &Shared,
        connection: &str,
        act: &Act<'_>,
        told: Told<'_>,
    ) -> Result<Option<Secret>, Fault> {
        let _one_at_a_time = shared.prompt.lock().await;
        told(Obstacle::Silent);
        if matches!(act, Act::Get) && shared.was_dismissed() {
            return Err(Fault::Final(KeyringError::Dismissed));
        }
        let (service, user) = (shared.service.clone(), connection.to_owned());
        let wanted = match act {
            Act::Get => Wanted::Get,
            Act::Set(secret) => Wanted::Set((*secret).clone()),
            Act::Delete => Wanted::Delete,
        };
        let (tell, answer) = oneshot::channel();
        let thread = std::thread::Builder::new().name("keyring".to_owned());
        thread
            // Whoever asked may be gone.
            .spawn(move || drop(tell.send(perform(&service, &user, &wanted))))
            .map_err(|error| failed(&error))?;
        let answer = answer.await.map_err(|_| Fault::Obstacle(Obstacle::Silent))?;
        answer.map_err(|error| match error {
            Error::NoEntry => Fault::Final(KeyringError::NoEntry),
            Error::NoStorageAccess(_) => shared.dismiss(),
            error => failed(&error),
        })
    }
}

enum Wanted {
    Get,
    Set(Secret),
    Delete,
}

fn perform(service: &str, user: &str, wanted: &Wanted) -> Result<Option<Secret>, Error> {
    let store: Arc<Store> = Store::new()?;
    let entry = store.build(service, user, None)?;
    match wanted {
        Wanted::Get => entry.get_password().map(|secret| Some(Secret::new(secret))),
        Wanted::Set(secret) => entry.set_password(secret.expose()).map(|()| None),
        Wanted::Delete => entry.delete_credential().map(|()| None),
    }
}

fn failed(error: &dyn std::fmt::Display) -> Fault {
    Fault::Final(KeyringError::Failed(error.to_string()))
}
