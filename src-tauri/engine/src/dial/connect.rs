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

use super::{Deadline, Passed, failure, offline};

/// How long an address may be silent before the next one is tried beside it (RFC 8305, section 5: the recommended
/// Connection Attempt Delay).
const HEAD_START: Duration = Duration::from_millis(250);

/// A connection to a host, within the deadline.
pub(super) async fn reach(host: &Host<&str>, port: u16, deadline: &Deadline) -> Result<TcpStream, Cause> {
    let addresses = deadline.within("the name server did not answer", resolve(host, port)).await;
    // One that does not answer may have nobody to ask.
    let addresses = addresses.map_err(|cause| offline::cause().unwrap_or(cause))?;
    deadline.passed(Passed::Addresses(&addresses));
    let mut race = Race { addresses, failed: Vec::new() };
    let won = deadline.within("no answer to the TCP connect", race.run()).await;
    let won = won.map_err(|cause| race.with_failures(cause))?;
    if let Ok(at) = won.peer_addr() {
        deadline.passed(Passed::Connected(at));
    }
    Ok(won)
}

/// The addresses of a host, in the order in which they are tried. The resolver of the system asks for both families at
/// once and sorts what it finds (RFC 8305, sections 3 and 4).
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
        let unknown = || Cause::new(CauseCode::Dns, format!("the name {name} has no address"));
        return Err(offline::cause().unwrap_or_else(unknown));
    }
    Ok(alternating(found))
}

/// Attempts at several addresses. It outlives its run, so that a deadline that ends the run does not hide what had
/// failed before.
struct Race {
    addresses: Vec<SocketAddr>,
    failed: Vec<(SocketAddr, io::Error)>,
}

impl Race {
    /// The first connection that succeeds; if none does, the most telling failure.
    async fn run(&mut self) -> Result<TcpStream, Cause> {
        let mut waiting = self.addresses.iter().copied();
        let mut trying = FuturesUnordered::new();
        let attempt = |at: SocketAddr| async move { connect_to(at).await.map_err(|error| (at, error)) };
        trying.extend(waiting.next().map(attempt));
        loop {
            let next: Option<Result<TcpStream, (SocketAddr, io::Error)>> = if waiting.len() == 0 {
                trying.next().await
            } else if let Ok(next) = timeout(HEAD_START, trying.next()).await {
                next
            } else {
                trying.extend(waiting.next().map(attempt));
                continue;
            };
            match next {
                Some(Ok(stream)) => return Ok(stream),
                Some(Err(failed)) => {
                    self.failed.push(failed);
                    trying.extend(waiting.next().map(attempt));
                }
                None => return Err(self.lost()),
            }
        }
    }

    /// Nobody won.
    fn lost(&self) -> Cause {
        let nowhere = self.failed.iter().all(|(_, error)| offline::is_no_route(error));
        let offline = if nowhere { offline::cause() } else { None };
        offline.unwrap_or_else(|| failure::connecting_to_any(&self.failed))
    }

    /// What the deadline says of the silent addresses, with what others answered.
    fn with_failures(&self, cause: Cause) -> Cause {
        if cause.code != CauseCode::ConnectTimeout || self.failed.is_empty() {
            return cause;
        }
        let failed = failure::connecting_to_any(&self.failed);
        Cause { text: format!("{}; {}", cause.text, failed.text), ..cause }
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
    use socket2::{Domain, Socket, Type};
    use tokio::net::{TcpListener, TcpSocket};
    use tokio::time::Instant;

    use super::*;

    const LOCAL: &str = "127.0.0.1:0";

    #[tokio::test]
    async fn a_connection_to_itself_is_refused_and_leaves_the_port_free() {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(LOCAL.parse().unwrap()).unwrap();
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

    /// The outcome of a race, as Ok(winner) or the cause.
    async fn race(addresses: Vec<SocketAddr>, allowed: Duration) -> Result<SocketAddr, Cause> {
        let mut race = Race { addresses, failed: Vec::new() };
        let deadline = Deadline::after(allowed);
        let won = deadline.within("no answer to the TCP connect", race.run()).await;
        won.map(|stream| stream.peer_addr().unwrap()).map_err(|cause| race.with_failures(cause))
    }

    fn refusing() -> SocketAddr {
        std::net::TcpListener::bind(LOCAL).unwrap().local_addr().unwrap()
    }

    /// A listener whose queue is full, so that Linux drops every further SYN as a black hole would.
    struct BlackHole {
        listener: Socket,
        _queued: Vec<Socket>,
    }

    impl BlackHole {
        fn new() -> Self {
            let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            listener.bind(&LOCAL.parse::<SocketAddr>().unwrap().into()).unwrap();
            listener.listen(0).unwrap();
            let at = listener.local_addr().unwrap();
            let mut queued = Vec::new();
            for _ in 0..16 {
                let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
                match socket.connect_timeout(&at, Duration::from_millis(300)) {
                    Ok(()) => queued.push(socket),
                    Err(_) => return Self { listener, _queued: queued },
                }
            }
            panic!("the queue of a listener is never full here");
        }

        fn at(&self) -> SocketAddr {
            self.listener.local_addr().unwrap().as_socket().unwrap()
        }
    }

    const AGES: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn a_refusal_leads_to_the_next_address_at_once_and_silence_after_the_head_start() {
        let good = TcpListener::bind(LOCAL).await.unwrap();
        let good_at = good.local_addr().unwrap();
        let started = Instant::now();
        assert_eq!(race(vec![refusing(), refusing(), good_at], AGES).await.unwrap(), good_at);
        assert!(started.elapsed() < 2 * HEAD_START, "{:?}", started.elapsed());

        let hole = BlackHole::new();
        let started = Instant::now();
        assert_eq!(race(vec![hole.at(), good_at], AGES).await.unwrap(), good_at);
        assert!(started.elapsed() >= HEAD_START, "{:?}", started.elapsed());
        assert!(started.elapsed() < HEAD_START + Duration::from_secs(1), "{:?}", started.elapsed());
    }

    #[tokio::test]
    async fn silence_at_one_address_does_not_hide_what_another_answered() {
        let hole = BlackHole::new();
        let refusing = refusing();
        let cause = race(vec![refusing, hole.at()], Duration::from_millis(400)).await.unwrap_err();
        assert_eq!(cause.code, CauseCode::ConnectTimeout);
        assert_eq!(cause.text, format!("no answer to the TCP connect within 0.4 s; nobody listens at {refusing}"));
        let cause = race(vec![hole.at()], Duration::from_millis(50)).await.unwrap_err();
        assert_eq!(cause.text, "no answer to the TCP connect within 0.05 s");
    }
}
