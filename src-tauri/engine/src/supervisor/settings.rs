//! From settings to running links: after every load only the connections that changed are dialled again.

use std::collections::BTreeMap;

use heartwire_core::settings::Connection;

use super::links::{LinkRecord, STRIP_MS, now_ms};
use super::run::Run;
use super::state::State;
use super::writes::Write;
use super::{Source, demo};
use crate::driver::{self, Command, ConnectionId};
use crate::settings_file;

impl Run {
    /// Reads the settings again and makes the links what they say.
    pub(super) async fn reload(&mut self) {
        if let Source::Files { paths, environment } = &self.state.source {
            self.state.settings = settings_file::load(paths, environment);
        }
        self.apply().await;
        self.writes.push(Write::Prune(self.state.settings.general.keep_messages));
    }

    /// Starts, keeps or ends links so that they are what the settings say.
    pub(super) async fn apply(&mut self) {
        let wanted = self.wanted().await;
        let mut old: BTreeMap<String, ConnectionId> =
            self.state.links.iter().map(|(id, link)| (link.connection.name.clone(), *id)).collect();
        let mut order = Vec::with_capacity(wanted.len());
        for connection in wanted {
            let before = old.remove(&connection.name);
            let same = before.filter(|id| self.state.links.get(id).is_some_and(|link| link.connection == connection));
            let id = match same {
                Some(id) => id,
                None => self.add(connection, before).await,
            };
            order.push(id);
        }
        for id in old.into_values() {
            self.retire(id);
        }
        self.state.order = order;
        self.state.dirty = true;
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

    async fn add(&mut self, connection: Connection, before: Option<ConnectionId>) -> ConnectionId {
        let id = self.state.fresh_id();
        let name = connection.name.clone();
        tracing::info!("{name}: {}", State::logged_address(&connection));
        let dialect = Box::new(self.state.dialects.of(&connection));
        let (tls, events) = (self.state.tls.clone(), self.driver_events_sender.clone());
        let driver = driver::spawn_with(id, connection.clone(), tls, rand::random(), events, dialect);
        let now_ms = now_ms();
        let mut link = LinkRecord::new(connection, driver, now_ms);
        let store = self.writes.store();
        match (store.spans_since(name.clone(), now_ms - STRIP_MS).await, store.last_message(name.clone()).await) {
            (Ok(spans), Ok(message)) => link.remember(spans, message),
            (Err(error), _) | (_, Err(error)) => self.state.storage_problem(Some(error.to_string())),
        }
        self.state.links.insert(id, link);
        match before {
            // The old socket closes before the new one opens: never two of one connection.
            Some(before) => {
                let waited_for = self.state.starts_after.iter().find(|(_, next)| **next == before).map(|(old, _)| *old);
                self.state.starts_after.insert(waited_for.unwrap_or(before), id);
                self.retire(before);
            }
            None => self.begin(id),
        }
        id
    }

    /// The first command of a link; what the person paused in an earlier run stays paused.
    fn begin(&mut self, id: ConnectionId) {
        let paused = self.state.links.get(&id).is_some_and(|link| self.state.paused.contains(&link.connection.name));
        self.command(id, if paused { Command::Pause } else { Command::Start });
    }

    /// Ends a link; its driver says `Stopped` when its socket is closed.
    fn retire(&mut self, id: ConnectionId) {
        let Some(mut link) = self.state.links.remove(&id) else { return };
        if link.ended() {
            self.writes.push(Write::EndSpan(link.connection.name.clone(), now_ms()));
        }
        link.driver.command(Command::Stop);
        self.state.stopping.insert(id, link.driver);
    }

    /// A driver has closed its socket for good.
    pub(super) fn stopped(&mut self, id: ConnectionId) {
        self.state.stopping.remove(&id);
        if let Some(next) = self.state.starts_after.remove(&id) {
            self.begin(next);
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
