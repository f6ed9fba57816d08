//! The TLS client's settings: rustls with the platform's roots and what the person's settings add to them, built once for
//! all connections that want the same. Files are read again when they change; nothing is ever written.

mod files;
mod pins;

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use rustls::ClientConfig;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::ring;
use rustls_platform_verifier::Verifier;
use tokio::sync::Mutex;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::Instant;

use heartwire_core::cause::{Cause, CauseCode};
use heartwire_core::settings::TlsSettings;

use files::Files;
pub(crate) use pins::NoPinnedKey;
use pins::Pinned;

/// How old a configuration must be before a failed handshake makes us build it anew, so that many connections that fail
/// together do not read the platform's roots over and over.
const FRESH: Duration = Duration::from_secs(5);

/// The configurations of all connections: one for each that differs.
#[derive(Debug, Default)]
pub struct TlsConfigs {
    known: HashMap<TlsSettings, Weak<Shared>>,
}

impl TlsConfigs {
    /// The configuration of these settings, shared with everyone who has the same.
    pub fn of(&mut self, settings: &TlsSettings) -> TlsConfig {
        if let Some(shared) = self.known.get(settings).and_then(Weak::upgrade) {
            return TlsConfig { shared };
        }
        self.known.retain(|_, known| known.strong_count() > 0);
        let config = TlsConfig::of(settings.clone());
        self.known.insert(settings.clone(), Arc::downgrade(&config.shared));
        config
    }
}

/// What wss dials use. Clones share one configuration and its session cache.
#[derive(Clone, Debug)]
pub struct TlsConfig {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    settings: TlsSettings,
    /// Never built anew.
    given: Option<Arc<ClientConfig>>,
    built: Mutex<Option<Built>>,
    /// The reading of files that is under way. There is never a second one: on a disk that does not answer each would
    /// hold a thread for good, of those that every dial needs to find an address.
    reading: Mutex<Option<JoinHandle<Read>>>,
}

/// What a reading of files has come to.
type Read = Result<Arc<ClientConfig>, Cause>;

#[derive(Debug)]
struct Built {
    client: Arc<ClientConfig>,
    at: Instant,
    /// Of the files it was built from.
    digest: Option<files::Digest>,
}

impl TlsConfig {
    /// Only what the platform has.
    pub fn platform() -> Self {
        Self::of(TlsSettings::default())
    }

    /// What a person has configured. Nothing is read before the first wss dial: reading takes time that a start without
    /// wss need not spend, and a fault in the files must not keep the app from starting.
    pub fn of(settings: TlsSettings) -> Self {
        Self { shared: Arc::new(Shared::new(settings, None)) }
    }

    /// The configuration. The settings' files are read at each call, off the async threads; as long as they say the same,
    /// the same configuration is given, with the sessions that servers have granted it. A reading that a dropped call has
    /// left behind goes on, and the next call waits for it too.
    ///
    /// # Errors
    /// `configuration` if a file cannot be used, and `tls` if the platform's certificates cannot. The next call tries
    /// again.
    pub async fn client(&self) -> Result<Arc<ClientConfig>, Cause> {
        if let Some(given) = &self.shared.given {
            return Ok(given.clone());
        }
        let mut reading = self.shared.reading.lock().await;
        // Nobody waited for its end, and the files may have changed since.
        reading.take_if(|reading| reading.is_finished());
        if let Some(built) = self.shared.built.lock().await.as_ref().filter(|built| built.digest.is_none()) {
            return Ok(built.client.clone());
        }
        let shared = self.shared.clone();
        let read = reading.get_or_insert_with(|| spawn_blocking(move || shared.read())).await;
        *reading = None;
        read.map_err(|_| unreadable(&"their reader failed"))?
    }

    /// A handshake with this configuration failed: unless it is new, the next one reads the platform's certificates
    /// again, which the person may have changed meanwhile.
    pub(crate) async fn failed(&self, client: &Arc<ClientConfig>) {
        let mut built = self.shared.built.lock().await;
        if built.as_ref().is_some_and(|built| Arc::ptr_eq(&built.client, client) && built.at.elapsed() >= FRESH) {
            *built = None;
        }
    }
}

impl From<Arc<ClientConfig>> for TlsConfig {
    fn from(config: Arc<ClientConfig>) -> Self {
        Self { shared: Arc::new(Shared::new(TlsSettings::default(), Some(config))) }
    }
}

impl Shared {
    fn new(settings: TlsSettings, given: Option<Arc<ClientConfig>>) -> Self {
        Self { settings, given, built: Mutex::default(), reading: Mutex::default() }
    }

    /// What the files say now, or what is known if that is the same. Blocks.
    fn read(&self) -> Read {
        let files = Files::are_named(&self.settings).then(|| Files::read(&self.settings)).transpose()?;
        let digest = files.as_ref().map(Files::digest);
        if let Some(built) = self.built.blocking_lock().as_ref().filter(|built| built.digest == digest) {
            return Ok(built.client.clone());
        }
        let client = Arc::new(build(&self.settings, files)?);
        *self.built.blocking_lock() = Some(Built { client: client.clone(), at: Instant::now(), digest });
        Ok(client)
    }
}

fn build(settings: &TlsSettings, files: Option<Files>) -> Result<ClientConfig, Cause> {
    let provider = Arc::new(ring::default_provider());
    let Files { roots, client } = files.unwrap_or_default();
    let mut verifier: Arc<dyn ServerCertVerifier> =
        Arc::new(Verifier::new_with_extra_roots(roots.clone(), provider.clone()).map_err(|error| unreadable(&error))?);
    if !settings.pins.is_empty() {
        verifier = Arc::new(Pinned::new(verifier, settings.pins.clone(), roots, provider.clone()));
    }
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unreadable(&error))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match client {
        Some(client) => client.show(builder)?,
        None => builder.with_no_client_auth(),
    };
    // RFC 6455 upgrades HTTP/1.1; a server that also speaks HTTP/2 must not choose that.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn unreadable(error: &dyn std::fmt::Display) -> Cause {
    Cause::new(CauseCode::Tls, format!("this computer's trusted certificates cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures_util::FutureExt;

    use super::*;

    /// A reading of files that goes on until it is told what it has found.
    fn stuck(config: &TlsConfig) -> mpsc::Sender<Cause> {
        let (tell, told) = mpsc::channel();
        let reading = spawn_blocking(move || Err(told.recv().unwrap()));
        *config.shared.reading.try_lock().unwrap() = Some(reading);
        tell
    }

    #[tokio::test]
    async fn a_reading_that_does_not_end_is_joined_by_later_dials() {
        let config = TlsConfig::platform();
        let tell = stuck(&config);
        for _ in 0..3 {
            assert!(config.client().now_or_never().is_none(), "they wait, and are given up");
        }
        let client = Arc::new(build(&TlsSettings::default(), None).unwrap());
        assert!(config.failed(&client).now_or_never().is_some(), "nobody else waits");
        let dial = tokio::spawn({
            let config = config.clone();
            async move { config.client().await }
        });
        tokio::task::yield_now().await;
        tell.send(unreadable(&"x")).unwrap();
        assert_eq!(dial.await.unwrap().unwrap_err(), unreadable(&"x"));
        config.client().await.unwrap();
    }

    #[tokio::test]
    async fn what_nobody_waited_for_is_read_again() {
        let config = TlsConfig::platform();
        stuck(&config).send(unreadable(&"x")).unwrap();
        while !config.shared.reading.lock().await.as_ref().unwrap().is_finished() {
            tokio::task::yield_now().await;
        }
        config.client().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_handshake_has_an_old_configuration_built_anew_and_a_new_one_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        let key = rcgen::KeyPair::generate().unwrap();
        let root = rcgen::CertificateParams::new(["root".to_owned()]).unwrap().self_signed(&key).unwrap();
        std::fs::write(&file, root.pem()).unwrap();
        let ca_file = Some(file.to_str().unwrap().to_owned());
        let config = TlsConfig::of(TlsSettings { ca_file, ..TlsSettings::default() });

        let first = config.client().await.unwrap();
        config.failed(&first).await;
        assert!(Arc::ptr_eq(&first, &config.client().await.unwrap()));
        tokio::time::advance(FRESH).await;
        assert!(Arc::ptr_eq(&first, &config.client().await.unwrap()), "nothing failed");
        config.failed(&first).await;
        let second = config.client().await.unwrap();
        assert!(!Arc::ptr_eq(&first, &second));
        tokio::time::advance(FRESH).await;
        config.failed(&first).await;
        assert!(Arc::ptr_eq(&second, &config.client().await.unwrap()), "another one failed");
    }
}
