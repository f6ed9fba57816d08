//! The Secret Service of freedesktop.org (specification 0.2): GNOME Keyring, `KWallet`, `KeePassXC`. Each attempt has a
//! connection to the bus of its own, so that a bus or a keyring that was restarted costs nothing but the attempt.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::StreamExt;
use secret_service::{Collection, EncryptionType, Error, Item, SecretService};
use tokio::time::timeout;
use zbus::fdo;
use zeroize::Zeroizing;

use heartwire_core::secret::Secret;
use heartwire_core::text;

use super::{Act, Fault, KeyringError, Obstacle, Shared, Told};

/// The longest any call may take; only a prompt, which a person answers, takes longer.
const CALL_LIMIT: Duration = Duration::from_secs(10);
/// Its name on the bus.
const NAME: &str = "org.freedesktop.secrets";
const TEXT: &str = "text/plain; charset=utf8";

/// Where the bus is.
pub(super) struct Platform {
    /// None: where this process's environment says.
    address: Option<String>,
}

type Found = Result<Option<Secret>, Fault>;

impl Platform {
    pub(super) fn session() -> Self {
        Self { address: None }
    }

    pub(super) fn on_bus(address: String) -> Self {
        Self { address: Some(address) }
    }

    pub(super) async fn attempt(&self, shared: &Shared, connection: &str, act: &Act<'_>, told: Told<'_>) -> Found {
        let bus = self.connect().await?;
        let service = SecretService::connect_with_existing(EncryptionType::Dh, bus.clone()).await.map_err(fault)?;
        let asked = Asked { shared, bus: &bus, service: &service, connection, told };
        match act {
            Act::Get => asked.get().await,
            Act::Set(secret) => asked.set(secret).await,
            Act::Delete => asked.delete().await,
        }
    }

    async fn connect(&self) -> Result<zbus::Connection, Fault> {
        let builder = match &self.address {
            Some(address) => zbus::connection::Builder::address(address.as_str()),
            None => zbus::connection::Builder::session(),
        };
        let connecting = builder.map_err(|_| Fault::Obstacle(Obstacle::NoBus))?.method_timeout(CALL_LIMIT).build();
        match timeout(CALL_LIMIT, connecting).await {
            Ok(Ok(bus)) => Ok(bus),
            Ok(Err(error)) => {
                tracing::debug!(%error, "the session bus cannot be reached");
                Err(Fault::Obstacle(Obstacle::NoBus))
            }
            Err(_) => Err(Fault::Obstacle(Obstacle::Silent)),
        }
    }
}

/// One attempt.
struct Asked<'a> {
    shared: &'a Shared,
    bus: &'a zbus::Connection,
    service: &'a SecretService<'a>,
    connection: &'a str,
    told: Told<'a>,
}

impl Asked<'_> {
    async fn get(&self) -> Found {
        let Some(item) = self.item().await? else { return Err(Fault::Final(KeyringError::NoEntry)) };
        let bytes = Zeroizing::new(item.get_secret().await.map_err(fault)?);
        match std::str::from_utf8(&bytes) {
            Ok(text) => Ok(Some(Secret::new(text))),
            Err(_) => Err(Fault::Final(KeyringError::Failed("the entry is no text".to_owned()))),
        }
    }

    async fn set(&self, secret: &Secret) -> Found {
        let collection = self.collection().await?;
        if collection.is_locked().await.map_err(fault)? {
            let _prompt = self.prompt_turn().await;
            if collection.is_locked().await.map_err(fault)? {
                self.prompted(collection.unlock()).await?;
            }
        }
        let label = format!("Heartwire: {}", self.connection);
        let bytes = secret.expose().as_bytes();
        // Replaces an entry of the same attributes. Some keyrings ask a person about each.
        self.prompted(collection.create_item(&label, self.attributes(), bytes, true, TEXT)).await?;
        Ok(None)
    }

    async fn delete(&self) -> Found {
        let Some(item) = self.item().await? else { return Err(Fault::Final(KeyringError::NoEntry)) };
        self.prompted(item.delete()).await?;
        Ok(None)
    }

    /// The connection's entry, unlocked; a person may have to do that.
    async fn item(&self) -> Result<Option<Item<'_>>, Fault> {
        let found = self.service.search_items(self.attributes()).await.map_err(fault)?;
        if let Some(item) = found.unlocked.into_iter().next() {
            return Ok(Some(item));
        }
        let Some(item) = found.locked.into_iter().next() else { return Ok(None) };
        let _prompt = self.prompt_turn().await;
        // Another question may have had it unlocked meanwhile.
        if item.is_locked().await.map_err(fault)? {
            if self.shared.was_dismissed() {
                return Err(Fault::Final(KeyringError::Dismissed));
            }
            self.prompted(item.unlock()).await?;
            if item.is_locked().await.map_err(fault)? {
                return Err(self.shared.dismiss());
            }
        }
        Ok(Some(item))
    }

    /// Where new entries go; made if there is none, for which a person must choose a password.
    async fn collection(&self) -> Result<Collection<'_>, Fault> {
        match self.service.get_default_collection().await {
            Ok(collection) => Ok(collection),
            Err(Error::NoResult) => {
                let _prompt = self.prompt_turn().await;
                self.prompted(self.service.create_collection("Heartwire", "default")).await
            }
            Err(error) => Err(fault(error)),
        }
    }

    async fn prompt_turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        (self.told)(Obstacle::Locked);
        self.shared.prompt.lock().await
    }

    /// Waits for what may show a prompt, as long as the keyring that shows it lives: with it the answer would be lost,
    /// and the wait would never end.
    async fn prompted<T>(&self, prompting: impl Future<Output = Result<T, Error>>) -> Result<T, Fault> {
        (self.told)(Obstacle::Locked);
        let proxy = fdo::DBusProxy::new(self.bus).await.map_err(|error| fault(error.into()))?;
        let owner = proxy.receive_name_owner_changed_with_args(&[(0, NAME)]).await;
        let mut owner = owner.map_err(|error| fault(error.into()))?;
        tokio::select! {
            done = prompting => done.map_err(|error| match error {
                Error::Prompt => self.shared.dismiss(),
                error => fault(error),
            }),
            _ = owner.next() => Err(Fault::Obstacle(Obstacle::Absent)),
        }
    }

    /// What finds the entry; `secret-tool` finds it by the same.
    fn attributes(&self) -> HashMap<&str, &str> {
        HashMap::from([("service", self.shared.service.as_str()), ("username", self.connection)])
    }
}

/// Whether another attempt makes sense.
fn fault(error: Error) -> Fault {
    let error = match error {
        Error::Unavailable => return Fault::Obstacle(Obstacle::Absent),
        Error::PromptDisconnected => return Fault::Obstacle(Obstacle::NoBus),
        Error::Zbus(error) => error,
        Error::ZbusFdo(error) => error.into(),
        error => return Fault::Final(KeyringError::Failed(words(&error))),
    };
    match &error {
        zbus::Error::InputOutput(cause) if cause.kind() == std::io::ErrorKind::TimedOut => {
            Fault::Obstacle(Obstacle::Silent)
        }
        zbus::Error::InputOutput(_) => Fault::Obstacle(Obstacle::NoBus),
        zbus::Error::FDO(error) => by_name(error),
        zbus::Error::MethodError(name, _, _) => by_error_name(name.as_str(), &error),
        error => Fault::Final(KeyringError::Failed(words(error))),
    }
}

fn by_name(error: &fdo::Error) -> Fault {
    match error {
        fdo::Error::ServiceUnknown(_) | fdo::Error::NameHasNoOwner(_) => Fault::Obstacle(Obstacle::Absent),
        fdo::Error::NoReply(_) | fdo::Error::Timeout(_) | fdo::Error::TimedOut(_) => Fault::Obstacle(Obstacle::Silent),
        fdo::Error::Disconnected(_) | fdo::Error::NoServer(_) => Fault::Obstacle(Obstacle::NoBus),
        fdo::Error::ZBus(error) => by_error_name("", error),
        error => Fault::Final(KeyringError::Failed(words(error))),
    }
}

/// The bus's own errors, and those of a service that could not be started.
fn by_error_name(name: &str, error: &zbus::Error) -> Fault {
    match name.strip_prefix("org.freedesktop.DBus.Error.") {
        Some("ServiceUnknown" | "NameHasNoOwner") => Fault::Obstacle(Obstacle::Absent),
        Some("NoReply" | "Timeout" | "TimedOut") => Fault::Obstacle(Obstacle::Silent),
        Some("Disconnected" | "NoServer") => Fault::Obstacle(Obstacle::NoBus),
        Some(other) if other.starts_with("Spawn") => Fault::Obstacle(Obstacle::Absent),
        Some(_) | None => Fault::Final(KeyringError::Failed(words(error))),
    }
}

fn words(error: &dyn std::fmt::Display) -> String {
    text::one_line(&error.to_string(), 200)
}
