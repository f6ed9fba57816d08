//! What each input makes of a link.

use std::time::Duration;

use super::{CLOSE_LIMIT, Link, Phase, WAKE_PROBE, words};
use crate::cause::{Cause, CauseCode};
use crate::link::heartbeat::{Heartbeat, Vitals};
use crate::link::{Frame, Generation, Input, NotSent, Output, Path, SendId, Verdict};
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
            Input::Reconnect => self.reconnect(now),
            Input::Resumed(slept) => self.resumed(now, slept),
            Input::NetworkChanged(path) => self.network_changed(now, path),
            Input::CredentialsChanged => self.credentials_changed(now),
            Input::DialOk(generation) => self.dial_ok(now, generation),
            Input::DialFailed(generation, cause) | Input::Closed(generation, cause) => {
                self.gone(now, generation, cause);
            }
            Input::Bytes(generation) => self.bytes(now, generation),
            Input::HeartbeatAnswered(generation) => self.heartbeat_answered(now, generation),
            Input::Send(id, text) => self.send(now, id, text),
            Input::ResumeFrom(data) => self.resume.set(data),
            Input::ReadingPaused(generation) => self.reading_paused(now, generation),
            Input::ReadingResumed(generation) => self.reading_resumed(now, generation),
            Input::Agreed(generation, heartbeat) => self.agreed(generation, heartbeat),
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
        self.refuse_queued();
        self.announce(state, None, None);
    }

    fn reconnect(&mut self, now: Moment) {
        match self.phase {
            Phase::Stopped | Phase::Paused => {}
            Phase::Dialing { .. } => self.hint(now),
            Phase::Waiting { .. } | Phase::Blocked { .. } => self.dial_soon(now),
            Phase::Up(_) => {
                self.judge(now);
                self.let_go(now, NORMAL, CLOSE_LIMIT_RECONNECT);
                self.status.cause = Some(Cause::new(CauseCode::ByPerson, "reconnecting because it was asked for"));
                self.phase = Phase::Waiting { until: self.soonest(now), floor: now };
                self.announce_wait();
            }
        }
    }

    fn resumed(&mut self, now: Moment, slept: Duration) {
        let heartbeat = &self.heartbeat;
        match &mut self.phase {
            Phase::Stopped | Phase::Paused | Phase::Blocked { .. } => {}
            Phase::Waiting { .. } => self.hint(now),
            // What a dial from before the sleep waited for has come and gone.
            Phase::Dialing { .. } => {
                if slept > Duration::ZERO && self.last_dial.is_some_and(|dialled| now.since(dialled) >= slept) {
                    self.redial(now);
                } else {
                    self.hint(now);
                }
            }
            // The news is older than the socket.
            Phase::Up(vitals) if vitals.uptime(now) < slept => {}
            Phase::Up(_) if slept > heartbeat.every + heartbeat.timeout => {
                let text = format!("this computer was asleep for {}", words(slept));
                self.replace(now, Cause::new(CauseCode::Slept, text));
            }
            Phase::Up(vitals) => {
                let frame = if slept > Duration::ZERO {
                    vitals.probe_after_sleep(now, WAKE_PROBE, heartbeat)
                } else {
                    vitals.probe_now(now, heartbeat)
                };
                self.outputs.extend(frame.map(|frame| Output::Send(self.generation, frame, None)));
            }
        }
    }

    fn network_changed(&mut self, now: Moment, path: Path) {
        match (&mut self.phase, path) {
            (Phase::Stopped | Phase::Paused | Phase::Blocked { .. }, _) => {}
            (Phase::Waiting { .. } | Phase::Dialing { .. }, _) => self.hint(now),
            (Phase::Up(_), Path::Moved) => {
                let text = "this computer's address towards the server changed";
                self.replace(now, Cause::new(CauseCode::NetworkChanged, text));
            }
            (Phase::Up(vitals), Path::Same) => {
                let frame = vitals.probe_now(now, &self.heartbeat);
                self.outputs.extend(frame.map(|frame| Output::Send(self.generation, frame, None)));
            }
        }
    }

    fn credentials_changed(&mut self, now: Moment) {
        match self.phase {
            Phase::Blocked { .. } => self.dial_soon(now),
            Phase::Waiting { .. } => self.hint(now),
            // The dial under way carries the old ones.
            Phase::Dialing { .. } => self.redial(now),
            Phase::Stopped | Phase::Paused | Phase::Up(_) => {}
        }
    }

    fn dial_ok(&mut self, now: Moment, generation: Generation) {
        let Phase::Dialing { unread_since, .. } = self.phase else { return };
        if generation != self.generation {
            return;
        }
        let mut vitals = Vitals::new(now);
        if unread_since.is_some() {
            vitals.reading_paused();
        }
        self.phase = Phase::Up(vitals);
        self.attempt = 0;
        self.announce(LinkState::Connected, None, None);
        for text in &self.settings.on_open {
            self.outputs.push_back(Output::Send(generation, Frame::Text(text.clone()), None));
        }
        while let Some((id, text)) = self.queue.pop() {
            self.outputs.push_back(Output::Send(generation, Frame::Text(text), Some(id)));
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
            vitals.heard(now, &self.heartbeat);
        }
    }

    fn heartbeat_answered(&mut self, now: Moment, generation: Generation) {
        if let Some(round_trip) = self.vitals(generation).and_then(|vitals| vitals.answered(now)) {
            self.resume.accepted();
            self.outputs.push_back(Output::RoundTrip(round_trip));
        }
    }

    fn reading_paused(&mut self, now: Moment, generation: Generation) {
        if generation != self.generation {
            return;
        }
        match &mut self.phase {
            Phase::Up(vitals) => vitals.reading_paused(),
            Phase::Dialing { unread_since, .. } => *unread_since = unread_since.or(Some(now)),
            Phase::Stopped | Phase::Paused | Phase::Waiting { .. } | Phase::Blocked { .. } => {}
        }
    }

    fn reading_resumed(&mut self, now: Moment, generation: Generation) {
        if generation != self.generation {
            return;
        }
        match &mut self.phase {
            Phase::Up(vitals) => vitals.reading_resumed(now),
            Phase::Dialing { deadline, unread_since, .. } => {
                let unread = unread_since.take().map_or(Duration::ZERO, |since| now.since(since));
                *deadline = *deadline + unread;
            }
            Phase::Stopped | Phase::Paused | Phase::Waiting { .. } | Phase::Blocked { .. } => {}
        }
    }

    fn agreed(&mut self, generation: Generation, heartbeat: Heartbeat) {
        if generation == self.generation && matches!(self.phase, Phase::Dialing { .. } | Phase::Up(_)) {
            self.heartbeat = heartbeat.at_least();
        }
    }

    fn send(&mut self, now: Moment, id: SendId, text: String) {
        let output = match &mut self.phase {
            Phase::Up(vitals) => {
                vitals.spoke(now);
                Output::Send(self.generation, Frame::Text(text), Some(id))
            }
            Phase::Waiting { .. } | Phase::Dialing { .. } => match self.queue.push(now, id, text) {
                Ok(()) => return,
                Err(why) => Output::SendRefused(id, why),
            },
            Phase::Stopped | Phase::Paused | Phase::Blocked { .. } => Output::SendRefused(id, NotSent::NotConnected),
        };
        self.outputs.push_back(output);
    }

    fn fatal(&mut self, now: Moment, generation: Generation, cause: Cause) {
        if generation != self.generation || !matches!(self.phase, Phase::Dialing { .. } | Phase::Up(_)) {
            return;
        }
        self.let_go(now, NORMAL, CLOSE_LIMIT);
        let verdict = match Verdict::of(&cause) {
            block @ Verdict::Block { .. } => block,
            Verdict::Retry | Verdict::LookBetween(..) | Verdict::WaitBetween(..) | Verdict::WaitCap => {
                Verdict::Block { again: None }
            }
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
