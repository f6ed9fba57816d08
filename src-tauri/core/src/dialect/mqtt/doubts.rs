//! Messages of QoS 1 or 2 that the broker may send again: it does so on the next socket, before anything else, until it has
//! our acknowledgement (sections 4.4 and 4.6). A message is in doubt from when it was given until the broker has answered a
//! PINGREQ that followed the acknowledgement, which proves that this came before.

use std::collections::VecDeque;

use bytes::BytesMut;
use mqttbytes::v4::{PubAck, PubRec, Publish};
use mqttbytes::{Error, QoS};

/// The most that are remembered; only what is acknowledged is forgotten for that. Brokers wait for acknowledgements after
/// 10 (RabbitMQ) to 32 (EMQX) messages unless they are told otherwise, so only an unusual one ever comes near.
const DOUBTS_MAX: usize = 4096;

/// The doubts of a socket.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    /// In the order in which they came.
    list: VecDeque<Doubt>,
    /// How many of them came on this socket,
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
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It was given on an earlier socket. Whether the broker has our acknowledgement is not known.
    Earlier,
    /// It was given on this one with this mark, and will be acknowledged when that is on disk.
    Given(u64, QoS),
    /// It was acknowledged after so many PINGREQs.
    Acknowledged(u64),
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

impl Doubts {
    /// Of an earlier socket.
    pub(super) fn earlier(listed: Vec<(u16, u64)>) -> Self {
        let newest = listed.len().saturating_sub(DOUBTS_MAX);
        let earlier = listed.into_iter().skip(newest).map(|(id, hash)| Doubt { id, hash, state: State::Earlier });
        let list = earlier.collect();
        Self { list, came: 0, news: false }
    }

    /// For a later socket. What an earlier one gave is no longer among it once something new came on this one: had the
    /// broker not had our acknowledgement, it would have sent that again first.
    pub(super) fn list(&self) -> Vec<(u16, u64)> {
        let doubts = self.list.iter().filter(|doubt| !self.news || doubt.state != State::Earlier);
        doubts.map(|doubt| (doubt.id, doubt.hash)).collect()
    }

    /// A message came, which has to be acknowledged as of this mark. False: it is one that was given already.
    pub(super) fn is_new(&mut self, publish: &Publish, hash: u64, mark: u64) -> bool {
        let (id, marked) = (publish.pkid, publish.dup);
        self.came += 1;
        // RabbitMQ numbers from 1 on each socket, so that an identifier of an earlier one says nothing, and marks what it
        // sends again. mosquitto and aedes keep the identifier, but aedes marks nothing.
        let counted = u64::from(id) == self.came;
        let given = self.list.iter().position(|doubt| {
            doubt.hash == hash
                && match doubt.state {
                    State::Earlier if counted => marked,
                    State::Earlier => doubt.id == id,
                    State::Given(..) | State::Acknowledged(_) => marked && doubt.id == id,
                }
        });
        let given = given.and_then(|at| self.list.remove(at));
        // Whose identifier this was has been acknowledged.
        self.list.retain(|doubt| doubt.id != id || (counted && doubt.state == State::Earlier));
        self.make_room();
        self.list.push_back(Doubt { id, hash, state: State::Given(mark, publish.qos) });
        self.news |= given.is_none();
        given.is_none()
    }

    fn make_room(&mut self) {
        if self.list.len() >= DOUBTS_MAX
            && let Some(oldest) = self.list.iter().position(|doubt| matches!(doubt.state, State::Acknowledged(_)))
        {
            self.list.remove(oldest);
        }
    }

    /// Everything up to this mark is on disk: the acknowledgements that are due now, after so many PINGREQs, in the order in
    /// which the messages came (MQTT-4.6.0-2).
    pub(super) fn acknowledge(&mut self, mark: u64, pings: u64) -> Vec<Acknowledgement> {
        let acknowledged = |doubt: &mut Doubt| match doubt.state {
            State::Given(given, qos) if given <= mark => {
                doubt.state = State::Acknowledged(pings);
                Some(match qos {
                    QoS::ExactlyOnce => Acknowledgement::Received(PubRec::new(doubt.id)),
                    QoS::AtMostOnce | QoS::AtLeastOnce => Acknowledgement::Ack(PubAck::new(doubt.id)),
                })
            }
            State::Earlier | State::Given(..) | State::Acknowledged(_) => None,
        };
        self.list.iter_mut().filter_map(acknowledged).collect()
    }

    /// So many PINGREQs were answered. True: some are no longer in doubt.
    pub(super) fn answered(&mut self, pings: u64) -> bool {
        self.forget(|state| matches!(state, State::Acknowledged(before) if before < pings))
    }

    /// The broker has sent again what it had no PUBACK of. True: some are no longer in doubt.
    pub(super) fn sent_again(&mut self) -> bool {
        self.forget(|state| state == State::Earlier)
    }

    /// Whether some are not on disk yet.
    pub(super) fn any_given(&self) -> bool {
        self.list.iter().any(|doubt| matches!(doubt.state, State::Given(..)))
    }

    /// Whether a PINGREQ would prove something.
    pub(super) fn any_acknowledged(&self) -> bool {
        self.list.iter().any(|doubt| matches!(doubt.state, State::Acknowledged(_)))
    }

    fn forget(&mut self, which: impl Fn(State) -> bool) -> bool {
        let before = self.list.len();
        self.list.retain(|doubt| !which(doubt.state));
        self.list.len() != before
    }
}
