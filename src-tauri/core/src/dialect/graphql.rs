//! GraphQL subscriptions by graphql-transport-ws (`PROTOCOL.md` of enisdenjo/graphql-ws), as servers for JavaScript, Java,
//! Go, .NET and Python speak it. Each entry of `subscribe` is a document with one subscription. A subscription has one
//! root field (section 5.2.4.1 of GraphQL's specification): its name is the topic and its value the text for the
//! person's templates. Nothing that was missed is sent again.
//!
//! Credentials go into `connection_init` as `Authorization`, once by itself, where Apollo's, gqlgen's and Spring's
//! servers look for it, and once among `headers`, which is what Hasura reads.

mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;

use data_encoding::BASE64;
use serde_json::json;
use serde_json::value::RawValue;

use super::json::plain_text;
use super::shape::Shaper;
use super::{
    Beat, CaughtUp, Context, Dialect, Effects, Incoming, Item, Login, Missing, Opening, Outgoing, Spec, Subscribe,
};
use crate::cause::{Cause, CauseCode};
use crate::text::one_line;
use wire::{Frame, OnlyField, Outcome, first_error};

pub(super) const SPEC: Spec = Spec {
    name: "graphql",
    beat: Beat::Own,
    login: Login::InFrames,
    subscribe: Some(Subscribe {
        what: "a subscription in GraphQL",
        example: "subscription { alerts { id title text } }",
        required: true,
        check: |entry| (!entry.contains("subscription")).then(|| "is no subscription".to_owned()),
    }),
    subprotocols: &["graphql-transport-ws"],
    presets: &[include_str!("../../../../config/presets/graphql.toml")],
    make: |context| Box::new(GraphQl::new(context)),
    ..Spec::DEFAULT
};

/// One connection in the sense of the protocol.
struct GraphQl {
    context: Arc<Context>,
    shaper: Shaper,
    acknowledged: bool,
    /// The subscriptions that are not over, and whether they have given a result: until then what the server says
    /// against one is about its document.
    running: BTreeMap<String, bool>,
}

impl GraphQl {
    fn new(context: &Arc<Context>) -> Self {
        Self {
            context: Arc::clone(context),
            shaper: Shaper::new(context),
            acknowledged: false,
            running: (0..context.subscribe.len()).map(|at| (at.to_string(), false)).collect(),
        }
    }

    fn take(&mut self, frame: &Frame<'_>, effects: &mut Effects) {
        let id = frame.id.as_deref().unwrap_or_default();
        let running = self.acknowledged && self.running.contains_key(id);
        match frame.kind.as_str() {
            "connection_ack" if !self.acknowledged => self.acknowledged(effects),
            "ping" => effects.send(json!({ "type": "pong" }).to_string()),
            "pong" => effects.heartbeat_answered = true,
            "next" if running => match frame.payload.map(|payload| serde_json::from_str(payload.get())) {
                Some(Ok(outcome)) => self.result(id, &outcome, effects),
                _ => breach(effects),
            },
            "error" if running => self.error(id, frame.payload, effects),
            "complete" if running => end(effects, "the server has ended a subscription".to_owned()),
            // Of a subscription that is over something may still be on its way.
            "next" | "error" | "complete" if self.acknowledged => {}
            _ => breach(effects),
        }
    }

    fn acknowledged(&mut self, effects: &mut Effects) {
        self.acknowledged = true;
        for (id, query) in self.context.subscribe.iter().enumerate() {
            let id = id.to_string();
            effects.send(json!({ "id": id, "type": "subscribe", "payload": { "query": query } }).to_string());
        }
        effects.ready = true;
        effects.items.push(Item::CaughtUp(CaughtUp::Missing(Missing::NoReplay)));
    }

    fn result(&mut self, id: &str, outcome: &Outcome<'_>, effects: &mut Effects) {
        let Some(data) = outcome.data else {
            // The request itself failed (section 7.1.1): what begins the subscription did, not its document.
            return self.error(id, outcome.errors, effects);
        };
        self.running.insert(id.to_owned(), true);
        if data.get() == "null" {
            effects.trouble = Some("the server could not make a result for a subscription".to_owned());
            return;
        }
        let OnlyField(field, value) = serde_json::from_str(data.get()).unwrap_or(OnlyField(String::new(), data));
        let message = self.shaper.message(&plain_text(value), &field, effects);
        effects.items.extend(message.map(Item::Message));
    }

    /// A subscription is over. One that never gave anything has a fault, which other ones need not have.
    fn error(&mut self, id: &str, errors: Option<&RawValue>, effects: &mut Effects) {
        let first = first_error(errors);
        let said = one_line(first["message"].as_str().unwrap_or_default(), 300);
        // What Apollo's servers call them, and others after them.
        let code = match first["extensions"]["code"].as_str() {
            Some("UNAUTHENTICATED" | "FORBIDDEN") => CauseCode::Unauthorized,
            _ => CauseCode::Configuration,
        };
        if self.running.remove(id) == Some(true) {
            end(effects, format!("a subscription failed at the server: {said}"));
        } else if self.running.is_empty() || code == CauseCode::Unauthorized {
            effects.fatal = Some(Cause::new(code, format!("the server refused subscribe[{id}]: {said}")));
        } else {
            effects.trouble = Some(format!("the server refused subscribe[{id}]; the others go on"));
        }
    }
}

fn breach(effects: &mut Effects) {
    end(effects, "the server sent what is no message of graphql-transport-ws".to_owned());
}

fn end(effects: &mut Effects, text: String) {
    effects.end = Some(Cause::new(CauseCode::Protocol, text));
}

impl Dialect for GraphQl {
    fn opened(&mut self, opening: &Opening<'_>, effects: &mut Effects) {
        let authorization = opening.secret.map(|secret| match opening.user {
            Some(user) => format!("Basic {}", BASE64.encode(format!("{user}:{}", secret.expose()).as_bytes())),
            None => format!("Bearer {}", secret.expose()),
        });
        let init = match authorization {
            Some(it) => json!({
                "type": "connection_init",
                "payload": { "Authorization": it, "headers": { "Authorization": it } },
            }),
            None => json!({ "type": "connection_init" }),
        };
        effects.send(init.to_string());
    }

    fn frame(&mut self, frame: Incoming<'_>, effects: &mut Effects) {
        let Incoming::Text(text) = frame else { return breach(effects) };
        match serde_json::from_str(text) {
            Ok(frame) => self.take(&frame, effects),
            Err(_) => breach(effects),
        }
    }

    fn heartbeat(&mut self) -> Option<Outgoing> {
        Some(Outgoing::Text(json!({ "type": "ping" }).to_string()))
    }

    /// `CloseCode` of graphql-ws. 4500 is a server's failure and may pass, though elsewhere such a code is final; only the
    /// document is to blame for a syntax error, which graphql-js words so.
    fn closed(&self, code: u16, reason: &str) -> Option<Cause> {
        let means = match code {
            4401 | 4403 => CauseCode::Unauthorized,
            4400 | 4406 | 4409 | 4429 => CauseCode::Configuration,
            4500 if reason.starts_with("Syntax Error") => CauseCode::Configuration,
            4500 => CauseCode::Closed(1011),
            _ => return None,
        };
        Some(Cause::new(means, format!("the server closed the connection: {reason} ({code})")))
    }
}

#[cfg(test)]
mod tests;
