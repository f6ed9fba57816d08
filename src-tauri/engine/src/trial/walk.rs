//! How far a test has come, and what it still waits for.

use std::time::Duration;

use tokio::time::Instant;

use heartwire_core::cause::{Cause, CauseCode};
use heartwire_core::dialect::{Item, Spec};
use heartwire_core::link::{Heartbeat, HeartbeatKind};
use heartwire_core::message::{Message, MessageKind};
use heartwire_core::settings::Connection;
use heartwire_core::text;
use heartwire_core::trial::{Outcome, Step, StepView, advice};
use heartwire_core::view::LinkState;

use super::note::Note;
use crate::driver::DriverEventKind;

/// How long a first message is waited for, and the end of a fetch.
const AFTER: Duration = Duration::from_secs(10);

/// How long after its heartbeat's timeout a link may say that it found the server dead.
const GRACE: Duration = Duration::from_millis(500);

/// The time of a test that ends by itself.
const FAR: Duration = Duration::from_secs(7 * 24 * 3600);

/// The most characters of a message that are shown.
const SHOWN: usize = 60;

pub(super) struct Walk<T> {
    pub steps: Vec<StepView>,
    told: T,
    spec: &'static Spec,
    heartbeat: Heartbeat,
    /// When the last step was made.
    since: Instant,
    /// When it is to be over, and after how long that is.
    limit: Option<(Instant, Duration)>,
    stage: Stage,
    fetch: Fetch,
}

#[derive(Clone, Copy)]
enum Stage {
    /// On the way to the connection, with the step under way.
    Going {
        step: Step,
        via: bool,
        secure: bool,
    },
    /// The connection was there at that moment; what is waited for still.
    There {
        since: Instant,
        heartbeat: bool,
        message: bool,
    },
    Over,
}

#[derive(Clone, Copy)]
enum Fetch {
    None,
    Since(Instant),
    Done,
}

impl<T: FnMut(&StepView)> Walk<T> {
    pub fn new(connection: &Connection, limit: Option<Duration>, told: T) -> Self {
        let now = Instant::now();
        Self {
            steps: Vec::new(),
            told,
            spec: connection.dialect.spec,
            heartbeat: connection.heartbeat.clone(),
            since: now,
            limit: limit.map(|limit| (now + limit, limit)),
            stage: Stage::Going { step: Step::Secret, via: false, secure: false },
            fetch: Fetch::None,
        }
    }

    /// When [`Walk::timeout`] is to be called. None: it is over.
    pub fn due(&self) -> Option<Instant> {
        let due = match self.stage {
            Stage::Over => return None,
            // The driver's own deadlines come before.
            Stage::Going { .. } => self.since + FAR,
            Stage::There { since, heartbeat: true, .. } if self.heartbeat.timeout + GRACE < AFTER => {
                since + self.heartbeat.timeout + GRACE
            }
            Stage::There { since, message, .. } if message || self.is_fetching() => since + AFTER,
            Stage::There { since, .. } => since + self.heartbeat.timeout + GRACE,
        };
        Some(self.limit.map_or(due, |(limit, _)| due.min(limit)))
    }

    /// A dial or a fetch told this at that moment.
    pub fn note(&mut self, at: Instant, note: Note) {
        match note {
            Note::Made(step, detail) => self.pass(at, step, Outcome::Ok, detail),
            Note::NotNeeded(step, detail) => self.pass(at, step, Outcome::Skipped, detail),
            Note::Way { via, secure: tls } => {
                let detail = via.clone().unwrap_or_else(|| "none: the way is straight".to_owned());
                if let Stage::Going { via: known, secure, .. } = &mut self.stage {
                    (*known, *secure) = (via.is_some(), tls);
                }
                self.pass(at, Step::Proxy, Outcome::Ok, detail);
            }
            Note::Redirected(detail) => {
                self.pass(at, Step::Upgrade, Outcome::Ok, detail);
                if let Stage::Going { step, .. } = &mut self.stage {
                    *step = Step::Proxy;
                }
            }
            Note::Agreed(heartbeat) => self.heartbeat = heartbeat,
            Note::Fetching => {
                if let Fetch::None = self.fetch {
                    self.fetch = Fetch::Since(at);
                }
            }
            Note::Fetched(result) => {
                let Fetch::Since(began) = self.fetch else { return };
                self.fetch = Fetch::Done;
                match result {
                    Ok(()) => self.push(at - began, Step::Fetch, Outcome::Ok, "it was given".to_owned()),
                    Err(cause) => self.fail(at - began, Step::Fetch, &cause),
                }
                self.settle();
            }
        }
    }

    /// The driver tells this. True: the heartbeat is to be tried.
    pub fn event(&mut self, event: Option<DriverEventKind>) -> bool {
        match event {
            None => self.lose(&Cause::new(CauseCode::Reset, "the test was ended before it was done")),
            Some(DriverEventKind::Status(status, _)) => match (status.state, status.cause) {
                (LinkState::Connected, _) => return self.connected(),
                (LinkState::Waiting | LinkState::Blocked, Some(cause)) => self.lose(&cause),
                (LinkState::Waiting | LinkState::Blocked, None) => {
                    self.lose(&Cause::new(CauseCode::Reset, "the connection ended"));
                }
                (LinkState::Connecting | LinkState::Paused | LinkState::Stopped, _) => {}
            },
            Some(DriverEventKind::RoundTrip(took)) => {
                if let Stage::There { heartbeat: waiting @ true, .. } = &mut self.stage {
                    *waiting = false;
                    self.push(took, Step::Heartbeat, Outcome::Ok, "it was answered".to_owned());
                    self.settle();
                }
            }
            Some(DriverEventKind::Received(_, items)) => {
                let mut messages = items.iter().filter_map(|item| match item {
                    Item::Message(message) => Some(message),
                    Item::Withdrawn(_) | Item::Cursor(_) | Item::CaughtUp(_) | Item::Mark(_) => None,
                });
                if let Some(first) = messages.next() {
                    self.message(first);
                }
            }
            // The fetch itself tells that it failed.
            Some(DriverEventKind::ResumeDropped(_) | DriverEventKind::FetchFailed(_)) => {}
        }
        false
    }

    /// What was waited for did not come by [`Walk::due`].
    pub fn timeout(&mut self) {
        let now = Instant::now();
        if let Some((_, limit)) = self.limit.filter(|(at, _)| *at <= now) {
            let text = format!("it was not done when the test had taken {} s", limit.as_secs());
            return self.lose(&Cause::new(CauseCode::ConnectTimeout, text));
        }
        let Stage::There { since, mut heartbeat, mut message } = self.stage else { return };
        let passed = now - since;
        if heartbeat && passed >= self.heartbeat.timeout + GRACE {
            heartbeat = false;
            let detail = "the server is alive; no answer to it was recognised".to_owned();
            self.push(passed, Step::Heartbeat, Outcome::Ok, detail);
        }
        if passed >= AFTER {
            if message {
                message = false;
                let detail = format!("none came within {} s, which may be as it should", AFTER.as_secs());
                self.push(passed, Step::Message, Outcome::Skipped, detail);
            }
            if let Fetch::Since(began) = self.fetch {
                self.fetch = Fetch::Done;
                let text = format!("it was not finished within {} s", AFTER.as_secs());
                self.fail(now - began, Step::Fetch, &Cause::new(CauseCode::ConnectTimeout, text));
            }
        }
        self.stage = Stage::There { since, heartbeat, message };
        self.settle();
    }

    /// A step of the dial was made: the next one begins.
    fn pass(&mut self, at: Instant, step: Step, outcome: Outcome, detail: String) {
        self.push(at - self.since, step, outcome, detail);
        self.since = at;
        let Stage::Going { step: under_way, via, secure } = &mut self.stage else { return };
        let through = if *secure { Step::Tls } else { Step::Upgrade };
        *under_way = match step {
            Step::Secret => Step::Proxy,
            Step::Proxy => Step::Dns,
            Step::Dns => Step::Tcp,
            Step::Tcp if *via => Step::Tunnel,
            Step::Tcp | Step::Tunnel => through,
            Step::Tls => Step::Upgrade,
            Step::Upgrade | Step::Subscription | Step::Fetch | Step::Heartbeat | Step::Message => Step::Subscription,
        };
        if *under_way == Step::Upgrade && !*secure {
            let detail = "not used: the address is ws".to_owned();
            self.push(Duration::ZERO, Step::Tls, Outcome::Skipped, detail);
        }
    }

    fn connected(&mut self) -> bool {
        let Stage::Going { .. } = self.stage else { return false };
        let now = Instant::now();
        let one = if self.spec.one_socket {
            "; this server ends the socket of a running Heartwire for it: if it does not come back, reconnect it there"
        } else {
            ""
        };
        let detail = format!("the server takes what the dialect \"{}\" says first{one}", self.spec.name);
        self.push(now - self.since, Step::Subscription, Outcome::Ok, detail);
        let heartbeat = self.heartbeat.kind != HeartbeatKind::None;
        if !heartbeat {
            let silence = (self.heartbeat.every + self.heartbeat.timeout).as_secs_f64();
            let detail = format!("none is sent: the server is dead when it is silent for {silence} s");
            self.push(Duration::ZERO, Step::Heartbeat, Outcome::Skipped, detail);
        }
        self.stage = Stage::There { since: now, heartbeat, message: true };
        heartbeat
    }

    fn message(&mut self, first: &Message) {
        let Stage::There { since, message: waiting @ true, .. } = &mut self.stage else { return };
        *waiting = false;
        let took = since.elapsed();
        let shown = match first.kind {
            MessageKind::Binary => format!("{} bytes", first.size),
            MessageKind::Text if first.title.is_empty() => text::one_line(&first.body, SHOWN),
            MessageKind::Text => text::one_line(&first.title, SHOWN),
        };
        self.push(took, Step::Message, Outcome::Ok, format!("one came: {shown}"));
        self.settle();
    }

    /// There is no connection, or no longer.
    fn lose(&mut self, cause: &Cause) {
        let now = Instant::now();
        match self.stage {
            Stage::Going { step, .. } => self.fail(now - self.since, step, cause),
            Stage::There { since, heartbeat: true, .. } => self.fail(now - since, Step::Heartbeat, cause),
            Stage::There { since, .. } => self.fail(now - since, Step::Message, cause),
            Stage::Over => {}
        }
        self.stage = Stage::Over;
    }

    fn settle(&mut self) {
        if let Stage::There { heartbeat: false, message: false, .. } = self.stage
            && !self.is_fetching()
        {
            self.stage = Stage::Over;
        }
    }

    fn is_fetching(&self) -> bool {
        matches!(self.fetch, Fetch::Since(_))
    }

    fn fail(&mut self, took: Duration, step: Step, cause: &Cause) {
        let advice = advice(step, cause).to_owned();
        let view = Self::view(took, step, Outcome::Failed, cause.text.clone());
        self.tell(StepView { cause: Some(cause.view()), advice: Some(advice), ..view });
    }

    fn push(&mut self, took: Duration, step: Step, outcome: Outcome, detail: String) {
        self.tell(Self::view(took, step, outcome, detail));
    }

    fn view(took: Duration, step: Step, outcome: Outcome, detail: String) -> StepView {
        // A tenth of a millisecond is more than anybody wants to know.
        let took_ms = (took.as_secs_f64() * 10_000.0).round() / 10.0;
        StepView { step, outcome, took_ms, detail, cause: None, advice: None }
    }

    fn tell(&mut self, step: StepView) {
        (self.told)(&step);
        self.steps.push(step);
    }
}
