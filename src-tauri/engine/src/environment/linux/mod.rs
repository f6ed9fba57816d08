//! What watches a Linux computer.

mod clock_set;
mod logind;
mod netlink;
mod picture;

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

pub use clock_set::ClockSet;
pub use logind::Logind;
pub use netlink::Netlink;

/// Waits for it to have something to read. It does not block.
#[expect(
    deprecated,
    reason = "for types that change their descriptor; an OwnedFd never does, and the new one is unsafe"
)]
fn readable(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(descriptor, Interest::READABLE)
}
