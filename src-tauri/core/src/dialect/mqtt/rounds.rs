//! Rounds of a PINGREQ and its answer: what they prove of our acknowledgements, and when everything has come that the
//! broker held back.

use std::mem;

use mqttbytes::v4::PingReq;

use super::Mqtt;
use super::handshake::Stage;
use super::wire::send;
use crate::dialect::{CaughtUp, Effects, Item, Missing};

/// After how many rounds in a row without a message everything that was held back has come. mosquitto and aedes would need
/// one; RabbitMQ answers a PINGREQ while the next messages are still on their way from the queue.
const QUIET_ROUNDS: u32 = 10;

/// A topic on which messages come all the time may never be quiet for so long. It is enough, too, that so many rounds
/// brought fewer messages than a broker sends of a longer queue before it waits for acknowledgements (RabbitMQ: 10),
const SLOW_ROUNDS: u32 = 200;
const WINDOW: u32 = 10;

/// or that so many new messages came. Brokers hold back about 1,000 unless they are told otherwise. What is sent again does
/// not count: of that there may be more, and what is left of it would be taken for new.
const HELD_MAX: u32 = 10_000;

/// PINGREQs are answered in their order.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    sent: u64,
    answered: u64,
    /// The newest that is a heartbeat.
    heartbeat: u64,
    /// What the broker held back is still coming.
    held: Option<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// New messages.
    news: u32,
    /// All messages of this round.
    came: u32,
    /// Rounds in a row without any.
    quiet: u32,
    /// Rounds with few.
    slow: u32,
}

impl Rounds {
    /// The broker has kept messages for us, which come now.
    pub(super) fn begin(&mut self) {
        self.held = Some(Held::default());
    }

    /// How many PINGREQs were sent.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// Whether what comes may have been held back.
    pub(super) fn hold(&self) -> bool {
        self.held.is_some()
    }
}

impl Mqtt {
    /// A message came that the broker may have held back.
    pub(super) fn came(&mut self, is_new: bool, effects: &mut Effects) {
        if let Some(held) = &mut self.rounds.held {
            (held.news, held.came) = (held.news + u32::from(is_new), held.came + 1);
            if held.news >= HELD_MAX {
                self.all_came(effects);
            }
        }
    }

    /// A PINGREQ was answered, and everything we sent before it was read.
    pub(super) fn answered(&mut self, effects: &mut Effects) {
        if self.rounds.answered == self.rounds.sent {
            return;
        }
        self.rounds.answered += 1;
        effects.heartbeat_answered |= self.rounds.answered == self.rounds.heartbeat;
        self.changed |= self.session.doubts.answered(self.rounds.answered);
        let waiting = self.session.doubts.any_given();
        if let Some(held) = &mut self.rounds.held {
            let came = mem::take(&mut held.came);
            held.quiet = if came == 0 && !waiting { held.quiet + 1 } else { 0 };
            held.slow += u32::from(came < WINDOW);
            if held.quiet >= QUIET_ROUNDS || held.slow >= SLOW_ROUNDS {
                self.all_came(effects);
            }
        }
        self.probe(effects);
    }

    fn all_came(&mut self, effects: &mut Effects) {
        self.rounds.held = None;
        self.changed |= self.session.doubts.sent_again();
        effects.items.push(Item::CaughtUp(if self.session.unkept {
            CaughtUp::Missing(Missing::NoReplay)
        } else {
            CaughtUp::Recovered { keeps: None }
        }));
    }

    /// Begins a round if it would prove something and none is under way.
    pub(super) fn probe(&mut self, effects: &mut Effects) {
        let doubts = &self.session.doubts;
        let useful = doubts.any_acknowledged() || (self.rounds.hold() && !doubts.any_given());
        if useful && self.stage == Stage::Open && self.rounds.sent == self.rounds.answered {
            self.ping(effects);
        }
    }

    /// The same as the heartbeat of the link.
    pub(super) fn beat(&mut self, effects: &mut Effects) {
        self.ping(effects);
        self.rounds.heartbeat = self.rounds.sent;
    }

    fn ping(&mut self, effects: &mut Effects) {
        self.rounds.sent += 1;
        send(effects, |out| PingReq.write(out));
    }
}
