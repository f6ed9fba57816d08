//! The ntfy dialect against ntfy.py, whose first lines tell what of it was compared with a real server.

use std::time::Duration;

use heartwire_core::dialect::{CaughtUp, Item, Missing};
use heartwire_core::message::Arrival;
use heartwire_core::settings::Connection;
use serde_json::{Value, json};

use crate::server::Server;
use crate::watch::{Watch, connection};

const DAY_HALF: u64 = 12 * 60 * 60;

/// The server's seconds are all that a first contact can go by: what was published in its very second counts as new.
const NEXT_SECOND: Duration = Duration::from_millis(1100);

fn start(arguments: &[&str]) -> (Server, Connection) {
    let server = Server::python("ntfy.py", arguments);
    let connection = to(&server, json!({}));
    (server, connection)
}

/// Topics `a` and `b`, with these keys besides.
fn to(server: &Server, mut keys: Value) -> Connection {
    keys["url"] = json!(format!("http://127.0.0.1:{}/a,b/ws", server.port));
    keys["preset"] = json!("ntfy");
    connection(keys)
}

fn request(server: &mut Server, method: &str, path: &str, body: &str, headers: &Value) -> Value {
    let order = json!({ "do": "request", "method": method, "path": path, "body": body, "headers": headers });
    let said = server.carry_out(&order);
    assert_eq!(said["status"], 200, "{said}");
    serde_json::from_str(said["body"].as_str().unwrap()).unwrap()
}

fn publish(server: &mut Server, topic: &str, body: &str) -> Value {
    request(server, "PUT", &format!("/{topic}"), body, &json!({}))
}

/// Breaks every socket, and lets none up again until `hear`.
async fn cut(server: &mut Server, watch: &mut Watch) {
    server.carry_out(&json!({ "do": "deaf" }));
    let before = watch.statuses.len();
    server.order(&json!({ "do": "abort" }));
    watch.until("the cut to be noticed", |watch| watch.statuses.len() > before).await;
    server.wait_for("closed");
}

fn hear(server: &mut Server) {
    server.order(&json!({ "do": "hear" }));
}

async fn connected(connection: &Connection) -> Watch {
    let mut watch = Watch::start(connection);
    watch.until_connected().await;
    assert_eq!(watch.until_caught_up(1).await, CaughtUp::FirstContact);
    watch
}

fn recovered(seconds: u64) -> CaughtUp {
    CaughtUp::Recovered { keeps: Some(Duration::from_secs(seconds)) }
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_first_contact_nothing_old_is_news_and_live_messages_come_with_all_they_have() {
    let (mut server, connection) = start(&[]);
    publish(&mut server, "a", "old");
    tokio::time::sleep(NEXT_SECOND).await;
    let mut watch = connected(&connection).await;
    let headers = json!({ "Title": "Backup", "Tags": "warning,zfs", "Priority": "4", "Attach": "https://h/log.txt" });
    let said = request(&mut server, "PUT", "/a/nightly", "failed", &headers);
    watch.until_messages(1).await;
    let message = &watch.messages[0];
    assert_eq!((message.title.as_str(), message.priority), ("⚠\u{fe0f} Backup", 4));
    assert_eq!(message.body, "failed\nlog.txt, https://h/log.txt\nTags: zfs");
    assert_eq!((message.id.as_deref(), message.key.as_deref()), (said["id"].as_str(), Some("a/nightly")));
    assert_eq!((message.sent_ms, message.arrival), (Some(said["time"].as_i64().unwrap() * 1000), Arrival::Live));
    cut(&mut server, &mut watch).await;
    hear(&mut server);
    assert_eq!(watch.until_caught_up(2).await, recovered(DAY_HALF));
    assert_eq!(watch.messages.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_missed_during_a_cut_and_a_restart_is_given_once_and_in_order() {
    let (mut server, connection) = start(&[]);
    let mut watch = connected(&connection).await;
    publish(&mut server, "a", "one");
    watch.until_messages(1).await;
    cut(&mut server, &mut watch).await;
    publish(&mut server, "b", "two");
    publish(&mut server, "a", "three");
    hear(&mut server);
    assert_eq!(watch.until_caught_up(2).await, recovered(DAY_HALF));
    publish(&mut server, "a", "four");
    watch.until_messages(4).await;
    let came: Vec<_> = watch.messages.iter().map(|message| message.arrival).collect();
    assert_eq!(came, [Arrival::Live, Arrival::CaughtUp, Arrival::CaughtUp, Arrival::Live]);
    let mut bodies = watch.bodies();
    // The server sorts by seconds, and gives those of one second topic by topic.
    bodies[1..3].sort_unstable();
    assert_eq!(bodies, ["one", "three", "two", "four"]);
    let cursor = watch.end().await;
    publish(&mut server, "b", "five");
    let mut watch = Watch::from(&connection, cursor);
    assert_eq!(watch.until_caught_up(1).await, recovered(DAY_HALF));
    assert_eq!(watch.bodies(), ["five"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_message_that_is_delivered_after_newer_ones_during_a_cut_is_not_lost() {
    let (mut server, connection) = start(&["--min-delay", "1", "--delayed", "4"]);
    let mut watch = connected(&connection).await;
    request(&mut server, "PUT", "/a", "scheduled", &json!({ "In": "1s" }));
    watch.listen(Duration::from_millis(2100)).await;
    publish(&mut server, "a", "newer");
    watch.until_messages(1).await;
    cut(&mut server, &mut watch).await;
    server.wait_for("delivered");
    hear(&mut server);
    watch.until_caught_up(2).await;
    assert_eq!(watch.bodies(), ["newer", "scheduled"]);
    assert!(watch.messages[1].sent_ms < watch.messages[0].sent_ms, "else this tested nothing");
}

/// As on a busy server: published before we were there, and kept after we asked.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_the_server_keeps_only_after_the_first_answer_is_not_lost() {
    let (mut server, connection) = start(&[]);
    let mut watch = connected(&connection).await;
    cut(&mut server, &mut watch).await;
    server.carry_out(&json!({ "do": "keep-late" }));
    publish(&mut server, "a", "late");
    hear(&mut server);
    assert_eq!(server.wait_for("polled")["given"], 0);
    server.carry_out(&json!({ "do": "keep" }));
    assert_eq!(watch.until_caught_up(2).await, recovered(DAY_HALF));
    assert_eq!(watch.bodies(), ["late"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_come_while_the_missed_ones_are_fetched_are_given_at_once_and_move_no_cursor() {
    let (mut server, connection) = start(&[]);
    let mut watch = connected(&connection).await;
    cut(&mut server, &mut watch).await;
    publish(&mut server, "a", "missed");
    server.carry_out(&json!({ "do": "hold" }));
    let before = watch.cursor.clone();
    hear(&mut server);
    server.wait_for("subscribed");
    watch.until_connected().await;
    publish(&mut server, "a", "live");
    watch.until_messages(1).await;
    assert_eq!((watch.bodies(), &watch.cursor, watch.caught_up.len()), (vec!["live"], &before, 1));
    server.order(&json!({ "do": "release" }));
    assert_eq!(watch.until_caught_up(2).await, recovered(DAY_HALF));
    assert_eq!(watch.bodies(), ["live", "missed"]);
    let cursor = watch.end().await;
    assert_ne!(cursor, before);
    let mut watch = Watch::from(&connection, cursor);
    watch.until_caught_up(1).await;
    assert!(watch.messages.is_empty(), "the cursor covers both");
}

#[tokio::test(flavor = "multi_thread")]
async fn how_long_the_server_keeps_messages_is_told_with_what_it_still_had() {
    let (mut server, connection) = start(&["--cache", "2", "--manager", "1"]);
    let mut watch = connected(&connection).await;
    publish(&mut server, "a", "one");
    watch.until_messages(1).await;
    cut(&mut server, &mut watch).await;
    publish(&mut server, "a", "gone");
    let mut pruned = 0;
    while pruned < 2 {
        pruned += server.wait_for("pruned")["count"].as_u64().unwrap();
    }
    hear(&mut server);
    assert_eq!(watch.until_caught_up(2).await, recovered(2));
    assert_eq!(watch.bodies(), ["one"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_leaves_out_of_a_long_answer_is_a_gap() {
    let (mut server, connection) = start(&["--poll-size", "600"]);
    let mut watch = connected(&connection).await;
    publish(&mut server, "b", "one");
    watch.until_messages(1).await;
    cut(&mut server, &mut watch).await;
    server.carry_out(&json!({ "do": "publish", "topic": "a", "from": 1, "count": 100 }));
    hear(&mut server);
    assert_eq!(watch.until_caught_up(2).await, CaughtUp::Missing(Missing::Refused));
    let bodies = watch.bodies();
    assert!(bodies.len() < 10 && bodies.last() == Some(&"100"), "{bodies:?}");
    cut(&mut server, &mut watch).await;
    publish(&mut server, "a", "two");
    hear(&mut server);
    watch.until_caught_up(3).await;
    assert_eq!(watch.bodies().last(), Some(&"two"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lost_what_it_kept_is_noticed() {
    let (mut server, connection) = start(&[]);
    let mut watch = connected(&connection).await;
    publish(&mut server, "a", "one");
    watch.until_messages(1).await;
    cut(&mut server, &mut watch).await;
    publish(&mut server, "a", "lost");
    server.carry_out(&json!({ "do": "forget" }));
    publish(&mut server, "a", "two");
    hear(&mut server);
    assert_eq!(watch.until_caught_up(2).await, CaughtUp::Missing(Missing::CursorLost));
    assert_eq!(watch.bodies(), ["one", "two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_and_cleared_messages_are_withdrawn_also_if_that_was_missed() {
    let (mut server, connection) = start(&[]);
    let mut watch = connected(&connection).await;
    let first = publish(&mut server, "a", "one");
    request(&mut server, "PUT", "/b/nightly", "two", &json!({}));
    watch.until_messages(2).await;
    request(&mut server, "DELETE", &format!("/a/{}", first["id"].as_str().unwrap()), "", &json!({}));
    watch.until("a withdrawal", |watch| watch.withdrawn.len() == 1).await;
    assert_eq!(Some(&watch.withdrawn[0].key), watch.messages[0].key.as_ref());
    cut(&mut server, &mut watch).await;
    request(&mut server, "PUT", "/b/nightly/clear", "", &json!({}));
    hear(&mut server);
    watch.until_caught_up(2).await;
    assert_eq!(watch.withdrawn.len(), 2);
    assert_eq!(Some(&watch.withdrawn[1].key), watch.messages[1].key.as_ref());
    let cursor = watch.end().await;
    request(&mut server, "PUT", "/b/nightly", "again", &json!({}));
    let mut watch = Watch::from(&connection, cursor);
    watch.until_caught_up(1).await;
    assert_eq!((watch.bodies(), watch.withdrawn.len()), (vec!["again"], 0), "no old withdrawal takes back what is new");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_is_told_and_the_right_one_is_for_the_fetch_too() {
    let mut server = Server::python("ntfy.py", &["--token", "tk_right"]);
    let with = |token: &str| json!({ "auth": { "kind": "token", "secret": { "command": ["printf", token] } } });
    for (keys, status) in [(with("tk_wrong"), "401"), (json!({}), "403")] {
        let mut watch = Watch::start(&to(&server, keys));
        let cause = watch.until_blocked().await;
        assert_eq!(cause.code, "unauthorized");
        assert!(cause.text.contains(status), "{}", cause.text);
        watch.end().await;
    }
    let connection = to(&server, with("tk_right"));
    let watch = connected(&connection).await;
    let cursor = watch.end().await;
    request(&mut server, "PUT", "/a", "missed", &json!({ "Authorization": "Bearer tk_right" }));
    let mut watch = Watch::from(&connection, cursor);
    assert_eq!(watch.until_caught_up(1).await, recovered(DAY_HALF));
    assert_eq!(watch.bodies(), ["missed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_that_fails_or_breaks_off_is_tried_until_all_is_there_and_one_that_is_refused_is_a_gap() {
    let (mut server, connection) = start(&[]);
    let mut watch = connected(&connection).await;
    cut(&mut server, &mut watch).await;
    publish(&mut server, "a", "one");
    publish(&mut server, "a", "two");
    server.carry_out(&json!({ "do": "fail", "status": 500, "times": 1 }));
    server.carry_out(&json!({ "do": "break", "after": 1 }));
    hear(&mut server);
    for (status, given) in [(500, 0), (200, 1), (200, 2)] {
        let polled = server.wait_for("polled");
        assert_eq!((&polled["status"], &polled["given"]), (&json!(status), &json!(given)));
    }
    assert_eq!(watch.until_caught_up(2).await, recovered(DAY_HALF));
    assert_eq!(watch.bodies(), ["one", "two"]);
    cut(&mut server, &mut watch).await;
    server.carry_out(&json!({ "do": "fail", "status": 404, "times": 1 }));
    hear(&mut server);
    assert_eq!(watch.until_caught_up(3).await, CaughtUp::Missing(Missing::Refused));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_is_proved_by_pings_within_the_servers_limits() {
    let (mut server, connection) = start(&["--keepalive", "1"]);
    let mut quick = connection.clone();
    quick.heartbeat.every = Duration::from_millis(100);
    let mut watch = connected(&quick).await;
    for _ in 0..20 {
        watch.until_round_trip().await;
    }
    publish(&mut server, "a", "still there");
    watch.until_messages(1).await;
    assert_eq!(watch.caught_up.len(), 1, "one socket all the time");
}

#[tokio::test(flavor = "multi_thread")]
async fn through_many_cuts_no_message_is_lost() {
    const EACH: usize = 100;
    const CUTS: usize = 20;
    let (mut server, connection) = start(&[]);
    let mut watch = connected(&connection).await;
    for cut in 0..CUTS {
        server.order(&json!({ "do": "publish", "topic": "a", "from": cut * EACH, "count": EACH }));
        if cut % 2 == 0 {
            server.order(&json!({ "do": "abort" }));
        } else {
            watch.listen(Duration::from_millis(cut as u64 * 20)).await;
        }
    }
    // The store drops what comes twice, by its id.
    let mut seen = std::collections::BTreeSet::new();
    let mut ids = std::collections::HashSet::new();
    watch
        .until("every message", |watch| {
            seen.extend(watch.messages.iter().map(|message| message.body.parse::<usize>().unwrap()));
            ids.extend(watch.messages.iter().map(|message| message.id.clone()));
            seen.len() == CUTS * EACH
        })
        .await;
    assert_eq!((seen.first(), seen.last(), ids.len()), (Some(&0), Some(&(CUTS * EACH - 1)), CUTS * EACH));
    let lost = |item: &Item| matches!(item, Item::CaughtUp(CaughtUp::Missing(_)));
    assert!(!watch.items.iter().any(lost), "and none is said to be");
}
