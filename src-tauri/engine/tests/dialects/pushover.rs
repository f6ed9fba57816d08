//! Pushover's Open Client against a fake built from its document and from what other clients do: see
//! `src-tauri/tests/servers/pushover.py`. The driver has a thread of its own: what it does is waited for at the server.

use std::time::Duration;

use heartwire_core::dialect::CaughtUp;
use heartwire_core::message::{Arrival, Message};
use heartwire_core::settings::Connection;
use heartwire_core::view::LinkState;
use heartwire_engine::driver::Command;
use serde_json::json;

use crate::server::Server;
use crate::watch::{Watch, connection};

fn server() -> Server {
    Server::python("pushover.py", &[])
}

/// The preset's connection, but to this server.
fn device(server: &Server, secret: &str) -> Connection {
    let url = format!("http://127.0.0.1:{}/push", server.port);
    let auth = json!({ "user": "dev", "secret": { "command": ["echo", secret] } });
    connection(json!({ "preset": "pushover", "url": url, "auth": auth }))
}

fn post(server: &mut Server, text: &str) {
    server.carry_out(&json!({ "do": "post", "message": { "message": text } }));
}

fn arrivals(messages: &[Message]) -> Vec<(&str, Arrival)> {
    messages.iter().map(|message| (message.body.as_str(), message.arrival)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_taken_as_old_and_what_comes_then_is_shown() {
    let mut server = server();
    post(&mut server, "before");
    let mut watch = Watch::start(&device(&server, "secret"));
    watch.until_connected().await;
    assert_eq!(watch.until_caught_up(1).await, CaughtUp::FirstContact);
    assert_eq!(arrivals(&watch.messages), [("before", Arrival::Old)]);
    watch.until("a commit", |watch| watch.cursor.is_some()).await;
    server.wait_for("deleted");
    let message =
        json!({ "title": "Disk", "message": "<b>full</b>", "html": 1, "priority": 2, "url": "https://n.example/" });
    server.carry_out(&json!({ "do": "post", "message": message }));
    watch.until_messages(2).await;
    let message = &watch.messages[1];
    assert_eq!((message.title.as_str(), message.body.as_str()), ("Disk", "full\nhttps://n.example/"));
    assert_eq!((message.priority, message.arrival), (5, Arrival::Live));
    assert_eq!((message.sent_ms, message.id.as_deref()), (Some(1_763_640_002_000), Some("7000000002")));
    // The first deletion may be asked for twice: a download that comes between goes before it.
    while server.wait_for("deleted")["highest"] != 2 {}
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_keeps_a_message_until_it_is_on_disk() {
    let mut server = server();
    let mut watch = Watch::start(&device(&server, "secret"));
    watch.until_caught_up(1).await;
    watch.commits = false;
    post(&mut server, "precious");
    watch.until_messages(1).await;
    watch.listen(Duration::from_millis(500)).await;
    // As after a crash: what was not committed is not known.
    let cursor = watch.end().await;
    let mut watch = Watch::from(&device(&server, "secret"), cursor);
    watch.until_messages(1).await;
    assert_eq!(arrivals(&watch.messages), [("precious", Arrival::CaughtUp)]);
    assert_eq!(server.wait_for("deleted")["left"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_missed_is_caught_up_with_and_nothing_comes_twice() {
    let mut server = server();
    let mut watch = Watch::start(&device(&server, "secret"));
    watch.until_caught_up(1).await;
    server.carry_out(&json!({ "do": "fail", "messages": false, "deletes": true }));
    post(&mut server, "one");
    watch.until_messages(1).await;
    server.wait_for("failed");
    // The server was never told that the first one is here.
    let cursor = watch.end().await;
    server.carry_out(&json!({ "do": "fail", "messages": false, "deletes": false }));
    post(&mut server, "two");
    post(&mut server, "three");
    let mut watch = Watch::from(&device(&server, "secret"), cursor);
    assert_eq!(watch.until_caught_up(1).await, CaughtUp::Recovered { keeps: None });
    assert_eq!(arrivals(&watch.messages), [("two", Arrival::CaughtUp), ("three", Arrival::CaughtUp)]);
    assert_eq!(server.wait_for("deleted")["left"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_fails_holds_up_no_message() {
    let mut server = server();
    let mut watch = Watch::start(&device(&server, "secret"));
    watch.until_caught_up(1).await;
    server.carry_out(&json!({ "do": "fail", "messages": false, "deletes": true }));
    for count in 1..=3 {
        post(&mut server, &count.to_string());
        watch.until_messages(count).await;
        watch.until("a deletion that fails", |watch| watch.failed_fetches >= count).await;
    }
    server.carry_out(&json!({ "do": "fail", "messages": false, "deletes": false }));
    while server.wait_for("deleted")["left"] != json!([]) {}
    assert_eq!(watch.bodies(), ["1", "2", "3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_cannot_be_downloaded_come_later() {
    let mut server = server();
    let mut watch = Watch::start(&device(&server, "secret"));
    watch.until_caught_up(1).await;
    server.carry_out(&json!({ "do": "fail", "messages": true, "deletes": false }));
    post(&mut server, "late");
    watch.until("a download that fails", |watch| watch.failed_fetches >= 1).await;
    assert!(watch.messages.is_empty());
    server.carry_out(&json!({ "do": "fail", "messages": false, "deletes": false }));
    watch.until_messages(1).await;
    assert_eq!((watch.bodies(), watch.caught_up.len()), (vec!["late"], 1));
}

/// The fake ends the program's download with an error if two run at once.
#[tokio::test(flavor = "multi_thread")]
async fn what_comes_during_a_download_is_in_the_next_one() {
    let mut server = server();
    let mut watch = Watch::start(&device(&server, "secret"));
    watch.until_caught_up(1).await;
    server.carry_out(&json!({ "do": "slow", "seconds": 0.7 }));
    for text in ["one", "two", "three"] {
        post(&mut server, text);
        watch.listen(Duration::from_millis(100)).await;
    }
    watch.until_messages(3).await;
    assert_eq!((watch.bodies(), watch.failed_fetches), (vec!["one", "two", "three"], 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_waits_for_the_person() {
    let mut server = server();
    let mut watch = Watch::start(&device(&server, "wrong"));
    assert_eq!(watch.until_blocked().await.code, "unauthorized");
    assert!(watch.caught_up.is_empty() && !watch.statuses.iter().any(|status| status.state == LinkState::Connected));
    server.carry_out(&json!({ "do": "secret", "secret": "wrong" }));
    watch.command(Command::Reconnect);
    watch.until_connected().await;
    // And one that stops being right.
    server.carry_out(&json!({ "do": "secret", "secret": "new" }));
    server.carry_out(&json!({ "do": "sign", "sign": "!" }));
    assert_eq!(watch.until_blocked().await.code, "unauthorized");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_is_used_elsewhere_is_left_to_the_other_program() {
    let server = server();
    let mut first = Watch::start(&device(&server, "secret"));
    first.until_caught_up(1).await;
    let mut second = Watch::start(&device(&server, "secret"));
    second.until_caught_up(1).await;
    let blocked = first.until_state(LinkState::Blocked).await;
    assert!(blocked.cause.unwrap().text.contains("another program"));
    assert_eq!(blocked.retry_at, None, "or they would take turns for ever");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_connection_is_made_when_the_server_asks_for_one() {
    let mut server = server();
    let mut watch = Watch::start(&device(&server, "secret"));
    watch.until_caught_up(1).await;
    server.order(&json!({ "do": "sign", "sign": "R" }));
    watch.until_state(LinkState::Waiting).await;
    assert_eq!(watch.until_caught_up(2).await, CaughtUp::Recovered { keeps: None });
    post(&mut server, "again");
    watch.until_messages(1).await;
}

/// The links break all the time, and so does the program, between any two of its steps.
#[tokio::test(flavor = "multi_thread")]
async fn of_many_messages_none_is_lost_and_none_comes_twice() {
    let mut server = server();
    let mut watch = Watch::start(&device(&server, "secret"));
    watch.until_caught_up(1).await;
    let mut seen = Vec::new();
    let mut kept = 0;
    for round in 0_usize..20 {
        watch.commits = round % 4 != 1;
        server.order(&json!({ "do": "post-many", "count": 50 }));
        if round % 3 == 0 {
            server.order(&json!({ "do": "abort" }));
        }
        watch.listen(Duration::from_millis(if round % 2 == 0 { 20 } else { 120 })).await;
        if round % 4 == 3 || !watch.commits {
            // What was not committed is gone with the program.
            let committed = if watch.commits { watch.messages.len() } else { kept };
            seen.extend(watch.bodies()[..committed].iter().map(|&body| body.to_owned()));
            let cursor = watch.cursor.clone();
            drop(watch);
            watch = Watch::from(&device(&server, "secret"), cursor);
        }
        kept = watch.messages.len();
    }
    let already = seen.len();
    watch.until("all of them", |watch| already + watch.messages.len() >= 1_000).await;
    seen.extend(watch.bodies().iter().map(|&body| body.to_owned()));
    let expected: Vec<_> = (1..=1_000).map(|number| number.to_string()).collect();
    assert_eq!(seen, expected);
}

#[test]
fn the_preset_knows_the_servers() {
    let connection = connection(json!({ "preset": "pushover", "auth": { "user": "dev" } }));
    assert_eq!(connection.url.as_str(), "wss://client.pushover.net/push");
}
