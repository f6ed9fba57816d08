//! The client's role: a process of its own that holds as many connections as it is told to, by the link or by a peer of
//! its, so that its memory, processor time and wakeups can be counted from outside.

use std::any::Any;
use std::io::BufRead;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use futures_util::StreamExt;
use heartwire_core::dialect::Dialects;
use heartwire_core::listen::Event;
use heartwire_core::view::LinkState;
use heartwire_engine::clock::Clock;
use heartwire_engine::dial::DialRequest;
use heartwire_engine::driver::{Command, ConnectionId, DriverEvent, DriverEventKind, DriverOptions, spawn};
use heartwire_engine::environment::EnvironmentSource;
use heartwire_engine::secrets::Keyring;
use heartwire_engine::supervisor::{self, Source};
use heartwire_engine::tls::TlsConfig;
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep};
use tokio_tungstenite::client_async_with_config;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use xtask::command::say;

use crate::child::Role;
use crate::figures::Failure;
use crate::links::{Times, settings};

mod ez;

pub use ez::{Ez, ez_config};

/// Who keeps the connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Way {
    /// The link: one driver each.
    Link,
    /// The whole engine, as `heartwire listen` runs it.
    Engine,
    /// ezsockets, with heartbeats as often.
    Ezsockets,
    /// tokio-tungstenite with the link's buffers and nothing around it: no heartbeat, no reconnect.
    Bare,
}

impl Way {
    fn argument(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Engine => "engine",
            Self::Ezsockets => "ezsockets",
            Self::Bare => "bare",
        }
    }
}

/// How many are dialled at once, so that no queue of the kernel overflows.
const LOT: usize = 100;
/// How long a lot may take.
const LOT_WITHIN: Duration = Duration::from_secs(30);

/// What a client's process says of its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// Connected now.
    pub up: usize,
    /// Lost so far.
    pub lost: usize,
    /// Heartbeats answered so far, where that can be seen.
    pub answered: usize,
}

/// A client's process.
pub struct Client(Role);

impl Client {
    /// Starts one that has no connection yet.
    pub fn start(way: Way, port: u16) -> Result<Self, Failure> {
        Ok(Self(Role::start(&["client", way.argument(), &port.to_string()])?))
    }

    /// Opens more connections, and returns when all are up.
    pub fn open(&mut self, count: usize) -> Result<State, Failure> {
        self.ask(&format!("open {count}"))
    }

    /// How they are.
    pub fn state(&mut self) -> Result<State, Failure> {
        self.ask("state")
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    fn ask(&mut self, line: &str) -> Result<State, Failure> {
        let answer = self.0.ask(line)?;
        let numbers: Vec<usize> = answer.split(' ').map(str::parse).collect::<Result<_, _>>()?;
        let [up, lost, answered] = numbers[..] else { return Err(format!("the client said {answer:?}").into()) };
        Ok(State { up, lost, answered })
    }
}

/// The role itself: does what stdin says until it closes.
pub async fn client(way: Way, port: u16) -> Result<(), Failure> {
    let (sender, mut asked) = mpsc::channel(1);
    thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                break;
            }
        }
    });
    let mut fleet = Fleet::new(way, port);
    while let Some(line) = asked.recv().await {
        if let Some(count) = line.strip_prefix("open ") {
            fleet.open(count.parse()?).await?;
        }
        let State { up, lost, answered } = fleet.counts.now();
        say(format_args!("{up} {lost} {answered}"));
    }
    Ok(())
}

/// What happened to the connections of this process.
#[derive(Debug, Default)]
pub struct Counts {
    came: AtomicUsize,
    lost: AtomicUsize,
    answered: AtomicUsize,
    arrival: Notify,
    loss: Notify,
}

impl Counts {
    /// Until one has come that nobody has waited for yet.
    pub async fn next_arrival(&self) {
        self.arrival.notified().await;
    }

    /// Until one is lost that nobody has waited for yet.
    pub async fn next_loss(&self) {
        self.loss.notified().await;
    }

    fn came(&self) {
        self.came.fetch_add(1, Ordering::Relaxed);
        self.arrival.notify_one();
    }

    fn lost(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
        self.loss.notify_one();
    }

    fn answered(&self) {
        self.answered.fetch_add(1, Ordering::Relaxed);
    }

    /// A link's state has changed.
    fn state(&self, state: LinkState) {
        match state {
            LinkState::Connected => self.came(),
            LinkState::Waiting | LinkState::Blocked => self.lost(),
            LinkState::Connecting | LinkState::Paused | LinkState::Stopped => {}
        }
    }

    fn now(&self) -> State {
        let [came, lost, answered] =
            [&self.came, &self.lost, &self.answered].map(|count| count.load(Ordering::Relaxed));
        State { up: came.saturating_sub(lost), lost, answered }
    }
}

struct Fleet {
    way: Way,
    port: u16,
    wanted: usize,
    counts: Arc<Counts>,
    dialects: Dialects,
    events: mpsc::Sender<DriverEvent>,
    /// What ends its connection when it is dropped.
    kept: Vec<Box<dyn Any>>,
}

impl Fleet {
    fn new(way: Way, port: u16) -> Self {
        let (events, mut inbox) = mpsc::channel::<DriverEvent>(64);
        let counts = Arc::new(Counts::default());
        let seen = Arc::clone(&counts);
        tokio::spawn(async move {
            while let Some(event) = inbox.recv().await {
                if let DriverEventKind::Status(status, _) = &event.kind {
                    seen.state(status.state);
                } else if matches!(event.kind, DriverEventKind::RoundTrip(_)) {
                    seen.answered();
                }
            }
        });
        Self { way, port, wanted: 0, counts, dialects: Dialects::default(), events, kept: Vec::new() }
    }

    async fn open(&mut self, count: usize) -> Result<(), Failure> {
        let mut left = count;
        while left > 0 {
            // The engine takes all its connections at its start.
            let lot = if self.way == Way::Engine { left } else { left.min(LOT) };
            match self.way {
                Way::Link => self.open_links(lot)?,
                Way::Engine => self.open_engine(lot).await?,
                Way::Ezsockets => self.open_ezsockets(lot).await,
                Way::Bare => self.open_bare(lot),
            }
            left -= lot;
            self.wanted += lot;
            self.all_up().await?;
        }
        Ok(())
    }

    async fn all_up(&self) -> Result<(), Failure> {
        let deadline = Instant::now() + LOT_WITHIN;
        while self.counts.now().up < self.wanted {
            if Instant::now() >= deadline {
                return Err(format!("{:?} of {} connections", self.counts.now(), self.wanted).into());
            }
            sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    fn open_links(&mut self, count: usize) -> Result<(), Failure> {
        // Links of one process share these, as the supervisor has it.
        let (tls, clock) = (TlsConfig::platform(), Clock::system().with_alarm());
        let connection = crate::links::connection(self.port, &Times::default())?;
        for _ in 0..count {
            let seed = self.kept.len() as u64;
            let dialect = Box::new(self.dialects.of(&connection));
            let options = DriverOptions {
                request: DialRequest::new(&connection, tls.clone()),
                clock: clock.clone(),
                seed,
                dialect,
                ..DriverOptions::new(ConnectionId(seed), connection.clone())
            };
            let driver = spawn(options, self.events.clone());
            driver.command(Command::Start);
            self.kept.push(Box::new(driver));
        }
        Ok(())
    }

    async fn open_engine(&mut self, count: usize) -> Result<(), Failure> {
        let (events, mut inbox) = mpsc::channel(256);
        let seen = Arc::clone(&self.counts);
        tokio::spawn(async move {
            while let Some(event) = inbox.recv().await {
                match event {
                    Event::State { state, .. } => seen.state(state),
                    Event::Heartbeat { .. } => seen.answered(),
                    Event::Message { .. } | Event::Withdrawn { .. } | Event::Gap { .. } => {}
                }
            }
        });
        let settings = Source::Given(Box::new(settings(self.port, count, &Times::default())?));
        let options = supervisor::Options {
            settings,
            database: None,
            notify: None,
            demo: false,
            events: Some(events),
            environment: EnvironmentSource::ThisComputer,
            // Nothing here has a secret in it.
            keyring: Keyring::session("heartwire-bench".to_owned()),
        };
        self.kept.push(Box::new(supervisor::start(options).await?));
        Ok(())
    }

    async fn open_ezsockets(&mut self, count: usize) {
        for _ in 0..count {
            let config = ez_config(self.port, &Times::default());
            let client = Ez::new(Arc::clone(&self.counts));
            let (handle, ended) = ezsockets::connect(move |_| client, config).await;
            self.kept.push(Box::new((handle, Box::pin(ended))));
        }
    }

    fn open_bare(&mut self, count: usize) {
        for _ in 0..count {
            let (port, counts) = (self.port, Arc::clone(&self.counts));
            let reading = tokio::spawn(async move {
                let read = read_bare(port, &counts).await;
                counts.lost();
                read
            });
            self.kept.push(Box::new(reading));
        }
    }
}

async fn read_bare(port: u16, counts: &Counts) -> Result<(), Failure> {
    let tcp = TcpStream::connect(("127.0.0.1", port)).await?;
    tcp.set_nodelay(true)?;
    let url = format!("ws://127.0.0.1:{port}/");
    let (mut socket, _) = client_async_with_config(url, tcp, Some(buffers())).await?;
    counts.came();
    while let Some(message) = socket.next().await {
        message?;
    }
    Ok(())
}

/// The same buffers as the link's, so that only what the link adds is compared.
pub fn buffers() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(4 * 1024)
        .write_buffer_size(64 * 1024)
        .max_write_buffer_size(256 * 1024)
        .max_message_size(Some(1024 * 1024))
        .max_frame_size(Some(1024 * 1024))
}
