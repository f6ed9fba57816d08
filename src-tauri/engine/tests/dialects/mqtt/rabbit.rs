//! MQTT against RabbitMQ 3.10 (Debian's). A start takes seconds, so one serves for everything.

use heartwire_core::message::Arrival;
use heartwire_core::view::LinkState;
use heartwire_engine::driver::Command;
use serde_json::json;

use super::broker::Publisher;
use super::{Broker, RECOVERED, arrivals, every, login, to};
use crate::proxy::{Holes, Proxy};
use crate::rabbit::{self, Rabbit};
use crate::watch::Watch;

impl Broker for (Rabbit, Publisher) {
    fn keeps_order(&self) -> bool {
        true
    }

    fn url(&self) -> String {
        url(self.0.mqtt_web())
    }

    fn publish(&mut self, topic: &str, text: &str, qos: u8, retain: bool) {
        // It makes QoS 2 a 1, and acknowledges it as such.
        self.1.publish(topic, text.as_bytes(), qos.min(1), retain);
    }
}

fn url(port: u16) -> String {
    format!("ws://127.0.0.1:{port}/ws")
}

#[tokio::test]
async fn rabbitmq_does_as_the_others() {
    if !rabbit::is_there("rabbitmq_does_as_the_others") {
        return;
    }
    let rabbit = Rabbit::start();
    let publisher = Publisher::to(rabbit.mqtt_tcp());
    let broker = &mut (rabbit, publisher);
    every::what_is_published_comes_at_once_and_the_link_is_proved(broker).await;
    every::what_was_published_meanwhile_comes_once_and_in_order(broker).await;
    every::without_a_disk_all_is_shown_and_the_session_that_stays_keeps_it(broker).await;
    every::what_was_not_on_disk_comes_again_after_a_crash(broker).await;
    every::what_was_on_disk_and_not_acknowledged_does_not_come_twice(broker).await;
    every::what_the_store_takes_late_does_not_come_twice_on_the_next_socket(broker).await;
    every::however_often_it_ends_nothing_is_lost_or_comes_twice(broker).await;
    every::where_messages_come_that_brokers_do_not_keep_a_gap_may_miss_some(broker).await;
    a_retained_message_is_old(broker).await;
    refused_credentials_block(broker).await;
    a_link_that_breaks_in_silence_loses_nothing(broker).await;
    a_broker_that_dies_keeps_the_session(broker).await;
}

/// It sends them only to filters without a "+" or a "#".
async fn a_retained_message_is_old(broker: &mut (Rabbit, Publisher)) {
    broker.publish("state/a", "kept", 1, true);
    let mut watch = Watch::start(&to(&broker.url(), &["state/a"], &json!({})));
    watch.until_messages(1).await;
    broker.publish("state/a", "changed", 1, true);
    watch.until_messages(2).await;
    assert_eq!((watch.bodies(), arrivals(&watch)), (vec!["kept", "changed"], vec![Arrival::Old, Arrival::Live]));
}

async fn refused_credentials_block(broker: &mut (Rabbit, Publisher)) {
    let with = |password| to(&broker.url(), &["n"], &login("guest", password));
    let cause = Watch::start(&with("guessed")).until_blocked().await;
    assert_eq!(
        (cause.code.as_str(), cause.text.as_str()),
        ("unauthorized", "the broker refuses the user name or password")
    );
    Watch::start(&with("guest")).until_connected().await;
}

/// The next socket may come before the broker has given up the last, into which it has sent the first of them.
async fn a_link_that_breaks_in_silence_loses_nothing(broker: &mut (Rabbit, Publisher)) {
    let proxy = Proxy::plain(broker.0.mqtt_web());
    let quick = json!({ "heartbeat": { "every": "1s", "timeout": "300ms" } });
    let mut watch = Watch::start(&to(&url(proxy.port), &["silent"], &quick));
    watch.until_caught_up(1).await;
    let mut published = Vec::new();
    for round in 0..3 {
        proxy.swallow(Holes::BOTH);
        for number in 0..30 {
            let text = format!("{round}.{number}");
            broker.publish("silent", &text, 1, false);
            published.push(text);
        }
        let cause = watch.until_state(LinkState::Waiting).await.cause.unwrap();
        assert_eq!(cause.view().code, "heartbeat-timeout");
        proxy.swallow(Holes::NONE);
        assert_eq!(watch.until_caught_up(round + 2).await, RECOVERED);
        assert_eq!(watch.bodies(), published);
    }
    assert_eq!(arrivals(&watch), [Arrival::CaughtUp; 90]);
}

async fn a_broker_that_dies_keeps_the_session(broker: &mut (Rabbit, Publisher)) {
    let mut watch = Watch::start(&to(&broker.url(), &["n"], &json!({})));
    watch.until_caught_up(1).await;
    watch.command(Command::Pause);
    watch.until_state(LinkState::Paused).await;
    broker.publish("n", "kept", 1, false);
    broker.0.kill();
    broker.0.start_again();
    watch.command(Command::Start);
    assert_eq!(watch.until_caught_up(2).await, RECOVERED);
    assert_eq!((watch.bodies(), arrivals(&watch)), (vec!["kept"], vec![Arrival::CaughtUp]));
}
