//! What outlives a socket: the broker keeps the session of our client id, and we keep what belongs to it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::doubts::Doubts;
use crate::link::ResumeData;

/// Our side of a session.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// Our name at the broker. All brokers take up to 23 letters and digits (section 3.1.3.1).
    pub(super) client: String,
    /// The topic filters that the broker has taken. None: it never took any, so the first contact is still to come.
    pub(super) filters: BTreeSet<String>,
    /// Messages come that brokers do not keep for who is away: those of QoS 0.
    pub(super) unkept: bool,
    /// What the broker may send again.
    pub(super) doubts: Doubts,
    /// There was one before it that the broker does not know any more, or of which we know nothing, and nobody was told yet.
    pub(super) lost: bool,
}

/// As it is stored.
#[derive(Serialize, Deserialize)]
struct Stored {
    client: String,
    filters: BTreeSet<String>,
    unkept: bool,
    doubts: Vec<(u16, u64)>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    lost: bool,
}

impl Session {
    /// A name that nobody else has.
    pub(super) fn new(random: u64) -> Self {
        Self { client: format!("heartwire{:014x}", random >> 8), ..Self::default() }
    }

    /// The one of an earlier socket, or a new one.
    pub(super) fn of(cursor: Option<&ResumeData>, random: u64) -> Self {
        let stored = cursor.and_then(|cursor| serde_json::from_str::<Stored>(&cursor.0).ok());
        stored.map_or_else(
            || Self { lost: cursor.is_some(), ..Self::new(random) },
            |Stored { client, filters, unkept, doubts, lost }| Self {
                client,
                filters,
                unkept,
                doubts: Doubts::earlier(doubts),
                lost,
            },
        )
    }

    /// The broker has lost it, or never had it: only the name stays.
    pub(super) fn begin(&mut self, lost: bool) {
        *self = Self { client: std::mem::take(&mut self.client), lost, ..Self::default() };
    }

    /// For the next socket.
    pub(super) fn cursor(&self) -> ResumeData {
        let Self { client, filters, unkept, doubts, lost } = self;
        let (client, filters, doubts) = (client.clone(), filters.clone(), doubts.list());
        let stored = Stored { client, filters, unkept: *unkept, doubts, lost: *lost };
        // Texts and numbers always become JSON.
        ResumeData(serde_json::to_string(&stored).unwrap_or_default())
    }
}
