//! `cargo xtask`: reads the command line and calls the command. Everything else is in the library.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use xtask::command::{Failure, complain};
use xtask::{check, loss, run, sim, test};

/// Heartwire's development commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Line {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what is missing, build and start Heartwire; on a private desktop where there is no display
    Run(run::Options),
    /// Run every test there is; a summary at the end counts passed, failed and skipped
    Test(test::Options),
    /// Formatting, lints, types, generated bindings, dependency rules
    Check,
    /// What the promises come to on this machine, beside their targets and the peers; a table at the end
    #[cfg(unix)]
    Bench(xtask::bench::Options),
    /// The Autobahn suite through the engine; the results go to docs/conformance.md
    #[cfg(unix)]
    Autobahn,
    /// The link through thousands of bad days in virtual time, every invariant checked after every step
    Sim(sim::Days),
    /// 100,000 numbered messages of each replaying server, through faults and 200 kills: none lost, none twice
    Loss(loss::Options),
    /// A million clients whose server restarts: writes docs/herd.md and docs/herd.svg
    Herd(sim::Dice),
    /// Every dialect against hostile servers: no panic, no hang, and memory within bounds; a table at the end
    Fuzz(sim::Inputs),
}

fn main() -> ExitCode {
    let done = match Line::parse().command {
        Task::Run(options) => run::run(&options),
        Task::Test(options) => test::run(&options),
        Task::Check => check::run(),
        #[cfg(unix)]
        Task::Bench(options) => xtask::bench::run(&options),
        #[cfg(unix)]
        Task::Autobahn => xtask::autobahn::run(),
        Task::Sim(options) => sim::days(&options),
        Task::Loss(options) => loss::run(&options),
        Task::Herd(options) => sim::herd(&options),
        Task::Fuzz(options) => sim::fuzz(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&failure);
            ExitCode::from(Failure::CODE)
        }
    }
}
