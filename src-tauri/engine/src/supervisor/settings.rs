//! From settings to running links: after every load only the connections that changed are dialled again.

use std::collections::BTreeMap;

use heartwire_core::dialect::Missing;
use heartwire_core::settings::Connection;

use super::demo;
use super::links::{GivesWay, LinkRecord, Past, STRIP_MS, now_ms};
use super::run::{Internal, Run};
use super::state::{State, Stopping};
use super::writes::Write;
use crate::dial::DialRequest;
use crate::driver::{self, Command, ConnectionId, DriverOptions};
use crate::store::GapRows;

impl Run {
    /// Starts, keeps or ends links so that they are what the settings say. `renamed` is a connection's old and new name.
    pub(super) async fn apply(&mut self, renamed: Option<(&str, &str)>) {
        let wanted = self.wanted().await;
        let mut old: BTreeMap<String, ConnectionId> =
            self.state.links.iter().map(|(id, link)| (link.connection.name.clone(), *id)).collect();
        let mut order = Vec::with_capacity(wanted.len());
        for connection in wanted {
            let earlier = renamed.filter(|(_, to)| *to == connection.name).map(|(from, _)| from);
            let before = old.remove(&connection.name).or_else(|| old.remove(earlier?));
            let same = before.filter(|id| self.state.links.get(id).is_some_and(|link| link.connection == connection));
            order.push(same.unwrap_or_else(|| self.add(connection, before.map(|before| (before, GivesWay::Changed)))));
        }
        for id in old.into_values() {
            if let Some((name, past)) = self.retire(id, None) {
                self.end_span(name.clone(), &past);
                self.state.lives.extend(past.life(now_ms()).map(|life| (name.clone(), life)));
                // Nobody will ask for what it missed any more.
                self.writes.push(Write::Gaps(name, past.gaps.rows(), Some(Missing::CursorLost)));
            }
        }
        self.state.order = order;
        self.state.dirty = true;
    }

    /// What earlier runs left of connections that the settings do not have any more.
    pub(super) fn without_settings(&mut self) {
        for (name, life) in &mut self.state.lives {
            // Should it come again, this is why there was none.
            life.ran_to_the_end = false;
            // Where the settings are wrong it may be meant to be there.
            if self.state.settings.problems.is_empty() {
                let rows = GapRows::default();
                self.writes.push(Write::Gaps(name.clone(), rows, Some(Missing::CursorLost)));
            }
        }
    }

    /// The connections that should run: the person's, or the demo while there are none and nothing is wrong.
    async fn wanted(&mut self) -> Vec<Connection> {
        let state = &mut self.state;
        let settings = &state.settings;
        let empty = settings.connections.is_empty() && settings.forms.is_empty() && settings.problems.is_empty();
        if !(state.demo_wanted && empty) {
            state.demo = None;
            return state.settings.connections.clone();
        }
        if state.demo.is_none() {
            match demo::start(&state.settings).await {
                Ok(demo) => state.demo = Some(demo),
                Err(error) => tracing::error!("the demo did not start: {error}"),
            }
        }
        state.demo.iter().map(|demo| demo.connection.clone()).collect()
    }

    /// Adds a link, which begins when no socket of the same connection is open any more: of the one that it replaces,
    /// or of one of its name that was removed a moment ago.
    pub(super) fn add(&mut self, connection: Connection, before: Option<(ConnectionId, GivesWay)>) -> ConnectionId {
        let (before, why) = before.unzip();
        let id = self.state.fresh_id();
        let name = connection.name.clone();
        tracing::info!("{name}: {}", State::logged_address(&connection));
        let credentials = self.credentials(&connection, before);
        let options = DriverOptions {
            cursor: None,
            passing: !self.keeps,
            id,
            request: DialRequest::with(&connection, self.state.tls.of(&connection.tls), credentials.clone()),
            clock: self.state.clock.clone(),
            seed: rand::random(),
            dialect: Box::new(self.state.dialects.of(&connection)),
            connection: connection.clone(),
        };
        let driver = driver::spawn(options, self.driver_events_sender.clone());
        let mut link = LinkRecord::new(connection, driver, credentials, now_ms());
        self.speaks_with(&name, &link.source);
        match before.and_then(|before| self.retire(before, Some(id))) {
            Some((same, past)) if same == name => {
                if let Some(span) = why.and_then(|why| link.take_over(past, why, now_ms())) {
                    self.writes.push(Write::BeginSpan(span));
                }
            }
            Some((other, past)) => {
                self.end_span(other.clone(), &past);
                self.writes.push(Write::Gaps(other, past.gaps.rows(), Some(Missing::CursorLost)));
                if let Some(span) = link.take_over_gaps(past, now_ms()) {
                    self.writes.push(Write::BeginSpan(span));
                }
                self.recall(id, name.clone());
            }
            None => {
                let life = self.state.lives.remove(&name);
                if let Some(span) = life.and_then(|life| link.revive(life)) {
                    self.writes.push(Write::BeginSpan(span));
                }
                self.recall(id, name.clone());
            }
        }
        self.state.links.insert(id, link);
        if before.is_none()
            && let Some(closing) = self.state.stopping.values_mut().find(|closing| closing.name == name)
        {
            closing.next = Some(id);
        } else if before.is_none() {
            self.begin(id);
        }
        id
    }

    /// Asks the store what it knows of this name from earlier.
    fn recall(&self, id: ConnectionId, name: String) {
        let (store, internal) = (self.writes.store().clone(), self.internal_sender.clone());
        tokio::spawn(async move {
            let spans = store.spans_since(name.clone(), now_ms() - STRIP_MS).await;
            let recalled = match (spans, store.last_message(name).await) {
                (Ok(spans), Ok(message)) => Ok((spans, message)),
                (Err(error), _) | (_, Err(error)) => Err(error),
            };
            // The supervisor may have ended.
            let _ = internal.send(Internal::Recalled(id, recalled));
        });
    }

    /// The first command of a link; what the person paused stays paused.
    fn begin(&mut self, id: ConnectionId) {
        let name = self.state.links.get(&id).map(|link| &link.connection.name);
        // By now what an earlier link received is known.
        let known = name.and_then(|name| self.state.known.get(name));
        if let Some(cursor) = known.and_then(|known| known.cursor.clone()) {
            self.command(id, Command::GoOnFrom(cursor));
        }
        let paused = self.state.links.get(&id).is_some_and(|link| self.state.paused.contains(&link.connection.name));
        self.command(id, if paused { Command::Pause } else { Command::Start });
    }

    fn end_span(&mut self, name: String, past: &Past) {
        if past.lasts() {
            self.writes.push(Write::EndSpan(name, now_ms()));
        }
    }

    /// Ends a link. When its socket is closed, `next` begins; or, if it never began itself, when that of the link it
    /// waited for is.
    pub(super) fn retire(&mut self, id: ConnectionId, next: Option<ConnectionId>) -> Option<(String, Past)> {
        let LinkRecord { connection, driver, past, source, .. } = self.state.links.remove(&id)?;
        let waited_for = self.state.stopping.values_mut().find(|stopping| stopping.next == Some(id));
        let own_next = match waited_for {
            Some(stopping) => {
                stopping.next = next;
                None
            }
            None => next,
        };
        let stopping = Stopping { name: connection.name.clone(), source, lossy: false, next: own_next };
        self.state.stopping.insert(id, stopping);
        let internal = self.internal_sender.clone();
        tokio::spawn(async move {
            driver.join().await;
            // The supervisor may have ended.
            let _ = internal.send(Internal::Ended(id));
        });
        Some((connection.name, past))
    }

    /// A link has ended and its socket is closed. What it received is taken first.
    pub(super) fn ended(&mut self, id: ConnectionId) {
        while let Ok(event) = self.driver_events.try_recv() {
            self.driver_event(event);
        }
        if let Some(Stopping { name, next, .. }) = self.state.stopping.remove(&id) {
            self.no_more_for_now(name);
            if let Some(next) = next {
                self.begin(next);
            }
        }
    }

    pub(super) fn command(&mut self, id: ConnectionId, command: Command) {
        if let Some(link) = self.state.links.get(&id)
            && !link.driver.command(command)
        {
            tracing::error!("{}: its task takes no commands", link.connection.name);
        }
    }
}
