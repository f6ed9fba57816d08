//! STOMP 1.2 (stomp.github.io/stomp-specification-1.2.html) as RabbitMQ, ActiveMQ, Artemis and Spring speak it over
//! WebSocket. Each entry of `subscribe` is a destination; its further lines are headers for the SUBSCRIBE frame, such
//! as `selector:…`. What a message's texts become is for the person's templates to say.
//!
//! **Nothing lost.** Every message is acknowledged one by one (`client-individual`), after it is on disk. A queue, or a
//! topic that is subscribed to as durable, sends again what was not acknowledged; any other topic sends only to who is
//! there. So a connection is complete after a gap if all its destinations are of the first kind, and says so only then.
//!
//! **Nothing twice** where the server has an id that outlives a session: ActiveMQ's `message-id`, or `amqp-message-id`,
//! which is what RabbitMQ calls the id that the sender gave; the person's template for ids comes before both.
//! RabbitMQ's own `message-id` is made of the session (`rabbit_stomp_util:create_message_id`), Spring's of the session
//! and a counter, and other servers count from 1 again: to take those for ids would lose messages. Without an id a
//! message comes twice whose acknowledgement was cut off.
//!
//! **Life.** A WebSocket ping proves the link: its answer comes at once, while a server's heart-beat comes when it
//! likes (Spring's up to twice as late as agreed). So no heart-beats are asked of the server. Ours go beside our pings,
//! whatever arrives, for servers that count only STOMP's bytes (Artemis does).

mod error;
mod frames;
mod said;

use std::collections::BTreeSet;
use std::sync::Arc;

use super::acks::Unacknowledged;
use super::shape::Shaper;
use super::{
    CaughtUp, Context, Dialect, Effects, Incoming, Item, KeepAlive, LONGEST_SENT_AGAIN, Login, Missing, Opening,
    Outgoing, Refused, Spec, Subscribe,
};
use crate::cause::{Cause, CauseCode};
use crate::link::ResumeData;
use crate::message::{Arrival, Message, usable_id};
use crate::text::one_line;
use frames::{Frame, Reader};
use said::{Broker, Destination, connect, destinations, over};

pub(super) const SPEC: Spec = Spec {
    name: "stomp",
    longest_message: LONGEST_SENT_AGAIN,
    login: Login::InFrames,
    subscribe: Some(Subscribe {
        what: "a destination",
        example: "/queue/alerts",
        required: true,
        check: |entry| {
            let wrong = Destination::of(entry).is_none();
            wrong.then(|| "has a line after the first that is no header, as in durable:true".to_owned())
        },
    }),
    subprotocols: &["v12.stomp"],
    presets: &[include_str!("../../../../config/presets/stomp.toml")],
    make: |context| Box::new(Stomp::new(context)),
    ..Spec::DEFAULT
};

/// The longest name of what is to be acknowledged, in bytes. Those of brokers have less than 100.
const ACK_MAX: usize = 1_024;

/// One session.
struct Stomp {
    context: Arc<Context>,
    shaper: Shaper,
    reader: Reader,
    stage: Stage,
    /// Durable destinations that had been subscribed to before this session.
    known: BTreeSet<String>,
    /// Until CONNECTED it is taken for one that keeps nothing.
    broker: Broker,
    /// See [`Opening::passing`].
    passing: bool,
    unacknowledged: Unacknowledged,
}

enum Stage {
    Connecting,
    /// These destinations have not been taken yet.
    Subscribing(BTreeSet<String>),
    /// What was missed comes now. It is over when nothing more can be read after `answered`, the end of a round trip.
    Resending {
        answered: bool,
    },
    Live,
}

impl Stomp {
    fn new(context: &Arc<Context>) -> Self {
        Self {
            context: Arc::clone(context),
            shaper: Shaper::new(context),
            reader: Reader::default(),
            stage: Stage::Connecting,
            known: BTreeSet::new(),
            broker: Broker::Simple,
            passing: false,
            unacknowledged: Unacknowledged::default(),
        }
    }

    fn take(&mut self, frame: &Frame, effects: &mut Effects) {
        match (frame.command.as_str(), &self.stage) {
            ("CONNECTED", Stage::Connecting) => self.connected(frame, effects),
            ("RECEIPT", _) => self.receipt(frame.header("receipt-id").unwrap_or_default(), effects),
            ("MESSAGE", Stage::Subscribing(_) | Stage::Resending { .. } | Stage::Live) => self.message(frame, effects),
            ("ERROR", _) => error::take(frame, effects),
            (command, _) => {
                let command = one_line(command, 40);
                let text = format!("the server sent a frame of STOMP where it does not belong: {command}");
                effects.end = Some(Cause::new(CauseCode::Protocol, text));
            }
        }
    }

    fn connected(&mut self, frame: &Frame, effects: &mut Effects) {
        let version = frame.header("version").unwrap_or("1.0");
        if version != "1.2" {
            let text = format!("the server speaks STOMP {}, and only 1.2 is known here", one_line(version, 20));
            effects.fatal = Some(Cause::new(CauseCode::Configuration, text));
            return;
        }
        self.broker = Broker::of(frame.header("server"));
        for destination in destinations(&self.context) {
            effects.send(destination.subscribe(self.passing, self.broker));
        }
        let answers = self.broker != Broker::Simple;
        let waited_for = destinations(&self.context).filter(|_| answers).map(|it| it.name.to_owned());
        self.stage = Stage::Subscribing(waited_for.collect());
        self.receipt("", effects);
    }

    fn receipt(&mut self, of: &str, effects: &mut Effects) {
        match &mut self.stage {
            Stage::Subscribing(waited_for) => {
                waited_for.remove(of);
                if waited_for.is_empty() {
                    self.subscribed(effects);
                }
            }
            Stage::Resending { answered } => *answered |= of == said::OVER,
            Stage::Connecting | Stage::Live => {}
        }
    }

    fn subscribed(&mut self, effects: &mut Effects) {
        effects.ready = true;
        let durable = self.durable().collect::<Vec<_>>().join("\n");
        if durable.is_empty() {
            self.stage = Stage::Live;
            effects.items.push(Item::CaughtUp(CaughtUp::Missing(Missing::NoReplay)));
            return;
        }
        effects.items.push(Item::Cursor(ResumeData(durable)));
        // A broker takes a subscription first and then finds what to send. By the answer to one more frame, which
        // changes nothing, it has begun.
        effects.frames.extend(over().map(Outgoing::Text));
        self.stage = Stage::Resending { answered: false };
    }

    /// The destinations that are sent again.
    fn durable(&self) -> impl Iterator<Item = &str> {
        let durable = |destination: &Destination<'_>| destination.is_durable(self.broker, self.passing);
        destinations(&self.context).filter(durable).map(|destination| destination.name)
    }

    /// What is known of the time before this session, now that nothing of it is left to come.
    fn caught_up(&self) -> CaughtUp {
        if destinations(&self.context).any(|destination| !destination.is_durable(self.broker, self.passing)) {
            CaughtUp::Missing(Missing::NoReplay)
        } else if self.durable().all(|name| !self.known.contains(name)) {
            CaughtUp::FirstContact
        } else {
            CaughtUp::Recovered { keeps: None }
        }
    }

    fn message(&mut self, frame: &Frame, effects: &mut Effects) {
        let topic = frame.header("destination").unwrap_or_default();
        let message = match std::str::from_utf8(&frame.body) {
            Ok(text) => self.shaper.message(text, topic, effects),
            Err(_) => Some(Message::binary(frame.body.len())),
        };
        if let Some(message) = message {
            let id = message.id.clone().or_else(|| self.id(frame));
            let arrival = self.arrival(frame);
            let sent_ms = frame.header("timestamp").and_then(milliseconds);
            effects.message(Message { id, sent_ms, arrival, ..message });
        }
        if let Some(ack) = frame.header("ack") {
            if ack.len() > ACK_MAX {
                let text = "the server wants something acknowledged whose name is too long";
                effects.end = Some(Cause::new(CauseCode::Protocol, text));
                return;
            }
            self.unacknowledged.push(ack.to_owned());
        }
    }

    fn id(&self, frame: &Frame) -> Option<String> {
        let own = frame.header("message-id").filter(|_| self.broker == Broker::ActiveMq);
        frame.header("amqp-message-id").or(own).and_then(usable_id)
    }

    fn arrival(&self, frame: &Frame) -> Arrival {
        let subscription = frame.header("subscription").unwrap_or_default();
        let again = !matches!(self.stage, Stage::Live) || frame.header("redelivered") == Some("true");
        if !again || self.durable().all(|name| name != subscription) {
            Arrival::Live
        } else if matches!(self.stage, Stage::Live) || self.known.contains(subscription) {
            Arrival::CaughtUp
        } else {
            Arrival::Old
        }
    }
}

impl Dialect for Stomp {
    fn opened(&mut self, opening: &Opening<'_>, effects: &mut Effects) {
        let known = opening.cursor.map_or("", |cursor| cursor.0.as_str());
        self.known = known.lines().map(str::to_owned).collect();
        self.passing = opening.passing;
        // The server counts what it hears: being spoken to does not keep it from hanging up.
        let (every, timeout) = (self.context.every, self.context.timeout);
        effects.keep_alive = Some(KeepAlive { every, timeout, always: true, ours: true });
        effects.send(connect(&self.context, opening));
    }

    fn frame(&mut self, frame: Incoming<'_>, effects: &mut Effects) {
        self.reader.push(match frame {
            Incoming::Text(text) => text.as_bytes(),
            Incoming::Binary(bytes) => bytes,
        });
        while effects.fatal.is_none() && effects.end.is_none() {
            match self.reader.next() {
                Ok(Some(frame)) => self.take(&frame, effects),
                Ok(None) => break,
                Err(cause) if cause.code == CauseCode::TooLarge => {
                    effects.end = Some(cause.with(self.advice(Refused::TooLarge)));
                }
                Err(cause) => effects.end = Some(cause),
            }
        }
        effects.items.extend(self.unacknowledged.mark());
    }

    fn committed(&mut self, mark: u64, effects: &mut Effects) {
        for ack in self.unacknowledged.due(mark) {
            effects.send(said::ack(&ack));
        }
    }

    fn quiet(&mut self, effects: &mut Effects) {
        if let Stage::Resending { answered: true } = self.stage {
            self.stage = Stage::Live;
            effects.items.push(Item::CaughtUp(self.caught_up()));
        }
    }

    /// RabbitMQ sends all bodies in text frames unless it is told otherwise (`ws_frame` of its guide to Web STOMP).
    fn advice(&self, refused: Refused) -> Option<String> {
        let text = match refused {
            Refused::TooLarge if self.durable().next().is_none() => return None,
            Refused::TooLarge => {
                "out of a queue it is sent again on every connection, until it is taken from there; a limit to what the \
                 broker takes keeps such messages out"
            }
            Refused::NotUtf8 => "RabbitMQ sends bytes that are no text rightly with `web_stomp.ws_frame = binary`",
        };
        Some(text.to_owned())
    }

    fn heartbeat(&mut self) -> Option<Outgoing> {
        Some(Outgoing::Text("\n".to_owned()))
    }
}

/// When a message was sent: brokers for Java give milliseconds since the Unix epoch, AMQP has seconds.
fn milliseconds(timestamp: &str) -> Option<i64> {
    let given: i64 = timestamp.parse().ok()?;
    if given < 100_000_000_000 { given.checked_mul(1_000) } else { Some(given) }
}

#[cfg(test)]
mod tests;
