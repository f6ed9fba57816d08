//! Each message once, whenever the socket or the whole program dies: a broker that keeps its session, and a disk that has
//! only what was committed.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

/// As mosquitto: what is in flight comes again before anything else, with its identifier and DUP.
struct Broker {
    /// It numbers from 1 on each socket, as RabbitMQ does.
    renumbers: bool,
    /// How many messages it sends before it waits for acknowledgements.
    window: usize,
    /// It counts only those that are older than the acknowledged one, as mosquitto did before 2.0.13.
    miscounts: bool,
    next_id: u16,
    kept: VecDeque<String>,
    in_flight: VecDeque<Publish>,
    /// On its way to the client.
    down: VecDeque<Vec<u8>>,
}

impl Broker {
    fn connect(&mut self) {
        self.down = VecDeque::from([connack(true)]);
        if self.renumbers {
            self.next_id = 1;
        }
        for publish in &mut self.in_flight {
            publish.dup = true;
            if self.renumbers {
                publish.pkid = self.next_id;
                self.next_id += 1;
            }
            self.down.push_back(packet!(publish));
        }
        self.fill(self.in_flight.len());
    }

    fn publish(&mut self, text: String) {
        self.kept.push_back(text);
        self.fill(self.in_flight.len());
    }

    fn take(&mut self, packet: &Packet) {
        match packet {
            Packet::PubAck(ack) => {
                let at = self.in_flight.iter().position(|publish| publish.pkid == ack.pkid).unwrap();
                self.in_flight.remove(at);
                self.fill(if self.miscounts { at } else { self.in_flight.len() });
            }
            Packet::PingReq => self.down.push_back(pingresp()),
            other => panic!("{other:?}"),
        }
    }

    fn fill(&mut self, counted: usize) {
        for _ in counted..self.window {
            let Some(text) = self.kept.pop_front() else { return };
            let publish = publish(self.next_id, &text);
            self.next_id += 1;
            self.down.push_back(packet!(publish));
            self.in_flight.push_back(publish);
        }
    }
}

/// What is to be committed together.
struct Batch {
    socket: usize,
    items: Vec<Item>,
}

struct Trial {
    broker: Broker,
    sent: Vec<String>,
    dialect: Box<dyn Dialect>,
    /// How many sockets there were.
    sockets: usize,
    /// On its way to the broker.
    up: VecDeque<Packet>,
    /// The newest cursor in memory.
    cursor: Option<ResumeData>,
    /// On its way to the disk.
    batches: VecDeque<Batch>,
    /// The cursor on disk,
    durable: Option<ResumeData>,
    /// and the messages.
    stored: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Publish(usize),
    /// So many packets reach the client in one batch.
    Down(usize),
    /// So many reach the broker.
    Up(usize),
    Commit(usize),
    Cut,
    Kill,
}

impl Trial {
    fn new(window: usize, miscounts: bool, renumbers: bool, first_id: u16) -> Self {
        let Socket { dialect, cursor, .. } = Socket::first();
        Self {
            broker: Broker {
                renumbers,
                window,
                miscounts,
                next_id: first_id,
                kept: VecDeque::new(),
                in_flight: VecDeque::new(),
                down: VecDeque::new(),
            },
            sent: Vec::new(),
            dialect,
            sockets: 1,
            up: VecDeque::new(),
            durable: cursor.clone(),
            cursor,
            batches: VecDeque::new(),
            stored: Vec::new(),
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Publish(count) => {
                for _ in 0..count {
                    let text = self.sent.len().to_string();
                    self.sent.push(text.clone());
                    self.broker.publish(text);
                }
            }
            Step::Down(count) => {
                let mut effects = Effects::default();
                let packets: Vec<_> = self.broker.down.drain(..count.min(self.broker.down.len())).collect();
                for frame in packets.chunks(8_000) {
                    self.dialect.frame(Incoming::Binary(&frame.concat()), &mut effects);
                }
                self.dialect.settle(&mut effects);
                self.act(effects);
            }
            Step::Up(count) => {
                for packet in self.up.drain(..count.min(self.up.len())) {
                    self.broker.take(&packet);
                }
            }
            Step::Commit(count) => {
                for _ in 0..count.min(self.batches.len()) {
                    let batch = self.batches.pop_front().unwrap();
                    self.commit(batch);
                }
            }
            Step::Cut => self.connect(),
            Step::Kill => {
                self.batches.clear();
                self.cursor.clone_from(&self.durable);
                self.connect();
            }
        }
    }

    fn connect(&mut self) {
        self.sockets += 1;
        self.up.clear();
        self.dialect = Socket::opened(json!({}), self.cursor.clone()).dialect;
        self.broker.connect();
    }

    fn act(&mut self, effects: Effects) {
        assert!(effects.end.is_none() && effects.fatal.is_none());
        self.up.extend(sent(&effects));
        let mut cursors = effects.items.iter().filter_map(|item| match item {
            Item::Cursor(cursor) => Some(cursor),
            _ => None,
        });
        self.cursor = cursors.next_back().or(self.cursor.as_ref()).cloned();
        self.batches.push_back(Batch { socket: self.sockets, items: effects.items });
    }

    fn commit(&mut self, batch: Batch) {
        let mut effects = Effects::default();
        for item in batch.items {
            match item {
                Item::Message(message) => self.stored.push(message.body),
                Item::Cursor(cursor) => self.durable = Some(cursor),
                Item::Mark(mark) if batch.socket == self.sockets => self.dialect.committed(mark, &mut effects),
                _ => {}
            }
        }
        self.up.extend(sent(&effects));
    }

    /// Nothing dies any more: each message is there once, in order.
    fn end(mut self) {
        while !(self.up.is_empty() && self.broker.down.is_empty() && self.batches.is_empty()) {
            for step in [Step::Up(usize::MAX), Step::Down(usize::MAX), Step::Commit(usize::MAX)] {
                self.step(step);
            }
        }
        assert!(self.broker.in_flight.is_empty() && self.broker.kept.is_empty());
        assert!(self.stored == self.sent, "{} were sent, {} are stored", self.sent.len(), self.stored.len());
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0_usize..40).prop_map(Step::Publish),
        (0_usize..60).prop_map(Step::Down),
        (0_usize..60).prop_map(Step::Down),
        (0_usize..40).prop_map(Step::Up),
        (0_usize..40).prop_map(Step::Up),
        (0_usize..6).prop_map(Step::Commit),
        (0_usize..6).prop_map(Step::Commit),
        Just(Step::Cut),
        Just(Step::Kill),
    ]
}

proptest! {
    #[test]
    fn each_message_is_stored_once_and_in_order(
        window in 1_usize..30,
        miscounts: bool,
        renumbers: bool,
        // On an early socket of a session mosquitto's identifiers are those that RabbitMQ would give.
        first_id in prop_oneof![Just(1_u16), 1_u16..50_000],
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let mut trial = Trial::new(window, miscounts, renumbers, first_id);
        trial.connect();
        for step in steps {
            trial.step(step);
        }
        trial.end();
    }
}

#[test]
fn what_a_broker_sends_again_is_known_however_much_it_is() {
    const ALL: usize = usize::MAX;
    let mut trial = Trial::new(20, true, false, 1);
    trial.step(Step::Publish(23_000));
    trial.connect();
    // Everything is in flight soon.
    while !trial.broker.kept.is_empty() {
        for step in [Step::Down(ALL), Step::Commit(ALL), Step::Up(ALL)] {
            trial.step(step);
        }
    }
    let in_flight = trial.broker.in_flight.len();
    assert!(in_flight > 14_000, "{in_flight}");
    // It dies when all of them are on disk and no acknowledgement has arrived, and again when some have come again.
    for part in [ALL, 13_000, 11_000] {
        trial.step(Step::Down(part));
        trial.step(Step::Commit(ALL));
        trial.step(Step::Kill);
    }
    trial.end();
}
