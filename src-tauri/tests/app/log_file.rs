//! The running app's log file: what is in it, what never is, and that nothing depends on it.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use heartwire_core::view::LinkState::Connected;
use jiff::{Timestamp, ToSpan};
use rustix::process::Signal;
use xtask::desktop::Desktop;
use xtask::process::{eventually, tied};

use crate::listen::HEARTWIRE;
use crate::resident::Resident;
use crate::server::{Library, SOON, Server};

/// In the address, a header and a message; it must be nowhere in the log.
const SECRET: &str = "canary-5b1f";

#[test]
fn what_happened_is_in_the_log_and_no_secret_or_message_is() {
    let desktop = Desktop::start().unwrap();
    let mut server = Server::start(Library::Websockets, "crm-heartbeat");
    let settings = format!(
        "[[connections]]\nname = \"crm\"\npreset = \"crm-heartbeat\"\nurl = \"{}/wsCrm?jspCode={SECRET}\"\n\
         headers = {{ Authorization = \"Bearer {SECRET}\" }}\n",
        server.url().replace("//", &format!("//{SECRET}:{SECRET}@"))
    );
    // Everything that anything would say.
    let mut resident = Resident::start_with(&desktop, &settings, &[("HEARTWIRE_LOG", "trace")]);
    resident.wait_for_state(&desktop, "crm", Connected, SOON);
    assert!(server.wait_for("opened")["path"].as_str().unwrap().contains(SECRET));
    server.send(&format!("hello {SECRET}"));
    let came = || resident.status(&desktop).messages.iter().any(|message| message.body.contains(SECRET)).then_some(());
    eventually("the message", SOON, came).unwrap();
    let (sent, _) = resident.command(&desktop, &["send", "crm", &format!("and back {SECRET}")]);
    assert!(sent.success());
    assert!(server.received_other_than("HeartBeat").contains(SECRET));

    let logs = desktop.folder().join("heartwire/logs");
    resident.process().signal(Signal::TERM).unwrap();
    assert!(resident.process().wait(SOON).unwrap().success());
    let newest = logs.join("heartwire.log");
    let log = fs::read_to_string(&newest).unwrap();
    assert!(log.contains("crm") && log.contains("ending"), "{log}");
    assert!(!log.contains(SECRET), "{log}");
    assert!(!log.contains('\u{1b}'), "colours are for terminals: {log}");
    assert_eq!((mode(&newest), mode(&logs)), (0o600, 0o700));
}

#[test]
fn a_folder_that_cannot_be_written_costs_only_the_log_file() {
    let desktop = Desktop::start().unwrap();
    let server = Server::start(Library::Websockets, "crm-heartbeat");
    let logs = desktop.folder().join("heartwire/logs");
    fs::create_dir(logs.parent().unwrap()).unwrap();
    fs::write(&logs, "a file where the folder should be").unwrap();
    check_it_runs(&desktop, &server);
    let stderr = fs::read_to_string(desktop.folder().join("heartwire.log")).unwrap();
    assert!(stderr.contains("there is no log file") && stderr.contains(&logs.display().to_string()), "{stderr}");
}

#[test]
fn a_full_disk_costs_only_the_log_file() {
    let desktop = Desktop::start().unwrap();
    let server = Server::start(Library::Websockets, "crm-heartbeat");
    let logs = desktop.folder().join("heartwire/logs");
    fs::create_dir_all(&logs).unwrap();
    // Days are counted in UTC, and this may be the last second of one.
    for day in [Timestamp::now(), Timestamp::now() + 24.hours()] {
        symlink("/dev/full", logs.join(format!("heartwire.log.{}", day.strftime("%Y-%m-%d")))).unwrap();
    }
    check_it_runs(&desktop, &server);
    assert_eq!(fs::canonicalize(logs.join("heartwire.log")).unwrap(), Path::new("/dev/full"), "it was written to");
}

#[test]
fn commands_leave_no_log_file() {
    let home = tempfile::tempdir().unwrap();
    let mut command = tied(HEARTWIRE);
    let check = command.arg("check").env("HEARTWIRE_HOME", home.path()).output().unwrap();
    assert!(check.status.success());
    assert!(!home.path().join("logs").exists());
}

/// It starts, connects, answers and ends in order.
fn check_it_runs(desktop: &Desktop, server: &Server) {
    let url = server.url();
    let settings = format!("[[connections]]\nname = \"crm\"\npreset = \"crm-heartbeat\"\nurl = \"{url}/wsCrm\"\n");
    let mut resident = Resident::start(desktop, &settings);
    resident.wait_for_state(desktop, "crm", Connected, SOON);
    resident.process().signal(Signal::TERM).unwrap();
    assert!(resident.process().wait(SOON).unwrap().success());
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}
