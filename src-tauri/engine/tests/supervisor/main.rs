//! The supervisor with real parts: sockets on loopback, settings in a folder, a database file. Only notifications are off.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's helpers fail by panicking")]

mod access;
mod acknowledged;
mod changes;
#[cfg(target_os = "linux")]
mod environment;
mod events;
mod home;
#[cfg(target_os = "linux")]
#[path = "../common/netns.rs"]
mod netns;
#[cfg(target_os = "linux")]
mod network;
mod server;
#[cfg(target_os = "linux")]
#[path = "../common/small_disk.rs"]
mod small_disk;
#[cfg(target_os = "linux")]
#[path = "../common/tcp_table.rs"]
mod tcp_table;
mod tested;

use std::time::Duration;

use heartwire_core::control::{FailCode, Reply, Request};
use heartwire_core::listen::Event;
use heartwire_core::settings::{ConnectionForm, FieldErrorCode, HeartbeatForm};
use heartwire_core::view::{LinkState, ProblemKind, SpanKind};

use home::{Home, connection, state, url, with_one};
use server::Server;

/// Far more than anything here takes; a test that waits this long has failed.
const LIMIT: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_message_reaches_the_snapshot_and_the_events_once() {
    let (server, _home, mut app) = with_one("crm").await;
    server.send(r#"{"id":"7","title":"Lead","text":"Call Ada"}"#);
    server.send(r#"{"id":"7","title":"Lead","text":"Call Ada"}"#);
    server.send(r#"{"id":"8","title":"Lead","text":"Call Bob"}"#);

    let snapshot = app.until(|snapshot| snapshot.messages.len() == 2).await;

    let bodies: Vec<_> = snapshot.messages.iter().map(|message| message.body.as_str()).collect();
    assert_eq!(bodies, ["Call Bob", "Call Ada"], "newest first, the repeated id once");
    let last = connection(&snapshot, "crm").last_message.clone().unwrap();
    assert_eq!(last.title, "Lead");
    let ids: Vec<_> = app.events_until(2, |event| matches!(event, Event::Message { .. })).await;
    assert_eq!(ids.len(), 2);
    app.handle.stop().await;
}

#[tokio::test]
async fn stopping_closes_every_socket_with_1001() {
    let (mut server, _home, app) = with_one("crm").await;
    tokio::time::timeout(Duration::from_secs(3), app.handle.stop()).await.expect("stop is bounded");
    assert_eq!(server.closed().await, Some(1001));
}

#[tokio::test]
async fn a_pause_closes_with_1000_and_outlives_a_restart() {
    let (mut server, home, mut app) = with_one("crm").await;
    app.ask(Request::Pause { connection: Some("crm".into()) }).await;
    assert_eq!(server.closed().await, Some(1000));
    app.until(|snapshot| state(snapshot, "crm") == Some(LinkState::Paused)).await;
    app.handle.stop().await;

    let mut again = home.app().await;
    again.until(|snapshot| state(snapshot, "crm") == Some(LinkState::Paused)).await;
    assert_eq!(server.open_now(), 0);
    again.ask(Request::Resume { connection: None }).await;
    server.opened().await;
    again.until(|snapshot| state(snapshot, "crm") == Some(LinkState::Connected)).await;
    again.handle.stop().await;
}

#[tokio::test]
async fn an_outage_becomes_a_history_row_that_survives_a_restart() {
    let (server, home, mut app) = with_one("crm").await;
    app.until(|snapshot| state(snapshot, "crm") == Some(LinkState::Connected)).await;
    server.drop_all();
    let snapshot = app.until(|snapshot| snapshot.history.first().is_some_and(|row| row.until_ms.is_some())).await;
    let row = snapshot.history[0].clone();
    assert_eq!((row.connection.as_str(), row.cause.code.as_str()), ("crm", "reset"));
    assert!(row.until_ms.unwrap() >= row.from_ms);
    assert!(row.attempts >= 1);
    app.handle.stop().await;

    let mut again = home.app().await;
    let snapshot = again.until(|snapshot| !snapshot.history.is_empty()).await;
    assert_eq!(snapshot.history[0].id, row.id);
    // The strip remembers the earlier run.
    again
        .until(|snapshot| connection(snapshot, "crm").strip.parts.iter().any(|part| part.kind == SpanKind::Down))
        .await;
    again.handle.stop().await;
}

#[tokio::test]
async fn saving_dials_only_what_changed_and_never_holds_two_sockets() {
    let mut kept = Server::start().await;
    let mut changed = Server::start().await;
    let home = Home::with(&format!("{}{}", kept.connection("kept"), changed.connection("changed")));
    let mut app = home.app().await;
    kept.opened().await;
    changed.opened().await;

    let form = ConnectionForm {
        name: Some("changed".into()),
        url: Some(format!("ws://{}/other", changed.address)),
        ..ConnectionForm::default()
    };
    app.save(Some("changed"), form).await;

    changed.opened().await;
    app.until(|snapshot| url(snapshot, "changed").is_some_and(|url| url.ends_with("/other"))).await;
    app.until(|snapshot| state(snapshot, "changed") == Some(LinkState::Connected)).await;
    assert_eq!(changed.most_open(), 1, "the old socket is closed before the new one opens");
    assert_eq!(kept.opened_so_far(), 1, "a connection that did not change is left alone");
    app.handle.stop().await;
}

#[tokio::test]
async fn what_cannot_be_is_refused_at_its_field_and_nothing_is_saved() {
    let server = Server::start().await;
    let home = Home::with(&server.connection("crm"));
    let app = home.app().await;
    let before = home.file();
    let form = ConnectionForm {
        name: Some("crm".into()),
        url: Some("ftp://example.org".into()),
        heartbeat: Some(HeartbeatForm { every: Some("0s".into()), ..HeartbeatForm::default() }),
        ..ConnectionForm::default()
    };
    let Reply::Invalid { errors } = app.ask_save(None, form).await else { panic!("it was taken") };
    let mut found: Vec<_> = errors.iter().map(|error| (error.field.as_str(), error.code)).collect();
    found.sort_by_key(|(field, _)| *field);
    let wanted = [
        ("heartbeat.every", FieldErrorCode::DurationZero),
        ("name", FieldErrorCode::NameTaken),
        ("url", FieldErrorCode::UrlScheme),
    ];
    assert_eq!(found, wanted);
    assert_eq!(home.file(), before);
    app.handle.stop().await;
}

#[tokio::test]
async fn a_broken_entry_is_a_problem_with_its_line_and_the_others_run() {
    let mut server = Server::start().await;
    let broken = "[[connections]]\nname = \"broken\"\nurl = \"gopher://example.org\"\n\n";
    let home = Home::with(&format!("{broken}{}", server.connection("crm")));
    let mut app = home.app().await;
    server.opened().await;
    let snapshot = app.until(|snapshot| snapshot.connections.len() == 1).await;
    let problem = &snapshot.problems[0];
    assert_eq!((problem.kind, problem.line), (ProblemKind::Settings, Some(3)));
    assert!(!snapshot.demo, "a broken file is not an empty one");
    app.handle.stop().await;
}

#[tokio::test]
async fn with_nothing_configured_the_demo_runs_until_a_connection_is_added() {
    let mut server = Server::start().await;
    let home = Home::with("");
    let mut app = home.app().await;
    let snapshot = app.until(|snapshot| snapshot.demo && state(snapshot, "Demo") == Some(LinkState::Connected)).await;
    assert_eq!(snapshot.connections.len(), 1);
    app.until(|snapshot| !snapshot.messages.is_empty()).await;

    let form = ConnectionForm {
        name: Some("mine".into()),
        url: Some(format!("ws://{}/", server.address)),
        ..ConnectionForm::default()
    };
    app.save(None, form).await;
    server.opened().await;
    let snapshot = app.until(|snapshot| !snapshot.demo).await;
    assert_eq!(snapshot.connections.iter().map(|view| view.name.as_str()).collect::<Vec<_>>(), ["mine"]);
    app.handle.stop().await;
}

#[tokio::test]
async fn text_is_sent_while_connected_and_refused_otherwise() {
    let (mut server, _home, mut app) = with_one("crm").await;
    app.until(|snapshot| state(snapshot, "crm") == Some(LinkState::Connected)).await;
    assert_eq!(app.send("crm", "hello").await, Reply::Ok);
    assert_eq!(server.received().await, "hello");
    app.ask(Request::Pause { connection: Some("crm".into()) }).await;
    for (name, code) in [("crm", FailCode::NotConnected), ("nobody", FailCode::UnknownConnection)] {
        let Reply::Failed { code: found, .. } = app.send(name, "hello").await else { panic!("{name} took it") };
        assert_eq!(found, code);
    }
    app.handle.stop().await;
}

#[tokio::test]
async fn a_database_that_cannot_be_opened_is_said_and_the_links_run() {
    let mut server = Server::start().await;
    let home = Home::with(&server.connection("crm"));
    std::fs::create_dir_all(home.paths().database).unwrap();
    let mut app = home.app().await;
    server.opened().await;
    server.send("still here");
    let snapshot = app.until(|snapshot| !snapshot.messages.is_empty()).await;
    assert!(snapshot.problems.iter().any(|problem| problem.kind == ProblemKind::Storage));
    app.handle.stop().await;
}
