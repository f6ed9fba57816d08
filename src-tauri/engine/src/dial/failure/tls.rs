//! Why TLS could not be agreed on.

use std::io::{self, ErrorKind};

use rustls::{AlertDescription, CertificateError, OtherError};

use heartwire_core::cause::{Cause, CauseCode};

use super::said;
use crate::tls::NoPinnedKey;

/// TLS could not be agreed on.
pub(in super::super) fn securing(error: &io::Error) -> Cause {
    let text = match cause_of(error) {
        Some(error) => words(error),
        None if error.kind() == ErrorKind::UnexpectedEof => {
            "the server ended the connection during the TLS handshake".to_owned()
        }
        None => format!("the TLS handshake failed ({error})"),
    };
    Cause::new(CauseCode::Tls, text)
}

/// Whether TLS, and not the network under it, is what failed.
pub(super) fn is_tls(error: &io::Error) -> bool {
    cause_of(error).is_some()
}

fn cause_of(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

fn words(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(reason) => certificate_words(reason),
        rustls::Error::InvalidMessage(_) => "the server does not speak TLS at this port".to_owned(),
        rustls::Error::AlertReceived(alert) => alert_words(*alert),
        rustls::Error::PeerIncompatible(_) => {
            format!("the server and Heartwire have no TLS version or cipher in common ({error})")
        }
        other => format!("the TLS handshake failed ({})", said(other)),
    }
}

fn certificate_words(reason: &CertificateError) -> String {
    match reason {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the server's certificate has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the server's certificate is not valid yet; check this computer's clock".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the server's certificate is for another name".to_owned()
        }
        CertificateError::UnknownIssuer => {
            "the server's certificate is from an authority that this computer does not trust".to_owned()
        }
        // Its name is known here, and its key is another one: of the same kind, or not even that.
        CertificateError::BadSignature | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "the server's certificate is not signed by the authority that it names".to_owned()
        }
        CertificateError::Revoked => "the server's certificate was revoked".to_owned(),
        CertificateError::Other(OtherError(other)) => {
            if let Some(mismatch) = other.downcast_ref::<NoPinnedKey>() {
                mismatch.to_string()
            } else if let Some(webpki::Error::CaUsedAsEndEntity) = other.downcast_ref() {
                // As `openssl req -x509` makes them by default.
                "the server's certificate is an authority's own (CA:TRUE), with which no server can be proved: give it \
                 one with CA:FALSE, self-signed or signed by an authority"
                    .to_owned()
            } else {
                not_accepted(reason)
            }
        }
        other => not_accepted(other),
    }
}

fn not_accepted(reason: &CertificateError) -> String {
    format!("the server's certificate was not accepted ({})", said(reason))
}

/// What the server says of us (RFC 8446, section 6.2).
fn alert_words(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::CertificateRequired => {
            "the server wants a client certificate: give tls.client_certificate and tls.client_key".to_owned()
        }
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied => {
            format!("the server refused this computer's client certificate, or wants one ({alert:?})")
        }
        AlertDescription::HandshakeFailure => {
            "the server refused the TLS handshake (HandshakeFailure); it may want a client certificate".to_owned()
        }
        AlertDescription::UnrecognisedName => {
            "the server has no certificate for this name (UnrecognisedName)".to_owned()
        }
        alert => format!("the server refused the TLS handshake ({alert:?})"),
    }
}
