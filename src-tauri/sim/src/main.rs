//! The simulations as a program: `sim` and `herd`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints its result")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Args, Parser, Subcommand};
use heartwire_sim::herd;
use heartwire_sim::run;

#[derive(Parser)]
#[command(about = "Heartwire's simulations")]
struct Line {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The link through thousands of bad days, every promise checked after every step
    Sim(Sim),
    /// A million clients whose server restarts, as a page and a plot
    Herd(Herd),
}

#[derive(Args)]
struct Sim {
    /// How many days are lived, one a seed
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// Live the day of this seed only
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// How many days are lived at the same time
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

#[derive(Args)]
struct Herd {
    /// The dice
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The folder that herd.md and herd.svg are written into
    #[arg(long, default_value = "docs")]
    into: PathBuf,
}

fn main() -> ExitCode {
    match Line::parse().command {
        Command::Sim(sim) => simulate(&sim),
        Command::Herd(herd) => stampede(&herd),
    }
}

fn simulate(sim: &Sim) -> ExitCode {
    let started = Instant::now();
    let (first, count) = sim.seed.map_or((0, sim.seeds), |seed| (seed, 1));
    let summary = run::run(first, count, sim.threads);
    println!("{summary}\n{:.1} s", started.elapsed().as_secs_f64());
    if summary.holds() {
        println!("Every invariant held.");
        return ExitCode::SUCCESS;
    }
    println!("\n{}", summary.complaint());
    ExitCode::FAILURE
}

fn stampede(herd: &Herd) -> ExitCode {
    let started = Instant::now();
    let written = herd::all(herd::CLIENTS, herd.seed).and_then(|outcomes| {
        println!("{}", herd::table(&outcomes));
        herd::write(&outcomes, herd::CLIENTS, herd.seed, &herd.into)
            .map_err(|error| format!("writing into {}: {error}", herd.into.display()))
    });
    match written {
        Ok(()) => {
            println!(
                "Written: herd.md and herd.svg in {}, {:.1} s",
                herd.into.display(),
                started.elapsed().as_secs_f64()
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
