//! The fuzzing of the dialects as a program of its own, since it counts what is allocated.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints its result")]

use std::process::ExitCode;

use clap::Parser;
use heartwire_core::dialect::{self, Spec};
use heartwire_sim::fuzz::{self, Found, Large, Seen};
use peak_alloc::PeakAlloc;

#[global_allocator]
static COUNTED: PeakAlloc = PeakAlloc;

#[derive(Parser)]
#[command(about = "Heartwire's dialects against hostile servers")]
struct Line {
    /// Only this dialect
    #[arg(long, value_parser = dialect::ALL.iter().map(|spec| spec.name).collect::<Vec<_>>())]
    dialect: Option<String>,
    /// Hostile inputs for each dialect, besides the large ones
    #[arg(long, default_value_t = 10_000_000)]
    inputs: u64,
    /// Only the session of this seed
    #[arg(long, conflicts_with = "inputs")]
    seed: Option<u64>,
}

fn main() -> ExitCode {
    let line = Line::parse();
    fuzz::watch(|words| eprintln!("error: {words}"));
    println!(
        "| dialect | inputs | processor time | inputs a second | longest | most memory | large inputs | longest | most memory |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    let chosen = dialect::ALL.iter().copied().filter(|spec| line.dialect.as_ref().is_none_or(|name| name == spec.name));
    let mut code = ExitCode::SUCCESS;
    for spec in chosen {
        match one(spec, &line) {
            Ok(row) => println!("{row}"),
            Err(found) => {
                eprintln!("error: {found}");
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}

fn one(spec: &'static Spec, line: &Line) -> Result<String, Found> {
    let small = match line.seed {
        Some(seed) => fuzz::sessions(spec, seed, 1)?,
        None => fuzz::sessions(spec, 0, line.inputs)?,
    };
    let large = if line.seed.is_none() { fuzz::large(spec, Large::All)? } else { Seen::default() };
    let rate = u128::from(small.inputs) * 1_000_000 / small.time.as_micros().max(1);
    Ok(format!(
        "| {} | {} | {} s | {rate} | {:.1} ms | {:.2} MB | {} | {} ms | {:.1} MB, {:.1} times the input |",
        spec.name,
        small.inputs,
        small.time.as_secs(),
        small.longest.as_secs_f64() * 1e3,
        megabytes(small.memory),
        large.inputs,
        large.longest.as_millis(),
        megabytes(large.memory),
        large.factor,
    ))
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn megabytes(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}
