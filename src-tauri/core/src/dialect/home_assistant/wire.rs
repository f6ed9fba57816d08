//! Home Assistant's JSON.

use std::fmt;
use std::marker::PhantomData;

use jiff::Timestamp;
use serde::de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::dialect::Context;
use crate::dialect::json::Few;
use crate::message::{Arrival, Message, usable_id};

/// The most in one text frame: as many as wait for a client before the server gives it up (`MAX_PENDING_MSG` in
/// `websocket_api/const.py`).
const FRAMES_MAX: usize = 4096;

/// The most notifications in one frame.
const NOTIFICATIONS_MAX: usize = 10_000;

/// What a text frame holds: one object, or a list of them, which the server makes for clients that ask for it. None: it is
/// something else.
pub(super) fn frames(text: &str) -> Option<Vec<Frame>> {
    if text.trim_start().starts_with('[') {
        serde_json::from_str::<Few<Frame, FRAMES_MAX>>(text).ok().map(|frames| frames.0)
    } else {
        serde_json::from_str(text).ok().map(|frame| vec![frame])
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Frame {
    pub(super) id: Option<u64>,
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// Of `result`.
    #[serde(default)]
    pub(super) success: bool,
    pub(super) error: Option<Fault>,
    /// Of `event`.
    pub(super) event: Option<Event>,
    /// Of `auth_invalid`.
    #[serde(default)]
    pub(super) message: Text,
}

#[derive(Debug, Deserialize)]
pub(super) struct Fault {
    #[serde(default)]
    pub(super) message: Text,
}

#[derive(Debug, Deserialize)]
pub(super) struct Event {
    #[serde(rename = "type", default)]
    pub(super) kind: Text,
    pub(super) notifications: Pairs<Notification, NOTIFICATIONS_MAX>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Notification {
    #[serde(default)]
    message: Text,
    #[serde(default)]
    title: Text,
    #[serde(default)]
    created_at: Text,
}

impl Notification {
    /// Markdown, which the body may be, is shown as the text that it is.
    pub(super) fn message(&self, context: &Context, key: Option<String>, arrival: Arrival) -> Message {
        let (title, body) = (&self.title.0, &self.message.0);
        let created = self.created_at.0.parse::<Timestamp>().ok();
        let id = key.as_ref().and_then(|key| usable_id(&format!("{key}@{}", self.created_us())));
        let sent_ms = created.map(Timestamp::as_millisecond);
        Message { id, key, sent_ms, arrival, ..Message::new(title, &context.name, body, title.len() + body.len()) }
    }

    /// In microseconds since the Unix epoch, as exactly as the server says it; 0 where it does not.
    pub(super) fn created_us(&self) -> i64 {
        self.created_at.0.parse::<Timestamp>().map_or(0, Timestamp::as_microsecond)
    }
}

/// A text, or what stands for one: integrations give numbers as messages, and nothing as titles. A list or an object is an
/// empty one.
#[derive(Debug, Default)]
pub(super) struct Text(pub(super) String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(TextVisitor).map(Self)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_string<E>(self, text: String) -> Result<String, E> {
        Ok(text)
    }

    fn visit_bool<E>(self, value: bool) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_i64<E>(self, value: i64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_u64<E>(self, value: u64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_f64<E>(self, value: f64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_unit<E>(self) -> Result<String, E> {
        Ok(String::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<String, A::Error> {
        while from.next_element::<IgnoredAny>()?.is_some() {}
        Ok(String::new())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<String, A::Error> {
        while from.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(String::new())
    }
}

/// The entries of a JSON object, at most `MAX`, in their order.
#[derive(Debug)]
pub(super) struct Pairs<T, const MAX: usize>(pub(super) Vec<(String, T)>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for Pairs<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(PairsVisitor::<T, MAX>(PhantomData)).map(Self)
    }
}

struct PairsVisitor<T, const MAX: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for PairsVisitor<T, MAX> {
    type Value = Vec<(String, T)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object of at most {MAX} entries")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = from.next_entry()? {
            if pairs.len() == MAX {
                return Err(A::Error::invalid_length(MAX + 1, &self));
            }
            pairs.push(pair);
        }
        Ok(pairs)
    }
}
