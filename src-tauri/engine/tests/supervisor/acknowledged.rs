//! What is acknowledged to a server, and what is not.

use std::path::Path;

use heartwire_core::view::{ProblemKind, Snapshot};
use heartwire_engine::store::Store;

use crate::home::{App, Home};
use crate::server::Server;

/// A server of Socket.IO that wants an event acknowledged: what it hears up to its next heartbeat, once the event is shown.
async fn heard(server: &mut Server, app: &mut App) -> Vec<String> {
    server.opened().await;
    server.send(r#"0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#);
    assert_eq!(server.received().await, "40");
    server.send(r#"40{"sid":"x"}"#);
    server.send(r#"427["news","hello"]"#);
    app.until(|snapshot| !snapshot.messages.is_empty()).await;
    server.send("2");
    let mut heard = Vec::new();
    while heard.last().is_none_or(|said| said != "3") {
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
