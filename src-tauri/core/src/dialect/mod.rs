//! What a server speaks. A dialect turns what happens on one socket into [`Effects`]: frames to send, and [`Item`]s for
//! people and the store. It does no I/O, reads no clock and stores nothing; the engine does what its effects say.
//!
//! One value lives as long as one socket. What outlives it is the cursor: the dialect gives one with [`Item::Cursor`] when
//! everything before it in the order of items is complete, the store commits it together with those items, and the next
//! socket's [`Opening`] brings the newest one back. A dialect that has no cursor yet is at its first contact, and then
//! nothing that is older than this contact may be told as news.
//!
//! A new dialect is a file here with its [`Spec`], its preset in `config/presets`, and its line in [`ALL`].

mod acks;
mod action_cable;
mod effects;
mod gotify;
mod graphql;
mod home_assistant;
mod json;
mod mqtt;
mod ntfy;
mod phoenix;
mod plain;
mod pushover;
mod shape;
mod socketio;
pub mod sockjs;
mod stomp;
pub(crate) mod template;

use std::sync::{Arc, Weak};
use std::time::Duration;

use url::Url;

pub use effects::{Answer, CaughtUp, Effects, Fetch, Fetched, Item, KeepAlive, Missing, Outgoing, Refused, Withdrawal};
pub use json::VALUES_MAX as JSON_VALUES_MAX;
pub use shape::Shape;

use crate::cause::Cause;
use crate::link::ResumeData;
use crate::secret::Secret;
use crate::settings::{Connection, MessageSettings, ReplyMatcher};

/// Every dialect, in the order in which they are offered.
pub const ALL: &[&Spec] = &[
    &plain::SPEC,
    &ntfy::SPEC,
    &gotify::SPEC,
    &home_assistant::SPEC,
    &mqtt::SPEC,
    &sockjs::SPEC,
    &socketio::SPEC,
    &stomp::SPEC,
    &graphql::SPEC,
    &phoenix::SPEC,
    &action_cable::SPEC,
    &pushover::SPEC,
];

/// The longest message that a socket takes as a rule, in bytes.
pub const LONGEST_MESSAGE: usize = 1024 * 1024;

/// The same where the server sends again what it has no acknowledgement of: a message that is refused would come again for
/// ever, and everything behind it never. RabbitMQ 4 takes up to 16 MiB from publishers unless it is told otherwise, other
/// brokers less or any length; the rest is for what stands around it. Only a socket on which one came has room for it, and
/// keeps that until it ends.
const LONGEST_SENT_AGAIN: usize = 17 * 1024 * 1024;

/// One data frame as it came: whole, unmasked, its text already known to be UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// A text frame.
    Text(&'a str),
    /// A binary frame.
    Binary(&'a [u8]),
}

/// What a dialect learns when its socket is up: the upgrade is done, and nothing was read yet.
#[derive(Clone, Copy, Debug, Default)]
pub struct Opening<'a> {
    /// Where this connection is known to be complete; none at the first contact.
    pub cursor: Option<&'a ResumeData>,
    /// The name that the credentials are for, of kind `basic`; only for [`Login::InFrames`].
    pub user: Option<&'a str>,
    /// The password or token; only for [`Login::InFrames`].
    pub secret: Option<&'a Secret>,
    /// Nobody can guess it: for names that must be unlike all others.
    pub random: u64,
    /// Nothing of what comes can be kept, so that no mark will be committed: the connection is only tried out, or there is
    /// no disk. Nothing of the socket may outlive it at the server.
    pub passing: bool,
}

/// What a server speaks, on one socket. Every method adds to `effects`, which is otherwise empty.
pub trait Dialect: Send {
    /// The socket is up. A dialect without a handshake of its own is [`Effects::ready`] here; any other says so when the
    /// server has taken its subscriptions, and the connection counts as connected from then.
    fn opened(&mut self, opening: &Opening<'_>, effects: &mut Effects);

    /// A data frame came.
    fn frame(&mut self, frame: Incoming<'_>, effects: &mut Effects);

    /// Part of the answer to the [`Effects::fetch`] of this socket came.
    fn fetched(&mut self, fetched: Fetched<'_>, effects: &mut Effects) {
        let _ = (fetched, effects);
    }

    /// Everything before [`Item::Mark`] of this number is on disk: what it came from may be acknowledged to the server.
    fn committed(&mut self, mark: u64, effects: &mut Effects) {
        let _ = (mark, effects);
    }

    /// Nothing more can be read for now. Servers that resend what was missed on the socket do so in one go: where no
    /// frame says that it is over, this is the sign.
    fn quiet(&mut self, effects: &mut Effects) {
        let _ = effects;
    }

    /// The server closed with this code and this reason, which is safe to show. A dialect whose codes mean more than their
    /// number says why the socket is gone.
    fn closed(&self, code: u16, reason: &str) -> Option<Cause> {
        let _ = (code, reason);
        None
    }

    /// The server sent what is not taken, and may do so again on every socket: what a person can do about it, as half a
    /// sentence.
    fn advice(&self, refused: Refused) -> Option<String> {
        let _ = refused;
        None
    }

    /// Everything that came in one go has been told, and the effects of all of it are about to be handed over: what ends
    /// them, such as one cursor for all, belongs here.
    fn settle(&mut self, effects: &mut Effects) {
        let _ = effects;
    }

    /// The dialect's own heartbeat: all of one for [`Beat::Own`], and sent beside each ping for [`Beat::Ping`], for
    /// servers that count only what is said in their own protocol.
    fn heartbeat(&mut self) -> Option<Outgoing> {
        None
    }

    /// The frame that carries a text: of the person, of `on_open`, or a heartbeat of kind `text`.
    fn wrap(&mut self, text: String) -> Outgoing {
        Outgoing::Text(text)
    }
}

/// What is known of a dialect without speaking it.
pub struct Spec {
    /// Its name in the settings.
    pub name: &'static str,
    /// How a link is proved that says `kind = "auto"`.
    pub beat: Beat,
    /// Text that a person may send goes out as it is, or wrapped; false: the server takes none.
    pub sends: bool,
    /// The longest text frame that the server survives, in bytes.
    pub longest_text: Option<usize>,
    /// The longest message that the server may send, in bytes.
    pub longest_message: usize,
    /// Where the credentials go.
    pub login: Login,
    /// Whether the cursor is part of the handshake, so that a server that lets the handshake fail may mean it.
    pub cursor_in_handshake: bool,
    /// Whether the server ends an earlier socket of the same login when another one begins.
    pub one_socket: bool,
    /// What the entries of `subscribe` are, for the error where there must be some; none: there may be none.
    pub subscribe: Option<Subscribe>,
    /// Offered in the upgrade request besides those of the settings.
    pub subprotocols: &'static [&'static str],
    /// Its presets: files of `config/presets`.
    pub presets: &'static [&'static str],
    /// What is wrong with the connection's address, if anything is: a whole sentence that says what to do.
    pub check_url: fn(&Url) -> Option<String>,
    /// The address of the next dial, where it differs from one dial to the next. The number is random.
    pub address: fn(&Url, u64) -> Url,
    /// The dialect of a new socket.
    pub make: fn(&Arc<Context>) -> Box<dyn Dialect>,
}

/// The rule for `subscribe`.
#[derive(Clone, Copy, Debug)]
pub struct Subscribe {
    /// What an entry is: "a topic filter", for messages.
    pub what: &'static str,
    /// A good entry, for messages.
    pub example: &'static str,
    /// Whether there must be one.
    pub required: bool,
    /// What is wrong with an entry, if anything is: half a sentence.
    pub check: fn(&str) -> Option<String>,
}

/// How a link of this dialect is proved unless the settings say otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beat {
    /// A ping frame of ours.
    Ping,
    /// A frame of the dialect's, see [`Dialect::heartbeat`].
    Own,
    /// The server sends heartbeats; we watch for their absence.
    Server,
}

/// Where credentials go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    /// Into the upgrade request and every fetch, as `Authorization`.
    InRequest,
    /// Into the dialect's own frames and fetches, by [`Opening`].
    InFrames,
}

impl Spec {
    /// The specification of most dialects' simpler parts.
    pub(crate) const DEFAULT: Spec = Spec {
        name: "",
        beat: Beat::Ping,
        sends: false,
        longest_text: None,
        longest_message: LONGEST_MESSAGE,
        login: Login::InRequest,
        cursor_in_handshake: false,
        one_socket: false,
        subscribe: None,
        subprotocols: &[],
        presets: &[],
        check_url: |_| None,
        address: |url, _| url.clone(),
        make: plain::make,
    };

    /// The dialect of this name.
    pub fn find(name: &str) -> Option<&'static Spec> {
        ALL.iter().copied().find(|spec| spec.name == name)
    }
}

impl PartialEq for Spec {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl std::fmt::Debug for Spec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// What the dialects of all sockets of a connection share.
#[derive(Debug)]
pub struct Context {
    /// The connection's name.
    pub name: String,
    /// What is dialled; a fetch goes to the same server.
    pub url: Url,
    /// What is subscribed to, in the dialect's own words.
    pub subscribe: Vec<String>,
    /// How often the link is proved, for dialects that tell the server.
    pub every: Duration,
    /// The silence after that which means dead.
    pub timeout: Duration,
    /// Whether the dialect says how the link is proved; else the settings do.
    pub auto_heartbeat: bool,
    /// Shapes messages by the person's templates.
    pub shape: Arc<Shape>,
}

/// The dialect of a connection, at the beginning of its only socket.
pub fn new(connection: &Connection) -> Box<dyn Dialect> {
    Dialects::default().of(connection)()
}

/// Dialects of many connections: what is compiled of equal settings is there once, as long as one of them is in use.
#[derive(Debug, Default)]
pub struct Dialects {
    shapes: Vec<(MessageSettings, Option<ReplyMatcher>, Weak<Shape>)>,
}

impl Dialects {
    /// Makes the dialect of each new socket of this connection.
    pub fn of(&mut self, connection: &Connection) -> impl Fn() -> Box<dyn Dialect> + Send + use<> {
        let settings = &connection.dialect;
        let context = Arc::new(Context {
            name: connection.name.clone(),
            url: connection.url.clone(),
            subscribe: settings.subscribe.clone(),
            every: connection.heartbeat.every,
            timeout: connection.heartbeat.timeout,
            auto_heartbeat: settings.auto_heartbeat,
            shape: self.shape(&settings.message, settings.reply.as_ref()),
        });
        let make = settings.spec.make;
        move || make(&context)
    }

    fn shape(&mut self, message: &MessageSettings, reply: Option<&ReplyMatcher>) -> Arc<Shape> {
        self.shapes.retain(|(_, _, shape)| shape.strong_count() > 0);
        let same = self.shapes.iter().find(|(one, other, _)| one == message && other.as_ref() == reply);
        if let Some(shape) = same.and_then(|(_, _, shape)| shape.upgrade()) {
            return shape;
        }
        let shape = Arc::new(Shape::new(message, reply));
        self.shapes.push((message.clone(), reply.cloned(), Arc::downgrade(&shape)));
        shape
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::settings::{ConnectionForm, FieldError, resolve};

    /// A connection of this dialect with these keys besides, over defaults like those of the program.
    pub(crate) fn connection(dialect: &str, keys: serde_json::Value) -> Connection {
        resolved(dialect, keys).unwrap()
    }

    /// The same, or what is wrong with it.
    pub(crate) fn resolved(dialect: &str, keys: serde_json::Value) -> Result<Connection, Vec<FieldError>> {
        let defaults: ConnectionForm = serde_json::from_value(serde_json::json!({
            "dialect": "plain", "on_open": [], "headers": {}, "subprotocols": [], "subscribe": [],
            "connect_timeout": "10s",
            "heartbeat": { "kind": "auto", "every": "30s", "timeout": "10s", "always": false },
            "reconnect": { "first": "500ms", "cap": "30s", "fixed": "none", "jitter": "full" },
            "message": { "title": "{{ json.title | default(topic) | default(connection) }}",
                "body": "{{ json.text | default(text) }}", "id": "{{ json.id }}", "ignore": [] },
            "auth": { "kind": "none" },
        }))
        .unwrap();
        let form = ConnectionForm {
            name: Some("crm".to_owned()),
            url: Some("ws://localhost/".to_owned()),
            dialect: Some(dialect.to_owned()),
            ..ConnectionForm::default()
        };
        let keys: ConnectionForm = serde_json::from_value(keys).unwrap();
        resolve(&crate::settings::overlay(&keys, &form), &defaults, &[])
    }

    /// What the dialect makes of a frame.
    pub(crate) fn told(dialect: &mut dyn Dialect, frame: Incoming<'_>) -> Effects {
        let mut effects = Effects::default();
        dialect.frame(frame, &mut effects);
        effects
    }

    /// Whether it makes nothing of it.
    pub(crate) fn nothing(effects: &Effects) -> bool {
        format!("{effects:?}") == format!("{:?}", Effects::default())
    }

    #[test]
    fn equal_settings_are_compiled_once_and_each_connection_keeps_its_name() {
        let mut dialects = Dialects::default();
        let mut named = |name: &str, title: &str| {
            let keys = serde_json::json!({ "name": name, "message": { "title": title } });
            (dialects.of(&connection("plain", keys)), dialects.shapes.len())
        };
        let (one, _) = named("one", "{{ connection }}");
        let (two, shapes) = named("two", "{{ connection }}");
        assert_eq!(shapes, 1);
        let (other, shapes) = named("three", "{{ connection }}!");
        assert_eq!(shapes, 2);
        let title = |mut dialect: Box<dyn Dialect>| {
            told(dialect.as_mut(), Incoming::Text("x")).messages().next().unwrap().title.clone()
        };
        assert_eq!([title(one()), title(two()), title(other())], ["one", "two", "three!"]);
        drop((one, two));
        let (_four, shapes) = named("four", "{{ text }}");
        assert_eq!(shapes, 2, "what nobody uses is gone");
    }

    #[test]
    fn every_dialect_has_a_name_of_its_own() {
        for (at, spec) in ALL.iter().enumerate() {
            assert!(!spec.name.is_empty());
            assert!(ALL[..at].iter().all(|other| other.name != spec.name), "{}", spec.name);
            assert!(Spec::find(spec.name).is_some());
        }
    }
}
