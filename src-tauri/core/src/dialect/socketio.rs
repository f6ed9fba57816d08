//! Socket.IO 5 over Engine.IO 4, with the WebSocket as the only transport: what socket.io 3 and 4 speak. An event is a
//! message whose topic is the event's name. Sources: `socket.io/lib/{client,namespace,socket}.ts`,
//! `socket.io-adapter/lib/in-memory-adapter.ts`, `socket.io-parser/lib/index.ts`, `engine.io/lib/{server,socket}.ts`,
//! `socket.io-client/lib/socket.ts`, of version 4.8.
//!
//! `subscribe` names namespaces; without any it is the main one. Credentials go with the request to connect to each of
//! them, as `auth.token`, or as `auth.username` and `auth.password`.
//!
//! A server with connection state recovery gives its session a private id and ends each event with an offset. Both are the
//! cursor, and the offset is the message's id: two events about the same thing are two messages. What was missed comes in
//! order, and before the answer to our request to connect; the answer has the same private id if it was all. Before the
//! first event there is nothing to go on from, and whoever comes before the server has given the old socket up finds no
//! session.

mod offset;
mod packet;
mod session;

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use url::Url;

use super::acks::Unacknowledged;
use super::shape::Shaper;
use super::{
    Beat, Context, Dialect, Effects, Incoming, Item, KeepAlive, LONGEST_SENT_AGAIN, Login, Opening, Outgoing, Spec,
    Subscribe,
};
use crate::cause::{Cause, CauseCode};
use crate::message::{Arrival, Message, usable_id};
use crate::secret::Secret;
use packet::{Connected, Event, Handshake, Kind, Packet};
use session::{Point, Session, Sessions};

/// The cursor is part of the handshake, but no server lets that fail because of it: who asks for a session that is not
/// there is given a new one (`Namespace._createSocket`).
pub(super) const SPEC: Spec = Spec {
    name: "socketio",
    beat: Beat::Server,
    sends: true,
    longest_message: LONGEST_SENT_AGAIN,
    login: Login::InFrames,
    subscribe: Some(Subscribe {
        what: "a namespace",
        example: "\"/news\"",
        required: false,
        check: |entry| match entry {
            _ if !entry.starts_with('/') => Some("does not begin with /".to_owned()),
            _ if entry.contains(',') => Some("has a comma".to_owned()),
            _ => None,
        },
    }),
    presets: &[include_str!("../../../../config/presets/socketio.toml")],
    address,
    make,
    ..Spec::DEFAULT
};

/// How much longer than the server we wait before the socket is given up: by then it has given it up too, and we are handed
/// the session of one that broke in silence.
const LATER: Duration = Duration::from_secs(1);

/// The longest silence that is agreed to.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The address of the server's Engine.IO: at its usual path where there is none, and with the version and the transport
/// that are spoken here.
fn address(base: &Url, _: u64) -> Url {
    let mut url = base.clone();
    match base.path().trim_end_matches('/') {
        "" => url.set_path("/socket.io/"),
        path => url.set_path(&format!("{path}/")),
    }
    let own = |pair: &&str| matches!(pair.split('=').next(), Some("" | "EIO" | "transport" | "sid"));
    let others = base.query().unwrap_or_default().split('&').filter(|pair| !own(pair));
    let query: Vec<_> = ["EIO=4", "transport=websocket"].into_iter().chain(others).collect();
    url.set_query(Some(&query.join("&")));
    url
}

fn make(context: &Arc<Context>) -> Box<dyn Dialect> {
    Box::new(SocketIo {
        context: Arc::clone(context),
        shaper: Shaper::new(context),
        sessions: Sessions::default(),
        login: None,
        is_shaken: false,
        held: None,
        unacknowledged: Unacknowledged::default(),
    })
}

/// The dialect of one socket.
struct SocketIo {
    context: Arc<Context>,
    shaper: Shaper,
    sessions: Sessions,
    /// The user and the secret, until they are sent.
    login: Option<(Option<String>, Secret)>,
    /// The server's handshake came.
    is_shaken: bool,
    /// A packet whose attachments are still to come.
    held: Option<Held>,
    unacknowledged: Unacknowledged,
}

struct Held {
    /// With the place of its session; none: nobody needs the packet.
    event: Option<(usize, Event)>,
    ack: Option<String>,
    left: u32,
    /// The bytes of those that came.
    size: usize,
}

impl Dialect for SocketIo {
    fn opened(&mut self, opening: &Opening<'_>, _: &mut Effects) {
        let main = [String::from("/")];
        let spaces = if self.context.subscribe.is_empty() { &main[..] } else { &self.context.subscribe };
        self.sessions = Sessions::of(spaces, opening.cursor);
        self.login = opening.secret.map(|secret| (opening.user.map(str::to_owned), secret.clone()));
    }

    fn frame(&mut self, frame: Incoming<'_>, effects: &mut Effects) {
        let text = match frame {
            Incoming::Text(text) => text,
            Incoming::Binary(bytes) => return self.attachment(bytes.len(), effects),
        };
        let mut rest = text.chars();
        match (rest.next(), rest.as_str()) {
            (Some('0'), data) if !self.is_shaken => self.handshake(data, effects),
            _ if !self.is_shaken => effects.end = Some(wrong("the server does not speak Engine.IO 4 at this address")),
            (Some('1'), _) => effects.end = Some(closed("the server ended the session")),
            (Some('2'), _) => effects.send("3"),
            // A pong, and what means nothing.
            (Some('3' | '6'), _) => {}
            (Some('4'), data) if self.held.is_none() => match Packet::read(data) {
                Some(packet) => self.packet(&packet, effects),
                None => effects.end = Some(wrong("the server sent a packet that cannot be read")),
            },
            _ => effects.end = Some(wrong("the server sent a packet that has no place here")),
        }
    }

    fn committed(&mut self, mark: u64, effects: &mut Effects) {
        for ack in self.unacknowledged.due(mark) {
            effects.send(ack);
        }
    }

    /// As an event `message`, which is what the official client's `send` makes, to the first namespace.
    fn wrap(&mut self, text: String) -> Outgoing {
        let prefix = self.sessions.list.first().map(Session::prefix).unwrap_or_default();
        Outgoing::Text(format!("42{prefix}{}", json!(["message", text])))
    }
}

impl SocketIo {
    fn handshake(&mut self, data: &str, effects: &mut Effects) {
        let Ok(Handshake { ping_interval, ping_timeout }) = serde_json::from_str(data) else {
            effects.end = Some(wrong("the server's handshake is not that of Engine.IO 4"));
            return;
        };
        self.is_shaken = true;
        let [every, timeout] = [ping_interval, ping_timeout].map(|ms| Duration::from_millis(ms).min(LONGEST));
        effects.keep_alive = Some(KeepAlive { every, timeout: timeout + LATER, always: false, ours: false });
        let auth = match self.login.take() {
            Some((Some(user), secret)) => json!({ "username": user, "password": secret.expose() }),
            Some((None, secret)) => json!({ "token": secret.expose() }),
            None => json!({}),
        };
        for session in &self.sessions.list {
            effects.send(session.request(auth.as_object().cloned().unwrap_or_default()));
        }
    }

    fn packet(&mut self, packet: &Packet<'_>, effects: &mut Effects) {
        let session = self.sessions.place(packet.space);
        match (packet.kind, session) {
            (Kind::Connect, Some(at)) => self.connected(at, packet.data, effects),
            // python-socketio with `always_connect`: only a refusal that comes after the answer has something to say.
            (Kind::Disconnect, Some(_)) if !packet.data.is_empty() => effects.fatal = Some(packet.refusal()),
            // The official client leaves it to its program whether to come back: one that is thrown out for good is refused
            // when it does.
            (Kind::Disconnect, Some(_)) => effects.end = Some(closed("the server disconnected this client")),
            (Kind::ConnectError, Some(_)) => effects.fatal = Some(packet.refusal()),
            (Kind::Event, Some(at)) => {
                let has_offset = packet.ack.is_none() && self.sessions.list.get(at).is_some_and(|it| it.pid.is_some());
                match Event::read(packet.data, has_offset) {
                    Some(event) => self.hold(Some((at, event)), packet, effects),
                    None => effects.end = Some(wrong("the server sent an event that cannot be read")),
                }
            }
            (Kind::Ack, _) | (_, None) => self.hold(None, packet, effects),
        }
    }

    fn connected(&mut self, at: usize, data: &str, effects: &mut Effects) {
        let Some(session) = self.sessions.list.get_mut(at).filter(|session| !session.is_up) else {
            effects.end = Some(wrong("the server connected the same client twice"));
            return;
        };
        let Ok(Connected { pid, .. }) = serde_json::from_str(data) else {
            let text = "the server speaks Socket.IO 2 or earlier, which is not spoken here";
            effects.fatal = Some(Cause::new(CauseCode::Configuration, text));
            return;
        };
        session.answered(pid.and_then(|pid| usable_id(&pid)));
        if self.sessions.are_up() {
            effects.ready = true;
            // It may have been held back until now.
            effects.items.push(self.sessions.cursor());
            effects.items.push(Item::CaughtUp(self.sessions.caught_up()));
        }
    }

    /// Gives an event, if its attachments need not be waited for.
    fn hold(&mut self, event: Option<(usize, Event)>, packet: &Packet<'_>, effects: &mut Effects) {
        let ack = packet.ack.map(str::to_owned);
        let held = Held { event, ack, left: packet.attachments, size: 0 };
        if held.left == 0 { self.give(held, effects) } else { self.held = Some(held) }
    }

    fn attachment(&mut self, size: usize, effects: &mut Effects) {
        let Some(mut held) = self.held.take() else {
            effects.end = Some(wrong("the server sent a binary frame that belongs to nothing"));
            return;
        };
        held.left -= 1;
        held.size = held.size.saturating_add(size);
        if held.left == 0 { self.give(held, effects) } else { self.held = Some(held) }
    }

    fn give(&mut self, held: Held, effects: &mut Effects) {
        let Some((at, event)) = held.event else { return };
        let Some(session) = self.sessions.list.get_mut(at) else { return };
        let message = if event.is_binary {
            Some(Message::binary(held.size))
        } else {
            self.shaper.message(&event.text, &event.name, effects)
        };
        if let Some(mut message) = message {
            message.id = event.offset.clone().or(message.id);
            message.sent_ms = event.offset.as_deref().and_then(offset::sent_ms);
            message.arrival = if session.is_catching_up() { Arrival::CaughtUp } else { Arrival::Live };
            effects.message(message);
        }
        if let (Some(pid), Some(offset)) = (session.pid.clone(), event.offset) {
            session.point = Some(Point { pid, offset });
            if !self.sessions.have_untold_loss() {
                effects.items.push(self.sessions.cursor());
            }
        }
        if let (Some(ack), Some(session)) = (held.ack, self.sessions.list.get(at)) {
            self.unacknowledged.push(format!("43{}{ack}[]", session.prefix()));
            effects.items.extend(self.unacknowledged.mark());
        }
    }
}

fn closed(text: &str) -> Cause {
    Cause::new(CauseCode::Closed(1005), text)
}

fn wrong(text: &str) -> Cause {
    Cause::new(CauseCode::Protocol, text)
}

#[cfg(test)]
mod tests;
