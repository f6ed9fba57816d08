//! The decision what a message deserves.
