//! An echo client for the Autobahn suite's fuzzing server, made of Heartwire's engine: `cargo xtask autobahn` runs it.
//!
//! Every case is run by two agents. `Heartwire` is the link as the app runs it, limits included: a dialect makes a message of
//! each text frame, and the message goes back by `Command::Send`. Where a case needs more than that it is run again and its line
//! on stdout says so: by a link with larger limits, or, since no link sends binary frames, by the framing below it.
//! `Heartwire-framing` is that framing alone, [`heartwire_engine::socket`] with larger limits, for all cases.

use std::error::Error;
use std::future::poll_fn;
use std::io::{self, Write};
use std::time::Duration;

use heartwire_core::cause::CauseCode;
use heartwire_core::dialect::{Dialect, Effects, Incoming, Item, Opening};
use heartwire_core::message::{Message, MessageKind};
use heartwire_core::settings::{Connection, resolve};
use heartwire_core::view::LinkState;
use heartwire_engine::dial::{DialRequest, dial};
use heartwire_engine::driver::{Command, ConnectionId, DriverEventKind, DriverOptions, spawn};
use heartwire_engine::settings_file::defaults;
use heartwire_engine::socket::{Limits, Socket};
use heartwire_engine::tls::TlsConfig;
use serde_json::json;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{self, Message as WireMessage};

type Failure = Box<dyn Error + Send + Sync>;

const LINK: &str = "Heartwire";
const FRAMING: &str = "Heartwire-framing";

/// The largest messages of the suite have 16 MiB.
const LARGE: Limits = Limits { message: 16 << 20, write_buffer: 32 << 20 };

/// The suite itself gives up earlier, so that longer than this is a hang.
const CASE_WITHIN: Duration = Duration::from_secs(300);

/// How long a peer that broke a rule may take to read why we close.
const TELLING: Duration = Duration::from_secs(1);

/// What the app's links do not do, and a case needs.
#[derive(Clone, Copy)]
enum Beyond {
    Binary,
    Larger,
}

/// Arguments: the fuzzing server's URL without a path.
#[tokio::main]
async fn main() -> Result<(), Failure> {
    let server = std::env::args().nth(1).ok_or("give the fuzzing server's URL, such as ws://127.0.0.1:9001")?;
    let cases: u32 = ask(&format!("{server}/getCaseCount")).await?.parse()?;
    for case in 1..=cases {
        let info: serde_json::Value = serde_json::from_str(&ask(&format!("{server}/getCaseInfo?case={case}")).await?)?;
        let id = info["id"].as_str().ok_or("the server names no case")?;
        let of = |agent: &str| format!("{server}/runCase?case={case}&agent={agent}");
        let run = async {
            let beyond = run_by_link(&of(LINK)).await?;
            by_framing(&of(FRAMING)).await?;
            Ok::<_, Failure>(beyond)
        };
        let beyond = timeout(CASE_WITHIN, run).await;
        let beyond = match beyond.map_err(|_| format!("case {id} does not end within {CASE_WITHIN:?}"))?? {
            None => "",
            Some(Beyond::Binary) => " binary",
            Some(Beyond::Larger) => " larger",
        };
        writeln!(io::stdout(), "case {id}{beyond}")?;
    }
    by_framing(&format!("{server}/updateReports?agent={LINK}")).await
}

/// By the nearest to the app's link that can: the suite keeps the last result.
async fn run_by_link(url: &str) -> Result<Option<Beyond>, Failure> {
    let mut beyond = by_link(url, Limits::default()).await?;
    if let Some(Beyond::Larger) = beyond {
        beyond = by_link(url, LARGE).await?.or(beyond);
    }
    if let Some(Beyond::Binary) = beyond {
        by_framing(url).await?;
    }
    Ok(beyond)
}

/// One connection of a link, until its end.
async fn by_link(url: &str, limits: Limits) -> Result<Option<Beyond>, Failure> {
    let mut options = DriverOptions::new(ConnectionId(1), connection(url)?);
    options.request.limits = limits;
    options.dialect = Box::new(|| Box::new(AsItCame));
    let (sender, mut events) = mpsc::channel(64);
    let driver = spawn(options, sender);
    driver.command(Command::Start);
    let mut beyond = None;
    while beyond.is_none() {
        match events.recv().await.ok_or("the link ended by itself")?.kind {
            DriverEventKind::Received(_, items) => {
                for item in items {
                    let Item::Message(message) = item else { continue };
                    if message.kind == MessageKind::Binary {
                        beyond = Some(Beyond::Binary);
                        break;
                    }
                    // A case that closes early does not want the rest.
                    driver.command(Command::Send(message.body, oneshot::channel().0));
                }
            }
            DriverEventKind::Status(status, _) => match status.state {
                LinkState::Connecting | LinkState::Connected => {}
                LinkState::Waiting | LinkState::Blocked | LinkState::Paused | LinkState::Stopped => {
                    let too_large = status.cause.is_some_and(|cause| cause.code == CauseCode::TooLarge);
                    beyond = too_large.then_some(Beyond::Larger);
                    break;
                }
            },
            _ => {}
        }
    }
    drop(events);
    driver.join().await;
    Ok(beyond)
}

/// A message is the frame as it came.
struct AsItCame;

impl Dialect for AsItCame {
    fn opened(&mut self, _: &Opening<'_>, effects: &mut Effects) {
        effects.ready = true;
    }

    fn frame(&mut self, frame: Incoming<'_>, effects: &mut Effects) {
        effects.message(match frame {
            Incoming::Text(text) => Message { body: text.to_owned(), ..Message::new("", "", "", text.len()) },
            Incoming::Binary(bytes) => Message::binary(bytes.len()),
        });
    }
}

/// One socket, until its end.
async fn by_framing(url: &str) -> Result<(), Failure> {
    let mut socket = open(url).await?;
    loop {
        match poll_fn(|cx| socket.poll_next(cx)).await {
            Some(Ok(message @ (WireMessage::Text(_) | WireMessage::Binary(_)))) => {
                if send(&mut socket, message).await.is_err() {
                    return Ok(());
                }
            }
            Some(Ok(message)) => {
                // The answer to a ping or to a close frame is queued already. A peer that left does not want it.
                let flushed = poll_fn(|cx| socket.poll_flush(cx)).await;
                if message.is_close() || flushed.is_err() {
                    socket.end();
                    return Ok(());
                }
            }
            Some(Err(error)) => {
                tell(&mut socket, &error).await;
                socket.end();
                return Ok(());
            }
            None => return Ok(()),
        }
    }
}

async fn open(url: &str) -> Result<Socket, Failure> {
    let mut request = DialRequest::new(&connection(url)?, TlsConfig::platform());
    request.limits = LARGE;
    dial(&request).await.map_err(|cause| cause.text.into())
}

async fn send(socket: &mut Socket, message: WireMessage) -> Result<(), tungstenite::Error> {
    poll_fn(|cx| socket.poll_ready(cx)).await?;
    socket.start_send(message)?;
    poll_fn(|cx| socket.poll_flush(cx)).await
}

/// Says why we close, and gives the peer time to read it: the link does the same.
async fn tell(socket: &mut Socket, error: &tungstenite::Error) {
    let code: u16 = match error {
        tungstenite::Error::Utf8(_) => 1007,
        tungstenite::Error::Capacity(_) => 1009,
        tungstenite::Error::Protocol(_) => 1002,
        _ => return,
    };
    let close = WireMessage::Close(Some(CloseFrame { code: code.into(), reason: "".into() }));
    if send(socket, close).await.is_ok() {
        // A peer that takes longer is left.
        let _ = timeout(TELLING, poll_fn(|cx| socket.poll_drain(cx))).await;
    }
}

/// The text that the fuzzing server answers with, as soon as this path is opened.
async fn ask(url: &str) -> Result<String, Failure> {
    let mut socket = open(url).await?;
    match poll_fn(|cx| socket.poll_next(cx)).await {
        Some(Ok(WireMessage::Text(text))) => Ok(text.to_string()),
        other => Err(format!("{url} brought {other:?}").into()),
    }
}

/// A connection that is dialled once and left alone: no heartbeat and no other dial within a case. Everything else is what
/// the program ships.
fn connection(url: &str) -> Result<Connection, Failure> {
    let form = serde_json::from_value(json!({
        "name": "autobahn", "url": url, "heartbeat": { "every": "24h" }, "reconnect": { "fixed": "1h", "jitter": "none" },
    }))?;
    resolve(&form, &defaults(), &[]).map_err(|errors| format!("{errors:?}").into())
}
