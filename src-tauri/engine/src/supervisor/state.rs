//! The state that the supervisor's task owns, and the snapshot made of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use heartwire_core::dialect::Dialects;
use heartwire_core::listen::Event;
use heartwire_core::message::{Arrival, MessageKind};
use heartwire_core::settings::shown_url;
use heartwire_core::view::{
    GapView, LastMessage, MessageView, OutageView, Problem, ProblemKind, SNAPSHOT_ROWS, Snapshot, SpanKind,
};

use super::Source;
use super::demo::Demo;
use super::gaps::Known;
use super::links::{LinkRecord, now_ms};
use crate::clock::Clock;
use crate::driver::ConnectionId;
use crate::settings_file::Loaded;
use crate::store::{BeginSpan, Life, Stored};
use crate::tls::TlsConfigs;

/// A link that closes its socket.
pub struct Stopping {
    /// Its connection's name, for the messages it still receives,
    pub name: String,
    /// and the server they come from.
    pub source: String,
    /// Something that it gave is lost, and what comes after it begins again from before that: its cursors count no more.
    pub lossy: bool,
    /// The link that begins when it has ended: never two sockets of one connection.
    pub next: Option<ConnectionId>,
}

/// Everything there is to know.
pub struct State {
    pub source: Source,
    pub settings: Loaded,
    pub links: BTreeMap<ConnectionId, LinkRecord>,
    /// The ids of `links` in the order of the settings file.
    pub order: Vec<ConnectionId>,
    /// Links that were told to stop and whose sockets may still be open.
    pub stopping: BTreeMap<ConnectionId, Stopping>,
    /// The names of the connections that the person paused; the store keeps them across runs.
    pub paused: BTreeSet<String>,
    pub demo_wanted: bool,
    pub demo: Option<Demo>,
    pub tls: TlsConfigs,
    /// What all links take for the time.
    pub clock: Clock,
    pub dialects: Dialects,
    /// Of each connection that ever ran, by name.
    pub known: BTreeMap<String, Known>,
    /// How connections were left that do not run now, by an earlier run or when they were removed.
    pub lives: BTreeMap<String, Life>,
    history: VecDeque<OutageView>,
    messages: VecDeque<MessageView>,
    /// What was wrong with the database when it was opened; it stays wrong for this run.
    pub opening_problem: Option<String>,
    storage_problem: Option<String>,
    notification_problem: Option<String>,
    keyring_problem: Option<String>,
    /// How many messages' popups could not be shown in this run, and why the last of them.
    not_shown: Option<(u64, String)>,
    /// How many messages the disk did not take in this run.
    pub not_stored: u64,
    /// Events that the listener has not taken yet.
    pub outbox: VecDeque<Event>,
    pub listening: bool,
    next_id: u64,
    revision: u64,
    /// Whether the snapshot changed since it was last made.
    pub dirty: bool,
}

impl State {
    pub fn new(options: super::Options, settings: Loaded, clock: Clock) -> Self {
        Self {
            source: options.settings,
            settings,
            links: BTreeMap::new(),
            order: Vec::new(),
            stopping: BTreeMap::new(),
            paused: BTreeSet::new(),
            demo_wanted: options.demo,
            demo: None,
            tls: TlsConfigs::default(),
            clock,
            dialects: Dialects::default(),
            known: BTreeMap::new(),
            lives: BTreeMap::new(),
            history: VecDeque::new(),
            messages: VecDeque::new(),
            opening_problem: None,
            storage_problem: None,
            notification_problem: None,
            keyring_problem: None,
            not_shown: None,
            not_stored: 0,
            outbox: VecDeque::new(),
            listening: options.events.is_some(),
            next_id: 1,
            revision: 0,
            dirty: true,
        }
    }

    /// An id that was never used in this run, so that late events of a removed connection are ignored.
    pub fn fresh_id(&mut self) -> ConnectionId {
        let id = ConnectionId(self.next_id);
        self.next_id += 1;
        id
    }

    pub fn find(&self, name: &str) -> Option<ConnectionId> {
        self.order.iter().copied().find(|id| self.links.get(id).is_some_and(|link| link.connection.name == name))
    }

    pub fn emit(&mut self, events: impl IntoIterator<Item = Event>) {
        if self.listening {
            self.outbox.extend(events);
        }
    }

    /// Takes over the newest rows of earlier runs.
    pub fn remember(&mut self, history: Vec<OutageView>, messages: Vec<MessageView>) {
        self.history = history.into();
        self.messages = messages.into();
    }

    pub fn storage_problem(&mut self, problem: Option<String>) {
        if let Some(problem) = &problem
            && self.storage_problem.as_ref() != Some(problem)
        {
            tracing::error!("storage: {problem}");
        }
        self.dirty |= self.storage_problem != problem;
        self.storage_problem = problem;
    }

    /// Tells of popups that will never be shown, for as long as this run lasts.
    pub fn not_shown(&mut self, messages: u64, reason: &str) {
        let total = self.not_shown.as_ref().map_or(0, |(total, _)| *total) + messages;
        self.not_shown = Some((total, reason.to_owned()));
        self.dirty = true;
    }

    pub fn notification_problem(&mut self, problem: Option<String>) {
        self.dirty |= self.notification_problem != problem;
        self.notification_problem = problem;
    }

    pub fn keyring_problem(&mut self, problem: Option<String>) {
        self.dirty |= self.keyring_problem != problem;
        self.keyring_problem = problem;
    }

    /// Shows a span that is stored now: an outage becomes a row, and whatever follows an outage ends its row.
    pub fn span_stored(&mut self, row: i64, span: BeginSpan) {
        self.span_ended(&span.connection, span.at_ms);
        if let (SpanKind::Down | SpanKind::Off, Some(cause)) = (span.kind, span.cause) {
            self.history.push_front(OutageView {
                id: row,
                connection: span.connection,
                from_ms: span.at_ms,
                until_ms: None,
                cause,
                attempts: span.attempts,
                gap: GapView::Open,
            });
            self.history.truncate(SNAPSHOT_ROWS);
        }
        self.dirty = true;
    }

    /// Ends the row of the outage that lasted, if one did.
    pub fn span_ended(&mut self, connection: &str, at_ms: i64) {
        if let Some(outage) = self.lasting_outage(connection) {
            outage.until_ms = Some(at_ms.max(outage.from_ms));
            self.dirty = true;
        }
    }

    pub fn attempts_stored(&mut self, row: i64, attempts: u32) {
        if let Some(outage) = self.history.iter_mut().find(|outage| outage.id == row) {
            outage.attempts = attempts;
            self.dirty = true;
        }
    }

    /// Shows what is known of gaps now.
    pub fn gaps_stored(&mut self, rows: &[(i64, GapView)]) {
        for (row, gap) in rows {
            if let Some(outage) = self.history.iter_mut().find(|outage| outage.id == *row) {
                outage.gap = *gap;
                self.dirty = true;
            }
        }
    }

    /// Shows that the server took messages back.
    pub fn withdrawn(&mut self, connection: &str, key: &str, rows: &[i64]) {
        let of = |message: &&mut MessageView| rows.contains(&message.id);
        self.messages.iter_mut().filter(of).for_each(|message| message.withdrawn = true);
        self.dirty = true;
        if self.listening {
            let at = super::links::timestamp(now_ms());
            let (connection, key) = (connection.to_owned(), key.to_owned());
            self.outbox.push_back(Event::Withdrawn { at, connection, key });
        }
    }

    fn lasting_outage(&mut self, connection: &str) -> Option<&mut OutageView> {
        self.history.iter_mut().find(|outage| outage.connection == connection && outage.until_ms.is_none())
    }

    /// Shows a message that is stored now.
    pub fn message_stored(&mut self, stored: &Stored) {
        let message = &stored.message;
        if let Some(id) = self.find(&stored.connection)
            && let Some(link) = self.links.get_mut(&id)
        {
            let last = LastMessage::new(stored.at_ms, message.kind, &message.title, message.size);
            link.past.last_message = Some(last);
            link.past.recovered += u64::from(message.arrival == Arrival::CaughtUp);
        }
        let view = MessageView {
            id: stored.id,
            connection: stored.connection.clone(),
            at_ms: stored.at_ms,
            title: message.title.clone(),
            body: message.body.clone(),
            priority: message.priority,
            kind: message.kind,
            size: message.size,
            arrival: message.arrival,
            withdrawn: false,
        };
        // What was caught up stands where it belongs.
        let newer = self.messages.iter().take_while(|newer| newer.at_ms > view.at_ms).count();
        self.messages.insert(newer, view);
        self.messages.truncate(SNAPSHOT_ROWS);
        self.dirty = true;
        if self.listening {
            self.outbox.push_back(message_event(stored));
        }
    }

    pub fn snapshot(&mut self) -> Snapshot {
        self.revision += 1;
        self.dirty = false;
        let at_ms = now_ms();
        let settings_file = match &self.source {
            Source::Files { paths, .. } => paths.settings_file.display().to_string(),
            Source::Given(_) => String::new(),
        };
        Snapshot {
            revision: self.revision,
            at_ms,
            connections: self.order.iter().filter_map(|id| self.links.get(id)).map(|link| link.view(at_ms)).collect(),
            history: self.history.iter().cloned().collect(),
            messages: self.messages.iter().cloned().collect(),
            problems: self.problems(),
            general: self.settings.general.clone(),
            demo: self.demo.is_some(),
            settings_file,
        }
    }

    fn problems(&self) -> Vec<Problem> {
        let not_stored = (self.not_stored > 0).then(|| {
            format!("{} messages were shown but not stored, because the disk did not take them", self.not_stored)
        });
        let not_shown = self.not_shown.as_ref().map(|(messages, reason)| {
            format!("{messages} messages were not shown as notifications ({reason}); they are in the list of messages")
        });
        // Who wants no notifications need not know that none can be shown.
        let wanted = self.settings.general.notifications;
        let own = [
            (ProblemKind::Storage, self.opening_problem.clone()),
            (ProblemKind::Storage, self.storage_problem.clone()),
            (ProblemKind::Storage, not_stored),
            (ProblemKind::Notifications, self.notification_problem.clone().filter(|_| wanted)),
            (ProblemKind::Notifications, not_shown.filter(|_| wanted)),
            (ProblemKind::Keyring, self.keyring_problem.clone()),
        ];
        let own = own
            .into_iter()
            .filter_map(|(kind, message)| message.map(|message| Problem { kind, file: None, line: None, message }));
        self.settings.problems.iter().cloned().chain(own).collect()
    }

    /// The address of a connection for the log: no user information and no query, which may hold a token.
    pub fn logged_address(connection: &heartwire_core::settings::Connection) -> String {
        let shown = shown_url(&connection.url);
        shown.split(['?', '#']).next().unwrap_or_default().to_owned()
    }
}

fn message_event(stored: &Stored) -> Event {
    let message = &stored.message;
    Event::Message {
        at: super::links::timestamp(stored.at_ms),
        connection: stored.connection.clone(),
        id: message.id.clone(),
        title: message.title.clone(),
        body: match message.kind {
            MessageKind::Text => message.body.clone(),
            MessageKind::Binary => format!("binary frame of {} bytes", message.size),
        },
        priority: message.priority,
        caught_up: message.arrival == Arrival::CaughtUp,
    }
}
