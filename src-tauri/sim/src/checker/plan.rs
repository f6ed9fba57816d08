//! When the next dial must be, may be and must not be (12, 14, 15, 17, 18, 19, 22, 25).

use std::time::Duration;

use heartwire_core::time::Moment;
use heartwire_core::view::LinkState;

use super::{Checker, HINT_LIMIT, SLACK, Verdict, broken};
use crate::trace::Status;

/// A server that asks for a wait is given up to a tenth more, so that its clients do not come all at once.
const SPREAD_OF_ASKED: f64 = 1.1;
/// A delay is a sample of its distribution only where the gap between dials does not show in it.
const TELLING: Duration = Duration::from_secs(5);

/// The next dial.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// Not before this, whoever but the person asks.
    pub floor: Moment,
    /// Not before this, unless somebody asks.
    pub earliest: Moment,
    /// Not after this. None: never, or nothing is planned.
    pub latest: Option<Moment>,
    /// The promise that says so.
    pub invariant: u8,
    /// Somebody asked.
    pub hinted: bool,
    pub kind: Kind,
}

/// Where the wait comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nowhere: a dial is due, or none is planned.
    None,
    /// It is the backoff's own.
    Backoff,
    /// There is no network.
    Offline,
    /// It follows from the close code.
    CloseCode,
    /// The server asked for it by `Retry-After`.
    Asked,
    /// Only the person can help.
    Blocked,
}

impl Default for Plan {
    fn default() -> Self {
        Self::between(Moment::default(), Moment::default(), 12).without_end()
    }
}

impl Plan {
    pub(super) const fn between(earliest: Moment, latest: Moment, invariant: u8) -> Self {
        Self { floor: earliest, earliest, latest: Some(latest), invariant, hinted: false, kind: Kind::None }
    }

    /// As soon as the gap between dials allows.
    pub(super) fn at_once(soonest: Moment, invariant: u8) -> Self {
        let mut plan = Self::between(soonest, soonest + HINT_LIMIT, invariant);
        plan.hinted = true;
        plan
    }

    pub(super) const fn blocked_until(earliest: Moment, latest: Moment, invariant: u8) -> Self {
        let mut plan = Self::between(earliest, latest, invariant);
        plan.kind = Kind::Blocked;
        plan
    }

    /// Not without the person.
    pub(super) fn never(invariant: u8) -> Self {
        let never = Moment::new(Duration::MAX);
        Self::blocked_until(never, never, invariant).without_end()
    }

    pub(super) const fn of(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    const fn without_end(mut self) -> Self {
        self.latest = None;
        self
    }

    /// The server asked for a wait.
    pub(super) fn not_before(&mut self, now: Moment, asked: Duration) {
        if self.latest.is_none() && self.kind != Kind::Blocked {
            return;
        }
        if self.kind != Kind::Blocked {
            self.kind = Kind::Asked;
        }
        let floor = now + asked;
        if floor > self.floor {
            (self.floor, self.invariant) = (floor, 18);
        }
        self.earliest = self.earliest.max(floor);
        self.latest = self.latest.map(|latest| latest.max(now + asked.mul_f64(SPREAD_OF_ASKED)));
    }

    pub(super) fn hint(&mut self, soonest: Moment, invariant: u8) {
        self.hinted = true;
        if self.kind == Kind::CloseCode {
            // The server asked for a time at random: nobody says whether a hint may shorten it to the least.
            return;
        }
        let by = self.floor.max(soonest) + HINT_LIMIT;
        if self.latest.is_some_and(|latest| by <= latest) {
            self.latest = Some(by);
            if self.floor <= soonest {
                self.invariant = invariant;
            }
        }
    }

    pub(super) fn slept(&mut self, now: Moment) {
        self.latest = self.latest.map(|latest| latest.max(now + HINT_LIMIT));
    }
}

/// What asks for a dial comes in crowds: a wake, a new network and an impatient person in one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Burst {
    at: Option<Moment>,
    triggers: u32,
    dials: u32,
}

impl Burst {
    pub(super) fn pulled(&mut self, now: Moment) {
        if self.at == Some(now) {
            self.triggers += 1;
        } else {
            *self = Self { at: Some(now), triggers: 1, dials: 0 };
        }
    }

    pub(super) const fn is_crowd(&self) -> bool {
        self.triggers == 2
    }

    /// Another dial has a reason of its own.
    pub(super) fn forget(&mut self) {
        self.at = None;
    }

    pub(super) fn dialled(&mut self, now: Moment) -> Verdict {
        let Some(at) = self.at else { return Ok(()) };
        if now.since(at) > HINT_LIMIT {
            return Ok(());
        }
        self.dials += 1;
        if self.dials > 1 {
            return broken(22, format!("{} requests at once, {} dials", self.triggers, self.dials));
        }
        Ok(())
    }
}

impl Checker {
    pub(super) fn check_plan(&self, now: Moment) -> Verdict {
        if self.socket.is_some() || !matches!(self.state, LinkState::Waiting | LinkState::Blocked) {
            return Ok(());
        }
        match self.plan.latest {
            Some(latest) if now > latest + SLACK => {
                let invariant = if matches!(self.plan.invariant, 16 | 20) { 12 } else { self.plan.invariant };
                broken(invariant, format!("no dial {:?} after it was due", now.since(latest)))
            }
            _ => Ok(()),
        }
    }

    /// The link tells when it will dial: a promise to the person, and to be kept.
    pub(super) fn shows(&mut self, now: Moment, status: Status) -> Verdict {
        if self.shown == Some(status) && status.state == LinkState::Blocked {
            return broken(17, "the person is told twice that the link is blocked");
        }
        self.shown = Some(status);
        if status.state != self.state {
            // The step may bring more; it is judged at its end.
            return Ok(());
        }
        if let (Some((wanted, invariant)), Some(told)) = (self.step.cause, status.cause)
            && wanted != told
        {
            return broken(invariant, format!("the person is told {told} instead of {wanted}"));
        }
        match (status.state, status.retry_at) {
            (LinkState::Waiting, None) => broken(12, "it waits for nothing"),
            (LinkState::Waiting | LinkState::Blocked, Some(at)) => self.announced(now, at),
            (LinkState::Connected, _) if !self.is_open(status.generation) => {
                broken(11, format!("it shows socket {} as connected, which is not", status.generation))
            }
            _ => Ok(()),
        }
    }

    fn announced(&mut self, now: Moment, at: Moment) -> Verdict {
        let plan = self.plan;
        let Some(latest) = plan.latest else {
            return broken(plan.invariant, "it plans a dial that only the person may ask for");
        };
        // A closing socket may hold the dial up, but not what is announced.
        if at > latest {
            return broken(
                plan.invariant,
                format!("it plans a dial in {:?}, {:?} too late", at.since(now), at.since(latest)),
            );
        }
        let earliest = if plan.hinted { plan.floor } else { plan.earliest };
        if at < earliest {
            return broken(
                plan.invariant,
                format!("it plans a dial in {:?}, {:?} too early", at.since(now), earliest.since(at)),
            );
        }
        if self.step.lost {
            self.drawn(now, at)?;
            self.step.lost = false;
        }
        self.plan.earliest = at;
        // A hint may have set an earlier end.
        self.plan.latest = Some(latest.min(at.max(self.soonest(now))));
        Ok(())
    }

    /// The wait after a loss was drawn.
    fn drawn(&mut self, now: Moment, at: Moment) -> Verdict {
        let delay = at.since(now);
        let failures = &mut self.failures;
        if self.plan.kind == Kind::Offline {
            // Whether a wait for a network is a delay in this sense is left open.
            failures.last_least = failures.last_least.min(delay);
            failures.last_most = failures.last_most.max(delay);
        } else if self.state == LinkState::Waiting {
            (failures.last_least, failures.last_most) = (delay, delay);
        }
        let (least, most) = (failures.least, failures.most);
        let gap = self.soonest(now);
        if self.plan.hinted || self.plan.kind != Kind::Backoff || gap > now || self.rules.fixed.is_some() {
            return Ok(());
        }
        if !self.rules.spread {
            let known = (least..=most).any(|failures| self.rules.bound(failures) == delay);
            return if known {
                Ok(())
            } else {
                broken(16, format!("a delay of {delay:?} after {least} to {most} failures"))
            };
        }
        if least != most {
            return Ok(());
        }
        let bound = self.rules.bound(most);
        if bound < TELLING {
            return Ok(());
        }
        let part = delay.as_secs_f64() / bound.as_secs_f64();
        if self.was_up {
            self.tally.after_short_lives.add(part);
        }
        if bound == self.rules.cap { self.tally.at_the_cap(part) } else { Ok(()) }
    }

    pub(super) fn dials(&mut self, now: Moment, generation: u64) -> Verdict {
        self.tally.dials += 1;
        if let Some(socket) = &self.socket {
            return broken(11, format!("a dial while socket {} is {:?}", socket.generation, socket.wire));
        }
        if generation <= self.generation {
            return broken(11, format!("socket {generation} again"));
        }
        if let Some(last) = self.last_dial
            && now.since(last) < super::DIAL_GAP
        {
            return broken(15, format!("a dial {:?} after the last", now.since(last)));
        }
        self.check_dial(now)?;
        self.burst.dialled(now)?;
        self.generation = generation;
        self.last_dial = Some(now);
        self.attempt += 1;
        self.resume.dialled();
        self.hinted_dial = false;
        self.state = LinkState::Connecting;
        self.socket = Some(super::Socket::dialing(generation, now, &self.rules));
        Ok(())
    }

    fn check_dial(&self, now: Moment) -> Verdict {
        let plan = &self.plan;
        match self.state {
            LinkState::Stopped | LinkState::Paused => broken(30, "a dial although the person said no"),
            LinkState::Connecting | LinkState::Connected => broken(11, "a dial although a socket is there"),
            LinkState::Waiting | LinkState::Blocked if now < plan.floor => {
                broken(plan.invariant, format!("a dial {:?} too early", plan.floor.since(now)))
            }
            LinkState::Waiting | LinkState::Blocked if !plan.hinted && now < plan.earliest => {
                broken(plan.invariant, format!("a dial {:?} before it was announced", plan.earliest.since(now)))
            }
            LinkState::Waiting | LinkState::Blocked => Ok(()),
        }
    }
}
