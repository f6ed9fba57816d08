//! SockJS against `sockjs` for Node.js, and what the preset `crm-heartbeat` makes of a server that refuses the raw
//! WebSocket.

use std::time::Duration;

use heartwire_core::dialect::{CaughtUp, Missing};
use heartwire_core::settings::Connection;
use heartwire_core::view::LinkState;
use heartwire_engine::driver::Command;
use serde_json::{Value, json};

use crate::server::Server;
use crate::watch::{Watch, connection};

/// A server that sends no heartbeats of its own for now.
fn server(status: &str) -> Server {
    Server::node("sockjs.cjs", &[status, "3600000"])
}

/// By the dialect itself.
fn sockjs(server: &Server, mut keys: Value) -> Connection {
    keys["dialect"] = "sockjs".into();
    keys["url"] = format!("http://127.0.0.1:{}/wsCrm/sockJs?jspCode=42", server.port).into();
    connection(keys)
}

/// What the preset's answers make, with a quicker heartbeat.
fn crm(server: &Server) -> Connection {
    let base = format!("http://127.0.0.1:{}/wsCrm", server.port);
    connection(json!({
        "preset": "crm-heartbeat",
        "url": format!("{base}?jspCode=42"),
        "sockjs": format!("{base}/sockJs?jspCode=42"),
        "heartbeat": { "every": "200ms", "timeout": "2s" },
        "reconnect": { "fixed": "50ms" },
    }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_come_and_go_in_frames() {
    let mut server = server("404");
    let mut watch = Watch::start(&sockjs(&server, json!({ "on_open": ["hello", "\"张\"\n"] })));
    watch.until_connected().await;
    assert_eq!(watch.until_caught_up(1).await, CaughtUp::Missing(Missing::NoReplay));
    let path = server.wait_for("opened")["path"].as_str().unwrap().to_owned();
    let parts: Vec<_> = path.split('/').collect();
    assert!(
        matches!(parts[..], ["", "wsCrm", "sockJs", number, session, "websocket?jspCode=42"]
        if number.len() == 3 && session.len() == 8),
        "{path}"
    );
    assert_eq!(server.wait_for("received")["text"], "hello");
    assert_eq!(server.wait_for("received")["text"], "\"张\"\n");
    for text in ["plain \"text\"\né", r#"{"id":7,"title":"Order","text":"Two lamps"}"#, "\u{1f4a1}"] {
        server.order(&json!({ "do": "send", "text": text }));
    }
    watch.until_messages(3).await;
    assert_eq!(watch.bodies(), ["plain \"text\"\né", "Two lamps", "\u{1f4a1}"]);
    assert_eq!((watch.messages[1].title.as_str(), watch.messages[1].id.as_deref()), ("Order", Some("7")));
    server.order(&json!({ "do": "abort" }));
    watch.until_state(LinkState::Waiting).await;
    watch.until_connected().await;
    assert_ne!(server.wait_for("opened")["path"], *path, "each dial is a session of its own");
    watch.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_servers_close_is_told_with_its_words() {
    let mut server = server("404");
    let mut watch = Watch::start(&sockjs(&server, json!({})));
    watch.until_connected().await;
    server.order(&json!({ "do": "close", "code": 3000 }));
    let cause = watch.until_state(LinkState::Waiting).await.cause.unwrap();
    assert_eq!(
        (cause.view().code.as_str(), cause.text.as_str()),
        ("closed-3000", "the server ended the session with code 3000: Go away!")
    );
    watch.until_connected().await;
    watch.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heartbeats_of_either_side_prove_the_link_and_their_absence_is_noticed() {
    for how in ["pings", "frames"] {
        let server = Server::node("sockjs.cjs", &["404", "200", how]);
        let silence = json!({ "heartbeat": { "kind": "none", "every": "1s", "timeout": "1s" } });
        let mut watch = Watch::start(&sockjs(&server, silence));
        watch.until_connected().await;
        watch.listen(Duration::from_secs(4)).await;
        assert_eq!(watch.statuses.last().unwrap().state, LinkState::Connected, "{how}");
        assert!(watch.messages.is_empty(), "{how}");
        watch.end().await;
    }
    let mut server = server("404");
    let mut watch = Watch::start(&crm(&server));
    watch.until_round_trip().await;
    watch.until_round_trip().await;
    assert!(watch.messages.is_empty());
    server.order(&json!({ "do": "quiet" }));
    let cause = watch.until_state(LinkState::Waiting).await.cause.unwrap();
    assert_eq!(cause.view().code, "heartbeat-timeout");
    watch.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_preset_speaks_sockjs_where_the_raw_websocket_is_refused_which_is_asked_for_first_each_time() {
    for status in ["404", "400", "426", "200", "501"] {
        let mut server = server(status);
        let mut watch = Watch::start(&crm(&server));
        for dial in 0..2 {
            assert_eq!(server.wait_for("refused")["path"], "/wsCrm?jspCode=42", "{status}");
            let path = server.wait_for("opened")["path"].as_str().unwrap().to_owned();
            assert!(path.starts_with("/wsCrm/sockJs/") && path.ends_with("/websocket?jspCode=42"), "{path}");
            watch.until_connected().await;
            server.order(&json!({ "do": "send", "text": format!("message {dial}") }));
            watch.until_messages(dial + 1).await;
            watch.command(Command::Reconnect);
            watch.until_state(LinkState::Waiting).await;
        }
        watch.until_connected().await;
        assert_eq!(watch.bodies(), ["message 0", "message 1"]);
        assert!(watch.statuses.iter().all(|status| status.attempt <= 1), "both are one dial: {:#?}", watch.statuses);
        watch.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_preset_speaks_raw_where_that_works() {
    let mut server = server("101");
    let mut watch = Watch::start(&crm(&server));
    assert_eq!(server.wait_for("opened")["path"], "/wsCrm?jspCode=42");
    watch.until_round_trip().await;
    server.order(&json!({ "do": "send", "text": "a[\"as it is\"]" }));
    watch.until_messages(1).await;
    assert_eq!(watch.bodies(), ["a[\"as it is\"]"]);
    watch.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_refusals_are_the_dials_own() {
    for (status, code) in [("503", "http-503"), ("429", "http-429"), ("403", "unauthorized")] {
        let mut server = server(status);
        let mut watch = Watch::start(&crm(&server));
        watch.until("a refusal", |watch| watch.statuses.iter().any(|status| status.cause.is_some())).await;
        let causes: Vec<_> = watch.statuses.iter().filter_map(|status| status.cause.as_ref()).collect();
        assert!(causes.iter().all(|cause| cause.view().code == code), "{causes:?}");
        server.wait_for("refused");
        watch.end().await;
    }
    let server = server("404");
    let port = server.port;
    let nowhere = json!({
        "url": format!("http://127.0.0.1:{port}/wsCrm"), "sockjs": format!("http://127.0.0.1:{port}/nowhere"),
    });
    let mut watch = Watch::start(&connection(nowhere));
    let cause = watch.until_state(LinkState::Waiting).await.cause.unwrap();
    assert_eq!(
        (cause.view().code.as_str(), cause.text.as_str()),
        (
            "http-404",
            "the server answered the upgrade request with 404 Not Found; nor is there SockJS: the server answered the \
             upgrade request with 404 Not Found"
        )
    );
    watch.end().await;
}
