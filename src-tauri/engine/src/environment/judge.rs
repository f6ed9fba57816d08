//! What hints mean: which of them tell of a wake, how long the sleep was, and when a network has settled. It compares
//! clocks that count sleep with clocks that do not and never looks at the wall clock, so that a jump of it is nothing.

use std::collections::VecDeque;
use std::time::Duration;

use heartwire_core::time::Moment;
use tokio::time::Instant;

use super::EnvironmentEvent;
use super::watch::Hint;
use crate::clock::Clock;

/// The clocks drift apart only by sleep; what is less than this is how long it takes to read two of them.
const LEAST_SLEEP: Duration = Duration::from_millis(100);
/// A tick that is later than this did not just wait for a busy computer.
const LATE: Duration = Duration::from_secs(5);
/// How long after a wake that the clock showed somebody may still tell of the same one.
const SAME_WAKE: Duration = Duration::from_secs(60);
/// A change of network is told when nothing more changed for so long,
const QUIET: Duration = Duration::from_millis(200);
/// or so long after it began,
const LONGEST_UNREST: Duration = Duration::from_secs(1);
/// but no more often than so many times in so long: each makes every link ask its server, and on some computers
/// containers with networks of their own come and go all day.
const MOST_CHANGES: usize = 10;
const CHANGES_WITHIN: Duration = Duration::from_secs(60);

/// Judges hints. What it says of each is independent of the order in which the watches of one wake report.
#[derive(Debug)]
pub struct Judge {
    clock: Clock,
    /// How much sleep was told of.
    told: Duration,
    /// When a wake was last told of.
    told_at: Option<Moment>,
    going_since: Option<Moment>,
    unrest: Option<Unrest>,
    /// When the last changes of network were told, the oldest first.
    changes: VecDeque<Instant>,
}

/// A network that changes.
#[derive(Clone, Copy, Debug)]
struct Unrest {
    began: Instant,
    last: Instant,
}

impl Judge {
    pub fn new(clock: Clock) -> Self {
        let told = clock.suspended();
        Self { clock, told, told_at: None, going_since: None, unrest: None, changes: VecDeque::new() }
    }

    /// Takes a hint. Whatever it is, a sleep that shows by now is told.
    pub fn take(&mut self, hint: Hint) -> Option<EnvironmentEvent> {
        if hint == Hint::NetworkChanged {
            let now = Instant::now();
            self.unrest = Some(Unrest { began: self.unrest.map_or(now, |unrest| unrest.began), last: now });
        }
        let slept = self.sleep_that_shows().or_else(|| self.sleep_said_by(hint));
        match hint {
            Hint::GoingToSleep => self.going_since = Some(self.clock.now()),
            Hint::WokeUp => self.going_since = None,
            Hint::LookAtClock | Hint::Ticked(_) | Hint::NetworkChanged => {}
        }
        let slept = slept?;
        // What was told before the sleep says nothing of the network after it.
        self.changes.clear();
        self.told_at = Some(self.clock.now());
        Some(EnvironmentEvent::Resumed(slept))
    }

    /// When the change of network is to be told, if there is one.
    pub fn network_due(&self) -> Option<Instant> {
        let settled = self.unrest.map(|unrest| (unrest.last + QUIET).min(unrest.began + LONGEST_UNREST))?;
        let oldest = self.changes.front().filter(|_| self.changes.len() == MOST_CHANGES);
        Some(oldest.map_or(settled, |oldest| settled.max(*oldest + CHANGES_WITHIN)))
    }

    pub fn network_settled(&mut self) -> EnvironmentEvent {
        self.unrest = None;
        if self.changes.len() == MOST_CHANGES {
            self.changes.pop_front();
        }
        self.changes.push_back(Instant::now());
        EnvironmentEvent::NetworkChanged
    }

    fn sleep_that_shows(&mut self) -> Option<Duration> {
        let suspended = self.clock.suspended();
        let slept = suspended.saturating_sub(self.told);
        (slept >= LEAST_SLEEP).then(|| {
            self.told = suspended;
            slept
        })
    }

    /// A sleep that no clock shows: where the system only halts its processes, and on systems whose clocks all run on.
    fn sleep_said_by(&self, hint: Hint) -> Option<Duration> {
        let now = self.clock.now();
        match (hint, self.going_since) {
            (Hint::WokeUp, Some(since)) => (self.told_at < Some(since)).then(|| now.since(since)),
            (Hint::WokeUp, None) => (!self.told_within(SAME_WAKE)).then_some(Duration::ZERO),
            (Hint::Ticked(late), _) => (late > LATE && !self.told_within(late)).then_some(late),
            (Hint::LookAtClock | Hint::GoingToSleep | Hint::NetworkChanged, _) => None,
        }
    }

    fn told_within(&self, time: Duration) -> bool {
        self.told_at.is_some_and(|at| self.clock.now().since(at) < time)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    use crate::clock::Leap;
    use EnvironmentEvent::Resumed;
    use Hint::{GoingToSleep, LookAtClock, NetworkChanged, Ticked, WokeUp};

    const NIGHT: Duration = Duration::from_secs(8 * 3600);
    const MINUTE: Duration = Duration::from_secs(60);

    #[derive(Clone, Copy)]
    enum Step {
        /// The clocks that count sleep leap.
        Sleep(Duration),
        /// Time passes on every clock.
        Pass(Duration),
        See(Hint),
    }
    use Step::{Pass, See, Sleep};

    async fn check(steps: &[Step], wanted: &[Duration]) {
        let (clock, leap): (Clock, Leap) = Clock::leaping();
        let mut judge = Judge::new(clock);
        advance(2 * MINUTE).await;
        let mut told = Vec::new();
        for step in steps {
            match *step {
                Sleep(slept) => leap.sleep(slept),
                Pass(time) => advance(time).await,
                See(hint) => told.extend(judge.take(hint)),
            }
        }
        let wanted: Vec<_> = wanted.iter().map(|slept| Resumed(*slept)).collect();
        assert_eq!(told, wanted);
    }

    #[tokio::test(start_paused = true)]
    async fn invariant_23_each_source_by_itself_tells_of_a_wake() {
        for hint in [LookAtClock, WokeUp, Ticked(Duration::ZERO), NetworkChanged] {
            check(&[Sleep(NIGHT), See(hint)], &[NIGHT]).await;
        }
        check(&[See(GoingToSleep), Sleep(NIGHT), See(WokeUp)], &[NIGHT]).await;
    }

    #[tokio::test(start_paused = true)]
    async fn several_sources_tell_of_one_wake_once_in_any_order() {
        let second = Pass(Duration::from_secs(1));
        check(&[See(GoingToSleep), Sleep(NIGHT), See(LookAtClock), second, See(WokeUp)], &[NIGHT]).await;
        check(&[See(GoingToSleep), Sleep(NIGHT), See(WokeUp), second, See(LookAtClock)], &[NIGHT]).await;
        check(&[Sleep(NIGHT), See(LookAtClock), second, See(WokeUp), See(Ticked(NIGHT))], &[NIGHT]).await;
        check(&[Sleep(NIGHT), See(NetworkChanged), second, See(WokeUp), See(LookAtClock)], &[NIGHT]).await;
    }

    #[tokio::test(start_paused = true)]
    async fn two_wakes_are_told_twice() {
        let nap = [See(GoingToSleep), Sleep(MINUTE), See(LookAtClock), See(WokeUp)];
        check(&[nap, nap].concat(), &[MINUTE, MINUTE]).await;
    }

    #[tokio::test(start_paused = true)]
    async fn invariant_26_a_jump_of_the_wall_clock_is_nothing() {
        // The kernel cancels the timer for it, and no clock that is looked at has moved.
        check(&[See(LookAtClock), Pass(MINUTE), See(LookAtClock)], &[]).await;
        check(&[Sleep(Duration::from_millis(50)), See(LookAtClock)], &[]).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_sleep_that_no_clock_shows_is_as_long_as_logind_says() {
        check(&[See(GoingToSleep), Pass(NIGHT), See(WokeUp)], &[NIGHT]).await;
        check(&[See(WokeUp)], &[Duration::ZERO]).await;
        // What was told long ago was another one.
        let other = [Sleep(NIGHT), See(LookAtClock), Pass(MINUTE)];
        check(&[&other[..], &[See(WokeUp)]].concat(), &[NIGHT, Duration::ZERO]).await;
        check(&[&other[..], &[See(GoingToSleep), Pass(NIGHT), See(WokeUp)]].concat(), &[NIGHT, NIGHT]).await;
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_very_late_tick_tells_of_a_sleep() {
        check(&[See(Ticked(Duration::from_secs(4)))], &[]).await;
        check(&[Pass(NIGHT), See(Ticked(NIGHT)), Pass(MINUTE), See(Ticked(Duration::ZERO))], &[NIGHT]).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_of_changes_is_one_when_it_is_quiet_and_at_the_latest_after_a_second() {
        let mut judge = Judge::new(Clock::leaping().0);
        let began = Instant::now();
        assert_eq!(judge.network_due(), None);
        judge.take(NetworkChanged);
        assert_eq!(judge.network_due(), Some(began + QUIET));
        advance(QUIET / 2).await;
        judge.take(NetworkChanged);
        assert_eq!(judge.network_due(), Some(began + QUIET / 2 + QUIET));
        for _ in 0..20 {
            advance(QUIET / 2).await;
            judge.take(NetworkChanged);
        }
        assert_eq!(judge.network_due(), Some(began + LONGEST_UNREST));
        judge.network_settled();
        assert_eq!(judge.network_due(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_network_that_never_rests_is_told_ten_times_a_minute() {
        let mut judge = Judge::new(Clock::leaping().0);
        let began = Instant::now();
        let mut told = Vec::new();
        while began.elapsed() < 3 * MINUTE {
            judge.take(NetworkChanged);
            advance(QUIET / 2).await;
            if judge.network_due().is_some_and(|due| due <= Instant::now()) {
                judge.network_settled();
                told.push(began.elapsed().as_secs());
            }
        }
        let in_minute = |minute| told.iter().filter(|second| **second / 60 == minute).count();
        assert_eq!([0, 1, 2].map(in_minute), [10, 10, 10], "{told:?}");
        assert!(told[9] <= 12, "the first ones are told at once: {told:?}");
        // After a rest it is heard at once again.
        judge.network_settled();
        advance(MINUTE).await;
        judge.take(NetworkChanged);
        assert_eq!(judge.network_due(), Some(Instant::now() + QUIET));
    }
}
