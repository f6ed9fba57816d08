//! What went wrong, as a code for programs and a sentence for people.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use rustls::CertificateError;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::http::header::RETRY_AFTER;
use tokio_tungstenite::tungstenite::http::{HeaderMap, StatusCode};

use heartwire_core::cause::{Cause, CauseCode};
use heartwire_core::text;

/// The most characters of a server's own words in a cause.
const WORDS: usize = 120;

/// TCP could not be connected.
pub(super) fn connecting(error: &io::Error, at: Option<SocketAddr>) -> Cause {
    let at = at.map(|at| format!(" at {at}")).unwrap_or_default();
    match error.kind() {
        ErrorKind::ConnectionRefused => Cause::new(CauseCode::Refused, format!("nobody listens{at}")),
        ErrorKind::TimedOut => Cause::new(CauseCode::ConnectTimeout, format!("no answer to the TCP connect{at}")),
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => {
            Cause::new(CauseCode::Reset, format!("the connection{at} was reset while it was made"))
        }
        _ => Cause::new(CauseCode::Unreachable, format!("no way leads to the server{at} ({error})")),
    }
}

/// TLS could not be agreed on.
pub(super) fn securing(error: &io::Error) -> Cause {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let text = match tls {
        Some(error) => tls_words(error),
        None if error.kind() == ErrorKind::UnexpectedEof => {
            "the server ended the connection during the TLS handshake".to_owned()
        }
        None => format!("the TLS handshake failed ({error})"),
    };
    Cause::new(CauseCode::Tls, text)
}

/// The upgrade was not granted.
pub(super) fn upgrading(error: &Error) -> Cause {
    match error {
        Error::Http(answer) => refused(answer.status(), answer.headers(), Timestamp::now()),
        Error::Io(_) | Error::Protocol(ProtocolError::HandshakeIncomplete) => {
            Cause::new(CauseCode::Reset, "the server ended the connection before it answered the upgrade request")
        }
        Error::Protocol(error) => {
            Cause::new(CauseCode::Protocol, format!("the answer to the upgrade request is wrong: {}", said(error)))
        }
        Error::Capacity(_) | Error::AttackAttempt => {
            Cause::new(CauseCode::Protocol, "the answer to the upgrade request is too long")
        }
        Error::Url(_) | Error::HttpFormat(_) | Error::Utf8(_) => {
            Cause::new(CauseCode::Configuration, format!("the upgrade request cannot be sent: {}", said(error)))
        }
        Error::ConnectionClosed | Error::AlreadyClosed | Error::Tls(_) | Error::WriteBufferFull(_) => {
            Cause::new(CauseCode::Protocol, format!("the upgrade failed: {}", said(error)))
        }
    }
}

/// An upgraded socket broke; with the close code that tells the peer why, where it still makes sense to tell it
/// (RFC 6455, section 7.4.1).
pub(crate) fn lost(error: &Error, limit: usize) -> (Cause, Option<u16>) {
    match error {
        Error::Capacity(CapacityError::MessageTooLong { size, .. }) => {
            let text = format!("the server sent a message of at least {size} bytes; the limit is {limit}");
            (Cause::new(CauseCode::TooLarge, text), Some(1009))
        }
        Error::Utf8(_) => {
            (Cause::new(CauseCode::Protocol, "the server sent a text frame that is not UTF-8"), Some(1007))
        }
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
            (Cause::new(CauseCode::Reset, "the connection ended without a closing handshake"), None)
        }
        Error::Protocol(error) => {
            let text = format!("the server broke the WebSocket protocol: {}", said(error));
            (Cause::new(CauseCode::Protocol, text), Some(1002))
        }
        Error::Io(error) => (broke(error), None),
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Tls(_)
        | Error::Capacity(CapacityError::TooManyHeaders)
        | Error::WriteBufferFull(_)
        | Error::AttackAttempt
        | Error::Url(_)
        | Error::Http(_)
        | Error::HttpFormat(_) => (Cause::new(CauseCode::Reset, "the connection ended"), None),
    }
}

/// The network under an upgraded socket broke.
pub(crate) fn broke(error: &io::Error) -> Cause {
    Cause::new(CauseCode::Reset, broken(error))
}

/// Somebody else's words, safe to show on one line, and not too many.
pub(crate) fn said(words: &impl ToString) -> String {
    text::one_line(&words.to_string(), WORDS)
}

fn refused(status: StatusCode, headers: &HeaderMap, now: Timestamp) -> Cause {
    let (code, text) = match status.as_u16() {
        401 | 403 => (CauseCode::Unauthorized, format!("the server refused the credentials ({status})")),
        300..=399 => (
            CauseCode::Http(status.as_u16()),
            format!("the server redirects to another address ({status}), which is not followed"),
        ),
        other => (CauseCode::Http(other), format!("the server answered the upgrade request with {status}")),
    };
    let asked = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    Cause { retry_after: asked.and_then(|asked| retry_after(asked, now)), ..Cause::new(code, text) }
}

/// RFC 9110, section 10.2.3: seconds, or a date.
fn retry_after(asked: &str, now: Timestamp) -> Option<Duration> {
    let asked = asked.trim();
    if let Ok(seconds) = asked.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = rfc2822::DateTimeParser::new().parse_timestamp(asked).ok()?;
    Duration::try_from(at.duration_since(now)).ok()
}

fn broken(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
            "the connection was reset".to_owned()
        }
        ErrorKind::UnexpectedEof => "the connection ended without a closing handshake".to_owned(),
        ErrorKind::TimedOut => "the network no longer delivers to the server".to_owned(),
        _ => format!("the connection broke ({error})"),
    }
}

fn tls_words(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(reason) => certificate_words(reason),
        rustls::Error::InvalidMessage(_) => "the server does not speak TLS at this port".to_owned(),
        rustls::Error::AlertReceived(alert) => format!("the server refused the TLS handshake ({alert:?})"),
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
        CertificateError::Revoked => "the server's certificate was revoked".to_owned(),
        other => format!("the server's certificate was not accepted ({})", said(other)),
    }
}
