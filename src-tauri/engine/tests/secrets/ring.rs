//! A private session bus and GNOME's keyring on it, with a prompter of ours that no person sits at.

use std::collections::HashMap;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use heartwire_engine::secrets::Keyring;
use rustix::process::{Pid, Signal, kill_process};
use secret_service::{EncryptionType, SecretService};
use tempfile::TempDir;
use tokio::time::sleep;
use xtask::test::lacks;
use zbus::message::Header;
use zbus::zvariant::{ObjectPath, OwnedValue};

use crate::LIMIT;
use crate::dbus_daemon::Bus;

/// A bus, on which a keyring may run.
pub struct Ring {
    folder: TempDir,
    _bus: Bus,
    daemon: Option<Child>,
}

impl Ring {
    /// A bus without a keyring; none, and a line that says so, where the programs are missing.
    pub fn bus(test: &str) -> Option<Self> {
        if lacks(test, "dbus-daemon") || lacks(test, "gnome-keyring-daemon") {
            return None;
        }
        let folder = TempDir::new().unwrap();
        let bus = Bus::start(folder.path());
        Some(Self { folder, _bus: bus, daemon: None })
    }

    /// The same with an unlocked keyring.
    pub async fn open(test: &str) -> Option<Self> {
        let mut ring = Self::bus(test)?;
        ring.start().await;
        Some(ring)
    }

    pub fn address(&self) -> String {
        format!("unix:path={}", self.folder.path().join("bus").display())
    }

    /// What Heartwire uses of it.
    pub fn keyring(&self) -> Keyring {
        Keyring::on_bus("heartwire test", self.address())
    }

    /// Starts the keyring and waits until it can keep something.
    pub async fn start(&mut self) {
        self.spawn();
        let ready = async {
            while self.client().await.get_default_collection().await.is_err() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(LIMIT, ready).await.expect("the keyring never came up");
    }

    /// Starts the keyring.
    pub fn spawn(&mut self) {
        let mut daemon = Command::new("gnome-keyring-daemon")
            .args(["--foreground", "--unlock", "--components=secrets"])
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("HOME", self.folder.path())
            .env("XDG_DATA_HOME", self.folder.path())
            .env("XDG_RUNTIME_DIR", self.folder.path())
            .env("DBUS_SESSION_BUS_ADDRESS", self.address())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut daemon.stdin.take().unwrap(), b"keyring password").unwrap();
        self.daemon = Some(daemon);
    }

    pub fn kill(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.kill().unwrap();
            daemon.wait().unwrap();
        }
    }

    pub fn signal(&self, signal: Signal) {
        let daemon = self.daemon.as_ref().unwrap();
        kill_process(Pid::from_child(daemon), signal).unwrap();
    }

    pub async fn connection(&self) -> zbus::Connection {
        zbus::connection::Builder::address(self.address().as_str()).unwrap().build().await.unwrap()
    }

    /// Another program that uses the keyring.
    pub async fn client(&self) -> SecretService<'static> {
        let reached = async {
            loop {
                let connection = self.connection().await;
                match SecretService::connect_with_existing(EncryptionType::Plain, connection).await {
                    Ok(client) => return client,
                    Err(_) => sleep(Duration::from_millis(20)).await,
                }
            }
        };
        tokio::time::timeout(LIMIT, reached).await.expect("the keyring never came up")
    }

    pub async fn lock(&self) {
        self.client().await.get_default_collection().await.unwrap().lock().await.unwrap();
    }

    /// Puts an entry where it is never locked and ends with the session.
    pub async fn store_for_the_session(&self, connection: &str, secret: &str) {
        let client = self.client().await;
        let collection = client.get_collection_by_alias("session").await.unwrap();
        let attributes = [("service", "heartwire test"), ("username", connection)].into();
        collection.create_item(connection, attributes, secret.as_bytes(), true, "text/plain").await.unwrap();
    }

    /// What the keyring has of this connection, as another program sees it.
    pub async fn entry(&self, connection: &str) -> Option<String> {
        let client = self.client().await;
        let attributes = [("service", "heartwire test"), ("username", connection)].into();
        let found = client.search_items(attributes).await.unwrap();
        let mut found = found.unlocked.into_iter();
        let item = found.next()?;
        assert!(found.next().is_none(), "{connection} has two entries");
        // It may be removed just now.
        Some(String::from_utf8(item.get_secret().await.ok()?).unwrap())
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

/// Where GNOME's keyring shows its prompts. No person sits at it: a prompt stays, or is dismissed at once.
pub struct Prompter {
    asked: Arc<AtomicUsize>,
    _connection: zbus::Connection,
}

struct Screen {
    asked: Arc<AtomicUsize>,
    dismisses: bool,
}

impl Prompter {
    /// Its names and interface are those of `gcr-prompter`.
    pub async fn start(ring: &Ring, dismisses: bool) -> Self {
        let asked = Arc::new(AtomicUsize::new(0));
        let screen = Screen { asked: asked.clone(), dismisses };
        let connection = zbus::connection::Builder::address(ring.address().as_str()).unwrap();
        let connection = connection.serve_at("/org/gnome/keyring/Prompter", screen).unwrap();
        let connection = connection.name("org.gnome.keyring.SystemPrompter").unwrap().build().await.unwrap();
        Self { asked, _connection: connection }
    }

    /// How many prompts there were.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[allow(clippy::needless_pass_by_value, clippy::unused_self, reason = "the methods are those of the interface")]
#[zbus::interface(name = "org.gnome.keyring.internal.Prompter")]
impl Screen {
    fn begin_prompting(
        &self,
        callback: ObjectPath<'_>,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &zbus::Connection,
    ) {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.dismisses {
            ready(connection, &header, callback, "");
        }
    }

    fn perform_prompt(
        &self,
        callback: ObjectPath<'_>,
        kind: &str,
        properties: HashMap<String, OwnedValue>,
        exchange: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &zbus::Connection,
    ) {
        drop((kind, properties, exchange));
        ready(connection, &header, callback, "no");
    }

    fn stop_prompting(&self, callback: ObjectPath<'_>) {
        drop(callback);
    }
}

/// Tells the keyring that its prompt can be shown, or what was answered.
fn ready(connection: &zbus::Connection, header: &Header<'_>, callback: ObjectPath<'_>, answer: &str) {
    let keyring = header.sender().unwrap().to_owned();
    let (connection, callback, answer) = (connection.clone(), callback.into_owned(), answer.to_owned());
    // The keyring waits for the answer to its own call first.
    tokio::spawn(async move {
        let interface = Some("org.gnome.keyring.internal.Prompter.Callback");
        let nothing = HashMap::<String, OwnedValue>::new();
        let body = (answer.as_str(), nothing, "");
        connection.call_method(Some(keyring), callback, interface, "PromptReady", &body).await.unwrap();
    });
}
