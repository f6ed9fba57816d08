//! What went wrong, as a code for programs and a sentence for people.

mod tls;

use std::error::Error as _;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::http::header::RETRY_AFTER;
use tokio_tungstenite::tungstenite::http::{HeaderMap, StatusCode};

use heartwire_core::cause::{Cause, CauseCode};
use heartwire_core::text;

pub(super) use tls::securing;

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

/// None of several addresses could be connected: what tells most of these, and how many there are. Of no address at all
/// nothing can be said.
pub(super) fn connecting_to_any(failed: &[(SocketAddr, io::Error)]) -> Cause {
    let Some((at, error)) = failed.iter().rev().max_by_key(|(_, error)| telling(error)) else {
        return Cause::new(CauseCode::Dns, "the host has no address");
    };
    let mut cause = connecting(error, Some(*at));
    match failed.len() {
        1 => {}
        2 => cause.text.push_str("; another address failed too"),
        more => cause.text = format!("{}; {} other addresses failed too", cause.text, more - 1),
    }
    cause
}

/// How near to the server an attempt came.
fn telling(error: &io::Error) -> u8 {
    match error.kind() {
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => 4,
        ErrorKind::ConnectionRefused => 3,
        ErrorKind::TimedOut => 2,
        ErrorKind::NetworkUnreachable => 0,
        _ => 1,
    }
}

/// The upgrade was not granted.
pub(super) fn upgrading(error: &Error) -> Cause {
    match error {
        Error::Http(answer) => refused("the upgrade request", answer.status(), answer.headers()),
        // A server that speaks TLS 1.3 judges the client's certificate after the client has finished its handshake.
        Error::Io(error) if tls::is_tls(error) => securing(error),
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

/// A request beside a socket was not answered, or not to the end.
pub(crate) fn asking(error: &hyper::Error) -> Cause {
    let wrong =
        |why| Cause::new(CauseCode::Protocol, format!("the answer to the request for messages is wrong: {why}"));
    let inner = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    match inner {
        Some(inner) if tls::is_tls(inner) => securing(inner),
        // What hyper says of chunks that are none.
        Some(inner) if matches!(inner.kind(), ErrorKind::InvalidInput | ErrorKind::InvalidData) => wrong(said(inner)),
        Some(inner) if inner.kind() != ErrorKind::UnexpectedEof => broke(inner),
        None if error.is_parse() => wrong(said(error)),
        Some(_) | None => Cause::new(CauseCode::Reset, "the server ended the connection before its answer was whole"),
    }
}

/// An upgraded socket broke; with the close code that tells the peer why, where it still makes sense to tell it
/// (RFC 6455, section 7.4.1).
pub(crate) fn lost(error: &Error, limit: usize) -> (Cause, Option<u16>) {
    match error {
        Error::Capacity(CapacityError::MessageTooLong { size, .. }) => (Cause::too_large(*size, limit), Some(1009)),
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

/// An answer that grants nothing to what was asked, which is a part of a sentence.
pub(crate) fn refused(asked: &str, status: StatusCode, headers: &HeaderMap) -> Cause {
    let (code, text) = match status.as_u16() {
        401 | 403 => (CauseCode::Unauthorized, format!("the server refused the credentials ({status})")),
        other => (CauseCode::Http(other), format!("the server answered {asked} with {status}")),
    };
    let later = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    Cause { retry_after: later.and_then(|later| retry_after(later, Timestamp::now())), ..Cause::new(code, text) }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_failed_addresses_the_nearest_to_the_server_is_told() {
        use ErrorKind::{ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable, TimedOut};
        let check = |kinds: &[ErrorKind], code: CauseCode, text: &str| {
            let at = |last: usize| format!("10.0.0.{last}:80").parse().unwrap();
            let failed: Vec<_> = kinds.iter().enumerate().map(|(n, kind)| (at(n), io::Error::from(*kind))).collect();
            let cause = connecting_to_any(&failed);
            assert_eq!((cause.code, cause.text.as_str()), (code, text), "{kinds:?}");
        };
        check(&[ConnectionRefused], CauseCode::Refused, "nobody listens at 10.0.0.0:80");
        check(
            &[NetworkUnreachable, ConnectionRefused],
            CauseCode::Refused,
            "nobody listens at 10.0.0.1:80; another address failed too",
        );
        check(
            &[ConnectionRefused, ConnectionRefused, TimedOut, HostUnreachable],
            CauseCode::Refused,
            "nobody listens at 10.0.0.0:80; 3 other addresses failed too",
        );
        check(
            &[TimedOut, NetworkUnreachable],
            CauseCode::ConnectTimeout,
            "no answer to the TCP connect at 10.0.0.0:80; another address failed too",
        );
        check(
            &[ConnectionRefused, ConnectionReset],
            CauseCode::Reset,
            "the connection at 10.0.0.1:80 was reset while it was made; another address failed too",
        );
        check(
            &[NetworkUnreachable, HostUnreachable],
            CauseCode::Unreachable,
            "no way leads to the server at 10.0.0.1:80 (host unreachable); another address failed too",
        );
    }
}
