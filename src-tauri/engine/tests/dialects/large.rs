//! Messages above what a socket takes as a rule, from brokers that send again what was not acknowledged.

use heartwire_core::dialect::CaughtUp;
use heartwire_core::message::MessageKind;
use heartwire_core::settings::Connection;
use heartwire_core::view::LinkState;
use heartwire_engine::driver::Command;
use serde_json::{Value, json};

use crate::mqtt::broker::{self, Mosquitto};
use crate::rabbit::{self, Rabbit};
use crate::server::Server;
use crate::watch::{Watch, connection};

const MIB: usize = 1024 * 1024;

const RECOVERED: CaughtUp = CaughtUp::Recovered { keeps: None };

fn to(mosquitto: &Mosquitto) -> Connection {
    connection(json!({ "url": format!("ws://127.0.0.1:{}/", mosquitto.port), "dialect": "mqtt", "subscribe": ["n"] }))
}

fn sizes(watch: &Watch) -> Vec<u64> {
    watch.messages.iter().map(|message| message.size).collect()
}

#[tokio::test]
async fn a_large_message_that_mosquitto_kept_comes_once_and_the_next_follows() {
    if !broker::is_there("a_large_message_that_mosquitto_kept_comes_once_and_the_next_follows") {
        return;
    }
    let mosquitto = Mosquitto::start("allow_anonymous true");
    let connection = to(&mosquitto);
    let mut watch = Watch::start(&connection);
    watch.until_caught_up(1).await;
    watch.command(Command::Pause);
    watch.until_state(LinkState::Paused).await;
    let mut publisher = mosquitto.publisher();
    publisher.publish("n", "x".repeat(3 * MIB).as_bytes(), 1, false);
    publisher.publish("n", &vec![0xff; 16 * MIB], 1, false);
    publisher.publish("n", b"next", 1, false);
    // mosquitto writes 4 KiB of it whenever something happens, and ten times a second.
    let _busy = publisher.ping_on();
    watch.command(Command::Start);
    assert_eq!(watch.until_caught_up(2).await, RECOVERED);
    assert_eq!(sizes(&watch), [3 * MIB as u64, 16 * MIB as u64, 4]);
    assert_eq!(watch.messages[1].kind, MessageKind::Binary);
    assert!(watch.statuses.iter().all(|status| status.cause.is_none()), "{:?}", watch.statuses);
    let cursor = watch.end().await;
    let mut watch = Watch::from(&connection, cursor);
    assert_eq!(watch.until_caught_up(1).await, RECOVERED);
    assert_eq!(watch.messages, [], "all of it was acknowledged");
}

#[tokio::test]
async fn a_large_message_in_a_queue_comes_once_and_the_next_follows() {
    if !rabbit::is_there("a_large_message_in_a_queue_comes_once_and_the_next_follows") {
        return;
    }
    let rabbit = Rabbit::start();
    // Pinged so often that an answer soon shows that what was sent before the ping was taken.
    let heartbeat = json!({ "every": "200ms", "timeout": "20s", "always": true });
    let keys = json!({
        "url": rabbit.stomp_url(""), "preset": "stomp", "subscribe": ["/queue/large"], "heartbeat": heartbeat,
    });
    let connection = connection(keys);
    let mut watch = Watch::start(&connection);
    watch.until_caught_up(1).await;
    let cursor = watch.end().await;
    rabbit.publish("/queue/large", "", [&*"x".repeat(3 * MIB), "next"]);
    let mut watch = Watch::from(&connection, cursor);
    watch.until_messages(2).await;
    assert_eq!(sizes(&watch), [3 * MIB as u64, 4]);
    watch.until_round_trip().await;
    watch.until_round_trip().await;
    let cursor = watch.end().await;
    let mut watch = Watch::from(&connection, cursor);
    assert_eq!(watch.until_caught_up(1).await, RECOVERED);
    assert_eq!(watch.messages, [], "all of it was acknowledged");
}

#[tokio::test]
async fn a_large_event_that_was_missed_comes_once_and_the_next_follows() {
    let mut server = Server::node("socketio.cjs", &[&json!({ "connectionStateRecovery": {} }).to_string()]);
    let url = format!("http://127.0.0.1:{}", server.port);
    let mut watch = Watch::start(&connection(json!({ "dialect": "socketio", "url": url })));
    watch.until_connected().await;
    let emit = |arg: Value| json!({ "do": "emit", "name": "news", "args": [arg] });
    server.order(&emit(json!("one")));
    watch.until_messages(1).await;
    let (text, bytes) = (emit(json!("x".repeat(3 * MIB))), emit(json!({ "bytes": 4 * MIB })));
    server.order(&json!([{ "do": "abort" }, text, bytes, emit(json!("next"))]));
    watch.until_messages(4).await;
    assert_eq!(watch.until_caught_up(2).await, RECOVERED);
    assert_eq!(sizes(&watch), [3, 3 * MIB as u64, 4 * MIB as u64, 4]);
}

#[tokio::test]
async fn a_message_that_is_too_large_even_so_says_what_to_do() {
    if !broker::is_there("a_message_that_is_too_large_even_so_says_what_to_do") {
        return;
    }
    let mosquitto = Mosquitto::start("allow_anonymous true");
    let mut watch = Watch::start(&to(&mosquitto));
    watch.until_connected().await;
    mosquitto.publisher().publish("n", &vec![0; 17 * MIB], 1, false);
    let cause = watch.until_state(LinkState::Waiting).await.cause.unwrap().view();
    assert_eq!(cause.code, "too-large");
    assert!(cause.text.contains("the limit is 17825792; with QoS 1 or 2 the broker sends it again"), "{cause:?}");
}
