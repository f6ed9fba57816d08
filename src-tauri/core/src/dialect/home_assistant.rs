//! Home Assistant's WebSocket API (`components/websocket_api` of home-assistant/core) with its persistent notifications
//! (`components/persistent_notification`): log in, subscribe, be told what is there, then of every change.
//!
//! What is there is the resume: the cursor names the notifications that were known, and the difference is what was missed.
//! A new one, or one with another time of creation, is a message; one that is gone is withdrawn. What came and went during
//! the gap is nobody's concern any more, and a restart of Home Assistant, which keeps notifications in memory only, takes
//! all back.
//!
//! The newest 500 are known. Of older ones a gap hides that they are gone; they are not told again. A notification whose id
//! cannot be kept (longer than 256 characters, or with hidden ones) is told only when it is made, and never withdrawn.

mod known;
mod wire;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;
use url::Url;

use super::{
    Beat, CaughtUp, Context, Dialect, Effects, Incoming, Item, Login, Missing, Opening, Outgoing, Spec, Withdrawal,
};
use crate::cause::{Cause, CauseCode};
use crate::message::{Arrival, usable_id};
use crate::secret::Secret;
use crate::text::one_line;
use known::Known;
use wire::{Fault, Frame, Notification, frames};

pub(super) const SPEC: Spec = Spec {
    name: "home-assistant",
    beat: Beat::Own,
    login: Login::InFrames,
    check_url,
    presets: &[include_str!("../../../../config/presets/home-assistant.toml")],
    make,
    ..Spec::DEFAULT
};

/// The number of the one subscription. Those of later commands have to rise (`connection.py`, `id_reuse`).
const SUBSCRIPTION: u64 = 1;

/// The most characters of the server's words in a cause.
const WORDS: usize = 200;

/// `URL` in `websocket_api/const.py`, behind whatever path a proxy adds.
fn check_url(url: &Url) -> Option<String> {
    let text = "an address of Home Assistant ends with /api/websocket: write it as \
                ws://homeassistant.local:8123/api/websocket";
    (!url.path().ends_with("/api/websocket")).then(|| text.to_owned())
}

fn make(context: &Arc<Context>) -> Box<dyn Dialect> {
    Box::new(HomeAssistant {
        context: Arc::clone(context),
        state: State::Greeting,
        secret: None,
        known: Known::default(),
        outcome: CaughtUp::FirstContact,
        command: SUBSCRIPTION,
    })
}

/// How far the socket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    /// The server's `auth_required` is awaited.
    Greeting,
    /// Its answer to the token.
    LoggingIn,
    /// Its answer to the subscription.
    Subscribing,
    /// What is there.
    Listing,
    /// Changes, at a first contact that could not be told what is there: no cursor may say that the rest is new.
    Unlisted,
    /// Changes.
    Listed,
}

/// Home Assistant on one socket.
#[derive(Debug)]
struct HomeAssistant {
    context: Arc<Context>,
    state: State,
    secret: Option<Secret>,
    known: Known,
    /// What will be told of the gap when what is there is known.
    outcome: CaughtUp,
    /// The number of the newest command.
    command: u64,
}

impl Dialect for HomeAssistant {
    fn opened(&mut self, opening: &Opening<'_>, effects: &mut Effects) {
        self.secret = opening.secret.cloned();
        if self.secret.is_none() {
            let text = "Home Assistant wants a token: make a long-lived access token there, below your name under \
                        \"Security\", and give it here as auth of kind \"token\"";
            effects.fatal = Some(Cause::new(CauseCode::Unauthorized, text));
        }
        if let Some(cursor) = opening.cursor {
            let known = Known::read(cursor);
            self.outcome = match known {
                Some(_) => CaughtUp::Recovered { keeps: None },
                None => CaughtUp::Missing(Missing::CursorLost),
            };
            self.known = known.unwrap_or_default();
        }
    }

    fn frame(&mut self, frame: Incoming<'_>, effects: &mut Effects) {
        let frames = match frame {
            Incoming::Text(text) => frames(text),
            Incoming::Binary(_) => None,
        };
        let Some(frames) = frames else {
            let text = "the server sent a frame that is none of Home Assistant's";
            effects.end = Some(Cause::new(CauseCode::Protocol, text));
            return;
        };
        for frame in frames {
            self.one(frame, effects);
            if effects.fatal.is_some() || effects.end.is_some() {
                return;
            }
        }
    }

    fn heartbeat(&mut self) -> Option<Outgoing> {
        if self.state <= State::LoggingIn {
            return None;
        }
        self.command += 1;
        Some(Outgoing::Text(json!({ "id": self.command, "type": "ping" }).to_string()))
    }
}

impl HomeAssistant {
    fn one(&mut self, frame: Frame, effects: &mut Effects) {
        match (frame.kind.as_str(), self.state) {
            ("auth_required", State::Greeting) => {
                if let Some(secret) = self.secret.take() {
                    effects.send(json!({ "type": "auth", "access_token": secret.expose() }).to_string());
                    self.state = State::LoggingIn;
                }
            }
            ("auth_ok", State::LoggingIn) => {
                effects.send(json!({ "id": SUBSCRIPTION, "type": "persistent_notification/subscribe" }).to_string());
                self.state = State::Subscribing;
            }
            ("auth_invalid", _) => {
                let text = words("Home Assistant refused the token", &frame.message.0);
                effects.fatal = Some(Cause::new(CauseCode::Unauthorized, text));
            }
            ("result", _) if frame.id == Some(SUBSCRIPTION) => self.result(frame.success, frame.error, effects),
            ("event", State::Listing | State::Unlisted | State::Listed) if frame.id == Some(SUBSCRIPTION) => {
                if let Some(event) = frame.event {
                    self.event(&event.kind.0, event.notifications.0, effects);
                }
            }
            ("pong", _) => effects.heartbeat_answered |= frame.id == Some(self.command),
            // What a later version may say besides.
            _ => {}
        }
    }

    /// The answer to the subscription. One that came later stands for an event that could not be put into JSON
    /// (`message_to_json_bytes` in `messages.py`).
    fn result(&mut self, success: bool, error: Option<Fault>, effects: &mut Effects) {
        match (self.state, success) {
            (State::Subscribing, true) => {
                self.state = State::Listing;
                effects.ready = true;
            }
            (State::Subscribing, false) => {
                let why = error.map(|error| error.message.0).unwrap_or_default();
                let text = words("Home Assistant refused to tell of its notifications", &why);
                effects.end = Some(Cause::new(CauseCode::Protocol, text));
            }
            (State::Listing, false) => {
                self.state = if self.outcome == CaughtUp::FirstContact { State::Unlisted } else { State::Listed };
                effects.items.push(Item::CaughtUp(CaughtUp::Missing(Missing::Refused)));
            }
            (State::Unlisted | State::Listed, false) => {
                effects.trouble = Some("Home Assistant could not put a notification into words".to_owned());
            }
            _ => {}
        }
    }

    fn event(&mut self, kind: &str, notifications: Vec<(String, Notification)>, effects: &mut Effects) {
        match kind {
            "current" => return self.list(notifications, effects),
            "added" | "updated" => {
                for (id, notification) in &notifications {
                    let key = usable_id(id);
                    let new = key.as_ref().is_none_or(|key| self.known.learn(key, notification.created_us()));
                    if new {
                        effects.message(notification.message(&self.context, key, Arrival::Live));
                    }
                }
            }
            "removed" => {
                for key in notifications.iter().filter_map(|(id, _)| usable_id(id)) {
                    self.known.forget(&key);
                    effects.items.push(Item::Withdrawn(Withdrawal { key, at_ms: None }));
                }
            }
            _ => return,
        }
        if self.state == State::Listed {
            effects.items.push(Item::Cursor(self.known.cursor()));
        }
    }

    /// What is there, against what was known.
    fn list(&mut self, mut notifications: Vec<(String, Notification)>, effects: &mut Effects) {
        notifications.sort_by_key(|(_, notification)| notification.created_us());
        let there: BTreeSet<_> = notifications.iter().filter_map(|(id, _)| usable_id(id)).collect();
        for key in self.known.all_but(&there) {
            self.known.forget(&key);
            effects.items.push(Item::Withdrawn(Withdrawal { key, at_ms: None }));
        }
        let first_contact = self.state != State::Listed && self.outcome == CaughtUp::FirstContact;
        let arrival = if first_contact { Arrival::Old } else { Arrival::CaughtUp };
        let keyed = notifications.iter().filter_map(|(id, notification)| Some((usable_id(id)?, notification)));
        // All are compared before the first is learnt, which may be one too many.
        let news: Vec<_> = keyed.filter(|(key, it)| !self.known.is_of_old(key, it.created_us())).collect();
        for (key, notification) in news {
            if self.known.learn(&key, notification.created_us()) {
                effects.message(notification.message(&self.context, Some(key), arrival));
            }
        }
        effects.items.push(Item::Cursor(self.known.cursor()));
        if self.state == State::Listing {
            self.state = State::Listed;
            effects.items.push(Item::CaughtUp(self.outcome));
        }
    }
}

/// A sentence and, if the server gave any, its reason.
fn words(sentence: &str, why: &str) -> String {
    match one_line(why, WORDS).as_str() {
        "" => sentence.to_owned(),
        why => format!("{sentence} ({why})"),
    }
}

#[cfg(test)]
mod tests;
