//! The PEM files that a connection's TLS settings name. Whatever is wrong with one of them is a fault of the
//! configuration, named with the file and with what to do.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use ring::digest::{Context, SHA256};
use rustls::client::WantsClientCert;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ConfigBuilder, InconsistentKeys, RootCertStore};

use heartwire_core::cause::{Cause, CauseCode};
use heartwire_core::settings::{ClientCertificate, TlsSettings};

use crate::paths;

/// The most that is read of a file, in bytes; the roots of a whole platform take less than a quarter of it.
const MOST: u64 = 1024 * 1024;

/// SHA-256.
pub(super) type Digest = [u8; 32];

/// What the files say.
#[derive(Default)]
pub(super) struct Files {
    /// Of the CA file.
    pub roots: Vec<CertificateDer<'static>>,
    pub client: Option<Client>,
}

/// A certificate to be shown, with its key.
pub(super) struct Client {
    files: ClientCertificate,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Files {
    pub fn are_named(settings: &TlsSettings) -> bool {
        settings.ca_file.is_some() || settings.client.is_some()
    }

    pub fn read(settings: &TlsSettings) -> Result<Self, Cause> {
        let roots = match &settings.ca_file {
            Some(file) => roots(file)?,
            None => Vec::new(),
        };
        let client = settings.client.as_ref().map(client).transpose()?;
        Ok(Self { roots, client })
    }

    /// Tells whether a file was changed, without keeping a key.
    pub fn digest(&self) -> Digest {
        let mut context = Context::new(&SHA256);
        let mut add = |part: &[u8]| {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        };
        self.roots.iter().for_each(|root| add(root));
        if let Some(client) = &self.client {
            add(client.key.secret_der());
            client.chain.iter().for_each(|certificate| add(certificate));
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(context.finish().as_ref());
        digest
    }
}

impl Client {
    pub fn show(self, builder: ConfigBuilder<ClientConfig, WantsClientCert>) -> Result<ClientConfig, Cause> {
        let Self { files: ClientCertificate { certificate, key: key_file }, chain, key } = self;
        builder.with_client_auth_cert(chain, key).map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                wrong(&format!("{key_file} is not the key of the client certificate {certificate}: give the pair"))
            }
            error => wrong(&format!(
                "the client certificate {certificate} cannot be shown with the key {key_file} ({error}): use an RSA, \
                 ECDSA (P-256, P-384) or Ed25519 key"
            )),
        })
    }
}

fn roots(file: &str) -> Result<Vec<CertificateDer<'static>>, Cause> {
    let what = format!("the CA file {file}");
    let found = certificates(&what, file)?;
    let mut store = RootCertStore::empty();
    for root in &found {
        let add = store.add(root.clone());
        add.map_err(|error| wrong(&format!("{what} holds a certificate that cannot be used ({error}): take it out")))?;
    }
    Ok(found)
}

fn client(files: &ClientCertificate) -> Result<Client, Cause> {
    let chain = certificates(&format!("the client certificate {}", files.certificate), &files.certificate)?;
    let what = format!("the client key {}", files.key);
    let text = read(&what, &files.key)?;
    let key = PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        _ if is_encrypted(&text) => wrong(&format!(
            "{what} has a passphrase, for which nobody is asked here: write it without one (openssl pkey -in OLD -out \
             NEW) into a file that only you can read"
        )),
        error => not_pem(&what, "PRIVATE KEY", &error),
    })?;
    Ok(Client { files: files.clone(), chain, key })
}

fn certificates(what: &str, file: &str) -> Result<Vec<CertificateDer<'static>>, Cause> {
    let text = read(what, file)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if found.is_empty() => Err(not_pem(what, "CERTIFICATE", &pem::Error::NoItemsFound)),
        Ok(found) => Ok(found),
        Err(error) => Err(not_pem(what, "CERTIFICATE", &error)),
    }
}

fn read(what: &str, file: &str) -> Result<Vec<u8>, Cause> {
    let path = paths::at_home(file);
    let path =
        path.ok_or_else(|| wrong(&format!("{what} is to be found at home, and this user has no home folder")))?;
    let text = read_some(&path).map_err(|error| wrong(&format!("{what} cannot be read ({error})")))?;
    if text.len() as u64 > MOST {
        return Err(wrong(&format!("{what} is larger than {MOST} bytes: give a file of certificates or keys only")));
    }
    Ok(text)
}

fn read_some(path: &Path) -> io::Result<Vec<u8>> {
    // Whoever opens a pipe waits for its writer, perhaps for ever.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no ordinary file"));
    }
    let mut text = Vec::new();
    File::open(path)?.take(MOST + 1).read_to_end(&mut text)?;
    Ok(text)
}

/// PKCS #8 with a passphrase has a heading of its own (RFC 7468, section 11); the older formats say it in a field (RFC
/// 1421, section 4.6.1.1).
fn is_encrypted(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED")
}

fn not_pem(what: &str, label: &str, error: &pem::Error) -> Cause {
    wrong(&match error {
        pem::Error::NoItemsFound => format!("{what} holds no \"-----BEGIN {label}-----\": give a PEM file that does"),
        _ => format!("{what} is damaged: a part of it is not PEM"),
    })
}

fn wrong(text: &str) -> Cause {
    Cause::new(CauseCode::Configuration, text)
}
