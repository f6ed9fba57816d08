//! What we say in STOMP, and what the entries of `subscribe` mean.

use std::borrow::Cow;
use std::fmt::Write;

use super::super::{Context, Opening};
use crate::secret::Secret;

/// What names a durable subscription: to ActiveMQ and to Artemis, and to Artemis alone.
const NAMED: [&str; 2] = ["activemq.subscriptionName", "durable-subscription-name"];

/// What makes a subscription outlast its socket: its name, and to RabbitMQ what its queue is and is called.
const LASTING: [&str; 6] = [NAMED[0], NAMED[1], "durable", "auto-delete", "x-queue-name", "x-queue-type"];

/// The receipt of a frame that is sent only to be answered.
pub(super) const OVER: &str = "over";

/// What a server is, by the name that it tells, as far as it matters for what it keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broker {
    /// Spring's, which tells no name, answers no receipts and keeps nothing ("it does not support acks, receipts, and some
    /// other features").
    Simple,
    /// `ActiveMQ` Classic.
    ActiveMq,
    /// `ActiveMQ` Artemis.
    Artemis,
    /// RabbitMQ, or one whose queues are called as there.
    Other,
}

impl Broker {
    /// The one that calls itself so.
    pub(super) fn of(server: Option<&str>) -> Self {
        match server {
            None => Self::Simple,
            Some(name) if name.starts_with("ActiveMQ/") => Self::ActiveMq,
            Some(name) if name.starts_with("ActiveMQ-Artemis/") => Self::Artemis,
            Some(_) => Self::Other,
        }
    }
}

/// An entry of `subscribe`.
pub(super) struct Destination<'a> {
    pub(super) name: &'a str,
    headers: Vec<(&'a str, &'a str)>,
}

impl<'a> Destination<'a> {
    pub(super) fn of(entry: &'a str) -> Option<Self> {
        let mut lines = entry.lines();
        let name = lines.next()?;
        let headers = lines.map(|line| line.split_once(':')).collect::<Option<_>>()?;
        Some(Self { name, headers })
    }

    /// Whether the broker keeps for us what we did not acknowledge: a queue, or a topic with the headers of a durable
    /// subscription ("Destinations" and "Durable Topic Subscriptions" of RabbitMQ's guide to STOMP; those of ActiveMQ
    /// (`ProtocolConverter.onStompSubscribe`) and Artemis have a name). To Artemis `/queue/` means nothing unless its
    /// settings say so: a destination goes to all who are there (`StompSession.addSubscription`), and we cannot know. See
    /// [`Self::subscribe`] for `passing`.
    pub(super) fn is_durable(&self, broker: Broker, passing: bool) -> bool {
        if self.is_queue(broker) {
            return broker != Broker::Other || !self.has("auto-delete", "true") && !self.has("exclusive", "true");
        }
        let lasts = match broker {
            Broker::Simple => false,
            Broker::ActiveMq => self.headers.iter().any(|(name, _)| *name == NAMED[0]),
            Broker::Artemis => self.subscription().is_some(),
            Broker::Other => self.has("durable", "true") && self.has("auto-delete", "false"),
        };
        lasts && !passing
    }

    fn is_queue(&self, broker: Broker) -> bool {
        match broker {
            Broker::Simple => false,
            Broker::ActiveMq => self.name.starts_with("/queue/"),
            Broker::Artemis => self.has("subscription-type", "ANYCAST"),
            Broker::Other => self.name.starts_with("/queue/") || self.name.starts_with("/amq/queue/"),
        }
    }

    fn has(&self, name: &str, value: &str) -> bool {
        self.headers.contains(&(name, value))
    }

    /// The name of a durable subscription.
    fn subscription(&self) -> Option<&'a str> {
        self.headers.iter().find(|(name, _)| NAMED.contains(name)).map(|(_, value)| *value)
    }

    /// The destination is its own id: a durable subscription must have the same one every time. What cannot be kept stays with
    /// the broker where that keeps it, unacknowledged in a queue; beside a durable subscription it is one that ends with the
    /// socket, since the durable one would outlast a trial, or is somebody's already.
    pub(super) fn subscribe(&self, passing: bool, broker: Broker) -> String {
        let name = escaped(self.name);
        let ack = if passing && !self.is_durable(broker, passing) { "auto" } else { "client-individual" };
        let mut frame = format!("SUBSCRIBE\nid:{name}\ndestination:{name}\nack:{ack}\nreceipt:{name}\n");
        let lasting = !passing || self.is_queue(broker);
        for (name, value) in self.headers.iter().filter(|(name, _)| lasting || !LASTING.contains(name)) {
            // Writing to a String cannot fail.
            let _ = writeln!(frame, "{}:{}", escaped(name), escaped(value));
        }
        frame + "\n\0"
    }
}

/// What is subscribed to.
pub(super) fn destinations(context: &Context) -> impl Iterator<Item = Destination<'_>> {
    // Every entry was checked with the settings.
    context.subscribe.iter().filter_map(|entry| Destination::of(entry))
}

/// The first frame. It knows no escapes ("Value Encoding"); neither a user nor a secret has a line break. RabbitMQ reads
/// escapes here all the same: for it a backslash in a password has to be given as two.
pub(super) fn connect(context: &Context, opening: &Opening<'_>) -> String {
    let vhost = |(name, host): &(Cow<'_, str>, Cow<'_, str>)| name == "vhost" && !host.contains(char::is_control);
    let host = context.url.query_pairs().find(vhost).map_or("/".into(), |(_, host)| host);
    // Half as long again as we mean to be: a heart-beat may be held up on its way. Where the person wants other heartbeats
    // there may be none of ours.
    let ours = if context.auto_heartbeat { (context.every + context.every / 2).as_millis() } else { 0 };
    let mut frame = format!("CONNECT\naccept-version:1.2\nhost:{host}\nheart-beat:{ours},0\n");
    // A named subscription is that of a client. Without an id of ours ActiveMQ takes one that it never gives again, and keeps
    // for that one for ever (`ProtocolConverter.onStompConnect`); Artemis refuses the subscription.
    let mut names = destinations(context).filter_map(|destination| destination.subscription());
    if let Some(name) = names.next().filter(|_| !opening.passing) {
        let _ = writeln!(frame, "client-id:{name}");
    }
    if let Some(user) = opening.user {
        let _ = writeln!(frame, "login:{user}");
    }
    if let Some(secret) = opening.secret.map(Secret::expose) {
        let _ = writeln!(frame, "passcode:{secret}");
        if opening.user.is_none() {
            // A token: Spring's applications read it here, RabbitMQ's OAuth 2 takes the passcode for it.
            let _ = writeln!(frame, "Authorization:Bearer {secret}");
        }
    }
    frame + "\n\0"
}

/// Acknowledges a message.
pub(super) fn ack(id: &str) -> String {
    format!("ACK\nid:{}\n\n\0", escaped(id))
}

/// Frames that change nothing, of which the first is answered.
pub(super) fn over() -> [String; 2] {
    [format!("BEGIN\ntransaction:{OVER}\nreceipt:{OVER}\n\n\0"), format!("ABORT\ntransaction:{OVER}\n\n\0")]
}

/// A header of any frame but CONNECT ("Value Encoding").
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\r', "\\r").replace('\n', "\\n").replace(':', "\\c")
}
