//! Who is told of the steps of a dial, so that a person can see how far it comes. Usually nobody is.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ClientConnection;
use tokio_tungstenite::tungstenite::handshake::client::Response;
use tokio_tungstenite::tungstenite::http::StatusCode;
use url::Url;

use heartwire_core::cause::Cause;
use heartwire_core::link::Heartbeat;

/// A step of a dial, or of what follows it, that was made.
pub(crate) enum Passed<'p> {
    /// The secret is there; false: none is needed.
    Secret(bool),
    /// It is known by which proxy the server of the URL is reached, if by any.
    Proxy(&'p Url, Option<&'p dyn fmt::Display>),
    /// The host, or the proxy's, has these addresses.
    Addresses(&'p [SocketAddr]),
    /// TCP is connected to the server or the proxy.
    Connected(SocketAddr),
    /// The proxy has opened the way to the server.
    Tunnel,
    /// TLS is agreed on, and the server is who it should be.
    Secured(&'p ClientConnection),
    /// The server sends us elsewhere, and we go.
    Redirected(StatusCode),
    /// The upgrade is granted.
    Upgraded(&'p Response),
    /// The two sides have agreed on how the link is proved.
    Agreed(&'p Heartbeat),
    /// Something is fetched beside the socket.
    Fetching,
    /// It came to its end, or a try failed.
    Fetched(Result<(), &'p Cause>),
}

/// Who is told of the steps.
#[derive(Clone, Default)]
pub struct Watch(Option<Arc<Told>>);

type Told = dyn Fn(Passed<'_>) + Send + Sync;

impl Watch {
    pub(crate) fn new(told: impl Fn(Passed<'_>) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(told)))
    }

    pub(crate) fn tell(&self, passed: Passed<'_>) {
        if let Some(told) = &self.0 {
            told(passed);
        }
    }
}
