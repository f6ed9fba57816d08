//! MQTT against mosquitto of Debian and aedes for Node.js.

mod broker;

use std::time::Duration;

use heartwire_core::dialect::{CaughtUp, Item, Missing};
use heartwire_core::link::ResumeData;
use heartwire_core::message::{Arrival, MessageKind};
use heartwire_core::settings::Connection;
use heartwire_core::view::LinkState;
use heartwire_engine::driver::Command;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use crate::server::Server;
use crate::watch::{Watch, connection};
use broker::{Mosquitto, Publisher, password_file};

/// What a broker has to do in the tests that all of them pass.
trait Broker {
    /// Whether what is published while it empties a queue waits for its turn.
    fn keeps_order(&self) -> bool;
    fn port(&self) -> u16;
    fn publish(&mut self, topic: &str, text: &str, qos: u8, retain: bool);
}

impl Broker for (Mosquitto, Publisher) {
    fn keeps_order(&self) -> bool {
        true
    }

    fn port(&self) -> u16 {
        self.0.port
    }

    fn publish(&mut self, topic: &str, text: &str, qos: u8, retain: bool) {
        self.1.publish(topic, text.as_bytes(), qos, retain);
    }
}

impl Broker for Server {
    fn keeps_order(&self) -> bool {
        false
    }

    fn port(&self) -> u16 {
        self.port
    }

    fn publish(&mut self, topic: &str, text: &str, qos: u8, retain: bool) {
        self.order(&json!({ "do": "publish", "topic": topic, "text": text, "qos": qos, "retain": retain }));
    }
}

fn aedes() -> Server {
    Server::node("mqtt.cjs", &[])
}

/// For the test of this name.
fn brokers(test: &str) -> Vec<Box<dyn Broker>> {
    let mut brokers: Vec<Box<dyn Broker>> = vec![Box::new(aedes())];
    if broker::is_there(test) {
        let mosquitto = Mosquitto::start("allow_anonymous true");
        let publisher = mosquitto.publisher();
        brokers.push(Box::new((mosquitto, publisher)));
    }
    brokers
}

fn to(port: u16, filters: &[&str], more: &Value) -> Connection {
    let mut keys = json!({ "url": format!("ws://127.0.0.1:{port}/mqtt"), "dialect": "mqtt", "subscribe": filters });
    keys.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    connection(keys)
}

fn login(user: &str, password: &str) -> Value {
    json!({ "auth": { "kind": "basic", "user": user, "secret": { "command": ["echo", password] } } })
}

/// As a store would have it in which everything that came is committed.
fn newest_cursor(watch: &Watch) -> Option<ResumeData> {
    watch.items.iter().rev().find_map(|item| match item {
        Item::Cursor(cursor) => Some(cursor.clone()),
        _ => None,
    })
}

fn arrivals(watch: &Watch) -> Vec<Arrival> {
    watch.messages.iter().map(|message| message.arrival).collect()
}

const RECOVERED: CaughtUp = CaughtUp::Recovered { keeps: None };

#[tokio::test]
async fn what_is_published_comes_at_once_and_the_link_is_proved() {
    for mut broker in brokers("what_is_published_comes_at_once_and_the_link_is_proved") {
        let mut watch =
            Watch::start(&to(broker.port(), &["news/#", "door"], &json!({ "heartbeat": { "every": "1s" } })));
        watch.until_connected().await;
        assert_eq!(watch.until_caught_up(1).await, CaughtUp::FirstContact);
        broker.publish("news/shop", r#"{"text":"Two lamps"}"#, 1, false);
        watch.until_messages(1).await;
        broker.publish("door", "open", 0, false);
        watch.until_messages(2).await;
        broker.publish("news", "twice safe", 2, false);
        watch.until_messages(3).await;
        broker.publish("elsewhere", "not for us", 1, false);
        broker.publish("door", "", 1, false);
        watch.until_messages(4).await;
        assert_eq!(watch.bodies(), ["Two lamps", "open", "twice safe", ""]);
        assert_eq!(
            watch.messages.iter().map(|message| message.title.as_str()).collect::<Vec<_>>(),
            ["news/shop", "door", "news", "door"]
        );
        assert_eq!(arrivals(&watch), [Arrival::Live; 4]);
        watch.until_round_trip().await;
        watch.until_round_trip().await;
        assert!(watch.statuses.iter().all(|status| status.cause.is_none()), "{:?}", watch.statuses);
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_are_kept_by_their_size() {
    let mut server = aedes();
    let mut watch = Watch::start(&to(server.port, &["#"], &json!({})));
    watch.until_connected().await;
    server.order(&json!({ "do": "publish", "topic": "camera", "bytes": 70_000, "qos": 1 }));
    watch.until_messages(1).await;
    let message = &watch.messages[0];
    assert_eq!((message.kind, message.size, message.title.as_str()), (MessageKind::Binary, 70_000, "camera"));
}

#[tokio::test]
async fn what_was_published_meanwhile_comes_once_and_in_order() {
    for mut broker in brokers("what_was_published_meanwhile_comes_once_and_in_order") {
        let mut watch = Watch::start(&to(broker.port(), &["n"], &json!({})));
        watch.until_connected().await;
        let mut published = Vec::new();
        for round in 1..=3 {
            let text = format!("live {round}");
            broker.publish("n", &text, 1, false);
            published.push(text);
            watch.until_messages(published.len()).await;
            watch.command(Command::Pause);
            watch.until_state(LinkState::Paused).await;
            for number in 0..100 {
                let text = format!("{round}.{number}");
                broker.publish("n", &text, 1, false);
                published.push(text);
            }
            watch.command(Command::Start);
            watch.until_connected().await;
            assert_eq!(watch.until_caught_up(round + 1).await, RECOVERED);
            assert_eq!(watch.messages.len(), published.len(), "the end is not told before all of it has come");
        }
        broker.publish("n", "last", 1, false);
        published.push("last".to_owned());
        watch.until_messages(published.len()).await;
        watch.listen(Duration::from_millis(300)).await;
        assert_eq!(watch.bodies(), published);
        // The first of a hundred may still have come on the socket that was being closed.
        for (at, message) in watch.messages.iter().enumerate() {
            match at % 101 {
                0 => assert_eq!(message.arrival, Arrival::Live, "{at}"),
                100 => assert_eq!(message.arrival, Arrival::CaughtUp, "{at}"),
                _ => {}
            }
        }
    }
}

#[tokio::test]
async fn without_a_disk_all_is_shown_and_the_session_that_stays_keeps_it() {
    // More than a broker sends that waits for acknowledgements: mosquitto 20.
    const COUNT: usize = 100;
    for mut broker in brokers("without_a_disk_all_is_shown_and_the_session_that_stays_keeps_it") {
        let connection = to(broker.port(), &["n"], &json!({}));
        let mut watch = Watch::start(&connection);
        watch.until_caught_up(1).await;
        let cursor = watch.end().await;
        let mut without = Watch::passing(&connection);
        without.until_connected().await;
        for number in 0..COUNT {
            broker.publish("n", &number.to_string(), 1, false);
        }
        without.until_messages(COUNT).await;
        without.end().await;
        let mut again = Watch::from(&connection, cursor);
        assert_eq!(again.until_caught_up(1).await, RECOVERED);
        assert_eq!(again.messages.len(), COUNT);
    }
}

#[tokio::test]
async fn what_was_not_on_disk_comes_again_after_a_crash() {
    for mut broker in brokers("what_was_not_on_disk_comes_again_after_a_crash") {
        let connection = to(broker.port(), &["n"], &json!({}));
        let mut watch = Watch::start(&connection);
        watch.until_caught_up(1).await;
        watch.commits = false;
        let cursor = watch.cursor.clone();
        for text in ["a", "b", "c"] {
            broker.publish("n", text, 1, false);
        }
        watch.until_messages(3).await;
        drop(watch);
        let mut watch = Watch::from(&connection, cursor);
        assert_eq!(watch.until_caught_up(1).await, RECOVERED);
        assert_eq!(watch.bodies(), ["a", "b", "c"]);
    }
}

#[tokio::test]
async fn what_was_on_disk_and_not_acknowledged_does_not_come_twice() {
    for mut broker in brokers("what_was_on_disk_and_not_acknowledged_does_not_come_twice") {
        let connection = to(broker.port(), &["n"], &json!({}));
        let mut watch = Watch::start(&connection);
        watch.until_caught_up(1).await;
        watch.commits = false;
        for text in ["ring", "ring", "c"] {
            broker.publish("n", text, 1, false);
        }
        watch.until_messages(3).await;
        let cursor = newest_cursor(&watch);
        drop(watch);
        broker.publish("n", "ring", 1, false);
        let mut watch = Watch::from(&connection, cursor);
        assert_eq!(watch.until_caught_up(1).await, RECOVERED);
        assert_eq!(watch.bodies(), ["ring"], "only the one of meanwhile");
        let cursor = watch.end().await;
        // By now everything is acknowledged.
        let mut watch = Watch::from(&connection, cursor);
        assert_eq!(watch.until_caught_up(1).await, RECOVERED);
        assert_eq!(watch.messages, []);
    }
}

#[tokio::test]
async fn what_the_store_takes_late_does_not_come_twice_on_the_next_socket() {
    for mut broker in brokers("what_the_store_takes_late_does_not_come_twice_on_the_next_socket") {
        let mut watch = Watch::start(&to(broker.port(), &["n"], &json!({})));
        watch.until_caught_up(1).await;
        watch.commits = false;
        for text in ["a", "b"] {
            broker.publish("n", text, 1, false);
        }
        watch.until_messages(2).await;
        watch.command(Command::Reconnect);
        watch.until_state(LinkState::Connected).await;
        watch.commits = true;
        broker.publish("n", "c", 1, false);
        watch.until_messages(3).await;
        watch.until_caught_up(2).await;
        assert_eq!(watch.bodies(), ["a", "b", "c"]);
    }
}

#[tokio::test]
async fn however_often_it_ends_nothing_is_lost_or_comes_twice() {
    for mut broker in brokers("however_often_it_ends_nothing_is_lost_or_comes_twice") {
        let connection = to(broker.port(), &["n"], &json!({}));
        let mut watch = Watch::start(&connection);
        watch.until_caught_up(1).await;
        let mut cursor = newest_cursor(&watch);
        let mut came = Vec::new();
        let mut random = SmallRng::seed_from_u64(7);
        let mut published = Vec::new();
        for round in 0..60 {
            for _ in 0..30 {
                // Every third is like others.
                let number = published.len();
                let text = if number % 3 == 0 { "ring".to_owned() } else { number.to_string() };
                broker.publish("n", &text, 1, false);
                published.push(text);
            }
            watch.until_messages(watch.messages.len() + random.random_range(0..30)).await;
            let said = if round % 3 == 0 {
                watch.command(Command::Reconnect);
                watch.until_state(LinkState::Connected).await;
                watch.caught_up.len()
            } else {
                // What was not taken by now is lost, as it is for a store that is killed.
                cursor = newest_cursor(&watch).or(cursor);
                came.extend(watch.messages.iter().map(|message| message.body.clone()));
                drop(watch);
                watch = Watch::from(&connection, cursor.clone());
                0
            };
            if !broker.keeps_order() {
                watch.until_caught_up(said + 1).await;
            }
        }
        let rest = published.len() - came.len();
        watch.until_messages(rest).await;
        watch.listen(Duration::from_millis(300)).await;
        came.extend(watch.messages.iter().map(|message| message.body.clone()));
        assert_eq!(came, published);
    }
}

#[tokio::test]
async fn retained_messages_are_old_and_come_once_for_each_filter() {
    for mut broker in brokers("retained_messages_are_old_and_come_once_for_each_filter") {
        broker.publish("state/a", "kept", 1, true);
        broker.publish("other", "kept too", 1, true);
        let mut watch = Watch::start(&to(broker.port(), &["state/+"], &json!({})));
        watch.until_messages(1).await;
        broker.publish("state/a", "changed", 1, true);
        watch.until_messages(2).await;
        assert_eq!(arrivals(&watch), [Arrival::Old, Arrival::Live]);
        let cursor = watch.end().await;

        let mut watch = Watch::from(&to(broker.port(), &["state/+", "other"], &json!({})), cursor);
        assert_eq!(watch.until_caught_up(1).await, RECOVERED);
        watch.until_messages(1).await;
        let cursor = watch.end().await;

        let mut watch = Watch::from(&to(broker.port(), &["other"], &json!({})), cursor);
        assert_eq!(watch.until_caught_up(1).await, RECOVERED);
        broker.publish("state/a", "not any more", 1, false);
        broker.publish("other", "news", 1, false);
        watch.until_messages(1).await;
        assert_eq!((watch.bodies(), arrivals(&watch)), (vec!["news"], vec![Arrival::Live]));
    }
}

#[tokio::test]
async fn where_messages_come_that_brokers_do_not_keep_a_gap_may_miss_some() {
    for mut broker in brokers("where_messages_come_that_brokers_do_not_keep_a_gap_may_miss_some") {
        let connection = to(broker.port(), &["n"], &json!({}));
        let mut watch = Watch::start(&connection);
        watch.until_connected().await;
        broker.publish("n", "fleeting", 0, false);
        watch.until_messages(1).await;
        let cursor = watch.end().await;
        let mut watch = Watch::from(&connection, cursor);
        assert_eq!(watch.until_caught_up(1).await, CaughtUp::Missing(Missing::NoReplay));
    }
}

#[tokio::test]
async fn a_broker_that_restarts_keeps_the_session_or_its_loss_is_told() {
    if !broker::is_there("a_broker_that_restarts_keeps_the_session_or_its_loss_is_told") {
        return;
    }
    let mut mosquitto = Mosquitto::start("allow_anonymous true");
    let mut watch = Watch::start(&to(mosquitto.port, &["n"], &json!({})));
    watch.until_connected().await;
    watch.command(Command::Pause);
    watch.until_state(LinkState::Paused).await;
    mosquitto.publisher().publish("n", b"kept", 1, false);
    mosquitto.restart(false);
    watch.command(Command::Start);
    assert_eq!(watch.until_caught_up(2).await, RECOVERED);
    assert_eq!((watch.bodies(), arrivals(&watch)), (vec!["kept"], vec![Arrival::CaughtUp]));
    mosquitto.restart(true);
    assert_eq!(watch.until_caught_up(3).await, CaughtUp::Missing(Missing::CursorLost));
    mosquitto.publisher().publish("n", b"after", 1, false);
    watch.until_messages(2).await;
    assert_eq!(watch.messages[1].arrival, Arrival::Live);
}

#[tokio::test]
async fn refused_credentials_block() {
    if !broker::is_there("refused_credentials_block") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let passwords = folder.path().join("passwords");
    password_file(&passwords, "joe", "secret");
    let mosquitto = Mosquitto::start(&format!("allow_anonymous false\npassword_file {}", passwords.display()));
    let auth = |password| login("joe", password);
    let mut watch = Watch::start(&to(mosquitto.port, &["n"], &auth("guessed")));
    let cause = watch.until_blocked().await;
    assert_eq!(cause.code, "unauthorized", "{cause:?}");
    let mut watch = Watch::start(&to(mosquitto.port, &["n"], &json!({})));
    assert_eq!(watch.until_blocked().await.code, "unauthorized");
    Watch::start(&to(mosquitto.port, &["n"], &auth("secret"))).until_connected().await;
}

#[tokio::test]
async fn each_refusal_is_told_in_its_own_words() {
    let server = aedes();
    for (user, words) in [("wrong", "the user name or password"), ("nobody", "not authorized")] {
        let cause = Watch::start(&to(server.port, &["n"], &login(user, "x"))).until_blocked().await;
        assert!(cause.code == "unauthorized" && cause.text.contains(words), "{cause:?}");
    }
    let cause = Watch::start(&to(server.port, &["n", "forbidden"], &json!({}))).until_blocked().await;
    assert!(cause.code == "configuration" && cause.text.contains("\"forbidden\""), "{cause:?}");
}
