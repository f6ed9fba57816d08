//! graphql-transport-ws against `graphql-ws` for Node.js.

use heartwire_core::dialect::{CaughtUp, Missing};
use heartwire_core::settings::Connection;
use heartwire_core::view::LinkState;
use heartwire_engine::driver::Command;
use serde_json::{Value, json};

use crate::server::Server;
use crate::watch::{Watch, connection};

const ALERT: &str = "subscription { alert { id title text } }";

fn to(server: &Server, subscriptions: &[&str], more: &Value) -> Connection {
    let url = format!("ws://127.0.0.1:{}/graphql", server.port);
    let keys = json!({ "url": url, "preset": "graphql", "subscribe": subscriptions });
    let both = keys.as_object().unwrap().clone().into_iter().chain(more.as_object().unwrap().clone());
    connection(Value::Object(both.collect()))
}

fn token(token: &str) -> Value {
    json!({ "auth": { "kind": "token", "secret": { "command": ["echo", token] } } })
}

#[tokio::test]
async fn results_are_messages_and_an_end_is_begun_anew() {
    let mut server = Server::node("graphql.cjs", &[]);
    let mut watch = Watch::start(&to(&server, &[ALERT, "subscription { never }"], &token("abc")));
    assert_eq!(watch.until_caught_up(1).await, CaughtUp::Missing(Missing::NoReplay));
    let authorization = json!({ "Authorization": "Bearer abc" });
    let payload = json!({ "Authorization": "Bearer abc", "headers": authorization });
    assert_eq!(server.wait_for("connect")["payload"], payload);
    server.wait_for("waiting");
    server.order(&json!({ "do": "publish", "data": { "id": "7", "title": "Order", "text": "Two lamps" } }));
    watch.until_messages(1).await;
    let message = &watch.messages[0];
    assert_eq!((message.title.as_str(), message.body.as_str()), ("Order", "Two lamps"));
    assert_eq!(message.id.as_deref(), Some("7"));

    for (order, word) in [("fail", "the feed broke"), ("finish", "has ended a subscription")] {
        server.wait_for("waiting");
        server.order(&json!({ "do": order }));
        let cause = watch.until_state(LinkState::Waiting).await.cause.unwrap();
        assert!(cause.text.contains(word), "{cause:?}");
        watch.until_connected().await;
    }
    // Elsewhere such a code is final; here it says that the server failed.
    server.wait_for("waiting");
    server.order(&json!({ "do": "close", "code": 4500, "reason": "no database" }));
    let cause = watch.until_state(LinkState::Waiting).await.cause.unwrap();
    assert!(cause.text.contains("no database (4500)"), "{cause:?}");
    watch.until_connected().await;
    server.wait_for("waiting");
    server.order(&json!({ "do": "publish", "data": { "text": "again" } }));
    watch.until_messages(2).await;
    assert_eq!((watch.messages[1].title.as_str(), watch.messages[1].body.as_str()), ("alert", "again"));
    assert!(watch.end().await.is_none());
}

#[tokio::test]
async fn the_link_is_proved_by_the_protocols_ping() {
    let mut server = Server::node("graphql.cjs", &[]);
    let quick = json!({ "heartbeat": { "every": "100ms", "timeout": "20s" } });
    let mut watch = Watch::start(&to(&server, &[ALERT], &quick));
    watch.until_round_trip().await;
    server.wait_for("ping");
    watch.end().await;
}

#[tokio::test]
async fn what_only_the_person_can_mend_blocks() {
    let mut server = Server::node("graphql.cjs", &[]);
    let blocked = async |server: &Server, subscriptions: &[&str]| {
        let mut watch = Watch::start(&to(server, subscriptions, &token("abc")));
        let cause = watch.until_blocked().await;
        watch.end().await;
        (cause.code, cause.text)
    };
    let refused = [
        ("subscription { nothing }", "refused subscribe[0]: Cannot query field"),
        ("subscription { forbidden }", "refused subscribe[0]: not for you"),
        ("subscription {", "Syntax Error: Expected Name, found <EOF>. (4500)"),
    ];
    for (subscription, word) in refused {
        let (code, text) = blocked(&server, &[subscription]).await;
        assert_eq!((code.as_str(), text.contains(word)), ("configuration", true), "{text}");
    }
    server.order(&json!({ "do": "refuse" }));
    let (code, text) = blocked(&server, &[ALERT]).await;
    assert_eq!((code.as_str(), text.contains("Forbidden (4403)")), ("unauthorized", true), "{text}");
}

#[tokio::test]
async fn a_secret_that_was_refused_is_read_again() {
    let mut server = Server::node("graphql.cjs", &[]);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "old").unwrap();
    let auth = json!({ "auth": { "kind": "token", "secret": { "file": file.path() } } });
    server.order(&json!({ "do": "refuse" }));
    let mut watch = Watch::start(&to(&server, &[ALERT], &auth));
    assert_eq!(watch.until_blocked().await.code, "unauthorized");
    assert_eq!(server.wait_for("connect")["payload"]["Authorization"], "Bearer old");
    std::fs::write(file.path(), "new").unwrap();
    server.order(&json!({ "do": "accept" }));
    watch.command(Command::Reconnect);
    watch.until_connected().await;
    assert_eq!(server.wait_for("connect")["payload"]["Authorization"], "Bearer new");
    watch.end().await;
}
