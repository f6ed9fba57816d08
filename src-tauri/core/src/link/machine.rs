//! The link itself: which state it is in, what an input makes of it, and the one rule for dialling.

use std::collections::VecDeque;
use std::mem;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::backoff::Wait;
use super::heartbeat::{Due, HeartbeatKind, Vitals};
use super::{Frame, Generation, Input, LinkSettings, LinkStatus, Output, ReconnectReason, Verdict};
use crate::cause::{Cause, CauseCode};
use crate::time::Moment;
use crate::view::LinkState;

/// Two dials of a link are at least this far apart, whatever asks for them.
pub const DIAL_GAP: Duration = Duration::from_millis(250);

/// The longest a closing handshake may take before the socket is dropped.
pub const CLOSE_LIMIT: Duration = Duration::from_secs(1);

/// The same when the person waits for the next dial.
const CLOSE_LIMIT_RECONNECT: Duration = Duration::from_millis(250);

/// How far the link's own connect deadline lies behind the dial's, which knows what it was waiting for and so may speak
/// first.
pub const CONNECT_GRACE: Duration = Duration::from_millis(50);

/// The shortest uptime after which the backoff may start anew.
const STEADY: Duration = Duration::from_secs(10);

/// The code of a close that the person asked for, and of one because Heartwire ends (RFC 6455, section 7.4.1).
const NORMAL: u16 = 1000;
const GOING_AWAY: u16 = 1001;

/// A connection's life as a state machine; see the module's documentation.
#[derive(Clone, Debug)]
pub struct Link {
    settings: LinkSettings,
    rng: SmallRng,
    phase: Phase,
    /// The socket we are closing politely. No dial starts before it is gone.
    closing: Option<Closing>,
    generation: Generation,
    /// Dials since the link was last up.
    attempt: u32,
    /// Failures in a row as the backoff counts them: being up is not enough to start anew.
    failures: u32,
    last_dial: Option<Moment>,
    last_delay: Duration,
    status: LinkStatus,
    outputs: VecDeque<Output>,
}

#[derive(Clone, Debug)]
enum Phase {
    Stopped,
    Paused,
    Waiting {
        until: Moment,
        /// What a hint cannot undercut.
        floor: Moment,
    },
    Blocked {
        until: Option<Moment>,
    },
    Dialing {
        deadline: Moment,
    },
    Up(Vitals),
}

#[derive(Clone, Copy, Debug)]
struct Closing {
    generation: Generation,
    until: Moment,
}

impl Link {
    /// A stopped link. The seed decides every delay it will draw.
    pub fn new(mut settings: LinkSettings, seed: u64) -> Self {
        // Settings are checked long before; but a time of zero here would mean a loop without end.
        let shortest = Duration::from_millis(1);
        settings.heartbeat.every = settings.heartbeat.every.max(shortest);
        settings.heartbeat.timeout = settings.heartbeat.timeout.max(shortest);
        settings.connect_timeout = settings.connect_timeout.max(shortest);
        Self {
            settings,
            rng: SmallRng::seed_from_u64(seed),
            phase: Phase::Stopped,
            closing: None,
            generation: Generation(0),
            attempt: 0,
            failures: 0,
            last_dial: None,
            last_delay: Duration::ZERO,
            status: LinkStatus {
                state: LinkState::Stopped,
                generation: Generation(0),
                attempt: 0,
                retry_at: None,
                cause: None,
            },
            outputs: VecDeque::new(),
        }
    }

    /// Takes what happened at `now`, then everything that is due by then. Drain [`Link::poll_output`] afterwards.
    pub fn handle(&mut self, now: Moment, input: Input) {
        self.apply(now, input);
        while self.step(now) {}
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to come back with [`Input::Timeout`], unless something else happens first. Never a moment that the last
    /// call of [`Link::handle`] has already reached.
    pub fn poll_timeout(&self) -> Option<Moment> {
        if let Some(closing) = self.closing {
            return Some(closing.until);
        }
        match &self.phase {
            Phase::Stopped | Phase::Paused => None,
            Phase::Waiting { until, .. } => Some(*until),
            Phase::Blocked { until } => *until,
            Phase::Dialing { deadline } => Some(*deadline),
            Phase::Up(vitals) => vitals.next(&self.settings.heartbeat).map(|(at, _)| at),
        }
    }

    /// What people see.
    pub fn status(&self) -> &LinkStatus {
        &self.status
    }

    fn apply(&mut self, now: Moment, input: Input) {
        match input {
            Input::Start => self.start(now),
            Input::Pause => self.leave(now, Phase::Paused, LinkState::Paused, NORMAL),
            Input::Stop => self.leave(now, Phase::Stopped, LinkState::Stopped, GOING_AWAY),
            Input::Reconnect(reason) => self.reconnect(now, reason),
            Input::CredentialsChanged => self.credentials_changed(now),
            Input::DialOk(generation) => self.dial_ok(now, generation),
            Input::DialFailed(generation, cause) | Input::Closed(generation, cause) => {
                self.gone(now, generation, cause);
            }
            Input::Bytes(generation) => self.bytes(now, generation),
            Input::HeartbeatAnswered(generation) => self.heartbeat_answered(now, generation),
            Input::Send(text) => self.send(now, text),
            Input::ReadingPaused(generation) => {
                if let Some(vitals) = self.vitals(generation) {
                    vitals.reading_paused();
                }
            }
            Input::ReadingResumed(generation) => {
                if let Some(vitals) = self.vitals(generation) {
                    vitals.reading_resumed(now);
                }
            }
            Input::Fatal(generation, cause) => self.fatal(now, generation, cause),
            Input::Timeout => {}
        }
    }

    /// Does the one next thing that is due. False: nothing is.
    fn step(&mut self, now: Moment) -> bool {
        if self.poll_timeout().is_none_or(|at| at > now) {
            return false;
        }
        if let Some(closing) = self.closing.take() {
            self.outputs.push_back(Output::Abort(closing.generation));
            return true;
        }
        match &self.phase {
            Phase::Stopped | Phase::Paused => return false,
            Phase::Waiting { .. } | Phase::Blocked { .. } => self.dial(now),
            Phase::Dialing { .. } => self.dial_timed_out(now),
            Phase::Up(vitals) => match vitals.next(&self.settings.heartbeat) {
                Some((_, Due::Beat)) => self.beat(now),
                Some((_, Due::Dead)) => self.dead(now),
                None => return false,
            },
        }
        true
    }

    fn start(&mut self, now: Moment) {
        if matches!(self.phase, Phase::Stopped | Phase::Paused) {
            self.attempt = 0;
            self.failures = 0;
            self.last_delay = Duration::ZERO;
            self.status.cause = None;
            self.dial_soon(now);
        }
    }

    fn leave(&mut self, now: Moment, phase: Phase, state: LinkState, code: u16) {
        self.let_go(now, code, CLOSE_LIMIT);
        self.phase = phase;
        self.attempt = 0;
        self.announce(state, None, None);
    }

    fn reconnect(&mut self, now: Moment, reason: ReconnectReason) {
        match (&mut self.phase, reason) {
            (Phase::Stopped | Phase::Paused | Phase::Dialing { .. }, _)
            | (Phase::Blocked { .. }, ReconnectReason::Environment) => {}
            (Phase::Waiting { .. } | Phase::Blocked { .. }, ReconnectReason::ByPerson) => self.dial_soon(now),
            (Phase::Waiting { until, floor }, ReconnectReason::Environment) => {
                let soonest = (*floor).max(self.last_dial.map_or(now, |last| last + DIAL_GAP)).max(now);
                if soonest < *until {
                    *until = soonest;
                    self.announce_wait();
                }
            }
            (Phase::Up(_), ReconnectReason::ByPerson) => {
                self.let_go(now, NORMAL, CLOSE_LIMIT_RECONNECT);
                self.status.cause = Some(Cause::new(CauseCode::ByPerson, "reconnecting because it was asked for"));
                self.phase = Phase::Waiting { until: self.soonest(now), floor: now };
                self.announce_wait();
            }
            (Phase::Up(vitals), ReconnectReason::Environment) => {
                if let Some(frame) = vitals.probe_now(now, &self.settings.heartbeat) {
                    self.outputs.push_back(Output::Send(self.generation, frame));
                }
            }
        }
    }

    fn credentials_changed(&mut self, now: Moment) {
        match self.phase {
            Phase::Blocked { .. } => self.dial_soon(now),
            Phase::Waiting { .. } => self.reconnect(now, ReconnectReason::Environment),
            Phase::Dialing { .. } => {
                // The dial under way carries the old ones.
                self.outputs.push_back(Output::Abort(self.generation));
                self.dial_soon(now);
            }
            Phase::Stopped | Phase::Paused | Phase::Up(_) => {}
        }
    }

    fn dial_ok(&mut self, now: Moment, generation: Generation) {
        if generation != self.generation || !matches!(self.phase, Phase::Dialing { .. }) {
            return;
        }
        self.phase = Phase::Up(Vitals::new(now));
        self.attempt = 0;
        self.announce(LinkState::Connected, None, None);
        for text in &self.settings.on_open {
            self.outputs.push_back(Output::Send(generation, Frame::Text(text.clone())));
        }
    }

    fn gone(&mut self, now: Moment, generation: Generation, cause: Cause) {
        if self.closing.is_some_and(|closing| closing.generation == generation) {
            self.closing = None;
            // A retry was scheduled while the socket was still closing; its time may have come.
            return;
        }
        if generation == self.generation && matches!(self.phase, Phase::Dialing { .. } | Phase::Up(_)) {
            self.lost(now, cause);
        }
    }

    fn bytes(&mut self, now: Moment, generation: Generation) {
        if generation == self.generation
            && let Phase::Up(vitals) = &mut self.phase
        {
            vitals.heard(now, &self.settings.heartbeat);
        }
    }

    fn heartbeat_answered(&mut self, now: Moment, generation: Generation) {
        if let Some(round_trip) = self.vitals(generation).and_then(|vitals| vitals.answered(now)) {
            self.outputs.push_back(Output::RoundTrip(round_trip));
        }
    }

    fn send(&mut self, now: Moment, text: String) {
        let output = match &mut self.phase {
            Phase::Up(vitals) => {
                vitals.spoke(now);
                Output::Send(self.generation, Frame::Text(text))
            }
            Phase::Stopped | Phase::Paused | Phase::Waiting { .. } | Phase::Blocked { .. } | Phase::Dialing { .. } => {
                Output::SendRefused
            }
        };
        self.outputs.push_back(output);
    }

    fn fatal(&mut self, now: Moment, generation: Generation, cause: Cause) {
        if self.vitals(generation).is_none() {
            return;
        }
        self.let_go(now, NORMAL, CLOSE_LIMIT);
        let verdict = match Verdict::of(&cause) {
            block @ Verdict::Block { .. } => block,
            Verdict::Retry | Verdict::WaitBetween(..) | Verdict::WaitCap => Verdict::Block { again: None },
        };
        self.settle(now, verdict, cause);
    }

    fn beat(&mut self, now: Moment) {
        if let Phase::Up(vitals) = &mut self.phase
            && let Some(frame) = vitals.beat(now, &self.settings.heartbeat)
        {
            self.outputs.push_back(Output::Send(self.generation, frame));
        }
    }

    fn dead(&mut self, now: Moment) {
        // Not a closing handshake: nobody is there to answer it.
        self.outputs.push_back(Output::Abort(self.generation));
        let heartbeat = &self.settings.heartbeat;
        let text = match heartbeat.kind {
            HeartbeatKind::None => format!("nothing received for {}", words(heartbeat.every + heartbeat.timeout)),
            HeartbeatKind::Text(_) | HeartbeatKind::Ping => {
                format!("no answer to the heartbeat within {}", words(heartbeat.timeout))
            }
        };
        self.lost(now, Cause::new(CauseCode::HeartbeatTimeout, text));
    }

    fn dial_timed_out(&mut self, now: Moment) {
        self.outputs.push_back(Output::Abort(self.generation));
        let text = format!("no connection within {}", words(self.settings.connect_timeout));
        self.lost(now, Cause::new(CauseCode::ConnectTimeout, text));
    }

    /// The socket of this generation is gone, or never came to be.
    fn lost(&mut self, now: Moment, cause: Cause) {
        self.settle(now, Verdict::of(&cause), cause);
    }

    /// Draws the wait, once, and tells why.
    fn settle(&mut self, now: Moment, verdict: Verdict, cause: Cause) {
        if let Phase::Up(vitals) = &self.phase
            && vitals.proved(&self.settings.heartbeat)
            && vitals.uptime(now) >= STEADY.max(self.last_delay)
        {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        let wait = Wait::draw(verdict, cause.retry_after, &self.settings.backoff, self.failures, &mut self.rng);
        self.status.cause = Some(cause);
        let until = wait.map(|wait| (now + wait.delay).max(self.soonest(now)));
        match (verdict, wait, until) {
            (Verdict::Retry | Verdict::WaitBetween(..) | Verdict::WaitCap, Some(wait), Some(until)) => {
                self.last_delay = wait.delay;
                self.phase = Phase::Waiting { until, floor: now + wait.floor };
                self.announce_wait();
            }
            (_, _, until) => {
                self.phase = Phase::Blocked { until };
                self.announce(LinkState::Blocked, until, self.status.cause.clone());
            }
        }
    }

    /// Closes whatever is open: a socket politely, a dial at once.
    fn let_go(&mut self, now: Moment, code: u16, limit: Duration) {
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
    fn dial_soon(&mut self, now: Moment) {
        let until = self.soonest(now);
        self.phase = Phase::Waiting { until, floor: now };
        if until > now || self.closing.is_some() {
            self.announce_wait();
        }
    }

    fn soonest(&self, now: Moment) -> Moment {
        self.last_dial.map_or(now, |last| last + DIAL_GAP).max(now)
    }

    /// The only place where a generation begins.
    fn dial(&mut self, now: Moment) {
        self.generation = Generation(self.generation.0 + 1);
        self.attempt = self.attempt.saturating_add(1);
        self.last_dial = Some(now);
        self.phase = Phase::Dialing { deadline: now + self.settings.connect_timeout + CONNECT_GRACE };
        self.outputs.push_back(Output::Dial(self.generation));
        let cause = self.status.cause.clone();
        self.announce(LinkState::Connecting, None, cause);
    }

    /// The clocks of the socket of this generation, if it is the one that is up.
    fn vitals(&mut self, generation: Generation) -> Option<&mut Vitals> {
        match &mut self.phase {
            Phase::Up(vitals) if generation == self.generation => Some(vitals),
            Phase::Up(_)
            | Phase::Stopped
            | Phase::Paused
            | Phase::Waiting { .. }
            | Phase::Blocked { .. }
            | Phase::Dialing { .. } => None,
        }
    }

    fn announce_wait(&mut self) {
        if let Phase::Waiting { until, .. } = self.phase {
            let cause = self.status.cause.clone();
            self.announce(LinkState::Waiting, Some(until), cause);
        }
    }

    fn announce(&mut self, state: LinkState, retry_at: Option<Moment>, cause: Option<Cause>) {
        let status = LinkStatus { state, generation: self.generation, attempt: self.attempt, retry_at, cause };
        if mem::replace(&mut self.status, status) != self.status {
            self.outputs.push_back(Output::Status(self.status.clone()));
        }
    }
}

/// A duration as people say it.
fn words(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        return format!("{} ms", duration.as_millis());
    }
    let tenths = duration.as_millis().div_ceil(100);
    if tenths.is_multiple_of(10) { format!("{} s", tenths / 10) } else { format!("{}.{} s", tenths / 10, tenths % 10) }
}
