//! When to probe, and when silence means dead.

use std::time::Duration;

/// How a link is proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// What is sent.
    pub kind: HeartbeatKind,
    /// Idle time before a heartbeat; for `None` the silence that is still normal.
    pub every: Duration,
    /// Silence after the heartbeat that means dead.
    pub timeout: Duration,
    /// Also send one at least once every `every` of local idleness, whatever arrives.
    pub always: bool,
}

/// What a heartbeat is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeartbeatKind {
    /// A text frame with this payload.
    Text(String),
    /// A ping frame (RFC 6455, section 5.5.2).
    Ping,
    /// Nothing: only silence is watched. Dead after `every` + `timeout` without a byte.
    None,
}
