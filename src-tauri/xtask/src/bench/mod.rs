//! `cargo xtask bench`: what the promises about speed and size come to on this machine, beside the peers in the same run.
//! A missed target is said plainly and is no failure: the figures are the result.

mod app;
mod row;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

pub use row::{BEGINS, HEAD, Row, Target};

use crate::command::{self, Failure, cargo, complain, say, succeed, watch};
use crate::packages::{self, Need};
use crate::{dirs, prepare, run};

/// The command's options.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Only these figures
    #[arg(value_name = "NAME", value_parser = FIGURES.map(|figure| figure.name))]
    pub name: Vec<String>,
    /// Watch for as long as the targets say: about twenty minutes more
    #[arg(long)]
    pub long: bool,
}

#[derive(Clone, Copy)]
struct Figure {
    name: &'static str,
    what: &'static str,
    by: By,
}

/// Who measures it.
#[derive(Clone, Copy)]
enum By {
    /// The package heartwire-bench, which has the link and its peers in it, under the figure's name.
    Link,
    /// We, with the app on a private desktop.
    App(fn(&Path) -> Result<Vec<Row>, Failure>),
}

const FIGURES: [Figure; 10] = [
    Figure { name: "black-hole", what: "a peer that falls silent", by: By::Link },
    Figure { name: "back", what: "the server's return", by: By::Link },
    Figure { name: "messages", what: "messages a second on one connection", by: By::Link },
    Figure { name: "kept", what: "messages a second into the database", by: By::Link },
    Figure { name: "memory", what: "memory of 2,000 connections", by: By::Link },
    Figure { name: "wakeups", what: "wakeups of an idle connection", by: By::Link },
    Figure { name: "many", what: "10,000 connections", by: By::Link },
    Figure { name: "cycles", what: "10,000 reconnects", by: By::Link },
    Figure { name: "tray", what: "memory of the resident, no window", by: By::App(app::memory) },
    Figure { name: "start", what: "start-up to the first `connected` on loopback", by: By::App(app::start_up) },
];

/// Builds with optimisations, measures, prints.
pub fn run(options: &Options) -> Result<(), Failure> {
    let chosen: Vec<Figure> = FIGURES.into_iter().filter(|figure| is_wanted(figure, options)).collect();
    let link = if chosen.iter().any(|figure| matches!(figure.by, By::Link)) { Some(build_link()?) } else { None };
    let app = if chosen.iter().any(|figure| matches!(figure.by, By::App(_))) { Some(build_app()?) } else { None };
    say(format_args!("\nThis machine: {}", machine()));
    let (mut rows, mut failed) = (Vec::new(), Vec::new());
    for figure in &chosen {
        say(format_args!("\n== {}: {} ==", figure.name, figure.what));
        let measured = match (figure.by, &link, &app) {
            (By::Link, Some(link), _) => by_link(link, figure.name, options.long),
            (By::App(measure), _, Some(app)) => measure(app).map(|rows| rows.iter().map(tell).collect()),
            (By::Link | By::App(_), ..) => Err(Failure::new("it was not built")),
        };
        match measured {
            Ok(mut more) => rows.append(&mut more),
            Err(failure) => {
                complain(&failure);
                failed.push(figure.name);
            }
        }
    }
    say(format_args!("\n{}\n\n{HEAD}\n{}", machine(), rows.join("\n")));
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("not measured: {}; the reasons are above", failed.join(", "))))
}

fn is_wanted(figure: &Figure, options: &Options) -> bool {
    options.name.is_empty() || options.name.iter().any(|name| name == figure.name)
}

fn build_link() -> Result<PathBuf, Failure> {
    packages::install(&[Need::Build])?;
    let mut build = cargo();
    build.args(["build", "--quiet", "--release", "-p", "heartwire-bench"]);
    command::run(&mut build, "The benchmark must be built before it can measure.")?;
    Ok(dirs::target().join("release").join(format!("heartwire-bench{}", std::env::consts::EXE_SUFFIX)))
}

fn build_app() -> Result<PathBuf, Failure> {
    prepare::all(&[Need::Build, Need::Desktop, Need::Servers])?;
    run::build_app(true)
}

/// The rows that heartwire-bench prints for a figure.
fn by_link(program: &Path, name: &str, long: bool) -> Result<Vec<String>, Failure> {
    let mut bench = Command::new(program);
    bench.arg(name);
    if long {
        bench.arg("--long");
    }
    let mut rows = Vec::new();
    let status = watch(&mut bench, "", |line| rows.extend(line.starts_with(BEGINS).then(|| line.to_owned())))?;
    succeed(&bench, status, "It says above what is missing.")?;
    Ok(rows)
}

fn tell(row: &Row) -> String {
    say(row);
    row.to_string()
}

/// The value of a line `Key:   123 kB`.
pub fn kib(text: &str, key: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
}

/// Processor, cores, memory, system, kernel.
fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, key: &str, separator: char| {
        let line =
            text.lines().find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix(separator).map(str::trim));
        line.unwrap_or("unknown").trim_matches('"').to_owned()
    };
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let processor = field(&read("/proc/cpuinfo"), "model name", ':');
    let memory = kib(&read("/proc/meminfo"), "MemTotal") / 1024 / 1024;
    let system = field(&read("/etc/os-release"), "PRETTY_NAME", '=');
    format!("{processor}, {cores} cores, {memory} GiB, {system}, Linux {}", read("/proc/sys/kernel/osrelease").trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_chosen_by_name() {
        let chosen = |names: &[&str]| {
            let name = names.iter().map(ToString::to_string).collect();
            let options = Options { name, long: false };
            FIGURES.iter().filter(|figure| is_wanted(figure, &options)).map(|figure| figure.name).collect::<Vec<_>>()
        };
        assert_eq!(chosen(&[]).len(), FIGURES.len());
        assert_eq!(chosen(&["start", "back"]), ["back", "start"]);
    }

    #[test]
    fn a_size_is_read_from_its_own_line() {
        assert_eq!(kib("Rss_x:  1 kB\nRss:     123 kB\nPss: 7 kB\n", "Rss"), 123);
        assert_eq!(kib("Pss: 7 kB\n", "Rss"), 0);
    }
}
