//! What is acknowledged to a server, and what is not.

use std::path::Path;
#[cfg(target_os = "linux")]
use std::time::Duration;

#[cfg(target_os = "linux")]
use heartwire_core::view::LinkState;
use heartwire_core::view::{ProblemKind, Snapshot};
use heartwire_engine::store::Store;

#[cfg(target_os = "linux")]
use crate::home::state;
use crate::home::{App, Home};
use crate::server::Server;
#[cfg(target_os = "linux")]
use crate::small_disk::{SmallDisk, fill};

/// A server of Socket.IO that wants an event acknowledged: what it hears up to its next heartbeat, once the event is shown.
async fn heard(server: &mut Server, app: &mut App) -> Vec<String> {
    joined(server).await;
    server.send(r#"427["news","hello"]"#);
    app.until(|snapshot| !snapshot.messages.is_empty()).await;
    server.send("2");
    heard_until(server, "3").await
}

/// The handshakes.
async fn joined(server: &mut Server) {
    server.opened().await;
    server.send(r#"0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#);
    assert_eq!(server.received().await, "40");
    server.send(r#"40{"sid":"x"}"#);
}

async fn heard_until(server: &mut Server, last: &str) -> Vec<String> {
    let mut heard = Vec::new();
    while heard.last().is_none_or(|said| said != last) {
        heard.push(server.received().await);
    }
    heard
}

fn settings(server: &Server) -> String {
    format!("[[connections]]\nname = \"crm\"\nurl = \"ws://{}/\"\ndialect = \"socketio\"\n", server.address)
}

fn storage_problem(snapshot: &Snapshot) -> Option<&str> {
    let problem = snapshot.problems.iter().find(|problem| problem.kind == ProblemKind::Storage);
    problem.map(|problem| problem.message.as_str())
}

#[tokio::test]
async fn what_is_on_disk_is_acknowledged() {
    let mut server = Server::start().await;
    let home = Home::with(&settings(&server));
    let mut app = home.app().await;
    assert_eq!(heard(&mut server, &mut app).await, ["437[]", "3"]);
    app.handle.stop().await;
}

#[tokio::test]
async fn without_a_disk_messages_are_shown_and_nothing_is_acknowledged() {
    let cannot_be_opened = |path: &Path| std::fs::create_dir_all(path).unwrap();
    let does_not_say_how_far_it_was = |path: &Path| {
        Store::open(path).unwrap();
        rusqlite::Connection::open(path).unwrap().execute_batch("DROP TABLE source").unwrap();
    };
    let databases: [fn(&Path); 2] = [cannot_be_opened, does_not_say_how_far_it_was];
    for database in databases {
        let mut server = Server::start().await;
        let home = Home::with(&settings(&server));
        database(&home.paths().database);
        let mut app = home.app().await;
        assert_eq!(heard(&mut server, &mut app).await, ["3"]);
        let snapshot = app.until(|snapshot| storage_problem(snapshot).is_some()).await;
        assert!(storage_problem(&snapshot).unwrap().contains("shown and not kept"), "{:?}", snapshot.problems);
        app.handle.stop().await;
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn with_a_full_disk_nothing_is_acknowledged_until_it_is_on_it() {
    let test = "with_a_full_disk_nothing_is_acknowledged_until_it_is_on_it";
    let Some(disk) = SmallDisk::mount(test, 2_048) else { return };
    let mut server = Server::start().await;
    let home = Home::keeping_in(disk.path(), &settings(&server));
    let mut app = home.app().await;
    joined(&mut server).await;
    app.until(|snapshot| state(snapshot, "crm") == Some(LinkState::Connected)).await;
    let ballast = disk.path().join("ballast");
    fill(&ballast);
    let long = "x".repeat(3_000);
    let mut sent = 0;
    // The last pages of the log may still have room.
    while storage_problem(&app.handle.snapshots().borrow()).is_none() {
        server.send(&format!(r#"42{sent}["news","{long}"]"#));
        sent += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(storage_problem(&app.handle.snapshots().borrow()).unwrap().ends_with("goes on by itself"));
    let shown = app.handle.snapshots().borrow().messages.len();
    server.send("2");
    let heard = heard_until(&mut server, "3").await;
    assert!(heard.len() - 1 <= shown && shown < sent, "{heard:?} of {sent}, {shown} are on the disk");

    std::fs::remove_file(ballast).unwrap();
    let last = format!("43{}[]", sent - 1);
    let acknowledged = heard_until(&mut server, &last).await;
    assert_eq!(heard.len() - 1 + acknowledged.len(), sent);
    let snapshot = app.until(|snapshot| storage_problem(snapshot).is_none()).await;
    assert_eq!(snapshot.messages.len(), sent);
    app.handle.stop().await;
}
