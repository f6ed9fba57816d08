//! From a host to a TCP connection. Of several addresses the next one is tried as soon as the one before has failed, or
//! has been silent for a moment (RFC 8305, section 5), so that one dead address does not use up the deadline.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use url::Host;

use heartwire_core::cause::{Cause, CauseCode};

use super::failure;

/// How long an address may be silent before the next one is tried beside it.
const HEAD_START: Duration = Duration::from_millis(250);

/// The addresses of a host, in the order in which they are tried.
pub(super) async fn resolve(host: &Host<&str>, port: u16) -> Result<Vec<SocketAddr>, Cause> {
    let name = match host {
        Host::Ipv4(address) => return Ok(vec![SocketAddr::from((*address, port))]),
        Host::Ipv6(address) => return Ok(vec![SocketAddr::from((*address, port))]),
        Host::Domain(name) => *name,
    };
    let found: Vec<_> = match lookup_host((name, port)).await {
        Ok(found) => found.collect(),
        Err(_) => Vec::new(),
    };
    if found.is_empty() {
        return Err(Cause::new(CauseCode::Dns, format!("the name {name} has no address")));
    }
    Ok(alternating(found))
}

/// The first connection that succeeds; if none does, why the last one failed.
pub(super) async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, Cause> {
    let mut waiting = addresses.iter().copied();
    let mut trying = FuturesUnordered::new();
    let mut last = Cause::new(CauseCode::Dns, "the host has no address");
    let attempt = |at: SocketAddr| async move { connect_to(at).await.map_err(|error| (error, at)) };
    trying.extend(waiting.next().map(attempt));
    loop {
        let next: Option<Result<TcpStream, (io::Error, SocketAddr)>> = if waiting.len() == 0 {
            trying.next().await
        } else if let Ok(next) = timeout(HEAD_START, trying.next()).await {
            next
        } else {
            trying.extend(waiting.next().map(attempt));
            continue;
        };
        match next {
            Some(Ok(stream)) => return Ok(stream),
            Some(Err((error, at))) => {
                last = failure::connecting(&error, Some(at));
                trying.extend(waiting.next().map(attempt));
            }
            None => return Err(last),
        }
    }
}

/// A dial to a local port that nobody listens at may be given that port for its own end, and then TCP connects it to
/// itself (RFC 9293, section 3.5). That is nobody listening too, and must not keep the port from a server.
async fn connect_to(at: SocketAddr) -> io::Result<TcpStream> {
    to_another(TcpStream::connect(at).await?)
}

fn to_another(stream: TcpStream) -> io::Result<TcpStream> {
    if stream.local_addr()? == stream.peer_addr()? {
        // Closed in good order it would keep the port for another minute (TIME-WAIT, RFC 9293, section 3.6).
        stream.set_zero_linger()?;
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    Ok(stream)
}

/// The families take turns, in the order of the resolver, so that a network without one of them costs one head start.
fn alternating(found: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_family = found.first().is_some_and(SocketAddr::is_ipv6);
    let (preferred, other): (Vec<_>, Vec<_>) = found.into_iter().partition(|at| at.is_ipv6() == first_family);
    let mut other = other.into_iter();
    let mut order: Vec<_> = preferred.into_iter().flat_map(|at| [Some(at), other.next()]).flatten().collect();
    order.extend(other);
    order
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpSocket;

    use super::*;

    #[tokio::test]
    async fn a_connection_to_itself_is_refused_and_leaves_the_port_free() {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let at = socket.local_addr().unwrap();
        let stream = socket.connect(at).await.unwrap();
        assert_eq!(to_another(stream).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        std::net::TcpListener::bind(at).unwrap();
    }

    fn check(found: &[&str], expected: &[&str]) {
        let parse = |list: &[&str]| list.iter().map(|at| at.parse().unwrap()).collect::<Vec<SocketAddr>>();
        assert_eq!(alternating(parse(found)), parse(expected));
    }

    #[test]
    fn families_take_turns_and_none_is_lost() {
        check(&["[::1]:1", "[::2]:1", "1.1.1.1:1"], &["[::1]:1", "1.1.1.1:1", "[::2]:1"]);
        check(&["1.1.1.1:1", "[::1]:1", "[::2]:1", "[::3]:1"], &["1.1.1.1:1", "[::1]:1", "[::2]:1", "[::3]:1"]);
        check(&[], &[]);
    }
}
