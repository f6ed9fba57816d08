//! STOMP against RabbitMQ 3.10 (Debian's).

use std::time::Duration;

use heartwire_core::dialect::{CaughtUp, Missing};
use heartwire_core::message::Arrival;
use heartwire_core::settings::Connection;
use heartwire_core::view::LinkState;
use serde_json::{Value, json};

use crate::rabbit::{self, Rabbit};
use crate::watch::{Watch, connection};

/// Pinged so often that an answer soon shows that what was sent before the ping was taken.
fn to(rabbit: &Rabbit, destination: &str, more: &Value) -> Connection {
    let heartbeat = json!({ "every": "200ms", "timeout": "20s", "always": true });
    let keys =
        json!({ "url": rabbit.stomp_url(""), "preset": "stomp", "subscribe": [destination], "heartbeat": heartbeat });
    let both = keys.as_object().unwrap().clone().into_iter().chain(more.as_object().unwrap().clone());
    connection(Value::Object(both.collect()))
}

fn arrivals(watch: &Watch) -> Vec<Arrival> {
    watch.messages.iter().map(|message| message.arrival).collect()
}

#[tokio::test]
async fn a_queue_loses_nothing_and_a_topic_says_that_it_may() {
    if !rabbit::is_there("a_queue_loses_nothing_and_a_topic_says_that_it_may") {
        return;
    }
    let mut rabbit = Rabbit::start();
    a_queue_gives_what_was_missed_once_and_in_order(&rabbit).await;
    what_was_not_kept_comes_again(&mut rabbit).await;
    a_durable_topic_is_a_queue(&rabbit).await;
    a_durable_topic_is_shared_by_all_of_one_name(&rabbit).await;
    a_trial_of_a_durable_topic_leaves_no_queue(&rabbit).await;
    a_topic_promises_nothing(&rabbit).await;
    the_link_is_proved_while_nothing_happens(&rabbit).await;
    bytes_in_a_text_frame_say_what_to_do(&rabbit).await;
}

async fn a_queue_gives_what_was_missed_once_and_in_order(rabbit: &Rabbit) {
    let connection = to(rabbit, "/queue/orders", &json!({}));
    rabbit.publish("/queue/orders", "", ["from before"]);
    let mut watch = Watch::start(&connection);
    assert_eq!(watch.until_caught_up(1).await, CaughtUp::FirstContact);
    watch.until_messages(1).await;
    let json = r#"{"title":"Order","text":"Two lamps"}"#;
    rabbit.publish("/queue/orders", "amqp-message-id:m\\c1\ntimestamp:1700000000\n", [json]);
    watch.until_messages(2).await;
    assert_eq!(arrivals(&watch), [Arrival::Old, Arrival::Live]);
    let message = &watch.messages[1];
    assert_eq!((message.title.as_str(), message.body.as_str()), ("Order", "Two lamps"));
    assert_eq!((message.id.as_deref(), message.sent_ms), (Some("m:1"), Some(1_700_000_000_000)));
    assert_eq!(watch.messages[0].title, "/queue/orders");
    watch.until_round_trip().await;
    let cursor = watch.end().await;

    let missed: Vec<_> = (0..2_000).map(|number| format!("missed {number}")).collect();
    rabbit.publish("/queue/orders", "", missed.iter().map(String::as_str));
    let mut watch = Watch::from(&connection, cursor);
    assert_eq!(watch.until_caught_up(1).await, CaughtUp::Recovered { keeps: None });
    watch.until_messages(2_000).await;
    rabbit.publish("/queue/orders", "", ["new"]);
    watch.until_messages(2_001).await;
    assert_eq!(watch.bodies()[..2_000], missed, "and nothing of before, for it was acknowledged");
    assert_eq!(watch.bodies()[2_000], "new");
    // How many of them the broker sends before its answer that the past is over is its own affair.
    assert_eq!(arrivals(&watch)[2_000], Arrival::Live);
    watch.end().await;
}

/// The disk never answers, and then the server dies without a word: it kept what was not acknowledged.
async fn what_was_not_kept_comes_again(rabbit: &mut Rabbit) {
    let connection = to(rabbit, "/queue/again", &json!({}));
    let mut watch = Watch::start(&connection);
    watch.until_caught_up(1).await;
    rabbit.publish("/queue/again", "", ["kept"]);
    watch.until_messages(1).await;
    watch.until_round_trip().await;
    watch.commits = false;
    rabbit.publish("/queue/again", "", ["one", "two", "three"]);
    watch.until_messages(4).await;
    rabbit.kill();
    rabbit.start_again();
    assert_eq!(watch.until_caught_up(2).await, CaughtUp::Recovered { keeps: None });
    watch.until_messages(7).await;
    assert_eq!(watch.bodies(), ["kept", "one", "two", "three", "one", "two", "three"]);
    assert_eq!(arrivals(&watch)[4..], [Arrival::CaughtUp; 3]);
    watch.end().await;
}

async fn a_durable_topic_is_a_queue(rabbit: &Rabbit) {
    let connection = to(rabbit, "/topic/news.*\ndurable:true\nauto-delete:false", &json!({}));
    let mut watch = Watch::start(&connection);
    assert_eq!(watch.until_caught_up(1).await, CaughtUp::FirstContact);
    let cursor = watch.end().await;
    rabbit.publish("/topic/news.today", "", ["missed"]);
    let mut watch = Watch::from(&connection, cursor);
    assert_eq!(watch.until_caught_up(1).await, CaughtUp::Recovered { keeps: None });
    watch.until_messages(1).await;
    assert_eq!((watch.messages[0].title.as_str(), watch.bodies()), ("/topic/news.today", vec!["missed"]));
    watch.end().await;
}

/// Its queue has a name of the destination, unless it is given one.
async fn a_durable_topic_is_shared_by_all_of_one_name(rabbit: &Rabbit) {
    let durable = "/topic/shared\ndurable:true\nauto-delete:false";
    let mut watches = Vec::new();
    for entry in [durable, durable, &format!("{durable}\nx-queue-name:laptop")] {
        let mut watch = Watch::start(&to(rabbit, entry, &json!({})));
        watch.until_caught_up(1).await;
        watches.push(watch);
    }
    rabbit.publish("/topic/shared", "", ["one", "two"]);
    let [desk, other, laptop] = &mut watches[..] else { panic!() };
    desk.until_messages(1).await;
    other.until_messages(1).await;
    laptop.until_messages(2).await;
    assert_eq!(laptop.bodies(), ["one", "two"]);
}

async fn a_trial_of_a_durable_topic_leaves_no_queue(rabbit: &Rabbit) {
    let named = "/topic/tried\ndurable:true\nauto-delete:false\nx-queue-name:tried";
    let connection = to(rabbit, named, &json!({}));
    let mut trial = Watch::passing(&connection);
    assert_eq!(trial.until_caught_up(1).await, CaughtUp::Missing(Missing::NoReplay));
    rabbit.publish("/topic/tried", "", ["shown"]);
    trial.until_messages(1).await;
    trial.end().await;
    rabbit.publish("/topic/tried", "", ["to nobody"]);
    let mut watch = Watch::start(&connection);
    assert_eq!(watch.until_caught_up(1).await, CaughtUp::FirstContact);
    rabbit.publish("/topic/tried", "", ["new"]);
    watch.until_messages(1).await;
    assert_eq!(watch.bodies(), ["new"]);
    watch.end().await;
}

async fn a_topic_promises_nothing(rabbit: &Rabbit) {
    let connection = to(rabbit, "/topic/weather", &json!({}));
    let mut watch = Watch::start(&connection);
    assert_eq!(watch.until_caught_up(1).await, CaughtUp::Missing(Missing::NoReplay));
    rabbit.publish("/topic/weather", "", ["sun"]);
    watch.until_messages(1).await;
    assert_eq!((arrivals(&watch), watch.bodies()), (vec![Arrival::Live], vec!["sun"]));
    assert!(watch.end().await.is_none());
}

/// The server was told 1.5 s, counts whole seconds, and gives up after two in which no byte came.
async fn the_link_is_proved_while_nothing_happens(rabbit: &Rabbit) {
    let quick = json!({ "heartbeat": { "every": "1s", "timeout": "5s", "always": true } });
    let mut watch = Watch::start(&to(rabbit, "/topic/quiet", &quick));
    watch.until_connected().await;
    watch.listen(Duration::from_secs(6)).await;
    assert!(watch.round_trips >= 4, "{}", watch.round_trips);
    assert_eq!(watch.caught_up.len(), 1, "one socket all the time");
    watch.end().await;
}

/// It sends all bodies in text frames unless it is told otherwise.
async fn bytes_in_a_text_frame_say_what_to_do(rabbit: &Rabbit) {
    rabbit.publish_bytes("/queue/bytes", "", [b"\xff\xfe".as_slice()]);
    let mut watch = Watch::start(&to(rabbit, "/queue/bytes", &json!({})));
    let cause = watch.until_state(LinkState::Waiting).await.cause.unwrap().view();
    assert!(cause.code == "protocol" && cause.text.contains("`web_stomp.ws_frame = binary`"), "{cause:?}");
    watch.end().await;
}

#[tokio::test]
async fn what_only_the_person_can_mend_blocks() {
    if !rabbit::is_there("what_only_the_person_can_mend_blocks") {
        return;
    }
    let rabbit = Rabbit::start();
    let secret = |secret: &str| json!({ "kind": "basic", "user": "guest", "secret": { "command": ["echo", secret] } });
    let mut good = Watch::start(&to(&rabbit, "/topic/a", &json!({ "auth": secret("guest") })));
    good.until_connected().await;
    good.end().await;

    let blocked = async |connection: &Connection| {
        let mut watch = Watch::start(connection);
        let cause = watch.until_blocked().await;
        assert_eq!(watch.caught_up.len(), 0, "it was never connected");
        watch.end().await;
        (cause.code, cause.text)
    };
    let (code, text) = blocked(&to(&rabbit, "/topic/a", &json!({ "auth": secret("wrong") }))).await;
    assert_eq!((code.as_str(), text.contains("Access refused for user 'guest'")), ("unauthorized", true), "{text}");
    let (code, text) = blocked(&to(&rabbit, "/topic/a", &json!({ "url": rabbit.stomp_url("?vhost=nowhere") }))).await;
    assert_eq!((code.as_str(), text.contains("'nowhere' access denied")), ("unauthorized", true), "{text}");
    let (code, text) = blocked(&to(&rabbit, "/nothing/a", &json!({}))).await;
    assert_eq!((code.as_str(), text.contains("Unknown destination")), ("configuration", true), "{text}");
}
