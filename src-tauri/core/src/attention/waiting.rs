//! What waits to be told: how many messages those are, and a few of them whole.

use super::{CAUGHT_UP, NOT_STORED};
use crate::message::Message;

/// Messages of which only the number, the oldest row and the newest title are kept.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) count: u64,
    /// The smallest row among them.
    pub(super) first_id: i64,
    /// The place among all that ever waited and the title of the newest of them.
    pub(super) latest: (u64, String),
}

impl Default for Counted {
    fn default() -> Self {
        Self { count: 0, first_id: NOT_STORED, latest: (0, String::new()) }
    }
}

impl Counted {
    pub(super) fn one(place: u64, id: i64, message: &Message) -> Self {
        Self { count: 1, first_id: id, latest: (place, message.title.clone()) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn add(&mut self, other: Self) {
        self.count = self.count.saturating_add(other.count);
        self.first_id = self.first_id.min(other.first_id);
        if other.latest.0 > self.latest.0 {
            self.latest = other.latest;
        }
    }
}

/// A message that waits whole.
#[derive(Debug)]
pub(super) struct Whole {
    /// Its place among all that ever waited.
    pub(super) place: u64,
    pub(super) id: i64,
    pub(super) message: Message,
}

impl From<Whole> for Counted {
    fn from(whole: Whole) -> Self {
        Self { count: 1, first_id: whole.id, latest: (whole.place, whole.message.title) }
    }
}

/// What was caught up so far of what a connection missed.
#[derive(Debug)]
pub(super) enum Held {
    /// Whole, oldest first, each of another key; at most [`CAUGHT_UP`].
    Few(Vec<Whole>),
    Many(Counted),
}

impl Default for Held {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl Held {
    pub(super) fn add(&mut self, place: u64, id: i64, message: &Message) {
        match self {
            Self::Few(few) if few.len() < CAUGHT_UP => few.push(Whole { place, id, message: message.clone() }),
            Self::Few(few) => {
                let mut many = Counted::one(place, id, message);
                few.drain(..).for_each(|whole| many.add(whole.into()));
                *self = Self::Many(many);
            }
            Self::Many(many) => many.add(Counted::one(place, id, message)),
        }
    }

    /// What is only counted stays counted: which of them have this key is not known any more.
    pub(super) fn withdraw(&mut self, key: &str) {
        if let Self::Few(few) = self {
            few.retain(|whole| whole.message.key.as_deref() != Some(key));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Few(few) if few.is_empty())
    }

    /// The smallest row among them.
    pub(super) fn first_id(&self) -> i64 {
        match self {
            Self::Few(few) => few.iter().map(|whole| whole.id).min().unwrap_or(NOT_STORED),
            Self::Many(many) => many.first_id,
        }
    }
}
