//! Whether a socket's way to its peer is still the one it was made for.

use std::net::{IpAddr, UdpSocket};

use heartwire_core::link::Path;

use crate::environment::network::local_address_towards;
use crate::socket::Socket;

/// Compares the socket's own address with the one that a new socket to the same peer would have. Where nothing can be
/// said, for there may be no network at the moment, the path counts as the same: the heartbeat will tell.
pub(super) fn of(socket: &Socket) -> Path {
    let Ok((own, peer)) = socket.addresses() else { return Path::Same };
    match local_address_towards(peer) {
        Ok(new) if moved(own.ip(), new) => Path::Moved,
        Ok(_) | Err(_) => Path::Same,
    }
}

fn moved(own: IpAddr, new: IpAddr) -> bool {
    own != new && !(renewed(own, new) && is_ours(own))
}

/// A temporary IPv6 address is replaced every day while the old one goes on working (RFC 8981, section 3.4).
fn renewed(own: IpAddr, new: IpAddr) -> bool {
    match (own, new) {
        (IpAddr::V6(own), IpAddr::V6(new)) => own.segments()[..4] == new.segments()[..4],
        (IpAddr::V4(_) | IpAddr::V6(_), _) => false,
    }
}

/// Whether this computer still has the address.
fn is_ours(own: IpAddr) -> bool {
    UdpSocket::bind((own, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_address_is_another_path_unless_it_is_only_renewed() {
        let check = |own: &str, new: &str, expected: bool| {
            assert_eq!(moved(own.parse().unwrap(), new.parse().unwrap()), expected, "{own} {new}");
        };
        check("192.0.2.1", "192.0.2.1", false);
        check("192.0.2.1", "192.0.2.2", true);
        check("127.0.0.1", "192.0.2.2", true);
        // Renewed, but the old one is no address of this computer any more.
        check("2001:db8::1", "2001:db8::2", true);
        // Renewed while this computer still has the old one; `::1` stands for that here.
        check("::1", "::2", false);
        check("::1", "2001:db8::2", true);
    }
}
