//! What people and listeners see of a link.

use std::time::Duration;

use heartwire_core::cause::Cause;
use heartwire_core::link::LinkStatus;
use heartwire_core::listen::Event;
use heartwire_core::settings::shown_url;
use heartwire_core::view::{ConnectionView, LinkState, SpanKind, Strip};

use super::{LinkRecord, millis, timestamp};

impl LinkRecord {
    pub fn view(&self, now_ms: i64) -> ConnectionView {
        let status = self.status.as_ref();
        let down_since_ms = match (self.past.open, self.state) {
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
            secret: self.credentials.view(),
            cause: status.and_then(|status| status.cause.as_ref()).map(Cause::view),
            down_since_ms,
            retry_at_ms: self.retry_at_ms,
            attempt: status.map_or(0, |status| status.attempt),
            heartbeat: self.heartbeat,
            last_message: self.past.last_message.clone(),
            strip: Strip::from_spans(&self.past.spans, now_ms),
        }
    }

    pub(super) fn state_event(&self, status: &LinkStatus, retry_in: Option<Duration>, now_ms: i64) -> Event {
        Event::State {
            at: timestamp(now_ms),
            connection: self.connection.name.clone(),
            state: status.state,
            attempt: match status.state {
                LinkState::Connecting => Some(status.attempt),
                // The retry that is waited for is at least the first.
                LinkState::Waiting => Some(status.attempt.max(1)),
                LinkState::Connected | LinkState::Blocked | LinkState::Paused | LinkState::Stopped => None,
            },
            retry_in_ms: retry_in
                .filter(|_| status.state == LinkState::Waiting)
                .map(|wait| millis(wait).unsigned_abs()),
            cause: match status.state {
                LinkState::Waiting | LinkState::Blocked => status.cause.as_ref().map(Cause::view),
                _ => None,
            },
        }
    }
}
