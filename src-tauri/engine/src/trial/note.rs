//! What is kept of each step that a dial tells: words for a person.

use rustls::ClientConnection;
use rustls::ProtocolVersion;
use tokio_tungstenite::tungstenite::handshake::client::Response;
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;

use heartwire_core::cause::Cause;
use heartwire_core::link::Heartbeat;
use heartwire_core::trial::Step;

use crate::dial::{Passed, said};

/// The most addresses and names that are listed.
const LISTED: usize = 4;

#[derive(Debug)]
pub(super) enum Note {
    Made(Step, String),
    NotNeeded(Step, String),
    /// The way is known: whether a proxy is on it, and whether TLS is.
    Way {
        via: Option<String>,
        secure: bool,
    },
    Redirected(String),
    Agreed(Heartbeat),
    Fetching,
    Fetched(Result<(), Cause>),
}

impl From<Passed<'_>> for Note {
    fn from(passed: Passed<'_>) -> Self {
        match passed {
            Passed::Secret(true) => Self::Made(Step::Secret, "it is there".to_owned()),
            Passed::Secret(false) => Self::NotNeeded(Step::Secret, "none is configured".to_owned()),
            Passed::Proxy(url, via) => Self::Way { via: via.map(ToString::to_string), secure: url.scheme() == "wss" },
            Passed::Addresses(found) => Self::Made(Step::Dns, listed(found.iter().map(|at| at.ip().to_string()))),
            Passed::Connected(at) => Self::Made(Step::Tcp, format!("connected to {at}")),
            Passed::Tunnel => Self::Made(Step::Tunnel, "the proxy opened the way to the server".to_owned()),
            Passed::Secured(tls) => Self::Made(Step::Tls, secured(tls)),
            Passed::Redirected(status) => Self::Redirected(format!("redirected ({status})")),
            Passed::Upgraded(answer) => Self::Made(Step::Upgrade, upgraded(answer)),
            Passed::Agreed(heartbeat) => Self::Agreed(heartbeat.clone()),
            Passed::Fetching => Self::Fetching,
            Passed::Fetched(result) => Self::Fetched(result.map_err(Clone::clone)),
        }
    }
}

fn listed(found: impl ExactSizeIterator<Item = String>) -> String {
    let more = found.len().saturating_sub(LISTED);
    let mut words: Vec<_> = found.take(LISTED).collect();
    if more > 0 {
        words.push(format!("{more} more"));
    }
    words.join(", ")
}

fn secured(tls: &ClientConnection) -> String {
    let version = match tls.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "TLS 1.3".to_owned(),
        Some(ProtocolVersion::TLSv1_2) => "TLS 1.2".to_owned(),
        other => format!("{other:?}"),
    };
    let certificate = tls.peer_certificates().and_then(|chain| chain.first());
    let certificate = certificate.and_then(|first| webpki::EndEntityCert::try_from(first).ok());
    let names: Vec<_> =
        certificate.iter().flat_map(|certificate| certificate.valid_dns_names()).map(|name| said(&name)).collect();
    if names.is_empty() { version } else { format!("{version}, a certificate for {}", listed(names.into_iter())) }
}

fn upgraded(answer: &Response) -> String {
    let spoken = answer.headers().get(SEC_WEBSOCKET_PROTOCOL);
    let spoken = spoken.map(|spoken| format!(", subprotocol {}", said(&String::from_utf8_lossy(spoken.as_bytes()))));
    format!("{}{}", answer.status(), spoken.unwrap_or_default())
}
