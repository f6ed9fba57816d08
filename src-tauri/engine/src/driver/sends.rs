//! The frames that wait to be written, each message in fragments so that the write buffer's limit holds. They belong to
//! one socket and go with it: whoever waits for one that was not sent is told so.

use std::collections::VecDeque;

use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::protocol::frame::Frame as WireFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Bytes, Message};

use heartwire_core::dialect::Outgoing;
use heartwire_core::link::NotSent;

use crate::socket::FRAGMENT;

/// The most bytes that wait on a link that does not get rid of them.
const MOST_WAITING: usize = 16 * 1024 * 1024;

/// What a frame that waits takes besides its payload, about.
const OVERHEAD: usize = 64;

pub(super) type Told = oneshot::Sender<Result<(), NotSent>>;

#[derive(Default)]
pub(super) struct Sends {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    /// Handed to the write buffer, not yet to the network.
    unflushed: Vec<Told>,
}

enum Waiting {
    Ping(Bytes),
    Data { kind: Data, rest: Bytes, begun: bool, told: Option<Told> },
}

impl Sends {
    /// Whether one more text of this length is taken.
    pub(super) fn has_room_for(&self, bytes: usize) -> bool {
        self.bytes == 0 || self.bytes.saturating_add(bytes) <= MOST_WAITING
    }

    /// A control frame may stand between the fragments of a message, so a ping need not wait for a long one.
    pub(super) fn push_ping(&mut self, payload: Vec<u8>) {
        self.waiting.push_front(Waiting::Ping(payload.into()));
    }

    pub(super) fn push(&mut self, frame: Outgoing, told: Option<Told>) {
        let (kind, rest) = match frame {
            Outgoing::Text(text) => (Data::Text, Bytes::from(text)),
            Outgoing::Binary(bytes) => (Data::Binary, Bytes::from(bytes)),
        };
        self.bytes += rest.len() + OVERHEAD;
        self.waiting.push_back(Waiting::Data { kind, rest, begun: false, told });
    }

    /// The next frame for the write buffer.
    pub(super) fn next(&mut self) -> Option<Message> {
        let Some(next) = self.waiting.pop_front() else {
            // An idle link keeps no room for what it may send one day.
            self.waiting = VecDeque::new();
            return None;
        };
        match next {
            Waiting::Ping(payload) => Some(Message::Ping(payload)),
            Waiting::Data { kind, mut rest, begun, told } => {
                let part = rest.split_to(rest.len().min(FRAGMENT));
                self.bytes -= part.len();
                let last = rest.is_empty();
                if last {
                    self.bytes -= OVERHEAD;
                    self.unflushed.extend(told);
                } else {
                    self.waiting.push_front(Waiting::Data { kind, rest, begun: true, told });
                }
                let code = OpCode::Data(if begun { Data::Continue } else { kind });
                Some(Message::Frame(WireFrame::message(part, code, last)))
            }
        }
    }

    /// Everything that was handed to the write buffer is with the network.
    pub(super) fn flushed(&mut self) {
        for told in self.unflushed.drain(..) {
            // Whoever asked may have left.
            let _ = told.send(Ok(()));
        }
    }

    /// Forgets what was not handed to the write buffer yet.
    pub(super) fn forget_waiting(&mut self) {
        self.bytes = 0;
        for waiting in self.waiting.drain(..) {
            if let Waiting::Data { told: Some(told), begun, .. } = waiting {
                let _ = told.send(Err(if begun { NotSent::Lost } else { NotSent::NotConnected }));
            }
        }
    }
}

impl Drop for Sends {
    fn drop(&mut self) {
        self.forget_waiting();
        for told in self.unflushed.drain(..) {
            let _ = told.send(Err(NotSent::Lost));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ping_overtakes_the_rest_of_a_long_text_and_every_text_behind_it() {
        let mut sends = Sends::default();
        sends.push(Outgoing::Text("x".repeat(2 * FRAGMENT + 1)), None);
        sends.push(Outgoing::Text("behind".to_owned()), None);
        let mut order = Vec::new();
        while let Some(message) = sends.next() {
            if order.is_empty() {
                sends.push_ping(vec![7]);
            }
            order.push(match message {
                Message::Ping(payload) => ("ping", payload.len(), true),
                Message::Frame(frame) if frame.header().opcode == OpCode::Data(Data::Continue) => {
                    ("more", frame.payload().len(), frame.header().is_final)
                }
                Message::Frame(frame) => ("text", frame.payload().len(), frame.header().is_final),
                other => panic!("{other:?}"),
            });
        }
        let expected = [
            ("text", FRAGMENT, false),
            ("ping", 1, true),
            ("more", FRAGMENT, false),
            ("more", 1, true),
            ("text", 6, true),
        ];
        assert_eq!(order, expected);
        assert!(sends.has_room_for(MOST_WAITING));
    }
}
