//! One connection as the supervisor sees it: its driver, its last status, and the spans of its last day.

mod past;
mod shown;
#[cfg(test)]
mod tests;

use std::time::Duration;

use heartwire_core::cause::{Cause, CauseCode, CauseView};
use heartwire_core::link::{Generation, LinkStatus};
use heartwire_core::listen::Event;
use heartwire_core::settings::Connection;
use heartwire_core::view::{HeartbeatView, LinkState, Span, SpanKind};
use jiff::Timestamp;

use past::Tries;
pub use past::{GivesWay, Past};

use super::gaps;
use crate::driver::DriverHandle;
use crate::secrets::Credentials;
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
    /// Its secret, which its dials share.
    pub credentials: Credentials,
    /// The server it speaks with, see [`super::gaps::source`].
    pub source: String,
    /// The socket whose dialect has said all that it knows of what was missed.
    pub caught_up_on: Option<Generation>,
    /// What outlives its links.
    pub past: Past,
    state: LinkState,
    since_ms: i64,
    status: Option<LinkStatus>,
    retry_at_ms: Option<i64>,
    heartbeat: Option<HeartbeatView>,
}

/// What a status change means for the store and for listeners.
pub struct Changed {
    /// When the last span ended, if that was before the next one begins: this computer was asleep in between.
    pub end: Option<i64>,
    /// A span to begin.
    pub begin: Option<BeginSpan>,
    /// A new count of attempts for the outage that lasts.
    pub attempts: Option<u32>,
    /// A socket is gone.
    pub lost: bool,
    /// For the listener.
    pub event: Event,
}

impl LinkRecord {
    pub fn new(connection: Connection, driver: DriverHandle, credentials: Credentials, now_ms: i64) -> Self {
        Self {
            source: gaps::source(&connection),
            connection,
            driver,
            credentials,
            caught_up_on: None,
            past: Past::default(),
            state: LinkState::Stopped,
            since_ms: now_ms,
            status: None,
            retry_at_ms: None,
            heartbeat: None,
        }
    }

    /// Takes a status of the driver.
    pub fn status_changed(&mut self, status: LinkStatus, retry_in: Option<Duration>, now_ms: i64) -> Changed {
        if status.state != self.state {
            self.since_ms = now_ms;
            // An answer that an earlier socket gave proves nothing of this one.
            self.heartbeat = None;
        }
        self.retry_at_ms = retry_in.map(|wait| now_ms.saturating_add(millis(wait)));
        let lost = matches!(status.state, LinkState::Waiting | LinkState::Blocked | LinkState::Paused);
        let event = self.state_event(&status, retry_in, now_ms);
        let begin = self.span_for(&status, now_ms);
        let lasting_outage = begin.is_none() && matches!(self.past.open, Some((SpanKind::Down, _)));
        if begin.is_some() {
            self.past.tries = Tries::default();
        }
        self.past.tries.counted(status.attempt);
        let attempts = (lasting_outage && status.attempt > 0).then_some(self.past.tries.all());
        let mut end = None;
        if let Some(begin) = &begin {
            let was = self.past.open;
            let heard_ms = self.last_heard(&status, now_ms);
            end = self.past.open.filter(|(_, from_ms)| *from_ms < heard_ms && heard_ms < begin.at_ms).map(|_| heard_ms);
            self.end_span(end.unwrap_or(begin.at_ms));
            self.begin_span(begin.kind, begin.at_ms);
            if matches!(was, Some((SpanKind::Up, _))) {
                self.past.gaps.open(heard_ms, status.generation);
            }
        }
        if status.state == LinkState::Connected {
            self.past.connected_ms = now_ms;
        }
        self.state = status.state;
        self.status = Some(status);
        Changed { end, begin, attempts, lost, event }
    }

    /// This computer slept and woke: in between nothing lasted. Some: what was is ended then, and goes on from now.
    pub fn slept(&mut self, slept: Duration, now_ms: i64) -> Option<(i64, BeginSpan)> {
        let (kind, from_ms) = self.past.open?;
        let asleep_ms = now_ms.saturating_sub(millis(slept));
        // A pause is no matter of this computer's, and what is younger than the sleep knows of it.
        if kind == SpanKind::Paused || from_ms >= asleep_ms {
            return None;
        }
        self.end_span(asleep_ms);
        self.begin_span(kind, now_ms);
        let cause = self.status.as_ref().and_then(|status| status.cause.as_ref());
        let cause = cause.filter(|_| kind == SpanKind::Down).map(Cause::view);
        Some((asleep_ms, self.span(kind, cause, self.past.tries.all(), now_ms)))
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

    /// Which span a status begins, if it begins one.
    fn span_for(&self, status: &LinkStatus, now_ms: i64) -> Option<BeginSpan> {
        let was_up = matches!(self.past.open, Some((SpanKind::Up | SpanKind::Down, _)));
        let kind = match status.state {
            LinkState::Connected => SpanKind::Up,
            LinkState::Paused => SpanKind::Paused,
            // A link that has not been up yet, or only waits for its own old socket to close, has not failed.
            LinkState::Connecting if !was_up => return None,
            LinkState::Waiting if !was_up && status.cause.is_none() => return None,
            LinkState::Connecting | LinkState::Waiting | LinkState::Blocked => SpanKind::Down,
            LinkState::Stopped => return None,
        };
        if self.past.open.is_some_and(|(open, _)| open == kind) {
            return None;
        }
        let cause = status.cause.as_ref().filter(|_| kind == SpanKind::Down).map(Cause::view);
        let slept = status.cause.as_ref().is_some_and(|cause| cause.code == CauseCode::Slept);
        // The outage of a dead link began when it was last heard; but sleep is none, and there it begins with the wake.
        let earliest = self.past.open.map_or(i64::MIN, |(_, from_ms)| from_ms);
        let at_ms = if slept { now_ms } else { self.last_heard(status, now_ms).max(earliest) };
        Some(self.span(kind, cause, status.attempt, at_ms))
    }

    /// What a link was sent since then may be missing.
    fn last_heard(&self, status: &LinkStatus, now_ms: i64) -> i64 {
        now_ms.saturating_sub(millis(status.silent_for)).max(self.past.connected_ms).min(now_ms)
    }

    fn span(&self, kind: SpanKind, cause: Option<CauseView>, attempts: u32, at_ms: i64) -> BeginSpan {
        BeginSpan { connection: self.connection.name.clone(), at_ms, kind, cause, attempts }
    }

    fn end_span(&mut self, at_ms: i64) {
        if let Some(last) = self.past.spans.last_mut().filter(|last| last.until_ms.is_none()) {
            last.until_ms = Some(at_ms);
        }
    }

    /// The strip's copy of the day; the store holds the whole history.
    fn begin_span(&mut self, kind: SpanKind, at_ms: i64) {
        self.end_span(at_ms);
        let past = &mut self.past;
        past.spans.retain(|span| span.until_ms.is_none_or(|until_ms| until_ms > at_ms - STRIP_MS));
        // A link that flaps all day must not grow the process: the oldest of its spans leave the strip first.
        if past.spans.len() >= MOST_SPANS {
            past.spans.remove(0);
        }
        past.spans.push(Span { kind, from_ms: at_ms, until_ms: None });
        past.open = Some((kind, at_ms));
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
