//! The TLS client's settings: rustls with the platform's roots, built once for all connections.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::sync::OnceCell;

use heartwire_core::cause::{Cause, CauseCode};

/// What wss dials use. Clones share one configuration and its session cache.
#[derive(Clone, Debug, Default)]
pub struct TlsConfig {
    built: Arc<OnceCell<Arc<ClientConfig>>>,
}

impl TlsConfig {
    /// The platform's roots. They are read at the first wss dial and not before: reading them takes time that a start
    /// without wss need not spend, and a fault in them must not keep the app from starting.
    pub fn platform() -> Self {
        Self::default()
    }

    /// The configuration; it is built on the first call, off the async threads because that reads files.
    ///
    /// # Errors
    /// The platform's certificates cannot be used. The next call tries again.
    pub async fn client(&self) -> Result<Arc<ClientConfig>, Cause> {
        let build = || async {
            let built = tokio::task::spawn_blocking(build).await;
            built.map_err(|_| rustls::Error::General("their reader failed".to_owned()))?.map(Arc::new)
        };
        self.built.get_or_try_init(build).await.cloned().map_err(|error| {
            Cause::new(CauseCode::Tls, format!("this computer's trusted certificates cannot be read: {error}"))
        })
    }
}

impl From<Arc<ClientConfig>> for TlsConfig {
    fn from(config: Arc<ClientConfig>) -> Self {
        Self { built: Arc::new(OnceCell::new_with(Some(config))) }
    }
}

fn build() -> Result<ClientConfig, rustls::Error> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_platform_verifier()?
        .with_no_client_auth();
    // RFC 6455 upgrades HTTP/1.1; a server that also speaks HTTP/2 must not choose that.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
