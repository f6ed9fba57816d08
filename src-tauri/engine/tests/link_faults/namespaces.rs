//! Links between computers of the test's own, whose wires and routes fail.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use heartwire_core::link::{CONNECT_GRACE, DIAL_GAP};
use heartwire_core::settings::Connection;
use heartwire_core::view::LinkState;
use tokio::net::TcpSocket;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::heard::Heard;
use crate::netns::{Namespace, Routed, or_skip};
use crate::rig::{AGES, EVERY, Link, TIMEOUT, assert_about, connection};
use crate::server::{Seen, seen, serve};
use crate::tcp_table::TcpState;

const PORT: u16 = 4242;

/// How long a dial may take here.
const CONNECT: Duration = Duration::from_millis(700);

/// No dial waits longer than this.
const CAP: Duration = Duration::from_millis(100);

/// How late a busy machine may be.
const BUSY: Duration = Duration::from_secs(2);

#[test]
fn invariant_1_a_silent_black_hole_is_noticed_in_time_and_the_link_is_back_when_it_ends() {
    let name = "invariant_1_a_silent_black_hole_is_noticed_in_time_and_the_link_is_back_when_it_ends";
    let Some(routed) = or_skip(name, Routed::new()) else { return };
    let server = Server::on(&routed.server);
    on(&routed.client, async {
        let mut link = Link::start(to_server());
        for _ in 0..2 {
            link.round_trip().await;
            routed.forward(false);
            let cut = Instant::now();
            let (silent_for, spoke) = dies(&mut link, &server).await;
            assert!(spoke.elapsed() >= EVERY + TIMEOUT, "{:?}", spoke.elapsed());
            assert!(silent_for >= EVERY + TIMEOUT, "{silent_for:?}");
            assert!(cut.elapsed() <= EVERY + TIMEOUT + BUSY, "{:?}", cut.elapsed());
            assert_eq!(left(&routed.client), [], "the old socket waits for nobody");

            // The next dial is lost in the hole as well.
            sleep(2 * CONNECT).await;
            routed.forward(true);
            let healed = Instant::now();
            link.until(LinkState::Connected).await;
            let one_more_dial = CONNECT + CONNECT_GRACE + DIAL_GAP;
            assert!(healed.elapsed() <= one_more_dial + BUSY, "{:?}", healed.elapsed());
            link.forget();
        }
    });
}

#[test]
fn invariant_2_a_black_hole_in_the_middle_of_a_large_send_is_noticed_in_time() {
    let name = "invariant_2_a_black_hole_in_the_middle_of_a_large_send_is_noticed_in_time";
    let Some(routed) = or_skip(name, Routed::new()) else { return };
    let server = Server::on(&routed.server);
    // The network is slow enough to be cut while the text is on its way.
    routed.client.ip(&format!("link set {} mtu 600", Routed::INTERFACE));
    on(&routed.client, async {
        let mut link = Link::start(to_server());
        link.round_trip().await;
        let mut sent = Vec::new();
        while server.seen.bytes.load(Ordering::Relaxed) == 0 {
            sent.push(link.send("x".repeat(256 << 10)));
            sleep(Duration::from_millis(1)).await;
        }
        let last = link.send("y".repeat(8 << 20));
        routed.forward(false);
        let cut = Instant::now();
        let (silent_for, _) = dies(&mut link, &server).await;
        assert!(silent_for >= EVERY + TIMEOUT, "{silent_for:?}");
        assert!(cut.elapsed() <= EVERY + TIMEOUT + BUSY, "{:?}", cut.elapsed());
        assert!(timeout(AGES, last).await.unwrap().unwrap().is_err(), "whoever sent it is told");
        assert_eq!(left(&routed.client), [], "8 MiB that nobody will take are not kept for a peer that is gone");
    });
}

#[test]
fn invariant_3_nothing_of_a_dead_socket_is_left_in_the_kernel() {
    let name = "invariant_3_nothing_of_a_dead_socket_is_left_in_the_kernel";
    let Some(routed) = or_skip(name, Routed::new()) else { return };
    let server = Server::on(&routed.server);
    on(&routed.client, async {
        let mut link = Link::start(to_server());
        link.round_trip().await;
        assert_eq!(left(&routed.client), [TcpState::Established]);
        routed.forward(false);
        dies(&mut link, &server).await;
        assert_eq!(left(&routed.client), []);
        // Not even after the hole has ended: no FIN and no data was waiting for that.
        link.handle.command(heartwire_engine::driver::Command::Stop);
        timeout(AGES, link.handle.join()).await.unwrap();
        routed.forward(true);
        sleep(Duration::from_millis(300)).await;
        assert_eq!(left(&routed.client), []);
    });
}

/// What the server's kernel could not get rid of is sent again when the hole ends, to a socket that is no more.
#[test]
fn invariant_8_what_an_old_socket_was_still_to_get_is_nobodys() {
    let name = "invariant_8_what_an_old_socket_was_still_to_get_is_nobodys";
    let Some(routed) = or_skip(name, Routed::new()) else { return };
    let _server = Server::talking(&routed.server, Some(Duration::from_millis(20)));
    on(&routed.client, async {
        let mut link = Link::start(to_server());
        let mut heard = Heard::default();
        for _ in 0..2 {
            heard.message(&mut link, CAP).await;
            routed.forward(false);
            heard.until(&mut link, LinkState::Waiting, CAP).await;
            routed.forward(true);
            heard.until(&mut link, LinkState::Connected, CAP).await;
            // The old connection's retransmissions are a second apart at most by now.
            heard.listen(&mut link, Duration::from_millis(1_500), CAP).await;
        }
        heard.is_in_order();
        assert_eq!(heard.summary().1, BTreeMap::from([("heartbeat-timeout", 2)]));
    });
}

#[test]
fn a_stop_in_a_black_hole_takes_a_second_and_leaves_nothing() {
    let Some(routed) = or_skip("a_stop_in_a_black_hole_takes_a_second_and_leaves_nothing", Routed::new()) else {
        return;
    };
    let _server = Server::on(&routed.server);
    on(&routed.client, async {
        let mut connection = to_server();
        connection.heartbeat.timeout = AGES;
        let mut link = Link::start(connection);
        link.round_trip().await;
        routed.forward(false);
        let asked = Instant::now();
        link.handle.command(heartwire_engine::driver::Command::Stop);
        timeout(AGES, link.handle.join()).await.unwrap();
        assert_about(asked.elapsed(), Duration::from_secs(1));
        assert_eq!(left(&routed.client), [], "the close frame that nobody answered is not sent for ever");
    });
}

/// Both lose the way there: the link that is up finds out by its heartbeat, every dial by its error.
#[test]
fn a_computer_without_a_way_to_the_server_says_unreachable_and_dials_when_asked() {
    let name = "a_computer_without_a_way_to_the_server_says_unreachable_and_dials_when_asked";
    let Some(routed) = or_skip(name, Routed::new()) else { return };
    let server = Server::on(&routed.server);
    let no_way = "no way leads to the server at 10.81.2.2:4242";
    let cuts: [(&str, &[&str], &str); 3] = [
        ("route add blackhole 10.81.2.0/24", &["route delete blackhole 10.81.2.0/24"], no_way),
        ("route add unreachable 10.81.2.0/24", &["route delete unreachable 10.81.2.0/24"], no_way),
        (
            "link set eth0 down",
            &["link set eth0 up", "route add default via 10.81.1.1"],
            "this computer has no network",
        ),
    ];
    on(&routed.client, async {
        let mut link = Link::start(to_server());
        for (cut, heal, words) in cuts {
            link.round_trip().await;
            routed.client.ip(cut);
            let (silent_for, _) = dies(&mut link, &server).await;
            assert!(silent_for >= EVERY + TIMEOUT, "{cut}: {silent_for:?}");
            let (code, text) = link.lost().await;
            assert_eq!(code, "unreachable", "{cut}: {text}");
            assert!(text.starts_with(words), "{cut}: {text}");
            for step in heal {
                routed.client.ip(step);
            }
            link.dial_now();
            let healed = Instant::now();
            link.until(LinkState::Connected).await;
            assert!(healed.elapsed() <= CONNECT + DIAL_GAP + BUSY, "{cut}: {:?}", healed.elapsed());
            link.forget();
        }
    });
}

/// Waits until the link has found its peer dead, which must be the only trouble so far. How long nothing had been heard
/// by then, and the moment before the server last said something.
async fn dies(link: &mut Link, server: &Server) -> (Duration, Instant) {
    let status = link.until(LinkState::Waiting).await;
    let spoke = server.seen.spoke();
    assert_eq!(status.cause.unwrap().view().code, "heartbeat-timeout");
    (status.silent_for, spoke)
}

/// The states of a client's sockets to the server, but for a dial that is under way.
fn left(client: &Namespace) -> Vec<TcpState> {
    let to_server = client.sockets().into_iter().filter(|socket| socket.remote_port == PORT);
    to_server.map(|socket| socket.state).filter(|state| *state != TcpState::SynSent).collect()
}

fn to_server() -> Connection {
    let mut connection = connection(PORT);
    connection.url = format!("ws://{}:{PORT}/", Routed::SERVER).parse().unwrap();
    connection.connect_timeout = CONNECT;
    connection
}

/// What runs on one computer has a runtime of its own, whose threads belong there.
fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn on(namespace: &Namespace, work: impl Future<Output = ()> + Send) {
    namespace.run(|| runtime().block_on(work));
}

struct Server {
    seen: &'static Seen,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Server {
    fn on(namespace: &Namespace) -> Self {
        Self::talking(namespace, None)
    }

    fn talking(namespace: &Namespace, talks: Option<Duration>) -> Self {
        let seen = seen();
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let thread = namespace.spawn(move || {
            runtime().block_on(async {
                let socket = TcpSocket::new_v4().unwrap();
                socket.bind(([0, 0, 0, 0], PORT).into()).unwrap();
                let listener = socket.listen(16).unwrap();
                ready.send(()).unwrap();
                tokio::select! {
                    () = serve(listener, seen, talks) => {}
                    _ = stopped => {}
                }
            });
        });
        is_ready.recv_timeout(AGES).unwrap();
        Self { seen, stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().map(thread::JoinHandle::join);
        assert!(thread::panicking() || ended.is_some_and(|ended| ended.is_ok()), "the server failed");
    }
}
