//! A driver of a connection as the settings make it, and all that its dialect said. What came is committed at once, as a
//! store would; the newest committed cursor can be taken over by the next one, as after a restart.

use std::time::Duration;

use heartwire_core::cause::CauseView;
use heartwire_core::dialect::{CaughtUp, Item, Withdrawal};
use heartwire_core::link::{LinkStatus, ResumeData};
use heartwire_core::message::Message;
use heartwire_core::settings::{Connection, ConnectionForm, overlay, resolve};
use heartwire_core::view::LinkState;
use heartwire_engine::driver::{Command, ConnectionId, DriverEventKind, DriverHandle, DriverOptions, spawn};
use heartwire_engine::settings_file::{defaults, presets};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::server::SOON;

pub struct Watch {
    handle: DriverHandle,
    events: mpsc::Receiver<DriverEventKind>,
    /// Everything that was said, in order, except marks.
    pub items: Vec<Item>,
    pub messages: Vec<Message>,
    pub caught_up: Vec<CaughtUp>,
    pub withdrawn: Vec<Withdrawal>,
    pub statuses: Vec<LinkStatus>,
    pub round_trips: usize,
    pub failed_fetches: usize,
    /// The newest cursor that was committed.
    pub cursor: Option<ResumeData>,
    /// Whether marks are acknowledged; false: as if the disk never answered.
    pub commits: bool,
}

/// The connection that these keys of the settings make, over quick delays and the program's defaults.
pub fn connection(keys: Value) -> Connection {
    let quick = json!({ "name": "test", "reconnect": { "first": "50ms", "cap": "200ms" } });
    let [keys, quick] = [keys, quick].map(|keys| serde_json::from_value::<ConnectionForm>(keys).unwrap());
    let form = overlay(&keys, &quick);
    resolve(&form, &defaults(), &presets()).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

impl Watch {
    /// At the first contact.
    pub fn start(connection: &Connection) -> Self {
        Self::from(connection, None)
    }

    /// Going on from a cursor.
    pub fn from(connection: &Connection, cursor: Option<ResumeData>) -> Self {
        let options = DriverOptions::new(ConnectionId(7), connection.clone());
        Self::made_of(DriverOptions { cursor, ..options })
    }

    /// Where nothing can be kept.
    pub fn passing(connection: &Connection) -> Self {
        let options = DriverOptions::new(ConnectionId(7), connection.clone());
        Self { commits: false, ..Self::made_of(DriverOptions { passing: true, ..options }) }
    }

    fn made_of(options: DriverOptions) -> Self {
        let cursor = options.cursor.clone();
        let (sender, mut from_driver) = mpsc::channel(64);
        let handle = spawn(options, sender);
        handle.command(Command::Start);
        let (forward, events) = mpsc::channel(64);
        tokio::spawn(async move {
            while let Some(event) = from_driver.recv().await {
                if forward.send(event.kind).await.is_err() {
                    return;
                }
            }
        });
        Self {
            handle,
            events,
            items: Vec::new(),
            messages: Vec::new(),
            caught_up: Vec::new(),
            withdrawn: Vec::new(),
            statuses: Vec::new(),
            round_trips: 0,
            failed_fetches: 0,
            cursor,
            commits: true,
        }
    }

    pub fn command(&self, command: Command) {
        assert!(self.handle.command(command));
    }

    /// Takes events until this holds; panics with what there was if it never does.
    pub async fn until(&mut self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let limit = Instant::now() + SOON;
        while !holds(self) {
            let event = timeout_at(limit, self.events.recv()).await;
            let event = event.unwrap_or_else(|_| panic!("{what}: {:#?}\n{:#?}", self.items, self.statuses));
            self.take(event.expect("the driver has ended"));
        }
    }

    pub async fn until_state(&mut self, state: LinkState) -> LinkStatus {
        let seen = self.statuses.len();
        self.until(&format!("{state:?}"), |watch| watch.statuses[seen..].iter().any(|s| s.state == state)).await;
        self.statuses[seen..].iter().find(|status| status.state == state).unwrap().clone()
    }

    /// Connected, from the beginning or again.
    pub async fn until_connected(&mut self) {
        if self.statuses.last().is_none_or(|status| status.state != LinkState::Connected) {
            self.until_state(LinkState::Connected).await;
        }
    }

    /// The cause of the next block.
    pub async fn until_blocked(&mut self) -> CauseView {
        self.until_state(LinkState::Blocked).await.cause.unwrap().view()
    }

    /// So many messages in all.
    pub async fn until_messages(&mut self, count: usize) {
        self.until(&format!("{count} messages"), |watch| watch.messages.len() >= count).await;
    }

    /// So many words on what was missed in all.
    pub async fn until_caught_up(&mut self, count: usize) -> CaughtUp {
        self.until(&format!("caught up {count} times"), |watch| watch.caught_up.len() >= count).await;
        self.caught_up[count - 1]
    }

    pub async fn until_round_trip(&mut self) {
        let before = self.round_trips;
        self.until("a round trip", |watch| watch.round_trips > before).await;
    }

    /// Takes what comes in this time.
    pub async fn listen(&mut self, time: Duration) {
        let limit = Instant::now() + time;
        while let Ok(Some(event)) = timeout_at(limit, self.events.recv()).await {
            self.take(event);
        }
    }

    /// The bodies of the messages.
    pub fn bodies(&self) -> Vec<&str> {
        self.messages.iter().map(|message| message.body.as_str()).collect()
    }

    /// Ends in good order; the cursor that the next one may go on from.
    pub async fn end(mut self) -> Option<ResumeData> {
        self.handle.command(Command::Stop);
        while let Ok(Some(event)) = timeout_at(Instant::now() + SOON, self.events.recv()).await {
            self.take(event);
        }
        self.handle.join().await;
        self.cursor
    }

    fn take(&mut self, event: DriverEventKind) {
        match event {
            DriverEventKind::Status(status, _) => self.statuses.push(status),
            DriverEventKind::RoundTrip(_) => self.round_trips += 1,
            DriverEventKind::ResumeDropped(_) => self.cursor = None,
            DriverEventKind::FetchFailed(_) => self.failed_fetches += 1,
            DriverEventKind::Received(generation, items) => {
                for item in items {
                    match &item {
                        Item::Message(message) => self.messages.push(message.clone()),
                        Item::Withdrawn(withdrawal) => self.withdrawn.push(withdrawal.clone()),
                        Item::CaughtUp(caught_up) => self.caught_up.push(*caught_up),
                        Item::Cursor(cursor) if self.commits => self.cursor = Some(cursor.clone()),
                        Item::Cursor(_) => {}
                        Item::Mark(mark) => {
                            if self.commits {
                                self.handle.command(Command::Committed(generation, *mark));
                            }
                            continue;
                        }
                    }
                    self.items.push(item);
                }
            }
        }
    }
}
