//! Large inputs: nested 100,000 deep, 14 MB of `[]`, a text of 14 MB, 14 MB that are no UTF-8, good frames again and again;
//! as whole frames and parts, and in the place of every text and number of every good one.

use heartwire_core::dialect::JSON_VALUES_MAX;

use super::corpus::Subject;
use super::session::{found, tell};
use super::socket::{Event, Socket};
use super::{Found, Seen};

/// The bytes of a large input: a little less than the longest message that a socket takes.
pub(super) const LENGTH: usize = 14_000_000;

const DEPTH: usize = 100_000;

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Large {
    /// Every one.
    All,
    /// Those of 14 MB in one place of each good frame only: for a test that has little time.
    Some,
}

/// Tells them all, each to a socket of its own that has heard the good frames before it.
pub(super) fn run(subject: &Subject, which: Large, sum: &mut Seen) -> Result<(), Found> {
    let Some(server) = subject.servers.last() else { return Ok(()) };
    let hostile = |good: usize, event: Event, sum: &mut Seen| {
        let (mut socket, mut log) = (Socket::new(server), Vec::new());
        let opened = Event::Opened(subject.cursors.first().cloned());
        let before = std::iter::once(opened).chain(subject.talk[..good].iter().cloned());
        for (at, event) in before.chain([event, Event::Quiet]).enumerate() {
            if socket.takes(&event) {
                sum.inputs += u64::from(at == good + 1);
                let told = tell(&mut socket, event, &mut log, sum);
                told.map_err(|wrong| found(subject, "a large input".to_owned(), wrong, &log))?;
            }
        }
        Ok(())
    };
    for at in 0..=subject.talk.len() {
        match subject.talk.get(at) {
            Some(Event::Text(text)) => hostile(at, Event::Text(text.repeat(LENGTH / text.len().max(1))), sum)?,
            Some(Event::Part(text)) => hostile(at, Event::Part(text.repeat(LENGTH / text.len().max(1))), sum)?,
            Some(Event::Binary(bytes)) => hostile(at, Event::Binary(bytes.repeat(LENGTH / bytes.len().max(1))), sum)?,
            _ => {}
        }
        for (shape, rest) in whole() {
            hostile(at, Event::Text(shape.clone()), sum)?;
            hostile(at, Event::Part(shape.clone()), sum)?;
            hostile(at, Event::Binary([shape.as_bytes(), rest].concat()), sum)?;
        }
        for head in &subject.heads {
            let fill = |byte: u8| [head.as_slice(), &vec![byte; LENGTH]].concat();
            hostile(at, Event::Binary(fill(b'[')), sum)?;
            hostile(at, Event::Binary(fill(0xff)), sum)?;
        }
    }
    for (at, event) in subject.talk.iter().enumerate() {
        let (good, again): (&str, fn(String) -> Event) = match event {
            Event::Text(text) => (text, Event::Text),
            Event::Part(text) => (text, Event::Part),
            _ => continue,
        };
        for (place, (from, to)) in places(good).into_iter().enumerate() {
            for (shape, length) in within() {
                if length == LENGTH && which == Large::Some && place > 0 {
                    continue;
                }
                hostile(at, again([&good[..from], &shape, &good[to..]].concat()), sum)?;
            }
        }
    }
    Ok(())
}

/// Whole frames; in binary ones with something behind that is no UTF-8.
fn whole() -> Vec<(String, &'static [u8])> {
    vec![
        (String::new(), b"\xff"),
        (nested(), b""),
        ("{\"a\":".repeat(DEPTH), b"\xc3"),
        (brackets(), b""),
        (many(), b""),
        (format!("\"{}\"", "x".repeat(LENGTH)), b"\xf0\x9f"),
        ("张".repeat(LENGTH / 3), b"\xff\xff\xff"),
    ]
}

/// What takes the place of a text with its quotes, of what is between the quotes, or of a number.
fn within() -> Vec<(String, usize)> {
    vec![
        (nested(), DEPTH),
        (format!("{}1{}", "{\"a\":".repeat(DEPTH), "}".repeat(DEPTH)), DEPTH),
        (format!("{}1{}", "{\\\"a\\\":".repeat(DEPTH), "}".repeat(DEPTH)), DEPTH),
        (many(), DEPTH),
        (brackets(), LENGTH),
        (format!("\"{}\"", "x".repeat(LENGTH)), LENGTH),
        ("9".repeat(LENGTH), LENGTH),
    ]
}

fn nested() -> String {
    format!("{}{}", "[".repeat(DEPTH), "]".repeat(DEPTH))
}

fn brackets() -> String {
    format!("[{}[]]", "[],".repeat(LENGTH / 3))
}

/// As many values as JSON may have that is read into values, each of the kind that takes the most memory.
fn many() -> String {
    let deep = format!("{}0{},", "{\"a\":".repeat(99), "}".repeat(99));
    format!("[{}0]", deep.repeat(JSON_VALUES_MAX / 101))
}

/// Where texts (with and without their quotes), numbers and words stand.
fn places(good: &str) -> Vec<(usize, usize)> {
    let bytes = good.as_bytes();
    let mut places = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let length = match bytes[at] {
            b'"' => {
                let end = quoted(rest);
                places.push((at + 1, at + end - 1));
                end
            }
            byte if byte.is_ascii_alphanumeric() => {
                rest.iter().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(rest.len())
            }
            _ => {
                at += 1;
                continue;
            }
        };
        places.push((at, at + length));
        at += length;
    }
    places
}

/// The length of a JSON string with its quotes, at least two.
fn quoted(bytes: &[u8]) -> usize {
    let mut at = 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len()).max(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_and_number_has_a_place() {
        let check = |good: &str, expected: &[&str]| {
            let found: Vec<_> = places(good).into_iter().map(|(from, to)| &good[from..to]).collect();
            assert_eq!(found, expected, "{good}");
        };
        check(r#"42["a\"b",-7,{"":null}]"#, &["42", r#"a\"b"#, r#""a\"b""#, "7", "", r#""""#, "null"]);
        check("RECEIPT\nid:1", &["RECEIPT", "id", "1"]);
        check("检测", &[]);
    }

    #[test]
    fn large_inputs_are_as_large_as_they_say() {
        assert_eq!(nested().len(), 2 * DEPTH);
        for (shape, length) in within().into_iter().filter(|(_, length)| *length == LENGTH) {
            assert!(shape.len().abs_diff(length) < 10, "{shape:.20}");
        }
    }
}
