//! What a link takes over: from earlier runs of the program, and from the link that it replaces.

use heartwire_core::cause::{Cause, CauseCode, CauseView};
use heartwire_core::view::{LastMessage, Span, SpanKind};

use super::LinkRecord;
use crate::store::{BeginSpan, Life};
use crate::supervisor::gaps::OpenGaps;

/// The codes of causes that only rows of the history have: the program did not run, the settings did not have the
/// connection, and something found no place on the disk.
const NOT_RUNNING: &str = "not-running";
const NOT_CONFIGURED: &str = "not-configured";
const NOT_STORED: &str = "not-stored";

/// What is known of a connection from before.
#[derive(Default)]
pub struct Past {
    /// The span that lasts, as begun in memory.
    pub(super) open: Option<(SpanKind, i64)>,
    /// When the newest socket came up.
    pub connected_ms: i64,
    /// The times of which it is not known yet whether messages are missing.
    pub gaps: OpenGaps,
    /// How many of them were recovered so far.
    pub recovered: u64,
    pub(super) spans: Vec<Span>,
    pub(super) tries: Tries,
    /// Its newest message.
    pub last_message: Option<LastMessage>,
}

/// How often a server was dialled in the outage that lasts: a link counts its own tries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tries {
    before: u32,
    newest: u32,
}

impl Tries {
    /// The link says how often it has tried; one fewer than before where its newest try was none, for want of a network.
    pub(super) fn counted(&mut self, attempt: u32) {
        self.newest = attempt;
    }

    /// The next link begins to count.
    fn of_an_earlier_link(&mut self) {
        *self = Self { before: self.all(), newest: 0 };
    }

    /// All of them since the outage began.
    pub(super) fn all(self) -> u32 {
        self.before.saturating_add(self.newest)
    }
}

/// Why a link gives way to another of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivesWay {
    /// The person changed the connection.
    Changed,
    /// Something that it gave since then found no place on the disk, and the other begins again from what did.
    Lossy { since_ms: i64 },
}

impl Past {
    /// Whether a span lasts.
    pub fn lasts(&self) -> bool {
        self.open.is_some()
    }

    /// How a connection is left that is removed now, if it was ever up.
    pub fn life(&self, now_ms: i64) -> Option<Life> {
        let last = self.open.map(|(kind, _)| kind);
        let missing_since_ms = self.gaps.since_ms().or((last == Some(SpanKind::Up)).then_some(now_ms))?;
        Some(Life { missing_since_ms, last, ended_ms: now_ms, ran_to_the_end: false })
    }
}

impl GivesWay {
    fn cause(self) -> CauseView {
        match self {
            Self::Changed => Cause::new(CauseCode::ByPerson, "the settings of this connection were changed").view(),
            Self::Lossy { .. } => {
                own_cause(NOT_STORED, "the disk did not take everything; the connection is made anew")
            }
        }
    }
}

impl LinkRecord {
    /// Takes over what the store knows of earlier runs; what happened in this one is newer.
    pub fn recall(&mut self, mut spans: Vec<Span>, last_message: Option<LastMessage>) {
        if let Some(first) = self.past.spans.first() {
            spans.retain(|span| span.from_ms < first.from_ms);
            if let Some(last) = spans.last_mut() {
                last.until_ms.get_or_insert(first.from_ms);
            }
        }
        spans.append(&mut self.past.spans);
        self.past.spans = spans;
        self.past.last_message = self.past.last_message.take().or(last_message);
    }

    /// Takes over from the link that this one replaces. An outage goes on; a link that was up is down until the new one is
    /// up.
    pub fn take_over(&mut self, past: Past, why: GivesWay, now_ms: i64) -> Option<BeginSpan> {
        self.past = past;
        self.past.gaps.of_an_earlier_link();
        self.past.tries.of_an_earlier_link();
        if let GivesWay::Lossy { since_ms } = why {
            self.past.gaps.taken_over(since_ms);
        }
        matches!(self.past.open, Some((SpanKind::Up, _))).then(|| {
            self.begin_span(SpanKind::Down, now_ms);
            self.past.gaps.taken_over(now_ms);
            self.span(SpanKind::Down, Some(why.cause()), 0, now_ms)
        })
    }

    /// What an earlier link of this name left, in this run of the program or in another. Some: a span in which there was none.
    pub fn revive(&mut self, life: Life) -> Option<BeginSpan> {
        self.past.gaps.taken_over(life.missing_since_ms);
        // What the person paused is not missed.
        (life.last != Some(SpanKind::Paused)).then(|| {
            let cause = if life.ran_to_the_end {
                own_cause(NOT_RUNNING, "Heartwire was not running")
            } else {
                own_cause(NOT_CONFIGURED, "this connection was not in the settings")
            };
            self.begin_span(SpanKind::Off, life.ended_ms);
            self.span(SpanKind::Off, Some(cause), 0, life.ended_ms)
        })
    }

    /// Takes over the gaps of a connection that has a new name now. Some: it was up, and is down until the new link is.
    pub fn take_over_gaps(&mut self, past: Past, now_ms: i64) -> Option<BeginSpan> {
        let span = self.take_over(past, GivesWay::Changed, now_ms);
        // The day of the old name stays with it.
        let open = self.past.open;
        self.past.spans.retain(|span| open.is_some_and(|(_, from_ms)| span.from_ms >= from_ms));
        span
    }
}

fn own_cause(code: &str, text: &str) -> CauseView {
    CauseView { code: code.to_owned(), text: text.to_owned() }
}
