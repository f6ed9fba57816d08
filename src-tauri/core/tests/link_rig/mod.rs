//! A link in virtual time: the clock moves only when a test says so, and stops at every deadline on the way.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests fail the test")]
#![allow(dead_code, reason = "each test binary uses its own part of this")]

use std::time::Duration;

use heartwire_core::cause::{Cause, CauseCode};
use heartwire_core::link::{
    Backoff, Frame, Generation, Heartbeat, HeartbeatKind, Input, Jitter, Link, LinkSettings, Output, SendId,
};
use heartwire_core::time::Moment;
use heartwire_core::view::LinkState;

pub const EVERY: u64 = 10_000;
pub const TIMEOUT: u64 = 5_000;

pub fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Text heartbeats after 10 s, 5 s to answer, delays from 500 ms to 30 s with full jitter, 10 s to connect.
pub fn settings() -> LinkSettings {
    LinkSettings {
        heartbeat: Heartbeat {
            kind: HeartbeatKind::Text("beat".to_owned()),
            every: ms(EVERY),
            timeout: ms(TIMEOUT),
            always: false,
        },
        backoff: Backoff { first: ms(500), cap: ms(30_000), fixed: None, jitter: Jitter::Full },
        connect_timeout: ms(10_000),
        on_open: Vec::new(),
    }
}

pub fn cause(code: CauseCode) -> Cause {
    Cause::new(code, "as the test says")
}

pub fn beat(generation: Generation) -> Output {
    Output::Send(generation, Frame::Text("beat".to_owned()), None)
}

pub fn send(id: u64, text: &str) -> Input {
    Input::Send(SendId(id), text.to_owned())
}

pub struct Rig {
    pub link: Link,
    pub now: Moment,
    /// What the link said since the last [`Rig::take`], with the milliseconds at which it did.
    pub said: Vec<(u64, Output)>,
}

impl Rig {
    pub fn new(settings: LinkSettings) -> Self {
        Self::seeded(settings, 1)
    }

    pub fn seeded(settings: LinkSettings, seed: u64) -> Self {
        Self { link: Link::new(settings, seed), now: Moment::new(ms(1_000_000)), said: Vec::new() }
    }

    /// A link that has just come up, with what led there already taken.
    pub fn connected(settings: LinkSettings) -> (Self, Generation) {
        let mut rig = Self::new(settings);
        rig.input(Input::Start);
        let generation = rig.dial_ok();
        rig.take();
        (rig, generation)
    }

    pub fn at(&self) -> u64 {
        u64::try_from(self.now.since_origin().as_millis()).unwrap()
    }

    pub fn input(&mut self, input: Input) {
        self.link.handle(self.now, input);
        let at = self.at();
        while let Some(output) = self.link.poll_output() {
            self.said.push((at, output));
        }
        let next = self.link.poll_timeout();
        assert!(next.is_none_or(|at| at > self.now), "a deadline that has passed is still asked for: {next:?}");
    }

    /// Lets time pass; the link is woken at each of its deadlines, exactly.
    pub fn wait(&mut self, milliseconds: u64) {
        let end = self.now + ms(milliseconds);
        while let Some(deadline) = self.link.poll_timeout().filter(|at| *at <= end) {
            self.now = deadline;
            self.input(Input::Timeout);
        }
        self.now = end;
    }

    /// Lets time pass until the link dials; gives how long that took.
    pub fn wait_for_dial(&mut self, at_most: u64) -> u64 {
        let from = self.at();
        while self.state() != LinkState::Connecting {
            let deadline = self.link.poll_timeout().expect("the link waits for nothing");
            self.now = deadline;
            assert!(self.at() - from <= at_most, "no dial within {at_most} ms: {:?}", self.link.status());
            self.input(Input::Timeout);
        }
        self.at() - from
    }

    pub fn take(&mut self) -> Vec<(u64, Output)> {
        std::mem::take(&mut self.said)
    }

    pub fn generation(&self) -> Generation {
        self.link.status().generation
    }

    pub fn dial_ok(&mut self) -> Generation {
        let generation = self.generation();
        assert_eq!(self.state(), LinkState::Connecting);
        self.input(Input::DialOk(generation));
        generation
    }

    pub fn state(&self) -> LinkState {
        self.link.status().state
    }

    pub fn cause(&self) -> Option<CauseCode> {
        self.link.status().cause.as_ref().map(|cause| cause.code)
    }

    /// When it said what `wanted` picks, in milliseconds.
    pub fn times(&self, wanted: impl Fn(&Output) -> bool) -> Vec<u64> {
        self.said.iter().filter(|(_, output)| wanted(output)).map(|(at, _)| *at).collect()
    }

    pub fn dials(&self) -> Vec<u64> {
        self.times(|output| matches!(output, Output::Dial(_)))
    }

    pub fn beats(&self) -> Vec<u64> {
        self.times(|output| matches!(output, Output::Send(..)))
    }
}
