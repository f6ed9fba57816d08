//! A session: up to three sockets of one connection in a row, each a good beginning and then hostile inputs.

use std::sync::atomic::{AtomicU64, Ordering};

use data_encoding::HEXLOWER;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::corpus::Subject;
use super::hostile;
use super::socket::{Event, Socket};
use super::{Found, Seen};

/// The longest input that is told whole, in bytes.
const WORDS: usize = 20_000;

/// Twice the inputs told so far, and one more while an input is being read.
static STEPS: AtomicU64 = AtomicU64::new(0);
/// The seed of the session.
static SEED: AtomicU64 = AtomicU64::new(0);

/// For the watch: a number that is odd while an input is being read, and the session's seed.
pub(super) fn progress() -> (u64, u64) {
    (STEPS.load(Ordering::Relaxed), SEED.load(Ordering::Relaxed))
}

/// The session of this seed.
pub(super) fn run(subject: &Subject, seed: u64, sum: &mut Seen) -> Result<(), Found> {
    SEED.store(seed, Ordering::Relaxed);
    let mut dice = SmallRng::seed_from_u64(seed);
    let Some(server) = subject.servers.choose(&mut dice) else { return Ok(()) };
    let mut log = Vec::new();
    let mut cursor = None;
    for _ in 0..dice.random_range(1..=3) {
        let mut socket = Socket::new(server);
        let done = session(subject, &mut dice, cursor.as_ref(), &mut socket, &mut log, sum);
        done.map_err(|wrong| found(subject, again(subject, seed), wrong, &log))?;
        sum.socket(&socket);
        cursor = socket.cursor().cloned().or(cursor);
    }
    Ok(())
}

fn again(subject: &Subject, seed: u64) -> String {
    format!("a session (again: cargo xtask fuzz --dialect {} --seed {seed})", subject.spec.name)
}

/// The whole conversation, with the first cursor of the corpus if it has one.
pub(super) fn talk(subject: &Subject, sum: &mut Seen) -> Result<(), Found> {
    for server in &subject.servers {
        let (mut socket, mut log) = (Socket::new(server), Vec::new());
        let opened = Event::Opened(subject.cursors.first().cloned());
        for event in std::iter::once(&opened).chain(&subject.talk) {
            let told = if socket.takes(event) {
                tell(&mut socket, event.clone(), &mut log, sum)
            } else {
                Err(format!("{event:?} cannot happen here"))
            };
            told.map_err(|wrong| found(subject, "the conversation".to_owned(), wrong, &log))?;
        }
        sum.socket(&socket);
    }
    Ok(())
}

/// Tells a socket what happens and notes it.
pub(super) fn tell(socket: &mut Socket<'_>, event: Event, log: &mut Vec<Event>, sum: &mut Seen) -> Result<(), String> {
    STEPS.fetch_add(1, Ordering::Relaxed);
    let told = socket.tell(&event);
    STEPS.fetch_add(1, Ordering::Relaxed);
    let bytes = event.length();
    log.push(event);
    sum.input(bytes, told?);
    Ok(())
}

/// What is told of a broken rule.
pub(super) fn found(subject: &Subject, session: String, wrong: String, log: &[Event]) -> Found {
    // All of what a session has; a large input is told by its length and its beginning.
    let words = |event: &Event| match event {
        Event::Binary(bytes) if bytes.len() <= WORDS => format!("hex {}", HEXLOWER.encode(bytes)),
        other if other.length() <= WORDS => format!("{other:?}"),
        other => format!("{} bytes: {:.200}", other.length(), format!("{other:?}")),
    };
    Found { dialect: subject.spec.name, session, wrong, events: log.iter().map(words).collect() }
}

fn session(
    subject: &Subject,
    dice: &mut SmallRng,
    cursor: Option<&String>,
    socket: &mut Socket<'_>,
    log: &mut Vec<Event>,
    sum: &mut Seen,
) -> Result<(), String> {
    tell(socket, Event::Opened(hostile::cursor(subject, cursor, dice)), log, sum)?;
    let good = if dice.random_ratio(3, 4) { dice.random_range(0..=subject.talk.len()) } else { 0 };
    for event in &subject.talk[..good] {
        if socket.takes(event) {
            tell(socket, event.clone(), log, sum)?;
        }
    }
    for _ in 0..dice.random_range(1..=8) {
        let event = hostile::event(subject, socket, dice);
        if !socket.takes(&event) {
            continue;
        }
        tell(socket, event, log, sum)?;
        sum.inputs += 1;
    }
    Ok(())
}
