//! SOCKS5 (RFC 1928) with user and password (RFC 1929) by tokio-socks, which reads exactly the proxy's answers and
//! nothing of the server's.

use std::borrow::Cow;
use std::net::SocketAddr;

use tokio::net::TcpStream;
use tokio_socks::tcp::Socks5Stream;
use tokio_socks::{Error, TargetAddr};
use url::Host;

use heartwire_core::cause::Cause;

use super::Via;

/// No tunnel.
pub(super) enum Failure {
    /// The proxy works, but cannot reach this address of the server.
    Unreached(Cause),
    /// Nothing to be had through this proxy.
    Other(Cause),
}

impl From<Cause> for Failure {
    fn from(cause: Cause) -> Self {
        Self::Other(cause)
    }
}

impl From<Failure> for Cause {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unreached(cause) | Failure::Other(cause) => cause,
        }
    }
}

/// The server as the proxy is told of it: a name stays one.
pub(super) fn target<'h>(host: &Host<&'h str>, port: u16) -> TargetAddr<'h> {
    match host {
        Host::Domain(name) => TargetAddr::Domain(Cow::Borrowed(name), port),
        Host::Ipv4(address) => TargetAddr::Ip(SocketAddr::from((*address, port))),
        Host::Ipv6(address) => TargetAddr::Ip(SocketAddr::from((*address, port))),
    }
}

/// Asks the proxy for a tunnel. Dropping the future closes the stream.
pub(super) async fn connect(via: &Via, tcp: TcpStream, target: TargetAddr<'_>) -> Result<TcpStream, Failure> {
    let shown = target.to_string();
    let asked = match via.address.credentials() {
        Some((user, password)) => Socks5Stream::connect_with_password_and_socket(tcp, target, &user, &password).await,
        None => Socks5Stream::connect_with_socket(tcp, target).await,
    };
    asked.map(Socks5Stream::into_inner).map_err(|error| refused(via, &error, &shown))
}

/// The reply codes of RFC 1928, section 6, and what can go wrong before one.
fn refused(via: &Via, error: &Error, target: &str) -> Failure {
    let unreached = |why: &str| Failure::Unreached(via.failed(&format!("could not reach {target}: {why}")));
    let other = |how: &str| Failure::Other(via.failed(how));
    match error {
        Error::NetworkUnreachable => unreached("its network leads there by no way"),
        Error::HostUnreachable => unreached("it finds no way to that host, or no address for its name"),
        Error::ConnectionRefused => unreached("nobody listens there"),
        Error::TtlExpired => unreached("no answer came in time"),
        Error::GeneralSocksServerFailure => unreached("it failed and does not say why"),
        Error::AddressTypeNotSupported => unreached("it does not know this kind of address"),
        Error::ConnectionNotAllowedByRuleset => other(&format!("does not allow {target}")),
        Error::CommandNotSupported => other("makes no connections for others"),
        Error::NoAcceptableAuthMethods if via.address.credentials().is_some() => {
            other("takes neither user and password nor none")
        }
        Error::NoAcceptableAuthMethods => {
            other("wants a user and a password: write them before its host, as user:password@")
        }
        Error::PasswordAuthFailure(_) | Error::AuthorizationRequired => other("refused the user and password"),
        Error::Io(_) => other("ended the connection before it answered"),
        Error::InvalidTargetAddress(_) => other(&format!("cannot be asked for {target}: the name is too long")),
        Error::InvalidAuthValues(_) => other("cannot be told this user and password: they are too long"),
        Error::UnknownAuthMethod | Error::UnknownError => other("gives an answer that SOCKS5 does not know"),
        Error::InvalidResponseVersion
        | Error::InvalidReservedByte
        | Error::UnknownAddressType
        | Error::ParseError(_)
        | Error::ProxyServerUnreachable
        | Error::IdentdAuthFailure
        | Error::InvalidUserIdAuthFailure => other("does not answer in SOCKS5"),
    }
}
