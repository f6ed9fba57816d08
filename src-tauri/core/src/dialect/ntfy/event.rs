//! An event of ntfy's, as it stands in a frame or in a line of an answer, and what a person sees of it
//! (docs/subscribe/api.md, "JSON message format").

use std::fmt;

use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::dialect::{Item, Withdrawal};
use crate::message::{Arrival, Message, usable_id};

/// How many tags are looked at.
const TAGS: usize = 64;

#[derive(Debug, Deserialize)]
pub(super) struct Event {
    #[serde(default)]
    pub id: String,
    /// Absent, or the id, where the message belongs to no sequence.
    #[serde(default)]
    sequence_id: String,
    /// Unix seconds; of a scheduled message, when it was to be delivered.
    pub time: i64,
    /// Unix seconds; absent where the server does not keep it.
    pub expires: Option<i64>,
    #[serde(rename = "event")]
    pub kind: Kind,
    #[serde(default)]
    topic: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    priority: i64,
    #[serde(default, deserialize_with = "first_tags")]
    tags: Vec<String>,
    attachment: Option<Attachment>,
    #[serde(default)]
    encoding: String,
    /// The bytes it had.
    #[serde(skip)]
    size: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Open,
    Message,
    MessageDelete,
    MessageClear,
    /// `keepalive`, which a WebSocket has a ping for; `poll_request`, which wakes telephones; and what is yet to come.
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
struct Attachment {
    #[serde(default)]
    name: String,
    /// In bytes; absent where the file is not on the server.
    #[serde(default)]
    size: i64,
    #[serde(default)]
    url: String,
}

impl Event {
    /// None: it is no event.
    pub(super) fn read(text: &str) -> Option<Self> {
        let event: Self = serde_json::from_str(text).ok()?;
        Some(Self { size: text.len(), ..event })
    }

    pub(super) fn is_withdrawal(&self) -> bool {
        matches!(self.kind, Kind::MessageDelete | Kind::MessageClear)
    }

    /// What it is for people.
    pub(super) fn item(&self, connection: &str, arrival: Arrival) -> Option<Item> {
        match self.kind {
            Kind::Message => Some(Item::Message(Message { arrival, ..self.message(connection) })),
            Kind::MessageDelete | Kind::MessageClear => {
                Some(Item::Withdrawn(Withdrawal { key: self.key()?, at_ms: Some(self.time.saturating_mul(1000)) }))
            }
            Kind::Open | Kind::Other => None,
        }
    }

    /// A sequence belongs to its topic; a message without one is named by its id (docs/publish.md, "Updating + deleting
    /// notifications").
    pub(super) fn key(&self) -> Option<String> {
        let sequence = if self.sequence_id.is_empty() { &self.id } else { &self.sequence_id };
        usable_id(sequence).and_then(|sequence| usable_id(&format!("{}/{sequence}", self.topic)))
    }

    fn message(&self, connection: &str) -> Message {
        let shaped = if self.encoding == "base64" {
            Message::binary(self.message.trim_end_matches('=').len() * 3 / 4)
        } else {
            self.shaped(connection)
        };
        Message {
            id: usable_id(&self.id),
            key: self.key(),
            priority: u8::try_from(self.priority).ok().filter(|priority| (1..=5).contains(priority)).unwrap_or(3),
            sent_ms: Some(self.time.saturating_mul(1000)),
            ..shaped
        }
    }

    /// As ntfy's own apps show it (web/src/app/notificationUtils.js): tags that name an emoji stand before the title, or
    /// before the text where there is no title and the topic stands for it; the others follow.
    fn shaped(&self, connection: &str) -> Message {
        let mut emojis = String::new();
        let mut others = Vec::new();
        for tag in &self.tags {
            match emojis::get_by_shortcode(tag) {
                Some(emoji) => emojis.extend([emoji.as_str(), " "]),
                None => others.push(tag.as_str()),
            }
        }
        let (title, mut body) = if self.title.is_empty() {
            (self.topic.clone(), emojis + &self.message)
        } else {
            (emojis + &self.title, self.message.clone())
        };
        if let Some(attachment) = &self.attachment {
            body.extend(["\n", &attachment.line()]);
        }
        if !others.is_empty() {
            body.extend(["\nTags: ", &others.join(", ")]);
        }
        Message::new(&title, connection, &body, self.size)
    }
}

impl Attachment {
    fn line(&self) -> String {
        let size = match self.size {
            ..=0 => String::new(),
            1..1_000 => format!("{} B", self.size),
            1_000..1_000_000 => format!("{} kB", self.size / 1_000),
            _ => format!("{} MB", self.size / 1_000_000),
        };
        let parts = [&self.name, &size, &self.url].map(String::as_str);
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
    }
}

/// The first [`TAGS`] of a list; the rest is read over, so that a long list takes no memory.
fn first_tags<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    struct First;
    impl<'de> Visitor<'de> for First {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of tags")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut first = Vec::new();
            while first.len() < TAGS {
                let Some(tag) = list.next_element()? else { return Ok(first) };
                first.push(tag);
            }
            while list.next_element::<IgnoredAny>()?.is_some() {}
            Ok(first)
        }
    }
    from.deserialize_seq(First)
}
