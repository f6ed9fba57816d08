//! A driver with its events, a small dialect, and the servers' side.
#![allow(dead_code, reason = "each test binary uses its own part of this")]

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use heartwire_core::dialect::{Dialect, Effects, Incoming, Item, Opening, Spec};
use heartwire_core::link::{Backoff, Heartbeat, HeartbeatKind, Jitter, LinkStatus, NotSent};
use heartwire_core::message::Message;
use heartwire_core::settings::{Auth, Connection, DialectSettings, MessageSettings, Proxy, TlsSettings};
use heartwire_core::view::LinkState;
use heartwire_engine::clock;
use heartwire_engine::dial::DialRequest;
use heartwire_engine::driver::{
    Command, ConnectionId, DialectMaker, DriverEvent, DriverEventKind, DriverHandle, DriverOptions, spawn,
};
use heartwire_engine::tls::TlsConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant as TokioInstant, timeout, timeout_at};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::{WebSocketStream, accept_async};

/// Longer than anything here may take on a busy machine.
pub const AGES: Duration = Duration::from_secs(10);

pub const EVERY: Duration = Duration::from_millis(300);
pub const TIMEOUT: Duration = Duration::from_millis(300);

/// Beats after 300 ms, waits 300 ms for the answer, and dials again after at most 100 ms.
pub fn connection(port: u16) -> Connection {
    Connection {
        name: "test".to_owned(),
        url: format!("ws://127.0.0.1:{port}/path?query=1").parse().unwrap(),
        sockjs: None,
        dialect: DialectSettings {
            spec: Spec::find("plain").unwrap(),
            subscribe: Vec::new(),
            auto_heartbeat: false,
            reply: None,
            message: MessageSettings {
                title: String::new(),
                body: String::new(),
                id: String::new(),
                ignore: Vec::new(),
            },
        },
        preset: None,
        on_open: Vec::new(),
        headers: BTreeMap::new(),
        subprotocols: Vec::new(),
        heartbeat: Heartbeat {
            kind: HeartbeatKind::Text("beat".to_owned()),
            every: EVERY,
            timeout: TIMEOUT,
            always: false,
        },
        backoff: Backoff {
            first: Duration::from_millis(100),
            cap: Duration::from_millis(100),
            fixed: None,
            jitter: Jitter::Full,
        },
        connect_timeout: Duration::from_secs(10),
        auth: Auth::None,
        tls: TlsSettings::default(),
        proxy: Proxy::None,
    }
}

/// The same, but patient: neither heartbeat nor death within a test.
pub fn patient(port: u16) -> Connection {
    let mut connection = connection(port);
    connection.heartbeat.every = Duration::from_secs(3600);
    connection
}

/// The text `beat` answers a heartbeat, `boom` makes it panic, and everything else is a message with itself as body.
pub struct Words;

impl Words {
    pub fn boxed() -> Box<dyn Dialect> {
        Box::new(Self)
    }
}

impl Dialect for Words {
    fn opened(&mut self, _: &Opening<'_>, effects: &mut Effects) {
        effects.ready = true;
    }

    fn frame(&mut self, frame: Incoming<'_>, effects: &mut Effects) {
        match frame {
            Incoming::Text("beat") => effects.heartbeat_answered = true,
            Incoming::Text("boom") => panic!("the dialect fails, as the test wants it"),
            Incoming::Text(text) => {
                effects.message(Message { body: text.to_owned(), ..Message::new("", "", "", text.len()) });
            }
            Incoming::Binary(bytes) => effects.message(Message::binary(bytes.len())),
        }
    }
}

pub struct Link {
    pub handle: DriverHandle,
    pub events: mpsc::Receiver<DriverEvent>,
    pub seen: Vec<DriverEventKind>,
    messages: VecDeque<String>,
    started: TokioInstant,
}

impl Link {
    pub fn start(connection: Connection) -> Self {
        Self::with(connection, TlsConfig::platform(), 64)
    }

    pub fn with(connection: Connection, tls: TlsConfig, capacity: usize) -> Self {
        Self::speaking(connection, tls, capacity, Box::new(Words::boxed))
    }

    pub fn speaking(connection: Connection, tls: TlsConfig, capacity: usize, dialect: DialectMaker) -> Self {
        let request = DialRequest::new(&connection, tls);
        let id = ConnectionId(7);
        Self::made_of(
            DriverOptions {
                id,
                connection,
                request,
                clock: clock::Clock::system().with_alarm(),
                seed: 1,
                dialect,
                cursor: None,
                passing: false,
            },
            capacity,
        )
    }

    /// With a clock that sleeps when the test says so.
    pub fn sleeping(connection: Connection, clock: clock::Clock) -> Self {
        let options =
            DriverOptions { clock, dialect: Box::new(Words::boxed), ..DriverOptions::new(ConnectionId(7), connection) };
        Self::made_of(options, 64)
    }

    /// With everything as the test wants it.
    pub fn made_of(options: DriverOptions, capacity: usize) -> Self {
        let (sender, events) = mpsc::channel(capacity);
        let handle = spawn(options, sender);
        handle.command(Command::Start);
        Self { handle, events, seen: Vec::new(), messages: VecDeque::new(), started: TokioInstant::now() }
    }

    /// The next event; a test that still waits for one after ages has failed.
    pub async fn next(&mut self) -> DriverEventKind {
        let event = timeout_at(self.started + 3 * AGES, self.events.recv()).await;
        let event = event.unwrap_or_else(|_| panic!("nothing else happens than {:#?}", self.seen));
        let event = event.unwrap_or_else(|| panic!("the driver has ended after {:#?}", self.seen));
        assert_eq!(event.id, ConnectionId(7));
        if let DriverEventKind::Received(_, items) = &event.kind {
            assert!(!items.is_empty());
            self.messages.extend(items.iter().filter_map(|item| match item {
                Item::Message(message) => Some(message.body.clone()),
                _ => None,
            }));
        } else {
            self.seen.push(event.kind.clone());
        }
        event.kind
    }

    /// Begins anew with what was seen and with the patience.
    pub fn forget(&mut self) {
        self.seen.clear();
        self.started = TokioInstant::now();
    }

    /// The next status of this state.
    pub async fn until(&mut self, state: LinkState) -> LinkStatus {
        loop {
            if let DriverEventKind::Status(status, _) = self.next().await
                && status.state == state
            {
                return status;
            }
        }
    }

    /// The code and the words of the next cause for waiting.
    pub async fn lost(&mut self) -> (String, String) {
        let cause = self.until(LinkState::Waiting).await.cause.unwrap().view();
        (cause.code, cause.text)
    }

    pub async fn round_trip(&mut self) -> Duration {
        loop {
            if let DriverEventKind::RoundTrip(time) = self.next().await {
                return time;
            }
        }
    }

    pub async fn message(&mut self) -> String {
        loop {
            if let Some(message) = self.messages.pop_front() {
                return message;
            }
            self.next().await;
        }
    }

    pub fn send(&self, text: impl Into<String>) -> oneshot::Receiver<Result<(), NotSent>> {
        let (told, answer) = oneshot::channel();
        assert!(self.handle.command(Command::Send(text.into(), told)));
        answer
    }

    /// Asks for a dial as a person does.
    pub fn dial_now(&self) {
        assert!(self.handle.command(Command::Reconnect));
    }

    /// How often it said that it is in this state.
    pub fn times(&self, state: LinkState) -> usize {
        let count =
            |kind: &&DriverEventKind| matches!(kind, DriverEventKind::Status(status, _) if status.state == state);
        self.seen.iter().filter(count).count()
    }
}

pub async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

pub async fn accept(listener: &TcpListener) -> WebSocketStream<TcpStream> {
    accept_async(accept_tcp(listener).await).await.unwrap()
}

pub async fn accept_tcp(listener: &TcpListener) -> TcpStream {
    timeout(AGES, listener.accept()).await.expect("nobody dials").unwrap().0
}

/// Reads the upgrade request.
pub async fn request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(request).unwrap()
}

/// Upgrades by hand, for servers that then write frames by hand.
pub async fn accept_raw(listener: &TcpListener) -> TcpStream {
    upgrade_raw(accept_tcp(listener).await).await
}

pub async fn upgrade_raw(mut stream: TcpStream) -> TcpStream {
    let request = request(&mut stream).await;
    let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    let accept = derive_accept_key(key.as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).await.unwrap();
    stream
}

/// An unmasked frame with its FIN bit, as a server sends it.
pub fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match u16::try_from(payload.len()) {
        Ok(short) if short < 126 => frame.push(short.to_be_bytes()[1]),
        Ok(medium) => {
            frame.push(126);
            frame.extend(medium.to_be_bytes());
        }
        Err(_) => {
            frame.push(127);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend(payload);
    frame
}

/// Reads until the peer is gone: what came, and whether it was reset.
pub async fn read_to_end(stream: &mut TcpStream) -> (Vec<u8>, bool) {
    let mut came = Vec::new();
    let end = timeout(AGES, stream.read_to_end(&mut came)).await.expect("the peer stays");
    (came, end.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset))
}

pub fn assert_about(took: Duration, at_least: Duration) {
    assert!(took >= at_least, "after {took:?} instead of {at_least:?}");
    assert!(took <= at_least + Duration::from_secs(1), "after {took:?} instead of {at_least:?}");
}

pub struct Clock(Instant);

impl Clock {
    pub fn start() -> Self {
        Self(Instant::now())
    }

    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
