//! How a link lets go of a socket (3, 4, 11, 13, 17, 23, 24).

use heartwire_core::cause::CauseCode;
use heartwire_core::time::Moment;
use heartwire_core::view::LinkState;

use super::beats::{Socket, Wire};
use super::plan::Plan;
use super::{CLOSE_LIMIT, Checker, HINT_LIMIT, Situation, Verdict, broken};
use crate::trace::{Generation, Told, Why};

impl Checker {
    pub(super) fn closes(&mut self, now: Moment, generation: Generation, code: u16) -> Verdict {
        if !matches!(code, 1000 | 1001) {
            return broken(4, format!("a close with {code}"));
        }
        if !matches!(self.step.told, Told::Pause | Told::Stop | Told::Reconnect | Told::Fatal(..)) {
            return broken(3, "a closing handshake that nobody asked for");
        }
        if !self.is_open(generation) {
            return broken(11, format!("a close of socket {generation}, which is not up"));
        }
        if let Some(socket) = &mut self.socket {
            (socket.wire, socket.by) = (Wire::Closing, now + CLOSE_LIMIT);
        }
        Ok(())
    }

    pub(super) fn aborts(&mut self, now: Moment, generation: Generation) -> Verdict {
        let Some(socket) = self.socket.take() else {
            return broken(11, format!("socket {generation} is dropped and is not there"));
        };
        if socket.generation != generation {
            return broken(11, format!("socket {generation} is dropped and {} is there", socket.generation));
        }
        match socket.wire {
            Wire::Closing => {
                self.tally.met(Situation::ClosedSlowly);
                Ok(())
            }
            Wire::Dialing => self.gives_up(now, &socket),
            Wire::Open => self.drops(now, socket),
        }
    }

    /// A dial is given up.
    fn gives_up(&mut self, now: Moment, socket: &Socket) -> Verdict {
        self.step.must_drop = None;
        let late = now.since(socket.since) >= self.rules.connect_timeout;
        match self.step.told {
            Told::Pause | Told::Stop => {}
            Told::CredentialsChanged => self.again(now, 17),
            // What a dial from before the sleep waited for has come and gone.
            Told::Resumed(_) => self.again(now, 23),
            Told::NetworkChanged(_) if !late => self.again(now, 24),
            _ if late => {
                self.tally.met(Situation::DialTimedOut);
                self.was_up = false;
                self.lost(now, Why::new(CauseCode::ConnectTimeout));
            }
            _ => return broken(13, format!("the dial was given up after {:?}", now.since(socket.since))),
        }
        Ok(())
    }

    /// An open socket is dropped without a word.
    fn drops(&mut self, now: Moment, socket: Socket) -> Verdict {
        match (self.step.told, self.step.must_drop.take()) {
            (_, Some(invariant)) => {
                self.socket = Some(socket);
                self.may_forget_failures(now);
                self.socket = None;
                let (cause, situation) = match invariant {
                    23 => (CauseCode::Slept, Situation::DroppedAfterSleep),
                    _ => (CauseCode::NetworkChanged, Situation::Moved),
                };
                self.tally.met(situation);
                self.step.cause = Some((cause, invariant));
                self.again(now, invariant);
            }
            (Told::Pause | Told::Stop | Told::Reconnect, None) => {
                return broken(4, "dropped without a closing handshake");
            }
            (_, None) => {
                self.check_death(now, &socket)?;
                self.tally.deaths += 1;
                self.socket = Some(socket);
                self.may_forget_failures(now);
                self.socket = None;
                self.was_up = true;
                self.lost(now, Why::new(CauseCode::HeartbeatTimeout));
            }
        }
        Ok(())
    }

    /// The next dial is due at once, and what is lost is nobody's failure.
    fn again(&mut self, now: Moment, invariant: u8) {
        self.state = LinkState::Waiting;
        self.plan = Plan::at_once(self.soonest(now), invariant);
        self.plan.latest = self.plan.latest.map(|latest| latest.max(now + HINT_LIMIT));
        self.failures.last_least = std::time::Duration::ZERO;
    }
}
