//! `cargo xtask autobahn`: the Autobahn suite's client cases through the engine, and their results in docs/conformance.md. It
//! takes a minute or two and needs the network once, so it is no part of `cargo xtask test`.

mod report;
mod suite;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::command::{self, Failure, cargo, say};
use crate::dirs;
use crate::process::{Running, eventually, free_port};
use report::{Beyond, Report};
use suite::Suite;

const PAGE: &str = "docs/conformance.md";

const READY_WITHIN: Duration = Duration::from_secs(30);

/// Installs the suite, runs it, writes the page. A case that failed is a failure.
pub fn run() -> Result<(), Failure> {
    let suite = Suite::install()?;
    let folder = dirs::target().join("autobahn");
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(Failure::io("removing the last run's reports"))?;
    }
    fs::create_dir_all(&folder).map_err(Failure::io(format!("making {}", folder.display())))?;
    let reports = folder.join("reports");
    let port = free_port()?;
    let server = start_server(&suite, &folder, &reports, port)?;
    let beyond = run_cases(port)?;
    drop(server);

    let report = Report::read(&reports, beyond)?;
    let page = dirs::root().join(PAGE);
    let before = fs::read_to_string(&page).map_err(Failure::io(format!("reading {PAGE}")))?;
    fs::write(&page, report::with_results(&before, &report.page(&versions()?))?)
        .map_err(Failure::io(format!("writing {PAGE}")))?;
    say(format_args!("\n{}\n\nWritten to {PAGE}; the suite's own report: {}", report.summary(), reports.display()));
    report.check()
}

fn start_server(suite: &Suite, folder: &Path, reports: &Path, port: u16) -> Result<Running, Failure> {
    let specification = folder.join("fuzzingserver.json");
    let content = json!({
        "url": format!("ws://127.0.0.1:{port}"), "outdir": reports, "cases": ["*"],
        // Compression, which is not offered: the page says why.
        "exclude-cases": ["12.*", "13.*"], "exclude-agent-cases": {},
    });
    fs::write(&specification, content.to_string()).map_err(Failure::io("writing the suite's specification"))?;
    let log = folder.join("server.log");
    let file = File::create(&log).map_err(Failure::io(format!("making {}", log.display())))?;
    let errors = file.try_clone().map_err(Failure::io("sharing the server's log"))?;
    let mut server = Running::start(suite.server(&specification)?.stdout(file).stderr(errors))?;
    let ready = || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok().map(drop);
    let started =
        eventually("the fuzzing server", READY_WITHIN, || server.ended().map(Some).or_else(|| ready().map(|()| None)));
    match started {
        Ok(None) => Ok(server),
        Ok(Some(_)) | Err(_) => {
            Err(Failure::new(format!("The suite's fuzzing server did not start; {} says why.", log.display())))
        }
    }
}

/// Runs the client; which cases are beyond the link, and in what.
fn run_cases(port: u16) -> Result<BTreeMap<String, Beyond>, Failure> {
    let mut client = cargo();
    client.args(["run", "--quiet", "-p", "heartwire-engine", "--example", "autobahn", "--"]);
    client.arg(format!("ws://127.0.0.1:{port}"));
    let mut beyond = BTreeMap::new();
    let advice = "The client must run through every case.";
    let status = command::watch(&mut client, advice, |line| {
        if let Some((case, why)) = report::case_line(line) {
            beyond.insert(case, why);
        }
    })?;
    command::succeed(&client, status, advice)?;
    Ok(beyond)
}

/// What was run against what.
fn versions() -> Result<String, Failure> {
    let lock = fs::read_to_string(dirs::root().join("Cargo.lock")).map_err(Failure::io("reading Cargo.lock"))?;
    let of = |name: &str| locked(&lock, name).ok_or_else(|| Failure::new(format!("{name} is not in Cargo.lock")));
    Ok(format!(
        "Heartwire {}, tokio-tungstenite {}, tungstenite {}; autobahntestsuite {}",
        of("heartwire-engine")?,
        of("tokio-tungstenite")?,
        of("tungstenite")?,
        suite::VERSION
    ))
}

fn locked<'a>(lock: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = lock.split_once(&format!("\nname = \"{name}\"\nversion = \""))?;
    rest.split_once('"').map(|(version, _)| version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_of_the_lock_file_by_the_whole_name() {
        let lock = "[[package]]\nname = \"tokio-tungstenite\"\nversion = \"1.0.0\"\n\n[[package]]\nname = \"tungstenite\"\nversion = \"2.0.0\"\n";
        assert_eq!(locked(lock, "tungstenite"), Some("2.0.0"));
        assert_eq!(locked(lock, "websocket"), None);
    }
}
