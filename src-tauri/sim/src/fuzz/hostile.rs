//! Hostile inputs: good ones changed in many ways, and arbitrary ones.

use heartwire_core::dialect::Outgoing;
use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;

use super::corpus::Subject;
use super::socket::{Event, Socket};

/// The longest input: longer ones are [`super::large`]'s.
const LONGEST: usize = 16 * 1024;

/// What parsers stumble over, put in anywhere.
#[rustfmt::skip]
const PIECES: [&[u8]; 44] = [
    b"{", b"}", b"[", b"]", b"\"", b"\\", b",", b":", b"\0", b"\n", b"\r\n", b" ", b"null", b"true", b"{}", b"[]", b"\"\"",
    b"-", b"0", b"-0", b"0.1", b"-1", b"1e309", b"1e-400", b"65536", b"2147483648", b"4294967296", b"9223372036854775807",
    b"9223372036854775808", b"-9223372036854775808", b"18446744073709551615", b"18446744073709551616",
    b"\\u0000", b"\\ud800", b"\\ud83d\\ude00", "\u{202e}".as_bytes(), "\u{feff}".as_bytes(), "\u{2028}".as_bytes(),
    "👨\u{200d}👩".as_bytes(), "ſ".as_bytes(), b"\xff", b"\xc3", b"\xf0\x9f\x98", b"\x80\x80\x80\x80\x01",
];

/// The cursor of the next socket: none, the newest, one of the corpus, changed or arbitrary.
pub(super) fn cursor(subject: &Subject, newest: Option<&String>, dice: &mut SmallRng) -> Option<String> {
    let known = |dice: &mut SmallRng| newest.or_else(|| subject.cursors.choose(dice)).cloned();
    match dice.random_range(0..8) {
        0 => None,
        1..5 => known(dice),
        5 => subject.cursors.choose(dice).cloned(),
        6 => known(dice).map(|cursor| text(changed(cursor.into_bytes(), b"7", dice))),
        _ => Some(text(arbitrary(dice))),
    }
}

/// What happens next.
pub(super) fn event(subject: &Subject, socket: &Socket<'_>, dice: &mut SmallRng) -> Event {
    if socket.is_asked() && dice.random_ratio(1, 2) {
        return match dice.random_range(0..10) {
            0 | 1 => Event::End,
            2 => Event::Broken,
            3 => Event::Refused(*[400, 404, 405, 410, 422].choose(dice).unwrap_or(&404)),
            4 => Event::Cut,
            _ => Event::Part(text(hostile(subject, &subject.parts, socket, dice).0)),
        };
    }
    match dice.random_range(0..32) {
        0 | 1 => Event::Quiet,
        2 => Event::Heartbeat,
        3 => Event::Wrap(text(hostile(subject, &subject.frames, socket, dice).0)),
        4 => {
            let code = *[1000, 1006, 1011, 4400, 4401, 4500].choose(dice).unwrap_or(&1000);
            Event::Closed(code, text(arbitrary(dice)))
        }
        5..7 => Event::Committed,
        7..10 => subject.frames.choose(dice).cloned().unwrap_or(Event::Quiet),
        other => {
            let (bytes, is_binary) = hostile(subject, &subject.frames, socket, dice);
            // Sometimes of the other kind.
            if is_binary == (other > 10) { Event::Binary(bytes) } else { Event::Text(text(bytes)) }
        }
    }
}

/// The bytes of an input, and whether what they were made of is binary.
fn hostile(subject: &Subject, seeds: &[Event], socket: &Socket<'_>, dice: &mut SmallRng) -> (Vec<u8>, bool) {
    let (good, is_binary) = seed(seeds, socket, dice);
    if dice.random_ratio(1, 10) {
        return (arbitrary(dice), is_binary);
    }
    let other = if dice.random() { seed(&subject.parts, socket, dice) } else { seed(&subject.frames, socket, dice) };
    (changed(good, &other.0, dice), is_binary)
}

/// A good input, or what the dialect itself sent.
fn seed(seeds: &[Event], socket: &Socket<'_>, dice: &mut SmallRng) -> (Vec<u8>, bool) {
    let sent = socket.sent().filter(|_| dice.random_ratio(1, 16));
    match (sent, seeds.choose(dice)) {
        (Some(Outgoing::Text(text)), _) | (None, Some(Event::Text(text) | Event::Part(text))) => {
            (text.clone().into_bytes(), false)
        }
        (Some(Outgoing::Binary(bytes)), _) | (None, Some(Event::Binary(bytes))) => (bytes.clone(), true),
        (None, _) => (Vec::new(), false),
    }
}

fn arbitrary(dice: &mut SmallRng) -> Vec<u8> {
    let length = few(dice);
    match dice.random_range(0..3) {
        0 => (0..length).map(|_| dice.random()).collect(),
        1 => (0..length).map(|_| dice.random_range(b' '..=b'~')).collect(),
        _ => (0..length).flat_map(|_| piece(dice)).copied().collect(),
    }
}

/// Mostly a few, at most 64.
fn few(dice: &mut SmallRng) -> usize {
    let most = 1 << dice.random_range(0..7);
    dice.random_range(0..=most)
}

fn piece(dice: &mut SmallRng) -> &'static [u8] {
    PIECES.choose(dice).copied().unwrap_or_default()
}

/// A good input with some changes. Invalid UTF-8 that comes of it stays in a binary frame.
fn changed(mut bytes: Vec<u8>, other: &[u8], dice: &mut SmallRng) -> Vec<u8> {
    for _ in 0..*[1, 1, 1, 2, 2, 3, 5].choose(dice).unwrap_or(&1) {
        change(&mut bytes, other, dice);
    }
    bytes.truncate(LONGEST);
    bytes
}

fn change(bytes: &mut Vec<u8>, other: &[u8], dice: &mut SmallRng) {
    let at = dice.random_range(0..=bytes.len());
    let end = (at + few(dice)).min(bytes.len());
    match dice.random_range(0..12) {
        0 => bytes.truncate(at),
        1 => drop(bytes.drain(at..end)),
        2 => drop(bytes.splice(at..at, piece(dice).iter().copied())),
        3 => drop(bytes.splice(at..end, piece(dice).iter().copied())),
        4 => {
            // The one up to here, then the other from somewhere.
            bytes.truncate(at);
            bytes.extend_from_slice(&other[dice.random_range(0..=other.len())..]);
        }
        5 => drop(bytes.splice(at..at, other.iter().copied())),
        6 => {
            let again = bytes[at..end].repeat(1 + few(dice));
            bytes.splice(at..at, again);
        }
        7 | 8 => {
            // A whole number or word becomes something else.
            let is_word = |byte: &u8| byte.is_ascii_alphanumeric();
            let start = bytes[..at].iter().rposition(|byte| !is_word(byte)).map_or(0, |before| before + 1);
            let after = bytes[at..].iter().position(|byte| !is_word(byte)).map_or(bytes.len(), |more| at + more);
            bytes.splice(start..after, piece(dice).iter().copied());
        }
        9 if dice.random_ratio(1, 8) => {
            let open: &[u8] = if dice.random() { b"[" } else { b"{\"a\":" };
            bytes.splice(at..at, open.repeat(dice.random_range(1..2_000)));
        }
        10 if at < bytes.len() => bytes[at] ^= 1 << dice.random_range(0..8),
        _ if at < bytes.len() => bytes[at] = dice.random(),
        _ => bytes.push(dice.random()),
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
