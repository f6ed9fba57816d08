//! What a failure means for the link: dial again, wait longer because the server asked for it, or block until the
//! person has helped.

use std::time::Duration;

use crate::cause::{Cause, CauseCode};

/// How long a server that restarts (close code 1012, RFC 6455 section 7.4 and its registry) wants to be left alone.
const RESTART: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(30));

/// When what only a person can correct is tried again without anybody's help: the server that refused the credentials may
/// have been wrong, and a file that the settings name may be there by now, because a disk was mounted later or a renewal
/// was half done. What cannot work costs the server nothing, or a connection without a request, twelve times an hour.
const UNAIDED: (Duration, Duration) = (Duration::from_secs(300), Duration::from_secs(360));

/// When a computer without a network looks again, in case nobody told of one: at most 60 times an hour.
const OFFLINE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(90));

/// Retry, wait or block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Dial again after the backoff's delay.
    Retry,
    /// Dial again after a delay drawn at random between these two.
    WaitBetween(Duration, Duration),
    /// Dial again after a delay drawn at random between these two, or as soon as anything hints at a change.
    LookBetween(Duration, Duration),
    /// Dial again after the backoff's longest delay.
    WaitCap,
    /// Only the person can help.
    Block {
        /// Dial again all the same, after a delay drawn at random between these two.
        again: Option<(Duration, Duration)>,
    },
}

impl Verdict {
    /// What a lost socket or a failed dial means.
    pub fn of(cause: &Cause) -> Self {
        if cause.offline {
            return Self::LookBetween(OFFLINE.0, OFFLINE.1);
        }
        match cause.code {
            CauseCode::Unauthorized | CauseCode::Configuration => Self::Block { again: Some(UNAIDED) },
            CauseCode::Closed(code) => Self::of_close(code),
            CauseCode::Dns
            | CauseCode::Refused
            | CauseCode::Unreachable
            | CauseCode::ConnectTimeout
            | CauseCode::Tls
            | CauseCode::Proxy
            | CauseCode::Http(_)
            | CauseCode::HeartbeatTimeout
            | CauseCode::Reset
            | CauseCode::Protocol
            | CauseCode::TooLarge
            | CauseCode::Slept
            | CauseCode::NetworkChanged
            | CauseCode::ByPerson => Self::Retry,
        }
    }

    fn of_close(code: u16) -> Self {
        match code {
            1008 | 3500..=3999 | 4500..=4999 => Self::Block { again: None },
            1012 => Self::WaitBetween(RESTART.0, RESTART.1),
            1013 => Self::WaitCap,
            _ => Self::Retry,
        }
    }
}
