//! Messages a second from one connection all the way: read, decoded, told apart by their ids, committed to the database on
//! disk, and decided on by attention. No message is shown before its commit. Beside it what a plain loop does that
//! reads, parses and commits as many at a time, and decides nothing.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use heartwire_core::view::Snapshot;
use heartwire_engine::environment::{Environment, EnvironmentSource};
use heartwire_engine::secrets::Keyring;
use heartwire_engine::supervisor::{self, NotifyOptions, Options, Source};
use rusqlite::{Connection, params};
use tokio_tungstenite::{client_async, tungstenite};
use xtask::bench::{Row, Target};
use xtask::command::say;

use super::{Failure, Measure, show};
use crate::child::Role;
use crate::links::{Times, settings};
use crate::stats::{Sorted, float};

/// Messages in a round, each of about 150 bytes.
const MESSAGES: usize = 300_000;
const ROUNDS: usize = 5;
/// In thousands a second.
const TARGET: f64 = 50.0;
/// How many messages the plain loop commits at a time.
const BATCH: usize = 1_000;

/// Every round has a database of its own.
pub async fn kept(_: Measure) -> Result<(), Failure> {
    let mut server = Role::start(&["count", &MESSAGES.to_string()])?;
    let port = server.hear()?.parse()?;
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(round(port).await?);
        bare.push(tokio::spawn(plain_loop(port)).await??);
    }
    let median = |rounds: &[f64]| rounds.iter().copied().collect::<Sorted>().median();
    let (ours, bare) = (median(&ours), median(&bare));
    show(&Row {
        figure: "messages read, decoded, deduplicated, committed and decided on, from one connection".to_owned(),
        seen: format!("{ours:.0} thousand a second, {:.0} % of the plain loop", 100.0 * ours / bare),
        target: Some(Target::at_least(format!("at least {TARGET} thousand a second"), ours, TARGET)),
        peer: format!("tokio-tungstenite, serde_json and SQLite in a plain loop: {bare:.0} thousand a second"),
    });
    Ok(())
}

/// Thousands a second of a supervisor as the resident has it, without a desktop to show popups on.
async fn round(port: u16) -> Result<f64, Failure> {
    let folder = tempfile::tempdir()?;
    let handle = supervisor::start(Options {
        settings: Source::Given(Box::new(settings(port, 1, &Times::default())?)),
        database: Some(folder.path().join("heartwire.db")),
        keyring: Keyring::session("heartwire-bench"),
        notify: Some(NotifyOptions::default()),
        demo: false,
        events: None,
        environment: EnvironmentSource::Told(Environment::told().0),
    })
    .await?;
    let mut snapshots = handle.snapshots();
    let first = |snapshot: &Snapshot| !snapshot.messages.is_empty();
    snapshots.wait_for(|snapshot| first(snapshot)).await?;
    let (begun, before) = (Instant::now(), number(&snapshots.borrow().messages[0].title)?);
    let last = MESSAGES.to_string();
    snapshots.wait_for(|snapshot| snapshot.messages.first().is_some_and(|newest| newest.title == last)).await?;
    let took = begun.elapsed();
    handle.stop().await;
    Ok(rate(MESSAGES - before, took))
}

/// What a program does that has only the libraries.
async fn plain_loop(port: u16) -> Result<f64, Failure> {
    let folder = tempfile::tempdir()?;
    let mut database = open(&folder.path().join("plain.db"))?;
    let tcp = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
    let (mut socket, _) = client_async(format!("ws://127.0.0.1:{port}/"), tcp).await?;
    let begun = Instant::now();
    let mut batch = Vec::with_capacity(BATCH);
    for seen in 1..=MESSAGES {
        let text = socket.next().await.ok_or("the server closed early")??.into_text()?;
        batch.push(serde_json::from_str::<serde_json::Value>(&text)?);
        if batch.len() == BATCH || seen == MESSAGES {
            commit(&mut database, &batch)?;
            batch.clear();
        }
    }
    let took = begun.elapsed();
    let rows: u32 = database.query_row("SELECT count(*) FROM message", [], |row| row.get(0))?;
    if usize::try_from(rows)? == MESSAGES { Ok(rate(MESSAGES, took)) } else { Err(format!("{rows} rows").into()) }
}

fn open(path: &Path) -> Result<Connection, Failure> {
    let database = Connection::open(path)?;
    database.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    database.pragma_update(None, "synchronous", "FULL")?;
    database.execute_batch("CREATE TABLE message (id TEXT PRIMARY KEY, title TEXT, body TEXT)")?;
    Ok(database)
}

fn commit(database: &mut Connection, batch: &[serde_json::Value]) -> Result<(), Failure> {
    let transaction = database.transaction()?;
    {
        let mut insert = transaction.prepare_cached("INSERT OR IGNORE INTO message VALUES (?1, ?2, ?3)")?;
        for message in batch {
            insert.execute(params![message["id"].as_str(), message["title"].as_str(), message["text"].as_str()])?;
        }
    }
    Ok(transaction.commit()?)
}

fn rate(messages: usize, took: Duration) -> f64 {
    float(messages) / took.as_secs_f64() / 1e3
}

fn number(title: &str) -> Result<usize, Failure> {
    Ok(title.parse()?)
}

/// The role that sends them: prints its port, and serves until stdin closes.
pub fn count(messages: usize) -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    say(listener.local_addr()?.port());
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // The reader leaves when it has seen enough.
            thread::spawn(move || write(stream, messages).is_ok());
        }
    });
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn write(stream: TcpStream, messages: usize) -> Result<(), Failure> {
    stream.set_nodelay(true)?;
    let mut socket = tungstenite::accept(stream)?;
    let stream = socket.get_mut();
    let mut frames = Vec::new();
    for number in 1..=messages {
        let text = format!(
            r#"{{"id":"m-{number:08}","title":"{number}","text":"two parcels shipped at noon, one is waiting for you at the gate of the depot"}}"#
        );
        // RFC 6455, section 5.2: final fragment, text; the length in one byte or in two more.
        frames.push(0x81);
        match u16::try_from(text.len())? {
            length if length < 126 => frames.push(u8::try_from(length)?),
            length => {
                frames.push(126);
                frames.extend(length.to_be_bytes());
            }
        }
        frames.extend(text.bytes());
        if frames.len() > 64 * 1024 || number == messages {
            stream.write_all(&frames)?;
            frames.clear();
        }
    }
    // Until the reader leaves.
    while socket.read().is_ok() {}
    Ok(())
}
