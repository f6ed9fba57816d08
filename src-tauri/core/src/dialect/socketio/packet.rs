//! A packet of Socket.IO 5 as the text of an Engine.IO message: type, attachments, namespace, acknowledgement and data, of
//! which only the type is always there (`Decoder.decodeString` of socket.io-parser). And what an event has to say.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::offset;
use crate::cause::{Cause, CauseCode};
use crate::dialect::json::{elements, plain_text};
use crate::text::one_line;

/// The most characters of the server's reason for a refusal.
const REASON: usize = 120;

/// The most digits of the number of an acknowledgement: that of the largest in 64 bits.
const ACK_DIGITS: usize = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Connect,
    Disconnect,
    Event,
    Ack,
    ConnectError,
}

/// What an Engine.IO server begins with; times in milliseconds.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Handshake {
    pub(super) ping_interval: u64,
    pub(super) ping_timeout: u64,
}

/// The data of the answer to a request to connect.
#[derive(Deserialize)]
pub(super) struct Connected {
    #[expect(dead_code, reason = "servers of Socket.IO 2 do not give it, which is how they are known")]
    sid: String,
    pub(super) pid: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Packet<'a> {
    pub(super) kind: Kind,
    /// How many binary frames follow that belong to it.
    pub(super) attachments: u32,
    /// The namespace.
    pub(super) space: &'a str,
    /// The number by which it is to be acknowledged.
    pub(super) ack: Option<&'a str>,
    /// JSON, or nothing.
    pub(super) data: &'a str,
}

impl<'a> Packet<'a> {
    pub(super) fn read(text: &'a str) -> Option<Self> {
        let (kind, is_binary) = match text.as_bytes().first()? {
            b'0' => (Kind::Connect, false),
            b'1' => (Kind::Disconnect, false),
            b'2' => (Kind::Event, false),
            b'3' => (Kind::Ack, false),
            b'4' => (Kind::ConnectError, false),
            b'5' => (Kind::Event, true),
            b'6' => (Kind::Ack, true),
            _ => return None,
        };
        let rest = text.get(1..)?;
        let (attachments, rest) = match rest.split_once('-') {
            Some((count, rest)) if is_binary => (count.parse().ok().filter(|&count| count > 0)?, rest),
            None if is_binary => return None,
            Some(_) | None => (0, rest),
        };
        let (space, rest) =
            if rest.starts_with('/') { rest.split_once(',').unwrap_or((rest, "")) } else { ("/", rest) };
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (ack, data) = rest.split_at_checked(digits)?;
        if ack.len() > ACK_DIGITS {
            return None;
        }
        Some(Self { kind, attachments, space, ack: Some(ack).filter(|ack| !ack.is_empty()), data })
    }

    /// What a refused connection means. A namespace that is not there has fixed words (`Client.connect` of socket.io) or
    /// is all that is told so (`_handle_connect` of python-socketio); everything else is what the server's own middleware
    /// thinks of this client and of what it showed.
    pub(super) fn refusal(&self) -> Cause {
        #[derive(Deserialize)]
        struct Refusal {
            message: String,
        }
        let words = serde_json::from_str(self.data).map(|Refusal { message }| message);
        let words = words.or_else(|_| serde_json::from_str::<String>(self.data)).unwrap_or_default();
        match one_line(&words, REASON).as_str() {
            words if words == "Invalid namespace" || self.data == r#""Unable to connect""# => {
                let text = format!("the server has no namespace {}", one_line(self.space, REASON));
                Cause::new(CauseCode::Configuration, text)
            }
            "" => Cause::new(CauseCode::Unauthorized, "the server refused this client"),
            words => Cause::new(CauseCode::Unauthorized, format!("the server refused this client: {words}")),
        }
    }
}

/// What came with an event.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) name: String,
    /// The only argument if it is a text, else the arguments as JSON.
    pub(super) text: String,
    /// Each argument is one of the attachments.
    pub(super) is_binary: bool,
    /// Up to where this is in all that the server sent.
    pub(super) offset: Option<String>,
}

impl Event {
    /// `has_offset`: the last argument is the offset, if it is one. That of an event without one, because it is volatile,
    /// may look the same; the official client takes any text for an offset.
    pub(super) fn read(data: &str, has_offset: bool) -> Option<Self> {
        let list = elements(data)?;
        let (name, mut arguments) = list.split_first()?;
        let is_name = |first: u8| first == b'"' || first == b'-' || first.is_ascii_digit();
        if !name.get().bytes().next().is_some_and(is_name) {
            return None;
        }
        let mut offset = None;
        if has_offset && let Some((last, others)) = arguments.split_last() {
            let given = last.get().starts_with('"').then(|| plain_text(last).into_owned());
            offset = given.filter(|given| offset::sent_ms(given).is_some());
            arguments = if offset.is_some() { others } else { arguments };
        }
        let text = match arguments {
            [] => String::new(),
            [one] => plain_text(one).into_owned(),
            more => format!("[{}]", more.iter().map(|one| one.get()).collect::<Vec<_>>().join(",")),
        };
        let is_binary = !arguments.is_empty() && arguments.iter().all(|argument| is_placeholder(argument));
        Some(Self { name: plain_text(name).into_owned(), text, is_binary, offset })
    }
}

/// Whether this stands where an attachment was (`_deconstructPacket` of socket.io-parser).
fn is_placeholder(value: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Placeholder {
        #[serde(rename = "_placeholder")]
        is_one: bool,
    }
    serde_json::from_str::<Placeholder>(value.get()).is_ok_and(|it| it.is_one)
}
