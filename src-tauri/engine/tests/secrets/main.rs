//! Secrets from every place to the server: real commands and files, a real keyring on a private bus, real sockets.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests fail the test")]

#[cfg(target_os = "linux")]
#[cfg(target_os = "linux")]
#[path = "../common/dbus_daemon.rs"]
mod dbus_daemon;
#[cfg(target_os = "linux")]
mod late;
#[cfg(target_os = "linux")]
mod leaks;
mod place;
#[cfg(target_os = "linux")]
mod ring;
mod server;
#[cfg(target_os = "linux")]
mod stored;
#[cfg(target_os = "linux")]
mod trouble;

use std::time::Duration;

use heartwire_core::cause::Cause;
use heartwire_core::settings::{
    Auth, AuthForm, Connection, ConnectionForm, ProxyForm, SecretForm, SecretSource, resolve,
};
use heartwire_engine::dial::{DialRequest, dial};
use heartwire_engine::secrets::{Credentials, Keyring};
use heartwire_engine::settings_file::Loaded;
use heartwire_engine::tls::TlsConfig;

/// Far more than anything here takes; a test that waits this long has failed.
const LIMIT: Duration = Duration::from_secs(60);

fn token(secret: SecretSource) -> Auth {
    Auth::Token(secret)
}

/// The form of a connection "crm" whose token is in this place.
fn form(address: &str, secret: SecretForm) -> ConnectionForm {
    ConnectionForm {
        name: Some("crm".to_owned()),
        url: Some(address.to_owned()),
        auth: Some(AuthForm { kind: Some("token".to_owned()), user: None, secret: Some(secret) }),
        proxy: Some(ProxyForm { url: Some("none".to_owned()) }),
        ..ConnectionForm::default()
    }
}

fn connection(address: &str, auth: Auth) -> Connection {
    let settings = Loaded::default();
    let form = form(address, SecretForm { keyring: Some(true), ..SecretForm::default() });
    let resolved = resolve(&form, &settings.defaults, &settings.presets).unwrap();
    Connection { auth, ..resolved }
}

/// The dial of a connection whose keyring, if it needs one, is where nobody answers.
fn request(address: &str, auth: Auth) -> DialRequest {
    request_of(&connection(address, auth), &Keyring::session("heartwire test"))
}

fn request_of(connection: &Connection, keyring: &Keyring) -> DialRequest {
    DialRequest::with(connection, TlsConfig::platform(), Credentials::new(connection, keyring))
}

/// Why a dial failed: code and words.
async fn fails(request: &DialRequest) -> (String, String) {
    let cause: Cause = tokio::time::timeout(LIMIT, dial(request)).await.expect("it ends").expect_err("it must fail");
    (cause.code.to_string(), cause.text)
}

async fn succeeds(request: &DialRequest) {
    tokio::time::timeout(LIMIT, dial(request)).await.expect("it ends").expect("it must succeed");
}
