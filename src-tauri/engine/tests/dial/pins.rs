//! Pinned keys: the server's own, its authorities', and those of certificates that prove nothing.

use data_encoding::BASE64;
use heartwire_core::settings::{Pin, TlsSettings};
use heartwire_engine::dial::DialRequest;
use heartwire_engine::tls::TlsConfig;
use rcgen::PublicKeyData;
use ring::digest::{SHA256, digest};
use rustls::pki_types::CertificateDer;
use tempfile::TempDir;
use xtask::test::lacks;

use crate::pki::{Authority, tls_server, written};
use crate::rig::listener;
use crate::tls::openssl;
use crate::{fails, heard, to};

/// A root, an authority below it, a server's certificate below that.
struct Chain {
    root: Authority,
    between: Authority,
    folder: TempDir,
}

impl Chain {
    fn new() -> Self {
        let root = Authority::new("root");
        let between = root.below("between");
        Self { root, between, folder: TempDir::new().unwrap() }
    }

    /// Dials a server of the chain, which sends `more` besides, with these pins.
    async fn dialled(
        &self,
        signed: &crate::pki::Signed,
        more: &[CertificateDer<'static>],
        pins: Vec<Pin>,
    ) -> DialRequest {
        let (listener, port) = listener().await;
        tls_server(listener, self.between.server_config_with(signed, more));
        let tls = TlsConfig::of(TlsSettings { pins, ..self.root.trusted_in(&self.folder) });
        DialRequest { tls, ..to(&format!("wss://localhost:{port}/")) }
    }
}

/// The pin of a key, from its `SubjectPublicKeyInfo` as rcgen writes it.
fn pin(key: &impl PublicKeyData) -> Pin {
    Pin(digest(&SHA256, &key.subject_public_key_info()).as_ref().try_into().unwrap())
}

fn shown(pin: Pin) -> String {
    BASE64.encode(&pin.0)
}

#[tokio::test]
async fn a_pin_of_any_certificate_of_the_chain_is_enough() {
    let chain = Chain::new();
    let server = chain.between.sign(&["localhost"]);
    let stranger = pin(&rcgen::KeyPair::generate().unwrap());
    for right in [pin(&server.key), pin(chain.between.key()), pin(chain.root.key())] {
        heard(&chain.dialled(&server, &[], vec![right]).await).await.unwrap();
        heard(&chain.dialled(&server, &[], vec![stranger, right]).await).await.unwrap();
    }
}

#[tokio::test]
async fn without_a_pinned_key_the_keys_that_were_seen_are_told() {
    let chain = Chain::new();
    let server = chain.between.sign(&["localhost"]);
    let stranger = pin(&rcgen::KeyPair::generate().unwrap());
    let (code, text) = fails(&chain.dialled(&server, &[], vec![stranger]).await).await;
    let expected = format!(
        "the server's certificate has none of the keys in tls.pin_sha256; its key is {}, and above it {}",
        shown(pin(&server.key)),
        shown(pin(chain.between.key()))
    );
    assert_eq!((code.as_str(), text), ("tls", expected));
}

#[tokio::test]
async fn a_pinned_certificate_that_is_only_sent_along_proves_nothing() {
    let chain = Chain::new();
    let server = chain.between.sign(&["localhost"]);
    let honest = Authority::new("honest");
    let below = chain.root.below("beside");
    for (other, key) in [(honest.der(), pin(honest.key())), (below.der(), pin(below.key()))] {
        let (code, text) = fails(&chain.dialled(&server, &[other], vec![key]).await).await;
        assert_eq!(code, "tls", "{text}");
        assert!(text.contains(&shown(key)), "it is shown as seen: {text}");
    }
}

#[tokio::test]
async fn a_pin_trusts_nobody_whom_the_platform_does_not() {
    let (chain, stranger) = (Chain::new(), Authority::new("theirs"));
    let server = stranger.sign(&["localhost"]);
    let (listener, port) = listener().await;
    tls_server(listener, stranger.server_config_with(&server, &[]));
    let pins = vec![pin(&server.key), pin(stranger.key())];
    let tls = TlsConfig::of(TlsSettings { pins, ..chain.root.trusted_in(&chain.folder) });
    let (code, text) = fails(&DialRequest { tls, ..to(&format!("wss://localhost:{port}/")) }).await;
    assert_eq!(code, "tls");
    assert!(text.contains("an authority that this computer does not trust"), "{text}");
}

#[tokio::test]
async fn openssl_computes_the_pins_that_are_accepted() {
    if lacks("openssl_computes_the_pins_that_are_accepted", "openssl") {
        return;
    }
    let chain = Chain::new();
    let server = chain.between.sign(&["localhost"]);
    let (folder, path) = (chain.folder.path(), |name: &str| chain.folder.path().join(name).display().to_string());
    written(folder, "server.pem", &server.certificate.pem());
    // The command of default.toml, a pipe in pieces.
    openssl(&format!("x509 -in {} -noout -pubkey -out {}", path("server.pem"), path("key.pem")));
    openssl(&format!("pkey -pubin -in {} -outform der -out {}", path("key.pem"), path("key.der")));
    let found = openssl(&format!("dgst -sha256 -binary {}", path("key.der")));
    let found = Pin(found.try_into().unwrap());
    heard(&chain.dialled(&server, &[], vec![found]).await).await.unwrap();
}
