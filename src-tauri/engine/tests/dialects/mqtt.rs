//! MQTT against mosquitto and RabbitMQ of Debian and aedes for Node.js.

pub mod broker;
mod every;
mod rabbit;

use heartwire_core::dialect::{CaughtUp, Item, Missing};
use heartwire_core::link::ResumeData;
use heartwire_core::message::{Arrival, MessageKind};
use heartwire_core::settings::Connection;
use heartwire_core::view::LinkState;
use heartwire_engine::driver::Command;
use serde_json::{Value, json};

use crate::server::Server;
use crate::watch::{Watch, connection};
use broker::{Mosquitto, Publisher, password_file};

/// What a broker has to do in the tests that all of them pass.
trait Broker {
    /// Whether what is published while it empties a queue waits for its turn. aedes sends it at once, and may do so twice
    /// without a sign that it is the same.
    fn keeps_order(&self) -> bool;
    fn url(&self) -> String;
    fn publish(&mut self, topic: &str, text: &str, qos: u8, retain: bool);
}

impl Broker for (Mosquitto, Publisher) {
    fn keeps_order(&self) -> bool {
        true
    }

    fn url(&self) -> String {
        url(self.0.port)
    }

    fn publish(&mut self, topic: &str, text: &str, qos: u8, retain: bool) {
        self.1.publish(topic, text.as_bytes(), qos, retain);
    }
}

impl Broker for Server {
    fn keeps_order(&self) -> bool {
        false
    }

    fn url(&self) -> String {
        url(self.port)
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

fn url(port: u16) -> String {
    format!("ws://127.0.0.1:{port}/mqtt")
}

fn to(url: &str, filters: &[&str], more: &Value) -> Connection {
    let mut keys = json!({ "url": url, "dialect": "mqtt", "subscribe": filters });
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

/// Each of these with aedes and, where there is one, mosquitto.
macro_rules! tests {
    ($($name:ident)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                for mut broker in brokers(stringify!($name)) {
                    every::$name(broker.as_mut()).await;
                }
            }
        )*
    };
}

tests! {
    what_is_published_comes_at_once_and_the_link_is_proved
    what_was_published_meanwhile_comes_once_and_in_order
    without_a_disk_all_is_shown_and_the_session_that_stays_keeps_it
    what_was_not_on_disk_comes_again_after_a_crash
    what_was_on_disk_and_not_acknowledged_does_not_come_twice
    what_the_store_takes_late_does_not_come_twice_on_the_next_socket
    however_often_it_ends_nothing_is_lost_or_comes_twice
    retained_messages_are_old_and_come_once_for_each_filter
    where_messages_come_that_brokers_do_not_keep_a_gap_may_miss_some
}

#[tokio::test]
async fn bytes_that_are_no_text_are_kept_by_their_size() {
    let mut server = aedes();
    let mut watch = Watch::start(&to(&url(server.port), &["#"], &json!({})));
    watch.until_connected().await;
    server.order(&json!({ "do": "publish", "topic": "camera", "bytes": 70_000, "qos": 1 }));
    watch.until_messages(1).await;
    let message = &watch.messages[0];
    assert_eq!((message.kind, message.size, message.title.as_str()), (MessageKind::Binary, 70_000, "camera"));
}

#[tokio::test]
async fn a_broker_that_restarts_keeps_the_session_or_its_loss_is_told() {
    if !broker::is_there("a_broker_that_restarts_keeps_the_session_or_its_loss_is_told") {
        return;
    }
    let mut mosquitto = Mosquitto::start("allow_anonymous true");
    let mut watch = Watch::start(&to(&url(mosquitto.port), &["n"], &json!({})));
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
    let mut watch = Watch::start(&to(&url(mosquitto.port), &["n"], &auth("guessed")));
    let cause = watch.until_blocked().await;
    assert_eq!(cause.code, "unauthorized", "{cause:?}");
    let mut watch = Watch::start(&to(&url(mosquitto.port), &["n"], &json!({})));
    assert_eq!(watch.until_blocked().await.code, "unauthorized");
    Watch::start(&to(&url(mosquitto.port), &["n"], &auth("secret"))).until_connected().await;
}

#[tokio::test]
async fn each_refusal_is_told_in_its_own_words() {
    let server = aedes();
    for (user, words) in [("wrong", "the user name or password"), ("nobody", "not authorized")] {
        let cause = Watch::start(&to(&url(server.port), &["n"], &login(user, "x"))).until_blocked().await;
        assert!(cause.code == "unauthorized" && cause.text.contains(words), "{cause:?}");
    }
    let cause = Watch::start(&to(&url(server.port), &["n", "forbidden"], &json!({}))).until_blocked().await;
    assert!(cause.code == "configuration" && cause.text.contains("\"forbidden\""), "{cause:?}");
}
