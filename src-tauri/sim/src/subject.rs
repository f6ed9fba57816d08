//! The link under test, spoken to in the words of [`crate::trace`]. The only file that knows how a link is spoken to.

use heartwire_core::cause::Cause;
use heartwire_core::link::{
    Frame, Generation, HeartbeatKind, Input, Jitter, Link, LinkSettings, LinkStatus, Output, Path, ResumeData, SendId,
};
use heartwire_core::time::Moment;

use std::time::Duration;

use crate::checker::{Bounds, Rules};
use crate::trace::{Said, Status, Told, Why};

/// A real link.
#[derive(Clone, Debug)]
pub struct Subject {
    link: Link,
}

impl Subject {
    /// A stopped link.
    pub fn new(settings: LinkSettings, seed: u64) -> Self {
        Self { link: Link::new(settings, seed) }
    }

    /// Tells it.
    pub fn told(&mut self, now: Moment, told: &Told) {
        let input = match *told {
            Told::Start => Input::Start,
            Told::Pause => Input::Pause,
            Told::Stop => Input::Stop,
            Told::Reconnect => Input::Reconnect,
            Told::Resumed(slept) => Input::Resumed(slept),
            Told::NetworkChanged(moved) => Input::NetworkChanged(if moved { Path::Moved } else { Path::Same }),
            Told::CredentialsChanged => Input::CredentialsChanged,
            Told::DialOk(generation) => Input::DialOk(Generation(generation)),
            Told::DialFailed(generation, why) => Input::DialFailed(Generation(generation), cause(&why)),
            Told::Bytes(generation) => Input::Bytes(Generation(generation)),
            Told::Answered(generation) => Input::HeartbeatAnswered(Generation(generation)),
            Told::Send(id) => Input::Send(SendId(id), "text".to_owned()),
            Told::ResumeFrom(length) => Input::ResumeFrom(Some(ResumeData("r".repeat(length)))),
            Told::ReadingPaused(generation) => Input::ReadingPaused(Generation(generation)),
            Told::ReadingResumed(generation) => Input::ReadingResumed(Generation(generation)),
            Told::Fatal(generation, why) => Input::Fatal(Generation(generation), cause(&why)),
            Told::Closed(generation, why) => Input::Closed(Generation(generation), cause(&why)),
            Told::Timeout => Input::Timeout,
        };
        self.link.handle(now, input);
    }

    /// What it says next.
    pub fn said(&mut self) -> Option<Said> {
        Some(match self.link.poll_output()? {
            Output::Dial(generation) => Said::Dial(generation.0),
            Output::Send(generation, Frame::Text(_), Some(id)) => Said::Text(generation.0, id.0),
            Output::Send(generation, Frame::Text(_) | Frame::Ping(_) | Frame::Heartbeat, _) => Said::Beat(generation.0),
            Output::Close(generation, code) => Said::Close(generation.0, code),
            Output::Abort(generation) => Said::Abort(generation.0),
            Output::Status(status) => Said::Status(shown(&status)),
            Output::RoundTrip(time) => Said::RoundTrip(time),
            Output::SendRefused(id, _) => Said::Refused(id.0),
            Output::ResumeDropped(data) => Said::ResumeDropped(data.0.len()),
        })
    }

    /// When it wants to be woken.
    pub fn wake(&self) -> Option<Moment> {
        self.link.poll_timeout()
    }
}

/// What the promises speak of.
pub fn rules(settings: &LinkSettings) -> Rules {
    let (heartbeat, backoff) = (&settings.heartbeat, &settings.backoff);
    Rules {
        every: heartbeat.every,
        timeout: heartbeat.timeout,
        probes: heartbeat.kind != HeartbeatKind::None,
        always: heartbeat.always,
        first: backoff.first,
        cap: backoff.cap,
        fixed: backoff.fixed,
        spread: backoff.jitter == Jitter::Full,
        connect_timeout: settings.connect_timeout,
        texts: Bounds { count: 64, age: Duration::from_secs(20) },
    }
}

fn cause(why: &Why) -> Cause {
    Cause { retry_after: why.retry_after, offline: why.offline, ..Cause::new(why.code, "") }
}

fn shown(status: &LinkStatus) -> Status {
    Status {
        state: status.state,
        generation: status.generation.0,
        attempt: status.attempt,
        retry_at: status.retry_at,
        cause: status.cause.as_ref().map(|cause| cause.code),
    }
}
