//! Channels of Phoenix, in version 2 of its messages: `[join_ref, ref, topic, event, payload]`
//! (`lib/phoenix/socket/serializers/v2_json_serializer.ex`). Every topic is joined at once; what is pushed to one is a
//! message by the person's templates. The server keeps nothing: what was pushed while there was no socket is gone.
//!
//! The credentials go into each join's payload, as `token` (and `user`): there is no rule for them in Phoenix, but that
//! is where its guides look. What an application wants to find in the address (`params` of its own client) stands there.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use url::Url;

use self::wire::{Event, Heard, read_binary, read_text};
use super::shape::Shaper;
use super::{
    Beat, CaughtUp, Context, Dialect, Effects, Incoming, Item, KeepAlive, Login, Missing, Opening, Outgoing, Spec,
    Subscribe,
};
use crate::cause::{Cause, CauseCode};
use crate::message::{Message, MessageKind};
use crate::secret::Secret;
use crate::text::one_line;

#[cfg(test)]
mod tests;
mod wire;

pub(super) const SPEC: Spec = Spec {
    name: "phoenix",
    beat: Beat::Own,
    sends: true,
    login: Login::InFrames,
    subscribe: Some(Subscribe { what: "a topic", example: "room:lobby", required: true, check: topic_fault }),
    presets: &[include_str!("../../../../config/presets/phoenix.toml")],
    address,
    make,
    ..Spec::DEFAULT
};

/// The topic of the heartbeats, which no channel can have (`handle_in` of `lib/phoenix/socket.ex`).
const HEARTBEATS: &str = "phoenix";

/// The server ends a socket from which it has read nothing for 60 s (`timeout` of `lib/phoenix/transports/websocket.ex`),
/// so its client speaks twice as often (`heartbeatIntervalMs` of `assets/js/phoenix/socket.js`).
const BEAT_MAX: Duration = Duration::from_secs(30);

/// What a server that fails closes a socket with (RFC 6455, section 7.4.1), where only a channel of it failed.
const FAILED: CauseCode = CauseCode::Closed(1011);

/// The most of a topic or a reason that is shown, in characters.
const SHOWN: usize = 200;

fn topic_fault(topic: &str) -> Option<String> {
    (topic == HEARTBEATS).then(|| "is the topic of the heartbeats".to_owned())
}

/// Without a version the server would speak the first one (`__connect__` of `lib/phoenix/socket.ex`).
fn address(url: &Url, _: u64) -> Url {
    let mut url = url.clone();
    if !url.query_pairs().any(|(name, _)| name == "vsn") {
        url.query_pairs_mut().append_pair("vsn", "2.0.0");
    }
    url
}

fn make(context: &Arc<Context>) -> Box<dyn Dialect> {
    let mut topics: Vec<Topic> = Vec::new();
    for name in &context.subscribe {
        // A second join of a topic would end the first one.
        if !topics.iter().any(|topic| topic.name == *name) {
            topics.push(Topic { name: name.clone(), join_ref: (topics.len() + 1).to_string(), joined: false });
        }
    }
    // The server counts what it hears: being spoken to does not keep it from hanging up.
    let every = context.every.min(BEAT_MAX);
    let keep_alive = KeepAlive { every, timeout: context.timeout, always: true, ours: true };
    Box::new(Phoenix { shaper: Shaper::new(context), refs: topics.len(), topics, keep_alive })
}

/// The channels of one socket.
struct Phoenix {
    shaper: Shaper,
    topics: Vec<Topic>,
    /// How many references were given.
    refs: usize,
    keep_alive: KeepAlive,
}

struct Topic {
    name: String,
    /// The reference of its join; all of its frames carry it, or none.
    join_ref: String,
    joined: bool,
}

/// What is sent with a join.
#[derive(Serialize)]
struct Params<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
}

/// Where a refusal says why, by the guides and wherever the framework itself refuses.
#[derive(Deserialize)]
struct Refusal {
    reason: String,
}

impl Dialect for Phoenix {
    fn opened(&mut self, opening: &Opening<'_>, effects: &mut Effects) {
        effects.keep_alive = Some(self.keep_alive);
        let params = Params { user: opening.user, token: opening.secret.map(Secret::expose) };
        for Topic { name, join_ref, .. } in &self.topics {
            let join = serde_json::to_string(&(join_ref, join_ref, name, "phx_join", &params));
            effects.frames.extend(join.map(Outgoing::Text));
        }
    }

    fn frame(&mut self, frame: Incoming<'_>, effects: &mut Effects) {
        let (heard, size) = match frame {
            Incoming::Text(text) => (read_text(text), text.len()),
            Incoming::Binary(bytes) => (read_binary(bytes), bytes.len()),
        };
        let Some(Heard { join_ref, topic, event }) = heard else {
            let text = "the server sent a frame that is no message of Phoenix channels, version 2";
            effects.end = Some(Cause::new(CauseCode::Protocol, text));
            return;
        };
        match event {
            Event::Reply { .. } if topic == HEARTBEATS => effects.heartbeat_answered = true,
            Event::Reply { reference, status, response } => {
                self.replied(&topic, &reference, &status, response, effects);
            }
            Event::Push { name, .. } if matches!(name.as_str(), "phx_error" | "phx_close") => {
                self.left(&topic, &join_ref, &name, effects);
            }
            Event::Push { name, payload } => self.pushed(&format!("{topic} {name}"), payload, size, effects),
        }
    }

    fn heartbeat(&mut self) -> Option<Outgoing> {
        self.refs += 1;
        Some(Outgoing::Text(format!(r#"[null,"{}","{HEARTBEATS}","heartbeat",{{}}]"#, self.refs)))
    }
}

impl Phoenix {
    /// A reply to a join; a frame that the person sends may be replied to as well, and that matters to nobody.
    fn replied(
        &mut self,
        topic: &str,
        reference: &str,
        status: &str,
        response: Option<&RawValue>,
        effects: &mut Effects,
    ) {
        let joins = |one: &&mut Topic| one.name == topic && one.join_ref == reference && !one.joined;
        let Some(topic) = self.topics.iter_mut().find(joins) else { return };
        if status != "ok" {
            refused(&topic.name, response, effects);
            return;
        }
        topic.joined = true;
        if self.topics.iter().all(|topic| topic.joined) {
            effects.ready = true;
            effects.items.push(Item::CaughtUp(CaughtUp::Missing(Missing::NoReplay)));
        }
    }

    /// The server's side of a channel is gone. Phoenix's own client joins again after a while (`assets/js/phoenix/channel.js`);
    /// here the whole socket is made anew, with the same delays as after any other failure.
    fn left(&self, topic: &str, join_ref: &str, event: &str, effects: &mut Effects) {
        let ours = |one: &&Topic| one.name == topic && (join_ref.is_empty() || one.join_ref == join_ref);
        if let Some(topic) = self.topics.iter().find(ours) {
            let (code, what) = match event {
                "phx_error" => (FAILED, "failed on the server"),
                _ => (CauseCode::Closed(1000), "was closed by the server"),
            };
            let text = format!("the channel of the topic \"{}\" {what}", shown(&topic.name));
            effects.end = Some(Cause::new(code, text));
        }
    }

    fn pushed(&mut self, about: &str, payload: Option<&RawValue>, size: usize, effects: &mut Effects) {
        let message = match payload {
            Some(payload) => self.shaper.message(payload.get(), about, effects),
            None => Some(Message { kind: MessageKind::Binary, ..Message::new(about, "Binary frame", "", size) }),
        };
        effects.items.extend(message.map(|message| Item::Message(Message { size: size as u64, ..message })));
    }
}

/// A join was refused, in the application's words or in those of `lib/phoenix/socket.ex` and `lib/phoenix/channel/server.ex`.
fn refused(topic: &str, response: Option<&RawValue>, effects: &mut Effects) {
    let response = response.map_or("", RawValue::get);
    let reason = serde_json::from_str(response).map_or_else(|_| response.to_owned(), |Refusal { reason }| reason);
    let mut text = format!("the server refused the topic \"{}\"", shown(topic));
    if !matches!(reason.as_str(), "" | "{}" | "null") {
        text = format!("{text}: {}", shown(&reason));
    }
    let reason = reason.to_lowercase();
    if reason == "join crashed" {
        // The application failed, and may not the next time.
        effects.end = Some(Cause::new(FAILED, text));
        return;
    }
    let credentials = ["unauthor", "unauthen", "forbidden", "denied", "token"];
    let unauthorized = credentials.iter().any(|word| reason.contains(word));
    let code = if unauthorized { CauseCode::Unauthorized } else { CauseCode::Configuration };
    effects.fatal = Some(Cause::new(code, text));
}

fn shown(text: &str) -> String {
    one_line(text, SHOWN)
}
