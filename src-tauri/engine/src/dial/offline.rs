//! Whether a dial failed for want of any network: then nothing is said of the server, and waiting costs it nothing.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};

use heartwire_core::cause::{Cause, CauseCode};

/// The discard service (RFC 863); a port has to be named.
const PORT: u16 = 9;

/// The cause, if this computer has no route into the world by either protocol. Addresses of documentation (RFC 5737, RFC
/// 3849), which nobody has, stand for the world. Nothing is sent: a UDP socket that is connected only asks the routes.
pub(super) fn cause() -> Option<Cause> {
    let old = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0));
    let old = old.and_then(|socket| socket.connect((Ipv4Addr::new(192, 0, 2, 1), PORT)));
    let new = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0));
    let new = new.and_then(|socket| socket.connect((Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), PORT)));
    let nowhere = old.is_err_and(|error| is_no_route(&error)) && new.is_err_and(|error| is_no_route(&error));
    nowhere.then(|| Cause { offline: true, ..Cause::new(CauseCode::Unreachable, "this computer has no network") })
}

/// Only what says so: a socket that may not be made proves nothing.
pub(super) fn is_no_route(error: &io::Error) -> bool {
    // The last is what a computer says that has no address to connect from.
    matches!(error.kind(), ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable | ErrorKind::AddrNotAvailable)
}
