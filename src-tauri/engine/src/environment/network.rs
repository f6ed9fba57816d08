//! What the routes of this computer say right now. Nothing is sent: a UDP socket that is connected only asks the routes.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// The local address from which this computer would speak to this peer now. A socket to the peer with another one is a
/// socket on a path that is no more.
///
/// # Errors
/// No route leads there.
pub fn local_address_towards(peer: SocketAddr) -> io::Result<IpAddr> {
    let any = match peer {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(peer)?;
    Ok(socket.local_addr()?.ip())
}

/// Whether this computer has no route into the world, neither by IPv4 nor by IPv6. It says nothing of peers that have a
/// route of their own: those on this computer and in its own networks. Addresses of documentation (RFC 5737, RFC 3849)
/// stand for the world, for nobody has them.
pub fn is_offline() -> bool {
    let world = [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))];
    let leads_nowhere =
        |address| local_address_towards(SocketAddr::new(address, DISCARD)).is_err_and(|error| is_no_route(&error));
    world.into_iter().all(leads_nowhere)
}

/// The port of the discard service (RFC 863); a port has to be named.
const DISCARD: u16 = 9;

/// Whether the error says that no route leads there. Only what says so: a socket that may not be made proves nothing.
pub(crate) fn is_no_route(error: &io::Error) -> bool {
    // The last is what a computer says whose IPv6 is switched off: it has no address to connect from.
    let says_so = matches!(
        error.kind(),
        ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable | ErrorKind::AddrNotAvailable
    );
    says_so || lacks_protocol(error)
}

/// `EAFNOSUPPORT` has no kind of its own.
#[cfg(unix)]
fn lacks_protocol(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
}

/// `WSAEAFNOSUPPORT`.
#[cfg(windows)]
fn lacks_protocol(error: &io::Error) -> bool {
    error.raw_os_error() == Some(10_047)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_this_computer_begins_at_this_computer() {
        let towards = |peer: &str| local_address_towards(peer.parse().unwrap()).unwrap().to_string();
        assert_eq!(towards("127.0.0.1:80"), "127.0.0.1");
        assert_eq!(towards("127.0.0.9:80"), "127.0.0.1");
    }

    #[test]
    fn only_an_answer_of_the_routes_means_that_there_is_none() {
        let says_so = |kind: ErrorKind| is_no_route(&kind.into());
        assert!(says_so(ErrorKind::NetworkUnreachable));
        assert!(says_so(ErrorKind::AddrNotAvailable));
        assert!(!says_so(ErrorKind::PermissionDenied));
        assert!(!says_so(ErrorKind::ConnectionRefused));
    }

    #[cfg(unix)]
    #[test]
    fn a_computer_without_a_protocol_has_no_route_by_it() {
        assert!(is_no_route(&rustix::io::Errno::AFNOSUPPORT.into()));
        assert!(is_no_route(&rustix::io::Errno::NETUNREACH.into()));
        assert!(!is_no_route(&rustix::io::Errno::MFILE.into()));
    }
}
