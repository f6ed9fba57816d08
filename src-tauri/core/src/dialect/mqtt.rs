//! MQTT 3.1.1 over WebSocket (the OASIS standard of 2014, whose sections are named here): mosquitto, EMQX, RabbitMQ.
//!
//! The broker keeps a session for our client id while we are away and then sends what came meanwhile with QoS 1, which we
//! acknowledge once it is on disk; so nothing is lost, and [`doubts`] keeps what is sent again from being given twice.
//! Messages of QoS 0 are not kept for anyone: where they come, a gap may have lost some. We subscribe with QoS 1: exactly
//! once, as QoS 2 means it, would end at our disk anyway. aedes sends QoS 2 nevertheless, and gets the answers it wants.

mod doubts;
mod handshake;
mod rounds;
mod session;
#[cfg(test)]
mod tests;
mod wire;

use std::mem;
use std::str;
use std::sync::Arc;

use mqttbytes::QoS;
use mqttbytes::v4::{Packet, PubComp, Publish};

use super::shape::Shaper;
use super::{
    Beat, Context, Dialect, Effects, Incoming, Item, LONGEST_SENT_AGAIN, Login, Opening, Outgoing, Refused, Spec,
    Subscribe,
};
use crate::cause::{Cause, CauseCode};
use crate::message::{Arrival, Message, MessageKind};
use handshake::{SUBSCRIBE_ID, Stage, UNSUBSCRIBE_ID};
use rounds::Rounds;
use session::Session;
use wire::{Packets, breach, send};

pub(super) const SPEC: Spec = Spec {
    name: "mqtt",
    beat: Beat::Own,
    // MQTT-6.0.0-1: a text frame ends the connection.
    longest_text: Some(0),
    longest_message: LONGEST_SENT_AGAIN,
    login: Login::InFrames,
    subscribe: Some(Subscribe { what: "a topic filter", example: "home/+/door or alerts/#", required: true, check }),
    subprotocols: &["mqtt"],
    presets: &[include_str!("../../../../config/presets/mqtt.toml")],
    make,
    ..Spec::DEFAULT
};

fn make(context: &Arc<Context>) -> Box<dyn Dialect> {
    Box::new(Mqtt {
        context: Arc::clone(context),
        shaper: Shaper::new(context),
        packets: Packets::default(),
        session: Session::default(),
        stage: Stage::Connecting,
        rounds: Rounds::default(),
        qos: QoS::AtLeastOnce,
        mark: 0,
        changed: false,
        given: false,
    })
}

/// The rules of section 4.7.1 that go beyond those of every entry.
fn check(filter: &str) -> Option<String> {
    let levels: Vec<_> = filter.split('/').collect();
    if levels.iter().any(|level| level.contains('#') && *level != "#")
        || levels.iter().rev().skip(1).any(|level| *level == "#")
    {
        return Some("has a \"#\" that is not its whole last level".to_owned());
    }
    let plus = levels.iter().any(|level| level.contains('+') && *level != "+");
    plus.then(|| "has a \"+\" that is not a whole level".to_owned())
}

/// One socket.
struct Mqtt {
    context: Arc<Context>,
    shaper: Shaper,
    packets: Packets,
    session: Session,
    stage: Stage,
    rounds: Rounds,
    /// What is subscribed with.
    qos: QoS,
    /// The newest mark.
    mark: u64,
    /// The session has changed since the last cursor,
    changed: bool,
    /// and something was given that is to be acknowledged.
    given: bool,
}

impl Dialect for Mqtt {
    fn opened(&mut self, opening: &Opening<'_>, effects: &mut Effects) {
        self.connect(opening, effects);
    }

    fn frame(&mut self, frame: Incoming<'_>, effects: &mut Effects) {
        let Incoming::Binary(bytes) = frame else {
            effects.end = Some(breach("a text frame came, and MQTT has none"));
            return;
        };
        self.packets.take(bytes);
        while effects.end.is_none() && effects.fatal.is_none() {
            match self.packets.next() {
                Ok(Some(packet)) => self.packet(packet, effects),
                Ok(None) => break,
                Err(cause) if cause.code == CauseCode::TooLarge => {
                    effects.end = Some(cause.with(self.advice(Refused::TooLarge)));
                }
                Err(cause) => effects.end = Some(cause),
            }
        }
    }

    fn closed(&self, code: u16, reason: &str) -> Option<Cause> {
        handshake::refusal_in_close(reason).filter(|_| code == 1002)
    }

    /// Ends a batch: one cursor for all of it, and one mark.
    fn settle(&mut self, effects: &mut Effects) {
        if mem::take(&mut self.changed) {
            effects.items.push(Item::Cursor(self.session.cursor()));
        }
        if mem::take(&mut self.given) {
            effects.items.push(Item::Mark(self.mark));
        }
    }

    fn committed(&mut self, mark: u64, effects: &mut Effects) {
        let due = self.session.doubts.acknowledge(mark, self.rounds.sent());
        if !due.is_empty() {
            send(effects, |out| {
                due.iter().try_fold(0, |bytes, acknowledgement| Ok(bytes + acknowledgement.write(out)?))
            });
            self.probe(effects);
        }
    }

    fn advice(&self, refused: Refused) -> Option<String> {
        let client = &self.session.client;
        (refused == Refused::TooLarge).then(|| format!(
            "with QoS 1 or 2 the broker sends it again on every connection, until its session of the client {client} is \
             removed; a limit to what it takes keeps such messages out"
        ))
    }

    fn heartbeat(&mut self) -> Option<Outgoing> {
        let mut effects = Effects::default();
        self.beat(&mut effects);
        effects.frames.pop()
    }
}

impl Mqtt {
    fn packet(&mut self, packet: Packet, effects: &mut Effects) {
        match (packet, self.stage) {
            (Packet::ConnAck(answer), Stage::Connecting) => self.connected(&answer, effects),
            (_, Stage::Connecting) => effects.end = Some(breach("the broker's first packet is no CONNACK")),
            (Packet::Publish(publish), _) => self.publish(&publish, effects),
            // The broker has our PUBREC and now forgets the message (figure 4.3).
            (Packet::PubRel(release), _) => send(effects, |out| PubComp::new(release.pkid).write(out)),
            (Packet::PingResp, _) => self.answered(effects),
            (Packet::SubAck(answer), Stage::Subscribing { suback: true, unsuback, caught_up })
                if answer.pkid == SUBSCRIBE_ID =>
            {
                self.stage = Stage::Subscribing { suback: false, unsuback, caught_up };
                self.subscribed(&answer, effects);
            }
            (Packet::UnsubAck(answer), Stage::Subscribing { suback, unsuback: true, caught_up })
                if answer.pkid == UNSUBSCRIBE_ID =>
            {
                self.stage = Stage::Subscribing { suback, unsuback: false, caught_up };
                self.open_if_done(effects);
            }
            _ => effects.end = Some(breach("a packet came that nothing had asked for")),
        }
    }

    fn publish(&mut self, publish: &Publish, effects: &mut Effects) {
        let hash = hash(publish);
        match publish.qos {
            QoS::AtMostOnce => {
                self.changed |= !mem::replace(&mut self.session.unkept, true);
                self.give(publish, hash, effects);
            }
            QoS::AtLeastOnce | QoS::ExactlyOnce => {
                self.mark += 1;
                let is_new = self.session.doubts.is_new(publish, hash, self.mark);
                if is_new {
                    self.give(publish, hash, effects);
                }
                (self.changed, self.given) = (true, true);
                self.came(is_new, effects);
            }
        }
    }

    fn give(&mut self, publish: &Publish, hash: u64, effects: &mut Effects) {
        let message = if let Ok(text) = str::from_utf8(&publish.payload) {
            self.shaper.message(text, &publish.topic, effects)
        } else {
            let message = Message::new(&publish.topic, &self.context.name, "", publish.payload.len());
            Some(Message { kind: MessageKind::Binary, ..message })
        };
        let Some(mut message) = message else { return };
        if publish.retain {
            // It was there before the subscription (MQTT-3.3.1-8). When a broker has lost the session, the same one comes
            // again, and its content is all that tells.
            message.arrival = Arrival::Old;
            message.id.get_or_insert_with(|| format!("retained-{hash:016x}"));
        } else if self.rounds.hold() {
            message.arrival = Arrival::CaughtUp;
        }
        effects.message(message);
    }
}

/// FNV-1a, which is the same in every version of the program, of the topic, a byte that no topic has, and the payload.
fn hash(publish: &Publish) -> u64 {
    let bytes = publish.topic.bytes().chain([0]).chain(publish.payload.iter().copied());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
