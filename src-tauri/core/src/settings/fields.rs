//! The rules of single fields: each takes what was written and gives what is used, or notes what is wrong with it.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use jiff::fmt::friendly::SpanParser;
use url::Url;

use super::validate::{Errors, FieldErrorCode, shown};
use crate::text;

/// The most characters of a connection's name.
pub const NAME_MAX: usize = 64;

/// The longest URL, in bytes.
const URL_MAX: usize = 8 * 1024;

/// The longest text frame that can be configured, in bytes.
const FRAME_MAX: usize = 64 * 1024;

/// The most entries of a list or of the headers.
const ENTRIES_MAX: usize = 64;

/// The longest duration.
const DURATION_MAX: Duration = Duration::from_secs(24 * 60 * 60);

const SCHEMES: &str = "ws://, wss://, http:// or https://";

pub(super) fn name(given: Option<&str>, errors: &mut Errors) -> Option<String> {
    let name = given.unwrap_or_default().trim();
    let length = name.chars().count();
    if name.is_empty() {
        errors.push("name", FieldErrorCode::Missing, "", "the connection has no name: give it one, such as \"crm\"");
    } else if length > NAME_MAX {
        let message = format!("the name has {length} characters: use at most {NAME_MAX}");
        errors.push("name", FieldErrorCode::TooLong, name, message);
    } else if text::has_hidden(name) {
        let message = "the name has characters that cannot be seen: type it again with letters, digits and spaces";
        errors.push("name", FieldErrorCode::TextInvalid, name, message);
    } else {
        return Some(name.to_owned());
    }
    None
}

/// A WebSocket address; `http` and `https` become `ws` and `wss`.
pub(super) fn url(field: &str, given: Option<&str>, errors: &mut Errors) -> Option<Url> {
    match websocket_url(given.unwrap_or_default().trim()) {
        Ok(url) => Some(url),
        Err((code, value, message)) => {
            errors.push(field, code, &value, message);
            None
        }
    }
}

type Fault = (FieldErrorCode, String, String);

fn websocket_url(given: &str) -> Result<Url, Fault> {
    let invalid = |why: &str| (FieldErrorCode::UrlInvalid, without_user(given), why.to_owned());
    if given.is_empty() {
        let message = format!("the address is missing: give one that begins with {SCHEMES}");
        return Err((FieldErrorCode::Missing, String::new(), message));
    }
    if given.len() > URL_MAX {
        let message = format!("the address has {} bytes: use at most {URL_MAX}", given.len());
        return Err((FieldErrorCode::TooLong, without_user(given), message));
    }
    // The parser would drop them without a word, and another host than the one written could be dialled.
    if given.contains(char::is_control) {
        return Err(invalid("the address has control characters or line breaks: write it on one line"));
    }
    let mut url = Url::parse(given).map_err(|error| match error {
        url::ParseError::RelativeUrlWithoutBase => scheme_fault(given),
        url::ParseError::EmptyHost => invalid("the address has no host: write it after the //, as in wss://host/path"),
        other => invalid(&format!(
            "\"{}\" is not an address ({other}): write it as wss://host/path",
            shown(&without_user(given))
        )),
    })?;
    let scheme = match url.scheme() {
        "ws" | "http" => "ws",
        "wss" | "https" => "wss",
        _ => return Err(scheme_fault(given)),
    };
    if url.fragment().is_some() {
        let message =
            "a WebSocket address has no part after \"#\" (RFC 6455, section 3): remove it, or write %23 for the sign";
        return Err((FieldErrorCode::UrlFragment, without_user(given), message.to_owned()));
    }
    if url.port() == Some(0) {
        return Err(invalid(
            "port 0 cannot be dialled: give the port the server listens on, or none for the usual one",
        ));
    }
    if url.set_scheme(scheme).is_err() || url.host_str().is_none_or(str::is_empty) {
        return Err(invalid("the address has no host: write it after the //, as in wss://host/path"));
    }
    Ok(url)
}

fn scheme_fault(given: &str) -> Fault {
    let value = without_user(given);
    let message = format!("\"{}\" is not a WebSocket address: begin it with {SCHEMES}", shown(&value));
    (FieldErrorCode::UrlScheme, value, message)
}

/// What was given, without what may be a password: it may not even be a URL.
fn without_user(given: &str) -> String {
    let start = given.find("//").map_or(0, |at| at + 2);
    let (scheme, rest) = given.split_at(start);
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let user = rest[..end].rfind('@').map_or(0, |at| at + 1);
    format!("{scheme}{}", &rest[user..])
}

/// A time of at least a millisecond and at most 24 hours, such as 500ms, 5s, 2min.
pub(super) fn duration(field: &str, given: Option<&str>, errors: &mut Errors) -> Option<Duration> {
    let given = given.unwrap_or_default().trim();
    match parse_duration(given) {
        Ok(duration) => Some(duration),
        Err((code, message)) => {
            errors.push(field, code, given, message);
            None
        }
    }
}

fn parse_duration(given: &str) -> Result<Duration, (FieldErrorCode, String)> {
    let value = shown(given);
    if given.is_empty() {
        return Err((FieldErrorCode::Missing, "the time is missing: give one such as 500ms, 5s or 2min".to_owned()));
    }
    if given.bytes().all(|b| b.is_ascii_digit()) && given.bytes().any(|b| b != b'0') {
        let message = format!("\"{value}\" has no unit: write {value}s for seconds or {value}ms for milliseconds");
        return Err((FieldErrorCode::DurationInvalid, message));
    }
    if given.bytes().all(|b| b == b'0') {
        return Err(zero(&value));
    }
    let parsed = SpanParser::new().parse_duration(given).map_err(|_| {
        (FieldErrorCode::DurationInvalid, format!("\"{value}\" is not a time: write it as 500ms, 5s, 2min or 1h"))
    })?;
    if parsed.is_zero() {
        return Err(zero(&value));
    }
    match Duration::try_from(parsed) {
        Ok(duration) if (Duration::from_millis(1)..=DURATION_MAX).contains(&duration) => Ok(duration),
        _ => Err((FieldErrorCode::DurationRange, format!("\"{value}\" is out of range: use 1ms to 24h"))),
    }
}

fn zero(value: &str) -> (FieldErrorCode, String) {
    (FieldErrorCode::DurationZero, format!("\"{value}\" is no time at all: give one such as 500ms, 5s or 2min"))
}

/// A file's path: absolute, or in the home folder. Where a relative one begins would depend on how Heartwire was started.
pub(super) fn path(field: &str, given: &str, errors: &mut Errors) -> Option<String> {
    let given = given.trim();
    let windows = given.get(1..3).is_some_and(|after| after == ":\\" || after == ":/") || given.starts_with("\\\\");
    let message = if given.contains(char::is_control) {
        "the path has control characters: write it on one line".to_owned()
    } else if !(given.starts_with('/') || given.starts_with("~/") || windows) {
        format!("\"{}\" is not a whole path: write it from the root or with ~/ for your home folder", shown(given))
    } else {
        return Some(given.to_owned());
    };
    errors.push(field, FieldErrorCode::PathInvalid, given, message);
    None
}

/// One of `choices`.
pub(super) fn choice<T: Copy>(
    field: &str,
    given: Option<&str>,
    choices: &[(&str, T)],
    errors: &mut Errors,
) -> Option<T> {
    let given = given.unwrap_or_default().trim();
    if let Some((_, value)) = choices.iter().find(|(word, _)| *word == given) {
        return Some(*value);
    }
    let words: Vec<_> = choices.iter().map(|(word, _)| format!("\"{word}\"")).collect();
    let words = words.join(" or ");
    if given.is_empty() {
        errors.push(field, FieldErrorCode::Missing, "", format!("this is missing: use {words}"));
    } else {
        let message = format!("\"{}\" is not known here: use {words}", shown(given));
        errors.push(field, FieldErrorCode::UnknownChoice, given, message);
    }
    None
}

/// A text frame that is sent.
pub(super) fn frame(field: &str, given: &str, errors: &mut Errors) -> Option<String> {
    if given.len() > FRAME_MAX {
        let message = format!("the text has {} bytes: use at most {FRAME_MAX}", given.len());
        errors.push(field, FieldErrorCode::TooLong, given, message);
        return None;
    }
    Some(given.to_owned())
}

pub(super) fn on_open(given: &[String], errors: &mut Errors) -> Option<Vec<String>> {
    few(given.len(), "on_open", errors)?;
    let frames: Vec<_> =
        given.iter().enumerate().map(|(at, text)| frame(&format!("on_open[{at}]"), text, errors)).collect();
    frames.into_iter().collect()
}

/// Subprotocols are tokens and each stands once (RFC 6455, section 4.1).
pub(super) fn subprotocols(given: &[String], errors: &mut Errors) -> Option<Vec<String>> {
    few(given.len(), "subprotocols", errors)?;
    let mut seen = HashSet::new();
    let mut good = true;
    for (at, protocol) in given.iter().enumerate() {
        let fault = if !is_token(protocol) {
            "is not a subprotocol: use letters, digits and - . _ without spaces"
        } else if !seen.insert(protocol) {
            "stands here twice: remove one"
        } else {
            continue;
        };
        let message = format!("\"{}\" {fault}", shown(protocol));
        errors.push(format!("subprotocols[{at}]"), FieldErrorCode::SubprotocolInvalid, protocol, message);
        good = false;
    }
    good.then(|| given.to_vec())
}

/// Header names are tokens; values are one line (RFC 9110, section 5.5). What the upgrade itself sets is refused.
pub(super) fn headers(given: &BTreeMap<String, String>, errors: &mut Errors) -> Option<BTreeMap<String, String>> {
    few(given.len(), "headers", errors)?;
    let mut seen = HashSet::new();
    let mut good = true;
    for (name, value) in given {
        let lower = name.to_ascii_lowercase();
        let fault = if !is_token(name) {
            "is not a header name: use letters, digits and -"
        } else if set_by_upgrade(&lower) {
            "is set by the connection itself: remove it"
        } else if !seen.insert(lower) {
            "stands here twice: names differ in more than capitals, so remove one"
        } else if !is_header_value(value) {
            "has a line break or another control character in its value: write the value on one line"
        } else if value.len() > URL_MAX {
            "has a value of more than 8 KiB, which servers refuse: shorten it"
        } else {
            continue;
        };
        // Only the name is repeated: the value may be a secret.
        let message = format!("the header \"{}\" {fault}", shown(name));
        errors.push(format!("headers.{}", shown(name)), FieldErrorCode::HeaderInvalid, name, message);
        good = false;
    }
    good.then(|| given.iter().map(|(name, value)| (name.clone(), value.trim().to_owned())).collect())
}

pub(super) fn few(count: usize, field: &str, errors: &mut Errors) -> Option<()> {
    if count <= ENTRIES_MAX {
        return Some(());
    }
    let message = format!("there are {count} entries: use at most {ENTRIES_MAX}");
    errors.push(field, FieldErrorCode::TooLong, &count.to_string(), message);
    None
}

/// RFC 9110, section 5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

fn is_header_value(text: &str) -> bool {
    text.bytes().all(|b| b == b'\t' || (b >= b' ' && b != 0x7f))
}

fn set_by_upgrade(lower: &str) -> bool {
    ["host", "connection", "upgrade", "content-length", "transfer-encoding"].contains(&lower)
        || lower.starts_with("sec-websocket-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        let check = |given: &str, millis: u64| {
            let mut errors = Errors::default();
            let read = duration("every", Some(given), &mut errors);
            assert_eq!(read, Some(Duration::from_millis(millis)), "{given}: {errors:?}");
        };
        check("500ms", 500);
        check(" 5s ", 5_000);
        check("5 s", 5_000);
        check("2min", 120_000);
        check("2m", 120_000);
        check("1m 30s", 90_000);
        check("1h", 3_600_000);
        check("1.5s", 1_500);
        check("24h", 86_400_000);
        check("1ms", 1);
    }

    #[test]
    fn other_times_are_refused_each_for_its_reason() {
        use FieldErrorCode::{DurationInvalid, DurationRange, DurationZero, Missing};
        let check = |given: &str, code: FieldErrorCode, part: &str| {
            let mut errors = Errors::default();
            assert_eq!(duration("every", Some(given), &mut errors), None, "{given}");
            let errors = errors.into_list();
            assert_eq!((errors.len(), errors[0].code), (1, code), "{given}");
            assert!(errors[0].message.contains(part), "{given}: {}", errors[0].message);
        };
        check("", Missing, "missing");
        check("5", DurationInvalid, "write 5s for seconds");
        check("soon", DurationInvalid, "is not a time");
        check("5 sheep", DurationInvalid, "is not a time");
        check("0", DurationZero, "no time at all");
        check("0s", DurationZero, "no time at all");
        check("0.0ms", DurationZero, "no time at all");
        check("-5s", DurationRange, "1ms to 24h");
        check("24h 1ms", DurationRange, "1ms to 24h");
        check("10us", DurationRange, "1ms to 24h");
        check("9999999999999999999999h", DurationInvalid, "is not a time");
    }

    #[test]
    fn a_password_is_not_repeated_in_an_error() {
        let check = |given: &str, expected: &str| assert_eq!(without_user(given), expected, "{given}");
        check("ftp://me:secret@host/a@b", "ftp://host/a@b");
        check("me:secret@host", "host");
        check("wss://me:sec@ret@:99999/x", "wss://:99999/x");
        check("wss://host?q=a@b", "wss://host?q=a@b");
    }
}
