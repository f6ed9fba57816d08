//! How a link gets from one state to another: the one way to lose a socket, the one way to dial, the one way to tell.

use std::mem;
use std::time::Duration;

use super::{CONNECT_GRACE, Closing, DIAL_GAP, Link, Phase};
use crate::cause::Cause;
use crate::link::backoff::Wait;
use crate::link::{Generation, HeartbeatKind, LinkStatus, NotSent, Output, Verdict};
use crate::time::Moment;
use crate::view::LinkState;

/// The shortest uptime after which the backoff may start anew.
const STEADY: Duration = Duration::from_secs(10);

impl Link {
    /// The socket of this generation is gone, or never came to be.
    pub(super) fn lost(&mut self, now: Moment, cause: Cause) {
        self.settle(now, Verdict::of(&cause), cause);
    }

    /// Draws the wait, once, and tells why.
    pub(super) fn settle(&mut self, now: Moment, verdict: Verdict, cause: Cause) {
        self.judge(now);
        self.outputs.extend(self.resume.failed(cause.code).map(Output::ResumeDropped));
        if cause.offline {
            // The server had no part in this: it counts neither as an attempt nor as a failure.
            self.attempt = self.attempt.saturating_sub(1);
        } else {
            self.failures = self.failures.saturating_add(1);
        }
        let (soonest, backoff) = (self.soonest(now), &self.settings.backoff);
        let least = soonest.since(now);
        let wait = Wait::draw(verdict, cause.retry_after, backoff, self.failures, least, &mut self.rng);
        let cause_offline = cause.offline;
        let hinted = matches!(self.phase, Phase::Dialing { hinted: true, .. });
        self.status.cause = Some(cause);
        let until = wait.map(|wait| (now + wait.delay).max(soonest));
        match (verdict, wait, until) {
            (
                Verdict::Retry | Verdict::LookBetween(..) | Verdict::WaitBetween(..) | Verdict::WaitCap,
                Some(wait),
                Some(until),
            ) => {
                self.phase = Phase::Waiting { until, floor: now + wait.floor };
                if hinted {
                    self.hasten(now);
                }
                if let (Phase::Waiting { until, .. }, false) = (&self.phase, cause_offline) {
                    self.last_delay = until.since(now);
                }
                self.announce_wait();
            }
            (_, _, until) => {
                self.phase = Phase::Blocked { until };
                self.refuse_queued();
                self.announce(LinkState::Blocked, until, self.status.cause.clone());
            }
        }
    }

    /// What the socket that is up has shown before it goes.
    pub(super) fn judge(&mut self, now: Moment) {
        if let Phase::Up(vitals) = &self.phase
            && vitals.proved(now, &self.heartbeat)
        {
            // Where only silence is watched there is no other proof than time.
            if self.heartbeat.kind != HeartbeatKind::None || vitals.uptime(now) >= STEADY {
                self.resume.accepted();
            }
            if vitals.uptime(now) >= STEADY.max(self.last_delay) {
                self.failures = 0;
            }
        }
    }

    /// Gives the socket up for a reason of this computer's. The server did not fail, so it is dialled at once.
    pub(super) fn replace(&mut self, now: Moment, cause: Cause) {
        self.judge(now);
        if let Phase::Up(vitals) = &self.phase {
            self.silent_for = vitals.silence(now);
        }
        self.outputs.push_back(Output::Abort(self.generation));
        self.status.cause = Some(cause);
        self.phase = Phase::Waiting { until: self.soonest(now), floor: now };
        self.announce_wait();
    }

    /// Gives up a dial that cannot come to anything any more, for another.
    pub(super) fn redial(&mut self, now: Moment) {
        self.outputs.push_back(Output::Abort(self.generation));
        self.dial_soon(now);
    }

    /// Waiting may be pointless now.
    pub(super) fn hint(&mut self, now: Moment) {
        if let Phase::Dialing { hinted, .. } = &mut self.phase {
            *hinted = true;
        }
        if self.hasten(now) {
            self.announce_wait();
        }
    }

    /// Brings the next dial as near as the server's own wish and the gap between dials allow. False: it is that near.
    fn hasten(&mut self, now: Moment) -> bool {
        let soonest = self.soonest(now);
        let Phase::Waiting { until, floor } = &mut self.phase else { return false };
        let soonest = soonest.max(*floor);
        let is_sooner = soonest < *until;
        *until = soonest.min(*until);
        is_sooner
    }

    /// Nobody knows when there will be a socket: those who wait for one are told.
    pub(super) fn refuse_queued(&mut self) {
        while let Some((id, _)) = self.queue.pop() {
            self.outputs.push_back(Output::SendRefused(id, NotSent::NotConnected));
        }
    }

    /// Closes whatever is open: a socket politely, a dial at once.
    pub(super) fn let_go(&mut self, now: Moment, code: u16, limit: Duration) {
        match self.phase {
            Phase::Up(_) => {
                self.outputs.push_back(Output::Close(self.generation, code));
                self.closing = Some(Closing { generation: self.generation, until: now + limit });
            }
            Phase::Dialing { .. } => self.outputs.push_back(Output::Abort(self.generation)),
            Phase::Stopped | Phase::Paused | Phase::Waiting { .. } | Phase::Blocked { .. } => {}
        }
    }

    /// Dials at once, or as soon as the gap since the last dial and the closing of the old socket allow.
    pub(super) fn dial_soon(&mut self, now: Moment) {
        let until = self.soonest(now);
        self.phase = Phase::Waiting { until, floor: now };
        if until > now || self.closing.is_some() {
            self.announce_wait();
        }
    }

    pub(super) fn soonest(&self, now: Moment) -> Moment {
        self.last_dial.map_or(now, |last| last + DIAL_GAP).max(now)
    }

    /// The only place where a generation begins.
    pub(super) fn dial(&mut self, now: Moment) {
        self.generation = Generation(self.generation.0 + 1);
        self.attempt = self.attempt.saturating_add(1);
        self.last_dial = Some(now);
        let deadline = now + self.settings.connect_timeout + CONNECT_GRACE;
        self.phase = Phase::Dialing { deadline, unread_since: None, hinted: false };
        self.resume.dialled();
        self.heartbeat.clone_from(&self.settings.heartbeat);
        self.outputs.push_back(Output::Dial(self.generation));
        let cause = self.status.cause.clone();
        self.announce(LinkState::Connecting, None, cause);
    }

    pub(super) fn announce_wait(&mut self) {
        if let Phase::Waiting { until, .. } = self.phase {
            let cause = self.status.cause.clone();
            self.announce(LinkState::Waiting, Some(until), cause);
        }
    }

    pub(super) fn announce(&mut self, state: LinkState, retry_at: Option<Moment>, cause: Option<Cause>) {
        let silent_for = mem::take(&mut self.silent_for);
        let (generation, attempt) = (self.generation, self.attempt);
        let status = LinkStatus { state, generation, attempt, retry_at, cause, silent_for };
        if mem::replace(&mut self.status, status) != self.status {
            self.outputs.push_back(Output::Status(self.status.clone()));
        }
    }
}
