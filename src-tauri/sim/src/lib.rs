//! Heartwire's simulations, in virtual time and from seeds: a link through thousands of bad days with every promise checked
//! after every step ([`run`]), and a million clients whose server restarts ([`herd`]). And the fuzzing of the dialects ([`fuzz`]).

pub mod checker;
pub mod day;
pub mod fuzz;
pub mod herd;
pub mod run;
mod subject;
pub mod trace;
pub mod world;
