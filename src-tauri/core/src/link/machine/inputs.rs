//! What each input makes of a link.

use std::time::Duration;

use super::{CLOSE_LIMIT, DIAL_GAP, Link, Phase};
use crate::cause::{Cause, CauseCode};
use crate::link::heartbeat::Vitals;
use crate::link::{Frame, Generation, Input, Output, ReconnectReason, Verdict};
use crate::time::Moment;
use crate::view::LinkState;

/// The longest a closing handshake may take when the person waits for the next dial.
const CLOSE_LIMIT_RECONNECT: Duration = Duration::from_millis(250);

/// The code of a close that the person asked for, and of one because Heartwire ends (RFC 6455, section 7.4.1).
const NORMAL: u16 = 1000;
const GOING_AWAY: u16 = 1001;

impl Link {
    pub(super) fn apply(&mut self, now: Moment, input: Input) {
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
}
