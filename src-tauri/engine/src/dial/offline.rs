//! Whether a dial failed for want of any network: then nothing is said of the server, and waiting costs it nothing.

use heartwire_core::cause::{Cause, CauseCode};

use crate::environment::network;
pub(super) use crate::environment::network::is_no_route;

/// The cause, if this computer has no route into the world.
pub(super) fn cause() -> Option<Cause> {
    network::is_offline()
        .then(|| Cause { offline: true, ..Cause::new(CauseCode::Unreachable, "this computer has no network") })
}
