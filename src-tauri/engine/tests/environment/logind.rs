//! A logind that only says what a test wants.

use std::path::Path;

use zbus::connection::{Builder, Connection};

/// Speaks as logind on a bus.
pub struct Logind(Connection);

impl Logind {
    pub async fn start(address: &str) -> Self {
        let connection = Builder::address(address).unwrap().name("org.freedesktop.login1").unwrap().build().await;
        Self(connection.unwrap())
    }

    /// Says that the computer is about to sleep (true) or woke (false).
    pub async fn prepare_for_sleep(&self, sleeping: bool) {
        self.signal("PrepareForSleep", &sleeping).await;
    }

    pub async fn signal(&self, name: &str, body: &(impl serde::Serialize + zbus::zvariant::DynamicType)) {
        let interface = "org.freedesktop.login1.Manager";
        self.0.emit_signal(None::<&str>, "/org/freedesktop/login1", interface, name, body).await.unwrap();
    }
}

/// The address of the bus in this folder.
pub fn address(folder: &Path) -> String {
    format!("unix:path={}", folder.join("bus").display())
}
