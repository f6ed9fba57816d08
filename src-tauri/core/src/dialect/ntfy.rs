//! ntfy, of ntfy.sh or a server of one's own. Live by WebSocket; what was missed is asked for beside it, where the end of the
//! answer tells that everything has been given.
//!
//! Checked against the server's sources of 2025 and 2026: `server/server.go` (`wsPathRegex`, `handleSubscribeWS`,
//! `sendOldMessages`, `parseSince`, `handleActionMessage`, `sendDelayedMessages`), `message/cache_sqlite.go` (what `since`
//! selects) and `model/model.go` (the fields). A live message may come before `open`, since the server subscribes first.

mod catch_up;
mod event;
mod place;

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::{
    Answer, CaughtUp, Context, Dialect, Effects, Fetch, Fetched, Incoming, Item, Missing, Opening, Spec, Withdrawal,
};
use crate::cause::{Cause, CauseCode};
use crate::message::{Arrival, Message};
use catch_up::{CatchUp, Newest};
use event::{Event, Kind};
use place::Place;

pub(super) const SPEC: Spec = Spec {
    name: "ntfy",
    // `wsReadLimit`: the server reads only to see pings and pongs.
    longest_text: Some(64),
    check_url,
    presets: &[include_str!("../../../../config/presets/ntfy.toml")],
    make,
    ..Spec::DEFAULT
};

/// After so long what was missed is asked for a second time. The server hands a message to its subscribers before it keeps it
/// (`handlePublishInternal`, and `cache-batch-timeout` in docs/config.md): one that just was not handed to us any more may
/// not be in the first answer.
const AGAIN: Duration = Duration::from_secs(2);

/// Parameters that would change what a subscription or an answer holds, under all their names (`parseSubscribeParams`).
const OURS: [&str; 9] = ["since", "si", "x-since", "poll", "po", "x-poll", "scheduled", "sched", "x-scheduled"];

/// The answer has only the newest messages of a topic, 10 MB of them (`sendOldMessages`).
const CUT: &str = "x-messages-truncated";

/// An address that ends with topics and `/ws`, behind whatever path a proxy adds.
fn check_url(url: &Url) -> Option<String> {
    let example = "write it as wss://ntfy.sh/alerts,builds/ws";
    let mut path = url.path().rsplit('/');
    let (Some("ws"), Some(topics)) = (path.next(), path.next().filter(|topics| !topics.is_empty())) else {
        return Some(format!("an address of ntfy ends with its topics and /ws: {example}"));
    };
    let is_known = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !topics.split(',').all(|topic| (1..=64).contains(&topic.len()) && topic.chars().all(is_known)) {
        let rule = "a topic of ntfy has 1 to 64 letters, digits, - or _, with a comma between two topics";
        return Some(format!("{rule}: {example}"));
    }
    let (name, _) = url.query_pairs().find(|(name, _)| OURS.contains(&&**name))?;
    Some(format!("\"{name}\" in the address would change what counts as new: leave it out"))
}

fn make(context: &Arc<Context>) -> Box<dyn Dialect> {
    let state = State::Opening(Err(CaughtUp::FirstContact));
    Box::new(Ntfy { context: Arc::clone(context), place: Place::default(), state })
}

/// ntfy on one socket.
struct Ntfy {
    context: Arc<Context>,
    /// Covers all that was given on this socket and before; a cursor only while nothing is missing before it.
    place: Place,
    state: State,
}

enum State {
    /// The subscription does not stand yet. Where the last socket ended, or what it means that this is not known.
    Opening(Result<Place, CaughtUp>),
    /// What was missed is being fetched.
    CatchingUp(CatchUp),
    Live,
}

impl Dialect for Ntfy {
    fn opened(&mut self, opening: &Opening<'_>, _: &mut Effects) {
        let earlier = match opening.cursor {
            None => Err(CaughtUp::FirstContact),
            Some(cursor) => Place::read(cursor).ok_or(CaughtUp::Missing(Missing::CursorLost)),
        };
        self.place = earlier.clone().unwrap_or_default();
        self.state = State::Opening(earlier);
    }

    fn frame(&mut self, frame: Incoming<'_>, effects: &mut Effects) {
        let event = match frame {
            Incoming::Text(text) => Event::read(text),
            Incoming::Binary(_) => None,
        };
        match event {
            Some(event) if event.kind == Kind::Open => self.subscribed(event.time, effects),
            Some(event) => {
                if let State::CatchingUp(catch_up) = &mut self.state {
                    catch_up.came_live(&event);
                }
                self.give(&event, Arrival::Live, effects);
            }
            None if matches!(self.state, State::Opening(_)) => {
                let text = "the server's first frame is none of ntfy's: is the address right?";
                effects.end = Some(Cause::new(CauseCode::Protocol, text));
            }
            None => effects.message(match frame {
                Incoming::Text(text) => Message::new("", &self.context.name, text, text.len()),
                Incoming::Binary(bytes) => Message::binary(bytes.len()),
            }),
        }
    }

    fn fetched(&mut self, fetched: Fetched<'_>, effects: &mut Effects) {
        let State::CatchingUp(catch_up) = &mut self.state else { return };
        match fetched {
            Fetched::Part(line) => match Event::read(line) {
                Some(event) if catch_up.is_news(&event) => {
                    let newer = catch_up.newer(&event);
                    let replaced = newer.is_some_and(|newer| !newer.withdrawn);
                    self.give(&event, if replaced { Arrival::Old } else { Arrival::CaughtUp }, effects);
                    if let (Some(Newest { time, withdrawn: true }), Some(key)) = (newer, event.key()) {
                        effects.items.push(Item::Withdrawn(Withdrawal { key, at_ms: Some(time.saturating_mul(1000)) }));
                    }
                }
                Some(_) => {}
                None => catch_up.unread = true,
            },
            // So is the answer to the next try.
            Fetched::Cut => catch_up.cut = true,
            Fetched::Broken => catch_up.unread = false,
            Fetched::Refused(_) => self.caught_up(CaughtUp::Missing(Missing::Refused), effects),
            Fetched::End => self.answered(effects),
        }
    }
}

impl Ntfy {
    /// The server's word, by its clock, that every message comes from now on.
    fn subscribed(&mut self, now: i64, effects: &mut Effects) {
        match mem::replace(&mut self.state, State::Live) {
            State::Opening(Ok(earlier)) => {
                let catch_up = CatchUp::new(earlier, now);
                effects.fetch = Some(self.missed(catch_up.since));
                self.state = State::CatchingUp(catch_up);
            }
            State::Opening(Err(word)) => {
                self.place.begin(now);
                self.caught_up(word, effects);
            }
            other => {
                self.state = other;
                return;
            }
        }
        effects.ready = true;
    }

    /// What the server keeps since this second. Not since an id: then it would leave out scheduled messages, which have
    /// the ids of their publishing, and give everything once more if it knows the id no longer.
    fn missed(&self, since: i64) -> Fetch {
        let mut url = self.context.url.clone();
        let path = format!("{}json", url.path().strip_suffix("ws").unwrap_or_default());
        url.set_path(&path);
        url.query_pairs_mut().append_pair("poll", "1").append_pair("since", &since.to_string());
        // Cannot fail between these.
        let _ = url.set_scheme(if url.scheme() == "wss" { "https" } else { "http" });
        Fetch { url, form: None, answer: Answer::Lines, cut: Some(CUT) }
    }

    fn give(&mut self, event: &Event, arrival: Arrival, effects: &mut Effects) {
        if !self.place.knows(event) {
            let Some(item) = event.item(&self.context.name, arrival) else { return };
            effects.items.push(item);
            self.place.add(event);
            if let State::Live = self.state {
                effects.items.push(Item::Cursor(self.place.cursor()));
            }
        }
    }

    /// An answer is complete.
    fn answered(&mut self, effects: &mut Effects) {
        let State::CatchingUp(catch_up) = &mut self.state else { return };
        if let Some(since) = catch_up.again() {
            // Complete but for the seconds that are asked for again, here or by the next socket.
            let place = self.place.asked_again(catch_up.earlier.from, catch_up.now);
            effects.items.push(Item::Cursor(place.cursor()));
            effects.fetch = Some(self.missed(since));
            effects.fetch_after = AGAIN;
        } else {
            let word = catch_up.word(&self.place);
            self.caught_up(word, effects);
        }
    }

    fn caught_up(&mut self, word: CaughtUp, effects: &mut Effects) {
        if let State::CatchingUp(catch_up) = mem::replace(&mut self.state, State::Live) {
            self.place.set_back(catch_up.clock);
        }
        effects.items.extend([Item::Cursor(self.place.cursor()), Item::CaughtUp(word)]);
    }
}

#[cfg(test)]
mod tests;
