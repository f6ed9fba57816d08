//! What watches a Linux computer.

mod clock_set;
mod logind;
mod netlink;
mod picture;

pub use clock_set::ClockSet;
pub use logind::Logind;
pub use netlink::Netlink;
