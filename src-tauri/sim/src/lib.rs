//! Heartwire's simulations, in virtual time and from seeds: a link through thousands of bad days with every promise checked
//! after every step ([`run`]), and a million clients whose server restarts ([`herd`]).

pub mod checker;
pub mod day;
pub mod herd;
pub mod run;
mod subject;
pub mod trace;
pub mod world;
