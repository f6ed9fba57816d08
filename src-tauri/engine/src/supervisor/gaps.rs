//! From what a dialect says to what is kept: every item in its order, the cursor with what lies before it, and what is
//! known of each gap once it is known.

#[cfg(test)]
mod tests;

use heartwire_core::dialect::{CaughtUp, Item, Missing};
use heartwire_core::link::{Generation, ResumeData};
use heartwire_core::listen::Event;
use heartwire_core::message::{Arrival, Message};
use heartwire_core::settings::{Connection, shown_url};
use ring::digest::{SHA256, digest};

use super::links::{GivesWay, LinkRecord, now_ms, timestamp};
use super::run::Run;
use super::writes::{Lossy, Step, Then, Write};
use crate::driver::{Command, ConnectionId};
use crate::store::{Entry, GapRows, NewMessage};

/// The server that a connection speaks with, and how far its messages are complete there.
#[derive(Clone, Debug)]
pub struct Known {
    /// See [`source`].
    pub source: String,
    /// The newest cursor that was handed over; what is on disk may be older.
    pub cursor: Option<ResumeData>,
}

/// What a cursor and message ids mean something to: a server and what is asked of it. A digest, since the address may
/// hold a secret.
pub fn source(connection: &Connection) -> String {
    // With another password it is the same server.
    let whole = format!("{} {}", connection.dialect.name(), shown_url(&connection.url));
    data_encoding::HEXLOWER.encode(digest(&SHA256, whole.as_bytes()).as_ref())
}

/// The times of which it is not known yet whether messages are missing: each since a socket was lost, earlier than the
/// outage where this computer slept. What a later socket's dialect says ends those of earlier ones, and no other: its own
/// end may be known before its last word is on disk.
#[derive(Debug, Default)]
pub struct OpenGaps(Vec<OpenGap>);

#[derive(Clone, Copy, Debug)]
struct OpenGap {
    since_ms: i64,
    /// The socket that was lost.
    after: Generation,
}

impl OpenGaps {
    /// The socket of this generation is lost.
    pub fn open(&mut self, since_ms: i64, after: Generation) {
        match self.0.as_mut_slice() {
            // Of a link that flaps the first and the rest are enough.
            [_, rest] => rest.after = after,
            _ => self.0.push(OpenGap { since_ms, after }),
        }
    }

    /// Messages are missing since then whatever socket comes.
    pub fn taken_over(&mut self, since_ms: i64) {
        match self.0.first_mut() {
            Some(first) => first.since_ms = first.since_ms.min(since_ms),
            None => self.open(since_ms, Generation(0)),
        }
    }

    /// The sockets of the next link are numbered anew.
    pub fn of_an_earlier_link(&mut self) {
        self.0.truncate(1);
        self.0.iter_mut().for_each(|gap| gap.after = Generation(0));
    }

    /// Since when messages may be missing.
    pub fn since_ms(&self) -> Option<i64> {
        self.0.first().map(|gap| gap.since_ms)
    }

    /// All of them.
    pub fn rows(&self) -> GapRows {
        GapRows { since_ms: self.since_ms(), before_ms: None }
    }

    /// Ends what lies before the socket of this generation. Since when that was.
    fn close(&mut self, by: Generation) -> Option<i64> {
        let since_ms = self.since_ms()?;
        let before = self.0.len();
        self.0.retain(|gap| gap.after >= by);
        (self.0.len() < before).then_some(since_ms)
    }
}

/// What became of a gap.
pub struct Closed {
    /// Its rows.
    pub rows: GapRows,
    /// Why they still might be.
    pub missing: Option<Missing>,
    /// For the listener.
    pub event: Event,
}

impl Run {
    /// The connection speaks with this server from now on.
    pub(super) fn speaks_with(&mut self, name: &str, source: &str) {
        if self.state.known.get(name).is_some_and(|known| known.source == source) {
            return;
        }
        self.state.known.insert(name.to_owned(), Known { source: source.to_owned(), cursor: None });
        self.writes.push_steps([Step::Entry(Entry::Source(name.to_owned(), source.to_owned()))]);
    }

    /// Connections of which something was lost while the disk took nothing begin again from what is on it: their servers
    /// are asked for everything since then.
    pub(super) fn redial_lossy(&mut self, lossy: Vec<Lossy>) {
        for Lossy { connection: name, since_ms, cursor } in lossy {
            let Some(known) = self.state.known.get_mut(&name) else { continue };
            let before = std::mem::replace(&mut known.cursor, cursor);
            if before.is_none() && known.cursor.is_none() {
                // There is nothing to go on from: another socket would only miss more.
                continue;
            }
            if let Some(id) = self.state.find(&name)
                && let Some(link) = self.state.links.get(&id)
            {
                tracing::warn!("{name}: begins again from what is on disk, since not everything found a place there");
                let connection = link.connection.clone();
                let new = self.add(connection, Some((id, GivesWay::Lossy { since_ms })));
                self.state.order.iter_mut().filter(|place| **place == id).for_each(|place| *place = new);
                self.state.dirty = true;
            }
            // Also what gave way a moment ago for another reason.
            let closing = self.state.stopping.values_mut().filter(|closing| closing.name == name);
            closing.for_each(|closing| closing.lossy = true);
        }
    }

    /// A link that is closing still receives: its messages are as good as any. Its cursor counts if the connection still
    /// speaks with the same server.
    pub(super) fn received(&mut self, id: ConnectionId, generation: Generation, items: Vec<Item>) {
        let mut late = false;
        let (name, source, lossy, since_ms) = match (self.state.links.get_mut(&id), self.state.stopping.get(&id)) {
            (Some(link), _) => {
                late = link.gives(generation, &items);
                (link.connection.name.clone(), &link.source, false, link.past.gaps.since_ms())
            }
            (None, Some(stopping)) => (stopping.name.clone(), &stopping.source, stopping.lossy, None),
            (None, None) => return,
        };
        let after = late.then(|| Step::Then(Then::Told(name.clone())));
        let known = self.state.known.get_mut(&name).filter(|known| known.source == *source);
        let mut known = known.map(|known| &mut known.cursor);
        let (now_ms, keeps) = (now_ms(), self.keeps);
        // All of it is committed together: the last cursor says what those before it say, and more.
        let last_cursor = items.iter().rposition(|item| matches!(item, Item::Cursor(_)));
        let steps = items.into_iter().enumerate().filter_map(|(at, item)| {
            Some(match item {
                Item::Cursor(_) if Some(at) != last_cursor => return None,
                Item::Message(mut message) => {
                    let at_ms = shown_at(&message, since_ms, now_ms);
                    if known.is_none() {
                        // Of a server that the connection does not speak with any more: its ids could be the new one's.
                        message.id = None;
                    }
                    Step::Entry(Entry::Message(NewMessage { connection: name.clone(), at_ms, message }))
                }
                Item::Withdrawn(withdrawal) => {
                    Step::Entry(Entry::Withdrawn { connection: name.clone(), withdrawal, at_ms: now_ms })
                }
                // It comes once more, and is known by its ids.
                Item::Cursor(_) if lossy => return None,
                Item::Cursor(cursor) => {
                    **known.as_mut()? = Some(cursor.clone());
                    Step::Entry(Entry::Cursor(name.clone(), Some(cursor)))
                }
                Item::CaughtUp(caught_up) => Step::Then(Then::CaughtUp(name.clone(), id, generation, caught_up)),
                Item::Mark(_) if !keeps => return None,
                Item::Mark(mark) => Step::Then(Then::Committed(name.clone(), id, generation, mark)),
            })
        });
        self.writes.push_steps(steps.chain(after));
    }

    /// No more of what was missed comes for now: what is on its way to the disk is notified as it is.
    pub(super) fn no_more_for_now(&mut self, name: String) {
        self.writes.push_steps([Step::Then(Then::Told(name))]);
    }

    /// The server does not go on from the cursor.
    pub(super) fn cursor_dropped(&mut self, id: ConnectionId) {
        let Some(link) = self.state.links.get(&id) else { return };
        let name = link.connection.name.clone();
        tracing::warn!("{name}: the server does not go on from where it was; messages may be missing");
        if let Some(known) = self.state.known.get_mut(&name) {
            known.cursor = None;
        }
        self.writes.push_steps([Step::Entry(Entry::Cursor(name, None))]);
    }

    /// Everything before this is on disk.
    pub(super) fn then(&mut self, then: Then) {
        match then {
            Then::Committed(_, id, generation, mark) => self.command(id, Command::Committed(generation, mark)),
            Then::Told(name) => self.popups.caught_up(&name),
            Then::CaughtUp(name, id, generation, caught_up) => {
                self.popups.caught_up(&name);
                let Some(link) = self.state.links.get_mut(&id) else { return };
                if let Some(closed) = link.caught_up(generation, caught_up, now_ms()) {
                    if closed.missing.is_none() {
                        self.writes.made_good(&name);
                        self.state.not_stored = self.writes.lost();
                    }
                    self.writes.push(Write::Gaps(name, closed.rows, closed.missing));
                    self.state.emit([closed.event]);
                } else if link.past.gaps.since_ms().is_none() {
                    // An outage before the first contact: nothing of it was ever to come.
                    self.writes.push(Write::Gaps(name, GapRows::default(), None));
                }
                self.state.dirty = true;
            }
        }
    }
}

impl LinkRecord {
    /// Takes note of the dialect's word on what was missed. True: these items have more of it, behind that word.
    fn gives(&mut self, generation: Generation, items: &[Item]) -> bool {
        let mut late = false;
        for item in items {
            match item {
                Item::CaughtUp(_) => self.caught_up_on = Some(generation),
                Item::Message(message) if message.arrival == Arrival::CaughtUp => {
                    late |= self.caught_up_on == Some(generation);
                }
                _ => {}
            }
        }
        late
    }

    /// All that was missed has been given, or cannot be. Some: there was a gap.
    pub(super) fn caught_up(&mut self, generation: Generation, caught_up: CaughtUp, now_ms: i64) -> Option<Closed> {
        let recovered = std::mem::take(&mut self.past.recovered);
        let from_ms = self.past.gaps.close(generation)?;
        // Nothing but a later gap bounds its rows: the clock may have been set back meanwhile.
        let next_ms = self.past.gaps.since_ms();
        let missing = match caught_up {
            // It was connected before, but nobody knows any more how far it was.
            CaughtUp::FirstContact => Some(Missing::CursorLost),
            CaughtUp::Recovered { keeps } => {
                let gap_ms = now_ms.saturating_sub(from_ms);
                let covers = |keeps: std::time::Duration| i128::from(gap_ms) < keeps.as_millis().cast_signed();
                (!keeps.is_none_or(covers)).then_some(Missing::Expired)
            }
            CaughtUp::Missing(missing) => Some(missing),
        };
        let event = Event::Gap {
            at: timestamp(now_ms),
            connection: self.connection.name.clone(),
            from: timestamp(from_ms),
            to: timestamp(next_ms.unwrap_or(self.past.connected_ms).max(from_ms)),
            recovered,
            complete: missing.is_none(),
            missing,
        };
        Some(Closed { rows: GapRows { since_ms: Some(from_ms), before_ms: next_ms }, missing, event })
    }
}

/// When a message is shown to have come. What was missed stands where it belongs: when the server says it was sent, but
/// in the time in which it can have been missed.
fn shown_at(message: &Message, missing_since_ms: Option<i64>, now_ms: i64) -> i64 {
    let sent_ms = message.sent_ms.filter(|_| message.arrival != Arrival::Live);
    let earliest_ms = missing_since_ms.filter(|_| message.arrival == Arrival::CaughtUp).unwrap_or(i64::MIN);
    sent_ms.map_or(now_ms, |sent_ms| sent_ms.max(earliest_ms).min(now_ms))
}
