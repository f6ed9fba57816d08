//! Authorities and certificates made for one test.
#![allow(dead_code, reason = "each test binary uses its own part of this")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use heartwire_core::settings::TlsSettings;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Signs certificates; itself signed by itself or by another one.
pub struct Authority {
    own: CertifiedIssuer<'static, KeyPair>,
    /// Those between this one and the root, which servers send along, this one first.
    between: Vec<CertificateDer<'static>>,
}

/// A certificate that an authority has signed, with its key.
pub struct Signed {
    pub certificate: rcgen::Certificate,
    pub key: KeyPair,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        Self::with_key(name, KeyPair::generate().unwrap())
    }

    pub fn with_key(name: &str, key: KeyPair) -> Self {
        let own = CertifiedIssuer::self_signed(authority(name), key).unwrap();
        Self { own, between: Vec::new() }
    }

    pub fn below(&self, name: &str) -> Self {
        let own = CertifiedIssuer::signed_by(authority(name), KeyPair::generate().unwrap(), &self.own).unwrap();
        let between = [vec![own.der().clone()], self.between.clone()].concat();
        Self { own, between }
    }

    pub fn sign(&self, names: &[&str]) -> Signed {
        self.sign_with(names, KeyPair::generate().unwrap())
    }

    pub fn sign_with(&self, names: &[&str], key: KeyPair) -> Signed {
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        Signed { certificate: params.signed_by(&key, &self.own).unwrap(), key }
    }

    pub fn key(&self) -> &KeyPair {
        self.own.key()
    }

    pub fn pem(&self) -> String {
        self.own.pem()
    }

    pub fn der(&self) -> CertificateDer<'static> {
        self.own.der().clone()
    }

    /// Settings that trust it, by a CA file.
    pub fn trusted_in(&self, folder: &TempDir) -> TlsSettings {
        let file = written(folder.path(), "ca.pem", &self.pem());
        TlsSettings { ca_file: Some(shown(&file)), ..TlsSettings::default() }
    }

    pub fn server_config(&self, names: &[&str]) -> ServerConfig {
        let signed = self.sign(names);
        self.server_config_with(&signed, &[])
    }

    /// What the server sends besides its own chain comes last.
    pub fn server_config_with(&self, signed: &Signed, more: &[CertificateDer<'static>]) -> ServerConfig {
        let builder = server_builder().with_no_client_auth();
        builder.with_single_cert(self.chain(signed, more), key_of(signed)).unwrap()
    }

    /// A server that wants a client's certificate from this same authority.
    pub fn asking_server_config(&self, names: &[&str]) -> ServerConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.der()).unwrap();
        let provider = Arc::new(ring::default_provider());
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        let signed = self.sign(names);
        let builder = server_builder().with_client_cert_verifier(clients);
        builder.with_single_cert(self.chain(&signed, &[]), key_of(&signed)).unwrap()
    }

    fn chain(&self, signed: &Signed, more: &[CertificateDer<'static>]) -> Vec<CertificateDer<'static>> {
        [vec![signed.certificate.der().clone()], self.between.clone(), more.to_vec()].concat()
    }
}

/// A server that stands for itself.
pub fn self_signed(name: &str, is_ca: IsCa) -> (rcgen::Certificate, ServerConfig) {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.is_ca = is_ca;
    let key = KeyPair::generate().unwrap();
    let signed = Signed { certificate: params.self_signed(&key).unwrap(), key };
    let builder = server_builder().with_no_client_auth();
    let config = builder.with_single_cert(vec![signed.certificate.der().clone()], key_of(&signed)).unwrap();
    (signed.certificate, config)
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new([]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    params
}

fn server_builder() -> rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier> {
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    builder.with_safe_default_protocol_versions().unwrap()
}

fn key_of(signed: &Signed) -> PrivateKeyDer<'static> {
    PrivateKeyDer::try_from(signed.key.serialize_der()).unwrap()
}

/// Upgrades everyone it lets in, over TLS.
pub fn tls_server(listener: TcpListener, config: ServerConfig) {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await
                    && let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await
                {
                    let _ = futures_util::StreamExt::next(&mut socket).await;
                }
            });
        }
    });
}

pub fn written(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

pub fn shown(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}
