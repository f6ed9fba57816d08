//! The supervisor's loop: what happened is taken one thing at a time, and whatever follows from it is queued.

mod earlier;
mod ending;
mod written;

use std::sync::Arc;
use std::time::Duration;

use heartwire_core::link::LinkStatus;
use heartwire_core::listen::Event;
use heartwire_core::view::{LastMessage, Snapshot, Span};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};

use earlier::Opened;

use super::changes::Changes;
use super::links::now_ms;
use super::popups::Popups;
use super::secrets::{KeyringTold, Vault};
use super::state::State;
use super::writes::{Write, Writes};
use super::{Asked, Options, Source};
use crate::driver::{Command, ConnectionId, DriverEvent, DriverEventKind};
use crate::environment::Environment;
use crate::notifier::NotifierEvent;
use crate::settings_file;
use crate::store::StoreError;

/// The shortest time between two snapshots.
const SNAPSHOT_EVERY: Duration = Duration::from_millis(250);
/// How often the store is told that Heartwire runs, so that a crash does not stretch a span. It is told when something
/// happens anyway, so that an idle computer is not woken for it; only where nothing does, after this time once more.
const ALIVE_EVERY: Duration = Duration::from_secs(600);
/// How often old messages are removed, and after how many new ones at the latest.
const PRUNE_EVERY: Duration = Duration::from_secs(60 * 60);
const PRUNE_AFTER: usize = 20_000;
/// Events that may wait for a slow listener before links stop reading.
const MOST_EVENTS: usize = 10_000;

/// What the supervisor's own small tasks tell it.
pub(super) enum Internal {
    /// What the store knows of a connection from earlier.
    Recalled(ConnectionId, Result<(Vec<Span>, Option<LastMessage>), StoreError>),
    /// A link has ended: its socket is closed and all its events are in the channel.
    Ended(ConnectionId),
    /// The keyring has done something.
    Keyring(KeyringTold),
    /// A connection was tried out whose server allows one socket only.
    Tested(ConnectionId),
}

/// The supervisor's task.
pub struct Run {
    pub(super) state: State,
    pub(super) writes: Writes,
    /// What is committed is kept as long as it is meant to be. False: there should be a database on disk and is none, so
    /// that nothing may be acknowledged to a server, which would lose it with this run.
    pub(super) keeps: bool,
    pub(super) changes: Changes,
    pub(super) vault: Vault,
    pub(super) driver_events_sender: mpsc::Sender<DriverEvent>,
    pub(super) driver_events: mpsc::Receiver<DriverEvent>,
    pub(super) internal_sender: mpsc::UnboundedSender<Internal>,
    internal: mpsc::UnboundedReceiver<Internal>,
    asked: mpsc::Receiver<Asked>,
    environment: Environment,
    pub(super) popups: Popups,
    listener: Option<mpsc::Sender<Event>>,
    snapshots: watch::Sender<Arc<Snapshot>>,
    snapshot_at: Instant,
    alive_at: Instant,
    prune_at: Instant,
    committed_since_prune: usize,
}

impl Run {
    pub async fn new(
        mut options: Options,
        asked: mpsc::Receiver<Asked>,
    ) -> Result<(Self, watch::Receiver<Arc<Snapshot>>), StoreError> {
        let settings = match &mut options.settings {
            Source::Files { paths, environment } => settings_file::load(paths, environment),
            Source::Given(settings) => std::mem::take(settings.as_mut()),
        };
        let Opened { store, keeps, problem } = Opened::at(options.database.as_deref())?;
        let popups = Popups::new(options.notify.as_ref(), &settings.general);
        let (driver_events_sender, driver_events) = mpsc::channel(256);
        let (internal_sender, internal) = mpsc::unbounded_channel();
        let vault = Vault::new(options.keyring.clone(), internal_sender.clone());
        let listener = options.events.clone();
        let environment = std::mem::take(&mut options.environment).open();
        let mut state = State::new(options, settings, environment.clock().clone());
        state.opening_problem = problem;
        let (snapshots, receiver) = watch::channel(Arc::new(state.snapshot()));
        let now = Instant::now();
        let mut run = Self {
            state,
            writes: Writes::new(store),
            keeps,
            changes: Changes::default(),
            vault,
            driver_events_sender,
            driver_events,
            internal_sender,
            internal,
            asked,
            environment,
            popups,
            listener,
            snapshots,
            snapshot_at: now,
            alive_at: now,
            prune_at: now,
            committed_since_prune: 0,
        };
        run.remember().await?;
        run.apply(None).await;
        run.without_settings();
        run.publish();
        Ok((run, receiver))
    }

    pub async fn run(mut self) {
        let done = loop {
            if let Some(done) = self.step().await {
                break done;
            }
        };
        self.stop().await;
        if let Some(done) = done {
            let _ = done.send(());
        }
    }

    /// Takes one thing that happened; some once the supervisor is to end.
    async fn step(&mut self) -> Option<Option<oneshot::Sender<()>>> {
        self.tell_alive();
        self.writes.launch();
        self.begin_change();
        let reading = !self.writes.full() && self.state.outbox.len() < MOST_EVENTS;
        let retry_at = self.writes.retry_at();
        let snapshot_due = self.state.dirty.then_some(self.snapshot_at);
        let summary_due = self.popups.summary_due();
        tokio::select! {
            asked = self.asked.recv() => match asked {
                Some(Asked::Request { request, reply }) => self.answer(request, reply),
                Some(Asked::Stop { done }) => return Some(Some(done)),
                None => return Some(None),
            },
            Some(event) = self.driver_events.recv(), if reading => self.driver_event(event),
            Some(internal) = self.internal.recv() => self.internal(internal),
            event = self.environment.next() => self.environment_changed(event),
            changed = self.changes.ended() => self.change_ended(changed).await,
            outcome = self.writes.outcome() => self.written(outcome),
            told = self.popups.told() => self.notifier_told(told),
            () = deliver(self.listener.as_ref(), &mut self.state.outbox) => {}
            () = sleep_until_some(snapshot_due) => self.publish(),
            () = sleep_until_some(summary_due) => self.popups.show_summary(),
            () = sleep_until_some(retry_at) => self.writes.release(),
            () = sleep_until(self.alive_at + ALIVE_EVERY) => {}
            () = sleep_until(self.prune_at) => self.prune(),
        }
        None
    }

    fn tell_alive(&mut self) {
        let now = Instant::now();
        if now >= self.alive_at {
            self.alive_at = now + ALIVE_EVERY;
            self.writes.alive(now_ms());
        }
    }

    fn prune(&mut self) {
        self.prune_at = Instant::now() + PRUNE_EVERY;
        self.committed_since_prune = 0;
        self.writes.prune(self.state.settings.general.keep_messages);
    }

    fn internal(&mut self, internal: Internal) {
        match internal {
            Internal::Ended(id) => self.ended(id),
            Internal::Keyring(told) => self.keyring_told(told),
            Internal::Tested(id) => self.command(id, Command::Reconnect),
            Internal::Recalled(id, Ok((spans, last_message))) => {
                if let Some(link) = self.state.links.get_mut(&id) {
                    link.recall(spans, last_message);
                    self.state.dirty = true;
                }
            }
            Internal::Recalled(_, Err(error)) => self.state.storage_problem(Some(error.to_string())),
        }
    }

    pub(super) fn driver_event(&mut self, event: DriverEvent) {
        match event.kind {
            DriverEventKind::Status(status, retry_in) => self.status_changed(event.id, status, retry_in),
            DriverEventKind::RoundTrip(rtt) => {
                if let Some(link) = self.state.links.get_mut(&event.id) {
                    let event = link.round_trip(rtt, now_ms());
                    self.state.emit([event]);
                    self.state.dirty = true;
                }
            }
            DriverEventKind::Received(generation, items) => self.received(event.id, generation, items),
            DriverEventKind::ResumeDropped(_) => self.cursor_dropped(event.id),
            // It is tried again, and the gap stays open; what has come already need not wait for that.
            DriverEventKind::FetchFailed(_) => {
                if let Some(link) = self.state.links.get(&event.id) {
                    self.no_more_for_now(link.connection.name.clone());
                }
            }
        }
    }

    fn status_changed(&mut self, id: ConnectionId, status: LinkStatus, retry_in: Option<Duration>) {
        let Some(link) = self.state.links.get_mut(&id) else { return };
        let name = link.connection.name.clone();
        let told = name.clone();
        tracing::info!("{name}: {}", describe(&status, retry_in));
        let changed = link.status_changed(status, retry_in, now_ms());
        if let Some(at_ms) = changed.end {
            self.writes.push(Write::EndSpan(name.clone(), at_ms));
        }
        if let Some(begin) = changed.begin {
            self.writes.push(Write::BeginSpan(begin));
        }
        if let Some(attempts) = changed.attempts {
            self.writes.push(Write::Attempts(name, attempts));
        }
        let lost = changed.lost;
        self.state.emit([changed.event]);
        self.state.dirty = true;
        if lost {
            self.no_more_for_now(told);
        }
    }

    fn notifier_told(&mut self, told: Option<NotifierEvent>) {
        match told {
            None => self.mark_notified(),
            Some(NotifierEvent::Available) => self.state.notification_problem(None),
            Some(NotifierEvent::Unavailable(reason)) => self.state.notification_problem(Some(reason)),
            Some(NotifierEvent::NotShown { messages, reason }) => self.state.not_shown(messages, &reason),
        }
    }

    /// The newest snapshot.
    pub(super) fn newest(&self) -> Arc<Snapshot> {
        self.snapshots.borrow().clone()
    }

    pub(super) fn publish(&mut self) {
        self.snapshot_at = Instant::now() + SNAPSHOT_EVERY;
        self.snapshots.send_replace(Arc::new(self.state.snapshot()));
    }
}

/// Hands the oldest event to the listener; waits for ever if there is none or nobody listens.
async fn deliver(listener: Option<&mpsc::Sender<Event>>, outbox: &mut std::collections::VecDeque<Event>) {
    let Some(listener) = listener.filter(|_| !outbox.is_empty()) else { return std::future::pending().await };
    match listener.reserve().await {
        Ok(permit) => {
            if let Some(event) = outbox.pop_front() {
                permit.send(event);
            }
        }
        // Nobody reads any more; the listener's owner ends the program.
        Err(_) => outbox.clear(),
    }
}

async fn sleep_until_some(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn describe(status: &LinkStatus, retry_in: Option<Duration>) -> String {
    use heartwire_core::view::LinkState;
    let cause = status.cause.as_ref().map(|cause| cause.text.as_str()).unwrap_or_default();
    match (status.state, retry_in) {
        (LinkState::Connecting, _) => format!("connecting (attempt {})", status.attempt),
        (LinkState::Connected, _) => "connected".to_owned(),
        (LinkState::Waiting, Some(wait)) => format!("{cause}; trying again in {:.1} s", wait.as_secs_f64()),
        (LinkState::Waiting, None) => cause.to_owned(),
        (LinkState::Blocked, _) => format!("blocked: {cause}"),
        (LinkState::Paused, _) => "paused".to_owned(),
        (LinkState::Stopped, _) => "stopped".to_owned(),
    }
}
