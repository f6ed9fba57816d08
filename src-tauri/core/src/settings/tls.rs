//! `[connections.tls]`: whom a wss connection trusts, and how it proves itself. Files are only named here; the engine
//! reads them.

use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};

use super::fields;
use super::form::TlsForm;
use super::validate::{Errors, FieldErrorCode, shown};

/// What wss adds to the platform's roots.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TlsSettings {
    /// A PEM file of certificates that are trusted besides the platform's.
    pub ca_file: Option<String>,
    /// Shown to a server that asks for one.
    pub client: Option<ClientCertificate>,
    /// If not empty: one certificate of the server's chain must have one of these keys.
    pub pins: Vec<Pin>,
}

/// A certificate and its key, each in a PEM file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientCertificate {
    /// The chain, the client's own certificate first.
    pub certificate: String,
    /// PKCS #8, PKCS #1 or SEC1, without a passphrase.
    pub key: String,
}

/// The SHA-256 of a certificate's `SubjectPublicKeyInfo` (RFC 7469, section 2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pin(pub [u8; 32]);

pub(super) fn tls(form: &TlsForm, errors: &mut Errors) -> Option<TlsSettings> {
    let ca_file = optional_path("tls.ca_file", form.ca_file.as_deref(), errors);
    let client = client(form, errors);
    let pins = pins(form.pin_sha256.as_deref().unwrap_or_default(), errors);
    Some(TlsSettings { ca_file: ca_file?, client: client?, pins: pins? })
}

/// The outer None: it is wrong; the inner: there is none.
#[expect(clippy::option_option, reason = "wrong and absent are different here, as for every optional field")]
fn optional_path(field: &str, given: Option<&str>, errors: &mut Errors) -> Option<Option<String>> {
    match given.map(str::trim).filter(|given| !given.is_empty()) {
        None => Some(None),
        Some(given) => fields::path(field, given, errors).map(Some),
    }
}

#[expect(clippy::option_option, reason = "likewise")]
fn client(form: &TlsForm, errors: &mut Errors) -> Option<Option<ClientCertificate>> {
    let certificate = optional_path("tls.client_certificate", form.client_certificate.as_deref(), errors)?;
    let key = optional_path("tls.client_key", form.client_key.as_deref(), errors)?;
    let (field, message) = match (certificate, key) {
        (Some(certificate), Some(key)) => return Some(Some(ClientCertificate { certificate, key })),
        (None, None) => return Some(None),
        (Some(_), None) => ("tls.client_key", "the client certificate has no key: give the file of its key too"),
        (None, Some(_)) => {
            ("tls.client_certificate", "the key has no certificate: give the file of its certificate too")
        }
    };
    errors.push(field, FieldErrorCode::Missing, "", message);
    None
}

fn pins(given: &[String], errors: &mut Errors) -> Option<Vec<Pin>> {
    fields::few(given.len(), "tls.pin_sha256", errors)?;
    let mut pins = Vec::with_capacity(given.len());
    for (at, text) in given.iter().enumerate() {
        if let Some(pin) = pin(text) {
            pins.push(pin);
        } else {
            let message = format!(
                "\"{}\" is not the SHA-256 of a public key: give 44 characters of base64, or 64 hexadecimal digits",
                shown(text)
            );
            errors.push(format!("tls.pin_sha256[{at}]"), FieldErrorCode::PinInvalid, text, message);
        }
    }
    (pins.len() == given.len()).then_some(pins)
}

/// Base64 as in RFC 7469, with or without curl's `sha256//`, or hexadecimal with or without colons.
fn pin(text: &str) -> Option<Pin> {
    let text = text.trim();
    let text = text.strip_prefix("sha256//").or_else(|| text.strip_prefix("sha256/")).unwrap_or(text);
    let bytes = BASE64.decode(text.as_bytes()).or_else(|_| {
        let digits = text.replace(':', "");
        HEXLOWER_PERMISSIVE.decode(digits.as_bytes())
    });
    bytes.ok()?.try_into().ok().map(Pin)
}
