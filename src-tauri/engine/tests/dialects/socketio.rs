//! Socket.IO against `socket.io` for Node.js and, in [`python`], `python-socketio`.

mod python;

use std::collections::HashSet;
use std::time::Duration;

use heartwire_core::dialect::{CaughtUp, Item, Missing};
use heartwire_core::message::{Arrival, MessageKind};
use heartwire_core::settings::Connection;
use heartwire_core::view::LinkState;
use heartwire_engine::driver::Command;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::proxy::{Course, Holes, Proxy};
use crate::server::Server;
use crate::watch::{Watch, connection};

const RECOVERED: CaughtUp = CaughtUp::Recovered { keeps: None };

fn server(options: &Value) -> Server {
    Server::node("socketio.cjs", &[&options.to_string()])
}

/// A server that keeps sessions.
fn recovering() -> Server {
    server(&json!({ "connectionStateRecovery": {} }))
}

fn socketio(port: u16, mut keys: Value) -> Connection {
    keys["dialect"] = "socketio".into();
    keys["url"] = format!("http://127.0.0.1:{port}").into();
    connection(keys)
}

fn emit(args: &Value) -> Value {
    json!({ "do": "emit", "name": "news", "args": args })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_messages_and_texts_are_events() {
    for options in [json!({}), json!({ "connectionStateRecovery": {} })] {
        let mut server = server(&options);
        let mut watch = says_hello(&mut server).await;
        server.order(&emit(&json!(["Two lamps"])));
        server.order(&emit(&json!([{ "id": 7, "title": "Order", "text": "Two lamps" }])));
        server.order(&emit(&json!(["a", { "b": [1] }, null])));
        server.order(&emit(&json!([])));
        server.order(&emit(&json!([{ "bytes": 3 }, { "bytes": 4 }])));
        watch.until_messages(5).await;
        server.order(&json!({ "do": "emit", "name": "tick", "args": ["volatile"], "volatile": true }));
        watch.until_messages(6).await;
        assert_eq!(watch.bodies(), ["Two lamps", "Two lamps", r#"["a",{"b":[1]},null]"#, "", "", "volatile"]);
        let titles: Vec<_> = watch.messages.iter().map(|message| message.title.as_str()).collect();
        assert_eq!(titles, ["news", "Order", "news", "news", "Binary frame", "tick"]);
        let photo = &watch.messages[4];
        assert_eq!((photo.kind, photo.size), (MessageKind::Binary, 7));
        assert!(watch.messages.iter().all(|message| message.arrival == Arrival::Live));
        says_more(&mut server, &mut watch).await;
        watch.end().await;
        assert_eq!(server.wait_for("closed")["reason"], "transport close");
    }
}

/// A link for the first time, which says "hello" as it opens.
async fn says_hello(server: &mut Server) -> Watch {
    let mut watch = Watch::start(&socketio(server.port, json!({ "on_open": ["hello"] })));
    watch.until_connected().await;
    assert_eq!(watch.until_caught_up(1).await, CaughtUp::FirstContact);
    assert_eq!(server.wait_for("opened")["path"], "/socket.io/?EIO=4&transport=websocket");
    let said = server.wait_for("received");
    assert_eq!((&said["name"], &said["args"]), (&json!("message"), &json!(["hello"])));
    watch
}

/// A text of the person's becomes an event.
async fn says_more(server: &mut Server, watch: &mut Watch) {
    let (told, sent) = oneshot::channel();
    watch.command(Command::Send("and \"back\"".to_owned(), told));
    sent.await.unwrap().unwrap();
    assert_eq!(server.wait_for("received")["args"], json!(["and \"back\""]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_missed_comes_once_and_in_order_and_then_what_is_new() {
    let mut server = recovering();
    let mut watch = Watch::start(&socketio(server.port, json!({})));
    watch.until_connected().await;
    server.order(&emit(&json!(["one"])));
    watch.until_messages(1).await;
    server.order(
        &json!([{ "do": "abort" }, emit(&json!(["two"])), emit(&json!([{ "bytes": 5 }])), emit(&json!(["three"]))]),
    );
    assert_eq!(watch.until_caught_up(2).await, RECOVERED);
    server.order(&emit(&json!(["four"])));
    watch.until_messages(5).await;
    assert_eq!(watch.bodies(), ["one", "two", "", "three", "four"]);
    let arrivals: Vec<_> = watch.messages.iter().map(|message| message.arrival).collect();
    let missed = [Arrival::CaughtUp; 3];
    assert_eq!(arrivals, [&[Arrival::Live][..], &missed, &[Arrival::Live]].concat());
    assert_eq!(watch.messages[2].size, 5);
    watch.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_thousands_of_events_over_a_link_that_is_cut_again_and_again_none_is_lost_and_none_comes_twice() {
    let mut server = recovering();
    let mut watch = Watch::start(&socketio(server.port, json!({})));
    watch.until_connected().await;
    server.order(&emit(&json!(["first"])));
    watch.until_messages(1).await;
    server.order(&json!({ "do": "count", "to": 20_000, "round": 10, "cut": 1_500 }));
    watch.until_messages(20_001).await;
    let numbers: Vec<usize> = watch.messages[1..].iter().map(|message| message.body.parse().unwrap()).collect();
    assert!(numbers.iter().copied().eq(0..20_000));
    assert!(watch.caught_up.len() > 3, "{:?}", watch.caught_up);
    assert!(watch.caught_up[1..].iter().all(|&caught_up| caught_up == RECOVERED), "{:?}", watch.caught_up);
    let ids: HashSet<_> = watch.messages.iter().map(|message| message.id.clone().unwrap()).collect();
    assert_eq!(ids.len(), 20_001, "ids are unlike each other also within a millisecond");
    watch.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_restart_of_ours_it_goes_on_from_the_cursor_and_a_repetition_has_the_same_id() {
    let mut server = recovering();
    let connection = socketio(server.port, json!({}));
    let mut watch = Watch::start(&connection);
    watch.until_connected().await;
    for text in ["one", "two", "three"] {
        server.order(&emit(&json!([text])));
    }
    watch.until_messages(3).await;
    let ids: Vec<_> = watch.messages.iter().map(|message| message.id.clone().unwrap()).collect();
    let cursors: Vec<_> = watch
        .items
        .iter()
        .filter_map(|item| match item {
            Item::Cursor(cursor) => Some(cursor.clone()),
            _ => None,
        })
        .collect();
    let newest = watch.end().await.unwrap();
    assert_eq!((cursors.len(), &cursors[3]), (4, &newest));
    server.wait_for("closed");
    server.order(&emit(&json!(["four"])));
    let mut watch = Watch::from(&connection, Some(newest));
    assert_eq!(watch.until_caught_up(1).await, RECOVERED);
    assert_eq!(watch.bodies(), ["four"]);
    watch.end().await;
    server.wait_for("closed");
    // As if the disk had kept no more than the first.
    let mut watch = Watch::from(&connection, Some(cursors[1].clone()));
    assert_eq!(watch.until_caught_up(1).await, RECOVERED);
    assert_eq!(watch.bodies(), ["two", "three", "four"]);
    assert_eq!(watch.messages[0].id.as_ref(), Some(&ids[1]));
    watch.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_the_server_lost_is_a_gap() {
    let options = json!({ "connectionStateRecovery": {} });
    let mut server = server(&options);
    let connection = socketio(server.port, json!({}));
    let mut watch = Watch::start(&connection);
    watch.until_connected().await;
    server.order(&emit(&json!(["one"])));
    watch.until_messages(1).await;
    let port = server.port;
    server.kill();
    let mut server = Server::node("socketio.cjs", &[&options.to_string(), &port.to_string()]);
    assert_eq!(watch.until_caught_up(2).await, CaughtUp::Missing(Missing::CursorLost));
    server.order(&emit(&json!(["two"])));
    watch.until_messages(2).await;
    // A client that is thrown out has no session any more.
    server.order(&json!({ "do": "disconnect" }));
    let cause = watch.until_state(LinkState::Waiting).await.cause.unwrap();
    assert_eq!(cause.text, "the server disconnected this client");
    assert_eq!(watch.until_caught_up(3).await, CaughtUp::Missing(Missing::CursorLost));
    server.order(&emit(&json!(["three"])));
    watch.until_messages(3).await;
    server.order(&json!([{ "do": "abort" }, emit(&json!(["four"]))]));
    assert_eq!(watch.until_caught_up(4).await, RECOVERED, "the new session is kept like the old one");
    assert_eq!(watch.bodies(), ["one", "two", "three", "four"]);
    watch.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_keeps_nothing_says_so() {
    let mut server = server(&json!({}));
    let mut watch = Watch::start(&socketio(server.port, json!({})));
    watch.until_connected().await;
    server.order(&json!([{ "do": "close" }, emit(&json!(["lost"]))]));
    assert_eq!(watch.until_caught_up(2).await, CaughtUp::Missing(Missing::NoReplay));
    assert!(watch.messages.is_empty());
    watch.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_shown_and_a_wrong_one_or_a_wrong_namespace_blocks() {
    let server = server(&json!({ "token": "open sesame" }));
    let folder = tempfile::tempdir().unwrap();
    let auth = |token: &str| {
        let file = folder.path().join(token);
        std::fs::write(&file, token).unwrap();
        json!({ "kind": "token", "secret": { "file": file } })
    };
    let keys = json!({ "auth": auth("open-sesame"), "subscribe": ["/news"] });
    let mut watch = Watch::start(&socketio(server.port, keys));
    let cause = watch.until_blocked().await;
    assert_eq!(
        (cause.code.as_str(), cause.text.as_str()),
        ("unauthorized", "the server refused this client: bad token")
    );
    watch.end().await;

    let mut server = self::server(&json!({ "token": "open-sesame" }));
    let keys = json!({ "auth": auth("open-sesame"), "subscribe": ["/news", "/"] });
    hears_both_namespaces(&mut server, keys).await;

    let keys = json!({ "auth": auth("open-sesame"), "subscribe": ["/nowhere"] });
    let mut watch = Watch::start(&socketio(server.port, keys));
    let cause = watch.until_blocked().await;
    assert_eq!((cause.code.as_str(), cause.text.as_str()), ("configuration", "the server has no namespace /nowhere"));
    watch.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_acknowledgement_waits_for_the_disk() {
    acknowledges_what_is_on_disk(server(&json!({}))).await;
}

/// `keys` subscribe to "/news" and "/".
async fn hears_both_namespaces(server: &mut Server, keys: Value) {
    let mut watch = Watch::start(&socketio(server.port, keys));
    watch.until_connected().await;
    server.order(&json!({ "do": "emit", "space": "/news", "name": "news", "args": ["hello"] }));
    server.order(&emit(&json!(["both"])));
    watch.until_messages(2).await;
    assert_eq!(watch.bodies(), ["hello", "both"]);
    watch.end().await;
}

async fn acknowledges_what_is_on_disk(mut server: Server) {
    let ask = json!({ "do": "ask", "name": "order", "args": ["Two lamps"] });
    let mut watch = Watch::start(&socketio(server.port, json!({})));
    watch.until_connected().await;
    server.order(&ask);
    watch.until_messages(1).await;
    watch.listen(Duration::from_millis(50)).await;
    let said = server.wait_for("acknowledged");
    assert_eq!((&said["name"], &said["answer"]), (&json!("order"), &json!([])));
    watch.commits = false;
    server.order(&ask);
    watch.until_messages(2).await;
    watch.listen(Duration::from_millis(300)).await;
    watch.end().await;
    server.order(&json!({ "do": "abort" }));
    assert_eq!(server.wait_for_one_of(&["acknowledged", "closed"])["event"], "closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_servers_pings_keep_the_link_and_without_them_it_is_dead() {
    let mut server = server(&json!({ "pingInterval": 300, "pingTimeout": 200 }));
    let mut watch = Watch::start(&socketio(server.port, json!({})));
    watch.until_connected().await;
    watch.listen(Duration::from_secs(4)).await;
    assert_eq!(watch.statuses.last().unwrap().state, LinkState::Connected);
    server.order(&json!({ "do": "quiet" }));
    let cause = watch.until_state(LinkState::Waiting).await.cause.unwrap();
    assert_eq!(cause.view().code, "heartbeat-timeout");
    watch.until_connected().await;
    watch.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_breaks_in_silence_is_given_up_by_the_server_first_and_recovers() {
    let mut server = server(&json!({ "connectionStateRecovery": {}, "pingInterval": 300, "pingTimeout": 200 }));
    let proxy = Proxy::plain(server.port);
    let mut watch = Watch::start(&socketio(proxy.port, json!({})));
    watch.until_connected().await;
    server.order(&emit(&json!(["one"])));
    watch.until_messages(1).await;
    for round in 1..4 {
        proxy.swallow(Holes::BOTH);
        server.order(&emit(&json!([format!("missed {round}")])));
        watch.until_state(LinkState::Waiting).await;
        proxy.swallow(Holes::NONE);
        assert_eq!(watch.until_caught_up(round + 1).await, RECOVERED);
    }
    assert_eq!(watch.bodies(), ["one", "missed 1", "missed 2", "missed 3"]);
    watch.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_breaks_the_links_every_event_comes_once_and_in_order() {
    const EVENTS: usize = 1_000;
    let mut server = server(&json!({ "connectionStateRecovery": {}, "pingInterval": 300, "pingTimeout": 200 }));
    let whole = Course::default();
    let proxy =
        Proxy::start(server.port, move |number| if number == 0 { whole.clone() } else { Course::drawn(7, number) });
    let mut watch = Watch::start(&socketio(proxy.port, json!({ "connect_timeout": "1s" })));
    watch.until_connected().await;
    server.order(&emit(&json!(["first"])));
    watch.until_messages(1).await;
    server.order(&json!({ "do": "count", "to": EVENTS, "round": 1, "every": 5, "cut": 100 }));
    watch.listen(Duration::from_secs(10)).await;
    proxy.calm();
    watch.until_messages(EVENTS + 1).await;
    let numbers: Vec<usize> = watch.messages[1..].iter().map(|message| message.body.parse().unwrap()).collect();
    assert!(numbers.iter().copied().eq(0..EVENTS), "{:?} {numbers:?}", watch.caught_up);
    let broken = watch.statuses.iter().filter(|status| status.state == LinkState::Waiting).count();
    assert!(broken > 10, "{broken}");
    assert!(watch.caught_up[1..].iter().all(|&caught_up| caught_up == RECOVERED), "{:?}", watch.caught_up);
    watch.end().await;
}
