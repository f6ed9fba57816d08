//! One connection as the supervisor sees it: its driver, its last status, and the spans of its last day.

use std::time::Duration;

use heartwire_core::link::LinkStatus;
use heartwire_core::listen::Event;
use heartwire_core::settings::{Connection, shown_url};
use heartwire_core::view::{ConnectionView, HeartbeatView, LastMessage, LinkState, Span, SpanKind, Strip};
use jiff::Timestamp;

use crate::driver::DriverHandle;
use crate::store::BeginSpan;

/// The day that a strip shows.
pub const STRIP_MS: i64 = 24 * 60 * 60 * 1000;

/// The most spans of a day that are kept in memory for a strip of at most 200 parts.
const MOST_SPANS: usize = 2_000;

/// A connection that runs.
pub struct LinkRecord {
    /// What is configured.
    pub connection: Connection,
    /// Its task.
    pub driver: DriverHandle,
    state: LinkState,
    since_ms: i64,
    status: Option<LinkStatus>,
    retry_at_ms: Option<i64>,
    /// The span that lasts, as begun in memory.
    open: Option<(SpanKind, i64)>,
    /// The open span's row, once it is stored.
    pub open_row: Option<i64>,
    spans: Vec<Span>,
    heartbeat: Option<HeartbeatView>,
    /// Its newest message.
    pub last_message: Option<LastMessage>,
}

/// What a status change means for the store and for listeners.
pub struct Changed {
    /// A span to begin.
    pub begin: Option<BeginSpan>,
    /// A new count of attempts for the outage that lasts.
    pub attempts: Option<u32>,
    /// In this order.
    pub events: Vec<Event>,
}

impl LinkRecord {
    pub fn new(connection: Connection, driver: DriverHandle, now_ms: i64) -> Self {
        Self {
            connection,
            driver,
            state: LinkState::Stopped,
            since_ms: now_ms,
            status: None,
            retry_at_ms: None,
            open: None,
            open_row: None,
            spans: Vec::new(),
            heartbeat: None,
            last_message: None,
        }
    }

    /// Takes over what the store knows of earlier runs.
    pub fn remember(&mut self, spans: Vec<Span>, last_message: Option<LastMessage>) {
        self.spans = spans;
        self.last_message = last_message;
    }

    /// Takes a status of the driver.
    pub fn status_changed(&mut self, status: LinkStatus, retry_in: Option<Duration>, now_ms: i64) -> Changed {
        if status.state != self.state {
            self.since_ms = now_ms;
            // An answer that an earlier socket gave proves nothing of this one.
            self.heartbeat = None;
        }
        self.retry_at_ms = retry_in.map(|wait| now_ms.saturating_add(millis(wait)));
        let mut events = vec![self.state_event(&status, retry_in, now_ms)];
        let begin = self.span_for(&status, now_ms);
        if let (Some((SpanKind::Down, from_ms)), LinkState::Connected) = (self.open, status.state) {
            events.push(self.gap_event(from_ms, now_ms));
        }
        let lasting_outage = begin.is_none() && matches!(self.open, Some((SpanKind::Down, _)));
        let attempts = lasting_outage.then_some(status.attempt);
        if let Some(begin) = &begin {
            self.begin_span(begin.kind, now_ms);
        }
        self.state = status.state;
        self.status = Some(status);
        Changed { begin, attempts, events }
    }

    /// Takes an answered heartbeat.
    pub fn round_trip(&mut self, rtt: Duration, now_ms: i64) -> Event {
        let rtt_ms = rtt.as_secs_f64() * 1000.0;
        self.heartbeat = Some(HeartbeatView { at_ms: now_ms, rtt_ms });
        Event::Heartbeat {
            at: timestamp(now_ms),
            connection: self.connection.name.clone(),
            rtt_ms: (rtt_ms * 10.0).round() / 10.0,
        }
    }

    /// Ends the span that lasts, because the connection was removed or replaced.
    pub fn ended(&mut self) -> bool {
        self.open.take().is_some()
    }

    pub fn view(&self, now_ms: i64) -> ConnectionView {
        let status = self.status.as_ref();
        let down_since_ms = match (self.open, self.state) {
            (Some((SpanKind::Down, from_ms)), LinkState::Connecting | LinkState::Waiting | LinkState::Blocked) => {
                Some(from_ms)
            }
            _ => None,
        };
        ConnectionView {
            name: self.connection.name.clone(),
            url: shown_url(&self.connection.url),
            dialect: self.connection.dialect.name().to_owned(),
            preset: self.connection.preset.clone(),
            state: self.state,
            since_ms: self.since_ms,
            cause: status.and_then(|status| status.cause.as_ref()).map(heartwire_core::cause::Cause::view),
            down_since_ms,
            retry_at_ms: self.retry_at_ms,
            attempt: status.map_or(0, |status| status.attempt),
            heartbeat: self.heartbeat,
            last_message: self.last_message.clone(),
            strip: Strip::from_spans(&self.spans, now_ms),
        }
    }

    /// Which span a status begins, if it begins one.
    fn span_for(&self, status: &LinkStatus, now_ms: i64) -> Option<BeginSpan> {
        let kind = match status.state {
            LinkState::Connected => SpanKind::Up,
            LinkState::Paused => SpanKind::Paused,
            // A connecting link that has not been up yet is neither up nor down until the dial has ended.
            LinkState::Connecting if self.open.is_none_or(|(kind, _)| kind == SpanKind::Paused) => return None,
            LinkState::Connecting | LinkState::Waiting | LinkState::Blocked => SpanKind::Down,
            LinkState::Stopped => return None,
        };
        if self.open.is_some_and(|(open, _)| open == kind) {
            return None;
        }
        let cause = (kind == SpanKind::Down).then(|| status.cause.as_ref().map(heartwire_core::cause::Cause::view));
        Some(self.span(kind, cause.flatten(), status.attempt, now_ms))
    }

    fn span(
        &self,
        kind: SpanKind,
        cause: Option<heartwire_core::cause::CauseView>,
        attempts: u32,
        at_ms: i64,
    ) -> BeginSpan {
        BeginSpan { connection: self.connection.name.clone(), at_ms, kind, cause, attempts }
    }

    /// The strip's copy of the day; the store holds the whole history.
    fn begin_span(&mut self, kind: SpanKind, now_ms: i64) {
        if let Some(last) = self.spans.last_mut().filter(|last| last.until_ms.is_none()) {
            last.until_ms = Some(now_ms);
        }
        self.spans.retain(|span| span.until_ms.is_none_or(|until_ms| until_ms > now_ms - STRIP_MS));
        // A link that flaps all day must not grow the process: the oldest of its spans leave the strip first.
        if self.spans.len() >= MOST_SPANS {
            self.spans.remove(0);
        }
        self.spans.push(Span { kind, from_ms: now_ms, until_ms: None });
        self.open = Some((kind, now_ms));
        self.open_row = None;
    }

    fn state_event(&self, status: &LinkStatus, retry_in: Option<Duration>, now_ms: i64) -> Event {
        Event::State {
            at: timestamp(now_ms),
            connection: self.connection.name.clone(),
            state: status.state,
            attempt: (status.attempt > 0).then_some(status.attempt),
            retry_in_ms: retry_in
                .filter(|_| status.state == LinkState::Waiting)
                .map(|wait| millis(wait).unsigned_abs()),
            cause: match status.state {
                LinkState::Waiting | LinkState::Blocked => {
                    status.cause.as_ref().map(heartwire_core::cause::Cause::view)
                }
                _ => None,
            },
        }
    }

    /// The plain dialect cannot replay, so nothing was recovered and messages may be missing.
    fn gap_event(&self, from_ms: i64, now_ms: i64) -> Event {
        Event::Gap {
            at: timestamp(now_ms),
            connection: self.connection.name.clone(),
            from: timestamp(from_ms),
            to: timestamp(now_ms),
            recovered: 0,
            complete: false,
        }
    }
}

/// The wall clock, in milliseconds since the Unix epoch.
pub fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

/// A wall-clock time for an event line.
pub fn timestamp(at_ms: i64) -> Timestamp {
    Timestamp::from_millisecond(at_ms).unwrap_or_default()
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
