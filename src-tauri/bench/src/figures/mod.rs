//! The figures, each by its name, and the two roles that their processes play.

mod back;
mod black_hole;
mod cycles;
mod kept;
mod many;
mod memory;
mod messages;
mod wakeups;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::runtime::{Builder, Runtime};
use xtask::bench::Row;
use xtask::command::{Failure as Told, complain, say};

use crate::client::{self, Way};
use crate::server::{self, Kind};

/// Why a figure could not be measured.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

#[derive(Parser)]
#[command(name = "heartwire-bench")]
struct Line {
    #[command(subcommand)]
    task: Task,
    /// Watch for as long as the targets say
    #[arg(long, global = true)]
    long: bool,
}

#[derive(Subcommand)]
enum Task {
    /// A peer that falls silent: noticed, and its descriptor closed
    BlackHole,
    /// From the server's return to the connection
    Back,
    /// Messages a second on one connection
    Messages,
    /// Messages a second from one connection into the database
    Kept,
    /// Memory a connection
    Memory,
    /// Wakeups an hour of an idle connection
    Wakeups,
    /// Ten thousand connections
    Many,
    /// Ten thousand reconnects
    Cycles,
    #[command(hide = true)]
    Serve { kind: Kind },
    #[command(hide = true)]
    Client { way: Way, port: u16 },
    #[command(hide = true)]
    Pour { size: usize, messages: usize },
    #[command(hide = true)]
    Count { messages: usize },
}

/// How a figure is measured.
#[derive(Clone, Copy, Debug)]
pub struct Measure {
    /// For as long as its target says, instead of a shorter time that is told with it.
    pub long: bool,
}

pub fn main() -> ExitCode {
    match run(&Line::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&Told::new(failure.to_string()));
            ExitCode::FAILURE
        }
    }
}

fn run(line: &Line) -> Result<(), Failure> {
    let how = Measure { long: line.long };
    let runtime = runtime()?;
    let done = match line.task {
        Task::BlackHole => runtime.block_on(black_hole::black_hole(how)),
        Task::Back => runtime.block_on(back::back(how)),
        Task::Messages => runtime.block_on(messages::messages(how)),
        Task::Kept => runtime.block_on(kept::kept(how)),
        Task::Memory => memory::memory(how),
        Task::Wakeups => wakeups::wakeups(how),
        Task::Many => many::many(how),
        Task::Cycles => runtime.block_on(cycles::cycles(how)),
        Task::Serve { kind } => runtime.block_on(server::serve(kind)),
        Task::Pour { size, messages } => messages::pour(size, messages),
        Task::Count { messages } => kept::count(messages),
        Task::Client { way, port } => runtime.block_on(client::client(way, port)),
    };
    runtime.shutdown_background();
    done
}

/// Threads as the program has them.
fn runtime() -> Result<Runtime, Failure> {
    Ok(Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

/// Prints a row of the table.
pub fn show(row: &Row) {
    say(row);
}
