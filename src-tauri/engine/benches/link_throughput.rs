//! Messages a second through a link, beside bare tungstenite in the same run: `cargo xtask bench`.
//!
//! A thread writes ready-made frames as fast as the socket takes them, so that the reading side is what is measured. The
//! ways of reading take turns, so that whatever else the machine does meets all of them, and the medians are compared.

use std::fs;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream as StdStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use heartwire_core::dialect::{Decoded, Dialect, Incoming};
use heartwire_core::message::{Message, MessageKind};
use heartwire_core::settings::{Connection, ConnectionForm, resolve};
use heartwire_core::view::LinkState;

use heartwire_engine::driver::{Command, ConnectionId, DialectMaker, DriverEventKind, DriverOptions, spawn};
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::client_async_with_config;
use tokio_tungstenite::tungstenite::{self, protocol::WebSocketConfig};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What is sent in a round: how many messages, and how many bytes of text each has at least.
const LOADS: [(usize, usize); 2] = [(200_000, 0), (40_000, 4096)];
/// Rounds of each way; the median counts.
const ROUNDS: usize = 7;
/// What the link is to reach of bare tungstenite.
const TARGET_PERCENT: f64 = 80.0;

/// The ways of reading. The first two do the same with each frame, so that their ratio is what the link itself costs; the
/// others make messages of the frames and hand them to another task, which bare tungstenite does not do at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Bare,
    Link,
    LinkAndMessages,
    LinkAndPlain,
}

impl Way {
    const ALL: [Self; 4] = [Self::Bare, Self::Link, Self::LinkAndMessages, Self::LinkAndPlain];

    fn words(self) -> &'static str {
        match self {
            Self::Bare => "bare tungstenite, frames counted",
            Self::Link => "link, frames counted",
            Self::LinkAndMessages => "link, each frame a message as it is",
            Self::LinkAndPlain => "link, the plain dialect's default templates",
        }
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Failure> {
    // `cargo test --benches` passes no `--bench`: it only wants to know that this runs.
    let is_measured = std::env::args().any(|arg| arg == "--bench");
    for (messages, size) in LOADS {
        let (messages, rounds) = if is_measured { (messages, ROUNDS) } else { (1_000, 1) };
        measure(&Load::new(messages, size)?, rounds).await?;
    }
    Ok(())
}

async fn measure(load: &Load, rounds: usize) -> Result<(), Failure> {
    let address = serve(load.clone())?;
    let connection = connection(address)?;
    let mut rates = [const { Vec::new() }; 4];
    for _ in 0..rounds {
        for (way, rates) in Way::ALL.into_iter().zip(&mut rates) {
            let took = round(way, address, &connection, load).await?;
            rates.push(per_second(load.messages, took));
        }
    }
    let rates = rates.map(median);
    let [bare, ..] = rates;
    let mut out = io::stdout();
    writeln!(
        out,
        "{} messages of {} bytes on loopback, medians of {rounds} rounds by turns:",
        load.messages, load.size
    )?;
    for (way, rate) in Way::ALL.into_iter().zip(rates) {
        let percent = 100.0 * rate / bare;
        let verdict = match way {
            Way::Bare => String::new(),
            _ if percent >= TARGET_PERCENT => format!("  target {TARGET_PERCENT} %: reached"),
            _ => format!("  target {TARGET_PERCENT} %: MISSED"),
        };
        writeln!(out, "  {:48} {rate:9.0} messages/s  {percent:5.1} % of bare{verdict}", way.words())?;
    }
    Ok(())
}

/// What the server sends, ready-made.
#[derive(Clone)]
struct Load {
    messages: usize,
    /// Bytes of text in a message.
    size: usize,
    /// Unmasked text frames, one after another; a divisor of `messages` of them.
    chunk: Vec<u8>,
    /// How often the chunk is written.
    repeats: usize,
}

impl Load {
    fn new(messages: usize, size: usize) -> Result<Self, Failure> {
        let filler = "two parcels, ".repeat(size / 13);
        let text = format!(
            r#"{{"id":"m-7f3a91","title":"Order 4711","text":"{filler}shipped from the second warehouse at noon"}}"#
        );
        // RFC 6455, section 5.2: final fragment, text; the length in one byte or in two more.
        let mut frame = vec![0x81];
        match u16::try_from(text.len())? {
            length if length < 126 => frame.push(u8::try_from(length)?),
            length => {
                frame.push(126);
                frame.extend(length.to_be_bytes());
            }
        }
        frame.extend(text.bytes());
        let in_chunk = 100;
        Ok(Self { messages, size: text.len(), chunk: frame.repeat(in_chunk), repeats: messages / in_chunk })
    }

    /// Every byte of every message was seen, or the figures mean nothing.
    fn check(&self, bytes: usize) -> Result<(), Failure> {
        if bytes == self.messages * self.size { Ok(()) } else { Err(format!("{bytes} bytes came").into()) }
    }
}

async fn round(way: Way, address: SocketAddr, connection: &Connection, load: &Load) -> Result<Duration, Failure> {
    match way {
        Way::Bare => tokio::spawn(read_bare(address, load.clone())).await?,
        Way::Link => {
            let left = load.messages;
            let dialect = move || Box::new(Count { left, bytes: 0 }) as Box<dyn Dialect + Send>;
            read_link(connection, Some(Box::new(dialect)), load).await
        }
        Way::LinkAndMessages => {
            let dialect = || Box::new(AsItIs) as Box<dyn Dialect + Send>;
            read_link(connection, Some(Box::new(dialect)), load).await
        }
        Way::LinkAndPlain => read_link(connection, None, load).await,
    }
}

/// The same buffers as the link's, so that only what the link adds is compared.
async fn read_bare(address: SocketAddr, load: Load) -> Result<Duration, Failure> {
    let tcp = TcpStream::connect(address).await?;
    tcp.set_nodelay(true)?;
    let config = WebSocketConfig::default()
        .read_buffer_size(4 * 1024)
        .write_buffer_size(64 * 1024)
        .max_write_buffer_size(256 * 1024)
        .max_message_size(Some(1024 * 1024))
        .max_frame_size(Some(1024 * 1024));
    let (mut socket, _) = client_async_with_config(format!("ws://{address}/"), tcp, Some(config)).await?;
    let started = Instant::now();
    let (mut seen, mut bytes) = (0, 0);
    while seen < load.messages {
        let message = socket.next().await.ok_or("the server closed early")??;
        seen += 1;
        bytes += message.into_text()?.len();
    }
    load.check(bytes)?;
    Ok(started.elapsed())
}

async fn read_link(connection: &Connection, dialect: Option<DialectMaker>, load: &Load) -> Result<Duration, Failure> {
    let (sender, mut events) = mpsc::channel(64);
    let mut options = DriverOptions::new(ConnectionId(1), connection.clone());
    if let Some(dialect) = dialect {
        options.dialect = dialect;
    }
    let driver = spawn(options, sender);
    driver.command(Command::Start);
    let mut started = None;
    let mut bytes = 0;
    while bytes < load.messages * load.size {
        match events.recv().await.ok_or("the link ended early")?.kind {
            DriverEventKind::Status(status, _) if status.state == LinkState::Connected => {
                started = Some(Instant::now());
            }
            DriverEventKind::Messages(batch) => {
                bytes += batch.iter().map(|message| usize::try_from(message.size).unwrap_or(usize::MAX)).sum::<usize>();
            }
            _ => {}
        }
    }
    let took = started.map(|started| started.elapsed());
    // The channel is dropped first: a link whose consumer is gone has nothing to wait for.
    drop(events);
    driver.join().await;
    load.check(bytes)?;
    took.ok_or_else(|| "the link was never connected".into())
}

/// Does with a frame what [`read_bare`] does, and says at the end how many bytes there were.
struct Count {
    left: usize,
    bytes: u64,
}

impl Dialect for Count {
    fn decode(&mut self, frame: Incoming<'_>) -> Decoded {
        let Incoming::Text(text) = frame else { return Decoded::default() };
        self.bytes += text.len() as u64;
        self.left = self.left.saturating_sub(1);
        let messages = if self.left == 0 { vec![message(String::new(), self.bytes)] } else { Vec::new() };
        Decoded { messages, ..Decoded::default() }
    }
}

/// No templates: a message is the frame's text.
struct AsItIs;

impl Dialect for AsItIs {
    fn decode(&mut self, frame: Incoming<'_>) -> Decoded {
        let Incoming::Text(text) = frame else { return Decoded::default() };
        Decoded { messages: vec![message(text.to_owned(), text.len() as u64)], ..Decoded::default() }
    }
}

fn message(body: String, size: u64) -> Message {
    Message { id: None, title: String::new(), body, priority: 3, kind: MessageKind::Text, size, caught_up: false }
}

/// Writes the load to everyone who connects, on a thread of its own.
fn serve(load: Load) -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // The reader leaves when it has seen enough, which may be in the middle of a write.
            let _ = pour(stream, &load);
        }
    });
    Ok(address)
}

fn pour(stream: StdStream, load: &Load) -> Result<(), Failure> {
    stream.set_nodelay(true)?;
    let mut socket = tungstenite::accept(stream)?;
    let stream = socket.get_mut();
    for _ in 0..load.repeats {
        stream.write_all(&load.chunk)?;
    }
    // Until the reader leaves.
    while socket.read().is_ok() {}
    Ok(())
}

/// A connection with the defaults that the program ships.
fn connection(address: SocketAddr) -> Result<Connection, Failure> {
    #[derive(Deserialize)]
    struct Defaults {
        connection: ConnectionForm,
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/default.toml");
    let defaults: Defaults = toml_edit::de::from_str(&fs::read_to_string(file)?)?;
    let form = ConnectionForm {
        name: Some("bench".to_owned()),
        url: Some(format!("ws://{address}/")),
        ..ConnectionForm::default()
    };
    resolve(&form, &defaults.connection, &[]).map_err(|errors| format!("{errors:?}").into())
}

fn per_second(messages: usize, took: Duration) -> f64 {
    f64::from(u32::try_from(messages).unwrap_or(u32::MAX)) / took.as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
