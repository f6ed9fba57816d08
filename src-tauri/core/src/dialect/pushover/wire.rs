//! What is asked of Pushover's servers, and what they answer.

use std::fmt;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use url::Url;

use super::html;
use crate::dialect::Opening;
use crate::message::{Message, usable_id};
use crate::secret::Secret;

/// The most messages of one answer: each has about 200 bytes, and a longer answer is not handed over.
const NOTES_MAX: usize = 200_000;

/// Who the messages are for.
pub(super) struct Account {
    pub(super) device: String,
    secret: Secret,
    base: Url,
}

impl Account {
    /// None: there is no device or no secret, or the login line cannot hold them.
    pub(super) fn of(opening: &Opening<'_>, socket: &Url) -> Option<Self> {
        let (device, secret) = (opening.user?, opening.secret?);
        let fits = |text: &str| !text.is_empty() && !text.contains(|c: char| c == ':' || c.is_control());
        if !fits(device) || !fits(secret.expose()) {
            return None;
        }
        Some(Self { device: device.to_owned(), secret: secret.clone(), base: base(socket)? })
    }

    /// The first frame, with a line break.
    pub(super) fn login(&self) -> String {
        format!("login:{}:{}\n", self.device, self.secret.expose())
    }

    /// Where all messages are that the server holds.
    pub(super) fn messages(&self) -> Url {
        let mut url = self.at(&["messages.json"]);
        url.query_pairs_mut().append_pair("secret", self.secret.expose()).append_pair("device_id", &self.device);
        url
    }

    /// Where the server is told to delete this message and all before it, and how.
    pub(super) fn acknowledge(&self, highest: u64) -> (Url, Vec<(String, String)>) {
        let form = [("secret", self.secret.expose().to_owned()), ("message", highest.to_string())];
        let url = self.at(&["devices", &self.device, "update_highest_message.json"]);
        (url, form.map(|(name, value)| (name.to_owned(), value)).into())
    }

    fn at(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.push("1").extend(path);
        }
        url
    }
}

/// The root of the server of the messages.
fn base(socket: &Url) -> Option<Url> {
    if socket.host_str() == Some("client.pushover.net") {
        return Url::parse("https://api.pushover.net").ok();
    }
    let mut base = socket.clone();
    base.set_scheme(if socket.scheme() == "wss" { "https" } else { "http" }).ok()?;
    base.set_path("");
    base.set_query(None);
    Some(base)
}

/// A message as the server has it.
#[derive(Deserialize)]
pub(super) struct Note {
    /// Rises, and counts for this device.
    pub(super) id: u64,
    /// The same for all devices of the person, also for one that takes the place of this.
    umid: Option<u64>,
    title: Option<String>,
    app: Option<String>,
    message: Option<String>,
    url: Option<String>,
    url_title: Option<String>,
    html: Option<i64>,
    date: Option<i64>,
    priority: Option<i64>,
    #[serde(skip)]
    size: usize,
}

impl Note {
    pub(super) fn message(&self, connection: &str) -> Message {
        let given = |text: &'_ Option<String>| text.clone().filter(|text| !text.trim().is_empty());
        let title = given(&self.title).or_else(|| given(&self.app)).unwrap_or_default();
        let mut body = self.message.clone().unwrap_or_default();
        if self.html == Some(1) {
            body = html::text(&body);
        }
        let link = match (given(&self.url_title), given(&self.url)) {
            (Some(title), Some(url)) => Some(format!("{title}: {url}")),
            (title, url) => url.or(title),
        };
        if let Some(link) = link {
            body = format!("{body}\n{link}");
        }
        let priority = self.priority.unwrap_or_default().clamp(-2, 2) + 3;
        Message {
            id: usable_id(&self.umid.unwrap_or(self.id).to_string()),
            priority: u8::try_from(priority).unwrap_or(3),
            sent_ms: self.date.and_then(|seconds| seconds.checked_mul(1_000)),
            ..Message::new(&title, connection, &body, self.size)
        }
    }
}

/// The messages of an answer; none: it is none.
pub(super) fn notes(answer: &str) -> Option<Vec<Note>> {
    #[derive(Deserialize)]
    struct Whole {
        messages: Notes,
    }
    serde_json::from_str::<Whole>(answer).ok().map(|whole| whole.messages.0)
}

/// A list that ends before it fills the memory.
struct Notes(Vec<Note>);

impl<'de> Deserialize<'de> for Notes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Notes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of messages")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Notes, A::Error> {
                let mut notes = Vec::new();
                while let Some(raw) = from.next_element::<&RawValue>()? {
                    let note: Note = serde_json::from_str(raw.get()).map_err(A::Error::custom)?;
                    notes.push(Note { size: raw.get().len(), ..note });
                    if notes.len() > NOTES_MAX {
                        return Err(A::Error::custom("too many messages"));
                    }
                }
                Ok(Notes(notes))
            }
        }
        from.deserialize_seq(List)
    }
}
