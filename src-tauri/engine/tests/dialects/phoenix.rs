//! Phoenix channels against a fake built from the sources of Phoenix: see `src-tauri/tests/servers/phoenix.py`.

use std::time::Duration;

use heartwire_core::cause::CauseCode;
use heartwire_core::dialect::{CaughtUp, Missing};
use heartwire_core::message::MessageKind;
use heartwire_core::settings::Connection;
use heartwire_core::view::LinkState;
use heartwire_engine::driver::Command;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::server::Server;
use crate::watch::{Watch, connection};

fn server() -> Server {
    Server::python("phoenix.py", &[])
}

/// The preset's connection to these topics, with these keys besides.
fn topics(server: &Server, topics: &[&str], keys: &Value) -> Connection {
    let mut all = json!({
        "preset": "phoenix",
        "url": format!("http://127.0.0.1:{}/socket/websocket", server.port),
        "subscribe": topics,
    });
    all.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    connection(all)
}

#[tokio::test]
async fn what_is_pushed_to_the_topics_is_shown_and_nothing_else() {
    let mut server = server();
    let mut watch = Watch::start(&topics(&server, &["room:1", "news", "room:1"], &json!({})));
    watch.until_connected().await;
    assert_eq!(server.wait_for("opened")["path"], "/socket/websocket?vsn=2.0.0");
    assert_eq!(server.wait_for("joined")["topic"], "room:1");
    assert_eq!(server.wait_for("joined")["topic"], "news");
    assert_eq!(watch.until_caught_up(1).await, CaughtUp::Missing(Missing::NoReplay));
    for order in [
        json!({ "do": "broadcast", "topic": "room:1", "name": "new_msg", "payload": { "id": 4, "body": "hallo" } }),
        json!({ "do": "broadcast", "topic": "elsewhere", "name": "new_msg", "payload": { "body": "not for us" } }),
        json!({ "do": "broadcast", "topic": "room:1", "name": "presence_diff", "payload": { "joins": {} } }),
        json!({ "do": "push", "topic": "news", "name": "alarm", "payload": { "id": 4, "title": "Fire", "text": "🔥" } }),
        json!({ "do": "broadcast-binary", "topic": "news", "name": "pic", "bytes": 200_000 }),
        json!({ "do": "push-binary", "topic": "room:1", "name": "pic", "bytes": 3 }),
    ] {
        server.order(&order);
    }
    watch.until_messages(4).await;
    let seen: Vec<_> = watch.messages.iter().map(|it| (it.title.as_str(), it.body.as_str(), it.kind)).collect();
    let (text, binary) = (MessageKind::Text, MessageKind::Binary);
    let expected =
        [("room:1 new_msg", "hallo", text), ("Fire", "🔥", text), ("news pic", "", binary), ("room:1 pic", "", binary)];
    assert_eq!(seen, expected);
    assert!(watch.end().await.is_none());
    assert_eq!(server.wait_for("closed")["code"], 1001);
}

#[tokio::test]
async fn the_token_is_in_the_join_and_a_wrong_one_waits_for_the_person() {
    let mut server = server();
    server.carry_out(&json!({ "do": "token", "token": "right" }));
    let with = |server: &Server, token: &str| {
        let command = json!({ "command": ["echo", token] });
        topics(server, &["news"], &json!({ "auth": { "kind": "token", "secret": command } }))
    };
    let mut watch = Watch::start(&with(&server, "right"));
    watch.until_connected().await;
    assert_eq!(server.wait_for("joined")["params"], json!({ "token": "right" }));
    watch.end().await;
    let mut watch = Watch::start(&with(&server, "wrong"));
    let cause = watch.until_blocked().await;
    assert_eq!(
        (cause.code.as_str(), cause.text.as_str()),
        ("unauthorized", "the server refused the topic \"news\": unauthorized")
    );
    server.carry_out(&json!({ "do": "token", "token": "wrong" }));
    watch.command(Command::Reconnect);
    watch.until_connected().await;
}

#[tokio::test]
async fn a_topic_that_the_server_does_not_know_waits_for_the_person() {
    let server = server();
    let mut watch = Watch::start(&topics(&server, &["news", "typo"], &json!({})));
    let cause = watch.until_blocked().await;
    assert_eq!(
        (cause.code.as_str(), cause.text.as_str()),
        ("configuration", "the server refused the topic \"typo\": unmatched topic")
    );
    let mut watch = Watch::start(&topics(&server, &["room:crash"], &json!({})));
    let cause = watch.until_state(LinkState::Waiting).await.cause.unwrap();
    assert_eq!(cause.text, "the server refused the topic \"room:crash\": join crashed");
}

#[tokio::test]
async fn a_connect_that_is_refused_waits_for_the_person() {
    let mut server = server();
    server.carry_out(&json!({ "do": "refuse-connect", "refuse": true }));
    let mut watch = Watch::start(&topics(&server, &["news"], &json!({})));
    assert_eq!(watch.until_blocked().await.code, "unauthorized");
}

#[tokio::test]
async fn a_channel_that_ends_is_joined_again_on_a_new_socket() {
    let mut server = server();
    let mut watch = Watch::start(&topics(&server, &["room:1", "news"], &json!({})));
    for (order, code) in [
        (json!({ "do": "crash", "topic": "news" }), CauseCode::Closed(1011)),
        (json!({ "do": "stop", "topic": "room:1" }), CauseCode::Closed(1000)),
        (json!({ "do": "disconnect" }), CauseCode::Closed(1001)),
        (json!({ "do": "abort" }), CauseCode::Reset),
    ] {
        watch.until_connected().await;
        server.order(&order);
        let cause = watch.until_state(LinkState::Waiting).await.cause.unwrap();
        assert_eq!(cause.code, code, "{order}: {}", cause.text);
    }
    watch.until_connected().await;
    server.order(&json!({ "do": "push", "topic": "room:1", "name": "x", "payload": { "body": "back" } }));
    watch.until_messages(1).await;
    assert_eq!(watch.caught_up, [CaughtUp::Missing(Missing::NoReplay); 5]);
    // A server that restarts sends everybody away: nobody comes back at once.
    server.order(&json!({ "do": "drain" }));
    assert_eq!(watch.until_state(LinkState::Waiting).await.cause.unwrap().code, CauseCode::Closed(1012));
}

/// The server hangs up on a client that it does not hear for two seconds, however much it tells that client.
#[tokio::test]
async fn a_talkative_server_hears_from_us_in_time() {
    let mut server = Server::python("phoenix.py", &["0", "2"]);
    let mut watch = Watch::start(&topics(&server, &["news"], &json!({ "heartbeat": { "every": "500ms" } })));
    watch.until_connected().await;
    for _ in 0..20 {
        server.order(&json!({ "do": "broadcast", "topic": "news", "name": "x", "payload": {} }));
        watch.listen(Duration::from_millis(200)).await;
    }
    assert_eq!((watch.messages.len(), watch.caught_up.len()), (20, 1), "one socket all the time");
    assert!(watch.round_trips >= 4, "{} heartbeats were answered in four seconds", watch.round_trips);
}

#[tokio::test]
async fn a_server_that_answers_no_heartbeat_is_left() {
    let mut server = server();
    let mut watch =
        Watch::start(&topics(&server, &["news"], &json!({ "heartbeat": { "every": "1s", "timeout": "1s" } })));
    watch.until_connected().await;
    watch.until_round_trip().await;
    server.order(&json!({ "do": "quiet" }));
    let cause = watch.until_state(LinkState::Waiting).await.cause.unwrap();
    assert_eq!(cause.code, CauseCode::HeartbeatTimeout);
}

#[tokio::test]
async fn what_a_person_sends_reaches_a_channel_and_its_reply_is_no_message() {
    let mut server = server();
    let on_open = r#"[null,"hello","news","hello",{}]"#;
    let mut watch = Watch::start(&topics(&server, &["news"], &json!({ "on_open": [on_open] })));
    watch.until_connected().await;
    server.wait_for("joined");
    assert_eq!(server.wait_for("received")["text"], on_open);
    let (told, answer) = oneshot::channel();
    watch.command(Command::Send(r#"[null,"mine","news","shout",{"body":"hi"}]"#.to_owned(), told));
    answer.await.unwrap().unwrap();
    assert!(server.wait_for("received")["text"].as_str().unwrap().contains("shout"));
    server.order(&json!({ "do": "push", "topic": "news", "name": "x", "payload": { "body": "last" } }));
    watch.until_messages(1).await;
    assert_eq!((watch.bodies(), watch.caught_up.len()), (vec!["last"], 1));
}
