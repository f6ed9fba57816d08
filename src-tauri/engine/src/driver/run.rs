//! The driver's loop: one future that is polled, with every step of a round in the order that keeps the deadlines.

mod commands;
mod obey;
mod recover;
mod wire;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_channel::mpsc::UnboundedReceiver;
use tokio::sync::mpsc;
use tokio::time::Instant;
use url::Url;

use heartwire_core::cause::Cause;
use heartwire_core::dialect::{Dialect, Spec};
use heartwire_core::link::{CLOSE_LIMIT, Generation, HeartbeatKind, Input, Link, LinkSettings, ResumeData, SendId};
use heartwire_core::time::Moment;

use super::greet::Greeting;
use super::open::{Open, Read};
use super::outbox::Outbox;
use super::sends::Told;
use super::timer::Timer;
use super::{Command, DialectMaker, DriverEvent, DriverOptions};
use crate::clock::Clock;
use crate::dial::DialRequest;
use crate::socket::Socket;

/// A shorter sleep is a pause like any other. Two clocks that are read one after the other are never this far apart.
const SHORTEST_SLEEP: Duration = Duration::from_millis(500);

/// How much of what came before a sleep is read before the socket may be given up, in turns of reading.
const TURNS_BEFORE_SLEEP: u32 = 64;

pub(super) type Dialing = Pin<Box<dyn Future<Output = Result<(Socket, Greeting), Cause>> + Send>>;

/// The socket, of which there is at most one.
pub(super) enum Wire {
    None,
    Dialing(Generation, Dialing),
    Open(Box<Open>),
}

pub(super) struct Driver {
    pub(super) name: String,
    link: Link,
    clock: Clock,
    /// How much of the clock's sleep the link was told of,
    slept: Duration,
    /// and when it last was.
    woke: Option<Moment>,
    pub(super) request: DialRequest,
    /// Where SockJS is spoken if the server refuses the raw WebSocket.
    pub(super) sockjs: Option<Url>,
    pub(super) wire: Wire,
    pub(super) dialect: Box<dyn Dialect>,
    pub(super) make_dialect: DialectMaker,
    pub(super) spec: &'static Spec,
    /// The newest that the dialect gave: where the next socket goes on.
    pub(super) cursor: Option<ResumeData>,
    /// See [`DriverOptions::passing`].
    pub(super) passing: bool,
    /// The heartbeat is what the dialect makes of it,
    pub(super) auto_heartbeat: bool,
    /// and this is what it is made of.
    pub(super) heartbeat_kind: HeartbeatKind,
    inbox: UnboundedReceiver<Command>,
    pub(super) outbox: Outbox,
    /// What is being read, while it is. It is kept here so that a panic on the way does not cost what was read before it.
    found: Option<Box<Read>>,
    timer: Timer,
    /// Who waits for a text that is not yet with a socket.
    asking: BTreeMap<SendId, Told>,
    /// The newest of them.
    last_send: SendId,
    /// Something was done that an earlier step of the round may have to look at.
    pub(super) again: bool,
    /// Since when it is to end.
    stopping: Option<Instant>,
}

impl Driver {
    pub(super) fn new(
        options: DriverOptions,
        inbox: UnboundedReceiver<Command>,
        events: mpsc::Sender<DriverEvent>,
    ) -> Self {
        let DriverOptions { id, connection, request, clock, seed, dialect: make_dialect, cursor, passing } = options;
        let spec = connection.dialect.spec;
        let heartbeat_kind = connection.heartbeat.kind.clone();
        let settings = LinkSettings {
            heartbeat: connection.heartbeat,
            backoff: connection.backoff,
            connect_timeout: connection.connect_timeout,
            on_open: connection.on_open,
        };
        let mut driver = Self {
            name: connection.name,
            link: Link::new(settings, seed),
            spec,
            cursor: None,
            passing,
            auto_heartbeat: connection.dialect.auto_heartbeat,
            heartbeat_kind,
            slept: clock.suspended(),
            woke: None,
            timer: Timer::new(&clock),
            clock,
            request,
            sockjs: connection.sockjs,
            wire: Wire::None,
            dialect: make_dialect(),
            make_dialect,
            inbox,
            outbox: Outbox::new(id, events),
            found: None,
            asking: BTreeMap::new(),
            last_send: SendId(0),
            again: false,
            stopping: None,
        };
        if let Some(cursor) = cursor {
            driver.go_on_from(cursor);
        }
        driver
    }

    /// The next socket goes on from here.
    pub(super) fn go_on_from(&mut self, cursor: ResumeData) {
        if self.spec.cursor_in_handshake {
            self.input(Input::ResumeFrom(Some(cursor.clone())));
        }
        self.cursor = Some(cursor);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            self.again = false;
            self.wake(cx);
            let now = self.deadlines(cx);
            self.commands(now, cx);
            self.outbox.poll_send(cx);
            self.dialing(cx);
            let more = self.read(cx) | self.fetch(cx);
            self.write(cx);
            self.outbox.poll_send(cx);
            if self.is_done() {
                return Poll::Ready(());
            }
            if self.again {
                continue;
            }
            if more {
                // There is more to read, but other links want their turn.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if !self.timer.poll_fired(self.next_deadline(), cx) {
                return Poll::Pending;
            }
        }
    }

    /// Tells the link that this computer slept, before it takes the missing time for the peer's silence. What came
    /// before the sleep is read first: the socket may not outlive this.
    fn wake(&mut self, cx: &mut Context<'_>) {
        let total = self.clock.suspended();
        let slept = total.saturating_sub(self.slept);
        if slept >= SHORTEST_SLEEP {
            self.slept = total;
            // What is here by now belongs to the time before the sleep, or the link would take it for heard just now.
            let now = self.now();
            let mut turns = TURNS_BEFORE_SLEEP;
            while self.read_as_of(Some(now - slept), cx) && turns > 0 {
                turns -= 1;
            }
            self.woke = Some(now);
            self.input_at(now, Input::Resumed(slept));
        }
    }

    /// Does what is due. However late we are, what has come by then is read first, and the peer is judged by the moment
    /// before that: our own lateness is never its silence. Gives that moment, at which nothing is due any more.
    fn deadlines(&mut self, cx: &mut Context<'_>) -> Moment {
        let now = self.now();
        if self.link.poll_timeout().is_some_and(|due| due <= now) {
            self.dialing(cx);
            self.read(cx);
            self.input_at(now, Input::Timeout);
        }
        now
    }

    /// Ends when the socket is gone and the consumer has everything, or had a second to take it.
    fn is_done(&mut self) -> bool {
        if self.outbox.is_gone() {
            self.stop();
        }
        let Some(since) = self.stopping else { return false };
        if !matches!(self.wire, Wire::None) {
            return false;
        }
        if !self.outbox.is_empty() && since.elapsed() < CLOSE_LIMIT {
            return false;
        }
        let messages = self.outbox.messages();
        if messages > 0 {
            tracing::error!(connection = self.name, messages, "messages were received that nobody took before the end");
        }
        true
    }

    fn next_deadline(&self) -> Option<Instant> {
        let link = self.link.poll_timeout().map(|at| self.clock.instant(at));
        let open = match &self.wire {
            Wire::Open(open) => open.deadline(),
            Wire::None | Wire::Dialing(..) => None,
        };
        let is_closed = matches!(self.wire, Wire::None);
        let giving_up = self.stopping.filter(|_| is_closed).map(|since| since + CLOSE_LIMIT);
        [link, open, giving_up].into_iter().flatten().min()
    }

    pub(super) fn now(&self) -> Moment {
        self.clock.now()
    }
}
