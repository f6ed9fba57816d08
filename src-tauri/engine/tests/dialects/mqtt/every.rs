//! What a link does with every broker. One broker serves for all of these, one after the other.

use std::time::Duration;

use heartwire_core::dialect::{CaughtUp, Missing};
use heartwire_core::message::Arrival;
use heartwire_core::view::LinkState;
use heartwire_engine::driver::Command;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::json;

use super::{Broker, RECOVERED, arrivals, newest_cursor, to};
use crate::watch::Watch;

pub async fn what_is_published_comes_at_once_and_the_link_is_proved(broker: &mut dyn Broker) {
    let mut watch = Watch::start(&to(&broker.url(), &["news/#", "door"], &json!({ "heartbeat": { "every": "1s" } })));
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

pub async fn what_was_published_meanwhile_comes_once_and_in_order(broker: &mut dyn Broker) {
    let mut watch = Watch::start(&to(&broker.url(), &["n"], &json!({})));
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

pub async fn without_a_disk_all_is_shown_and_the_session_that_stays_keeps_it(broker: &mut dyn Broker) {
    // More than a broker sends that waits for acknowledgements: mosquitto 20, RabbitMQ 10.
    const COUNT: usize = 100;
    let connection = to(&broker.url(), &["n"], &json!({}));
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

pub async fn what_was_not_on_disk_comes_again_after_a_crash(broker: &mut dyn Broker) {
    let connection = to(&broker.url(), &["n"], &json!({}));
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

pub async fn what_was_on_disk_and_not_acknowledged_does_not_come_twice(broker: &mut dyn Broker) {
    let connection = to(&broker.url(), &["n"], &json!({}));
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

pub async fn what_the_store_takes_late_does_not_come_twice_on_the_next_socket(broker: &mut dyn Broker) {
    let mut watch = Watch::start(&to(&broker.url(), &["n"], &json!({})));
    watch.until_caught_up(1).await;
    watch.commits = false;
    for text in ["a", "b"] {
        broker.publish("n", text, 1, false);
    }
    watch.until_messages(2).await;
    watch.commits = true;
    watch.command(Command::Reconnect);
    watch.until_state(LinkState::Connected).await;
    if !broker.keeps_order() {
        watch.until_caught_up(2).await;
    }
    broker.publish("n", "c", 1, false);
    watch.until_messages(3).await;
    watch.until_caught_up(2).await;
    assert_eq!(watch.bodies(), ["a", "b", "c"]);
}

pub async fn however_often_it_ends_nothing_is_lost_or_comes_twice(broker: &mut dyn Broker) {
    let connection = to(&broker.url(), &["n"], &json!({}));
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

pub async fn retained_messages_are_old_and_come_once_for_each_filter(broker: &mut dyn Broker) {
    broker.publish("state/a", "kept", 1, true);
    broker.publish("other", "kept too", 1, true);
    let mut watch = Watch::start(&to(&broker.url(), &["state/+"], &json!({})));
    watch.until_messages(1).await;
    broker.publish("state/a", "changed", 1, true);
    watch.until_messages(2).await;
    assert_eq!(arrivals(&watch), [Arrival::Old, Arrival::Live]);
    let cursor = watch.end().await;

    let mut watch = Watch::from(&to(&broker.url(), &["state/+", "other"], &json!({})), cursor);
    assert_eq!(watch.until_caught_up(1).await, RECOVERED);
    watch.until_messages(1).await;
    let cursor = watch.end().await;

    let mut watch = Watch::from(&to(&broker.url(), &["other"], &json!({})), cursor);
    assert_eq!(watch.until_caught_up(1).await, RECOVERED);
    broker.publish("state/a", "not any more", 1, false);
    broker.publish("other", "news", 1, false);
    watch.until_messages(1).await;
    assert_eq!((watch.bodies(), arrivals(&watch)), (vec!["news"], vec![Arrival::Live]));
}

pub async fn where_messages_come_that_brokers_do_not_keep_a_gap_may_miss_some(broker: &mut dyn Broker) {
    let connection = to(&broker.url(), &["n"], &json!({}));
    let mut watch = Watch::start(&connection);
    watch.until_connected().await;
    broker.publish("n", "fleeting", 0, false);
    watch.until_messages(1).await;
    let cursor = watch.end().await;
    let mut watch = Watch::from(&connection, cursor);
    assert_eq!(watch.until_caught_up(1).await, CaughtUp::Missing(Missing::NoReplay));
}
