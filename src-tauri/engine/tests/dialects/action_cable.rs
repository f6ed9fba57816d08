//! Action Cable against a fake built from the sources of Rails: see `src-tauri/tests/servers/action_cable.py`.

use std::collections::BTreeMap;
use std::time::Duration;

use heartwire_core::cause::CauseCode;
use heartwire_core::dialect::{CaughtUp, Missing};
use heartwire_core::settings::{Connection, ConnectionForm};
use heartwire_core::view::LinkState;
use heartwire_engine::driver::Command;
use heartwire_engine::settings_file::presets;
use serde_json::{Value, json};

use crate::server::Server;
use crate::watch::{Watch, connection};

const ROOM: &str = r#"{"channel":"RoomChannel","room":7}"#;

/// What the preset makes of the person's answers, with these channels and keys besides.
fn channels(server: &Server, channels: &[&str], keys: &Value) -> Connection {
    let preset = presets().into_iter().find(|preset| preset.id == "action-cable").unwrap();
    let answers = [("server", format!("http://127.0.0.1:{}", server.port)), ("channel", "NewsChannel".to_owned())];
    let answers: BTreeMap<_, _> = answers.into_iter().map(|(name, answer)| (name.to_owned(), answer)).collect();
    let form = preset.fill(&ConnectionForm::default(), &answers).unwrap();
    let mut all = serde_json::to_value(form).unwrap();
    all["subscribe"] = json!(channels);
    all.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    connection(all)
}

#[tokio::test]
async fn what_the_channels_broadcast_is_shown_and_pings_are_not() {
    let mut server = Server::python("action_cable.py", &["0", "0.1"]);
    let mut watch = Watch::start(&channels(&server, &["NewsChannel", ROOM, "NewsChannel"], &json!({})));
    watch.until_connected().await;
    let opened = server.wait_for("opened");
    assert_eq!((&opened["path"], &opened["protocol"]), (&json!("/cable"), &json!("actioncable-v1-json")));
    assert_eq!(watch.until_caught_up(1).await, CaughtUp::Missing(Missing::NoReplay));
    for order in [
        json!({ "do": "broadcast", "channel": "NewsChannel", "message": { "id": 4, "title": "Build", "body": "grün" } }),
        json!({ "do": "broadcast", "channel": "SecretChannel", "message": { "body": "not for us" } }),
        json!({ "do": "broadcast", "channel": "RoomChannel", "message": { "id": 4, "text": "hello" } }),
        json!({ "do": "broadcast", "channel": "NewsChannel", "message": "bare" }),
    ] {
        server.order(&order);
    }
    watch.until_messages(3).await;
    watch.listen(Duration::from_millis(500)).await;
    let seen: Vec<_> = watch.messages.iter().map(|it| (it.title.as_str(), it.body.as_str())).collect();
    assert_eq!(seen, [("Build", "grün"), (ROOM, "hello"), ("NewsChannel", "\"bare\"")]);
    assert!(watch.end().await.is_none());
    assert_eq!(server.wait_for("closed")["code"], 1001);
}

#[tokio::test]
async fn another_origin_than_the_servers_own_is_not_let_in() {
    let server = Server::python("action_cable.py", &[]);
    let other = json!({ "headers": { "Origin": "http://elsewhere.example" } });
    let mut watch = Watch::start(&channels(&server, &["NewsChannel"], &other));
    assert_eq!(watch.until_state(LinkState::Waiting).await.cause.unwrap().code, CauseCode::Http(404));
}

#[tokio::test]
async fn an_unauthorized_connection_waits_for_the_person() {
    let mut server = Server::python("action_cable.py", &[]);
    server.carry_out(&json!({ "do": "authorization", "expected": "Bearer right" }));
    let with = |token: &str| json!({ "auth": { "kind": "token", "secret": { "command": ["echo", token] } } });
    let mut watch = Watch::start(&channels(&server, &["NewsChannel"], &with("wrong")));
    let cause = watch.until_blocked().await;
    assert_eq!(cause.code, "unauthorized");
    assert_eq!(cause.text, "the server refused the connection as unauthorized");
    let mut watch = Watch::start(&channels(&server, &["NewsChannel"], &with("right")));
    watch.until_connected().await;
}

#[tokio::test]
async fn a_rejected_channel_waits_for_the_person() {
    let server = Server::python("action_cable.py", &[]);
    let mut watch = Watch::start(&channels(&server, &["NewsChannel", "SecretChannel"], &json!({})));
    let cause = watch.until_blocked().await;
    assert_eq!(cause.text, "the server rejected the subscription to SecretChannel");
}

/// Rails tells nobody that there is no such channel.
#[tokio::test]
async fn a_channel_that_there_is_not_is_never_shown_as_connected() {
    let mut server = Server::python("action_cable.py", &[]);
    let typo = channels(&server, &["NewsChannel", "TypoChannel"], &json!({ "connect_timeout": "1s" }));
    let mut watch = Watch::start(&typo);
    assert_eq!(watch.until_state(LinkState::Waiting).await.cause.unwrap().code, CauseCode::ConnectTimeout);
    assert_eq!(server.wait_for("logged")["error"], "Channel not found: TypoChannel");
}

#[tokio::test]
async fn after_the_servers_goodbye_the_channels_are_subscribed_to_again_unless_it_says_no() {
    let mut server = Server::python("action_cable.py", &[]);
    let mut watch = Watch::start(&channels(&server, &["NewsChannel", ROOM], &json!({})));
    for (order, code) in [
        (json!({ "do": "restart" }), CauseCode::Closed(1000)),
        (json!({ "do": "remote", "reconnect": true }), CauseCode::Closed(1000)),
        (json!({ "do": "abort" }), CauseCode::Reset),
    ] {
        watch.until_connected().await;
        server.order(&order);
        let cause = watch.until_state(LinkState::Waiting).await.cause.unwrap();
        assert_eq!(cause.code, code, "{order}: {}", cause.text);
    }
    watch.until_connected().await;
    server.order(&json!({ "do": "broadcast", "channel": "RoomChannel", "message": { "text": "back" } }));
    watch.until_messages(1).await;
    assert_eq!((watch.bodies(), watch.caught_up.len()), (vec!["back"], 4));
    server.order(&json!({ "do": "remote", "reconnect": false }));
    let blocked = watch.until_state(LinkState::Blocked).await;
    assert_eq!(blocked.cause.unwrap().text, "the server ended the connection and wants no other: remote");
    assert_eq!(blocked.retry_at, None, "it means never");
    watch.command(Command::Reconnect);
    watch.until_connected().await;
}

/// 9 s, whatever the settings' own times are: they count for heartbeats of ours.
#[tokio::test]
async fn a_server_that_says_nothing_any_more_is_left() {
    let mut server = Server::python("action_cable.py", &["0", "1"]);
    let mut watch = Watch::start(&channels(&server, &["NewsChannel"], &json!({})));
    watch.until_connected().await;
    watch.listen(Duration::from_secs(11)).await;
    assert_eq!(watch.caught_up.len(), 1, "pings are life: {:?}", watch.statuses);
    server.order(&json!({ "do": "still" }));
    let cause = watch.until_state(LinkState::Waiting).await.cause.unwrap();
    assert_eq!(cause.code, CauseCode::HeartbeatTimeout);
}
