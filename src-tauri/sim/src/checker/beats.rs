//! The socket of a link: is it alive, and does the link find out in time (1, 5, 6, 8, 10, 13, 23).

use std::time::Duration;

use heartwire_core::time::Moment;
use heartwire_core::view::LinkState;

use super::{CLOSE_LIMIT, Checker, HINT_LIMIT, RESUME_PROBE, Rules, SLACK, Situation, Verdict, broken};
use crate::trace::{Generation, TextId, Told};

/// The driver may name the reason of a failed dial before the link gives up by itself.
const CONNECT_GRACE: Duration = Duration::from_millis(50);
/// So many heartbeats may be on their way.
const BEATS_KEPT: usize = 64;

/// What a socket is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire {
    Dialing,
    Open,
    Closing,
}

/// One socket.
#[derive(Clone, Debug)]
pub(super) struct Socket {
    pub generation: Generation,
    pub wire: Wire,
    /// The dial, or the upgrade.
    pub since: Moment,
    /// The dial or the closing ends by then.
    pub by: Moment,
    pub heard: Moment,
    /// The peer is declared dead by then.
    pub dead_by: Moment,
    /// The server hears from us by then, if it must.
    pub speak_by: Moment,
    /// The first heartbeat since something was heard.
    pub first_beat: Option<Moment>,
    pub reading: bool,
    /// The heartbeat that is out asks whether the peer is there after a sleep.
    pub resumed: bool,
    /// The first answer to a heartbeat.
    pub round_trip: Option<Moment>,
    /// Something came that only a peer that does more than accept would send, perhaps.
    pub spoken_to: bool,
}

impl Socket {
    pub(super) fn dialing(generation: Generation, now: Moment, rules: &Rules) -> Self {
        Self {
            generation,
            wire: Wire::Dialing,
            since: now,
            by: now + rules.connect_timeout + CONNECT_GRACE,
            heard: now,
            dead_by: now,
            speak_by: now,
            first_beat: None,
            reading: true,
            resumed: false,
            round_trip: None,
            spoken_to: false,
        }
    }

    fn opened(&mut self, now: Moment, rules: &Rules) {
        (self.wire, self.since) = (Wire::Open, now);
        self.speak_by = now + rules.every;
        self.alive(now, rules);
    }

    fn alive(&mut self, now: Moment, rules: &Rules) {
        self.heard = now;
        self.dead_by = now + rules.every + rules.timeout;
        self.first_beat = None;
        self.resumed = false;
    }

    /// What was due while the computer slept is due now.
    pub(super) fn slept(&mut self, now: Moment) {
        self.by = self.by.max(now + HINT_LIMIT);
        self.dead_by = self.dead_by.max(now + RESUME_PROBE);
        self.speak_by = self.speak_by.max(now);
    }
}

impl Checker {
    pub(super) fn is_open(&self, generation: Generation) -> bool {
        self.has(generation, Wire::Open)
    }

    pub(super) fn has(&self, generation: Generation, wire: Wire) -> bool {
        self.socket.as_ref().is_some_and(|socket| socket.generation == generation && socket.wire == wire)
    }

    /// The socket of this generation, if it is open; otherwise the step is stale.
    fn open(&mut self, generation: Generation) -> Option<&mut Socket> {
        let open = self.socket.as_mut().filter(|socket| socket.generation == generation && socket.wire == Wire::Open);
        self.step.stale = open.is_none();
        open
    }

    pub(super) fn dial_ok(&mut self, now: Moment, generation: Generation) {
        let rules = self.rules;
        let dialing = |socket: &&mut Socket| socket.generation == generation && socket.wire == Wire::Dialing;
        let Some(socket) = self.socket.as_mut().filter(dialing) else {
            self.step.stale = true;
            return;
        };
        self.hinted_dial = false;
        socket.opened(now, &rules);
        self.beats.clear();
        self.state = LinkState::Connected;
        self.attempt = 0;
        self.plan = super::Plan::default();
        self.burst.forget();
    }

    pub(super) fn heard(&mut self, now: Moment, generation: Generation) {
        let rules = self.rules;
        let beaten = !self.beats.is_empty();
        if let Some(socket) = self.open(generation) {
            socket.spoken_to |= beaten || now.since(socket.since) >= rules.every;
            socket.alive(now, &rules);
        }
    }

    pub(super) fn reading(&mut self, now: Moment, generation: Generation, reading: bool) {
        let rules = self.rules;
        if !reading {
            self.tally.met(Situation::ReadingPaused);
        }
        if let Some(socket) = self.open(generation) {
            if reading && !socket.reading {
                // What came meanwhile was not read, so its silence begins anew.
                socket.alive(now, &rules);
            }
            socket.reading = reading;
        }
    }

    pub(super) fn beats(&mut self, now: Moment, generation: Generation) -> Verdict {
        let rules = self.rules;
        let asked = matches!(self.step.told, Told::Resumed(_) | Told::NetworkChanged(_));
        if std::mem::take(&mut self.step.must_probe) {
            self.tally.met(Situation::ProbedAfterSleep);
        }
        let Some(socket) = self.open(generation) else {
            return broken(8, format!("a heartbeat for socket {generation}, which is not up"));
        };
        let silence = now.since(socket.heard);
        let keepalive = (rules.always || !socket.reading) && socket.speak_by <= now;
        if !asked && !keepalive && silence < rules.every {
            return broken(8, format!("a heartbeat after {silence:?} of silence, before its time"));
        }
        socket.first_beat.get_or_insert(now);
        socket.speak_by = now + rules.every;
        self.tally.heartbeats += 1;
        if self.beats.len() == BEATS_KEPT {
            self.beats.pop_front();
        }
        self.beats.push_back(now);
        Ok(())
    }

    pub(super) fn round_trip(&mut self, now: Moment, time: Duration) -> Verdict {
        let Told::Answered(generation) = self.step.told else {
            return broken(8, "a round trip without an answer");
        };
        if !self.beats.iter().any(|sent| now.since(*sent) == time) {
            return broken(8, format!("a round trip of {time:?}, but this socket was sent no heartbeat then"));
        }
        self.resume.accepted();
        match self.open(generation) {
            Some(socket) => {
                socket.round_trip.get_or_insert(now);
                Ok(())
            }
            None => broken(8, format!("a round trip on socket {generation}, which is not up")),
        }
    }

    pub(super) fn sends(&mut self, now: Moment, generation: Generation, id: TextId) -> Verdict {
        let every = self.rules.every;
        let Some(socket) = self.socket.as_mut().filter(|it| it.generation == generation && it.wire == Wire::Open)
        else {
            return broken(27, format!("text {id} for socket {generation}, which is not up"));
        };
        socket.speak_by = now + every;
        self.tally.met(Situation::TextSent);
        self.texts.sent(id, now, &self.rules.texts)
    }

    /// The link drops an open socket of its own accord: never early (1), and never because we do not read (10).
    pub(super) fn check_death(&self, now: Moment, socket: &Socket) -> Verdict {
        let rules = &self.rules;
        if !socket.reading {
            return broken(10, "declared dead while its consumer does not read");
        }
        let silence = now.since(socket.heard);
        if !rules.probes {
            if silence < rules.every + rules.timeout {
                return broken(1, format!("declared dead after {silence:?} of silence"));
            }
            return Ok(());
        }
        let Some(sent) = socket.first_beat else {
            return broken(1, format!("declared dead after {silence:?} of silence without a heartbeat"));
        };
        let limit = if socket.resumed { rules.timeout.min(RESUME_PROBE) } else { rules.timeout };
        if now.since(sent) < limit {
            return broken(1, format!("declared dead {:?} after its heartbeat, before {limit:?}", now.since(sent)));
        }
        Ok(())
    }

    /// What is due of the socket that is there.
    pub(super) fn check_socket(&self, now: Moment) -> Verdict {
        let wire = self.socket.as_ref().map(|socket| socket.wire);
        let fits = match self.state {
            LinkState::Connecting => wire == Some(Wire::Dialing),
            LinkState::Connected => wire == Some(Wire::Open),
            LinkState::Waiting | LinkState::Blocked | LinkState::Paused | LinkState::Stopped => {
                matches!(wire, None | Some(Wire::Closing))
            }
        };
        if !fits {
            return broken(self.step.blame(), format!("{:?} with a socket that is {wire:?}", self.state));
        }
        let Some(socket) = &self.socket else { return Ok(()) };
        match socket.wire {
            Wire::Dialing if now > socket.by + SLACK => broken(13, "the dial takes longer than its limit"),
            Wire::Closing if now > socket.by + SLACK => {
                broken(30, format!("the closing takes longer than {CLOSE_LIMIT:?}"))
            }
            Wire::Open => self.check_open(now, socket),
            Wire::Dialing | Wire::Closing => Ok(()),
        }
    }

    fn check_open(&self, now: Moment, socket: &Socket) -> Verdict {
        let silence = now.since(socket.heard);
        if socket.reading && now > socket.dead_by + SLACK {
            let invariant = if socket.resumed { 23 } else { 1 };
            return broken(invariant, format!("not declared dead after {silence:?} of silence"));
        }
        if self.rules.probes && self.rules.always && now > socket.speak_by + SLACK {
            return broken(6, format!("silent for {:?} longer than the server allows", now.since(socket.speak_by)));
        }
        Ok(())
    }
}
