//! One socket of a dialect, told what happens as the engine tells it: an answer only to a request, a mark only when it was
//! given, nothing after the end.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use heartwire_core::cause::{Cause, CauseCode};
use heartwire_core::dialect::{Beat, Dialect, Effects, Fetched, Incoming, Item, KeepAlive, Opening, Outgoing};
use heartwire_core::link::ResumeData;
use heartwire_core::secret::Secret;
use heartwire_core::settings::Connection;
use heartwire_core::text::one_line;
use peak_alloc::PeakAlloc;

use super::corpus::Server;
use super::{clock, rules};

/// No server can have heartbeats more often, or let a socket count as dead after less.
const OFTEN: Duration = Duration::from_secs(1);

/// What happens on a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It is up, with this cursor.
    Opened(Option<String>),
    /// A text frame.
    Text(String),
    /// A binary frame.
    Binary(Vec<u8>),
    /// The answer to a request is not all.
    Cut,
    /// Part of the answer to a request.
    Part(String),
    /// The answer's end.
    End,
    /// The answer broke off.
    Broken,
    /// It was refused.
    Refused(u16),
    /// What is before the next mark is on disk.
    Committed,
    /// Nothing more can be read for now.
    Quiet,
    /// The server closed with this code and reason.
    Closed(u16, String),
    /// Time for a heartbeat.
    Heartbeat,
    /// The person sends a text.
    Wrap(String),
}

/// What an input took.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Of the processor.
    pub time: Duration,
    /// At the most, besides what was there before, in bytes.
    pub memory: usize,
}

/// One socket.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Socket<'a> {
    dialect: Box<dyn Dialect>,
    connection: &'a Connection,
    secret: Secret,
    is_asked: bool,
    is_over: bool,
    is_ready: bool,
    is_caught_up: bool,
    marks: VecDeque<u64>,
    marked: Option<u64>,
    cursor: Option<String>,
    sent: Option<Outgoing>,
    messages: u64,
    heard: usize,
    events: usize,
}

impl<'a> Socket<'a> {
    /// One that is not opened yet.
    pub fn new(server: &'a Server) -> Self {
        Self {
            dialect: (server.dialect)(),
            connection: &server.connection,
            secret: Secret::new("s3cret"),
            is_asked: false,
            is_over: false,
            is_ready: false,
            is_caught_up: false,
            marks: VecDeque::new(),
            marked: None,
            cursor: None,
            sent: None,
            messages: 0,
            heard: 0,
            events: 0,
        }
    }

    /// Whether this can happen now.
    pub fn takes(&self, event: &Event) -> bool {
        !self.is_over
            && match event {
                Event::Cut | Event::Part(_) | Event::End | Event::Broken | Event::Refused(_) => self.is_asked,
                Event::Committed => !self.marks.is_empty(),
                Event::Wrap(_) => self.is_ready && self.connection.dialect.spec.sends,
                Event::Heartbeat => self.connection.dialect.spec.beat != Beat::Server,
                Event::Opened(_) => self.events == 0,
                Event::Text(_) | Event::Binary(_) | Event::Quiet | Event::Closed(..) => true,
            }
    }

    /// Whether the dialect waits for the answer to a request.
    pub fn is_asked(&self) -> bool {
        self.is_asked
    }

    /// Whether it was ready.
    pub fn is_ready(&self) -> bool {
        self.is_ready
    }

    /// How many messages it gave.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// The newest cursor.
    pub fn cursor(&self) -> Option<&String> {
        self.cursor.as_ref()
    }

    /// The newest frame that the dialect sent.
    pub fn sent(&self) -> Option<&Outgoing> {
        self.sent.as_ref()
    }

    /// Lets it happen; the error is the rule that was broken.
    pub fn tell(&mut self, event: &Event) -> Result<Cost, String> {
        let before = PeakAlloc.current_usage();
        PeakAlloc.reset_peak_usage();
        let started = clock::now();
        let told = catch_unwind(AssertUnwindSafe(|| self.pass(event)));
        let time = clock::now().saturating_sub(started);
        let memory = PeakAlloc.peak_usage().saturating_sub(before);
        let effects = told.map_err(|_| "it panicked".to_owned())?;
        self.heard += event.length();
        self.events += 1;
        let cost = Cost { time, memory };
        rules::affordable(event.length(), cost)?;
        rules::bounded(&effects, self.heard, self.events)?;
        self.learn(effects)?;
        Ok(cost)
    }

    fn pass(&mut self, event: &Event) -> Effects {
        let mut effects = Effects::default();
        let dialect = self.dialect.as_mut();
        match event {
            Event::Opened(cursor) => {
                let cursor = cursor.clone().map(ResumeData);
                let opening = Opening {
                    cursor: cursor.as_ref(),
                    user: Some("someone"),
                    secret: Some(&self.secret),
                    random: 0x5eed,
                    ..Opening::default()
                };
                dialect.opened(&opening, &mut effects);
            }
            Event::Text(text) => dialect.frame(Incoming::Text(text), &mut effects),
            Event::Binary(bytes) => dialect.frame(Incoming::Binary(bytes), &mut effects),
            Event::Cut => dialect.fetched(Fetched::Cut, &mut effects),
            Event::Part(text) => dialect.fetched(Fetched::Part(text), &mut effects),
            Event::End => dialect.fetched(Fetched::End, &mut effects),
            Event::Broken => dialect.fetched(Fetched::Broken, &mut effects),
            Event::Refused(status) => dialect.fetched(Fetched::Refused(*status), &mut effects),
            Event::Committed => {
                if let Some(mark) = self.marks.pop_front() {
                    dialect.committed(mark, &mut effects);
                }
            }
            Event::Closed(code, reason) => {
                // The engine gives it safe to show.
                let cause = dialect.closed(*code, &one_line(reason, 200));
                effects.end = Some(cause.unwrap_or_else(|| Cause::new(CauseCode::Closed(*code), "")));
            }
            Event::Quiet => dialect.quiet(&mut effects),
            Event::Heartbeat => effects.frames.extend(dialect.heartbeat()),
            Event::Wrap(text) => effects.frames.push(dialect.wrap(text.clone())),
        }
        dialect.settle(&mut effects);
        if matches!(event, Event::End | Event::Refused(_)) {
            self.is_asked = false;
        }
        effects
    }

    fn learn(&mut self, effects: Effects) -> Result<(), String> {
        for item in effects.items {
            match item {
                Item::Message(_) => self.messages += 1,
                Item::Cursor(cursor) => self.cursor = Some(cursor.0),
                Item::CaughtUp(_) if std::mem::replace(&mut self.is_caught_up, true) => {
                    return Err("it has caught up for a second time".to_owned());
                }
                Item::Withdrawn(_) | Item::CaughtUp(_) => {}
                Item::Mark(mark) if self.marked.replace(mark).is_some_and(|last| last >= mark) => {
                    return Err(format!("the mark {mark} does not rise"));
                }
                Item::Mark(mark) => self.marks.push_back(mark),
            }
        }
        if let Some(fetch) = effects.fetch {
            let secure = self.connection.url.scheme() == "wss";
            if fetch.url.scheme() != if secure { "https" } else { "http" } {
                return Err(format!("a request in the clear: {fetch:?}"));
            }
            self.is_asked = true;
        }
        let too_often =
            |agreed: KeepAlive| agreed.ours && agreed.every < OFTEN || agreed.every + agreed.timeout < OFTEN;
        if effects.keep_alive.is_some_and(too_often) {
            return Err(format!("heartbeats too often: {:?}", effects.keep_alive));
        }
        self.sent = effects.frames.into_iter().next_back().or(self.sent.take());
        self.is_ready |= effects.ready;
        self.is_over |= effects.fatal.is_some() || effects.end.is_some();
        Ok(())
    }
}

impl Event {
    /// The bytes that came from outside.
    pub fn length(&self) -> usize {
        match self {
            Self::Opened(cursor) => cursor.as_ref().map_or(0, String::len),
            Self::Text(text) | Self::Part(text) | Self::Wrap(text) | Self::Closed(_, text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
            Self::Cut
            | Self::End
            | Self::Broken
            | Self::Refused(_)
            | Self::Committed
            | Self::Quiet
            | Self::Heartbeat => 0,
        }
    }
}
