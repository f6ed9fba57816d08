//! A computer, its network, its person and the servers it talks to, in virtual time. Everything that happens is drawn from
//! one seed, so that a day can be lived again exactly.

mod client;
mod faults;
mod network;
mod queue;
mod reasons;
mod server;

use std::collections::VecDeque;
use std::time::Duration;

use heartwire_core::link::LinkSettings;
use heartwire_core::time::Moment;
use rand::Rng;
use rand::rngs::SmallRng;

use crate::checker::{Tally, Verdict, Violation};
use crate::trace::{Said, Told};
use client::Client;
use network::Network;
use queue::{Event, Queue};
use server::Server;

/// Where the clock of a day begins.
const ORIGIN: Moment = Moment::new(Duration::from_secs(1_000_000));
/// A link that has more to say than this at once does not come to rest.
const LONGEST_SPEECH: usize = 10_000;
/// How many steps before a broken promise are kept.
const STEPS_SHOWN: usize = 30;

/// The frame of a day.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// How long it is.
    pub length: Duration,
    /// The mean time between two faults.
    pub calm: Duration,
    /// How late timers are, at most.
    pub lateness: Duration,
    /// The usual way to a server and back.
    pub round_trip: Duration,
    /// The mean time between two messages on a link.
    pub talk: Duration,
}

/// What broke, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The link.
    pub link: usize,
    /// The promise.
    pub violation: Violation,
    /// The last steps of that link, if they were asked for.
    pub steps: Vec<String>,
}

/// The outside of some links.
pub struct World {
    now: Moment,
    frame: Frame,
    rng: SmallRng,
    queue: Queue,
    clients: Vec<Client>,
    /// When each link will be woken.
    wakes: Vec<Option<Moment>>,
    servers: Vec<Server>,
    network: Network,
    /// The computer sleeps: since and until when.
    asleep: Option<(Moment, Moment)>,
    /// The link whose steps are kept.
    watched: Option<(usize, VecDeque<String>)>,
}

impl World {
    /// Links with these settings, before their day. The steps of the link `watched` are kept.
    pub fn new(frame: Frame, settings: &[LinkSettings], mut rng: SmallRng, watched: Option<usize>) -> Self {
        // The links of a computer often have one server.
        let servers = if rng.random_bool(0.5) { 1 } else { settings.len() };
        let client = |(at, settings): (usize, &LinkSettings)| Client::new(settings, at % servers, &mut rng);
        let clients: Vec<_> = settings.iter().enumerate().map(client).collect();
        Self {
            now: ORIGIN,
            frame,
            rng,
            queue: Queue::default(),
            wakes: vec![None; settings.len()],
            clients,
            servers: vec![Server::default(); servers],
            network: Network::new(frame.round_trip),
            asleep: None,
            watched: watched.map(|link| (link, VecDeque::new())),
        }
    }

    /// Lives the day. What was counted, or the first broken promise.
    pub fn live(mut self) -> Result<Tally, Failure> {
        for link in 0..self.clients.len() {
            let soon = self.between(Duration::ZERO, Duration::from_secs(5));
            self.queue.push(self.now + soon, Event::Person(link, Told::Start));
        }
        self.next_fault();
        let end = ORIGIN + self.frame.length;
        self.run(end)?;
        for link in 0..self.clients.len() {
            self.tell(link, Told::Stop)?;
        }
        self.run(end + Duration::from_millis(1_100))?;
        let mut sum = Tally::default();
        for link in 0..self.clients.len() {
            let finished = self.clients[link].checker.finished();
            self.judge(link, finished)?;
            sum.plus(&self.clients[link].checker.tally);
        }
        Ok(sum)
    }

    fn run(&mut self, end: Moment) -> Result<(), Failure> {
        loop {
            let due = self.wakes.iter().enumerate().filter_map(|(link, wake)| Some(((*wake)?, link))).min();
            // A sleeping computer has no timers.
            let due = due.map(|(at, link)| (self.asleep.map_or(at, |(_, until)| at.max(until)), link));
            let event = self.queue.next_at();
            match (event, due) {
                (Some(at), due) if at <= end && due.is_none_or(|(timer, _)| at <= timer) => {
                    self.now = at.max(self.now);
                    if let Some(event) = self.queue.pop() {
                        self.happens(event)?;
                    }
                }
                (_, Some((at, link))) if at <= end => {
                    self.now = at.max(self.now);
                    self.tell(link, Told::Timeout)?;
                }
                _ => {
                    self.now = end;
                    return Ok(());
                }
            }
        }
    }

    /// The one way to a link: it is told, what it says is done, and everything is judged.
    fn tell(&mut self, link: usize, told: Told) -> Result<(), Failure> {
        let now = self.now;
        self.note(link, || format!("told {told:?}"));
        let verdict = self.clients[link].checker.told(now, &told);
        self.judge(link, verdict)?;
        self.clients[link].subject.told(now, &told);
        let mut words = 0;
        while let Some(said) = self.clients[link].subject.said() {
            self.note(link, || format!("     said {said:?}"));
            let verdict = self.clients[link].checker.said(now, &said);
            self.judge(link, verdict)?;
            self.obey(link, said);
            words += 1;
            if words > LONGEST_SPEECH {
                let seen = "it does not come to rest".to_owned();
                self.judge(link, Err(Violation { invariant: 12, seen }))?;
            }
        }
        let wake = self.clients[link].subject.wake();
        let verdict = self.clients[link].checker.settled(now, wake);
        self.judge(link, verdict)?;
        self.set_timer(link, wake);
        Ok(())
    }

    /// A timer fires a little late, and is not moved while its deadline stays.
    fn set_timer(&mut self, link: usize, deadline: Option<Moment>) {
        if self.clients[link].deadline == deadline {
            return;
        }
        let late = self.between(Duration::ZERO, self.frame.lateness);
        self.clients[link].deadline = deadline;
        self.wakes[link] = deadline.map(|at| at + late);
    }

    fn judge(&mut self, link: usize, verdict: Verdict) -> Result<(), Failure> {
        verdict.map_err(|violation| {
            let steps = self.watched.take().map(|(_, steps)| steps.into()).unwrap_or_default();
            Failure { link, violation, steps }
        })
    }

    fn note(&mut self, link: usize, words: impl FnOnce() -> String) {
        if let Some((watched, steps)) = &mut self.watched
            && *watched == link
        {
            if steps.len() == STEPS_SHOWN {
                steps.pop_front();
            }
            let at = self.now.since(ORIGIN);
            steps.push_back(format!("{:>12.6} s  {}", at.as_secs_f64(), words()));
        }
    }

    fn obey(&mut self, link: usize, said: Said) {
        match said {
            Said::Dial(generation) => self.dial(link, generation),
            Said::Beat(generation) => self.heartbeat(link, generation),
            Said::Close(generation, _) => self.close(link, generation),
            Said::Abort(generation) => self.abort(link, generation),
            Said::Text(..) | Said::Status(_) | Said::RoundTrip(_) | Said::Refused(_) | Said::ResumeDropped(_) => {}
        }
    }

    fn between(&mut self, from: Duration, to: Duration) -> Duration {
        if from >= to { from } else { self.rng.random_range(from..=to) }
    }

    /// A time whose order of magnitude is drawn, so that short and long ones are as likely.
    fn about(&mut self, from: Duration, to: Duration) -> Duration {
        let (from, to) = (from.as_secs_f64().ln(), to.as_secs_f64().ln());
        Duration::from_secs_f64(self.rng.random_range(from..=to).exp())
    }

    /// The time to the next of many independent events.
    fn until_next(&mut self, mean: Duration) -> Duration {
        let part: f64 = self.rng.random_range(f64::EPSILON..1.0);
        mean.mul_f64(-part.ln())
    }
}
