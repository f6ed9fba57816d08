//! Each fault by itself, and the invariants that it might break.

use std::time::{Duration, Instant};

use heartwire_core::link::{DIAL_GAP, HeartbeatKind};
use heartwire_core::settings::Connection;
use heartwire_core::view::LinkState;
use heartwire_engine::driver::DriverEventKind;
use heartwire_engine::tls::TlsConfig;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::ALONE;
use crate::heard::Heard;
use crate::proxy::{Course, Fault, Holes, Kind, Proxy, Way};
use crate::rig::{AGES, EVERY, Link, TIMEOUT, connection, listener, patient};
use crate::server::{ECHO, seen, serve};
use crate::tcp_table::Entry;

/// How late a busy machine may be.
const BUSY: Duration = Duration::from_secs(2);

const CAP: Duration = Duration::from_millis(100);

/// A server and a proxy before it.
struct Net {
    proxy: Proxy,
    _server: JoinSet<()>,
}

impl Net {
    async fn start(talks: Option<Duration>, plan: impl Fn(usize) -> Course + Send + 'static) -> Self {
        let (listener, port) = listener().await;
        let mut server = JoinSet::new();
        server.spawn(serve(listener, seen(), talks));
        Self { proxy: Proxy::start(port, plan), _server: server }
    }

    async fn plain() -> Self {
        Self::start(None, |_| Course::default()).await
    }

    fn connection(&self) -> Connection {
        connection(self.proxy.port)
    }

    /// How long the newest connection has brought nothing to the client, at least.
    fn silence(&self) -> Duration {
        self.proxy.passed().last().unwrap().last.elapsed()
    }

    /// Whether the link has a descriptor of its connection of this number.
    fn is_open(&self, number: usize) -> bool {
        let client = self.proxy.passed()[number].client;
        Entry::to_port(self.proxy.port).iter().any(|socket| socket.local_port == client && socket.held)
    }
}

/// How long the upgrade request is, and its answer.
async fn handshake() -> (usize, usize) {
    let net = Net::plain().await;
    let mut link = Link::start(net.connection());
    link.until(LinkState::Connected).await;
    let passed = net.proxy.passed().remove(0);
    (passed.up, passed.head().unwrap())
}

#[tokio::test]
async fn invariant_1_a_black_hole_in_either_direction_is_noticed_in_time_and_not_before() {
    for holes in [Holes { up: true, down: false }, Holes { up: false, down: true }, Holes::BOTH] {
        for kind in [HeartbeatKind::Text("beat".to_owned()), HeartbeatKind::Ping] {
            let net = Net::plain().await;
            let mut connection = net.connection();
            connection.heartbeat.kind = kind;
            let mut link = Link::start(connection);
            link.round_trip().await;
            net.proxy.swallow(holes);
            let cut = Instant::now();
            let status = link.until(LinkState::Waiting).await;
            let silence = net.silence();
            assert!(silence >= EVERY + TIMEOUT, "{holes:?}: {silence:?}");
            assert!(status.silent_for >= EVERY + TIMEOUT, "{holes:?}: {:?}", status.silent_for);
            assert!(cut.elapsed() <= EVERY + TIMEOUT + BUSY, "{holes:?}: {:?}", cut.elapsed());
            assert_eq!(status.cause.unwrap().view().code, "heartbeat-timeout");
            assert!(!net.is_open(0), "{holes:?}");
            net.proxy.swallow(Holes::NONE);
            link.until(LinkState::Connected).await;
        }
    }
}

#[tokio::test]
async fn invariant_2_a_stall_in_the_middle_of_8_mib_is_noticed_in_time_and_not_before() {
    for at in [70_000, 1 << 20] {
        let stall = Kind::Stall { lasting: None, both: false };
        let net = Net::start(None, move |_| Course::one(Way::Up, at, stall.clone())).await;
        let mut link = Link::start(net.connection());
        link.until(LinkState::Connected).await;
        let sending = Instant::now();
        let text = link.send("x".repeat(8 << 20));
        let status = link.until(LinkState::Waiting).await;
        assert!(net.silence() >= EVERY + TIMEOUT, "{:?}", net.silence());
        assert!(sending.elapsed() <= EVERY + TIMEOUT + BUSY, "{:?}", sending.elapsed());
        assert_eq!(status.cause.unwrap().view().code, "heartbeat-timeout");
        assert!(timeout(AGES, text).await.unwrap().unwrap().is_err());
        assert_eq!(net.proxy.passed()[0].up, at, "the text was cut where the test wants it");
        assert!(!net.is_open(0));
    }
}

/// A fault, where it is, and the cause that it must be given.
type Case = (Way, usize, Kind, &'static str);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invariant_12_after_each_fault_a_dial_starts_within_the_cap_and_no_descriptor_is_left() {
    let _alone = ALONE.lock().await;
    let (request, answer) = handshake().await;
    let mut running = JoinSet::new();
    for case in cases(request, answer) {
        running.spawn(one_fault(case));
    }
    running.join_all().await;
}

/// Every kind of fault at the beginning, in the handshake, right after it and in the middle of the first frame.
fn cases(request: usize, answer: usize) -> Vec<Case> {
    let mut cases = Vec::new();
    for (way, whole) in [(Way::Up, request), (Way::Down, answer)] {
        for at in [0, 60, whole, whole + 3] {
            cases.extend([Kind::Reset, Kind::HalfClose, Kind::Close].map(|kind| (way, at, kind, "reset")));
            for both in [true, false] {
                // Right behind the request both ways stall before the answer.
                let is_upgraded = at > whole || at == whole && !(both && way == Way::Up);
                let expected = if is_upgraded { "heartbeat-timeout" } else { "connect-timeout" };
                cases.push((way, at, Kind::Stall { lasting: None, both }, expected));
            }
        }
    }
    // One deadline holds for the whole dial, however busy the server seems.
    let trickle = Kind::Pieces { size: 1, pause: Duration::from_millis(40) };
    cases.push((Way::Down, 0, trickle.clone(), "connect-timeout"));
    cases.push((Way::Up, 0, trickle, "connect-timeout"));
    cases.push((Way::Down, 0, Kind::Garbage(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()), "protocol"));
    // A text that is not UTF-8.
    cases.push((Way::Down, answer, Kind::Garbage(vec![0x81, 1, 0xff]), "protocol"));
    cases
}

async fn one_fault((way, at, kind, expected): Case) {
    let case = format!("{way:?} {at} {kind:?}");
    let net = Net::start(None, move |number| match number {
        0 => Course::one(way, at, kind.clone()),
        _ => Course::default(),
    })
    .await;
    let mut connection = net.connection();
    if expected == "connect-timeout" {
        connection.connect_timeout = Duration::from_secs(2);
    }
    if expected != "heartbeat-timeout" {
        connection.heartbeat.timeout = AGES;
    }
    let mut link = Link::start(connection);
    let retry_in = loop {
        if let DriverEventKind::Status(status, Some(retry_in)) = link.next().await {
            assert_eq!(status.state, LinkState::Waiting, "{case}");
            assert_eq!(status.cause.unwrap().view().code, expected, "{case}");
            break retry_in;
        }
    };
    assert!(!net.is_open(0), "{case}: the loss is told while the descriptor is open");
    assert!(retry_in <= CAP.max(DIAL_GAP), "{case}: {retry_in:?}");
    let waiting = Instant::now();
    link.until(LinkState::Connecting).await;
    assert!(waiting.elapsed() <= retry_in + BUSY, "{case}: {:?}", waiting.elapsed());
    link.until(LinkState::Connected).await;
    link.round_trip().await;
}

#[tokio::test]
async fn invariant_5_a_message_that_comes_one_byte_at_a_time_is_alive() {
    let pieces = Kind::Pieces { size: 1, pause: Duration::from_millis(8) };
    let (_, answer) = handshake().await;
    let net = Net::start(None, move |_| Course::one(Way::Down, answer, pieces.clone())).await;
    let mut link = Link::start(net.connection());
    link.until(LinkState::Connected).await;
    let text = ECHO.to_owned() + &"byte by byte ".repeat(15);
    let took = Instant::now();
    let sent = link.send(text.clone());
    assert_eq!(link.message().await, text);
    assert!(took.elapsed() > 2 * (EVERY + TIMEOUT), "slow enough to matter: {:?}", took.elapsed());
    assert_eq!(sent.await.unwrap(), Ok(()));
    assert_eq!(link.times(LinkState::Waiting), 0, "{:?}", link.seen);
}

#[tokio::test]
async fn invariant_7_an_answer_in_pieces_is_no_message_and_a_message_in_pieces_is_one() {
    for size in 1..=9 {
        let pieces = |way| Fault { way, at: 0, kind: Kind::Pieces { size, pause: Duration::ZERO } };
        let course = Course { faults: vec![pieces(Way::Up), pieces(Way::Down)], then_away: None };
        let net = Net::start(Some(Duration::from_millis(40)), move |_| course.clone()).await;
        let mut connection = net.connection();
        (connection.heartbeat.every, connection.heartbeat.timeout) = (Duration::from_millis(50), AGES);
        connection.heartbeat.always = true;
        let mut link = Link::start(connection);
        let mut heard = Heard::default();
        while heard.round_trips() < 3 {
            heard.next(&mut link, CAP).await;
        }
        heard.stop(link, CAP).await;
        heard.agrees_with(&net.proxy.passed());
        assert!(heard.summary().0 > 0);
    }
}

#[tokio::test]
async fn invariant_8_no_timer_and_no_heartbeat_of_an_old_socket_ends_the_next_one() {
    let (_, answer) = handshake().await;
    let mute = Kind::Stall { lasting: None, both: false };
    let net = Net::start(None, move |_| Course::one(Way::Down, answer, mute.clone())).await;
    let mut link = Link::start(net.connection());
    for _ in 0..4 {
        // Each dies by its own silence, which began with its own last byte.
        let status = link.until(LinkState::Waiting).await;
        assert!(status.silent_for >= EVERY + TIMEOUT, "{:?}", status.silent_for);
        assert!(net.silence() >= EVERY + TIMEOUT, "{:?}", net.silence());
        assert_eq!(status.cause.unwrap().view().code, "heartbeat-timeout");
    }
}

#[tokio::test]
async fn invariant_10_a_peer_that_died_while_nobody_took_its_messages_is_noticed_after_that() {
    let net = Net::start(Some(Duration::from_millis(20)), |_| Course::default()).await;
    let mut link = Link::with(net.connection(), TlsConfig::platform(), 1);
    link.message().await;
    // Reading stops, because what was read is not taken; then the peer is gone.
    sleep(EVERY).await;
    net.proxy.swallow(Holes::BOTH);
    sleep(3 * (EVERY + TIMEOUT)).await;
    let resumed = Instant::now();
    let status = link.until(LinkState::Waiting).await;
    assert_eq!(status.cause.unwrap().view().code, "heartbeat-timeout");
    assert!(
        resumed.elapsed() >= EVERY + TIMEOUT,
        "judged for the time in which it was not read: {:?}",
        resumed.elapsed()
    );
    assert!(resumed.elapsed() <= EVERY + TIMEOUT + BUSY, "{:?}", resumed.elapsed());
    assert!(!net.is_open(0));
}

#[tokio::test]
async fn invariant_13_a_server_too_busy_to_accept_is_given_up_at_the_deadline() {
    const ALLOWED: Duration = Duration::from_millis(500);
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    // Nobody accepts, and nobody else has room to wait for that.
    let listener = socket.listen(1).unwrap();
    let at = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) = timeout(Duration::from_millis(200), TcpStream::connect(at)).await {
        waiting.push(stream.unwrap());
    }
    let mut connection = patient(at.port());
    connection.connect_timeout = ALLOWED;
    let begun = Instant::now();
    let mut link = Link::start(connection);
    for _ in 0..2 {
        let (code, text) = link.lost().await;
        assert_eq!(code, "connect-timeout");
        // On a busy machine the link's own deadline, 50 ms later, may speak instead.
        assert!(
            ["no answer to the TCP connect within 0.5 s", "no connection within 500 ms"].contains(&text.as_str()),
            "{text}"
        );
        assert!(begun.elapsed() >= ALLOWED, "{:?}", begun.elapsed());
    }
    assert!(
        begun.elapsed() >= 2 * ALLOWED && begun.elapsed() <= 2 * ALLOWED + DIAL_GAP + BUSY,
        "{:?}",
        begun.elapsed()
    );
    // A place in the queue is free again, and the link takes it.
    drop(listener.accept().await.unwrap());
    drop(waiting);
    let server = tokio::spawn(serve(listener, seen(), None));
    link.until(LinkState::Connected).await;
    server.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invariant_30_a_stop_takes_a_second_at_most_wherever_the_connection_hangs() {
    let (request, answer) = handshake().await;
    let mut running = JoinSet::new();
    for (way, whole) in [(Way::Up, request), (Way::Down, answer)] {
        for at in [0, 60, whole, whole + 100] {
            for both in [false, true] {
                running.spawn(async move {
                    let stall = Kind::Stall { lasting: None, both };
                    let net = Net::start(None, move |_| Course::one(way, at, stall.clone())).await;
                    let mut connection = net.connection();
                    connection.heartbeat.timeout = AGES;
                    let link = Link::start(connection);
                    sleep(EVERY).await;
                    let text = link.send("x".repeat(8 << 20));
                    sleep(EVERY).await;
                    Heard::default().stop(link, CAP).await;
                    assert!(Entry::to_port(net.proxy.port).iter().all(|socket| !socket.held), "{way:?} {at} {both}");
                    // Told, whichever way it went.
                    let _ = timeout(AGES, text).await.unwrap().unwrap();
                });
            }
        }
    }
    running.join_all().await;
}

/// A slow relay may hand the answer on in any pieces; the deadline of the dial is what ends it, and nothing else.
#[tokio::test]
async fn invariant_5_an_upgrade_answer_in_pieces_of_any_size_is_taken() {
    for size in [1, 2, 3] {
        let pieces = Kind::Pieces { size, pause: Duration::from_millis(3) };
        let net = Net::start(None, move |_| Course::one(Way::Down, 0, pieces.clone())).await;
        let mut link = Link::start(net.connection());
        link.until(LinkState::Connected).await;
        assert_eq!(link.times(LinkState::Waiting), 0, "pieces of {size}: {:?}", link.seen);
    }
}
