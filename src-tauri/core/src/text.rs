//! Making a server's text safe to show: capped, without control and bidirectional characters, and without markup where
//! a notification daemon would render it.

/// The most characters of a body that are kept and shown in the window.
pub const BODY_SHOWN: usize = 4_000;
