//! Messages of QoS 1 or 2 that the broker may send again: it does so on the next socket, before anything else, until it has
//! our acknowledgement (sections 4.4 and 4.6). A message is in doubt from when it was given until the broker has answered a
//! PINGREQ that followed the acknowledgement, which proves that this came before.

use std::collections::{BTreeMap, VecDeque};

use bytes::BytesMut;
use mqttbytes::v4::{PubAck, PubRec, Publish};
use mqttbytes::{Error, QoS};

/// The doubts of a socket. Nothing bounds them but their identifiers, of which a broker has 65,535: most wait for
/// acknowledgements after 10 (RabbitMQ) to 32 (EMQX) messages, but mosquitto before 2.0.13 sends up to 20 more for
/// each acknowledgement of its oldest (`db__message_delete_outgoing`), and so soon all that it kept.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    /// Identifier and hash of those that were given on earlier sockets and have not come on this one, in the order in which
    /// they came. Whether the broker has our acknowledgements is not known.
    earlier: VecDeque<(u16, u64)>,
    /// Those that came on this one, by their marks; acknowledged are the first ones.
    here: BTreeMap<u64, Doubt>,
    /// The mark of each identifier among them.
    marks: BTreeMap<u16, u64>,
    /// How many have come on this socket,
    came: u64,
    /// and whether one was new.
    news: bool,
}

#[derive(Clone, Copy, Debug)]
struct Doubt {
    /// The packet identifier, which belongs to the message until the broker has our acknowledgement.
    id: u16,
    /// Of topic and payload: the identifier may be another message's by now.
    hash: u64,
    qos: QoS,
    /// It was acknowledged after so many PINGREQs. None: it will be when its mark is on disk.
    acknowledged: Option<u64>,
}

/// What tells the broker that a message is safe with us.
#[derive(Debug, PartialEq)]
pub(super) enum Acknowledgement {
    /// Of QoS 1.
    Ack(PubAck),
    /// Of QoS 2.
    Received(PubRec),
}

impl Acknowledgement {
    pub(super) fn write(&self, out: &mut BytesMut) -> Result<usize, Error> {
        match self {
            Self::Ack(packet) => packet.write(out),
            Self::Received(packet) => packet.write(out),
        }
    }
}

impl Doubt {
    fn acknowledgement(&self) -> Acknowledgement {
        match self.qos {
            QoS::ExactlyOnce => Acknowledgement::Received(PubRec::new(self.id)),
            QoS::AtMostOnce | QoS::AtLeastOnce => Acknowledgement::Ack(PubAck::new(self.id)),
        }
    }
}

impl Doubts {
    /// Of an earlier socket.
    pub(super) fn earlier(listed: Vec<(u16, u64)>) -> Self {
        Self { earlier: listed.into(), ..Self::default() }
    }

    /// For a later socket, in the order in which it would come again. What an earlier one gave is no longer among it once
    /// something new came on this one: had the broker not had our acknowledgement, it would have sent that again first.
    pub(super) fn list(&self) -> Vec<(u16, u64)> {
        let here = self.here.values().map(|doubt| (doubt.id, doubt.hash));
        here.chain(self.earlier.iter().copied().filter(|_| !self.news)).collect()
    }

    /// A message came, which has to be acknowledged as of this mark, the highest yet. False: it is one that was given
    /// already.
    pub(super) fn is_new(&mut self, publish: &Publish, hash: u64, mark: u64) -> bool {
        let (id, marked) = (publish.pkid, publish.dup);
        self.came += 1;
        // Unless this is the same again, whose identifier this was has been acknowledged.
        let before = self.marks.insert(id, mark).and_then(|before| self.here.remove(&before));
        let again = marked && before.is_some_and(|before| before.hash == hash);
        let given = again || self.was_given_earlier(id, hash, marked);
        self.here.insert(mark, Doubt { id, hash, qos: publish.qos, acknowledged: None });
        self.news |= !given;
        !given
    }

    fn was_given_earlier(&mut self, id: u16, hash: u64, marked: bool) -> bool {
        // RabbitMQ numbers from 1 on each socket, so that an identifier of an earlier one says nothing, and marks what it
        // sends again. mosquitto and aedes keep the identifier, but aedes marks nothing.
        if u64::from(id) == self.came {
            return marked && self.comes_in_turn(hash);
        }
        // It comes in its old order, so that this looks no further than the first as a rule.
        if let Some(at) = self.earlier.iter().position(|&it| it == (id, hash)) {
            self.earlier.remove(at);
            return true;
        }
        self.earlier.retain(|(was, _)| *was != id);
        false
    }

    /// Where the order is all that tells messages of the same content apart: of what stood before the one that came, the
    /// broker has our acknowledgements, and of all of it once one comes that was never given.
    fn comes_in_turn(&mut self, hash: u64) -> bool {
        let at = self.earlier.iter().position(|&(_, of)| of == hash);
        self.earlier.drain(..at.map_or(self.earlier.len(), |at| at + 1));
        at.is_some()
    }

    /// Everything up to this mark is on disk: the acknowledgements that are due now, after so many PINGREQs, in the order in
    /// which the messages came (MQTT-4.6.0-2).
    pub(super) fn acknowledge(&mut self, mark: u64, pings: u64) -> Vec<Acknowledgement> {
        let due = self.here.range_mut(..=mark).filter(|(_, doubt)| doubt.acknowledged.is_none());
        let acknowledge = |(_, doubt): (_, &mut Doubt)| {
            doubt.acknowledged = Some(pings);
            doubt.acknowledgement()
        };
        due.map(acknowledge).collect()
    }

    /// So many PINGREQs were answered. True: some are no longer in doubt.
    pub(super) fn answered(&mut self, pings: u64) -> bool {
        let before = self.here.len();
        while let Some(first) = self.here.first_entry()
            && first.get().acknowledged.is_some_and(|before| before < pings)
        {
            self.marks.remove(&first.remove().id);
        }
        self.here.len() != before
    }

    /// The broker has sent again what it had no PUBACK of. True: some are no longer in doubt.
    pub(super) fn sent_again(&mut self) -> bool {
        !std::mem::take(&mut self.earlier).is_empty()
    }

    /// Whether some are not on disk yet.
    pub(super) fn any_given(&self) -> bool {
        self.here.last_key_value().is_some_and(|(_, newest)| newest.acknowledged.is_none())
    }

    /// Whether a PINGREQ would prove something.
    pub(super) fn any_acknowledged(&self) -> bool {
        self.here.first_key_value().is_some_and(|(_, oldest)| oldest.acknowledged.is_some())
    }
}
