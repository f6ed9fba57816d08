//! Descriptors that tokio waits for.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Waits for it to have something to read. It does not block.
///
/// # Errors
/// The system cannot wait for such a descriptor.
#[expect(
    deprecated,
    reason = "for types that change their descriptor; an OwnedFd never does, and the new one is unsafe"
)]
pub(crate) fn readable(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(descriptor, Interest::READABLE)
}
