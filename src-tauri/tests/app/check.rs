//! `heartwire check --connect`: a line for each step, the exit code, and what to do.

use std::fs;
use std::net::TcpListener;

use xtask::process::tied;

use crate::listen::HEARTWIRE;
use crate::server::{Library, Server};

struct Checked {
    code: Option<i32>,
    /// The first two words of each line.
    steps: Vec<[String; 2]>,
    errors: String,
}

fn check(config: &str, name: &str) -> Checked {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("check.toml");
    fs::write(&file, config).unwrap();
    let mut command = tied(HEARTWIRE);
    command.arg("check").arg(&file).args(["--connect", name]).env("HEARTWIRE_HOME", home.path());
    let output = command.output().unwrap();
    let words = |line: &str| {
        let mut words = line.split_whitespace().map(str::to_owned);
        [words.next().unwrap(), words.next().unwrap()]
    };
    let said = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (steps, errors) = (said(&output.stdout), said(&output.stderr));
    Checked { code: output.status.code(), steps: steps.lines().map(words).collect(), errors }
}

fn crm(url: &str) -> String {
    format!("[[connections]]\nname = \"crm\"\npreset = \"crm-heartbeat\"\nurl = \"{url}\"\n")
}

const WAY: [[&str; 2]; 7] = [
    ["secret", "skipped"],
    ["proxy", "ok"],
    ["dns", "ok"],
    ["tcp", "ok"],
    ["tls", "skipped"],
    ["upgrade", "ok"],
    ["subscription", "ok"],
];

#[test]
fn a_connection_that_works_is_walked_to_the_end() {
    let server = Server::start(Library::Websockets, "crm-heartbeat");
    let checked = check(&crm(&server.url()), "crm");
    assert_eq!((checked.code, checked.errors.as_str()), (Some(0), ""));
    assert_eq!(checked.steps[..7], WAY);
    assert!(checked.steps.contains(&["heartbeat".to_owned(), "ok".to_owned()]), "{:?}", checked.steps);
    assert_eq!(checked.steps.len(), 9, "{:?}", checked.steps);
}

#[test]
fn the_step_that_fails_is_named_with_what_to_do() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let checked = check(&crm(&format!("ws://127.0.0.1:{port}/")), "crm");
    assert_eq!(checked.code, Some(1));
    assert_eq!(checked.steps, [WAY[0], WAY[1], WAY[2], ["tcp", "FAILED"]]);
    let wanted = format!("heartwire: crm: tcp failed: nobody listens at 127.0.0.1:{port}. See whether the server runs");
    assert!(checked.errors.starts_with(&wanted), "{}", checked.errors);
}

#[test]
fn what_is_wrong_in_the_file_is_told_too() {
    let checked = check(&crm("ws://127.0.0.1:9/"), "other");
    let wanted = "heartwire: there is no valid connection named \"other\" in the configuration, which has \"crm\"\n";
    assert_eq!((checked.code, checked.errors.as_str()), (Some(1), wanted));
    let checked = check(&crm("ftp://127.0.0.1/"), "crm");
    assert_eq!((checked.code, checked.steps.len()), (Some(1), 0));
    assert!(checked.errors.contains("check.toml:4: "), "{}", checked.errors);
    assert!(checked.errors.ends_with(", which has no other either\n"), "{}", checked.errors);
}
