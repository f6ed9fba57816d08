//! The link itself: which state it is in, and what is due in it. What an input makes of it is in `inputs`, how it gets
//! from one state to another in `moves`.

mod inputs;
mod moves;

use std::collections::VecDeque;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::heartbeat::{Due, Heartbeat, HeartbeatKind, SHORTEST, Vitals};
use super::queue::{NotSent, Queue};
use super::resume::{Resume, ResumeData};
use super::{Generation, Input, LinkSettings, LinkStatus, Output};
use crate::cause::{Cause, CauseCode};
use crate::time::Moment;
use crate::view::LinkState;

/// Two dials of a link are at least this far apart, whatever asks for them.
pub const DIAL_GAP: Duration = Duration::from_millis(250);

/// The longest a closing handshake may take before the socket is dropped.
pub const CLOSE_LIMIT: Duration = Duration::from_secs(1);

/// How far the link's own connect deadline lies behind the dial's, which knows what it was waiting for and so may speak
/// first.
pub const CONNECT_GRACE: Duration = Duration::from_millis(50);

/// How long the peer may take to show that it outlived this computer's sleep, if its timeout is not shorter.
pub const WAKE_PROBE: Duration = Duration::from_secs(2);

/// A connection's life as a state machine; see the module's documentation.
#[derive(Clone, Debug)]
pub struct Link {
    settings: LinkSettings,
    /// The one of the newest socket: the settings' until its two sides agree on another.
    heartbeat: Heartbeat,
    rng: SmallRng,
    phase: Phase,
    /// The socket we are closing politely. No dial starts before it is gone.
    closing: Option<Closing>,
    generation: Generation,
    /// Dials since the link was last up.
    attempt: u32,
    /// Failures in a row as the backoff counts them: being up is not enough to start anew.
    failures: u32,
    last_dial: Option<Moment>,
    last_delay: Duration,
    queue: Queue,
    resume: Resume,
    status: LinkStatus,
    /// For the next status.
    silent_for: Duration,
    outputs: VecDeque<Output>,
}

#[derive(Clone, Debug)]
enum Phase {
    Stopped,
    Paused,
    Waiting {
        until: Moment,
        /// What a hint cannot undercut.
        floor: Moment,
    },
    Blocked {
        until: Option<Moment>,
    },
    Dialing {
        deadline: Moment,
        /// Since when nothing is read. The handshake cannot go on meanwhile, and that is not the peer's doing.
        unread_since: Option<Moment>,
        /// Something that a wait would have been cut short for happened meanwhile. A dial from before it may hang on what
        /// is no more; should it fail, the next one comes at once.
        hinted: bool,
    },
    Up(Vitals),
}

#[derive(Clone, Copy, Debug)]
struct Closing {
    generation: Generation,
    until: Moment,
}

impl Link {
    /// A stopped link. The seed decides every delay it will draw.
    pub fn new(mut settings: LinkSettings, seed: u64) -> Self {
        // Settings are checked long before; but a time of zero here would mean a loop without end.
        settings.heartbeat = settings.heartbeat.at_least();
        settings.connect_timeout = settings.connect_timeout.max(SHORTEST);
        Self {
            heartbeat: settings.heartbeat.clone(),
            settings,
            rng: SmallRng::seed_from_u64(seed),
            phase: Phase::Stopped,
            closing: None,
            generation: Generation(0),
            attempt: 0,
            failures: 0,
            last_dial: None,
            last_delay: Duration::ZERO,
            queue: Queue::default(),
            resume: Resume::default(),
            status: LinkStatus {
                state: LinkState::Stopped,
                generation: Generation(0),
                attempt: 0,
                retry_at: None,
                cause: None,
                silent_for: Duration::ZERO,
            },
            silent_for: Duration::ZERO,
            outputs: VecDeque::new(),
        }
    }

    /// Takes what happened at `now`, then everything that is due by then. Drain [`Link::poll_output`] afterwards.
    pub fn handle(&mut self, now: Moment, input: Input) {
        self.apply(now, input);
        while self.step(now) {}
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        let next = self.outputs.pop_front();
        if next.is_none() {
            // An idle link keeps no room for what it may say one day.
            self.outputs = VecDeque::new();
        }
        next
    }

    /// When to come back with [`Input::Timeout`], unless something else happens first. Never a moment that the last
    /// call of [`Link::handle`] has already reached.
    pub fn poll_timeout(&self) -> Option<Moment> {
        match (self.due(), self.queue.deadline()) {
            (Some(due), Some(oldest)) => Some(due.min(oldest)),
            (due, oldest) => due.or(oldest),
        }
    }

    /// What people see.
    pub fn status(&self) -> &LinkStatus {
        &self.status
    }

    /// From where the handshake of the newest dial goes on.
    pub fn resume_data(&self) -> Option<&ResumeData> {
        self.resume.data()
    }

    /// When the state asks for something.
    fn due(&self) -> Option<Moment> {
        if let Some(closing) = self.closing {
            return Some(closing.until);
        }
        match &self.phase {
            Phase::Stopped | Phase::Paused => None,
            Phase::Waiting { until, .. } => Some(*until),
            Phase::Blocked { until } => *until,
            Phase::Dialing { deadline, unread_since, .. } => unread_since.is_none().then_some(*deadline),
            Phase::Up(vitals) => vitals.next(&self.heartbeat).map(|(at, _)| at),
        }
    }

    /// Does the one next thing that is due. False: nothing is.
    fn step(&mut self, now: Moment) -> bool {
        if let Some(id) = self.queue.expired(now) {
            self.outputs.push_back(Output::SendRefused(id, NotSent::TooLate));
            return true;
        }
        if self.due().is_none_or(|at| at > now) {
            return false;
        }
        if let Some(closing) = self.closing.take() {
            self.outputs.push_back(Output::Abort(closing.generation));
            return true;
        }
        match &self.phase {
            Phase::Stopped | Phase::Paused => return false,
            Phase::Waiting { .. } | Phase::Blocked { .. } => self.dial(now),
            Phase::Dialing { .. } => self.dial_timed_out(now),
            Phase::Up(vitals) => match vitals.next(&self.heartbeat) {
                Some((_, Due::Beat)) => self.beat(now),
                Some((_, Due::Dead)) => self.dead(now),
                None => return false,
            },
        }
        true
    }

    fn beat(&mut self, now: Moment) {
        if let Phase::Up(vitals) = &mut self.phase
            && let Some(frame) = vitals.beat(now, &self.heartbeat)
        {
            self.outputs.push_back(Output::Send(self.generation, frame, None));
        }
    }

    fn dead(&mut self, now: Moment) {
        // Not a closing handshake: nobody is there to answer it.
        self.outputs.push_back(Output::Abort(self.generation));
        let Phase::Up(vitals) = &self.phase else { return };
        self.silent_for = vitals.silence(now);
        let heartbeat = &self.heartbeat;
        let text = match heartbeat.kind {
            HeartbeatKind::None => format!("nothing received for {}", words(heartbeat.every + heartbeat.timeout)),
            HeartbeatKind::Text(_) | HeartbeatKind::Ping | HeartbeatKind::Own => {
                let limit = vitals.limit().unwrap_or(heartbeat.timeout);
                format!("no answer to the heartbeat within {}", words(limit))
            }
        };
        self.lost(now, Cause::new(CauseCode::HeartbeatTimeout, text));
    }

    fn dial_timed_out(&mut self, now: Moment) {
        self.outputs.push_back(Output::Abort(self.generation));
        let text = format!("no connection within {}", words(self.settings.connect_timeout));
        self.lost(now, Cause::new(CauseCode::ConnectTimeout, text));
    }
}

/// A duration as people say it.
fn words(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        return format!("{} ms", duration.as_millis());
    }
    let minutes = duration.as_secs() / 60;
    if minutes >= 60 {
        return format!("{} h {} min", minutes / 60, minutes % 60);
    }
    if minutes >= 2 {
        return format!("{minutes} min");
    }
    let tenths = duration.as_millis().div_ceil(100);
    if tenths.is_multiple_of(10) { format!("{} s", tenths / 10) } else { format!("{}.{} s", tenths / 10, tenths % 10) }
}
