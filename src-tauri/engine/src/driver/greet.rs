//! The dialect's part in an opening: the credentials that it sends itself, what it says when the socket is up, and the
//! one way from what it says to the link, the socket and the outbox.

use std::mem;
use std::task::{Context, Poll};

use tokio::time::Instant;
use url::Url;

use heartwire_core::cause::{Cause, CauseCode};
use heartwire_core::dialect::{Effects, Fetched, Item, Login, Opening, sockjs};
use heartwire_core::link::{Generation, Heartbeat, HeartbeatKind, Input};
use heartwire_core::secret::Secret;
use heartwire_core::time::Moment;

use super::DriverEventKind;
use super::open::{End, Open};
use super::run::{Driver, Wire};
use crate::dial::{self, DialRequest, Passed};
use crate::fetch::{Event, Fetching};
use crate::socket::Socket;

/// How many parts of a fetch are taken before others get their turn.
const PARTS: usize = 512;

/// What the dialect of a new socket is told.
pub(super) struct Greeting {
    user: Option<String>,
    secret: Option<Secret>,
    random: u64,
    /// The server refused the raw WebSocket.
    by_sockjs: bool,
}

/// Opens a socket, once there are the credentials that the dialect sends itself; by SockJS where there is an address for it
/// and the server refuses the raw WebSocket.
pub(super) async fn dial(request: DialRequest, sockjs: Option<Url>, random: u64) -> Result<(Socket, Greeting), Cause> {
    let own = match request.login {
        Login::InRequest => None,
        Login::InFrames => {
            let deadline = Instant::now() + request.connect_timeout;
            let own = request.credentials.login(deadline, request.connect_timeout).await?;
            request.watch.tell(Passed::Secret(own.is_some()));
            own
        }
    };
    let (user, secret) = own.map_or((None, None), |(user, secret)| (user, Some(secret)));
    let (socket, by_sockjs) = dial::dial_or_sockjs(&request, sockjs).await?;
    Ok((socket, Greeting { user, secret, random, by_sockjs }))
}

impl Driver {
    /// The socket is up: the dialect has the word.
    pub(super) fn greet(&mut self, generation: Generation, socket: Socket, greeting: &Greeting, cx: &mut Context<'_>) {
        let dialect = (self.make_dialect)();
        self.dialect = if greeting.by_sockjs { sockjs::framed(dialect) } else { dialect };
        self.wire = Wire::Open(Box::new(Open::new(generation, socket, self.request.limits.message)));
        let opening = Opening {
            cursor: self.cursor.as_ref(),
            user: greeting.user.as_deref(),
            secret: greeting.secret.as_ref(),
            random: greeting.random,
            passing: self.passing,
        };
        let mut effects = Effects::default();
        self.dialect.opened(&opening, &mut effects);
        self.act(self.now(), generation, effects, cx);
    }

    /// Does what the dialect says about the socket of this generation.
    pub(super) fn act(&mut self, now: Moment, generation: Generation, mut effects: Effects, cx: &mut Context<'_>) {
        self.dialect.settle(&mut effects);
        if let Some(trouble) = effects.trouble.take() {
            tracing::warn!(connection = self.name, "what the server sent could not be read as it should: {trouble}");
        }
        let Some(open) = self.open(generation) else { return };
        if let Some(end) = open.answer(&mut effects.frames) {
            return self.ended(now, end);
        }
        if let Some(agreed) = effects.keep_alive.filter(|_| self.auto_heartbeat) {
            let kind = if agreed.ours { self.heartbeat_kind.clone() } else { HeartbeatKind::None };
            let heartbeat = Heartbeat { kind, every: agreed.every, timeout: agreed.timeout, always: agreed.always };
            self.request.watch.tell(Passed::Agreed(&heartbeat));
            self.input_at(now, Input::Agreed(generation, heartbeat));
        }
        if effects.ready {
            self.ready(now, generation);
        }
        if effects.heartbeat_answered {
            self.input_at(now, Input::HeartbeatAnswered(generation));
        }
        if let Some(fetch) = effects.fetch {
            let fetching = Fetching::new(&self.request, fetch, rand::random()).after(effects.fetch_after);
            if let Some(open) = self.open(generation) {
                open.fetching = Some(Box::new(fetching));
                self.again = true;
            }
        }
        self.give(generation, effects.items, cx);
        if let Some(cause) = effects.fatal {
            if cause.code == CauseCode::Unauthorized {
                self.request.credentials.forget();
            }
            self.input_at(now, Input::Fatal(generation, cause));
        } else if let Some(cause) = effects.end {
            self.ended(now, End::broken(cause));
        }
    }

    /// Takes what the fetch beside the socket brought. True: there may be more.
    pub(super) fn fetch(&mut self, cx: &mut Context<'_>) -> bool {
        let mut effects = Effects::default();
        let Wire::Open(open) = &mut self.wire else { return false };
        let generation = open.generation;
        let mut failed = None;
        let mut parts = 0;
        // As with reading: nothing is taken while the consumer has not taken the last.
        while parts < PARTS && effects.fetch.is_none() && !self.outbox.holds_items() {
            let Some(Poll::Ready(event)) = open.fetching.as_mut().map(|fetching| fetching.poll_next(cx)) else { break };
            parts += 1;
            match event {
                Event::Cut => self.dialect.fetched(Fetched::Cut, &mut effects),
                Event::Part(part) => self.dialect.fetched(Fetched::Part(&part), &mut effects),
                Event::Broken(cause) => {
                    self.dialect.fetched(Fetched::Broken, &mut effects);
                    failed = Some(cause);
                }
                Event::End => {
                    open.fetching = None;
                    self.dialect.fetched(Fetched::End, &mut effects);
                }
                Event::Refused(status) => {
                    open.fetching = None;
                    self.dialect.fetched(Fetched::Refused(status), &mut effects);
                }
            }
        }
        if parts > 0 {
            self.act(self.now(), generation, effects, cx);
        }
        if let Some(cause) = failed {
            self.outbox.push(DriverEventKind::FetchFailed(cause));
        }
        parts == PARTS
    }

    /// The handshake is done, the dialect's own included: the connection counts as connected.
    fn ready(&mut self, now: Moment, generation: Generation) {
        let Some(open) = self.open(generation) else { return };
        if mem::replace(&mut open.ready, true) {
            return;
        }
        self.input_at(now, Input::DialOk(generation));
    }

    fn give(&mut self, generation: Generation, items: Vec<Item>, cx: &mut Context<'_>) {
        for item in &items {
            if let Item::Cursor(cursor) = item {
                self.go_on_from(cursor.clone());
            }
        }
        if !items.is_empty() {
            self.outbox.push(DriverEventKind::Received(generation, items));
            self.outbox.poll_send(cx);
        }
    }
}
