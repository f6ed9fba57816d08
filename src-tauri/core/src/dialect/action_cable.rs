//! Action Cable of Ruby on Rails, protocol `actioncable-v1-json` (`actioncable/lib/action_cable/connection/base.rb`): after
//! its `welcome` every channel is subscribed to, and what is broadcast there is a message by the person's templates. The
//! server keeps nothing: what was broadcast while there was no socket is gone.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::shape::Shaper;
use super::{
    Beat, CaughtUp, Context, Dialect, Effects, Incoming, Item, KeepAlive, Missing, Opening, Outgoing, Spec, Subscribe,
};
use crate::cause::{Cause, CauseCode};
use crate::message::Message;
use crate::text::one_line;

#[cfg(test)]
mod tests;

pub(super) const SPEC: Spec = Spec {
    name: "action-cable",
    beat: Beat::Server,
    sends: true,
    subscribe: Some(Subscribe { what: "a channel", example: "ChatChannel", required: true, check: channel_fault }),
    subprotocols: &["actioncable-v1-json"],
    presets: &[include_str!("../../../../config/presets/action-cable.toml")],
    make,
    ..Spec::DEFAULT
};

/// The server sends a ping every 3 s (`BEAT_INTERVAL` of `actioncable/lib/action_cable/server/connections.rb`). Its own
/// client gives up between 6 s and 12 s after the last one, when it happens to look
/// (`actioncable/app/javascript/action_cable/connection_monitor.js`): so does this, in the middle of that.
const KEEP_ALIVE: KeepAlive =
    KeepAlive { every: Duration::from_secs(3), timeout: Duration::from_secs(6), always: false, ours: false };

/// The most of a channel or a reason that is shown, in characters.
const SHOWN: usize = 200;

/// A channel with parameters is an object, as the client's `subscriptions.create` takes it.
#[derive(Deserialize)]
struct WithParameters {
    #[serde(rename = "channel")]
    _channel: String,
}

fn channel_fault(entry: &str) -> Option<String> {
    let wrong = entry.trim_start().starts_with('{') && serde_json::from_str::<WithParameters>(entry).is_err();
    wrong.then(|| "is no JSON object with a \"channel\"".to_owned())
}

fn make(context: &Arc<Context>) -> Box<dyn Dialect> {
    let mut channels: Vec<Channel> = Vec::new();
    for entry in &context.subscribe {
        // A second subscription of the same channel is an error that nobody is told of.
        if !channels.iter().any(|channel| channel.entry == *entry) {
            channels.push(Channel { entry: entry.clone(), identifier: identifier(entry), confirmed: false });
        }
    }
    Box::new(ActionCable { shaper: Shaper::new(context), channels, welcomed: false })
}

/// What the server calls the subscription: it repeats it as it was given.
fn identifier(entry: &str) -> String {
    if entry.trim_start().starts_with('{') {
        return entry.to_owned();
    }
    serde_json::json!({ "channel": entry }).to_string()
}

/// The subscriptions of one socket.
struct ActionCable {
    shaper: Shaper,
    channels: Vec<Channel>,
    welcomed: bool,
}

struct Channel {
    /// As it stands in the settings.
    entry: String,
    identifier: String,
    confirmed: bool,
}

#[derive(Serialize)]
struct Command<'a> {
    command: &'static str,
    identifier: &'a str,
}

/// A frame of the server's: one of the connection's has a type, one of a channel has none.
#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(rename = "type")]
    kind: Option<String>,
    identifier: Option<String>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    reason: Option<String>,
    reconnect: Option<bool>,
}

impl Dialect for ActionCable {
    fn opened(&mut self, _: &Opening<'_>, effects: &mut Effects) {
        effects.keep_alive = Some(KEEP_ALIVE);
    }

    fn frame(&mut self, frame: Incoming<'_>, effects: &mut Effects) {
        let Incoming::Text(text) = frame else { return breach(effects) };
        let Ok(frame) = serde_json::from_str::<Frame<'_>>(text) else { return breach(effects) };
        let identifier = frame.identifier.as_deref();
        match (frame.kind.as_deref(), identifier, frame.message) {
            (Some("welcome"), ..) => self.welcomed(effects),
            (Some("confirm_subscription"), Some(identifier), _) => self.confirmed(identifier, effects),
            (Some("reject_subscription"), Some(identifier), _) => self.rejected(identifier, effects),
            (Some("disconnect"), ..) => disconnected(frame.reason.as_deref(), frame.reconnect, effects),
            (None, Some(identifier), Some(message)) => self.broadcast(identifier, message.get(), text.len(), effects),
            // A ping, which was life already, or what a later version of the protocol may have.
            (Some(_), ..) => {}
            (None, ..) => breach(effects),
        }
    }
}

impl ActionCable {
    fn welcomed(&mut self, effects: &mut Effects) {
        if std::mem::replace(&mut self.welcomed, true) {
            return;
        }
        for Channel { identifier, .. } in &self.channels {
            let command = serde_json::to_string(&Command { command: "subscribe", identifier });
            effects.frames.extend(command.map(Outgoing::Text));
        }
    }

    fn confirmed(&mut self, identifier: &str, effects: &mut Effects) {
        let Some(channel) = self.channels.iter_mut().find(|one| one.identifier == identifier && !one.confirmed) else {
            return;
        };
        channel.confirmed = true;
        if self.channels.iter().all(|channel| channel.confirmed) {
            effects.ready = true;
            effects.items.push(Item::CaughtUp(CaughtUp::Missing(Missing::NoReplay)));
        }
    }

    /// The channel does not want whoever these credentials are (`reject` of `actioncable/lib/action_cable/channel/base.rb`).
    fn rejected(&self, identifier: &str, effects: &mut Effects) {
        if let Some(channel) = self.channels.iter().find(|one| one.identifier == identifier) {
            let text = format!("the server rejected the subscription to {}", one_line(&channel.entry, SHOWN));
            effects.fatal = Some(Cause::new(CauseCode::Unauthorized, text));
        }
    }

    fn broadcast(&mut self, identifier: &str, text: &str, size: usize, effects: &mut Effects) {
        let ours = self.channels.iter().find(|one| one.identifier == identifier);
        // Another one was subscribed to by a frame of the person's.
        let about = ours.map_or(identifier, |channel| channel.entry.as_str());
        let message = self.shaper.message(text, about, effects);
        effects.items.extend(message.map(|message| Item::Message(Message { size: size as u64, ..message })));
    }
}

/// The server says goodbye (`close` of `actioncable/lib/action_cable/connection/base.rb`) before it closes with code 1000.
fn disconnected(reason: Option<&str>, reconnect: Option<bool>, effects: &mut Effects) {
    let reason = reason.map(|reason| one_line(reason, SHOWN)).filter(|reason| !reason.is_empty());
    let said = |text: &str| reason.as_ref().map_or_else(|| text.to_owned(), |reason| format!("{text}: {reason}"));
    if reconnect != Some(false) {
        effects.end = Some(Cause::new(CauseCode::Closed(1000), said("the server ended the connection")));
    } else if reason.as_deref() == Some("unauthorized") {
        effects.fatal = Some(Cause::new(CauseCode::Unauthorized, "the server refused the connection as unauthorized"));
    } else {
        // What is fatal by this code is not tried again before the person asks for it.
        let text = said("the server ended the connection and wants no other");
        effects.fatal = Some(Cause::new(CauseCode::Closed(1000), text));
    }
}

fn breach(effects: &mut Effects) {
    let text = "the server sent a frame that is none of Action Cable's";
    effects.end = Some(Cause::new(CauseCode::Protocol, text));
}
