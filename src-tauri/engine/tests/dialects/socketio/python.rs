//! Socket.IO against `python-socketio`, which keeps no sessions.

use std::time::Duration;

use heartwire_core::dialect::{CaughtUp, Missing};
use heartwire_core::message::{Arrival, MessageKind};
use heartwire_core::view::LinkState;
use serde_json::{Value, json};

use super::{acknowledges_what_is_on_disk, emit, hears_both_namespaces, says_hello, says_more, socketio};
use crate::proxy::{Holes, Proxy};
use crate::server::Server;
use crate::watch::Watch;

const LOST: CaughtUp = CaughtUp::Missing(Missing::NoReplay);

fn server(options: &Value) -> Server {
    Server::python("python_socketio.py", &[&options.to_string()])
}

fn login(token: &str) -> Value {
    json!({ "auth": { "kind": "token", "secret": { "command": ["echo", token] } } })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_python_are_messages_and_texts_are_events() {
    let mut server = server(&json!({ "hello": true }));
    let mut watch = says_hello(&mut server).await;
    for args in [
        json!(["Two lamps"]),
        json!([{ "id": 7, "title": "Order", "text": "Zwei Lämpchen" }]),
        json!(["a", { "b": [1] }, null]),
        json!([]),
        json!([{ "bytes": 3 }, { "bytes": 4 }]),
        json!(["after", { "bytes": 1 }]),
    ] {
        server.order(&emit(&args));
    }
    watch.until_messages(7).await;
    let after = r#"["after",{"_placeholder":true,"num":0}]"#;
    assert_eq!(watch.bodies(), ["", "Two lamps", "Zwei Lämpchen", r#"["a",{"b":[1]},null]"#, "", "", after]);
    let titles: Vec<_> = watch.messages.iter().map(|message| message.title.as_str()).collect();
    assert_eq!(titles, ["hello", "news", "Order", "news", "news", "Binary frame", "news"]);
    let photo = &watch.messages[5];
    assert_eq!((photo.kind, photo.size), (MessageKind::Binary, 7));
    assert!(watch.messages.iter().all(|message| message.arrival == Arrival::Live));
    says_more(&mut server, &mut watch).await;
    watch.end().await;
    server.wait_for("closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_ends_a_link_to_python_the_gap_says_that_messages_may_be_missing() {
    let mut server = server(&json!({}));
    let mut watch = Watch::start(&socketio(server.port, json!({})));
    watch.until_connected().await;
    server.order(&emit(&json!(["before"])));
    watch.until_messages(1).await;
    for (round, end) in ["abort", "close", "disconnect"].into_iter().enumerate() {
        server.order(&json!({ "do": end, "then": emit(&json!(["lost"])) }));
        assert_eq!(watch.until_caught_up(round + 2).await, LOST);
        server.order(&emit(&json!([end])));
        watch.until_messages(round + 2).await;
    }
    assert_eq!(watch.bodies(), ["before", "abort", "close", "disconnect"]);
    let cursor = watch.end().await;
    server.order(&emit(&json!(["lost"])));
    let mut watch = Watch::from(&socketio(server.port, json!({})), cursor);
    assert_eq!(watch.until_caught_up(1).await, LOST);
    watch.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pythons_pings_keep_the_link_and_without_them_it_is_dead() {
    let mut server = server(&json!({ "ping_interval": 1, "ping_timeout": 1 }));
    let proxy = Proxy::plain(server.port);
    let mut watch = Watch::start(&socketio(proxy.port, json!({})));
    watch.until_connected().await;
    watch.listen(Duration::from_secs(5)).await;
    assert_eq!(watch.statuses.last().unwrap().state, LinkState::Connected);
    proxy.swallow(Holes::BOTH);
    server.order(&emit(&json!(["lost"])));
    let cause = watch.until_state(LinkState::Waiting).await.cause.unwrap();
    assert_eq!(cause.view().code, "heartbeat-timeout");
    proxy.swallow(Holes::NONE);
    assert_eq!(watch.until_caught_up(2).await, LOST);
    assert_eq!(watch.messages, []);
    watch.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_shown_to_python_and_what_it_refuses_blocks() {
    for always_connect in [false, true] {
        let mut server = server(&json!({ "token": "open-sesame", "always_connect": always_connect }));
        let blocked = async |keys: Value| {
            let cause = Watch::start(&socketio(server.port, keys)).until_blocked().await;
            (cause.code, cause.text)
        };
        let (code, text) = blocked(login("guessed")).await;
        assert_eq!((code.as_str(), text.as_str()), ("unauthorized", "the server refused this client: bad token"));
        let mut keys = login("open-sesame");
        keys["subscribe"] = json!(["/nowhere"]);
        let (code, text) = blocked(keys.clone()).await;
        assert_eq!((code.as_str(), text.as_str()), ("configuration", "the server has no namespace /nowhere"));

        keys["subscribe"] = json!(["/news", "/"]);
        hears_both_namespaces(&mut server, keys).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_gets_its_acknowledgement_once_the_event_is_on_disk() {
    acknowledges_what_is_on_disk(server(&json!({}))).await;
}
