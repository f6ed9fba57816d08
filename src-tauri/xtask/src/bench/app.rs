//! What the app costs: the resident's memory without a window, and its start.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::{Row, Target, kib};
use crate::command::Failure;
use crate::desktop::Desktop;
use crate::process::{Running, eventually};
use crate::server::Server;

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

/// Its memory with one connection and with many.
pub(super) fn memory(binary: &Path) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for connections in [1, 100] {
        rows.extend(memory_with(binary, connections)?);
    }
    Ok(rows)
}

fn memory_with(binary: &Path, connections: usize) -> Result<[Row; 2], Failure> {
    let server = server()?;
    let desktop = Desktop::start()?;
    let resident = Resident::start(&desktop, binary, server.port, connections)?;
    resident.wait_until_connected(&desktop, connections)?;
    thread::sleep(SETTLE);
    let rollup = format!("/proc/{}/smaps_rollup", resident.running.id());
    let rollup = fs::read_to_string(&rollup).map_err(Failure::io(format!("reading {rollup}")))?;
    let row = |key: &str, limit: f64, words: &str| {
        let seen = megabytes(kib(&rollup, key));
        Row {
            figure: format!("the tray with no window, {connections} connections, {words}"),
            seen: format!("{seen:.1} MB"),
            target: Some(Target::at_most(format!("at most {limit} MB"), seen, limit)),
            peer: String::new(),
        }
    };
    Ok([row("Pss", TARGET_PSS_MB, "PSS"), row("Private_Dirty", TARGET_DIRTY_MB, "private dirty")])
}

/// Its start, as the median of several.
pub(super) fn start_up(binary: &Path) -> Result<Vec<Row>, Failure> {
    let server = server()?;
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
    let (median, longest) = (took[took.len() / 2], took[took.len() - 1]);
    Ok(vec![Row {
        figure: "start to the first `connected` on loopback".to_owned(),
        seen: format!("median {median} ms ({} to {longest} ms in {STARTS} starts)", took[0]),
        target: Some(Target::when(format!("at most {TARGET_START_MS} ms"), median <= TARGET_START_MS)),
        peer: String::new(),
    }])
}

/// What the app is connected to.
fn server() -> Result<Server, Failure> {
    Server::try_python("recipe.py", &["crm-heartbeat"])
}

/// The app without a window; it ends when dropped.
struct Resident {
    running: Running,
    binary: PathBuf,
    home: PathBuf,
}

impl Resident {
    fn start(desktop: &Desktop, binary: &Path, port: u16, connections: usize) -> Result<Self, Failure> {
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

fn megabytes(kib: u64) -> f64 {
    f64::from(u32::try_from(kib).unwrap_or(u32::MAX)) * 1024.0 / 1e6
}

fn since_epoch_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
