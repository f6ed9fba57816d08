//! `cargo xtask bench`: what the promises about speed and size come to on this machine. A missed target is said plainly and
//! is no failure: the figures are the result.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::command::{self, Failure, cargo, say};
use crate::desktop::Desktop;
use crate::packages::Need;
use crate::process::{Running, eventually, tied};
use crate::{prepare, run, tools};

/// The resident without a window, at most, in MB of a million bytes.
const TARGET_PSS_MB: f64 = 50.0;
/// Likewise.
const TARGET_DIRTY_MB: f64 = 20.0;
/// From starting the process to the first `connected` on loopback, at most.
const TARGET_START_MS: u64 = 500;
/// How often the start is measured; the median counts.
const STARTS: usize = 9;
/// How long the resident rests before its memory is read.
const SETTLE: Duration = Duration::from_secs(10);
const READY_WITHIN: Duration = Duration::from_secs(60);

/// Builds with optimisations, measures, prints.
pub fn run() -> Result<(), Failure> {
    prepare::all(&[Need::Build, Need::Desktop, Need::Servers])?;
    let binary = run::build_app(true)?;
    say(format_args!("\nThis machine: {}", machine()));
    say("\n== messages a second ==");
    let mut throughput = cargo();
    throughput.args(["bench", "--quiet", "-p", "heartwire-engine", "--bench", "link_throughput"]);
    command::run(&mut throughput, "The benchmark must run before it can measure.")?;
    say("\n== memory of the resident, no window ==");
    for connections in [1, 100] {
        memory(&binary, connections)?;
    }
    say("\n== start-up to the first `connected` on loopback ==");
    start_up(&binary)
}

fn memory(binary: &Path, connections: usize) -> Result<(), Failure> {
    let server = Server::start()?;
    let desktop = Desktop::start()?;
    let resident = Resident::start(&desktop, binary, server.port, connections)?;
    resident.wait_until_connected(&desktop, connections)?;
    thread::sleep(SETTLE);
    let rollup = format!("/proc/{}/smaps_rollup", resident.running.id());
    let rollup = fs::read_to_string(&rollup).map_err(Failure::io(format!("reading {rollup}")))?;
    let [rss, pss, dirty] = ["Rss", "Pss", "Private_Dirty"].map(|key| megabytes(kib(&rollup, key)));
    say(format_args!("{connections:3} connections: RSS {rss:.1} MB, PSS {pss:.1} MB, private dirty {dirty:.1} MB"));
    if connections == 1 {
        say(format_args!("target: PSS at most {TARGET_PSS_MB} MB, {}", verdict(pss <= TARGET_PSS_MB)));
        say(format_args!("target: private dirty at most {TARGET_DIRTY_MB} MB, {}", verdict(dirty <= TARGET_DIRTY_MB)));
    }
    Ok(())
}

fn start_up(binary: &Path) -> Result<(), Failure> {
    let server = Server::start()?;
    let mut took = Vec::new();
    for _ in 0..STARTS {
        let desktop = Desktop::start()?;
        let before = since_epoch_ms();
        let resident = Resident::start(&desktop, binary, server.port, 1)?;
        let snapshot = resident.wait_until_connected(&desktop, 1)?;
        let connected = snapshot["connections"][0]["since_ms"].as_u64();
        took.push(connected.ok_or_else(|| Failure::new("the status has no `since_ms`"))?.saturating_sub(before));
    }
    took.sort_unstable();
    let median = took[took.len() / 2];
    say(format_args!("median of {STARTS} starts: {median} ms (all: {took:?})"));
    say(format_args!("target: at most {TARGET_START_MS} ms, {}", verdict(median <= TARGET_START_MS)));
    Ok(())
}

/// The tests' own server; it ends when dropped.
struct Server {
    port: u64,
    _running: Running,
}

impl Server {
    fn start() -> Result<Self, Failure> {
        let mut server = tied(&tools::python()?.to_string_lossy());
        server.arg(tools::servers().join("recipe.py")).arg("crm-heartbeat");
        let mut running = Running::start(server.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
        let stdout = running.child().stdout.take().ok_or_else(|| Failure::new("the server has no stdout"))?;
        let mut lines = BufReader::new(stdout);
        let mut first = String::new();
        lines.read_line(&mut first).map_err(Failure::io("reading from the server"))?;
        // Somebody must read on, or the server blocks when its pipe is full.
        thread::spawn(move || lines.lines().map_while(Result::ok).for_each(drop));
        let said: Value = serde_json::from_str(&first).unwrap_or_default();
        let port = said["port"].as_u64().ok_or_else(|| Failure::new(format!("the server said {first:?}")))?;
        Ok(Self { port, _running: running })
    }
}

/// The app without a window; it ends when dropped.
struct Resident {
    running: Running,
    binary: PathBuf,
    home: PathBuf,
}

impl Resident {
    fn start(desktop: &Desktop, binary: &Path, port: u64, connections: usize) -> Result<Self, Failure> {
        let home = desktop.folder().join("heartwire");
        fs::create_dir_all(&home).map_err(Failure::io("making the app's folder"))?;
        let connection = |number| {
            format!(
                "[[connections]]\nname = \"c{number}\"\npreset = \"crm-heartbeat\"\nurl = \"ws://127.0.0.1:{port}/\"\n"
            )
        };
        let settings: String = (1..=connections).map(connection).collect();
        fs::write(home.join("config.toml"), settings).map_err(Failure::io("writing the app's settings"))?;
        let mut app = desktop.command(&binary.to_string_lossy());
        app.env("HEARTWIRE_HOME", &home).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self { running: Running::start(&mut app)?, binary: binary.to_owned(), home })
    }

    fn wait_until_connected(&self, desktop: &Desktop, connections: usize) -> Result<Value, Failure> {
        eventually(&format!("{connections} connected links"), READY_WITHIN, || {
            let mut status = desktop.command(&self.binary.to_string_lossy());
            status.args(["status", "--json"]).env("HEARTWIRE_HOME", &self.home).stderr(Stdio::null());
            let snapshot: Value = serde_json::from_slice(&status.output().ok()?.stdout).ok()?;
            let views = snapshot["connections"].as_array()?;
            let connected = views.iter().filter(|view| view["state"] == "connected").count();
            (connected == connections).then_some(snapshot)
        })
    }
}

/// The value of a line `Key:   123 kB`.
fn kib(rollup: &str, key: &str) -> u64 {
    let line = rollup.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
}

fn megabytes(kib: u64) -> f64 {
    f64::from(u32::try_from(kib).unwrap_or(u32::MAX)) * 1024.0 / 1e6
}

fn verdict(reached: bool) -> &'static str {
    if reached { "reached" } else { "MISSED" }
}

fn since_epoch_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
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
    fn sizes_are_read_from_the_rollup_by_their_whole_name() {
        let rollup = "00400000-7fff ---p 00000000 00:00 0 [rollup]\nRss:   47000 kB\nPss:   31000 kB\nPss_Dirty:   9 kB\nPrivate_Dirty:   12345 kB\n";
        assert_eq!(
            [kib(rollup, "Rss"), kib(rollup, "Pss"), kib(rollup, "Private_Dirty"), kib(rollup, "Swap")],
            [47000, 31000, 12345, 0]
        );
    }
}
