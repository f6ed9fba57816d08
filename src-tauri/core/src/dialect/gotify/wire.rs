//! Gotify's JSON and addresses.

use jiff::Timestamp;
use serde::Deserialize;
use url::Url;

use crate::dialect::Context;
use crate::dialect::json::Few;
use crate::message::Message;

/// The longest page that the server gives (`pagingParams` in `api/message.go`).
pub(super) const PAGE: usize = 200;

/// A message as it stands in a frame or a page (`model/message.go`).
#[derive(Debug, Deserialize)]
pub(super) struct Wire {
    pub(super) id: u64,
    #[serde(default)]
    pub(super) title: String,
    #[serde(default)]
    pub(super) message: String,
    priority: Option<i64>,
    date: Option<String>,
}

impl Wire {
    pub(super) fn message(&self, context: &Context, size: usize) -> Message {
        let sent_ms = self.date();
        // A server that counts anew gives old numbers to new messages: the second makes them differ. It is the nearest
        // one, since a database that rounds dates gives another fraction later than the frame did.
        let id = match sent_ms {
            Some(sent_ms) => format!("{}@{}", self.id, sent_ms.saturating_add(500).div_euclid(1_000)),
            None => self.id.to_string(),
        };
        let priority = self.priority.map_or(3, priority);
        // Markdown, which the extras may announce, is shown as the text that it is.
        Message { id: Some(id), priority, sent_ms, ..Message::new(&self.title, &context.name, &self.message, size) }
    }

    /// In milliseconds since the Unix epoch.
    pub(super) fn date(&self) -> Option<i64> {
        self.date.as_ref()?.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
    }
}

/// An answer to `GET /message` (`model/paging.go`).
#[derive(Debug, Deserialize)]
pub(super) struct Page {
    pub(super) paging: Paging,
    pub(super) messages: Few<Wire, PAGE>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Paging {
    /// The id of the page's last message; 0: there is none below it.
    pub(super) since: u64,
}

/// Gotify's app for Android shows up to 0 without a sound and hidden away, 1 to 3 without a sound, 4 to 7 with one, and
/// from 8 on over everything else (`NotificationSupport.kt` of gotify/android). The web page offers up to 10.
fn priority(of: i64) -> u8 {
    match of {
        ..=0 => 1,
        1..=3 => 2,
        4..=7 => 3,
        8..=9 => 4,
        10.. => 5,
    }
}

/// An address that ends with `/stream`, behind whatever path a proxy adds: the list is beside it.
pub(super) fn check_url(url: &Url) -> Option<String> {
    let text = "an address of Gotify ends with /stream: write it as wss://gotify.example.com/stream";
    (!url.path().trim_end_matches('/').ends_with("/stream")).then(|| text.to_owned())
}

/// `/message` beside the `/stream` of this address.
pub(super) fn page_url(stream: &Url, limit: usize, since: Option<u64>) -> Url {
    let mut url = stream.clone();
    let scheme = if matches!(stream.scheme(), "wss" | "https") { "https" } else { "http" };
    // Neither can fail between schemes that have a host.
    let _ = url.set_scheme(scheme);
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().pop().push("message");
    }
    let mut query = url.query_pairs_mut();
    query.append_pair("limit", &limit.to_string());
    if let Some(since) = since {
        query.append_pair("since", &since.to_string());
    }
    drop(query);
    url
}
