//! The supervisor's loop: what happened is taken one thing at a time, and whatever follows from it is queued.

use std::sync::Arc;
use std::time::Duration;

use heartwire_core::attention::{Decision, NOT_STORED, Words};
use heartwire_core::listen::Event;
use heartwire_core::message::Message;
use heartwire_core::time::Moment;
use heartwire_core::view::{SNAPSHOT_ROWS, Snapshot};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::links::now_ms;
use super::state::State;
use super::writes::{Outcome, Write, Writes};
use super::{Asked, Options, Source};
use crate::driver::{Command, ConnectionId, DriverEvent, DriverEventKind};
use crate::notifier::{Notifier, NotifierEvent, NotifierSettings, Popup};
use crate::settings_file;
use crate::store::{NewMessage, Store, StoreError};

/// The shortest time between two snapshots.
const SNAPSHOT_EVERY: Duration = Duration::from_millis(250);
/// How often the store is told that Heartwire runs, so that a crash does not stretch a span.
const ALIVE_EVERY: Duration = Duration::from_secs(60);
/// Closing handshakes are bounded to a second by the links; this is for what comes after them.
const STOP_LIMIT: Duration = Duration::from_millis(1_500);
/// Events that may wait for a slow listener before links stop reading.
const MOST_EVENTS: usize = 10_000;

/// The supervisor's task.
pub struct Run {
    pub(super) state: State,
    pub(super) writes: Writes,
    pub(super) driver_events_sender: mpsc::Sender<DriverEvent>,
    driver_events: mpsc::Receiver<DriverEvent>,
    asked: mpsc::Receiver<Asked>,
    notifier_events: Option<mpsc::Receiver<NotifierEvent>>,
    listener: Option<mpsc::Sender<Event>>,
    snapshots: watch::Sender<Arc<Snapshot>>,
    snapshot_at: Instant,
    alive_at: Instant,
    origin: Instant,
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
        let (store, storage_problem) = open_store(options.database.as_deref())?;
        let (notifier, notifier_events) = match &options.notify {
            Some(notify) => {
                let settings = NotifierSettings { icon: notify.icon.clone(), ..NotifierSettings::default() };
                let (notifier, events) = Notifier::spawn(settings);
                (Some(notifier), Some(events))
            }
            None => (None, None),
        };
        let (driver_events_sender, driver_events) = mpsc::channel(256);
        let listener = options.events.clone();
        let mut state = State::new(options, settings, notifier);
        state.opening_problem = storage_problem;
        let (snapshots, receiver) = watch::channel(Arc::new(state.snapshot()));
        let now = Instant::now();
        let mut run = Self {
            state,
            writes: Writes::new(store),
            driver_events_sender,
            driver_events,
            asked,
            notifier_events,
            listener,
            snapshots,
            snapshot_at: now,
            alive_at: now,
            origin: now,
        };
        run.remember().await;
        run.apply().await;
        run.writes.push(Write::Prune(run.state.settings.general.keep_messages));
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
        let links = &self.state.links;
        self.writes.launch(|id| links.get(&id).and_then(|link| link.open_row));
        let reading = !self.writes.full() && self.state.outbox.len() < MOST_EVENTS;
        let retry_at = self.writes.retry_at();
        let snapshot_due = self.state.dirty.then_some(self.snapshot_at);
        let summary_due = self.state.attention.poll_timeout().map(|at| self.origin + at.since_origin());
        tokio::select! {
            asked = self.asked.recv() => match asked {
                Some(Asked::Request { request, reply }) => self.answer(request, reply).await,
                Some(Asked::Stop { done }) => return Some(Some(done)),
                None => return Some(None),
            },
            Some(event) = self.driver_events.recv(), if reading => self.driver_event(event),
            outcome = self.writes.outcome() => self.written(outcome),
            Some(event) = next_notifier_event(&mut self.notifier_events) => self.notifier_event(event),
            () = deliver(self.listener.as_ref(), &mut self.state.outbox) => {}
            () = sleep_until_some(snapshot_due) => self.publish(),
            () = sleep_until_some(summary_due) => self.show_summary(),
            () = sleep_until_some(retry_at) => self.writes.release(),
            () = sleep_until(self.alive_at) => {
                self.alive_at = Instant::now() + ALIVE_EVERY;
                self.writes.push(Write::Alive(now_ms()));
            }
        }
        None
    }

    /// What earlier runs left in the store.
    async fn remember(&mut self) {
        let store = self.writes.store();
        let rows = async {
            let (history, _) = store.history(None, None, SNAPSHOT_ROWS).await?;
            let (messages, _) = store.messages(None, None, SNAPSHOT_ROWS).await?;
            Ok::<_, StoreError>((history, messages, store.paused().await?))
        };
        match rows.await {
            Ok((history, messages, paused)) => {
                self.state.remember(history, messages);
                self.state.paused = paused.into_iter().collect();
            }
            Err(error) => self.state.storage_problem(Some(error.to_string())),
        }
    }

    fn driver_event(&mut self, event: DriverEvent) {
        let now_ms = now_ms();
        let id = event.id;
        if let DriverEventKind::Stopped = event.kind {
            self.stopped(id);
            return;
        }
        let Some(link) = self.state.links.get_mut(&id) else { return };
        match event.kind {
            DriverEventKind::Status(status, retry_in) => {
                let name = link.connection.name.clone();
                tracing::info!("{name}: {}", describe(&status, retry_in));
                let changed = link.status_changed(status, retry_in, now_ms);
                if let Some(begin) = changed.begin {
                    self.writes.push(Write::BeginSpan(id, begin));
                }
                if let Some(attempts) = changed.attempts {
                    self.state.attempts_changed(&name, attempts);
                    self.writes.push(Write::Attempts(id, attempts));
                }
                self.state.emit(changed.events);
            }
            DriverEventKind::RoundTrip(rtt) => {
                let event = link.round_trip(rtt, now_ms);
                self.state.emit([event]);
            }
            DriverEventKind::Messages(messages) => {
                let connection = link.connection.name.clone();
                let new = |message| NewMessage { connection: connection.clone(), at_ms: now_ms, message };
                self.writes.push_messages(messages.into_iter().map(new));
                return;
            }
            DriverEventKind::Stopped => {}
        }
        self.state.dirty = true;
    }

    fn written(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Committed(stored) => {
                for stored in &stored {
                    self.notify(&stored.connection, stored.id, &stored.message);
                    self.state.message_stored(stored);
                }
            }
            Outcome::CommittedLate(stored) => stored.iter().for_each(|stored| self.state.message_stored(stored)),
            Outcome::SpanBegun(id, row, span) => self.state.span_stored(id, row, span),
            Outcome::SpanEnded(connection, at_ms) => self.state.span_ended(&connection, at_ms),
            Outcome::Done => {}
            Outcome::NotCommitted(messages, error) => {
                // A message is worth more than its row: it is shown at once, and stored when the disk takes it.
                for new in &messages {
                    self.notify(&new.connection, NOT_STORED, &new.message);
                }
                return self.refused(Write::Again(messages), &error);
            }
            Outcome::Failed(write, error) => return self.refused(write, &error),
        }
        if self.writes.retry_at().is_none() {
            self.state.storage_problem(None);
        }
    }

    fn refused(&mut self, write: Write, error: &StoreError) {
        self.state.storage_problem(Some(error.to_string()));
        self.writes.hold(write);
    }

    fn notify(&mut self, connection: &str, id: i64, message: &Message) {
        if !self.state.settings.general.notifications || self.state.notifier.is_none() {
            return;
        }
        let now = Moment::new(self.origin.elapsed());
        match self.state.attention.decide(now, connection, id, message) {
            Decision::Notify => self.popup(Popup::message(connection, message, id)),
            Decision::Fold | Decision::Silent => {}
        }
    }

    fn popup(&self, popup: Popup) {
        if let Some(notifier) = &self.state.notifier {
            notifier.show(popup);
        }
    }

    fn show_summary(&mut self) {
        if let Some(summary) = self.state.attention.take_summary(Moment::new(self.origin.elapsed())) {
            self.popup(Popup::summary(&summary, Words::English));
        }
    }

    fn notifier_event(&mut self, event: NotifierEvent) {
        match event {
            NotifierEvent::Available => self.state.notification_problem(None),
            NotifierEvent::Unavailable(reason) => self.state.notification_problem(Some(reason)),
            NotifierEvent::NotShown { messages, reason } => self.state.not_shown(messages, &reason),
        }
    }

    pub(super) fn publish(&mut self) {
        self.snapshot_at = Instant::now() + SNAPSHOT_EVERY;
        self.snapshots.send_replace(Arc::new(self.state.snapshot()));
    }

    /// Ends every link, then writes what is pending; within [`STOP_LIMIT`].
    async fn stop(mut self) {
        let limit = Instant::now() + STOP_LIMIT;
        let mut open: Vec<ConnectionId> = self.state.links.keys().copied().collect();
        for id in &open {
            self.command(*id, Command::Stop);
        }
        open.extend(self.state.stopping.keys());
        while !open.is_empty() {
            let Ok(Some(event)) = timeout_at(limit, self.driver_events.recv()).await else { break };
            match event.kind {
                DriverEventKind::Stopped => open.retain(|id| *id != event.id),
                _ => self.driver_event(event),
            }
        }
        while !self.writes.idle() {
            self.writes.launch(|_| None);
            let Ok(outcome) = timeout_at(limit, self.writes.outcome()).await else { break };
            self.written(outcome);
        }
        let store = self.writes.store().clone();
        let closed = async {
            store.close_spans(now_ms()).await?;
            store.close().await
        };
        match timeout_at(limit, closed).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!("storage: {error}"),
            Err(_) => tracing::error!("storage: not closed in time"),
        }
        while !self.state.outbox.is_empty() {
            let delivered = deliver(self.listener.as_ref(), &mut self.state.outbox);
            if timeout_at(limit, delivered).await.is_err() {
                break;
            }
        }
    }
}

/// The store on disk; in memory, with the reason, where that cannot be.
fn open_store(path: Option<&std::path::Path>) -> Result<(Store, Option<String>), StoreError> {
    let Some(path) = path else { return Ok((Store::in_memory()?, None)) };
    Ok(match Store::open(path) {
        Ok((store, set_aside)) => (store, set_aside.map(|set_aside| set_aside.to_string())),
        Err(error) => {
            (Store::in_memory()?, Some(format!("{error}; until then history is kept only while Heartwire runs")))
        }
    })
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

async fn next_notifier_event(events: &mut Option<mpsc::Receiver<NotifierEvent>>) -> Option<NotifierEvent> {
    match events {
        Some(events) => events.recv().await,
        None => std::future::pending().await,
    }
}

async fn sleep_until_some(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn describe(status: &heartwire_core::link::LinkStatus, retry_in: Option<Duration>) -> String {
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
