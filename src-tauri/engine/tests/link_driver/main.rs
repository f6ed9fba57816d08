//! Links on real loopback sockets, against servers written here. Lower bounds are exact; upper bounds are generous,
//! because machines that run tests are busy: the exact ones are held in virtual time by core's tests.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests fail the test")]

mod conformance;
mod dial;
mod ending;
mod environment;
mod limits;
mod liveness;
mod reconnect;
#[path = "../common/rig.rs"]
mod rig;
mod secure;
