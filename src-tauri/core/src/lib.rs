//! The pure logic of Heartwire: what a link does and when, what a frame means, what a person may configure and what
//! the window shows. Nothing here does I/O, reads a clock or draws randomness of its own: `now` and a seed come in as
//! arguments, so that every rule can be tested in virtual time.

pub mod attention;
pub mod cause;
pub mod control;
pub mod dialect;
pub mod link;
pub mod listen;
pub mod message;
pub mod secret;
pub mod settings;
pub mod text;
pub mod time;
pub mod trial;
pub mod view;
