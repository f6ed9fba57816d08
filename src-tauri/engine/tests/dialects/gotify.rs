//! Gotify against a fake built from its sources and compared with the real server.

use std::collections::BTreeSet;

use heartwire_core::dialect::{CaughtUp, Missing};
use heartwire_core::link::ResumeData;
use heartwire_core::message::Arrival;
use heartwire_core::settings::Connection;
use serde_json::{Value, json};

use crate::server::Server;
use crate::watch::{Watch, connection};

const RECOVERED: CaughtUp = CaughtUp::Recovered { keeps: None };

struct Gotify(Server);

impl Gotify {
    fn start() -> Self {
        Self(Server::python("gotify.py", &[]))
    }

    /// Does this, and has done it.
    fn order(&mut self, order: &Value) {
        self.0.carry_out(order);
    }

    fn connection(&self, token: &str) -> Connection {
        connection(json!({
            "url": format!("http://127.0.0.1:{}/sub/stream", self.0.port),
            "preset": "gotify",
            "auth": { "secret": { "command": ["echo", token] } },
        }))
    }

    /// A cursor of now.
    async fn cursor(&self) -> ResumeData {
        let mut watch = Watch::start(&self.connection("client-token"));
        assert_eq!(watch.until_caught_up(1).await, CaughtUp::FirstContact);
        assert!(watch.messages.is_empty());
        watch.end().await.unwrap()
    }

    fn watch(&self, cursor: ResumeData) -> Watch {
        Watch::from(&self.connection("client-token"), Some(cursor))
    }
}

/// The bodies of those that came in this way.
fn bodies(watch: &Watch, arrival: Arrival) -> Vec<&str> {
    let came = watch.messages.iter().filter(|message| message.arrival == arrival);
    came.map(|message| message.body.as_str()).collect()
}

fn numbered(count: usize) -> Vec<String> {
    (1..=count).map(|at| format!("m {at}")).collect()
}

#[tokio::test]
async fn a_message_comes_as_it_is_posted_and_nothing_older() {
    let mut server = Gotify::start();
    server.order(&json!({ "do": "post", "count": 3 }));
    let mut watch = Watch::start(&server.connection("client-token"));
    assert_eq!(watch.until_caught_up(1).await, CaughtUp::FirstContact);
    server.order(&json!({ "do": "post", "title": "Backup", "message": "**done**\n", "priority": 8 }));
    watch.until_messages(1).await;
    let message = &watch.messages[0];
    assert_eq!((message.title.as_str(), message.body.as_str(), message.priority), ("Backup", "**done**", 4));
    assert_eq!(message.arrival, Arrival::Live);
    assert!(message.id.as_ref().is_some_and(|id| id.starts_with("4@")) && message.sent_ms.is_some());
    assert!(watch.end().await.is_some());
}

#[tokio::test]
async fn what_was_missed_comes_over_several_pages_oldest_first() {
    let mut server = Gotify::start();
    server.order(&json!({ "do": "post", "count": 10 }));
    let cursor = server.cursor().await;
    server.order(&json!({ "do": "post", "count": 950 }));
    let mut watch = server.watch(cursor);
    assert_eq!(watch.until_caught_up(1).await, RECOVERED);
    assert!(bodies(&watch, Arrival::CaughtUp) == numbered(950));
    let cursor = watch.end().await.unwrap();

    // There is nothing more.
    let mut watch = server.watch(cursor);
    assert_eq!((watch.until_caught_up(1).await, watch.messages.len()), (RECOVERED, 0));
    watch.end().await;
}

#[tokio::test]
async fn a_cut_loses_nothing() {
    let mut server = Gotify::start();
    let mut watch = Watch::start(&server.connection("client-token"));
    watch.until_caught_up(1).await;
    server.order(&json!({ "do": "cut" }));
    server.order(&json!({ "do": "post", "count": 450, "pushed": false }));
    server.order(&json!({ "do": "post", "message": "last" }));
    // The last one may be in the list before it is pushed: then it comes twice, and a store drops it.
    let ids = |watch: &Watch| watch.messages.iter().map(|message| message.id.clone()).collect::<BTreeSet<_>>().len();
    watch.until("451 messages", |watch| ids(watch) == 451).await;
    assert_eq!(watch.until_caught_up(2).await, RECOVERED);
    let mut got = watch.bodies();
    got.retain(|body| *body != "last");
    assert!(got == numbered(450));
    watch.end().await;
}

#[tokio::test]
async fn what_is_posted_during_the_catch_up_comes_at_once_and_moves_no_cursor() {
    let mut server = Gotify::start();
    server.order(&json!({ "do": "post" }));
    let cursor = server.cursor().await;
    server.order(&json!({ "do": "post", "count": 250 }));
    server.order(&json!({ "do": "hold" }));
    let mut watch = server.watch(cursor.clone());
    watch.until_connected().await;
    server.order(&json!({ "do": "post", "message": "live" }));
    watch.until_messages(1).await;
    assert_eq!((bodies(&watch, Arrival::Live), watch.cursor.as_ref()), (vec!["live"], Some(&cursor)));
    assert!(watch.caught_up.is_empty());
    server.order(&json!({ "do": "release" }));
    assert_eq!(watch.until_caught_up(1).await, RECOVERED);
    assert!(bodies(&watch, Arrival::CaughtUp) == numbered(250));
    let later = watch.end().await.unwrap();

    let mut watch = server.watch(later);
    assert_eq!((watch.until_caught_up(1).await, watch.messages.len()), (RECOVERED, 0));
    watch.end().await;
}

#[tokio::test]
async fn a_server_that_lost_its_database_is_told_and_heard() {
    let mut server = Gotify::start();
    let mut watch = Watch::start(&server.connection("client-token"));
    watch.until_caught_up(1).await;
    let contact = watch.cursor.clone();
    server.order(&json!({ "do": "post", "count": 5 }));
    watch.until_messages(5).await;
    watch.until("a later cursor", |watch| watch.cursor != contact).await;
    let before: BTreeSet<_> = watch.messages.iter().map(|message| message.id.clone()).collect();
    let cursor = watch.end().await.unwrap();
    server.order(&json!({ "do": "reset" }));
    server.order(&json!({ "do": "later", "seconds": 60 }));
    server.order(&json!({ "do": "post", "count": 3 }));
    let mut watch = server.watch(cursor);
    assert_eq!(watch.until_caught_up(1).await, CaughtUp::Missing(Missing::CursorLost));
    assert!(bodies(&watch, Arrival::CaughtUp) == numbered(3));
    let caught_up = watch.cursor.clone();
    server.order(&json!({ "do": "post", "message": "live" }));
    watch.until_messages(4).await;
    watch.until("a later cursor", |watch| watch.cursor != caught_up).await;
    assert!(watch.messages.iter().all(|message| !before.contains(&message.id)), "no store drops them");
    let cursor = watch.end().await.unwrap();

    server.order(&json!({ "do": "post", "message": "missed" }));
    let mut watch = server.watch(cursor);
    assert_eq!((watch.until_caught_up(1).await, bodies(&watch, Arrival::CaughtUp)), (RECOVERED, vec!["missed"]));
    watch.end().await;
}

#[tokio::test]
async fn messages_that_were_read_and_deleted_are_no_gap() {
    let mut server = Gotify::start();
    server.order(&json!({ "do": "post", "count": 5 }));
    let cursor = server.cursor().await;
    server.order(&json!({ "do": "delete" }));
    let mut watch = server.watch(cursor);
    assert_eq!((watch.until_caught_up(1).await, watch.messages.len()), (RECOVERED, 0));
    watch.end().await;
}

#[tokio::test]
async fn a_wrong_or_revoked_token_blocks() {
    let mut server = Gotify::start();
    let mut watch = Watch::start(&server.connection("another"));
    assert_eq!(watch.until_blocked().await.code, "unauthorized");
    watch.end().await;

    let mut watch = Watch::start(&server.connection("client-token"));
    watch.until_caught_up(1).await;
    server.order(&json!({ "do": "token", "token": "new" }));
    assert_eq!(watch.until_blocked().await.code, "unauthorized");
    watch.end().await;
}

#[tokio::test]
async fn a_list_that_fails_is_asked_for_until_it_comes() {
    let mut server = Gotify::start();
    let cursor = server.cursor().await;
    server.order(&json!({ "do": "post", "count": 2 }));
    server.order(&json!({ "do": "answer", "status": 503, "times": 2 }));
    let mut watch = server.watch(cursor);
    assert_eq!(watch.until_caught_up(1).await, RECOVERED);
    assert_eq!(bodies(&watch, Arrival::CaughtUp), ["m 1", "m 2"]);
    let mut asked = || server.0.wait_for("asked")["status"].clone();
    assert_eq!([asked(), asked(), asked()], [503, 503, 200]);
    watch.end().await;
}

#[tokio::test]
async fn a_list_that_is_refused_is_a_gap_and_the_cursor_stays_for_a_better_day() {
    let mut server = Gotify::start();
    let cursor = server.cursor().await;
    server.order(&json!({ "do": "post" }));
    server.order(&json!({ "do": "answer", "status": 404 }));
    let mut watch = server.watch(cursor.clone());
    assert_eq!(watch.until_caught_up(1).await, CaughtUp::Missing(Missing::Refused));
    server.order(&json!({ "do": "post", "message": "live" }));
    watch.until_messages(1).await;
    assert_eq!(bodies(&watch, Arrival::Live), ["live"]);
    assert_eq!(watch.end().await.as_ref(), Some(&cursor));

    let mut watch = server.watch(cursor);
    assert_eq!(watch.until_caught_up(1).await, RECOVERED);
    assert_eq!(bodies(&watch, Arrival::CaughtUp), ["m", "live"]);
    watch.end().await;
}

#[tokio::test]
async fn pings_prove_the_link_and_no_text_is_sent() {
    let mut server = Gotify::start();
    let url = format!("ws://127.0.0.1:{}/stream?token=client-token", server.0.port);
    let keys = json!({ "url": url, "dialect": "gotify", "heartbeat": { "every": "100ms" } });
    let mut watch = Watch::start(&connection(keys));
    assert_eq!(watch.until_caught_up(1).await, CaughtUp::FirstContact);
    watch.until_round_trip().await;
    watch.until_round_trip().await;
    watch.end().await;
    assert_eq!(server.0.wait_for("closed")["texts"], 0);
}
