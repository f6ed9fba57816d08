//! What is complete of a Gotify server's messages: the cursor.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::wire::Wire;

/// How many pushed messages the cursor stays behind.
const WINDOW: usize = 16;

/// A message is of a new count if it is dated this much later than every known one. Databases round dates, at most to the
/// next second.
const LATER_MS: i64 = 2_000;

/// What is complete; as JSON it is the cursor.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Done {
    /// Every message up to this id was given, or was there before the first contact.
    pub(super) up_to: u64,
    /// The latest date of those known.
    pub(super) latest_ms: Option<i64>,
    /// The newest that were given beyond that, at most [`WINDOW`].
    pub(super) above: BTreeSet<u64>,
}

impl Done {
    /// At the first contact, with the newest message if there is one.
    pub(super) fn since(newest: Option<&Wire>) -> Self {
        Self { up_to: newest.map_or(0, |wire| wire.id), latest_ms: newest.and_then(Wire::date), above: BTreeSet::new() }
    }

    /// A message was pushed. `complete`: nothing is missing below it, but what a later push may still bring.
    pub(super) fn pushed(&mut self, wire: &Wire, complete: bool) {
        if wire.id <= self.up_to {
            return;
        }
        self.above.insert(wire.id);
        self.latest_ms = self.latest_ms.max(wire.date());
        if self.above.len() > WINDOW
            && let Some(lowest) = self.above.pop_first()
            && complete
        {
            self.up_to = lowest;
        }
    }

    /// Everything below `bound` was given, these messages last.
    pub(super) fn given(&mut self, bound: u64, messages: &[Wire]) {
        self.up_to = self.up_to.max(bound.saturating_sub(1));
        self.latest_ms = messages.iter().map(Wire::date).fold(self.latest_ms, Option::max);
        self.above = self.above.split_off(&self.up_to.saturating_add(1));
    }

    /// The latest date of the old count, if these numbers are of a new one. From then on nothing is complete.
    pub(super) fn begin_anew(&mut self, newest_first: &[Wire]) -> Option<i64> {
        let latest = self.latest_ms?;
        let known = newest_first.iter().find(|wire| wire.id <= self.up_to || self.above.contains(&wire.id))?;
        if known.date()? <= latest.saturating_add(LATER_MS) {
            return None;
        }
        (self.up_to, self.above) = (0, BTreeSet::new());
        Some(latest)
    }
}
