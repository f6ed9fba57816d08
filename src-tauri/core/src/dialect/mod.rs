//! What a server speaks: how its frames become messages, and which of them answer a heartbeat. A dialect holds what it
//! needs to know of its own socket and nothing else; it never sends, waits or stores.

mod plain;
pub(crate) mod template;

use std::sync::{Arc, Weak};

use plain::{Compiled, Plain};

use crate::cause::Cause;
use crate::message::Message;
use crate::settings::{Connection, DialectSettings, PlainSettings};

/// One data frame as it came: whole, unmasked, its text already known to be UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// A text frame.
    Text(&'a str),
    /// A binary frame.
    Binary(&'a [u8]),
}

/// What a frame means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decoded {
    /// The frame answers a heartbeat, and is nothing else.
    pub heartbeat_reply: bool,
    /// What it has for a person to read, in order; may be nothing.
    pub messages: Vec<Message>,
    /// The server's word that makes going on pointless.
    pub fatal: Option<Cause>,
    /// Something in the settings did not work for this frame: one English sentence for the log. No message is lost by it.
    pub trouble: Option<String>,
}

/// What a server speaks. One value lives as long as one socket.
pub trait Dialect {
    /// What this frame means.
    fn decode(&mut self, frame: Incoming<'_>) -> Decoded;
}

/// The dialect of a connection, at the beginning of its only socket.
pub fn new(connection: &Connection) -> Box<dyn Dialect + Send> {
    Dialects::default().of(connection)()
}

/// Dialects of many connections: what is compiled of equal settings is there once, as long as one of them is in use.
#[derive(Debug, Default)]
pub struct Dialects {
    plain: Vec<(PlainSettings, Weak<Compiled>)>,
}

impl Dialects {
    /// Makes the dialect of each new socket of this connection.
    pub fn of(&mut self, connection: &Connection) -> impl Fn() -> Box<dyn Dialect + Send> + Send + use<> {
        let DialectSettings::Plain(settings) = &connection.dialect;
        let compiled = self.compiled(settings);
        let name = settings.connection.clone();
        move || Box::new(Plain::new(name.clone(), Arc::clone(&compiled)))
    }

    fn compiled(&mut self, settings: &PlainSettings) -> Arc<Compiled> {
        // The name is given to the templates with each frame: they are the same without it.
        let settings = PlainSettings { connection: String::new(), ..settings.clone() };
        self.plain.retain(|(_, compiled)| compiled.strong_count() > 0);
        if let Some(compiled) = self.plain.iter().find(|(same, _)| *same == settings).and_then(|(_, it)| it.upgrade()) {
            return compiled;
        }
        let compiled = Arc::new(Compiled::new(&settings));
        self.plain.push((settings, Arc::downgrade(&compiled)));
        compiled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{ConnectionForm, resolve};

    fn connection(name: &str, title: &str) -> Connection {
        let defaults: ConnectionForm = serde_json::from_value(serde_json::json!({
            "dialect": "plain", "on_open": [], "headers": {}, "subprotocols": [], "connect_timeout": "10s",
            "heartbeat": { "kind": "ping", "every": "30s", "timeout": "10s", "always": false },
            "reconnect": { "first": "500ms", "cap": "30s", "fixed": "none", "jitter": "full" },
            "message": { "title": title, "body": "{{ text }}", "id": "", "ignore": [] },
            "auth": { "kind": "none" },
        }))
        .unwrap();
        let form = ConnectionForm {
            name: Some(name.to_owned()),
            url: Some("ws://localhost/".to_owned()),
            ..ConnectionForm::default()
        };
        resolve(&form, &defaults, &[]).unwrap()
    }

    #[test]
    fn equal_settings_are_compiled_once_and_each_connection_keeps_its_name() {
        let mut dialects = Dialects::default();
        let [one, two] = ["one", "two"].map(|name| dialects.of(&connection(name, "{{ connection }}")));
        let other = dialects.of(&connection("three", "{{ connection }}!"));
        assert_eq!(dialects.plain.len(), 2);
        let title =
            |mut dialect: Box<dyn Dialect + Send>| dialect.decode(Incoming::Text("x")).messages[0].title.clone();
        assert_eq!([title(one()), title(two()), title(other())], ["one", "two", "three!"]);
        drop((one, two));
        drop(dialects.of(&connection("four", "{{ text }}")));
        assert_eq!(dialects.plain.len(), 2, "what nobody uses is gone");
    }
}
