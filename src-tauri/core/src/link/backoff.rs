//! How long to wait before the next dial.

use std::time::Duration;

use rand::Rng;
use rand::rngs::SmallRng;

use super::Verdict;

/// The longest `Retry-After` that is believed: a server's slip must not silence a link for years.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);

/// The delays of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The upper bound of the first delay; it doubles with each failed attempt.
    pub first: Duration,
    /// The upper bound of every delay.
    pub cap: Duration,
    /// Always this delay instead.
    pub fixed: Option<Duration>,
    /// Whether the delay is drawn at random.
    pub jitter: Jitter,
}

/// How a delay is spread, so that the clients of one server do not return as one herd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jitter {
    /// Between nothing and the bound; a fixed delay by ±10 %.
    Full,
    /// Not at all.
    None,
}

impl Backoff {
    /// The delay before a question beside the socket is asked again, after its `failures`th failure in a row (from 1) and
    /// not before the server asked for it.
    pub fn again(&self, failures: u32, retry_after: Option<Duration>, rng: &mut SmallRng) -> Duration {
        let wait = Wait { delay: self.delay(failures, Duration::ZERO, rng), floor: Duration::ZERO };
        wait.after(retry_after, self.jitter, rng).delay
    }

    /// The delay after the `failures`th failure in a row (from 1), where one below `least` cannot be. The jitter is drawn
    /// between the two, never clamped to one of them afterwards: links that lost their server soon after their dials would
    /// all come back in the same moment, and those at the cap too.
    fn delay(&self, failures: u32, least: Duration, rng: &mut SmallRng) -> Duration {
        match (self.fixed, self.jitter) {
            (Some(fixed), Jitter::None) => fixed,
            (Some(fixed), Jitter::Full) => between(fixed.mul_f64(0.9), fixed.mul_f64(1.1), rng),
            (None, Jitter::None) => self.bound(failures),
            (None, Jitter::Full) => between(least, self.bound(failures), rng),
        }
    }

    /// The longest delay of all, spread a little downwards: every client of an overloaded server is told to take it.
    fn longest(&self, rng: &mut SmallRng) -> Duration {
        let longest = self.fixed.unwrap_or_default().max(self.cap);
        match self.jitter {
            Jitter::Full => between(longest.mul_f64(0.9), longest, rng),
            Jitter::None => longest,
        }
    }

    fn bound(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        self.first.saturating_mul(1 << doublings).min(self.cap)
    }
}

/// The wait before the next dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wait {
    /// Until the dial, if nobody asks for an earlier one.
    pub delay: Duration,
    /// What a wake or a network event cannot undercut, because the server asked for it.
    pub floor: Duration,
}

impl Wait {
    /// Draws the wait that a verdict means, which is not to be below `least`. None: no dial without the person.
    pub(super) fn draw(
        verdict: Verdict,
        retry_after: Option<Duration>,
        backoff: &Backoff,
        failures: u32,
        least: Duration,
        rng: &mut SmallRng,
    ) -> Option<Self> {
        let wait = match verdict {
            Verdict::Retry => Self { delay: backoff.delay(failures, least, rng), floor: Duration::ZERO },
            Verdict::LookBetween(from, to) => Self { delay: between(from, to, rng), floor: Duration::ZERO },
            Verdict::WaitBetween(from, to) => Self::all_floor(between(from, to, rng)),
            Verdict::WaitCap => Self::all_floor(backoff.longest(rng)),
            Verdict::Block { again } => Self::all_floor(again.map(|(from, to)| between(from, to, rng))?),
        };
        Some(wait.after(retry_after, backoff.jitter, rng))
    }

    fn all_floor(delay: Duration) -> Self {
        Self { delay, floor: delay }
    }

    /// A server tells all its clients the same `Retry-After`: those that wait for nothing else come a little later each.
    fn after(self, asked: Option<Duration>, jitter: Jitter, rng: &mut SmallRng) -> Self {
        let Some(asked) = asked.map(|asked| asked.min(LONGEST_RETRY_AFTER)) else { return self };
        let spread = match jitter {
            Jitter::Full => between(Duration::ZERO, asked.mul_f64(0.1), rng),
            Jitter::None => Duration::ZERO,
        };
        let delay = if self.delay > asked { self.delay } else { asked + spread };
        Self { delay, floor: self.floor.max(asked) }
    }
}

fn between(from: Duration, to: Duration, rng: &mut SmallRng) -> Duration {
    if from >= to {
        return from;
    }
    rng.random_range(from..=to)
}
