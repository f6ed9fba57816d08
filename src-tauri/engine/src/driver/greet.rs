//! The dialect's part in an opening: the credentials that it sends itself, what it says when the socket is up, and the
//! one way from what it says to the link, the socket and the outbox.

use std::mem;
use std::task::Context;

use tokio::time::Instant;

use heartwire_core::cause::{Cause, CauseCode};
use heartwire_core::dialect::{Effects, Item, Login, Opening};
use heartwire_core::link::{Generation, Heartbeat, HeartbeatKind, Input};
use heartwire_core::secret::Secret;
use heartwire_core::time::Moment;

use super::DriverEventKind;
use super::open::{End, Open};
use super::run::{Driver, Wire};
use crate::dial::{self, DialRequest};
use crate::socket::Socket;

/// What the dialect of a new socket is told.
pub(super) struct Greeting {
    user: Option<String>,
    secret: Option<Secret>,
    random: u64,
}

/// Opens a socket. Credentials that the dialect sends itself are not in the upgrade request.
pub(super) async fn dial(mut request: DialRequest, login: Login, random: u64) -> Result<(Socket, Greeting), Cause> {
    let own = match login {
        Login::InRequest => None,
        Login::InFrames => {
            let credentials = mem::take(&mut request.credentials);
            let deadline = Instant::now() + request.connect_timeout;
            credentials.login(deadline, request.connect_timeout).await?
        }
    };
    let (user, secret) = own.map_or((None, None), |(user, secret)| (user, Some(secret)));
    Ok((dial::dial(&request).await?, Greeting { user, secret, random }))
}

impl Driver {
    /// The socket is up: the dialect has the word.
    pub(super) fn greet(&mut self, generation: Generation, socket: Socket, greeting: &Greeting, cx: &mut Context<'_>) {
        self.dialect = (self.make_dialect)();
        self.wire = Wire::Open(Box::new(Open::new(generation, socket, self.request.limits.message)));
        let opening = Opening {
            cursor: self.cursor.as_ref(),
            user: greeting.user.as_deref(),
            secret: greeting.secret.as_ref(),
            random: greeting.random,
        };
        let mut effects = Effects::default();
        self.dialect.opened(&opening, &mut effects);
        self.act(self.now(), generation, effects, cx);
    }

    /// Does what the dialect says about the socket of this generation.
    pub(super) fn act(&mut self, now: Moment, generation: Generation, mut effects: Effects, cx: &mut Context<'_>) {
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
            self.input_at(now, Input::Agreed(generation, heartbeat));
        }
        if effects.ready {
            self.ready(now, generation);
        }
        if effects.heartbeat_answered {
            self.input_at(now, Input::HeartbeatAnswered(generation));
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

    /// The handshake is done, the dialect's own included: the connection counts as connected.
    fn ready(&mut self, now: Moment, generation: Generation) {
        let Some(open) = self.open(generation) else { return };
        if mem::replace(&mut open.ready, true) {
            return;
        }
        let reading_paused = open.reading_paused();
        self.input_at(now, Input::DialOk(generation));
        if reading_paused {
            // It was paused while the link did not want to know yet.
            self.input_at(now, Input::ReadingPaused(generation));
        }
    }

    fn give(&mut self, generation: Generation, items: Vec<Item>, cx: &mut Context<'_>) {
        for item in &items {
            if let Item::Cursor(cursor) = item {
                self.cursor = Some(cursor.clone());
                if self.spec.cursor_in_handshake {
                    self.input(Input::ResumeFrom(Some(cursor.clone())));
                }
            }
        }
        if !items.is_empty() {
            self.outbox.push(DriverEventKind::Received(generation, items));
            self.outbox.poll_send(cx);
        }
    }
}
