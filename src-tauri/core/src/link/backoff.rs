//! How long to wait before the next dial.

use std::time::Duration;

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
