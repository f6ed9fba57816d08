mod bytes;
mod deaths;
mod delivery;
mod opening;

use mqttbytes::QoS;
use mqttbytes::v4::{self, ConnAck, ConnectReturnCode, Packet, Publish, SubAck, SubscribeReasonCode};
use serde_json::{Value, json};

use super::wire::Packets;
use crate::dialect::tests::connection;
use crate::dialect::{self, CaughtUp, Dialect, Effects, Incoming, Item, Missing, Opening, Outgoing};
use crate::link::ResumeData;
use crate::message::{Arrival, Message};

const RECOVERED: CaughtUp = CaughtUp::Recovered { keeps: None };

/// A packet as a broker writes it.
macro_rules! packet {
    ($packet:expr) => {{
        let mut out = ::bytes::BytesMut::new();
        $packet.write(&mut out).unwrap();
        out.to_vec()
    }};
}
use packet;

fn connack(session_present: bool) -> Vec<u8> {
    packet!(ConnAck { session_present, code: ConnectReturnCode::Success })
}

fn suback(codes: usize) -> Vec<u8> {
    packet!(SubAck::new(1, vec![SubscribeReasonCode::Success(QoS::AtLeastOnce); codes]))
}

fn pingresp() -> Vec<u8> {
    packet!(v4::PingResp)
}

/// QoS 0 where the identifier is 0, else 1.
fn publish(id: u16, text: &str) -> Publish {
    let qos = if id == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
    Publish { pkid: id, ..Publish::new("n", qos, text) }
}

/// A socket to a broker that is played by the test.
struct Socket {
    dialect: Box<dyn Dialect>,
    /// The newest cursor.
    cursor: Option<ResumeData>,
    /// The newest mark.
    mark: u64,
}

impl Socket {
    /// What the settings with these keys make, opened with this cursor; the CONNECT is read.
    fn opened(keys: Value, cursor: Option<ResumeData>) -> Self {
        let mut keys = keys;
        keys.as_object_mut().unwrap().entry("subscribe").or_insert(json!(["n"]));
        let mut dialect = dialect::new(&connection("mqtt", keys));
        let mut effects = Effects::default();
        dialect.opened(&Opening { cursor: cursor.as_ref(), random: 7 << 8, ..Opening::default() }, &mut effects);
        assert!(matches!(sent(&effects)[..], [Packet::Connect(_)]));
        Self { dialect, cursor, mark: 0 }
    }

    /// At the first contact, with the handshake done.
    fn first() -> Self {
        let mut socket = Self::opened(json!({}), None);
        socket.frame(&connack(false));
        socket.frame(&suback(1));
        socket
    }

    /// The next one after this, with its session present and everything caught up.
    fn again(self) -> Self {
        let mut socket = Self::opened(json!({}), self.cursor);
        socket.frame(&connack(true));
        assert_eq!(socket.quiet_rounds(), [RECOVERED]);
        socket
    }

    /// The broker answers every PINGREQ, of which one is under way, and has nothing else to say: what is said of what was
    /// missed.
    fn quiet_rounds(&mut self) -> Vec<CaughtUp> {
        let mut said = Vec::new();
        for _ in 0..100 {
            let effects = self.frame(&pingresp());
            said.extend(words(&effects));
            if sent(&effects).is_empty() {
                return said;
            }
        }
        panic!("there is no end of PINGREQs");
    }

    fn frame(&mut self, bytes: &[u8]) -> Effects {
        let mut effects = Effects::default();
        self.dialect.frame(Incoming::Binary(bytes), &mut effects);
        self.dialect.settle(&mut effects);
        for item in &effects.items {
            match item {
                Item::Cursor(cursor) => self.cursor = Some(cursor.clone()),
                Item::Mark(mark) => self.mark = *mark,
                Item::Message(_) | Item::Withdrawn(_) | Item::CaughtUp(_) => {}
            }
        }
        effects
    }

    fn publish(&mut self, publish: &Publish) -> Effects {
        self.frame(&packet!(publish))
    }

    /// Everything so far is on disk: what is sent then.
    fn commit(&mut self) -> Vec<Packet> {
        let mut effects = Effects::default();
        self.dialect.committed(self.mark, &mut effects);
        assert!(effects.items.is_empty());
        sent(&effects)
    }

    /// What the newest cursor has in doubt.
    fn doubts(&self) -> Vec<u16> {
        let cursor: Value = serde_json::from_str(&self.cursor.as_ref().unwrap().0).unwrap();
        let doubts = cursor["doubts"].as_array().unwrap();
        doubts.iter().map(|doubt| u16::try_from(doubt[0].as_u64().unwrap()).unwrap()).collect()
    }
}

/// The packets that are to be sent.
fn sent(effects: &Effects) -> Vec<Packet> {
    let mut packets = Packets::default();
    let mut read = Vec::new();
    for frame in &effects.frames {
        let Outgoing::Binary(bytes) = frame else { panic!("{frame:?}") };
        packets.take(bytes);
        while let Some(packet) = packets.next().unwrap() {
            read.push(packet);
        }
    }
    read
}

/// What is said of what was missed.
fn words(effects: &Effects) -> Vec<CaughtUp> {
    let words = effects.items.iter().filter_map(|item| match item {
        Item::CaughtUp(word) => Some(*word),
        _ => None,
    });
    words.collect()
}

fn texts(effects: &Effects) -> Vec<&str> {
    effects.messages().map(|message| message.body.as_str()).collect()
}

fn only_message(effects: &Effects) -> &Message {
    let messages: Vec<_> = effects.messages().collect();
    let [message] = messages[..] else { panic!("{messages:?}") };
    message
}
