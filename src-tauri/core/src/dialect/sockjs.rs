//! The plain dialect in SockJS frames: `o` once it is open, `a[…]` with messages, `h` as a heartbeat, `c[code,"reason"]`
//! before it ends; what is sent is an array of texts. Of its transports only the WebSocket. Sources: sockjs-protocol
//! 0.3.3, sections "Session URLs" and "Protocol and framing"; `lib/main.js` of sockjs-client. The raw WebSocket of a
//! SockJS server, at `base/websocket`, has no frames: that is the plain dialect.
//!
//! It is also what a connection of the plain dialect falls back on that has an address for it: in every dial the raw
//! WebSocket is asked for first.

use std::sync::Arc;

use serde::Deserialize;
use url::Url;

use super::{Context, Dialect, Effects, Incoming, Opening, Outgoing, Spec, json, plain};
use crate::cause::{Cause, CauseCode};
use crate::text;

/// A ping of ours proves the link. The server's heartbeats, every 25 s unless it is told otherwise, make one unnecessary
/// with the default times; but how often they come, and whether as `h` or as a ping, is the server's own affair.
pub(super) const SPEC: Spec = Spec {
    name: "sockjs",
    sends: true,
    presets: &[include_str!("../../../../config/presets/sockjs.toml")],
    address,
    make,
    ..Spec::DEFAULT
};

/// The characters of a session's name, which may be any but a dot and a slash.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz012345";

/// The most characters of the server's reason for the end.
const REASON: usize = 120;

/// The address of a session: a number that only load balancers look at, and a name that no other session has.
pub fn address(base: &Url, random: u64) -> Url {
    let (server, mut left) = (random % 1000, random / 1000);
    let mut session = String::new();
    for _ in 0..8 {
        session.extend(ALPHABET.get((left % 32) as usize).copied().map(char::from));
        left /= 32;
    }
    let mut url = base.clone();
    url.set_path(&format!("{}/{server:03}/{session}/websocket", base.path().trim_end_matches('/')));
    url
}

/// Whether a server may speak SockJS that refused the raw WebSocket with these words: it answered, and what it means is
/// not the moment, the credentials or the way, but that there is no WebSocket at the address.
pub fn may_stand_in(refusal: &Cause) -> bool {
    match refusal.code {
        CauseCode::Http(status) => match status {
            200..=299 | 501 | 505 => true,
            400..=499 => !matches!(status, 401 | 403 | 407 | 408 | 425 | 429),
            _ => false,
        },
        // What answers is no WebSocket.
        CauseCode::Protocol => true,
        CauseCode::Dns
        | CauseCode::Refused
        | CauseCode::Unreachable
        | CauseCode::ConnectTimeout
        | CauseCode::Tls
        | CauseCode::Proxy
        | CauseCode::Unauthorized
        | CauseCode::HeartbeatTimeout
        | CauseCode::Closed(_)
        | CauseCode::Reset
        | CauseCode::TooLarge
        | CauseCode::Slept
        | CauseCode::NetworkChanged
        | CauseCode::ByPerson
        | CauseCode::Configuration => false,
    }
}

/// The plain dialect of a new socket in SockJS frames.
pub fn framed(plain: Box<dyn Dialect>) -> Box<dyn Dialect> {
    Box::new(SockJs { plain, is_open: false })
}

fn make(context: &Arc<Context>) -> Box<dyn Dialect> {
    framed(plain::make(context))
}

/// The dialect of one socket.
struct SockJs {
    plain: Box<dyn Dialect>,
    /// The server said `o`.
    is_open: bool,
}

impl Dialect for SockJs {
    fn opened(&mut self, _: &Opening<'_>, _: &mut Effects) {}

    fn frame(&mut self, frame: Incoming<'_>, effects: &mut Effects) {
        let text = match frame {
            Incoming::Text(text) => text,
            Incoming::Binary(_) => return self.plain.frame(frame, effects),
        };
        let mut rest = text.chars();
        match (rest.next(), rest.as_str()) {
            (Some('o'), "") if !self.is_open => {
                self.is_open = true;
                self.plain.opened(&Opening::default(), effects);
            }
            (Some('o'), "") => effects.end = Some(wrong("the server began a second session on the socket")),
            (Some('h'), "") => {}
            (Some('c'), payload) => effects.end = Some(closed(payload)),
            _ if !self.is_open => effects.end = Some(wrong("the server does not speak SockJS at this address")),
            (Some('a'), payload) => match json::elements(payload) {
                Some(messages) => {
                    for message in messages {
                        self.plain.frame(Incoming::Text(&json::plain_text(message)), effects);
                    }
                }
                None => effects.end = Some(wrong("the server sent messages that cannot be read")),
            },
            // For a single message, from servers of protocol 0.1.
            (Some('m'), payload) => match serde_json::from_str(payload) {
                Ok(message) => self.plain.frame(Incoming::Text(&json::plain_text(message)), effects),
                Err(_) => effects.end = Some(wrong("the server sent a message that cannot be read")),
            },
            _ => effects.end = Some(wrong("the server sent a frame that SockJS does not have")),
        }
    }

    fn wrap(&mut self, text: String) -> Outgoing {
        Outgoing::Text(serde_json::Value::from(vec![text]).to_string())
    }
}

/// What `c` means. The codes are those of WebSocket, and those of the server's own.
fn closed(payload: &str) -> Cause {
    #[derive(Deserialize)]
    struct Payload(u16, String);

    match serde_json::from_str(payload) {
        Ok(Payload(code, reason)) => {
            let reason = text::one_line(&reason, REASON);
            let words = if reason.is_empty() { String::new() } else { format!(": {reason}") };
            Cause::new(CauseCode::Closed(code), format!("the server ended the session with code {code}{words}"))
        }
        Err(_) => wrong("the server ended the session without a reason that can be read"),
    }
}

fn wrong(text: &str) -> Cause {
    Cause::new(CauseCode::Protocol, text)
}

#[cfg(test)]
mod tests;
