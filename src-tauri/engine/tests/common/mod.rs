//! What several test programs need.

pub use xtask::test::skip;
