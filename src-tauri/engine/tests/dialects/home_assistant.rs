//! Home Assistant's notifications against a fake built from its sources.

use heartwire_core::dialect::{CaughtUp, Missing};
use heartwire_core::link::ResumeData;
use heartwire_core::message::Arrival;
use heartwire_core::settings::Connection;
use serde_json::{Value, json};

use crate::server::Server;
use crate::watch::{Watch, connection};

const RECOVERED: CaughtUp = CaughtUp::Recovered { keeps: None };

struct HomeAssistant(Server);

impl HomeAssistant {
    fn start() -> Self {
        Self(Server::python("home_assistant.py", &[]))
    }

    /// Does this, and has done it.
    fn order(&mut self, order: &Value) {
        self.0.carry_out(order);
    }

    fn create(&mut self, id: &str, message: &str) {
        self.order(&json!({ "do": "create", "id": id, "message": message }));
    }

    fn dismiss(&mut self, id: &str) {
        self.order(&json!({ "do": "dismiss", "id": id }));
    }

    fn connection(&self, auth: &Value) -> Connection {
        let url = format!("http://127.0.0.1:{}/api/websocket", self.0.port);
        connection(json!({
            "url": url, "preset": "home-assistant", "auth": auth, "heartbeat": { "every": "200ms", "timeout": "5s" },
        }))
    }

    fn watch(&self, cursor: Option<ResumeData>) -> Watch {
        Watch::from(&self.connection(&token("access-token")), cursor)
    }
}

fn token(token: &str) -> Value {
    json!({ "kind": "token", "secret": { "command": ["echo", token] } })
}

fn came(watch: &Watch) -> Vec<(&str, Arrival)> {
    watch.messages.iter().map(|message| (message.body.as_str(), message.arrival)).collect()
}

fn withdrawn(watch: &Watch) -> Vec<&str> {
    watch.withdrawn.iter().map(|withdrawal| withdrawal.key.as_str()).collect()
}

#[tokio::test]
async fn what_is_there_is_old_and_every_change_is_told() {
    let mut server = HomeAssistant::start();
    server.create("door", "open");
    let mut watch = server.watch(None);
    assert_eq!(watch.until_caught_up(1).await, CaughtUp::FirstContact);
    server.order(&json!({ "do": "create", "id": "wash", "message": "**done** at 20:15", "title": "Laundry" }));
    server.create("door", "still open");
    server.dismiss("door");
    watch.until("the withdrawal", |watch| !watch.withdrawn.is_empty()).await;
    let expected = [("open", Arrival::Old), ("**done** at 20:15", Arrival::Live), ("still open", Arrival::Live)];
    assert_eq!((came(&watch), withdrawn(&watch)), (expected.to_vec(), vec!["door"]));
    let (first, wash, again) = (&watch.messages[0], &watch.messages[1], &watch.messages[2]);
    assert_eq!((wash.title.as_str(), wash.key.as_deref()), ("Laundry", Some("wash")));
    assert!(wash.sent_ms.is_some() && first.key == again.key && first.id != again.id);
    watch.end().await;
}

#[tokio::test]
async fn after_a_gap_the_difference_is_told() {
    let mut server = HomeAssistant::start();
    for id in ["kept", "gone", "changed"] {
        server.create(id, id);
    }
    let mut watch = server.watch(None);
    watch.until_caught_up(1).await;
    let cursor = watch.end().await;
    server.dismiss("gone");
    server.create("changed", "new words");
    server.create("new", "new");
    server.create("brief", "brief");
    server.dismiss("brief");

    let mut watch = server.watch(cursor);
    assert_eq!(watch.until_caught_up(1).await, RECOVERED);
    let expected = [("new words", Arrival::CaughtUp), ("new", Arrival::CaughtUp)];
    assert_eq!((came(&watch), withdrawn(&watch)), (expected.to_vec(), vec!["gone"]));

    // A cut in which nothing changes; then a restart, which takes all back.
    server.order(&json!({ "do": "cut" }));
    assert_eq!(watch.until_caught_up(2).await, RECOVERED);
    assert_eq!((watch.messages.len(), watch.withdrawn.len()), (2, 1));
    server.order(&json!({ "do": "restart" }));
    assert_eq!(watch.until_caught_up(3).await, RECOVERED);
    assert_eq!(withdrawn(&watch), ["gone", "changed", "kept", "new"]);
    watch.end().await;
}

#[tokio::test]
async fn a_wrong_a_revoked_and_no_token_block() {
    let mut server = HomeAssistant::start();
    let mut watch = Watch::start(&server.connection(&token("another")));
    let cause = watch.until_blocked().await;
    assert_eq!(cause.code, "unauthorized");
    assert!(cause.text.contains("Invalid access token or password"), "{}", cause.text);
    watch.end().await;

    let mut watch = Watch::start(&server.connection(&json!({ "kind": "none" })));
    let cause = watch.until_blocked().await;
    assert_eq!((cause.code.as_str(), cause.text.contains("long-lived access token")), ("unauthorized", true));
    watch.end().await;

    let mut watch = server.watch(None);
    watch.until_caught_up(1).await;
    server.order(&json!({ "do": "token", "token": "new" }));
    assert_eq!(watch.until_blocked().await.code, "unauthorized");
    watch.end().await;
}

#[tokio::test]
async fn its_own_ping_proves_the_link_and_silence_ends_it() {
    let mut server = HomeAssistant::start();
    let mut watch = server.watch(None);
    for _ in 0..3 {
        watch.until_round_trip().await;
    }
    server.order(&json!({ "do": "quiet" }));
    let waiting = watch.until_state(heartwire_core::view::LinkState::Waiting).await;
    assert_eq!(waiting.cause.unwrap().view().code, "heartbeat-timeout");
    watch.end().await;
}

#[tokio::test]
async fn a_list_that_the_server_cannot_say_is_a_gap_that_the_next_socket_fills() {
    let mut server = HomeAssistant::start();
    let mut watch = server.watch(None);
    watch.until_caught_up(1).await;
    let cursor = watch.end().await;
    server.create("a", "a");
    server.order(&json!({ "do": "speechless" }));
    let mut watch = server.watch(cursor);
    assert_eq!(watch.until_caught_up(1).await, CaughtUp::Missing(Missing::Refused));
    server.order(&json!({ "do": "speechless" }));
    server.create("b", "b");
    watch.until_messages(1).await;
    assert_eq!(came(&watch), [("b", Arrival::Live)]);
    server.order(&json!({ "do": "cut" }));
    assert_eq!(watch.until_caught_up(2).await, RECOVERED);
    assert_eq!(came(&watch)[1..], [("a", Arrival::CaughtUp)]);
    watch.end().await;
}
