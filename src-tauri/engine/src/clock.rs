//! The one clock of links: it counts the time this computer sleeps, which tokio's timers do not. Tests make it leap.

#[cfg(target_os = "linux")]
mod alarm;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use heartwire_core::time::Moment;
use tokio::time::{Instant, Sleep as TokioSleep, sleep_until};

/// Tells links what time it is. Clones tell the same time.
#[derive(Clone, Debug)]
pub struct Clock {
    origin: Instant,
    sleep: Arc<Sleep>,
    #[cfg(target_os = "linux")]
    alarm: Option<Arc<alarm::Alarm>>,
}

/// How long this computer has slept since the clock was made.
#[derive(Debug)]
enum Sleep {
    /// What the system says, and the most of it that was seen, in nanoseconds.
    System { slept: system::Slept, most: AtomicU64 },
    /// What a test says, in nanoseconds.
    Told(AtomicU64),
}

/// Lets the clock of a test sleep.
#[derive(Clone, Debug)]
pub struct Leap(Arc<Sleep>);

impl Clock {
    /// The clock of this computer. Its origin is now.
    pub fn system() -> Self {
        Self::of(Sleep::System { slept: system::Slept::since_now(), most: AtomicU64::new(0) })
    }

    /// A clock that sleeps only when the other says so; besides that it is tokio's, virtual time included.
    pub fn leaping() -> (Self, Leap) {
        let clock = Self::of(Sleep::Told(AtomicU64::new(0)));
        let leap = Leap(Arc::clone(&clock.sleep));
        (clock, leap)
    }

    fn of(sleep: Sleep) -> Self {
        Self {
            origin: Instant::now(),
            sleep: Arc::new(sleep),
            #[cfg(target_os = "linux")]
            alarm: None,
        }
    }

    /// The same clock with one timer of the system for all who share it, which wakes an idle computer less often than
    /// tokio's timers and also when it has slept through a deadline. To be called in a runtime of tokio; where the
    /// system gives no such timer, tokio's are used.
    #[must_use]
    pub fn with_alarm(self) -> Self {
        #[cfg(target_os = "linux")]
        return match alarm::Alarm::new() {
            Ok(alarm) => Self { alarm: Some(Arc::new(alarm)), ..self },
            Err(error) => {
                tracing::warn!(%error, "the system gives no timer for links; they do without");
                self
            }
        };
        #[cfg(not(target_os = "linux"))]
        self
    }

    /// A timer that keeps this clock's time.
    pub(crate) fn timer(&self) -> Timer {
        #[cfg(target_os = "linux")]
        if let Some(alarm) = &self.alarm {
            return Timer::Alarm(alarm::Ticket::new(Arc::clone(alarm)));
        }
        Timer::Tokio(Box::pin(sleep_until(Instant::now())))
    }

    /// The time since the clock was made, sleep included. It never goes back and knows nothing of the wall clock.
    pub fn now(&self) -> Moment {
        Moment::new(self.origin.elapsed() + self.suspended())
    }

    /// How much of the time since the clock was made is missing in tokio's clock, because this computer slept. It never
    /// shrinks. Always zero where tokio's clock runs on during sleep.
    pub fn suspended(&self) -> Duration {
        match self.sleep.as_ref() {
            Sleep::System { slept, most } => {
                let slept = nanos(slept.so_far());
                Duration::from_nanos(most.fetch_max(slept, Ordering::Relaxed).max(slept))
            }
            Sleep::Told(told) => Duration::from_nanos(told.load(Ordering::Relaxed)),
        }
    }

    /// When a timer of tokio has to fire to fire at this moment, should the computer not sleep until then.
    pub fn instant(&self, at: Moment) -> Instant {
        self.origin + at.since_origin().saturating_sub(self.suspended())
    }
}

/// Something that fires once after it was set.
#[derive(Debug)]
pub(crate) enum Timer {
    Tokio(Pin<Box<TokioSleep>>),
    #[cfg(target_os = "linux")]
    Alarm(alarm::Ticket),
}

impl Timer {
    pub(crate) fn set(&mut self, at: Instant) {
        match self {
            Self::Tokio(sleep) => sleep.as_mut().reset(at),
            #[cfg(target_os = "linux")]
            Self::Alarm(ticket) => ticket.set(at),
        }
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Tokio(sleep) => sleep.as_mut().poll(cx),
            #[cfg(target_os = "linux")]
            Self::Alarm(ticket) => ticket.poll(cx),
        }
    }
}

impl Leap {
    /// The computer slept for so long and woke just now.
    pub fn sleep(&self, slept: Duration) {
        if let Sleep::Told(told) = self.0.as_ref() {
            told.fetch_add(nanos(slept), Ordering::Relaxed);
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// `CLOCK_BOOTTIME` counts sleep, `CLOCK_MONOTONIC`, which is `Instant` here, does not (`clock_gettime(2)`).
#[cfg(any(target_os = "linux", target_os = "android"))]
mod system {
    use std::time::Duration;

    use rustix::time::{ClockId, clock_gettime};

    #[derive(Debug)]
    pub struct Slept {
        before: Duration,
    }

    impl Slept {
        pub fn since_now() -> Self {
            Self { before: ahead() }
        }

        pub fn so_far(&self) -> Duration {
            ahead().saturating_sub(self.before)
        }
    }

    /// How far the clock that counts sleep is ahead. In this order an interruption between the two readings can only
    /// make it too small, never look like sleep.
    fn ahead() -> Duration {
        let counting = reading(ClockId::Boottime);
        counting.saturating_sub(reading(ClockId::Monotonic))
    }

    fn reading(clock: ClockId) -> Duration {
        let time = clock_gettime(clock);
        // Neither is ever negative.
        Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
    }
}

/// `CLOCK_MONOTONIC` counts sleep here, and `Instant`, which is `CLOCK_UPTIME_RAW`, does not (`clock_gettime(3)`).
#[cfg(target_os = "macos")]
mod system {
    use std::time::{Duration, Instant};

    use rustix::time::{ClockId, clock_gettime};

    #[derive(Debug)]
    pub struct Slept {
        counting: Duration,
        awake: Instant,
    }

    impl Slept {
        pub fn since_now() -> Self {
            Self { counting: counting(), awake: Instant::now() }
        }

        pub fn so_far(&self) -> Duration {
            let counted = counting().saturating_sub(self.counting);
            counted.saturating_sub(self.awake.elapsed())
        }
    }

    fn counting() -> Duration {
        let time = clock_gettime(ClockId::Monotonic);
        Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
    }
}

/// `Instant` runs on during sleep on Windows (`QueryPerformanceCounter`); elsewhere nobody tells how long it was.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "macos")))]
mod system {
    use std::time::Duration;

    #[derive(Debug)]
    pub struct Slept;

    impl Slept {
        pub fn since_now() -> Self {
            Self
        }

        pub fn so_far(&self) -> Duration {
            Duration::ZERO
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn time_awake_and_time_asleep_both_count() {
        let (clock, leap) = Clock::leaping();
        advance(Duration::from_secs(3)).await;
        assert_eq!(clock.now(), Moment::new(Duration::from_secs(3)));
        assert_eq!(clock.suspended(), Duration::ZERO);
        leap.sleep(Duration::from_secs(3600));
        leap.sleep(Duration::from_secs(60));
        advance(Duration::from_secs(2)).await;
        assert_eq!(clock.clone().now(), Moment::new(Duration::from_secs(3665)));
        assert_eq!(clock.suspended(), Duration::from_secs(3660));
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_for_a_moment_is_earlier_by_what_was_slept() {
        let (clock, leap) = Clock::leaping();
        let due = clock.now() + Duration::from_secs(100);
        assert_eq!(clock.instant(due), Instant::now() + Duration::from_secs(100));
        leap.sleep(Duration::from_secs(60));
        assert_eq!(clock.instant(due), Instant::now() + Duration::from_secs(40));
        leap.sleep(Duration::from_secs(60));
        advance(Duration::from_secs(5)).await;
        // What is overdue fires at once.
        assert!(clock.instant(due) <= Instant::now());
    }

    #[tokio::test(start_paused = true)]
    async fn this_computers_clock_follows_virtual_time() {
        let clock = Clock::system();
        let slept = clock.suspended();
        advance(Duration::from_secs(5)).await;
        let now = clock.now();
        assert!(now.since_origin() >= Duration::from_secs(5), "{now:?}");
        // Nobody sleeps during this test: what is beyond is the time between two readings.
        assert!(now.since_origin() < slept + Duration::from_secs(6), "{now:?}");
    }

    #[test]
    fn it_never_goes_back_however_often_it_is_read() {
        let clock = Clock::system();
        let mut last = clock.now();
        let mut suspended = clock.suspended();
        for _ in 0..100_000 {
            let (now, sleep) = (clock.now(), clock.suspended());
            assert!(now >= last && sleep >= suspended);
            (last, suspended) = (now, sleep);
        }
        assert!(suspended < Duration::from_secs(1), "nobody sleeps during this test: {suspended:?}");
    }
}
