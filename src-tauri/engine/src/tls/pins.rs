//! Pins (RFC 7469, section 2.6): besides what the platform demands, one certificate of the server's chain must have a key
//! that the person has named.
//!
//! A server may send certificates that have nothing to do with its own, so that what it sends proves nothing: a pinned
//! certificate counts only if the server's own leads up to it by signatures.

use std::fmt;
use std::sync::Arc;

use data_encoding::BASE64;
use ring::digest::{SHA256, digest};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme};

use heartwire_core::settings::Pin;

/// How many keys of a chain are shown; the server decides how many there are.
const SHOWN: usize = 4;

/// A verifier that accepts nothing that another one does not, and only pinned keys of that.
#[derive(Debug)]
pub(super) struct Pinned {
    platform: Arc<dyn ServerCertVerifier>,
    pins: Vec<Pin>,
    /// Roots with a pinned key, which servers need not send.
    roots: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
}

impl Pinned {
    /// Reads the platform's roots, to know those with a pinned key.
    pub fn new(
        platform: Arc<dyn ServerCertVerifier>,
        pins: Vec<Pin>,
        extra: Vec<CertificateDer<'static>>,
        provider: Arc<CryptoProvider>,
    ) -> Self {
        // Roots that cannot be read are missing for the platform's verifier too, which tells of them.
        let mut roots = rustls_native_certs::load_native_certs().certs;
        roots.extend(extra);
        roots.retain(|root| is_among(&pins, root));
        Self { platform, pins, roots, provider }
    }

    fn leads_to_a_pin(
        &self,
        own: &CertificateDer<'_>,
        sent: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<bool, Error> {
        if is_among(&self.pins, own) {
            return Ok(true);
        }
        let mut anchors = RootCertStore::empty();
        let pinned = sent.iter().filter(|certificate| is_among(&self.pins, certificate));
        for certificate in pinned.chain(&self.roots) {
            anchors.add(certificate.clone())?;
        }
        let algorithms = self.provider.signature_verification_algorithms.all;
        let own = ParsedCertificate::try_from(own)?;
        Ok(verify_server_cert_signed_by_trust_anchor(&own, &anchors, sent, now, algorithms).is_ok())
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        sent: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.platform.verify_server_cert(own, sent, name, ocsp, now)?;
        if self.leads_to_a_pin(own, sent, now)? {
            return Ok(verified);
        }
        let seen = std::iter::once(own).chain(sent).filter_map(key_of).take(SHOWN).collect();
        Err(CertificateError::Other(OtherError(Arc::new(NoPinnedKey { seen }))).into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.platform.verify_tls12_signature(message, own, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.platform.verify_tls13_signature(message, own, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.platform.supported_verify_schemes()
    }
}

/// A trusted chain without a pinned key.
#[derive(Debug)]
pub(crate) struct NoPinnedKey {
    /// The server's own first.
    seen: Vec<Pin>,
}

impl std::error::Error for NoPinnedKey {}

impl fmt::Display for NoPinnedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut seen = self.seen.iter().map(|pin| BASE64.encode(&pin.0));
        let own = seen.next().unwrap_or_default();
        write!(f, "the server's certificate has none of the keys in tls.pin_sha256; its key is {own}")?;
        let above: Vec<_> = seen.collect();
        if above.is_empty() { Ok(()) } else { write!(f, ", and above it {}", above.join(", ")) }
    }
}

fn is_among(pins: &[Pin], certificate: &CertificateDer<'_>) -> bool {
    key_of(certificate).is_some_and(|key| pins.contains(&key))
}

/// None: it is no certificate, and has no key.
fn key_of(certificate: &CertificateDer<'_>) -> Option<Pin> {
    let key = ParsedCertificate::try_from(certificate).ok()?.subject_public_key_info();
    digest(&SHA256, &key).as_ref().try_into().ok().map(Pin)
}
