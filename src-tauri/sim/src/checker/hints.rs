//! What the person and the environment want of a link (12, 17, 22, 23, 24, 25, 30).

use std::time::Duration;

use heartwire_core::time::Moment;
use heartwire_core::view::LinkState;

use super::failures::Failures;
use super::plan::{Kind, Plan};
use super::{Checker, DIAL_GAP, RESUME_PROBE, Situation, Verdict, broken};

impl Checker {
    pub(super) fn started(&mut self, now: Moment) {
        if matches!(self.state, LinkState::Stopped | LinkState::Paused) {
            self.state = LinkState::Waiting;
            self.failures = Failures::default();
            self.attempt = 0;
            self.plan = Plan::at_once(self.soonest(now), 12);
            self.burst.forget();
        }
    }

    pub(super) fn left(&mut self, state: LinkState) {
        self.state = state;
        self.attempt = 0;
        self.plan = Plan::default();
        self.burst.forget();
    }

    pub(super) fn reconnect(&mut self, now: Moment) {
        self.pulled(now);
        match self.state {
            LinkState::Waiting | LinkState::Blocked => {
                self.state = LinkState::Waiting;
                self.plan = Plan::at_once(self.soonest(now), 12);
            }
            LinkState::Connected => {
                // The person ends it, not the server: whether it has earned a fresh start is left open.
                self.failures.least = 0;
                self.state = LinkState::Waiting;
                self.plan = Plan::at_once(self.soonest(now), 12);
            }
            LinkState::Stopped | LinkState::Paused | LinkState::Connecting => {}
        }
    }

    pub(super) fn resumed(&mut self, now: Moment, slept: Duration) {
        self.pulled(now);
        self.offline_wakes.clear();
        if slept.is_zero() {
            // It is said to have woken, but no time is missing.
            return self.hint(now, 23);
        }
        self.plan.slept(now);
        let every_and_timeout = self.rules.every + self.rules.timeout;
        let probes = self.rules.probes;
        let Some(socket) = &mut self.socket else { return self.hint(now, 23) };
        socket.slept(now);
        match self.state {
            LinkState::Connected if slept > every_and_timeout => self.step.must_drop = Some(23),
            LinkState::Connected if probes && socket.reading => {
                self.step.must_probe = true;
                // Silence from before the sleep proves nothing; from now on a short one does.
                socket.first_beat = None;
                socket.resumed = true;
                socket.dead_by = now + RESUME_PROBE;
            }
            LinkState::Waiting => self.hint(now, 23),
            LinkState::Connected
            | LinkState::Connecting
            | LinkState::Blocked
            | LinkState::Paused
            | LinkState::Stopped => {}
        }
    }

    pub(super) fn network_changed(&mut self, now: Moment, moved: bool) {
        self.pulled(now);
        self.offline_wakes.clear();
        match self.state {
            LinkState::Connected if moved => self.step.must_drop = Some(24),
            LinkState::Waiting => self.hint(now, 24),
            LinkState::Connected
            | LinkState::Connecting
            | LinkState::Blocked
            | LinkState::Paused
            | LinkState::Stopped => {}
        }
    }

    pub(super) fn credentials_changed(&mut self, now: Moment) {
        self.burst.forget();
        match self.state {
            LinkState::Blocked => {
                self.state = LinkState::Waiting;
                self.plan = Plan::at_once(self.soonest(now), 17);
            }
            LinkState::Connecting => self.step.must_drop = Some(17),
            LinkState::Waiting => self.plan.hinted = true,
            LinkState::Connected | LinkState::Paused | LinkState::Stopped => {}
        }
    }

    fn pulled(&mut self, now: Moment) {
        self.burst.pulled(now);
        self.hinted_dial |= self.state == LinkState::Connecting;
        if self.burst.is_crowd() {
            self.tally.met(Situation::Crowd);
        }
    }

    /// Woken by its own timer: while there is no network, at most 60 times an hour (25).
    pub(super) fn woken(&mut self, now: Moment) -> Verdict {
        if self.plan.kind != Kind::Offline {
            return Ok(());
        }
        self.offline_wakes.push_back(now);
        if self.offline_wakes.len() <= 60 {
            return Ok(());
        }
        match self.offline_wakes.pop_front() {
            Some(first) if now.since(first) < Duration::from_secs(3600) => {
                broken(25, format!("woken 61 times within {:?} without a network", now.since(first)))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn hint(&mut self, now: Moment, invariant: u8) {
        if self.state == LinkState::Waiting {
            let soonest = self.soonest(now);
            self.plan.hint(soonest, invariant);
        }
    }

    pub(super) fn soonest(&self, now: Moment) -> Moment {
        self.last_dial.map_or(now, |last| last + DIAL_GAP).max(now)
    }
}
