//! What will happen, in order of time; at one moment in the order in which it was planned.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use heartwire_core::time::Moment;

use crate::trace::{Generation, Told, Why};

/// What will happen. The first number is the link's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The peer has answered the dial, or refused it.
    DialAnswered(usize, Generation),
    /// The driver gives up the dial.
    DialTimesOut(usize, Generation),
    /// Bytes reach this computer.
    Comes(usize, Generation, Bytes),
    /// The server sends a message, and some time later the next one.
    Talks(usize, Generation),
    /// The peer ends the socket.
    PeerCloses(usize, Generation, Why),
    /// The peer has answered our close.
    CloseAnswered(usize, Generation),
    /// The consumer has room again.
    ReadsAgain(usize, Generation),
    /// The person does something.
    Person(usize, Told),
    /// An event of a socket that is gone comes late.
    Stale(usize, Told),
    /// The next fault.
    Fault,
    /// The computer wakes.
    Wakes,
    /// The network is well again, unless something else happened to it since.
    NetworkHeals(u32),
    /// The computer is told that its network changed; true: its address too.
    NetworkSeen(bool),
    /// The server of this number is well again, likewise.
    ServerHeals(usize, u32),
}

/// What bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bytes {
    /// The answer to a heartbeat.
    Answer,
    /// A message.
    Message,
    /// One byte of something that never ends; another follows.
    Trickle,
}

impl Event {
    /// It needs this computer to be awake.
    pub(super) const fn is_ours(&self) -> bool {
        !matches!(self, Self::Fault | Self::Wakes | Self::NetworkHeals(_) | Self::ServerHeals(..))
    }
}

/// The plan.
#[derive(Debug, Default)]
pub(super) struct Queue {
    heap: BinaryHeap<Entry>,
    number: u64,
}

impl Queue {
    pub(super) fn push(&mut self, at: Moment, event: Event) {
        self.number += 1;
        self.heap.push(Entry { at, number: self.number, event });
    }

    pub(super) fn next_at(&self) -> Option<Moment> {
        self.heap.peek().map(|entry| entry.at)
    }

    pub(super) fn pop(&mut self) -> Option<Event> {
        self.heap.pop().map(|entry| entry.event)
    }
}

#[derive(Debug)]
struct Entry {
    at: Moment,
    number: u64,
    event: Event,
}

impl Ord for Entry {
    /// The earliest is the greatest: that is what the heap gives first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Entry {}
