//! Why servers and networks end sockets and refuse dials.

use std::time::Duration;

use heartwire_core::cause::CauseCode;
use rand::Rng;
use rand::seq::IndexedRandom;

use super::World;
use crate::trace::Why;

/// Close codes of every kind that the promises know (19).
const CLOSE_CODES: [u16; 19] =
    [1000, 1001, 1002, 1005, 1006, 1008, 1009, 1011, 1012, 1012, 1013, 3000, 3499, 3500, 3999, 4000, 4499, 4500, 4999];
/// HTTP statuses that refuse an upgrade.
const REFUSALS: [u16; 9] = [400, 404, 429, 429, 500, 502, 503, 503, 504];
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

impl World {
    pub(super) fn why_closed(&mut self) -> Why {
        let code = *CLOSE_CODES.choose(&mut self.rng).unwrap_or(&1000);
        Why::new(match self.rng.random_range(0..10) {
            0 | 1 => CauseCode::Reset,
            2 => CauseCode::Protocol,
            3 => CauseCode::TooLarge,
            _ => CauseCode::Closed(code),
        })
    }

    pub(super) fn why_refused(&mut self) -> Why {
        let status = *REFUSALS.choose(&mut self.rng).unwrap_or(&500);
        let code = match self.rng.random_range(0..12) {
            0..3 => CauseCode::Unauthorized,
            3 => CauseCode::Tls,
            4 => CauseCode::Dns,
            5 => CauseCode::Proxy,
            6 => CauseCode::Unreachable,
            _ => CauseCode::Http(status),
        };
        let asks = matches!(code, CauseCode::Http(429 | 503)) && self.rng.random_bool(0.7);
        let retry_after = asks.then(|| self.about(SECOND, 30 * HOUR));
        Why { retry_after, ..Why::new(code) }
    }
}
