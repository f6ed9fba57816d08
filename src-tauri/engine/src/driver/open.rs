//! An open socket from the driver's side: what is read from it, and what waits to be written.

mod ending;

use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message as WireMessage;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use heartwire_core::cause::{Cause, CauseCode};
use heartwire_core::dialect::{Dialect, Effects, Incoming, Outgoing};
use heartwire_core::link::{Generation, NotSent, Path};

pub(super) use ending::End;

use ending::Closing;

use super::path;
use super::sends::{Sends, Told};
use crate::dial::{broke, lost};
use crate::fetch::Fetching;
use crate::socket::Socket;

/// How long, and at most how many frames and about how many bytes, are read before others get their turn. Time is what
/// others wait for, whatever a dialect does with a frame; a turn that ends costs a wake-up, so it does not end early.
const TURN: Duration = Duration::from_micros(500);
const FRAMES: usize = 4096;
const BYTES: u64 = 256 * 1024;

/// After how many frames the clock is looked at.
const LOOK: usize = 32;

/// How long a socket that takes nothing more is still read. What the peer said before it left is in the kernel already.
const HEARING_OUT: Duration = Duration::from_secs(1);

#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the socket")]
pub(super) struct Open {
    pub(super) generation: Generation,
    socket: Socket,
    limit: usize,
    sends: Sends,
    /// The payload of the newest ping of ours.
    ping: Option<Vec<u8>>,
    /// What [`Socket::received`] said last.
    received: u64,
    /// Something was handed to the write buffer, or a pong was queued there by the library.
    unflushed: bool,
    closing: Closing,
    /// Nothing can be written any more: until when what was said before that is read.
    hearing_out: Option<Instant>,
    reading_paused: bool,
    /// Something came since the dialect was told that it is quiet.
    pub(super) stirred: bool,
    /// The handshake is done, the dialect's own included.
    pub(super) ready: bool,
    /// What the dialect asked for beside the socket; it goes with it.
    pub(super) fetching: Option<Box<Fetching>>,
}

/// What one round of reading brought.
#[derive(Default)]
pub(super) struct Read {
    /// At least one byte.
    pub(super) alive: bool,
    /// A heartbeat was answered.
    pub(super) answered: bool,
    /// What the dialect made of it; its frames are queued already.
    pub(super) effects: Effects,
    /// The socket is over.
    pub(super) end: Option<End>,
    /// The budget was used up; there may be more.
    pub(super) more: bool,
}

impl Read {
    fn is_over(&self) -> bool {
        self.end.is_some() || self.effects.fatal.is_some() || self.effects.end.is_some()
    }
}

impl Open {
    pub(super) fn new(generation: Generation, socket: Socket, limit: usize) -> Self {
        let received = socket.received();
        Self {
            generation,
            socket,
            limit,
            sends: Sends::default(),
            ping: None,
            received,
            unflushed: false,
            closing: Closing::No,
            hearing_out: None,
            reading_paused: false,
            stirred: false,
            ready: false,
            fetching: None,
        }
    }

    /// Whether one more text of this length is taken.
    pub(super) fn has_room_for(&self, bytes: usize) -> bool {
        self.sends.has_room_for(bytes)
    }

    /// Queues a frame, unless the socket is already on its way out.
    pub(super) fn send(&mut self, frame: Outgoing, told: Option<Told>) {
        if self.takes_more() {
            self.sends.push(frame, told);
        } else if let Some(told) = told {
            // Whoever asked may have left.
            let _ = told.send(Err(NotSent::NotConnected));
        }
    }

    pub(super) fn send_ping(&mut self, payload: Vec<u8>) {
        if self.takes_more() {
            self.ping = Some(payload.clone());
            self.sends.push_ping(payload);
        }
    }

    /// Queues what the dialect answers. Some: the peer makes us answer and reads nothing, which must not fill the memory.
    pub(super) fn answer(&mut self, frames: &mut Vec<Outgoing>) -> Option<End> {
        for frame in frames.drain(..) {
            if !self.sends.has_room_for(0) {
                let text = "the server does not read what it asks for";
                return Some(End::broken(Cause::new(CauseCode::Protocol, text)));
            }
            self.send(frame, None);
        }
        None
    }

    fn takes_more(&self) -> bool {
        matches!(self.closing, Closing::No) && self.hearing_out.is_none()
    }

    /// Whether packets to the peer would still leave from the socket's own address.
    pub(super) fn path(&self) -> Path {
        path::of(&self.socket)
    }

    /// When [`Open::read`] must be called though nothing may have come.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let telling = match &self.closing {
            Closing::Telling { until, .. } => Some(*until),
            Closing::No | Closing::Wanted(_) | Closing::Sent => None,
        };
        let hearing_out = self.hearing_out.filter(|_| !self.reading_paused);
        [telling, hearing_out].into_iter().flatten().min()
    }

    pub(super) fn reading_paused(&self) -> bool {
        self.reading_paused
    }

    /// Whether there may be messages to read. Where the peer broke a rule there are none: what it still sends is thrown
    /// away, and that waits for nobody.
    pub(super) fn may_bring_messages(&self) -> bool {
        !matches!(self.closing, Closing::Telling { .. })
    }

    /// [`Open::read`] is not called for a while, or again.
    pub(super) fn pause_reading(&mut self, paused: bool) {
        self.reading_paused = paused;
        // The time in which we did not read counts for nothing.
        self.hearing_out = self.hearing_out.map(|_| Instant::now() + HEARING_OUT);
    }

    /// Closes the descriptor.
    pub(super) fn finish(self, politely: bool) {
        if politely {
            self.socket.end();
        }
    }

    /// Reads until nothing is left or the budget is used up. What was found so far is in `read` at every moment, also
    /// if the dialect panics.
    pub(super) fn read(&mut self, dialect: &mut dyn Dialect, read: &mut Read, cx: &mut Context<'_>) {
        let stop_at = self.received + BYTES;
        let turn_ends = Instant::now() + TURN;
        for taken in 1.. {
            if let Closing::Telling { .. } = self.closing {
                read.end = self.tell(cx);
                break;
            }
            let is_over = taken % LOOK == 0 && Instant::now() >= turn_ends;
            if is_over || taken > FRAMES || self.socket.received() > stop_at {
                read.more = true;
                break;
            }
            match self.socket.poll_next(cx) {
                Poll::Pending => break,
                Poll::Ready(Some(Ok(message))) => {
                    read.alive = true;
                    self.take(&message, dialect, read, cx);
                }
                Poll::Ready(Some(Err(error))) => read.end = self.fail(&error, dialect, cx),
                Poll::Ready(None) => {
                    let cause = Cause::new(CauseCode::Reset, "the connection ended without a closing handshake");
                    read.end = Some(End::broken(cause));
                }
            }
            if read.is_over() {
                break;
            }
        }
        let received = self.socket.received();
        read.alive |= received != self.received;
        self.received = received;
        if read.end.is_none() && !read.more && self.hearing_out.is_some_and(|until| until <= Instant::now()) {
            read.end = self.socket.write_error().map(|error| End::broken(broke(error)));
        }
    }

    /// Writes what the network takes. Some: the socket is over. A network that takes nothing more is not yet the end:
    /// the peer may have said why before it left.
    pub(super) fn write(&mut self, cx: &mut Context<'_>) -> Option<End> {
        if self.hearing_out.is_some() {
            return None;
        }
        let end = self.write_out(cx);
        if self.socket.write_error().is_none() {
            return end;
        }
        self.sends = Sends::default();
        self.hearing_out = Some(Instant::now() + HEARING_OUT);
        None
    }

    fn write_out(&mut self, cx: &mut Context<'_>) -> Option<End> {
        loop {
            match self.socket.poll_ready(cx) {
                Poll::Pending => return None,
                Poll::Ready(Err(error)) => return Some(End::broken(lost(&error, self.limit).0)),
                Poll::Ready(Ok(())) => {}
            }
            let next = match (self.sends.next(), &self.closing) {
                (Some(next), _) => next,
                (None, Closing::Wanted(code)) => {
                    let code = (*code).into();
                    self.closing = Closing::Sent;
                    WireMessage::Close(Some(CloseFrame { code, reason: "".into() }))
                }
                (None, Closing::No | Closing::Sent | Closing::Telling { .. }) => break,
            };
            self.unflushed = true;
            if let Err(error) = self.socket.start_send(next) {
                return Some(End::broken(lost(&error, self.limit).0));
            }
        }
        if !self.unflushed {
            return None;
        }
        match self.socket.poll_flush(cx) {
            Poll::Pending => None,
            Poll::Ready(Ok(())) if self.socket.write_error().is_some() => None,
            Poll::Ready(Ok(())) => {
                self.unflushed = false;
                self.sends.flushed();
                None
            }
            Poll::Ready(Err(error)) => Some(End::broken(lost(&error, self.limit).0)),
        }
    }

    fn take(&mut self, message: &WireMessage, dialect: &mut dyn Dialect, read: &mut Read, cx: &mut Context<'_>) {
        match message {
            WireMessage::Text(text) => dialect.frame(Incoming::Text(text), &mut read.effects),
            WireMessage::Binary(bytes) => dialect.frame(Incoming::Binary(bytes), &mut read.effects),
            WireMessage::Ping(_) => {
                // The library has queued the pong; it is on its way only after a flush.
                self.unflushed = true;
                return;
            }
            WireMessage::Pong(payload) => {
                if self.ping.as_deref().is_some_and(|ping| ping == payload.as_ref()) {
                    self.ping = None;
                    read.answered = true;
                }
                return;
            }
            WireMessage::Close(frame) => {
                read.end = Some(self.closed(frame.as_ref(), dialect, cx));
                return;
            }
            // Only ever written.
            WireMessage::Frame(_) => return,
        }
        read.answered |= read.effects.heartbeat_answered;
        if let Some(end) = self.answer(&mut read.effects.frames) {
            read.end = Some(end);
        }
    }
}
