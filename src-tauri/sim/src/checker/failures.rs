//! Losses, and how many of them in a row (16, 17, 18, 19, 20, 25).

use std::time::Duration;

use heartwire_core::cause::CauseCode;
use heartwire_core::time::Moment;
use heartwire_core::view::LinkState;

use super::beats::{Socket, Wire};
use super::plan::{Kind, Plan};
use super::{Checker, Rules, Situation};
use crate::trace::{Generation, Why};

/// The shortest uptime after which the delays may begin anew.
const STEADY: Duration = Duration::from_secs(10);
/// Refused credentials and settings that cannot work are tried again no sooner, and some day.
const UNAIDED: (Duration, Duration) = (Duration::from_secs(300), Duration::from_secs(600));
/// A server that restarts is left alone for so long (1012).
const RESTART: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(30));
/// Without a network there is a dial in this time (25).
const OFFLINE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(90));
/// A server that asks for more is not believed.
const LONGEST_ASKED: Duration = Duration::from_secs(24 * 3600);

/// Failures in a row. The promises leave open what proves a peer beyond the answer to a heartbeat, so there is a least
/// and a most.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Failures {
    pub least: u32,
    pub most: u32,
    /// The last delay, likewise.
    pub last_least: Duration,
    pub last_most: Duration,
}

impl Failures {
    fn one_more(&mut self) {
        self.least = self.least.saturating_add(1);
        self.most = self.most.saturating_add(1);
    }
}

impl Rules {
    /// The bound of the delay after so many failures in a row.
    pub(super) fn bound(&self, failures: u32) -> Duration {
        let mut bound = self.first;
        for _ in 1..failures {
            if bound >= self.cap {
                break;
            }
            bound *= 2;
        }
        bound.min(self.cap)
    }

    /// The shortest and the longest delay after so many failures.
    fn delay(&self, failures: u32) -> (Duration, Duration) {
        match (self.fixed, self.spread) {
            (Some(fixed), true) => (fixed.mul_f64(0.9), fixed.mul_f64(1.1)),
            (Some(fixed), false) => (fixed, fixed),
            (None, true) => (Duration::ZERO, self.bound(failures)),
            (None, false) => (self.bound(failures), self.bound(failures)),
        }
    }

    /// What a server that is overloaded asks for: the cap.
    fn longest(&self) -> (Duration, Duration) {
        let longest = self.fixed.unwrap_or_default().max(self.cap);
        (if self.spread { longest.mul_f64(0.9) } else { longest }, longest)
    }
}

impl Checker {
    pub(super) fn dial_failed(&mut self, now: Moment, generation: Generation, why: Why) {
        if self.has(generation, Wire::Dialing) {
            self.socket = None;
            self.was_up = false;
            self.lost(now, why);
        } else {
            self.step.stale = true;
        }
    }

    pub(super) fn closed(&mut self, now: Moment, generation: Generation, why: Why) {
        if self.has(generation, Wire::Closing) {
            self.socket = None;
        } else if self.is_open(generation) {
            self.may_forget_failures(now);
            self.socket = None;
            self.was_up = true;
            self.lost(now, why);
        } else {
            self.step.stale = true;
        }
    }

    pub(super) fn fatal(&mut self, now: Moment, generation: Generation, why: Why) {
        if self.is_open(generation) {
            self.may_forget_failures(now);
            self.was_up = true;
            self.lost(now, why);
            if self.state != LinkState::Blocked {
                self.state = LinkState::Blocked;
                self.plan = Plan::never(19);
            }
        } else {
            self.step.stale = true;
        }
    }

    /// The socket that is about to go may have earned a fresh start (16).
    pub(super) fn may_forget_failures(&mut self, now: Moment) {
        let Some(socket) = &self.socket else { return };
        let uptime = now.since(socket.since);
        self.may_be_proved = may_be_proved(socket, &self.rules);
        let failures = &mut self.failures;
        let proved = socket.round_trip.is_some_and(|at| at < now);
        if proved && uptime >= STEADY.max(failures.last_most) {
            (failures.least, failures.most) = (0, 0);
        } else if may_be_proved(socket, &self.rules) && uptime >= STEADY.max(failures.last_least) {
            failures.least = 0;
        }
    }

    /// There is no socket any more, or there never was.
    pub(super) fn lost(&mut self, now: Moment, why: Why) {
        self.step.lost = true;
        self.step.cause = Some((why.code, 20));
        let may_be_proved = std::mem::take(&mut self.may_be_proved);
        self.resume.failed(why.code, may_be_proved);
        self.burst.forget();
        if why.offline {
            self.attempt = self.attempt.saturating_sub(1);
        } else {
            self.failures.one_more();
            self.offline_wakes.clear();
        }
        self.state = LinkState::Waiting;
        self.plan = self.wait(now, &why);
        let hinted = std::mem::take(&mut self.hinted_dial);
        if let Some(asked) = why.retry_after {
            self.plan.not_before(now, asked.min(LONGEST_ASKED));
        }
        let soonest = self.soonest(now);
        self.plan.latest = self.plan.latest.map(|latest| latest.max(soonest));
        if hinted && self.plan.kind != Kind::Blocked {
            // The dial may have hung on what is no more.
            self.plan.hint(soonest, 24);
        }
        match self.plan.kind {
            Kind::Blocked => self.tally.met(Situation::Blocked),
            Kind::Asked => self.tally.met(Situation::Asked),
            Kind::CloseCode => self.tally.met(Situation::CloseCode),
            Kind::Offline => self.tally.met(Situation::Offline),
            Kind::None | Kind::Backoff => {}
        }
        if self.plan.kind == Kind::Blocked {
            self.state = LinkState::Blocked;
        }
    }

    fn wait(&self, now: Moment, why: &Why) -> Plan {
        match why.code {
            CauseCode::Unauthorized | CauseCode::Configuration => {
                Plan::blocked_until(now + UNAIDED.0, now + UNAIDED.1, 17)
            }
            CauseCode::Closed(1008 | 3500..=3999 | 4500..=4999) => Plan::never(19),
            CauseCode::Closed(1012) => Plan::between(now + RESTART.0, now + RESTART.1, 19).of(Kind::CloseCode),
            CauseCode::Closed(1013) => {
                let (least, most) = self.rules.longest();
                Plan::between(now + least, now + most, 19).of(Kind::CloseCode)
            }
            _ if why.offline => {
                let mut plan = Plan::between(now + OFFLINE.0, now + OFFLINE.1, 25).of(Kind::Offline);
                plan.floor = now;
                plan
            }
            _ => {
                let (least, _) = self.rules.delay(self.failures.least);
                let (_, most) = self.rules.delay(self.failures.most);
                let invariant = if matches!(why.code, CauseCode::Closed(_)) { 20 } else { 16 };
                let mut plan = Plan::between(now + least, now + most, invariant).of(Kind::Backoff);
                plan.floor = now;
                plan
            }
        }
    }
}

fn may_be_proved(socket: &Socket, rules: &Rules) -> bool {
    socket.round_trip.is_some() || socket.spoken_to || !rules.probes
}
