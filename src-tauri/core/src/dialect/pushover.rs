//! Pushover's Open Client (<https://pushover.net/api/client>). Its socket brings one byte at a time and no message: when the
//! byte says that there are some, they are downloaded. The server holds a message until it is told that this device has it
//! and everything before it, and it is told when that is on disk: a crash loses nothing.
//!
//! The messages are at `api.pushover.net` where the socket is at `client.pushover.net`; else at the socket's own scheme,
//! host and port.

mod html;
#[cfg(test)]
mod tests;
mod wire;

use std::mem;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    Answer, CaughtUp, Context, Dialect, Effects, Fetch, Fetched, Incoming, Item, Login, Missing, Opening, Spec,
};
use crate::cause::{Cause, CauseCode};
use crate::link::ResumeData;
use crate::message::{Arrival, Message};
use wire::{Account, Note, notes};

pub(super) const SPEC: Spec = Spec {
    name: "pushover",
    // The link is proved by pings of ours: the server's own sign of life has no documented interval.
    login: Login::InFrames,
    one_socket: true,
    presets: &[include_str!("../../../../config/presets/pushover.toml")],
    make,
    ..Spec::DEFAULT
};

fn make(context: &Arc<Context>) -> Box<dyn Dialect> {
    Box::new(Pushover {
        context: Arc::clone(context),
        account: None,
        asked: Asked::Nothing,
        wanted: false,
        unacknowledged: None,
        page: None,
        highest: None,
        marked: 0,
        outcome: None,
        arrival: Arrival::CaughtUp,
        heard: false,
    })
}

/// A device's messages on one socket.
struct Pushover {
    context: Arc<Context>,
    account: Option<Account>,
    asked: Asked,
    /// There may be messages that no download under way brings.
    wanted: bool,
    /// What is on disk up to here, and the server does not know it yet.
    unacknowledged: Option<u64>,
    /// The answer that has come and may still break off.
    page: Option<Vec<Note>>,
    /// Up to here everything was given.
    highest: Option<u64>,
    marked: u64,
    /// What will be told after the first download.
    outcome: Option<CaughtUp>,
    arrival: Arrival,
    heard: bool,
}

/// What the fetch under way is for. There is one at a time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Nothing,
    Messages,
    Acknowledge(u64),
}

/// Ids count for one device, so the cursor of another one says nothing.
#[derive(Serialize, Deserialize)]
struct Cursor {
    device: String,
    highest: u64,
}

impl Dialect for Pushover {
    fn opened(&mut self, opening: &Opening<'_>, effects: &mut Effects) {
        let Some(account) = Account::of(opening, &self.context.url) else {
            let text = "Pushover needs the device id as the user and the secret of its login: auth of kind \"basic\"";
            effects.fatal = Some(Cause::new(CauseCode::Configuration, text));
            return;
        };
        let cursor = opening.cursor.and_then(|cursor| serde_json::from_str::<Cursor>(&cursor.0).ok());
        self.highest = cursor.filter(|cursor| cursor.device == account.device).map(|cursor| cursor.highest);
        (self.outcome, self.arrival) = match (opening.cursor, self.highest) {
            // The document advises against notifying what a device finds at its first download: other devices of the
            // person had it long ago.
            (None, _) => (Some(CaughtUp::FirstContact), Arrival::Old),
            (Some(_), None) => (Some(CaughtUp::Missing(Missing::CursorLost)), Arrival::CaughtUp),
            (Some(_), Some(_)) => (Some(CaughtUp::Recovered { keeps: None }), Arrival::CaughtUp),
        };
        effects.send(account.login());
        self.account = Some(account);
        self.download(effects);
    }

    fn frame(&mut self, frame: Incoming<'_>, effects: &mut Effects) {
        let bytes = match frame {
            Incoming::Text(text) => text.as_bytes(),
            Incoming::Binary(bytes) => bytes,
        };
        match bytes {
            b"E" => {
                let text = "Pushover refused the device or its secret: log in again, or enable the device";
                effects.fatal = Some(Cause::new(CauseCode::Unauthorized, text));
            }
            // Each would drive the other out for ever: fatal by this code is not tried again before the person asks.
            b"A" => {
                let text = "another program logged in as this device: give each a device of its own";
                effects.fatal = Some(Cause::new(CauseCode::Closed(1005), text));
            }
            b"R" => effects.end = Some(Cause::new(CauseCode::Closed(1000), "Pushover asked for a new connection")),
            // A sign of life, a message, or a sign that is not known yet.
            [sign] => self.signed(*sign, effects),
            _ => effects.end = Some(breach("Pushover sent a frame that is more or less than one byte")),
        }
    }

    fn fetched(&mut self, fetched: Fetched<'_>, effects: &mut Effects) {
        match (fetched, self.asked) {
            (Fetched::Part(text), Asked::Messages) => self.page = notes(text),
            (Fetched::Broken, Asked::Messages) => self.page = None,
            (Fetched::End, Asked::Messages) => {
                self.asked = Asked::Nothing;
                match self.page.take() {
                    Some(page) => self.downloaded(page, effects),
                    None => effects.end = Some(breach("Pushover's answer is no list of messages")),
                }
            }
            (Fetched::Refused(status), Asked::Messages) => {
                let text = format!("Pushover refused the device or its secret ({status}): log in again");
                effects.fatal = Some(Cause::new(CauseCode::Unauthorized, text));
            }
            (Fetched::End, Asked::Acknowledge(_)) => self.done(effects),
            (Fetched::Refused(status), Asked::Acknowledge(_)) => {
                effects.trouble = Some(format!("Pushover keeps messages that it was told to delete ({status})"));
                self.done(effects);
            }
            (Fetched::Part(_) | Fetched::Broken, Asked::Acknowledge(_)) | (Fetched::Cut, _) | (_, Asked::Nothing) => {}
        }
    }

    fn committed(&mut self, mark: u64, effects: &mut Effects) {
        self.unacknowledged = Some(mark);
        self.next(effects);
    }
}

impl Pushover {
    /// The login has no answer, so the first sign is what proves it. Whoever sent before it may have found nobody here:
    /// there is one more download then.
    fn signed(&mut self, sign: u8, effects: &mut Effects) {
        effects.ready = true;
        let first = !mem::replace(&mut self.heard, true);
        if first || sign == b'!' {
            self.download(effects);
        }
    }

    /// A download that is under way may have been answered already.
    fn download(&mut self, effects: &mut Effects) {
        self.wanted = true;
        if let Asked::Acknowledge(highest) = self.asked {
            // It can wait, and may be failing.
            self.unacknowledged.get_or_insert(highest);
            self.asked = Asked::Nothing;
        }
        self.next(effects);
    }

    fn done(&mut self, effects: &mut Effects) {
        self.asked = Asked::Nothing;
        self.next(effects);
    }

    fn next(&mut self, effects: &mut Effects) {
        let Some(account) = self.account.as_ref().filter(|_| self.asked == Asked::Nothing) else { return };
        let (asked, url, form) = if mem::take(&mut self.wanted) {
            (Asked::Messages, account.messages(), None)
        } else if let Some(highest) = self.unacknowledged.take() {
            let (url, form) = account.acknowledge(highest);
            (Asked::Acknowledge(highest), url, Some(form))
        } else {
            return;
        };
        self.asked = asked;
        effects.fetch = Some(Fetch { url, form, answer: Answer::Whole, cut: None });
    }

    /// Everything that the server holds for this device. What was given before is still there where the program ended, or
    /// the network did, before the server was told.
    fn downloaded(&mut self, mut page: Vec<Note>, effects: &mut Effects) {
        effects.ready = true;
        page.sort_by_key(|note| note.id);
        let before = self.highest.unwrap_or_default();
        for note in page.iter().filter(|note| note.id > before) {
            effects.message(Message { arrival: self.arrival, ..note.message(&self.context.name) });
        }
        let newest = page.last().map_or(0, |note| note.id);
        if newest > before || self.highest.is_none() {
            self.highest = Some(newest.max(before));
            self.cursor(effects);
        }
        effects.items.extend(self.outcome.take().map(Item::CaughtUp));
        self.arrival = Arrival::Live;
        if newest > self.marked {
            self.marked = newest;
            effects.items.push(Item::Mark(newest));
        }
        self.next(effects);
    }

    fn cursor(&self, effects: &mut Effects) {
        let (Some(account), Some(highest)) = (&self.account, self.highest) else { return };
        let cursor = serde_json::to_string(&Cursor { device: account.device.clone(), highest });
        effects.items.extend(cursor.map(|cursor| Item::Cursor(ResumeData(cursor))));
    }
}

fn breach(text: &str) -> Cause {
    Cause::new(CauseCode::Protocol, text)
}
