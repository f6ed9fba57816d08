//! When to probe, and when silence means dead.

use std::time::Duration;

use super::Frame;
use crate::time::Moment;

/// How a link is proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// What is sent.
    pub kind: HeartbeatKind,
    /// Idle time before a heartbeat; for `None` the silence that is still normal.
    pub every: Duration,
    /// Silence after the heartbeat that means dead.
    pub timeout: Duration,
    /// Also send one at least once every `every` of local idleness, whatever arrives.
    pub always: bool,
}

/// No time of a heartbeat or a dial is shorter.
pub(super) const SHORTEST: Duration = Duration::from_millis(1);

impl Heartbeat {
    /// Without times of zero.
    pub(super) fn at_least(self) -> Self {
        Self { every: self.every.max(SHORTEST), timeout: self.timeout.max(SHORTEST), ..self }
    }
}

/// What a heartbeat is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeartbeatKind {
    /// A text frame with this payload.
    Text(String),
    /// A ping frame (RFC 6455, section 5.5.2).
    Ping,
    /// A frame of the dialect's own.
    Own,
    /// Nothing: only silence is watched. Dead after `every` + `timeout` without a byte.
    None,
}

/// What a deadline of a connected link asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// A heartbeat.
    Beat,
    /// The end: the peer was silent for too long.
    Dead,
}

/// The clocks of one socket. They are made with it and go with it, so that no timer and no pending heartbeat can
/// outlive it. What we hear and what we say have separate clocks: traffic from the peer never excuses our silence.
#[derive(Clone, Debug)]
pub(super) struct Vitals {
    since: Moment,
    heard: Moment,
    spoke: Moment,
    /// The heartbeat after which nothing has been heard yet.
    probe: Option<Probe>,
    /// Silence before this proves nothing: this computer was asleep.
    excused: Moment,
    /// When the heartbeat was sent whose answer has not been recognised yet.
    unanswered: Option<Moment>,
    beats: u64,
    /// Since when the peer is known to do more than accept.
    proved: Option<Moment>,
    reading: bool,
}

#[derive(Clone, Copy, Debug)]
struct Probe {
    sent: Moment,
    /// Silence after it that means dead.
    limit: Duration,
}

impl Vitals {
    pub(super) fn new(now: Moment) -> Self {
        Self {
            since: now,
            heard: now,
            spoke: now,
            probe: None,
            excused: Moment::default(),
            unanswered: None,
            beats: 0,
            proved: None,
            reading: true,
        }
    }

    /// The next deadline.
    pub(super) fn next(&self, heartbeat: &Heartbeat) -> Option<(Moment, Due)> {
        if heartbeat.kind == HeartbeatKind::None {
            let dead = (self.heard + heartbeat.every + heartbeat.timeout).max(self.excused);
            return self.reading.then_some((dead, Due::Dead));
        }
        let keepalive = (self.spoke + heartbeat.every, Due::Beat);
        if !self.reading {
            // The peer cannot be judged while we do not read, but it may judge us.
            return Some(keepalive);
        }
        let watch = match self.probe {
            Some(probe) => (probe.sent + probe.limit, Due::Dead),
            None => (self.heard + heartbeat.every, Due::Beat),
        };
        Some(if heartbeat.always && keepalive.0 < watch.0 { keepalive } else { watch })
    }

    /// Bytes came: whatever they are, they are life.
    pub(super) fn heard(&mut self, now: Moment, heartbeat: &Heartbeat) {
        self.heard = now;
        self.probe = None;
        if self.beats > 0 || now.since(self.since) >= heartbeat.every {
            self.proved.get_or_insert(now);
        }
    }

    /// We sent a frame that is no heartbeat.
    pub(super) fn spoke(&mut self, now: Moment) {
        self.spoke = now;
    }

    /// Sends a heartbeat. It is a probe if the peer has been silent for so long that an answer is due.
    pub(super) fn beat(&mut self, now: Moment, heartbeat: &Heartbeat) -> Option<Frame> {
        self.spoke = now;
        self.beats += 1;
        if self.reading && self.probe.is_none() && self.heard + heartbeat.every <= now {
            self.probe = Some(Probe { sent: now, limit: heartbeat.timeout });
        }
        self.count_round_trip(now, heartbeat);
        match &heartbeat.kind {
            HeartbeatKind::Text(text) => Some(Frame::Text(text.clone())),
            HeartbeatKind::Ping => Some(Frame::Ping(self.beats.to_be_bytes().to_vec())),
            HeartbeatKind::Own => Some(Frame::Heartbeat),
            HeartbeatKind::None => None,
        }
    }

    /// Sends a heartbeat before its time and expects an answer to it, unless one is expected already.
    pub(super) fn probe_now(&mut self, now: Moment, heartbeat: &Heartbeat) -> Option<Frame> {
        if heartbeat.kind == HeartbeatKind::None || self.probe.is_some() || !self.reading {
            return None;
        }
        self.probe = Some(Probe { sent: now, limit: heartbeat.timeout });
        self.beat(now, heartbeat)
    }

    /// After a sleep: what was expected before it may have come and gone, so a new answer is expected, soon.
    pub(super) fn probe_after_sleep(&mut self, now: Moment, limit: Duration, heartbeat: &Heartbeat) -> Option<Frame> {
        let limit = limit.min(heartbeat.timeout);
        self.excused = now + limit;
        if heartbeat.kind == HeartbeatKind::None || !self.reading {
            return None;
        }
        self.probe = Some(Probe { sent: now, limit });
        self.beat(now, heartbeat)
    }

    /// How long an answer was waited for, if one is expected.
    pub(super) fn limit(&self) -> Option<Duration> {
        self.probe.map(|probe| probe.limit)
    }

    /// The answer to a heartbeat was recognised: how long it took.
    pub(super) fn answered(&mut self, now: Moment) -> Option<Duration> {
        let sent = self.unanswered.take()?;
        // This is proof even in the moment of the end.
        self.proved = Some(sent);
        Some(now.since(sent))
    }

    pub(super) fn reading_paused(&mut self) {
        self.reading = false;
    }

    pub(super) fn reading_resumed(&mut self, now: Moment) {
        if !self.reading {
            self.reading = true;
            self.heard = now;
            self.probe = None;
        }
    }

    /// How long nothing has been heard.
    pub(super) fn silence(&self, now: Moment) -> Duration {
        now.since(self.heard)
    }

    /// How long the socket has been up.
    pub(super) fn uptime(&self, now: Moment) -> Duration {
        now.since(self.since)
    }

    /// Whether the peer has shown that it does more than accept: it answered a heartbeat, or spoke after a time in
    /// which one would have been sent. What comes in the moment of the end does not count: it may be nothing but the
    /// peer's close.
    pub(super) fn proved(&self, now: Moment, heartbeat: &Heartbeat) -> bool {
        self.proved.is_some_and(|since| since < now) || heartbeat.kind == HeartbeatKind::None
    }

    /// A text answer names no heartbeat, so it is taken for the answer to the oldest one it can belong to; a pong names
    /// its ping, and only the newest is asked for.
    fn count_round_trip(&mut self, now: Moment, heartbeat: &Heartbeat) {
        let still_expected = self.unanswered.is_some_and(|sent| now.since(sent) <= heartbeat.timeout);
        if heartbeat.kind == HeartbeatKind::Ping || !still_expected {
            self.unanswered = Some(now);
        }
    }
}
