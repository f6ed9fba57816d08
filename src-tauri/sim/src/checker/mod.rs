//! The judge of a link. It hears what the link was told and what it said, keeps its own books, and objects as soon as one
//! of the numbered promises is broken. It shares no calculation with the link: every bound is written here once more, from
//! the promises.
//!
//! Promises that are not a link's own to keep are not judged here: the socket's (2, 3's descriptor, 9, 28, 29's memory),
//! the dialect's (7), and the wall clock's (26), of which a link is never told.

mod beats;
mod failures;
mod hints;
mod outputs;
mod plan;
mod resume;
mod tally;
#[cfg(test)]
mod tests;
mod texts;

use std::collections::VecDeque;
use std::time::Duration;

use heartwire_core::cause::CauseCode;
use heartwire_core::time::Moment;
use heartwire_core::view::LinkState;

use crate::trace::{Generation, Said, Status, Told};
use beats::Socket;
use failures::Failures;
use plan::{Burst, Plan};
use resume::Resume;
pub use tally::{Situation, Spread, Tally};
pub use texts::Bounds;
use texts::Texts;

/// How late a deadline may be met: a computer is not exact.
const SLACK: Duration = Duration::from_millis(50);
/// Two dials of a link are at least this far apart (15).
const DIAL_GAP: Duration = Duration::from_millis(250);
/// A closing handshake takes at most this long (4, 30).
const CLOSE_LIMIT: Duration = Duration::from_secs(1);
/// After a hint the dial starts within this (23).
const HINT_LIMIT: Duration = Duration::from_secs(1);
/// After a sleep the peer answers within this, or it is dead (23).
const RESUME_PROBE: Duration = Duration::from_secs(2);

/// What a link was set to, as far as the promises speak of it.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// N: silence before a heartbeat.
    pub every: Duration,
    /// M: silence after it.
    pub timeout: Duration,
    /// Whether heartbeats are sent at all.
    pub probes: bool,
    /// Whether the server needs to hear us every N.
    pub always: bool,
    /// The bound of the first delay.
    pub first: Duration,
    /// The bound of all delays.
    pub cap: Duration,
    /// This delay instead.
    pub fixed: Option<Duration>,
    /// Whether delays are drawn at random.
    pub spread: bool,
    /// DNS to upgrade.
    pub connect_timeout: Duration,
    /// What of the person's texts is kept while there is no socket.
    pub texts: Bounds,
}

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Its number.
    pub invariant: u8,
    /// What was seen.
    pub seen: String,
}

/// Fine, or not.
pub type Verdict = Result<(), Violation>;

fn broken<T>(invariant: u8, seen: impl Into<String>) -> Result<T, Violation> {
    Err(Violation { invariant, seen: seen.into() })
}

/// The books of one link.
#[derive(Clone, Debug)]
pub struct Checker {
    rules: Rules,
    /// The state the link must be in, by our own account.
    state: LinkState,
    socket: Option<Socket>,
    /// When the socket that is up was sent heartbeats.
    beats: VecDeque<Moment>,
    generation: Generation,
    plan: Plan,
    failures: Failures,
    attempt: u32,
    /// The socket that was lost last had been up.
    was_up: bool,
    /// The socket that is going may have shown that its server does more than accept.
    may_be_proved: bool,
    last_dial: Option<Moment>,
    shown: Option<Status>,
    burst: Burst,
    /// Something that a wait would have been cut short for happened during this dial.
    hinted_dial: bool,
    texts: Texts,
    resume: Resume,
    /// When the link was woken by its own timers since this computer has no network.
    offline_wakes: VecDeque<Moment>,
    step: Step,
    /// What was counted.
    pub tally: Tally,
}

/// What one step must bring.
#[derive(Clone, Copy, Debug)]
struct Step {
    told: Told,
    /// It spoke of a socket that is not there.
    stale: bool,
    /// The socket must be dropped, by this promise.
    must_drop: Option<u8>,
    /// A heartbeat must be sent (23).
    must_probe: bool,
    /// The socket was lost: the wait that is announced is to be judged.
    lost: bool,
    /// Why the socket is gone, as the person is to be told, and the promise that says so.
    cause: Option<(CauseCode, u8)>,
}

impl Step {
    const fn of(told: Told) -> Self {
        Self { told, stale: false, must_drop: None, must_probe: false, lost: false, cause: None }
    }

    /// The promise that is broken when the link is in a wrong state after this.
    const fn blame(&self) -> u8 {
        match self.told {
            _ if self.stale => 11,
            Told::Closed(..) => 20,
            Told::Fatal(..) => 19,
            Told::Pause | Told::Stop => 30,
            Told::Resumed(_) => 23,
            Told::NetworkChanged(_) => 24,
            Told::CredentialsChanged => 17,
            Told::DialOk(_) => 11,
            Told::Start
            | Told::Reconnect
            | Told::DialFailed(..)
            | Told::Bytes(_)
            | Told::Answered(_)
            | Told::Send(_)
            | Told::ResumeFrom(_)
            | Told::ReadingPaused(_)
            | Told::ReadingResumed(_)
            | Told::Timeout => 12,
        }
    }
}

impl Checker {
    /// Books of a link that has not been started.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            state: LinkState::Stopped,
            socket: None,
            beats: VecDeque::new(),
            generation: 0,
            plan: Plan::default(),
            failures: Failures::default(),
            attempt: 0,
            was_up: false,
            may_be_proved: false,
            last_dial: None,
            shown: None,
            burst: Burst::default(),
            hinted_dial: false,
            texts: Texts::default(),
            resume: Resume::default(),
            offline_wakes: VecDeque::new(),
            step: Step::of(Told::Timeout),
            tally: Tally::default(),
        }
    }

    /// The link is about to be told this.
    pub fn told(&mut self, now: Moment, told: &Told) -> Verdict {
        self.step = Step::of(*told);
        self.tally.steps += 1;
        let verdict = self.hear(now, told);
        if self.step.stale {
            self.tally.met(Situation::Stale);
        }
        verdict
    }

    fn hear(&mut self, now: Moment, told: &Told) -> Verdict {
        match *told {
            Told::Start => self.started(now),
            Told::Pause => self.left(LinkState::Paused),
            Told::Stop => self.left(LinkState::Stopped),
            Told::Reconnect => self.reconnect(now),
            Told::Resumed(slept) => self.resumed(now, slept),
            Told::NetworkChanged(moved) => self.network_changed(now, moved),
            Told::CredentialsChanged => self.credentials_changed(now),
            Told::DialOk(generation) => self.dial_ok(now, generation),
            Told::DialFailed(generation, why) => self.dial_failed(now, generation, why),
            Told::Bytes(generation) => self.heard(now, generation),
            Told::Answered(generation) => self.step.stale = !self.is_open(generation),
            Told::Send(id) => self.texts.asked(id, now),
            Told::ResumeFrom(data) => self.resume.known(data),
            Told::ReadingPaused(generation) => self.reading(now, generation, false),
            Told::ReadingResumed(generation) => self.reading(now, generation, true),
            Told::Fatal(generation, why) => self.fatal(now, generation, why),
            Told::Closed(generation, why) => self.closed(now, generation, why),
            Told::Timeout => return self.woken(now),
        }
        Ok(())
    }

    /// The link said this.
    pub fn said(&mut self, now: Moment, said: &Said) -> Verdict {
        match *said {
            Said::Dial(generation) => self.dials(now, generation),
            Said::Beat(generation) => self.beats(now, generation),
            Said::Text(generation, id) => self.sends(now, generation, id),
            Said::Close(generation, code) => self.closes(now, generation, code),
            Said::Abort(generation) => self.aborts(now, generation),
            Said::Status(status) => self.shows(now, status),
            Said::RoundTrip(time) => self.round_trip(now, time),
            Said::ResumeDropped(data) => {
                self.tally.met(Situation::ResumeDropped);
                self.resume.dropped(data)
            }
            Said::Refused(id) => {
                self.tally.met(Situation::TextRefused);
                self.texts.refused(id, now, self.state, &self.rules.texts)
            }
        }
    }

    /// That was all it said, and it wants to be woken at `wake`.
    pub fn settled(&mut self, now: Moment, wake: Option<Moment>) -> Verdict {
        if wake.is_some_and(|at| at <= now) {
            return broken(12, "a deadline that has passed is still asked for");
        }
        if let Some(invariant) = self.step.must_drop {
            return broken(invariant, "the socket was kept");
        }
        if self.step.must_probe {
            return broken(23, "no heartbeat was sent after the sleep");
        }
        self.check_state()?;
        self.check_socket(now)?;
        self.check_plan(now)?;
        self.resume.check()?;
        self.texts.check(now, self.state, &self.rules.texts)
    }

    /// The day is over and the link was stopped more than a second ago: nothing may be left.
    pub fn finished(&self) -> Verdict {
        match &self.socket {
            Some(socket) => broken(30, format!("socket {} is still there after the stop", socket.generation)),
            None => Ok(()),
        }
    }

    fn check_state(&self) -> Verdict {
        // Nothing is shown until something happens.
        let Some(shown) = &self.shown else { return Ok(()) };
        if shown.state != self.state {
            let blocked = self.state == LinkState::Blocked;
            let invariant = if blocked { self.plan.invariant } else { self.step.blame() };
            return broken(invariant, format!("it shows {:?} and should be {:?}", shown.state, self.state));
        }
        if shown.state != LinkState::Connected && shown.attempt != self.attempt {
            return broken(25, format!("it shows attempt {} instead of {}", shown.attempt, self.attempt));
        }
        let is_there = matches!(self.state, LinkState::Connecting | LinkState::Connected);
        if is_there && shown.generation != self.generation {
            return broken(11, format!("it shows socket {} instead of {}", shown.generation, self.generation));
        }
        Ok(())
    }
}
