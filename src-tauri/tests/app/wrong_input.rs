//! What a person gets wrong: each error is told with its place, by the running app and by `heartwire check` alike, with
//! the promised exit code, and what is right runs.

use std::fs;
use std::path::Path;
use std::process::{Output, Stdio};

use heartwire_core::view::LinkState::Connected;
use heartwire_core::view::Problem;
use xtask::desktop::Desktop;
use xtask::process::tied;

use crate::listen::HEARTWIRE;
use crate::resident::Resident;
use crate::server::{Library, SOON, Server};

/// Four connections, each wrong in its own way, and a general setting of the wrong type.
const WRONG: &str = r#"
[[connections]]
name = "crm" # twice
url = "ws://127.0.0.1:9/"

[[connections]]
name = "transfer"
url = "ftp://127.0.0.1/"

[[connections]]
name = "restless"
url = "ws://127.0.0.1:9/"
heartbeat.every = "0s"

[[connections]]
name = "misspelt"
url = "ws://127.0.0.1:9/"
on_opening = ["hello"]

[general]
notifications = "yes"
"#;

#[test]
fn each_error_is_told_with_its_place_and_what_is_valid_runs() {
    let desktop = Desktop::start().unwrap();
    let server = Server::start(Library::Websockets, "crm-heartbeat");
    let valid = valid(&server.url());
    let text = valid.clone() + WRONG;
    let resident = Resident::start(&desktop, &text);
    resident.wait_for_state(&desktop, "crm", Connected, SOON);
    let snapshot = resident.status(&desktop);
    assert_eq!(snapshot.connections.iter().map(|connection| &connection.name).collect::<Vec<_>>(), ["crm"]);
    check_places(&snapshot.problems, &snapshot.settings_file, &text);

    let wanted: Vec<_> = snapshot.problems.iter().map(as_compilers_do).collect();
    for args in [vec!["check"], vec!["check", &snapshot.settings_file]] {
        let check = resident.output(&desktop, &args);
        assert_eq!((check.status.code(), lines(&check.stdout).len()), (Some(1), 0), "{args:?}");
        assert_eq!(lines(&check.stderr), wanted, "{args:?}");
    }
    let told: Vec<_> = wanted.iter().map(|line| format!("problem: {line}")).collect();
    assert_eq!(lines(&resident.output(&desktop, &["status"]).stdout)[1..], told);
    let refused = resident.output(&desktop, &["send", "transfer", "hello"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(lines(&refused.stderr)[0].contains("no connection named \"transfer\""), "{refused:?}");

    fs::write(&snapshot.settings_file, valid).unwrap();
    let check = resident.output(&desktop, &["check"]);
    assert_eq!((check.status.code(), lines(&check.stdout)), (Some(0), vec!["ok: 1 connection".to_owned()]));
}

/// Each problem is in this file, in the line of what is wrong, and names it.
fn check_places(problems: &[Problem], file: &str, text: &str) {
    let wrong = [
        ("name = \"crm\" # twice", "name: another connection has the name \"crm\""),
        ("url = \"ftp:", "url: \"ftp://127.0.0.1/\" is not a WebSocket address"),
        ("heartbeat.every", "heartbeat.every: \"0s\" is no time"),
        ("on_opening", "on_opening"),
        ("notifications", "[general] notifications"),
    ];
    assert_eq!(problems.len(), wrong.len(), "{problems:#?}");
    for (problem, (written, words)) in problems.iter().zip(wrong) {
        let line = text.lines().position(|line| line.starts_with(written)).unwrap() + 1;
        assert_eq!((problem.file.as_deref(), problem.line), (Some(file), u32::try_from(line).ok()), "{problem:#?}");
        assert!(problem.message.contains(words), "{words}: {problem:#?}");
    }
}

#[test]
fn exit_codes_are_those_that_are_promised() {
    let home = tempfile::tempdir().unwrap();
    let check = |args: &[&str], code: i32, words: &str| {
        let output = alone(home.path(), args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {output:?}");
        let said = lines(if code == 0 { &output.stdout } else { &output.stderr }).join("\n");
        assert!(said.contains(words), "{args:?}: {said}");
    };
    let write = |name: &str, text: &str| {
        fs::write(home.path().join(name), text).unwrap();
        home.path().join(name).display().to_string()
    };
    let good = write("good.toml", &valid("ws://127.0.0.1:9"));
    let bad = write("bad.toml", "[[connections]]\nname = 'a'\n");
    let broken = write("broken.toml", "[[connections]]\nname = \n");
    let missing = home.path().join("missing.toml").display().to_string();
    check(&["check"], 0, "ok: 0 connections");
    check(&["check", &good], 0, "ok: 1 connection");
    check(&["check", &bad], 1, &format!("{bad}:1: connection \"a\": url: "));
    check(&["check", &broken], 1, &format!("{broken}:2: the file is not TOML"));
    check(&["check", &missing], 1, &format!("{missing}: there is no such file"));
    check(&["listen", "--config", &bad], 1, &format!("{bad}:1: connection \"a\": url: "));
    check(&["listen", "ftp://127.0.0.1/"], 1, "url: \"ftp://127.0.0.1/\" is not a WebSocket address");
    check(&["demo-server", "--script", &missing], 1, &missing);
    check(&["fly"], 2, "fly");
    check(&["send", "crm"], 2, "TEXT");
    check(&["status"], 3, "start it with `heartwire`");
    check(&["status", "--json"], 3, "start it with `heartwire`");
    check(&["send", "crm", "hello"], 3, "start it with `heartwire`");
    check(&["secret"], 2, "NAME");
    check(&["secret", "crm"], 3, "start it with `heartwire`");
    check(&["window-process"], 3, "start it with `heartwire`");
    check(&[], 1, "no display");
}

#[test]
fn an_answer_that_cannot_be_written_is_no_success() {
    let home = tempfile::tempdir().unwrap();
    let mut command = tied(HEARTWIRE);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = command.arg("check").env("HEARTWIRE_HOME", home.path()).stdout(full).output();
    assert_eq!(output.unwrap().status.code(), Some(1));
}

#[test]
fn a_terminal_is_no_reason_to_fail() {
    let home = tempfile::tempdir().unwrap();
    // It gives the command a terminal, and us its exit code.
    let mut script = tied("script");
    script.args(["-qec", &format!("{HEARTWIRE} status"), "/dev/null"]).env("HEARTWIRE_HOME", home.path());
    let output = script.stdin(Stdio::null()).output().unwrap();
    let said = lines(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{said:?}");
    assert_eq!(said, ["heartwire: Heartwire is not running: start it with `heartwire`"]);
}

/// A configuration with nothing wrong in it.
fn valid(url: &str) -> String {
    format!("[[connections]]\nname = \"crm\"\npreset = \"crm-heartbeat\"\nurl = \"{url}/wsCrm?jspCode=42\"\n")
}

/// Runs it with this home and without a desktop.
fn alone(home: &Path, args: &[&str]) -> Output {
    let mut command = tied(HEARTWIRE);
    command.args(args).env("HEARTWIRE_HOME", home).stdin(Stdio::null());
    for name in ["DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"] {
        command.env_remove(name);
    }
    command.output().unwrap()
}

fn as_compilers_do(problem: &Problem) -> String {
    format!("{}:{}: {}", problem.file.as_deref().unwrap(), problem.line.unwrap(), problem.message)
}

fn lines(bytes: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(bytes).lines().map(str::to_owned).collect()
}
