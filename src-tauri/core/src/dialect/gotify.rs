//! Gotify: the socket brings each message once, when it is posted; what was missed is asked of `GET /message`.
//!
//! That list goes backwards (`api/message.go` of gotify/server: ids below `since`, newest first, at most 200), and people
//! want to read forwards. So it is walked down to the cursor and up again: on the way down only the id where each page
//! ended is remembered, on the way up each page is fetched once more, given oldest first, and the cursor follows it. 10,000
//! missed messages are about 100 requests, 50 numbers and one page in memory, and a walk that breaks off goes on where it was.
//! What is deleted meanwhile only makes pages reach further down.
//!
//! Ids rise, but three things are not as simple as that:
//! - Two messages that are posted at the same moment may be pushed in the other order. So the cursor stays a window of 16
//!   messages behind, and names those beyond it that were given.
//! - The server registers a socket only after it has answered the upgrade (`api/stream/stream.go`): what is posted just
//!   between may be in neither the first list nor the socket. The first message of a socket proves that it is registered,
//!   and a second walk down to the cursor finds what was posted before that.
//! - A server that lost its database counts from 1 again. A number below the cursor that is dated after everything the
//!   cursor stands for tells; a newest number below the cursor does not, for that is what deleting read messages leads to.

mod done;
mod wire;

use std::sync::Arc;

use super::{Answer, CaughtUp, Context, Dialect, Effects, Fetch, Fetched, Incoming, Item, Missing, Opening, Spec};
use crate::cause::{Cause, CauseCode};
use crate::link::ResumeData;
use crate::message::{Arrival, Message};
use done::Done;
use wire::{PAGE, Page, Wire, page_url};

pub(super) const SPEC: Spec = Spec {
    name: "gotify",
    // `api/stream/client.go`: more ends the socket, and what it reads it throws away.
    longest_text: Some(64),
    check_url: wire::check_url,
    presets: &[include_str!("../../../../config/presets/gotify.toml")],
    make,
    ..Spec::DEFAULT
};

/// How many ends of pages are remembered. Of more some are forgotten, and found again by walking down once more.
const BOUNDS_MAX: usize = 10_000;

fn make(context: &Arc<Context>) -> Box<dyn Dialect> {
    Box::new(Gotify {
        context: Arc::clone(context),
        done: None,
        outcome: None,
        walk: Vec::new(),
        rising: false,
        after: None,
        page: None,
        pushed: Pushed::Nothing,
    })
}

/// Gotify on one socket.
#[derive(Debug)]
struct Gotify {
    context: Arc<Context>,
    /// None: of older messages nothing is known, and the newest of them will be the first cursor.
    done: Option<Done>,
    /// What will be told when the first walk has ended.
    outcome: Option<CaughtUp>,
    /// The ids below which there are pages to give, that of the next page last; empty: everything was given.
    walk: Vec<u64>,
    /// The walk has turned: below its last bound everything was given.
    rising: bool,
    /// The server counts anew, and this walk goes down to this date.
    after: Option<i64>,
    page: Option<Page>,
    pushed: Pushed,
}

/// Whether the socket has brought a message, which proves that the server has registered it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pushed {
    Nothing,
    Something,
    /// A walk began after that: nothing is missed any more while the socket lasts.
    Walked,
}

impl Dialect for Gotify {
    fn opened(&mut self, opening: &Opening<'_>, effects: &mut Effects) {
        self.done = opening.cursor.and_then(|cursor| serde_json::from_str(&cursor.0).ok());
        self.outcome = Some(match (opening.cursor, &self.done) {
            (None, _) => CaughtUp::FirstContact,
            (Some(_), None) => CaughtUp::Missing(Missing::CursorLost),
            // Gotify keeps messages until somebody deletes them.
            (Some(_), Some(_)) => CaughtUp::Recovered { keeps: None },
        });
        effects.ready = true;
        self.begin(effects);
    }

    fn frame(&mut self, frame: Incoming<'_>, effects: &mut Effects) {
        let read = match frame {
            Incoming::Text(text) => serde_json::from_str(text).ok().map(|wire: Wire| (wire, text.len())),
            Incoming::Binary(_) => None,
        };
        match read {
            Some((wire, size)) => self.pushed(&wire, size, effects),
            None => effects.end = Some(unlike("the server sent a frame that is no message of Gotify")),
        }
    }

    fn fetched(&mut self, fetched: Fetched<'_>, effects: &mut Effects) {
        match fetched {
            Fetched::Part(text) => self.page = serde_json::from_str(text).ok(),
            Fetched::End => match self.page.take().filter(|page| self.is_asked_for(page)) {
                Some(page) => self.page(&page, effects),
                None => effects.end = Some(unlike("the server's answer to /message is no list of messages of Gotify")),
            },
            Fetched::Broken => self.page = None,
            Fetched::Cut => {}
            // The walk stays as it is, so that no cursor passes over what it would have found.
            Fetched::Refused(_) => {
                let refused = self.outcome.take().map(|_| CaughtUp::Missing(Missing::Refused));
                effects.items.extend(refused.map(Item::CaughtUp));
            }
        }
    }
}

impl Gotify {
    fn pushed(&mut self, wire: &Wire, size: usize, effects: &mut Effects) {
        effects.message(wire.message(&self.context, size));
        if self.pushed == Pushed::Nothing {
            self.pushed = Pushed::Something;
        }
        let idle = self.walk.is_empty();
        let complete = idle && self.pushed == Pushed::Walked;
        if let Some(done) = &mut self.done {
            done.pushed(wire, complete);
        }
        if complete {
            self.cursor(effects);
        } else if idle {
            self.begin(effects);
        }
    }

    fn begin(&mut self, effects: &mut Effects) {
        if self.pushed == Pushed::Something {
            self.pushed = Pushed::Walked;
        }
        (self.walk, self.rising) = (vec![u64::MAX], false);
        self.fetch(effects);
    }

    fn fetch(&self, effects: &mut Effects) {
        let limit = if self.done.is_some() { PAGE } else { 1 };
        let since = self.walk.last().copied().filter(|&bound| bound < u64::MAX);
        let url = page_url(&self.context.url, limit, since);
        effects.fetch = Some(Fetch { url, form: None, answer: Answer::Whole, cut: None });
    }

    /// Whether the page lies below its bound, newest first: otherwise a walk might never end.
    fn is_asked_for(&self, page: &Page) -> bool {
        let mut bound = self.walk.last().copied().unwrap_or_default();
        let falls = page.messages.0.iter().all(|wire| wire.id < std::mem::replace(&mut bound, wire.id));
        falls && (page.paging.since == 0 || page.messages.0.last().is_some_and(|last| last.id == page.paging.since))
    }

    fn page(&mut self, page: &Page, effects: &mut Effects) {
        let messages = &page.messages.0;
        let Some(done) = &mut self.done else {
            self.done = Some(Done::since(messages.first()));
            return self.next(effects);
        };
        if let Some(latest) = done.begin_anew(messages) {
            self.after = Some(latest);
            self.outcome = self.outcome.map(|_| CaughtUp::Missing(Missing::CursorLost));
        }
        let is_old = |wire: &Wire| self.after.is_some_and(|after| wire.date() <= Some(after));
        // What is posted from now on is pushed.
        let newest = messages.first().map_or(done.up_to, |newest| newest.id);
        if let Some(top @ &mut u64::MAX) = self.walk.last_mut() {
            *top = newest.saturating_add(1);
        }
        let bound = self.walk.last().copied().unwrap_or_default();
        // On the way down one message of those known is looked for, since it tells whether the count is still the same.
        let reached = page.paging.since <= done.up_to.saturating_add(self.rising.into()) || messages.iter().any(is_old);
        if !reached {
            if self.walk.len() == BOUNDS_MAX {
                self.walk.remove(1);
            }
            self.walk.push(page.paging.since);
            return self.fetch(effects);
        }
        let is_new = |wire: &&Wire| wire.id > done.up_to && !done.above.contains(&wire.id) && !is_old(wire);
        for wire in messages.iter().rev().filter(is_new) {
            let message = wire.message(&self.context, wire.title.len() + wire.message.len());
            effects.message(Message { arrival: Arrival::CaughtUp, ..message });
        }
        done.given(bound, messages);
        (self.after, self.rising) = (None, true);
        self.next(effects);
    }

    /// The page on which the walk was is given.
    fn next(&mut self, effects: &mut Effects) {
        self.walk.pop();
        if self.walk.is_empty() {
            self.cursor(effects);
            effects.items.extend(self.outcome.take().map(Item::CaughtUp));
            if self.pushed == Pushed::Something {
                self.begin(effects);
            }
            return;
        }
        // Whoever goes on from the middle of another count would not know that it is another.
        if self.outcome != Some(CaughtUp::Missing(Missing::CursorLost)) {
            self.cursor(effects);
        }
        self.fetch(effects);
    }

    fn cursor(&self, effects: &mut Effects) {
        let text = self.done.as_ref().and_then(|done| serde_json::to_string(done).ok());
        effects.items.extend(text.map(|text| Item::Cursor(ResumeData(text))));
    }
}

fn unlike(text: &str) -> Cause {
    Cause::new(CauseCode::Protocol, text)
}

#[cfg(test)]
mod tests;
