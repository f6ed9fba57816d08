//! The plain dialect against `websockets` and aiohttp for Python and `ws` for Node.js.

use std::time::Duration;

use heartwire_core::dialect::{CaughtUp, Missing};
use serde_json::json;

use crate::server::Server;
use crate::watch::{Watch, connection};

#[tokio::test]
async fn a_message_comes_as_it_is_and_nothing_is_promised_of_what_was_missed() {
    for server in [Server::python("recipe.py", &["json-heart", "0"]), Server::node("recipe.cjs", &["json-heart", "0"])]
    {
        let mut server = server;
        let url = format!("http://127.0.0.1:{}", server.port);
        let connection = connection(json!({ "url": url, "preset": "json-heart", "on_open": [r#"{"id":"a1b2c3"}"#] }));
        let mut watch = Watch::start(&connection);
        watch.until_connected().await;
        assert_eq!(watch.until_caught_up(1).await, CaughtUp::Missing(Missing::NoReplay));
        server.wait_for("received");
        server.order(&json!({ "do": "send", "text": r#"{"title":"Order","text":"Two lamps"}"# }));
        watch.until_messages(1).await;
        assert_eq!((watch.messages[0].title.as_str(), watch.bodies()), ("Order", vec!["Two lamps"]));
        assert!(watch.end().await.is_none());
    }
}

#[tokio::test]
async fn an_echo_of_the_heartbeat_proves_the_link_and_is_no_message() {
    let echo = "heartbeat-echo";
    for server in
        [Server::python("echo.py", &[]), Server::python("recipe.py", &[echo]), Server::node("recipe.cjs", &[echo])]
    {
        let mut server = server;
        let url = format!("http://127.0.0.1:{}", server.port);
        let mut watch =
            Watch::start(&connection(json!({ "url": url, "preset": echo, "heartbeat": { "every": "200ms" } })));
        watch.until_connected().await;
        // Longer than the first of them lets a ping of its own go unanswered.
        watch.listen(Duration::from_secs(2)).await;
        assert!(watch.round_trips > 1, "{}", watch.round_trips);
        assert_eq!(server.wait_for("received")["text"], "检测");
        server.order(&json!({ "do": "send", "text": "Two lamps" }));
        server.order(&json!({ "do": "send", "text": "检测 1" }));
        watch.until_messages(2).await;
        watch.until_round_trip().await;
        assert_eq!(watch.bodies(), ["Two lamps", "检测 1"]);
        assert!(watch.statuses.iter().all(|status| status.cause.is_none()), "{:?}", watch.statuses);
        watch.end().await;
    }
}
