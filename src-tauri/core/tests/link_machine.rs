//! The link under arbitrary settings, inputs and time steps. A small model of the outside world keeps the books: which
//! socket exists, what was heard and sent on it, and when was dialled.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests fail the test")]

mod link_rig;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use heartwire_core::cause::{Cause, CauseCode};
use heartwire_core::link::{
    Backoff, CLOSE_LIMIT, CONNECT_GRACE, DIAL_GAP, Frame, Generation, Heartbeat, HeartbeatKind, Input, Jitter, Link,
    LinkSettings, LinkStatus, NotSent, Output, Path, QUEUE_AGE, ResumeData, SendId, WAKE_PROBE,
};
use heartwire_core::time::Moment;
use heartwire_core::view::LinkState;
use link_rig::ms;
use proptest::prelude::*;

/// What happens next. What belongs to a socket happens to the one that exists, if any.
#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    /// The driver was not run for so long, whatever was due.
    Late(u64),
    /// The computer was asleep for so long, and the link is told.
    Sleep(u64),
    Send,
    Input(Input),
    DialOk,
    DialFailed(Cause),
    Bytes,
    Answered,
    ReadingPaused,
    ReadingResumed,
    Fatal(Cause),
    Closed(Cause),
    /// An event of an older socket comes late.
    Stale(u8, Cause),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wire {
    Dialing,
    Open,
    Closing,
}

struct Socket {
    generation: Generation,
    wire: Wire,
    /// When life was last due to be counted from.
    heard: Moment,
    sent: VecDeque<Moment>,
    reading: bool,
}

struct World {
    settings: LinkSettings,
    link: Link,
    now: Moment,
    socket: Option<Socket>,
    last_dial: Option<Moment>,
    dials_since_up: u32,
    announced: LinkStatus,
    /// The longest wait that the last cause allows.
    allowed: Duration,
    /// Texts whose fate is open, and since when.
    asked: BTreeMap<SendId, Moment>,
    sends: u64,
    /// When this computer last woke.
    woke: Option<Moment>,
}

impl World {
    fn new(settings: LinkSettings, seed: u64) -> Self {
        let link = Link::new(settings.clone(), seed);
        let announced = link.status().clone();
        Self {
            settings,
            link,
            now: Moment::new(ms(50_000)),
            socket: None,
            last_dial: None,
            dials_since_up: 0,
            announced,
            allowed: Duration::ZERO,
            asked: BTreeMap::new(),
            sends: 0,
            woke: None,
        }
    }

    fn step(&mut self, step: Step) {
        let current = self.socket.as_ref().map(|socket| (socket.generation, socket.wire));
        match (step, current) {
            (Step::Wait(time), _) => self.wait(ms(time)),
            (Step::Late(time), _) => {
                self.now = self.now + ms(time);
                self.input(Input::Timeout);
            }
            (Step::Sleep(time), _) => {
                self.now = self.now + ms(time);
                self.woke = Some(self.now);
                self.input(Input::Resumed(ms(time)));
            }
            (Step::Send, _) => {
                self.sends += 1;
                self.asked.insert(SendId(self.sends), self.now);
                self.input(Input::Send(SendId(self.sends), "by hand".to_owned()));
            }
            (Step::Input(input), _) => self.input(input),
            (Step::DialOk, Some((generation, Wire::Dialing))) => {
                if let Some(socket) = &mut self.socket {
                    (socket.wire, socket.heard) = (Wire::Open, self.now);
                }
                self.dials_since_up = 0;
                self.input(Input::DialOk(generation));
            }
            (Step::DialFailed(cause), Some((generation, Wire::Dialing))) => {
                self.end(&cause);
                self.dials_since_up -= u32::from(cause.offline);
                self.input(Input::DialFailed(generation, cause));
            }
            (Step::Bytes, Some((generation, Wire::Open | Wire::Closing))) => {
                if let Some(socket) = &mut self.socket {
                    socket.heard = self.now;
                }
                self.input(Input::Bytes(generation));
            }
            (Step::Answered, Some((generation, Wire::Open | Wire::Closing))) => {
                self.input(Input::HeartbeatAnswered(generation));
            }
            (Step::ReadingPaused, Some((generation, Wire::Open | Wire::Closing))) => {
                if let Some(socket) = &mut self.socket {
                    socket.reading = false;
                }
                self.input(Input::ReadingPaused(generation));
            }
            (Step::ReadingResumed, Some((generation, Wire::Open | Wire::Closing))) => {
                if let Some(socket) = &mut self.socket
                    && !socket.reading
                {
                    (socket.reading, socket.heard) = (true, self.now);
                }
                self.input(Input::ReadingResumed(generation));
            }
            (Step::Fatal(cause), Some((generation, Wire::Open | Wire::Closing))) => {
                self.input(Input::Fatal(generation, cause));
            }
            (Step::Closed(cause), Some((generation, Wire::Open | Wire::Closing))) => {
                self.end(&cause);
                self.input(Input::Closed(generation, cause));
            }
            (Step::Stale(kind, cause), _) => self.stale(kind, cause),
            (
                Step::DialOk
                | Step::DialFailed(_)
                | Step::Bytes
                | Step::Answered
                | Step::ReadingPaused
                | Step::ReadingResumed
                | Step::Fatal(_)
                | Step::Closed(_),
                _,
            ) => {}
        }
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(deadline) = self.link.poll_timeout().filter(|at| *at <= end) {
            self.now = deadline;
            self.input(Input::Timeout);
        }
        self.now = end;
        self.check();
    }

    /// The socket is gone without the link having asked for it.
    fn end(&mut self, cause: &Cause) {
        self.socket = None;
        self.allow(cause);
    }

    fn stale(&mut self, kind: u8, cause: Cause) {
        let newest = self.link.status().generation.0;
        let old = match &self.socket {
            // Of a socket that has been replaced, or that never was.
            Some(socket) => Generation(socket.generation.0.saturating_sub(1)),
            None => Generation(newest),
        };
        let input = match kind % 7 {
            0 => Input::DialOk(old),
            1 => Input::DialFailed(old, cause),
            2 => Input::Bytes(old),
            3 => Input::HeartbeatAnswered(old),
            4 => Input::Fatal(old, cause),
            5 => Input::ReadingPaused(old),
            _ => Input::Closed(old, cause),
        };
        let before = (self.link.status().clone(), self.link.poll_timeout());
        self.link.handle(self.now, input.clone());
        assert_eq!(self.link.poll_output(), None, "{input:?} of an old socket does something");
        assert_eq!((self.link.status().clone(), self.link.poll_timeout()), before, "{input:?}");
    }

    fn input(&mut self, input: Input) {
        let was_up = self.link.status().state == LinkState::Connected;
        let given = input.clone();
        self.link.handle(self.now, input);
        while let Some(output) = self.link.poll_output() {
            self.obey(output, &given, was_up);
        }
        assert_eq!(&self.announced, self.link.status(), "every change is announced, in order");
        self.check();
    }

    fn obey(&mut self, output: Output, input: &Input, was_up: bool) {
        match output {
            Output::Dial(generation) => {
                assert!(self.socket.is_none(), "a second socket");
                let late_enough = self.last_dial.is_none_or(|last| self.now.since(last) >= DIAL_GAP);
                assert!(late_enough, "two dials within {DIAL_GAP:?}");
                self.last_dial = Some(self.now);
                self.dials_since_up += 1;
                let (wire, heard, sent) = (Wire::Dialing, self.now, VecDeque::new());
                self.socket = Some(Socket { generation, wire, heard, sent, reading: true });
            }
            Output::Send(generation, frame, id) => {
                let socket = self.socket.as_mut().expect("a send without a socket");
                assert_eq!((socket.generation, socket.wire), (generation, Wire::Open));
                assert_eq!(frame == Frame::Text("by hand".to_owned()), id.is_some());
                match id {
                    Some(id) => assert!(self.asked.remove(&id).is_some(), "sent twice, or never asked for"),
                    None => socket.sent.push_back(self.now),
                }
            }
            Output::Close(generation, code) => {
                let socket = self.socket.as_mut().expect("a close without a socket");
                assert_eq!((socket.generation, socket.wire), (generation, Wire::Open));
                assert!(matches!(code, 1000 | 1001), "never 1005, 1006 or 1015");
                socket.wire = Wire::Closing;
            }
            Output::Abort(generation) => {
                let socket = self.socket.take().expect("an abort without a socket");
                assert_eq!(socket.generation, generation);
                if socket.wire == Wire::Open {
                    self.check_end(&socket, input);
                }
                self.allow(&Cause::new(CauseCode::HeartbeatTimeout, ""));
            }
            Output::Status(status) => {
                assert_ne!(status, self.announced, "nothing has changed");
                if status.state == LinkState::Blocked || status.state == LinkState::Waiting {
                    self.allow(status.cause.as_ref().unwrap_or(&Cause::new(CauseCode::Reset, "")));
                }
                if matches!(status.state, LinkState::Paused | LinkState::Stopped) {
                    self.dials_since_up = 0;
                }
                self.announced = status;
            }
            Output::RoundTrip(time) => {
                assert!(matches!(input, Input::HeartbeatAnswered(_)) && was_up);
                let socket = self.socket.as_ref().expect("a round trip without a socket");
                assert!(
                    socket.sent.iter().any(|sent| self.now.since(*sent) == time),
                    "no heartbeat was sent {time:?} ago"
                );
            }
            Output::SendRefused(id, why) => {
                let asked = self.asked.remove(&id).expect("refused twice, or never asked for");
                assert!(!was_up && why != NotSent::Lost);
                assert_eq!(why == NotSent::TooLate, self.now.since(asked) >= QUEUE_AGE, "{why:?}");
            }
            Output::ResumeDropped(_) => assert!(self.link.resume_data().is_none()),
        }
    }

    /// A socket is given up for what this computer did, or because its peer is dead.
    fn check_end(&self, socket: &Socket, input: &Input) {
        let heartbeat = &self.settings.heartbeat;
        match input {
            Input::NetworkChanged(Path::Moved) => {}
            Input::Resumed(slept) if *slept > heartbeat.every + heartbeat.timeout => {}
            _ => self.check_death(socket),
        }
    }

    /// Never dead early: a full timeout after a heartbeat, with nothing heard since it was sent.
    fn check_death(&self, socket: &Socket) {
        let heartbeat = &self.settings.heartbeat;
        assert!(socket.reading, "declared dead while we do not read");
        let silence = self.now.since(socket.heard);
        // Whoever slept asks again, and then waits for a shorter time.
        let limit = heartbeat.timeout.min(WAKE_PROBE);
        if self.woke.is_some_and(|woke| woke >= socket.heard && self.now.since(woke) >= limit) {
            return;
        }
        if heartbeat.kind == HeartbeatKind::None {
            assert!(silence >= heartbeat.every + heartbeat.timeout, "dead after {silence:?} of silence");
        } else {
            assert!(silence >= heartbeat.timeout, "dead after {silence:?} of silence");
            let waited =
                socket.sent.iter().any(|sent| *sent >= socket.heard && self.now.since(*sent) >= heartbeat.timeout);
            assert!(waited, "dead before a heartbeat had its time to be answered");
        }
    }

    /// The longest wait that a cause allows.
    fn allow(&mut self, cause: &Cause) {
        let backoff = &self.settings.backoff;
        let fixed = backoff.fixed.unwrap_or_default();
        let usual = if backoff.fixed.is_some() { fixed.mul_f64(1.1) } else { backoff.cap };
        let verdict = match cause.code {
            _ if cause.offline => ms(90_000),
            CauseCode::Closed(1012) => ms(30_000),
            CauseCode::Closed(1013) => fixed.max(backoff.cap),
            CauseCode::Unauthorized | CauseCode::Configuration => ms(360_000),
            _ => usual,
        };
        let asked = cause.retry_after.unwrap_or_default().mul_f64(1.1);
        self.allowed = verdict.max(asked).max(DIAL_GAP);
    }

    fn check(&self) {
        let status = self.link.status();
        let timeout = self.link.poll_timeout();
        assert!(timeout.is_none_or(|at| at > self.now), "a deadline that has passed is still asked for");
        let oldest = self.asked.values().min();
        assert!(oldest.is_none_or(|asked| self.now.since(*asked) < QUEUE_AGE), "a text waits too long");
        assert!(oldest.is_none() || matches!(status.state, LinkState::Waiting | LinkState::Connecting), "{status:?}");
        assert_eq!(status.retry_at.is_some(), status.state == LinkState::Waiting || self.is_blocked_for_a_while());
        let wire = self.socket.as_ref().map(|socket| socket.wire);
        match status.state {
            LinkState::Connecting => assert_eq!(wire, Some(Wire::Dialing)),
            LinkState::Connected => assert_eq!(wire, Some(Wire::Open)),
            LinkState::Waiting | LinkState::Blocked | LinkState::Paused | LinkState::Stopped => {
                assert!(matches!(wire, None | Some(Wire::Closing)), "{status:?} {wire:?}");
            }
        }
        if wire == Some(Wire::Closing) {
            assert!(timeout.is_some_and(|at| at <= self.now + CLOSE_LIMIT), "a closing that may last for ever");
        }
        self.check_wait(status, timeout, wire);
        if status.state != LinkState::Connected {
            assert_eq!(status.attempt, self.dials_since_up);
        }
    }

    /// Wherever there is something to wait for, there is a deadline, and it is near enough.
    fn check_wait(&self, status: &LinkStatus, timeout: Option<Moment>, wire: Option<Wire>) {
        let heartbeat = &self.settings.heartbeat;
        match status.state {
            LinkState::Connecting => {
                let limit = self.settings.connect_timeout + CONNECT_GRACE;
                assert!(timeout.is_some_and(|at| at <= self.now + limit), "a dial that may last for ever");
            }
            LinkState::Waiting => {
                let retry_at = status.retry_at.unwrap();
                assert!(retry_at <= self.now + self.allowed, "{status:?} waits longer than {:?}", self.allowed);
                let gone = wire.is_none();
                assert!(timeout.is_some_and(|at| !gone || at <= retry_at), "nothing would wake it for the dial");
            }
            LinkState::Connected => {
                let socket = self.socket.as_ref().unwrap();
                if socket.reading {
                    let longest = heartbeat.every + heartbeat.timeout;
                    assert!(timeout.is_some_and(|at| at <= self.now + longest), "it would not notice a dead peer");
                } else if heartbeat.kind != HeartbeatKind::None {
                    assert!(timeout.is_some_and(|at| at <= self.now + heartbeat.every), "it would fall silent");
                }
            }
            LinkState::Blocked => {
                assert!(wire.is_some() || timeout == status.retry_at);
            }
            LinkState::Paused | LinkState::Stopped => {
                assert!(wire.is_some() || timeout.is_none());
            }
        }
    }

    fn is_blocked_for_a_while(&self) -> bool {
        let status = self.link.status();
        let code = status.cause.as_ref().map(|cause| cause.code);
        let may_change = matches!(code, Some(CauseCode::Unauthorized | CauseCode::Configuration));
        status.state == LinkState::Blocked && may_change
    }
}

fn causes() -> impl Strategy<Value = Cause> {
    let code = prop_oneof![
        8 => Just(CauseCode::Reset),
        2 => Just(CauseCode::Http(404)),
        4 => Just(CauseCode::Refused),
        2 => Just(CauseCode::Http(503)),
        2 => Just(CauseCode::Unauthorized),
        1 => Just(CauseCode::Configuration),
        4 => prop_oneof![Just(1000), Just(1005), Just(1008), Just(1012), Just(1013), 0..5000_u16].prop_map(CauseCode::Closed),
    ];
    let retry_after = prop_oneof![6 => Just(None), 1 => (0..120_000_u64).prop_map(|after| Some(ms(after)))];
    prop_oneof![
        8 => (code, retry_after).prop_map(|(code, retry_after)| Cause { retry_after, ..Cause::new(code, "") }),
        1 => Just(Cause { offline: true, ..Cause::new(CauseCode::Unreachable, "") }),
    ]
}

fn steps() -> impl Strategy<Value = Step> {
    let times = || prop_oneof![0..300_u64, 0..5_000_u64, 0..70_000_u64];
    prop_oneof![
        10 => times().prop_map(Step::Wait),
        1 => times().prop_map(Step::Late),
        2 => times().prop_map(Step::Sleep),
        4 => Just(Step::Input(Input::Start)),
        1 => Just(Step::Input(Input::Pause)),
        1 => Just(Step::Input(Input::Stop)),
        2 => Just(Step::Input(Input::Reconnect)),
        1 => Just(Step::Input(Input::NetworkChanged(Path::Same))),
        1 => Just(Step::Input(Input::NetworkChanged(Path::Moved))),
        1 => prop::option::of(0..3_u8).prop_map(|data| {
            Step::Input(Input::ResumeFrom(data.map(|data| ResumeData(data.to_string()))))
        }),
        1 => Just(Step::Input(Input::CredentialsChanged)),
        4 => Just(Step::Send),
        1 => Just(Step::Input(Input::Timeout)),
        12 => Just(Step::DialOk),
        4 => causes().prop_map(Step::DialFailed),
        8 => Just(Step::Bytes),
        6 => Just(Step::Answered),
        1 => Just(Step::ReadingPaused),
        2 => Just(Step::ReadingResumed),
        1 => causes().prop_map(Step::Fatal),
        4 => causes().prop_map(Step::Closed),
        4 => (any::<u8>(), causes()).prop_map(|(kind, cause)| Step::Stale(kind, cause)),
    ]
}

fn all_settings() -> impl Strategy<Value = LinkSettings> {
    let kind =
        prop_oneof![Just(HeartbeatKind::Text("beat".to_owned())), Just(HeartbeatKind::Ping), Just(HeartbeatKind::None)];
    let heartbeat = (kind, 1..60_000_u64, 1..60_000_u64, any::<bool>())
        .prop_map(|(kind, every, timeout, always)| Heartbeat { kind, every: ms(every), timeout: ms(timeout), always });
    let fixed = prop_oneof![3 => Just(None), 1 => (1..60_000_u64).prop_map(|fixed| Some(ms(fixed)))];
    let jitter = prop_oneof![Just(Jitter::Full), Just(Jitter::None)];
    let backoff = (1..5_000_u64, 0..60_000_u64, fixed, jitter).prop_map(|(first, more, fixed, jitter)| Backoff {
        first: ms(first),
        cap: ms(first + more),
        fixed,
        jitter,
    });
    (heartbeat, backoff, 1..20_000_u64).prop_map(|(heartbeat, backoff, connect)| LinkSettings {
        heartbeat,
        backoff,
        connect_timeout: ms(connect),
        on_open: Vec::new(),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_link_keeps_its_promises(
        settings in all_settings(),
        seed in any::<u64>(),
        steps in prop::collection::vec(steps(), 1..120),
    ) {
        let mut world = World::new(settings, seed);
        for step in steps {
            world.step(step);
        }
        // Left alone it comes to rest or dials: nothing is ever locked.
        let state = world.link.status().state;
        let dialled = world.last_dial;
        world.wait(ms(400_000));
        if matches!(state, LinkState::Connecting | LinkState::Waiting) {
            prop_assert!(world.last_dial > dialled || world.link.status().state == LinkState::Connecting);
        }
    }
}
